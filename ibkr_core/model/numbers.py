"""Exact numbers: everything that counts money or quantity becomes a Decimal here."""

from __future__ import annotations

import numbers
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, InvalidOperation
from typing import Final

from ibkr_core.errors import InvalidInput

__all__ = ["EXACT", "Numeric", "optional_number", "to_number"]

EXACT: Final = Context(prec=60, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""For sums and products that must not depend on the host's decimal context, which may be set to any
precision and may trap what we take for granted. It traps nothing: absurd numbers come from the broker,
and they must not raise. 60 digits hold any product of two quantities or prices exactly."""

_MAX_MAGNITUDE: Final = 28
"""Powers of ten, either way, beyond which no price or quantity lies and no gateway can read one."""

Numeric = Decimal | int | str | float
"""What callers may pass where a quantity or a price is wanted."""


def to_number(argument: str, value: object, error: type[InvalidInput] = InvalidInput) -> Decimal:
    """Turn a caller's number into an exact, finite Decimal.

    A float is read by its shortest decimal text (``0.1`` is one tenth), which is what the caller typed.

    Args:
        argument: The caller's name for the value, used in the error.
        value: A Decimal, int, str or float.
        error: The exception class to raise.

    Raises:
        InvalidInput: ``value`` is no number, or NaN, or infinite (as the class given in ``error``).
    """
    if isinstance(value, bool) or not isinstance(value, Decimal | str | numbers.Real):
        raise error(argument, f"must be a number, not {type(value).__name__}")
    try:
        # str also of numpy's integers and floats, whose repr is no number; and "0.1" is one tenth.
        number = value if isinstance(value, Decimal) else Decimal(str(value))
    except InvalidOperation:
        raise error(argument, f"{value!r} is not a number") from None
    if not number.is_finite():
        raise error(argument, f"must be a finite number, not {value!r}")
    if number and abs(number.adjusted()) > _MAX_MAGNITUDE:
        raise error(argument, f"is beyond any price or quantity: {value!r}")
    return number


def optional_number(argument: str, value: object, error: type[InvalidInput] = InvalidInput) -> Decimal | None:
    """Do as :func:`to_number`, but let None through: it means "not set"."""
    return None if value is None else to_number(argument, value, error)
