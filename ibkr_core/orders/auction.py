"""Orders for auctions: at the opening, at the close, before the opening, and for price improvement at BOX.

Source: the official pages on order types.
"""

from __future__ import annotations

import enum
from typing import Any

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.checks import check_whole, checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import made, number, optional

__all__ = [
    "AuctionStrategy",
    "at_auction",
    "auction_limit",
    "auction_pegged_to_stock",
    "auction_relative",
    "limit_on_close",
    "limit_on_open",
    "market_on_close",
    "market_on_open",
]


class AuctionStrategy(enum.IntEnum):
    """How an order takes part in an auction at BOX (official ``auctionStrategy``)."""

    MATCH = 1
    IMPROVEMENT = 2
    TRANSPARENT = 3


@checked
def at_auction(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Take part in the pre-market opening at the calculated opening price (``MTL``, time in force ``AUC``).

    What is not filled at the opening rests as a limit order. Products: FUT, STK.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "MTL",
        "limit_price": limit_price,
        "tif": "AUC",
    }
    return made(own, fields)


@checked
def market_on_open(action: str, quantity: Numeric, **fields: Any) -> Order:
    """Trade in the opening auction (``MKT``, time in force ``OPG``).

    Products: CFD, STK, OPT, WAR.
    """
    return made({"action": action, "quantity": quantity, "order_type": "MKT", "tif": "OPG"}, fields)


@checked
def limit_on_open(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Trade in the opening auction at a price or better (``LMT``, time in force ``OPG``).

    Products: CFD, STK, OPT, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "tif": "OPG",
    }
    return made(own, fields)


@checked
def market_on_close(action: str, quantity: Numeric, **fields: Any) -> Order:
    """Trade as near to the closing price as possible (``MOC``). The time in force must be ``DAY`` (code 113).

    Products: CFD, FUT, STK, WAR.
    """
    return made({"action": action, "quantity": quantity, "order_type": "MOC"}, fields)


@checked
def limit_on_close(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Trade at the close at a price or better (``LOC``). The time in force must be ``DAY`` (code 113).

    Products: CFD, FUT, STK, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {"action": action, "quantity": quantity, "order_type": "LOC", "limit_price": limit_price}
    return made(own, fields)


def _strategy(value: AuctionStrategy | int) -> int:
    try:
        check_whole("strategy", value)
        return int(AuctionStrategy(value))
    except ValueError:  # InvalidInput is one
        raise InvalidOrder(
            "strategy", f"must be 1 (match), 2 (improvement) or 3 (transparent), not {value!r}"
        ) from None


@checked
def auction_limit(
    action: str,
    quantity: Numeric,
    limit_price: Numeric,
    strategy: AuctionStrategy | int = AuctionStrategy.IMPROVEMENT,
    **fields: Any,
) -> Order:
    """Take part in the price improvement of BOX with a limit in pennies (``LMT``).

    Products: OPT, for a contract at the exchange ``BOX``. Up to server version 202: the protobuf order of
    newer ones has no place for ``auctionStrategy``, so that it is refused here, not sent without.

    Args:
        action: BUY or SELL.
        quantity: In contracts.
        limit_price: Worst price, in pennies (official ``lmtPrice``).
        strategy: How to take part (official ``auctionStrategy``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "auctionStrategy": _strategy(strategy),
    }
    return made(own, fields)


@checked
def auction_pegged_to_stock(
    action: str,
    quantity: Numeric,
    *,
    starting_price: Numeric,
    delta: Numeric,
    stock_reference_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Take part in the price improvement of BOX with a price that follows the stock (``PEG STK``).

    Products: OPT, for a contract at the exchange ``BOX``.

    Args:
        action: BUY or SELL.
        quantity: In contracts.
        starting_price: The option's price at the start (official ``startingPrice``).
        delta: What the option moves when the stock moves by 100, from 1 to 100; taken as positive for calls
            and negative for puts (official ``delta``).
        stock_reference_price: The stock's price that belongs to the start (official ``stockRefPrice``); the
            middle of its quote where it is not given.
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "PEG STK",
        "startingPrice": number("starting_price", starting_price),
        "delta": number("delta", delta),
        "stockRefPrice": optional("stock_reference_price", stock_reference_price),
    }
    return made(own, fields)


@checked
def auction_relative(action: str, quantity: Numeric, offset: Numeric, **fields: Any) -> Order:
    """Take part in the price improvement of BOX with a price relative to the best one (``REL``).

    Products: OPT, for a contract at the exchange ``BOX``.

    Args:
        action: BUY or SELL.
        quantity: In contracts.
        offset: How much better than the best price on its own side (official ``auxPrice``).
        **fields: Further fields of the order.
    """
    return made({"action": action, "quantity": quantity, "order_type": "REL", "aux_price": offset}, fields)
