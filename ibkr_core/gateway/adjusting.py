"""Adjustable stops: an order that changes its type once the market has gone its way."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.kinds import KINDS
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["adjusted", "check_adjustment", "wants_adjusting"]

_TYPES = frozenset({"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"})
_PRICES = ("triggerPrice", "adjustedStopPrice", "adjustedStopLimitPrice", "adjustedTrailingAmount")
_PERCENT_UNIT = 100
_MAX_PRICE = Decimal(10) ** 9


def _price(fields: Mapping[str, Any], name: str) -> Decimal | None:
    value = fields.get(name)
    if value is None:
        return None
    price = Decimal(str(value))
    if not price.is_finite() or abs(price) > _MAX_PRICE:
        raise RefusalError.invalid("Invalid price was entered")
    return price


def check_adjustment(spec: OrderSpec) -> None:
    """See whether what an adjustable order asks for makes sense; most orders ask for nothing.

    Raises:
        RefusalError: 321 for a type that cannot be adjusted or adjusted to; 361 to 364 for a trigger, stop,
            limit or trailing amount that is missing.
    """
    target = str(spec.fields.get("adjustedOrderType", ""))
    if not target:
        return
    if target not in _TYPES or spec.order_type not in _TYPES:
        raise RefusalError.invalid("Invalid adjusted order type was entered")
    for name in _PRICES:
        _price(spec.fields, name)  # they are looked at again when nobody is there to be refused
    if not _price(spec.fields, "triggerPrice"):
        raise RefusalError(361, "Invalid trigger price.")
    trails = KINDS[target].trails
    if not trails and not _price(spec.fields, "adjustedStopPrice"):
        raise RefusalError(362, "Invalid adjusted stop price.")
    if trails and (_price(spec.fields, "adjustedTrailingAmount") or 0) <= 0:
        raise RefusalError(364, "Invalid adjusted trailing amount.")
    if KINDS[target].uses_limit and _price(spec.fields, "adjustedStopLimitPrice") is None:
        raise RefusalError(363, "Invalid adjusted stop limit price.")


def wants_adjusting(spec: OrderSpec, last: Decimal) -> bool:
    """Whether the price has gone the order's way as far as its trigger price: up for a sale."""
    if not spec.fields.get("adjustedOrderType"):
        return False  # a trigger price without it may be anything, and means nothing
    trigger = _price(spec.fields, "triggerPrice")
    if trigger is None:
        return False
    return last <= trigger if spec.action == "BUY" else last >= trigger


def adjusted(spec: OrderSpec) -> OrderSpec:
    """The order as it is after its adjustment; that it was adjustable is no longer said."""
    fields = spec.fields
    kind = KINDS[fields["adjustedOrderType"]]
    stop, amount = _price(fields, "adjustedStopPrice"), _price(fields, "adjustedTrailingAmount")
    trails = kind.trails
    by_percent = int(fields.get("adjustableTrailingUnit", 0)) == _PERCENT_UNIT
    kept = {
        name: value for name, value in fields.items() if name not in {"adjustedOrderType", "triggerPrice"}
    }
    return attrs.evolve(
        spec,
        order_type=str(fields["adjustedOrderType"]),
        aux=(None if by_percent else amount) if trails else stop,
        trailing_percent=amount if trails and by_percent else None,
        trail_stop=stop if trails else None,
        limit=_price(fields, "adjustedStopLimitPrice") if kind.uses_limit else None,
        limit_offset=None,
        fields=kept,
    )
