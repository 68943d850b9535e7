"""A day's orders from the event log's files."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.logs import read_events
from ibkr_core.logs.targets import daily_files
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action
from ibkr_core.model.status import OrderStatus
from ibkr_core.summary.counting import TradedOrder, read_multiplier, span_us

__all__ = ["read_log"]

_MARGIN: Final = timedelta(days=2)
"""Whatever the zones of the log and of the question: what belongs to a day was told from then on."""
Fields = Mapping[str, Any]


class _Told:
    """What the lines told of one order: its newest picture, and its executions."""

    def __init__(self) -> None:
        self.newest: Fields = {}
        self.fills: dict[str, Fields] = {}

    def may_be(self, line: Fields) -> bool:
        """Whether a line found by a weaker identity than the permId can be about this order."""
        return all(
            name not in self.newest or name not in line or self.newest[name] == line[name]
            for name in ("perm_id", "key")
        )


class _Orders:
    """The orders of a log: known by permId, then by our key, then by client and order id."""

    def __init__(self) -> None:
        self.all: list[_Told] = []
        self._by_name: dict[tuple[object, ...], _Told] = {}

    def take(self, line: Fields) -> None:
        """Take a line about an order."""
        order = self._find(line)
        if order is None:
            order = _Told()
            self.all.append(order)
        order.newest = line
        for name in _names(line):
            self._by_name[name] = order
        if "exec_id" in line:
            order.fills[ExecutionId.parse(str(line["exec_id"])).base] = line

    def _find(self, line: Fields) -> _Told | None:
        for name in _names(line):
            found = self._by_name.get(name)
            if found is not None and (name[0] == "perm_id" or found.may_be(line)):
                return found
        return None


def _names(line: Fields) -> Iterator[tuple[object, ...]]:
    """Name the order of a line, by the surest identity first."""
    if line.get("perm_id"):
        yield "perm_id", line["perm_id"]
    if line.get("key") and line.get("is_ours", True):
        yield "key", line["key"]
    if line.get("order_id"):
        yield "order_id", line["order_id"], line.get("client_id")


def read_log(path: str | os.PathLike[str], day: date, *, is_dry_run: bool) -> list[TradedOrder]:
    """Read all orders that may belong to a day, in whatever zone.

    Args:
        path: A folder of daily files, or one file.
        day: The day.
        is_dry_run: Whether to read what dry runs wrote, and that alone.

    Raises:
        FileNotFoundError: There is nothing at the path.
    """
    orders = _Orders()
    for line in _lines(Path(path), day):
        about_order = "filled_quantity" in line and "status" in line
        if about_order and (line.get("mode") == "DRY_RUN") is is_dry_run:
            orders.take(line)
    return [_order(told) for told in orders.all]


def _lines(place: Path, day: date) -> Iterator[dict[str, Any]]:
    if not place.is_dir():
        yield from read_events(place)
        return
    for file, of_day in daily_files(place):
        if of_day >= day - _MARGIN:
            yield from read_events(file)


def _order(told: _Told) -> TradedOrder:
    line = told.newest
    submitted = _moment(line, "submission_time")
    began = submitted or _moment(line, "first_seen_time") or datetime.fromisoformat(line["timestamp"])
    is_filled = line["status"] == OrderStatus.FILLED.value
    return TradedOrder(
        key=line.get("key", ""),
        symbol=line.get("symbol", "?"),
        currency=line.get("currency", ""),
        multiplier=read_multiplier(line.get("multiplier", "")),
        action=line.get("action", ""),
        order_type=line.get("order_type", ""),
        status=OrderStatus(line["status"]),
        is_ours=line.get("is_ours", True),
        quantity=_number(line, "quantity"),
        filled_quantity=Decimal(line["filled_quantity"]),
        limit_price=_number(line, "limit_price"),
        aux_price=_number(line, "aux_price"),
        began_at=began,
        was_submitted=submitted is not None,
        ack_us=line.get("ack_latency_us"),
        fill_us=span_us(submitted, _moment(line, "finished_time") if is_filled else None),
        fills=tuple(map(_fill, told.fills.values())),
    )


def _fill(line: Fields) -> Fill:
    text = line.get("fill_time", "")
    return Fill(
        exec_id=line["exec_id"],
        action=Action(line["fill_action"]) if "fill_action" in line else None,
        quantity=Decimal(line["fill_quantity"]),
        price=Decimal(line["fill_price"]),
        time=datetime.fromisoformat(text) if text.endswith("Z") else None,
        time_text=text,
        is_leg=line.get("is_leg", False),
        is_allocation=line.get("is_allocation", False),
        commission=_number(line, "commission"),
        commission_currency=line.get("commission_currency", ""),
        realized_pnl=_number(line, "realized_pnl"),
    )


def _number(line: Fields, name: str) -> Decimal | None:
    return Decimal(line[name]) if name in line else None


def _moment(line: Fields, name: str) -> datetime | None:
    return datetime.fromisoformat(line[name]) if name in line else None
