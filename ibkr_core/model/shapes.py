"""The shape of an order: all of it but what differs from one order to the next.

A program sends orders of few shapes: the same type, time in force, account and kind of contract, again and
again, with another symbol, quantity and price. What was found out about one order of a shape need not be
found out about the next. Orders of the same shape are equal, down to the types of their values, in every
field that is not in :data:`VARYING`, and have a value in the same ones of those that are.

Only plain orders have a shape: one with conditions, an algorithm, legs, official fields or anything else that
makes a message branch has none, and is looked at anew each time.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.taking import taker

__all__ = ["PLAIN", "STEADY", "VARYING", "Shape", "Shapes"]

STEADY: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        Contract: (
            "sec_type",
            "right",
            "multiplier",
            "exchange",
            "primary_exchange",
            "currency",
            "include_expired",
            "sec_id_type",
            "issuer_id",
        ),
        Order: (
            "order_type",
            "tif",
            "outside_rth",
            "good_after_time",
            "good_till_date",
            "oca_type",
            "transmit",
            "account",
            "hidden",
            "all_or_none",
            "min_quantity",
            "display_size",
            "trigger_method",
            "action",
        ),
    }
)
"""Fields that are alike in all orders of a shape."""

VARYING: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        Contract: ("con_id", "symbol", "expiry", "strike", "local_symbol", "trading_class", "sec_id"),
        Order: (
            "quantity",
            "limit_price",
            "aux_price",
            "trail_stop_price",
            "trailing_percent",
            "limit_offset",
            "order_ref",
            "oca_group",
            "parent_id",
        ),
    }
)
"""Fields whose values differ within a shape; but in all orders of it the same ones are empty."""

PLAIN: Final[Mapping[type, tuple[str, ...]]] = MappingProxyType(
    {
        Contract: ("combo_legs", "delta_neutral"),
        Order: (
            "cash_quantity",
            "what_if",
            "conditions",
            "conditions_cancel",
            "conditions_outside_rth",
            "algo",
            "official",
        ),
    }
)
"""Fields that are empty in everything that has a shape. What is in none of the three is never sent."""

_MOST: Final = 512
_STEADY_KINDS: Final = frozenset({str, int, bool, type(None)})
_VARYING_KINDS: Final = (int, str, str, Decimal, str, str, str, *[Decimal] * 6, str, int)

_steady: Final = taker(STEADY[Contract], (name for name in STEADY[Order] if name != "action"))
_varying: Final = taker(VARYING[Contract], (name for name in VARYING[Order] if name != "order_ref"))


class Shape:
    """The shape of some orders: the very same object for all of them.

    Attributes:
        filled: The fields of :data:`VARYING` that are not empty in them, ``order_ref`` among them.
        kinds: The types of all their fields.
    """

    __slots__ = ("filled", "kinds")

    def __init__(self, filled: frozenset[str], kinds: tuple[type, ...]) -> None:
        self.filled = filled
        self.kinds = kinds


_NO_SHAPE: Final = Shape(frozenset(), ())
"""Of what looks plain and is not; no order has its kinds."""


class Shapes:
    """Knows the shapes that were seen lately.

    Any thread may ask. Two that ask at once for a new shape may get two objects for it, which does no harm.
    """

    def __init__(self) -> None:
        self._known: dict[object, Shape] = {}
        self._last: tuple[Contract | None, Order | None, Shape | None] = (None, None, None)

    def of(self, contract: Contract, order: Order) -> Shape | None:
        """Return the shape of an order for a contract; None where it has none.

        Args:
            contract: What it is for.
            order: The order. Its ``order_ref`` does not matter: every order that is sent has one.
        """
        last_contract, last_order, shape = self._last
        if contract is not last_contract or order is not last_order:
            shape = self._find(contract, order)
            self._last = contract, order, shape
        return shape

    def note(self, order: Order, labelled: Order) -> None:
        """Take note of an order that is another one, but for its ``order_ref``: it will be asked for."""
        contract, last_order, shape = self._last
        if last_order is order:
            self._last = contract, labelled, shape

    def _find(self, contract: Contract, order: Order) -> Shape | None:
        if (
            contract.combo_legs
            or contract.delta_neutral is not None
            or order.official
            or order.conditions
            or order.algo is not None
            or order.cash_quantity is not None
            or order.what_if
            or order.conditions_cancel
            or order.conditions_outside_rth
        ):
            return None
        steady, varying = _steady(contract, order), _varying(contract, order)
        try:
            key = (steady, tuple(map(bool, varying)), order.action)
            shape = self._known.get(key)
            if shape is None:
                shape = self._take_in(key, steady, varying)
        except Exception:  # noqa: BLE001 - what was not checked yet may hold anything, of a class of one's own too
            return None
        # 1 and True are equal, and a text of a class of one's own may be written as another text.
        return shape if shape.kinds == tuple(map(type, steady + varying)) else None

    def _take_in(self, key: object, steady: tuple[Any, ...], varying: tuple[Any, ...]) -> Shape:
        if len(self._known) >= _MOST:
            self._known.clear()
        return self._known.setdefault(key, _made(steady, varying))


def _made(steady: tuple[Any, ...], varying: tuple[Any, ...]) -> Shape:
    if not _STEADY_KINDS.issuperset(map(type, steady)):
        return _NO_SHAPE
    for value, kind in zip(varying, _VARYING_KINDS, strict=True):
        is_unset = value is None and kind is Decimal
        # A number of zero is set, and written; nothing here could tell it from another zero.
        if not is_unset and (type(value) is not kind or (kind is Decimal and not value)):
            return _NO_SHAPE
    kinds = tuple(map(type, steady + varying))
    names = (*VARYING[Contract], *(name for name in VARYING[Order] if name != "order_ref"))
    filled = (name for name, value in zip(names, varying, strict=True) if value)
    return Shape(frozenset(filled) | {"order_ref"}, kinds)
