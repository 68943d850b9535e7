"""Turns fills, and what the broker shows beside them, into holdings. Pure: no lock, no clock.

The order of arrival does not matter: trades stand in the order of their time, and of their execution id where
the broker's seconds do not tell. A fill that comes last and is the newest costs the same however many came
before; one that is told late, or corrected, costs as much as the trades after it, once, when somebody looks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, tzinfo
from decimal import Context, Decimal
from typing import Final

import attrs

from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill, parse_execution_time
from ibkr_core.model.holding import Holding, Lot, multiplier_of
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.portfolio.runs import Run, Trade

__all__ = ["BEFORE_ALL", "Base", "Books", "Key", "trade_of"]

Key = tuple[str, int]
"""An account's code and a contract's id."""

BEFORE_ALL: Final = datetime.min.replace(tzinfo=UTC)
"""The moment of what was there before the first fill that we know."""
_AFTER_ALL: Final = datetime.max.replace(tzinfo=UTC)
_ZERO = Decimal(0)
_MAX_MAGNITUDE: Final = 20
_QUOTIENT: Final = Context(prec=28, traps=[])


@attrs.frozen
class Base:
    """What the broker shows of one contract in one account that our fills do not explain.

    Attributes:
        contract: What is held, by its id alone where nobody told more.
        trades: The position before our fills, and each change since that no fill explains.
    """

    contract: Contract
    trades: tuple[Trade, ...] = ()


def _is_sane(number: Decimal) -> bool:
    """Whether sums and products of such are exact in sixty digits: the broker's are, unless broken."""
    exponent = number.as_tuple().exponent
    return isinstance(exponent, int) and exponent >= -_MAX_MAGNITUDE and number.adjusted() <= _MAX_MAGNITUDE


def trade_of(fill: Fill, zone: tzinfo) -> Trade | None:
    """Return what a fill does to its account's holding; None when it does nothing to it.

    Args:
        fill: The execution.
        zone: The zone of times that the broker told without one (TWS facts 3).
    """
    if not fill.moves_position or not _is_sane(fill.quantity):
        return None
    when = fill.time or parse_execution_time(fill.time_text, zone)
    unit = None
    if fill.contract is not None and _is_sane(fill.price):
        unit = EXACT.multiply(fill.price, multiplier_of(fill.contract))
    is_fee = fill.commission is not None and _is_sane(fill.commission)
    return Trade(
        when if when is not None else _AFTER_ALL,  # it has most likely just come
        ExecutionId.parse(fill.exec_id).base,
        fill.quantity if fill.action is Action.BUY else fill.quantity.copy_negate(),
        unit,
        fill.commission if is_fee else None,
        fill.commission_currency if is_fee else "",
    )


def _tame(trade: Trade) -> Trade:
    """Return a trade that the broker's positions show, without numbers that sums could not hold."""
    unit = trade.unit
    if unit is not None and (not unit.is_finite() or unit.adjusted() > _MAX_MAGNITUDE):
        unit = None  # it may have more decimals than a price: it is a quotient
    if not _is_sane(trade.quantity):
        return attrs.evolve(trade, quantity=_ZERO, unit=None)
    return trade if unit is trade.unit else attrs.evolve(trade, unit=unit)


class _Row:
    """The trades of one holding, in order, and what they come to."""

    __slots__ = ("_holdings", "_runs", "_trades", "awaited", "base", "contracts")

    def __init__(self) -> None:
        self._trades: list[Trade] = []
        self._runs: dict[bool, Run] = {}
        self._holdings: dict[bool, Holding] = {}
        self.base = Base(Contract())
        self.contracts: dict[str, Contract] = {}  # by the name of the trade
        self.awaited = 0

    def put(self, trade: Trade) -> None:
        """Take in a trade, at its place, or instead of the one that has its place."""
        trades = self._trades
        if not trades or trades[-1].key < trade.key:
            place = len(trades)
            trades.append(trade)
        else:
            place = self._place(trade)
            if trades[place].key == trade.key:
                self.awaited -= trades[place].fee is None
                trades[place] = trade
            else:
                trades.insert(place, trade)
        self.awaited += trade.fee is None
        self._changed(place)

    def drop(self, trade: Trade) -> None:
        """Take out a trade that is in."""
        place = self._place(trade)
        self.awaited -= self._trades[place].fee is None
        del self._trades[place]
        self._changed(place)

    def set_base(self, base: Base) -> None:
        """Take what the broker shows beside our fills, instead of what it was before."""
        old, self.base = self.base, attrs.evolve(base, trades=tuple(map(_tame, base.trades)))
        base = self.base
        self._holdings.clear()
        if old.trades != base.trades:
            for trade in old.trades:
                self.drop(trade)
            for trade in base.trades:
                self.put(trade)

    @property
    def contract(self) -> Contract:
        """What is held: as the oldest fill names it, else as the broker's position does."""
        for trade in self._trades:
            if trade.name in self.contracts:
                return self.contracts[trade.name]
        return self.base.contract

    def holding(self, account: str, *, is_fifo: bool) -> Holding:
        """Return what the trades come to."""
        known = self._holdings.get(is_fifo)
        if known is None:
            state = self._run(is_fifo=is_fifo).state(self._trades)
            known = self._holdings[is_fifo] = Holding(
                account=account,
                contract=self.contract,
                quantity=state.quantity,
                cost=state.cost,
                fees=state.fees,
                gross=state.gross,
                closed_fees=state.closed_fees,
                unknown_quantity=state.unknown,
                unpriced_quantity=state.unpriced,
                awaited_fees=self.awaited,
            )
        return known

    def lots(self) -> tuple[Lot, ...]:
        """Return what is open, first in first out, oldest first."""
        run = self._run(is_fifo=True)
        run.state(self._trades)
        multiplier = multiplier_of(self.contract)
        return tuple(
            Lot(
                quantity=part.quantity,
                price=_QUOTIENT.divide(part.trade.unit, multiplier) if part.trade.unit is not None else None,
                opened=part.trade.moment if part.trade.moment not in (BEFORE_ALL, _AFTER_ALL) else None,
                exec_id=part.trade.name if part.trade.name in self.contracts else "",
            )
            for part in run.open_parts()
        )

    def _run(self, *, is_fifo: bool) -> Run:
        if is_fifo not in self._runs:
            self._runs[is_fifo] = Run(is_fifo=is_fifo)
        return self._runs[is_fifo]

    def _place(self, trade: Trade) -> int:
        return bisect_left(self._trades, trade.key, key=_key_of)

    def _changed(self, place: int) -> None:
        self._holdings.clear()
        for run in self._runs.values():
            run.cut(place)


_key_of: Callable[[Trade], tuple[datetime, str]] = Trade.key.fget  # type: ignore[attr-defined]  # a property has it


class Books:
    """All holdings of all accounts.

    Args:
        zone: The zone of execution times that were told without one.
    """

    def __init__(self, zone: tzinfo = UTC) -> None:
        self._zone = zone
        self._rows: dict[Key, _Row] = {}
        self._bases: Mapping[Key, Base] = {}
        self._known: dict[str, tuple[Fill, Key, Trade | None]] = {}

    # ── in ──────────────────────────────────────────────────────────────────────────────────────

    def take(self, fill: Fill) -> None:
        """Take an execution: a new one, or a known one in a newer revision or with its commission.

        An older revision than the known one changes nothing.
        """
        base = ExecutionId.parse(fill.exec_id).base
        key = (fill.account, fill.con_id)
        known = self._known.get(base)
        if known is not None and (known[0] is fill or fill.revision < known[0].revision):
            return
        trade = trade_of(fill, self._zone)
        if known is not None:
            self._forget(known, key, trade)
        self._known[base] = (fill, key, trade)
        if trade is not None:
            row = self._row(key)
            if fill.contract is not None:
                row.contracts[trade.name] = fill.contract
            row.put(trade)

    def _forget(self, known: tuple[Fill, Key, Trade | None], key: Key, trade: Trade | None) -> None:
        """Take out what a trade was, unless its newer form takes its very place."""
        _, old_key, old = known
        if old is not None and (trade is None or old_key != key or old.key != trade.key):
            row = self._rows[old_key]
            row.drop(old)
            row.contracts.pop(old.name, None)

    def set_bases(self, bases: Mapping[Key, Base]) -> None:
        """Take all that the broker shows beside our fills."""
        for key, base in bases.items():
            row = self._row(key)
            if self._bases.get(key) is not base:
                row.set_base(base)
        for key in self._bases.keys() - bases.keys():
            self._rows[key].set_base(Base(self._rows[key].base.contract))
        self._bases = bases

    def _row(self, key: Key) -> _Row:
        row = self._rows.get(key)
        if row is None:
            row = self._rows[key] = _Row()
            row.base = Base(Contract(con_id=key[1]))
        return row

    # ── out ─────────────────────────────────────────────────────────────────────────────────────

    def holdings(self, account: str | None = None, *, is_fifo: bool = True) -> tuple[Holding, ...]:
        """Return all that was ever held, flat or not, by account and contract id.

        Args:
            account: Of this account only; None for all.
            is_fifo: First in first out; else by average cost.
        """
        wanted = sorted(key for key in self._rows if account in (None, key[0]))
        return tuple(self._rows[key].holding(key[0], is_fifo=is_fifo) for key in wanted)

    def holding(self, key: Key, *, is_fifo: bool = True) -> Holding | None:
        """Return one holding; None where nothing was ever held."""
        row = self._rows.get(key)
        return row.holding(key[0], is_fifo=is_fifo) if row is not None else None

    def lots(self, key: Key) -> tuple[Lot, ...]:
        """Return the open lots of one holding, first in first out."""
        row = self._rows.get(key)
        return row.lots() if row is not None else ()

    def keys_of(self, contract: Contract) -> tuple[Key, ...]:
        """Return where a contract is or was held: by its id, else by all that it says of itself."""
        if contract.con_id:
            return tuple(sorted(key for key in self._rows if key[1] == contract.con_id))
        return tuple(sorted(key for key, row in self._rows.items() if _fits(contract, row.contract)))


_TELLING: Final = ("symbol", "sec_type", "strike", "currency", "local_symbol", "trading_class")


def _fits(wanted: Contract, held: Contract) -> bool:
    """Whether a contract is the one that is held: nothing that it says of itself contradicts."""
    if wanted.multiplier and multiplier_of(wanted) != multiplier_of(held):
        return False
    if not held.expiry.startswith(wanted.expiry) or not held.right.startswith(wanted.right[:1].upper()):
        return False
    told = ((getattr(wanted, field), getattr(held, field)) for field in _TELLING)
    return all(not mine or mine == theirs for mine, theirs in told)
