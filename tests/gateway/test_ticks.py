"""Which ticks a subscription gets: live, frozen, delayed, of every kind of instrument."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import Calendar, DataSettings, MarketSettings, MemoryGateway
from ibkr_core.gateway.clock import DEFAULT_START, ManualClock
from tests.gateway.checked import Checked
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, kinds, plain
from tests.wire.oracle import versions

every_version = pytest.mark.parametrize("version", versions(157, 176, 203, 226))
CALL = {"localSymbol": "AAPL  261218C00290000", "secType": "OPT", "exchange": "SMART"}
SLOW = MarketSettings(moves=False, interval_s=60.0)
UNSUBSCRIBED = plain(data=DataSettings(live=False), market=SLOW)
EVENING = DEFAULT_START + 11 * 3600  # nine in New York: everything is closed


def prices(client: Checked) -> dict[int, float]:
    """The latest price of each tick type."""
    return {args[1]: args[2] for args in client.of("tickPrice")}


# -- live, frozen, delayed -------------------------------------------------------------------------


@every_version
def test_who_is_subscribed_gets_live_data_whatever_was_asked_for(version: int) -> None:
    """A request for delayed data is ignored where live data is available; type 9 is no type."""
    client = Checked(gateway(), version)
    assert client.ask("reqMarketDataType", marketDataType=3) == []
    client.ask("reqMktData", reqId=4, contract=AAPL)
    assert client.of("marketDataType") == [(4, 1)]
    assert (prices(client)[1], prices(client)[2]) == (100.0, 100.01)
    assert errors(client.ask("reqMarketDataType", marketDataType=9)) == [(-1, 321)]


@every_version
def test_who_is_not_subscribed_may_have_delayed_data(version: int) -> None:
    """10089 for live data; for delayed data notice 10167, type 3, and the delayed tick types."""
    client = Checked(gateway(settings=UNSUBSCRIBED), version)
    assert errors(client.ask("reqMktData", reqId=4, contract=AAPL)) == [(4, 10089)]
    client.ask("reqMarketDataType", marketDataType=3)
    answer = client.ask("reqMktData", reqId=5, contract=AAPL)
    assert errors(answer) == [(5, 10167)]
    assert client.of("marketDataType") == [(5, 3)]
    assert {66, 67, 68, 72, 73, 75, 76} == prices(client).keys()
    assert {args[1] for args in client.of("tickString")} == {88}
    assert client.of("tickString")[0][2] == str(int(DEFAULT_START) - 900)
    assert {args[1] for args in client.of("tickSize")} <= {69, 70, 71, 74, 0, 3, 5}


def test_delayed_data_is_late() -> None:
    """What happens now is seen a quarter of an hour later, and not before."""
    venue = gateway(settings=UNSUBSCRIBED)
    client = Pocket(venue)
    client.ask("reqMarketDataType", marketDataType=3)
    client.ask("reqMktData", reqId=4, contract=AAPL)
    venue.run(60)
    venue.market("AAPL").set_quote(bid=200, ask="200.01", last=200)

    def last() -> float:
        client.listen()
        told = [one.fields for one in client.heard if one.kind == "tickPrice"]
        return float([one["price"] for one in told if one["tickType"] == 68][-1])

    venue.run(13 * 60)
    assert last() > 280
    venue.run(3 * 60)
    assert last() == 200.0


@every_version
def test_a_closed_market_has_no_quotes_unless_they_are_frozen(version: int) -> None:
    """-1 for bid and ask and still the last trade; the last quote and type 2 for those who want it."""
    venue = MemoryGateway(settings=plain(calendar=Calendar(), market=SLOW), clock=ManualClock(EVENING))
    venue.market("AAPL").set_quote(bid=100, ask="100.01", last=100)
    client = Checked(venue, version)
    client.ask("reqMktData", reqId=4, contract=AAPL)
    assert (prices(client)[1], prices(client)[2], prices(client)[4]) == (-1.0, -1.0, 100.0)
    assert client.of("marketDataType") == [(4, 1)]
    client.ask("reqMarketDataType", marketDataType=2)
    client.ask("reqMktData", reqId=5, contract=AAPL)
    assert client.of("marketDataType")[-1] == (5, 2)
    assert (prices(client)[1], prices(client)[2]) == (100.0, 100.01)
    venue.run(8 * 3600)  # five in the morning
    client.listen()
    assert client.of("marketDataType")[-1] == (5, 1)


# -- every kind of instrument -------------------------------------------------------------------------


def computations(client: Checked) -> dict[int, dict[str, Any]]:
    """The latest computation of each tick type, by name."""
    names = "reqId tickType tickAttrib impliedVol delta optPrice pvDividend gamma vega theta undPrice".split()
    told = [dict(zip(names, args, strict=True)) for args in client.of("tickOptionComputation")]
    return {one["tickType"]: one for one in told}


@every_version
def test_an_option_comes_with_its_greeks(version: int) -> None:
    """At bid, ask, last and model; they follow the stock."""
    venue = MemoryGateway(settings=plain())
    stock = venue.market("AAPL")
    stock.set_quote(bid="291.00", ask="291.02")
    client = Checked(venue, version)
    client.ask("reqMktData", reqId=4, contract=CALL)
    told = computations(client)
    assert told.keys() == {10, 11, 12, 13}
    assert told[10]["optPrice"] == prices(client)[1] < told[13]["optPrice"] < prices(client)[2]
    assert told[10]["impliedVol"] < told[13]["impliedVol"] < told[11]["impliedVol"]
    model = told[13]
    assert (model["undPrice"], model["pvDividend"]) == (291.01, 0.0)
    assert 0.5 < model["delta"] < 0.65
    assert min(model["gamma"], model["vega"], -model["theta"]) > 0
    stock.set_quote(bid="301.00", ask="301.02")
    venue.run(1)
    client.listen()
    after = computations(client)[13]
    assert after["delta"] > model["delta"]
    assert after["optPrice"] > model["optPrice"] + 5


def test_what_cannot_be_computed_is_left_out() -> None:
    """Nobody bids for a worthless call: its bid implies no volatility."""
    venue = MemoryGateway(settings=plain())
    venue.market("AAPL").set_quote(bid="100.00", ask="100.02")
    answer = Pocket(venue).ask("reqMktData", reqId=4, contract=CALL)
    told = [one.fields for one in answer if one.kind == "tickOptionComputation"]
    (bid,) = [one for one in told if one["tickType"] == 10]
    assert (bid["impliedVol"], bid["delta"], bid["gamma"]) == (-1.0, -2.0, -2.0)


def test_delayed_options_have_delayed_greeks() -> None:
    """Types 80 to 83, of the stock as it was."""
    venue = gateway(settings=UNSUBSCRIBED)
    client = Pocket(venue)
    client.ask("reqMarketDataType", marketDataType=3)
    answer = client.ask("reqMktData", reqId=4, contract=CALL)
    told = {one.fields["tickType"] for one in answer if one.kind == "tickOptionComputation"}
    assert told == {80, 81, 82, 83}


@every_version
def test_a_bond_tells_its_yields(version: int) -> None:
    """A coupon of four below par yields more than four; the dearer the less."""
    client = Checked(gateway(), version)
    client.ask("reqMktData", reqId=4, contract={"conId": 3_000_001, "exchange": "SMART"})
    told = prices(client)
    assert 4.0 < told[51] < told[50] < 4.3


@every_version
def test_a_combination_is_quoted_by_its_legs(version: int) -> None:
    """A spread of two calls costs what one costs less what the other brings."""
    venue = gateway()
    for name, bid in (("AAPL  261218C00290000", "5.00"), ("AAPL  261218C00300000", "2.00")):
        venue.market(name, "OPT").set_quote(bid=bid, ask=str(Decimal(bid) + Decimal("0.10")))
    legs = [
        {"conId": venue.market(f"AAPL  261218C00{strike}000", "OPT").instrument.con_id, "ratio": 1}
        | {"action": action, "exchange": "SMART"}
        for strike, action in ((290, "BUY"), (300, "SELL"))
    ]
    spread = {"symbol": "AAPL", "secType": "BAG", "exchange": "SMART", "currency": "USD", "comboLegs": legs}
    client = Checked(venue, version)
    client.ask("reqMktData", reqId=4, contract=spread)
    assert (prices(client)[1], prices(client)[2]) == (2.9, 3.1)
    assert not {6, 7, 9, 14} & prices(client).keys()


@every_version
def test_a_stock_says_who_quotes_it(version: int) -> None:
    """The letters of ticks 32 and 33 are those of the smart components (wire facts 6)."""
    client = Checked(gateway(), version)
    client.ask("reqMktData", reqId=4, contract=AAPL)
    letters = {args[1]: args[2] for args in client.of("tickString")}
    client.ask("reqSmartComponents", reqId=5, bboExchange=client.of("tickReqParams")[0][2])
    (answer,) = [one for one in client.heard if one.kind == "smartComponents"]
    known = {row["exchangeLetter"] for row in answer.fields["smartComponents"]}
    assert letters[32] == letters[33]
    assert set(letters[32]) - {"T"} <= known


@every_version
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("AllLast", "historicalTicksLast"),
        ("BidAsk", "historicalTicksBidAsk"),
        ("MidPoint", "historicalTicks"),
    ],
)
def test_tick_by_tick_may_begin_with_the_past(version: int, name: str, kind: str) -> None:
    """So many ticks of the past first, then those to come."""
    client = Checked(gateway(), version)
    answer = client.ask("reqTickByTickData", reqId=4, contract=AAPL, tickType=name, numberOfTicks=20)
    assert kinds(answer)[0] == kind
    number, ticks, _ = client.of(kind)[0]
    assert (number, len(ticks)) == (4, 20)


def test_generic_ticks_tell_what_they_can() -> None:
    """Volatilities, the last trade in regular hours, trades, the mark; the others are taken in silence."""
    answer = Pocket(gateway()).ask(
        "reqMktData", reqId=4, contract=AAPL, genericTickList="104,106,221,318,375,456,595"
    )
    told = {one.fields["tickType"] for one in answer if "tickType" in one.fields}
    assert {23, 24, 37, 57, 77} <= told


def test_a_halt_is_seen() -> None:
    """Generic tick 49 turns to 1."""
    venue = gateway()
    venue.halt("AAPL")
    answer = Pocket(venue).ask("reqMktData", reqId=4, contract=AAPL)
    (halted,) = [one.fields for one in answer if one.fields.get("tickType") == 49]
    assert halted["value"] == 1.0
