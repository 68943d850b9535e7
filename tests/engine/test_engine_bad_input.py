"""Bad input: each a typed error that names argument and rule, and nothing of it reaches the gateway."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    DuplicateOrder,
    InvalidContract,
    InvalidInput,
    InvalidOrder,
    RequestRefused,
    UnknownField,
)
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import OpenOrderFact
from ibkr_core.model.order import Action, BrokerOrder, Order
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, S, Serve, WatchedGateway, buy, rest, settle

pytestmark = pytest.mark.system

Attempt = Callable[[Engine], Any]
O = Order.market("BUY", 1)  # noqa: E741 - one letter keeps the table readable
NAN = float("nan")

ATTEMPTS: dict[str, tuple[type[InvalidInput], str, Attempt]] = {
    # contracts
    "unknown contract field": (
        UnknownField,
        "simbol",
        lambda e: e.submit(Contract.stock("A", simbol="B"), O),
    ),
    "empty symbol": (InvalidContract, "symbol", lambda e: e.submit(Contract.stock(" "), O)),
    "nothing that names it": (
        InvalidContract,
        "symbol",
        lambda e: e.submit(Contract(sec_type="STK", exchange="X"), O),
    ),
    "no exchange": (InvalidContract, "exchange", lambda e: e.submit(STOCK.replace(exchange=""), O)),
    "no kind": (InvalidContract, "sec_type", lambda e: e.submit(STOCK.replace(sec_type=""), O)),
    "bad expiry": (InvalidContract, "expiry", lambda e: e.submit(STOCK.replace(expiry="tomorrow"), O)),
    "bad right": (InvalidContract, "right", lambda e: e.submit(STOCK.replace(right="X"), O)),
    "an index": (InvalidOrder, "contract", lambda e: e.submit(Contract.index("SPX", "CBOE"), O)),
    "no contract at all": (InvalidInput, "contract", lambda e: e.submit("AAPL", O)),
    "None for a contract": (InvalidInput, "contract", lambda e: e.submit(None, O)),
    # orders
    "no order at all": (InvalidInput, "order", lambda e: e.submit(STOCK, None)),
    "an order of another library": (InvalidInput, "order", lambda e: e.submit(STOCK, {"action": "BUY"})),
    "unknown order field": (
        UnknownField,
        "tiff",
        lambda e: e.submit(STOCK, Order.market("BUY", 1, tiff="DAY")),
    ),
    "quantity zero": (InvalidOrder, "quantity", lambda e: e.submit(STOCK, Order.market("BUY", 0))),
    "negative quantity": (InvalidOrder, "quantity", lambda e: e.submit(STOCK, Order.market("BUY", -5))),
    "quantity NaN": (InvalidOrder, "quantity", lambda e: e.submit(STOCK, Order.market("BUY", NAN))),
    "quantity of text": (InvalidOrder, "quantity", lambda e: e.submit(STOCK, Order.market("BUY", "ten"))),
    "quantity True": (InvalidOrder, "quantity", lambda e: e.submit(STOCK, Order.market("BUY", True))),
    "price NaN": (InvalidOrder, "limit_price", lambda e: e.submit(STOCK, Order.limit("BUY", 1, NAN))),
    "price infinite": (InvalidOrder, "limit_price", lambda e: e.submit(STOCK, Order.limit("BUY", 1, "inf"))),
    "price zero": (InvalidOrder, "limit_price", lambda e: e.submit(STOCK, Order.limit("BUY", 1, 0))),
    "price negative": (InvalidOrder, "limit_price", lambda e: e.submit(STOCK, Order.limit("BUY", 1, -3))),
    "limit without price": (
        InvalidOrder,
        "limit_price",
        lambda e: e.submit(STOCK, Order(action="BUY", quantity=1, order_type="LMT")),
    ),
    "stop without price": (
        InvalidOrder,
        "aux_price",
        lambda e: e.submit(STOCK, Order(action="BUY", quantity=1, order_type="STP")),
    ),
    "stop-limit without limit": (
        InvalidOrder,
        "limit_price",
        lambda e: e.submit(STOCK, Order(action="BUY", quantity=1, order_type="STP LMT", aux_price=3)),
    ),
    "trail without distance": (
        InvalidOrder,
        "aux_price",
        lambda e: e.submit(STOCK, Order.trailing_stop("SELL", 1)),
    ),
    "no such side": (InvalidOrder, "action", lambda e: e.submit(STOCK, Order.market("HOLD", 1))),
    "empty order type": (
        InvalidOrder,
        "order_type",
        lambda e: e.submit(STOCK, Order(action="BUY", quantity=1, order_type="")),
    ),
    "empty time in force": (InvalidOrder, "tif", lambda e: e.submit(STOCK, Order.market("BUY", 1, tif=""))),
    "an id of one's own": (
        InvalidOrder,
        "orderId",
        lambda e: e.submit(STOCK, Order.market("BUY", 1, orderId=9)),
    ),
    "what-if": (InvalidOrder, "what_if", lambda e: e.submit(STOCK, Order.market("BUY", 1, what_if=True))),
    # modifications
    "nothing to modify": (InvalidInput, "order", lambda e: e.modify(rest(e).order_id)),
    "twice": (InvalidInput, "order", lambda e: e.modify(rest(e).order_id, O, quantity=3)),
    "new terms that are none": (InvalidInput, "order", lambda e: e.modify(rest(e).order_id, "cheaper")),
    "unknown field to modify": (UnknownField, "prise", lambda e: e.modify(rest(e).order_id, prise=3)),
    "modify to zero": (InvalidOrder, "quantity", lambda e: e.modify(rest(e).order_id, quantity=0)),
    "modify to NaN": (InvalidOrder, "limit_price", lambda e: e.modify(rest(e).order_id, limit_price=NAN)),
    "modify without price": (
        InvalidOrder,
        "limit_price",
        lambda e: e.modify(rest(e).order_id, limit_price=None),
    ),
    "modify to a what-if": (InvalidOrder, "what_if", lambda e: e.modify(rest(e).order_id, what_if=True)),
    # waiting and keys
    "a key that is no text": (InvalidInput, "key", lambda e: e.submit(STOCK, O, key=7)),
    "a time that is none": (InvalidInput, "timeout_s", lambda e: rest(e).wait(timeout_s="5")),
    "a time of NaN": (InvalidInput, "timeout_s", lambda e: rest(e).wait(timeout_s=NAN)),
    # listening
    "no event": (InvalidInput, "kind", lambda e: e.on(int, print)),
    "no listener": (InvalidInput, "listener", lambda e: e.on((), None)),
    "no delivery": (InvalidInput, "delivery", lambda e: e.on((), print, "worker")),
}


@pytest.mark.parametrize("case", ATTEMPTS)
def test_bad_input_is_refused_by_name(case: str, gateway: WatchedGateway, engine: Engine) -> None:
    """The error names argument and rule; the gateway hears nothing of it, and the next order works."""
    kind, argument, attempt = ATTEMPTS[case]
    with pytest.raises(kind) as raised:
        attempt(engine)
    assert raised.value.argument == argument
    assert raised.value.rule
    assert str(raised.value).startswith(f"{argument}: ")
    settle(engine)
    resting = [message.fields["order"]["lmtPrice"] for message in gateway.orders_arrived()]
    assert resting in ([], [90])  # at most the order that was there to be modified
    for record in engine.orders():
        assert record.pending == ()
        assert record.status in (S.SUBMITTED, S.PRE_SUBMITTED)
    assert buy(engine).wait(**WAIT).status is S.FILLED


@pytest.mark.parametrize("given", ["argument", "order_ref"])
def test_a_key_is_used_once(given: str, gateway: WatchedGateway, engine: Engine) -> None:
    """The same order with the same key again is the same order: its ticket comes back, nothing is sent.

    Submitting is idempotent (issue 4), so a program that does not know whether its order went out asks again.
    A different order with the key is refused: it would not be sent, and nobody would notice.
    """

    def send(order: Order = O) -> Any:
        if given == "argument":
            return engine.submit(STOCK, order, key="one")
        return engine.submit(STOCK, order.replace(order_ref="one"))

    ticket = send()
    assert ticket.key == "one"
    again = [send()]
    ticket.wait(**WAIT)
    again.append(send())
    assert [(one.order_id, one.key) for one in again] == [(ticket.order_id, "one")] * 2
    assert again[1].wait(**WAIT).status is S.FILLED
    different = (O.replace(quantity=Decimal(77)), O.replace(action=Action.SELL), Order.limit("BUY", 10, "1"))
    for order in different:
        with pytest.raises(DuplicateOrder, match=r"'one'.*different order"):
            send(order)
    with pytest.raises(DuplicateOrder, match=r"'one'.*different order"):
        engine.submit(Contract.stock("MSFT"), O, key="one")
    settle(engine)
    assert len(gateway.orders_arrived()) == 1
    assert len(engine.orders()) == 1
    assert gateway.arrived("placeOrder")[0].fields["order"]["orderRef"] == "one"


@pytest.mark.parametrize("who", ["another thread", "the broker"])
def test_a_key_that_comes_to_be_used_between_the_looks_is_found(
    who: str, gateway: WatchedGateway, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was new before the send lock was held: one order leaves, and its ticket is everybody's."""
    desk, proper, looks = engine._desk, engine._desk.known, []

    def first(*wanted: Any, **how: Any) -> Any:
        found = proper(*wanted, **how)
        looks.append(found)
        if len(looks) == 1 and who == "another thread":
            assert engine.submit(STOCK, O, key="one").key == "one"
        elif len(looks) == 1:
            shown = BrokerOrder(order_id=7, perm_id=907, client_id=engine.client_id, order_ref="one")
            engine._book.apply(OpenOrderFact(order=shown, status="Submitted", contract=STOCK))
        return found

    monkeypatch.setattr(desk, "known", first)
    ticket = engine.submit(STOCK, O, key="one")
    assert ticket.key == "one"
    settle(engine)
    assert [record.order_id for record in engine.orders()] == [ticket.order_id]
    assert len(gateway.orders_arrived()) == (1 if who == "another thread" else 0)


def test_keys_are_made_up_and_differ(gateway: WatchedGateway, engine: Engine) -> None:
    """Where none is given, every order gets one of its own."""
    keys = {buy(engine).key for _ in range(5)}
    assert len(keys) == 5
    assert "" not in keys


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("symbol", ["AA\0PL", "AAPL\0\0\0"])
def test_a_text_that_would_break_the_message_is_refused(
    version: int, symbol: str, serve: Serve, connect: Connect
) -> None:
    """A NUL in a field would move every field behind it: no order, or another order, must come of it."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    with pytest.raises(InvalidInput, match=r"symbol: .*NUL"):
        engine.submit(Contract.stock(symbol), O)
    with pytest.raises(InvalidInput, match=r"orderRef: .*NUL"):
        engine.submit(STOCK, O, key=f"k{symbol}")
    settle(engine)
    assert gateway.orders_arrived() == []


@pytest.mark.parametrize("version", VERSIONS)
def test_a_field_that_cannot_be_sent_is_refused(version: int, serve: Serve, connect: Connect) -> None:
    """Unknown to the client, unknown to the gateway, or left out by the encoder: never half an order."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    try:
        ticket = engine.submit(STOCK, Order.limit("BUY", 1, 99, postOnly=True))
    except (RequestRefused, UnknownField):
        settle(engine)
        assert gateway.orders_arrived() == []
        assert engine.orders() == ()
    else:
        ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
        assert gateway.arrived("placeOrder")[0].fields["order"]["postOnly"] is True


def test_an_order_that_was_refused_here_leaves_no_gap(gateway: WatchedGateway, engine: Engine) -> None:
    """Ids of refused and of repeated orders are not used up: the next order takes them."""
    before = buy(engine, key="first").order_id
    with pytest.raises(DuplicateOrder):
        buy(engine, 11, key="first")
    assert buy(engine, key="first").order_id == before
    assert buy(engine).order_id == before + 1


def test_the_callers_objects_are_not_changed(gateway: WatchedGateway, engine: Engine) -> None:
    """Order and contract are what they were; they can be used again."""
    order, contract = Order.market("BUY", 1), Contract.stock("AAPL")
    copies = (order.replace(), contract.replace())
    for _ in range(2):
        assert engine.submit(contract, order).wait(**WAIT).filled_quantity == Decimal(1)
    assert (order, contract) == copies
    assert order.order_ref == ""
