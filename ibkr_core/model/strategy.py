"""A strategy: instruments that are held together, in fixed proportions, and builders of the usual ones."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidContract, InvalidStrategy
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import Numeric, to_number
from ibkr_core.model.order import Action

__all__ = ["Strategy", "StrategyLeg", "expiry_date"]

_OPTIONS: Final = frozenset({"OPT", "FOP"})
_WHOLE: Final = frozenset({"OPT", "FOP", "FUT", "WAR", "IOPT"})
"""Kinds of which there are no parts."""


def expiry_date(contract: Contract) -> date | None:
    """Return the last trade date of a contract; None when it names none, or only a month."""
    digits = contract.expiry[:8]
    if len(digits) < 8 or not digits.isdigit():  # noqa: PLR2004 - YYYYMMDD
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:8]))
    except ValueError:
        return None


def _side(value: object) -> Action:
    text = value.upper() if isinstance(value, str) else ""
    if text not in ("BUY", "SELL"):
        raise InvalidStrategy("side", f"must be BUY (the leg is long) or SELL (short), not {value!r}")
    return Action(text)


@attrs.frozen
class StrategyLeg:
    """One instrument of a strategy.

    Attributes:
        contract: What is held.
        ratio: Units of it in one unit of the strategy: 1 for an option, 100 for the shares beneath it.
        side: ``BUY`` when the strategy is long this leg, ``SELL`` when it is short.

    Raises:
        InvalidStrategy: A ratio below 1, a side that is none, or a combination (its legs are held, not it).
        InvalidContract: The contract cannot be routed.
    """

    contract: Contract
    ratio: int = 1
    side: Action = attrs.field(default=Action.BUY, converter=_side)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be held."""
        if not isinstance(self.contract, Contract):
            raise InvalidStrategy("contract", f"must be an ibkr_core Contract, not {self.contract!r}")
        if isinstance(self.ratio, bool) or not isinstance(self.ratio, int) or self.ratio < 1:
            raise InvalidStrategy("ratio", f"must be a whole number of at least 1, not {self.ratio!r}")
        if self.contract.is_combo:
            raise InvalidStrategy("contract", "is a combination; name its legs, which are what is held")
        if self.contract.sec_type == "IND":
            raise InvalidStrategy("contract", "is an index, which nobody can hold")
        self.contract.check()

    @property
    def is_option(self) -> bool:
        """Whether it is an option, on whatever."""
        return self.contract.sec_type in _OPTIONS

    @property
    def expiry(self) -> date | None:
        """Its last trade date, None for what has none."""
        return expiry_date(self.contract)


def _legs(value: Iterable[StrategyLeg]) -> tuple[StrategyLeg, ...]:
    legs = tuple(value) if isinstance(value, Iterable) else ()
    if not legs or not all(isinstance(leg, StrategyLeg) for leg in legs):
        raise InvalidStrategy("legs", f"must be one StrategyLeg or more, not {value!r}")
    return legs


def _quantity(value: Numeric) -> Decimal:
    number = to_number("quantity", value, InvalidStrategy)
    if number <= 0:
        raise InvalidStrategy("quantity", f"must be above zero, not {number}")
    return number


@attrs.frozen
class Strategy:
    """Instruments that are held together. It says what *is* held: a short leg has the side SELL.

    Attributes:
        legs: What it is made of.
        quantity: How many units of it are held; each leg has ``ratio`` times as many.
        name: For people, and for the keys of its orders.

    Raises:
        InvalidStrategy: No legs, the same instrument twice, a quantity of zero or less, or one that makes
            parts of an option.
    """

    legs: tuple[StrategyLeg, ...] = attrs.field(converter=_legs)
    quantity: Decimal = attrs.field(default=Decimal(1), converter=_quantity)
    name: str = "strategy"

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be held."""
        if not isinstance(self.name, str) or not self.name.strip():
            raise InvalidStrategy("name", f"must be a text, not {self.name!r}")
        seen = [_identity(leg.contract) for leg in self.legs]
        for index, one in enumerate(seen):
            if one in seen[:index]:
                what = self.legs[index].contract.name
                raise InvalidStrategy("legs", f"name {what} twice; give it once with a ratio")
        for leg in self.legs:
            if leg.contract.sec_type in _WHOLE and self.quantity_of(leg) % 1:
                raise InvalidStrategy("quantity", f"makes {self.quantity_of(leg)} of {leg.contract.name}")

    def quantity_of(self, leg: StrategyLeg) -> Decimal:
        """Return how much of a leg the whole strategy has, never negative.

        Raises:
            InvalidStrategy: It is no leg.
        """
        if not isinstance(leg, StrategyLeg):
            raise InvalidStrategy("leg", f"must be a StrategyLeg, not {leg!r}")
        return self.quantity * leg.ratio

    @property
    def is_options_only(self) -> bool:
        """Whether every leg is an option."""
        return all(leg.is_option for leg in self.legs)

    @property
    def expiries(self) -> tuple[date, ...]:
        """The different expiries of its legs, nearest first."""
        return tuple(sorted({leg.expiry for leg in self.legs if leg.expiry is not None}))

    def __str__(self) -> str:
        """``2 x vertical: BUY 1 SPY 20261218 C 600, SELL 1 SPY 20261218 C 610``."""
        legs = ", ".join(f"{leg.side.value} {leg.ratio} {leg.contract.name}" for leg in self.legs)
        return f"{self.quantity} x {self.name}: {legs}"

    # ── builders ────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def single(
        cls, contract: Contract, side: str = "BUY", quantity: Numeric = 1, *, name: str = "single"
    ) -> Strategy:
        """Hold one instrument: ``BUY`` for a long position, ``SELL`` for a short one."""
        return cls((StrategyLeg(contract, 1, side),), quantity, name)

    @classmethod
    def vertical(
        cls,
        symbol: str,
        expiry: str | date,
        right: str,
        *,
        long_strike: Numeric,
        short_strike: Numeric,
        quantity: Numeric = 1,
        **fields: Any,
    ) -> Strategy:
        """Hold one option and owe another of the same expiry and right, at another strike.

        Args:
            symbol: The underlying's symbol.
            expiry: Last trade date, a date or ``YYYYMMDD``.
            right: ``C`` or ``P``.
            long_strike: Of the option that is held.
            short_strike: Of the option that is owed.
            quantity: How many spreads.
            **fields: For each option's contract: ``exchange``, ``currency``, ``multiplier`` ….

        Raises:
            InvalidStrategy: Both strikes are the same, or the expiry is no date.
            InvalidContract: A strike, a right or a field that no contract can have.
        """
        long, short = _strike("long_strike", long_strike), _strike("short_strike", short_strike)
        if long == short:
            raise InvalidStrategy("short_strike", f"must differ from the long strike {long}")
        day, kind = _day("expiry", expiry), _right(right)
        return cls(
            (
                StrategyLeg(Contract.option(symbol, day, long, kind, **fields), 1, "BUY"),
                StrategyLeg(Contract.option(symbol, day, short, kind, **fields), 1, "SELL"),
            ),
            quantity,
            "vertical",
        )

    @classmethod
    def iron_condor(
        cls,
        symbol: str,
        expiry: str | date,
        *,
        long_put: Numeric,
        short_put: Numeric,
        short_call: Numeric,
        long_call: Numeric,
        quantity: Numeric = 1,
        **fields: Any,
    ) -> Strategy:
        """Owe a put and a call, and hold a put below and a call above them.

        Args:
            symbol: The underlying's symbol.
            expiry: Last trade date of all four, a date or ``YYYYMMDD``.
            long_put: Lowest strike.
            short_put: Next strike.
            short_call: Next strike.
            long_call: Highest strike.
            quantity: How many condors.
            **fields: For each option's contract.

        Raises:
            InvalidStrategy: The strikes do not rise in that order, or the expiry is no date.
            InvalidContract: A strike or a field that no contract can have.
        """
        names = ("long_put", "short_put", "short_call", "long_call")
        strikes = [
            _strike(name, value)
            for name, value in zip(names, (long_put, short_put, short_call, long_call), strict=True)
        ]
        for index in (1, 2, 3):
            if strikes[index] <= strikes[index - 1]:
                lower = f"{names[index - 1]} {strikes[index - 1]}"
                raise InvalidStrategy(names[index], f"must be above the {lower}, not {strikes[index]}")
        day = _day("expiry", expiry)
        sides = (("P", "BUY"), ("P", "SELL"), ("C", "SELL"), ("C", "BUY"))
        return cls(
            tuple(
                StrategyLeg(Contract.option(symbol, day, strike, right, **fields), 1, side)
                for strike, (right, side) in zip(strikes, sides, strict=True)
            ),
            quantity,
            "iron condor",
        )

    @classmethod
    def straddle(
        cls,
        symbol: str,
        expiry: str | date,
        strike: Numeric,
        *,
        side: str = "BUY",
        quantity: Numeric = 1,
        **fields: Any,
    ) -> Strategy:
        """Hold (``BUY``) or owe (``SELL``) a put and a call of the same strike and expiry.

        Raises:
            InvalidStrategy: The expiry is no date, or the side is none.
            InvalidContract: A strike or a field that no contract can have.
        """
        at, day = _strike("strike", strike), _day("expiry", expiry)
        return cls(_put_and_call(symbol, day, at, at, side, fields), quantity, "straddle")

    @classmethod
    def strangle(
        cls,
        symbol: str,
        expiry: str | date,
        *,
        put_strike: Numeric,
        call_strike: Numeric,
        side: str = "BUY",
        quantity: Numeric = 1,
        **fields: Any,
    ) -> Strategy:
        """Hold (``BUY``) or owe (``SELL``) a put and, at a higher strike, a call.

        Raises:
            InvalidStrategy: The call's strike is not above the put's, the expiry is no date, or the side is
                none.
            InvalidContract: A strike or a field that no contract can have.
        """
        put, call = _strike("put_strike", put_strike), _strike("call_strike", call_strike)
        if call <= put:
            raise InvalidStrategy("call_strike", f"must be above the put strike {put}, not {call}")
        day = _day("expiry", expiry)
        return cls(_put_and_call(symbol, day, put, call, side, fields), quantity, "strangle")

    @classmethod
    def calendar(
        cls,
        symbol: str,
        near_expiry: str | date,
        far_expiry: str | date,
        strike: Numeric,
        right: str,
        *,
        side: str = "BUY",
        quantity: Numeric = 1,
        **fields: Any,
    ) -> Strategy:
        """Hold the far option and owe the near one of the same strike (``BUY``), or the other way round.

        Raises:
            InvalidStrategy: The far expiry is not after the near one, or one of them is no date.
            InvalidContract: A strike, a right or a field that no contract can have.
        """
        near, far = _day("near_expiry", near_expiry), _day("far_expiry", far_expiry)
        if far <= near:
            raise InvalidStrategy("far_expiry", f"must be after {near}, not {far}")
        at, kind, far_side = _strike("strike", strike), _right(right), _side(side)
        return cls(
            (
                StrategyLeg(Contract.option(symbol, near, at, kind, **fields), 1, far_side.opposite),
                StrategyLeg(Contract.option(symbol, far, at, kind, **fields), 1, far_side),
            ),
            quantity,
            "calendar",
        )

    @classmethod
    def covered_call(
        cls, symbol: str, expiry: str | date, strike: Numeric, *, quantity: Numeric = 1, **fields: Any
    ) -> Strategy:
        """Hold the shares of one call (its multiplier, 100 as a rule) and owe the call.

        Args:
            symbol: The share's symbol.
            expiry: The call's last trade date, a date or ``YYYYMMDD``.
            strike: The call's strike.
            quantity: How many calls.
            **fields: For the call's contract; ``exchange`` and ``currency`` go to the share as well.

        Raises:
            InvalidStrategy: The expiry is no date, or the multiplier is no whole number.
            InvalidContract: A strike or a field that no contract can have.
        """
        call = Contract.option(symbol, _day("expiry", expiry), _strike("strike", strike), "C", **fields)
        multiplier = to_number("multiplier", call.multiplier, InvalidStrategy)
        if multiplier % 1 or multiplier < 1:
            raise InvalidStrategy("multiplier", f"must be a whole number of shares, not {call.multiplier!r}")
        share = Contract.stock(symbol, call.exchange, call.currency)
        return cls(
            (StrategyLeg(share, int(multiplier), "BUY"), StrategyLeg(call, 1, "SELL")),
            quantity,
            "covered call",
        )


def _put_and_call(
    symbol: str, day: str, put: Decimal, call: Decimal, side: str, fields: dict[str, Any]
) -> tuple[StrategyLeg, ...]:
    return (
        StrategyLeg(Contract.option(symbol, day, put, "P", **fields), 1, side),
        StrategyLeg(Contract.option(symbol, day, call, "C", **fields), 1, side),
    )


def _identity(contract: Contract) -> object:
    """What tells instruments apart: the id, or all that names one without it."""
    if contract.con_id:
        return contract.con_id
    right = contract.right[:1].upper()
    return (
        contract.symbol,
        contract.sec_type,
        contract.expiry,
        contract.strike,
        right,
        contract.multiplier,
        contract.currency,
        contract.local_symbol,
        contract.trading_class,
        contract.sec_id,
        contract.primary_exchange,
    )


def _strike(name: str, value: Numeric) -> Decimal:
    strike = to_number(name, value, InvalidStrategy)
    if strike <= 0:
        raise InvalidStrategy(name, f"must be above zero, not {value!r}")
    return strike


def _right(value: object) -> str:
    text = value.upper() if isinstance(value, str) else value
    if text in ("C", "CALL"):
        return "C"
    if text in ("P", "PUT"):
        return "P"
    raise InvalidContract("right", f"must be C or P, not {value!r}")


def _day(name: str, value: object) -> str:
    """Take an expiry as ``YYYYMMDD`` text or as a date; the calendar must have that day."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return f"{value:%Y%m%d}"
    if isinstance(value, str) and len(value) == 8 and value.isascii() and value.isdigit():  # noqa: PLR2004 - YYYYMMDD
        try:
            date(int(value[:4]), int(value[4:6]), int(value[6:]))
        except ValueError:
            raise InvalidStrategy(name, f"{value!r} is no date of the calendar") from None
        return value
    raise InvalidStrategy(name, f"must be a date as YYYYMMDD, not {value!r}")
