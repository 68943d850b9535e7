"""The gateway behind TCP: one thread, many clients, none of which can hold up another.

The thread owns every socket. It shares the gateway with the callers of the admin handle through one lock,
which is held while bytes are understood and answered and never while a socket is waited for.
"""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import attrs

from ibkr_core.errors import InvalidInput, WaitTimeout
from ibkr_core.gateway.admin import Admin, Books
from ibkr_core.gateway.clock import Clock, ManualClock
from ibkr_core.gateway.core import MemoryGateway, Outlet, straight
from ibkr_core.gateway.faults.hand import FaultHand
from ibkr_core.gateway.faults.injector import Injector
from ibkr_core.gateway.faults.plan import FaultPlan
from ibkr_core.gateway.instruments import Catalogue
from ibkr_core.gateway.protocol import Session, Watcher
from ibkr_core.gateway.venue import Settings, Venue

__all__ = ["SessionHandle", "SimulatedGateway", "WriteChunker", "wall_clock"]

T = TypeVar("T")
WriteChunker = Callable[[bytes], Iterable[bytes]]
"""Cuts what is about to be sent into the pieces that leave one by one."""

_RECEIVE = 65_536
_CLIENT_READ = 4_096  # the official client reads so many bytes at once (wire facts 2)
_QUIET_S = 0.05
_HOLD_S = 0.005
_HOLD_MULTIPLE_S = 0.2
_CHUNK_GAP_S = 0.0005
_LINGER_S = 2.0
_DOOR_LOOK_S = 0.1
_BACKLOG = 32
_LONGEST_NAP_S = 3600.0  # an order may sleep for decades, which no selector can wait


def _close_with_reset(sock: socket.socket) -> None:
    """Close a socket so that its peer is reset: no lingering, nothing more is sent."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def wall_clock() -> Clock:
    """A clock that starts at the machine's time and never goes back."""
    base = time.time() - time.monotonic()
    return lambda: base + time.monotonic()


@attrs.define(eq=False)
class _Connection:
    """One socket and what is on its way out of it."""

    sock: socket.socket
    session: Session
    chunker: WriteChunker | None
    guard: bool
    backlog: bytearray = attrs.field(factory=bytearray)
    chunks: deque[bytes] = attrs.field(factory=deque)
    run_bytes: int = 0
    sent_at: float = 0.0
    send_at: float | None = None
    blocked: bool = False
    watched: int = selectors.EVENT_READ
    leaving_at: float | None = None

    @property
    def pending(self) -> int:
        """Bytes that have not left yet."""
        return len(self.backlog) + sum(map(len, self.chunks)) + self.session.pending

    def take(self, now: float) -> None:
        """Fetch what the session has to say."""
        data = self.session.outgoing()
        if not data:
            return
        if self.chunker is not None:
            self.chunks.extend(bytes(chunk) for chunk in self.chunker(data) if chunk)
            self.send_at = self.send_at or now
            return
        self.backlog += data
        if not self.guard:
            return
        if now - self.sent_at > _QUIET_S:
            self.run_bytes = 0
        size = self.run_bytes + len(self.backlog)
        if size >= _CLIENT_READ:
            # The official client loses a read of exactly 4096 bytes that nothing follows within a second. We
            # cannot see how it cuts its reads, so the last byte of every long burst comes a little later.
            self.send_at = now + (_HOLD_MULTIPLE_S if size % _CLIENT_READ == 0 else _HOLD_S)

    def flush(self, now: float) -> None:
        """Send what may leave now; raises OSError when the peer is gone."""
        self.blocked = False
        due = self.send_at is not None and now >= self.send_at
        if self.chunks:
            if due:
                self._send_chunk(now)
            return
        keep = 0 if self.send_at is None or due else 1
        size = len(self.backlog) - keep
        if size <= 0:
            return
        # Both views are released by hand: one that a traceback keeps alive would forbid the cut below.
        with memoryview(self.backlog) as view, view[:size] as part:
            sent = self._send(part)
        del self.backlog[:sent]
        self.blocked = sent < size
        if sent:
            self.run_bytes += sent
            self.sent_at = now
        if due and not self.backlog:
            self.send_at = None
            self.run_bytes = 0

    def _send_chunk(self, now: float) -> None:
        chunk = self.chunks[0]
        sent = self._send(chunk)
        self.blocked = sent < len(chunk)
        if self.blocked:
            self.chunks[0] = chunk[sent:]
            return
        self.chunks.popleft()
        self.send_at = now + _CHUNK_GAP_S if self.chunks else None

    def _send(self, data: bytes | memoryview) -> int:
        try:
            return self.sock.send(data)
        except BlockingIOError:
            return 0


class SessionHandle:
    """One connected client, at the hand of a test.

    Args:
        server: The server.
        session: Its session.
    """

    def __init__(self, server: SimulatedGateway, session: Session) -> None:
        self._server = server
        self._session = session

    @property
    def server_version(self) -> int:
        """The protocol version that was agreed on."""
        return self._session.server_version

    def inject(self, data: bytes) -> None:
        """Send raw bytes to the client, well-formed or not."""
        self._server._access(lambda _: self._session.inject(data))  # noqa: SLF001 - one hand, two classes

    def close(self) -> None:
        """Hang up on the client, after what is on its way."""
        self._server._access(lambda _: self._session.close())  # noqa: SLF001 - one hand, two classes


class SimulatedGateway(Admin, FaultHand):
    """A simulated IB Gateway that listens on TCP.

    Use it as a context manager, or call :meth:`start` and :meth:`stop`. Any thread may call the admin
    methods. ``state`` names its state file, or is None.

    Args:
        port: Where to listen; 0 takes a free one.
        host: On which address; other machines cannot reach the default.
        clock: The present; by default the machine's. A manual clock is moved with :meth:`run`.
        seed: Decides every random thing.
        settings: What kind of venue.
        catalogue: What can be traded.
        versions: Server versions on offer.
        silent_empty_executions: Whether an empty ``reqExecutions`` gets no end (TWS facts 2.9).
        outlet: Through which every message passes, before faults strike it.
        faults: What goes wrong by itself; see :meth:`inject` for more at run time.
        read_guard: Whether to protect official clients from losing a read of exactly 4096 bytes (wire
            facts 2), by sending the last byte of long bursts a little later.
        write_chunker: Cuts everything that is sent into pieces that leave one by one; switches the guard off.
        max_backlog_bytes: A client that lets more than this pile up is hung up on.
        state: A file that keeps accounts, orders and ids from one gateway to the next; see
            :mod:`ibkr_core.gateway.state`. :meth:`stop` lets go of it.

    Raises:
        InvalidInput: The host is empty.
        StateFileError: The state file cannot be had or used; the subclass says why.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        host: str = "127.0.0.1",
        clock: Clock | None = None,
        seed: int = 0,
        settings: Settings | None = None,
        catalogue: Catalogue | None = None,
        versions: Collection[int] | None = None,
        silent_empty_executions: bool = False,
        outlet: Outlet = straight,
        faults: FaultPlan | None = None,
        read_guard: bool = True,
        write_chunker: WriteChunker | None = None,
        max_backlog_bytes: int = 64 * 1024 * 1024,
        state: str | Path | None = None,
    ) -> None:
        if not host:  # to a socket an empty address is every address, and nobody means that
            raise InvalidInput("host", "must be an address, such as 127.0.0.1; got none")
        self._address = (host, port)
        self.state = state
        self._gateway = MemoryGateway(
            clock=wall_clock() if clock is None else clock,
            seed=seed,
            settings=settings,
            catalogue=catalogue,
            versions=versions,
            silent_empty_executions=silent_empty_executions,
            outlet=outlet,
            faults=faults,
            state=state,
        )
        self._read_guard = read_guard
        self._write_chunker = write_chunker
        self._max_backlog = max_backlog_bytes
        self._changed = threading.Condition(threading.RLock())
        self._waiting = 0
        self._connections: dict[socket.socket, _Connection] = {}
        self._stopping = False
        self._thread: threading.Thread | None = None
        self._bell_rope: socket.socket | None = None
        self._fault: Exception | None = None

    # -- life --------------------------------------------------------------------------------------

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.stop()
        except Exception:
            if value is None:  # otherwise the caller's own exception matters more
                raise

    @property
    def host(self) -> str:
        """The address it listens on."""
        return self._address[0]

    @property
    def fault(self) -> Exception | None:
        """The first fault of the gateway itself, which :meth:`stop` will raise; None while there is none."""
        return self._fault

    @property
    def port(self) -> int:
        """The port it listens on; known once it is started."""
        return self._address[1]

    def start(self) -> None:
        """Listen and serve, on a thread of its own.

        Raises:
            OSError: The address cannot be had.
            InvalidInput: It was started before; make a new server.
        """
        if self._thread is not None:
            raise InvalidInput("start", "a server starts once; make a new one")
        self._selector = selectors.DefaultSelector()
        try:
            self._listener = socket.create_server(self._address, backlog=_BACKLOG)
        except OSError:
            self._selector.close()
            self._gateway.close()
            raise
        self._address = self._listener.getsockname()[:2]
        self._listener.settimeout(0)
        self._listens = True
        self._bell, self._bell_rope = socket.socketpair()
        for sock in (self._bell, self._bell_rope):
            sock.settimeout(0)
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._selector.register(self._bell, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._serve, name="ibkr-gateway", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Hang up on everybody and end the thread. Stopping twice is harmless.

        Raises:
            Exception: Whatever fault of the gateway itself turned up while it served.
        """
        if self._thread is None:
            self._gateway.close()
        if self._thread is None or self._stopping:
            return
        self._stopping = True
        self._ring()
        self._thread.join()
        self._gateway.close(save=self._fault is None)
        if self._fault is not None:
            raise self._fault

    def watch(self, watcher: Watcher | None) -> None:
        """Have somebody told of each request and answer, of clients that start from now on.

        Args:
            watcher: Called on the serving thread, or on the one that uses an admin method; None for nobody.
        """
        with self._changed:
            self._gateway.watcher = watcher

    # -- hands -------------------------------------------------------------------------------------

    def _access(self, action: Callable[[Venue], T]) -> T:
        try:
            with self._changed:
                return self._gateway._access(action)  # noqa: SLF001 - the same admin, one floor down
        finally:
            self._ring()

    def _sabotage(self, action: Callable[[Injector], T]) -> T:
        with self._changed:
            result = self._gateway._sabotage(action)  # noqa: SLF001 - the same hand, one floor down
        self._ring()
        self._await_door()
        return result

    def _await_door(self) -> None:
        """Wait until the serving thread, which owns the listening socket, has followed."""
        if threading.current_thread() is self._thread:
            return  # a watcher or an outlet has asked: it follows when they return
        with self._changed:
            while self.is_serving and self._listens is self._gateway.refuses:
                self._changed.wait(_DOOR_LOOK_S)

    def restart(self, down_s: float = 0.0, *, overnight: bool = False) -> None:
        """Restart as a gateway does every day; see :meth:`Admin.restart`."""
        with self._changed:
            self._gateway.restart(down_s, overnight=overnight)
        self._ring()
        self._await_door()

    @property
    def is_serving(self) -> bool:
        """Whether its thread runs: it was started, not stopped, and no fault of the gateway has ended it."""
        return self._thread is not None and self._thread.is_alive() and not self._stopping

    def run(self, seconds: float) -> None:
        """Let time pass under a manual clock.

        Raises:
            TypeError: The clock is not a manual one.
        """
        with self._changed:
            self._gateway.run(seconds)
        self._ring()
        self._await_door()

    def session(self, client_id: int) -> SessionHandle:
        """A connected client.

        Raises:
            InvalidInput: No started session has this client id.
        """
        with self._changed:
            session = self._gateway.session(client_id)
        if session is None:
            raise InvalidInput("client_id", f"client {client_id} is not connected")
        return SessionHandle(self, session)

    @property
    def client_ids(self) -> tuple[int, ...]:
        """The ids of all started clients."""
        with self._changed:
            return tuple(session.client_id for session in self._gateway.sessions())

    def wait_for(self, condition: Callable[[Books], T], timeout_s: float = 10.0) -> T:
        """Wait until the books, or anything else about the gateway, are as you want.

        Args:
            condition: Looked at whenever something may have changed.
            timeout_s: For how long, in seconds.

        Returns:
            The condition's first true value.

        Raises:
            WaitTimeout: It did not come true in time.
        """
        deadline = time.monotonic() + timeout_s
        with self._changed:
            self._waiting += 1
            try:
                # The gateway's own books(): the server's would wake the thread, which would wake us again.
                while not (value := condition(self._gateway.books())):
                    left = deadline - time.monotonic()
                    if left <= 0:
                        raise WaitTimeout(f"the gateway's books did not come to it within {timeout_s} s")
                    self._changed.wait(left)
                return value
            finally:
                self._waiting -= 1

    def _ring(self) -> None:
        """Wake the serving thread."""
        if self._bell_rope is None:
            return
        try:
            self._bell_rope.send(b"\0")
        except OSError:
            return  # it is awake already, or gone

    # -- the serving thread ------------------------------------------------------------------------

    def _serve(self) -> None:
        try:
            while not self._stopping:
                timeout = self._work()
                for key, events in self._selector.select(timeout):
                    self._attend(key, events)
        except Exception as fault:  # noqa: BLE001 - kept for stop(), which raises it
            self._fault = self._fault or fault
        finally:
            with self._changed:
                for connection in list(self._connections.values()):
                    self._drop(connection)
                self._changed.notify_all()
            self._selector.close()
            for sock in (self._listener, self._bell, self._bell_rope):
                if sock is not None:
                    sock.close()

    def _work(self) -> float | None:
        """Let due things happen and send what may leave; returns for how long nothing is due."""
        with self._changed:
            self._gateway.advance()
            self._gateway.save()
            if self._listens is self._gateway.refuses:
                self._mind_the_door()
            now = time.monotonic()
            moments = [self._service(connection, now) for connection in list(self._connections.values())]
            if self._waiting:
                self._changed.notify_all()
            waits = [moment - now for moment in moments if moment is not None]
            deadline = self._gateway.next_deadline()
            if deadline is not None and not isinstance(self._gateway.clock, ManualClock):
                waits.append(deadline - self._gateway.clock())
        return min(max(min(waits), 0.0), _LONGEST_NAP_S) if waits else None

    def _service(self, connection: _Connection, now: float) -> float | None:
        """Send for one connection; returns when it wants to be looked at again."""
        if connection.session.was_reset:
            self._drop(connection)
            return None
        try:
            connection.take(now)
            connection.flush(now)
            if connection.session.closed and not connection.pending:
                return self._take_leave(connection, now)
        except OSError:
            self._drop(connection)
            return None
        if connection.pending > self._max_backlog:
            self._drop(connection)
            return None
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if connection.blocked else 0)
        if events != connection.watched:
            connection.watched = events
            self._selector.modify(connection.sock, events, connection)
        return None if connection.blocked else connection.send_at

    def _take_leave(self, connection: _Connection, now: float) -> float | None:
        """Say no more, and wait a moment for the client to hang up.

        Closing at once would reset the connection when the client has sent something that was not read yet,
        and the client would lose our last words: why it was refused.
        """
        if connection.leaving_at is None:
            connection.sock.shutdown(socket.SHUT_WR)
            connection.leaving_at = now + _LINGER_S
        if now < connection.leaving_at:
            return connection.leaving_at
        self._drop(connection)
        return None

    def _attend(self, key: selectors.SelectorKey, events: int) -> None:
        if key.fileobj is self._listener:
            self._accept()
        elif key.fileobj is self._bell:
            self._silence_bell()
        elif events & selectors.EVENT_READ:
            self._read(key.data)

    def _silence_bell(self) -> None:
        try:
            while self._bell.recv(_RECEIVE):
                pass
        except BlockingIOError:
            return

    def _accept(self) -> None:
        try:
            sock, address = self._listener.accept()
        except OSError:
            return  # the client went away before we looked
        sock.settimeout(0)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._changed:
            try:
                session = self._gateway.connect(f"{address[0]}:{address[1]}")
            except ConnectionRefusedError:
                _close_with_reset(sock)
                return
            self._connections[sock] = _Connection(sock, session, self._write_chunker, self._read_guard)
            self._selector.register(sock, selectors.EVENT_READ, self._connections[sock])

    def _read(self, connection: _Connection) -> None:
        if connection.sock not in self._connections:
            return
        try:
            data = connection.sock.recv(_RECEIVE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        with self._changed:
            if not data:
                self._say_rest(connection)
                self._drop(connection)
                return
            try:
                connection.session.receive(data)
            except Exception as fault:  # noqa: BLE001 - one client's trouble must not stop the others
                self._fault = self._fault or fault
                self._drop(connection)

    def _say_rest(self, connection: _Connection) -> None:
        """Send what was said already: a client that will say no more may still read."""
        now = time.monotonic()
        connection.take(now)
        connection.send_at = now
        with contextlib.suppress(OSError):
            connection.flush(now)

    def _drop(self, connection: _Connection) -> None:
        """Close one connection at once; its client's orders rest on."""
        connection.session.hang_up()
        if self._connections.pop(connection.sock, None) is None:
            return
        self._selector.unregister(connection.sock)
        if connection.session.was_reset:
            _close_with_reset(connection.sock)
        else:
            connection.sock.close()

    def _mind_the_door(self) -> None:
        """Stop or begin to listen, as faults will have it. The port stays ours meanwhile.

        A socket that is bound but does not listen makes the system refuse whoever comes.
        """
        if self._listens:
            self._selector.unregister(self._listener)
            self._listener.close()
            self._listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind(self._address)
            self._listener.settimeout(0)
        else:
            self._listener.listen(_BACKLOG)
            self._selector.register(self._listener, selectors.EVENT_READ)
        self._listens = not self._listens
        self._changed.notify_all()
