"""Reads an event log back."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

from ibkr_core.errors import InvalidInput
from ibkr_core.logs.targets import daily_files, parse_day

__all__ = ["read_events"]


def read_events(path: str | os.PathLike[str], day: date | str | None = None) -> Iterator[dict[str, Any]]:
    """Read a log back, oldest event first.

    Quantities and prices come as they stand, as text: ``Decimal(event["fill_price"])`` is exact. A line that
    cannot be read, because a crash cut it off, is not passed over: it comes as an event named
    ``UnreadableLine`` with ``file``, ``line`` and ``text``.

    Args:
        path: A file, or a folder of daily files.
        day: Of a folder, only this day: a date, or ``YYYYMMDD``.

    Raises:
        FileNotFoundError: There is nothing at the path.
        InvalidInput: The day is none, or was given with a file.
    """
    place = Path(path)
    if isinstance(day, str):
        wanted = parse_day(day)
        if wanted is None:
            raise InvalidInput("day", f"must be a date such as 20261121, not {day!r}")
        day = wanted
    if not place.is_dir():
        if day is not None:
            raise InvalidInput("day", f"selects among the files of a folder, and {place} is none")
        place.stat()  # raises now, and not when the first event is asked for
        return _read([place])
    return _read([file for file, of_day in daily_files(place) if day in (None, of_day)])


def _read(files: Iterable[Path]) -> Iterator[dict[str, Any]]:
    for file in files:
        with file.open(encoding="utf-8", errors="backslashreplace") as lines:
            for number, line in enumerate(lines, 1):
                if line.strip():
                    yield _parse_line(line) or {
                        "event": "UnreadableLine",
                        "file": str(file),
                        "line": number,
                        "text": line.rstrip("\n"),
                    }


def _parse_line(line: str) -> dict[str, Any] | None:
    try:
        fields = json.loads(line)
    except ValueError:
        return None
    return fields if isinstance(fields, dict) else None
