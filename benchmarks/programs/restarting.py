"""The engine, started with a journal that an earlier process left: how long until it knows all its orders."""

from __future__ import annotations

import random
import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, Final, Protocol

from benchmarks.programs.engine import begin
from benchmarks.programs.stage import resident
from benchmarks.terms import CLIENT_ID, QUANTITY, terms
from ibkr_core import Engine, OrderRecord
from ibkr_core.model.status import OrderStatus

_SAMPLE: Final = 1_000
"""How many of the packed orders are looked at, other ones at each start: to unpack all takes a minute."""


class Book(Protocol):
    """Where orders are looked up by their rows."""

    def record(self, row: int) -> OrderRecord:
        """Return the order of a row."""


def check(book: Book, rows: Sequence[int], packed: Collection[int], task: Mapping[str, Any]) -> int:
    """Raise unless all orders are there, the first ones filled and paid for; returns how many are not filled.

    Of the last ones some may be, where the process was killed while it heard of them. All are counted; each
    one that is not packed is looked at, and of the packed ones, which must be filled, a sample.

    Args:
        book: The orders.
        rows: Where they are, oldest first.
        packed: Which of them are packed.
        task: How many there should be.
    """
    finished, orders = task["finished"], task["orders"]
    if len(rows) != orders:
        raise SystemExit(f"{len(rows)} orders, not {orders}")
    sample = set(random.sample(rows, min(_SAMPLE, orders)))
    alive = last_id = 0
    for place, row in enumerate(rows):
        if row in packed and row not in sample:
            continue
        record = book.record(row)
        if record.order_id <= last_id:
            raise SystemExit(f"not behind order {last_id}: {record}")
        last_id = record.order_id
        if record.status is not OrderStatus.FILLED:
            if row in packed or place < finished:
                raise SystemExit(f"not filled: {record}")
            alive += 1
        elif record.filled_quantity != QUANTITY:
            raise SystemExit(f"wrong: {record}")
        its = terms(record.order_id)
        told = record.perm_id, record.commissions
        if place < finished and told != (its.perm_id, {"USD": its.commission}):
            raise SystemExit(f"not paid, or another one: {record}")
    return alive


def main() -> None:
    """Start once."""
    stage = begin()
    told: list[int] = []
    wall, cpu = time.perf_counter(), time.process_time()
    engine = Engine(CLIENT_ID, journal=stage.task["journal"], on_progress=told.append)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with engine:
        weight = resident()
        pages, awake, packed = engine._book.read(  # noqa: SLF001 - nobody else asks
            lambda book: (
                book.pages(),
                {entry.row for entry in book.index.awake()},
                {row for row, _ in book.index.archive.items()},
            )
        )
        alive = check(pages, sorted(awake | packed), packed, stage.task)
        stage.say({"seconds": wall, "cpu_s": cpu, "progress": len(told), "resident": weight, "alive": alive})


if __name__ == "__main__":
    main()
