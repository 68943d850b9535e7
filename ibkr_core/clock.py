"""Time as an argument: the engine asks a clock, and tests hand it one of their own."""

from __future__ import annotations

import functools
import time
from datetime import UTC, datetime
from typing import Protocol

__all__ = ["Clock", "SystemClock"]


class Clock(Protocol):
    """Tells the time."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for measuring spans."""


class SystemClock:
    """The machine's clock; it is asked with every callback, so nothing of ours stands in between."""

    now = staticmethod(functools.partial(datetime.now, UTC))
    """See :meth:`Clock.now`."""
    monotonic = staticmethod(time.monotonic)
    """See :meth:`Clock.monotonic`."""
