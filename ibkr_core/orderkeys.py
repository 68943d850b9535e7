"""Client order keys that people can read."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ibkr_core.clock import Clock
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order

__all__ = ["KeyMaker"]

_NEXT: Final = timedelta(microseconds=1)


class KeyMaker:
    """Makes client order keys that people can read: ``AAPL_BUY_100_20261121T143145123456``.

    No two are alike: of two orders in one microsecond the second one gets the next, and a clock that stands
    still or steps back does not make it begin again. The time is UTC.

    Args:
        clock: Tells the time.
        is_known: Whether a key was used before, by an earlier run for example.
    """

    def __init__(self, clock: Clock, is_known: Callable[[str], bool]) -> None:
        self._clock = clock
        self._is_known = is_known
        self._lock = threading.Lock()
        self._newest = datetime.min.replace(tzinfo=UTC)

    def __call__(self, contract: Contract, order: Order) -> str:
        """Return a key for an order."""
        name = "-".join(contract.name.split())
        quantity = order.quantity or order.cash_quantity or order.quantity
        while True:
            key = f"{name}_{order.action.value}_{quantity:f}_{self._stamp():%Y%m%dT%H%M%S%f}"
            if not self._is_known(key):
                return key

    def _stamp(self) -> datetime:
        now = self._clock.now().astimezone(UTC)
        with self._lock:
            self._newest = max(now, self._newest + _NEXT)
            return self._newest
