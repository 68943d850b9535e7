"""Every order type, algorithm and condition lives: through the engine, against the simulated gateway."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import attrs
import pytest

from ibkr_core import orders
from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidOrder, RequestRefused
from ibkr_core.gateway import Choreography, Settings
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.orderrules import RULES, check
from ibkr_core.settings import EngineSettings
from tests.engine.conftest import STILL
from tests.engine.rig import STOCK, UNLIMITED, WAIT, Connect, S, Serve, WatchedGateway, settle
from tests.model.test_orderrules import CASES
from tests.orders.samples import AAPL_ID, BUILT, CONDITIONS, ELSEWHERE, EURO, OPTION, WORKED, Sample

pytestmark = pytest.mark.system

PLAIN = Settings(
    market=STILL, choreography=Choreography.plain(), check_funds=False, price_cap=None, fractional=True
)
QUICK = attrs.evolve(UNLIMITED, confirm_s=0.01)
HEDGES = {name for name in BUILT if name.endswith("_hedge")}
WHEN = orders.ExecutionCondition(symbol="MSFT")
TEXT, NEWEST = 200, 226


class Bench:
    """A venue of its own on the newest protocol, another on the newest text protocol, and their engines."""

    def __init__(self, serve: Serve, connect: Connect) -> None:
        self._serve, self._connect = serve, connect
        self._made: dict[int | None, tuple[WatchedGateway, Engine]] = {}

    def on(self, version: int | None = None) -> tuple[WatchedGateway, Engine]:
        if version not in self._made:
            versions = {} if version is None else {"versions": [version]}
            gateway = self._serve(settings=PLAIN, **versions)
            gateway.market("MSFT").set_quote(bid=40, ask="40.02", last=40)
            self._made[version] = (gateway, self._connect(gateway, settings=QUICK))
        return self._made[version]


@pytest.fixture
def bench(serve: Serve, connect: Connect) -> Bench:
    return Bench(serve, connect)


def place(engine: Engine, contract: Contract, order: Order) -> Any:
    """Submit, and come back when the gateway has said what it has to say."""
    ticket = engine.submit(contract, order)
    settle(engine)
    return ticket


def check_taken(gateway: WatchedGateway, ticket: Any, sample: Sample) -> None:
    """Hold an order's record against the gateway's own account of it, and against what was to happen."""
    record = ticket.record
    if sample.refused is not None:
        assert sample.refused in record.error_codes
        assert ticket.wait(**WAIT).status is S.REJECTED
        return
    assert record.broker_order.order_type == sample.official["orderType"]
    account = gateway.books().order(ticket.order_id)
    if sample.fills:
        assert ticket.wait(**WAIT).status is S.FILLED, ticket.record
        account = gateway.books().order(ticket.order_id)
        assert account.filled == account.total > 0
    elif sample.fills is None:
        assert record.status in (S.SUBMITTED, S.PRE_SUBMITTED, S.FILLED), record
    else:
        assert record.status in (S.SUBMITTED, S.PRE_SUBMITTED), record
        assert account.total == record.order.quantity or record.order.cash_quantity is not None


@pytest.mark.parametrize("name", sorted(set(BUILT) - HEDGES))
def test_each_builder_lives(name: str, bench: Bench) -> None:
    """Taken and working, or filled where it must fill; or refused with a code that docs/gateway.md tells."""
    sample = BUILT[name]
    gateway, engine = bench.on(TEXT if sample.until < NEWEST else None)
    check_taken(gateway, place(engine, sample.contract, sample.order), sample)


def test_what_the_protocol_cannot_carry_is_refused_here(bench: Bench) -> None:
    """A field that would be left out is an error, and no other order goes out instead."""
    gateway, engine = bench.on()
    with pytest.raises(RequestRefused, match="auctionStrategy"):
        engine.submit(BUILT["auction_limit"].contract, BUILT["auction_limit"].order)
    assert gateway.arrived("placeOrder") == []


@pytest.mark.parametrize("name", sorted(HEDGES))
def test_a_hedge_is_sized_by_the_broker(name: str, bench: Bench) -> None:
    """It goes with its parent, with quantity 0; the echo tells its size (TWS facts 6)."""
    _, engine = bench.on()
    sample = BUILT[name]
    hedged = OPTION if name == "delta_hedge" else STOCK
    other = {"fx_hedge": EURO, "delta_hedge": STOCK}.get(name, Contract.stock("MSFT"))
    parent = engine.submit(hedged, orders.limit("BUY", 100, "0.05", transmit=False))
    hedge = place(engine, other, sample.order.replace(parent_id=parent.order_id))
    if sample.refused is not None:
        assert sample.refused in hedge.record.error_codes
        return
    size = hedge.record.broker_order.total_quantity
    # Twice the parent; 0.8 of its value at 100.005 and 40.01; less than 100 options on 100 shares each.
    least, most = {"pair_hedge": (200, 200), "beta_hedge": (199, 201), "delta_hedge": (1, 9_999)}[name]
    assert least <= size <= most
    assert parent.record.status is S.SUBMITTED


@pytest.mark.parametrize("name", WORKED)
def test_each_algorithm_lives(name: str, bench: Bench) -> None:
    """The gateway works its strategies, and echoes their parameters; those of other brokers it has not."""
    _, engine = bench.on()
    algo, params, contract = WORKED[name]
    ticket = place(engine, contract, orders.worked_by(orders.limit("BUY", 10, "0.95"), algo))
    if name in ELSEWHERE:
        assert ticket.wait(**WAIT).status is S.REJECTED
        return
    assert ticket.record.is_working, ticket.record
    echo = ticket.record.broker_order
    assert echo.algo_strategy == name
    assert dict(echo.algo_params) == params


@pytest.mark.parametrize("name", CONDITIONS)
def test_each_condition_is_echoed(name: str, bench: Bench) -> None:
    """An order waits on it, and the broker's echo shows the value that was sent."""
    _, engine = bench.on()
    condition, _ = CONDITIONS[name]
    second = CONDITIONS["time"][0]  # which never comes, so that the first does not start it
    row = orders.all_of(condition, second)
    ticket = place(engine, STOCK, orders.conditional(orders.market("BUY", 10), row, outside_rth=True))
    assert ticket.record.is_working
    echo = ticket.record.broker_order
    assert echo.conditions == row
    assert (echo.conditions_cancel, echo.conditions_outside_rth) == (False, True)


def test_a_condition_starts_an_order(bench: Bench) -> None:
    """Nothing before the price gets there; a market order fills when it does."""
    gateway, engine = bench.on()
    when = orders.PriceCondition(con_id=AAPL_ID, price=103, is_more=True)
    ticket = place(engine, STOCK, orders.conditional(orders.market("BUY", 10), when, outside_rth=True))
    assert ticket.record.filled_quantity == 0
    gateway.market("AAPL").set_quote(bid="103.50", ask="103.51", last="103.50")
    assert ticket.wait(**WAIT).status is S.FILLED


def test_a_condition_cancels_an_order(bench: Bench) -> None:
    """One of two is enough where they are joined by or."""
    gateway, engine = bench.on()
    row = orders.any_of(
        orders.PriceCondition(con_id=AAPL_ID, price=95, is_more=False),
        orders.PriceCondition(con_id=AAPL_ID, price=103, is_more=True),
    )
    order = orders.conditional(orders.limit("BUY", 10, 90), row, cancel=True, outside_rth=True)
    ticket = place(engine, STOCK, order)
    assert ticket.record.is_working
    gateway.market("AAPL").set_quote(bid="103.50", ask="103.51", last="103.50")
    assert ticket.wait(**WAIT).status is S.CANCELLED


def test_an_adjustable_stop_adjusts(bench: Bench) -> None:
    """Once the market has gone its way, it is where it was adjusted to, and trades there."""
    gateway, engine = bench.on()
    engine.submit(STOCK, orders.market("BUY", 10)).wait(**WAIT)
    stop = orders.adjusted_to_stop(orders.stop("SELL", 10, 95), 110, 105)
    ticket = place(engine, STOCK, stop)
    market = gateway.market("AAPL")
    market.set_quote(bid="110.50", ask="110.51", last="110.50")
    market.set_quote(bid="104.90", ask="104.91", last="104.90")
    assert ticket.wait(**WAIT).status is S.FILLED


def test_a_scale_order_works_in_components(bench: Bench) -> None:
    """The first trades at the limit, the next waits further down; executions tell of each."""
    gateway, engine = bench.on()
    order = orders.scaled(
        orders.limit("BUY", 50, "100.01"), initial_size=20, subsequent_size=30, price_increment="0.5"
    )
    ticket = place(engine, STOCK, order)
    assert (ticket.status, ticket.record.filled_quantity) == (S.PARTIALLY_FILLED, 20)
    gateway.market("AAPL").set_quote(bid="99.40", ask="99.41")
    record = ticket.wait(**WAIT)
    assert [(fill.quantity, str(fill.price)) for fill in record.fills] == [(20, "100.01"), (30, "99.41")]


def test_modify_keeps_what_is_not_changed(bench: Bench) -> None:
    """Conditions, algorithm and attributes go along with every modification, as last sent."""
    gateway, engine = bench.on()
    when = orders.TimeCondition(time="20991231-10:00:00")
    order = orders.conditional(
        orders.limit("BUY", 10, 90, display_size=5, algo=orders.Adaptive(priority="Patient")), when
    )
    ticket = place(engine, STOCK, order)
    ticket.modify(limit_price="91")
    settle(engine)
    first, second = (message.fields["order"] for message in gateway.arrived("placeOrder"))
    changed = {name for name in first.keys() | second.keys() if first.get(name) != second.get(name)}
    assert changed == {"lmtPrice"}
    assert ticket.record.order.algo == orders.Adaptive(priority="Patient")
    assert ticket.record.order.conditions == (when,)


REFUSED_HERE: dict[str, Callable[[Engine], Any]] = {
    "close-is-day": lambda e: e.submit(STOCK, orders.market_on_close("SELL", 1, tif="GTC")),
    "products": lambda e: e.submit(STOCK, orders.volatility("BUY", 1, 40)),
    "condition-types": lambda e: e.submit(STOCK, orders.conditional(orders.stop("BUY", 1, 9), WHEN)),
    "price-digits": lambda e: e.submit(STOCK, orders.limit("BUY", 1, "99.0000000000000000001")),
    "known-tif": lambda e: e.submit_bracket(STOCK, orders.limit("BUY", 1, 99, tif="GCT"), stop_loss=90),
    "algo-types": lambda e: e.what_if(STOCK, orders.worked_by(orders.stop("BUY", 1, 9), orders.Twap())),
}


@pytest.mark.parametrize(("rule", "attempt"), REFUSED_HERE.items(), ids=REFUSED_HERE)
def test_a_broken_rule_sends_nothing(rule: str, attempt: Callable[[Engine], Any], bench: Bench) -> None:
    """No id is used, the book stays empty, and the gateway hears nothing."""
    gateway, engine = bench.on()
    with pytest.raises(InvalidOrder, match=f"rule {rule}"):
        attempt(engine)
    settle(engine)
    assert gateway.orders_arrived() == []
    assert engine.orders() == ()


# ── the rules against the gateway ───────────────────────────────────────────────────────────────────

KNOWN_OTHERWISE = {
    # a case of a rule -> why the simulated gateway does something else
    "box-1": "an auction strategy has no place in the newest protocol",
    "crypto-cash-0": "it has no cryptocurrencies",
    "trail-distance-1": "it takes both distances, and goes by the percentage",
    "short-sale-slot-0": "it has no side SSHORT",
    "hedge-param-0": "it takes a ratio that is missing for 1",
    "price-positive-0": "it takes a starting price of 0",
}


def refusals() -> Iterator[Any]:
    codes = {rule.name: re.findall(r"codes? (\d+)(?: and (\d+))?", rule.source) for rule in RULES}
    for name, cases in CASES.items():
        wanted = {int(code) for pair in codes[name] for code in pair if code}
        for number, (bad, contract, _) in enumerate(cases):
            if wanted and f"{name}-{number}" not in KNOWN_OTHERWISE:
                yield pytest.param(name, bad, contract, wanted, id=f"{name}-{number}")


@pytest.mark.parametrize(("name", "bad", "contract", "wanted"), list(refusals()))
def test_the_gateway_refuses_the_same(
    name: str, bad: Order, contract: Contract, wanted: set[int], serve: Serve, connect: Connect
) -> None:
    """With the rules switched off the order goes out, and comes back with the code that the rule names."""
    gateway = serve(settings=PLAIN)
    engine = connect(gateway, settings=EngineSettings(order_rules=False, confirm_s=0.01))
    ticket = place(engine, contract, bad)
    assert ticket.wait(**WAIT).status is S.REJECTED, ticket.record
    assert wanted & set(ticket.record.error_codes), (name, ticket.record.messages)
    with pytest.raises(InvalidOrder):
        check(bad, contract)
