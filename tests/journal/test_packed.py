"""Checkpoints in the file: there wholly or not at all, and never a reason not to start."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_core.clock import SystemClock
from ibkr_core.engine import Engine
from ibkr_core.errors import JournalFailed
from ibkr_core.journal import Journal
from ibkr_core.journal.packed import Damaged, PackedOrders
from ibkr_core.journal.retention import drained
from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import keep_fresh, load_checkpoint, make_checkpoint, take_fresh
from ibkr_core.model.facts import CommissionFact
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation.rebuilding import compare_with_journal
from tests.journal.making import CLIENT_ID, START, Keeping, ManualClock, filled_order, open_journal, submit
from tests.lifecycle.test_packing import pack_all

SETTINGS = EngineSettings()


def book_of(journal: Journal, orders: int = 3) -> Book:
    """Return a recorded book of some packed orders and one that works."""
    book = Book(CLIENT_ID, codec=CODEC)
    keep_fresh(book, is_wanted=True)
    keeping = Keeping(journal, ManualClock(), book)
    for order_id in range(1, orders + 1):
        keeping.take_all(filled_order(order_id))
    keeping.take_all([submit(50), CommissionFact("never.came", Decimal("1.0"), "USD")])
    pack_all(book)
    journal.flush()
    return book


def finish(journal: Journal, book: Book) -> None:
    """Make a checkpoint."""
    journal.packed.finish(make_checkpoint(book), journal.recorded, book.index.archive.shared)


def loaded(journal: Journal) -> Book:
    """Load the checkpoint."""
    begun = journal.packed.read()
    assert begun is not None
    book = Book(CLIENT_ID, codec=CODEC)
    load_checkpoint(book, begun.orders, begun.things, begun.state)
    return book


def test_a_checkpoint_comes_back(tmp_path: Path) -> None:
    """Orders, executions, sums, reports without an execution, numbers."""
    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        finish(journal, book)
        number = journal.recorded
    with open_journal(tmp_path / "j") as journal:
        again = loaded(journal)
        assert journal.packed.number == number
        assert again.orders() == book.orders()
        assert again.moved() == book.moved()
        assert again.fillings.state == book.fillings.state
        assert (again.seq, again.highest_order_id()) == (book.seq, book.highest_order_id())


def test_what_is_staged_counts_with_the_next_checkpoint_and_not_before(tmp_path: Path) -> None:
    """A program that is killed in between starts from the checkpoint before."""
    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        finish(journal, book)
        before = book.orders()
        keeping = Keeping(journal, ManualClock(), book)
        keeping.take_all([*filled_order(60), CommissionFact("0000003c.00000001.01.01", Decimal(9), "USD")])
        keeping.take_all([CommissionFact("00000001.00000001.01.01", Decimal(9), "USD")])  # wakes an old one
        pack_all(book)
        journal.packed.stage(take_fresh(book, 100), book.index.archive.shared)
        journal.packed.clean()
    with open_journal(tmp_path / "j") as journal:
        assert loaded(journal).orders() == before
        rows = journal.query("SELECT count(*), count(DISTINCT row) FROM packed_orders")
        assert rows == [(4, 4)]  # what came to nothing is gone


def test_older_text_of_an_order_goes(tmp_path: Path) -> None:
    """Once the checkpoint counts that has the newer one."""
    most_of_one = "SELECT max(n) FROM (SELECT count(*) AS n FROM packed_orders GROUP BY row)"
    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        finish(journal, book)
        Keeping(journal, ManualClock(), book).take_all(
            [CommissionFact("00000001.00000001.01.01", Decimal(9), "USD")]
        )
        pack_all(book)
        journal.packed.stage(take_fresh(book, 100), book.index.archive.shared)
        finish(journal, book)
        assert journal.query(most_of_one) == [(2,)]
        while journal.packed.clean():
            pass
        assert journal.query(most_of_one) == [(1,)]
        assert loaded(journal).orders() == book.orders()


def test_there_is_none_at_first(tmp_path: Path) -> None:
    """Nor in a file that an earlier version made."""
    with open_journal(tmp_path / "j") as journal:
        assert journal.packed.read() is None


def test_another_version_replays_all(tmp_path: Path) -> None:
    """What it makes of the inputs may be better."""
    with open_journal(tmp_path / "j") as journal:
        finish(journal, book_of(journal))
        journal.write(lambda connection: connection.execute("UPDATE packed_state SET version = '0'"))  # type: ignore[arg-type,return-value]
        assert PackedOrders(journal).read() is None


SPOILT: list[tuple[str, ...]] = [
    ("UPDATE packed_orders SET body = zeroblob(50) WHERE row = 2",),
    ("UPDATE packed_orders SET names = replace(names, '900001', '900009') WHERE row = 1",),
    ("UPDATE packed_orders SET row = 77 WHERE row = 1",),
    ("UPDATE packed_terms SET body = body || 'x' WHERE place = 1",),
    ("DELETE FROM packed_terms WHERE place = 0",),
    ("UPDATE packed_state SET number = number - 1",),
    ("UPDATE packed_state SET body = replace(body, '\"seq\":', '\"seq\":1')",),
]


@pytest.mark.parametrize("spoil", SPOILT)
def test_damage_is_found(tmp_path: Path, spoil: tuple[str, ...]) -> None:
    """By checksums."""
    with open_journal(tmp_path / "j") as journal:
        finish(journal, book_of(journal))
        journal.write(lambda connection: [connection.execute(one) for one in spoil] and None)
        with pytest.raises(Damaged):
            loaded(journal)


@pytest.mark.parametrize("spoil", [*SPOILT, ("DELETE FROM packed_orders WHERE row = 1",)])
def test_an_engine_starts_all_the_same(
    tmp_path: Path, spoil: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """From the first input, with a warning; and the next start has a good checkpoint again."""
    path = tmp_path / "j"
    with open_journal(path, SystemClock()) as journal:  # type: ignore[arg-type]  # the engine's clock
        finish(journal, book_of(journal))
    with sqlite3.connect(path) as connection:
        for one in spoil:
            connection.execute(one)
    connection.close()
    with caplog.at_level(logging.WARNING):
        engine = Engine(CLIENT_ID, journal=path)
    orders = engine.orders()
    engine.close()
    assert "its checkpoint is of no use" in caplog.text
    assert len(orders) == 4
    assert compare_with_journal(path, engine.orders(), client_id=CLIENT_ID, settings=SETTINGS) == ()
    caplog.clear()
    again = Engine(CLIENT_ID, journal=path)
    assert "no use" not in caplog.text
    assert again.journal is not None
    assert again.journal.packed.number > 0
    assert [order.fills for order in again.orders()] == [order.fills for order in orders]
    again.close()


def test_what_retention_drops_leaves_the_checkpoint_too(tmp_path: Path) -> None:
    """With what its fills have moved, and with what is to be remembered of it; and it does not come back."""
    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        finish(journal, book)
        gone = {key: fill.quantity for fill in book.fills_at(1) for key in [(fill.account, fill.con_id)]}
        journal.packed.forget((1,), gone, {"positions": "some"})
        assert journal.state("positions") == "some"
        for _ in range(2):
            again = loaded(journal)
            assert again.orders() == book.orders()[1:]
            assert [total for _, total in again.moved().values()] == [Decimal(200)]
            finish(journal, book)


def test_a_failure_leaves_the_last_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the new one counts."""

    def fail(_: Callable[[sqlite3.Connection], None]) -> None:
        raise JournalFailed("j", "the disk is full", "free some")

    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        finish(journal, book)
        number, before = journal.packed.number, book.orders()
        Keeping(journal, ManualClock(START), book).take_all(filled_order(61))
        with monkeypatch.context() as context:
            context.setattr(journal, "write", fail)
            with pytest.raises(JournalFailed):
                finish(journal, book)
            with pytest.raises(JournalFailed):
                journal.packed.forget((1,), {}, {})
        assert journal.packed.number == number
        assert loaded(journal).orders() == before


def test_what_a_failing_disk_left_to_drop_is_dropped_later_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where another checkpoint came in between: its orders have the text of the one before."""

    def fail(_: Callable[[sqlite3.Connection], None]) -> None:
        raise JournalFailed("j", "the disk is full", "free some")

    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        finish(journal, book)
        Keeping(journal, ManualClock(), book).take_all(
            [CommissionFact("00000001.00000001.01.01", Decimal(9), "USD")]
        )
        pack_all(book)
        finish(journal, book)
        with monkeypatch.context() as context:
            context.setattr(journal, "write", fail)
            with pytest.raises(JournalFailed):
                journal.packed.clean()
        finish(journal, book)
        while journal.packed.clean():
            pass
        assert loaded(journal).orders() == book.orders()


def test_older_text_that_the_last_run_left_goes_at_the_start(tmp_path: Path) -> None:
    """The last checkpoint of a run is made when nothing is cleaned any more."""
    with open_journal(tmp_path / "j") as journal:
        book = book_of(journal)
        for _ in range(3):
            finish(journal, book)
    with open_journal(tmp_path / "j") as journal:
        assert loaded(journal).orders() == book.orders()
        assert journal.query("SELECT count(*), count(DISTINCT row) FROM packed_orders") == [(4, 4)]
        assert loaded(journal).orders() == book.orders()


def test_a_checkpoint_older_than_what_retention_drops_counts_no_more(tmp_path: Path) -> None:
    """In a quiet month an order can end, and be let go, behind the last checkpoint.

    It would come back as one that works, and its fills be subtracted from sums that never had them.
    """
    clock = ManualClock()
    with open_journal(tmp_path / "j", clock) as journal:
        keeping = Keeping(journal, clock, Book(CLIENT_ID, codec=CODEC))
        keep_fresh(keeping.book, is_wanted=True)
        first, *others = filled_order(1)
        keeping.take(first)
        finish(journal, keeping.book)
        keeping.take_all(others)
        clock.advance(40 * 86_400)
        keeping.take_all(filled_order(2))
        fills, orders = keeping.book.fills_at(1), [*enumerate(keeping.book.orders(), 1)]
        pruned = drained(journal.pruning(clock.now(), orders))
        assert pruned.rows == (1,)
        gone = {(fill.account, fill.con_id): fill.quantity for fill in fills}
        journal.packed.forget(pruned.rows, gone, {})
        assert PackedOrders(journal).read() is None  # all that is left is replayed
        finish(journal, keeping.book)
        again = loaded(journal)
        assert again.orders() == keeping.book.orders()[1:]
        assert [total for _, total in again.moved().values()] == [Decimal(100)]
