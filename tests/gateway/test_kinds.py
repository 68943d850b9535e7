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

    def limit(self, order_id: int) -> Decimal:
        """The price at which an order would trade now."""
        order = self.gateway._access(lambda venue: venue.exchange.find(1, order_id))
        assert order is not None
        assert order.limit is not None
        return order.limit

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


@pytest.mark.parametrize(
    ("action", "quiet", "hit", "price"),
    [("SELL", ["99", "100.50"], "101", "101"), ("BUY", ["101", "100.50"], "100", "100.01")],
)
def test_a_trailing_touch_follows_the_price_away_and_never_back(
    action: str, quiet: list[str], hit: str, price: str
) -> None:
    """A sale's trigger, two above at first, falls with the price to one above 100 and stays there."""
    desk = Desk()
    desk.market.set_last(100)
    desk.place(action, "TRAIL MIT", auxPrice=2.0 if action == "SELL" else 1.0)
    for last in quiet:
        desk.market.set_last(last)
    assert (desk.fills, desk.status) == ([], "PreSubmitted")
    desk.quote(str(Decimal(hit)), str(Decimal(hit) + Decimal("0.01")), last=hit)
    assert desk.fills == [(10, Decimal(price))]


def test_a_trailing_limit_if_touched_drags_its_limit_along() -> None:
    """The trigger falls from 102 to 101, and with it the limit, ten cents below."""
    desk = Desk()
    desk.market.set_last(100)
    desk.place("SELL", "TRAIL LIT", auxPrice=2.0, lmtPriceOffset=0.1)
    assert (desk.shown("trailStopPrice"), desk.shown("lmtPrice")) == (102.0, 101.9)
    desk.market.set_last(99)
    assert (desk.shown("trailStopPrice"), desk.shown("lmtPrice")) == (101.0, 100.9)
    desk.market.set_last(101)
    assert (desk.fills, desk.status) == ([], "Submitted")
    desk.quote("100.90", "100.95")
    assert desk.fills == [(10, Decimal("100.90"))]


@pytest.mark.parametrize(
    ("kind", "fields", "quiet", "hit", "price"),
    [
        ("PEG MKT", {"auxPrice": 0.04}, "100.10", "100.06", "100.06"),  # four below the ask
        ("PEG PRIM", {"auxPrice": 0.02}, "100.10", "100.02", "100.02"),  # two above the bid
        ("PASSV REL", {"auxPrice": 0.02}, "100", "99.98", "99.98"),  # two below the bid
        ("PASSV REL", {"auxPrice": 0.02, "lmtPrice": 99.9}, "99.98", "99.90", "99.90"),
        ("PEG PRIM", {"auxPrice": 0.02, "lmtPrice": 99.9}, "100", "99.90", "99.90"),
    ],
)
def test_pegged_orders_trade_with_a_print_at_their_price(
    kind: str, fields: dict[str, float], quiet: str, hit: str, price: str
) -> None:
    """Away from the market by their offset, never beyond their cap."""
    desk = Desk()
    desk.quote("100.00", "100.10")
    desk.place("BUY", kind, **fields)
    desk.market.set_last(quiet)
    assert desk.fills == []
    desk.market.set_last(hit)
    assert desk.fills == [(10, Decimal(price))]


def test_a_pegged_order_without_offset_takes_the_market() -> None:
    """Pegged to the other side of the quote itself it is as good as a market order."""
    desk = Desk()
    desk.place("SELL", "PEG MKT")
    assert desk.fills == [(10, Decimal(100))]


@pytest.mark.parametrize(
    ("kind", "fields", "limit"),
    [
        ("SNAP MKT", {"auxPrice": 0.03}, 100.07),
        ("SNAP MID", {"auxPrice": 0.01}, 100.04),
        ("SNAP PRIM", {"auxPrice": 0.03}, 100.03),
    ],
)
def test_a_snap_order_takes_its_price_once(kind: str, fields: dict[str, float], limit: float) -> None:
    """The market moves away and comes back; the price that it had when it came stays."""
    desk = Desk()
    desk.quote("100.00", "100.10")
    desk.place("BUY", kind, **fields)
    assert desk.limit(1) == Decimal(str(limit))
    desk.quote("103.00", "103.10")
    assert (desk.limit(1), desk.fills) == (Decimal(str(limit)), [])
    desk.quote("99.00", str(limit))
    assert desk.fills == [(10, Decimal(str(limit)))]


def test_an_order_with_protection_takes_so_much_and_rests_there() -> None:
    """A market order for a future goes up to twelve ticks beyond the ask; the rest waits at that price."""
    desk = Desk()
    es = desk.gateway.market("ESZ6", "FUT")
    es.set_quote(bid=6650, ask="6650.25", ask_size=4)
    contract = {"localSymbol": "ESZ6", "secType": "FUT", "exchange": "CME", "currency": "USD"}
    desk.place("BUY", "MKT PRT", contract=contract)
    assert desk.fills == [(4, Decimal("6650.25"))]
    es.set_quote(bid=6653, ask="6653.50")
    assert len(desk.fills) == 1
    es.set_quote(bid=6653, ask="6653.25")
    assert desk.fills[1:] == [(6, Decimal("6653.25"))]


def test_a_stop_with_protection_counts_from_where_it_is_elected() -> None:
    """Elected at 6660, it pays no more than twelve ticks over the ask of that moment."""
    desk = Desk()
    es = desk.gateway.market("ESZ6", "FUT")
    es.set_quote(bid=6650, ask="6650.25")
    contract = {"localSymbol": "ESZ6", "secType": "FUT", "exchange": "CME", "currency": "USD"}
    desk.place("BUY", "STP PRT", auxPrice=6660.0, contract=contract)
    es.set_quote(bid=6660, ask="6660.25", last=6660, ask_size=4)
    assert desk.fills == [(4, Decimal("6660.25"))]
    es.set_quote(bid=6670, ask="6670.25")
    assert len(desk.fills) == 1
    es.set_quote(bid=6663, ask="6663.25")
    assert desk.status == "Filled"


OPTION = {
    "symbol": "AAPL", "secType": "OPT", "exchange": "SMART", "currency": "USD", "strike": 290.0, "right": "C",
    "lastTradeDateOrContractMonth": "20301220",
}  # fmt: skip


def test_an_order_pegged_to_its_stock_moves_by_delta() -> None:
    """Half of what AAPL moves from 292: from 20.00 to 20.50 when it is 293; a put the other way."""
    desk = Desk()
    desk.market.set_quote(bid="291.90", ask="292.10")
    desk.gateway.market("AAPL  301220C00290000", "OPT").set_quote(bid="20", ask="25")
    peg = {"startingPrice": 20.0, "stockRefPrice": 292.0, "delta": 50.0}
    desk.place("BUY", "PEG STK", 1, contract=OPTION, **peg)
    assert desk.client.heard[-1].fields["status"] == "Submitted"
    assert desk.limit(1) == Decimal("20.00")
    desk.market.set_quote(bid="292.90", ask="293.10")
    assert desk.limit(1) == Decimal("20.50")
    desk.market.set_quote(bid="303.90", ask="304.10")
    assert desk.fills == [(1, Decimal(25))]


def test_an_order_pegged_to_a_benchmark_moves_with_it() -> None:
    """Ten cents for each dollar of MSFT, the other way round when told so."""
    desk = Desk()
    msft = desk.gateway.market("MSFT")
    msft.set_quote(bid="399.99", ask="400.01")
    peg = {
        "referenceContractId": 272093, "startingPrice": 99.0, "stockRefPrice": 400.0,
        "peggedChangeAmount": 0.1, "referenceChangeAmount": 1.0,
    }  # fmt: skip
    desk.place("BUY", "PEG BENCH", **peg, lmtPrice=99.9)
    told = desk.client.place(2, "BUY", 10, "PEG BENCH", isPeggedChangeAmountDecrease=True, **peg)
    assert errors(told) == []
    msft.set_quote(bid="404.99", ask="405.01")
    assert (desk.limit(1), desk.limit(2)) == (Decimal("99.50"), Decimal("98.50"))
    msft.set_quote(bid="419.99", ask="420.01")
    assert desk.limit(1) == Decimal("99.9"), "the cap"
    desk.quote("99.80", "99.90")
    assert desk.fills == [(10, Decimal("99.90"))]


def test_a_volatility_order_costs_what_its_volatility_makes_of_it() -> None:
    """More volatility, more money; it follows the stock."""
    desk = Desk()
    desk.market.set_quote(bid="291.99", ask="292.01")
    option = desk.gateway.market("AAPL  301220C00290000", "OPT")
    option.set_quote(bid="1", ask="500")
    for number, volatility in enumerate((0.1, 0.3), 1):
        told = desk.client.place(
            number, "BUY", 1, "VOL", contract=OPTION, volatility=volatility, volatilityType=2
        )
        assert errors(told) == []
    low, high = desk.limit(1), desk.limit(2)
    assert Decimal(2) < low < high
    desk.market.set_quote(bid="299.99", ask="300.01")
    assert desk.limit(1) > low
    option.set_quote(bid="1", ask=desk.limit(2))
    assert [desk.gateway.books().order(number).status for number in (1, 2)] == ["Submitted", "Filled"]


def test_an_order_pegged_to_best_competes_up_to_the_middle() -> None:
    """At the broker's own venue only: two cents above the bid, at most half way."""
    desk = Desk()
    desk.quote("100.00", "100.10")
    ats = {"symbol": "AAPL", "secType": "STK", "exchange": "IBKRATS", "currency": "USD"}
    desk.place("BUY", "PEG BEST", contract=ats, competeAgainstBestOffset=0.02, minTradeQty=1)
    assert desk.limit(1) == Decimal("100.02")
    desk.quote("100.07", "100.10")
    assert desk.limit(1) == Decimal("100.085")
    assert errors(desk.client.place(2, "BUY", 10, "PEG BEST")) == [(2, 387)]


@pytest.mark.parametrize("kind", ["MOO", "LOO"])
def test_orders_for_the_open_have_names_of_their_own(kind: str) -> None:
    """They are what MKT and LMT with the time in force OPG are."""
    desk = Desk()
    desk.place("BUY", kind, tif="OPG" if kind == "MOO" else "DAY", lmtPrice=101.0)
    desk.market.set_last("100.5")
    desk.gateway.close_exchange()
    assert desk.fills == []
    desk.gateway.open_exchange()
    assert desk.fills == [(10, Decimal("100.5"))]


@pytest.mark.parametrize(("action", "limit", "price"), [("BUY", 99.9, "99.95"), ("SELL", 100.1, "100.05")])
def test_a_limit_order_may_give_a_little_more(action: str, limit: float, price: str) -> None:
    """Its discretionary amount is used when that is enough to trade, never shown, and never exceeded."""
    desk = Desk()
    desk.place(action, "LMT", lmtPrice=limit, discretionaryAmt=0.05)
    away = Decimal(price) + (Decimal("0.01") if action == "BUY" else Decimal("-0.01"))
    spread = (away - 1, away) if action == "BUY" else (away, away + 1)
    desk.quote(str(spread[0]), str(spread[1]))
    assert desk.fills == []
    near = (Decimal(price) - 1, Decimal(price)) if action == "BUY" else (Decimal(price), Decimal(price) + 1)
    desk.quote(str(near[0]), str(near[1]), bid_size=4, ask_size=4)
    assert desk.fills == [(4, Decimal(price))]
    assert (desk.shown("lmtPrice"), desk.limit(1)) == (limit, Decimal(str(limit)))


def test_a_modification_is_no_second_quote_for_a_stop_that_wants_two() -> None:
    """Method 1 wants two bids in a row; the same one seen again because the order changed is one."""
    desk = Desk()
    desk.quote("100", "100.01", last=100)
    desk.place("BUY", "STP", 5, auxPrice=102.0, triggerMethod=1)
    desk.quote("103", "103.01")
    desk.place("BUY", "STP", 6, auxPrice=102.0, triggerMethod=1)
    assert desk.fills == []
    desk.quote("103.05", "103.06")
    assert desk.status == "Filled"
