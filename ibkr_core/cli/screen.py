"""The demo on a terminal, for a trader's eyes, or nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Final

import attrs
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ibkr_core.cli.outcome import DemoOutcome, OrderOutcome
from ibkr_core.cli.script import Step
from ibkr_core.cli.words import BAD, GOOD, IN, OUT, WARN, describe, number, price
from ibkr_core.engine import Engine
from ibkr_core.gateway import Quote, SimulatedGateway
from ibkr_core.model import events
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["SilentScreen", "TerminalScreen"]

_WIDE: Final = 100
_STYLES: Final[Mapping[str, str]] = {OUT: "cyan", IN: "", GOOD: "green", WARN: "yellow", BAD: "red"}
_MARKET: Final = "dim"
_STATUS_STYLES: Final[Mapping[OrderStatus, str]] = {
    OrderStatus.FILLED: "green",
    OrderStatus.CANCELLED: "yellow",
    OrderStatus.REJECTED: "red",
}


@attrs.frozen
class _Signs:
    """The few signs beyond letters, for terminals that have them and for those that have not."""

    arrows: Mapping[str, str]
    yes: str
    no: str
    dots: str

    @classmethod
    def for_console(cls, console: Console) -> _Signs:
        """Choose what the console's encoding can show."""
        if console.options.ascii_only:
            return cls({OUT: ">", IN: "<", GOOD: "<", WARN: "<", BAD: "<"}, "ok", "NO", "...")
        return cls({OUT: "→", IN: "←", GOOD: "←", WARN: "←", BAD: "←"}, "✓", "✗", "…")


class SilentScreen:
    """Shows nothing."""

    def begin(self, gateway: SimulatedGateway, engine: Engine, seed: int) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""

    def step(self, number: int, total: int, step: Step) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""

    def event(self, event: events.Event) -> None:
        """See :class:`~ibkr_core.cli.stage.Screen`."""

    def request(self, at: datetime, record: OrderRecord, text: str) -> None:
        """See :class:`~ibkr_core.cli.stage.Screen`."""

    def market(self, at: datetime, symbol: str, quote: Quote) -> None:
        """See :class:`~ibkr_core.cli.stage.Screen`."""

    def verdict(self, problems: Sequence[str]) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""

    def end(self, outcome: DemoOutcome) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""


class TerminalScreen:
    """Shows the demo line by line.

    Args:
        console: Where; it knows its width, its colours and its encoding.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._signs = _Signs.for_console(console)
        self._start: datetime | None = None

    # ── as it happens ───────────────────────────────────────────────────────────────────────────

    def begin(self, gateway: SimulatedGateway, engine: Engine, seed: int) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""
        version = engine.server_version
        self._print(Text("ibkr-core demo", "bold"))
        where = f"{gateway.host}:{gateway.port}"
        self._print(Text(f"Simulated IB Gateway on {where}, server version {version}, seed {seed}"))

    def step(self, number: int, total: int, step: Step) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""
        self._console.print()
        self._print(Text.assemble((f"{number}/{total}  {step.title}", "bold")))
        self._print(Text(f"     {step.story}", "italic"))

    def event(self, event: events.Event) -> None:
        """See :class:`~ibkr_core.cli.stage.Screen`."""
        said = describe(event)
        if said is None:
            return
        record = getattr(event, "record", None)
        name, symbol = (f"#{record.order_id}", record.symbol) if isinstance(record, OrderRecord) else ("", "")
        self._row(event.at, name, symbol, self._signs.arrows[said.kind], said.text, _STYLES[said.kind])

    def request(self, at: datetime, record: OrderRecord, text: str) -> None:
        """See :class:`~ibkr_core.cli.stage.Screen`."""
        self._row(at, f"#{record.order_id}", record.symbol, self._signs.arrows[OUT], text, _STYLES[OUT])

    def market(self, at: datetime, symbol: str, quote: Quote) -> None:
        """See :class:`~ibkr_core.cli.stage.Screen`."""
        text = f"bid {price(quote.bid)}  ask {price(quote.ask)}"
        if quote.ask_size:
            text += f"  {number(quote.ask_size)} offered"
        self._row(at, "", symbol, "", text, _MARKET)

    def verdict(self, problems: Sequence[str]) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""
        if problems:
            for problem in problems:
                self._judge(ok=False, text=problem)
        else:
            self._judge(ok=True, text="as it should be")

    # ── at the end ──────────────────────────────────────────────────────────────────────────────

    def end(self, outcome: DemoOutcome) -> None:
        """See :class:`~ibkr_core.cli.demo.DemoScreen`."""
        self._console.print()
        self._console.print(self._summary(outcome.orders))
        self._console.print()
        wrong = [order for order in outcome.orders if order.problems]
        if not wrong and not any(step.problems for step in outcome.steps):
            self._judge(ok=True, text=f"all {len(outcome.orders)} orders ended as they should")
        if not outcome.differences:
            self._judge(ok=True, text=f"both books agree: {outcome.compared}")
        for problem in outcome.problems:
            self._judge(ok=False, text=problem)
        if outcome.log_lines is not None:
            self._print(Text(f"    event log: {outcome.log_lines} lines written"))
        if outcome.log_lost:
            self._judge(ok=False, text=f"{outcome.log_lost} lines of the event log were lost")
        word, style = ("passed", "bold green") if outcome.ok else ("FAILED", "bold red")
        self._print(Text.assemble(("demo ", "bold"), (word, style), f" in {outcome.duration_s:.2f} s"))

    def _summary(self, orders: Sequence[OrderOutcome]) -> Table:
        wide = self._console.width >= _WIDE
        padding = (0, 2, 0, 0) if wide else (0, 1, 0, 0)
        table = Table(box=None, padding=padding, pad_edge=False, expand=wide)
        columns = [*_COLUMNS, _FIRST_FILL] if wide else _COLUMNS
        for heading, justify, cell in columns:
            table.add_column(heading, justify="right" if justify else "left", no_wrap=cell is not _what)
        table.add_column("Messages", no_wrap=True, overflow="ellipsis", ratio=1 if wide else None)
        for order in orders:
            cells = [cell(order) for _, _, cell in columns]
            table.add_row(
                *cells, self._messages(order, wide=wide), style="bold red" if order.problems else ""
            )
        return table

    @staticmethod
    def _messages(order: OrderOutcome, *, wide: bool) -> Text:
        record = order.record
        if wide and len(record.messages) == 1:
            (message,) = record.messages
            return Text(f"{message.code} {' '.join(message.message.split())}")
        return Text(" ".join(str(code) for code in record.error_codes))

    # ── lines ───────────────────────────────────────────────────────────────────────────────────

    def _row(self, at: datetime, order: str, symbol: str, arrow: str, text: str, style: str) -> None:
        """Print one line whose text, if it is too long, goes on below itself."""
        if self._start is None:
            self._start = at
        seconds = f"{(at - self._start).total_seconds():.3f}"
        grid = Table.grid(padding=(0, 1))
        for width, justify in ((8, True), (3, True), (6, False), (1, False)):
            grid.add_column(width=width, justify="right" if justify else "left", no_wrap=True)
        grid.add_column(ratio=1)
        grid.add_row(Text(seconds, "dim"), order, symbol, Text(arrow, style), Text(text, style))
        self._console.print(grid)

    def _judge(self, *, ok: bool, text: str) -> None:
        sign = Text(f"{self._signs.yes} ", "green") if ok else Text(f"{self._signs.no} ", "bold red")
        grid = Table.grid()
        grid.add_row("  ", sign, Text(text, "" if ok else "red"))
        self._console.print(grid)

    def _print(self, text: Text) -> None:
        self._console.print(text)


def _what(order: OrderOutcome) -> Text:
    return Text(order.what)


def _status(order: OrderOutcome) -> Text:
    status = order.record.status
    return Text(status.value, _STATUS_STYLES.get(status, ""))


def _filled(order: OrderOutcome) -> Text:
    record = order.record
    return Text(f"{number(record.filled_quantity)}/{number(record.total_quantity) or '?'}")


def _ms(latency_us: int | None) -> Text:
    return Text(f"{latency_us / 1000:.1f}" if latency_us is not None else "")


_Column = tuple[str, bool, Callable[[OrderOutcome], Text]]
_COLUMNS: Final[Sequence[_Column]] = (
    ("#", True, lambda order: Text(str(order.record.order_id))),
    ("Order", False, _what),
    ("Status", False, _status),
    ("Filled", True, _filled),
    ("Average", True, lambda order: Text(price(order.record.avg_fill_price))),
    ("Fee USD", True, lambda order: Text(number(order.commission))),
    ("Ack ms", True, lambda order: _ms(order.ack_latency_us)),
)
"""Heading, whether it is a number, and what stands in it."""

_FIRST_FILL: Final[_Column] = ("Fill ms", True, lambda order: _ms(order.first_fill_latency_us))
"""Where there is room for it."""
