"""Broken connections, stalled peers and shutdowns in full flight: typed errors, honest states, no hang."""

from __future__ import annotations

import threading
import time
from typing import Any

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    NotReady,
    OrderInDoubt,
    SendFailed,
    WaitTimeout,
)
from ibkr_core.gateway.core import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.session import SessionState
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.wire.message import Message
from tests.engine.rig import (
    ONE_LIFE,
    STOCK,
    UNLIMITED,
    VERSIONS,
    WAIT,
    Connect,
    Log,
    S,
    Serve,
    WatchedGateway,
    buy,
    rest,
    settle,
)
from tests.link.peers import PATIENCE_S, Line, Peer, welcome

pytestmark = pytest.mark.system
V = VERSIONS[-1]
QUICK = EngineSettings(reconnect=Backoff(first_s=0.01, longest_s=0.1))


def losing(*kinds: str) -> tuple[list[bool], Any]:
    """An outlet that loses messages of these kinds while the returned list is not empty."""
    active: list[bool] = []

    def outlet(_: int, message: Message) -> Any:
        return () if active and message.kind in kinds else (Delivery(message),)

    return active, outlet


# ── lost connections ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_a_lost_connection_with_an_unanswered_order(version: int, serve: Serve, connect: Connect) -> None:
    """What was never answered is in doubt, what was answered keeps its state, waits end, nothing is sent.

    With reconnecting switched off: else waits go on over the gap, as the next tests show.
    """
    active, outlet = losing("openOrder", "orderStatus", "error")
    gateway = serve(versions=[version], outlet=outlet)
    engine = connect(gateway, settings=ONE_LIFE)
    log = Log(engine)
    answered = rest(engine)
    word = answered.status
    active.append(True)
    unanswered = engine.submit(STOCK, Order.limit("BUY", 10, "91"))
    gateway.wait_for(lambda _: len(gateway.arrived("placeOrder")) == 2)
    errors: list[BaseException] = []

    def wait() -> None:
        try:
            unanswered.wait(**WAIT)
        except IbkrError as error:
            errors.append(error)

    waiters = [threading.Thread(target=wait) for _ in range(3)]
    for waiter in waiters:
        waiter.start()
    gateway.session(1).close()
    for waiter in waiters:
        waiter.join(PATIENCE_S)
    lost = log.wait(events.ConnectionLost)

    assert [type(error) for error in errors] == [ConnectionFailed] * 3
    assert "closed the connection" in lost.reason
    assert lost.reason in str(errors[0])
    assert (unanswered.status, answered.status) == (S.UNKNOWN, word)
    assert log.of(events.OrderUncertain)[0].order_id == unanswered.order_id
    assert engine.state is SessionState.DISCONNECTED
    assert not engine.is_ready
    before = len(gateway.requests)
    for command in (
        lambda: buy(engine),
        answered.cancel,
        lambda: answered.modify(limit_price=1),
        engine.cancel_all,
    ):
        with pytest.raises(NotReady, match="closed the connection; nothing was sent"):
            command()
    with pytest.raises(ConnectionFailed):
        answered.wait(timeout_s=1)
    assert len(engine.orders()) == 2
    assert len(gateway.requests) == before
    engine.close()
    with pytest.raises(EngineClosed):
        answered.wait(timeout_s=1)


def test_waits_go_on_over_a_gap(serve: Serve, connect: Connect) -> None:
    """The connection is made again by itself; what happened meanwhile is told then, and ends the waits."""
    active, outlet = losing("openOrder", "orderStatus", "execDetails")
    gateway = serve(outlet=outlet)
    engine = connect(gateway, settings=QUICK)
    log = Log(engine)
    answered = rest(engine)
    active.append(True)
    unanswered = buy(engine)
    gateway.wait_for(lambda books: any(order.filled for order in books.orders))
    ends: list[Any] = []
    waiter = threading.Thread(target=lambda: ends.append(unanswered.wait(**WAIT)))
    waiter.start()
    word = answered.status
    active.clear()
    gateway.session(1).close()
    resumed = log.wait(events.Resumed)
    waiter.join(PATIENCE_S)

    assert [(end.status, end.filled_quantity) for end in ends] == [(S.FILLED, 10)]
    assert resumed.gap_s >= 0
    engine.wait_ready(PATIENCE_S)
    assert answered.status is word
    assert unanswered.record.avg_fill_price is not None
    told = [event.current for event in log.of(events.SessionChanged)]
    assert told[0] is SessionState.GAP
    assert told[-1] is SessionState.READY
    assert len(log.of(events.ConnectionLost)) == len(log.of(events.Resumed)) == 1
    settle(engine)
    assert len(gateway.arrived("placeOrder")) == 2, "nothing is sent twice"
    answered.cancel()
    assert answered.wait(**WAIT).status is S.CANCELLED


def test_in_a_gap_nothing_is_sent(serve: Serve, connect: Connect) -> None:
    """Refused with the reason, and it says how it goes on; what was known to work keeps its state."""
    gateway = serve()
    engine = connect(gateway, settings=EngineSettings(reconnect=Backoff(first_s=3600, longest_s=3600)))
    log = Log(engine)
    ticket = rest(engine)
    word = ticket.status
    gateway.session(1).close()
    gap = log.wait(events.SessionChanged, lambda event: event.current is SessionState.GAP)
    assert "next attempt in" in gap.reason
    assert (engine.state, engine.is_ready, ticket.status) == (SessionState.GAP, False, word)
    for command in (lambda: buy(engine), ticket.cancel, lambda: ticket.modify(limit_price=1)):
        with pytest.raises(NotReady, match="closed the connection; nothing was sent"):
            command()
    with pytest.raises(WaitTimeout, match="gap"):
        engine.wait_ready(0.01)
    assert len(engine.orders()) == 1


def test_an_order_in_doubt_is_not_sent_again(serve: Serve, connect: Connect) -> None:
    """While nothing is proved, new terms could make a second order; the next session finds the first one."""
    active, outlet = losing("openOrder", "orderStatus")
    gateway = serve(outlet=outlet)
    engine = connect(gateway, 3, settings=ONE_LIFE)
    active.append(True)
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "91"), key="mine")
    gateway.wait_for(lambda books: books.orders)
    gateway.session(3).close()
    with pytest.raises(ConnectionFailed):
        ticket.wait(**WAIT)
    assert ticket.status is S.UNKNOWN
    with pytest.raises((NotReady, OrderInDoubt)):
        ticket.modify(limit_price=92)
    engine.close()
    active.clear()
    gateway.wait_for(lambda _: gateway.client_ids == ())
    (found,) = connect(gateway, 3).active_orders()
    assert (found.key, found.order_id) == ("mine", ticket.order_id)


def test_a_gateway_that_stops_is_a_lost_connection(serve: Serve, connect: Connect) -> None:
    """Told once, however often connecting fails after it, with nothing left running after close."""
    gateway = serve()
    engine = connect(gateway, settings=QUICK)
    log = Log(engine)
    gateway.stop()
    log.wait(events.ConnectionLost)
    log.wait(events.SessionChanged, lambda event: event.current is SessionState.CONNECTING, 3)
    engine.close()
    assert len(log.of(events.ConnectionLost)) == 1
    assert log.of(events.Disconnected) == []


def test_a_listener_may_close_the_engine_when_the_connection_is_lost(
    gateway: WatchedGateway, connect: Connect
) -> None:
    """On the reader thread itself, in its last breath."""
    engine = connect(gateway)
    closed = threading.Event()
    from ibkr_core.listeners import Delivery as Where

    engine.on(events.ConnectionLost, lambda _: (engine.close(), closed.set()), Where.INLINE)
    gateway.session(1).close()
    assert closed.wait(PATIENCE_S)
    for thread in threading.enumerate():
        if thread.name.startswith("ibkr-core"):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    with pytest.raises(EngineClosed):
        buy(engine)


def test_garbage_in_mid_session_is_reported_and_trading_goes_on(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """A message that cannot be read is one event; one that cannot be framed is the end, with its reason."""
    log = Log(engine)
    gateway.session(1).inject(b"\0\0\0\x02\xff\xff" + b"\0\0\0\0")
    assert buy(engine).wait(**WAIT).status is S.FILLED
    assert len(log.of(events.CallbackFailed)) == 2
    gateway.session(1).inject(b"\x7f\xff\xff\xff")
    assert str(0x7FFFFFFF) in log.wait(events.ConnectionLost).reason


@pytest.mark.parametrize("version", sorted({VERSIONS[0], V}))
def test_a_gateway_whose_bytes_come_one_by_one(version: int, serve: Serve, connect: Connect) -> None:
    """Every frame is split at every byte, on a real socket: the story is the same."""
    gateway = serve(
        versions=[version], write_chunker=lambda data: [data[i : i + 1] for i in range(len(data))]
    )
    engine = connect(gateway)
    record = buy(engine).wait(**WAIT)
    assert (record.status, len(record.fills)) == (S.FILLED, 1)
    assert str(record.avg_fill_price) == "100.01"


# ── a peer that stops reading ───────────────────────────────────────────────────────────────────────


def deaf(stop: threading.Event) -> Any:
    """A peer that begins a session, and then reads nothing any more."""

    def script(line: Line) -> None:
        line.greet(V, welcome(V))
        line.answer_survey(V)
        assert stop.wait(PATIENCE_S), "we came out of it only when the peer gave up"

    return script


def flooding(send_timeout_s: float) -> EngineSettings:
    """Settings under which only the socket limits what is sent."""
    return attrs.evolve(UNLIMITED, send_timeout_s=send_timeout_s, reconnect=None, heartbeat_s=0)


def big(number: int) -> Order:
    return Order.limit("BUY", 1, 99, algoStrategy="x" * 200_000, order_ref=f"big-{number}")


def test_a_peer_that_stops_reading(connect: Connect) -> None:
    """The send deadline ends it: SendFailed names the order, and nothing that was sent is certain."""
    stop = threading.Event()
    with Peer(deaf(stop), receive_buffer=4096) as peer:
        engine = Engine.connect("127.0.0.1", peer.port, settings=flooding(0.3))
        log = Log(engine)
        sent: list[int] = []
        with pytest.raises(SendFailed, match="timed out") as raised:
            sent.extend(engine.submit(STOCK, big(number)).order_id for number in range(1000))
        (failed,) = raised.value.order_ids
        assert failed == sent[-1] + 1
        with pytest.raises(NotReady, match="nothing was sent"):
            buy(engine)
        lost = log.wait(events.ConnectionLost)
        assert "timed out" in lost.reason
        assert {record.order_id for record in engine.orders()} == {*sent, failed}
        assert {record.status for record in engine.orders()} == {S.UNKNOWN}
        assert len(log.of(events.OrderUncertain)) == len(sent) + 1
        engine.close()
        stop.set()


def test_threads_that_wait_behind_a_stalled_send() -> None:
    """One is in doubt, the others know that nothing of theirs was sent; nobody hangs."""
    stop = threading.Event()
    with Peer(deaf(stop), receive_buffer=4096) as peer:
        engine = Engine.connect("127.0.0.1", peer.port, settings=flooding(0.5))
        outcomes: list[BaseException] = []

        def work(number: int) -> None:
            try:
                while True:
                    engine.submit(STOCK, big(number).replace(order_ref=""))
            except IbkrError as error:
                outcomes.append(error)

        threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE_S)
        assert sorted(type(error).__name__ for error in outcomes) == ["NotReady"] * 3 + ["SendFailed"]
        doubtful = next(error for error in outcomes if isinstance(error, SendFailed)).order_ids
        assert engine.orders()[-1].order_id == doubtful[0]
        engine.close()
        stop.set()


def test_closing_ends_a_stalled_send() -> None:
    """Closing does not wait for the send deadline of an hour."""
    stop = threading.Event()
    with Peer(deaf(stop), receive_buffer=4096) as peer:
        engine = Engine.connect("127.0.0.1", peer.port, settings=flooding(3600))
        outcome: list[BaseException] = []
        submitted = [0]

        def work() -> None:
            try:
                while True:
                    engine.submit(STOCK, big(submitted[0]))
                    submitted[0] += 1
            except IbkrError as error:
                outcome.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        seen = -1
        while seen != submitted[0]:  # until nothing moves any more
            seen = submitted[0]
            stop.wait(0.2)
        engine.close()
        thread.join(PATIENCE_S)
        assert isinstance(outcome[0], SendFailed | NotReady | EngineClosed)
        stop.set()


def test_bytes_that_certainly_did_not_leave(gateway: WatchedGateway, connect: Connect) -> None:
    """The connection was closed just before: no doubt about the order, it was not sent."""
    engine = connect(gateway)
    engine.client._transport.close()
    with pytest.raises(NotReady, match="nothing was sent"):
        buy(engine)
    for record in engine.orders():  # none, where the reader had noticed first
        assert record.status is S.REJECTED
        assert "nothing was sent" in record.error_message
    gateway.wait_for(lambda _: gateway.client_ids == ())
    assert gateway.orders_arrived() == []


# ── shutdown in full flight ─────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("from_gateway", [False, True])
def test_shutdown_with_work_in_flight(from_gateway: bool, serve: Serve, connect: Connect) -> None:
    """Every call of a trading thread ends in a result or a typed error; our book has all that was sent.

    A gateway that is gone for good ends them only where nobody hopes for another connection.
    """
    gateway = serve()
    engine = connect(gateway, settings=ONE_LIFE if from_gateway else None)
    faults: list[BaseException] = []
    stopped: list[str] = []
    moving = threading.Event()

    def work() -> None:
        try:
            for count in range(100_000):
                ticket = buy(engine, 1)
                if count == 3:
                    moving.set()
                ticket.wait(**WAIT)
        except (EngineClosed, ConnectionFailed, SendFailed) as error:
            stopped.append(type(error).__name__)
        except BaseException as error:  # noqa: BLE001 - looked at below
            faults.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    assert moving.wait(PATIENCE_S)
    gateway.stop() if from_gateway else engine.close()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    assert faults == []
    assert len(stopped) == 4
    engine.close()
    known = {record.order_id for record in engine.orders()}
    assert {message.fields["orderId"] for message in gateway.arrived("placeOrder")} <= known


def test_engines_come_and_go(gateway: WatchedGateway) -> None:
    """Twenty sessions one after the other leave no thread and no client behind."""
    before = threading.active_count()
    for _ in range(20):
        with Engine.connect("127.0.0.1", gateway.port, 4) as engine:
            buy(engine, 1)
        gateway.wait_for(lambda _: gateway.client_ids == ())
    assert threading.active_count() == before


def test_two_threads_close_at_once(gateway: WatchedGateway, connect: Connect) -> None:
    """Both come back, and nothing runs any more."""
    engine = connect(gateway)
    start = threading.Barrier(2)

    def close() -> None:
        start.wait(PATIENCE_S)
        engine.close()

    threads = [threading.Thread(target=close) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
    deadline = time.monotonic() + PATIENCE_S
    for thread in threading.enumerate():
        if thread.name.startswith("ibkr-core"):
            thread.join(deadline - time.monotonic())
            assert not thread.is_alive()


def test_a_market_data_error_with_an_orders_number(gateway: WatchedGateway, engine: Engine) -> None:
    """The user's own request ids share their space with order ids: a refusal of market data is no end."""
    ticket = rest(engine)
    word = ticket.status
    contract = Contract.stock("AAPL")
    from ibkr_core.link import convert

    engine.client.reqMktData(ticket.order_id, convert.contract_to_official(contract), "", False, False, [])
    settle(engine)
    assert ticket.wait(word, **WAIT).status is word
