"""An engine with no thread and no socket: bytes are put into it by hand, on the caller's own thread.

For microbenchmarks and for the regression guard, where the machine's mood must not count.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from benchmarks.programs.engine import place
from benchmarks.sender import answers, is_order
from benchmarks.terms import CLIENT_ID
from ibkr_core import Delivery, Engine, EngineSettings, Journal, events
from ibkr_core.link.client import TwsClient
from ibkr_core.link.session import Session
from ibkr_core.link.transport import Transport
from ibkr_core.wire.codec import decode_request
from ibkr_core.wire.framing import FrameBuffer
from ibkr_core.wire.handshake import parse_client_hello, server_hello

__all__ = ["HandEngine"]


class _Wire:
    """Notes what is sent, for the runner to answer."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def receive_into(self, room: memoryview) -> int:
        """Never asked: bytes are fed."""
        raise NotImplementedError

    def send(self, data: bytes) -> None:
        """See :class:`Transport`."""
        self.sent.append(data)

    def close(self) -> None:
        """See :class:`Transport`."""


class _Hand:
    """Receives by hand; stands for a gateway while somebody waits. See :class:`ibkr_core.runner.Runner`."""

    def __init__(self, server_version: int) -> None:
        self._version = server_version
        self._buffer = FrameBuffer()
        self._is_greeted = False
        self.wire = _Wire()
        self.run_due: Callable[[], bool] = bool
        self.client: TwsClient | None = None

    def connect(
        self,
        dial: Callable[[], Transport],
        session: Session,
        client_id: int,
        failed: Callable[[BaseException], None],  # noqa: ARG002 - what fails here ends the benchmark
    ) -> None:
        session.begin(dial(), client_id)
        self.client = session.client

    @property
    def is_reader_here(self) -> bool:
        return False

    def join(self) -> None:
        """Nothing to wait for."""

    def wait(self, future: Future[Any], timeout_s: float | None) -> None:  # noqa: ARG002 - time does not pass
        self.serve_until(future.done)

    def serve_until(self, is_done: Callable[[], bool]) -> None:
        """Be the gateway, and the engine's threads, until something has come about."""
        while not is_done():
            if not self.run_due() and not self.wire.sent:
                raise RuntimeError("nobody will bring what is waited for")
            self._serve()

    def _serve(self) -> None:
        assert self.client is not None
        data, self.wire.sent[:] = b"".join(self.wire.sent), []
        if not self._is_greeted and (hello := parse_client_hello(data)) is not None:
            self._is_greeted = True
            data = data[hello.consumed :]
            self.client.feed(server_hello(self._version, "20260828 14:31:45 EST"))
        self._buffer.feed(data)
        for body in self._buffer.frames():
            if not is_order(body, self._version):
                for answer in answers(decode_request(bytes(body), self._version), self._version):
                    self.client.feed(answer)


class HandEngine:
    """An engine that is ready, with orders of its own, and one inline listener on order events.

    Args:
        server_version: The protocol version of its session.
        orders: How many orders it places; the first one's id is ``FIRST_ID``.
        journal: Its journal, if it shall have one.

    Attributes:
        engine: The engine.
        sent: What it sent and nobody has taken yet.
    """

    def __init__(self, server_version: int, orders: int, journal: Journal | None = None) -> None:
        hand = _Hand(server_version)
        settings = EngineSettings(messages_per_second=None, max_active_orders=None)
        self.engine = Engine(CLIENT_ID, settings=settings, runner=hand, journal=journal)
        hand.run_due = self.engine.scheduler.run_due
        self.engine.start_on(lambda: hand.wire)
        hand.serve_until(lambda: self.engine.is_ready)
        self.engine.on(events.OrderEvent, lambda _: None, Delivery.INLINE)
        self.sent = hand.wire.sent
        place(self.engine, orders)
        self.sent.clear()
        self._hand = hand

    @property
    def client(self) -> TwsClient:
        """The client underneath."""
        assert self._hand.client is not None
        return self._hand.client

    def feed(self, data: bytes) -> None:
        """Receive bytes."""
        if not self.client.feed(data):
            raise RuntimeError("the stream cannot be followed")
