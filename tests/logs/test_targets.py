"""Daily files, streams, and the guard around them, without any thread."""

from __future__ import annotations

import io
import logging
import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import pytest

from ibkr_core.logs.targets import DailyFiles, Guard, Line, Stream, daily_files

SATURDAY = date(2026, 11, 21)


def lines(*texts: str, day: date = SATURDAY) -> list[Line]:
    return [Line(day, text) for text in texts]


@contextmanager
def small_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond ``size``: the kernel cuts a write off there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.fixture
def files(tmp_path: Path) -> Iterator[DailyFiles]:
    target = DailyFiles(tmp_path / "logs", None)
    yield target
    target.close()


def test_a_line_goes_to_the_file_of_its_day(files: DailyFiles, tmp_path: Path) -> None:
    """Days may alternate, as around midnight; each line is in its own day's file, in order."""
    sunday = SATURDAY + timedelta(days=1)
    files.write([*lines("a", "b"), *lines("c", day=sunday), *lines("d")])
    files.write(lines("e", day=sunday))
    assert (tmp_path / "logs" / "orders_20261121.log").read_text() == "a\nb\nd\n"
    assert (tmp_path / "logs" / "orders_20261122.log").read_text() == "c\ne\n"
    assert files.written == 5


def test_a_file_is_continued(tmp_path: Path) -> None:
    """A second run on the same day appends."""
    for text in "ab":
        target = DailyFiles(tmp_path, None)
        target.write(lines(text))
        target.close()
    assert (tmp_path / "orders_20261121.log").read_text() == "a\nb\n"


def test_a_torn_line_is_ended_before_the_next(tmp_path: Path) -> None:
    """A line that a crash cut off spoils only itself."""
    path = tmp_path / "orders_20261121.log"
    path.write_text('{"event": "Or')
    target = DailyFiles(tmp_path, None)
    target.write(lines("a"))
    target.close()
    assert path.read_text() == '{"event": "Or\na\n'


def test_a_file_that_was_deleted_is_made_again(files: DailyFiles, tmp_path: Path) -> None:
    """Lines do not vanish into a file that somebody removed."""
    files.write(lines("a"))
    path = tmp_path / "logs" / "orders_20261121.log"
    path.unlink()
    files.write(lines("b"))
    assert path.read_text() == "b\n"


def test_old_days_are_deleted_when_a_day_begins(tmp_path: Path) -> None:
    """The newest day and the two before it are kept; what is not a daily file is nobody's to delete."""
    for name in ("orders_20261117.log", "orders_20261118.log", "orders_20261119.log", "orders_20261120.log"):
        (tmp_path / name).write_text("x\n")
    strangers = ["orders_20200231.log", "orders_2020.log", "notes.txt", "orders_20200101.log.gz"]
    for name in strangers:
        (tmp_path / name).write_text("mine\n")
    (tmp_path / "orders_20200101.log").mkdir()
    target = DailyFiles(tmp_path, 3)
    target.write(lines("a"))
    target.close()
    kept = {"orders_20261119.log", "orders_20261120.log", "orders_20261121.log", "orders_20200101.log"}
    assert {path.name for path in tmp_path.iterdir()} == {*kept, *strangers}


def test_one_day_of_retention_keeps_today(tmp_path: Path) -> None:
    """The smallest retention keeps the day that is being written, and later ones."""
    for name in ("orders_20261120.log", "orders_20261122.log"):
        (tmp_path / name).write_text("x\n")
    target = DailyFiles(tmp_path, 1)
    target.write(lines("a"))
    target.close()
    assert {path.name for path in tmp_path.iterdir()} == {"orders_20261121.log", "orders_20261122.log"}


def test_an_old_file_that_cannot_be_deleted_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Retention is best effort: the new line is written, and the trouble is told."""

    def refuse(self: Path, missing_ok: bool = False) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    (tmp_path / "orders_20200101.log").write_text("x\n")
    monkeypatch.setattr(Path, "unlink", refuse)
    target = DailyFiles(tmp_path, 3)
    target.write(lines("a"))
    target.close()
    assert (tmp_path / "orders_20261121.log").read_text() == "a\n"
    assert "cannot be deleted" in caplog.text


def test_a_full_disk_loses_what_does_not_fit_and_no_more(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Whole lines that still fitted count as written; the torn one is ended when there is room again."""
    guard = Guard(DailyFiles(tmp_path, None))
    with small_disk(25):
        guard.write(lines("1234567890", "1234567890", "1234567890"))
        guard.write(lines("lost"))
    guard.write(lines("after"))
    guard.close()
    text = (tmp_path / "orders_20261121.log").read_text()
    assert text == "1234567890\n1234567890\n123\nafter\n"
    assert (guard.target.written, guard.lost) == (3, 2)
    told = [record.levelno for record in caplog.records if record.name == "ibkr_core.logs"]
    assert told == [logging.ERROR, logging.WARNING]
    assert "2 lines were lost" in caplog.text


def test_a_folder_that_cannot_be_made_is_reported_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Every write tries again, only the first failure is reported, and each line is counted."""
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("a file, not a folder")
    guard = Guard(DailyFiles(in_the_way, None))
    for _ in range(3):
        guard.write(lines("a", "b"))
    assert (guard.target.written, guard.lost) == (0, 6)
    assert len(caplog.records) == 1
    assert "cannot be written" in caplog.text
    in_the_way.unlink()
    guard.write(lines("c"))
    guard.close()
    assert (in_the_way / "orders_20261121.log").read_text() == "c\n"
    assert "works again" in caplog.text


def test_trouble_that_comes_back_is_reported_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A second failure after a good write is news, and counts its own losses."""
    folder = tmp_path / "logs"
    guard = Guard(DailyFiles(folder, None))
    for _ in range(2):
        folder.write_text("in the way")
        guard.write(lines("lost", "lost"))
        folder.unlink()
        guard.write(lines("written"))
        guard.target.close()
        (folder / "orders_20261121.log").unlink()
        folder.rmdir()
    assert guard.lost == 4
    told = [(record.levelno, record.args[1]) for record in caplog.records if record.args]
    assert [level for level, _ in told] == [logging.ERROR, logging.WARNING] * 2
    assert [lost for level, lost in told if level == logging.WARNING] == [2, 2]


def test_a_stream_that_was_closed_is_reported_once(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever a stream raises is trouble like any other."""
    stream = io.StringIO()
    guard = Guard(Stream(stream))
    guard.write(lines("a"))
    assert stream.getvalue() == "a\n"
    stream.close()
    guard.write(lines("b"))
    guard.write(lines("c"))
    guard.close()
    assert guard.lost == 2
    assert len(caplog.records) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_stream_to_a_full_disk_is_the_streams_trouble() -> None:
    """What a stream raises stays inside, and is counted."""
    with Path(os.devnull).open("w", encoding="utf-8") as fine:
        guard = Guard(Stream(fine))
        guard.write(lines("a"))
        assert (guard.target.written, guard.lost) == (1, 0)
    full = Path("/dev/full").open("w", encoding="utf-8")  # noqa: SIM115 - closing it fails, as the disk is full
    guard = Guard(Stream(full))
    guard.write(lines("a"))
    with pytest.raises(OSError, match="No space"):
        full.close()
    assert (guard.target.written, guard.lost) == (0, 1)


def test_closing_twice_is_harmless(files: DailyFiles) -> None:
    """A file handle is given back once: a second close must not close somebody else's."""
    files.write(lines("a"))
    files.close()
    read_end, write_end = os.pipe()
    files.close()
    os.close(write_end)
    os.close(read_end)


def test_a_file_that_grew_too_large_is_followed_by_another_of_its_day(tmp_path: Path) -> None:
    """No line is cut in two; the next start goes on in the newest file; readers see them in order."""
    written = [f"{number:02}" for number in range(12)]
    for batch in (written[:5], written[5:6], written[6:]):
        target = DailyFiles(tmp_path, None, max_bytes=5)
        target.write(lines(*batch))
        target.close()
    names = [path.name for path, _ in daily_files(tmp_path)]
    assert names == ["orders_20261121.log", *(f"orders_20261121.{number}.log" for number in range(1, 6))]
    assert [text for path, _ in daily_files(tmp_path) for text in path.read_text().split()] == written


def test_all_files_of_a_day_go_together(tmp_path: Path) -> None:
    """Retention counts days, not files; ten files of a day are sorted as numbers."""
    target = DailyFiles(tmp_path, 1, max_bytes=1)
    target.write(lines(*map(str, range(12))))
    assert [path.name for path, _ in daily_files(tmp_path)][9:] == [
        "orders_20261121.9.log",
        "orders_20261121.10.log",
        "orders_20261121.11.log",
    ]
    target.write(lines("a", day=SATURDAY + timedelta(days=1)))
    target.close()
    assert [path.name for path, _ in daily_files(tmp_path)] == ["orders_20261122.log"]
