"""Market data: ticks, depth, tick by tick, option calculations (wire facts 6 and 8)."""

from collections.abc import Mapping
from typing import Any

from ibkr_core.wire.layout import (
    Const,
    Each,
    Layout,
    Mask,
    Options,
    Switch,
    When,
    blank,
    escaped,
    fixed,
    look_up,
    pymaxed,
    zero,
)
from ibkr_core.wire.layouts.contracts import (
    DELTA_NEUTRAL,
    MULTIPLIER,
    REQUESTED_CONTRACT,
)

__all__ = ["ANSWERS", "BRIEF_LEGS", "REQUESTS"]


def _is_combo(scope: Mapping[str, Any]) -> bool:
    return bool(look_up(scope, "contract.secType") == "BAG")


BRIEF_LEGS = When(_is_combo, (Each("contract.comboLegs", (pymaxed("conId ratio action exchange"),)),))
"""Legs as data requests carry them: what to watch, not how to trade it."""

_REQ_ID = pymaxed("reqId")

_MARKET_DATA = Layout(
    "MarketDataRequest",
    (
        Const("11"),
        _REQ_ID,
        *REQUESTED_CONTRACT,
        BRIEF_LEGS,
        DELTA_NEUTRAL,
        zero("genericTickList snapshot regulatorySnapshot"),
        Options("marketDataOptions"),
    ),
    parts=("contract",),
)

_DEPTH = Layout(
    "MarketDepthRequest",
    (
        Const("5"),
        _REQ_ID,
        pymaxed("contract.conId contract.symbol contract.secType contract.lastTradeDateOrContractMonth"),
        blank("contract.strike"),
        pymaxed("contract.right"),
        MULTIPLIER,
        pymaxed("contract.exchange"),
        pymaxed("contract.primaryExch", since=149),
        pymaxed("contract.currency contract.localSymbol contract.tradingClass numRows"),
        zero("isSmartDepth", since=146),
        Options("marketDepthOptions"),
    ),
    parts=("contract",),
)

_TICK_BY_TICK = Layout(
    "TickByTickRequest",
    (_REQ_ID, *REQUESTED_CONTRACT, pymaxed("tickType numberOfTicks ignoreSize")),
    parts=("contract",),
)

_EXERCISE = Layout(
    "ExerciseOptionsRequest",
    (
        Const("2"),
        pymaxed("orderId contract.conId contract.symbol contract.secType"),
        pymaxed("contract.lastTradeDateOrContractMonth"),
        blank("contract.strike"),
        pymaxed("contract.right"),
        MULTIPLIER,
        pymaxed("contract.exchange contract.currency contract.localSymbol contract.tradingClass"),
        pymaxed("exerciseAction exerciseQuantity account override"),
        pymaxed("manualOrderTime", since=180),
        pymaxed("customerAccount", since=183),
        pymaxed("professionalCustomer", since=184),
    ),
    parts=("contract",),
)

REQUESTS: Mapping[str, Layout] = {
    "reqMktData": _MARKET_DATA,
    "cancelMktData": Layout("CancelMarketData", (Const("2"), _REQ_ID)),
    "reqMarketDataType": Layout("MarketDataTypeRequest", (Const("1"), pymaxed("marketDataType"))),
    "reqMktDepth": _DEPTH,
    "cancelMktDepth": Layout("CancelMarketDepth", (Const("1"), _REQ_ID, zero("isSmartDepth", since=146))),
    "reqTickByTickData": _TICK_BY_TICK,
    "cancelTickByTickData": Layout("CancelTickByTick", (_REQ_ID,)),
    "calculateImpliedVolatility": Layout(
        "CalculateImpliedVolatilityRequest",
        (
            Const("3"),
            _REQ_ID,
            *REQUESTED_CONTRACT,
            pymaxed("optionPrice underPrice"),
            Options("impliedVolatilityOptions", count="may"),
        ),
        parts=("contract",),
    ),
    "cancelCalculateImpliedVolatility": Layout("CancelCalculateImpliedVolatility", (Const("1"), _REQ_ID)),
    "calculateOptionPrice": Layout(
        "CalculateOptionPriceRequest",
        (
            Const("3"),
            _REQ_ID,
            *REQUESTED_CONTRACT,
            pymaxed("volatility underPrice"),
            Options("optionPriceOptions", count="may"),
        ),
        parts=("contract",),
    ),
    "cancelCalculateOptionPrice": Layout("CancelCalculateOptionPrice", (Const("1"), _REQ_ID)),
    "exerciseOptions": _EXERCISE,
}

_DEPTH_DATA = "marketDepthData.operation marketDepthData.side marketDepthData.price marketDepthData.size"

# What a gateway cannot compute it sends as -1 or -2 (the clients know which), in protobuf too.
_OPTION_COMPUTATION = Layout(
    "TickOptionComputation",
    (
        Const("6", until=156),
        zero("reqId tickType"),
        zero("tickAttrib", since=156),
        fixed("-1.0", "impliedVol"),
        fixed("-2.0", "delta"),
        fixed("-1.0", "optPrice pvDividend"),
        fixed("-2.0", "gamma vega theta"),
        fixed("-1.0", "undPrice"),
    ),
)

_LAST_TICK = (
    zero("historicalTickLast.time historicalTickLast.price historicalTickLast.size"),
    Mask(
        {
            1: "historicalTickLast.tickAttribLast.pastLimit",
            2: "historicalTickLast.tickAttribLast.unreported",
        }
    ),
    zero("historicalTickLast.exchange historicalTickLast.specialConditions"),
)

_TICK_BY_TICK_DATA = Layout(
    "TickByTickData",
    (
        zero("reqId tickType"),
        Switch(
            "tickType",
            {
                0: (Const("0"),),
                1: _LAST_TICK,
                2: _LAST_TICK,
                3: (
                    zero("historicalTickBidAsk.time"),
                    zero("historicalTickBidAsk.priceBid historicalTickBidAsk.priceAsk"),
                    zero("historicalTickBidAsk.sizeBid historicalTickBidAsk.sizeAsk"),
                    # The other way round than in historical ticks.
                    Mask(
                        {
                            1: "historicalTickBidAsk.tickAttribBidAsk.bidPastLow",
                            2: "historicalTickBidAsk.tickAttribBidAsk.askPastHigh",
                        }
                    ),
                ),
                4: (zero("historicalTickMidPoint.time historicalTickMidPoint.price"),),
            },
        ),
    ),
)

ANSWERS: Mapping[str, Layout] = {
    "tickPrice": Layout("TickPrice", (Const("6"), zero("reqId tickType price size attrMask"))),
    "tickSize": Layout("TickSize", (Const("6"), zero("reqId tickType size"))),
    "tickOptionComputation": _OPTION_COMPUTATION,
    "tickGeneric": Layout("TickGeneric", (Const("6"), zero("reqId tickType value"))),
    "tickString": Layout("TickString", (Const("6"), zero("reqId tickType"), *escaped("value"))),
    "tickEFP": Layout(
        "TickEfp",
        (
            Const("1"),
            zero("reqId tickType basisPoints"),
            *escaped("formattedBasisPoints"),
            zero("totalDividends holdDays"),
            *escaped("futureLastTradeDate"),
            zero("dividendImpact dividendsToLastTradeDate"),
        ),
    ),
    "tickSnapshotEnd": Layout("TickSnapshotEnd", (Const("1"), zero("reqId"))),
    "marketDataType": Layout("MarketDataType", (Const("1"), zero("reqId marketDataType"))),
    "tickReqParams": Layout("TickReqParams", (zero("reqId minTick bboExchange snapshotPermissions"),)),
    "updateMktDepth": Layout(
        "MarketDepth",
        (Const("1"), zero("reqId marketDepthData.position"), zero(_DEPTH_DATA)),
        parts=("marketDepthData",),
    ),
    "updateMktDepthL2": Layout(
        "MarketDepthL2",
        (
            Const("1"),
            zero("reqId marketDepthData.position marketDepthData.marketMaker"),
            zero(_DEPTH_DATA),
            zero("marketDepthData.isSmartDepth", since=146),
        ),
        parts=("marketDepthData",),
    ),
    "tickByTick": _TICK_BY_TICK_DATA,
    "rerouteMktDataReq": Layout("RerouteMarketDataRequest", (zero("reqId conId exchange"),)),
    "rerouteMktDepthReq": Layout("RerouteMarketDepthRequest", (zero("reqId conId exchange"),)),
    "deltaNeutralValidation": Layout(
        "DeltaNeutralValidation",
        (
            Const("1"),
            zero("reqId deltaNeutralContract.conId deltaNeutralContract.delta deltaNeutralContract.price"),
        ),
        parts=("deltaNeutralContract",),
    ),
}
