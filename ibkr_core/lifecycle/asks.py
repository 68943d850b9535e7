"""What a book wants of the broker: answers, and another try of what was turned down."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime

import attrs

from ibkr_core.model.record import OrderRecord, Request

__all__ = ["Ask", "OpenRequests", "Question", "RetryWanted"]


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


@attrs.frozen
class OpenRequests:
    """A live order of ours, and what the broker has not answered about it.

    Attributes:
        record: The order.
        asked: Our unanswered requests, each with the moment (UTC) at which it was made.
        is_released: Whether it was transmitted; the broker shows no other orders.
    """

    record: OrderRecord
    asked: Mapping[Request, datetime]
    is_released: bool
