"""Inputs, events, orders and fills as rows."""

from __future__ import annotations

import sqlite3
import typing
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.journal import rows, schema
from ibkr_core.journal.retention import _WITH_SEVERAL
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.inputs import Command
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord
from tests.journal.making import CLIENT_ID, START, status, submit


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(made, {})
    yield made
    made.close()


def record(order_id: int = 7, **fields: Any) -> OrderRecord:
    given_fields: dict[str, Any] = {"client_id": CLIENT_ID, "key": f"key-{order_id}"} | fields
    return OrderRecord(order_id=order_id, **given_fields)


# ── inputs ──────────────────────────────────────────────────────────────────────────────────────


def test_every_input_says_what_it_is_about() -> None:
    """All kinds have their way; only a lost connection is about nobody."""
    kinds = {*typing.get_args(Command), *typing.get_args(BrokerFact)}
    assert kinds == set(rows._IDENTITIES) - {type(None)}
    for kind in typing.get_args(Command):
        names = {one.name for one in attrs.fields(kind)}
        ids = {name for name in names if name.endswith(("order_id", "order_ids", "perm_id"))} | names & {
            "orders"
        }
        assert bool(ids) == (kind is not inputs.Disconnect), kind
        assert (ids not in ({"order_id"}, {"perm_id"}, set())) == (kind.__name__ in _WITH_SEVERAL), kind


@pytest.mark.parametrize("column", range(8))
def test_a_changed_row_is_noticed(column: int) -> None:
    """Whichever column of those that make the entry, but for the run and the event number."""
    row = list(rows.input_row(5, 1, submit(7), START, 3, None)[:8])
    assert rows.entry_from(row).payload == submit(7)
    row[column] = {
        0: 6,
        1: 2,
        2: "2026-11-21T14:30:00.000002Z",
        3: 4,
        4: "Track",
        5: 187,
        6: row[6].replace("190.25", "190.26"),
        7: row[7] ^ 1,
    }[column]
    if column in (1, 3):
        rows.entry_from(row)
    else:
        with pytest.raises(ValueError, match="checksum"):
            rows.entry_from(row)


def test_odd_values_do_not_stop_the_others(connection: sqlite3.Connection) -> None:
    """An id beyond 64 bits and half a character are written as text, and the other rows as they are."""
    insert = "INSERT INTO keys VALUES (?, ?, ?)"
    connection.execute("BEGIN")
    rows.insert_all(connection, insert, [("a", 1, ""), ("\ud800", 2**70, ""), ("b", 2, "")])
    rows.insert_all(connection, insert, [])
    connection.execute("COMMIT")
    found = dict(connection.execute("SELECT key, order_id FROM keys").fetchall())
    assert {key: rows.number_from(value) for key, value in found.items()} == {
        "a": 1,
        "b": 2,
        "\\ud800": 2**70,
    }


@given(st.integers())
def test_an_id_of_any_size_comes_back(number: int) -> None:
    """As a number, or as text that SQLite cannot take for one."""
    [stored] = rows.clean((number,))
    if isinstance(stored, str):
        with pytest.raises(ValueError, match="invalid literal"):
            int(stored)
    assert rows.number_from(stored) == number


FILL = Fill(exec_id="a.b.c.01", quantity=Decimal(5), price=Decimal("1.50"), time=START)


# ── which row ───────────────────────────────────────────────────────────────────────────────────


def row_in(order_rows: rows.OrderRows, one: OrderRecord) -> int:
    order_rows.prepare([one])
    return order_rows.row_of(one)


def written(connection: sqlite3.Connection, *records: OrderRecord) -> list[int]:
    """Write orders, each as the next run of an engine would, and return their rows."""
    ids = []
    for one in records:
        row = row_in(rows.OrderRows(connection), one)
        connection.execute(rows.UPSERT_ORDER, rows.order_row(row, one, "2026"))
        ids.append(row)
    return ids


HISTORIES: dict[str, tuple[list[OrderRecord], list[int]]] = {
    "an order learns its permId": ([record(7), record(7, perm_id=5)], [1, 1]),
    "a foreign order by permId": (
        [
            record(0, perm_id=5, key="", is_ours=False, client_id=None),
            record(3, perm_id=5, key="", is_ours=False),
        ],
        [1, 1],
    ),
    "an order learns its client": ([record(7, client_id=None, key=""), record(7, key="")], [1, 1]),
    "sent again under a new id": (
        [record(7, perm_id=5), record(9, key="key-7"), record(9, key="key-7", perm_id=6)],
        [1, 1, 1],
    ),
    "two live orders of one key": ([record(7, perm_id=5), record(8, key="key-7", perm_id=6)], [1, 2]),
    "an id of another client": ([record(7, key="a"), record(7, client_id=2, key="", is_ours=False)], [1, 2]),
    "an id that came back": ([record(7, key="a", perm_id=5), record(7, key="b")], [1, 2]),
    "another's label is no key": (
        [record(7, key="bot", is_ours=False, client_id=5), record(8, key="bot", is_ours=False, client_id=5)],
        [1, 2],
    ),
    "manual orders without an id": (
        [record(0, perm_id=5, key="", client_id=0), record(0, perm_id=6, key="", client_id=0)],
        [1, 2],
    ),
}


@pytest.mark.parametrize("story", HISTORIES)
@pytest.mark.parametrize("is_one_run", [True, False], ids=["in one run", "over runs"])
def test_an_order_keeps_its_row(connection: sqlite3.Connection, story: str, is_one_run: bool) -> None:
    """And never takes another's."""
    records, expected = HISTORIES[story]
    if is_one_run:
        order_rows = rows.OrderRows(connection)
        assert [row_in(order_rows, one) for one in records] == expected
    else:
        assert written(connection, *records) == expected


def test_rows_are_found_again_when_they_are_not_kept_in_mind(
    connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Millions of orders must not stay in memory for their rows' sake; ids of any size are found too."""
    monkeypatch.setattr(rows, "_ROWS_KNOWN", 2)
    order_rows = rows.OrderRows(connection)
    records = [record(7, perm_id=5), record(2**70, key="\ud800"), record(0, key="", perm_id=2**70)]
    records += [record(8, key="", client_id=None), record(9, key="", is_ours=False, client_id=2)]
    for _ in range(3):
        order_rows.prepare(records)
        ids = [order_rows.row_of(one) for one in records]
        assert ids == [1, 2, 3, 4, 5]
        made = [rows.order_row(row, one, "2026") for row, one in zip(ids, records, strict=True)]
        rows.insert_all(connection, rows.UPSERT_ORDER, made)
        order_rows.prepare([])
        assert not order_rows._held
    assert connection.execute("SELECT count(*) FROM orders").fetchone() == (5,)


@given(st.integers(0, 300), st.integers(1, 70))
def test_many_rows_are_written_by_few_statements(count: int, most: int) -> None:
    """All of them, in their order, however many one statement can take."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    made.execute("CREATE TABLE t (a, b)")
    made.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 2 * most)
    told = [(number, str(number)) for number in range(count)]
    rows.insert_all(made, "INSERT INTO t VALUES (?, ?)", told)
    assert made.execute("SELECT a, b FROM t ORDER BY rowid").fetchall() == told
    made.close()


def test_the_rows_have_a_value_for_every_column(connection: sqlite3.Connection) -> None:
    """The statements and the tables agree."""
    for table, columns in (("orders", rows._ORDER_COLUMNS), ("fills", rows._FILL_COLUMNS)):
        found = connection.execute("SELECT name FROM pragma_table_info(?)", (table,)).fetchall()
        assert [name for (name,) in found] == list(columns)
    assert len(rows.order_row(1, record(), "2026")) == len(rows._ORDER_COLUMNS)
    assert len(rows.fill_row(FILL, None, None, "2026", "2026")) == len(rows._FILL_COLUMNS)
    assert rows.INSERT_INPUT.count("?") == len(rows.input_row(1, 1, status(), START, 0, None))


def test_when_an_order_was_first_seen_does_not_change(connection: sqlite3.Connection) -> None:
    """Everything else does."""
    for at, word in (("2026-01-01", "a"), ("2026-01-02", "b")):
        connection.execute(rows.UPSERT_ORDER, rows.order_row(1, record(broker_status=word), at))
    found = connection.execute("SELECT first_seen_at, updated_at, broker_status FROM orders").fetchall()
    assert found == [("2026-01-01", "2026-01-02", "b")]


def test_an_execution_has_one_row_over_its_revisions(connection: sqlite3.Connection) -> None:
    """The newest stands, with its commission when it is known."""
    newer = attrs.evolve(
        FILL, exec_id="a.b.c.02", revision=2, price=Decimal("1.60"), commission=Decimal("0.35")
    )
    for fill, at in ((FILL, "2026-01-01"), (newer, "2026-01-02")):
        connection.execute(rows.UPSERT_FILL, rows.fill_row(fill, record(), 1, at, at))
    found = connection.execute("SELECT exec, exec_id, revision, price, commission, first_seen_at FROM fills")
    assert found.fetchall() == [("a.b.c", "a.b.c.02", 2, "1.60", "0.35", "2026-01-01")]
