"""What applying a fact or a command leads to: events to publish, and questions for the broker."""

from __future__ import annotations

import enum
from collections.abc import Callable
from datetime import datetime
from typing import Any

import attrs

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.record import Request

__all__ = ["Ask", "Effects", "Question", "RetryWanted", "Turn"]


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


@attrs.define
class Effects:
    """What follows from one fact or command, in order."""

    events: list[Event] = attrs.Factory(list)
    asks: list[Ask] = attrs.Factory(list)
    retries: list[RetryWanted] = attrs.Factory(list)


@attrs.frozen
class Turn:
    """One fact or command being applied: its moment, the orders, and the collector of what follows."""

    now: datetime
    next_seq: Callable[[], int]
    index: OrderIndex
    effects: Effects = attrs.Factory(Effects)

    def tell(self, kind: type[OrderEvent], entry: OrderEntry, **details: Any) -> None:
        """Publish an event about an order, with its picture as it is now."""
        record = entry.snapshot()
        self.effects.events.append(kind(at=self.now, seq=self.next_seq(), record=record, **details))

    def tell_all(self, kind: type[Event], **details: Any) -> None:
        """Publish an event that is about no single order."""
        self.effects.events.append(kind(at=self.now, seq=self.next_seq(), **details))

    def ask(self, entry: OrderEntry, reason: str, *questions: Question) -> None:
        """Have the broker asked about an order."""
        self.effects.asks.extend(Ask(question, entry.order_id, reason) for question in questions)
