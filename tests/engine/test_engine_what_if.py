"""What-if over TCP with every protocol version: margins and commissions, and certainly no order."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    InquiryFailed,
    InvalidInput,
    InvalidOrder,
    NotReady,
    RequestRefused,
    UnknownContract,
    WaitTimeout,
    WouldDeadlock,
)
from ibkr_core.link.client import TwsClient
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from ibkr_core.model.whatif import WhatIf
from tests.engine.rig import (
    STOCK,
    UNLIMITED,
    VERSIONS,
    WAIT,
    Connect,
    Log,
    S,
    Serve,
    WatchedGateway,
    buy,
    settle,
)

every_version = pytest.mark.parametrize("version", VERSIONS)
OPTION = Contract.option("AAPL", "20261218", 290, "C")


def no_order_came_of_it(engine: Engine, gateway: WatchedGateway) -> None:
    """Neither side has an order, an execution or a position."""
    settle(engine)
    assert engine.orders() == ()
    assert engine.fills() == ()
    books = gateway.books()
    assert books.orders == ()
    assert not any(books.positions.values())
    assert engine._works.inquiries.count == 0


@every_version
def test_margins_and_commission_are_told(version: int, serve: Serve, connect: Connect) -> None:
    """Before, change and after, exactly; half of the value by Regulation T, and nothing is placed."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    order = Order.limit("BUY", 100, "100.00")
    answer = engine.what_if(STOCK, order)
    assert answer.order is order
    assert answer.contract.con_id == 265598
    margins = answer.margins
    assert margins.initial.before == 0
    assert margins.initial.change == margins.initial.after == 5000
    assert margins.maintenance.change == 2500
    assert margins.equity.before == 1_000_000
    assert margins.equity.change == -(answer.commission or Decimal(0)).quantize(Decimal("0.01"))
    assert answer.initial_margin_change == 5000
    assert answer.commission == Decimal("1.0003")
    assert answer.commission_currency == "USD"
    assert answer.margin_currency in ({"USD"} if version >= 195 else {"", "USD"})
    no_order_came_of_it(engine, gateway)


@every_version
def test_its_answer_comes_true(version: int, serve: Serve, connect: Connect) -> None:
    """The order that is placed then costs what was told, and binds it."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    order = Order.market("BUY", 100)
    told = engine.what_if(STOCK, order)
    record = engine.submit(STOCK, order).wait(**WAIT)
    assert record.status is S.FILLED
    booked = gateway.books().order(record.order_id)
    assert booked.commission == told.commission
    told_after = told.margins.initial.after
    bound = engine.reference.account_values().amount("InitMarginReq")
    assert told_after is not None
    assert bound is not None
    assert abs(told_after - bound) <= Decimal("0.5")  # half a tick of a hundred shares


def test_the_id_is_used_up(engine: Engine, gateway: WatchedGateway) -> None:
    """Orders have ids above it, as the broker wants them."""
    first = engine.what_if(STOCK, Order.market("BUY", 1)).order_id
    second = buy(engine).wait(**WAIT).order_id
    assert second > first
    ids = [message.fields["orderId"] for message in gateway.arrived("placeOrder")]
    assert ids == [first, second]


def test_orders_and_what_ifs_of_many_threads_keep_their_ids_in_order(serve: Serve, connect: Connect) -> None:
    """A lower id that comes later is refused by the broker (103)."""
    gateway = serve()
    engine = connect(gateway, settings=UNLIMITED)
    answers: list[WhatIf] = []

    def ask() -> None:
        answers.extend(engine.what_if(STOCK, Order.limit("BUY", 10, 90)) for _ in range(15))

    def trade() -> None:
        for _ in range(15):
            engine.submit(STOCK, Order.limit("BUY", 10, 90), allow_duplicate=True)

    threads = [threading.Thread(target=act) for act in (ask, trade, ask, trade)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle(engine)
    ids = [message.fields["orderId"] for message in gateway.arrived("placeOrder")]
    assert ids == sorted(set(ids))
    assert len(ids) == 60
    assert len({answer.order_id for answer in answers}) == 30
    assert len(gateway.books().orders) == 30


def test_an_order_that_is_held_back_is_asked_about_as_if_sent(engine: Engine) -> None:
    """The broker tells nothing about one that is not to be transmitted (413)."""
    assert engine.what_if(STOCK, Order.limit("BUY", 10, 90, transmit=False)).margins.is_known
    assert engine.what_if(STOCK, Order.limit("BUY", 10, 90, what_if=True)).margins.is_known


@every_version
def test_other_instruments(version: int, serve: Serve, connect: Connect) -> None:
    """Options, futures and currencies have margins of their own."""
    engine = connect(serve(versions=[version]))
    short = engine.what_if(OPTION, Order.limit("SELL", 1, "12.00"))
    assert (short.initial_margin_change or 0) > 1000
    future = engine.what_if(Contract.future("ES", "202612", "CME"), Order.market("BUY", 1))
    assert (future.maintenance_margin_change or 0) > 10_000
    assert engine.what_if(Contract.forex("EURUSD"), Order.market("BUY", 20_000)).margins.is_known


@every_version
def test_a_combo(version: int, serve: Serve, connect: Connect) -> None:
    """The contract stays the caller's, with its legs."""
    engine = connect(serve(versions=[version]))
    legs = [engine.reference.qualify(OPTION.replace(strike=strike)).con_id for strike in (290, 300)]
    combo = Contract.combo("AAPL", [ComboLeg(legs[0]), ComboLeg(legs[1], action="SELL")])
    answer = engine.what_if(combo, Order.limit("BUY", 1, "5.00"))
    assert answer.margins.is_known
    assert answer.contract is combo


@every_version
@pytest.mark.parametrize(
    ("contract", "order", "code"),
    [
        (STOCK, Order.limit("BUY", 10, "90.005"), 110),
        (STOCK, Order.market("BUY", 10, account="DU9999999"), 321),
    ],
    ids=["tick", "account"],
)
def test_a_rejection_is_raised(
    contract: Contract, order: Order, code: int, version: int, serve: Serve, connect: Connect
) -> None:
    """With the broker's code and words."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    with pytest.raises(InquiryFailed, match="a what-if of BUY 10 AAPL") as caught:
        engine.what_if(contract, order)
    assert caught.value.code == code
    no_order_came_of_it(engine, gateway)


def test_an_unknown_contract_is_said_to_be_unknown(engine: Engine, gateway: WatchedGateway) -> None:
    """As bad input."""
    with pytest.raises(UnknownContract):
        engine.what_if(Contract.stock("NOPE"), Order.market("BUY", 1))
    no_order_came_of_it(engine, gateway)


def test_a_warning_does_not_end_it(engine: Engine, gateway: WatchedGateway) -> None:
    """The answer comes after it."""
    said = threading.Event()
    handle = gateway._gateway.request

    def warn_first(session: Any, message: Any) -> None:
        if message.kind == "placeOrder" and not said.is_set():
            said.set()
            text = "Order Message:\nWarning: your order will not be placed at the exchange until 09:30."
            session.send(_error(message.fields["orderId"], 399, text))
            session.send(_error(message.fields["orderId"], 2109, "outside RTH is ignored"))
        handle(session, message)

    gateway._gateway.request = warn_first  # type: ignore[method-assign]
    assert engine.what_if(STOCK, Order.market("BUY", 1)).margins.is_known
    assert said.is_set()


def _error(subject: int, code: int, text: str) -> Any:
    from ibkr_core.gateway.answers import error

    return error(subject, code, text, 1_795_532_400.0)


def test_an_answer_that_does_not_come_ends_at_its_deadline(engine: Engine, gateway: WatchedGateway) -> None:
    """And what comes later is no order either."""
    held: list[Callable[[], None]] = []
    handle = gateway._gateway.request

    def hold(session: Any, message: Any) -> None:
        if message.kind == "placeOrder":
            held.append(lambda: handle(session, message))
        else:
            handle(session, message)

    gateway._gateway.request = hold  # type: ignore[method-assign]
    with pytest.raises(WaitTimeout, match=r"no answer within 0\.05 s: a what-if of BUY 1 AAPL"):
        engine.what_if(STOCK, Order.market("BUY", 1), timeout_s=0.05)
    gateway._gateway.request = handle  # type: ignore[method-assign]
    gateway._access(lambda _: held[0]())
    no_order_came_of_it(engine, gateway)


def test_a_message_that_would_trade_is_never_sent(gateway: WatchedGateway, connect: Connect) -> None:
    """If the installed client forgot to say that it is a question, the order would be placed."""

    class Forgetful(TwsClient):
        def placeOrder(self, orderId: int, contract: Any, order: Any) -> None:  # noqa: N802, N803 - official names
            order.whatIf = False
            super().placeOrder(orderId, contract, order)

    engine = connect(gateway, client_class=Forgetful)
    with pytest.raises(RequestRefused, match="so it would trade"):
        engine.what_if(STOCK, Order.market("BUY", 1))
    assert gateway.arrived("placeOrder") == []
    no_order_came_of_it(engine, gateway)


def test_a_halt_forbids_no_question(engine: Engine) -> None:
    """It places nothing."""
    engine.halt("a test")
    assert engine.what_if(STOCK, Order.market("BUY", 1)).margins.is_known


def test_while_the_broker_is_away_nothing_is_asked(engine: Engine, gateway: WatchedGateway) -> None:
    """It could not answer."""
    log = Log(engine)
    gateway.say(1100, "Connectivity between IB and TWS has been lost", client_id=1)
    log.wait(events.SessionChanged)
    with pytest.raises(NotReady, match="lost its connection"):
        engine.what_if(STOCK, Order.market("BUY", 1))
    assert gateway.arrived("placeOrder") == []


def test_a_listener_hears_of_it_as_before(engine: Engine) -> None:
    """The event of the answer is published too."""
    log = Log(engine)
    answer = engine.what_if(STOCK, Order.market("BUY", 1))
    assert log.wait(events.WhatIfAnswered).order_id == answer.order_id


def test_an_inline_listener_must_not_wait(engine: Engine) -> None:
    """It would stop the thread that brings the answer."""
    raised: list[BaseException] = []
    heard = threading.Event()

    def listen(_: events.Event) -> None:
        try:
            engine.what_if(STOCK, Order.market("BUY", 1))
        except WouldDeadlock as error:
            raised.append(error)
        heard.set()

    engine.on(events.OrderFilled, listen, Delivery.INLINE)
    buy(engine).wait(**WAIT)
    assert heard.wait(WAIT["timeout_s"])
    assert raised


@pytest.mark.parametrize(
    ("contract", "order", "timeout_s", "argument"),
    [
        ("AAPL", Order.market("BUY", 1), 1, "contract"),
        (STOCK, "BUY", 1, "order"),
        (STOCK, Order.limit("BUY", 1, -5), 1, "limit_price"),
        (Contract.index("SPX", "CBOE"), Order.market("BUY", 1), 1, "contract"),
        (STOCK, Order.market("BUY", 1), 0, "timeout_s"),
        (STOCK, Order.market("BUY", 1), float("nan"), "timeout_s"),
    ],
)
def test_bad_input_is_named(
    contract: Any, order: Any, timeout_s: float, argument: str, engine: Engine, gateway: WatchedGateway
) -> None:
    """With the argument, and nothing is sent."""
    with pytest.raises(InvalidInput) as caught:
        engine.what_if(contract, order, timeout_s=timeout_s)
    assert caught.value.argument == argument
    assert gateway.arrived("placeOrder") == []


def test_an_order_that_cannot_work_is_an_order_fault(engine: Engine) -> None:
    """Of the narrower class."""
    with pytest.raises(InvalidOrder):
        engine.what_if(STOCK, Order.limit("BUY", 1, 0))
