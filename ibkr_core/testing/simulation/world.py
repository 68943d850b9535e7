"""Time, wire and processes of a simulation: one heap of moments, worked off in order."""

from __future__ import annotations

import contextlib
import heapq
import itertools
import random
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from ibkr_core.engine import Engine
from ibkr_core.errors import JournalFailed, NotReady, SendFailed
from ibkr_core.gateway import ManualClock, MemoryGateway
from ibkr_core.gateway.protocol import Session as GatewaySession
from ibkr_core.journal import Journal
from ibkr_core.link.session import Session
from ibkr_core.link.transport import Transport
from ibkr_core.settings import EngineSettings

__all__ = ["Killed", "World"]


_FLUSHES: Final = 0.2
"""How often a moment ends with the journal's batch being written."""


class Killed(BaseException):
    """The program was killed here. No handler of errors may catch it: nothing runs after a kill -9."""


class _Clock:
    """The engine's view of the world's clock."""

    def __init__(self, clock: ManualClock) -> None:
        self._clock = clock

    def now(self) -> datetime:
        """See :class:`ibkr_core.clock.Clock`."""
        return datetime.fromtimestamp(self._clock(), UTC)

    def monotonic(self) -> float:
        """See :class:`ibkr_core.clock.Clock`."""
        return self._clock()


class _Line:
    """One connection between the engine and the gateway: bytes take their time, and can be lost with it."""

    def __init__(self, world: World, far_end: GatewaySession) -> None:
        self._world = world
        self.far_end = far_end
        self.session: Session | None = None
        self.is_closed = False
        self._up_at = 0.0
        self._down_at = 0.0

    # The engine's side: a Transport.

    def receive_into(self, room: memoryview) -> int:
        """Nothing is received by waiting here; see :meth:`Transport.receive_into`."""
        del room
        raise OSError("a simulated line is fed by the world")

    def send(self, data: bytes) -> None:
        """See :meth:`Transport.send`."""
        if self.is_closed:
            raise NotReady("the connection is closed; nothing was sent")
        world = self._world
        fate = world.fate_of_send()
        if fate == "killed before":
            raise Killed
        if fate == "broken":
            cut = world.chance.randrange(len(data) + 1)
            self._carry(data[:cut])
            self._world.later(0.0, self._hang_up)
            raise SendFailed("the connection failed during a send: simulated")
        self._carry(data)
        if fate == "killed after":
            raise Killed

    def _carry(self, data: bytes) -> None:
        self._up_at = max(self._up_at, self._world.clock() + self._world.latency())
        self._world.at(self._up_at, lambda: self._arrive(data))

    def _arrive(self, data: bytes) -> None:
        if not self.far_end.closed:
            self.far_end.receive(data)

    def close(self) -> None:
        """See :meth:`Transport.close`."""
        if not self.is_closed:
            self.is_closed = True
            self._world.later(0.0, self._hang_up)

    def _hang_up(self) -> None:
        """Both ends learn that the line is gone."""
        self.is_closed = True
        self._world.lines.discard(self)
        if not self.far_end.closed:
            self.far_end.hang_up()
        if self.session is not None:
            session, self.session = self.session, None
            session.client.hang_up("the connection was closed")

    # The world's side.

    def fetch(self) -> None:
        """Take what the gateway has to say on its way."""
        if self.is_closed:
            return
        data = self.far_end.outgoing()
        if data:
            self._down_at = max(self._down_at, self._world.clock() + self._world.latency())
            self._world.at(self._down_at, lambda: self._deliver(data))
        if self.far_end.closed and not self.far_end.pending:
            self._world.at(max(self._down_at, self._world.clock()), self._hang_up)

    def _deliver(self, data: bytes) -> None:
        if self.is_closed or self.session is None:
            return
        if not self.session.client.feed(data):
            self.session = None
            self._hang_up()

    def cut(self) -> None:
        """The program is dead: nothing arrives there any more, and the gateway notices the end."""
        self.session = None
        self.is_closed = True
        if not self.far_end.closed:
            self.far_end.hang_up()


class World:
    """Everything that a simulation is made of.

    Args:
        gateway: The gateway, on a manual clock.
        clock: That clock.
        seed: Decides latencies and the fate of sends.
        journal_path: The engine's journal.
        settings: How the engine behaves.
        client_id: Its API client id.
    """

    def __init__(
        self,
        gateway: MemoryGateway,
        clock: ManualClock,
        *,
        seed: int,
        journal_path: Path,
        settings: EngineSettings,
        client_id: int = 1,
    ) -> None:
        self.gateway = gateway
        self.clock = clock
        self.chance = random.Random(seed)  # noqa: S311 - a simulation is no secret
        self.lines: set[_Line] = set()
        self.engine: Engine | None = None
        self.crashes = 0
        self.send_breaks = 0.0
        self.kills = 0.0
        self._journal: Journal | None = None
        self.journal_path = journal_path
        self.settings = settings
        self._client_id = client_id
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = itertools.count()
        self._keys = itertools.count(1)
        self._slowest_s = 0.02
        self._is_working = False

    # ── processes ───────────────────────────────────────────────────────────────────────────────

    def start_engine(self, prepare: Callable[[Engine], object]) -> Engine:
        """Start the program: a new engine on the same journal, which connects by itself."""
        clock = _Clock(self.clock)
        self._journal = Journal.open(
            self.journal_path, client_id=self._client_id, clock=clock, start_writer=False
        )
        engine = Engine(
            self._client_id,
            settings=self.settings,
            journal=self._journal,
            clock=clock,
            runner=self,
            make_key=lambda: f"made-{self.crashes}-{next(self._keys)}",
        )
        self.engine = engine
        prepare(engine)
        engine.start_on(self._dial)
        return engine

    def kill_engine(self) -> None:
        """Kill the program: what was not committed is lost, and so is what was on the wire to it."""
        self.crashes += 1
        for line in tuple(self.lines):
            line.cut()
        self.lines.clear()
        if self._journal is not None:
            self._journal.abandon()
        self.engine = None
        self._journal = None

    def stop_engine(self) -> None:
        """End the program as its user would."""
        if self.engine is not None:
            self.engine.close()
        if self._journal is not None:
            self._journal.close()
        self.engine = None
        self._journal = None

    def _dial(self) -> Transport:
        line = _Line(self, self.gateway.connect("simulated"))
        self.lines.add(line)
        return line

    # The engine's runner.

    def connect(
        self,
        dial: Callable[[], Transport],
        session: Session,
        client_id: int,
        failed: Callable[[BaseException], None],
    ) -> None:
        """See :meth:`ibkr_core.runner.Runner.connect`."""
        try:
            line = dial()
            assert isinstance(line, _Line)  # noqa: S101 - it is our own dial
            line.session = session
            session.begin(line, client_id)
        except (OSError, NotReady, SendFailed) as error:
            failed(error)

    @property
    def is_reader_here(self) -> bool:
        """See :attr:`ibkr_core.runner.Runner.is_reader_here`: so it is while something happens."""
        return self._is_working

    def join(self) -> None:
        """See :meth:`ibkr_core.runner.Runner.join`."""

    def wait(self, future: Future[Any], timeout_s: float | None) -> None:
        """See :meth:`ibkr_core.runner.Runner.wait`: time passes, moment by moment, until it is done."""
        end = None if timeout_s is None else self.clock() + timeout_s
        self._work()
        while not future.done():
            moment = self._next_moment()
            if moment is None or (end is not None and moment > end):
                if end is not None:
                    self.run(max(0.0, end - self.clock()))
                return
            self.clock.advance_to(max(moment, self.clock()))
            self._work()

    # ── time ────────────────────────────────────────────────────────────────────────────────────

    def latency(self) -> float:
        """How long bytes take this time, in seconds."""
        return self.chance.uniform(0.0, self._slowest_s)

    def fate_of_send(self) -> str:
        """What becomes of the next send."""
        throw = self.chance.random()
        if throw < self.send_breaks:
            return "broken"
        if throw < self.send_breaks + self.kills:
            return self.chance.choice(["killed before", "killed after"])
        return "sent"

    def later(self, delay_s: float, act: Callable[[], None]) -> None:
        """Have something happen after so many seconds."""
        self.at(self.clock() + delay_s, act)

    def at(self, moment: float, act: Callable[[], None]) -> None:
        """Have something happen at a moment."""
        heapq.heappush(self._due, (moment, next(self._count), act))

    def run(self, seconds: float) -> None:
        """Let time pass: every thing happens at its own moment.

        Raises:
            Killed: The program was killed on the way.
        """
        end = self.clock() + seconds
        while (moment := self._next_moment()) is not None and moment <= end:
            self.clock.advance_to(max(moment, self.clock()))
            self._work()
        self.clock.advance_to(max(end, self.clock()))
        self._work()

    def _next_moment(self) -> float | None:
        moments = [
            self._due[0][0] if self._due else None,
            self.gateway.next_deadline(),
            self.engine.scheduler.next_due() if self.engine is not None else None,
        ]
        return min((moment for moment in moments if moment is not None), default=None)

    def _work(self) -> None:
        """Do all that is due now, and what follows from it at once."""
        was_working, self._is_working = self._is_working, True
        try:
            self._work_off()
        finally:
            self._is_working = was_working

    def _work_off(self) -> None:
        is_busy = True
        while is_busy:
            self.gateway.advance()
            for line in tuple(self.lines):
                line.fetch()
            is_busy = False
            while self._due and self._due[0][0] <= self.clock():
                heapq.heappop(self._due)[2]()
                is_busy = True
            if self.engine is not None:
                is_busy |= self.engine.scheduler.run_due()
        if self._journal is not None:
            chance = self.chance.random()
            if chance < _FLUSHES / 2:
                self._journal.flush()
            elif chance < _FLUSHES:  # as in a burst: durable, and the tables are behind
                with contextlib.suppress(JournalFailed):
                    self._journal.commit()
