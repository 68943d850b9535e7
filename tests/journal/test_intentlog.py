"""The log of intents: durable in one system call, and nothing of it lost, doubled or taken for another's."""

from __future__ import annotations

import os
import shutil
import sqlite3
from datetime import UTC, datetime, timedelta
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import JournalFailed
from ibkr_core.journal import Durability, Frame, Journal, JournalReader, Payload, ahead
from ibkr_core.journal.intentlog import IntentLog, Left, log_path, read_log, record_of
from ibkr_core.journal.tail import Recorded
from ibkr_core.lifecycle.inputs import Cancel, Resend
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

MADE_AT = "2026-11-21T14:30:00.000001Z"
RUNS = ("2026-11-21T14:30:00.000002Z/7", "2026-11-21T14:31:00.000000Z/8")


def log_of(path: Path) -> Path:
    return Path(log_path(str(path)))


def payloads(path: Path) -> list[Payload]:
    with JournalReader(path) as reader:
        return [entry.payload for entry in reader.inputs()]


def rows_in(path: Path, table: str) -> int:
    with JournalReader(path) as reader:
        return int(reader.query(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - our own names


# ── records ─────────────────────────────────────────────────────────────────────────────────────────

NUMBERS = st.none() | st.integers(0, 2**63 - 1)
TEXTS = st.none() | st.text(max_size=20)
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001 - hypothesis adds the zone
ROWS = st.tuples(
    st.binary(max_size=60),
    MOMENTS,
    st.integers(0, 2**40),
    st.sampled_from(("Submit", "Sent", "StatusFact", "frame")),
    NUMBERS,
    NUMBERS,
    NUMBERS,
    TEXTS,
    TEXTS,
)


@given(st.lists(ROWS, max_size=6), st.integers(0, 2**31))
def test_what_is_appended_is_read(rows: list[tuple[object, ...]], mark: int) -> None:
    """Any bytes, any text, any moment."""
    flat: list[Recorded] = [(number, *row, 0) for number, row in enumerate(rows, 5)]
    with memory_folder() as folder:
        journal = f"{folder}/j"
        log = IntentLog(journal, MADE_AT, RUNS, 3)
        for one in flat:
            log.append(record_of(one, mark))
        log.close()
        left = read_log(journal, MADE_AT)
        assert left is not None
        assert (left.epoch, left.names, left.inputs, left.is_whole) == (3, RUNS, flat, True)
        assert left.high_water == (mark if flat else 0)
        assert read_log(journal, "another moment") is None
        if flat:
            assert left.beyond(4) == flat
            assert left.beyond(5) == flat[1:]
            assert left.beyond(3) == []  # one is missing in between
            assert left.reaches(3)
        assert not left.reaches(4 + len(flat))


@pytest.fixture
def written(path: Path) -> tuple[Path, list[Payload]]:
    """A journal that was killed: an order in the file itself, and four inputs in the log."""
    with open_journal(path) as journal:
        keeping = Keeping(journal, ManualClock())
        keeping.take_all(filled_order(1))
        assert journal.flush()
        for one in (submit(9, key="nine"), status(order_id=9), Frame(187, b"x\n" * 40), Cancel(9)):
            journal.record(one, START, 0, status(order_id=9) if isinstance(one, Frame) else None)
            journal.commit()
        journal.abandon()
    return path, [
        *filled_order(1),
        submit(9, key="nine"),
        status(order_id=9),
        Frame(187, b"x\n" * 40),
        Cancel(9),
    ]


def copied(path: Path, folder: Path) -> Path:
    folder.mkdir()
    for source in (path, log_of(path)):  # what was abandoned has no -wal
        shutil.copy(source, folder)
    return folder / path.name


def test_a_log_that_was_cut_anywhere_gives_what_is_whole(
    written: tuple[Path, list[Payload]], tmp_path: Path
) -> None:
    """A commit that never returned leaves a part of a record, or nothing."""
    path, told = written
    data = log_of(path).read_bytes()
    before = 0
    for length in range(0, len(data) + 1, 7):
        place = copied(path, tmp_path / f"cut{length}")
        log_of(place).write_bytes(data[:length])
        count = len(payloads(place))
        assert payloads(place) == told[:count]
        assert before <= count
        before = count
        with open_journal(place) as journal:
            assert journal.recorded == journal.committed == journal.filed == count
            assert [entry.payload for entry in journal.entries()] == told[:count]
            assert journal.knows_key("nine") == (9 if count > len(told) - 4 else None)
    assert before == len(told) - 1  # the last step was short of the end
    assert payloads(path) == told


def test_a_damaged_log_is_never_taken_for_something_else(
    written: tuple[Path, list[Payload]], tmp_path: Path
) -> None:
    """Wherever a bit flips: what stands before it counts, and what comes after does not."""
    path, told = written
    data = log_of(path).read_bytes()
    place = copied(path, tmp_path / "copy")
    for at in range(0, len(data), 3):
        log_of(place).write_bytes(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :])
        found = payloads(place)
        assert found == told[: len(found)]
        assert len(found) < len(told)


# ── in the life of a journal ────────────────────────────────────────────────────────────────────────


def test_a_commit_is_there_for_all_and_reaches_the_file_later(path: Path, clock: ManualClock) -> None:
    """Readers of other processes see it at once; a turn of the writer brings it on, many to a row."""
    with open_journal(path, clock) as journal:
        for number in range(1, 21):
            index = journal.record(submit(number, key=f"k{number}"), START, 0)
            journal.commit()
            assert journal.committed == index
        assert (journal.filed, rows_in(path, "tail"), rows_in(path, "inputs")) == (0, 0, 0)
        with JournalReader(path) as reader:
            assert [entry.index for entry in reader.inputs()] == list(range(1, 21))
            assert reader.order_id_of("k20") == 20
            assert reader.check().is_sound
            assert reader.check().inputs == 20
        assert journal.knows_key("k20") == 20
        assert journal.high_water == 20
        with mock.patch.object(journal, "_settle", return_value=None):
            assert journal.work()
        assert (journal.filed, rows_in(path, "tail")) == (20, 1)
        assert journal.flush()
        assert rows_in(path, "inputs") == 20
        assert log_of(path).exists()
        index = journal.record(Resend(20, 21, 1, ""), START, 0)
        journal.commit()
        assert journal.knows_key("k20") == 21
    assert not log_of(path).exists()
    assert len(payloads(path)) == 21


def test_after_a_kill_the_log_is_brought_in_and_begun_anew(written: tuple[Path, list[Payload]]) -> None:
    """Once: a second kill right then doubles nothing."""
    path, told = written
    held = log_of(path).read_bytes()
    with open_journal(path) as journal:
        assert [entry.payload for entry in journal.entries()] == told
        assert journal.high_water == 9
        assert len(log_of(path).read_bytes().splitlines()) == 1
        journal.abandon()
    log_of(path).write_bytes(held)  # as if it had been killed before that
    with open_journal(path) as journal:
        assert [entry.payload for entry in journal.entries()] == told
        assert journal.check().is_sound


@pytest.mark.parametrize("is_closed", [False, True])
def test_what_leaves_the_log_while_it_is_read_is_not_missed(path: Path, *, is_closed: bool) -> None:
    """A reader finds nothing in the file, and then nothing in the log any more."""
    journal = open_journal(path)
    journal.record(submit(1), START, 0)
    journal.commit()
    with JournalReader(path) as reader:
        look = reader._left

        def too_late() -> Left | None:
            if is_closed:
                journal.close()
            else:
                assert journal.flush()
                journal._log._log.clear()  # type: ignore[union-attr]  # there is one
            return look()

        with mock.patch.object(reader, "_left", too_late):
            assert [entry.payload for entry in reader.inputs()] == [submit(1)]
    journal.close()


def test_the_log_is_read_once_for_all_the_rows_of_the_file(path: Path) -> None:
    """Retention goes through a million of them while the engine runs."""
    with open_journal(path) as journal:
        for _ in range(3_000):
            journal.record(Cancel(1), START, 0)
        assert journal.flush()
        with JournalReader(path) as reader, mock.patch.object(reader, "_left", wraps=reader._left) as looked:
            assert sum(1 for _ in reader.identities()) == 3_000
            assert looked.call_count == 1


def test_executions_in_the_log_are_known(path: Path, clock: ManualClock) -> None:
    """By a reader, for whom an execution must not be new."""
    with open_journal(path, clock) as journal:
        journal.record(execution(), START, 0)
        journal.commit()
        with JournalReader(path) as reader:
            assert reader.execution_ids() == {execution().exec_id}
        assert journal.flush()


def test_an_older_copy_is_not_mixed_with_a_newer_log(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Inputs are missing in between; the log is kept under another name."""
    with open_journal(path) as journal:
        assert journal.flush()
    shutil.copy(path, tmp_path / "older")
    with open_journal(path) as journal:
        journal.record(submit(1), START, 0)
        assert journal.flush()
        journal._log.shorten()
        with mock.patch.object(ahead, "_LARGEST", 0):
            journal.record(submit(2), START, 0)
            assert journal.flush()
        journal.record(submit(3), START, 0)
        journal.commit()
        journal.abandon()
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    shutil.copy(tmp_path / "older", path)
    assert payloads(path) == []
    with open_journal(path) as journal:
        assert journal.recorded == 0
    assert "was not used" in caplog.text
    assert Path(f"{log_of(path)}.unused").exists()


def test_a_log_of_which_only_a_part_fits_is_kept(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What the writer had put into the file itself an older copy lacks; what lies behind is evidence."""
    with open_journal(path) as journal:
        journal.record(submit(1), START, 0)
    shutil.copy(path, tmp_path / "older")
    journal = open_journal(path)
    journal.record(submit(2), START, 0)
    journal.commit()
    journal.record(Cancel(1), START, 0)
    assert journal.flush()
    journal.record(submit(4), START, 0)
    journal.commit()
    journal.abandon()
    held = log_of(path).read_bytes()
    shutil.copy(tmp_path / "older", path)
    assert payloads(path) == [submit(1), submit(2)]
    open_journal(path).close()
    assert payloads(path) == [submit(1), submit(2)]
    assert Path(f"{log_of(path)}.unused").read_bytes() == held
    assert "was not used" in caplog.text


def test_a_log_that_is_damaged_in_the_middle_is_kept(written: tuple[Path, list[Payload]]) -> None:
    """Orders that were sent may stand behind it."""
    path, told = written
    held = bytearray(log_of(path).read_bytes())
    held[-5] ^= 0x10
    log_of(path).write_bytes(held)
    open_journal(path).close()
    assert payloads(path) == told[:-1]
    assert Path(f"{log_of(path)}.unused").read_bytes() == held


def test_no_log_that_was_kept_is_written_over(path: Path) -> None:
    """Whoever sorts it out may need both; nor does nonsense in one keep the engine from its start."""
    open_journal(path).close()
    with JournalReader(path) as reader:
        made_at = reader.query("SELECT value FROM meta WHERE name = 'created_at'")[0][0]
    head = b"[" * 5_000
    deep = f"ibkr_core intents 1 {made_at} 1\n".encode() + b"%d %d %b\n" % (1, len(head), head)
    for held in (b"one", b"two", deep):
        log_of(path).write_bytes(held)
        open_journal(path).close()
    kept = [Path(f"{log_of(path)}.unused{number}").read_bytes() for number in ("", 2, 3)]
    assert kept == [b"one", b"two", deep]


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_it_is_as_open_as_the_journal(path: Path) -> None:
    """Who may read the one reads the other, and nobody else: it holds orders."""
    open_journal(path).close()
    for mode in (0o600, 0o640, 0o644):
        path.chmod(mode)
        with open_journal(path):
            assert log_of(path).stat().st_mode & 0o777 == mode


def test_a_log_of_an_earlier_run_than_the_newest_input_is_not_used(path: Path, tmp_path: Path) -> None:
    """An older version, say, which knows of no log, has given the same numbers to others meanwhile."""
    journal = open_journal(path)
    for number in (1, 2, 3):
        journal.record(submit(number), START, 0)
        journal.commit()
    journal.abandon()
    log_of(path).rename(tmp_path / "log")
    journal = open_journal(path)
    journal.record(submit(70), START, 0)
    assert journal.flush()
    journal.abandon()
    (tmp_path / "log").rename(log_of(path))
    assert payloads(path) == [submit(70)]
    with open_journal(path) as journal:
        assert [entry.payload for entry in journal.entries()] == [submit(70)]
    assert Path(f"{log_of(path)}.unused").exists()


def killed(path: Path, *order_ids: int, second: int) -> None:
    """Live through a run that begins at a second, commits orders to the log alone, and is killed."""
    journal = open_journal(path, ManualClock(START + timedelta(seconds=second)))
    for order_id in order_ids:
        journal.record(submit(order_id), START, 0)
        journal.commit()
    journal.abandon()


def copy_of(path: Path, folder: Path) -> Path:
    folder.mkdir()
    return Path(shutil.copy(path, folder))


@pytest.mark.parametrize("runs_between", [0, 1])
def test_two_histories_of_one_backup_are_not_mixed(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, runs_between: int
) -> None:
    """Same name, same number of the run, as many inputs; and the log of one lies beside the other."""
    with open_journal(path) as journal:
        journal.record(submit(1), START, 0)
    other = copy_of(path, tmp_path / "other")
    for number in range(runs_between):
        for place, order_id in ((path, 10), (other, 12)):
            clock = ManualClock(START + timedelta(seconds=order_id + number))
            with open_journal(place, clock) as journal:
                journal.record(submit(order_id), START, 0)
    told = payloads(other)
    killed(path, 21, 22, second=50)
    if not runs_between:
        killed(other, second=60)
    shutil.copy(log_of(path), log_of(other))
    held = log_of(other).read_bytes()
    assert payloads(other) == told
    with open_journal(other) as journal:
        assert [entry.payload for entry in journal.entries()] == told
        assert journal.high_water == 22
    assert Path(f"{log_of(other)}.unused").read_bytes() == held
    assert "no order id up to 22, its highest, will be used again" in caplog.text
    with open_journal(path) as journal:  # its own file still takes it
        assert [entry.payload for entry in journal.entries()][-2:] == [submit(21), submit(22)]


def test_a_start_that_fails_does_not_take_the_log_from_the_file(path: Path, tmp_path: Path) -> None:
    """After a power cut the file may lack the run that wrote it; a start with a full disk has its number."""
    with open_journal(path) as journal:
        journal.record(submit(1), START, 0)
    before = tmp_path / "before"
    shutil.copy(path, before)
    journal = open_journal(path, ManualClock(START + timedelta(seconds=5)))
    journal.record(submit(2), START, 0)
    journal.commit()
    journal.abandon()
    shutil.copy(before, path)
    for ending in ("-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    full = sqlite3.OperationalError("database or disk is full")
    with mock.patch.object(ahead, "_insert", side_effect=full), pytest.raises(JournalFailed):
        open_journal(path, ManualClock(START + timedelta(seconds=9)))
    with open_journal(path, ManualClock(START + timedelta(seconds=20))) as journal:
        assert [entry.payload for entry in journal.entries()] == [submit(1), submit(2)]
    assert not [*path.parent.glob("*unused*")]


def test_a_log_of_the_format_before_is_read(path: Path) -> None:
    """It names no run: an update after a kill must not cost the last intents."""
    killed(path, 1, 2, second=1)
    first, _, rest = log_of(path).read_bytes().partition(b"\n")
    _, _, _, made_at, before, name, epoch = first.split(b" ")
    assert (before, epoch) == (b"-", b"1")
    assert name == b"2026-11-21T14:30:01.000001Z/%d" % os.getpid()
    log_of(path).write_bytes(b"ibkr_core intents 1 %b %b\n" % (made_at, epoch) + rest)
    assert payloads(path) == [submit(1), submit(2)]
    with open_journal(path) as journal:
        assert [entry.payload for entry in journal.entries()] == [submit(1), submit(2)]
    assert not Path(f"{log_of(path)}.unused").exists()


@pytest.mark.parametrize(
    ("found", "mark"),
    [
        (b"ibkr_core intents 9 of a later version\n%b", 33),
        (b"%b", 33),
        (b"no log at all\nnor\n\nthis %b\n", 33),
        (b"no log at all %.0b", 0),
        (b"0 1 [\n%b12", 33),
    ],
)
def test_no_order_id_of_a_log_that_is_laid_aside_is_used_again(path: Path, found: bytes, mark: int) -> None:
    """Whosever it is, wherever it is damaged: each record that is whole counts, and no other."""
    inputs: list[Recorded] = [
        (number, b"{}\n", START, 0, "Cancel", None, number, None, None, None, 0) for number in (31, 32, 33)
    ]
    records = [record_of(one, one[0]) for one in inputs]
    records[1] = records[1].replace(b",32]", b",99]")  # its checksum does not fit
    records.append(record_of(inputs[0], 2**40))  # no order id
    with open_journal(path) as journal:
        journal.record(submit(7), START, 0)
    log_of(path).write_bytes(found % b"".join(records))
    with open_journal(path) as journal:
        assert journal.high_water == max(7, mark)
        assert [entry.payload for entry in journal.entries()] == [submit(7)]
        journal.record(submit(8), START, 0)  # what comes later does not lower it
    with open_journal(path) as journal:
        assert journal.high_water == max(8, mark)


def test_what_a_killed_run_left_in_the_file_does_not_lower_the_mark(path: Path) -> None:
    """Its segments know only of their own ids; they move on at the start, behind the log."""
    with mock.patch("ibkr_core.journal.journal.Journal.flush"):
        journal = open_journal(path, intent_log=False)
        journal.record(submit(7), START, 0)
        journal.commit()
        journal.abandon()
    assert rows_in(path, "tail") == 1
    odd: Recorded = (31, b"{}", START, 0, "Cancel", None, 31, None, None, None, 0)
    log_of(path).write_bytes(b"odd\n" + record_of(odd, 31))
    with open_journal(path) as journal:
        assert (journal.high_water, journal.recorded) == (31, 1)


def test_a_log_of_another_journal_is_not_used(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The file was removed, and a new one made in its place; a log without anything in it is no news."""
    with open_journal(path) as journal:
        journal.record(submit(1), START, 0)
        journal.commit()
        journal.abandon()
    for ending in ("", "-wal", "-shm"):
        Path(f"{path}{ending}").unlink(missing_ok=True)
    with open_journal(path, ManualClock(START + timedelta(seconds=1))) as journal:
        assert (journal.recorded, journal.high_water) == (0, 1)  # the same client may have sent it
    assert "was not used" in caplog.text
    caplog.clear()
    log_of(path).touch()
    open_journal(path, ManualClock(START + timedelta(seconds=1))).close()
    assert not caplog.text


def test_what_is_committed_while_it_is_closed_is_not_lost_with_the_log(path: Path) -> None:
    """Between the last turn and the end: the commit has returned, and the order has left."""
    journal = open_journal(path)
    settle = journal._settle

    def then_commit(*given: object) -> object:
        error = settle(*given)  # type: ignore[arg-type]  # as it comes
        journal.record(submit(1), START, 0)
        journal.commit()
        return error

    with mock.patch.object(journal, "_settle", then_commit):
        journal.close()
    assert payloads(path) == [submit(1)]
    assert not log_of(path).exists()


def test_what_was_durable_stays_so(path: Path) -> None:
    """Also for who commits while another thread is about to queue the next input."""
    with open_journal(path) as journal:
        journal.record(submit(1), START, 0)
        assert journal.flush()
        journal.commit(2)
        assert journal.committed == 1


def test_it_is_begun_anew_when_it_is_large(path: Path, clock: ManualClock) -> None:
    """Once the file has all of it."""
    with mock.patch.object(ahead, "_LARGEST", 2_000), open_journal(path, clock) as journal:
        for number in range(1, 200):
            journal.record(submit(number), START, 0)
            journal.commit()
            if number % 10 == 0:
                assert journal.work()
            assert log_of(path).stat().st_size < 20_000
        assert journal.flush()
        assert rows_in(path, "inputs") == 199


@pytest.mark.parametrize("durability", list(Durability))
def test_who_wants_every_commit_in_the_file_has_it(
    path: Path, clock: ManualClock, durability: Durability
) -> None:
    """By option, and where a commit shall survive a power cut."""
    is_power = durability is Durability.POWER
    with open_journal(path, clock, durability=durability, intent_log=is_power) as journal:
        journal.record(submit(1), START, 0)
        journal.commit()
        assert journal.filed == 1
        assert not log_of(path).exists()


def test_one_that_such_a_run_finds_is_brought_in(written: tuple[Path, list[Payload]]) -> None:
    """Whoever opens the file next."""
    path, told = written
    with open_journal(path, durability=Durability.POWER) as journal:
        assert journal.filed == len(told)
        journal.record(submit(10), START, 0)
        journal.commit()
    assert payloads(path) == [*told, submit(10)]


# ── where it cannot be written ──────────────────────────────────────────────────────────────────────


def does_without(journal: Journal, caplog: pytest.LogCaptureFixture, told: list[Payload]) -> None:
    """Show that commits go into the file from now on, and that this is told once."""
    for number in (50, 51):
        told.append(submit(number))
        journal.record(told[-1], START, 0)
        journal.commit()
        assert journal.filed == journal.committed == len(told)
    assert journal.failure is None
    assert caplog.text.count("no log of intents") == 1
    assert payloads(Path(journal.path)) == told
    journal.close()
    assert payloads(Path(journal.path)) == told


def test_a_log_that_was_removed_is_done_without(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody would find there what is written into a file without a name."""
    journal = open_journal(path)
    journal.record(submit(1), START, 0)
    journal.commit()
    log_of(path).unlink()
    does_without(journal, caplog, [submit(1)])


def test_a_log_that_was_cut_is_done_without(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Made as long as it was it would have zeros where records were, and nobody reads on behind them."""
    journal = open_journal(path)
    journal.record(submit(1), START, 0)
    journal.commit()
    os.truncate(log_of(path), 20)
    does_without(journal, caplog, [submit(1)])


def test_a_log_that_was_moved_is_done_without(
    path: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The writer's next turn sees it."""
    journal = open_journal(path)
    log_of(path).rename(tmp_path / "elsewhere")
    journal.record(submit(1), START, 0)
    assert journal.flush()
    does_without(journal, caplog, [submit(1)])


def test_an_odd_id_makes_no_record_that_cannot_be_read(path: Path) -> None:
    """Everything behind it would be lost."""
    journal = open_journal(path)
    for command in (Cancel(True), Cancel(2**70), submit(2)):
        journal.record(command, START, 0)
        journal.commit()
    journal.abandon()
    with open_journal(path) as journal:
        assert [entry.index for entry in journal.entries()] == [1, 2, 3]


def test_a_log_that_cannot_be_made_is_done_without(path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """It is a short cut, and nothing depends on it."""
    with mock.patch("ibkr_core.journal.ahead.IntentLog", side_effect=OSError("no")):
        journal = open_journal(path)
    does_without(journal, caplog, [])


@pytest.mark.parametrize("fault", ["short", "refused"])
def test_a_write_that_fails_leaves_no_part_of_a_record(
    path: Path, caplog: pytest.LogCaptureFixture, fault: str
) -> None:
    """What stands behind it would never be read."""
    journal = open_journal(path)
    told: list[Payload] = [submit(1)]
    journal.record(told[0], START, 0)
    journal.commit()
    size = log_of(path).stat().st_size
    write = os.write

    def write_some(file: int, data: bytes) -> int:
        if fault == "short":
            return write(file, data[: len(data) // 2])
        raise OSError(28, "No space left on device")

    told.append(Cancel(1))
    journal.record(told[-1], START, 0)
    with mock.patch("ibkr_core.journal.intentlog.os.write", write_some):
        journal.commit()
    assert log_of(path).stat().st_size == size
    does_without(journal, caplog, told)


def test_an_interrupt_after_a_record_was_written_doubles_nothing(path: Path) -> None:
    """The next commit writes it again, in the place of what nobody counts on."""
    journal = open_journal(path)
    write = os.write

    def interrupted(file: int, data: bytes) -> int:
        write(file, data)
        raise KeyboardInterrupt

    journal.record(submit(1), START, 0)
    with mock.patch("ibkr_core.journal.intentlog.os.write", interrupted), pytest.raises(KeyboardInterrupt):
        journal.commit()
    assert journal.committed == 0
    journal.record(Cancel(1), START, 0)
    journal.commit()
    left = read_log(journal.path, journal.query("SELECT value FROM meta WHERE name = 'created_at'")[0][0])
    assert left is not None
    assert [flat[0] for flat in left.inputs] == [1, 2]
    journal.abandon()
    with open_journal(path) as journal:
        assert [entry.payload for entry in journal.entries()] == [submit(1), Cancel(1)]


def test_what_cannot_be_encoded_is_told_by_the_file(path: Path) -> None:
    """A fault of ours costs no input that came before it, and is not silent."""
    journal = open_journal(path)
    journal.record(submit(1), START, 0)
    journal.record(object(), START, 0)  # type: ignore[arg-type]  # that is the point
    with pytest.raises(Exception, match="writing failed"):
        journal.commit()
    assert journal.failure is not None
    journal.abandon()
    assert payloads(path) in ([], [submit(1)])


def test_intents_are_durable_while_another_program_locks_the_file(path: Path, clock: ManualClock) -> None:
    """Until the writer's next turn finds out and says so; what was committed is not lost by it."""
    with open_journal(path, clock) as journal:
        journal._store.connection.execute("PRAGMA busy_timeout = 1")
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        journal.record(submit(1), START, 0)
        journal.commit()
        assert not journal.work()
        assert journal.failure is not None
        assert payloads(path) == [submit(1)]
        other.execute("ROLLBACK")
        other.close()
        clock.advance(10)
        assert journal.flush()
        assert journal.failure is None


def test_numbers_that_only_the_log_has_are_no_past_of_a_pruned_file(path: Path, clock: ManualClock) -> None:
    """Retention notes the newest number; one that is in the log alone must still come in after a kill."""
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        keeping.take_all(filled_order(1))
        clock.advance(86_400 * 60)
        steps = journal.pruning(clock.now(), enumerate(keeping.book.orders()))
        next(steps)
        journal.record(submit(9), START, 0)
        journal.commit()
        for _ in steps:
            pass
        journal.abandon()
    with open_journal(path, clock) as journal:
        assert submit(9) in [entry.payload for entry in journal.entries()]
