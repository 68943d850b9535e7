"""Orders for combinations (``BAG``): net prices, prices by leg, relative types, and legs that may fill apart.

A smart-routed combination of stocks and options may have its legs executed apart; ``guaranteed=False`` asks
for that (official ``smartComboRoutingParams``, ``NonGuaranteed`` = 1). Source: the official page on order
types.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.checks import checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import made, optional

__all__ = [
    "combo_limit",
    "combo_limit_by_leg",
    "combo_market",
    "limit_market_combo",
    "relative_limit_combo",
    "relative_market_combo",
]


def _combo(
    kind: str,
    action: str,
    quantity: Numeric,
    limit_price: Numeric | None,
    guaranteed: bool,
    fields: dict[str, Any],
    **official: Any,
) -> Order:
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": kind,
        "limit_price": limit_price,
        "smartComboRoutingParams": None if guaranteed else {"NonGuaranteed": "1"},
        **official,
    }
    return made(own, fields)


@checked
def combo_market(action: str, quantity: Numeric, *, guaranteed: bool = True, **fields: Any) -> Order:
    """Trade a combination at the market (``MKT``).

    Args:
        action: BUY as the legs say, SELL for the opposite.
        quantity: How many combinations.
        guaranteed: False lets each leg fill by itself (official ``NonGuaranteed``).
        **fields: Further fields of the order.
    """
    return _combo("MKT", action, quantity, None, guaranteed, fields)


@checked
def combo_limit(
    action: str, quantity: Numeric, limit_price: Numeric, *, guaranteed: bool = True, **fields: Any
) -> Order:
    """Trade a combination at a net price or better (``LMT``).

    Args:
        action: BUY as the legs say, SELL for the opposite.
        quantity: How many combinations.
        limit_price: Worst net price of one combination (official ``lmtPrice``); zero or less
            means money for the buyer.
        guaranteed: False lets each leg fill by itself (official ``NonGuaranteed``).
        **fields: Further fields of the order.
    """
    return _combo("LMT", action, quantity, limit_price, guaranteed, fields)


@checked
def combo_limit_by_leg(
    action: str, quantity: Numeric, leg_prices: Iterable[Numeric | None], **fields: Any
) -> Order:
    """Trade a combination with a price for each leg (``LMT`` without ``lmtPrice``).

    Such orders are never guaranteed: ``NonGuaranteed`` = 1 goes with them (TWS facts 3).

    Args:
        action: BUY as the legs say, SELL for the opposite.
        quantity: How many combinations.
        leg_prices: The price of each leg, in their order; None leaves one open (official
            ``orderComboLegs``).
        **fields: Further fields of the order.

    Raises:
        InvalidOrder: No leg has a price.
    """
    if isinstance(leg_prices, str) or not isinstance(leg_prices, Iterable):
        raise InvalidOrder("leg_prices", f"must be a price, or None, for each leg, not {leg_prices!r}")
    prices = tuple(optional("leg_prices", one) for one in leg_prices)
    if all(one is None for one in prices):
        raise InvalidOrder("leg_prices", "at least one leg needs a price")
    return _combo("LMT", action, quantity, None, False, fields, orderComboLegs=prices)  # noqa: FBT003 - guaranteed


@checked
def relative_limit_combo(
    action: str, quantity: Numeric, limit_price: Numeric, *, guaranteed: bool = False, **fields: Any
) -> Order:
    """One leg as a relative order, the other as a limit order (``REL + LMT``).

    Args:
        action: BUY as the legs say, SELL for the opposite.
        quantity: How many combinations.
        limit_price: Worst net price (official ``lmtPrice``).
        guaranteed: False lets each leg fill by itself (official ``NonGuaranteed``).
        **fields: Further fields of the order.
    """
    return _combo("REL + LMT", action, quantity, limit_price, guaranteed, fields)


@checked
def relative_market_combo(
    action: str, quantity: Numeric, *, guaranteed: bool = False, **fields: Any
) -> Order:
    """One leg as a relative order, then the other at the market (``REL + MKT``).

    Args:
        action: BUY as the legs say, SELL for the opposite.
        quantity: How many combinations.
        guaranteed: False lets each leg fill by itself (official ``NonGuaranteed``).
        **fields: Further fields of the order.
    """
    return _combo("REL + MKT", action, quantity, None, guaranteed, fields)


@checked
def limit_market_combo(
    action: str, quantity: Numeric, limit_price: Numeric, *, guaranteed: bool = False, **fields: Any
) -> Order:
    """One leg as a limit order, then the other at the market (``LMT + MKT``).

    Args:
        action: BUY as the legs say, SELL for the opposite.
        quantity: How many combinations.
        limit_price: Worst net price (official ``lmtPrice``).
        guaranteed: False lets each leg fill by itself (official ``NonGuaranteed``).
        **fields: Further fields of the order.
    """
    return _combo("LMT + MKT", action, quantity, limit_price, guaranteed, fields)
