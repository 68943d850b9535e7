"""One order inside the book: its one door, its quantities, and its pictures."""

from __future__ import annotations

import decimal
from datetime import timedelta
from decimal import Decimal

import pytest

from ibkr_core.lifecycle.entry import MAX_HISTORY, MAX_MESSAGES, OrderEntry
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderMessage, Request
from ibkr_core.model.status import BrokerWord, OrderStatus
from tests.lifecycle.making import NOW, commission, execution

S, T = OrderStatus, Trigger


def entry(status: OrderStatus = S.SUBMITTED, total: str | None = "10") -> OrderEntry:
    """Return an acknowledged entry of ours."""
    made = OrderEntry(7, status=status, is_ours=True)
    made.total = None if total is None else Decimal(total)
    made.acknowledged_time = NOW
    return made


# ── the one door ────────────────────────────────────────────────────────────────────────────────


def test_a_move_is_noted_and_a_cell_that_stays_is_not() -> None:
    """The history has a line for each change and none for repetitions."""
    order = entry()
    order.move(T.WORD_SUBMITTED, NOW, "again")
    assert order.snapshot().history == ()
    order.move(T.WORD_CANCELLED, NOW, "the broker says Cancelled")
    order.touched(NOW)
    (line,) = order.snapshot().history
    assert (line.status, line.what) == (S.CANCELLED, "the broker says Cancelled")


def test_an_anomaly_is_noted_without_a_move() -> None:
    """What cannot be leaves a trace in the history, and the status as it was."""
    order = entry(S.FILLED)
    assert order.move(T.WORD_CANCELLED, NOW, "the broker says Cancelled").anomaly
    assert order.status is S.FILLED
    assert order.snapshot().history[-1].what.startswith("anomaly: ")


def test_finishing_ends_all_requests_and_is_timed() -> None:
    """Nothing is pending for a dead order; a revival takes the end back."""
    order = entry(S.PENDING_SUBMIT)
    order.acknowledged_time = None
    order.pending[Request.NEW] = None
    order.proposals.append(Order.market("BUY", 1))
    order.move(T.VERDICT_REJECTED, NOW, "refused")
    assert (order.pending, order.proposals, order.finished_time) == ({}, [], NOW)
    order.move(T.VERDICT_LIVES, NOW, "it lives")
    assert order.finished_time is None


@pytest.mark.parametrize(
    ("word", "filled", "acknowledged", "resumed"),
    [
        (None, 0, False, S.PENDING_SUBMIT),
        (None, 0, True, S.PENDING_SUBMIT),
        # Found by examination: this went to UNKNOWN, and nobody asked.
        (BrokerWord.PENDING, 0, True, S.PENDING_SUBMIT),
        (BrokerWord.PRE_SUBMITTED, 0, True, S.PRE_SUBMITTED),
        (BrokerWord.SUBMITTED, 0, True, S.SUBMITTED),
        (BrokerWord.PRE_SUBMITTED, 3, True, S.PARTIALLY_FILLED),
        (BrokerWord.SUBMITTED, 3, True, S.PARTIALLY_FILLED),
        (BrokerWord.PENDING, 3, True, S.PARTIALLY_FILLED),
        (None, 3, True, S.PARTIALLY_FILLED),
        (BrokerWord.INACTIVE, 0, True, S.INACTIVE),
        (BrokerWord.PENDING_CANCEL, 3, True, S.PENDING_CANCEL),
    ],
)
def test_a_refused_cancel_goes_back_to_what_the_broker_last_said(
    word: BrokerWord | None,
    filled: int,
    acknowledged: bool,
    resumed: OrderStatus,
) -> None:
    """The last understood word and the fills tell how the order stands without our cancel."""
    order = entry(S.PENDING_CANCEL)
    order.meaning = word
    order.acknowledged_time = NOW if acknowledged else None
    if filled:
        order.ledger.book(execution(filled))
    order.move(T.VERDICT_REFUSED, NOW, "cancel refused")
    assert order.status is resumed


@pytest.mark.parametrize(
    ("start", "trigger", "kept"),
    [
        (S.PENDING_SUBMIT, T.VERDICT_REJECTED, True),
        (S.CANCELLED, T.VERDICT_REJECTED, True),
        (S.REJECTED, T.VERDICT_LIVES, False),
        (S.REJECTED, T.EXEC_PARTIAL, False),
        (S.CANCELLED, T.EXEC_FULL, False),
        (S.SUBMITTED, T.WORD_INACTIVE, True),
    ],
)
def test_a_reason_is_kept_as_long_as_it_explains_something(
    start: OrderStatus,
    trigger: Trigger,
    kept: bool,
) -> None:
    """Found by examination: a filled or revived order still told why it had been refused."""
    order = entry(start)
    order.reject = OrderMessage(at=NOW, code=201, message="no")
    order.move(trigger, NOW, "something")
    assert (order.reject is not None) == kept


# ── quantities ──────────────────────────────────────────────────────────────────────────────────


def test_filled_is_what_executions_or_the_broker_count_whichever_is_more() -> None:
    """A status is a lower bound; executions are the truth beyond it."""
    order = entry()
    order.broker_filled = Decimal(4)
    assert (order.filled, order.unexplained, order.remaining) == (4, 4, 6)
    order.ledger.book(execution(5))
    assert (order.filled, order.unexplained, order.remaining) == (5, 0, 5)


def test_a_status_that_counted_a_corrected_execution_does_not_hold_the_correction_up() -> None:
    """Filled falls by what the correction took away, and by nothing more."""
    order = entry()
    order.ledger.book(execution(6, exec_id="a.b.c.01"))
    order.broker_filled = Decimal(6)
    order.ledger.book(execution(4, exec_id="a.b.c.02"))
    assert (order.filled, order.unexplained) == (4, 0)


def test_the_average_is_the_brokers_only_while_executions_are_missing() -> None:
    """Exact where all is known, the broker's rounded figure where it is not."""
    order = entry()
    assert order.average_price is None
    order.broker_filled, order.broker_avg_price = Decimal(4), Decimal("100.3333")
    assert order.average_price == Decimal("100.3333")
    order.ledger.book(execution(4, "100.25"))
    assert order.average_price == Decimal("100.25")


def test_the_target_is_the_largest_size_the_order_may_have() -> None:
    """With a modification open both sizes are possible: only the larger one proves completeness."""
    order = entry(total=None)
    assert order.target is None
    order.order = Order.market("BUY", 10)
    assert order.target == 10
    order.proposals = [Order.market("BUY", 25), Order.market("BUY", 5)]
    assert order.target == 25
    order.proposals, order.total = [], Decimal(30)
    assert order.target == 30


def test_what_remains_is_never_negative_and_nothing_of_a_filled_order() -> None:
    """An overfilled order has nothing open, nor has one whose size was never shown."""
    order = entry()
    order.ledger.book(execution(12))
    assert order.remaining == 0
    assert entry(total=None).remaining is None
    assert entry(S.FILLED, total=None).remaining == 0
    assert entry(S.FILLED).remaining == 0


def test_quantities_do_not_depend_on_the_callers_decimal_context() -> None:
    """Found by examination: a record that was read with a precision of 3 was rounded."""
    order = entry(total="1234567.8")
    order.broker_filled = Decimal("0.1")
    context = decimal.Context(prec=3, traps=[decimal.Inexact])
    with decimal.localcontext(context):
        record = order.snapshot()
    assert record.remaining_quantity == Decimal("1234567.7")
    assert record.unexplained_quantity == Decimal("0.1")


# ── pictures ────────────────────────────────────────────────────────────────────────────────────


def test_a_picture_is_made_once_per_change() -> None:
    """Reading is cheap, and an old picture stays as it was."""
    order = entry()
    first = order.snapshot()
    assert order.snapshot() is first
    order.ledger.book(execution(4))
    order.touched(NOW + timedelta(seconds=1))
    second = order.snapshot()
    assert (first.filled_quantity, second.filled_quantity) == (0, 4)
    assert second.last_update_time == NOW + timedelta(seconds=1)


def test_commissions_of_a_picture_cannot_be_changed() -> None:
    """Found by examination: the broker's running total came as a dict of the order's own."""
    order = entry()
    order.broker_commission = (Decimal(1), "USD")
    record = order.snapshot()
    assert record.commissions == {"USD": 1}
    with pytest.raises(TypeError):
        record.commissions["USD"] = Decimal(2)  # type: ignore[index]  # the very fault


def test_the_brokers_running_commission_is_never_added_to_the_reports() -> None:
    """It is the same money (TWS facts 9.6): shown only while no report has come."""
    order = entry()
    order.broker_commission = (Decimal(3), "USD")
    order.ledger.book(execution(4))
    assert order.snapshot().commissions == {"USD": 3}
    order.ledger.report_commission(commission("1.25"))
    order.touched(NOW)
    assert order.snapshot().commissions == {"USD": Decimal("1.25")}


def test_history_and_messages_are_bounded_and_keep_both_ends() -> None:
    """A gateway can repeat a message many times a second (TWS facts 2.1): memory must not grow with it."""
    order = entry()
    for number in range(MAX_HISTORY + 50):
        order.note(NOW, str(number))
    for number in range(MAX_MESSAGES + 50):
        order.add_message(OrderMessage(at=NOW, code=399, message=str(number)))
    record = order.snapshot()
    assert (len(record.history), len(record.messages)) == (MAX_HISTORY, MAX_MESSAGES)
    assert [record.history[i].what for i in (0, -1)] == ["0", str(MAX_HISTORY + 49)]
    assert [record.messages[i].message for i in (0, -1)] == ["0", str(MAX_MESSAGES + 49)]
