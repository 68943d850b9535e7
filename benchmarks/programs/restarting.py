"""The engine, started with a journal that an earlier process left: how long until it knows all its orders."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from benchmarks.programs.engine import begin
from benchmarks.programs.stage import resident
from benchmarks.terms import CLIENT_ID, QUANTITY, terms
from ibkr_core import Engine, OrderRecord
from ibkr_core.model.status import OrderStatus


def check(records: tuple[OrderRecord, ...], task: Mapping[str, Any]) -> int:
    """Raise unless all orders are there, the first ones filled and paid for; returns how many are not filled.

    Of the last ones some may be, where the process was killed while it heard of them.
    """
    finished, orders = task["finished"], task["orders"]
    if len(records) != orders:
        raise SystemExit(f"{len(records)} orders, not {orders}")
    alive = 0
    for record in records:
        if record.status is not OrderStatus.FILLED:
            alive += 1
        elif record.filled_quantity != QUANTITY:
            raise SystemExit(f"wrong: {record}")
        if record.order_id - records[0].order_id >= finished:
            continue
        if record.commissions != {"USD": terms(record.order_id).commission}:
            raise SystemExit(f"not paid: {record}")
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
        alive = check(engine.orders(), stage.task)
        stage.say({"seconds": wall, "cpu_s": cpu, "progress": len(told), "resident": weight, "alive": alive})


if __name__ == "__main__":
    main()
