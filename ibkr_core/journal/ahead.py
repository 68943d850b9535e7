"""The log of intents as a journal uses it: brought in at the start, and done without where it must be."""

from __future__ import annotations

import logging
import os
import sqlite3
from typing import Final

from ibkr_core.journal import rows
from ibkr_core.journal.intentlog import (
    IntentLog,
    highest_order_id,
    is_of_file,
    log_path,
    newest_input,
    read_log,
    run_name,
)
from ibkr_core.journal.store import Store, read_meta, refusal
from ibkr_core.journal.tables import raise_high_water
from ibkr_core.journal.tail import INSERT_SEGMENT, Segment
from ibkr_core.journal.writing import Intake

__all__ = ["Ahead"]

_LOG: Final = logging.getLogger("ibkr_core.journal")
_LARGEST: Final = 2**20
"""Bytes of the log from which on it is begun anew, once the journal has all of it."""
_UNUSED: Final = ".unused"


class Ahead:
    """What a journal has ahead of its file. Used by who holds the journal's write lock.

    Where the log cannot be written nothing is lost: every commit is one of the file's then.

    Args:
        path: The journal.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._log: IntentLog | None = None
        self._through = 0  # the newest input that the log has

    def bring_in(self, store: Store) -> None:
        """Put into the file what the last run left in its log, before the next one begins.

        A log of another journal, or of another state of this one, is laid aside: an older copy of the file
        was put in its place, for example. So is one of which only a part could be used. No order id that it
        tells of will be used again.

        Raises:
            JournalError: It cannot be read, or the file cannot be written; nothing of it is lost.
        """
        connection = store.connection
        try:
            left = read_log(store.path, read_meta(connection, "created_at") or "")
            newest, epoch = newest_input(connection.execute)
            if left is not None and not is_of_file(left, connection.execute):
                left = None
            if left is not None:
                mark = max(left.high_water, int(read_meta(connection, "high_water") or 0))
                segments = left.segments(newest, epoch, mark)
                if segments:
                    store.transact(lambda its: _insert(its, segments))
                    newest = segments[-1].last
            if left is None or left.reaches(newest) or not left.is_whole:
                _lay_aside(store)
        except (sqlite3.Error, OSError) as error:
            raise refusal(store.path, error) from error

    def begin(self, store: Store) -> None:
        """Begin the log of a run."""
        made_at = read_meta(store.connection, "created_at") or ""
        try:
            run, epoch = store.connection.execute, store.epoch
            names = run_name(run, epoch - 1), run_name(run, epoch)
            self._log = IntentLog(store.path, made_at, names, epoch)
        except OSError as error:
            self._tell(error)

    def take(self, intake: Intake) -> int | None:
        """Append all that is queued.

        Returns:
            The newest input's number, where all is durable up to it. None where it has to go into the file.
        """
        log = self._log
        if log is None:
            return None
        try:
            records = intake.records(self._through)
            if records is None:
                return None
            log.append(records[0])
        except OSError as error:
            self._do_without(error)
            return None
        except Exception:  # noqa: BLE001 - a fault of ours: the file's way tells it
            return None
        self._through = records[1]
        return self._through

    def shorten(self) -> None:
        """Begin the log anew where it is large; called when the file has all of it."""
        if self._log is not None:
            try:
                self._log.check_place()
                if self._log.size > _LARGEST:
                    self._log.clear()
            except OSError as error:
                self._do_without(error)

    def end(self, *, is_over: bool) -> None:
        """Let the log go.

        Args:
            is_over: Whether the file has all of it: then it is removed.
        """
        log, self._log = self._log, None
        if log is None:
            return
        try:
            if is_over:
                log.remove()
            else:
                log.close()
        except OSError as error:  # the next start finds that the file has all of it
            self._tell(error)

    def _do_without(self, error: OSError) -> None:
        """Use it no more. What is in it stays there: the file may not have it yet."""
        log, self._log = self._log, None
        if log is not None:
            log.close()
        self._tell(error)

    def _tell(self, error: OSError) -> None:
        _LOG.warning("journal %s: no log of intents, so that commits take longer: %s", self._path, error)


def _insert(connection: sqlite3.Connection, segments: list[Segment]) -> None:
    rows.insert_all(connection, INSERT_SEGMENT, [segment.row for segment in segments])


def _lay_aside(store: Store) -> None:
    """Keep a log under another name, if there is one that holds anything; its order ids count as used."""
    path = store.path
    log = log_path(path)
    if not os.path.exists(log) or not os.path.getsize(log):  # noqa: PTH110, PTH202 - as in the modules beside
        return
    highest = highest_order_id(path)
    if highest:
        store.transact(lambda connection: raise_high_water(connection, highest))
    kept, number = log + _UNUSED, 1
    while os.path.exists(kept):  # noqa: PTH110 - likewise
        number += 1
        kept = f"{log}{_UNUSED}{number}"
    os.replace(log, kept)  # noqa: PTH105 - likewise
    _LOG.warning(
        "journal %s: the log of intents beside it does not go on where it ends, or is damaged (an older or "
        "another copy of it was put in its place, or the power failed); what does not fit was not used; kept "
        "as %s%s",
        path,
        kept,
        f"; no order id up to {highest}, its highest, will be used again" if highest else "",
    )
