"""What waits to be written: rows that are made once, and kept until the file has them."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial

from ibkr_core.journal import rows
from ibkr_core.journal.entries import Payload
from ibkr_core.journal.times import to_text
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.ledger import ExecutionId
from ibkr_core.model import facts
from ibkr_core.model.events import Event
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import BrokerOrder
from ibkr_core.model.record import OrderRecord

__all__ = ["Batch"]

_LOG = logging.getLogger("ibkr_core.journal")

Forget = Callable[[], None]
"""Drops what was written; called when the transaction is durable."""


class Batch:
    """Rows on their way into the file. Its owner holds the write lock.

    Args:
        connection: The file.
        client_id: Our API client id.
        epoch: The run.
        high_water: The highest order id so far.
    """

    def __init__(self, connection: sqlite3.Connection, client_id: int, epoch: int, high_water: int) -> None:
        self.high_water = self._high_water_stored = high_water
        self._client_id = client_id
        self._epoch = epoch
        self._inputs: list[rows.Row] = []
        self._keys: list[rows.Row] = []
        self._resent: list[tuple[int, int]] = []
        self._states: dict[str, rows.Row] = {}
        self._events: list[rows.Row] = []
        self._order_rows = rows.OrderRows(connection)
        self._records: dict[tuple[int, int | None, int | None, str], tuple[OrderRecord, str]] = {}
        self._fills: dict[str, tuple[Fill, OrderRecord | None, str]] = {}

    # ── inputs ──────────────────────────────────────────────────────────────────────────────────

    @property
    def has_inputs(self) -> bool:
        """Whether an input or a state waits."""
        return bool(self._inputs or self._states)

    @property
    def input_count(self) -> int:
        """How many inputs wait."""
        return len(self._inputs)

    @property
    def through(self) -> int | None:
        """Index of the newest input that waits."""
        return int(self._inputs[-1][0]) if self._inputs else None

    def add_input(
        self, index: int, payload: Payload, at: datetime, seq: int, fact: BrokerFact | None
    ) -> None:
        """Take in an input."""
        row = rows.input_row(index, self._epoch, payload, at, seq, fact)
        self._inputs.append(row)
        match payload:
            case inputs.Submit(orders=orders):
                for new in orders:
                    self._raise_to(new.order_id)
                    if new.key:
                        self._keys.append((new.key, new.order_id, row[2]))
            case inputs.Resend(order_id=old, new_order_id=new_id):
                self._raise_to(new_id)
                self._resent.append((new_id, old))
            case inputs.Track(order_id=order_id):
                self._raise_to(order_id)
            case _:
                self._learn_from(payload if fact is None else fact)

    def _learn_from(self, told: object) -> None:
        """Note the ids of orders of ours that the broker shows: it counts those too (TWS facts 4)."""
        match told:
            case (
                facts.ExecutionFact(client_id=client_id, order_id=int(order_id))
                | facts.OrderBoundFact(client_id=client_id, order_id=int(order_id))
                | facts.OpenOrderFact(order=BrokerOrder(client_id=client_id, order_id=int(order_id)))
            ) if client_id == self._client_id:
                self._raise_to(order_id)

    def _raise_to(self, order_id: int) -> None:
        self.high_water = max(self.high_water, order_id)

    def add_state(self, name: str, text: str, at: str) -> None:
        """Take in a small durable fact."""
        self._states[name] = (name, text, at)

    def write_inputs(self, connection: sqlite3.Connection) -> Forget:
        """Write the inputs and what goes with them."""
        taken, keys, resent = len(self._inputs), len(self._keys), len(self._resent)
        states, high_water = dict(self._states), self.high_water
        rows.insert_all(connection, rows.INSERT_INPUT, self._inputs)
        rows.insert_all(connection, rows.INSERT_KEY, self._keys)
        if self._resent:
            connection.executemany("UPDATE keys SET order_id = ? WHERE order_id = ?", self._resent)
        if states:
            rows.insert_all(
                connection, "INSERT OR REPLACE INTO state VALUES (?, ?, ?)", list(states.values())
            )
        if high_water != self._high_water_stored:
            connection.execute("UPDATE meta SET value = ? WHERE name = 'high_water'", (str(high_water),))

        def forget() -> None:
            del self._inputs[:taken], self._keys[:keys], self._resent[:resent]
            self._states.clear()
            self._high_water_stored = high_water

        return forget

    # ── tables ──────────────────────────────────────────────────────────────────────────────────

    def add_event(self, event: Event) -> None:
        """Take in an event, and the order and the execution that it shows."""
        self._events += _made(event, lambda: rows.event_row(event, self._epoch))
        at = to_text(event.at)
        shown, fill = getattr(event, "record", None), getattr(event, "fill", None)
        record = shown if isinstance(shown, OrderRecord) else None
        if record is not None:
            self._add_record(record, at)
            if record.leg_fills or record.allocation_fills:  # what counts may have changed for all of them
                self._add_fills(record, at)
        if isinstance(fill, Fill):
            self._add_fill(fill, record, at)

    def add_records(self, orders: Iterable[OrderRecord], at: str) -> None:
        """Take in orders as they stand, with all their executions."""
        for record in orders:
            self._add_record(record, at)
            self._add_fills(record, at)

    def _add_record(self, record: OrderRecord, at: str) -> None:
        identity = (record.order_id, record.client_id, record.perm_id, record.key)
        self._records.pop(identity, None)  # the newest picture of an order goes last
        self._records[identity] = (record, at)

    def _add_fills(self, record: OrderRecord, at: str) -> None:
        for fill in (*record.fills, *record.leg_fills, *record.allocation_fills):
            self._add_fill(fill, record, at)

    def _add_fill(self, fill: Fill, record: OrderRecord | None, at: str) -> None:
        self._fills[ExecutionId.parse(fill.exec_id).base] = (fill, record, at)

    def write_tables(self, connection: sqlite3.Connection) -> Forget:
        """Write events, orders and fills."""
        if not (self._events or self._records or self._fills):
            return lambda: None
        row_of = self._order_rows.row_of
        newest = {row_of(record): (record, at) for record, at in self._records.values()}
        orders: list[rows.Row] = []
        for row, (record, at) in newest.items():
            orders += _made(record, partial(rows.order_row, row, record, at))
        fills: list[rows.Row] = []
        for fill, owner, at in self._fills.values():
            row_id = None if owner is None else row_of(owner)
            fills += _made(fill, partial(rows.fill_row, fill, owner, row_id, at))
        rows.insert_all(connection, rows.INSERT_EVENT, self._events)
        rows.insert_all(connection, rows.UPSERT_ORDER, orders)
        rows.insert_all(connection, rows.UPSERT_FILL, fills)

        def forget() -> None:
            self._events.clear()
            self._records.clear()
            self._fills.clear()
            self._order_rows.trim()

        return forget


def _made(value: object, make: Callable[[], rows.Row]) -> list[rows.Row]:
    """Return a row for the tables, or none: what nobody foresaw in a value must not stop the journal."""
    try:
        return [make()]
    except Exception:  # noqa: BLE001 - the inputs, of which all can be made again, are safe
        _LOG.exception("journal: no row can be made of a %s", type(value).__name__)
        return []
