"""Orders whose price follows a market: the quote, the middle, the stock under an option, another contract.

An offset is always a positive amount in the contract's currency. ``limit_price`` is a cap: the worst price
that the order may take however the market moves. Orders in the broker's own book are not held (``notHeld``).
Source: the official pages on order types and on pegged orders at IBKRATS.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from ibkr_core.model.checks import checked
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.orders.making import made, number, optional, whole

__all__ = [
    "midprice",
    "passive_relative",
    "pegged_to_benchmark",
    "pegged_to_best",
    "pegged_to_best_up_to_mid",
    "pegged_to_market",
    "pegged_to_midpoint",
    "pegged_to_midpoint_ibkrats",
    "pegged_to_primary",
    "pegged_to_stock",
    "relative",
    "snap_to_market",
    "snap_to_midpoint",
    "snap_to_primary",
]

_UP_TO_MID: Final = Decimal("Infinity")
"""The official client's COMPETE_AGAINST_BEST_OFFSET_UP_TO_MID."""


def _pegged(
    kind: str,
    action: str,
    quantity: Numeric,
    offset: Numeric | None,
    limit_price: Numeric | None,
    fields: dict[str, Any],
) -> Order:
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": kind,
        "aux_price": optional("offset", offset),
        "limit_price": limit_price,
    }
    return made(own, fields)


@checked
def relative(
    action: str,
    quantity: Numeric,
    offset: Numeric = 0,
    *,
    limit_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Stay better than the best price on the order's own side, which it follows (``REL``, pegged to primary).

    Products: CFD, STK, OPT, FUT. Not on paper accounts.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        offset: How much better (official ``auxPrice``).
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order; ``percentOffset`` takes the place of an offset of 0.
    """
    return _pegged("REL", action, quantity, offset, limit_price, fields)


@checked
def pegged_to_primary(
    action: str,
    quantity: Numeric,
    offset: Numeric = 0,
    *,
    limit_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Do as :func:`relative` under the name that exchanges use (``PEG PRIM``).

    Products: as for ``REL``: the API pages know the order by that name only.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        offset: How much better than the best price on the order's own side (official ``auxPrice``).
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("PEG PRIM", action, quantity, offset, limit_price, fields)


@checked
def passive_relative(
    action: str,
    quantity: Numeric,
    offset: Numeric = 0,
    *,
    limit_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Stay worse than the best price on the order's own side, which it follows (``PASSV REL``).

    Products: STK, WAR.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        offset: How much worse (official ``auxPrice``).
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("PASSV REL", action, quantity, offset, limit_price, fields)


@checked
def pegged_to_market(
    action: str,
    quantity: Numeric,
    offset: Numeric = 0,
    *,
    limit_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the other side of the quote at a distance (``PEG MKT``): a purchase at the ask less the offset.

    Products: STK.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        offset: The distance (official ``auxPrice``).
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("PEG MKT", action, quantity, offset, limit_price, fields)


@checked
def pegged_to_midpoint(
    action: str,
    quantity: Numeric,
    offset: Numeric = 0,
    *,
    limit_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the middle of the quote (``PEG MID``).

    Products: STK.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        offset: How much worse than the middle (official ``auxPrice``).
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("PEG MID", action, quantity, offset, limit_price, fields)


@checked
def pegged_to_midpoint_ibkrats(
    action: str,
    quantity: Numeric,
    *,
    limit_price: Numeric | None = None,
    min_trade_quantity: int | None = None,
    offset_at_whole: Numeric | None = None,
    offset_at_half: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Follow the middle of the quote in the broker's own book (``PEG MID``), for a contract at ``IBKRATS``.

    Products: STK. From server version 170 on; older ones would leave the offsets out, which is refused.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: Cap (official ``lmtPrice``).
        min_trade_quantity: Smallest trade (official ``minTradeQty``).
        offset_at_whole: Offset where the middle is a whole penny (official ``midOffsetAtWhole``).
        offset_at_half: Offset where the middle is half a penny (official ``midOffsetAtHalf``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "PEG MID",
        "limit_price": limit_price,
        "notHeld": True,
        "minTradeQty": whole("min_trade_quantity", min_trade_quantity),
        "midOffsetAtWhole": optional("offset_at_whole", offset_at_whole),
        "midOffsetAtHalf": optional("offset_at_half", offset_at_half),
    }
    return made(own, fields)


@checked
def pegged_to_best(
    action: str,
    quantity: Numeric,
    offset: Numeric,
    *,
    limit_price: Numeric | None = None,
    min_trade_quantity: int | None = None,
    min_compete_size: int | None = None,
    **fields: Any,
) -> Order:
    """Stay better than the best price on the order's own side, in the broker's own book (``PEG BEST``).

    Products: STK, for a contract at ``IBKRATS``. From server version 170 on.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        offset: How much better than the best (official ``competeAgainstBestOffset``), in whole cents.
        limit_price: Cap (official ``lmtPrice``).
        min_trade_quantity: Smallest trade (official ``minTradeQty``).
        min_compete_size: Compete only with quotes of this size and above (official ``minCompeteSize``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "PEG BEST",
        "limit_price": limit_price,
        "notHeld": True,
        "minTradeQty": whole("min_trade_quantity", min_trade_quantity),
        "minCompeteSize": whole("min_compete_size", min_compete_size),
        "competeAgainstBestOffset": number("offset", offset),
    }
    return made(own, fields)


@checked
def pegged_to_best_up_to_mid(
    action: str,
    quantity: Numeric,
    *,
    limit_price: Numeric | None = None,
    min_trade_quantity: int | None = None,
    min_compete_size: int | None = None,
    offset_at_whole: Numeric | None = None,
    offset_at_half: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Compete with the best price up to the middle of the quote, in the broker's own book (``PEG BEST``).

    Products: STK, for a contract at ``IBKRATS``. From server version 170 on. The official offset is then
    ``competeAgainstBestOffset`` = infinity, which the builder sets.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: Cap (official ``lmtPrice``).
        min_trade_quantity: Smallest trade (official ``minTradeQty``).
        min_compete_size: Compete only with quotes of this size and above (official ``minCompeteSize``).
        offset_at_whole: Offset where the middle is a whole penny (official ``midOffsetAtWhole``).
        offset_at_half: Offset where the middle is half a penny (official ``midOffsetAtHalf``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "PEG BEST",
        "limit_price": limit_price,
        "notHeld": True,
        "minTradeQty": whole("min_trade_quantity", min_trade_quantity),
        "minCompeteSize": whole("min_compete_size", min_compete_size),
        "competeAgainstBestOffset": _UP_TO_MID,
        "midOffsetAtWhole": optional("offset_at_whole", offset_at_whole),
        "midOffsetAtHalf": optional("offset_at_half", offset_at_half),
    }
    return made(own, fields)


@checked
def midprice(action: str, quantity: Numeric, *, limit_price: Numeric | None = None, **fields: Any) -> Order:
    """Trade at the middle of the quote or better, routed by SMART (``MIDPRICE``).

    Products: STK.

    Args:
        action: BUY or SELL.
        quantity: In shares.
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("MIDPRICE", action, quantity, None, limit_price, fields)


@checked
def snap_to_market(action: str, quantity: Numeric, offset: Numeric = 0, **fields: Any) -> Order:
    """Rest at the other side of the quote less an offset, as it is when the order comes (``SNAP MKT``).

    Products: STK, OPT, FUT, as for pegged orders: the price is worked out once and follows nothing.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        offset: The distance (official ``auxPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("SNAP MKT", action, quantity, offset, None, fields)


@checked
def snap_to_midpoint(action: str, quantity: Numeric, offset: Numeric = 0, **fields: Any) -> Order:
    """Rest at the middle of the quote less an offset, as it is when the order comes (``SNAP MID``).

    Products: STK, OPT, FUT.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        offset: How much worse than the middle (official ``auxPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("SNAP MID", action, quantity, offset, None, fields)


@checked
def snap_to_primary(action: str, quantity: Numeric, offset: Numeric = 0, **fields: Any) -> Order:
    """Rest at the order's own side of the quote and an offset, as it is when the order comes (``SNAP PRIM``).

    Products: STK, OPT, FUT.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        offset: How much better than the best price on its own side (official ``auxPrice``).
        **fields: Further fields of the order.
    """
    return _pegged("SNAP PRIM", action, quantity, offset, None, fields)


@checked
def pegged_to_stock(
    action: str,
    quantity: Numeric,
    *,
    starting_price: Numeric,
    delta: Numeric,
    stock_reference_price: Numeric | None = None,
    stock_range_lower: Numeric | None = None,
    stock_range_upper: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Move an option's price by delta times what the stock moves (``PEG STK``).

    Products: OPT.

    Args:
        action: BUY or SELL.
        quantity: In contracts.
        starting_price: The option's price at the start (official ``startingPrice``).
        delta: What the option moves when the stock moves by 100, from 1 to 100; taken as positive for calls
            and negative for puts (official ``delta``).
        stock_reference_price: The stock's price that belongs to the start (official ``stockRefPrice``); the
            middle of its quote where it is not given.
        stock_range_lower: The order is cancelled when the stock is below (official ``stockRangeLower``).
        stock_range_upper: The order is cancelled when the stock is above (official ``stockRangeUpper``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "PEG STK",
        "startingPrice": number("starting_price", starting_price),
        "delta": number("delta", delta),
        "stockRefPrice": optional("stock_reference_price", stock_reference_price),
        "stockRangeLower": optional("stock_range_lower", stock_range_lower),
        "stockRangeUpper": optional("stock_range_upper", stock_range_upper),
    }
    return made(own, fields)


@checked
def pegged_to_benchmark(
    action: str,
    quantity: Numeric,
    *,
    starting_price: Numeric,
    change_amount: Numeric,
    reference_change_amount: Numeric,
    reference_con_id: int,
    reference_exchange: str = "",
    reference_price: Numeric | None = None,
    decrease: bool = False,
    range_lower: Numeric | None = None,
    range_upper: Numeric | None = None,
    limit_price: Numeric | None = None,
    **fields: Any,
) -> Order:
    """Move the price by so much whenever another contract has moved by so much (``PEG BENCH``).

    Products: BOND, CFD, CASH, FUT, FOP, OPT, STK, WAR: the pages do not list them.

    Args:
        action: BUY or SELL.
        quantity: In the contract's units.
        starting_price: The price at the start (official ``startingPrice``).
        change_amount: By how much it moves (official ``peggedChangeAmount``), for
        reference_change_amount: each move of this size (official ``referenceChangeAmount``) of
        reference_con_id: the other contract, by its id (official ``referenceContractId``).
        reference_exchange: Where that one trades (official ``referenceExchangeId``).
        reference_price: Its price that belongs to the start (official ``stockRefPrice``).
        decrease: Move the other way (official ``isPeggedChangeAmountDecrease``).
        range_lower: Work only while the other contract is above (official ``stockRangeLower``).
        range_upper: Work only while the other contract is below (official ``stockRangeUpper``).
        limit_price: Cap (official ``lmtPrice``).
        **fields: Further fields of the order.
    """
    own = {
        "action": action,
        "quantity": quantity,
        "order_type": "PEG BENCH",
        "limit_price": limit_price,
        "startingPrice": number("starting_price", starting_price),
        "peggedChangeAmount": number("change_amount", change_amount),
        "isPeggedChangeAmountDecrease": decrease,
        "referenceContractId": whole("reference_con_id", reference_con_id, least=1),
        "referenceChangeAmount": number("reference_change_amount", reference_change_amount),
        "referenceExchangeId": reference_exchange,
        "stockRefPrice": optional("reference_price", reference_price),
        "stockRangeLower": optional("range_lower", range_lower),
        "stockRangeUpper": optional("range_upper", range_upper),
    }
    return made(own, fields)
