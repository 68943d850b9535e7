"""Exact sums, and what the fills of each contract have come to."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from ibkr_core.lifecycle.book import Book
from ibkr_core.model.numbers import EXACT

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

    def made(self, book: Book, account: str, con_ids: Iterable[int]) -> dict[int, Decimal]:
        """Return the sum for each contract; fills without an account count for any."""
        moved = book.moved()
        codes = {account, ""}
        return {one: total(moved[code, one][1] for code in codes if (code, one) in moved) for one in con_ids}
