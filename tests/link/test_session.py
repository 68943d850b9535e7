"""One session: its beginning in the broker's order, what it tells its owner, and its end at every step."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.errors import (
    ClientIdInUse,
    ConnectionFailed,
    HandshakeFailed,
    IbkrError,
    NotReady,
    SendFailed,
    ServerTooOld,
)
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import HotTaker
from ibkr_core.link.session import Answer, Session
from ibkr_core.link.transport import SocketTransport
from ibkr_core.model.facts import BrokerFact, ErrorFact, Position, fact_of
from tests.link.peers import (
    PATIENCE_S,
    VERSIONS,
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
NOTICE = answer("error", V, id=-1, errorCode=2104, errorMsg="fine", errorTime=1)


class Owner:
    """Keeps what a session tells, in order."""

    def __init__(self) -> None:
        self.facts: list[BrokerFact] = []
        self.failures: list[BaseException] = []
        self.told: list[Any] = []
        self.ends: list[tuple[str, ConnectionFailed | None]] = []
        self.begun = threading.Event()
        self.ended = threading.Event()
        self.more = threading.Condition()

    def _note(self, what: object) -> None:
        with self.more:
            self.told.append(what)
            self.more.notify_all()

    def take_fact(self, fact: BrokerFact, _: Session) -> None:
        self.facts.append(fact)
        self._note(type(fact).__name__)

    def hot_taker(self, session: Session) -> HotTaker:
        return lambda values, _: self.take_fact(fact_of(values), session)

    def take_position(self, position: Position, _: Session) -> None:
        self._note(position)

    def take_failure(self, error: BaseException) -> None:
        self.failures.append(error)

    def take_beginning(self, _: Session) -> None:
        self._note("beginning")
        self.begun.set()

    def take_answer_end(self, answer: Answer, request_id: int, _: Session) -> None:
        self._note((answer, request_id))

    def take_end(self, _: Session, reason: str, error: ConnectionFailed | None) -> None:
        self.ends.append((reason, error))
        self.ended.set()

    def wait_for(self, what: object) -> None:
        with self.more:
            assert self.more.wait_for(lambda: what in self.told, PATIENCE_S), self.told


class Rig:
    """A session against a scripted peer, with its reader."""

    def __init__(self, *scripts: Script, owner: Owner | None = None) -> None:
        self.peer = Peer(*scripts)
        self.owner = owner if owner is not None else Owner()
        self.session = Session(self.owner, TwsClient)
        self.reader = threading.Thread(target=self.session.read)

    def begin(self) -> None:
        transport = SocketTransport("127.0.0.1", self.peer.port)
        try:
            self.session.begin(transport, 7)
        except BaseException:
            transport.close()
            raise
        self.reader.start()

    def send(self, ask: Callable[[TwsClient], bytes]) -> None:
        """Ask something."""
        self.session.client.send(ask(self.session.client))

    def end(self) -> None:
        self.session.close("the test is over")
        if self.reader.ident is not None:
            self.reader.join(PATIENCE_S)
            assert not self.reader.is_alive()


def ended(*scripts: Script, act: Callable[[Rig], object] = lambda _: None) -> IbkrError:
    """The error of a session that does not begin; its reader is gone."""
    rig = Rig(*scripts)
    with rig.peer:
        try:
            rig.begin()
        except (ConnectionFailed, SendFailed) as error:  # it broke while we said hello, and nothing is read
            return error
        act(rig)
        rig.reader.join(PATIENCE_S)
        assert not rig.reader.is_alive()
    ((reason, error),) = rig.owner.ends
    assert reason
    assert error is not None
    assert rig.session.has_ended
    assert "beginning" not in rig.owner.told
    return error


@pytest.fixture
def rig() -> Iterator[Callable[..., Rig]]:
    """Make sessions that have begun, closed at the end of the test."""
    made: list[Rig] = []

    def make(*said: bytes, then: Script = Line.read_to_end, owner: Owner | None = None) -> Rig:
        def script(line: Line) -> None:
            line.greet(V, welcome(V), *said)
            then(line)

        one = Rig(script, owner=owner)
        one.peer.__enter__()
        made.append(one)
        one.begin()
        assert one.owner.begun.wait(PATIENCE_S)
        return one

    yield make
    for one in made:
        one.end()
        one.peer.__exit__(None, None, None)


def test_a_session_begins_in_the_brokers_order(rig: Callable[..., Rig]) -> None:
    """With the next id it has begun, and the accounts were there before."""
    one = rig()
    assert one.session.has_begun
    assert not one.session.has_ended
    assert (one.session.accounts, one.session.next_order_id) == (("DU1",), 1)
    assert one.session.server_version == V
    assert one.owner.told == ["beginning"]


def test_facts_from_before_the_next_id_are_not_missed(rig: Callable[..., Rig]) -> None:
    """The unsolicited snapshot comes first of all (TWS facts 5), and is told before the beginning."""
    snapshot = answer("orderStatus", V, orderId=5, status="Submitted") + answer("openOrderEnd", V)
    one = Rig(lambda line: (line.greet(V, snapshot, welcome(V, 6)), line.read_to_end()))
    with one.peer:
        one.begin()
        assert one.owner.begun.wait(PATIENCE_S)
        assert one.owner.told == ["StatusFact", (Answer.OPEN_ORDERS, -1), "beginning"]
        assert one.session.next_order_id == 6
        one.end()


def test_before_it_begins_it_knows_nothing() -> None:
    """A session that was never begun sends nothing, closes, and cannot be begun after that."""
    session = Session(Owner(), TwsClient)
    assert (session.has_begun, session.has_ended, session.server_version) == (False, False, 0)
    assert (session.accounts, session.next_order_id, session.end_reason) == ((), 1, "")
    with pytest.raises(NotReady, match="nothing was sent"):
        session.client.send(b"x")
    session.close("never mind")
    assert session.end_reason == "never mind"
    tape = Tape([])
    with pytest.raises(HandshakeFailed, match="closed by us"):
        session.begin(tape, 7)
    assert tape.sent == []


def test_closing_on_another_thread_in_the_middle_of_the_hello_is_not_lost() -> None:
    """The transport that the close could not know yet is closed as soon as the hello is out."""

    class Interrupting(Tape):
        def send(self, data: bytes) -> None:
            super().send(data)
            session._closing.append("meanwhile")  # what a close on another thread leaves, at its worst

    session = Session(Owner(), TwsClient)
    tape = Interrupting([])
    session.begin(tape, 7)
    assert tape.closed


def test_the_next_id_never_goes_back(rig: Callable[..., Rig]) -> None:
    """The broker's number is a lower bound; a smaller one changes nothing, and nothing begins twice."""
    one = rig(answer("nextValidId", V, orderId=90), answer("nextValidId", V, orderId=3), NOTICE)
    one.owner.wait_for("ErrorFact")
    assert one.session.next_order_id == 90
    assert one.owner.told.count("beginning") == 1


# ── refusals ────────────────────────────────────────────────────────────────────────────────────────


def refused(code: int, text: str) -> Script:
    def script(line: Line) -> None:
        line.greet(V, answer("error", V, id=-1, errorCode=code, errorMsg=text, errorTime=1))
        line.read_to_end()

    return script


def test_a_client_id_in_use_is_named() -> None:
    """Code 326 becomes its own error, with the id; it is enough, whether the gateway hangs up or not."""
    error = ended(refused(326, "Unable to connect as the client id is already in use."))
    assert isinstance(error, ClientIdInUse)
    assert error.client_id == 7


def test_the_brokers_reason_for_a_refusal_is_told() -> None:
    """Another connection code before the session began: its text is in the error."""
    error = ended(refused(502, "Maximum number of clients is reached."))
    assert isinstance(error, HandshakeFailed)
    assert "Maximum number" in str(error)
    assert "502" in str(error)


def test_a_connection_code_within_the_session_ends_nothing(rig: Callable[..., Rig]) -> None:
    """Once begun, 326 and its like are facts as others are: only the socket's end is the end."""
    text = "Unable to connect as the client id is already in use."
    one = rig(answer("error", V, id=-1, errorCode=326, errorMsg=text, errorTime=1))
    one.owner.wait_for("ErrorFact")
    assert not one.session.has_ended
    assert one.owner.ends == []


def test_a_gateway_of_too_old_a_version_is_refused() -> None:
    """The error tells both versions."""
    error = ended(lambda line: (line.read_hello(), line.send(hello(100)), line.read_to_end()))
    assert isinstance(error, ServerTooOld)
    assert "100" in str(error)


@pytest.mark.parametrize("garbage", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0" * 8, b"\xff" * 100])
def test_garbage_is_refused(garbage: bytes) -> None:
    """What is no TWS is told so at once: nobody has to run into a deadline."""
    error = ended(lambda line: (line.read_hello(), line.send(garbage), line.read_to_end()))
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
    """At each step of the beginning, closed or reset: one end, with a typed error, and no thread."""
    for _ in range(5):  # where exactly a reset is noticed is a matter of moments
        assert isinstance(ended(CLOSES[step]), ConnectionFailed | SendFailed)


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
def test_a_session_that_is_given_up_ends_with_the_reason_for_it(step: str) -> None:
    """The deadline is its owner's (the session waits for nothing); the end tells the owner's error, once."""
    error = HandshakeFailed("no handshake within 0.2 s; is this the API port?")
    assert ended(SILENT[step], act=lambda one: one.session.give_up(error)) is error


def test_what_the_broker_said_first_is_the_reason() -> None:
    """A deadline that strikes behind a refusal does not hide it."""

    def act(one: Rig) -> None:
        one.owner.wait_for("ErrorFact")
        one.session.give_up(HandshakeFailed("too late"))

    assert isinstance(ended(refused(326, "in use"), act=act), ClientIdInUse)


def test_one_message_that_cannot_be_read_does_not_spoil_the_beginning() -> None:
    """Unknown and damaged messages before the next id are reported, and the session begins all the same."""

    def raw(message_id: int, body: bytes) -> bytes:
        head = message_id.to_bytes(4, "big") if V >= 201 else f"{message_id}\0".encode()
        return (len(head) + len(body)).to_bytes(4, "big") + head + body

    one = Rig(lambda line: (line.greet(V, raw(199, b"1\0"), raw(3, b"5\0"), welcome(V)), line.read_to_end()))
    with one.peer:
        one.begin()
        assert one.owner.begun.wait(PATIENCE_S)
        assert len(one.owner.failures) == 2
        one.end()


# ── what is told ────────────────────────────────────────────────────────────────────────────────────

QUESTIONS: dict[Answer, Callable[[TwsClient], bytes]] = {
    Answer.OPEN_ORDERS: lambda client: client.encode(client.reqOpenOrders),
    Answer.EXECUTIONS: lambda client: client.encode_executions_request(41),
    Answer.COMPLETED_ORDERS: lambda client: client.encode(lambda: client.reqCompletedOrders(False)),
    Answer.POSITIONS: lambda client: client.encode(client.reqPositions),
}


@pytest.mark.parametrize("kind", QUESTIONS)
def test_the_end_of_an_answer_is_told(kind: Answer, rig: Callable[..., Rig]) -> None:
    """Each answer has its own end; that of executions tells which question it belongs to."""

    def script(line: Line) -> None:
        line.send(empty_answer(line.read_request(V), V))
        line.read_to_end()

    one = rig(then=script)
    one.send(QUESTIONS[kind])
    one.owner.wait_for((kind, 41 if kind is Answer.EXECUTIONS else -1))
    assert len(one.owner.told) == 2, one.owner.told


def test_a_position_is_told_with_account_contract_and_quantity(rig: Callable[..., Rig]) -> None:
    """As the broker gave it, before the end of the positions."""
    contract = {"conId": 265598, "symbol": "AAPL", "secType": "STK", "currency": "USD"}
    held = answer("position", V, account="DU1", contract=contract, position=Decimal("-7.5"), avgCost=101.25)
    one = rig(held, answer("positionEnd", V))
    one.owner.wait_for((Answer.POSITIONS, -1))
    _, position, _ = one.owner.told
    assert isinstance(position, Position)
    assert (position.account, position.quantity) == ("DU1", Decimal("-7.5"))
    assert (position.contract.con_id, position.contract.symbol) == (265598, "AAPL")


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_lost_connection_is_told_once_with_its_reason(rig: Callable[..., Rig]) -> None:
    """Nobody asked for it, and it had begun: no error, but a reason; nothing can be sent from then on."""
    one = rig(then=lambda line: line.read_frame() and None)
    one.send(QUESTIONS[Answer.OPEN_ORDERS])
    assert one.owner.ended.wait(PATIENCE_S)
    assert one.owner.ends == [("the peer closed the connection", None)]
    assert one.session.has_ended
    assert not one.session.was_closed_by_us
    with pytest.raises(NotReady, match="nothing was sent"):
        one.send(QUESTIONS[Answer.OPEN_ORDERS])
    one.session.close("too late")
    assert one.session.end_reason == "the peer closed the connection"
    assert not one.session.was_closed_by_us
    assert len(one.owner.ends) == 1


def test_closing_is_told_as_asked_for_and_ends_the_reader(rig: Callable[..., Rig]) -> None:
    """The first reason stands; a second close changes nothing."""
    one = rig()
    one.session.close("enough")
    one.session.close("again")
    one.reader.join(PATIENCE_S)
    assert not one.reader.is_alive()
    assert one.owner.ends == [("enough", None)]
    assert one.session.was_closed_by_us


def test_a_connection_of_no_more_use_counts_as_ended_before_its_end_is_seen() -> None:
    """A send that broke halfway: nothing may follow it, whenever the reader notices."""
    session = Session(Owner(), TwsClient)
    session.begin(Tape([]), 7)
    session.break_off("a send failed")
    assert session.has_ended
    assert session.end_reason == "a send failed"
    session.close("whatever", by_us=False)
    assert session.end_reason == "a send failed"
    assert not session.was_closed_by_us


def test_closing_from_the_reader_itself_does_not_wait_for_itself(rig: Callable[..., Rig]) -> None:
    """A callback may close the session that it runs in."""

    class Closer(Owner):
        def take_fact(self, fact: BrokerFact, session: Session) -> None:
            super().take_fact(fact, session)
            session.close("from inside")

    def script(line: Line) -> None:
        line.read_frame()
        line.send(NOTICE)
        line.read_to_end()

    one = rig(then=script, owner=Closer())
    one.send(QUESTIONS[Answer.OPEN_ORDERS])
    assert one.owner.ended.wait(PATIENCE_S)
    assert one.owner.ends == [("from inside", None)]
    (fact,) = one.owner.facts
    assert isinstance(fact, ErrorFact)


def test_a_raising_owner_does_not_end_the_reader() -> None:
    """Whatever goes wrong above, the connection is read on and the fault is handed up."""

    class Broken(Owner):
        def take_fact(self, fact: BrokerFact, session: Session) -> None:
            super().take_fact(fact, session)
            raise RuntimeError("above")

    one = Rig(lambda line: (line.greet(V, NOTICE, NOTICE, welcome(V)), line.read_to_end()), owner=Broken())
    with one.peer:
        one.begin()
        assert one.owner.begun.wait(PATIENCE_S)
        one.end()
    assert len(one.owner.facts) == 2
    assert [str(failure) for failure in one.owner.failures] == ["above", "above"]


def test_sessions_do_not_share_anything(rig: Callable[..., Rig]) -> None:
    """Two connections at once, each with its own end."""
    first, second = rig(), rig()
    first.end()
    assert first.session.has_ended
    assert not second.session.has_ended
    assert second.owner.ends == []
    assert second.reader.is_alive()
