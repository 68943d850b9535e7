"""What an order would bind and cost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.gateway.account import Account
from ibkr_core.gateway.instruments import Instrument, default_catalogue
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.trial import Trial, expected_price
from tests.gateway.test_orders import LIMIT, build

D = Decimal
QUOTE = Quote(bid=D(100), ask=D("100.10"), last=D(100), bid_size=D(1), ask_size=D(1))
LEVEL = attrs.evolve(QUOTE, ask=D(100))
CALL = default_catalogue().matches({"localSymbol": "AAPL  261218C00290000"})[0]


def made(**fields: Any) -> GatewayOrder:
    """Ten AAPL at 100, unless told otherwise."""
    spec = OrderSpec.parse({**LIMIT, "lmtPrice": 100.0, **fields})
    return build(spec=spec, total=spec.quantity)


def trial(held: int = 0, quote: Quote = LEVEL, underlying: Decimal | None = None) -> Trial:
    return Trial(
        quote_of=lambda _: quote,
        held_of=lambda _, __: D(held),
        underlying_of=lambda _: underlying,
        rate_of=lambda _: D(1),
    )


@pytest.mark.parametrize(
    ("held", "initial", "maintenance"),
    [(0, 500.0, 250.0), (-10, -500.0, -300.0), (-5, 0.0, -25.0), (10, 500.0, 250.0), (-4, 100.0, 30.0)],
)
def test_margin_follows_the_size_of_the_position(held: int, initial: float, maintenance: float) -> None:
    """Ten AAPL at 100 need half their value; closing frees it, turning round changes the difference."""
    before = Account("DU1", D(1000)).balances(lambda _: D(100), lambda _: D(1))
    margins = trial(held).margins_of(made(), before)
    assert (margins["initMarginChange"], margins["maintMarginChange"]) == (initial, maintenance)
    assert margins["initMarginAfter"] == margins["initMarginBefore"] + initial
    assert margins["commissionAndFees"] == 1.00003


@pytest.mark.parametrize(
    ("action", "kind", "fields", "price"),
    [
        ("BUY", "MKT", {}, "100.10"),
        ("SELL", "MKT", {}, "100"),
        ("BUY", "LMT", {"lmtPrice": 99.0}, "99"),
        ("BUY", "LMT", {"lmtPrice": 101.0}, "100.10"),
        ("SELL", "LMT", {"lmtPrice": 101.0}, "101"),
        ("SELL", "STP", {"auxPrice": 95.0}, "95"),
        ("SELL", "STP LMT", {"auxPrice": 95.0, "lmtPrice": 94.0}, "94"),
    ],
)
def test_an_order_is_expected_to_trade_at_the_market_or_its_own_price(
    action: str, kind: str, fields: dict[str, Any], price: str
) -> None:
    """A limit that can be had now is had at the market's price."""
    order = made(action=action, orderType=kind, **{"lmtPrice": None, **fields})
    assert expected_price(order, QUOTE) == D(price)


@pytest.mark.parametrize(("available", "lacks"), [("499.99", True), ("500", False), ("1000", False)])
def test_funds_must_cover_the_margin(available: str, lacks: bool) -> None:
    """To the cent; closing needs nothing, whatever is left."""
    assert bool(trial().lacks_funds(made(), D(available))) is lacks
    assert not trial(held=-10).lacks_funds(made(), D(-1_000_000))


@pytest.mark.parametrize(
    ("action", "spot", "needed"), [("BUY", "290", "10000"), ("SELL", "290", "5800"), ("SELL", "200", "2000")]
)
def test_options_are_paid_or_covered(action: str, spot: str, needed: str) -> None:
    """Bought: the premium. Sold: a part of the underlying, less what it is out of the money."""
    order = attrs.evolve(made(action=action, totalQuantity=D(1), orderType="MKT"), instrument=CALL)
    text = trial(underlying=D(spot)).lacks_funds(order, D(0))
    assert f"needed {needed}.00 USD" in text


def test_other_currencies_count_by_their_rate() -> None:
    """Margin and funds are those of the base currency; the commission is in the instrument's."""
    foreign: Instrument = attrs.evolve(made().instrument, currency="EUR")
    one = Trial(
        quote_of=lambda _: LEVEL,
        held_of=lambda _, __: D(0),
        underlying_of=lambda _: None,
        rate_of=lambda currency: D(2) if currency == "EUR" else D(1),
    )
    before = Account("DU1", D(1000)).balances(lambda _: D(100), lambda _: D(1))
    margins = one.margins_of(attrs.evolve(made(), instrument=foreign), before)
    assert (margins["initMarginChange"], margins["commissionAndFees"]) == (1000.0, 3.0)
    assert margins["equityWithLoanChange"] == -6.0
