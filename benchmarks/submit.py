"""From the call to the bytes in the kernel: ``engine.submit`` against the peers' ``placeOrder``.

Of every contestant two times are taken: from the call to the moment at which the kernel has the order's
last byte, and to the call's return. Before the bytes leave the engine makes its record, does its checks and,
with a journal, commits the intent; what can wait comes behind them. Calls follow each other at a steady pace,
for nobody sends orders back to back: a program that has just woken up pays for caches that others have used
meanwhile. The sender counts what arrives.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from rich.console import Console

from benchmarks import report
from benchmarks.arena import OURS_FOUR, Failed, Field, contest
from benchmarks.latency import percentile

__all__ = ["WAYS", "Times", "main", "run"]

WAYS: Final[Mapping[str, str]] = MappingProxyType(
    {"left": "submit call to bytes in the kernel", "took": "submit call to its return"}
)
"""What is measured of a call, by the name under which programs report it."""

Times = Mapping[str, list[list[float]]]
"""Microseconds, for each contestant, round and call."""

_POINTS: Final = (50.0, 99.0, 100.0)
_PEER: Final = "ib_async"
_ALL = (*OURS_FOUR, "ibapi 10.51", "ibapi 10.50", "nautilus-ibapi", "ibapi 9.81", "ib_async")
_FEW = (*OURS_FOUR, "ibapi 10.51", "ib_async")
_VERSIONS = (178, 226)
_WARM_UP: Final = 0.1


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks submit", description=__doc__.splitlines()[0])
    made.add_argument("--orders", type=int, help="calls in a run [2000; quick 500]")
    made.add_argument("--rounds", type=int, help="how often each contestant runs [5; quick 2]")
    made.add_argument(
        "--versions", default="178,226", help="protocol versions; a peer's newest where lower [178,226]"
    )
    made.add_argument("--pause-ms", type=float, default=1.0, help="between calls, in milliseconds [1]")
    made.add_argument("--only", help="contestants, separated by semicolons")
    made.add_argument("--quick", action="store_true", help="fewer calls, rounds and contestants")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    return made


def measure(
    console: Console, field: Field, version: int, orders: int, rounds: int, pause_s: float
) -> dict[str, Times]:
    """Let all place their orders in turn; returns microseconds, for each way, contestant, round and call."""
    found: dict[str, Times] = {way: {name: [] for name in field.contestants} for way in WAYS}
    for number in range(rounds):
        names = [*field.contestants]
        turn = number % len(names)
        for name in names[turn:] + names[:turn]:
            one = field.contestants[name].given(submit=True, pause_s=pause_s)
            with report.doing(console, f"version {version}, round {number + 1} of {rounds}: {name}"):
                run = contest(one, version, None, orders=orders)
            if run.orders != orders:
                raise Failed(f"{name}: {run.orders} of {orders} orders arrived")
            for way in WAYS:
                took = run.answer[way]
                found[way][name].append([ns / 1e3 for ns in took[int(len(took) * _WARM_UP) :]])
    return found


def show(console: Console, version: int, way: str, found: Times) -> None:
    """Print percentiles of all calls together, and ratios round by round."""
    rows = {}
    for name, runs in found.items():
        pooled = [value for run in runs for value in run]
        cells = [f"{percentile(pooled, point):,.0f}" for point in _POINTS]
        if theirs := found.get(_PEER):
            middles = [percentile(run, 50.0) for run in runs]
            cells.append(report.spread(report.ratios(middles, [percentile(r, 50.0) for r in theirs]), ".2f"))
        rows[name] = cells
    title = f"{WAYS[way]}, in microseconds, protocol version {version} or a peer's newest"
    headings = ["contestant", "p50 us", "p99 us", "max us"]
    report.show(console, title, headings + (["p50 / ib_async"] if _PEER in found else []), rows)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run the rounds of every version; returns the percentiles of each run."""
    orders = options.orders or (500 if options.quick else 2_000)
    rounds = options.rounds or (2 if options.quick else 5)
    names = tuple(options.only.split(";")) if options.only else (_FEW if options.quick else _ALL)
    field = Field.gather(names)
    report.tell_missing(console, field.missing)
    figures: dict[str, Any] = {
        "orders": orders,
        "points": _POINTS,
        "missing": field.missing,
        "versions": {},
    }
    for version in (int(text) for text in options.versions.split(",")):
        found = measure(console, field, version, orders, rounds, options.pause_ms / 1e3)
        for way, its in found.items():
            show(console, version, way, its)
        figures["versions"][str(version)] = {
            way: {
                name: [[percentile(run, point) for point in _POINTS] for run in runs]
                for name, runs in its.items()
            }
            for way, its in found.items()
        }
    return figures


def main(arguments: list[str]) -> None:
    """Run, print and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "submit", figures)
