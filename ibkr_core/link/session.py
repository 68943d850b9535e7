"""One connection's life: hello, beginning, messages, end. A new connection is a new session.

The order of things is the broker's (TWS facts 5): with the socket comes an unsolicited snapshot of the
resting orders, then the accounts and the next valid order id. Nothing here blocks or waits: bytes come in by
the reader thread (:meth:`Session.read`) or by hand (``client.feed``), and the owner is told what they mean.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from typing import Final, Protocol

from ibkr_core.errors import ClientIdInUse, ConnectionFailed, HandshakeFailed
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import HotTaker, Receiver
from ibkr_core.link.transport import Transport
from ibkr_core.model.facts import BrokerFact, ErrorFact, Position

__all__ = ["Answer", "Session", "SessionOwner"]

_CLIENT_ID_IN_USE: Final = 326
_CONNECTION_CODES: Final = frozenset({501, 502, 503, 504, 505, 506, 507})


class Answer(enum.Enum):
    """Answers of the broker that have an end marker."""

    OPEN_ORDERS = "open orders"
    EXECUTIONS = "executions"
    COMPLETED_ORDERS = "completed orders"
    POSITIONS = "positions"


class SessionOwner(Protocol):
    """What a session tells its owner. Called where the bytes come in, with no lock held."""

    def take_fact(self, fact: BrokerFact, session: Session) -> None:
        """Take something that the broker told about orders."""

    def hot_taker(self, session: Session) -> HotTaker:
        """Return what takes the hot messages of a session."""

    def take_position(self, position: Position, session: Session) -> None:
        """Take a position."""

    def take_failure(self, error: BaseException) -> None:
        """Take notice of a message that could not be decoded, or a callback that raised."""

    def take_beginning(self, session: Session) -> None:
        """Take notice that the broker has begun the session: the next valid order id came."""

    def take_answer_end(self, answer: Answer, request_id: int, session: Session) -> None:
        """Take the end marker of an answer; the request id is -1 where the protocol has none."""

    def take_end(self, session: Session, reason: str, error: ConnectionFailed | None) -> None:
        """Take notice that the connection is gone; the error is set when it had not begun."""


class Session(Receiver):
    """One connection.

    Args:
        owner: Is told everything.
        make_client: Makes the client for a receiver; a class derived from TwsClient will do.

    Attributes:
        has_begun: Whether the broker has told the next valid order id.
        next_order_id: The broker's lower bound for our next order id.
        has_ended: Whether the connection is gone, or of no more use.
    """

    def __init__(self, owner: SessionOwner, make_client: Callable[[Receiver], TwsClient]) -> None:
        self._owner = owner
        self.has_begun = False
        self.next_order_id = 1
        self._accounts: tuple[str, ...] = ()
        self._refusal: ConnectionFailed | None = None
        self._end_reason = ""
        self.has_ended = False
        self._closing: list[str] = []  # why, once it is
        self.was_closed_by_us = False
        self.client = make_client(self)

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login."""
        return self._accounts

    @property
    def end_reason(self) -> str:
        """Why it ended, empty before."""
        return self._end_reason

    @property
    def server_version(self) -> int:
        """The protocol version, 0 before it is agreed on."""
        return int(self.client.serverVersion_ or 0)

    # ── doing ───────────────────────────────────────────────────────────────────────────────────

    def begin(self, transport: Transport, client_id: int) -> None:
        """Say hello on a connected transport.

        Raises:
            ConnectionFailed: It broke at once.
            SendFailed: It broke at once.
        """
        if self._closing:
            raise HandshakeFailed("closed by us before the session began")
        self.client.begin(transport, client_id)
        for _ in self._closing:  # meanwhile, on another thread
            self.client.disconnect()

    def read(self) -> None:
        """Read until the end. The reader thread's whole life."""
        self.client.run()

    def close(self, reason: str, *, by_us: bool = True) -> None:
        """Close the connection; the end is told where bytes come in. May be called again."""
        self._closing.append(reason)
        self._end_reason = self._end_reason or reason
        self.was_closed_by_us = self.was_closed_by_us or (by_us and not self.has_ended)
        self.client.disconnect()

    def give_up(self, error: ConnectionFailed) -> None:
        """Close a connection that did not begin as it should; the error is what its end tells."""
        self._refusal = self._refusal or error
        self.close(str(error), by_us=False)

    def break_off(self, reason: str) -> None:
        """Say that the connection is of no more use, before its end is seen where bytes come in."""
        self._end_reason = self._end_reason or reason
        self.has_ended = True

    # ── the receiver's side ─────────────────────────────────────────────────────────────────────

    def on_fact(self, fact: BrokerFact) -> None:
        """See :class:`Receiver`."""
        if isinstance(fact, ErrorFact) and not self.has_begun:
            self._see_refusal(fact)
        self._owner.take_fact(fact, self)

    def hot_taker(self) -> HotTaker:
        """See :class:`Receiver`. The owner's own: between the message and the book lies nothing else."""
        return self._owner.hot_taker(self)

    def _see_refusal(self, fact: ErrorFact) -> None:
        if fact.code == _CLIENT_ID_IN_USE:
            self.give_up(ClientIdInUse(self.client.clientId))
        elif fact.code in _CONNECTION_CODES:
            self.give_up(
                HandshakeFailed(
                    "the gateway closed the connection before the session began: "
                    f"{fact.message} (code {fact.code})"
                )
            )

    def on_next_valid_id(self, order_id: int) -> None:
        """See :class:`Receiver`. Never goes back: the broker's number can (TWS facts 4)."""
        is_first = not self.has_begun
        self.next_order_id = max(order_id, self.next_order_id)
        self.has_begun = True
        if is_first:
            self._owner.take_beginning(self)

    def on_managed_accounts(self, accounts: tuple[str, ...]) -> None:
        """See :class:`Receiver`."""
        self._accounts = accounts

    def on_open_orders_end(self) -> None:
        """See :class:`Receiver`."""
        self._owner.take_answer_end(Answer.OPEN_ORDERS, -1, self)

    def on_executions_end(self, request_id: int) -> None:
        """See :class:`Receiver`."""
        self._owner.take_answer_end(Answer.EXECUTIONS, request_id, self)

    def on_completed_orders_end(self) -> None:
        """See :class:`Receiver`."""
        self._owner.take_answer_end(Answer.COMPLETED_ORDERS, -1, self)

    def on_position(self, position: Position) -> None:
        """See :class:`Receiver`."""
        self._owner.take_position(position, self)

    def on_positions_end(self) -> None:
        """See :class:`Receiver`."""
        self._owner.take_answer_end(Answer.POSITIONS, -1, self)

    def on_callback_failed(self, error: BaseException) -> None:
        """See :class:`Receiver`."""
        self._owner.take_failure(error)

    def on_closed(self, reason: str, error: ConnectionFailed | None) -> None:
        """See :class:`Receiver`."""
        self._end_reason = self._end_reason or reason
        self.has_ended = True
        if not self.has_begun:
            error = self._refusal or error or self._early_end()
        self._owner.take_end(self, self._end_reason, None if self.has_begun else error)

    def _early_end(self) -> HandshakeFailed:
        return HandshakeFailed(
            f"the gateway closed the connection before the session began: {self._end_reason}"
        )
