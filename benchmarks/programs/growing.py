"""The engine with a book that grows, told line by line what to do next: for scale and recovery.

Commands on stdin, one JSON a line:

* ``{"place": n}`` places so many orders and answers with the first one's id;
* ``{"expect": n}`` waits for so many end marks and answers with the CPU seconds that the reader thread
  spent since the last one, and the whole process's memory;
* ``{"flush": true}`` answers when all is in the journal;
* ``{"pack": true}`` answers when all finished orders are packed;
* ``{"look": ids}`` looks at some orders, which must be filled and paid for, and answers with the number of
  all orders;
* ``{"die": true}`` answers, and kills the process (``kill -9``) when the next end mark comes;
* ``{"quit": true}`` ends.
"""

from __future__ import annotations

import gc
import json
import os
import queue
import signal
import sys
import threading
import time
from typing import Any

import attrs

from benchmarks.programs.engine import begin, make_order, unthrottled, wait_slim
from benchmarks.programs.stage import FAR_S, resident
from benchmarks.terms import CLIENT_ID, END_MARK, QUANTITY
from ibkr_core import Delivery, Engine, TwsClient, events
from ibkr_core.model.status import OrderStatus

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
    if "pack" in command:
        wait_slim(engine)
        return {}, last
    if "look" in command:
        look_at(engine, command["look"])
        # Not len(engine.orders()): a million records would be the largest thing in this process.
        return {"orders": engine._book.read(lambda book: len(book.index))}, last  # noqa: SLF001 - nobody asks
    spent = 0.0
    for _ in range(command["expect"]):
        mark = marks.get(timeout=FAR_S)
        spent, last = mark - last, mark
    return {"cpu_s": spent, "resident": resident()}, last


def look_at(engine: Engine, order_ids: list[int]) -> None:
    """Raise unless each of these orders has its end."""
    for order_id in order_ids:
        record = engine.order(order_id)
        if record.status is not OrderStatus.FILLED or record.filled_quantity != QUANTITY:
            raise SystemExit(f"not filled: {record}")
        if len(record.fills) != 2 or None in [fill.commission for fill in record.fills]:
            raise SystemExit(f"not paid: {record}")


def main() -> None:
    """Serve the driver until it says quit."""
    stage = begin()
    marks: Marks = queue.SimpleQueue()
    shall_die = threading.Event()

    class Client(TwsClient):
        def currentTime(self, moment: int) -> None:  # noqa: N802 - official name
            if moment == END_MARK:
                if shall_die.is_set():
                    # On the thread that receives: what came before the mark it has handled, and nothing more.
                    os.kill(os.getpid(), getattr(signal, "SIGKILL", signal.SIGTERM))
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
            if "die" in command:
                shall_die.set()
                stage.say({})
                continue
            answer, last = obey(engine, marks, command, last)
            stage.say(answer)


if __name__ == "__main__":
    main()
