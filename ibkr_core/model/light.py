"""Values that are made by the hundred thousand a second: frozen for the type checker, cheap at run time.

A frozen attrs class sets each field through ``object.__setattr__``, which makes an instance of eleven fields
cost five times as much. mypy holds that nobody assigns to one of these all the same.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import attrs

__all__ = ["light"]

if TYPE_CHECKING:
    from attrs import frozen as light
else:

    def light(cls: type | None = None, *, kw_only: bool = False) -> Any:  # noqa: ANN401 - a class or a decorator
        """Make a class of slots, with equality and a hash by its fields."""
        if cls is None:
            return functools.partial(light, kw_only=kw_only)
        return attrs.define(cls, unsafe_hash=True, kw_only=kw_only, on_setattr=attrs.setters.NO_OP)
