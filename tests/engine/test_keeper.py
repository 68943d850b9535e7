"""The keeper: questions rest a moment, are looked at again, and one survey answers all. Time is a fake."""

from __future__ import annotations

import threading

import pytest

from ibkr_core.keeper import Keeper
from ibkr_core.lifecycle.asks import Ask, Question
from ibkr_core.scheduler import Scheduler
from tests.engine.clocks import FakeClock
from tests.link.peers import PATIENCE_S

ORDERS, EXECUTIONS = Question.ORDERS, Question.EXECUTIONS


class Rig:
    """A keeper on a clock that is turned by hand."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.failures: list[BaseException] = []
        self.scheduler = Scheduler(self.clock, self.failures.append)
        self.open: set[int] = {1, 2, 3}
        self.surveys: list[float] = []
        self.can_ask = True
        self.keeper = Keeper(
            lambda ask: ask.order_id in self.open, self.survey, self.scheduler, delay_s=0.25, interval_s=1.0
        )

    @property
    def seconds(self) -> float:
        """The time since the start."""
        return round(self.clock.seconds - 1000, 3)

    def survey(self) -> bool:
        if self.can_ask:
            self.surveys.append(self.seconds)
        return self.can_ask

    def note(self, *questions: Question, order_id: int = 1) -> None:
        self.keeper.note([Ask(question, order_id, "why") for question in questions])

    def at(self, seconds: float) -> None:
        """Let it become so many seconds after the start, each act at its own moment."""
        while (due := self.scheduler.next_due()) is not None and due <= 1000 + seconds:
            self.clock.seconds = max(due, self.clock.seconds)
            self.scheduler.run_due()
        self.clock.seconds = 1000 + seconds


@pytest.fixture
def rig() -> Rig:
    return Rig()


def test_a_question_rests_before_it_is_asked(rig: Rig) -> None:
    """Not before its delay, and then once."""
    rig.note(ORDERS)
    rig.at(0.2)
    assert rig.surveys == []
    rig.at(9)
    assert rig.surveys == [0.25]


def test_what_was_settled_meanwhile_is_not_asked(rig: Rig) -> None:
    """The next message is usually the answer."""
    rig.note(ORDERS)
    rig.open.clear()
    rig.at(9)
    assert rig.surveys == []


def test_one_survey_serves_all_orders_and_both_questions(rig: Rig) -> None:
    """The broker's answer is about everything anyhow; one open question among many is enough."""
    for order_id in (1, 2, 3):
        rig.note(EXECUTIONS, ORDERS, order_id=order_id)
    rig.open = {3}
    rig.at(9)
    assert rig.surveys == [0.25]


def test_noting_again_does_not_put_it_off(rig: Rig) -> None:
    """A steady stream of reasons must not keep it from being asked."""
    rig.note(ORDERS)
    for tenth in (0.1, 0.2):
        rig.at(tenth)
        rig.note(ORDERS)
    rig.at(0.3)
    assert rig.surveys == [0.25]


def test_there_is_at_most_one_survey_per_interval(rig: Rig) -> None:
    """Reasons that come in between wait for it together."""
    rig.note(ORDERS)
    rig.at(0.3)
    for moment in (0.5, 0.8, 1.2):
        rig.at(moment)
        rig.note(ORDERS, EXECUTIONS, order_id=2)
    rig.at(1.24)
    assert rig.surveys == [0.25]
    rig.at(9)
    assert rig.surveys == [0.25, 1.25]


def test_after_a_pause_only_the_delay_counts(rig: Rig) -> None:
    """The interval is no fixed beat."""
    rig.note(ORDERS)
    rig.at(20)
    rig.note(ORDERS)
    rig.at(30)
    assert rig.surveys == [0.25, 20.25]


def test_the_interval_counts_from_the_end_of_whoevers_survey_it_was(rig: Rig) -> None:
    """A synchronisation, or the brake, may have asked everything just now."""
    rig.at(0.2)
    rig.keeper.surveyed(is_settled=True)
    rig.note(ORDERS)
    rig.at(9)
    assert rig.surveys == [1.2]


def test_what_a_survey_leaves_open_is_asked_ever_more_rarely(rig: Rig) -> None:
    """After 1, 2, 4 ... seconds, up to a minute: the broker is neither forgotten nor flooded."""
    rig.keeper._survey = lambda: (rig.survey(), rig.keeper.surveyed(is_settled=False))[0]
    rig.open.clear()  # it is the survey that says so, not the book
    rig.keeper.ask_in(0)
    rig.at(300)
    gaps = [round(b - a, 3) for a, b in zip(rig.surveys, rig.surveys[1:], strict=False)]
    assert gaps == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_settled_survey_ends_the_asking_and_the_back_off(rig: Rig) -> None:
    """The next trouble starts anew with the shortest wait."""
    for _ in range(5):
        rig.keeper.surveyed(is_settled=False)
    rig.keeper.forget()
    rig.at(100)
    assert rig.surveys == []
    rig.keeper.surveyed(is_settled=False)
    rig.keeper.surveyed(is_settled=True)
    rig.at(200)
    assert rig.surveys == [101]
    rig.keeper.surveyed(is_settled=False)
    rig.at(300)
    assert rig.surveys == [101, 201]


def test_what_could_not_be_asked_is_tried_again(rig: Rig) -> None:
    """Not connected, or a survey under way: the question is not lost, whatever the book says by then."""
    rig.can_ask = False
    rig.note(ORDERS)
    rig.at(3)
    rig.open.clear()
    rig.can_ask = True
    rig.at(9)
    assert len(rig.surveys) == 1
    assert 3 < rig.surveys[0] <= 4.5


def test_asking_for_sure_does_not_need_an_open_question(rig: Rig) -> None:
    """After a global cancel, say: orders of others tell nothing by themselves."""
    rig.open.clear()
    rig.keeper.ask_in(2)
    rig.at(9)
    assert rig.surveys == [2]


def test_an_earlier_moment_wins(rig: Rig) -> None:
    """A question that may rest does not hold up one that is due sooner."""
    rig.keeper.ask_in(50)
    rig.note(ORDERS)
    rig.at(9)
    assert rig.surveys == [0.25]


def test_a_question_may_be_noted_while_one_is_asked(rig: Rig) -> None:
    """Asking holds no lock of the keeper."""

    def survey() -> bool:
        if not rig.surveys:
            rig.note(EXECUTIONS)
        return rig.survey()

    rig.keeper._survey = survey
    rig.note(ORDERS)
    asking = threading.Thread(target=rig.at, args=(9,), daemon=True)  # would stand still for ever
    asking.start()
    asking.join(PATIENCE_S)
    assert not asking.is_alive()
    assert rig.surveys == [0.25, 1.25]


def test_nothing_noted_is_nothing(rig: Rig) -> None:
    """An empty bundle of questions does not wake anybody."""
    rig.keeper.note([])
    assert rig.scheduler.next_due() is None
    rig.at(9)
    assert rig.surveys == []


def test_forgetting_drops_what_is_open(rig: Rig) -> None:
    """The connection is gone: the next one begins by asking everything."""
    rig.note(ORDERS)
    rig.keeper.ask_in(2)
    rig.keeper.forget()
    rig.keeper.forget()
    assert rig.scheduler.next_due() is None
    rig.at(9)
    assert rig.surveys == []
    rig.note(ORDERS)
    rig.at(20)
    assert rig.surveys == [9.25]
    assert rig.failures == []
