"""Our own side of an order's life, as values: what the book takes besides the broker's facts.

The book is a pure function of its inputs in order (:meth:`ibkr_core.lifecycle.book.Book.take`), so a
journal that keeps them all can rebuild it exactly. A command is checked before it changes anything: one
that is refused raises and leaves no trace, and is not an input.
"""

from __future__ import annotations

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Order
from ibkr_core.model.record import Request

__all__ = [
    "Abandon",
    "AboutOne",
    "Adopt",
    "Cancel",
    "Command",
    "Disconnect",
    "Doubt",
    "Input",
    "Modify",
    "NewOrder",
    "NotSent",
    "ProveAbsent",
    "Resend",
    "SendFailure",
    "Sent",
    "Silence",
    "Submit",
    "Track",
    "Unsend",
]


@attrs.frozen
class NewOrder:
    """One order that is about to be sent.

    Attributes:
        order_id: The API order id.
        key: The client order key, which travels in ``orderRef``.
        contract: What to trade; None where a replay does not know it.
        order: At what terms; None likewise.
    """

    order_id: int
    key: str
    contract: Contract | None
    order: Order | None


@attrs.frozen
class Submit:
    """New orders of ours, before any byte of them leaves: all are taken in, or none."""

    orders: tuple[NewOrder, ...]


@attrs.frozen
class Modify:
    """New terms for an order, before any byte leaves."""

    order_id: int
    order: Order


@attrs.frozen
class Cancel:
    """A wish to cancel, before any byte leaves."""

    order_id: int


@attrs.frozen
class Sent:
    """The last byte of these new orders was given to the kernel."""

    order_ids: tuple[int, ...]


@attrs.frozen
class NotSent:
    """Certainly no byte of a new order left."""

    order_id: int
    why: str


@attrs.frozen
class Unsend:
    """Certainly no byte of the newest modification or cancel of an order left."""

    order_id: int
    request: Request
    why: str


@attrs.frozen
class SendFailure:
    """Some bytes of a new order may have left."""

    order_id: int
    why: str


@attrs.frozen
class Disconnect:
    """The connection is gone."""


@attrs.frozen
class Silence:
    """The broker has not answered a request within the deadline."""

    order_id: int
    request: Request


@attrs.frozen
class Doubt:
    """A live order was missing in the broker's list of open orders, once."""

    order_id: int
    why: str


@attrs.frozen
class ProveAbsent:
    """The broker listed everything that it has, and this live order was not among it.

    Attributes:
        order_id: The order.
        why: What was listed, in words.
    """

    order_id: int
    why: str


@attrs.frozen
class Abandon:
    """A request of ours is given up.

    A modification or a cancel: the order stands as the broker shows it. A new order that could have been sent
    again later: it is refused for good.
    """

    order_id: int
    request: Request
    why: str


@attrs.frozen
class Resend:
    """An order that is proved to live nowhere is about to be sent again.

    Attributes:
        order_id: Its id so far.
        new_order_id: The id under which it is sent now; the same one where the broker never took it.
        attempt: 1 for the first repetition.
        why: What proved that nothing lives at the broker.
    """

    order_id: int
    new_order_id: int
    attempt: int
    why: str


@attrs.frozen
class Adopt:
    """An order that an earlier run or a person placed is ours to manage from now on.

    Attributes:
        perm_id: The broker's permanent id.
        order: Its whole terms as they stand, so that it can be modified; None when they are not known.
    """

    perm_id: int
    order: Order | None


@attrs.frozen
class Track:
    """An order of which nothing is known but that it exists."""

    order_id: int


AboutOne = Silence | Doubt | ProveAbsent | Abandon | Unsend
"""What our side settles about one order."""

Command = (
    Submit
    | Modify
    | Cancel
    | Sent
    | NotSent
    | Unsend
    | SendFailure
    | Disconnect
    | Silence
    | Doubt
    | ProveAbsent
    | Abandon
    | Resend
    | Adopt
    | Track
)
"""Everything that our side does to the book."""

Input = Command | BrokerFact
"""Everything that changes the book."""
