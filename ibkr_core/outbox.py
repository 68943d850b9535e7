"""What is on its way to the broker: at once where the pace allows it, else in lanes.

A parcel is one or more whole messages that leave together. Cancels overtake orders, orders overtake
questions, questions overtake data; within a lane the order of posting is kept. A parcel that has not left can
be taken back, and one that may not grow old is given up at its deadline: then certainly no byte of it left.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable

import attrs

from ibkr_core.errors import ConnectionFailed, SendFailed
from ibkr_core.link.pacing import Lane, RateLimit
from ibkr_core.scheduler import Scheduler, Timer

__all__ = ["Outbox", "Parcel"]


def _nothing() -> None:
    return


def _ignore(what: object) -> None:
    del what


@attrs.define(eq=False)
class Parcel:
    """Messages that leave together or not at all.

    Attributes:
        lane: Who it may overtake.
        data: The bytes, whole frames.
        count: How many messages these are.
        good_for_s: How long it may wait; None for as long as the connection lasts.
        on_sent: Called once its last byte was given to the kernel.
        on_unsent: Called with the reason when it is certain that no byte of it leaves any more.
        on_broken: Called with the error when some of its bytes may have left and some not.
        why_not: Asked, where it had to wait, right before it leaves: a reason why it must not any more, or
            an empty text. Called with the outbox's lock held; must not raise.
    """

    lane: Lane
    data: bytes
    count: int = 1
    good_for_s: float | None = None
    on_sent: Callable[[], None] = _nothing
    on_unsent: Callable[[str], None] = _ignore
    on_broken: Callable[[BaseException], None] = _ignore
    why_not: Callable[[], str] = str
    _timer: Timer | None = None


class Outbox:
    """The way out of one connection.

    The callbacks of a parcel are called with no lock held; where it leaves at once, on the posting thread
    before :meth:`post` returns.

    Args:
        send: Gives bytes to the kernel.
        limit: The pace; None for none.
        scheduler: Runs what has to wait.
    """

    def __init__(self, send: Callable[[bytes], None], limit: RateLimit | None, scheduler: Scheduler) -> None:
        self._send = send
        self._limit = limit
        self._scheduler = scheduler
        self._lock = threading.Lock()
        self._lanes: dict[Lane, deque[Parcel]] = {lane: deque() for lane in Lane}
        self._pump_timer: Timer | None = None
        self._closed = ""

    @property
    def waiting(self) -> int:
        """Messages that wait for the pace."""
        with self._lock:
            return sum(parcel.count for lane in self._lanes.values() for parcel in lane)

    def post(self, parcel: Parcel) -> bool:
        """Send a parcel, or have it wait for its turn.

        Returns:
            Whether it has left; False means that it waits.

        Raises:
            NotReady: The connection is closed; certainly no byte left. ``on_unsent`` was not called.
            SendFailed: The connection broke; some bytes may have left. ``on_broken`` was not called.
        """
        with self._lock:
            if self._closed or not self._must_wait(parcel.lane, parcel.count):
                self._send_now(parcel.data, parcel.count)
                has_left = True
            else:
                self._lanes[parcel.lane].append(parcel)
                has_left = False
                if parcel.good_for_s is not None:
                    parcel._timer = self._scheduler.call_later(  # noqa: SLF001 - its own timer
                        parcel.good_for_s, lambda: self._expire(parcel)
                    )
                self._plan_pump()
        if has_left:
            parcel.on_sent()
        return has_left

    def send_at_once(self, lane: Lane, data: bytes, count: int) -> bool:
        """Send messages if nothing has to wait. False: nothing was sent, and a parcel is to be posted.

        Raises:
            NotReady: As for :meth:`post`.
            SendFailed: As for :meth:`post`.
        """
        with self._lock:
            if self._limit is None:
                self._send(data)
                return True
            if not self._closed and self._must_wait(lane, count):
                return False
            self._send_now(data, count)
        return True

    def take_back(self, parcel: Parcel) -> bool:
        """Take a parcel out that waits. False when it has left, or is leaving."""
        with self._lock:
            lane = self._lanes[parcel.lane]
            if parcel not in lane:
                return False
            lane.remove(parcel)
        _stop_timer(parcel)
        return True

    def close(self, why: str) -> None:
        """Let nothing out any more, and give up all that waits."""
        with self._lock:
            self._closed = self._closed or why
            given_up = [parcel for lane in self._lanes.values() for parcel in lane]
            for lane in self._lanes.values():
                lane.clear()
            if self._pump_timer is not None:
                self._pump_timer.cancel()
        for parcel in given_up:
            _stop_timer(parcel)
            parcel.on_unsent(f"{why}; it had not left yet")

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _must_wait(self, lane: Lane, count: int) -> bool:
        """Requires holding the lock."""
        if self._limit is None:
            return False
        if any(waiting and its_lane <= lane for its_lane, waiting in self._lanes.items()):
            return True
        now = self._scheduler.now()
        return self._limit.ready_at(count, now) > now

    def _send_now(self, data: bytes, count: int) -> None:
        """Requires holding the lock, which keeps the lanes' order on the wire."""
        if self._limit is not None:
            self._limit.spend(count, self._scheduler.now())
        self._send(data)

    def _plan_pump(self) -> None:
        """Requires holding the lock."""
        if self._pump_timer is not None:
            self._pump_timer.cancel()
            self._pump_timer = None
        first = next((lane[0] for lane in self._lanes.values() if lane), None)
        if first is not None and self._limit is not None:
            when = self._limit.ready_at(first.count, self._scheduler.now())
            self._pump_timer = self._scheduler.call_at(when, self._pump)

    def _pump(self) -> None:
        """Let out what the pace allows now."""
        while True:
            error: BaseException | None = None
            with self._lock:
                parcel = self._next_ready()
                if parcel is None:
                    self._plan_pump()
                    return
                refusal = parcel.why_not()
                try:
                    if not refusal:
                        self._send_now(parcel.data, parcel.count)
                except (ConnectionFailed, SendFailed) as failed:
                    error = failed
            _stop_timer(parcel)
            if refusal:
                parcel.on_unsent(refusal)
            elif error is None:
                parcel.on_sent()
            elif isinstance(error, SendFailed):
                parcel.on_broken(error)
            else:
                parcel.on_unsent(str(error))

    def _next_ready(self) -> Parcel | None:
        """Requires holding the lock."""
        now = self._scheduler.now()
        for lane in self._lanes.values():
            if lane:
                if self._limit is not None and self._limit.ready_at(lane[0].count, now) > now:
                    return None  # a big parcel is not starved by small ones behind it
                return lane.popleft()
        return None

    def _expire(self, parcel: Parcel) -> None:
        if self.take_back(parcel):
            parcel.on_unsent(f"it waited {parcel.good_for_s:g} s for the pace limit and was not sent stale")


def _stop_timer(parcel: Parcel) -> None:
    timer = parcel._timer  # noqa: SLF001 - its own timer
    if timer is not None:
        timer.cancel()
