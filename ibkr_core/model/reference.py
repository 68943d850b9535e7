"""Reference data: what an instrument is, when it trades, in what steps its price moves, what it costs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.checks import check_whole
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT, Numeric, to_number
from ibkr_core.model.order import Action
from ibkr_core.model.said import lean_repr, plain, said, with_reason

__all__ = [
    "ContractDetails",
    "Greeks",
    "MarketRule",
    "OptionChain",
    "PriceStep",
    "Quote",
    "TradingHours",
    "TradingSession",
    "parse_day",
]

_DAY: Final = re.compile(r"(\d{4})(\d{2})(\d{2})")
_SPAN: Final = re.compile(r"(?:(\d{8}):)?(\d{4})-(?:(\d{8}):)?(\d{4})")
_ZERO: Final = Decimal(0)
_WHOLE: Final = Decimal(1)
_ZONES: Final[Mapping[str, str]] = {
    "EST": "America/New_York",
    "EDT": "America/New_York",
    "CST": "America/Chicago",
    "CDT": "America/Chicago",
    "MST": "America/Denver",
    "PST": "America/Los_Angeles",
    "JST": "Asia/Tokyo",
    "BST": "Europe/London",
    "CTT": "Asia/Shanghai",
    "China Standard Time": "Asia/Shanghai",
}
"""Zones that gateways are known to name in a way of their own (wire facts 2)."""


def parse_day(text: str) -> date | None:
    """Read a day that begins with ``YYYYMMDD``; None where there is none, as in a contract month."""
    found = _DAY.match(text)
    if found is None:
        return None
    try:
        return date(*(int(part) for part in found.groups()))
    except ValueError:
        return None


# ── hours ───────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class TradingSession:
    """A span of time in which something trades.

    Attributes:
        opens: Its first moment, in UTC.
        closes: The first moment after it, in UTC.
    """

    opens: datetime
    closes: datetime

    def contains(self, at: datetime) -> bool:
        """Whether a moment (with a zone of its own) lies in it."""
        return self.opens <= at < self.closes


@attrs.frozen
class TradingHours:
    """The coming sessions of an instrument, as its contract details tell them: a week at most.

    Attributes:
        text: As the broker wrote it, such as ``20261123:0400-20261123:2000;20261126:CLOSED``.
        zone: The zone's name as the broker wrote it.
        sessions: The sessions, in order; empty where the zone is unknown here.
        days: The days that the text speaks of, those without trading included.
    """

    text: str = ""
    zone: str = ""
    sessions: tuple[TradingSession, ...] = ()
    days: frozenset[date] = frozenset()

    @classmethod
    def parse(cls, text: str, zone: str) -> TradingHours:
        """Read the text of ``tradingHours`` or ``liquidHours``.

        Both forms are read: ``YYYYMMDD:HHMM-YYYYMMDD:HHMM``, and that of old gateways without the second
        day, with several spans of a day behind commas. What cannot be read is left out.

        Args:
            text: The spans of some days, separated by semicolons.
            zone: The zone that they are written in (``timeZoneId``).
        """
        return cls(text, zone, *_read_hours(text, zone))

    @property
    def is_known(self) -> bool:
        """Whether anything can be said: the broker told hours, in a zone that is known here."""
        return bool(self.days) and _zone(self.zone) is not None

    def covers(self, at: datetime) -> bool:
        """Whether the broker told about the day of a moment; it tells a few days only."""
        place = _zone(self.zone)
        return place is not None and _aware(at).astimezone(place).date() in self.days

    def is_open(self, at: datetime) -> bool:
        """Whether it trades at a moment. False also where nothing is known of that day; see :meth:`covers`.

        Raises:
            InvalidInput: The moment has no time zone.
        """
        moment = _aware(at)
        return any(session.contains(moment) for session in self.sessions)

    def next_opening(self, at: datetime) -> datetime | None:
        """Return the next beginning of a session after a moment, in UTC; None where none is known."""
        moment = _aware(at)
        return next((session.opens for session in self.sessions if session.opens > moment), None)


def _aware(at: datetime) -> datetime:
    if not isinstance(at, datetime) or at.utcoffset() is None:
        raise InvalidInput("at", f"must be a datetime with a time zone, not {at!r}")
    return at


def _zone(name: str) -> ZoneInfo | None:
    """Return a zone by the broker's name; some gateways write ``EST (Eastern Standard Time)``."""
    short = name.split("(", maxsplit=1)[0].strip()
    if not short:
        return None
    try:
        return ZoneInfo(_ZONES.get(short, short))
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=512)
def _read_hours(text: str, zone: str) -> tuple[tuple[TradingSession, ...], frozenset[date]]:
    """Return sessions and days; a chain of a thousand options has the same text a thousand times."""
    place = _zone(zone)
    sessions: list[TradingSession] = []
    days: set[date] = set()
    for part in text.split(";"):
        day = parse_day(part.strip())
        if day is None:
            continue
        days.add(day)
        if place is not None:
            sessions += _sessions_of(day, part.strip()[8:].lstrip(":"), place)
    sessions.sort(key=lambda one: one.opens)
    return tuple(sessions), frozenset(days)


def _sessions_of(day: date, spans: str, zone: ZoneInfo) -> list[TradingSession]:
    sessions = []
    for text in spans.split(","):
        found = _SPAN.fullmatch(text.strip())
        if found is None:
            continue  # CLOSED
        first, opens, last, closes = found.groups()
        begin = _moment(parse_day(first or "") or day, opens, zone)
        end = _moment(parse_day(last or "") or day, closes, zone)
        if begin is None or end is None:
            continue
        if end <= begin and last is None:
            # Without a second day a session that ends before it begins has begun on the evening before.
            begin = _moment(day - timedelta(days=1), opens, zone) or begin
        if begin < end:
            sessions.append(TradingSession(begin, end))
    return sessions


def _moment(day: date, clock: str, zone: ZoneInfo) -> datetime | None:
    hours, minutes = int(clock[:2]), int(clock[2:])
    if clock == "2400":
        day, hours = day + timedelta(days=1), 0
    try:
        return datetime.combine(day, time(hours, minutes), zone).astimezone(UTC)
    except ValueError:
        return None


# ── contract details ────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class ContractDetails:
    """What the broker knows of one instrument (official ContractDetails).

    Attributes:
        contract: The contract, complete: ``con_id``, local symbol, multiplier and all.
        market_name: The market's name.
        min_tick: The smallest step of the price on any of its exchanges; the rule that holds at a price is
            the market rule's (:class:`MarketRule`). None where it was not told.
        price_magnifier: Prices of orders and of market data are told in so many parts of the currency: 100
            for what is traded in cents or pence, such as corn; 1 nearly always. ``min_tick`` is told in the
            currency itself, so that an order's price moves in steps of ``min_tick * price_magnifier``.
        order_types: The order types and attributes that it takes, by the broker's own abbreviations.
        exchanges: Where it can be routed.
        market_rule_ids: The market rule of each of ``exchanges``, in the same order.
        underlying_con_id: Contract id of what a derivative is on; 0 for none.
        underlying_symbol: Its symbol.
        underlying_sec_type: Its security type.
        long_name: The name for people.
        contract_month: ``YYYYMM``, for what expires.
        industry: Of the issuer.
        category: Within the industry.
        subcategory: Within the category.
        time_zone: The zone in which the broker writes its hours.
        trading_hours: When it trades at all.
        liquid_hours: When it trades in regular hours.
        sec_ids: Identifiers by kind, such as ``ISIN``.
        expires_on: The last day on which it can be traded, None where it does not expire.
        last_trade_time: The time of that day, as the broker wrote it.
        stock_type: ``COMMON``, ``ETF``, ``ADR`` ….
        min_size: The smallest order, None where it was not told.
        size_increment: The steps of an order's quantity.
        suggested_size_increment: The usual steps of a quantity.
        coupon: A bond's coupon, in percent; None for all else.
        maturity: A bond's last day.
        official: Every field of the official object that has no name here, by its official name.
    """

    contract: Contract
    market_name: str = ""
    min_tick: Decimal | None = None
    price_magnifier: int = 1
    order_types: tuple[str, ...] = ()
    exchanges: tuple[str, ...] = ()
    market_rule_ids: tuple[int, ...] = ()
    underlying_con_id: int = 0
    underlying_symbol: str = ""
    underlying_sec_type: str = ""
    long_name: str = ""
    contract_month: str = ""
    industry: str = ""
    category: str = ""
    subcategory: str = ""
    time_zone: str = ""
    trading_hours: TradingHours = TradingHours()
    liquid_hours: TradingHours = TradingHours()
    sec_ids: Mapping[str, str] = attrs.field(factory=dict, hash=False)
    expires_on: date | None = None
    last_trade_time: str = ""
    stock_type: str = ""
    min_size: Decimal | None = None
    size_increment: Decimal | None = None
    suggested_size_increment: Decimal | None = None
    coupon: Decimal | None = None
    maturity: date | None = None
    official: Mapping[str, Any] = attrs.field(factory=dict, hash=False, repr=False)

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``AAPL (STK, SMART, USD, #265598): APPLE INC, steps of 0.01``."""
        steps = f"steps of {plain(self.min_tick)}" if self.min_tick is not None else ""
        expires = f"expires {self.expires_on}" if self.expires_on is not None else ""
        more = ", ".join(one for one in (said(self.long_name), steps, expires) if one)
        return f"{self.contract}: {more}" if more else str(self.contract)

    def market_rule_id(self, exchange: str = "") -> int | None:
        """Return the market rule of an exchange; None where the broker told none.

        Args:
            exchange: Where the order goes; the contract's own exchange where it is empty.
        """
        wanted = exchange or self.contract.exchange
        for name, rule in zip(self.exchanges, self.market_rule_ids, strict=False):
            if name == wanted:
                return rule
        return None

    def day_at(self, at: datetime) -> date | None:
        """Return the day that it is at the exchange at a moment; None where its zone is unknown here.

        Raises:
            InvalidInput: The moment has no time zone.
        """
        place = _zone(self.time_zone)
        return None if place is None else _aware(at).astimezone(place).date()

    @property
    def point_value(self) -> Decimal:
        """Money that one unit gains when its price rises by one: multiplier over price magnifier.

        Raises:
            InvalidInput: The multiplier is no number.
        """
        multiplier = to_number("multiplier", self.contract.multiplier or 1)
        return EXACT.divide(multiplier, Decimal(self.price_magnifier or 1))

    def days_to_expiry(self, today: date) -> int | None:
        """Return how many days from a day to the last trading day; None where it does not expire."""
        return None if self.expires_on is None else (self.expires_on - today).days


@attrs.frozen
class OptionChain:
    """The options on something, on one exchange and of one trading class.

    Not every strike is listed for every expiration: ask for the contract details of those that you want.

    Attributes:
        exchange: Where they trade.
        underlying_con_id: Contract id of what they are on.
        trading_class: The exchange's product class, such as ``SPXW`` beside ``SPX``.
        multiplier: Contract size as text, as in a Contract.
        expirations: Last trading days, in order.
        strikes: Strike prices, in order.
    """

    exchange: str
    underlying_con_id: int
    trading_class: str
    multiplier: str
    expirations: tuple[date, ...]
    strikes: tuple[Decimal, ...]

    def __str__(self) -> str:
        """One line for people: ``SPY on SMART, times 100: 2 expirations (...), 3 strikes (590 to 600)``."""
        days = with_reason(f"{len(self.expirations)} expirations", (_span(self.expirations),))
        prices = with_reason(f"{len(self.strikes)} strikes", (_span(self.strikes),))
        return f"{said(self.trading_class)} on {self.exchange}, times {self.multiplier}: {days}, {prices}"


def _span(row: Sequence[object]) -> str:
    """Return the first and the last of a row in order."""
    return " to ".join(dict.fromkeys(said(one) for one in (*row[:1], *row[-1:])))


# ── price steps ─────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class PriceStep:
    """From a price on, the steps in which a price moves.

    Attributes:
        low_edge: The lowest price of this band.
        increment: The step there, above zero.
    """

    low_edge: Decimal
    increment: Decimal


def _rule_id(_: object, field: attrs.Attribute[Any], value: object) -> None:
    check_whole(field.name, value, least=0)


def _in_order(steps: Iterable[PriceStep]) -> tuple[PriceStep, ...]:
    given = tuple(steps) if isinstance(steps, Iterable) else (steps,)
    for step in given:
        if not isinstance(step, PriceStep):
            raise InvalidInput("steps", f"must be PriceStep values, not {steps!r}")
        if not (step.low_edge.is_finite() and step.increment.is_finite() and step.increment > 0):
            raise InvalidInput("steps", f"every increment must be above zero, not {step.increment}")
    if not given:
        raise InvalidInput("steps", "needs one step at least")
    return tuple(sorted(given, key=lambda step: step.low_edge))


@attrs.frozen
class MarketRule:
    """In what steps prices move on an exchange (official ``marketRule``): finer where prices are low.

    A price is on the grid when it is a multiple of the step of its band. For prices below zero, which combos
    and futures can have, the band is that of the same price above zero: not documented, chosen because a
    price and its negation are the same deal from its two sides.

    Attributes:
        rule_id: The broker's number for it; 0 for one that was made from a single minimum step.
        steps: The bands, lowest first.

    Raises:
        InvalidInput: No step, or one that is not above zero.
    """

    rule_id: int = attrs.field(validator=_rule_id)
    steps: tuple[PriceStep, ...] = attrs.field(converter=_in_order)

    def __str__(self) -> str:
        """One line for people: ``steps of 0.01 from 0, 0.05 from 3 (rule 67)``."""
        bands = ", ".join(f"{plain(step.increment)} from {plain(step.low_edge)}" for step in self.steps)
        return with_reason(f"steps of {bands}", (f"rule {self.rule_id}" if self.rule_id else "",))

    @classmethod
    def of_step(cls, increment: Numeric) -> MarketRule:
        """Make the rule of an instrument that has the same step at every price."""
        return cls(0, (PriceStep(_ZERO, to_number("increment", increment)),))

    def scaled(self, factor: Numeric) -> MarketRule:
        """Return the rule for prices that are told in so many parts of the unit that this one is for."""
        times = to_number("factor", factor)
        steps = (
            PriceStep(EXACT.multiply(step.low_edge, times), EXACT.multiply(step.increment, times))
            for step in self.steps
        )
        return MarketRule(self.rule_id, tuple(steps))

    @property
    def finest(self) -> Decimal:
        """The smallest step of all bands."""
        return min(step.increment for step in self.steps)

    def increment_at(self, price: Numeric) -> Decimal:
        """Return the step at a price.

        Raises:
            InvalidInput: The price is no number.
        """
        return self._band(abs(to_number("price", price)))[0].increment

    def is_valid(self, price: Numeric) -> bool:
        """Whether a price is on the grid.

        Raises:
            InvalidInput: The price is no number.
        """
        size = abs(to_number("price", price))
        return _multiple(size, self._band(size)[0].increment, ROUND_FLOOR) == size

    def round(self, price: Numeric, side: Action | str | None = None) -> Decimal:
        """Return the nearest price on the grid that is no worse for a side.

        Args:
            price: A price.
            side: A buyer's price is rounded down and a seller's up, so that nobody pays more or gets less
                than the price says. None for the nearest one either way, the lower of two.

        Raises:
            InvalidInput: The price is no number, or the side is no side.
        """
        exact = to_number("price", price)
        if side is None:
            below, above = self._floor(exact), self._ceiling(exact)
            return below if EXACT.subtract(exact, below) <= EXACT.subtract(above, exact) else above
        try:
            action = Action(side)
        except ValueError:
            raise InvalidInput("side", f"must be BUY or SELL, not {side!r}") from None
        return self._floor(exact) if action is Action.BUY else self._ceiling(exact)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _floor(self, price: Decimal) -> Decimal:
        return self._down(price) if price >= 0 else -self._up(-price)

    def _ceiling(self, price: Decimal) -> Decimal:
        return self._up(price) if price >= 0 else -self._down(-price)

    def _band(self, size: Decimal) -> tuple[PriceStep, int]:
        """Return the band of a price that is not negative, and its place."""
        place = 0
        for index, step in enumerate(self.steps):
            if step.low_edge <= size:
                place = index
        return self.steps[place], place

    def _down(self, size: Decimal) -> Decimal:
        step, place = self._band(size)
        found = _multiple(size, step.increment, ROUND_FLOOR)
        while place > 0 and found < step.low_edge:
            # Nothing of this band lies below: the highest of the next lower one, which ends before the edge.
            edge, step, place = step.low_edge, self.steps[place - 1], place - 1
            found = _multiple(edge, step.increment, ROUND_CEILING)
            found = EXACT.subtract(found, step.increment)
        return found

    def _up(self, size: Decimal) -> Decimal:
        step, place = self._band(size)
        found = _multiple(size, step.increment, ROUND_CEILING)
        while place + 1 < len(self.steps) and found >= self.steps[place + 1].low_edge:
            step, place = self.steps[place + 1], place + 1
            found = _multiple(max(step.low_edge, size), step.increment, ROUND_CEILING)
        return found


def _multiple(size: Decimal, increment: Decimal, rounding: str) -> Decimal:
    """Return the multiple of a step next to a price, exactly."""
    whole, rest = EXACT.divmod(size, increment)
    if rest and rounding == ROUND_CEILING:
        whole = EXACT.add(whole, _WHOLE)
    return EXACT.multiply(whole, increment)


# ── prices ──────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class Greeks:
    """How an option's price moves, as the broker's model has it. None means that it was not computed.

    Attributes:
        implied_volatility: Per year, as a ratio: 0.25 is 25 percent.
        delta: For one unit of the underlying's price.
        gamma: Change of the delta for one unit.
        vega: For one percent of volatility.
        theta: For one day.
        price: The option's price by the model.
        dividend: Present value of the dividends that are expected until it expires.
        underlying_price: The price of the underlying that it was computed with.
    """

    implied_volatility: Decimal | None = None
    delta: Decimal | None = None
    gamma: Decimal | None = None
    vega: Decimal | None = None
    theta: Decimal | None = None
    price: Decimal | None = None
    dividend: Decimal | None = None
    underlying_price: Decimal | None = None

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``implied_volatility 0.25, delta 0.5``, as far as it is known."""
        told = ((field.name, getattr(self, field.name)) for field in attrs.fields(Greeks))
        return ", ".join(f"{name} {plain(value)}" for name, value in told if value is not None) or "no greeks"


@attrs.frozen(kw_only=True)
class Quote:
    """What something costs, at one moment. None means that the broker told no such price.

    Attributes:
        contract: What was asked about.
        at: When the last of it came, in UTC.
        bid: Best price of the buyers.
        ask: Best price of the sellers.
        last: Price of the last trade.
        close: The close of the day before.
        open: Today's first price.
        high: Today's highest.
        low: Today's lowest.
        bid_size: Units wanted at the bid.
        ask_size: Units offered at the ask.
        last_size: Units of the last trade.
        volume: Units traded today.
        greeks: An option's, None for all else and where none were told.
        market_data_type: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen.
        is_complete: Whether the broker told all that it has; False when time ran out before.
    """

    contract: Contract
    at: datetime
    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    close: Decimal | None = None
    open: Decimal | None = None
    high: Decimal | None = None
    low: Decimal | None = None
    bid_size: Decimal | None = None
    ask_size: Decimal | None = None
    last_size: Decimal | None = None
    volume: Decimal | None = None
    greeks: Greeks | None = None
    market_data_type: int = 1
    is_complete: bool = True

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``AAPL bid 189.90 x 60, ask 190.00 x 60, last 189.95 (14:31:45 UTC)``."""
        told = []
        for name, price, size in (
            ("bid", self.bid, self.bid_size),
            ("ask", self.ask, self.ask_size),
            ("last", self.last, self.last_size),
            ("close", self.close, None),
        ):
            if price is not None:
                told.append(f"{name} {plain(price)}" + (f" x {plain(size)}" if size is not None else ""))
        if self.greeks is not None:
            told.append(str(self.greeks))
        return with_reason(
            f"{said(self.contract.name)} {', '.join(told) or 'no prices'}",
            (
                said(self.at),
                "delayed" if self.is_delayed else "",
                "" if self.is_complete else "time ran out before all was told",
            ),
        )

    @property
    def is_delayed(self) -> bool:
        """Whether the prices are those of some minutes ago."""
        return self.market_data_type in (3, 4)

    @property
    def midpoint(self) -> Decimal | None:
        """The middle between bid and ask; None where one of them is missing."""
        if self.bid is None or self.ask is None:
            return None
        return EXACT.multiply(EXACT.add(self.bid, self.ask), Decimal("0.5"))

    @property
    def spread(self) -> Decimal | None:
        """Ask less bid; None where one of them is missing."""
        return None if self.bid is None or self.ask is None else EXACT.subtract(self.ask, self.bid)

    @property
    def price(self) -> Decimal | None:
        """The best single guess of what it is worth: the last trade where it lies between bid and ask.

        Else the midpoint, the last trade or the last close, whichever is there first.
        """
        middle = self.midpoint
        if self.bid is not None and self.ask is not None and self.last is not None:
            return self.last if self.bid <= self.last <= self.ask else middle
        if middle is not None:
            return middle
        return self.last if self.last is not None else self.close
