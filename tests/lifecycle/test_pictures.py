"""Pictures of orders: whoever looks at an event late sees what was true when it was told."""

from __future__ import annotations

import gc
import threading
from collections.abc import Sequence
from datetime import timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.lifecycle.book import Book
from ibkr_core.model.events import OrderEvent
from ibkr_core.model.facts import BrokerFact, StatusFact
from ibkr_core.testing.arbitrary import arbitrary_facts
from tests.lifecycle.making import NOW


def told(book: Book, fact: BrokerFact, step: int) -> list[OrderEvent]:
    """Apply a fact, and return the order events that came of it."""
    effects = book.take(fact, NOW + timedelta(seconds=step))
    return [event for event in effects.events if isinstance(event, OrderEvent)]


@given(st.lists(arbitrary_facts(), max_size=20))
@settings(max_examples=200, deadline=None)
def test_looking_late_shows_what_looking_at_once_shows(facts: Sequence[BrokerFact]) -> None:
    """Two books take the same facts; of one the records are looked at at once, of the other at the end."""
    prompt, late = Book(1), Book(1)
    at_once, kept = [], []
    for step, fact in enumerate(facts):
        at_once += [event.record for event in told(prompt, fact, step)]
        kept += told(late, fact, step)
    assert [event.record for event in kept] == at_once
    assert late.orders() == prompt.orders()


def status(word: str) -> StatusFact:
    """Make an orderStatus of order 7."""
    return StatusFact(order_id=7, status=word, perm_id=70, client_id=1)


def test_an_event_that_nobody_holds_costs_no_record() -> None:
    """The book keeps no picture alive, and makes no record of one that is gone."""
    book = Book(1)
    events = told(book, status("Submitted"), 0)
    entry = book._entry(7)
    entry.snapshot()
    assert entry.drawn is not None
    del events
    gc.collect()
    told(book, status("Cancelled"), 1)
    assert entry.drawn is None, "nobody has looked since"


def test_events_of_one_callback_show_the_order_as_it_left_it() -> None:
    """They are told together, and one record serves them all."""
    first, *rest = told(Book(1), status("Submitted"), 0)
    assert all(event.record is first.record for event in rest)
    assert first.record.broker_status == "Submitted"


def test_a_look_takes_the_guard() -> None:
    """The order may be changing on another thread at that moment."""
    guard = threading.RLock()
    book = Book(1, guard=guard)
    (event, *_) = told(book, status("Submitted"), 0)
    looked = threading.Event()
    seen: list[object] = []

    def look() -> None:
        seen.append(event.record)
        looked.set()

    with guard:
        thread = threading.Thread(target=look)
        thread.start()
        assert not looked.wait(0.05), "it waits for the owner"
    thread.join()
    assert len(seen) == 1
