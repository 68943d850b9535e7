"""The table of what was to be reached, from figures as the measures keep them."""

from __future__ import annotations

import argparse
import importlib
import json
import re
from pathlib import Path
from typing import Any

import pytest

from benchmarks import plots, targets
from benchmarks.arena import COMPILED, OURS, Failed
from benchmarks.peers import PEERS
from benchmarks.targets import main, reached, to_markdown, write_into

MACHINE = {
    "at": "2026-11-21",
    "processor": "p",
    "cores": 2,
    "python": "3",
    "system": "s",
    "load": [0.5, 0, 0],
}
WHOLE = "against the whole call of ib_async.placeOrder"
THEIR_BYTES = "against the bytes of ib_async.placeOrder"
SLOW, FAST = "burning, 5 ms switch", "burning, 0.1 ms switch"


def keep(folder: Path, measure: str, **figures: Any) -> None:
    (folder / f"{measure}.json").write_text(json.dumps({"machine": MACHINE, **figures}))


def both(ours: float, theirs: float) -> dict[str, dict[str, list[list[float]]]]:
    """Ours compiled takes half of what ours takes."""
    runs = {"ours": ours, "ours, compiled": ours / 2, "ibapi 10.51": theirs}
    return {"1000": {name: [[its, its * 10, its * 20, its * 30]] for name, its in runs.items()}}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    seconds = {"ours": 1.0, "ours + journal": 2.0, "floor": 0.4, "ibapi 10.51": 13.0, "ib_async": 15.0}
    seconds |= {"ours, compiled": 0.5, "ours, compiled + journal": 1.0}
    found = {name: {"seconds": [its, its], "cpu_s": [2 * its, its]} for name, its in seconds.items()}
    keep(tmp_path, "throughput", callbacks=100_000, versions={"178": found})
    settings = {
        "alone": both(60, 100),
        SLOW: both(3, 10),
        FAST: both(5, 10),
        "burning, profile": both(1.5, 9),
    }
    keep(tmp_path, "latency", settings=settings, missing={"ibapi 9.81": "no\nnetwork"})
    runs = {"ours": [[50.0]], "ours + journal": [[99.0]], "ib_async": [[60.0]]}
    keep(
        tmp_path,
        "submit",
        versions={"178": {"left": runs, "took": {"ours": [[70.0]], "ib_async": [[100.0]]}}},
    )
    costs = {"new orders": {"1000": [10.0], "100": [9.0], "1000000": [12.0]}}
    keep(tmp_path, "scale", engine="ours, growing", cost_us=costs)
    ends = {"in order": {"ours": {"seconds": [2.9, 3.5, 2.8]}, "ours, compiled": {"seconds": [2.0]}}}
    ends["killed"] = {"ours": {"seconds": [3.1]}}
    keep(tmp_path, "recovery", orders=100_000, ends=ends)
    weights = {"ours": 6000.0, "ours, slim": 2000.0, "ours, compiled, slim": 1000.0, "ib_async": 9000.0}
    keep(tmp_path, "memory", bytes={name: {"traced": [its]} for name, its in weights.items()})
    return tmp_path


def test_every_target_is_judged_by_its_median(folder: Path) -> None:
    """More is better for rates, less for times and bytes; of memory only that of packed orders is judged."""
    judged = {one.what: (one.values[0], one.is_met(one.values)) for one in reached(folder).targets}
    assert judged == {
        "callbacks/s, against ibapi 10.51, version 178": (13.0, True),
        "callbacks/s, against ib_async, version 178": (15.0, True),
        "callbacks/s, against floor, version 178": (0.4, False),
        "callbacks/s, with the journal, against ibapi 10.51, version 178": (6.5, False),
        "callbacks/s, with the journal, against ib_async, version 178": (7.5, False),
        "wire to listener at 1000/s, p50, alone, against ibapi 10.51": (0.6, True),
        "wire to listener at 1000/s, p99, alone, against ibapi 10.51": (0.6, True),
        f"wire to listener at 1000/s, p99, {SLOW}, against ibapi 10.51": (0.3, True),
        f"wire to listener at 1000/s, p99, {FAST}, against ibapi 10.51": (0.5, False),
        f"wire to listener at 1000/s, p99, burning, profile, against ibapi 10.51 ({SLOW})": (0.15, False),
        f"submit to bytes sent, {WHOLE}, p50, version 178": (0.5, True),
        f"submit to bytes sent, {WHOLE}, p50, with the journal, version 178": (0.99, True),
        f"submit to bytes sent, {THEIR_BYTES}, p50, version 178": (50 / 60, False),
        f"submit to bytes sent, {THEIR_BYTES}, p50, with the journal, version 178": (99 / 60, False),
        f"submit to its return, {WHOLE}, p50, version 178": (0.7, False),
        "CPU for a callback, new orders, 1,000,000 orders against 1,000": (1.2, True),
        "restart from a journal of 100,000 orders, its process ended in order": (2.9, True),
        "restart from a journal of 100,000 orders, its process killed at work": (3.1, False),
        "a finished order with two fills, traced": (2000.0, False),
    }


def test_the_compiled_engine_is_judged_beside_the_other(folder: Path) -> None:
    """In the same line, by the same bound; it is no line where it did not take part."""
    judged = {
        one.what: (one.compiled[0], one.is_met(one.compiled))
        for one in reached(folder).targets
        if one.compiled
    }
    assert judged["callbacks/s, against ibapi 10.51, version 178"] == (26.0, True)
    assert judged["callbacks/s, against floor, version 178"] == (0.8, True)
    assert judged["callbacks/s, with the journal, against ib_async, version 178"] == (15.0, True)
    assert judged["wire to listener at 1000/s, p50, alone, against ibapi 10.51"] == (0.3, True)
    assert judged["restart from a journal of 100,000 orders, its process ended in order"] == (2.0, True)
    assert judged["a finished order with two fills, traced"] == (1000.0, True)
    assert not [what for what in judged if "submit" in what or "killed" in what or "CPU" in what]


def test_the_table_says_where_its_figures_are_from(folder: Path) -> None:
    """A line for each measure: when, on what machine, with what else going on; and who is missing, why."""
    text = to_markdown(reached(folder))
    line = "its process ended in order | <= 3 s | 2.90 (2.80 .. 3.50) s | yes | 2.00 (2.00 .. 2.00) s | yes |"
    assert line in text
    assert "its process killed at work | <= 3 s | 3.10 (3.10 .. 3.10) s | **no** |  |  |" in text
    assert text.count("2 cores, Python 3, s, load 0.5") == 6
    assert "- ibapi 9.81 did not take part: no network" in text


def test_what_is_no_ratio_has_a_table_of_its_own(folder: Path) -> None:
    """The least CPU of all rounds, and medians."""
    absolute = reached(folder).absolute
    assert absolute["ib_async"] == {
        "CPU of a callback, 178": 150.0,
        "submit to bytes, p50, 178": 60.0,
        "whole submit, p50, 178": 100.0,
    }
    assert absolute["ours, compiled"] == {
        "CPU of a callback, 178": 5.0,
        "wire to listener, p50": 30.0,
        "wire to listener, p99": 300.0,
    }
    assert "| ib_async | 150.0 |  |  | 60.0 | 100.0 |" in to_markdown(reached(folder))


def drawn(figures: dict[str, Any], into: Path) -> list[Path]:
    """Stands for a measure's picture, which needs the drawing library."""
    into.mkdir(exist_ok=True)
    path = into / f"{'-'.join(sorted(figures))[:9]}.png"
    path.write_bytes(b"")
    return [path]


def test_the_docs_get_tables_and_pictures_between_their_marks(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What stands around them stays; a second run replaces the first; every picture is where it is said."""
    for name in ("throughput", "latency", "scale"):
        monkeypatch.setattr(f"benchmarks.{name}.draw", drawn)
    docs = folder / "docs" / "performance.md"
    docs.parent.mkdir()
    docs.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    for _ in range(2):
        main([str(folder), "--docs", str(docs)])
    whole = docs.read_text()
    assert whole.startswith("before\n<!-- figures -->\n| measure")
    assert whole.endswith("<!-- end of figures -->\nafter\n")
    assert "old" not in whole
    links = re.findall(r"!\[[^]]+\]\(([^)]+)\)", whole)
    assert len(links) == 3
    assert all(link.startswith("images/") and (docs.parent / link).is_file() for link in links)


def test_a_file_without_marks_is_refused_before_anything_is_measured(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not after two hours."""
    monkeypatch.setattr(targets, "run_all", lambda *_: pytest.fail("it measured"))
    docs = tmp_path / "performance.md"
    docs.write_text("no marks")
    with pytest.raises(ValueError, match="has no lines"):
        write_into(docs, "")
    with pytest.raises(ValueError, match="has no lines"):
        main([str(tmp_path), "--docs", str(docs)], run_first=True)


def test_a_measure_that_fails_does_not_cost_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They run, the table is printed, and the command fails at its end."""
    ran: list[list[str]] = []

    def fail(_: list[str]) -> None:
        raise Failed("ibapi said nothing")

    monkeypatch.setattr(plots, "check", lambda: None)
    monkeypatch.setattr("benchmarks.throughput.main", fail)
    monkeypatch.setattr("benchmarks.submit.main", ran.append)
    with pytest.raises(SystemExit, match=r"failed: throughput$"):
        main([str(tmp_path), "--measures", "throughput,submit", "--quick"], run_first=True)
    assert ran == [[*targets.QUICK["submit"], "--json", str(tmp_path / "submit.json")]]


@pytest.mark.parametrize("name", targets.MEASURES)
def test_every_measure_takes_the_words_of_all_its_runs(name: str) -> None:
    """A wrong one would be found half an hour later."""
    made: argparse.ArgumentParser = importlib.import_module(f"benchmarks.{name}").parser()
    known = {*OURS, *COMPILED, *PEERS}
    for told in (targets.FULL, targets.SHORT, targets.QUICK):
        options = made.parse_args([*told[name], "--json", "figures.json"])
        assert set((getattr(options, "only", None) or "ours").split(";")) <= known
