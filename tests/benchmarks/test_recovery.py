"""The measure of restarts: a journal that it keeps is whole, and its look at the book can fail."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
from rich.console import Console

from benchmarks import recovery
from benchmarks.programs import restarting
from benchmarks.terms import FIRST_ID, QUANTITY, terms
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from tests.journal.making import Keeping, ManualClock, filled_order, open_journal

ORDERS = 20
TASK = {"finished": 10, "orders": ORDERS}
PACKED = frozenset(range(1, 16))


class Shelf:
    """Orders by row; the last five are not packed."""

    def __init__(self) -> None:
        self.looked: list[int] = []
        self.orders = {row: self._filled(FIRST_ID + row) for row in range(1, ORDERS + 1)}

    @staticmethod
    def _filled(order_id: int) -> SimpleNamespace:
        its = terms(order_id)
        return SimpleNamespace(
            order_id=order_id,
            perm_id=its.perm_id,
            status=OrderStatus.FILLED,
            filled_quantity=Decimal(QUANTITY),
            commissions={"USD": its.commission},
        )

    def record(self, row: int) -> OrderRecord:
        self.looked.append(row)
        return cast("OrderRecord", self.orders[row])

    def check(self, task: Mapping[str, Any] = TASK) -> int:
        return restarting.check(self, sorted(self.orders), PACKED, task)


def test_a_book_that_is_right_passes_and_what_is_not_filled_is_counted() -> None:
    """Among the last ones, which are not packed."""
    shelf = Shelf()
    assert shelf.check() == 0
    assert shelf.looked == sorted(shelf.orders)
    shelf.orders[17].status = shelf.orders[20].status = OrderStatus.SUBMITTED
    shelf.orders[18].commissions = {}
    assert shelf.check() == 2


@pytest.mark.parametrize(
    ("row", "changes", "words"),
    [
        (5, {"status": OrderStatus.CANCELLED}, "not filled"),
        (12, {"status": OrderStatus.CANCELLED}, "not filled"),
        (5, {"filled_quantity": Decimal(99)}, "wrong"),
        (20, {"filled_quantity": Decimal(99)}, "wrong"),
        (5, {"commissions": {}}, "not paid"),
        (5, {"perm_id": 1}, "another one"),
        (5, {"order_id": FIRST_ID + 4}, "not behind order 105"),
        (19, {"order_id": FIRST_ID + 1}, "not behind order 119"),
    ],
)
def test_each_fault_of_an_order_ends_the_run(row: int, changes: dict[str, Any], words: str) -> None:
    """Packed or not."""
    shelf = Shelf()
    vars(shelf.orders[row]).update(changes)
    with pytest.raises(SystemExit, match=words):
        shelf.check()


def test_an_order_too_few_or_too_many_ends_the_run() -> None:
    """All are counted, however few are looked at."""
    shelf = Shelf()
    with pytest.raises(SystemExit, match="20 orders, not 21"):
        shelf.check({**TASK, "orders": 21})
    del shelf.orders[7]
    with pytest.raises(SystemExit, match="19 orders, not 20"):
        shelf.check()


def test_of_the_packed_ones_others_are_looked_at_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few are enough for one start; those that are not packed are all looked at."""
    monkeypatch.setattr(restarting, "_SAMPLE", 3)
    shelf, seen = Shelf(), set()
    for _ in range(200):
        shelf.looked.clear()
        shelf.check()
        assert set(range(16, 21)) <= set(shelf.looked)
        assert len(shelf.looked) <= 8
        seen.update(shelf.looked)
    assert seen == set(shelf.orders)


# ── the journal that is kept ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def console() -> Console:
    return Console(file=io.StringIO())


def fill(path: Path, count: int) -> None:
    with open_journal(path) as journal:
        keeping = Keeping(journal, ManualClock())
        for order_id in range(1, count + 1):
            keeping.take_all(filled_order(order_id))


def test_a_fill_that_was_interrupted_is_done_again(
    tmp_path: Path, console: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C or a kill in the middle: what it left is never taken for the journal."""
    path = tmp_path / "kept.db"

    def interrupted(_: Console, journal: Path, orders: int) -> None:
        fill(journal, orders // 2)
        raise KeyboardInterrupt

    monkeypatch.setattr(recovery, "fill", interrupted)
    with pytest.raises(KeyboardInterrupt):
        recovery.filled(console, path, 4)
    assert not path.exists()
    monkeypatch.setattr(recovery, "fill", lambda _, journal, orders: fill(journal, orders))
    assert recovery.filled(console, path, 4) == path
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (4,)
    connection.close()
    assert [one.name for one in tmp_path.iterdir()] == ["kept.db"]


@pytest.mark.parametrize("fault", ["fewer", "open", "killed", "unpacked", "none", "no journal"])
def test_a_kept_journal_that_is_not_whole_is_refused(tmp_path: Path, console: Console, fault: str) -> None:
    """Of another size, half-filled by an earlier version, or of a process that was killed: and it stays."""
    path = tmp_path / "kept.db"
    fill(path, 4)
    with sqlite3.connect(path) as connection:
        connection.executescript(
            "INSERT INTO packed_orders (row, generation, names, body, checksum) "
            "SELECT id, 1, '', '', 0 FROM orders;"
        )
    connection.close()
    assert recovery.filled(console, path, 4) == path
    statements = {
        "fewer": "DELETE FROM orders WHERE id = 1",
        "open": "UPDATE orders SET is_finished = 0 WHERE id = 4",
        "killed": "UPDATE runs SET closed_at = NULL",
        "unpacked": "DELETE FROM packed_orders WHERE row = 2",
        "none": "DROP TABLE packed_orders",
    }
    if fault == "no journal":
        path.write_bytes(b"notes")
    else:
        with sqlite3.connect(path) as connection:
            connection.execute(statements[fault])
        connection.close()
    before = path.read_bytes()
    with pytest.raises(SystemExit, match=r"kept\.db (is no journal of 4 finished orders|cannot be used)"):
        recovery.filled(console, path, 4)
    assert path.read_bytes() == before
