"""Which order does a callback mean? Identity is permId, then orderRef, then (clientId, orderId).

An order id alone is not an identity: every client counts its own, ids can come back in a later
session, and all unbound manual orders share the id 0 (TWS facts 4).

Finished orders can be packed away (:meth:`OrderIndex.put_away`). A callback that means one wakes it first,
with its whole family; nobody can tell that it slept.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence

from ibkr_core.lifecycle.archive import Archive, Names, groups_of
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.kinship import Kinship
from ibkr_core.lifecycle.packing import Shared, pack
from ibkr_core.lifecycle.sides import Sides

__all__ = ["OrderIndex"]


class OrderIndex:
    """All orders of the book, findable by each of their identities.

    Args:
        archive: Where finished orders can be put away.

    Attributes:
        known_perm_ids: The orders that are awake, by permId; to look at only. None is never in it.
        archive: The packed orders.
        kinship: The ties between those that are awake.
        finished: Orders as they finished, the oldest first, for whoever packs them; one may be there twice.
    """

    __slots__ = (
        "_by_id",
        "_by_key",
        "_entries",
        "_live",
        "_next_place",
        "_on_put_away",
        "_on_wake",
        "_orphaned_by",
        "_sides",
        "archive",
        "finished",
        "has_kin",
        "kinship",
        "known_perm_ids",
    )

    def __init__(self, archive: Archive | None = None) -> None:
        self.archive = archive if archive is not None else Archive(Shared(None))
        self.kinship = Kinship()
        self.known_perm_ids: dict[int | None, OrderEntry] = {}
        self.finished: deque[OrderEntry] = deque()
        self._entries: dict[int, OrderEntry] = {}
        self._by_key: dict[str, OrderEntry] = {}
        self._by_id: dict[int, list[OrderEntry]] = {}
        self._live: dict[int, OrderEntry] = {}
        self._orphaned_by: set[int] = set()
        self._sides: Sides | None = None  # until somebody asks
        self._next_place = 1
        self.has_kin = False
        """Whether any order ever named a relative: a parent, a group."""
        self._on_wake: Callable[[OrderEntry], None] = _nothing
        self._on_put_away: Callable[[OrderEntry], None] = _nothing

    def __iter__(self) -> Iterator[OrderEntry]:
        """Yield all orders, oldest first; of packed ones what can be looked at."""
        packed = self.archive
        for row in sorted((*self._entries, *(row for row, _ in packed.items()))):
            awake = self._entries.get(row)
            yield awake if awake is not None else packed.look(row)

    def __len__(self) -> int:
        return len(self._entries) + len(self.archive)

    def follow(
        self, on_wake: Callable[[OrderEntry], None], on_put_away: Callable[[OrderEntry], None]
    ) -> None:
        """Have somebody told of orders that wake, or fall asleep."""
        self._on_wake, self._on_put_away = on_wake, on_put_away

    def unfollow(self) -> None:
        """Tell nobody any more."""
        self._on_wake = self._on_put_away = _nothing

    # ── taking in ───────────────────────────────────────────────────────────────────────────────

    def add(self, entry: OrderEntry) -> None:
        """Take in a new entry under the identities that it has so far."""
        row, order_id, parent_id, key = self._next_place, entry.order_id, entry.parent_id, entry.key
        entry.row = entry.place = row
        self._next_place = row + 1
        self._entries[row] = entry
        self.sort_in(entry)
        packed, by_id = self.archive, self._by_id
        if parent_id and parent_id not in by_id and parent_id not in packed.by_id:
            self._orphaned_by.add(parent_id)
        if entry.perm_id:
            self.known_perm_ids[entry.perm_id] = entry
        if order_id in packed.by_id:
            self._wake_id(order_id)
        if order_id in by_id:
            by_id[order_id].append(entry)
        else:
            by_id[order_id] = [entry]
        if key and key not in packed.by_key:
            self._by_key.setdefault(key, entry)
        if parent_id or entry.oca_group or (entry.order is not None and entry.order.official):
            self.note_kin(entry)

    def has_orphans(self, order_id: int) -> bool:
        """Whether an order was taken in as a child of this one before there was such a parent."""
        return order_id in self._orphaned_by

    def sort_in(self, entry: OrderEntry) -> None:
        """Count the entry among the live ones or not, by its status."""
        if entry.status.is_finished:
            self._live.pop(id(entry), None)
            self.finished.append(entry)
        else:
            self._live[id(entry)] = entry
            if self._sides is not None:
                self._sides.add(entry)

    def awake(self) -> Sequence[OrderEntry]:
        """Return the orders that are not packed."""
        return tuple(self._entries.values())

    def at_row(self, row: int) -> OrderEntry | None:
        """Return the order of a row, if it is awake."""
        return self._entries.get(row)

    def is_awake(self, entry: OrderEntry) -> bool:
        """Whether an entry is the one that stands here for its order."""
        return self._entries.get(entry.row) is entry

    def live(self) -> tuple[OrderEntry, ...]:
        """Return the orders that are not finished, so that work does not grow with the finished ones."""
        return tuple(self._live.values())

    def count_active(self, account: str, con_id: int, name: str, action: str) -> int:
        """Count the live orders of one account, contract and side; see :meth:`Sides.count`."""
        if self._sides is None:
            self._sides = Sides()
            for entry in self._live.values():
                self._sides.add(entry)
        return self._sides.count(account, con_id, name, action)

    def note_terms(self, entry: OrderEntry) -> None:
        """Take notice that an entry got its contract, or its terms, after it was taken in."""
        if self._sides is not None and not entry.status.is_finished:
            self._sides.add(entry)

    def learn_perm_id(self, entry: OrderEntry, perm_id: int) -> None:
        """Note the permanent id of an entry that had none."""
        entry.perm_id = perm_id
        self.known_perm_ids[perm_id] = entry

    def learn_key(self, entry: OrderEntry, key: str) -> None:
        """Note the client order key of an order of ours that an earlier session placed."""
        entry.key = key
        if key not in self.archive.by_key:
            self._by_key.setdefault(key, entry)

    def note_kin(self, entry: OrderEntry) -> None:
        """Note whom an entry names as its relatives; who of them is packed wakes."""
        self.has_kin = True
        self.kinship.note(entry)
        archive = self.archive
        if len(archive):
            rows = [row for one in self.kinship.ids_of(entry) for row in archive.rows_of_id(one)]
            rows += [archive.by_group[name] for name in groups_of(entry) if name in archive.by_group]
            if entry.oca_group.isdigit():
                rows += [archive.by_perm_id.get(int(entry.oca_group), 0)]
            for row in rows:
                if row in archive:
                    self.wake(row)

    def rebind(self, entry: OrderEntry, order_id: int) -> None:
        """Give an entry another order id (orderBound)."""
        self._by_id[entry.order_id].remove(entry)
        self._wake_id(order_id)
        entry.order_id = order_id
        entry.place = self._next_place
        self._next_place += 1
        self._by_id.setdefault(order_id, []).append(entry)

    # ── finding, to change ──────────────────────────────────────────────────────────────────────

    def by_perm_id(self, perm_id: int) -> OrderEntry | None:
        """Find by the broker's permanent id."""
        found = self.known_perm_ids.get(perm_id)
        if found is None and perm_id in self.archive.by_perm_id:
            found = self.wake(self.archive.by_perm_id[perm_id])
        return found

    def by_key(self, key: str) -> OrderEntry | None:
        """Find by the client order key that we put into orderRef."""
        found = self._by_key.get(key)
        if found is None and key in self.archive.by_key:
            found = self.wake(self.archive.by_key[key])
        return found

    def by_order_id(self, order_id: int, client_id: int | None) -> OrderEntry | None:
        """Find by order id: the client's own newest order, else the newest one whose client is unknown.

        With no client given, the only or newest order of that id.
        """
        if order_id in self.archive.by_id:
            self._wake_id(order_id)
        found = self._by_id.get(order_id)
        return None if found is None else _pick(found, client_id)

    def by_execution(self, base: str) -> OrderEntry | None:
        """Find, and wake, a packed order by one of its executions."""
        row = self.archive.by_execution.get(base)
        return self.wake(row) if row is not None else None

    def unseen(self, order_id: int | None, client_id: int | None) -> OrderEntry | None:
        """Find the only order with this id, where its client is this one and its permId is not known yet.

        None where there are several, or there is any doubt: then :meth:`find` says more.
        """
        candidates = self._by_id.get(order_id) if order_id else None
        if candidates is None or len(candidates) != 1 or order_id in self.archive.by_id:
            return None
        entry = candidates[0]
        return entry if entry.perm_id is None and entry.client_id == client_id is not None else None

    def find(
        self,
        *,
        perm_id: int | None,
        order_ref: str = "",
        order_id: int | None = None,
        client_id: int | None = None,
        client_is_certain: bool = True,
    ) -> OrderEntry | None:
        """Find the order that a callback means, or None when it is a new one.

        A candidate found by a weaker identity is turned down when the broker has given it another
        permId: then the order id or the reference was used again for a different order. One without a
        permId is turned down when the callback has one and names another client: clients count their
        ids alike, and may label their orders alike.

        Args:
            perm_id: The permId of the callback, None or 0 when it has none.
            order_ref: The orderRef, matched only against client order keys of ours.
            order_id: The order id; 0 names no order.
            client_id: The client id of the callback.
            client_is_certain: False for orderStatus, whose client id can be the canceller's. Without a
                permId the order id alone then has to do.
        """
        if perm_id:
            found = self.by_perm_id(perm_id)
            if found is not None:
                return found
        candidates = (
            self.by_key(order_ref) if order_ref else None,
            self.by_order_id(order_id, client_id) if order_id else None,
            self.by_order_id(order_id, None) if order_id and not client_is_certain and not perm_id else None,
        )
        for candidate in candidates:
            if candidate is None or (perm_id and candidate.perm_id):
                continue
            if perm_id and None not in (client_id, candidate.client_id) and client_id != candidate.client_id:
                continue
            return candidate
        return None

    # ── finding, to look ────────────────────────────────────────────────────────────────────────

    def look_by_perm_id(self, perm_id: int) -> OrderEntry | None:
        """Find by permanent id, to look at only: a packed order stays packed."""
        row = self.archive.by_perm_id.get(perm_id)
        return self.known_perm_ids.get(perm_id) if row is None else self.archive.look(row)

    def look_by_key(self, key: str) -> OrderEntry | None:
        """Find by client order key, to look at only."""
        row = self.archive.by_key.get(key)
        return self._by_key.get(key) if row is None else self.archive.look(row)

    def is_used(self, order_id: int, key: str) -> bool:
        """Whether any order has this order id, or this client order key; an empty key names none."""
        packed = self.archive
        return (
            order_id in self._by_id
            or order_id in packed.by_id
            or (bool(key) and (key in self._by_key or key in packed.by_key))
        )

    def look_by_order_id(self, order_id: int, client_id: int | None) -> OrderEntry | None:
        """Find by order id as :meth:`by_order_id` does, to look at only."""
        found: Sequence[OrderEntry] = self._by_id.get(order_id, ())
        rows = self.archive.rows_of_id(order_id)
        if rows:
            found = sorted((*found, *map(self.archive.look, rows)), key=_place)
        return _pick(found, client_id)

    # ── packing ─────────────────────────────────────────────────────────────────────────────────

    def put_away(self, entries: Sequence[OrderEntry]) -> None:
        """Pack finished orders: one that stands alone, or a whole family.

        Raises:
            Unpackable: One of them holds what cannot be written down; all stay awake.
        """
        packed = [pack(entry, self.archive.shared) for entry in entries]
        family = tuple(entry.row for entry in entries) if len(entries) > 1 else ()
        for entry, its in zip(entries, packed, strict=True):
            names = self._taken_out(entry, family)
            self.archive.put(entry.row, its, names)
            if self.archive.fresh is not None:
                self.archive.fresh[entry.row] = names
            self._on_put_away(entry)

    def names(self, entry: OrderEntry, family: tuple[int, ...] = ()) -> Names:
        """Return what an order that is awake is found by."""
        perm_ids = (entry.perm_id, *entry.former_perm_ids)
        known = self.known_perm_ids
        return Names(
            order_id=entry.order_id,
            perm_ids=tuple(one for one in perm_ids if one and known.get(one) is entry),
            key=entry.key if entry.key and self._by_key.get(entry.key) is entry else "",
            executions=tuple(entry.ledger.bases),
            family=family,
            groups=tuple(groups_of(entry)) if family else (),
        )

    def _taken_out(self, entry: OrderEntry, family: tuple[int, ...]) -> Names:
        names = self.names(entry, family)
        del self._entries[entry.row]
        if self._sides is not None:
            self._sides.drop(entry)
        for perm_id in names.perm_ids:
            del self.known_perm_ids[perm_id]
        if names.key:
            del self._by_key[names.key]
        namesakes = self._by_id[entry.order_id]
        namesakes.remove(entry)
        if not namesakes:
            del self._by_id[entry.order_id]
        self.kinship.drop(entry)
        return names

    def wake(self, row: int) -> OrderEntry:
        """Unpack an order, and its family with it."""
        for one in self.archive.family_of(row):
            self.restore(*self.archive.take(one))
        return self._entries[row]

    def restore(self, entry: OrderEntry, names: Names) -> None:
        """Take an unpacked entry in as one that is awake."""
        self._next_place = max(self._next_place, entry.place + 1, entry.row + 1)
        self._entries[entry.row] = entry
        self.sort_in(entry)
        for perm_id in names.perm_ids:
            self.known_perm_ids[perm_id] = entry
        namesakes = self._by_id.setdefault(entry.order_id, [])
        namesakes.append(entry)
        namesakes.sort(key=_place)
        if names.key:
            self._by_key[names.key] = entry
        if entry.parent_id or entry.oca_group or (entry.order is not None and entry.order.official):
            self.kinship.note(entry)
        self._on_wake(entry)

    def load(self, awake: Iterable[int], live: Sequence[int], next_place: int) -> None:
        """Wake what was awake when the archive was written."""
        for row in awake:
            self.wake(row)
        self._live = {id(entry): entry for entry in (self._entries[row] for row in live)}
        self._sides = None
        self._next_place = next_place

    @property
    def next_place(self) -> int:
        """The next row."""
        return self._next_place

    @property
    def awake_count(self) -> int:
        """How many orders are not packed."""
        return len(self._entries)

    def _wake_id(self, order_id: int) -> None:
        for row in self.archive.rows_of_id(order_id):
            if row in self.archive:  # else its family woke already
                self.wake(row)

    def kin_of(self, entry: OrderEntry) -> list[OrderEntry]:
        """Return an order and all that are tied to it, over others too; all of them are awake."""
        found = {entry.row: entry}
        left = [entry]
        while left:
            one = left.pop()
            near: Iterable[OrderEntry | None] = (
                *(self._entries.get(row) for row in self.kinship.rows_of(one)),
                *(other for order_id in self.kinship.ids_of(one) for other in self._by_id.get(order_id, ())),
                self.known_perm_ids.get(int(one.oca_group)) if one.oca_group.isdigit() else None,
            )
            for other in near:
                if other is not None and other.row not in found:
                    found[other.row] = other
                    left.append(other)
        return [found[row] for row in sorted(found)]


def _pick(candidates: Sequence[OrderEntry], client_id: int | None) -> OrderEntry | None:
    if not candidates:
        return None
    if client_id is None:
        return candidates[-1]
    unknown: OrderEntry | None = None
    for entry in reversed(candidates):
        if entry.client_id == client_id:
            return entry
        if entry.client_id is None and unknown is None:
            unknown = entry
    return unknown


def _place(entry: OrderEntry) -> int:
    return entry.place


def _nothing(_: OrderEntry) -> None:
    """Do nothing."""
