"""Properties of the book: what no disorder of the broker's callbacks may change."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta
from decimal import Context, Decimal
from typing import Any

import attrs
import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from ibkr_core.errors import OrderStateError
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model import events, facts
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import FINISHED, OrderStatus
from ibkr_core.testing.strategies import (
    Ending,
    Life,
    Placed,
    Step,
    arbitrary_facts,
    noisy_steps_of,
    order_lives,
    perform,
    several_lives,
)
from tests.lifecycle.making import AAPL, NOW, Desk, echo, error, execution, status

# Of a failing story hypothesis prints everything; that it is long must not hide the failure.
pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

S = OrderStatus
Told = tuple[tuple[Life, ...], tuple[Step, ...]]


def play(steps: Iterable[Step], book: Book | None = None) -> tuple[Book, list[events.Event]]:
    """Perform steps on a book of client 1, and return it with all events."""
    book = book if book is not None else Book(1)
    told: list[events.Event] = []
    for number, step in enumerate(steps):
        told += perform(book, step, NOW + timedelta(milliseconds=number)).events
    return book, told


def money(fills: Sequence[Fill]) -> set[tuple[Any, ...]]:
    """Return what a trader counts of fills; the order in which they became known is none of it."""
    return {
        (
            f.exec_id,
            f.revision,
            f.action,
            f.quantity,
            f.price,
            f.commission,
            f.commission_currency,
            f.realized_pnl,
        )
        for f in fills
    }


def average(life: Life) -> Decimal | None:
    """Return the exact average of a life's executions, at the 28 digits that a record shows."""
    return Context(prec=28).divide(life.value, life.filled) if life.filled else None


# ── the same facts, the same money ──────────────────────────────────────────────────────────────


@given(noisy_steps_of(several_lives()))
def test_disorder_changes_no_fill_no_average_and_no_commission(told: Told) -> None:
    """Reordered, repeated and interleaved, it ends in the fills, averages and commissions of the story."""
    lives, steps = told
    book, _ = play(steps)
    for life in lives:
        record = book.order(life.order_id)
        event(f"{life.ending.value} -> {record.status.name}")
        assert {(f.exec_id, f.quantity, f.price) for f in record.fills} == {
            (e.exec_id, e.shares, e.price) for e in life.executions.values()
        }
        assert {(f.exec_id, f.quantity, f.price) for f in record.leg_fills} == {
            (e.exec_id, e.shares, e.price) for e in life.leg_executions.values()
        }
        assert record.filled_quantity == life.filled
        assert record.unexplained_quantity == 0
        assert record.avg_fill_price == average(life)
        assert record.commissions == life.commission_by_currency


@given(noisy_steps_of(several_lives()))
def test_disorder_ends_where_order_ends(told: Told) -> None:
    """Told in order or in any disorder, the money is the same to the last field of each fill."""
    lives, steps = told
    noisy, _ = play(steps)
    for life in lives:
        calm, _ = play(life.steps)
        for pick in (lambda record: record.fills, lambda record: record.leg_fills):
            expected = money(pick(calm.order(life.order_id)))
            assert money(pick(noisy.order(life.order_id))) == expected


@given(noisy_steps_of(several_lives(most=2)))
def test_filled_never_falls_but_by_a_correction(told: Told) -> None:
    """After each single fact: filled grows or stays, unless another revision of an execution has come."""
    _, steps = told
    book = Book(1)
    revisions: dict[str, set[str]] = {}
    before: dict[int, Decimal] = {}
    for step in steps:
        perform(book, step, NOW)
        corrects = False
        if isinstance(step, facts.ExecutionFact):
            known = revisions.setdefault(ExecutionId.parse(step.exec_id).base, set())
            corrects = bool(known - {step.exec_id})
            known.add(step.exec_id)
        for record in book.orders():
            if not corrects:
                assert record.filled_quantity >= before.get(record.order_id, Decimal(0))
            before[record.order_id] = record.filled_quantity
            assert record.filled_quantity >= sum(fill.quantity for fill in record.fills)


@given(noisy_steps_of(several_lives()))
def test_each_execution_is_told_exactly_once(told: Told) -> None:
    """One ExecutionReceived for each distinct execution, at most one ExecutionCorrected for each revision."""
    lives, steps = told
    _, heard = play(steps)
    received = Counter(
        ExecutionId.parse(e.fill.exec_id).base for e in heard if isinstance(e, events.ExecutionReceived)
    )
    expected = {base for life in lives for base in (*life.executions, *life.leg_executions)}
    assert received == dict.fromkeys(expected, 1)
    corrected = Counter(e.fill.exec_id for e in heard if isinstance(e, events.ExecutionCorrected))
    assert all(count == 1 for count in corrected.values())
    # Who adds up the events has the position: received quantities plus the deltas of corrections.
    for life in lives:
        own = [e for e in heard if isinstance(e, events.OrderEvent) and e.order_id == life.order_id]
        position = sum(
            (e.fill.quantity for e in own if isinstance(e, events.ExecutionReceived) and not e.fill.is_leg),
            Decimal(0),
        ) + sum((e.quantity_delta for e in own if isinstance(e, events.ExecutionCorrected)), Decimal(0))
        assert position == life.filled


@given(noisy_steps_of(several_lives()))
def test_events_are_numbered_without_a_gap_and_carry_the_picture_of_their_moment(told: Told) -> None:
    """Numbers rise by one, times never go back, and each event of an end comes with its status."""
    _, steps = told
    _, heard = play(steps)
    assert [e.seq for e in heard] == list(range(1, len(heard) + 1))
    assert all(earlier.at <= later.at for earlier, later in itertools.pairwise(heard))
    ends = {
        events.OrderFilled: S.FILLED,
        events.OrderCancelled: S.CANCELLED,
        events.OrderRejected: S.REJECTED,
    }
    for one in heard:
        if type(one) in ends:
            assert isinstance(one, events.OrderEvent)
            assert one.record.status is ends[type(one)]
        if isinstance(one, events.OrderStatusChanged):
            assert one.previous is not one.current is one.record.status
        if isinstance(one, events.ExecutionReceived):
            assert one.fill in (*one.record.fills, *one.record.leg_fills)


# ── statuses ────────────────────────────────────────────────────────────────────────────────────


@given(order_lives())
def test_a_story_told_in_order_ends_as_it_ended_without_an_anomaly(life: Life) -> None:
    """What TWS usually sends is never strange to us, and leads to the right status."""
    book, heard = play(life.steps)
    record = book.order(life.order_id)
    expected = {
        Ending.FILLED: {S.FILLED},
        Ending.CANCELLED: {S.CANCELLED},
        Ending.REJECTED: {S.REJECTED},
        Ending.UNANSWERED: {S.PENDING_SUBMIT},
        Ending.WORKING: {S.PRE_SUBMITTED, S.SUBMITTED, S.PARTIALLY_FILLED},
    }
    assert record.status in expected[life.ending]
    if life.ending is Ending.FILLED:
        assert record.remaining_quantity == 0
    elif life.ending in (Ending.WORKING, Ending.CANCELLED):
        assert record.remaining_quantity == life.size - life.filled
    assert not [e for e in heard if isinstance(e, events.AnomalyDetected)]
    assert not [ask for ask in life.steps if isinstance(ask, Placed) and ask.order_id != life.order_id]


def ended_for_certain(life: Life, steps: Sequence[Step]) -> OrderStatus | None:
    """Say how a life ends in any disorder, None where a dropped status leaves it open."""
    if life.ending is Ending.FILLED:
        return S.FILLED
    if life.ending is Ending.REJECTED:
        return S.REJECTED
    told = [
        s for s in steps if getattr(s, "order_id", None) == life.order_id or isinstance(s, facts.ErrorFact)
    ]
    words = [
        s for s in told if isinstance(s, facts.StatusFact | facts.OpenOrderFact) and s.status == "Cancelled"
    ]
    codes = [
        s for s in told if isinstance(s, facts.ErrorFact) and (s.request_id, s.code) == (life.order_id, 202)
    ]
    return S.CANCELLED if life.ending is Ending.CANCELLED and (words or codes) else None


@given(noisy_steps_of(several_lives()))
def test_disorder_neither_hides_an_end_nor_invents_one(told: Told) -> None:
    """A filled, cancelled or refused order ends so in any disorder, and a working one never ends.

    Not for orders whose terms were changed or whose executions changed in quantity: there an older
    figure, told late, can prove something that is true no longer.
    """
    lives, steps = told
    book, _ = play(steps)
    for life in lives:
        if life.terms_changed or life.quantities_corrected:
            continue
        record = book.order(life.order_id)
        certain = ended_for_certain(life, steps)
        if certain is not None:
            assert record.status is certain
        elif life.ending in (Ending.WORKING, Ending.UNANSWERED):
            assert not record.is_finished


HARMLESS = (
    399,
    404,
    481,
    2109,
    2137,
    10349,
    100,
    105,
    136,
    161,
    326,
    1100,
    1102,
    2102,
    2104,
    10147,
    10328,
    99_999,
)


@given(
    st.sampled_from(("new", "acknowledged", "partial", "cancelling", "modifying")),
    st.lists(st.sampled_from((*HARMLESS, "disconnect", "silence")), max_size=12),
)
def test_no_warning_disconnect_or_silence_ends_an_order(stage: str, story: list[int | str]) -> None:
    """Terminal only with proof: neither codes that prove nothing, nor a lost connection, nor time."""
    desk = Desk()
    if stage == "new":
        desk.submit()
    else:
        order = desk.working()
        if stage == "partial":
            desk.tell(execution(4))
        elif stage == "cancelling":
            desk.cancel()
        elif stage == "modifying":
            assert order.order is not None
            desk.modify(order.order.replace(limit_price=99))
    for happening in story:
        if isinstance(happening, int):
            desk.tell(error(happening), error(happening, order_id=-1))
        elif happening == "disconnect":
            desk.lose_connection()
        else:
            desk.now += timedelta(days=1)
        assert not desk.order.is_finished
    assert not any(
        isinstance(e, events.OrderFilled | events.OrderCancelled | events.OrderRejected) for e in desk.events
    )


# ── facts of any kind ───────────────────────────────────────────────────────────────────────────

COMMANDS = st.tuples(st.sampled_from(("submit", "modify", "cancel", "disconnect")), st.integers(0, 3))


def give(book: Book, command: str, order_id: int) -> list[events.Event]:
    """Give a command, and take the refusals that a caller would get."""
    order = Order.limit("BUY", 10, 100)
    try:
        match command:
            case "submit":
                return book.submit(order_id, f"key-{order_id}", AAPL, order, NOW).events
            case "modify":
                return book.modify(order_id, order.replace(limit_price=99), NOW).events
            case "cancel":
                return book.cancel(order_id, NOW).events
            case _:
                return book.disconnected(NOW).events
    except OrderStateError:
        return []


@given(st.lists(arbitrary_facts() | COMMANDS, max_size=25))
def test_nothing_raises_and_the_bookkeeping_holds_whatever_the_broker_says(story: list[Any]) -> None:
    """Any facts with any values, mixed with commands: no error, numbers without a gap, nothing told twice."""
    book = Book(1)
    heard: list[events.Event] = []
    pictures: list[tuple[OrderRecord, dict[str, Any]]] = []
    was_filled: set[int] = set()
    for happening in story:
        new = give(book, *happening) if isinstance(happening, tuple) else book.apply(happening, NOW).events
        heard += new
        pictures += [(one.record, picture(one.record)) for one in new if isinstance(one, events.OrderEvent)]
        records = book.orders()
        live = {id(record) for record in book.active_orders()}
        for number, record in enumerate(records):
            assert (id(record) in live) == (record.status not in FINISHED)
            assert not (record.is_finished and record.pending)
            assert record.unexplained_quantity >= 0
            assert record.remaining_quantity is None or record.remaining_quantity >= 0
            # FILLED is absorbing.
            assert number not in was_filled or record.status is S.FILLED
            if record.status is S.FILLED:
                was_filled.add(number)
    assert [e.seq for e in heard] == list(range(1, len(heard) + 1))
    received = Counter(
        ExecutionId.parse(e.fill.exec_id).base for e in heard if isinstance(e, events.ExecutionReceived)
    )
    assert all(count == 1 for count in received.values())
    for record, then in pictures:
        assert picture(record) == then
    for record in book.orders():
        assert isinstance(hash(record), int)
        assert record.symbol
        assert str(record)
    assert len(book.fills()) == sum(received.values())
    assert book.highest_order_id() >= 0


def picture(record: OrderRecord) -> dict[str, Any]:
    """Copy all that a record shows."""
    return attrs.asdict(record, recurse=False) | {"commissions": dict(record.commissions)}


@given(st.lists(arbitrary_facts(), max_size=15), st.integers(1, 3))
def test_any_facts_may_come_again(story: list[facts.BrokerFact], times: int) -> None:
    """Repeating each fact at once books nothing twice, whatever the facts are."""
    once, again = Book(1), Book(1)
    for fact in story:
        once.apply(fact, NOW)
        for _ in range(1 + times):
            again.apply(fact, NOW)
    assert [money(r.fills) for r in once.orders()] == [money(r.fills) for r in again.orders()]
    assert [r.filled_quantity for r in once.orders()] == [r.filled_quantity for r in again.orders()]


# ── what examples found ─────────────────────────────────────────────────────────────────────────


def test_found_an_execution_is_booked_into_one_order_only() -> None:
    """The same execution under another order's ids was booked a second time: money twice."""
    desk = Desk()
    desk.tell(execution(4, order_id=1, client_id=97), execution(4, order_id=2, client_id=97, perm_id=900))
    assert len(desk.of(events.ExecutionReceived)) == 1
    assert sum(fill.quantity for fill in desk.book.fills()) == 4


def test_found_trouble_of_the_connection_refuses_no_cancel() -> None:
    """1100 was taken for the answer to a pending cancel, and the order went back to work in the book."""
    desk = Desk()
    desk.working()
    desk.cancel()
    desk.tell(error(1100), error(504))
    assert desk.order.status is S.PENDING_CANCEL
    assert desk.order.pending == (Request.CANCEL,)


def test_found_an_overtaken_pending_cancel_is_no_anomaly() -> None:
    """The last execution came before the PendingCancel that the broker had sent earlier."""
    desk = Desk()
    desk.working()
    desk.cancel()
    desk.tell(execution(10), status("PendingCancel", 10, 0), status("Filled", 10, 0))
    assert desk.order.status is S.FILLED
    assert not desk.of(events.AnomalyDetected)


def test_found_a_refusal_before_the_acknowledgement_was_the_modifications() -> None:
    """The order was declared rejected, and then the broker worked and cancelled it."""
    desk = Desk()
    order = desk.submit()
    assert order.order is not None
    desk.modify(order.order.replace(limit_price=99))
    desk.tell(error(110), status("Cancelled", 0, 10))
    assert desk.order.status is S.CANCELLED
    assert not desk.of(events.OrderRejected)


@pytest.mark.parametrize("filled", ["1E+999999", "1.7976931348623157E+308"])
def test_found_absurd_quantities_do_not_raise(filled: str) -> None:
    """Products of absurd numbers overflowed the decimal context."""
    desk = Desk()
    desk.working()
    desk.tell(
        status("Submitted", filled, filled),
        execution(filled, filled, "a.b.1.01"),
        execution("-" + filled, filled, "a.b.1.02"),
        echo("Submitted", total_quantity=Decimal(filled)),
    )
    assert desk.order.status in OrderStatus
