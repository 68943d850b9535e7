"""The past: bars, ticks, histograms, schedules (wire facts 6 and 8)."""

from collections.abc import Mapping

from ibkr_core.wire.layout import Const, Each, Layout, Mask, Options, pymaxed, zero
from ibkr_core.wire.layouts.contracts import REQUESTED_CONTRACT
from ibkr_core.wire.layouts.market import BRIEF_LEGS

__all__ = ["ANSWERS", "REQUESTS"]

_REQ_ID = pymaxed("reqId")

_HISTORICAL_DATA = Layout(
    "HistoricalDataRequest",
    (
        _REQ_ID,
        *REQUESTED_CONTRACT,
        pymaxed("contract.includeExpired endDateTime barSizeSetting duration useRTH whatToShow formatDate"),
        BRIEF_LEGS,
        zero("keepUpToDate"),
        Options("chartOptions"),
    ),
    parts=("contract",),
)

_REAL_TIME_BARS = Layout(
    "RealTimeBarsRequest",
    (
        Const("3"),
        _REQ_ID,
        *REQUESTED_CONTRACT,
        pymaxed("barSize whatToShow useRTH"),
        Options("realTimeBarsOptions"),
    ),
    parts=("contract",),
)

_HISTORICAL_TICKS = Layout(
    "HistoricalTicksRequest",
    (
        _REQ_ID,
        *REQUESTED_CONTRACT,
        pymaxed("contract.includeExpired startDateTime endDateTime numberOfTicks whatToShow"),
        pymaxed("useRTH ignoreSize"),
        Options("miscOptions"),
    ),
    parts=("contract",),
)

REQUESTS: Mapping[str, Layout] = {
    "reqHistoricalData": _HISTORICAL_DATA,
    "cancelHistoricalData": Layout("CancelHistoricalData", (Const("1"), _REQ_ID)),
    "reqRealTimeBars": _REAL_TIME_BARS,
    "cancelRealTimeBars": Layout("CancelRealTimeBars", (Const("1"), _REQ_ID)),
    "reqHeadTimeStamp": Layout(
        "HeadTimestampRequest",
        (
            _REQ_ID,
            *REQUESTED_CONTRACT,
            pymaxed("contract.includeExpired useRTH whatToShow formatDate"),
        ),
        parts=("contract",),
    ),
    "cancelHeadTimeStamp": Layout("CancelHeadTimestamp", (_REQ_ID,)),
    "reqHistogramData": Layout(
        "HistogramDataRequest",
        (_REQ_ID, *REQUESTED_CONTRACT, pymaxed("contract.includeExpired useRTH timePeriod")),
        parts=("contract",),
    ),
    "cancelHistogramData": Layout("CancelHistogramData", (_REQ_ID,)),
    "reqHistoricalTicks": _HISTORICAL_TICKS,
}

_BAR = "historicalDataBar"

ANSWERS: Mapping[str, Layout] = {
    "historicalData": Layout(
        "HistoricalData",
        (
            zero("reqId"),
            zero("startDateStr endDateStr", until=196),
            Each("historicalDataBars", (zero("date open high low close volume WAP barCount"),)),
        ),
    ),
    "historicalDataEnd": Layout("HistoricalDataEnd", (zero("reqId startDateStr endDateStr"),)),
    "historicalDataUpdate": Layout(
        "HistoricalDataUpdate",
        (
            zero(f"reqId {_BAR}.barCount {_BAR}.date {_BAR}.open {_BAR}.close {_BAR}.high {_BAR}.low"),
            zero(f"{_BAR}.WAP {_BAR}.volume"),
        ),
        parts=(_BAR,),
    ),
    "realtimeBar": Layout(
        "RealTimeBarTick", (Const("3"), zero("reqId time open high low close volume WAP count"))
    ),
    "headTimestamp": Layout("HeadTimestamp", (zero("reqId headTimestamp"),)),
    "histogramData": Layout(
        "HistogramData", (zero("reqId"), Each("histogramDataEntries", (zero("price size"),)))
    ),
    "historicalTicks": Layout(
        "HistoricalTicks",
        (
            zero("reqId"),
            Each("historicalTicks", (zero("time"), Const("0"), zero("price size"))),
            zero("isDone"),
        ),
    ),
    "historicalTicksBidAsk": Layout(
        "HistoricalTicksBidAsk",
        (
            zero("reqId"),
            Each(
                "historicalTicksBidAsk",
                (
                    zero("time"),
                    Mask({1: "tickAttribBidAsk.askPastHigh", 2: "tickAttribBidAsk.bidPastLow"}),
                    zero("priceBid priceAsk sizeBid sizeAsk"),
                ),
            ),
            zero("isDone"),
        ),
    ),
    "historicalTicksLast": Layout(
        "HistoricalTicksLast",
        (
            zero("reqId"),
            Each(
                "historicalTicksLast",
                (
                    zero("time"),
                    Mask({1: "tickAttribLast.pastLimit", 2: "tickAttribLast.unreported"}),
                    zero("price size exchange specialConditions"),
                ),
            ),
            zero("isDone"),
        ),
    ),
    "historicalSchedule": Layout(
        "HistoricalSchedule",
        (
            zero("reqId startDateTime endDateTime timeZone"),
            Each("historicalSessions", (zero("startDateTime endDateTime refDate"),)),
        ),
    ),
}
