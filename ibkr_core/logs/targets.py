"""Where the event log's lines go: a stream, daily files, and the guard that keeps their trouble to itself."""

from __future__ import annotations

import itertools
import logging
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, Protocol, TextIO

import attrs

__all__ = ["DailyFiles", "Guard", "Line", "Stream", "Target", "daily_files", "parse_day"]

_log = logging.getLogger("ibkr_core.logs")

_FILE_NAME: Final = re.compile(r"orders_([0-9]{8})(?:\.([1-9][0-9]{0,5}))?\.log")
_DAY: Final = "%Y%m%d"


@attrs.frozen
class Line:
    """One line without its end.

    Attributes:
        day: The day that it belongs to.
        text: The line as JSON.
        for_people: The line as a console shows it; empty where no console wants it.
    """

    day: date
    text: str
    for_people: str = ""


class Target(Protocol):
    """Where lines go. ``written`` counts those that got there."""

    name: str
    written: int

    def write(self, lines: Sequence[Line]) -> None:
        """Write lines, and count each that is written, also when it raises on the way."""

    def close(self) -> None:
        """Let go of what is open."""


class Stream:
    """A console, or any other text stream; it stays its owner's.

    Args:
        stream: The stream.
        for_people: Whether it gets lines for people instead of JSON.
    """

    def __init__(self, stream: TextIO, *, for_people: bool = False) -> None:
        self._for_people = for_people
        self.name = f"stream {getattr(stream, 'name', stream)}"
        self.written = 0
        self._stream = stream

    def write(self, lines: Sequence[Line]) -> None:
        """See :class:`Target`."""
        texts = (line.for_people if self._for_people else line.text for line in lines)
        self._stream.write("".join(f"{text}\n" for text in texts))
        self._stream.flush()
        self.written += len(lines)

    def close(self) -> None:
        """See :class:`Target`."""


class DailyFiles:
    """One file a day in a folder; further ones of the same day where a file may not grow beyond a size.

    Args:
        folder: The folder.
        keep_days: Of how many days files stay; None for all.
        max_bytes: From which size on the next line begins ``orders_YYYYMMDD.1.log`` etc.; None for never.
    """

    def __init__(self, folder: Path, keep_days: int | None, max_bytes: int | None = None) -> None:
        self.name = f"folder {folder}"
        self.written = 0
        self._folder = folder
        self._keep_days = keep_days
        self._max_bytes = max_bytes
        self._day: date | None = None
        self._file: int | None = None

    def write(self, lines: Sequence[Line]) -> None:
        """See :class:`Target`."""
        try:
            for day, group in itertools.groupby(lines, key=lambda line: line.day):
                for text in self._portions(group):
                    self._append(self._open(day), text.encode())
        except OSError:
            self.close()  # what it is worth is found out when it is opened again
            raise

    def close(self) -> None:
        """See :class:`Target`."""
        file, self._file, self._day = self._file, None, None
        if file is not None:
            os.close(file)

    def _portions(self, lines: Iterable[Line]) -> Iterator[str]:
        """Put lines together that may go into one file: all, or one at a time where its size counts."""
        texts = (f"{line.text}\n" for line in lines)
        return iter(("".join(texts),)) if self._max_bytes is None else texts

    def _append(self, file: int, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            count = os.write(file, rest)
            self.written += bytes(rest[:count]).count(b"\n")
            rest = rest[count:]

    def _open(self, day: date) -> int:
        if self._file is not None and self._day == day and self._may_go_on(os.fstat(self._file)):
            return self._file
        self.close()
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._path(day)
        self._file = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
        self._day = day
        self._end_torn_line(self._file)
        self._delete_old(day)
        return self._file

    def _may_go_on(self, found: os.stat_result) -> bool:
        """Whether the open file takes the next line: one that was deleted under us has no name left."""
        return bool(found.st_nlink) and (self._max_bytes is None or found.st_size < self._max_bytes)

    def _path(self, day: date) -> Path:
        """Return the day's newest file if it has room, and the next one's name otherwise."""
        plain = self._folder / f"orders_{day:{_DAY}}.log"
        if self._max_bytes is None:
            return plain
        newest = max(
            (_number(path) for path, of_day in daily_files(self._folder) if of_day == day), default=0
        )
        path = self._folder / f"orders_{day:{_DAY}}.{newest}.log" if newest else plain
        if path.exists() and path.stat().st_size >= self._max_bytes:
            return self._folder / f"orders_{day:{_DAY}}.{newest + 1}.log"
        return path

    @staticmethod
    def _end_torn_line(file: int) -> None:
        """End the line that a crash or a full disk cut off, so that it spoils no other."""
        if os.lseek(file, 0, os.SEEK_END):
            os.lseek(file, -1, os.SEEK_END)
            if os.read(file, 1) != b"\n":
                os.write(file, b"\n")

    def _delete_old(self, day: date) -> None:
        if self._keep_days is None:
            return
        oldest = day.toordinal() - self._keep_days + 1
        try:
            for path, of_day in daily_files(self._folder):
                if of_day.toordinal() < oldest:
                    path.unlink(missing_ok=True)
        except OSError as error:  # no reason not to write the new one
            _log.warning("event log: old files cannot be deleted: %s", error)


def daily_files(folder: Path) -> list[tuple[Path, date]]:
    """Return the log's files in a folder with their days, oldest first. Other files are none of ours."""
    found = []
    for path in folder.iterdir():
        match = _FILE_NAME.fullmatch(path.name)
        day = parse_day(match[1]) if match is not None else None
        if day is not None and path.is_file():
            found.append((path, day))
    return sorted(found, key=lambda pair: (pair[1], _number(pair[0])))


def _number(path: Path) -> int:
    """Return which file of its day it is, 0 for the first."""
    match = _FILE_NAME.fullmatch(path.name)
    return int(match[2] or 0) if match is not None else 0


def parse_day(text: str) -> date | None:
    """Read ``YYYYMMDD``; None for what is no day."""
    try:
        return datetime.strptime(text, _DAY).replace(tzinfo=UTC).date()
    except ValueError:
        return None


class Guard:
    """Writes to a target, and keeps its trouble from everybody else."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.lost = 0
        self._lost_now = 0

    def write(self, lines: Sequence[Line]) -> None:
        """Write, or count what is lost and report the trouble when it begins and when it is over."""
        before = self.target.written
        try:
            self.target.write(lines)
        except Exception as error:  # noqa: BLE001 - a stream is the user's and may raise anything
            if not self._lost_now:
                _log.error(
                    "event log: %s cannot be written: %s; trading goes on, events are lost until it can",
                    self.target.name,
                    error,
                )
            missing = len(lines) - (self.target.written - before)
            self.lost += missing
            self._lost_now += missing
            return
        if self._lost_now:
            _log.warning("event log: %s works again; %d lines were lost", self.target.name, self._lost_now)
            self._lost_now = 0

    def close(self) -> None:
        """Let go of what is open."""
        try:
            self.target.close()
        except OSError as error:
            _log.error("event log: %s cannot be closed: %s", self.target.name, error)
