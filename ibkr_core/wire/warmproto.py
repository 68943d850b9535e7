"""The protobuf form of openOrder and error, decoded straight into facts; see :mod:`ibkr_core.wire.warm`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import ErrorFact, OpenOrderFact
from ibkr_core.model.making import making
from ibkr_core.model.order import BrokerOrder
from ibkr_core.wire.hot import Known, exact, from_double, unless_unset
from ibkr_core.wire.hotproto import contract_maker
from ibkr_core.wire.protobuf import message_class
from ibkr_core.wire.warm import WarmFact

__all__ = ["WarmProtobufDecoder", "warm_protobuf_decoders"]

WarmProtobufDecoder = Callable[[bytes], WarmFact | None]
"""Takes a serialized message. None means: not by me."""


def warm_protobuf_decoders(make_contract: Callable[[Any], Contract]) -> Mapping[int, WarmProtobufDecoder]:
    """Return decoders of the protobuf form by message id (without the 200 that marks it).

    Args:
        make_contract: Makes a contract of the generated ``Contract``; called once for each distinct one.

    Raises:
        ProtobufUnavailable: The installed client has no generated messages.
    """
    return {4: _error_decoder(), 5: _open_order_decoder(contract_maker(make_contract))}


def _error_decoder() -> WarmProtobufDecoder:
    parse: Callable[[bytes], Any] = message_class("ErrorMessage").FromString  # type: ignore[attr-defined]  # generated
    new = making(ErrorFact)

    def error(payload: bytes) -> ErrorFact | None:
        try:
            said = parse(payload)
        except ValueError:
            return None
        fact = new(
            request_id=said.id,
            code=said.errorCode,
            message=said.errorMsg,
            advanced_reject=said.advancedOrderRejectJson,
            time_ms=said.errorTime or None,
        )
        fact.__class__ = ErrorFact
        return fact

    return error


def _echo_maker() -> Callable[[int, Any], BrokerOrder]:
    """Return what makes the echo of a plain order from its id and the generated ``Order``."""
    sizes: Known[str, Decimal | None] = Known(exact)
    prices: Known[float, Decimal | None] = Known(from_double)
    new = making(BrokerOrder)

    def echo(order_id: int, said: Any) -> BrokerOrder:  # noqa: ANN401 - a generated class
        has = said.HasField
        order = new(
            order_id=unless_unset(order_id),
            client_id=unless_unset(said.clientId),
            perm_id=unless_unset(said.permId) or None,
            action=said.action,
            total_quantity=sizes[said.totalQuantity] if has("totalQuantity") else None,
            filled_quantity=sizes[said.filledQuantity] if has("filledQuantity") else None,
            order_type=said.orderType,
            limit_price=prices[said.lmtPrice] if has("lmtPrice") else None,
            aux_price=prices[said.auxPrice] if has("auxPrice") else None,
            trail_stop_price=prices[said.trailStopPrice] if has("trailStopPrice") else None,
            trailing_percent=prices[said.trailingPercent] if has("trailingPercent") else None,
            tif=said.tif,
            account=said.account,
            order_ref=said.orderRef,
            oca_group=said.ocaGroup,
            oca_type=unless_unset(said.ocaType),
            parent_id=unless_unset(said.parentId),
            outside_rth=said.outsideRth,
            conditions_cancel=said.conditionsCancelOrder,
            conditions_outside_rth=said.conditionsIgnoreRth,
        )
        order.__class__ = BrokerOrder
        return order

    return echo


def _open_order_decoder(contract_of: Callable[[Any], Contract]) -> WarmProtobufDecoder:
    parse: Callable[[bytes], Any] = message_class("OpenOrder").FromString  # type: ignore[attr-defined]  # generated
    new, make_echo = making(OpenOrderFact), _echo_maker()

    def open_order(payload: bytes) -> OpenOrderFact | None:
        try:
            said = parse(payload)
            has = said.HasField
            if not (has("contract") and has("order") and has("orderState")):
                return None
            order, state = said.order, said.orderState
            if order.whatIf or order.conditions or order.HasField("algoStrategy") or state.orderAllocations:
                return None
            if state.HasField("suggestedSize"):
                exact(state.suggestedSize)  # of no use here; the official decoder reads it
            fact = new(
                order=make_echo(said.orderId, order),
                contract=contract_of(said.contract),
                status=state.status,
                reject_reason=state.rejectReason,
                warning=state.warningText,
                commission=from_double(state.commissionAndFees)
                if state.HasField("commissionAndFees")
                else None,
                commission_currency=state.commissionAndFeesCurrency,
                completed_status=state.completedStatus,
            )
        except ValueError:  # no number where one should be; a message that cannot be parsed is one too
            return None
        fact.__class__ = OpenOrderFact
        return fact

    return open_order
