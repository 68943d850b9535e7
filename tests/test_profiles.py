"""The latency profile: what it sets, and that it leaves no trace."""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

import pytest

from ibkr_core import profiles
from ibkr_core.errors import InvalidInput

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def standing() -> tuple[Any, ...]:
    """Return what the profile may change."""
    affinity = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    return sys.getswitchinterval(), gc.get_threshold(), affinity


def test_it_sets_what_it_says_and_puts_it_back() -> None:
    """Also the thresholds of a host that had its own."""
    before = standing()
    with profiles.latency(switch_interval_s=0.0002, gc_thresholds=(9_000, 20, 30)) as applied:
        assert sys.getswitchinterval() == pytest.approx(0.0002) == applied.switch_interval_s
        assert gc.get_threshold() == (9_000, 20, 30) == applied.gc_thresholds
        assert applied.frozen_objects > 1_000, "what is frozen may still end by itself"
        assert applied.cpus is None
    assert standing() == before
    assert gc.get_freeze_count() == 0


def test_it_puts_everything_back_when_the_program_raises() -> None:
    """A strategy that dies leaves the host as it was."""
    before = standing()
    with pytest.raises(RuntimeError), profiles.latency():
        raise RuntimeError("strategy")
    assert standing() == before


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin processes")
def test_it_keeps_to_the_processors_that_it_is_given() -> None:
    """And lets go of them afterwards."""
    before = os.sched_getaffinity(0)
    first = min(before)
    with profiles.latency(cpus=[first]) as applied:
        assert os.sched_getaffinity(0) == {first} == applied.cpus
    assert os.sched_getaffinity(0) == before


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("switch_interval_s", 0),
        ("switch_interval_s", -1.0),
        ("switch_interval_s", float("nan")),
        ("switch_interval_s", 2.0),
        ("switch_interval_s", True),
        ("switch_interval_s", "0.1"),
        ("gc_thresholds", (1, 2)),
        ("gc_thresholds", (1, 2, -3)),
        ("gc_thresholds", (1, 2, 3.0)),
        ("cpus", ()),
        ("cpus", (10_000,)),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(argument: str, value: Any) -> None:
    """The error names the argument; no half of it is set."""
    before = standing()
    with pytest.raises(InvalidInput, match=argument), profiles.latency(**{argument: value}):
        raise AssertionError("not reached")
    assert standing() == before
