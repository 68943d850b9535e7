"""Prices and triggers, as arithmetic."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.pricing import first_stop, moving_limit, next_stop, trigger_hit, within
from tests.gateway.test_orders import build

D = Decimal
AAPL = default_catalogue().matches({"conId": 265598})[0]
QUOTE = Quote(bid=D(100), ask=D("100.10"), last=D("100.05"), bid_size=D(100), ask_size=D(100))


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
    assert trigger_hit(trail, stop, stop)
    assert not trigger_hit(trail, stop, best)


@given(st.sampled_from(["BUY", "SELL"]), st.integers(1, 999), st.integers(1, 999))
def test_a_touch_is_the_mirror_of_a_stop(action: str, price: int, trigger: int) -> None:
    """Both are hit at their price; elsewhere exactly one of them is."""
    stop = spec(action, "STP", auxPrice=trigger)
    touch = spec(action, "MIT", auxPrice=trigger)
    hits = trigger_hit(stop, D(trigger), D(price)), trigger_hit(touch, D(trigger), D(price))
    assert sum(hits) == (2 if price == trigger else 1)
