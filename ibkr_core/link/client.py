"""TwsClient: the official EWrapper/EClient with our transport, framing and reader loop under it.

The official encoders, decoder and callback names are kept, so your own subclass can request market
data and take its callbacks on the same connection. Replaced are receiving, framing, sending and the
run loop (design section 4 tells why).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Collection, Iterator
from operator import attrgetter
from typing import Final

import attrs
from ibapi.client import EClient
from ibapi.wrapper import EWrapper

from ibkr_core.errors import (
    ConnectionFailed,
    HandshakeFailed,
    IbkrError,
    MalformedMessage,
    NotReady,
    RequestRefused,
    SendFailed,
    ServerTooOld,
    WireError,
)
from ibkr_core.link import compat, convert
from ibkr_core.link.hotpath import HotPath, hot_path
from ibkr_core.link.inbound import Inbound
from ibkr_core.link.receiver import Receiver
from ibkr_core.link.router import CallbackRouter, TakeAnswer
from ibkr_core.link.templates import Templates
from ibkr_core.link.transport import SocketTransport, Transport
from ibkr_core.link.warmpath import warm_path
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Order
from ibkr_core.model.shapes import Shape
from ibkr_core.wire.handshake import client_hello, parse_server_hello

__all__ = ["TwsClient"]

_RAW_ID_BYTES: Final = 4
_MAX_ID_DIGITS: Final = 4
_NOT_CONNECTED: Final = 504
_NO_FRAME: Final = b""
_CONNECTED: Final = EClient.CONNECTED
_ENCODING: Final = (
    "placeOrder",
    "placeOrderProtoBuf",
    "serverVersion",
    "isConnected",
    "logRequest",
    "sendMsg",
    "sendMsgProtoBuf",
    "useProtoBuf",
    "validateOrderParameters",
    "validateAttachedOrdersParameters",
)
"""What official methods encode an order; a subclass that has its own of one has every order go through it."""
_encoders_of: Final[Callable[[object], tuple[object, ...]]] = attrgetter(
    *(name for name in _ENCODING if hasattr(EClient, name))
)
_ENCODERS: Final = _encoders_of(EClient)
# Where the official client writes down its requests, if somebody wants that.
_CLIENT_LOG: Final = logging.getLogger("ibapi.client")
_UTILS_LOG: Final = logging.getLogger("ibapi.utils")
_INFO: Final = logging.INFO


@attrs.define
class _Capture:
    """What one encoder call produced on this thread: bytes, and errors that it did not raise."""

    frames: list[bytes] = attrs.Factory(list)
    errors: list[tuple[int, str]] = attrs.Factory(list)


class _Connection:
    """Stands where ibapi expects its own Connection."""

    def __init__(
        self, transport: Transport, captures: threading.local, send: Callable[[bytes], None]
    ) -> None:
        self._transport = transport
        self._captures = captures
        self._send = send
        self.is_open = True

    def isConnected(self) -> bool:  # noqa: N802 - official name
        return self.is_open

    def sendMsg(self, data: bytes) -> int:  # noqa: N802 - official name
        capture: _Capture | None = getattr(self._captures, "current", None)
        if capture is not None:
            capture.frames.append(data)
        else:
            self._send(data)
        return len(data)

    def disconnect(self) -> None:
        self.is_open = False
        self._transport.close()


class TwsClient(EWrapper, EClient):  # type: ignore[misc]  # ibapi is untyped
    """One connection to TWS or IB Gateway.

    Subclass it to add your own callbacks (market data, contract details ...); pass the subclass to
    the engine. A callback of yours that raises is reported and does not end the session.

    Args:
        receiver: Takes facts and session messages, on the reader thread.

    Attributes:
        chunks: How many receives there were: whoever looks twice knows whether the peer said anything.
        frame: The message that is being handled right now, without its length; empty between messages.
        send_data: Where requests go that are made by calling an official method, such as ``reqMktData``.
        market_data_type: What was last asked for with ``reqMarketDataType``; 1 (live) at the beginning.
    """

    def __init__(self, receiver: Receiver) -> None:
        EWrapper.__init__(self)
        self.receiver = receiver
        self._captures = threading.local()
        self._inbound = Inbound(self._greet, self._handle, self._tell_failure)
        self._transport: Transport | None = None
        self._end_reason = ""
        self.send_data: Callable[[bytes], None] = self.send
        self.chunks = 0
        self.frame = _NO_FRAME
        self._decode_warm: Callable[[bytes], BrokerFact | None] = lambda _: None
        self._templates: Templates | None = None
        self._encoders: tuple[object, ...] = ()  # the methods that encode, as they were at the handshake
        self._router = CallbackRouter(self)
        self.market_data_type = 1
        EClient.__init__(self, self._router)

    def listen(self, awaited: Collection[str], take_answer: TakeAnswer) -> None:
        """Hand out callbacks to somebody who waits for them, before they go to overrides.

        Args:
            awaited: Their names; looked at for every callback, so it may change at any time.
            take_answer: Takes them, where bytes come in. Must not raise.
        """
        self._router.awaited = awaited
        self._router.take_answer = take_answer

    def rehearse(self, make: Callable[[HotPath, int], Callable[[], None]]) -> None:
        """Have a rehearsal now and then, if the reader thread polls and has the time; once it is connected.

        Args:
            make: Makes it of what decodes hot messages, and the protocol version. It is called by the reader
                thread, and must not raise.
        """
        transport = self._transport
        if isinstance(transport, SocketTransport) and transport.polls:
            transport.meanwhile = make(self._inbound.decode, self.serverVersion_)

    # ── opening ─────────────────────────────────────────────────────────────────────────────────

    def begin(self, transport: Transport, client_id: int) -> None:
        """Say hello over a connected transport. The rest happens as bytes come, in run() or feed().

        Raises:
            NotReady: The transport was closed before.
            SendFailed: It broke.
        """
        lowest, highest = compat.client_versions()
        self._transport = transport
        self.clientId = client_id
        options = self.connectOptions if hasattr(self, "connectOptions") else None
        transport.send(client_hello(lowest, highest, options or ""))

    def _greet(self, body: bytes) -> None:
        """Take the peer's hello, and start the session.

        Raises:
            HandshakeFailed: The peer answered something that is no TWS.
            ServerTooOld: The peer is older than we can talk to.
        """
        _, highest = compat.client_versions()
        try:
            hello = parse_server_hello(body)
        except WireError as error:
            raise HandshakeFailed(f"the peer is no TWS or IB Gateway: {error}") from error
        if hello.server_version < compat.LOWEST_SERVER_VERSION:
            raise ServerTooOld(hello.server_version, compat.LOWEST_SERVER_VERSION)
        if hello.server_version > highest:
            raise HandshakeFailed(
                f"the peer chose protocol version {hello.server_version}, but we offered at most {highest}"
            )
        if self._transport is None:
            raise HandshakeFailed("not open")
        self.serverVersion_ = hello.server_version
        self.connTime = hello.time_text.encode()
        self.conn = _Connection(self._transport, self._captures, self.send_data)
        self.decoder = compat.make_decoder(self._router, hello.server_version)
        self._choose_path(hello.server_version)
        self.setConnState(EClient.CONNECTED)
        self._inbound.is_greeted = True
        self.send(self.encode(self.startApi))

    def _choose_path(self, server_version: int) -> None:
        self._encoders = _encoders_of(self)  # before they are looked at: what is put in meanwhile is noticed
        is_theirs = self._encodes_officially()
        self._templates = Templates(self._encode_officially, server_version) if is_theirs else None
        self._inbound.decode = hot_path(type(self), server_version)
        self._inbound.take = self.receiver.hot_taker()
        self._decode_warm = warm_path(type(self), server_version, lambda: self._router.awaited)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Read until the connection ends. This is the reader thread's whole life."""
        end: ConnectionFailed | None = None
        try:
            while self._receive():
                self._inbound.work()
        except (WireError, ConnectionFailed, SendFailed) as error:
            end = self._take_fault(error)
        finally:
            self._end(end)

    def feed(self, data: bytes) -> bool:
        """Take bytes that were received elsewhere: the way of a simulation, which has no reader thread.

        Returns:
            Whether the stream can go on. When it cannot, the session has been told of its end.
        """
        try:
            self._inbound.buffer.feed(data)
            self.chunks += 1
            self._inbound.work()
        except (WireError, ConnectionFailed, SendFailed) as error:
            self._end(self._take_fault(error))
            return False
        return True

    def hang_up(self, reason: str) -> None:
        """Take notice, in place of run(), that the stream has ended."""
        self._end_reason = self._end_reason or reason
        self._end(None)

    def _take_fault(self, error: IbkrError) -> ConnectionFailed | None:
        """Note why the stream cannot be followed any more; returns what a failed handshake is to tell."""
        self._end_reason = str(error)
        if isinstance(error, WireError) and not self._inbound.is_greeted:
            return HandshakeFailed(f"the peer is no TWS or IB Gateway: {error}")
        return error if isinstance(error, ConnectionFailed) else None

    def _end(self, error: ConnectionFailed | None) -> None:
        if not self._inbound.is_greeted and error is None:
            reason = f": {self._end_reason}" if self._end_reason else ""
            error = HandshakeFailed(
                "the peer closed the connection during the handshake; TWS does so while it is starting, when "
                f"the API is disabled, or when this address is not trusted{reason}"
            )
        self.disconnect()
        self.receiver.on_closed(self._end_reason or "the peer closed the connection", error)

    def _receive(self) -> int:
        if self._transport is None:
            raise HandshakeFailed("not open")
        try:
            count = self._transport.receive_into(self._inbound.buffer.writable())
        except OSError as error:  # reset by the peer, or closed by us on another thread
            self._end_reason = f"the connection broke: {error}"
            return 0
        self._inbound.buffer.wrote(count)
        self.chunks += 1
        return count

    def _tell_failure(self, error: BaseException) -> None:
        self.receiver.on_callback_failed(error)

    def _handle(self, body: bytes) -> None:
        """Take a message that is not of the hot kinds."""
        self.frame = body
        try:
            fact = self._decode_warm(body)
            if fact is not None:
                self.receiver.on_fact(fact)
            else:
                self._decode_officially(body)
        finally:
            self.frame = _NO_FRAME

    def _decode_officially(self, body: bytes) -> None:
        """Hand a message to the official decoder, which calls back."""
        version = self.serverVersion_
        message_id, start = _message_id(body, version)
        is_protobuf = message_id > compat.PROTOBUF_SINCE and version >= compat.RAW_IDS_SINCE
        if is_protobuf:
            message_id -= compat.PROTOBUF_SINCE
        compat.decode(self.decoder, message_id, body[start:], is_protobuf=is_protobuf)

    def replay(self, body: bytes, server_version: int) -> None:
        """Decode one recorded frame, with no connection: facts go to the receiver as if it had just come.

        Raises:
            WireError: It cannot be decoded.
        """
        if self.serverVersion_ != server_version or not self._inbound.is_greeted:
            self.serverVersion_ = server_version
            self.decoder = compat.make_decoder(self._router, server_version)
            self._choose_path(server_version)
            self._inbound.is_greeted = True
        values = self._inbound.decode(body)
        if values is not None:
            self._inbound.take(values, body)
        else:
            self._handle(body)

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def encode(self, request: Callable[[], object]) -> bytes:
        """Run an official request method and return the bytes that it would send, sending nothing.

        Raises:
            NotReady: There is no connection.
            RequestRefused: The official client refused; it tells so through ``error`` on the calling
                thread and returns, which here becomes an exception. Or it stumbled over a value.
        """
        capture = _Capture()
        self._captures.current = capture
        try:
            request()
        except Exception as error:
            raise RequestRefused(0, f"{type(error).__name__}: {error}") from error
        finally:
            self._captures.current = None
        if capture.errors:
            code, text = capture.errors[0]
            if code == _NOT_CONNECTED:
                raise NotReady("not connected; nothing was sent")
            raise RequestRefused(code, text)
        return b"".join(capture.frames)

    def take_local_error(self, code: int, text: str) -> bool:
        """Keep an error that an encoder reports on this thread. False when it came over the wire."""
        capture: _Capture | None = getattr(self._captures, "current", None)
        if capture is None:
            return False
        capture.errors.append((code, text))
        return True

    def encode_order(
        self, order_id: int, contract: Contract, order: Order, shape: Shape | None = None
    ) -> bytes:
        """Encode a placeOrder, for a new order or for new terms of one.

        Args:
            order_id: The id.
            contract: What to trade.
            order: At what terms.
            shape: The order's shape, where it has one and is known: then the bytes may be made of those of
                an earlier order of that shape (:mod:`ibkr_core.link.templates`).

        Raises:
            RequestRefused: The official client refused, for example a field that the gateway is too
                old for, or would leave a field out.
            UnknownField: The installed client has no such field.
        """
        templates = self._templates if shape is not None else None
        if templates is None or shape is None or not self._is_as_usual():
            return self._encode_officially(order_id, contract, order)
        data = templates.encode(order_id, contract, order, shape)
        if data is None:
            data = self._encode_officially(order_id, contract, order)
            templates.note(order_id, contract, order, shape, data)
        return data

    def learn_encoding(self) -> None:
        """Make use of the time after a message has left: look at what the next one like it will need."""
        templates = self._templates
        if templates is not None and templates.has_lesson and self._is_as_usual():
            templates.learn()

    def _encodes_officially(self) -> bool:
        """Whether all that encodes an order is the official client's own."""
        return _encoders_of(type(self)) == _ENCODERS and vars(self).keys().isdisjoint(_ENCODING)

    def _is_as_usual(self) -> bool:
        """Whether the official encoder would do nothing but make bytes."""
        connection = self.conn
        return (
            _encoders_of(self) == self._encoders  # on the instance and its classes: it may be patched
            and type(connection) is _Connection
            and connection.is_open
            and self.connState == _CONNECTED
            and not (_CLIENT_LOG.isEnabledFor(_INFO) or _UTILS_LOG.isEnabledFor(_INFO))
        )

    def _encode_officially(self, order_id: int, contract: Contract, order: Order) -> bytes:
        official_contract = convert.contract_to_official(contract)
        official_order = convert.order_to_official(order)

        def place() -> None:
            self.placeOrder(order_id, official_contract, official_order)

        data = self.encode(place)
        for name in order.official:
            with convert.at_default(official_order, name) as is_changed:
                if is_changed and not self._makes_a_difference(place, data):
                    raise RequestRefused(
                        0,
                        f"{name} would be left out of the order: this protocol version "
                        f"({self.serverVersion_}) has no place for it, or it needs another field beside it",
                    )
        return data

    def _makes_a_difference(self, request: Callable[[], object], data: bytes) -> bool:
        try:
            return self.encode(request) != data
        except RequestRefused:
            return True

    def encode_what_if(self, order_id: int, contract: Contract, order: Order) -> bytes:
        """Encode a placeOrder that only asks what the order would do.

        Raises:
            RequestRefused: As for :meth:`encode_order`, or the message would not say that it is only a
                question: then it is never sent, because it would trade.
        """
        data = self.encode_order(order_id, contract, order)
        if data == self.encode_order(order_id, contract, order.replace(what_if=False)):
            raise RequestRefused(0, "the message does not say that it is a what-if, so it would trade")
        return data

    def encode_cancel(self, order_id: int) -> bytes:
        """Encode a cancelOrder."""
        return self.encode(lambda: compat.cancel_order(self, order_id))

    def encode_global_cancel(self) -> bytes:
        """Encode a reqGlobalCancel."""
        return self.encode(lambda: compat.global_cancel(self))

    def encode_executions_request(self, request_id: int) -> bytes:
        """Encode a reqExecutions for everything."""
        return self.encode(lambda: self.reqExecutions(request_id, compat.execution_filter()))

    def send(self, data: bytes) -> None:
        """Give bytes to the kernel, every one of them.

        Raises:
            NotReady: There is no connection; nothing was sent.
            SendFailed: The connection failed on the way.
        """
        if self._transport is None:
            raise NotReady("not connected; nothing was sent")
        self._transport.send(data)

    def reqMarketDataType(self, marketDataType: int) -> None:  # noqa: N802, N803 - official names
        """Do as the official method, and remember what was asked for."""
        self.market_data_type = marketDataType
        super().reqMarketDataType(marketDataType)

    @contextlib.contextmanager
    def with_data_type(self, wanted: int) -> Iterator[None]:
        """Let the requests inside ask for another type of data, and put the usual one back behind them.

        For use in :meth:`encode`: all of it leaves together, so that no other request is touched.
        """
        usual = self.market_data_type
        if wanted != usual:
            super().reqMarketDataType(wanted)
        yield
        if wanted != usual:
            super().reqMarketDataType(usual)

    @property
    def wants_positions(self) -> bool:
        """Whether a subclass listens to positions itself, so that the subscription must be left alone."""
        return type(self).position is not EWrapper.position

    # ── closing ─────────────────────────────────────────────────────────────────────────────────

    def disconnect(self) -> None:
        """Close the connection. The reader thread ends by itself; may be called from any thread."""
        self.setConnState(EClient.DISCONNECTED)
        if self._transport is not None:
            self._transport.close()
        connection = self.conn
        if connection is not None:
            connection.disconnect()


def _message_id(body: bytes, server_version: int) -> tuple[int, int]:
    """Return the message id and where the rest begins (wire facts 2)."""
    if server_version >= compat.RAW_IDS_SINCE:
        if len(body) < _RAW_ID_BYTES:
            raise MalformedMessage("message", f"a frame of {len(body)} bytes has no message id")
        return int.from_bytes(body[:_RAW_ID_BYTES], "big"), _RAW_ID_BYTES
    head, nul, _ = body[: _MAX_ID_DIGITS + 1].partition(b"\0")
    if not nul or not head.isdigit():
        raise MalformedMessage("message", f"no message id in {body[:32]!r}")
    return int(head), len(head) + 1
