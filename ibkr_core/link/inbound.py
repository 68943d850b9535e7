"""The messages of one connection: cut out of the stream, decoded a few in a row, handled each in its turn."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from ibkr_core.link.receiver import HotTaker
from ibkr_core.model.facts import HotValues
from ibkr_core.wire.framing import FrameBuffer

__all__ = ["Inbound"]

_MOST_AHEAD: Final = 32
"""Messages that are decoded in a row, of a burst. More gain little, and the first of them waits for all."""


class Inbound:
    """Brings messages from the buffer to whoever takes them.

    An interrupt (Ctrl-C, where the caller's thread is the main one) leaves it so that the next call goes on
    with the message behind the one that was being taken: none is lost, and none is taken twice.

    Args:
        greet: Takes the first message of the connection, the peer's hello.
        handle: Takes a message that is not of the hot kinds.
        failed: Takes what one message raised; the next one counts all the same.

    Attributes:
        buffer: Where received bytes are put.
        is_greeted: Whether the hello has come.
        decode: Reads a message of the hot kinds; gives None for all others.
        take: Takes what such a message says, and the message.
        ahead: What is decoded and not yet taken.
        bodies: Messages that were cut off, some of them decoded.
    """

    __slots__ = (
        "_failed",
        "_greet",
        "_handle",
        "_place",
        "ahead",
        "bodies",
        "buffer",
        "decode",
        "is_greeted",
        "take",
    )

    def __init__(
        self,
        greet: Callable[[bytes], None],
        handle: Callable[[bytes], None],
        failed: Callable[[BaseException], None],
    ) -> None:
        self._greet = greet
        self._handle = handle
        self._failed = failed
        self.buffer = FrameBuffer()
        self.is_greeted = False
        self.decode: Callable[[bytes], HotValues | None] = lambda _: None
        self.take: HotTaker = lambda *_: None
        self.bodies: list[bytes] = []
        self._place = 0  # of the first one among them that is not decoded
        self.ahead: Iterator[tuple[HotValues | None, bytes]] = iter(())

    def work(self) -> None:
        """Handle all messages that are complete, one after the other.

        Raises:
            WireError: The stream cannot be followed any more.
            HandshakeFailed: The first message is no hello that we can answer.
        """
        most = 1  # of a burst the first one is handled at once
        while True:
            take = self.take
            # Ours for all calls: one that comes after an interrupted one goes on where that was.
            for values, body in self.ahead:
                try:
                    if values is None:
                        self._handle(body)
                    else:
                        take(values, body)
                except Exception as error:  # noqa: BLE001 - whatever one message does, the next one counts
                    self._failed(error)
            if not self._look_ahead(most):
                return
            most = min(2 * most, _MOST_AHEAD)

    def _look_ahead(self, most: int) -> bool:
        """Decode the next few messages, which changes nothing; returns whether there are any.

        What is done in a row is done faster: the processor has at hand what the last one needed. Each message
        is handled in its turn all the same.
        """
        if self._place == len(self.bodies):
            self._cut()
        bodies, place = self.bodies, self._place
        part = bodies[place : place + most]
        if not part:
            return False
        try:
            decoded = list(map(self.decode, part))
        except Exception as error:  # noqa: BLE001 - whatever one message does, the next one counts
            if len(part) > 1:
                return self._look_ahead(1)  # it is to fail in its turn
            self._place = place + 1
            self._failed(error)
            return True
        # At once, and nothing called in between: an interrupt loses no message, and none is taken twice.
        ahead, place = zip(decoded, part, strict=True), place + len(part)
        self.ahead, self._place = ahead, place
        return True

    def _cut(self) -> None:
        """Take the messages that are complete out of the buffer."""
        bodies = self.buffer.take()
        if bodies and not self.is_greeted:
            self._greet(bodies.pop(0))
        self.bodies, self._place = bodies, 0
