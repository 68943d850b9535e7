"""The engine with a book that grows, told line by line what to do next: for scale and recovery.

Commands on stdin, one JSON a line:

* ``{"place": n}`` places so many orders and answers with the first one's id;
* ``{"expect": n}`` waits for so many end marks and answers with the CPU seconds that the reader thread
  spent since the last one, and the whole process's memory;
* ``{"flush": true}`` answers when all is in the journal;
* ``{"quit": true}`` ends.
"""

from __future__ import annotations

import gc
import json
import queue
import sys
import time
from typing import Any

import attrs

from benchmarks.programs.engine import make_order, unthrottled
from benchmarks.programs.stage import FAR_S, Stage, resident
from benchmarks.terms import CLIENT_ID, END_MARK
from ibkr_core import Delivery, Engine, TwsClient, events

Marks = queue.SimpleQueue[float]


def obey(engine: Engine, marks: Marks, command: dict[str, Any], last: float) -> tuple[dict[str, Any], float]:
    """Do one command; returns the answer and the reader's CPU seconds at the last mark."""
    if "place" in command:
        first = engine.next_request_id() + 1
        for order_id in range(first, first + command["place"]):
            if engine.submit(*make_order(order_id)).order_id != order_id:
                raise SystemExit(f"not the next order id: {order_id}")
        return {"first": first}, last
    if "flush" in command:
        if engine.journal is not None:
            engine.journal.flush()
        return {}, last
    spent = 0.0
    for _ in range(command["expect"]):
        mark = marks.get(timeout=FAR_S)
        spent, last = mark - last, mark
    return {
        "cpu_s": spent,
        "resident": resident(),
        "orders": len(engine.orders()) if command.get("count") else 0,
    }, last


def main() -> None:
    """Serve the driver until it says quit."""
    stage = Stage()
    marks: Marks = queue.SimpleQueue()

    class Client(TwsClient):
        def currentTime(self, moment: int) -> None:  # noqa: N802 - official name
            if moment == END_MARK:
                marks.put(time.thread_time())

    settings = attrs.evolve(unthrottled(), recheck_s=0, **stage.task.get("settings", {}))
    with Engine(
        CLIENT_ID, settings=settings, journal=stage.task.get("journal"), client_class=Client
    ) as engine:
        engine.open("127.0.0.1", stage.task["port"])
        engine.on(events.OrderEvent, lambda _: None, Delivery.INLINE)
        gc.collect()
        stage.say({"ready": True})
        last = 0.0
        for line in sys.stdin:
            command = json.loads(line)
            if "quit" in command:
                break
            answer, last = obey(engine, marks, command, last)
            stage.say(answer)


if __name__ == "__main__":
    main()
