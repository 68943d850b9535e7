"""Volatility orders: an option's price by its volatility, with a hedge in the stock where one is wanted.

Source: the official page on order types, the comments of the official ``Order``, and the broker's codes 367,
371 and 372.
"""

from __future__ import annotations

import enum
from typing import Any

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.checks import check_whole, checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import made, number, optional, whole

__all__ = ["ReferencePrice", "VolatilityType", "volatility"]


class VolatilityType(enum.IntEnum):
    """What a volatility is measured over (official ``volatilityType``)."""

    DAILY = 1
    ANNUAL = 2


class ReferencePrice(enum.IntEnum):
    """Which price of the stock counts (official ``referencePriceType``)."""

    AVERAGE = 1
    """The middle of the national best bid and offer."""
    BID_OR_ASK = 2
    """The bid for a purchase of calls or a sale of puts, else the ask."""


def _one_of(kind: type[enum.IntEnum], argument: str, value: int | None) -> int | None:
    if value is None:
        return None
    try:
        check_whole(argument, value)
        return int(kind(value))
    except ValueError:  # InvalidInput is one
        words = ", ".join(f"{one.value} ({one.name.lower()})" for one in kind)
        raise InvalidOrder(argument, f"must be {words}, not {value!r}") from None


@checked
def volatility(
    action: str,
    quantity: Numeric,
    percent: Numeric,
    *,
    over: VolatilityType | int = VolatilityType.ANNUAL,
    continuous: bool = False,
    reference: ReferencePrice | int | None = None,
    hedge_type: str = "",
    hedge_price: Numeric | None = None,
    hedge_con_id: int | None = None,
    stock_range_lower: Numeric | None = None,
    stock_range_upper: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Trade an option at the price that belongs to a volatility (``VOL``).

    Products: OPT, FOP.

    Args:
        action: BUY or SELL.
        quantity: In contracts.
        percent: The volatility in percent; 40 means 40 % (official ``volatility``).
        over: Measured over a day or a year (official ``volatilityType``).
        continuous: Follow the stock's price (official ``continuousUpdate``).
        reference: Which price of the stock counts (official ``referencePriceType``).
        hedge_type: Type of the order in the stock that makes each fill delta neutral, such as ``MKT``,
            ``LMT`` or ``REL``; empty for none (official ``deltaNeutralOrderType``).
        hedge_price: What that type needs in ``auxPrice`` (official ``deltaNeutralAuxPrice``).
        hedge_con_id: The stock, by its contract id (official ``deltaNeutralConId``).
        stock_range_lower: Cancelled when the stock is below (official ``stockRangeLower``).
        stock_range_upper: Cancelled when the stock is above (official ``stockRangeUpper``).
        **fields: Further fields of the order.
    """
    check_whole("over", over, InvalidOrder)
    price, con_id = optional("hedge_price", hedge_price), whole("hedge_con_id", hedge_con_id, least=1)
    if not hedge_type and (price is not None or con_id is not None):
        raise InvalidOrder("hedge_type", "is required where a hedge_price or a hedge_con_id is given")
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "VOL",
        "volatility": number("percent", percent),
        "volatilityType": _one_of(VolatilityType, "over", over),
        "continuousUpdate": continuous or None,
        "referencePriceType": _one_of(ReferencePrice, "reference", reference),
        "deltaNeutralOrderType": hedge_type or None,
        "deltaNeutralAuxPrice": price,
        "deltaNeutralConId": con_id,
        "stockRangeLower": optional("stock_range_lower", stock_range_lower),
        "stockRangeUpper": optional("stock_range_upper", stock_range_upper),
    }
    return made(own, fields)
