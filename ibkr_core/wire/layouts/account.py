"""Accounts: executions, commissions, positions, summaries, updates, profit and loss (wire facts 6 and 8)."""

from collections.abc import Mapping

from ibkr_core.wire.layout import Const, Layout, Values, escaped, fixed, maxed, pymaxed, zero
from ibkr_core.wire.layouts.contracts import ECHOED_CONTRACT, MULTIPLIER

__all__ = ["ANSWERS", "REQUESTS"]

EXECUTIONS = Layout(
    "ExecutionRequest",
    (
        Const("3"),
        pymaxed("reqId"),
        pymaxed("executionFilter.clientId executionFilter.acctCode executionFilter.time"),
        pymaxed(
            "executionFilter.symbol executionFilter.secType executionFilter.exchange executionFilter.side"
        ),
        pymaxed("executionFilter.lastNDays", since=200),
        Values("executionFilter.specificDates", since=200),
    ),
    parts=("executionFilter",),
)

REQUESTS: Mapping[str, Layout] = {
    "reqExecutions": EXECUTIONS,
    "reqPositions": Layout("PositionsRequest", (Const("1"),)),
    "cancelPositions": Layout("CancelPositions", (Const("1"),)),
    "reqAccountSummary": Layout("AccountSummaryRequest", (Const("1"), zero("reqId group tags"))),
    "cancelAccountSummary": Layout("CancelAccountSummary", (Const("1"), zero("reqId"))),
    "reqAccountUpdates": Layout("AccountDataRequest", (Const("2"), zero("subscribe acctCode"))),
    "reqPositionsMulti": Layout("PositionsMultiRequest", (Const("1"), zero("reqId account modelCode"))),
    "cancelPositionsMulti": Layout("CancelPositionsMulti", (Const("1"), zero("reqId"))),
    "reqAccountUpdatesMulti": Layout(
        "AccountUpdatesMultiRequest", (Const("1"), zero("reqId account modelCode ledgerAndNLV"))
    ),
    "cancelAccountUpdatesMulti": Layout("CancelAccountUpdatesMulti", (Const("1"), zero("reqId"))),
    "reqPnL": Layout("PnLRequest", (zero("reqId account modelCode"),)),
    "cancelPnL": Layout("CancelPnL", (zero("reqId"),)),
    "reqPnLSingle": Layout("PnLSingleRequest", (zero("reqId account modelCode conId"),)),
    "cancelPnLSingle": Layout("CancelPnLSingle", (zero("reqId"),)),
}

EXECUTION = Layout(
    "ExecutionDetails",
    (
        fixed("-1", "reqId"),
        zero("execution.orderId"),
        *ECHOED_CONTRACT,
        zero("execution.execId execution.time execution.acctNumber execution.exchange execution.side"),
        zero("execution.shares execution.price execution.permId execution.clientId execution.isLiquidation"),
        zero("execution.cumQty execution.avgPrice execution.orderRef execution.evRule"),
        zero("execution.evMultiplier execution.modelCode execution.lastLiquidity"),
        zero("execution.isPriceRevisionPending", since=178),
        zero("execution.submitter", since=198),
    ),
    parts=("contract", "execution"),
)

COMMISSION = Layout(
    "CommissionAndFeesReport",
    (
        Const("1"),
        zero("execId commissionAndFees currency"),
        maxed("realizedPNL bondYield"),
        zero("yieldRedemptionDate"),
    ),
)

PORTFOLIO = Layout(
    "PortfolioValue",
    (
        Const("8"),
        zero("contract.conId contract.symbol contract.secType contract.lastTradeDateOrContractMonth"),
        zero("contract.strike contract.right"),
        MULTIPLIER,
        zero("contract.primaryExch contract.currency contract.localSymbol contract.tradingClass"),
        zero("position marketPrice marketValue averageCost unrealizedPNL realizedPNL accountName"),
    ),
    parts=("contract",),
)

ANSWERS: Mapping[str, Layout] = {
    "execDetails": EXECUTION,
    "execDetailsEnd": Layout("ExecutionDetailsEnd", (Const("1"), zero("reqId"))),
    "commissionReport": COMMISSION,
    "position": Layout(
        "Position",
        (Const("3"), zero("account"), *ECHOED_CONTRACT, zero("position avgCost")),
        parts=("contract",),
    ),
    "positionEnd": Layout("PositionEnd", (Const("1"),)),
    "accountSummary": Layout(
        "AccountSummary", (Const("1"), zero("reqId"), *escaped("account tag value currency"))
    ),
    "accountSummaryEnd": Layout("AccountSummaryEnd", (Const("1"), zero("reqId"))),
    "updateAccountValue": Layout("AccountValue", (Const("2"), *escaped("key value currency accountName"))),
    "updatePortfolio": PORTFOLIO,
    "updateAccountTime": Layout("AccountUpdateTime", (Const("1"), *escaped("timeStamp"))),
    "accountDownloadEnd": Layout("AccountDataEnd", (Const("1"), *escaped("accountName"))),
    "positionMulti": Layout(
        "PositionMulti",
        (Const("1"), zero("reqId account"), *ECHOED_CONTRACT, zero("position avgCost modelCode")),
        parts=("contract",),
    ),
    "positionMultiEnd": Layout("PositionMultiEnd", (Const("1"), zero("reqId"))),
    "accountUpdateMulti": Layout(
        "AccountUpdateMulti", (Const("1"), zero("reqId"), *escaped("account modelCode key value currency"))
    ),
    "accountUpdateMultiEnd": Layout("AccountUpdateMultiEnd", (Const("1"), zero("reqId"))),
    "pnl": Layout("PnL", (zero("reqId"), maxed("dailyPnL unrealizedPnL realizedPnL"))),
    "pnlSingle": Layout(
        "PnLSingle", (zero("reqId position"), maxed("dailyPnL unrealizedPnL realizedPnL value"))
    ),
}
