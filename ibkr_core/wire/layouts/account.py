"""Accounts: executions, commissions, positions, summaries, updates, profit and loss (wire facts 6 and 8)."""

from collections.abc import Mapping

from ibkr_core.wire.layout import Const, Layout, Values, escaped, fixed, maxed, pymaxed, zero
from ibkr_core.wire.layouts.contracts import echoed_contract

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
}

EXECUTION = Layout(
    "ExecutionDetails",
    (
        fixed("-1", "reqId"),
        zero("execution.orderId"),
        *echoed_contract(),
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

ANSWERS: Mapping[str, Layout] = {
    "execDetails": EXECUTION,
    "execDetailsEnd": Layout("ExecutionDetailsEnd", (Const("1"), zero("reqId"))),
    "commissionReport": COMMISSION,
    "position": Layout(
        "Position",
        (Const("3"), zero("account"), *echoed_contract(), zero("position avgCost")),
        parts=("contract",),
    ),
    "positionEnd": Layout("PositionEnd", (Const("1"),)),
    "accountSummary": Layout(
        "AccountSummary", (Const("1"), zero("reqId"), *escaped("account tag value currency"))
    ),
    "accountSummaryEnd": Layout("AccountSummaryEnd", (Const("1"), zero("reqId"))),
}
