"""Closing a strategy: every leg with the opposite side, never beyond what is held.

In this order: what is held, the orders that work against it cancelled and proved gone, what is held then,
one order a leg (or one combination), the end of each. See :mod:`ibkr_core.legwork` for how a size is decided.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import attrs

from ibkr_core.errors import DuplicateOrder, IbkrError, InvalidInput
from ibkr_core.legwork.asking import Terms, account_for, check_key, check_strategy, lots_of
from ibkr_core.legwork.hands import Deadline, Hands, wait_ready
from ibkr_core.legwork.holding import Held, Lot, believe, exits_of, left_bare, take_back
from ibkr_core.legwork.jobs import Job, Work, combination
from ibkr_core.legwork.tally import signed
from ibkr_core.model import events
from ibkr_core.model.numbers import EXACT, Numeric
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import ActionTaken, ExecutionResult, LegResult
from ibkr_core.model.strategy import Strategy
from ibkr_core.sending import check_time

__all__ = ["close_position"]

_ZERO: Final = Decimal(0)
_WHOLE: Final = Decimal(1)
_LEAST_COMBO: Final = 2


def close_position(
    hands: Hands,
    strategy: Strategy,
    *,
    order: Order | None = None,
    limit_prices: Sequence[Numeric | None] | Numeric | None = None,
    as_combo: bool = False,
    credit: Numeric | None = None,
    debit: Numeric | None = None,
    account: str = "",
    key: str = "",
    timeout_s: float = 60.0,
    exits_timeout_s: float = 15.0,
    cancel_unfilled: bool = False,
) -> ExecutionResult:
    """Do as :meth:`ibkr_core.engine.Engine.close_position` says."""
    check_strategy(strategy)
    check_key(key)
    check_time("timeout_s", timeout_s)
    check_time("exits_timeout_s", exits_timeout_s)
    for name, flag in (("as_combo", as_combo), ("cancel_unfilled", cancel_unfilled)):
        if not isinstance(flag, bool):
            raise InvalidInput(name, f"must be True or False, not {flag!r}")
    if as_combo and len(strategy.legs) < _LEAST_COMBO:
        raise InvalidInput("as_combo", "needs two legs or more")
    terms = Terms.read(len(strategy.legs), order, limit_prices, credit, debit, is_combo=as_combo)
    hands.engine.check_may_wait()
    booked = account_for(hands, account, order)
    lots = lots_of(hands, strategy.legs, strategy.quantity)
    names_account = bool(account) or (order is not None and bool(order.account))
    names_account |= len(hands.engine.accounts) > 1
    work = Work(hands, key or hands.desk.make_key(), booked, names_account=names_account)
    jobs = _combo_job(lots, terms) if as_combo else _leg_jobs(lots, terms)
    for job in jobs:
        work.check(job, _most(strategy, lots, job))
    _check_manner(work, lots, as_combo=as_combo)
    closing = _Closing(hands, strategy, lots, jobs, work, exits_timeout_s)
    closing.run(Deadline(hands, timeout_s), cancel_unfilled=cancel_unfilled)
    return closing.conclude()


def _most(strategy: Strategy, lots: Sequence[Lot], job: Job) -> Decimal:
    """Return the most units that a job may come to."""
    if job.contract.is_combo:
        return strategy.quantity
    ratio = next(lot.ratio for lot in lots if lot.con_id == job.contract.con_id)
    return signed(ratio, strategy.quantity)


def _check_manner(work: Work, lots: Sequence[Lot], *, as_combo: bool) -> None:
    """Raise where the call with this key went leg by leg before and is to be one combination now, or so."""
    labels = [f"close{index + 1}" for index in range(len(lots))] if as_combo else ["close"]
    for label in labels:
        for record in work.orders_of(label):
            raise DuplicateOrder(
                record.order_id,
                f"has the key {record.key!r}: the call was begun with as_combo={not as_combo}",
            )


def _leg_jobs(lots: Sequence[Lot], terms: Terms) -> tuple[Job, ...]:
    """Make a job for each leg; those that buy back what is owed come first: they lower the risk."""
    jobs = [
        Job(
            f"close{index + 1}", lot.contract, lot.closing, terms.of_leg(index), (attrs.evolve(lot, ratio=1),)
        )
        for index, lot in enumerate(lots)
    ]
    return tuple(sorted(jobs, key=lambda job: job.action is not Action.BUY))


def _combo_job(lots: Sequence[Lot], terms: Terms) -> tuple[Job, ...]:
    bag, side = combination([(lot, lot.closing) for lot in lots])
    return (Job("close", bag, side, terms.of_combo(side), tuple(lots)),)


def _there(held: Held, lot: Lot) -> Decimal:
    """Return how much of a lot is held on its own side."""
    return max(signed(lot.side.sign, held.told[lot.con_id]), _ZERO)


class _Closing:
    """One closing on its way."""

    def __init__(
        self,
        hands: Hands,
        strategy: Strategy,
        lots: tuple[Lot, ...],
        jobs: tuple[Job, ...],
        work: Work,
        exits_timeout_s: float,
    ) -> None:
        self._hands = hands
        self._strategy = strategy
        self._lots = lots
        self._jobs = jobs
        self._work = work
        self._exits_timeout_s = exits_timeout_s
        self._wanted: dict[int, Decimal] = dict.fromkeys((lot.con_id for lot in lots), _ZERO)
        self._spare: dict[int, Decimal] = {}
        self._exits: tuple[OrderRecord, ...] = ()
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._trouble = ""
        self._was_held = False

    # ── doing ───────────────────────────────────────────────────────────────────────────────────

    def run(self, deadline: Deadline, *, cancel_unfilled: bool) -> None:
        """Close what can be closed. What goes wrong is kept for the result."""
        try:
            wait_ready(self._hands, deadline)
            held = self._believe()
            self._plan(held)
            self._was_held = any(self._wanted.values())
            if not self._was_held:
                return
            self._hands.check_may_send()
            held = self._clear(held)
            wishes = [(job, self._units(job)) for job in self._jobs]
            self._work.run(wishes, held, deadline)
            if cancel_unfilled:
                rest = [record for job in self._jobs for record in self._work.open(job)]
                self._problems += take_back(
                    self._hands, rest, Deadline(self._hands, self._exits_timeout_s)
                ).values()
            self._look_again()
        except IbkrError as error:  # what was done until then is in the book
            self._trouble = str(error)

    def _believe(self) -> Held:
        held = believe(
            self._hands, self._work.account, self._lots, Deadline(self._hands, self._exits_timeout_s)
        )
        if not held.is_certain:
            self._notes.append("the broker's positions did not settle; the smaller figures were used")
        return held

    def _done(self, lot: Lot) -> Decimal:
        return max(self._work.done_of(job, one) for job, one in self._jobs_of(lot))

    def _jobs_of(self, lot: Lot) -> list[tuple[Job, Lot]]:
        return [(job, one) for job in self._jobs for one in job.lots if one.con_id == lot.con_id]

    def _target(self, lot: Lot) -> Decimal:
        return EXACT.multiply(self._strategy.quantity, Decimal(lot.ratio))

    def _plan(self, held: Held) -> None:
        """Decide how much of each leg is to be closed in all, by the same call before this one included."""
        for lot in self._lots:
            ever = EXACT.add(_there(held, lot), self._done(lot))
            self._wanted[lot.con_id] = min(self._target(lot), ever)
            self._spare[lot.con_id] = EXACT.subtract(ever, self._wanted[lot.con_id])

    def _units(self, job: Job) -> Decimal:
        """Return how many units of a job are wanted in all."""
        units = [EXACT.divide(self._wanted[lot.con_id], Decimal(lot.ratio)) for lot in job.lots]
        if len(units) == 1:
            return units[0]
        return min(units).quantize(_WHOLE, ROUND_FLOOR, EXACT)

    def _clear(self, held: Held) -> Held:
        """Take away what works against the position, and look at it again."""
        to_close = [lot for lot in self._lots if self._done(lot) < self._wanted[lot.con_id]]
        exits = exits_of(self._hands, to_close, self._spare, self._work.account, self._own())
        # A gate that says no to one leg must not cost the others their exits, nor leave half a spread.
        self._work.require([(job, self._units(job)) for job in self._jobs], exits)
        self._exits = exits
        if not exits:
            return held
        deadline = Deadline(self._hands, self._exits_timeout_s)
        self._problems += take_back(self._hands, self._exits, deadline).values()
        held = self._believe()
        self._plan(held)
        return held

    def _own(self) -> list[int]:
        """Return the ids of the orders of this closing."""
        return [record.order_id for job in self._jobs for record in self._work.orders(job)]

    def _look_again(self) -> None:
        """Want no more than is there: somebody else may have closed what we could not."""
        short = [lot for lot in self._lots if self._done(lot) < self._wanted[lot.con_id]]
        if not short or any(self._work.open(job) for job in self._jobs):
            return
        held = self._believe()
        for lot in short:
            there, done = _there(held, lot), self._done(lot)
            if EXACT.add(done, there) < self._wanted[lot.con_id]:
                self._wanted[lot.con_id] = EXACT.add(done, there)
                self._notes.append(f"{lot.contract.name}: the position changed meanwhile")

    # ── telling ─────────────────────────────────────────────────────────────────────────────────

    def conclude(self) -> ExecutionResult:
        """Say what was done, and raise the alarm where something is left."""
        legs = tuple(self._leg_result(lot) for lot in self._lots)
        ids = tuple(dict.fromkeys(sorted(one for leg in legs for one in leg.order_ids)))
        error = self._error(legs)
        bare = left_bare(self._hands, self._lots, self._spare, self._exits, self._work.account, self._own())
        traded = any(leg.done for leg in legs)
        works = any(self._work.open(job) for job in self._jobs)
        done = ActionTaken.CLOSED
        if error:
            done = ActionTaken.PARTIAL if traded or works else ActionTaken.FAILED
        result = ExecutionResult(
            success=not error,
            action_taken=ActionTaken.DRY_RUN if self._hands.is_dry_run else done,
            order_ids=ids,
            error_message=error or None,
            legs=legs,
            notes=(*self._notes, *self._cuts(), *self._gone(), *bare),
        )
        if bare or (error and (traded or works or self._exits)):
            self._hands.publish(
                events.StrategyUnfinished,
                call="close_position",
                key=self._work.key,
                strategy=str(self._strategy),
                order_ids=ids,
                error_message="; ".join(one for one in (error, *bare) if one),
            )
        return result

    def _leg_result(self, lot: Lot) -> LegResult:
        job, one = self._jobs_of(lot)[0]
        why = [*self._problems, self._trouble]
        if not why[-1]:
            why.append(self._work.blockers([lot], self._jobs) or "there is not enough of it in proportion")
        return self._work.result(
            job, one, self._wanted[lot.con_id], "; ".join(dict.fromkeys(one for one in why if one))
        )

    def _error(self, legs: Sequence[LegResult]) -> str:
        """Put into words why it was no success; empty when it was one."""
        left = [leg for leg in legs if leg.left]
        if not left and not self._trouble:
            if self._was_held:  # where nothing of it is left to be closed, an exit has done it meanwhile
                return ""
            return (
                f"nothing of {self._strategy.name} is held in account {self._work.account}; nothing was sent"
            )
        # Each leg says why it is left; what all of them say already is not said again.
        trouble = "" if left and all(self._trouble in leg.error for leg in left) else self._trouble
        parts = [f"left: {', '.join(str(leg) for leg in left)}" if left else "", trouble]
        if left and self._exits:
            gone = [
                record
                for record in self._exits
                if record.is_ours and self._hands.engine.order(record.order_id).is_finished
            ]
            if gone:
                ids = ", ".join(f"#{record.order_id}" for record in gone)
                parts.append(f"its exit orders {ids} are gone, so it is unprotected")
        return "; ".join(part for part in parts if part)

    def _cuts(self) -> list[str]:
        """Name the legs of which less was held than the strategy says."""
        return [
            f"{lot.contract.name}: {self._wanted[lot.con_id]} of {self._target(lot)} were there to be closed"
            for lot in self._lots
            if self._wanted[lot.con_id] < self._target(lot)
        ]

    def _gone(self) -> list[str]:
        """Name the exits that were taken away, and what they filled on the way."""
        notes = []
        for record in self._exits:
            now = self._hands.engine.order(record.order_id) if record.is_ours else record
            filled = EXACT.subtract(now.filled_quantity, record.filled_quantity)
            more = f" after it had filled {filled} more" if filled else ""
            if now.is_finished:
                notes.append(f"exit order #{record.order_id} was taken away{more}")
        return notes
