"""Services beside trading: news, event calendars, scanners, advisors, display groups (wire facts 6, 8)."""

from collections.abc import Mapping

from ibkr_core.wire.layout import Const, Each, Layout, Options, blank, cast, escaped, pymaxed, zero
from ibkr_core.wire.scalars import WORD

__all__ = ["ANSWERS", "REQUESTS"]

_REQ_ID = pymaxed("reqId")


def _scan(names: str) -> str:
    return " ".join(f"scannerSubscription.{name}" for name in names.split())


_SCANNER = Layout(
    "ScannerSubscriptionRequest",
    (
        Const("4", until=143),
        _REQ_ID,
        blank(_scan("numberOfRows instrument locationCode scanCode abovePrice belowPrice aboveVolume")),
        blank(_scan("marketCapAbove marketCapBelow moodyRatingAbove moodyRatingBelow")),
        blank(_scan("spRatingAbove spRatingBelow maturityDateAbove maturityDateBelow")),
        blank(_scan("couponRateAbove couponRateBelow")),
        zero(_scan("excludeConvertible")),
        blank(_scan("averageOptionVolumeAbove scannerSettingPairs stockTypeFilter")),
        Options("scannerSubscription.scannerSubscriptionFilterOptions", since=143),
        Options("scannerSubscription.scannerSubscriptionOptions"),
    ),
    parts=("scannerSubscription",),
)

_WSH_EVENTS = Layout(
    "WshEventDataRequest",
    (
        _REQ_ID,
        pymaxed("conId"),
        zero("filter fillWatchlist fillPortfolio fillCompetitors", since=171),
        pymaxed("startDate endDate totalLimit", since=173),
    ),
)

REQUESTS: Mapping[str, Layout] = {
    "reqNewsBulletins": Layout("NewsBulletinsRequest", (Const("1"), zero("allMessages"))),
    "cancelNewsBulletins": Layout("CancelNewsBulletins", (Const("1"),)),
    "reqNewsProviders": Layout("NewsProvidersRequest", ()),
    "reqNewsArticle": Layout(
        "NewsArticleRequest", (_REQ_ID, pymaxed("providerCode articleId"), Options("newsArticleOptions"))
    ),
    "reqHistoricalNews": Layout(
        "HistoricalNewsRequest",
        (
            _REQ_ID,
            pymaxed("conId providerCodes startDateTime endDateTime totalResults"),
            Options("historicalNewsOptions"),
        ),
    ),
    "reqWshMetaData": Layout("WshMetaDataRequest", (_REQ_ID,)),
    "cancelWshMetaData": Layout("CancelWshMetaData", (_REQ_ID,)),
    "reqWshEventData": _WSH_EVENTS,
    "cancelWshEventData": Layout("CancelWshEventData", (_REQ_ID,)),
    "requestFA": Layout("FARequest", (Const("1"), pymaxed("faDataType"))),
    "replaceFA": Layout("FAReplace", (Const("1"), pymaxed("faDataType xml"), pymaxed("reqId", since=157))),
    "reqScannerParameters": Layout("ScannerParametersRequest", (Const("1"),)),
    "reqScannerSubscription": _SCANNER,
    "cancelScannerSubscription": Layout("CancelScannerSubscription", (Const("1"), _REQ_ID)),
    "queryDisplayGroups": Layout("QueryDisplayGroupsRequest", (Const("1"), _REQ_ID)),
    "subscribeToGroupEvents": Layout(
        "SubscribeToGroupEventsRequest", (Const("1"), _REQ_ID, pymaxed("groupId"))
    ),
    "updateDisplayGroup": Layout("UpdateDisplayGroupRequest", (Const("1"), _REQ_ID, pymaxed("contractInfo"))),
    "unsubscribeFromGroupEvents": Layout("UnsubscribeFromGroupEventsRequest", (Const("1"), _REQ_ID)),
}

ANSWERS: Mapping[str, Layout] = {
    "updateNewsBulletin": Layout(
        "NewsBulletin",
        (Const("1"), zero("newsMsgId newsMsgType"), *escaped("newsMessage originatingExch")),
    ),
    "newsProviders": Layout("NewsProviders", (Each("newsProviders", (zero("providerCode providerName"),)),)),
    "newsArticle": Layout("NewsArticle", (zero("reqId articleType articleText"),)),
    "tickNews": Layout("TickNews", (zero("reqId timestamp providerCode articleId headline extraData"),)),
    "historicalNews": Layout("HistoricalNews", (zero("reqId time providerCode articleId headline"),)),
    "historicalNewsEnd": Layout("HistoricalNewsEnd", (zero("reqId hasMore"),)),
    "wshMetaData": Layout("WshMetaData", (zero("reqId dataJson"),)),
    "wshEventData": Layout("WshEventData", (zero("reqId dataJson"),)),
    "receiveFA": Layout("ReceiveFA", (Const("1"), zero("faDataType"), *escaped("xml"))),
    "replaceFAEnd": Layout("ReplaceFAEnd", (zero("reqId text"),)),
    "scannerParameters": Layout("ScannerParameters", (Const("1"), *escaped("xml"))),
    "scannerData": Layout(
        "ScannerData",
        (
            Const("3"),
            zero("reqId"),
            Each(
                "scannerDataElement",
                (
                    zero("rank contract.conId contract.symbol contract.secType"),
                    zero("contract.lastTradeDateOrContractMonth contract.strike contract.right"),
                    zero("contract.exchange contract.currency contract.localSymbol marketName"),
                    zero("contract.tradingClass distance benchmark projection comboKey"),
                ),
            ),
        ),
    ),
    "displayGroupList": Layout("DisplayGroupList", (Const("1"), zero("reqId"), *escaped("groups"))),
    "displayGroupUpdated": Layout(
        "DisplayGroupUpdated", (Const("1"), zero("reqId"), *escaped("contractInfo"))
    ),
    "verifyCompleted": Layout(
        "VerifyCompleted", (Const("1"), cast(WORD, "isSuccessful", unset="=false"), *escaped("errorText"))
    ),
    "verifyAndAuthCompleted": Layout(
        "VerifyAndAuthCompleted",
        (Const("1"), cast(WORD, "isSuccessful", unset="=false"), *escaped("errorText")),
    ),
}
