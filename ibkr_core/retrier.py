"""Sends again what the broker turned down for now, where nothing of it lives; see :class:`RetryPolicy`."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Mapping

import attrs

from ibkr_core.lifecycle.asks import RetryWanted
from ibkr_core.lifecycle.verdicts import CodeRule, Verdict
from ibkr_core.model.record import Request
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.settings import RetryPolicy

__all__ = ["Retrier", "with_retries"]

_DUPLICATE_ID = 103


def with_retries(rules: Mapping[int, CodeRule], policy: RetryPolicy) -> Mapping[int, CodeRule]:
    """Return the rules with the policy's codes leaving their request open instead of ending it.

    Code 103 is different: the id may be that of an order of ours, so complete lists decide first.
    """
    if policy.attempts < 1:
        return rules
    changed = dict(rules)
    for code in policy.codes:
        rule = rules.get(code, CodeRule.always(Verdict.CHECK))
        if code == _DUPLICATE_ID:
            changed[code] = attrs.evolve(rule, new=Verdict.CHECK)
            continue
        changed[code] = CodeRule(
            new=Verdict.RETRY if rule.new is Verdict.REJECTED else rule.new,
            modify=Verdict.RETRY if rule.modify is Verdict.UNTOUCHED else rule.modify,
            cancel=rule.cancel,
            idle=rule.idle,
        )
    return changed


class Retrier:
    """Plans repetitions, and gives requests up when the policy says so.

    Args:
        policy: How often and when.
        scheduler: Keeps the waits.
        chance: Decides the jitter.
        resend: Sends a request again: order id, request, attempt, reason. False when it cannot.
        give_up: Told of a request that is not sent again: order id, request, reason.
        announce: Told of each planned repetition: order id, attempt, wait in seconds, code.
    """

    def __init__(
        self,
        policy: RetryPolicy,
        scheduler: Scheduler,
        chance: random.Random,
        resend: Callable[[int, Request, int, str], bool],
        give_up: Callable[[int, Request, str], None],
        announce: Callable[[int, int, float, int], None],
    ) -> None:
        self._policy = policy
        self._scheduler = scheduler
        self._chance = chance
        self._resend = resend
        self._give_up = give_up
        self._announce = announce
        self._lock = threading.Lock()  # around the three below; the scheduler plans, any thread calls off
        self._attempts: dict[tuple[int, Request], int] = {}
        self._first: dict[tuple[int, Request], float] = {}
        self._timers: dict[tuple[int, Request], Timer] = {}

    def note(self, wish: RetryWanted) -> None:
        """Take in a request that was turned down. Any thread may call it."""
        self._scheduler.call_soon(lambda: self._plan(wish))

    def _plan(self, wish: RetryWanted) -> None:
        key = (wish.order_id, wish.request)
        now = self._scheduler.now()
        with self._lock:
            first = self._first.setdefault(key, now)
            attempt = self._attempts.get(key, 0) + 1
            wait_s = self._policy.backoff.wait_s(attempt, self._chance)
            is_over = attempt > self._policy.attempts or now + wait_s > first + self._policy.deadline_s
            if not is_over:
                self._attempts[key] = attempt
                self._timers[key] = self._scheduler.call_later(wait_s, lambda: self._go(wish, attempt))
        if is_over:
            self._end(key, f"code {wish.code}; given up after {attempt - 1} repetitions")
        else:
            self._announce(wish.order_id, attempt, wait_s, wish.code)

    def _go(self, wish: RetryWanted, attempt: int) -> None:
        key = (wish.order_id, wish.request)
        with self._lock:
            if self._timers.pop(key, None) is None:
                return  # called off at the last moment
        if not self._resend(wish.order_id, wish.request, attempt, f"code {wish.code}"):
            self._end(key, f"code {wish.code}; it could not be sent again")

    def has_plans(self, order_id: int) -> bool:
        """Whether a request of an order waits to be sent again."""
        with self._lock:
            return any(key[0] == order_id for key in self._timers)

    def cancel(self, order_id: int) -> bool:
        """Call off what is planned for an order; any thread may. Returns whether there was anything."""
        with self._lock:
            keys = [key for key in self._timers if key[0] == order_id]
            for key in keys:
                self._timers.pop(key).cancel()
        for key in keys:
            self._end(key, "the repetition was called off")
        return bool(keys)

    def renew(self, order_id: int, request: Request) -> None:
        """Forget about an earlier request: a new one of its kind takes its place. Any thread may call it.

        It is a case of its own, with attempts and a deadline of its own.
        """
        key = (order_id, request)
        with self._lock:
            timer = self._timers.pop(key, None)
            self._attempts.pop(key, None)
            self._first.pop(key, None)
        if timer is not None:
            timer.cancel()

    def forget(self) -> None:
        """Drop all plans: the connection is gone, and the lists of the next one decide."""
        with self._lock:
            for timer in self._timers.values():
                timer.cancel()
            for memory in (self._timers, self._attempts, self._first):
                memory.clear()

    def _end(self, key: tuple[int, Request], why: str) -> None:
        with self._lock:
            self._attempts.pop(key, None)
            self._first.pop(key, None)
        self._give_up(key[0], key[1], why)
