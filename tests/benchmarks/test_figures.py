"""From runs to figures: latencies, percentiles, ratios, and the files that keep them."""

from __future__ import annotations

import array
import io
import json
from pathlib import Path

import pytest
from rich.console import Console

from benchmarks import report
from benchmarks.arena import Run
from benchmarks.feed import CALLBACKS_PER_ORDER, exec_id
from benchmarks.latency import medians, percentile, samples, settings
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
    assert len(more) == 2


def test_rounds_become_one_line_of_a_plot() -> None:
    """Each percentile's median over the rounds."""
    figures = {"settings": {"alone": {"100": {"ours": [[1.0, 9.0], [3.0, 7.0], [2.0, 8.0]]}}}}
    assert medians(figures, "alone") == {"ours": {100: [2.0, 8.0]}}
