"""Acts in order of their moments, by hand and on a thread."""

from __future__ import annotations

import threading

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.clock import SystemClock
from ibkr_core.scheduler import Scheduler
from tests.engine.clocks import FakeClock
from tests.link.peers import PATIENCE_S


class Bench:
    """A scheduler under a clock that is turned by hand, and what it did."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.errors: list[BaseException] = []
        self.scheduler = Scheduler(self.clock, self.errors.append)
        self.done: list[object] = []

    def later(self, delay_s: float, name: object) -> None:
        self.scheduler.call_later(delay_s, lambda: self.done.append(name))

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()


@given(delays=st.lists(st.integers(0, 20), max_size=30), step=st.integers(1, 7))
def test_acts_run_in_the_order_of_their_moments(delays: list[int], step: int) -> None:
    """Each at its moment and not before; of those with the same moment, the one that was asked for first."""
    bench = Bench()
    for number, delay in enumerate(delays):
        bench.later(delay, (delay, number))
    for now in range(0, 28, step):
        bench.scheduler.run_due()
        due = sorted((delay, number) for number, delay in enumerate(delays) if delay <= now)
        assert bench.done == due
        bench.clock.advance(step)
    assert bench.scheduler.next_due() is None


def test_an_act_that_was_called_off_does_not_run() -> None:
    """Calling it off again, or after it ran, is harmless."""
    bench = Bench()
    timer = bench.scheduler.call_later(1, lambda: bench.done.append("called off"))
    bench.later(2, "kept")
    timer.cancel()
    timer.cancel()
    assert bench.scheduler.next_due() == bench.clock.monotonic() + 2
    bench.turn(3)
    assert bench.done == ["kept"]
    timer.cancel()


def test_an_act_that_fails_does_not_stop_the_next() -> None:
    """Its error is reported."""
    bench = Bench()
    bench.scheduler.call_later(1, lambda: bench.done.append(1 / 0))
    bench.later(1, "next")
    bench.turn(1)
    assert bench.done == ["next"]
    assert [type(error) for error in bench.errors] == [ZeroDivisionError]


def test_acts_may_ask_for_more() -> None:
    """What is due at once runs in the same round, behind what was there before."""
    bench = Bench()

    def first() -> None:
        bench.later(0, "child")
        bench.done.append("parent")

    bench.scheduler.call_soon(first)
    bench.later(0, "sibling")
    assert bench.scheduler.run_due()
    assert bench.done == ["parent", "sibling", "child"]
    assert not bench.scheduler.run_due()


def test_nothing_runs_on_the_asking_thread() -> None:
    """``call_soon`` only notes; somebody else does it."""
    bench = Bench()
    bench.later(0, "soon")
    assert bench.done == []
    assert bench.scheduler.next_due() == bench.clock.monotonic()


def test_what_waits_at_a_stop_is_forgotten() -> None:
    """Also where there is no thread."""
    bench = Bench()
    bench.later(1, "never")
    bench.scheduler.stop()
    bench.turn(2)
    assert bench.done == []


def test_a_thread_runs_acts_and_knows_itself() -> None:
    """An act that is asked for while the thread sleeps wakes it."""
    scheduler = Scheduler(SystemClock(), lambda _: None)
    scheduler.start()
    heard: list[bool] = []
    done = threading.Event()
    scheduler.call_later(3600, lambda: None)
    scheduler.call_soon(lambda: heard.append(scheduler.is_here))
    scheduler.call_soon(done.set)
    assert done.wait(PATIENCE_S)
    assert heard == [True]
    assert not scheduler.is_here
    scheduler.stop()


def test_a_thread_can_be_stopped_from_inside() -> None:
    """An act that stops the scheduler is its last one, and does not wait for itself."""
    scheduler = Scheduler(SystemClock(), lambda _: None)
    stopped, late = threading.Event(), threading.Event()

    def stop() -> None:
        scheduler.stop()
        stopped.set()

    scheduler.call_soon(stop)
    scheduler.call_soon(late.set)
    scheduler.start()
    assert stopped.wait(PATIENCE_S)
    scheduler.stop()
    assert not late.is_set()
