"""Packed orders, findable by each of their identities without being looked into.

All that stands here is numbers, texts and bytes in plain dictionaries: the garbage collector, which goes
through every object that can hold others, has nothing to do with it, however many orders there are.
"""

from __future__ import annotations

from collections.abc import Iterator

import attrs

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.packing import Shared, unpack

__all__ = ["Archive", "Names"]


@attrs.frozen
class Names:
    """What a packed order can be found by.

    Attributes:
        order_id: Its order id.
        perm_ids: The permIds that mean it.
        key: The client order key, where that means this order and no other; else empty.
        executions: The ids of its executions, without revision.
        family: The rows of all its relatives and its own; empty where it stands alone.
        groups: The names of one-cancels-all groups by which a relative could name it.
    """

    order_id: int
    perm_ids: tuple[int, ...]
    key: str
    executions: tuple[str, ...]
    family: tuple[int, ...] = ()
    groups: tuple[str, ...] = ()


class Archive:
    """Orders as bytes, by row: the number that each order of a book has by its age.

    Attributes:
        shared: What their bytes refer to.
        by_perm_id: Rows; to look at only. So are the next ones.
        by_key: Rows by client order key.
        by_id: Rows by order id: one, or several.
        by_execution: Rows by execution id without revision.
        by_group: A row by the name of a one-cancels-all group.
        fresh: What was put here and is not in the journal yet, by row; None where there is no journal.
    """

    __slots__ = (
        "_families",
        "_packed",
        "by_execution",
        "by_group",
        "by_id",
        "by_key",
        "by_perm_id",
        "fresh",
        "shared",
    )

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.by_perm_id: dict[int, int] = {}
        self.by_key: dict[str, int] = {}
        self.by_id: dict[int, int | tuple[int, ...]] = {}
        self.by_execution: dict[str, int] = {}
        self.by_group: dict[str, int] = {}
        self.fresh: dict[int, Names] | None = None
        self._packed: dict[int, bytes] = {}
        self._families: dict[int, tuple[int, ...]] = {}

    def __len__(self) -> int:
        return len(self._packed)

    def __contains__(self, row: int) -> bool:
        return row in self._packed

    def __getitem__(self, row: int) -> bytes:
        return self._packed[row]

    def items(self) -> list[tuple[int, bytes]]:
        """Return all packed orders with their rows."""
        return [*self._packed.items()]

    def look(self, row: int) -> OrderEntry:
        """Return an order as it is, to look at: what is changed in it is lost."""
        return unpack(self._packed[row], self.shared)

    def rows_of_id(self, order_id: int) -> tuple[int, ...]:
        """Return the rows of the orders with an order id."""
        found = self.by_id.get(order_id, ())
        return found if isinstance(found, tuple) else (found,)

    def family_of(self, row: int) -> tuple[int, ...]:
        """Return the rows of an order and its relatives."""
        return self._families.get(row) or (row,)

    def put(self, row: int, packed: bytes, names: Names) -> None:
        """Take a packed order in."""
        self._packed[row] = packed
        self.by_id[names.order_id] = (
            (*self.rows_of_id(names.order_id), row) if names.order_id in self.by_id else row
        )
        for perm_id in names.perm_ids:
            self.by_perm_id[perm_id] = row
        if names.key:
            self.by_key[names.key] = row
        for base in names.executions:
            self.by_execution[base] = row
        if names.family:
            self._families[row] = names.family
            for group in names.groups:
                self.by_group[group] = row

    def take(self, row: int) -> tuple[OrderEntry, Names]:
        """Take a packed order out: the order, and what it was found by."""
        entry = self.look(row)
        names = self.names(row, entry)
        del self._packed[row]
        if self.fresh is not None:
            self.fresh.pop(row, None)
        left = tuple(one for one in self.rows_of_id(entry.order_id) if one != row)
        if left:
            self.by_id[entry.order_id] = left if len(left) > 1 else left[0]
        else:
            del self.by_id[entry.order_id]
        for perm_id in names.perm_ids:
            del self.by_perm_id[perm_id]
        for base in names.executions:
            del self.by_execution[base]
        if names.key:
            del self.by_key[names.key]
        if names.family:
            del self._families[row]
            for group in names.groups:
                del self.by_group[group]
        return entry, names

    def names(self, row: int, entry: OrderEntry) -> Names:
        """Return what a packed order is found by.

        Args:
            row: Its row.
            entry: What :meth:`look` gave for it.
        """
        perm_ids = (entry.perm_id or 0, *entry.former_perm_ids)
        return Names(
            order_id=entry.order_id,
            perm_ids=tuple(one for one in perm_ids if self.by_perm_id.get(one) == row),
            key=entry.key if self.by_key.get(entry.key) == row else "",
            executions=tuple(one for one in entry.ledger.bases if self.by_execution.get(one) == row),
            family=self._families.get(row, ()),
            groups=tuple(one for one in groups_of(entry) if self.by_group.get(one) == row),
        )


def groups_of(entry: OrderEntry) -> Iterator[str]:
    """Yield the names of groups in which an order stands, or that are made of it (TWS facts 4)."""
    if entry.oca_group.isdigit():
        yield entry.oca_group
    if entry.perm_id:
        yield str(entry.perm_id)
