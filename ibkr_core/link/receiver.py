"""What a connection hands upwards: facts for the book, and the few messages of the session itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from ibkr_core.errors import ConnectionFailed
from ibkr_core.model.facts import BrokerFact, HotValues, Position

__all__ = ["HotTaker", "Receiver"]

HotTaker = Callable[[HotValues, bytes], None]
"""Takes what a hot message says, and the message."""


class Receiver(Protocol):
    """Takes what the reader thread decodes. Called on the reader thread, one call at a time."""

    def on_fact(self, fact: BrokerFact) -> None:
        """Take something that the broker told about orders."""

    def hot_taker(self) -> HotTaker:
        """Return what takes hot messages; asked once for each connection."""

    def on_next_valid_id(self, order_id: int) -> None:
        """Take the lower bound for our next order id."""

    def on_managed_accounts(self, accounts: tuple[str, ...]) -> None:
        """Take the accounts of this login."""

    def on_open_orders_end(self) -> None:
        """Take the end of an open orders answer, or of the unsolicited snapshot."""

    def on_executions_end(self, request_id: int) -> None:
        """Take the end of an executions answer."""

    def on_completed_orders_end(self) -> None:
        """Take the end of a completed orders answer."""

    def on_position(self, position: Position) -> None:
        """Take one position of an account."""

    def on_positions_end(self) -> None:
        """Take the end of the positions."""

    def on_callback_failed(self, error: BaseException) -> None:
        """Take notice that one message could not be decoded, or that a callback raised."""

    def on_closed(self, reason: str, error: ConnectionFailed | None) -> None:
        """Take notice that the connection is gone; the last call of a session.

        Args:
            reason: Why, in words.
            error: Set when the session had not begun: what a caller that waits for it should be told.
        """
