"""The order book behind its lock: facts and commands in, events and wake-ups out.

This is the one place where the state lock is held around the book. It is held for microseconds, and
never across I/O, ibapi calls or user code: effects are posted under it, which fixes their order, and
performed after it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future
from datetime import datetime
from typing import Any, TypeVar

import attrs

from ibkr_core.clock import Clock
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.effects import Ask, Effects, Question
from ibkr_core.lifecycle.verdicts import CodeRule
from ibkr_core.listeners import Dispatcher
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["GuardedBook"]

_T = TypeVar("_T")


@attrs.frozen(eq=False)
class _Waiter:
    wanted: frozenset[OrderStatus]
    future: Future[OrderRecord]

    def is_met_by(self, record: OrderRecord) -> bool:
        return record.status in self.wanted or record.status.is_finished


class GuardedBook:
    """A book that any thread may use.

    Args:
        client_id: Our API client id.
        rules: What error codes prove.
        clock: Tells the time.
        dispatcher: Takes the events.
        on_asks: Takes questions for the broker; called with no lock held.
    """

    def __init__(
        self,
        client_id: int,
        rules: Mapping[int, CodeRule],
        clock: Clock,
        dispatcher: Dispatcher,
        on_asks: Callable[[Iterable[Ask]], None],
    ) -> None:
        self._lock = threading.Lock()
        self._book = Book(client_id, rules)
        self._clock = clock
        self._dispatcher = dispatcher
        self._on_asks = on_asks
        self._waiters: dict[int, list[_Waiter]] = {}
        self._no_more: BaseException | None = None

    def apply(self, fact: BrokerFact) -> None:
        """Apply a fact of the broker, and deliver what follows from it."""
        now = self._clock.now()
        with self._lock:
            effects = self._book.apply(fact, now)
            woken = self._post(effects)
        self._perform(effects, woken)

    def command(self, act: Callable[[Book, datetime], Iterable[Effects]]) -> None:
        """Run a command of ours under the lock. What it raises goes to the caller, and nothing changed.

        The events are posted but not delivered: the caller calls :meth:`deliver` when it holds no lock.
        """
        now = self._clock.now()
        with self._lock:
            woken = [pair for effects in act(self._book, now) for pair in self._post(effects)]
        for waiter, record in woken:
            _wake(waiter, record)

    def read(self, look: Callable[[Book], _T]) -> _T:
        """Look something up under the lock."""
        with self._lock:
            return look(self._book)

    def publish(self, kind: type[Event], **details: Any) -> None:
        """Post an event that does not come from the book, and deliver."""
        now = self._clock.now()
        with self._lock:
            self._dispatcher.post((kind(at=now, seq=self._book.next_seq(), **details),))
        self._dispatcher.drain()

    def stamp(self) -> tuple[datetime, int]:
        """Return the moment and the next number, for an event made elsewhere."""
        now = self._clock.now()
        with self._lock:
            return now, self._book.next_seq()

    def deliver(self) -> None:
        """Deliver posted events. Not called with a lock held."""
        self._dispatcher.drain()

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

    def watch(self, order_id: int, wanted: frozenset[OrderStatus]) -> Future[OrderRecord]:
        """Return a future of the order's reaching one of the statuses, or finishing.

        Raises:
            UnknownOrder: There is no such order.
        """
        waiter = _Waiter(wanted, Future())
        with self._lock:
            record = self._book.order(order_id)
            if not waiter.is_met_by(record):
                if self._no_more is None:
                    self._waiters.setdefault(order_id, []).append(waiter)
                    return waiter.future
                waiter.future.set_exception(self._no_more)
                return waiter.future
        waiter.future.set_result(record)
        return waiter.future

    def end_waiting(self, error: BaseException) -> None:
        """Make all waits, present and future, raise: nothing will come any more."""
        with self._lock:
            self._no_more = error
            waiters = [w for group in self._waiters.values() for w in group]
            self._waiters.clear()
        for waiter in waiters:
            if waiter.future.set_running_or_notify_cancel():
                waiter.future.set_exception(error)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _post(self, effects: Effects) -> list[tuple[_Waiter, OrderRecord]]:
        """Queue events and collect the waiters that they end. Requires holding the lock."""
        self._dispatcher.post(effects.events)
        woken: list[tuple[_Waiter, OrderRecord]] = []
        if self._waiters:
            for event in effects.events:
                if isinstance(event, OrderEvent):
                    woken.extend(self._ended_by(event.record))
        return woken

    def _ended_by(self, record: OrderRecord) -> Iterable[tuple[_Waiter, OrderRecord]]:
        waiters = self._waiters.get(record.order_id)
        if not waiters:
            return
        for waiter in [w for w in waiters if w.is_met_by(record) or w.future.cancelled()]:
            waiters.remove(waiter)
            yield waiter, record
        if not waiters:
            del self._waiters[record.order_id]

    def _perform(self, effects: Effects, woken: Iterable[tuple[_Waiter, OrderRecord]]) -> None:
        for waiter, record in woken:
            _wake(waiter, record)
        if effects.asks:
            self._on_asks(effects.asks)
        self._dispatcher.drain()


def _wake(waiter: _Waiter, record: OrderRecord) -> None:
    if waiter.future.set_running_or_notify_cancel():
        waiter.future.set_result(record)
