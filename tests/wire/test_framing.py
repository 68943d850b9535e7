"""Frames out of a byte stream: whole, byte by byte, with trailing bytes, and hostile."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import FrameTooLong
from ibkr_core.wire.framing import MAX_FRAME, FrameBuffer, frame

BODIES = st.lists(st.binary(max_size=40), max_size=8)
# Where the official reader loses bytes (wire facts 2), and around the first room of the buffer.
AWKWARD_SIZES = (0, 1, 4091, 4092, 4093, 4096, 8188, 8192, 65_531, 65_532, 65_533, 200_000)


def drain(buffer: FrameBuffer) -> list[bytes]:
    """Take all frames, as bytes of their own."""
    return [bytes(body) for body in buffer.frames()]


@given(BODIES)
def test_frames_come_out_whole(bodies: list[bytes]) -> None:
    """One feed with many frames gives them in order, and nothing stays behind."""
    buffer = FrameBuffer()
    buffer.feed(b"".join(map(frame, bodies)))
    assert drain(buffer) == bodies
    assert len(buffer) == 0


@given(BODIES)
def test_frames_come_out_byte_by_byte(bodies: list[bytes]) -> None:
    """Single bytes give the same frames, each as soon as its last byte is there."""
    buffer = FrameBuffer()
    found = []
    for body in bodies:
        for byte in frame(body)[:-1]:
            buffer.feed(bytes([byte]))
            assert drain(buffer) == []
        buffer.feed(frame(body)[-1:])
        found += drain(buffer)
    assert found == bodies


@given(BODIES, st.binary(min_size=1, max_size=3))
def test_trailing_bytes_wait(bodies: list[bytes], trailing: bytes) -> None:
    """An incomplete length gives no frame and is kept."""
    buffer = FrameBuffer()
    buffer.feed(b"".join(map(frame, bodies)) + trailing)
    assert drain(buffer) == bodies
    assert len(buffer) == len(trailing)


@given(BODIES, st.lists(st.integers(1, 50), max_size=60), st.booleans())
def test_any_split_gives_the_same_frames(bodies: list[bytes], cuts: list[int], receive_into: bool) -> None:
    """However the stream is cut, by feeding or by receiving into the buffer."""
    stream = b"".join(map(frame, bodies))
    buffer = FrameBuffer()
    found = []
    for size in [*cuts, len(stream)]:
        piece, stream = stream[:size], stream[size:]
        if receive_into:
            room = buffer.writable()
            room[: len(piece)] = piece
            room.release()
            buffer.wrote(len(piece))
        else:
            buffer.feed(piece)
        found += drain(buffer)
    assert found == bodies


@pytest.mark.parametrize("size", AWKWARD_SIZES)
def test_awkward_sizes(size: int) -> None:
    """Frames around the sizes where readers trip arrive, followed by another."""
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    buffer = FrameBuffer()
    stream = frame(body) + frame(b"next")
    found = []
    while stream:
        room = buffer.writable()
        taken = min(4096, len(room), len(stream))
        room[:taken] = stream[:taken]
        buffer.wrote(taken)
        stream = stream[taken:]
        found += drain(buffer)
    assert found == [body, b"next"]


def test_a_view_stays_valid_until_the_next_feed() -> None:
    """Two frames taken together can be read after the iteration has ended."""
    buffer = FrameBuffer()
    buffer.feed(frame(b"first") + frame(b"second"))
    views = list(buffer.frames())
    assert [bytes(view) for view in views] == [b"first", b"second"]
    with pytest.raises(TypeError):
        views[0][0] = 0


def test_views_that_live_on_do_not_break_growth() -> None:
    """A caller that keeps a view while more is fed meets no BufferError."""
    buffer = FrameBuffer()
    buffer.feed(frame(b"kept"))
    (view,) = buffer.frames()
    room = buffer.writable()
    buffer.feed(frame(bytes(300_000)))
    assert [len(body) for body in buffer.frames()] == [300_000]
    assert len(view) == 4
    room.release()


def test_a_frame_not_iterated_past_is_taken() -> None:
    """Dropping the iterator after a frame leaves the following ones for the next call."""
    buffer = FrameBuffer()
    buffer.feed(frame(b"a") + frame(b"b"))
    assert bytes(next(buffer.frames())) == b"a"
    assert drain(buffer) == [b"b"]


def test_an_oversize_length_is_refused_at_once() -> None:
    """The length alone tells; nothing is buffered for it, and the frames before it come out."""
    buffer = FrameBuffer()
    buffer.feed(frame(b"good") + (MAX_FRAME + 1).to_bytes(4, "big"))
    frames = buffer.frames()
    assert bytes(next(frames)) == b"good"
    with pytest.raises(FrameTooLong) as caught:
        next(frames)
    assert (caught.value.length, caught.value.limit) == (MAX_FRAME + 1, MAX_FRAME)
    assert len(buffer.writable()) < 1_000_000


def test_taking_gives_what_is_whole_and_then_the_fault() -> None:
    """All complete frames at once; the start of one waits, and a false length is told behind them."""
    buffer = FrameBuffer()
    buffer.feed(frame(b"a") + frame(b"") + frame(b"b") + b"\0\0\0")
    assert buffer.take() == [b"a", b"", b"b"]
    assert buffer.take() == []
    buffer.feed(b"\x01c" + (MAX_FRAME + 1).to_bytes(4, "big"))
    assert buffer.take() == [b"c"]
    with pytest.raises(FrameTooLong) as caught:
        buffer.take()
    assert caught.value.length == MAX_FRAME + 1


def test_a_long_frame_is_not_copied_each_time_that_more_of_it_comes() -> None:
    """What a take needs grows with what it gives out: nothing, while the frame is not whole."""
    buffer = FrameBuffer()
    data = frame(bytes(1_000_000))
    buffer.feed(data[:-1])
    tracemalloc.start()
    try:
        assert buffer.take() == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 100_000
    buffer.feed(data[-1:])
    assert buffer.take() == [bytes(1_000_000)]


def test_the_limit_is_an_argument() -> None:
    """A frame at the limit passes, one byte more does not."""
    buffer = FrameBuffer(max_frame=10)
    buffer.feed(frame(bytes(10)))
    assert drain(buffer) == [bytes(10)]
    buffer.feed(frame(bytes(11)))
    with pytest.raises(FrameTooLong):
        drain(buffer)


def test_we_do_not_send_what_the_peer_would_refuse() -> None:
    """A body beyond the limit is refused before it is framed."""
    with pytest.raises(FrameTooLong):
        frame(bytes(MAX_FRAME + 1))


@pytest.mark.parametrize("count", [-1, 10**9])
def test_a_false_count_is_refused(count: int) -> None:
    """Claiming bytes that cannot have been received would corrupt the stream."""
    buffer = FrameBuffer()
    buffer.writable()
    with pytest.raises(ValueError, match="cannot have been written"):
        buffer.wrote(count)


def test_a_cleared_buffer_holds_nothing_and_can_be_used_again() -> None:
    """Views given out before stay valid; half a frame from before is no part of what comes after."""
    buffer = FrameBuffer()
    buffer.feed(frame(b"first") + b"\0\0\0\x09half")
    view = next(buffer.frames())
    buffer.clear()
    assert (len(buffer), bytes(view)) == (0, b"first")
    buffer.feed(frame(b"second"))
    assert [bytes(body) for body in buffer.frames()] == [b"second"]
