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


def test_an_answer_is_told_in_lines() -> None:
    """What is known of margins and commission, each in a line; what is not known is left out."""
    change = MarginChange(Decimal("14630.75"), Decimal(75), Decimal("14705.75"))
    found = WhatIf(
        order_id=1,
        contract=Contract.stock("AAPL"),
        order=Order.limit("BUY", 1, 150),
        margins=Margins(initial=change, equity=MarginChange(after=Decimal(-1))),
        margin_currency="USD",
        min_commission=Decimal(1),
        max_commission=Decimal("1.5"),
        commission_currency="USD",
        warning="mind\nthis",
    )
    assert str(found).splitlines() == [
        "AAPL: what if BUY 1 LMT 150 DAY",
        "  initial margin     14,630.75 -> 14,705.75 (+75.00) USD",
        "  equity             ? -> -1.00 USD",
        "  commission         1.00 to 1.50 USD",
        "  warning            mind this",
    ]
    bare = WhatIf(order_id=1, contract=Contract.stock("AAPL"), order=Order.market("SELL", 1))
    assert str(bare) == "AAPL: what if SELL 1 MKT DAY"
