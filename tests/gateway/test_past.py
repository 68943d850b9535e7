"""The past of a price: one line, from which every bar is cut."""

from __future__ import annotations

from itertools import islice, pairwise

import pytest

from ibkr_core.gateway.clock import DEFAULT_START
from ibkr_core.gateway.instruments import Instrument, default_catalogue
from ibkr_core.gateway.past import Past
from ibkr_core.gateway.sessions import sessions_back

CATALOGUE = default_catalogue()
(APPLE,) = CATALOGUE.matches({"conId": 265598})
(FUTURE,) = CATALOGUE.matches({"localSymbol": "ESZ6"})
(EURO,) = CATALOGUE.matches({"conId": 12087792})


def past(instrument: Instrument = APPLE, seed: int = 1) -> Past:
    return Past(instrument, seed=seed, origin=DEFAULT_START)


@pytest.mark.parametrize("instrument", [APPLE, FUTURE, EURO])
@pytest.mark.parametrize("regular", [True, False])
@pytest.mark.parametrize("size_s", [5, 60, 300, 1800])
def test_small_bars_add_up_to_the_day(instrument: Instrument, regular: bool, size_s: int) -> None:
    """First price, highest, lowest, last and volume; and each bar begins where the one before ended."""
    one = past(instrument)
    day = list(islice(sessions_back(instrument, DEFAULT_START, regular=regular), 2))[1]
    whole = one.bar(day.opens, day.closes)
    starts = range(int(day.opens), int(day.closes), size_s)
    parts = [one.bar(start, min(start + size_s, day.closes)) for start in starts]
    assert (parts[0].open, parts[-1].close) == (whole.open, whole.close)
    assert max(part.high for part in parts) == whole.high
    assert min(part.low for part in parts) == whole.low
    assert sum(part.volume for part in parts) == whole.volume > 0
    assert all(first.close == second.open for first, second in pairwise(parts))
    assert all(part.low <= min(part.open, part.close) for part in parts)
    assert all(part.high >= max(part.open, part.close) for part in parts)
    assert whole.high > whole.low


def test_the_same_seed_has_the_same_past_in_any_order() -> None:
    """Whatever was asked before; another seed has another past."""
    days = list(islice(sessions_back(APPLE, DEFAULT_START, regular=True), 80))[1:]
    forward, back = past(), past()
    first = [forward.bar(day.opens, day.closes) for day in days]
    second = [back.bar(day.opens, day.closes) for day in reversed(days)]
    assert first == second[::-1]
    other = past(seed=2)
    assert [other.bar(day.opens, day.closes) for day in days] != first


def test_the_past_leads_to_the_opening_price() -> None:
    """The last made-up price is where the market begins, on the grid of ticks."""
    for instrument in (APPLE, FUTURE, EURO):
        one = past(instrument)
        assert one.price_at(DEFAULT_START) == float(instrument.reference_price)
        assert abs(one.price_at(DEFAULT_START - 1) / float(instrument.reference_price) - 1) < 0.01


def test_what_was_looked_at_is_remembered() -> None:
    """Between two looks the price lies on the line; after the last one it stays."""
    one = past()
    one.note(DEFAULT_START + 10, 300.0)
    one.note(DEFAULT_START + 20, 310.0)
    assert one.price_at(DEFAULT_START + 15) == 305.0
    assert one.price_at(DEFAULT_START + 99) == 310.0
    bar = one.bar(DEFAULT_START + 5, DEFAULT_START + 20)
    assert (bar.open, bar.high, bar.close) == (296.25, 310.0, 310.0)
    across = one.bar(DEFAULT_START - 60, DEFAULT_START + 20)
    assert (across.close, across.high) == (310.0, 310.0)
    assert across.open == one.price_at(DEFAULT_START - 60)


def test_a_price_that_stands_still_takes_no_room() -> None:
    """A gateway that runs for weeks remembers changes, not looks; and forgets the oldest."""
    one = past()
    for second in range(1000):
        one.note(DEFAULT_START + second, 300.0)
    assert len(one._prices) == 3
    for second in range(1000, 250_000):
        one.note(DEFAULT_START + second, 300.0 + second % 2)
    assert len(one._prices) <= 100_000
    assert one.price_at(DEFAULT_START + 249_999) == 301.0


def test_an_index_is_not_traded() -> None:
    """It has prices and no volume."""
    (index,) = CATALOGUE.matches({"conId": 416904})
    day = next(sessions_back(index, DEFAULT_START - 86_400, regular=True))
    bar = past(index).bar(day.opens, day.closes)
    assert bar.volume == 0
    assert bar.high > bar.low
