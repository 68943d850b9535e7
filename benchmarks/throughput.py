"""Callbacks a second over TCP: the engine with its book kept, against its peers and the floor.

Every contestant gets the same bytes from the same sender, each in a process of its own, in turn. The figures
to quote are the ratios within a round; the rates themselves depend on the machine and its mood.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks import plots, report
from benchmarks.arena import OURS_FOUR, Contestant, Field, contest
from benchmarks.feed import CALLBACKS_PER_ORDER, burst
from benchmarks.terms import FIRST_ID

__all__ = ["draw", "main", "run"]

_ALL = (
    *OURS_FOUR,
    "ours, looking",
    "floor",
    "floor, cut only",
    "ibapi 10.51",
    "ibapi 10.50",
    "nautilus-ibapi",
    "ibapi 9.81",
    "ib_async",
)
_FEW = (*OURS_FOUR, "floor", "ibapi 10.51", "ib_async")
_VERSIONS = (157, 178, 226)
_FEW_VERSIONS = (178, 226)


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks throughput", description=__doc__.splitlines()[0]
    )
    made.add_argument("--orders", type=int, help="orders, of eight callbacks each [5000; quick 1000]")
    made.add_argument("--rounds", type=int, help="how often each contestant runs [7; quick 3]")
    made.add_argument("--versions", help="protocol versions [157,178,226; quick 178,226]")
    made.add_argument("--only", help="contestants, separated by semicolons: 'ours;floor;ibapi 10.50'")
    made.add_argument("--quick", action="store_true", help="fewer orders, rounds and contestants")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    made.add_argument("--plots", type=Path, help="also draw into this folder (needs the bench extra)")
    return made


def measure(
    console: Console, field: Mapping[str, Contestant], version: int, orders: int, rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Let all run in turn; returns seconds and CPU seconds, by contestant."""
    found: dict[str, dict[str, list[float]]] = {name: {"seconds": [], "cpu_s": []} for name in field}
    ids = range(FIRST_ID, FIRST_ID + orders)
    with tempfile.NamedTemporaryFile(prefix="ibkr-core-bench-", suffix=".stream") as stream:
        stream.write(burst(ids, version))
        stream.flush()
        for number in range(rounds):
            # Each round in another order: whoever comes first finds another machine than whoever comes last.
            turn = number % len(field)
            names = [*field][turn:] + [*field][:turn]
            for name in names:
                with report.doing(console, f"version {version}, round {number + 1} of {rounds}: {name}"):
                    result = contest(field[name], version, Path(stream.name), orders=orders)
                found[name]["seconds"].append(result.seconds)
                found[name]["cpu_s"].append(result.cpu_s)
    return found


def show(
    console: Console, version: int, callbacks: int, found: Mapping[str, Mapping[str, list[float]]]
) -> None:
    """Print what came out at one protocol version."""
    rows = {}
    mine = [ours for ours in OURS_FOUR if ours in found]
    for name, its in found.items():
        cells = [
            report.spread([callbacks / s for s in its["seconds"]]),
            f"{min(its['cpu_s']) / callbacks * 1e6:.1f}",
        ]
        against = [report.ratios(its["seconds"], found[ours]["seconds"]) for ours in mine]
        cells += [report.spread(values, ".2f") for values in against]
        rows[name] = cells
    title = f"{callbacks:,} order callbacks over TCP, protocol version {version}; medians (lowest .. highest)"
    headings = ("contestant", "callbacks/s", "CPU us each", *(f"{ours} x" for ours in mine))
    report.show(console, title, headings, rows)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run the rounds of every version; returns the figures."""
    orders = options.orders or (1_000 if options.quick else 5_000)
    rounds = options.rounds or (3 if options.quick else 7)
    versions: tuple[int, ...] = _FEW_VERSIONS if options.quick else _VERSIONS
    if options.versions:
        versions = tuple(int(text) for text in options.versions.split(","))
    names = tuple(options.only.split(";")) if options.only else (_FEW if options.quick else _ALL)
    field = Field.gather(names)
    report.tell_missing(console, field.missing)
    callbacks = orders * CALLBACKS_PER_ORDER
    figures: dict[str, Any] = {
        "callbacks": callbacks,
        "rounds": rounds,
        "missing": field.missing,
        "versions": {},
    }
    for version in versions:
        found = measure(console, field.at(version), version, orders, rounds)
        show(console, version, callbacks, found)
        figures["versions"][str(version)] = found
    return figures


def main(arguments: list[str]) -> None:
    """Run, print and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "throughput", figures)
    if options.plots is not None:
        draw(figures, options.plots)


def draw(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the picture of a run's figures; returns where it is."""
    rates = {
        version: {name: _three(figures["callbacks"], its["seconds"]) for name, its in found.items()}
        for version, found in figures["versions"].items()
    }
    return [plots.throughput(folder, rates)]


def _three(callbacks: int, seconds: list[float]) -> list[float]:
    rates = [callbacks / s for s in seconds]
    return [min(rates), statistics.median(rates), max(rates)]
