"""The figures of a day: the values that a summary is made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkr_core.logs.fields import exact_text
from ibkr_core.model.said import plain, sums

__all__ = ["DaySummary", "Latency", "OrderFigures"]

_NONE: Final[Mapping[str, Any]] = MappingProxyType({})


def _frozen(value: Mapping[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(dict(value))


def _by_name() -> Any:  # noqa: ANN401 - what attrs.field() returns has no type of its own
    return attrs.field(default=_NONE, converter=_frozen, hash=False)


@attrs.frozen(kw_only=True)
class Latency:
    """How long something took, over some orders.

    Attributes:
        count: Over how many orders.
        average_ms: Their average in milliseconds, to the microsecond.
        worst_ms: The longest, in milliseconds.
    """

    count: int
    average_ms: Decimal
    worst_ms: Decimal

    def __str__(self) -> str:
        """One line for people: ``2.3 ms on average, 4.0 at worst (3 orders)``."""
        over = _count(self.count, "order")
        return f"{self.average_ms:,.1f} ms on average, {self.worst_ms:,.1f} at worst ({over})"


@attrs.frozen(kw_only=True)
class OrderFigures:
    """What a number of orders came to on one day.

    Money is in the currency that it was made or spent in, and never added across currencies.

    Attributes:
        orders: How many orders: those submitted on the day, and those executed on it.
        by_status: How many of them have which status, by its name (``FILLED``), as far as it is known now,
            not as it was at midnight.
        fill_ratio: Completely filled orders over all of them, to four places; None without orders.
        quantity_ratio: Filled quantity over ordered quantity of these orders, over their whole lives, to
            four places; None where no quantity is known.
        fills: Executions of the day, in their newest revisions; a combo's legs do not count, nor do
            the accounts' parts of a group order.
        volume: Their quantity, in shares or contracts.
        bought: The part of it that was bought.
        sold: The part of it that was sold.
        notional: Their quantity times price times the contract's multiplier, by currency. Where the contract
            names none it is 1: of a combo the broker names none, so its money counts by the point, here and
            in the slippage.
        commissions: By currency, as far as they are reported, those of legs included.
        unreported_commissions: Executions whose commission is not known yet.
        realized_pnl: What the broker reported as realised with these executions, by currency.
        ack_latency: From submission to the broker's first answer, over orders submitted on the day; None
            where none is known. All moments are ours, as we learned of things.
        fill_latency: From submission until the whole order was filled, over orders submitted on the day.
        slippage: What the executions cost more than their reference, by currency; negative is better than it.
            The reference of an order is its arrival price where one was given, else its limit price, else the
            stop price of a plain stop order; orders without one do not count. For a buy it is
            ``(price - reference) * quantity * multiplier``, for a sale the opposite.
        average_slippage_bps: The same in hundredths of a percent of the reference's value, over each order,
            then averaged over the orders, to two places; None where no order has a reference other than 0.
    """

    orders: int = 0
    by_status: Mapping[str, int] = _by_name()
    fill_ratio: Decimal | None = None
    quantity_ratio: Decimal | None = None
    fills: int = 0
    volume: Decimal = Decimal(0)
    bought: Decimal = Decimal(0)
    sold: Decimal = Decimal(0)
    notional: Mapping[str, Decimal] = _by_name()
    commissions: Mapping[str, Decimal] = _by_name()
    unreported_commissions: int = 0
    realized_pnl: Mapping[str, Decimal] = _by_name()
    ack_latency: Latency | None = None
    fill_latency: Latency | None = None
    slippage: Mapping[str, Decimal] = _by_name()
    average_slippage_bps: Decimal | None = None

    def as_dict(self) -> dict[str, Any]:
        """Return plain values that JSON has; numbers that are not counts are exact text."""
        return {one.name: _plain(getattr(self, one.name)) for one in attrs.fields(type(self))}

    def lines(self) -> tuple[str, ...]:
        """Return the figures as lines for people, rounded."""
        if not self.orders:
            return ("no orders",)
        statuses = ", ".join(f"{count} {status}" for status, count in self.by_status.items())
        late = f"; {self.unreported_commissions} not reported yet" if self.unreported_commissions else ""
        filled = f"{_percent(self.fill_ratio)} of the orders, {_percent(self.quantity_ratio)} of the quantity"
        sides = f"bought {plain(self.bought)}, sold {plain(self.sold)}"
        told = [
            ("Orders", f"{self.orders}: {statuses}"),
            ("Filled", filled),
            ("Volume", f"{plain(self.volume)} in {_count(self.fills, 'execution')}; {sides}"),
            ("Notional", sums(self.notional)),
            ("Commission", f"{sums(self.commissions)}{late}"),
            ("Realised", sums(self.realized_pnl) if self.realized_pnl else ""),
            ("Answered in", str(self.ack_latency or "")),
            ("Filled in", str(self.fill_latency or "")),
            ("Slippage", self._slippage()),
        ]
        return tuple(f"{name:<11} {text}" for name, text in told if text)

    def _slippage(self) -> str:
        if not self.slippage:
            return ""
        average = self.average_slippage_bps
        over = f"; {average} bp an order" if average is not None else ""
        return f"{sums(self.slippage)}{over} (below zero is better than the reference)"

    def __str__(self) -> str:
        """The figures in some lines for people."""
        return "\n".join(self.lines())


@attrs.frozen(kw_only=True)
class DaySummary(OrderFigures):
    """The figures of one day: over all orders, and by symbol.

    Attributes:
        day: The day.
        zone: The time zone that it is a day of, by its name.
        by_symbol: The same figures for each instrument, by its short name (``AAPL``,
            ``SPY 20261218 C 600``).
    """

    day: date
    zone: str
    by_symbol: Mapping[str, OrderFigures] = _by_name()

    @property
    def title(self) -> str:
        """The day in words: ``Friday, 2026-11-20 (America/New_York)``."""
        return f"{self.day:%A, %Y-%m-%d} ({self.zone})"

    def __str__(self) -> str:
        """The day, its figures and those of each instrument, in some lines for people."""
        rows = [
            (name, _count(one.orders, "order"), f"{_percent(one.fill_ratio)} filled", sums(one.notional))
            for name, one in self.by_symbol.items()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        table = ("  ".join([f"{row[0]:<{widths[0]}}", *map(str.rjust, row[1:], widths[1:])]) for row in rows)
        return "\n".join((self.title, *self.lines(), *([""] if rows else []), *table))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _percent(ratio: Decimal | None) -> str:
    return "?" if ratio is None else f"{ratio * 100:.1f}%"


def _plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    match value:
        case Decimal():
            return exact_text(value)  # the same text for the same number, wherever it was read
        case date():
            return value.isoformat()
        case Latency():
            return {one.name: _plain(getattr(value, one.name)) for one in attrs.fields(Latency)}
        case OrderFigures():
            return value.as_dict()
        case Mapping():
            return {name: _plain(one) for name, one in value.items()}
        case _:
            return value
