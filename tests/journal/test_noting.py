"""Events noted in passing, and the rows that are made of them later."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import sys
import threading
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import attrs
import pytest
from hypothesis import given, target
from hypothesis import strategies as st

from ibkr_core.errors import OrderStateError
from ibkr_core.journal import noting
from ibkr_core.journal.noting import _HOT_DETAILS, INSERT_EVENT, EventRows, Note, Notes, fill_in, note
from ibkr_core.journal.rows import JSON, Row
from ibkr_core.journal.times import to_text
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.brief import Brief
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import Event
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, several_lives
from tests.journal.interrupting import interrupt
from tests.journal.making import (
    CLIENT_ID,
    START,
    commission,
    execution,
    filled_order,
    input_of,
    status,
    submit,
)


def record(order_id: int = 7, **fields: Any) -> OrderRecord:
    given_fields: dict[str, Any] = {"client_id": CLIENT_ID, "key": f"key-{order_id}"} | fields
    return OrderRecord(order_id=order_id, **given_fields)


FILL = Fill(exec_id="a.b.c.01", quantity=Decimal(5), price=Decimal("1.50"), time=START)
SAMPLES: dict[str, Any] = {
    "record": record(contract=Contract.stock("AAPL")),
    "fill": FILL,
    "previous": None,
    "current": None,
    "contract": Contract.stock("AAPL"),
    "accounts": ("DU1", "DU2"),
}


def sample_of(kind: type[events.Event]) -> events.Event:
    """Make an event with some value in each field."""
    made: dict[str, Any] = {}
    for one in attrs.fields(kind):
        hint, name = str(one.type), one.alias or one.name
        if name in SAMPLES:
            made[name] = SAMPLES[name]
        elif "datetime" in hint:
            made[name] = START
        elif "Decimal" in hint:
            made[name] = Decimal("1.10")
        elif hint in ("int", "int | None", "float", "bool"):
            made[name] = 3
        elif hint == "str":
            made[name] = "words"
        else:
            made[name] = None
    return kind(**made)


@pytest.mark.parametrize("name", [name for name in events.__all__ if name not in ("Event", "OrderEvent")])
def test_every_kind_of_event_makes_a_row(name: str) -> None:
    """With its details as JSON, and the order that it is about."""
    event = sample_of(getattr(events, name))
    row = EventRows(4).row(note(event))
    assert len(row) == INSERT_EVENT.count("?")
    epoch, seq, at, kind, order_id, _, key, symbol, told_status, text, details = row
    assert (epoch, seq, at, kind) == (4, 3, "2026-11-21T14:30:00.000001Z", name)
    json.loads(details, parse_constant=pytest.fail)
    assert "\n" not in text
    if isinstance(getattr(event, "record", None), OrderRecord):
        assert (order_id, key, symbol, told_status) == (7, "key-7", "AAPL", "UNKNOWN")
        assert "#7" in text


def test_what_an_event_adds_is_told() -> None:
    """Fills, messages and reasons, in the line and in the details."""
    event = events.ExecutionReceived(at=START, seq=1, record=record(), fill=FILL)
    row = EventRows(1).row(note(event))
    assert "fill 5 at 1.50" in row[-2]
    assert json.loads(row[-1])["fill"] == {
        "exec_id": "a.b.c.01",
        "quantity": "5",
        "price": "1.50",
        "revision": 1,
        "time": "2026-11-21T14:30:00.000001Z",
        "is_leg": False,
        "con_id": 0,
        "price_may_change": False,
        "is_allocated": False,
        "is_allocation": False,
    }


def test_a_number_that_json_does_not_have_is_text() -> None:
    """Infinity and NaN would make the details unreadable elsewhere."""
    event = events.Resumed(at=START, seq=1, gap_s=float("inf"))
    assert json.loads(EventRows(1).row(note(event))[-1]) == {"gap_s": "inf"}


# ── against the plain way ───────────────────────────────────────────────────────────────────────


def plain_row(event: Event, epoch: int) -> Row:
    """Make the row of one event."""
    record = getattr(event, "record", None)
    details = {
        one.name: getattr(event, one.name) for one in attrs.fields(type(event)) if one.name not in _COMMON
    }
    about: Row = (getattr(event, "order_id", None), None, None, None, None)
    if isinstance(record, OrderRecord):
        symbol = record.symbol if record.contract is not None else None
        about = (record.order_id, record.perm_id, record.key or None, symbol, record.status.value)
    text = _text_of(details, record)
    plain = {name: plain for name, value in details.items() if (plain := _plain(value)) is not None}
    return (epoch, event.seq, to_text(event.at), type(event).__name__, *about, text, JSON.encode(plain))


_COMMON: Final = frozenset({"at", "seq", "is_dry_run", "record", "shown", "order_id"})


def _text_of(details: Mapping[str, Any], record: OrderRecord | None) -> str:
    """Say in one line what happened: the order, and what the event adds."""
    words = [str(record)] if record is not None else []
    for name, value in details.items():
        match value:
            case Fill():
                words.append(f"{name} {value.quantity} at {value.price}")
            case OrderMessage():
                words.append(f"{value.code} {value.message}" if value.code else value.message)
            case Enum():
                words.append(f"{name} {value.value}")
            case Contract():
                words.append(value.name)
            case str() | int() | float() | Decimal() if value or record is None:
                words.append(f"{name} {value}")
    return " ".join("; ".join(words).split())


def _plain(value: object) -> Any:  # noqa: PLR0911 - whatever JSON has
    """Turn a detail of an event into what JSON has; None for what is empty."""
    match value:
        case None | "" | ():
            return None
        case Enum():
            return value.value
        case bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return str(value)
        case datetime():
            return to_text(value)
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case Iterable():
            return [_plain(one) for one in value]
        case _ if attrs.has(type(value)):
            held = {name: getattr(value, name) for name in attrs.fields_dict(type(value))}  # type: ignore[arg-type]  # has() said so
            return {name: plain for name, one in held.items() if (plain := _plain(one)) is not None}
    return str(value)


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=3), st.data())
def test_the_row_is_that_of_the_event_as_it_was(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[BrokerFact], data: st.DataObject
) -> None:
    """Whatever happened to the order since: as by the plain way, at once, from the event itself."""
    given_inputs = [input_of(step) for step in told[1]]
    for one in odd:
        given_inputs.insert(data.draw(st.integers(0, len(given_inputs))), one)
    book = Book(CLIENT_ID)
    noted: list[Note] = []
    expected: list[Row] = []
    for one in given_inputs:
        try:
            effects = book.take(one, START)
        except OrderStateError:
            continue
        noted += [note(event) for event in effects.events]
        expected += [plain_row(event, 3) for event in effects.events]
    made = EventRows(3)
    assert [made.row(one) for one in noted] == expected


@pytest.mark.parametrize("name", [name for name in events.__all__ if name not in ("Event", "OrderEvent")])
def test_every_kind_makes_the_row_of_the_plain_way(name: str) -> None:
    """With something in each field, and with nothing in those that may be empty."""
    event = sample_of(getattr(events, name))
    assert EventRows(4).row(note(event)) == plain_row(event, 4)


def test_a_note_keeps_no_event_and_no_picture() -> None:
    """Else the book would have to make a record of every order before it changes."""
    book = Book(CLIENT_ID)
    noted = []
    for one in filled_order(7):
        noted += [note(event) for event in book.take(one, START).events]
    assert all(type(shown) is Brief for _, _, shown, _ in noted)
    assert all(entry.shown is None or entry.shown.fixed is None for entry in book._index)
    assert [fill_in(one) is not None for one in noted].count(True) >= 2


def quick_values(fact: Any) -> tuple[Any, ...]:
    """Return a fact as the hot decoders hand it over."""
    return (type(fact), *attrs.astuple(fact, recurse=False))


@given(noisy_steps_of(several_lives()), st.lists(st.booleans(), min_size=1))
def test_the_events_of_a_plain_callback_are_noted_alike(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], taken: list[bool]
) -> None:
    """As one by one, among others, whatever happened to the orders since, and each counted."""
    book, notes, expected, read = Book(CLIENT_ID), Notes(), list[Note](), list[Note]()
    quickly = 0
    for is_taken, one in zip(itertools.cycle(taken), map(input_of, told[1])):
        quick = book.quick.get(type(one))
        followed = quick(quick_values(one), START) if quick is not None else None
        if followed is None:
            try:
                expected += (general := [note(event) for event in book.take(one, START).events])
            except OrderStateError:
                continue
            for noted in general:
                notes.append(noted)
        elif followed:
            expected += [note(event) for event in followed]
            notes.append_hot(followed)
            quickly += 1
        assert len(notes) == len(expected) - len(read)
        if is_taken and notes:
            read.append(notes.popleft())
    read += [notes.popleft() for _ in range(len(notes))]
    assert read == expected
    with pytest.raises(IndexError):
        notes.popleft()
    target(float(quickly))


def noted_twice(notes: Notes) -> list[str]:
    """Note the lives of two orders, what is plain in one go; returns the kinds of the events."""
    book, kinds = Book(CLIENT_ID), list[str]()
    for fact in [*filled_order(7), *filled_order(8)]:
        values = quick_values(fact) if type(fact) in book.quick else None
        told = book.quick[type(fact)](values, START) if values is not None else None
        if told:
            notes.append_hot(told)
        elif told is None:
            told = book.take(fact, START).events
            for event in told:
                notes.append(note(event))
        kinds += [type(event).__name__ for event in told]
    return kinds


@pytest.mark.parametrize("number", range(1, 60))
def test_an_interrupt_while_notes_are_taken_costs_at_most_the_one_that_was_on_its_way(number: int) -> None:
    """Were half of it taken, nothing behind it could be read any more."""
    notes = Notes()
    kinds = noted_twice(notes)
    read = list[str]()
    with contextlib.suppress(KeyboardInterrupt), interrupt({noting.__file__}, number):
        while notes:
            read.append(notes.popleft()[0].name)
    lost = len(kinds) - len(read) - len(notes)
    assert lost in (0, 1)
    begun = len(read) + lost
    while notes:
        read.append(notes.popleft()[0].name)
    assert read == kinds[: begun - lost] + kinds[begun:]


def test_all_that_plain_callbacks_bring_is_foreseen() -> None:
    """The life of an order that fills in two parts, all of it by the express lane."""
    book, notes, kinds = Book(CLIENT_ID), Notes(), set[type[Event]]()
    book.take(submit(7), START)
    for one in (
        status(),
        *(execution(shares=50, number=number) for number in (1, 2)),
        *(commission(number=number) for number in (1, 2)),
        status("Filled", filled=100, remaining=0),
    ):
        told = book.quick[type(one)](quick_values(one), START)
        if told:
            notes.append_hot(told)
            kinds |= {type(event) for event in told}
    assert kinds == _HOT_DETAILS.keys()
    assert len(notes) == len([notes.popleft() for _ in range(len(notes))])


def test_what_was_looked_at_is_used() -> None:
    """A record that somebody made already costs nothing."""
    [event] = Book(CLIENT_ID).take(filled_order(7)[0], START).events
    assert isinstance(event, events.OrderEvent)
    looked_at = event.record
    assert note(event)[2] is looked_at


def test_notes_are_taken_while_others_are_appended() -> None:
    """The receiving thread goes on noting, wherever in the taking it gets the interpreter."""
    [event] = Book(CLIENT_ID).take(submit(7), START).events
    one, notes, count = note(event), Notes(), 20_000

    def append() -> None:
        for _ in range(count):
            notes.append(one)

    usual = sys.getswitchinterval()
    thread = threading.Thread(target=append)
    sys.setswitchinterval(1e-6)
    try:
        thread.start()
        taken = 0
        while taken < count:
            if notes:
                assert notes.popleft() == one
                taken += 1
    finally:
        sys.setswitchinterval(usual)
        thread.join()
    assert not notes
