"""A survey asks the broker for all that it has, and notes what of it came.

First our own open orders, then everybody's, then executions, completed orders and positions together. Each
answer has a deadline, because an end marker may never come (TWS facts 2.9): executions are silent when there
are none. A survey changes nothing by itself: facts go to the book as always, and a survey that is run ten
times proves what one proves.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Final, Protocol

import attrs

from ibkr_core.link.session import Answer
from ibkr_core.model.facts import (
    BrokerFact,
    ExecutionFact,
    OpenOrderFact,
    Position,
    StatusFact,
)
from ibkr_core.scheduler import Scheduler, Timer

__all__ = ["Findings", "Interview", "Survey"]

_OPEN_ORDERS: Final = frozenset({Answer.OPEN_ORDERS})


class Interview(Protocol):
    """How a survey asks. A question that cannot be sent is dropped: the connection's end is told anyway."""

    def ask_open_orders(self, *, everybodys: bool) -> None:
        """Ask for the open orders of our client, or of all."""

    def ask_executions(self) -> int:
        """Ask for all executions of the day; returns the request id."""

    def ask_completed_orders(self) -> None:
        """Ask for the orders that were completed today."""

    def ask_positions(self) -> None:
        """Ask for the positions of all accounts."""


@attrs.frozen
class Findings:
    """What a survey brought.

    Attributes:
        answered: The answers that came to their end.
        orders_are_complete: Whether both lists of open orders came to their end.
        executions_are_complete: Whether all executions were told. Their end marker may be missing when there
            are none; later answers that did end prove then that nothing was held up.
        seen: Identities of the open orders that were shown: permIds, and (client id, order id) pairs.
        positions: The positions, None when they were not told to the end.
        began: When it was begun, in UTC: what was asked of the broker later than that, it does not judge.
    """

    answered: frozenset[Answer]
    orders_are_complete: bool
    executions_are_complete: bool
    seen: frozenset[int | tuple[int | None, int]]
    positions: tuple[Position, ...] | None
    began: datetime

    @property
    def lists_are_complete(self) -> bool:
        """Whether an order that lives, filled or ended today must have been shown."""
        return (
            self.orders_are_complete
            and self.executions_are_complete
            and Answer.COMPLETED_ORDERS in self.answered
        )

    def shows(self, perm_id: int | None, client_id: int | None, order_id: int) -> bool:
        """Whether an order was among the open ones."""
        return (perm_id is not None and perm_id in self.seen) or (client_id, order_id) in self.seen


class Survey:
    """One round of questions. Made for one use.

    Args:
        interview: Asks.
        scheduler: Keeps the deadlines. All calls are made on it.
        done: Takes the findings, once.
        orders_timeout_s: For each list of open orders.
        rest_timeout_s: For completed orders and positions.
        executions_timeout_s: For executions, which may stay silent.
        grace_s: How long to listen on after the last end, for what was sent a little late.
    """

    def __init__(
        self,
        interview: Interview,
        scheduler: Scheduler,
        done: Callable[[Findings], None],
        *,
        orders_timeout_s: float,
        rest_timeout_s: float,
        executions_timeout_s: float,
        grace_s: float = 0.0,
    ) -> None:
        self._interview = interview
        self._scheduler = scheduler
        self._done = done
        self._orders_timeout_s = orders_timeout_s
        self._rest_timeout_s = rest_timeout_s
        self._executions_timeout_s = executions_timeout_s
        self._grace_s = grace_s
        self._began = scheduler.clock.now()
        self._awaited: set[Answer] = set()
        self._answered: set[Answer] = set()
        self._lists_ended = 0
        self._executions_id = -1
        self._last_answer: Answer | None = None
        self._executions_come = False
        self._seen: set[int | tuple[int | None, int]] = set()
        self._positions: dict[tuple[str, object], Position] = {}
        self._timers: list[Timer] = []
        self._is_over = False

    def begin(self) -> None:
        """Ask the first question."""
        self._began = self._scheduler.clock.now()
        self._ask_list(everybodys=False)

    def stop(self) -> None:
        """Give it up; nobody is told."""
        self._is_over = True
        for timer in self._timers:
            timer.cancel()

    # ── what comes ──────────────────────────────────────────────────────────────────────────────

    def note_fact(self, fact: BrokerFact) -> None:
        """Note which orders are shown. Called where facts come in, before they are told as ended."""
        if isinstance(fact, OpenOrderFact) and not fact.order.what_if:
            self._note(fact.order.perm_id, fact.order.client_id, fact.order.order_id)
        elif isinstance(fact, ExecutionFact):
            self._executions_come |= fact.request_id != -1
        elif isinstance(fact, StatusFact):
            self._note(fact.perm_id, fact.client_id, fact.order_id)

    def _note(self, perm_id: int | None, client_id: int | None, order_id: int | None) -> None:
        if perm_id:
            self._seen.add(perm_id)
        if order_id:
            self._seen.add((client_id, order_id))

    def note_position(self, position: Position) -> None:
        """Note a position."""
        key = position.contract.con_id or position.contract
        self._positions[position.account, key] = position

    def note_end(self, answer: Answer, request_id: int) -> None:
        """Note the end of an answer."""
        if self._is_over or answer not in self._awaited:
            return
        if answer is Answer.EXECUTIONS and request_id not in (-1, self._executions_id):
            return  # somebody else's question
        self._awaited.discard(answer)
        self._last_answer = answer
        if answer is not Answer.OPEN_ORDERS:
            self._answered.add(answer)
            self._conclude_if_complete()
            return
        self._lists_ended += 1
        if self._lists_ended == 1:
            self._ask_list(everybodys=True)
        else:
            self._answered.add(answer)
            self._ask_the_rest()

    # ── what is asked ───────────────────────────────────────────────────────────────────────────

    def _ask_list(self, *, everybodys: bool) -> None:
        self._awaited = {Answer.OPEN_ORDERS}
        turn = self._lists_ended
        self._after(self._orders_timeout_s, lambda: self._give_up_lists(turn))
        self._interview.ask_open_orders(everybodys=everybodys)

    def _give_up_lists(self, turn: int) -> None:
        if self._awaited == _OPEN_ORDERS and self._lists_ended == turn:
            self._conclude()

    def _ask_the_rest(self) -> None:
        self._awaited = {Answer.EXECUTIONS, Answer.COMPLETED_ORDERS, Answer.POSITIONS}
        self._after(self._executions_timeout_s, self._give_up_executions)
        self._after(self._rest_timeout_s, self._conclude)
        self._executions_id = self._interview.ask_executions()
        self._interview.ask_completed_orders()
        self._interview.ask_positions()

    def _give_up_executions(self) -> None:
        """Take the silence about executions for their end, once everything else has been told.

        Where some were told it is no silence: then their end is told too (TWS facts 2.9).
        """
        if self._awaited == {Answer.EXECUTIONS} and not self._executions_come:
            self._conclude()
        elif not self._is_over:
            self._after(self._executions_timeout_s, self._give_up_executions)

    def _conclude_if_complete(self) -> None:
        if not self._awaited:
            if self._grace_s > 0:
                self._after(self._grace_s, self._conclude)
            else:
                self._conclude()

    def _conclude(self) -> None:
        if self._is_over:
            return
        self.stop()
        others = {Answer.COMPLETED_ORDERS, Answer.POSITIONS}
        self._done(
            Findings(
                frozenset(self._answered),
                orders_are_complete=Answer.OPEN_ORDERS in self._answered,
                executions_are_complete=Answer.EXECUTIONS in self._answered
                or (others <= self._answered and not self._executions_come),
                seen=frozenset(self._seen),
                positions=tuple(self._positions.values()) if Answer.POSITIONS in self._answered else None,
                began=self._began,
            )
        )

    def _after(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timers.append(self._scheduler.call_later(delay_s, act))
