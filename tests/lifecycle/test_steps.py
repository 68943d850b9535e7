"""The steps that facts and commands are made of."""

from __future__ import annotations

from decimal import Decimal

from ibkr_core.lifecycle.asks import Question
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.record import Request
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import Desk, commission, echo, error, execution, status

S = OrderStatus


def test_each_end_has_its_event_after_the_change_of_status() -> None:
    """A listener for OrderCancelled need not look at OrderStatusChanged."""
    for word, name in (("Filled", "OrderFilled"), ("Cancelled", "OrderCancelled")):
        desk = Desk()
        desk.working()
        desk.forget()
        desk.tell(status(word, 0, 10, perm_id=900))
        assert desk.kinds() == ["OrderStatusChanged", name]
        change = desk.of(events.OrderStatusChanged)[0]
        assert (change.previous, change.current) == (S.SUBMITTED, change.record.status)


def test_the_first_answer_acknowledges_and_no_other() -> None:
    """OrderAcknowledged comes once, with the first sign of life of whatever kind."""
    for first in (status("PendingSubmit", 0, 10), echo(), execution(4)):
        desk = Desk()
        desk.submit()
        order = desk.tell(first, status("Submitted", 0, 10), echo("Submitted"))
        assert len(desk.of(events.OrderAcknowledged)) == 1
        assert order is not None
        assert order.acknowledged_time is not None
        assert Request.NEW not in order.pending


def test_an_error_alone_is_no_acknowledgement() -> None:
    """A 399 can be the very first callback (TWS facts 2.7): whether the order lives is still open."""
    desk = Desk()
    desk.submit()
    order = desk.tell(error(399))
    assert order is not None
    assert order.pending == (Request.NEW,)
    assert order.acknowledged_time is None


def test_an_unknown_word_is_kept_and_flagged_and_changes_nothing() -> None:
    """Never a default (design 3): the word is in the record, the anomaly is told, the status stays."""
    desk = Desk()
    desk.working()
    desk.forget()
    order = desk.tell(status("WarnState", 0, 10))
    assert order is not None
    assert (order.status, order.broker_status) == (S.SUBMITTED, "WarnState")
    assert len(desk.of(events.AnomalyDetected)) == 1
    assert desk.questions() == {Question.ORDERS}


def test_an_unknown_word_does_not_hide_the_last_one_understood() -> None:
    """Found by examination: after it, a refused cancel put the order in doubt, unasked."""
    desk = Desk()
    desk.working()
    desk.tell(status("WarnState", 0, 10))
    desk.cancel()
    order = desk.tell(error(136))
    assert order is not None
    assert order.status is S.SUBMITTED


def test_an_empty_word_is_a_sign_of_life_and_no_more() -> None:
    """Protobuf can leave the status out (TWS facts 1)."""
    desk = Desk()
    desk.submit()
    order = desk.tell(status("", 0, 10))
    assert order is not None
    assert (order.status, order.broker_status) == (S.PENDING_SUBMIT, "")
    assert order.acknowledged_time is not None


def test_a_refused_order_that_shows_a_sign_of_life_is_alive_again() -> None:
    """A code alone can be wrong; the word of the broker about the order itself is not."""
    desk = Desk()
    desk.submit()
    desk.tell(error(200))
    assert desk.order.status is S.REJECTED
    order = desk.tell(status("PreSubmitted", 0, 10))
    assert order is not None
    assert order.status is S.PRE_SUBMITTED
    assert order.reject is None
    assert order.error_codes == (200,)
    assert desk.of(events.AnomalyDetected)
    assert order in desk.book.active_orders()


def test_a_refused_order_that_shows_fills_is_alive_and_partly_filled() -> None:
    """Its first sign of life can already count something as filled."""
    desk = Desk()
    desk.submit()
    desk.tell(error(200), status("Submitted", 4, 6))
    assert (desk.order.status, desk.order.filled_quantity) == (S.PARTIALLY_FILLED, 4)


def test_a_refused_order_that_is_being_cancelled_is_alive() -> None:
    """Found by examination: PendingCancel says that it may still fill, and was passed over in silence."""
    desk = Desk()
    desk.submit()
    desk.tell(error(200), status("PendingCancel", 0, 10))
    assert desk.order.status is S.PENDING_CANCEL
    assert desk.of(events.AnomalyDetected)


def test_a_modification_is_in_force_when_an_echo_shows_it() -> None:
    """Until then the record shows the old terms and the request; then the event tells both."""
    desk = Desk()
    desk.working()
    new = Order.limit("BUY", 20, 101)
    order = desk.modify(new)
    assert order.order is not None
    assert (order.order.limit_price, order.pending) == (100, (Request.MODIFY,))
    desk.tell(
        echo("Submitted", total_quantity=Decimal(10), order_type="LMT", limit_price=Decimal(100), tif="DAY")
    )
    assert desk.order.pending == (Request.MODIFY,)
    desk.tell(
        echo("Submitted", total_quantity=Decimal(20), order_type="LMT", limit_price=Decimal(101), tif="DAY")
    )
    assert (desk.order.order, desk.order.pending, desk.order.total_quantity) == (new, (), 20)
    (event,) = desk.of(events.OrderModified)
    assert event.previous.limit_price == 100


def test_a_warning_inside_an_echo_is_told_once() -> None:
    """Echoes repeat two to four times (TWS facts 2.1), warnings need not."""
    desk = Desk()
    desk.working()
    for _ in range(3):
        desk.tell(echo("Submitted", warning="price cap"))
    assert [event.message.message for event in desk.of(events.OrderWarning)] == ["price cap"]


def test_missing_executions_are_asked_for_as_long_as_they_are_missing() -> None:
    """A status that counts more than the executions show is a question, not a fill."""
    desk = Desk()
    desk.working()
    desk.tell(status("Submitted", 4, 6))
    assert desk.questions() == {Question.EXECUTIONS}
    order = desk.order
    assert (order.filled_quantity, order.unexplained_quantity, order.fills) == (4, 4, ())
    desk.forget()
    desk.tell(execution(4), status("Submitted", 4, 6))
    assert desk.questions() == set()
    assert desk.order.unexplained_quantity == 0


def test_an_empty_word_brings_an_unseen_refused_order_back() -> None:
    """A bare sign of life is one too; of an order that was seen and refused it says nothing new."""
    desk = Desk()
    desk.submit()
    desk.tell(error(200), echo())
    assert desk.order.status is S.PENDING_SUBMIT
    assert desk.of(events.AnomalyDetected)
    assert desk.order.history[-1].what == "the broker says it lives"
    desk = Desk()
    desk.working()
    desk.tell(error(201), echo(), status("", 0, 10))
    assert desk.order.status is S.REJECTED
    assert not desk.of(events.AnomalyDetected)


def test_an_inactive_order_is_asked_about() -> None:
    """An unfilled fill-or-kill order ends so and nothing more is said (TWS facts 1)."""
    desk = Desk()
    desk.working()
    desk.forget()
    desk.tell(status("Inactive", 0, 10))
    assert desk.questions() == {Question.ORDERS}
    desk.forget()
    desk.tell(status("Inactive", 0, 10))
    assert desk.questions() == set()


def test_the_history_tells_the_life_of_an_order() -> None:
    """Each step once, in words, with the status after it; repetitions leave no line."""
    desk = Desk()
    order = desk.working(order=Order.limit("BUY", 10, 100))
    assert order.order is not None
    desk.modify(order.order.replace(limit_price=101))
    desk.tell(
        *[echo("Submitted", total_quantity=Decimal(10), order_type="LMT", limit_price=Decimal(101))] * 2
    )
    desk.tell(*[execution(4, 101, "a.b.c.01")] * 2)
    desk.tell(execution(4, 100, "a.b.c.02"), *[commission("1", "a.b.c.02")] * 2)
    desk.cancel()
    desk.tell(*[status("Cancelled", 4, 6)] * 2, error(202, "bye"))
    assert [(line.what, line.status) for line in desk.order.history] == [
        ("submitted", S.PENDING_SUBMIT),
        ("the broker says Submitted", S.SUBMITTED),
        ("modification asked for", S.SUBMITTED),
        ("modification in force", S.SUBMITTED),
        ("executed 4 at 101", S.SUBMITTED),
        ("executed", S.PARTIALLY_FILLED),
        ("execution corrected from 4 at 101 to 4 at 100", S.PARTIALLY_FILLED),
        ("commission 1 USD", S.PARTIALLY_FILLED),
        ("cancel asked for", S.PENDING_CANCEL),
        ("the broker says Cancelled", S.CANCELLED),
        ("broker message 202: bye", S.CANCELLED),
    ]
