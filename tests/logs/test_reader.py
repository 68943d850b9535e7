"""Reading a log back."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.logs import read_events


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
