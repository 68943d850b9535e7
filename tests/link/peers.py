"""Opponents for the link: transports in memory, a peer on TCP that plays a script, and recorded sessions."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self

from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.errors import ConnectionFailed
from ibkr_core.gateway import Choreography, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.core import supported_versions
from ibkr_core.link.receiver import HotTaker
from ibkr_core.model.facts import BrokerFact, Position, fact_of
from ibkr_core.wire.codec import decode_request, encode_answer, encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello, server_hello
from ibkr_core.wire.message import Message

PATIENCE_S = 30.0
"""How long a wait may last before it counts as failed; no test depends on how fast it really is."""

VERSIONS = [
    v for v in (157, 176, 200, 203, 223, 225, 226) if v <= MAX_CLIENT_VER and v in supported_versions()
]
"""Server versions that the installed client and our wire both speak, text and protobuf."""

TIME = "20261121 10:00:00 EST"


def hello(version: int) -> bytes:
    """The server's answer to the handshake."""
    return server_hello(version, TIME)


def answer(kind: str, version: int, **fields: Any) -> bytes:
    """One framed message of a gateway."""
    return frame(encode_answer(Message(kind, fields), version))


def welcome(version: int, next_id: int = 1) -> bytes:
    """What a gateway without resting orders says at the beginning of a session."""
    return answer("managedAccounts", version, accountsList="DU1") + answer(
        "nextValidId", version, orderId=next_id
    )


SURVEY = ("reqOpenOrders", "reqAllOpenOrders", "reqExecutions", "reqCompletedOrders", "reqPositions")
"""What an engine asks after each start of a session, in this order."""


def empty_answer(request: Message, version: int) -> bytes:
    """The end marker that answers a question of a survey when there is nothing to tell."""
    if request.kind == "reqExecutions":
        return answer("execDetailsEnd", version, reqId=request.fields["reqId"])
    ends = {"reqCompletedOrders": "completedOrdersEnd", "reqPositions": "positionEnd"}
    return answer(ends.get(request.kind, "openOrderEnd"), version)


def recorded_session(version: int) -> bytes:
    """What a gateway says after the handshake in a short session: a fill in two parts, a cancel, an error."""
    settings = Settings(choreography=Choreography.plain(), market=MarketSettings(moves=False))
    gateway = MemoryGateway(settings=settings)
    market = gateway.market("AAPL")
    market.set_quote(bid=100, ask="100.01", ask_size=40)
    session = gateway.connect()
    session.receive(client_hello(version, version))
    session.outgoing()  # the handshake's answer

    def ask(kind: str, **fields: Any) -> None:
        session.receive(frame(encode_request(Message(kind, fields), version)))

    contract = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    terms = {"action": "BUY", "totalQuantity": 100, "tif": "DAY", "transmit": True, "orderRef": "mine"}
    ask("startApi", clientId=1)
    ask("placeOrder", orderId=1, contract=contract, order=terms | {"orderType": "MKT"})
    market.set_quote(bid=100, ask="100.02")
    ask("placeOrder", orderId=2, contract=contract, order=terms | {"orderType": "LMT", "lmtPrice": 99.5})
    ask("cancelOrder", orderId=2)
    ask("cancelOrder", orderId=77)
    return session.outgoing()


class Recorder:
    """A receiver that keeps what it is given."""

    def __init__(self) -> None:
        self.facts: list[BrokerFact] = []
        self.told: list[tuple[Any, ...]] = []
        self.failures: list[BaseException] = []
        self.reasons: list[str] = []
        self.errors: list[ConnectionFailed | None] = []

    def on_fact(self, fact: BrokerFact) -> None:
        self.facts.append(fact)

    def hot_taker(self) -> HotTaker:
        return lambda values, _: self.on_fact(fact_of(values))

    def on_next_valid_id(self, order_id: int) -> None:
        self.told.append(("next valid id", order_id))

    def on_managed_accounts(self, accounts: tuple[str, ...]) -> None:
        self.told.append(("accounts", accounts))

    def on_open_orders_end(self) -> None:
        self.told.append(("open orders end",))

    def on_executions_end(self, request_id: int) -> None:
        self.told.append(("executions end", request_id))

    def on_completed_orders_end(self) -> None:
        self.told.append(("completed orders end",))

    def on_position(self, position: Position) -> None:
        self.told.append(("position", position))

    def on_positions_end(self) -> None:
        self.told.append(("positions end",))

    def on_callback_failed(self, error: BaseException) -> None:
        self.failures.append(error)

    def on_closed(self, reason: str, error: ConnectionFailed | None) -> None:
        self.reasons.append(reason)
        self.errors.append(error)


class Tape:
    """A transport that gives out prepared pieces, one per receive, and keeps what is sent."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._rest = b""
        self.sent: list[bytes] = []
        self.closed = False

    def receive_into(self, room: memoryview) -> int:
        piece = self._rest or next(self._pieces, b"")
        count = min(len(piece), len(room))
        room[:count] = piece[:count]
        self._rest = piece[count:]
        return count

    def send(self, data: bytes) -> None:
        self.sent.append(bytes(data))

    def close(self) -> None:
        self.closed = True


class Line:
    """The peer's end of one TCP connection."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._read = bytearray()

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def read(self, count: int) -> bytes:
        """Read so many bytes; fewer only at the end of the stream."""
        while len(self._read) < count and (more := self.sock.recv(1 << 20)):
            self._read += more
        data = bytes(self._read[:count])
        del self._read[:count]
        return data

    def read_hello(self) -> str:
        """Read the client's opening bytes; returns the version range."""
        assert self.read(4) == b"API\0"
        return self.read(int.from_bytes(self.read(4), "big")).decode()

    def read_frame(self) -> bytes:
        """Read the body of one frame; empty at the end of the stream."""
        return self.read(int.from_bytes(self.read(4), "big"))

    def greet(self, version: int, *more: bytes) -> None:
        """Shake hands, take START_API, and say what follows."""
        self.read_hello()
        self.send(hello(version))
        self.read_frame()
        self.send(b"".join(more))

    def read_request(self, version: int) -> Message:
        """Read and decode one request."""
        return decode_request(self.read_frame(), version)

    def answer_survey(self, version: int) -> None:
        """Answer an engine's questions, in its order: nothing rests, nothing was traded, nothing is held."""
        for kind in SURVEY:
            request = self.read_request(version)
            assert request.kind == kind, (request.kind, kind)
            self.send(empty_answer(request, version))
        assert self.read_request(version).kind == "cancelPositions"

    def read_to_end(self) -> bytes:
        """Read until the client hangs up."""
        data = bytearray()
        try:
            while more := self.read(1):
                data += more
        except ConnectionError:
            pass  # it hung up with bytes of ours unread
        return bytes(data)

    def reset(self) -> None:
        """Hang up as a crashed peer does: the client's next call fails."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.sock.close()


Script = Callable[[Line], None]


class Peer:
    """A server on 127.0.0.1 that plays one script per connection, one connection after the other."""

    def __init__(self, *scripts: Script, receive_buffer: int | None = None) -> None:
        self._scripts = scripts
        self._listener = socket.create_server(("127.0.0.1", 0))
        if receive_buffer is not None:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self._listener.settimeout(PATIENCE_S)
        self.port: int = self._listener.getsockname()[1]
        self.fault: BaseException | None = None
        self._thread = threading.Thread(target=self._serve, name="scripted-peer")

    def _serve(self) -> None:
        try:
            for script in self._scripts:
                sock, _ = self._listener.accept()
                sock.settimeout(PATIENCE_S)
                with sock, contextlib.suppress(BrokenPipeError, ConnectionResetError):
                    script(Line(sock))  # a client may hang up on it at any word: the test judges the client
        except BaseException as fault:  # noqa: BLE001 - raised again where the test can see it
            self.fault = fault

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._thread.join(PATIENCE_S)
        self._listener.close()
        if self.fault is not None and error is None:
            raise self.fault
