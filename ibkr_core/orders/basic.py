"""Basic orders: market, limit, stop and touch orders, and attributes that make a type of their own.

Source of types, fields and products: the official pages on order types, and the comments of the official
``Order``.
"""

from __future__ import annotations

from typing import Any

from ibkr_core.model.checks import checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import made, number

__all__ = [
    "block",
    "box_top",
    "cash_limit",
    "cash_market",
    "discretionary",
    "iceberg",
    "limit",
    "limit_ibkrats",
    "limit_if_touched",
    "market",
    "market_if_touched",
    "market_to_limit",
    "market_with_protection",
    "midpoint_match",
    "stop",
    "stop_limit",
    "stop_with_protection",
    "sweep_to_fill",
    "trailing_limit_if_touched",
    "trailing_market_if_touched",
    "trailing_stop",
    "trailing_stop_limit",
]


@checked
def market(action: str, quantity: Numeric, **fields: Any) -> Order:
    """Trade at once at the best price there is (``MKT``).

    Products: all.
    """
    return Order.market(action, quantity, **fields)


@checked
def limit(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Trade at a price or better (``LMT``).

    Products: all.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_price: Worst price, in the contract's currency (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return Order.limit(action, quantity, limit_price, **fields)


@checked
def stop(action: str, quantity: Numeric, stop_price: Numeric, **fields: Any) -> Order:
    """Become a market order once the market is as bad as the stop price (``STP``).

    Products: CFD, BAG, CASH, FUT, FOP, OPT, STK, WAR.

    Args:
        action: BUY, with a stop above the market, or SELL, with one below.
        quantity: In the contract's units.
        stop_price: Where it is elected (official ``auxPrice``).
        **fields: Further fields of the order; ``trigger_method`` says which price elects it.
    """
    return Order.stop(action, quantity, stop_price, **fields)


@checked
def stop_limit(
    action: str, quantity: Numeric, stop_price: Numeric, limit_price: Numeric, **fields: Any
) -> Order:
    """Become a limit order once the market is as bad as the stop price (``STP LMT``).

    Products: CFD, CASH, FUT, FOP, OPT, STK, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        stop_price: Where it is elected (official ``auxPrice``).
        limit_price: Worst price from then on (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return Order.stop_limit(action, quantity, stop_price, limit_price, **fields)


@checked
def stop_with_protection(action: str, quantity: Numeric, stop_price: Numeric, **fields: Any) -> Order:
    """Become a market order with the exchange's protection once the stop is hit (``STP PRT``).

    Products: FUT.

    Args:
        action: BUY or SELL.
        quantity: In contracts.
        stop_price: Where it is elected (official ``auxPrice``).
        **fields: Further fields of the order.
    """
    return made(
        {"action": action, "quantity": quantity, "order_type": "STP PRT", "aux_price": stop_price}, fields
    )


@checked
def trailing_stop(
    action: str,
    quantity: Numeric,
    *,
    trailing_amount: Numeric | None = None,
    trailing_percent: Numeric | None = None,
    stop_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the market at a distance with a stop that never goes back (``TRAIL``).

    Products: CFD, CASH, FOP, FUT, OPT, STK, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        trailing_amount: The distance as a price (official ``auxPrice``), or
        trailing_percent: the distance in percent; 1.5 means 1.5 % (official ``trailingPercent``).
        stop_price: Where the stop starts (official ``trailStopPrice``); None lets IB work it out.
        **fields: Further fields of the order.
    """
    return Order.trailing_stop(
        action,
        quantity,
        trailing_amount=trailing_amount,
        trailing_percent=trailing_percent,
        stop_price=stop_price,
        **fields,
    )


@checked
def trailing_stop_limit(
    action: str,
    quantity: Numeric,
    *,
    limit_offset: Numeric | None = None,
    limit_price: Numeric | None = None,
    trailing_amount: Numeric | None = None,
    trailing_percent: Numeric | None = None,
    stop_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the market with a stop that becomes a limit order (``TRAIL LIMIT``).

    Products: BOND, CFD, CASH, FUT, FOP, OPT, STK, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_offset: How far the limit is beyond the stop (official ``lmtPriceOffset``), or
        limit_price: the limit that the broker trails from the start (official ``lmtPrice``).
        trailing_amount: The distance as a price (official ``auxPrice``), or
        trailing_percent: the distance in percent (official ``trailingPercent``).
        stop_price: Where the stop starts (official ``trailStopPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "TRAIL LIMIT",
        "limit_offset": limit_offset,
        "limit_price": limit_price,
        "aux_price": trailing_amount,
        "trailing_percent": trailing_percent,
        "trail_stop_price": stop_price,
    }
    return made(own, fields)


@checked
def market_if_touched(action: str, quantity: Numeric, trigger_price: Numeric, **fields: Any) -> Order:
    """Become a market order once the market is as good as the trigger price (``MIT``).

    Products: BOND, CFD, CASH, FUT, FOP, OPT, STK, WAR.

    Args:
        action: BUY, with a trigger below the market, or SELL, with one above.
        quantity: In the contract's units.
        trigger_price: Where it is elected (official ``auxPrice``).
        **fields: Further fields of the order.
    """
    return made(
        {"action": action, "quantity": quantity, "order_type": "MIT", "aux_price": trigger_price}, fields
    )


@checked
def limit_if_touched(
    action: str, quantity: Numeric, trigger_price: Numeric, limit_price: Numeric, **fields: Any
) -> Order:
    """Become a limit order once the market is as good as the trigger price (``LIT``).

    Products: BOND, CFD, CASH, FUT, FOP, OPT, STK, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        trigger_price: Where it is elected (official ``auxPrice``).
        limit_price: Worst price from then on (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LIT",
        "aux_price": trigger_price,
        "limit_price": limit_price,
    }
    return made(own, fields)


@checked
def trailing_market_if_touched(
    action: str,
    quantity: Numeric,
    *,
    trailing_amount: Numeric | None = None,
    trailing_percent: Numeric | None = None,
    trigger_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the market on its good side with a trigger for a market order (``TRAIL MIT``).

    Products: BOND, CFD, CASH, FUT, FOP, OPT, STK, WAR, as for ``MIT``: the API pages do not list this type,
    TWS has it.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        trailing_amount: The distance as a price (official ``auxPrice``), or
        trailing_percent: the distance in percent (official ``trailingPercent``).
        trigger_price: Where the trigger starts (official ``trailStopPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "TRAIL MIT",
        "aux_price": trailing_amount,
        "trailing_percent": trailing_percent,
        "trail_stop_price": trigger_price,
    }
    return made(own, fields)


@checked
def trailing_limit_if_touched(
    action: str,
    quantity: Numeric,
    *,
    limit_offset: Numeric,
    trailing_amount: Numeric | None = None,
    trailing_percent: Numeric | None = None,
    trigger_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the market on its good side with a trigger for a limit order (``TRAIL LIT``).

    Products: BOND, CFD, CASH, FUT, FOP, OPT, STK, WAR, as for ``LIT``: the API pages do not list this type,
    TWS has it.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_offset: How far the limit is beyond the trigger (official ``lmtPriceOffset``).
        trailing_amount: The distance as a price (official ``auxPrice``), or
        trailing_percent: the distance in percent (official ``trailingPercent``).
        trigger_price: Where the trigger starts (official ``trailStopPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "TRAIL LIT",
        "limit_offset": limit_offset,
        "aux_price": trailing_amount,
        "trailing_percent": trailing_percent,
        "trail_stop_price": trigger_price,
    }
    return made(own, fields)


@checked
def market_to_limit(action: str, quantity: Numeric, **fields: Any) -> Order:
    """Trade at the market; what is left rests as a limit order at the price of the first part (``MTL``).

    Products: CFD, FUT, FOP, OPT, STK, WAR.
    """
    return made({"action": action, "quantity": quantity, "order_type": "MTL"}, fields)


@checked
def market_with_protection(action: str, quantity: Numeric, **fields: Any) -> Order:
    """Trade at the market, but not beyond the limit that the exchange sets (``MKT PRT``).

    Products: FUT, FOP.
    """
    return made({"action": action, "quantity": quantity, "order_type": "MKT PRT"}, fields)


@checked
def midpoint_match(
    action: str, quantity: Numeric, limit_price: Numeric | None = None, **fields: Any
) -> Order:
    """Trade at the midpoint with whoever wants to: a plain order for an exchange that has such a book.

    Products: STK. The contract's exchange makes it one (the official example routes to ISE).

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: Worst price (official ``lmtPrice``); None for a market order.
        **fields: Further fields of the order.
    """
    kind = "MKT" if limit_price is None else "LMT"
    own = {"action": action, "quantity": quantity, "order_type": kind, "limit_price": limit_price}
    return made(own, fields)


@checked
def limit_ibkrats(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Rest in the broker's own book: a limit order for a contract at ``IBKRATS`` (``LMT`` and ``notHeld``).

    Products: STK.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "notHeld": True,
    }
    return made(own, fields)


@checked
def discretionary(
    action: str, quantity: Numeric, limit_price: Numeric, discretionary_amount: Numeric, **fields: Any
) -> Order:
    """Show a limit, and go beyond it by a hidden amount where that is enough to trade (``LMT``).

    Products: STK.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: The price that is shown (official ``lmtPrice``).
        discretionary_amount: How far beyond it the order may go, as a price (official ``discretionaryAmt``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "discretionaryAmt": number("discretionary_amount", discretionary_amount),
    }
    return made(own, fields)


@checked
def iceberg(action: str, quantity: Numeric, limit_price: Numeric, display_size: int, **fields: Any) -> Order:
    """Show only a part of a limit order (``LMT``).

    Products: all that trade on a book which has them.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        limit_price: Worst price (official ``lmtPrice``).
        display_size: Units that are shown (official ``displaySize``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "display_size": display_size,
    }
    return made(own, fields)


@checked
def sweep_to_fill(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Take what stands at each price, at several exchanges at once, up to a limit (``LMT``, ``sweepToFill``).

    Products: CFD, STK, WAR; US stocks at SMART, elsewhere the flag is ignored with warning 131.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "sweepToFill": True,
    }
    return made(own, fields)


@checked
def block(action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """A large limit order for options, of 50 contracts or more (``LMT`` and ``blockOrder``).

    Products: OPT.

    Args:
        action: BUY or SELL.
        quantity: In contracts, 50 or more (the broker's code 117).
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "LMT",
        "limit_price": limit_price,
        "blockOrder": True,
    }
    return made(own, fields)


@checked
def box_top(action: str, quantity: Numeric, **fields: Any) -> Order:
    """Trade at the market of BOX; what is left rests at the price of the first part (``BOX TOP``).

    Products: OPT, for a contract at the exchange ``BOX``.
    """
    return made({"action": action, "quantity": quantity, "order_type": "BOX TOP"}, fields)


@checked
def cash_market(action: str, cash_quantity: Numeric, **fields: Any) -> Order:
    """Trade for an amount of money at the market (``MKT`` and ``cashQty``).

    Products: CASH, CRYPTO (there the only way to buy at the market), and stocks where the account has
    fractions.

    Args:
        action: BUY or SELL.
        cash_quantity: How much money, in the contract's currency (official ``cashQty``). The quantity is 0.
        **fields: Further fields of the order.
    """
    own = {"action": action, "quantity": 0, "order_type": "MKT", "cash_quantity": cash_quantity}
    return made(own, fields)


@checked
def cash_limit(action: str, cash_quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
    """Trade for an amount of money at a price or better (``LMT`` and ``cashQty``).

    Products: CASH, and stocks where the account has fractions.

    Args:
        action: BUY or SELL.
        cash_quantity: How much money, in the contract's currency (official ``cashQty``). The quantity is 0.
        limit_price: Worst price (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": 0,
        "order_type": "LMT",
        "limit_price": limit_price,
        "cash_quantity": cash_quantity,
    }
    return made(own, fields)
