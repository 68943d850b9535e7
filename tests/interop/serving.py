"""The gateway as a user starts it, a peer in its own environment, and an auditor with the official client."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
from ibapi.execution import ExecutionFilter

from tests.gateway.official import OfficialClient

__all__ = ["Audit", "Ended", "Gateway", "audit", "run_peer", "serving"]

PATIENCE_S = 180.0
SEED = 20261121
_READY = re.compile(r"Simulated IB Gateway on 127\.0\.0\.1:(\d+), ")
_GOODBYE = re.compile(r"Goodbye: (\d+) orders, (\d+) executions\.")
_AUDITOR = 999
_CLIENTS = {"full": 7, "short": 0}  # some treat client 0, whose manual orders TWS binds, in a way of its own


@attrs.frozen
class Ended:
    """How the gateway ended, and the last that it said.

    Attributes:
        code: Exit code.
        errors: Its standard error.
        orders: How many orders it had.
        executions: How many executions.
    """

    code: int
    errors: str
    orders: int
    executions: int


class Gateway:
    """The command ``ibkr-core gateway`` in a process of its own.

    Args:
        arguments: After ``--port 0``.
    """

    def __init__(self, *arguments: str) -> None:
        self._errors = tempfile.TemporaryFile("w+")  # noqa: SIM115 - lives as long as the process
        command = [
            sys.executable,
            "-m",
            "ibkr_core",
            "gateway",
            "--port",
            "0",
            "--seed",
            str(SEED),
            *arguments,
        ]
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            text=True,
            env={**os.environ, "COLUMNS": "200"},
        )
        assert self.process.stdout is not None
        first = self.process.stdout.readline()
        ready = _READY.match(first)
        if ready is None:
            self.process.wait()
            raise AssertionError(f"the gateway did not start: {first}{self._said()}")
        self.port = int(ready[1])

    def _said(self) -> str:
        self._errors.seek(0)
        return self._errors.read()

    def end(self) -> Ended:
        """Ask it to end, as a service manager does."""
        self.process.send_signal(signal.SIGTERM)
        told, _ = self.process.communicate(timeout=PATIENCE_S)
        goodbye = _GOODBYE.search(told)
        assert goodbye is not None, told
        return Ended(self.process.returncode, self._said(), int(goodbye[1]), int(goodbye[2]))

    def close(self) -> None:
        """Leave nothing behind."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()
        self._errors.close()


@contextlib.contextmanager
def serving(*arguments: str) -> Iterator[Gateway]:
    """A gateway for the time of a test."""
    gateway = Gateway(*arguments)
    try:
        yield gateway
    finally:
        gateway.close()


def run_peer(command: Sequence[str], port: int, folder: Path, *, length: str) -> dict[str, Any]:
    """Let a peer trade, and give its report.

    Args:
        command: Its interpreter and its program.
        port: Where the gateway listens.
        folder: Where it may leave files.
        length: ``full`` or ``short``.

    Raises:
        AssertionError: It did not come to its report, and why.
    """
    keep = ("PATH", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
    clean = {name: os.environ[name] for name in keep if name in os.environ}
    done = subprocess.run(  # noqa: S603 - our own program
        [*command, "127.0.0.1", str(port), str(_CLIENTS[length]), length],
        cwd=folder,
        env={**clean, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, f"exit code {done.returncode}\n{done.stderr[-8000:]}"
    assert not done.stderr, done.stderr[-8000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return report


@attrs.frozen
class Audit:
    """What the gateway tells another client, through another decoder, after the peer has left.

    Attributes:
        executions: By execution id: permId, side, shares, price, commission.
        completed: Status of each completed order, by permId.
        positions: Units held, by symbol.
        open: permIds of orders that still rest.
        cash: Cash of the account, in USD.
    """

    executions: dict[str, tuple[int, str, Decimal, float, float]]
    completed: dict[str, str]
    positions: dict[str, Decimal]
    open: tuple[int, ...]
    cash: Decimal


def audit(port: int) -> Audit:
    """Read the gateway's books over the wire with the official client of this environment."""
    client = OfficialClient()
    client.begin(port, _AUDITOR)
    try:
        client.wait("nextValidId")
        client.reqExecutions(1, ExecutionFilter())
        client.wait("execDetailsEnd")
        fills = [args[2] for args in client.of("execDetails")]
        for fill in fills:
            client.wait("commissionReport", lambda exec_id, *_, fill=fill: exec_id == fill.execId)
        commissions = {args[0]: args[1] for args in client.of("commissionReport")}
        client.reqCompletedOrders(False)
        client.wait("completedOrdersEnd")
        client.reqPositions()
        client.wait("positionEnd")
        client.reqAllOpenOrders()
        client.wait("openOrderEnd")
        client.reqAccountSummary(2, "All", "TotalCashValue")
        client.wait("accountSummaryEnd")
        return Audit(
            executions={
                fill.execId: (fill.permId, fill.side, fill.shares, fill.price, commissions[fill.execId])
                for fill in fills
            },
            completed={str(args[1].permId): args[2].status for args in client.of("completedOrder")},
            positions={args[1].symbol: args[2] for args in client.of("position")},
            open=tuple(args[2].permId for args in client.of("openOrder")),
            cash=Decimal(client.of("accountSummary")[0][3]),
        )
    finally:
        client.end()
