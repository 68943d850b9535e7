"""What an error callback does to the order that it is about."""

from __future__ import annotations

import pytest

from ibkr_core.lifecycle.asks import Question
from ibkr_core.model import events
from ibkr_core.model.record import Request
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import Desk, echo, error, execution, status

S = OrderStatus
BOTH = {Question.ORDERS, Question.EXECUTIONS}


def test_a_warning_is_told_and_kept_and_changes_nothing_else() -> None:
    """399 on a working order: one event, one message, same status."""
    desk = Desk()
    desk.working()
    desk.forget()
    order = desk.tell(error(399, "your order will not be placed until the open"))
    assert order is not None
    assert desk.kinds() == ["OrderWarning"]
    assert (order.status, order.reject) == (S.SUBMITTED, None)
    assert order.error_codes == (399,)


def test_a_refused_modification_leaves_the_order_at_its_old_terms() -> None:
    """110 on a modify: the original remains (TWS facts 6), the request is answered."""
    desk = Desk()
    order = desk.working()
    assert order.order is not None
    desk.modify(order.order.replace(limit_price=101))
    desk.forget()
    after = desk.tell(error(110))
    assert after is not None
    assert desk.kinds() == ["ModifyRefused"]
    assert (after.status, after.order, after.pending) == (S.SUBMITTED, order.order, ())
    assert after.reject is None


def test_answers_to_several_modifications_come_in_the_order_of_asking() -> None:
    """The first refusal answers the first request; the second is still open and can come into force."""
    desk = Desk()
    order = desk.working()
    assert order.order is not None
    first, second = (order.order.replace(limit_price=price) for price in (101, 102))
    desk.modify(first)
    desk.modify(second)
    desk.tell(error(110))
    assert desk.order.pending == (Request.MODIFY,)
    desk.tell(
        echo(
            "Submitted", total_quantity=order.order.quantity, order_type="LMT", limit_price=second.limit_price
        )
    )
    assert (desk.order.order, desk.order.pending) == (second, ())


def test_a_modification_of_a_filled_order_is_refused_and_asked_about() -> None:
    """104: it is filled (TWS facts 7), but the message does not end the order: the broker is asked."""
    desk = Desk()
    order = desk.working()
    assert order.order is not None
    desk.modify(order.order.replace(limit_price=101))
    desk.forget()
    desk.tell(error(104))
    assert desk.order.status is S.SUBMITTED
    assert desk.kinds() == ["ModifyRefused"]
    assert desk.questions() == BOTH


def test_a_refused_cancel_goes_back_to_work() -> None:
    """136: the order cannot be cancelled and stands as it was."""
    desk = Desk()
    desk.working()
    desk.cancel()
    desk.forget()
    order = desk.tell(error(136))
    assert order is not None
    assert (order.status, order.pending) == (S.SUBMITTED, ())
    assert desk.kinds() == ["OrderStatusChanged", "CancelRefused"]


def test_a_refused_cancel_of_an_order_not_yet_acknowledged_ends_the_request() -> None:
    """Found by examination: the cancel stayed pending, and every later word was taken for its echo."""
    desk = Desk()
    desk.submit()
    desk.cancel()
    order = desk.tell(error(136))
    assert order is not None
    assert (order.status, order.pending) == (S.PENDING_SUBMIT, (Request.NEW,))
    assert desk.tell(status("Submitted", 0, 10)).status is S.SUBMITTED  # type: ignore[union-attr]  # it exists


def test_161_leaves_the_cancel_open_and_asks() -> None:
    """The order is filled, cancelled or cancelling (TWS facts 7): it may come before the Cancelled."""
    desk = Desk()
    desk.working()
    desk.cancel()
    desk.forget()
    order = desk.tell(error(161))
    assert order is not None
    assert (order.status, order.pending) == (S.PENDING_CANCEL, (Request.CANCEL,))
    assert desk.questions() == BOTH
    desk.tell(status("Cancelled", 0, 10))
    assert desk.order.status is S.CANCELLED


def test_10147_leaves_the_order_in_doubt() -> None:
    """Seen with filled, cancelled, unknown and foreign orders (TWS facts 7): ask for everything."""
    desk = Desk()
    desk.working()
    desk.cancel()
    desk.forget()
    order = desk.tell(error(10147))
    assert order is not None
    assert (order.status, order.pending) == (S.UNKNOWN, ())
    assert desk.questions() == BOTH
    assert desk.kinds() == ["OrderStatusChanged", "OrderUncertain", "OrderWarning"]


@pytest.mark.parametrize(
    ("word", "after"), [("Filled", S.FILLED), ("Cancelled", S.CANCELLED), ("ApiCancelled", S.CANCELLED)]
)
def test_10148_is_believed_in_what_it_states(word: str, after: OrderStatus) -> None:
    """The X in the text is the truth (TWS facts 7)."""
    desk = Desk()
    desk.working()
    desk.cancel()
    order = desk.tell(
        error(10148, f"OrderId 1 that needs to be cancelled cannot be cancelled, state: {word}.")
    )
    assert order is not None
    assert (order.status, order.broker_status) == (after, word)


@pytest.mark.parametrize("word", ["Filled", "Cancelled"])
def test_10148_asks_for_no_executions_that_are_all_there(word: str) -> None:
    """Nothing is missing of an order whose executions cover it, nor of one that was cancelled."""
    desk = Desk()
    desk.working()
    if word == "Filled":
        desk.tell(execution(10))
    desk.forget()
    desk.tell(error(10148, f"cannot be cancelled, state: {word}."))
    assert desk.questions() == set()


@pytest.mark.parametrize("text", ["Auftrag kann nicht storniert werden", "state: Erledigt"])
def test_10148_in_another_language_is_a_question(text: str) -> None:
    """Judge by codes, never by text: what cannot be read is asked (TWS facts 7)."""
    desk = Desk()
    desk.working()
    desk.cancel()
    desk.forget()
    order = desk.tell(error(10148, text))
    assert order is not None
    assert order.status is S.UNKNOWN
    assert desk.questions() == BOTH


@pytest.mark.parametrize("seen", [0, 4])
def test_filled_by_the_text_of_10148_asks_for_the_missing_executions(seen: int) -> None:
    """Found by examination: with some executions seen, nobody asked for the others."""
    desk = Desk()
    desk.working()
    if seen:
        desk.tell(execution(seen))
    desk.cancel()
    desk.forget()
    desk.tell(error(10148, "cannot be cancelled, state: Filled."))
    assert desk.order.status is S.FILLED
    assert Question.EXECUTIONS in desk.questions()


def test_202_ends_an_order_and_gives_the_reason_whether_before_or_after_the_word() -> None:
    """Cancelled usually precedes 202 (TWS facts 2.7); either alone is enough."""
    for facts in (
        (status("Cancelled", 0, 10), error(202, "why")),
        (error(202, "why"), status("Cancelled", 0, 10)),
        (error(202, "why"),),
    ):
        desk = Desk()
        desk.working()
        order = desk.tell(*facts)
        assert order is not None
        assert (order.status, order.error_message) == (S.CANCELLED, "why")
        assert len(desk.of(events.OrderCancelled)) == 1
        assert not desk.of(events.AnomalyDetected)


def test_a_reason_that_comes_after_the_word_is_told_too() -> None:
    """OrderCancelled cannot carry a 202 that follows it: then a warning brings the reason to listeners."""
    desk = Desk()
    desk.working()
    desk.tell(status("Cancelled", 0, 10), error(202, "Margin call"))
    [event] = desk.of(events.OrderCancelled)
    assert event.record.reject is None
    [warning] = desk.of(events.OrderWarning)
    assert (warning.message.message, warning.record.error_message) == ("Margin call", "Margin call")


def test_201_after_cancelled_names_the_cause() -> None:
    """Without a request of ours the order was rejected (TWS facts 2.7), and both statuses are told."""
    desk = Desk()
    desk.working()
    order = desk.tell(status("Cancelled", 0, 10), error(201, "margin"))
    assert order is not None
    assert (order.status, order.error_message) == (S.REJECTED, "margin")


def test_201_for_a_modification_of_a_dead_order_is_a_warning() -> None:
    """After 202 it says "too late to replace" (TWS facts 2.7); a cancelled order is not rejected by that."""
    desk = Desk()
    order = desk.working()
    assert order.order is not None
    desk.modify(order.order.replace(limit_price=101))
    desk.tell(status("Cancelled", 0, 10), error(202, "price cap"))
    desk.forget()
    desk.tell(error(201, "too late to replace"))
    assert (desk.order.status, desk.order.error_message) == (S.CANCELLED, "price cap")
    assert desk.kinds() == ["OrderWarning"]


def test_201_on_a_partly_filled_order_cancels_the_rest() -> None:
    """What filled is real: the order is not "refused"."""
    desk = Desk()
    desk.working()
    desk.tell(execution(4), error(201, "margin"))
    assert (desk.order.status, desk.order.filled_quantity, desk.order.error_message) == (
        S.CANCELLED,
        4,
        "margin",
    )


def test_a_filled_order_gets_no_reason_for_a_refusal() -> None:
    """Found by examination: a late 202 made error_message of a filled order say "cancelled"."""
    desk = Desk()
    desk.working()
    order = desk.tell(execution(10), status("Filled", 10, 0), error(202, "Order Canceled"))
    assert order is not None
    assert (order.status, order.reject, order.error_codes) == (S.FILLED, None, (202,))
    assert desk.of(events.AnomalyDetected)


def test_code_103_does_not_touch_a_living_order() -> None:
    """Found by examination: it kills only the new request (TWS facts 4), but put the old order in doubt."""
    desk = Desk()
    desk.working()
    order = desk.tell(error(103, "Duplicate order id"))
    assert order is not None
    assert order.status is S.SUBMITTED


def test_134_ends_the_modification_and_leaves_the_order_in_doubt() -> None:
    """It may have been executed or cancelled (TWS facts 7): the terms asked for are off the table."""
    desk = Desk()
    order = desk.working()
    assert order.order is not None
    desk.modify(order.order.replace(quantity=20))
    desk.cancel()
    desk.tell(error(134))
    assert (desk.order.status, desk.order.pending) == (S.UNKNOWN, (Request.CANCEL,))
    desk.tell(execution(10))
    assert desk.order.status is S.FILLED, "only the old size counts: the larger one was given up"


def test_the_first_reason_is_kept_unless_the_order_was_rejected() -> None:
    """A repeated 202 may have another text; a 201 names the cause."""
    desk = Desk()
    desk.submit()
    desk.tell(error(202, "first"), error(202, "second"))
    assert desk.order.error_message == "first"
    desk.tell(error(201, "margin"))
    assert (desk.order.status, desk.order.error_message) == (S.REJECTED, "margin")


def test_each_message_is_a_line_of_the_history() -> None:
    """The life of an order can be read afterwards, codes and texts too."""
    desk = Desk()
    desk.working()
    order = desk.tell(error(399, "later"))
    assert order is not None
    assert order.history[-1].what == "broker message 399: later"
