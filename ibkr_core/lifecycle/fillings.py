"""Executions and commissions: which order they belong to, and what they do to it."""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Final

from ibkr_core.lifecycle.asks import Question
from ibkr_core.lifecycle.effects import Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.evidence import trigger_for_execution
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.lifecycle.ledger import Booking, fill_from
from ibkr_core.lifecycle.parts import FillingsState, Key
from ibkr_core.lifecycle.steps import acknowledge, move, report_anomaly
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact, ExecutionFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.model.status import OrderStatus

__all__ = ["MAX_ORPHANS", "FillFeed", "Fillings", "Moved"]

_ZERO: Final = Decimal(0)
MAX_ORPHANS = 10_000
"""Commission reports kept for executions that have not come (those of other clients may never come),
and ids remembered of executions that belong to no order."""


class FillFeed:
    """The executions that changed since somebody looked, each in its newest revision.

    It keeps one for each execution, so it never holds more than the book does.

    Args:
        fills: What it begins with.
    """

    __slots__ = ("_first", "changed")

    def __init__(self, fills: Iterable[Fill] = ()) -> None:
        self._first = fills
        self.changed: dict[str, Fill] = {}
        """Where executions that are new, or are others now, are put by their id without revision."""

    def take(self) -> tuple[Fill, ...]:
        """Return what changed since the last call; one may come twice, then the newest is last."""
        return tuple(self.stream())

    def stream(self) -> Iterable[Fill]:
        """Do as :meth:`take`, but have the first ones, which may be packed, unpacked as they are read.

        This is to be called under the book's lock, and what it returns can be read without it.
        """
        if not self._first and not self.changed:
            return ()
        first, changed = self._first, tuple(self.changed.values())
        self._first = ()
        self.changed.clear()
        return itertools.chain(first, changed) if first else changed


class Moved:
    """What the position of each account and contract was moved by: sums of fills, kept up to date.

    Of packed orders it knows sums only, so it grows with the orders that are awake.

    Args:
        contracts: The contract of each account and contract id.
        sums: What packed orders have moved.
    """

    __slots__ = ("_fills", "changed", "contracts", "sums")

    def __init__(self, contracts: dict[Key, Contract], sums: dict[Key, Decimal]) -> None:
        self.contracts = contracts
        self.sums = sums
        self._fills: dict[str, Fill] = {}
        self.changed: dict[str, Fill] = {}
        """As in :class:`FillFeed`."""

    def total(self) -> Mapping[Key, tuple[Contract, Decimal]]:
        """Return contract and sum by account and contract id."""
        self.settle()
        return {key: (self.contracts[key], quantity) for key, quantity in self.sums.items()}

    def settle(self) -> None:
        """Count what has changed."""
        for base, fill in self.changed.items():
            before = self._fills.pop(base, None)
            if before is not None:
                add_moved(self.sums, self.contracts, before, EXACT.subtract)
            if fill.moves_position:
                self._fills[base] = fill
                add_moved(self.sums, self.contracts, fill, EXACT.add)
        self.changed.clear()

    def know(self, fills: Iterable[tuple[str, Fill]]) -> None:
        """Take the fills of an order that wakes: they are in the sums."""
        self._fills.update((base, fill) for base, fill in fills if fill.moves_position)

    def forget(self, bases: Iterable[str]) -> None:
        """Drop the fills of an order that falls asleep; the sums keep them."""
        self.settle()
        for base in bases:
            self._fills.pop(base, None)


def add_moved(
    sums: dict[Key, Decimal],
    contracts: dict[Key, Contract],
    fill: Fill,
    add: Callable[[Decimal, Decimal], Decimal],
) -> None:
    """Add a fill that moves a position to the sums, or subtract it."""
    key = (fill.account, fill.con_id)
    if key not in contracts:
        contracts[key] = fill.contract or Contract(symbol=fill.symbol, con_id=fill.con_id)
    quantity = fill.quantity if fill.action is Action.BUY else fill.quantity.copy_negate()
    sums[key] = add(sums.get(key, _ZERO), quantity)


class Fillings:
    """Books executions into their orders' ledgers, and joins commissions to them.

    Args:
        index: The orders.

    Attributes:
        owners: By execution id without revision, the order into which it was booked; of those that are awake.
        feeds: Where changed executions are put for those who follow them, see :class:`FillFeed`.
        orphans: Commission reports that wait for their execution, by its id without revision.
    """

    __slots__ = (
        "_contracts",
        "_index",
        "_moved",
        "_orphan_executions",
        "_packed_sums",
        "feeds",
        "orphans",
        "owners",
    )

    def __init__(self, index: OrderIndex) -> None:
        self._index = index
        index.follow(self._wake, self._put_away)
        self._packed_sums: dict[Key, Decimal] = {}  # what packed orders have moved
        self._contracts: dict[Key, Contract] = {}
        self._moved: Moved | None = None  # once somebody asks
        self.feeds: list[dict[str, Fill]] = []
        self.owners: dict[str, OrderEntry] = {}
        self.orphans: OrderedDict[str, list[CommissionFact]] = OrderedDict()
        self._orphan_executions: OrderedDict[str, None] = OrderedDict()

    def owner_of(self, execution_id: ExecutionId) -> OrderEntry | None:
        """Return the order into which an execution was booked before, in whatever revision.

        Its id is unique, so it stays there whatever other ids a repetition shows: an execution that
        counted for two orders would be money twice. One that was packed wakes.
        """
        found = self.owners.get(execution_id.base)
        return found if found is not None else self._index.by_execution(execution_id.base)

    # ── packed orders ───────────────────────────────────────────────────────────────────────────

    def _wake(self, entry: OrderEntry) -> None:
        for base, fill in entry.ledger.newest():
            self.owners[base] = entry
            if fill.moves_position:
                add_moved(self._packed_sums, self._contracts, fill, EXACT.subtract)
        if self._moved is not None:
            self._moved.know(entry.ledger.newest())

    def _put_away(self, entry: OrderEntry) -> None:
        for base, fill in entry.ledger.newest():
            del self.owners[base]
            if fill.moves_position:
                add_moved(self._packed_sums, self._contracts, fill, EXACT.add)
        if self._moved is not None:
            self._moved.forget(entry.ledger.bases)

    def moved(self) -> Mapping[Key, tuple[Contract, Decimal]]:
        """Return what the position of each account and contract was moved by, at the cost of what changed."""
        if self._moved is None:
            self._moved = Moved(self._contracts, dict(self._packed_sums))
            for entry in self._index.awake():
                for base, fill in entry.ledger.newest():
                    self._moved.changed[base] = fill
            self.feeds.append(self._moved.changed)
        return self._moved.total()

    @property
    def state(self) -> FillingsState:
        """What is known beside the orders, all of which are counted as if they were packed."""
        sums, contracts = dict(self._packed_sums), self._contracts
        for entry in self._index.awake():
            for _, fill in entry.ledger.newest():
                if fill.moves_position:
                    add_moved(sums, contracts, fill, EXACT.add)
        return FillingsState(
            sums=[(key, contracts[key], total) for key, total in sums.items()],
            commissions=[(base, tuple(told)) for base, told in self.orphans.items()],
            executions=tuple(self._orphan_executions),
        )

    def take_state(self, state: FillingsState) -> None:
        """Take back what :attr:`state` was, when all orders are packed; those that wake come after it."""
        for key, contract, total in state.sums:
            self._contracts[key], self._packed_sums[key] = contract, total
        self.orphans.update((base, [*told]) for base, told in state.commissions)
        self._orphan_executions.update(dict.fromkeys(state.executions))

    # ── followers ───────────────────────────────────────────────────────────────────────────────

    def follow(self, fills: Iterable[Fill]) -> FillFeed:
        """Return a feed of all changes from now on; it begins with ``fills``."""
        feed = FillFeed(fills)
        self.feeds.append(feed.changed)
        return feed

    def _note(self, base: str, entry: OrderEntry, fill: Fill, recounts: int) -> None:
        """Tell who follows: of one execution, or of all of an order when others are different now, too."""
        for changed in self.feeds:
            changed[base] = fill
        self.note_recount(entry, recounts)

    def note_recount(self, entry: OrderEntry, recounts: int) -> None:
        """Tell who follows of all executions of an order, where they were looked at anew since a count."""
        if entry.ledger.recounts != recounts:
            newest = entry.ledger.newest()
            for changed in self.feeds:
                changed.update(newest)

    def take_execution(
        self, turn: Turn, entry: OrderEntry, fact: ExecutionFact, execution_id: ExecutionId
    ) -> None:
        """Book an execution into its order."""
        before, recounts = entry.filled, entry.ledger.recounts
        self.owners[execution_id.base] = entry
        if self.orphans:
            for report in self.orphans.pop(execution_id.base, ()):
                entry.ledger.report_commission(report)
        booking, fill, previous = entry.ledger.book(fact, execution_id)
        self._note(execution_id.base, entry, fill, recounts)
        if entry.contract is None and fact.contract is not None and not fill.is_leg:
            entry.contract = fact.contract
            turn.index.note_terms(entry)
            entry.touched(turn.now)
        acknowledge(turn, entry)
        if booking is Booking.KNOWN:
            if entry.filled != before:  # the late older revision shows what a correction took away
                entry.note(turn.now, f"filled {entry.filled}: a status had counted what was corrected")
                entry.touched(turn.now)
            return
        entry.touched(turn.now)
        if previous is not None:
            _tell_correction(turn, entry, fill, previous)
        else:
            _tell_fill(turn, entry, fill)
            _ask_for_missing(turn, entry, fact, fill)

    def take_orphan(self, turn: Turn, fact: ExecutionFact) -> None:
        """Take an execution that belongs to no order; tell of it once."""
        if fact.exec_id in self._orphan_executions:
            return
        self._orphan_executions[fact.exec_id] = None
        if len(self._orphan_executions) > MAX_ORPHANS:
            self._orphan_executions.popitem(last=False)
        fill = fill_from(fact, ExecutionId.parse(fact.exec_id))
        turn.tell_all(events.UnattributedExecution, fill=fill)

    def take_commission(self, turn: Turn, fact: CommissionFact) -> None:
        """Join a commission report to its execution, which may still have to come (TWS facts 2.6)."""
        execution_id = ExecutionId.parse(fact.exec_id)
        base = execution_id.base
        entry = self.owner_of(execution_id)
        if entry is None:
            reports = self.orphans.setdefault(base, [])
            if fact not in reports:  # each reqExecutions brings those of other clients again
                reports.append(fact)
            if len(self.orphans) > MAX_ORPHANS:
                self.orphans.popitem(last=False)
            return
        fill = entry.ledger.report_commission(fact, execution_id)
        if fill is None:
            return
        self._note(base, entry, fill, entry.ledger.recounts)
        entry.note(turn.now, "commission %s %s", fill.commission, fill.commission_currency)
        entry.touched(turn.now)
        turn.tell(events.CommissionReported, entry, fill=fill)


def _tell_fill(turn: Turn, entry: OrderEntry, fill: Fill) -> None:
    part = " (leg)" if fill.is_leg else f" ({fill.account})" if fill.is_allocation else ""
    if part:
        entry.note(turn.now, f"executed {fill.quantity} at {fill.price}{part}")
    else:
        entry.note(turn.now, "executed %s at %s", fill.quantity, fill.price)
    entry.touched(turn.now)
    turn.tell(events.ExecutionReceived, entry, fill=fill)
    if fill.commission is not None:  # its report came first
        turn.tell(events.CommissionReported, entry, fill=fill)
    if not fill.counts:
        return
    target = entry.target
    if target is not None and entry.ledger.quantity > target:
        what = f"executions of {entry.ledger.quantity} exceed the order's size of {target}"
        report_anomaly(turn, entry, what)
    trigger = trigger_for_execution(entry)
    why = "executions complete it" if trigger is Trigger.EXEC_FULL else "executed"
    move(turn, entry, trigger, why, fill=fill)
    if not entry.status.is_finished:
        turn.tell(events.OrderPartiallyFilled, entry, fill=fill)


def _tell_correction(turn: Turn, entry: OrderEntry, fill: Fill, previous: Fill) -> None:
    change = f"{previous.quantity} at {previous.price} to {fill.quantity} at {fill.price}"
    entry.note(turn.now, f"execution corrected from {change}")
    entry.touched(turn.now)
    turn.tell(
        events.ExecutionCorrected,
        entry,
        previous=previous,
        fill=fill,
        quantity_delta=EXACT.subtract(fill.quantity, previous.quantity),
        value_delta=EXACT.subtract(fill.value, previous.value),
    )
    if fill.counts and trigger_for_execution(entry) is Trigger.EXEC_FULL:
        move(turn, entry, Trigger.EXEC_FULL, "executions complete it", fill=fill)


def _ask_for_missing(turn: Turn, entry: OrderEntry, fact: ExecutionFact, fill: Fill) -> None:
    counted = fact.cum_quantity
    if fill.counts and counted is not None and counted > entry.ledger.quantity:
        # From before we connected, or lost on the way (TWS facts 3).
        reason = f"the broker counts {counted} executed, we saw {entry.ledger.quantity}"
        turn.ask(entry, reason, Question.EXECUTIONS)
    if not entry.status.is_finished and entry.total is not None and entry.ledger.quantity >= entry.total:
        # The broker may have made the order smaller than we asked for (OCA, code 481).
        turn.ask(entry, f"executions cover {entry.total}, the broker's last size", Question.ORDERS)
    elif entry.status is OrderStatus.UNKNOWN:
        turn.ask(entry, "known only by an execution", Question.ORDERS)
