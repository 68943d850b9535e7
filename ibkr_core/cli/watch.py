"""`ibkr-core watch`: orders and fills as they change, in a table that stays where it is."""

from __future__ import annotations

import json
import queue
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ibkr_core.cli import options as given
from ibkr_core.cli.codes import ExitCode
from ibkr_core.cli.rows import (
    FILL_COLUMNS,
    ORDER_COLUMNS,
    fill_of_line,
    fills_of_record,
    order_of_line,
    order_of_record,
)
from ibkr_core.cli.shell import make_console
from ibkr_core.cli.show import Row, Shown, fail, plain, table
from ibkr_core.cli.source import looking
from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidInput
from ibkr_core.journal import JournalReader
from ibkr_core.listeners import Delivery
from ibkr_core.logs.fields import event_fields
from ibkr_core.logs.types import event_type
from ibkr_core.model import events
from ibkr_core.model.session import SessionState

__all__ = ["watch"]

_FILLS: Final = 8
_BEFORE: Final = datetime.min.replace(tzinfo=UTC)


@attrs.frozen(kw_only=True)
class _Picture:
    """What there is to see at one moment.

    Attributes:
        headline: Where it comes from, and how that is.
        orders: Open ones first, then the newest finished ones.
        fills: The newest, oldest first.
    """

    headline: str
    orders: Sequence[Row]
    fills: Sequence[Row]


class _Gateway:
    """Looks at a gateway, which tells other clients' news only when it is asked: so it is, now and then."""

    def __init__(self, engine: Engine, place: given.Place, zone: tzinfo) -> None:
        self._engine = engine
        self._place = place
        self._zone = zone
        self._news: queue.SimpleQueue[events.Event] = queue.SimpleQueue()
        engine.on(events.Event, self._news.put, Delivery.INLINE)

    def picture(self, most: int) -> _Picture:
        """See :class:`_Picture`."""
        records = self._engine.orders()
        rows = sorted((order_of_record(one) for one in records), key=lambda row: row["updated_at"] or _BEFORE)
        is_open = {one.order_id for one in records if not one.is_finished}
        fills = [row for one in records for row in fills_of_record(one, self._zone)]
        fills.sort(key=lambda row: row["time"] or _BEFORE)
        state = self._engine.state.value
        is_told = self._engine.state is not SessionState.READY
        why = f": {self._engine.state_reason}" if is_told else ""
        accounts = ", ".join(self._engine.accounts)
        return _Picture(
            headline=f"{self._place}  {accounts}  {state}{why}",
            orders=_first_open(rows, lambda row: row["order_id"] in is_open, most),
            fills=fills[-_FILLS:],
        )

    def wait(self, timeout_s: float) -> list[dict[str, Any]]:
        """Wait for news, at most so long; return what came."""
        told = []
        try:
            told.append(event_fields(self._news.get(timeout=timeout_s)))
            while True:
                told.append(event_fields(self._news.get_nowait()))
        except queue.Empty:
            return told


class _Journal:
    """Looks at a journal again and again, while its engine writes it."""

    def __init__(self, reader: JournalReader) -> None:
        self._reader = reader
        self._pause: queue.SimpleQueue[None] = queue.SimpleQueue()
        self._last = reader.query("SELECT coalesce(max(number), 0) FROM events")[0][0]

    def picture(self, most: int) -> _Picture:
        """See :class:`_Picture`."""
        rows = [order_of_line(one) for one in self._reader.orders(is_open=True, limit=most)]
        rows += [order_of_line(one) for one in self._reader.orders(is_open=False, limit=most)]
        halted = self._reader.state("halted")
        return _Picture(
            headline=f"{self._reader.path}{f'  HALTED: {halted}' if halted else ''}",
            orders=_first_open(rows, lambda row: not row["is_finished"], most),
            fills=[fill_of_line(one) for one in self._reader.fills(limit=_FILLS)],
        )

    def wait(self, timeout_s: float) -> list[dict[str, Any]]:
        """Wait so long; return the events that were written meanwhile."""
        with suppress(queue.Empty):
            self._pause.get(timeout=timeout_s)
        found = self._reader.query(
            "SELECT number, seq, at, kind, order_id, key, symbol, status, text, details FROM events "
            "WHERE number > ? ORDER BY number",
            self._last,
        )
        self._last = found[-1][0] if found else self._last
        return [_journal_event(row) for row in found]


def _journal_event(row: tuple[Any, ...]) -> dict[str, Any]:
    _, seq, at, kind, order_id, key, symbol, status, text, details = row
    fields = {
        "timestamp": at,
        "event": kind,
        "type": event_type(kind).value,
        "seq": seq,
        "order_id": order_id,
        "key": key,
        "symbol": symbol,
        "status": status,
        "text": text,
        "details": json.loads(details) or None,
    }
    return {name: value for name, value in fields.items() if value is not None}


def _first_open(rows: Sequence[Row], is_open: Callable[[Row], bool], most: int) -> list[Row]:
    """Put open orders first, then the newest of the others, as many as there is room for."""
    alive = [row for row in rows if is_open(row)]
    ended = [row for row in rows if not is_open(row)]
    room = max(most - len(alive), 0)
    return [*alive[-most:], *(ended[-room:][::-1] if room else ())]


def watch(
    *,
    every: Annotated[
        float,
        typer.Option(
            "--every",
            min=0.1,
            max=given.LONGEST_S,
            metavar="S",
            help="How often to ask the gateway, or to read the journal, in seconds.",
        ),
    ] = 2.0,
    once: Annotated[bool, typer.Option("--once", help="Show it once and end.")] = False,
    most: Annotated[int, typer.Option("--orders", min=1, metavar="N", help="Show so many orders.")] = 20,
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
    """Show orders and fills as they change, until Ctrl-C. With --json, each event as one line of JSON.

    With a journal it reads that, while the engine writes it, and sees everything at once. From the gateway it
    sees what other clients do when it asks: every two seconds.
    """
    del debug
    in_zone = given.find_zone(zone)
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts, zone=in_zone)
    if not (once or as_json or make_console().is_terminal):
        raise InvalidInput("--once", "say it, or --json, where standard output is no terminal")
    with ExitStack() as stack:
        source = _open(
            stack, given.Place(host, port, timeout), client_id, None if live else journal, every, in_zone
        )
        try:
            if once:
                _show_once(source.picture(most), shown)
            elif as_json:
                _stream(source, every, shown)
            else:
                _show_live(source, every, most, shown)
        except KeyboardInterrupt:
            fail(ExitCode.INTERRUPTED)


def _open(
    stack: ExitStack,
    place: given.Place,
    client_id: int | None,
    journal: Path | None,
    every_s: float,
    zone: tzinfo,
) -> _Gateway | _Journal:
    if journal is not None:
        return _Journal(stack.enter_context(JournalReader(journal)))
    return _Gateway(stack.enter_context(looking(place, client_id, recheck_s=every_s)), place, zone)


def _show_once(picture: _Picture, shown: Shown) -> None:
    if shown.as_json:
        orders, fills = ([shown.hide(row) for row in rows] for rows in (picture.orders, picture.fills))
        shown.one({"source": picture.headline, "orders": orders, "fills": fills})
    else:
        shown.lines(_lines(picture, shown))


def _lines(picture: _Picture, shown: Shown) -> Iterator[Text | str]:
    yield Text(picture.headline, "bold")
    for rows, columns, nothing in (
        (picture.orders, ORDER_COLUMNS, "no orders"),
        (picture.fills, FILL_COLUMNS, "no fills"),
    ):
        yield ""
        yield from table([shown.hide(row) for row in rows], columns, shown.zone) if rows else [nothing]


def _stream(source: _Gateway | _Journal, every_s: float, shown: Shown) -> None:
    while True:
        for fields in source.wait(every_s):
            typer.echo(json.dumps(plain(shown.hide(fields))))


def _show_live(source: _Gateway | _Journal, every_s: float, most: int, shown: Shown) -> None:
    console = make_console()
    with Live(console=console, auto_refresh=False, transient=False) as screen:
        while True:
            screen.update(_render(source.picture(most), shown, console.width), refresh=True)
            source.wait(every_s)


def _render(picture: _Picture, shown: Shown, width: int | None = None) -> RenderableType:
    at = f"{datetime.now(shown.zone):%H:%M:%S}"
    parts: list[RenderableType] = [
        Text(f"{shown.hidden(picture.headline)}  {at}", "bold", no_wrap=True, overflow="ellipsis")
    ]
    for rows, columns, nothing in (
        (picture.orders, ORDER_COLUMNS, "no orders"),
        (picture.fills, FILL_COLUMNS, "no fills"),
    ):
        grid = Table.grid()
        hidden = [shown.hide(row) for row in rows]
        for line in table(hidden, columns, shown.zone, width) if rows else [Text(nothing)]:
            line.no_wrap, line.overflow = True, "ellipsis"
            grid.add_row(line)
        parts += [Text(""), grid]
    parts.append(Text("Ctrl-C ends it.", "dim"))
    return Group(*parts)
