"""Client order keys that people can read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

from ibkr_core.clock import Clock
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order

__all__ = ["KeyMaker"]

_REMEMBERED: Final = 1000


class KeyMaker:
    """Makes client order keys that people can read: ``AAPL_BUY_100_20261121T143145123456``.

    No two are alike: of two orders in one microsecond the second one gets the next. The time is UTC.

    Args:
        clock: Tells the time.
        is_known: Whether a key was used before, by an earlier run for example.
    """

    def __init__(self, clock: Clock, is_known: Callable[[str], bool]) -> None:
        self._clock = clock
        self._is_known = is_known
        self._used: dict[datetime, object] = {}

    def __call__(self, contract: Contract, order: Order) -> str:
        """Return a key for an order."""
        name = "-".join(contract.name.split())
        quantity = order.quantity or order.cash_quantity or order.quantity
        at = self._clock.now().astimezone(UTC)
        for later_us in itertools.count():
            moment = at + timedelta(microseconds=later_us)
            mine = object()
            if self._used.setdefault(moment, mine) is not mine:  # atomic: threads need no lock
                continue
            key = f"{name}_{order.action.value}_{quantity:f}_{moment:%Y%m%dT%H%M%S%f}"
            if not self._is_known(key):
                break
        if len(self._used) > _REMEMBERED:
            for old in sorted(self._used)[: _REMEMBERED // 2]:
                self._used.pop(old, None)
        return key
