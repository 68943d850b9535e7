"""Frames: a 4-byte big-endian length and that many bytes (wire facts 2).

`FrameBuffer` cuts a byte stream into frames without caring how it was split. It does no I/O: bytes are either
fed to it or received straight into the room that it offers.
"""

import struct
from collections.abc import Iterator
from typing import Final

from ibkr_core.errors import FrameTooLong

__all__ = ["MAX_FRAME", "PREFIX", "FrameBuffer", "frame"]

MAX_FRAME: Final = 0xFFFFFF
"""The longest body that the official client takes, in bytes."""

PREFIX: Final = 4
"""Bytes of the length in front of a body."""

_length_at: Final = struct.Struct(">I").unpack_from
_FIRST_ROOM: Final = 65_536
_MIN_ROOM: Final = 4_096


def frame(body: bytes | bytearray | memoryview) -> bytes:
    """Put the length in front of a body.

    Raises:
        FrameTooLong: The body is longer than `MAX_FRAME`.
    """
    if len(body) > MAX_FRAME:
        raise FrameTooLong(len(body), MAX_FRAME)
    return len(body).to_bytes(PREFIX, "big") + body


class FrameBuffer:
    """Cuts a stream into frame bodies.

    Not safe for several threads. Each view given by `frames` is valid until the next `feed` or `writable`.

    Args:
        max_frame: The longest body accepted, in bytes.
    """

    def __init__(self, max_frame: int = MAX_FRAME) -> None:
        self._max_frame = max_frame
        self._buffer = bytearray(_FIRST_ROOM)
        self._start = 0
        self._end = 0

    def __len__(self) -> int:
        """Bytes received and not yet given out as frames."""
        return self._end - self._start

    def feed(self, data: bytes | bytearray | memoryview) -> None:
        """Append received bytes."""
        size = len(data)
        self._make_room(size)
        self._buffer[self._end : self._end + size] = data
        self._end += size

    def clear(self) -> None:
        """Forget everything and let the room go; views given out stay what they are."""
        self._buffer, self._start, self._end = bytearray(), 0, 0

    def writable(self) -> memoryview:
        """Give room to receive into; tell the outcome with `wrote`."""
        self._make_room(_MIN_ROOM)
        return memoryview(self._buffer)[self._end :]

    def wrote(self, count: int) -> None:
        """Take ``count`` bytes that were put at the front of the room from `writable`.

        Raises:
            ValueError: More than the room could hold.
        """
        if not 0 <= count <= len(self._buffer) - self._end:
            raise ValueError(f"{count} bytes cannot have been written")
        self._end += count

    def frames(self) -> Iterator[memoryview]:
        """Give the bodies of all complete frames.

        A frame counts as taken when the iterator moves past it or is dropped after giving it.

        Raises:
            FrameTooLong: A length is beyond the limit. The stream cannot be followed any more.
        """
        while True:
            length = self._next_length()
            if length is None or self._end - self._start < PREFIX + length:
                return
            begin = self._start + PREFIX
            self._start = begin + length
            yield memoryview(self._buffer)[begin : begin + length].toreadonly()

    def take(self) -> list[bytes]:
        """Cut off all complete frames at once, and return copies of their bodies.

        Raises:
            FrameTooLong: A length is beyond the limit, and no complete frame stands in front of it. The
                stream cannot be followed any more.
        """
        start, end = self._start, self._end
        length = self._next_length()
        if length is None or end - start < PREFIX + length:
            return []  # of a long frame not all that has come is copied each time that a little more comes
        data = bytes(memoryview(self._buffer)[start:end])
        place, last, most = 0, end - start - PREFIX, self._max_frame
        bodies: list[bytes] = []
        while place <= last:
            begin = place + PREFIX
            (length,) = _length_at(data, place)
            stop = begin + length
            if length > most or stop > last + PREFIX:
                break  # the next call says which
            bodies.append(data[begin:stop])
            place = stop
        self._start = start + place
        return bodies

    def _next_length(self) -> int | None:
        if self._end - self._start < PREFIX:
            return None
        length = int.from_bytes(self._buffer[self._start : self._start + PREFIX], "big")
        if length > self._max_frame:
            raise FrameTooLong(length, self._max_frame)
        return length

    def _make_room(self, size: int) -> None:
        if self._start == self._end:
            self._start = self._end = 0
        if len(self._buffer) - self._end >= size:
            return
        kept = self._end - self._start
        room = _FIRST_ROOM
        while room < kept + size:
            room *= 2
        # Grows with what has arrived, never with what a length announces: that may be a lie.
        # A new buffer, never a resized one: views given out may still be alive.
        fresh = bytearray(room)
        fresh[:kept] = self._buffer[self._start : self._end]
        self._buffer, self._start, self._end = fresh, 0, kept
