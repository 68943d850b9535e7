"""Drops from a journal what its retention no longer keeps, in steps so short that nobody waits long."""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Callable, Generator, Iterable, Sequence
from datetime import datetime
from typing import Any, Final, Protocol

from ibkr_core.journal.packed import PackedOrders
from ibkr_core.journal.retention import InputIdentity, Pruned, Retention, find_prunable, in_batches
from ibkr_core.model.record import OrderRecord

__all__ = ["File", "pruning"]

_LOG = logging.getLogger("ibkr_core.journal")

_ROWS: Final = 1_000
"""Rows that one transaction drops at least; an intent may have to wait for one of these."""
_OF_FINISHED: Final = "ifnull(order_row, -1) NOT IN (SELECT id FROM orders WHERE NOT is_finished)"
_WITHOUT_FILLS: Final = "is_finished AND id NOT IN (SELECT order_row FROM fills WHERE order_row IS NOT NULL)"


class File(Protocol):
    """What is needed of the journal."""

    path: str
    retention: Retention
    packed: PackedOrders

    @property
    def filed(self) -> int:
        """Index up to which every input is in the file."""

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read rows."""

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run one transaction."""


def pruning(
    file: File,
    identities: Iterable[InputIdentity],
    orders: Iterable[tuple[int, OrderRecord]],
    now: datetime,
) -> Generator[None, None, Pruned]:
    """Drop what is older than the retention allows, a little with each step.

    Args:
        file: The journal, in which all that was recorded stands in its tables.
        identities: What its inputs say of the orders that they are about; asked for only if some are old.
        orders: All orders of the book, with their rows.
        now: The moment.

    Returns:
        How many inputs were dropped, and the rows of the orders that they made.

    Raises:
        JournalFailed: It could not be written. What was dropped so far is dropped by whole families.
    """
    retention, dropped = file.retention, 0
    rows: tuple[int, ...] = ()
    before = retention.before(retention.days, now)
    if before is not None and _has_inputs_before(file, before):
        found = yield from find_prunable(identities, orders, before)
        if found is None:
            _LOG.warning("journal %s: a frame does not tell its order, so nothing is dropped", file.path)
        else:
            rows = tuple(found.rows)
            if any(number > file.packed.number > 0 for family in found.inputs for number in family):
                file.packed.retire()  # it has these orders as they once were: the rest would never be told
        for batch in in_batches(found.inputs if found is not None else (), _ROWS):
            _drop(file, "inputs", "number", batch)
            dropped += len(batch)
            yield
    events_before = retention.before(retention.events_days, now)
    yield from _drop_older(file, "events", "number", "at < ?", events_before)
    rows_before = retention.before(retention.rows_days, now)
    yield from _drop_older(file, "fills", "exec", f"updated_at < ? AND {_OF_FINISHED}", rows_before)
    yield from _drop_older(file, "orders", "id", f"updated_at < ? AND {_WITHOUT_FILLS}", rows_before)
    return Pruned(dropped, rows)


def _has_inputs_before(file: File, before: str) -> bool:
    """Whether the first input is so old; if not, none is, and no million has to be gone through."""
    first = file.query("SELECT at FROM inputs ORDER BY number LIMIT 1")
    return bool(first) and str(first[0][0]) < before


def _drop_older(
    file: File, table: str, key: str, condition: str, before: str | None
) -> Generator[None, None, None]:
    while before is not None:
        found = [
            row[0]
            for row in file.query(f"SELECT {key} FROM {table} WHERE {condition} LIMIT {_ROWS}", before)  # noqa: S608 - our own names
        ]
        if not found:
            return
        _drop(file, table, key, found)
        yield


def _drop(file: File, table: str, key: str, keys: Sequence[object]) -> None:
    statement = f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))"  # noqa: S608 - our own names

    def work(connection: sqlite3.Connection) -> None:
        # An index is never used again, also where the newest input goes.
        connection.execute("INSERT OR REPLACE INTO meta VALUES ('last_number', ?)", (str(file.filed),))
        connection.execute(statement, (json.dumps(keys),))

    file.write(work)
