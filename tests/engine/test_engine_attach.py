"""The engine without a socket: on an in-memory pipe to the gateway, with the gateway's clock by hand."""

from __future__ import annotations

import threading
from decimal import Decimal

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import ConnectionFailed, HandshakeFailed, NotReady, SendFailed
from ibkr_core.gateway import Choreography, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.session import SessionState
from ibkr_core.settings import EngineSettings
from tests.engine.rig import STOCK, VERSIONS, WAIT, Log, S, buy, settle


class Pipe:
    """A transport that ends in a gateway in the same process; one lock stands for the gateway's thread."""

    def __init__(self, gateway: MemoryGateway) -> None:
        self._changed = threading.Condition()
        self._gateway = gateway
        self._session = gateway.connect()
        self._is_closed = False

    def receive_into(self, room: memoryview) -> int:
        with self._changed:
            while not self._session.pending and not self._is_closed and not self._session.closed:
                self._changed.wait()
            data = b"" if self._is_closed else self._session.outgoing(len(room))
        room[: len(data)] = data
        return len(data)

    def send(self, data: bytes) -> None:
        with self._changed:
            if self._is_closed:
                raise NotReady("the pipe is closed; nothing was sent")
            self._session.receive(data)
            self._changed.notify_all()

    def close(self) -> None:
        with self._changed:
            self._is_closed = True
            self._session.close()
            self._changed.notify_all()

    def run(self, seconds: float) -> None:
        """Let time pass in the gateway."""
        with self._changed:
            self._gateway.run(seconds)
            self._changed.notify_all()


def make(version: int) -> tuple[MemoryGateway, Pipe]:
    style = Choreography(work_delay_s=(5.0, 5.0), commission_delay_s=(60.0, 60.0), duplicates=0.0)
    gateway = MemoryGateway(
        clock=ManualClock(),
        settings=Settings(market=MarketSettings(moves=False), choreography=style),
        versions=[version],
    )
    gateway.market("AAPL").set_quote(bid=100, ask="100.01")
    return gateway, Pipe(gateway)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_order_on_a_pipe(version: int) -> None:
    """Time passes only when told: the fill after five seconds, the commission after a minute."""
    gateway, pipe = make(version)
    engine = Engine(4)
    log = Log(engine)
    with engine:
        engine.attach(pipe)
        ticket = buy(engine, 10)
        ticket.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
        pipe.run(4.9)
        settle(engine)
        assert ticket.status in (S.PRE_SUBMITTED, S.SUBMITTED)
        pipe.run(0.2)
        assert ticket.wait(**WAIT).status is S.FILLED
        pipe.run(50)
        settle(engine)
        assert ticket.record.commissions == {}
        pipe.run(10)
        log.wait(events.CommissionReported)
        assert ticket.record.avg_fill_price == Decimal("100.01")
        assert gateway.books().order(ticket.order_id).filled == 10
    assert engine.orders()


def test_a_pipe_that_is_closed_is_a_lost_connection() -> None:
    """Whatever the transport, the end is told once and commands are refused.

    A transport that was given cannot be made again: each attempt says so, and the engine goes on trying for
    as long as it is wanted, as it does with any other connection.
    """
    gateway, pipe = make(VERSIONS[-1])
    engine = Engine(4)
    log = Log(engine)
    with engine:
        engine.attach(pipe)
        pipe.close()
        log.wait(events.ConnectionLost)
        with pytest.raises(NotReady):
            engine.submit(STOCK, Order.market("BUY", 1))
        gap = log.wait(events.SessionChanged, lambda e: "cannot be made again" in e.reason)
        assert gap.current is SessionState.GAP
        assert len(log.of(events.ConnectionLost)) == 1
    assert gateway.books().orders == ()


def test_a_pipe_that_says_nothing_is_closed_and_left() -> None:
    """The failed engine closes its transport, wakes its own reader, and ends every thread."""

    class Silent(Pipe):
        def send(self, data: bytes) -> None:
            """Swallow it."""

    gateway, _ = make(VERSIONS[-1])
    pipe = Silent(gateway)
    with pytest.raises(HandshakeFailed, match=r"no handshake within 0\.1 s"):
        Engine(4, settings=EngineSettings(connect_timeout_s=0.1)).attach(pipe)
    assert pipe._is_closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ibkr-core")]


def test_a_pipe_that_breaks_at_the_hello() -> None:
    """Nothing of ours was on its way yet, so it is a connection that failed and no send."""

    class Broken(Pipe):
        def send(self, data: bytes) -> None:
            raise SendFailed(f"the pipe burst at {len(data)} bytes")

    gateway, _ = make(VERSIONS[-1])
    pipe = Broken(gateway)
    with pytest.raises(HandshakeFailed, match="burst"):
        Engine(4).attach(pipe)
    assert pipe._is_closed
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("ibkr-core")]


def test_two_engines_on_one_gateway() -> None:
    """The second with the same id is refused; with another one it trades beside the first."""
    gateway, first_pipe = make(VERSIONS[-1])
    with Engine(4) as first:
        first.attach(first_pipe)
        with pytest.raises(ConnectionFailed, match="client id 4"):
            Engine(4).attach(Pipe(gateway))
        assert first.is_ready
