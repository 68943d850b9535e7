"""Rows on their way: made once, kept until the file has them, one per order and batch."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from decimal import Decimal

import attrs
import pytest

from ibkr_core.journal import schema
from ibkr_core.journal.writing import Batch
from ibkr_core.lifecycle.inputs import Cancel
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from tests.journal.making import CLIENT_ID, START, submit


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(made, {"high_water": "0"})
    yield made
    made.close()


@pytest.fixture
def batch(connection: sqlite3.Connection) -> Batch:
    return Batch(connection, CLIENT_ID, 1, 0)


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


def write(connection: sqlite3.Connection, batch: Batch, *, succeeds: bool = True) -> None:
    for work in (batch.write_inputs, batch.write_tables):
        connection.execute("BEGIN")
        forget = work(connection)
        connection.execute("COMMIT" if succeeds else "ROLLBACK")
        if succeeds:
            forget()


def test_an_order_is_written_once_a_batch_as_it_stands_at_the_end(
    connection: sqlite3.Connection, batch: Batch
) -> None:
    """Its events are all written, its row only in the newest form, whatever it learned on the way."""
    told = [
        record(OrderStatus.PENDING_SUBMIT),
        record(OrderStatus.SUBMITTED, 5),
        record(OrderStatus.PARTIALLY_FILLED, 5),
        record(OrderStatus.FILLED, 5),
    ]
    for seq, one in enumerate(told, 1):
        batch.add_event(changed(one, seq))
    written: list[str] = []
    connection.set_trace_callback(written.append)
    write(connection, batch)
    connection.set_trace_callback(None)
    assert sum(statement.startswith("INSERT INTO orders") for statement in written) == 1
    assert connection.execute("SELECT id, perm_id, status FROM orders").fetchall() == [(1, 5, "FILLED")]
    assert connection.execute("SELECT seq FROM events").fetchall() == [(1,), (2,), (3,), (4,)]


def test_the_newest_picture_wins_also_where_an_identity_comes_back(
    connection: sqlite3.Connection, batch: Batch
) -> None:
    """An order that is sent again loses its permId for a while, and is told of in between."""
    for seq, one in enumerate((record(OrderStatus.SUBMITTED), record(OrderStatus.SUBMITTED, 5)), 1):
        batch.add_event(changed(one, seq))
    batch.add_event(changed(record(OrderStatus.REJECTED), 3))
    write(connection, batch)
    assert connection.execute("SELECT id, status FROM orders").fetchall() == [(1, "REJECTED")]


def test_what_was_not_written_stays(connection: sqlite3.Connection, batch: Batch) -> None:
    """A transaction that is rolled back leaves the rows where they were; they are then written once."""
    batch.add_input(1, submit(9), START, 0, None)
    batch.add_event(changed(record(OrderStatus.SUBMITTED), 1))
    for succeeds in (False, True, True):
        write(connection, batch, succeeds=succeeds)
    counts = {
        table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]  # noqa: S608 - our own tables
        for table in ("inputs", "keys", "events", "orders")
    }
    assert counts == dict.fromkeys(counts, 1)
    assert connection.execute("SELECT value FROM meta WHERE name = 'high_water'").fetchone() == ("9",)
    assert not batch.has_inputs
    assert not batch._keys


def test_inputs_that_come_during_a_transaction_are_not_forgotten(
    connection: sqlite3.Connection, batch: Batch
) -> None:
    """Only what was in it goes."""
    batch.add_input(1, Cancel(1), START, 0, None)
    connection.execute("BEGIN")
    forget = batch.write_inputs(connection)
    batch.add_input(2, Cancel(2), START, 0, None)
    connection.execute("COMMIT")
    forget()
    assert (batch.input_count, batch.through) == (1, 2)


def test_an_execution_of_nobody_has_a_row_too(connection: sqlite3.Connection, batch: Batch) -> None:
    """It moved a position, and belongs to no order (TWS facts 3)."""
    fill = Fill(exec_id="a.b.c.01", quantity=Decimal(5), price=Decimal("1.50"), symbol="SPY")
    batch.add_event(events.UnattributedExecution(at=START, seq=1, fill=fill))
    write(connection, batch)
    found = connection.execute("SELECT order_row, symbol, quantity FROM fills").fetchall()
    assert found == [(None, "SPY", "5")]


def test_legs_of_a_combo_are_told_from_its_own_executions(
    connection: sqlite3.Connection, batch: Batch
) -> None:
    """Also those that were taken for the order's own until the combo was known."""
    own, leg = (
        Fill(exec_id=f"{name}.b.c.01", quantity=Decimal(1), price=Decimal("1.50")) for name in ("own", "leg")
    )
    before = record(OrderStatus.SUBMITTED, 5, fills=(leg,))
    batch.add_event(events.ExecutionReceived(at=START, seq=1, record=before, fill=leg))
    write(connection, batch)
    legs = (attrs.evolve(leg, is_leg=True),)
    after = record(OrderStatus.SUBMITTED, 5, fills=(own,), leg_fills=legs)
    batch.add_event(events.ExecutionReceived(at=START, seq=2, record=after, fill=own))
    write(connection, batch)
    found = connection.execute("SELECT exec, is_leg FROM fills ORDER BY exec").fetchall()
    assert found == [("leg.b.c", 1), ("own.b.c", 0)]
