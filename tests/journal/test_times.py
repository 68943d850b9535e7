"""Moments as text."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.journal.times import from_text, to_text

ZONES = st.sampled_from((UTC, timezone(timedelta(hours=-5)), timezone(timedelta(hours=5, minutes=45))))
MOMENTS = st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1), timezones=ZONES)  # noqa: DTZ001 - bounds have no zone


@given(MOMENTS)
def test_a_moment_comes_back_to_the_microsecond(at: datetime) -> None:
    """Whatever its zone, and it is told in UTC."""
    back = from_text(to_text(at))
    assert back == at
    assert back.utcoffset() == timedelta(0)


@given(MOMENTS, MOMENTS)
def test_moments_sort_as_their_texts(one: datetime, other: datetime) -> None:
    """So that SQL can compare them."""
    assert (to_text(one) < to_text(other)) == (one < other)


def test_the_form_is_iso_8601_with_microseconds() -> None:
    """Also at a whole second, where isoformat would leave them out."""
    assert to_text(datetime(2026, 11, 21, 14, 31, 45, tzinfo=UTC)) == "2026-11-21T14:31:45.000000Z"


def test_a_moment_without_a_zone_is_taken_for_utc() -> None:
    """It never fails for it: recording must not raise."""
    assert to_text(datetime(2026, 11, 21, 14, 31, 45, 7)) == "2026-11-21T14:31:45.000007Z"  # noqa: DTZ001 - the point
