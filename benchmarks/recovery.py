"""Restart from a journal: from the call that opens it to a book that knows every order.

A process places orders, sees them filled in two parts and paid for, and ends. A second one starts from its
journal, goes on, and comes to its end in one of several ways; then fresh processes start with copies of what
it left:

* *in order*: it places some orders that are left working, and is closed, with a checkpoint of its book;
* *killed*: it works through some orders more, and is killed (``kill -9``) in the midst of a burst. As many
  callbacks came since its last checkpoint as by default make the next one due;
* *killed in a rush*: the same after eight times as many, which came faster than checkpoints are made.

Every order that was placed must be there again, and all that was told before the last start: they are
counted, those that are not packed are looked at one by one, and of the packed ones a sample, another at each
start.

Not in the figure: starting Python, and the broker's own lists, which the engine asks for once it is
connected. The peers keep nothing, so there is nobody to compare with.
"""

from __future__ import annotations

import argparse
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import attrs
from rich.console import Console

from benchmarks import report
from benchmarks.arena import OURS, Contestant, Failed, Field, compiled, duel
from benchmarks.feed import CALLBACKS_PER_ORDER, burst, end_mark
from ibkr_core.errors import JournalError
from ibkr_core.journal import JournalReader

__all__ = ["Left", "main", "run"]

_VERSION: Final = 226
_HEAP: Final = 1_000
_WORKING: Final = 100
_KILLED: Final[Mapping[str, int]] = {"killed": 80, "killed in a rush": 10}
"""What part of the finished orders the killed process has worked through since its start, as a divisor."""
_BURST: Final = 2_000
"""Orders of which it is told in a burst; it dies in the middle."""
_STARTER: Final = ", restarting"
"""What the names of those who start from a journal have more than the tables show."""
_CONFIRM: Final = {"confirm_s": 600.0}
"""Nobody answers for the orders of the process before; asking once more would take order ids meanwhile."""
_GROWER: Final = OURS["ours, growing"].given(settings=_CONFIRM)
_FILLER: Final = OURS["ours, growing"].given(settings={**_CONFIRM, "slim_after_s": 1.0})
"""At the end of a day hardly an order is as young as five minutes; here all of them would be."""


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks recovery", description=__doc__.splitlines()[0])
    made.add_argument("--orders", type=int, help="finished orders in the journal [100000; quick 5000]")
    made.add_argument("--rounds", type=int, help="how often it is started [5; quick 3]")
    made.add_argument(
        "--journal", type=Path, help="keep the first process's journal, or use it if it is whole"
    )
    made.add_argument("--only", help="of 'ours;ours, compiled', which they are by default")
    made.add_argument("--quick", action="store_true", help="fewer orders and rounds")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    return made


@attrs.frozen
class Left:
    """A journal as a process left it.

    Attributes:
        path: The database; what stands beside it belongs to it.
        finished: How many of its first orders are filled and paid for, whatever became of the others.
        orders: All that were placed.
        alive: How many of them are not filled; -1 where it depends on the moment of the kill.
    """

    path: Path
    finished: int
    orders: int
    alive: int

    @property
    def files(self) -> list[Path]:
        """The database, and what stands beside it."""
        return sorted(self.path.parent.glob(f"{self.path.name}*"))

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(path.stat().st_size for path in self.files)

    def copy(self, folder: Path) -> Path:
        """Copy it, and return where the copy is."""
        folder.mkdir(exist_ok=True)
        for path in self.files:
            shutil.copy(path, folder)
        return folder / self.path.name


def fill(console: Console, journal: Path, orders: int) -> None:
    """Let an engine live through so many orders, and end in order."""
    with (
        duel(_FILLER, _VERSION, journal=str(journal)) as both,
        report.doing(console, f"filling a journal with {orders:,} orders") as say,
    ):
        both.hear()
        stream = both.folder / "stream"
        for done in range(0, orders, _HEAP):
            count = min(_HEAP, orders - done)
            first = both.ask(place=count)["first"]
            stream.write_bytes(burst(range(first, first + count), _VERSION))
            both.send(stream)
            both.ask(expect=1)
            if (done + count) % (10 * _HEAP) == 0:
                say(f"filling a journal: {done + count:,} of {orders:,} orders")
        say("closing it")
        both.ask(pack=True)
        both.leave()


def filled(console: Console, path: Path, orders: int) -> Path:
    """Return a journal of so many orders that is kept from run to run; fill it where there is none.

    It gets its name when it is whole: a run that is interrupted leaves nothing that the next one would use.

    Raises:
        SystemExit: There is another one of this name.
    """
    if path.exists():
        _check_kept(path, orders)
        return path
    unfinished = path.with_name(f"{path.name}.filling")
    for leftover in path.parent.glob(f"{unfinished.name}*"):
        leftover.unlink()
    fill(console, unfinished, orders)
    unfinished.rename(path)
    Path(f"{unfinished}.lock").unlink(missing_ok=True)
    return path


def _check_kept(path: Path, orders: int) -> None:
    """Refuse a journal that is not of so many finished orders, left by a process that ended in order."""
    try:
        with JournalReader(path) as reader:
            [(held, still_open)] = reader.query("SELECT count(*), total(NOT is_finished) FROM orders")
            [(packed,)] = reader.query("SELECT count(*) FROM packed_orders")
            [(runs, ended)] = reader.query("SELECT count(*), count(closed_at) FROM runs")
    except (JournalError, sqlite3.Error) as error:
        raise SystemExit(f"{path} cannot be used: {error}") from error
    if (held, still_open, packed, runs, ended) != (orders, 0, orders, 1, 1):
        raise SystemExit(
            f"{path} is no journal of {orders:,} finished orders: it holds {held:,}, {still_open:.0f} of "
            f"them open, {packed:,} in its checkpoint, and {ended} of its {runs} runs ended in order; "
            "remove it to have it filled again, or name another"
        )


def end_in_order(before: Left, folder: Path) -> Left:
    """Start from a copy of a journal, leave some orders working, and end in order."""
    path = before.copy(folder)
    with duel(_GROWER, _VERSION, journal=str(path)) as both:
        both.hear()
        both.ask(place=_WORKING)
        both.leave()
    return Left(path, before.finished, before.orders + _WORKING, alive=_WORKING)


def work_and_kill(before: Left, folder: Path, more: int) -> Left:
    """Start from a journal, work through some orders more, and be killed while a burst is handled.

    Args:
        before: The journal, of which a copy is used.
        folder: Where the copy is left.
        more: How many orders are told of before the burst that is cut short.
    """
    path = before.copy(folder)
    burst_of = min(_BURST, before.orders)
    with duel(_GROWER, _VERSION, journal=str(path)) as both:
        both.hear()
        first = both.ask(place=more + burst_of)["first"]
        middle, end = first + more + burst_of // 2, first + more + burst_of
        stream = both.folder / "stream"
        handled = burst(range(first, middle), _VERSION) + end_mark(_VERSION)
        stream.write_bytes(handled + burst(range(middle, end), _VERSION))
        both.ask(die=True)
        both.begin_send(stream)
        both.await_death()
    return Left(path, before.finished, before.orders + more + burst_of, alive=-1)


def start(one: Contestant, left: Left) -> dict[str, Any]:
    """Start once from a copy of a journal; returns what the process told of it.

    Raises:
        Failed: The book is not the one that was left.
    """
    with TemporaryDirectory(prefix="ibkr-core-bench-") as name:
        task = {"journal": str(left.copy(Path(name))), "finished": left.finished, "orders": left.orders}
        with duel(one, _VERSION, **task) as both:
            told = both.hear()
    if left.alive >= 0 and told["alive"] != left.alive:
        raise Failed(f"{told['alive']} orders are not filled, not {left.alive}")
    if left.alive < 0 and not 0 < told["alive"] <= left.orders - left.finished:
        raise Failed(f"it was not killed at work: {told['alive']} orders are not filled")
    return told


def leave(console: Console, folder: Path, orders: int, kept: Path | None) -> dict[str, Left]:
    """Make the journals; returns them by how the process came to its end."""
    path = filled(console, kept or folder / "orders.db", orders)
    first = Left(path, orders, orders, alive=0)
    with report.doing(console, "in order"):
        left = {"in order": end_in_order(first, folder / "in-order")}
    for end, part in _KILLED.items():
        more = max(orders // part, 1)
        with report.doing(console, f"{end}, {more * CALLBACKS_PER_ORDER:,} callbacks after its start"):
            left[end] = work_and_kill(first, folder / end.replace(" ", "-"), more)
    return left


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Make the journals and start from them; returns seconds of each start, by end and contestant."""
    orders = options.orders or (5_000 if options.quick else 100_000)
    rounds = options.rounds or (3 if options.quick else 5)
    names = options.only.split(";") if options.only else ("ours", compiled("ours"))
    field = Field.gather(tuple(f"{name}{_STARTER}" for name in names))
    report.tell_missing(console, field.missing)
    starts: dict[str, dict[str, list[dict[str, Any]]]] = {}
    with TemporaryDirectory(prefix="ibkr-core-bench-") as name:
        left = leave(console, Path(name), orders, options.journal)
        for number in range(rounds):
            for end, its in left.items():
                for who, one in field.contestants.items():
                    with report.doing(console, f"round {number + 1} of {rounds}: {who}, {end}"):
                        starts.setdefault(end, {}).setdefault(who, []).append(start(one, its))
        sizes = {end: its.size for end, its in left.items()}
    show(console, orders, starts, sizes)
    told = {
        end: {
            who.removesuffix(_STARTER): {
                field: [one[field] for one in its] for field in ("seconds", "cpu_s", "resident", "alive")
            }
            for who, its in by_who.items()
        }
        for end, by_who in starts.items()
    }
    return {"orders": orders, "missing": field.missing, "ends": told, "file": sizes}


def show(
    console: Console,
    orders: int,
    starts: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]],
    sizes: Mapping[str, int],
) -> None:
    """Print a row for each way to end, and contestant."""
    rows = {
        f"{who.removesuffix(_STARTER)}: {end}": [
            report.spread([one["seconds"] for one in its], ".2f"),
            report.spread([one["cpu_s"] for one in its], ".2f"),
            f"{its[-1]['alive']:,}",
            f"{sizes[end] / 2**20:,.0f}",
            f"{its[-1]['resident'] / 2**20:,.0f}",
            str(its[-1]["progress"]),
        ]
        for end, by_who in starts.items()
        for who, its in by_who.items()
    }
    title = (
        f"restart from a journal of {orders:,} finished orders, {orders * CALLBACKS_PER_ORDER:,} callbacks"
    )
    headings = ("end", "seconds", "CPU seconds", "not filled", "file MiB", "memory MiB", "progress told")
    report.show(console, title, headings, rows)


def main(arguments: list[str]) -> None:
    """Run, print and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "recovery", figures)
