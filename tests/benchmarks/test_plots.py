"""Pictures for the docs; only where the drawing library of the ``bench`` extra is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from benchmarks import plots

HAS_LIBRARY = importlib.util.find_spec("matplotlib") is not None
PNG = b"\x89PNG"


@pytest.mark.skipif(not HAS_LIBRARY, reason="the bench extra is not installed")
def test_each_measure_draws_a_picture(tmp_path: Path) -> None:
    """Bars for rates, lines for latencies and for cost against size; a file for each."""
    three = [1.0, 2.0, 3.0]
    points = [60.0, 100.0, 200.0, 900.0]
    made = [
        plots.throughput(tmp_path, {"178": {"ours": three, "floor": three}, "226": {"ours": three}}),
        plots.latency(tmp_path, "burning, 5 ms switch", {"ours": {100: points, 1_000: points}}),
        plots.latency(tmp_path, "alone", {"ours": {1_000: points}, "ibapi 10.51": {1_000: points}}),
        plots.scale(tmp_path, {"new orders": {100: three, 1_000_000: three}}),
    ]
    names = ["throughput.png", "latency-burning-5-ms-switch.png", "latency-alone.png", "scale.png"]
    assert [path.name for path in made] == names
    assert all(path.read_bytes().startswith(PNG) for path in made)


@pytest.mark.skipif(HAS_LIBRARY, reason="the bench extra is installed")
def test_without_the_library_one_is_told_what_to_install(tmp_path: Path) -> None:
    """The figures are there all the same: only the picture is not."""
    with pytest.raises(plots.PlotsUnavailable, match="bench"):
        plots.scale(tmp_path, {})
    with pytest.raises(plots.PlotsUnavailable, match="bench"):
        plots.check()
