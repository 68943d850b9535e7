"""Orders that hang on another: profit taker and stop loss by preset, and hedges sized by the gateway.

From server version 218 on a client may name the ids of a stop loss and a profit taker beside its order; the
gateway makes both by its presets, here one percent away from the order's price.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["attached_fields", "hedge_sized"]

_PRESET = "PRESET"
_MAX_RATIO = Decimal(1000)
_AWAY = Decimal("0.01")
_LEGS = (
    ("slOrderId", "slOrderType", "STP", "auxPrice", -1),
    ("ptOrderId", "ptOrderType", "LMT", "lmtPrice", 1),
)


def attached_fields(
    wanted: Mapping[str, Any], parent_id: int, spec: OrderSpec, instrument: Instrument, price: Decimal
) -> list[tuple[int, dict[str, Any]]]:
    """The orders to attach to a new one.

    Args:
        wanted: The request's ``attachedOrders``.
        parent_id: Order id of the new order.
        spec: The new order.
        instrument: What it trades.
        price: Its limit, or else the market's.

    Returns:
        Order id and fields of each, by rising id; empty when nothing is to be attached.

    Raises:
        RefusalError: 103 for ids that do not rise above the order's own, 321 for a type that no preset has.
    """
    found: list[tuple[int, dict[str, Any]]] = []
    for id_name, type_name, kind, price_name, direction in _LEGS:
        order_id = wanted.get(id_name)
        if order_id is None:
            continue
        if str(wanted.get(type_name, _PRESET)).upper() not in {_PRESET, kind}:
            raise RefusalError.invalid(f"Invalid type of an attached order: {wanted.get(type_name)}")
        if order_id <= parent_id or order_id in {one for one, _ in found}:
            raise RefusalError(103, "Duplicate order id")
        away = instrument.to_tick(price * (1 + spec.sign * direction * _AWAY))
        fields = {
            "action": "SELL" if spec.action == "BUY" else "BUY",
            "totalQuantity": spec.quantity,
            "orderType": kind,
            price_name: float(away),
            "tif": "GTC" if spec.tif == "GTC" else "DAY",
            "account": spec.account,
            "parentId": parent_id,
        }
        found.append((order_id, fields))
    return sorted(found, key=lambda one: one[0])


def hedge_sized(
    spec: OrderSpec,
    parent: GatewayOrder | None,
    own_price: Decimal,
    parent_price: Decimal,
    delta: Decimal | None = None,
) -> OrderSpec:
    """Give a hedge its size: a pair by its ratio, a beta hedge by value, an option's by delta (TWS facts 6).

    Args:
        spec: The child; one that is no hedge is returned as it is.
        parent: What it hedges.
        own_price: Price of what the child trades.
        parent_price: Price of what the parent trades.
        delta: Units of what the child trades that move like one unit of what the parent trades; None where
            that is no option on it.

    Raises:
        RefusalError: 320 for a delta hedge of no such option or a ratio that is none, 321 for a hedge of
            nothing or with a size of its own, 10063 for a currency hedge: everything here is paid in the base
            currency.
    """
    kind = spec.hedge_type
    if not kind:
        return spec
    if kind == "F":
        raise RefusalError(10063, "FX hedge orders cannot be attached to this order.")
    if kind == "D" and delta is None:
        raise RefusalError(320, "Error reading request. Invalid hedge ratio for a delta hedge order")
    if kind not in {"P", "B", "D"} or parent is None or spec.quantity:
        raise RefusalError.invalid("Invalid hedge order")
    ratio = (
        abs(delta) if kind == "D" and delta is not None else _ratio(str(spec.fields.get("hedgeParam", "")))
    )
    size = parent.total * ratio * (parent_price / own_price if kind == "B" else 1)
    whole = size.to_integral_value()
    if whole <= 0:
        raise RefusalError(320, "Error reading request. Invalid hedge ratio")
    return attrs.evolve(spec, quantity=whole)


def _ratio(text: str) -> Decimal:
    try:
        ratio = Decimal(text or "1")
    except ArithmeticError:
        ratio = Decimal("NaN")
    if not (ratio.is_finite() and 0 < ratio <= _MAX_RATIO):
        raise RefusalError(320, "Error reading request. Invalid hedge ratio")
    return ratio
