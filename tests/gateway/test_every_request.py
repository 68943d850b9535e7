"""What every kind of request gets, at every form of the protocol: an answer, its error, or silence.

The table is the contract: no kind is met with silence unless a real gateway is silent, too. Every answer is
also read by the official decoder of whichever ibapi is installed.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.wire.ids import REQUEST_IDS
from ibkr_core.wire.registry import requests
from ibkr_core.wire.schema import fields_of
from tests.gateway.checked import Checked
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, kinds
from tests.wire.oracle import versions

pytestmark = pytest.mark.matrix

VERSIONS = versions(142, 176, 200, 213, 226)
NYSE = {**AAPL, "exchange": "NYSE"}
CALL = {"localSymbol": "AAPL  261218C00290000", "secType": "OPT", "exchange": "SMART"}
ORDER = {
    "action": "BUY", "totalQuantity": Decimal(1), "orderType": "LMT", "lmtPrice": 99.0, "tif": "DAY",
    "transmit": True,
}  # fmt: skip
NO_CALLBACK = {"reqConfig", "updateConfig"}
"""Kinds whose answers the official client hands on as raw protobuf only."""

SILENT: tuple[str, ...] = ()
ACCOUNT = "DU1234567"


@attrs.frozen
class Case:
    """One request and what comes back at once.

    Attributes:
        fields: What is asked, without the request's id.
        answers: The kinds of the first and of the last answer; none for silence.
        error: Code of the error under the request's own id, when it is refused.
        before: A request that comes first, with its fields.
        since: The first version at which a request of this kind has its form.
    """

    fields: Mapping[str, Any]
    answers: tuple[str, ...] = ()
    error: int | None = None
    before: tuple[str, Mapping[str, Any]] | None = None
    since: int = 0


def asks(*answers: str, since: int = 0, **fields: Any) -> Case:
    return Case(fields, answers, since=since)


def refused(error: int, since: int = 0, **fields: Any) -> Case:
    return Case(fields, ("error", "error"), error=error, since=since)


def ends(kind: str, *answers: str, error: int | None = None, **fields: Any) -> Case:
    """A cancel of what was asked for before."""
    return Case({}, answers, error=error, before=(kind, fields))


BARS: dict[str, Any] = {
    "contract": AAPL,
    "barSizeSetting": "1 hour",
    "duration": "1 D",
    "whatToShow": "TRADES",
    "useRTH": True,
}
NEWS: dict[str, Any] = {"conId": 265598, "providerCodes": "BRFG", "totalResults": 1}
SCAN: dict[str, Any] = {"scannerSubscription": {"scanCode": "MOST_ACTIVE", "numberOfRows": 3}}

TABLE: Mapping[str, Case] = {
    "startApi": asks("error", "error", clientId=1),  # 501: it has started already
    # -- orders
    "cancelOrder": asks("error", "error", orderId=77),
    "reqGlobalCancel": asks(*SILENT),
    "reqIds": asks("nextValidId", "nextValidId", numIds=1),
    "reqOpenOrders": asks("openOrderEnd", "openOrderEnd"),
    "reqAllOpenOrders": asks("openOrderEnd", "openOrderEnd"),
    "reqAutoOpenOrders": asks("error", "error", autoBind=True),  # 327: only client 0
    "reqCompletedOrders": asks("completedOrdersEnd", "completedOrdersEnd"),
    "reqExecutions": asks("execDetailsEnd", "execDetailsEnd"),
    "exerciseOptions": asks(
        "error", "error", orderId=9000, contract=CALL, exerciseAction=1, exerciseQuantity=1, account=ACCOUNT
    ),
    # -- accounts
    "reqManagedAccts": asks("managedAccounts", "managedAccounts"),
    "reqAccountUpdates": asks("updateAccountValue", "accountDownloadEnd", subscribe=True, acctCode=ACCOUNT),
    "reqAccountUpdatesMulti": asks("accountUpdateMulti", "accountUpdateMultiEnd", account=ACCOUNT),
    "cancelAccountUpdatesMulti": ends("reqAccountUpdatesMulti", account=ACCOUNT),
    "reqAccountSummary": asks("accountSummary", "accountSummaryEnd", group="All", tags="NetLiquidation"),
    "cancelAccountSummary": ends("reqAccountSummary", group="All", tags="NetLiquidation"),
    "reqPositions": asks("positionEnd", "positionEnd"),
    "cancelPositions": ends("reqPositions"),
    "reqPositionsMulti": asks("positionMultiEnd", "positionMultiEnd", account=ACCOUNT),
    "cancelPositionsMulti": ends("reqPositionsMulti", account=ACCOUNT),
    "reqPnL": asks("pnl", "pnl", account=ACCOUNT),
    "cancelPnL": ends("reqPnL", account=ACCOUNT),
    "reqPnLSingle": asks("pnlSingle", "pnlSingle", account=ACCOUNT, conId=265598),
    "cancelPnLSingle": ends("reqPnLSingle", account=ACCOUNT, conId=265598),
    "reqFamilyCodes": asks("familyCodes", "familyCodes"),
    "requestFA": asks("error", "error", faDataType=1),
    "replaceFA": asks("error", "error", faDataType=1, xml="<x/>"),
    # -- reference data
    "reqContractDetails": asks("contractDetails", "contractDetailsEnd", contract=AAPL),
    "cancelContractData": ends("reqContractDetails", contract=AAPL),
    "reqSecDefOptParams": asks(
        "securityDefinitionOptionParameter", "securityDefinitionOptionParameterEnd",
        underlyingSymbol="AAPL", underlyingSecType="STK", underlyingConId=265598,
    ),
    "reqMatchingSymbols": asks("symbolSamples", "symbolSamples", pattern="AAPL"),
    "reqMarketRule": asks("marketRule", "marketRule", marketRuleId=26),
    "reqMktDepthExchanges": asks("mktDepthExchanges", "mktDepthExchanges"),
    "reqSmartComponents": asks("smartComponents", "smartComponents", bboExchange="9c0001"),
    "reqSoftDollarTiers": asks("softDollarTiers", "softDollarTiers"),
    "reqUserInfo": asks("userInfo", "userInfo", since=161),
    # -- the present
    "reqMarketDataType": asks(*SILENT, marketDataType=1),
    "reqMktData": asks("marketDataType", "tickGeneric", contract=AAPL),
    "cancelMktData": ends("reqMktData", contract=AAPL),
    "reqMktDepth": asks("updateMktDepthL2", "updateMktDepthL2", contract=NYSE, numRows=2),
    "cancelMktDepth": ends("reqMktDepth", contract=NYSE, numRows=2),
    "reqTickByTickData": asks("tickByTick", "tickByTick", contract=AAPL, tickType="BidAsk"),
    "cancelTickByTickData": ends("reqTickByTickData", contract=AAPL, tickType="BidAsk"),
    "reqRealTimeBars": asks(*SILENT, contract=AAPL, whatToShow="TRADES", barSize=5),  # the first ends in 5 s
    "cancelRealTimeBars": ends("reqRealTimeBars", contract=AAPL, whatToShow="TRADES", barSize=5),
    "calculateImpliedVolatility": asks(
        "tickOptionComputation", "tickOptionComputation", contract=CALL, optionPrice=5.0, underPrice=291.0
    ),
    "cancelCalculateImpliedVolatility": ends(
        "calculateImpliedVolatility", contract=CALL, optionPrice=5.0, underPrice=291.0
    ),
    "calculateOptionPrice": asks(
        "tickOptionComputation", "tickOptionComputation", contract=CALL, volatility=0.2, underPrice=291.0
    ),
    "cancelCalculateOptionPrice": ends(
        "calculateOptionPrice", contract=CALL, volatility=0.2, underPrice=291.0
    ),
    # -- the past
    "reqHistoricalData": asks("historicalData", "historicalData", **BARS),
    "cancelHistoricalData": ends("reqHistoricalData", "error", "error", error=162, keepUpToDate=True, **BARS),
    "reqHistoricalTicks": asks(
        "historicalTicksLast", "historicalTicksLast",
        contract=AAPL, whatToShow="TRADES", numberOfTicks=5, endDateTime="20261123 15:00:00 US/Eastern",
    ),
    "cancelHistoricalTicks": ends(
        "reqHistoricalTicks",
        contract=AAPL, whatToShow="TRADES", numberOfTicks=5, endDateTime="20261123 15:00:00 US/Eastern",
    ),
    "reqHeadTimeStamp": asks("headTimestamp", "headTimestamp", contract=AAPL, whatToShow="TRADES"),
    "cancelHeadTimeStamp": ends("reqHeadTimeStamp", contract=AAPL, whatToShow="TRADES"),
    "reqHistogramData": asks("histogramData", "histogramData", contract=AAPL, timePeriod="1 day"),
    "cancelHistogramData": ends("reqHistogramData", contract=AAPL, timePeriod="1 day"),
    # -- news, scanner, research
    "reqNewsProviders": asks("newsProviders", "newsProviders"),
    "reqHistoricalNews": asks("historicalNews", "historicalNewsEnd", **NEWS),
    "reqNewsArticle": refused(10172, providerCode="BRFG", articleId="BRFG$1"),
    "reqNewsBulletins": asks(*SILENT, allMessages=True),  # until there is one
    "cancelNewsBulletins": ends("reqNewsBulletins"),
    "reqScannerParameters": asks("scannerParameters", "scannerParameters"),
    "reqScannerSubscription": asks("scannerData", "scannerData", **SCAN),
    "cancelScannerSubscription": ends("reqScannerSubscription", "error", "error", error=162, **SCAN),
    "reqFundamentalData": refused(10358, contract=AAPL, reportType="ReportSnapshot"),
    "cancelFundamentalData": ends("reqFundamentalData", contract=AAPL, reportType="ReportSnapshot"),
    "reqWshMetaData": refused(10276),
    "cancelWshMetaData": ends("reqWshMetaData"),
    "reqWshEventData": refused(10276, conId=265598),
    "cancelWshEventData": ends("reqWshEventData", conId=265598),
    # -- the gateway itself
    "reqCurrentTime": asks("currentTime", "currentTime"),
    "reqCurrentTimeInMillis": asks("currentTimeInMillis", "currentTimeInMillis", since=197),
    "setServerLogLevel": asks(*SILENT, logLevel=5),
    "queryDisplayGroups": asks("displayGroupList", "displayGroupList"),
    "subscribeToGroupEvents": asks("displayGroupUpdated", "displayGroupUpdated", groupId=1),
    "updateDisplayGroup": Case(
        {"contractInfo": "8314@SMART"}, ("displayGroupUpdated", "displayGroupUpdated"),
        before=("subscribeToGroupEvents", {"groupId": 1}),
    ),
    "unsubscribeFromGroupEvents": ends("subscribeToGroupEvents", groupId=1),
    "verifyRequest": asks("error", "error", apiName="x", apiVersion="1"),
    "verifyMessage": asks("error", "error", apiData="x"),
    "verifyAndAuthRequest": asks("error", "error", apiName="x", apiVersion="1", opaqueIsvKey="k"),
    "verifyAndAuthMessage": asks("error", "error", apiData="x", xyzResponse="y"),
    "reqConfig": asks("configResponse", "configResponse"),
    "updateConfig": asks("updateConfigResponse", "updateConfigResponse", resetAPIOrderSequence=True),
    # -- at last, so that nothing rests before
    "placeOrder": asks("openOrder", "orderStatus", orderId=1, contract=AAPL, order=ORDER),
}  # fmt: skip


def test_the_table_is_whole() -> None:
    """Every kind of request that the protocol has stands in it, and nothing else."""
    assert TABLE.keys() == requests().by_name.keys() == REQUEST_IDS.keys()


def exists(kind: str, version: int) -> bool:
    """Whether a request of a kind has a form at a version, for which this installation has the protobuf."""
    entry = requests().by_name[kind]
    if version < entry.protobuf_since:
        return entry.layout is not None and version >= TABLE[kind].since
    return importlib.util.find_spec(f"ibapi.protobuf.{entry.message}_pb2") is not None


def ask(client: Pocket, kind: str, number: int, fields: Mapping[str, Any]) -> list[Any]:
    """Send a request, under a number where it takes one."""
    has_id = "reqId" in fields_of(requests().by_name[kind].message)
    return client.ask(kind, **({"reqId": number, **fields} if has_id else fields))


@pytest.mark.parametrize("version", VERSIONS)
def test_every_request_gets_what_the_table_says(version: int) -> None:
    """An answer, its error under its own id, or the silence of a real gateway; and the session goes on."""
    venue = gateway()
    client, unread = Checked(venue, version), Pocket(venue, 2, version)
    asked = 0
    for number, (kind, case) in enumerate(TABLE.items(), 1000):
        if not exists(kind, version):
            continue
        here = unread if kind in NO_CALLBACK else client
        if case.before is not None and exists(case.before[0], version):
            ask(here, case.before[0], number, case.before[1])
        answer = ask(here, kind, number, case.fields)
        told = [one for one in kinds(answer) if one != "historicalDataEnd"]
        assert tuple(told[:1] + told[-1:]) == case.answers, (kind, answer)
        if case.error is not None:
            assert errors(answer) == [(number, case.error)], kind
        asked += 1
        assert kinds(here.ask("reqCurrentTime")) == ["currentTime"], kind
    assert asked > len(TABLE) - 10
