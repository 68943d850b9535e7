"""A session's order callbacks, recorded: a stream of any length, for measuring how fast a client reads.

A venue that lives decides about each order; a recording does not, and so leaves as fast as a socket takes it.
Hand its bytes to a client that is connected, with :meth:`SessionHandle.inject`::

    recording = record(orders=10_000, server_version=176, client_id=7)
    gateway.session(7).inject(recording.data)
"""

from __future__ import annotations

from decimal import Decimal

import attrs

from ibkr_core.gateway.choreography import Choreography
from ibkr_core.gateway.core import MemoryGateway
from ibkr_core.gateway.market import MarketSettings
from ibkr_core.gateway.venue import Settings
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message

__all__ = ["Recording", "market_order", "record"]

_HEAP = 100
_PATIENCE_S = 1.0  # of the manual clock: the last commissions have come by then


@attrs.frozen
class Recording:
    """What a gateway sent about a number of orders.

    Attributes:
        data: Whole frames.
        messages: How many.
        orders: How many orders they are about.
        server_version: The protocol version in which they are written.
    """

    data: bytes
    messages: int
    orders: int
    server_version: int


def market_order(order_id: int, symbol: str = "AAPL") -> Message:
    """A request that buys, or with an even id sells, a hundred shares at the market.

    Args:
        order_id: The order's id.
        symbol: Of a stock in the catalogue.
    """
    contract = {"symbol": symbol, "secType": "STK", "exchange": "SMART", "currency": "USD"}
    order = {
        "action": "BUY" if order_id % 2 else "SELL",
        "totalQuantity": Decimal(100),
        "orderType": "MKT",
        "tif": "DAY",
        "transmit": True,
    }
    return Message("placeOrder", {"orderId": order_id, "contract": contract, "order": order})


def record(
    orders: int,
    server_version: int,
    client_id: int,
    *,
    seed: int = 0,
    choreography: Choreography | None = None,
) -> Recording:
    """Let a gateway in memory fill orders one after the other, and keep what it says.

    Args:
        orders: How many; their ids begin at 1.
        server_version: The protocol version of the client that will read it.
        client_id: Its client id, which stands in the messages.
        seed: Decides every random thing.
        choreography: How the story is told; by default as a real gateway does.
    """
    settings = Settings(
        choreography=Choreography() if choreography is None else choreography,
        market=MarketSettings(moves=False),
    )
    gateway = MemoryGateway(seed=seed, settings=settings)
    gateway.market("AAPL").set_quote(bid=100, ask="100.01", bid_size=10**9, ask_size=10**9)
    session = gateway.connect()
    session.receive(client_hello(server_version, server_version))
    session.receive(frame(encode_request(Message("startApi", {"clientId": client_id}), server_version)))
    gateway.run(_PATIENCE_S)
    session.outgoing()  # the welcome is no order callback
    said = []
    for first in range(1, orders + 1, _HEAP):
        for order_id in range(first, min(first + _HEAP, orders + 1)):
            session.receive(frame(encode_request(market_order(order_id), server_version)))
        gateway.run(_PATIENCE_S)
        said.append(session.outgoing())
    data = b"".join(said)
    return Recording(data, _count(data), orders, server_version)


def _count(data: bytes) -> int:
    count = position = 0
    while position < len(data):
        position += 4 + int.from_bytes(data[position : position + 4], "big")
        count += 1
    return count
