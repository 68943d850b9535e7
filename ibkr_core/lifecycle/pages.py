"""All orders of a book at one moment, to be read at leisure: what is packed is unpacked while it is read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ibkr_core.lifecycle.packing import Shared, unpack
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
            part = self._parts[row]
            yield row, unpack(part, self._shared).snapshot() if isinstance(part, bytes) else part

    def fills(self) -> Iterator[Fill]:
        """Yield all executions of all orders, by order and then in the order in which they became known."""
        for record in self.orders():
            yield from record.fills
            yield from record.leg_fills
            yield from record.allocation_fills
