"""Adjustable stops change once, when the market has gone their way."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.pocket import Pocket, errors, gateway
from tests.gateway.test_kinds import Desk

D = Decimal


def test_a_stop_becomes_a_tighter_stop() -> None:
    """At 105 the stop at 95 becomes one at 102, and stays when the market falls back."""
    desk = Desk()
    desk.place(
        "SELL", "STP", auxPrice=95.0, adjustedOrderType="STP", triggerPrice=105.0, adjustedStopPrice=102.0
    )
    desk.market.set_last("104.99")
    assert desk.shown("auxPrice") == 95.0
    desk.market.set_last("105.00")
    assert desk.shown("auxPrice") == 102.0
    desk.market.set_last("102.01")
    assert desk.fills == []
    desk.quote("101.99", "102.00", last="102.00")
    assert desk.fills == [(10, D("101.99"))]


@pytest.mark.parametrize(("unit", "amount", "stop"), [(0, 1.0, 106.0), (100, 1.0, 105.93)])
def test_a_stop_becomes_a_trailing_one(unit: int, amount: float, stop: float) -> None:
    """By an amount or by percent; from then on it follows the market."""
    desk = Desk()
    desk.place(
        "SELL", "STP", auxPrice=95.0, adjustedOrderType="TRAIL", triggerPrice=105.0,
        adjustedTrailingAmount=amount, adjustableTrailingUnit=unit,
    )  # fmt: skip
    desk.market.set_last(105)
    desk.market.set_last(107)
    assert (desk.shown("orderType"), desk.shown("trailStopPrice")) == ("TRAIL", stop)


def test_a_purchase_adjusts_when_the_market_falls() -> None:
    """The mirror: to a stop-limit that pays no more than its limit."""
    desk = Desk()
    desk.place(
        "BUY", "STP", auxPrice=110.0, adjustedOrderType="STP LMT", triggerPrice=95.0,
        adjustedStopPrice=97.0, adjustedStopLimitPrice=97.5,
    )  # fmt: skip
    desk.market.set_last(95)
    desk.quote("97.90", "98.00", last="97.95")
    assert (desk.fills, desk.shown("lmtPrice")) == ([], 97.5)
    desk.quote("97.40", "97.50")
    assert desk.fills == [(10, D("97.50"))]


@pytest.mark.parametrize(
    ("code", "fields"),
    [
        (321, {"adjustedOrderType": "MKT", "triggerPrice": 105.0}),
        (361, {"adjustedOrderType": "STP", "adjustedStopPrice": 101.0}),
        (362, {"adjustedOrderType": "STP", "triggerPrice": 105.0}),
        (364, {"adjustedOrderType": "TRAIL", "triggerPrice": 105.0}),
        (364, {"adjustedOrderType": "TRAIL", "triggerPrice": 105.0, "adjustedTrailingAmount": -1.0}),
        (363, {"adjustedOrderType": "STP LMT", "triggerPrice": 105.0, "adjustedStopPrice": 101.0}),
        (321, {"adjustedOrderType": "STP", "triggerPrice": 1e12, "adjustedStopPrice": 101.0}),
    ],
)
def test_adjustments_that_make_no_sense_are_refused(code: int, fields: dict[str, Any]) -> None:
    """Each with its own code; nothing is booked."""
    venue = gateway()
    assert errors(Pocket(venue).place(1, "SELL", 10, "STP", auxPrice=95.0, **fields)) == [(1, code)]
    assert venue.books().orders == ()


def test_a_trigger_price_without_an_adjustment_means_nothing() -> None:
    """Whatever stands there, the stop works; it was once refused when the market came by (found by fuzz)."""
    desk = Desk()
    desk.place("SELL", "STP", auxPrice=95.0, triggerPrice=1e300)
    desk.quote("94.90", "95.00", last="95.00")
    assert desk.fills == [(10, D("94.90"))]


def test_prices_that_an_adjustment_does_not_need_are_checked_all_the_same() -> None:
    """They are looked at again when the market comes, and nobody could be refused then (found by fuzz)."""
    venue = gateway()
    fields: dict[str, Any] = {
        "adjustedOrderType": "TRAIL",
        "triggerPrice": 105.0,
        "adjustedTrailingAmount": 1.0,
    }
    answer = Pocket(venue).place(1, "SELL", 10, "STP", auxPrice=95.0, adjustedStopPrice=1e300, **fields)
    assert errors(answer) == [(1, 321)]
