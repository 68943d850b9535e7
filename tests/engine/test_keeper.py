"""The keeper: questions rest a moment, are looked at again, and are asked seldom. Time is a fake."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from ibkr_core.keeper import Keeper
from ibkr_core.lifecycle.effects import Ask, Question
from tests.engine.clocks import FakeClock
from tests.link.peers import PATIENCE_S

ORDERS, EXECUTIONS = Question.ORDERS, Question.EXECUTIONS


class LookedAt(FakeClock):
    """A clock that tells when somebody has looked at it."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = threading.Condition()
        self.looks = 0

    def monotonic(self) -> float:
        with self.changed:
            self.looks += 1
            self.changed.notify_all()
        return super().monotonic()


class Rig:
    """A running keeper whose every step can be waited for."""

    def __init__(self) -> None:
        self.clock = LookedAt()
        self.open: set[int] = {1, 2, 3}
        self.asked: list[tuple[float, Question]] = []
        self.told = threading.Condition()
        self.keeper = Keeper(
            lambda ask: ask.order_id in self.open, self.ask, self.clock, delay_s=0.25, interval_s=1.0
        )

    def ask(self, question: Question) -> None:
        with self.told:
            self.asked.append((round(self.clock.seconds - 1000, 3), question))
            self.told.notify_all()

    def note(self, *questions: Question, order_id: int = 1) -> None:
        self.keeper.note([Ask(question, order_id, "why") for question in questions])
        self.settle()

    def at(self, seconds: float) -> None:
        """Let it be so many seconds after the start."""
        self.clock.seconds = 1000 + seconds
        self.settle()

    def settle(self) -> None:
        """Have the keeper look at the clock, and wait until it has done what is due."""
        for _ in range(3):  # one look may end in a question, and only the next one in a wait
            self._have_it_look()
        with self.keeper._wake:
            pass

    def _have_it_look(self) -> None:
        with self.clock.changed:
            before = self.clock.looks
        with self.keeper._wake:
            self.keeper._wake.notify_all()
        with self.clock.changed:
            assert self.clock.changed.wait_for(lambda: self.clock.looks > before, PATIENCE_S)


@pytest.fixture
def rig() -> Iterator[Rig]:
    made = Rig()
    made.keeper.start()
    yield made
    made.keeper.stop()


def test_a_question_rests_before_it_is_asked(rig: Rig) -> None:
    """Not before its delay, and then once."""
    rig.note(ORDERS)
    rig.at(0.2)
    assert rig.asked == []
    rig.at(0.3)
    rig.at(9)
    assert rig.asked == [(0.3, ORDERS)]


def test_what_was_settled_meanwhile_is_not_asked(rig: Rig) -> None:
    """The next message is usually the answer."""
    rig.note(ORDERS)
    rig.open.clear()
    rig.at(9)
    assert rig.asked == []


def test_one_question_serves_all_orders(rig: Rig) -> None:
    """The broker's answer is about everything anyhow; one open question among many is enough."""
    for order_id in (1, 2, 3):
        rig.note(EXECUTIONS, order_id=order_id)
    rig.open = {3}
    rig.at(9)
    assert rig.asked == [(9, EXECUTIONS)]


def test_noting_again_does_not_put_it_off(rig: Rig) -> None:
    """A steady stream of reasons must not keep it from being asked."""
    rig.note(ORDERS)
    for tenth in range(1, 3):
        rig.at(tenth / 10)
        rig.note(ORDERS)
    rig.at(0.25)
    assert rig.asked == [(0.25, ORDERS)]


def test_a_question_is_asked_at_most_once_per_interval(rig: Rig) -> None:
    """Reasons that come in between wait for it together."""
    rig.note(ORDERS)
    rig.at(0.3)
    for moment in (0.5, 0.8, 1.2):
        rig.at(moment)
        rig.note(ORDERS, order_id=2)
    assert rig.asked == [(0.3, ORDERS)]
    rig.at(1.3)
    assert rig.asked == [(0.3, ORDERS), (1.3, ORDERS)]


def test_after_a_pause_only_the_delay_counts(rig: Rig) -> None:
    """The interval is no fixed beat."""
    rig.note(ORDERS)
    rig.at(0.3)
    rig.at(20)
    rig.note(ORDERS)
    rig.at(20.25)
    assert [moment for moment, _ in rig.asked] == [0.3, 20.25]


def test_questions_of_two_kinds_do_not_wait_for_each_other(rig: Rig) -> None:
    """Each kind has its own delay and interval."""
    rig.note(ORDERS)
    rig.at(0.3)
    rig.note(ORDERS, EXECUTIONS)
    rig.at(0.6)
    assert rig.asked == [(0.3, ORDERS), (0.6, EXECUTIONS)]
    rig.at(1.3)
    assert rig.asked == [(0.3, ORDERS), (0.6, EXECUTIONS), (1.3, ORDERS)]


def test_a_question_may_be_noted_while_one_is_asked(rig: Rig) -> None:
    """Asking holds no lock of the keeper."""
    rig.keeper._ask = lambda question: (rig.ask(question), rig.keeper.note([Ask(EXECUTIONS, 1, "more")]))
    rig.note(ORDERS)
    rig.at(0.3)
    rig.at(0.6)
    assert (0.3, ORDERS) in rig.asked
    assert (0.6, EXECUTIONS) in rig.asked


def test_nothing_noted_is_nothing(rig: Rig) -> None:
    """An empty bundle of questions does not wake anybody."""
    rig.keeper.note([])
    rig.at(9)
    assert rig.asked == []


def test_stopping_does_not_wait_for_what_is_due_later() -> None:
    """Open questions are dropped: the next connection starts by asking anyhow."""
    rig = Rig()
    rig.keeper.start()
    rig.note(ORDERS)
    rig.keeper.stop()
    rig.keeper.stop()
    assert rig.asked == []
    assert not rig.keeper._thread.is_alive()


def test_a_keeper_that_never_started_can_be_stopped() -> None:
    """An engine that was not opened has one."""
    Rig().keeper.stop()


def test_stopping_from_inside_a_question_does_not_wait_for_itself() -> None:
    """A listener that runs on the keeper's thread may close the engine."""
    rig = Rig()
    done = threading.Event()
    rig.keeper._ask = lambda _: (rig.keeper.stop(), done.set())
    rig.keeper.start()
    rig.keeper.note([Ask(ORDERS, 1, "why")])
    rig.clock.seconds += 1
    with rig.keeper._wake:
        rig.keeper._wake.notify_all()
    assert done.wait(PATIENCE_S)
    rig.keeper._thread.join(PATIENCE_S)
    assert not rig.keeper._thread.is_alive()
