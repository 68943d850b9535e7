"""The log of intents: where an order that is about to leave is made durable by one system call.

A transaction of SQLite takes a dozen of them, and code that is seldom in the caches, while the order waits.
So the commit before an order's bytes appends to this file, which lies beside the journal, and the journal
takes the same inputs in with its next turn, some milliseconds later. What a killed process left here the next
start brings in before anything else, and readers look here too.

The first line says whose it is: which journal's, and which run's, and what run came before that one; for two
copies of one file may have counted to the same run, and given the same numbers to other inputs. Behind it
stand records, one for each input: the CRC-32 of head and body and the length of the head, the head (a JSON
array), the body, a newline. The first one that is not whole ends the log: its commit never returned, or it
was damaged, which the next start tells.
"""

from __future__ import annotations

import contextlib
import json
import os
import zlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final

from ibkr_core.journal.tail import BEGINNING, DAY, SECOND, SEGMENT_INPUTS, Recorded, Segment, pack

__all__ = [
    "IntentLog",
    "Left",
    "highest_order_id",
    "is_of_file",
    "log_path",
    "newest_input",
    "read_log",
    "record_of",
    "run_name",
]

_ENDING: Final = "-intents"
_TITLE: Final = "ibkr_core intents 2"
_TITLE_WITHOUT_RUN: Final = "ibkr_core intents 1"
"""Of logs whose first line names no run; they are read, and not written any more."""
_NO_RUN: Final = "-"
_FLAGS: Final[int] = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)
_MODE: Final = 0o600  # until it has the journal's
_PERMISSIONS: Final = 0o777
_MOST_DIGITS: Final = 32
_MOST_ORDER_ID: Final = 2**31 - 1
_text: Final[Callable[[str], str]] = json.encoder.encode_basestring_ascii


def log_path(journal: str) -> str:
    """Return where the log of a journal lies."""
    return journal + _ENDING


def run_name(run: Callable[[str], Any], epoch: int) -> str:
    """Return what tells a run from that of the same number of another copy; a dash where the file had none.

    Args:
        run: Runs a query.
        epoch: The run.
    """
    found = run(f"SELECT started_at, pid FROM runs WHERE epoch = {epoch}").fetchone()  # noqa: S608 - a number
    return f"{found[0]}/{found[1]}" if found else _NO_RUN


def _first_line(made_at: str, names: tuple[str, str], epoch: int) -> bytes:
    return f"{_TITLE} {made_at} {names[0]} {names[1]} {epoch}\n".encode()


def _make_as_open(file: int, journal: str) -> None:
    """Let those read the log who may read the journal, and nobody else: as SQLite does with its own files."""
    if hasattr(os, "fchmod"):  # Windows goes by the folder
        with contextlib.suppress(OSError):  # it is another user's, and can be written all the same
            os.fchmod(file, os.stat(journal).st_mode & _PERMISSIONS)  # noqa: PTH116 - no Path objects


class IntentLog:
    """The open log of one run. Used by who holds the journal's write lock.

    It is begun anew: what it held must have been brought in.

    Args:
        journal: The journal's path.
        made_at: When the journal was made, which tells it from others.
        names: What :func:`run_name` tells of the run before, and of this one.
        epoch: The run.

    Raises:
        OSError: It cannot be written.
    """

    def __init__(self, journal: str, made_at: str, names: tuple[str, str], epoch: int) -> None:
        self.path = log_path(journal)
        self._begin = _first_line(made_at, names, epoch)
        self._file = os.open(self.path, _FLAGS, _MODE)
        self._size = 0
        try:
            _make_as_open(self._file, journal)
            self._cut()
            self.append(self._begin)
        except BaseException:
            os.close(self._file)
            raise

    @property
    def size(self) -> int:
        """How many bytes it has."""
        return self._size

    def append(self, data: bytes) -> None:
        """Write at the end: all of it, or nothing.

        Raises:
            OSError: It could not be written, or the file was removed or cut: nobody would find it there.
        """
        file, size = self._file, self._size
        found = os.fstat(file)
        if not found.st_nlink:
            raise FileNotFoundError(f"{self.path} was removed while in use")
        if found.st_size < size:
            raise OSError(f"{self.path} was shortened by somebody else")
        if found.st_size > size:
            self._cut()  # an interrupt left a record that nobody counts on
        written = os.write(file, data)
        if written != len(data):
            self._cut()
            raise OSError(f"only {written} of {len(data)} bytes could be written to {self.path}")
        self._size = size + written

    def clear(self) -> None:
        """Begin anew: the journal has all of it.

        Raises:
            OSError: It could not be shortened.
        """
        self._size = len(self._begin)
        self._cut()

    def check_place(self) -> None:
        """Raise where the file is no longer the one that has its name: the next start would not find it.

        Raises:
            OSError: It was moved, or replaced.
        """
        if not os.path.samestat(os.stat(self.path), os.fstat(self._file)):  # noqa: PTH116 - no Path objects
            raise FileNotFoundError(f"{self.path} was replaced while in use")

    def _cut(self) -> None:
        os.ftruncate(self._file, self._size)

    def close(self) -> None:
        """Let the file go."""
        os.close(self._file)

    def remove(self) -> None:
        """Let the file go, and remove it: the journal has all of it.

        Raises:
            OSError: It stays.
        """
        os.close(self._file)
        os.unlink(self.path)  # noqa: PTH108 - as everywhere here: no Path objects


def record_of(flat: Recorded, high_water: int) -> bytes:
    """Return the record of an input.

    Args:
        flat: The input, as its segment needs it (:mod:`ibkr_core.journal.tail`).
        high_water: The highest order id that was used up to it.
    """
    number, body, at, seq, kind, version, order_id, perm_id, key, exec_id, _ = flat
    since = at - BEGINNING
    moment = since.days * DAY + since.seconds * SECOND + since.microseconds
    head = (
        f'[{number},{moment},{seq},"{kind}",{_or_null(version)},{_or_null(order_id)},{_or_null(perm_id)},'
        f"{_text_or_null(key)},{_text_or_null(exec_id)},{len(body)},{high_water}]"
    ).encode()
    return b"%d %d %b%b\n" % (zlib.crc32(body, zlib.crc32(head)), len(head), head, body)


def _or_null(number: Any) -> Any:  # noqa: ANN401 - as it comes
    if type(number) is int:
        return number
    return "null" if number is None else int(number)  # a flag, say, whose name is no JSON


def _text_or_null(text: Any) -> Any:  # noqa: ANN401 - as it comes
    return "null" if text is None else _text(text)


class Left:
    """What a log holds.

    Attributes:
        epoch: The run that wrote it.
        names: What tells the run before it, and it, from those of other copies; None where nothing does.
        inputs: The inputs, flat, as :func:`record_of` took them.
        high_water: The highest order id that was used up to the last of them.
        is_whole: Whether nothing stands behind the last record: neither a part of one, whose commit never
            returned, nor damage.
    """

    __slots__ = ("epoch", "high_water", "inputs", "is_whole", "names")

    def __init__(
        self,
        epoch: int,
        found: list[tuple[Recorded, int]],
        *,
        is_whole: bool,
        names: tuple[str, str] | None = None,
    ) -> None:
        self.epoch = epoch
        self.names = names
        self.inputs = [flat for flat, _ in found]
        self.high_water = max([mark for _, mark in found], default=0)
        self.is_whole = is_whole

    def beyond(self, number: int, epoch: int = 0) -> list[Recorded]:
        """Return the inputs that come right behind one: all that a file lacks whose newest is that one.

        Nothing where one is missing in between, or where it is of a later run than they are: then they belong
        to another state of the file.
        """
        if epoch > self.epoch:
            return []
        rest: list[Recorded] = []
        for flat in self.inputs:
            if flat[0] == number + 1 + len(rest):
                rest.append(flat)
            elif flat[0] > number + len(rest):
                break
        return rest

    def segments(self, number: int, epoch: int, high_water: int) -> list[Segment]:
        """Return what comes right behind an input, as the file holds it.

        Args:
            number: The input.
            epoch: Its run.
            high_water: The highest order id that was used.
        """
        rest = self.beyond(number, epoch)
        parts = [rest[place : place + SEGMENT_INPUTS] for place in range(0, len(rest), SEGMENT_INPUTS)]
        return [pack(self.epoch, part, high_water) for part in parts]

    def reaches(self, number: int) -> bool:
        """Whether it has an input behind one."""
        return any(flat[0] > number for flat in self.inputs)


def is_of_file(left: Left, run: Callable[[str], Any]) -> bool:
    """Whether a log can be a file's: not where the file had another run of that number, or another before it.

    A file that had no such run can be an older copy, made before it began.

    Args:
        left: The log.
        run: Runs a query.
    """
    names, epoch = left.names, left.epoch
    if names is None:
        return True
    return run_name(run, epoch - 1) == names[0] and run_name(run, epoch) in (_NO_RUN, names[1])


def newest_input(run: Callable[[str], Any]) -> tuple[int, int]:
    """Return the number of the newest input that a file has, or had; and its run, 0 where nothing tells it.

    Args:
        run: Runs a query.
    """
    held = [
        run(f"SELECT {number}, epoch FROM {table} ORDER BY {order} DESC LIMIT 1").fetchone() or (0, 0)  # noqa: S608 - our own names
        for table, number, order in (("tail", "last", "first"), ("inputs", "number", "number"))
    ]
    found = run("SELECT value FROM meta WHERE name = 'last_number'").fetchone()
    number, epoch = max(held)
    return max(number, int(found[0]) if found else 0), epoch


def read_log(journal: str, made_at: str) -> Left | None:
    """Read the log beside a journal, also while it is written; None where there is none of this journal.

    Args:
        journal: The journal's path.
        made_at: When the journal was made.

    Raises:
        OSError: It cannot be read.
    """
    data = _bytes_of(journal)
    if data is None:
        return None
    line, _, _ = data.partition(b"\n")
    title, _, epoch = line.decode("ascii", "replace").rpartition(" ")
    names: tuple[str, str] | None = None
    if title != f"{_TITLE_WITHOUT_RUN} {made_at}":
        words = title.rsplit(" ", 2)
        if len(words) != 3 or words[0] != f"{_TITLE} {made_at}":  # noqa: PLR2004 - title and two runs
            return None
        names = words[1], words[2]
    if not epoch.isdecimal() or len(epoch) > _MOST_DIGITS:
        return None
    found: list[tuple[Recorded, int]] = []
    end = len(line) + 1
    for flat, mark, at in _records(data, end):
        found.append((flat, mark))
        end = at
    return Left(int(epoch), found, is_whole=end >= len(data), names=names)


def highest_order_id(journal: str) -> int:
    """Return the highest order id that any whole record of a log tells of, whosever log it is; 0 for none.

    Records behind a damaged one count too: their ids may have been used, and an id that was not is no loss.

    Args:
        journal: The journal's path.

    Raises:
        OSError: It cannot be read.
    """
    data = _bytes_of(journal) or b""
    highest = at = 0
    while at < len(data):
        made = _record(data, at)
        if made is not None:
            if highest < made[1] <= _MOST_ORDER_ID:
                highest = made[1]
            at = made[2]
        else:
            at = data.find(b"\n", at) + 1 or len(data)
    return highest


def _bytes_of(journal: str) -> bytes | None:
    try:
        with open(log_path(journal), "rb") as file:  # noqa: PTH123 - as everywhere here: no Path objects
            return file.read()
    except FileNotFoundError:
        return None


def _records(data: bytes, at: int) -> Iterator[tuple[Recorded, int, int]]:
    """Yield each whole record's input and mark, and where the next one begins."""
    while at < len(data):
        made = _record(data, at)
        if made is None:
            return
        yield made
        at = made[2]


def _record(data: bytes, at: int) -> tuple[Recorded, int, int] | None:
    try:
        crc, length, _ = data[at : at + _MOST_DIGITS].split(b" ", 2)
        begin = at + len(crc) + len(length) + 2
        middle = begin + int(length)
        head = data[begin:middle]
        number, moment, seq, kind, version, order_id, perm_id, key, exec_id, size, mark = json.loads(head)
        if {int} != {*map(type, (number, moment, seq, size, mark))} or type(kind) is not str or size < 0:
            return None
        body = data[middle : middle + size]
        end = middle + size
        if data[end : end + 1] != b"\n" or zlib.crc32(body, zlib.crc32(head)) != int(crc):
            return None
        when = BEGINNING + timedelta(microseconds=moment)
    except (ArithmeticError, RecursionError, TypeError, ValueError):
        return None
    return (number, body, when, seq, kind, version, order_id, perm_id, key, exec_id, 0), mark, end + 1
