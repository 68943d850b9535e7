"""Every order type as a client sees it: when it trades, and at what price."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import MarketHandle
from ibkr_core.gateway.kinds import KINDS, KNOWN_TYPES, SIMULATED_TIFS, Kind, Pricing, Trigger
from tests.gateway.pocket import Pocket, errors, gateway, statuses, story


class Desk:
    """A client and the AAPL market in front of it, 100.00 to 100.01."""

    def __init__(self) -> None:
        self.gateway = gateway()
        self.client = Pocket(self.gateway)
        self.market: MarketHandle = self.gateway.market("AAPL")

    def place(self, action: str, kind: str, quantity: int = 10, **fields: Any) -> None:
        assert errors(self.client.place(1, action, quantity, kind, **fields)) == []

    def quote(self, bid: str, ask: str, **fields: Any) -> None:
        self.market.set_quote(bid=bid, ask=ask, **fields)

    @property
    def fills(self) -> list[tuple[int, Decimal]]:
        return [(int(one.quantity), one.price) for one in self.gateway.books().executions]

    @property
    def status(self) -> str:
        return self.gateway.books().order(1).status

    def shown(self, field: str) -> Any:
        self.client.listen()
        (first, *_) = self.client.ask("reqOpenOrders")
        return first.fields["order"][field]


def test_the_table_is_sane() -> None:
    """Each type is known; a type that needs a limit uses it; auctions have no trigger."""
    assert KINDS.keys() <= KNOWN_TYPES
    assert "OPG" in SIMULATED_TIFS
    for kind in KINDS.values():
        assert kind.uses_limit or not kind.needs_limit
        assert not (kind.at_close and kind.trigger is not Trigger.NONE)
        assert not kind.follows_another or kind.follows_quote
        assert kind.snaps <= (kind.follows_quote or kind.pricing is Pricing.PROTECTED)
    assert Kind(pricing=Pricing.TO_LIMIT).uses_limit is False


@pytest.mark.parametrize(
    ("action", "trigger", "quiet", "hit"), [("BUY", 99.0, "99.01", "99"), ("SELL", 101.0, "100.99", "101")]
)
def test_market_if_touched_buys_the_dip_and_sells_the_rise(
    action: str, trigger: float, quiet: str, hit: str
) -> None:
    """The mirror of a stop: it waits for a better price, then takes the market."""
    desk = Desk()
    desk.place(action, "MIT", auxPrice=trigger)
    assert statuses(desk.client.heard, 1)[-1]["whyHeld"] == "trigger"
    desk.market.set_last(quiet)
    assert (desk.fills, desk.status) == ([], "PreSubmitted")
    desk.market.set_last(hit)
    assert desk.fills == [(10, Decimal("100.01") if action == "BUY" else Decimal(100))]


def test_limit_if_touched_keeps_its_limit() -> None:
    """Touched at 99, it pays no more than 98.50."""
    desk = Desk()
    desk.place("BUY", "LIT", auxPrice=99.0, lmtPrice=98.5)
    desk.quote("98.98", "98.99")
    assert (desk.fills, desk.status) == ([], "Submitted")
    desk.quote("98.40", "98.45")
    assert desk.fills == [(10, Decimal("98.45"))]


def test_market_to_limit_rests_at_the_price_of_its_first_part() -> None:
    """TWS facts 6: four at 100.01, the rest waits there and does not chase the market."""
    desk = Desk()
    desk.quote("100.00", "100.01", ask_size=4)
    desk.place("BUY", "MTL")
    desk.quote("100.04", "100.05")
    assert desk.fills == [(4, Decimal("100.01"))]
    assert desk.shown("lmtPrice") == 100.01
    desk.quote("99.98", "99.99")
    assert desk.fills == [(4, Decimal("100.01")), (6, Decimal("99.99"))]


@pytest.mark.parametrize("fields", [{"lmtPrice": 98.9}, {"lmtPriceOffset": 0.1}])
def test_a_trailing_limit_drags_its_limit_along(fields: dict[str, float]) -> None:
    """The distance from stop to limit stays 0.10, whether it was given as an offset or as a price."""
    desk = Desk()
    desk.market.set_last(100)
    desk.place("SELL", "TRAIL LIMIT", auxPrice=1.0, trailStopPrice=99.0, **fields)
    assert (desk.shown("trailStopPrice"), desk.shown("lmtPrice")) == (99.0, 98.9)
    desk.market.set_last(102)
    assert (desk.shown("trailStopPrice"), desk.shown("lmtPrice")) == (101.0, 100.9)
    desk.quote("100.80", "100.85", last="100.80")
    assert (desk.fills, desk.status) == ([], "Submitted")
    desk.market.set_last(103)
    assert desk.shown("lmtPrice") == 100.9, "an elected order trails no more"
    desk.quote("100.90", "100.95")
    assert desk.fills == [(10, Decimal("100.90"))]


def test_a_relative_order_rests_above_the_bid_and_trades_with_the_next_print() -> None:
    """Two cents above the bid; a print at the ask is not for it, one at its price is; the cap holds."""
    desk = Desk()
    desk.quote("100.00", "100.10")
    desk.place("BUY", "REL", auxPrice=0.02, lmtPrice=100.05)
    desk.market.set_last("100.10")
    assert desk.fills == []
    desk.quote("100.04", "100.10")
    desk.market.set_last("100.05")
    assert desk.fills == [(10, Decimal("100.05"))]


def test_a_relative_order_takes_the_market_that_comes_to_it() -> None:
    """An ask at or below its price is taken at the ask."""
    desk = Desk()
    desk.quote("100.00", "100.10")
    desk.place("BUY", "REL", percentOffset=0.0005)
    desk.quote("100.00", "100.03")
    assert desk.fills == [(10, Decimal("100.03"))]


@pytest.mark.parametrize("kind", ["PEG MID", "MIDPRICE"])
def test_a_midpoint_order_trades_in_the_middle(kind: str) -> None:
    """With the next print of somebody else, half ticks and all; never beyond its cap."""
    desk = Desk()
    desk.place("BUY", kind, lmtPrice=100.02)
    assert desk.fills == []
    desk.quote("100.04", "100.05", bid_size=4)
    desk.market.set_last("100.04")
    assert desk.fills == [(4, Decimal("100.02"))]
    desk.quote("100.00", "100.01")
    desk.market.set_last("100.01")
    assert desk.fills == [(4, Decimal("100.02")), (6, Decimal("100.005"))]


@pytest.mark.parametrize(
    ("action", "kind", "fields", "filled"),
    [
        ("BUY", "MOC", {}, True),
        ("BUY", "LOC", {"lmtPrice": 101.0}, True),
        ("BUY", "LOC", {"lmtPrice": 100.9}, False),
        ("SELL", "LOC", {"lmtPrice": 101.0}, True),
        ("SELL", "LOC", {"lmtPrice": 101.1}, False),
    ],
)
def test_orders_for_the_close_trade_at_the_bell(
    action: str, kind: str, fields: dict[str, float], filled: bool
) -> None:
    """Nothing before, whatever the market; then the last price, or nothing and 202."""
    desk = Desk()
    desk.place(action, kind, **fields)
    desk.quote("100.98", "101.02", last="101")
    assert (desk.fills, desk.status) == ([], "PreSubmitted")
    desk.gateway.end_day()
    told = desk.client.listen()
    if filled:
        assert desk.fills == [(10, Decimal(101))]
        assert story(told)[-1] == "commission"
    else:
        assert (desk.fills, errors(told)) == ([], [(1, 202)])


@pytest.mark.parametrize(("limit", "filled"), [(None, True), (100.5, True), (99.5, False)])
def test_orders_for_the_open_trade_in_the_first_auction(limit: float | None, filled: bool) -> None:
    """OPG: not while the exchange is open, not while it is closed, but when it opens."""
    desk = Desk()
    if limit is None:
        desk.place("BUY", "MKT", tif="OPG")
    else:
        desk.place("BUY", "LMT", tif="OPG", lmtPrice=limit)
    desk.market.set_last("100.5")
    desk.gateway.close_exchange()
    assert (desk.fills, desk.status) == ([], "PreSubmitted")
    desk.gateway.open_exchange()
    assert desk.fills == ([(10, Decimal("100.5"))] if filled else [])
    assert desk.status == ("Filled" if filled else "Cancelled")


def test_an_order_for_the_close_may_be_turned_into_a_limit_order() -> None:
    """Then it no longer waits for the bell."""
    desk = Desk()
    desk.place("BUY", "MOC")
    desk.place("BUY", "LMT", lmtPrice=100.01)
    assert desk.fills == [(10, Decimal("100.01"))]


def test_a_day_ends_the_orders_of_the_day_only() -> None:
    """DAY is cancelled with 202, GTC rests and trades on the next day (TWS facts 5)."""
    desk = Desk()
    desk.place("BUY", "LMT", lmtPrice=99.0)
    desk.client.place(2, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC")
    desk.gateway.end_day()
    assert story(desk.client.listen()) == ["status Cancelled 0/10", "error 202"]
    desk.gateway.open_exchange()
    desk.quote("98.90", "99.00")
    assert desk.fills == [(10, Decimal("99.00"))]
