"""Execution ids, taken apart: what identifies an execution, and which revision of it a report is."""

from __future__ import annotations

import functools

import attrs

from ibkr_core.model.making import making

__all__ = ["ExecutionId"]

_MAX_REVISION_DIGITS = 9
"""More are no revision, and Python refuses to read thousands of them."""
_DOTS_OF_AN_EXECUTION, _DOTS_OF_A_LEG = 3, 4


@attrs.frozen
class ExecutionId:
    """An execId taken apart.

    Attributes:
        text: The whole id.
        base: What identifies the execution across corrections.
        revision: The digits after the final period of a four-segment id; higher replaces lower.
        is_five_segments: The form that legs of combos have. Its last digits are *not* taken for a
            revision, because two executions of one leg differ in nothing else (TWS facts 3).
    """

    text: str
    base: str
    revision: int
    is_five_segments: bool

    @classmethod
    def parse(cls, text: str) -> ExecutionId:
        """Take an id apart. Ids of any other shape stand for themselves, at revision 1."""
        return _parse(text)


@functools.lru_cache(maxsize=4096)  # each id comes at least twice: with its execution and its commission
def _parse(text: str) -> ExecutionId:
    dots = text.count(".")
    if dots == _DOTS_OF_AN_EXECUTION:
        base, _, digits = text.rpartition(".")
        is_number = digits.isascii() and digits.isdigit() and len(digits) <= _MAX_REVISION_DIGITS
        if is_number and ".." not in base and base[0] != "." and base[-1] != ".":
            parsed = making(ExecutionId)(text, base, int(digits), is_five_segments=False)
            parsed.__class__ = ExecutionId
            return parsed
    return ExecutionId(text, text, 1, is_five_segments=dots == _DOTS_OF_A_LEG)
