"""Commands that look and change nothing: orders, fills, positions, history, summary."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.text import Text

from ibkr_core.cli import options as given
from ibkr_core.cli.rows import (
    FILL_COLUMNS,
    ORDER_COLUMNS,
    POSITION_COLUMNS,
    fill_of_line,
    fills_of_record,
    is_on_day,
    order_of_line,
    order_of_record,
    position_row,
)
from ibkr_core.cli.shell import busy
from ibkr_core.cli.show import Row, Shown
from ibkr_core.cli.source import looking
from ibkr_core.cli.tally import tally
from ibkr_core.errors import InvalidInput, UnknownOrder
from ibkr_core.journal import JournalReader
from ibkr_core.logs import console_line, read_events
from ibkr_core.logs.types import event_type, names_of, read_type
from ibkr_core.model.record import OrderRecord
from ibkr_core.summary import DaySummary, summarise, summarise_journal, summarise_log

__all__ = ["fills", "history", "orders", "positions", "summary"]

_MANY: Final = 1_000_000


def orders(
    only_open: Annotated[bool, typer.Option("--open", help="Only those that are not finished.")] = False,
    symbol: given.Symbol = None,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.ClientId = None,
    timeout: given.Timeout = 10.0,
    journal: given.Journal = None,
    live: given.Live = False,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    zone: given.ZoneName = "UTC",
    debug: given.Debug = False,
) -> None:
    """List orders: all that the gateway tells, of every client, or those of a journal.

    The gateway tells open orders, those that were completed today, and today's executions. A journal tells
    all that its engine ever saw.
    """
    del debug
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts, zone=given.find_zone(zone))
    rows: Iterable[Row]
    if journal is not None and not live:
        with JournalReader(journal) as reader:
            wanted = True if only_open else None
            rows = [order_of_line(one) for one in reader.orders(symbol=symbol, is_open=wanted, limit=_MANY)]
    else:
        with looking(given.Place(host, port, timeout), client_id) as engine:
            found = engine.active_orders() if only_open else engine.orders()
            rows = [order_of_record(one) for one in found if symbol in (None, one.symbol)]
    shown.rows(rows, ORDER_COLUMNS, "no orders")


def fills(
    order: Annotated[int | None, typer.Option("--order", metavar="N", help="Only of this order.")] = None,
    symbol: given.Symbol = None,
    day: given.Day = None,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.ClientId = None,
    timeout: given.Timeout = 10.0,
    journal: given.Journal = None,
    live: given.Live = False,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    zone: given.ZoneName = "UTC",
    debug: given.Debug = False,
) -> None:
    """List executions with their commissions: today's from the gateway, or all of a journal."""
    del debug
    in_zone = given.find_zone(zone)
    on_day = given.find_day(day, in_zone)
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts, zone=in_zone)
    rows: list[Row]
    if journal is not None and not live:
        with JournalReader(journal) as reader:
            rows = [fill_of_line(one) for one in reader.fills(symbol=symbol, order_id=order, limit=_MANY)]
    else:
        with looking(given.Place(host, port, timeout), client_id) as engine:
            found = [one for one in engine.orders() if order in (None, one.order_id)]
            rows = [row for one in found for row in fills_of_record(one, in_zone)]
            rows = [row for row in rows if symbol in (None, row["symbol"])]
    rows = [row for row in rows if is_on_day(row["time"], on_day, in_zone)]
    rows.sort(key=lambda row: row["time"] or datetime.max.replace(tzinfo=UTC))
    shown.rows(rows, FILL_COLUMNS, "no fills")


def positions(
    symbol: given.Symbol = None,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.ClientId = None,
    timeout: given.Timeout = 10.0,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    debug: given.Debug = False,
) -> None:
    """List what each account holds, as the broker counts it, with its average cost.

    The average cost is that of one unit in the contract's currency, with the multiplier for derivatives.
    """
    del debug
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts)
    place = given.Place(host, port, timeout)
    with looking(place, client_id) as engine, busy("asking for positions"):
        found = engine.reference.positions(timeout_s=timeout)
    rows = [position_row(one) for one in found if symbol in (None, one.contract.symbol, one.contract.name)]
    rows.sort(key=lambda row: (row["account"], row["symbol"]))
    shown.rows(rows, POSITION_COLUMNS, "no positions")


def history(
    *,
    context: typer.Context,
    order: Annotated[
        str | None,
        typer.Argument(metavar="ORDER", help="An order id, or a client order key; all orders without."),
    ] = None,
    kind: Annotated[
        str | None,
        typer.Option(
            "--type",
            metavar="TYPE",
            help="Only of this type: SUBMISSION, FILL, STATUS_CHANGE, CANCELLATION, ERROR, RETRY, MODIFY, "
            "RISK or SESSION.",
        ),
    ] = None,
    symbol: given.Symbol = None,
    day: given.Day = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, metavar="N", help="At most so many, the newest.")
    ] = 1000,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.ClientId = None,
    timeout: given.Timeout = 10.0,
    journal: given.Journal = None,
    log_dir: given.LogDir = None,
    live: given.Live = False,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    zone: given.ZoneName = "UTC",
    debug: given.Debug = False,
) -> None:
    """Tell what happened, to one order or to all: from a journal, an event log, or the gateway.

    The gateway remembers little: what it told since this command connected. A journal or a log remembers
    everything.
    """
    del debug
    in_zone = given.find_zone(zone)
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts, zone=in_zone)
    wanted = _Wanted(order, kind, symbol, given.find_day(day, in_zone), in_zone, limit)
    source = _source(context, journal, log_dir, is_live=live)
    if source == "journal" and journal is not None:
        lines = _from_journal(journal, wanted)
    elif source == "log" and log_dir is not None:
        lines = _from_log(log_dir, wanted)
    else:
        lines = _from_gateway(given.Place(host, port, timeout), client_id, wanted)
    lines = lines[-limit:]
    if as_json:
        shown.rows([fields for fields, _ in lines], (), "")
    elif lines:
        shown.lines(text for _, text in lines)
    else:
        typer.echo("nothing happened")


def summary(
    *,
    context: typer.Context,
    day: given.Day = "today",
    everybody: Annotated[
        bool, typer.Option("--everybody", help="Also orders of other clients and of TWS itself.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Of an event log: the orders of dry runs, and those alone.")
    ] = False,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.ClientId = None,
    timeout: given.Timeout = 10.0,
    journal: given.Journal = None,
    log_dir: given.LogDir = None,
    live: given.Live = False,
    as_json: given.AsJson = False,
    zone: given.ZoneName = "America/New_York",
    debug: given.Debug = False,
) -> None:
    """Sum up a day: orders by status, fill ratio, volume, money, latencies and slippage, by instrument.

    From the gateway it counts the orders of every client, and knows no latencies: those are in a journal or
    an event log.
    """
    del debug
    in_zone = given.find_zone(zone)
    on_day = given.find_day(day, in_zone)
    if on_day is None:
        raise InvalidInput("--day", "name a day such as 2026-11-21, or today")
    found: DaySummary
    source = _source(context, journal, log_dir, is_live=live)
    if dry_run and source != "log":
        raise InvalidInput("--dry-run", "is for an event log: name it with --log-dir")
    if source == "journal" and journal is not None:
        with JournalReader(journal) as reader:
            found = summarise_journal(reader, on_day, in_zone, ours_only=not everybody)
    elif source == "log" and log_dir is not None:
        with busy(f"reading {log_dir}"):
            found = summarise_log(log_dir, on_day, in_zone, ours_only=not everybody, dry_run=dry_run)
    else:
        with looking(given.Place(host, port, timeout), client_id) as engine:
            found = summarise(engine.orders(), on_day, in_zone, ours_only=False)
    shown = Shown.like(as_json=as_json, mask_accounts=False, zone=in_zone)
    if as_json:
        shown.one(found.as_dict())
    else:
        shown.lines(tally(found))


def _source(context: typer.Context, journal: Path | None, log_dir: Path | None, *, is_live: bool) -> str:
    """Decide where to look: what the command line names goes before what a file or a variable does."""
    if is_live or (journal is None and log_dir is None):
        return "gateway"
    if journal is not None and log_dir is not None:
        typed = getattr(context.get_parameter_source("log_dir"), "name", "") == "COMMANDLINE"
        return "log" if typed else "journal"
    return "journal" if journal is not None else "log"


# ── history ─────────────────────────────────────────────────────────────────────────────────────


class _Wanted:
    """What of the past is asked for."""

    def __init__(
        self,
        order: str | None,
        kind: str | None,
        symbol: str | None,
        day: date | None,
        zone: tzinfo,
        limit: int,
    ) -> None:
        self.order_id = int(order) if order is not None and order.isdecimal() else None
        self.key = order if order is not None and self.order_id is None else None
        self.type = None if kind is None else read_type(kind)
        self.symbol = symbol
        self.day = day
        self.zone = zone
        self.limit = limit
        self.since = None if day is None else datetime.combine(day, time(), zone)
        self.until = None if day is None else datetime.combine(day + timedelta(days=1), time(), zone)


_Line = tuple[dict[str, Any], Text | str]


def _from_journal(path: Path, wanted: _Wanted) -> list[_Line]:
    with JournalReader(path) as reader:
        found = reader.history(
            order_id=wanted.order_id,
            key=wanted.key,
            symbol=wanted.symbol,
            since=wanted.since,
            until=wanted.until,
            kinds=None if wanted.type is None else names_of(wanted.type),
            limit=wanted.limit,
        )
    lines: list[_Line] = []
    for one in found:
        fields = {
            "timestamp": one.at,
            "event": one.kind,
            "type": event_type(one.kind),
            "seq": one.seq,
            "order_id": one.order_id,
            "key": one.key,
            "symbol": one.symbol,
            "status": one.status,
            "text": one.text,
            "details": dict(one.details),
        }
        at = f"{one.at.astimezone(wanted.zone):%Y-%m-%d %H:%M:%S.%f}"
        lines.append((fields, f"{at}  {event_type(one.kind).value:<13}  {one.kind}: {one.text}"))
    return lines


def _from_log(folder: Path, wanted: _Wanted) -> list[_Line]:
    found = read_events(
        folder,
        order_id=wanted.order_id,
        key=wanted.key,
        symbol=wanted.symbol,
        type=wanted.type,
        since=wanted.since,
        until=wanted.until,
    )
    lines: deque[_Line] = deque(maxlen=wanted.limit)  # a log of years needs no memory
    for fields in found:
        at = _moment(fields.get("timestamp"))
        day = f"{at.astimezone(wanted.zone):%Y-%m-%d} " if at is not None else ""
        lines.append((fields, f"{day}{console_line(fields, wanted.zone)}"))
    return list(lines)


def _moment(text: object) -> datetime | None:
    try:
        return datetime.fromisoformat(str(text))
    except ValueError:
        return None


def _from_gateway(place: given.Place, client_id: int | None, wanted: _Wanted) -> list[_Line]:
    if wanted.type is not None:
        raise InvalidInput("--type", "needs a --journal or a --log-dir: the gateway tells no events")
    with looking(place, client_id) as engine:
        found = [
            one
            for one in engine.orders()
            if wanted.order_id in (None, one.order_id)
            and wanted.key in (None, one.key)
            and wanted.symbol in (None, one.symbol)
        ]
    if not found and wanted.order_id is not None:
        raise UnknownOrder(wanted.order_id, "the gateway tells nothing of it; ask a --journal or a --log-dir")
    if not found and wanted.key is not None:
        raise InvalidInput("ORDER", f"the gateway tells nothing of the key {wanted.key!r}; ask a --journal")
    return [line for record in found for line in _life(record, wanted)]


def _life(record: OrderRecord, wanted: _Wanted) -> Iterator[_Line]:
    for entry in record.history:
        if is_on_day(entry.at, wanted.day, wanted.zone):
            fields = {
                "timestamp": entry.at,
                "order_id": record.order_id,
                "client_id": record.client_id,
                "symbol": record.symbol,
                "status": entry.status,
                "text": entry.what,
            }
            at = f"{entry.at.astimezone(wanted.zone):%Y-%m-%d %H:%M:%S.%f}"
            yield fields, f"{at}  #{record.order_id} {record.symbol}  {entry.status.value:<16} {entry.what}"
