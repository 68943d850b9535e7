"""A client in memory: sends requests and keeps decoded answers, through the production codec and session."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibkr_core.gateway import Choreography, MarketSettings, MemoryGateway, Settings
from ibkr_core.wire.codec import decode_answer, encode_request
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message

TEXT = 176
"""A version whose order messages are text, so that these tests need no protobuf."""

AAPL = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}


def plain(**wanted: Any) -> Settings:
    """A venue that tells each thing once, at once, and whose prices stand still."""
    wanted.setdefault("choreography", Choreography.plain())
    wanted.setdefault("market", MarketSettings(moves=False))
    return Settings(**wanted)


def gateway(**wanted: Any) -> MemoryGateway:
    """A plain gateway whose AAPL stands at 100.00 to 100.01, with plenty on both sides."""
    wanted.setdefault("settings", plain())
    made = MemoryGateway(**wanted)
    made.market("AAPL").set_quote(bid=100, ask="100.01")
    return made


class Pocket:
    """One connected client.

    Args:
        gateway: Where it connects.
        client_id: Its id.
        version: The only server version that it speaks.
    """

    def __init__(self, gateway: MemoryGateway, client_id: int = 1, version: int = TEXT) -> None:
        self.gateway = gateway
        self.version = version
        self.session = gateway.connect()
        self.session.receive(client_hello(version, version))
        self.hello = self.session.outgoing()
        self._frames = FrameBuffer()
        self.heard: list[Message] = []
        self.ask("startApi", clientId=client_id)

    def ask(self, kind: str, **fields: Any) -> list[Message]:
        """Send one request; returns what came back at once."""
        return self.send(frame(encode_request(Message(kind, fields), self.version)))

    def send(self, data: bytes) -> list[Message]:
        """Send raw bytes; returns what came back at once."""
        self.session.receive(data)
        return self.listen()

    def listen(self) -> list[Message]:
        """What came since the last look."""
        self._frames.feed(self.session.outgoing())
        fresh = [decode_answer(bytes(body), self.version) for body in self._frames.frames()]
        self.heard += fresh
        return fresh

    def place(
        self, order_id: int, action: str, quantity: int, kind: str = "MKT", **fields: Any
    ) -> list[Message]:
        """Place or modify a stock order; returns what came back at once."""
        contract = fields.pop("contract", AAPL)
        order = {
            "action": action,
            "totalQuantity": Decimal(quantity),
            "orderType": kind,
            "tif": "DAY",
            "transmit": True,
            **fields,
        }
        return self.ask("placeOrder", orderId=order_id, contract=contract, order=order)

    def cancel(self, order_id: int) -> list[Message]:
        """Ask to cancel an order; returns what came back at once."""
        return self.ask("cancelOrder", orderId=order_id)

    def bracket(self, quantity: int = 10, **parent: Any) -> None:
        """Place a bracket: buy at 99, take profit at 105, stop at 95; ids 1, 2 and 3."""
        wanted = {"kind": "LMT", "lmtPrice": 99.0, **parent}
        self.place(1, "BUY", quantity, transmit=False, **wanted)
        self.place(2, "SELL", quantity, "LMT", lmtPrice=105.0, parentId=1, transmit=False)
        self.place(3, "SELL", quantity, "STP", auxPrice=95.0, parentId=1)


def kinds(messages: list[Message]) -> list[str]:
    """The kinds of messages, in order."""
    return [message.kind for message in messages]


def story(messages: list[Message], order_id: int | None = None) -> list[str]:
    """Messages about orders in short words: ``open Filled``, ``status Filled 10/0``, ``fill 10``, ..."""
    told = []
    for message in messages:
        fields = message.fields
        match message.kind:
            case "openOrder":
                subject, words = fields["orderId"], f"open {fields['orderState']['status']}"
            case "orderStatus":
                subject = fields["orderId"]
                words = f"status {fields['status']} {fields['filled']}/{fields['remaining']}"
            case "execDetails":
                subject, words = fields["execution"]["orderId"], f"fill {fields['execution']['shares']}"
            case "commissionReport":
                subject, words = None, "commission"
            case "error":
                subject, words = fields["id"], f"error {fields['errorCode']}"
            case _:
                subject, words = None, message.kind
        if order_id is None or subject in {order_id, None}:
            told.append(words)
    return told


def errors(messages: list[Message]) -> list[tuple[int, int]]:
    """The (subject, code) of every error."""
    return [(one.fields["id"], one.fields["errorCode"]) for one in messages if one.kind == "error"]


def statuses(messages: list[Message], order_id: int) -> list[dict[str, Any]]:
    """The fields of every orderStatus of one order."""
    return [
        dict(one.fields)
        for one in messages
        if one.kind == "orderStatus" and one.fields["orderId"] == order_id
    ]
