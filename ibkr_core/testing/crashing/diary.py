"""What a victim wanted, line by line in a file: it survives the victim, and the auditor reads it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

import attrs

__all__ = ["Diary", "Pages", "read_diary"]

_WANT, _HAVE, _TROUBLE = "want", "have", "trouble"


class Diary:
    """Writes lines that no later ``kill -9`` can take back: each is one system call.

    Args:
        path: The file; it is continued.
    """

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def want(self, keys: Iterable[str]) -> None:
        """Note orders that are about to be submitted."""
        self._write(f"{_WANT} {key}" for key in keys)

    def have(self, keys: Iterable[str]) -> None:
        """Note orders whose submission has returned."""
        self._write(f"{_HAVE} {key}" for key in keys)

    def trouble(self, what: str) -> None:
        """Note something that must not be."""
        self._write([f"{_TROUBLE} {' '.join(what.split())}"])

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _write(self, lines: Iterable[str]) -> None:
        os.write(self._descriptor, "".join(f"{line}\n" for line in lines).encode())


@attrs.frozen
class Pages:
    """What a diary says.

    Attributes:
        wanted: Each key that was ever wanted, and whether its submission returned.
        troubles: What must not be, in words.
    """

    wanted: dict[str, bool]
    troubles: tuple[str, ...]


def read_diary(path: Path) -> Pages:
    """Read a diary; one that was never begun is empty."""
    wanted: dict[str, bool] = {}
    troubles: list[str] = []
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == _TROUBLE:
            troubles.append(rest)
        else:
            wanted[rest] = wanted.get(rest, False) or kind == _HAVE
    return Pages(wanted, tuple(troubles))
