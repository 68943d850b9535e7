"""From the journal back to the book: a replay of every input, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, cast

from ibkr_core.errors import InvariantViolated, OrderStateError
from ibkr_core.journal.entries import Entry, Frame
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Input
from ibkr_core.model.events import Event
from ibkr_core.model.facts import BrokerFact, HotValues, fact_of

__all__ = ["restore"]

_PROGRESS_EVERY: Final = 10_000


def restore(
    entries: Iterable[Entry],
    book: Book,
    decode: Callable[[bytes, int], BrokerFact | HotValues | None],
    *,
    on_event: Callable[[Event], None] | None = None,
    on_plain: Callable[[list[Event]], None] | None = None,
    on_progress: Callable[[int], None] | None = None,
    progress_every: int = _PROGRESS_EVERY,
    on_refused: Callable[[Entry, OrderStateError], None] | None = None,
    last_seq: int = 0,
) -> Book:
    """Replay a journal into a book; it then stands exactly as it stood.

    Args:
        entries: The inputs in the order of application.
        book: A book of the same client id and rules: an empty one, or one that loaded a checkpoint, for the
            inputs that came after it.
        decode: Makes the fact of a frame's body and its server version, or the values of a hot one; None
            where it is none.
        on_event: Is told each event that the replay makes, for tables that a crash left behind.
        on_plain: Is told all events of a callback that took the express lane, instead of ``on_event``.
        on_progress: Is told how many inputs are done, now and then: a long journal takes a while.
        progress_every: After how many inputs.
        on_refused: Is told of a command that the book refuses, and the replay goes on: the rules have
            become stricter since. Without it such a command ends the replay.
        last_seq: The highest event number that was ever given out (``journal.events_through``): the book
            goes on behind it, for not all events come from the book.

    Returns:
        The book.

    Raises:
        InvariantViolated: The book refuses a command that it once took, and nobody was to be told.
    """
    seq = book.seq
    for count, entry in enumerate(entries, 1):
        payload = entry.payload
        given: Input | HotValues | None
        given = decode(payload.body, payload.server_version) if isinstance(payload, Frame) else payload
        if given is not None:
            while seq < entry.seq:  # what others numbered in between: events that are not the book's
                seq = book.next_seq()
            try:
                told, is_plain = _take(book, given, entry.at)
            except OrderStateError as error:
                if on_refused is None:
                    raise InvariantViolated(
                        f"the replay refuses input {entry.index}, which was once taken: {error}"
                    ) from error
                on_refused(entry, error)
            else:
                _tell(told, on_event, on_plain if is_plain else None)
                del told  # a picture that somebody holds is fixed before its order changes, at a high cost
            seq = book.seq
        if on_progress is not None and count % progress_every == 0:
            on_progress(count)
    while seq < last_seq:
        seq = book.next_seq()
    return book


def _take(book: Book, given: Input | HotValues, at: datetime) -> tuple[list[Event], bool]:
    """Have the book take one input, by the way that it took when it came.

    Returns:
        The events, and whether it was the express lane.
    """
    if type(given) is not tuple:
        return book.take(cast("Input", given), at).events, False
    quick = book.quick.get(given[0])
    told = None if quick is None else quick(given, at)
    if told is None:
        return book.take(fact_of(given), at).events, False
    return told, True


def _tell(
    told: list[Event],
    on_event: Callable[[Event], None] | None,
    on_plain: Callable[[list[Event]], None] | None,
) -> None:
    if told and on_plain is not None:
        on_plain(told)
    elif on_event is not None:
        for event in told:
            on_event(event)
