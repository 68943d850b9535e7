"""Where a day's orders come from: the live book, the event log's files, or the journal."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from datetime import date, datetime, tzinfo
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from ibkr_core.errors import InvalidInput
from ibkr_core.journal import JournalReader
from ibkr_core.model.checks import check_flag
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.summary.counting import TradedOrder, count_day, read_multiplier, span_us
from ibkr_core.summary.figures import DaySummary
from ibkr_core.summary.fromjournal import read_journal
from ibkr_core.summary.fromlog import read_log

__all__ = ["summarise", "summarise_journal", "summarise_log"]

_NO_ARRIVALS: Final[Mapping[str, Decimal]] = MappingProxyType({})


def summarise(
    orders: Iterable[OrderRecord],
    day: date,
    zone: tzinfo,
    *,
    ours_only: bool = True,
    arrivals: Mapping[str, Decimal] = _NO_ARRIVALS,
) -> DaySummary:
    """Sum up a day from the live book: ``summarise(engine.orders(), day, zone)``.

    An order counts for the day on which it was submitted (where we did not submit it: first seen), and for
    each day on which it was executed. :class:`~ibkr_core.summary.OrderFigures` says what each figure means.

    Args:
        orders: The book's orders, of other days too.
        day: The day.
        zone: Of which time zone; midnight there begins the day.
        ours_only: Whether to leave out the orders of other clients and of TWS itself.
        arrivals: The market's price when each order was decided on (usually the midpoint), by the order's
            key; what slippage is measured against where it is given.

    Raises:
        InvalidInput: ``day`` is no date, ``zone`` no time zone, or another argument of a wrong type.
    """
    _check(day, zone)
    check_flag("ours_only", ours_only)
    if not isinstance(arrivals, Mapping):
        raise InvalidInput("arrivals", f"must be prices by the order's key, not {arrivals!r}")
    given = tuple(orders) if isinstance(orders, Iterable) else (orders,)
    if not all(isinstance(one, OrderRecord) for one in given):
        raise InvalidInput("orders", f"must be OrderRecord values, not {orders!r}")
    traded = [order for record in given if (order := _from_record(record)) is not None]
    return count_day(traded, day, zone, ours_only=ours_only, arrivals=arrivals)


def summarise_log(
    path: str | os.PathLike[str],
    day: date,
    zone: tzinfo,
    *,
    ours_only: bool = True,
    arrivals: Mapping[str, Decimal] = _NO_ARRIVALS,
    dry_run: bool = False,
) -> DaySummary:
    """Sum up a day from the event log: a folder of daily files, or one file. Otherwise as :func:`summarise`.

    The log must hold all that the engine told from that day on: statuses are the last that it tells.

    Args:
        path: The folder, or the file.
        day: As for :func:`summarise`, and so the next three.
        zone: Of which time zone.
        ours_only: Whether to leave out the orders of others.
        arrivals: What slippage is measured against.
        dry_run: Count the orders of dry runs, and those alone; otherwise they are left out.

    Raises:
        FileNotFoundError: There is nothing at the path.
        InvalidInput: As for :func:`summarise`.
    """
    _check(day, zone)
    return count_day(
        read_log(path, day, is_dry_run=dry_run), day, zone, ours_only=ours_only, arrivals=arrivals
    )


def summarise_journal(
    reader: JournalReader,
    day: date,
    zone: tzinfo,
    *,
    ours_only: bool = True,
    arrivals: Mapping[str, Decimal] = _NO_ARRIVALS,
) -> DaySummary:
    """Sum up a day from a journal, also while an engine writes it. Otherwise as :func:`summarise`.

    Raises:
        JournalError: The journal cannot be read.
        InvalidInput: As for :func:`summarise`.
    """
    _check(day, zone)
    return count_day(read_journal(reader, day), day, zone, ours_only=ours_only, arrivals=arrivals)


def _check(day: object, zone: object) -> None:
    if not isinstance(day, date) or isinstance(day, datetime):
        raise InvalidInput("day", f"must be a date such as date(2026, 11, 21), not {day!r}")
    if not isinstance(zone, tzinfo):
        raise InvalidInput("zone", f"must be a tzinfo such as ZoneInfo('America/New_York'), not {zone!r}")


# ── the live book ───────────────────────────────────────────────────────────────────────────────


def _from_record(record: OrderRecord) -> TradedOrder | None:
    first = record.history[0].at if record.history else record.last_update_time
    began = record.submission_time if record.submission_time is not None else first
    if began is None:
        return None  # nothing is known of it but its id
    contract = record.contract
    terms = record.order if record.order is not None else record.broker_order
    filled = record.finished_time if record.status is OrderStatus.FILLED else None
    return TradedOrder(
        key=record.key,
        symbol=record.symbol,
        currency=contract.currency if contract is not None else "",
        multiplier=read_multiplier(contract.multiplier if contract is not None else ""),
        action=record.action,
        order_type=record.order_type,
        status=record.status,
        is_ours=record.is_ours,
        quantity=record.total_quantity,
        filled_quantity=record.filled_quantity,
        limit_price=record.limit_price,
        aux_price=terms.aux_price if terms is not None else None,
        began_at=began,
        was_submitted=record.submission_time is not None,
        ack_us=span_us(record.submission_time, record.acknowledged_time),
        fill_us=span_us(record.submission_time, filled),
        fills=(*record.fills, *record.leg_fills, *record.allocation_fills),
    )
