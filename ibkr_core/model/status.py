"""Order statuses: ours, and how the broker's words map to them."""

from __future__ import annotations

import enum
from typing import Final

__all__ = ["BROKER_WORDS", "FINISHED", "WORKING", "BrokerWord", "OrderStatus", "broker_word"]


class OrderStatus(enum.StrEnum):
    """Where an order stands, as far as it is *proved*.

    The broker's own word is kept beside it in every record (``broker_status``): one word can mean
    several things there (TWS facts 1), one status means one thing here.
    """

    PENDING_SUBMIT = "PENDING_SUBMIT"
    """Sent, or about to be; the broker has not answered."""
    PRE_SUBMITTED = "PRE_SUBMITTED"
    """Accepted by the broker, not yet elected or routed."""
    SUBMITTED = "SUBMITTED"
    """Working at its destination."""
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    """Alive, and some of it is filled."""
    PENDING_CANCEL = "PENDING_CANCEL"
    """A cancel was asked for and is not confirmed: it may still fill."""
    FILLED = "FILLED"
    """Completely filled."""
    CANCELLED = "CANCELLED"
    """The rest is confirmed dead; what was filled stays filled."""
    INACTIVE = "INACTIVE"
    """Held by the broker and not working. It may be dead, and it may come back (TWS facts 1)."""
    REJECTED = "REJECTED"
    """Refused: no such order lives at the broker."""
    UNKNOWN = "UNKNOWN"
    """In doubt. The broker is asked; until it answers, the order must not be sent again."""

    is_working: bool
    """Whether the order is known to be alive and may fill."""
    is_finished: bool
    """Whether the order can neither fill nor come back to life."""


WORKING: Final = frozenset(
    {
        OrderStatus.PENDING_SUBMIT,
        OrderStatus.PRE_SUBMITTED,
        OrderStatus.SUBMITTED,
        OrderStatus.PARTIALLY_FILLED,
        OrderStatus.PENDING_CANCEL,
    }
)
"""Alive: may fill at any moment."""

FINISHED: Final = frozenset({OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED})
"""Terminal. INACTIVE and UNKNOWN are in neither set: nothing is proved about them."""

for _status in OrderStatus:  # plain attributes, because they are asked for with every callback
    _status.is_working, _status.is_finished = _status in WORKING, _status in FINISHED


class BrokerWord(enum.Enum):
    """What an orderStatus word tells, with the synonyms of TWS facts 1 merged."""

    PENDING = "pending"
    PRE_SUBMITTED = "pre-submitted"
    SUBMITTED = "submitted"
    PENDING_CANCEL = "pending cancel"
    CANCELLED = "cancelled"
    FILLED = "filled"
    INACTIVE = "inactive"
    UNRECOGNISED = "unrecognised"
    """A word that no source knows. It is kept, flagged, and changes nothing."""

    # Members are single objects; Enum's own hash is a slow Python method.
    __hash__ = object.__hash__


BROKER_WORDS: Final[dict[str, BrokerWord]] = {
    "ApiPending": BrokerWord.PENDING,
    "PendingSubmit": BrokerWord.PENDING,
    "PreSubmitted": BrokerWord.PRE_SUBMITTED,
    "Submitted": BrokerWord.SUBMITTED,
    "PendingCancel": BrokerWord.PENDING_CANCEL,
    # Accepted by the system but not yet recognised by the exchange: it may still fill.
    "PreCancelled": BrokerWord.PENDING_CANCEL,
    "ApiCancelled": BrokerWord.CANCELLED,
    "Cancelled": BrokerWord.CANCELLED,
    "Filled": BrokerWord.FILLED,
    "Inactive": BrokerWord.INACTIVE,
}
"""Every status word that TWS facts 1 lists. ``WarnState`` is left out: nobody knows what it means."""

_BY_LOWER: Final = {word.lower(): meaning for word, meaning in BROKER_WORDS.items()}


def broker_word(text: str) -> BrokerWord:
    """Return what a status word means; letter case does not matter, as in the official OrderStatus."""
    found = BROKER_WORDS.get(text)
    return found if found is not None else _BY_LOWER.get(text.lower(), BrokerWord.UNRECOGNISED)
