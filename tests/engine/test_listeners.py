"""The dispatcher: events in order, each listener where it wants to run, and faults that harm nobody else."""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.listeners import Delivery, Dispatcher
from ibkr_core.model import events
from tests.link.peers import PATIENCE_S

NOW = datetime(2026, 11, 21, tzinfo=UTC)
INLINE, WORKER, ASYNCIO = Delivery.INLINE, Delivery.WORKER, Delivery.ASYNCIO


class Desk:
    """A dispatcher with the numbering that the engine gives it: under one lock."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.numbers = itertools.count(1)
        self.dispatcher = Dispatcher(self.report)
        self.started = False

    def start(self) -> None:
        self.started = True
        self.dispatcher.start()

    def on(
        self,
        kind: type[events.Event],
        listener: Callable[[Any], object],
        delivery: Delivery = INLINE,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Any:
        return self.dispatcher.subscribe((kind,), listener, delivery, loop)

    def post(self, kind: type[events.Event] = events.Disconnected, **details: Any) -> None:
        with self.lock:
            self.dispatcher.post((kind(at=NOW, seq=next(self.numbers), **details),))

    def tell(self, kind: type[events.Event] = events.Disconnected, **details: Any) -> None:
        self.post(kind, **details)
        self.dispatcher.drain()

    def report(self, name: str, error: BaseException) -> None:
        self.post(events.ListenerFailed, listener=name, error=f"{type(error).__name__}: {error}")


@pytest.fixture
def desk() -> Iterator[Desk]:
    made = Desk()
    yield made
    if made.started:
        made.dispatcher.stop()


class Log:
    """A listener that keeps what it hears, and on which thread."""

    def __init__(self, wanted: int = 1) -> None:
        self.heard: list[events.Event] = []
        self.threads: set[str] = set()
        self._wanted = wanted
        self.enough = threading.Event()

    def __call__(self, event: events.Event) -> None:
        self.heard.append(event)
        self.threads.add(threading.current_thread().name)
        if len(self.heard) >= self._wanted:
            self.enough.set()

    @property
    def numbers(self) -> list[int]:
        return [event.seq for event in self.heard]


# ── subscribing ─────────────────────────────────────────────────────────────────────────────────────


def test_a_listener_hears_its_kind_and_the_kinds_below(desk: Desk) -> None:
    """Subclasses are included, others are not, and several kinds can be named at once."""
    everything, lost, two = Log(), Log(), Log()
    desk.on(events.Event, everything)
    desk.on(events.ConnectionLost, lost)
    desk.dispatcher.subscribe((events.ConnectionLost, events.Disconnected), two, INLINE, None)
    desk.tell(events.ConnectionLost, reason="x")
    desk.tell(events.Disconnected)
    desk.tell(events.CallbackFailed, error="y")
    assert (everything.numbers, lost.numbers, two.numbers) == ([1, 2, 3], [1], [1, 2])


def test_no_kind_means_every_kind(desk: Desk) -> None:
    """An empty tuple listens to everything."""
    log = Log()
    desk.dispatcher.subscribe((), log, INLINE, None)
    desk.tell()
    assert log.numbers == [1]


class Speaker:
    """A callable whose call is a coroutine."""

    async def __call__(self, event: events.Event) -> None: ...


async def a_coroutine(_: object, event: events.Event) -> None: ...


@pytest.mark.parametrize(
    ("kind", "listener", "delivery", "argument"),
    [
        (int, print, INLINE, "kind"),
        ("Event", print, INLINE, "kind"),
        (events.Disconnected(at=NOW), print, INLINE, "kind"),
        (events.Event, None, INLINE, "listener"),
        (events.Event, "print", WORKER, "listener"),
        (events.Event, print, "inline", "delivery"),
        (events.Event, print, None, "delivery"),
        (events.Event, print, ASYNCIO, "loop"),
        (events.Event, functools.partial(a_coroutine, 1), WORKER, "listener"),
        (events.Event, Speaker(), INLINE, "listener"),
    ],
)
def test_what_cannot_work_is_refused(
    desk: Desk, kind: Any, listener: Any, delivery: Any, argument: str
) -> None:
    """Each mistake is an error that names the argument; a listener that would never be called is one too."""
    with pytest.raises(InvalidInput) as raised:
        desk.on(kind, listener, delivery)
    assert raised.value.argument == argument


def test_a_closed_subscription_hears_nothing_more(desk: Desk) -> None:
    """Closing takes effect at once, and may be done twice."""
    log = Log()
    subscription = desk.on(events.Event, log)
    desk.tell()
    subscription.close()
    subscription.close()
    desk.tell()
    assert log.numbers == [1]


def test_a_listener_may_close_its_own_subscription(desk: Desk) -> None:
    """From inside; the others hear the event, and the next ones."""
    first, last = Log(), Log()
    desk.on(events.Event, first)
    once: list[int] = []
    subscription = desk.on(events.Event, lambda event: (once.append(event.seq), subscription.close()))
    desk.on(events.Event, last)
    desk.tell()
    desk.tell()
    assert (first.numbers, once, last.numbers) == ([1, 2], [1], [1, 2])


def test_a_listener_may_close_another_one(desk: Desk) -> None:
    """The other does not get the event either, if its turn had not come."""
    log = Log()
    desk.on(events.Event, lambda _: subscription.close())
    subscription = desk.on(events.Event, log)
    desk.tell()
    assert log.numbers == []


def test_closing_drops_what_waits_for_the_worker(desk: Desk) -> None:
    """Events that stand in the worker's queue for a closed subscription are not delivered."""
    log, released = Log(), threading.Event()
    desk.on(events.Event, lambda _: released.wait(PATIENCE_S), WORKER)
    subscription = desk.on(events.Event, log, WORKER)
    desk.start()
    desk.tell()
    desk.tell()
    subscription.close()
    released.set()
    desk.dispatcher.stop()
    assert log.heard == []


def test_a_listener_may_add_listeners(desk: Desk) -> None:
    """They hear from the next event on."""
    late = Log()
    subscription = desk.on(events.Event, lambda _: (desk.on(events.Event, late), subscription.close()))
    desk.tell()
    desk.tell()
    assert late.numbers == [2]


def test_a_subscription_has_a_name_for_reports(desk: Desk) -> None:
    """The function's name where there is one, else how it looks."""
    log = Log()
    assert desk.on(events.Event, Log.__call__).name == "Log.__call__"
    subscription = desk.on(events.Event, log)
    assert subscription.name == repr(log)
    subscription.close()
    assert repr(subscription) == f"Subscription(Event -> {log!r}, {subscription.delivery.value}, closed)"


# ── where and in what order ─────────────────────────────────────────────────────────────────────────


def test_inline_runs_on_the_thread_that_drains(desk: Desk) -> None:
    """It has heard the event when drain comes back."""
    log = Log()
    desk.on(events.Event, log)
    desk.tell()
    assert log.threads == {threading.current_thread().name}


def test_the_worker_runs_one_event_at_a_time_in_order(desk: Desk) -> None:
    """Every event of a thousand, rising, on one thread that is not ours."""
    log = Log(1000)
    desk.on(events.Event, log, WORKER)
    desk.start()
    for _ in range(1000):
        desk.tell()
    assert log.enough.wait(PATIENCE_S)
    assert log.numbers == list(range(1, 1001))
    assert log.threads == {"ibkr-core-worker"}


def test_asyncio_runs_on_the_loop_in_order(desk: Desk) -> None:
    """Plain functions and coroutine functions alike, also while the loop is busy."""

    async def main() -> tuple[list[int], list[int], set[str]]:
        loop = asyncio.get_running_loop()
        plain, done = Log(50), asyncio.Event()
        awaited: list[int] = []

        async def listener(event: events.Event) -> None:
            awaited.append(event.seq)
            if len(awaited) == 50:
                done.set()

        desk.on(events.Event, plain, ASYNCIO)
        desk.on(events.Event, listener, ASYNCIO, loop)
        await asyncio.to_thread(lambda: [desk.tell() for _ in range(50)])
        await asyncio.wait_for(done.wait(), PATIENCE_S)
        return plain.numbers, awaited, plain.threads

    plain, awaited, threads = asyncio.run(main())
    assert plain == awaited == list(range(1, 51))
    assert threads == {threading.current_thread().name}


def test_a_coroutine_listener_that_waits_is_kept_alive(desk: Desk) -> None:
    """Asyncio holds its tasks weakly: a listener in the middle of an await must not be collected."""

    async def main() -> None:
        finished = asyncio.Event()

        async def listener(_: events.Event) -> None:
            # A future that nothing but this very task knows.
            future = asyncio.get_running_loop().create_future()
            holder.append(weak_release(future))
            await future
            finished.set()

        holder: list[Callable[[], None]] = []
        desk.on(events.Event, listener, ASYNCIO)
        desk.tell()
        for _ in range(3):
            await asyncio.sleep(0)
        gc.collect()
        holder[0]()
        await asyncio.wait_for(finished.wait(), PATIENCE_S)

    asyncio.run(main())


def weak_release(future: asyncio.Future[None]) -> Callable[[], None]:
    import weakref

    reference = weakref.ref(future)

    def release() -> None:
        found = reference()
        assert found is not None, "the listener's task was collected"
        found.set_result(None)

    return release


def test_events_made_by_a_listener_come_after_the_present_one(desk: Desk) -> None:
    """Every listener hears the first event before any of them hears the second."""
    order: list[tuple[str, int]] = []

    def first(event: events.Event) -> None:
        order.append(("first", event.seq))
        if event.seq < 3:
            desk.tell()

    desk.on(events.Event, first)
    desk.on(events.Event, lambda event: order.append(("second", event.seq)))
    desk.tell()
    assert order == [(name, seq) for seq in (1, 2, 3) for name in ("first", "second")]


def test_events_of_many_threads_reach_each_listener_in_rising_order(desk: Desk) -> None:
    """Whoever drains, no listener ever hears a smaller number after a greater one, and none is lost."""
    inline, worker = Log(4000), Log(4000)
    desk.on(events.Event, inline)
    desk.on(events.Event, worker, WORKER)
    desk.start()
    threads = [threading.Thread(target=lambda: [desk.tell() for _ in range(500)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert worker.enough.wait(PATIENCE_S)
    assert inline.numbers == worker.numbers == list(range(1, 4001))


def test_reports_of_failures_keep_the_order(desk: Desk) -> None:
    """A listener that fails on the worker while others post: the reports are numbered and queued as one."""
    log = Log()
    desk.on(events.Event, log)

    def fail(event: events.Event) -> None:
        raise ValueError(event.seq)

    desk.on(events.Disconnected, fail, WORKER)
    desk.start()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        for _ in range(3000):
            desk.tell()
        desk.dispatcher.stop()
    finally:
        sys.setswitchinterval(before)
    assert log.numbers == list(range(1, 6001))


def test_a_listener_knows_that_it_runs_inside_a_delivery(desk: Desk) -> None:
    """On the draining thread only, and only for as long as it drains."""
    inside: list[bool] = []
    elsewhere: list[bool] = []

    def listener(_: events.Event) -> None:
        inside.append(desk.dispatcher.is_draining_here)
        thread = threading.Thread(target=lambda: elsewhere.append(desk.dispatcher.is_draining_here))
        thread.start()
        thread.join(PATIENCE_S)

    desk.on(events.Event, listener)
    desk.tell()
    assert (inside, elsewhere, desk.dispatcher.is_draining_here) == ([True], [False], False)


# ── faults ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "error", [ValueError("mine"), SystemExit(3), asyncio.CancelledError(), GeneratorExit()]
)
@pytest.mark.parametrize("delivery", [INLINE, WORKER])
def test_a_listener_that_raises_is_reported_and_harms_nobody(
    desk: Desk, delivery: Delivery, error: BaseException
) -> None:
    """Also with what is not an Exception, such as sys.exit(): the others hear everything."""
    before, after, failed = Log(2), Log(2), Log(2)

    def broken(_: events.Event) -> None:
        raise error

    desk.on(events.Disconnected, before, delivery)
    desk.on(events.Disconnected, broken, delivery)
    desk.on(events.Disconnected, after, delivery)
    desk.on(events.ListenerFailed, failed, delivery)
    desk.start()
    desk.tell()
    desk.tell()
    for log in (before, after, failed):
        assert log.enough.wait(PATIENCE_S)
    report = failed.heard[0]
    assert isinstance(report, events.ListenerFailed)
    assert "broken" in report.listener
    assert type(error).__name__ in report.error


def test_a_raising_asyncio_listener_is_reported(desk: Desk) -> None:
    """At its start or after an await; the loop's own handler hears nothing of it."""

    async def main() -> list[str]:
        failed, complaints = Log(2), list[Any]()
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context))

        async def late(_: events.Event) -> None:
            await asyncio.sleep(0)
            raise ValueError("late")

        def early(_: events.Event) -> None:
            raise ValueError("early")

        desk.on(events.Disconnected, early, ASYNCIO)
        desk.on(events.Disconnected, late, ASYNCIO)
        desk.on(events.ListenerFailed, failed, INLINE)
        desk.tell()
        assert await asyncio.to_thread(failed.enough.wait, PATIENCE_S)
        assert complaints == []
        return [event.error for event in failed.heard if isinstance(event, events.ListenerFailed)]

    assert asyncio.run(main()) == ["ValueError: early", "ValueError: late"]


def test_a_listener_that_fails_on_the_report_of_its_failure_does_not_go_round(desk: Desk) -> None:
    """One report per failed event, and an end of it."""
    calls: list[int] = []

    def broken(event: events.Event) -> None:
        calls.append(event.seq)
        raise ValueError(event.seq)

    desk.on(events.Event, broken)
    desk.tell()
    assert calls == [1, 2]


def test_a_keyboard_interrupt_goes_through_and_leaves_the_rest_to_the_next_drain(desk: Desk) -> None:
    """Ctrl-C in the main thread is the user's; the dispatcher is usable afterwards."""
    log = Log()

    def interrupted(event: events.Event) -> None:
        if event.seq == 1:
            raise KeyboardInterrupt

    desk.on(events.Event, interrupted)
    desk.on(events.Event, log)
    desk.post()
    desk.post()
    with pytest.raises(KeyboardInterrupt):
        desk.dispatcher.drain()
    desk.dispatcher.drain()
    assert log.numbers == [1, 2]  # who stands behind it was not interrupted
    assert not desk.dispatcher.is_draining_here


def test_a_closed_loop_ends_its_subscriptions(desk: Desk) -> None:
    """Nobody can hear them any more: told once, and then forgotten."""
    loop = asyncio.new_event_loop()
    failed, log = Log(), Log()
    desk.on(events.Disconnected, log, ASYNCIO, loop)
    desk.on(events.ListenerFailed, failed)
    loop.close()
    desk.tell()
    desk.tell()
    assert len(failed.heard) == 1
    assert log.heard == []


# ── the end ─────────────────────────────────────────────────────────────────────────────────────────


def test_stopping_lets_the_worker_finish(desk: Desk) -> None:
    """What was posted before is delivered before stop comes back, its failures' reports included."""
    log, failed = Log(), Log()

    def broken(_: events.Event) -> None:
        raise ValueError

    desk.on(events.Disconnected, log, WORKER)
    desk.on(events.Disconnected, broken, WORKER)
    desk.on(events.ListenerFailed, failed, WORKER)
    desk.start()
    for _ in range(100):
        desk.tell()
    desk.dispatcher.stop()
    assert len(log.heard) == 100
    assert len(failed.heard) == 100


def test_the_worker_may_stop_itself(desk: Desk) -> None:
    """A listener that stops the dispatcher it runs on does not wait for itself; the rest is delivered."""
    log = Log(2)
    desk.on(events.Event, lambda _: desk.dispatcher.stop(), WORKER)
    desk.on(events.Event, log, WORKER)
    desk.tell()
    desk.tell()
    desk.start()
    assert log.enough.wait(PATIENCE_S)


def test_the_backlog_of_the_worker_can_be_seen(desk: Desk) -> None:
    """How many events wait for it."""
    released = threading.Event()
    desk.on(events.Event, lambda _: released.wait(PATIENCE_S), WORKER)
    for _ in range(5):
        desk.tell()
    assert desk.dispatcher.backlog == 5
    desk.start()
    released.set()
    desk.dispatcher.stop()
    assert desk.dispatcher.backlog == 0
