"""The bytes that every contestant gets: orders that are acknowledged, filled in two parts and paid for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from benchmarks.terms import ACCOUNT, CLIENT_ID, END_MARK, QUANTITY, Terms, terms
from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message

__all__ = ["CALLBACKS_PER_ORDER", "burst", "callbacks", "end_mark", "exec_id", "frames"]

CALLBACKS_PER_ORDER = 8
"""Four orderStatus, two execDetails, two commission reports."""


def exec_id(order_id: int, number: int) -> str:
    """Return the id of an order's first or second execution."""
    return f"0000e0d5.{order_id:08x}.{number:02d}.01"


def _status(order_id: int, its: Terms, status: str, filled: int, average: float, last: float) -> Message:
    fields: dict[str, Any] = {
        "orderId": order_id,
        "status": status,
        "filled": Decimal(filled),
        "remaining": Decimal(QUANTITY - filled),
        "avgFillPrice": average,
        "permId": its.perm_id,
        "parentId": 0,
        "lastFillPrice": last,
        "clientId": CLIENT_ID,
        "whyHeld": "",
        "mktCapPrice": 0.0,
    }
    return Message("orderStatus", fields)


def _execution(order_id: int, its: Terms, part: int, average: float) -> Message:
    contract = {
        "conId": its.con_id,
        "symbol": its.symbol,
        "secType": "STK",
        "exchange": its.exchanges[part],
        "currency": "USD",
        "localSymbol": its.symbol,
        "tradingClass": "NMS",
    }
    execution = {
        "orderId": order_id,
        "execId": exec_id(order_id, part + 1),
        "time": f"20260828 {14 + order_id // 3600 % 2}:{order_id // 60 % 60:02d}:{order_id % 60:02d} US/Eastern",
        "acctNumber": ACCOUNT,
        "exchange": its.exchanges[part],
        "side": "BOT" if its.action == "BUY" else "SLD",
        "shares": Decimal(its.parts[part]),
        "price": its.prices[part] / 100,
        "permId": its.perm_id,
        "clientId": CLIENT_ID,
        "cumQty": Decimal(sum(its.parts[: part + 1])),
        "avgPrice": average,
        "orderRef": its.key,
        "lastLiquidity": 2 - part,
    }
    return Message("execDetails", {"reqId": -1, "contract": contract, "execution": execution})


def _commission(order_id: int, its: Terms, part: int) -> Message:
    return Message(
        "commissionReport",
        {
            "execId": exec_id(order_id, part + 1),
            "commissionAndFees": its.commissions[part] / 100,
            "currency": "USD",
        },
    )


def callbacks(order_id: int) -> Iterator[Message]:
    """Yield what the broker tells about one order, in its usual order."""
    its = terms(order_id)
    first, second = (price / 100 for price in its.prices)
    average = sum(p * n for p, n in zip(its.prices, its.parts, strict=True)) / QUANTITY / 100
    yield _status(order_id, its, "PreSubmitted", 0, 0.0, 0.0)
    yield _status(order_id, its, "Submitted", 0, 0.0, 0.0)
    yield _execution(order_id, its, 0, first)
    yield _status(order_id, its, "Submitted", its.parts[0], first, first)
    yield _commission(order_id, its, 0)
    yield _execution(order_id, its, 1, average)
    yield _status(order_id, its, "Filled", QUANTITY, average, second)
    yield _commission(order_id, its, 1)


def frames(order_ids: range, server_version: int) -> Iterator[bytes]:
    """Yield the frames of these orders' callbacks."""
    for order_id in order_ids:
        for message in callbacks(order_id):
            yield frame(encode_answer(message, server_version))


def burst(order_ids: range, server_version: int) -> bytes:
    """Make the frames of these orders' callbacks, in one piece."""
    return b"".join(frames(order_ids, server_version))


def end_mark(server_version: int) -> bytes:
    """Make the frame that ends a stream."""
    return frame(encode_answer(Message("currentTime", {"currentTime": END_MARK}), server_version))
