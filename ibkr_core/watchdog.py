"""Notices requests that the broker does not answer: silence is a state (TWS facts 9.8)."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from datetime import datetime

from ibkr_core.model.record import Request
from ibkr_core.scheduler import Scheduler, Timer

__all__ = ["Watchdog"]


_Watch = tuple[float, int, Request, datetime]
"""Until when, the order, what was asked for, and when."""


class Watchdog:
    """Watches every request for the same time, so the oldest watch always ends first: one timer does.

    Args:
        scheduler: Runs the timer.
        timeout_s: How long a request may stay unanswered.
        silent: Told of a request whose time is up. It looks whether it is still unanswered.
    """

    def __init__(
        self, scheduler: Scheduler, timeout_s: float, silent: Callable[[int, Request, datetime], None]
    ) -> None:
        self._scheduler = scheduler
        self._timeout_s = timeout_s
        self._silent = silent
        self._lock = threading.Lock()
        self._watches: deque[_Watch] = deque()
        self._timer: Timer | None = None

    def expect(self, order_id: int, request: Request, asked: datetime) -> None:
        """Watch a request that was given to the kernel just now. Any thread may call it."""
        deadline = self._scheduler.now() + self._timeout_s
        with self._lock:
            self._watches.append((deadline, order_id, request, asked))
            if self._timer is None:
                self._timer = self._scheduler.call_at(deadline, self._look)

    def forget(self) -> None:
        """Drop all watches: the connection is gone, and the next one begins by asking everything."""
        with self._lock:
            self._watches.clear()
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _look(self) -> None:
        now = self._scheduler.now()
        due: list[_Watch] = []
        with self._lock:
            while self._watches and self._watches[0][0] <= now:
                due.append(self._watches.popleft())
            self._timer = self._scheduler.call_at(self._watches[0][0], self._look) if self._watches else None
        for _, order_id, request, asked in due:
            self._silent(order_id, request, asked)
