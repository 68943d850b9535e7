"""A day's figures in words."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

from ibkr_core.cli.tally import tally
from ibkr_core.summary import DaySummary, Latency, OrderFigures

AAPL = OrderFigures(
    orders=3,
    by_status={"FILLED": 2, "CANCELLED": 1},
    fill_ratio=Decimal("0.6667"),
    quantity_ratio=Decimal("0.5000"),
    fills=4,
    volume=Decimal(150),
    bought=Decimal(100),
    sold=Decimal(50),
    notional={"EUR": Decimal("1234.5"), "USD": Decimal(28500)},
    commissions={"USD": Decimal("1.50")},
    unreported_commissions=1,
    realized_pnl={"USD": Decimal("-12.345")},
    ack_latency=Latency(count=3, average_ms=Decimal("2.345"), worst_ms=Decimal("4.000")),
    slippage={"USD": Decimal("-3.20")},
    average_slippage_bps=Decimal("-1.12"),
)


def test_every_figure_is_told() -> None:
    """One line each, money with its currency, and a table by instrument below."""
    fields = {name: getattr(AAPL, name) for name in OrderFigures.__slots__ if name != "__weakref__"}
    day = DaySummary(day=date(2026, 11, 20), zone="America/New_York", by_symbol={"AAPL": AAPL}, **fields)
    lines = [str(line) for line in tally(day)]
    assert lines[:9] == [
        "Friday, 2026-11-20 (America/New_York)",
        "Orders      3: 2 FILLED, 1 CANCELLED",
        "Filled      66.7% of the orders, 50.0% of the quantity",
        "Volume      150 in 4 executions; bought 100, sold 50",
        "Notional    1,234.50 EUR, 28,500.00 USD",
        "Commission  1.50 USD; 1 not reported yet",
        "Realised    -12.34 USD",
        "Answered in 2.3 ms on average, 4.0 at worst (3 orders)",
        "Slippage    -3.20 USD; -1.12 bp an order (below zero is better than the reference)",
    ]
    assert lines[-1].split()[:3] == ["AAPL", "3", "66.7%"]


def test_a_day_without_orders_is_two_lines() -> None:
    """The day, and that nothing was."""
    assert len(list(tally(DaySummary(day=date(2026, 11, 20), zone="UTC")))) == 2
