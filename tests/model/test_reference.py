"""Reference data: hours, price steps, quotes."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Action
from ibkr_core.model.reference import (
    ContractDetails,
    Greeks,
    MarketRule,
    OptionChain,
    PriceStep,
    Quote,
    TradingHours,
    TradingSession,
    parse_day,
)

STOCK = Contract.stock("AAPL")
NOON = datetime(2026, 11, 23, 17, 0, tzinfo=UTC)


def rule(*steps: tuple[str, str]) -> MarketRule:
    return MarketRule(7, tuple(PriceStep(Decimal(edge), Decimal(step)) for edge, step in steps))


PENNY_PILOT = rule(("0", "0.01"), ("3", "0.05"))
ODD_EDGES = rule(("0", "0.03"), ("1", "0.07"), ("5", "0.5"))
"""Edges that lie on no grid."""

FINEST = Decimal("0.0001")
INCREMENTS = st.sampled_from(
    [Decimal(text) for text in ("0.0001", "0.005", "0.01", "0.03", "0.05", "0.25", "1")]
)


@st.composite
def rules(draw: st.DrawFn) -> MarketRule:
    """Rules as exchanges have them: steps grow with the price, by bands that are wider than their steps."""
    edges = sorted({Decimal(0), *draw(st.lists(st.integers(1, 500).map(Decimal), max_size=4))})
    steps = sorted(draw(st.lists(INCREMENTS, min_size=len(edges), max_size=len(edges))))
    return MarketRule(1, tuple(PriceStep(edge, step) for edge, step in zip(edges, steps, strict=True)))


PRICES = st.decimals(Decimal(-1000), Decimal(1000), places=5)


def band(of: MarketRule, price: Decimal) -> Decimal:
    """The step at a price, looked up by hand."""
    found = of.steps[0].increment
    for step in of.steps:
        if step.low_edge <= abs(price):
            found = step.increment
    return found


def on_grid(of: MarketRule, price: Decimal) -> bool:
    """Whether a price is on the grid, in fractions."""
    return (Fraction(price) / Fraction(band(of, price))).denominator == 1


# ── price steps ─────────────────────────────────────────────────────────────────────────────────


@given(rules(), PRICES)
def test_a_price_is_valid_when_it_is_a_multiple_of_its_bands_step(of: MarketRule, price: Decimal) -> None:
    """Fractions say the same."""
    assert of.is_valid(price) == on_grid(of, price)
    assert of.increment_at(price) == band(of, price)


@given(rules(), PRICES, st.sampled_from([*Action, None]))
def test_a_rounded_price_is_on_the_grid(of: MarketRule, price: Decimal, side: Action | None) -> None:
    """And rounding it again changes nothing."""
    rounded = of.round(price, side)
    assert on_grid(of, rounded)
    assert of.round(rounded, side) == rounded


@given(rules(), PRICES)
def test_rounding_never_gives_a_worse_price(of: MarketRule, price: Decimal) -> None:
    """A buyer pays no more than they said, a seller gets no less; and by less than one step of the grid."""
    low, high = of.round(price, "BUY"), of.round(price, Action.SELL)
    assert low <= price <= high
    widest = max(step.increment for step in of.steps)
    assert high - low <= 2 * widest
    assert of.is_valid(price) == (low == high == price)


@given(rules(), PRICES, st.data())
def test_nothing_on_the_grid_lies_between(of: MarketRule, price: Decimal, data: st.DataObject) -> None:
    """The rounded prices are the nearest ones on either side: every step is a multiple of FINEST."""
    low, high = of.round(price, "BUY"), of.round(price, "SELL")
    between = int((high - low) / FINEST) - 1
    if between > 0:
        assert not on_grid(of, low + data.draw(st.integers(1, between)) * FINEST)


@given(rules(), PRICES)
def test_the_nearest_price_is_one_of_the_two(of: MarketRule, price: Decimal) -> None:
    """Without a side the nearer of both, the lower one when they are as near."""
    low, high = of.round(price, "BUY"), of.round(price, "SELL")
    assert of.round(price) == (low if price - low <= high - price else high)


@pytest.mark.parametrize(
    ("of", "price", "buy", "sell"),
    [
        (PENNY_PILOT, "2.996", "2.99", "3.00"),
        (PENNY_PILOT, "3.00", "3.00", "3.00"),
        (PENNY_PILOT, "3.01", "3.00", "3.05"),
        (PENNY_PILOT, "-3.01", "-3.05", "-3.00"),
        (ODD_EDGES, "1.00", "0.99", "1.05"),
        (ODD_EDGES, "0.995", "0.99", "1.05"),
        (ODD_EDGES, "4.99", "4.97", "5.0"),
        (ODD_EDGES, "0", "0", "0"),
    ],
)
def test_rounding_over_the_edges_of_bands(of: MarketRule, price: str, buy: str, sell: str) -> None:
    """Each result is on the grid of the band that it lies in."""
    assert of.round(price, "BUY") == Decimal(buy)
    assert of.round(price, "SELL") == Decimal(sell)


def test_steps_may_come_in_any_order() -> None:
    """They are put in order."""
    assert rule(("3", "0.05"), ("0", "0.01")) == PENNY_PILOT


def test_a_single_step_makes_a_rule() -> None:
    """For instruments of which the broker tells no rule."""
    assert MarketRule.of_step("0.25").round("100.1", "SELL") == Decimal("100.25")


@given(rules(), PRICES, st.sampled_from([1, 10, 100]))
def test_a_scaled_rule_is_the_same_grid_in_other_units(of: MarketRule, price: Decimal, factor: int) -> None:
    """Dollars or cents, the same prices are on it."""
    scaled = of.scaled(factor)
    assert scaled.is_valid(price * factor) == of.is_valid(price)
    assert scaled.round(price * factor, "BUY") == of.round(price, "BUY") * factor
    assert scaled.finest == of.finest * factor


@pytest.mark.parametrize("steps", [(), (("0", "0"),), (("0", "-0.01"),), (("0", "NaN"),), (("NaN", "1"),)])
def test_a_rule_without_a_usable_step_is_refused(steps: tuple[tuple[str, str], ...]) -> None:
    """Nothing could be rounded with it."""
    with pytest.raises(InvalidInput, match="steps"):
        rule(*steps)


@pytest.mark.parametrize("price", ["abc", float("nan"), float("inf"), None, True])
def test_a_price_that_is_none_is_refused(price: Any) -> None:
    """By name."""
    for ask in (PENNY_PILOT.round, PENNY_PILOT.is_valid, PENNY_PILOT.increment_at):
        with pytest.raises(InvalidInput, match="price"):
            ask(price)


def test_a_side_that_is_none_is_refused() -> None:
    """By name."""
    with pytest.raises(InvalidInput, match="side"):
        PENNY_PILOT.round("1", "HOLD")


# ── hours ───────────────────────────────────────────────────────────────────────────────────────

WEEK = "20261123:0930-20261123:1600;20261124:0930-20261124:1600;20261125:0930-20261125:1300;20261126:CLOSED"


def eastern(text: str) -> datetime:
    """A New York wall time of winter."""
    return datetime.strptime(text, "%Y%m%d %H:%M").replace(tzinfo=timezone(timedelta(hours=-5)))


@pytest.mark.parametrize("zone", ["US/Eastern", "America/New_York", "EST (Eastern Standard Time)", "EST"])
@pytest.mark.parametrize(
    ("at", "is_open"),
    [
        ("20261123 09:29", False),
        ("20261123 09:30", True),
        ("20261123 15:59", True),
        ("20261123 16:00", False),
        ("20261125 12:59", True),
        ("20261125 13:00", False),
        ("20261126 10:00", False),
    ],
)
def test_hours_are_read_in_their_zone(zone: str, at: str, is_open: bool) -> None:
    """A session includes its first moment and not its last; gateways name the zone in several ways."""
    hours = TradingHours.parse(WEEK, zone)
    assert hours.is_known
    assert hours.is_open(eastern(at)) is is_open
    assert hours.covers(eastern(at))


def test_a_day_of_which_nothing_was_told_is_not_covered() -> None:
    """So that nobody takes it for closed."""
    hours = TradingHours.parse(WEEK, "US/Eastern")
    assert not hours.covers(eastern("20261127 10:00"))
    assert hours.next_opening(eastern("20261124 20:00")) == eastern("20261125 09:30")
    assert hours.next_opening(eastern("20261125 20:00")) is None


def test_a_session_that_began_on_the_evening_before() -> None:
    """As futures have it."""
    hours = TradingHours.parse("20261122:1800-20261123:1700;20261123:1800-20261124:1700", "US/Eastern")
    assert [s.opens for s in hours.sessions] == [eastern("20261122 18:00"), eastern("20261123 18:00")]
    assert hours.is_open(eastern("20261122 23:00"))
    assert not hours.is_open(eastern("20261123 17:30"))


def test_the_form_of_old_gateways() -> None:
    """One day for each part, several spans behind commas, and a session that ends before it begins."""
    hours = TradingHours.parse("20261123:0930-1200,1300-1600;20261124:1700-1600", "US/Eastern")
    assert hours.sessions == (
        TradingSession(eastern("20261123 09:30"), eastern("20261123 12:00")),
        TradingSession(eastern("20261123 13:00"), eastern("20261123 16:00")),
        TradingSession(eastern("20261123 17:00"), eastern("20261124 16:00")),
    )


def test_a_session_to_midnight() -> None:
    """Written 2400, as some are."""
    [session] = TradingHours.parse("20261123:0000-2400", "UTC").sessions
    assert session.closes - session.opens == timedelta(days=1)


def test_the_night_of_the_clock_change_counts_in_real_hours() -> None:
    """On 8 March 2026 New York lost an hour."""
    [session] = TradingHours.parse("20260308:0000-20260308:0600", "US/Eastern").sessions
    assert session.closes - session.opens == timedelta(hours=5)


@pytest.mark.parametrize("zone", ["", "Nowhere/Special", "../etc"])
def test_an_unknown_zone_is_no_closed_market(zone: str) -> None:
    """Nothing is said then about any day."""
    hours = TradingHours.parse(WEEK, zone)
    assert not hours.is_known
    assert not hours.covers(eastern("20261123 10:00"))
    assert hours.sessions == ()


@given(st.text(max_size=60), st.sampled_from(["US/Eastern", "JST", "x"]))
def test_no_text_breaks_the_reading_of_hours(text: str, zone: str) -> None:
    """What cannot be read is left out."""
    hours = TradingHours.parse(text, zone)
    assert all(session.opens < session.closes for session in hours.sessions)


@given(st.from_regex(r"(\d{8}:\d{4}-(\d{8}:)?\d{4}[;,]){0,4}", fullmatch=True))
def test_no_numbers_break_the_reading_of_hours(text: str) -> None:
    """Nor do days and times that there are not."""
    hours = TradingHours.parse(text, "US/Eastern")
    assert all(session.opens < session.closes for session in hours.sessions)


def test_a_moment_without_a_zone_is_refused() -> None:
    """It could be any."""
    hours = TradingHours.parse(WEEK, "US/Eastern")
    for ask in (hours.is_open, hours.covers, hours.next_opening):
        with pytest.raises(InvalidInput, match="at: "):
            ask(datetime(2026, 11, 23, 10))  # noqa: DTZ001 - that is the point


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20261218", date(2026, 12, 18)),
        ("20261218 15:59 US/Eastern", date(2026, 12, 18)),
        ("202612", None),
        ("", None),
        ("20261340", None),
    ],
)
def test_days_are_read(text: str, day: date | None) -> None:
    """A month is no day."""
    assert parse_day(text) == day


# ── details ─────────────────────────────────────────────────────────────────────────────────────


def test_each_exchange_has_its_market_rule() -> None:
    """By its place in the list."""
    details = ContractDetails(contract=STOCK, exchanges=("SMART", "NYSE"), market_rule_ids=(26, 32))
    assert details.market_rule_id() == 26
    assert details.market_rule_id("NYSE") == 32
    assert details.market_rule_id("ARCA") is None


@pytest.mark.parametrize(
    ("multiplier", "magnifier", "value"), [("", 1, "1"), ("100", 1, "100"), ("5000", 100, "50")]
)
def test_what_a_point_is_worth(multiplier: str, magnifier: int, value: str) -> None:
    """Corn is traded in cents: a point of a contract of 5000 bushels is fifty dollars."""
    contract = Contract(symbol="ZC", sec_type="FUT", exchange="CBOT", multiplier=multiplier)
    assert ContractDetails(contract=contract, price_magnifier=magnifier).point_value == Decimal(value)


def test_days_to_expiry() -> None:
    """From a day to the last trading day."""
    details = ContractDetails(contract=STOCK, expires_on=date(2026, 12, 18))
    assert details.days_to_expiry(date(2026, 11, 23)) == 25
    assert ContractDetails(contract=STOCK).days_to_expiry(date(2026, 11, 23)) is None


# ── quotes ──────────────────────────────────────────────────────────────────────────────────────


def quote(**prices: str | None) -> Quote:
    values = {name: None if value is None else Decimal(value) for name, value in prices.items()}
    return Quote(contract=STOCK, at=NOON, **values)  # type: ignore[arg-type]


def test_the_midpoint_is_exact() -> None:
    """And unknown where a side is missing."""
    assert quote(bid="100.01", ask="100.02").midpoint == Decimal("100.015")
    assert quote(bid="100.01", ask="100.02").spread == Decimal("0.01")
    assert quote(bid="100.01").midpoint is None
    assert quote(ask="100.01").spread is None


@pytest.mark.parametrize(
    ("prices", "best"),
    [
        ({"bid": "10", "ask": "12", "last": "11.5", "close": "9"}, "11.5"),
        ({"bid": "10", "ask": "12", "last": "15", "close": "9"}, "11"),
        ({"bid": "10", "ask": "12", "close": "9"}, "11"),
        ({"bid": "10", "last": "11", "close": "9"}, "11"),
        ({"close": "9"}, "9"),
        ({}, None),
    ],
)
def test_the_best_guess_of_a_price(prices: dict[str, str], best: str | None) -> None:
    """A last trade that the market has left behind counts less than the market."""
    assert quote(**prices).price == (None if best is None else Decimal(best))


@pytest.mark.parametrize(("kind", "is_delayed"), [(1, False), (2, False), (3, True), (4, True)])
def test_delayed_prices_say_so(kind: int, is_delayed: bool) -> None:
    """By the type that the broker told."""
    assert Quote(contract=STOCK, at=NOON, market_data_type=kind).is_delayed is is_delayed


def test_reference_data_says_what_it_is() -> None:
    """One line for people: details, chains, rules, quotes and greeks."""
    at = datetime(2026, 11, 20, 14, 31, 45, tzinfo=UTC)
    aapl = Contract.stock("AAPL", con_id=265598)
    details = ContractDetails(contract=aapl, long_name="APPLE INC", min_tick=Decimal("0.01"))
    assert str(details) == "AAPL (STK, SMART, USD, #265598): APPLE INC, steps of 0.01"
    assert str(ContractDetails(contract=aapl)) == str(aapl)
    days, strikes = (date(2026, 12, 18), date(2027, 1, 15)), (Decimal(590), Decimal(600))
    chain = OptionChain("SMART", 265598, "AAPL", "100", days, strikes)
    assert str(chain) == (
        "AAPL on SMART, times 100: 2 expirations (2026-12-18 to 2027-01-15), 2 strikes (590 to 600)"
    )
    assert str(OptionChain("A", 1, "X", "100", (), ())) == "X on A, times 100: 0 expirations, 0 strikes"
    assert str(MarketRule.of_step("0.01")) == "steps of 0.01 from 0"
    greeks = Greeks(delta=Decimal("0.5"), implied_volatility=Decimal("0.25"))
    assert str(greeks) == "implied_volatility 0.25, delta 0.5"
    assert str(Greeks()) == "no greeks"
    quote = Quote(
        contract=aapl, at=at, bid=Decimal("189.9"), bid_size=Decimal(60), last=Decimal(190), greeks=greeks
    )
    assert str(quote) == (
        "AAPL bid 189.9 x 60, last 190, implied_volatility 0.25, delta 0.5 (2026-11-20 14:31:45 UTC)"
    )
    late = Quote(contract=aapl, at=at, market_data_type=3, is_complete=False)
    assert str(late) == (
        "AAPL no prices (2026-11-20 14:31:45 UTC, delayed, time ran out before all was told)"
    )
    assert "official" not in repr(details)
