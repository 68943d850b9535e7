"""Restart from a journal: from the call that opens it to a book that knows every order.

A process places orders, sees them filled in two parts and paid for, and ends; some are left working. Then
fresh processes start with copies of its journal. Not in the figure: starting Python, and the broker's own
lists, which the engine asks for once it is connected. The peers keep nothing, so there is nobody to compare
with.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from rich.console import Console

from benchmarks import report
from benchmarks.arena import OURS, duel
from benchmarks.feed import CALLBACKS_PER_ORDER, burst

__all__ = ["main", "run"]

_VERSION: Final = 226
_HEAP: Final = 1_000
_WORKING: Final = 100


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks recovery", description=__doc__.splitlines()[0])
    made.add_argument("--orders", type=int, help="finished orders in the journal [100000; quick 5000]")
    made.add_argument("--rounds", type=int, help="how often it is started [5; quick 3]")
    made.add_argument("--journal", type=Path, help="keep the journal here, and use it again")
    made.add_argument("--quick", action="store_true", help="fewer orders and rounds")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    return made


def fill(console: Console, journal: Path, orders: int) -> None:
    """Let an engine live through so many orders, and a few that are left working."""
    with duel(OURS["ours, growing"], _VERSION, journal=str(journal)) as both:
        both.hear()
        stream = both.folder / "stream"
        with console.status("filling the journal") as status:
            for done in range(0, orders, _HEAP):
                count = min(_HEAP, orders - done)
                first = both.ask(place=count)["first"]
                stream.write_bytes(burst(range(first, first + count), _VERSION))
                both.send(stream)
                both.ask(expect=1)
                status.update(f"filling the journal: {done + count:,} of {orders:,} orders")
        both.ask(place=_WORKING)
        both.ask(flush=True)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Fill a journal and start from it; returns seconds of each start."""
    orders = options.orders or (5_000 if options.quick else 100_000)
    rounds = options.rounds or (3 if options.quick else 5)
    seconds, cpu, told = [], [], {}
    with TemporaryDirectory(prefix="ibkr-core-bench-") as name:
        journal = options.journal or Path(name) / "orders.db"
        if not journal.exists():
            fill(console, journal, orders)
        files = list(journal.parent.glob(f"{journal.name}*"))
        size = sum(path.stat().st_size for path in files)
        for number in range(rounds):
            with TemporaryDirectory(prefix="ibkr-core-bench-") as copy, console.status(f"start {number + 1}"):
                for path in files:
                    shutil.copy(path, copy)
                task = {"journal": str(Path(copy) / journal.name), "orders": orders, "working": _WORKING}
                with duel(OURS["ours, restarting"], _VERSION, **task) as both:
                    told = both.hear()
            seconds.append(told["seconds"])
            cpu.append(told["cpu_s"])
    rows = {
        f"{orders:,} finished, {_WORKING} working": [
            report.spread(seconds, ".2f"),
            report.spread(cpu, ".2f"),
            f"{size / 2**20:,.0f}",
            f"{told['resident'] / 2**20:,.0f}",
            str(told["progress"]),
        ]
    }
    title = f"restart from a journal of {orders * CALLBACKS_PER_ORDER:,} callbacks"
    headings = ("orders", "seconds", "CPU seconds", "file MiB", "memory MiB", "times progress was told")
    report.show(console, title, headings, rows)
    return {"orders": orders, "seconds": seconds, "cpu_s": cpu, "file": size, "resident": told["resident"]}


def main(arguments: list[str]) -> None:
    """Run, print and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "recovery", figures)
