"""One round of questions: their order, their deadlines, and what the answers prove."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.link.session import Answer
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import OpenOrderFact, Position, StatusFact
from ibkr_core.model.order import BrokerOrder
from ibkr_core.scheduler import Scheduler
from ibkr_core.survey import Findings, Survey
from tests.engine.clocks import FakeClock

ALL = frozenset(Answer)
REST = (Answer.EXECUTIONS, Answer.COMPLETED_ORDERS, Answer.POSITIONS)


class Bench:
    """A survey under a clock that is turned by hand, what it asked, and what it found."""

    def __init__(self, grace_s: float = 0.0) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock, lambda _: None)
        self.asked: list[str] = []
        self.found: list[Findings] = []
        self.survey = Survey(
            self,
            self.scheduler,
            self.found.append,
            orders_timeout_s=10,
            rest_timeout_s=5,
            executions_timeout_s=2,
            grace_s=grace_s,
        )
        self.survey.begin()

    def ask_open_orders(self, *, everybodys: bool) -> None:
        """See Interview."""
        self.asked.append("all orders" if everybodys else "our orders")

    def ask_executions(self) -> int:
        """See Interview."""
        self.asked.append("executions")
        return 40 + self.asked.count("executions")

    def ask_completed_orders(self) -> None:
        """See Interview."""
        self.asked.append("completed")

    def ask_positions(self) -> None:
        """See Interview."""
        self.asked.append("positions")

    def end(self, *answers: Answer, request_id: int = -1) -> None:
        for answer in answers:
            self.survey.note_end(answer, 41 if answer is Answer.EXECUTIONS else request_id)
            self.scheduler.run_due()

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()

    def lists(self) -> None:
        """Let both lists of open orders come."""
        self.end(Answer.OPEN_ORDERS, Answer.OPEN_ORDERS)


def test_questions_come_in_their_order() -> None:
    """Our own orders, then everybody's, then the rest together."""
    bench = Bench()
    assert bench.asked == ["our orders"]
    bench.end(Answer.OPEN_ORDERS)
    assert bench.asked == ["our orders", "all orders"]
    bench.end(Answer.OPEN_ORDERS)
    assert bench.asked[2:] == ["executions", "completed", "positions"]
    bench.end(*REST)
    (found,) = bench.found
    assert found.answered == ALL
    assert found.lists_are_complete
    assert found.positions == ()
    assert bench.scheduler.next_due() is None


@pytest.mark.parametrize("ended", [0, 1])
def test_a_list_of_orders_that_does_not_come(ended: int) -> None:
    """Each list has its own time; without both nothing is proved."""
    bench = Bench()
    bench.turn(9)
    bench.end(*[Answer.OPEN_ORDERS] * ended)
    bench.turn(9.9 if ended else 0.9)
    assert bench.found == []
    bench.turn(0.1)
    (found,) = bench.found
    assert not found.orders_are_complete
    assert not found.lists_are_complete
    assert found.answered == frozenset()


def test_silence_about_executions_is_no_loss() -> None:
    """There are none: later answers that did end prove that nothing was held up (TWS facts 2.9)."""
    bench = Bench()
    bench.lists()
    bench.end(Answer.COMPLETED_ORDERS, Answer.POSITIONS)
    bench.turn(1.9)
    assert bench.found == []
    bench.turn(0.1)
    (found,) = bench.found
    assert Answer.EXECUTIONS not in found.answered
    assert found.executions_are_complete
    assert found.lists_are_complete


def test_silence_about_executions_and_more_proves_nothing() -> None:
    """The gateway may just be slow."""
    bench = Bench()
    bench.lists()
    bench.end(Answer.POSITIONS)
    bench.turn(4.9)
    assert bench.found == []
    bench.turn(0.1)
    (found,) = bench.found
    assert not found.executions_are_complete
    assert not found.lists_are_complete
    assert found.orders_are_complete


def test_positions_that_do_not_end_are_none() -> None:
    """Half of them are worse than none: what is missing looks like flat."""
    bench = Bench()
    bench.lists()
    bench.survey.note_position(Position(account="DU1", contract=Contract.stock("AAPL"), quantity=Decimal(5)))
    bench.end(Answer.EXECUTIONS, Answer.COMPLETED_ORDERS)
    bench.turn(5)
    (found,) = bench.found
    assert found.positions is None
    assert found.lists_are_complete


def test_the_newest_word_on_a_position_counts() -> None:
    """By account and contract."""
    bench = Bench()
    bench.lists()
    aapl = Contract(con_id=1, symbol="AAPL", sec_type="STK")
    for account, quantity in (("DU1", 5), ("DU2", 6), ("DU1", 7)):
        bench.survey.note_position(Position(account=account, contract=aapl, quantity=Decimal(quantity)))
    bench.end(*REST)
    held = {one.account: one.quantity for one in bench.found[0].positions or ()}
    assert held == {"DU1": 7, "DU2": 6}


def test_the_end_of_somebody_elses_question_is_not_ours() -> None:
    """Executions have a request id; a program may ask for some itself."""
    bench = Bench()
    bench.lists()
    bench.end(Answer.COMPLETED_ORDERS, Answer.POSITIONS)
    bench.survey.note_end(Answer.EXECUTIONS, 99)
    assert bench.found == []
    bench.survey.note_end(Answer.EXECUTIONS, 41)
    assert len(bench.found) == 1


def test_ends_that_nobody_waits_for_are_ignored() -> None:
    """A stray end marker skips no question, and the survey is told once."""
    bench = Bench()
    bench.end(*REST)
    assert bench.asked == ["our orders"]
    bench.lists()
    bench.end(*REST)
    bench.end(*REST, Answer.OPEN_ORDERS)
    bench.turn(100)
    assert len(bench.found) == 1


def test_a_survey_that_was_stopped_tells_nobody() -> None:
    """Its deadlines are called off."""
    bench = Bench()
    bench.lists()
    bench.survey.stop()
    bench.end(*REST)
    bench.turn(100)
    assert bench.found == []


def test_grace_lets_latecomers_in() -> None:
    """What was sent a moment late is heard before the end is told."""
    bench = Bench(grace_s=0.1)
    bench.lists()
    bench.end(*REST)
    assert bench.found == []
    bench.survey.note_fact(StatusFact(order_id=9, client_id=1, status="Submitted", perm_id=77))
    bench.turn(0.1)
    assert bench.found[0].shows(77, None, 0)


def test_what_is_shown_is_noted_by_each_of_its_names() -> None:
    """By permId, and by client and order id; a what-if is no order."""
    bench = Bench()
    bench.survey.note_fact(StatusFact(order_id=9, client_id=1, status="Submitted", perm_id=77))
    bench.survey.note_fact(OpenOrderFact(order=BrokerOrder(order_id=5, client_id=2, perm_id=78)))
    bench.survey.note_fact(OpenOrderFact(order=BrokerOrder(order_id=6, client_id=1, what_if=True)))
    bench.lists()
    bench.end(*REST)
    (found,) = bench.found
    assert found.shows(77, 1, 0)
    assert found.shows(None, 1, 9)
    assert found.shows(78, None, 0)
    assert not found.shows(None, 2, 9)
    assert not found.shows(None, 1, 6)
    assert not found.shows(79, 3, 5)


def test_it_judges_what_was_asked_before_it_began() -> None:
    """The moment of its beginning is part of what it found."""
    bench = Bench()
    began = bench.clock.now()
    bench.turn(1)
    bench.lists()
    bench.end(*REST)
    assert bench.found[0].began == began
