"""The journal as the engine uses it."""

from __future__ import annotations

import gc
import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.errors import JournalFailed
from ibkr_core.journal import Entry, Frame, Journal, JournalReader
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.inputs import Cancel, Disconnect, NewOrder, Resend, Submit, Track
from ibkr_core.model.events import BrokerMessage
from ibkr_core.model.facts import ErrorFact, OpenOrderFact, OrderBoundFact
from ibkr_core.model.order import BrokerOrder
from tests.journal.making import (
    CLIENT_ID,
    START,
    Keeping,
    ManualClock,
    execution,
    filled_order,
    open_journal,
    status,
    submit,
)


@pytest.fixture
def journal(path: Path, clock: ManualClock) -> Iterator[Journal]:
    with open_journal(path, clock) as made:
        yield made


def stored(path: Path) -> list[Entry]:
    with JournalReader(path) as reader:
        return list(reader.inputs())


# ── record, commit, entries ─────────────────────────────────────────────────────────────────────


def test_what_is_recorded_comes_back_in_order(journal: Journal, path: Path) -> None:
    """Frames byte by byte, commands and facts as values, with moment, event number and run."""
    payloads = [Frame(187, bytes(range(256))), submit(7), status(), Frame(0, b""), Cancel(7), Disconnect()]
    for number, payload in enumerate(payloads):
        journal.record(payload, START, number * 2, status())
    journal.commit()
    assert stored(path) == [
        Entry(number + 1, START, payload, number * 2, 1) for number, payload in enumerate(payloads)
    ]


def test_nothing_is_in_the_file_before_the_commit(journal: Journal, path: Path) -> None:
    """And everything after it; recording alone does no I/O."""
    assert journal.record(submit(7), START, 0) == 1
    assert stored(path) == []
    assert (journal.recorded, journal.committed) == (1, 0)
    journal.commit()
    assert (journal.recorded, journal.committed) == (1, 1)
    assert len(stored(path)) == 1


def test_a_commit_takes_along_all_that_was_recorded_before(journal: Journal, path: Path) -> None:
    """The order in the file is the order of application, whoever commits first."""
    journal.record(status(), START, 0)
    wanted = journal.record(submit(7), START, 0)
    journal.record(status("Filled"), START, 0)
    journal.commit(wanted)
    assert [entry.index for entry in stored(path)] == [1, 2, 3]


def test_a_commit_of_what_is_committed_does_nothing(journal: Journal) -> None:
    """It need not even take the lock: another call may have taken ours along."""
    wanted = journal.record(submit(7), START, 0)
    journal.commit()
    with journal._writing:
        journal.commit(wanted)
        journal.commit()


def test_commits_of_many_threads_lose_nothing(journal: Journal, path: Path) -> None:
    """Each finds its own input in the file when it returns, however they meet."""
    recording = threading.Lock()  # the engine's state lock
    order_ids = iter(range(1, 10_000))

    def work(_: int) -> None:
        reader = JournalReader(path)
        for _ in range(50):
            with recording:
                order_id = next(order_ids)
                index = journal.record(Cancel(order_id), START, 0)
            journal.commit(index)
            (found,) = reader.inputs(after=index - 1, through=index)
            assert found.payload == Cancel(order_id)
        reader.close()

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(8)))
    assert [entry.index for entry in stored(path)] == list(range(1, 401))


def test_the_replay_ends_where_the_run_began(journal: Journal, path: Path, clock: ManualClock) -> None:
    """What this run records is not replayed into it."""
    journal.record(submit(7), START, 0)
    journal.close()
    with open_journal(path, clock) as again:
        again.record(Cancel(7), START, 1)
        again.commit()
        assert [entry.payload for entry in again.entries()] == [submit(7)]
        assert again.epoch == 2
    assert [entry.epoch for entry in stored(path)] == [1, 2]


def test_indices_go_on_over_runs(path: Path, clock: ManualClock) -> None:
    """An index is never used twice."""
    for run in range(3):
        with open_journal(path, clock) as journal:
            assert journal.record(Disconnect(), START, 0) == run + 1


# ── what must never go back ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("payload", "expected"),
    [
        (submit(40), 40),
        (Submit((NewOrder(41, "a", None, None), NewOrder(43, "b", None, None))), 43),
        (Resend(5, 44, 1, ""), 44),
        (Track(45), 45),
        (execution(46), 46),
        (OpenOrderFact(order=BrokerOrder(order_id=47, client_id=CLIENT_ID)), 47),
        (OrderBoundFact(perm_id=1, client_id=CLIENT_ID, order_id=48), 48),
        (OrderBoundFact(perm_id=1, client_id=CLIENT_ID, order_id=-48), 30),
        (OpenOrderFact(order=BrokerOrder(order_id=49, client_id=CLIENT_ID + 1)), 30),
        (status(order_id=50), 30),  # an orderStatus' client can be the canceller's (TWS facts 4)
        (ErrorFact(request_id=51, code=202), 30),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_high_water_mark_counts_every_id_of_ours(
    journal: Journal, path: Path, clock: ManualClock, payload: Any, expected: int
) -> None:
    """Ids that we used, and those that the broker shows on orders of our client. It survives."""
    journal.record(submit(30), START, 0)
    journal.record(payload, START, 0)
    journal.record(submit(10), START, 0)
    journal.commit()
    assert journal.high_water == expected
    journal.close()
    with open_journal(path, clock) as again:
        assert again.high_water == expected


def test_a_frame_counts_by_what_it_was_decoded_to(journal: Journal) -> None:
    """Its bytes are not read again."""
    journal.record(Frame(187, b"..."), START, 0, execution(46))
    journal.commit()
    assert journal.high_water == 46


def test_keys_are_known_once_they_are_committed(journal: Journal, path: Path, clock: ManualClock) -> None:
    """And in later runs; a repetition under a new id is found under that one."""
    journal.record(submit(7, key="mine"), START, 0)
    assert journal.knows_key("mine") is None
    journal.commit()
    assert journal.knows_key("mine") == 7
    journal.record(Resend(7, 9, 1, "10006"), START, 0)
    journal.close()
    with open_journal(path, clock) as again:
        assert again.knows_key("mine") == 9
        assert again.knows_key("other") is None


def test_states_are_durable_at_once(journal: Journal, path: Path, clock: ManualClock) -> None:
    """With everything that was recorded before."""
    journal.record(submit(7), START, 0)
    assert journal.state("halted") is None
    journal.set_state("halted", "by hand")
    assert len(stored(path)) == 1
    with JournalReader(path) as reader:
        assert reader.state("halted") == "by hand"
        assert reader.state("other") is None
    journal.set_state("halted", "")
    journal.close()
    with open_journal(path, clock) as again:
        assert again.state("halted") == ""


# ── events, orders, fills ───────────────────────────────────────────────────────────────────────


def test_the_tables_follow_the_inputs(journal: Journal, clock: ManualClock) -> None:
    """After a flush; history flushes by itself."""
    keeping = Keeping(journal, clock)
    keeping.take_all(filled_order(7))
    kinds = [line.kind for line in journal.history(order_id=7)]
    assert kinds[0] == "OrderSubmitted"
    assert {"ExecutionReceived", "CommissionReported", "OrderFilled"} <= set(kinds)
    assert [line.seq for line in journal.history()] == list(range(1, keeping.seq + 1))
    assert journal.history(key="key-7") == journal.history(order_id=7) == journal.history(symbol="AAPL")
    assert journal.history(limit=2) == journal.history()[-2:]
    with JournalReader(journal.path) as reader:
        (order,) = reader.orders()
        (fill,) = reader.fills()
    record = keeping.book.order(7)
    assert (order.status, order.filled_quantity, order.avg_fill_price) == (
        "FILLED",
        record.filled_quantity,
        record.avg_fill_price,
    )
    assert (fill.exec_id, fill.commission, fill.order_id) == (
        record.fills[0].exec_id,
        record.fills[0].commission,
        7,
    )


def test_events_of_no_order_are_kept_too(journal: Journal) -> None:
    """Connectivity is part of the story."""
    journal.note_event(BrokerMessage(at=START, seq=5, request_id=-1, code=1100, message="lost"))
    (line,) = journal.history()
    assert (line.kind, line.order_id, line.details["code"]) == ("BrokerMessage", None, 1100)
    assert "lost" in str(line)


def test_the_newest_event_is_known_at_the_next_start(path: Path, clock: ManualClock) -> None:
    """So that a replay can write those that a crash took."""
    with open_journal(path, clock) as journal:
        assert journal.events_through == 0
        journal.note_event(BrokerMessage(at=START, seq=5, request_id=-1, code=1100, message="lost"))
    with open_journal(path, clock) as journal:
        assert journal.events_through == 5


def test_a_replay_fills_in_the_tables(path: Path, clock: ManualClock) -> None:
    """What a crash took from them comes back with note_orders, and doing it twice changes nothing."""
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        keeping.take_all(filled_order(7))
        journal.commit()
        journal.abandon()  # as if the process had died before the tables were written
    with open_journal(path, clock) as journal:
        assert JournalReader(path).orders() == ()
        for _ in range(2):
            journal.note_orders(keeping.book.orders())
            journal.flush()
        reader = JournalReader(path)
        assert [order.status for order in reader.orders()] == ["FILLED"]
        assert len(reader.fills()) == 1
        reader.close()


def test_no_event_is_written_before_its_input(
    journal: Journal, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a crash would leave the tables ahead of the book, and its event numbers would come twice."""
    check = journal._store.check_files
    told = 0

    def meet() -> None:
        nonlocal told
        told += 1  # as another thread does while the file is being written, each time
        journal.record(submit(told), START, told - 1)
        journal.note_event(BrokerMessage(at=START, seq=told, request_id=-1, code=1, message=""))
        check()
        with JournalReader(path) as reader:
            seqs = [line.seq for line in reader.history()]
            assert seqs == list(range(1, len(seqs) + 1))
            assert len(list(reader.inputs())) >= len(seqs)

    with monkeypatch.context() as patch:
        patch.setattr(journal._store, "check_files", meet)
        meet()
        journal.flush()
        journal.flush()
    journal.abandon()
    with JournalReader(path) as reader:
        assert reader.history()
        assert len(list(reader.inputs())) >= len(reader.history())


# ── the writer thread ───────────────────────────────────────────────────────────────────────────


def test_the_writer_commits_without_being_asked(path: Path, clock: ManualClock) -> None:
    """Inputs and events, soon after they were recorded."""
    with open_journal(path, clock, start_writer=True, batch_s=0.001) as journal:
        journal.record(submit(7), START, 0)
        journal.note_event(BrokerMessage(at=START, seq=1, request_id=-1, code=1100, message=""))
        with JournalReader(path) as reader:
            wait = threading.Event()
            for _ in range(1_000):
                if reader.history():
                    break
                wait.wait(0.01)
            assert len(reader.history()) == 1
            assert len(list(reader.inputs())) == 1


def test_closing_writes_what_is_queued(path: Path, clock: ManualClock) -> None:
    """With and without the thread; closing again does nothing."""
    for start_writer in (True, False):
        journal = open_journal(path, clock, start_writer=start_writer, batch_s=60.0)
        journal.record(submit(7), START, 0)
        journal.close()
        journal.close()
    assert len(stored(path)) == 2


def test_a_closed_journal_refuses_to_commit(journal: Journal) -> None:
    """What is recorded after the end would be lost in silence."""
    journal.close()
    journal.record(submit(7), START, 0)
    with pytest.raises(JournalFailed, match="closed"):
        journal.commit()
    assert not journal.flush()


def test_an_abandoned_journal_is_as_a_killed_process_left_it(path: Path, clock: ManualClock) -> None:
    """What was committed is there, what was queued is gone, the end of the run is not noted."""
    for start_writer in (False, True):
        journal = open_journal(path, clock, start_writer=start_writer, batch_s=60.0)
        journal.record(submit(7), START, 0)
        journal.commit()
        journal.record(Cancel(7), START, 0)
        journal.abandon()
        journal.abandon()
        journal.close()
    assert [entry.payload for entry in stored(path)] == [submit(7), submit(7)]
    with JournalReader(path) as reader:
        assert reader.query("SELECT closed_at FROM runs") == [(None,), (None,)]


def _commit_in_child(journal: Journal, answer: Any) -> None:
    journal.record(submit(8), START, 0)
    try:
        journal.commit()
    except JournalFailed as error:
        answer.put(str(error))
    else:
        answer.put("committed")


def test_a_forked_child_must_not_write(journal: Journal, path: Path) -> None:
    """Two processes on one SQLite connection destroy the file."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    context = multiprocessing.get_context("fork")
    answer: Any = context.SimpleQueue()
    child = context.Process(target=_commit_in_child, args=(journal, answer))
    child.start()
    assert "forked" in answer.get()
    child.join()
    journal.commit()
    assert stored(path) == []


def test_a_journal_that_could_not_be_set_up_lets_go(
    path: Path, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No lock and no open file stay behind."""

    def fail(*_: object) -> None:
        raise RuntimeError("no")

    with monkeypatch.context() as patch:
        patch.setattr("ibkr_core.journal.journal.Intake", fail)
        with pytest.raises(RuntimeError):
            open_journal(path, clock)
    gc.collect()  # an unclosed connection would warn
    open_journal(path, clock).close()


def test_a_reader_elsewhere_does_not_hold_up_the_writer(journal: Journal, path: Path) -> None:
    """Even one that keeps a transaction open; and it sees one moment throughout."""
    journal.record(submit(1), START, 0)
    assert journal.flush()
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN")
    count = "SELECT count(*) FROM inputs"
    assert other.execute(count).fetchone() == (1,)
    for _ in range(3_000):
        journal.record(Disconnect(), START, 0)
        journal.commit()
    assert journal.flush()
    assert other.execute(count).fetchone() == (1,)
    other.execute("COMMIT")
    assert other.execute(count).fetchone() == (3_001,)
    other.close()


def test_the_log_is_carried_over_now_and_then(path: Path, clock: ManualClock) -> None:
    """It does not grow with the journal."""
    with open_journal(path, clock) as journal:
        for _ in range(6):
            for _ in range(1_500):
                journal.record(Frame(187, b"x" * 200), START, 0, status())
                journal.commit()
            journal.flush()
        log = path.with_name(f"{path.name}-wal").stat().st_size
        assert log < 9_000 * 2 * 4096 / 2


def test_a_value_that_nobody_foresaw_stops_nothing(
    journal: Journal, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """An event whose row cannot be made is logged and left out; the inputs are safe."""

    class Odd(BrokerMessage):
        @property
        def code(self) -> int:  # type: ignore[override]
            raise RuntimeError("odd")

        @code.setter
        def code(self, value: int) -> None: ...

    odd = object.__new__(Odd)
    for name, value in {"at": START, "seq": 1, "request_id": 1, "message": ""}.items():
        object.__setattr__(odd, name, value)
    journal.note_event(odd)
    journal.note_event(BrokerMessage(at=START, seq=2, request_id=-1, code=1, message=""))
    journal.record(submit(7), START, 0)
    assert journal.flush()
    assert [line.seq for line in journal.history()] == [2]
    assert "no row can be made" in caplog.text


def test_moments_of_other_zones_are_kept_in_utc(journal: Journal, path: Path) -> None:
    """A clock may have a zone of its own."""
    journal.record(Disconnect(), datetime(2026, 11, 21, 15, tzinfo=UTC).astimezone(), 0)
    journal.commit()
    assert stored(path)[0].at == datetime(2026, 11, 21, 15, tzinfo=UTC)


def test_every_kind_of_input_can_be_recorded(journal: Journal, path: Path) -> None:
    """With ids and texts that SQLite itself cannot hold."""
    odd = [
        inputs.Cancel(2**70),
        ErrorFact(request_id=-(2**70), code=1, message="\ud800"),
        NewOrder(2**64, "\udc00key", None, None),
    ]
    payloads = [odd[0], odd[1], Submit((odd[2],)), inputs.Adopt(2**70, None)]  # type: ignore[list-item]
    for payload in payloads:
        journal.record(payload, START, 0)  # type: ignore[arg-type]
    journal.commit()
    assert [entry.payload for entry in stored(path)] == payloads
    assert journal.knows_key("\udc00key") == 2**64


def test_the_process_id_of_the_run_is_kept(journal: Journal) -> None:
    """People want to know which process it was."""
    with JournalReader(journal.path) as reader:
        assert reader.query("SELECT pid, closed_at FROM runs") == [(os.getpid(), None)]
