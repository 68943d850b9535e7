"""Checks field names against what the official API knows, and finds the nearest one."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Callable, Iterable
from typing import Any, TypeVar, cast

import attrs

from ibkr_core.errors import UnknownField

__all__ = ["check_names", "names_unknown_fields", "nearest"]

_T = TypeVar("_T")


def nearest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name most like ``name``, or None when nothing is alike."""
    by_plain = {candidate.replace("_", "").lower(): candidate for candidate in known}
    plain = name.replace("_", "").lower()
    matches = difflib.get_close_matches(plain, by_plain, n=1, cutoff=0.6)
    return by_plain[matches[0]] if matches else None


def check_names(names: Iterable[str], known: Iterable[str], owner: str) -> None:
    """Raise :class:`UnknownField` for the first name that is not in ``known``."""
    known = frozenset(known)
    for name in names:
        if name not in known:
            raise UnknownField(name, owner, nearest(name, known))


def names_unknown_fields(cls: type[_T]) -> type[_T]:
    """Class decorator: a misspelt keyword raises :class:`UnknownField`, which names the nearest field."""
    known = frozenset(a.name for a in attrs.fields(cast("type[attrs.AttrsInstance]", cls)) if a.init)
    made_by_attrs: Callable[..., None] = cls.__init__

    @functools.wraps(made_by_attrs)
    def checked(self: object, *args: Any, **fields: Any) -> None:
        check_names(fields, known, cls.__name__)
        made_by_attrs(self, *args, **fields)

    cls.__init__ = checked  # type: ignore[method-assign]  # the signature stays: functools.wraps
    return cls
