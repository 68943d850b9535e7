"""From the gateway's own values to the messages that it sends.

One function per answer. Fields carry the official names; what is absent here is unset, and the encoder puts
on the wire what a real gateway sends there (wire facts 8).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway.account import Position
from ibkr_core.gateway.clock import eastern_text
from ibkr_core.gateway.echoes import Echoes
from ibkr_core.gateway.orders import Execution, GatewayOrder
from ibkr_core.wire.message import Message

__all__ = [
    "commission_report",
    "completed_order",
    "error",
    "exec_details",
    "held_until_opening",
    "open_order",
    "order_status",
    "position",
]

LIVE_REQUEST = -1
"""``reqId`` of an execution that nobody asked for (wire facts 8)."""

OUTSIDE_IGNORED = (
    "Order Event Warning: Attribute 'Outside Regular Trading Hours' is ignored based on the order type and "
    "destination. PlaceOrder is now processed."
)
"""Text of warning 2109."""

BEING_LOCATED = (
    "Order held while securities are located: shares for this order are not immediately available for short "
    "sale. The order will be held while we attempt to locate the shares."
)
"""Text of warning 404."""

_PRICE_STEP = Decimal("0.00000001")
_NOT_ECHOED = frozenset({"transmit", "whatIf"})


def _number(value: Decimal) -> float:
    return float(value.quantize(_PRICE_STEP)) if value else 0.0


def error(subject: int, code: int, text: str, now: float) -> Message:
    """``error``: about an order or a request, or about nothing in particular when ``subject`` is -1."""
    return Message(
        "error", {"id": subject, "errorTime": int(now * 1000), "errorCode": code, "errorMsg": text}
    )


def held_until_opening(order: GatewayOrder, opening: str) -> str:
    """Text of warning 399 for an order that comes while its exchange is closed (TWS facts 7)."""
    instrument = order.instrument
    name = f"{instrument.symbol} {instrument.primary_exchange}.{instrument.trading_class}"
    return (
        f"Order Message:\n{order.spec.action} {order.total.normalize():f} {name}\n"
        f"Warning: Your order will not be placed at the exchange until {opening}."
    )


def _order_fields(order: GatewayOrder) -> dict[str, Any]:
    spec = order.spec
    limit = order.limit if spec.kind.shows_limit else spec.limit
    fields = {name: value for name, value in spec.fields.items() if name not in _NOT_ECHOED}
    fields.update(
        clientId=order.client_id,
        orderId=order.order_id,
        permId=order.perm_id,
        parentId=spec.parent_id,
        action=spec.action,
        totalQuantity=order.total,
        orderType=spec.order_type,
        lmtPrice=0.0 if limit is None else float(limit),
        auxPrice=0.0 if spec.aux is None else float(spec.aux),
        tif=spec.tif,
        account=order.account,
        clearingIntent="IB",
        ocaType=order.oca_type,
        filledQuantity=order.filled,
    )
    if order.oca_group:
        fields["ocaGroup"] = order.oca_group
    if spec.kind.trails and order.stop is not None:
        fields["trailStopPrice"] = float(order.stop)
    return fields


def _contract_fields(order: GatewayOrder) -> dict[str, Any]:
    fields = order.instrument.contract(order.exchange)
    fields.setdefault("right", "?")  # seen on every openOrder of a thing without rights (wire facts 8)
    return fields


def told_commission(order: GatewayOrder) -> float | None:
    """Commission that the client has been told so far, summed as floats: noise and all (TWS facts 2.10)."""
    told = [float(one.commission) for one in order.executions if one.root in order.reported]
    return sum(told) if told else None


def _state_fields(order: GatewayOrder) -> dict[str, Any]:
    state: dict[str, Any] = {"status": order.status}
    told = told_commission(order)
    if told is not None:
        state["commissionAndFees"] = told
        state["commissionAndFeesCurrency"] = order.executions[0].currency
    if order.ended_at is not None:
        state["completedTime"] = eastern_text(order.ended_at)
        state["completedStatus"] = order.end_text
    return state


def open_order(order: GatewayOrder, echoes: Echoes | None = None) -> Message:
    """``openOrder``: contract, order and state as they are now, with the commission told so far.

    Args:
        order: The order.
        echoes: What was told before, if the message is one of many.
    """
    contract, terms = _contract_fields(order), _order_fields(order)
    if echoes is not None:
        contract = echoes.part("contract", (order.instrument.con_id, order.exchange), contract)
        terms = echoes.part("order", order.perm_id, terms)
    return Message(
        "openOrder",
        {
            "orderId": order.order_id,
            "contract": contract,
            "order": terms,
            "orderState": _state_fields(order),
        },
    )


def what_if(order: GatewayOrder, margins: Mapping[str, Any]) -> Message:
    """The single ``openOrder`` that answers a what-if order (TWS facts 4).

    Args:
        order: The order that might be; it was never admitted.
        margins: Margin and commission fields of ``orderState``.
    """
    fields = _order_fields(order)
    fields["whatIf"] = True
    return Message(
        "openOrder",
        {
            "orderId": order.order_id,
            "contract": _contract_fields(order),
            "order": fields,
            "orderState": {"status": "PreSubmitted", **margins},
        },
    )


def order_status(order: GatewayOrder) -> Message:
    """``orderStatus`` as it is now."""
    fields: dict[str, Any] = {
        "orderId": order.order_id,
        "status": order.status,
        "filled": order.filled,
        "remaining": order.remaining,
        "avgFillPrice": _number(order.average),
        "permId": order.perm_id,
        "parentId": order.spec.parent_id,
        "lastFillPrice": _number(order.executions[-1].price) if order.executions else 0.0,
        "clientId": order.client_id if order.canceller is None else order.canceller,
        "mktCapPrice": 0.0,
    }
    if order.why_held:
        fields["whyHeld"] = order.why_held
    return Message("orderStatus", fields)


def exec_details(
    execution: Execution, request_id: int = LIVE_REQUEST, echoes: Echoes | None = None
) -> Message:
    """``execDetails`` of one fill; the contract names the exchange where it traded (wire facts 8).

    Args:
        execution: The fill.
        request_id: The request that it answers, or -1.
        echoes: What was told before, if the message is one of many.
    """
    fields: dict[str, Any] = {
        "orderId": execution.order_id,
        "execId": execution.exec_id,
        "time": eastern_text(execution.time),
        "acctNumber": execution.account,
        "exchange": execution.exchange,
        "side": "BOT" if execution.action == "BUY" else "SLD",
        "shares": execution.quantity,
        "price": float(execution.price),
        "permId": execution.perm_id,
        "clientId": execution.client_id,
        "cumQty": execution.cumulative,
        "avgPrice": _number(execution.average),
        "lastLiquidity": execution.liquidity,
    }
    if execution.order_ref:
        fields["orderRef"] = execution.order_ref
    contract = execution.instrument.contract(execution.exchange)
    if echoes is not None:
        contract = echoes.part("traded", (execution.instrument.con_id, execution.exchange), contract)
    return Message("execDetails", {"reqId": request_id, "contract": contract, "execution": fields})


def commission_report(execution: Execution) -> Message:
    """``commissionReport`` of one fill; ``realizedPNL`` is unset when it only opens (TWS facts 3)."""
    fields: dict[str, Any] = {
        "execId": execution.exec_id,
        "commissionAndFees": float(execution.commission),
        "currency": execution.currency,
    }
    if execution.realized is not None:
        fields["realizedPNL"] = _number(execution.realized)
    return Message("commissionReport", fields)


def completed_order(order: GatewayOrder) -> Message:
    """``completedOrder``: a filled one has total quantity 0 and says how much it filled (TWS facts 4)."""
    fields = _order_fields(order)
    state = _state_fields(order)
    if order.status == "Filled":
        fields["totalQuantity"] = Decimal(0)
    else:
        state["status"] = "Cancelled"  # a rejected order is listed as cancelled, too (TWS facts 1)
    return Message(
        "completedOrder", {"contract": _contract_fields(order), "order": fields, "orderState": state}
    )


def position(account: str, held: Position) -> Message:
    """``position``: quantity and average cost, with commissions and multiplier (wire facts 8)."""
    instrument = held.instrument
    return Message(
        "position",
        {
            "account": account,
            "contract": instrument.contract(instrument.primary_exchange),
            "position": held.quantity,
            "avgCost": _number(held.average_cost),
        },
    )
