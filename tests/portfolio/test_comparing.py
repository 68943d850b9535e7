"""Ours beside the broker's: which positions differ, what costs differ, who got what."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.lifecycle.book import Book
from ibkr_core.model.account import ProfitAndLoss
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.fill import Fill
from ibkr_core.model.holding import Holding
from ibkr_core.model.record import OrderRecord
from ibkr_core.portfolio.comparing import (
    PositionDifference,
    ProfitComparison,
    allocations_of,
    compare_profit,
    differences,
)
from ibkr_core.portfolio.portfolio import Portfolio, Shelf

D = Decimal
CALL = Contract(con_id=7, symbol="AAPL", sec_type="OPT", multiplier="100", currency="USD")
KEY = ("DU1", 7)


def held(quantity: object, **fields: Any) -> Holding:
    return Holding(account="DU1", contract=CALL, quantity=D(str(quantity)), **fields)


def told(quantity: object) -> Position:
    return Position(account="DU1", contract=CALL, quantity=D(str(quantity)))


# ── positions ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("before", "after", "answer", "found"),
    [
        (5, 5, 5, None),
        (5, 7, 5, None),  # a fill between question and answer: either counts right
        (5, 7, 7, None),
        (5, 7, 6, (7, 6)),
        (None, 5, 5, None),
        (5, 5, None, (5, 0)),  # it is told no more
        (0, 0, None, None),
        (None, None, 3, (0, 3)),
    ],
)
def test_a_position_differs_when_it_was_never_ours(
    before: int | None, after: int | None, answer: int | None, found: tuple[int, int] | None
) -> None:
    """Neither when the broker was asked nor when it had answered."""
    sides = [{} if one is None else {KEY: held(one)} for one in (before, after)]
    answers = [] if answer is None else [told(answer)]
    expected = () if found is None else (PositionDifference("DU1", CALL, D(found[0]), D(found[1])),)
    assert differences(sides[0], sides[1], answers) == expected


class Scripted:
    """A login of one account whose broker answers what it is told to."""

    accounts = ("DU1",)

    def __init__(self, answers: Sequence[object]) -> None:
        self._answers: Iterator[object] = iter(answers)
        self.reference = self
        self.pauses = 0
        self.published: list[dict[str, Any]] = []

    def positions(self, account: str = "", *, timeout_s: float = 10.0) -> tuple[Position, ...]:  # noqa: ARG002
        return (told(next(self._answers)),)

    def profit_and_loss(self, *_: Any, **__: Any) -> ProfitAndLoss:
        raise AssertionError

    def order(self, order_id: int) -> OrderRecord:
        raise AssertionError(order_id)

    def read(self, look: Any) -> Any:
        return look(Book(1))

    def publish(self, kind: type, **details: Any) -> None:
        self.published.append({"kind": kind.__name__, **details})

    def pause(self) -> None:
        self.pauses += 1

    def portfolio(self) -> Portfolio:
        shelf = Shelf(self, dict, UTC)
        return Portfolio(shelf, self, self.publish, self.pause)


@pytest.mark.parametrize(
    ("answers", "found", "pauses"),
    [
        ([0], [], 0),
        ([3, 3], [3], 1),
        ([3, 0], [], 1),  # the list had lagged behind
        ([3, 4, 4], [4], 2),
        ([1, 2, 3, 4, 5, 6], [], 5),  # somebody trades all the time
        ([1, 2, 3, 4, 5, 5], [5], 5),
    ],
)
def test_a_difference_has_to_show_twice(answers: list[int], found: list[int], pauses: int) -> None:
    """With a moment between; what changes all the time is not certain."""
    office = Scripted(answers)
    assert [one.told for one in office.portfolio().check()] == found
    assert office.pauses == pauses
    assert [(one["kind"], one["told"]) for one in office.published] == [("PositionDiffers", n) for n in found]


def test_a_difference_is_published_once_and_again_when_it_came_back() -> None:
    """A check every minute shall not ring every minute."""
    office = Scripted([3, 3, 3, 3, 0, 3, 3])
    portfolio = office.portfolio()
    for _ in range(4):
        portfolio.check()
    assert len(office.published) == 2


# ── profit ──────────────────────────────────────────────────────────────────────────────────────


def profit(value: object | None, unrealized: object | None = 0, position: object = 2) -> ProfitAndLoss:
    numbers = [None if one is None else D(str(one)) for one in (value, unrealized)]
    return ProfitAndLoss(
        account="DU1", con_id=7, position=D(str(position)), value=numbers[0], unrealized=numbers[1]
    )


def test_profit_is_compared_at_the_brokers_own_price() -> None:
    """Two calls that cost 500 and 1.30 are worth 520: the broker's 18.70 are ours."""
    found = compare_profit(held(2, cost=D(500), fees={"USD": D("1.3")}), profit(520, "18.7"))
    assert (found.price, found.unrealised, found.difference) == (D("2.6"), D("18.7"), 0)
    assert compare_profit(found.holding, profit(520, "20")).difference == D("1.3")


@pytest.mark.parametrize(
    ("holding", "figures"),
    [
        (held(2), profit(None)),
        (held(2), profit(520, position=3)),
        (held(0), profit(0, position=0)),
        (held(2, unknown_quantity=D(1)), profit(520)),
        (held(2, cost=D(500)), profit(520, None)),
    ],
)
def test_what_cannot_be_compared_is_not(holding: Holding, figures: ProfitAndLoss) -> None:
    """No price was told, another quantity, nothing is held, or a cost is unknown."""
    assert compare_profit(holding, figures).difference is None


# ── allocations ─────────────────────────────────────────────────────────────────────────────────


def part(account: str, quantity: int, price: object, commission: object | None = None) -> Fill:
    return Fill(
        exec_id=f"{account}.{quantity}.{price}.01",
        quantity=D(quantity),
        price=D(str(price)),
        account=account,
        commission=None if commission is None else D(str(commission)),
        commission_currency="USD",
        is_allocation=True,
    )


def test_what_each_account_got_is_summed_up() -> None:
    """Quantity, average and commissions, as far as they were told; legs of a combo stand for themselves."""
    record = OrderRecord(
        order_id=1,
        allocation_fills=(
            part("DU2", 5, 10, 1),
            part("DU1", 2, 10, "0.5"),
            part("DU1", 6, 12),
            attrs.evolve(part("DU1", 9, 9), is_leg=True),
            part("DU3", 0, 10),
        ),
    )
    first, second, third = allocations_of(record)
    assert (first.account, first.quantity, first.average_price) == ("DU1", 8, D("11.5"))
    assert first.commissions == {"USD": D("0.5")}
    assert (second.account, second.average_price) == ("DU2", 10)
    assert (third.account, third.quantity, third.average_price) == ("DU3", 0, 0)
    assert allocations_of(OrderRecord(order_id=1)) == ()


def test_what_differs_is_told_in_a_line() -> None:
    """Ours first, then the broker's; what is not known is a question mark."""
    aapl = Contract.stock("AAPL")
    assert str(PositionDifference("DU1", aapl, Decimal("1E+1"), Decimal(12))) == (
        "DU1 AAPL: 10 by us, 12 by the broker"
    )
    held = Holding(account="DU1", contract=aapl, quantity=Decimal(10), cost=Decimal(1900))
    told = ProfitAndLoss(account="DU1", unrealized=Decimal(-3))
    assert str(ProfitComparison(held, told, Decimal(190), None)) == (
        "DU1 AAPL 10 at 190: unrealised ? by us, -3.00 by the broker"
    )
