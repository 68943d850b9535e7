"""Where a victim dies by its own hand: at the n-th time that it comes to a chosen point."""

from __future__ import annotations

import enum
import itertools
import os
import random
import signal
from collections.abc import Callable

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.journal import Journal
from ibkr_core.link.transport import Transport

__all__ = ["DoomedJournal", "DoomedTransport", "Fate", "Point", "Reaper", "kill_myself"]


class Point(enum.Enum):
    """A point in the program at which to die."""

    BEFORE_COMMIT = "before-commit"
    """An intent is in the book, and not yet durable; no byte of it has left."""
    AFTER_COMMIT = "after-commit"
    """The intent is durable, and no byte of it has left."""
    INSIDE_SEND = "inside-send"
    """Some bytes of a message were given to the kernel, and some were not."""
    AFTER_SEND = "after-send"
    """All bytes were given to the kernel, and the program does not know it yet."""
    BEFORE_FLUSH = "before-flush"
    """A batch of what the broker told is about to be written."""
    AFTER_FLUSH = "after-flush"
    """A batch was written."""


@attrs.frozen
class Fate:
    """Die when a point is reached for the n-th time.

    Attributes:
        point: Where.
        nth: The how-manyth time, counted from 1.
    """

    point: Point
    nth: int

    def __str__(self) -> str:
        """``after-commit:7``, as a command line takes it."""
        return f"{self.point.value}:{self.nth}"

    @classmethod
    def parse(cls, text: str) -> Fate:
        """Read what ``str`` gave.

        Raises:
            InvalidInput: It is no fate.
        """
        point, _, nth = text.partition(":")
        try:
            return cls(Point(point), int(nth))
        except ValueError:
            raise InvalidInput("fate", f"must be like after-commit:7, not {text!r}") from None


def kill_myself() -> None:
    """Die at once, as by ``kill -9``: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


class Reaper:
    """Counts, and kills when the time has come.

    Args:
        fate: When; None for never.
        chance: Decides between which bytes a message is torn.
        kill: Ends the program.
    """

    def __init__(
        self, fate: Fate | None, chance: random.Random, kill: Callable[[], None] = kill_myself
    ) -> None:
        self._fate = fate
        self._chance = chance
        self._kill = kill
        self._visits = itertools.count(1)

    def pass_by(self, point: Point) -> None:
        """Come to a point; perhaps never leave it."""
        if self._is_due(point):
            self._kill()

    def send(self, transport: Transport, data: bytes) -> None:
        """Send, perhaps only a part of it as the last act."""
        if self._is_due(Point.INSIDE_SEND):
            transport.send(data[: self._chance.randrange(len(data))])
            self._kill()
        transport.send(data)
        self.pass_by(Point.AFTER_SEND)

    def _is_due(self, point: Point) -> bool:
        fate = self._fate
        return fate is not None and fate.point is point and next(self._visits) == fate.nth


class DoomedTransport:
    """A connection on which the program may die while it sends.

    Args:
        inner: The connection.
        reaper: Kills.
    """

    def __init__(self, inner: Transport, reaper: Reaper) -> None:
        self._inner = inner
        self._reaper = reaper

    def receive_into(self, room: memoryview) -> int:
        """See :class:`Transport`."""
        return self._inner.receive_into(room)

    def send(self, data: bytes) -> None:
        """See :class:`Transport`."""
        self._reaper.send(self._inner, data)

    def close(self) -> None:
        """See :class:`Transport`."""
        self._inner.close()


class DoomedJournal(Journal):
    """A journal at whose commits the program may die. Set :attr:`reaper` before it is used."""

    reaper: Reaper | None = None

    def commit(self, through: int | None = None) -> None:
        """See :class:`Journal`."""
        self._pass_by(Point.BEFORE_COMMIT)
        super().commit(through)
        self._pass_by(Point.AFTER_COMMIT)

    def flush(self) -> bool:
        """See :class:`Journal`."""
        self._pass_by(Point.BEFORE_FLUSH)
        was_written = super().flush()
        self._pass_by(Point.AFTER_FLUSH)
        return was_written

    def work(self) -> bool:
        """See :class:`Journal`."""
        self._pass_by(Point.BEFORE_FLUSH)
        is_well = super().work()
        self._pass_by(Point.AFTER_FLUSH)
        return is_well

    def _pass_by(self, point: Point) -> None:
        if self.reaper is not None:
            self.reaper.pass_by(point)
