"""All orders of a book at one moment, to be read at leisure: what is packed is unpacked while it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from ibkr_core.lifecycle.packing import Shared, submitted_at, unpack
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord

__all__ = ["Pages"]


class Pages:
    """Orders as they were when this was made, whatever becomes of them; for any thread, with no lock.

    Args:
        awake: Rows and snapshots of the orders that are not packed.
        packed: Rows and bytes of those that are.
        shared: What the bytes refer to.
    """

    __slots__ = ("_parts", "_shared")

    def __init__(
        self, awake: Sequence[tuple[int, OrderRecord]], packed: Sequence[tuple[int, bytes]], shared: Shared
    ) -> None:
        self._parts: dict[int, OrderRecord | bytes] = {**dict(packed), **dict(awake)}
        self._shared = shared

    def __len__(self) -> int:
        return len(self._parts)

    def orders(self) -> Iterator[OrderRecord]:
        """Yield all orders, oldest first."""
        for _, record in self.rows():
            yield record

    def rows(self) -> Iterator[tuple[int, OrderRecord]]:
        """Yield all orders with their rows, oldest first."""
        for row in sorted(self._parts):
            yield row, self.record(row)

    def record(self, row: int) -> OrderRecord:
        """Return the order of a row."""
        part = self._parts[row]
        return unpack(part, self._shared).snapshot() if isinstance(part, bytes) else part

    def submissions(self, since: datetime) -> list[tuple[datetime, int]]:
        """Return when orders of ours were handed to us since a moment, with their rows, in order of time."""
        found = []
        for row, part in self._parts.items():
            if isinstance(part, bytes):
                at = submitted_at(part)
            else:
                at = part.submission_time if part.is_ours else None
            if at is not None and at >= since:
                found.append((at, row))
        return sorted(found)

    def fills(self) -> Iterator[Fill]:
        """Yield all executions of all orders, by order and then in the order in which they became known."""
        for record in self.orders():
            yield from record.fills
            yield from record.leg_fills
            yield from record.allocation_fills
