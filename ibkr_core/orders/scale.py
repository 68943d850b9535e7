"""Scale orders: a large order in components, each at a better price than the last one.

Source: the official ``Order`` and the official example of its scale fields; the broker's codes 408, 410, 417,
418, 419 and 446 are held by the rules of :mod:`ibkr_core.model.orderrules`.
"""

from __future__ import annotations

from typing import Any

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.checks import checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import number, optional, whole

__all__ = ["scaled"]


@checked
def scaled(
    order: Order,
    *,
    initial_size: int,
    price_increment: Numeric,
    subsequent_size: int | None = None,
    random_size: bool = False,
    price_adjust_value: Numeric | None = None,
    price_adjust_interval_s: int | None = None,
    profit_offset: Numeric | None = None,
    auto_reset: bool = False,
    initial_position: int | None = None,
    initial_fill_quantity: int | None = None,
) -> Order:
    """Return an order that works in components of rising or falling prices.

    Args:
        order: The whole order; a ``LMT``, whose price is that of the first component, or a ``REL``.
        initial_size: Units of the first component (official ``scaleInitLevelSize``).
        price_increment: How much better each component's price is than the last (official
            ``scalePriceIncrement``).
        subsequent_size: Units of all later components (official ``scaleSubsLevelSize``).
        random_size: Vary sizes by 55 % (official ``scaleRandomPercent``).
        price_adjust_value: Move the first price by this amount (official ``scalePriceAdjustValue``), every
        price_adjust_interval_s: so many seconds (official ``scalePriceAdjustInterval``).
        profit_offset: Take the profit of each component at this distance (official ``scaleProfitOffset``).
        auto_reset: Trade a component again once its profit was taken (official ``scaleAutoReset``).
        initial_position: Position at the start (official ``scaleInitPosition``).
        initial_fill_quantity: What of the first component is filled already (official
            ``scaleInitFillQty``).

    Raises:
        InvalidOrder: A value that no scale order can have.
    """
    if not isinstance(order, Order):
        raise InvalidOrder("order", f"must be an Order, not {order!r}")
    increment = number("price_increment", price_increment)
    if increment <= 0:  # the encoder leaves all the rest out where it is not
        raise InvalidOrder("price_increment", f"must be above zero, not {increment} (the broker's code 408)")
    official: dict[str, Any] = {
        "scaleInitLevelSize": whole("initial_size", initial_size, least=1),
        "scaleSubsLevelSize": whole("subsequent_size", subsequent_size, least=1),
        "scalePriceIncrement": increment,
        "scaleRandomPercent": random_size or None,
        "scalePriceAdjustValue": optional("price_adjust_value", price_adjust_value),
        "scalePriceAdjustInterval": whole("price_adjust_interval_s", price_adjust_interval_s, least=1),
        "scaleProfitOffset": optional("profit_offset", profit_offset),
        "scaleAutoReset": auto_reset or None,
        "scaleInitPosition": whole("initial_position", initial_position),
        "scaleInitFillQty": whole("initial_fill_quantity", initial_fill_quantity),
    }
    return order.replace(**{name: value for name, value in official.items() if value is not None})
