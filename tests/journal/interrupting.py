"""A Ctrl-C at every place where one can come, one after the other."""

from __future__ import annotations

import contextlib
import dis
import sys
from collections.abc import Collection, Iterator
from types import FrameType
from typing import Any, Final

__all__ = ["interrupt"]

_ASKED_AFTER: Final = ("CALL", "JUMP_BACKWARD", "RESUME")
"""After which instructions the interpreter asks whether the user pressed Ctrl-C."""


@contextlib.contextmanager
def interrupt(modules: Collection[str], number: int) -> Iterator[None]:
    """Have a Ctrl-C come on this thread. Compiled modules have no such places.

    Args:
        modules: The files of the modules that are interrupted.
        number: Of the places that are passed, at which one; 1 is the first.
    """
    left, before = number, ""

    def look(frame: FrameType, what: str, _: object) -> Any:
        nonlocal left, before
        if frame.f_code.co_filename not in modules:
            return None
        frame.f_trace_opcodes = True
        if what == "opcode":
            left -= before.startswith(_ASKED_AFTER)
            if left == 0:
                left = -1
                raise KeyboardInterrupt
            before = dis.opname[frame.f_code.co_code[frame.f_lasti]]
        return look

    traced = sys.gettrace()
    sys.settrace(look)
    try:
        yield
    finally:
        sys.settrace(traced)
