"""The journal's tables and views, and how files of earlier versions become files of this one.

``docs/journal.md`` explains each column. Times are ISO-8601 text in UTC with microseconds
(``2026-11-21T14:31:45.123456Z``), so that they sort as text. Money, prices and quantities are exact
decimal text. Truths are 0 and 1.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

from ibkr_core.journal.packed import TABLES as PACKED_TABLES

__all__ = ["APPLICATION_ID", "MIGRATIONS", "VERSION", "create", "migrate"]

APPLICATION_ID: Final = 0x49424B4A
"""``IBKJ``: what makes an SQLite file a journal of ours (PRAGMA application_id)."""

VERSION: Final = 3
"""The schema version that this module makes (PRAGMA user_version)."""

_TABLES: Final = """
CREATE TABLE meta (                       -- one row each: client_id, created_at, high_water
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE runs (                       -- each time that an engine opened the file
    epoch INTEGER PRIMARY KEY,
    started_at TEXT NOT NULL,
    closed_at TEXT,                       -- NULL: it runs, or it was killed
    pid INTEGER NOT NULL,
    version TEXT NOT NULL                 -- of ibkr_core
);

CREATE TABLE state (                      -- small facts of the engine, such as "halted"
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE inputs (                     -- the flight recorder
    number INTEGER PRIMARY KEY,           -- order of application
    epoch INTEGER NOT NULL,
    at TEXT NOT NULL,
    seq INTEGER NOT NULL,                 -- the book's last event number before it
    kind TEXT NOT NULL,                   -- 'Submit', 'Cancel', ..., or the fact's kind
    server_version INTEGER,               -- NULL: body is JSON; else: a frame of the wire
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    order_id INTEGER,                     -- what it is about, as far as it says so itself
    perm_id INTEGER,
    key TEXT,
    exec_id TEXT
);

CREATE TABLE tail (                       -- the newest inputs, many to a row; they move on to the table above
    first INTEGER PRIMARY KEY,            -- number of the first one
    last INTEGER NOT NULL,
    epoch INTEGER NOT NULL,
    head TEXT NOT NULL,                   -- JSON: what their rows will hold beside the bodies
    body BLOB NOT NULL,                   -- the bodies, one behind the other
    checksum INTEGER NOT NULL             -- CRC-32 over all of it
);

CREATE TABLE keys (                       -- every client order key that was ever committed; never pruned
    key TEXT PRIMARY KEY,
    order_id INTEGER NOT NULL,
    at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE orders (                     -- one row per order, as it stood when last written
    id INTEGER PRIMARY KEY,
    order_id INTEGER NOT NULL,
    perm_id INTEGER,
    client_id INTEGER,
    key TEXT NOT NULL,
    is_ours INTEGER NOT NULL,
    account TEXT NOT NULL,
    symbol TEXT NOT NULL,
    sec_type TEXT NOT NULL,
    con_id INTEGER NOT NULL,
    exchange TEXT NOT NULL,
    currency TEXT NOT NULL,
    action TEXT NOT NULL,
    order_type TEXT NOT NULL,
    tif TEXT NOT NULL,
    limit_price TEXT,
    aux_price TEXT,
    status TEXT NOT NULL,
    broker_status TEXT NOT NULL,
    is_finished INTEGER NOT NULL,
    total_quantity TEXT,
    filled_quantity TEXT NOT NULL,
    remaining_quantity TEXT,
    unexplained_quantity TEXT NOT NULL,
    avg_fill_price TEXT,
    commissions TEXT NOT NULL,            -- JSON object: currency to amount
    pending TEXT NOT NULL,                -- JSON array: new, modify, cancel
    reject_code INTEGER,
    reject_message TEXT,
    why_held TEXT NOT NULL,
    parent_id INTEGER NOT NULL,
    oca_group TEXT NOT NULL,
    retry_count INTEGER NOT NULL,
    first_seen_at TEXT NOT NULL,
    submitted_at TEXT,
    sent_at TEXT,
    acknowledged_at TEXT,
    updated_at TEXT NOT NULL,
    finished_at TEXT,
    multiplier TEXT NOT NULL DEFAULT ''   -- of the contract, as the broker has it; since version 2
);
CREATE INDEX orders_by_perm_id ON orders (perm_id) WHERE perm_id IS NOT NULL;
CREATE INDEX orders_by_key_index ON orders (key) WHERE key <> '';
CREATE INDEX orders_by_order_id ON orders (order_id, client_id);
CREATE INDEX orders_by_update ON orders (updated_at);

CREATE TABLE fills (                      -- one row per execution, in its newest revision
    exec TEXT PRIMARY KEY,                -- execution id without its revision
    exec_id TEXT NOT NULL,
    revision INTEGER NOT NULL,
    order_row INTEGER,                    -- orders.id; NULL where it belongs to no order
    order_id INTEGER,
    key TEXT NOT NULL,
    symbol TEXT NOT NULL,
    con_id INTEGER NOT NULL,
    action TEXT NOT NULL,
    quantity TEXT NOT NULL,
    price TEXT NOT NULL,
    executed_at TEXT,
    time_text TEXT NOT NULL,
    exchange TEXT NOT NULL,
    account TEXT NOT NULL,
    liquidity INTEGER,
    is_leg INTEGER NOT NULL,
    commission TEXT,
    commission_currency TEXT NOT NULL,
    realized_pnl TEXT,
    first_seen_at TEXT NOT NULL,
    updated_at TEXT NOT NULL,
    is_allocation INTEGER NOT NULL DEFAULT 0  -- an account's part of a group order; since version 2
) WITHOUT ROWID;
CREATE INDEX fills_by_order ON fills (order_row);
CREATE INDEX fills_by_arrival ON fills (first_seen_at);

CREATE TABLE events (                     -- everything that listeners were told
    number INTEGER PRIMARY KEY,
    epoch INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    at TEXT NOT NULL,
    kind TEXT NOT NULL,
    order_id INTEGER,
    perm_id INTEGER,
    key TEXT,
    symbol TEXT,
    status TEXT,
    text TEXT NOT NULL,                   -- one line for people
    details TEXT NOT NULL                 -- JSON object: what the event has beside the order
);
CREATE INDEX events_by_seq ON events (seq);
CREATE INDEX events_by_time ON events (at);
CREATE INDEX events_by_order ON events (order_id, at) WHERE order_id IS NOT NULL;
CREATE INDEX events_by_key ON events (key, at) WHERE key IS NOT NULL;
CREATE INDEX events_by_symbol ON events (symbol, at) WHERE symbol IS NOT NULL;
"""

_VIEWS: Final = """
CREATE VIEW open_orders AS
    SELECT * FROM orders WHERE NOT is_finished ORDER BY id;

CREATE VIEW today_orders AS               -- changed since midnight UTC, or still open
    SELECT * FROM orders
    WHERE updated_at >= strftime('%Y-%m-%d', 'now') OR NOT is_finished
    ORDER BY id;

CREATE VIEW today_fills AS                -- became known since midnight UTC
    SELECT * FROM fills WHERE first_seen_at >= strftime('%Y-%m-%d', 'now') ORDER BY first_seen_at, exec;

CREATE VIEW today_events AS
    SELECT * FROM events WHERE at >= strftime('%Y-%m-%d', 'now') ORDER BY number;

CREATE VIEW orders_by_symbol AS
    SELECT symbol, id, order_id, key, action, total_quantity, order_type, limit_price, status,
        filled_quantity, avg_fill_price, first_seen_at, updated_at
    FROM orders ORDER BY symbol, id;

CREATE VIEW fills_by_symbol AS
    SELECT symbol, first_seen_at, executed_at, action, quantity, price, commission, commission_currency,
        realized_pnl, is_leg, order_id, key, exec_id
    FROM fills ORDER BY symbol, first_seen_at, exec;

CREATE VIEW orders_by_key AS
    SELECT key, id, order_id, symbol, action, total_quantity, order_type, limit_price, status,
        filled_quantity, avg_fill_price, first_seen_at, updated_at
    FROM orders WHERE key <> '' ORDER BY key, id;

CREATE VIEW fills_by_key AS
    SELECT key, first_seen_at, executed_at, symbol, action, quantity, price, commission,
        commission_currency, realized_pnl, is_leg, order_id, exec_id
    FROM fills WHERE key <> '' ORDER BY key, first_seen_at, exec;
"""

Migration = Callable[[sqlite3.Connection], None]
"""Makes a file of one version into one of the next; runs inside a transaction."""


def _to_version_2(connection: sqlite3.Connection) -> None:
    """What a quantity is worth, and whether a fill counts towards its order, can be told from the tables."""
    connection.execute("ALTER TABLE orders ADD COLUMN multiplier TEXT NOT NULL DEFAULT ''")
    connection.execute("ALTER TABLE fills ADD COLUMN is_allocation INTEGER NOT NULL DEFAULT 0")


def _to_version_3(connection: sqlite3.Connection) -> None:
    """What is committed in haste has a table of its own, until there is time to write it row by row.

    And the book can be kept as it stands, so that a start need not begin at the first input.
    """
    connection.execute(
        "CREATE TABLE tail (first INTEGER PRIMARY KEY, last INTEGER NOT NULL, epoch INTEGER NOT NULL, "
        "head TEXT NOT NULL, body BLOB NOT NULL, checksum INTEGER NOT NULL)"
    )
    run_script(connection, PACKED_TABLES)


MIGRATIONS: Final[Mapping[int, Migration]] = MappingProxyType({1: _to_version_2, 2: _to_version_3})
"""By the version that they start from. There is one for every version below :data:`VERSION`."""


def create(connection: sqlite3.Connection, meta: Mapping[str, str]) -> None:
    """Make an empty file into a journal, as one transaction.

    Args:
        connection: To the empty file, in autocommit mode.
        meta: The first rows of the table ``meta``.
    """
    connection.execute("BEGIN IMMEDIATE")
    run_script(connection, _TABLES)
    run_script(connection, PACKED_TABLES)
    run_script(connection, _VIEWS)
    connection.executemany("INSERT INTO meta VALUES (?, ?)", meta.items())
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    connection.execute("COMMIT")


def migrate(
    connection: sqlite3.Connection,
    found: int,
    *,
    wanted: int = VERSION,
    migrations: Mapping[int, Migration] = MIGRATIONS,
) -> None:
    """Bring a file of version ``found`` up to ``wanted``, as one transaction: wholly or not at all.

    Args:
        connection: To the file, in autocommit mode.
        found: The file's version.
        wanted: The version that it shall have.
        migrations: The steps, by the version that each starts from.

    Raises:
        KeyError: There is no step from some version on the way.
    """
    if found == wanted:
        return
    connection.execute("BEGIN IMMEDIATE")
    try:
        for version in range(found, wanted):
            migrations[version](connection)
        connection.execute(f"PRAGMA user_version = {wanted}")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def run_script(connection: sqlite3.Connection, script: str) -> None:
    """Run several statements inside the open transaction (``executescript`` would end it)."""
    statement = ""
    for line in script.splitlines():
        statement += line + "\n"
        if sqlite3.complete_statement(statement):
            connection.execute(statement)
            statement = ""
