"""Orders: placing and cancelling, open and completed orders, their statuses (wire facts 6 to 8)."""

from collections.abc import Mapping
from typing import Any

from ibkr_core.wire.layout import (
    Const,
    Each,
    Layout,
    LegPrices,
    Node,
    Options,
    Switch,
    Tags,
    When,
    blank,
    cast,
    escaped,
    fixed,
    look_up,
    maxed,
    present,
    pymaxed,
    zero,
)
from ibkr_core.wire.layouts.contracts import COMBO_LEGS, DELTA_NEUTRAL, ECHOED_CONTRACT, REQUESTED_CONTRACT
from ibkr_core.wire.scalars import CONNECTOR, DECIMAL_AS_GIVEN, ROUNDED, ZERO_FLOAT

__all__ = ["ANSWERS", "REQUESTS"]

Scope = Mapping[str, Any]


def _scaled(scope: Scope) -> bool:
    increment = look_up(scope, "order.scalePriceIncrement")
    return increment is not None and increment > 0


def _has_conditions(scope: Scope) -> bool:
    return bool(look_up(scope, "order.conditions"))


def _pegged_to_benchmark(scope: Scope) -> bool:
    return bool(look_up(scope, "order.orderType") in {"PEG BENCH", "PEGBENCH"})


def _pegged_to_best(scope: Scope) -> bool:
    return bool(look_up(scope, "order.orderType") in {"PEG BEST", "PEGBEST"})


def _has_mid_offsets(scope: Scope) -> bool:
    if _pegged_to_best(scope):
        return bool(look_up(scope, "order.competeAgainstBestOffset") == float("inf"))
    return bool(look_up(scope, "order.orderType") in {"PEG MID", "PEGMID"})


def _at_ibkrats(scope: Scope) -> bool:
    return bool(look_up(scope, "contract.exchange") == "IBKRATS")


def _is_combo(scope: Scope) -> bool:
    return bool(look_up(scope, "contract.secType") == "BAG")


_delta_neutral = present("order.deltaNeutralOrderType")

_CONTRACT_CONDITION = "conId exchange"
_CONDITIONS = Each(
    "order.conditions",
    (
        zero("type"),
        cast(CONNECTOR, "isConjunctionConnection"),
        Switch(
            "type",
            {
                1: (zero(f"isMore price {_CONTRACT_CONDITION} triggerMethod"),),
                3: (zero("isMore time"),),
                4: (zero("isMore"), cast(ROUNDED, "percent")),
                5: (zero("secType exchange symbol"),),
                6: (zero("isMore"), cast(ROUNDED, "volume"), zero(_CONTRACT_CONDITION)),
                7: (pymaxed("isMore changePercent"), zero(_CONTRACT_CONDITION)),
            },
        ),
    ),
)
"""Price, time, margin, execution, volume and percent-change conditions."""

_CONDITION_GROUP: tuple[Node, ...] = (
    _CONDITIONS,
    When(
        _has_conditions,
        (zero("order.conditionsIgnoreRth order.conditionsCancelOrder"),),
        looks_at="order.conditions",
    ),
)

_BENCHMARK = When(
    _pegged_to_benchmark,
    (
        pymaxed(
            "order.referenceContractId order.isPeggedChangeAmountDecrease order.peggedChangeAmount "
            "order.referenceChangeAmount order.referenceExchangeId"
        ),
    ),
    looks_at="order.orderType",
)

_SCALE_DETAIL = When(
    _scaled,
    (
        blank(
            "order.scalePriceAdjustValue order.scalePriceAdjustInterval order.scaleProfitOffset "
            "order.scaleAutoReset order.scaleInitPosition order.scaleInitFillQty order.scaleRandomPercent"
        ),
    ),
    looks_at="order.scalePriceIncrement",
)

_HEDGE: tuple[Node, ...] = (
    zero("order.hedgeType"),
    When(present("order.hedgeType"), (zero("order.hedgeParam"),), looks_at="order.hedgeType"),
)

_ALGO: tuple[Node, ...] = (
    zero("order.algoStrategy"),
    When(present("order.algoStrategy"), (Tags("order.algoParams"),), looks_at="order.algoStrategy"),
)

# ---------------------------------------------------------------------------------------------- requests

PLACE_ORDER = Layout(
    "PlaceOrderRequest",
    (
        Const("45", until=145),
        pymaxed("orderId"),
        *REQUESTED_CONTRACT,
        pymaxed("contract.secIdType contract.secId"),
        pymaxed("order.action"),
        cast(DECIMAL_AS_GIVEN, "order.totalQuantity", unset="python"),
        pymaxed("order.orderType"),
        blank("order.lmtPrice order.auxPrice"),
        pymaxed("order.tif order.ocaGroup order.account order.openClose order.origin order.orderRef"),
        pymaxed("order.transmit order.parentId order.blockOrder order.sweepToFill order.displaySize"),
        pymaxed("order.triggerMethod order.outsideRth order.hidden"),
        When(
            _is_combo,
            (
                COMBO_LEGS,
                LegPrices("contract.comboLegs", "perLegPrice", ""),
                Tags("order.smartComboRoutingParams"),
            ),
        ),
        zero("order.sharesAllocation"),
        cast(ZERO_FLOAT, "order.discretionaryAmt", unset="python"),
        pymaxed("order.goodAfterTime order.goodTillDate"),
        pymaxed("order.faGroup order.faMethod order.faPercentage"),
        zero("order.faProfile", until=177),
        pymaxed("order.modelCode order.shortSaleSlot order.designatedLocation order.exemptCode"),
        pymaxed("order.ocaType order.rule80A order.settlingFirm order.allOrNone"),
        blank("order.minQty order.percentOffset"),
        zero("order.eTradeOnly order.firmQuoteOnly"),
        blank("order.nbboPriceCap"),
        pymaxed("order.auctionStrategy"),
        blank("order.startingPrice order.stockRefPrice order.delta"),
        blank("order.stockRangeLower order.stockRangeUpper"),
        pymaxed("order.overridePercentageConstraints"),
        blank("order.volatility order.volatilityType"),
        pymaxed("order.deltaNeutralOrderType"),
        blank("order.deltaNeutralAuxPrice"),
        When(
            _delta_neutral,
            (
                pymaxed("order.deltaNeutralConId order.deltaNeutralSettlingFirm"),
                pymaxed("order.deltaNeutralClearingAccount order.deltaNeutralClearingIntent"),
                pymaxed("order.deltaNeutralOpenClose order.deltaNeutralShortSale"),
                pymaxed("order.deltaNeutralShortSaleSlot order.deltaNeutralDesignatedLocation"),
            ),
            looks_at="order.deltaNeutralOrderType",
        ),
        pymaxed("order.continuousUpdate"),
        blank("order.referencePriceType order.trailStopPrice order.trailingPercent"),
        blank("order.scaleInitLevelSize order.scaleSubsLevelSize order.scalePriceIncrement"),
        _SCALE_DETAIL,
        pymaxed("order.scaleTable order.activeStartTime order.activeStopTime"),
        *_HEDGE,
        pymaxed("order.optOutSmartRouting order.clearingAccount order.clearingIntent order.notHeld"),
        DELTA_NEUTRAL,
        *_ALGO,
        pymaxed("order.algoId order.whatIf"),
        Options("order.orderMiscOptions"),
        pymaxed("order.solicited order.randomizeSize order.randomizePrice"),
        _BENCHMARK,
        *_CONDITION_GROUP,
        pymaxed("order.adjustedOrderType order.triggerPrice order.lmtPriceOffset"),
        pymaxed("order.adjustedStopPrice order.adjustedStopLimitPrice"),
        pymaxed("order.adjustedTrailingAmount order.adjustableTrailingUnit"),
        pymaxed("order.extOperator order.softDollarTier.name order.softDollarTier.value order.cashQty"),
        pymaxed("order.mifid2DecisionMaker order.mifid2DecisionAlgo"),
        pymaxed("order.mifid2ExecutionTrader order.mifid2ExecutionAlgo"),
        pymaxed("order.dontUseAutoPriceForHedge"),
        pymaxed("order.isOmsContainer", since=145),
        pymaxed("order.discretionaryUpToLimitPrice", since=148),
        blank("order.usePriceMgmtAlgo", since=151),
        pymaxed("order.duration", since=158),
        pymaxed("order.postToAts", since=160),
        pymaxed("order.autoCancelParent", since=162),
        pymaxed("order.advancedErrorOverride", since=166),
        pymaxed("order.manualOrderTime", since=169),
        When(_at_ibkrats, (blank("order.minTradeQty"),), since=170),
        When(_pegged_to_best, (blank("order.minCompeteSize order.competeAgainstBestOffset"),), since=170),
        When(_has_mid_offsets, (blank("order.midOffsetAtWhole order.midOffsetAtHalf"),), since=170),
        pymaxed("order.customerAccount", since=183),
        pymaxed("order.professionalCustomer", since=184),
        Const("", since=187, until=190),
        Const("2147483647", since=187, until=190),
        pymaxed("order.includeOvernight", since=189),
        pymaxed("order.manualOrderIndicator", since=192),
        pymaxed("order.imbalanceOnly", since=199),
    ),
    parts=("contract", "order"),
)

_CANCEL_TAGS = pymaxed("orderCancel.extOperator orderCancel.manualOrderIndicator", since=192)

CANCEL_ORDER = Layout(
    "CancelOrderRequest",
    (
        Const("1", until=192),
        pymaxed("orderId"),
        pymaxed("orderCancel.manualOrderCancelTime", since=169),
        Const("", since=187, until=190),
        Const("", since=187, until=190),
        Const("2147483647", since=187, until=190),
        _CANCEL_TAGS,
    ),
    parts=("orderCancel",),
)

GLOBAL_CANCEL = Layout("GlobalCancelRequest", (Const("1", until=192), _CANCEL_TAGS), parts=("orderCancel",))

REQUESTS: Mapping[str, Layout] = {
    "placeOrder": PLACE_ORDER,
    "cancelOrder": CANCEL_ORDER,
    "reqGlobalCancel": GLOBAL_CANCEL,
    "reqOpenOrders": Layout("OpenOrdersRequest", (Const("1"),)),
    "reqAllOpenOrders": Layout("AllOpenOrdersRequest", (Const("1"),)),
    "reqAutoOpenOrders": Layout("AutoOpenOrdersRequest", (Const("1"), zero("autoBind"))),
    "reqCompletedOrders": Layout("CompletedOrdersRequest", (zero("apiOnly"),)),
}

# ----------------------------------------------------------------------------------------------- answers

ORDER_STATUS = Layout(
    "OrderStatus",
    (
        zero("orderId status filled remaining avgFillPrice permId parentId lastFillPrice clientId whyHeld"),
        zero("mktCapPrice"),
    ),
)

_PEG_OFFSETS: tuple[Node, ...] = (
    blank("order.minTradeQty order.minCompeteSize order.competeAgainstBestOffset", since=170),
    blank("order.midOffsetAtWhole order.midOffsetAtHalf", since=170),
)

_LEGS_AND_SCALE: tuple[Node, ...] = (
    zero("contract.comboLegsDescrip"),
    COMBO_LEGS,
    LegPrices("contract.comboLegs", "perLegPrice", ""),
    Tags("order.smartComboRoutingParams"),
    maxed("order.scaleInitLevelSize order.scaleSubsLevelSize"),
    blank("order.scalePriceIncrement"),
    _SCALE_DETAIL,
    *_HEDGE,
)

_MARGINS = ("Before", "Change", "After")
_MARGIN_FIELDS = tuple(
    f"orderState.{what}{when}"
    for when in _MARGINS
    for what in ("initMargin", "maintMargin", "equityWithLoan")
)

OPEN_ORDER = Layout(
    "OpenOrder",
    (
        Const("34", until=145),
        zero("orderId"),
        *ECHOED_CONTRACT,
        zero("order.action order.totalQuantity order.orderType order.lmtPrice order.auxPrice order.tif"),
        zero("order.ocaGroup order.account order.openClose order.origin order.orderRef order.clientId"),
        zero("order.permId order.outsideRth order.hidden order.discretionaryAmt order.goodAfterTime"),
        zero("order.sharesAllocation order.faGroup order.faMethod order.faPercentage"),
        zero("order.faProfile", until=177),
        zero("order.modelCode order.goodTillDate order.rule80A"),
        blank("order.percentOffset order.settlingFirm"),
        zero("order.shortSaleSlot order.designatedLocation"),
        fixed("-1", "order.exemptCode"),
        zero("order.auctionStrategy"),
        blank("order.startingPrice order.stockRefPrice order.delta"),
        blank("order.stockRangeLower order.stockRangeUpper"),
        maxed("order.displaySize"),
        zero("order.blockOrder order.sweepToFill order.allOrNone"),
        blank("order.minQty"),
        zero("order.ocaType order.eTradeOnly order.firmQuoteOnly"),
        blank("order.nbboPriceCap"),
        zero("order.parentId order.triggerMethod"),
        blank("order.volatility"),
        zero("order.volatilityType order.deltaNeutralOrderType"),
        blank("order.deltaNeutralAuxPrice"),
        When(
            _delta_neutral,
            (
                zero("order.deltaNeutralConId order.deltaNeutralSettlingFirm"),
                zero("order.deltaNeutralClearingAccount order.deltaNeutralClearingIntent"),
                zero("order.deltaNeutralOpenClose order.deltaNeutralShortSale"),
                zero("order.deltaNeutralShortSaleSlot order.deltaNeutralDesignatedLocation"),
            ),
            looks_at="order.deltaNeutralOrderType",
        ),
        zero("order.continuousUpdate order.referencePriceType"),
        blank("order.trailStopPrice order.trailingPercent order.basisPoints order.basisPointsType"),
        *_LEGS_AND_SCALE,
        zero("order.optOutSmartRouting order.clearingAccount order.clearingIntent order.notHeld"),
        DELTA_NEUTRAL,
        *_ALGO,
        zero("order.solicited order.whatIf orderState.status"),
        maxed(" ".join(_MARGIN_FIELDS)),
        blank("orderState.commissionAndFees orderState.minCommissionAndFees"),
        blank("orderState.maxCommissionAndFees orderState.commissionAndFeesCurrency"),
        blank("orderState.marginCurrency", since=195),
        blank(" ".join(f"{name}OutsideRTH" for name in _MARGIN_FIELDS), since=195),
        blank("orderState.suggestedSize orderState.rejectReason", since=195),
        Each(
            "orderState.orderAllocations",
            (
                blank("account position positionDesired positionAfter desiredAllocQty allowedAllocQty"),
                zero("isMonetary"),
            ),
            since=195,
        ),
        zero("orderState.warningText"),
        zero("order.randomizeSize order.randomizePrice"),
        _BENCHMARK,
        *_CONDITION_GROUP,
        maxed("order.adjustedOrderType order.triggerPrice order.trailStopPrice order.lmtPriceOffset"),
        maxed("order.adjustedStopPrice order.adjustedStopLimitPrice order.adjustedTrailingAmount"),
        zero("order.adjustableTrailingUnit"),
        zero("order.softDollarTier.name order.softDollarTier.value order.softDollarTier.displayName"),
        zero("order.cashQty order.dontUseAutoPriceForHedge"),
        zero("order.isOmsContainer", since=145),
        zero("order.discretionaryUpToLimitPrice", since=148),
        zero("order.usePriceMgmtAlgo", since=151),
        blank("order.duration", since=158),
        blank("order.postToAts", since=160),
        zero("order.autoCancelParent", since=162),
        *_PEG_OFFSETS,
        zero("order.customerAccount", since=183),
        zero("order.professionalCustomer", since=184),
        zero("order.bondAccruedInterest", since=185),
        zero("order.includeOvernight", since=189),
        maxed("order.extOperator order.manualOrderIndicator", since=193),
        zero("order.submitter", since=198),
        zero("order.imbalanceOnly", since=199),
    ),
    parts=("contract", "order", "orderState"),
)

COMPLETED_ORDER = Layout(
    "CompletedOrder",
    (
        *ECHOED_CONTRACT,
        zero("order.action order.totalQuantity order.orderType order.lmtPrice order.auxPrice order.tif"),
        zero("order.ocaGroup order.account order.openClose order.origin order.orderRef order.permId"),
        zero("order.outsideRth order.hidden order.discretionaryAmt order.goodAfterTime"),
        zero("order.faGroup order.faMethod order.faPercentage"),
        zero("order.faProfile", until=177),
        zero("order.modelCode order.goodTillDate order.rule80A"),
        blank("order.percentOffset order.settlingFirm"),
        zero("order.shortSaleSlot order.designatedLocation"),
        fixed("-1", "order.exemptCode"),
        blank("order.startingPrice order.stockRefPrice order.delta"),
        blank("order.stockRangeLower order.stockRangeUpper"),
        maxed("order.displaySize"),
        zero("order.sweepToFill order.allOrNone"),
        blank("order.minQty"),
        zero("order.ocaType order.triggerMethod"),
        blank("order.volatility"),
        zero("order.volatilityType order.deltaNeutralOrderType"),
        blank("order.deltaNeutralAuxPrice"),
        When(
            _delta_neutral,
            (
                zero("order.deltaNeutralConId order.deltaNeutralShortSale"),
                zero("order.deltaNeutralShortSaleSlot order.deltaNeutralDesignatedLocation"),
            ),
            looks_at="order.deltaNeutralOrderType",
        ),
        zero("order.continuousUpdate order.referencePriceType"),
        blank("order.trailStopPrice order.trailingPercent"),
        *_LEGS_AND_SCALE,
        zero("order.clearingAccount order.clearingIntent order.notHeld"),
        DELTA_NEUTRAL,
        *_ALGO,
        zero("order.solicited orderState.status order.randomizeSize order.randomizePrice"),
        _BENCHMARK,
        *_CONDITION_GROUP,
        maxed("order.trailStopPrice order.lmtPriceOffset"),
        zero("order.cashQty order.dontUseAutoPriceForHedge"),
        zero("order.isOmsContainer", since=145),
        zero("order.autoCancelDate order.filledQuantity"),
        maxed("order.refFuturesConId"),
        zero("order.autoCancelParent order.shareholder order.imbalanceOnly order.routeMarketableToBbo"),
        maxed("order.parentPermId"),
        zero("orderState.completedTime orderState.completedStatus"),
        *_PEG_OFFSETS,
        zero("order.customerAccount", since=183),
        zero("order.professionalCustomer", since=184),
        zero("order.submitter", since=198),
    ),
    parts=("contract", "order", "orderState"),
)

ERROR = Layout(
    "ErrorMessage",
    (
        Const("2", until=194),
        fixed("-1", "id"),
        zero("errorCode"),
        *escaped("errorMsg"),
        *escaped("advancedOrderRejectJson", since=166),
        zero("errorTime", since=194),
    ),
)

ANSWERS: Mapping[str, Layout] = {
    "orderStatus": ORDER_STATUS,
    "error": ERROR,
    "openOrder": OPEN_ORDER,
    "openOrderEnd": Layout("OpenOrdersEnd", (Const("1"),)),
    "completedOrder": COMPLETED_ORDER,
    "completedOrdersEnd": Layout("CompletedOrdersEnd", ()),
    "orderBound": Layout("OrderBound", (zero("permId clientId orderId"),)),
}
