"""The same sums once more, as a child would do them: one unit at a time, in fractions, from scratch.

It shares no code with the engine's: no states, no insertion, no rounding.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from fractions import Fraction

import attrs


@attrs.frozen
class Deal:
    """One trade: when, its name, signed units, money for one unit, and its commission in one currency."""

    at: datetime
    name: str
    units: int
    price: Decimal
    fee: Decimal


@attrs.define
class Sums:
    """What deals come to. Fees are those of what is open, and those of what was closed."""

    units: int = 0
    cost: Fraction = Fraction(0)
    gross: Fraction = Fraction(0)
    open_fees: Fraction = Fraction(0)
    closed_fees: Fraction = Fraction(0)


def by_lots(deals: Iterable[Deal]) -> Sums:
    """First in first out."""
    sums = Sums()
    queue: list[tuple[int, Fraction, Fraction]] = []  # side, price, fee of one unit
    for deal in sorted(deals, key=lambda one: (one.at, one.name)):
        side = 1 if deal.units > 0 else -1
        if not deal.units:
            sums.closed_fees += Fraction(deal.fee)
        for _ in range(abs(deal.units)):
            fee = Fraction(deal.fee) / abs(deal.units)
            if queue and queue[0][0] != side:
                _, price, paid = queue.pop(0)
                sums.gross += (Fraction(deal.price) - price) * -side
                sums.closed_fees += paid + fee
            else:
                queue.append((side, Fraction(deal.price), fee))
    sums.units = sum(side for side, _, _ in queue)
    sums.cost = sum((side * price for side, price, _ in queue), Fraction(0))
    sums.open_fees = sum((fee for _, _, fee in queue), Fraction(0))
    return sums


def by_average(deals: Iterable[Deal]) -> Sums:
    """All at the average cost."""
    sums = Sums()
    for deal in sorted(deals, key=lambda one: (one.at, one.name)):
        side = 1 if deal.units > 0 else -1
        if not deal.units:
            sums.closed_fees += Fraction(deal.fee)
        for _ in range(abs(deal.units)):
            fee = Fraction(deal.fee) / abs(deal.units)
            if sums.units * side < 0:
                price, paid = sums.cost / sums.units, sums.open_fees / abs(sums.units)
                sums.gross += (Fraction(deal.price) - price) * -side
                sums.cost += price * side
                sums.open_fees -= paid
                sums.closed_fees += paid + fee
            else:
                sums.cost += Fraction(deal.price) * side
                sums.open_fees += fee
            sums.units += side
    return sums
