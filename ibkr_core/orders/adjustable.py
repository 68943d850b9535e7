"""Adjustable stops: a stop that changes its type or its price once the market has gone the order's way.

The new type is the official ``adjustedOrderType``. The official trailing unit is 0 for an amount and 100 for
a percentage (as the newer examples say; older ones say 1). Source: the official page on adjustable stops.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.checks import checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import number, optional

__all__ = ["adjusted_to_stop", "adjusted_to_stop_limit", "adjusted_to_trail", "adjusted_to_trail_limit"]

_AMOUNT: Final = 0
_PERCENT: Final = 100


def _check_order(order: object) -> None:
    if not isinstance(order, Order):
        raise InvalidOrder("order", f"must be an Order, not {order!r}")


def _adjusted(order: Order, kind: str, official: dict[str, Any]) -> Order:
    _check_order(order)
    if order.official.get("adjustedOrderType"):
        raise InvalidOrder("order", "is adjustable already")
    fields = {name: value for name, value in official.items() if value is not None}
    return order.replace(adjustedOrderType=kind, **fields)


@checked
def adjusted_to_stop(order: Order, trigger_price: Numeric, stop_price: Numeric) -> Order:
    """Return a stop order whose stop moves once the market reaches a price (``adjustedOrderType`` ``STP``).

    Args:
        order: A stop, usually the child of a bracket.
        trigger_price: Where the market must get to: above the market for a sale (official ``triggerPrice``).
        stop_price: The stop from then on (official ``adjustedStopPrice``).
    """
    prices = {
        "triggerPrice": number("trigger_price", trigger_price),
        "adjustedStopPrice": number("stop_price", stop_price),
    }
    return _adjusted(order, "STP", prices)


@checked
def adjusted_to_stop_limit(
    order: Order, trigger_price: Numeric, stop_price: Numeric, limit_price: Numeric
) -> Order:
    """Return a stop order that becomes a stop-limit order once the market reaches a price.

    Args:
        order: A stop, usually the child of a bracket.
        trigger_price: Where the market must get to (official ``triggerPrice``).
        stop_price: The stop from then on (official ``adjustedStopPrice``).
        limit_price: The limit from then on (official ``adjustedStopLimitPrice``).
    """
    prices = {
        "triggerPrice": number("trigger_price", trigger_price),
        "adjustedStopPrice": number("stop_price", stop_price),
        "adjustedStopLimitPrice": number("limit_price", limit_price),
    }
    return _adjusted(order, "STP LMT", prices)


@checked
def adjusted_to_trail(
    order: Order,
    trigger_price: Numeric,
    *,
    stop_price: Numeric | None = None,
    trailing_amount: Numeric | None = None,
    trailing_percent: Numeric | None = None,
) -> Order:
    """Return a stop order that begins to trail once the market reaches a price.

    Args:
        order: A stop, usually the child of a bracket.
        trigger_price: Where the market must get to (official ``triggerPrice``).
        stop_price: Where the trailing stop starts (official ``adjustedStopPrice``).
        trailing_amount: The distance as a price (official ``adjustedTrailingAmount``, unit 0), or
        trailing_percent: the distance in percent (the same field, ``adjustableTrailingUnit`` 100).
    """
    _check_order(order)
    prices = {
        "triggerPrice": number("trigger_price", trigger_price),
        "adjustedStopPrice": optional("stop_price", stop_price),
        **_distance(trailing_amount, trailing_percent),
    }
    return _adjusted(order, "TRAIL", prices)


@checked
def adjusted_to_trail_limit(
    order: Order,
    trigger_price: Numeric,
    *,
    limit_price: Numeric,
    stop_price: Numeric | None = None,
    trailing_amount: Numeric | None = None,
    trailing_percent: Numeric | None = None,
) -> Order:
    """Return a stop order that becomes a trailing stop-limit order once the market reaches a price.

    Args:
        order: A stop, usually the child of a bracket.
        trigger_price: Where the market must get to (official ``triggerPrice``).
        limit_price: The limit that trails from then on (official ``adjustedStopLimitPrice``).
        stop_price: Where the trailing stop starts (official ``adjustedStopPrice``).
        trailing_amount: The distance as a price (official ``adjustedTrailingAmount``, unit 0), or
        trailing_percent: the distance in percent (the same field, ``adjustableTrailingUnit`` 100).
    """
    _check_order(order)
    prices = {
        "triggerPrice": number("trigger_price", trigger_price),
        "adjustedStopPrice": optional("stop_price", stop_price),
        "adjustedStopLimitPrice": number("limit_price", limit_price),
        **_distance(trailing_amount, trailing_percent),
    }
    return _adjusted(order, "TRAIL LIMIT", prices)


def _distance(amount: Numeric | None, percent: Numeric | None) -> dict[str, Decimal | int]:
    if (amount is None) == (percent is None):
        raise InvalidOrder("trailing_amount", "give either trailing_amount or trailing_percent")
    argument, value, unit = (
        ("trailing_percent", percent, _PERCENT)
        if percent is not None
        else ("trailing_amount", amount, _AMOUNT)
    )
    distance = optional(argument, value)
    if distance is None or distance <= 0:
        raise InvalidOrder(argument, f"must be above zero, not {distance}")
    return {"adjustedTrailingAmount": distance, "adjustableTrailingUnit": unit}
