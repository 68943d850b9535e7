"""Brings events to listeners: in order, on the thread that the listener's owner chose.

Events are posted under the engine's state lock, which fixes their order, and drained after it is
released, by one thread at a time. A listener that raises is reported and harms nobody else.
"""

from __future__ import annotations

import asyncio
import enum
import inspect
import logging
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable
from threading import get_ident
from typing import Any, Final

from ibkr_core.errors import InvalidInput
from ibkr_core.model.events import Event, ListenerFailed

__all__ = ["Delivery", "Dispatcher", "Listener", "Subscription"]

Listener = Callable[[Any], object]
"""Takes one event; what it returns is ignored, unless it is a coroutine for an asyncio loop."""


class Delivery(enum.Enum):
    """Where a listener runs."""

    INLINE = "inline"
    """On the thread that learned of the event, before it does anything else: the lowest latency. Must be
    quick, and must not wait for the broker, because usually it is the reader thread."""
    WORKER = "worker"
    """On the engine's worker thread, one event at a time. It may take its time."""
    ASYNCIO = "asyncio"
    """In an asyncio event loop; coroutine functions are welcome."""


class Subscription:
    """A listener's place; :meth:`close` ends it.

    Attributes:
        kinds: The events that it listens for, subclasses included.
        listener: What is called.
        delivery: Where it is called.
        loop: The asyncio loop, where it is called in one.
        is_closed: Whether it listens no more.
        run: The listener; nothing once it is closed.
    """

    __slots__ = ("_dispatcher", "delivery", "is_closed", "kinds", "listener", "loop", "run")

    def __init__(
        self,
        kinds: tuple[type[Event], ...],
        listener: Listener,
        delivery: Delivery,
        loop: asyncio.AbstractEventLoop | None,
        dispatcher: Dispatcher,
    ) -> None:
        self.kinds = kinds
        self.listener = listener
        self.delivery = delivery
        self.loop = loop
        self._dispatcher = dispatcher
        self.is_closed = False
        self.run = listener

    @property
    def name(self) -> str:
        """A name for reports."""
        try:
            return getattr(self.listener, "__qualname__", None) or repr(self.listener)
        except Exception:  # noqa: BLE001 - a user's object may do anything when it is asked for its name
            return type(self.listener).__name__

    def __repr__(self) -> str:
        """One line: ``Subscription(OrderFilled -> on_fill, worker)``."""
        kinds = ", ".join(kind.__name__ for kind in self.kinds)
        closed = ", closed" if self.is_closed else ""
        return f"Subscription({kinds} -> {self.name}, {self.delivery.value}{closed})"

    def close(self) -> None:
        """Stop listening. Events that wait for the listener are dropped."""
        self.is_closed = True
        self.run = _ignore
        self._dispatcher.forget(self)


def _ignore(_: Event) -> None:
    """Listen no more."""


_Route = tuple[tuple[Subscription, ...], tuple[Subscription, ...]]
"""Who listens for a kind of event: inline, and elsewhere."""

_get_ident: Final = get_ident
_LOG: Final = logging.getLogger("ibkr_core.listeners")


def _is_coroutine_function(listener: Listener) -> bool:
    """Tell whether calling it makes a coroutine, also where it is an object with such a ``__call__``."""
    return any(map(inspect.iscoroutinefunction, (listener, type(listener).__call__)))


def _is_interrupt(error: BaseException) -> bool:
    """Whether it is a real Ctrl-C, which comes on the main thread only."""
    return isinstance(error, KeyboardInterrupt) and threading.current_thread() is threading.main_thread()


class Dispatcher:
    """All listeners of an engine, and the events on their way to them.

    Args:
        report: Posts the event that reports a failed listener, numbered like every other one.
    """

    __slots__ = (
        "_change",
        "_drainer",
        "_draining",
        "_queue",
        "_report",
        "_routes",
        "_subscriptions",
        "_tasks",
        "_worker",
        "outbox",
    )

    def __init__(self, report: Callable[[str, BaseException], None]) -> None:
        self._report = report
        self._subscriptions: tuple[Subscription, ...] = ()
        self._routes: dict[type[Event], _Route] = {}
        self._change = threading.Lock()
        self.outbox: deque[Event] = deque()
        """Events on their way. Whoever holds the engine's state lock may append to it (:meth:`post`)."""
        self._draining = threading.Lock()
        self._drainer: int | None = None
        self._queue: queue.SimpleQueue[tuple[Subscription, Event] | None] = queue.SimpleQueue()
        self._tasks: set[asyncio.Task[None]] = set()
        self._worker = threading.Thread(target=self._work, name="ibkr-core-worker", daemon=True)

    # ── subscribing ─────────────────────────────────────────────────────────────────────────────

    def subscribe(
        self, kinds: tuple[object, ...], listener: object, delivery: object, loop: object
    ) -> Subscription:
        """Add a listener for some kinds of events, subclasses included.

        Args:
            kinds: Classes of events; all of them where none is named.
            listener: What is called with each (:data:`Listener`).
            delivery: Where, one of :class:`Delivery`.
            loop: An asyncio loop, or None.

        Raises:
            InvalidInput: No event kind, something that is no callable, no such delivery, a coroutine
                function without an asyncio loop to run it.
        """
        wanted: list[type[Event]] = []
        for kind in kinds:
            if not (isinstance(kind, type) and issubclass(kind, Event)):
                raise InvalidInput("kind", f"must be event classes, not {kind!r}")
            wanted.append(kind)
        if not callable(listener):
            raise InvalidInput("listener", f"must be callable, not {listener!r}")
        if not isinstance(delivery, Delivery):
            raise InvalidInput(
                "delivery", f"must be one of {', '.join(map(str, Delivery))}, not {delivery!r}"
            )
        if loop is not None and not isinstance(loop, asyncio.AbstractEventLoop):
            raise InvalidInput("loop", f"must be an asyncio event loop, not {loop!r}")
        if delivery is Delivery.ASYNCIO and loop is None:
            try:
                loop = asyncio.get_running_loop()
            except RuntimeError:
                raise InvalidInput("loop", "is required outside a running asyncio loop") from None
        if delivery is not Delivery.ASYNCIO and _is_coroutine_function(listener):
            raise InvalidInput("listener", "is a coroutine function: it needs delivery=Delivery.ASYNCIO")
        subscription = Subscription(tuple(wanted) or (Event,), listener, delivery, loop, self)
        with self._change:
            self._subscriptions = (*self._subscriptions, subscription)
            self._routes = {}
        return subscription

    def forget(self, subscription: Subscription) -> None:
        """Remove a listener."""
        with self._change:
            self._subscriptions = tuple(s for s in self._subscriptions if s is not subscription)
            self._routes = {}

    def _route(self, kind: type[Event]) -> _Route:
        with self._change:
            found = [s for s in self._subscriptions if issubclass(kind, s.kinds)]
            inline = tuple(s for s in found if s.delivery is Delivery.INLINE)
            route = self._routes[kind] = inline, tuple(s for s in found if s not in inline)
        return route

    # ── delivering ──────────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the worker thread."""
        self._worker.start()

    def post(self, events: Iterable[Event]) -> None:
        """Queue events; the caller holds the engine's state lock, so their order is fixed here."""
        self.outbox.extend(events)

    def drain(self) -> None:
        """Deliver what is queued, unless a thread is at it already: then that one takes it along.

        Called without any lock held. A listener that makes new events (by submitting an order, say)
        sees them delivered after it has returned.
        """
        outbox, draining = self.outbox, self._draining
        while outbox and draining.acquire(False):  # noqa: FBT003 - without waiting
            self._drainer = _get_ident()
            try:
                while outbox:
                    event = outbox.popleft()
                    try:
                        inline, elsewhere = self._routes[event.__class__]
                    except KeyError:
                        inline, elsewhere = self._route(event.__class__)
                    for subscription in inline:
                        run = subscription.run
                        try:
                            run(event)
                        except BaseException as error:
                            if _is_interrupt(error):
                                rest = inline[inline.index(subscription) + 1 :]
                                self._hand_on(event, rest, elsewhere)
                                raise
                            self._fail(subscription, event, error)
                    if elsewhere:
                        self._hand_over(elsewhere, event)
                    del event  # whoever wants it later holds it; a picture that nobody holds costs nothing
            finally:
                self._drainer = None
                draining.release()

    @property
    def is_draining_here(self) -> bool:
        """Whether this very thread is inside an inline listener."""
        return self._drainer == threading.get_ident()

    @property
    def backlog(self) -> int:
        """Events that wait for the worker thread."""
        return self._queue.qsize()

    def _hand_on(
        self, event: Event, inline: tuple[Subscription, ...], elsewhere: tuple[Subscription, ...]
    ) -> None:
        """Give an event to those behind a listener that was interrupted: it was not meant for them."""
        try:
            for subscription in inline:
                self._call(subscription, event)
        finally:
            self._hand_over(elsewhere, event)

    def _hand_over(self, subscriptions: tuple[Subscription, ...], event: Event) -> None:
        """Give an event to listeners that run elsewhere."""
        for subscription in subscriptions:
            if subscription.delivery is Delivery.WORKER:
                self._queue.put((subscription, event))
            else:
                self._hand_to_loop(subscription, event)

    def _call(self, subscription: Subscription, event: Event) -> None:
        if subscription.is_closed:
            return
        try:
            subscription.listener(event)
        except BaseException as error:
            if _is_interrupt(error):
                raise
            self._fail(subscription, event, error)

    def _hand_to_loop(self, subscription: Subscription, event: Event) -> None:
        async def run() -> None:
            if subscription.is_closed:
                return
            try:
                result = subscription.listener(event)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001 - as in _call
                self._fail(subscription, event, error)
                self.drain()

        loop = subscription.loop

        def start() -> None:
            task = asyncio.ensure_future(run(), loop=loop)
            self._tasks.add(task)  # asyncio itself holds tasks weakly
            task.add_done_callback(self._tasks.discard)

        try:
            if loop is not None:
                loop.call_soon_threadsafe(start)
        except RuntimeError as error:  # the loop was closed: nobody can hear this listener any more
            subscription.close()
            self._fail(subscription, event, error)

    def _fail(self, subscription: Subscription, event: Event, error: BaseException) -> None:
        # A listener that fails on the report of its failure must not go round in circles.
        _LOG.error("listener %s failed on %s", subscription.name, type(event).__name__, exc_info=error)
        if not isinstance(event, ListenerFailed):
            self._report(subscription.name, error)

    # ── the worker ──────────────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        while self._take(self._queue.get()):
            pass
        while not self._queue.empty():
            self._take(self._queue.get())

    def _take(self, item: tuple[Subscription, Event] | None) -> bool:
        """Give an event to its listener; whether the end has not come yet."""
        if item is None:
            return False
        self._call(*item)
        self.drain()
        return True

    def stop(self) -> None:
        """Let the worker finish what waits for it, then end it. Not called from the worker itself."""
        self._queue.put(None)  # the end
        if self._worker.is_alive() and self._worker is not threading.current_thread():
            self._worker.join()
