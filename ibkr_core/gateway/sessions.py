"""The trading days of data: whose bars there are, and how answers write moments.

Every weekday but the holidays of :mod:`ibkr_core.gateway.holidays` is a trading day of New York time: a
full session, and within it the regular hours; on short days both end earlier. A future's day begins on the
evening before. Data keeps these hours whether or not the venue's own calendar closes it to orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import attrs

from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.holidays import is_holiday, is_short
from ibkr_core.gateway.hours import from_eastern, shortened
from ibkr_core.gateway.instruments import Instrument

__all__ = [
    "Session",
    "day_session",
    "full_day_s",
    "hours_text",
    "moment_text",
    "sessions_back",
]

ZONE = "US/Eastern"
_SATURDAY = 5
_HOUR = 3600
_DAYS_TOLD = 6
_FULL = {
    "STK": (4 * _HOUR, 20 * _HOUR),
    "FUT": (-6 * _HOUR, 17 * _HOUR),
    "CASH": (-6 * _HOUR - 45 * 60, 17 * _HOUR),
    "BOND": (8 * _HOUR, 17 * _HOUR),
}
_REGULAR_HOURS = 9 * _HOUR + 30 * 60, 16 * _HOUR
_REGULAR = {"CASH": _FULL["CASH"], "BOND": _FULL["BOND"]}


@attrs.frozen
class Session:
    """One trading day of one instrument.

    Attributes:
        day: The day that it belongs to.
        opens: Seconds since the epoch.
        closes: Seconds since the epoch.
    """

    day: date
    opens: float
    closes: float


def moment_text(moment: float) -> str:
    """``YYYYMMDD HH:MM:SS US/Eastern``."""
    return f"{eastern(moment):%Y%m%d %H:%M:%S} {ZONE}"


def day_session(instrument: Instrument, day: date, *, regular: bool) -> Session | None:
    """The session of a day; None on a weekend or a holiday.

    Args:
        instrument: What trades.
        day: The trading day.
        regular: Only regular hours.
    """
    if day.weekday() >= _SATURDAY or is_holiday(day):
        return None
    kind = instrument.sec_type
    (start, closes), full = _REGULAR.get(kind, _REGULAR_HOURS), _FULL.get(kind, _REGULAR_HOURS)
    ends = full[1]
    if is_short(day):
        last = closes if kind == "STK" else ends  # only stocks trade on after their close
        early, ends = (int(hour * _HOUR) for hour in shortened(kind, last / _HOUR, ends / _HOUR))
        closes = min(closes, early)
    start, end = (start, closes) if regular else (full[0], ends)
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - New York wall time has no zone here
    opens = from_eastern(midnight + timedelta(seconds=start))
    return Session(day, opens, from_eastern(midnight + timedelta(seconds=end)))


def full_day_s(instrument: Instrument) -> int:
    """Seconds of a full session that is not short."""
    start, end = _FULL.get(instrument.sec_type, _REGULAR_HOURS)
    return end - start


def sessions_back(instrument: Instrument, moment: float, *, regular: bool) -> Iterator[Session]:
    """Every session that had begun before a moment, the latest first, without end."""
    day = eastern(moment).date() + timedelta(days=1)
    while True:
        session = day_session(instrument, day, regular=regular)
        if session is not None and session.opens < moment:
            yield session
        day -= timedelta(days=1)


def hours_text(instrument: Instrument, now: float, *, regular: bool) -> str:
    """The coming days as contract details give them, days without trading as ``CLOSED``."""
    told = []
    for ahead in range(_DAYS_TOLD):
        day = eastern(now).date() + timedelta(days=ahead)
        session = day_session(instrument, day, regular=regular)
        if session is None:
            told.append(f"{day:%Y%m%d}:CLOSED")
        else:
            told.append(f"{eastern(session.opens):%Y%m%d:%H%M}-{eastern(session.closes):%Y%m%d:%H%M}")
    return ";".join(told)
