"""The present as clients watch it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import MarketSettings
from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, kinds, plain

every_version = pytest.mark.parametrize("version", VERSIONS)
EURO = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}
SPX = {"symbol": "SPX", "secType": "IND", "exchange": "CBOE"}
CALL = {
    "symbol": "AAPL",
    "secType": "OPT",
    "exchange": "SMART",
    "currency": "USD",
    "lastTradeDateOrContractMonth": "20261218",
    "strike": 290.0,
    "right": "C",
}


def ticks(client: Checked, name: str) -> dict[int, Any]:
    """The latest value of each tick type, by number; a price without what comes with it."""
    return {args[1]: args[2] for args in client.of(name)}


@every_version
def test_a_subscription_tells_everything_once(version: int) -> None:
    """Type, parameters, both sides, the last trade, the day; sizes come with their prices (wire facts 8)."""
    client = Checked(gateway(), version)
    answer = client.ask("reqMktData", reqId=4, contract=AAPL, genericTickList="233,236,221")
    assert kinds(answer)[:2] == ["marketDataType", "tickReqParams"]
    assert client.of("marketDataType") == [(4, 1)]
    (parameters,) = client.of("tickReqParams")
    number, tick, exchange, permissions = parameters[:4]
    assert (number, float(tick), exchange, permissions) == (4, 0.01, "9c0001", 3)
    prices = ticks(client, "tickPrice")
    assert (prices[1], prices[2], prices[4]) == (100.0, 100.01, 100.01)
    assert {6, 7, 9, 14, 37} <= prices.keys()
    assert prices[7] <= 100.01 <= prices[6]
    sizes = ticks(client, "tickSize")
    assert (int(sizes[0]), int(sizes[3]), int(sizes[89])) == (100_000, 100_000, 1_000_000)
    assert int(sizes[8]) > 0
    assert ticks(client, "tickString")[45] == "1795532400"
    assert ticks(client, "tickString")[48].startswith("100.01;100;1795532400000;")
    assert ticks(client, "tickGeneric") == {46: 3.0, 49: 0.0}


@every_version
def test_only_changes_follow(version: int) -> None:
    """A size alone when the price stays; nothing while nothing changes; nothing after the cancel."""
    venue = gateway()
    client = Checked(venue, version)
    client.ask("reqMktData", reqId=4, contract=AAPL)
    venue.run(10)
    assert client.listen() == []
    venue.market("AAPL").set_quote(bid=100, ask="100.01", bid_size=700)
    venue.run(1)
    assert [(one.kind, one.fields["tickType"]) for one in client.listen()] == [("tickSize", 0)]
    venue.market("AAPL").set_quote(bid=101, ask="101.01", last=101)
    venue.run(1)
    client.listen()
    prices = ticks(client, "tickPrice")
    assert (prices[1], prices[2], prices[4], prices[6]) == (101.0, 101.01, 101.0, max(prices[6], 101.0))
    assert client.ask("cancelMktData", reqId=4) == []
    venue.market("AAPL").set_quote(bid=102, ask="102.01")
    venue.run(5)
    assert client.listen() == []


@every_version
def test_a_snapshot_ends(version: int) -> None:
    """Everything once, its end, and no subscription; not together with generic ticks."""
    venue = gateway()
    client = Checked(venue, version)
    answer = client.ask("reqMktData", reqId=4, contract=AAPL, snapshot=True)
    assert "tickPrice" in kinds(answer)
    assert answer[-1].kind == "tickSnapshotEnd"
    assert client.of("tickSnapshotEnd") == [(4,)]
    venue.market("AAPL").set_quote(bid=101, ask="101.01")
    venue.run(5)
    assert client.listen() == []
    refused = client.ask("reqMktData", reqId=5, contract=AAPL, snapshot=True, genericTickList="233")
    assert errors(refused) == [(5, 321)]


@every_version
@pytest.mark.parametrize("contract", [EURO, SPX, CALL, {**AAPL, "conId": 265598}])
def test_every_kind_of_instrument_has_ticks(version: int, contract: dict[str, Any]) -> None:
    """An index has no quotes, a currency pair no trades."""
    client = Checked(gateway(), version)
    client.ask("reqMktData", reqId=4, contract=contract)
    prices = ticks(client, "tickPrice")
    assert (1 in prices) == (contract["secType"] != "IND")
    assert (4 in prices) == (contract["secType"] != "CASH")
    assert prices[9] > 0


def test_a_moving_market_moves_the_ticks() -> None:
    """The same seed tells the same story; looking changes no price."""

    def story(seed: int) -> list[Any]:
        venue = gateway(settings=plain(market=MarketSettings()), seed=seed)
        venue.market("AAPL").thaw()
        client = Pocket(venue)
        client.ask("reqMktData", reqId=4, contract=AAPL)
        venue.run(30)
        return [(one.kind, one.fields) for one in client.listen()]

    first = story(1)
    assert len(first) > 100
    assert story(1) == first
    assert story(2) != first


def test_an_index_is_watched_and_not_traded() -> None:
    """387, and the session goes on."""
    client = Pocket(gateway())
    assert errors(client.place(1, "BUY", 1, contract=SPX)) == [(1, 387)]
    assert errors(client.place(1, "BUY", 1)) == []


def test_what_cannot_be_watched_is_refused() -> None:
    """Unknown contracts, combinations, unknown generic ticks, an id in use, and more than a hundred lines."""
    client = Pocket(gateway())
    for wanted, code in (
        ({"contract": {**AAPL, "symbol": "NOSUCH"}}, 200),
        ({"contract": {"symbol": "AAPL", "secType": "STK"}}, 321),
        ({"contract": {**AAPL, "secType": "BAG"}}, 314),
        ({"contract": AAPL, "genericTickList": "7"}, 321),
    ):
        assert errors(client.ask("reqMktData", reqId=1, **wanted)) == [(1, code)]
    for number in range(1, 101):
        assert errors(client.ask("reqMktData", reqId=number, contract=AAPL)) == []
    assert errors(client.ask("reqMktData", reqId=101, contract=AAPL)) == [(101, 101)]
    assert errors(client.ask("reqMktData", reqId=7, contract=AAPL)) == [(7, 322)]
    client.ask("cancelMktData", reqId=7)
    assert errors(client.ask("cancelMktData", reqId=7)) == [(7, 300)]
    assert errors(client.ask("reqMktData", reqId=101, contract=AAPL)) == []


@every_version
def test_tick_by_tick_tells_each_change(version: int) -> None:
    """Quotes and middles at once and at each change; trades when they happen."""
    venue = gateway()
    client = Checked(venue, version)
    for number, name in enumerate(("Last", "AllLast", "BidAsk", "MidPoint"), 1):
        asked = {"numberOfTicks": 0, "ignoreSize": False}
        client.ask("reqTickByTickData", reqId=number, contract=AAPL, tickType=name, **asked)
    assert client.of("tickByTickAllLast") == []
    (first,) = client.of("tickByTickBidAsk")
    assert (first[0], first[2], first[3], int(first[4])) == (3, 100.0, 100.01, 100_000)
    assert [args[0] for args in client.of("tickByTickMidPoint")] == [4]
    venue.run(1)
    assert client.listen() == []
    venue.market("AAPL").set_last("100.01")
    venue.run(1)
    client.listen()
    assert [(args[0], args[1], args[3]) for args in client.of("tickByTickAllLast")] == [
        (1, 1, 100.01),
        (2, 2, 100.01),
    ]
    assert len(client.of("tickByTickBidAsk")) == 1
    for number in (1, 2, 3, 4):
        assert client.ask("cancelTickByTickData", reqId=number) == []
    venue.market("AAPL").set_quote(bid=101, ask="101.01", last=101)
    venue.run(1)
    assert client.listen() == []


def test_tick_by_tick_that_there_is_not() -> None:
    """Trades of a currency pair, quotes of an index, unknown types, more than five."""
    client = Pocket(gateway())
    for contract, name in ((EURO, "Last"), (SPX, "BidAsk"), (AAPL, "Nonsense")):
        assert errors(client.ask("reqTickByTickData", reqId=9, contract=contract, tickType=name)) == [
            (9, 10189)
        ]
    for number in range(1, 6):
        client.ask("reqTickByTickData", reqId=number, contract=EURO, tickType="BidAsk")
    assert errors(client.ask("reqTickByTickData", reqId=6, contract=EURO, tickType="BidAsk")) == [(6, 10190)]


@every_version
def test_real_time_bars_come_every_five_seconds(version: int) -> None:
    """On the clock's fives, with what happened since; quotes have no volume."""
    venue = gateway()
    client = Checked(venue, version)
    venue.run(2)
    for number, what in ((1, "TRADES"), (2, "BID")):
        client.ask("reqRealTimeBars", reqId=number, contract=AAPL, barSize=5, whatToShow=what, useRTH=False)
    venue.run(2.5)
    assert client.listen() == []
    venue.market("AAPL").set_quote(bid=101, ask="101.01", last=101)
    venue.run(8)
    client.listen()
    bars = [args for args in client.of("realtimeBar") if args[0] == 1]
    assert [args[1] - 1_795_532_400 for args in bars] == [0, 5]
    assert [args[5] for args in bars] == [101.0, 101.0]
    quotes = [args for args in client.of("realtimeBar") if args[0] == 2]
    assert [(args[5], int(args[6]), args[8]) for args in quotes] == [(100.99, -1, -1)] * 2
    client.ask("cancelRealTimeBars", reqId=1)
    client.ask("cancelRealTimeBars", reqId=2)
    venue.run(20)
    assert client.listen() == []


def test_real_time_bars_that_there_are_not() -> None:
    """Nonsense, and trades of what has none."""
    client = Pocket(gateway())
    asked = {"reqId": 1, "barSize": 5, "useRTH": False}
    assert errors(client.ask("reqRealTimeBars", contract=AAPL, whatToShow="X", **asked)) == [(1, 321)]
    assert errors(client.ask("reqRealTimeBars", contract=EURO, whatToShow="TRADES", **asked)) == [(1, 420)]
    assert errors(client.ask("reqRealTimeBars", contract=SPX, whatToShow="BID", **asked)) == [(1, 420)]


@every_version
def test_depth_is_inserted_and_then_updated(version: int) -> None:
    """Both sides, the best first; smart depth says who makes each level; what is gone is deleted."""
    venue = gateway()
    venue.market("AAPL").set_book(bids=[(100, 500), ("99.99", 900)], asks=[("100.01", 500), ("100.02", 900)])
    client = Checked(venue, version)
    client.ask("reqMktDepth", reqId=1, contract=EURO, numRows=3)
    client.ask("reqMktDepth", reqId=2, contract=AAPL, numRows=2, isSmartDepth=True)
    plain_levels = [args[1:5] for args in client.of("updateMktDepth")]
    assert [level[:3] for level in plain_levels] == [(n, 0, side) for side in (1, 0) for n in (0, 1, 2)]
    smart = client.of("updateMktDepthL2")
    assert [(args[1], args[3], args[4], args[5]) for args in smart] == [
        (0, 0, 1, 100.0),
        (1, 0, 1, 99.99),
        (0, 0, 0, 100.01),
        (1, 0, 0, 100.02),
    ]
    assert smart[0][2] == "AMEX"
    venue.market("AAPL").set_book(bids=[(100, 300), ("99.99", 900)], asks=[("100.01", 500)])
    venue.run(1)
    client.listen()
    changes = [(*args[1:2], *args[3:5], Decimal(args[6])) for args in client.of("updateMktDepthL2")[4:]]
    assert changes == [(0, 1, 1, 300), (1, 2, 0, 900)], "one updated, one deleted"
    assert client.ask("cancelMktDepth", reqId=2, isSmartDepth=True) == []
    venue.market("AAPL").set_quote(bid=101, ask="101.01")
    venue.run(1)
    assert client.listen() == []


def test_market_data_shows_orders_that_rest() -> None:
    """A client's order inside the spread is the best bid, and in the depth; of an iceberg a slice shows."""
    venue = gateway()
    venue.market("AAPL").set_quote(bid=100, ask="100.05", bid_size=500)
    client, watcher = Pocket(venue, 1), Pocket(venue, 2)
    client.place(1, "BUY", 30, "LMT", lmtPrice=100.02, displaySize=20)
    client.place(2, "BUY", 30, "LMT", lmtPrice=100.03, hidden=True)
    told = watcher.ask("reqMktData", reqId=1, contract=AAPL)
    (bid,) = [one.fields for one in told if one.kind == "tickPrice" and one.fields["tickType"] == 1]
    assert (bid["price"], bid["size"]) == (100.02, 20)
    told = watcher.ask("reqMktDepth", reqId=2, contract=AAPL, numRows=5, isSmartDepth=True)
    data = [one.fields["marketDepthData"] for one in told if one.kind == "updateMktDepthL2"]
    assert [(one["price"], one["size"]) for one in data if one["side"] == 1] == [(100.02, 20), (100.0, 500)]
    assert venue.market("AAPL").quote.bid == 100, "what follows the quote does not follow our own orders"


def test_depth_that_there_is_not() -> None:
    """An index, SMART without smart depth, no rows, more than three books, an unknown id."""
    client = Pocket(gateway())
    assert errors(client.ask("reqMktDepth", reqId=1, contract=SPX, numRows=3)) == [(1, 10092)]
    assert errors(client.ask("reqMktDepth", reqId=1, contract=AAPL, numRows=3)) == [(1, 10092)]
    assert errors(client.ask("reqMktDepth", reqId=1, contract=EURO)) == [(1, 321)]
    for number in (1, 2, 3):
        assert errors(client.ask("reqMktDepth", reqId=number, contract=EURO, numRows=1)) == []
    assert errors(client.ask("reqMktDepth", reqId=4, contract=EURO, numRows=1)) == [(4, 309)]
    assert errors(client.ask("cancelMktDepth", reqId=9)) == [(9, 310)]


def test_a_client_that_leaves_is_not_pushed_to() -> None:
    """Nothing is due any more, and its data type is forgotten."""
    venue = gateway()
    client = Pocket(venue)
    client.ask("reqMarketDataType", marketDataType=3)
    client.ask("reqMktData", reqId=1, contract=AAPL)
    client.ask("reqMktDepth", reqId=1, contract=EURO, numRows=1)
    client.ask("reqRealTimeBars", reqId=1, contract=AAPL, barSize=5, whatToShow="TRADES")
    client.session.close()
    venue.run(60)
    assert venue.next_deadline() is None
    again = Pocket(venue)
    assert errors(again.ask("reqMktData", reqId=1, contract=AAPL)) == []
