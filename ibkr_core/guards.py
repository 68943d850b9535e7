"""What keeps an order from being sent although it is well-formed: repetition, and the broker's own limits."""

from __future__ import annotations

from collections import deque
from decimal import Decimal
from typing import Final

from ibkr_core.errors import DuplicateOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order

__all__ = ["DuplicateGuard", "EfficiencyMeter"]

_LEAST_MESSAGES: Final = 100
"""Below so many messages a ratio says nothing."""

_Fingerprint = tuple[Contract, str, str, Decimal | None, Decimal | None, Decimal | None]


class DuplicateGuard:
    """Remembers for a while what was sent, to notice an order that is sent twice by mistake.

    Not thread-safe: the engine's send lock is held.

    Args:
        window_s: For how long; 0 switches it off. What is older is forgotten, so it never grows.
    """

    def __init__(self, window_s: float) -> None:
        self._window_s = window_s
        self.is_on = window_s > 0
        """Whether it remembers anything at all."""
        self._sent: dict[_Fingerprint, tuple[float, int]] = {}
        self._order: deque[tuple[float, _Fingerprint]] = deque()

    def __len__(self) -> int:
        """How many orders are remembered."""
        return len(self._sent)

    def check(self, contract: Contract, order: Order, now: float) -> None:
        """Raise when the same contract, side, quantity and prices were sent within the window.

        Raises:
            DuplicateOrder: They were; it names the order.
        """
        self._expire(now)
        known = self._sent.get(_fingerprint(contract, order))
        if known is not None:
            raise DuplicateOrder(
                known[1],
                f"has the same contract, side, quantity and price, and was sent {now - known[0]:.1f} s ago; "
                "give a key of its own with allow_duplicate=True if a second one is meant",
            )

    def note(self, contract: Contract, order: Order, order_id: int, now: float) -> None:
        """Remember an order that is being sent."""
        if self._window_s > 0:
            self._expire(now)
            fingerprint = _fingerprint(contract, order)
            self._sent[fingerprint] = (now, order_id)
            self._order.append((now, fingerprint))

    def _expire(self, now: float) -> None:
        while self._order and self._order[0][0] <= now - self._window_s:
            at, fingerprint = self._order.popleft()
            if self._sent.get(fingerprint, (None, 0))[0] == at:
                del self._sent[fingerprint]


def _fingerprint(contract: Contract, order: Order) -> _Fingerprint:
    return (
        contract,
        order.action.value,
        order.order_type,
        order.quantity,
        order.limit_price,
        order.aux_price,
    )


class EfficiencyMeter:
    """Counts messages against orders that filled: the broker watches that ratio (order efficiency ratio).

    Args:
        limit: Messages for each filled order from which on a warning is due; 0 for none.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.messages = 0
        self.filled_orders = 0
        self._next_warning = _LEAST_MESSAGES

    def note_messages(self, count: int) -> bool:
        """Count messages. Returns whether a warning is due: at most one for each doubling."""
        self.messages += count
        if not self._limit or self.messages < self._next_warning:
            return False
        if self.messages <= self._limit * (self.filled_orders + 1):
            return False
        self._next_warning = self.messages * 2
        return True

    def note_filled(self) -> None:
        """Count an order that had its first fill."""
        self.filled_orders += 1
