"""Rows on their way into the tables: made in slices, and kept until the file has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal

import attrs
import pytest

from ibkr_core.journal import schema
from ibkr_core.journal.noting import note
from ibkr_core.journal.tables import Moved, Tables, write_moved
from ibkr_core.journal.tail import pack
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Disconnect, NewOrder, Resend, Submit
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from tests.journal.making import CLIENT_ID, START, commission, execution, filled_order, status, submit


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(made, {"high_water": "0"})
    yield made
    made.close()


@pytest.fixture
def tables(connection: sqlite3.Connection) -> Tables:
    return Tables(connection, 1)


def record(status: OrderStatus, perm_id: int | None = None, **fields: object) -> OrderRecord:
    made = OrderRecord(
        order_id=7,
        client_id=CLIENT_ID,
        key="k",
        perm_id=perm_id,
        status=status,
        contract=Contract.stock("SPY"),
    )
    return attrs.evolve(made, **fields)


def changed(one: OrderRecord, seq: int) -> events.Event:
    return events.OrderWarning(at=START, seq=seq, record=one, message=None)  # type: ignore[arg-type]  # of no matter here


def nothing() -> None:
    """Make no pause."""


def make(tables: Tables, *, orders: int = 64) -> None:
    """Make the rows of all that waits."""
    while tables.notes:
        tables.make_events(256, nothing)
    while tables.has_orders:
        if not tables.make_fills():
            tables.look(orders, nothing)
            tables.find_rows()
            tables.make_orders(nothing)


def write(connection: sqlite3.Connection, tables: Tables, *, succeeds: bool = True) -> None:
    connection.execute("BEGIN")
    forget = tables.write(connection)
    connection.execute("COMMIT" if succeeds else "ROLLBACK")
    if succeeds:
        forget()


def test_an_order_is_written_once_as_it_stands_at_the_end(
    connection: sqlite3.Connection, tables: Tables
) -> None:
    """Its events are all written, its row only in the newest form, whatever it learned on the way."""
    told = [
        record(OrderStatus.PENDING_SUBMIT),
        record(OrderStatus.SUBMITTED, 5),
        record(OrderStatus.PARTIALLY_FILLED, 5),
        record(OrderStatus.FILLED, 5),
    ]
    for seq, one in enumerate(told, 1):
        tables.notes.append(note(changed(one, seq)))
    written: list[str] = []
    make(tables)
    connection.set_trace_callback(written.append)
    write(connection, tables)
    connection.set_trace_callback(None)
    assert sum(statement.startswith("INSERT INTO orders") for statement in written) == 1
    assert connection.execute("SELECT id, perm_id, status FROM orders").fetchall() == [(1, 5, "FILLED")]
    assert connection.execute("SELECT seq FROM events").fetchall() == [(1,), (2,), (3,), (4,)]
    assert tables.is_empty


def test_the_newest_picture_wins_also_where_an_identity_comes_back(
    connection: sqlite3.Connection, tables: Tables
) -> None:
    """An order that is sent again loses its permId for a while, and is told of in between."""
    for seq, one in enumerate((record(OrderStatus.SUBMITTED), record(OrderStatus.SUBMITTED, 5)), 1):
        tables.notes.append(note(changed(one, seq)))
    tables.notes.append(note(changed(record(OrderStatus.REJECTED), 3)))
    make(tables)
    write(connection, tables)
    assert connection.execute("SELECT id, status FROM orders").fetchall() == [(1, "REJECTED")]


def test_an_order_of_the_book_is_looked_at_when_its_row_is_made(
    connection: sqlite3.Connection, tables: Tables
) -> None:
    """Once for all its events; and its executions tell when they came and when they changed."""
    book, at = Book(CLIENT_ID), START
    for one in (submit(7), status(order_id=7), execution(7), commission(7), status("Filled", 7, 100, 0)):
        at += timedelta(seconds=1)
        for event in book.take(one, at).events:
            tables.notes.append(note(event))
    tables.make_events(256, nothing)
    assert tables.look(64, nothing) == 1
    tables.find_rows()
    tables.make_orders(nothing)
    make(tables)
    write(connection, tables)
    found = connection.execute("SELECT status, filled_quantity, avg_fill_price FROM orders").fetchall()
    assert found == [("FILLED", "100", str(book.order(7).avg_fill_price))]
    [(first, last)] = connection.execute("SELECT first_seen_at, updated_at FROM fills").fetchall()
    assert (first, last) == ("2026-11-21T14:30:03.000001Z", "2026-11-21T14:30:04.000001Z")


def test_what_was_not_written_stays(connection: sqlite3.Connection, tables: Tables) -> None:
    """A transaction that is rolled back leaves the rows where they were; they are then written once."""
    for one in filled_order(7):
        for event in Book(CLIENT_ID).take(one, START).events:
            tables.notes.append(note(event))
    make(tables)
    for succeeds in (False, True, True):
        write(connection, tables, succeeds=succeeds)
    counts = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own tables
        for table in ("events", "orders")
    }
    assert counts["orders"] >= 1
    assert counts["events"] == connection.execute("SELECT count(DISTINCT number) FROM events").fetchone()[0]
    assert tables.is_empty


def test_an_execution_of_nobody_has_a_row_too(connection: sqlite3.Connection, tables: Tables) -> None:
    """It moved a position, and belongs to no order (TWS facts 3)."""
    fill = Fill(exec_id="a.b.c.01", quantity=Decimal(5), price=Decimal("1.50"), symbol="SPY")
    tables.notes.append(note(events.UnattributedExecution(at=START, seq=1, fill=fill)))
    make(tables)
    write(connection, tables)
    found = connection.execute("SELECT order_row, symbol, quantity FROM fills").fetchall()
    assert found == [(None, "SPY", "5")]


def test_legs_of_a_combo_are_told_from_its_own_executions(
    connection: sqlite3.Connection, tables: Tables
) -> None:
    """Also those that were taken for the order's own until the combo was known."""
    own, leg = (
        Fill(exec_id=f"{name}.b.c.01", quantity=Decimal(1), price=Decimal("1.50")) for name in ("own", "leg")
    )
    before = record(OrderStatus.SUBMITTED, 5, fills=(leg,))
    tables.notes.append(note(events.ExecutionReceived(at=START, seq=1, record=before, fill=leg)))
    make(tables)
    write(connection, tables)
    legs = (attrs.evolve(leg, is_leg=True),)
    after = record(OrderStatus.SUBMITTED, 5, fills=(own,), leg_fills=legs)
    tables.notes.append(note(events.ExecutionReceived(at=START, seq=2, record=after, fill=own)))
    make(tables)
    write(connection, tables)
    found = connection.execute("SELECT exec, is_leg FROM fills ORDER BY exec").fetchall()
    assert found == [("leg.b.c", 1), ("own.b.c", 0)]


def test_no_execution_is_written_before_its_order(connection: sqlite3.Connection, tables: Tables) -> None:
    """However small the slices: an execution's row names its order's."""
    book = Book(CLIENT_ID)
    for order_id in range(1, 8):
        for one in filled_order(order_id):
            for event in book.take(one, START).events:
                tables.notes.append(note(event))
    tables.make_events(256, nothing)
    strays = "SELECT count(*) FROM fills WHERE order_row NOT IN (SELECT id FROM orders)"
    while tables.has_orders or tables.ready:
        write(connection, tables)
        assert connection.execute(strays).fetchone() == (0,)
        if not tables.make_fills() and tables.has_orders:
            assert tables.look(2, nothing) <= 2
            tables.find_rows()
            tables.make_orders(nothing)
    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (7,)
    assert connection.execute("SELECT count(*) FROM fills").fetchone() == (7,)


def test_segments_are_replaced_by_rows(connection: sqlite3.Connection) -> None:
    """Inputs, keys and the highest id, in one transaction; what is newer stays."""
    two = Submit((NewOrder(7, "a", Contract.stock("SPY"), None), NewOrder(8, "", None, None)))  # type: ignore[arg-type]
    old = pack(1, [(1, two, START, 0, None), (2, Resend(7, 9, 1, ""), START, 0, None)], 9)
    new = pack(1, [(3, Disconnect(), START, 0, None)], 9)
    for segment in (old, new):
        connection.execute("INSERT INTO tail VALUES (?, ?, ?, ?, ?, ?)", segment.row)
    connection.execute("BEGIN")
    write_moved(connection, Moved.take_apart((old,), nothing))
    connection.execute("COMMIT")
    assert connection.execute("SELECT number, kind FROM inputs").fetchall() == [(1, "Submit"), (2, "Resend")]
    assert connection.execute("SELECT key, order_id FROM keys").fetchall() == [("a", 9)]
    assert connection.execute("SELECT first FROM tail").fetchall() == [(3,)]
    assert connection.execute("SELECT value FROM meta WHERE name = 'high_water'").fetchone() == ("9",)
