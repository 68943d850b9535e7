"""Pure checks of an order's prices: against the grid of its instrument, and against the market.

``Engine.check_order`` asks the broker for the grid and holds an order against it; here it is an argument.
Source: the broker's code 110, and the official pages on stop and touch orders.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Protocol

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.numbers import Numeric, to_number
from ibkr_core.model.order import Order

__all__ = ["PriceGrid", "check_side", "check_ticks", "rounded"]

_STOPS: Final = frozenset({"STP", "STP LMT", "STP PRT"})
_TOUCHES: Final = frozenset({"MIT", "LIT"})
_OWN: Final = ("limit_price", "aux_price", "trail_stop_price")
_OFFICIAL: Final = ("triggerPrice", "adjustedStopPrice", "adjustedStopLimitPrice")


class PriceGrid(Protocol):
    """The steps in which a price moves; :class:`ibkr_core.model.reference.MarketRule` is one."""

    def increment_at(self, price: Numeric) -> Decimal:
        """Return the step at a price."""

    def is_valid(self, price: Numeric) -> bool:
        """Whether a price is on the grid."""

    def round(self, price: Numeric, side: Any = None) -> Decimal:  # noqa: ANN401 - an action, or its text
        """Return the nearest price on the grid that is no worse for a side."""


def _prices(order: Order) -> Iterator[tuple[str, Decimal]]:
    """Yield the prices of an order that stand on the grid: offsets and distances do not."""
    _check_order(order)
    for name in _OWN:
        price: Decimal | None = getattr(order, name)
        if price is not None and (name != "aux_price" or order.order_type in _STOPS | _TOUCHES):
            yield name, price
    for name in _OFFICIAL:
        if order.official.get(name) is not None:
            yield name, to_number(name, order.official[name], InvalidOrder)


def _check_order(order: object) -> None:
    if not isinstance(order, Order):
        raise InvalidOrder("order", f"must be an Order, not {order!r}")


def _check_grid(grid: object) -> None:
    if not all(callable(getattr(grid, name, None)) for name in ("increment_at", "is_valid", "round")):
        raise InvalidOrder("grid", f"must be a price rule, such as a MarketRule, not {grid!r}")


def check_ticks(order: Order, grid: PriceGrid) -> None:
    """Raise where a price of an order is between two steps (the broker's code 110).

    Args:
        order: The order, adjusted prices included.
        grid: The instrument's price rule, as ``engine.reference.price_rule`` returns it.

    Raises:
        InvalidOrder: It is; names the field, the step, and the nearest price.
    """
    _check_grid(grid)
    for name, price in _prices(order):
        if not grid.is_valid(price):
            nearest = grid.round(price, order.action)
            raise InvalidOrder(
                name,
                f"must be a multiple of {grid.increment_at(price):f}, not {price:f}; the nearest for a "
                f"{order.action.value} is {nearest:f} (rule ticks: code 110)",
            )


def rounded(order: Order, grid: PriceGrid) -> Order:
    """Return an order whose prices are on the grid.

    A limit becomes no worse: a buyer's goes down, a seller's up. A price at which something begins (a stop, a
    trigger) goes to the nearest step.

    Args:
        order: The order, adjusted prices included.
        grid: The instrument's price rule.
    """
    _check_grid(grid)
    changes = {
        name: grid.round(price, order.action if "imit" in name else None)
        for name, price in _prices(order)
        if not grid.is_valid(price)
    }
    return order.replace(**changes) if changes else order


def check_side(order: Order, *, bid: Numeric, ask: Numeric) -> None:
    """Raise where a stop or a trigger is on the wrong side of the market: it would be elected at once.

    Args:
        order: The order; types other than stops and touches pass.
        bid: The best bid now.
        ask: The best offer now.

    Raises:
        InvalidOrder: It is; a market that moves between the quote and the order can make that wrong.
    """
    _check_order(order)
    low, high = to_number("bid", bid), to_number("ask", ask)
    trigger = order.aux_price if order.order_type in _STOPS | _TOUCHES else order.trail_stop_price
    if trigger is None or order.order_type not in _STOPS | _TOUCHES | {"TRAIL", "TRAIL LIMIT"}:
        return
    is_touch = order.order_type in _TOUCHES
    must_be_above = (order.action.sign > 0) is not is_touch
    if (trigger > high) if must_be_above else (trigger < low):
        return
    name = "aux_price" if order.order_type in _STOPS | _TOUCHES else "trail_stop_price"
    where = f"above the market, {high:f}" if must_be_above else f"below the market, {low:f}"
    raise InvalidOrder(
        name,
        f"of a {order.action.value} {order.order_type} must be {where}, not {trigger:f}: it would be elected "
        "at once (rule side: official pages on stop and touch orders)",
    )
