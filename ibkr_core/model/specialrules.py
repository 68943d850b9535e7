"""Rules about volatility, pegged, scale and adjustable orders, about hedges, and about prices."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.ruleparts import Rule, held, missing_or_not_positive, set_and_not_positive, size

__all__ = ["HEDGE_RULES", "PEG_RULES", "PRICE_RULES"]

_SURE: Final = 15
"""Digits of a number that a binary floating point number keeps, whichever they are."""
_ADJUSTABLE: Final = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
_OFFSET_TYPES: Final = frozenset(
    {"REL", "PEG PRIM", "PASSV REL", "PEG MKT", "PEG MID", "SNAP MKT", "SNAP MID", "SNAP PRIM"}
)
_NEVER_NEGATIVE: Final = frozenset({"STK", "CFD", "CASH", "CRYPTO", "FUND"})
_PRICES: Final = (
    "limit_price",
    "aux_price",
    "trail_stop_price",
    "trailing_percent",
    "limit_offset",
    "cash_quantity",
)
_OFFICIAL_PRICES: Final = (
    "startingPrice",
    "stockRefPrice",
    "stockRangeLower",
    "stockRangeUpper",
    "triggerPrice",
    "adjustedStopPrice",
    "adjustedStopLimitPrice",
)


def _scales(order: Order) -> bool:
    return held(order, "scalePriceIncrement") is not None


def _adjusts(order: Order) -> bool:
    return bool(order.official.get("adjustedOrderType"))


def _adjusted_to(order: Order, *kinds: str) -> bool:
    return order.official.get("adjustedOrderType") in kinds


def _wrong_side(order: Order) -> bool:
    """Whether an adjusted stop would be elected by the very price that adjusts the order."""
    trigger, stop = held(order, "triggerPrice"), held(order, "adjustedStopPrice")
    if not _adjusts(order) or trigger is None or stop is None:
        return False
    return stop <= trigger if order.action.sign > 0 else stop >= trigger


def _does_not_travel(name: str) -> Callable[[Order, Contract], bool]:
    """Whether a price would be another one on the wire, where prices are binary floating point numbers."""

    def is_broken(order: Order, _: Contract) -> bool:
        price = getattr(order, name) if name in _PRICES else held(order, name)
        if price is None:
            return False
        if type(price) is Decimal:  # one of a class of its own may call itself anything
            text = str(price)
            if len(text) <= _SURE and "E" not in text and price.is_finite():
                return False  # nearly every order
        return Decimal(repr(float(price))) != price

    return is_broken


def _not_positive(name: str) -> Callable[[Order, Contract], bool]:
    def is_broken(order: Order, contract: Contract) -> bool:
        return contract.sec_type in _NEVER_NEGATIVE and set_and_not_positive(order, name)

    return is_broken


PEG_RULES: Final = (
    Rule(
        "volatility",
        "volatility",
        "must be above zero for a VOL order, and is for no other",
        "code 371",
        lambda order, _: (
            missing_or_not_positive(order, "volatility")
            if order.order_type == "VOL"
            else held(order, "volatility") is not None
        ),
    ),
    Rule(
        "volatility-type",
        "volatilityType",
        "must be 1 (daily) or 2 (annual) for a VOL order, and is for no other",
        "code 367",
        lambda order, _: (
            held(order, "volatilityType")
            not in ({None, Decimal(1), Decimal(2)} if order.order_type == "VOL" else {None})
        ),
    ),
    Rule(
        "volatility-update",
        "continuousUpdate",
        "is for VOL orders only",
        "code 372",
        lambda order, _: bool(order.official.get("continuousUpdate")) and order.order_type != "VOL",
    ),
    Rule(
        "stock-delta",
        "delta",
        "must be from 1 to 100 for a PEG STK order",
        "code 341",
        lambda order, _: order.order_type == "PEG STK" and not 1 <= size(order, "delta") <= 100,  # noqa: PLR2004 - percent
    ),
    Rule(
        "stock-start",
        "startingPrice",
        "is required for a PEG STK order, above zero",
        "official page: pegged to stock",
        lambda order, _: order.order_type == "PEG STK" and missing_or_not_positive(order, "startingPrice"),
    ),
    Rule(
        "benchmark",
        "referenceContractId",
        "and a referenceChangeAmount above zero are required for a PEG BENCH order",
        "code 321; official page: pegged to benchmark",
        lambda order, _: (
            order.order_type == "PEG BENCH"
            and (
                missing_or_not_positive(order, "referenceContractId")
                or missing_or_not_positive(order, "referenceChangeAmount")
            )
        ),
    ),
    Rule(
        "scale-size",
        "scaleInitLevelSize",
        "is required for a scale order, above zero and not above the quantity",
        "codes 417 and 419",
        lambda order, _: _scales(order) and not 0 < size(order, "scaleInitLevelSize") <= order.quantity,
    ),
    Rule(
        "scale-subsequent-size",
        "scaleSubsLevelSize",
        "must be above zero",
        "code 410",
        lambda order, _: set_and_not_positive(order, "scaleSubsLevelSize"),
    ),
    Rule(
        "scale-increment",
        "scalePriceIncrement",
        "must be above zero",
        "code 408",
        lambda order, _: set_and_not_positive(order, "scalePriceIncrement"),
    ),
    Rule(
        "scale-profit",
        "scaleProfitOffset",
        "must be above zero",
        "code 418",
        lambda order, _: set_and_not_positive(order, "scaleProfitOffset"),
    ),
    Rule(
        "scale-reset",
        "scaleProfitOffset",
        "is required where scaleAutoReset is set",
        "code 446",
        lambda order, _: (
            bool(order.official.get("scaleAutoReset")) and held(order, "scaleProfitOffset") is None
        ),
    ),
    Rule(
        "adjusted-types",
        "adjustedOrderType",
        "goes from STP, STP LMT, TRAIL or TRAIL LIMIT to one of these",
        "code 321; official page: adjustable stops",
        lambda order, _: (
            _adjusts(order) and not (order.order_type in _ADJUSTABLE and _adjusted_to(order, *_ADJUSTABLE))
        ),
    ),
    Rule(
        "adjusted-trigger",
        "triggerPrice",
        "is required for an adjustable stop",
        "code 361",
        lambda order, _: _adjusts(order) and not size(order, "triggerPrice"),
    ),
    Rule(
        "adjusted-stop",
        "adjustedStopPrice",
        "is required where an order is adjusted to STP or STP LMT",
        "code 362",
        lambda order, _: _adjusted_to(order, "STP", "STP LMT") and not size(order, "adjustedStopPrice"),
    ),
    Rule(
        "adjusted-limit",
        "adjustedStopLimitPrice",
        "is required where an order is adjusted to STP LMT or TRAIL LIMIT",
        "code 363",
        lambda order, _: (
            _adjusted_to(order, "STP LMT", "TRAIL LIMIT") and held(order, "adjustedStopLimitPrice") is None
        ),
    ),
    Rule(
        "adjusted-trail",
        "adjustedTrailingAmount",
        "is required where an order is adjusted to TRAIL or TRAIL LIMIT, above zero",
        "code 364",
        lambda order, _: (
            _adjusted_to(order, "TRAIL", "TRAIL LIMIT")
            and missing_or_not_positive(order, "adjustedTrailingAmount")
        ),
    ),
    Rule(
        "adjusted-side",
        "adjustedStopPrice",
        "must be below the triggerPrice for a sale and above it for a purchase",
        "chosen: the price that adjusts the order would elect it at once",
        lambda order, _: _wrong_side(order),
    ),
)

HEDGE_RULES: Final = (
    Rule(
        "hedge-type",
        "hedgeType",
        "must be D (delta), B (beta), F (currency) or P (pair)",
        "comments of the official Order",
        lambda order, _: order.official.get("hedgeType", "") not in {"", "D", "B", "F", "P"},
    ),
    Rule(
        "hedge-parent",
        "parent_id",
        "is required for a hedge: it is sized by what its parent fills",
        "official page: hedging",
        lambda order, _: bool(order.official.get("hedgeType")) and not order.parent_id,
        only_new=True,  # once the parent is done, a modification must not name it (TWS facts 6)
    ),
    Rule(
        "hedge-quantity",
        "quantity",
        "must be 0 for a hedge: the broker sizes it",
        "official page: hedging; TWS facts 6",
        lambda order, _: bool(order.official.get("hedgeType")) and order.quantity != 0,
    ),
    Rule(
        "hedge-param",
        "hedgeParam",
        "is required for a beta or a pair hedge",
        "code 320; comments of the official Order",
        lambda order, _: (
            order.official.get("hedgeType") in {"B", "P"} and not order.official.get("hedgeParam")
        ),
    ),
)

_QUANTITY_DIGITS: Final = 16


def _has_too_many_digits(quantity: Decimal) -> bool:
    # One of a class of its own may call itself anything.
    if type(quantity) is Decimal and len(str(quantity)) <= _QUANTITY_DIGITS:
        return False  # nearly every order
    return _digits(quantity) > _QUANTITY_DIGITS


def _digits(number: Decimal) -> int:
    """How many digits a number has, without zeros at either end."""
    return len("".join(map(str, number.as_tuple().digits)).strip("0"))


PRICE_RULES: Final = (
    Rule(
        "offset",
        "aux_price",
        "is an offset here and must not be negative",
        "official pages: relative and pegged orders",
        lambda order, _: (
            order.order_type in _OFFSET_TYPES and order.aux_price is not None and order.aux_price < 0
        ),
    ),
    *(
        Rule(
            "price-digits",
            name,
            "has more digits than a price can have on the wire, so that another one would be sent",
            "chosen: prices travel as binary floating point numbers",
            _does_not_travel(name),
        )
        for name in (*_PRICES, *_OFFICIAL_PRICES)
    ),
    Rule(
        "quantity-digits",
        "quantity",
        "has more than the 16 digits that a quantity can have",
        "chosen: the official C++ client holds quantities in 64-bit decimals, which have no more",
        lambda order, _: _has_too_many_digits(order.quantity),
    ),
    *(
        Rule(
            "price-positive",
            name,
            "must be above zero for this kind of contract",
            "code 109",
            _not_positive(name),
        )
        for name in _OFFICIAL_PRICES
    ),
)
