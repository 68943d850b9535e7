"""Which orders belong together: parent and children, attached orders, and what stands in for one of them.

Whoever watches over positions looks at a family as a whole (:mod:`ibkr_core.lifecycle.protecting`), so all of
it is packed, or none of it is. Orders that only cancel one another make no family there.
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Final, TypeVar

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.protecting import ATTACHED
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action

__all__ = ["Kinship", "is_closed"]

_ZERO: Final = Decimal(0)
_Name = TypeVar("_Name", int, str)


class Kinship:
    """The ties between the orders of a book that are not packed."""

    __slots__ = ("_attached", "_children", "_groups", "rows")

    def __init__(self) -> None:
        self._children: dict[int, set[int]] = {}  # rows by the parent's order id
        self._groups: dict[str, set[int]] = {}
        self._attached: dict[int, int] = {}  # the parent's order id by the child's
        self.rows: set[int] = set()
        """The rows of orders that name others."""

    def note(self, entry: OrderEntry) -> None:
        """Take in what an order names; again where it names more."""
        if entry.parent_id:
            self._children.setdefault(entry.parent_id, set()).add(entry.row)
            self.rows.add(entry.row)
        if entry.oca_group.isdigit():  # as the gateway names a group that it makes of a permId
            self._groups.setdefault(entry.oca_group, set()).add(entry.row)
            self.rows.add(entry.row)
        for child in attached_to(entry):
            self._attached[child] = entry.order_id
            self.rows.add(entry.row)

    def drop(self, entry: OrderEntry) -> None:
        """Forget an order."""
        if entry.row not in self.rows:
            return
        self.rows.discard(entry.row)
        _drop(self._children, entry.parent_id, entry.row)
        _drop(self._groups, entry.oca_group, entry.row)
        for child in attached_to(entry):
            self._attached.pop(child, None)

    def is_alone(self, entry: OrderEntry) -> bool:
        """Whether an order names nobody, and nobody names it."""
        if entry.row in self.rows:
            return False
        if not self.rows:
            return True
        if entry.order_id in self._children or entry.order_id in self._attached:
            return False
        return not (self._groups and entry.perm_id and str(entry.perm_id) in self._groups)

    def rows_of(self, entry: OrderEntry) -> Iterator[int]:
        """Yield the rows of those that name an order, or stand in a group with it."""
        yield from self._children.get(entry.order_id, ())
        yield from self._groups.get(entry.oca_group, ()) if entry.oca_group else ()
        yield from self._groups.get(str(entry.perm_id), ()) if entry.perm_id else ()

    def ids_of(self, entry: OrderEntry) -> Iterator[int]:
        """Yield the order ids that an order names."""
        if entry.parent_id:
            yield entry.parent_id
        yield from attached_to(entry)
        parent = self._attached.get(entry.order_id)
        if parent is not None:
            yield parent


def _drop(ties: dict[_Name, set[int]], name: _Name, row: int) -> None:
    found = ties.get(name)
    if found is not None:
        found.discard(row)
        if not found:
            del ties[name]


def attached_to(entry: OrderEntry) -> Iterator[int]:
    """Yield the ids of the exits that the gateway was asked to attach to an order."""
    if entry.order is not None and entry.order.official:
        official = entry.order.official
        yield from (official[name] for name in ATTACHED if isinstance(official.get(name), int))


def is_closed(family: list[OrderEntry]) -> bool:
    """Whether all that some of a family bought, others of it sold: then it holds no position any more."""
    sums: dict[object, Decimal] = {}
    for entry in family:
        action = entry.order.action.value if entry.order is not None else ""
        if not action and entry.broker_order is not None:
            action = entry.broker_order.action
        if not entry.filled:
            continue
        if not action:
            return False
        what = entry.contract.name if entry.contract is not None else None
        add = EXACT.add if action == Action.BUY.value else EXACT.subtract
        sums[what] = add(sums.get(what, _ZERO), entry.filled)
    return not any(sums.values())
