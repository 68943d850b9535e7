"""What a rule about orders is, and how rules look at an order's fields."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import attrs

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import to_number
from ibkr_core.model.order import Order

__all__ = ["ChangeRule", "Rule", "held", "missing_or_not_positive", "set_and_not_positive", "size"]


@attrs.frozen
class Rule:
    """One rule about an order for a contract.

    Attributes:
        name: Its name, shown in the error.
        argument: The field that it is about, by our name or the official one.
        text: What must be.
        source: Where that comes from.
        is_broken: Whether an order for a contract breaks it.
        only_new: It is for new orders; a modification may break it.
    """

    name: str
    argument: str
    text: str
    source: str
    is_broken: Callable[[Order, Contract], bool]
    only_new: bool = False


@attrs.frozen
class ChangeRule:
    """One rule about new terms of an order that works already.

    Attributes:
        name: Its name, shown in the error.
        argument: The field that may not change.
        text: What must be.
        source: Where that comes from.
        is_broken: Whether the change from the first terms to the second breaks it.
    """

    name: str
    argument: str
    text: str
    source: str
    is_broken: Callable[[Order, Order], bool]


def held(order: Order, name: str) -> Decimal | None:
    """Return an official field as a number; None where it is not set.

    Raises:
        InvalidOrder: It holds something else.
    """
    value = order.official.get(name)
    if value is None or value == "":
        return None
    if value == Decimal("Infinity"):  # how the official client says "up to the middle"
        return None
    return to_number(name, value, InvalidOrder)


def size(order: Order, name: str) -> Decimal:
    """Return an official field as a number, 0 where it is not set."""
    return held(order, name) or Decimal(0)


def missing_or_not_positive(order: Order, name: str) -> bool:
    """Whether an official field that must be there is not, or is not above zero."""
    value = held(order, name)
    return value is None or value <= 0


def set_and_not_positive(order: Order, name: str) -> bool:
    """Whether an official field is there, but not above zero."""
    value = held(order, name)
    return value is not None and value <= 0
