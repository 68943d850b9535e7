"""Checkpoints of the book in the journal: where a start begins, instead of at the first input of all.

``packed_orders`` holds every order as :mod:`ibkr_core.lifecycle.packing` writes it, as it stood when the book
had taken the input whose number stands in ``packed_state``. Rows are written beforehand, under the number of
the checkpoint to come (their *generation*); they count once ``packed_state`` has that number, which is the
last thing to be written. So a checkpoint is there wholly, or the one before it is.

Nothing depends on a checkpoint: the inputs are all there, and whatever is wrong with it, they are replayed.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

import attrs

from ibkr_core._version import __version__
from ibkr_core.journal import encoding
from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle.archive import Names
from ibkr_core.lifecycle.checkpoint import BookState, Checkpoint, PackedOrder
from ibkr_core.lifecycle.packing import Shared
from ibkr_core.lifecycle.parts import FillingsState, Key
from ibkr_core.model.making import making
from ibkr_core.model.numbers import EXACT

__all__ = ["TABLES", "Damaged", "PackedOrders", "Restart"]

TABLES: Final = """
CREATE TABLE packed_orders (              -- the book as of a checkpoint, one order a row
    row INTEGER NOT NULL,                 -- number of the order by age
    generation INTEGER NOT NULL,          -- the checkpoint from which on it stands so
    names TEXT NOT NULL,                  -- JSON: what it is found by
    body BLOB NOT NULL,
    checksum INTEGER NOT NULL,
    PRIMARY KEY (row, generation)
) WITHOUT ROWID;

CREATE TABLE packed_terms (               -- what packed orders have in common
    place INTEGER PRIMARY KEY,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    checksum INTEGER NOT NULL
);

CREATE TABLE packed_state (               -- the checkpoint that counts, in one row
    id INTEGER PRIMARY KEY CHECK (id = 1),
    number INTEGER NOT NULL,              -- of the newest input that the book had taken
    generation INTEGER NOT NULL,
    terms INTEGER NOT NULL,               -- how many of packed_terms it needs
    version TEXT NOT NULL,                -- of ibkr_core
    body TEXT NOT NULL,                   -- JSON: what the book knows beside its orders
    checksum INTEGER NOT NULL
);
"""

_CHUNK: Final = 2_000
_scan: Final = json.JSONDecoder().raw_decode
"""What :func:`json.loads` comes to; it is called for each order that ever was."""
_names: Final = making(Names)
_packed_order: Final = making(PackedOrder)
_JSON: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))
_INSERT_ORDER: Final = "INSERT OR REPLACE INTO packed_orders VALUES (?, ?, ?, ?, ?)"
_INSERT_TERM: Final = "INSERT OR REPLACE INTO packed_terms VALUES (?, ?, ?, ?)"
_INSERT_STATE: Final = "INSERT OR REPLACE INTO packed_state VALUES (1, ?, ?, ?, ?, ?, ?)"
_DROP_OLDER: Final = "DELETE FROM packed_orders WHERE row = ? AND generation < ?"


class Damaged(ValueError):
    """What is stored of a checkpoint is not what was written."""


class File(Protocol):
    """What a checkpoint needs of the journal."""

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Read rows."""

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run one transaction."""

    def set_state(self, name: str, text: str) -> None:
        """Keep a small durable fact."""


@attrs.frozen
class Restart:
    """A checkpoint that was read.

    Attributes:
        number: The input after which the replay begins.
        things: What the orders' bytes refer to.
        orders: All orders, read while they are looked at.
        state: What the book knew beside them.
    """

    number: int
    things: Sequence[Any]
    orders: Iterable[PackedOrder]
    state: BookState


class PackedOrders:
    """The checkpoint of one journal. Used by one thread at a time.

    Args:
        file: The journal.
    """

    def __init__(self, file: File) -> None:
        self._file = file
        self.number = 0
        """The input up to which the checkpoint holds what there was; 0 where there is none."""
        self._generation = 0
        self._terms = 0
        self._staged: list[int] = []  # rows that were written for the checkpoint to come
        # Rows that have older text, each with the generation that its newer text came with.
        self._rewritten: list[tuple[int, int]] = []
        self._highest = 0  # row that the checkpoint has
        self._forgotten: set[int] = set()  # rows that retention took from the book of the next run
        self._gone: Mapping[Key, Decimal] = {}  # what their fills come to
        self._last: BookState | None = None

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def read(self) -> Restart | None:
        """Return the checkpoint; None where there is none, or another version of ibkr_core made it.

        Raises:
            Damaged: It is not what was written; also while its orders are looked at.
        """
        found = self._file.query(
            "SELECT number, generation, terms, version, body, checksum FROM packed_state"
        )
        if not found or found[0][3] != __version__:
            return None  # what a newer version makes of the inputs may be better than what an older one did
        number, generation, terms, version, body, checksum = found[0]
        _check(checksum, "the checkpoint", number, generation, terms, version, body)
        shared = Shared(CODEC)
        rows = self._file.query(
            "SELECT place, kind, body, checksum FROM packed_terms WHERE place < ? ORDER BY place", terms
        )
        if [row[0] for row in rows] != list(range(terms)):
            raise Damaged("terms are missing")
        things = []
        for place, kind, text, its in rows:
            _check(its, f"term {place}", place, kind, text)
            things.append(_readable(shared.read, kind, text))
        state = _readable(lambda text: _state_from(json.loads(text)), body)
        self.number, self._generation, self._terms = number, generation, terms
        self._highest, self._last = state.next_place, state
        return Restart(number, things, self._orders(generation), state)

    def _orders(self, generation: int) -> Iterator[PackedOrder]:
        row, its, useless = -1, 0, []
        newest: tuple[Any, ...] | None = None
        while found := self._file.query(
            "SELECT row, generation, names, body, checksum FROM packed_orders "
            "WHERE (row, generation) > (?, ?) ORDER BY row, generation LIMIT ?",
            *(row, its, _CHUNK),
        ):
            for stored in found:
                row, its = stored[0], stored[1]
                if its > generation:
                    useless.append((row, its))  # of a checkpoint that came to nothing
                    continue
                if newest is not None and newest[0] != row:
                    yield _order_from(newest)
                elif newest is not None:
                    useless.append((row, newest[1]))  # it was not dropped before the last run ended
                newest = stored
        if newest is not None:
            yield _order_from(newest)
        if useless:
            self._file.write(
                lambda connection: _each(
                    connection, "DELETE FROM packed_orders WHERE row = ? AND generation = ?", useless
                )
            )

    def drop(self) -> None:
        """Forget the checkpoint, and all that was written for one."""
        self.number = self._terms = self._highest = 0
        self._last = None
        self._staged.clear()
        self._rewritten.clear()

        def work(connection: sqlite3.Connection) -> None:
            for table in ("packed_state", "packed_orders", "packed_terms"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608 - our own names

        self._file.write(work)

    def retire(self) -> None:
        """Have no checkpoint count until the next is made, which goes on with what was written for this one.

        Raises:
            JournalFailed: It could not be written, and the checkpoint counts.
        """
        self._file.write(lambda connection: _each(connection, "DELETE FROM packed_state", [()]))
        self.number, self._last = 0, None

    # ── writing ─────────────────────────────────────────────────────────────────────────────────

    def stage(self, orders: Sequence[PackedOrder], shared: Shared) -> None:
        """Write orders for the next checkpoint beforehand, so that its own transaction is short.

        Raises:
            JournalFailed: It could not be written.
            Unpackable: A term cannot be written.
        """
        terms, rows = self._new_terms(shared, len(shared)), self._rows(orders)

        def work(connection: sqlite3.Connection) -> None:
            _each(connection, _INSERT_TERM, terms)
            _each(connection, _INSERT_ORDER, rows)

        self._file.write(work)
        self._terms += len(terms)
        self._staged += [order.row for order in orders]

    def finish(self, checkpoint: Checkpoint, number: int, shared: Shared) -> None:
        """Make a checkpoint count. All inputs up to ``number``, and what they led to, must be in the file.

        Raises:
            JournalFailed: It could not be written; the last one counts.
            Unpackable: A term cannot be written; likewise.
        """
        terms, rows = self._new_terms(shared, checkpoint.things), self._rows(checkpoint.orders)
        generation, needed = self._generation + 1, self._terms + len(terms)
        state = self._without_forgotten(checkpoint.state)
        values = (number, generation, needed, __version__, _JSON.encode(_state_to(state)))

        def work(connection: sqlite3.Connection) -> None:
            _each(connection, _INSERT_TERM, terms)
            _each(connection, _INSERT_ORDER, rows)
            connection.execute(_INSERT_STATE, (*values, _checksum(*values)))

        self._file.write(work)
        self._last = checkpoint.state
        self.number, self._generation, self._terms = number, generation, needed
        written = (*self._staged, *(order.row for order in checkpoint.orders))
        self._rewritten += [(row, generation) for row in written if row <= self._highest]
        self._staged.clear()
        self._highest = checkpoint.state.next_place

    def forget(self, rows: Sequence[int], gone: Mapping[Key, Decimal], states: Mapping[str, str]) -> None:
        """Take orders out whose inputs have gone: a replay would not make them either.

        Args:
            rows: Which.
            gone: What the fills of all come to that were ever taken out in this run.
            states: Small durable facts that hold once they are out, written in the same transaction.

        Raises:
            JournalFailed: It could not be written, and nothing of it was.
        """
        forgotten, before = self._forgotten | set(rows), (self._forgotten, self._gone)
        self._forgotten, self._gone = forgotten, gone
        values: tuple[Any, ...] = ()
        if self._last is not None:
            state = self._without_forgotten(self._last)
            values = (self.number, self._generation, self._terms, __version__, _JSON.encode(_state_to(state)))

        def work(connection: sqlite3.Connection) -> None:
            _each(connection, "DELETE FROM packed_orders WHERE row = ?", [(row,) for row in rows])
            if values:
                connection.execute(_INSERT_STATE, (*values, _checksum(*values)))
            _each(connection, "INSERT OR REPLACE INTO state VALUES (?, ?, '')", [*states.items()])

        try:
            self._file.write(work)
        except BaseException:
            self._forgotten, self._gone = before
            raise
        for name, text in states.items():
            self._file.set_state(name, text)

    def _without_forgotten(self, state: BookState) -> BookState:
        out = self._forgotten
        if not out:
            return state
        sums = [
            (key, contract, EXACT.subtract(total, self._gone.get(key, Decimal(0))))
            for key, contract, total in state.fillings.sums
        ]
        return attrs.evolve(
            state,
            awake=tuple(row for row in state.awake if row not in out),
            live=tuple(row for row in state.live if row not in out),
            count=state.count - len(out),
            fillings=attrs.evolve(state.fillings, sums=sums),
        )

    def clean(self) -> bool:
        """Drop some of what no checkpoint needs any more. Returns whether there is more of it.

        Raises:
            JournalFailed: It could not be written.
        """
        rows = self._rewritten[:_CHUNK]
        if rows:
            self._file.write(lambda connection: _each(connection, _DROP_OLDER, rows))
            del self._rewritten[: len(rows)]
        return bool(self._rewritten)

    def _new_terms(self, shared: Shared, count: int) -> list[tuple[Any, ...]]:
        rows = []
        for place in range(self._terms, count):
            kind, text = shared.write(shared[place])
            rows.append((place, kind, text, _checksum(place, kind, text)))
        return rows

    def _rows(self, orders: Iterable[PackedOrder]) -> list[tuple[Any, ...]]:
        generation = self._generation + 1
        rows = []
        for order in orders:
            if order.row in self._forgotten:
                continue
            names = _JSON.encode(attrs.astuple(order.names))
            rows.append(
                (order.row, generation, names, order.packed, _order_sum(order.row, names, order.packed))
            )
        return rows


def _each(connection: sqlite3.Connection, statement: str, rows: Iterable[tuple[Any, ...]]) -> None:
    connection.executemany(statement, rows)


# ── what is stored ──────────────────────────────────────────────────────────────────────────────


def _checksum(*values: object) -> int:
    return zlib.crc32(repr(values).encode())


def _check(checksum: object, what: str, *values: object) -> None:
    if _checksum(*values) != checksum:
        raise Damaged(f"the checksum of {what} does not fit")


def _order_sum(row: int, names: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(names.encode(), row & 0xFFFFFFFF))


def _order_from(stored: tuple[Any, ...]) -> PackedOrder:
    row, _, names, body, checksum = stored
    try:
        if _order_sum(row, names, body) != checksum:
            raise Damaged(f"the checksum of packed order {row} does not fit")
        (order_id, perm_ids, key, executions, family, groups), end = _scan(names)
        if end != len(names):
            raise Damaged(f"packed order {row} has more than its names")
        found = _names(order_id, tuple(perm_ids), key, tuple(executions), tuple(family), tuple(groups))
    except (AttributeError, StopIteration, TypeError, ValueError) as error:
        raise Damaged(f"packed order {row} cannot be read: {error}") from error
    found.__class__ = Names
    order = _packed_order(row, body, found)
    order.__class__ = PackedOrder
    return order


def _readable(read: Callable[..., Any], *stored: str) -> Any:  # noqa: ANN401 - whatever is read
    try:
        return read(*stored)
    except (ArithmeticError, KeyError, TypeError, ValueError) as error:
        raise Damaged(f"a part of the checkpoint cannot be read: {error}") from error


def _state_to(state: BookState) -> dict[str, Any]:
    fillings = state.fillings
    return {
        "seq": state.seq,
        "highest_id": state.highest_id,
        "next_place": state.next_place,
        "awake": state.awake,
        "live": state.live,
        "count": state.count,
        "sums": [[*key, CODEC.write(contract), str(total)] for key, contract, total in fillings.sums],
        "commissions": [[base, [*map(encoding.to_json, told)]] for base, told in fillings.commissions],
        "executions": fillings.executions,
    }


def _state_from(held: dict[str, Any]) -> BookState:
    read = encoding.from_json
    return BookState(
        seq=held["seq"],
        highest_id=held["highest_id"],
        next_place=held["next_place"],
        awake=tuple(held["awake"]),
        live=tuple(held["live"]),
        count=held["count"],
        fillings=FillingsState(
            sums=[
                ((account, con_id), read("Contract", contract), Decimal(total))
                for account, con_id, contract, total in held["sums"]
            ],
            commissions=[
                (base, tuple(read("CommissionFact", one) for one in told))
                for base, told in held["commissions"]
            ],
            executions=tuple(held["executions"]),
        ),
    )
