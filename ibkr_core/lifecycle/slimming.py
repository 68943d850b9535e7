"""Which finished orders are packed, and when: those of which nothing more is expected.

That an order is packed changes nothing that anybody could see, so these rules are about cost alone: an order
that is told of again is unpacked first. One exception: who watches over entries and their exits
(:mod:`ibkr_core.lifecycle.protecting`) looks at orders that are not packed, so all that he could need stays.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Final, Self

import attrs

from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.kinship import is_closed
from ibkr_core.lifecycle.packing import Unpackable
from ibkr_core.model.status import OrderStatus

__all__ = ["PATIENCE", "Round", "is_complete"]

PATIENCE: Final = timedelta(minutes=10)
"""How long an order stays that lacks something, an execution or a commission: it may never come."""


def is_complete(entry: OrderEntry) -> bool:
    """Whether a finished order has all that belongs to it: executions, commissions, legs of a combo."""
    if entry.pending or entry.proposals or entry.put_aside or entry.unexplained > 0:
        return False
    ledger = entry.ledger
    if entry.status is OrderStatus.FILLED:
        if not ledger.quantity or (entry.total is not None and entry.filled < entry.total):
            return False
        if entry.contract is not None and entry.contract.is_combo:
            return not entry.snapshot().leg_fills_missing
    return all(fill.commission is not None for _, fill in ledger.newest() if not fill.is_allocation)


@attrs.define
class Round:
    """One round of packing, in slices; between two of them the book may change.

    Attributes:
        book: The orders.
        before: Orders that were heard of since this moment stay.
        left: How many orders of the queue the round still looks at.
        packed: How many orders it has packed.
        waits: Whether it met an order that is packed later.
        held: The symbols in which a family of orders is awake: what closed one by hand stays with it.
    """

    book: Book
    before: datetime
    left: int
    packed: int = 0
    waits: bool = False
    held: Collection[str] | None = None

    @classmethod
    def of(cls, book: Book, before: datetime) -> Self:
        """Begin a round over all that have finished."""
        return cls(book, before, len(book.index.finished))

    def go_on(self, count: int) -> bool:
        """Look at so many orders at most. Returns whether the round goes on.

        Requires that nobody else uses the book meanwhile.
        """
        self.book.fix_pictures()
        queue = self.book.index.finished
        if self.held is None:
            self.held = self._symbols_of_families()
        for _ in range(min(count, self.left, len(queue))):
            self.left -= 1
            entry = queue.popleft()
            if not self.book.index.is_awake(entry) or not entry.status.is_finished:
                continue  # it was packed with its family, or has come back to life
            if not self._pack(entry):
                queue.append(entry)
                self.waits = True
        return self.left > 0 and bool(queue)

    def _pack(self, entry: OrderEntry) -> bool:
        if not self._may_sleep(entry):
            return False
        family = [entry]
        if not self.book.index.kinship.is_alone(entry):
            family = self.book.index.kin_of(entry)
            if not all(map(self._may_sleep, family)) or not is_closed(family):
                return False
        elif entry.filled and self.held and _symbol(entry) in self.held:
            return False
        try:
            self.book.index.put_away(family)
        except Unpackable:
            return False
        self.packed += len(family)
        return True

    def _may_sleep(self, entry: OrderEntry) -> bool:
        if not entry.status.is_finished:
            return False
        last = entry.last_update_time
        if last is None or last > self.before:
            return False
        return last + PATIENCE <= self.before or is_complete(entry)

    def _symbols_of_families(self) -> Collection[str]:
        rows = self.book.index.kinship.rows
        return {_symbol(entry) for entry in map(self.book.index.at_row, rows) if entry is not None}


def _symbol(entry: OrderEntry) -> str:
    return entry.contract.symbol if entry.contract is not None else ""
