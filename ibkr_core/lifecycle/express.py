"""The express lane: what happens a thousand times a second, taken in one go.

Nearly all callbacks of a busy session are of three kinds, and plain: a status word of an order that works, a
new execution of it, the first commission of that. The book's general way asks of each what it could mean in
every case; here one look shows that nothing is unusual, and the few things that then change are changed at
once. What is unusual in any respect is declined (None) before anything was touched, and goes the general way.

The lane decides nothing of its own. Statuses move through the one door (:meth:`OrderEntry.move`), by THE
table; and a book without the lane must come to the same records, events, questions and numbers for every
sequence of facts and commands: ``tests/lifecycle/test_express.py`` holds that.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from ibkr_core.lifecycle.effects import Effects, Scribe, Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.fillings import Fillings
from ibkr_core.lifecycle.steps import acknowledge
from ibkr_core.lifecycle.transitions import TABLE, Trigger
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact, ExecutionFact, StatusFact
from ibkr_core.model.fill import Fill, parse_execution_time
from ibkr_core.model.making import making
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.model.status import BROKER_WORDS, BrokerWord, OrderStatus

__all__ = ["Express"]

_ZERO: Final = Decimal(0)
_blank: Final = object.__new__

_WORKING: Final = frozenset(
    {
        OrderStatus.PENDING_SUBMIT,
        OrderStatus.PRE_SUBMITTED,
        OrderStatus.SUBMITTED,
        OrderStatus.PARTIALLY_FILLED,
    }
)
"""Statuses in which a plain fact means what it says: nothing of ours is open that it could have crossed."""


def _steps_of(words: Mapping[BrokerWord, Trigger]) -> Mapping[str, tuple[BrokerWord, Trigger]]:
    return {text: (word, words[word]) for text, word in BROKER_WORDS.items() if word in words}


_UNFILLED: Final = _steps_of(
    {
        BrokerWord.PRE_SUBMITTED: Trigger.WORD_PRE_SUBMITTED,
        BrokerWord.SUBMITTED: Trigger.WORD_SUBMITTED,
        BrokerWord.FILLED: Trigger.WORD_FILLED,
    }
)
"""What the words mean of an order without fills, and which trigger they are then."""
_FILLED: Final = _steps_of(
    {
        BrokerWord.PRE_SUBMITTED: Trigger.WORD_PARTIAL,
        BrokerWord.SUBMITTED: Trigger.WORD_PARTIAL,
        BrokerWord.FILLED: Trigger.WORD_FILLED,
    }
)
"""The same of an order with fills."""
_IDLE: Final = {
    status: frozenset(trigger for trigger in Trigger if TABLE[status, trigger].is_idle)
    for status in OrderStatus
}
"""What changes no status."""

_SIDES: Final = {"BOT": Action.BUY, "SLD": Action.SELL}
_CLIENTS: Final = ("U", "DU")
"""How the accounts of clients begin; those of advisors begin with F or I, or these behind a D."""
_FIRST_REVISION: Final = "01"
_DOTS: Final = 3


class Express:
    """Takes plain facts quickly, and declines all others.

    Args:
        scribe: Numbers events and pictures orders; has the orders.
        fillings: The executions of all orders.

    Attributes:
        takers: What takes which kind of fact: it returns what follows from one, None where it declines.
    """

    __slots__ = ("_fillings", "_orders", "_owners", "_scribe", "takers")

    def __init__(self, scribe: Scribe, fillings: Fillings) -> None:
        self._scribe = scribe
        self._orders = scribe.index.known_perm_ids
        self._fillings = fillings
        self._owners = fillings.owners
        self.takers: Mapping[type, Callable[[Any, datetime], Effects | None]] = {
            StatusFact: self._take_status,
            ExecutionFact: self._take_execution,
            CommissionFact: self._take_commission,
        }

    # ── a status word ───────────────────────────────────────────────────────────────────────────

    def _take_status(self, fact: StatusFact, now: datetime) -> Effects | None:
        entry = self._orders.get(fact.perm_id)
        if entry is None:
            return None
        executed, before = entry.ledger.quantity, entry.status
        meant = (_FILLED if executed else _UNFILLED).get(fact.status)
        if meant is None:
            return None
        word, trigger = meant
        if before not in _WORKING and (before is not OrderStatus.FILLED or word is not BrokerWord.FILLED):
            return None
        filled, remaining = fact.filled, fact.remaining
        if filled is None or remaining is None or not executed >= filled >= entry.broker_filled:
            return None  # it counts more than the executions show, or less than it did
        scribe = self._scribe
        scribe.fix_pictures()
        if filled:
            entry.broker_avg_price = fact.avg_fill_price
        entry.broker_filled, entry.broker_remaining = filled, remaining
        if entry.total is None or word is not BrokerWord.FILLED:
            size = EXACT.add(filled, remaining)
            if size > _ZERO:
                entry.total = size
        entry.why_held = fact.why_held
        if fact.parent_id:
            entry.parent_id = fact.parent_id
        entry.broker_word, entry.meaning = fact.status, word
        turn = Turn(now, scribe)
        if entry.acknowledged_time is None:
            acknowledge(turn, entry)
        entry.heard_time = now
        entry.touched(now)
        if trigger not in _IDLE[before]:
            entry.move(trigger, now, "the broker says %s", fact.status)
            self._tell_move(turn, entry, before, None)
        return turn

    # ── an execution ────────────────────────────────────────────────────────────────────────────

    def _take_execution(self, fact: ExecutionFact, now: datetime) -> Effects | None:
        entry, base = self._orders.get(fact.perm_id), _base_of(fact.exec_id)
        if entry is None or base is None or base in self._owners or self._fillings.has_orphan(base):
            return None
        action, contract = _SIDES.get(fact.side), fact.contract
        if action is None or contract is None or not fact.account.startswith(_CLIENTS):
            return None
        ledger, order = entry.ledger, entry.order
        if not ledger.is_plain or order is None or entry.contract is None or contract.sec_type == "BAG":
            return None
        if entry.status not in _WORKING or entry.proposals or entry.put_aside:
            return None
        if entry.client_id is None or (fact.order_ref and not entry.key):
            return None
        executed, total, counted = EXACT.add(ledger.quantity, fact.shares), entry.total, fact.cum_quantity
        size = order.quantity if total is None or total < order.quantity else total
        is_complete = executed >= size
        if executed > size or entry.broker_filled > executed or (counted is not None and counted > executed):
            return None  # too many, or some are missing
        if size <= _ZERO or (not is_complete and total is not None and executed >= total):
            return None  # its size is not certain: an order for an amount of money, or one made smaller
        return self._book(entry, base, _fill(fact, action, contract), now, is_complete=is_complete)

    def _book(self, entry: OrderEntry, base: str, fill: Fill, now: datetime, *, is_complete: bool) -> Turn:
        scribe, before = self._scribe, entry.status
        scribe.fix_pictures()
        self._owners[base] = entry
        entry.ledger.add_plain(base, fill)
        for feed in self._fillings.feeds:
            feed.note(base, fill)
        turn = Turn(now, scribe)
        if entry.acknowledged_time is None:
            acknowledge(turn, entry)
        entry.heard_time = now
        entry.note(now, "executed %s at %s%s", fill.quantity, fill.price, "")
        entry.touched(now)
        turn.tell_fill(_RECEIVED, events.ExecutionReceived, entry, fill)
        trigger = Trigger.EXEC_FULL if is_complete else Trigger.EXEC_PARTIAL
        if trigger not in _IDLE[before]:
            entry.move(trigger, now, "executions complete it" if is_complete else "executed")
            self._tell_move(turn, entry, before, fill)
        if not is_complete:
            turn.tell_fill(_PARTLY, events.OrderPartiallyFilled, entry, fill)
        return turn

    # ── a commission ────────────────────────────────────────────────────────────────────────────

    def _take_commission(self, fact: CommissionFact, now: datetime) -> Effects | None:
        base = _base_of(fact.exec_id)
        entry = self._owners.get(base) if base is not None else None
        if entry is None or base is None or fact.commission is None:
            return None
        ledger = entry.ledger
        unpaid = ledger.unpaid(base) if ledger.is_plain else None
        if unpaid is None or unpaid.revision != 1:
            return None
        scribe = self._scribe
        scribe.fix_pictures()
        fill = _paid(unpaid, fact)
        ledger.pay_plain(base, fact, fill)
        for feed in self._fillings.feeds:
            feed.note(base, fill)
        entry.note(now, "commission %s %s", fact.commission, fact.currency)
        entry.touched(now)
        turn = Turn(now, scribe)
        turn.tell_fill(_REPORTED, events.CommissionReported, entry, fill)
        return turn

    # ── what is told ────────────────────────────────────────────────────────────────────────────

    def _tell_move(self, turn: Turn, entry: OrderEntry, before: OrderStatus, fill: Fill | None) -> None:
        after = entry.status
        turn.tell_move(entry, before, after)
        if after is OrderStatus.FILLED:
            self._scribe.index.sort_in(entry)
            turn.tell_fill(_FULLY, events.OrderFilled, entry, fill)


_RECEIVED: Final = making(events.ExecutionReceived)
_PARTLY: Final = making(events.OrderPartiallyFilled)
_FULLY: Final = making(events.OrderFilled)
_REPORTED: Final = making(events.CommissionReported)
_FILL: Final = making(Fill)


def _base_of(exec_id: str) -> str | None:
    """Return an execution's id without its revision; None for a later one, and for any other shape."""
    base, _, revision = exec_id.rpartition(".")
    if revision != _FIRST_REVISION or base.count(".") != _DOTS - 1 or ".." in base:
        return None
    return base if base[0] != "." and base[-1] != "." else None


def _fill(fact: ExecutionFact, action: Action, contract: Contract) -> Fill:
    """Make the fill of a plain execution; every field of a Fill stands here."""
    fill: Any = _blank(_FILL)
    fill.exec_id = fact.exec_id
    fill.quantity = fact.shares
    fill.price = fact.price
    fill.action = action
    fill.revision = 1
    fill.time = parse_execution_time(fact.time) if fact.time else None
    fill.time_text = fact.time
    fill.exchange = fact.exchange
    fill.account = fact.account
    fill.liquidity = fact.liquidity
    fill.cum_quantity = fact.cum_quantity
    fill.commission = None
    fill.commission_currency = ""
    fill.realized_pnl = None
    fill.is_leg = False
    fill.symbol = contract.name
    fill.con_id = contract.con_id
    fill.price_may_change = fact.pending_price_revision
    fill.contract = contract
    fill.is_allocated = False
    fill.is_allocation = False
    fill.__class__ = Fill
    return fill  # type: ignore[no-any-return]  # it is one now


def _paid(unpaid: Fill, fact: CommissionFact) -> Fill:
    """Make a fill again with its commission."""
    fill: Any = _blank(_FILL)
    fill.exec_id = unpaid.exec_id
    fill.quantity = unpaid.quantity
    fill.price = unpaid.price
    fill.action = unpaid.action
    fill.revision = 1
    fill.time = unpaid.time
    fill.time_text = unpaid.time_text
    fill.exchange = unpaid.exchange
    fill.account = unpaid.account
    fill.liquidity = unpaid.liquidity
    fill.cum_quantity = unpaid.cum_quantity
    fill.commission = fact.commission
    fill.commission_currency = fact.currency
    fill.realized_pnl = fact.realized_pnl
    fill.is_leg = False
    fill.symbol = unpaid.symbol
    fill.con_id = unpaid.con_id
    fill.price_may_change = unpaid.price_may_change
    fill.contract = unpaid.contract
    fill.is_allocated = False
    fill.is_allocation = False
    fill.__class__ = Fill
    return fill  # type: ignore[no-any-return]  # it is one now
