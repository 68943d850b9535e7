"""What applying a fact or a command leads to: events to publish, and questions for the broker."""

from __future__ import annotations

import enum
import weakref
from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

import attrs

from ibkr_core.lifecycle.entry import OrderEntry, Picture
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.model.events import Event, OrderEvent, OrderStatusChanged
from ibkr_core.model.fill import Fill
from ibkr_core.model.making import making
from ibkr_core.model.record import Request
from ibkr_core.model.status import OrderStatus

__all__ = ["Ask", "Effects", "Question", "RetryWanted", "Scribe", "Turn"]


_MOVED: Final = making(OrderStatusChanged)
_blank: Final = object.__new__


class Question(enum.Enum):
    """What to ask the broker."""

    ORDERS = "open and completed orders"
    EXECUTIONS = "executions"


@attrs.frozen
class Ask:
    """A question for the broker, because the book cannot settle something by itself.

    Attributes:
        question: What to ask.
        order_id: The order that it is about.
        reason: Why, in words.
    """

    question: Question
    order_id: int
    reason: str


@attrs.frozen
class RetryWanted:
    """A request was turned down for now: nothing of it lives, and it may be sent again.

    Attributes:
        order_id: The order.
        request: What was turned down.
        code: The broker's code.
    """

    order_id: int
    request: Request
    code: int


class Effects:
    """What follows from one fact or command, in order: events, questions for the broker, retries."""

    __slots__ = ("asks", "events", "retries")

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.asks: Sequence[Ask] = ()
        self.retries: Sequence[RetryWanted] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Effects):
            return NotImplemented
        mine, theirs = ((one.events, [*one.asks], [*one.retries]) for one in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # it changes

    def join(self, other: Effects) -> None:
        """Append what followed next."""
        self.events += other.events
        self.asks = (*self.asks, *other.asks)
        self.retries = (*self.retries, *other.retries)


class Scribe:
    """Numbers what is told, and pictures the orders that it is about.

    Args:
        index: The orders.
        guard: What the owner of the orders holds while they change; pictures are looked at under it.

    Attributes:
        seq: The number of the newest event.
    """

    __slots__ = ("_guard", "_pictures", "index", "seq")

    def __init__(self, index: OrderIndex, guard: AbstractContextManager[Any]) -> None:
        self.index = index
        self.seq = 0
        self._guard = guard
        self._pictures: list[weakref.ref[Picture]] = []

    def next_seq(self) -> int:
        """Return the next event number."""
        self.seq += 1
        return self.seq

    def picture(self, entry: OrderEntry) -> Picture:
        """Return a picture of an order, which is fixed before the order changes in a later turn."""
        picture = Picture(entry, self._guard)
        self._pictures.append(weakref.ref(picture))
        return picture

    def fix_pictures(self) -> None:
        """Fix the pictures of earlier turns that somebody still holds: an order may be about to change."""
        pictures = self._pictures
        if pictures:
            for reference in pictures:
                picture = reference()
                if picture is not None:
                    picture.fix()
            pictures.clear()


class Turn(Effects):
    """One fact or command being applied: its moment, the orders, and what follows from it."""

    __slots__ = ("_picture", "_pictured", "_scribe", "now")

    def __init__(self, now: datetime, scribe: Scribe) -> None:
        self.events = []
        self.asks = ()
        self.retries = ()
        self.now = now
        self._scribe = scribe
        self._pictured: OrderEntry | None = None

    @property
    def index(self) -> OrderIndex:
        """The orders."""
        return self._scribe.index

    def tell(self, kind: type[OrderEvent], entry: OrderEntry, **details: Any) -> None:
        """Publish an event about an order, with its picture as it is at the end of this turn."""
        if entry is not self._pictured:
            self._pictured, self._picture = entry, self._scribe.picture(entry)
        # The making class takes what the class takes; mypy cannot know that, nor the details of each kind.
        event: Any = making(kind)(at=self.now, seq=self._scribe.next_seq(), record=self._picture, **details)
        event.__class__ = kind
        self.events.append(event)

    def tell_fill(self, twin: Any, kind: type[Event], entry: OrderEntry, fill: Fill | None) -> None:  # noqa: ANN401
        """Do as :meth:`tell` for an event that has a fill beside the record, at half the cost.

        Args:
            twin: The making class of ``kind``.
            kind: The event's class.
            entry: The order.
            fill: The fill.
        """
        scribe = self._scribe
        if entry is not self._pictured:
            self._pictured, self._picture = entry, scribe.picture(entry)
        event: Any = _blank(twin)
        event.at = self.now
        scribe.seq = event.seq = scribe.seq + 1
        event.is_dry_run = False
        event._record = self._picture  # noqa: SLF001 - the field's name
        event.fill = fill
        event.__class__ = kind
        self.events.append(event)

    def tell_move(self, entry: OrderEntry, before: OrderStatus, after: OrderStatus) -> None:
        """Do as :meth:`tell` for a changed status, at half the cost."""
        scribe = self._scribe
        if entry is not self._pictured:
            self._pictured, self._picture = entry, scribe.picture(entry)
        event: Any = _blank(_MOVED)
        event.at = self.now
        scribe.seq = event.seq = scribe.seq + 1
        event.is_dry_run = False
        event._record = self._picture  # noqa: SLF001 - the field's name
        event.previous, event.current = before, after
        event.__class__ = OrderStatusChanged
        self.events.append(event)

    def tell_all(self, kind: type[Event], **details: Any) -> None:
        """Publish an event that is about no single order."""
        self.events.append(kind(at=self.now, seq=self._scribe.next_seq(), **details))

    def ask(self, entry: OrderEntry, reason: str, *questions: Question) -> None:
        """Have the broker asked about an order."""
        self.asks = (*self.asks, *(Ask(question, entry.order_id, reason) for question in questions))

    def retry(self, wanted: RetryWanted) -> None:
        """Have a request sent again."""
        self.retries = (*self.retries, wanted)
