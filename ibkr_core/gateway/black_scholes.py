"""What an option is worth: the model of Black and Scholes, its greeks, and the volatility behind a price.

European options without dividends. The broker's own model knows early exercise and dividends, so its numbers
differ a little; the signs, the limits and the relations between the numbers are the same.
"""

from __future__ import annotations

import math

import attrs

__all__ = ["RATE", "Greeks", "implied_volatility", "value"]

RATE = 0.04
"""Yearly interest rate of the simulation, continuously compounded."""

_YEAR_DAYS = 365
_LEAST_VOLATILITY, _MOST_VOLATILITY = 0.001, 5.0
_ROUNDS = 60


@attrs.frozen
class Greeks:
    """The worth of an option and how it changes.

    Attributes:
        price: Per unit of the underlying.
        delta: For one unit of its price.
        gamma: Of delta, for one unit of its price.
        vega: For one point of volatility, a hundredth.
        theta: For one day, at most what the option is worth.
    """

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def _normal(x: float) -> float:
    return (1 + math.erf(x / math.sqrt(2))) / 2


def value(spot: float, strike: float, years: float, volatility: float, right: str) -> Greeks:
    """The worth of an option.

    Args:
        spot: Price of the underlying, above zero.
        strike: Strike, above zero.
        years: Time that is left; none leaves the value at once.
        volatility: Yearly, 0.25 for a quarter.
        right: ``C`` or ``P``.
    """
    sign = 1 if right == "C" else -1
    spread = volatility * math.sqrt(max(years, 0.0))
    if spread <= 0:
        inside = sign * (spot - strike) > 0
        return Greeks(max(sign * (spot - strike), 0.0), float(sign * inside), 0.0, 0.0, 0.0)
    discounted = strike * math.exp(-RATE * years)
    d1 = math.log(spot / discounted) / spread + spread / 2
    d2 = d1 - spread
    density = math.exp(-d1 * d1 / 2) / math.sqrt(2 * math.pi)
    price = sign * (spot * _normal(sign * d1) - discounted * _normal(sign * d2))
    price = max(price, 0.0)  # the difference of two equal numbers may lie a hair below
    yearly = -spot * density * volatility / (2 * math.sqrt(years))
    yearly -= sign * RATE * discounted * _normal(sign * d2)
    return Greeks(
        price=price,
        delta=sign * _normal(sign * d1),
        gamma=density / (spot * spread),
        vega=spot * density * math.sqrt(years) / 100,
        theta=max(yearly / _YEAR_DAYS, -price),
    )


def implied_volatility(price: float, spot: float, strike: float, years: float, right: str) -> float | None:
    """The volatility at which an option is worth a price.

    Returns:
        None when none is: the price is too low or too high, or no time is left.
    """
    low, high = _LEAST_VOLATILITY, _MOST_VOLATILITY
    if years <= 0 or not (
        value(spot, strike, years, low, right).price < price < value(spot, strike, years, high, right).price
    ):
        return None
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        if value(spot, strike, years, middle, right).price < price:
            low = middle
        else:
            high = middle
    return (low + high) / 2
