"""From runs to figures: latencies, percentiles, ratios, and the files that keep them."""

from __future__ import annotations

import array
import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from benchmarks import plots, report
from benchmarks.arena import Run
from benchmarks.feed import CALLBACKS_PER_ORDER, exec_id
from benchmarks.latency import draw, medians, percentile, samples, settings
from benchmarks.terms import FIRST_ID


def run_of(orders: int, late_us: int, *, lost: int = 0) -> Run:
    """A paced run whose every callback came so much after its message."""
    stamps = array.array("Q", (1_000_000 * (n + 1) for n in range(orders * CALLBACKS_PER_ORDER)))
    answer: dict[str, list[tuple[str, int]]] = {"executions": [], "commissions": []}
    for number in range(orders):
        for kind, places in (("executions", (2, 5)), ("commissions", (4, 7))):
            for part, place in enumerate(places, start=1):
                sent = stamps[number * CALLBACKS_PER_ORDER + place]
                answer[kind].append((exec_id(FIRST_ID + number, part), sent + late_us * 1_000))
    answer["commissions"] = answer["commissions"][lost:]
    return Run(0.0, 0.0, answer, stamps, 0)


def test_a_latency_is_the_callbacks_moment_less_its_own_messages() -> None:
    """Executions and commissions, each by its id; the first few are left out."""
    assert samples(run_of(50, 120)) == [120.0] * 190


def test_a_callback_that_never_came_is_no_small_matter() -> None:
    """A client that loses one would otherwise look faster for it."""
    with pytest.raises(ValueError, match="1 callbacks were never told"):
        samples(run_of(10, 120, lost=1))


def test_a_callback_before_its_message_is_refused() -> None:
    """Then the clocks of the two processes are not the same, and no figure means anything."""
    with pytest.raises(ValueError, match="clocks"):
        samples(run_of(10, -1))


def test_a_percentile_is_a_value_that_was_measured() -> None:
    """The nearest rank: no value is made up between two others."""
    values = list(range(1, 101))
    assert [percentile(values, p) for p in (50, 99, 99.9, 100)] == [50, 99, 100, 100]
    assert percentile([7.0], 50) == 7.0


def test_ratios_are_taken_round_by_round() -> None:
    """A machine that was slow in one round was slow for both."""
    assert report.ratios([10.0, 40.0], [5.0, 20.0]) == [2.0, 2.0]
    with pytest.raises(ValueError, match="argument 2 is longer"):
        report.ratios([1.0], [1.0, 2.0])
    assert report.spread([3.0, 1.0, 2.0], ".1f") == "2.0  (1.0 .. 3.0)"


def test_figures_are_written_with_the_machine_that_they_are_from(tmp_path: Path) -> None:
    """A figure without its machine and its command is of no use later."""
    report.write_json(None, "none", {})
    report.write_json(tmp_path / "figures.json", "throughput", {"callbacks": 8})
    kept = json.loads((tmp_path / "figures.json").read_text())
    assert (kept["measure"], kept["callbacks"]) == ("throughput", 8)
    assert kept["machine"]["cores"] >= 1
    assert kept["command"]


def test_a_table_has_a_row_for_each_contestant() -> None:
    """Names at the left, figures at the right."""
    out = io.StringIO()
    report.show(Console(file=out, width=80), "title", ("who", "what"), {"ours": ["1"], "theirs": ["2"]})
    assert "ours" in out.getvalue()
    assert "theirs" in out.getvalue()


def test_the_profile_is_measured_only_where_there_is_one() -> None:
    """It is the engine's alone; without it the other settings stay."""
    names = [setting.name for setting in settings(has_profile=False)]
    more = [setting for setting in settings(has_profile=True) if setting.name not in names]
    assert names
    assert all(setting.is_ours_only for setting in more)
    assert [setting.name for setting in more] == [
        "alone, profile",
        "alone, profile, polling",
        "burning, profile",
    ]


def test_rounds_become_one_line_of_a_plot() -> None:
    """Each percentile's median over the rounds."""
    figures = {"settings": {"alone": {"100": {"ours": [[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]]}}}}
    assert medians(figures, "alone") == {"ours": {100: [2.0, 8.0]}}


def test_a_log_file_shows_how_far_a_measure_has_come() -> None:
    """Line by line with the time of day; a spinner would leave nothing there."""
    out = io.StringIO()
    with report.doing(Console(file=out, width=80), "filling [a] book") as say:
        say("half of it")
    lines = out.getvalue().splitlines()
    assert [line[8:].strip() for line in lines] == ["filling [a] book", "half of it"]
    assert all(re.match(r"\d\d:\d\d:\d\d  ", line) for line in lines)


def test_who_is_missing_is_told_with_the_reason() -> None:
    """As it was given, whatever brackets are in it."""
    out = io.StringIO()
    report.tell_missing(Console(file=out, width=80), {"ours, compiled": "no [C] compiler"})
    assert out.getvalue() == "missing: ours, compiled: no [C] compiler\n"


def test_the_profile_is_drawn_beside_what_it_is_compared_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A picture for each setting that everybody has; the engine's own settings are lines in these."""
    drawn: dict[str, list[str]] = {}

    def latency(folder: Path, setting: str, found: dict[str, Any]) -> Path:
        drawn[setting] = [*found]
        return folder / setting

    monkeypatch.setattr(plots, "latency", latency)
    runs = {name: [[1.0, 2.0, 3.0, 4.0]] for name in ("ours", "ours + journal")}
    told = {setting.name: {"1000": runs} for setting in settings(has_profile=True)}
    assert draw({"settings": told}, tmp_path) == [tmp_path / setting for setting in drawn]
    assert drawn == {
        "alone": ["ours", "ours + journal", "ours, profile", "ours, polling"],
        "burning, 5 ms switch": ["ours", "ours + journal", "ours, profile"],
        "burning, 0.1 ms switch": ["ours", "ours + journal"],
    }
