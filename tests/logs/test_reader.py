"""Reading a log back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.logs import EventType, read_events


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "orders_20261122.log").write_text('{"seq": 3}\n')
    (tmp_path / "orders_20261121.log").write_text('{"seq": 1}\n\n{"seq": 2}\n')
    (tmp_path / "other.log").write_text("none of ours\n")
    return tmp_path


def test_a_folder_is_read_day_by_day(folder: Path) -> None:
    """All daily files, oldest day first; other files and empty lines are passed over."""
    assert [event["seq"] for event in read_events(folder)] == [1, 2, 3]
    assert [event["seq"] for event in read_events(str(folder))] == [1, 2, 3]


@pytest.mark.parametrize("day", [date(2026, 11, 21), "20261121"])
def test_one_day_can_be_chosen(folder: Path, day: date | str) -> None:
    """A day is a date or its digits."""
    assert [event["seq"] for event in read_events(folder, day)] == [1, 2]


def test_a_day_without_a_file_has_no_events(folder: Path) -> None:
    """Nothing happened on that day."""
    assert list(read_events(folder, "20250101")) == []


def test_one_file_is_read(folder: Path) -> None:
    """A path to a file reads that file, whatever its name."""
    assert list(read_events(folder / "orders_20261122.log")) == [{"seq": 3}]


def test_a_line_that_cannot_be_read_is_shown(tmp_path: Path) -> None:
    """A torn line, a bare value and bytes that are no text come as events; the others are not harmed."""
    path = tmp_path / "orders_20261121.log"
    path.write_bytes(b'{"seq": 1}\n{"seq": \n17\n\xff\n{"seq": 2}\n')
    found = list(read_events(path))
    assert [event.get("seq") for event in found] == [1, None, None, None, 2]
    assert found[1] == {"event": "UnreadableLine", "file": str(path), "line": 2, "text": '{"seq": '}
    assert [event["text"] for event in found[2:4]] == ["17", "\\xff"]


def test_what_cannot_be_read_is_said_at_once(tmp_path: Path, folder: Path) -> None:
    """A wrong path or day raises at the call, not at the first event."""
    with pytest.raises(FileNotFoundError):
        read_events(tmp_path / "nothing")
    with pytest.raises(InvalidInput, match="day: must be a date"):
        read_events(folder, "yesterday")
    with pytest.raises(InvalidInput, match="selects among the files of a folder"):
        read_events(folder / "orders_20261122.log", "20261122")


# ── choosing ────────────────────────────────────────────────────────────────────────────────────────

LINES = (
    {"timestamp": "2026-11-21T10:00:00.000000Z", "event": "OrderSubmitted", "order_id": 7, "key": "a"},
    {"timestamp": "2026-11-21T10:00:01.000000Z", "event": "ExecutionReceived", "type": "FILL", "order_id": 7},
    {"timestamp": "2026-11-21T10:00:02.000000Z", "event": "OrderSubmitted", "order_id": 8, "symbol": "AAPL"},
    {"event": "UnreadableLine"},
)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"order_id": 7}, [0, 1]),
        ({"key": "a"}, [0]),
        ({"symbol": "AAPL"}, [2]),
        ({"type": "fill"}, [1]),
        ({"type": EventType.SUBMISSION}, [0, 2]),
        ({"type": "SUBMISSION", "order_id": 8}, [2]),
        ({"since": datetime(2026, 11, 21, 10, 0, 1, tzinfo=UTC)}, [1, 2]),
        ({"until": datetime(2026, 11, 21, 11, 0, 1, tzinfo=timezone(timedelta(hours=1)))}, [0]),
    ],
)
def test_only_what_fits_is_read(tmp_path: Path, wanted: dict[str, Any], found: list[int]) -> None:
    """By order, key, instrument, type and time; all that is asked for must fit."""
    path = tmp_path / "orders_20261121.log"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    assert list(read_events(path, **wanted)) == [LINES[number] for number in found]


def test_what_makes_no_sense_is_refused_at_the_call(folder: Path) -> None:
    """An unknown type, and a moment without a zone, which would mean another one on each machine."""
    with pytest.raises(InvalidInput, match="type: must be one of"):
        read_events(folder, type="trade")
    with pytest.raises(InvalidInput, match="since: must be a datetime with a time zone"):
        read_events(folder, since=datetime(2026, 11, 21))  # noqa: DTZ001 - that is the point
