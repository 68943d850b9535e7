"""Checks of what callers pass: the type of an argument, before anything is made of it.

A wrong type is refused here by the caller's own name for it. Further in it would fail as something else, or
worse, work: ``guaranteed="no"`` is true, and order ``True`` is order 1.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from types import MappingProxyType
from typing import Final, ParamSpec, TypeVar

from ibkr_core.errors import InvalidInput, InvalidOrder
from ibkr_core.model.numbers import to_number

__all__ = [
    "check_flag",
    "check_function",
    "check_moment",
    "check_seconds",
    "check_text",
    "check_whole",
    "checked",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Error = type[InvalidInput]
_LONGEST_S: Final = 10**9


def check_flag(argument: str, value: object, error: _Error = InvalidInput) -> None:
    """Raise unless a value is True or False.

    Raises:
        InvalidInput: It is not (as the class given in ``error``).
    """
    if not isinstance(value, bool):
        raise error(argument, f"must be True or False, not {value!r}")


def check_whole(
    argument: str, value: object, error: _Error = InvalidInput, *, least: int | None = None
) -> None:
    """Raise unless a value is a whole number, and not too small.

    Raises:
        InvalidInput: It is not (as the class given in ``error``).
    """
    is_whole = isinstance(value, int) and not isinstance(value, bool)
    if not is_whole or (least is not None and value < least):  # type: ignore[operator]  # an int, as just seen
        rule = "must be a whole number" if least is None else f"must be a whole number of at least {least}"
        raise error(argument, f"{rule}, not {value!r}")


def check_text(argument: str, value: object, error: _Error = InvalidInput) -> None:
    """Raise unless a value is a text.

    Raises:
        InvalidInput: It is not (as the class given in ``error``).
    """
    if not isinstance(value, str):
        raise error(argument, f"must be a text, not {value!r}")


def check_moment(argument: str, value: object, error: _Error = InvalidInput) -> None:
    """Raise unless a value is a datetime with a time zone.

    Raises:
        InvalidInput: It is not (as the class given in ``error``).
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise error(argument, f"must be a datetime with a time zone, not {value!r}")


def check_seconds(argument: str, value: object, *, least_ms: int = 1) -> None:
    """Raise unless a value is a number of seconds that can be waited for: less than thirty years.

    Raises:
        InvalidInput: It is not.
    """
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not least_ms <= value * 1000 < _LONGEST_S * 1000:  # type: ignore[operator]  # a number, as just seen
        raise InvalidInput(
            argument, f"must be a number of seconds of at least {least_ms / 1000:g}, not {value!r}"
        )


def check_function(argument: str, value: object, error: _Error = InvalidInput) -> None:
    """Raise unless a value can be called.

    Raises:
        InvalidInput: It cannot (as the class given in ``error``).
    """
    if not callable(value):
        raise error(argument, f"must be callable, not {value!r}")


def _number(argument: str, value: object, error: _Error) -> None:
    to_number(argument, value, error)


_BY_ANNOTATION: Final = MappingProxyType(
    {"bool": check_flag, "int": check_whole, "str": check_text, "Numeric": _number}
)


def checked(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Have a builder of orders look at its arguments first: what is annotated so must be so.

    It looks at ``Numeric``, ``int``, ``str`` and ``bool``, each also with ``| None``; at nothing else.
    """
    looks = []
    for index, parameter in enumerate(inspect.signature(function).parameters.values()):
        wanted = str(parameter.annotation)
        check = _BY_ANNOTATION.get(wanted.removesuffix(" | None"))
        if check is not None and parameter.kind is not parameter.VAR_KEYWORD:
            place = index if parameter.kind is parameter.POSITIONAL_OR_KEYWORD else None
            looks.append((place, parameter.name, check, wanted.endswith(" | None")))

    @wraps(function)
    def first_look(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        for place, name, check, may_be_none in looks:
            if place is not None and place < len(args):
                value: object = args[place]
            elif name in kwargs:
                value = kwargs[name]
            else:
                continue  # the default, or missing: the call itself says so
            if not (may_be_none and value is None):
                check(name, value, InvalidOrder)
        return function(*args, **kwargs)

    return first_look
