"""A book at one moment, as values: packed orders, and what it knows beside them.

A book that loads a checkpoint and then takes the inputs that came after it stands where one stands that took
all inputs from the first. Tests hold that for any inputs and any moment.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from typing import Any

import attrs

from ibkr_core.lifecycle.archive import Names
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.packing import Unpackable, pack
from ibkr_core.lifecycle.parts import FillingsState

__all__ = [
    "BookState",
    "Checkpoint",
    "PackedOrder",
    "keep_fresh",
    "load_checkpoint",
    "make_checkpoint",
    "put_back",
    "take_fresh",
]


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


def keep_fresh(book: Book, *, is_wanted: bool) -> None:
    """Say whether orders that are packed from now on are to be written to a journal."""
    book.index.archive.fresh = {} if is_wanted else None


def take_fresh(book: Book, count: int) -> list[PackedOrder]:
    """Return up to so many packed orders that are not in the journal yet, and count them as written."""
    archive = book.index.archive
    fresh = archive.fresh if archive.fresh is not None else {}
    taken = [*itertools.islice(fresh.items(), count)]
    for row, _ in taken:
        del fresh[row]
    return [PackedOrder(row, archive[row], names) for row, names in taken]


def put_back(book: Book, orders: Iterable[PackedOrder]) -> None:
    """Count packed orders as not written, where they are still what they were."""
    archive = book.index.archive
    for order in orders:
        if archive.fresh is not None and order.row in archive and archive[order.row] is order.packed:
            archive.fresh.setdefault(order.row, order.names)


def make_checkpoint(book: Book) -> Checkpoint:
    """Return what has to be written so that a book can be loaded as this one is now.

    Raises:
        Unpackable: An order holds what cannot be written down.
    """
    index = book.index
    shared = index.archive.shared
    awake = sorted(index.awake(), key=lambda entry: entry.row)
    orders = [PackedOrder(entry.row, pack(entry, shared), index.names(entry)) for entry in awake]
    state = BookState(
        seq=book.seq,
        highest_id=book.highest_order_id(),
        next_place=index.next_place,
        awake=tuple(entry.row for entry in awake),
        live=tuple(entry.row for entry in index.live()),
        count=len(index),
        fillings=book.fillings.state,
    )
    return Checkpoint([*take_fresh(book, len(index)), *orders], len(shared), state)


def load_checkpoint(
    book: Book, orders: Iterable[PackedOrder], things: Iterable[Any], state: BookState
) -> None:
    """Have an empty book stand as one of the same client and rules stood.

    Raises:
        Unpackable: The orders are not all, or not whole. The book is of no use then.
    """
    archive = book.index.archive
    archive.shared.add(things)
    for order in orders:
        archive.put(order.row, order.packed, order.names)
    if len(archive) != state.count or not set(state.live) <= set(state.awake):
        raise Unpackable(f"{len(archive)} packed orders, and there were {state.count}")
    book.fillings.take_state(state.fillings)
    try:
        book.index.load(state.awake, state.live, state.next_place)
    except KeyError as error:
        raise Unpackable(f"an order is missing: {error!r}") from error
    book.resume(state.seq, state.highest_id)
