"""One session with the broker: connecting, taking over its state, and the end of it.

The order of things is the broker's (TWS facts 5): with the socket comes an unsolicited snapshot of the
resting orders, then the accounts and the next valid order id. Then open orders and executions are
asked for, and only after their answers may orders be sent.
"""

from __future__ import annotations

import enum
import threading
from collections.abc import Callable
from typing import Final, Protocol

from ibkr_core.clock import Clock
from ibkr_core.errors import ClientIdInUse, ConnectionFailed, HandshakeFailed, NotReady, SendFailed
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import Receiver
from ibkr_core.link.transport import Transport
from ibkr_core.model.facts import BrokerFact, ErrorFact

__all__ = ["Answer", "Session", "SessionOwner", "SessionState"]

_CLIENT_ID_IN_USE: Final = 326
_CONNECTION_CODES: Final = frozenset({501, 502, 503, 504, 505, 506, 507})


class SessionState(enum.Enum):
    """Where the connection stands."""

    CONNECTING = "connecting"
    SYNCHRONISING = "synchronising"
    """The session has begun; the broker's orders and executions are being taken over."""
    READY = "ready"
    """Orders may be sent."""
    DISCONNECTED = "disconnected"


class Answer(enum.Enum):
    """Answers of the broker that have an end marker."""

    OPEN_ORDERS = "open orders"
    EXECUTIONS = "executions"
    COMPLETED_ORDERS = "completed orders"


class SessionOwner(Protocol):
    """What a session tells its owner. Called on the reader thread, with no lock held."""

    def take_fact(self, fact: BrokerFact) -> None:
        """Take something that the broker told about orders."""

    def take_failure(self, error: BaseException) -> None:
        """Take notice of a message that could not be decoded, or a callback that raised."""

    def take_end(self, reason: str, *, was_asked: bool) -> None:
        """Take notice that the connection is gone, and whether we closed it."""


class Session(Receiver):
    """One connection's life. Made for one use: a new connection is a new session.

    Args:
        owner: Takes facts and the end.
        make_client: Makes the client for a receiver; a class derived from TwsClient will do.
        clock: Tells the time.
    """

    def __init__(
        self, owner: SessionOwner, make_client: Callable[[Receiver], TwsClient], clock: Clock
    ) -> None:
        self._owner = owner
        self._clock = clock
        self._changed = threading.Condition()
        self._state = SessionState.CONNECTING
        self._next_order_id: int | None = None
        self._accounts: tuple[str, ...] | None = None
        self._ended: set[Answer] = set()
        self._refusal: ErrorFact | None = None
        self._end_reason = ""
        self._is_closing = False
        self.client = make_client(self)
        self._reader = threading.Thread(target=self.client.run, name="ibkr-core-reader", daemon=True)

    # ── state ───────────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> SessionState:
        """Where the connection stands."""
        return self._state

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login."""
        return self._accounts or ()

    @property
    def next_order_id(self) -> int:
        """The broker's lower bound for our next order id."""
        return self._next_order_id or 1

    @property
    def is_reader_here(self) -> bool:
        """Whether the calling thread is this session's reader."""
        return threading.current_thread() is self._reader

    def check_ready(self) -> None:
        """Raise unless orders may be sent.

        Raises:
            NotReady: The reason is in the message.
        """
        state = self._state
        if state is SessionState.READY:
            return
        if state is SessionState.DISCONNECTED:
            raise NotReady(f"not connected: {self._end_reason}; nothing was sent")
        if not self._reader.is_alive():
            raise NotReady("not connected yet; nothing was sent")
        raise NotReady(f"still {state.value}; nothing was sent")

    # ── opening ─────────────────────────────────────────────────────────────────────────────────

    def open(self, transport: Transport, client_id: int, timeout_s: float) -> None:
        """Shake hands, start reading, and wait until the broker has begun the session.

        Raises:
            ConnectionFailed: It did not; the subclass and the message tell why.
        """
        with self._changed:
            if self._is_closing:
                raise HandshakeFailed("closed by us before the session began")
        deadline = self._clock.monotonic() + timeout_s
        watchdog = threading.Timer(timeout_s, transport.close)  # a silent peer must not hold us for ever
        watchdog.daemon = True
        watchdog.start()
        try:
            self.client.open(transport, client_id)
            self.client.start()
        except (HandshakeFailed, NotReady, SendFailed) as error:
            if self._clock.monotonic() >= deadline:
                raise HandshakeFailed(
                    f"no handshake within {timeout_s:g} s; is this the API port?"
                ) from error
            if isinstance(error, HandshakeFailed):
                raise
            raise HandshakeFailed(f"the peer ended the connection during the handshake: {error}") from error
        finally:
            watchdog.cancel()
            watchdog.join()
        with self._changed:
            if self._is_closing:
                raise HandshakeFailed("closed by us before the session began")
            self._reader.start()
            self._wait(lambda: self._next_order_id is not None or self._refusal is not None, deadline)
            self._raise_if_refused(client_id, timeout_s)
            self._state = SessionState.SYNCHRONISING

    def _raise_if_refused(self, client_id: int, timeout_s: float) -> None:
        if self._refusal is not None and self._refusal.code == _CLIENT_ID_IN_USE:
            raise ClientIdInUse(client_id)
        if self._state is SessionState.DISCONNECTED or self._refusal is not None:
            said = f": {self._refusal.message} (code {self._refusal.code})" if self._refusal else ""
            raise HandshakeFailed(f"the gateway closed the connection before the session began{said}")
        if self._next_order_id is None:
            raise HandshakeFailed(f"the gateway sent no next valid order id within {timeout_s:g} s")

    def ask(self, answer: Answer, request: bytes) -> None:
        """Send a request whose answer has an end marker.

        Raises:
            ConnectionFailed: The connection has ended.
        """
        with self._changed:
            self._ended.discard(answer)
        try:
            self.client.send(request)
        except (NotReady, SendFailed) as error:
            raise ConnectionFailed(f"connection lost while synchronising: {error}") from error

    def await_end(self, answer: Answer, timeout_s: float) -> bool:
        """Wait for the end of an answer; False when it did not come in time.

        TWS sends no end marker when there are no executions (TWS facts 2.9).

        Raises:
            ConnectionFailed: The connection ended meanwhile.
        """
        deadline = self._clock.monotonic() + timeout_s
        with self._changed:
            self._wait(lambda: answer in self._ended, deadline)
            if self._state is SessionState.DISCONNECTED:
                raise ConnectionFailed(f"connection lost while synchronising: {self._end_reason}")
            return answer in self._ended

    def become_ready(self) -> None:
        """Say that the broker's state was taken over.

        Raises:
            ConnectionFailed: The connection ended meanwhile.
        """
        with self._changed:
            if self._state is SessionState.DISCONNECTED:
                raise ConnectionFailed(f"connection lost while synchronising: {self._end_reason}")
            self._state = SessionState.READY

    def break_off(self, reason: str) -> None:
        """Say that the connection is of no more use, before the reader has come to its end."""
        with self._changed:
            if self._state is not SessionState.DISCONNECTED:
                self._state = SessionState.DISCONNECTED
                self._end_reason = self._end_reason or reason
                self._changed.notify_all()

    def _wait(self, happened: Callable[[], bool], deadline: float) -> None:
        """Wait for something or the end of the session. Requires holding the condition."""
        while not happened() and self._state is not SessionState.DISCONNECTED:
            left = deadline - self._clock.monotonic()
            if left <= 0:
                return
            self._changed.wait(left)

    # ── closing ─────────────────────────────────────────────────────────────────────────────────

    def close(self, reason: str) -> None:
        """Close the connection and wait for the reader to end (unless this is the reader)."""
        with self._changed:
            self._is_closing = self._state is not SessionState.DISCONNECTED
            self._end_reason = self._end_reason or reason
        self.client.disconnect()
        if self._reader.is_alive() and not self.is_reader_here:
            self._reader.join()
        with self._changed:
            self._state = SessionState.DISCONNECTED

    # ── the receiver's side: called on the reader thread ────────────────────────────────────────

    def on_fact(self, fact: BrokerFact) -> None:
        """See :class:`Receiver`."""
        if isinstance(fact, ErrorFact) and (fact.code == _CLIENT_ID_IN_USE or fact.code in _CONNECTION_CODES):
            with self._changed:
                self._refusal = fact
                self._changed.notify_all()
        self._owner.take_fact(fact)

    def on_next_valid_id(self, order_id: int) -> None:
        """See :class:`Receiver`. Never goes back: the broker's number can (TWS facts 4)."""
        with self._changed:
            self._next_order_id = max(order_id, self._next_order_id or 0)
            self._changed.notify_all()

    def on_managed_accounts(self, accounts: tuple[str, ...]) -> None:
        """See :class:`Receiver`."""
        with self._changed:
            self._accounts = accounts
            self._changed.notify_all()

    def on_open_orders_end(self) -> None:
        """See :class:`Receiver`."""
        self._end(Answer.OPEN_ORDERS)

    def on_executions_end(self, request_id: int) -> None:  # noqa: ARG002 - every request asks for all
        """See :class:`Receiver`."""
        self._end(Answer.EXECUTIONS)

    def on_completed_orders_end(self) -> None:
        """See :class:`Receiver`."""
        self._end(Answer.COMPLETED_ORDERS)

    def _end(self, answer: Answer) -> None:
        with self._changed:
            self._ended.add(answer)
            self._changed.notify_all()

    def on_callback_failed(self, error: BaseException) -> None:
        """See :class:`Receiver`."""
        self._owner.take_failure(error)

    def on_closed(self, reason: str) -> None:
        """See :class:`Receiver`."""
        with self._changed:
            self._state = SessionState.DISCONNECTED
            self._end_reason = self._end_reason or reason
            told = self._end_reason
            self._changed.notify_all()
        self._owner.take_end(told, was_asked=self._is_closing)
