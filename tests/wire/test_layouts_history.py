"""The tables of historical data against the official client, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.tag_value import TagValue

from wire.arguments import assert_heard, heard
from wire.official_compare import differences, same
from wire.oracle import BOUNDARIES, OLD_CLIENT, versions
from wire.orders import BY_TYPE_HERE
from wire.sent import CONTRACT_FIELDS, check_request, sample_contract
from wire.values import TEXTS, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))
NAMED = set(CONTRACT_FIELDS) - {"secIdType", "secId", "issuerId"}
WHOLE = {"volume", "barCount"}
BARS = strategy("HistoricalDataBar", by_type=BY_TYPE_HERE)


@given(EVERY_VERSION, st.lists(BARS, max_size=4), TEXTS, TEXTS)
def test_the_client_hears_bars(version: int, bars: list[dict[str, Any]], start: str, end: str) -> None:
    """One callback a bar; before 196 the message itself says that it is the end."""
    fields = {"reqId": 3, "historicalDataBars": bars, "startDateStr": start, "endDateStr": end}
    calls = heard("historicalData", fields, version)
    if version < 196:
        assert calls.pop() == ("historicalDataEnd", (3, start, end))
    assert [name for name, _ in calls] == ["historicalData"] * len(bars)
    for bar, (_, (req_id, got)) in zip(bars, calls, strict=True):
        assert req_id == 3
        names = {"date", "open", "high", "low", "close", "volume", "WAP", "barCount"}
        assert not differences("HistoricalDataBar", bar, got, names)


@given(EVERY_VERSION, BARS)
def test_the_client_hears_bar_updates(version: int, bar: dict[str, Any]) -> None:
    """The running bar has its fields in an order of its own."""
    ((name, (req_id, got)),) = heard("historicalDataUpdate", {"reqId": 3, "historicalDataBar": bar}, version)
    assert (name, req_id) == ("historicalDataUpdate", 3)
    assert not differences("HistoricalDataBar", bar, got, set(bar))


@given(EVERY_VERSION, strategy("RealTimeBarTick", by_type=BY_TYPE_HERE))
def test_the_client_hears_real_time_bars(version: int, fields: dict[str, Any]) -> None:
    """Nine numbers in their places."""
    spec = "reqId:int time:long open:float high:float low:float close:float volume:dec WAP:dec count:int"
    assert_heard("realtimeBar", fields, version, spec)


@given(EVERY_VERSION, strategy("HistogramData", by_type=BY_TYPE_HERE))
def test_the_client_hears_histograms(version: int, fields: dict[str, Any]) -> None:
    """Prices and sizes in pairs."""
    arguments = assert_heard("histogramData", fields, version, "reqId:int -")
    for mine, other in zip(fields.get("histogramDataEntries", []), arguments[1], strict=True):
        assert same("float", mine.get("price"), other.price)
        assert same("dec", mine.get("size"), other.size if hasattr(other, "size") else other.count)


@given(EVERY_VERSION, strategy("HeadTimestamp"))
def test_the_client_hears_head_timestamps(version: int, fields: dict[str, Any]) -> None:
    """The earliest time of data."""
    assert_heard("headTimestamp", fields, version, "reqId:int headTimestamp:str")


@pytest.mark.parametrize(
    ("kind", "part", "message"),
    [
        ("historicalTicks", "historicalTicks", "HistoricalTick"),
        ("historicalTicksBidAsk", "historicalTicksBidAsk", "HistoricalTickBidAsk"),
        ("historicalTicksLast", "historicalTicksLast", "HistoricalTickLast"),
    ],
)
@given(EVERY_VERSION, st.data())
def test_the_client_hears_historical_ticks(
    kind: str, part: str, message: str, version: int, data: st.DataObject
) -> None:
    """Three shapes; the flags of a quote stand in other bits than in live data."""
    flags = {
        "tickAttribLast": strategy("TickAttribLast", required={"pastLimit", "unreported"}),
        "tickAttribBidAsk": strategy("TickAttribBidAsk", required={"bidPastLow", "askPastHigh"}),
    }
    tick = strategy(message, by_type=BY_TYPE_HERE, overrides=flags, required=set(flags))
    ticks = data.draw(st.lists(tick, max_size=3))
    done = data.draw(st.booleans())
    fields = {"reqId": 3, part: ticks, "isDone": done}
    ((name, (req_id, got, got_done)),) = heard(kind, fields, version)
    assert (name, req_id, got_done) == (kind, 3, done)
    assert len(got) == len(ticks)
    for mine, other in zip(ticks, got, strict=True):
        assert not differences(message, mine, other, set(mine))


@pytest.mark.skipif(OLD_CLIENT, reason="the installed client has no schedules")
@given(st.sampled_from([v for v in versions() if v >= 165] or [0]), strategy("HistoricalSchedule"))
def test_the_client_hears_schedules(version: int, fields: dict[str, Any]) -> None:
    """Sessions with their days."""
    spec = "reqId:int startDateTime:str endDateTime:str timeZone:str historicalSessions=[HistoricalSession]"
    assert_heard("historicalSchedule", fields, version, spec)


@pytest.mark.skipif(OLD_CLIENT, reason="the installed client has no such message")
@given(st.sampled_from([v for v in versions() if v >= 196] or [0]), strategy("HistoricalDataEnd"))
def test_the_client_hears_the_end(version: int, fields: dict[str, Any]) -> None:
    """From 196 on the end of historical data is a message of its own."""
    assert_heard("historicalDataEnd", fields, version, "reqId:int startDateStr:str endDateStr:str")


def test_we_read_the_client() -> None:
    """Each request for history, at every version, and back byte by byte."""
    contract = sample_contract()
    plain = NAMED - {"includeExpired"}
    data = {
        "reqId": 1,
        "endDateTime": "20261120 16:00:00 US/Eastern",
        "duration": "1 D",
        "barSizeSetting": "1 min",
        "whatToShow": "TRADES",
        "useRTH": True,
        "formatDate": 1,
        "keepUpToDate": False,
        "chartOptions": {"a": "b"},
    }
    arguments = (
        1,
        contract,
        data["endDateTime"],
        "1 D",
        "1 min",
        "TRADES",
        1,
        1,
        False,
        [TagValue("a", "b")],
    )
    check_request("reqHistoricalData", arguments, data, contract=NAMED)
    check_request("cancelHistoricalData", (1,), {"reqId": 1})
    bars = {
        "reqId": 1,
        "barSize": 5,
        "whatToShow": "TRADES",
        "useRTH": True,
        "realTimeBarsOptions": {"a": "b"},
    }
    check_request(
        "reqRealTimeBars", (1, contract, 5, "TRADES", True, [TagValue("a", "b")]), bars, contract=plain
    )
    check_request("cancelRealTimeBars", (1,), {"reqId": 1})
    check_request(
        "reqHeadTimeStamp",
        (1, contract, "TRADES", 1, 2),
        {"reqId": 1, "whatToShow": "TRADES", "useRTH": True, "formatDate": 2},
        contract=NAMED,
    )
    check_request("cancelHeadTimeStamp", (1,), {"reqId": 1})
    check_request(
        "reqHistogramData",
        (1, contract, True, "3 days"),
        {"reqId": 1, "useRTH": True, "timePeriod": "3 days"},
        contract=NAMED,
    )
    check_request("cancelHistogramData", (1,), {"reqId": 1})
    ticks = {
        "reqId": 1,
        "startDateTime": "s",
        "endDateTime": "e",
        "numberOfTicks": 10,
        "whatToShow": "TRADES",
        "useRTH": True,
        "ignoreSize": True,
        "miscOptions": {"a": "b"},
    }
    arguments = (1, contract, "s", "e", 10, "TRADES", 1, True, [TagValue("a", "b")])
    check_request("reqHistoricalTicks", arguments, ticks, contract=NAMED)
