"""One order inside the book: mutable, and turned into immutable records on demand.

The status has one door: :meth:`OrderEntry.move`, which reads THE table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ibkr_core.lifecycle.brief import Brief, take_brief
from ibkr_core.lifecycle.ledger import Ledger
from ibkr_core.lifecycle.transitions import Step, Trigger, step
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import BrokerOrder, Order
from ibkr_core.model.record import HistoryEntry, OrderMessage, OrderRecord, Request
from ibkr_core.model.status import FINISHED, BrokerWord, OrderStatus

__all__ = ["MAX_HISTORY", "MAX_MESSAGES", "OrderEntry", "Picture"]

_ZERO: Final = Decimal(0)
_Line = tuple[Any, ...]
"""A line of the history that nobody has read yet: the moment, the status, the words, and what stands at each
``%s`` in them. It is put together when somebody reads it."""
_MOST_DETAILS: Final = 2
_LINE: Final = 3 + _MOST_DETAILS
"""Places of a line in the list that holds them all: moment, status, words, and what stands at up to two
``%s`` in them, :data:`_NOTHING` where nothing does. A line of its own would be an object that the garbage
collector looks through, and there are as many as callbacks. Once it was read the entry is in its first place.
"""
_NOTHING: Final = object()
# Found at once, in compiled code too: they are asked for with every callback.
_ENDS: Final = FINISHED
_REJECTED: Final = OrderStatus.REJECTED

MAX_MESSAGES: Final = 1_000
"""Messages kept per order. A gateway can repeat one many times a second (TWS facts 2.1)."""
MAX_HISTORY: Final = 1_000
"""History lines kept per order; the first ones and the newest stay."""


class Picture:
    """An order as it was right after a fact or a command, made into a record only when somebody looks.

    Most events are looked at in passing, or by nobody. Before the order changes again the book fixes every
    picture that is still held (:meth:`fix`), so that whoever looks later sees what was true then.

    Args:
        entry: The order.
        guard: Held while the order is looked at, since its owner may change it on another thread.
    """

    __slots__ = ("entry", "fixed", "guard", "noted", "times")

    def __init__(self, entry: OrderEntry, guard: AbstractContextManager[Any]) -> None:
        self.entry = entry
        self.guard = guard
        self.fixed: OrderRecord | None = None
        """The record, once it is made."""
        self.noted: Brief | None = None
        """What a line about it needs, once somebody has asked."""
        self.times: tuple[datetime | None, datetime | None] | None = None
        """When the order had been sent and last changed, where that is all that has changed since."""

    @property
    def order_id(self) -> int:
        """The order's id."""
        return (self.fixed or self.entry).order_id

    @property
    def parent_id(self) -> int:
        """Order id of the bracket parent, 0 for none."""
        return (self.fixed or self.entry).parent_id

    def fix(self) -> None:
        """Make the record now. Requires holding the guard."""
        if self.fixed is None:
            entry = self.entry
            self.fixed = entry.snapshot() if self.times is None else entry.snapshot_of(*self.times)

    def before_sent(self) -> None:
        """Keep what it shows when nothing of the order will change but that it was sent. Requires the guard.

        Every new order changes so right after it was pictured, and few look at the record of that picture.
        """
        if self.times is None:
            self.times = self.entry.sent_time, self.entry.last_update_time

    @property
    def order(self) -> Order | None:
        """The order's terms, for which no record need be made."""
        with self.guard:
            return (self.fixed or self.entry).order

    def brief(self) -> OrderRecord | Brief:
        """Return what a line about the order needs, as it was. Requires holding the guard.

        Holding it does not hold the picture, so nothing needs to be fixed for it.
        """
        if self.fixed is not None:
            return self.fixed
        if self.noted is None:  # all events of a callback share it
            self.noted = take_brief(self.entry, self.guard)
        return self.noted

    def record(self) -> OrderRecord:
        """Return the order as it was."""
        if self.fixed is None:
            with self.guard:
                self.fix()
        return self.fixed  # type: ignore[return-value]  # fixed above, or before the order changed


def _line(history: list[Any], place: int) -> _Line:
    return tuple(one for one in history[place : place + _LINE] if one is not _NOTHING)


class OrderEntry:
    """Everything the book knows about one order."""

    __slots__ = (
        "_history",
        "_messages",
        "acknowledged_time",
        "broker_avg_price",
        "broker_commission",
        "broker_filled",
        "broker_order",
        "broker_remaining",
        "broker_word",
        "cancel_requested",
        "client_id",
        "contract",
        "drawn",
        "finished_time",
        "former_perm_ids",
        "heard_time",
        "is_listed_no_more",
        "is_ours",
        "key",
        "last_update_time",
        "ledger",
        "meaning",
        "modified",
        "oca_group",
        "oca_type",
        "order",
        "order_id",
        "parent_id",
        "pending",
        "perm_id",
        "place",
        "proposals",
        "put_aside",
        "reject",
        "retry_count",
        "row",
        "sent_time",
        "shown",
        "status",
        "submission_time",
        "total",
        "was_released",
        "why_held",
    )

    def __init__(self, order_id: int, *, status: OrderStatus, is_ours: bool) -> None:
        self.order_id = order_id
        self.client_id: int | None = None
        self.perm_id: int | None = None
        self.former_perm_ids: tuple[int, ...] = ()  # of attempts that were sent again: they still mean it
        self.row = self.place = 0  # its age among all orders, and among those of its id; the index's business
        self.key = ""
        self.contract: Contract | None = None
        self.order: Order | None = None
        self.broker_order: BrokerOrder | None = None
        self.proposals: list[Order] = []
        self.put_aside: list[Order] = []  # proposals given up unanswered: they may still come into force
        self.pending: dict[Request, datetime] = {}  # in the order of asking, with the moment
        self.status = status
        """What is proved about the order; to look at only: :meth:`move` is its one door."""
        self.broker_word = ""
        self.meaning: BrokerWord | None = None  # of the last word that we understood
        self.broker_filled = _ZERO
        self.broker_remaining: Decimal | None = None
        self.broker_avg_price: Decimal | None = None
        self.broker_commission: tuple[Decimal, str] | None = None
        self.total: Decimal | None = None
        self.ledger = Ledger()
        self.reject: OrderMessage | None = None
        self.why_held = ""
        self.parent_id = 0
        self.oca_group = ""
        self.oca_type = 0
        self.is_ours = is_ours
        self.cancel_requested = False
        self.modified = False
        self.is_listed_no_more = False
        self.retry_count = 0
        self.was_released = False
        self.submission_time: datetime | None = None
        self.sent_time: datetime | None = None
        self.acknowledged_time: datetime | None = None
        self.heard_time: datetime | None = None
        self.last_update_time: datetime | None = None
        self.finished_time: datetime | None = None
        self._history: list[Any] = []  # of lines in a row, see _LINE
        self._messages: list[OrderMessage] = []
        self.drawn: OrderRecord | None = None
        """The record as it stands, once somebody has looked."""
        self.shown: Picture | None = None
        """What the newest events show; see :class:`ibkr_core.lifecycle.effects.Scribe`."""

    # ── status: the one door ────────────────────────────────────────────────────────────────────

    @property
    def end_is_presumed(self) -> bool:
        """Whether it ended on a code alone, or on lists that lacked it: a sign of life overrules that."""
        if self.status is OrderStatus.REJECTED:
            return self.acknowledged_time is None or self.is_listed_no_more
        return self.status is OrderStatus.CANCELLED and self.is_listed_no_more

    def move(self, trigger: Trigger, now: datetime, why: str, detail: object = _NOTHING) -> Step:
        """Apply a trigger by THE table, and note the step. The caller has refused illegal ones.

        Args:
            trigger: What happened.
            now: The moment.
            why: A line for the history.
            detail: What stands at its ``%s``, if it has one.

        Returns:
            The table's cell, so that the caller can report an anomaly.
        """
        cell = step(self.status, trigger)
        if cell.is_idle:
            return cell
        target = self._resumed() if cell.resume else cell.next
        if target is not None and target is not self.status:
            self.go(target, now, why, detail)
        elif cell.anomaly:
            self.note(now, "anomaly: " + why, detail)
        return cell

    def go(self, target: OrderStatus, now: datetime, why: str, detail: object = _NOTHING) -> None:
        """Take the status to which THE table leads from here; the other half of the door.

        Only for :meth:`move`, and for the express lane, which has looked into the table itself.
        """
        was_finished, self.status = self.status in _ENDS, target
        if target in _ENDS:
            self.finished_time = now
            self.pending.clear()
            self.proposals.clear()
        else:
            self.finished_time = None
            self.is_listed_no_more = False
        if was_finished and target is not _REJECTED:
            self.reject = None  # it was not the end after all; the message stays among the others
        self.note(now, why, detail)

    def _resumed(self) -> OrderStatus:
        """Say what the broker's last word and the fills prove, with our refused request put aside."""
        word = self.meaning
        if word in (BrokerWord.PRE_SUBMITTED, BrokerWord.SUBMITTED):
            if self.filled > 0:
                return OrderStatus.PARTIALLY_FILLED
            return OrderStatus.SUBMITTED if word is BrokerWord.SUBMITTED else OrderStatus.PRE_SUBMITTED
        if word is BrokerWord.PENDING_CANCEL:
            return OrderStatus.PENDING_CANCEL
        if word is BrokerWord.INACTIVE:
            return OrderStatus.INACTIVE
        if self.filled > 0:
            return OrderStatus.PARTIALLY_FILLED
        return OrderStatus.PENDING_SUBMIT if word in (None, BrokerWord.PENDING) else OrderStatus.UNKNOWN

    # ── quantities ──────────────────────────────────────────────────────────────────────────────

    @property
    def filled(self) -> Decimal:
        """Executions, or the broker's own count where that is ahead (it is a lower bound)."""
        ledger = self.ledger
        told = self.broker_filled
        if ledger.corrected_away:
            told = EXACT.subtract(told, ledger.corrected_away)
        return max(ledger.quantity, told)

    @property
    def unexplained(self) -> Decimal:
        """What the broker counts as filled beyond the executions that we have seen."""
        return EXACT.subtract(self.filled, self.ledger.quantity)

    @property
    def average_price(self) -> Decimal | None:
        """Over the executions; the broker's own figure where executions are missing."""
        if self.unexplained > 0 and self.broker_avg_price is not None:
            return self.broker_avg_price
        return self.ledger.average_price

    @property
    def target(self) -> Decimal | None:
        """The quantity that fills the order for certain: the largest size it may have right now."""
        if self.order is None and not self.proposals and not self.put_aside:
            return self.total if self.total is not None and self.total > 0 else None
        sizes = [order.quantity for order in (*self.proposals, *self.put_aside)]
        if self.order is not None:
            sizes.append(self.order.quantity)
        if self.total is not None:
            sizes.append(self.total)
        largest = max(sizes, default=_ZERO)
        return largest if largest > 0 else None

    @property
    def remaining(self) -> Decimal | None:
        """What is still open, None while the size is unknown."""
        if self.status is OrderStatus.FILLED:
            return _ZERO
        if self.total is None:
            return None
        return max(EXACT.subtract(self.total, self.filled), _ZERO)

    # ── notes ───────────────────────────────────────────────────────────────────────────────────

    def note(self, now: datetime, what: str, first: object = _NOTHING, second: object = _NOTHING) -> None:
        """Add a line to the history: words, and what stands at each ``%s`` in them, of which two may be."""
        history = self._history
        if len(history) >= MAX_HISTORY * _LINE:
            # The beginning tells how it came to be, the end how it stands: drop from the middle.
            middle = MAX_HISTORY // 2 * _LINE
            del history[middle : middle + _LINE]
        history += (now, self.status, what, first, second)

    def _read_history(self) -> tuple[HistoryEntry, ...]:
        history = self._history
        for place in range(len(history) - _LINE, -1, -_LINE):
            if isinstance(history[place], HistoryEntry):
                break  # what was read before stands in front
            at, status, what, *details = _line(history, place)
            text = what % tuple(details) if details else what
            # Broker texts have line breaks, and a history line has none.
            entry = HistoryEntry(at=at, status=status, what=" ".join(text.split()))
            history[place : place + _LINE] = [entry] + [None] * (_LINE - 1)
        return tuple(history[::_LINE])

    def add_message(self, message: OrderMessage) -> None:
        """Keep a broker message."""
        if len(self._messages) >= MAX_MESSAGES:
            del self._messages[MAX_MESSAGES // 2]
        self._messages.append(message)

    def raw_history(self) -> list[HistoryEntry | _Line]:
        """Return the lines of the history as they are kept, for packing."""
        history = self._history
        return [
            one if isinstance(one, HistoryEntry) else _line(history, place * _LINE)
            for place, one in enumerate(history[::_LINE])
        ]

    @property
    def messages(self) -> Sequence[OrderMessage]:
        """The broker's messages, oldest first."""
        return self._messages

    def take_back(self, messages: list[OrderMessage], history: Iterable[_Line]) -> None:
        """Take messages and lines as they were when the order was packed."""
        self._messages, self._history = messages, []
        for at, status, what, *details in history:
            if len(details) > _MOST_DETAILS:
                self._history += (at, status, what % tuple(details), _NOTHING, _NOTHING)
            else:
                self._history += (at, status, what, *details, *[_NOTHING] * (_MOST_DETAILS - len(details)))

    def touched(self, now: datetime) -> None:
        """Say that something about the order changed: the next snapshot is a new one."""
        self.last_update_time = now
        self.drawn = None

    # ── snapshot ────────────────────────────────────────────────────────────────────────────────

    def atoms(self, guard: AbstractContextManager[Any]) -> tuple[Any, ...]:
        """Return what a :class:`~ibkr_core.lifecycle.brief.Brief` consists of. Requires holding the guard."""
        quantity, value, corrected_away = self.ledger.totals
        return (
            self,
            guard,
            self.order_id,
            self.perm_id,
            self.key,
            self.contract,
            self.order,
            self.broker_order,
            self.status,
            self.total,
            self.reject,
            self.broker_filled,
            self.broker_avg_price,
            quantity,
            value,
            corrected_away,
        )

    def snapshot(self) -> OrderRecord:
        """Return an immutable picture of the order as it is now."""
        if self.drawn is None:
            self.drawn = self._picture()
        return self.drawn

    def snapshot_of(self, sent: datetime | None, updated: datetime | None) -> OrderRecord:
        """Return a picture of the order as it is now, but for when it was sent and last changed."""
        present = self.sent_time, self.last_update_time
        self.sent_time, self.last_update_time = sent, updated
        try:
            return self._picture()
        finally:
            self.sent_time, self.last_update_time = present

    def _picture(self) -> OrderRecord:
        ledger = self.ledger
        return OrderRecord(
            order_id=self.order_id,
            perm_id=self.perm_id,
            client_id=self.client_id,
            key=self.key,
            contract=self.contract,
            order=self.order,
            broker_order=self.broker_order,
            status=self.status,
            broker_status=self.broker_word,
            total_quantity=self.total,
            filled_quantity=self.filled,
            remaining_quantity=self.remaining,
            broker_remaining=self.broker_remaining,
            avg_fill_price=self.average_price,
            fills=ledger.fills,
            leg_fills=ledger.leg_fills,
            allocation_fills=ledger.allocation_fills,
            unexplained_quantity=self.unexplained,
            commissions=self._commissions(),
            pending=tuple(self.pending),
            reject=self.reject,
            messages=tuple(self._messages),
            why_held=self.why_held,
            parent_id=self.parent_id,
            oca_group=self.oca_group,
            oca_type=self.oca_type,
            is_ours=self.is_ours,
            retry_count=self.retry_count,
            submission_time=self.submission_time,
            sent_time=self.sent_time,
            acknowledged_time=self.acknowledged_time,
            heard_time=self.heard_time,
            last_update_time=self.last_update_time,
            finished_time=self.finished_time,
            history=self._read_history(),
        )

    def _commissions(self) -> Mapping[str, Decimal]:
        reported = self.ledger.commissions()
        if reported or self.broker_commission is None:
            return reported
        # The broker's own running total; never added to the reports (TWS facts 9.6).
        amount, currency = self.broker_commission
        return MappingProxyType({currency: amount})
