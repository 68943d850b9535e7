"""Orders and events in a trader's words."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ibkr_core.logs.fields import exact_text
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderMessage, OrderRecord, Request
from ibkr_core.model.status import OrderStatus

__all__ = ["BAD", "GOOD", "IN", "OUT", "WARN", "Said", "describe", "number", "order_words", "price"]

OUT, IN, GOOD, WARN, BAD = "out", "in", "good", "warn", "bad"
"""What a line is: what we ask, what we learn, a happy end, a thing to note, a thing to worry about."""

_CENTS = Decimal("0.01")
_AVERAGE = Decimal("0.0001")
# Told better by the event that follows: OrderFilled, CommissionReported and the like.
_TOLD_ELSEWHERE = frozenset(
    {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.UNKNOWN}
    | {OrderStatus.PARTIALLY_FILLED}
)


@attrs.frozen
class Said:
    """One event in words.

    Attributes:
        kind: ``OUT``, ``IN``, ``GOOD``, ``WARN`` or ``BAD``.
        text: What happened.
    """

    kind: str
    text: str


def number(value: Decimal | None) -> str:
    """``300``, ``1.0003``; empty for None."""
    return exact_text(value) or ""


def price(value: Decimal | None) -> str:
    """At least two decimals and at most four: ``292.50``, ``292.503``; empty for None."""
    if value is None:
        return ""
    short = value.quantize(_AVERAGE)
    return f"{short.quantize(_CENTS):f}" if short == short.quantize(_CENTS) else number(short)


def order_words(order: Order, symbol: str) -> str:
    """``BUY 300 AAPL at market``, ``SELL 50 NVDA stop 182.00``."""
    terms = {
        "MKT": "at market",
        "LMT": f"limit {price(order.limit_price)}",
        "STP": f"stop {price(order.aux_price)}",
        "STP LMT": f"stop {price(order.aux_price)} limit {price(order.limit_price)}",
    }.get(order.order_type, order.order_type)
    return f"{order.action.value} {number(order.quantity)} {symbol} {terms}"


def describe(event: events.Event) -> Said | None:
    """Put an event into words; None for one that another event tells better."""
    match event:
        case events.OrderEvent():
            return _describe_order(event)
        case events.AnomalyDetected():
            return Said(BAD, f"anomaly: {event.what}")
        case events.UnattributedExecution():
            return Said(BAD, f"execution {event.fill.exec_id} belongs to no order")
        case events.ListenerFailed():
            return Said(BAD, f"listener {event.listener} failed: {event.error}")
        case events.CallbackFailed():
            return Said(BAD, f"a message could not be handled: {event.error}")
        case events.ConnectionLost():
            return Said(BAD, f"connection lost: {event.reason}")
        case _:
            return None


def _describe_order(event: events.OrderEvent) -> Said | None:
    record = event.record
    match event:
        case events.OrderSubmitted():
            return Said(OUT, _submitted(record))
        case events.OrderStatusChanged():
            return _status_changed(event)
        case events.OrderModified():
            return Said(IN, f"works at the new terms: {_words(record)}")
        case events.CancelRequested():
            return Said(OUT, "cancel it")
        case events.OrderUncertain():
            return Said(BAD, f"in doubt: {event.reason}; the gateway is asked")
        case events.OrderWarning() | events.ModifyRefused() | events.CancelRefused():
            what = {events.ModifyRefused: "modification refused", events.CancelRefused: "cancel refused"}
            return Said(WARN, f"{what.get(type(event), 'warning')}: {_message(event.message)}")
        case events.ExecutionCorrected(fill=fill):
            return Said(
                WARN, f"corrected: {number(fill.quantity)} at {price(fill.price)}, {_progress(record)}"
            )
        case _:
            return _describe_trade(event)


def _describe_trade(event: events.OrderEvent) -> Said | None:
    record = event.record
    match event:
        case events.ExecutionReceived(fill=fill):
            where = f" on {fill.exchange}" if fill.exchange else ""
            return Said(IN, f"{number(fill.quantity)} at {price(fill.price)}{where}, {_progress(record)}")
        case events.CommissionReported(fill=fill):
            profit = f", profit {price(fill.realized_pnl)}" if fill.realized_pnl is not None else ""
            return Said(IN, f"commission {number(fill.commission)} {fill.commission_currency}{profit}")
        case events.OrderFilled():
            return Said(GOOD, _filled(record))
        case events.OrderCancelled():
            return Said(WARN, f"CANCELLED: {_progress(record)}")
        case events.OrderRejected():
            why = _message(record.reject) if record.reject is not None else "no reason given"
            return Said(BAD, f"REJECTED: {why}")
        case _:
            return None


def _filled(record: OrderRecord) -> str:
    if not record.fills:
        return "FILLED: its executions are still to come"
    average = " on average" if len(record.fills) > 1 else ""
    return f"FILLED: {number(record.filled_quantity)} at {price(record.avg_fill_price)}{average}"


def _submitted(record: OrderRecord) -> str:
    words = _words(record)
    if record.parent_id:
        words += f", child of #{record.parent_id}"
    return words


def _words(record: OrderRecord) -> str:
    return order_words(record.order, record.symbol) if record.order is not None else record.symbol


def _status_changed(event: events.OrderStatusChanged) -> Said | None:
    record, status = event.record, event.current
    if status in _TOLD_ELSEWHERE:
        return None
    if status is OrderStatus.PENDING_CANCEL:
        # Our own request is told by CancelRequested; this is the gateway's, for a group of orders.
        return None if Request.CANCEL in record.pending else Said(IN, "the gateway is cancelling it")
    # Why it is held is not told here: the gateway says so in a later message.
    is_first = event.previous is OrderStatus.PENDING_SUBMIT and record.perm_id is not None
    return Said(IN, f"{status.value}, permId {record.perm_id}" if is_first else status.value)


def _progress(record: OrderRecord) -> str:
    total = number(record.total_quantity) or "?"
    return f"{number(record.filled_quantity)} of {total} filled"


def _message(message: OrderMessage) -> str:
    text = " ".join(message.message.split())
    return f"{message.code} {text}" if message.code else text
