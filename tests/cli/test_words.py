"""Orders and events in words."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from ibkr_core.cli.words import BAD, GOOD, IN, OUT, WARN, Said, describe, number, order_words, price
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.record import Request
from ibkr_core.model.status import OrderStatus
from tests.logs.samples import COMMISSIONED, FILL, MESSAGE, NOON, ORDER_EVENTS, OTHER_EVENTS, RECORD, rejected

TOLD = {
    events.OrderSubmitted: Said(OUT, "BUY 100 AAPL limit 190.50, child of #6"),
    events.ExecutionReceived: Said(IN, "40 at 190.10 on ARCA, 40 of 100 filled"),
    events.OrderFilled: Said(GOOD, "FILLED: 40 at 190.10"),
    events.OrderCancelled: Said(WARN, "CANCELLED: 40 of 100 filled"),
    events.OrderRejected: Said(BAD, "REJECTED: no reason given"),
    events.OrderModified: Said(IN, "works at the new terms: BUY 100 AAPL limit 190.50"),
    events.ModifyRefused: Said(WARN, "modification refused: 399 Order Message: waits for the opening"),
    events.CancelRequested: Said(OUT, "cancel it"),
    events.CancelRefused: Said(WARN, "cancel refused: 399 Order Message: waits for the opening"),
    events.OrderUncertain: Said(BAD, "in doubt: sent into the dark; the gateway is asked"),
    events.OrderWarning: Said(WARN, "warning: 399 Order Message: waits for the opening"),
    events.ExecutionCorrected: Said(WARN, "corrected: 40 at 190.05, 40 of 100 filled"),
    events.CommissionReported: Said(IN, "commission 1.0003 USD, profit -12.50"),
    events.AnomalyDetected: Said(BAD, "anomaly: odd"),
    events.UnattributedExecution: Said(BAD, "execution 0000e0d5.69000001.01.01 belongs to no order"),
    events.ConnectionLost: Said(BAD, "connection lost: reset"),
    events.ListenerFailed: Said(BAD, "listener f failed: boom"),
    events.CallbackFailed: Said(BAD, "a message could not be handled: boom"),
}
"""Events with words of their own; all others are told by these, or are of no interest to a trader."""


@pytest.mark.parametrize(
    ("kind", "details"),
    [(kind, {"record": RECORD, **details}) for kind, details, _ in ORDER_EVENTS]
    + [(kind, details) for kind, details, _ in OTHER_EVENTS],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_each_kind_of_event_is_told_as_it_should_be(
    kind: type[events.Event], details: dict[str, object]
) -> None:
    """Every kind either has its words, or is silent because another event tells it better."""
    assert describe(kind(at=NOON, **details)) == TOLD.get(kind)


@pytest.mark.parametrize(
    ("previous", "current", "pending", "text"),
    [
        (OrderStatus.PENDING_SUBMIT, OrderStatus.SUBMITTED, (), "SUBMITTED, permId 1376327001"),
        (OrderStatus.PRE_SUBMITTED, OrderStatus.SUBMITTED, (), "SUBMITTED"),
        (OrderStatus.SUBMITTED, OrderStatus.INACTIVE, (), "INACTIVE"),
        (OrderStatus.SUBMITTED, OrderStatus.PENDING_CANCEL, (), "the gateway is cancelling it"),
        (OrderStatus.SUBMITTED, OrderStatus.PENDING_CANCEL, (Request.CANCEL,), None),
        (OrderStatus.SUBMITTED, OrderStatus.FILLED, (), None),
        (OrderStatus.SUBMITTED, OrderStatus.CANCELLED, (), None),
        (OrderStatus.SUBMITTED, OrderStatus.REJECTED, (), None),
        (OrderStatus.SUBMITTED, OrderStatus.UNKNOWN, (), None),
    ],
)
def test_a_status_is_told_once(
    previous: OrderStatus, current: OrderStatus, pending: tuple[Request, ...], text: str | None
) -> None:
    """A status that an event of its own follows is left to that event; the first one brings the permId."""
    record = attrs.evolve(RECORD, status=current, pending=pending)
    said = describe(events.OrderStatusChanged(at=NOON, record=record, previous=previous, current=current))
    assert said == (Said(IN, text) if text is not None else None)


def test_a_rejection_says_why() -> None:
    """The code and the gateway's own text, on one line."""
    assert describe(rejected()) == Said(BAD, "REJECTED: 201 Order rejected - reason:no money")


def test_a_reason_without_a_code_is_told_without_one() -> None:
    """Code 0 is no code of the gateway's."""
    reject = attrs.evolve(MESSAGE, code=0, message="no\nmoney")
    event = events.OrderRejected(at=NOON, record=attrs.evolve(RECORD, reject=reject))
    assert describe(event) == Said(BAD, "REJECTED: no money")


def test_several_executions_have_an_average() -> None:
    """The price of one execution is no average, that of two is."""
    record = attrs.evolve(RECORD, fills=(FILL, COMMISSIONED), avg_fill_price=Decimal("190.0833333333"))
    assert describe(events.OrderFilled(at=NOON, record=record)) == Said(
        GOOD, "FILLED: 40 at 190.0833 on average"
    )


def test_a_filled_order_without_its_executions_has_no_price_yet() -> None:
    """The gateway may say so before it tells the executions; no number is made up."""
    record = attrs.evolve(RECORD, status=OrderStatus.FILLED, fills=(), avg_fill_price=None)
    assert describe(events.OrderFilled(at=NOON, record=record)) == Said(
        GOOD, "FILLED: its executions are still to come"
    )


@pytest.mark.parametrize(
    ("order", "words"),
    [
        (Order.market("BUY", 300), "BUY 300 AAPL at market"),
        (Order.limit("SELL", 50, "189"), "SELL 50 AAPL limit 189.00"),
        (Order.stop("SELL", "0.5", "182.125"), "SELL 0.5 AAPL stop 182.125"),
        (Order.stop_limit("BUY", 1, 10, "10.5"), "BUY 1 AAPL stop 10.00 limit 10.50"),
        (Order.trailing_stop("SELL", 1, trailing_amount=2), "SELL 1 AAPL TRAIL"),
    ],
)
def test_an_order_in_words(order: Order, words: str) -> None:
    """Side, quantity, symbol and terms."""
    assert order_words(order, "AAPL") == words


@pytest.mark.parametrize(
    ("value", "text"),
    [("190", "190.00"), ("190.5", "190.50"), ("290.003", "290.003"), ("1.00000001", "1.00"), ("-2", "-2.00")],
)
def test_a_price_has_two_to_four_decimals(value: str, text: str) -> None:
    """Cents always, finer parts where there are some."""
    assert price(Decimal(value)) == text


def test_nothing_is_empty() -> None:
    """A number that is not known takes no room."""
    assert price(None) == number(None) == ""
    assert number(Decimal("1E+2")) == "100"
