"""The bytes that every contestant gets: orders that are acknowledged, filled in two parts and paid for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message

__all__ = ["CALLBACKS_PER_ORDER", "burst"]

CALLBACKS_PER_ORDER = 8
"""Four orderStatus, two execDetails, two commission reports."""

_CLIENT_ID = 1
_HALF, _WHOLE = Decimal(50), Decimal(100)


def _status(order_id: int, status: str, filled: Decimal) -> Message:
    fields: dict[str, Any] = {
        "orderId": order_id,
        "status": status,
        "filled": filled,
        "remaining": _WHOLE - filled,
        "avgFillPrice": 190.0 if filled else 0.0,
        "permId": 1_376_000_000 + order_id,
        "parentId": 0,
        "lastFillPrice": 190.0 if filled else 0.0,
        "clientId": _CLIENT_ID,
        "whyHeld": "",
        "mktCapPrice": 0.0,
    }
    return Message("orderStatus", fields)


def _execution(order_id: int, number: int, cumulative: Decimal) -> Message:
    contract = {"conId": 265598, "symbol": "AAPL", "secType": "STK", "exchange": "ISLAND", "currency": "USD"}
    execution = {
        "orderId": order_id,
        "execId": f"0000e0d5.{order_id:08x}.{number:02d}.01",
        "time": "20260828 14:31:45 US/Eastern",
        "acctNumber": "DU1234567",
        "exchange": "ISLAND",
        "side": "BOT",
        "shares": _HALF,
        "price": 190.0,
        "permId": 1_376_000_000 + order_id,
        "clientId": _CLIENT_ID,
        "cumQty": cumulative,
        "avgPrice": 190.0,
        "lastLiquidity": 1,
    }
    return Message("execDetails", {"reqId": -1, "contract": contract, "execution": execution})


def _commission(order_id: int, number: int) -> Message:
    return Message(
        "commissionReport",
        {
            "execId": f"0000e0d5.{order_id:08x}.{number:02d}.01",
            "commissionAndFees": 0.5,
            "currency": "USD",
        },
    )


def burst(first_order_id: int, orders: int, server_version: int) -> bytes:
    """Make the frames of so many orders' callbacks."""
    data = bytearray()
    for order_id in range(first_order_id, first_order_id + orders):
        for message in (
            _status(order_id, "PreSubmitted", Decimal(0)),
            _status(order_id, "Submitted", Decimal(0)),
            _execution(order_id, 1, _HALF),
            _status(order_id, "Submitted", _HALF),
            _commission(order_id, 1),
            _execution(order_id, 2, _WHOLE),
            _status(order_id, "Filled", _WHOLE),
            _commission(order_id, 2),
        ):
            data += frame(encode_answer(message, server_version))
    return bytes(data)
