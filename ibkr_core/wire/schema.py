"""Names and types of every field that a message can have.

One entry per protobuf message of the protocol, the same names that the text layouts use. A type is one of
``int``, ``long`` (64 bits), ``float``, ``bool``, ``str``, ``dec`` (a quantity or an increment: text on the
wire, ``Decimal`` here), ``map`` (tag to value) or the name of another message; ``*`` marks a repeated field.
Source: the descriptors of the official client at server version 226; `TEXT_ONLY` are the fields that only
text messages carry (wire facts 7 and 8).
"""

from collections.abc import Mapping
from functools import cache

import attrs

__all__ = ["MESSAGES", "TEXT_ONLY", "FieldType", "fields_of"]


@attrs.frozen
class FieldType:
    """The type of one field.

    Attributes:
        name: ``int``, ``long``, ``float``, ``bool``, ``str``, ``dec``, ``map`` or a message name.
        repeated: True for a list.
    """

    name: str
    repeated: bool

    @property
    def is_message(self) -> bool:
        """True when the value is a nested message."""
        return self.name in MESSAGES or self.name in TEXT_ONLY


@cache
def fields_of(message: str) -> Mapping[str, FieldType]:
    """Give the fields of a message, those that only text carries included.

    Args:
        message: Name of a protobuf message, or of a text-only one.

    Raises:
        KeyError: No such message.
    """
    if message not in MESSAGES and message not in TEXT_ONLY:
        raise KeyError(message)
    table: dict[str, FieldType] = {}
    for entry in (MESSAGES.get(message, "") + " " + TEXT_ONLY.get(message, "")).split():
        name, _, kind = entry.partition(":")
        table[name] = FieldType(kind.removesuffix("*"), kind.endswith("*"))
    return table


TEXT_ONLY: Mapping[str, str] = {
    "Order": """
        eTradeOnly:bool firmQuoteOnly:bool nbboPriceCap:float auctionStrategy:int basisPoints:float
        basisPointsType:int sharesAllocation:str faProfile:str
    """,
    "HistoricalData": "startDateStr:str endDateStr:str",
    "TickEfp": """
        reqId:int tickType:int basisPoints:float formattedBasisPoints:str totalDividends:float
        holdDays:int futureLastTradeDate:str dividendImpact:float dividendsToLastTradeDate:float
    """,
    "DeltaNeutralValidation": "reqId:int deltaNeutralContract:DeltaNeutralContract",
    "VerifyAndAuthMessageApi": "apiData:str xyzChallenge:str",
    "VerifyAndAuthCompleted": "isSuccessful:bool errorText:str",
    "VerifyAndAuthRequest": "apiName:str apiVersion:str opaqueIsvKey:str",
    "VerifyAndAuthMessage": "apiData:str xyzResponse:str",
}

MESSAGES: Mapping[str, str] = {
    "AccountDataEnd": "accountName:str",
    "AccountDataRequest": "subscribe:bool acctCode:str",
    "AccountSummaryEnd": "reqId:int",
    "AccountSummaryRequest": "reqId:int group:str tags:str",
    "AccountSummary": "reqId:int account:str tag:str value:str currency:str",
    "AccountUpdateMultiEnd": "reqId:int",
    "AccountUpdateMulti": "reqId:int account:str modelCode:str key:str value:str currency:str",
    "AccountUpdateTime": "timeStamp:str",
    "AccountUpdatesMultiRequest": "reqId:int account:str modelCode:str ledgerAndNLV:bool",
    "AccountValue": "key:str value:str currency:str accountName:str",
    "AllOpenOrdersRequest": "",
    "ApiConfig": "precautions:ApiPrecautionsConfig settings:ApiSettingsConfig",
    "ApiPrecautionsConfig": """
        bypassOrderPrecautions:bool bypassBondWarning:bool bypassNegativeYieldConfirmation:bool
        bypassCalledBondWarning:bool bypassSameActionPairTradeWarning:bool
        bypassFlaggedAccountsWarning:bool bypassPriceBasedVolatilityWarning:bool
        bypassRedirectOrderWarning:bool bypassNoOverfillProtection:bool
        bypassRouteMarketableToBBO:bool
    """,
    "ApiSettingsConfig": """
        readOnlyApi:bool totalQuantityForMutualFunds:bool downloadOpenOrdersOnConnection:bool
        includeVirtualFxPositions:bool prepareDailyPnL:bool
        sendStatusUpdatesForVolatilityOrders:bool encodeApiMessages:str socketPort:int
        useNegativeAutoRange:bool createApiMessageLogFile:bool includeMarketDataInLogFile:bool
        exposeTradingScheduleToApi:bool splitInsuredDepositFromCashBalance:bool
        sendZeroPositionsForTodayOnly:bool letApiAccountRequestsSwitchSubscription:bool
        useAccountGroupsWithAllocationMethods:bool loggingLevel:str masterClientId:int
        bulkDataTimeout:int componentExchSeparator:str showForexDataIn1_10Pips:bool
        allowForexTradingIn1_10Pips:bool roundAccountValuesToNearestWholeNumber:bool
        sendMarketDataInLotsForUsStocks:bool showAdvancedOrderRejectInUi:bool
        rejectMessagesAboveMaxRate:bool maintainConnectionOnIncorrectFields:bool
        compatibilityModeNasdaqStocks:bool sendInstrumentTimezone:str
        sendForexDataInCompatibilityMode:bool maintainAndResubmitOrdersOnReconnect:bool
        historicalDataMaxSize:int autoReportNettingEventContractTrades:bool
        optionExerciseRequestType:str allowLocalhostOnly:bool trustedIPs:str*
    """,
    "AttachedOrders": "slOrderId:int slOrderType:str ptOrderId:int ptOrderType:str",
    "AutoOpenOrdersRequest": "autoBind:bool",
    "CalculateImpliedVolatilityRequest": """
        reqId:int contract:Contract optionPrice:float underPrice:float impliedVolatilityOptions:map
    """,
    "CalculateOptionPriceRequest": """
        reqId:int contract:Contract volatility:float underPrice:float optionPriceOptions:map
    """,
    "CancelAccountSummary": "reqId:int",
    "CancelAccountUpdatesMulti": "reqId:int",
    "CancelCalculateImpliedVolatility": "reqId:int",
    "CancelCalculateOptionPrice": "reqId:int",
    "CancelContractData": "reqId:int",
    # The fundamental-data messages ended with the clients after 10.46; older ones still speak them.
    "CancelFundamentalsData": "reqId:int",
    "FundamentalsData": "reqId:int data:str",
    "FundamentalsDataRequest": "reqId:int contract:Contract reportType:str fundamentalsDataOptions:map",
    "CancelHeadTimestamp": "reqId:int",
    "CancelHistogramData": "reqId:int",
    "CancelHistoricalData": "reqId:int",
    "CancelHistoricalTicks": "reqId:int",
    "CancelMarketData": "reqId:int",
    "CancelMarketDepth": "reqId:int isSmartDepth:bool",
    "CancelNewsBulletins": "",
    "CancelOrderRequest": "orderId:int orderCancel:OrderCancel",
    "CancelPnLSingle": "reqId:int",
    "CancelPnL": "reqId:int",
    "CancelPositionsMulti": "reqId:int",
    "CancelPositions": "",
    "CancelRealTimeBars": "reqId:int",
    "CancelScannerSubscription": "reqId:int",
    "CancelTickByTick": "reqId:int",
    "CancelWshEventData": "reqId:int",
    "CancelWshMetaData": "reqId:int",
    "ComboLeg": """
        conId:int ratio:int action:str exchange:str openClose:int shortSalesSlot:int
        designatedLocation:str exemptCode:int perLegPrice:float
    """,
    "CommissionAndFeesReport": """
        execId:str commissionAndFees:float currency:str realizedPNL:float bondYield:float
        yieldRedemptionDate:str
    """,
    "CompletedOrder": "contract:Contract order:Order orderState:OrderState",
    "CompletedOrdersEnd": "",
    "CompletedOrdersRequest": "apiOnly:bool",
    "ConfigRequest": "reqId:int",
    "ConfigResponse": """
        reqId:int lockAndExit:LockAndExitConfig messages:MessageConfig* api:ApiConfig
        orders:OrdersConfig
    """,
    "ContractDataEnd": "reqId:int",
    "ContractDataRequest": "reqId:int contract:Contract",
    "ContractData": "reqId:int contract:Contract contractDetails:ContractDetails",
    "ContractDescription": "contract:Contract derivativeSecTypes:str*",
    "ContractDetails": """
        marketName:str minTick:dec orderTypes:str validExchanges:str priceMagnifier:int
        underConId:int longName:str contractMonth:str industry:str category:str subcategory:str
        timeZoneId:str tradingHours:str liquidHours:str evRule:str evMultiplier:float secIdList:map
        aggGroup:int underSymbol:str underSecType:str marketRuleIds:str realExpirationDate:str
        stockType:str minSize:dec sizeIncrement:dec suggestedSizeIncrement:dec fundName:str
        fundFamily:str fundType:str fundFrontLoad:str fundBackLoad:str fundBackLoadTimeInterval:str
        fundManagementFee:str fundClosed:bool fundClosedForNewInvestors:bool
        fundClosedForNewMoney:bool fundNotifyAmount:str fundMinimumInitialPurchase:str
        fundMinimumSubsequentPurchase:str fundBlueSkyStates:str fundBlueSkyTerritories:str
        fundDistributionPolicyIndicator:str fundAssetType:str cusip:str issueDate:str ratings:str
        bondType:str coupon:float couponType:str convertible:bool callable:bool puttable:bool
        descAppend:str nextOptionDate:str nextOptionType:str nextOptionPartial:bool bondNotes:str
        ineligibilityReasonList:IneligibilityReason* eventContract1:str
        eventContractDescription1:str eventContractDescription2:str minAlgoSize:dec
        lastPricePrecision:dec lastSizePrecision:dec settlementMethod:str
    """,
    "Contract": """
        conId:int symbol:str secType:str lastTradeDateOrContractMonth:str strike:float right:str
        multiplier:float exchange:str primaryExch:str currency:str localSymbol:str tradingClass:str
        secIdType:str secId:str description:str issuerId:str
        deltaNeutralContract:DeltaNeutralContract includeExpired:bool comboLegsDescrip:str
        comboLegs:ComboLeg* lastTradeDate:str
    """,
    "CurrentTimeInMillisRequest": "",
    "CurrentTimeInMillis": "currentTimeInMillis:long",
    "CurrentTimeRequest": "",
    "CurrentTime": "currentTime:long",
    "DeltaNeutralContract": "conId:int delta:float price:float",
    "DepthMarketDataDescription": """
        exchange:str secType:str listingExch:str serviceDataType:str aggGroup:int
    """,
    "DisplayGroupList": "reqId:int groups:str",
    "DisplayGroupUpdated": "reqId:int contractInfo:str",
    "ErrorMessage": "id:int errorTime:long errorCode:int errorMsg:str advancedOrderRejectJson:str",
    "ExecutionDetailsEnd": "reqId:int",
    "ExecutionDetails": "reqId:int contract:Contract execution:Execution",
    "ExecutionFilter": """
        clientId:int acctCode:str time:str symbol:str secType:str exchange:str side:str
        lastNDays:int specificDates:int*
    """,
    "ExecutionRequest": "reqId:int executionFilter:ExecutionFilter",
    "Execution": """
        orderId:int execId:str time:str acctNumber:str exchange:str side:str shares:dec price:float
        permId:long clientId:int isLiquidation:bool cumQty:dec avgPrice:float orderRef:str
        evRule:str evMultiplier:float modelCode:str lastLiquidity:int isPriceRevisionPending:bool
        submitter:str optExerciseOrLapseType:int
    """,
    "ExerciseOptionsRequest": """
        orderId:int contract:Contract exerciseAction:int exerciseQuantity:int account:str
        override:bool manualOrderTime:str customerAccount:str professionalCustomer:bool
    """,
    "FAReplace": "reqId:int faDataType:int xml:str",
    "FARequest": "faDataType:int",
    "FamilyCode": "accountId:str familyCode:str",
    "FamilyCodesRequest": "",
    "FamilyCodes": "familyCodes:FamilyCode*",
    "GlobalCancelRequest": "orderCancel:OrderCancel",
    "HeadTimestampRequest": "reqId:int contract:Contract useRTH:bool whatToShow:str formatDate:int",
    "HeadTimestamp": "reqId:int headTimestamp:str",
    "HistogramDataEntry": "price:float size:dec",
    "HistogramDataRequest": "reqId:int contract:Contract useRTH:bool timePeriod:str",
    "HistogramData": "reqId:int histogramDataEntries:HistogramDataEntry*",
    "HistoricalDataBar": """
        date:str open:float high:float low:float close:float volume:dec WAP:dec barCount:int
    """,
    "HistoricalDataEnd": "reqId:int startDateStr:str endDateStr:str",
    "HistoricalDataRequest": """
        reqId:int contract:Contract endDateTime:str barSizeSetting:str duration:str useRTH:bool
        whatToShow:str formatDate:int keepUpToDate:bool chartOptions:map
    """,
    "HistoricalDataUpdate": "reqId:int historicalDataBar:HistoricalDataBar",
    "HistoricalData": "reqId:int historicalDataBars:HistoricalDataBar*",
    "HistoricalNewsEnd": "reqId:int hasMore:bool",
    "HistoricalNewsRequest": """
        reqId:int conId:int providerCodes:str startDateTime:str endDateTime:str totalResults:int
        historicalNewsOptions:map
    """,
    "HistoricalNews": "reqId:int time:str providerCode:str articleId:str headline:str",
    "HistoricalSchedule": """
        reqId:int startDateTime:str endDateTime:str timeZone:str
        historicalSessions:HistoricalSession*
    """,
    "HistoricalSession": "startDateTime:str endDateTime:str refDate:str",
    "HistoricalTickBidAsk": """
        time:long tickAttribBidAsk:TickAttribBidAsk priceBid:float priceAsk:float sizeBid:dec
        sizeAsk:dec
    """,
    "HistoricalTickLast": """
        time:long tickAttribLast:TickAttribLast price:float size:dec exchange:str
        specialConditions:str
    """,
    "HistoricalTick": "time:long price:float size:dec",
    "HistoricalTicksBidAsk": "reqId:int historicalTicksBidAsk:HistoricalTickBidAsk* isDone:bool",
    "HistoricalTicksLast": "reqId:int historicalTicksLast:HistoricalTickLast* isDone:bool",
    "HistoricalTicksRequest": """
        reqId:int contract:Contract startDateTime:str endDateTime:str numberOfTicks:int
        whatToShow:str useRTH:bool ignoreSize:bool miscOptions:map
    """,
    "HistoricalTicks": "reqId:int historicalTicks:HistoricalTick* isDone:bool",
    "IdsRequest": "numIds:int",
    "IneligibilityReason": "id:str description:str",
    "LockAndExitConfig": "autoLogoffTime:str autoLogoffPeriod:str autoLogoffType:str",
    "ManagedAccountsRequest": "",
    "ManagedAccounts": "accountsList:str",
    "MarketDataRequest": """
        reqId:int contract:Contract genericTickList:str snapshot:bool regulatorySnapshot:bool
        marketDataOptions:map
    """,
    "MarketDataTypeRequest": "marketDataType:int",
    "MarketDataType": "reqId:int marketDataType:int",
    "MarketDepthData": """
        position:int operation:int side:int price:float size:dec marketMaker:str isSmartDepth:bool
    """,
    "MarketDepthExchangesRequest": "",
    "MarketDepthExchanges": "depthMarketDataDescriptions:DepthMarketDataDescription*",
    "MarketDepthL2": "reqId:int marketDepthData:MarketDepthData",
    "MarketDepthRequest": """
        reqId:int contract:Contract numRows:int isSmartDepth:bool marketDepthOptions:map
    """,
    "MarketDepth": "reqId:int marketDepthData:MarketDepthData",
    "MarketRuleRequest": "marketRuleId:int",
    "MarketRule": "marketRuleId:int priceIncrements:PriceIncrement*",
    "MatchingSymbolsRequest": "reqId:int pattern:str",
    "MessageConfig": "id:int title:str message:str defaultAction:str enabled:bool",
    "NewsArticleRequest": "reqId:int providerCode:str articleId:str newsArticleOptions:map",
    "NewsArticle": "reqId:int articleType:int articleText:str",
    "NewsBulletin": "newsMsgId:int newsMsgType:int newsMessage:str originatingExch:str",
    "NewsBulletinsRequest": "allMessages:bool",
    "NewsProvider": "providerCode:str providerName:str",
    "NewsProvidersRequest": "",
    "NewsProviders": "newsProviders:NewsProvider*",
    "NextValidId": "orderId:int",
    "OpenOrder": "orderId:int contract:Contract order:Order orderState:OrderState",
    "OpenOrdersEnd": "",
    "OpenOrdersRequest": "",
    "OrderAllocation": """
        account:str position:dec positionDesired:dec positionAfter:dec desiredAllocQty:dec
        allowedAllocQty:dec isMonetary:bool
    """,
    "OrderBound": "permId:long clientId:int orderId:int",
    "OrderCancel": "manualOrderCancelTime:str extOperator:str manualOrderIndicator:int",
    "OrderCondition": """
        type:int isConjunctionConnection:bool isMore:bool conId:int exchange:str symbol:str
        secType:str percent:int changePercent:float price:float triggerMethod:int time:str
        volume:int
    """,
    "OrderState": """
        status:str initMarginBefore:float maintMarginBefore:float equityWithLoanBefore:float
        initMarginChange:float maintMarginChange:float equityWithLoanChange:float
        initMarginAfter:float maintMarginAfter:float equityWithLoanAfter:float
        commissionAndFees:float minCommissionAndFees:float maxCommissionAndFees:float
        commissionAndFeesCurrency:str marginCurrency:str initMarginBeforeOutsideRTH:float
        maintMarginBeforeOutsideRTH:float equityWithLoanBeforeOutsideRTH:float
        initMarginChangeOutsideRTH:float maintMarginChangeOutsideRTH:float
        equityWithLoanChangeOutsideRTH:float initMarginAfterOutsideRTH:float
        maintMarginAfterOutsideRTH:float equityWithLoanAfterOutsideRTH:float suggestedSize:dec
        rejectReason:str orderAllocations:OrderAllocation* warningText:str completedTime:str
        completedStatus:str
    """,
    "OrderStatus": """
        orderId:int status:str filled:dec remaining:dec avgFillPrice:float permId:long parentId:int
        lastFillPrice:float clientId:int whyHeld:str mktCapPrice:float
    """,
    "Order": """
        clientId:int orderId:int permId:long parentId:int action:str totalQuantity:dec
        displaySize:int orderType:str lmtPrice:float auxPrice:float tif:str account:str
        settlingFirm:str clearingAccount:str clearingIntent:str allOrNone:bool blockOrder:bool
        hidden:bool outsideRth:bool sweepToFill:bool percentOffset:float trailingPercent:float
        trailStopPrice:float minQty:int goodAfterTime:str goodTillDate:str ocaGroup:str orderRef:str
        rule80A:str ocaType:int triggerMethod:int activeStartTime:str activeStopTime:str faGroup:str
        faMethod:str faPercentage:str volatility:float volatilityType:int continuousUpdate:bool
        referencePriceType:int deltaNeutralOrderType:str deltaNeutralAuxPrice:float
        deltaNeutralConId:int deltaNeutralOpenClose:str deltaNeutralShortSale:bool
        deltaNeutralShortSaleSlot:int deltaNeutralDesignatedLocation:str scaleInitLevelSize:int
        scaleSubsLevelSize:int scalePriceIncrement:float scalePriceAdjustValue:float
        scalePriceAdjustInterval:int scaleProfitOffset:float scaleAutoReset:bool
        scaleInitPosition:int scaleInitFillQty:int scaleRandomPercent:bool scaleTable:str
        hedgeType:str hedgeParam:str algoStrategy:str algoParams:map algoId:str
        smartComboRoutingParams:map whatIf:bool transmit:bool overridePercentageConstraints:bool
        openClose:str origin:int shortSaleSlot:int designatedLocation:str exemptCode:int
        deltaNeutralSettlingFirm:str deltaNeutralClearingAccount:str deltaNeutralClearingIntent:str
        discretionaryAmt:float optOutSmartRouting:bool startingPrice:float stockRefPrice:float
        delta:float stockRangeLower:float stockRangeUpper:float notHeld:bool orderMiscOptions:map
        solicited:bool randomizeSize:bool randomizePrice:bool referenceContractId:int
        peggedChangeAmount:float isPeggedChangeAmountDecrease:bool referenceChangeAmount:float
        referenceExchangeId:str adjustedOrderType:str triggerPrice:float adjustedStopPrice:float
        adjustedStopLimitPrice:float adjustedTrailingAmount:float adjustableTrailingUnit:int
        lmtPriceOffset:float conditions:OrderCondition* conditionsCancelOrder:bool
        conditionsIgnoreRth:bool modelCode:str extOperator:str softDollarTier:SoftDollarTier
        cashQty:float mifid2DecisionMaker:str mifid2DecisionAlgo:str mifid2ExecutionTrader:str
        mifid2ExecutionAlgo:str dontUseAutoPriceForHedge:bool isOmsContainer:bool
        discretionaryUpToLimitPrice:bool autoCancelDate:str filledQuantity:dec refFuturesConId:int
        autoCancelParent:bool shareholder:str imbalanceOnly:bool routeMarketableToBbo:int
        parentPermId:long usePriceMgmtAlgo:int duration:int postToAts:int advancedErrorOverride:str
        manualOrderTime:str minTradeQty:int minCompeteSize:int competeAgainstBestOffset:float
        midOffsetAtWhole:float midOffsetAtHalf:float customerAccount:str professionalCustomer:bool
        bondAccruedInterest:str includeOvernight:bool manualOrderIndicator:int submitter:str
        deactivate:bool postOnly:bool allowPreOpen:bool ignoreOpenAuction:bool
        seekPriceImprovement:int whatIfType:int hedgeMaxSize:int conditionsIncludeOvernight:bool
    """,
    "OrdersConfig": "smartRouting:OrdersSmartRoutingConfig",
    "OrdersSmartRoutingConfig": """
        seekPriceImprovement:bool preOpenReroute:bool doNotRouteToDarkPools:bool
        defaultAlgorithm:str
    """,
    "PlaceOrderRequest": "orderId:int contract:Contract order:Order attachedOrders:AttachedOrders",
    "PnLRequest": "reqId:int account:str modelCode:str",
    "PnLSingleRequest": "reqId:int account:str modelCode:str conId:int",
    "PnLSingle": """
        reqId:int position:dec dailyPnL:float unrealizedPnL:float realizedPnL:float value:float
    """,
    "PnL": "reqId:int dailyPnL:float unrealizedPnL:float realizedPnL:float",
    "PortfolioValue": """
        contract:Contract position:dec marketPrice:float marketValue:float averageCost:float
        unrealizedPNL:float realizedPNL:float accountName:str
    """,
    "PositionEnd": "",
    "PositionMultiEnd": "reqId:int",
    "PositionMulti": "reqId:int account:str contract:Contract position:dec avgCost:float modelCode:str",
    "Position": "account:str contract:Contract position:dec avgCost:float",
    "PositionsMultiRequest": "reqId:int account:str modelCode:str",
    "PositionsRequest": "",
    "PriceIncrement": "lowEdge:float increment:float",
    "QueryDisplayGroupsRequest": "reqId:int",
    "RealTimeBarTick": """
        reqId:int time:long open:float high:float low:float close:float volume:dec WAP:dec count:int
    """,
    "RealTimeBarsRequest": """
        reqId:int contract:Contract barSize:int whatToShow:str useRTH:bool realTimeBarsOptions:map
    """,
    "ReceiveFA": "faDataType:int xml:str",
    "ReplaceFAEnd": "reqId:int text:str",
    "RerouteMarketDataRequest": "reqId:int conId:int exchange:str",
    "RerouteMarketDepthRequest": "reqId:int conId:int exchange:str",
    "ScannerDataElement": """
        rank:int contract:Contract marketName:str distance:str benchmark:str projection:str
        comboKey:str
    """,
    "ScannerData": "reqId:int scannerDataElement:ScannerDataElement*",
    "ScannerParametersRequest": "",
    "ScannerParameters": "xml:str",
    "ScannerSubscriptionRequest": "reqId:int scannerSubscription:ScannerSubscription",
    "ScannerSubscription": """
        numberOfRows:int instrument:str locationCode:str scanCode:str abovePrice:float
        belowPrice:float aboveVolume:long marketCapAbove:float marketCapBelow:float
        moodyRatingAbove:str moodyRatingBelow:str spRatingAbove:str spRatingBelow:str
        maturityDateAbove:str maturityDateBelow:str couponRateAbove:float couponRateBelow:float
        excludeConvertible:bool averageOptionVolumeAbove:long scannerSettingPairs:str
        stockTypeFilter:str scannerSubscriptionFilterOptions:map scannerSubscriptionOptions:map
    """,
    "SecDefOptParameterEnd": "reqId:int",
    "SecDefOptParameter": """
        reqId:int exchange:str underlyingConId:int tradingClass:str multiplier:str expirations:str*
        strikes:float*
    """,
    "SecDefOptParamsRequest": """
        reqId:int underlyingSymbol:str futFopExchange:str underlyingSecType:str underlyingConId:int
    """,
    "SetServerLogLevelRequest": "logLevel:int",
    "SmartComponent": "bitNumber:int exchange:str exchangeLetter:str",
    "SmartComponentsRequest": "reqId:int bboExchange:str",
    "SmartComponents": "reqId:int smartComponents:SmartComponent*",
    "SoftDollarTier": "name:str value:str displayName:str",
    "SoftDollarTiersRequest": "reqId:int",
    "SoftDollarTiers": "reqId:int softDollarTiers:SoftDollarTier*",
    "StartApiRequest": "clientId:int optionalCapabilities:str",
    "SubscribeToGroupEventsRequest": "reqId:int groupId:int",
    "SymbolSamples": "reqId:int contractDescriptions:ContractDescription*",
    "TickAttribBidAsk": "bidPastLow:bool askPastHigh:bool",
    "TickAttribLast": "pastLimit:bool unreported:bool",
    "TickByTickData": """
        reqId:int tickType:int historicalTickLast:HistoricalTickLast
        historicalTickBidAsk:HistoricalTickBidAsk historicalTickMidPoint:HistoricalTick
    """,
    "TickByTickRequest": "reqId:int contract:Contract tickType:str numberOfTicks:int ignoreSize:bool",
    "TickGeneric": "reqId:int tickType:int value:float",
    "TickNews": "reqId:int timestamp:long providerCode:str articleId:str headline:str extraData:str",
    "TickOptionComputation": """
        reqId:int tickType:int tickAttrib:int impliedVol:float delta:float optPrice:float
        pvDividend:float gamma:float vega:float theta:float undPrice:float
    """,
    "TickPrice": "reqId:int tickType:int price:float size:dec attrMask:int",
    "TickReqParams": """
        reqId:int minTick:dec bboExchange:str snapshotPermissions:int lastPricePrecision:dec
        lastSizePrecision:dec
    """,
    "TickSize": "reqId:int tickType:int size:dec",
    "TickSnapshotEnd": "reqId:int",
    "TickString": "reqId:int tickType:int value:str",
    "UnsubscribeFromGroupEventsRequest": "reqId:int",
    "UpdateConfigRequest": """
        reqId:int lockAndExit:LockAndExitConfig messages:MessageConfig* api:ApiConfig
        orders:OrdersConfig acceptedWarnings:UpdateConfigWarning* resetAPIOrderSequence:bool
    """,
    "UpdateConfigResponse": """
        reqId:int status:str message:str changedFields:str* errors:str*
        warnings:UpdateConfigWarning*
    """,
    "UpdateConfigWarning": "messageId:int title:str message:str",
    "UpdateDisplayGroupRequest": "reqId:int contractInfo:str",
    "UserInfoRequest": "reqId:int",
    "UserInfo": "reqId:int whiteBrandingId:str",
    "VerifyCompleted": "isSuccessful:bool errorText:str",
    "VerifyMessageApi": "apiData:str",
    "VerifyMessageRequest": "apiData:str",
    "VerifyRequest": "apiName:str apiVersion:str",
    "WshEventDataRequest": """
        reqId:int conId:int filter:str fillWatchlist:bool fillPortfolio:bool fillCompetitors:bool
        startDate:str endDate:str totalLimit:int
    """,
    "WshEventData": "reqId:int dataJson:str",
    "WshMetaDataRequest": "reqId:int",
    "WshMetaData": "reqId:int dataJson:str",
}
