"""The manual clock, the scheduler, and the broker's time texts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.clock import (
    ManualClock,
    Scheduler,
    day_text,
    eastern,
    eastern_text,
    next_opening_text,
    parse_time,
)


def test_a_manual_clock_moves_only_when_told() -> None:
    """It starts where it is put, goes forward, and refuses to go back."""
    clock = ManualClock(100.0)
    assert [clock(), clock.advance(2.5), clock(), clock.advance_to(50.0), clock.advance_to(200.0)] == [
        100.0, 102.5, 102.5, 102.5, 200.0,
    ]  # fmt: skip
    with pytest.raises(InvalidInput, match="never goes back"):
        clock.advance(-1)


def test_a_manual_clock_starts_in_trading_hours() -> None:
    """The default is ten in the morning in New York, on a weekday."""
    start = eastern(ManualClock()())
    assert (start.hour, start.weekday() < 5) == (10, True)


def test_the_scheduler_runs_by_moment_and_then_by_arrival() -> None:
    """What is due earlier comes earlier; equals keep their order; the future waits."""
    scheduler, done = Scheduler(), []
    for moment, name in ((2.0, "b"), (1.0, "a"), (2.0, "c"), (9.0, "later")):
        scheduler.at(moment, lambda name=name: done.append(name))
    while (due := scheduler.pop_due(2.0)) is not None:
        due[1]()
    assert done == ["a", "b", "c"]
    assert scheduler.next_due() == 9.0


def _new_york() -> ZoneInfo:
    try:
        return ZoneInfo("America/New_York")
    except ZoneInfoNotFoundError:
        pytest.skip("this machine has no zone database to compare with")


@given(st.integers(0, 30 * 365 * 24 * 60))
def test_new_york_time_agrees_with_the_zone_database(minutes: int) -> None:
    """Our written-out rule is that of the zone database, for every minute from 2010 to 2040."""
    moment = datetime(2010, 1, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    assert eastern(moment.timestamp()) == moment.astimezone(_new_york()).replace(tzinfo=None)


@pytest.mark.parametrize(
    ("utc", "text"),
    [
        ("2026-03-08 06:59:59", "20260308 01:59:59 US/Eastern"),
        ("2026-03-08 07:00:00", "20260308 03:00:00 US/Eastern"),
        ("2026-11-01 05:59:59", "20261101 01:59:59 US/Eastern"),
        ("2026-11-01 06:00:00", "20261101 01:00:00 US/Eastern"),
        ("2026-11-21 02:00:00", "20261120 21:00:00 US/Eastern"),
    ],
)
def test_execution_times_change_with_the_season(utc: str, text: str) -> None:
    """The form of TWS facts 3, right on both sides of both changes of the clock."""
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()
    assert eastern_text(moment) == text
    assert day_text(moment) == text[:8]


@pytest.mark.parametrize(
    ("utc", "opening"),
    [
        ("2026-11-24 14:29:59", "2026-11-24 09:30:00 US/Eastern"),
        ("2026-11-24 14:30:00", "2026-11-25 09:30:00 US/Eastern"),
        ("2026-11-20 22:00:00", "2026-11-23 09:30:00 US/Eastern"),
    ],
)
def test_the_next_opening_is_on_a_weekday(utc: str, opening: str) -> None:
    """Half past nine in New York, after the weekend if need be."""
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC).timestamp()
    assert next_opening_text(moment) == opening


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("20261120 09:30:00", "20261120 09:30:00"),
        ("20261120  09:30:00 US/Eastern", "20261120 09:30:00"),
        ("20261120-14:30:00", "20261120 09:30:00"),
        ("yesterday", None),
        ("", None),
    ],
)
def test_filter_times_come_in_two_forms(text: str, meant: str | None) -> None:
    """New York time with blanks, UTC with a dash (TWS facts 3); anything else is no time."""
    assert parse_time(text) == meant
