"""The order book: facts and commands in, effects out. Pure: the engine holds the lock and the clock.

What a fact means for one order is decided here and in the modules beside; what that does to the
order's status is decided by THE table (``transitions.py``) and by nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, cast

from ibkr_core.errors import DuplicateOrder, OrderStateError, UnknownOrder
from ibkr_core.lifecycle import commands, inputs, settling
from ibkr_core.lifecycle.archive import Archive
from ibkr_core.lifecycle.asks import OpenRequests
from ibkr_core.lifecycle.effects import Effects, Scribe, Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.express import Express, QuickTaker
from ibkr_core.lifecycle.fillings import Fillings
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.lifecycle.inputs import Command, Input
from ibkr_core.lifecycle.packing import Codec, Shared
from ibkr_core.lifecycle.refusals import take_error
from ibkr_core.lifecycle.steps import (
    ask_if_unexplained,
    hear,
    move,
    report_anomaly,
    settle_proposals,
    warn_once,
)
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule, Verdict, judge
from ibkr_core.lifecycle.view import BookView
from ibkr_core.model import events, facts
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import BrokerOrder, Order
from ibkr_core.model.record import OrderMessage, Request
from ibkr_core.model.status import BrokerWord, OrderStatus, broker_word

__all__ = ["Book"]

_PENDING_SUBMIT: Final = OrderStatus.PENDING_SUBMIT
_NEW: Final = Request.NEW
_WORKING_WORDS = (BrokerWord.PENDING, BrokerWord.PRE_SUBMITTED, BrokerWord.SUBMITTED)


class Book(BookView):
    """All orders of one account session, and how each callback changes them.

    Not thread-safe by design: one owner at a time (the engine's state lock).

    Args:
        client_id: Our API client id; orders of other clients are read-only. None when it is unknown,
            as in a replay.
        rules: What error codes prove; see :mod:`ibkr_core.lifecycle.verdicts`.
        guard: What the owner holds, re-entrantly, while it calls; events look at orders under it.
        codec: Writes what is odd in orders when they are packed; without it such orders stay as they are.
        is_express: Whether plain facts take the express lane, which must make no difference
            (:mod:`ibkr_core.lifecycle.express`).
    """

    def __init__(
        self,
        client_id: int | None = None,
        rules: Mapping[int, CodeRule] = DEFAULT_RULES,
        guard: AbstractContextManager[Any] | None = None,
        codec: Codec | None = None,
        *,
        is_express: bool = True,
    ) -> None:
        self.client_id = client_id
        self._rules = rules
        self._index = OrderIndex(Archive(Shared(codec)))
        self._scribe = Scribe(self._index, guard if guard is not None else nullcontext())
        self._fillings = Fillings(self._index)
        self._highest_id = 0
        self.quick: dict[type, QuickTaker] = (
            Express(self._scribe, self._fillings).takers if is_express else {}
        )
        """By kind, what takes the values of plain facts: it returns the events, or None where it declines, so
        that :meth:`take` has to take the fact."""
        self._appliers: dict[type, Callable[[Turn, Any], None]] = {
            facts.StatusFact: self._on_status,
            facts.OpenOrderFact: self._on_open_order,
            facts.CompletedOrderFact: self._on_completed_order,
            facts.ExecutionFact: self._on_execution,
            facts.CommissionFact: self._fillings.take_commission,
            facts.ErrorFact: self._on_error,
            facts.OrderBoundFact: self._on_order_bound,
        }
        self._commands = self._settlers()

    def close(self) -> None:
        """Take apart what refers to itself, so that all of it is freed without the garbage collector.

        The book is of no use afterwards. One that lives as long as its program needs none of this.
        """
        self._scribe.fix_pictures()
        self.quick.clear()
        self._appliers.clear()
        self._commands.clear()
        self._index.unfollow()

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    @property
    def seq(self) -> int:
        """The number of the newest event."""
        return self._scribe.seq

    def next_seq(self) -> int:
        """Return the next event number."""
        return self._scribe.next_seq()

    def highest_order_id(self) -> int:
        """Return the highest order id that our client is known to have used, or 0."""
        return self._highest_id

    # ── commands ────────────────────────────────────────────────────────────────────────────────

    def submit(
        self, order_id: int, key: str, contract: Contract | None, order: Order | None, now: datetime
    ) -> Effects:
        """Take in a new order of ours, before any byte of it leaves.

        Raises:
            DuplicateOrder: The id or the key was used before.
        """
        self._check_new(order_id, key)
        entry = OrderEntry(order_id, status=_PENDING_SUBMIT, is_ours=True)
        entry.client_id = self.client_id
        entry.key = key
        entry.contract = contract
        entry.order = order
        entry.pending[_NEW] = now
        entry.submission_time = now
        if contract is not None:
            entry.ledger.set_contract(contract.sec_type)
        if order is not None:
            official = order.official
            if official and (official.get("faGroup") or official.get("faProfile")):
                entry.ledger.set_group()
            entry.total = order.quantity or None
            entry.parent_id = order.parent_id
            entry.oca_group = order.oca_group
            entry.oca_type = order.oca_type
        turn = self._turn(now)
        self._take_in(turn, entry, "submitted")
        if order is not None and order.transmit:
            if entry.parent_id or self._index.has_orphans(order_id):
                self._release(entry)
            entry.was_released = True
        turn.tell(events.OrderSubmitted, entry)
        return turn

    def submit_all(
        self, orders: Sequence[tuple[int, str, Contract | None, Order | None]], now: datetime
    ) -> tuple[Effects, ...]:
        """Take in several new orders of ours: all of them, or none when one is refused.

        Args:
            orders: Order id, client order key, contract and order of each.
            now: The moment.

        Raises:
            DuplicateOrder: An id or a key was used before, or stands twice.
        """
        if len(orders) == 1:
            return (self.submit(*orders[0], now),)
        ids: set[int] = set()
        keys: set[str] = set()
        for order_id, key, _, _ in orders:
            self._check_new(order_id, key)
            if order_id in ids:
                raise DuplicateOrder(order_id, "this order id stands twice")
            if key and key in keys:
                raise DuplicateOrder(order_id, f"the client order key {key!r} stands twice")
            ids.add(order_id)
            keys.add(key)
        return tuple(
            self.submit(order_id, key, contract, order, now) for order_id, key, contract, order in orders
        )

    def open_requests(self) -> tuple[OpenRequests, ...]:
        """Return, for each live order of ours, what we asked for and when: what lists have to settle."""
        return tuple(
            OpenRequests(entry.snapshot(), dict(entry.pending), self.is_released(entry.order_id))
            for entry in self._index.live()
            if entry.is_ours
        )

    def is_pending(self, order_id: int, request: Request, since: datetime) -> bool:
        """Whether a request that was made at a moment is still unanswered."""
        entry = self._look_own(order_id)
        return entry is not None and entry.pending.get(request) == since

    def asked_at(self, order_id: int, request: Request) -> datetime | None:
        """Return when a request was made that is still unanswered; None when there is none."""
        entry = self._look_own(order_id)
        return entry.pending.get(request) if entry is not None else None

    def count_active(self, account: str, con_id: int, symbol: str, action: str) -> int:
        """Count the live orders of one account, contract and side, whoever placed them."""
        return self._index.count_active(account, con_id, symbol, action)

    def asked_quantities(self) -> Mapping[int, Decimal]:
        """Return the largest quantity that an unanswered modification asks for, by live order of ours."""
        return {
            entry.order_id: max(order.quantity for order in entry.proposals)
            for entry in self._index.live()
            if entry.is_ours and entry.proposals
        }

    def last_sent(self, order_id: int) -> tuple[Contract, Order, bool]:
        """Return an order's contract, the terms last sent, and whether its parent is finished.

        Raises:
            OrderStateError: The order's state forbids a modification, or an earlier session placed it,
                so that its full terms are not known here.
        """
        entry = self._look(order_id)
        commands.check_modify(entry)
        if entry.order is None or entry.contract is None:
            raise OrderStateError(
                order_id,
                "was placed by an earlier session and can only be cancelled: its full terms are not known",
            )
        terms = entry.proposals[-1] if entry.proposals else entry.order
        parent = self._look_own(entry.parent_id) if entry.parent_id else None
        return entry.contract, terms, parent is not None and parent.status.is_finished

    def is_released(self, order_id: int) -> bool:
        """Whether an order was transmitted: by itself, by a later one of its bracket, or by hand.

        Raises:
            UnknownOrder: There is none.
        """
        entry = self._look(order_id)
        if entry.acknowledged_time is not None or entry.order is None or entry.order.transmit:
            return True
        return entry.was_released

    def _release(self, entry: OrderEntry) -> None:
        """Note that a transmitted order lets its whole bracket go: parent and siblings were held for it."""
        family = entry.parent_id or entry.order_id
        for other in self._index.live():
            if family in (other.order_id, other.parent_id):
                other.was_released = True

    def track(self, order_id: int, now: datetime) -> tuple[Effects, ...]:
        """Take in an order of which nothing is known but that it exists (a replay, an adoption)."""
        entry = OrderEntry(order_id, status=OrderStatus.UNKNOWN, is_ours=True)
        entry.client_id = self.client_id
        turn = self._turn(now)
        self._take_in(turn, entry, "tracked")
        return (turn,)

    def sent(self, order_ids: Iterable[int], now: datetime) -> tuple[Effects, ...]:
        """Note that the last byte of new orders was given to the kernel.

        The broker's answer can be applied before we come to note it: what was answered had been sent.
        """
        for order_id in order_ids:
            entry = self._index.by_order_id(order_id, self.client_id) or self._entry(order_id)
            if entry.shown is not None:
                entry.shown.before_sent()
            heard = entry.acknowledged_time
            entry.sent_time = now if heard is None else min(now, heard)
            entry.touched(now)
        return ()

    def not_sent(self, order_id: int, why: str, now: datetime) -> Effects:
        """Note that certainly no byte of a new order left."""
        turn, entry = self._turn(now), self._entry(order_id)
        entry.reject = OrderMessage(at=now, code=0, message=why)
        move(turn, entry, Trigger.NOT_SENT, f"not sent: {why}")
        return turn

    def send_failed(self, order_id: int, why: str, now: datetime) -> Effects:
        """Note that some bytes of a new order may have left."""
        turn, entry = self._turn(now), self._entry(order_id)
        move(turn, entry, Trigger.SEND_FAILED, f"send failed: {why}")
        return turn

    def modify(self, order_id: int, order: Order, now: datetime) -> Effects:
        """Take in a modification of ours, before any byte of it leaves.

        Raises:
            OrderStateError: The order's state forbids it (see :mod:`ibkr_core.lifecycle.commands`).
        """
        turn, entry = self._turn(now), self._entry(order_id)
        commands.check_modify(entry)
        move(turn, entry, Trigger.MODIFY, "modification asked for")
        entry.pending[Request.MODIFY] = now
        entry.proposals.append(order)
        entry.modified = True
        if order.transmit:
            self._release(entry)
        entry.note(now, "modification asked for")
        entry.touched(now)
        return turn

    def cancel(self, order_id: int, now: datetime) -> Effects:
        """Take in a cancel of ours, before any byte of it leaves.

        Raises:
            OrderStateError: The order's state forbids it.
        """
        turn, entry = self._turn(now), self._entry(order_id)
        commands.check_cancel(entry)
        entry.pending[Request.CANCEL] = now
        entry.cancel_requested = True
        entry.touched(now)
        move(turn, entry, Trigger.CANCEL, "cancel asked for")
        turn.tell(events.CancelRequested, entry)
        return turn

    def disconnected(self, now: datetime) -> Effects:
        """Note that the connection is gone: orders that were never answered are in doubt."""
        turn = self._turn(now)
        for entry in self._index.live():
            if Request.NEW in entry.pending:
                move(turn, entry, Trigger.DISCONNECTED, "connection lost before the broker answered")
        return turn

    def take(self, given: Input, now: datetime) -> Effects:
        """Take any input: this one door makes the book a function of its inputs in order.

        Raises:
            OrderStateError: A command that the state forbids; nothing changed.
        """
        act = self._appliers.get(type(given))
        if act is None:
            return self.obey(cast("Command", given), now)  # what is no fact is a command
        turn = self._turn(now)
        act(turn, given)
        return turn

    def obey(self, command: Command, now: datetime) -> Effects:
        """Take a command, as :meth:`take` does.

        Raises:
            OrderStateError: The state forbids it; nothing changed.
        """
        return self._commands[type(command)](command, now)

    def _about_one(self, act: Callable[[Turn, OrderEntry, Any], None]) -> Callable[..., Effects]:
        def take(command: inputs.AboutOne, now: datetime) -> Effects:
            turn = self._turn(now)
            act(turn, self._entry(command.order_id), command)
            return turn

        return take

    def _settlers(self) -> dict[type, Callable[[Any, datetime], Effects]]:
        return {
            inputs.Submit: self._submit,
            inputs.Modify: lambda c, now: self.modify(c.order_id, c.order, now),
            inputs.Cancel: lambda c, now: self.cancel(c.order_id, now),
            inputs.Sent: self._note_sent,
            inputs.NotSent: lambda c, now: self.not_sent(c.order_id, c.why, now),
            inputs.SendFailure: lambda c, now: self.send_failed(c.order_id, c.why, now),
            inputs.Disconnect: lambda _, now: self.disconnected(now),
            inputs.Track: lambda c, now: _joined(self.track(c.order_id, now)),
            inputs.Silence: self._about_one(settling.fall_silent),
            inputs.Doubt: self._about_one(settling.doubt),
            inputs.ProveAbsent: self._about_one(settling.prove_absent),
            inputs.Abandon: self._about_one(settling.abandon),
            inputs.Unsend: self._about_one(settling.unsend),
            inputs.Resend: self._resend,
            inputs.Adopt: self._adopt,
        }

    def _submit(self, command: inputs.Submit, now: datetime) -> Effects:
        if len(command.orders) == 1:
            new = command.orders[0]
            return self.submit(new.order_id, new.key, new.contract, new.order, now)
        wanted = [(new.order_id, new.key, new.contract, new.order) for new in command.orders]
        return _joined(self.submit_all(wanted, now))

    def _note_sent(self, command: inputs.Sent, now: datetime) -> Effects:
        self.sent(command.order_ids, now)
        return Effects()

    def _resend(self, command: inputs.Resend, now: datetime) -> Effects:
        turn = self._turn(now)
        settling.resend(turn, self._entry(command.order_id), command)
        self._highest_id = max(self._highest_id, command.new_order_id)
        return turn

    def _adopt(self, command: inputs.Adopt, now: datetime) -> Effects:
        turn, found = self._turn(now), self._index.by_perm_id(command.perm_id)
        if found is None:
            raise UnknownOrder(0, f"no order with the permId {command.perm_id}")
        settling.adopt(turn, found, command, self.client_id)
        return turn

    # ── facts ───────────────────────────────────────────────────────────────────────────────────

    def apply(self, fact: facts.BrokerFact, now: datetime) -> Effects:
        """Apply one fact of the broker. Never raises for what the broker said, however odd."""
        return self.take(fact, now)

    def _on_status(self, turn: Turn, fact: facts.StatusFact) -> None:
        entry = self._index.known_perm_ids.get(fact.perm_id)
        if entry is None:
            entry = self._find_by_status(turn, fact)
            if entry is None:
                return
        filled, remaining = fact.filled, fact.remaining
        word = broker_word(fact.status) if fact.status else None
        if filled is not None:
            if filled >= entry.broker_filled:
                if filled > 0:
                    entry.broker_avg_price = fact.avg_fill_price
                entry.broker_filled = filled
            if remaining is not None:
                _learn_total(entry, EXACT.add(filled, remaining), word)
        if remaining is not None:
            entry.broker_remaining = remaining
        entry.why_held = fact.why_held
        if fact.parent_id and fact.parent_id != entry.parent_id:
            entry.parent_id = fact.parent_id
            self._index.note_kin(entry)
        hear(turn, entry, fact.status, word)
        ask_if_unexplained(turn, entry)

    def _find_by_status(self, turn: Turn, fact: facts.StatusFact) -> OrderEntry | None:
        entry = self._index.find(
            perm_id=fact.perm_id, order_id=fact.order_id, client_id=fact.client_id, client_is_certain=False
        )
        if entry is None:
            entry = self._discover(turn, fact.order_id, fact.client_id, fact.perm_id, "orderStatus")
        if entry is not None:
            self._learn_identity(turn, entry, fact.perm_id, None)
        return entry

    def _on_open_order(self, turn: Turn, fact: facts.OpenOrderFact) -> None:
        echo = fact.order
        if echo.what_if:
            margin = fact.margin if fact.margin is not None else facts.WhatIfMargin()
            turn.tell_all(events.WhatIfAnswered, order_id=echo.order_id, margin=margin)
            return
        entry = self._find_by_echo(turn, echo, "openOrder")
        if entry is None:
            return
        _learn_echo(self._index, self._fillings, entry, echo, fact.contract)
        if echo.total_quantity:
            entry.total = echo.total_quantity
        if fact.commission is not None:
            entry.broker_commission = (fact.commission, fact.commission_currency)
        if fact.reject_reason and entry.reject is None:
            entry.reject = OrderMessage(at=turn.now, code=0, message=fact.reject_reason)
        # The terms first: who waits for the status shall see the order as the broker works it.
        settle_proposals(turn, entry, echo)
        hear(turn, entry, fact.status, broker_word(fact.status) if fact.status else None)
        if fact.warning:
            warn_once(turn, entry, fact.warning)

    def _on_completed_order(self, turn: Turn, fact: facts.CompletedOrderFact) -> None:
        echo = fact.order
        entry = self._find_by_echo(turn, echo, "completedOrder")
        if entry is None:
            return
        _learn_echo(self._index, self._fillings, entry, echo, fact.contract)
        if echo.filled_quantity is not None:
            entry.broker_filled = max(entry.broker_filled, echo.filled_quantity)
        # Filled orders are listed with quantity 0 here (TWS facts 4).
        is_filled = broker_word(fact.status) is BrokerWord.FILLED
        size = echo.total_quantity or (echo.filled_quantity if is_filled else None)
        if entry.total is None and size:
            entry.total = size
        if fact.commission is not None:
            entry.broker_commission = (fact.commission, fact.commission_currency)
        reason = (fact.reject_reason or fact.completed_status).strip()
        if entry.reject is None and reason and not is_filled:
            entry.reject = OrderMessage(at=turn.now, code=0, message=reason)
        hear(turn, entry, fact.status, broker_word(fact.status) if fact.status else None)
        ask_if_unexplained(turn, entry)

    def _on_execution(self, turn: Turn, fact: facts.ExecutionFact) -> None:
        execution_id = ExecutionId.parse(fact.exec_id)
        entry = self._fillings.owner_of(execution_id) or self._index.known_perm_ids.get(fact.perm_id)
        if entry is None:
            entry = self._index.find(
                perm_id=fact.perm_id,
                order_ref=fact.order_ref,
                order_id=fact.order_id,
                client_id=fact.client_id,
            )
        if entry is None:
            if not fact.perm_id and not fact.order_id:
                self._fillings.take_orphan(turn, fact)
                return
            entry = self._discover(turn, fact.order_id, fact.client_id, fact.perm_id, "execDetails")
            if entry is None:
                return
        if not entry.perm_id or entry.client_id is None:
            self._learn_identity(turn, entry, fact.perm_id, fact.client_id)
        if fact.order_ref and not entry.key:
            self._learn_label(entry, fact.order_ref)
        self._fillings.take_execution(turn, entry, fact, execution_id)

    def _on_error(self, turn: Turn, fact: facts.ErrorFact) -> None:
        entry = self._own(fact.request_id) if fact.request_id != -1 else None
        verdict = judge(fact.code, entry.pending if entry is not None else (), self._rules)
        if entry is not None and verdict is not Verdict.UNRELATED:
            take_error(turn, entry, fact, verdict)
            return
        turn.tell_all(events.BrokerMessage, request_id=fact.request_id, code=fact.code, message=fact.message)

    def _on_order_bound(self, turn: Turn, fact: facts.OrderBoundFact) -> None:
        entry = self._index.by_perm_id(fact.perm_id)
        if entry is not None and entry.order_id != fact.order_id:
            self._index.rebind(entry, fact.order_id)
            entry.client_id = fact.client_id
            # Client 0 may change and cancel what is bound to it, and nobody else may (TWS facts 4).
            entry.is_ours = fact.client_id == self.client_id
            entry.note(turn.now, f"bound to order id {fact.order_id}")
            entry.touched(turn.now)

    # ── identity ────────────────────────────────────────────────────────────────────────────────

    def _check_new(self, order_id: int, key: str) -> None:
        if not self._index.is_used(order_id, key):
            return  # nearly always
        if self._index.look_by_order_id(order_id, self.client_id) is not None:
            raise DuplicateOrder(order_id, "this order id was used before")
        known = self._index.look_by_key(key) if key else None
        if known is not None:
            raise DuplicateOrder(known.order_id, f"has the client order key {key!r} already")

    def _turn(self, now: datetime) -> Turn:
        self._scribe.fix_pictures()
        return Turn(now, self._scribe)

    def resume(self, seq: int, highest_id: int) -> None:
        """Go on counting behind what was counted before; see :mod:`ibkr_core.lifecycle.checkpoint`."""
        self._scribe.seq, self._highest_id = seq, highest_id

    def fix_pictures(self) -> None:
        """Have all that was told show what it showed: orders are about to leave."""
        self._scribe.fix_pictures()

    def _entry(self, order_id: int) -> OrderEntry:
        found = self._own(order_id)
        if found is None:
            raise UnknownOrder(order_id, "no such order in the book")
        return found

    def _own(self, order_id: int) -> OrderEntry | None:
        """Find the order that a bare order id means to us: our own, else the newest that anyone has."""
        own = self._index.by_order_id(order_id, self.client_id)
        return own if own is not None else self._index.by_order_id(order_id, None)

    def _find_by_echo(self, turn: Turn, echo: BrokerOrder, source: str) -> OrderEntry | None:
        entry = self._index.find(
            perm_id=echo.perm_id,
            order_ref=echo.order_ref,
            order_id=echo.order_id,
            client_id=echo.client_id,
        )
        if entry is None:
            entry = self._discover(turn, echo.order_id, echo.client_id, echo.perm_id, source)
        if entry is not None:
            self._learn_identity(turn, entry, echo.perm_id, echo.client_id)
            self._learn_label(entry, echo.order_ref)
        return entry

    def _learn_label(self, entry: OrderEntry, order_ref: str) -> None:
        if not order_ref or entry.key:
            return
        if entry.is_ours:
            self._index.learn_key(entry, order_ref)
        else:  # somebody else's label: it need not be unique, so it identifies nothing
            entry.key = order_ref

    def _learn_identity(
        self, turn: Turn, entry: OrderEntry, perm_id: int | None, client_id: int | None
    ) -> None:
        if perm_id and not entry.perm_id:
            self._index.learn_perm_id(entry, perm_id)
            entry.touched(turn.now)
        if client_id is not None and entry.client_id is None:
            entry.client_id = client_id
            entry.touched(turn.now)

    def _discover(
        self, turn: Turn, order_id: int | None, client_id: int | None, perm_id: int | None, source: str
    ) -> OrderEntry | None:
        """Take in an order that we did not place in this session."""
        if not order_id and not perm_id:  # unbound manual orders share the id 0 (TWS facts 4)
            what = f"{source} names no order: neither an order id nor a permId"
            turn.tell_all(events.AnomalyDetected, what=what)
            return None
        is_ours = client_id is not None and client_id == self.client_id
        twin = self._index.by_order_id(order_id, client_id) if is_ours and order_id else None
        entry = OrderEntry(order_id or 0, status=OrderStatus.UNKNOWN, is_ours=is_ours)
        entry.client_id = client_id
        entry.perm_id = perm_id or None
        self._take_in(turn, entry, f"first seen in {source}")
        if twin is not None and not twin.status.is_finished:
            what = f"two live orders have the id {order_id}: permId {twin.perm_id} and {perm_id}"
            report_anomaly(turn, entry, what)
        return entry

    def _take_in(self, turn: Turn, entry: OrderEntry, what: str) -> None:
        self._index.add(entry)
        if entry.client_id in (None, self.client_id):
            self._highest_id = max(self._highest_id, entry.order_id)  # bound manual orders are negative
        entry.note(turn.now, what)
        entry.touched(turn.now)


def _joined(parts: Iterable[Effects]) -> Effects:
    """Put what follows from several orders together."""
    effects = Effects()
    for part in parts:
        effects.join(part)
    return effects


def _learn_total(entry: OrderEntry, size: Decimal, word: BrokerWord | None) -> None:
    # filled + remaining was constant per order in every capture (TWS facts 2.11); a reduction by OCA
    # shows up here. While a modification is open it may still be the old size, which is then the size
    # in force; what counts as a full fill is the largest size that may be (entry.target).
    if size > 0 and (entry.total is None or word in _WORKING_WORDS):
        entry.total = size


def _learn_echo(
    index: OrderIndex,
    fillings: Fillings,
    entry: OrderEntry,
    echo: BrokerOrder,
    contract: Contract | None,
) -> None:
    entry.broker_order = echo
    if contract is not None:
        recounts = entry.ledger.recounts
        entry.ledger.set_contract(contract.sec_type)
        fillings.note_recount(entry, recounts)  # executions that came first may be of legs
        # What we ordered stays as we ordered it; elsewhere the newest echo is the best that is known,
        # better than the contract of an execution, which can be that of a leg.
        if entry.contract is None or (entry.order is None and contract.con_id):
            entry.contract = contract
            index.note_terms(entry)
    kin = entry.parent_id, entry.oca_group
    entry.parent_id = echo.parent_id or entry.parent_id
    if echo.oca_group:
        entry.oca_group = echo.oca_group
        entry.oca_type = echo.oca_type or entry.oca_type
    if kin != (entry.parent_id, entry.oca_group):
        index.note_kin(entry)
