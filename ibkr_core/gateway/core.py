"""The whole gateway in memory: sessions over one venue, deterministic under a manual clock and a seed."""

from __future__ import annotations

import decimal
import errno
from collections.abc import Callable, Collection, Iterable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import attrs

from ibkr_core.errors import InvalidInput, StateFileError
from ibkr_core.gateway.admin import Admin
from ibkr_core.gateway.clock import Clock, ManualClock
from ibkr_core.gateway.desk import Desk
from ibkr_core.gateway.faults.hand import FaultHand
from ibkr_core.gateway.faults.injector import Injector
from ibkr_core.gateway.faults.plan import FaultPlan
from ibkr_core.gateway.instruments import Catalogue
from ibkr_core.gateway.protocol import Session, Stage, Watcher
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.state import Keeper
from ibkr_core.gateway.venue import Settings, Venue
from ibkr_core.wire.ids import RAW_ID_SINCE
from ibkr_core.wire.message import Message
from ibkr_core.wire.protobuf import is_available

__all__ = ["Delivery", "MemoryGateway", "Outlet", "straight", "supported_versions"]

_OLDEST, _NEWEST = 142, 226
_EXACT = decimal.Context(
    prec=28,
    rounding=decimal.ROUND_HALF_EVEN,
    traps=[decimal.InvalidOperation, decimal.DivisionByZero, decimal.Overflow],
)
T = TypeVar("T")


def _exactly() -> AbstractContextManager[decimal.Context]:
    """Reckon with so many digits, whatever the program whose thread this is has chosen for itself."""
    return decimal.localcontext(_EXACT)


@attrs.frozen
class Delivery:
    """One message on its way to a client.

    Attributes:
        message: What is sent.
        delay_s: How much later than it was meant.
    """

    message: Message
    delay_s: float = 0.0


Outlet = Callable[[int, Message], Iterable[Delivery]]
"""The seam through which every message of a started session passes: client id and message in, what is really
delivered out. Faults (drop, delay, repeat, alter) live here."""


def straight(client_id: int, message: Message) -> Iterable[Delivery]:  # noqa: ARG001 - an outlet's form
    """The outlet of a gateway without faults."""
    return (Delivery(message),)


def supported_versions() -> range:
    """Server versions that this installation can speak: protobuf needs an ibapi that has it."""
    return range(_OLDEST, (_NEWEST + 1) if is_available() else RAW_ID_SINCE)


class MemoryGateway(Admin, FaultHand):
    """A simulated IB Gateway without sockets.

    Not safe for several threads; :class:`~ibkr_core.gateway.server.SimulatedGateway` adds threads and TCP.

    Args:
        clock: The present, seconds since the epoch; by default a new :class:`ManualClock`.
        seed: Decides every random thing; the same seed, clock and requests give the same bytes.
        settings: What kind of venue.
        catalogue: What can be traded; by default the built-in instruments.
        versions: Server versions on offer.
        silent_empty_executions: Whether an empty ``reqExecutions`` gets no end (TWS facts 2.9).
        outlet: Through which every message passes, before faults strike it.
        faults: What goes wrong by itself; see :meth:`inject` for more at run time.
        state: A file that keeps accounts, orders and ids from one gateway to the next; see
            :mod:`ibkr_core.gateway.state`. Call :meth:`close` to let go of it.

    Attributes:
        watcher: Told of all that passes, for clients that start from then on; None for nobody. What it raises
            is a fault of the gateway.

    Raises:
        StateFileError: The state file cannot be had or used; the subclass says why.
    """

    def __init__(
        self,
        *,
        clock: Clock | None = None,
        seed: int = 0,
        settings: Settings | None = None,
        catalogue: Catalogue | None = None,
        versions: Collection[int] | None = None,
        silent_empty_executions: bool = False,
        outlet: Outlet = straight,
        faults: FaultPlan | None = None,
        state: str | Path | None = None,
    ) -> None:
        self.clock: Clock = ManualClock() if clock is None else clock
        self.seed = seed
        self.outlet = outlet
        self._versions = supported_versions() if versions is None else versions
        self.watcher: Watcher | None = None
        self._sessions: dict[int, Session] = {}
        self._lines: set[Session] = set()
        self._settings = Settings() if settings is None else settings
        self._silent_empty_executions = silent_empty_executions
        self._up_at: float | None = None
        self._venue = self._new_venue(catalogue)
        self._keeper = Keeper(state)
        try:
            with _exactly():
                self._keeper.open(self._venue)
        except StateFileError:
            self._keeper.abandon()
            raise
        self._desk = self._new_desk()
        plan = FaultPlan.none() if faults is None else faults
        self._injector = Injector(plan, venue=self._venue, ground=self, seed=seed)

    def _new_venue(self, catalogue: Catalogue | None) -> Venue:
        return Venue(
            self._settings, clock=self.clock, seed=self.seed, deliver=self._deliver, catalogue=catalogue
        )

    def _new_desk(self) -> Desk:
        return Desk(self._venue, seed=self.seed, silent_empty_executions=self._silent_empty_executions)

    def connect(self, name: str = "memory") -> Session:
        """Open a session, as if a client had connected.

        Args:
            name: For people: where the client comes from.

        Raises:
            ConnectionRefusedError: The gateway refuses connections for a while.
        """
        self.advance()
        refusal = self._injector.refusal
        if self.refuses:
            raise ConnectionRefusedError(errno.ECONNREFUSED, "the gateway refuses connections for a while")
        session = Session(self, name)
        self._lines.add(session)
        session.before_outgoing = self.save if self._keeper.has_file else None
        if refusal == "closed":
            session.close()
        elif refusal == "silent":
            self._injector.meet_with_silence(session)
        return session

    @property
    def refuses(self) -> bool:
        """Whether new connections are refused at present."""
        return self._up_at is not None or self._injector.refusal == "refused"

    def session(self, client_id: int) -> Session | None:
        """The session of a client that has started; None when it is not connected."""
        return self._sessions.get(client_id)

    def sessions(self) -> tuple[Session, ...]:
        """Every started session."""
        return tuple(self._sessions.values())

    def run(self, seconds: float) -> None:
        """Let time pass under the manual clock, doing each thing at its own moment.

        Args:
            seconds: How long.

        Raises:
            TypeError: The clock is not a :class:`ManualClock`.
        """
        if not isinstance(self.clock, ManualClock):
            raise TypeError("only a manual clock can be moved")
        end = self.clock() + seconds
        while (due := self.next_deadline()) is not None and due <= end:
            self.clock.advance_to(due)
            self.advance()
        self.clock.advance_to(end)
        self.advance()

    # -- what sessions need ------------------------------------------------------------------------

    @property
    def versions(self) -> Collection[int]:
        """Server versions on offer."""
        return self._versions

    def now(self) -> float:
        """The present, seconds since the epoch."""
        return self._venue.now()

    def next_deadline(self) -> float | None:
        """When something will happen by itself, seconds since the epoch; None when nothing will."""
        return self._venue.next_deadline() if self._up_at is None else self._up_at

    def advance(self, now: float | None = None) -> None:
        """Do everything that is due.

        Args:
            now: Seconds since the epoch; by default what the clock says.
        """
        with _exactly():
            self._advance(now)

    def _advance(self, now: float | None) -> None:
        if self._up_at is not None:
            present = self.clock() if now is None else now
            self._venue.wait(present)
            if present < self._up_at:
                return
            self._up_at = None
            self._begin_anew(overnight=False)
            for instrument in self._venue.exchange.busy():  # a hand may have moved prices meanwhile
                self._venue.exchange.match(instrument)
        self._venue.advance(now)

    def start(self, session: Session) -> RefusalError | None:
        """Take a client in and welcome it, or say why not: its id is in use, or there are too many."""
        if session.client_id in self._sessions:
            text = "Unable to connect as the client id is already in use. Retry with a unique client id."
            return RefusalError(326, text)
        most = self._venue.settings.clients.most
        if len(self._sessions) >= most:
            return RefusalError(502, f"Couldn't connect to TWS. The maximum of {most} clients is connected.")
        self._sessions[session.client_id] = session
        session.stage = Stage.STARTED
        session.watcher = self.watcher
        if self.watcher is not None:
            self.watcher("connected", session.client_id, None)
        with _exactly():
            self._injector.welcome(session, lambda: self._desk.welcome(session))
        return None

    def request(self, session: Session, message: Message) -> None:
        """Answer a request of a started client, or let a fault happen to it."""
        if self.watcher is not None:
            self.watcher("request", session.client_id, message)
        with _exactly():
            self._injector.take(session, message)

    def answer(self, session: Session, message: Message) -> None:
        """Answer a request of a started client, past all faults."""
        self._desk.handle(session, message)

    def lose_data(self, session: Session) -> None:
        """End a client's market data subscriptions, as a 1101 does (TWS facts 5)."""
        self._desk.lose_data(session)

    def dispatch(self, session: Session, message: Message) -> None:
        """Let one message for a started client pass through the outlet, and let faults happen to it."""
        if self.outlet is straight:
            self._injector.send(session, message)
            return
        for delivery in self.outlet(session.client_id, message):
            if delivery.delay_s > 0:
                self._later(session, delivery)
            else:
                self._injector.send(session, delivery.message)

    def stop(self, session: Session) -> None:
        """Forget a client. Its orders rest on; what happens to them is not told later (TWS facts 5)."""
        self._lines.discard(session)
        if self._sessions.get(session.client_id) is session:
            del self._sessions[session.client_id]
            if self.watcher is not None:
                self.watcher("left", session.client_id, None)
            self._desk.farewell(session)
            self._injector.forget(session)

    def _later(self, session: Session, delivery: Delivery) -> None:
        self._venue.later(delivery.delay_s, lambda: session.write(delivery.message))

    def _deliver(self, client_id: int, message: Message) -> None:
        session = self._sessions.get(client_id)
        if session is not None:
            self.dispatch(session, message)

    # -- keeping -----------------------------------------------------------------------------------

    def save(self, *, markets: bool = False) -> None:
        """Write to the state file what has changed; done before any byte leaves and after each admin call.

        Args:
            markets: Save every price now, not only once a second.

        Raises:
            StateFileError: It cannot be written.
        """
        self._keeper.save(markets=markets)

    def close(self, *, save: bool = True) -> None:
        """Let go of the state file; the gateway must not be used any more. Closing twice is harmless.

        Args:
            save: Write everything once more. After a fault of the gateway itself the file is better left as
                it is: it holds what clients have been told.

        Raises:
            StateFileError: It cannot be written.
        """
        if save:
            self._keeper.close()
        self._keeper.abandon()

    def restart(self, down_s: float = 0.0, *, overnight: bool = False) -> None:
        """Restart as a gateway does every day; see :meth:`Admin.restart`."""
        if not 0 <= down_s < float("inf"):
            raise InvalidInput("down_s", f"must be finite and not below 0; got {down_s}")
        self.advance()
        for session in list(self._lines):
            session.close()
        with _exactly():
            self._begin_anew(overnight=overnight)
        if down_s:
            self._up_at = self.now() + down_s
            self._venue.exchange.down = True

    def _begin_anew(self, *, overnight: bool) -> None:
        venue = self._new_venue(self._venue.catalogue)
        self._keeper.reopen(venue, overnight=overnight)
        for follow in self._venue.on_restart:
            follow(venue)
        self._venue = venue
        self._desk = self._new_desk()
        self._injector.move(venue)

    # -- admin -------------------------------------------------------------------------------------

    def _sabotage(self, action: Callable[[Injector], T]) -> T:
        self.advance()
        with _exactly():
            result = action(self._injector)
        self.advance()
        return result

    def _access(self, action: Callable[[Venue], T]) -> T:
        self.advance()
        with _exactly():
            result = action(self._venue)
        self.advance()
        self.save(markets=True)
        return result
