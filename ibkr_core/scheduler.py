"""One place where everything that waits for a moment waits: deadlines, probes, back-off, batches.

Acts run one at a time, in the order of their moments and then of asking. In production a thread of the
engine's own runs them; a simulation runs them by hand, under a clock of its own. What an act raises is
reported and does not keep the next one from running.
"""

from __future__ import annotations

import heapq
import itertools
import threading
from collections.abc import Callable
from typing import Final

import attrs

from ibkr_core.clock import Clock

__all__ = ["Scheduler", "Timer"]

_LONGEST_NAP_S: Final = 3600.0


@attrs.define(eq=False)
class Timer:
    """An act that waits for its moment.

    Attributes:
        when: Its moment, by the clock's ``monotonic``.
        is_cancelled: Whether it was called off.
    """

    when: float
    _act: Callable[[], None]
    is_cancelled: bool = False

    def cancel(self) -> None:
        """Call the act off. Nothing happens when it has run already."""
        self.is_cancelled = True

    def run(self) -> None:
        """Do it, unless it was called off."""
        if not self.is_cancelled:
            self._act()


class Scheduler:
    """Acts in order of time.

    Args:
        clock: Tells the time.
        on_error: Takes what an act raised.
    """

    def __init__(self, clock: Clock, on_error: Callable[[BaseException], None]) -> None:
        self.clock = clock
        self._on_error = on_error
        self._changed = threading.Condition()
        self._heap: list[tuple[float, int, Timer]] = []
        self._count = itertools.count()
        self._stopping = False
        self._thread: threading.Thread | None = None

    def now(self) -> float:
        """The present, by the clock's ``monotonic``."""
        return self.clock.monotonic()

    def call_at(self, when: float, act: Callable[[], None]) -> Timer:
        """Have something done at a moment (``monotonic``). Any thread may ask."""
        timer = Timer(when, act)
        with self._changed:
            heapq.heappush(self._heap, (when, next(self._count), timer))
            if self._heap[0][2] is timer:
                self._changed.notify()
        return timer

    def call_later(self, delay_s: float, act: Callable[[], None]) -> Timer:
        """Have something done after so many seconds."""
        return self.call_at(self.clock.monotonic() + delay_s, act)

    def call_soon(self, act: Callable[[], None]) -> Timer:
        """Have something done as soon as possible, but not by the caller itself."""
        return self.call_at(self.clock.monotonic(), act)

    def next_due(self) -> float | None:
        """Return the earliest moment at which there is something to do; None when there is nothing."""
        with self._changed:
            while self._heap and self._heap[0][2].is_cancelled:
                heapq.heappop(self._heap)
            return self._heap[0][0] if self._heap else None

    def run_due(self) -> bool:
        """Do what is due now, on the calling thread. Returns whether there was anything."""
        was_busy = False
        while (timer := self._take_due()) is not None:
            was_busy = True
            self._run(timer)
        return was_busy

    @property
    def is_here(self) -> bool:
        """Whether the calling thread is the scheduler's own."""
        return threading.current_thread() is self._thread

    def start(self) -> None:
        """Run acts on a thread of its own from now on."""
        self._thread = threading.Thread(target=self._work, name="ibkr-core-keeper", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Forget what waits, and end the thread. Called from an act, it returns at once."""
        with self._changed:
            self._stopping = True
            self._heap.clear()
            self._changed.notify()
        if self._thread is not None and not self.is_here:
            self._thread.join()

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _run(self, timer: Timer) -> None:
        try:
            timer.run()
        except Exception as error:  # noqa: BLE001 - one act's trouble must not stop the next
            self._on_error(error)

    def _take_due(self) -> Timer | None:
        with self._changed:
            if self._heap and self._heap[0][0] <= self.clock.monotonic():
                return heapq.heappop(self._heap)[2]
            return None

    def _work(self) -> None:
        while not self._nap():
            timer = self._take_due()
            if timer is None:
                continue
            try:
                self._run(timer)
            except BaseException as error:  # noqa: BLE001 - sys.exit() in a user's callback must not end the keeper
                self._on_error(error)

    def _nap(self) -> bool:
        """Wait until something is due. Returns whether it is time to stop."""
        with self._changed:
            if not self._stopping:
                nap = self._heap[0][0] - self.clock.monotonic() if self._heap else _LONGEST_NAP_S
                if nap > 0:
                    self._changed.wait(min(nap, _LONGEST_NAP_S))
            return self._stopping
