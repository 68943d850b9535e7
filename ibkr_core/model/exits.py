"""What an exit of a bracket must be like beside its entry. Pure: orders in, a refusal or nothing out."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from decimal import Decimal
from typing import Final

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order

__all__ = [
    "PROTECTIVE",
    "check_exit_side",
    "check_exits",
    "check_price_order",
    "exit_price",
    "is_protective",
    "same_instrument",
]

_MARKET: Final = frozenset({"MKT", "MKT PRT", "MOC", "MTL"})
_TRAILING: Final = frozenset({"TRAIL", "TRAIL LIMIT"})
_TRIGGERED: Final = frozenset({"STP", "STP LMT", "STP PRT", "MIT", "LIT"})
_STOPS: Final = frozenset({"STP", "STP LMT", "STP PRT"})
_TARGETS: Final = frozenset({"LMT", "LOC", "MIT", "LIT"})
_TRAILING_PARENTS: Final = frozenset({"LMT", "STP LMT"})

PROTECTIVE: Final = _STOPS | _TRAILING
"""Order types of an exit that limits a loss; every other type waits for a profit."""


def is_protective(order_type: str) -> bool:
    """Whether an exit of this type limits a loss."""
    return order_type.upper() in PROTECTIVE


def same_instrument(one: Contract, other: Contract) -> bool:
    """Whether two contracts name the same thing to hold, wherever each of them is routed.

    By the broker's ids where both have one, else by what both of them tell: the broker's echo has more fields
    than most requests. What nothing proves to be the same is not: an id alone beside a symbol alone. A
    combination is the same when its legs are.
    """
    if one is other:  # as the orders of one group have it
        return True
    if one.is_combo or other.is_combo:
        return one.is_combo is other.is_combo and _legs(one) == _legs(other)
    if one.con_id and other.con_id:
        return one.con_id == other.con_id
    months = one.expiry[:_MONTH], other.expiry[:_MONTH]
    is_month = _MONTH in (len(one.expiry), len(other.expiry))  # and contains its days
    if (one.expiry and other.expiry) and (
        months[0] != months[1] or not (is_month or one.expiry == other.expiry)
    ):
        return False
    is_named = any(getattr(one, name) and getattr(one, name) == getattr(other, name) for name in _PROOFS)
    return is_named and all(_agree(getattr(one, name), getattr(other, name)) for name in _NAMES)


def _agree(one: object, other: object) -> bool:
    """Whether two fields do not contradict each other."""
    return one == other or one in ("", None) or other in ("", None)


_MONTH: Final = 6
_PROOFS: Final = ("symbol", "local_symbol", "sec_id")
_NAMES: Final = (
    "symbol",
    "sec_type",
    "strike",
    "right",
    "currency",
    "local_symbol",
    "trading_class",
    "sec_id",
)


def _legs(contract: Contract) -> frozenset[tuple[int, int, str]]:
    return frozenset((leg.con_id, leg.ratio, leg.action) for leg in contract.combo_legs)


def check_exits(parent: Order, exits: Mapping[str, Order]) -> None:
    """Raise unless these orders can be the exits of the entry, each for its whole quantity.

    Args:
        parent: The entry.
        exits: The exits, by the name that a refusal is to use.

    Raises:
        InvalidGroup: The entry is itself a child; an exit is on the entry's side, of another size or account,
            in an OCA group, at a price on the wrong side of the entry, or trailing where that is refused.
    """
    if parent.parent_id:
        raise InvalidGroup("parent", "is itself the child of another order")
    for name, order in exits.items():
        check_exit_side(parent, name, order)
        if order.quantity != parent.quantity:
            raise InvalidGroup(
                name, f"must have the parent's quantity of {parent.quantity}, not {order.quantity}"
            )
    check_price_order(parent, exits)


def check_exit_side(parent: Order, name: str, order: Order) -> None:
    """Raise unless an order can close what the entry opens, whatever its size and price.

    Raises:
        InvalidGroup: As for :func:`check_exits`.
    """
    if order.action.sign == parent.action.sign:
        raise InvalidGroup(name, f"must be on the other side of the {parent.action.value} parent")
    if order.account != parent.account:
        raise InvalidGroup(name, "must be for the same account as the parent")
    if order.oca_group:
        # The gateway groups the exits by the parent's permId itself (TWS facts 4).
        raise InvalidGroup(name, "is in an OCA group already; the broker groups the exits itself")
    if _kind(order) in _TRAILING and _kind(parent) not in _TRAILING_PARENTS:
        # Refused with 328, and then the whole bracket stays silent (TWS facts 6 and 7).
        raise InvalidGroup(
            name,
            f"a trailing exit can be attached to a LMT or STP LMT parent only, not to {_kind(parent)} "
            "(broker code 328)",
        )


def _kind(order: Order) -> str:
    return order.order_type.upper()


def _entry_prices(parent: Order) -> tuple[Decimal, ...]:
    """Prices at which the parent may fill or wake up; none for one that takes what the market gives."""
    kind = _kind(parent)
    if kind in _MARKET or kind in _TRAILING:
        return ()
    trigger = parent.aux_price if kind in _TRIGGERED else None  # elsewhere it is an offset
    return tuple(price for price in (parent.limit_price, trigger) if price is not None)


def exit_price(order: Order) -> Decimal | None:
    """Return the price at which an exit wakes up, None where that depends on the market."""
    kind = _kind(order)
    if kind in _TRIGGERED:
        return order.aux_price
    return order.limit_price if kind in _TARGETS else None


def check_price_order(parent: Order, exits: Mapping[str, Order]) -> None:
    """Hold target above entry above stop for a buy, and the other way round for a sale.

    The exit's type decides on which side it belongs, whatever it is called: a sell limit below the
    entry, or a sell stop above it, would trade at once.

    Raises:
        InvalidGroup: A price is on the wrong side of the entry, or a stop beyond a target.
    """
    entries = _entry_prices(parent)
    sign = parent.action.sign
    beyond, before = ("above", "below") if sign > 0 else ("below", "above")
    targets: list[Decimal] = []
    stops: list[tuple[str, Decimal]] = []
    for name, order in exits.items():
        price, kind = exit_price(order), _kind(order)
        if price is None:
            continue
        side, word = (-sign, before) if kind in _STOPS else (sign, beyond)
        for entry in entries:
            if (price - entry) * side <= 0:
                raise InvalidGroup(name, f"a {kind} exit at {price} must be {word} the entry at {entry}")
        if kind in _STOPS:
            stops.append((name, price))
        else:
            targets.append(price)
    for (name, stop), target in itertools.product(stops, targets):
        if (target - stop) * sign <= 0:
            raise InvalidGroup(name, f"{stop} must be {before} the take-profit at {target}")
