"""Two stages, and a kill between any two statements: nothing committed is lost, nothing comes twice."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.errors import JournalCorrupt, JournalFailed
from ibkr_core.journal import Journal, JournalReader, Payload
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.inputs import Cancel, Resend, Submit
from ibkr_core.lifecycle.ledger import fill_from
from ibkr_core.model.events import UnattributedExecution
from tests.journal.making import (
    START,
    Keeping,
    ManualClock,
    execution,
    filled_order,
    memory_folder,
    open_journal,
    status,
    submit,
)

_JOURNAL = "ibkr_core.journal.journal"


@contextmanager
def small_slices() -> Iterator[None]:
    """Make everything small, so that a few inputs are many slices."""
    with (
        mock.patch("ibkr_core.journal.writing.SEGMENT_INPUTS", 3),
        mock.patch("ibkr_core.journal.tail.SEGMENT_INPUTS", 3),
        mock.patch(f"{_JOURNAL}.EVENTS_AT_ONCE", 4),
        mock.patch(f"{_JOURNAL}.ORDERS_AT_ONCE", 2),
        mock.patch("ibkr_core.journal.leisure._QUIET", 2),
    ):
        yield


class Killed:
    """Copies of a journal's files, each as a kill before some statement would leave them.

    Attributes:
        copies: Where each is, how much was committed for certain, and how much was recorded.
    """

    def __init__(self, journal: Journal, folder: Path, at: frozenset[int]) -> None:
        self.copies: list[tuple[Path, int, int]] = []
        self._journal = journal
        self._folder = folder
        self._at = at
        self._statements = 0
        journal._store.connection.set_trace_callback(self._note)

    def _note(self, _: str) -> None:
        self._statements += 1
        if self._statements in self._at:
            self.copy()

    def copy(self) -> None:
        """Take a copy now."""
        place = self._folder / f"copy{len(self.copies)}"
        for ending in ("-intents", "", "-wal"):
            source = Path(f"{self._journal.path}{ending}")
            if source.exists():
                shutil.copy(source, f"{place}{ending}")
        self.copies.append((place, self._journal.committed, self._journal.recorded))


def check_copy(
    path: Path, committed: int, recorded: int, told: list[Payload], seqs: list[int], clock: ManualClock
) -> None:
    """Hold what a killed run left against what it had been told."""
    with JournalReader(path) as reader:
        before = [entry.payload for entry in reader.inputs()]
        assert committed <= len(before) <= recorded
        assert before == told[: len(before)]
        assert reader.check().is_sound
        assert reader.check().inputs == len(before)
        written = [line.seq for line in reader.history(limit=10_000)]
        assert written == list(range(1, len(written) + 1))
        assert len(written) <= (seqs[len(before) - 1] if before else 0)
        assert {order.key for order in reader.orders() if order.key} <= keys_of(before).keys()
        known = {key: reader.order_id_of(key) for key in keys_of(told)}
    with open_journal(path, clock) as journal:
        assert [entry.payload for entry in journal.entries()] == before
        assert [entry.index for entry in journal.entries()] == list(range(1, len(before) + 1))
        assert journal.recorded == journal.committed == len(before)
        assert journal.high_water == max(ids_of(before), default=0)
        assert {key: journal.knows_key(key) for key in known} == known == keys_of(told, before)
        with JournalReader(path) as reader:
            assert reader.query("SELECT count(*) FROM tail") == [(0,)]
            assert reader.query("SELECT count(*) FROM inputs") == [(len(before),)]


def ids_of(told: list[Payload]) -> Iterator[int]:
    for one in told:
        if isinstance(one, Submit):
            yield from (new.order_id for new in one.orders)
        elif isinstance(one, Resend):
            yield one.new_order_id
        elif hasattr(one, "exec_id") and hasattr(one, "client_id"):
            yield one.order_id


def keys_of(told: list[Payload], among: list[Payload] | None = None) -> dict[str, int | None]:
    """Return all keys, with the ids that those of some inputs have."""
    found: dict[str, int | None] = {
        new.key: None for one in told if isinstance(one, Submit) for new in one.orders
    }
    for one in among if among is not None else ():
        if isinstance(one, Submit):
            found |= {new.key: new.order_id for new in one.orders}
        elif isinstance(one, Resend):
            found = {key: one.new_order_id if had == one.order_id else had for key, had in found.items()}
    return found


ACTS = ("order", "fact", "resend", "commit", "flush", "work", "state", "wait")


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(ACTS), max_size=30),
    st.frozensets(st.integers(1, 150), max_size=6),
)
def test_a_kill_between_any_two_statements(acts: list[str], at: frozenset[int]) -> None:
    """What is found is the beginning of what was told, with all that was committed, and each input once."""
    clock, told, seqs = ManualClock(), list[Payload](), list[int]()
    with small_slices(), memory_folder() as folder:
        journal = open_journal(Path(folder) / "j", clock)
        killed = Killed(journal, Path(folder), at)
        keeping = Keeping(journal, clock)

        def take(*inputs: Payload) -> None:
            for one in inputs:
                if keeping.take(one):  # type: ignore[arg-type]  # no frames here
                    told.append(one)
                    seqs.append(keeping.seq)

        ways: dict[str, Callable[[int], object]] = {
            "order": lambda number: take(*filled_order(number)),
            "fact": lambda number: take(status(order_id=number, filled=1, remaining=99)),
            "resend": lambda number: take(submit(number), Resend(number, 1_000 + number, 1, "")),
            "commit": lambda _: journal.commit(),
            "flush": lambda _: journal.flush(),
            "work": lambda _: journal.work(),
            "state": lambda number: journal.set_state("name", str(number)),
            "wait": lambda _: clock.advance(5),
        }
        for number, act in enumerate(acts, 1):
            clock.advance(0.01)
            ways[act](number)
            assert journal.failure is None
        killed.copy()
        for copy in killed.copies:
            check_copy(*copy, told, seqs, clock)
        journal.close()
        check_copy(Path(folder) / "j", len(told), len(told), told, seqs, clock)


def rows_in(path: Path, table: str) -> int:
    with JournalReader(path) as reader:
        return int(reader.query(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own tables


def test_a_commit_writes_one_row(path: Path, clock: ManualClock) -> None:
    """By one statement, which is a transaction of its own; the tables follow later."""
    with open_journal(path, clock, intent_log=False) as journal:
        written: list[str] = []
        journal._store.connection.set_trace_callback(written.append)
        for _ in range(100):
            journal.record(submit(7), START, 0)
        journal.commit()
        journal._store.connection.set_trace_callback(None)
        assert [statement.split(" (")[0] for statement in written] == ["INSERT INTO tail"]
        assert (rows_in(path, "tail"), rows_in(path, "inputs")) == (1, 0)
        assert journal.flush()
        assert (rows_in(path, "tail"), rows_in(path, "inputs")) == (0, 100)


def test_in_a_burst_the_tables_wait(path: Path, clock: ManualClock) -> None:
    """Until it is quiet, or they are too far behind."""
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        for _ in range(3):
            keeping.take_all(status() for _ in range(100))
            assert journal.work()
            assert (journal.committed, rows_in(path, "inputs"), rows_in(path, "events")) == (
                journal.recorded,
                0,
                0,
            )
        keeping.take(status())
        assert journal.work()
        assert rows_in(path, "inputs") == 301
        assert rows_in(path, "events") == keeping.seq
        assert journal.backlog == 0


def test_where_it_never_gets_quiet_they_are_written_all_the_same(path: Path, clock: ManualClock) -> None:
    """Somebody may be looking at them."""
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        for turn in range(3):
            keeping.take_all(filled_order(turn + 1) * 10)
            clock.advance(1.0)
            assert journal.work()
        assert rows_in(path, "orders") == 3
        assert rows_in(path, "tail") == 0


def test_in_an_endless_burst_they_wait_longer(path: Path, clock: ManualClock) -> None:
    """But not for ever."""
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        for turn in range(12):
            assert rows_in(path, "inputs") == 0, turn
            keeping.take_all((status() for _ in range(201)), step_s=0)
            clock.advance(0.95)
            assert journal.work()
        assert rows_in(path, "inputs") == 12 * 201


def test_what_waits_for_the_tables_has_a_bound(path: Path, clock: ManualClock) -> None:
    """Events in memory are many and nobody may ever look at the tables."""
    with mock.patch("ibkr_core.journal.leisure._BACKLOG", 500), open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        for _ in range(20):
            keeping.take_all(status() for _ in range(100))
            assert journal.work()
            assert journal.backlog < 500


def test_a_damaged_segment_is_refused_and_not_touched(path: Path, clock: ManualClock) -> None:
    """At the next start, and by a reader at once."""
    with open_journal(path, clock, intent_log=False) as journal:
        journal.record(Cancel(7), START, 0)
        journal.commit()
        journal._store.connection.execute("UPDATE tail SET head = replace(head, 'Cancel', 'cancel')")
        with JournalReader(path) as reader:
            with pytest.raises(JournalCorrupt, match="inputs 1 to 1"):
                list(reader.inputs())
            assert "inputs 1 to 1" in reader.check().problems[0]
            with pytest.raises(JournalCorrupt, match="inputs 1 to 1"):
                reader.knows_order(7)
        assert not journal.flush()
        assert journal.failure is not None
        journal.abandon()
    with pytest.raises(JournalCorrupt, match="inputs 1 to 1"):
        open_journal(path, clock)
    assert rows_in(path, "tail") == 1


def test_keys_are_known_to_others_before_they_have_rows(path: Path, clock: ManualClock) -> None:
    """A second process must not use one again."""
    with open_journal(path, clock) as journal:
        journal.record(submit(7, key="mine"), START, 0)
        journal.commit()
        with JournalReader(path) as reader:
            assert reader.order_id_of("mine") == 7
            journal.record(Resend(7, 9, 1, ""), START, 0)
            journal.commit()
            assert (reader.order_id_of("mine"), journal.knows_key("mine")) == (9, 9)
            assert journal.flush()
            assert (reader.order_id_of("mine"), journal.knows_key("mine")) == (9, 9)
            assert reader.order_id_of("other") is None


def test_orders_are_known_to_others_before_they_have_rows(path: Path, clock: ManualClock) -> None:
    """Sent now, asked for now: also what is in the log of intents alone, or in a segment."""
    with open_journal(path, clock) as journal, JournalReader(path) as reader:

        def known() -> list[int]:
            return [order_id for order_id in range(1, 12) if reader.knows_order(order_id)]

        assert known() == []
        journal.record(submit(7, key="mine"), START, 0)
        journal.record(status(order_id=5), START, 0)
        journal.commit()
        assert known() == [5, 7]
        journal.record(Resend(7, 9, 1, ""), START, 0)
        journal.commit()
        assert known() == [5, 7, 9]
        with mock.patch.object(journal, "_settle", return_value=None):
            assert journal.work()
        assert known() == [5, 7, 9]
        assert journal.flush()
        assert 9 in known()


def test_a_file_without_segments_is_read(path: Path, clock: ManualClock) -> None:
    """A reader does not migrate: it reads files of earlier versions as they are."""
    with open_journal(path, clock) as journal:
        journal.record(submit(7, key="mine"), START, 0)
        assert journal.flush()
        journal._store.connection.execute("DROP TABLE tail")
        journal._store.connection.execute("PRAGMA user_version = 2")
        journal.abandon()
    with JournalReader(path) as reader:
        assert [entry.payload for entry in reader.inputs()] == [submit(7, key="mine")]
        assert reader.order_id_of("mine") == 7
        assert reader.knows_order(7)
        assert not reader.knows_order(8)
        assert reader.execution_ids() == frozenset()
        assert reader.check().is_sound


def test_a_start_on_a_full_disk_says_so_and_loses_nothing(tmp_path: Path) -> None:
    """What a killed run left behind cannot be moved then: an error of ours, and the next start has all."""
    path = tmp_path / "j"
    with mock.patch(f"{_JOURNAL}.Journal.flush"):
        journal = open_journal(path)
        Keeping(journal, ManualClock()).take_all(filled_order())
        journal.commit()
        journal.abandon()
    full = sqlite3.OperationalError("database or disk is full")
    full.sqlite_errorcode = sqlite3.SQLITE_FULL
    with (
        mock.patch("ibkr_core.journal.tables.write_moved", side_effect=full),
        pytest.raises(JournalFailed, match="the disk is full"),
    ):
        open_journal(path)
    with open_journal(path) as journal:
        assert [entry.index for entry in journal.entries()] == [1, 2, 3, 4, 5]


def test_an_execution_of_no_order_has_its_row_after_a_kill_between_event_and_execution(
    tmp_path: Path,
) -> None:
    """Nothing else would ever write it: no order shows it, and its event is not written again."""
    fact = execution()
    fill = fill_from(fact, ExecutionId.parse(fact.exec_id))
    event = UnattributedExecution(at=START, seq=1, fill=fill)
    with mock.patch(f"{_JOURNAL}.Tables.make_fills", side_effect=KeyboardInterrupt):
        journal = open_journal(tmp_path / "j")
        journal.note_event(event)
        with pytest.raises(KeyboardInterrupt):
            journal.flush()
        journal.abandon()
    with open_journal(tmp_path / "j") as journal:
        assert journal.query("SELECT count(*) FROM events") == [(1,)]
        journal.note_replayed(event)
        journal.flush()
        assert journal.query("SELECT count(*) FROM events") == [(1,)]
        assert journal.query("SELECT exec_id FROM fills") == [(fact.exec_id,)]
