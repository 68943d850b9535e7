"""Every request that reads, over TCP, asked for and understood by the official client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ibapi.contract import Contract
from ibapi.scanner import ScannerSubscription

from ibkr_core.gateway import (
    Choreography,
    DataSettings,
    ManualClock,
    MarketSettings,
    Settings,
    SimulatedGateway,
)
from tests.gateway.official import OfficialClient, order, stock

pytestmark = [pytest.mark.system, pytest.mark.matrix]

ACCOUNT = "DU1234567"


class Watcher(OfficialClient):
    """An official client that also keeps what is no order callback."""


def _recorder(name: str) -> Any:
    def record(self: Watcher, *args: Any) -> None:
        self.note(name, *args)

    return record


for _name in (
    "updateAccountValue", "updatePortfolio", "updateAccountTime", "accountDownloadEnd",
    "accountUpdateMulti", "accountUpdateMultiEnd", "positionMulti", "positionMultiEnd", "pnl",
    "pnlSingle", "bondContractDetails", "securityDefinitionOptionParameter",
    "securityDefinitionOptionParameterEnd", "symbolSamples", "marketRule", "tickPrice", "tickSize",
    "tickString", "tickGeneric", "tickReqParams", "tickSnapshotEnd", "marketDataType",
    "tickByTickAllLast", "tickByTickBidAsk", "tickByTickMidPoint", "realtimeBar", "historicalData",
    "historicalDataEnd", "historicalDataUpdate", "historicalTicks", "historicalTicksLast",
    "historicalTicksBidAsk", "headTimestamp", "histogramData", "updateMktDepth", "updateMktDepthL2",
    "tickOptionComputation", "newsProviders", "historicalNews", "historicalNewsEnd", "newsArticle",
    "scannerParameters", "scannerData", "scannerDataEnd", "displayGroupList", "displayGroupUpdated",
    "mktDepthExchanges", "smartComponents", "familyCodes", "userInfo", "currentTimeInMillis",
):  # fmt: skip
    setattr(Watcher, _name, _recorder(_name))


@pytest.fixture
def server() -> Iterator[SimulatedGateway]:
    """AAPL at 100.00 to 100.01, and a clock that the test moves."""
    settings = Settings(market=MarketSettings(moves=False), choreography=Choreography.plain())
    with SimulatedGateway(settings=settings, clock=ManualClock()) as made:
        made.market("AAPL").set_quote(bid=100, ask="100.01")
        yield made


@pytest.fixture
def client(server: SimulatedGateway) -> Iterator[Watcher]:
    """One client, connected."""
    made = Watcher()
    try:
        made.begin(server.port)
        made.wait("nextValidId")
        yield made
    finally:
        made.end()


def contract(sec_type: str, symbol: str, exchange: str, currency: str = "USD") -> Contract:
    made = Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, sec_type, exchange, currency
    return made


def test_the_account(server: SimulatedGateway, client: Watcher) -> None:
    """Updates, multi, summary, positions, profit and loss; a fill is pushed to each."""
    client.reqAccountUpdates(True, ACCOUNT)
    assert client.wait("accountDownloadEnd") == (ACCOUNT,)
    client.reqAccountUpdatesMulti(1, ACCOUNT, "", False)
    client.wait("accountUpdateMultiEnd")
    client.reqPositionsMulti(2, ACCOUNT, "")
    client.wait("positionMultiEnd")
    client.reqAccountSummary(3, "All", "NetLiquidation,$LEDGER:ALL")
    client.wait("accountSummaryEnd")
    client.reqPnL(4, ACCOUNT, "")
    client.wait("pnl", lambda *args: args == (4, 0.0, 0.0, 0.0))
    client.reqPnLSingle(5, ACCOUNT, "", 265598)
    client.wait("pnlSingle", lambda *args: args[1] == 0)
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait_status(1, "Filled")
    client.wait("updatePortfolio", lambda *args: args[0].symbol == "AAPL" and args[1] == 10)
    client.wait("positionMulti", lambda *args: args[4] == 10)
    client.wait("accountUpdateMulti", lambda *args: args[3] == "CashBalance" and args[4] == "998998.90")
    server.run(1)
    client.wait("pnl", lambda *args: args[1] == -1.05)
    client.wait("pnlSingle", lambda *args: args[1] == 10 and args[5] == 1000.05)
    client.reqAccountUpdates(False, ACCOUNT)
    client.wait_error(-1, 2100)


def test_the_reference_data(client: Watcher) -> None:
    """Details of a stock and a bond, a chain, symbols, rules, exchanges; a combination is refused."""
    client.reqContractDetails(1, stock())
    details = client.wait("contractDetails", lambda *args: args[0] == 1)[1]
    assert details.contract.conId == 265598
    client.reqContractDetails(2, contract("BOND", "US-T", "SMART"))
    assert client.wait("bondContractDetails")[1].cusip == "91282CJZ5"
    client.reqSecDefOptParams(3, "AAPL", "", "STK", 265598)
    client.wait("securityDefinitionOptionParameterEnd")
    assert {args[1] for args in client.of("securityDefinitionOptionParameter")} >= {"SMART", "CBOE"}
    client.reqMatchingSymbols(4, "micro")
    assert "MSFT" in {one.contract.symbol for one in client.wait("symbolSamples")[1]}
    client.reqMarketRule(int(details.marketRuleIds.split(",")[0]))
    assert client.wait("marketRule")[1][0].increment == 0.01
    client.reqMktDepthExchanges()
    client.wait("mktDepthExchanges")
    client.reqFamilyCodes()
    client.wait("familyCodes")
    client.reqSmartComponents(5, "9c0001")
    client.wait("smartComponents")
    client.reqContractDetails(6, contract("BAG", "AAPL", "SMART"))
    client.wait_error(6, 321)
    if hasattr(client, "reqUserInfo"):
        client.reqUserInfo(7)
        client.wait("userInfo")


def test_the_market(server: SimulatedGateway, client: Watcher) -> None:
    """Streaming, snapshot, greeks, tick by tick, bars, depth; each is cancelled at the end."""
    client.reqMktData(1, stock(), "233", False, False, [])
    client.wait("tickPrice", lambda *args: args[:3] == (1, 1, 100.0))
    client.reqMktData(2, stock(), "", True, False, [])
    client.wait("tickSnapshotEnd")
    client.reqTickByTickData(3, stock(), "BidAsk", 0, False)
    client.wait("tickByTickBidAsk")
    client.reqTickByTickData(4, stock(), "AllLast", 0, False)
    client.reqRealTimeBars(5, stock(), 5, "TRADES", False, [])
    client.reqMktDepth(6, contract("CASH", "EUR", "IDEALPRO"), 3, False, [])
    client.wait("updateMktDepth", lambda *args: args[1] == 2)
    client.reqMktDepth(7, stock(), 3, True, [])
    client.wait("updateMktDepthL2")
    option = contract("OPT", "AAPL", "SMART")
    option.lastTradeDateOrContractMonth, option.strike, option.right = "20261218", 290.0, "C"
    client.reqMktData(8, option, "", False, False, [])
    client.wait("tickOptionComputation", lambda *args: args[:2] == (8, 13))
    client.calculateOptionPrice(9, option, 0.3, 291.0, [])
    client.wait("tickOptionComputation", lambda *args: args[:2] == (9, 53))
    client.calculateImpliedVolatility(10, option, 5.0, 291.0, [])
    client.wait("tickOptionComputation", lambda *args: args[:2] == (10, 53))
    server.market("AAPL").set_quote(bid=101, ask="101.01", last=101)
    server.run(6)
    client.wait("tickPrice", lambda *args: args[:3] == (1, 4, 101.0))
    client.wait("tickByTickAllLast", lambda *args: args[3] == 101.0)
    client.wait("realtimeBar", lambda *args: args[5] == 101.0)
    client.wait("updateMktDepthL2", lambda *args: args[3] == 1)
    for cancel, number in (
        (client.cancelMktData, 1),
        (client.cancelTickByTickData, 3),
        (client.cancelTickByTickData, 4),
        (client.cancelRealTimeBars, 5),
        (client.cancelMktData, 8),
    ):
        cancel(number)
    client.cancelMktDepth(6, False)
    client.cancelMktDepth(7, True)
    client.cancelMktData(99)
    client.wait_error(99, 300)


def test_the_past(server: SimulatedGateway, client: Watcher) -> None:
    """Bars that are kept up to date, ticks, a head, a histogram."""
    client.reqHistoricalData(1, stock("MSFT"), "", "2 D", "5 mins", "TRADES", 1, 1, True, [])
    client.wait("historicalDataEnd")
    bars = [args[1] for args in client.of("historicalData")]
    assert bars[0].date == "20261123 09:30:00 US/Eastern"
    assert len(bars) == 78 + 6
    server.run(5)
    client.wait("historicalDataUpdate", lambda *args: args[0] == 1)
    client.cancelHistoricalData(1)
    client.wait_error(1, 162)
    for number, what, callback in (
        (2, "TRADES", "historicalTicksLast"),
        (3, "BID_ASK", "historicalTicksBidAsk"),
        (4, "MIDPOINT", "historicalTicks"),
    ):
        client.reqHistoricalTicks(number, stock(), "20261123 10:00:00", "", 50, what, 1, False, [])
        assert len(client.wait(callback)[1]) == 50
    client.reqHeadTimeStamp(5, stock(), "TRADES", 1, 2)
    assert client.wait("headTimestamp") == (5, "1635739200")
    client.reqHistogramData(6, stock("MSFT"), True, "1 day")
    assert client.wait("histogramData")[1]


def test_the_rest(client: Watcher) -> None:
    """Times and log level; what is not offered has its error, and the session goes on."""
    client.setServerLogLevel(5)
    client.reqCurrentTime()
    assert client.wait("currentTime") == (1_795_532_400,)
    if hasattr(client, "reqCurrentTimeInMillis"):
        client.reqCurrentTimeInMillis()
        assert client.wait("currentTimeInMillis") == (1_795_532_400_000,)
    client.reqNewsArticle(1, "BRFG", "x", [])
    client.wait_error(1, 10172)
    client.reqWshMetaData(2) if hasattr(client, "reqWshMetaData") else client.reqNewsArticle(2, "", "", [])
    client.wait("error", lambda *args: args[0] == 2 and args[1] in {10276, 10172})
    client.requestFA(1)
    client.wait_error(-1, 321)
    client.reqCurrentTime()


def test_the_press_and_the_scanner(client: Watcher) -> None:
    """Providers, headlines, an article, a bulletin, the scanner's parameters and a scan, a display group."""
    client.reqNewsProviders()
    codes = "+".join(one.code for one in client.wait("newsProviders")[0])
    client.reqHistoricalNews(1, 265598, codes, "", "", 1, [])
    client.wait("historicalNewsEnd", lambda *args: args == (1, True))
    ((_, _, provider, article, headline),) = client.of("historicalNews")
    client.reqNewsArticle(2, provider, article, [])
    assert headline.partition("}")[2] in client.wait("newsArticle")[2]
    client.reqScannerParameters()
    assert "<scanCode>TOP_PERC_GAIN</scanCode>" in client.wait("scannerParameters")[0]
    scan = ScannerSubscription()
    scan.instrument, scan.locationCode, scan.scanCode = "STK", "STK.US.MAJOR", "TOP_PERC_GAIN"
    client.reqScannerSubscription(3, scan, [], [])
    client.wait("scannerDataEnd", lambda *args: args == (3,))
    assert [args[1] for args in client.of("scannerData")][:3] == [0, 1, 2]
    client.cancelScannerSubscription(3)
    client.wait_error(3, 162)
    client.queryDisplayGroups(4)
    client.wait("displayGroupList")
    client.subscribeToGroupEvents(5, 1)
    client.wait("displayGroupUpdated", lambda *args: args == (5, "none"))
    client.updateDisplayGroup(5, "265598@SMART")
    client.wait("displayGroupUpdated", lambda *args: args == (5, "265598@SMART"))
    client.unsubscribeFromGroupEvents(5)


def test_delayed_data() -> None:
    """Of an account without subscriptions: 10089 for live data, 10167 and delayed ticks for delayed data."""
    settings = Settings(market=MarketSettings(moves=False), data=DataSettings(live=False))
    with SimulatedGateway(settings=settings, clock=ManualClock()) as server:
        client = Watcher()
        try:
            client.begin(server.port)
            client.wait("nextValidId")
            client.reqMktData(1, stock(), "", False, False, [])
            client.wait_error(1, 10089)
            client.reqMarketDataType(3)
            client.reqMktData(2, stock(), "", True, False, [])
            client.wait_error(2, 10167)
            client.wait("tickSnapshotEnd")
            assert client.of("marketDataType") == [(2, 3)]
            assert {66, 67, 68} <= {args[1] for args in client.of("tickPrice")}
        finally:
            client.end()
