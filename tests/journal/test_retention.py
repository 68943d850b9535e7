"""Pruning: only what is finished and old, by whole families, and a replay of the rest is the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.journal import Frame, Journal, JournalReader, Retention, restore
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Cancel, Disconnect, Input, NewOrder, Resend, Submit
from ibkr_core.model.events import BrokerMessage
from ibkr_core.model.facts import BrokerFact, ErrorFact, StatusFact
from ibkr_core.model.record import OrderRecord
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, several_lives
from tests.journal.making import (
    CLIENT_ID,
    Keeping,
    ManualClock,
    commission,
    execution,
    filled_order,
    input_of,
    memory_folder,
    open_journal,
    status,
    submit,
)

DAY_S = 86_400.0


@pytest.fixture
def journal(path: Path, clock: ManualClock) -> Iterator[Journal]:
    with open_journal(path, clock, retention=Retention(days=30)) as made:
        yield made


def replayed(path: Path) -> Book:
    def no_frames(body: bytes, version: int) -> BrokerFact | None:
        raise AssertionError("there are no frames here")

    with JournalReader(path) as reader:
        return restore(reader.inputs(), Book(CLIENT_ID), no_frames)


def ids(orders: Sequence[OrderRecord]) -> list[int]:
    return [record.order_id for record in orders]


# ── the property ────────────────────────────────────────────────────────────────────────────────


@given(
    noisy_steps_of(several_lives(least=2, most=5)),
    st.lists(arbitrary_facts(), max_size=4),
    st.data(),
)
def test_pruning_changes_nothing_for_the_orders_that_stay(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[BrokerFact], data: st.DataObject
) -> None:
    """Their records are the same with all histories; what went was settled and old."""
    steps: list[Input] = [input_of(step) for step in told[1]]
    for one in (*odd, Disconnect(), Disconnect()):
        steps.insert(data.draw(st.integers(0, len(steps))), one)
    waits = data.draw(st.lists(st.sampled_from((0.0, 0.0, 20.0)), min_size=len(steps), max_size=len(steps)))
    clock = ManualClock()
    with memory_folder() as folder:
        path = Path(folder) / "j"
        with open_journal(path, clock, retention=Retention(days=30)) as journal:
            keeping = Keeping(journal, clock)
            for step, days in zip(steps, waits, strict=True):
                keeping.take(step)
                clock.advance(1.0 + days * DAY_S)
            before = keeping.book.orders()
            journal.commit()
            assert replayed(path).orders() == before
            recorded = journal.committed
            dropped = journal.prune(clock.now(), before)
            left = sum(1 for _ in JournalReader(path).inputs())
            assert left == recorded - dropped
        after = replayed(path).orders()
    assert [record for record in before if record in after] == list(after)
    cutoff = clock.now() - timedelta(days=30)
    for record in before:
        if record not in after:
            assert record.is_settled
            assert record.last_update_time is not None
            assert record.last_update_time < cutoff


# ── cases ───────────────────────────────────────────────────────────────────────────────────────


def test_old_finished_orders_go_and_live_ones_stay(journal: Journal, path: Path, clock: ManualClock) -> None:
    """A good-till-cancelled order keeps all its inputs, however old; keys and ids stay known."""
    keeping = Keeping(journal, clock)
    keeping.take_all([*filled_order(1), submit(2), status(order_id=2), *filled_order(3)])
    clock.advance(31 * DAY_S)
    keeping.take_all(filled_order(4))
    assert journal.prune(clock.now(), keeping.book.orders()) == 10
    assert ids(replayed(path).orders()) == [2, 4]
    assert [journal.knows_key(f"key-{number}") for number in (1, 2, 3, 4)] == [1, 2, 3, 4]
    assert journal.high_water == 4
    with JournalReader(path) as reader:
        assert len(reader.orders()) == 4
        assert len(reader.fills()) == 3
    assert journal.prune(clock.now(), keeping.book.orders()) == 0


def test_an_index_is_not_used_again_when_the_newest_went(path: Path, clock: ManualClock) -> None:
    """Else a commit could be taken for one of long ago."""
    with open_journal(path, clock) as journal:
        keeping = Keeping(journal, clock)
        keeping.take_all(filled_order(1))
        clock.advance(31 * DAY_S)
        assert journal.prune(clock.now(), keeping.book.orders()) == 5
        assert journal.record(Disconnect(), clock.now(), 0) == 6
        clock.advance(31 * DAY_S)
        assert journal.prune(clock.now(), keeping.book.orders()) == 1
    with open_journal(path, clock) as journal:
        assert list(journal.entries()) == []
        assert journal.record(Disconnect(), clock.now(), 0) == 7
        assert journal.high_water == 1


def relatives(kind: str) -> list[Input]:
    """Two orders that belong together, the first of which finishes."""
    match kind:
        case "parent":
            return [
                submit(1, transmit=False),
                submit(2, parent_id=1),
                status("Filled", 1, 100, 0),
                execution(1),
            ]
        case "child":
            return [
                submit(2, transmit=False),
                submit(1, parent_id=2),
                status("Filled", 1, 100, 0),
                execution(1),
            ]
        case "group":
            return [
                submit(1, oca_group="g"),
                submit(2, oca_group="g"),
                status("Filled", 1, 100, 0),
                execution(1),
            ]
        case "one submission":
            orders = (*submit(1).orders, *submit(2).orders)
            return [Submit(orders), status("Filled", 1, 100, 0), execution(1)]
    raise AssertionError(kind)


@pytest.mark.parametrize("kind", ["parent", "child", "group", "one submission"])
def test_relatives_stay_together(journal: Journal, path: Path, clock: ManualClock, kind: str) -> None:
    """A finished one stays while one of its family lives."""
    keeping = Keeping(journal, clock)
    keeping.take_all(relatives(kind))
    assert keeping.book.order(1).is_settled
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 0
    keeping.take_all([status("Cancelled", 2)])
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == len(relatives(kind)) + 1
    assert replayed(path).orders() == ()


def test_an_unsettled_order_stays(journal: Journal, clock: ManualClock) -> None:
    """Filled by the word alone: its executions are still missing."""
    keeping = Keeping(journal, clock)
    keeping.take_all([submit(1), status("Filled", 1, 100, 0)])
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 0


def test_anything_new_about_an_order_keeps_it(journal: Journal, clock: ManualClock) -> None:
    """A commission that comes a month late begins the time anew, also where it tells nothing new."""
    keeping = Keeping(journal, clock)
    keeping.take_all(filled_order(1))
    clock.advance(31 * DAY_S)
    keeping.take_all([commission(1)])
    assert journal.prune(clock.now(), keeping.book.orders()) == 0


def test_an_order_that_was_sent_again_is_one_order(journal: Journal, path: Path, clock: ManualClock) -> None:
    """Both of its ids."""
    keeping = Keeping(journal, clock)
    keeping.take_all([submit(1), ErrorFact(request_id=1, code=10006, message="parent not yet known")])
    assert keeping.take(Resend(1, 5, 1, "10006"))
    keeping.take_all([status(order_id=5)])
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 0
    assert [record.key for record in replayed(path).orders()] == ["key-1"]


def test_a_lost_connection_stays_while_something_older_does(
    journal: Journal, path: Path, clock: ManualClock
) -> None:
    """It put in doubt what was open; the one before everything that stays changes nothing."""
    keeping = Keeping(journal, clock)
    keeping.take_all([Disconnect(), *filled_order(1), Disconnect(), submit(2), Disconnect()])
    doubtful = keeping.book.order(2)
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 7
    assert replayed(path).orders() == (doubtful,)


@pytest.mark.parametrize("has_error", [True, False])
def test_an_error_about_id_zero_ties_all_orders_without_an_id(
    journal: Journal, path: Path, clock: ManualClock, has_error: bool
) -> None:
    """The book takes it for the newest of them, so none may go alone."""
    keeping = Keeping(journal, clock)
    keeping.take_all(
        [
            StatusFact(order_id=0, status="Submitted", perm_id=6, client_id=0),
            StatusFact(order_id=0, status="Cancelled", perm_id=5, client_id=0),
        ]
    )
    if has_error:
        keeping.take(ErrorFact(request_id=0, code=399, message="held"))
    before = keeping.book.orders()
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), before) == (0 if has_error else 1)
    assert replayed(path).orders() == (before if has_error else before[:1])


def test_a_frame_of_unknown_purpose_stops_all_pruning(
    journal: Journal, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    """Kept it may make a ghost of an order, dropped it may be missed: nothing goes, and it is told."""
    keeping = Keeping(journal, clock)
    keeping.take_all(filled_order(1))
    journal.record(Frame(187, b"?"), clock.now(), 0)
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 0
    assert "does not tell its order" in caplog.text


def test_a_frame_goes_with_the_order_that_its_fact_names(journal: Journal, clock: ManualClock) -> None:
    """The frame itself is not read again."""
    keeping = Keeping(journal, clock)
    keeping.take_all(filled_order(1))
    journal.record(Frame(187, b"..."), clock.now(), 0, commission(1))
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 6


def test_another_clients_label_ties_nothing(journal: Journal, path: Path, clock: ManualClock) -> None:
    """Its orders may all have the same one; ours have keys, and two bots may use one word."""
    keeping = Keeping(journal, clock)
    executed = execution(1)
    other = {"client_id": 5, "order_ref": "bot"}
    keeping.take_all(
        [
            executed.__class__(
                **(_fields(executed) | other | {"perm_id": 71, "order_id": 71, "exec_id": "x.1.1.01"})
            ),
            executed.__class__(
                **(_fields(executed) | other | {"perm_id": 72, "order_id": 72, "exec_id": "y.1.1.01"})
            ),
            status("Filled", 71, 100, 0).__class__(
                order_id=71, status="Cancelled", filled=None, perm_id=71, client_id=5
            ),
        ]
    )
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 2
    assert [record.perm_id for record in replayed(path).orders()] == [72]


def _fields(value: Any) -> dict[str, Any]:
    return {one.name: getattr(value, one.name) for one in value.__attrs_attrs__}


def test_events_and_rows_have_times_of_their_own(path: Path, clock: ManualClock) -> None:
    """Events go after theirs; rows stay for ever unless told otherwise, and never before their inputs."""
    with open_journal(path, clock, retention=Retention(days=1, events_days=2, rows_days=3)) as journal:
        keeping = Keeping(journal, clock)
        keeping.take_all([*filled_order(1), submit(2), status("Submitted", 2, 40, 60), execution(2, 40)])
        left = []
        for _ in range(4):
            clock.advance(DAY_S)
            journal.prune(clock.now() + timedelta(seconds=1), keeping.book.orders())
            with JournalReader(path) as reader:
                counts = (
                    len(list(reader.inputs())),
                    len(reader.history()),
                    len(reader.orders()),
                    len(reader.fills()),
                )
            left.append(counts)
    events = left[0][1]
    assert events > 5
    assert left == [(3, events, 2, 2), (3, 0, 2, 2), (3, 0, 1, 1), (3, 0, 1, 1)]
    assert JournalReader(path).check().is_sound


def test_none_keeps_for_ever(path: Path, clock: ManualClock) -> None:
    """A journal that shall be complete."""
    with open_journal(path, clock, retention=Retention(days=None, events_days=None)) as journal:
        keeping = Keeping(journal, clock)
        keeping.take_all(filled_order(1))
        clock.advance(10_000 * DAY_S)
        assert journal.prune(clock.now(), keeping.book.orders()) == 0
        assert journal.history()


def test_many_families_go_in_several_transactions(journal: Journal, path: Path, clock: ManualClock) -> None:
    """None of them long; each family whole."""
    keeping = Keeping(journal, clock)
    for number in range(1, 601):
        keeping.take_all(filled_order(number))
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 3_000
    assert replayed(path).orders() == ()


@pytest.mark.parametrize(
    ("field", "value"), [("days", 0), ("days", -1), ("events_days", 1.5), ("days", True), ("rows_days", "9")]
)
def test_times_that_make_no_sense_are_refused(field: str, value: Any) -> None:
    """With the name of the argument."""
    with pytest.raises(InvalidInput, match=field):
        Retention(**{field: value})


@pytest.mark.parametrize("days", [30, None])
def test_rows_may_not_go_before_their_inputs(days: int | None) -> None:
    """The next replay would write them again."""
    with pytest.raises(InvalidInput, match="rows_days"):
        Retention(days=days, rows_days=29)


def test_pruning_a_closed_journal_is_refused(path: Path, clock: ManualClock) -> None:
    """It is told, not passed over."""
    journal = open_journal(path, clock)
    journal.close()
    with pytest.raises(Exception, match="closed"):
        journal.prune(clock.now(), ())


def test_a_cancel_belongs_to_its_order(journal: Journal, clock: ManualClock) -> None:
    """Commands name their orders too, several at once as well."""
    keeping = Keeping(journal, clock)
    keeping.take_all([submit(1), status(order_id=1), Cancel(1), status("Cancelled", 1)])
    keeping.take_all([Submit((NewOrder(8, "", None, None), NewOrder(9, "", None, None)))])
    clock.advance(31 * DAY_S)
    assert journal.prune(clock.now(), keeping.book.orders()) == 4
    assert BrokerMessage
