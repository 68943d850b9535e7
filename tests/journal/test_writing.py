"""Inputs on their way: packed once, kept until the file has them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.journal import schema
from ibkr_core.journal.entries import Payload
from ibkr_core.journal.tail import SEGMENT_INPUTS, oldest
from ibkr_core.journal.writing import FreshKeys, Intake
from ibkr_core.lifecycle.inputs import Cancel, NewOrder, Resend, Submit
from tests.journal.making import CLIENT_ID, START, submit


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    made = sqlite3.connect(":memory:", isolation_level=None)
    schema.create(made, {"high_water": "0"})
    yield made
    made.close()


@pytest.fixture
def intake() -> Intake:
    return Intake(CLIENT_ID, 1, 0)


def record(intake: Intake, number: int, payload: Payload) -> None:
    intake.queue.append((number, payload, START, 0, None))


def write(connection: sqlite3.Connection, intake: Intake, *, succeeds: bool = True) -> None:
    intake.pack()
    connection.execute("BEGIN")
    forget = intake.write(connection)
    connection.execute("COMMIT" if succeeds else "ROLLBACK")
    if succeeds:
        forget()


def numbers(connection: sqlite3.Connection) -> list[int]:
    found = []
    for first, last in connection.execute("SELECT first, last FROM tail ORDER BY first"):
        found += range(first, last + 1)
    return found


def test_what_was_not_written_stays(connection: sqlite3.Connection, intake: Intake) -> None:
    """A transaction that is rolled back leaves all where it was; it is then written once."""
    record(intake, 1, submit(9))
    intake.add_state("halted", "yes", "2026")
    for succeeds in (False, True, True):
        write(connection, intake, succeeds=succeeds)
    assert numbers(connection) == [1]
    assert connection.execute("SELECT name, value FROM state").fetchall() == [("halted", "yes")]
    assert oldest(connection)[0].high_water() == intake.high_water == 9
    assert intake.is_empty
    assert intake.keys.find("key-9") == 9


def test_inputs_that_come_during_a_transaction_are_not_forgotten(
    connection: sqlite3.Connection, intake: Intake
) -> None:
    """Only what was in it goes."""
    record(intake, 1, Cancel(1))
    intake.pack()
    connection.execute("BEGIN")
    forget = intake.write(connection)
    record(intake, 2, Cancel(2))
    connection.execute("COMMIT")
    forget()
    assert not intake.is_empty
    write(connection, intake)
    assert numbers(connection) == [1, 2]


@given(st.integers(1, 3 * SEGMENT_INPUTS))
def test_segments_have_a_largest_size(count: int) -> None:
    """And each but the last is full."""
    intake = Intake(CLIENT_ID, 1, 0)
    for number in range(1, count + 1):
        record(intake, number, Cancel(number))
    intake.pack()
    assert (intake.count, intake.through) == (count, count)
    assert [one.count for one in intake._segments[:-1]] == [SEGMENT_INPUTS] * ((count - 1) // SEGMENT_INPUTS)
    assert (intake.single is not None) == (count <= SEGMENT_INPUTS)


def test_what_stands_before_an_input_at_fault_is_not_held_up(
    connection: sqlite3.Connection, intake: Intake
) -> None:
    """What is behind it waits: the order must not have a hole."""
    for number in range(1, 6):
        record(intake, number, Cancel(number) if number != 3 else object())  # type: ignore[arg-type]  # the fault
    for _ in range(2):
        with pytest.raises(Exception, match="object"):
            intake.pack()
        assert intake.through == 2
    connection.execute("BEGIN")
    intake.write(connection)()
    connection.execute("COMMIT")
    assert numbers(connection) == [1, 2]
    assert not intake.is_empty


def test_keys_are_fresh_until_they_have_rows() -> None:
    """Also where an order was sent again under new ids, more than once, and went round."""
    keys = FreshKeys()
    two = Submit((NewOrder(7, "a", None, None), NewOrder(8, "", None, None)))  # type: ignore[arg-type]
    keys.learn(1, two)
    keys.learn(2, Resend(7, 9, 1, ""))
    keys.learn(3, Resend(9, 12, 1, ""))
    found = keys.find("a")
    assert found is not None
    assert keys.newest(found) == 12
    assert keys.newest(5) == 5
    assert keys.find("") is None
    keys.settled(1)
    assert keys.find("a") is None
    assert keys.newest(7) == 12
    keys.settled(3)
    assert keys.newest(7) == 7
    keys.learn(4, Resend(7, 7, 1, ""))
    assert keys.newest(7) == 7
