"""The gateway as a server of its own: that it serves, and that it ends cleanly."""

from __future__ import annotations

import io
import os
import queue
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from ibkr_core.cli import main, simulated
from ibkr_core.cli.serve import serve
from ibkr_core.engine import Engine
from ibkr_core.gateway import SimulatedGateway
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus

pytestmark = pytest.mark.system

PATIENCE_S = 60.0
READY = re.compile(r"Simulated IB Gateway on 127\.0\.0\.1:(\d+), accounts? (.+), seed (\d+)")


class Server:
    """A gateway in a process of its own, and the lines that it prints as they come."""

    def __init__(self, *arguments: str) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-W", "error", "-m", "ibkr_core", "gateway", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "COLUMNS": "120"},
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line.rstrip("\n"))

    def type(self, line: str) -> None:
        """Write a line to its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def wait(self) -> int:
        """Wait until it has ended by itself; return its exit code."""
        return self._process.wait(PATIENCE_S)

    def line(self) -> str:
        """The next line, when it comes."""
        return self._lines.get(timeout=PATIENCE_S)

    def end(self, number: signal.Signals) -> tuple[int, list[str], str]:
        """Send a signal; return the exit code, the lines not looked at yet, and standard error."""
        self._process.send_signal(number)
        code = self._process.wait(PATIENCE_S)
        self._reader.join()
        rest = []
        while not self._lines.empty():
            rest.append(self._lines.get())
        assert self._process.stderr is not None
        return code, rest, self._process.stderr.read()

    def close(self) -> None:
        """Make sure that nothing is left."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def serving(*arguments: str) -> Iterator[tuple[Server, int]]:
    server = Server(*arguments)
    try:
        first = server.line()
        ready = READY.fullmatch(first)
        assert ready is not None, first
        yield server, int(ready[1])
    finally:
        server.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_a_signal_and_says_goodbye(number: signal.Signals) -> None:
    """An engine trades on it; the signal ends it with exit code 0, a last line, and no traceback."""
    with serving("--port", "0", "--still") as (server, port):
        assert f'Engine.connect("127.0.0.1", {port})' in server.line()
        assert server.line() == "Ctrl-C ends it."
        with Engine.connect("127.0.0.1", port, client_id=7) as engine:
            assert server.line() == "client 7 connected"
            ticket = engine.submit(Contract.stock("AAPL"), Order.market("BUY", 10))
            assert ticket.wait(timeout_s=PATIENCE_S).status is OrderStatus.FILLED
        assert server.line() == "client 7 left"
        code, rest, errors = server.end(number)
    assert (code, errors) == (0, "")
    assert rest == ["Goodbye: 1 orders, 1 executions."]


def test_a_connected_client_does_not_keep_it() -> None:
    """With a session open, a signal ends it all the same, and the client learns that it is gone."""
    lost: queue.SimpleQueue[events.Event] = queue.SimpleQueue()
    with serving("--port", "0") as (server, port), Engine.connect("127.0.0.1", port) as engine:
        engine.on(events.ConnectionLost, lost.put)
        code, _, errors = server.end(signal.SIGTERM)
        assert (code, errors) == (0, "")
        assert isinstance(lost.get(timeout=PATIENCE_S), events.ConnectionLost)
        assert not engine.is_ready


def test_its_options_reach_the_gateway() -> None:
    """Accounts, seed and version are those asked for."""
    arguments = ("--port", "0", "--account", "DU1", "--account", "DU2", "--server-version", "176")
    with serving(*arguments) as (server, port), Engine.connect("127.0.0.1", port) as engine:
        assert engine.accounts == ("DU1", "DU2")
        assert engine.server_version == 176
        server.end(signal.SIGTERM)


def test_commands_are_taken_from_standard_input(tmp_path: Path) -> None:
    """Prices of a file and of a list of symbols are served; a typed price fills an order; quit ends it."""
    prices = tmp_path / "prices.csv"
    prices.write_text("time,symbol,bid,ask,bid_size,ask_size\n0,XYZ,12.40,12.60,500,500\n", encoding="utf-8")
    arguments = ("--port", "0", "--stdin", "--symbols", "XYZ=12.50", "--prices", str(prices), "--speed", "2")
    with serving(*arguments) as (server, port):
        assert "Engine.connect" in server.line()
        assert server.line() == f"Prices come from {prices}, 2 times as fast as they came."
        assert server.line().startswith("Type help")
        assert server.line() == "Ctrl-C ends it."
        server.type("XYZ")
        assert server.line() == "XYZ  bid 12.40 x 500  ask 12.60 x 500  last 12.40"
        assert server.line().split() == "12.40 x 500 12.60 x 500".split()
        with Engine.connect("127.0.0.1", port, client_id=7) as engine:
            assert server.line() == "client 7 connected"
            ticket = engine.submit(Contract.stock("XYZ"), Order.limit("BUY", 10, Decimal("12.45")))
            server.type("XYZ 12.30 12.41")
            assert server.line().startswith("XYZ  bid 12.30")
            assert ticket.wait(timeout_s=PATIENCE_S).status is OrderStatus.FILLED
            server.type("nonsense 1")
            server.type("quit")
            assert server.wait() == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--symbols", "NOSUCH"], "symbols: 'NOSUCH' is not known; give it a price to start from"),
        (["--speed", "0"], "speed: must be above zero and at most a million; got 0.0"),
        (["--host", ""], "host: must be an address, such as 127.0.0.1; got none"),
        (["--account", ""], "accounts: each must be letters and digits; got ''"),
        (["--account", "DU1,DU2"], "accounts: each must be letters and digits; got 'DU1,DU2'"),
        (["--account", "D", "--account", "D"], "accounts: must name at least one, and each once; got D, D"),
        (["--prices", "none.csv"], "--prices: cannot read none.csv: No such file or directory"),
    ],
)
def test_options_that_make_no_sense_are_said_in_one_line(arguments: list[str], told: str) -> None:
    """Exit code 2, before anything is served."""
    result = CliRunner().invoke(main.app, ["gateway", "--port", "0", *arguments])
    assert result.exit_code == 2
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


class Paper(Console):
    """A console that ends the server with Ctrl-C as soon as it is told how."""

    def __init__(self) -> None:
        super().__init__(file=io.StringIO(), width=120)

    def print(self, *args: Any, **kwargs: Any) -> None:
        super().print(*args, **kwargs)
        if "Ctrl-C ends it." in args:
            signal.raise_signal(signal.SIGINT)


def test_the_server_and_the_signal_handlers_are_gone_afterwards() -> None:
    """When serve returns, nothing listens at the port, and Ctrl-C is what it was."""
    before = signal.getsignal(signal.SIGINT)
    server = SimulatedGateway()
    serve(server, Paper(), seed=0, accounts=("DU1",))
    assert signal.getsignal(signal.SIGINT) is before
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((server.host, server.port), timeout=PATIENCE_S)


@pytest.mark.parametrize(("arguments", "moves"), [([], True), (["--still"], False)])
def test_prices_move_unless_they_are_told_not_to(
    arguments: list[str], moves: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option decides what market the gateway has."""
    made: list[SimulatedGateway] = []
    monkeypatch.setattr(simulated, "serve", lambda server, *_, **__: made.append(server))
    assert CliRunner().invoke(main.app, ["gateway", *arguments]).exit_code == 0
    assert made[0]._gateway._venue.settings.market.moves is moves


def test_a_port_in_use_is_said_in_one_line() -> None:
    """Exit code 3, and a hint what to do."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        result = CliRunner().invoke(main.app, ["gateway", "--port", str(port)])
    assert result.exit_code == 3
    assert result.stdout == ""
    assert result.stderr == (
        f"error: cannot listen on 127.0.0.1:{port}: Address already in use; "
        "another program has it, choose one with --port\n"
    )


def test_an_address_that_is_not_ours_is_said_in_one_line() -> None:
    """Exit code 3, without a traceback, and the signal handlers are put back."""
    before = signal.getsignal(signal.SIGTERM)
    result = CliRunner().invoke(main.app, ["gateway", "--host", "192.0.2.1", "--port", "0"])
    assert result.exit_code == 3
    assert result.stderr.startswith("error: cannot listen on 192.0.2.1:0: ")
    assert len(result.stderr.splitlines()) == 1
    assert signal.getsignal(signal.SIGTERM) is before


def test_it_goes_on_when_nobody_reads_what_it_says() -> None:
    """Found by a hostile user: ``ibkr-core gateway | head -1`` took the gateway down with the pipe."""
    process = subprocess.Popen(
        [sys.executable, "-m", "ibkr_core", "gateway", "--port", "0", "--still"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        told = READY.match(process.stdout.readline())
        assert told is not None
        process.stdout.close()
        with Engine.connect("127.0.0.1", int(told[1]), 1, timeout_s=PATIENCE_S):
            pass
        with Engine.connect("127.0.0.1", int(told[1]), 2, timeout_s=PATIENCE_S) as engine:
            assert engine.is_ready
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE_S) == 0
        assert process.stderr is not None
        assert process.stderr.read() == ""
