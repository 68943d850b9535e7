"""Listeners on a live engine: they may do anything from inside, and whatever they do harms nobody."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import OrderFinished, WaitTimeout, WouldDeadlock
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from tests.engine.rig import STOCK, WAIT, Connect, Log, S, Serve, WatchedGateway, buy, rest, settle
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
INLINE, WORKER, ASYNCIO = Delivery.INLINE, Delivery.WORKER, Delivery.ASYNCIO
BOTH = pytest.mark.parametrize("delivery", [INLINE, WORKER])


class Once:
    """A listener that does something at the first event, and keeps what came of it."""

    def __init__(self, act: Callable[[Any], object]) -> None:
        self._act = act
        self._started = False
        self.outcome: object = None
        self.thread = ""
        self.done = threading.Event()

    def __call__(self, event: Any) -> None:
        if self._started:
            return
        self._started = True
        self.thread = threading.current_thread().name
        try:
            self.outcome = self._act(event)
        except Exception as error:
            self.outcome = error
            raise
        finally:
            self.done.set()

    def wait(self) -> Any:
        assert self.done.wait(PATIENCE_S)
        return self.outcome


def test_each_delivery_runs_on_its_own_thread(gateway: WatchedGateway, engine: Engine) -> None:
    """Fills arrive on the reader, on the worker and on the loop, in the same order everywhere."""
    inline, worker = Log(engine, events.OrderEvent), Log(engine, events.OrderEvent, WORKER)
    names: dict[str, str] = {}
    engine.on(events.OrderFilled, lambda _: names.update(inline=threading.current_thread().name), INLINE)
    engine.on(events.OrderFilled, lambda _: names.update(worker=threading.current_thread().name), WORKER)

    async def main() -> list[int]:
        heard: list[int] = []
        filled = asyncio.Event()

        async def listener(event: events.OrderEvent) -> None:
            heard.append(event.seq)
            if isinstance(event, events.CommissionReported):
                filled.set()

        engine.on(events.OrderEvent, listener, ASYNCIO)
        await asyncio.to_thread(buy, engine)
        await asyncio.wait_for(filled.wait(), PATIENCE_S)
        return heard

    heard = asyncio.run(main())
    worker.wait(events.CommissionReported)
    inline.wait(events.CommissionReported)
    assert heard == inline.seqs()[: len(heard)] == worker.seqs()[: len(heard)]
    assert heard == sorted(set(heard))
    assert names["worker"] == "ibkr-core-worker"
    # Whoever learns of events first delivers them in order: the reader, or a sender that was at it already.
    assert names["inline"] != "ibkr-core-worker"


def test_numbers_rise_for_every_listener_while_much_happens(gateway: WatchedGateway, engine: Engine) -> None:
    """Several threads trade at once: each listener hears rising numbers, and every number is heard."""
    logs = [Log(engine, events.Event, delivery) for delivery in (INLINE, WORKER)]

    def trade() -> None:
        for _ in range(20):
            buy(engine, 1).wait(**WAIT)

    threads = [threading.Thread(target=trade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    for log in logs:
        log.wait(events.CommissionReported, count=80)
    settle(engine)
    seqs = logs[0].seqs()
    assert seqs == list(range(seqs[0], seqs[0] + len(seqs)))
    assert logs[1].seqs() == seqs[: len(logs[1].seqs())]


@BOTH
def test_a_raising_listener_harms_nobody(delivery: Delivery, gateway: WatchedGateway, engine: Engine) -> None:
    """Reported each time; the others hear everything, and orders go on living."""
    before, failed = Log(engine, events.OrderEvent, delivery), Log(engine, events.ListenerFailed, delivery)

    def broken(event: events.OrderEvent) -> None:
        raise ValueError(f"no: {event.seq}")

    engine.on(events.OrderEvent, broken, delivery)
    after = Log(engine, events.OrderEvent, delivery)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    for log in (before, after):
        log.wait(events.CommissionReported)
    report = failed.wait(events.ListenerFailed, count=len(before.heard))
    assert "broken" in report.listener
    assert report.error.startswith("ValueError: no: ")
    assert before.names() == after.names()
    assert engine.is_ready


class Unspeakable(Exception):
    """Cannot even be put into words."""

    def __str__(self) -> str:
        raise ValueError("no words")


class Nameless:
    """A listener that cannot be named."""

    def __call__(self, _: events.OrderEvent) -> None:
        raise Unspeakable

    def __repr__(self) -> str:
        raise ValueError("no name")


@BOTH
def test_a_fault_that_cannot_be_put_into_words(
    delivery: Delivery, gateway: WatchedGateway, connect: Connect
) -> None:
    """An exception whose text raises, from a listener whose name raises, is reported by its type."""
    from ibkr_core.link.client import TwsClient

    class Mine(TwsClient):
        def orderStatus(self, *_: Any) -> None:  # noqa: N802 - official name
            raise Unspeakable

    engine = connect(gateway, client_class=Mine)
    log = Log(engine)
    engine.on(events.OrderEvent, Nameless(), delivery)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    assert "Unspeakable" in log.wait(events.ListenerFailed, count=3).error
    assert "Unspeakable" in log.wait(events.CallbackFailed).error
    assert engine.is_ready


@BOTH
def test_an_order_may_be_submitted_from_inside(
    delivery: Delivery, gateway: WatchedGateway, engine: Engine
) -> None:
    """The fill of one order sends the next one, which fills as well."""
    once = Once(lambda _: engine.submit(STOCK, Order.market("SELL", 10)))
    engine.on(events.OrderFilled, once, delivery)
    first = buy(engine)
    second = once.wait()
    assert second.wait(**WAIT).status is S.FILLED
    assert first.order_id < second.order_id
    assert once.thread == ("ibkr-core-reader" if delivery is INLINE else "ibkr-core-worker")


@BOTH
def test_a_chain_of_orders_from_inside(delivery: Delivery, gateway: WatchedGateway, engine: Engine) -> None:
    """Each fill sends the next order, fifty times: no stack grows, no lock stands still."""
    log = Log(engine, events.OrderFilled)

    def next_one(event: events.OrderFilled) -> None:
        if len(engine.orders()) < 50:
            buy(engine, 1)

    engine.on(events.OrderFilled, next_one, delivery)
    buy(engine, 1)
    log.wait(events.OrderFilled, count=50)
    assert [record.status for record in engine.orders()] == [S.FILLED] * 50


@BOTH
def test_orders_may_be_modified_and_cancelled_from_inside(
    delivery: Delivery, gateway: WatchedGateway, engine: Engine
) -> None:
    """As soon as an order works it is modified; as soon as that is in force it is cancelled."""
    modify = Once(lambda event: engine.modify(event.order_id, limit_price="91"))
    cancel = Once(lambda event: engine.cancel(event.order_id))
    engine.on(events.OrderAcknowledged, modify, delivery)
    engine.on(events.OrderModified, cancel, delivery)
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "90"))
    record = ticket.wait(**WAIT)
    assert (record.status, str(record.order.limit_price)) == (S.CANCELLED, "91")
    assert isinstance(modify.wait(), OrderRecord)
    assert isinstance(cancel.wait(), OrderRecord)


@BOTH
def test_groups_may_be_sent_from_inside(delivery: Delivery, gateway: WatchedGateway, engine: Engine) -> None:
    """A whole bracket as the answer to a fill."""
    once = Once(
        lambda _: engine.submit_bracket(
            STOCK, Order.limit("BUY", 10, "95"), take_profit="110", stop_loss="90"
        )
    )
    engine.on(events.OrderFilled, once, delivery)
    buy(engine).wait(**WAIT)
    bracket = once.wait()
    for ticket in bracket.all:
        ticket.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)


def test_waiting_inside_an_inline_listener_is_refused(gateway: WatchedGateway, engine: Engine) -> None:
    """It would stop the thread that has to bring the answer: a typed error at once, on any thread."""
    ticket = rest(engine)
    on_reader = Once(lambda _: ticket.wait(timeout_s=PATIENCE_S))
    engine.on(events.OrderFilled, on_reader, INLINE)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    assert isinstance(on_reader.wait(), WouldDeadlock)
    assert on_reader.thread == "ibkr-core-reader"

    here = Once(lambda _: ticket.wait(timeout_s=PATIENCE_S))
    engine.on(events.OrderSubmitted, here, INLINE)
    buy(engine)
    assert isinstance(here.wait(), WouldDeadlock)
    assert ticket.status.is_working


def test_a_users_callback_may_not_wait_either(gateway: WatchedGateway, connect: Connect) -> None:
    """The official callbacks run on the reader too."""
    from ibkr_core.link.client import TwsClient

    outcome: list[BaseException] = []

    class Mine(TwsClient):
        def orderStatus(self, *_: Any) -> None:  # noqa: N802 - official name
            try:
                engine.ticket(engine.orders()[0].order_id).wait(timeout_s=PATIENCE_S)
            except WouldDeadlock as error:
                outcome.append(error)

    engine = connect(gateway, client_class=Mine)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    settle(engine)
    assert outcome


def test_waiting_inside_a_worker_listener_works(gateway: WatchedGateway, engine: Engine) -> None:
    """It may take its time: the reader goes on."""

    def act(_: events.OrderFilled) -> OrderRecord:
        return engine.submit(STOCK, Order.market("SELL", 10)).wait(**WAIT)

    once = Once(act)
    engine.on(events.OrderFilled, once, WORKER)
    buy(engine)
    assert once.wait().status is S.FILLED


def test_awaiting_tickets(gateway: WatchedGateway, engine: Engine) -> None:
    """Many orders at once in asyncio; one that does not end in time raises, and is untouched."""

    async def one(quantity: int) -> OrderRecord:
        return await buy(engine, quantity)

    async def main() -> list[OrderRecord]:
        records = await asyncio.gather(*(one(quantity) for quantity in range(1, 11)))
        ticket = engine.submit(STOCK, Order.limit("BUY", 10, "90"))
        assert (await ticket.until(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)).status.is_working
        with pytest.raises(WaitTimeout):
            await ticket.until(timeout_s=0.01)
        assert ticket.status.is_working
        ticket.cancel()
        assert (await ticket.until(S.CANCELLED, **WAIT)).status is S.CANCELLED
        return list(records)

    records = asyncio.run(main())
    assert [int(record.filled_quantity) for record in records] == list(range(1, 11))


def test_a_wait_that_runs_out_leaves_the_order_alone(gateway: WatchedGateway, engine: Engine) -> None:
    """Nothing is sent for it, nothing stays behind, and a later wait works."""
    ticket = rest(engine)
    before = len(gateway.requests)
    for _ in range(20):
        with pytest.raises(WaitTimeout, match="waited for"):
            ticket.wait(S.FILLED, timeout_s=0)
    assert engine._book._waiters == {}
    assert ticket.status.is_working
    assert len(gateway.requests) == before
    gateway.fill(ticket.order_id)
    assert ticket.wait(S.FILLED, **WAIT).status is S.FILLED


def test_a_callback_on_a_future_may_submit(gateway: WatchedGateway, engine: Engine) -> None:
    """``watch`` gives a plain future; its callbacks run with no lock held, also for a change made by us."""
    ticket = rest(engine)
    sent: list[Any] = []
    done = threading.Event()

    def callback(_: Any) -> None:
        sent.append(buy(engine))
        done.set()

    engine.watch(ticket.order_id, frozenset({S.PENDING_CANCEL})).add_done_callback(callback)
    canceller = threading.Thread(target=ticket.cancel)
    canceller.start()
    assert done.wait(PATIENCE_S), "the callback stands still"
    canceller.join(PATIENCE_S)
    assert sent[0].wait(**WAIT).status is S.FILLED


def test_unsubscribing_from_inside(gateway: WatchedGateway, engine: Engine) -> None:
    """A listener that has heard enough."""
    heard: list[int] = []

    def listener(event: events.Event) -> None:
        heard.append(event.seq)
        subscription.close()

    subscription = engine.on(events.OrderFilled, listener, INLINE)
    for _ in range(3):
        buy(engine).wait(**WAIT)
    assert len(heard) == 1


def test_a_slow_worker_listener_does_not_hold_up_trading(gateway: WatchedGateway, engine: Engine) -> None:
    """It falls behind; orders, inline listeners and waits do not."""
    release = threading.Event()
    engine.on(events.OrderEvent, lambda _: release.wait(PATIENCE_S), WORKER)
    late = Log(engine, events.OrderFilled, WORKER)
    for _ in range(5):
        assert buy(engine).wait(**WAIT).status is S.FILLED
    assert late.heard == []
    release.set()
    late.wait(events.OrderFilled, count=5)


@pytest.mark.parametrize("delivery", [INLINE, WORKER, ASYNCIO])
def test_an_engine_may_be_closed_from_inside(
    delivery: Delivery, gateway: WatchedGateway, connect: Connect
) -> None:
    """From any listener: nothing stands still, no thread is left, and every listener hears the end."""
    engine = connect(gateway)
    inline, worker = Log(engine), Log(engine, events.Event, WORKER)
    resting = rest(engine)
    waiting: list[BaseException] = []

    def wait() -> None:
        try:
            resting.wait(**WAIT)
        except Exception as error:  # noqa: BLE001 - looked at below
            waiting.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    if delivery is ASYNCIO:

        async def main() -> None:
            closed = asyncio.Event()
            engine.on(events.OrderFilled, lambda _: (engine.close(), closed.set()), ASYNCIO)
            await asyncio.to_thread(buy, engine)
            await asyncio.wait_for(closed.wait(), PATIENCE_S)

        asyncio.run(main())
    else:
        once = Once(lambda _: engine.close())
        engine.on(events.OrderFilled, once, delivery)
        buy(engine)
        assert once.wait() is None
    waiter.join(PATIENCE_S)
    inline.wait(events.Disconnected)
    worker.wait(events.Disconnected)
    assert [type(error).__name__ for error in waiting] == ["EngineClosed"]
    for thread in threading.enumerate():
        if thread.name.startswith("ibkr-core"):
            thread.join(PATIENCE_S)
            assert not thread.is_alive()
    assert worker.seqs() == inline.seqs()


def test_commands_on_a_finished_order_from_inside(gateway: WatchedGateway, engine: Engine) -> None:
    """The error reaches the listener that made it, is reported, and nobody else notices."""
    failed = Log(engine, events.ListenerFailed)
    once = Once(lambda event: engine.cancel(event.order_id))
    engine.on(events.OrderFilled, once, INLINE)
    buy(engine).wait(**WAIT)
    assert isinstance(once.wait(), OrderFinished)
    assert "OrderFinished" in failed.wait(events.ListenerFailed).error
    assert gateway.arrived("cancelOrder") == []


def test_listeners_of_a_gateway_that_repeats_itself(serve: Serve, connect: Connect) -> None:
    """Duplicates of every callback make no duplicate event."""
    from ibkr_core.gateway import Choreography, Settings
    from tests.engine.conftest import STILL

    style = Choreography(duplicates=1.0, commission_echo=1.0)
    engine = connect(serve(settings=Settings(market=STILL, choreography=style)))
    log = Log(engine, events.OrderEvent)
    buy(engine).wait(**WAIT)
    log.wait(events.CommissionReported)
    engine.client.reqExecutions(900, _everything())
    settle(engine)
    for kind in (events.OrderFilled, events.ExecutionReceived, events.CommissionReported):
        assert len(log.of(kind)) == 1


def _everything() -> Any:
    from ibkr_core.link import compat

    return compat.execution_filter()
