"""Frozen values, made quickly.

A frozen attrs class sets each field through ``object.__setattr__``, which makes an instance of eleven fields
cost three times as much. The same fields can be set plainly on an instance of a *making* class, which then
takes on the frozen class: ``fill = Making(...); fill.__class__ = Fill``. What comes out is frozen like any
other. Where every nanosecond counts, a *blank* is made of nothing, and all of its fields are set by hand.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import attrs

__all__ = ["blank", "making"]

_T = TypeVar("_T")


def _twin(kind: Any, **more: Any) -> Any:  # noqa: ANN401 - any class
    plain: dict[str, Any] = {
        "__doc__": f"A {kind.__name__} that is being made.",
        "__module__": kind.__module__,
        "__slots__": (),
        # Both, or Python takes the slow way: deleting an attribute and setting one share a slot.
        "__setattr__": object.__setattr__,
        "__delattr__": object.__delattr__,
    }
    return type(kind.__name__, (kind,), plain | more)


@functools.cache
def _making(kind: Any) -> Any:  # noqa: ANN401 - any class
    return attrs.define(_twin(kind), eq=False, on_setattr=attrs.setters.NO_OP)


@functools.cache
def blank(kind: Any) -> Callable[[], Any]:  # noqa: ANN401 - any class
    """Return what makes an instance of which nothing is set yet: all fields are to be set by hand.

    Then the instance takes on its class, as for :func:`making`.

    Args:
        kind: A frozen attrs class of slots.
    """
    made: Callable[[], Any] = _twin(kind, __init__=object.__init__)
    return made


if TYPE_CHECKING:

    def making(kind: type[_T]) -> type[_T]:
        """Return the making class of a frozen class of slots: the same arguments, and its fields set plainly.

        Args:
            kind: A frozen attrs class without converters and validators.
        """
        ...

else:
    making = _making
