"""Commands that look and change nothing: orders, fills, positions, history, summary."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final, NoReturn, TypedDict

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
_MOST_DIGITS: Final = 10
"""Of an order id: the wire has 32 bits for it."""


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
            is_known = bool(rows) or order is None or reader.knows_order(order)
    else:
        with looking(given.Place(host, port, timeout), client_id) as engine:
            found = [one for one in engine.orders() if order in (None, one.order_id)]
            rows = [row for one in found for row in fills_of_record(one, in_zone)]
            rows = [row for row in rows if symbol in (None, row["symbol"])]
            is_known = bool(found) or order is None
    if order is not None and not is_known:
        _refuse(shown, {"order_id": order}, None if live else journal)
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
    place: Path | None = None
    if source == "journal" and journal is not None:
        place, lines = journal, _from_journal(journal, wanted)
    elif source == "log" and log_dir is not None:
        place, lines = log_dir, _from_log(log_dir, wanted)
    else:
        lines = _from_gateway(given.Place(host, port, timeout), client_id, wanted)
    if lines is None:
        _refuse(shown, wanted.names[0], place)
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


class _Name(TypedDict, total=False):
    """What an order is asked for by."""

    order_id: int
    key: str


def _refuse(shown: Shown, name: _Name, place: Path | None) -> NoReturn:
    """End a command that asks for an order of which nothing is told, by a file or by the gateway.

    As JSON that is an empty list.
    """
    if shown.as_json:
        shown.rows((), (), "")
    at_gateway = "the gateway tells nothing of {}; ask a --journal or a --log-dir"
    if "order_id" in name:
        words = at_gateway.format("it") if place is None else f"there is no such order in {place}"
        raise UnknownOrder(name["order_id"], words)
    key = f"the key {name['key']!r}"
    raise InvalidInput("ORDER", at_gateway.format(key) if place is None else f"no order has {key} in {place}")


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
        self.names = _names(order)
        self.type = None if kind is None else read_type(kind)
        self.symbol = symbol
        self.day = day
        self.zone = zone
        self.limit = limit
        self.since = None if day is None else datetime.combine(day, time(), zone)
        self.until = None if day is None else datetime.combine(day + timedelta(days=1), time(), zone)


def _names(order: str | None) -> tuple[_Name, ...]:
    """Return what an order may be known by, likeliest first; digits may be a key as well as an id."""
    if order is None:
        return ({},)
    if order.isdecimal() and len(order) <= _MOST_DIGITS:
        return {"order_id": int(order)}, {"key": order}
    return ({"key": order},)


_Line = tuple[dict[str, Any], Text | str]


def _from_journal(path: Path, wanted: _Wanted) -> list[_Line] | None:
    """Return what a journal tells; None where the order is not in it."""
    with JournalReader(path) as reader:
        for name in wanted.names:
            found = reader.history(
                **name,
                symbol=wanted.symbol,
                since=wanted.since,
                until=wanted.until,
                kinds=None if wanted.type is None else names_of(wanted.type),
                limit=wanted.limit,
            )
            if found or _is_in_journal(reader, name):
                break
        else:
            return None
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


def _is_in_journal(reader: JournalReader, name: _Name) -> bool:
    """Whether a journal has an order of this name; always where none is named."""
    if "order_id" in name:
        return reader.knows_order(name["order_id"])
    if "key" in name:
        key = name["key"]
        return reader.order_id_of(key) is not None or bool(reader.history(key=key, limit=1))
    return True


def _from_log(folder: Path, wanted: _Wanted) -> list[_Line] | None:
    """Return what an event log tells; None where it does not know the order."""
    for name in wanted.names:
        lines = _lines_of_log(folder, wanted, name)
        if lines or not name or next(read_events(folder, **name), None) is not None:
            return lines
    return None


def _lines_of_log(folder: Path, wanted: _Wanted, name: _Name) -> list[_Line]:
    found = read_events(
        folder, **name, symbol=wanted.symbol, type=wanted.type, since=wanted.since, until=wanted.until
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


def _from_gateway(place: given.Place, client_id: int | None, wanted: _Wanted) -> list[_Line] | None:
    """Return what the gateway told; None where that was nothing of the order."""
    if wanted.type is not None:
        raise InvalidInput("--type", "needs a --journal or a --log-dir: the gateway tells no events")
    with looking(place, client_id) as engine:
        told = engine.orders()
    for name in wanted.names:
        found = [one for one in told if all(getattr(one, what) == value for what, value in name.items())]
        if found or not name:
            fitting = [one for one in found if wanted.symbol in (None, one.symbol)]
            return [line for record in fitting for line in _life(record, wanted)]
    return None


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
