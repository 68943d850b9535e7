"""What applying a fact or a command leads to: events to publish, and questions for the broker."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any, Final

from ibkr_core.lifecycle.asks import Ask, Question, RetryWanted
from ibkr_core.lifecycle.entry import OrderEntry, Picture
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.making import making

__all__ = ["Effects", "Scribe", "Turn"]


_NOBODY: Final = 2
"""What the interpreter counts for a picture that nobody holds: where it stands, and the question."""
_COUNTS_LESS: Final = (3, 14)
_MOST_TOLD: Final = 64
"""Pictures of so many orders are left to be fixed when their order changes; then all are looked after."""


def _count_every(_: object) -> int:
    return _NOBODY + 1  # an interpreter that does not count: somebody may hold it


def _counter(interpreter: str, version: tuple[int, ...]) -> Callable[[object], int]:
    """Return what counts holders; from 3.14 on a caller's own variable is not always counted."""
    return sys.getrefcount if interpreter == "cpython" and version < _COUNTS_LESS else _count_every


_count_holders: Final = _counter(sys.implementation.name, sys.version_info[:2])


class Effects:
    """What follows from one fact or command, in order: events, questions for the broker, retries."""

    __slots__ = ("asks", "events", "retries")

    def __init__(self, told: list[Event] | None = None) -> None:
        self.events: list[Event] = [] if told is None else told
        self.asks: Sequence[Ask] = ()
        self.retries: Sequence[RetryWanted] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Effects):
            return NotImplemented
        mine, theirs = ((one.events, [*one.asks], [*one.retries]) for one in (self, other))
        return mine == theirs

    __hash__ = None  # type: ignore[assignment]  # it changes

    def join(self, other: Effects) -> None:
        """Append what followed next."""
        self.events += other.events
        self.asks = (*self.asks, *other.asks)
        self.retries = (*self.retries, *other.retries)


class Scribe:
    """Numbers what is told, and pictures the orders that it is about.

    A picture is used again while nobody holds it: most events are gone before the next callback comes.
    Whoever does hold one sees what was true when it was told, because it is fixed before its order changes.

    Args:
        index: The orders.
        guard: What the owner of the orders holds while they change; pictures are looked at under it.

    Attributes:
        seq: The number of the newest event.
    """

    __slots__ = ("_guard", "_told", "index", "seq")

    def __init__(self, index: OrderIndex, guard: AbstractContextManager[Any]) -> None:
        self.index = index
        self.seq = 0
        self._guard = guard
        self._told: list[OrderEntry] = []

    def next_seq(self) -> int:
        """Return the next event number."""
        self.seq += 1
        return self.seq

    def picture(self, entry: OrderEntry) -> Picture:
        """Return a picture of an order for this turn; it is fixed before the order changes in a later one.

        To be called before the order changes where only this one does; see :meth:`fix_pictures`.
        """
        if entry.shown is not None:
            if _count_holders(entry.shown) <= _NOBODY:
                shown = entry.shown
                shown.fixed = shown.times = shown.noted = None
                return shown
            entry.shown.fix()
        if len(self._told) > _MOST_TOLD:
            self.fix_pictures()
        self._told.append(entry)
        shown = entry.shown = Picture(entry, self._guard)
        return shown

    def fix_pictures(self) -> None:
        """Fix all pictures that somebody holds: any order may be about to change."""
        told = self._told
        if told:
            for entry in told:
                shown = entry.shown
                if shown is not None:
                    entry.shown = None
                    if _count_holders(shown) > _NOBODY:
                        shown.fix()
            told.clear()


class Turn(Effects):
    """One fact or command being applied: its moment, the orders, and what follows from it."""

    __slots__ = ("_picture", "_pictured", "_scribe", "now")

    def __init__(self, now: datetime, scribe: Scribe) -> None:
        self.events = []
        self.asks = ()
        self.retries = ()
        self.now = now
        self._scribe = scribe
        self._pictured: OrderEntry | None = None

    @property
    def index(self) -> OrderIndex:
        """The orders."""
        return self._scribe.index

    def tell(self, kind: type[OrderEvent], entry: OrderEntry, **details: Any) -> None:
        """Publish an event about an order, with its picture as it is at the end of this turn."""
        if entry is not self._pictured:
            self._pictured, self._picture = entry, self._scribe.picture(entry)
        # The making class takes what the class takes; mypy cannot know that, nor the details of each kind.
        event: Any = making(kind)(at=self.now, seq=self._scribe.next_seq(), record=self._picture, **details)
        event.__class__ = kind
        self.events.append(event)

    def tell_all(self, kind: type[Event], **details: Any) -> None:
        """Publish an event that is about no single order."""
        self.events.append(kind(at=self.now, seq=self._scribe.next_seq(), **details))

    def ask(self, entry: OrderEntry, reason: str, *questions: Question) -> None:
        """Have the broker asked about an order."""
        self.asks = (*self.asks, *(Ask(question, entry.order_id, reason) for question in questions))

    def retry(self, wanted: RetryWanted) -> None:
        """Have a request sent again."""
        self.retries = (*self.retries, wanted)
