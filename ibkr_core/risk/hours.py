"""Hours in which orders are allowed, in a zone's wall time."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.checks import check_moment

__all__ = ["WEEKDAYS", "TradingHours", "check_zone"]

WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_WORKDAYS: Final = WEEKDAYS[:5]


def _time(argument: str, value: object) -> time:
    if isinstance(value, str):
        try:
            value = time.fromisoformat(value)
        except ValueError:
            value = None
    if not isinstance(value, time) or value.tzinfo is not None:
        raise InvalidInput(argument, 'must be a time without a zone, such as time(9, 30) or "09:30"')
    return value


def _start(value: object) -> time:
    return _time("start", value)


def _end(value: object) -> time:
    return _time("end", value)


def _days(value: Iterable[str]) -> tuple[str, ...]:
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput("days", f"must be several days, not {value!r}")
    return tuple(value)


def check_zone(argument: str, name: object) -> None:
    """Raise unless a text names a time zone.

    Raises:
        InvalidInput: It does not.
    """
    try:
        ZoneInfo(name)  # type: ignore[arg-type]  # checked here
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise InvalidInput(argument, f"is no time zone: {name!r}") from error


@attrs.frozen
class TradingHours:
    """A span of wall time on some days of the week; the end itself is outside.

    A span whose end is not later than its start reaches into the next day, and counts to the day on which it
    begins: ``TradingHours("18:00", "17:00", days=("sunday",))`` ends on Monday.

    Attributes:
        start: The beginning.
        end: The end.
        zone: The time zone's name.
        days: ``monday`` to ``sunday``; Monday to Friday by default.

    Raises:
        InvalidInput: No time, no zone, or no day of the week.
    """

    start: time = attrs.field(converter=_start)
    end: time = attrs.field(converter=_end)
    zone: str = "America/New_York"
    days: tuple[str, ...] = attrs.field(default=_WORKDAYS, converter=_days)

    def __attrs_post_init__(self) -> None:
        """Check the names."""
        check_zone("zone", self.zone)
        for day in self.days:
            if day not in WEEKDAYS:
                raise InvalidInput("days", f"must be of {', '.join(WEEKDAYS)}, not {day!r}")
        if not self.days:
            raise InvalidInput("days", "must name at least one")

    def contains(self, moment: datetime) -> bool:
        """Whether a moment (with a zone of its own) lies within.

        Raises:
            InvalidInput: It has no zone.
        """
        check_moment("moment", moment)
        local = moment.astimezone(ZoneInfo(self.zone))
        at = local.time()
        today = WEEKDAYS[local.weekday()] in self.days
        if self.start < self.end:
            return today and self.start <= at < self.end
        yesterday = WEEKDAYS[local.weekday() - 1] in self.days
        return (today and at >= self.start) or (yesterday and at < self.end)

    def __str__(self) -> str:
        """``09:30-16:00 America/New_York monday, tuesday``."""
        return f"{self.start:%H:%M}-{self.end:%H:%M} {self.zone} {', '.join(self.days)}"
