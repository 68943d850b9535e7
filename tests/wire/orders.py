"""Orders and contracts at random, consistent in themselves: a field that depends on another comes with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

from wire.oracle import OLD_CLIENT
from wire.values import BY_TYPE, FLOATS, INTS, SHORT_FLOATS, TEXTS, WHOLE_DECIMALS, strategy

ORDER_TYPES = ("MKT", "LMT", "STP", "STP LMT", "TRAIL", "PEG BENCH", "PEG BEST", "PEG MID", "REL")
DELTA_NEUTRAL = {
    "deltaNeutralConId",
    "deltaNeutralSettlingFirm",
    "deltaNeutralClearingAccount",
    "deltaNeutralClearingIntent",
    "deltaNeutralOpenClose",
    "deltaNeutralShortSale",
    "deltaNeutralShortSaleSlot",
    "deltaNeutralDesignatedLocation",
}
SCALE = {
    "scalePriceAdjustValue",
    "scalePriceAdjustInterval",
    "scaleProfitOffset",
    "scaleAutoReset",
    "scaleInitPosition",
    "scaleInitFillQty",
    "scaleRandomPercent",
}
BENCHMARK = {
    "referenceContractId",
    "isPeggedChangeAmountDecrease",
    "peggedChangeAmount",
    "referenceChangeAmount",
    "referenceExchangeId",
}
CONDITION_FLAGS = {"conditionsIgnoreRth", "conditionsCancelOrder"}
GROUPED = (
    DELTA_NEUTRAL
    | SCALE
    | BENCHMARK
    | CONDITION_FLAGS
    | {"scalePriceIncrement", "deltaNeutralOrderType", "hedgeType", "hedgeParam", "hedgeMaxSize"}
    | {"algoStrategy", "algoParams", "conditions", "orderType", "conditionsIncludeOvernight"}
)

# Sizes are floats or ints in the old client.
BY_TYPE_HERE = {**BY_TYPE, "dec": WHOLE_DECIMALS} if OLD_CLIENT else dict(BY_TYPE)

_JOIN = {"isConjunctionConnection": st.booleans()}
_OPERATOR = {**_JOIN, "isMore": st.booleans()}
_CONTRACT = {**_OPERATOR, "conId": INTS, "exchange": TEXTS}

CONDITIONS = st.one_of(
    st.fixed_dictionaries({"type": st.just(1), **_CONTRACT, "price": FLOATS, "triggerMethod": INTS}),
    st.fixed_dictionaries({"type": st.just(3), **_OPERATOR, "time": TEXTS}),
    st.fixed_dictionaries({"type": st.just(4), **_OPERATOR, "percent": INTS}),
    st.fixed_dictionaries(
        {"type": st.just(5), **_JOIN, "secType": TEXTS, "exchange": TEXTS, "symbol": TEXTS}
    ),
    st.fixed_dictionaries({"type": st.just(6), **_CONTRACT, "volume": INTS}),
    st.fixed_dictionaries({"type": st.just(7), **_CONTRACT, "changePercent": FLOATS}),
)

# Numbers in protobuf, flags in text and in the client.
FLAGS_AS_NUMBERS = {
    name: st.sampled_from([0, 1])
    for name in ("usePriceMgmtAlgo", "routeMarketableToBbo", "seekPriceImprovement")
}

COMBO_LEG = strategy("ComboLeg")
CONTRACTS = strategy(
    "Contract",
    drop={"comboLegsDescrip", "comboLegs", "deltaNeutralContract", "secIdType", "secId", "includeExpired"},
    overrides={"multiplier": SHORT_FLOATS},
)
"""Plain contracts."""


@st.composite
def combo_parts(draw: st.DrawFn) -> dict[str, Any]:
    """The parts of a contract that only combinations have."""
    parts: dict[str, Any] = {}
    if draw(st.booleans()):
        parts["comboLegs"] = draw(st.lists(COMBO_LEG, min_size=1, max_size=3))
    if draw(st.booleans()):
        parts["comboLegsDescrip"] = draw(TEXTS)
    if draw(st.booleans()):
        parts["deltaNeutralContract"] = draw(strategy("DeltaNeutralContract", required={"conId"}))
    return parts


@st.composite
def order_dicts(
    draw: st.DrawFn,
    drop: set[str] = frozenset(),
    by_type: Mapping[str, st.SearchStrategy[Any]] = BY_TYPE_HERE,
) -> dict[str, Any]:
    """An order's fields."""
    order = draw(strategy("Order", drop=GROUPED | drop, overrides=FLAGS_AS_NUMBERS, by_type=by_type))
    order_type = draw(st.none() | st.sampled_from(ORDER_TYPES))
    if order_type is not None:
        order["orderType"] = order_type
    if order_type == "PEG BENCH":
        order |= draw(strategy("Order", only=BENCHMARK))
    if draw(st.booleans()):
        order["deltaNeutralOrderType"] = draw(TEXTS)
        order |= draw(strategy("Order", only=DELTA_NEUTRAL - drop))
    if draw(st.booleans()):
        order["scalePriceIncrement"] = draw(FLOATS)
        if order["scalePriceIncrement"] > 0:
            order |= draw(strategy("Order", only=SCALE))
    if draw(st.booleans()):
        order["hedgeType"] = draw(st.sampled_from(["D", "B", "F", "P"]))
        order |= draw(strategy("Order", only={"hedgeParam", "hedgeMaxSize"}))
    if draw(st.booleans()):
        order["algoStrategy"] = draw(TEXTS)
        order |= draw(strategy("Order", only={"algoParams"}))
    if draw(st.booleans()):
        order["conditions"] = draw(st.lists(CONDITIONS, min_size=1, max_size=3))
        order |= draw(strategy("Order", only=CONDITION_FLAGS))
    return order
