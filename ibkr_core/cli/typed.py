"""Lines that somebody types while a command runs, without anything waiting for them."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any, Final

__all__ = ["read_lines", "reading"]

_READ: Final = 4096


def read_lines(descriptor: int, put: Callable[[str], object]) -> None:
    """Hand on line after line until there are no more, or reading is not allowed.

    It reads the descriptor itself, not the file object around it: a thread that waits inside the latter's
    lock would break the end of the program.

    Args:
        descriptor: From where.
        put: Takes each line, without its end.
    """
    kept = b""
    while True:
        try:
            data = os.read(descriptor, _READ)
        except OSError:
            data = b""  # closed, or a background job that the terminal does not listen to
        kept += data
        *lines, kept = kept.split(b"\n")
        if not data and kept:
            lines.append(kept)
        for line in lines:
            put(line.decode(errors="replace").rstrip("\r"))
        if not data:
            return


@contextlib.contextmanager
def reading(descriptor: int | None, put: Callable[[str], object]) -> Iterator[None]:
    """Read lines on a thread of their own for as long as the block lasts.

    Args:
        descriptor: From where; None reads nothing.
        put: Takes each line, on that thread.
    """
    if descriptor is None:
        yield
        return
    # A background job that reads its terminal would be stopped; ignoring the signal makes it an error.
    number: Any = getattr(signal, "SIGTTIN", None)
    before = None if number is None else signal.signal(number, signal.SIG_IGN)
    threading.Thread(target=read_lines, args=(descriptor, put), name="typed", daemon=True).start()
    try:
        yield
    finally:
        if number is not None:
            signal.signal(number, before)
