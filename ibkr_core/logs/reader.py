"""Reads an event log back."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ibkr_core.errors import InvalidInput
from ibkr_core.logs.targets import daily_files, parse_day
from ibkr_core.logs.types import EventType, event_type, read_type

__all__ = ["read_events"]


def read_events(
    path: str | os.PathLike[str],
    day: date | str | None = None,
    *,
    order_id: int | None = None,
    key: str | None = None,
    symbol: str | None = None,
    type: EventType | str | None = None,  # noqa: A002 - the field's own name
    since: datetime | None = None,
    until: datetime | None = None,
) -> Iterator[dict[str, Any]]:
    """Read a log back, oldest event first; only what fits all that is given.

    Quantities and prices come as they stand, as text: ``Decimal(event["fill_price"])`` is exact. A line that
    cannot be read, because a crash cut it off, is not passed over: it comes as an event named
    ``UnreadableLine`` with ``file``, ``line`` and ``text`` where all is asked for.

    Args:
        path: A file, or a folder of daily files.
        day: Of a folder, only this day: a date, or ``YYYYMMDD``.
        order_id: Only about the orders with this id.
        key: Only about the order with this client order key.
        symbol: Only about this instrument, by its short name.
        type: Only of this type: ``FILL``, ``ERROR`` ..., see :class:`~ibkr_core.logs.EventType`.
        since: Only at or after this moment (with a zone).
        until: Only before this moment (with a zone).

    Raises:
        FileNotFoundError: There is nothing at the path.
        InvalidInput: The day is none, or was given with a file; there is no such type; a moment has no zone.
    """
    wanted_fields = {"order_id": order_id, "key": key, "symbol": symbol}
    wanted_fields["type"] = None if type is None else read_type(type).value
    fits = _filter({name: value for name, value in wanted_fields.items() if value is not None}, since, until)
    return (event for event in _read(_files(Path(path), day)) if fits(event))


def _filter(
    wanted: Mapping[str, object], since: datetime | None, until: datetime | None
) -> Callable[[Mapping[str, Any]], bool]:
    """Return what tells whether an event is wanted."""
    first = None if since is None else _moment("since", since)
    end = None if until is None else _moment("until", until)

    def fits(event: Mapping[str, Any]) -> bool:
        if any(_field(event, name) != value for name, value in wanted.items()):
            return False
        if first is None and end is None:
            return True
        at = str(event.get("timestamp", ""))
        return bool(at) and (first is None or at >= first) and (end is None or at < end)

    return fits


def _field(event: Mapping[str, Any], name: str) -> object:
    if name == "type" and "type" not in event:  # a line of an earlier version
        return event_type(str(event.get("event", ""))).value
    return event.get(name)


def _moment(argument: str, at: datetime) -> str:
    """Write a moment as lines do: such texts sort as moments."""
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise InvalidInput(argument, f"must be a datetime with a time zone, not {at!r}")
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _files(place: Path, day: date | str | None) -> list[Path]:
    """Choose the files to read, now and not when the first event is asked for."""
    if isinstance(day, str):
        wanted = parse_day(day)
        if wanted is None:
            raise InvalidInput("day", f"must be a date such as 20261121, not {day!r}")
        day = wanted
    if not place.is_dir():
        if day is not None:
            raise InvalidInput("day", f"selects among the files of a folder, and {place} is none")
        place.stat()  # raises where there is nothing
        return [place]
    return [file for file, of_day in daily_files(place) if day in (None, of_day)]


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
