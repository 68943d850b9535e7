"""A connection that is lost, stalled, refused or half-open, and the broker behind it that goes away."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, time, timedelta
from typing import Any

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    ClientIdInUse,
    ConnectionFailed,
    EngineClosed,
    GatewayUnreachable,
    NotReady,
    SendFailed,
    WaitTimeout,
)
from ibkr_core.gateway import Settings
from ibkr_core.gateway.faults import Disconnect, HalfOpen, Outage, PortChange, Reset, Stall, When
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import Receiver
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.session import SessionState
from ibkr_core.settings import Backoff, EngineSettings, RestartWindow
from tests.engine.rig import STOCK, VERSIONS, WAIT, Log, S, Serve, WatchedGateway, buy, rest
from tests.link.peers import PATIENCE_S, Line, Peer, hello

pytestmark = pytest.mark.system

QUICK = EngineSettings(
    connect_timeout_s=5.0,
    heartbeat_s=0.0,
    confirm_s=0.05,
    executions_timeout_s=0.2,
    reconnect=Backoff(first_s=0.02, longest_s=0.1),
    seed=1,
)
"""In a hurry, and without a heartbeat: a busy machine must not look like a broken line."""
BEATING = attrs.evolve(QUICK, heartbeat_s=0.1, pong_timeout_s=0.2)
NOBODY: dict[str, Any] = {"client_id": 1}
"""Whom the gateway tells what is about no order."""

Start = Callable[..., tuple[Engine, Log]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Start engines that keep trying, each with a log; they are closed when the test ends."""
    started: list[Engine] = []

    def make(gateway: WatchedGateway | int, settings: EngineSettings = QUICK, **options: Any) -> Any:
        engine = Engine(1, settings=settings, **options)
        started.append(engine)
        log = Log(engine)
        engine.start("127.0.0.1", gateway if isinstance(gateway, int) else gateway.port)
        return engine, log

    yield make
    for engine in started:
        engine.close()


def states(log: Log) -> list[SessionState]:
    return [event.current for event in log.of(events.SessionChanged)]


def wait_state(log: Log, state: SessionState, *, count: int = 1) -> events.SessionChanged:
    return log.wait(events.SessionChanged, lambda event: event.current is state, count=count)


def orders_at(gateway: WatchedGateway) -> list[str]:
    return [order.order_ref for order in gateway.books().orders]


# ── lines that break ────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
@pytest.mark.parametrize("version", [VERSIONS[0], VERSIONS[-1]])
def test_a_lost_connection_is_made_again(version: int, reset: bool, serve: Serve, start: Start) -> None:
    """Same client id, nothing sent twice, and what happened in the gap is there when it is ready again."""
    gateway = serve(versions=[version])
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    filled, resting = rest(engine, "90"), rest(engine, "91")
    gateway.refuse_connections(0.15)
    gateway.drop_connections(reset=reset)
    gap = wait_state(log, SessionState.GAP)
    gateway.fill(filled.order_id, price="90")
    log.wait(events.Resumed)
    engine.wait_ready(PATIENCE_S)

    assert not gap.can_trade
    assert log.of(events.Resumed)[0].gap_s > 0
    assert (filled.status, resting.status.is_working) == (S.FILLED, True)
    assert [fill.price for fill in filled.record.fills] == [90]
    assert {client for client, _ in gateway.requests} == {1}
    assert len(gateway.arrived("placeOrder")) == 2
    assert len(log.of(events.ConnectionLost)) == 1
    assert buy(engine).wait(**WAIT).status is S.FILLED


def test_the_states_of_a_reconnect_are_told_in_order(gateway: WatchedGateway, start: Start) -> None:
    """Every change is an event with a reason, and no state is left out."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.drop_connections()
    log.wait(events.Resumed)
    tour = [SessionState.CONNECTING, SessionState.SYNCHRONISING, SessionState.READY]
    assert states(log) == [*tour, SessionState.GAP, *tour]
    changes = log.of(events.SessionChanged)
    assert all(event.reason for event in changes)
    assert [event.previous for event in changes[1:]] == [event.current for event in changes[:-1]]
    assert [event.can_trade for event in changes] == [s is SessionState.READY for s in states(log)]


def test_a_gateway_that_comes_back_with_another_login(gateway: WatchedGateway, start: Start) -> None:
    """Paper before, money now, on the same port: nothing is sent there; the old login is waited for."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    port = gateway.port
    gateway.stop()
    log.wait(events.ConnectionLost)
    live = WatchedGateway(settings=Settings(accounts=("U7654321",)), port=port)
    live.start()
    try:
        log.wait(events.SessionChanged, lambda event: "is logged in to U7654321 now" in event.reason)
        with pytest.raises(NotReady):
            buy(engine)
        assert live.arrived("placeOrder") == []
    finally:
        live.stop()
    paper = WatchedGateway(port=port)
    paper.start()
    try:
        engine.wait_ready(PATIENCE_S)
        assert engine.accounts == ("DU1234567",)
    finally:
        paper.stop()


def test_a_gateway_that_restarts_is_waited_for(gateway: WatchedGateway, start: Start) -> None:
    """Down for a while, refused meanwhile, and then everything as it was."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    ticket = rest(engine)
    gateway.restart(down_s=0.3)
    wait_state(log, SessionState.GAP, count=2)  # at least one attempt was refused
    with pytest.raises(NotReady, match="not connected"):
        buy(engine)
    log.wait(events.Resumed)
    engine.wait_ready(PATIENCE_S)
    assert ticket.status.is_working
    ticket.cancel()
    assert ticket.wait(**WAIT).status is S.CANCELLED


def test_an_order_whose_answer_was_lost_with_the_line(gateway: WatchedGateway, start: Start) -> None:
    """The gateway acted on it and told nothing: it is in doubt, then found, and never sent again."""
    engine, _ = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.inject(Disconnect(moment="after"), When(on="placeOrder"))
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "90"), key="mine")
    ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    assert orders_at(gateway) == ["mine"]
    assert len(gateway.arrived("placeOrder")) == 1


@pytest.mark.parametrize("moment", ["before", "inside"])
def test_an_order_that_was_lost_with_the_line(moment: str, gateway: WatchedGateway, start: Start) -> None:
    """The gateway never had it: complete lists prove that, twice; the key trades no second time."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.inject(Disconnect(moment=moment), When(on="placeOrder"))
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "90"), key="mine")
    record = ticket.wait(**WAIT)
    assert record.status in (S.CANCELLED, S.REJECTED)
    assert [event.order_id for event in log.of(events.OrderUncertain)] == [ticket.order_id]
    again = engine.submit(STOCK, Order.limit("BUY", 10, "90"), key="mine")
    assert again.order_id == ticket.order_id
    assert orders_at(gateway) == []


def test_a_reset_in_the_middle_of_many_orders(gateway: WatchedGateway, start: Start) -> None:
    """Whatever was on its way: in the end each order is at the gateway once, or is known to be dead."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.inject(Reset(), When(on="placeOrder", nth=6))
    keys = [f"many-{number}" for number in range(12)]
    for key in keys:
        try:
            engine.submit(STOCK, Order.limit("BUY", 10, "90"), key=key)
        except (ConnectionFailed, SendFailed):
            break
    log.wait(events.Resumed)
    for record in engine.orders():
        engine.ticket(record.order_id).wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    alive = sorted(record.key for record in engine.active_orders())
    assert sorted(orders_at(gateway)) == alive
    assert len(alive) >= 5


def test_it_never_gives_up(gateway: WatchedGateway, start: Start) -> None:
    """One loss after the other; each time it comes back, and waits start small again."""
    engine, log = start(gateway)
    for time_ in range(1, 5):
        engine.wait_ready(PATIENCE_S)
        gateway.drop_connections(reset=time_ % 2 == 0)
        log.wait(events.Resumed, count=time_)
    waits = [event.reason for event in log.of(events.SessionChanged) if event.current is SessionState.GAP]
    assert len(waits) == 4
    assert all("next attempt in 0.0 s" in reason for reason in waits)


# ── lines that say nothing ──────────────────────────────────────────────────────────────────────────


def test_a_half_open_line_is_noticed(gateway: WatchedGateway, start: Start) -> None:
    """Neither side is told that the line is dead: the heartbeat notices, and the connection is made again.

    Meanwhile the gateway does not notice either that we hung up, so our own client id is in use (326).
    """
    engine, log = start(gateway, BEATING)
    engine.wait_ready(PATIENCE_S)
    gateway.inject(HalfOpen(for_s=(1.5, 1.5)))
    slow = wait_state(log, SessionState.DEGRADED)
    assert (slow.can_trade, slow.reason) == (False, "the gateway does not answer")
    lost = log.wait(events.ConnectionLost)
    assert "half-open" in lost.reason
    refused = log.wait(
        events.SessionChanged, lambda event: event.current is SessionState.GAP and "in use" in event.reason
    )
    assert "client id 1" in refused.reason
    log.wait(events.Resumed)
    engine.wait_ready(PATIENCE_S)
    assert {client for client, _ in gateway.requests} == {1}


def test_a_short_stall_degrades_and_heals(gateway: WatchedGateway, start: Start) -> None:
    """New orders are refused while nothing is heard, cancels pass, and the connection is kept."""
    engine, log = start(gateway, attrs.evolve(BEATING, pong_timeout_s=1.0))
    engine.wait_ready(PATIENCE_S)
    ticket = rest(engine)
    gateway.inject(Stall(for_s=(1.4, 1.4)))
    wait_state(log, SessionState.DEGRADED)
    with pytest.raises(NotReady, match="does not answer; nothing was sent"):
        buy(engine)
    ticket.cancel()
    assert ticket.wait(**WAIT).status is S.CANCELLED
    wait_state(log, SessionState.READY, count=2)
    assert not log.of(events.ConnectionLost)


def test_a_silent_but_living_line_is_no_trouble(gateway: WatchedGateway, start: Start) -> None:
    """Silence is asked about, and the answer is enough."""
    engine, log = start(gateway, attrs.evolve(BEATING, pong_timeout_s=1.0))
    engine.wait_ready(PATIENCE_S)
    gateway.wait_for(lambda _: len(gateway.arrived("reqCurrentTime")) >= 2)
    assert states(log)[-1] is SessionState.READY


def test_no_heartbeat_where_none_is_wanted(gateway: WatchedGateway, start: Start) -> None:
    """Nothing is asked of the gateway that nobody wants."""
    engine, _ = start(gateway)
    engine.wait_ready(PATIENCE_S)
    rest(engine)
    assert not gateway.arrived("reqCurrentTime")


# ── beginnings ──────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("how", ["refused", "closed", "silent"])
def test_a_gateway_that_is_not_up_yet(how: str, gateway: WatchedGateway, start: Start) -> None:
    """With ``start`` it does not matter who is up first."""
    gateway.refuse_connections(0.4, how)
    engine, log = start(gateway, attrs.evolve(QUICK, connect_timeout_s=0.1 if how == "silent" else 5.0))
    with pytest.raises(WaitTimeout, match="not ready after 0 s"):
        engine.wait_ready(0)
    wait_state(log, SessionState.GAP)
    assert not log.of(events.ConnectionLost)  # there was none to lose
    engine.close()

    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    assert buy(engine).wait(**WAIT).status is S.FILLED


def test_the_first_connection_of_connect_is_not_repeated(gateway: WatchedGateway) -> None:
    """``connect`` raises what it met, and leaves no thread."""
    gateway.refuse_connections(PATIENCE_S)
    with pytest.raises(GatewayUnreachable):
        Engine.connect("127.0.0.1", gateway.port, settings=QUICK, timeout_s=5)
    gateway.end_faults()


def test_a_connection_that_once_was_is_made_again_also_after_connect(gateway: WatchedGateway) -> None:
    """Only the first attempt is the caller's to judge."""
    with Engine.connect("127.0.0.1", gateway.port, settings=QUICK) as engine:
        log = Log(engine)
        gateway.drop_connections()
        log.wait(events.Resumed)
        engine.wait_ready(PATIENCE_S)


def test_without_a_back_off_a_lost_connection_stays_lost(gateway: WatchedGateway) -> None:
    """``reconnect=None``: waits end, and the state says that nobody is trying."""
    settings = attrs.evolve(QUICK, reconnect=None)
    with Engine.connect("127.0.0.1", gateway.port, settings=settings) as engine:
        log = Log(engine)
        ticket = rest(engine)
        gateway.drop_connections()
        with pytest.raises(ConnectionFailed):
            ticket.wait(**WAIT)
        wait_state(log, SessionState.DISCONNECTED)
        with pytest.raises(ConnectionFailed):
            engine.wait_ready(PATIENCE_S)


def test_a_client_id_in_use_is_waited_out(gateway: WatchedGateway, start: Start) -> None:
    """326: never another client id, for it owns the orders; ready once the other one has left."""
    with Engine.connect("127.0.0.1", gateway.port, settings=QUICK):
        engine, log = start(gateway)
        log.wait(events.SessionChanged, lambda event: "in use" in event.reason, count=2)
        with pytest.raises(ClientIdInUse):
            Engine.connect("127.0.0.1", gateway.port, settings=QUICK)
    engine.wait_ready(PATIENCE_S)
    assert engine.client_id == 1
    assert gateway.client_ids == (1,)


def test_waiting_for_readiness_ends_with_the_engine(start: Start) -> None:
    """Who waits for an engine that is closed meanwhile is told so."""
    with Peer(_hold) as peer:
        engine, log = start(peer.port)
        wait_state(log, SessionState.CONNECTING)
        errors: list[BaseException] = []

        def wait() -> None:
            try:
                engine.wait_ready()
            except EngineClosed as error:
                errors.append(error)

        waiter = threading.Thread(target=wait)
        waiter.start()
        engine.close()
        waiter.join(PATIENCE_S)
        assert len(errors) == 1


# ── the broker behind the gateway ───────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("back", [1101, 1102])
def test_an_outage_of_the_broker(back: int, gateway: WatchedGateway, start: Start) -> None:
    """1100: no new orders, cancels pass, callbacks count. 1101 and 1102: everything is asked again first."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    one, other = rest(engine, "90"), rest(engine, "91")
    asked = len(gateway.arrived("reqAllOpenOrders"))
    gateway.say(1100, "Connectivity between IBKR and Trader Workstation has been lost.", **NOBODY)
    lost = wait_state(log, SessionState.DEGRADED)
    assert (lost.can_trade, lost.reason) == (False, "the gateway lost its connection to the broker")
    refused = pytest.raises(NotReady, match="lost its connection to the broker; nothing was sent")
    with refused:
        buy(engine)
    with refused:
        one.modify(limit_price=92)
    gateway.fill(one.order_id, price="90")
    assert one.wait(**WAIT).status is S.FILLED
    other.cancel()
    assert other.wait(**WAIT).status is S.CANCELLED
    assert not engine.is_ready

    gateway.say(back, "Connectivity between IBKR and Trader Workstation has been restored.", **NOBODY)
    log.wait(events.Synchronised, count=2)
    engine.wait_ready(PATIENCE_S)
    assert len(gateway.arrived("reqAllOpenOrders")) > asked
    assert states(log)[-2:] == [SessionState.SYNCHRONISING, SessionState.READY]
    assert not log.of(events.ConnectionLost)
    assert len(gateway.arrived("placeOrder")) == 2


def test_what_is_withheld_during_an_outage_is_taken_over(gateway: WatchedGateway, start: Start) -> None:
    """Callbacks that never come: the fill is booked from the executions that are asked for afterwards."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    ticket = rest(engine)
    gateway.inject(Outage(for_s=(0.3, 0.3), back=1101, leak=0, callbacks="never"))
    wait_state(log, SessionState.DEGRADED)
    gateway.fill(ticket.order_id, price="90")
    log.wait(events.Synchronised, count=2)
    record = ticket.wait(**WAIT)
    assert (record.status, len(record.fills)) == (S.FILLED, 1)


def test_a_port_that_moved_drops_the_connection(gateway: WatchedGateway, start: Start) -> None:
    """1300: nothing more will come here; it is tried again."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.inject(PortChange())
    log.wait(events.ConnectionLost)
    log.wait(events.Resumed)
    engine.wait_ready(PATIENCE_S)


FARMS = {
    2103: "Market data farm connection is broken:usfarm",
    2105: "HMDS data farm connection is broken:ushmds",
    2157: "Sec-def data farm connection is broken:secdefil",
}


@pytest.mark.parametrize("code", FARMS)
def test_a_farm_that_is_down_is_no_lost_connection(code: int, gateway: WatchedGateway, start: Start) -> None:
    """It shows, and orders go on; it is gone from sight when the farm is back."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    farm = str(FARMS[code]).rpartition(":")[2]
    gateway.say(code, FARMS[code], **NOBODY)
    down = wait_state(log, SessionState.DEGRADED)
    assert (down.can_trade, down.reason) == (True, f"farm {farm} is down")
    assert buy(engine).wait(**WAIT).status is S.FILLED
    gateway.say(2104, f"Market data farm connection is OK:{farm}", **NOBODY)
    wait_state(log, SessionState.READY, count=2)
    assert not log.of(events.ConnectionLost)
    assert len(gateway.arrived("reqAllOpenOrders")) == 1


@pytest.mark.parametrize("code", [2104, 2106, 2107, 2108, 2119, 2158])
def test_good_news_of_farms_changes_nothing(code: int, gateway: WatchedGateway, start: Start) -> None:
    """They come with every connection, in a burst."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.say(code, "farm connection is OK:usfarm", **NOBODY)
    log.wait(events.BrokerMessage, lambda event: event.code == code)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    assert states(log)[-1] is SessionState.READY
    assert SessionState.DEGRADED not in states(log)


def test_a_farm_and_the_broker_are_two_troubles(gateway: WatchedGateway, start: Start) -> None:
    """The farm stays down when the broker is back: trading goes on, the state still says what is amiss."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.say(2103, FARMS[2103], **NOBODY)
    gateway.say(1100, "Connectivity lost", **NOBODY)
    log.wait(events.SessionChanged, lambda event: not event.can_trade and "usfarm" in event.reason)
    gateway.say(1102, "Connectivity restored", **NOBODY)
    back = log.wait(
        events.SessionChanged,
        lambda event: event.can_trade and event.current is SessionState.DEGRADED,
        count=2,
    )
    assert back.reason == "farm usfarm is down"
    assert buy(engine).wait(**WAIT).status is S.FILLED


# ── announced restarts ──────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("inside", [True, False])
def test_a_restart_that_was_announced_alarms_nobody(
    inside: bool, gateway: WatchedGateway, start: Start
) -> None:
    """Each change of state says whether it falls into a window; everything else is the same."""
    begins = datetime.now(UTC) - timedelta(minutes=30 if inside else 120)
    window = RestartWindow(time(begins.hour, begins.minute), lasts_min=60, zone="UTC")
    engine, log = start(gateway, attrs.evolve(QUICK, restart_windows=(window,)))
    engine.wait_ready(PATIENCE_S)
    gateway.restart()
    log.wait(events.Resumed)
    assert {event.is_expected for event in log.of(events.SessionChanged)} == {inside}


# ── closing ─────────────────────────────────────────────────────────────────────────────────────────


def _hold(line: Line) -> None:
    """Say nothing at all until the other one hangs up."""
    line.read_to_end()


@pytest.mark.parametrize("shakes_hands", [False, True])
def test_closing_while_connecting(shakes_hands: bool, start: Start) -> None:
    """The peer says nothing, or no more than hello: closing does not wait for it, and leaves no thread."""
    reached = threading.Event()

    def script(line: Line) -> None:
        line.read_hello()
        if shakes_hands:
            line.send(hello(VERSIONS[-1]))
            line.read_frame()
        reached.set()
        line.read_to_end()

    with Peer(script) as peer:
        engine, _ = start(peer.port)
        assert reached.wait(PATIENCE_S)
        before = engine.state
        engine.close()
        assert (before, engine.state) == (SessionState.CONNECTING, SessionState.DISCONNECTED)


def test_closing_just_before_an_attempt(gateway: WatchedGateway) -> None:
    """A connection that is being made while the engine is closed does not outlive it."""
    made: list[TwsClient] = []

    class Client(TwsClient):
        def __init__(self, receiver: Receiver) -> None:
            super().__init__(receiver)
            made.append(self)
            if len(made) == 3:  # the first one waits for an engine to be opened, the second one is connected
                engine._supervisor.close("closed by us")

    engine = Engine(1, settings=QUICK, client_class=Client)
    log = Log(engine)
    engine.start("127.0.0.1", gateway.port)
    engine.wait_ready(PATIENCE_S)
    gateway.drop_connections()
    wait_state(log, SessionState.GAP)
    with pytest.raises(EngineClosed):
        engine.wait_ready(PATIENCE_S)
    engine.close()
    assert len(made) == 3
    assert states(log).count(SessionState.CONNECTING) == 1
    assert len(log.of(events.Connected)) == 1


def test_closing_while_synchronising(serve: Serve, start: Start) -> None:
    """The lists do not come."""
    gateway = serve()
    gateway.inject(Stall(for_s=(PATIENCE_S, PATIENCE_S)), When(on="openOrderEnd"))
    engine, log = start(gateway)
    wait_state(log, SessionState.SYNCHRONISING)
    engine.close()
    assert engine.state is SessionState.DISCONNECTED


def test_closing_in_a_gap(gateway: WatchedGateway, start: Start) -> None:
    """The next attempt never comes."""
    engine, log = start(gateway, attrs.evolve(QUICK, reconnect=Backoff(first_s=PATIENCE_S, jitter=0)))
    engine.wait_ready(PATIENCE_S)
    gateway.drop_connections()
    wait_state(log, SessionState.GAP)
    engine.close()
    assert engine.state is SessionState.DISCONNECTED
    assert gateway.client_ids == ()


def test_closing_while_degraded(gateway: WatchedGateway, start: Start) -> None:
    """The broker is away, and so are we."""
    engine, log = start(gateway)
    engine.wait_ready(PATIENCE_S)
    gateway.say(1100, "Connectivity lost", **NOBODY)
    wait_state(log, SessionState.DEGRADED)
    engine.close()
    assert states(log)[-1] is SessionState.DISCONNECTED
    assert len(log.of(events.Disconnected)) == 1
    assert not log.of(events.ConnectionLost)


def test_closing_from_a_listener_in_a_gap(gateway: WatchedGateway, start: Start) -> None:
    """The very event that tells of the loss may be the reason to go."""
    engine, _ = start(gateway)
    engine.wait_ready(PATIENCE_S)
    closed = threading.Event()

    def go(_: events.Event) -> None:
        engine.close()
        closed.set()

    engine.on(events.ConnectionLost, go)
    gateway.drop_connections()
    assert closed.wait(PATIENCE_S)
    with pytest.raises(EngineClosed):
        engine.wait_ready(PATIENCE_S)
