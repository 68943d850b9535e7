"""Message ids, and from which server version a kind travels as protobuf (wire facts 5).

Below version 201 a body starts with its id as text. From 201 on it starts with the id as four raw bytes, and
an id above 200 means the protobuf form of the message ``id - 200``.
"""

from collections.abc import Mapping
from functools import cache

__all__ = [
    "ANSWER_IDS",
    "PROTOBUF_OFFSET",
    "RAW_ID_SINCE",
    "REQUEST_IDS",
    "answer_kinds",
    "answer_protobuf_since",
    "request_kinds",
    "request_protobuf_since",
]

RAW_ID_SINCE = 201
"""First version with raw integer ids and with protobuf."""

PROTOBUF_OFFSET = 200
"""What is added to the id of a protobuf message."""

REQUEST_IDS: Mapping[str, int] = {
    "reqMktData": 1,
    "cancelMktData": 2,
    "placeOrder": 3,
    "cancelOrder": 4,
    "reqOpenOrders": 5,
    "reqAccountUpdates": 6,
    "reqExecutions": 7,
    "reqIds": 8,
    "reqContractDetails": 9,
    "reqMktDepth": 10,
    "cancelMktDepth": 11,
    "reqNewsBulletins": 12,
    "cancelNewsBulletins": 13,
    "setServerLogLevel": 14,
    "reqAutoOpenOrders": 15,
    "reqAllOpenOrders": 16,
    "reqManagedAccts": 17,
    "requestFA": 18,
    "replaceFA": 19,
    "reqHistoricalData": 20,
    "exerciseOptions": 21,
    "reqScannerSubscription": 22,
    "cancelScannerSubscription": 23,
    "reqScannerParameters": 24,
    "cancelHistoricalData": 25,
    "reqCurrentTime": 49,
    "reqRealTimeBars": 50,
    "cancelRealTimeBars": 51,
    "reqFundamentalData": 52,
    "cancelFundamentalData": 53,
    "calculateImpliedVolatility": 54,
    "calculateOptionPrice": 55,
    "cancelCalculateImpliedVolatility": 56,
    "cancelCalculateOptionPrice": 57,
    "reqGlobalCancel": 58,
    "reqMarketDataType": 59,
    "reqPositions": 61,
    "reqAccountSummary": 62,
    "cancelAccountSummary": 63,
    "cancelPositions": 64,
    "verifyRequest": 65,
    "verifyMessage": 66,
    "queryDisplayGroups": 67,
    "subscribeToGroupEvents": 68,
    "updateDisplayGroup": 69,
    "unsubscribeFromGroupEvents": 70,
    "startApi": 71,
    "verifyAndAuthRequest": 72,
    "verifyAndAuthMessage": 73,
    "reqPositionsMulti": 74,
    "cancelPositionsMulti": 75,
    "reqAccountUpdatesMulti": 76,
    "cancelAccountUpdatesMulti": 77,
    "reqSecDefOptParams": 78,
    "reqSoftDollarTiers": 79,
    "reqFamilyCodes": 80,
    "reqMatchingSymbols": 81,
    "reqMktDepthExchanges": 82,
    "reqSmartComponents": 83,
    "reqNewsArticle": 84,
    "reqNewsProviders": 85,
    "reqHistoricalNews": 86,
    "reqHeadTimeStamp": 87,
    "reqHistogramData": 88,
    "cancelHistogramData": 89,
    "cancelHeadTimeStamp": 90,
    "reqMarketRule": 91,
    "reqPnL": 92,
    "cancelPnL": 93,
    "reqPnLSingle": 94,
    "cancelPnLSingle": 95,
    "reqHistoricalTicks": 96,
    "reqTickByTickData": 97,
    "cancelTickByTickData": 98,
    "reqCompletedOrders": 99,
    "reqWshMetaData": 100,
    "cancelWshMetaData": 101,
    "reqWshEventData": 102,
    "cancelWshEventData": 103,
    "reqUserInfo": 104,
    "reqCurrentTimeInMillis": 105,
    "cancelContractData": 106,
    "cancelHistoricalTicks": 107,
    "reqConfig": 108,
    "updateConfig": 109,
}

ANSWER_IDS: Mapping[str, int] = {
    "tickPrice": 1,
    "tickSize": 2,
    "orderStatus": 3,
    "error": 4,
    "openOrder": 5,
    "updateAccountValue": 6,
    "updatePortfolio": 7,
    "updateAccountTime": 8,
    "nextValidId": 9,
    "contractDetails": 10,
    "execDetails": 11,
    "updateMktDepth": 12,
    "updateMktDepthL2": 13,
    "updateNewsBulletin": 14,
    "managedAccounts": 15,
    "receiveFA": 16,
    "historicalData": 17,
    "bondContractDetails": 18,
    "scannerParameters": 19,
    "scannerData": 20,
    "tickOptionComputation": 21,
    "tickGeneric": 45,
    "tickString": 46,
    "tickEFP": 47,
    "currentTime": 49,
    "realtimeBar": 50,
    "fundamentalData": 51,
    "contractDetailsEnd": 52,
    "openOrderEnd": 53,
    "accountDownloadEnd": 54,
    "execDetailsEnd": 55,
    "deltaNeutralValidation": 56,
    "tickSnapshotEnd": 57,
    "marketDataType": 58,
    "commissionReport": 59,
    "position": 61,
    "positionEnd": 62,
    "accountSummary": 63,
    "accountSummaryEnd": 64,
    "verifyMessageAPI": 65,
    "verifyCompleted": 66,
    "displayGroupList": 67,
    "displayGroupUpdated": 68,
    "verifyAndAuthMessageAPI": 69,
    "verifyAndAuthCompleted": 70,
    "positionMulti": 71,
    "positionMultiEnd": 72,
    "accountUpdateMulti": 73,
    "accountUpdateMultiEnd": 74,
    "securityDefinitionOptionParameter": 75,
    "securityDefinitionOptionParameterEnd": 76,
    "softDollarTiers": 77,
    "familyCodes": 78,
    "symbolSamples": 79,
    "mktDepthExchanges": 80,
    "tickReqParams": 81,
    "smartComponents": 82,
    "newsArticle": 83,
    "tickNews": 84,
    "newsProviders": 85,
    "historicalNews": 86,
    "historicalNewsEnd": 87,
    "headTimestamp": 88,
    "histogramData": 89,
    "historicalDataUpdate": 90,
    "rerouteMktDataReq": 91,
    "rerouteMktDepthReq": 92,
    "marketRule": 93,
    "pnl": 94,
    "pnlSingle": 95,
    "historicalTicks": 96,
    "historicalTicksBidAsk": 97,
    "historicalTicksLast": 98,
    "tickByTick": 99,
    "orderBound": 100,
    "completedOrder": 101,
    "completedOrdersEnd": 102,
    "replaceFAEnd": 103,
    "wshMetaData": 104,
    "wshEventData": 105,
    "historicalSchedule": 106,
    "userInfo": 107,
    "historicalDataEnd": 108,
    "currentTimeInMillis": 109,
    "configResponse": 110,
    "updateConfigResponse": 111,
}

# First version at which a request goes as protobuf, by id. An id that is not here stays text.
_REQUEST_SWITCH: Mapping[int, tuple[int, ...]] = {
    201: (7,),
    203: (3, 4, 58),
    204: (5, 15, 16, 99),
    205: (9,),
    206: (1, 2, 10, 11, 59),
    207: (6, 17, 61, 62, 63, 64, 74, 75, 76, 77),
    208: (20, 25, 50, 51, 87, 88, 89, 90, 96, 97, 98),
    209: (12, 13, 84, 85, 86, 100, 101, 102, 103),
    210: (22, 23, 24, 52, 53, 92, 93, 94, 95),
    211: (18, 19, 21, 54, 55, 56, 57),
    212: (78, 79, 80, 81, 83, 91, 104),
    213: (8, 14, 49, 65, 66, 67, 68, 69, 70, 71, 82, 105),
    215: (106, 107),
    219: (108,),
    221: (109,),
}

# The same for answers. Clients read either form from 201 on, but the newest insist on protobuf.
_ANSWER_SWITCH: Mapping[int, tuple[int, ...]] = {
    201: (3, 4, 5, 11, 53, 55),
    204: (100, 101, 102),
    205: (10, 18, 52),
    206: (1, 2, 12, 13, 21, 45, 46, 57, 58, 81),
    207: (6, 7, 8, 15, 54, 61, 62, 63, 64, 71, 72, 73, 74),
    208: (17, 50, 88, 89, 90, 96, 97, 98, 99, 108),
    209: (14, 83, 84, 85, 86, 87, 104, 105),
    210: (19, 20, 51, 94, 95),
    211: (16, 59, 91, 92, 103, 106),
    212: (75, 76, 77, 78, 79, 82, 93, 107),
    213: (9, 49, 65, 66, 67, 68, 80, 109),
    219: (110,),
    221: (111,),
}


def _since(switch: Mapping[int, tuple[int, ...]], ids: Mapping[str, int]) -> dict[str, int]:
    by_id = {message_id: version for version, members in switch.items() for message_id in members}
    return {kind: by_id[message_id] for kind, message_id in ids.items() if message_id in by_id}


@cache
def request_protobuf_since() -> Mapping[str, int]:
    """Give, by request kind, the first version at which clients send protobuf. Missing: never."""
    return _since(_REQUEST_SWITCH, REQUEST_IDS)


@cache
def answer_protobuf_since() -> Mapping[str, int]:
    """Give, by answer kind, the first version at which a gateway sends protobuf. Missing: never."""
    return _since(_ANSWER_SWITCH, ANSWER_IDS)


@cache
def request_kinds() -> Mapping[int, str]:
    """Give the request kinds by id."""
    return {message_id: kind for kind, message_id in REQUEST_IDS.items()}


@cache
def answer_kinds() -> Mapping[int, str]:
    """Give the answer kinds by id."""
    return {message_id: kind for kind, message_id in ANSWER_IDS.items()}
