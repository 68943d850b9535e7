"""The simulated gateway as a server of its own, until a signal ends it."""

from __future__ import annotations

import contextlib
import errno
import signal
import threading
from collections.abc import Iterator
from types import FrameType
from typing import Final

from rich.console import Console

from ibkr_core.errors import ConnectionFailed
from ibkr_core.gateway import SimulatedGateway

__all__ = ["serve"]

_LOOK_S: Final = 0.5
"""How often it is looked who came and who left."""


def serve(server: SimulatedGateway, console: Console, *, seed: int, accounts: tuple[str, ...]) -> None:
    """Serve until Ctrl-C or SIGTERM, and say goodbye.

    Args:
        server: Not started yet.
        console: Where to say what happens.
        seed: For people: what decides the prices.
        accounts: For people: the account codes.

    Raises:
        ConnectionFailed: The address cannot be had.
        Exception: A fault of the gateway that ended it, such as a state file that cannot be written any more.
    """
    with _ended_by_signals() as over, _serving(server):
        names = f"account{'s' if len(accounts) > 1 else ''} {', '.join(accounts)}"
        console.print(f"Simulated IB Gateway on {server.host}:{server.port}, {names}, seed {seed}")
        console.print(f'Connect with Engine.connect("{server.host}", {server.port}), or any ibapi program.')
        if not server.faults.is_none:
            console.print("Things go wrong here, as --faults says.")
        if server.state is not None:
            books = server.books()
            found = f"{len(books.orders)} orders and {len(books.executions)} executions are back"
            console.print(f"Kept in {server.state}: {found}.", soft_wrap=True)
        console.print("Ctrl-C ends it.")
        clients: set[int] = set()
        while not over.wait(_LOOK_S) and server.is_serving:
            clients = _report(console, clients, set(server.client_ids))
        books = server.books()
        faults = f", {len(server.injected())} faults" if server.injected() else ""
        console.print(f"Goodbye: {len(books.orders)} orders, {len(books.executions)} executions{faults}.")


@contextlib.contextmanager
def _serving(server: SimulatedGateway) -> Iterator[None]:
    host, port = server.host, server.port
    try:
        server.start()
    except OSError as error:
        reason = (error.strerror or str(error)).partition(" (while")[0]
        hint = "; another program has it, choose one with --port" if error.errno == errno.EADDRINUSE else ""
        raise ConnectionFailed(f"cannot listen on {host}:{port}: {reason}{hint}") from error
    try:
        yield
    finally:
        server.stop()


def _report(console: Console, before: set[int], now: set[int]) -> set[int]:
    for client_id in sorted(now - before):
        console.print(f"client {client_id} connected")
    for client_id in sorted(before - now):
        console.print(f"client {client_id} left")
    return now


@contextlib.contextmanager
def _ended_by_signals() -> Iterator[threading.Event]:
    """Turn Ctrl-C and SIGTERM into an event, and put things back afterwards."""
    over = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        over.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield over
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
