"""Makes facts from recorded callbacks: official callback names with their arguments as plain JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from ibkr_core.model import facts
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import BrokerOrder

__all__ = ["fact_from_callback", "read_contract", "read_decimal"]

_UNSET_DOUBLE: Final = Decimal("1.7976931348623157E+308")
_UNSET_DECIMAL: Final = Decimal(2**127 - 1)
_UNSET_WHOLE: Final = (2**31 - 1, 2**63 - 1)


def read_decimal(value: object) -> Decimal | None:
    """Read a number; null, the unset sentinels of TWS facts 8, and what is not finite are None."""
    if value is None or value == "":
        return None
    number = Decimal(str(value))
    is_set = number.is_finite() and number < _UNSET_DOUBLE and number != _UNSET_DECIMAL
    return number if is_set else None


def _text(value: object) -> str:
    return "" if value is None else str(value)


def _int(value: object) -> int | None:
    if value is None or value == "":
        return None
    number = int(str(value))
    return None if number in _UNSET_WHOLE else number


def read_contract(fields: Mapping[str, Any] | None) -> Contract | None:
    """Read a contract from official field names; None when nothing of it is shown."""
    if not fields or all(value is None for value in fields.values()):
        return None
    return Contract(
        con_id=_int(fields.get("conId")) or 0,
        symbol=_text(fields.get("symbol")),
        sec_type=_text(fields.get("secType")),
        expiry=_text(fields.get("lastTradeDateOrContractMonth")),
        strike=read_decimal(fields.get("strike")) or None,
        right=_text(fields.get("right")),
        multiplier=_text(fields.get("multiplier")),
        exchange=_text(fields.get("exchange")),
        primary_exchange=_text(fields.get("primaryExchange")),
        currency=_text(fields.get("currency")),
        local_symbol=_text(fields.get("localSymbol")),
        trading_class=_text(fields.get("tradingClass")),
    )


def _broker_order(fields: Mapping[str, Any], order_id: object) -> BrokerOrder:
    return BrokerOrder(
        order_id=_int(order_id if order_id is not None else fields.get("orderId")),
        client_id=_int(fields.get("clientId")),
        perm_id=_int(fields.get("permId")) or None,
        action=_text(fields.get("action")),
        total_quantity=read_decimal(fields.get("totalQuantity")),
        filled_quantity=read_decimal(fields.get("filledQuantity")),
        order_type=_text(fields.get("orderType")),
        limit_price=read_decimal(fields.get("lmtPrice")),
        aux_price=read_decimal(fields.get("auxPrice")),
        trail_stop_price=read_decimal(fields.get("trailStopPrice")),
        trailing_percent=read_decimal(fields.get("trailingPercent")),
        tif=_text(fields.get("tif")),
        account=_text(fields.get("account")),
        order_ref=_text(fields.get("orderRef")),
        oca_group=_text(fields.get("ocaGroup")),
        oca_type=_int(fields.get("ocaType")),
        parent_id=_int(fields.get("parentId")),
        outside_rth=fields.get("outsideRth"),
        what_if=bool(fields.get("whatIf")),
    )


def _commission(state: Mapping[str, Any]) -> tuple[Decimal | None, str]:
    amount = read_decimal(state.get("commissionAndFees", state.get("commission")))
    return amount, _text(state.get("commissionAndFeesCurrency", state.get("commissionCurrency")))


def _margin(state: Mapping[str, Any]) -> facts.WhatIfMargin:
    amount, currency = _commission(state)
    return facts.WhatIfMargin(
        initial_before=read_decimal(state.get("initMarginBefore")),
        initial_change=read_decimal(state.get("initMarginChange")),
        initial_after=read_decimal(state.get("initMarginAfter")),
        maintenance_before=read_decimal(state.get("maintMarginBefore")),
        maintenance_change=read_decimal(state.get("maintMarginChange")),
        maintenance_after=read_decimal(state.get("maintMarginAfter")),
        equity_before=read_decimal(state.get("equityWithLoanBefore")),
        equity_change=read_decimal(state.get("equityWithLoanChange")),
        equity_after=read_decimal(state.get("equityWithLoanAfter")),
        commission=amount,
        min_commission=read_decimal(state.get("minCommissionAndFees", state.get("minCommission"))),
        max_commission=read_decimal(state.get("maxCommissionAndFees", state.get("maxCommission"))),
        commission_currency=currency,
        warning=_text(state.get("warningText")),
    )


def _order_status(event: Mapping[str, Any]) -> facts.StatusFact:
    return facts.StatusFact(
        order_id=_int(event.get("orderId")),
        status=_text(event.get("status")),
        filled=read_decimal(event.get("filled")),
        remaining=read_decimal(event.get("remaining")),
        avg_fill_price=read_decimal(event.get("avgFillPrice")),
        perm_id=_int(event.get("permId")) or None,
        parent_id=_int(event.get("parentId")),
        last_fill_price=read_decimal(event.get("lastFillPrice")),
        client_id=_int(event.get("clientId")),
        why_held=_text(event.get("whyHeld")),
    )


def _open_order(event: Mapping[str, Any]) -> facts.OpenOrderFact:
    state = event.get("orderState") or {}
    amount, currency = _commission(state)
    order = _broker_order(event.get("order") or {}, event.get("orderId"))
    return facts.OpenOrderFact(
        order=order,
        contract=read_contract(event.get("contract")),
        status=_text(state.get("status")),
        reject_reason=_text(state.get("rejectReason")),
        warning=_text(state.get("warningText")),
        commission=amount,
        commission_currency=currency,
        completed_status=_text(state.get("completedStatus")),
        margin=_margin(state) if order.what_if else None,
    )


def _completed_order(event: Mapping[str, Any]) -> facts.CompletedOrderFact:
    state = event.get("orderState") or {}
    amount, currency = _commission(state)
    return facts.CompletedOrderFact(
        order=_broker_order(event.get("order") or {}, None),
        contract=read_contract(event.get("contract")),
        status=_text(state.get("status")),
        completed_time=_text(state.get("completedTime")),
        completed_status=_text(state.get("completedStatus")),
        reject_reason=_text(state.get("rejectReason")),
        commission=amount,
        commission_currency=currency,
    )


def _execution(event: Mapping[str, Any]) -> facts.ExecutionFact:
    execution = event["execution"]
    request_id = _int(event.get("reqId"))
    return facts.ExecutionFact(
        request_id=-1 if request_id is None else request_id,
        exec_id=_text(execution.get("execId")),
        order_id=_int(execution.get("orderId")),
        client_id=_int(execution.get("clientId")),
        perm_id=_int(execution.get("permId")) or None,
        contract=read_contract(event.get("contract")),
        time=_text(execution.get("time")),
        account=_text(execution.get("acctNumber")),
        exchange=_text(execution.get("exchange")),
        side=_text(execution.get("side")),
        shares=read_decimal(execution.get("shares")) or Decimal(0),
        price=read_decimal(execution.get("price")) or Decimal(0),
        cum_quantity=read_decimal(execution.get("cumQty")),
        avg_price=read_decimal(execution.get("avgPrice")),
        order_ref=_text(execution.get("orderRef")),
        liquidity=_int(execution.get("lastLiquidity")),
        pending_price_revision=bool(execution.get("pendingPriceRevision")),
    )


def _commission_report(event: Mapping[str, Any]) -> facts.CommissionFact:
    report = event["commissionReport"]
    return facts.CommissionFact(
        exec_id=_text(report.get("execId")),
        commission=read_decimal(report.get("commission", report.get("commissionAndFees"))),
        currency=_text(report.get("currency")),
        realized_pnl=read_decimal(report.get("realizedPNL")),
    )


def _error(event: Mapping[str, Any]) -> facts.ErrorFact:
    request_id = _int(event.get("reqId"))
    return facts.ErrorFact(
        request_id=-1 if request_id is None else request_id,
        code=_int(event.get("errorCode")) or 0,
        message=_text(event.get("errorString")),
        advanced_reject=_text(event.get("advancedOrderRejectJson")),
    )


def _order_bound(event: Mapping[str, Any]) -> facts.OrderBoundFact:
    return facts.OrderBoundFact(
        perm_id=_int(event.get("permId")) or 0,
        client_id=_int(event.get("clientId")) or 0,
        order_id=_int(event.get("orderId")) or 0,
    )


_READERS: Final[Mapping[str, Callable[[Mapping[str, Any]], facts.BrokerFact]]] = {
    "orderStatus": _order_status,
    "openOrder": _open_order,
    "completedOrder": _completed_order,
    "execDetails": _execution,
    "commissionReport": _commission_report,
    "error": _error,
    "orderBound": _order_bound,
}


def fact_from_callback(event: Mapping[str, Any]) -> facts.BrokerFact | None:
    """Make the fact that a recorded callback is; None for callbacks that are about no order."""
    reader = _READERS.get(event["cb"])
    return reader(event) if reader is not None else None
