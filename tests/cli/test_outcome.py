"""How the demo judges its orders, and its outcome as JSON."""

from __future__ import annotations

import json
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.cli.outcome import DemoOutcome, OrderOutcome, StepOutcome, Wanted
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.model.status import OrderStatus
from tests.logs.samples import COMMISSIONED, FILL, NOON, RECORD

DONE = attrs.evolve(
    RECORD,
    status=OrderStatus.FILLED,
    filled_quantity=Decimal(100),
    remaining_quantity=Decimal(0),
    fills=(COMMISSIONED,),
)
WANTED = Wanted(
    order_id=7,
    what="BUY 100 AAPL",
    status=OrderStatus.FILLED,
    filled=Decimal(100),
    average=Decimal("190.1"),
    executions=1,
)
FINE = DemoOutcome(
    seed=1,
    server_version=226,
    steps=(StepOutcome(title="one"),),
    planned_steps=1,
    orders=(OrderOutcome(what="BUY 100 AAPL", record=DONE, first_fill_latency_us=2500),),
    differences=(),
    compared="everything",
)


def test_an_order_that_ended_as_wanted_has_no_problem() -> None:
    """Status, quantity, average and executions are as they should be."""
    assert WANTED.problems(DONE) == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": OrderStatus.CANCELLED}, "status is CANCELLED and should be FILLED"),
        ({"filled_quantity": Decimal(99)}, "filled is 99 and should be 100"),
        ({"avg_fill_price": Decimal("190.11")}, "average price is 190.11 and should be 190.1"),
        ({"avg_fill_price": None}, "average price is none and should be 190.1"),
        ({"fills": (COMMISSIONED, COMMISSIONED)}, "executions is 2 and should be 1"),
        ({"fills": (FILL,)}, "executions with a commission is 0 and should be 1"),
    ],
)
def test_each_deviation_is_a_problem(changes: dict[str, Any], problem: str) -> None:
    """What differs is named with both values, and with the order."""
    assert f"order 7 (BUY 100 AAPL): {problem}" in WANTED.problems(attrs.evolve(DONE, **changes))


def test_the_reason_of_a_rejection_is_wanted_too() -> None:
    """A rejection for another reason is a problem."""
    wanted = Wanted(order_id=9, what="BUY", status=OrderStatus.REJECTED, code=200)
    record = OrderRecord(order_id=9, status=OrderStatus.REJECTED)
    assert wanted.problems(record) == ("order 9 (BUY): codes are none and should include 200",)
    other = attrs.evolve(record, messages=(OrderMessage(at=NOON, code=201, message="no"),))
    assert wanted.problems(other) == ("order 9 (BUY): codes are 201 and should include 200",)
    right = attrs.evolve(record, messages=(OrderMessage(at=NOON, code=200, message="no"),))
    assert wanted.problems(right) == ()


def test_all_well_is_ok() -> None:
    """No problem anywhere."""
    assert FINE.ok
    assert FINE.problems == ()


@pytest.mark.parametrize(
    ("changes", "problems"),
    [
        ({"steps": (StepOutcome(title="one", problems=("late",)),)}, ("late",)),
        ({"orders": (OrderOutcome(what="x", record=DONE, problems=("bad",)),)}, ("bad",)),
        ({"differences": ("cash",)}, ("cash",)),
        ({"trouble": ("AnomalyDetected: odd",)}, ("AnomalyDetected: odd",)),
        ({"planned_steps": 3}, ("2 steps were not tried any more",)),
        (
            {"steps": (StepOutcome(title="one", problems=("same",)),), "trouble": ("same",)},
            ("same",),
        ),
    ],
)
def test_any_problem_is_not_ok(changes: dict[str, Any], problems: tuple[str, ...]) -> None:
    """A problem of a step, an order, the books or the engine fails the demo, and is told once."""
    outcome = attrs.evolve(FINE, **changes)
    assert outcome.problems == problems
    assert not outcome.ok
    assert outcome.as_json()["ok"] is False


def test_a_demo_without_steps_proves_nothing() -> None:
    """Nothing wrong is not enough where nothing was tried."""
    assert not attrs.evolve(FINE, steps=(), planned_steps=0).ok


def test_the_outcome_is_json() -> None:
    """Exact numbers are text, latencies are whole microseconds, unknown things are null."""
    said = FINE.as_json()
    assert json.loads(json.dumps(said)) == said
    (order,) = said["orders"]
    assert order["filled_quantity"] == "100"
    assert order["average_price"] == "190.1"
    assert order["commissions"] == {"USD": "1.0003"}
    assert order["executions"] == [
        {"exec_id": "0000e0d5.69000001.01.02", "quantity": "40", "price": "190.05", "commission": "1.0003"}
    ]
    assert (order["ack_latency_us"], order["first_fill_latency_us"]) == (1500, 2500)


def test_a_refusal_is_an_answer_too() -> None:
    """The latency of an order that was refused is that of the refusal."""
    start = NOON - timedelta(milliseconds=3)
    message = OrderMessage(at=NOON, code=200, message="no")
    record = OrderRecord(order_id=9, submission_time=start, messages=(message,))
    assert OrderOutcome(what="x", record=record).ack_latency_us == 3000
    assert OrderOutcome(what="x", record=attrs.evolve(record, messages=())).ack_latency_us is None
    assert OrderOutcome(what="x", record=OrderRecord(order_id=9)).ack_latency_us is None
