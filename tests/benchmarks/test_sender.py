"""The sender: a gateway's manners towards every client, and a stream when it is told to send one."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from benchmarks.feed import burst, end_mark
from benchmarks.programs.engine import make_order
from benchmarks.programs.floor import begin, read_frame
from benchmarks.sender import Sender, answers, is_order
from benchmarks.terms import FIRST_ID
from ibkr_core.wire.codec import decode_answer, encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message

VERSIONS = (178, 226)
IDS = range(FIRST_ID, FIRST_ID + 3)


class Line:
    """A client that was greeted, and the sender at the other end."""

    def __init__(self, listener: socket.socket, version: int) -> None:
        self._made: list[Sender] = []
        self._up = threading.Event()
        self._listener = listener
        self._version = version
        self.thread = threading.Thread(target=self._serve)
        self.thread.start()
        self.client = begin(listener.getsockname()[1], version)
        self._up.wait()

    def _serve(self) -> None:
        connection, _ = self._listener.accept()
        with connection:
            self._made.append(Sender(connection, self._version))
            self._up.set()
            self._made[0].run()

    @property
    def sender(self) -> Sender:
        return self._made[0]

    def ask(self, kind: str, **fields: Any) -> None:
        self.client.sendall(frame(encode_request(Message(kind, fields), self._version)))

    def read(self, count: int) -> list[bytes]:
        return [read_frame(self.client) for _ in range(count)]


@pytest.fixture(name="line", params=VERSIONS)
def _line(request: pytest.FixtureRequest) -> Iterator[tuple[Line, int]]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        line = Line(listener, request.param)
        yield line, request.param
        line.client.close()
        line.thread.join()


@pytest.mark.system
def test_a_burst_arrives_whole_and_its_end_mark_after_it(line: tuple[Line, int]) -> None:
    """Byte for byte what was to be sent; then a little more, for readers that wait for a full buffer."""
    link, version = line
    data = burst(IDS, version)
    sending = threading.Thread(target=link.sender.burst, args=(data,))
    sending.start()
    told = b"".join(frame(body) for body in link.read(len(IDS) * 8))
    assert told == data
    assert frame(link.read(1)[0]) == end_mark(version)
    assert decode_answer(link.read(1)[0], version).fields["currentTime"] == 2
    sending.join()


@pytest.mark.system
def test_a_paced_stream_is_stamped_before_every_frame(line: tuple[Line, int]) -> None:
    """One moment for each frame, in their order, and not faster than the rate."""
    link, version = line
    data = burst(IDS, version)
    began = time.perf_counter_ns()
    stamps = link.sender.pace(data, 2_000.0)
    assert len(stamps) == len(IDS) * 8
    assert list(stamps) == sorted(stamps)
    # Each is held to the schedule, not to the one before it: that one may have been late.
    assert all(stamp - began >= place * 500_000 for place, stamp in enumerate(stamps))
    assert b"".join(frame(body) for body in link.read(len(stamps))) == data


@pytest.mark.system
def test_orders_are_counted_and_questions_answered(line: tuple[Line, int]) -> None:
    """An order is swallowed; what a session asks at its beginning has an end."""
    link, version = line
    contract, order = make_order(FIRST_ID)
    fields = {"symbol": contract.symbol, "secType": "STK", "exchange": "SMART", "currency": "USD"}
    terms = {"action": str(order.action.value), "totalQuantity": order.quantity, "orderType": "MKT"}
    link.ask("placeOrder", orderId=FIRST_ID, contract=fields, order=terms)
    link.ask("reqExecutions", reqId=42)
    (body,) = link.read(1)
    answer = decode_answer(body, version)
    assert (answer.kind, answer.fields["reqId"]) == ("execDetailsEnd", 42)
    assert link.sender.orders == 1


def test_only_the_id_of_a_request_tells_an_order() -> None:
    """As text, as raw id, and as protobuf; other requests are none."""
    assert is_order(memoryview(b"3\x00101\x00"), 178)
    assert not is_order(memoryview(b"31\x00"), 178)
    assert is_order(memoryview(bytes((0, 0, 0, 203)) + b"x"), 226)
    assert is_order(memoryview(bytes((0, 0, 0, 3)) + b"x"), 201)
    assert not is_order(memoryview(bytes((0, 0, 0, 204))), 226)
    assert list(answers(Message("cancelOrder", {"orderId": 1}), 178)) == []
