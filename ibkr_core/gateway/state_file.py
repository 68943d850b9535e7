"""The file behind ``--state``: a snapshot, then one line for each change, and never more than it may hold.

The first line names the format and its version, the second is a snapshot of everything, and each further line
holds what has changed since the line before. A line is JSON that begins with a checksum of the rest::

    {"format":"ibkr-core gateway state","version":1}
    {"crc":"0f3a9c51","seq":0,"orders":{...},"executions":{...},...}
    {"crc":"77d0e2b4","seq":1,"orders":{"1376327001":{...}}}

A reader lays the lines over each other, key by key; null takes a key away. This form was chosen over a
database because one appended line is one system call, after which even ``kill -9`` cannot take it back;
because nothing but the last line can ever be torn, and that line was not acted upon; and because people and
tests can read it. Only a power cut needs more: the snapshot alone is forced to the disk.

The file is written anew (beside it, forced to the disk, then renamed over it) at the start, at the end, and
whenever its changes have grown to several times its snapshot.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import zlib
from collections.abc import Iterator, Mapping
from io import FileIO
from pathlib import Path
from typing import Any

from ibkr_core.errors import StateFileDamaged, StateFileError, StateFileInUse, StateFileTooNew

__all__ = ["VERSION", "Changes", "Sections", "StateFile", "merge", "parse", "read_sections"]

VERSION = 1
"""The newest form of the file that this program reads, and the one that it writes."""

Changes = dict[str, dict[str, str]]
"""By section and key, the JSON text of each value that has changed."""
Sections = dict[str, dict[str, Any]]
"""By section and key, each value as JSON holds it."""

_FORMAT = "ibkr-core gateway state"
_LINE = re.compile(rb'\{"crc":"([0-9a-f]{8})",(.*\})', re.DOTALL)
_LEAST_GROWTH = 8 * 1024 * 1024
_MOST_GROWTH = 4  # times the snapshot


def merge(sections: Sections, more: Mapping[str, Any]) -> None:
    """Lay changes over what is known; null takes a key away."""
    for name, values in more.items():
        section = sections.setdefault(name, {})
        for key, value in values.items():
            if value is None:
                section.pop(key, None)
            else:
                section[key] = value


def parse(changes: Changes) -> Sections:
    """What a reader of the file would make of changes alone."""
    sections: Sections = {}
    merge(sections, json.loads(_object(changes)))
    return sections


def read_sections(path: Path) -> Sections:
    """Read a state file, whether or not a gateway is writing to it. A torn last line is left out.

    Raises:
        StateFileError: It cannot be opened.
        StateFileDamaged: It is no state file, it ends too early, or a line is not as it was written.
        StateFileTooNew: Its form is newer than this program.
    """
    if path.exists() and not path.is_file():  # a device or a pipe may never end
        raise StateFileError(str(path), "cannot be read: it is no ordinary file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StateFileError(str(path), f"cannot be read: {error.strerror}") from error
    lines = data.split(b"\n")[:-1]  # what follows the last line feed was never finished
    if not lines:
        raise StateFileDamaged(str(path), "it is empty or torn in its first line")
    _check_header(path, lines[0])
    if len(lines) == 1:
        raise StateFileDamaged(str(path), "it ends before its first snapshot")
    sections: Sections = {}
    for number, line in enumerate(lines[1:]):
        merge(sections, _checked(path, line, number))
    return sections


def _check_header(path: Path, line: bytes) -> None:
    header = None
    with contextlib.suppress(ValueError):
        header = json.loads(line)
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise StateFileDamaged(str(path), "it is no state file of a gateway")
    version = header.get("version")
    if not isinstance(version, int) or version < 1:
        raise StateFileDamaged(str(path), "its version cannot be read")
    if version > VERSION:
        raise StateFileTooNew(
            str(path),
            f"its form is version {version}, and this program knows up to {VERSION}; "
            "use the newer ibkr-core that wrote it, or name another file",
        )


def _checked(path: Path, line: bytes, number: int) -> Mapping[str, Any]:
    where = f"line {number + 2}"
    match = _LINE.fullmatch(line)
    if match is None or int(match[1], 16) != zlib.crc32(match[2]):
        raise StateFileDamaged(str(path), f"{where} is not as it was written")
    values = json.loads(b"{" + match[2])
    if values.pop("seq", None) != number:
        raise StateFileDamaged(str(path), f"a line before {where} is missing")
    return dict(values)


def _object(changes: Changes) -> str:
    sections = (
        f'"{name}":{{{",".join(f"{json.dumps(key)}:{text}" for key, text in values.items())}}}'
        for name, values in changes.items()
        if values
    )
    return f"{{{','.join(sections)}}}"


def _line(changes: Changes, number: int) -> bytes:
    rest = _object(changes)[1:]
    body = f'"seq":{number}{"" if rest == "}" else ","}{rest}'.encode()
    return b'{"crc":"%08x",%b\n' % (zlib.crc32(body), body)


class StateFile:
    """A state file that belongs to one gateway until it is closed.

    Args:
        path: Where it is, or shall be. A file of the same name with ``.lock`` stays beside it.

    Raises:
        StateFileInUse: Another gateway has it.
        StateFileError: It, or its folder, cannot be written or read, or what it holds cannot be used.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).resolve()  # one file has one lock, and a link to it stays a link
        self._number = 0
        self._size = self._snapshot_size = 0
        self._stream: FileIO | None = None
        self._broken = False
        self._lock = self._take_lock()
        try:
            self.found = read_sections(self.path) if self.path.exists() else None
        except StateFileError:
            self._lock.close()
            raise

    @property
    def is_long(self) -> bool:
        """Whether its changes have outgrown its snapshot, so that it should be written anew."""
        return self._size - self._snapshot_size > max(_LEAST_GROWTH, _MOST_GROWTH * self._snapshot_size)

    def rewrite(self, snapshot: Changes) -> None:
        """Replace everything by a snapshot, at once for every reader, and force it to the disk.

        Raises:
            StateFileError: It cannot be written; what was there before still is, and takes nothing more.
        """
        header = json.dumps({"format": _FORMAT, "version": VERSION}, separators=(",", ":")).encode() + b"\n"
        data = header + _line(snapshot, 0)
        beside = self.path.with_name(self.path.name + ".new")
        self._broken = True
        with self._telling():
            with beside.open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if self._stream is not None:
                self._stream.close()
            beside.replace(self.path)
            _sync_folder(self.path.parent)
            self._stream = self.path.open("ab", buffering=0)
        self._broken = False
        self._number, self._size, self._snapshot_size = 1, len(data), len(data)

    def check(self) -> FileIO:
        """See whether it takes more.

        Returns:
            Where it is written to.

        Raises:
            StateFileError: It could not be written to, or was closed.
        """
        if self._stream is None or self._broken:
            raise StateFileError(str(self.path), "it could not be written to before, and takes nothing more")
        return self._stream

    def append(self, changes: Changes) -> None:
        """Add what has changed; when this returns, only the machine can lose it, not the program.

        Raises:
            StateFileError: It cannot be written. The file takes nothing more: what would follow a torn line
                could not be read.
        """
        stream = self.check()
        line = _line(changes, self._number)
        self._broken = True
        with self._telling():
            written = stream.write(line) or 0
            while written < len(line):
                written += stream.write(line[written:]) or 0
        self._broken = False
        self._number += 1
        self._size += len(line)

    def close(self) -> None:
        """Let others have it. Closing twice is harmless."""
        if self._stream is not None:
            self._stream.close()
            self._stream = None
        self._lock.close()

    @contextlib.contextmanager
    def _telling(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StateFileError(str(self.path), f"cannot be written: {error.strerror}") from error

    def _take_lock(self) -> FileIO:
        beside = self.path.with_name(self.path.name + ".lock")
        with self._telling():
            stream = beside.open("a+b", buffering=0)
        try:
            _lock(stream)
        except OSError:
            stream.seek(0)
            owner = stream.read(20).decode(errors="replace").strip()
            stream.close()
            raise StateFileInUse(
                str(self.path),
                f"another gateway{f' (process {owner})' if owner else ''} is using it; "
                "stop that one, or name another file",
            ) from None
        stream.truncate(0)
        stream.write(f"{os.getpid()}\n".encode())
        return stream


def _sync_folder(folder: Path) -> None:
    """Make a renaming in a folder last; where folders cannot be opened, it lasts anyway or not at all."""
    if sys.platform == "win32":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


if sys.platform == "win32":
    import msvcrt

    _LOCKED_BYTE = 1024  # beyond the process number, which others may want to read

    def _lock(stream: FileIO) -> None:
        """Lock a file until it is closed or the process ends; raises OSError when it is locked."""
        stream.seek(_LOCKED_BYTE)
        msvcrt.locking(stream.fileno(), msvcrt.LK_NBLCK, 1)
        stream.seek(0)

else:
    import fcntl

    def _lock(stream: FileIO) -> None:
        """Lock a file until it is closed or the process ends; raises OSError when it is locked."""
        fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
