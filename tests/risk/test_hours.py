"""Hours in which orders are allowed: wall time of a zone, days of the week, spans over midnight."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.risk import TradingHours
from ibkr_core.risk.hours import WEEKDAYS

REGULAR = TradingHours("09:30", "16:00")
GLOBEX = TradingHours("18:00", "17:00", days=("sunday", "monday", "tuesday", "wednesday", "thursday"))
NEW_YORK = ZoneInfo("America/New_York")


def at(text: str) -> datetime:
    """A moment in New York, told in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK).astimezone(UTC)


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-20 09:29:59.999999", False),
        ("2026-11-20 09:30:00", True),
        ("2026-11-20 15:59:59.999999", True),
        ("2026-11-20 16:00:00", False),
        ("2026-11-21 12:00:00", False),  # a Saturday
        ("2026-07-01 09:30:00", True),  # four hours behind UTC, not five
        ("2026-03-09 09:30:00", True),  # the Monday after the clocks went forward
    ],
)
def test_a_span_of_a_day(moment: str, is_open: bool) -> None:
    """From its start to just before its end, by the zone's clock, on its days."""
    assert REGULAR.contains(at(moment)) is is_open


@pytest.mark.parametrize(
    ("moment", "is_open"),
    [
        ("2026-11-22 17:59:59", False),  # Sunday
        ("2026-11-22 18:00:00", True),
        ("2026-11-23 00:00:00", True),
        ("2026-11-23 16:59:59", True),
        ("2026-11-23 17:00:00", False),
        ("2026-11-26 18:00:00", True),  # Thursday evening belongs to Friday's session
        ("2026-11-27 16:59:00", True),
        ("2026-11-27 18:00:00", False),  # Friday evening
        ("2026-11-22 10:00:00", False),  # Sunday morning would belong to Saturday
    ],
)
def test_a_span_over_midnight(moment: str, is_open: bool) -> None:
    """It counts to the day on which it begins."""
    assert GLOBEX.contains(at(moment)) is is_open


def test_a_span_that_ends_where_it_begins_is_a_whole_day() -> None:
    """From Monday noon to Tuesday noon."""
    day = TradingHours(time(12), time(12), zone="UTC", days=("monday",))
    assert day.contains(datetime(2026, 11, 23, 12, tzinfo=UTC))
    assert day.contains(datetime(2026, 11, 24, 11, 59, 59, tzinfo=UTC))
    assert not day.contains(datetime(2026, 11, 23, 11, 59, 59, tzinfo=UTC))
    assert not day.contains(datetime(2026, 11, 24, 12, tzinfo=UTC))


@given(
    start=st.times(),
    end=st.times(),
    days=st.sets(st.sampled_from(WEEKDAYS), min_size=1),
    zone=st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo", "Australia/Lord_Howe"]),
    moment=st.integers(1_577_836_800, 1_893_456_000).map(lambda second: datetime.fromtimestamp(second, UTC)),
)
def test_against_spans_laid_out_one_by_one(
    start: time, end: time, days: set[str], zone: str, moment: datetime
) -> None:
    """Whoever writes each day's span as two wall times finds the same."""
    local = moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    found = False
    for back in (0, 1):
        day = local.date() - timedelta(days=back)
        begin = datetime.combine(day, start)
        finish = datetime.combine(day if start < end else day + timedelta(days=1), end)
        found |= WEEKDAYS[day.weekday()] in days and begin <= local < finish
    assert TradingHours(start, end, zone=zone, days=tuple(days)).contains(moment) is found


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        (("9.30", "16:00"), "start"),
        ((930, "16:00"), "start"),
        ((time(9, tzinfo=UTC), time(16)), "start"),
        (("09:30", "16:00", "New York"), "zone"),
        (("09:30", "16:00", None), "zone"),
        (("09:30", "16:00", "UTC", ("Monday",)), "days"),
        (("09:30", "16:00", "UTC", ()), "days"),
    ],
)
def test_what_is_no_span_is_refused(arguments: tuple[Any, ...], argument: str) -> None:
    """With the argument at fault."""
    with pytest.raises(InvalidInput) as refused:
        TradingHours(*arguments)
    assert refused.value.argument == argument


def test_in_words() -> None:
    """As a refusal tells it."""
    assert str(TradingHours("09:30", "16:00", days=("monday",))) == "09:30-16:00 America/New_York monday"
