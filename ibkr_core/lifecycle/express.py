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

from ibkr_core.lifecycle.effects import Scribe
from ibkr_core.lifecycle.entry import OrderEntry, Picture
from ibkr_core.lifecycle.fillings import Fillings
from ibkr_core.lifecycle.transitions import TABLE, Trigger
from ibkr_core.model import events
from ibkr_core.model.events import Event
from ibkr_core.model.facts import CommissionFact, ExecutionFact, HotValues, StatusFact
from ibkr_core.model.fill import Fill, Told
from ibkr_core.model.making import blank
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.model.record import Request
from ibkr_core.model.status import BROKER_WORDS, BrokerWord, OrderStatus

__all__ = ["Express", "QuickTaker"]

# Looked up once: a member of an enum costs more to find than most of what is done with it here.
_ZERO: Final = Decimal(0)
_add: Final = EXACT.add
_FILLED_WORD: Final = BrokerWord.FILLED
_FILLED_STATUS: Final = OrderStatus.FILLED
_FULL: Final = Trigger.EXEC_FULL
_PARTIAL: Final = Trigger.EXEC_PARTIAL
_NEW: Final = Request.NEW
_OrderAcknowledged: Final = events.OrderAcknowledged
_OrderStatusChanged: Final = events.OrderStatusChanged
_ExecutionReceived: Final = events.ExecutionReceived
_OrderPartiallyFilled: Final = events.OrderPartiallyFilled
_OrderFilled: Final = events.OrderFilled
_CommissionReported: Final = events.CommissionReported

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
_NEXT: Final = {
    status: {
        trigger: TABLE[status, trigger].next or status
        for trigger in Trigger
        if not (
            TABLE[status, trigger].anomaly or TABLE[status, trigger].resume or TABLE[status, trigger].illegal
        )
    }
    for status in (*sorted(_WORKING), OrderStatus.FILLED)
}
"""Where THE table leads; what it calls an anomaly is missing here, and goes the general way."""

_SIDES: Final = {"BOT": Action.BUY, "SLD": Action.SELL}
_CLIENTS: Final = ("U", "DU")
"""How the accounts of clients begin; those of advisors begin with F or I, or these behind a D."""
_FIRST_REVISION: Final = ".01"
_DOTS: Final = 2

QuickTaker = Callable[[HotValues, datetime], "list[Event] | None"]
"""Takes the values of a plain fact; returns the events that follow, or None, and then nothing has changed."""


class Express:
    """Takes plain facts quickly, and declines all others.

    Args:
        scribe: Numbers events and pictures orders; has the orders.
        fillings: The executions of all orders.

    Attributes:
        takers: What takes which kind of fact.
    """

    __slots__ = (
        "_feeds",
        "_index",
        "_orders",
        "_orphans",
        "_owners",
        "_packed",
        "_packed_fills",
        "_scribe",
        "takers",
    )

    def __init__(self, scribe: Scribe, fillings: Fillings) -> None:
        self._scribe = scribe
        self._index = scribe.index
        self._orders = scribe.index.known_perm_ids
        self._owners = fillings.owners
        self._orphans = fillings.orphans
        self._feeds = fillings.feeds
        self._packed = scribe.index.archive.by_perm_id
        self._packed_fills = scribe.index.archive.by_execution
        self.takers: dict[type, QuickTaker] = {
            StatusFact: self._take_status,
            ExecutionFact: self._take_execution,
            CommissionFact: self._take_commission,
        }

    # ── a status word ───────────────────────────────────────────────────────────────────────────

    def _take_status(self, values: HotValues, now: datetime) -> list[Event] | None:
        _, order_id, text, filled, remaining, average, perm_id, parent_id, _, client_id, why_held, _ = values
        entry = self._orders.get(perm_id)
        if entry is None and perm_id not in self._packed:
            entry = self._index.unseen(order_id, client_id)
        if entry is None or not perm_id or (parent_id and parent_id != entry.parent_id):
            return None
        executed, before = entry.ledger.quantity, entry.status
        meant = (_FILLED if executed else _UNFILLED).get(text)
        if meant is None or before not in _NEXT:
            return None
        word, trigger = meant
        after = _NEXT[before].get(trigger)
        if after is None or filled is None or remaining is None:
            return None
        if not executed >= filled >= entry.broker_filled:
            return None  # it counts more than the executions show, or less than it did
        scribe = self._scribe
        picture = scribe.picture(entry)
        if not entry.perm_id:
            self._index.learn_perm_id(entry, perm_id)
        if filled:
            entry.broker_avg_price = average
        entry.broker_filled, entry.broker_remaining = filled, remaining
        if word is not _FILLED_WORD or entry.total is None:
            size = _add(filled, remaining)
            if size > _ZERO:
                entry.total = size
        entry.why_held = why_held
        entry.broker_word, entry.meaning = text, word
        entry.heard_time = entry.last_update_time = now
        entry.drawn = None
        told = [] if entry.acknowledged_time is not None else self._acknowledge(entry, now, picture)
        if after is not before:
            entry.go(after, now, "the broker says %s", text)
            scribe.seq = seq = scribe.seq + 1
            told.append(_moved(now, seq, picture, before, after))
            if after is _FILLED_STATUS:
                self._finish(told, entry, now, picture, None)
        return told

    # ── an execution ────────────────────────────────────────────────────────────────────────────

    def _take_execution(self, values: HotValues, now: datetime) -> list[Event] | None:
        (_, exec_id, side, shares, price, _, _, _, perm_id, contract, time, account, exchange,
         counted, _, ref, liquidity, may_change) = values  # fmt: skip
        entry = self._orders.get(perm_id)
        base, action = exec_id[:-3], _SIDES.get(side)
        # A finished order that has it wakes; and a report may wait for it.
        is_known = base in self._owners or base in self._packed_fills or base in self._orphans
        if entry is None or action is None or is_known:
            return None
        if exec_id[-3:] != _FIRST_REVISION or base.count(".") != _DOTS or ".." in exec_id or base[0] == ".":
            return None  # no usual id, or a correction
        ledger, order = entry.ledger, entry.order
        if not ledger.is_plain or order is None or entry.contract is None or entry.status not in _WORKING:
            return None
        if contract is None or contract.sec_type == "BAG" or not account.startswith(_CLIENTS):
            return None
        if entry.proposals or entry.put_aside or entry.client_id is None or (ref and not entry.key):
            return None
        executed, total, size = _add(ledger.quantity, shares), entry.total, order.quantity
        if total is not None and total > size:
            size = total
        is_complete = executed >= size
        if executed > size or entry.broker_filled > executed or (counted is not None and counted > executed):
            return None  # too many, or some are missing
        if size <= _ZERO or (not is_complete and total is not None and executed >= total):
            return None  # its size is not certain: an order for an amount of money, or one made smaller
        its = (
            exec_id,
            shares,
            price,
            action,
            contract,
            time,
            account,
            exchange,
            counted,
            liquidity,
            may_change,
        )
        return self._book(entry, base, its, executed, now, is_complete=is_complete)

    def _book(
        self, entry: OrderEntry, base: str, its: Told, executed: Decimal, now: datetime, *, is_complete: bool
    ) -> list[Event]:
        scribe, before = self._scribe, entry.status
        picture = scribe.picture(entry)
        self._owners[base] = entry
        fill = entry.ledger.add_plain(base, its, executed)
        for changed in self._feeds:
            changed[base] = fill
        entry.heard_time = entry.last_update_time = now
        entry.drawn = None
        entry.note(now, "executed %s at %s", its[1], its[2])
        told = [] if entry.acknowledged_time is not None else self._acknowledge(entry, now, picture)
        scribe.seq = seq = scribe.seq + 1
        told.append(_about_fill(_RECEIVED(), _ExecutionReceived, now, seq, picture, fill))
        after = _NEXT[before][_FULL if is_complete else _PARTIAL]
        if after is not before:
            entry.go(after, now, "executions complete it" if is_complete else "executed")
            scribe.seq = seq = scribe.seq + 1
            told.append(_moved(now, seq, picture, before, after))
        if is_complete:
            self._finish(told, entry, now, picture, fill)
            return told
        scribe.seq = seq = scribe.seq + 1
        told.append(_about_fill(_PARTLY(), _OrderPartiallyFilled, now, seq, picture, fill))
        return told

    # ── a commission ────────────────────────────────────────────────────────────────────────────

    def _take_commission(self, values: HotValues, now: datetime) -> list[Event] | None:
        _, exec_id, amount, currency, realized_pnl = values
        base = exec_id[:-3]
        entry = self._owners.get(base)
        if entry is None or amount is None or not entry.ledger.is_plain:
            return None
        ledger, scribe = entry.ledger, self._scribe
        its = ledger.unpaid(base)
        if its is None or its[0] != exec_id:
            return None  # the same text is the same execution, in the same revision
        picture = scribe.picture(entry)
        fill = ledger.pay_plain(base, its, amount, currency, realized_pnl)
        for changed in self._feeds:
            changed[base] = fill
        entry.note(now, "commission %s %s", amount, currency)
        entry.last_update_time = now
        entry.drawn = None
        scribe.seq = seq = scribe.seq + 1
        return [_about_fill(_REPORTED(), _CommissionReported, now, seq, picture, fill)]

    # ── what comes once in an order's life ──────────────────────────────────────────────────────

    def _acknowledge(self, entry: OrderEntry, now: datetime, picture: Picture) -> list[Event]:
        """Note the first sign of life; returns what is to be told of it."""
        entry.acknowledged_time = now
        entry.pending.pop(_NEW, None)
        if entry.submission_time is None:
            return []
        event = _KNOWN()
        event.at = now
        event.seq = self._scribe.next_seq()
        event.is_dry_run = False
        event.shown = picture
        event.__class__ = _OrderAcknowledged
        return [event]

    def _finish(
        self, told: list[Event], entry: OrderEntry, now: datetime, picture: Picture, fill: Fill | None
    ) -> None:
        """Tell that an order became completely filled."""
        self._index.sort_in(entry)
        seq = self._scribe.next_seq()
        told.append(_about_fill(_FULLY(), _OrderFilled, now, seq, picture, fill))


_KNOWN: Final = blank(events.OrderAcknowledged)
_MOVED: Final = blank(events.OrderStatusChanged)
_RECEIVED: Final = blank(events.ExecutionReceived)
_PARTLY: Final = blank(events.OrderPartiallyFilled)
_FULLY: Final = blank(events.OrderFilled)
_REPORTED: Final = blank(events.CommissionReported)
"""Blanks: a constructor would cost three times as much."""


def _moved(now: datetime, seq: int, picture: Picture, before: OrderStatus, after: OrderStatus) -> Event:
    """Make the event of a changed status; every field of it stands here."""
    event = _MOVED()
    event.at = now
    event.seq = seq
    event.is_dry_run = False
    event.shown = picture
    event.previous = before
    event.current = after
    event.__class__ = _OrderStatusChanged
    return event  # type: ignore[no-any-return]  # it is one now


def _about_fill(
    event: Any,  # noqa: ANN401 - a blank of that kind
    kind: type[Event],
    now: datetime,
    seq: int,
    picture: Picture,
    fill: Fill | None,
) -> Event:
    """Make the event of a blank, of a kind that has a fill beside what all have."""
    event.at = now
    event.seq = seq
    event.is_dry_run = False
    event.shown = picture
    event.fill = fill
    event.__class__ = kind
    return event  # type: ignore[no-any-return]  # it is one now
