"""Order messages a second out of the simulated gateway, over TCP, to a client that only reads.

    python -m benchmarks gateway [--orders N] [--rounds N] [--versions 176,226] [--json FILE]

Three senders of the same kind of messages: the live venue, which decides about every order that the client
places; the gateway with a recording; and a bare socket with the same recording, which is as fast as this
machine's loopback and this reader get. Figures to quote: the live rate against 20,000, and the ratios to the
bare sender of the same round.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

import attrs
from rich.console import Console
from rich.table import Table

from benchmarks.sender import serve_once
from ibkr_core.gateway.recording import market_order, record
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message

_TARGET = 20_000
_CLIENT_ID = 7
_RECEIVE = 1 << 18
_FAR_S = 300.0
_COMMISSION = 59


@attrs.frozen
class Result:
    """One run.

    Attributes:
        messages: Order messages read.
        seconds: From the first request to the last message.
        cpu_s: CPU seconds of the sender meanwhile; zero where it is not known.
    """

    messages: int
    seconds: float
    cpu_s: float = 0.0

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds

    @property
    def core_rate(self) -> float:
        """Messages for each CPU second of the sender."""
        return self.messages / self.cpu_s if self.cpu_s else 0.0


class _Reader:
    """A client that counts frames and does nothing else with them."""

    def __init__(self, port: int, version: int) -> None:
        self.version = version
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_FAR_S)
        self.sock.sendall(client_hello(version, version))
        self._rest = b""
        self.count(until_frames=1)
        self.send(Message("startApi", {"clientId": _CLIENT_ID}))

    def send(self, message: Message) -> None:
        """Send one request."""
        self.sock.sendall(frame(encode_request(message, self.version)))

    def count(self, *, until_frames: int = 0, until_commissions: int = 0) -> int:
        """Read so many frames, or until so many commission reports are among them; returns the frames."""
        frames = commissions = 0
        wanted = _COMMISSION + 200
        while (frames < until_frames) or (commissions < until_commissions):
            data = self._rest + self.sock.recv(_RECEIVE)
            position, size = 0, len(data)
            while position + 4 <= size:
                length = int.from_bytes(data[position : position + 4], "big")
                if position + 4 + length > size:
                    break
                body = position + 4
                if self.version < 201:
                    commissions += data.startswith(b"59\0", body)
                else:
                    commissions += int.from_bytes(data[body : body + 4], "big") in {_COMMISSION, wanted}
                frames += 1
                position = body + length
            self._rest = data[position:]
        return frames


def measure(mode: str, orders: int, version: int) -> Result:
    """Run the gateway once, live or with a recording."""
    command = [sys.executable, "-m", "benchmarks.venue", mode, str(orders), str(version)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as venue:  # noqa: S603 - our own module
        assert venue.stdin is not None
        assert venue.stdout is not None
        reader = _Reader(json.loads(venue.stdout.readline())["port"], version)
        reader.count(until_frames=5)  # the welcome
        heap = b""
        if mode == "live":
            heap = b"".join(
                frame(encode_request(market_order(number), version)) for number in range(1, orders + 1)
            )
        writer = threading.Thread(target=reader.sock.sendall, args=(heap,))
        venue.stdin.write("go\n")
        venue.stdin.flush()
        began = time.perf_counter()
        writer.start()
        messages = reader.count(until_commissions=orders)
        seconds = time.perf_counter() - began
        writer.join()
        reader.sock.close()
        cpu_s = json.loads(venue.communicate("done\n")[0])["cpu_s"]
    return Result(messages, seconds, cpu_s)


def measure_bare(orders: int, version: int) -> Result:
    """Let a bare socket send a recording."""
    recording = record(orders, version, _CLIENT_ID)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=serve_once, args=(listener, version, recording.data))
        sender.start()
        reader = _Reader(listener.getsockname()[1], version)
        reader.count(until_frames=2)  # the welcome
        began = time.perf_counter()
        reader.send(Message("reqCurrentTime"))
        messages = reader.count(until_commissions=orders)
        seconds = time.perf_counter() - began
        reader.sock.close()
        sender.join()
    return Result(messages, seconds)


def main(arguments: list[str] | None = None) -> None:
    """Run the rounds and print a table for each version."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks gateway", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=5_000, help="orders in a run, about ten messages each")
    parser.add_argument("--rounds", type=int, default=3, help="how often each sender runs")
    parser.add_argument("--versions", default="176,226", help="protocol versions, separated by commas")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args(arguments)
    console = Console()
    figures = {}
    for version in map(int, options.versions.split(",")):
        results: dict[str, list[Result]] = {"live": [], "recorded": [], "bare": []}
        for number in range(options.rounds):
            for name, rows in results.items():
                with console.status(f"version {version}, round {number + 1} of {options.rounds}: {name}"):
                    bare = name == "bare"
                    rows.append(
                        measure_bare(options.orders, version)
                        if bare
                        else measure(name, options.orders, version)
                    )
        _print(console, version, results)
        figures[version] = {name: [attrs.asdict(row) for row in rows] for name, rows in results.items()}
    if options.json is not None:
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


def _print(console: Console, version: int, results: dict[str, list[Result]]) -> None:
    table = Table(title=f"order messages over TCP, server version {version}")
    for heading in ("sender", "median messages/s", "per CPU second", "of 20,000", "of bare, by round"):
        table.add_column(heading, justify="left" if heading == "sender" else "right")
    for name, rows in results.items():
        rate = statistics.median(row.rate for row in rows)
        core = statistics.median(row.core_rate for row in rows)
        ratio = statistics.median(
            row.rate / other.rate for row, other in zip(rows, results["bare"], strict=True)
        )
        cells = f"{rate:,.0f}", f"{core:,.0f}" if core else "", f"{rate / _TARGET:.2f}", f"{ratio:.3f}"
        table.add_row(name, *cells)
    console.print(table)


if __name__ == "__main__":
    main()
