"""At the start of an engine: from its journal back to the book, as it stood when the last run ended."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Final

from ibkr_core.errors import ConnectionFailed, OrderStateError
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.journal import Entry, Journal, restore
from ibkr_core.journal.packed import Damaged
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import load_checkpoint
from ibkr_core.lifecycle.inputs import Disconnect
from ibkr_core.lifecycle.packing import Unpackable
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import HotTaker
from ibkr_core.model.facts import BrokerFact, HotValues, Position

__all__ = ["FrameReader", "restore_book"]

_LOG: Final = logging.getLogger("ibkr_core.journal")
_NOTHING: Final[BrokerFact | HotValues | None] = None


class FrameReader:
    """Decodes recorded frames by the same way that live ones go, through the official decoder."""

    def __init__(self) -> None:
        self._told = _NOTHING
        self._client = TwsClient(self)

    def __call__(self, body: bytes, server_version: int) -> BrokerFact | HotValues | None:
        """Decode one frame, a hot one to its values; None when it holds nothing about orders.

        Raises:
            WireError: It cannot be decoded.
        """
        self._told = None
        self._client.replay(body, server_version)
        return self._told

    def on_fact(self, fact: BrokerFact) -> None:
        """See :class:`Receiver`."""
        self._told = fact

    def hot_taker(self) -> HotTaker:
        """See :class:`Receiver`."""
        return self._take_hot

    def _take_hot(self, values: HotValues, _: bytes) -> None:
        self._told = values

    def on_next_valid_id(self, order_id: int) -> None:
        """See :class:`Receiver`."""

    def on_managed_accounts(self, accounts: tuple[str, ...]) -> None:
        """See :class:`Receiver`."""

    def on_open_orders_end(self) -> None:
        """See :class:`Receiver`."""

    def on_executions_end(self, request_id: int) -> None:
        """See :class:`Receiver`."""

    def on_completed_orders_end(self) -> None:
        """See :class:`Receiver`."""

    def on_position(self, position: Position) -> None:
        """See :class:`Receiver`."""

    def on_positions_end(self) -> None:
        """See :class:`Receiver`."""

    def on_callback_failed(self, error: BaseException) -> None:
        """See :class:`Receiver`."""
        raise error

    def on_closed(self, reason: str, error: ConnectionFailed | None) -> None:
        """See :class:`Receiver`."""


def restore_book(
    journal: Journal,
    book: GuardedBook,
    *,
    on_progress: Callable[[int], None] | None,
    on_refused: Callable[[Entry, OrderStateError], None],
) -> None:
    """Bring an engine's book to where its journal ends; orders that were never answered are then in doubt.

    It begins at the journal's checkpoint, where there is one that can be used, and replays what came after.

    Raises:
        JournalCorrupt: An entry is damaged.
        WireError: A frame cannot be decoded by the installed official client.
    """
    read = FrameReader()

    def play(begun: Book, after: int) -> None:
        restore(
            journal.entries(after),
            begun,
            read,
            on_event=journal.note_replayed,
            on_plain=journal.note_replayed_plain,
            on_progress=on_progress,
            on_refused=on_refused,
            last_seq=journal.events_through,
        )

    number = _load(journal, book)
    if on_progress is not None and number:
        on_progress(number)
    book.restore(lambda begun: play(begun, number))
    # The tables have all that the checkpoint packed: they were written before it. Not with the state lock
    # held: the journal's writer may be waiting for it, to look at an event's order.
    journal.note_orders(book.read(lambda begun: begun.awake_orders()))
    book.command(Disconnect())


def _load(journal: Journal, book: GuardedBook) -> int:
    """Load the journal's checkpoint, and return the number of its newest input; 0 where there is none."""
    try:
        restart = journal.packed.read()
        if restart is not None:
            orders, things, state = restart.orders, restart.things, restart.state
            book.restore(lambda empty: load_checkpoint(empty, orders, things, state))
            return restart.number
    except (Damaged, Unpackable) as error:
        _LOG.warning("journal %s: its checkpoint is of no use, all is replayed: %s", journal.path, error)
        book.begin_anew()
    journal.packed.drop()
    return 0
