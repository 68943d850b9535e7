"""Brackets and one-cancels-all groups against the gateway: complete or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    InvalidContract,
    InvalidGroup,
    InvalidInput,
    InvalidOrder,
    RequestRefused,
    UnknownField,
)
from ibkr_core.gateway.core import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import OcaType, Order
from ibkr_core.wire.message import Message
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway, buy, settle

pytestmark = pytest.mark.system
D = Decimal
ENTRY = Order.limit("BUY", 10, "100.01")


# ── brackets ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bracket_whose_take_profit_fills(version: int, serve: Serve, connect: Connect) -> None:
    """The entry fills, the exits wake, the target fills, and the broker cancels the stop."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    log = Log(engine)
    bracket = engine.submit_bracket(STOCK, ENTRY, take_profit="110", stop_loss="90")
    parent, target, stop = bracket.all
    assert (bracket.parent, bracket.take_profit, bracket.stop_loss) == (parent, target, stop)
    assert parent.order_id < target.order_id < stop.order_id
    assert parent.wait(**WAIT).status is S.FILLED
    target.wait(S.SUBMITTED, **WAIT)
    settle(engine)
    assert (stop.status, stop.record.why_held) == (S.PRE_SUBMITTED, "trigger")
    assert target.record.oca_group == str(parent.record.perm_id)
    gateway.market("AAPL").set_quote(bid="110.00", ask="110.01")
    assert target.wait(**WAIT).avg_fill_price == D(110)
    assert stop.wait(**WAIT).status is S.CANCELLED
    settle(engine)
    assert stop.record.filled_quantity == 0
    assert log.of(events.AnomalyDetected) == []
    assert {child.record.parent_id for child in (target, stop)} == {parent.order_id}


def test_a_bracket_whose_stop_fills(gateway: WatchedGateway, engine: Engine) -> None:
    """The stop is elected, fills, and takes the target with it."""
    bracket = engine.submit_bracket(STOCK, ENTRY, take_profit="110", stop_loss="90")
    bracket.parent.wait(**WAIT)
    gateway.market("AAPL").set_quote(bid="89.99", ask="90.00", last="89.99")
    assert bracket.stop_loss.wait(**WAIT).status is S.FILLED
    assert bracket.take_profit.wait(**WAIT).status is S.CANCELLED


def test_cancelling_the_parent_takes_the_children_with_it(gateway: WatchedGateway, engine: Engine) -> None:
    """The broker cancels them; nothing is sent for them."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, "95"), take_profit="110", stop_loss="90")
    bracket.parent.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    bracket.parent.cancel()
    assert [ticket.wait(**WAIT).status for ticket in bracket.all] == [S.CANCELLED] * 3
    assert len(gateway.arrived("cancelOrder")) == 1


def test_a_bracket_leaves_as_one_piece(gateway: WatchedGateway, engine: Engine) -> None:
    """Parent first, transmit only on the last order, exits on the other side with the parent's id."""
    bracket = engine.submit_bracket(STOCK, ENTRY, take_profit="110", stop_loss="90")
    bracket.parent.wait(**WAIT)
    sent = [message.fields for message in gateway.arrived("placeOrder")]
    assert [fields["orderId"] for fields in sent] == [ticket.order_id for ticket in bracket.all]
    orders = [fields["order"] for fields in sent]
    assert [order.get("transmit", False) for order in orders] == [False, False, True]
    assert [order["action"] for order in orders] == ["BUY", "SELL", "SELL"]
    assert [order.get("parentId", 0) for order in orders] == [
        0,
        bracket.parent.order_id,
        bracket.parent.order_id,
    ]
    assert len({order["orderRef"] for order in orders}) == 3


@pytest.mark.parametrize(("exit_", "missing"), [("take_profit", "stop_loss"), ("stop_loss", "take_profit")])
def test_a_bracket_with_one_exit(gateway: WatchedGateway, engine: Engine, exit_: str, missing: str) -> None:
    """Either exit will do; the other one is None."""
    prices = {"take_profit": "110", "stop_loss": "90"}
    bracket = engine.submit_bracket(STOCK, ENTRY, **{exit_: prices[exit_]})
    assert getattr(bracket, missing) is None
    assert len(bracket.all) == 2
    assert bracket.parent.wait(**WAIT).status is S.FILLED
    getattr(bracket, exit_).wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)


def test_exits_may_be_whole_orders(gateway: WatchedGateway, engine: Engine) -> None:
    """A stop-limit as stop; a short entry turned round."""
    bracket = engine.submit_bracket(
        STOCK,
        Order.limit("SELL", 10, "100"),
        take_profit=Order.limit("BUY", 10, "90", tif="GTC"),
        stop_loss=Order.stop_limit("BUY", 10, "110", "111"),
    )
    assert bracket.parent.wait(**WAIT).status is S.FILLED
    gateway.market("AAPL").set_quote(bid="109.99", ask="110.00", last="110.00")
    assert bracket.stop_loss.wait(**WAIT).avg_fill_price == D(110)
    assert bracket.take_profit.wait(**WAIT).status is S.CANCELLED


def test_a_bracket_that_the_broker_rejects(gateway: WatchedGateway, engine: Engine) -> None:
    """Nothing of it stays alive or in doubt: parent refused, children refused or cancelled."""
    nowhere = Contract.stock("ZZZZ")
    bracket = engine.submit_bracket(nowhere, ENTRY, take_profit="110", stop_loss="90")
    ends = [ticket.wait(**WAIT).status for ticket in bracket.all]
    assert ends[0] is S.REJECTED
    assert set(ends) <= {S.REJECTED, S.CANCELLED}
    assert engine.active_orders() == ()


NO_BRACKET: dict[str, tuple[type[InvalidInput], dict[str, Any]]] = {
    "no exit": (InvalidGroup, {}),
    "target on the wrong side": (InvalidGroup, {"take_profit": "99"}),
    "target at the entry": (InvalidGroup, {"take_profit": "100.01"}),
    "stop on the wrong side": (InvalidGroup, {"stop_loss": "101"}),
    "target that is no number": (InvalidGroup, {"take_profit": "much"}),
    "stop of NaN": (InvalidGroup, {"stop_loss": float("nan")}),
    "exit on the same side": (InvalidGroup, {"take_profit": Order.limit("BUY", 10, 110)}),
    "exit of another size": (InvalidGroup, {"take_profit": Order.limit("SELL", 9, 110)}),
    "exit in a group": (InvalidGroup, {"take_profit": Order.limit("SELL", 10, 110, oca_group="x")}),
    "negative target": (InvalidInput, {"stop_loss": -1}),
    "what-if exit": (InvalidOrder, {"take_profit": Order.limit("SELL", 10, 110, what_if=True)}),
    "exit of a wrong type": (InvalidInput, {"take_profit": [110]}),
}


@pytest.mark.parametrize("case", NO_BRACKET)
def test_a_bracket_that_cannot_work_is_refused(case: str, gateway: WatchedGateway, engine: Engine) -> None:
    """With a typed error that names the leg; nothing arrives at the gateway, and no id is used up."""
    kind, exits = NO_BRACKET[case]
    with pytest.raises(kind) as raised:
        engine.submit_bracket(STOCK, ENTRY, **exits)
    assert raised.value.argument
    assert raised.value.rule
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()
    first = buy(engine).order_id
    assert first == gateway.arrived("reqExecutions")[-1].fields["reqId"] + 1


def test_a_bracket_is_not_half_sent_when_one_leg_cannot_be_encoded(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """The last leg has a field that this gateway cannot take: none of the three leaves."""
    stop = Order.stop("SELL", 10, 90, algoStrategy="Twap", algoParams=[1, 2])
    with pytest.raises((RequestRefused, UnknownField)):
        engine.submit_bracket(STOCK, ENTRY, take_profit=110, stop_loss=stop)
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()
    assert engine.submit_bracket(STOCK, ENTRY, take_profit=110).parent.wait(**WAIT).status is S.FILLED


def test_a_parent_may_be_modified_before_the_broker_has_answered(serve: Serve, connect: Connect) -> None:
    """The group was released by its last leg: new terms of an earlier leg must not hold that leg again."""
    deaf: list[bool] = []

    def outlet(_: int, message: Message) -> Any:
        return () if deaf and message.kind in ("openOrder", "orderStatus") else (Delivery(message),)

    gateway = serve(outlet=outlet)
    engine = connect(gateway)
    deaf.append(True)
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, "95"), take_profit="110", stop_loss="90")
    bracket.parent.modify(limit_price="96")
    bracket.take_profit.modify(limit_price="111")
    settle(engine)
    changed = [message.fields["order"] for message in gateway.arrived("placeOrder")[3:]]
    assert [order.get("transmit", False) for order in changed] == [True, True]
    deaf.clear()
    log = Log(engine)
    engine.client.reqOpenOrders()
    log.wait(events.OrderModified, count=2)
    assert bracket.parent.record.order.limit_price == D(96)
    assert bracket.take_profit.record.order.limit_price == D(111)


def test_an_order_that_was_held_stays_held_until_it_is_released(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """The broker says nothing of it (TWS facts 2.3); new terms keep it so, and transmit lets it go."""
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "95", transmit=False))
    ticket.modify(limit_price="96")
    settle(engine)
    assert ticket.status is S.PENDING_SUBMIT
    assert [m.fields["order"].get("transmit", False) for m in gateway.arrived("placeOrder")] == [False, False]
    ticket.modify(transmit=True)
    ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    assert (ticket.record.limit_price, ticket.record.pending) == (D(96), ())
    with pytest.raises(InvalidOrder, match="transmit"):
        ticket.modify(transmit=False)


# ── one cancels all ─────────────────────────────────────────────────────────────────────────────────


def group(engine: Engine, oca_type: int, *prices: str, quantity: int = 100, name: str = "") -> Any:
    orders = [(STOCK, Order.limit("BUY", quantity, price)) for price in prices]
    tickets = engine.submit_oca(orders, group=name, oca_type=oca_type)
    for ticket in tickets:
        ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    return tickets


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("oca_type", [1, 2, 3])
def test_a_complete_fill_cancels_the_rest(
    version: int, oca_type: int, serve: Serve, connect: Connect
) -> None:
    """Of whatever type the group is."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    tickets = group(engine, oca_type, "97", "98", "99")
    gateway.fill(tickets[1].order_id)
    assert [ticket.wait(**WAIT).status for ticket in tickets] == [S.CANCELLED, S.FILLED, S.CANCELLED]
    names = {ticket.record.oca_group for ticket in tickets}
    assert len(names) == 1
    assert {ticket.record.oca_type for ticket in tickets} == {oca_type}


def test_type_1_cancels_at_the_first_share(gateway: WatchedGateway, engine: Engine) -> None:
    """A part of one order is enough to end the others."""
    first, second = group(engine, 1, "98", "99")
    gateway.fill(first.order_id, quantity=10)
    assert second.wait(**WAIT).status is S.CANCELLED
    settle(engine)
    assert (first.status, first.record.remaining_quantity) == (S.PARTIALLY_FILLED, D(90))


@pytest.mark.parametrize("oca_type", [OcaType.REDUCE_WITH_BLOCK, OcaType.REDUCE_NO_BLOCK])
def test_types_2_and_3_reduce_in_proportion(
    oca_type: OcaType, gateway: WatchedGateway, engine: Engine
) -> None:
    """The other order's size follows; the book shows what is really wanted now."""
    first, second = group(engine, oca_type, "98", "99")
    gateway.fill(first.order_id, quantity=40)
    first.wait(S.PARTIALLY_FILLED, **WAIT)
    settle(engine)
    record = second.record
    assert (record.status.is_working, record.total_quantity, record.remaining_quantity) == (
        True,
        D(60),
        D(60),
    )
    gateway.fill(second.order_id)
    assert second.wait(**WAIT).filled_quantity == D(60)
    assert first.wait(**WAIT).status is S.CANCELLED
    settle(engine)
    assert (first.record.filled_quantity, second.record.filled_quantity) == (D(40), D(60))


def test_a_member_that_dies_leaves_the_others_alone(gateway: WatchedGateway, engine: Engine) -> None:
    """A rejection is no fill (TWS facts 6)."""
    orders = [(STOCK, Order.limit("BUY", 1, "99")), (Contract.stock("ZZZZ"), Order.limit("BUY", 1, "99"))]
    good, bad = engine.submit_oca(orders)
    assert bad.wait(**WAIT).status is S.REJECTED
    good.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    assert good.status.is_working


def test_a_group_has_a_name_of_its_own(gateway: WatchedGateway, engine: Engine) -> None:
    """Made up where none is given, never the same twice; one that is given is used."""
    made = {group(engine, 1, "98", "99")[0].record.oca_group for _ in range(3)}
    assert len(made) == 3
    assert group(engine, 1, "97", "98", name="mine")[0].record.oca_group == "mine"


L = Order.limit("BUY", 1, 99)
NO_GROUP: dict[str, tuple[type[InvalidInput], list[Any], dict[str, Any]]] = {
    "no order": (InvalidGroup, [], {}),
    "one order": (InvalidGroup, [(STOCK, L)], {}),
    "type 0": (InvalidGroup, [(STOCK, L)] * 2, {"oca_type": 0}),
    "type 4": (InvalidGroup, [(STOCK, L)] * 2, {"oca_type": 4}),
    "type that is no number": (InvalidInput, [(STOCK, L)] * 2, {"oca_type": "1"}),
    "another group": (InvalidGroup, [(STOCK, L), (STOCK, L.replace(oca_group="x"))], {}),
    "two accounts": (InvalidGroup, [(STOCK, L), (STOCK, L.replace(account="DU2"))], {}),
    "a contract without exchange": (InvalidContract, [(STOCK, L), (STOCK.replace(exchange=""), L)], {}),
    "something that is no order": (InvalidInput, [(STOCK, L), (STOCK, "buy")], {}),
}


@pytest.mark.parametrize("case", NO_GROUP)
def test_a_group_that_cannot_work_is_refused(case: str, gateway: WatchedGateway, engine: Engine) -> None:
    """With a typed error, before anything is sent."""
    kind, orders, options = NO_GROUP[case]
    with pytest.raises(kind) as raised:
        engine.submit_oca(orders, **options)
    assert raised.value.argument
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()
