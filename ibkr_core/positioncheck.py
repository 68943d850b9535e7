"""Compares the broker's positions with what our fills make of them: a difference is told, not overwritten."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.fill import Fill
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.portfolio.books import BEFORE_ALL, Base, Key, trade_of
from ibkr_core.portfolio.runs import State, Trade, average_after

__all__ = ["Difference", "PositionCheck"]

_ZERO = Decimal(0)
_QUOTIENT: Final = Context(prec=28, traps=[])
_KEPT: Final = (
    "symbol",
    "sec_type",
    "expiry",
    "right",
    "multiplier",
    "currency",
    "local_symbol",
    "trading_class",
)
"""What is remembered of a contract, beside its id and its strike: enough to value it and to show it."""


@attrs.frozen
class Difference:
    """A position that is not what the fills make of it.

    Attributes:
        account: The account.
        contract: What is held.
        expected: By the last position that agreed, and the fills since.
        told: By the broker.
    """

    account: str
    contract: Contract
    expected: Decimal
    told: Decimal


class PositionCheck:
    """Remembers the positions that were told, and what the fills had come to by then.

    A difference is reported when two checks in a row show it: positions and executions are two answers, and
    a fill can come between them. Then the told position is the new base, so that it is reported once.

    What came from elsewhere is kept with what it cost, as far as the broker's average cost tells: see
    :attr:`bases`. The first look tells the cost of what was held before our fills by taking them back out of
    the average; a later change that closes something tells no price.

    Args:
        zone: The zone of execution times that were told without one.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._base: dict[Key, Decimal] = {}  # position minus fills: what came from elsewhere
        self._trades: dict[Key, tuple[Trade, ...]] = {}  # the same, as it came
        self._contracts: dict[Key, Contract] = {}
        self._suspected: dict[Key, Decimal] = {}
        self._gone: Mapping[Key, Decimal] = {}
        self._gone_fills: Iterable[Fill] = ()
        self._is_based = False
        self._bases: Mapping[Key, Base] = MappingProxyType({})

    @property
    def is_based(self) -> bool:
        """Whether the broker's positions are known: told in this run, or kept from an earlier one."""
        return self._is_based

    @property
    def bases(self) -> Mapping[Key, Base]:
        """What came from elsewhere, by account and contract: a picture that is never changed, only replaced.

        It may be read by any thread.
        """
        return self._bases

    def compare(
        self,
        positions: Iterable[Position],
        fills: Iterable[Fill],
        now: datetime = BEFORE_ALL,
        moved: Mapping[Key, tuple[Contract, Decimal]] | None = None,
    ) -> tuple[Difference, ...]:
        """Compare, and return the differences that are certain.

        Args:
            positions: All that the broker told.
            fills: All that we know. With ``moved`` they are gone through only where a cost has to be learned.
            now: The moment (UTC), which a change that no fill explains is dated with.
            moved: What those fills come to, by account and contract id, where the caller has the sums.
        """
        told = {(position.account, position.contract.con_id): position for position in positions}
        if moved is None:
            fills = tuple(fills)
            made = self._sum(fills)
        else:
            made = {key: quantity for key, (_, quantity) in moved.items()}
            for key, (contract, _) in moved.items():
                self._contracts.setdefault(key, contract)
        fills_of = _Sorted(fills)
        self._contracts.update({key: position.contract for key, position in told.items()})
        found: list[Difference] = []
        suspected: dict[Key, Decimal] = {}
        for key in told.keys() | made.keys() | self._base.keys():
            quantity = told[key].quantity if key in told else _ZERO
            base = EXACT.subtract(quantity, made.get(key, _ZERO))
            expected = self._base.get(key, _ZERO)
            if not self._is_based or base == expected:
                self._learn(key, base, told.get(key), fills_of)
                continue
            if self._suspected.get(key) != base:
                suspected[key] = base
                continue
            self._rebase(key, base, told.get(key), fills_of, now)
            found.append(
                Difference(
                    key[0],
                    # One that is held no more is told no more, an expired option for example.
                    self._contract(key),
                    EXACT.add(expected, made.get(key, _ZERO)),
                    quantity,
                )
            )
        self._suspected = suspected
        self._is_based = True
        self._picture()
        return tuple(found)

    def expected(self, account: str, con_id: int, fills: Iterable[Fill]) -> Decimal | None:
        """Return what a position should be by the last agreement and the fills since; None before the first.

        It knows nothing of trades elsewhere since then. Harmless from any thread.
        """
        if not self._is_based:
            return None
        key = (account, con_id)
        made = _ZERO
        for fill in fills:
            if (fill.account, fill.con_id) == key and fill.moves_position:
                made = EXACT.add(made, _signed(fill))
        return EXACT.add(self._base.get(key, _ZERO), made)

    def base_of(self, account: str, con_id: int) -> Decimal | None:
        """Return what of a position came from elsewhere, as of the last agreement; None before the first.

        It knows nothing of trades elsewhere since then. Harmless from any thread.
        """
        return self._base.get((account, con_id), _ZERO) if self._is_based else None

    @property
    def is_suspicious(self) -> bool:
        """Whether the last check saw a difference that the next one has to confirm."""
        return bool(self._suspected)

    def _contract(self, key: Key) -> Contract:
        return self._contracts.get(key) or Contract(symbol="", con_id=key[1])

    def _sum(self, fills: Iterable[Fill]) -> Mapping[Key, Decimal]:
        made: dict[Key, Decimal] = {}
        for fill in fills:
            if not fill.moves_position:
                continue
            key = (fill.account, fill.con_id)
            self._contracts.setdefault(key, fill.contract or Contract(symbol=fill.symbol, con_id=fill.con_id))
            made[key] = EXACT.add(made.get(key, _ZERO), _signed(fill))
        return made

    # ── what it cost ────────────────────────────────────────────────────────────────────────────

    def _learn(
        self, key: Key, base: Decimal, told: Position | None, fills_of: Callable[[Key], Iterable[Fill]]
    ) -> None:
        """Take a base that agrees; the first time, or where its cost is not known, learn what it cost."""
        self._base[key] = base
        trades = self._trades.get(key)
        if not base and trades is None:
            return
        if trades is None or (len(trades) == 1 and trades[0].unit is None and trades[0].quantity == base):
            self._trades[key] = (Trade(BEFORE_ALL, "", base, self._unit_before(told, fills_of, key), _ZERO),)

    def _unit_before(
        self, told: Position | None, fills_of: Callable[[Key], Iterable[Fill]], key: Key
    ) -> Decimal | None:
        """Return what one unit of the base cost: the broker's average without our fills."""
        if told is None or told.average_cost is None:
            return None
        quantity, cost = told.quantity, EXACT.multiply(told.quantity, told.average_cost)
        for trade in reversed(self._in_order(fills_of(key))):
            before = EXACT.subtract(quantity, trade.quantity)
            if trade.unit is None or (quantity and (before > 0) is not (quantity > 0) and before):
                return None  # it went through zero: nothing is left of what it was
            if before.copy_abs() < quantity.copy_abs():  # it opened
                paid = trade.fee if trade.fee_currency == told.contract.currency else _ZERO
                value = EXACT.add(EXACT.multiply(trade.quantity, trade.unit), paid or _ZERO)
                cost = EXACT.subtract(cost, value)
            elif quantity:  # it closed a part, which leaves the average as it is
                cost = EXACT.multiply(_QUOTIENT.divide(cost, quantity), before)
            elif before:
                return None  # it closed all
            quantity = before
        return _QUOTIENT.divide(cost, quantity) if quantity else None

    def _rebase(
        self,
        key: Key,
        base: Decimal,
        told: Position | None,
        fills_of: Callable[[Key], Iterable[Fill]],
        now: datetime,
    ) -> None:
        """Take a change that no fill explains, as trades of this moment.

        One that takes the last ones back undoes them: a fill was told late, and all is explained again.
        """
        before = self._trades.get(key, ())
        earlier = _back_to(base, before)
        if earlier is not None:
            self._base[key], self._trades[key] = base, earlier
            return
        state = average_after(sorted((*before, *self._in_order(fills_of(key))), key=lambda trade: trade.key))
        change = EXACT.subtract(base, self._base.get(key, _ZERO))
        closing = _ZERO
        if (state.quantity > 0 > change) or (state.quantity < 0 < change):
            units = min(state.quantity.copy_abs(), change.copy_abs())
            closing = units if change > 0 else units.copy_negate()
        opening = EXACT.subtract(change, closing)
        parts: list[tuple[Decimal, Decimal | None]] = [(closing, None)] if closing else []
        if opening:
            held = EXACT.add(state.quantity, closing)
            parts.append((opening, _unit_of(opening, held, told, state)))
        name = f"~{len(before)}"  # after every execution of that moment
        self._trades[key] = (
            *before,
            *(Trade(now, f"{name}.{n}", part, unit, _ZERO) for n, (part, unit) in enumerate(parts)),
        )
        self._base[key] = base

    def _in_order(self, fills: Iterable[Fill]) -> list[Trade]:
        trades = (trade_of(fill, self._zone) for fill in fills)
        return sorted((trade for trade in trades if trade is not None), key=lambda trade: trade.key)

    def _picture(self) -> None:
        bases = {}
        for key in self._base:
            base, known = Base(self._contract(key), self._trades.get(key, ())), self._bases.get(key)
            bases[key] = known if known == base else base  # what did not change stays the very same
        self._bases = MappingProxyType(bases)

    # ── from run to run ─────────────────────────────────────────────────────────────────────────

    def let_go(self, fills: Iterable[Fill]) -> None:
        """Count these fills as what came from elsewhere once this run is over: the next will not know them.

        Args:
            fills: All that the journal no longer keeps, though the book of this run does; gone through more
                than once.
        """
        self._gone_fills = fills
        self._gone = self._sum(fills)

    @property
    def gone(self) -> Mapping[Key, Decimal]:
        """What the fills that were let go come to, by account and contract id."""
        return self._gone

    def dump(self) -> str:
        """Return what is remembered, as text for the journal: the base of a book without what it let go."""
        gone = _Sorted(self._gone_fills)
        return json.dumps([self._dumped(key, gone) for key in self._base.keys() | self._gone.keys()])

    def _dumped(self, key: Key, gone: Callable[[Key], Iterable[Fill]]) -> list[Any]:
        base = EXACT.add(self._base.get(key, _ZERO), self._gone.get(key, _ZERO))
        trades: Iterable[Trade] = self._trades.get(key, ())
        if key in self._gone:
            trades = self._without_gone(key, base, gone(key))
        contract = self._contract(key)
        kept = {field: getattr(contract, field) for field in _KEPT if getattr(contract, field)}
        if contract.strike is not None:
            kept["strike"] = str(contract.strike)
        told = [
            [_text(one.moment), one.name, str(one.quantity), None if one.unit is None else str(one.unit)]
            for one in trades
        ]
        return [key[0], key[1], str(base), told, kept]

    def _without_gone(self, key: Key, base: Decimal, gone: Iterable[Fill]) -> tuple[Trade, ...]:
        """Return the base of a book that knows no more what was let go: one position, at its cost."""
        trades = (*self._trades.get(key, ()), *self._in_order(gone))
        state = average_after(sorted(trades, key=lambda trade: trade.key))
        if not base:
            return ()
        fee = state.fees.get(self._contract(key).currency, _ZERO)
        unit = None if state.unknown else _QUOTIENT.divide(EXACT.add(state.cost, fee), base)
        return (Trade(BEFORE_ALL, "", base, unit, _ZERO),)

    def load(self, text: str) -> None:
        """Take back what :meth:`dump` gave, in this version or an earlier one."""
        for account, con_id, base, *more in json.loads(text):
            key = (str(account), int(con_id))
            self._base[key] = Decimal(base)
            told, kept = more or ([], {})
            trades = tuple(
                Trade(_moment(at), name, Decimal(quantity), None if unit is None else Decimal(unit), _ZERO)
                for at, name, quantity, unit in told
            )
            if not trades and self._base[key]:  # an earlier version kept no cost
                trades = (Trade(BEFORE_ALL, "", self._base[key], None, _ZERO),)
            if trades:
                self._trades[key] = trades
            if kept:
                self._contracts[key] = Contract(con_id=key[1], **kept)
        self._is_based = True
        self._picture()


class _Sorted:
    """Fills by account and contract, sorted when the first of them are wanted, and not before."""

    def __init__(self, fills: Iterable[Fill]) -> None:
        self._fills = fills
        self._by_key: Mapping[Key, list[Fill]] | None = None

    def __call__(self, key: Key) -> Iterable[Fill]:
        if self._by_key is None:
            self._by_key = _by_key(self._fills)
        return self._by_key.get(key, ())


def _by_key(fills: Iterable[Fill]) -> dict[Key, list[Fill]]:
    found: dict[Key, list[Fill]] = {}
    for fill in fills:
        if fill.moves_position:
            found.setdefault((fill.account, fill.con_id), []).append(fill)
    return found


def _signed(fill: Fill) -> Decimal:
    return fill.quantity if fill.action is Action.BUY else fill.quantity.copy_negate()


def _back_to(base: Decimal, trades: tuple[Trade, ...]) -> tuple[Trade, ...] | None:
    """Return what stood before the last changes, if without them all comes to ``base``; else None."""
    total = _ZERO
    for trade in trades:
        total = EXACT.add(total, trade.quantity)
    for count in range(len(trades) - 1, -1, -1):
        if trades[count].moment == BEFORE_ALL:
            return None  # what was held before is no change
        total = EXACT.subtract(total, trades[count].quantity)
        if total == base and trades[count].name.endswith(".0"):  # the first part of a change
            return trades[:count]
    return None


def _unit_of(opening: Decimal, held: Decimal, told: Position | None, before: State) -> Decimal | None:
    """Return what one unit of a change cost that opened, so that all comes to the broker's average.

    Args:
        opening: The units that opened.
        held: The units beside them; 0 where all that was held before was closed.
        told: What the broker shows.
        before: What our fills and the earlier changes come to.
    """
    if told is None or told.average_cost is None or before.unknown:
        return None
    if not held:
        return told.average_cost
    whole = EXACT.multiply(told.quantity, told.average_cost)
    ours = EXACT.add(before.cost, before.fees.get(told.contract.currency, _ZERO))
    unit = _QUOTIENT.divide(EXACT.subtract(whole, ours), opening)
    return unit if unit >= 0 else None  # the broker averages otherwise than we do


def _text(moment: datetime) -> str | None:
    return None if moment == BEFORE_ALL else moment.isoformat()


def _moment(text: str | None) -> datetime:
    return BEFORE_ALL if text is None else datetime.fromisoformat(text)
