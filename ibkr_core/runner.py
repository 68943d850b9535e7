"""Where a connection's bytes are received: a thread of its own in production, by hand in a simulation."""

from __future__ import annotations

import concurrent.futures
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, Protocol

from ibkr_core.errors import GatewayUnreachable, InvalidInput
from ibkr_core.link.session import Session
from ibkr_core.link.transport import SocketTransport, Transport
from ibkr_core.settings import EngineSettings

__all__ = ["Runner", "ThreadRunner", "dialler", "once"]


class Runner(Protocol):
    """Makes connections and receives on them."""

    def connect(
        self,
        dial: Callable[[], Transport],
        session: Session,
        client_id: int,
        failed: Callable[[BaseException], None],
    ) -> None:
        """Dial, say hello, and have the session receive until its end.

        Args:
            dial: Makes the connection. Raises what it likes.
            session: Takes the bytes; its owner hears of its end.
            client_id: Our API client id.
            failed: Takes what was raised before the session took any bytes; then no end is told.
        """

    @property
    def is_reader_here(self) -> bool:
        """Whether the calling thread is the one that receives."""

    def join(self) -> None:
        """Wait until nothing is received any more, unless that is the calling thread's own work."""

    def wait(self, future: Future[Any], timeout_s: float | None) -> None:
        """Come back when a future is done, or the time is over.

        One that has no threads does the work meanwhile that is needed to get there.
        """


class ThreadRunner:
    """One reader thread for each connection."""

    def __init__(self) -> None:
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def connect(
        self,
        dial: Callable[[], Transport],
        session: Session,
        client_id: int,
        failed: Callable[[BaseException], None],
    ) -> None:
        """See :meth:`Runner.connect`; everything happens on the new thread."""

        def live() -> None:
            try:
                transport = dial()
                try:
                    session.begin(transport, client_id)
                except BaseException:
                    transport.close()
                    raise
            except Exception as error:  # noqa: BLE001 - a dial of the user's own raises what it likes
                failed(error)
                return
            session.read()

        thread = threading.Thread(target=live, name="ibkr-core-reader", daemon=True)
        with self._lock:
            self._threads = [old for old in self._threads if old.is_alive()]
            self._threads.append(thread)
            thread.start()  # before anybody can join it

    @property
    def is_reader_here(self) -> bool:
        """See :meth:`Runner.is_reader_here`."""
        return threading.current_thread() in self._threads

    def join(self) -> None:
        """See :meth:`Runner.join`."""
        with self._lock:
            threads = list(self._threads)
        for thread in threads:
            if thread is not threading.current_thread():
                thread.join()

    def wait(self, future: Future[Any], timeout_s: float | None) -> None:
        """See :meth:`Runner.wait`."""
        concurrent.futures.wait((future,), timeout_s)


def dialler(host: str, port: int, settings: EngineSettings) -> Callable[[], Transport]:
    """Return what makes TCP connections, each time a new one.

    Raises:
        InvalidInput: The host or the port cannot be one.
    """
    if not isinstance(host, str) or not host:
        raise InvalidInput("host", f"must be a host name or an address, not {host!r}")
    if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:  # noqa: PLR2004 - TCP
        raise InvalidInput("port", f"must be a whole number between 1 and 65535, not {port!r}")

    def dial() -> Transport:
        return SocketTransport(
            host,
            port,
            connect_timeout_s=settings.connect_timeout_s,
            send_timeout_s=settings.send_timeout_s,
            busy_poll_s=settings.busy_poll_s,
        )

    return dial


def once(transport: Transport) -> Callable[[], Transport]:
    """Return what hands out one connected transport, and cannot make it again."""
    given = [transport]

    def dial() -> Transport:
        if not given:
            raise GatewayUnreachable("a transport that was attached cannot be made again")
        return given.pop()

    return dial
