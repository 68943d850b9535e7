"""An order held against what the broker knows, over TCP: typed errors, and no order sent."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    AmbiguousContract,
    InvalidContract,
    InvalidInput,
    InvalidOrder,
    MarketClosed,
    UnknownContract,
)
from ibkr_core.gateway import Choreography, MarketSettings, Settings, default_catalogue
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, S, Serve, WatchedGateway

every_version = pytest.mark.parametrize("version", VERSIONS)
OPEN_NOW = datetime(2026, 11, 23, 16, 0, tzinfo=UTC)
FUTURE = Contract.future("ES", "202612", "CME")
EURO = Contract.forex("EURUSD")


def check(engine: Engine, contract: Any, order: Any) -> Any:
    """Whatever day it is."""
    return engine.check_order(contract, order, allow_closed=True)


@every_version
def test_a_good_order_passes(version: int, serve: Serve, connect: Connect) -> None:
    """What was learnt on the way is returned: the order can be sent with it."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    order = Order.limit("BUY", 10, "100.01")
    found = check(engine, Contract.stock("AAPL"), order)
    assert found.contract.con_id == 265598
    assert found.contract.exchange == "SMART"
    assert found.rule.increment_at(100) == Decimal("0.01")
    assert found.details.min_tick == Decimal("0.01")
    assert gateway.orders_arrived() == []
    assert engine.submit(found.contract, order).wait(**WAIT).status is S.FILLED


GOOD = [
    (STOCK, Order.market("BUY", 10)),
    (STOCK, Order.stop_limit("SELL", 10, "99.99", "99.98")),
    (STOCK, Order.trailing_stop("SELL", 10, trailing_amount="0.333")),
    (FUTURE, Order.limit("BUY", 1, "6650.25")),
    (EURO, Order.limit("BUY", 20_000, "1.15205")),
    (Contract.option("AAPL", "20261218", 290, "C"), Order.limit("BUY", 1, "12.34")),
    (Contract.by_con_id(265598), Order.limit("BUY", 10, "100.01")),
]


@pytest.mark.parametrize(("contract", "order"), GOOD)
def test_good_orders_of_many_kinds_pass(contract: Contract, order: Order, engine: Engine) -> None:
    """Each on its own grid."""
    check(engine, contract, order)


Bad = tuple[Any, Any, type[InvalidInput], str, str]
BAD: list[Bad] = [
    ("AAPL", Order.market("BUY", 1), InvalidInput, "contract", "must be an ibkr_core Contract"),
    (STOCK, "BUY", InvalidInput, "order", "must be an ibkr_core Order"),
    (Contract.stock("NOPE"), Order.market("BUY", 1), UnknownContract, "contract", "NOPE"),
    (
        Contract(symbol="SAP", sec_type="STK", exchange="SMART"),
        Order.market("BUY", 1),
        AmbiguousContract,
        "contract",
        "2 instruments fit",
    ),
    (
        STOCK,
        Order.limit("BUY", 10, "100.005"),
        InvalidOrder,
        "limit_price",
        r"multiple of 0.01 for AAPL on SMART \(market rule 26\), not 100.005; .* for a BUY is 100.00$",
    ),
    (STOCK, Order.limit("SELL", 10, "100.005"), InvalidOrder, "limit_price", "nearest for a SELL is 100.01$"),
    (STOCK, Order.stop("SELL", 10, "99.999"), InvalidOrder, "aux_price", "multiple of 0.01"),
    (
        STOCK,
        Order.trailing_stop("SELL", 10, trailing_amount=1, stop_price="99.999"),
        InvalidOrder,
        "trail_stop_price",
        "multiple of 0.01",
    ),
    (FUTURE, Order.limit("BUY", 1, "6650.10"), InvalidOrder, "limit_price", "multiple of 0.25"),
    (EURO, Order.limit("BUY", 20_000, "1.15201"), InvalidOrder, "limit_price", "multiple of 0.00005"),
    (Contract.by_con_id(265598), Order.limit("BUY", 1, -5), InvalidOrder, "limit_price", "above zero"),
    (Contract.by_con_id(416904, "CBOE"), Order.market("BUY", 1), InvalidOrder, "contract", "index"),
    (STOCK, Order(action="BUY", quantity=1, order_type="MOC", tif="GTC"), InvalidOrder, "tif", "DAY for MOC"),
    (STOCK.replace(exchange="CME"), Order.market("BUY", 1), UnknownContract, "contract", "No security"),
    (
        Contract.combo("AAPL", [ComboLeg(2_000_001), ComboLeg(999, action="SELL")]),
        Order.limit("BUY", 1, 1),
        UnknownContract,
        "contract",
        "#999",
    ),
]


@pytest.mark.parametrize(("contract", "order", "error", "argument", "words"), BAD)
def test_a_bad_order_is_refused(
    contract: Any,
    order: Any,
    error: type[InvalidInput],
    argument: str,
    words: str,
    engine: Engine,
    gateway: WatchedGateway,
) -> None:
    """The error names argument and rule, and no order was sent."""
    with pytest.raises(error, match=words) as caught:
        check(engine, contract, order)
    assert caught.value.argument == argument
    assert gateway.orders_arrived() == []


@pytest.mark.skipif(VERSIONS[-1] < 164, reason="this client's protocol has no steps of quantities")
@pytest.mark.parametrize(
    ("quantity", "words"), [("0.5", "at least 1 for AAPL"), ("1.5", "a multiple of 1 for AAPL")]
)
def test_a_quantity_that_it_does_not_trade_in(quantity: str, words: str, engine: Engine) -> None:
    """By the smallest size and the steps that the broker tells."""
    with pytest.raises(InvalidOrder, match=f"quantity: must be {words}"):
        check(engine, STOCK, Order.market("BUY", quantity))


def test_the_broker_says_the_same_of_prices_off_the_grid(engine: Engine) -> None:
    """What is refused here earns 110 there, and what is rounded is taken."""
    order = Order.limit("BUY", 10, "90.005")
    with pytest.raises(InvalidOrder):
        check(engine, STOCK, order)
    refused = engine.submit(STOCK, order).wait(**WAIT)
    assert refused.reject is not None
    assert refused.reject.code == 110
    rule = engine.reference.price_rule(STOCK)
    rounded = Order.limit("BUY", 10, rule.round("90.005", "BUY"))
    check(engine, STOCK, rounded)
    assert engine.submit(STOCK, rounded).wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT).is_working


def test_a_combo_is_looked_at_by_its_legs(engine: Engine) -> None:
    """The broker tells nothing about the whole."""
    combo = Contract.combo("AAPL", [ComboLeg(2_000_001), ComboLeg(2_000_002, action="SELL")])
    found = check(engine, combo, Order.limit("BUY", 1, "1.23"))
    assert found.contract is combo
    assert found.details is None


@pytest.fixture
def picky(serve: Serve, connect: Connect) -> Callable[[str], Engine]:
    """Serve an AAPL whose description has a list of order types of our choice."""

    def make(order_types: str) -> Engine:
        catalogue = default_catalogue()
        own = catalogue.by_id(265598)
        assert own is not None
        changed = attrs.evolve(own, con_id=4242, symbol="PICKY", local_symbol="PICKY", isin="")
        changed = attrs.evolve(changed, details={**own.details, "orderTypes": order_types})
        settings = Settings(market=MarketSettings(moves=False), choreography=Choreography.plain())
        gateway = serve(settings=settings)
        gateway.add_instrument(changed)
        return connect(gateway)

    return make


def test_an_instrument_that_does_not_take_a_type(picky: Callable[[str], Engine]) -> None:
    """As its description says; a type whose abbreviation nobody knows is left to the broker."""
    engine = picky("LMT,DAY,GTC,TRAILLMT")
    contract = Contract.stock("PICKY")
    check(engine, contract, Order.limit("BUY", 1, 100))
    check(engine, contract, Order(action="BUY", quantity=1, order_type="SNAP MKT"))
    with pytest.raises(InvalidOrder, match="order_type: PICKY takes no MKT orders"):
        check(engine, contract, Order.market("BUY", 1))
    with pytest.raises(InvalidOrder, match="tif: PICKY takes no IOC orders"):
        check(engine, contract, Order.limit("BUY", 1, 100, tif="IOC"))


def test_a_description_without_times_forbids_none(picky: Callable[[str], Engine]) -> None:
    """Then it says nothing about them."""
    check(picky("LMT,MKT"), Contract.stock("PICKY"), Order.limit("BUY", 1, 100, tif="IOC"))


def test_a_destination_where_it_does_not_trade(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the broker knows the instrument all the same."""
    details = engine.reference.details(STOCK)
    monkeypatch.setattr(type(engine.reference), "details", lambda *_, **__: details)
    with pytest.raises(InvalidContract, match=r"exchange: AAPL trades on SMART.*not on 'LSE'"):
        check(engine, STOCK.replace(exchange="LSE"), Order.market("BUY", 1))


def test_a_closed_market_is_told(engine: Engine) -> None:
    """By the hours of the gateway's own description, at whatever moment this runs."""
    details = engine.reference.details(STOCK)
    now = datetime.now(UTC)
    order = Order.market("BUY", 1)
    if details.liquid_hours.is_open(now):
        engine.check_order(STOCK, order)
    else:
        with pytest.raises(MarketClosed, match="outside its regular trading hours now and opens at"):
            engine.check_order(STOCK, order)
    engine.check_order(STOCK, order.replace(tif="GTC"))
