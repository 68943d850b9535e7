"""A peer that only sends: a gateway's handshake and answers, then a burst when the client asks the time."""

from __future__ import annotations

import socket

from ibkr_core.wire.codec import decode_request, encode_answer
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import negotiate, parse_client_hello, server_hello
from ibkr_core.wire.message import Message

__all__ = ["serve_once"]

_ANSWERS = {
    "startApi": (
        Message("managedAccounts", {"accountsList": "DU1234567"}),
        Message("nextValidId", {"orderId": 1}),
    ),
    "reqOpenOrders": (Message("openOrderEnd", {}),),
    "reqExecutions": (Message("execDetailsEnd", {"reqId": 1}),),
}


def serve_once(listener: socket.socket, server_version: int, burst: bytes) -> None:
    """Serve one client from its handshake to its end."""
    connection, _ = listener.accept()
    with connection:
        buffer = FrameBuffer()
        received = b""
        while (hello := parse_client_hello(received)) is None:
            received += connection.recv(4096)
        version = negotiate(hello.min_version, hello.max_version, [server_version])
        if version is None:
            raise SystemExit(f"the client does not speak server version {server_version}")
        connection.sendall(server_hello(version, "20260828 14:31:45 EST"))
        buffer.feed(received[hello.consumed :])
        while True:
            for body in buffer.frames():
                kind = decode_request(bytes(body), version).kind
                for answer in _ANSWERS.get(kind, ()):
                    connection.sendall(frame(encode_answer(answer, version)))
                if kind == "reqCurrentTime":
                    connection.sendall(burst)
                    connection.sendall(
                        frame(encode_answer(Message("currentTime", {"currentTime": 1}), version))
                    )
            data = connection.recv(4096)
            if not data:
                return
            buffer.feed(data)
