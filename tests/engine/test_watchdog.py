"""Requests that the broker does not answer."""

from __future__ import annotations

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.model.record import Request
from ibkr_core.scheduler import Scheduler
from ibkr_core.watchdog import Watchdog
from tests.engine.clocks import FakeClock

ASKED = datetime(2026, 11, 21, tzinfo=UTC)


class Bench:
    """A watchdog under a clock that is turned by hand, and what it told."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock, lambda _: None)
        self.silent: list[tuple[int, Request, datetime]] = []
        self.moments: list[float] = []
        self.watchdog = Watchdog(self.scheduler, 5.0, self._note)

    def _note(self, order_id: int, request: Request, asked: datetime) -> None:
        self.silent.append((order_id, request, asked))
        self.moments.append(self.clock.seconds)

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()


def test_a_request_is_watched_for_its_time() -> None:
    """Not before the deadline, and once."""
    bench = Bench()
    bench.watchdog.expect(7, Request.MODIFY, ASKED)
    bench.turn(4.999)
    assert bench.silent == []
    bench.turn(0.001)
    assert bench.silent == [(7, Request.MODIFY, ASKED)]
    bench.turn(100)
    assert len(bench.silent) == 1


@given(pauses=st.lists(st.integers(0, 8), max_size=20))
def test_each_request_has_its_own_deadline(pauses: list[int]) -> None:
    """Exactly five seconds after it was sent, in the order of sending, over one timer."""
    bench = Bench()
    deadlines = []
    for number, pause in enumerate(pauses):
        for _ in range(pause):
            bench.turn(1)
        bench.watchdog.expect(number, Request.NEW, ASKED)
        deadlines.append(bench.clock.seconds + 5)
    for _ in range(6):
        bench.turn(1)
    assert bench.moments == deadlines
    assert [order_id for order_id, *_ in bench.silent] == list(range(len(pauses)))
    assert bench.scheduler.next_due() is None


def test_a_lost_connection_ends_all_watches() -> None:
    """The next one begins by asking everything; new requests are watched again."""
    bench = Bench()
    bench.watchdog.forget()
    bench.watchdog.expect(1, Request.NEW, ASKED)
    bench.turn(3)
    bench.watchdog.forget()
    bench.watchdog.expect(2, Request.CANCEL, ASKED)
    bench.turn(4.9)
    assert bench.silent == []
    bench.turn(0.1)
    assert [order_id for order_id, *_ in bench.silent] == [2]


def test_a_watch_that_is_begun_by_a_silence_is_kept() -> None:
    """What follows from one silence may be the next request."""
    bench = Bench()
    told: list[int] = []

    def ask(order_id: int, *_: object) -> None:
        told.append(order_id)
        if order_id == 1:
            watchdog.expect(2, Request.CANCEL, ASKED)

    watchdog = Watchdog(bench.scheduler, 5.0, ask)
    watchdog.expect(1, Request.NEW, ASKED)
    bench.turn(5)
    bench.turn(5)
    assert told == [1, 2]
