"""Every measure runs to its end, with the contestants that need no environment of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import latency, memory, profile, recovery, scale, submit, throughput
from benchmarks.arena import OURS, Contestant, Failed, Field, contest, duel
from benchmarks.feed import burst
from benchmarks.peers import PEERS
from benchmarks.terms import FIRST_ID

pytestmark = pytest.mark.system

MEASURES = {
    "throughput": (throughput, "--orders 20 --rounds 1 --versions 226 --only ours;ours~+~journal;floor"),
    "latency": (latency, "--rates 2000 --seconds 0.1 --rounds 1 --settings alone --only ours;floor"),
    "submit": (submit, "--orders 20 --rounds 1 --pause-ms 0 --versions 226 --only ours;ours~+~journal"),
    "scale": (scale, "--sizes 100,500 --rounds 1"),
    "recovery": (recovery, "--orders 30 --rounds 1 --only ours"),
    "memory": (memory, "--orders 50 --rounds 1 --only ours"),
    "profile": (profile, "--orders 20 --version 178"),
}


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_runs_and_keeps_its_figures(name: str, tmp_path: Path) -> None:
    """The engine's book is checked in each of them: a wrong one would end the run."""
    measure, words = MEASURES[name]
    path = tmp_path / "figures.json"
    measure.main([*(word.replace("~", " ") for word in words.split()), "--json", str(path)])
    kept: dict[str, Any] = json.loads(path.read_text())
    assert kept["measure"] == name


def test_a_contestant_that_ends_early_fails_the_run_and_tells_why(tmp_path: Path) -> None:
    """What it printed last is in the message: nobody has to search for it."""
    stream = tmp_path / "stream"
    stream.write_bytes(burst(range(FIRST_ID, FIRST_ID + 2), 178))
    with pytest.raises(Failed, match="not filled"):
        contest(OURS["ours"], 178, stream, orders=3)


def test_a_wrong_task_fails_at_once() -> None:
    """A program that cannot start does not leave its driver waiting."""
    unknown = Contestant("nobody", OURS["ours"].python, "nobody")
    with pytest.raises(Failed, match="No module"), duel(unknown, 178) as both:
        both.hear()


def test_a_peer_takes_part_where_it_speaks_the_version() -> None:
    """ib_async and ibapi 9.81 speak text only; nautilus-ibapi comes with its own newest version."""
    everybody = {
        name: Contestant(name, OURS["ours"].python, peer.program, {}, peer.lowest, peer.newest)
        for name, peer in PEERS.items()
    }
    field = Field(everybody, {})
    assert set(field.at(157)) == set(PEERS)
    assert set(field.at(178)) == set(PEERS) - {"ibapi 9.81"}
    assert set(field.at(226)) == {"ibapi 10.51", "ibapi 10.50", "nautilus-ibapi"}
