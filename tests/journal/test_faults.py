"""The disk fails under a running engine: it is told once, nothing is lost, and it works again by itself."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from ibkr_core.errors import JournalError, JournalFailed
from ibkr_core.journal import Entry, Frame, Journal, JournalReader, Payload, ahead, intentlog, writing
from ibkr_core.journal import journal as journals
from ibkr_core.journal import store as stores
from ibkr_core.journal.health import Part
from ibkr_core.journal.tail import SEGMENT_INPUTS
from ibkr_core.lifecycle.inputs import Cancel, Disconnect
from tests.journal.interrupting import interrupt
from tests.journal.making import START, Keeping, ManualClock, filled_order, open_journal, status, submit


class Watch:
    """Notes what a journal tells of itself."""

    def __init__(self, journal: Journal) -> None:
        self.told: list[str] = []
        journal.watch(self._failed, self._recovered)
        self._journal = journal

    def _failed(self, failure: JournalFailed) -> None:
        assert not self._journal._writing.locked()
        self.told.append(failure.reason)

    def _recovered(self) -> None:
        assert not self._journal._writing.locked()
        self.told.append("recovered")


class Fault:
    """Something that keeps a journal from being written, until it is mended."""

    def __init__(self, make: Callable[[], None], mend: Callable[[], None], words: str) -> None:
        self.make, self.mend, self.words = make, mend, words


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A small disk of our own, for root only."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(  # noqa: S603 - our own arguments
            [mount, "-t", "tmpfs", "-o", "size=16m", "tmpfs", disk], check=False, capture_output=True
        ).returncode
    ):
        pytest.skip("only root can mount a small disk")
    yield disk
    subprocess.run([shutil.which("umount") or "umount", "-l", disk], check=True)  # noqa: S603 - our own arguments


def full_disk(journal: Journal, disk: Path) -> Fault:
    return Fault(lambda: fill(disk), (disk / "filler").unlink, "the disk is full")


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(b"x" * 4096)


def full_file(journal: Journal) -> Fault:
    run = journal._store.connection.execute
    pages = run("PRAGMA page_count").fetchone()[0]
    return Fault(
        lambda: run(f"PRAGMA max_page_count = {pages}").close(),
        lambda: run("PRAGMA max_page_count = 1000000").close(),
        "the disk is full",
    )


def file_gone(journal: Journal, ending: str) -> Fault:
    file = Path(journal.path + ending)
    aside = file.with_name("aside")
    return Fault(
        lambda: file.rename(aside).exists() and None, lambda: aside.rename(file).exists() and None, "removed"
    )


def file_replaced(journal: Journal) -> Fault:
    file, aside = Path(journal.path), Path(journal.path).with_name("aside")

    def make() -> None:
        file.rename(aside)
        shutil.copy(aside, file)

    return Fault(make, lambda: aside.replace(file).exists() and None, "replaced")


def locked(journal: Journal) -> Fault:
    journal._store.connection.execute("PRAGMA busy_timeout = 1")
    other = sqlite3.connect(journal.path, isolation_level=None, check_same_thread=False)
    return Fault(
        lambda: other.execute("BEGIN IMMEDIATE").close(), other.close, "another program holds it locked"
    )


FAULTS: dict[str, Callable[[Journal], Fault]] = {
    "no page left": full_file,
    "file removed": lambda journal: file_gone(journal, ""),
    "log removed": lambda journal: file_gone(journal, "-wal"),
    "file replaced": file_replaced,
    "locked": locked,
}


def failure_of(journal: Journal, index: int) -> JournalFailed | None:
    """Commit, and return what it raised."""
    try:
        journal.commit(index)
    except JournalFailed as error:
        return error
    return None


def live_through(journal: Journal, fault: Fault, clock: ManualClock) -> None:
    """Have a fault come and go, and show that the journal bears it as it promises."""
    watch = Watch(journal)
    keeping = Keeping(journal, clock)
    keeping.take_all(filled_order(1))
    journal.commit()
    assert journal.failure is None
    fault.make()
    expected: list[Payload] = list(filled_order(1))
    raised = 0
    for number in range(400):  # a little may still fit
        expected.append(Frame(187, bytes([number % 256]) * 2_000))
        index = journal.record(expected[-1], START, 0, status())
        error = failure_of(journal, index)
        if error is not None:
            raised += 1
            assert fault.words in str(error)
            assert journal.failure is not None
            assert journal.committed < index
    assert raised > 300
    assert len(watch.told) == 1
    assert fault.words in watch.told[0]
    keeping.take_all(filled_order(2))  # facts and cancels are still taken in
    assert not journal.flush()
    expected += filled_order(2)
    fault.mend()
    clock.advance(10)
    assert journal.flush()
    assert journal.failure is None
    assert watch.told[1:] == ["recovered"]
    journal.commit()
    with JournalReader(journal.path) as reader:
        assert [entry.payload for entry in reader.inputs()] == expected
        assert {order.key for order in reader.orders()} == {"key-1", "key-2"}
        assert reader.check().is_sound
    journal.close()


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_told_once_and_nothing_is_lost(path: Path, clock: ManualClock, kind: str) -> None:
    """Commits raise meanwhile; what was recorded is written in order when it can be."""
    journal = open_journal(path, clock, intent_log=False)
    live_through(journal, FAULTS[kind](journal), clock)


def test_a_full_disk_is_told_once_and_nothing_is_lost(small_disk: Path, clock: ManualClock) -> None:
    """A real one."""
    journal = open_journal(small_disk / "journal.sqlite", clock)
    live_through(journal, full_disk(journal, small_disk), clock)


def test_a_journal_cannot_be_made_on_a_full_disk(small_disk: Path, clock: ManualClock) -> None:
    """It is told as what it is, and no half journal stays."""
    fill(small_disk)
    with pytest.raises(JournalError, match="disk is full"):
        open_journal(small_disk / "journal.sqlite", clock)
    assert not (small_disk / "journal.sqlite").exists()
    (small_disk / "filler").unlink()
    open_journal(small_disk / "journal.sqlite", clock).close()


_LIMITED = """
import resource, sys
from pathlib import Path
from ibkr_core.errors import JournalFailed
from ibkr_core.journal import Frame
from tests.journal.making import *
journal = open_journal(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, resource.RLIM_INFINITY))
try:
    while True:
        journal.record(Frame(187, b"x" * 5_000), START, 0, status())
        journal.commit()
except JournalFailed as error:
    print(journal.committed)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
journal.commit()
print(journal.committed)
journal.close()
"""


def test_a_write_that_the_system_refuses_is_told(path: Path) -> None:
    """Any other way in which a write can fail: here a limit on the size of files."""
    root = Path(__file__).parents[2]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", _LIMITED, path],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(root)},
    )
    before, after = map(int, done.stdout.split())
    assert after == before + 1
    with JournalReader(path) as reader:
        assert len(list(reader.inputs())) == after


def test_it_is_tried_again_at_growing_intervals(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at every flush: a full disk is not helped by trying fifty times a second."""
    journal = open_journal(path, clock)
    tries = 0

    def fail() -> None:
        nonlocal tries
        tries += 1
        raise sqlite3.DatabaseError("database disk image is malformed")

    with monkeypatch.context() as patch:
        patch.setattr(journal._store, "check_files", fail)
        journal.record(Disconnect(), START, 0)
        for _ in range(10_000):
            journal.flush()
            clock.advance(0.01)
        assert 20 <= tries <= 30
        assert journal.failure is not None
        assert "malformed" in journal.failure.reason
    clock.advance(5.0)
    assert journal.flush()
    journal.close()


def test_a_commit_tries_at_once(path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Someone waits for it, and trading goes on at the first moment that it can."""
    journal = open_journal(path, clock, intent_log=False)

    def fail() -> None:
        raise sqlite3.DatabaseError("no")

    journal.record(Cancel(1), START, 0)
    with monkeypatch.context() as patch:
        patch.setattr(journal._store, "check_files", fail)
        with pytest.raises(JournalFailed):
            journal.commit()
    journal.commit()
    assert journal.failure is None
    journal.close()


def test_the_writer_thread_recovers_by_itself(path: Path, clock: ManualClock) -> None:
    """Nobody has to ask."""
    journal = open_journal(path, clock, start_writer=True, batch_s=0.001)
    failed, recovered = threading.Event(), threading.Event()
    journal.watch(lambda _: failed.set(), recovered.set)
    fault = file_gone(journal, "-wal")
    fault.make()
    journal.record(Disconnect(), START, 0)
    assert failed.wait(60)
    fault.mend()
    clock.advance(60)
    assert recovered.wait(60)
    journal.close()


def test_closing_while_nothing_can_be_written_is_told(path: Path, clock: ManualClock) -> None:
    """What was not written is lost then, so it must not pass in silence; the lock is free all the same."""
    journal = open_journal(path, clock)
    fault = file_gone(journal, "-wal")
    fault.make()
    journal.record(Disconnect(), START, 0)
    with pytest.raises(JournalFailed, match="removed"):
        journal.close()
    fault.mend()
    with open_journal(path, clock) as again:
        assert list(again.entries()) == []
        rows = JournalReader(path).query("SELECT epoch, closed_at IS NULL FROM runs")
        assert rows == [(1, 1), (2, 1)]


def test_a_state_that_could_not_be_written_is_written_later(path: Path, clock: ManualClock) -> None:
    """It counts at once, in memory."""
    journal = open_journal(path, clock)
    fault = file_gone(journal, "-wal")
    fault.make()
    with pytest.raises(JournalFailed):
        journal.set_state("halted", "yes")
    assert journal.state("halted") == "yes"
    fault.mend()
    journal.close()
    with open_journal(path, clock) as again:
        assert again.state("halted") == "yes"


def test_an_input_that_cannot_be_encoded_is_not_passed_over(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault of ours: it is told, and what comes behind it waits, for the order must not have a hole."""
    journal = open_journal(path, clock)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    journal.record(Cancel(1), START, 0)
    with monkeypatch.context() as patch:
        patch.setattr("ibkr_core.journal.rows.contents_of", fail)
        journal.record(Cancel(2), START, 0)
        with pytest.raises(JournalFailed, match="a fault of ours"):
            journal.commit()
    journal.commit()
    assert list(JournalReader(path).inputs()) == [
        Entry(1, START, Cancel(1), 0, 1),
        Entry(2, START, Cancel(2), 0, 1),
    ]
    journal.close()


# ── a part fails, and the rest works ────────────────────────────────────────────────────────────────


def rows_fail(journal: Journal, table: str) -> None:
    """Have the file refuse rows of one table, as a damaged page of it would."""
    journal.write(
        lambda connection: connection.execute(
            f"CREATE TRIGGER refuse BEFORE INSERT ON {table} BEGIN SELECT RAISE(ABORT, 'no {table}'); END"
        ).close()
    )


def rows_work(journal: Journal) -> None:
    journal._store.connection.execute("DROP TRIGGER refuse")


@pytest.mark.parametrize("table", ["events", "orders", "fills", "inputs"])
def test_a_lasting_fault_of_rows_is_told_once(path: Path, clock: ManualClock, table: str) -> None:
    """Segments are committed all the while, at every turn; it works again when the rows are written."""
    journal = open_journal(path, clock)
    watch, keeping = Watch(journal), Keeping(journal, clock)
    rows_fail(journal, table)
    for order_id in range(1, 101):
        keeping.take_all(filled_order(order_id))
        journal.work()
        assert journal.committed == journal.recorded
        keeping.take(Cancel(order_id))
        journal.commit()
        clock.advance(0.5)
    assert [table in told for told in watch.told] == [True]
    assert journal.failure is not None
    assert table in journal.failure.reason
    rows_work(journal)
    clock.advance(10.0)
    journal.work()
    assert watch.told[1:] == ["recovered"]
    assert journal.failure is None
    assert journal.backlog == 0
    with JournalReader(path) as reader:
        assert len(reader.orders()) == len(reader.fills()) == 100
        assert reader.check().is_sound
    journal.close()


class Turns:
    """Stands where the writer looks whether to end: lets time pass as it waits, and ends it after a while."""

    def __init__(self, clock: ManualClock, seconds: float) -> None:
        self.waits: list[float] = []
        self._clock = clock
        self._end = clock.monotonic() + seconds

    def wait(self, seconds: float) -> bool:
        self.waits.append(seconds)
        self._clock.advance(seconds)
        return self.is_set()

    def is_set(self) -> bool:
        return self._clock.monotonic() >= self._end

    def set(self) -> None:
        self._end = 0.0


def test_what_is_recorded_is_committed_soon_though_rows_fail(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer tries the rows again at growing intervals, and does not sleep through them."""
    journal = open_journal(path, clock, batch_s=0.02)
    keeping, turns, tried_at = Keeping(journal, clock), Turns(clock, 60.0), list[float]()
    rows_fail(journal, "orders")
    failed = journal._health.failed

    def note(part: Part, error: Exception) -> JournalFailed:
        tried_at.append(clock.monotonic())
        return failed(part, error)

    monkeypatch.setattr(journal._health, "failed", note)
    monkeypatch.setattr(journal, "_stop", turns)
    keeping.take_all(filled_order(1))
    journal._work()
    assert max(turns.waits) <= 0.02
    assert 15 <= len(tried_at) <= 25
    journal.abandon()


def test_a_fault_of_ours_in_making_rows_is_told_once(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though rows that are made before those at fault are written each time."""
    journal = open_journal(path, clock)
    watch, keeping = Watch(journal), Keeping(journal, clock)

    def fail(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    with monkeypatch.context() as patch:
        patch.setattr(journal._tables, "make_orders", fail)
        for order_id in range(1, 21):
            keeping.take_all(filled_order(order_id))
            assert not journal.flush()
            clock.advance(10.0)
    assert ["a fault of ours" in told for told in watch.told] == [True]
    assert journal.flush()
    assert watch.told[1:] == ["recovered"]
    journal.close()


def test_a_lasting_fault_beside_what_is_recorded_is_told_once(
    path: Path, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """A checkpoint that can never be written keeps nobody from trading; later times go to the log alone."""
    journal = open_journal(path, clock)
    watch = Watch(journal)

    def fail(_: sqlite3.Connection) -> None:
        raise sqlite3.IntegrityError("no checkpoint")

    for _ in range(3):
        for _ in range(10):
            with pytest.raises(JournalFailed, match="no checkpoint"):
                journal.write(fail)
            assert journal.work()
            assert journal.failure is None
        assert [told if told == "recovered" else "broken" for told in watch.told] == ["broken", "recovered"]
        journal.write(lambda _: None)
        watch.told.clear()
    assert sum("no checkpoint" in line for line in caplog.messages) == 30
    journal.close()


def test_a_fault_that_nobody_tries_again_is_over_when_writing_works(path: Path, clock: ManualClock) -> None:
    """Nothing is recorded meanwhile, for new orders are refused: the writer finds it out by itself."""
    journal = open_journal(path, clock, start_writer=True, batch_s=0.001)
    failed, recovered = threading.Event(), threading.Event()
    journal.watch(lambda _: failed.set(), recovered.set)
    fault = locked(journal)
    fault.make()
    with pytest.raises(JournalFailed, match="locked"):
        journal.write(lambda _: None)
    assert failed.wait(60)
    fault.mend()
    clock.advance(60)
    assert recovered.wait(60)
    assert journal.failure is None
    journal.close()


def interrupted(owner: object, name: str, number: int = 1) -> contextlib.AbstractContextManager[object]:
    """Have a Ctrl-C come as a call ends: it is told when C returns, and C waits for the disk."""
    real, calls = getattr(owner, name), iter(range(1, 100))

    def call(*values: object) -> object:
        result = real(*values)
        if next(calls) == number:
            raise KeyboardInterrupt
        return result

    return mock.patch.object(owner, name, call)


@pytest.mark.parametrize("has_state", [False, True])
def test_an_interrupt_right_after_a_commit_neither_doubles_nor_stops_anything(
    path: Path, *, has_state: bool
) -> None:
    """The file has the input by then; were it written again, SQLite would refuse it and all that follows."""
    with open_journal(path, intent_log=False) as journal:
        journal.record(submit(7, key="k"), START, 0)
        if has_state:
            journal._intake.add_state("name", "text", "at")
        writes = interrupted(journal._store, "transact" if has_state else "run")
        with writes, pytest.raises(KeyboardInterrupt):
            journal.commit()
        journal.record(Cancel(7), START, 0)
        journal.commit()
        assert journal.failure is None
        assert journal.committed == 2
        assert journal.knows_key("k") == 7
        assert journal.flush()
        assert journal.query("SELECT number, kind FROM inputs") == [(1, "Submit"), (2, "Cancel")]


@pytest.mark.skipif(not writing.__file__.endswith(".py"), reason="compiled, it is not interrupted within")
@pytest.mark.parametrize("number", [1, 2])
def test_an_interrupt_while_segments_are_made_neither_loses_nor_doubles_an_input(
    path: Path, number: int
) -> None:
    """Behind each of two segments."""
    with open_journal(path, intent_log=False) as journal:
        for _ in range(SEGMENT_INPUTS + 1):
            journal.record(Cancel(7), START, 0)
        with interrupted(journal._intake, "_add", number), pytest.raises(KeyboardInterrupt):
            journal.commit()
        journal.record(submit(9, key="k"), START, 0)
        journal.commit()
        assert journal.flush()
        count = SEGMENT_INPUTS + 2
        assert journal.query("SELECT count(*), min(number), max(number) FROM inputs") == [(count, 1, count)]
        assert journal.high_water == 9


def test_an_interrupt_at_the_beginning_of_a_transaction_leaves_none_open(path: Path) -> None:
    """Another could not begin within it, ever."""
    with open_journal(path) as journal:
        store = journal._store
        interrupting = Interrupting(store.connection, "BEGIN IMMEDIATE")
        with mock.patch.object(store, "connection", interrupting), pytest.raises(KeyboardInterrupt):
            journal.set_state("name", "text")
        journal.set_state("name", "text")
        assert journal.query("SELECT value FROM state WHERE name = 'name'") == [("text",)]


@pytest.mark.parametrize("transaction", range(1, 6))
def test_an_interrupt_right_after_rows_were_written_doubles_none(path: Path, transaction: int) -> None:
    """Of events, orders, executions and inputs: each has its transaction."""
    with open_journal(path) as journal:
        Keeping(journal, ManualClock()).take_all(filled_order())
        store = journal._store
        interrupting = Interrupting(store.connection, "COMMIT", transaction)
        with mock.patch.object(store, "connection", interrupting), contextlib.suppress(KeyboardInterrupt):
            journal.flush()
        assert journal.flush()
        assert journal.query("SELECT seq, count(*) FROM events GROUP BY seq HAVING count(*) > 1") == []
        [(count,)] = journal.query("SELECT count(*) FROM inputs")
        assert count == journal.recorded == journal.committed
        assert journal.query("SELECT count(*) FROM tail") == [(0,)]


class Interrupting:
    """A connection whose user presses Ctrl-C while a statement runs."""

    def __init__(self, connection: sqlite3.Connection, statement: str, number: int = 1) -> None:
        self._connection, self._statement, self._left = connection, statement, number

    def __getattr__(self, name: str) -> object:
        return getattr(self._connection, name)

    def execute(self, statement: str, *values: Any) -> sqlite3.Cursor:
        cursor = self._connection.execute(statement, *values)
        self._left -= statement == self._statement
        if statement == self._statement and self._left == 0:
            raise KeyboardInterrupt
        return cursor


@pytest.mark.parametrize("has_log", [False, True])
@pytest.mark.parametrize(("act", "step"), [("commit", 1), ("flush", 3)])
def test_an_interrupt_at_any_place_costs_no_input_and_stops_nothing(
    tmp_path: Path, act: str, step: int, *, has_log: bool
) -> None:
    """Wherever it comes: each input is there once, no event is there twice, and no lock is held."""
    modules = {str(module.__file__) for module in (writing, journals, stores, ahead, intentlog)}
    for number in itertools.count(1, step):
        with open_journal(tmp_path / str(number), intent_log=has_log) as journal:
            keeping = Keeping(journal, ManualClock())
            keeping.take_all((submit(7, key="k"), *filled_order()[1:]))
            if not has_log:
                journal._intake.add_state("name", "text", "at")
            is_interrupted = True
            with contextlib.suppress(KeyboardInterrupt), interrupt(modules, number):
                getattr(journal, act)()
                is_interrupted = False
            keeping.take(submit(9, key="z"))
            journal.commit()
            with JournalReader(journal.path) as reader:
                assert [entry.index for entry in reader.inputs()] == [1, 2, 3, 4, 5, 6]
            assert journal.flush()
            assert journal.query("SELECT count(*), max(number) FROM inputs") == [(6, 6)]
            assert journal.query("SELECT seq FROM events GROUP BY seq HAVING count(*) > 1") == []
            assert (journal.knows_key("k"), journal.knows_key("z"), journal.high_water) == (7, 9, 9)
        if not is_interrupted:
            break
    assert number > 1 or not writing.__file__.endswith(".py")
