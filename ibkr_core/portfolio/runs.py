"""What a row of trades makes of a holding, first in first out or by average cost. Pure and exact.

A *run* keeps the state after each trade, so that a trade which is told late, or corrected, costs no more than
the trades after it. Only shares are divisions: of an average cost, and of a commission whose fill was closed
in parts. They are rounded to ten decimals, and the rest stays where it was, so that every sum is exact.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal

import attrs

from ibkr_core.model.numbers import EXACT

__all__ = ["OpenPart", "Run", "State", "Trade", "average_after"]

_ZERO = Decimal(0)
_STEP = Decimal("0.0000000001")

Fees = Mapping[str, Decimal]
"""Commissions by currency; never changed once it stands in a state."""


@attrs.frozen
class Trade:
    """A change of a holding: a fill of ours, or what the broker shows that our fills do not explain.

    Attributes:
        moment: When, in UTC.
        name: Tells trades of one moment apart, and orders them.
        quantity: Signed units.
        unit: Money for one unit, with the multiplier and without commission; None when nobody told it.
        fee: The commission, None while it is not reported.
        fee_currency: Its currency.
    """

    moment: datetime
    name: str
    quantity: Decimal
    unit: Decimal | None
    fee: Decimal | None = None
    fee_currency: str = ""

    @property
    def key(self) -> tuple[datetime, str]:
        """Its place in the row of trades."""
        return self.moment, self.name


@attrs.frozen
class OpenPart:
    """What is left of a trade that opened or increased a holding."""

    trade: Trade
    quantity: Decimal


@attrs.frozen(kw_only=True)
class State:
    """A holding after some trades.

    Attributes:
        quantity: Units.
        cost: Money of what is open at a known price; negative when short.
        fees: Commissions of what is open.
        gross: What closing earned, before commissions.
        closed_fees: Commissions of what was closed.
        unknown: Open units at an unknown price, not negative.
        unpriced: Closed units of which either price is unknown, not negative.
        first: Which of the opened parts is the oldest one left.
        taken: What was closed of that one, signed as it is.
        fee_taken: What left of its commission with that.
        opened: How many parts were opened so far.
    """

    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    fees: Fees = attrs.field(factory=dict)
    gross: Decimal = _ZERO
    closed_fees: Fees = attrs.field(factory=dict)
    unknown: Decimal = _ZERO
    unpriced: Decimal = _ZERO
    first: int = 0
    taken: Decimal = _ZERO
    fee_taken: Decimal = _ZERO
    opened: int = 0


def _share(amount: Decimal, part: Decimal, whole: Decimal) -> Decimal:
    """Return the share of an amount; both quantities are positive, and the part is no more than the whole."""
    if part == whole or not amount:
        return amount
    exact = EXACT.divide(EXACT.multiply(amount, part), whole)
    rounded = EXACT.quantize(exact, _STEP)
    return rounded if rounded.is_finite() else exact  # beyond sixty digits


def _plus(fees: Fees, currency: str, amount: Decimal) -> Fees:
    if not amount:
        return fees
    return {**fees, currency: EXACT.add(fees.get(currency, _ZERO), amount)}


def _signed(units: Decimal, *, minus: bool) -> Decimal:
    # Not by the operator, which rounds to the host's decimal context.
    return units.copy_negate() if minus else units


def _is_opposite(one: Decimal, other: Decimal) -> bool:
    return (one > 0 > other) or (one < 0 < other)


@attrs.frozen
class _Closing:
    """What a trade closes, before any method: how much of it, and its own commission on that."""

    units: Decimal
    fee: Decimal
    rest: Decimal
    rest_fee: Decimal


def _split(state: State, trade: Trade) -> _Closing:
    fee = trade.fee or _ZERO
    if not trade.quantity:  # a busted execution: what it cost is spent
        return _Closing(_ZERO, fee, _ZERO, _ZERO)
    if not _is_opposite(state.quantity, trade.quantity):
        return _Closing(_ZERO, _ZERO, trade.quantity, fee)
    asked = trade.quantity.copy_abs()
    units = min(state.quantity.copy_abs(), asked)
    part = _share(fee, units, asked)
    rest = EXACT.add(trade.quantity, _signed(units, minus=trade.quantity > 0))
    return _Closing(units, part, rest, EXACT.subtract(fee, part))


def _earned(units: Decimal, opened_at: Decimal, closed_at: Decimal, *, is_short: bool) -> Decimal:
    difference = EXACT.subtract(opened_at, closed_at) if is_short else EXACT.subtract(closed_at, opened_at)
    return EXACT.multiply(units, difference)


def _opened(state: State, trade: Trade, quantity: Decimal, fee: Decimal) -> State:
    """Return the state after opening; the caller keeps the part, if it keeps parts."""
    cost, unknown = state.cost, state.unknown
    if trade.unit is None:
        unknown = EXACT.add(unknown, quantity.copy_abs())
    else:
        cost = EXACT.add(cost, EXACT.multiply(quantity, trade.unit))
    return attrs.evolve(
        state,
        quantity=EXACT.add(state.quantity, quantity),
        cost=cost,
        fees=_plus(state.fees, trade.fee_currency, fee),
        unknown=unknown,
        opened=state.opened + 1,
    )


@attrs.frozen
class _Part:
    """A part as it was opened, with its commission."""

    trade: Trade
    quantity: Decimal
    fee: Decimal


class Run:
    """The states of one holding, first in first out or by average cost.

    Args:
        is_fifo: First in first out; else by average cost.
    """

    __slots__ = ("_is_fifo", "_parts", "_states")

    def __init__(self, *, is_fifo: bool) -> None:
        self._is_fifo = is_fifo
        self._states = [State()]
        self._parts: list[_Part] = []

    def cut(self, count: int) -> None:
        """Forget all but the first ``count`` trades: one of the later ones is another now."""
        if count + 1 < len(self._states):
            del self._states[count + 1 :]
            del self._parts[self._states[-1].opened :]

    def state(self, trades: Sequence[Trade]) -> State:
        """Return the state after all trades; those that it knows already are not looked at again."""
        for place in range(len(self._states) - 1, len(trades)):
            self._states.append(self._after(self._states[-1], trades[place]))
        return self._states[-1]

    def open_parts(self) -> tuple[OpenPart, ...]:
        """Return what is open, oldest first; nothing by average cost."""
        state = self._states[-1]
        if not self._is_fifo:
            return ()
        left = self._parts[state.first :]
        return tuple(
            OpenPart(part.trade, part.quantity if place else EXACT.subtract(part.quantity, state.taken))
            for place, part in enumerate(left)
        )

    def _after(self, state: State, trade: Trade) -> State:
        split = _split(state, trade)
        if split.units:
            state = (
                self._close_oldest(state, trade, split.units)
                if self._is_fifo
                else _close_average(state, trade, split.units)
            )
        if split.fee:
            state = attrs.evolve(state, closed_fees=_plus(state.closed_fees, trade.fee_currency, split.fee))
        if split.rest:
            if self._is_fifo:
                self._parts.append(_Part(trade, split.rest, split.rest_fee))
            state = _opened(state, trade, split.rest, split.rest_fee)
        return state

    def _close_oldest(self, state: State, trade: Trade, units: Decimal) -> State:
        is_short = state.quantity < 0
        first, taken, fee_taken = state.first, state.taken, state.fee_taken
        cost, gross, unknown, unpriced = state.cost, state.gross, state.unknown, state.unpriced
        fees, closed_fees = state.fees, state.closed_fees
        left = units
        while left:
            part = self._parts[first]
            there = EXACT.subtract(part.quantity, taken).copy_abs()
            now = min(left, there)
            unit = part.trade.unit
            signed = _signed(now, minus=is_short)
            if unit is not None:
                cost = EXACT.subtract(cost, EXACT.multiply(signed, unit))
            else:
                unknown = EXACT.subtract(unknown, now)
            if unit is None or trade.unit is None:
                unpriced = EXACT.add(unpriced, now)
            else:
                gross = EXACT.add(gross, _earned(now, unit, trade.unit, is_short=is_short))
            fee = _share(EXACT.subtract(part.fee, fee_taken), now, there)
            fees = _plus(fees, part.trade.fee_currency, fee.copy_negate())
            closed_fees = _plus(closed_fees, part.trade.fee_currency, fee)
            left = EXACT.subtract(left, now)
            if now == there:
                first, taken, fee_taken = first + 1, _ZERO, _ZERO
            else:
                taken, fee_taken = EXACT.add(taken, signed), EXACT.add(fee_taken, fee)
        return attrs.evolve(
            state,
            quantity=EXACT.add(state.quantity, _signed(units, minus=not is_short)),
            cost=cost,
            fees=fees,
            gross=gross,
            closed_fees=closed_fees,
            unknown=unknown,
            unpriced=unpriced,
            first=first,
            taken=taken,
            fee_taken=fee_taken,
        )


def _close_average(state: State, trade: Trade, units: Decimal) -> State:
    held = state.quantity.copy_abs()
    is_short = state.quantity < 0
    cost = _share(state.cost, units, held)
    fees, closed_fees = state.fees, state.closed_fees
    for currency, paid in state.fees.items():
        fee = _share(paid, units, held)
        fees = _plus(fees, currency, fee.copy_negate())
        closed_fees = _plus(closed_fees, currency, fee)
    gross, unpriced = state.gross, state.unpriced
    if state.unknown or trade.unit is None:  # an average of what is partly unknown is unknown
        unpriced = EXACT.add(unpriced, units)
    else:
        value = EXACT.multiply(_signed(units, minus=is_short), trade.unit)
        gross = EXACT.add(gross, EXACT.subtract(value, cost))
    return attrs.evolve(
        state,
        quantity=EXACT.add(state.quantity, _signed(units, minus=not is_short)),
        cost=EXACT.subtract(state.cost, cost),
        fees=fees,
        gross=gross,
        closed_fees=closed_fees,
        unknown=EXACT.subtract(state.unknown, _share(state.unknown, units, held)),
        unpriced=unpriced,
    )


def average_after(trades: Sequence[Trade]) -> State:
    """Return what trades come to by average cost."""
    return Run(is_fifo=False).state(trades)
