"""The SQLite file: opening it with every refusal that has a name, and transactions that are whole."""

from __future__ import annotations

import contextlib
import enum
import errno
import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ibkr_core._version import __version__
from ibkr_core.errors import (
    JournalCorrupt,
    JournalError,
    JournalFailed,
    JournalForeign,
    JournalInUse,
    JournalReadOnly,
    JournalTooNew,
)
from ibkr_core.journal import schema
from ibkr_core.journal.filelock import FileLock, Held

__all__ = ["Durability", "Store", "connect", "describe_failure", "identify", "refusal", "resolve"]

_LOG: Final = logging.getLogger("ibkr_core.journal")

BUSY_TIMEOUT_S: Final = 1.0
"""How long to wait where another program holds SQLite's write lock (a backup tool, a person)."""

_LONG_LOG_PAGES: Final = 2_000
"""Pages in the log, roughly, after which it is carried over into the file."""
_PAGES_OF_ANY: Final = 2
"""Pages that any transaction changes beside what it writes."""
_PAGE_BYTES: Final = 4_096

_LARGE: Final = 2**27
"""Bytes of a file from which on it is checked in parts."""
_READ_AT_START: Final = (
    "meta",
    "runs",
    "state",
    "tail",
    "packed_state",
    "packed_terms",
    "packed_orders",
)
_READ_ONLY: Final = frozenset({sqlite3.SQLITE_READONLY, sqlite3.SQLITE_PERM, sqlite3.SQLITE_AUTH})
_DAMAGED: Final = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT})
_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


class Durability(enum.Enum):
    """What a commit survives. The value is SQLite's ``synchronous``."""

    PROCESS = "NORMAL"
    """The end of our process, kill -9 included. A power cut can take the last moments, never the file."""
    POWER = "FULL"
    """A power cut too: every commit waits for the disk."""


class _Carrier:
    """Carries the log over into the file, on a connection of its own: it holds up nobody who commits.

    Args:
        path: The journal.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._carrying = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._is_closed = False

    def carry(self) -> None:
        """Carry over what can be, unless another thread is at it."""
        if not self._carrying.acquire(blocking=False):
            return
        try:
            if self._is_closed:
                return
            if self._connection is None:
                self._connection = connect(self._path, "rw")
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        finally:
            self._carrying.release()

    def close(self) -> None:
        """Let the file go, for good, when who carries has finished."""
        with self._carrying:
            self._is_closed = True
            if self._connection is not None:
                self._connection.close()


class Store:
    """The open file, with the lock that makes us its only writer.

    Not thread-safe by itself, except :meth:`checkpoint`.

    Args:
        path: The journal.
        client_id: Whose journal it is.
        durability: What a commit shall survive.
        now: The moment, as text; a new file keeps it.

    Raises:
        JournalError: It cannot be used; the kind says why. Nothing in it was changed then.
    """

    def __init__(
        self, path: str | os.PathLike[str], client_id: int, durability: Durability, now: str
    ) -> None:
        self.path = resolve(path)
        self._lock = _locked(self.path)
        connection: sqlite3.Connection | None = None
        try:
            if not Path(self.path).exists():
                _make(self.path, {"client_id": str(client_id), "created_at": now, "high_water": "0"})
            _check_writable(self.path)
            connection = connect(self.path, "rw")
            self._prepare(connection, client_id, durability)
            self.epoch = 0
            """The run, once it has begun."""
            self.connection = connection
            self._cursor = connection.cursor()
            self._carrier = _Carrier(self.path)
            self._log_pages = 0
            self._identity = self._files()
        except BaseException as error:
            if connection is not None:
                connection.close()
            self._lock.release()
            if isinstance(error, sqlite3.Error | OSError):
                raise refusal(self.path, error) from error
            raise

    def begin_run(self, now: str) -> None:
        """Begin a run, once all that the last one left is in the file.

        Args:
            now: The moment, as text.

        Raises:
            JournalError: It could not be written.
        """
        try:
            self.epoch = _begin_run(self.connection, now)
        except sqlite3.Error as error:
            raise refusal(self.path, error) from error

    def _prepare(self, connection: sqlite3.Connection, client_id: int, durability: Durability) -> None:
        found = identify(connection, self.path)
        check_integrity(connection, self.path)
        owner = read_meta(connection, "client_id")
        if owner != str(client_id):
            raise JournalForeign(
                self.path,
                f"belongs to client id {owner}, and this engine's is {client_id}",
                "give each client id a file of its own",
            )
        mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise JournalFailed(self.path, f"cannot be switched to WAL: {mode}", "put it on a local disk")
        connection.execute(f"PRAGMA synchronous = {durability.value}")
        # Checkpoints are the writer's business, between commits; this is for when it does not come to it.
        connection.execute("PRAGMA wal_autocheckpoint = 20000")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        schema.migrate(connection, found)

    def transact(self, work: Callable[[sqlite3.Connection], Callable[[], None] | None]) -> None:
        """Run work as one transaction: wholly, or not at all.

        Args:
            work: Writes. What it returns is called once the file has that; again where an interrupt, which
                goes on from here, comes just then.

        Raises:
            sqlite3.Error: It failed; nothing of it is in the file.
            OSError: The file was removed or replaced; likewise.
        """
        self.check_files()
        connection, is_ending, done = self.connection, False, None
        try:
            connection.execute("BEGIN IMMEDIATE")
            done = work(connection)
            is_ending = True
            connection.execute("COMMIT")
            if done is not None:
                done()
        except BaseException as error:
            if connection.in_transaction:  # some failures have rolled back already
                with contextlib.suppress(sqlite3.Error):
                    connection.execute("ROLLBACK")
            elif is_ending and done is not None and not isinstance(error, Exception):
                done()  # nothing failed: a Ctrl-C came while the disk was waited for, or right after that
            raise

    def run(self, statement: str, values: Sequence[object]) -> None:
        """Run one statement as a transaction of its own, which costs a third of one that is begun and ended.

        Raises:
            sqlite3.Error: It failed; nothing of it is in the file.
            OSError: The file was removed or replaced; likewise.
        """
        self.check_files()
        self._cursor.execute(statement, values)

    def check_files(self) -> None:
        """Raise where the file or its log is no longer the one that we write.

        SQLite would write on into a file that has no name any more, and never say so.

        Raises:
            OSError: It was removed or replaced.
        """
        try:
            is_same = self._files() == self._identity
        except FileNotFoundError:
            is_same = False
        if not is_same:
            raise FileNotFoundError("the file, or its -wal beside it, was removed or replaced while in use")

    def wrote(self, size: int) -> None:
        """Count what a transaction has put into the log: so many bytes, roughly."""
        self._log_pages += _PAGES_OF_ANY + size // _PAGE_BYTES

    def shorten_log(self) -> None:
        """Carry the log over when it has become long. A failure is logged, and it is tried again later."""
        if self._log_pages < _LONG_LOG_PAGES:
            return
        self._log_pages = 0
        try:
            self.checkpoint()
        except sqlite3.Error as error:
            _LOG.warning("journal %s: the log cannot be carried over: %s", self.path, error)

    def checkpoint(self) -> None:
        """Carry the log over into the file, as far as readers allow. Commits go on meanwhile.

        Any thread may call it at any time: one that comes while another is at it, or after the end, does
        nothing.

        Raises:
            sqlite3.Error: It failed. Nothing is lost: what is committed stays in the log.
        """
        self._carrier.carry()

    def close(self, now: str | None) -> None:
        """Close the file and let the lock go.

        Args:
            now: The moment, as text, to note a clean end of the run; None where it was none.
        """
        try:
            if now is not None:
                self.transact(lambda connection: _end_run(connection, self.epoch, now))
        finally:
            self._carrier.close()
            self.connection.close()
            self._lock.release()

    def _files(self) -> tuple[tuple[int, int], tuple[int, int]]:
        file, log = os.stat(self.path), os.stat(f"{self.path}-wal")  # noqa: PTH116 - on every commit: no Path objects
        return (file.st_dev, file.st_ino), (log.st_dev, log.st_ino)


# ── opening ─────────────────────────────────────────────────────────────────────────────────────


def resolve(path: str | os.PathLike[str]) -> str:
    """Return the one name of a file that may have several, so that they share one lock."""
    return os.path.realpath(path)


def connect(path: str, mode: str, *, immutable: bool = False) -> sqlite3.Connection:
    """Connect to an existing file: ``rw`` or ``ro``. Transactions are begun by hand."""
    uri = f"{Path(path).as_uri()}?mode={mode}{'&immutable=1' if immutable else ''}"
    connection = sqlite3.connect(
        uri, uri=True, timeout=BUSY_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    connection.execute("PRAGMA trusted_schema = OFF")  # a crafted file must not run functions
    return connection


def identify(connection: sqlite3.Connection, path: str) -> int:
    """Return the schema version of a journal.

    Raises:
        JournalForeign: It is an SQLite file, and no journal of ours.
        JournalTooNew: A newer ibkr_core wrote it.
        sqlite3.DatabaseError: It is no SQLite file, or a damaged one.
    """
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    if connection.execute("PRAGMA application_id").fetchone()[0] != schema.APPLICATION_ID:
        raise JournalForeign(path, "is no journal of ibkr_core", "give the journal a file of its own")
    version = int(connection.execute("PRAGMA user_version").fetchone()[0])
    if version > schema.VERSION:
        raise JournalTooNew(path, version, schema.VERSION)
    return version


def check_integrity(connection: sqlite3.Connection, path: str) -> None:
    """Raise where SQLite finds the file damaged.

    A large one whose last run ended in order, or was killed while the machine went on, is looked at in the
    parts that a start reads: to go through a gigabyte takes longer than all the rest. What lies in the other
    parts has checksums of its own.

    Raises:
        JournalCorrupt: It is.
    """
    parts = _READ_AT_START if _is_large_and_whole(connection) else ("3",)
    checks = (connection.execute(f"PRAGMA quick_check({part})") for part in parts)
    found = list(dict.fromkeys(row[0] for check in checks for row in check))
    if found != ["ok"]:
        raise damaged(path, "; ".join(" ".join(str(line).split()) for line in found))


def _is_large_and_whole(connection: sqlite3.Connection) -> bool:
    """Whether it takes long to look at, and nothing has happened that could have harmed it."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    if pages * connection.execute("PRAGMA page_size").fetchone()[0] < _LARGE:
        return False
    try:
        has_checkpoint = connection.execute("SELECT 1 FROM packed_state").fetchone() is not None
        last = connection.execute("SELECT closed_at FROM runs ORDER BY epoch DESC LIMIT 1").fetchone()
    except sqlite3.OperationalError:  # of an earlier version
        return False
    if not has_checkpoint or last is None:
        return False
    # What a killed process has written the system still writes; it is lost only with the system itself.
    boot = _boot_id()
    return last[0] is not None or (bool(boot) and read_meta(connection, "boot") == boot)


def _boot_id() -> str:
    """Return what tells this run of the machine from all others; empty where nothing does."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_bytes().decode("utf-8", "replace").strip()
    except OSError:
        return ""


def read_meta(connection: sqlite3.Connection, name: str) -> str | None:
    """Return a value of the table ``meta``."""
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _locked(path: str) -> FileLock:
    folder = Path(path).parent
    try:
        if not folder.is_dir():
            raise JournalFailed(path, f"the folder {folder} does not exist", "make it, or correct the path")
        if Path(path).is_dir():
            raise JournalForeign(path, "is a folder", "name a file")
        return FileLock(f"{path}.lock")
    except Held as held:
        raise JournalInUse(path, held.pid) from None
    except OSError as error:
        raise refusal(path, error) from error


def _check_writable(path: str) -> None:
    """Refuse what SQLite would open for reading only, leaving files beside it that nobody can write."""
    if Path(path).stat().st_size == 0:
        raise damaged(path, "it is empty")
    if not _is_writable(path):
        raise refusal(path, PermissionError("permission denied"))


def _make(path: str, meta: dict[str, str]) -> None:
    """Make a new journal under another name and give it its own when it is whole."""
    unfinished = Path(f"{path}.new")
    for leftover in (unfinished, Path(f"{unfinished}-journal"), Path(f"{unfinished}-wal")):
        leftover.unlink(missing_ok=True)
    unfinished.touch(0o644)
    connection = connect(str(unfinished), "rw")
    try:
        # One sync at the end, when it is whole, instead of one for each step.
        connection.execute("PRAGMA synchronous = OFF")
        schema.create(connection, meta)
        connection.execute("PRAGMA journal_mode = WAL")
    finally:
        connection.close()
    _sync(str(unfinished))
    unfinished.rename(path)
    _sync(str(Path(path).parent))


def _sync(path: str) -> None:
    """Have the disk hold a file, or the names in a folder, where the system can."""
    with contextlib.suppress(PermissionError):  # Windows cannot open a folder
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _begin_run(connection: sqlite3.Connection, now: str) -> int:
    connection.execute("BEGIN IMMEDIATE")
    epoch = int(connection.execute("SELECT coalesce(max(epoch), 0) + 1 FROM runs").fetchone()[0])
    connection.execute("INSERT INTO runs VALUES (?, ?, NULL, ?, ?)", (epoch, now, os.getpid(), __version__))
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('boot', ?)", (_boot_id(),))
    connection.execute("COMMIT")
    return epoch


def _end_run(connection: sqlite3.Connection, epoch: int, now: str) -> None:
    connection.execute("UPDATE runs SET closed_at = ? WHERE epoch = ?", (now, epoch))


# ── errors ──────────────────────────────────────────────────────────────────────────────────────


def damaged(path: str, what: str) -> JournalCorrupt:
    """Make the error of a damaged file."""
    return JournalCorrupt(
        path,
        f"is damaged: {what}",
        "nothing in it was touched; keep it, and restore a backup or start with a new file "
        "(the broker's open orders and today's executions come back by themselves)",
    )


def refusal(path: str, error: sqlite3.Error | OSError) -> JournalError:
    """Return the error of ours that says why a file cannot be opened, or read."""
    code = _primary_code(error)
    if code in _DAMAGED:
        return damaged(path, str(error))
    if code in _READ_ONLY or isinstance(error, PermissionError) or not _is_writable(path):
        return JournalReadOnly(
            path,
            f"cannot be written ({error})",
            "make the file, those beside it (-wal, -shm, -intents, .lock) and their folder writable",
        )
    return describe_failure(path, error)


def describe_failure(path: str, error: Exception) -> JournalFailed:
    """Return the error of ours that says why writing failed."""
    code = _primary_code(error)
    if code == sqlite3.SQLITE_FULL or (isinstance(error, OSError) and error.errno == errno.ENOSPC):
        return JournalFailed(path, "the disk is full", "free some space; writing resumes by itself")
    if code in _BUSY:
        return JournalFailed(
            path,
            "another program holds it locked",
            "end what writes to it (only the engine may); writing resumes by itself",
        )
    if isinstance(error, FileNotFoundError):
        return JournalFailed(
            path,
            str(error),
            "put the same files back, or close the engine's orders down by hand: what comes now is kept in "
            "memory only",
        )
    name = getattr(error, "sqlite_errorname", type(error).__name__)
    return JournalFailed(
        path, f"writing failed: {error} ({name})", "look after the disk; writing is tried again by itself"
    )


def _primary_code(error: BaseException) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return code & 0xFF if isinstance(code, int) else None  # the rest tells the kind of the kind


def _is_writable(path: str) -> bool:
    files = [Path(f"{path}{ending}") for ending in ("", "-wal", "-shm", "-intents")]
    return os.access(files[0].parent, os.W_OK) and all(
        os.access(file, os.W_OK) for file in files if file.exists()
    )
