"""What applying a fact or a command leads to: events to publish, and questions for the broker."""

from __future__ import annotations

import enum
from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

import attrs

from ibkr_core.lifecycle.entry import OrderEntry, Picture
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.making import making
from ibkr_core.model.record import Request

__all__ = ["Ask", "Effects", "Question", "RetryWanted", "Scribe", "Turn"]


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


class Scribe(Protocol):
    """What a turn needs of the book."""

    @property
    def index(self) -> OrderIndex:
        """The orders."""

    def next_seq(self) -> int:
        """Return the next event number."""

    def picture(self, entry: OrderEntry) -> Picture:
        """Return a picture of an order, which is fixed before the order changes in a later turn."""


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

    def tell_all(self, kind: type[Event], **details: Any) -> None:
        """Publish an event that is about no single order."""
        self.events.append(kind(at=self.now, seq=self._scribe.next_seq(), **details))

    def ask(self, entry: OrderEntry, reason: str, *questions: Question) -> None:
        """Have the broker asked about an order."""
        self.asks = (*self.asks, *(Ask(question, entry.order_id, reason) for question in questions))

    def retry(self, wanted: RetryWanted) -> None:
        """Have a request sent again."""
        self.retries = (*self.retries, wanted)
