"""Compares the broker's positions with what our fills make of them: a difference is told, not overwritten."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.fill import Fill
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action

__all__ = ["Difference", "PositionCheck"]

_Key = tuple[str, int]
_ZERO = Decimal(0)


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
    """

    def __init__(self) -> None:
        self._base: dict[_Key, Decimal] = {}  # position minus fills: what came from elsewhere
        self._contracts: dict[_Key, Contract] = {}
        self._suspected: dict[_Key, Decimal] = {}
        self._gone: Mapping[_Key, Decimal] = {}
        self._is_based = False

    def compare(self, positions: Iterable[Position], fills: Iterable[Fill]) -> tuple[Difference, ...]:
        """Compare, and return the differences that are certain."""
        told: dict[_Key, Decimal] = {}
        for position in positions:
            key = (position.account, position.contract.con_id)
            told[key] = position.quantity
            self._contracts[key] = position.contract
        made = self._sum(fills)
        found: list[Difference] = []
        suspected: dict[_Key, Decimal] = {}
        for key in told.keys() | made.keys() | self._base.keys():
            base = EXACT.subtract(told.get(key, _ZERO), made.get(key, _ZERO))
            expected = self._base.get(key, _ZERO)
            if not self._is_based or base == expected:
                self._base[key] = base
                continue
            if self._suspected.get(key) != base:
                suspected[key] = base
                continue
            self._base[key] = base
            found.append(
                Difference(
                    key[0],
                    # One that is held no more is told no more, an expired option for example.
                    self._contracts.get(key) or Contract(symbol="", con_id=key[1]),
                    EXACT.add(expected, made.get(key, _ZERO)),
                    told.get(key, _ZERO),
                )
            )
        self._suspected = suspected
        self._is_based = True
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
            if (fill.account, fill.con_id) == key and fill.action is not None:
                made = EXACT.add(made, fill.quantity if fill.action is Action.BUY else -fill.quantity)
        return EXACT.add(self._base.get(key, _ZERO), made)

    @property
    def is_suspicious(self) -> bool:
        """Whether the last check saw a difference that the next one has to confirm."""
        return bool(self._suspected)

    def _sum(self, fills: Iterable[Fill]) -> Mapping[_Key, Decimal]:
        made: dict[_Key, Decimal] = {}
        for fill in fills:
            if not fill.con_id or fill.action is None:
                continue
            key = (fill.account, fill.con_id)
            self._contracts.setdefault(key, Contract(symbol=fill.symbol, con_id=fill.con_id))
            signed = fill.quantity if fill.action is Action.BUY else -fill.quantity
            made[key] = EXACT.add(made.get(key, _ZERO), signed)
        return made

    def let_go(self, fills: Iterable[Fill]) -> None:
        """Count these fills as what came from elsewhere once this run is over: the next will not know them.

        Args:
            fills: All that the journal no longer keeps, though the book of this run does.
        """
        self._gone = self._sum(fills)

    def dump(self) -> str:
        """Return what is remembered, as text for the journal: the base of a book without what it let go."""
        return json.dumps(
            [
                [key[0], key[1], str(EXACT.add(self._base.get(key, _ZERO), self._gone.get(key, _ZERO)))]
                for key in self._base.keys() | self._gone.keys()
            ]
        )

    def load(self, text: str) -> None:
        """Take back what :meth:`dump` gave."""
        for account, con_id, base in json.loads(text):
            self._base[str(account), int(con_id)] = Decimal(base)
        self._is_based = True
