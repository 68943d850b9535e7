"""Segments: many inputs in one row, and each of them as it was."""

from __future__ import annotations

import sqlite3
from datetime import UTC, datetime, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.journal import Frame, rows, schema
from ibkr_core.journal.tail import INSERT_SEGMENT, SEGMENT_INPUTS, Recorded, Segment, oldest, pack
from ibkr_core.journal.writing import Intake
from ibkr_core.lifecycle.inputs import Cancel, Disconnect
from ibkr_core.model.facts import CommissionFact, ErrorFact, ExecutionFact, StatusFact
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, several_lives
from tests.journal.making import CLIENT_ID, START, execution, input_of, status, submit

MOMENTS = st.datetimes(datetime(1960, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC) | st.none())  # noqa: DTZ001 - with a zone and without


@given(
    noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=5), st.data(), st.integers(1, 2**40)
)
def test_it_holds_the_very_rows(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[Any], data: st.DataObject, first: int
) -> None:
    """Commands, facts and frames with what they were decoded to, at any moment."""
    recorded: list[Recorded] = []
    for one in (*map(input_of, told[1]), *odd):
        at, seq = data.draw(MOMENTS), data.draw(st.integers(0, 2**40))
        body = data.draw(st.none() | st.binary(max_size=40))
        is_frame = body is not None and one in odd
        payload = Frame(data.draw(st.integers(0, 300)), body or b"") if is_frame else one
        recorded.append((first + len(recorded), payload, at, seq, one if is_frame else None))
    segment = pack(7, recorded, 99)
    expected = [
        rows.input_row(number, 7, payload, at, seq, fact) for number, payload, at, seq, fact in recorded
    ]
    assert [*segment.input_rows()] == expected
    assert (segment.first, segment.last, segment.count) == (first, recorded[-1][0], len(recorded))
    assert segment.high_water() == 99


@given(arbitrary_facts(), st.integers(0, 20))
def test_hot_values_say_what_their_fact_says(fact: Any, left: int) -> None:
    """Which order they are about, and the highest id; also where the last fields are left out."""
    if type(fact) not in (StatusFact, ExecutionFact, CommissionFact):
        return
    values = (type(fact), *attrs.astuple(fact, recurse=False))
    while left and len(values) > 5 and values[-1] == attrs.fields(type(fact))[len(values) - 2].default:
        values, left = values[:-1], left - 1
    intakes = [Intake(CLIENT_ID, 1, 0) for _ in range(3)]
    for intake, told in zip(intakes, (fact, values), strict=False):
        intake.queue.append((1, Frame(187, b"..."), START, 5, told))
    intakes[2].queue.append((1, b"...", START, 5, values, 187))
    for intake in intakes:
        intake.pack()
    assert intakes[0].high_water == intakes[1].high_water == intakes[2].high_water
    assert intakes[0].single == intakes[1].single == intakes[2].single


@given(st.lists(st.tuples(st.booleans(), MOMENTS, arbitrary_facts()), min_size=1, max_size=12))
def test_what_comes_by_the_thousand_and_the_rest_share_a_segment(told: list[Any]) -> None:
    """In the order in which they came, at any moment; as if all had come the general way."""
    hot, plain = Intake(CLIENT_ID, 1, 0), Intake(CLIENT_ID, 1, 0)
    for number, (is_hot, at, fact) in enumerate(told, 1):
        body = str(number).encode()
        plain.queue.append((number, Frame(187, body), at, number, fact))
        if is_hot and type(fact) in (StatusFact, ExecutionFact, CommissionFact):
            values = (type(fact), *attrs.astuple(fact, recurse=False))
            hot.queue.append((number, body, at, number, values, 187))
        else:
            hot.queue.append((number, Frame(187, body), at, number, fact))
    hot.pack()
    plain.pack()
    assert hot.single == plain.single
    assert hot.high_water == plain.high_water


def test_odd_values_are_held_too() -> None:
    """Ids beyond 64 bits and half characters: SQLite has neither, a segment has both."""
    odd = [Cancel(2**70), ErrorFact(request_id=-(2**70), code=1, message="\ud800"), submit(7, key="\udc00")]
    recorded: list[Recorded] = [(number, one, START, 0, None) for number, one in enumerate(odd, 1)]
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection, {})
    connection.execute(INSERT_SEGMENT, pack(1, recorded, 2**70).row)
    [segment] = oldest(connection)
    assert [*segment.input_rows()] == [rows.input_row(n, 1, one, START, 0, None) for n, one, *_ in recorded]
    assert segment.high_water() == 2**70
    connection.close()


@pytest.mark.parametrize("name", [one.name for one in attrs.fields(Segment)])
def test_any_change_is_noticed(name: str) -> None:
    """In whichever column."""
    segment = pack(1, [(5, Frame(187, b"body"), START, 0, status()), (6, submit(7), START, 1, None)], 7)
    was = getattr(segment, name)
    changes = {"head": lambda: was.replace("187", "186"), "body": lambda: b"B" + was[1:]}
    changed = attrs.evolve(segment, **{name: changes.get(name, lambda: was + 1)()})
    segment.check()
    with pytest.raises(ValueError, match="checksum"):
        changed.check()
    with pytest.raises(ValueError, match="checksum"):
        [*changed.input_rows()]


def test_a_slice_is_never_much_more_than_one_segment() -> None:
    """An intent may have to wait until it is written."""
    connection = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(connection, {})
    number = 0
    for count in (1, 1, 1, 200, 100, SEGMENT_INPUTS, 1):
        inputs: list[Recorded] = []
        for _ in range(count):
            number += 1
            inputs.append((number, Disconnect(), START + timedelta(seconds=number), 0, None))
        connection.execute(INSERT_SEGMENT, pack(1, inputs, 0).row)
    found = []
    while segments := oldest(connection):
        found.append(sum(one.count for one in segments))
        connection.execute("DELETE FROM tail WHERE last <= ?", (segments[-1].last,))
    assert found == [203, 100, SEGMENT_INPUTS, 1]
    connection.close()


def test_executions_can_be_found_in_it() -> None:
    """Without a decoder: what a frame tells was noted when it was decoded."""
    segment = pack(1, [(1, Frame(187, b"..."), START, 0, execution(7))], 7)
    [row] = segment.input_rows()
    assert row[8:] == (7, 900_007, None, execution(7).exec_id)
