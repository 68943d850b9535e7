"""Scale orders: one component in the market at a time, each at a better price than the last."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway.scaling import component, is_simulated
from tests.gateway.test_kinds import Desk

D = Decimal
SCALE: dict[str, Any] = {"scaleInitLevelSize": 20, "scaleSubsLevelSize": 30, "scalePriceIncrement": 0.5}


@pytest.mark.parametrize(
    ("filled", "released", "better"),
    [(0, 20, "0"), (19, 20, "0"), (20, 50, "0.5"), (49, 50, "0.5"), (50, 80, "1.0"), (80, 110, "1.5")],
)
def test_a_component(filled: int, released: int, better: str) -> None:
    """What is out, and at what price, by what is filled alone."""
    assert component(SCALE, D(filled)) == (D(released), D(better))


@given(st.integers(1, 50), st.integers(1, 50), st.integers(0, 10_000))
def test_something_is_always_out(first: int, later: int, filled: int) -> None:
    """Never nothing, never more than one component, and never worse than before."""
    fields = {"scaleInitLevelSize": first, "scaleSubsLevelSize": later, "scalePriceIncrement": 0.1}
    released, better = component(fields, D(filled))
    assert 0 < released - filled <= max(first, later)
    assert component(fields, D(filled + 1))[1] >= better


def test_components_of_a_purchase() -> None:
    """The first at the limit; the next below it, when the market gets there."""
    desk = Desk()
    desk.place("BUY", "LMT", 60, lmtPrice=100.01, **SCALE)
    assert desk.fills == [(20, D("100.01"))]
    assert desk.limit(1) == D("99.51")
    desk.quote("99.40", "99.41")
    assert desk.fills[1:] == [(30, D("99.41"))]
    desk.quote("99.00", "99.02")
    assert len(desk.fills) == 2
    desk.quote("98.90", "98.91")
    assert (desk.fills[2:], desk.status) == ([(10, D("98.91"))], "Filled")


def test_components_of_a_sale_that_rests() -> None:
    """Filled where it rests, it rests again further up."""
    desk = Desk()
    desk.place("SELL", "LMT", 40, lmtPrice=101.0, scaleInitLevelSize=20, scalePriceIncrement=1.0)
    desk.quote("100.90", "101.50")
    desk.market.trade(101, 500, "BUY")
    assert desk.fills == [(20, D(101))]
    assert desk.limit(1) == 102
    desk.market.trade("101.50", 500, "BUY")
    assert len(desk.fills) == 1
    desk.quote("101.60", "102.50")
    desk.market.trade(102, 500, "BUY")
    assert (desk.fills[1:], desk.status) == ([(20, D(102))], "Filled")


@pytest.mark.parametrize("name", ["scaleProfitOffset", "scalePriceAdjustValue", "scaleRandomPercent"])
def test_what_is_not_simulated_is_not_taken(name: str) -> None:
    """It would work otherwise than asked."""
    assert is_simulated(SCALE, "LMT")
    assert not is_simulated({**SCALE, name: 1}, "LMT")
    assert not is_simulated(SCALE, "REL")
