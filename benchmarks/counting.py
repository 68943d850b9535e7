"""How many of the interpreter's instructions something takes: a figure that no machine's mood changes.

What runs inside C functions does not count, so it says less than time does; but the same code gives the same
figure on every machine with the same Python.
"""

from __future__ import annotations

import collections
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

from benchmarks.programs import floor
from ibkr_core.wire.ids import RAW_ID_SINCE

__all__ = ["floor_of", "instructions", "instructions_by_file"]


def instructions(act: Callable[[], object]) -> int:
    """Return how many instructions of Python code a call executes on this thread."""
    return sum(instructions_by_file(act).values())


def instructions_by_file(act: Callable[[], object]) -> dict[str, int]:
    """Return how many instructions of each source file a call executes on this thread."""
    counts: collections.Counter[str] = collections.Counter()

    def trace(frame: FrameType, event: str, _: object) -> Any:  # noqa: ANN401 - a trace function returns itself
        frame.f_trace_opcodes = True
        frame.f_trace_lines = False
        if event == "opcode":
            counts[frame.f_code.co_filename] += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(before)
    return dict(counts)


def floor_of(data: bytes, server_version: int) -> Callable[[], None]:
    """Return what cuts and parses a stream of frames and does nothing else; see the ``floor`` program."""
    is_raw = server_version >= RAW_ID_SINCE
    parsers = floor.protobuf_parsers() if is_raw else floor.TEXT
    view = memoryview(data)

    def parse() -> None:
        start = 0
        while start < len(data):
            begin = start + 4
            stop = begin + int.from_bytes(data[start:begin], "big")
            if is_raw:
                kind = int.from_bytes(data[begin : begin + 4], "big")
                body = begin + 4
            else:
                body = data.index(0, begin) + 1
                kind = int(data[begin : body - 1])
            parsers[kind](view[body:stop])
            start = stop

    return parse
