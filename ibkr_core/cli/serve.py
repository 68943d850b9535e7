"""The simulated gateway as a server of its own, until a signal ends it; it takes commands meanwhile."""

from __future__ import annotations

import contextlib
import errno
import queue
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final

from rich.console import Console

from ibkr_core.cli.hand import Hand
from ibkr_core.cli.shell import complain
from ibkr_core.cli.typed import reading
from ibkr_core.errors import ConnectionFailed, IbkrError
from ibkr_core.gateway import SimulatedGateway

__all__ = ["serve"]

_LOOK_S: Final = 0.5
"""How often it is looked who came and who left."""
Inbox = queue.SimpleQueue[str | None]
"""Lines that were typed; None ends the server. A signal handler may put into it at any moment."""


def serve(
    server: SimulatedGateway,
    console: Console,
    *,
    seed: int,
    accounts: tuple[str, ...],
    prices: str = "",
    commands: int | None = None,
) -> None:
    """Serve until Ctrl-C or SIGTERM, and say goodbye.

    Args:
        server: Not started yet.
        console: Where to say what happens.
        seed: For people: what decides the prices.
        accounts: For people: the account codes.
        prices: For people: where prices come from, if not from the seed.
        commands: File descriptor from which commands are read; None for none.

    Raises:
        ConnectionFailed: The address cannot be had.
        Exception: A fault of the gateway that ended it, such as a state file that cannot be written any more.
    """
    inbox: Inbox = queue.SimpleQueue()
    with _ended_by_signals(inbox), _serving(server):
        names = f"account{'s' if len(accounts) > 1 else ''} {', '.join(accounts)}"
        console.print(f"Simulated IB Gateway on {server.host}:{server.port}, {names}, seed {seed}")
        console.print(f'Connect with Engine.connect("{server.host}", {server.port}), or any ibapi program.')
        if not server.faults.is_none:
            console.print("Things go wrong here, as --faults says.")
        if server.state is not None:
            books = server.books()
            found = f"{len(books.orders)} orders and {len(books.executions)} executions are back"
            console.print(f"Kept in {server.state}: {found}.", soft_wrap=True)
        if prices:
            console.print(prices, soft_wrap=True)
        if commands is not None:
            console.print("Type help to see what you can do here: AAPL 189.90 190.00 sets a price.")
        console.print("Ctrl-C ends it.")
        with reading(commands, inbox.put):
            _attend(server, console, inbox)
        books = server.books()
        faults = f", {len(server.injected())} faults" if server.injected() else ""
        console.print(f"Goodbye: {len(books.orders)} orders, {len(books.executions)} executions{faults}.")


def _attend(server: SimulatedGateway, console: Console, inbox: Inbox) -> None:
    """Do what is typed and tell who comes and goes, until it is over."""
    hand = Hand(server, end=lambda: inbox.put(None))
    clients: set[int] = set()
    while server.is_serving:
        try:
            line = inbox.get(timeout=_LOOK_S)
        except queue.Empty:
            line = ""
        if line is None:
            return
        try:
            for told in hand.do(line):
                console.print(told, markup=False, soft_wrap=True)
        except IbkrError as error:
            complain(str(error))
        clients = _report(console, clients, set(server.client_ids))


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
def _ended_by_signals(inbox: Inbox) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into the end of the inbox, and put things back afterwards."""

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        inbox.put(None)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
