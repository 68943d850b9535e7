"""The engine, with the orders that it placed itself, and one inline listener on all order events."""

from __future__ import annotations

import contextlib
import importlib
import time
from collections.abc import Iterator
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest import mock

import attrs

from benchmarks.programs.stage import FAR_S, Calls, Stage
from benchmarks.terms import CLIENT_ID, END_MARK, FIRST_ID, QUANTITY, terms
from ibkr_core import Contract, Delivery, Engine, EngineSettings, Order, TwsClient, events
from ibkr_core.lifecycle import express
from ibkr_core.link.transport import SocketTransport
from ibkr_core.model.status import OrderStatus

__all__ = ["begin", "check", "make_order", "open_engine", "place", "unthrottled"]


def begin() -> Stage:
    """Begin a run of the engine that the driver asked for, compiled or not, and of no other.

    Raises:
        SystemExit: What is imported is the other one.
    """
    stage = Stage()
    is_compiled = (express.__file__ or "").endswith(tuple(EXTENSION_SUFFIXES))
    if is_compiled != stage.task["compiled"]:
        wanted = "compiled" if stage.task["compiled"] else "in plain Python"
        raise SystemExit(f"the engine is not the one {wanted} that was asked for: {express.__file__}")
    return stage


def make_order(order_id: int) -> tuple[Contract, Order]:
    """Return what the order with this id trades, and how."""
    its = terms(order_id)
    contract = Contract.stock(its.symbol, con_id=its.con_id)
    price = f"{its.limit // 100}.{its.limit % 100:02d}"
    return contract, Order.limit(its.action, QUANTITY, price, order_ref=its.key)


def place(engine: Engine, count: int, pause_s: float = 0.0) -> Calls:
    """Place orders."""
    while engine.next_request_id() < FIRST_ID - 1:
        pass
    calls = Calls()
    with mock.patch.object(SocketTransport, "send", calls.noting(SocketTransport.send)):
        for order_id in range(FIRST_ID, FIRST_ID + count):
            contract, order = make_order(order_id)
            ticket = calls.time(engine.submit, contract, order)
            if ticket.order_id != order_id:
                raise SystemExit(f"order {order_id} became {ticket.order_id}")
            if pause_s:
                time.sleep(pause_s)
    return calls


def check(engine: Engine, count: int) -> None:
    """Raise unless the book knows the end of every order."""
    records = engine.orders()
    if len(records) != count:
        raise SystemExit(f"{len(records)} orders, not {count}")
    for record in records:
        its = terms(record.order_id)
        if record.status is not OrderStatus.FILLED or record.filled_quantity != QUANTITY:
            raise SystemExit(f"not filled: {record}")
        if dict(record.commissions) != {"USD": its.commission} or len(record.fills) != len(its.parts):
            raise SystemExit(f"paid {record.commissions}: {record}")


def unthrottled() -> EngineSettings:
    """Return settings with which nothing waits and nobody is asked.

    Nobody answers before the stream, which comes when all orders are placed: no asking after them meanwhile.
    """
    return EngineSettings(messages_per_second=None, max_active_orders=None, ack_timeout_s=FAR_S)


@contextlib.contextmanager
def open_engine(stage: Stage) -> Iterator[Engine]:
    """Open an engine that nothing throttles, with a journal where the task asks for it."""

    class Client(TwsClient):
        def currentTime(self, time: int) -> None:  # noqa: N802 - official name
            if time == END_MARK:
                stage.end()

    settings = attrs.evolve(unthrottled(), **stage.task.get("settings", {}))
    with TemporaryDirectory(prefix="ibkr-core-bench-") as folder:
        journal = Path(folder) / "orders.db" if stage.task.get("journal") else None
        with Engine(CLIENT_ID, settings=settings, journal=journal, client_class=Client) as engine:
            engine.open("127.0.0.1", stage.task["port"])
            yield engine


def profile(stage: Stage) -> contextlib.AbstractContextManager[Any]:
    """Return the engine's latency profile where the task asks for it."""
    if not stage.task.get("profile"):
        return contextlib.nullcontext()
    found: contextlib.AbstractContextManager[Any] = importlib.import_module("ibkr_core.profiles").latency()
    return found


def look(event: events.Event) -> None:
    """Read of an event what most listeners read: which order, where it stands, how much is filled at what."""
    assert isinstance(event, events.OrderEvent)
    record = event.record
    if (
        record.order_id < FIRST_ID
        or record.filled_quantity > QUANTITY
        or record.status is OrderStatus.REJECTED
    ):
        raise ValueError(f"order {record.order_id} is wrong: {record}")
    if record.filled_quantity and record.avg_fill_price is None:
        raise ValueError(f"no price: {record}")


def listen(engine: Engine, stage: Stage) -> None:
    """Put one inline listener on order events; what one raises ends the run."""
    engine.on(events.ListenerFailed, lambda event: stage.fail(repr(event)), Delivery.INLINE)
    if stage.task.get("look"):
        engine.on(events.OrderEvent, look, Delivery.INLINE)
        return
    if not stage.task.get("timed"):
        engine.on(events.OrderEvent, lambda _: None, Delivery.INLINE)
        return
    clock, executions, commissions = time.perf_counter_ns, stage.executions, stage.commissions

    def note(event: events.Event) -> None:
        if isinstance(event, events.ExecutionReceived):
            executions.append((event.fill.exec_id, clock()))
        elif isinstance(event, events.CommissionReported):
            commissions.append((event.fill.exec_id, clock()))

    engine.on(events.OrderEvent, note, Delivery.INLINE)


def wait_slim(engine: Engine) -> None:
    """Wait until all finished orders are packed."""
    far = time.monotonic() + FAR_S
    while engine._book.read(lambda book: book.index.awake_count):  # noqa: SLF001 - nobody else asks
        if time.monotonic() > far:
            raise SystemExit("orders stay awake")
        time.sleep(0.05)


def main() -> None:
    """Run once."""
    stage = begin()
    with profile(stage), open_engine(stage) as engine:
        stage.weigh()
        calls = place(engine, stage.task["orders"], stage.task.get("pause_s", 0.0))
        if stage.task.get("submit"):
            calls.report(stage)
            return
        del calls  # its times are not what an order weighs
        listen(engine, stage)
        if engine.journal is not None:
            engine.journal.flush()  # what was placed is not what is measured
        stage.ready()
        stage.wait()
        if engine.journal is not None:
            engine.journal.flush()
        if stage.task.get("slim"):
            wait_slim(engine)
        weight = stage.weigh_again()
        check(engine, stage.task["orders"])
        stage.report(**weight)


if __name__ == "__main__":
    main()
