"""The peer of every contestant, in a process of its own: a gateway's manners, then a stream from a file.

It answers what clients ask at the beginning of a session, swallows orders, and sends when its driver says
``go`` on stdin: at once, as fast as TCP takes it, or frame by frame at a given rate. What it reads of a
request is its id, so that placing orders is not slowed down by whoever receives them.

Commands on stdin, one JSON a line: ``{"send": file, "rate": messages a second or 0, "stamps": file}`` answers
with the moment before the first byte; ``{"count": true}`` with the number of orders received so far.
"""

from __future__ import annotations

import argparse
import array
import json
import queue
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.feed import end_mark
from benchmarks.terms import ACCOUNT
from ibkr_core.wire.codec import decode_request, encode_answer
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import negotiate, parse_client_hello, server_hello
from ibkr_core.wire.ids import PROTOBUF_OFFSET, RAW_ID_SINCE
from ibkr_core.wire.message import Message

__all__ = ["Sender", "answers", "is_order", "serve_once"]

_PLACE_ORDER: Final = 3
_AFTER_MARK_S: Final = 0.05
_RECEIVE: Final = 1 << 16

_ANSWERS: Final[dict[str, tuple[tuple[str, dict[str, Any]], ...]]] = {
    "startApi": (("managedAccounts", {"accountsList": ACCOUNT}), ("nextValidId", {"orderId": 1})),
    "reqOpenOrders": (("openOrderEnd", {}),),
    "reqAllOpenOrders": (("openOrderEnd", {}),),
    "reqExecutions": (("execDetailsEnd", {"reqId": None}),),
    "reqCompletedOrders": (("completedOrdersEnd", {}),),
    "reqPositions": (("positionEnd", {}),),
    "reqAccountUpdates": (("accountDownloadEnd", {"accountName": ACCOUNT}),),
    "reqAccountUpdatesMulti": (("accountUpdateMultiEnd", {"reqId": None}),),
    "reqCurrentTime": (("currentTime", {"currentTime": 1}),),
}
"""What is answered, with the asker's request id where it says None."""


class Sender:
    """One connection to a contestant.

    Args:
        connection: Just accepted.
        server_version: The protocol version to answer.

    Attributes:
        orders: How many were received.
        on_time: Sent to a client that asks the time, in front of the answer.
    """

    def __init__(self, connection: socket.socket, server_version: int) -> None:
        self._connection = connection
        self._wanted = server_version
        self._version = 0
        self._lock = threading.Lock()
        self._buffer = FrameBuffer()
        self.orders = 0
        self.on_time = b""

    def run(self) -> None:
        """Shake hands and answer until the contestant leaves."""
        self._connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        received = b""
        while (hello := parse_client_hello(received)) is None:
            received += self._connection.recv(_RECEIVE)
        version = negotiate(hello.min_version, hello.max_version, [self._wanted])
        if version is None:
            raise SystemExit(f"the client does not speak server version {self._wanted}")
        self._version = version
        self.send(server_hello(version, "20260828 14:31:45 EST"))
        self._buffer.feed(received[hello.consumed :])
        while True:
            for body in self._buffer.frames():
                self._answer(body)
            try:
                data = self._connection.recv(_RECEIVE)
            except ConnectionResetError:
                return
            if not data:
                return
            self._buffer.feed(data)

    def send(self, data: bytes | memoryview) -> None:
        """Send in one piece."""
        with self._lock:
            self._connection.sendall(data)

    def burst(self, data: bytes) -> float:
        """Send a stream as fast as TCP takes it, with its end mark; returns the moment before it."""
        mark = end_mark(self._version)
        whole = data + mark
        began = time.perf_counter()
        self.send(whole)
        # The official reader waits, and forgets what it has, when its last read filled its buffer of 4096
        # bytes: a little more wakes it.
        time.sleep(_AFTER_MARK_S)
        self.send(frame(encode_answer(Message("currentTime", {"currentTime": 2}), self._version)))
        return began

    def pace(self, data: bytes, rate: float) -> array.array[int]:
        """Send a stream frame by frame; returns the moment before each, in nanoseconds."""
        pieces = list(_pieces(data))
        stamps = array.array("Q", bytes(8 * len(pieces)))
        send, clock, sleep = self._connection.sendall, time.perf_counter_ns, time.sleep
        began = clock()
        for number, piece in enumerate(pieces):
            wait = began + int(number * 1e9 / rate) - clock()
            if wait > 0:
                sleep(wait / 1e9)
            with self._lock:
                stamps[number] = clock()
                send(piece)
        time.sleep(_AFTER_MARK_S)
        self.send(end_mark(self._version))
        return stamps

    def _answer(self, body: memoryview) -> None:
        if is_order(body, self._version):
            self.orders += 1
            return
        request = decode_request(bytes(body), self._version)
        if request.kind == "reqCurrentTime" and self.on_time:
            self.send(self.on_time)
        for data in answers(request, self._version):
            self.send(data)


def is_order(body: memoryview, server_version: int) -> bool:
    """Tell whether a request places an order, by its id alone."""
    if server_version < RAW_ID_SINCE:
        return bytes(body[:2]) == b"3\0"
    return int.from_bytes(body[:4], "big") in (_PLACE_ORDER, _PLACE_ORDER + PROTOBUF_OFFSET)


def answers(request: Message, server_version: int) -> Iterator[bytes]:
    """Yield the frames that answer a request."""
    for kind, fields in _ANSWERS.get(request.kind, ()):
        filled = {
            name: request.fields.get(name, -1) if value is None else value for name, value in fields.items()
        }
        yield frame(encode_answer(Message(kind, filled), server_version))


def _pieces(data: bytes) -> list[memoryview]:
    view, pieces, position = memoryview(data), [], 0
    while position < len(data):
        end = position + 4 + int.from_bytes(view[position : position + 4], "big")
        pieces.append(view[position:end])
        position = end
    return pieces


def serve_once(listener: socket.socket, server_version: int, burst: bytes) -> None:
    """Serve one client from its handshake to its end; the burst leaves when it asks the time."""
    connection, _ = listener.accept()
    with connection:
        sender = Sender(connection, server_version)
        sender.on_time = burst
        sender.run()


def main() -> None:
    """Serve one contestant, until stdin ends."""
    parser = argparse.ArgumentParser()
    parser.add_argument("version", type=int)
    options = parser.parse_args()
    made: queue.SimpleQueue[Sender] = queue.SimpleQueue()

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        sender = Sender(connection, options.version)
        made.put(sender)
        sender.run()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, args=(listener,), daemon=True).start()
        _say({"port": listener.getsockname()[1]})
        sender = None
        for line in sys.stdin:
            sender = sender or made.get()
            _obey(sender, json.loads(line))


def _obey(sender: Sender, command: dict[str, Any]) -> None:
    if "count" in command:
        _say({"orders": sender.orders})
    elif command["rate"]:
        stamps = sender.pace(Path(command["send"]).read_bytes(), command["rate"])
        Path(command["stamps"]).write_bytes(stamps.tobytes())
        _say({"began": stamps[0] / 1e9})
    else:
        _say({"began": sender.burst(Path(command["send"]).read_bytes())})


def _say(values: dict[str, float]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
