"""What surveys prove about our orders."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.lifecycle.asks import OpenRequests
from ibkr_core.lifecycle.inputs import Abandon, Doubt, ProveAbsent
from ibkr_core.link.session import Answer
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderMessage, OrderRecord, Request
from ibkr_core.model.status import OrderStatus
from ibkr_core.settlement import Judge, Settlement
from ibkr_core.survey import Findings

NOW = datetime(2026, 11, 20, 18, 0, tzinfo=UTC)
"""One o'clock in New York."""
S = OrderStatus


def found(
    *shown: int, orders: bool = True, executions: bool = True, completed: bool = True, at: datetime = NOW
) -> Findings:
    """A survey that shows these order ids of client 1."""
    answered = {Answer.POSITIONS} | ({Answer.COMPLETED_ORDERS} if completed else set())
    return Findings(
        frozenset(answered),
        orders_are_complete=orders,
        executions_are_complete=executions,
        seen=frozenset((1, order_id) for order_id in shown),
        positions=None,
        began=at,
    )


def live(
    order_id: int = 7, *, asked: dict[Request, float] | None = None, released: bool = True, **fields: Any
) -> OpenRequests:
    """A working order of this morning, with requests that were made so many seconds before the survey."""
    morning: dict[str, Any] = {"status": S.SUBMITTED, "submission_time": NOW - timedelta(hours=1)}
    record = OrderRecord(order_id=order_id, client_id=1, key=f"key-{order_id}", **(morning | fields))
    moments = {request: NOW - timedelta(seconds=ago) for request, ago in (asked or {}).items()}
    return OpenRequests(record, moments, is_released=released)


class Bench:
    """A judge, and what it said last."""

    def __init__(self, cancel_attempts: int = 3, *, resends: bool = True) -> None:
        self.judge = Judge("America/New_York", cancel_attempts, resends_duplicates=resends)

    def settle(
        self, findings: Findings, *orders: OpenRequests, unsent: frozenset[int] = frozenset()
    ) -> Settlement:
        return self.judge.settle(findings, orders, unsent)


ABSENT = "not among the broker's open orders, executions and completed orders"
NOTHING = Settlement((), (), (), (), is_settled=True)


def test_an_order_that_is_shown_is_settled() -> None:
    """Nothing to do."""
    assert Bench().settle(found(7), live()) == NOTHING


@pytest.mark.parametrize("by_perm_id", [True, False])
def test_an_order_is_known_by_either_name(by_perm_id: bool) -> None:
    """By its permId, also where another client id is told with it."""
    findings = Findings(frozenset(Answer), True, True, frozenset({77 if by_perm_id else (1, 7)}), None, NOW)
    assert Bench().settle(findings, live(perm_id=77)) == NOTHING


def test_missing_once_is_doubt_and_twice_is_proof() -> None:
    """A moment apart: lists are no snapshot."""
    bench = Bench()
    first = bench.settle(found(), live())
    assert first.commands == (Doubt(7, "the broker does not list it among the open orders"),)
    assert not first.is_settled
    second = bench.settle(found(), live(status=S.UNKNOWN))
    assert second.commands == (ProveAbsent(7, ABSENT),)


def test_an_order_that_comes_back_was_not_missing() -> None:
    """The count begins anew."""
    bench = Bench()
    bench.settle(found(), live())
    bench.settle(found(7), live())
    assert isinstance(bench.settle(found(), live()).commands[0], Doubt)


def test_an_order_in_doubt_is_not_doubted_again() -> None:
    """There is nothing new about it."""
    assert Bench().settle(found(), live(status=S.UNKNOWN)).commands == ()


@pytest.mark.parametrize("lacking", [{"executions": False}, {"completed": False}])
def test_without_all_lists_nothing_is_proved(lacking: dict[str, Any]) -> None:
    """It may have filled, or ended, in the list that did not come; it stays in doubt and is asked again."""
    bench = Bench()
    for _ in range(5):
        settled = bench.settle(found(**lacking), live(status=S.UNKNOWN))
        assert settled.commands == ()
        assert not settled.is_settled
    assert bench.settle(found(), live(status=S.UNKNOWN)).commands == (ProveAbsent(7, ABSENT),)


def test_without_open_orders_nothing_is_even_doubted() -> None:
    """The lists say nothing at all."""
    assert Bench().settle(found(orders=False), live()).commands == ()


def test_what_was_sent_after_the_question_is_not_judged() -> None:
    """The list may have been written before the order came."""
    assert Bench().settle(found(), live(asked={Request.NEW: -1})).commands == ()
    assert Bench().settle(found(), live(asked={Request.NEW: 1})).commands != ()


def test_what_waits_to_be_sent_is_not_judged() -> None:
    """The broker cannot know it."""
    assert Bench().settle(found(), live(), unsent=frozenset({7})) == NOTHING


def test_what_is_held_back_is_not_judged() -> None:
    """An order with transmit=False is shown to nobody (TWS facts 6)."""
    assert Bench().settle(found(), live(released=False)) == NOTHING


@pytest.mark.parametrize("heard", [None, NOW - timedelta(days=1)])
def test_an_order_of_an_earlier_day_proves_nothing_by_its_absence(heard: datetime | None) -> None:
    """It may have filled then, and the broker tells fills of the day only. It is told once, never settled."""
    bench = Bench()
    order = live(submission_time=NOW - timedelta(days=2), heard_time=heard)
    bench.settle(found(), order)
    second = bench.settle(found(), order)
    assert (second.commands, second.unresolved) == ((), (order.record,))
    third = bench.settle(found(), order)
    assert (third.unresolved, third.is_settled) == ((), False)


def test_the_brokers_day_is_that_of_its_zone() -> None:
    """An order of the evening before, in UTC the same day, is of an earlier day in New York."""
    bench = Bench()
    morning = datetime(2026, 11, 20, 5, 30, tzinfo=UTC)
    order = live(submission_time=morning - timedelta(hours=1))
    for _ in range(2):
        settled = bench.settle(found(at=morning), order)
    assert settled.unresolved == (order.record,)
    later = live(submission_time=morning - timedelta(minutes=20))
    other = Bench()
    for _ in range(2):
        settled = other.settle(found(at=morning), later)
    assert settled.commands == (ProveAbsent(7, ABSENT),)


# ── changes without an answer ───────────────────────────────────────────────────────────────────────


def test_a_modification_without_an_answer_is_given_up() -> None:
    """Twice the broker shows the order, and nothing of the change: the terms that work are in force.

    Once proves nothing: a change that was sent a moment ago may be in the making.
    """
    bench = Bench()
    first = bench.settle(found(7), live(asked={Request.MODIFY: 3}))
    assert (first.commands, first.is_settled) == ((), False)
    settled = bench.settle(found(7), live(asked={Request.MODIFY: 3}))
    (given_up,) = settled.commands
    assert isinstance(given_up, Abandon)
    assert (given_up.order_id, given_up.request) == (7, Request.MODIFY)
    assert settled.is_settled


def test_a_change_that_was_sent_after_the_question_waits() -> None:
    """The list is older than the request."""
    asked = {Request.MODIFY: -1.0, Request.CANCEL: -1.0}
    assert Bench().settle(found(7), live(asked=asked)) == NOTHING


def test_a_cancel_that_came_to_nothing_is_sent_again_and_then_given_up() -> None:
    """As often as wanted, the first time included."""
    bench = Bench(cancel_attempts=3)
    order = live(asked={Request.CANCEL: 3})
    for _ in range(2):
        settled = bench.settle(found(7), order)
        assert (settled.cancel_again, settled.commands, settled.is_settled) == ((7,), (), False)
    last = bench.settle(found(7), order)
    assert last.cancel_again == ()
    assert [(one.order_id, one.request) for one in last.commands if isinstance(one, Abandon)] == [
        (7, Request.CANCEL)
    ]


@pytest.mark.parametrize("word", ["PendingCancel", "Cancelled"])
def test_a_cancel_that_is_on_its_way_is_waited_for(word: str) -> None:
    """Out of hours that takes until the open (TWS facts 5)."""
    bench = Bench(cancel_attempts=1)
    for _ in range(4):
        order = live(asked={Request.CANCEL: 3}, broker_status=word)
        assert bench.settle(found(7), order) == NOTHING


def test_an_order_that_has_ended_is_forgotten() -> None:
    """What was counted for it does not count for a later one with the same key."""
    bench = Bench()
    bench.settle(found(), live())
    bench.settle(found())
    assert isinstance(bench.settle(found(), live()).commands[0], Doubt)


# ── an id that was used before (103) ────────────────────────────────────────────────────────────────

USED: dict[str, Any] = {
    "status": S.UNKNOWN,
    "order": Order.limit("BUY", 10, "90"),
    "contract": Contract.stock("AAPL"),
    "messages": (OrderMessage(at=NOW, code=103, message="Duplicate order id"),),
}


def test_an_order_whose_id_was_taken_is_sent_again() -> None:
    """Once complete lists lack it, twice; it is asked about until that is done."""
    bench = Bench()
    assert bench.settle(found(), live(**USED)).send_again == ()
    settled = bench.settle(found(), live(**USED))
    assert (settled.send_again, settled.commands, settled.is_settled) == ((7,), (), False)


@pytest.mark.parametrize(
    "fields",
    [
        {"acknowledged_time": NOW},
        {"order": None},
        {"parent_id": 3},
        {"oca_group": "group"},
        {"messages": (*USED["messages"], OrderMessage(at=NOW, code=201, message="rejected"))},
        {"messages": ()},
    ],
)
def test_whoever_may_live_or_belongs_to_others_is_not_sent_again(fields: dict[str, Any]) -> None:
    """It was answered, its terms are not known, it is part of a group, or something else was said since."""
    bench = Bench()
    order = live(**(USED | fields))
    bench.settle(found(), order)
    settled = bench.settle(found(), order)
    assert (settled.send_again, settled.commands) == ((), (ProveAbsent(7, ABSENT),))


def test_nothing_is_sent_again_where_nobody_wants_it() -> None:
    """The retry policy decides."""
    bench = Bench(resends=False)
    bench.settle(found(), live(**USED))
    assert bench.settle(found(), live(**USED)).send_again == ()


# ── any story ───────────────────────────────────────────────────────────────────────────────────────

SURVEYS = st.lists(
    st.tuples(st.sets(st.integers(1, 4)), st.booleans(), st.booleans(), st.booleans()), min_size=1, max_size=8
)


@given(surveys=SURVEYS)
def test_only_two_complete_surveys_in_a_row_without_it_end_an_order(surveys: list[Any]) -> None:
    """Whatever lists come: an order is proved absent only when it was missing before, and all lists came."""
    bench = Bench()
    missed = dict.fromkeys(range(1, 5), 0)
    for shown, orders, executions, completed in surveys:
        settled = bench.settle(
            found(*shown, orders=orders, executions=executions, completed=completed),
            *(live(order_id) for order_id in missed),
        )
        proved = {one.order_id for one in settled.commands if isinstance(one, ProveAbsent)}
        for order_id in missed:
            if orders:
                missed[order_id] = 0 if order_id in shown else missed[order_id] + 1
            assert (order_id in proved) is (orders and executions and completed and missed[order_id] >= 2)
        assert settled.is_settled is (orders and executions and completed and shown == set(missed))
