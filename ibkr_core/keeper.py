"""Decides when the broker is asked what the book cannot settle, without hurry and without flooding it.

A fact that leaves a question open is often answered by the next message (an execution that was right
behind its status). So a question waits a moment, is looked at again, and is then asked together with all
others: one survey answers everything. What a survey leaves open is asked again, ever more rarely.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from ibkr_core.lifecycle.asks import Ask, Question
from ibkr_core.scheduler import Scheduler, Timer

__all__ = ["Keeper"]


class Keeper:
    """Keeps open questions until they are asked.

    Args:
        is_open: Whether a question still waits for an answer.
        survey: Begins a survey; False when that cannot be done now.
        scheduler: Runs what has to wait.
        delay_s: How long a question rests before it is asked.
        interval_s: Least time between two surveys.
        longest_s: The longest time between two surveys while something is left open.
    """

    def __init__(
        self,
        is_open: Callable[[Ask], bool],
        survey: Callable[[], bool],
        scheduler: Scheduler,
        *,
        delay_s: float = 0.25,
        interval_s: float = 1.0,
        longest_s: float = 60.0,
    ) -> None:
        self._is_open = is_open
        self._survey = survey
        self._scheduler = scheduler
        self._delay_s = delay_s
        self._interval_s = interval_s
        self._longest_s = longest_s
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Question, int], Ask] = {}
        self._must_ask = False
        self._timer: Timer | None = None
        self._last: float | None = None
        self._rounds_in_vain = 0

    def note(self, asks: Iterable[Ask]) -> None:
        """Take in questions. Any thread may call it."""
        asks = tuple(asks)
        if not asks:
            return
        with self._lock:
            for ask in asks:
                self._waiting[ask.question, ask.order_id] = ask
            self._plan(self._delay_s)

    def ask_in(self, delay_s: float) -> None:
        """Have the broker asked after so many seconds, whatever the book says."""
        with self._lock:
            self._must_ask = True
            self._plan(delay_s)

    def surveyed(self, *, is_settled: bool) -> None:
        """Take note of a survey's end, whoever began it."""
        with self._lock:
            self._last = self._scheduler.now()
            if is_settled:
                self._rounds_in_vain = 0
                return
            wait_s = min(self._interval_s * 2**self._rounds_in_vain, self._longest_s)
            self._rounds_in_vain = min(self._rounds_in_vain + 1, 16)
            self._must_ask = True
            self._plan(wait_s)

    def forget(self) -> None:
        """Drop what waits: the next session begins by asking everything."""
        with self._lock:
            self._waiting.clear()
            self._must_ask = False
            self._rounds_in_vain = 0
            if self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def _plan(self, delay_s: float) -> None:
        """Requires holding the lock."""
        now = self._scheduler.now()
        when = now + delay_s
        if self._last is not None:
            when = max(when, self._last + self._interval_s)
        if self._timer is not None:
            if self._timer.when <= when:
                return
            self._timer.cancel()
        self._timer = self._scheduler.call_at(when, self._ask)

    def _ask(self) -> None:
        with self._lock:
            self._timer = None
            asks = list(self._waiting.values())
            self._waiting.clear()
            must_ask, self._must_ask = self._must_ask, False
        if not must_ask and not any(self._is_open(ask) for ask in asks):
            return
        with self._lock:
            self._last = self._scheduler.now()
        if not self._survey():
            with self._lock:  # not connected, or one is under way: its end settles it or asks again
                self._must_ask = True
                self._plan(self._interval_s)
