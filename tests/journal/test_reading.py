"""Reading a journal: by other processes while it is written, with plain SQL, without the right to write."""

from __future__ import annotations

import re
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_core.errors import JournalCorrupt, JournalFailed, JournalForeign, JournalTooNew
from ibkr_core.journal import Journal, JournalReader
from ibkr_core.lifecycle.inputs import Disconnect
from tests.journal.making import (
    START,
    Keeping,
    ManualClock,
    commission,
    execution,
    filled_order,
    open_journal,
    status,
    submit,
)

LONG_AGO = datetime(2020, 2, 29, 14, 30, tzinfo=UTC)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(LONG_AGO)


@pytest.fixture
def journal(path: Path, clock: ManualClock) -> Iterator[Journal]:
    """A journal with four orders, one second between all that happens."""
    with open_journal(path, clock) as made:
        keeping = Keeping(made, clock)
        for inputs in (
            filled_order(1),
            [submit(2, symbol="MSFT"), status(order_id=2)],
            [submit(3), status("Submitted", 3, 40, 60), execution(3, 40), commission(3)],
            [submit(4), status("Cancelled", 4)],
        ):
            keeping.take_all(inputs, step_s=1.0)
        made.flush()
        yield made


@pytest.fixture
def reader(journal: Journal) -> Iterator[JournalReader]:
    with JournalReader(journal.path) as made:
        yield made


# ── orders, fills, events ───────────────────────────────────────────────────────────────────────


def test_orders_are_found_by_what_people_ask(reader: JournalReader) -> None:
    """By symbol, by key, by state, by time; the newest when there are too many, oldest first."""
    assert [order.order_id for order in reader.orders()] == [1, 2, 3, 4]
    assert [order.order_id for order in reader.orders(symbol="AAPL")] == [1, 3, 4]
    assert [order.order_id for order in reader.orders(key="key-2")] == [2]
    assert [order.order_id for order in reader.orders(is_open=True)] == [2, 3]
    assert [order.order_id for order in reader.orders(is_open=False, symbol="AAPL")] == [1, 4]
    assert [order.order_id for order in reader.orders(limit=2)] == [3, 4]
    assert [order.order_id for order in reader.orders(since=LONG_AGO + timedelta(seconds=7))] == [3, 4]
    assert reader.orders(symbol="NONE") == ()


def test_an_order_line_has_exact_values(reader: JournalReader) -> None:
    """Decimals and moments, not texts."""
    [order] = reader.orders(key="key-3")
    assert (order.status, order.filled_quantity, order.remaining_quantity) == (
        "PARTIALLY_FILLED",
        Decimal(40),
        Decimal(60),
    )
    assert (order.limit_price, order.avg_fill_price, order.aux_price) == (
        Decimal("190.25"),
        Decimal("190.2"),
        None,
    )
    assert order.is_ours is True
    assert order.is_finished is False
    assert order.first_seen_at == LONG_AGO + timedelta(seconds=7)
    assert order.finished_at is None


def test_fills_are_found_by_what_people_ask(reader: JournalReader) -> None:
    """By symbol, key, order and time."""
    assert [fill.order_id for fill in reader.fills()] == [1, 3]
    assert [fill.order_id for fill in reader.fills(key="key-3")] == [3]
    assert [fill.order_id for fill in reader.fills(order_id=1)] == [1]
    assert [fill.order_id for fill in reader.fills(symbol="AAPL", limit=1)] == [3]
    assert [fill.order_id for fill in reader.fills(since=LONG_AGO + timedelta(seconds=5))] == [3]
    [fill] = reader.fills(order_id=3)
    assert (fill.quantity, fill.price, fill.commission) == (Decimal(40), Decimal("190.20"), Decimal("1.05"))
    assert fill.executed_at == datetime(2026, 11, 21, 14, 30, tzinfo=UTC)


def test_events_are_found_by_what_people_ask(reader: JournalReader) -> None:
    """By order, key, symbol and time; details as plain values."""
    assert {line.order_id for line in reader.history(order_id=3)} == {3}
    assert reader.history(key="key-3") == reader.history(order_id=3)
    assert {line.symbol for line in reader.history(symbol="MSFT")} == {"MSFT"}
    wanted = {"OrderFilled", "OrderSubmitted"}
    assert {line.kind for line in reader.history(kinds=wanted)} == wanted
    assert reader.history(kinds=()) == ()
    since, until = LONG_AGO + timedelta(seconds=5), LONG_AGO + timedelta(seconds=7)
    assert {line.order_id for line in reader.history(since=since, until=until)} == {2}
    received = next(line for line in reader.history(order_id=3) if line.kind == "ExecutionReceived")
    assert received.details["fill"]["price"] == "190.20"
    assert reader.events(limit=1) == reader.history()[-1:]


def test_views_answer_with_plain_sql(reader: JournalReader) -> None:
    """For the sqlite3 shell and for any language; the test's orders are not of today, the open ones count."""
    assert reader.query("SELECT order_id FROM open_orders") == [(2,), (3,)]
    assert reader.query("SELECT order_id FROM today_orders") == [(2,), (3,)]
    assert reader.query("SELECT symbol, order_id FROM orders_by_symbol") == [
        ("AAPL", 1),
        ("AAPL", 3),
        ("AAPL", 4),
        ("MSFT", 2),
    ]
    assert [row[0] for row in reader.query("SELECT key FROM orders_by_key")] == [
        f"key-{n}" for n in (1, 2, 3, 4)
    ]
    assert reader.query("SELECT key, quantity, price FROM fills_by_key WHERE key = ?", "key-3") == [
        ("key-3", "40", "190.20")
    ]
    assert len(reader.query("SELECT * FROM fills_by_symbol")) == 2


def test_what_is_told_today_is_in_the_views_of_today(path: Path) -> None:
    """Today is the day in UTC."""
    clock = ManualClock(datetime.now(UTC))
    with open_journal(path, clock) as journal:
        Keeping(journal, clock).take_all(filled_order(1))
        journal.flush()
        with JournalReader(path) as reader:
            [(today,)] = reader.query("SELECT strftime('%Y-%m-%d', 'now')")
            if today == f"{clock.now():%Y-%m-%d}":  # not over midnight
                assert reader.query("SELECT order_id FROM today_orders") == [(1,)]
                assert len(reader.query("SELECT * FROM today_fills")) == 1
                assert len(reader.query("SELECT * FROM today_events")) > 4


def test_bad_sql_is_the_askers_fault(reader: JournalReader) -> None:
    """And writing is refused."""
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        reader.query("SELECT * FROM nowhere")
    with pytest.raises(Exception, match="readonly"):
        reader.query("DELETE FROM orders")
    assert len(reader.orders()) == 4


# ── other processes ─────────────────────────────────────────────────────────────────────────────

_READ = """
import sys
from ibkr_core.journal import JournalReader
reader = JournalReader(sys.argv[1])
for line in sys.stdin:
    print(sum(1 for _ in reader.inputs()), len(reader.orders()), reader.check().is_sound, flush=True)
"""


def test_another_process_reads_while_the_engine_writes(path: Path, clock: ManualClock) -> None:
    """It sees everything that is committed, at once, over checkpoints and restarts of the engine."""
    journal = open_journal(path, clock)
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _READ, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        keeping = Keeping(journal, clock)
        for number in range(1, 6):
            keeping.take_all(filled_order(number))
            for _ in range(500):
                journal.record(Disconnect(), clock.now(), 0)
                journal.commit()
            journal.flush()
            if number == 3:
                journal.close()
                journal = keeping.journal = open_journal(path, clock)
            other.stdin.write("go\n")
            assert other.stdout.readline() == f"{number * 505} {number} True\n"
        other.stdin.close()
    journal.close()


_READ_AS_NOBODY = """
import os, sys
from ibkr_core.journal import JournalReader
if os.getuid() == 0:
    os.setgid(65534), os.setuid(65534)
with JournalReader(sys.argv[1]) as reader:
    print(sum(1 for _ in reader.inputs()))
"""


@pytest.mark.parametrize("is_open", [True, False], ids=["open", "closed"])
def test_who_may_only_read_can_read(is_open: bool) -> None:
    """A monitor of another user, in a folder where it may make nothing, while the engine runs or not."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        journal = open_journal(path)
        journal.record(Disconnect(), START, 0)
        journal.commit()
        if not is_open:
            journal.close()
        Path(folder).chmod(0o755)
        for file in Path(folder).iterdir():
            file.chmod(0o644)
        read = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", _READ_AS_NOBODY, path], capture_output=True, text=True, check=False
        )
        assert (read.stdout, read.stderr) == ("1\n", "")
        journal.close()


def test_the_sqlite_shell_of_python_can_read_it(journal: Journal) -> None:
    """Nothing but SQLite is needed."""
    other = sqlite3.connect(f"{Path(journal.path).as_uri()}?mode=ro", uri=True)
    assert other.execute("SELECT count(*) FROM orders").fetchone() == (4,)
    other.close()


# ── refusals, checks ────────────────────────────────────────────────────────────────────────────


def test_a_missing_file_is_told(path: Path) -> None:
    """Nothing is made."""
    with pytest.raises(JournalFailed, match="no such file"):
        JournalReader(path)
    assert not path.exists()


def test_a_file_of_somebody_else_is_told(path: Path) -> None:
    """As an engine would."""
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE precious (x)")
    other.close()
    with pytest.raises(JournalForeign):
        JournalReader(path)


def test_a_newer_or_damaged_file_is_told(journal: Journal, path: Path) -> None:
    """As an engine would."""
    journal.close()
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA user_version = 99")
    raw.close()
    with pytest.raises(JournalTooNew):
        JournalReader(path)
    path.write_bytes(b"rubbish" * 1_000)
    with pytest.raises(JournalCorrupt):
        JournalReader(path)


def test_a_sound_journal_is_reported_so(reader: JournalReader) -> None:
    """With what it holds."""
    report = reader.check()
    assert report.is_sound
    assert report.problems == ()
    assert (report.inputs, report.orders, report.fills) == (13, 4, 2)
    assert report.events == len(reader.history())
    assert report.size > Path(reader.path).stat().st_size


def test_every_kind_of_damage_is_reported(journal: Journal, path: Path) -> None:
    """A flipped bit in an input, a fill of no order, and pages that are rubbish."""
    journal.close()
    raw = sqlite3.connect(path)
    raw.execute("UPDATE inputs SET body = replace(body, '190.25', '190.26') WHERE number = 1")
    raw.execute("DELETE FROM orders WHERE order_id = 3")
    raw.commit()
    raw.close()
    with JournalReader(path) as reader:
        problems = reader.check().problems
        with pytest.raises(JournalCorrupt, match="input 1 "):
            list(reader.inputs())
        assert len(list(reader.inputs(after=1))) == 12
    assert re.search("input 1 cannot be read", problems[0])
    assert re.search("order that is not there", problems[1])
    raw = sqlite3.connect(path)
    [(page,)] = raw.execute("SELECT rootpage FROM sqlite_master WHERE name = 'inputs'").fetchall()
    raw.close()
    data = bytearray(path.read_bytes())
    data[(page - 1) * 4096 : page * 4096] = b"\xff" * 4096
    path.write_bytes(data)
    with JournalReader(path) as reader:
        assert not reader.check().is_sound
        with pytest.raises(JournalCorrupt):
            list(reader.inputs())


def test_inputs_can_be_read_in_part(reader: JournalReader) -> None:
    """From behind an index, up to one."""
    everything = list(reader.inputs())
    assert list(reader.inputs(after=3, through=6)) == everything[3:6]


def test_closing_twice_does_no_harm(reader: JournalReader) -> None:
    """As everywhere."""
    reader.close()
    reader.close()
