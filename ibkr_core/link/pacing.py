"""How fast we may talk: TWS drops a client that sends more than 50 messages in a second (TWS facts 6).

The limit holds for *any* second, so a plain token bucket of 50 with 50 a second would break it (100 in the
second after a rest). Here each token comes back exactly one second after it was spent: a bucket whose tokens
are counted by the messages of the last second.
"""

from __future__ import annotations

import enum
from collections import deque

from ibkr_core.errors import InvalidInput

__all__ = ["Lane", "RateLimit"]


class Lane(enum.IntEnum):
    """Who goes first where messages have to wait."""

    CANCEL = 0
    """Cancels: they only take risk away."""
    ORDER = 1
    """New orders and modifications."""
    QUERY = 2
    """Questions of the engine: open orders, executions, is anybody there."""
    DATA = 3
    """Everything else that a program asks for on the same connection."""


class RateLimit:
    """At most so many messages in any second.

    Args:
        per_second: The limit, 1 or more.

    Raises:
        InvalidInput: The limit is no positive whole number.
    """

    def __init__(self, per_second: int = 50) -> None:
        if isinstance(per_second, bool) or not isinstance(per_second, int) or per_second < 1:
            raise InvalidInput(
                "messages_per_second", f"must be a whole number of at least 1, not {per_second!r}"
            )
        self.per_second = per_second
        self._spent: deque[float] = deque()

    def ready_at(self, count: int, now: float) -> float:
        """Return the earliest moment at which ``count`` messages may leave together.

        More messages than the limit itself go when nothing else was sent for a second.
        """
        while self._spent and self._spent[0] <= now - 1.0:
            self._spent.popleft()
        missing = min(count, self.per_second) - (self.per_second - len(self._spent))
        return now if missing <= 0 else self._spent[missing - 1] + 1.0

    def spend(self, count: int, now: float) -> None:
        """Note that so many messages leave now."""
        self._spent.extend([now] * count)
