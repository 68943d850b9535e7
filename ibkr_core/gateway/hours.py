"""When things trade: sessions of each kind of instrument, and the broker's ways to write a moment.

The calendar is that of New York, for everything: every weekday but the holidays of
:mod:`ibkr_core.gateway.holidays`, and the short days before and after some of them. Times are those of New
York.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from types import MappingProxyType

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.holidays import is_holiday, is_short

__all__ = ["Calendar", "TradingSession", "from_eastern", "moment_of", "shortened"]

_FRIDAY = 4
_LONGEST_BREAK_DAYS = 10
_BOUNDARIES = "starts", "opens", "closes", "ends"
_FIRST_YEAR, _LAST_YEAR = 1971, 9000  # so that no zone leads out of what a datetime can hold
_OFFSETS_H = (4, 5)  # hours behind UTC, summer time first
# Hours behind UTC of zones that never change, and hours before New York time of those that change with it.
_FIXED = {"UTC": 0, "GMT": 0, "Z": 0, "Asia/Tokyo": -9, "Asia/Hong_Kong": -8, "Hongkong": -8, "Japan": -9}
_FROM_NEW_YORK = {
    "": 0, "US/Eastern": 0, "America/New_York": 0, "EST": 0, "EDT": 0, "EST5EDT": 0,
    "US/Central": 1, "America/Chicago": 1, "CST": 1,
    "US/Mountain": 2, "America/Denver": 2, "MST": 2,
    "US/Pacific": 3, "America/Los_Angeles": 3, "PST": 3,
}  # fmt: skip


def from_eastern(wall: datetime) -> float:
    """Seconds since the epoch of a New York wall time; one that the spring skips counts as winter time."""
    as_utc = wall.replace(tzinfo=UTC)
    for hours in _OFFSETS_H:
        moment = (as_utc + timedelta(hours=hours)).timestamp()
        if eastern(moment) == wall:
            return moment
    return (as_utc + timedelta(hours=_OFFSETS_H[-1])).timestamp()


def moment_of(text: str, *, end_of_day: bool = False) -> float | None:
    """Read a time as clients write it in ``goodAfterTime``, ``goodTillDate`` and conditions.

    Args:
        text: ``YYYYMMDD HH:MM:SS`` with an optional zone, by default New York; ``YYYYMMDD-HH:MM:SS`` in UTC;
            or ``YYYYMMDD`` alone.
        end_of_day: A date alone means the end of that day, not its beginning.

    Returns:
        Seconds since the epoch; None when the text is no time, or its zone is unknown.
    """
    words = text.split()
    if not words:
        return None
    if len(words) == 1 and "-" in text:
        parsed = _parsed(words[0], "%Y%m%d-%H:%M:%S")
        return None if parsed is None else parsed.replace(tzinfo=UTC).timestamp()
    if len(words) == 1:
        parsed = _parsed(words[0], "%Y%m%d")
        if parsed is None:
            return None
        return from_eastern(parsed + timedelta(days=1, seconds=-1) if end_of_day else parsed)
    parsed = _parsed(" ".join(words[:2]), "%Y%m%d %H:%M:%S") or _parsed(" ".join(words[:2]), "%Y%m%d %H:%M")
    return None if parsed is None else _in_zone(parsed, " ".join(words[2:]))


def _parsed(text: str, form: str) -> datetime | None:
    try:
        parsed = datetime.strptime(text, form)  # noqa: DTZ007 - the zone is applied by the caller
    except ValueError:
        return None
    return parsed if _FIRST_YEAR <= parsed.year <= _LAST_YEAR else None


def _in_zone(wall: datetime, zone: str) -> float | None:
    if zone in _FIXED:
        return (wall.replace(tzinfo=UTC) + timedelta(hours=_FIXED[zone])).timestamp()
    if zone in _FROM_NEW_YORK:
        return from_eastern(wall + timedelta(hours=_FROM_NEW_YORK[zone]))
    return None


@attrs.frozen(kw_only=True)
class TradingSession:
    """One trading day of one kind of instrument; all moments are seconds since the epoch.

    Attributes:
        starts: Orders marked outside-RTH may trade from here.
        opens: The opening auction; regular hours begin.
        closes: The closing auction; regular hours end, and so do orders of the day.
        ends: Orders of the day marked outside-RTH end.
    """

    starts: float
    opens: float
    closes: float
    ends: float

    def boundaries(self) -> tuple[float, float, float, float]:
        """All four moments, in order."""
        return self.starts, self.opens, self.closes, self.ends

    def is_open(self, moment: float, *, outside: bool) -> bool:
        """Whether a moment lies within it."""
        return self.starts <= moment < self.ends if outside else self.opens <= moment < self.closes


_HOURS = MappingProxyType({
    "STK": (4.0, 9.5, 16.0, 20.0),
    "OPT": (9.5, 9.5, 16.0, 16.0),
    "BAG": (9.5, 9.5, 16.0, 16.0),
    "FUT": (-6.0, -6.0, 17.0, 17.0),  # from six in the evening before
    "CASH": (-6.75, -6.75, 17.0, 17.0),
})  # fmt: skip


_SHORT_CLOSE = MappingProxyType({"STK": 13.0, "FUT": 13.25, "CASH": 24.0, "BOND": 24.0})
Hours = tuple[float, float, float, float]
"""Start, opening, close and end, in hours from midnight in New York."""


def _in_order(_: object, attribute: attrs.Attribute[Mapping[str, Hours]], value: Mapping[str, Hours]) -> None:
    if "STK" not in value:
        raise InvalidInput(attribute.name, "needs the hours of STK at least, which hold for all others")
    for name, (starts, opens, closes, ends) in value.items():
        if not starts <= opens < closes <= ends:
            raise InvalidInput(attribute.name, f"the hours of {name} are not in order")


@attrs.frozen
class Calendar:
    """When each kind of instrument trades.

    Attributes:
        hours: By security type: start, opening, close and end, in hours from midnight in New York. A type
            that is not named keeps the hours of ``STK``.
    """

    hours: Mapping[str, Hours] = attrs.field(default=_HOURS, validator=_in_order)

    def session(self, sec_type: str, moment: float) -> TradingSession:
        """The first session that ends after a moment: the one that runs, or else the next."""
        day = eastern(moment).replace(hour=0, minute=0, second=0, microsecond=0)
        hours = self.hours.get(sec_type, self.hours["STK"])
        for _ in range(_LONGEST_BREAK_DAYS):
            if day.weekday() <= _FRIDAY and not is_holiday(day.date()):
                starts, opens, closes, ends = hours
                if is_short(day.date()):
                    closes, ends = shortened(sec_type, closes, ends)
                moments = (from_eastern(day + timedelta(hours=one)) for one in (starts, opens, closes, ends))
                session = TradingSession(**dict(zip(_BOUNDARIES, moments, strict=True)))
                if session.ends > moment and session.opens < session.closes:
                    return session
            day += timedelta(days=1)
        raise AssertionError("no break of the calendar is so long")  # pragma: no cover

    def is_open(self, sec_type: str, moment: float, *, outside: bool) -> bool:
        """Whether an instrument trades at a moment.

        Args:
            sec_type: Its type.
            moment: Seconds since the epoch.
            outside: Whether hours outside the regular ones count.
        """
        return self.session(sec_type, moment).is_open(moment, outside=outside)


def shortened(sec_type: str, closes: float, ends: float) -> tuple[float, float]:
    """Close and end of a day on which the exchanges close early, of what they are on any other day.

    Stocks close at one instead of four, and what follows moves with it; futures end at a quarter past one,
    as those on American indices do. Currencies know no short days.

    Args:
        sec_type: What trades.
        closes: Hours from midnight.
        ends: Hours from midnight.
    """
    early = _SHORT_CLOSE.get(sec_type, _SHORT_CLOSE["STK"])
    moved = max(closes - early, 0.0)
    return closes - moved, ends - moved
