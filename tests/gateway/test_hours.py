"""Sessions, holidays, and times as clients write them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.hours import Calendar, from_eastern, moment_of

TUESDAY_TEN = 1_795_532_400.0  # 2026-11-24 10:00 in New York
HOUR = 3600


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("20261124 10:00:00 US/Eastern", 0),
        ("20261124 10:00:00", 0),
        ("20261124  10:00:00 America/New_York", 0),
        ("20261124 10:00", 0),
        ("20261124-15:00:00", 0),
        ("20261124 15:00:00 UTC", 0),
        ("20261124 09:00:00 US/Central", 0),
        ("20261124 07:00:00 America/Los_Angeles", 0),
        ("20261125 00:00:00 Asia/Tokyo", 0),
        ("20261124", -10 * HOUR),
        ("", None),
        ("tomorrow", None),
        ("20261324 10:00:00", None),
        ("20261124 10:00:00 Mars/Olympus", None),
        ("19691231 10:00:00", None),
        ("20261124-25:00:00", None),
        ("99991231 23:59:59 US/Pacific", None),
    ],
)
def test_times_are_read_in_every_form(text: str, wanted: float | None) -> None:
    """With or without a zone, in UTC with a dash, or a date alone; nonsense is no time."""
    assert moment_of(text) == (None if wanted is None else TUESDAY_TEN + wanted)


def test_a_date_may_mean_its_end() -> None:
    """Good till a day means the whole day."""
    assert moment_of("20261124", end_of_day=True) == TUESDAY_TEN + 14 * HOUR - 1


@given(
    st.integers(0, 7 * 365 * 86_400).map(
        lambda s: datetime.fromisoformat("2025-01-01") + timedelta(seconds=s)
    )
)
def test_new_york_time_and_back(wall: datetime) -> None:
    """Exact all year, but for the hour that the spring skips."""
    back = eastern(from_eastern(wall))
    assert back == wall or (wall.month == 3 and wall.hour == 2 and back == wall + timedelta(hours=1))


@pytest.mark.parametrize(
    ("sec_type", "wall", "regular", "outside"),
    [
        ("STK", "2026-11-24 09:29:59", False, True),
        ("STK", "2026-11-24 09:30:00", True, True),
        ("STK", "2026-11-24 15:59:59", True, True),
        ("STK", "2026-11-24 16:00:00", False, True),
        ("STK", "2026-11-24 20:00:00", False, False),
        ("STK", "2026-11-26 12:00:00", False, False),
        ("STK", "2026-11-28 12:00:00", False, False),
        ("OPT", "2026-11-24 16:00:00", False, False),
        ("FUT", "2026-11-22 17:59:59", False, False),
        ("FUT", "2026-11-22 18:00:00", True, True),
        ("FUT", "2026-11-23 17:30:00", False, False),
        ("FUT", "2026-11-23 03:00:00", True, True),
        ("CASH", "2026-11-23 17:14:59", False, False),
        ("CASH", "2026-11-23 17:15:00", True, True),
        ("IND", "2026-11-24 12:00:00", True, True),
        ("STK", "2026-11-27 12:59:59", True, True),
        ("STK", "2026-11-27 13:00:00", False, True),
        ("STK", "2026-11-27 17:00:00", False, False),
        ("OPT", "2026-12-24 13:00:00", False, False),
        ("FUT", "2026-11-27 13:14:59", True, True),
        ("FUT", "2026-11-27 13:15:00", False, False),
        ("CASH", "2026-11-27 16:59:59", True, True),
    ],
)
def test_sessions(sec_type: str, wall: str, regular: bool, outside: bool) -> None:
    """Regular and longer hours of each kind, also on short days; a future's day begins the evening before."""
    moment = from_eastern(datetime.fromisoformat(wall))
    calendar = Calendar()
    assert calendar.is_open(sec_type, moment, outside=False) is regular
    assert calendar.is_open(sec_type, moment, outside=True) is outside


@given(st.floats(1_770_000_000, 1_900_000_000), st.sampled_from(["STK", "OPT", "FUT", "CASH"]))
def test_a_session_always_lies_ahead(moment: float, sec_type: str) -> None:
    """It ends after the moment asked for, its boundaries are in order, and the next one follows it."""
    session = Calendar().session(sec_type, moment)
    assert session.ends > moment
    assert list(session.boundaries()) == sorted(session.boundaries())
    assert Calendar().session(sec_type, session.ends).starts >= session.ends


def test_hours_out_of_order_are_refused() -> None:
    """And so are hours without those of stocks, which hold for all others."""
    with pytest.raises(InvalidInput, match="not in order"):
        Calendar({"STK": (9.5, 4.0, 16.0, 20.0)})
    with pytest.raises(InvalidInput, match="STK"):
        Calendar({"FUT": (1.0, 1.0, 2.0, 2.0)})
