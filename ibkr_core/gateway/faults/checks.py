"""The rules for the numbers, words and flags of faults, as validators and converters of their fields."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.errors import InvalidInput

__all__ = [
    "Span",
    "is_amount",
    "is_duration",
    "is_flag",
    "is_id",
    "is_number",
    "is_probability",
    "is_span",
    "one_of",
    "to_amount",
    "to_span",
    "whole_from",
]

Check = Callable[[Any, "attrs.Attribute[Any]", Any], None]
Span = tuple[float, float]
"""Shortest and longest, in seconds."""

_PAIR = 2
_ENDLESS = float("inf")


def is_number(value: object) -> bool:
    """Whether something is a number that a file can hold, and no flag."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def to_span(value: object) -> Span:
    """One number, or a pair of them, as a span; anything else as one that breaks the rule."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value), float(value)
    if isinstance(value, list | tuple) and len(value) == _PAIR and all(map(is_number, value)):
        return float(value[0]), float(value[1])
    return -1.0, -1.0


def is_span(_: object, attribute: attrs.Attribute[Span], value: Span) -> None:
    """Refuse what is neither seconds nor a pair of them."""
    if not 0 <= value[0] <= value[1] < _ENDLESS:
        raise InvalidInput(attribute.name, "must be seconds, or a pair with 0 <= shortest <= longest")


def is_duration(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    """Refuse what is not seconds from zero on."""
    if not (is_number(value) and 0 <= value < _ENDLESS):
        raise InvalidInput(attribute.name, f"must be seconds from 0 on; got {value!r}")


def is_probability(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    """Refuse what is no probability."""
    if not (is_number(value) and 0 <= value <= 1):
        raise InvalidInput(attribute.name, f"a probability lies between 0 and 1; got {value!r}")


def is_flag(_: object, attribute: attrs.Attribute[bool], value: object) -> None:
    """Refuse what is neither true nor false."""
    if not isinstance(value, bool):
        raise InvalidInput(attribute.name, f"must be true or false; got {value!r}")


def is_id(_: object, attribute: attrs.Attribute[int | None], value: object) -> None:
    """Refuse what is no id; None is fine."""
    if value is not None and (not isinstance(value, int) or isinstance(value, bool)):
        raise InvalidInput(attribute.name, f"must be a whole number; got {value!r}")


def whole_from(least: int, *, optional: bool = False) -> Check:
    """Make a rule: a whole number from ``least`` on; None, too, if it is optional."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if value is None and optional:
            return
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise InvalidInput(attribute.name, f"must be a whole number from {least} on; got {value!r}")

    return check


def one_of(*choices: str | int) -> Check:
    """Make a rule: one of these."""

    def check(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or value not in choices:
            raise InvalidInput(attribute.name, f"must be one of {list(choices)}; got {value!r}")

    return check


def to_amount(value: object) -> Decimal | None:
    """A number as an exact one; None stays None, and what is no number becomes not-a-number."""
    if value is None or isinstance(value, Decimal):
        return value
    return Decimal(str(value)) if is_number(value) else Decimal("NaN")


def is_amount(_: object, attribute: attrs.Attribute[Decimal | None], value: Decimal | None) -> None:
    """Refuse what is no finite number; None is fine."""
    if value is not None and not value.is_finite():
        raise InvalidInput(attribute.name, f"must be a number; got {value}")
