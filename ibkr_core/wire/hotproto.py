"""The protobuf form of the hot messages, decoded straight into facts; see :mod:`ibkr_core.wire.hot`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact, ExecutionFact, HotValues, StatusFact
from ibkr_core.wire.hot import MOST_KEPT, Known, exact, from_double, unless_unset
from ibkr_core.wire.protobuf import message_class

__all__ = ["ProtobufDecoder", "contract_maker", "protobuf_decoders"]

ProtobufDecoder = Callable[[bytes], HotValues | None]
"""Takes a serialized message. None means: not by me."""

_ZERO: Final = Decimal(0)
# Found at once, in compiled code too.
_STATUS: Final = StatusFact
_EXECUTION: Final = ExecutionFact
_COMMISSION: Final = CommissionFact


def protobuf_decoders(make_contract: Callable[[Any], Contract]) -> Mapping[int, ProtobufDecoder]:
    """Return decoders of the protobuf form by message id (without the 200 that marks it).

    Args:
        make_contract: Makes a contract of the generated ``Contract``; called once for each distinct one.

    Raises:
        ProtobufUnavailable: The installed client has no generated messages.
    """
    sizes: Known[str, Decimal | None] = Known(exact)
    prices: Known[float, Decimal | None] = Known(from_double)
    ids: Known[int, int | None] = Known(unless_unset)
    return {
        3: _status_decoder(sizes, prices, ids),
        11: _execution_decoder(sizes, prices, contract_maker(make_contract)),
        59: _commission_decoder(prices),
    }


def _status_decoder(
    sizes: Mapping[str, Decimal | None],
    prices: Mapping[float, Decimal | None],
    ids: Mapping[int, int | None],
) -> ProtobufDecoder:
    parse: Callable[[bytes], Any] = message_class("OrderStatus").FromString  # type: ignore[attr-defined]  # generated

    def status(payload: bytes) -> HotValues | None:
        try:
            said = parse(payload)
            has = said.HasField
            # Only of what is empty or zero it has to be asked whether it was said; asking is a call.
            order_id, parent_id, client_id = said.orderId, said.parentId, said.clientId
            filled, remaining, average, last = (
                said.filled,
                said.remaining,
                said.avgFillPrice,
                said.lastFillPrice,
            )
            return (
                _STATUS,
                ids[order_id] if order_id or has("orderId") else None,
                said.status,
                sizes[filled] if filled or has("filled") else None,
                sizes[remaining] if remaining or has("remaining") else None,
                prices[average] if average or has("avgFillPrice") else None,
                ids[said.permId] or None,
                ids[parent_id] if parent_id or has("parentId") else None,
                prices[last] if last or has("lastFillPrice") else None,
                ids[client_id] if client_id or has("clientId") else None,
                said.whyHeld,
                prices[said.mktCapPrice] or None,
            )
        except ValueError:  # no number where one should be; a message that cannot be parsed is one too
            return None

    return status


def contract_maker(make_contract: Callable[[Any], Contract]) -> Callable[[Any], Contract]:
    """Return what gives the contract of a generated ``Contract``, and makes each distinct one once."""
    known: dict[bytes, Contract] = {}

    def contract_of(part: Any) -> Contract:  # noqa: ANN401 - a generated class
        key = part.SerializeToString()
        found = known.get(key)
        if found is None:
            if len(known) >= MOST_KEPT:
                known.clear()
            found = known[key] = make_contract(part)
        return found

    return contract_of


def _execution_decoder(
    sizes: Mapping[str, Decimal | None],
    prices: Mapping[float, Decimal | None],
    contract_of: Callable[[Any], Contract],
) -> ProtobufDecoder:
    parse: Callable[[bytes], Any] = message_class("ExecutionDetails").FromString  # type: ignore[attr-defined]  # generated

    def execution(payload: bytes) -> HotValues | None:
        try:
            details = parse(payload)
            said = details.execution
            has = said.HasField
            if not (details.HasField("contract") and details.HasField("execution")):
                return None
            if has("optExerciseOrLapseType"):
                return None  # a word that the official decoder may not know
            return (
                _EXECUTION,
                said.execId,
                said.side,
                (sizes[said.shares] if has("shares") else None) or _ZERO,
                prices[said.price] or _ZERO,
                details.reqId if details.HasField("reqId") else -1,
                unless_unset(said.orderId),
                unless_unset(said.clientId),
                unless_unset(said.permId) or None,
                contract_of(details.contract),
                said.time,
                said.acctNumber,
                said.exchange,
                sizes[said.cumQty] if has("cumQty") else None,
                prices[said.avgPrice],
                said.orderRef,
                unless_unset(said.lastLiquidity),
                said.isPriceRevisionPending,
            )
        except ValueError:
            return None

    return execution


def _commission_decoder(prices: Mapping[float, Decimal | None]) -> ProtobufDecoder:
    parse: Callable[[bytes], Any] = message_class("CommissionAndFeesReport").FromString  # type: ignore[attr-defined]  # generated

    def commission(payload: bytes) -> HotValues | None:
        try:
            said = parse(payload)
            if said.HasField("yieldRedemptionDate"):
                int(said.yieldRedemptionDate)  # as the official decoder does
            pnl = prices[said.realizedPNL] if said.HasField("realizedPNL") else None
            return _COMMISSION, said.execId, prices[said.commissionAndFees], said.currency, pnl
        except ValueError:
            return None

    return commission
