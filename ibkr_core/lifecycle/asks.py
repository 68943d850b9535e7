"""What a book wants of the broker: answers to questions, and another try of what was turned down."""

from __future__ import annotations

import enum

import attrs

from ibkr_core.model.record import Request

__all__ = ["Ask", "Question", "RetryWanted"]


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
