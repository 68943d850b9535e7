"""When the journal's writer has time for the tables that people query, and how it leaves time to others."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from ibkr_core.clock import Clock

__all__ = ["Leisure"]

_QUIET: Final = 16
"""Inputs in a turn of the writer up to which it has time for the tables."""
_BURST: Final = 200
"""Inputs in a turn of the writer above which nothing but a long delay is more urgent than they are."""
_BEHIND_S: Final = 2.0
_FAR_BEHIND_S: Final = 10.0
"""How long the tables may be behind where it never gets quiet, and in an endless burst."""
_BACKLOG: Final = 100_000
"""How many inputs and events may wait for their tables until nothing is more urgent: they take memory."""
_BREATH_S: Final = 0.0001
"""A pause between portions of rows, in which who receives bytes gets the interpreter."""
_CROWDED_S: Final = 0.002
_PORTIONS: Final = 16
"""Portions without a pause after one that took so long."""


class Leisure:
    """Decides whether there is time.

    Args:
        clock: Tells how long the tables are behind.
        stop: Set when the writer is to end.
        backlog: Tells how much is still to be brought into the tables.

    Attributes:
        count: How many inputs came in the writer's newest turn.
        is_urgent: Whether somebody waits for the tables.
    """

    def __init__(self, clock: Clock, stop: threading.Event, backlog: Callable[[], int]) -> None:
        self.count = 0
        self.is_urgent = False
        self._clock = clock
        self._stop = stop
        self._backlog = backlog
        self._behind_since: float | None = None
        self._portions = 0

    def caught_up(self) -> None:
        """Take note that the tables have everything."""
        self._behind_since = None

    def has_time(self) -> bool:
        """Whether to bring the tables up to date now, when they lack something."""
        if self._behind_since is None:
            self._behind_since = self._clock.monotonic()
        return self._is_due()

    def goes_on(self) -> bool:
        """Whether there is still time."""
        return not self._stop.is_set() and self._is_due()

    def _is_due(self) -> bool:
        if self.count <= _QUIET or self._backlog() >= _BACKLOG:
            return True
        behind = self._clock.monotonic() - (self._behind_since or 0.0)
        return behind >= (_BEHIND_S if self.count <= _BURST else _FAR_BEHIND_S)

    def breathe(self) -> None:
        """Let others have the interpreter for a moment, unless somebody waits, or much has gathered."""
        if self.is_urgent or self._backlog() >= _BACKLOG:
            return
        if self._portions > 0:
            self._portions -= 1
            return
        before = self._clock.monotonic()
        self._stop.wait(_BREATH_S)
        if self._clock.monotonic() - before > _CROWDED_S:
            self._portions = _PORTIONS  # somebody burns: each pause costs a turn of the interpreter
