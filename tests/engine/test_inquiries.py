"""Open questions: who is answered by what, and every way in which one ends."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar

import pytest

from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    InquiryFailed,
    InvalidInput,
    NotReady,
    RequestRefused,
    SendFailed,
    UnknownContract,
    WaitTimeout,
)
from ibkr_core.inquiries import Collector, Inquiries
from ibkr_core.link.pacing import Lane
from ibkr_core.model.facts import ErrorFact
from ibkr_core.outbox import Parcel
from ibkr_core.scheduler import Scheduler
from tests.engine.clocks import FakeClock


class Client:
    """Encodes by noting what was called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.refusal: IbkrError | None = None

    def encode(self, request: Callable[[], object]) -> bytes:
        if self.refusal is not None:
            raise self.refusal
        before = len(self.calls)
        request()
        return ",".join(self.calls[before:]).encode()

    def ask(self, request_id: int) -> None:
        self.calls.append(f"ask {request_id}")

    def stop(self, request_id: int) -> None:
        self.calls.append(f"stop {request_id}")


class SessionOf:
    """A session with a client."""

    def __init__(self, client: Client) -> None:
        self.client = client


class Wire:
    """A connection by hand."""

    def __init__(self) -> None:
        self.client = Client()
        self.session: Any = SessionOf(self.client)
        self.sent: list[tuple[Lane, bytes]] = []
        self.waiting: list[Parcel] = []
        self.broken: list[str] = []
        self.failure: BaseException | None = None
        self.must_wait = False

    def check_can_send(self, _: Lane) -> None:
        if isinstance(self.failure, NotReady):
            raise self.failure

    def post(self, parcel: Parcel, client: Any = None) -> bool:
        assert client is self.client
        if self.failure is not None:
            raise self.failure
        if self.must_wait:
            self.waiting.append(parcel)
            return False
        self.sent.append((parcel.lane, parcel.data))
        parcel.on_sent()
        return True

    def take_back(self, parcel: Parcel) -> bool:
        if parcel not in self.waiting:
            return False
        self.waiting.remove(parcel)
        return True

    def break_off(self, reason: str) -> None:
        self.broken.append(reason)


class Words(Collector[tuple[str, ...]]):
    """Collects words until the end."""

    callbacks: ClassVar[frozenset[str]] = frozenset({"word", "end"})

    def __init__(self) -> None:
        self.words: list[str] = []

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        assert name in self.callbacks
        if name == "word":
            self.words.append(arguments[1].strip())
        return name == "end"

    def result(self) -> tuple[str, ...]:
        return tuple(self.words)

    def withdraw(self, client: Any, request_id: int) -> None:
        client.stop(request_id)


class Stream(Words):
    """Goes on after its answer."""

    is_subscription = True


class Nameless(Words):
    """Has no request id: it is for the one whose word it begins with."""

    has_id = False

    def __init__(self, first: str) -> None:
        super().__init__()
        self.first = first

    def fits(self, _: str, arguments: tuple[Any, ...]) -> bool:
        return bool(arguments[0] == self.first)


class Bench:
    """Questions over a wire by hand, with a clock that stands still."""

    def __init__(self) -> None:
        self.wire = Wire()
        self.clock = FakeClock()
        self.failed: list[BaseException] = []
        self.scheduler = Scheduler(self.clock, self.failed.append)
        self.last_id = 100
        self.inquiries = Inquiries(self.wire, self.scheduler, self.take_id)

    def take_id(self) -> int:
        self.last_id += 1
        return self.last_id

    def ask(self, collector: Collector[Any] | None = None, timeout_s: float = 5.0) -> Future[Any]:
        return self.inquiries.ask(
            lambda client, request_id: client.ask(request_id),
            Words() if collector is None else collector,
            timeout_s,
            what="some words",
        )

    def say(self, name: str, *arguments: Any) -> None:
        self.inquiries.take_answer(name, arguments)

    def error(self, request_id: int, code: int, text: str = "no") -> None:
        self.inquiries.take_error(ErrorFact(request_id=request_id, code=code, message=text))

    def pass_time(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()

    @property
    def bytes_sent(self) -> list[bytes]:
        return [data for _, data in self.wire.sent]

    def is_clean(self) -> bool:
        """Nothing is open, and nothing waits to be done."""
        self.scheduler.run_due()
        return (
            self.inquiries.count == 0
            and self.inquiries.awaited == set()
            and self.scheduler.next_due() is None
            and self.failed == []
        )


@pytest.fixture
def bench() -> Bench:
    return Bench()


# ── answers ─────────────────────────────────────────────────────────────────────────────────────


def test_a_question_is_sent_behind_everything_else(bench: Bench) -> None:
    """With an id of its own, in the last lane."""
    bench.ask()
    assert bench.wire.sent == [(Lane.DATA, b"ask 101")]
    assert bench.inquiries.awaited == {"word", "end"}


def test_an_answer_is_collected_by_its_id(bench: Bench) -> None:
    """Two questions do not mix, and strangers' answers are nobody's."""
    first, second = bench.ask(), bench.ask()
    for request_id, word in ((101, "a"), (102, "b"), (7, "x"), (101, "c")):
        bench.say("word", request_id, word)
    bench.say("other", 101, "y")
    bench.say("end", 102)
    assert second.result(0) == ("b",)
    assert not first.done()
    assert bench.inquiries.awaited == {"word", "end"}
    bench.say("end", 101)
    assert first.result(0) == ("a", "c")
    assert bench.is_clean()
    bench.say("end", 101)  # once more, to nobody


def test_an_answer_that_goes_on_is_stopped(bench: Bench) -> None:
    """Behind the answer, and not where bytes come in."""
    future = bench.ask(Stream())
    bench.say("end", 101)
    assert future.result(0) == ()
    assert bench.bytes_sent == [b"ask 101"]
    bench.scheduler.run_due()
    assert bench.wire.sent == [(Lane.DATA, b"ask 101"), (Lane.DATA, b"stop 101")]
    assert bench.is_clean()


def test_an_answer_that_ends_by_itself_is_not_stopped(bench: Bench) -> None:
    """The broker complains about the end of what has ended."""
    bench.ask()
    bench.say("end", 101)
    assert bench.is_clean()
    assert bench.bytes_sent == [b"ask 101"]


def test_an_answer_without_an_id_is_for_whom_it_fits(bench: Bench) -> None:
    """And for all of them."""
    first, again, second = bench.ask(Nameless("a")), bench.ask(Nameless("a")), bench.ask(Nameless("b"))
    assert bench.bytes_sent == [b"ask -1"] * 3
    bench.say("end", "a")
    assert first.done()
    assert again.done()
    assert not second.done()
    bench.say("end", "b")
    assert bench.is_clean()


def test_a_number_that_is_no_request_id_is_not_taken_for_one(bench: Bench) -> None:
    """A market rule has the number 101 too."""
    future = bench.ask()
    bench.say("marketRule", 101, [])
    assert not future.done()
    bench.say("word", [], "a list first")
    assert not future.done()


def test_an_answer_that_makes_no_sense_ends_the_question(bench: Bench) -> None:
    """With what is wrong with it; the connection goes on."""
    future = bench.ask()
    bench.say("word", 101, None)
    error = future.exception(0)
    assert isinstance(error, InquiryFailed)
    assert "some words: the answer cannot be read: AttributeError" in str(error)
    assert isinstance(error.__cause__, AttributeError)
    assert bench.is_clean()


@pytest.mark.parametrize("error", [InquiryFailed("x", 1, "y"), ZeroDivisionError("z")])
def test_a_result_that_cannot_be_made_ends_the_question(error: Exception, bench: Bench) -> None:
    """A typed error as it is, any other as one that says so; at the deadline too."""

    class Bad(Words):
        def result(self) -> tuple[str, ...]:
            raise error

        def suffices(self) -> bool:
            return True

    whole, late = bench.ask(Bad()), bench.ask(Bad())
    bench.say("end", 101)
    bench.pass_time(5)
    for future in (whole, late):
        raised = future.exception(0)
        assert isinstance(raised, InquiryFailed)
        assert raised is error or "ZeroDivisionError: z" in str(raised)
    assert bench.failed == []
    assert bench.inquiries.count == 0


# ── refusals ────────────────────────────────────────────────────────────────────────────────────


def test_a_refusal_ends_the_question(bench: Bench) -> None:
    """With code and text; other ids are somebody else's."""
    future = bench.ask()
    bench.error(7, 321)
    bench.error(-1, 321)
    assert not future.done()
    bench.error(101, 321, "not so")
    error = future.exception(0)
    assert isinstance(error, InquiryFailed)
    assert (error.code, error.text, error.what) == (321, "not so", "some words")
    assert str(error) == "some words: not so (code 321)"
    assert bench.is_clean()


def test_an_unknown_contract_is_bad_input(bench: Bench) -> None:
    """Code 200."""
    future = bench.ask()
    bench.error(101, 200, "No security definition")
    assert isinstance(future.exception(0), UnknownContract)


@pytest.mark.parametrize("code", [10090, 10167, 2100, 2104, 2199])
def test_a_warning_ends_nothing(code: int, bench: Bench) -> None:
    """The answer still comes."""
    future = bench.ask()
    bench.error(101, code)
    assert not future.done()


def test_a_refusal_without_an_id_is_for_the_oldest_without_one(bench: Bench) -> None:
    """And only where the code is about a request; a farm's report is not."""
    with_id, first, second = bench.ask(), bench.ask(Nameless("a")), bench.ask(Nameless("b"))
    bench.error(-1, 2103)
    bench.error(-1, 1100)
    bench.error(-1, 504)
    bench.error(7, 322)  # a stranger's
    assert not any(future.done() for future in (with_id, first, second))
    bench.error(-1, 322)
    assert isinstance(first.exception(0), InquiryFailed)
    assert not second.done()
    assert not with_id.done()


# ── deadlines ───────────────────────────────────────────────────────────────────────────────────


def test_a_question_ends_at_its_deadline(bench: Bench) -> None:
    """Not before; and it is stopped at the broker."""
    future = bench.ask(timeout_s=5)
    bench.pass_time(4.9)
    assert not future.done()
    bench.pass_time(0.2)
    with pytest.raises(WaitTimeout, match="no answer within 5 s: some words"):
        future.result(0)
    bench.scheduler.run_due()
    assert bench.bytes_sent == [b"ask 101", b"stop 101"]
    assert bench.is_clean()


def test_what_has_come_may_suffice(bench: Bench) -> None:
    """Some prices are better than none."""

    class Enough(Words):
        def suffices(self) -> bool:
            return bool(self.words)

    empty, some = bench.ask(Enough()), bench.ask(Enough())
    bench.say("word", 102, "a")
    bench.pass_time(5)
    assert isinstance(empty.exception(0), WaitTimeout)
    assert some.result(0) == ("a",)


def test_a_question_that_waits_for_the_pace_is_taken_back(bench: Bench) -> None:
    """At its deadline it has not left: then it never does, and there is nothing to stop."""
    bench.wire.must_wait = True
    future = bench.ask()
    bench.pass_time(5)
    assert isinstance(future.exception(0), WaitTimeout)
    assert bench.wire.waiting == []
    assert bench.is_clean()
    assert bench.wire.client.calls == ["ask 101"]


def test_a_question_that_is_given_up_is_stopped(bench: Bench) -> None:
    """Cancelling its future is enough; an answer that comes all the same is nobody's."""
    future = bench.ask()
    assert future.cancel()
    bench.scheduler.run_due()
    assert bench.bytes_sent == [b"ask 101", b"stop 101"]
    bench.say("end", 101)
    assert future.cancelled()
    assert bench.is_clean()


# ── the connection ──────────────────────────────────────────────────────────────────────────────


def test_the_end_of_the_connection_ends_all(bench: Bench) -> None:
    """At once, each with an exception of its own; nothing is sent any more."""
    futures = [bench.ask(), bench.ask(Stream()), bench.ask(Nameless("a"))]
    bench.inquiries.end_all(lambda: ConnectionFailed("gone"))
    errors = [future.exception(0) for future in futures]
    assert [str(error) for error in errors] == ["gone"] * 3
    assert len({id(error) for error in errors}) == 3
    assert bench.is_clean()
    assert len(bench.wire.sent) == 3
    assert not bench.ask().done()  # a later connection takes questions again


def test_a_close_ends_all_for_good(bench: Bench) -> None:
    """Later questions are refused, though nothing was sent."""
    future = bench.ask()
    bench.inquiries.close()
    assert isinstance(future.exception(0), EngineClosed)
    with pytest.raises(EngineClosed):
        bench.ask()
    assert bench.is_clean()


def test_what_cannot_be_sent_leaves_nothing_behind(bench: Bench) -> None:
    """Neither when it is refused at once, nor when it cannot be encoded."""
    bench.wire.client.refusal = RequestRefused(0, "too old")
    with pytest.raises(RequestRefused):
        bench.ask()
    bench.wire.client.refusal = None
    bench.wire.failure = NotReady("not connected")
    with pytest.raises(NotReady):
        bench.ask()
    bench.wire.failure = RuntimeError("odd")
    with pytest.raises(RuntimeError):
        bench.ask()
    assert bench.is_clean()


def test_a_send_that_breaks_ends_the_session(bench: Bench) -> None:
    """Half a message went out: nothing may follow it."""
    bench.wire.failure = SendFailed("half of it")
    with pytest.raises(ConnectionFailed, match="asking for some words: half of it"):
        bench.ask()
    assert bench.wire.broken == ["half of it"]
    assert bench.is_clean()


def test_what_waits_is_lost_with_the_connection(bench: Bench) -> None:
    """It says that it was never sent; a send that breaks later ends the session."""
    bench.wire.must_wait = True
    first, second = bench.ask(), bench.ask()
    one, two = bench.wire.waiting
    one.on_unsent("connection lost")
    two.on_broken(SendFailed("half of it"))
    assert "was not sent (some words): connection lost" in str(first.exception(0))
    assert isinstance(second.exception(0), ConnectionFailed)
    assert bench.wire.broken == ["half of it"]
    assert bench.is_clean()


@pytest.mark.parametrize("failure", [NotReady("gone"), SendFailed("half of it")])
def test_a_stop_that_cannot_be_sent_harms_nobody(failure: IbkrError, bench: Bench) -> None:
    """What runs at the broker ends with the connection anyway."""
    future = bench.ask(Stream())
    bench.say("end", 101)
    bench.wire.failure = failure
    bench.scheduler.run_due()
    assert future.result(0) == ()
    assert bench.failed == []
    assert bench.wire.broken == (["half of it"] if isinstance(failure, SendFailed) else [])


@pytest.mark.parametrize("timeout_s", [0, -1, float("nan"), float("inf"), "1", None, True])
def test_a_deadline_is_a_number_of_seconds(timeout_s: Any, bench: Bench) -> None:
    """Refused before anything is sent."""
    with pytest.raises(InvalidInput, match="timeout_s"):
        bench.ask(timeout_s=timeout_s)
    assert bench.wire.sent == []


def test_a_question_among_orders_keeps_its_place(bench: Bench) -> None:
    """A what-if goes with the orders, under the id that was taken for it."""
    future = bench.inquiries.ask_as_order(
        lambda _, order_id: f"whatif {order_id}".encode(),
        lambda _: Words(),
        55,
        5.0,
        what="a what-if",
    )
    assert bench.wire.sent == [(Lane.ORDER, b"whatif 55")]
    bench.say("end", 55)
    assert future.result(0) == ()
    assert bench.is_clean()


def test_answers_timeouts_and_ends_may_meet(bench: Bench) -> None:
    """Whatever comes first ends it, once; from several threads nothing is left over."""
    futures = [bench.ask(Stream(), timeout_s=0.001) for _ in range(300)]
    ids = range(101, 401)
    begin = threading.Barrier(4)

    def answer() -> None:
        begin.wait()
        for request_id in ids:
            bench.say("end", request_id)

    def refuse() -> None:
        begin.wait()
        for request_id in reversed(ids):
            bench.error(request_id, 321)

    def run_out() -> None:
        begin.wait()
        bench.pass_time(1)

    def lose() -> None:
        begin.wait()
        bench.inquiries.end_all(lambda: ConnectionFailed("gone"))

    threads = [threading.Thread(target=act) for act in (answer, refuse, run_out, lose)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(future.done() for future in futures)
    assert bench.is_clean()
