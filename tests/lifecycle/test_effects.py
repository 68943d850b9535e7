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


# ── pictures: these tests run on the compiled modules too, where holders might be counted otherwise ─────────


def pictured(count: int = 1) -> tuple[Scribe, list[OrderEntry]]:
    """Return a scribe, and orders."""
    orders = [OrderEntry(number, status=OrderStatus.SUBMITTED, is_ours=True) for number in range(count)]
    return Scribe(OrderIndex(), nullcontext()), orders


def change(entry: OrderEntry) -> None:
    """Change an order, as a fact does."""
    entry.why_held = "locate"
    entry.touched(NOW)


@pytest.mark.parametrize("through", ["picture", "fix_pictures"])
def test_a_picture_that_anybody_holds_shows_what_was_true(through: str) -> None:
    """Held once, by whatever holds it: a list, an event, a variable."""
    scribe, [entry] = pictured()
    held = [scribe.picture(entry)]
    if through == "picture":
        assert scribe.picture(entry) is not held[0]
    else:
        scribe.fix_pictures()
    change(entry)
    assert held[0].record().why_held == ""
    assert scribe.picture(entry).record().why_held == "locate"


@pytest.mark.parametrize("through", ["picture", "fix_pictures"])
def test_an_event_that_is_kept_shows_what_was_true(through: str) -> None:
    """Nothing but the event holds the picture."""
    scribe, [entry] = pictured()
    turn = Turn(NOW, scribe)
    turn.tell(events.OrderAcknowledged, entry)
    kept = turn.events
    del turn
    getattr(scribe, through)(*([entry] if through == "picture" else []))
    change(entry)
    assert [event.record.why_held for event in kept if isinstance(event, events.OrderEvent)] == [""]


def test_a_picture_that_nobody_holds_is_used_again_and_shows_what_is() -> None:
    """Most events are gone before the next one comes: a record of each would cost more than all the rest."""
    scribe, [entry] = pictured()
    first = scribe.picture(entry)
    assert first.record().why_held == ""
    was = id(first)
    del first
    change(entry)
    again = scribe.picture(entry)
    assert id(again) == was
    assert again.record().why_held == "locate"


def test_pictures_of_many_orders_are_fixed_and_let_go() -> None:
    """No order keeps one for ever, and whoever holds one sees what was true."""
    scribe, entries = pictured(200)
    held = [scribe.picture(entry) for entry in entries]
    assert sum(entry.shown is not None for entry in entries) <= effects._MOST_TOLD + 1
    for entry in entries:
        change(entry)
    early = [one.fixed for one in held[: -effects._MOST_TOLD - 1]]
    assert {record.why_held if record is not None else None for record in early} == {""}
