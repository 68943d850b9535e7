"""The past of an option, which is that of its stock."""

from __future__ import annotations

import pytest

from ibkr_core.gateway import default_catalogue
from ibkr_core.gateway.clock import DEFAULT_START
from ibkr_core.gateway.option_past import OptionPast
from ibkr_core.gateway.options import worth
from ibkr_core.gateway.past import Past

DAY = 86_400
NOON = DEFAULT_START - DAY + 2 * 3600  # of the day before


def pasts(right: str) -> tuple[Past, OptionPast]:
    """The past of AAPL and of an option on it at 290."""
    catalogue = default_catalogue()
    (option,) = catalogue.matches({"localSymbol": f"AAPL  261218{right}00290000"})
    stock = catalogue.by_id(265598)
    assert stock is not None
    under = Past(stock, seed=1, origin=DEFAULT_START)
    return under, OptionPast(option, underlying=under, seed=1, origin=DEFAULT_START)


@pytest.mark.parametrize("right", ["C", "P"])
def test_its_price_is_what_the_model_made_of_the_stock(right: str) -> None:
    """At any moment of the past, on the option's own grid."""
    under, past = pasts(right)
    for moment in (NOON, NOON + 600, NOON - DAY * 4):
        fair = worth(past.instrument, under.price_at(moment), moment).price
        assert past.price_at(moment) == pytest.approx(fair, abs=0.0051)


@pytest.mark.parametrize(("right", "sign"), [("C", 1), ("P", -1)])
def test_its_bars_move_with_the_stock(right: str, sign: int) -> None:
    """A call is dearest where the stock is highest, a put where it is lowest."""
    under, past = pasts(right)
    stock, option = under.bar(NOON, NOON + 3600), past.bar(NOON, NOON + 3600)
    assert option.low <= min(option.open, option.close) <= max(option.open, option.close) <= option.high
    top, bottom = (stock.high, stock.low) if sign > 0 else (stock.low, stock.high)
    assert option.high == pytest.approx(worth(past.instrument, top, NOON + 1800).price, abs=0.2)
    assert option.low == pytest.approx(worth(past.instrument, bottom, NOON + 1800).price, abs=0.2)


def test_what_was_seen_is_remembered() -> None:
    """Since the gateway began, the option's own prices count; a bar over the beginning has both."""
    _, past = pasts("C")
    past.note(DEFAULT_START + 60, 50.0)
    past.note(DEFAULT_START + 61, 50.0)
    assert past.price_at(DEFAULT_START + 61) == 50.0
    bar = past.bar(DEFAULT_START - 600, DEFAULT_START + 61)
    assert (bar.high, bar.close) == (50.0, 50.0)
    assert bar.open < 30
