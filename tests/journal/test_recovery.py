"""From the journal back to the book: the master property."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.errors import InvariantViolated, OrderStateError
from ibkr_core.journal import Entry, Frame, Journal, restore
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Cancel, Disconnect, Input
from ibkr_core.model.events import BrokerMessage, Event
from ibkr_core.model.facts import BrokerFact, CommissionFact, ExecutionFact, HotValues, StatusFact
from ibkr_core.model.record import OrderRecord
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, several_lives
from tests.journal.making import (
    CLIENT_ID,
    START,
    Keeping,
    ManualClock,
    filled_order,
    input_of,
    memory_folder,
    open_journal,
    status,
    submit,
)


def no_frames(body: bytes, version: int) -> BrokerFact | None:
    raise AssertionError("there are no frames here")


def replay(journal: Journal) -> Book:
    return restore(journal.entries(), Book(CLIENT_ID), no_frames)


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=3), st.data())
def test_replaying_rebuilds_the_live_book_exactly(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[BrokerFact], data: st.DataObject
) -> None:
    """Every order with its whole history, all fills, and the number of the next event; over restarts too."""
    given_inputs = [input_of(step) for step in told[1]]
    for one in (*odd, Disconnect()):
        given_inputs.insert(data.draw(st.integers(0, len(given_inputs))), one)
    clock = ManualClock()
    with memory_folder() as folder:
        path = Path(folder) / "j"
        keeping: Keeping | None = None
        while given_inputs:
            with open_journal(path, clock) as journal:
                book = replay(journal)
                if keeping is not None:
                    assert book.orders() == keeping.book.orders()
                keeping = Keeping(journal, clock, book)
                taken = data.draw(st.integers(1, len(given_inputs)))
                keeping.take_all(given_inputs[:taken])
                del given_inputs[:taken]
        assert keeping is not None
        with open_journal(path, clock) as journal:
            book = replay(journal)
            assert book.orders() == keeping.book.orders()
            assert book.fills() == keeping.book.fills()
            assert book.highest_order_id() == keeping.book.highest_order_id()
            # No number of an event comes twice.
            assert book.next_seq() == journal.events_through + 1


def test_frames_are_decoded_with_the_version_of_their_session() -> None:
    """A gateway may have been updated in between; what is no fact changes nothing."""
    asked = []

    def decode(body: bytes, version: int) -> BrokerFact | None:
        asked.append((body, version))
        return status() if body == b"status" else None

    entries = [
        Entry(1, START, submit(7)),
        Entry(2, START, Frame(187, b"status")),
        Entry(3, START, Frame(203, b"?")),
    ]
    book = restore(entries, Book(CLIENT_ID), decode)
    assert asked == [(b"status", 187), (b"?", 203)]
    assert book.order(7).broker_status == "Submitted"


def test_events_get_the_numbers_that_they_had() -> None:
    """Also where others numbered some of their own in between: connections, listeners."""
    told: list[Event] = []
    entries = [Entry(1, START, submit(7), seq=3), Entry(2, START, status(), seq=10)]
    book = restore(entries, Book(CLIENT_ID), no_frames, on_event=told.append)
    assert [event.seq for event in told] == [4, 11, 12]
    assert book.next_seq() == 13


def test_numbers_go_on_behind_those_that_others_took() -> None:
    """Events that are not the book's may have come after its last input."""
    book = restore([Entry(1, START, submit(7))], Book(CLIENT_ID), no_frames, last_seq=20)
    assert book.next_seq() == 21
    assert restore([], Book(CLIENT_ID), no_frames).next_seq() == 1


def test_a_long_replay_tells_how_far_it_is() -> None:
    """An operator wants to see that something happens."""
    told: list[int] = []
    entries = (Entry(number, START, Disconnect()) for number in range(1, 26))
    restore(entries, Book(CLIENT_ID), no_frames, on_progress=told.append, progress_every=10)
    assert told == [10, 20]


def test_a_command_that_is_refused_ends_the_replay() -> None:
    """It was taken once, so the journal or the rules are not what they were."""
    with pytest.raises(InvariantViolated, match="input 5"):
        restore([Entry(5, START, Cancel(7))], Book(CLIENT_ID), no_frames)


def test_or_it_is_told_and_the_replay_goes_on() -> None:
    """Where somebody wants to hear of it: at three in the morning a book is better than none."""
    told: list[tuple[int, str]] = []

    def note(entry: Entry, error: OrderStateError) -> None:
        told.append((entry.index, type(error).__name__))

    entries = [Entry(5, START, Cancel(7)), Entry(6, START, submit(7))]
    book = restore(entries, Book(CLIENT_ID), no_frames, on_refused=note)
    assert told == [(5, "UnknownOrder")]
    assert book.order(7).key == "key-7"


@settings(max_examples=20)
@given(st.integers(0, 100))
def test_events_that_a_crash_took_come_back(lost: int) -> None:
    """A replay makes them again, with their numbers; those that were written are not written twice."""
    clock = ManualClock()
    with memory_folder() as folder:
        path = Path(folder) / "j"
        with open_journal(path, clock) as journal:
            keeping = Keeping(journal, clock)
            for order_id in range(1, 5):
                keeping.take_all(filled_order(order_id))
            noted = [journal._events.popleft() for _ in range(len(journal._events))]
            for one in noted[: max(len(noted) - lost, 0)]:
                journal._events.append(one)
        with open_journal(path, clock) as journal:
            restore(journal.entries(), Book(CLIENT_ID), no_frames, on_event=journal.note_replayed)
            assert [line.seq for line in journal.history()] == list(range(1, keeping.seq + 1))
            assert {line.kind for line in journal.history()} >= {"OrderFilled", "CommissionReported"}


def values_of(fact: BrokerFact) -> HotValues:
    """Return what the hot decoders make of a fact's frame."""
    return (type(fact), *attrs.astuple(fact, recurse=False))  # type: ignore[arg-type]  # all of them are of attrs


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=3), st.data())
def test_the_express_lane_makes_no_difference_to_a_replay(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[BrokerFact], data: st.DataObject
) -> None:
    """Records, numbers and the tables are those of a replay without it, wherever the crash took events."""
    given_inputs: list[Input] = [*map(input_of, told[1])]
    for one in (*odd, Disconnect()):
        given_inputs.insert(data.draw(st.integers(0, len(given_inputs))), one)
    keeping = Keeping(none := Nowhere(), clock := ManualClock())  # type: ignore[arg-type]  # as far as it needs one
    keeping.take_all(given_inputs)
    hot = (StatusFact, ExecutionFact, CommissionFact)
    entries = [
        attrs.evolve(one, payload=Frame(187, b"%d" % one.index)) if isinstance(one.payload, hot) else one
        for one in none.entries
    ]
    facts = {b"%d" % one.index: one.payload for one in none.entries}
    through = data.draw(st.integers(0, keeping.seq))
    shown = []
    for is_quick in (False, True):
        decode = (lambda body, _: values_of(facts[body])) if is_quick else (lambda body, _: facts[body])
        with memory_folder() as folder, open_journal(Path(folder) / "j", clock) as journal:
            journal.events_through = through
            book = restore(
                entries,
                Book(CLIENT_ID, is_express=is_quick),
                decode,  # type: ignore[arg-type]  # of frames
                on_event=journal.note_replayed,
                on_plain=journal.note_replayed_plain if is_quick else None,
                last_seq=through,
            )
            journal.note_orders(book.awake_orders())
            tables = (*journal.history(limit=10_000), *journal.query("SELECT * FROM orders"))
            fills = journal.query("SELECT * FROM fills")
            shown.append((book.orders(), book.fills(), book.next_seq(), tables, fills))
    assert shown[0] == shown[1]
    assert shown[0][0] == keeping.book.orders()


class Nowhere:
    """Takes inputs as a journal does, and keeps them in memory."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.events_through = 0

    def record(self, payload: Input, at: datetime, seq: int, _: BrokerFact | None) -> None:
        """Keep one."""
        self.entries.append(Entry(len(self.entries) + 1, at, payload, seq))

    def note_event(self, event: Event) -> None:
        """Let it go."""


def test_events_are_let_go_in_a_replay(monkeypatch: pytest.MonkeyPatch) -> None:
    """A record that nobody asked for is not made: it costs more than all the rest."""
    made: list[int] = []
    make = OrderRecord.__init__

    def noted(record: OrderRecord, **fields: Any) -> None:
        made.append(fields["order_id"])
        make(record, **fields)

    monkeypatch.setattr(OrderRecord, "__init__", noted)
    given_inputs = [one for order_id in range(1, 20) for one in filled_order(order_id)]
    entries = [Entry(number, START, one) for number, one in enumerate(given_inputs, 1)]
    book = restore(entries, Book(CLIENT_ID), no_frames, on_event=lambda _: None)
    assert not made
    assert book.order(1).filled_quantity == 100
    assert made == [1]


def test_what_a_listener_raises_is_no_refusal() -> None:
    """Of the book's input: it was taken."""
    refused: list[int] = []

    def odd(event: Event) -> None:
        raise OrderStateError(7, f"{event} is of no use to me")

    for note in (None, lambda entry, _: refused.append(entry.index)):
        with pytest.raises(OrderStateError, match="no use"):
            restore([Entry(1, START, submit(7))], Book(CLIENT_ID), no_frames, on_event=odd, on_refused=note)
    assert not refused


def test_an_empty_journal_makes_an_empty_book() -> None:
    """The first start of all."""
    assert restore([], Book(CLIENT_ID), no_frames).orders() == ()
    assert BrokerMessage(at=START, request_id=1, code=1, message="").seq == 0
