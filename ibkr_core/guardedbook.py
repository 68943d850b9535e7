"""The order book behind its lock: facts and commands in, events and wake-ups out.

This is the one place where the state lock is held around the book. It is held for microseconds, and
never across I/O, ibapi calls or user code: effects are posted under it, which fixes their order, and
performed after it.
"""

from __future__ import annotations

import functools
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import attrs

from ibkr_core.clock import Clock
from ibkr_core.journal.entries import Frame, Payload
from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle.asks import Ask, Question, RetryWanted
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import Checkpoint, make_checkpoint
from ibkr_core.lifecycle.effects import Effects
from ibkr_core.lifecycle.inputs import Command
from ibkr_core.lifecycle.packing import Shared
from ibkr_core.lifecycle.verdicts import CodeRule
from ibkr_core.link.receiver import HotTaker
from ibkr_core.listeners import Dispatcher
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.facts import BrokerFact, HotValues, fact_of
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["GuardedBook"]

_T = TypeVar("_T")
_NO_FRAME: Final = b""


class Recorder(Protocol):
    """What the book needs of a journal. Nothing here blocks or raises."""

    def record(
        self, payload: Payload, at: datetime, seq: int, fact: BrokerFact | HotValues | None = None
    ) -> int:
        """Take an input, in apply order."""

    def note_event(self, event: Event) -> None:
        """Take an event, for the tables that people query."""

    def record_hot(self, version: int, values: HotValues, frame: bytes, at: datetime, seq: int) -> None:
        """Take a frame that the express lane has taken."""

    def note_hot(self, told: list[Event]) -> None:
        """Take all events that followed from it, at least one, before their order changes again."""

    def stir(self) -> None:
        """Begin to write what was taken: what was urgent has been done."""


class Numbered(Protocol):
    """A journal, as far as it counts its inputs."""

    @property
    def recorded(self) -> int:
        """Number of the newest input, committed or not."""


class _Waiter:
    __slots__ = ("future", "settled", "wanted")

    def __init__(self, wanted: frozenset[OrderStatus], *, settled: bool) -> None:
        self.wanted = wanted
        self.settled = settled
        self.future: Future[OrderRecord] = Future()

    def is_met_by(self, record: OrderRecord) -> bool:
        if self.settled:
            return record.is_told
        return record.status in self.wanted or record.status.is_finished


class GuardedBook:
    """A book that any thread may use.

    Args:
        client_id: Our API client id.
        rules: What error codes prove.
        clock: Tells the time.
        dispatcher: Takes the events.
        on_asks: Takes questions for the broker; called with no lock held.
        on_retries: Takes requests that were turned down for now; called with no lock held.
        journal: Takes every input in apply order; None for none.
        is_dry_run: Whether every event is to be marked as of a dry run.
    """

    def __init__(
        self,
        client_id: int,
        rules: Mapping[int, CodeRule],
        clock: Clock,
        dispatcher: Dispatcher,
        on_asks: Callable[[Iterable[Ask]], None],
        on_retries: Callable[[RetryWanted], None],
        journal: Recorder | None = None,
        *,
        is_dry_run: bool = False,
    ) -> None:
        self._lock = threading.RLock()  # re-entrant: what is called under it may look at an event's record
        self._new_book = functools.partial(Book, client_id, rules, self._lock, CODEC)
        self._book = self._new_book()
        self._clock = clock
        self._dispatcher = dispatcher
        self._on_asks = on_asks
        self._waiters: dict[int, list[_Waiter]] = {}
        self._woken: deque[tuple[_Waiter, OrderRecord]] = deque()
        self._asks: deque[Ask] = deque()
        self._on_retries = on_retries
        self._journal = journal
        self._is_dry_run = is_dry_run
        self._retries: deque[RetryWanted] = deque()
        self._no_more: Callable[[], BaseException] | None = None
        # What followed from the newest hot message, until the journal has its note: listeners come first.
        # Whoever takes the lock to change anything, or to look at what is written, notes it before.
        self._late: list[Event] | None = None
        self._on_kin: Callable[[], object] | None = None

    def watch_kin(self, on_kin: Callable[[], object]) -> None:
        """Have someone told, once, before anybody hears of an order that names a relative.

        Args:
            on_kin: Is called under the state lock, so it may only take note; at once where there is one.
        """
        with self._lock:
            self._on_kin = on_kin
            self._look_for_kin()

    def _look_for_kin(self) -> None:
        """Tell of the first order that names a relative. Requires holding the lock."""
        on_kin = self._on_kin
        if on_kin is not None and self._book.index.has_kin:
            self._on_kin = None
            on_kin()

    def apply(self, fact: BrokerFact, frame: bytes = _NO_FRAME, server_version: int = 0) -> None:
        """Apply a fact of the broker, and deliver what follows from it.

        Args:
            fact: The fact.
            frame: The message that it came in, for the journal.
            server_version: The protocol version of that message.
        """
        now = self._clock.now()
        with self._lock:
            self._take(fact, now, Frame(server_version, frame) if frame else None)
        self.deliver()

    def hot_taker(
        self, server_version: int, watchers: Sequence[Callable[[BrokerFact], None]] = ()
    ) -> HotTaker:
        """Return what does as :meth:`apply` for the hot messages of one connection, with less on the way.

        Args:
            server_version: The protocol version of the connection.
            watchers: Who is told each fact beforehand; looked at for each one.
        """
        quick, tell_time, lock = self._book.quick, self._clock.now, self._lock
        waiters, outbox, drain = self._waiters, self._dispatcher.outbox, self._dispatcher.drain
        book, is_plain = self._book, not self._is_dry_run
        journal = self._journal
        record = None if journal is None else journal.record_hot
        stir = None if journal is None else journal.stir

        def take_hot(values: HotValues, frame: bytes) -> None:
            for watch in watchers:
                watch(fact_of(values))
            now = tell_time()
            with lock:
                if self._late is not None:
                    self._note_late()
                told = quick[values[0]](values, now)
                if told is None:
                    self._take(fact_of(values), now, Frame(server_version, frame) if frame else None)
                else:
                    if record is not None:
                        record(server_version, values, frame, now, book.seq - len(told))
                        self._late = told or None
                    if is_plain and not waiters:
                        outbox.extend(told)
                    else:
                        self._publish(Effects(told))
                        told = None
            if told:
                drain()
            elif told is None:
                self.deliver()
            if stir is not None:
                if self._late is not None:
                    self.note_late()
                stir()

        return take_hot

    def note_late(self) -> None:
        """Have the journal note what listeners were told first; it asks for it before it writes everything.

        Not called with a lock of the journal held.
        """
        with self._lock:
            self._note_late()

    def _note_late(self) -> None:
        """Let the journal note what it has not yet. Requires holding the lock."""
        # Taken first: Ctrl-C in the midst may cost rows of the tables, and never makes any of them twice.
        late, self._late = self._late, None
        if late is not None and self._journal is not None:
            self._journal.note_hot(late)

    def _take(self, fact: BrokerFact, now: datetime, frame: Frame | None) -> None:
        """Apply a fact. Requires holding the lock."""
        self._note_late()
        before = self._book.seq
        effects = self._book.take(fact, now)
        if self._journal is not None:
            self._journal.record(fact if frame is None else frame, now, before, fact)
        if self._on_kin is not None:
            self._look_for_kin()
        if effects.events or effects.asks or effects.retries:
            self._post(effects)

    def command(self, *commands: Command) -> datetime:
        """Take commands of ours under the lock. What one raises goes to the caller, and it changed nothing.

        What follows is queued: the caller calls :meth:`deliver` when it holds no lock.

        Returns:
            The moment at which the book was told.
        """
        now = self._clock.now()
        journal = self._journal
        with self._lock:
            if self._late is not None:
                self._note_late()
            book = self._book
            for command in commands:
                before = book.seq
                effects = book.obey(command, now)
                if journal is not None:
                    journal.record(command, now, before)
                if self._on_kin is not None:
                    self._look_for_kin()
                if effects.events or effects.asks or effects.retries:
                    self._post(effects)
        return now

    def restore(self, play: Callable[[Book], None]) -> None:
        """Let a journal be played into the book, before anything else happens. No event is published."""
        with self._lock:
            play(self._book)

    def begin_anew(self) -> None:
        """Forget all orders: what was loaded is of no use. Before anything else happens."""
        with self._lock:
            self._book = self._new_book()

    def checkpoint(self, journal: Numbered, most_awake: int) -> tuple[int, Checkpoint, Shared] | None:
        """Return the newest input's number, and what the book comes to with it.

        None where so many orders are awake that the lock would be held for long.

        Raises:
            Unpackable: An order holds what cannot be written down.
        """
        with self._lock:
            self._note_late()
            if self._book.index.awake_count > most_awake:
                return None
            return journal.recorded, make_checkpoint(self._book), self._book.index.archive.shared

    def monotonic(self) -> float:
        """The present, in seconds that never go back."""
        return self._clock.monotonic()

    def read(self, look: Callable[[Book], _T]) -> _T:
        """Look something up, or change it, under the lock."""
        with self._lock:
            if self._late is not None:
                self._note_late()
            return look(self._book)

    def by_key(self, key: str) -> OrderRecord | None:
        """Return the order with this client order key; None when there is none."""
        with self._lock:
            return self._book.by_key(key)

    def highest_order_id(self) -> int:
        """Return the highest order id that our client is known to have used, or 0."""
        return self._book.highest_order_id()  # one number, which is there at any moment

    @property
    def seq(self) -> int:
        """The number of the newest event: while it stays, nobody was told of anything."""
        return self._book.seq

    def post(self, kind: type[Event], **details: Any) -> None:
        """Number and queue an event that does not come from the book."""
        now = self._clock.now()
        with self._lock:
            self._note_late()
            event = kind(at=now, seq=self._book.next_seq(), is_dry_run=self._is_dry_run, **details)
            self._dispatcher.post((event,))
            if self._journal is not None:
                self._journal.note_event(event)

    def publish(self, kind: type[Event], **details: Any) -> None:
        """Post an event that does not come from the book, and deliver."""
        self.post(kind, **details)
        self.deliver()

    def deliver(self) -> None:
        """Wake who waited, hand on questions, deliver events. Not called with a lock held.

        Waking runs callbacks of users on their futures, which may call anything.
        """
        if self._woken:
            for waiter, record in _taken(self._woken):
                _wake(waiter, record)
        if self._asks:
            self._on_asks(tuple(_taken(self._asks)))
        if self._retries:
            for wish in _taken(self._retries):
                self._on_retries(wish)
        self._dispatcher.drain()
        if self._journal is not None:
            self._journal.stir()

    def is_open(self, ask: Ask) -> bool:
        """Whether the book still needs the answer to a question."""
        with self._lock:
            record = self._book.order(ask.order_id)
        if ask.question is Question.EXECUTIONS:
            counted = max((fill.cum_quantity or fill.quantity for fill in record.fills), default=0)
            blind = record.status is OrderStatus.FILLED and not record.fills
            missing = sum(fill.quantity for fill in record.fills) < counted
            return record.unexplained_quantity > 0 or blind or missing or record.status is OrderStatus.UNKNOWN
        return True

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────

    def watch(
        self, order_id: int, wanted: frozenset[OrderStatus], *, settled: bool = False
    ) -> Future[OrderRecord]:
        """Return a future of the order's reaching one of the statuses, or finishing.

        Args:
            order_id: The order.
            wanted: The statuses.
            settled: Wait for its end and for the executions of all that the broker counts as filled, of a
                combo those of its legs too.

        Raises:
            UnknownOrder: There is no such order.
        """
        waiter = _Waiter(wanted, settled=settled)
        with self._lock:
            record = self._book.order(order_id)
            no_more = self._no_more
            is_met = waiter.is_met_by(record)
            if not is_met and no_more is None:
                self._waiters.setdefault(order_id, []).append(waiter)
        if is_met:
            waiter.future.set_result(record)
        elif no_more is not None:
            waiter.future.set_exception(no_more())
        else:
            waiter.future.add_done_callback(lambda future: self._forget(order_id, waiter, future))
        return waiter.future

    def end_waiting(self, make_error: Callable[[], BaseException]) -> None:
        """Make all waits, present and future, raise: nothing will come any more.

        Args:
            make_error: Makes an exception for each wait; a shared one would mix their tracebacks.
        """
        with self._lock:
            self._no_more = make_error
            waiters = [w for group in self._waiters.values() for w in group]
            self._waiters.clear()
        for waiter in waiters:
            if waiter.future.set_running_or_notify_cancel():
                waiter.future.set_exception(make_error())

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _post(self, effects: Effects) -> None:
        """Note and queue what follows from a fact or a command. Requires holding the lock."""
        if self._journal is not None:
            for event in effects.events:
                self._journal.note_event(event)
        self._publish(effects)

    def _publish(self, effects: Effects) -> None:
        """Queue what follows, the events being noted. Requires holding the lock."""
        told = effects.events
        if self._is_dry_run:
            told = [attrs.evolve(event, is_dry_run=True) for event in told]
        self._dispatcher.outbox.extend(told)
        if effects.asks:
            self._asks.extend(effects.asks)
        if effects.retries:
            self._retries.extend(effects.retries)
        if self._waiters:
            for event in effects.events:
                if isinstance(event, OrderEvent):
                    self._woken.extend(self._ended_by(event))

    def _ended_by(self, event: OrderEvent) -> Iterable[tuple[_Waiter, OrderRecord]]:
        waiters = self._waiters.get(event.order_id)
        if not waiters:
            return
        record = event.record
        for waiter in [w for w in waiters if w.is_met_by(record)]:
            waiters.remove(waiter)
            yield waiter, record
        if not waiters:
            del self._waiters[record.order_id]

    def _forget(self, order_id: int, waiter: _Waiter, future: Future[OrderRecord]) -> None:
        """Drop a waiter whose wait was given up."""
        if not future.cancelled():
            return
        with self._lock:
            waiters = self._waiters.get(order_id, [])
            if waiter in waiters:
                waiters.remove(waiter)
            if not waiters:
                self._waiters.pop(order_id, None)


def _taken(queue: deque[_T]) -> Iterator[_T]:
    """Yield and remove what is queued; several threads may do so at once."""
    while queue:
        try:
            item = queue.popleft()
        except IndexError:
            return  # another thread took the last one
        yield item


def _wake(waiter: _Waiter, record: OrderRecord) -> None:
    if waiter.future.set_running_or_notify_cancel():
        waiter.future.set_result(record)
