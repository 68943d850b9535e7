"""A day's figures as lines for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Any

from rich.text import Text

from ibkr_core.cli.show import Column, table
from ibkr_core.model.said import sums
from ibkr_core.summary import DaySummary, OrderFigures

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
    yield Text(found.title, "bold")
    yield from found.lines()
    if not found.orders:
        return
    yield ""
    yield from table([_row(name, one) for name, one in found.by_symbol.items()], _COLUMNS, UTC)


def _row(symbol: str, found: OrderFigures) -> Mapping[str, Any]:
    return {
        "symbol": symbol,
        "orders": str(found.orders),
        "filled": _percent(found.fill_ratio),
        "volume": found.volume,
        "notional": sums(found.notional),
        "commissions": sums(found.commissions),
        "slippage": str(found.average_slippage_bps) if found.average_slippage_bps is not None else None,
    }


def _percent(ratio: Decimal | None) -> str:
    return "?" if ratio is None else f"{ratio * 100:.1f}%"
