"""The tables of news, calendars, scanners, advisors and display groups against the official client."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.scanner import ScannerSubscription
from ibapi.tag_value import TagValue

from ibkr_core.wire.codec import decode_request, encode_request
from ibkr_core.wire.registry import answers
from wire.arguments import NOT_READ_IN_CONTRACTS, assert_heard, heard
from wire.official_compare import differences, same
from wire.oracle import BOUNDARIES, OLD_CLIENT, OfficialClient, versions
from wire.orders import BY_TYPE_HERE, CONTRACTS
from wire.sent import check_request
from wire.values import ASCII_TEXTS, INTS, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))

SPECS = {
    "updateNewsBulletin": "newsMsgId:int newsMsgType:int newsMessage:str originatingExch:str",
    "newsProviders": "newsProviders=[NewsProvider]",
    "newsArticle": "reqId:int articleType:int articleText:str",
    "tickNews": "reqId:int timestamp:long providerCode:str articleId:str headline:str extraData:str",
    "historicalNews": "reqId:int time:str providerCode:str articleId:str headline:str",
    "historicalNewsEnd": "reqId:int hasMore:bool",
    "scannerParameters": "xml:str",
    "receiveFA": "faDataType:int xml:str",
    "replaceFAEnd": "reqId:int text:str",
    "displayGroupList": "reqId:int groups:str",
    "displayGroupUpdated": "reqId:int contractInfo:str",
    **(
        {}
        if OLD_CLIENT
        else {"wshMetaData": "reqId:int dataJson:str", "wshEventData": "reqId:int dataJson:str"}
    ),
}


@pytest.mark.parametrize("kind", SPECS)
@given(EVERY_VERSION, st.data())
def test_the_client_hears_us(kind: str, version: int, data: st.DataObject) -> None:
    """Each argument of each callback is what was given."""
    fields = data.draw(strategy(answers().by_name[kind].message, by_type=BY_TYPE_HERE))
    assert_heard(kind, fields, version, SPECS[kind])


SCANNED = strategy("ScannerDataElement", overrides={"contract": CONTRACTS}, required={"contract"})


@given(EVERY_VERSION, st.lists(SCANNED, max_size=3))
def test_the_client_hears_scanner_results(version: int, elements: list[dict[str, Any]]) -> None:
    """One callback a result, and the end."""
    calls = heard("scannerData", {"reqId": 3, "scannerDataElement": elements}, version)
    assert calls.pop() == ("scannerDataEnd", (3,))
    assert len(calls) == len(elements)
    names = {"conId", "symbol", "secType", "lastTradeDateOrContractMonth", "strike", "right", "exchange"}
    names |= {"currency", "localSymbol", "tradingClass"}
    for mine, (name, arguments) in zip(elements, calls, strict=True):
        req_id, rank, details, distance, benchmark, projection, legs = arguments
        assert (name, req_id) == ("scannerData", 3)
        assert same("int", mine.get("rank"), rank)
        assert not differences("Contract", mine["contract"], details.contract, names - NOT_READ_IN_CONTRACTS)
        assert same("str", mine.get("marketName"), details.marketName)
        for field, got in (("distance", distance), ("benchmark", benchmark), ("projection", projection)):
            assert same("str", mine.get(field), got)
        assert same("str", mine.get("comboKey"), legs)


NOT_ATTRIBUTES = {"scannerSubscriptionFilterOptions", "scannerSubscriptionOptions"}


@given(
    EVERY_VERSION,
    strategy(
        "ScannerSubscription",
        drop=NOT_ATTRIBUTES,
        overrides={"aboveVolume": INTS, "averageOptionVolumeAbove": INTS},
        required={"numberOfRows"},
        by_type={**BY_TYPE_HERE, "str": ASCII_TEXTS},
    ),
)
def test_we_read_scanner_subscriptions(version: int, fields: dict[str, Any]) -> None:
    """Every limit of a scan, and the two lists of options."""
    source = ScannerSubscription()
    for name, value in fields.items():
        setattr(source, name, value)
    filters = None if version < 143 else [TagValue("f", "1")]
    body = OfficialClient(version).body("reqScannerSubscription", 3, source, [TagValue("o", "2")], filters)
    got = decode_request(body, version)
    assert (got.kind, got.fields["reqId"]) == ("reqScannerSubscription", 3)
    scan = dict(got.fields["scannerSubscription"])
    assert scan.pop("scannerSubscriptionOptions") == {"o": "2"}
    assert scan.pop("scannerSubscriptionFilterOptions", {}) == ({"f": "1"} if filters else {})
    wanted = {name: value for name, value in fields.items() if value is not False}
    assert {name: value for name, value in scan.items() if value is not False} == wanted
    if version < 210:
        assert encode_request(got, version) == body


def test_we_read_the_client() -> None:
    """Each request for a service, at every version, and back byte by byte."""
    check_request("reqNewsBulletins", (True,), {"allMessages": True})
    check_request("cancelNewsBulletins", (), {})
    check_request("reqNewsProviders", (), {})
    check_request(
        "reqNewsArticle",
        (1, "BRFG", "BRFG$1", [TagValue("a", "b")]),
        {"reqId": 1, "providerCode": "BRFG", "articleId": "BRFG$1", "newsArticleOptions": {"a": "b"}},
    )
    options = [] if OLD_CLIENT else [TagValue("a", "b")]  # it loses them
    check_request(
        "reqHistoricalNews",
        (1, 7, "BRFG", "s", "e", 10, options),
        {
            "reqId": 1,
            "conId": 7,
            "providerCodes": "BRFG",
            "startDateTime": "s",
            "endDateTime": "e",
            "totalResults": 10,
            **({"historicalNewsOptions": {"a": "b"}} if options else {}),
        },
    )
    check_request("requestFA", (1,), {"faDataType": 1})
    check_request("replaceFA", (1, 1, "<x/>"), {"reqId": 1, "faDataType": 1, "xml": "<x/>"}, since=157)
    check_request("reqScannerParameters", (), {})
    check_request("cancelScannerSubscription", (1,), {"reqId": 1})
    check_request("queryDisplayGroups", (1,), {"reqId": 1})
    check_request("subscribeToGroupEvents", (1, 2), {"reqId": 1, "groupId": 2})
    check_request("updateDisplayGroup", (1, "8314@SMART"), {"reqId": 1, "contractInfo": "8314@SMART"})
    check_request("unsubscribeFromGroupEvents", (1,), {"reqId": 1})


@pytest.mark.skipif(OLD_CLIENT, reason="the installed client has no event calendar")
def test_we_read_event_calendar_requests() -> None:
    """The calendar's filters came in two steps."""
    from ibapi.common import WshEventData

    check_request("reqWshMetaData", (1,), {"reqId": 1}, since=161)
    check_request("cancelWshMetaData", (1,), {"reqId": 1}, since=161)
    check_request("cancelWshEventData", (1,), {"reqId": 1}, since=161)
    for version in (version for version in versions() if version >= 161):
        source = WshEventData()
        source.conId = 7
        wanted: dict[str, Any] = {"reqId": 1, "conId": 7}
        if version >= 171:
            source.filter, source.fillPortfolio = "f", True
            wanted |= {"filter": "f", "fillPortfolio": True}
        if version >= 173:
            source.startDate, source.endDate, source.totalLimit = "s", "e", 100
            wanted |= {"startDate": "s", "endDate": "e", "totalLimit": 100}
        body = OfficialClient(version).body("reqWshEventData", 1, source)
        got = decode_request(body, version)
        assert {name: value for name, value in got.fields.items() if value is not False} == wanted
        if version < 209:
            assert encode_request(got, version) == body
