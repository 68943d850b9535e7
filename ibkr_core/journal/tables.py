"""The second stage: the tables that people query, written in slices when there is time.

Rows are made in portions, with a pause after each where it is not urgent: whoever receives bytes needs the
interpreter more than the tables do.
"""

from __future__ import annotations

import itertools
import json
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from functools import partial
from typing import Any, Final

import attrs

from ibkr_core.journal import rows
from ibkr_core.journal.noting import INSERT_EVENT, EventRows, Note, Notes, fill_in, note
from ibkr_core.journal.store import Store, damaged, read_meta, refusal
from ibkr_core.journal.tail import COLUMNS, Segment, oldest
from ibkr_core.journal.times import to_text
from ibkr_core.lifecycle.brief import Brief
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model.events import Event, UnattributedExecution
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord

__all__ = [
    "EVENTS_AT_ONCE",
    "ORDERS_AT_ONCE",
    "Moved",
    "Tables",
    "nothing",
    "raise_high_water",
    "settle_found",
    "write_moved",
]

_LOG = logging.getLogger("ibkr_core.journal")

_NO_ROW: Final = "journal: no row can be made of a %s"

EVENTS_AT_ONCE: Final = 256
ORDERS_AT_ONCE: Final = 64
_FILLS_AT_ONCE: Final = 256
_PORTION: Final = 4
"""Rows made between two pauses: what a thread may have to wait for the interpreter."""

Pause = Callable[[], None]
_Write = Callable[[sqlite3.Connection], None]


# ── inputs ──────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Moved:
    """Segments taken apart: what replaces them.

    Attributes:
        last: Number of the last input.
        high_water: The highest order id as of then.
        inputs: Rows of ``inputs``.
        keys: Rows of ``keys``.
        resent: New and old order ids of orders that were sent again.
    """

    last: int
    high_water: int
    inputs: list[rows.Row]
    keys: list[rows.Row]
    resent: list[tuple[int, int]]

    @classmethod
    def take_apart(cls, segments: Sequence[Segment], pause: Pause) -> Moved:
        """Make the rows of some segments, of at least one.

        Raises:
            ValueError: One is damaged.
        """
        moved = cls(segments[-1].last, segments[-1].high_water(), [], [], [])
        every = itertools.chain.from_iterable(segment.input_rows() for segment in segments)
        for place, row in enumerate(every, 1):
            moved.inputs.append(row)
            at, kind, body = row[2], row[4], row[6]
            if kind == "Submit" and row[5] is None:
                told = json.loads(body)["orders"]
                moved.keys.extend((new["key"], new["order_id"], at) for new in told if new.get("key"))
            elif kind == "Resend" and row[5] is None:
                told = json.loads(body)
                moved.resent.append((told["new_order_id"], told["order_id"]))
            if place % _PORTION == 0:
                pause()
        return moved


def write_moved(connection: sqlite3.Connection, moved: Moved) -> None:
    """Put the rows in their segments' place, in the caller's transaction."""
    rows.insert_all(connection, rows.INSERT_INPUT, moved.inputs)
    rows.insert_all(connection, rows.INSERT_KEY, moved.keys)
    for ids in moved.resent:
        rows.run_cleaned(connection, "UPDATE keys SET order_id = ? WHERE order_id = ?", ids)
    raise_high_water(connection, moved.high_water)
    connection.execute("DELETE FROM tail WHERE last <= ?", (moved.last,))


def raise_high_water(connection: sqlite3.Connection, mark: int) -> None:
    """Note that no order id up to one may be used again, in the caller's transaction; it is never lowered."""
    if mark > int(read_meta(connection, "high_water") or 0):  # text: SQLite's numbers end at 64 bits
        connection.execute("UPDATE meta SET value = ? WHERE name = 'high_water'", (str(mark),))


def settle_found(store: Store) -> None:
    """Move on the segments that a killed run left.

    Raises:
        JournalCorrupt: One is damaged; nothing was changed then.
        JournalFailed: They cannot be moved, on a full disk for example; nothing of them is lost.
    """
    connection = store.connection
    for row in connection.execute(f"SELECT {COLUMNS} FROM tail ORDER BY first"):  # noqa: S608 - our own names
        segment = Segment(*row)
        try:
            segment.check()
        except ValueError as error:
            what = f"inputs {segment.first} to {segment.last} cannot be read: {error}"
            raise damaged(store.path, what) from error
    try:
        while segments := oldest(connection):
            store.transact(partial(write_moved, moved=Moved.take_apart(segments, nothing)))
    except (sqlite3.Error, OSError) as error:
        raise refusal(store.path, error) from error


def nothing() -> None:
    """Have nothing to do."""


# ── events, orders, fills ───────────────────────────────────────────────────────────────────────


class _Changed:
    """An order whose row is behind: how to look at it, and the executions that were told of."""

    __slots__ = ("at", "fills", "guard", "held")

    def __init__(self, held: OrderEntry | OrderRecord, guard: AbstractContextManager[Any] | None) -> None:
        self.held = held
        self.guard = guard
        self.at: datetime | None = None
        self.fills: dict[str, tuple[Fill, datetime, datetime]] = {}  # with when it came, and when it changed

    def record(self) -> OrderRecord:
        """Return the order as it is now, or as it was shown."""
        if isinstance(self.held, OrderRecord) or self.guard is None:
            return self.held  # type: ignore[return-value]  # an entry comes with its guard
        with self.guard:
            return self.held.snapshot()


class Tables:
    """Events, orders and fills on their way into the tables. One owner at a time, but for the queues.

    Args:
        connection: The file; used with the write lock held only.
        epoch: The run.
    """

    def __init__(self, connection: sqlite3.Connection, epoch: int) -> None:
        self.notes = Notes()
        """Events. One thread appends, at any time."""
        self.records: deque[tuple[OrderRecord, datetime]] = deque()
        """Orders to be brought up to date with all their executions. Anyone appends, at any time."""
        self.told_again: deque[UnattributedExecution] = deque()
        """Executions of no order whose row a crash may have taken. Anyone appends, at any time."""
        self.ready: list[_Write] = []
        """What is to be written next, in one transaction; it stays until that has succeeded."""
        self._event_rows = EventRows(epoch)
        self._order_rows = rows.OrderRows(connection)
        self._shown: dict[tuple[Any, ...], _Changed] = {}
        self._entries: dict[int, _Changed] = {}
        self._strays: dict[str, tuple[Fill, datetime, datetime]] = {}
        self._made: list[tuple[OrderRecord, _Changed]] = []
        self._fill_rows: deque[rows.Row] = deque()

    @property
    def has_orders(self) -> bool:
        """Whether rows of orders or fills are behind the events that were taken."""
        behind = (self._entries, self._shown, self._strays, self._made, self._fill_rows, self.records)
        return any(behind) or bool(self.told_again)

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits."""
        return not (self.notes or self.ready or self.has_orders)

    def note_again(self, event: Event) -> None:
        """Take in an event that has its row already, but perhaps its execution has none: that comes later.

        Orders need none of this: who restores a book shows them with all their executions.
        """
        if isinstance(event, UnattributedExecution):
            self.told_again.append(event)

    def note_plain(self, told: list[Event], through: int) -> None:
        """Take in all events of a callback that took the express lane; up to a number they have their rows.

        Never raises: what nobody foresaw in a value must not stop the engine.
        """
        try:
            if told[0].seq > through:
                self.notes.append_hot(told)
            elif told[-1].seq > through:  # the crash came between two of them
                for event in told:
                    if event.seq > through:
                        self.notes.append(note(event))
        except Exception:  # noqa: BLE001 - as above
            _LOG.exception(_NO_ROW, type(told[0]).__name__)

    def make_events(self, most: int, pause: Pause) -> int:
        """Make the rows of the oldest events; returns of how many."""
        made: list[rows.Row] = []
        self.ready.append(lambda connection: rows.insert_all(connection, INSERT_EVENT, made))
        count = 0
        while count < most and self.notes:
            noted = self.notes.popleft()
            try:
                made.append(self._event_rows.row(noted))
            except Exception:  # noqa: BLE001 - as for _made()
                _LOG.exception(_NO_ROW, noted[0].name)
            try:
                self._follow(noted)
            except Exception:  # noqa: BLE001 - likewise, and the order's row does not hang on the event's
                _LOG.exception(_NO_ROW, noted[0].name)
            count += 1
            if count % _PORTION == 0:
                pause()
        return count

    def _follow(self, noted: Note) -> None:
        """Remember that the rows of an event's order and execution are behind."""
        _, (at, *_), shown, _ = noted
        fill = fill_in(noted)
        if shown is None:
            if fill is not None:
                _remember(self._strays, fill, at)
            return
        if isinstance(shown, Brief):
            changed = self._entries.get(id(shown.entry))
            if changed is None:
                changed = self._entries[id(shown.entry)] = _Changed(shown.entry, shown.guard)
        else:
            identity = (shown.order_id, shown.client_id, shown.perm_id, shown.key)
            before = self._shown.pop(identity, None)  # the newest picture of an order goes last
            changed = self._shown[identity] = _Changed(shown, None)
            changed.fills = before.fills if before is not None else {}
        changed.at = at
        if fill is not None:
            _remember(changed.fills, fill, at)

    def look(self, most: int, pause: Pause) -> int:
        """Look at some orders whose rows are behind; returns at how many. Takes their guard for each."""
        taken: list[_Changed] = []
        while self.records and len(taken) < most:
            record, at = self.records.popleft()
            taken.append(_Changed(record, None))
            taken[-1].at = at
            for fill in (*record.fills, *record.leg_fills, *record.allocation_fills):
                _remember(taken[-1].fills, fill, at)
        for waiting in (self._shown, self._entries):  # what was shown is older than what is
            some: list[Any] = [*itertools.islice(waiting, most - len(taken))]
            taken += [waiting.pop(key) for key in some]
        for place, changed in enumerate(taken, 1):
            self._made.append((changed.record(), changed))
            if place % _PORTION == 0:
                pause()
        return len(taken)

    def find_rows(self) -> None:
        """Find which rows the orders have that were looked at. Requires holding the write lock."""
        self._order_rows.prepare([record for record, _ in self._made])

    def make_orders(self, pause: Pause) -> None:
        """Make the rows of the orders that were looked at, and of their executions."""
        orders: dict[int, rows.Row] = {}
        for place, (record, changed) in enumerate(self._made, 1):
            at = to_text(changed.at) if changed.at is not None else ""
            row = self._order_rows.row_of(record)
            for one in _made("OrderRecord", partial(rows.order_row, row, record, at)):
                orders.pop(row, None)
                orders[row] = one
            self._make_fills(record, row, changed)
            if place % _PORTION == 0:
                pause()
        self._made.clear()
        made = [*orders.values()]
        self.ready.append(lambda connection: rows.insert_all(connection, rows.UPSERT_ORDER, made))

    def _make_fills(self, record: OrderRecord, row: int, changed: _Changed) -> None:
        if (record.leg_fills or record.allocation_fills) and changed.at is not None:
            # What counts may have changed for all of them.
            for fill in (*record.fills, *record.leg_fills, *record.allocation_fills):
                _remember(changed.fills, fill, changed.at)
        for fill, first_at, at in changed.fills.values():
            make = partial(rows.fill_row, fill, record, row, to_text(first_at), to_text(at))
            self._fill_rows.extend(_made("Fill", make))

    def make_fills(self) -> bool:
        """Take some rows of executions, whose orders have theirs; whether there were any."""
        again: dict[str, tuple[Fill, datetime, datetime]] = {}
        while self.told_again:
            event = self.told_again.popleft()
            _remember(again, event.fill, event.at)
        self._strays = again | self._strays  # what is told for the first time is newer
        for fill, first_at, at in self._strays.values():
            make = partial(rows.fill_row, fill, None, None, to_text(first_at), to_text(at))
            self._fill_rows.extend(_made("Fill", make))
        self._strays.clear()
        made = [self._fill_rows.popleft() for _ in range(min(_FILLS_AT_ONCE, len(self._fill_rows)))]
        if made:
            self.ready.append(lambda connection: rows.insert_all(connection, rows.UPSERT_FILL, made))
        return bool(made)

    def write(self, connection: sqlite3.Connection) -> Callable[[], None]:
        """Write what is ready, in the caller's transaction."""
        for write in self.ready:
            write(connection)
        return self.ready.clear


def _remember(fills: dict[str, tuple[Fill, datetime, datetime]], fill: Fill, at: datetime) -> None:
    """Note an execution in its newest form, and when it was first told of."""
    base = ExecutionId.parse(fill.exec_id).base
    before = fills.get(base)
    fills[base] = (fill, at if before is None else before[1], at)


def _made(name: str, make: Callable[[], rows.Row]) -> Iterable[rows.Row]:
    """Return a row for the tables, or none: what nobody foresaw in a value must not stop the journal."""
    try:
        return (make(),)
    except Exception:  # noqa: BLE001 - the inputs, of which all can be made again, are safe
        _LOG.exception(_NO_ROW, name)
        return ()
