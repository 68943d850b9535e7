"""Tables, views, and files of earlier versions."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest

from ibkr_core.journal import schema


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(made, {"client_id": "1"})
    yield made
    made.close()


def names(connection: sqlite3.Connection, kind: str) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = ?", (kind,))}


def columns(connection: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in connection.execute(f"PRAGMA table_info({table})")]


def test_a_new_file_says_what_it_is(connection: sqlite3.Connection) -> None:
    """Its application id and its version are in the header."""
    assert connection.execute("PRAGMA application_id").fetchone() == (schema.APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    assert connection.execute("SELECT * FROM meta").fetchall() == [("client_id", "1")]
    assert schema.APPLICATION_ID.to_bytes(4, "big") == b"IBKJ"


def test_every_view_can_be_read(connection: sqlite3.Connection) -> None:
    """A view is only checked when it is used."""
    views = names(connection, "view")
    assert {"today_orders", "today_fills", "open_orders", "orders_by_symbol", "orders_by_key"} <= views
    for view in views:
        assert connection.execute(f"SELECT * FROM {view}").fetchall() == []  # noqa: S608 - our own names


def test_making_it_is_one_transaction() -> None:
    """Where it fails, the file is as empty as before."""
    made = sqlite3.connect(":memory:", isolation_level=None)
    with pytest.raises(sqlite3.Error):
        schema.create(made, {"twice": "1", None: "2"})  # type: ignore[dict-item]  # makes the last step fail
    made.execute("ROLLBACK")
    assert names(made, "table") == set()
    made.close()


def test_there_is_a_migration_from_every_earlier_version() -> None:
    """A file of any version can be opened for ever."""
    assert set(schema.MIGRATIONS) == set(range(1, schema.VERSION))


def test_a_file_of_version_1_gets_what_later_versions_have() -> None:
    """The same columns in the same order, with what was in it, and the older rows say nothing new."""
    fresh, old = (sqlite3.connect(":memory:", isolation_level=None) for _ in range(2))
    schema.create(fresh, {})
    schema.create(old, {})
    wanted = {table: columns(fresh, table) for table in names(fresh, "table")}
    old.execute("ALTER TABLE orders DROP COLUMN multiplier")
    old.execute("ALTER TABLE fills DROP COLUMN is_allocation")
    old.execute("DROP TABLE tail")
    for table in ("packed_orders", "packed_terms", "packed_state"):
        old.execute(f"DROP TABLE {table}")
    old.execute("PRAGMA user_version = 1")
    marks = ", ".join("1" for _ in columns(old, "fills"))
    old.execute(f"INSERT INTO fills VALUES ({marks})")  # noqa: S608 - our own marks
    schema.migrate(old, 1)
    assert {table: columns(old, table) for table in names(old, "table")} == wanted
    assert old.execute("SELECT exec, is_allocation FROM fills").fetchall() == [("1", 0)]
    assert old.execute("SELECT * FROM fills_by_symbol").fetchall()
    fresh.close()
    old.close()


def test_migrations_run_in_order(connection: sqlite3.Connection) -> None:
    """Each from its version to the next, and the version is noted."""
    connection.execute("PRAGMA user_version = 1")
    schema.migrate(
        connection,
        1,
        wanted=3,
        migrations={
            1: lambda c: schema.run_script(c, "CREATE TABLE a (x);\nINSERT INTO a VALUES (1);"),
            2: lambda c: schema.run_script(c, "INSERT INTO a SELECT x + 1 FROM a;"),
        },
    )
    assert connection.execute("SELECT x FROM a ORDER BY x").fetchall() == [(1,), (2,)]
    assert connection.execute("PRAGMA user_version").fetchone() == (3,)


def test_a_migration_that_fails_changes_nothing(connection: sqlite3.Connection) -> None:
    """Neither the tables nor the version: the older ibkr_core can still use the file."""
    connection.execute("PRAGMA user_version = 1")
    with pytest.raises(sqlite3.Error):
        schema.migrate(
            connection,
            1,
            wanted=3,
            migrations={
                1: lambda c: schema.run_script(c, "CREATE TABLE a (x);"),
                2: lambda c: schema.run_script(c, "INSERT INTO nothing VALUES (1);"),
            },
        )
    assert "a" not in names(connection, "table")
    assert connection.execute("PRAGMA user_version").fetchone() == (1,)
    assert not connection.in_transaction


def test_a_missing_migration_is_refused(connection: sqlite3.Connection) -> None:
    """Nothing is guessed."""
    with pytest.raises(KeyError):
        schema.migrate(connection, 1, wanted=2, migrations={})
    assert not connection.in_transaction


def test_a_file_of_this_version_is_left_alone(connection: sqlite3.Connection) -> None:
    """No transaction, no step."""
    schema.migrate(connection, schema.VERSION, migrations={schema.VERSION: pytest.fail})
