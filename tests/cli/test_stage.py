"""The stage: showing and waiting, event by event, with no engine and no gateway behind it."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, cast

import attrs
import pytest

from ibkr_core.cli.stage import Stage, StepFailed, is_alive
from ibkr_core.engine import Engine
from ibkr_core.gateway import Quote, SimulatedGateway
from ibkr_core.model import events
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.tickets import OrderTicket
from tests.logs.samples import COMMISSIONED, FILL, NOON, RECORD


class Told:
    """What the stage needs of an engine: it tells events when the test says so."""

    def on(self, _kind: type[events.Event], listener: Any, _delivery: object) -> None:
        self.tell = listener

    def order(self, order_id: int) -> OrderRecord:
        return attrs.evolve(RECORD, order_id=order_id)


class Seen:
    """A screen that remembers the events."""

    def __init__(self) -> None:
        self.events: list[events.Event] = []

    def event(self, event: events.Event) -> None:
        self.events.append(event)

    def request(self, at: datetime, record: OrderRecord, text: str) -> None: ...

    def market(self, at: datetime, symbol: str, quote: Quote) -> None: ...


@pytest.fixture
def engine() -> Told:
    return Told()


@pytest.fixture
def seen() -> Seen:
    return Seen()


@pytest.fixture
def stage(engine: Told, seen: Seen) -> Stage:
    """A stage without patience: what is not there yet is late."""
    server = cast("SimulatedGateway", None)
    return Stage(cast("Engine", engine), server, seen, seed=0, patience_s=0.0)


@pytest.fixture
def ticket(engine: Told) -> OrderTicket:
    return OrderTicket(cast("Engine", engine), 7, "mine-1")


def record(status: OrderStatus, **changes: Any) -> OrderRecord:
    return attrs.evolve(RECORD, status=status, **changes)


FILLED = record(
    OrderStatus.FILLED,
    total_quantity=Decimal(40),
    filled_quantity=Decimal(40),
    fills=(COMMISSIONED,),
)


CANCELLED = {
    "status": OrderStatus.CANCELLED,
    "messages": (OrderMessage(at=NOON, code=202, message="Order Canceled - reason:"),),
}


def changed(to: OrderRecord) -> events.OrderStatusChanged:
    return events.OrderStatusChanged(at=NOON, record=to, previous=OrderStatus.SUBMITTED, current=to.status)


def test_an_end_is_settled_with_its_own_event(
    stage: Stage, engine: Told, seen: Seen, ticket: OrderTicket
) -> None:
    """The change of status alone is not enough: the event that tells the end is shown first."""
    engine.tell(changed(FILLED))
    with pytest.raises(StepFailed):
        stage.settle(ticket)
    engine.tell(events.OrderFilled(at=NOON, record=FILLED))
    stage.settle(ticket)
    assert [type(event) for event in seen.events] == [events.OrderStatusChanged, events.OrderFilled]


@pytest.mark.parametrize(
    ("changes", "settled"),
    [
        ({}, True),
        ({"fills": ()}, False),
        ({"fills": (FILL,)}, False),
        ({"fills": (), "filled_quantity": Decimal(0)}, False),
        ({**CANCELLED, "filled_quantity": Decimal(40)}, True),
        ({**CANCELLED, "filled_quantity": Decimal(0), "fills": ()}, True),
        ({**CANCELLED, "filled_quantity": Decimal(41)}, False),
        ({**CANCELLED, "filled_quantity": Decimal(0), "fills": (), "messages": ()}, False),
        ({"status": OrderStatus.REJECTED, "filled_quantity": Decimal(0), "fills": ()}, True),
        ({"status": OrderStatus.PARTIALLY_FILLED}, False),
    ],
)
def test_settled_is_ended_with_every_execution_and_commission_and_the_reason(
    changes: dict[str, Any], settled: bool, stage: Stage, engine: Told, ticket: OrderTicket
) -> None:
    """An end whose executions, commissions or reason are still to come is not settled."""
    engine.tell(events.OrderAcknowledged(at=NOON, record=attrs.evolve(FILLED, **changes)))
    if settled:
        stage.settle(ticket)
        return
    with pytest.raises(StepFailed, match="order 7 is PARTIALLY_FILLED after 0 s; waited for it to end"):
        stage.settle(ticket)


def test_a_wait_takes_no_more_events_than_it_needs(
    stage: Stage, engine: Told, seen: Seen, ticket: OrderTicket
) -> None:
    """What comes after is shown later, so that a step's lines stand under its title."""
    first, second = changed(record(OrderStatus.SUBMITTED)), changed(record(OrderStatus.INACTIVE))
    engine.tell(first)
    engine.tell(second)
    stage.until(ticket, "be accepted", is_alive)
    assert seen.events == [first]
    stage.drain()
    assert seen.events == [first, second]


def test_an_order_that_ended_otherwise_is_a_failure(stage: Stage, engine: Told, ticket: OrderTicket) -> None:
    """A wait for a living order ends when the order does."""
    engine.tell(events.OrderCancelled(at=NOON, record=record(OrderStatus.CANCELLED)))
    with pytest.raises(StepFailed, match="order 7 ended CANCELLED and did not be accepted"):
        stage.until(ticket, "be accepted", is_alive)


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.AnomalyDetected(at=NOON, what="odd"), "anomaly: odd"),
        (events.AnomalyDetected(at=NOON, what="odd", record=RECORD), "order 7: anomaly: odd"),
        (
            events.UnattributedExecution(at=NOON, fill=FILL),
            "execution 0000e0d5.69000001.01.01 belongs to no order",
        ),
        (events.ListenerFailed(at=NOON, listener="f", error="boom"), "listener f failed: boom"),
        (events.CallbackFailed(at=NOON, error="boom"), "a message could not be handled: boom"),
        (
            events.OrderUncertain(at=NOON, record=RECORD, reason="dark"),
            "order 7: in doubt: dark; the gateway is asked",
        ),
    ],
)
def test_trouble_is_remembered(event: events.Event, words: str, stage: Stage, engine: Told) -> None:
    """What has no place in a run where nothing goes wrong is kept for the verdict."""
    engine.tell(event)
    stage.drain()
    assert stage.trouble == [words]


def test_the_first_fill_counts_for_the_latency(stage: Stage, engine: Told) -> None:
    """From submission to the first execution; a later one changes nothing."""
    for at in (NOON, NOON.replace(minute=1)):
        engine.tell(events.ExecutionReceived(at=at, record=RECORD, fill=FILL))
    stage.drain()
    assert stage.first_fill_us == {7: 2500}
