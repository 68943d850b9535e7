"""Sending again what was turned down for now: when, how often, and when no more."""

from __future__ import annotations

import random

import pytest

from ibkr_core.lifecycle.asks import RetryWanted
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule, Verdict
from ibkr_core.model.record import Request
from ibkr_core.retrier import Retrier, with_retries
from ibkr_core.scheduler import Scheduler
from ibkr_core.settings import Backoff, RetryPolicy
from tests.engine.clocks import FakeClock

POLICY = RetryPolicy(attempts=3, backoff=Backoff(first_s=1, factor=2, longest_s=10, jitter=0), deadline_s=60)
AGAIN = RetryWanted(7, Request.NEW, 10006)


class Bench:
    """A retrier under a clock that is turned by hand, and what it did."""

    def __init__(self, policy: RetryPolicy = POLICY) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock, lambda _: None)
        self.sent: list[tuple[float, int, Request, int, str]] = []
        self.given_up: list[tuple[int, Request, str]] = []
        self.announced: list[tuple[int, int, float, int]] = []
        self.can_send = True
        chance = random.Random(1)  # noqa: S311 - a test is no secret
        self.retrier = Retrier(
            policy,
            self.scheduler,
            chance,
            self._resend,
            lambda *what: self.given_up.append(what),
            lambda *what: self.announced.append(what),
        )

    def _resend(self, order_id: int, request: Request, attempt: int, why: str) -> bool:
        self.sent.append((self.clock.seconds - 1000, order_id, request, attempt, why))
        return self.can_send

    def turn_down(self, wish: RetryWanted = AGAIN) -> None:
        self.retrier.note(wish)
        self.scheduler.run_due()

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()


def test_waits_grow_and_end() -> None:
    """Three repetitions, one, two and four seconds after each refusal; then it is given up."""
    bench = Bench()
    for wait_s in (1, 2, 4):
        bench.turn_down()
        bench.turn(wait_s - 0.001)
        bench.turn(0.001)
    bench.turn_down()
    why = "code 10006"
    assert bench.sent == [
        (1, 7, Request.NEW, 1, why),
        (3, 7, Request.NEW, 2, why),
        (7, 7, Request.NEW, 3, why),
    ]
    assert bench.announced == [(7, 1, 1, 10006), (7, 2, 2, 10006), (7, 3, 4, 10006)]
    assert bench.given_up == [(7, Request.NEW, "code 10006; given up after 3 repetitions")]
    assert bench.scheduler.next_due() is None


def test_a_deadline_ends_repetitions_earlier() -> None:
    """No repetition is planned that would come behind it."""
    bench = Bench(RetryPolicy(attempts=9, backoff=POLICY.backoff, deadline_s=4))
    for _ in range(3):
        bench.turn_down()
        bench.turn(2)
    assert len(bench.sent) == 2
    assert bench.given_up == [(7, Request.NEW, "code 10006; given up after 2 repetitions")]


def test_a_request_that_was_given_up_begins_anew() -> None:
    """A later refusal of the same order is another story."""
    bench = Bench(RetryPolicy(attempts=1, backoff=POLICY.backoff))
    bench.turn_down()
    bench.turn(1)
    bench.turn_down()
    assert len(bench.given_up) == 1
    bench.turn_down()
    bench.turn(1)
    assert [attempt for _, _, _, attempt, _ in bench.sent] == [1, 1]


def test_a_repetition_that_cannot_be_sent_is_given_up() -> None:
    """Nothing is left in the air."""
    bench = Bench()
    bench.can_send = False
    bench.turn_down()
    bench.turn(1)
    assert bench.given_up == [(7, Request.NEW, "code 10006; it could not be sent again")]
    assert not bench.retrier.has_plans(7)


def test_a_repetition_can_be_called_off() -> None:
    """Cancelling the order ends it; another order's plans stay."""
    bench = Bench()
    bench.turn_down()
    bench.turn_down(RetryWanted(8, Request.MODIFY, 2102))
    assert bench.retrier.has_plans(7)
    assert bench.retrier.cancel(7)
    assert not bench.retrier.cancel(7)
    assert bench.given_up == [(7, Request.NEW, "the repetition was called off")]
    bench.turn(1)
    assert [(order_id, request) for _, order_id, request, *_ in bench.sent] == [(8, Request.MODIFY)]


def test_a_lost_connection_drops_all_plans() -> None:
    """The lists of the next one decide; nobody is told that anything was given up."""
    bench = Bench()
    bench.turn_down()
    bench.retrier.forget()
    bench.turn(60)
    assert (bench.sent, bench.given_up) == ([], [])
    bench.turn_down()
    bench.turn(1)
    assert [attempt for _, _, _, attempt, _ in bench.sent] == [1]


@pytest.mark.parametrize("code", sorted(RetryPolicy().codes - {103}))
def test_rules_of_codes_that_are_tried_again(code: int) -> None:
    """Where the request was dead it is tried again; what a code means otherwise stays."""
    before = DEFAULT_RULES.get(code, CodeRule.always(Verdict.CHECK))
    rule = with_retries(DEFAULT_RULES, RetryPolicy())[code]
    assert (rule.cancel, rule.idle) == (before.cancel, before.idle)
    assert rule.new is (Verdict.RETRY if before.new is Verdict.REJECTED else before.new)
    assert rule.modify is (Verdict.RETRY if before.modify is Verdict.UNTOUCHED else before.modify)


def test_an_id_that_was_used_before_proves_nothing_by_itself() -> None:
    """103: the id may be that of an order of ours, so complete lists decide first (TWS facts 4)."""
    assert with_retries(DEFAULT_RULES, RetryPolicy())[103].new is Verdict.CHECK


def test_without_repetitions_the_rules_are_the_same() -> None:
    """``attempts=0`` switches it off."""
    assert with_retries(DEFAULT_RULES, RetryPolicy(attempts=0)) is DEFAULT_RULES


def test_codes_of_others_are_left_alone() -> None:
    """Only the policy's codes change."""
    changed = with_retries(DEFAULT_RULES, RetryPolicy())
    assert {code for code in changed if changed[code] is not DEFAULT_RULES.get(code)} <= RetryPolicy().codes
