"""Asks the broker what the book cannot settle by itself, without hurry and without flooding it.

A fact that leaves a question open is often answered by the next message (an execution that was right
behind its status). So a question waits a moment, is looked at again, and is then asked at most once
per interval, for all orders together.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable

from ibkr_core.clock import Clock
from ibkr_core.lifecycle.effects import Ask, Question

__all__ = ["Keeper"]


class Keeper:
    """One thread that asks open questions.

    Args:
        is_open: Whether a question still waits for an answer.
        ask: Sends the question. What it raises is the caller's to handle.
        clock: Tells the time.
        delay_s: How long a question rests before it is asked.
        interval_s: Least time between two questions of one kind.
    """

    def __init__(
        self,
        is_open: Callable[[Ask], bool],
        ask: Callable[[Question], None],
        clock: Clock,
        *,
        delay_s: float = 0.25,
        interval_s: float = 1.0,
    ) -> None:
        self._is_open = is_open
        self._ask = ask
        self._clock = clock
        self._delay_s = delay_s
        self._interval_s = interval_s
        self._wake = threading.Condition()
        self._waiting: dict[tuple[Question, int], Ask] = {}
        self._due: dict[Question, float] = {}
        self._last: dict[Question, float] = {}
        self._stopping = False
        self._thread = threading.Thread(target=self._run, name="ibkr-core-keeper", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def note(self, asks: Iterable[Ask]) -> None:
        """Take in questions."""
        asks = tuple(asks)
        if not asks:
            return
        with self._wake:
            now = self._clock.monotonic()
            for ask in asks:
                self._waiting[ask.question, ask.order_id] = ask
                earliest = self._last.get(ask.question, now - self._interval_s) + self._interval_s
                self._due.setdefault(ask.question, max(now + self._delay_s, earliest))
            self._wake.notify()

    def _run(self) -> None:
        while True:
            with self._wake:
                question = self._next_due()
                if question is None:
                    return
                self._due.pop(question)
                asks = [a for key, a in self._waiting.items() if key[0] is question]
                for ask in asks:
                    del self._waiting[ask.question, ask.order_id]
                self._last[question] = self._clock.monotonic()
            if any(self._is_open(ask) for ask in asks):
                self._ask(question)

    def _next_due(self) -> Question | None:
        """Wait for the next question that is due; None when stopping. Requires holding the lock."""
        while not self._stopping:
            now = self._clock.monotonic()
            due = sorted(self._due.items(), key=lambda item: item[1])
            if due and due[0][1] <= now:
                return due[0][0]
            self._wake.wait(due[0][1] - now if due else None)
        return None

    def stop(self) -> None:
        """End the thread."""
        with self._wake:
            self._stopping = True
            self._wake.notify()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join()
