"""From the journal back to the book: the master property."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.errors import InvariantViolated, OrderStateError
from ibkr_core.journal import Entry, Frame, Journal, restore
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Cancel, Disconnect
from ibkr_core.model.events import BrokerMessage, Event
from ibkr_core.model.facts import BrokerFact
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
            notes = [journal._events.popleft() for _ in range(len(journal._events))]
            for kept in notes[: max(len(notes) - lost, 0)]:
                journal._events.append(kept)
        with open_journal(path, clock) as journal:
            restore(journal.entries(), Book(CLIENT_ID), no_frames, on_event=journal.note_replayed)
            assert [line.seq for line in journal.history()] == list(range(1, keeping.seq + 1))
            assert {line.kind for line in journal.history()} >= {"OrderFilled", "CommissionReported"}


def test_an_empty_journal_makes_an_empty_book() -> None:
    """The first start of all."""
    assert restore([], Book(CLIENT_ID), no_frames).orders() == ()
    assert BrokerMessage(at=START, request_id=1, code=1, message="").seq == 0
