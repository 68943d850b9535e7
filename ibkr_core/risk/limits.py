"""The limits as one value, and the gates that hold them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Literal

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.numbers import to_number
from ibkr_core.risk import gates
from ibkr_core.risk.hours import TradingHours, check_zone
from ibkr_core.risk.values import Gate, LastQuote, plain_text

__all__ = ["RiskLimits", "RiskPolicy"]

_LONGEST_WINDOW_S: Final = 86_400.0
_ANY: Final = "*"


def _above_zero(argument: str, value: object) -> Decimal:
    number = to_number(argument, value)
    if number <= 0:
        raise InvalidInput(argument, f"must be above zero, not {value!r}")
    return number


def _amount(argument: str, value: object) -> Decimal | None:
    return None if value is None else _above_zero(argument, value)


def _count(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is None:
        return
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInput(field.name, f"must be a whole number of at least 1, not {value!r}")


def _notional(value: object) -> Mapping[str, Decimal] | None:
    if value is None:
        return None
    if not isinstance(value, Mapping):
        value = {_ANY: value}
    if not value:
        raise InvalidInput("max_notional", "must name at least one currency")
    for currency in value:
        is_code = isinstance(currency, str) and (currency == _ANY or currency.isupper())
        if not is_code:
            raise InvalidInput(
                "max_notional", f'each currency must be a code such as "USD", not {currency!r}'
            )
    return MappingProxyType({code: _above_zero("max_notional", amount) for code, amount in value.items()})


def _names(argument: str, value: object) -> frozenset[str] | None:
    if value is None:
        return None
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise InvalidInput(argument, f"must be several texts, not {value!r}")
    names = tuple(value)
    if not names or not all(isinstance(one, str) and one.strip() for one in names):
        raise InvalidInput(argument, f"must be texts that are not empty, at least one; got {names!r}")
    return frozenset(one.strip().upper() for one in names)


def _hours(value: object) -> tuple[TradingHours, ...]:
    hours = (value,) if isinstance(value, TradingHours) else value
    if not isinstance(hours, Iterable):
        raise InvalidInput("hours", f"must be TradingHours, not {value!r}")
    spans = tuple(hours)
    for one in spans:
        if not isinstance(one, TradingHours):
            raise InvalidInput("hours", f"must be TradingHours, not {one!r}")
    return spans


def _to_max_order_size(value: object) -> Decimal | None:
    return _amount("max_order_size", value)


def _to_max_position(value: object) -> Decimal | None:
    return _amount("max_position", value)


def _to_collar_percent(value: object) -> Decimal | None:
    return _amount("collar_percent", value)


def _to_collar_ticks(value: object) -> Decimal | None:
    return _amount("collar_ticks", value)


def _to_symbols(value: object) -> frozenset[str] | None:
    return _names("symbols", value)


def _to_sec_types(value: object) -> frozenset[str] | None:
    return _names("sec_types", value)


def _to_max_loss(value: object) -> Decimal | None:
    return _amount("max_loss", value)


@attrs.frozen(kw_only=True)
class RiskLimits:
    """What orders must keep to before they may leave. Every limit is optional; none is set by default.

    Attributes:
        max_order_size: Units in one order, in the contract's units.
        max_notional: Money in one order, in the contract's currency: a mapping of currency codes
            (``{"USD": 50_000, "JPY": 7_000_000}``), or one number for each currency alike. With a mapping, an
            order in a currency that it does not name is refused, unless it has ``"*"``. How an order is
            weighed: :func:`ibkr_core.risk.gates.unit_price`.
        max_position: Units of one contract, long or short, counting all working orders as filled in the
            worst order of things. Orders that only bring a position nearer to zero pass.
        max_orders_per_second: New orders within any second.
        max_orders_per_day: New orders on one day.
        day_zone: The zone whose midnight begins a day.
        collar_percent: How far a limit price may lie through the market, in percent of it.
        collar_ticks: The same in price increments.
        symbols: The only symbols that may be traded; ``#265598`` names a contract id.
        sec_types: The only kinds of instruments that may be traded.
        hours: When orders may be sent; none for always.
        duplicate_window_s: An order like one that was sent less than so many seconds ago is refused.
        max_loss: The day's loss, in the account's own currency, from which on trading is halted and opening
            orders are refused.
        loss_check_s: How often the loss is looked at, beside each order and each fill; 0 for never.
        max_quote_age_s: A quote that is older (by its ``at``) is not known any more; None for any age.
        unknown: What becomes of an order that a limit cannot judge because a quote, a position, a multiplier
            or the day's result is not known: ``refuse`` or ``pass``.

    Raises:
        InvalidInput: A limit that makes no sense.
    """

    max_order_size: Decimal | None = attrs.field(default=None, converter=_to_max_order_size)
    max_notional: Mapping[str, Decimal] | None = attrs.field(default=None, converter=_notional, hash=False)
    max_position: Decimal | None = attrs.field(default=None, converter=_to_max_position)
    max_orders_per_second: int | None = attrs.field(default=None, validator=_count)
    max_orders_per_day: int | None = attrs.field(default=None, validator=_count)
    day_zone: str = "America/New_York"
    collar_percent: Decimal | None = attrs.field(default=None, converter=_to_collar_percent)
    collar_ticks: Decimal | None = attrs.field(default=None, converter=_to_collar_ticks)
    symbols: frozenset[str] | None = attrs.field(default=None, converter=_to_symbols)
    sec_types: frozenset[str] | None = attrs.field(default=None, converter=_to_sec_types)
    hours: tuple[TradingHours, ...] = attrs.field(default=(), converter=_hours)
    duplicate_window_s: float = 0.0
    max_loss: Decimal | None = attrs.field(default=None, converter=_to_max_loss)
    loss_check_s: float = 1.0
    max_quote_age_s: float | None = None
    unknown: Literal["refuse", "pass"] = "refuse"

    def __attrs_post_init__(self) -> None:
        """Check what has no converter of its own."""
        check_zone("day_zone", self.day_zone)
        for name in ("duplicate_window_s", "loss_check_s"):
            value = getattr(self, name)
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if not is_number or not 0 <= value <= _LONGEST_WINDOW_S:
                raise InvalidInput(
                    name, f"must be a number of seconds from 0 to {_LONGEST_WINDOW_S:g}, not {value!r}"
                )
        age = self.max_quote_age_s
        is_number = isinstance(age, int | float) and not isinstance(age, bool)
        if age is not None and not (is_number and 0 < age <= _LONGEST_WINDOW_S):
            raise InvalidInput(
                "max_quote_age_s",
                f"must be a number of seconds above zero and up to {_LONGEST_WINDOW_S:g}, not {age!r}",
            )
        if self.unknown not in ("refuse", "pass"):
            raise InvalidInput("unknown", f'must be "refuse" or "pass", not {self.unknown!r}')

    def __str__(self) -> str:
        """``max_order_size 100, symbols AAPL, MSFT``, or ``none``."""
        told = []
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if value != field.default and value not in (None, ()):
                told.append(f"{field.name} {_words(value)}")
        return ", ".join(told) or "none"

    def gates(self) -> tuple[Gate, ...]:
        """Return the gates that hold these limits: those that need least first."""
        passes = self.unknown == "pass"
        made: list[Gate | None] = [
            gates.AllowedSymbols(self.symbols) if self.symbols is not None else None,
            gates.AllowedSecTypes(self.sec_types) if self.sec_types is not None else None,
            gates.AllowedHours(self.hours) if self.hours else None,
            gates.MaxOrderSize(self.max_order_size, passes) if self.max_order_size is not None else None,
            gates.OrderRate(self.max_orders_per_second) if self.max_orders_per_second is not None else None,
            gates.DailyOrders(self.max_orders_per_day) if self.max_orders_per_day is not None else None,
            gates.Duplicates(self.duplicate_window_s) if self.duplicate_window_s > 0 else None,
            gates.PriceCollar(self.collar_percent, self.collar_ticks, passes)
            if self.collar_percent is not None or self.collar_ticks is not None
            else None,
            gates.MaxNotional(self.max_notional, passes) if self.max_notional is not None else None,
            gates.MaxPosition(self.max_position, passes) if self.max_position is not None else None,
            gates.MaxLoss(self.max_loss, passes) if self.max_loss is not None else None,
        ]
        return tuple(gate for gate in made if gate is not None)


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        return " ".join(f"{plain_text(amount)} {code}" for code, amount in sorted(value.items()))
    if isinstance(value, frozenset):
        return ", ".join(sorted(value))
    if isinstance(value, tuple):
        return "; ".join(map(str, value))
    return plain_text(value)


def _to_gates(value: Iterable[Gate]) -> tuple[Gate, ...]:
    if not isinstance(value, Iterable):
        raise InvalidInput("gates", f"must be several callables, not {value!r}")
    return tuple(value)


@attrs.frozen(kw_only=True)
class RiskPolicy:
    """Limits, gates of your own, and where last known values come from.

    The sources are called with the engine's send lock held: they must answer at once, from what is known, and
    never ask anybody. One that raises makes the order be refused.

    Attributes:
        limits: The limits.
        gates: Further gates; see :data:`~ibkr_core.risk.values.Gate`.
        quotes: The last quote of a contract; None for an unknown one. Without a source: what
            ``engine.risk.note_quote`` was told.
        profit_and_loss: The day's profit or loss of an account (its code; empty for the only one), in its own
            currency; None when unknown.
        ticks: The price increment of a contract at a price; None when unknown.
        positions: All live positions; None when unknown. Without a source: what the broker told, and all
            fills since.
    """

    limits: RiskLimits = RiskLimits()
    gates: tuple[Gate, ...] = attrs.field(default=(), converter=_to_gates)
    quotes: Callable[[Contract], LastQuote | None] | None = None
    profit_and_loss: Callable[[str], Decimal | None] | None = None
    ticks: Callable[[Contract, Decimal], Decimal | None] | None = None
    positions: Callable[[], Iterable[Position] | None] | None = None

    def __attrs_post_init__(self) -> None:
        """Check the kinds."""
        if not isinstance(self.limits, RiskLimits):
            raise InvalidInput("limits", f"must be RiskLimits, not {self.limits!r}")
        for gate in self.gates:
            if not callable(gate):
                raise InvalidInput("gates", f"must be callables, not {gate!r}")
        for name in ("quotes", "profit_and_loss", "ticks", "positions"):
            source = getattr(self, name)
            if source is not None and not callable(source):
                raise InvalidInput(name, f"must be a callable, not {source!r}")
