"""The state file: readable after a crash at any byte, refused once tampered with, and one gateway's alone."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from io import FileIO
from pathlib import Path

import pytest

from ibkr_core.errors import StateFileDamaged, StateFileError, StateFileInUse, StateFileTooNew
from ibkr_core.gateway.state_file import (
    VERSION,
    Sections,
    StateFile,
    merge,
    parse,
    read_sections,
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.state"


@pytest.fixture
def file(path: Path) -> Iterator[StateFile]:
    made = StateFile(path)
    made.rewrite({"orders": {"1": '"new"'}, "gateway": {"closed": "false"}})
    yield made
    made.close()


def test_a_new_file_holds_its_snapshot(file: StateFile, path: Path) -> None:
    """Nothing was there before; afterwards anybody may read it, while it is in use."""
    assert file.found is None
    assert read_sections(path) == {"orders": {"1": "new"}, "gateway": {"closed": False}}


def test_changes_are_laid_over_what_was_there(file: StateFile, path: Path) -> None:
    """Key by key; null takes a key away, and a section may be new."""
    file.append({"orders": {"1": '"old"', "2": "[1]"}})
    file.append({"gateway": {"closed": "null"}, "executions": {'a "b"': '{"x":"1.10"}'}})
    assert read_sections(path) == {
        "orders": {"1": "old", "2": [1]},
        "gateway": {},
        "executions": {'a "b"': {"x": "1.10"}},
    }


def test_each_line_is_json(file: StateFile, path: Path) -> None:
    """People and other programs can read it without us."""
    file.append({"orders": {"2": "2"}})
    file.append({})
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert lines[0] == {"format": "ibkr-core gateway state", "version": VERSION}
    assert [line["seq"] for line in lines[1:]] == [0, 1, 2]
    assert lines[2]["orders"] == {"2": 2}


def test_a_crash_at_any_byte_loses_only_what_was_not_told(
    file: StateFile, path: Path, tmp_path: Path
) -> None:
    """Cut within the last line, all lines before it are read; what follows is written over the torn one."""
    before = path.stat().st_size
    file.append({"orders": {"1": '"later"'}})
    data = path.read_bytes()
    for size in range(before, len(data)):
        cut = tmp_path / "cut.state"
        cut.write_bytes(data[:size])
        assert read_sections(cut)["orders"] == {"1": "new"}
    again = StateFile(cut)
    again.rewrite({"orders": {"1": '"again"'}})
    again.append({"orders": {"2": "2"}})
    again.close()
    assert read_sections(cut) == {"orders": {"1": "again", "2": 2}}


def test_a_file_cut_before_its_snapshot_is_damaged(file: StateFile, path: Path, tmp_path: Path) -> None:
    """A snapshot is renamed into place whole, so somebody else has cut it; the message says what to do."""
    data = path.read_bytes()
    for size in range(len(data)):
        cut = tmp_path / "cut.state"
        cut.write_bytes(data[:size])
        with pytest.raises(StateFileDamaged, match="put a copy of it back, or move it away") as caught:
            read_sections(cut)
        assert caught.value.path == str(cut)
        assert str(cut) in str(caught.value)


def test_a_changed_byte_anywhere_is_noticed(file: StateFile, path: Path) -> None:
    """In the snapshot and in every change; only the header is free to be written otherwise."""
    file.append({"orders": {"1": '"later"'}})
    data = path.read_bytes()
    start = data.index(b"\n") + 1
    for at in range(start, len(data) - 1):
        changed = bytearray(data)
        changed[at] ^= 1
        path.write_bytes(changed)
        with pytest.raises(StateFileDamaged):
            read_sections(path)


def test_a_missing_line_is_noticed(file: StateFile, path: Path) -> None:
    """Its number is."""
    file.append({"orders": {"1": "1"}})
    file.append({"orders": {"1": "2"}})
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([*lines[:2], lines[3]]))
    with pytest.raises(StateFileDamaged, match="a line before line 3 is missing"):
        read_sections(path)


@pytest.mark.parametrize(
    ("first", "problem", "match"),
    [
        (
            '{"format":"ibkr-core gateway state","version":2}',
            StateFileTooNew,
            "version 2.*knows up to 1.*newer",
        ),
        ('{"format":"ibkr-core gateway state","version":"1"}', StateFileDamaged, "version cannot be read"),
        ('{"format":"ibkr-core gateway state","version":0}', StateFileDamaged, "version cannot be read"),
        ('{"format":"ibkr-core gateway state"}', StateFileDamaged, "version cannot be read"),
        ('{"format":"else","version":1}', StateFileDamaged, "no state file"),
        ("[1]", StateFileDamaged, "no state file"),
        ("\x00\x01", StateFileDamaged, "no state file"),
    ],
)
def test_what_is_no_file_of_ours_is_refused(
    path: Path, first: str, problem: type[StateFileError], match: str
) -> None:
    """By its first line; a newer form is told from damage, whatever the rest looks like."""
    path.write_text(first + "\nwhatever the newer form has\n")
    with pytest.raises(problem, match=match):
        StateFile(path)
    with pytest.raises(problem, match=match):  # and the lock was let go of
        StateFile(path)


@pytest.mark.parametrize("where", ["no/such/folder/x.state", "."])
def test_a_file_that_cannot_be_had_is_told(tmp_path: Path, where: str) -> None:
    """A folder that is not there, or a folder in the file's place."""
    with pytest.raises(StateFileError, match="cannot be"):
        StateFile(tmp_path / where)
    with pytest.raises(StateFileError, match="cannot be read"):
        read_sections(tmp_path / where)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="no such device here")
def test_a_device_that_never_ends_is_refused() -> None:
    """Reading it would take all the memory of the machine before anybody is told."""
    with pytest.raises(StateFileError, match="no ordinary file"):
        read_sections(Path("/dev/zero"))


def test_two_gateways_cannot_have_one_file(file: StateFile, path: Path) -> None:
    """The second is told who has it; when the first lets go, the second gets what the first left."""
    with pytest.raises(StateFileInUse, match=f"process {os.getpid()}.*stop that one, or name another file"):
        StateFile(path)
    file.close()
    file.close()
    second = StateFile(path)
    assert second.found == {"orders": {"1": "new"}, "gateway": {"closed": False}}
    second.close()


@pytest.mark.skipif(sys.platform == "win32", reason="links need rights there")
def test_a_link_to_a_file_is_the_file(file: StateFile, path: Path, tmp_path: Path) -> None:
    """Whoever comes by another name meets the same lock, and writes to the same place."""
    link = tmp_path / "link.state"
    link.symlink_to(path)
    with pytest.raises(StateFileInUse):
        StateFile(link)
    file.close()
    second = StateFile(link)
    second.rewrite({"orders": {"1": '"through the link"'}})
    second.close()
    assert link.is_symlink()
    assert read_sections(path) == {"orders": {"1": "through the link"}}


HOLDER = """
import sys
from ibkr_core.gateway.state_file import StateFile
file = StateFile(sys.argv[1])
file.rewrite({"orders": {"1": '"theirs"'}})
print("held", flush=True)
sys.stdin.read()
"""


def test_a_killed_process_lets_go(path: Path) -> None:
    """A lock that outlived its process would need somebody to remove it by hand."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", HOLDER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(StateFileInUse, match=f"process {process.pid}"):
            StateFile(path)
        process.kill()
        process.wait()
    mine = StateFile(path)
    assert mine.found == {"orders": {"1": "theirs"}}
    mine.close()


def test_a_long_file_asks_to_be_written_anew(file: StateFile, path: Path) -> None:
    """When its changes are several times its snapshot, and some megabytes; afterwards it is short again."""
    text = json.dumps("x" * 1024 * 1024)
    for number in range(8):
        assert not file.is_long
        file.append({"orders": {str(number % 2): text}})
    assert file.is_long
    file.rewrite(
        {
            name: {key: json.dumps(one) for key, one in values.items()}
            for name, values in read_sections(path).items()
        }
    )
    assert not file.is_long
    assert path.stat().st_size < 3 * 1024 * 1024


class Full(FileIO):
    """A disk that takes a part of a line, and then nothing more."""

    taken = 0

    def write(self, data: bytes) -> int:  # type: ignore[override]  # as a raw file's, which may write less
        if self.taken:
            raise OSError(28, "No space left on device")
        self.taken += 1
        return super().write(data[:10])


def test_after_a_torn_line_nothing_more_is_written(file: StateFile, path: Path) -> None:
    """It would be glued to the torn line and could not be read; so the gateway has to stop."""
    assert file._stream is not None
    file._stream.close()
    file._stream = Full(path, "ab")
    with pytest.raises(StateFileError, match=f"{path.name}: cannot be written: No space left"):
        file.append({"orders": {"2": "2"}})
    with pytest.raises(StateFileError, match="takes nothing more"):
        file.append({"orders": {"2": "2"}})
    assert read_sections(path)["orders"] == {"1": "new"}


class Short(FileIO):
    """A file that takes a few bytes at a time."""

    def write(self, data: bytes) -> int:  # type: ignore[override]  # as a raw file's, which may write less
        return super().write(data[:7])


def test_a_line_is_written_to_its_end(file: StateFile, path: Path) -> None:
    """However many pieces the system makes of it."""
    assert file._stream is not None
    file._stream.close()
    file._stream = Short(path, "ab")
    file.append({"orders": {"2": json.dumps("y" * 100)}})
    assert read_sections(path)["orders"] == {"1": "new", "2": "y" * 100}


def test_a_snapshot_that_cannot_be_written_leaves_the_old_one(file: StateFile, path: Path) -> None:
    """Until the new one is complete, the old one is there; so a crash between leaves one of them."""
    path.with_name(path.name + ".new").mkdir()
    with pytest.raises(StateFileError, match="cannot be written"):
        file.rewrite({"orders": {"9": "9"}})
    assert read_sections(path)["orders"] == {"1": "new"}
    with pytest.raises(StateFileError, match="takes nothing more"):
        file.append({"orders": {"2": "2"}})
    assert read_sections(path)["orders"] == {"1": "new"}


def test_a_closed_file_takes_nothing(file: StateFile) -> None:
    """What would be told afterwards could not be saved."""
    file.close()
    with pytest.raises(StateFileError, match="takes nothing more"):
        file.append({"orders": {}})


@pytest.mark.parametrize("read", [parse, lambda changes: json.loads(json.dumps(parse(changes)))])
def test_changes_read_as_the_file_would_be(read: Callable[[dict[str, dict[str, str]]], Sections]) -> None:
    """A restart within one process goes the same way as one by way of a file."""
    assert read({"orders": {"1": '{"a":[1]}', "2": "null"}, "nothing": {}}) == {"orders": {"1": {"a": [1]}}}
    sections: Sections = {"orders": {"1": 1}}
    merge(sections, {"orders": {"1": None, "3": 3}})
    assert sections == {"orders": {"3": 3}}
