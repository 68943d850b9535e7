"""Trading days and the texts of moments."""

from __future__ import annotations

from datetime import UTC, date, datetime
from itertools import islice

import pytest

from ibkr_core.gateway.instruments import Instrument, default_catalogue
from ibkr_core.gateway.sessions import (
    day_session,
    hours_text,
    moment_of,
    moment_text,
    parse_moment,
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


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("20261124 10:00:00", utc(2026, 11, 24, 15)),
        ("20261124  10:00:00", utc(2026, 11, 24, 15)),
        ("20261124 10:00:00 US/Eastern", utc(2026, 11, 24, 15)),
        ("20260701 10:00:00 America/New_York", utc(2026, 7, 1, 14)),
        ("20261124 10:00:00 UTC", utc(2026, 11, 24, 10)),
        ("20261124-10:00:00", utc(2026, 11, 24, 10)),
        ("20261124", utc(2026, 11, 24, 5)),
        ("", None),
        ("yesterday", None),
        ("20261399 10:00:00", None),
    ],
)
def test_moments_are_read_in_every_form(text: str, moment: float | None) -> None:
    """The forms of TWS facts 3; New York unless it says UTC."""
    assert parse_moment(text) == moment


def test_a_moment_is_written_as_it_is_read() -> None:
    """There and back; an hour that the spring skips counts as winter time."""
    assert moment_text(utc(2026, 11, 24, 15)) == "20261124 10:00:00 US/Eastern"
    assert parse_moment(moment_text(utc(2026, 7, 1, 14))) == utc(2026, 7, 1, 14)
    assert moment_of(datetime(2026, 3, 8, 2, 30)) == utc(2026, 3, 8, 7, 30)  # noqa: DTZ001 - wall time


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
    assert told[:3] == ["20261126:1800-20261127:1700", "20261128:CLOSED", "20261129:CLOSED"]
    assert len(told) == 6
