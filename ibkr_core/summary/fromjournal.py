"""A day's orders from the tables of a journal."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Final

from ibkr_core.journal import JournalReader
from ibkr_core.journal.times import from_text, to_text
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action
from ibkr_core.model.status import OrderStatus
from ibkr_core.summary.counting import TradedOrder, read_multiplier, span_us

__all__ = ["read_journal"]

_MARGIN: Final = timedelta(days=2)
"""Whatever the zone: an order of a day did not last change two days before it."""
_ORDERS: Final = (
    "id key symbol currency action order_type status is_ours total_quantity filled_quantity limit_price "
    "aux_price first_seen_at submitted_at acknowledged_at finished_at"
).split()
_FILLS: Final = (
    "order_row exec_id revision action quantity price executed_at time_text account is_leg commission "
    "commission_currency realized_pnl"
).split()
_SINCE_VERSION: Final = 2
"""The schema version from which on there are ``orders.multiplier`` and ``fills.is_allocation``."""


def read_journal(reader: JournalReader, day: date) -> list[TradedOrder]:
    """Read all orders that may belong to a day, in whatever zone.

    Raises:
        JournalError: The journal cannot be read.
    """
    since = to_text(datetime.combine(day, time(), UTC) - _MARGIN)
    is_new = int(reader.query("PRAGMA user_version")[0][0]) >= _SINCE_VERSION
    orders = _rows(reader, "orders", _ORDERS, "multiplier" if is_new else "''", "updated_at >= ?", since)
    of_these = "order_row IN (SELECT id FROM orders WHERE updated_at >= ?)"
    found = _rows(reader, "fills", _FILLS, "is_allocation" if is_new else "0", of_these, since)
    fills: dict[int, list[Fill]] = {}
    for row in found:
        fills.setdefault(row["order_row"], []).append(_fill(row))
    return [_order(row, tuple(fills.get(row["id"], ()))) for row in orders]


def _rows(
    reader: JournalReader, table: str, names: list[str], last: str, where: str, value: str
) -> list[dict[str, Any]]:
    """Read the named columns, and one more that is called ``last``."""
    statement = f"SELECT {', '.join(names)}, {last} FROM {table} WHERE {where}"  # noqa: S608 - our own names
    return [dict(zip([*names, "last"], row, strict=True)) for row in reader.query(statement, value)]


def _order(row: Mapping[str, Any], fills: tuple[Fill, ...]) -> TradedOrder:
    submitted = _moment(row["submitted_at"])
    is_filled = row["status"] == OrderStatus.FILLED.value
    return TradedOrder(
        key=row["key"],
        symbol=row["symbol"] or "?",
        currency=row["currency"],
        multiplier=read_multiplier(row["last"]),
        action=row["action"],
        order_type=row["order_type"],
        status=OrderStatus(row["status"]),
        is_ours=bool(row["is_ours"]),
        quantity=_number(row["total_quantity"]),
        filled_quantity=Decimal(row["filled_quantity"]),
        limit_price=_number(row["limit_price"]),
        aux_price=_number(row["aux_price"]),
        began_at=submitted if submitted is not None else from_text(row["first_seen_at"]),
        was_submitted=submitted is not None,
        ack_us=span_us(submitted, _moment(row["acknowledged_at"])),
        fill_us=span_us(submitted, _moment(row["finished_at"]) if is_filled else None),
        fills=fills,
    )


def _fill(row: Mapping[str, Any]) -> Fill:
    return Fill(
        exec_id=row["exec_id"],
        revision=row["revision"],
        action=Action(row["action"]) if row["action"] else None,
        quantity=Decimal(row["quantity"]),
        price=Decimal(row["price"]),
        time=_moment(row["executed_at"]),
        time_text=row["time_text"],
        account=row["account"],
        is_leg=bool(row["is_leg"]),
        commission=_number(row["commission"]),
        commission_currency=row["commission_currency"],
        realized_pnl=_number(row["realized_pnl"]),
        is_allocation=bool(row["last"]),
    )


def _number(text: str | None) -> Decimal | None:
    return None if text is None else Decimal(text)


def _moment(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)
