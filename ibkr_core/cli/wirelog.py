"""The gateway's JSON log: a line for each request and answer that passes, for people and for ``jq``."""

from __future__ import annotations

import datetime as dt
import decimal
import json
from collections.abc import Callable
from pathlib import Path
from typing import Self, TextIO

from ibkr_core.errors import InvalidInput
from ibkr_core.wire.message import Message

__all__ = ["WireLog"]


class WireLog:
    """Writes what passes to a file, one JSON object a line.

    Each has ``time`` (UTC), ``event`` (``connected``, ``request``, ``answer``, ``left``), ``client_id``, and
    for messages ``kind`` and ``fields`` under their official names. What the file holds already stays; a line
    is whole as soon as it is there.

    Args:
        path: The file.
        now: The present.

    Raises:
        InvalidInput: The file cannot be written.
    """

    def __init__(self, path: Path, now: Callable[[], dt.datetime]) -> None:
        self._now = now
        self._path = path
        self._has_failed = False
        try:
            self._file: TextIO = path.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise InvalidInput("--json-log", f"cannot write {path}: {error.strerror}") from error

    def __call__(self, event: str, client_id: int, message: Message | None) -> None:
        """Write a line; see :data:`ibkr_core.gateway.protocol.Watcher`.

        Raises:
            OSError: It cannot be written, because the disk is full for one; names option and file. A log with
                holes would be worse than none, so the gateway ends.
        """
        line: dict[str, object] = {
            "time": self._now().isoformat(timespec="microseconds"),
            "event": event,
            "client_id": client_id,
        }
        if message is not None:
            line["kind"] = message.kind
            line["fields"] = message.fields
        try:
            self._file.write(json.dumps(line, default=_plain, separators=(",", ":")) + "\n")
        except OSError as error:
            self._has_failed = True
            reason = error.strerror or str(error)
            raise OSError(f"--json-log: cannot write {self._path}: {reason}; the gateway ends") from error

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError:  # what could not be written before cannot be now
            if not self._has_failed:
                raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _plain(value: object) -> object:
    """Put a value that JSON does not have into one that it has."""
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    return str(value)
