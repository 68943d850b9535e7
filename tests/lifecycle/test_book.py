"""The book: which order a fact means, and what commands and facts lead to."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from ibkr_core.errors import (
    DuplicateOrder,
    OrderFinished,
    OrderInDoubt,
    OrderNotOurs,
    OrderStateError,
    UnknownOrder,
)
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, Verdict, extend
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import OrderBoundFact, WhatIfMargin
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import AAPL, NOW, Desk, commission, completed, echo, error, execution, status

S = OrderStatus
BUY = Order.limit("BUY", 10, 100)


# ── commands ────────────────────────────────────────────────────────────────────────────────────


def test_a_submitted_order_is_in_the_book_before_any_answer() -> None:
    """Intent first: the record shows what was asked for and that nothing was answered."""
    desk = Desk()
    record = desk.submit(BUY.replace(oca_group="g", oca_type=1, parent_id=3), key="mine")
    assert (record.status, record.pending) == (S.PENDING_SUBMIT, (Request.NEW,))
    assert (record.key, record.contract, record.client_id, record.is_ours) == ("mine", AAPL, 1, True)
    assert (record.total_quantity, record.remaining_quantity, record.filled_quantity) == (10, 10, 0)
    assert (record.oca_group, record.oca_type, record.parent_id) == ("g", 1, 3)
    assert record.submission_time == desk.now
    assert desk.kinds() == ["OrderSubmitted"]
    assert desk.book.by_key("mine") == record
    assert desk.book.active_orders() == (record,)


def test_an_id_or_a_key_is_used_once() -> None:
    """An id that was used is refused before it can be sent; nothing changes (TWS facts 4, code 103)."""
    desk = Desk()
    desk.submit(key="mine")
    before = desk.book.orders()
    for order_id, key in ((1, "other"), (2, "mine")):
        with pytest.raises(DuplicateOrder) as caught:
            desk.submit(order_id=order_id, key=key)
        assert caught.value.order_id == 1  # the order that has it
    assert desk.book.orders() == before
    desk.submit(order_id=2, key="")
    desk.submit(order_id=3, key="")


def test_a_group_is_taken_in_whole_or_not_at_all() -> None:
    """Found by examination: of two orders with one id in a group, the first was taken in."""
    desk = Desk()
    desk.submit(order_id=9, key="used")
    for legs in (
        [(1, "a", AAPL, BUY), (1, "b", AAPL, BUY)],
        [(1, "a", AAPL, BUY), (2, "a", AAPL, BUY)],
        [(1, "a", AAPL, BUY), (9, "b", AAPL, BUY)],
        [(1, "a", AAPL, BUY), (2, "used", AAPL, BUY)],
    ):
        with pytest.raises(DuplicateOrder):
            desk.book.submit_all(legs, NOW)
        assert len(desk.book.orders()) == 1
    effects = desk.book.submit_all([(1, "a", AAPL, BUY), (2, "b", AAPL, BUY)], NOW)
    assert [type(event) for effect in effects for event in effect.events] == [events.OrderSubmitted] * 2


@pytest.mark.parametrize("command", ["order", "modify", "cancel", "not_sent", "send_failed", "last_sent"])
def test_an_unknown_order_is_an_error_that_names_it(command: str) -> None:
    """Commands for orders that are not in the book raise, and add nothing to it."""
    desk = Desk()
    arguments = {
        "order": (5,),
        "modify": (5, BUY, NOW),
        "cancel": (5, NOW),
        "not_sent": (5, "why", NOW),
        "send_failed": (5, "why", NOW),
        "last_sent": (5,),
    }
    with pytest.raises(UnknownOrder) as caught:
        getattr(desk.book, command)(*arguments[command])
    assert caught.value.order_id == 5
    assert desk.book.orders() == ()


def test_refused_commands_change_nothing() -> None:
    """A finished order, one in doubt and one being cancelled refuse; their records stay the same objects."""
    desk = Desk()
    desk.working()
    desk.tell(status("Filled", 10, 0, perm_id=900))
    desk.submit(order_id=2)
    desk.keep(desk.book.send_failed(2, "cut", desk.now))
    desk.submit(order_id=3)
    desk.cancel(3)
    before = desk.book.orders()
    desk.forget()
    for command, expected in (
        (lambda: desk.modify(BUY), OrderFinished),
        (desk.cancel, OrderFinished),
        (lambda: desk.modify(BUY, 2), OrderInDoubt),
        (lambda: desk.modify(BUY, 3), OrderStateError),
    ):
        with pytest.raises(expected):
            command()
    assert all(now is then for now, then in zip(desk.book.orders(), before, strict=True))
    assert desk.events == []


def test_cancelling_twice_and_in_doubt_is_allowed() -> None:
    """Asking for a cancel again is always safe."""
    desk = Desk()
    desk.working()
    desk.cancel()
    assert desk.cancel().status is S.PENDING_CANCEL
    desk.submit(order_id=2)
    desk.keep(desk.book.send_failed(2, "cut", desk.now))
    assert desk.cancel(2).status is S.UNKNOWN
    assert len(desk.of(events.CancelRequested)) == 3


def test_what_was_not_sent_is_rejected_with_the_reason() -> None:
    """No such order lives at the broker, and the record says why."""
    desk = Desk()
    desk.submit()
    desk.keep(desk.book.not_sent(1, "encoding refused", desk.now))
    assert (desk.order.status, desk.order.error_message) == (S.REJECTED, "encoding refused")
    assert desk.order.error_codes == ()
    assert desk.of(events.OrderRejected)


@pytest.mark.parametrize("between", ["cancel", "disconnect"])
def test_what_was_not_sent_is_rejected_whatever_came_between(between: str) -> None:
    """Found by examination: after a cancel or the end of the connection it hung for ever."""
    desk = Desk()
    desk.submit()
    if between == "cancel":
        desk.cancel()
    else:
        desk.lose_connection()
    desk.keep(desk.book.not_sent(1, "never left", desk.now))
    assert desk.order.status is S.REJECTED


def test_a_send_that_failed_halfway_leaves_doubt() -> None:
    """Some bytes may have left: the order must not be sent again until the broker has told."""
    desk = Desk()
    desk.submit()
    desk.keep(desk.book.send_failed(1, "cut", desk.now))
    assert desk.order.status is S.UNKNOWN
    assert desk.of(events.OrderUncertain)
    desk.tell(status("Submitted", 0, 10))
    assert desk.order.status is S.SUBMITTED


def test_a_lost_connection_puts_only_unanswered_orders_in_doubt() -> None:
    """What the broker acknowledged keeps working there; nothing becomes terminal by a disconnect."""
    desk = Desk()
    desk.working()
    desk.submit(order_id=2)
    desk.submit(order_id=3)
    desk.cancel(3)
    desk.submit(order_id=4)
    desk.tell(error(201, order_id=4))
    desk.lose_connection()
    wanted = {1: S.SUBMITTED, 2: S.UNKNOWN, 3: S.UNKNOWN, 4: S.REJECTED}
    assert {record.order_id: record.status for record in desk.book.orders()} == wanted
    desk.lose_connection()
    assert len(desk.of(events.OrderUncertain)) == 2


def test_sent_notes_the_time_of_the_last_byte() -> None:
    """For latency: sent_time is the moment when the kernel had all of it."""
    desk = Desk()
    desk.submit()
    desk.submit(order_id=2)
    desk.book.sent((1, 2), NOW)
    assert [record.sent_time for record in desk.book.orders()] == [NOW, NOW]


def test_last_sent_tells_what_a_modification_starts_from() -> None:
    """The newest proposal, or the terms in force; and whether the parent is done (TWS facts 6, code 135)."""
    desk = Desk()
    desk.working()
    desk.submit(Order.stop("SELL", 10, 90, parent_id=1), order_id=2)
    assert desk.book.last_sent(2) == (AAPL, Order.stop("SELL", 10, 90, parent_id=1), False)
    newer = Order.stop("SELL", 10, 91, parent_id=1)
    desk.modify(newer, 2)
    desk.tell(status("Filled", 10, 0, perm_id=900))
    assert desk.book.last_sent(2) == (AAPL, newer, True)
    with pytest.raises(OrderFinished):
        desk.book.last_sent(1)


def test_an_order_of_an_earlier_session_can_be_cancelled_but_not_modified() -> None:
    """Its full terms are not known here, and a modification must repeat them all."""
    desk = Desk()
    desk.tell(echo("Submitted", perm_id=900, order_ref="old-key", contract=AAPL))
    assert desk.order.is_ours
    assert desk.book.by_key("old-key") == desk.order
    with pytest.raises(OrderStateError, match="earlier session"):
        desk.book.last_sent(1)
    assert desk.cancel().status is S.PENDING_CANCEL


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def test_orders_are_listed_oldest_first_and_active_ones_apart() -> None:
    """Those in doubt count as active: they may be alive."""
    desk = Desk()
    for order_id in (3, 1, 2):
        desk.submit(order_id=order_id)
    desk.tell(error(201, order_id=1))
    desk.keep(desk.book.send_failed(2, "cut", desk.now))
    assert [record.order_id for record in desk.book.orders()] == [3, 1, 2]
    assert [record.order_id for record in desk.book.active_orders()] == [3, 2]


def test_the_highest_order_id_is_that_of_our_own_client() -> None:
    """Ids of other clients do not move ours, and negative ids of manual orders are none."""
    desk = Desk()
    assert desk.book.highest_order_id() == 0
    desk.tell(echo("Submitted", order_id=-7, client_id=1, perm_id=1))
    assert desk.book.highest_order_id() == 0
    desk.tell(echo("Submitted", order_id=500, client_id=97, perm_id=2))
    desk.submit(order_id=41)
    assert desk.book.highest_order_id() == 41


def test_fills_of_all_orders_are_listed_with_legs() -> None:
    """By order, then as they became known."""
    desk = Desk()
    desk.working()
    desk.submit(order_id=2)
    desk.tell(
        execution(1, exec_id="a.b.1.01", order_id=2),
        execution(1, exec_id="a.b.2.01"),
        execution(1, exec_id="a.b.3.01"),
    )
    assert [fill.exec_id for fill in desk.book.fills()] == ["a.b.2.01", "a.b.3.01", "a.b.1.01"]


def test_own_rules_are_used() -> None:
    """Users can extend the table of codes."""
    book = Book(1, extend(DEFAULT_RULES, {777: Verdict.DEAD}))
    book.submit(1, "k", AAPL, BUY, NOW)
    book.apply(error(777), NOW)
    assert book.order(1).status is S.CANCELLED


# ── identity ────────────────────────────────────────────────────────────────────────────────────


def test_the_permanent_id_is_learned_from_each_kind_of_fact() -> None:
    """Found by examination: one that came with a repeated execution did not show in the snapshot."""
    for facts in (
        (status("Submitted", 0, 10, perm_id=900),),
        (echo("Submitted", perm_id=900),),
        (execution(4), execution(4, perm_id=900)),
    ):
        desk = Desk()
        desk.submit()
        order = desk.tell(*facts)
        assert order is not None
        assert order.perm_id == 900
        assert desk.book.by_perm_id(900) == order


def test_a_completed_order_without_an_order_id_finds_ours_by_its_label() -> None:
    """The text protocol has no order id there (TWS facts 4): permId, else our key in orderRef."""
    desk = Desk()
    desk.submit(key="mine")
    desk.lose_connection()
    desk.tell(completed("Filled", perm_id=900, order_ref="mine", filled_quantity=Decimal(10)))
    assert (desk.order.status, desk.order.perm_id, desk.order.filled_quantity) == (S.FILLED, 900, 10)
    assert len(desk.book.orders()) == 1


def test_the_order_of_another_client_with_our_id_is_another_order() -> None:
    """Found by examination: its fill filled our order that the broker had not answered yet."""
    desk = Desk()
    desk.submit(key="entry")
    desk.tell(
        status("Filled", 10, 0, client_id=7, perm_id=555),
        echo("Filled", client_id=7, perm_id=556, order_ref="entry", order_id=3),
        execution(10, client_id=7, perm_id=555),
    )
    ours = desk.book.by_key("entry")
    assert ours is not None
    assert (ours.status, ours.filled_quantity, ours.perm_id) == (S.PENDING_SUBMIT, 0, None)
    theirs = desk.book.by_perm_id(555)
    assert theirs is not None
    assert (theirs.status, theirs.filled_quantity, theirs.is_ours) == (S.FILLED, 10, False)
    with pytest.raises(OrderNotOurs):
        desk.book.cancel(3, NOW)


def test_a_cancel_by_another_client_is_told_on_our_order() -> None:
    """OrderStatus then has the canceller's client id (TWS facts 4); the order stays ours."""
    desk = Desk()
    desk.working()
    order = desk.tell(status("Cancelled", 0, 10, client_id=0, perm_id=900))
    assert order is not None
    assert (order.status, order.client_id, order.is_ours) == (S.CANCELLED, 1, True)
    assert len(desk.book.orders()) == 1


def test_manual_orders_share_the_id_zero_and_stay_apart() -> None:
    """Unbound TWS orders all have order id 0 (TWS facts 4): permId tells them apart."""
    desk = Desk(client_id=0)
    desk.tell(
        echo("Submitted", order_id=0, client_id=0, perm_id=1),
        echo("PreSubmitted", order_id=0, client_id=0, perm_id=2),
        status("Cancelled", 0, 10, order_id=0, client_id=0, perm_id=2),
    )
    first, second = desk.book.by_perm_id(1), desk.book.by_perm_id(2)
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (S.SUBMITTED, S.CANCELLED)


def test_a_manual_order_that_is_bound_to_us_can_be_cancelled() -> None:
    """Found by examination: orderBound gave it our client id, but it stayed somebody else's."""
    desk = Desk(client_id=0)
    desk.tell(echo("Submitted", order_id=0, client_id=None, perm_id=1))
    with pytest.raises(OrderNotOurs):
        desk.cancel(0)
    desk.tell(OrderBoundFact(perm_id=1, client_id=0, order_id=-7))
    record = desk.book.order(-7)
    assert (record.is_ours, record.client_id, record.perm_id) == (True, 0, 1)
    assert desk.cancel(-7).status is S.PENDING_CANCEL
    desk.tell(OrderBoundFact(perm_id=4711, client_id=0, order_id=-8))
    assert len(desk.book.orders()) == 1


def test_a_fact_that_names_no_order_is_an_anomaly_and_makes_none() -> None:
    """Found by examination: each status with order id 0 and no permId made a new order."""
    desk = Desk()
    for fact in (
        status("Submitted", 0, 10, order_id=0),
        status("Submitted", 0, 10, order_id=None),
        echo("Submitted", order_id=0),
        completed("Cancelled"),
    ):
        desk.forget()
        desk.tell(fact, fact)
        assert desk.kinds() == ["AnomalyDetected", "AnomalyDetected"]
    assert desk.book.orders() == ()


def test_an_order_id_used_again_for_another_order_is_flagged() -> None:
    """Two live orders of one id of ours: both are in the book, and the trader is told."""
    desk = Desk()
    desk.working()
    desk.tell(status("Submitted", 0, 10, perm_id=901))
    assert len(desk.book.orders()) == 2
    assert any("two live orders" in event.what for event in desk.of(events.AnomalyDetected))


# ── facts ───────────────────────────────────────────────────────────────────────────────────────


def test_a_what_if_answer_leaves_no_order_behind() -> None:
    """One openOrder with margin figures (TWS facts 4): told, and nothing is alive."""
    desk = Desk()
    margin = WhatIfMargin(initial_after=Decimal(5000))
    desk.tell(echo("PreSubmitted", what_if=True, margin=margin), echo("PreSubmitted", what_if=True))
    assert [event.margin for event in desk.of(events.WhatIfAnswered)] == [margin, WhatIfMargin()]
    assert desk.book.orders() == ()


def test_a_status_never_lowers_what_is_filled() -> None:
    """An older or smaller figure is repetition, not news (TWS facts 9.3)."""
    desk = Desk()
    desk.working()
    desk.tell(
        status("Submitted", 7, 3, avg_fill_price=Decimal(101)),
        status("Submitted", 4, 6),
        status("Cancelled", 0, 10),
    )
    assert (desk.order.filled_quantity, desk.order.avg_fill_price) == (7, 101)
    assert desk.order.remaining_quantity == 3


def test_a_pending_cancel_can_come_back_to_work() -> None:
    """PendingCancel -> Submitted -> PreSubmitted was seen (TWS facts 1)."""
    desk = Desk()
    desk.working()
    seen = []
    for word in ("PendingCancel", "Submitted", "PreSubmitted", "Inactive", "PreSubmitted", "Cancelled"):
        order = desk.tell(status(word, 0, 10))
        assert order is not None
        seen.append(order.status)
    assert seen == [
        S.PENDING_CANCEL,
        S.SUBMITTED,
        S.PRE_SUBMITTED,
        S.INACTIVE,
        S.PRE_SUBMITTED,
        S.CANCELLED,
    ]
    assert not desk.of(events.AnomalyDetected)


def test_a_word_that_crossed_our_cancel_does_not_end_it() -> None:
    """The broker's Submitted was on its way when we asked: the cancel is still pending."""
    desk = Desk()
    desk.working("PreSubmitted")
    desk.cancel()
    desk.tell(status("Submitted", 0, 10))
    assert desk.order.status is S.PENDING_CANCEL
    desk.tell(execution(4), status("Submitted", 4, 6))
    assert (desk.order.status, desk.order.filled_quantity) == (S.PENDING_CANCEL, 4)
    desk.tell(status("Cancelled", 4, 6))
    assert (desk.order.status, desk.order.remaining_quantity) == (S.CANCELLED, 6)


def test_the_size_follows_the_broker_also_while_a_modification_is_open() -> None:
    """IB can reduce an order (OCA, 481), and what it echoes is what works until our change does."""
    desk = Desk()
    desk.working()
    desk.tell(status("Submitted", 0, 6))
    assert (desk.order.total_quantity, desk.order.remaining_quantity) == (6, 6)
    desk.modify(BUY.replace(quantity=20))
    desk.tell(status("Submitted", 0, 5), echo("Submitted", total_quantity=Decimal(5)))
    assert desk.order.total_quantity == 5


def test_a_completed_order_in_the_list_has_quantity_zero() -> None:
    """Filled orders are listed with totalQuantity 0 (TWS facts 4): the filled quantity is the size."""
    desk = Desk(client_id=None)
    desk.tell(completed("Filled", perm_id=1, total_quantity=Decimal(0), filled_quantity=Decimal(3)))
    record = desk.book.by_perm_id(1)
    assert record is not None
    assert (record.status, record.total_quantity, record.filled_quantity) == (S.FILLED, 3, 3)
    assert record.reject is None
    desk.tell(completed("Cancelled", perm_id=2, total_quantity=Decimal(5), filled_quantity=Decimal(0)))
    other = desk.book.by_perm_id(2)
    assert other is not None
    assert (other.status, other.total_quantity, other.filled_quantity) == (S.CANCELLED, 5, 0)


def test_a_completed_order_tells_its_reason() -> None:
    """CompletedStatus says who cancelled it (TWS facts 4)."""
    desk = Desk()
    desk.working()
    fact = attrs.evolve(completed("Cancelled", perm_id=900), completed_status="Cancelled by System:\n")
    desk.tell(fact)
    assert (desk.order.status, desk.order.error_message) == (S.CANCELLED, "Cancelled by System:")


def test_messages_about_no_order_are_told_as_such() -> None:
    """Connectivity, farms, and ids that are no orders: a BrokerMessage, and no order is touched."""
    desk = Desk()
    desk.working()
    desk.forget()
    desk.tell(error(1100, order_id=-1), error(2104, order_id=-1), error(2104), error(200, order_id=77))
    assert desk.kinds() == ["BrokerMessage"] * 4
    assert desk.order.error_codes == ()
    assert desk.order.status is S.SUBMITTED


def test_facts_keep_coming_after_1100() -> None:
    """Executions and commissions come while IB is away (TWS facts 5); dropping them loses fills."""
    desk = Desk()
    desk.working()
    desk.tell(error(1100, order_id=-1), execution(10), commission())
    assert (desk.order.status, desk.order.commissions) == (S.FILLED, {"USD": Decimal("1.25")})


def test_event_numbers_rise_by_one_over_everything() -> None:
    """Over commands and facts alike; a listener sees a gap at once."""
    desk = Desk()
    desk.working()
    desk.submit(order_id=2)
    desk.cancel(2)
    desk.tell(execution(4), execution(6, exec_id="a.b.2.01"), error(201, order_id=2))
    numbers = [event.seq for event in desk.events]
    assert numbers == list(range(1, len(numbers) + 1))


def test_old_snapshots_never_change() -> None:
    """A record that a user holds is a picture, not a window."""
    desk = Desk()
    first = desk.working()
    picture = attrs.asdict(first, recurse=False)
    desk.tell(execution(4), commission(), error(399), status("Cancelled", 4, 6))
    assert attrs.asdict(first, recurse=False) == picture
    assert desk.order != first


def test_a_tracked_order_is_in_doubt_until_the_broker_tells() -> None:
    """Of an adopted order nothing is known but that it exists."""
    book = Book(1)
    book.track(5, NOW)
    assert (book.order(5).status, book.order(5).is_ours) == (S.UNKNOWN, True)
    book.apply(status("Submitted", 2, 8, order_id=5), NOW)
    record = book.order(5)
    assert (record.status, record.total_quantity, record.filled_quantity) == (S.PARTIALLY_FILLED, 10, 2)


def test_a_contract_that_the_broker_completes_does_not_overwrite_what_we_asked_for() -> None:
    """Our own contract stays; of an order of others the broker's is all there is."""
    desk = Desk()
    desk.working()
    told = Contract.stock("AAPL", con_id=265598)
    desk.tell(echo("Submitted", contract=told, perm_id=900))
    assert desk.order.contract == AAPL
    desk.tell(echo("Submitted", order_id=8, client_id=97, perm_id=901, contract=told))
    assert desk.book.order(8).contract == told


# ── what was sent ───────────────────────────────────────────────────────────────────────────────


def told(desk: Desk, *order_ids: int, looks_at_once: bool) -> list[OrderRecord]:
    """Submit orders, have them sent, and return the records of the events that told of it."""
    for order_id in order_ids:
        desk.submit(order_id=order_id)
        if looks_at_once:
            _ = [event.record for event in desk.events if isinstance(event, events.OrderEvent)]
    desk.book.take(inputs.Sent(order_ids), desk.now + timedelta(seconds=1))
    desk.book.take(inputs.Sent(order_ids), desk.now + timedelta(seconds=2))
    return [event.record for event in desk.events if isinstance(event, events.OrderSubmitted)]


@pytest.mark.parametrize("is_changed_again", [False, True])
def test_an_event_shows_the_order_as_it_was_before_it_was_sent(is_changed_again: bool) -> None:
    """Whoever looks late sees what who looked at once saw: an order that was not sent yet."""
    late, early = Desk(), Desk()
    seen_at_once = told(early, 1, 2, looks_at_once=True)
    if is_changed_again:
        late.submit(order_id=1)
        late.submit(order_id=2)
        late.book.take(inputs.Sent((1, 2)), late.now + timedelta(seconds=1))
        late.tell(status("Submitted"), status("Submitted", order_id=2, perm_id=1002))
        records = [event.record for event in late.events if isinstance(event, events.OrderSubmitted)]
    else:
        records = told(late, 1, 2, looks_at_once=False)
    assert records == seen_at_once
    assert [record.sent_time for record in records] == [None, None]
    assert late.book.order(1).sent_time is not None


def test_the_terms_of_an_event_need_no_record() -> None:
    """They are the same, before the record was made and after."""
    desk = Desk()
    desk.submit(BUY)
    [event] = desk.events
    assert isinstance(event, events.OrderEvent)
    before = event.terms
    assert before is BUY
    assert event.record.order is before
    assert event.terms is before


def test_a_child_that_came_before_its_parent_is_let_go_with_it() -> None:
    """What holds a child is its own flag; its parent's release, whenever that comes, lets it go."""
    desk = Desk()
    desk.submit(BUY.replace(parent_id=5, transmit=False), order_id=4)
    desk.submit(BUY.replace(transmit=False), order_id=3)
    assert not desk.book.is_released(4)
    desk.submit(order_id=5)
    assert desk.book.is_released(4)
    assert not desk.book.is_released(3)
