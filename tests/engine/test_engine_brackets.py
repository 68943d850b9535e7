"""Bracket variants against the gateway and its books: as values, scaled out, attached; official objects."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from ibapi.contract import Contract as IbContract
from ibapi.order import Order as IbOrder
from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.brackets import ATTACHED_SINCE, new_bracket
from ibkr_core.engine import Engine
from ibkr_core.errors import (
    DuplicateOrder,
    EngineClosed,
    InvalidContract,
    InvalidGroup,
    InvalidInput,
    InvalidOrder,
    RequestRefused,
    UnknownField,
)
from ibkr_core.gateway.core import Delivery
from ibkr_core.lifecycle.groups import ExitPair
from ibkr_core.model import events
from ibkr_core.model.bracket import BracketOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.results import ActionTaken
from ibkr_core.wire.message import Message
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway, rest, settle
from tests.journal.making import Keeping, ManualClock, filled_order, open_journal

pytestmark = pytest.mark.system
D = Decimal
ENTRY = Order.limit("BUY", 10, "100.01")
LOW = Order.limit("BUY", 10, "95")


# ── official objects, and a cancel that answers ─────────────────────────────────────────────────────


def official(**fields: Any) -> IbOrder:
    order = IbOrder()
    for name, value in {"action": "BUY", "totalQuantity": D(10), "orderType": "MKT", **fields}.items():
        setattr(order, name, value)
    return order


def official_stock(symbol: str = "AAPL") -> IbContract:
    contract = IbContract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


@pytest.mark.parametrize("version", VERSIONS)
def test_official_objects_are_placed(version: int, serve: Serve, connect: Connect) -> None:
    """As an official program makes them: nothing but what the instrument and the order need."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    ticket = engine.place_order(official_stock(), official(orderType="LMT", lmtPrice=100.5, orderRef="mine"))
    record = ticket.wait(**WAIT)
    assert (record.status, record.key, record.limit_price) == (S.FILLED, "mine", D("100.5"))
    books = gateway.books().order(ticket.order_id)
    assert (books.filled, books.order_ref) == (10, "mine")


def test_ours_are_placed_too(gateway: WatchedGateway, engine: Engine) -> None:
    """Mixed with official ones, and with a key."""
    assert engine.place_order(STOCK, official(), key="a").wait(**WAIT).status is S.FILLED
    assert engine.place_order(official_stock(), Order.market("SELL", 10)).wait(**WAIT).status is S.FILLED
    assert engine.place_order(STOCK, official(), key="a").order_id == engine.orders()[0].order_id


NO_OFFICIAL: dict[str, tuple[type[InvalidInput], Any, Any]] = {
    "an id": (InvalidOrder, STOCK, official(orderId=7)),
    "no type": (InvalidOrder, STOCK, official(orderType="")),
    "a limit of NaN": (InvalidOrder, STOCK, official(orderType="LMT", lmtPrice=float("nan"))),
    "a misspelt field": (UnknownField, STOCK, official(lmtprice=5)),
    "a what-if": (InvalidOrder, STOCK, official(whatIf=True)),
    "a contract without an exchange": (InvalidContract, IbContract(), official()),
    "no contract": (InvalidContract, "AAPL", official()),
    "no order": (InvalidOrder, STOCK, None),
}


@pytest.mark.parametrize("case", NO_OFFICIAL)
def test_official_objects_that_cannot_work_are_refused(
    case: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """By a typed error, before anything is sent."""
    kind, contract, order = NO_OFFICIAL[case]
    with pytest.raises(kind):
        engine.place_order(contract, order)
    settle(engine)
    assert gateway.orders_arrived() == []


def test_a_cancel_tells_whether_there_was_anything(gateway: WatchedGateway, engine: Engine) -> None:
    """True while it may still fill; False for what has ended, was never there, or is not ours."""
    ticket = rest(engine)
    assert engine.cancel_order(ticket.order_id) is True
    assert ticket.wait(**WAIT).status is S.CANCELLED
    assert engine.cancel_order(ticket.order_id) is False
    assert engine.cancel_order(987_654) is False
    for bad in ("7", None, True, 1.5):
        with pytest.raises(InvalidInput, match="order_id"):
            engine.cancel_order(bad)  # type: ignore[arg-type]  # that is the case


def test_a_cancel_without_a_connection_is_no_false(gateway: WatchedGateway, engine: Engine) -> None:
    """The order works: a False would be read as "nothing there"."""
    ticket = rest(engine)
    engine.close()
    with pytest.raises(EngineClosed):
        engine.cancel_order(ticket.order_id)


# ── brackets as values ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_a_bracket_is_placed(version: int, serve: Serve, connect: Connect) -> None:
    """The answer has the ids; the value shows what became of each order."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    bracket = new_bracket(ENTRY, take_profit="110", stop_loss="90")
    result = engine.place_bracket_order(bracket, STOCK, **WAIT)
    assert (result.success, result.action_taken, result.error_message) == (
        True,
        ActionTaken.BRACKET_PLACED,
        None,
    )
    assert [gateway.books().order(order_id).order_ref for order_id in result.order_ids] == [
        leg.key for leg in bracket.legs
    ]
    engine.ticket(result.order_ids[0]).wait(**WAIT)
    engine.ticket(result.order_ids[1]).wait(S.SUBMITTED, **WAIT)
    settle(engine)
    seen = bracket.seen(engine.orders())
    parent = engine.order(result.order_ids[0])
    assert (seen.parent.status, seen.parent.filled_at is not None) == (S.FILLED, True)
    assert [leg.order_id for leg in seen.legs] == list(result.order_ids)
    assert {leg.parent_id for leg in seen.children} == {parent.order_id}
    assert {leg.oca_group for leg in seen.children} == {str(parent.perm_id)}


def test_a_bracket_is_placed_once(gateway: WatchedGateway, engine: Engine) -> None:
    """Placing it again sends nothing and gives the same ids."""
    bracket = new_bracket(LOW, take_profit="110", stop_loss="90")
    first = engine.place_bracket_order(bracket, STOCK, **WAIT)
    assert engine.place_bracket_order(bracket, STOCK, **WAIT) == first
    assert len(gateway.arrived("placeOrder")) == 3


def test_a_bracket_with_a_group_of_its_own(gateway: WatchedGateway, engine: Engine) -> None:
    """Of the reducing type: a part of the target leaves the rest of the stop."""
    bracket = new_bracket(ENTRY, take_profit="110", stop_loss="90", oca_group="mine")
    result = engine.place_bracket_order(
        bracket, official_stock(), STOCK, STOCK.replace(exchange="NYSE"), **WAIT
    )
    parent, target, stop = result.order_ids
    engine.ticket(parent).wait(**WAIT)
    engine.ticket(target).wait(S.SUBMITTED, **WAIT)
    gateway.fill(target, quantity=4)
    engine.ticket(target).wait(S.PARTIALLY_FILLED, **WAIT)
    settle(engine)
    assert {engine.order(order_id).oca_group for order_id in (target, stop)} == {"mine"}
    assert (engine.order(stop).status.is_working, engine.order(stop).remaining_quantity) == (True, D(6))
    gateway.fill(target)
    assert engine.ticket(stop).wait(**WAIT).status is S.CANCELLED


def test_a_bracket_whose_exits_the_broker_refuses(gateway: WatchedGateway, engine: Engine) -> None:
    """The entry is not left alone: it is cancelled, and the answer says why."""
    bad = Order.stop("SELL", 10, "90.005", order_ref="bad")  # no such tick
    bracket = new_bracket(LOW, take_profit=Order.limit("SELL", 10, 110), stop_loss=bad)
    result = engine.place_bracket_order(bracket, STOCK, **WAIT)
    assert (result.success, result.action_taken) == (False, ActionTaken.FAILED)
    assert "REJECTED" in str(result.error_message)
    assert len(result.order_ids) == 3
    for order_id in result.order_ids:
        assert engine.ticket(order_id).wait(**WAIT).status in (S.CANCELLED, S.REJECTED)
    assert {order.status for order in gateway.books().orders} <= {"ApiCancelled", "Cancelled"}


def test_a_bracket_of_something_unknown(gateway: WatchedGateway, engine: Engine) -> None:
    """Refused by the broker: an answer, not an exception, because it was sent."""
    result = engine.place_bracket_order(new_bracket(LOW, stop_loss=90), Contract.stock("ZZZZ"), **WAIT)
    assert (result.success, result.action_taken) == (False, ActionTaken.FAILED)
    assert "ZZZZ" in str(result.error_message)


def test_a_bracket_whose_entry_the_broker_cancels(gateway: WatchedGateway, engine: Engine) -> None:
    """Too aggressive a limit (202): nothing was traded and nothing is left."""
    far = Order.limit("BUY", 10, "150")
    result = engine.place_bracket_order(new_bracket(far, take_profit=160, stop_loss=90), STOCK, **WAIT)
    for order_id in result.order_ids:
        assert engine.ticket(order_id).wait(**WAIT).status is S.CANCELLED
    assert not result.success
    assert "150" in str(result.error_message) or "limit price" in str(result.error_message)
    assert gateway.books().executions == ()


def test_a_bracket_that_is_not_answered(serve: Serve, connect: Connect) -> None:
    """Nothing is proved, so nothing is cancelled; the answer says so."""

    def outlet(_: int, message: Message) -> Any:
        return () if message.kind in ("openOrder", "orderStatus") else (Delivery(message),)

    gateway = serve(outlet=outlet)
    engine = connect(gateway)
    result = engine.place_bracket_order(new_bracket(LOW, stop_loss=90), STOCK, timeout_s=0.2)
    assert (result.success, result.action_taken) == (False, ActionTaken.PARTIAL)
    assert "not confirmed" in str(result.error_message)
    assert gateway.arrived("cancelOrder") == []


def test_a_bracket_need_not_be_waited_for(gateway: WatchedGateway, engine: Engine) -> None:
    """With no time at all it is sent; also from a listener that must not wait."""
    result = engine.place_bracket_order(new_bracket(LOW, stop_loss=90), STOCK, timeout_s=0)
    assert (result.success, len(result.order_ids)) == (True, 2)


@pytest.mark.parametrize("fill", ["immediate", "market"])
def test_a_bracket_of_a_dry_run(fill: Any) -> None:
    """The same path, and the answer says that nothing was real."""
    with Engine.dry_run(fill, prices={"AAPL": 100}) as engine:
        result = engine.place_bracket_order(new_bracket(LOW, take_profit=110, stop_loss=90), STOCK)
        assert (result.success, result.action_taken, len(result.order_ids)) == (True, ActionTaken.DRY_RUN, 3)


OTHER = new_bracket(LOW, take_profit=110)
NO_BRACKET: dict[str, tuple[type[InvalidInput], tuple[Any, ...]]] = {
    "no bracket": (InvalidGroup, ("AAPL", STOCK)),
    "no contract": (InvalidContract, (OTHER, None)),
    "a contract that is none": (InvalidContract, (OTHER, "AAPL")),
    "another instrument for the target": (InvalidGroup, (OTHER, STOCK, Contract.stock("MSFT"))),
    "a contract for an exit that is not there": (InvalidGroup, (OTHER, STOCK, None, STOCK)),
    "a contract that cannot be routed": (InvalidContract, (OTHER, STOCK, STOCK.replace(exchange=""))),
}


@pytest.mark.parametrize("case", NO_BRACKET)
def test_a_bracket_that_cannot_work_is_refused(case: str, gateway: WatchedGateway, engine: Engine) -> None:
    """By a typed error; nothing arrives."""
    kind, arguments = NO_BRACKET[case]
    with pytest.raises(kind):
        engine.place_bracket_order(*arguments)
    settle(engine)
    assert gateway.orders_arrived() == []


def test_keys_of_other_orders_are_refused(gateway: WatchedGateway, engine: Engine) -> None:
    """A key that named another order before: no half of a bracket is sent."""
    rest(engine, order_ref="taken")
    bracket = new_bracket(LOW, take_profit=Order.limit("SELL", 10, 110, order_ref="taken"))
    with pytest.raises(DuplicateOrder, match="whole"):
        engine.place_bracket_order(bracket, STOCK)
    assert len(gateway.arrived("placeOrder")) == 1


def test_new_brackets_are_checked() -> None:
    """When they are made, before anything is placed."""
    assert isinstance(new_bracket(ENTRY, stop_loss="90"), BracketOrder)
    with pytest.raises(InvalidGroup, match="stop_loss"):
        new_bracket(ENTRY, stop_loss="101")
    with pytest.raises(InvalidGroup, match="parent"):
        new_bracket("BUY", stop_loss=1)  # type: ignore[arg-type]  # that is the case


# ── variants ────────────────────────────────────────────────────────────────────────────────────────

PARENTS = {
    "market": Order.market("BUY", 10),
    "limit": ENTRY,
    "stop": Order.stop("BUY", 10, "100.01"),
    "stop-limit": Order.stop_limit("BUY", 10, "100.01", "101"),
}


@pytest.mark.parametrize("kind", PARENTS)
def test_entries_of_every_kind(kind: str, gateway: WatchedGateway, engine: Engine) -> None:
    """Market, limit, stop: the exits wake when it has filled, one ends the other."""
    bracket = engine.submit_bracket(STOCK, PARENTS[kind], take_profit="110", stop_loss="90")
    assert [leg.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT).status.is_finished for leg in bracket.all[1:]] == [
        False,
        False,
    ]
    if "stop" in kind:
        gateway.market("AAPL").set_quote(bid="100.01", ask="100.02", last="100.02")
    assert bracket.parent.wait(**WAIT).status is S.FILLED
    gateway.market("AAPL").set_quote(bid="110.00", ask="110.01")
    assert bracket.take_profit.wait(**WAIT).status is S.FILLED
    assert bracket.stop_loss.wait(**WAIT).status is S.CANCELLED
    assert gateway.books().position("AAPL") == 0


@pytest.mark.parametrize("kind", ["limit", "stop-limit"])
def test_a_trailing_stop_as_exit(kind: str, gateway: WatchedGateway, engine: Engine) -> None:
    """It follows the market up, and sells when that turns."""
    trail = Order.trailing_stop("SELL", 10, trailing_amount=2)
    bracket = engine.submit_bracket(STOCK, PARENTS[kind], stop_loss=trail)
    bracket.stop_loss.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    gateway.market("AAPL").set_quote(bid="100.01", ask="100.02", last="100.02")
    bracket.parent.wait(**WAIT)
    gateway.market("AAPL").set_quote(bid="105.00", ask="105.01", last="105.00")
    gateway.market("AAPL").set_quote(bid="103.50", ask="103.51", last="103.50")
    settle(engine)
    assert bracket.stop_loss.status.is_working
    gateway.market("AAPL").set_quote(bid="102.90", ask="102.91", last="102.90")
    assert bracket.stop_loss.wait(**WAIT).avg_fill_price == D("102.90")


PAIRS = (ExitPair(4, "110", "90"), ExitPair(6, "120", "90"))


@pytest.mark.parametrize("version", VERSIONS)
def test_a_scale_out(version: int, serve: Serve, connect: Connect) -> None:
    """Each target takes its part and its own stop with it; the other pair goes on."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS)
    assert out.parent.wait(**WAIT).status is S.FILLED
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    gateway.market("AAPL").set_quote(bid="110.00", ask="110.01")
    assert out.targets[0].wait(**WAIT).filled_quantity == 4
    assert out.stops[0].wait(**WAIT).status is S.CANCELLED
    settle(engine)
    assert (out.stops[1].status.is_working, out.stops[1].record.remaining_quantity) == (True, D(6))
    assert engine.unprotected() == ()
    gateway.market("AAPL").set_quote(bid="89.99", ask="90.00", last="89.99")
    assert out.stops[1].wait(**WAIT).filled_quantity == 6
    assert out.targets[1].wait(**WAIT).status is S.CANCELLED
    settle(engine)
    assert gateway.books().position("AAPL") == 0
    assert [ticket.order_id for ticket in out.all] == sorted(ticket.order_id for ticket in out.all)


def test_a_part_of_a_target_leaves_the_rest_of_its_stop(gateway: WatchedGateway, engine: Engine) -> None:
    """The reason for groups that reduce: with those that cancel, the rest would stand without a stop."""
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS)
    out.targets[0].wait(S.SUBMITTED, **WAIT)
    gateway.fill(out.targets[0].order_id, quantity=1)
    out.targets[0].wait(S.PARTIALLY_FILLED, **WAIT)
    settle(engine)
    assert (out.stops[0].status.is_working, out.stops[0].record.remaining_quantity) == (True, D(3))
    assert engine.unprotected() == ()


def test_cancelling_the_entry_of_a_scale_out(gateway: WatchedGateway, engine: Engine) -> None:
    """Takes every exit with it."""
    out = engine.submit_scale_out(STOCK, LOW, PAIRS)
    out.parent.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    out.parent.cancel()
    assert {ticket.wait(**WAIT).status for ticket in out.all} == {S.CANCELLED}


NO_SCALE_OUT: dict[str, tuple[Any, ...]] = {
    "no pair": (STOCK, ENTRY, ()),
    "something that is no pair": (STOCK, ENTRY, (PAIRS[0], 110)),
    "a size that is left": (STOCK, ENTRY, PAIRS[:1]),
    "a text": (STOCK, ENTRY, "110"),
    "no contract": ("AAPL", ENTRY, PAIRS),
    "no order": (STOCK, "BUY", PAIRS),
}


@pytest.mark.parametrize("case", NO_SCALE_OUT)
def test_a_scale_out_that_cannot_work_is_refused(case: str, gateway: WatchedGateway, engine: Engine) -> None:
    """By a typed error; nothing arrives."""
    with pytest.raises(InvalidInput):
        engine.submit_scale_out(*NO_SCALE_OUT[case])
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()


# ── exits that the gateway attaches ─────────────────────────────────────────────────────────────────

can_attach = pytest.mark.skipif(MAX_CLIENT_VER < ATTACHED_SINCE, reason="this client has no attached orders")


@can_attach
@pytest.mark.parametrize("version", [v for v in (218, 223, 226) if v <= MAX_CLIENT_VER])
def test_exits_that_the_gateway_makes(version: int, serve: Serve, connect: Connect) -> None:
    """One order is sent, three are in the book; nobody is alarmed about orders that we did not place."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    log = Log(engine)
    bracket = engine.submit_attached(STOCK, ENTRY)
    assert bracket.parent.wait(**WAIT).status is S.FILLED
    assert bracket.take_profit.wait(S.SUBMITTED, **WAIT).order_type == "LMT"
    bracket.stop_loss.wait(S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    assert len(gateway.arrived("placeOrder")) == 1
    assert {leg.record.parent_id for leg in bracket.all[1:]} == {bracket.parent.order_id}
    assert engine.unprotected() == ()
    assert bracket.stop_loss.record.action == "SELL"
    engine.client.reqAllOpenOrders()
    settle(engine)
    assert log.of(events.UnownedOrderFound) == []
    assert log.of(events.AnomalyDetected) == []
    gateway.market("AAPL").set_quote(bid="102.00", ask="102.01")
    assert bracket.take_profit.wait(**WAIT).status is S.FILLED
    assert bracket.stop_loss.wait(**WAIT).status is S.CANCELLED
    assert gateway.books().position("AAPL") == 0


@can_attach
def test_attached_exits_survive_a_reconnect_without_an_alarm(gateway: WatchedGateway, engine: Engine) -> None:
    """The lists show orders whose terms are not known here; they were asked for all the same."""
    log = Log(engine)
    bracket = engine.submit_attached(STOCK, LOW, take_profit=False)
    bracket.stop_loss.wait(S.PRE_SUBMITTED, **WAIT)
    gateway.drop_connections()
    log.wait(events.Resumed)
    engine.wait_ready(10)
    assert log.of(events.UnownedOrderFound) == []
    bracket.parent.cancel()
    assert [leg.wait(**WAIT).status for leg in bracket.all] == [S.CANCELLED] * 2


@can_attach
def test_an_order_after_attached_ones_has_a_new_id(gateway: WatchedGateway, engine: Engine) -> None:
    """The exits' ids are used up with it."""
    bracket = engine.submit_attached(STOCK, LOW)
    assert engine.submit(STOCK, LOW).order_id == bracket.parent.order_id + 3


def test_a_gateway_that_is_too_old_to_attach(serve: Serve, connect: Connect) -> None:
    """Refused with the version that it would need; nothing is sent."""
    old = max(v for v in VERSIONS if v < ATTACHED_SINCE)
    gateway = serve(versions=[old])
    engine = connect(gateway)
    with pytest.raises(RequestRefused, match="218"):
        engine.submit_attached(STOCK, ENTRY)
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()


@pytest.mark.parametrize(
    "wanted", [{"take_profit": False, "stop_loss": False}, {"take_profit": 110}, {"stop_loss": "90"}]
)
def test_attached_exits_take_no_price(wanted: dict[str, Any], engine: Engine) -> None:
    """The preset decides; whoever gives a price meant another call."""
    with pytest.raises((InvalidGroup, RequestRefused)):
        engine.submit_attached(STOCK, ENTRY, **wanted)


@can_attach
def test_an_order_with_attached_exits_gets_no_new_id(serve: Serve, connect: Connect) -> None:
    """Its id is taken (103): sent under a higher one it would name exits below itself, so it is given up."""
    engine = connect(serve())
    bracket = engine.submit_attached(STOCK, LOW)
    bracket.parent.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    assert engine._desk.send_under_new_id(bracket.parent.order_id, "its id was taken") is False
    settle(engine)
    assert [order.order_id for order in engine.orders()] == [leg.order_id for leg in bracket.all]


# ── keys of orders that are gone ────────────────────────────────────────────────────────────────────

GONE = LOW.replace(order_ref="key-7")


@pytest.mark.parametrize(
    "send",
    [
        pytest.param(lambda engine: engine.submit(STOCK, GONE), id="submit"),
        pytest.param(lambda engine: engine.submit_bracket(STOCK, GONE, stop_loss="90"), id="bracket"),
        pytest.param(lambda engine: engine.submit_oca([(STOCK, LOW), (STOCK, GONE)]), id="oca"),
        pytest.param(lambda engine: engine.submit_scale_out(STOCK, GONE, PAIRS), id="scale_out"),
        pytest.param(lambda engine: engine.submit_attached(STOCK, GONE), id="attached", marks=can_attach),
    ],
)
def test_the_key_of_an_order_that_the_journal_dropped_sends_nothing(
    send: Callable[[Engine], object], gateway: WatchedGateway, connect: Connect, tmp_path: Path
) -> None:
    """It traded once; that retention let its inputs go does not make the key new, whatever it comes with."""
    path, clock = tmp_path / "orders.db", ManualClock()
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        keeping.take_all(filled_order(7))
        clock.advance(timedelta(days=31).total_seconds())
        assert journal.prune(clock.now(), keeping.book.orders()) == len(filled_order(7))
    engine = connect(gateway, journal=path)
    with pytest.raises(DuplicateOrder, match=r"'key-7'.*left the book"):
        send(engine)
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()


@can_attach
def test_attached_exits_are_not_sent_twice(engine: Engine) -> None:
    """With the key of an order in the book nothing is sent: nobody could tell the exits of the one it is."""
    engine.submit_attached(STOCK, LOW.replace(order_ref="mine"))
    for order in (LOW, LOW.replace(quantity=11)):
        with pytest.raises(DuplicateOrder, match="'mine'"):
            engine.submit_attached(STOCK, order.replace(order_ref="mine"))
    assert len(engine.orders()) == 3
