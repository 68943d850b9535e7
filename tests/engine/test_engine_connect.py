"""Connecting: taking over what the broker knows, refusing what is no TWS, and leaving nothing behind."""

from __future__ import annotations

import socket
import threading
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    ClientIdInUse,
    ConnectionFailed,
    DuplicateOrder,
    EngineClosed,
    GatewayUnreachable,
    HandshakeFailed,
    InvalidInput,
    NotReady,
    OrderNotOurs,
    OrderStateError,
    ServerTooOld,
)
from ibkr_core.link.client import TwsClient
from ibkr_core.link.transport import SocketTransport
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.session import SessionState
from ibkr_core.settings import EngineSettings
from tests.engine.rig import (
    STOCK,
    VERSIONS,
    WAIT,
    Connect,
    Log,
    S,
    Serve,
    WatchedGateway,
    buy,
    leave,
    rest,
    settle,
)
from tests.link.peers import (
    PATIENCE_S,
    SURVEY,
    Line,
    Peer,
    Script,
    Tape,
    answer,
    empty_answer,
    hello,
    welcome,
)

pytestmark = pytest.mark.system
V = VERSIONS[-1]
PATIENT = EngineSettings(
    connect_timeout_s=3600,
    orders_timeout_s=3600,
    rest_timeout_s=PATIENCE_S,
    executions_timeout_s=PATIENCE_S,
    heartbeat_s=0,
)


def wait_for_no_threads() -> None:
    """Wait for the threads of an engine that was closed from inside."""
    for thread in threading.enumerate():
        if thread.name.startswith("ibkr-core"):
            thread.join(PATIENCE_S)
    assert threads() == []


def threads() -> list[str]:
    return sorted(t.name for t in threading.enumerate() if t.name.startswith("ibkr-core"))


@pytest.mark.parametrize("version", VERSIONS)
def test_an_engine_is_ready_when_connect_comes_back(version: int, serve: Serve, connect: Connect) -> None:
    """At every version: ready, with the accounts of the login."""
    engine = connect(serve(versions=[version]))
    assert engine.state is SessionState.READY
    assert engine.is_ready
    assert engine.server_version == version
    assert engine.accounts == ("DU1234567",)
    assert engine.orders() == engine.active_orders() == engine.fills() == ()


def test_the_beginning_is_told_in_order(gateway: WatchedGateway) -> None:
    """A listener that was there before hears each step with its reason, numbered from 1, and the end last."""
    engine = Engine(1)
    log = Log(engine)
    with engine:
        engine.open("127.0.0.1", gateway.port)
        told = [event for event in log.heard if not isinstance(event, events.BrokerMessage)]
        names = [
            event.current.name if isinstance(event, events.SessionChanged) else type(event).__name__
            for event in told
        ]
        assert names == ["CONNECTING", "Connected", "SYNCHRONISING", "READY", "Synchronised"]
        connected, synchronised = log.of(events.Connected)[0], log.of(events.Synchronised)[0]
        assert (connected.server_version, connected.client_id) == (engine.server_version, 1)
        assert (synchronised.accounts, synchronised.open_orders) == (("DU1234567",), 0)
    disconnected, last = log.heard[-2:]
    assert isinstance(disconnected, events.Disconnected)
    assert isinstance(last, events.SessionChanged)
    assert (last.current, last.reason) == (SessionState.DISCONNECTED, "closed by us")
    assert all(event.reason for event in log.of(events.SessionChanged))
    assert log.seqs() == list(range(1, len(log.heard) + 1))


def test_it_asks_for_all_that_the_broker_knows(gateway: WatchedGateway, engine: Engine) -> None:
    """Our orders before everybody's, then what was traded, ended and is held; once each, and nothing else.

    The positions, once told, are no longer subscribed to.
    """
    settle(engine)
    kinds = [message.kind for _, message in gateway.requests]
    assert kinds == [*SURVEY, "cancelPositions", "reqCurrentTime"]  # the last is ours, to settle


def test_a_users_subscription_to_positions_is_left_alone(gateway: WatchedGateway, connect: Connect) -> None:
    """A client of one's own that listens to positions goes on hearing of them."""

    class Mine(TwsClient):
        def position(self, *_: Any) -> None:
            """Listen."""

    settle(connect(gateway, client_class=Mine))
    assert gateway.arrived("cancelPositions") == []


def test_closing_ends_every_thread_and_may_be_repeated(gateway: WatchedGateway) -> None:
    """When close comes back nothing of the engine runs any more, and the gateway knows that we are gone."""
    engine = Engine.connect("127.0.0.1", gateway.port, 1)
    assert threads() == ["ibkr-core-keeper", "ibkr-core-reader", "ibkr-core-worker"]
    engine.close()
    assert threads() == []
    engine.close()
    assert engine.state is SessionState.DISCONNECTED
    gateway.wait_for(lambda _: gateway.client_ids == ())


def test_a_closed_engine_refuses(gateway: WatchedGateway, connect: Connect) -> None:
    """Every command raises EngineClosed; what is known can still be read."""
    engine = connect(gateway)
    ticket = rest(engine)
    engine.close()
    for command in (
        lambda: buy(engine),
        lambda: engine.submit_bracket(STOCK, Order.limit("BUY", 1, 100), take_profit=110),
        lambda: engine.submit_oca([(STOCK, Order.limit("BUY", 1, p)) for p in (98, 99)]),
        lambda: ticket.modify(limit_price=91),
        ticket.cancel,
        engine.cancel_all,
    ):
        with pytest.raises(EngineClosed):
            command()
    with pytest.raises(EngineClosed):
        ticket.wait(timeout_s=1)
    assert ticket.status in (S.SUBMITTED, S.PRE_SUBMITTED)
    assert len(engine.active_orders()) == 1


def test_an_engine_that_was_never_opened_refuses_and_closes() -> None:
    """It has no threads, is not ready, and says so."""
    engine = Engine(3)
    assert (engine.state, engine.is_ready, engine.server_version) == (SessionState.DISCONNECTED, False, 0)
    with pytest.raises(NotReady, match="not opened yet; nothing was sent"):
        buy(engine)
    engine.close()
    engine.close()
    with pytest.raises(EngineClosed):
        buy(engine)
    with pytest.raises(EngineClosed):
        engine.open("127.0.0.1", 4002)
    assert threads() == []


def test_an_engine_is_opened_once(gateway: WatchedGateway, engine: Engine) -> None:
    """A second open or attach is refused, and the session that runs is none the worse."""
    with pytest.raises(EngineClosed):
        engine.open("127.0.0.1", gateway.port)
    transport = SocketTransport("127.0.0.1", gateway.port)
    with pytest.raises(EngineClosed):
        engine.attach(transport)
    transport.close()
    assert buy(engine).wait(**WAIT).status is S.FILLED


# ── bad arguments ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("host", value) for value in ("", None, 127)),
        *(("port", value) for value in (0, -1, 65536, "4002", None, True, 4002.0)),
        *(("client_id", value) for value in (-1, "1", None, True, 1.0, 2**31)),
        *(("timeout_s", value) for value in (0, -1, None, "3", float("nan"), float("inf"), True)),
    ],
)
def test_a_bad_argument_is_named(gateway: WatchedGateway, argument: str, value: Any) -> None:
    """Refused with the argument's name and the rule, before anything is connected."""
    arguments: dict[str, Any] = {"host": "127.0.0.1", "port": gateway.port, argument: value}
    with pytest.raises(InvalidInput) as raised:
        Engine.connect(**arguments)
    assert raised.value.argument == argument
    assert "must be" in raised.value.rule
    assert gateway.requests == []
    assert threads() == []


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        *(("executions_timeout_s", value) for value in (-1, None, float("nan"))),
        *(("send_timeout_s", value) for value in (0, -1, None, float("nan"))),
    ],
)
def test_a_bad_setting_is_named(argument: str, value: Any) -> None:
    """The other deadlines are settings, and refused as early."""
    with pytest.raises(InvalidInput, match="must be") as raised:
        EngineSettings(**{argument: value})
    assert raised.value.argument == argument


# ── who is there ────────────────────────────────────────────────────────────────────────────────────


def test_no_gateway_at_the_port() -> None:
    """A typed error that names the place; the engine is closed and no thread was left."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    engine = Engine(1)
    with pytest.raises(GatewayUnreachable, match=f"127.0.0.1:{port}"):
        engine.open("127.0.0.1", port)
    with pytest.raises(EngineClosed):
        buy(engine)
    assert threads() == []


def test_a_second_engine_with_the_same_client_id(gateway: WatchedGateway, connect: Connect) -> None:
    """Code 326 is a typed error with the id; the first engine works on."""
    first = connect(gateway, 7)
    with pytest.raises(ClientIdInUse, match="client id 7") as raised:
        connect(gateway, 7)
    assert raised.value.client_id == 7
    assert len(threads()) == 3
    assert buy(first).wait(**WAIT).status is S.FILLED
    assert connect(gateway, 8).is_ready


def test_a_gateway_of_too_old_a_version() -> None:
    """The error tells what it speaks and what is needed."""
    with Peer(lambda line: (line.read_hello(), line.send(hello(100)), line.read_to_end())) as peer:
        with pytest.raises(ServerTooOld, match="100"):
            Engine.connect("127.0.0.1", peer.port)
        assert threads() == []


def test_garbage_on_the_socket() -> None:
    """A web server at the port is no TWS."""

    def script(line: Line) -> None:
        line.read_hello()
        line.send(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
        line.read_to_end()

    with Peer(script) as peer:
        with pytest.raises(HandshakeFailed, match="no TWS"):
            Engine.connect("127.0.0.1", peer.port)
        assert threads() == []


def begun(then: Script) -> Script:
    """A peer that begins a session well."""

    def script(line: Line) -> None:
        line.greet(V, welcome(V))
        then(line)

    return script


def answering(count: int, then: Script = lambda line: line.read_request(V) and None) -> Script:
    """A peer that answers so many of the questions."""

    def script(line: Line) -> None:
        for _ in range(count):
            line.send(empty_answer(line.read_request(V), V))
        then(line)

    return script


ENDINGS: dict[str, Script] = {
    "at once": lambda _: None,
    **{f"at the question {kind}": answering(number) for number, kind in enumerate(SURVEY)},
    "inside an answer": lambda line: (line.read_frame(), line.send(answer("openOrderEnd", V)[:5])),
}


@pytest.mark.parametrize("is_reset", [False, True])
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_connection_that_ends_while_synchronising(ending: str, is_reset: bool) -> None:
    """At whichever step, closed or reset: ConnectionFailed, and nothing is left running."""

    def script(line: Line) -> None:
        begun(ENDINGS[ending])(line)
        if is_reset:
            line.reset()

    for _ in range(3):
        with Peer(script) as peer:
            with pytest.raises(ConnectionFailed):
                Engine.connect("127.0.0.1", peer.port, timeout_s=PATIENCE_S, settings=PATIENT)
            assert threads() == []


def test_a_gateway_that_does_not_list_its_orders() -> None:
    """Without them nothing may be sent: the connection is given up, with the reason."""
    with Peer(begun(Line.read_to_end)) as peer:
        with pytest.raises(ConnectionFailed, match=r"did not list the open orders within 0\.3 s"):
            Engine.connect("127.0.0.1", peer.port, timeout_s=0.3)
        assert threads() == []


def test_a_gateway_that_lists_only_our_own_orders() -> None:
    """Orders of others are half of the picture: without them the connection is given up likewise."""
    with Peer(begun(answering(1, Line.read_to_end))) as peer:
        with pytest.raises(ConnectionFailed, match=r"did not list the open orders within 0\.3 s"):
            Engine.connect("127.0.0.1", peer.port, timeout_s=0.3)
        assert threads() == []


def test_the_rest_may_stay_silent() -> None:
    """Completed orders and positions have a deadline of their own, after which we trade: it is no blocker."""
    settings = EngineSettings(executions_timeout_s=0.05, rest_timeout_s=0.1, heartbeat_s=0)
    with Peer(begun(answering(2, Line.read_to_end))) as peer:
        with Engine.connect("127.0.0.1", peer.port, settings=settings) as engine:
            assert engine.is_ready
        assert threads() == []


def test_silent_empty_executions_do_not_hold_us_up(serve: Serve, connect: Connect) -> None:
    """Some gateways send no end when there are none (TWS facts 2.9): after a moment we go on."""
    engine = connect(serve(silent_empty_executions=True), settings=EngineSettings(executions_timeout_s=0.05))
    assert engine.is_ready
    assert buy(engine).wait(**WAIT).status is S.FILLED


# ── what was there before ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_resting_orders_of_an_earlier_session_are_taken_over(
    version: int, serve: Serve, connect: Connect
) -> None:
    """The next session of the same client sees its order, with its key, and can cancel but not modify it.

    Nobody in this run placed it, and there is no journal that knows it: that is an alarm.
    """
    gateway = serve(versions=[version])
    first = connect(gateway, 5)
    old = rest(first, "90", order_ref="mine").record
    leave(first, gateway)

    second = Engine(5)
    log = Log(second)
    with second:
        second.open("127.0.0.1", gateway.port)
        with pytest.raises(DuplicateOrder, match="different order"):  # a side is never modified
            second.submit(STOCK, Order.limit("SELL", 10, "90"), key="mine")
        check_taken_over(second, old)
        assert [event.record.perm_id for event in log.of(events.UnownedOrderFound)] == [old.perm_id]


def check_taken_over(second: Engine, old: OrderRecord) -> None:
    (found,) = second.active_orders()
    assert (found.order_id, found.perm_id, found.key) == (old.order_id, old.perm_id, "mine")
    assert (found.client_id, found.is_ours, found.symbol) == (5, True, "AAPL")
    assert found.status in (S.SUBMITTED, S.PRE_SUBMITTED)
    assert (found.total_quantity, found.limit_price) == (Decimal(10), Decimal(90))
    with pytest.raises(OrderStateError, match="earlier session"):
        second.modify(found.order_id, limit_price=91)
    ticket = second.ticket(found.order_id)
    assert ticket.key == "mine"
    ticket.cancel()
    assert ticket.wait(**WAIT).status is S.CANCELLED


def test_the_unsolicited_snapshot_is_heard(gateway: WatchedGateway, connect: Connect) -> None:
    """A listener that was there before sees the resting order before the session is synchronised."""
    first = connect(gateway, 5)
    rest(first)
    leave(first, gateway)
    engine = Engine(5)
    log = Log(engine)
    with engine:
        engine.open("127.0.0.1", gateway.port)
        changes = log.of(events.OrderStatusChanged)
        assert len(changes) == 1
        assert changes[0].seq < log.of(events.Synchronised)[0].seq
        assert log.of(events.Synchronised)[0].open_orders == 1


def test_new_ids_start_above_everything_that_was_seen(gateway: WatchedGateway, connect: Connect) -> None:
    """The broker counts ids of earlier sessions too; the first order is not refused with 103."""
    first = connect(gateway, 5)
    highest = max(buy(first).wait(**WAIT).order_id for _ in range(3))
    leave(first, gateway)
    ticket = buy(connect(gateway, 5))
    assert ticket.order_id > highest
    assert ticket.wait(**WAIT).status is S.FILLED


@pytest.mark.parametrize("version", VERSIONS)
def test_a_key_of_an_earlier_session_cannot_trade_again(version: int, serve: Serve, connect: Connect) -> None:
    """From the first moment: a finished order is known by its key and counts as no open order.

    The same order with the key is that order (submitting is idempotent). An order whose terms nobody knows
    any more can be told from another one by its contract only.
    """
    gateway = serve(versions=[version])
    first = connect(gateway, 5)
    old = buy(first, order_ref="mine")
    assert old.wait(**WAIT).status is S.FILLED
    leave(first, gateway)

    engine = Engine(5)
    log = Log(engine)
    with engine:
        engine.open("127.0.0.1", gateway.port)
        with pytest.raises(DuplicateOrder, match=f"order {old.order_id}: .*'mine'"):
            engine.submit(Contract.stock("MSFT"), Order.market("BUY", 10, order_ref="mine"))
        assert buy(engine, order_ref="mine").order_id == old.order_id
        assert engine.active_orders() == ()
        assert log.wait(events.Synchronised).open_orders == 0
        settle(engine)
    assert [order.order_id for order in gateway.books().orders] == [old.order_id]


@pytest.mark.parametrize("version", VERSIONS)
def test_executions_of_an_earlier_session_are_booked_once(
    version: int, serve: Serve, connect: Connect
) -> None:
    """Their fills and commissions are there, the order is filled, and asking again adds nothing."""
    gateway = serve(versions=[version])
    first = connect(gateway, 5)
    log = Log(first)
    old = buy(first, order_ref="mine")
    log.wait(events.CommissionReported)
    before = old.record
    leave(first, gateway)

    engine = Engine(5)
    log = Log(engine)
    with engine:
        engine.open("127.0.0.1", gateway.port)
        assert [fill.exec_id for fill in engine.fills()] == [fill.exec_id for fill in before.fills]
        engine.client.reqExecutions(900, execution_filter())
        ticket = engine.ticket(old.order_id)
        after = ticket.wait(**WAIT)  # the keeper asks what became of it
        settle(engine)
        after = ticket.record
        assert (after.status, after.filled_quantity) == (S.FILLED, Decimal(10))
        assert after.avg_fill_price == before.avg_fill_price
        assert after.commissions == before.commissions
        assert after.key == "mine"
        assert len(log.of(events.ExecutionReceived)) == 1
        assert len(log.of(events.CommissionReported)) == 1


def execution_filter() -> Any:
    from ibkr_core.link import compat

    return compat.execution_filter()


def test_orders_of_other_clients_are_read_only(gateway: WatchedGateway, connect: Connect) -> None:
    """They are seen from the start, but neither cancelled nor modified; cancel_all leaves them alone."""
    theirs = rest(connect(gateway, 8))
    ours = connect(gateway, 9)
    (seen,) = ours.orders()
    assert (seen.client_id, seen.is_ours, seen.perm_id) == (8, False, theirs.record.perm_id)
    before = len(gateway.orders_arrived())
    with pytest.raises(OrderNotOurs, match="client 8"):
        ours.cancel(seen.order_id)
    with pytest.raises(OrderNotOurs, match="client 8"):
        ours.modify(seen.order_id, limit_price=1)
    assert ours.cancel_all() == ()
    settle(ours)
    assert len(gateway.orders_arrived()) == before
    assert theirs.status in (S.SUBMITTED, S.PRE_SUBMITTED)


# ── a client of one's own ───────────────────────────────────────────────────────────────────────────


def test_a_users_client_takes_its_callbacks_on_the_same_connection(
    gateway: WatchedGateway, connect: Connect
) -> None:
    """Account summary for the user, orders for the book, and orderStatus for both."""

    class Mine(TwsClient):
        def __init__(self, receiver: Any) -> None:
            self.summary: dict[str, str] = {}
            self.words: list[str] = []
            self.done = threading.Event()
            super().__init__(receiver)

        def accountSummary(self, *told: Any) -> None:  # noqa: N802 - official name
            _request, _account, tag, value, _currency = told
            self.summary[tag] = value

        def accountSummaryEnd(self, *_: Any) -> None:  # noqa: N802 - official name
            self.done.set()

        def orderStatus(self, *arguments: Any) -> None:  # noqa: N802 - official name
            self.words.append(arguments[1])
            raise ValueError("mine")

    engine = connect(gateway, client_class=Mine)
    client = engine.client
    assert isinstance(client, Mine)
    log = Log(engine)
    client.reqAccountSummary(9001, "All", "NetLiquidation")
    assert client.done.wait(PATIENCE_S)
    assert Decimal(client.summary["NetLiquidation"]) > 0
    assert buy(engine).wait(**WAIT).status is S.FILLED
    settle(engine)
    assert "Filled" in client.words
    failures = log.of(events.CallbackFailed)
    assert len(failures) == len(client.words)
    assert "ValueError: mine" in failures[0].error
    assert engine.is_ready


# ── opening and closing at once ─────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", ["before the hello", "after its hello", "while synchronising"])
def test_closing_while_another_thread_opens(step: str) -> None:
    """The one who opens gets a typed error at once, not after its timeout; nothing is left running."""
    reached, done = threading.Event(), threading.Event()

    def script(line: Line) -> None:
        line.read_hello()
        if step != "before the hello":
            line.send(hello(V))
            line.read_frame()
        if step == "while synchronising":
            line.send(welcome(V))
            line.read_frame()
        reached.set()
        done.wait(PATIENCE_S)

    with Peer(script) as peer:
        engine = Engine(1, settings=PATIENT)
        outcome: list[BaseException] = []

        def work() -> None:
            try:
                engine.open("127.0.0.1", peer.port)
            except (ConnectionFailed, EngineClosed) as error:
                outcome.append(error)

        opener = threading.Thread(target=work)
        opener.start()
        assert reached.wait(PATIENCE_S)
        engine.close()
        opener.join(PATIENCE_S)
        assert not opener.is_alive()
        assert len(outcome) == 1
        assert threads() == []
        done.set()


def test_closing_just_before_the_session_begins(gateway: WatchedGateway) -> None:
    """Closed between the connection and the handshake: the session does not come up behind our back."""
    engine = Engine(1)
    refused = threading.Event()

    def dial() -> SocketTransport:
        transport = SocketTransport("127.0.0.1", gateway.port)
        engine.close()
        refused.set()
        return transport

    engine.start_on(dial)
    assert refused.wait(PATIENCE_S)
    with pytest.raises(EngineClosed):
        engine.wait_ready(PATIENCE_S)
    wait_for_no_threads()
    gateway.wait_for(lambda _: gateway.client_ids == ())


def test_closing_while_it_dials() -> None:
    """A name server may take its time: whatever comes of it, no session comes up and no thread stays."""
    engine = Engine(1)
    dialling, closed = threading.Event(), threading.Event()
    tape = Tape([])

    def dial() -> Tape:
        dialling.set()
        assert closed.wait(PATIENCE_S)
        return tape

    engine.start_on(dial)
    assert dialling.wait(PATIENCE_S)
    closer = threading.Thread(target=engine.close)
    closer.start()
    with pytest.raises(EngineClosed):
        engine.wait_ready(PATIENCE_S)
    closed.set()
    closer.join(PATIENCE_S)
    assert not closer.is_alive()
    assert threads() == []
    assert tape.closed
    assert tape.sent == []


def test_closing_at_any_moment_of_the_beginning(gateway: WatchedGateway) -> None:
    """Whichever step it meets: nothing is left running, and the gateway knows that we are gone."""
    for number in range(30):
        engine = Engine(100 + number)
        engine.start("127.0.0.1", gateway.port)
        for _ in range(number * 40):
            pass  # a little later each time, without a wait that could be right by accident
        engine.close()
        assert threads() == []
        assert engine.state is SessionState.DISCONNECTED
    gateway.wait_for(lambda _: gateway.client_ids == ())


def test_two_threads_open_at_once(gateway: WatchedGateway) -> None:
    """One of them opens, the other is refused; the session is one."""
    engine = Engine(1)
    start = threading.Barrier(2)
    outcome: list[str] = []

    def work() -> None:
        start.wait(PATIENCE_S)
        try:
            engine.open("127.0.0.1", gateway.port)
            outcome.append("open")
        except EngineClosed:
            outcome.append("refused")

    openers = [threading.Thread(target=work) for _ in range(2)]
    for opener in openers:
        opener.start()
    for opener in openers:
        opener.join(PATIENCE_S)
    with engine:
        assert sorted(outcome) == ["open", "refused"]
        assert buy(engine).wait(**WAIT).status is S.FILLED


def test_the_brokers_later_word_on_ids_counts(gateway: WatchedGateway, connect: Connect) -> None:
    """A next valid id that comes later, and is higher, is where we go on: a lower one would earn 103."""
    engine = connect(gateway)
    gateway.session(1).inject(answer("nextValidId", V, orderId=500))
    settle(engine)
    assert buy(engine).order_id == 500
    gateway.session(1).inject(answer("nextValidId", V, orderId=3))
    settle(engine)
    assert buy(engine).order_id == 501
