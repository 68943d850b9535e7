"""Where to roll to: the new expiry by its days, the new strikes by one of three rules."""

from __future__ import annotations

import enum
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core.errors import InquiryFailed, InvalidInput
from ibkr_core.legwork.hands import Hands
from ibkr_core.legwork.holding import Lot
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.reference import ContractDetails

__all__ = ["StrikeRule", "Targets", "check_order", "nearest_expiry", "nearest_strike", "strike_of_delta"]

_OPTION: Final = "OPT"
_ROLLABLE: Final = frozenset({"OPT", "FOP", "FUT"})
_SHOWN: Final = 3


class StrikeRule(enum.StrEnum):
    """How the strikes of a roll are found."""

    SAME = "same"
    """The strike stays; it has to be listed for the new expiry."""
    DELTA = "delta"
    """The listed strike whose delta is nearest to the one that the old leg has now."""
    MONEYNESS = "moneyness"
    """The listed strike nearest to the old one's part of the underlying's price."""


def nearest_expiry(expiries: Iterable[date], wanted: date, today: date) -> date | None:
    """Return the expiry nearest to a day, none of the past; of two that are equally near the later one.

    The later one, because a roll buys time (not documented anywhere; our choice).
    """
    coming = [day for day in expiries if day >= today]
    return min(coming, key=lambda day: (abs((day - wanted).days), -day.toordinal()), default=None)


def nearest_strike(strikes: Iterable[Decimal], wanted: Decimal) -> Decimal | None:
    """Return the strike nearest to a price; of two that are equally near the lower one."""
    return min(strikes, key=lambda strike: (abs(EXACT.subtract(strike, wanted)), strike), default=None)


def strike_of_delta(
    strikes: Sequence[Decimal],
    delta_of: Callable[[Decimal], Decimal | None],
    wanted: Decimal,
    start: Decimal,
) -> Decimal | None:
    """Return the strike whose delta is nearest to a wanted one, asking about few of them.

    A delta falls as the strike rises, for calls (from 1 to 0) and for puts (from 0 to -1), so halving finds
    it. Far from the money there may be none: such a strike counts as too far out.

    Args:
        strikes: In order.
        delta_of: The delta of a strike, None where there is none.
        wanted: The delta to come near to.
        start: The old strike; of two equally good ones the nearer to it is taken, then the lower.

    Returns:
        The strike; None where no delta is told near the start.
    """
    told: dict[Decimal, Decimal | None] = {}

    def ask(index: int) -> Decimal | None:
        strike = strikes[index]
        if strike not in told:
            told[strike] = delta_of(strike)
        return told[strike]

    if not strikes:
        return None
    middle = min(bisect_left(strikes, start), len(strikes) - 1)
    low, high = 0, len(strikes)  # between them lies the first strike whose delta is no more than wanted
    while low < high:
        probe = (low + high) // 2
        delta = ask(probe)
        if delta <= wanted if delta is not None else probe > middle:
            high = probe
        else:
            low = probe + 1
    for index in (low - 1, low, middle):
        if 0 <= index < len(strikes):
            ask(index)
    known = [(strike, delta) for strike, delta in told.items() if delta is not None]
    best = min(
        known,
        key=lambda one: (abs(EXACT.subtract(one[1], wanted)), abs(EXACT.subtract(one[0], start)), one[0]),
        default=None,
    )
    return best[0] if best is not None else None


class Targets:
    """Finds the new contracts of some legs.

    Args:
        hands: Asks the broker, and has the clock.
        rule: How strikes are found.
        underlying_price: What the old strikes are measured at, for :attr:`StrikeRule.MONEYNESS`; the price
            of now where it is None.
    """

    def __init__(self, hands: Hands, rule: StrikeRule, underlying_price: Decimal | None) -> None:
        self._hands = hands
        self._rule = rule
        self._measured_at = underlying_price

    def find(self, lots: Sequence[Lot], new_dte: int) -> tuple[Lot, ...]:
        """Return a new lot for each old one.

        The nearest expiry of the old ones moves to ``new_dte`` days from today; later ones keep their
        distance to it. Today is the day at the exchange.

        Raises:
            InvalidInput: No expiry or no strike fits, or nothing would change.
            InquiryFailed: The broker tells no delta, or no price.
            IbkrError: It does not answer.
        """
        details = [self._hands.library.details(lot.contract) for lot in lots]
        days = []
        for lot, known in zip(lots, details, strict=True):
            if known.expires_on is None:
                raise InvalidInput("strategy", f"{lot.contract.name} has no expiry to be rolled")
            days.append(known.expires_on)
        first, today = min(days), self._today(details[0])
        found = []
        for lot, known, day in zip(lots, details, days, strict=True):
            wanted = today + timedelta(days=new_dte) + (day - first)
            # By all that the broker knows of it: a contract of few fields would fit a put beside a call.
            old = attrs.evolve(lot, contract=known.contract.replace(exchange=lot.contract.exchange))
            found.append(Lot(self._contract(old, known, wanted, today), lot.ratio, lot.side))
        if all(new.con_id == old.con_id for new, old in zip(found, lots, strict=True)):
            raise InvalidInput("new_dte", f"the nearest expiry to {new_dte} days is the one that is held")
        return tuple(found)

    def _today(self, details: ContractDetails) -> date:
        now = self._hands.engine.scheduler.clock.now()
        day = details.day_at(now)
        return (
            day
            if day is not None
            else now.astimezone(ZoneInfo(self._hands.engine.settings.broker_zone)).date()
        )

    # ── expiries ────────────────────────────────────────────────────────────────────────────────

    def _contract(self, lot: Lot, details: ContractDetails, wanted: date, today: date) -> Contract:
        if lot.contract.sec_type not in _ROLLABLE:
            raise InvalidInput("legs", f"{lot.contract.name} is neither an option nor a future")
        if lot.contract.sec_type == _OPTION:
            expiries = self._expiries(details)
            day = nearest_expiry(expiries, wanted, today)
            if day is None:
                raise InvalidInput("new_dte", f"the broker lists no expiry of {lot.contract.name}")
            there: Sequence[ContractDetails] = self._listed(lot.contract.replace(expiry=f"{day:%Y%m%d}"))
        else:
            listed = self._listed(lot.contract.replace(expiry=""))
            day = nearest_expiry((one.expires_on for one in listed if one.expires_on), wanted, today)
            there = [one for one in listed if day is not None and one.expires_on == day]
        if lot.contract.sec_type == "FUT":
            return self._only(there, lot)
        return self._strike(lot, details, there)

    def _expiries(self, details: ContractDetails) -> set[date]:
        """Return the expiries of the same trading class and multiplier (reqSecDefOptParams)."""
        under = Contract(
            con_id=details.underlying_con_id,
            symbol=details.underlying_symbol or details.contract.symbol,
            sec_type=details.underlying_sec_type or "STK",
            exchange="SMART",
            currency=details.contract.currency,
        )
        own = details.contract
        return {
            day
            for chain in self._hands.library.option_chain(under)
            if chain.trading_class in (own.trading_class, "")
            and _same_number(chain.multiplier, own.multiplier)
            for day in chain.expirations
        }

    def _listed(self, contract: Contract) -> tuple[ContractDetails, ...]:
        """Return what is really listed: a chain names strikes that not every expiry has."""
        keep_strike = self._rule is StrikeRule.SAME and contract.sec_type == "FOP"
        return self._hands.library.contract_details(
            Contract(
                symbol=contract.symbol,
                sec_type=contract.sec_type,
                expiry=contract.expiry,
                right=contract.right,
                strike=contract.strike if keep_strike else None,
                multiplier=contract.multiplier,
                exchange=contract.exchange,
                currency=contract.currency,
                trading_class=contract.trading_class,
            )
        )

    @staticmethod
    def _only(listed: Sequence[ContractDetails], lot: Lot) -> Contract:
        if len(listed) != 1:
            raise InvalidInput("new_dte", f"{len(listed)} contracts like {lot.contract.name} expire that day")
        return listed[0].contract.replace(exchange=lot.contract.exchange)

    # ── strikes ─────────────────────────────────────────────────────────────────────────────────

    def _strike(self, lot: Lot, details: ContractDetails, listed: Sequence[ContractDetails]) -> Contract:
        by_strike = {one.contract.strike: one for one in listed if one.contract.strike is not None}
        old = lot.contract.strike if lot.contract.strike is not None else details.contract.strike
        if old is None or not by_strike:
            raise InvalidInput("strike", f"the broker lists no strike like that of {lot.contract.name}")
        strikes = sorted(by_strike)
        found = self._choose(lot, details, old, strikes, by_strike)
        return by_strike[found].contract.replace(exchange=lot.contract.exchange)

    def _choose(
        self,
        lot: Lot,
        details: ContractDetails,
        old: Decimal,
        strikes: Sequence[Decimal],
        by_strike: Mapping[Decimal, ContractDetails],
    ) -> Decimal:
        found: Decimal | None
        if self._rule is StrikeRule.SAME:
            if old in by_strike:
                return old
            near = sorted(strikes, key=lambda strike: abs(strike - old))[:_SHOWN]
            raise InvalidInput(
                "strike",
                f"{old} is not listed for that expiry; near it are {', '.join(map(str, sorted(near)))}",
            )
        if self._rule is StrikeRule.MONEYNESS:
            found = nearest_strike(strikes, self._scaled(old, details, by_strike[strikes[0]]))
        else:
            wanted = self._delta(lot.contract)
            if wanted is None:
                raise InquiryFailed(f"the delta of {lot.contract.name}", 0, "the broker tells none")
            found = strike_of_delta(
                strikes,
                lambda strike: self._delta(
                    by_strike[strike].contract.replace(exchange=lot.contract.exchange)
                ),
                wanted,
                old,
            )
        if found is None:
            raise InquiryFailed(f"deltas beside {lot.contract.name}", 0, "the broker tells none")
        return found

    def _delta(self, contract: Contract) -> Decimal | None:
        greeks = self._hands.library.quote(contract).greeks
        return greeks.delta if greeks is not None else None

    def _scaled(self, strike: Decimal, old: ContractDetails, new: ContractDetails) -> Decimal:
        """Return the strike that is the same part of the underlying's price; to four decimals."""
        if self._measured_at is None and new.underlying_con_id == old.underlying_con_id:
            return strike
        before = self._measured_at if self._measured_at is not None else self._price(old)
        part = EXACT.divide(EXACT.multiply(strike, self._price(new)), before)
        return part.quantize(Decimal("0.0001"), context=EXACT)

    def _price(self, option: ContractDetails) -> Decimal:
        under = Contract.by_con_id(option.underlying_con_id)
        price = self._hands.library.quote(self._hands.library.qualify(under)).price
        if price is None or price <= 0:
            raise InquiryFailed(f"the price beneath {option.contract.name}", 0, "the broker tells none")
        return price


def _same_number(one: str, other: str) -> bool:
    """Whether two multipliers are the same: ``100`` and ``100.0`` are, and one that is not told is any."""
    try:
        return not one or not other or Decimal(one) == Decimal(other)
    except InvalidOperation:
        return one == other


def check_order(old: Sequence[Lot], new: Sequence[Lot]) -> None:
    """Raise where strikes that differed fall together or change places: it would be another strategy.

    Raises:
        InvalidInput: They do.
    """
    pairs = list(zip(old, new, strict=True))
    for index, (old_one, new_one) in enumerate(pairs):
        for old_other, new_other in pairs[:index]:
            before, after = (_stands(old_one, old_other), _stands(new_one, new_other))
            if before is not None and before != after:
                names = f"{new_other.contract.name} and {new_one.contract.name}"
                raise InvalidInput("strike", f"this rule would make another strategy of it: {names}")


def _stands(one: Lot, other: Lot) -> tuple[int, int] | None:
    """How two options stand to each other, by expiry and by strike; None for what has no strike."""
    mine, theirs = one.contract, other.contract
    if mine.strike is None or theirs.strike is None:
        return None
    days = (mine.expiry > theirs.expiry) - (mine.expiry < theirs.expiry)
    return days, (mine.strike > theirs.strike) - (mine.strike < theirs.strike)
