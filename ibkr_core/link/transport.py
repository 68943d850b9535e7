"""The socket, and nothing else.

It replaces the official ``Connection``, which loses a burst whose last read is exactly 4096 bytes,
sends with ``send`` instead of ``sendall``, and gives up on a send after one second without telling
how much of it left.
"""

from __future__ import annotations

import contextlib
import select
import socket
import threading
import time
from collections.abc import Callable
from typing import Final, Protocol

from ibkr_core.errors import GatewayUnreachable, NotReady, SendFailed

__all__ = ["SocketTransport", "Transport"]

_AT_ONCE: Final[int] = getattr(socket, "MSG_DONTWAIT", 0)
"""Makes one send not wait, on a socket whose receives do. 0 where there is no such thing (Windows)."""

_RECEIVE_POLL_S: Final = 3600.0
"""Where there is not, a receive wakes up this rarely by itself; data or a close wakes it at once."""

_SLOW_S: Final = 0.0001
"""A look at the socket that takes so long had to wait for the interpreter, or for the processor."""
_CROWDED: Final = 0.25
"""Above this share of slow looks in the time of polling, somebody else computes."""
_GRACE_S: Final = 0.002
"""Slow looks that count for nothing: anybody has to wait now and then."""
_MEMORY_S: Final = 0.1
"""Of more time than this the older half is forgotten, roughly."""
_REST_S: Final = 1.0
"""How long nothing is polled where somebody computes."""

_MEANWHILE_S: Final = 0.0001
"""How often something else is done while nothing comes, and how long after the last bytes."""

_LEAVE_S: Final = 2.0
"""How long a thread may take to come out of a call on a socket that was shut down."""


class Transport(Protocol):
    """A two-way byte stream. One thread receives; any thread sends, one at a time."""

    def receive_into(self, room: memoryview) -> int:
        """Block until bytes come; return how many, 0 when the peer closed.

        Raises:
            OSError: The stream is broken.
        """

    def send(self, data: bytes) -> None:
        """Give every byte to the kernel; of none there is nothing to do.

        Raises:
            NotReady: It was closed before; certainly no byte left.
            SendFailed: It broke or stalled on the way; some bytes may have left.
        """

    def close(self) -> None:
        """Close both directions and wake the receiver. May be called again, from any thread."""


class SocketTransport:
    """A TCP connection.

    A receive, and a send that finds room, are one system call each: Python would look first whether a socket
    that has a time limit is ready, which is a second call for every message. So the socket has none, and a
    send that finds no room waits for it with a limit of its own.

    Args:
        host: Name or address.
        port: TCP port.
        connect_timeout_s: How long to wait for the connection.
        send_timeout_s: How long a peer may take to make room for a whole message.
        busy_poll_s: How long a receive asks again and again before it waits in the system, which takes a
            processor meanwhile, and spares waking up. It rests for a second at a time where looks have to
            wait for others that compute.

    Attributes:
        polls: Whether a receive asks again and again.
        meanwhile: Is called now and then while it does, and nothing comes; None for nothing. A message that
            comes in the meantime waits for it. Must not raise.

    Raises:
        GatewayUnreachable: Nothing accepts connections there.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        connect_timeout_s: float = 10.0,
        send_timeout_s: float = 10.0,
        busy_poll_s: float = 0.0,
    ) -> None:
        try:
            self._socket = socket.create_connection((host, port), timeout=connect_timeout_s)
        except (OSError, ValueError) as error:  # ValueError: a name that no name server could be asked for
            raise GatewayUnreachable(
                f"no TWS or IB Gateway accepts connections at {host}:{port} ({error}); is it running, is "
                "the API enabled in its settings, and is this its port?"
            ) from error
        # Orders are small and urgent: never wait to fill a packet.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        # The same connection under a number of its own, so that each side can be closed when nobody is in it.
        self._sender = self._socket.dup()
        # They share whether calls wait. Without calls that do not, both need Python's time limits.
        self._socket.settimeout(None if _AT_ONCE else _RECEIVE_POLL_S)
        self._sender.settimeout(None if _AT_ONCE else send_timeout_s)
        self._send_timeout_s = send_timeout_s
        self._busy_poll_s = busy_poll_s if _AT_ONCE else 0.0
        self.polls = self._busy_poll_s > 0
        self.meanwhile: Callable[[], None] | None = None
        self._polled_s = self._slow_s = self._rested_at = 0.0
        self._send_lock = threading.RLock()
        self._receive_lock = threading.RLock()
        self._closed = False
        self._fault = ""

    def receive_into(self, room: memoryview) -> int:
        """See :meth:`Transport.receive_into`."""
        while True:
            try:
                with self._receive_lock:
                    found = self._poll(room) if self.polls else None
                    count = self._socket.recv_into(room) if found is None else found
            except OSError as error:
                if isinstance(error, TimeoutError) and error.errno is None:
                    continue  # Python's own limit; the system's says that the peer is not there any more
                if not self._fault:
                    raise
                raise ConnectionError(self._fault) from error
            if not count and self._fault:
                raise ConnectionError(self._fault)  # it was not the peer who ended it
            return count

    def _poll(self, room: memoryview) -> int | None:
        """Ask for bytes until some come; None when it is time to wait for them.

        Raises:
            OSError: The stream is broken.
        """
        receive, clock = self._socket.recv_into, time.monotonic
        began = now = clock()
        until = began + self._busy_poll_s if began >= self._rested_at else began
        due = began + _MEANWHILE_S  # what comes with a message is still on its way
        try:
            while now < until:
                try:
                    return receive(room, 0, _AT_ONCE)
                except BlockingIOError:
                    before, now = now, clock()
                if now - before > _SLOW_S and self._is_crowded(now - before, now - began):
                    self._rested_at = now + _REST_S
                    self._polled_s = self._slow_s = 0.0
                    began = until = now
                elif self.meanwhile is not None and now >= due:
                    self.meanwhile()
                    now = clock()
                    due = now + _MEANWHILE_S
        finally:
            self._polled_s += now - began
            if self._polled_s > _MEMORY_S:
                self._polled_s, self._slow_s = self._polled_s / 2, self._slow_s / 2
        return None

    def _is_crowded(self, look_s: float, polled_s: float) -> bool:
        """Take note of a slow look; whether it waits so much that somebody must be computing.

        A thread that computes gets the interpreter only when its switch interval is over, and keeps it for
        one: so most looks are quick also then, and it loses half of its time to them.
        """
        self._slow_s += look_s
        return self._slow_s > max(_GRACE_S, _CROWDED * (self._polled_s + polled_s))

    def send(self, data: bytes) -> None:
        """See :meth:`Transport.send`."""
        with self._send_lock:
            if self._closed:
                raise NotReady(f"{self._fault or 'the connection is closed'}; nothing was sent")
            if not data:
                return  # Python's time limit would wait for room even so, and end the connection without it
            try:
                if _AT_ONCE:
                    self._send_all(data)
                else:
                    self._sender.sendall(data)
            except OSError as error:
                # The stream may be cut in the middle of a frame: nothing may follow on it.
                self._fault = f"a send failed: {error}"
                self.close()
                raise SendFailed(f"the connection failed during a send: {error}") from error
            except BaseException:  # Ctrl-C comes anywhere: likewise
                self._fault = "a send was interrupted"
                self.close()
                raise

    def _send_all(self, data: bytes) -> None:
        """Give it all to the kernel, in one call where there is room, as there nearly always is.

        Raises:
            OSError: It broke, or there was no room for all of it in time.
        """
        try:
            left = self._sender.send(data, _AT_ONCE)
        except BlockingIOError:
            left = 0
        if left == len(data):
            return
        rest = memoryview(data)[left:]
        deadline = time.monotonic() + self._send_timeout_s
        room = select.poll()
        room.register(self._sender, select.POLLOUT)
        while rest:
            patience_s = deadline - time.monotonic()
            if patience_s <= 0 or not room.poll(patience_s * 1000):
                raise TimeoutError("timed out")
            with contextlib.suppress(BlockingIOError):
                rest = rest[self._sender.send(rest, _AT_ONCE) :]

    def close(self) -> None:
        """See :meth:`Transport.close`."""
        if self._closed:
            return
        self._closed = True
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes receiver and sender, which close() alone does not
        _close_when_left(self._sender, self._send_lock)
        _close_when_left(self._socket, self._receive_lock)


def _close_when_left(sock: socket.socket, lock: threading.RLock) -> None:
    """Close a socket once nobody is inside a call on it.

    The system may give a closed socket's number to the next connection at once: a send that is still on its
    way into the kernel would put an order's bytes there.
    """
    was_left = lock.acquire(timeout=_LEAVE_S)  # should a system not wake who was inside
    try:
        sock.close()
    finally:
        if was_left:
            lock.release()
