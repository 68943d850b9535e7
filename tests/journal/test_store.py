"""Opening the file: each thing that can be wrong has its own error, and nothing is destroyed by it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_core.errors import (
    JournalCorrupt,
    JournalError,
    JournalFailed,
    JournalForeign,
    JournalInUse,
    JournalTooNew,
)
from ibkr_core.journal import Durability, Entry, Journal, JournalReader, schema
from ibkr_core.journal import store as stores
from ibkr_core.journal.shared import CODEC
from ibkr_core.journal.store import Store, connect, describe_failure
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import make_checkpoint
from tests.journal.making import CLIENT_ID, Keeping, ManualClock, filled_order, open_journal

NOW = "2026-11-21T14:30:00.000000Z"


@pytest.fixture
def used(path: Path) -> Path:
    """A journal with some orders in it, closed."""
    clock = ManualClock()
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        for order_id in range(1, 101):
            keeping.take_all(filled_order(order_id))
    return path


def opened(path: Path, durability: Durability = Durability.PROCESS) -> Store:
    return Store(path, 1, durability, NOW)


# ── good openings ───────────────────────────────────────────────────────────────────────────────


def test_a_new_file_is_made_whole_or_not_at_all(path: Path) -> None:
    """It gets its name when everything is in it; what an earlier try left behind is swept away."""
    leftover = path.with_name("journal.sqlite.new")
    leftover.write_bytes(b"half a journal")
    store = opened(path)
    assert not leftover.exists()
    store.close(NOW)
    assert sorted(p.name for p in path.parent.iterdir()) == ["journal.sqlite", "journal.sqlite.lock"]


@pytest.mark.parametrize(("durability", "level"), [(Durability.PROCESS, 1), (Durability.POWER, 2)])
def test_durability_is_sqlites_synchronous(path: Path, durability: Durability, level: int) -> None:
    """NORMAL survives a killed process, FULL a power cut; the log is a WAL for both."""
    store = opened(path, durability)
    assert store.connection.execute("PRAGMA synchronous").fetchone() == (level,)
    assert store.connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    store.close(None)


def test_every_run_has_a_number_and_its_end_is_noted(path: Path) -> None:
    """A run without an end was killed."""
    first = opened(path)
    first.begin_run(NOW)
    first.close(NOW)
    second = opened(path)
    second.begin_run(NOW)
    second.close(None)
    third = opened(path)
    third.begin_run(NOW)
    assert (first.epoch, second.epoch, third.epoch) == (1, 2, 3)
    rows = third.connection.execute("SELECT epoch, closed_at, pid FROM runs ORDER BY epoch").fetchall()
    assert rows == [(1, NOW, os.getpid()), (2, None, os.getpid()), (3, None, os.getpid())]
    third.close(None)


def test_a_link_leads_to_the_same_lock(path: Path) -> None:
    """Two names of one file are one journal."""
    link = path.with_name("link.sqlite")
    link.symlink_to(path)
    store = opened(path)
    with pytest.raises(JournalInUse):
        opened(link)
    store.close(None)


def test_a_transaction_is_whole_or_nothing(path: Path) -> None:
    """What fails in the middle leaves nothing, and the next one works."""
    store = opened(path)

    def half(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO meta VALUES ('a', '1')")
        connection.execute("INSERT INTO meta VALUES ('a', '2')")

    with pytest.raises(sqlite3.IntegrityError):
        store.transact(half)
    assert not store.connection.in_transaction
    store.transact(lambda c: c.execute("INSERT INTO meta VALUES ('b', '1')").close())
    assert store.connection.execute("SELECT name FROM meta WHERE name IN ('a', 'b')").fetchall() == [("b",)]
    store.close(None)


def test_one_connection_carries_the_log_over_whatever_threads_ask(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that comes while another is at it leaves it to that one; after the end nothing is opened."""
    store = opened(path)
    made: list[str] = []
    is_inside, may_go_on = threading.Event(), threading.Event()

    def slowly(path: str, mode: str) -> sqlite3.Connection:
        made.append(mode)
        if len(made) == 1:
            is_inside.set()
            assert may_go_on.wait(30)
        return connect(path, mode)

    monkeypatch.setattr("ibkr_core.journal.store.connect", slowly)
    first = threading.Thread(target=store.checkpoint)
    first.start()
    assert is_inside.wait(30)
    store.checkpoint()
    may_go_on.set()
    first.join(30)
    store.transact(lambda c: c.execute("INSERT INTO meta VALUES ('a', '1')").close())
    before = path.read_bytes()
    store.checkpoint()
    assert path.read_bytes() != before
    store.close(None)
    store.checkpoint()
    assert made == ["rw"]


_TRY_TO_OPEN = """
import sys
from ibkr_core.errors import JournalInUse
from ibkr_core.journal.store import *
try:
    Store(sys.argv[1], 1, Durability.PROCESS, "")
except JournalInUse as error:
    print(error.pid)
"""


# ── refusals ────────────────────────────────────────────────────────────────────────────────────


def refused(path: Path, kind: type[JournalError]) -> JournalError:
    """Open a file that must be refused, and show that it is as it was and that the lock is free."""
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(kind) as caught:
        opened(path)
    assert type(caught.value) is kind
    assert str(path) in str(caught.value)
    assert caught.value.advice
    assert (path.read_bytes() if path.is_file() else None) == before
    with pytest.raises(kind):  # and not JournalInUse
        opened(path)
    return caught.value


def test_a_second_engine_is_refused(path: Path) -> None:
    """The message names the process that has it."""
    store = opened(path)
    with pytest.raises(JournalInUse, match=f"process {os.getpid()}") as caught:
        opened(path)
    assert caught.value.pid == os.getpid()
    store.close(None)
    opened(path).close(None)


def test_an_engine_of_another_process_is_refused(path: Path) -> None:
    """The same, told by another process."""
    store = opened(path)
    tried = subprocess.run(  # noqa: S603 - our own program
        [
            sys.executable,
            "-c",
            _TRY_TO_OPEN,
            path,
        ],
        capture_output=True,
        text=True,
        check=True,
    )
    assert tried.stdout == f"{os.getpid()}\n"
    store.close(None)


def test_another_clients_journal_is_refused(path: Path) -> None:
    """Ids and keys of two clients in one file would be each other's."""
    Store(path, 2, Durability.PROCESS, NOW).close(NOW)
    error = refused(path, JournalForeign)
    assert "client id 2" in str(error)


def test_some_other_sqlite_file_is_refused(path: Path) -> None:
    """It is somebody's data."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE precious (x)")
    other.commit()
    other.close()
    refused(path, JournalForeign)


def test_an_empty_sqlite_file_of_nobody_is_refused(path: Path) -> None:
    """It has a header, and it is not ours."""
    other = sqlite3.connect(path)
    other.execute("PRAGMA user_version = 0")
    other.execute("VACUUM")
    other.close()
    refused(path, JournalForeign if path.stat().st_size else JournalCorrupt)


def test_a_folder_is_refused(path: Path) -> None:
    """The path names no file."""
    path.mkdir()
    refused(path, JournalForeign)


def test_a_missing_folder_is_not_made(path: Path) -> None:
    """A slip in the path must not start an empty journal somewhere."""
    with pytest.raises(JournalFailed, match="does not exist"):
        opened(path.parent / "typo" / "journal.sqlite")
    assert not (path.parent / "typo").exists()


def test_a_newer_schema_is_refused(used: Path) -> None:
    """An older ibkr_core does not touch what it does not know."""
    raw = sqlite3.connect(used)
    raw.execute(f"PRAGMA user_version = {schema.VERSION + 1}")
    raw.close()
    error = refused(used, JournalTooNew)
    assert isinstance(error, JournalTooNew)
    assert (error.version, error.supported) == (schema.VERSION + 1, schema.VERSION)


def test_an_empty_file_is_refused(path: Path) -> None:
    """A journal is never empty, so something emptied it."""
    path.touch()
    error = refused(path, JournalCorrupt)
    assert "empty" in str(error)


def test_a_text_file_is_refused(path: Path) -> None:
    """It is no SQLite file."""
    path.write_text("some notes of mine\n" * 100)
    refused(path, JournalCorrupt)


@pytest.mark.parametrize("left", [0.1, 0.5, 0.9, 0.99])
def test_a_truncated_file_is_refused(used: Path, left: float) -> None:
    """Wherever it was cut."""
    data = used.read_bytes()
    used.write_bytes(data[: int(len(data) * left)])
    refused(used, JournalCorrupt)


def test_a_damaged_header_is_refused(used: Path) -> None:
    """Its first bytes are gone."""
    data = bytearray(used.read_bytes())
    data[:16] = b"\0" * 16
    used.write_bytes(data)
    refused(used, JournalCorrupt)


@pytest.mark.parametrize(
    ("end", "is_all_read"),
    [("in order", False), ("killed", False), ("machine went down", True), ("no checkpoint", True)],
)
def test_a_large_file_is_read_as_a_whole_where_something_may_have_harmed_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, end: str, *, is_all_read: bool
) -> None:
    """What a killed process wrote is safe with the system, unless that went down too."""
    monkeypatch.setattr(stores, "_LARGE", 0)
    journal = open_journal(path)
    keeping = Keeping(journal, ManualClock())
    keeping.book = Book(CLIENT_ID, codec=CODEC)
    keeping.take_all(filled_order(1))
    assert journal.flush()
    if end != "no checkpoint":
        shared = keeping.book.index.archive.shared
        journal.packed.finish(make_checkpoint(keeping.book), journal.recorded, shared)
    if end == "in order":
        journal.close()
    else:
        journal.abandon()
    if end == "machine went down":
        monkeypatch.setattr(stores, "_boot_id", lambda: "another")
    elif not stores._boot_id():
        pytest.skip("nothing tells here whether the machine went down")
    said: list[str] = []

    def listened(*values: str) -> sqlite3.Connection:
        connection = connect(*values)
        connection.set_trace_callback(said.append)
        return connection

    monkeypatch.setattr(stores, "connect", listened)
    opened(path).close(None)
    assert ("PRAGMA quick_check(3)" in said) is is_all_read
    assert ("PRAGMA quick_check(packed_orders)" in said) is not is_all_read


def entries_or_none(journal: Journal) -> list[Entry] | None:
    """Return what the journal says; None where it says that it is damaged."""
    try:
        return list(journal.entries())
    except JournalCorrupt:
        return None


def test_no_page_full_of_rubbish_goes_unnoticed(used: Path) -> None:
    """Whichever page it is: refused at the opening, or where the entries are read; never a wrong entry."""
    data = used.read_bytes()
    with JournalReader(used) as reader:
        truth = list(reader.inputs())
        pages = {
            row[0]: row[1]
            for row in reader.query("SELECT pageno, name FROM dbstat WHERE pagetype <> 'overflow'")
        }
    for number, name in pages.items():
        spoilt = bytearray(data)
        spoilt[(number - 1) * 4096 : number * 4096] = bytes((number * 7 + i) % 256 for i in range(4096))
        used.write_bytes(spoilt)
        try:
            journal = open_journal(used)
        except (JournalCorrupt, JournalForeign):
            continue
        with journal:
            assert entries_or_none(journal) in (truth, None), f"page {number} of {name}"


def test_a_flipped_bit_in_a_frame_is_noticed(used: Path) -> None:
    """SQLite keeps no checksums of its own; a wrong price must not come back as a right one."""
    data = bytearray(used.read_bytes())
    at = data.index(b'"price":"190.20"')
    data[at + len(b'"price":"19')] ^= 1  # 190.20 becomes 191.20
    used.write_bytes(data)
    with open_journal(used) as journal:
        with pytest.raises(JournalCorrupt, match="input"):
            list(journal.entries())
        assert any("checksum" in problem for problem in journal.check().problems)


# ── read-only ───────────────────────────────────────────────────────────────────────────────────

_TRY_AS_NOBODY = """
import os, sys
from ibkr_core.journal.store import *
from ibkr_core.errors import IbkrError
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
try:
    Store(sys.argv[1], 1, Durability.PROCESS, "").close(None)
    print("opened")
except IbkrError as error:
    print(type(error).__name__)
"""


@pytest.fixture
def public() -> Iterator[Path]:
    """A folder that other users can reach."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        path.chmod(0o777)
        yield path
        path.chmod(0o777)


def opened_by_nobody(path: Path) -> str:
    """Try to open as a user whom permissions bind, and say what came of it."""
    tried = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _TRY_AS_NOBODY, path], capture_output=True, text=True, check=False
    )
    return (tried.stdout + tried.stderr).strip()


@pytest.mark.parametrize("file_mode", [0o444, 0o666], ids=["file", "folder"])
def test_a_file_or_folder_that_cannot_be_written_is_told(used: Path, public: Path, file_mode: int) -> None:
    """And nothing changes; once it can be written it opens."""
    path = public / "j"
    path.write_bytes(used.read_bytes())
    lock = public / "j.lock"
    lock.touch()
    lock.chmod(0o666)
    path.chmod(file_mode)
    public.chmod(0o777 if file_mode == 0o444 else 0o555)
    assert opened_by_nobody(path) == "JournalReadOnly"
    assert path.read_bytes() == used.read_bytes()
    public.chmod(0o777)
    path.chmod(0o666)
    assert opened_by_nobody(path) == "opened"


def test_a_new_file_in_a_folder_that_cannot_be_written_is_told(public: Path) -> None:
    """Not even the lock file can be made; nor can one be looked for where we may not go."""
    public.chmod(0o555)
    assert opened_by_nobody(public / "j") == "JournalReadOnly"
    public.chmod(0o700)
    assert opened_by_nobody(public / "j") == ("JournalReadOnly" if os.getuid() == 0 else "opened")


# ── words ───────────────────────────────────────────────────────────────────────────────────────


def test_failures_of_the_system_are_told_as_what_they_are() -> None:
    """A full disk is a full disk, whether SQLite or the system says so."""
    full = OSError(28, "No space left on device")
    assert "disk is full" in str(describe_failure("/j", full))
    assert "hopeless" in str(describe_failure("/j", ValueError("hopeless")))
