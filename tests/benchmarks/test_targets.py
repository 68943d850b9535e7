"""The table of what was to be reached, from figures as the measures keep them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.targets import main, reached, to_markdown, write_into

MACHINE = {
    "at": "2026-11-21",
    "processor": "p",
    "cores": 2,
    "python": "3",
    "system": "s",
    "load": [0.5, 0, 0],
}
SLOW, FAST = "burning, 5 ms switch", "burning, 0.1 ms switch"


def keep(folder: Path, measure: str, **figures: Any) -> None:
    (folder / f"{measure}.json").write_text(json.dumps({"machine": MACHINE, **figures}))


def both(ours: float, theirs: float) -> dict[str, dict[str, list[list[float]]]]:
    return {"1000": {"ours": [[ours, ours * 10]], "ibapi 10.51": [[theirs, theirs * 10]]}}


@pytest.fixture(name="folder")
def _folder(tmp_path: Path) -> Path:
    seconds = {"ours": 1.0, "ours + journal": 2.0, "floor": 0.4, "ibapi 10.51": 13.0, "ib_async": 15.0}
    found = {name: {"seconds": [its, its]} for name, its in seconds.items()}
    keep(tmp_path, "throughput", versions={"178": found})
    settings = {
        "alone": both(60, 100),
        SLOW: both(3, 10),
        FAST: both(5, 10),
        "burning, profile": both(1.5, 9),
    }
    keep(tmp_path, "latency", settings=settings)
    runs = {"ours": [[50.0]], "ours + journal": [[99.0]], "ib_async": [[100.0]]}
    keep(tmp_path, "submit", versions={"178": runs})
    keep(tmp_path, "scale", cost_us={"new orders": {"1000": [10.0], "100": [9.0], "1000000": [12.0]}})
    keep(tmp_path, "recovery", orders=100_000, seconds=[2.9, 3.5, 2.8])
    keep(tmp_path, "memory", bytes={"ours, slim": {"traced": [2000.0]}, "ib_async": {"traced": [9000.0]}})
    return tmp_path


def test_every_target_is_judged_by_its_median(folder: Path) -> None:
    """More is better for rates, less for times and bytes; nobody else's memory is judged."""
    judged = {one.what: (one.values[0], one.is_met) for one in reached(folder)[0]}
    assert judged == {
        "callbacks/s, ours against ibapi 10.51, version 178": (13.0, True),
        "callbacks/s, ours against ib_async, version 178": (15.0, True),
        "callbacks/s, ours against the floor, version 178": (0.4, False),
        "callbacks/s, ours + journal against ibapi 10.51, version 178": (6.5, False),
        "callbacks/s, ours + journal against ib_async, version 178": (7.5, False),
        "wire to listener at 1000/s, p50, alone, against ibapi 10.51": (0.6, True),
        "wire to listener at 1000/s, p99, alone, against ibapi 10.51": (0.6, True),
        f"wire to listener at 1000/s, p99, {SLOW}, against ibapi 10.51": (0.3, True),
        f"wire to listener at 1000/s, p99, {FAST}, against ibapi 10.51": (0.5, False),
        f"wire to listener at 1000/s, p99, burning, profile, against ibapi 10.51 ({SLOW})": (0.15, False),
        "submit p50, ours against ib_async.placeOrder, version 178": (0.5, True),
        "submit p50, ours + journal against ib_async.placeOrder, version 178": (0.99, True),
        "CPU for a callback, new orders, 1,000,000 orders against 1,000": (1.2, True),
        "restart from a journal of 100,000 orders": (2.9, True),
        "a finished order with two fills, ours, slim, traced": (2000.0, False),
    }


def test_the_table_says_where_its_figures_are_from(folder: Path) -> None:
    """A line for each measure: when, on what machine, with what else going on."""
    text = to_markdown(*reached(folder))
    assert "| restart from a journal of 100,000 orders | <= 3 s | 2.90 (2.80 .. 3.50) s | yes |" in text
    assert text.count("2 cores, Python 3, s, load 0.5") == 6


def test_the_docs_get_the_table_between_their_marks(folder: Path) -> None:
    """What stands around it stays; a second run replaces the first."""
    docs = folder / "performance.md"
    docs.write_text("before\n<!-- figures -->\nold\n<!-- end of figures -->\nafter\n")
    for _ in range(2):
        main([str(folder), "--docs", str(docs)])
    whole = docs.read_text()
    assert whole.startswith("before\n<!-- figures -->\n| measure")
    assert whole.endswith("<!-- end of figures -->\nafter\n")
    assert "old" not in whole
    docs.write_text("no marks")
    with pytest.raises(ValueError, match="has no lines"):
        write_into(docs, "")
