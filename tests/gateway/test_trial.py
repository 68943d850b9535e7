"""What an order would cost, to the cent."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.gateway.account import Account
from ibkr_core.gateway.trial import margins_of
from tests.gateway.test_orders import build


@pytest.mark.parametrize(("held", "change"), [(0, 500.0), (-10, -500.0), (-5, 0.0), (10, 500.0), (-4, 100.0)])
def test_margin_follows_the_size_of_the_position(held: int, change: float) -> None:
    """Ten AAPL at 100 need half their value; closing frees it, turning round changes the difference."""
    account = Account("DU1", Decimal(1000))
    before = account.balances(lambda _: Decimal(100), lambda _: Decimal(1))
    margins = margins_of(build(), before, price=Decimal(100), held=Decimal(held), rate=Decimal(1))
    assert margins["initMarginChange"] == change
    assert margins["maintMarginChange"] == change / 2
    assert margins["initMarginAfter"] == margins["initMarginBefore"] + change
    assert margins["commissionAndFees"] == 1.00003
