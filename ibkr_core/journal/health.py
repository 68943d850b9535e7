"""Whether a journal can be written: what failed and has not worked since, when to try again, who is told."""

from __future__ import annotations

import enum
import logging
from collections import deque
from collections.abc import Callable
from typing import Final

from ibkr_core.clock import Clock
from ibkr_core.errors import JournalFailed
from ibkr_core.journal.store import describe_failure

__all__ = ["Health", "Part"]

_LOG = logging.getLogger("ibkr_core.journal")

_FIRST_RETRY_S: Final = 0.1
_LAST_RETRY_S: Final = 5.0


class Part(enum.Enum):
    """What can fail while the rest works, so that only its own success says that it works again."""

    INPUTS = enum.auto()
    """Segments with what was recorded: what must be durable soon."""
    MAKING = enum.auto()
    """To make rows for the tables of what was recorded. It works when there are none left to make."""
    ROWS = enum.auto()
    """To write those rows; what failed is tried again before any other."""
    APART = enum.auto()
    """Transactions beside these: checkpoints, retention. They come rarely, so any success counts for them."""


class Health:
    """The faults of a journal. A fault that lasts is told once, whatever else works meanwhile.

    Everything but :meth:`tell` is called by who holds the write lock.

    Args:
        path: The journal.
        clock: Tells when it is time to try again.
    """

    def __init__(self, path: str, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self.failure: JournalFailed | None = None
        """Why it cannot be written; None when it can."""
        self.retry_at: float = 0.0
        """When to try again, by the monotonic clock."""
        self._retry_s = _FIRST_RETRY_S
        self._faults: dict[Part, JournalFailed] = {}
        self._is_apart_told = False
        self._untold: deque[JournalFailed | None] = deque()
        self._on_failure: Callable[[JournalFailed], None] | None = None
        self._on_recovery: Callable[[], None] | None = None

    def watch(self, on_failure: Callable[[JournalFailed], None], on_recovery: Callable[[], None]) -> None:
        """Have someone told when writing begins to fail, and when it works again."""
        self._on_failure, self._on_recovery = on_failure, on_recovery

    @property
    def takes_inputs(self) -> bool:
        """Whether nothing is wrong with what must be durable soon, whatever else is."""
        return Part.INPUTS not in self._faults

    @property
    def is_in_doubt(self) -> bool:
        """Whether something failed that nobody tries again soon: whether the rest works has to be tried."""
        return Part.APART in self._faults

    @property
    def is_time(self) -> bool:
        """Whether to try: nothing failed, or long enough ago."""
        return self.failure is None or self._clock.monotonic() >= self.retry_at

    def failed(self, part: Part, error: Exception) -> JournalFailed:
        """Take note that something failed; returns the error that says so."""
        failure = describe_failure(self._path, error)
        failure.__cause__ = error
        if part is Part.APART:
            if self._is_apart_told:  # it lasts: what is recorded was written meanwhile, or fails by itself
                _LOG.warning("%s", failure)
                return failure
            self._is_apart_told = True
        if not self._faults:
            self._untold.append(failure)
        self._faults[part] = self.failure = failure
        self.retry_at = self._clock.monotonic() + self._retry_s
        self._retry_s = min(self._retry_s * 2, _LAST_RETRY_S)
        return failure

    def worked(self, part: Part) -> None:
        """Take note that something worked."""
        if part is Part.APART:
            self._is_apart_told = False
        if self.failure is None:
            return
        self._faults.pop(part, None)
        self._faults.pop(Part.APART, None)
        if self._faults:
            self.failure = next(iter(self._faults.values()))
        else:
            self.failure = None
            self._retry_s = _FIRST_RETRY_S
            self._untold.append(None)

    def tell(self) -> None:
        """Tell of failure and recovery, in the order in which they came. Called without any lock."""
        while self._untold:
            try:
                failure = self._untold.popleft()
            except IndexError:
                return  # another thread tells it
            if failure is None:
                _LOG.warning("journal %s: writing works again", self._path)
                if self._on_recovery is not None:
                    self._on_recovery()
            else:
                _LOG.error("%s", failure)
                if self._on_failure is not None:
                    self._on_failure(failure)
