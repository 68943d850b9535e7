"""The simulated market: a seeded walk, and prices by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
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


def test_the_ladder_is_made_when_somebody_looks() -> None:
    """It stands around the quote, best first, and looking at it changes no price to come."""
    seen, unseen = market(seed=3), market(seed=3)
    for step in range(1, 20):
        seen.catch_up(step * 0.25)
        bids, asks = (seen.book.levels(side) for side in ("BUY", "SELL"))
        assert (bids[0], asks[0]) == (
            (seen.quote.bid, seen.quote.bid_size),
            (seen.quote.ask, seen.quote.ask_size),
        )
        assert len(bids) == len(asks) == 20
    unseen.catch_up(19 * 0.25)
    assert unseen.quote == seen.quote
    assert [unseen.book.levels(side) for side in ("BUY", "SELL")] == [bids, asks]


def test_a_cheap_thing_has_no_bids_below_zero() -> None:
    """A ladder ends where prices do."""
    penny = attrs.evolve(AAPL, reference_price=D("0.05"))
    one = Market(penny, seed=1, settings=MarketSettings(), now=0.0, on_change=lambda _: None)
    assert [price for price, _ in one.book.levels("BUY")] == [D(cents) / 100 for cents in (5, 4, 3, 2, 1)]


def test_what_is_taken_is_missed_and_comes_back() -> None:
    """The best price moves away at once; half of what is missing is back with each step."""
    one = market(max_step_ticks=0, interval_s=1.0)
    first = one.quote
    while one.quote.ask == first.ask:
        assert one.take("BUY", D(100), None) is not None
    assert one.quote.bid == first.bid
    assert one.catch_up(10.0)
    assert one.quote.ask - one.quote.bid <= D("0.02")


def test_half_of_what_is_missing_comes_back_with_each_step() -> None:
    """Beside a market of the same seed that nobody touched, level by level."""
    touched, twin = (market(seed=5, max_step_ticks=0, interval_s=1.0, max_lots=64) for _ in range(2))
    price, missing = touched.quote.ask, int(touched.quote.ask_size)
    assert touched.take("BUY", D(missing), None) is not None
    felt = 0
    for step in range(1, 9):
        assert touched.catch_up(float(step))
        assert twin.catch_up(float(step))
        missing = missing // 200 * 100
        ours, theirs = touched.book.crowd("SELL"), twin.book.crowd("SELL")
        wanted = theirs.pop(price, D(0))
        assert ours.pop(price, D(0)) == max(wanted - missing, 0)
        assert ours == theirs
        felt += min(wanted, D(missing)) > 0
    assert missing == 0
    assert felt >= 3, "there was something to be missed"
    assert touched.quote == twin.quote


def test_others_who_trade_among_themselves_leave_the_crowd_as_it_is() -> None:
    """What a step shows is what is there after its trade."""
    one, twin = market(seed=5), market(seed=5)
    one.catch_up(0.25)
    twin.catch_up(0.25)
    assert one.take("SELL", D(50), None, by_crowd=True) is not None
    assert one.quote.bid_size == twin.quote.bid_size - 50
    one.settle()
    assert (one.quote.bid_size, one.book.levels("BUY")) == (twin.quote.bid_size, twin.book.levels("BUY"))


def test_a_trade_between_orders_moves_the_last_price_alone() -> None:
    """It is printed; the crowd's quote does not know of it."""
    one = market()
    one.set_quote(bid=D(100), ask=D("100.10"))
    one.rest(7, "SELL", D("100.05"), D(30), slice_size=D(0), hidden=False)
    before, prints = one.quote, one.prints
    trade = one.take("BUY", D(50), None)
    assert trade is not None
    assert (trade.maker, trade.price, trade.quantity) == (7, D("100.05"), 30)
    assert one.quote == attrs.evolve(before, last=D("100.05"))
    assert (one.prints, one.has_orders) == (prints + 1, False)


def test_what_is_shown_has_our_orders_in_it() -> None:
    """Displayed ones only; an order inside the spread is the best price."""
    one = market()
    one.set_quote(bid=D(100), ask=D("100.10"), bid_size=D(5), ask_size=D(5))
    assert one.shown is one.quote
    one.rest(7, "BUY", D("100.02"), D(30), slice_size=D(20), hidden=False)
    one.rest(8, "SELL", D("100.10"), D(30), slice_size=D(0), hidden=False)
    one.rest(9, "SELL", D("100.05"), D(30), slice_size=D(0), hidden=True)
    shown = one.shown
    assert (shown.bid, shown.bid_size, shown.ask, shown.ask_size) == (D("100.02"), 20, D("100.10"), 35)
    assert one.resting_price(7) == D("100.02")
    one.withdraw(7)
    assert (one.resting_price(7), one.place_of(7), one.shown.bid) == (None, None, 100)


@pytest.mark.parametrize(
    ("bids", "asks"),
    [
        ([], [(101, 1)]),
        ([(100, 1)], []),
        ([(100, 1), (100, 1)], [(101, 1)]),
        ([(100, 1)], [(102, 1), (101, 1)]),
        ([(100, 0)], [(101, 1)]),
        ([(101, 1)], [(101, 1)]),
    ],
)
def test_a_book_that_makes_no_sense_changes_nothing(
    bids: list[tuple[int, int]], asks: list[tuple[int, int]]
) -> None:
    """A side that is empty or out of order, an empty level, sides that cross."""
    one = market()
    before = one.quote
    with pytest.raises(InvalidInput):
        one.set_book(
            bids=[(D(price), D(size)) for price, size in bids],
            asks=[(D(price), D(size)) for price, size in asks],
        )
    assert (one.quote, one.frozen) == (before, False)


@pytest.mark.parametrize(
    ("price", "action"), [("100.00", "SELL"), ("100.10", "BUY"), ("100.06", "BUY"), ("100.05", "SELL")]
)
def test_who_came_to_whom(price: str, action: str) -> None:
    """At the quote its side tells; between, a price above the last one was a buyer's."""
    one = market()
    one.set_quote(bid=D(100), ask=D("100.10"), last=D("100.05"))
    assert one.aggressor(D(price)) == action


def test_speed_makes_steps_shorter() -> None:
    """Four times as fast, four times as many steps in the same time."""
    fast = market(speed=4.0, interval_s=1.0)
    assert fast.interval_s == 0.25
    assert fast.steps_due(1.0) == 4


@pytest.mark.parametrize("by_hand", [True, False])
def test_a_market_is_recalled_as_it_stood(by_hand: bool) -> None:
    """A book that was set stands as it did, level by level; a walking one gathers around its quote."""
    old, new = market(seed=1), market(seed=2)
    old.catch_up(5.0)
    if by_hand:
        old.set_book(bids=[(D(100), D(5)), (D(99), D(6))], asks=[(D(101), D(7))])
        old.take("SELL", D(2), None)
    new.recall(old.memory(), 0.0, "luck")
    assert new.quote == old.quote
    assert (new.prints, new.volume, new.frozen) == (old.prints, old.volume, by_hand)
    if by_hand:
        assert [new.book.levels(side) for side in ("BUY", "SELL")] == [[(100, 3), (99, 6)], [(101, 7)]]
    else:
        assert new.book.levels("SELL", 1) == [(old.quote.ask, old.quote.ask_size)]
