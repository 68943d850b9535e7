"""The field names of the official Order (10.51), and which of them have a plain name here.

A test compares this table with the installed client, so a new field shows up as a failing test.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

__all__ = ["ENGINE_FIELDS", "OFFICIAL_NAMES", "OTHER_ORDER_FIELDS", "VALUE_FIELDS"]

OFFICIAL_NAMES: Final = MappingProxyType(
    {
        "action": "action",
        "quantity": "totalQuantity",
        "order_type": "orderType",
        "limit_price": "lmtPrice",
        "aux_price": "auxPrice",
        "trail_stop_price": "trailStopPrice",
        "trailing_percent": "trailingPercent",
        "limit_offset": "lmtPriceOffset",
        "tif": "tif",
        "outside_rth": "outsideRth",
        "good_after_time": "goodAfterTime",
        "good_till_date": "goodTillDate",
        "oca_group": "ocaGroup",
        "oca_type": "ocaType",
        "parent_id": "parentId",
        "transmit": "transmit",
        "account": "account",
        "order_ref": "orderRef",
        "hidden": "hidden",
        "all_or_none": "allOrNone",
        "min_quantity": "minQty",
        "display_size": "displaySize",
        "trigger_method": "triggerMethod",
        "cash_quantity": "cashQty",
        "what_if": "whatIf",
        "conditions_cancel": "conditionsCancelOrder",
        "conditions_outside_rth": "conditionsIgnoreRth",
    }
)
"""Our name of an order field -> the official one."""

VALUE_FIELDS: Final = frozenset({"official", "conditions", "algo"})
"""Our fields that stand for several official ones, or for objects that the official client makes."""

ENGINE_FIELDS: Final = frozenset({"orderId", "clientId", "permId", "order_id", "client_id", "perm_id"})
"""Identity: only the engine and the broker assign these."""

OTHER_ORDER_FIELDS: Final = frozenset(
    """
    activeStartTime activeStopTime adjustableTrailingUnit adjustedOrderType adjustedStopLimitPrice
    adjustedStopPrice adjustedTrailingAmount advancedErrorOverride algoId algoParams algoStrategy
    allowPreOpen auctionStrategy autoCancelDate autoCancelParent basisPoints basisPointsType blockOrder
    bondAccruedInterest clearingAccount clearingIntent competeAgainstBestOffset conditions
    conditionsIncludeOvernight continuousUpdate customerAccount
    deactivate delta deltaNeutralAuxPrice deltaNeutralClearingAccount deltaNeutralClearingIntent
    deltaNeutralConId deltaNeutralDesignatedLocation deltaNeutralOpenClose deltaNeutralOrderType
    deltaNeutralSettlingFirm deltaNeutralShortSale deltaNeutralShortSaleSlot designatedLocation
    discretionaryAmt discretionaryUpToLimitPrice dontUseAutoPriceForHedge duration eTradeOnly exemptCode
    extOperator faGroup faMethod faPercentage faProfile filledQuantity firmQuoteOnly hedgeMaxSize
    hedgeParam hedgeType ignoreOpenAuction imbalanceOnly includeOvernight isOmsContainer
    isPeggedChangeAmountDecrease manualOrderIndicator manualOrderTime midOffsetAtHalf midOffsetAtWhole
    mifid2DecisionAlgo mifid2DecisionMaker mifid2ExecutionAlgo mifid2ExecutionTrader minCompeteSize
    minTradeQty modelCode nbboPriceCap notHeld openClose optOutSmartRouting orderComboLegs
    orderMiscOptions origin overridePercentageConstraints parentPermId peggedChangeAmount percentOffset
    postOnly postToAts professionalCustomer ptOrderId ptOrderType randomizePrice randomizeSize
    refFuturesConId referenceChangeAmount referenceContractId referenceExchangeId referencePriceType
    routeMarketableToBbo rule80A scaleAutoReset scaleInitFillQty scaleInitLevelSize scaleInitPosition
    scalePriceAdjustInterval scalePriceAdjustValue scalePriceIncrement scaleProfitOffset
    scaleRandomPercent scaleSubsLevelSize scaleTable seekPriceImprovement settlingFirm shareholder
    shortSaleSlot slOrderId slOrderType smartComboRoutingParams softDollarTier solicited startingPrice
    stockRangeLower stockRangeUpper stockRefPrice submitter sweepToFill triggerPrice usePriceMgmtAlgo
    volatility volatilityType whatIfType
    """.split()
)
"""Official fields that are reached by their official name, those that only old clients have included."""
