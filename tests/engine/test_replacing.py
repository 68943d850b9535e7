"""Cancel-replace: the old order's end is proved first, and only what it left is placed anew."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core import orders
from ibkr_core.engine import Engine
from ibkr_core.errors import (
    InvalidInput,
    InvalidOrder,
    OrderFinished,
    OrderStateError,
    ReplaceFailed,
    TradingHalted,
    UnknownOrder,
    WaitTimeout,
    WouldDeadlock,
)
from ibkr_core.gateway.core import Delivery as Sent
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.wire.message import Message
from tests.engine.rig import STOCK, WAIT, Connect, S, Serve, WatchedGateway, rest, settle
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
D = Decimal


def kinds(gateway: WatchedGateway) -> list[str]:
    """What could have changed an order, in the order in which it arrived."""
    return [message.kind for message in gateway.orders_arrived()]


def replaced(gateway: WatchedGateway) -> list[tuple[str, Decimal]]:
    """Each order of the gateway: its state and what it has filled."""
    return [(order.status, order.filled) for order in gateway.books().orders]


def losing(*wanted: str) -> tuple[list[bool], Callable[[int, Message], Any]]:
    """An outlet that loses messages of these kinds while the returned list is not empty."""
    active: list[bool] = []

    def outlet(_: int, message: Message) -> Any:
        return () if active and message.kind in wanted else (Sent(message),)

    return active, outlet


def test_what_no_modification_may_change(engine: Engine, gateway: WatchedGateway) -> None:
    """An algorithm is refused as a modification (440), and taken as a new order in the old one's place."""
    ticket = rest(engine)
    with pytest.raises(InvalidOrder, match=r"same-algo.*440.*Engine\.replace"):
        ticket.modify(algo=orders.Twap())
    assert kinds(gateway) == ["placeOrder"]
    new = engine.replace(ticket.order_id, algo=orders.Twap(), timeout_s=PATIENCE_S)
    new.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    assert kinds(gateway) == ["placeOrder", "cancelOrder", "placeOrder"]
    assert ticket.status is S.CANCELLED
    assert new.key != ticket.key
    old, fresh = gateway.books().orders
    assert (old.status, fresh.status) == ("Cancelled", "Submitted")
    sent = gateway.arrived("placeOrder")[-1].fields["order"]
    assert (sent["algoStrategy"], sent["lmtPrice"], sent["totalQuantity"]) == ("Twap", 90.0, 10)


def test_terms_as_a_whole(engine: Engine, gateway: WatchedGateway) -> None:
    """The other side, at another type: it is just another order."""
    ticket = rest(engine)
    new = engine.replace(ticket.order_id, Order.stop("SELL", 7, 80), timeout_s=PATIENCE_S)
    assert new.record.action == "SELL"
    new.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    assert [order.action for order in gateway.books().orders] == ["BUY", "SELL"]


def test_the_rest_only(engine: Engine, gateway: WatchedGateway) -> None:
    """What the old order filled is not bought again; the visible part shrinks with it."""
    ticket = rest(engine, display_size=8)
    gateway.fill(ticket.order_id, quantity=4)
    new = engine.replace(ticket.order_id, oca_group="other", timeout_s=PATIENCE_S)
    assert new.record.order is not None
    assert (new.record.order.quantity, new.record.order.display_size) == (D(6), 6)
    assert ticket.record.filled_quantity == 4
    settle(engine)
    assert sum(order.filled for order in gateway.books().orders) == 4


def test_a_fill_that_was_never_told(serve: Serve, connect: Connect) -> None:
    """The end of the old order tells how much it filled, also where every word of the fill was lost."""
    active, outlet = losing("openOrder", "orderStatus", "execDetails", "commissionReport")
    gateway = serve(outlet=outlet)
    engine = connect(gateway)
    ticket = rest(engine)
    active.append(True)
    gateway.fill(ticket.order_id, quantity=4)
    settle(engine)
    assert ticket.record.filled_quantity == 0
    active.clear()
    new = engine.replace(ticket.order_id, tif="GTC", timeout_s=PATIENCE_S)
    assert new.record.total_quantity == 6


def test_filled_before_the_cancel_came(serve: Serve, connect: Connect) -> None:
    """Nothing new is sent for an order that has filled meanwhile."""
    active, outlet = losing("openOrder", "orderStatus", "execDetails", "commissionReport")
    gateway = serve(outlet=outlet)
    engine = connect(gateway)
    ticket = rest(engine)
    active.append(True)
    gateway.fill(ticket.order_id, quantity=10)
    settle(engine)
    active.clear()
    with pytest.raises(OrderFinished, match="filled before"):
        engine.replace(ticket.order_id, tif="GTC", timeout_s=PATIENCE_S)
    settle(engine)
    assert len(gateway.arrived("placeOrder")) == 1


def test_an_end_that_is_not_proved(serve: Serve, connect: Connect) -> None:
    """Nothing new is sent, not even when the cancel is confirmed later."""
    active, outlet = losing("openOrder", "orderStatus", "error", "openOrderEnd")
    gateway = serve(outlet=outlet)
    engine = connect(gateway)
    ticket = rest(engine)
    active.append(True)
    with pytest.raises(WaitTimeout, match="nothing new was sent"):
        engine.replace(ticket.order_id, tif="GTC", timeout_s=0.2)
    active.clear()
    engine.client.reqOpenOrders()
    ticket.wait(S.CANCELLED, timeout_s=2 * PATIENCE_S)
    settle(engine)
    assert len(gateway.arrived("placeOrder")) == 1
    assert replaced(gateway) == [("Cancelled", D(0))]


def test_less_than_what_is_filled(engine: Engine, gateway: WatchedGateway) -> None:
    """Nothing is left to place: the old order has ended, and the error says what it filled."""
    ticket = rest(engine)
    gateway.fill(ticket.order_id, quantity=4)
    with pytest.raises(ReplaceFailed, match="nothing is left") as raised:
        engine.replace(ticket.order_id, quantity=3, timeout_s=PATIENCE_S)
    assert raised.value.filled_quantity == 4
    assert raised.value.order_id == ticket.order_id
    assert ticket.status is S.CANCELLED


def test_a_new_order_that_cannot_be_sent(engine: Engine, gateway: WatchedGateway) -> None:
    """It is told apart from what harmed nothing: the old order is gone."""
    ticket = rest(engine)
    first = rest(engine, price="80")
    Once(engine, ticket.order_id, lambda: engine.halt("enough"))
    with pytest.raises(ReplaceFailed) as raised:
        engine.replace(ticket.order_id, tif="GTC", timeout_s=PATIENCE_S)
    assert isinstance(raised.value.__cause__, TradingHalted)
    first.wait(S.CANCELLED, **WAIT)
    assert len(gateway.arrived("placeOrder")) == 2


class Once:
    """Does something when an order is cancelled, before anybody who waits for it knows."""

    def __init__(self, engine: Engine, order_id: int, act: Callable[[], None]) -> None:
        self._order_id, self._act = order_id, act
        engine.on(events.OrderCancelled, self, Delivery.INLINE)

    def __call__(self, event: events.OrderCancelled) -> None:
        if event.order_id == self._order_id:
            self._act()


REFUSED: dict[str, tuple[type[Exception], str, Callable[[Engine, int], Any]]] = {
    "nothing to change": (InvalidInput, "either", lambda e, n: e.replace(n)),
    "both": (InvalidInput, "either", lambda e, n: e.replace(n, Order.market("BUY", 1), tif="GTC")),
    "no order": (InvalidInput, "ibkr_core Order", lambda e, n: e.replace(n, "cheaper")),  # type: ignore[arg-type]
    "unknown": (UnknownOrder, "order 99", lambda e, _: e.replace(99, tif="GTC")),
    "another parent": (InvalidOrder, "parent_id", lambda e, n: e.replace(n, parent_id=3)),
    "no seconds": (InvalidInput, "timeout_s", lambda e, n: e.replace(n, tif="GTC", timeout_s=-1)),
    "bad price": (InvalidOrder, "limit_price", lambda e, n: e.replace(n, limit_price=-1)),
    "bad rule": (InvalidOrder, "close-is-day", lambda e, n: e.replace(n, order_type="MOC", tif="GTC")),
}


@pytest.mark.parametrize(("error", "words", "attempt"), REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_changes_nothing(
    error: type[Exception],
    words: str,
    attempt: Callable[[Engine, int], Any],
    engine: Engine,
    gateway: WatchedGateway,
) -> None:
    """A typed error, the order works on, and the gateway hears nothing."""
    ticket = rest(engine)
    with pytest.raises(error, match=words):
        attempt(engine, ticket.order_id)
    settle(engine)
    assert kinds(gateway) == ["placeOrder"]
    assert ticket.record.is_working


def test_a_finished_order_is_not_replaced(engine: Engine, gateway: WatchedGateway) -> None:
    """There is nothing to cancel, and no second order of what is done."""
    finished = rest(engine)
    finished.cancel()
    finished.wait(**WAIT)
    with pytest.raises(OrderFinished):
        engine.replace(finished.order_id, tif="GTC")
    assert kinds(gateway) == ["placeOrder", "cancelOrder"]


def test_a_parent_is_not_replaced(engine: Engine, gateway: WatchedGateway) -> None:
    """Its children would die with it (TWS facts 6)."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, 90), take_profit="110", stop_loss="80")
    bracket.parent.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    with pytest.raises(OrderStateError, match="attached"):
        engine.replace(bracket.parent.order_id, tif="GTC")
    assert kinds(gateway) == ["placeOrder"] * 3


def test_an_exit_keeps_its_place(engine: Engine, gateway: WatchedGateway) -> None:
    """A replaced stop is still cancelled by the fill of the target."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, 101), take_profit="110", stop_loss="80")
    bracket.parent.wait(S.FILLED, **WAIT)
    assert bracket.take_profit is not None
    assert bracket.stop_loss is not None
    bracket.take_profit.wait(S.SUBMITTED, **WAIT)
    new = engine.replace(
        bracket.stop_loss.order_id, Order.trailing_stop("SELL", 10, trailing_amount=5), timeout_s=PATIENCE_S
    )
    new.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    assert bracket.take_profit.record.is_working
    gateway.market("AAPL").set_quote(bid="110", ask="110.01")
    bracket.take_profit.wait(S.FILLED, **WAIT)
    assert new.wait(**WAIT).status is S.CANCELLED
    assert gateway.books().position("AAPL") == 0


def test_a_member_of_a_group_keeps_its_place(engine: Engine, gateway: WatchedGateway) -> None:
    """Also where the new terms, given as a whole, do not name the group: the fill of one ends the other."""
    account = engine.accounts[0]
    pair = [(STOCK, Order.limit("BUY", 10, price, account=account)) for price in (90, 91)]
    first, second = engine.submit_oca(pair)
    second.wait(S.SUBMITTED, **WAIT)
    new = engine.replace(first.order_id, Order.limit("BUY", 10, 92), timeout_s=PATIENCE_S)
    new.wait(S.SUBMITTED, **WAIT)
    order = new.record.order
    assert order is not None
    assert second.record.order is not None
    assert (order.oca_group, order.oca_type) == (second.record.order.oca_group, 1)
    assert order.account == account
    gateway.fill(new.order_id)
    assert second.wait(**WAIT).status is S.CANCELLED
    assert gateway.books().position("AAPL") == 10


def test_a_group_can_be_left(engine: Engine, gateway: WatchedGateway) -> None:
    """By saying so."""
    first, second = engine.submit_oca([(STOCK, Order.limit("BUY", 10, price)) for price in (90, 91)])
    second.wait(S.SUBMITTED, **WAIT)
    new = engine.replace(first.order_id, oca_group="", oca_type=0, timeout_s=PATIENCE_S)
    new.wait(S.SUBMITTED, **WAIT)
    gateway.fill(new.order_id)
    new.wait(S.FILLED, **WAIT)
    settle(engine)
    assert second.record.is_working


def test_an_exit_of_a_parent_that_waits(engine: Engine, gateway: WatchedGateway) -> None:
    """It hangs on the parent as before."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, 90), stop_loss="80")
    assert bracket.stop_loss is not None
    bracket.stop_loss.wait(S.PRE_SUBMITTED, **WAIT)
    new = engine.replace(bracket.stop_loss.order_id, outside_rth=True, timeout_s=PATIENCE_S)
    new.wait(S.PRE_SUBMITTED, **WAIT)
    assert new.record.parent_id == bracket.parent.order_id
    assert gateway.books().order(new.order_id).status == "PreSubmitted"
    assert bracket.parent.record.is_working


def test_a_leg_that_was_sent_held(engine: Engine, gateway: WatchedGateway) -> None:
    """The take-profit was let go by the stop behind it; alone in its place it must not be held."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, 90), take_profit="110", stop_loss="80")
    assert bracket.take_profit is not None
    bracket.take_profit.wait(S.PRE_SUBMITTED, **WAIT)
    new = engine.replace(bracket.take_profit.order_id, outside_rth=True, timeout_s=PATIENCE_S)
    assert new.wait(S.PRE_SUBMITTED, **WAIT).is_working
    assert gateway.arrived("placeOrder")[-1].fields["order"]["transmit"]
    gateway.market("AAPL").set_quote(bid="89", ask="89.5")
    bracket.parent.wait(S.FILLED, **WAIT)
    assert new.wait(S.SUBMITTED, **WAIT).is_working


def test_from_an_inline_listener(engine: Engine, gateway: WatchedGateway) -> None:
    """It would wait for its own thread."""
    ticket = rest(engine)
    errors: list[BaseException] = []

    def listen(_: events.Event) -> None:
        try:
            engine.replace(ticket.order_id, tif="GTC")
        except WouldDeadlock as error:
            errors.append(error)

    subscription = engine.on(events.OrderAcknowledged, listen, Delivery.INLINE)
    rest(engine, price="85")
    subscription.close()
    assert len(errors) == 1
    assert kinds(gateway) == ["placeOrder"] * 2


def test_without_a_thread() -> None:
    """In a dry run the wait does the work that brings its end."""
    with Engine.dry_run("market", prices={"AAPL": "100"}) as engine:
        ticket = engine.submit(STOCK, Order.limit("BUY", 10, 90))
        new = engine.replace(ticket.order_id, algo=orders.Adaptive(), timeout_s=5)
        assert ticket.status is S.CANCELLED
        assert new.record.is_working
        assert new.record.order is not None
        assert new.record.order.algo == orders.Adaptive()


def test_a_replaced_exit_still_protects(engine: Engine, gateway: WatchedGateway) -> None:
    """The stop in the old one's place counts as the entry's, so that no alarm is raised."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, 101), stop_loss="80", take_profit="120")
    assert bracket.stop_loss is not None
    bracket.parent.wait(S.FILLED, **WAIT)
    bracket.stop_loss.wait(S.PRE_SUBMITTED, **WAIT)
    new = engine.replace(bracket.stop_loss.order_id, tif="GTC", timeout_s=PATIENCE_S)
    new.wait(S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    assert [cover for cover in engine.unprotected() if cover.missing] == []
