"""What a book shows: records, executions, sums. Nothing here changes it, or wakes an order that is packed."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

from ibkr_core.errors import UnknownOrder
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.fillings import FillFeed, Fillings
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.lifecycle.pages import Pages
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord

__all__ = ["BookView"]


class BookView:
    """A book, to look at."""

    client_id: int | None
    _index: OrderIndex
    _fillings: Fillings

    @property
    def index(self) -> OrderIndex:
        """The orders."""
        return self._index

    @property
    def fillings(self) -> Fillings:
        """Their executions."""
        return self._fillings

    def order(self, order_id: int) -> OrderRecord:
        """Return a snapshot of the order that ``order_id`` names for us.

        Raises:
            UnknownOrder: There is none.
        """
        return self._look(order_id).snapshot()

    def by_perm_id(self, perm_id: int) -> OrderRecord | None:
        """Return a snapshot of the order with the broker's permanent id."""
        found = self._index.look_by_perm_id(perm_id)
        return found.snapshot() if found is not None else None

    def by_key(self, key: str) -> OrderRecord | None:
        """Return a snapshot of the order with this client order key."""
        found = self._index.look_by_key(key)
        return found.snapshot() if found is not None else None

    def orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders, oldest first."""
        return tuple(self.pages().orders())

    def active_orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders that are not finished, those in doubt included."""
        return tuple(entry.snapshot() for entry in self._index.live())

    def awake_orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders that are not packed, oldest first: what still matters to anybody."""
        return tuple(entry.snapshot() for entry in sorted(self._index.awake(), key=_age))

    def fills(self) -> tuple[Fill, ...]:
        """Return all executions of all orders, by order and then in the order they became known."""
        return tuple(self.pages().fills())

    def fills_at(self, row: int) -> tuple[Fill, ...]:
        """Return all executions of the order of a row."""
        entry = self._index.at_row(row)
        return (entry if entry is not None else self._index.archive.look(row)).ledger.all_fills

    def position_fills(self) -> tuple[Fill, ...]:
        """Return the executions that move positions; see :attr:`Fill.moves_position`."""
        return tuple(fill for fill in self.fills() if fill.moves_position)

    def moved(self) -> Mapping[tuple[str, int], tuple[Contract, Decimal]]:
        """Return by account and contract id what fills have moved positions by, sales below zero.

        It costs as much as has changed since the last look.
        """
        return self._fillings.moved()

    def follow_fills(self) -> FillFeed:
        """Return a feed of all executions of all orders, and of every change of one from now on."""
        return self._fillings.follow(self.pages().fills())

    def pages(self) -> Pages:
        """Return all orders as they are now, to be read without the lock: what is packed, unpacked there."""
        packed = self._index.archive
        awake = [(entry.row, entry.snapshot()) for entry in self._index.awake()]
        return Pages(awake, packed.items(), packed.shared)

    def _look(self, order_id: int) -> OrderEntry:
        """Find as :meth:`_entry` does, to look at only."""
        found = self._look_own(order_id)
        if found is None:
            raise UnknownOrder(order_id, "no such order in the book")
        return found

    def _look_own(self, order_id: int) -> OrderEntry | None:
        own = self._index.look_by_order_id(order_id, self.client_id)
        return own if own is not None else self._index.look_by_order_id(order_id, None)


def _age(entry: OrderEntry) -> int:
    return entry.row
