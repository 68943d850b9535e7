"""Attributes that do not go with an order, each with the broker's code for it: one table.

The codes and their texts are those of the broker's public table of error codes (TWS facts 7); a cause that
the table leaves open is the plainest one that its text allows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.kinds import Pricing
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.scaling import is_simulated

__all__ = ["OBJECTIONS", "check_attributes"]

_ZERO = Decimal(0)
_ANY = Decimal("Infinity")
_MOST = Decimal(10) ** 9
_CUSTOMER, _FIRM = 0, 1
_VOLATILITY_TYPES = frozenset({0, 1, 2})  # daily, annual; 0 is unset
_SCALED = "scalePriceIncrement"
_DISCRETIONARY_TYPES = frozenset({"LMT", "REL", "STP LMT"})
_NO_BLOCK = 3


@attrs.frozen
class Objection:
    """One reason to refuse an order.

    Attributes:
        code: The broker's code.
        text: What the client is told.
        applies: Whether it applies to an order for an instrument at a destination.
    """

    code: int
    text: str
    applies: Callable[[Instrument, OrderSpec, str], bool]


def _number(spec: OrderSpec, name: str) -> Decimal:
    given = spec.fields.get(name)
    if not given:
        return _ZERO
    try:
        value = Decimal(str(given))
    except ArithmeticError:
        raise RefusalError.invalid(f"Invalid {name} was entered") from None
    if value == _ANY and name == "competeAgainstBestOffset":
        return _ZERO  # how the official client says "up to the middle"
    if not value.is_finite() or abs(value) > _MOST:
        raise RefusalError.invalid(f"Invalid {name} was entered")
    return value


def _whole(fields: Mapping[str, Any], name: str) -> int:
    return int(fields.get(name) or 0)


def _scales(spec: OrderSpec) -> bool:
    return spec.fields.get(_SCALED) is not None


def _is_volatility(spec: OrderSpec) -> bool:
    return spec.kind.pricing is Pricing.VOLATILITY


def _stock_leg(instrument: Instrument) -> bool:
    return any(leg.instrument.sec_type == "STK" for leg in getattr(instrument, "legs", ()))


OBJECTIONS: tuple[Objection, ...] = (
    Objection(
        387,
        "Unsupported order type for this exchange and security type.",
        lambda one, spec, exchange: (
            (spec.kind.products is not None and one.sec_type not in spec.kind.products)
            or (spec.kind.exchanges is not None and exchange not in spec.kind.exchanges)
        ),
    ),
    Objection(
        311,
        "The origin is invalid.",
        lambda _, spec, __: _whole(spec.fields, "origin") not in {_CUSTOMER, _FIRM},
    ),
    Objection(
        315,
        "Stock combo legs are restricted to SMART order routing.",
        lambda one, _, exchange: exchange != "SMART" and _stock_leg(one),
    ),
    Objection(
        325,
        "Discretionary orders are not supported for this combination of exchange and order type.",
        lambda _, spec, __: (
            _number(spec, "discretionaryAmt") != 0 and spec.order_type not in _DISCRETIONARY_TYPES
        ),
    ),
    Objection(
        347,
        "Short sale slot value must be 1 (broker holds shares) or 2 (delivered from elsewhere).",
        lambda _, spec, __: _whole(spec.fields, "shortSaleSlot") not in {0, 1, 2},
    ),
    Objection(
        348,
        "Order not a short sale -- type must be SSHORT to specify short sale slot.",
        lambda _, spec, __: _whole(spec.fields, "shortSaleSlot") in {1, 2},
    ),
    Objection(
        359,
        "Combo order only supports reduce on fill without block(OCA).",
        lambda one, spec, _: (
            one.sec_type == "BAG" and bool(spec.oca_group) and spec.oca_type not in {0, _NO_BLOCK}
        ),
    ),
    Objection(
        367,
        "Volatility type if set must be 1 or 2 for VOL orders. Do not set it for other order types.",
        lambda _, spec, __: (
            _whole(spec.fields, "volatilityType") not in (_VOLATILITY_TYPES if _is_volatility(spec) else {0})
        ),
    ),
    Objection(
        371,
        "VOL order requires positive floating point value for volatility. "
        "Do not set it for other order types.",
        lambda _, spec, __: (_number(spec, "volatility") > 0) is not _is_volatility(spec),
    ),
    Objection(
        372,
        "Cannot set dynamic VOL attribute on non-VOL order.",
        lambda _, spec, __: bool(spec.fields.get("continuousUpdate")) and not _is_volatility(spec),
    ),
    Objection(
        419,
        "Missing initial component size for scale order.",
        lambda _, spec, __: _scales(spec) and spec.fields.get("scaleInitLevelSize") is None,
    ),
    Objection(
        417,
        "Invalid initial component size for scale order.",
        lambda _, spec, __: _scales(spec) and not 0 < _number(spec, "scaleInitLevelSize") <= spec.quantity,
    ),
    Objection(
        410,
        "Invalid subsequent component size for scale order.",
        lambda _, spec, __: (
            _scales(spec)
            and spec.fields.get("scaleSubsLevelSize") is not None
            and _number(spec, "scaleSubsLevelSize") <= 0
        ),
    ),
    Objection(
        408,
        "Invalid scale order increment.",
        lambda _, spec, __: _scales(spec) and _number(spec, _SCALED) <= 0,
    ),
    Objection(
        418,
        "Invalid scale order profit offset.",
        lambda _, spec, __: (
            _scales(spec)
            and spec.fields.get("scaleProfitOffset") is not None
            and _number(spec, "scaleProfitOffset") <= 0
        ),
    ),
    Objection(
        446,
        "Missing scale order profit offset.",
        lambda _, spec, __: (
            _scales(spec)
            and bool(spec.fields.get("scaleAutoReset"))
            and spec.fields.get("scaleProfitOffset") is None
        ),
    ),
    Objection(
        10340,
        "The following order attribute is not supported: scalePriceIncrement",
        lambda _, spec, __: _scales(spec) and not is_simulated(spec.fields, spec.order_type),
    ),
    Objection(
        10020,
        "Display size should be smaller than order size.",
        lambda _, spec, __: spec.terms.display > spec.quantity,
    ),
    Objection(
        10289,
        "You must set Cash Quantity for this order.",
        lambda one, spec, _: (
            one.sec_type == "CRYPTO"
            and (spec.action, spec.order_type) == ("BUY", "MKT")
            and spec.terms.cash is None
        ),
    ),
    Objection(
        10303,
        "Invalid min trade trade quantity value. "
        "It must be a positive integer, not exceeding the total order size.",
        lambda _, spec, __: not 0 <= _number(spec, "minTradeQty") <= max(spec.quantity, _ZERO),
    ),
    Objection(
        10304,
        "Minimum Competing Size value must be non-negative.",
        lambda _, spec, __: _number(spec, "minCompeteSize") < 0,
    ),
    Objection(
        10305,
        "Compete against best bid or offer Offset dollar value must be positive, multiple of a cent.",
        lambda one, spec, _: (
            spec.kind.pricing is Pricing.BEST
            and (
                _number(spec, "competeAgainstBestOffset") < 0
                or not one.on_tick(_number(spec, "competeAgainstBestOffset"))
            )
        ),
    ),
)
"""Every objection, in the order in which they are looked at."""


def check_attributes(instrument: Instrument, spec: OrderSpec, exchange: str) -> None:
    """Hold an order's attributes against its type, its instrument and its destination.

    Raises:
        RefusalError: With the code of the first objection in :data:`OBJECTIONS` that applies; 341 for a
            delta out of range; 321 for a peg that says not what it follows.
    """
    for objection in OBJECTIONS:
        if objection.applies(instrument, spec, exchange):
            raise RefusalError(objection.code, objection.text)
    if spec.kind.pricing is Pricing.STOCK and not 0 < _number(spec, "delta") <= 100:  # noqa: PLR2004
        raise RefusalError(341, "Invalid delta. Valid values are from 1 to 100.")
    if spec.kind.pricing is Pricing.BENCHMARK and not (
        _number(spec, "referenceChangeAmount") > 0 and _whole(spec.fields, "referenceContractId")
    ):
        raise RefusalError.invalid("Please enter a reference contract and its change amount")
    for name in ("startingPrice", "stockRefPrice", "peggedChangeAmount"):
        _number(spec, name)
