"""The simulated market: a seeded walk, and prices by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.market import Market, MarketSettings

AAPL = default_catalogue().matches({"conId": 265598})[0]
D = Decimal


def market(changes: list[Market] | None = None, seed: int = 1, **settings: Any) -> Market:
    heard = [] if changes is None else changes
    return Market(AAPL, seed=seed, settings=MarketSettings(**settings), now=0.0, on_change=heard.append)


@given(seed=st.integers(0, 1000), steps=st.integers(1, 200))
def test_the_walk_stays_a_market(seed: int, steps: int) -> None:
    """Bid below ask, prices on the grid, sizes above zero, and never far from where it began."""
    walking = market(seed=seed, max_step_ticks=50)
    for step in range(1, steps + 1):
        assert walking.catch_up(step * 0.25)
        quote = walking.quote
        assert 0 < quote.bid < quote.ask
        assert quote.last in {quote.bid, quote.ask}
        assert AAPL.on_tick(quote.bid)
        assert AAPL.on_tick(quote.ask)
        assert min(quote.bid_size, quote.ask_size) > 0
        assert AAPL.reference_price / 3 < quote.bid < AAPL.reference_price * 2


def test_the_walk_depends_on_seed_and_time_alone() -> None:
    """The same seed gives the same prices however often they are looked at; another seed others."""
    often, seldom, other = market(seed=1), market(seed=1), market(seed=2)
    for step in range(1, 101):
        often.catch_up(step * 0.1)
    seldom.catch_up(10.0)
    other.catch_up(10.0)
    assert often.quote == seldom.quote != other.quote


def test_a_long_silence_is_made_up_for_in_part() -> None:
    """The number of steps is bounded, and the next one is due in time."""
    walking = market(max_catch_up=3)
    assert walking.catch_up(1_000_000.0)
    assert not walking.catch_up(1_000_000.2)
    assert walking.catch_up(1_000_000.3)


def test_taking_eats_the_level() -> None:
    """No more than shown, at the level's price; then nothing until it is refilled."""
    one = market()
    one.set_quote(bid=D(100), ask=D("100.01"), ask_size=D(40))
    first = one.take("BUY", D(100), None)
    assert first is not None
    assert (first.price, first.quantity) == (D("100.01"), 40)
    assert one.quote.last == D("100.01")
    assert one.take("BUY", D(60), None) is None
    assert one.take("SELL", D(5), D(100)) is not None


def test_a_limit_keeps_the_price() -> None:
    """A worse level is not touched."""
    one = market()
    one.set_quote(bid=D(100), ask=D("100.01"))
    assert one.take("BUY", D(1), D(100)) is None
    assert one.take("SELL", D(1), D("100.01")) is None
    assert one.available("BUY", D("100.01")) > 0


def test_a_hand_set_price_stays_and_is_announced() -> None:
    """Setting freezes, drags the last price into the spread, and tells the exchange."""
    changes: list[Market] = []
    one = market(changes)
    one.set_quote(bid=D(90), ask=D("90.01"))
    assert one.quote.last == D("90.01")
    assert not one.catch_up(100.0)
    one.set_last(D(95))
    assert (one.quote.last, one.quote.bid, changes) == (95, 90, [one, one])


def test_a_thawed_market_walks_on_from_there() -> None:
    """Not back to where it began."""
    one = market()
    one.set_quote(bid=D(90), ask=D("90.01"))
    one.thaw(50.0)
    assert not one.catch_up(50.2)
    assert one.catch_up(50.25)
    assert abs(one.quote.bid - 90) <= D("0.02")


def test_a_still_market_never_moves() -> None:
    """With moves=False it keeps its opening quote and shows plenty."""
    one = market(moves=False)
    assert not one.catch_up(1e9)
    assert (one.quote.bid, one.quote.ask_size >= 10_000) == (AAPL.reference_price, True)
    one.freeze()
    assert one.frozen


@pytest.mark.parametrize(
    "wrong",
    [
        {"bid": D(100), "ask": D(100)},
        {"bid": D(101), "ask": D(100)},
        {"bid": D(99), "ask": D(100), "bid_size": D(-1)},
    ],
)
def test_a_quote_that_makes_no_sense_changes_nothing(wrong: dict[str, Decimal]) -> None:
    """A crossed market or a negative size is refused."""
    one = market()
    before = one.quote
    with pytest.raises(InvalidInput):
        one.set_quote(**wrong)
    assert one.quote == before
    assert not one.frozen
