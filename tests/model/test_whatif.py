"""What-if answers as values."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.whatif import MarginChange, Margins, WhatIf

ONE, TWO = Decimal(1), Decimal(2)


def answer(**fields: object) -> WhatIf:
    return WhatIf(order_id=7, contract=Contract.stock("AAPL"), order=Order.market("BUY", 1), **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"commission": ONE}, (ONE, ONE)),
        ({"min_commission": ONE, "max_commission": TWO}, (ONE, TWO)),
        ({"min_commission": ONE}, None),
        ({}, None),
    ],
)
def test_the_commission_is_a_range_or_unknown(
    fields: dict[str, Decimal], expected: tuple[Decimal, Decimal] | None
) -> None:
    """Where it is known exactly, both ends are the same."""
    assert answer(**fields).commission_range == expected


def test_margins_know_whether_anything_was_told() -> None:
    """A zero is something, nothing is nothing."""
    assert not Margins().is_known
    assert Margins(maintenance=MarginChange(change=Decimal(0))).is_known
    assert Margins(equity=MarginChange(before=ONE)).is_known


def test_the_changes_have_short_names() -> None:
    """They are what is looked at first."""
    found = answer(margins=Margins(MarginChange(ONE, TWO, None), MarginChange(None, ONE, None)))
    assert found.initial_margin_change == TWO
    assert found.maintenance_margin_change == ONE
