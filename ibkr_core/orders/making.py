"""What every builder does: sort its own fields and the caller's, and refuse a field that comes twice."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.numbers import Numeric, to_number
from ibkr_core.model.order import Order, split_names

__all__ = ["made", "number", "optional", "whole"]


def number(argument: str, value: Numeric) -> Decimal:
    """Return an exact number for an official field.

    Raises:
        InvalidOrder: It is none.
    """
    return to_number(argument, value, InvalidOrder)


def optional(argument: str, value: Numeric | None) -> Decimal | None:
    """Do as :func:`number`, but let None through: it means "not set"."""
    return None if value is None else number(argument, value)


def whole(argument: str, value: int | None, *, least: int = 0) -> int | None:
    """Return a whole number of at least ``least``; None for "not set".

    Raises:
        InvalidOrder: It is none, or too small.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise InvalidOrder(argument, f"must be a whole number of at least {least}, not {value!r}")
    return value


def made(own: Mapping[str, Any], extra: Mapping[str, Any]) -> Order:
    """Make the order of a builder.

    Args:
        own: What the builder sets, by our names or official ones. None means "not set".
        extra: What its caller adds, by our names or official ones.

    Raises:
        InvalidOrder: A field that the builder sets comes a second time, or the order breaks a rule.
        UnknownField: A name that an order does not have.
    """
    mine, my_official = split_names(own)
    given, given_official = split_names(extra)
    given_official = {**given.pop("official", {}), **given_official}
    for name in (mine.keys() & given.keys()) | (my_official.keys() & given_official.keys()):
        # Never pick one in silence: a market order where a limit was meant costs money.
        value = {**mine, **my_official}[name]
        raise InvalidOrder(name, f"is what this builder sets, to {value!r}; give it once")
    official = {name: value for name, value in my_official.items() if value is not None}
    fields = {name: value for name, value in mine.items() if value is not None}
    return Order(**fields, **given, official={**given_official, **official})
