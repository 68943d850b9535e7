"""Time as an argument: a clock that stands still until told, a queue of things due, and TWS's time texts.

A clock is any callable that returns seconds since 1970-01-01 UTC. Nothing in the gateway below
:mod:`ibkr_core.gateway.server` reads the machine's time.
"""

from __future__ import annotations

import heapq
import itertools
import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from ibkr_core.errors import InvalidInput

__all__ = [
    "Clock",
    "ManualClock",
    "Scheduler",
    "day_text",
    "eastern",
    "eastern_text",
    "next_opening_text",
    "parse_time",
]

Clock = Callable[[], float]
"""Returns seconds since the epoch; never goes back."""

DEFAULT_START = 1_795_532_400.0
"""2026-11-24 15:00:00 UTC, a Tuesday at ten in New York: where a :class:`ManualClock` starts by default."""

_SATURDAY_TO_SUNDAY = 6
_FRIDAY = 4
_DST_STARTS_HOUR_UTC = 7  # 02:00 EST
_DST_ENDS_HOUR_UTC = 6  # 02:00 EDT


class ManualClock:
    """A clock that moves only when told to.

    Args:
        start: Seconds since the epoch.
    """

    def __init__(self, start: float = DEFAULT_START) -> None:
        self._now = start

    def __call__(self) -> float:
        """Return the present time in seconds since the epoch."""
        return self._now

    def advance(self, seconds: float) -> float:
        """Move forward.

        Args:
            seconds: How far; zero is allowed.

        Returns:
            The new time.

        Raises:
            InvalidInput: ``seconds`` is negative: time never goes back.
        """
        if seconds < 0:
            raise InvalidInput("seconds", "time never goes back")
        self._now += seconds
        return self._now

    def advance_to(self, moment: float) -> float:
        """Move forward to a moment; a moment already past changes nothing."""
        self._now = max(self._now, moment)
        return self._now


class Scheduler:
    """Actions due at a moment, run in order of moment and then of arrival."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._ticket = itertools.count()

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Run ``action`` at ``moment`` (seconds since the epoch), or as soon after as somebody looks."""
        heapq.heappush(self._heap, (moment, next(self._ticket), action))

    def next_due(self) -> float | None:
        """When the earliest action is due; None when nothing waits."""
        return self._heap[0][0] if self._heap else None

    def pop_due(self, now: float) -> tuple[float, Callable[[], None]] | None:
        """Take the earliest action that is due at ``now``, with its moment; None when none is."""
        if not self._heap or self._heap[0][0] > now:
            return None
        moment, _, action = heapq.heappop(self._heap)
        return moment, action


def _first_sunday(year: int, month: int) -> datetime:
    day = datetime(year, month, 1, tzinfo=UTC)
    return day + timedelta(days=(_SATURDAY_TO_SUNDAY - day.weekday()) % 7)


def eastern(moment: float) -> datetime:
    """The wall time in New York, as a datetime without a zone.

    The rule in force since 2007 (second Sunday of March to first Sunday of November) is written out here,
    so that the gateway needs no zone database on the machine.
    """
    utc = datetime.fromtimestamp(moment, UTC)
    starts = _first_sunday(utc.year, 3) + timedelta(days=7, hours=_DST_STARTS_HOUR_UTC)
    ends = _first_sunday(utc.year, 11) + timedelta(hours=_DST_ENDS_HOUR_UTC)
    return (utc - timedelta(hours=4 if starts <= utc < ends else 5)).replace(tzinfo=None)


def eastern_text(moment: float) -> str:
    """``YYYYMMDD HH:MM:SS US/Eastern``, the form of execution times in TWS facts 3."""
    return _second_text(math.floor(moment))


@lru_cache(maxsize=64)
def _second_text(second: int) -> str:
    # A busy venue writes the same second many times.
    return f"{eastern(second):%Y%m%d %H:%M:%S} US/Eastern"


def day_text(moment: float) -> str:
    """The New York calendar day as ``YYYYMMDD``; executions are kept per day (TWS facts 3)."""
    return f"{eastern(moment):%Y%m%d}"


def next_opening_text(moment: float) -> str:
    """``YYYY-MM-DD 09:30:00 US/Eastern`` of the next weekday's opening, the form of warning 399."""
    now = eastern(moment)
    opening = now.replace(hour=9, minute=30, second=0, microsecond=0)
    while opening <= now or opening.weekday() > _FRIDAY:
        opening += timedelta(days=1)
    return f"{opening:%Y-%m-%d %H:%M:%S} US/Eastern"


def parse_time(text: str) -> str | None:
    """Normalise the time of an execution filter to New York ``YYYYMMDD HH:MM:SS`` for comparison.

    Accepts ``YYYYMMDD HH:MM:SS`` with one or more blanks and an optional zone (taken as New York time), and
    ``YYYYMMDD-HH:MM:SS`` (UTC), the two forms of TWS facts 3.

    Returns:
        The normalised text, or None when ``text`` is neither form.
    """
    for form, is_utc in (("%Y%m%d-%H:%M:%S", True), ("%Y%m%d %H:%M:%S", False)):
        parts = text.split()
        candidate = " ".join(parts[:2]) if not is_utc else text.strip()
        try:
            parsed = datetime.strptime(candidate, form).replace(tzinfo=UTC)
        except ValueError:
            continue
        return f"{eastern(parsed.timestamp()) if is_utc else parsed:%Y%m%d %H:%M:%S}"
    return None
