"""Reading a journal, also from another process while the engine writes it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, Self, TypeVar

import attrs

from ibkr_core.errors import InvalidInput, JournalError, JournalFailed
from ibkr_core.journal.encoding import Unreadable
from ibkr_core.journal.entries import Entry
from ibkr_core.journal.intentlog import Left, is_of_file, newest_input, read_log
from ibkr_core.journal.retention import InputIdentity
from ibkr_core.journal.rows import clean, clean_text, entry_from, number_from
from ibkr_core.journal.store import connect, damaged, identify, refusal, resolve
from ibkr_core.journal.tables import Moved
from ibkr_core.journal.tail import COLUMNS, Segment
from ibkr_core.journal.times import from_text, to_text
from ibkr_core.model.checks import check_flag, check_moment, check_text, check_whole

__all__ = ["FillLine", "HistoryLine", "IntegrityReport", "JournalReader", "OrderLine"]

_CHUNK: Final = 1_000
"""Rows read at once: no reader keeps a transaction open, which would let the log grow."""


@attrs.frozen(kw_only=True)
class HistoryLine:
    """One event, as the journal holds it.

    Attributes:
        seq: Its number.
        at: When we learned of it, in UTC.
        kind: The name of the event's class.
        order_id: The order that it is about, None where it is about none; so the next three.
        key: That order's client order key.
        symbol: What it trades.
        status: Its status after the callback or call that brought the event.
        text: What happened, in one line.
        details: What the event has beside the order, as plain JSON values.
    """

    seq: int
    at: datetime
    kind: str
    order_id: int | None
    key: str | None
    symbol: str | None
    status: str | None
    text: str
    details: Mapping[str, Any] = attrs.field(hash=False)

    def __str__(self) -> str:
        """``2026-11-21 14:31:45.123456 OrderFilled: #7 BUY 50 AAPL MKT: FILLED 50 of 50 at 190.00``."""
        return f"{self.at:%Y-%m-%d %H:%M:%S.%f} {self.kind}: {self.text}"


@attrs.frozen(kw_only=True)
class OrderLine:
    """One order, as the journal holds it; ``docs/journal.md`` explains each column of ``orders``."""

    order_id: int
    perm_id: int | None
    client_id: int | None
    key: str
    is_ours: bool
    account: str
    symbol: str
    action: str
    order_type: str
    tif: str
    limit_price: Decimal | None
    aux_price: Decimal | None
    status: str
    is_finished: bool
    total_quantity: Decimal | None
    filled_quantity: Decimal
    remaining_quantity: Decimal | None
    avg_fill_price: Decimal | None
    reject_message: str | None
    parent_id: int
    oca_group: str
    first_seen_at: datetime
    updated_at: datetime
    finished_at: datetime | None


@attrs.frozen(kw_only=True)
class FillLine:
    """One execution in its newest revision, as the journal holds it."""

    exec_id: str
    revision: int
    order_id: int | None
    key: str
    symbol: str
    action: str
    quantity: Decimal
    price: Decimal
    executed_at: datetime | None
    exchange: str
    account: str
    is_leg: bool
    commission: Decimal | None
    commission_currency: str
    realized_pnl: Decimal | None
    first_seen_at: datetime


@attrs.frozen(kw_only=True)
class IntegrityReport:
    """What reading a whole journal found.

    Attributes:
        problems: What is wrong, in words; empty where nothing is.
        inputs: How many inputs were read.
        orders: How many orders the tables hold.
        fills: How many executions.
        events: How many events.
        size: The file's size in bytes.
    """

    problems: tuple[str, ...]
    inputs: int
    orders: int
    fills: int
    events: int
    size: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems


_Line = TypeVar("_Line", OrderLine, FillLine, HistoryLine)
_Run = Callable[..., sqlite3.Cursor]
_WITH_TAIL: Final = 3
"""The schema version that brought the table ``tail``; a reader does not migrate."""


def _check_wanted(limit: int, **wanted: object) -> None:
    """Raise unless what rows are wanted by is of its type: SQLite would take anything, and find nothing."""
    check_whole("limit", limit, least=1)
    for name, value in wanted.items():
        if value is not None:
            _CHECKS.get(name, check_text)(name, value)


_CHECKS: Final[Mapping[str, Callable[[str, object], None]]] = MappingProxyType(
    {"order_id": check_whole, "since": check_moment, "until": check_moment}
)


class JournalReader:
    """Reads a journal and cannot change it. Any number of them, in any process, while an engine writes.

    Args:
        path: The journal.

    Raises:
        JournalError: It cannot be read; the kind says why.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = resolve(path)
        self._lock = threading.Lock()
        try:
            if not Path(self.path).is_file():
                raise JournalFailed(
                    self.path, "there is no such file", "correct the path, or start the engine first"
                )
            self._connection = self._connect()
        except (sqlite3.Error, OSError) as error:
            raise refusal(self.path, error) from error

    def _connect(self) -> sqlite3.Connection:
        connection = connect(self.path, "ro")
        try:
            identify(connection, self.path)
        except sqlite3.OperationalError:
            connection.close()
            if Path(f"{self.path}-wal").exists():
                raise
            # A closed journal in a folder where nothing may be made: nobody writes, so nothing changes.
            connection = connect(self.path, "ro", immutable=True)
            self._identify(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _identify(self, connection: sqlite3.Connection) -> None:
        try:
            identify(connection, self.path)
        except BaseException:
            connection.close()
            raise

    # ── orders, fills, events ───────────────────────────────────────────────────────────────────

    def orders(
        self,
        *,
        symbol: str | None = None,
        key: str | None = None,
        since: datetime | None = None,
        is_open: bool | None = None,
        limit: int = 10_000,
    ) -> tuple[OrderLine, ...]:
        """Return the newest orders that fit, oldest first.

        Args:
            symbol: Only of this instrument, by its short name (``AAPL``, ``SPY 20261218 C 600``).
            key: Only the one with this client order key.
            since: Only those that changed at or after this moment.
            is_open: Only those that are not finished (True) or that are (False).
            limit: How many at most.
        """
        _check_wanted(limit, key=key, symbol=symbol, since=since)
        if is_open is not None:
            check_flag("is_open", is_open)
        conditions = {
            "symbol = ?": symbol,
            "key = ?": key,
            "updated_at >= ?": since,
            "is_finished = ?": None if is_open is None else not is_open,
        }
        return self._newest(OrderLine, "orders", "id", conditions, limit)

    def fills(
        self,
        *,
        symbol: str | None = None,
        key: str | None = None,
        order_id: int | None = None,
        since: datetime | None = None,
        limit: int = 10_000,
    ) -> tuple[FillLine, ...]:
        """Return the newest executions that fit, oldest first.

        Args:
            symbol: Only of this instrument.
            key: Only of the order with this client order key.
            order_id: Only of the orders with this id.
            since: Only those that became known at or after this moment.
            limit: How many at most.
        """
        _check_wanted(limit, order_id=order_id, key=key, symbol=symbol, since=since)
        conditions = {
            "symbol = ?": symbol,
            "key = ?": key,
            "order_id = ?": order_id,
            "first_seen_at >= ?": since,
        }
        return self._newest(FillLine, "fills", "first_seen_at, exec", conditions, limit)

    def history(
        self,
        *,
        order_id: int | None = None,
        key: str | None = None,
        symbol: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        kinds: Collection[str] | None = None,
        limit: int = 1_000,
    ) -> tuple[HistoryLine, ...]:
        """Return the newest events that fit, oldest first.

        Args:
            order_id: Only about the orders with this id.
            key: Only about the order with this client order key.
            symbol: Only about orders of this instrument.
            since: Only those at or after this moment.
            until: Only those before this moment.
            kinds: Only events of these classes, by their names: ``{"OrderFilled"}``.
            limit: How many at most.
        """
        _check_wanted(limit, order_id=order_id, key=key, symbol=symbol, since=since, until=until)
        if kinds is not None and (isinstance(kinds, str) or not isinstance(kinds, Collection)):
            raise InvalidInput("kinds", f"must be names of events, not {kinds!r}")
        for kind in kinds or ():
            check_text("kinds", kind)
        conditions = {
            "order_id = ?": order_id,
            "key = ?": key,
            "symbol = ?": symbol,
            "at >= ?": since,
            "at < ?": until,
            "kind IN (SELECT value FROM json_each(?))": None if kinds is None else json.dumps(sorted(kinds)),
        }
        return self._newest(HistoryLine, "events", "number", conditions, limit)

    events = history

    def order_id_of(self, key: str) -> int | None:
        """Return the order id that a client order key was committed with, also of pruned orders."""
        check_text("key", key)
        wanted, left = clean_text(key), self._left()
        with self._look() as run:
            found = run("SELECT order_id FROM keys WHERE key = ?", (wanted,)).fetchone()
            where = """head LIKE '%"Submit"%' OR head LIKE '%"Resend"%'"""
            segments = self._segments(run, where) + self._beyond(run, left)
        order_id = number_from(found[0]) if found else None
        for moved in self._apart(segments):
            for told, its_id, _ in moved.keys:
                if order_id is None and clean_text(told) == wanted:
                    order_id = its_id
            for new_id, old_id in moved.resent:
                order_id = new_id if order_id == old_id else order_id
        return order_id

    def knows_order(self, order_id: int) -> bool:
        """Whether anything is told of an order with this id, also what is not in its own table yet."""
        check_whole("order_id", order_id)
        (wanted,) = clean((order_id,))
        left = self._left()
        with self._look() as run:
            for table in ("orders", "events", "keys", "fills"):
                if run(f"SELECT 1 FROM {table} WHERE order_id = ? LIMIT 1", (wanted,)).fetchone():  # noqa: S608 - our own tables
                    return True
            segments = self._segments(run, "1") + self._beyond(run, left)
        for moved in self._apart(segments):
            keyed, resent = {its_id for _, its_id, _ in moved.keys}, {new_id for new_id, _ in moved.resent}
            if wanted in keyed | resent | {InputIdentity.of(row).order_id for row in moved.inputs}:
                return True
        return False

    def order_id_in_keys(self, key: str) -> int | None:
        """Return what the table ``keys`` says, which may lack the newest keys."""
        check_text("key", key)
        found = self._all("SELECT order_id FROM keys WHERE key = ?", (clean_text(key),))
        return number_from(found[0][0]) if found else None

    def state(self, name: str) -> str | None:
        """Return a small durable fact of the engine, such as ``halted``; None where it was never set."""
        check_text("name", name)
        found = self._all("SELECT value FROM state WHERE name = ?", (name,))
        return str(found[0][0]) if found else None

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run plain SQL of your own; ``docs/journal.md`` has the tables, the views and examples."""
        return self._all(statement, values)

    # ── the flight recorder ─────────────────────────────────────────────────────────────────────

    def inputs(self, *, after: int = 0, through: int | None = None) -> Iterator[Entry]:
        """Read the inputs of the book in the order of application.

        Args:
            after: Begin behind this index.
            through: End with this index; None reads on to the newest.

        Raises:
            JournalCorrupt: An entry is damaged.
        """
        last = 2**63 - 1 if through is None else through
        while found := self._stored(after, last):
            for row in found:
                try:
                    yield entry_from(row[:8])
                except (Unreadable, ValueError) as error:
                    raise damaged(self.path, f"input {row[0]} of {row[2]} cannot be read: {error}") from error
            after = found[-1][0]

    def _stored(self, after: int, last: int = 2**63 - 1, left: Left | None = None) -> list[tuple[Any, ...]]:
        """Return the next rows of inputs, also of those that are not in their own table yet.

        Args:
            after: Begin behind this index.
            last: End with this one.
            left: The log of intents; it is read when the file has no more.

        Raises:
            JournalCorrupt: A segment is damaged.
        """
        columns = (
            "number, epoch, at, seq, kind, server_version, body, checksum, order_id, perm_id, key, exec_id"
        )
        with self._look() as run:
            found = run(
                f"SELECT {columns} FROM inputs WHERE number > ? AND number <= ? ORDER BY number LIMIT ?",  # noqa: S608 - our own names
                (after, last, _CHUNK),
            ).fetchall()
            segments = [] if found else self._segments(run, "last > ? AND first <= ?", (after, last), 4)
            if not found and not segments:
                segments = self._beyond(run, left)
        if not found and not segments and left is None:
            # Not before: it costs more than a thousand rows of the file do. What left it since then is there.
            return self._stored(after, last, self._left() or Left(0, [], is_whole=True))
        for segment in segments:
            try:
                found += [row for row in segment.input_rows() if after < row[0] <= last]
            except ValueError as error:
                what = f"inputs {segment.first} to {segment.last} cannot be read: {error}"
                raise damaged(self.path, what) from error
        return found

    @staticmethod
    def _segments(run: _Run, where: str, values: tuple[Any, ...] = (), limit: int = -1) -> list[Segment]:
        """Return segments, oldest first; none of a file that is too old to have any."""
        if int(run("PRAGMA user_version").fetchone()[0]) < _WITH_TAIL:
            return []
        statement = f"SELECT {COLUMNS} FROM tail WHERE {where} ORDER BY first LIMIT ?"  # noqa: S608 - our own names
        return [Segment(*row) for row in run(statement, (*values, limit)).fetchall()]

    def _apart(self, segments: Iterable[Segment]) -> Iterator[Moved]:
        """Take segments apart, one after the other.

        Raises:
            JournalCorrupt: One is damaged.
        """
        for segment in segments:
            try:
                moved = Moved.take_apart((segment,), _no_pause)
            except ValueError as error:
                what = f"inputs {segment.first} to {segment.last} cannot be read: {error}"
                raise damaged(self.path, what) from error
            yield moved

    def _left(self) -> Left | None:
        """Read the log of intents: before the file, so that what leaves it meanwhile is seen there."""
        made_at = self._all("SELECT value FROM meta WHERE name = 'created_at'")
        try:
            return read_log(self.path, str(made_at[0][0])) if made_at else None
        except OSError as error:
            raise refusal(self.path, error) from error

    @staticmethod
    def _beyond(run: _Run, left: Left | None) -> list[Segment]:
        """Return what stands in the log of intents and not in the file yet."""
        if left is None or int(run("PRAGMA user_version").fetchone()[0]) < _WITH_TAIL:
            return []
        if not is_of_file(left, run):
            return []
        return left.segments(*newest_input(run), 0)

    def execution_ids(self) -> frozenset[str]:
        """Return the ids of all executions that the stored inputs tell of."""
        left = self._left()
        with self._look() as run:
            found = run("SELECT DISTINCT exec_id FROM inputs WHERE exec_id IS NOT NULL").fetchall()
            segments = self._segments(run, "1") + self._beyond(run, left)
        ids = {str(row[0]) for row in found}
        for segment in segments:
            ids.update(row[-1] for row in segment.input_rows() if row[-1] is not None)
        return frozenset(ids)

    def check(self) -> IntegrityReport:
        """Read the whole file: SQLite's own check, every input, and that the tables fit together."""
        problems: list[str] = []
        counts = dict.fromkeys(("inputs", "orders", "fills", "events"), 0)
        try:
            found = [str(row[0]) for row in self._all("PRAGMA integrity_check(20)")]
            problems += [" ".join(line.split()) for line in found if line != "ok"]
            left = self._left()
            with self._look() as run:
                for table in counts:
                    counts[table] = int(run(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our own tables
                segments = self._segments(run, "1") + self._beyond(run, left)
            counts["inputs"] += sum(segment.count for segment in segments)
            problems += self._damaged_inputs()
            problems += _damaged_segments(segments)
            strays = self._all(
                "SELECT exec FROM fills WHERE order_row NOT IN (SELECT id FROM orders)"  # NULL is in neither
            )
            problems += [f"fill {row[0]} belongs to an order that is not there" for row in strays[:20]]
        except (sqlite3.Error, JournalError) as error:
            problems.append(str(error))
        files = [Path(f"{self.path}{ending}") for ending in ("", "-wal", "-intents")]
        size = sum(file.stat().st_size for file in files if file.exists())
        return IntegrityReport(problems=tuple(problems), size=size, **counts)

    def _damaged_inputs(self) -> Iterator[str]:
        after = 0
        while found := self._all(
            "SELECT number, epoch, at, seq, kind, server_version, body, checksum FROM inputs "
            "WHERE number > ? ORDER BY number LIMIT ?",
            (after, _CHUNK),
        ):
            for row in found:
                try:
                    entry_from(row)
                except (Unreadable, ValueError) as error:
                    yield f"input {row[0]} cannot be read: {error}"
            after = found[-1][0]

    def identities(self) -> Iterator[InputIdentity]:
        """Read what every input says of the order that it is about, oldest first."""
        after = 0
        while found := self._stored(after):
            yield from (InputIdentity.of(row) for row in found)
            after = found[-1][0]

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _newest(
        self, kind: type[_Line], table: str, order: str, conditions: Mapping[str, Any], limit: int
    ) -> tuple[_Line, ...]:
        """Return the last rows that fit all conditions whose value is not None, in the given order."""
        held = {where: value for where, value in conditions.items() if value is not None}
        where = " AND ".join(held) or "1"
        newest = ", ".join(f"{name} DESC" for name in order.split(", "))
        names = ", ".join(one.name for one in attrs.fields(kind))
        bound: tuple[Any, ...] = tuple(
            to_text(one) if isinstance(one, datetime) else one for one in held.values()
        )
        statement = f"SELECT {names} FROM {table} WHERE {where} ORDER BY {newest} LIMIT ?"  # noqa: S608 - our own names; values are bound
        return tuple(_line(kind, row) for row in reversed(self._all(statement, (*bound, limit))))

    def _all(self, statement: str, values: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """Run a query and take all its rows, so that no transaction stays open."""
        try:
            with self._lock:
                return self._connection.execute(statement, clean(values)).fetchall()
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) == sqlite3.SQLITE_ERROR:
                raise  # the statement is at fault, not the file
            raise refusal(self.path, error) from error

    @contextlib.contextmanager
    def _look(self) -> Iterator[_Run]:
        """Read several things as of one moment; no transaction stays open."""
        try:
            with self._lock:
                self._connection.execute("BEGIN")
                try:
                    yield self._connection.execute
                finally:
                    self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise refusal(self.path, error) from error

    def close(self) -> None:
        """Close the file. May be called again."""
        with self._lock, contextlib.suppress(sqlite3.Error):
            self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _damaged_segments(segments: Iterable[Segment]) -> Iterator[str]:
    for segment in segments:
        try:
            for row in segment.input_rows():
                entry_from(row[:8])
        except (Unreadable, ValueError) as error:
            yield f"inputs {segment.first} to {segment.last} cannot be read: {error}"


def _no_pause() -> None:
    """Go on at once."""


def _line(kind: type[_Line], row: tuple[Any, ...]) -> _Line:
    """Make a value of a row whose columns are the value's fields."""
    named = zip(attrs.fields(kind), row, strict=True)
    return kind(**{one.name: _read(str(one.type), value) for one, value in named})


def _read(hint: str, value: Any) -> Any:  # noqa: ANN401 - what the hint says
    if value is None:
        return None
    if hint.startswith("Decimal"):
        return Decimal(value)
    if hint.startswith("datetime"):
        return from_text(value)
    if hint.startswith("Mapping"):
        return MappingProxyType(json.loads(value))
    return bool(value) if hint == "bool" else value
