"""The bytes that every contestant gets: orders that are acknowledged, filled in two parts and paid for."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal
from typing import Any

from benchmarks.terms import ACCOUNT, CLIENT_ID, END_MARK, PERM_ID, QUANTITY, Terms, terms
from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message

__all__ = ["CALLBACKS_PER_ORDER", "Crowd", "burst", "callbacks", "end_mark", "exec_id", "frames"]

CALLBACKS_PER_ORDER = 8
"""Four orderStatus, two execDetails, two commission reports."""


_MODELS = 400
_PAID = (2, 4, 5, 7)
"""Where the executions and commissions stand among the callbacks of an order."""


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
        "time": f"20260828 14:{order_id // 60 % 60:02d}:{order_id % 60:02d} US/Eastern",
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


class Crowd:
    """Very many finished orders, told quickly: copies of a few hundred that are made with care.

    Text only. The ids have as many digits as the first one; the terms repeat those of the first few hundred.

    Args:
        first_id: Of the first order.
        server_version: A protocol version that is text.
    """

    def __init__(self, first_id: int, server_version: int) -> None:
        self._first = first_id
        self._models = []
        for order_id in range(first_id, first_id + _MODELS):
            parts = list(frames(range(order_id, order_id + 1), server_version))
            names = (b"%d" % (PERM_ID + order_id), b"\0%d\0" % order_id, b"%08x" % order_id)
            self._models.append((b"".join(parts), b"".join(parts[n] for n in _PAID), names))

    def tell(self, order_ids: Iterable[int]) -> bytes:
        """Return the whole story of these orders."""
        return b"".join(self._copy(order_id, again=False) for order_id in order_ids)

    def tell_again(self, order_ids: Iterable[int]) -> bytes:
        """Return what a gateway repeats of them when it is asked: executions and commissions."""
        return b"".join(self._copy(order_id, again=True) for order_id in order_ids)

    def _copy(self, order_id: int, *, again: bool) -> bytes:
        story, repeated, (perm_id, decimal, hexadecimal) = self._models[(order_id - self._first) % _MODELS]
        data = (repeated if again else story).replace(perm_id, b"%d" % (PERM_ID + order_id))
        return data.replace(decimal, b"\0%d\0" % order_id).replace(hexadecimal, b"%08x" % order_id)


def end_mark(server_version: int) -> bytes:
    """Make the frame that ends a stream."""
    return frame(encode_answer(Message("currentTime", {"currentTime": END_MARK}), server_version))
