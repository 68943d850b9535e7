"""Taking many fields of an order at once, quickly.

An attribute that stands in the code is found where it was the last time. ``operator.attrgetter`` looks each
of them up anew, in tables that are no longer in the processor's caches when an order is sent after a pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order

__all__ = ["taker"]


def taker(mine: Iterable[str], terms: Iterable[str]) -> Callable[[Contract, Order], tuple[Any, ...]]:
    """Return what takes some fields of a contract and then some of an order, as one tuple.

    Args:
        mine: The contract's fields.
        terms: The order's.
    """
    fields = [*(f"contract.{name}" for name in mine), *(f"order.{name}" for name in terms)]
    code = f"lambda contract, order: ({''.join(f'{field}, ' for field in fields)})"
    take: Callable[[Contract, Order], tuple[Any, ...]] = eval(code, {})  # noqa: S307 - names from our tables
    return take
