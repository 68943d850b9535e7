"""The engine, started with a journal that an earlier process left: how long until it knows all its orders."""

from __future__ import annotations

import time

from benchmarks.programs.stage import Stage, resident
from benchmarks.terms import CLIENT_ID, QUANTITY, terms
from ibkr_core import Engine, OrderRecord
from ibkr_core.model.status import OrderStatus


def check(records: tuple[OrderRecord, ...], orders: int, working: int) -> None:
    """Raise unless all orders are there, the last ones working and the others filled and paid for."""
    if len(records) != orders + working:
        raise SystemExit(f"{len(records)} orders, not {orders + working}")
    alive = 0
    for record in records:
        if record.status is not OrderStatus.FILLED:
            alive += 1
        elif record.filled_quantity != QUANTITY or record.commissions != {
            "USD": terms(record.order_id).commission
        }:
            raise SystemExit(f"wrong: {record}")
    if alive != working:
        raise SystemExit(f"{alive} orders are not filled, not {working}")


def main() -> None:
    """Start once."""
    stage = Stage()
    told: list[int] = []
    wall, cpu = time.perf_counter(), time.process_time()
    engine = Engine(CLIENT_ID, journal=stage.task["journal"], on_progress=told.append)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    with engine:
        check(engine.orders(), stage.task["orders"], stage.task["working"])
        stage.say({"seconds": wall, "cpu_s": cpu, "progress": len(told), "resident": resident()})


if __name__ == "__main__":
    main()
