"""A book at one moment, as values: packed orders, and what it knows beside them.

A book that loads a checkpoint and then takes the inputs that came after it stands where one stands that took
all inputs from the first. Tests hold that for any inputs and any moment.
"""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from ibkr_core.lifecycle.archive import Names
from ibkr_core.lifecycle.fillings import FillingsState

__all__ = ["BookState", "Checkpoint", "PackedOrder"]


@attrs.frozen
class PackedOrder:
    """One order.

    Attributes:
        row: Its number by age.
        packed: Its bytes.
        names: What it is found by.
    """

    row: int
    packed: bytes
    names: Names


@attrs.frozen(kw_only=True)
class BookState:
    """What a book knows beside its orders.

    Attributes:
        seq: The number of the newest event.
        highest_id: The highest order id of our client.
        next_place: The next row.
        awake: The rows of orders that were not packed, oldest first.
        live: The rows of orders that were not finished, in the order in which they became so.
        count: How many orders there are.
        fillings: What is known of executions.
    """

    seq: int
    highest_id: int
    next_place: int
    awake: tuple[int, ...]
    live: tuple[int, ...]
    count: int
    fillings: FillingsState


@attrs.frozen
class Checkpoint:
    """What has to be written for a moment.

    Attributes:
        orders: Those that were packed since the last checkpoint, and all that are awake.
        things: How many things the orders' bytes may refer to.
        state: Everything else.
    """

    orders: Sequence[PackedOrder]
    things: int
    state: BookState
