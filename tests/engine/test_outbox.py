"""Lanes, pace, expiry and what becomes of parcels when the line breaks."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import NotReady, SendFailed
from ibkr_core.link.pacing import Lane, RateLimit
from ibkr_core.outbox import Outbox, Parcel
from ibkr_core.scheduler import Scheduler
from tests.engine.clocks import FakeClock


class Bench:
    """An outbox that may send two messages a second, and what left it when."""

    def __init__(self, limit: RateLimit | None = None) -> None:
        self.clock = FakeClock()
        self.errors: list[BaseException] = []
        self.scheduler = Scheduler(self.clock, self.errors.append)
        self.left: list[bytes] = []
        self.told: list[tuple[bytes, str]] = []
        self.trouble: Exception | None = None
        self.outbox = Outbox(self._send, limit or RateLimit(2), self.scheduler)

    def _send(self, data: bytes) -> None:
        if self.trouble is not None:
            raise self.trouble
        self.left.append(data)

    def parcel(
        self, data: bytes, lane: Lane = Lane.ORDER, count: int = 1, good_for_s: float | None = None
    ) -> Parcel:
        return Parcel(
            lane,
            data,
            count,
            good_for_s,
            on_sent=lambda: self.told.append((data, "sent")),
            on_unsent=lambda why: self.told.append((data, f"unsent: {why}")),
            on_broken=lambda error: self.told.append((data, f"broken: {error}")),
        )

    def post(
        self, data: bytes, lane: Lane = Lane.ORDER, count: int = 1, good_for_s: float | None = None
    ) -> bool:
        return self.outbox.post(self.parcel(data, lane, count, good_for_s))

    def fill(self) -> None:
        """Use up what may leave now."""
        self.post(b"-")
        self.post(b"-")
        self.left.clear()
        self.told.clear()

    def turn(self, seconds: float) -> None:
        self.clock.advance(seconds)
        self.scheduler.run_due()


def test_what_the_pace_allows_leaves_at_once() -> None:
    """On the posting thread, before ``post`` returns."""
    bench = Bench()
    assert bench.post(b"one")
    assert (bench.left, bench.told) == ([b"one"], [(b"one", "sent")])


def test_without_a_pace_nothing_waits() -> None:
    """As many as one likes."""
    bench = Bench()
    bench.outbox = Outbox(bench._send, None, bench.scheduler)
    assert all(bench.post(b"%d" % number) for number in range(200))
    assert bench.outbox.waiting == 0


def test_lanes_overtake_and_keep_their_order() -> None:
    """Cancels, orders, questions, data; within a lane as posted."""
    bench = Bench()
    bench.fill()
    lanes = [Lane.DATA, Lane.QUERY, Lane.ORDER, Lane.CANCEL]
    for number in (1, 2):
        for lane in lanes:
            assert not bench.post(b"%s%d" % (lane.name.encode(), number), lane)
    assert bench.outbox.waiting == 8
    for _ in range(4):
        bench.turn(1)
    expected = [b"CANCEL1", b"CANCEL2", b"ORDER1", b"ORDER2", b"QUERY1", b"QUERY2", b"DATA1", b"DATA2"]
    assert bench.left == expected
    assert bench.told == [(data, "sent") for data in expected]


def test_nobody_passes_a_lane_that_waits() -> None:
    """A small parcel does not slip past a big one of its lane, nor past a lane that goes first."""
    bench = Bench()
    bench.post(b"-")
    assert not bench.post(b"big", Lane.ORDER, 2)
    assert not bench.post(b"small", Lane.ORDER)
    assert not bench.post(b"data", Lane.DATA)
    bench.turn(0.5)
    assert bench.post(b"cancel", Lane.CANCEL)
    bench.turn(0.5)
    assert bench.left == [b"-", b"cancel"]  # there is room for one, and the big one keeps it free
    bench.turn(0.5)
    assert bench.left[2:] == [b"big"]


@given(
    posts=st.lists(
        st.tuples(st.integers(0, 900), st.sampled_from(list(Lane)), st.integers(1, 4)), max_size=40
    )
)
def test_everything_leaves_whole_once_and_within_the_pace(posts: list[tuple[int, Lane, int]]) -> None:
    """Whatever comes when: nothing is lost, doubled or torn, and no second has more than the limit."""
    bench = Bench(RateLimit(4))
    moments: list[tuple[float, int]] = []
    counts: dict[bytes, int] = {}
    bench.outbox = Outbox(
        lambda data: moments.append((bench.clock.seconds, counts[data])), RateLimit(4), bench.scheduler
    )
    for number, (pause_ms, lane, count) in enumerate(posts):
        bench.turn(pause_ms / 1024)
        data = b"%d" % number
        counts[data] = count
        bench.post(data, lane, count)
    for _ in range(4 * sum(counts.values())):
        bench.turn(0.25)
    assert bench.outbox.waiting == 0
    assert sorted(told for told in bench.told) == sorted((data, "sent") for data in counts)
    for begin, _ in moments:
        assert sum(count for at, count in moments if begin <= at < begin + 1) <= 4


def test_a_parcel_that_waits_can_be_taken_back() -> None:
    """Nobody is told, and no byte leaves; one that has left cannot."""
    bench = Bench()
    gone = bench.parcel(b"gone")
    bench.outbox.post(gone)
    assert not bench.outbox.take_back(gone)
    bench.turn(1)
    bench.fill()
    waiting = bench.parcel(b"waiting", good_for_s=0.5)
    bench.outbox.post(waiting)
    assert bench.outbox.take_back(waiting)
    assert not bench.outbox.take_back(waiting)
    bench.turn(5)
    assert (bench.left, bench.told) == ([], [])


def test_a_parcel_that_grew_old_is_not_sent_stale() -> None:
    """It is given up at its deadline, and what stood behind it moves up."""
    bench = Bench()
    bench.fill()
    bench.post(b"old", good_for_s=0.5)
    bench.post(b"patient")
    bench.turn(0.5)
    assert bench.told == [(b"old", "unsent: it waited 0.5 s for the pace limit and was not sent stale")]
    bench.turn(0.5)
    assert bench.left == [b"patient"]


def test_a_parcel_that_left_in_time_does_not_expire() -> None:
    """Its deadline is called off."""
    bench = Bench()
    bench.fill()
    bench.post(b"in time", good_for_s=2)
    bench.turn(1)
    bench.turn(5)
    assert bench.told == [(b"in time", "sent")]


def test_closing_gives_up_all_that_waits() -> None:
    """Certainly no byte of it left; closing again says nothing more, and nothing leaves later."""
    bench = Bench()
    bench.fill()
    bench.post(b"order")
    bench.post(b"cancel", Lane.CANCEL)
    bench.outbox.close("connection lost")
    bench.outbox.close("again")
    why = "unsent: connection lost; it had not left yet"
    assert bench.told == [(b"cancel", why), (b"order", why)]
    bench.turn(5)
    assert bench.left == []


@pytest.mark.parametrize("error", [NotReady("closed"), SendFailed("broke")])
def test_trouble_while_posting_is_raised_and_not_told_twice(error: Exception) -> None:
    """The caller knows by the exception; no callback comes on top of it."""
    bench = Bench()
    bench.trouble = error
    with pytest.raises(type(error)):
        bench.post(b"order")
    assert bench.told == []
    assert bench.outbox.waiting == 0


@pytest.mark.parametrize(
    ("error", "told"), [(NotReady("closed"), "unsent: closed"), (SendFailed("broke"), "broken: broke")]
)
def test_trouble_while_pumping_is_told(error: Exception, told: str) -> None:
    """Whether some bytes may have left or certainly none did."""
    bench = Bench()
    bench.fill()
    bench.post(b"order")
    bench.trouble = error
    bench.turn(1)
    assert bench.told == [(b"order", told)]
    assert bench.errors == []


def test_what_leaves_at_once_needs_no_parcel() -> None:
    """It keeps to the pace and to the lanes like any other, and where it cannot leave nothing is sent."""
    bench = Bench()
    assert bench.outbox.send_at_once(Lane.ORDER, b"one", 1)
    bench.post(b"cancel", Lane.CANCEL)
    assert not bench.outbox.send_at_once(Lane.ORDER, b"two", 1)  # two messages in this second
    bench.post(b"question", Lane.QUERY)
    bench.turn(1.0)
    assert bench.left == [b"one", b"cancel", b"question"]
    bench.post(b"three", Lane.QUERY)
    assert not bench.outbox.send_at_once(Lane.DATA, b"four", 1)
    bench.post(b"five", Lane.ORDER)
    assert not bench.outbox.send_at_once(Lane.ORDER, b"six", 1)  # one of its lane waits already
    assert not bench.outbox.send_at_once(Lane.DATA, b"seven", 1)  # and so does one of a lane before
    bench.turn(1.0)
    assert bench.left == [b"one", b"cancel", b"question", b"three", b"five"]


def test_trouble_while_sending_at_once_is_raised() -> None:
    """The caller says what became of the orders; a closed outbox leaves it to the line to say so."""
    bench = Bench()
    bench.trouble = SendFailed("the line broke")
    with pytest.raises(SendFailed):
        bench.outbox.send_at_once(Lane.ORDER, b"one", 1)
    bench.outbox.close("closed")
    bench.trouble = NotReady("closed")
    with pytest.raises(NotReady):
        bench.outbox.send_at_once(Lane.ORDER, b"two", 1)
    assert bench.left == []
