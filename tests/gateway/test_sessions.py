"""Trading days and the texts of moments."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import islice

from ibkr_core.gateway.instruments import Instrument, default_catalogue
from ibkr_core.gateway.sessions import (
    day_session,
    hours_text,
    moment_text,
    sessions_back,
)

CATALOGUE = default_catalogue()


def instrument(con_id: int) -> Instrument:
    found = CATALOGUE.by_id(con_id)
    assert found is not None
    return found


APPLE, EURO = instrument(265598), instrument(12087792)
(FUTURE,) = CATALOGUE.matches({"localSymbol": "ESZ6"})


def utc(*parts: int) -> float:
    return datetime(*parts, tzinfo=UTC).timestamp()  # type: ignore[misc, arg-type]


def test_a_moment_is_written_in_new_york_time() -> None:
    """Summer and winter."""
    assert moment_text(utc(2026, 11, 24, 15)) == "20261124 10:00:00 US/Eastern"
    assert moment_text(utc(2026, 7, 1, 14)) == "20260701 10:00:00 US/Eastern"


def test_sessions_of_each_kind() -> None:
    """A stock's regular day lies within its long one; a future begins on the evening before."""
    day = date(2026, 11, 24)
    stock = day_session(APPLE, day, regular=True)
    assert stock is not None
    assert (stock.opens, stock.closes) == (utc(2026, 11, 24, 14, 30), utc(2026, 11, 24, 21))
    longer = day_session(APPLE, day, regular=False)
    assert longer is not None
    assert (longer.opens, longer.closes) == (utc(2026, 11, 24, 9), utc(2026, 11, 25, 1))
    future = day_session(FUTURE, day, regular=False)
    assert future is not None
    assert future.opens == utc(2026, 11, 23, 23)
    assert day_session(EURO, day, regular=True) == day_session(EURO, day, regular=False)
    assert day_session(APPLE, date(2026, 11, 21), regular=True) is None
    assert day_session(APPLE, date(2026, 11, 26), regular=True) is None  # Thanksgiving


def test_sessions_back_are_the_latest_first() -> None:
    """The one that runs, then earlier ones; a weekend has none."""
    monday = utc(2026, 11, 23, 15)
    days = [one.day for one in islice(sessions_back(APPLE, monday, regular=True), 2)]
    assert days == [date(2026, 11, 23), date(2026, 11, 20)]
    before = next(sessions_back(APPLE, utc(2026, 11, 23, 14), regular=True))
    assert before.day == date(2026, 11, 20)


def test_hours_are_told_for_the_coming_days() -> None:
    """As contract details give them."""
    told = hours_text(FUTURE, utc(2026, 11, 27, 15), regular=False).split(";")
    assert told[:3] == ["20261126:1800-20261127:1315", "20261128:CLOSED", "20261129:CLOSED"]
    assert len(told) == 6
