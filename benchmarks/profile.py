"""What a callback's way costs, module by module: instructions of Python code, and time under a profiler.

The engine takes the stream by hand, on one thread and with no socket, so that what is shown is its own work.
Instructions are the same in every run; a profiler's times are not, and it makes small functions look dearer
than they are.
"""

from __future__ import annotations

import argparse
import collections
import cProfile
import pstats
import time
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console

from benchmarks import report
from benchmarks.byhand import HandEngine
from benchmarks.counting import floor_of, instructions_by_file
from benchmarks.feed import CALLBACKS_PER_ORDER, burst
from benchmarks.peers import ROOT
from benchmarks.terms import CLIENT_ID, FIRST_ID
from ibkr_core import Journal
from ibkr_core.clock import SystemClock

__all__ = ["main", "run"]

_WARM = 200


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks profile", description=__doc__.splitlines()[0])
    made.add_argument("--orders", type=int, help="orders, of eight callbacks each [1000; quick 200]")
    made.add_argument("--version", type=int, default=226, help="protocol version [226]")
    made.add_argument("--journal", action="store_true", help="with a journal, without its writer's work")
    made.add_argument("--quick", action="store_true", help="fewer orders")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    return made


def module_of(path: str) -> str:
    """Return a file's name as tables show it: from the project's folder on, or what is left of it."""
    if path.startswith(str(ROOT)):
        return str(Path(path).relative_to(ROOT))
    if path in ("~", ""):
        return "(built in)"
    return f"(Python) {Path(path).name}"


def measure(hand: HandEngine, version: int, orders: int) -> tuple[dict[str, float], dict[str, float]]:
    """Return instructions, and profiled microseconds, for each callback by module."""
    hand.feed(burst(range(FIRST_ID, FIRST_ID + _WARM), version))
    counted = range(FIRST_ID + _WARM, FIRST_ID + _WARM + orders)
    timed = range(counted.stop, counted.stop + orders)
    callbacks = orders * CALLBACKS_PER_ORDER
    data = burst(counted, version)
    counts = instructions_by_file(lambda: hand.feed(data))
    data = burst(timed, version)
    profiler = cProfile.Profile(time.thread_time)  # CPU time: others may be busy on this machine
    profiler.runcall(hand.feed, data)
    times: dict[str, float] = collections.defaultdict(float)
    for (path, _, _), (_, _, own, _, _) in pstats.Stats(profiler).stats.items():  # type: ignore[attr-defined]
        times[module_of(path)] += own / callbacks * 1e6
    return {module_of(path): count / callbacks for path, count in counts.items()}, dict(times)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Measure once; returns both figures by module."""
    orders = options.orders or (200 if options.quick else 1_000)
    with TemporaryDirectory(prefix="ibkr-core-bench-") as folder:
        journal = None
        if options.journal:
            path = Path(folder) / "orders.db"
            journal = Journal.open(path, client_id=CLIENT_ID, clock=SystemClock(), start_writer=False)
        hand = HandEngine(options.version, _WARM + 2 * orders, journal)
        counts, times = measure(hand, options.version, orders)
        hand.engine.close()
        if journal is not None:
            journal.close()
    data = burst(range(FIRST_ID, FIRST_ID + orders), options.version)
    floor = sum(instructions_by_file(floor_of(data, options.version)).values()) / orders / CALLBACKS_PER_ORDER
    show(console, options, counts, times, floor)
    return {"instructions": counts, "profiled_us": times, "floor_instructions": floor}


def show(
    console: Console,
    options: argparse.Namespace,
    counts: Mapping[str, float],
    times: Mapping[str, float],
    floor: float,
) -> None:
    """Print the modules that matter, the dearest first."""
    whole, all_us = sum(counts.values()), sum(times.values())
    rows = {}
    for name in sorted(counts.keys() | times.keys(), key=lambda name: -times.get(name, 0.0)):
        count, us = counts.get(name, 0.0), times.get(name, 0.0)
        if count >= whole / 200 or us >= all_us / 200:
            rows[name] = [f"{count:,.0f}", f"{count / whole:.0%}", f"{us:.2f}", f"{us / all_us:.0%}"]
    rows["all"] = [f"{whole:,.0f}", "", f"{all_us:.2f}", ""]
    rows["the floor"] = [f"{floor:,.0f}", f"{floor / whole:.0%}", "", ""]
    title = f"what a callback costs by module, protocol version {options.version}"
    headings = ("module", "instructions", "share", "profiled us", "share")
    report.show(console, title + (", with journal" if options.journal else ""), headings, rows)


def main(arguments: list[str]) -> None:
    """Run, print and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "profile", figures)
