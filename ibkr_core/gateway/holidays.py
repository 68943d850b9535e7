"""When the American exchanges rest, and when they close early: the rules of the New York exchange.

Rules rather than lists, so that they hold for any year; closings that no rule foresees stand in a list.
"""

from __future__ import annotations

import functools
from datetime import date, timedelta

__all__ = ["is_holiday", "is_short"]

_MONDAY, _THURSDAY, _SATURDAY, _SUNDAY = 0, 3, 5, 6
_JUNETEENTH_SINCE = 2022
_UNFORESEEN = frozenset({
    date(2012, 10, 29),  # a hurricane
    date(2012, 10, 30),
    date(2018, 12, 5),  # days of mourning for presidents
    date(2025, 1, 9),
})  # fmt: skip


def is_holiday(day: date) -> bool:
    """Whether the American exchanges rest, weekends aside."""
    return day in _holidays(day.year)  # a New Year on a Saturday is not kept on the Friday before


def is_short(day: date) -> bool:
    """Whether they close at one: before Independence day and Christmas, after Thanksgiving."""
    if day.weekday() >= _SATURDAY or is_holiday(day):
        return False
    after_thanksgiving = _weekday_of_month(day.year, 11, _THURSDAY, 4) + timedelta(days=1)
    return (day.month, day.day) in {(7, 3), (12, 24)} or day == after_thanksgiving


@functools.lru_cache(maxsize=64)
def _holidays(year: int) -> frozenset[date]:
    fixed = {_observed(date(year, month, day)) for month, day in ((7, 4), (12, 25))}
    if year >= _JUNETEENTH_SINCE:
        fixed.add(_observed(date(year, 6, 19)))
    new_year = date(year, 1, 1)
    fixed.add(new_year + timedelta(days=1) if new_year.weekday() == _SUNDAY else new_year)
    moving = {
        _weekday_of_month(year, 1, _MONDAY, 3),  # Martin Luther King
        _weekday_of_month(year, 2, _MONDAY, 3),  # Presidents
        _easter(year) - timedelta(days=2),  # Good Friday
        _weekday_of_month(year, 6, _MONDAY, 1) - timedelta(days=7),  # Memorial, the last Monday of May
        _weekday_of_month(year, 9, _MONDAY, 1),  # Labor
        _weekday_of_month(year, 11, _THURSDAY, 4),  # Thanksgiving
    }
    return frozenset(fixed | moving | {day for day in _UNFORESEEN if day.year == year})


def _observed(day: date) -> date:
    """A holiday on a Saturday is kept on Friday, one on a Sunday on Monday."""
    return day + timedelta(days={_SATURDAY: -1, _SUNDAY: 1}.get(day.weekday(), 0))


def _weekday_of_month(year: int, month: int, weekday: int, which: int) -> date:
    first = date(year, month, 1)
    return first + timedelta(days=(weekday - first.weekday()) % 7 + 7 * (which - 1))


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar, by the anonymous algorithm of 1876."""
    a, b, c = year % 19, year // 100, year % 100
    d, e = divmod(b, 4)
    g = (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    m = (32 + 2 * e + 2 * i - h - k) % 7
    n = (a + 11 * h + 22 * m) // 451
    month, day = divmod(h + m - 7 * n + 114, 31)
    return date(year, month, day + 1)
