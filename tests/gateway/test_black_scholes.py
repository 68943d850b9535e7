"""The model of options: published numbers, and the laws that every option obeys."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.gateway.black_scholes import RATE, implied_volatility, value

spots = st.floats(20, 500)
strikes = st.floats(20, 500)
years = st.floats(0.01, 3)
volatilities = st.floats(0.05, 1.0)


@pytest.mark.parametrize(("right", "price", "delta"), [("C", 9.925, 0.6179), ("P", 6.004, -0.3821)])
def test_a_known_case(right: str, price: float, delta: float) -> None:
    """One year at the money, a fifth of volatility: the numbers that any textbook's formula gives."""
    told = value(100, 100, 1, 0.2, right)
    assert told.price == pytest.approx(price, abs=0.001)
    assert told.delta == pytest.approx(delta, abs=0.0001)
    assert told.gamma == pytest.approx(0.019069, abs=1e-5)
    assert told.vega == pytest.approx(0.38139, abs=1e-4)


@given(spots, strikes, years, volatilities)
@settings(max_examples=100)
def test_put_and_call_agree(spot: float, strike: float, left: float, volatility: float) -> None:
    """A call less a put is the stock less the strike of today; their deltas lie one apart."""
    call, put = (value(spot, strike, left, volatility, right) for right in "CP")
    assert call.price - put.price == pytest.approx(spot - strike * math.exp(-RATE * left), abs=1e-6)
    assert call.delta - put.delta == pytest.approx(1)
    assert (call.gamma, call.vega) == (put.gamma, put.vega)


@given(spots, strikes, years, volatilities, st.sampled_from("CP"))
@settings(max_examples=100)
def test_greeks_are_slopes(spot: float, strike: float, left: float, volatility: float, right: str) -> None:
    """Delta, vega and theta say how much the price moves with its causes."""
    step = spot * 1e-4

    def price(**changed: float) -> float:
        wanted = {"spot": spot, "years": left, "volatility": volatility, **changed}
        return value(strike=strike, right=right, **wanted).price

    told = value(spot, strike, left, volatility, right)
    slope = (price(spot=spot + step) - price(spot=spot - step)) / (2 * step)
    assert told.delta == pytest.approx(slope, abs=1e-3)
    by_volatility = (price(volatility=volatility + 1e-4) - price(volatility=volatility - 1e-4)) / 2e-4
    assert told.vega * 100 == pytest.approx(by_volatility, abs=1e-2)
    by_time = (price(years=left - 1e-5) - price(years=left + 1e-5)) / 2e-5
    assert told.theta == pytest.approx(max(by_time / 365, -told.price), abs=1e-2)


@given(spots, strikes, years, volatilities, st.sampled_from("CP"))
@settings(max_examples=50)
def test_a_price_gives_its_volatility_back(
    spot: float, strike: float, left: float, volatility: float, right: str
) -> None:
    """The implied volatility gives the price back; where there is none the price says nothing of it."""
    price = value(spot, strike, left, volatility, right).price
    found = implied_volatility(price, spot, strike, left, right)
    if found is None:
        assert value(spot, strike, left, volatility, right).vega < 1e-6
    else:
        assert value(spot, strike, left, found, right).price == pytest.approx(price, abs=1e-6)


@pytest.mark.parametrize(("price", "left"), [(0.0, 1.0), (1.0, 0.0), (100.0, 1.0), (9.0, 1.0)], ids=str)
def test_no_volatility_explains_the_impossible(price: float, left: float) -> None:
    """Free, expired, dearer than the stock, or cheaper than what it would give at once."""
    assert implied_volatility(price, 100, 90, left, "C") is None


@pytest.mark.parametrize(
    ("spot", "right", "price", "delta"),
    [(110, "C", 10, 1), (90, "C", 0, 0), (90, "P", 10, -1), (110, "P", 0, 0)],
)
def test_at_its_end_an_option_is_worth_what_it_gives(
    spot: float, right: str, price: float, delta: float
) -> None:
    """No time is left: the value at once, all or nothing."""
    told = value(spot, 100, 0, 0.2, right)
    assert (told.price, told.delta, told.gamma, told.vega, told.theta) == (price, delta, 0, 0, 0)
