"""Memory of a finished order with two fills: the engine's, and that of ib_async's trades.

Orders are placed, filled and paid for over TCP as in the throughput measure; the memory in use is taken
before the first one is made and after the last one is checked. Two ways, each in runs of its own: what the
process holds of the machine's memory (resident), and what Python's objects take by themselves (traced).
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import report
from benchmarks.arena import Field, contest
from benchmarks.feed import burst
from benchmarks.terms import FIRST_ID

__all__ = ["main", "run"]

_NAMES: Final = ("ours", "ours + journal", "ours, compiled", "ib_async")
_VERSION: Final = 178


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks memory", description=__doc__.splitlines()[0])
    made.add_argument("--orders", type=int, help="finished orders [20000; quick 2000]")
    made.add_argument("--rounds", type=int, help="how often each contestant runs [3; quick 1]")
    made.add_argument("--only", help="contestants, separated by semicolons")
    made.add_argument("--quick", action="store_true", help="fewer orders and rounds")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    return made


def gather(names: tuple[str, ...]) -> Field:
    """Return the contestants; the engine a second time with records that slim down at once."""
    field = Field.gather(names)
    slim = {
        f"{name}, slim": one.given(settings={"slim_after_s": 0.0}, slim=True)
        for name, one in field.contestants.items()
        if one.program == "engine"
    }
    return Field({**field.contestants, **slim}, field.missing)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run all rounds; returns bytes for each order."""
    orders = options.orders or (2_000 if options.quick else 20_000)
    rounds = options.rounds or (1 if options.quick else 3)
    field = gather(tuple(options.only.split(";")) if options.only else _NAMES)
    report.tell_missing(console, field.missing)
    found: dict[str, dict[str, list[float]]] = {
        name: {"resident": [], "traced": []} for name in field.contestants
    }
    with tempfile.NamedTemporaryFile(prefix="ibkr-core-bench-", suffix=".stream") as stream:
        stream.write(burst(range(FIRST_ID, FIRST_ID + orders), _VERSION))
        stream.flush()
        for number in range(rounds):
            for name, one in field.contestants.items():
                for way, its in found[name].items():
                    with report.doing(console, f"round {number + 1} of {rounds}: {name}, {way}"):
                        told = contest(
                            one, _VERSION, Path(stream.name), orders=orders, trace=way == "traced"
                        ).answer
                    its.append(told[way] / orders)
    rows = {
        name: [report.spread(its["resident"]), report.spread(its["traced"])] for name, its in found.items()
    }
    title = f"bytes for each of {orders:,} finished orders with two fills"
    report.show(console, title, ("contestant", "resident", "traced"), rows)
    return {"orders": orders, "missing": field.missing, "bytes": found}


def main(arguments: list[str]) -> None:
    """Run, print and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "memory", figures)
