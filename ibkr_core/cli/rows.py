"""Orders, fills, positions and events as rows to show, wherever they come from."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime, tzinfo
from typing import Final

import attrs

from ibkr_core.cli.show import Column, Row
from ibkr_core.journal import FillLine, OrderLine
from ibkr_core.model.facts import Position
from ibkr_core.model.fill import Fill, parse_execution_time
from ibkr_core.model.record import OrderRecord

__all__ = [
    "FILL_COLUMNS",
    "ORDER_COLUMNS",
    "POSITION_COLUMNS",
    "fill_of_line",
    "fills_of_record",
    "is_on_day",
    "order_of_line",
    "order_of_record",
    "position_row",
]

ORDER_COLUMNS: Final[Sequence[Column]] = (
    Column("order_id", "#", is_number=True),
    Column("client_id", "Client", is_number=True, rank=4),
    Column("account", "Account", rank=5),
    Column("action", "Side"),
    Column("quantity", "Quantity", is_number=True),
    Column("symbol", "Instrument"),
    Column("order_type", "Type", rank=2),
    Column("limit_price", "Limit", is_number=True),
    Column("aux_price", "Stop", is_number=True),
    Column("tif", "TIF", rank=6),
    Column("status", "Status"),
    Column("filled_quantity", "Filled", is_number=True),
    Column("average_price", "Average", is_number=True, rank=1),
    Column("reason", "Reason", rank=3),
)
FILL_COLUMNS: Final[Sequence[Column]] = (
    Column("time", "Time"),
    Column("order_id", "#", is_number=True),
    Column("account", "Account", rank=5),
    Column("action", "Side"),
    Column("quantity", "Quantity", is_number=True),
    Column("symbol", "Instrument"),
    Column("price", "Price", is_number=True),
    Column("exchange", "Exchange", rank=6),
    Column("commission", "Commission", is_number=True, rank=3),
    Column("commission_currency", "", rank=3),
    Column("realized_pnl", "Realised", is_number=True, rank=2),
    Column("is_leg", "Leg", rank=4),
)
POSITION_COLUMNS: Final[Sequence[Column]] = (
    Column("account", "Account"),
    Column("symbol", "Instrument"),
    Column("sec_type", "Type"),
    Column("quantity", "Quantity", is_number=True),
    Column("average_cost", "Average cost", is_number=True),
    Column("currency", ""),
)


def order_of_record(record: OrderRecord) -> Row:
    """Make the row of an order of the live book."""
    terms = record.order if record.order is not None else record.broker_order
    told = [fill.account for fill in record.fills[-1:]]
    told += [one.account for one in (record.broker_order, record.order) if one is not None]
    return {
        "order_id": record.order_id,
        "client_id": record.client_id,
        "perm_id": record.perm_id,
        "key": record.key,
        "is_ours": record.is_ours,
        "account": next((account for account in told if account), ""),
        "action": record.action,
        "quantity": record.total_quantity,
        "symbol": record.symbol,
        "order_type": record.order_type,
        "limit_price": record.limit_price,
        "aux_price": (terms.aux_price or None) if terms is not None else None,
        "tif": terms.tif if terms is not None else "",
        "status": record.status,
        "filled_quantity": record.filled_quantity,
        "remaining_quantity": record.remaining_quantity,
        "average_price": record.avg_fill_price,
        "commissions": record.commissions,
        "reason": record.error_message,
        "parent_id": record.parent_id or None,
        "oca_group": record.oca_group,
        "updated_at": record.last_update_time,
    }


def order_of_line(line: OrderLine) -> Row:
    """Make the row of an order in a journal."""
    row = {one.name: getattr(line, one.name) for one in attrs.fields(OrderLine)}
    row["quantity"] = row.pop("total_quantity")
    row["average_price"] = row.pop("avg_fill_price")
    row["reason"] = row.pop("reject_message")
    row["parent_id"] = line.parent_id or None
    row["aux_price"] = line.aux_price or None
    return row


def fills_of_record(record: OrderRecord, zone: tzinfo) -> Iterator[Row]:
    """Make the rows of an order's executions, those of legs and accounts' parts included."""
    for fill in (*record.fills, *record.leg_fills, *record.allocation_fills):
        yield {
            **_fill(fill, zone),
            "order_id": record.order_id,
            "key": record.key,
            "symbol": fill.symbol or record.symbol,
        }


def _fill(fill: Fill, zone: tzinfo) -> Row:
    return {
        "time": fill.time if fill.time is not None else parse_execution_time(fill.time_text, zone),
        "account": fill.account,
        "action": fill.action,
        "quantity": fill.quantity,
        "price": fill.price,
        "exchange": fill.exchange,
        "commission": fill.commission,
        "commission_currency": fill.commission_currency if fill.commission is not None else "",
        "realized_pnl": fill.realized_pnl,
        "is_leg": fill.is_leg or None,
        "exec_id": fill.exec_id,
    }


def fill_of_line(line: FillLine) -> Row:
    """Make the row of an execution in a journal."""
    row = {one.name: getattr(line, one.name) for one in attrs.fields(FillLine)}
    row["time"] = row.pop("executed_at") or line.first_seen_at
    row["is_leg"] = line.is_leg or None
    return row


def is_on_day(at: datetime | None, day: date | None, zone: tzinfo) -> bool:
    """Whether a moment lies on a day; no day is every day."""
    return day is None or (at is not None and at.astimezone(zone).date() == day)


def position_row(position: Position) -> Row:
    """Make the row of a position."""
    contract = position.contract
    return {
        "account": position.account,
        "symbol": contract.name,
        "sec_type": contract.sec_type,
        "con_id": contract.con_id or None,
        "quantity": position.quantity,
        "average_cost": position.average_cost,
        "currency": contract.currency,
    }
