"""Exact sums, and what the fills of each contract have come to."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.fillings import FillFeed
from ibkr_core.lifecycle.ledger import ExecutionId
from ibkr_core.model.fill import Fill
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action

__all__ = ["Tally", "signed", "total"]

_ZERO: Final = Decimal(0)


def signed(weight: int, quantity: Decimal) -> Decimal:
    """Return a quantity times a whole number, exactly."""
    return EXACT.multiply(quantity, Decimal(weight))


def total(values: Iterable[Decimal]) -> Decimal:
    """Return a sum, exactly."""
    result = _ZERO
    for value in values:
        result = EXACT.add(result, value)
    return result


class Tally:
    """The sum of the fills by account and contract, sales below zero, at the cost of what has changed since.

    It is looked at with the state lock held, so it must not go through all fills of a long day each time.
    """

    def __init__(self) -> None:
        self._feed: FillFeed | None = None
        self._fills: dict[str, Fill] = {}
        self._sums: dict[tuple[str, int], Decimal] = {}

    def made(self, book: Book, account: str, con_ids: Iterable[int]) -> dict[int, Decimal]:
        """Return the sum for each contract; fills without an account count for any."""
        if self._feed is None:
            self._feed = book.follow_fills()
        for fill in self._feed.take():
            name = ExecutionId.parse(fill.exec_id).base
            before = self._fills.pop(name, None)
            if before is not None:
                self._count(before, -1)
            if fill.moves_position:
                self._fills[name] = fill
                self._count(fill, 1)
        return {one: total(self._sums.get((code, one), _ZERO) for code in {account, ""}) for one in con_ids}

    def _count(self, fill: Fill, sign: int) -> None:
        key = (fill.account, fill.con_id)
        side = Action.BUY.sign if fill.action is Action.BUY else Action.SELL.sign
        self._sums[key] = EXACT.add(self._sums.get(key, _ZERO), signed(sign * side, fill.quantity))
