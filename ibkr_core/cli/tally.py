"""A day's figures as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

from rich.text import Text

from ibkr_core.cli.show import Column, table
from ibkr_core.logs.fields import exact_text
from ibkr_core.summary import DaySummary, Latency, OrderFigures

__all__ = ["tally"]

_COLUMNS = (
    Column("symbol", "Instrument"),
    Column("orders", "Orders", is_number=True),
    Column("filled", "Filled", is_number=True),
    Column("volume", "Volume", is_number=True),
    Column("notional", "Notional", is_number=True),
    Column("commissions", "Commission", is_number=True),
    Column("slippage", "Slippage bp", is_number=True),
)


def tally(found: DaySummary) -> Iterator[Text | str]:
    """Put a day into lines: the whole, then a table of its instruments."""
    yield Text(f"{found.day:%A, %Y-%m-%d} ({found.zone})", "bold")
    if not found.orders:
        yield "no orders"
        return
    statuses = ", ".join(f"{count} {status}" for status, count in found.by_status.items())
    yield f"Orders      {found.orders}: {statuses}"
    quantity = _percent(found.quantity_ratio)
    yield f"Filled      {_percent(found.fill_ratio)} of the orders, {quantity} of the quantity"
    sides = f"bought {exact_text(found.bought)}, sold {exact_text(found.sold)}"
    yield f"Volume      {exact_text(found.volume)} in {found.fills} executions; {sides}"
    yield f"Notional    {_money(found.notional)}"
    late = f"; {found.unreported_commissions} not reported yet" if found.unreported_commissions else ""
    yield f"Commission  {_money(found.commissions)}{late}"
    if found.realized_pnl:
        yield f"Realised    {_money(found.realized_pnl)}"
    for name, latency in (("Answered in", found.ack_latency), ("Filled in", found.fill_latency)):
        if latency is not None:
            yield f"{name:<11} {_latency(latency)}"
    if found.slippage:
        average = found.average_slippage_bps
        over = f"; {average} bp an order" if average is not None else ""
        yield f"Slippage    {_money(found.slippage)}{over} (below zero is better than the reference)"
    yield ""
    yield from table([_row(name, one) for name, one in found.by_symbol.items()], _COLUMNS, UTC)


def _row(symbol: str, found: OrderFigures) -> Mapping[str, Any]:
    return {
        "symbol": symbol,
        "orders": str(found.orders),
        "filled": _percent(found.fill_ratio),
        "volume": found.volume,
        "notional": _money(found.notional),
        "commissions": _money(found.commissions),
        "slippage": str(found.average_slippage_bps) if found.average_slippage_bps is not None else None,
    }


def _percent(ratio: Decimal | None) -> str:
    return "?" if ratio is None else f"{ratio * 100:.1f}%"


def _money(amounts: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{amount:,.2f} {currency}".rstrip() for currency, amount in amounts.items()) or "0"


def _latency(latency: Latency) -> str:
    return (
        f"{latency.average_ms:,.1f} ms on average, {latency.worst_ms:,.1f} at worst ({latency.count} orders)"
    )
