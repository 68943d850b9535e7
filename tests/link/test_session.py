"""One session: its beginning in the broker's order, its refusals, and its end at every step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ibkr_core.clock import SystemClock
from ibkr_core.errors import ClientIdInUse, ConnectionFailed, HandshakeFailed, NotReady, ServerTooOld
from ibkr_core.link.client import TwsClient
from ibkr_core.link.session import Answer, Session, SessionState
from ibkr_core.link.transport import SocketTransport
from ibkr_core.model.facts import BrokerFact, ErrorFact
from tests.link.peers import PATIENCE_S, VERSIONS, Line, Peer, Script, answer, hello, welcome

pytestmark = pytest.mark.system
V = VERSIONS[-1]


class Owner:
    """Keeps what a session tells."""

    def __init__(self) -> None:
        self.facts: list[BrokerFact] = []
        self.failures: list[BaseException] = []
        self.ends: list[tuple[str, bool]] = []
        self.ended = threading.Event()
        self.heard = threading.Event()

    def take_fact(self, fact: BrokerFact) -> None:
        self.facts.append(fact)
        self.heard.set()

    def take_failure(self, error: BaseException) -> None:
        self.failures.append(error)

    def take_end(self, reason: str, *, was_asked: bool) -> None:
        self.ends.append((reason, was_asked))
        self.ended.set()


class Rig:
    """A session against a scripted peer."""

    def __init__(self, *scripts: Script) -> None:
        self.peer = Peer(*scripts)
        self.owner = Owner()
        self.session = Session(self.owner, TwsClient, SystemClock())

    def open(self, timeout_s: float = PATIENCE_S) -> None:
        transport = SocketTransport("127.0.0.1", self.peer.port)
        try:
            self.session.open(transport, 7, timeout_s)
        except BaseException:
            transport.close()
            self.session.close("failed to open")
            raise


def failing(*scripts: Script, timeout_s: float = PATIENCE_S) -> ConnectionFailed:
    """The error of a session that does not come about."""
    rig = Rig(*scripts)
    with rig.peer, pytest.raises(ConnectionFailed) as raised:
        rig.open(timeout_s)
    return raised.value


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Make open sessions, closed at the end of the test."""
    made: list[Rig] = []

    def make(*said: bytes, then: Script = Line.read_to_end) -> Rig:
        def script(line: Line) -> None:
            line.greet(V, welcome(V), *said)
            then(line)

        one = Rig(script)
        one.peer.__enter__()
        made.append(one)
        one.open()
        return one

    yield make
    for one in made:
        one.session.close("the test is over")
        one.peer.__exit__(None, None, None)


def test_a_session_begins_in_the_brokers_order(rig: Callable[..., Rig]) -> None:
    """Accounts and the next id are there once it is open; it is not ready before somebody says so."""
    session = rig().session
    assert session.state is SessionState.SYNCHRONISING
    assert (session.accounts, session.next_order_id) == (("DU1",), 1)
    with pytest.raises(NotReady, match="synchronising; nothing was sent"):
        session.check_ready()
    session.become_ready()
    session.check_ready()
    assert session.state is SessionState.READY


def test_facts_from_before_the_next_id_are_not_missed() -> None:
    """The unsolicited snapshot comes first of all (TWS facts 5)."""
    snapshot = answer("orderStatus", V, orderId=5, status="Submitted") + answer("openOrderEnd", V)
    one = Rig(lambda line: (line.greet(V, snapshot, welcome(V, 6)), line.read_to_end()))
    with one.peer:
        one.open()
        assert [type(fact).__name__ for fact in one.owner.facts] == ["StatusFact"]
        assert one.session.next_order_id == 6
        one.session.close("done")


def test_before_it_opens_it_is_connecting() -> None:
    """A session that was never opened refuses, closes, and has no thread."""
    session = Session(Owner(), TwsClient, SystemClock())
    assert session.state is SessionState.CONNECTING
    assert (session.accounts, session.next_order_id) == ((), 1)
    with pytest.raises(NotReady, match="not connected yet"):
        session.check_ready()
    session.close("never mind")
    assert session.state is SessionState.DISCONNECTED
    with pytest.raises(NotReady, match="never mind"):
        session.check_ready()


def test_the_next_id_never_goes_back(rig: Callable[..., Rig]) -> None:
    """The broker's number is a lower bound; a smaller one changes nothing."""
    done = answer("error", V, id=-1, errorCode=2104, errorMsg="fine", errorTime=1)
    one = rig(answer("nextValidId", V, orderId=90), answer("nextValidId", V, orderId=3), done)
    assert one.owner.heard.wait(PATIENCE_S)
    assert one.session.next_order_id == 90


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


def refused(code: int, text: str) -> Script:
    return lambda line: line.greet(V, answer("error", V, id=-1, errorCode=code, errorMsg=text, errorTime=1))


def test_a_client_id_in_use_is_named() -> None:
    """Code 326 becomes its own error, with the id."""
    error = failing(refused(326, "Unable to connect as the client id is already in use."))
    assert isinstance(error, ClientIdInUse)
    assert error.client_id == 7


def test_the_brokers_reason_for_a_refusal_is_told() -> None:
    """Another connection code before the session began: its text is in the error."""
    error = failing(refused(502, "Maximum number of clients is reached."))
    assert isinstance(error, HandshakeFailed)
    assert "Maximum number" in str(error)
    assert "502" in str(error)


def test_a_gateway_of_too_old_a_version_is_refused() -> None:
    """The error tells both versions."""
    error = failing(lambda line: (line.read_hello(), line.send(hello(100)), line.read_to_end()))
    assert isinstance(error, ServerTooOld)
    assert "100" in str(error)


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 8, b"\xff" * 100])
def test_garbage_is_refused(garbage: bytes) -> None:
    """What is no TWS is told so at once, and not after the timeout."""
    error = failing(lambda line: (line.read_hello(), line.send(garbage), line.read_to_end()))
    assert isinstance(error, HandshakeFailed)


CLOSES: dict[str, Script] = {
    "at once": lambda _: None,
    "at once, with a reset": Line.reset,
    "after our hello": lambda line: line.read_hello() and None,
    "after our hello, with a reset": lambda line: line.read_hello() and line.reset(),
    "inside its hello": lambda line: (line.read_hello(), line.send(hello(V)[:9])),
    "after its hello": lambda line: (line.read_hello(), line.send(hello(V))),
    "after its hello, with a reset": lambda line: (line.read_hello(), line.send(hello(V)), line.reset()),
    "after START_API": lambda line: line.greet(V),
    "after START_API, with a reset": lambda line: (line.greet(V), line.reset()),
    "after the accounts": lambda line: line.greet(V, answer("managedAccounts", V, accountsList="DU1")),
    "inside a message": lambda line: line.greet(V, welcome(V)[:10]),
}


@pytest.mark.parametrize("step", CLOSES)
def test_a_peer_that_leaves_before_the_session_began_is_a_typed_error(step: str) -> None:
    """At each step of the beginning, closed or reset: ConnectionFailed, and no thread stays behind."""
    for _ in range(5):  # where exactly a reset is noticed is a matter of moments
        assert isinstance(failing(CLOSES[step]), ConnectionFailed)


SILENT: dict[str, Script] = {
    "from the start": Line.read_to_end,
    "inside its hello": lambda line: (line.read_hello(), line.send(hello(V)[:9]), line.read_to_end()),
    "after its hello": lambda line: (line.read_hello(), line.send(hello(V)), line.read_to_end()),
    "after the accounts": lambda line: (
        line.greet(V, answer("managedAccounts", V, accountsList="DU1")),
        line.read_to_end(),
    ),
}


@pytest.mark.parametrize("step", SILENT)
def test_a_peer_that_accepts_and_says_nothing_runs_into_the_deadline(step: str) -> None:
    """The error tells for how long nothing came; the connection is given up and no thread stays behind."""
    error = failing(SILENT[step], timeout_s=0.2)
    assert isinstance(error, HandshakeFailed)
    assert "within 0.2 s" in str(error)


def test_a_peer_that_trickles_runs_into_the_deadline_too() -> None:
    """Bytes that keep coming, but no handshake: the deadline is for the whole."""
    stop = threading.Event()

    def script(line: Line) -> None:
        line.read_hello()
        line.send(b"\0\0\xff\0")
        while not stop.wait(0.01):
            line.send(b"x")

    one = Rig(script)
    with one.peer:
        with pytest.raises(HandshakeFailed, match="within"):
            one.open(0.2)
        stop.set()


def test_one_message_that_cannot_be_read_does_not_spoil_the_beginning() -> None:
    """Unknown and damaged messages before the next id are reported, and the session begins all the same."""

    def raw(message_id: int, body: bytes) -> bytes:
        head = message_id.to_bytes(4, "big") if V >= 201 else f"{message_id}\0".encode()
        return (len(head) + len(body)).to_bytes(4, "big") + head + body

    one = Rig(lambda line: (line.greet(V, raw(199, b"1\0"), raw(3, b"5\0"), welcome(V)), line.read_to_end()))
    with one.peer:
        one.open()
        assert len(one.owner.failures) == 2
        one.session.close("done")


# ── questions with an end ───────────────────────────────────────────────────────────────────────────


def test_the_end_of_an_answer_is_waited_for(rig: Callable[..., Rig]) -> None:
    """Each answer has its own end, and an end from before the question does not count."""

    def script(line: Line) -> None:
        line.read_frame()
        line.send(answer("execDetailsEnd", V, reqId=1))
        line.read_frame()
        line.send(answer("openOrderEnd", V))
        line.read_to_end()

    session = rig(answer("openOrderEnd", V), then=script).session
    client = session.client
    session.ask(Answer.EXECUTIONS, client.encode_executions_request(1))
    assert session.await_end(Answer.EXECUTIONS, PATIENCE_S)
    session.ask(Answer.OPEN_ORDERS, client.encode(client.reqOpenOrders))
    assert session.await_end(Answer.OPEN_ORDERS, PATIENCE_S)
    assert not session.await_end(Answer.COMPLETED_ORDERS, 0.01)


def test_an_end_that_does_not_come_is_no_error(rig: Callable[..., Rig]) -> None:
    """TWS sends no end when there are no executions: the wait comes back and says so."""
    session = rig().session
    session.ask(Answer.EXECUTIONS, session.client.encode_executions_request(1))
    assert not session.await_end(Answer.EXECUTIONS, 0.05)


def test_waiting_for_an_answer_ends_with_the_connection(rig: Callable[..., Rig]) -> None:
    """A peer that leaves in the middle of an answer is a typed error, long before the deadline."""

    def script(line: Line) -> None:
        line.read_frame()

    session = rig(then=script).session
    session.ask(Answer.OPEN_ORDERS, session.client.encode(session.client.reqOpenOrders))
    with pytest.raises(ConnectionFailed, match="lost while synchronising"):
        session.await_end(Answer.OPEN_ORDERS, 3600)
    with pytest.raises(ConnectionFailed):
        session.become_ready()


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_lost_connection_is_told_once_with_its_reason(rig: Callable[..., Rig]) -> None:
    """The owner hears that nobody asked for it; the session refuses from then on."""
    one = rig(then=lambda line: line.read_frame())
    one.session.ask(Answer.OPEN_ORDERS, one.session.client.encode(one.session.client.reqOpenOrders))
    assert one.owner.ended.wait(PATIENCE_S)
    assert one.owner.ends == [("the peer closed the connection", False)]
    assert one.session.state is SessionState.DISCONNECTED
    with pytest.raises(NotReady, match="the peer closed the connection; nothing was sent"):
        one.session.check_ready()
    one.session.close("too late")
    assert len(one.owner.ends) == 1


def test_closing_is_told_as_asked_for_and_ends_the_reader(rig: Callable[..., Rig]) -> None:
    """When close comes back the reader is gone; a second close changes nothing."""
    one = rig()
    one.session.close("enough")
    assert one.owner.ends == [("enough", True)]
    assert not [t for t in threading.enumerate() if t.name == "ibkr-core-reader"]
    one.session.close("again")
    assert one.owner.ends == [("enough", True)]


def test_closing_from_the_reader_itself_does_not_wait_for_itself() -> None:
    """A callback may close the session that it runs in."""

    class Closer(Owner):
        session: Session

        def take_fact(self, fact: BrokerFact) -> None:
            super().take_fact(fact)
            assert self.session.is_reader_here
            self.session.close("from inside")

    notice = answer("error", V, id=-1, errorCode=2104, errorMsg="fine", errorTime=1)

    def script(line: Line) -> None:
        line.greet(V, welcome(V))
        line.read_frame()
        line.send(notice)
        line.read_to_end()

    owner = Closer()
    session = owner.session = Session(owner, TwsClient, SystemClock())
    assert not session.is_reader_here
    with Peer(script) as peer:
        session.open(SocketTransport("127.0.0.1", peer.port), 7, PATIENCE_S)
        session.ask(Answer.OPEN_ORDERS, session.client.encode(session.client.reqOpenOrders))
        assert owner.ended.wait(PATIENCE_S)
    assert owner.ends == [("from inside", True)]
    (fact,) = owner.facts
    assert isinstance(fact, ErrorFact)


def test_a_raising_owner_does_not_end_the_reader() -> None:
    """Whatever goes wrong above, the connection is read on and the fault is handed up."""

    class Broken(Owner):
        def take_fact(self, fact: BrokerFact) -> None:
            super().take_fact(fact)
            raise RuntimeError("above")

    def script(line: Line) -> None:
        notice = answer("error", V, id=-1, errorCode=2104, errorMsg="fine", errorTime=1)
        line.greet(V, notice, notice, welcome(V))
        line.read_to_end()

    owner = Broken()
    session = Session(owner, TwsClient, SystemClock())
    with Peer(script) as peer:
        session.open(SocketTransport("127.0.0.1", peer.port), 7, PATIENCE_S)
        session.close("done")
    assert len(owner.facts) == 2
    assert [str(failure) for failure in owner.failures] == ["above", "above"]


def test_sessions_do_not_share_anything(rig: Callable[..., Rig]) -> None:
    """Two connections at once, each with its own end."""
    first, second = rig(), rig()
    first.session.close("one")
    assert second.session.state is SessionState.SYNCHRONISING
    names: list[Any] = [t.name for t in threading.enumerate() if t.name == "ibkr-core-reader"]
    assert len(names) == 1
