"""What a callback costs with few and with very many orders in the book.

One process for each size of the book, filled over TCP with finished orders (two executions, two commissions
each), which are packed soon after, as in production: there it is five minutes, here a second. Then they are
measured in turn, round by round: orders that are placed, acknowledged, filled and paid for, and old orders of
which executions and commissions are told again, which unpacks them. The cost is the CPU time of the engine's
reader thread, garbage collection included; packing is the scheduler's work and not in it. The peers' cost is
not measured here, their books being dicts like ours.
"""

from __future__ import annotations

import argparse
import contextlib
import random
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from benchmarks import plots, report
from benchmarks.arena import Duel, Failed, Field, compiled, duel
from benchmarks.feed import CALLBACKS_PER_ORDER, Crowd, burst

__all__ = ["draw", "main", "run"]

_ENGINE: Final = "ours, growing"
_VERSION: Final = 178
_CROWD_FROM: Final = 10_000_000
_HEAP: Final = 20_000
_BATCH: Final = 250
_TOLD_AGAIN: Final = 4
_LOOKED_AT: Final = 200
_SLIM_AFTER_S: Final = 1.0
_NEW, _OLD = "new orders", "old orders told again"
_SIZES = (100, 1_000, 10_000, 100_000, 1_000_000)
_FEW_SIZES = (100, 1_000, 10_000)


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks scale", description=__doc__.splitlines()[0])
    made.add_argument("--sizes", help="orders in the book [100,1000,10000,100000,1000000; quick up to 10000]")
    made.add_argument("--rounds", type=int, help="how often each is measured [9; quick 3]")
    made.add_argument("--compiled", action="store_true", help="with the compiled engine")
    made.add_argument("--quick", action="store_true", help="smaller books, fewer rounds")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    made.add_argument("--plots", type=Path, help="also draw into this folder (needs the bench extra)")
    return made


class _Book:
    """An engine whose book has a size.

    Args:
        both: The engine and its sender.
        size: How many finished orders it gets.
        crowd: Which.

    Attributes:
        seconds: What it took to fill it.
    """

    def __init__(self, both: Duel, size: int, crowd: Crowd) -> None:
        self._both = both
        self._crowd = crowd
        self._chance = random.Random(size)  # noqa: S311 - which orders are told again, no secret
        self._stream = both.folder / "stream"
        self.size = size
        self.placed = 0
        self.seconds = 0.0

    def fill(self, say: Callable[[str], None]) -> None:
        """Tell the engine of all orders, and wait until they are packed."""
        began = time.monotonic()
        self._both.hear()
        for first in range(0, self.size, _HEAP):
            done = min(first + _HEAP, self.size)
            self._told(self._crowd.tell(range(_CROWD_FROM + first, _CROWD_FROM + done)))
            # The packer comes after: without a rest the orders that wait for it would be those measured.
            self._both.ask(pack=True)
            self.seconds = time.monotonic() - began
            if done < self.size:
                left = self.seconds / done * (self.size - done)
                say(f"filling a book of {self.size:,} orders: {done:,}, {left / 60:.1f} minutes to go")

    def new(self) -> float:
        """Return the CPU microseconds of a callback about orders that were just placed."""
        first = self._both.ask(place=_BATCH)["first"]
        self.placed += _BATCH
        data = burst(range(first, first + _BATCH), _VERSION)
        return self._cost(data, _BATCH * CALLBACKS_PER_ORDER)

    def old(self) -> float:
        """Return the CPU microseconds of a callback that says again what is known of an old order."""
        ids = [_CROWD_FROM + self._chance.randrange(self.size) for _ in range(_BATCH)]
        return self._cost(self._crowd.tell_again(ids), _BATCH * _TOLD_AGAIN)

    def finish(self) -> int:
        """Check the book, and return the bytes that its process takes."""
        self._both.ask(pack=True)
        weight = self._ask_after(b"")["resident"]
        ids = [_CROWD_FROM + self._chance.randrange(self.size) for _ in range(_LOOKED_AT)]
        orders = self._both.ask(look=ids)["orders"]
        if orders != self.size + self.placed:
            raise Failed(f"{orders} orders in a book of {self.size + self.placed}")
        return int(weight)

    def _cost(self, data: bytes, callbacks: int) -> float:
        self._told(b"")  # the reader's clock starts here
        return self._told(data) / callbacks * 1e6

    def _told(self, data: bytes) -> float:
        return float(self._ask_after(data)["cpu_s"])

    def _ask_after(self, data: bytes) -> dict[str, Any]:
        self._stream.write_bytes(data)
        self._both.send(self._stream)
        return self._both.ask(expect=1)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Fill the books and measure; returns microseconds by what was measured and size."""
    sizes: tuple[int, ...] = _FEW_SIZES if options.quick else _SIZES
    if options.sizes:
        sizes = tuple(int(text) for text in options.sizes.split(","))
    rounds = options.rounds or (3 if options.quick else 9)
    crowd = Crowd(_CROWD_FROM, _VERSION)
    name = compiled(_ENGINE) if options.compiled else _ENGINE
    field = Field.gather((name,))
    report.tell_missing(console, field.missing)
    if not field.contestants:
        raise SystemExit("nobody to measure")
    engine = field.contestants[name].given(settings={"slim_after_s": _SLIM_AFTER_S})
    costs: dict[str, dict[int, list[float]]] = {what: {size: [] for size in sizes} for what in (_NEW, _OLD)}
    with contextlib.ExitStack() as stack:
        books = []
        for size in sizes:
            with report.doing(console, f"filling a book of {size:,} orders") as say:
                books.append(_Book(stack.enter_context(duel(engine, _VERSION)), size, crowd))
                books[-1].fill(say)
        for number in range(rounds + 1):
            turn = number % len(books)
            for book in books[turn:] + books[:turn]:
                with report.doing(console, f"round {number} of {rounds}: {book.size:,} orders"):
                    new, old = book.new(), book.old()
                if number:  # the first one warms up
                    costs[_NEW][book.size].append(new)
                    costs[_OLD][book.size].append(old)
        weights = {book.size: book.finish() for book in books}
    show(console, costs, weights)
    filled = {book.size: round(book.seconds, 1) for book in books}
    return {"engine": name, "cost_us": costs, "resident": weights, "filled_s": filled}


def show(console: Console, costs: dict[str, dict[int, list[float]]], weights: dict[int, int]) -> None:
    """Print cost by size, and ratios to the book of a thousand round by round."""
    rows = {}
    for size, weight in weights.items():
        cells = []
        for by_size in costs.values():
            base = by_size.get(1_000, by_size[min(by_size)])
            cells.append(report.spread(by_size[size], ".1f"))
            cells.append(report.spread(report.ratios(by_size[size], base), ".2f"))
        rows[f"{size:,}"] = [*cells, f"{weight / 2**20:,.0f}"]
    headings = ("orders", f"{_NEW}, CPU us", "against 1,000", f"{_OLD}, CPU us", "against 1,000", "MiB")
    report.show(console, "CPU time of the reader thread for each callback", headings, rows)


def main(arguments: list[str]) -> None:
    """Run, print, draw and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "scale", figures)
    if options.plots is not None:
        draw(figures, options.plots)


def draw(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the picture of a run's figures; returns where it is."""
    drawn = {
        what: {int(size): [min(its), statistics.median(its), max(its)] for size, its in by_size.items()}
        for what, by_size in figures["cost_us"].items()
    }
    return [plots.scale(folder, drawn)]
