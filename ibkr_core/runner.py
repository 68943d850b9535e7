"""Where a connection's bytes are received: a thread of its own in production, by hand in a simulation."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Protocol

from ibkr_core.errors import IbkrError
from ibkr_core.link.session import Session
from ibkr_core.link.transport import Transport

__all__ = ["Runner", "ThreadRunner"]


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
            except (IbkrError, OSError, ValueError) as error:
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
