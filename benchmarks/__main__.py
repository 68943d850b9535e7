"""Callback throughput over TCP: the engine with its book kept, against the official client's bare run loop.

    python -m benchmarks [--orders N] [--rounds N] [--server-version V] [--json FILE]
    python -m benchmarks gateway [--orders N] [--rounds N] [--versions V,V] [--json FILE]

Both get the same bytes from the same sender, each in a process of its own, in turn. The figures to quote
are the ratios within a round; the times themselves depend on the machine and its mood.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import threading
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import gateway
from benchmarks.feed import CALLBACKS_PER_ORDER, burst
from benchmarks.sender import serve_once


def measure(name: str, server_version: int, data: bytes) -> float:
    """Run one contestant once and return its seconds."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sender = threading.Thread(target=serve_once, args=(listener, server_version, data))
        sender.start()
        command = [sys.executable, "-m", "benchmarks.contestant", name, str(listener.getsockname()[1])]
        result = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own module
        sender.join()
    return float(result.stdout)


def main() -> None:
    """Run the rounds and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.splitlines()[0])
    parser.add_argument("--orders", type=int, default=5_000, help="orders in the burst, eight callbacks each")
    parser.add_argument("--rounds", type=int, default=5, help="how often each contestant runs")
    parser.add_argument("--server-version", type=int, default=226, help="protocol version of the session")
    parser.add_argument("--json", type=Path, help="also write the figures to this file")
    options = parser.parse_args()
    console = Console()
    data = burst(1, options.orders, options.server_version)
    callbacks = options.orders * CALLBACKS_PER_ORDER
    rates: dict[str, list[float]] = {"official": [], "ours": []}
    for number in range(options.rounds):
        for name, rate in rates.items():
            with console.status(f"round {number + 1} of {options.rounds}: {name}"):
                rate.append(callbacks / measure(name, options.server_version, data))
    ratios = [ours / official for ours, official in zip(rates["ours"], rates["official"], strict=True)]
    table = Table(title=f"{callbacks} callbacks over TCP, server version {options.server_version}")
    for heading in ("contestant", "median callbacks/s", "min", "max"):
        table.add_column(heading, justify="left" if heading == "contestant" else "right")
    for name, rate in rates.items():
        table.add_row(name, *(f"{x:,.0f}" for x in (statistics.median(rate), min(rate), max(rate))))
    console.print(table)
    console.print(
        f"ours / official, round by round: median {statistics.median(ratios):.2f} "
        f"(min {min(ratios):.2f}, max {max(ratios):.2f})"
    )
    if options.json is not None:
        figures = {"callbacks": callbacks, "rates": rates, "ratios": ratios}
        options.json.write_text(json.dumps(figures, indent=2), encoding="utf-8")


if __name__ == "__main__":
    if sys.argv[1:2] == ["gateway"]:
        gateway.main(sys.argv[2:])
    else:
        main()
