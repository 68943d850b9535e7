"""How values say what they are: short lines for people, and a ``repr`` without what says nothing.

``str()`` of a value is for reading only: it may round, and it may change. What a program goes by are the
attributes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from enum import Enum
from typing import Any, Final

import attrs

__all__ = ["lean_repr", "money", "plain", "said", "sums", "with_reason"]

_LONGEST_EXPONENT: Final = 60
_PLACES: Final = 6
_GRAIN: Final = Decimal(1).scaleb(-_PLACES)
_ROUNDING: Final = Context(prec=60, traps=[])


def plain(number: Decimal) -> str:
    """Write a number in plain digits, ``1000`` and not ``1E+3``, rounded to six places."""
    text = str(number)
    whole, _, places = text.partition(".")
    if len(places) <= _PLACES and (whole + places).isdigit():
        return text  # as nearly all are
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _LONGEST_EXPONENT:
        return str(number)  # NaN, or what no page could hold
    if exponent >= -_PLACES:
        return f"{number:f}"
    rounded = number.quantize(_GRAIN, context=_ROUNDING)
    if number and not rounded:
        return f"{number:.3g}"  # a hundredth of a satoshi is not nothing
    return f"{rounded:f}".rstrip("0").rstrip(".")


def money(amount: Decimal, currency: str = "") -> str:
    """Write an amount of money: ``1,234.50 USD``."""
    if not amount.is_finite() or abs(amount.adjusted()) > _LONGEST_EXPONENT:
        return f"{amount} {currency}".rstrip()
    return f"{amount:,.2f} {currency}".rstrip()


def sums(amounts: Mapping[str, Decimal]) -> str:
    """Write amounts in several currencies: ``10.00 EUR, 1,234.50 USD``; ``0`` for none."""
    return ", ".join(money(amount, currency) for currency, amount in amounts.items()) or "0"


def said(value: object) -> str:
    """Write any value as a line for people would have it."""
    if type(value) is str and value.isprintable():
        return " ".join(value.split())
    match value:
        case Decimal():
            return plain(value)
        case float():  # a span of time
            return f"{value:.3f}".rstrip("0").rstrip(".")
        case Enum():
            return str(value.value)
        case datetime():
            return f"{value:%Y-%m-%d %H:%M:%S %Z}".rstrip()
        case str():
            # Texts come from the broker: nothing in them may steer a terminal.
            return " ".join("".join(one if one.isprintable() else " " for one in value).split())
        case tuple() | list():
            return " ".join(said(one) for one in value) or "none"
        case _:
            return str(value)


def with_reason(text: str, reasons: Iterable[str]) -> str:
    """Add what else is to be said, in parentheses; nothing where there is nothing."""
    more = ", ".join(reason for reason in reasons if reason)
    return f"{text} ({more})" if more else text


def lean_repr(self: Any) -> str:  # noqa: ANN401 - any attrs class
    """Return the ``repr`` of an attrs value with the fields that differ from what they are by default.

    It can be typed in again as it is, and a contract with twenty fields fits in a line.
    """
    shown = (
        f"{field.name}={getattr(self, field.name)!r}"
        for field in attrs.fields(type(self))
        if field.repr and not _is_default(field, getattr(self, field.name))
    )
    return f"{type(self).__name__}({', '.join(shown)})"


def _is_default(field: attrs.Attribute[Any], value: object) -> bool:
    default: Any = field.default
    if default is attrs.NOTHING:
        return False
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, which the stubs call a function
        default = default.factory()
    try:
        return bool(value == default)
    except InvalidOperation:  # a signalling NaN, which the broker can send, is like nothing
        return False
