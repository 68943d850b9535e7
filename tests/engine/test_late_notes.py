"""Listeners come before the journal's note: what a real journal has written all the same, and when."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.guardedbook import GuardedBook
from ibkr_core.journal import Journal
from ibkr_core.lifecycle.inputs import Cancel
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES
from ibkr_core.listeners import Delivery, Dispatcher
from ibkr_core.model import events
from ibkr_core.model.facts import BrokerFact
from tests.journal.making import CLIENT_ID, ManualClock, execution, open_journal, status, submit
from tests.link.peers import PATIENCE_S

ACKNOWLEDGED = events.OrderAcknowledged


class Desk:
    """A guarded book with a real journal, and an order of ours in it."""

    def __init__(self, path: Path, **options: Any) -> None:
        clock = ManualClock()
        self.journal = open_journal(path, clock, **options)
        self.dispatcher = Dispatcher(lambda *_: None)
        self.book = GuardedBook(
            CLIENT_ID, DEFAULT_RULES, clock, self.dispatcher, lambda _: None, lambda _: None, self.journal
        )
        self.journal.watch(lambda _: None, lambda: None, self.book.note_late)
        self.book.command(submit(7))
        self.book.deliver()

    def on(self, kind: type[events.Event], listener: Callable[[Any], object]) -> None:
        self.dispatcher.subscribe((kind,), listener, Delivery.INLINE, None)

    def hot(self, fact: BrokerFact) -> None:
        """Apply a fact as it comes by the thousand."""
        self.book.hot_taker(178)((type(fact), *attrs.astuple(fact, recurse=False)), b"frame")

    def rows(self) -> list[tuple[str, str]]:
        """Return the kinds of the events in the table, with the status that each tells."""
        return self.journal.query("SELECT kind, status FROM events ORDER BY seq")


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk whose journal has no writer of its own."""
    made = Desk(tmp_path / "orders.db")
    yield made
    made.journal.close()


def test_a_listener_finds_in_the_history_what_it_was_told_of(desk: Desk) -> None:
    """It asks while the note of that very event has not been made."""
    found: list[bool] = []
    desk.on(
        ACKNOWLEDGED, lambda event: found.append(event.seq in [line.seq for line in desk.journal.history()])
    )
    desk.hot(status())
    assert found == [True]


@pytest.mark.parametrize("way", ["a turn of the writer", "a flush", "the end"])
def test_the_event_on_which_a_listener_hangs_is_in_the_table(tmp_path: Path, way: str) -> None:
    """Whoever looks for what happened last, from outside, needs exactly that one."""
    desk = Desk(tmp_path / "orders.db")
    hangs, go = threading.Event(), threading.Event()

    def hang(_: events.Event) -> None:
        hangs.set()
        go.wait(PATIENCE_S)

    desk.on(ACKNOWLEDGED, hang)
    reader = threading.Thread(target=desk.hot, args=(status(),))
    reader.start()
    try:
        assert hangs.wait(PATIENCE_S)
        if way == "a turn of the writer":
            assert desk.journal.work()
        elif way == "a flush":
            assert desk.journal.flush()
        else:
            desk.journal.close()
            desk = Desk.__new__(Desk)
            desk.journal = open_journal(tmp_path / "orders.db")
        assert ACKNOWLEDGED.__name__ in [kind for kind, _ in desk.rows()]
    finally:
        go.set()
        reader.join(PATIENCE_S)
        desk.journal.close()


@pytest.mark.parametrize("change", ["a cancel", "a fill", "a fill by the express lane"])
def test_rows_show_the_order_as_it_was_when_the_event_came(desk: Desk, change: str) -> None:
    """Also where a listener changes it before the note was made."""

    def act(_: events.Event) -> None:
        if change == "a cancel":
            desk.book.command(Cancel(7))
        elif change == "a fill":
            desk.book.apply(execution(shares=100))
        else:
            desk.hot(execution(shares=100))

    desk.on(ACKNOWLEDGED, act)
    desk.hot(status())
    desk.book.deliver()
    assert desk.journal.flush()
    told = desk.rows()
    after = {"a cancel": "PENDING_CANCEL"}.get(change, "FILLED")
    assert [kind for kind, _ in told][:2] == ["OrderSubmitted", "OrderAcknowledged"]
    assert dict(told)["OrderAcknowledged"] == "SUBMITTED"
    assert told[-1][1] == after


def test_what_an_interrupted_listener_left_is_noted_by_the_next_message(desk: Desk) -> None:
    """Ctrl-C comes on the main thread, which takes messages in simulations."""

    def interrupted(_: events.Event) -> None:
        raise KeyboardInterrupt

    desk.on(ACKNOWLEDGED, interrupted)
    with pytest.raises(KeyboardInterrupt):
        desk.hot(status())
    desk.hot(execution(shares=50))
    assert desk.journal.flush()
    kinds = [kind for kind, _ in desk.rows()]
    assert kinds[1] == "OrderAcknowledged"
    assert "ExecutionReceived" in kinds


def _flush_in_child(journal: Journal, answer: Any) -> None:
    answer.put(journal.flush())


def test_a_forked_child_does_not_wait_for_a_lock_that_nobody_lets_go(desk: Desk) -> None:
    """The thread that held the book's lock at the fork does not exist in the child."""
    if "fork" not in multiprocessing.get_all_start_methods():
        pytest.skip("this system does not fork")
    context = multiprocessing.get_context("fork")
    answer: Any = context.SimpleQueue()
    held, go = threading.Event(), threading.Event()

    def hold(_: object) -> None:
        held.set()
        go.wait(PATIENCE_S)

    holder = threading.Thread(target=desk.book.read, args=(hold,))
    holder.start()
    try:
        assert held.wait(PATIENCE_S)
        child = context.Process(target=_flush_in_child, args=(desk.journal, answer), daemon=True)
        child.start()
        child.join(PATIENCE_S)
        assert child.exitcode == 0
        assert answer.get() is False
    finally:
        go.set()
        holder.join(PATIENCE_S)
