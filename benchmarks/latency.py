"""From the wire to an inline listener: the moment before the sender's send, to the moment in the listener.

The same order callbacks as in the throughput measure, at a steady rate; executions and commissions are timed,
for these reach a listener one for one. With another Python thread burning CPU and without, at the default
switch interval and at a small one, and with the engine's ``latency`` profile, and with a reader that polls.
"""

from __future__ import annotations

import argparse
import importlib.util
import math
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import attrs
from rich.console import Console

from benchmarks import plots, report
from benchmarks.arena import OURS_FOUR, Contestant, Failed, Field, Run, contest
from benchmarks.feed import CALLBACKS_PER_ORDER, burst, exec_id
from benchmarks.terms import FIRST_ID

__all__ = ["Setting", "draw", "main", "medians", "percentile", "samples", "settings"]

SMALL_INTERVAL_S: Final = 0.0001
_DEFAULT_INTERVAL_S: Final = 0.005
_EXECUTIONS: Final = {1: 2, 2: 5}
_COMMISSIONS: Final = {1: 4, 2: 7}
"""Where in the callbacks of an order they stand, by the number of the part."""
_POINTS: Final = (50.0, 99.0, 99.9, 100.0)
_WARM_UP: Final = 0.05
_OFFICIAL: Final = "ibapi 10.51"
_ALONE: Final = "alone"
_BUSY: Final = "burning, 5 ms switch"
_POLL_S: Final = 0.005
"""How long a reader polls: longer than the gap between two messages at 300 a second and more."""
_OURS_ONLY: Final = {
    _ALONE: {"profile": "alone, profile", "polling": "alone, profile, polling"},
    _BUSY: {"profile": "burning, profile"},
}
"""Settings that only the engine has, in the pictures of those that they are to be compared with."""

_ALL = (*OURS_FOUR, "floor", "ibapi 10.51", "ibapi 10.50", "ibapi 9.81", "ib_async")
_FEW = (*OURS_FOUR, "floor", "ibapi 10.51", "ib_async")
_RATES = (100, 300, 1_000, 3_000, 10_000)
_FEW_RATES = (1_000,)


@attrs.frozen
class Setting:
    """What else goes on in the process.

    Attributes:
        name: As tables show it.
        task: What the program is told.
        is_ours_only: Whether only the engine can do it.
    """

    name: str
    task: Mapping[str, Any]
    is_ours_only: bool = False


def settings(*, has_profile: bool) -> tuple[Setting, ...]:
    """Return the settings to try."""
    made = [
        Setting(_ALONE, {}),
        Setting(_BUSY, {"burn": True, "switch_interval_s": _DEFAULT_INTERVAL_S}),
        Setting("burning, 0.1 ms switch", {"burn": True, "switch_interval_s": SMALL_INTERVAL_S}),
    ]
    if has_profile:
        made += [
            Setting(_OURS_ONLY[_ALONE]["profile"], {"profile": True}, is_ours_only=True),
            Setting(
                _OURS_ONLY[_ALONE]["polling"],
                {"profile": True, "settings": {"busy_poll_s": _POLL_S}},
                is_ours_only=True,
            ),
            Setting(_OURS_ONLY[_BUSY]["profile"], {"burn": True, "profile": True}, is_ours_only=True),
        ]
    return tuple(made)


def parser() -> argparse.ArgumentParser:
    """Return the command line of this measure."""
    made = argparse.ArgumentParser(prog="python -m benchmarks latency", description=__doc__.splitlines()[0])
    made.add_argument("--rates", help="messages a second [100,300,1000,3000,10000; quick 1000]")
    made.add_argument("--busy-rates", help="the same for all settings but 'alone' [as --rates]")
    made.add_argument("--seconds", type=float, help="of each run [6; quick 2]")
    made.add_argument("--rounds", type=int, help="how often each contestant runs [3; quick 1]")
    made.add_argument("--version", type=int, default=226, help="protocol version, or a peer's newest")
    made.add_argument("--settings", help="what else goes on, separated by semicolons: 'alone' [all]")
    made.add_argument("--only", help="contestants, separated by semicolons")
    made.add_argument("--quick", action="store_true", help="fewer rates, rounds and contestants")
    made.add_argument("--json", type=Path, help="also write the figures to this file")
    made.add_argument("--plots", type=Path, help="also draw into this folder (needs the bench extra)")
    return made


def percentile(values: Sequence[float], point: float) -> float:
    """Return the smallest value that at least so many percent do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * point / 100) - 1, 0)]


def samples(run: Run) -> list[float]:
    """Return microseconds from the sender to the listener, without the first ones.

    Raises:
        ValueError: A listener was told more or fewer than were sent, or before it was sent.
    """
    sent = {}
    for first in range(0, len(run.stamps), CALLBACKS_PER_ORDER):
        order_id = FIRST_ID + first // CALLBACKS_PER_ORDER
        for kind, places in (("executions", _EXECUTIONS), ("commissions", _COMMISSIONS)):
            for part, place in places.items():
                sent[kind, exec_id(order_id, part)] = run.stamps[first + place]
    took = []
    for kind in ("executions", "commissions"):
        took += [(at, at - sent.pop((kind, name))) for name, at in run.answer[kind]]
    if sent:
        raise ValueError(f"{len(sent)} callbacks were never told, {next(iter(sent))} among them")
    took.sort()
    if min(ns for _, ns in took) <= 0:
        raise ValueError("a callback before its message: the clocks of the processes differ")
    return [ns / 1e3 for _, ns in took[int(len(took) * _WARM_UP) :]]


def measure(
    console: Console,
    field: Mapping[str, Contestant],
    options: argparse.Namespace,
    rate: int,
    setting: Setting,
) -> dict[str, list[list[float]]]:
    """Let all run in turn at one rate; returns the samples of each run, by contestant."""
    orders = max(int(rate * options.seconds) // CALLBACKS_PER_ORDER, 10)
    found: dict[str, list[list[float]]] = {
        name: [] for name, one in field.items() if one.program == "engine" or not setting.is_ours_only
    }
    with tempfile.TemporaryDirectory(prefix="ibkr-core-bench-") as folder:
        for number in range(options.rounds):
            turn = number % len(found)
            for name in [*found][turn:] + [*found][:turn]:
                one = field[name].given(timed=True, **setting.task)
                version = min(options.version, one.newest)
                stream = Path(folder) / str(version)
                if not stream.exists():
                    stream.write_bytes(burst(range(FIRST_ID, FIRST_ID + orders), version))
                with report.doing(console, f"{rate}/s, {setting.name}, round {number + 1}: {name}"):
                    run = contest(one, version, stream, rate=rate, orders=orders)
                try:
                    found[name].append(samples(run))
                except ValueError as error:
                    raise Failed(f"{name}: {error}") from error
    return found


def show(console: Console, title: str, found: Mapping[str, list[list[float]]]) -> None:
    """Print percentiles of all samples together, and ratios round by round."""
    rows = {}
    for name, runs in found.items():
        pooled = [value for run in runs for value in run]
        cells = [f"{percentile(pooled, point):,.0f}" for point in _POINTS]
        for point in (50.0, 99.0):
            theirs = found.get(_OFFICIAL)
            if theirs is None:
                cells.append("")
                continue
            mine = [percentile(run, point) for run in runs]
            cells.append(report.spread(report.ratios(mine, [percentile(r, point) for r in theirs]), ".2f"))
        rows[name] = cells
    headings = ("contestant", "p50 us", "p99 us", "p99.9 us", "max us", "p50 / official", "p99 / official")
    report.show(console, title, headings, rows)


def run(options: argparse.Namespace, console: Console) -> dict[str, Any]:
    """Run all rates and settings; returns the percentiles of each run."""
    options.rounds = options.rounds or (1 if options.quick else 3)
    options.seconds = options.seconds or (2.0 if options.quick else 6.0)
    rates = _numbers(options.rates) or (_FEW_RATES if options.quick else _RATES)
    names = tuple(options.only.split(";")) if options.only else (_FEW if options.quick else _ALL)
    field = Field.gather(names)
    report.tell_missing(console, field.missing)
    has_profile = importlib.util.find_spec("ibkr_core.profiles") is not None
    if not has_profile:
        console.print("no latency profile in this version of the engine")
    figures: dict[str, Any] = {
        "seconds": options.seconds,
        "points": _POINTS,
        "missing": field.missing,
        "settings": {},
    }
    wanted = options.settings.split(";") if options.settings else None
    for setting in settings(has_profile=has_profile):
        if wanted is not None and setting.name not in wanted:
            continue
        by_rate = figures["settings"].setdefault(setting.name, {})
        for rate in rates if setting.name == _ALONE else _numbers(options.busy_rates) or rates:
            found = measure(console, field.contestants, options, rate, setting)
            show(console, f"wire to listener in microseconds, {rate:,} messages/s, {setting.name}", found)
            by_rate[str(rate)] = {
                name: [[percentile(its, point) for point in _POINTS] for its in runs]
                for name, runs in found.items()
            }
    return figures


def medians(figures: Mapping[str, Any], setting: str) -> dict[str, dict[int, list[float]]]:
    """Return the median over the rounds of each percentile: by contestant, by rate."""
    found: dict[str, dict[int, list[float]]] = {}
    for rate, contestants in figures["settings"][setting].items():
        for name, runs in contestants.items():
            found.setdefault(name, {})[int(rate)] = [
                statistics.median(run) for run in zip(*runs, strict=True)
            ]
    return found


def main(arguments: list[str]) -> None:
    """Run, print, draw and keep."""
    options = parser().parse_args(arguments)
    figures = run(options, report.console())
    report.write_json(options.json, "latency", figures)
    if options.plots is not None:
        draw(figures, options.plots)


def draw(figures: Mapping[str, Any], folder: Path) -> list[Path]:
    """Draw the pictures of a run's figures, one for each setting; returns where they are."""
    told, made = figures["settings"], []
    elsewhere = {name for ways in _OURS_ONLY.values() for name in ways.values()}
    for setting in told:
        if setting in elsewhere:
            continue
        drawn = medians(figures, setting)
        for way, more in _OURS_ONLY.get(setting, {}).items():
            if more in told:
                their = medians(figures, more)
                drawn |= {f"{name}, {way}": its for name, its in their.items() if "journal" not in name}
        made.append(plots.latency(folder, setting, drawn))
    return made


def _numbers(text: str | None) -> tuple[int, ...]:
    return tuple(int(word) for word in text.split(",")) if text else ()
