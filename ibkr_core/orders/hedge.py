"""Hedges: children that the broker sizes by what their parent fills.

Place the parent with ``transmit=False``, then the hedge with the parent's order id; it lets the parent go.
The quantity is 0, and the broker tells the size in its echo (TWS facts 6). Source: the official page on
hedging and the comments of the official ``Order``.
"""

from __future__ import annotations

from typing import Any

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.checks import checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import made, number, whole

__all__ = ["beta_hedge", "delta_hedge", "fx_hedge", "pair_hedge"]


def _hedge(action: str, parent_id: int, letter: str, own: dict[str, Any], fields: dict[str, Any]) -> Order:
    whole("parent_id", parent_id, least=1)
    fields.setdefault("order_type", "MKT")
    base = {"action": action, "quantity": 0, "parent_id": parent_id, "hedgeType": letter}
    return made({**base, **own}, fields)


def _positive(argument: str, value: Numeric) -> str:
    exact = number(argument, value)
    if exact <= 0:
        raise InvalidOrder(argument, f"must be above zero, not {exact}")
    return f"{exact:f}"


@checked
def beta_hedge(action: str, parent_id: int, beta: Numeric, **fields: Any) -> Order:
    """Hedge a stock by another one or an index product, by value times beta (``hedgeType`` ``B``).

    Args:
        action: BUY or SELL, the opposite of the parent's where beta is above zero.
        parent_id: Order id of what is hedged.
        beta: The ratio of the moves (official ``hedgeParam``).
        **fields: Further fields of the order; its type is ``MKT`` where none is given.
    """
    return _hedge(action, parent_id, "B", {"hedgeParam": _positive("beta", beta)}, fields)


@checked
def pair_hedge(action: str, parent_id: int, ratio: Numeric, **fields: Any) -> Order:
    """Trade the other side of a pair, in a ratio to the parent's size (``hedgeType`` ``P``).

    Args:
        action: BUY or SELL.
        parent_id: Order id of the first side.
        ratio: Units for each unit of the parent (official ``hedgeParam``).
        **fields: Further fields of the order; its type is ``MKT`` where none is given.
    """
    return _hedge(action, parent_id, "P", {"hedgeParam": _positive("ratio", ratio)}, fields)


@checked
def delta_hedge(action: str, parent_id: int, *, max_size: int | None = None, **fields: Any) -> Order:
    """Hedge an option by its stock, by the option's delta (``hedgeType`` ``D``).

    Args:
        action: BUY or SELL.
        parent_id: Order id of the option's order.
        max_size: Largest hedge (official ``hedgeMaxSize``); only newer protocol versions carry it.
        **fields: Further fields of the order; its type is ``MKT`` where none is given.
    """
    return _hedge(action, parent_id, "D", {"hedgeMaxSize": whole("max_size", max_size, least=1)}, fields)


@checked
def fx_hedge(action: str, parent_id: int, **fields: Any) -> Order:
    """Change money for a purchase in another currency (``hedgeType`` ``F``).

    Args:
        action: BUY or SELL, for the currency pair.
        parent_id: Order id of the purchase.
        **fields: Further fields of the order; its type is ``MKT`` where none is given.
    """
    return _hedge(action, parent_id, "F", {}, fields)
