"""Executions and commissions find their orders, and are told exactly once."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.lifecycle.asks import Question
from ibkr_core.lifecycle.fillings import MAX_ORPHANS
from ibkr_core.model import events
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import AAPL, Desk, commission, echo, error, execution, ids, status

S = OrderStatus


def test_an_execution_is_told_once_however_often_it_comes() -> None:
    """Count money by ExecutionReceived: live, repeated and replayed it is one event."""
    desk = Desk()
    desk.working()
    desk.forget()
    desk.tell(execution(4), execution(4), execution(4, request_id=9001))
    assert desk.kinds() == ["ExecutionReceived", "OrderStatusChanged", "OrderPartiallyFilled"]
    assert desk.order.status is S.PARTIALLY_FILLED
    assert desk.order.filled_quantity == 4


def test_executions_alone_fill_an_order() -> None:
    """A market order may have no orderStatus at all (TWS facts 2.2)."""
    desk = Desk()
    desk.submit(Order.market("BUY", 10))
    desk.tell(execution(4, 100, "a.b.1.01"), execution(6, 101, "a.b.2.01"))
    order = desk.order
    assert (order.status, order.filled_quantity, order.remaining_quantity) == (S.FILLED, 10, 0)
    assert order.avg_fill_price == Decimal("100.6")
    (filled,) = desk.of(events.OrderFilled)
    assert filled.fill is not None
    assert filled.fill.exec_id == "a.b.2.01"


def test_a_late_fill_of_a_cancelled_order_is_booked() -> None:
    """Cancelled is final for the lifecycle, not for the fills (TWS facts 9.3)."""
    desk = Desk()
    desk.working()
    desk.tell(status("Cancelled", 0, 10), execution(4))
    assert (desk.order.status, desk.order.filled_quantity) == (S.CANCELLED, 4)
    assert len(desk.of(events.ExecutionReceived)) == 1
    desk.tell(execution(6, exec_id="a.b.2.01"))
    assert desk.order.status is S.FILLED


def test_an_execution_of_a_rejected_order_puts_it_in_doubt() -> None:
    """An order cannot be refused and fill: which one is wrong only the broker can tell."""
    desk = Desk()
    desk.submit()
    desk.tell(error(201))
    desk.forget()
    desk.tell(execution(4))
    assert (desk.order.status, desk.order.filled_quantity) == (S.UNKNOWN, 4)
    assert desk.of(events.AnomalyDetected)
    assert Question.ORDERS in desk.questions()


def test_a_correction_is_told_with_what_it_changed() -> None:
    """The position must be corrected by quantity_delta and the value by value_delta."""
    desk = Desk()
    desk.working()
    desk.tell(execution(4, 100, "a.b.c.01"))
    desk.forget()
    desk.tell(execution(5, "99.5", "a.b.c.02"))
    (event,) = desk.of(events.ExecutionCorrected)
    assert (event.previous.exec_id, event.fill.exec_id) == ("a.b.c.01", "a.b.c.02")
    assert (event.quantity_delta, event.value_delta) == (1, Decimal("97.5"))
    assert not desk.of(events.ExecutionReceived)
    assert (desk.order.filled_quantity, desk.order.avg_fill_price) == (5, Decimal("99.5"))


def test_a_correction_can_complete_an_order() -> None:
    """And FILLED stays FILLED if it takes something away again; the quantity is the truth."""
    desk = Desk()
    desk.working()
    desk.tell(execution(9, 100, "a.b.c.01"), execution(10, 100, "a.b.c.02"))
    assert desk.order.status is S.FILLED
    desk.tell(execution(8, 100, "a.b.c.03"))
    assert (desk.order.status, desk.order.filled_quantity) == (S.FILLED, 8)


@pytest.mark.parametrize("repeat", [1, 2])
def test_an_older_revision_that_comes_late_shows_in_the_snapshot(repeat: int) -> None:
    """Found by examination: the filled quantity fell, but the record kept the old figure."""
    desk = Desk()
    desk.working()
    desk.tell(status("Submitted", 10, 0), execution(9, exec_id="a.b.c.02"))
    assert desk.order.filled_quantity == 10
    desk.tell(*[execution(10, exec_id="a.b.c.01")] * repeat)
    assert (desk.order.filled_quantity, desk.order.unexplained_quantity) == (9, 0)


def test_a_commission_finds_its_fill_in_either_order() -> None:
    """Told once with the fill that it belongs to (TWS facts 2.6)."""
    for facts in ((execution(4), commission()), (commission(), execution(4))):
        desk = Desk()
        desk.working()
        desk.tell(*facts, commission())
        (told,) = desk.of(events.CommissionReported)
        assert told.fill.commission == Decimal("1.25")
        assert desk.order.commissions == {"USD": Decimal("1.25")}
        assert told.record.commissions == {"USD": Decimal("1.25")}


def test_a_fill_is_not_held_back_for_its_commission() -> None:
    """It may come ten seconds later (TWS facts 3): the fill is told at once, without."""
    desk = Desk()
    desk.working()
    desk.tell(execution(4))
    (fill,) = desk.order.fills
    assert fill.commission is None
    assert desk.order.commissions == {}


def test_a_revised_commission_is_told_again() -> None:
    """The amount that counts is the newest one."""
    desk = Desk()
    desk.working()
    desk.tell(execution(4), commission("1"), commission("0.8"), commission("0.8"))
    assert [event.fill.commission for event in desk.of(events.CommissionReported)] == [1, Decimal("0.8")]
    assert desk.order.commissions == {"USD": Decimal("0.8")}


def test_overfills_are_booked_and_flagged() -> None:
    """An OCA group of type 3 can overfill (TWS facts 6): the position is real, and the trader must know."""
    desk = Desk()
    desk.working()
    desk.tell(execution(10, exec_id="a.b.1.01"), execution(3, exec_id="a.b.2.01"))
    assert (desk.order.status, desk.order.filled_quantity, desk.order.remaining_quantity) == (S.FILLED, 13, 0)
    assert any("exceed" in event.what for event in desk.of(events.AnomalyDetected))


def test_the_brokers_running_total_reveals_missing_executions() -> None:
    """CumQty counts partials from before we connected (TWS facts 3); it asks, and never counts itself."""
    desk = Desk()
    desk.working()
    desk.tell(execution(2, cum_quantity=Decimal(7)))
    assert desk.order.filled_quantity == 2
    assert desk.questions() == {Question.EXECUTIONS}


def test_executions_that_cover_a_reduced_size_ask_for_the_orders_state() -> None:
    """IB can make an order smaller (OCA, 481). The larger size is kept as proof, so somebody must ask."""
    desk = Desk()
    desk.working()
    desk.tell(status("Submitted", 0, 6))
    desk.forget()
    desk.tell(execution(6))
    assert desk.order.status is S.PARTIALLY_FILLED
    assert desk.questions() == {Question.ORDERS}
    desk.tell(status("Filled", 6, 0))
    assert desk.order.status is S.FILLED


def test_an_execution_from_outside_belongs_to_nobody_and_is_told_once() -> None:
    """PermId 0 and no order id: trades from outside IB (TWS facts 3)."""
    desk = Desk()
    outside = execution(4, order_id=0, perm_id=None, client_id=None)
    desk.tell(outside, outside)
    (told,) = desk.of(events.UnattributedExecution)
    assert told.fill.quantity == 4
    assert desk.book.orders() == ()


def test_an_order_known_only_by_its_execution_is_in_doubt_and_asked_about() -> None:
    """It may have closed while we were away (TWS facts 5)."""
    desk = Desk()
    order = desk.tell(execution(4, perm_id=900, client_id=97))
    assert order is not None
    assert (order.status, order.filled_quantity, order.is_ours) == (S.UNKNOWN, 4, False)
    assert desk.questions() == {Question.ORDERS}


def test_legs_are_told_but_do_not_fill_the_combo() -> None:
    """Leg executions before and after the combo's own change no quantity of the order."""
    combo = Contract.combo("SPY", (ComboLeg(1), ComboLeg(2, action="SELL")))
    option = Contract(symbol="SPY", sec_type="OPT", con_id=1)
    desk = Desk()
    desk.working(order=Order.limit("BUY", 2, "1.5"), contract=combo)
    desk.forget()
    desk.tell(execution(2, 8, "a.b.02.01.01", contract=option))
    assert (desk.order.filled_quantity, desk.order.status) == (0, S.SUBMITTED)
    assert desk.kinds() == ["ExecutionReceived"]
    assert desk.of(events.ExecutionReceived)[0].fill.is_leg
    desk.tell(execution(2, "1.5", "a.b.01.01", contract=combo))
    assert (desk.order.status, desk.order.filled_quantity, desk.order.avg_fill_price) == (
        S.FILLED,
        2,
        Decimal("1.5"),
    )
    assert ids(desk.order.leg_fills) == ["a.b.02.01.01"]
    assert len(desk.book.fills()) == 2


def test_commissions_without_an_execution_do_not_pile_up() -> None:
    """Found by examination: every reqExecutions brings those of other clients again, and all were kept."""
    desk = Desk()
    for _ in range(100):
        desk.tell(commission("1", "other.b.c.01"), commission("2", "other.b.c.01"))
    kept = desk.book._fillings.orphans
    assert [len(reports) for reports in kept.values()] == [2]


def test_what_is_kept_for_orders_that_never_come_is_bounded() -> None:
    """Other clients' commissions and outside executions cannot fill the memory; the oldest go."""
    desk = Desk()
    for number in range(MAX_ORPHANS + 10):
        desk.book.apply(commission("1", f"x{number}.b.c.01"), desk.now)
        desk.book.apply(execution(1, exec_id=f"y{number}", order_id=0, client_id=None), desk.now)
    kept = desk.book._fillings
    assert len(kept.orphans) == len(kept._orphan_executions) == MAX_ORPHANS
    assert f"x{MAX_ORPHANS + 9}.b.c" in kept.orphans
    assert "x0.b.c" not in kept.orphans


def test_the_contract_is_learned_from_an_execution_but_not_from_a_leg() -> None:
    """Found by examination: a combo first heard of by a leg was shown as that leg from then on."""
    option, combo = (
        Contract(symbol="SPY", sec_type="OPT", con_id=5),
        Contract(symbol="SPY", sec_type="BAG", con_id=9),
    )
    desk = Desk()
    desk.tell(execution(4, exec_id="a.b.02.01.01", contract=option))
    assert desk.order.contract is None
    desk.tell(execution(2, exec_id="a.b.01.01", contract=combo))
    assert desk.order.contract == combo
    desk = Desk()
    desk.tell(execution(4, exec_id="a.b.02.01", contract=option), echo("Submitted", contract=combo))
    assert desk.order.contract == combo
    assert (desk.order.filled_quantity, len(desk.order.leg_fills)) == (0, 1)
    desk = Desk()
    desk.working()
    desk.tell(execution(4, contract=Contract.stock("AAPL", con_id=265598)))
    assert desk.order.contract == AAPL


def test_nothing_is_asked_where_nothing_is_missing() -> None:
    """A running total that agrees, one of a leg, and executions that complete the order raise no question."""
    combo = Contract.combo("SPY", (ComboLeg(1), ComboLeg(2, action="SELL")))
    option = Contract(symbol="SPY", sec_type="OPT", con_id=1)
    desk = Desk()
    desk.working(order=Order.limit("BUY", 2, "1.5"), contract=combo)
    desk.tell(
        execution(4, 8, "a.b.02.01.01", contract=option, cum_quantity=Decimal(4)),
        execution(1, "1.5", "a.b.01.01", contract=combo, cum_quantity=Decimal(1)),
        execution(1, "1.5", "a.c.01.01", contract=combo, cum_quantity=Decimal(2)),
    )
    assert desk.order.status is S.FILLED
    assert desk.asks == []


# ── following ───────────────────────────────────────────────────────────────────────────────────


BOUGHT = AAPL.replace(con_id=265598)


def test_a_feed_begins_with_what_is_there_and_goes_on_with_what_changes() -> None:
    """Each execution once, in its newest form."""
    desk = Desk()
    desk.working()
    desk.tell(execution(4, 100, "a.b.c.01"))
    feed = desk.book.follow_fills()
    assert [fill.quantity for fill in feed.take()] == [4]
    assert feed.take() == ()
    desk.tell(execution(4, 100, "a.b.c.01"))
    desk.tell(commission(1, "a.b.c.01"), execution(5, "99.5", "a.b.c.02"), execution(1, 98, "a.b.d.01"))
    first, second = feed.take()
    assert (first.exec_id, first.quantity, first.commission) == ("a.b.c.02", 5, 1)
    assert second.exec_id == "a.b.d.01"


def test_a_feed_tells_again_what_another_execution_made_different() -> None:
    """An account's part is one only once the whole is known."""
    desk = Desk()
    desk.working()
    feed = desk.book.follow_fills()
    desk.tell(execution(4, 100, "p.1.1.01", account="DU1", contract=BOUGHT))
    (part,) = feed.take()
    assert part.counts
    desk.tell(execution(4, 100, "w.1.1.01", account="DF1", contract=BOUGHT))
    assert {fill.account: fill.moves_position for fill in feed.take()} == {"DU1": True, "DF1": False}
    assert desk.order.filled_quantity == 4
    assert [fill.account for fill in desk.order.allocation_fills] == ["DU1"]


def test_a_feed_tells_again_what_the_order_itself_made_different() -> None:
    """Of another client's combo the legs may execute before the order is shown: only then they are legs."""
    combo = Contract.combo("SPY", (ComboLeg(1), ComboLeg(2, action="SELL")))
    desk = Desk()
    feed = desk.book.follow_fills()
    leg = Contract(symbol="SPY", sec_type="OPT", con_id=1)
    desk.tell(execution(2, 8, "a.b.02.01", perm_id=900, client_id=97, contract=leg))
    assert [fill.is_leg for fill in feed.take()] == [False]
    desk.tell(echo(client_id=97, perm_id=900, contract=combo))
    assert [fill.is_leg for fill in feed.take()] == [True]
    assert [fill.is_leg for fill in desk.book.fills()] == [True]


def test_a_group_order_of_ours_is_known_from_the_beginning() -> None:
    """Its first execution is the advisor's: it moves no position, also before the parts come."""
    desk = Desk()
    desk.submit(Order.market("BUY", 10, official={"faGroup": "all", "faMethod": "Equal"}))
    desk.tell(execution(10, 100, "w.1.1.01", account="DF1", contract=BOUGHT))
    assert desk.order.status is S.FILLED
    assert desk.book.position_fills() == ()
    desk.forget()
    desk.tell(execution(10, 100, "p.1.1.01", account="DU1", contract=BOUGHT))
    assert desk.kinds() == ["ExecutionReceived"]
    assert [fill.account for fill in desk.book.position_fills()] == ["DU1"]
    assert len(desk.book.fills()) == 2
