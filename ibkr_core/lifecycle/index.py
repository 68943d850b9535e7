"""Which order does a callback mean? Identity is permId, then orderRef, then (clientId, orderId).

An order id alone is not an identity: every client counts its own, ids can come back in a later
session, and all unbound manual orders share the id 0 (TWS facts 4).
"""

from __future__ import annotations

from collections.abc import Iterator

from ibkr_core.lifecycle.entry import OrderEntry

__all__ = ["OrderIndex"]


class OrderIndex:
    """All orders of the book, findable by each of their identities.

    Attributes:
        known_perm_ids: By permId; to look at only. None is never in it.
    """

    __slots__ = ("_by_id", "_by_key", "_entries", "_live", "known_perm_ids")

    def __init__(self) -> None:
        self._entries: list[OrderEntry] = []
        self.known_perm_ids: dict[int | None, OrderEntry] = {}
        self._by_key: dict[str, OrderEntry] = {}
        self._by_id: dict[int, list[OrderEntry]] = {}
        self._live: dict[int, OrderEntry] = {}

    def __iter__(self) -> Iterator[OrderEntry]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, entry: OrderEntry) -> None:
        """Take in a new entry under the identities that it has so far."""
        self._entries.append(entry)
        self.sort_in(entry)
        self._by_id.setdefault(entry.order_id, []).append(entry)
        if entry.perm_id:
            self.known_perm_ids[entry.perm_id] = entry
        if entry.key:
            self._by_key.setdefault(entry.key, entry)

    def sort_in(self, entry: OrderEntry) -> None:
        """Count the entry among the live ones or not, by its status."""
        if entry.status.is_finished:
            self._live.pop(id(entry), None)
        else:
            self._live[id(entry)] = entry

    def live(self) -> tuple[OrderEntry, ...]:
        """Return the orders that are not finished, so that work does not grow with the finished ones."""
        return tuple(self._live.values())

    def learn_perm_id(self, entry: OrderEntry, perm_id: int) -> None:
        """Note the permanent id of an entry that had none."""
        entry.perm_id = perm_id
        self.known_perm_ids[perm_id] = entry

    def learn_key(self, entry: OrderEntry, key: str) -> None:
        """Note the client order key of an order of ours that an earlier session placed."""
        entry.key = key
        self._by_key.setdefault(key, entry)

    def rebind(self, entry: OrderEntry, order_id: int) -> None:
        """Give an entry another order id (orderBound)."""
        self._by_id[entry.order_id].remove(entry)
        entry.order_id = order_id
        self._by_id.setdefault(order_id, []).append(entry)

    def by_perm_id(self, perm_id: int) -> OrderEntry | None:
        """Find by the broker's permanent id."""
        return self.known_perm_ids.get(perm_id)

    def by_key(self, key: str) -> OrderEntry | None:
        """Find by the client order key that we put into orderRef."""
        return self._by_key.get(key)

    def by_order_id(self, order_id: int, client_id: int | None) -> OrderEntry | None:
        """Find by order id: the client's own newest order, else the newest one whose client is unknown.

        With no client given, the only or newest order of that id.
        """
        candidates = self._by_id.get(order_id)
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

    def unseen(self, order_id: int | None, client_id: int | None) -> OrderEntry | None:
        """Find the only order with this id, where its client is this one and its permId is not known yet.

        None where there are several, or there is any doubt: then :meth:`find` says more.
        """
        candidates = self._by_id.get(order_id) if order_id else None
        if candidates is None or len(candidates) != 1:
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
            found = self.known_perm_ids.get(perm_id)
            if found is not None:
                return found
        candidates = (
            self._by_key.get(order_ref) if order_ref else None,
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
