"""The book behind its lock: who may call what from where, who is woken, and what stays behind."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from concurrent.futures import Future
from datetime import datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.errors import ConnectionFailed, DuplicateOrder, UnknownOrder
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.journal.entries import Frame, Payload
from ibkr_core.lifecycle.asks import Ask, Question, RetryWanted
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Cancel, NewOrder, SendFailure, Submit
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES
from ibkr_core.listeners import Delivery, Dispatcher
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact, ErrorFact, ExecutionFact, HotValues, StatusFact, fact_of
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import OrderStatus
from ibkr_core.retrier import with_retries
from ibkr_core.settings import RetryPolicy
from tests.engine.clocks import FakeClock
from tests.link.peers import PATIENCE_S

S = OrderStatus
STOCK = Contract.stock("AAPL")


class Tape:
    """A journal that keeps what it is told, in the order of telling."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self.inputs: list[tuple[Payload, datetime, int, BrokerFact | None]] = []
        self.events: list[events.Event] = []
        self.stirred: list[tuple[int, int]] = []

    def record(self, payload: Payload, at: datetime, seq: int, fact: BrokerFact | None = None) -> int:
        assert self._rig.book._lock._is_owned(), "the journal's order is the book's only under its lock"
        self.inputs.append((payload, at, seq, fact))
        return len(self.inputs)

    def note_event(self, event: events.Event) -> None:
        assert self._rig.book._lock._is_owned()
        self.events.append(event)

    def record_hot(self, version: int, values: HotValues, frame: bytes, at: datetime, seq: int) -> None:
        self.record(Frame(version, frame), at, seq, fact_of(values))

    def note_hot(self, told: list[events.Event]) -> None:
        for event in told:
            self.note_event(event)

    @property
    def recorded(self) -> int:
        return len(self.inputs)

    def stir(self) -> None:
        self.stirred.append((len(self.inputs), len(self.events)))


class Rig:
    """A guarded book with what stands around it in the engine."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.asked: list[Ask] = []
        self.retries: list[RetryWanted] = []
        self.heard: list[events.Event] = []
        self.journal = Tape(self)
        self.dispatcher = Dispatcher(self.report)
        self.book = GuardedBook(
            1,
            with_retries(DEFAULT_RULES, RetryPolicy()),
            self.clock,
            self.dispatcher,
            self.note,
            self.retry,
            self.journal,
        )
        self.on(self.heard.append)

    def on(self, listener: Any, kind: type[events.Event] = events.Event) -> None:
        self.dispatcher.subscribe((kind,), listener, Delivery.INLINE, None)

    def report(self, name: str, error: BaseException) -> None:
        self.book.post(events.ListenerFailed, listener=name, error=str(error))

    def note(self, asks: Iterable[Ask]) -> None:
        self.check_unlocked()
        self.asked.extend(asks)

    def retry(self, wish: RetryWanted) -> None:
        self.check_unlocked()
        self.retries.append(wish)

    def check_unlocked(self) -> None:
        """Fail where a lock is held: user code and asking the broker must not run under it."""
        assert not self.book._lock._is_owned()

    def submit(self, order_id: int = 5, quantity: int = 10) -> None:
        order = Order.market("BUY", quantity)
        self.book.command(Submit((NewOrder(order_id, f"key{order_id}", STOCK, order),)))

    def status(self, word: str, filled: int = 0, remaining: int = 10, order_id: int = 5) -> None:
        self.book.apply(
            StatusFact(
                order_id=order_id,
                status=word,
                filled=Decimal(filled),
                remaining=Decimal(remaining),
                client_id=1,
                perm_id=70 + order_id,
            )
        )

    def fill(self, quantity: int = 10, order_id: int = 5) -> None:
        self.book.apply(
            ExecutionFact(
                exec_id=f"a.b.{order_id}{quantity}.01",
                side="BOT",
                shares=Decimal(quantity),
                price=Decimal(100),
                order_id=order_id,
                client_id=1,
                perm_id=70 + order_id,
            )
        )

    def hot(self, fact: BrokerFact) -> None:
        """Apply a fact as it comes by the thousand."""
        self.book.hot_taker(178)((type(fact), *attrs.astuple(fact, recurse=False)), b"frame")

    def watch(self, *wanted: OrderStatus, order_id: int = 5) -> Future[OrderRecord]:
        return self.book.watch(order_id, frozenset(wanted))


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_facts_are_delivered_at_once_with_the_moment_and_a_rising_number(rig: Rig) -> None:
    """An event tells when we learned of it; numbers grow by one whatever the event's source."""
    rig.submit()
    rig.clock.advance(5)
    rig.status("Submitted")
    rig.book.publish(events.CallbackFailed, error="x")
    assert [event.seq for event in rig.heard] == list(range(1, len(rig.heard) + 1))
    assert isinstance(rig.heard[0], events.OrderSubmitted)
    assert {event.at for event in rig.heard[1:]} == {rig.clock.now()}


def test_a_command_is_delivered_when_the_caller_says_so(rig: Rig) -> None:
    """The caller may hold the send lock: nobody's code runs before it is released."""
    rig.submit()
    assert rig.heard == []
    rig.book.deliver()
    assert [type(event) for event in rig.heard] == [events.OrderSubmitted]


@pytest.mark.parametrize("way", ["command", "status", "hot", "before"])
def test_who_waits_for_relatives_hears_of_the_first_one_in_time(rig: Rig, way: str) -> None:
    """A listener that begins then gets the very event by which the relative became known."""
    late: list[events.Event] = []
    calls: list[bool] = []

    def begin() -> None:
        calls.append(True)
        rig.on(late.append, events.OrderEvent)

    def watch() -> None:
        rig.book.watch_kin(begin)

    def name_a_parent(order_id: int = 5) -> None:
        fact = StatusFact(
            order_id=order_id,
            status="Filled",
            filled=Decimal(10),
            remaining=Decimal(0),
            client_id=1,
            perm_id=70 + order_id,
            parent_id=3,
        )
        if way == "command":
            order = Order.market("BUY", 1).replace(parent_id=order_id)
            rig.book.command(Submit((NewOrder(order_id + 1, f"child of {order_id}", STOCK, order),)))
            rig.book.deliver()
        elif way == "hot":
            rig.book.hot_taker(178)((StatusFact, *attrs.astuple(fact, recurse=False)), b"frame")
        else:
            rig.book.apply(fact)

    if way != "before":
        watch()
    rig.submit()
    rig.submit(9)
    rig.status("Submitted")
    rig.status("Submitted", order_id=9)
    assert not calls
    name_a_parent()
    if way == "before":
        watch()
    else:
        assert late
    assert calls == [True]
    name_a_parent(9)
    assert calls == [True]


def working(order_id: int = 5) -> StatusFact:
    """Return a plain fact: the order works, nothing is filled."""
    return StatusFact(
        order_id=order_id,
        status="Submitted",
        filled=Decimal(0),
        remaining=Decimal(10),
        client_id=1,
        perm_id=70 + order_id,
    )


def test_listeners_come_before_the_journals_note_of_what_came_by_the_thousand(rig: Rig) -> None:
    """A listener is not kept waiting for rows; the input itself was recorded before it."""
    rig.submit()
    rig.book.deliver()
    seen: list[tuple[int, int]] = []
    rig.on(
        lambda _: seen.append((len(rig.journal.inputs), len(rig.journal.events))), events.OrderAcknowledged
    )
    inputs, noted = len(rig.journal.inputs), len(rig.journal.events)
    rig.hot(working())
    assert seen == [(inputs + 1, noted)]
    assert rig.journal.events == rig.heard


@pytest.mark.parametrize("way", ["hot", "general", "command"])
def test_the_journals_writer_is_woken_once_listeners_have_run(rig: Rig, way: str) -> None:
    """It would take the interpreter from them, and from whoever is about to send an order."""
    if way != "command":
        rig.submit()
        rig.book.deliver()
    stirred: list[int] = []
    rig.on(lambda _: stirred.append(len(rig.journal.stirred)), events.OrderEvent)
    before = len(rig.journal.stirred)
    if way == "hot":
        rig.hot(working())
    elif way == "general":
        rig.book.apply(working())
    else:
        rig.submit()
        assert len(rig.journal.stirred) == before, "the bytes leave between these"
        rig.book.deliver()
    assert set(stirred) == {before}
    assert rig.journal.stirred[-1] == (len(rig.journal.inputs), len(rig.journal.events))


@pytest.mark.parametrize("where", ["a listener", "another thread", "a listener that fails"])
def test_whatever_changes_the_book_meanwhile_is_noted_behind_it(rig: Rig, where: str) -> None:
    """A listener's own orders, those of other threads while it runs, and the report of its failure."""
    rig.submit()
    rig.book.deliver()

    def act(_: events.Event) -> None:
        if where == "a listener that fails":
            raise RuntimeError("on purpose")
        if where == "a listener":
            rig.submit(9)
            return
        other = threading.Thread(target=rig.submit, args=(9,))
        other.start()
        other.join(PATIENCE_S)

    rig.on(act, events.OrderAcknowledged)
    rig.hot(working())
    rig.book.deliver()
    assert [event.seq for event in rig.journal.events] == [*range(1, len(rig.heard) + 1)]
    assert rig.journal.events == rig.heard
    assert type(rig.heard[-1]) is {"a listener that fails": events.ListenerFailed}.get(
        where, events.OrderSubmitted
    )


@pytest.mark.parametrize("look", ["read", "note_late", "checkpoint"])
def test_who_looks_at_everything_has_it_noted_first(rig: Rig, look: str) -> None:
    """What packs finished orders, and a journal that is asked for its tables, find nothing missing."""
    rig.submit()
    noted: list[int] = []

    def act(_: events.Event) -> None:
        before = len(rig.journal.events)
        if look == "read":
            rig.book.read(lambda _: noted.append(len(rig.journal.events) - before))
        else:
            if look == "note_late":
                rig.book.note_late()
            else:
                rig.book.checkpoint(rig.journal, 100)
            noted.append(len(rig.journal.events) - before)

    rig.on(act, events.OrderAcknowledged)
    rig.hot(working())
    assert noted[0] >= 1
    assert rig.journal.events == rig.heard


def test_an_interrupted_listener_leaves_nothing_unnoted(rig: Rig) -> None:
    """Ctrl-C comes on the main thread, which takes messages in simulations."""
    rig.submit()

    def interrupted(_: events.Event) -> None:
        raise KeyboardInterrupt

    rig.on(interrupted, events.OrderAcknowledged)
    with pytest.raises(KeyboardInterrupt):
        rig.hot(working())
    rig.status("Submitted")
    rig.book.deliver()
    assert rig.journal.events == rig.heard


def test_messages_within_messages_are_noted_in_their_order(rig: Rig) -> None:
    """A listener of a simulation may feed the next message."""
    rig.submit()
    rig.submit(9)
    rig.book.deliver()
    rig.on(lambda event: rig.hot(working(9)) if event.order_id == 5 else None, events.OrderAcknowledged)
    rig.hot(working())
    assert rig.journal.events == rig.heard
    assert [event.seq for event in rig.heard] == [*range(1, len(rig.heard) + 1)]


def test_a_refused_command_changes_nothing_and_tells_nobody(rig: Rig) -> None:
    """The exception goes to the caller, and a later delivery has nothing of it."""
    rig.submit()
    with pytest.raises(DuplicateOrder):
        rig.submit()
    rig.book.deliver()
    assert len(rig.heard) == 1
    assert len(rig.book.read(lambda book: book.orders())) == 1


def test_no_lock_is_held_while_listeners_run(rig: Rig) -> None:
    """A listener may read and command the book that told it."""
    seen: list[OrderRecord] = []

    def listener(event: events.OrderSubmitted) -> None:
        rig.check_unlocked()
        seen.append(rig.book.read(lambda book: book.order(event.order_id)))
        if event.order_id < 8:
            rig.submit(event.order_id + 1)

    rig.on(listener, events.OrderSubmitted)
    rig.submit()
    rig.book.deliver()
    assert [record.order_id for record in seen] == [5, 6, 7, 8]


def test_questions_are_handed_on_without_the_lock(rig: Rig) -> None:
    """A status that is ahead of the executions leads to a question."""
    rig.submit()
    rig.status("Submitted", filled=3, remaining=7)
    assert {ask.question for ask in rig.asked} == {Question.EXECUTIONS}
    assert {ask.order_id for ask in rig.asked} == {5}


def test_what_is_to_be_sent_again_is_handed_on_without_the_lock(rig: Rig) -> None:
    """A refusal that proves that nothing lives leads to a wish, not to an end."""
    rig.submit()
    rig.book.apply(ErrorFact(request_id=5, code=10006, message="Missing parent order."))
    (wish,) = rig.retries
    assert (wish.order_id, wish.request, wish.code) == (5, Request.NEW, 10006)
    assert not rig.book.read(lambda book: book.order(5)).status.is_finished


# ── the journal ─────────────────────────────────────────────────────────────────────────────────────


def test_every_input_is_recorded_as_it_is_applied(rig: Rig) -> None:
    """Commands as they are, facts as the frame that they came in; with moment and place."""
    rig.submit()
    rig.clock.advance(5)
    status = StatusFact(order_id=5, status="Submitted", client_id=1, perm_id=75, remaining=Decimal(10))
    rig.book.apply(status, b"the bytes", 203)
    local = ErrorFact(request_id=-1, code=504, message="Not connected")
    rig.book.apply(local)  # the official client's own word came in no frame
    (first, began, before, none), (second, at, _, fact), (third, _, _, same) = rig.journal.inputs
    assert isinstance(first, Submit)
    assert (before, none) == (0, None)
    assert (second, fact) == (Frame(203, b"the bytes"), status)
    assert (third, same) == (local, local)
    assert (at - began).total_seconds() == 5
    assert [seq for *_, seq, _ in rig.journal.inputs] == sorted(seq for *_, seq, _ in rig.journal.inputs)


def test_the_journal_keeps_the_frame_that_a_fact_came_in(rig: Rig) -> None:
    """With its version: a replay decodes it again."""
    rig.book.apply(ErrorFact(request_id=-1, code=2104, message="fine"), b"one", 203)
    assert rig.journal.inputs[0][0] == Frame(203, b"one")


def test_a_refused_command_is_not_recorded(rig: Rig) -> None:
    """It changed nothing; a replay would be refused too, and nobody wants to hear of it."""
    rig.submit()
    with pytest.raises(DuplicateOrder):
        rig.submit()
    assert len(rig.journal.inputs) == 1


def test_commands_before_a_refused_one_are_recorded(rig: Rig) -> None:
    """Each command counts for itself: what was applied is in the journal."""
    rig.submit()
    with pytest.raises(UnknownOrder):
        rig.book.command(Cancel(5), Cancel(99), Cancel(5))
    assert [payload for payload, *_ in rig.journal.inputs[1:]] == [Cancel(5)]
    assert rig.book.read(lambda book: book.order(5)).status is S.PENDING_CANCEL


def test_every_event_is_noted_in_the_order_of_its_number(rig: Rig) -> None:
    """Those of the book and those of others alike: what listeners hear is what the tables say."""
    rig.submit()
    rig.status("Submitted")
    rig.book.publish(events.CallbackFailed, error="x")
    rig.fill()
    assert rig.journal.events == rig.heard
    assert [event.seq for event in rig.journal.events] == list(range(1, len(rig.heard) + 1))


def test_a_restored_book_tells_nobody(rig: Rig) -> None:
    """What a journal plays into the book was heard and written long ago; new events go on behind it."""

    def play(book: Book) -> None:
        book.take(Submit((NewOrder(5, "key5", STOCK, Order.market("BUY", 10)),)), rig.clock.now())

    rig.book.restore(play)
    rig.book.deliver()
    assert (rig.heard, rig.journal.inputs, rig.journal.events) == ([], [], [])
    assert rig.book.read(lambda book: book.order(5)).key == "key5"
    rig.fill()
    assert rig.heard[0].seq == 2


# ── whether a question is still open ────────────────────────────────────────────────────────────────

EXECUTIONS = Ask(Question.EXECUTIONS, 5, "why")


def test_a_question_about_executions_closes_when_they_come(rig: Rig) -> None:
    """Usually the execution is right behind its status."""
    rig.submit()
    rig.status("Submitted", filled=3, remaining=7)
    assert rig.book.is_open(EXECUTIONS)
    rig.fill(3)
    assert not rig.book.is_open(EXECUTIONS)


def test_a_filled_order_without_executions_is_an_open_question(rig: Rig) -> None:
    """Filled alone does not tell prices."""
    rig.submit()
    rig.book.apply(StatusFact(order_id=5, status="Filled", client_id=1))
    assert rig.book.is_open(EXECUTIONS)
    rig.fill()
    assert not rig.book.is_open(EXECUTIONS)


def test_an_order_in_doubt_is_an_open_question(rig: Rig) -> None:
    """Nothing is proved: executions may exist."""
    rig.submit()
    assert not rig.book.is_open(EXECUTIONS)
    rig.book.command(SendFailure(5, "broken"))
    assert rig.book.is_open(EXECUTIONS)


def test_a_question_about_orders_stays_open(rig: Rig) -> None:
    """Only the broker's answer settles it."""
    rig.submit()
    assert rig.book.is_open(Ask(Question.ORDERS, 5, "why"))


def test_a_question_about_an_unknown_order_is_an_error(rig: Rig) -> None:
    """The caller decides what that means."""
    with pytest.raises(UnknownOrder):
        rig.book.is_open(EXECUTIONS)


# ── waiting ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_wait_ends_with_the_status(rig: Rig) -> None:
    """With the record of that very moment, whatever came after."""
    rig.submit()
    future = rig.watch(S.SUBMITTED)
    assert not future.done()
    rig.status("Submitted")
    rig.fill()
    assert future.result(0).status is S.SUBMITTED


def test_a_wait_for_what_is_already_there_ends_at_once(rig: Rig) -> None:
    """Also for a finished order, whatever was wanted."""
    rig.submit()
    assert rig.watch(S.PENDING_SUBMIT).result(0).status is S.PENDING_SUBMIT
    rig.fill()
    assert rig.watch(S.CANCELLED).result(0).status is S.FILLED


def test_a_wait_for_nothing_in_particular_is_for_the_end(rig: Rig) -> None:
    """Any end: here a rejection."""
    rig.submit()
    future = rig.watch()
    rig.status("Submitted")
    assert not future.done()
    rig.book.apply(ErrorFact(request_id=5, code=201, message="no"))
    assert future.result(0).status is S.REJECTED


def test_a_settled_wait_ends_when_the_executions_are_there(rig: Rig) -> None:
    """The word Filled alone does not end it (TWS facts 2.5); the execution behind it does."""
    rig.submit()
    future = rig.book.watch(5, frozenset(), settled=True)
    rig.status("Filled", filled=10, remaining=0)
    assert rig.book.read(lambda book: book.order(5)).status is S.FILLED
    assert not future.done()
    rig.fill()
    record = future.result(0)
    assert (record.is_settled, record.avg_fill_price, record.unexplained_quantity) == (True, 100, 0)


def test_waits_of_one_order_do_not_touch_another(rig: Rig) -> None:
    """And several waits for one order all end."""
    rig.submit(5)
    rig.submit(6)
    five, five_too, six = rig.watch(order_id=5), rig.watch(order_id=5), rig.watch(order_id=6)
    rig.fill(order_id=5)
    assert (five.done(), five_too.done(), six.done()) == (True, True, False)


def test_a_wait_for_an_unknown_order_is_an_error(rig: Rig) -> None:
    """Nothing would ever come."""
    with pytest.raises(UnknownOrder):
        rig.watch(order_id=99)


def test_a_wait_that_is_given_up_leaves_nothing_behind(rig: Rig) -> None:
    """Waiting in short turns for a resting order must not pile up waiters."""
    rig.submit()
    rig.status("Submitted")
    kept = rig.watch()
    for _ in range(100):
        assert rig.watch().cancel()
    assert sum(len(waiters) for waiters in rig.book._waiters.values()) == 1
    rig.fill()
    assert kept.done()
    assert rig.book._waiters == {}


def test_waiters_are_woken_after_a_command_was_delivered_not_during_it(rig: Rig) -> None:
    """Callbacks of futures are user code: they run when the caller of the command has let go of its locks."""
    rig.submit()
    future = rig.watch(S.PENDING_CANCEL)
    seen: list[OrderStatus] = []

    def callback(done: Future[OrderRecord]) -> None:
        rig.check_unlocked()
        seen.append(done.result().status)
        rig.submit(6)  # would stand still if a lock were held

    future.add_done_callback(callback)
    rig.book.command(Cancel(5))
    assert seen == []
    rig.book.deliver()
    assert seen == [S.PENDING_CANCEL]


def test_the_end_of_waiting_ends_all_waits_present_and_future(rig: Rig) -> None:
    """Each with an exception of its own; what is met already still gives its record."""
    rig.submit()
    futures = [rig.watch(), rig.watch(S.SUBMITTED)]
    rig.book.end_waiting(lambda: ConnectionFailed("gone"))
    futures.append(rig.watch())
    errors = [future.exception(0) for future in futures]
    assert [type(error) for error in errors] == [ConnectionFailed] * 3
    assert len({id(error) for error in errors}) == 3
    assert rig.watch(S.PENDING_SUBMIT).result(0)
    assert rig.book._waiters == {}


def test_a_given_up_wait_is_not_woken(rig: Rig) -> None:
    """Neither by an event nor by the end of waiting."""
    rig.submit()
    first, second = rig.watch(), rig.watch()
    first.cancel()
    rig.fill()
    second.cancel()
    rig.book.end_waiting(lambda: ConnectionFailed("gone"))
    assert first.cancelled()
    assert second.result(0).status is S.FILLED


def test_waits_facts_and_commands_of_many_threads(rig: Rig) -> None:
    """Eight threads work at once: every wait ends, no number is given twice, nothing is lost."""
    ends: list[OrderStatus] = []

    def work(base: int) -> None:
        for order_id in range(base, base + 50):
            rig.submit(order_id)
            future = rig.watch(order_id=order_id)
            rig.book.deliver()
            rig.fill(order_id=order_id)
            ends.append(future.result(PATIENCE_S).status)

    threads = [threading.Thread(target=work, args=(1000 * n,)) for n in range(1, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    rig.book.deliver()
    assert ends == [S.FILLED] * 400
    assert [event.seq for event in rig.heard] == list(range(1, len(rig.heard) + 1))
    assert sum(isinstance(event, events.OrderFilled) for event in rig.heard) == 400
