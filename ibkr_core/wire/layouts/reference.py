"""Reference data: contract details, option chains, symbols, rules (wire facts 6 and 8)."""

from collections.abc import Mapping
from typing import Any

from ibkr_core.wire.layout import (
    Const,
    Each,
    Layout,
    Options,
    Tags,
    Values,
    When,
    blank,
    cast,
    escaped,
    look_up,
    maxed,
    pymaxed,
    zero,
)
from ibkr_core.wire.layouts.contracts import MULTIPLIER, REQUESTED_CONTRACT
from ibkr_core.wire.scalars import SHORT_FLOAT, WHOLE

__all__ = ["ANSWERS", "REQUESTS"]

_REQ_ID = pymaxed("reqId")

REQUESTS: Mapping[str, Layout] = {
    "reqContractDetails": Layout(
        "ContractDataRequest",
        (
            Const("8"),
            _REQ_ID,
            *REQUESTED_CONTRACT,
            pymaxed("contract.includeExpired contract.secIdType contract.secId"),
            pymaxed("contract.issuerId", since=176),
        ),
        parts=("contract",),
    ),
    "reqSecDefOptParams": Layout(
        "SecDefOptParamsRequest",
        (_REQ_ID, pymaxed("underlyingSymbol futFopExchange underlyingSecType underlyingConId")),
    ),
    "reqSoftDollarTiers": Layout("SoftDollarTiersRequest", (_REQ_ID,)),
    "reqFamilyCodes": Layout("FamilyCodesRequest", ()),
    "reqMatchingSymbols": Layout("MatchingSymbolsRequest", (_REQ_ID, pymaxed("pattern"))),
    "reqMktDepthExchanges": Layout("MarketDepthExchangesRequest", ()),
    "reqSmartComponents": Layout("SmartComponentsRequest", (_REQ_ID, pymaxed("bboExchange"))),
    "reqMarketRule": Layout("MarketRuleRequest", (pymaxed("marketRuleId"),)),
    "reqFundamentalData": Layout(
        "FundamentalsDataRequest",
        (
            Const("2"),
            _REQ_ID,
            pymaxed("contract.conId contract.symbol contract.secType contract.exchange"),
            pymaxed("contract.primaryExch contract.currency contract.localSymbol reportType"),
            Options("fundamentalsDataOptions", count="always"),
        ),
        parts=("contract",),
    ),
    "cancelFundamentalData": Layout("CancelFundamentalsData", (Const("1"), _REQ_ID)),
}


def _is_fund(scope: Mapping[str, Any]) -> bool:
    return bool(look_up(scope, "contract.secType") == "FUND")


def _details(names: str) -> str:
    return " ".join(f"contractDetails.{name}" for name in names.split())


_SIZE_RULES = blank(_details("minSize sizeIncrement suggestedSizeIncrement"), since=164)
_EV = (zero("contractDetails.evRule"), cast(WHOLE, "contractDetails.evMultiplier", unset="blank"))
_FUND = When(
    _is_fund,
    (
        zero(_details("fundName fundFamily fundType fundFrontLoad fundBackLoad fundBackLoadTimeInterval")),
        zero(_details("fundManagementFee fundClosed fundClosedForNewInvestors fundClosedForNewMoney")),
        zero(_details("fundNotifyAmount fundMinimumInitialPurchase fundMinimumSubsequentPurchase")),
        zero(_details("fundBlueSkyStates fundBlueSkyTerritories")),
        zero(_details("fundDistributionPolicyIndicator fundAssetType")),
    ),
    since=179,
)

_CONTRACT_DETAILS = Layout(
    "ContractData",
    (
        Const("8", until=164),
        zero("reqId contract.symbol contract.secType contract.lastTradeDateOrContractMonth"),
        zero("contract.lastTradeDate", since=182),
        zero("contract.strike contract.right contract.exchange contract.currency contract.localSymbol"),
        zero("contractDetails.marketName contract.tradingClass contract.conId contractDetails.minTick"),
        Const("100", until=164),
        MULTIPLIER,
        zero(_details("orderTypes validExchanges priceMagnifier underConId")),
        *escaped("contractDetails.longName"),
        zero("contract.primaryExch"),
        zero(_details("contractMonth industry category subcategory timeZoneId tradingHours liquidHours")),
        *_EV,
        Tags("contractDetails.secIdList"),
        zero(_details("aggGroup underSymbol underSecType marketRuleIds realExpirationDate")),
        zero("contractDetails.stockType", since=152),
        Const("1", since=163, until=164),
        _SIZE_RULES,
        _FUND,
        Each("contractDetails.ineligibilityReasonList", (zero("id description"),), since=186),
    ),
    parts=("contract", "contractDetails"),
)

_BOND_DETAILS = Layout(
    "ContractData",
    (
        Const("6", until=164),
        zero("reqId contract.symbol contract.secType"),
        zero("contractDetails.cusip"),
        # The oldest client reads an int here, so a whole coupon must look like one.
        cast(SHORT_FLOAT, "contractDetails.coupon"),
        zero("contract.lastTradeDateOrContractMonth"),
        zero(_details("issueDate ratings bondType couponType convertible callable puttable descAppend")),
        zero("contract.exchange contract.currency contractDetails.marketName contract.tradingClass"),
        zero("contract.conId contractDetails.minTick"),
        Const("100", until=164),
        zero(_details("orderTypes validExchanges nextOptionDate nextOptionType nextOptionPartial")),
        zero(_details("bondNotes longName")),
        zero(_details("timeZoneId tradingHours liquidHours"), since=188),
        *_EV,
        Tags("contractDetails.secIdList"),
        zero(_details("aggGroup marketRuleIds")),
        _SIZE_RULES,
    ),
    parts=("contract", "contractDetails"),
)

_SYMBOL_SAMPLES = Layout(
    "SymbolSamples",
    (
        zero("reqId"),
        Each(
            "contractDescriptions",
            (
                zero("contract.conId contract.symbol contract.secType contract.primaryExch"),
                zero("contract.currency"),
                Values("derivativeSecTypes"),
                zero("contract.description contract.issuerId", since=176),
            ),
        ),
    ),
)

ANSWERS: Mapping[str, Layout] = {
    "contractDetails": _CONTRACT_DETAILS,
    "bondContractDetails": _BOND_DETAILS,
    "contractDetailsEnd": Layout("ContractDataEnd", (Const("1"), zero("reqId"))),
    "securityDefinitionOptionParameter": Layout(
        "SecDefOptParameter",
        (
            zero("reqId exchange underlyingConId tradingClass multiplier"),
            Values("expirations"),
            Values("strikes"),
        ),
    ),
    "securityDefinitionOptionParameterEnd": Layout("SecDefOptParameterEnd", (zero("reqId"),)),
    "softDollarTiers": Layout(
        "SoftDollarTiers", (zero("reqId"), Each("softDollarTiers", (zero("name value displayName"),)))
    ),
    "familyCodes": Layout("FamilyCodes", (Each("familyCodes", (zero("accountId familyCode"),)),)),
    "symbolSamples": _SYMBOL_SAMPLES,
    "mktDepthExchanges": Layout(
        "MarketDepthExchanges",
        (
            Each(
                "depthMarketDataDescriptions",
                (zero("exchange secType listingExch serviceDataType"), maxed("aggGroup")),
            ),
        ),
    ),
    "smartComponents": Layout(
        "SmartComponents",
        (zero("reqId"), Each("smartComponents", (zero("bitNumber exchange exchangeLetter"),))),
    ),
    "marketRule": Layout(
        "MarketRule", (zero("marketRuleId"), Each("priceIncrements", (zero("lowEdge increment"),)))
    ),
    "fundamentalData": Layout("FundamentalsData", (Const("1"), zero("reqId"), *escaped("data"))),
}
