"""When things trade, and the texts of moments that requests and answers carry.

Every weekday is a trading day of New York time: a full session, and within it the regular hours. There are no
holidays. A future's day begins on the evening before.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import attrs

from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.instruments import Instrument

__all__ = [
    "Session",
    "day_session",
    "hours_text",
    "moment_of",
    "moment_text",
    "parse_moment",
    "sessions_back",
]

ZONE = "US/Eastern"
_SATURDAY = 5
_HOUR = 3600
_OFFSETS = (4, 5)  # hours behind UTC, in summer and in winter
_DAYS_TOLD = 6
_UTC_NAMES = {"UTC", "GMT", "ETC/UTC", "ETC/GMT"}
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


def moment_of(wall: datetime) -> float:
    """Seconds since the epoch of a New York wall time; an hour that does not exist counts as winter time."""
    for hours in _OFFSETS:
        moment = (wall + timedelta(hours=hours)).replace(tzinfo=UTC).timestamp()
        if eastern(moment) == wall:
            return moment
    return (wall + timedelta(hours=_OFFSETS[-1])).replace(tzinfo=UTC).timestamp()


def parse_moment(text: str) -> float | None:
    """Read a moment as requests give it.

    Accepts ``YYYYMMDD HH:MM:SS`` with an optional zone and ``YYYYMMDD-HH:MM:SS``, which is UTC (TWS facts 3),
    and the day alone. A zone other than UTC is taken as New York.

    Returns:
        Seconds since the epoch, or None when the text is none of these.
    """
    words = text.split()
    zone = words[2].upper() if len(words) > 2 else ""  # noqa: PLR2004 - day, time, zone
    for form, source in (
        ("%Y%m%d-%H:%M:%S", text.strip()),
        ("%Y%m%d %H:%M:%S", " ".join(words[:2])),
        ("%Y%m%d", text.strip()),
    ):
        try:
            parsed = datetime.strptime(source, form)  # noqa: DTZ007 - the zone follows from the form
        except ValueError:
            continue
        if "-" in form or zone in _UTC_NAMES:
            return parsed.replace(tzinfo=UTC).timestamp()
        return moment_of(parsed)
    return None


def moment_text(moment: float) -> str:
    """``YYYYMMDD HH:MM:SS US/Eastern``."""
    return f"{eastern(moment):%Y%m%d %H:%M:%S} {ZONE}"


def day_session(instrument: Instrument, day: date, *, regular: bool) -> Session | None:
    """The session of a day; None on a weekend.

    Args:
        instrument: What trades.
        day: The trading day.
        regular: Only regular hours.
    """
    if day.weekday() >= _SATURDAY:
        return None
    full = _FULL.get(instrument.sec_type, _REGULAR_HOURS)
    start, end = _REGULAR.get(instrument.sec_type, _REGULAR_HOURS) if regular else full
    midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001 - New York wall time has no zone here
    opens = moment_of(midnight + timedelta(seconds=start))
    return Session(day, opens, moment_of(midnight + timedelta(seconds=end)))


def sessions_back(instrument: Instrument, moment: float, *, regular: bool) -> Iterator[Session]:
    """Every session that had begun before a moment, the latest first, without end."""
    day = eastern(moment).date() + timedelta(days=1)
    while True:
        session = day_session(instrument, day, regular=regular)
        if session is not None and session.opens < moment:
            yield session
        day -= timedelta(days=1)


def hours_text(instrument: Instrument, now: float, *, regular: bool) -> str:
    """The coming days as contract details give them, weekends as ``CLOSED``."""
    told = []
    for ahead in range(_DAYS_TOLD):
        day = eastern(now).date() + timedelta(days=ahead)
        session = day_session(instrument, day, regular=regular)
        if session is None:
            told.append(f"{day:%Y%m%d}:CLOSED")
        else:
            told.append(f"{eastern(session.opens):%Y%m%d:%H%M}-{eastern(session.closes):%Y%m%d:%H%M}")
    return ";".join(told)
