"""What holdings bind, by product."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway.instruments import Instrument, default_catalogue
from ibkr_core.gateway.margins import requirement

D = Decimal
CATALOGUE = default_catalogue()
AAPL = CATALOGUE.matches({"conId": 265598})[0]
ES = CATALOGUE.matches({"localSymbol": "ESZ6"})[0]
EUR = CATALOGUE.matches({"localSymbol": "EUR.USD"})[0]
CALL = CATALOGUE.matches({"localSymbol": "AAPL  261218C00290000"})[0]
PUT = CATALOGUE.matches({"localSymbol": "AAPL  261218P00290000"})[0]
TREASURY = CATALOGUE.matches({"conId": 3_000_001})[0]


@pytest.mark.parametrize(
    ("instrument", "quantity", "price", "underlying", "initial", "maintenance"),
    [
        (AAPL, 0, "100", None, "0", "0"),
        (AAPL, 100, "100", None, "5000", "2500"),
        (AAPL, -100, "100", None, "5000", "3000"),
        (ES, 2, "6000", None, "46200", "42000"),
        (ES, -2, "6000", None, "46200", "42000"),
        (EUR, 10_000, "1.20", None, "360", "360"),
        (TREASURY, 10, "99", None, "495", "396"),
        (CALL, 2, "5", "290", "1000", "1000"),
        (CALL, -1, "5", "290", "5800", "5800"),  # at the money: a fifth of the underlying
        (CALL, -1, "5", "280", "4600", "4600"),  # less the ten that it is out of the money
        (CALL, -1, "5", "200", "2000", "2000"),  # but a tenth of it at least
        (PUT, -1, "5", "300", "5000", "5000"),
        (PUT, -1, "5", "400", "2900", "2900"),  # a tenth of the strike at least
        (PUT, -1, "5", None, "5800", "5800"),  # the strike stands for an underlying that is not known
    ],
)
def test_what_is_bound(
    instrument: Instrument, quantity: int, price: str, underlying: str | None, initial: str, maintenance: str
) -> None:
    """Parts of the value for most things, rules of their own for short options."""
    bound = requirement(instrument, D(quantity), D(price), None if underlying is None else D(underlying))
    assert (bound.initial, bound.maintenance) == (D(initial), D(maintenance))


@given(
    instrument=st.sampled_from([AAPL, ES, EUR, CALL, PUT, TREASURY]),
    quantity=st.integers(-1000, 1000).map(D),
    price=st.integers(1, 10**6).map(lambda cents: D(cents) / 100),
)
def test_opening_never_takes_less_than_keeping(
    instrument: Instrument, quantity: Decimal, price: Decimal
) -> None:
    """And nothing is bound but by what is held."""
    bound = requirement(instrument, quantity, price, price)
    assert bound.initial >= bound.maintenance >= 0
    assert bool(bound.initial) == bool(quantity)
