"""Inputs, events, orders and fills as rows of the journal's tables."""

from __future__ import annotations

import json
import math
import sqlite3
import typing
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import attrs

from ibkr_core.journal import encoding
from ibkr_core.journal.entries import Entry, Frame, Payload
from ibkr_core.journal.times import from_text, to_text
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.ledger import ExecutionId
from ibkr_core.model import facts
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import Event
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderMessage, OrderRecord

__all__ = [
    "INSERT_EVENT",
    "INSERT_INPUT",
    "INSERT_KEY",
    "UPSERT_FILL",
    "UPSERT_ORDER",
    "OrderRows",
    "Row",
    "clean",
    "clean_text",
    "entry_from",
    "event_row",
    "fill_row",
    "input_row",
    "insert_all",
    "number_from",
    "order_row",
]

Row = tuple[Any, ...]


def _insert(table: str, columns: int) -> str:
    return f"INSERT INTO {table} VALUES ({', '.join('?' * columns)})"  # noqa: S608 - our own table names


# ── inputs ──────────────────────────────────────────────────────────────────────────────────────

INSERT_INPUT: Final = _insert("inputs", 12)
INSERT_KEY: Final = "INSERT OR IGNORE INTO keys VALUES (?, ?, ?)"

_FRAME_WITHOUT_FACT: Final = "FRAME"
_Identity = tuple[int | None, int | None, str | None, str | None]
"""Order id, permId, orderRef, execution id: what an input says of the order that it is about."""
_NOBODY: Final[_Identity] = (None, None, None, None)


def input_row(
    number: int, epoch: int, payload: Payload, at: datetime, seq: int, fact: BrokerFact | None
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
    version: int | None = None
    body: bytes | str
    if isinstance(payload, Frame):
        version, body = payload.server_version, payload.body
        kind = _FRAME_WITHOUT_FACT if fact is None else type(fact).__name__
        told: object = fact
    else:
        body, kind, told = encoding.to_json(payload), encoding.kind_of(payload), payload
    at_text = to_text(at)
    identity = _IDENTITIES[type(told)](told)
    checksum = _checksum(number, at_text, kind, version, body if isinstance(body, bytes) else body.encode())
    return (number, epoch, at_text, seq, kind, version, body, checksum, *identity)


def _checksum(number: int, at: str, kind: str, version: int | None, body: bytes) -> int:
    # SQLite keeps none of its own: a flipped bit in a frame would change a price and nobody would know.
    return zlib.crc32(body, zlib.crc32(f"{number} {at} {kind} {version}".encode()))


def entry_from(row: Sequence[Any]) -> Entry:
    """Read an entry from the first eight columns of its row.

    Raises:
        ValueError: The row is damaged, or :class:`~ibkr_core.journal.encoding.Unreadable`.
    """
    number, epoch, at, seq, kind, version, body, checksum = row
    data = body.encode() if isinstance(body, str) else body
    if _checksum(number, at, kind, version, data) != checksum:
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


# ── events ──────────────────────────────────────────────────────────────────────────────────────

INSERT_EVENT: Final = (
    "INSERT INTO events (epoch, seq, at, kind, order_id, perm_id, key, symbol, status, text, details) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


def event_row(event: Event, epoch: int) -> Row:
    """Make the row of one event."""
    record = getattr(event, "record", None)
    details = {
        one.name: getattr(event, one.name) for one in attrs.fields(type(event)) if one.name not in _COMMON
    }
    about: Row = (getattr(event, "order_id", None), None, None, None, None)
    if isinstance(record, OrderRecord):
        symbol = record.symbol if record.contract is not None else None
        about = (record.order_id, record.perm_id, record.key or None, symbol, record.status.value)
    text = _text_of(details, record)
    plain = {name: plain for name, value in details.items() if (plain := _plain(value)) is not None}
    return (epoch, event.seq, to_text(event.at), type(event).__name__, *about, text, _JSON.encode(plain))


_COMMON: Final = frozenset({"at", "seq", "is_dry_run", "record", "shown", "order_id"})
_JSON: Final = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


def _text_of(details: Mapping[str, Any], record: OrderRecord | None) -> str:
    """Say in one line what happened: the order, and what the event adds."""
    words = [str(record)] if record is not None else []
    for name, value in details.items():
        match value:
            case Fill():
                words.append(f"{name} {value.quantity} at {value.price}")
            case OrderMessage():
                words.append(f"{value.code} {value.message}" if value.code else value.message)
            case Enum():
                words.append(f"{name} {value.value}")
            case Contract():
                words.append(value.name)
            case str() | int() | float() | Decimal() if value or record is None:
                words.append(f"{name} {value}")
    return " ".join("; ".join(words).split())


def _plain(value: object) -> Any:  # noqa: ANN401, PLR0911 - whatever JSON has
    """Turn a detail of an event into what JSON has; None for what is empty."""
    match value:
        case None | "" | ():
            return None
        case Enum():
            return value.value
        case bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return str(value)
        case datetime():
            return to_text(value)
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case Iterable():
            return [_plain(one) for one in value]
        case _ if attrs.has(type(value)):
            held = {name: getattr(value, name) for name in attrs.fields_dict(type(value))}  # type: ignore[arg-type]  # has() said so
            return {name: plain for name, one in held.items() if (plain := _plain(one)) is not None}
    return str(value)


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
        _JSON.encode({currency: str(amount) for currency, amount in record.commissions.items()}),
        _JSON.encode([request.value for request in record.pending]),
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


_MOST_HELD: Final = 5_000
"""Orders whose rows are kept in memory."""


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
        self._next = int(connection.execute("SELECT coalesce(max(id), 0) + 1 FROM orders").fetchone()[0])

    def row_of(self, record: OrderRecord) -> int:
        """Return the row's id; a new one for an order that was not written before."""
        row = self._find(record)
        if row is None:
            row, self._next = self._next, self._next + 1
        # An order that is sent again has no permId until it gets its next one.
        self._held[row] = (record.perm_id or None, record.key)
        if record.perm_id:
            self._by_perm[record.perm_id] = row
        if record.key and record.is_ours:
            self._by_key[record.key] = row
        if record.order_id:
            self._by_id[record.order_id, record.client_id] = row
        return row

    def trim(self) -> None:
        """Forget whose rows are whose, where they are many: the tables know it too, once they are written."""
        if len(self._held) > _MOST_HELD:
            for cache in (self._by_perm, self._by_key, self._by_id, self._held):
                cache.clear()

    def _find(self, record: OrderRecord) -> int | None:
        if record.perm_id:
            row = self._known(self._by_perm, record.perm_id, "perm_id = ?", record.perm_id)
            if row is not None:
                return row
        if record.key and record.is_ours:
            row = self._known(self._by_key, record.key, "key = ? AND is_ours", record.key)
            if row is not None and self._may_be(row, record):
                return row
        if not record.order_id:
            return None
        for client in dict.fromkeys((record.client_id, None)):
            identity = (record.order_id, client)
            row = self._known(self._by_id, identity, "order_id = ? AND client_id IS ?", *identity)
            if row is not None and self._may_be(row, record):
                return row
        return None

    def _may_be(self, row: int, record: OrderRecord) -> bool:
        """Tell whether a row found by a weaker identity can be this order's."""
        perm, key = self._held[row]
        if perm and record.perm_id and perm != record.perm_id:
            return False
        return not (key and record.key and key != record.key)

    def _known(self, cache: Mapping[Any, int], key: object, where: str, *values: object) -> int | None:
        found = cache.get(key)
        if found is not None:
            return found
        row = self._connection.execute(
            f"SELECT id, perm_id, key FROM orders WHERE {where} ORDER BY id DESC LIMIT 1",  # noqa: S608 - our own conditions
            clean(values),
        ).fetchone()
        if row is None:
            return None
        self._held.setdefault(row[0], (row[1], row[2]))
        return int(row[0])


# ── fills ───────────────────────────────────────────────────────────────────────────────────────

_FILL_COLUMNS: Final = (
    "exec exec_id revision order_row order_id key symbol con_id action quantity price executed_at time_text "
    "exchange account liquidity is_leg commission commission_currency realized_pnl first_seen_at updated_at "
    "is_allocation"
).split()
UPSERT_FILL: Final = _upsert("fills", _FILL_COLUMNS, "first_seen_at")


def fill_row(fill: Fill, record: OrderRecord | None, row: int | None, at: str) -> Row:
    """Make the row of one execution.

    Args:
        fill: The execution.
        record: Its order, None where it belongs to none.
        row: That order's row.
        at: The moment, as text.
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
        at,
        at,
        fill.is_allocation,
    )


# ── into the tables ─────────────────────────────────────────────────────────────────────────────


def insert_all(connection: sqlite3.Connection, statement: str, rows: Sequence[Row]) -> None:
    """Run a statement for many rows. A broker's odd value never stops it.

    Raises:
        sqlite3.Error: The file could not be written.
    """
    if not rows:
        return
    connection.execute("SAVEPOINT rows")
    try:
        connection.executemany(statement, rows)
    except (OverflowError, UnicodeEncodeError):  # an id beyond 64 bits, half a character
        connection.execute("ROLLBACK TO rows")
        connection.executemany(statement, [clean(row) for row in rows])
    connection.execute("RELEASE rows")


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
