"""Prices and triggers, as arithmetic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.pricing import first_stop, hits_needed, moving_limit, next_stop, trigger_hit, within
from tests.gateway.test_orders import build

D = Decimal
AAPL = default_catalogue().matches({"conId": 265598})[0]
QUOTE = Quote(bid=D(100), ask=D("100.10"), last=D("100.05"), bid_size=D(100), ask_size=D(100))


def at(last: Decimal) -> Quote:
    return attrs.evolve(QUOTE, last=last)


def spec(action: str, kind: str, **fields: Any) -> OrderSpec:
    return OrderSpec.parse(
        {"action": action, "totalQuantity": D(1), "orderType": kind, "tif": "DAY", **fields}
    )


@pytest.mark.parametrize(
    ("action", "kind", "fields", "limit"),
    [
        ("BUY", "LMT", {"lmtPrice": 99.0}, None),
        ("BUY", "REL", {}, "100"),
        ("BUY", "REL", {"auxPrice": 0.02}, "100.02"),
        ("BUY", "REL", {"auxPrice": 0.029}, "100.02"),
        ("SELL", "REL", {"auxPrice": 0.029}, "100.08"),
        ("SELL", "REL", {"percentOffset": 0.001}, "100.00"),
        ("BUY", "REL", {"auxPrice": 0.05, "lmtPrice": 100.01}, "100.01"),
        ("SELL", "PEG MID", {}, "100.05"),
        ("BUY", "PEG MID", {"auxPrice": 0.01}, "100.04"),
        ("SELL", "PEG MID", {"auxPrice": 0.01}, "100.06"),
        ("SELL", "MIDPRICE", {"lmtPrice": 100.07}, "100.07"),
    ],
)
def test_limits_that_follow_the_quote(
    action: str, kind: str, fields: dict[str, float], limit: str | None
) -> None:
    """Relative ones improve on their own side, rounded away from the market; midpoint ones give way."""
    order = build(spec=spec(action, kind, **fields))
    assert moving_limit(order, QUOTE) == (None if limit is None else D(limit))


@given(
    action=st.sampled_from(["BUY", "SELL"]),
    lasts=st.lists(st.integers(5000, 15000), min_size=1, max_size=20),
    cents=st.integers(1, 500),
)
def test_a_trailing_stop_never_goes_back(action: str, lasts: list[int], cents: int) -> None:
    """It stays within its distance of the best price seen, and is hit just when the last gets there."""
    trail = spec(action, "TRAIL", auxPrice=cents / 100)
    prices = [D(last) / 100 for last in lasts]
    stop = first_stop(trail, AAPL, prices[0])
    assert stop is not None
    for price in prices[1:]:
        moved = next_stop(trail, AAPL, stop, price)
        assert within(action, moved, stop)
        stop = moved
    best = min(prices) if action == "BUY" else max(prices)
    assert stop == best + trail.sign * D(cents) / 100
    assert trigger_hit(trail, AAPL, stop, at(stop))
    assert not trigger_hit(trail, AAPL, stop, at(best))


@given(st.sampled_from(["BUY", "SELL"]), st.integers(1, 999), st.integers(1, 999))
def test_a_touch_is_the_mirror_of_a_stop(action: str, price: int, trigger: int) -> None:
    """Both are hit at their price; elsewhere exactly one of them is."""
    stop = spec(action, "STP", auxPrice=trigger)
    touch = spec(action, "MIT", auxPrice=trigger)
    quote = at(D(price))
    hits = (trigger_hit(one, AAPL, D(trigger), quote) for one in (stop, touch))
    assert sum(hits) == (2 if price == trigger else 1)


@pytest.mark.parametrize(
    ("method", "trigger", "hit", "needed"),
    [
        (0, 100.05, True, 1),
        (0, 100.06, False, 1),
        (1, 100.00, True, 2),
        (1, 100.05, False, 2),
        (2, 100.05, True, 1),
        (3, 100.05, True, 2),
        (4, 100.00, True, 1),
        (4, 100.05, False, 1),
        (7, 100.05, True, 1),
        (7, 100.06, False, 1),
        (8, 100.04, True, 1),
        (8, 100.07, False, 1),
    ],
)
def test_trigger_methods_look_at_different_prices(
    method: int, trigger: float, hit: bool, needed: int
) -> None:
    """A buy stop goes by the last, the bid, either or the middle; the double methods want two in a row."""
    quote = attrs.evolve(QUOTE, last=D("100.05"), ask=D("100.12"))
    stop = spec("BUY", "STP", auxPrice=trigger, triggerMethod=method)
    assert trigger_hit(stop, AAPL, D(str(trigger)), quote) is hit
    assert hits_needed(stop, AAPL) == needed


def test_options_go_by_two_quotes_unless_told_otherwise() -> None:
    """Their last price may be hours old."""
    option = next(one for one in default_catalogue() if one.sec_type == "OPT")
    assert hits_needed(spec("BUY", "STP", auxPrice=1.0), option) == 2
    assert hits_needed(spec("BUY", "STP", auxPrice=1.0, triggerMethod=2), option) == 1
