"""Inputs, orders and fills as rows of the journal's tables."""

from __future__ import annotations

import functools
import itertools
import json
import sqlite3
import typing
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeVar, cast

from ibkr_core.journal import encoding
from ibkr_core.journal.entries import Entry, Frame, Payload
from ibkr_core.journal.times import from_text, to_text
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.inputs import Command
from ibkr_core.model import facts
from ibkr_core.model.facts import BrokerFact, HotValues, fact_of
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord

__all__ = [
    "INSERT_INPUT",
    "INSERT_KEY",
    "JSON",
    "UPSERT_FILL",
    "UPSERT_ORDER",
    "OrderRows",
    "Row",
    "clean",
    "clean_text",
    "contents_of",
    "entry_from",
    "fill_row",
    "input_checksum",
    "input_row",
    "insert_all",
    "number_from",
    "order_row",
    "run_cleaned",
    "same_again",
]

Row = tuple[Any, ...]
_Id = TypeVar("_Id", int, str)

JSON: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def _insert(table: str, columns: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - our own table names


def same_again(key: str) -> str:
    """Return what lets a row be inserted that is there already, by its checksum; another one is refused.

    Ctrl-C is raised where SQLite returns: then nobody knows that a transaction is in the file, and what it
    wrote is written once more. A checksum that differs becomes NULL, which no such column takes.
    """
    same = "CASE WHEN checksum = excluded.checksum THEN checksum END"
    return f"ON CONFLICT ({key}) DO UPDATE SET checksum = {same}"


# ── inputs ──────────────────────────────────────────────────────────────────────────────────────

INSERT_INPUT: Final = f"{_insert('inputs', 12)} {same_again('number')}"
INSERT_KEY: Final = "INSERT OR IGNORE INTO keys VALUES (?, ?, ?)"

_FRAME_WITHOUT_FACT: Final = "FRAME"
_Identity = tuple[int | None, int | None, str | None, str | None]
"""Order id, permId, orderRef, execution id: what an input says of the order that it is about."""
_NOBODY: Final[_Identity] = (None, None, None, None)


def input_row(
    number: int, epoch: int, payload: Payload, at: datetime, seq: int, fact: BrokerFact | HotValues | None
) -> Row:
    """Make the row of one input.

    Args:
        number: Its index.
        epoch: The run.
        payload: The input.
        at: When the book was told.
        seq: The book's last event number before.
        fact: What a frame was decoded to.
    """
    kind, version, body, identity = contents_of(payload, fact)
    at_text = to_text(at)
    data = body if isinstance(body, bytes) else body.encode()
    checksum = input_checksum(number, at_text, kind, version, data)
    return (number, epoch, at_text, seq, kind, version, body, checksum, *identity)


def contents_of(
    payload: Payload, fact: BrokerFact | HotValues | None
) -> tuple[str, int | None, bytes | str, _Identity]:
    """Return an input's kind, its protocol version, its body, and what it says of its order."""
    if type(payload) is Frame:
        if type(fact) is tuple:
            fact = fact_of(fact)
        kind = _FRAME_WITHOUT_FACT if fact is None else type(fact).__name__
        return kind, payload.server_version, payload.body, _IDENTITIES[type(fact)](fact)
    command = cast("Command | BrokerFact", payload)
    return encoding.kind_of(command), None, encoding.to_json(command), _IDENTITIES[type(command)](command)


def input_checksum(number: int, at: str, kind: str, version: int | None, body: bytes) -> int:
    """Return the checksum of an input's row."""
    # SQLite keeps none of its own: a flipped bit in a frame would change a price and nobody would know.
    return zlib.crc32(body, zlib.crc32(f"{number} {at} {kind} {version}".encode()))


def entry_from(row: Sequence[Any]) -> Entry:
    """Read an entry from the first eight columns of its row.

    Raises:
        ValueError: The row is damaged, or :class:`~ibkr_core.journal.encoding.Unreadable`.
    """
    number, epoch, at, seq, kind, version, body, checksum = row
    data = body.encode() if isinstance(body, str) else body
    if input_checksum(number, at, kind, version, data) != checksum:
        raise ValueError("its checksum does not fit")
    payload: Payload
    payload = Frame(version, data) if version is not None else encoding.from_json(kind, body)
    return Entry(number, from_text(at), payload, seq, epoch)


def _of_echo(fact: facts.OpenOrderFact | facts.CompletedOrderFact) -> _Identity:
    return fact.order.order_id, fact.order.perm_id, fact.order.order_ref or None, None


def _of_submit(command: inputs.Submit) -> _Identity:
    if len(command.orders) != 1:
        return _NOBODY  # its body tells
    return command.orders[0].order_id, None, command.orders[0].key or None, None


def _of_sent(command: inputs.Sent) -> _Identity:
    return (command.order_ids[0], None, None, None) if len(command.order_ids) == 1 else _NOBODY


def _of_one(command: Any) -> _Identity:  # noqa: ANN401 - any command about one order
    return getattr(command, "order_id", None), getattr(command, "perm_id", None), None, None


def _of_none(_: object) -> _Identity:
    return _NOBODY


_IDENTITIES: Final[Mapping[type, Callable[[Any], _Identity]]] = {
    **dict.fromkeys(typing.get_args(inputs.Command), _of_one),
    inputs.Submit: _of_submit,
    inputs.Sent: _of_sent,
    facts.StatusFact: lambda fact: (fact.order_id, fact.perm_id, None, None),
    facts.OpenOrderFact: _of_echo,
    facts.CompletedOrderFact: _of_echo,
    facts.ExecutionFact: lambda fact: (fact.order_id, fact.perm_id, fact.order_ref or None, fact.exec_id),
    facts.CommissionFact: lambda fact: (None, None, None, fact.exec_id),
    facts.ErrorFact: lambda fact: (fact.request_id, None, None, None),
    facts.OrderBoundFact: lambda fact: (fact.order_id, fact.perm_id, None, None),
    type(None): _of_none,  # a frame that nobody has decoded
}
"""Every input has its way, so that a new kind cannot be overlooked."""


# ── orders ──────────────────────────────────────────────────────────────────────────────────────

_ORDER_COLUMNS: Final = (
    "id order_id perm_id client_id key is_ours account symbol sec_type con_id exchange currency action "
    "order_type tif limit_price aux_price status broker_status is_finished total_quantity filled_quantity "
    "remaining_quantity unexplained_quantity avg_fill_price commissions pending reject_code reject_message "
    "why_held parent_id oca_group retry_count first_seen_at submitted_at sent_at acknowledged_at updated_at "
    "finished_at multiplier"
).split()


def _upsert(table: str, columns: Sequence[str], *kept: str) -> str:
    """Write the statement that inserts a row, or brings all of it but the ``kept`` columns up to date."""
    key = columns[0]
    changes = ", ".join(f"{name} = excluded.{name}" for name in columns[1:] if name not in kept)
    names, marks = ", ".join(columns), ", ".join("?" * len(columns))
    return f"INSERT INTO {table} ({names}) VALUES ({marks}) ON CONFLICT ({key}) DO UPDATE SET {changes}"  # noqa: S608 - our own names


UPSERT_ORDER: Final = _upsert("orders", _ORDER_COLUMNS, "first_seen_at")


def order_row(row: int, record: OrderRecord, at: str) -> Row:
    """Make the row of one order.

    Args:
        row: Its ``id``.
        record: The order.
        at: The moment of what is told, as text: counts where the order itself names none.
    """
    contract, order, echo, reject = record.contract, record.order, record.broker_order, record.reject
    terms = order if order is not None else echo
    updated = _moment(record.last_update_time) or at
    first = record.history[0].at if record.history else record.submission_time
    return (
        row,
        record.order_id,
        record.perm_id,
        record.client_id,
        record.key,
        record.is_ours,
        _account(record),
        record.symbol if contract is not None else "",
        contract.sec_type if contract is not None else "",
        contract.con_id if contract is not None else 0,
        contract.exchange if contract is not None else "",
        contract.currency if contract is not None else "",
        record.action,
        record.order_type,
        terms.tif if terms is not None else "",
        _number(record.limit_price),
        _number(terms.aux_price) if terms is not None else None,
        record.status.value,
        record.broker_status,
        record.is_finished,
        _number(record.total_quantity),
        str(record.filled_quantity),
        _number(record.remaining_quantity),
        str(record.unexplained_quantity),
        _number(record.avg_fill_price),
        JSON.encode({currency: str(amount) for currency, amount in record.commissions.items()}),
        JSON.encode([request.value for request in record.pending]),
        reject.code if reject is not None else None,
        reject.message if reject is not None else None,
        record.why_held,
        record.parent_id,
        record.oca_group,
        record.retry_count,
        _moment(first) or updated,
        _moment(record.submission_time),
        _moment(record.sent_time),
        _moment(record.acknowledged_time),
        updated,
        _moment(record.finished_time),
        contract.multiplier if contract is not None else "",
    )


def _account(record: OrderRecord) -> str:
    told = [fill.account for fill in record.fills[-1:]]
    told += [terms.account for terms in (record.broker_order, record.order) if terms is not None]
    return next((account for account in told if account), "")


def _number(value: Decimal | None) -> str | None:
    return None if value is None else str(value)


def _moment(at: datetime | None) -> str | None:
    return None if at is None else to_text(at)


_ROWS_KNOWN: Final = 10_000
"""Orders whose rows are kept in mind; the file knows those of all."""


class OrderRows:
    """Which row an order has: by permId, then our key, then order and client id, as the book knows it.

    Args:
        connection: For what earlier runs wrote.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._by_perm: dict[int, int] = {}
        self._by_key: dict[str, int] = {}
        self._by_id: dict[tuple[int, int | None], int] = {}
        self._held: dict[int, tuple[int | None, str]] = {}  # permId and key of each row
        self._asked: set[int] = set()  # order ids by which the file was asked
        self._next = int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone()[0])

    def prepare(self, records: Sequence[OrderRecord]) -> None:
        """Learn what the file knows of some orders, before :meth:`row_of` is asked for them.

        Everything that was asked for before must be in the file.
        """
        if len(self._held) > _ROWS_KNOWN:
            for known in (self._by_perm, self._by_key, self._by_id, self._held, self._asked):
                known.clear()
        perms = {r.perm_id for r in records if r.perm_id} - self._by_perm.keys()
        keys = {r.key for r in records if r.key and r.is_ours} - self._by_key.keys()
        ids = {r.order_id for r in records if r.order_id} - self._asked
        self._asked |= ids
        self._by_perm.update((perm, row) for perm, row, _ in self._rows_with("perm_id", perms))
        self._by_key.update((key, row) for key, row, _ in self._rows_with("key", keys, " AND is_ours"))
        for identity, row in {
            (one, client): row for one, row, client in self._rows_with("order_id", ids)
        }.items():
            self._by_id.setdefault(identity, row)

    def _rows_with(
        self, column: str, wanted: Collection[_Id], condition: str = ""
    ) -> Iterator[tuple[_Id, int, int | None]]:
        """Yield the orders of the file that have one of some values, the oldest first: it, row, client."""
        if not wanted:
            return
        stored: dict[object, _Id] = dict(zip(clean([*wanted]), wanted, strict=True))
        marks = ", ".join("?" * len(stored))
        found = self._connection.execute(
            f"SELECT {column}, id, client_id, perm_id, key FROM orders "  # noqa: S608 - our own names
            f"WHERE {column} IN ({marks}){condition} ORDER BY id",
            [*stored],
        )
        for value, row, client, perm, key in found.fetchall():
            self._held.setdefault(row, (None if perm is None else number_from(perm), key))
            yield stored[value], row, client

    def row_of(self, record: OrderRecord) -> int:
        """Return the row's id; a new one for an order that was not written before."""
        row = self._find(record)
        if row is None:
            row, self._next = self._next, self._next + 1
        # An order that is sent again has no permId until it gets its next one.
        self._held[row] = (record.perm_id or None, clean_text(record.key))
        if record.perm_id:
            self._by_perm[record.perm_id] = row
        if record.key and record.is_ours:
            self._by_key[record.key] = row
        if record.order_id:
            self._by_id[record.order_id, record.client_id] = row
        return row

    def _find(self, record: OrderRecord) -> int | None:
        if record.perm_id:
            row = self._by_perm.get(record.perm_id)
            if row is not None:
                return row
        if record.key and record.is_ours:
            row = self._by_key.get(record.key)
            if row is not None and self._may_be(row, record):
                return row
        if not record.order_id:
            return None
        for client in dict.fromkeys((record.client_id, None)):
            row = self._by_id.get((record.order_id, client))
            if row is not None and self._may_be(row, record):
                return row
        return None

    def _may_be(self, row: int, record: OrderRecord) -> bool:
        """Tell whether a row found by a weaker identity can be this order's."""
        perm, key = self._held[row]
        if perm and record.perm_id and perm != record.perm_id:
            return False
        return not (key and record.key and key != clean_text(record.key))


# ── fills ───────────────────────────────────────────────────────────────────────────────────────

_FILL_COLUMNS: Final = (
    "exec exec_id revision order_row order_id key symbol con_id action quantity price executed_at time_text "
    "exchange account liquidity is_leg commission commission_currency realized_pnl first_seen_at updated_at "
    "is_allocation"
).split()
UPSERT_FILL: Final = _upsert("fills", _FILL_COLUMNS, "first_seen_at")


def fill_row(fill: Fill, record: OrderRecord | None, row: int | None, first_at: str, at: str) -> Row:
    """Make the row of one execution.

    Args:
        fill: The execution.
        record: Its order, None where it belongs to none.
        row: That order's row.
        first_at: When it became known, as text; counts where it has no row yet.
        at: When it last changed, as text.
    """
    action = fill.action.value if fill.action is not None else ""
    return (
        ExecutionId.parse(fill.exec_id).base,
        fill.exec_id,
        fill.revision,
        row,
        record.order_id if record is not None else None,
        record.key if record is not None else "",
        fill.symbol or (record.symbol if record is not None else ""),
        fill.con_id,
        action or (record.action if record is not None else ""),
        str(fill.quantity),
        str(fill.price),
        _moment(fill.time),
        fill.time_text,
        fill.exchange,
        fill.account,
        fill.liquidity,
        fill.is_leg,
        _number(fill.commission),
        fill.commission_currency,
        _number(fill.realized_pnl),
        first_at,
        at,
        fill.is_allocation,
    )


# ── into the tables ─────────────────────────────────────────────────────────────────────────────


_AT_ONCE: Final = (1, 4, 16, 64, 256)
"""Rows that one statement writes. Few sizes, so that each is prepared once; large ones, because SQLite lets
the interpreter go at every statement, and to get it back beside a busy thread takes its switch interval."""


def insert_all(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run a statement that inserts a row for many rows. A broker's odd value never stops it.

    Args:
        connection: The file, in a transaction.
        statement: ``INSERT INTO ... VALUES (?, ?) ...``, for one row.
        rows: The rows; the first value of each is there.

    Raises:
        sqlite3.Error: The file could not be written.
    """
    if not rows:
        return
    width = len(rows[0])
    most = connection.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER) // width
    sizes = [size for size in _AT_ONCE if size == 1 or size <= most]
    for begin in range(0, len(rows), sizes[-1]):
        some = rows[begin : begin + sizes[-1]]
        size = next(size for size in sizes if size >= len(some))
        missing = size - len(some)
        run, none = _for_several(statement, size, is_full=not missing), (None,) * (width * missing)
        try:
            connection.execute(run, [*itertools.chain.from_iterable(some), *none])
        except (OverflowError, UnicodeEncodeError):  # an id beyond 64 bits, half a character: nothing was run
            connection.execute(run, [*itertools.chain.from_iterable(map(clean, some)), *none])


@functools.cache
def _for_several(statement: str, count: int, *, is_full: bool) -> str:
    """Write the statement for so many rows; where it is not full, empty ones are left out."""
    if count == 1:
        return statement
    begin = statement.index("VALUES (?")
    end = statement.index(")", begin) + 1
    marks = ", ".join([statement[begin + len("VALUES ") : end]] * count)
    some = f"VALUES {marks}"
    if not is_full:  # costs more a row, and spares a statement for each number of rows
        some = f"SELECT * FROM ({some}) WHERE column1 IS NOT NULL"  # noqa: S608 - marks, no values
    return statement[:begin] + some + statement[end:]


def run_cleaned(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> None:
    """Run a statement once, whatever odd values it is for."""
    connection.execute(statement, clean(values))


def clean(row: Sequence[Any]) -> Row:
    """Turn what SQLite cannot hold into text that it can."""
    return tuple(_clean(value) for value in row)


def _clean(value: Any) -> Any:  # noqa: ANN401 - any value
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        return hex(value)  # decimal digits would become a rounded REAL in an INTEGER column
    return value


def number_from(stored: int | str) -> int:
    """Read an id as :func:`clean` may have left it."""
    return stored if isinstance(stored, int) else int(stored, 16)


def clean_text(text: str) -> str:
    """Return the text without halves of characters, which UTF-8 does not have."""
    return text.encode("utf-8", "backslashreplace").decode()
