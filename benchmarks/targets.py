"""What was to be reached and what was: tables and pictures for the docs, from figures that measures keep.

``python -m benchmarks all FOLDER`` runs every measure, keeps figures and pictures in the folder, and prints
the tables; ``python -m benchmarks targets FOLDER`` prints them again. With ``--docs FILE`` they go into a
Markdown file, between the lines ``<!-- figures -->`` and ``<!-- end of figures -->``, and the pictures beside
it, into ``images/``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
from rich.console import Console

from benchmarks import plots, report
from benchmarks.arena import Failed, compiled

__all__ = [
    "FULL",
    "MEASURES",
    "QUICK",
    "SHORT",
    "Found",
    "Target",
    "draw",
    "main",
    "reached",
    "run_all",
    "to_markdown",
    "write_into",
]

MEASURES: Final = ("throughput", "latency", "submit", "memory", "profile", "recovery", "scale")
_DRAWN: Final = ("throughput", "latency", "scale")
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_OFFICIAL: Final = ("ibapi 10.51", "ibapi 10.50", "ibapi 9.81", "nautilus-ibapi")
_P50, _P99 = 0, 1
_RATE: Final = "1000"

_MAIN: Final = "ours;ours + journal;ours, compiled;ours, compiled + journal;floor;ibapi 10.51;ib_async"
FULL: Final[Mapping[str, tuple[str, ...]]] = dict.fromkeys(MEASURES, ())
"""What each measure is told when there is time."""
SHORT: Final[Mapping[str, tuple[str, ...]]] = {
    "throughput": ("--rounds", "5", "--versions", "178,226", "--only", _MAIN),
    "latency": (
        *("--rounds", "3", "--seconds", "2", "--only", _MAIN),
        *("--rates", "300,1000,5000", "--busy-rates", "1000"),
    ),
    "submit": ("--rounds", "3", "--orders", "1000", "--only", _MAIN.replace(";floor", "")),
    "memory": ("--rounds", "1", "--only", "ours;ours, compiled;ib_async"),
    "profile": ("--quick",),
    "recovery": ("--rounds", "3"),
    "scale": ("--sizes", "100,1000,10000,100000", "--rounds", "5"),
}
"""What fits into half an hour: the peers of the targets, and books of up to 100,000 orders."""
QUICK: Final[Mapping[str, tuple[str, ...]]] = {
    "throughput": ("--quick", "--rounds", "1", "--orders", "300"),
    "latency": ("--quick", "--seconds", "0.5"),
    "submit": ("--quick", "--rounds", "1", "--orders", "100"),
    "memory": ("--quick", "--orders", "300"),
    "profile": ("--quick",),
    "recovery": ("--quick", "--orders", "500", "--rounds", "1"),
    "scale": ("--quick", "--sizes", "100,1000,3000", "--rounds", "1"),
}
"""What shows in a few minutes that everything runs; the figures are good for nothing."""


@attrs.frozen
class Target:
    """One line of the table.

    Attributes:
        what: What was measured.
        bound: What was to be reached.
        values: What was, round by round.
        compiled: The same of the compiled engine; empty where it was not measured.
        unit: Behind the figures.
        is_least: Whether more than the bound is better; else less is.
    """

    what: str
    bound: float
    values: tuple[float, ...]
    compiled: tuple[float, ...] = ()
    unit: str = ""
    is_least: bool = False

    @property
    def wanted(self) -> str:
        """What was to be reached, as the table says it."""
        return f"{'>=' if self.is_least else '<='} {self.bound:g} {self.unit}".strip()

    def is_met(self, values: Sequence[float]) -> bool:
        """Whether the median of some rounds reaches it."""
        middle = statistics.median(values)
        return middle >= self.bound if self.is_least else middle <= self.bound


@attrs.frozen
class Found:
    """All that the figures of a folder say.

    Attributes:
        targets: Line by line.
        absolute: By contestant and column: figures that are this machine's.
        sources: Where the figures come from, a line for each measure.
        missing: Who did not take part, and why.
    """

    targets: Sequence[Target]
    absolute: Mapping[str, Mapping[str, float]]
    sources: Sequence[str]
    missing: Mapping[str, str]


def _by_round(these: Sequence[float] | None, those: Sequence[float] | None) -> tuple[float, ...]:
    if not these or not those:
        return ()
    return tuple(report.ratios(these, those))


def _throughput(figures: dict[str, Any]) -> Iterator[Target]:
    for version, found in figures["versions"].items():
        seconds = {name: its["seconds"] for name, its in found.items()}
        for ours, bound in (("ours", 12), ("ours + journal", 8)):
            more = ", with the journal" if "journal" in ours else ""
            peers = [(peer, bound) for peer in (*_OFFICIAL, "ib_async")]
            for peer, least in [*peers, *([("floor", 0.5)] if ours == "ours" else [])]:
                its = [_by_round(seconds.get(peer), seconds.get(one)) for one in (ours, compiled(ours))]
                what = f"callbacks/s{more}, against {peer}, version {version}"
                yield Target(what, least, its[0], its[1], is_least=True)


def _latency(figures: dict[str, Any]) -> Iterator[Target]:
    told = figures["settings"]

    def point(setting: str, who: str, number: int) -> list[float]:
        return [run[number] for run in told.get(setting, {}).get(_RATE, {}).get(who, [])]

    official, slow = _OFFICIAL[0], "burning, 5 ms switch"
    rows = [
        ("alone", "alone", _P50, 0.65, "p50"),
        ("alone", "alone", _P99, 0.65, "p99"),
        (slow, slow, _P99, 0.4, "p99"),
        ("burning, 0.1 ms switch", "burning, 0.1 ms switch", _P99, 0.4, "p99"),
        ("alone, profile, polling", "alone", _P50, 0.65, "p50"),
        ("alone, profile, polling", "alone", _P99, 0.65, "p99"),
        ("burning, profile", slow, _P99, 0.1, "p99"),
    ]
    for mine, theirs, number, bound, name in rows:
        against = "" if mine == theirs else f" ({theirs})"
        others = point(theirs, official, number)
        for ours in ("ours", "ours + journal"):
            more = ", with the journal" if "journal" in ours else ""
            what = f"wire to listener at {_RATE}/s, {name}, {mine}{more}, against {official}{against}"
            its = [_by_round(point(mine, who, number), others) for who in (ours, compiled(ours))]
            yield Target(what, bound, its[0], its[1])


def _submit(figures: dict[str, Any]) -> Iterator[Target]:
    for version, ways in figures["versions"].items():
        middle = {
            way: {name: [run[0] for run in runs] for name, runs in found.items()}
            for way, found in ways.items()
        }
        for way, against, what in _SUBMITS:
            others = middle[against].get("ib_async")
            for ours, bound in (("ours", 0.5), ("ours + journal", 1.0)):
                more = ", with the journal" if "journal" in ours else ""
                its = [_by_round(middle[way].get(one), others) for one in (ours, compiled(ours))]
                yield Target(f"{what}, p50{more}, version {version}", bound, its[0], its[1])


_SUBMITS: Final = (
    ("left", "took", "submit to bytes sent, against the whole call of ib_async.placeOrder"),
    ("left", "left", "submit to bytes sent, against the bytes of ib_async.placeOrder"),
    ("took", "took", "submit to its return, against the whole call of ib_async.placeOrder"),
)
"""What of ours is held against what of theirs. The first is the target in its words."""


def _scale(figures: dict[str, Any]) -> Iterator[Target]:
    for what, by_size in figures["cost_us"].items():
        most = max(by_size, key=int)
        ratios = _by_round(by_size[most], by_size.get("1000"))
        line = f"CPU for a callback, {what}, {int(most):,} orders against 1,000"
        is_compiled = "compiled" in figures["engine"]
        yield Target(line, 1.25, () if is_compiled else ratios, ratios if is_compiled else ())


def _recovery(figures: dict[str, Any]) -> Iterator[Target]:
    for end, found in figures["ends"].items():
        what = f"restart from a journal of {figures['orders']:,} orders, {_ENDS.get(end, end)}"
        its = [tuple(found.get(who, {}).get("seconds", ())) for who in ("ours", compiled("ours"))]
        yield Target(what, 3, its[0], its[1], "s")


_ENDS: Final = {
    "in order": "its process ended in order",
    "killed": "its process killed at work",
    "killed in a rush": "its process killed in a long rush",
}


def _memory(figures: dict[str, Any]) -> Iterator[Target]:
    found = figures["bytes"]
    for name in found:
        if not name.endswith(", slim") or "compiled" in name:
            continue  # the target is that of packed orders
        for way, values in found[name].items():
            others = tuple(found.get(compiled(name), {}).get(way, ()))
            what = (
                f"a finished order with two fills{', with the journal' if 'journal' in name else ''}, {way}"
            )
            yield Target(what, 1536, tuple(values), others, "bytes")


_READERS: Final[dict[str, Callable[[dict[str, Any]], Iterator[Target]]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "submit": _submit,
    "scale": _scale,
    "recovery": _recovery,
    "memory": _memory,
}


def _absolute(told: Mapping[str, dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Return the figures that are no ratios: the least CPU of all rounds, and medians of percentiles."""
    rows: dict[str, dict[str, float]] = {}

    def put(name: str, column: str, value: float) -> None:
        rows.setdefault(name, {})[column] = value

    throughput = told.get("throughput", {})
    for version, found in throughput.get("versions", {}).items():
        for name, its in found.items():
            put(name, f"CPU of a callback, {version}", min(its["cpu_s"]) / throughput["callbacks"] * 1e6)
    alone = told.get("latency", {}).get("settings", {}).get("alone", {})
    for name, runs in alone.get(_RATE, {}).items():
        for column, number in (("p50", _P50), ("p99", _P99)):
            put(name, f"wire to listener, {column}", statistics.median(run[number] for run in runs))
    for version, found in told.get("submit", {}).get("versions", {}).items():
        for way, what in (("left", "submit to bytes"), ("took", "whole submit")):
            for name, runs in found[way].items():
                put(name, f"{what}, p50, {version}", statistics.median(run[0] for run in runs))
    return rows


def reached(folder: Path) -> Found:
    """Read the figures that lie in a folder."""
    targets: list[Target] = []
    sources: list[str] = []
    missing: dict[str, str] = {}
    told: dict[str, dict[str, Any]] = {}
    for name, read in _READERS.items():
        path = folder / f"{name}.json"
        if path.exists():
            figures = json.loads(path.read_text(encoding="utf-8"))
            if name == "submit" and not all("left" in ways for ways in figures["versions"].values()):
                missing[name] = "its file is of an older form; measure it again"
                continue
            told[name] = figures
            targets += (target for target in read(figures) if target.values or target.compiled)
            missing |= figures.get("missing", {})
            its = figures["machine"]
            text = f"`{name}`: {its['at']}, {its['processor']}, {its['cores']} cores, Python {its['python']}"
            load = f", load {its['load'][0]:.1f} at its end" if its["load"] else ""
            sources.append(f"{text}, {its['system']}{load}")
    return Found(targets, _absolute(told), sources, missing)


def to_markdown(found: Found) -> str:
    """Make the tables: medians with their spread, absolute figures, and the list of where they come from."""
    lines = ["| measure | target | ours | met | ours, compiled | met |", "|---|---|---|---|---|---|"]
    for one in found.targets:
        cells = []
        for values in (one.values, one.compiled):
            form = ",.0f" if one.unit == "bytes" else ".2f"
            low, middle, high = (f(values) if values else 0.0 for f in (min, statistics.median, max))
            text = f"{middle:{form}} ({low:{form}} .. {high:{form}}) {one.unit}".strip()
            cells += [text, "yes" if one.is_met(values) else "**no**"] if values else ["", ""]
        lines.append(f"| {one.what} | {one.wanted} | {' | '.join(cells)} |")
    if found.absolute:
        columns = [*dict.fromkeys(column for its in found.absolute.values() for column in its)]
        lines += ["", "In microseconds, on the machine below:", ""]
        lines += [f"| contestant | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
        for name, its in found.absolute.items():
            cells = [f"{its[column]:,.1f}" if column in its else "" for column in columns]
            lines.append(f"| {name} | {' | '.join(cells)} |")
    missing = [f"{name} did not take part: {' '.join(why.split())}" for name, why in found.missing.items()]
    return "\n".join([*lines, "", *(f"- {line}" for line in (*found.sources, *missing))]) + "\n"


def draw(folder: Path, into: Path) -> list[Path]:
    """Draw the pictures of the figures that lie in a folder into another one; returns where they are."""
    made: list[Path] = []
    for name in _DRAWN:
        path = folder / f"{name}.json"
        if path.exists():
            figures = json.loads(path.read_text(encoding="utf-8"))
            made += importlib.import_module(f"benchmarks.{name}").draw(figures, into)
    return made


def write_into(path: Path, text: str) -> None:
    """Put a text between the two marks of a Markdown file.

    Raises:
        ValueError: The marks are not there.
    """
    head, tail = _around(path)
    path.write_text(f"{head}{_BEGIN}\n{text}{_END}{tail}", encoding="utf-8")


def _around(path: Path) -> tuple[str, str]:
    whole = path.read_text(encoding="utf-8")
    head, begin, rest = whole.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {_BEGIN} and {_END}")
    return head, tail


_CAPTIONS: Final = {
    "throughput": "Order callbacks a second over TCP",
    "latency-alone": "From the wire to a listener, percentiles by message rate",
    "latency-burning-5-ms-switch": "The same beside a thread that computes",
    "latency-burning-0-1-ms-switch": "The same with a switch interval of 0.1 ms",
    "scale": "CPU for a callback by the number of orders in the book",
}


def _pictures(made: Sequence[Path], beside: Path) -> str:
    links = [f"![{_CAPTIONS.get(one.stem, one.stem)}]({one.relative_to(beside).as_posix()})" for one in made]
    return "".join(f"\n{link}\n" for link in links)


def run_all(console: Console, options: argparse.Namespace) -> list[str]:
    """Run every measure and keep its figures and pictures in a folder; returns those that failed."""
    folder: Path = options.folder
    folder.mkdir(parents=True, exist_ok=True)
    names = options.measures.split(",") if options.measures else MEASURES
    told = QUICK if options.quick else SHORT if options.short else FULL
    began = time.monotonic()
    failed = []
    for number, name in enumerate(names, start=1):
        words = [*told[name], "--json", str(folder / f"{name}.json")]
        words += ["--plots", str(folder)] if name in _DRAWN else []
        passed = (time.monotonic() - began) / 60
        console.rule(f"{name}, {number} of {len(names)}, after {passed:.1f} minutes")
        try:
            importlib.import_module(f"benchmarks.{name}").main(words)
        except Failed as error:  # the others are worth having
            console.print(f"{name} failed: {error}", markup=False, highlight=False)
            failed.append(name)
    console.rule(f"all after {(time.monotonic() - began) / 60:.1f} minutes")
    return failed


def parser() -> argparse.ArgumentParser:
    """Return the command line of both."""
    made = argparse.ArgumentParser(
        prog="python -m benchmarks all|targets", description=__doc__.splitlines()[0]
    )
    made.add_argument("folder", type=Path, help="where figures and pictures are kept")
    made.add_argument("--docs", type=Path, help="put tables and pictures into this Markdown file")
    made.add_argument("--quick", action="store_true", help="all: tiny runs, to see that everything works")
    made.add_argument("--short", action="store_true", help="all: about half an hour instead of two or more")
    made.add_argument("--measures", help=f"all: only these [{','.join(MEASURES)}]")
    return made


def main(arguments: list[str], *, run_first: bool = False) -> None:
    """Run what is to be run, and print or keep the tables."""
    options = parser().parse_args(arguments)
    if options.docs is not None:
        _around(options.docs)  # now, not in two hours
    failed = []
    if run_first:
        plots.check()
        failed = run_all(report.console(), options)
    text = to_markdown(reached(options.folder))
    print(text)
    if options.docs is not None:
        made = draw(options.folder, options.docs.parent / "images")
        write_into(options.docs, text + _pictures(made, options.docs.parent))
    if failed:
        raise SystemExit(f"failed: {', '.join(failed)}")
