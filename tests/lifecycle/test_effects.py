"""Effects: events with rising numbers, and questions."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from ibkr_core.lifecycle import effects
from ibkr_core.lifecycle.asks import Ask, Question
from ibkr_core.lifecycle.effects import Effects, Scribe, Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.model import events
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import NOW


def turn(events_before: int = 0) -> Turn:
    """Return a turn of a book that has told so many events."""
    scribe = Scribe(OrderIndex(), nullcontext())
    for _ in range(events_before):
        scribe.next_seq()
    return Turn(NOW, scribe)


def test_events_are_collected_in_order_with_the_moment_and_rising_numbers() -> None:
    """An order event carries the picture of its order at that moment."""
    now = turn(40)
    entry = OrderEntry(7, status=OrderStatus.SUBMITTED, is_ours=True)
    now.tell(events.OrderAcknowledged, entry)
    now.tell_all(events.AnomalyDetected, what="odd")
    first, second = now.events
    assert isinstance(first, events.OrderAcknowledged)
    assert first.record == entry.snapshot()
    assert [(event.seq, event.at) for event in (first, second)] == [(41, NOW), (42, NOW)]


@pytest.mark.parametrize(
    ("interpreter", "version"), [("cpython", (3, 14)), ("cpython", (3, 15, 1)), ("pypy", (3, 11))]
)
def test_where_holders_are_not_counted_as_expected_every_picture_is_held(
    interpreter: str, version: tuple[int, ...]
) -> None:
    """From 3.14 on the variable that asks may not be counted: then one holder would look like none."""
    count = effects._counter(interpreter, version)
    assert count(object()) > effects._NOBODY


def test_a_question_names_its_order_and_its_reason() -> None:
    """One ask may hold several questions."""
    now = turn()
    entry = OrderEntry(7, status=OrderStatus.UNKNOWN, is_ours=True)
    now.ask(entry, "why", Question.ORDERS, Question.EXECUTIONS)
    assert [*now.asks] == [Ask(Question.ORDERS, 7, "why"), Ask(Question.EXECUTIONS, 7, "why")]


def test_effects_of_two_turns_are_apart() -> None:
    """No list is shared between turns."""
    first, second = turn(), turn()
    first.tell_all(events.AnomalyDetected, what="odd")
    assert second == Effects()
