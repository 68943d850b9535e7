"""The stage of the demo: the engine, the gateway, and what is shown of them while orders travel.

Everything that happens is an event of the engine. The stage takes the events in order, shows each, and
waits with them: a wait ends with the event that brings about what was waited for, however slow the machine.
"""

from __future__ import annotations

import queue
import random
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, Protocol

from ibkr_core.cli.outcome import Wanted
from ibkr_core.cli.words import describe, order_words
from ibkr_core.clock import SystemClock
from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.gateway import Quote, SimulatedGateway
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.tickets import OrderTicket

__all__ = ["Screen", "Stage", "StepFailed", "is_alive"]

Condition = Callable[[OrderRecord], bool]

_TROUBLE: Final = (
    events.AnomalyDetected,
    events.UnattributedExecution,
    events.ListenerFailed,
    events.CallbackFailed,
    events.OrderUncertain,
    events.ConnectionLost,
)
"""Events that have no place in a run where nothing goes wrong."""
_CANCELLED_CODE: Final = 202
"""What follows each cancellation; the gateway leaves it out only of an unfilled IOC (TWS facts 6)."""


class StepFailed(IbkrError):
    """A step of the demo did not go as it should."""


class Screen(Protocol):
    """Where the stage shows what happens."""

    def event(self, event: events.Event) -> None:
        """Show an event."""

    def request(self, at: datetime, record: OrderRecord, text: str) -> None:
        """Show something that we ask for."""

    def market(self, at: datetime, symbol: str, quote: Quote) -> None:
        """Show where a market stands."""


def is_alive(record: OrderRecord) -> bool:
    """Whether the gateway has accepted the order, and nothing is filled yet."""
    return record.status in (OrderStatus.PRE_SUBMITTED, OrderStatus.SUBMITTED)


def _is_settled(record: OrderRecord) -> bool:
    """Whether the order has ended, and all that the gateway says of its end has come.

    The gateway may say that an order is filled before it tells the execution (TWS facts 2.5), and gives the
    reason of a cancellation in a message of its own, behind the status.
    """
    if record.status is OrderStatus.CANCELLED and _CANCELLED_CODE not in record.error_codes:
        return False
    filled = record.total_quantity if record.status is OrderStatus.FILLED else record.filled_quantity
    booked = sum(fill.quantity for fill in record.fills)
    told = all(fill.commission is not None for fill in record.fills)
    return record.is_finished and booked == filled and told


class Stage:
    """What the steps of the demo play on.

    Args:
        engine: Not opened yet, so that nothing is missed.
        gateway: Running.
        screen: Where things are shown.
        seed: Decides prices and sizes.
        patience_s: How long to wait for anything. It bounds a failure; it is no measure of speed.
    """

    def __init__(
        self, engine: Engine, gateway: SimulatedGateway, screen: Screen, *, seed: int, patience_s: float
    ) -> None:
        self.rng = random.Random(f"{seed}/demo")  # noqa: S311 - prices of a demo, not a secret
        self.engine = engine
        self.wanted: list[Wanted] = []
        self.trouble: list[str] = []
        self.first_fill_us: dict[int, int] = {}
        self._gateway = gateway
        self._screen = screen
        self._patience_s = patience_s
        self._clock = SystemClock()
        self._records: dict[int, OrderRecord] = {}
        self._events: queue.SimpleQueue[events.Event] = queue.SimpleQueue()
        engine.on(events.Event, self._events.put, Delivery.INLINE)

    # ── acting ──────────────────────────────────────────────────────────────────────────────────

    def reference(self, symbol: str) -> Decimal:
        """Where the market of a stock begins, give or take what the seed decides."""
        instrument = self._gateway.market(symbol).instrument
        return instrument.reference_price + instrument.min_tick * self.rng.randint(-200, 200)

    def quote(self, symbol: str, *, bid: Decimal, ask: Decimal, **sizes: int) -> None:
        """Put a market where the step needs it: ``bid_size`` and ``ask_size`` where they matter."""
        self.drain()
        self._screen.market(self._clock.now(), symbol, Quote(bid=bid, ask=ask, last=bid, **_sizes(sizes)))
        self._gateway.market(symbol).set_quote(bid=bid, ask=ask, **sizes)

    def submit(self, symbol: str, order: Order) -> OrderTicket:
        """Send an order for a stock."""
        return self.engine.submit(Contract.stock(symbol), order)

    def modify(self, ticket: OrderTicket, text: str, **changes: Any) -> None:
        """Ask for new terms."""
        self._screen.request(self._clock.now(), self.record(ticket), text)
        ticket.modify(**changes)

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────

    def record(self, ticket: OrderTicket) -> OrderRecord:
        """The order as of the last event shown."""
        return self._records.get(ticket.order_id) or ticket.record

    def until(self, ticket: OrderTicket, what: str, condition: Condition) -> None:
        """Show events until an order is as it should be.

        Args:
            ticket: The order.
            what: What is waited for, to finish the sentence "waited for it to …".
            condition: Whether it is so.

        Raises:
            StepFailed: The order ended without it, or it did not happen in time.
        """

        def look(record: OrderRecord) -> bool:
            if condition(record):
                return True
            if record.is_finished:
                raise StepFailed(f"order {ticket.order_id} ended {record.status.value} and did not {what}")
            return False

        self._pump((ticket,), what, look)

    def settle(self, *tickets: OrderTicket) -> None:
        """Show events until orders have ended, and the reason or every commission has been told.

        Raises:
            StepFailed: It did not happen in time.
        """
        self._pump(tickets, "end, with every commission or the reason told", _is_settled)

    def _pump(self, tickets: Iterable[OrderTicket], what: str, condition: Condition) -> None:
        deadline = self._clock.monotonic() + self._patience_s
        open_ids = {ticket.order_id for ticket in tickets}
        while True:
            open_ids -= {oid for oid in open_ids if oid in self._records and condition(self._records[oid])}
            if not open_ids:
                return
            try:
                event = self._events.get(timeout=max(deadline - self._clock.monotonic(), 0))
            except queue.Empty:
                raise StepFailed(self._late(min(open_ids), what)) from None
            self._show(event)

    def _late(self, order_id: int, what: str) -> str:
        status = self.engine.order(order_id).status.value
        return f"order {order_id} is {status} after {self._patience_s:g} s; waited for it to {what}"

    def drain(self) -> None:
        """Show what has happened so far, without waiting for more."""
        while not self._events.empty():
            self._show(self._events.get())

    def _show(self, event: events.Event) -> None:
        record = getattr(event, "record", None)
        if isinstance(record, OrderRecord):
            # The end of an order comes with its own event right behind: wait for that one, and show both.
            if not (isinstance(event, events.OrderStatusChanged) and record.is_finished):
                self._records[record.order_id] = record
            if isinstance(event, events.ExecutionReceived) and record.submission_time is not None:
                latency_us = round((event.at - record.submission_time).total_seconds() * 1e6)
                self.first_fill_us.setdefault(record.order_id, latency_us)
        self._screen.event(event)
        if isinstance(event, _TROUBLE):
            self.trouble.append(_trouble(event))
        if isinstance(event, events.ConnectionLost):
            raise StepFailed(f"the connection was lost: {event.reason}")

    # ── expecting ───────────────────────────────────────────────────────────────────────────────

    def want_filled(self, ticket: OrderTicket, *parts: tuple[int, Decimal]) -> None:
        """Say that an order has to end filled, in these parts: quantity and price."""
        total = sum(quantity for quantity, _ in parts)
        value = sum((quantity * at for quantity, at in parts), Decimal(0))
        self._want(
            ticket,
            OrderStatus.FILLED,
            filled=Decimal(total),
            average=value / total,
            executions=len(parts),
        )

    def want_cancelled(self, ticket: OrderTicket) -> None:
        """Say that an order has to end cancelled, with nothing filled."""
        self._want(ticket, OrderStatus.CANCELLED)

    def want_rejected(self, ticket: OrderTicket, code: int) -> None:
        """Say that an order has to be rejected with a code."""
        self._want(ticket, OrderStatus.REJECTED, code=code)

    def _want(self, ticket: OrderTicket, status: OrderStatus, **more: Any) -> None:
        record = self.record(ticket)
        what = order_words(record.order, record.symbol) if record.order is not None else record.symbol
        self.wanted.append(Wanted(order_id=ticket.order_id, what=what, status=status, **more))


def _sizes(sizes: dict[str, int]) -> dict[str, Decimal]:
    """Return both sizes for showing; zero where the size is of no interest."""
    return {name: Decimal(sizes.get(name, 0)) for name in ("bid_size", "ask_size")}


def _trouble(event: events.Event) -> str:
    said = describe(event)
    words = said.text if said is not None else type(event).__name__
    record = getattr(event, "record", None)
    return f"order {record.order_id}: {words}" if isinstance(record, OrderRecord) else words
