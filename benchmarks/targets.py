"""What was to be reached and what was: one table from the figures that the measures keep, for the docs.

``python -m benchmarks all FOLDER`` runs every measure, keeps figures and pictures in the folder, and prints
this table; ``python -m benchmarks targets FOLDER`` prints it again. With ``--docs FILE`` it goes into a
Markdown file, between the lines ``<!-- figures -->`` and ``<!-- end of figures -->``.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import attrs

__all__ = ["Target", "main", "reached", "run_all", "to_markdown", "write_into"]

MEASURES: Final = ("throughput", "latency", "submit", "scale", "recovery", "memory", "profile")
_DRAWN: Final = ("throughput", "latency", "scale")
_BEGIN, _END = "<!-- figures -->", "<!-- end of figures -->"
_OFFICIAL: Final = ("ibapi 10.51", "ibapi 10.50", "ibapi 9.81", "nautilus-ibapi")
_P50, _P99 = 0, 1
_RATE: Final = "1000"


@attrs.frozen
class Target:
    """One line of the table.

    Attributes:
        what: What was measured.
        wanted: What was to be reached.
        values: What was, round by round.
        is_met: Whether the median reaches it.
        unit: Behind the figures.
    """

    what: str
    wanted: str
    values: tuple[float, ...]
    is_met: bool
    unit: str = ""


def _at_least(what: str, bound: float, values: Sequence[float]) -> Target:
    return Target(what, f">= {bound:g}", tuple(values), statistics.median(values) >= bound)


def _at_most(what: str, bound: float, values: Sequence[float], unit: str = "") -> Target:
    text = f"<= {bound:g} {unit}".strip()
    return Target(what, text, tuple(values), statistics.median(values) <= bound, unit)


def _by_round(these: Sequence[float], those: Sequence[float]) -> list[float]:
    return [one / other for one, other in zip(these, those, strict=True)]


def _throughput(figures: dict[str, Any]) -> Iterator[Target]:
    for version, found in figures["versions"].items():
        for ours, bound in (("ours", 12), ("ours + journal", 8)):
            if ours not in found:
                continue
            mine = found[ours]["seconds"]
            for peer in (*_OFFICIAL, "ib_async"):
                if peer in found:
                    ratios = _by_round(found[peer]["seconds"], mine)
                    yield _at_least(f"callbacks/s, {ours} against {peer}, version {version}", bound, ratios)
            if ours == "ours" and "floor" in found:
                ratios = _by_round(found["floor"]["seconds"], mine)
                yield _at_least(f"callbacks/s, ours against the floor, version {version}", 0.5, ratios)


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
        ("burning, profile", slow, _P99, 0.1, "p99"),
    ]
    for mine, theirs, number, bound, name in rows:
        ours, others = point(mine, "ours", number), point(theirs, official, number)
        if ours and others:
            against = "" if mine == theirs else f" ({theirs})"
            what = f"wire to listener at {_RATE}/s, {name}, {mine}, against {official}{against}"
            yield _at_most(what, bound, _by_round(ours, others))


def _submit(figures: dict[str, Any]) -> Iterator[Target]:
    for version, found in figures["versions"].items():
        for ours, bound in (("ours", 0.5), ("ours + journal", 1.0)):
            if ours in found and "ib_async" in found:
                mine, theirs = ([run[0] for run in found[name]] for name in (ours, "ib_async"))
                yield _at_most(
                    f"submit p50, {ours} against ib_async.placeOrder, version {version}",
                    bound,
                    _by_round(mine, theirs),
                )


def _scale(figures: dict[str, Any]) -> Iterator[Target]:
    for what, by_size in figures["cost_us"].items():
        sizes = sorted(by_size, key=int)
        if "1000" in by_size:
            ratios = _by_round(by_size[sizes[-1]], by_size["1000"])
            yield _at_most(
                f"CPU for a callback, {what}, {int(sizes[-1]):,} orders against 1,000", 1.25, ratios
            )


def _recovery(figures: dict[str, Any]) -> Iterator[Target]:
    yield _at_most(f"restart from a journal of {figures['orders']:,} orders", 3, figures["seconds"], "s")


def _memory(figures: dict[str, Any]) -> Iterator[Target]:
    for name, ways in figures["bytes"].items():
        if name.startswith("ours"):
            for way, values in ways.items():
                yield _at_most(f"a finished order with two fills, {name}, {way}", 1536, values, "bytes")


_READERS: Final[dict[str, Callable[[dict[str, Any]], Iterator[Target]]]] = {
    "throughput": _throughput,
    "latency": _latency,
    "submit": _submit,
    "scale": _scale,
    "recovery": _recovery,
    "memory": _memory,
}


def reached(folder: Path) -> tuple[list[Target], list[str]]:
    """Read the figures that lie in a folder; returns the targets, and the commands that made the figures."""
    targets: list[Target] = []
    commands: list[str] = []
    for name, read in _READERS.items():
        path = folder / f"{name}.json"
        if path.exists():
            figures = json.loads(path.read_text(encoding="utf-8"))
            targets += read(figures)
            its = figures["machine"]
            text = f"`{name}`: {its['at']}, {its['processor']}, {its['cores']} cores, Python {its['python']}"
            load = f", load {its['load'][0]:.1f} at its end" if its["load"] else ""
            commands.append(f"{text}, {its['system']}{load}")
    return targets, commands


def to_markdown(targets: Sequence[Target], commands: Sequence[str]) -> str:
    """Make a table of medians with their spread, and the list of where they come from."""
    lines = ["| measure | target | median (lowest .. highest) | met |", "|---|---|---|---|"]
    for one in targets:
        form = ",.0f" if one.unit == "bytes" else ".2f"
        low, middle, high = min(one.values), statistics.median(one.values), max(one.values)
        text = f"{middle:{form}} ({low:{form}} .. {high:{form}}) {one.unit}".strip()
        lines.append(f"| {one.what} | {one.wanted} | {text} | {'yes' if one.is_met else '**no**'} |")
    return "\n".join([*lines, "", *(f"- {command}" for command in commands)]) + "\n"


def write_into(path: Path, text: str) -> None:
    """Put a text between the two marks of a Markdown file.

    Raises:
        ValueError: The marks are not there.
    """
    whole = path.read_text(encoding="utf-8")
    head, begin, rest = whole.partition(_BEGIN)
    _, end, tail = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{path} has no lines {_BEGIN} and {_END}")
    path.write_text(f"{head}{_BEGIN}\n{text}{_END}{tail}", encoding="utf-8")


def run_all(folder: Path, *, quick: bool) -> None:
    """Run every measure and keep its figures and pictures in a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in MEASURES:
        arguments = ["--json", str(folder / f"{name}.json"), *(["--quick"] if quick else [])]
        if name in _DRAWN:
            arguments += ["--plots", str(folder)]
        importlib.import_module(f"benchmarks.{name}").main(arguments)


def main(arguments: list[str], *, run_first: bool = False) -> None:
    """Run what is to be run, and print or keep the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks all|targets", description=__doc__.splitlines()[0]
    )
    parser.add_argument("folder", type=Path, help="where figures and pictures are kept")
    parser.add_argument("--docs", type=Path, help="put the table into this Markdown file")
    parser.add_argument("--quick", action="store_true", help="small runs, for trying it out")
    options = parser.parse_args(arguments)
    if run_first:
        run_all(options.folder, quick=options.quick)
    text = to_markdown(*reached(options.folder))
    print(text)
    if options.docs is not None:
        write_into(options.docs, text)
