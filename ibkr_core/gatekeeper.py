"""The gatekeeper: gathers what risk gates judge by, asks them, and lets nothing pass that one refuses.

It stands before the book and the journal: what is refused used no id and left no trace but an event. A gate
that fails refuses. The engine's send lock is held while gates are asked, so that two orders never pass on the
same room; what only has to be known is taken from memory, and nobody is asked over the wire.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core.errors import InvalidInput, RiskRefused
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.listeners import Listener, Subscription
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.risk import DatedQuote, LastQuote, RiskLimits, RiskPolicy
from ibkr_core.risk.gates import MaxLoss
from ibkr_core.risk.values import (
    Gate,
    LiveOrder,
    Need,
    Refusal,
    RiskContext,
    Submission,
    name_of,
    needs_of,
    raises_risk,
)
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.sending import describe, type_name

__all__ = ["Gatekeeper", "LivePositions", "policy_of"]

_LOG: Final = logging.getLogger("ibkr_core.risk")
_ZERO: Final = Decimal(0)
_REMEMBERED: Final = timedelta(minutes=1)
_TWO_DAYS: Final = timedelta(days=2)

_ACTIONS: Final = {action.value: action for action in Action}

Bases = Mapping[tuple[str, int], tuple[Contract, Decimal]]
"""What came from elsewhere: by account and contract id, the contract and the quantity."""


def policy_of(risk: RiskLimits | RiskPolicy | None) -> RiskPolicy:
    """Return a policy, also from limits alone.

    Raises:
        InvalidInput: It is neither.
    """
    if risk is None:
        return RiskPolicy()
    if isinstance(risk, RiskLimits):
        return RiskPolicy(limits=risk)
    if not isinstance(risk, RiskPolicy):
        raise InvalidInput("risk", f"must be RiskLimits or a RiskPolicy, not {risk!r}")
    return risk


class LivePositions:
    """Positions as they are now: what the broker told, and every fill since. Looked at under the state lock.

    Trades that this engine is not told of (by hand, or by another client) are known with the next look at the
    broker's positions.
    """

    def look(self, book: Book, bases: Bases) -> tuple[Position, ...]:
        """Return all positions, flat ones left out."""
        moved = book.moved()
        found = []
        for key in moved.keys() | bases.keys():
            contract, quantity = bases.get(key, (Contract(con_id=key[1]), _ZERO))
            if key in moved:
                made, total = moved[key]
                quantity = EXACT.add(quantity, total)
                contract = contract if contract.sec_type else made
            if quantity:
                found.append(Position(account=key[0], contract=contract, quantity=quantity))
        return tuple(found)


@attrs.frozen(eq=False)
class _Rules:
    """A policy, made ready for use."""

    policy: RiskPolicy
    gates: tuple[Gate, ...]
    needs: frozenset[str]

    @classmethod
    def of(cls, policy: RiskPolicy) -> _Rules:
        gates = (*policy.limits.gates(), *policy.gates)
        return cls(policy, gates, frozenset().union(*(needs_of(gate) for gate in gates)))

    @property
    def remembered(self) -> timedelta:
        """For how long new orders are remembered."""
        return max(_REMEMBERED, timedelta(seconds=self.policy.limits.duplicate_window_s))

    def day_of(self, moment: datetime) -> date:
        """The day that a moment lies on."""
        return moment.astimezone(ZoneInfo(self.policy.limits.day_zone)).date()


@attrs.frozen
class _Candidate:
    """An order that wants to pass."""

    order_id: int
    key: str
    contract: Contract
    order: Order
    before: Order | None = None
    filled: Decimal = _ZERO
    parent_id: int = 0
    oca_group: str = ""

    def live(self) -> LiveOrder:
        """Return what it can do, in the bracket and group where the broker has it."""
        wanted = LiveOrder.wanted(self.order_id, self.contract, self.order, self.filled)
        return attrs.evolve(
            wanted,
            parent_id=wanted.parent_id or self.parent_id,
            oca_group=wanted.oca_group or self.oca_group,
        )


class Gatekeeper:
    """Judges orders before they are written down.

    Args:
        book: The order book.
        scheduler: Tells the time, and looks at the loss now and then.
        policy: Limits, gates and sources.
        accounts: The accounts of this login.
        bases: Positions that came from elsewhere; None before the broker told any.
        halt: Halts trading, without waiting for the send lock; False where it is halted already.
        listen: Has a listener called with each execution.
    """

    def __init__(
        self,
        book: GuardedBook,
        scheduler: Scheduler,
        policy: RiskPolicy,
        accounts: Callable[[], tuple[str, ...]],
        bases: Callable[[], Bases | None],
        halt: Callable[[str], bool],
        listen: Callable[[Listener], Subscription],
    ) -> None:
        self._book = book
        self._scheduler = scheduler
        self._accounts = accounts
        self._bases = bases
        self._halt = halt
        self._rules = _Rules.of(policy)
        self.is_open = not self._rules.gates
        """Whether there is no gate at all; to look at only."""
        self._positions = LivePositions()
        self._recent: deque[Submission] = deque()
        self._today: tuple[date | None, int] = (None, 0)
        self._counted_for: _Rules | None = None
        self._halted_for: set[tuple[str, str, date]] = set()
        self.judge_thread: int | None = None
        """The thread of a gate, or a source, that is being asked; to look at only."""
        self._loss_timer: Timer | None = None
        self._listen = listen
        self._hearing: Subscription | None = None
        self._broken_sources: set[str] = set()
        self._quotes: dict[object, DatedQuote] = {}
        self._watch_loss()

    # ── the policy ──────────────────────────────────────────────────────────────────────────────

    @property
    def policy(self) -> RiskPolicy:
        """What holds now."""
        return self._rules.policy

    @policy.setter
    def policy(self, policy: RiskPolicy) -> None:
        """Let another policy hold from the next order on. Any thread may do so."""
        before = self._rules.policy
        self._rules = _Rules.of(policy)
        self.is_open = not self._rules.gates
        self._halted_for.clear()
        self._watch_loss()
        if before.limits != policy.limits or before.gates != policy.gates:
            self._book.publish(
                events.RiskLimitsChanged, previous=_in_words(before), current=_in_words(policy)
            )

    @property
    def is_judging_here(self) -> bool:
        """Whether the calling thread is that of a gate, or a source, that is being asked."""
        return self.judge_thread == threading.get_ident()

    def note_quote(self, quote: DatedQuote) -> None:
        """Remember a quote as the last one of its contract. Any thread may tell it."""
        for key in _keys_of(quote.contract):
            self._quotes[key] = quote

    def _quote_of(self, policy: RiskPolicy, contract: Contract, now: datetime) -> LastQuote | None:
        quote: LastQuote | None
        if policy.quotes is not None:
            quote = policy.quotes(contract)
        else:
            found = (self._quotes.get(key) for key in _keys_of(contract))
            quote = next((one for one in found if one is not None and _may_be_of(one, contract)), None)
        age_s = policy.limits.max_quote_age_s
        if quote is None or age_s is None:
            return quote
        at = getattr(quote, "at", None)
        return quote if at is not None and now - at <= timedelta(seconds=age_s) else None

    # ── letting pass ────────────────────────────────────────────────────────────────────────────

    def admit(self, orders: Sequence[inputs.NewOrder], *, allow_duplicate: bool = False) -> None:
        """Raise unless all new orders of a group may pass. Requires holding the send lock.

        Raises:
            RiskRefused: One may not, so none does.
        """
        group = [
            _Candidate(new.order_id, new.key, new.contract, new.order)
            for new in orders
            if new.contract is not None and new.order is not None
        ]
        self._refuse(self._judge(group, allow_duplicate=allow_duplicate))

    def admit_change(self, order_id: int, contract: Contract, before: Order, after: Order) -> None:
        """Raise unless new terms of an order may pass. Requires holding the send lock.

        Raises:
            RiskRefused: They raise the risk, and a gate refuses them.
        """
        if not raises_risk(before, after):
            return
        record = self._book.read(lambda book: book.order(order_id))
        # The terms of an exit name neither the entry that has filled nor the group that the gateway ties its
        # exits by (TWS facts 4): without them it would look like one more order beside its sibling.
        place = record.parent_id, record.oca_group
        candidate = _Candidate(order_id, record.key, contract, after, before, record.filled_quantity, *place)
        self._refuse(self._judge([candidate], allow_duplicate=True))

    def admit_in_place(self, record: OrderRecord, contract: Contract, order: Order) -> None:
        """Raise unless a new order may pass that is to take the place of one that works.

        Requires holding the send lock.

        Raises:
            RiskRefused: It may not.
        """
        candidate = _Candidate(record.order_id, record.key, contract, order, filled=record.filled_quantity)
        self._refuse(self._judge([candidate], allow_duplicate=True))

    def admit_ahead(self, orders: Iterable[tuple[Contract, Order]], without: Iterable[OrderRecord]) -> None:
        """Raise unless new orders may pass once others are gone, which are about to be cancelled for them.

        Requires holding the send lock. They are judged once more when they are sent.

        Raises:
            RiskRefused: One may not.
        """
        group = [_Candidate(0, order.order_ref, contract, order) for contract, order in orders]
        gone = frozenset((one.is_ours, one.order_id) for one in without)
        self._refuse(self._judge(group, allow_duplicate=True, gone=gone))

    def preview(self, contract: Contract, order: Order) -> tuple[Refusal, ...]:
        """Return what every gate would say of a new order. Requires holding the send lock."""
        candidate = _Candidate(0, order.order_ref, contract, order)
        found = self._judge([candidate], allow_duplicate=False, asks_all=True)
        return tuple(refusal for _, refusal in found)

    def note(self, orders: Sequence[inputs.NewOrder]) -> None:
        """Remember new orders that were written down. Requires holding the send lock."""
        rules = self._rules
        if self._counted_for is not rules:
            return  # they will be counted from the book, where they are
        now = self._scheduler.clock.now()
        day, count = self._today
        self._today = day, count + len(orders)
        for new in orders:
            if new.contract is not None and new.order is not None:
                self._recent.append(
                    Submission(at=now, contract=new.contract, order=new.order, order_id=new.order_id)
                )

    # ── judging ─────────────────────────────────────────────────────────────────────────────────

    def _judge(
        self,
        group: Sequence[_Candidate],
        *,
        allow_duplicate: bool,
        asks_all: bool = False,
        gone: frozenset[tuple[bool, int]] = frozenset(),
    ) -> list[tuple[_Candidate, Refusal]]:
        """Return what is refused, and why: the first refusal, or with ``asks_all`` each."""
        rules = self._rules
        found: list[tuple[_Candidate, Refusal]] = []
        if not rules.gates:
            return found
        self.judge_thread = threading.get_ident()
        try:
            for candidate in group:
                context = self._context(rules, candidate, group, allow_duplicate=allow_duplicate)
                if isinstance(context, Refusal):
                    return [*found, (candidate, context)]
                if gone:
                    working = [one for one in context.working if (one.is_ours, one.order_id) not in gone]
                    context = attrs.evolve(context, working=tuple(working))
                for gate in rules.gates:
                    refusal = self._ask(gate, context)
                    if refusal is not None:
                        found.append((candidate, refusal))
                        if not asks_all:
                            return found
        finally:
            self.judge_thread = None
        return found

    def _ask(self, gate: Gate, context: RiskContext) -> Refusal | None:
        name = "gate"
        try:
            name = name_of(gate)
            answer: object = gate(context)
            if answer is None:
                return None
            if isinstance(answer, Refusal):
                return answer if answer.gate else attrs.evolve(answer, gate=name)
        except Exception as error:  # noqa: BLE001 - a gate of the user's own raises what it likes
            return self._failed(name, describe(error))
        return self._failed(name, f"it answered a {type_name(answer)}, which is neither None nor a Refusal")

    def _failed(self, gate: str, error: str) -> Refusal:
        """Refuse because something failed that was to judge: a gate that cannot say yes says no."""
        _LOG.error("risk gate %s failed: %s", gate, error)
        self._book.post(events.RiskGateFailed, gate=gate, error=error)
        return Refusal(argument="order", reason=f"the gate failed ({error})", gate=gate)

    def _context(
        self, rules: _Rules, candidate: _Candidate, group: Sequence[_Candidate], *, allow_duplicate: bool
    ) -> RiskContext | Refusal:
        needs, policy = rules.needs, rules.policy
        contract, order = candidate.contract, candidate.order
        account = order.account or self._only_account()
        now = self._scheduler.clock.now()
        self._count_anew(rules, now)
        source = "positions"
        try:
            positions, working = self._standing(policy, needs)
            quote = tick = result = None
            source = "quotes"
            if Need.QUOTE in needs:
                quote = self._quote_of(policy, contract, now)
            source = "ticks"
            if policy.ticks is not None and Need.TICK in needs and order.limit_price is not None:
                tick = policy.ticks(contract, order.limit_price)
            source = "profit_and_loss"
            if policy.profit_and_loss is not None and Need.PROFIT_AND_LOSS in needs:
                result = policy.profit_and_loss(account)
        except Exception as error:  # noqa: BLE001 - a source of the user's own raises what it likes
            return self._failed(f"{source} source", describe(error))
        return RiskContext(
            contract=contract,
            order=order,
            order_id=candidate.order_id,
            account=account,
            now=now,
            before=candidate.before,
            filled=candidate.filled,
            group=tuple(one.live() for one in group),
            recent=tuple(self._recent) if Need.RECENT in needs else (),
            submitted_today=self._today[1],
            positions=positions,
            working=working,
            quote=quote,
            tick=tick,
            profit_and_loss=result,
            allow_duplicate=allow_duplicate,
        )

    def _only_account(self) -> str:
        accounts = self._accounts()
        return accounts[0] if len(accounts) == 1 else ""

    def _standing(
        self, policy: RiskPolicy, needs: frozenset[str]
    ) -> tuple[tuple[Position, ...] | None, tuple[LiveOrder, ...]]:
        """Return positions and working orders of one and the same moment."""
        if Need.POSITIONS not in needs and Need.WORKING not in needs:
            return None, ()
        bases = self._bases()
        positions, records, asked = self._book.read(
            lambda book: (
                self._positions.look(book, bases or {}),
                book.active_orders(),
                book.asked_quantities(),
            )
        )
        working = tuple(_live(record, asked.get(record.order_id) if asked else None) for record in records)
        if policy.positions is not None:
            told = policy.positions()
            return (None if told is None else tuple(told)), working
        return (positions if bases is not None else None), working

    def _count_anew(self, rules: _Rules, now: datetime) -> None:
        """Forget old submissions; count them from the book where limits, or the day, are new."""
        today = rules.day_of(now)
        if self._counted_for is not rules or self._today[0] != today:
            pages = self._book.read(lambda book: book.pages())
            oldest = now - max(rules.remembered, _TWO_DAYS)  # whichever day it is, anywhere
            told = pages.submissions(oldest)
            self._today = today, sum(rules.day_of(at) == today for at, _ in told)
            recent = (pages.record(row) for at, row in told if now - at < rules.remembered)
            self._recent = deque(
                Submission(
                    at=_time_of(record),
                    contract=record.contract,
                    order=record.order,
                    order_id=record.order_id,
                )
                for record in recent
                if record.contract is not None and record.order is not None
            )
            self._counted_for = rules
        while self._recent and now - self._recent[0].at >= rules.remembered:
            self._recent.popleft()

    def _refuse(self, found: Sequence[tuple[_Candidate, Refusal]]) -> None:
        if not found:
            return
        candidate, refusal = found[0]
        order = candidate.order
        _LOG.warning(
            "risk gate %s refused %s %s %s %s: %s",
            *(refusal.gate, order.action.value, order.quantity, candidate.contract.name, order.order_type),
            refusal.reason,
        )
        self._book.post(
            events.RiskGateRefused,
            contract=candidate.contract,
            account=order.account or self._only_account(),
            order_id=candidate.order_id if candidate.before is not None else None,
            key=candidate.key,
            action=order.action.value,
            quantity=order.quantity,
            order_type=order.order_type,
            limit_price=order.limit_price,
            gate=refusal.gate,
            argument=refusal.argument,
            limit=refusal.limit,
            value=refusal.value,
            reason=refusal.reason,
        )
        if refusal.halts:
            self._pull_brake(refusal.gate, order.account or self._only_account(), refusal.reason)
        raise RiskRefused(refusal.gate, refusal.argument, refusal.limit, refusal.value, refusal.reason)

    # ── the loss ────────────────────────────────────────────────────────────────────────────────

    def _pull_brake(self, gate: str, account: str, reason: str) -> None:
        """Halt, once a day for each gate and account: a halt that was lifted on purpose stays lifted."""
        why = (gate, account, self._rules.day_of(self._scheduler.clock.now()))
        if why not in self._halted_for and self._halt(f"risk gate {gate!r}: {reason}"):
            self._halted_for.add(why)

    def check_loss(self) -> None:
        """Look at the day's result of each account, and halt where the loss is at the limit."""
        policy = self._rules.policy
        if policy.limits.max_loss is None or policy.profit_and_loss is None:
            return
        gate = MaxLoss(policy.limits.max_loss)
        for account in self._accounts() or ("",):
            try:
                result = policy.profit_and_loss(account)
                is_reached = result is not None and gate.is_reached(result)
            except Exception as error:  # noqa: BLE001 - a source of the user's own raises what it likes
                if account not in self._broken_sources:  # told once, until it answers again
                    self._broken_sources.add(account)
                    self._failed("profit_and_loss source", describe(error))
                    self._book.deliver()
                continue
            self._broken_sources.discard(account)
            if is_reached and result is not None:
                self._pull_brake(gate.name, account, gate.reason(account, result))

    def _note_fill(self, _: object) -> None:
        """Have the loss looked at soon: something was filled, as an event says."""
        if self._loss_timer is not None:
            self._scheduler.call_soon(self.check_loss)

    def _watch_loss(self) -> None:
        """Look at the loss from time to time, and after each fill, where there is a limit to it."""
        if self._loss_timer is not None:
            self._loss_timer.cancel()
            self._loss_timer = None
        every_s = self._loss_interval()
        if every_s is not None:
            self._loss_timer = self._scheduler.call_later(every_s, self._look_at_loss)
            self._hearing = self._hearing or self._listen(self._note_fill)
        elif self._hearing is not None:
            self._hearing.close()
            self._hearing = None

    def _loss_interval(self) -> float | None:
        """Return how often the loss is looked at, in seconds; None where there is nothing to look at."""
        limits = self._rules.policy.limits
        if limits.max_loss is None:
            return None
        if self._rules.policy.profit_and_loss is None:
            if limits.unknown == "pass":
                _LOG.warning(
                    "max_loss holds nothing: no source tells the day's result, and unknown='pass' lets all "
                    "go; see engine.risk.set_sources(profit_and_loss=...)"
                )
            return None
        return limits.loss_check_s or _DAY_S

    def _look_at_loss(self) -> None:
        self._watch_loss()
        self.check_loss()


_DAY_S: Final = 86_400.0


def _keys_of(contract: Contract) -> tuple[object, ...]:
    """Under what a quote is found: the contract's id, and what it is called."""
    called = (contract.name, contract.sec_type, contract.currency)
    return (contract.con_id, called) if contract.con_id else (called,)


def _may_be_of(quote: DatedQuote, contract: Contract) -> bool:
    """Whether a quote of that name can be of a contract: two ids are two contracts."""
    told = quote.contract.con_id
    return not (told and contract.con_id) or told == contract.con_id


def _time_of(record: OrderRecord) -> Any:  # noqa: ANN401 - a datetime, for records that have one
    return record.submission_time


def _live(record: OrderRecord, asked: Decimal | None) -> LiveOrder:
    remaining = record.remaining_quantity
    if remaining is not None and asked is not None:
        remaining = max(remaining, EXACT.subtract(asked, record.filled_quantity))
    terms = record.order if record.order is not None else record.broker_order
    action = _ACTIONS.get(record.action)
    return LiveOrder(
        order_id=record.order_id,
        contract=record.contract or Contract(),
        action=Action.BUY if action is None else action,
        remaining=None if action is None else remaining,
        account=terms.account if terms is not None else "",
        parent_id=record.parent_id,
        oca_group=record.oca_group,
        is_ours=record.is_ours,
    )


def _in_words(policy: RiskPolicy) -> str:
    own = ", ".join(name_of(gate) for gate in policy.gates)
    return f"{policy.limits}; gates: {own}" if own else str(policy.limits)
