"""Settings of the whole process for hosts in which microseconds count. Nothing is done unless you ask.

Python runs one thread at a time. A thread that burns CPU keeps the interpreter for the *switch interval*
(5 ms by default) while the reader thread waits for it with a callback in its hands; and a full collection
stops everything for as long as there are objects to look through. :func:`latency` makes both small::

    with profiles.latency():
        with Engine.connect(...) as engine:
            ...

Where a processor can be spared too, ``EngineSettings(busy_poll_s=0.005)`` has the reader thread ask for bytes
again and again instead of being woken up for them, and rehearse with a made-up order meanwhile.

What each setting does to the latency from the wire to a listener stands in ``docs/performance.md``, measured.
"""

from __future__ import annotations

import contextlib
import gc
import os
import sys
from collections.abc import Collection, Iterator
from typing import Final

import attrs

from ibkr_core.errors import InvalidInput

__all__ = ["Applied", "latency"]

_SWITCH_INTERVAL_S: Final = 0.0001
_THRESHOLDS: Final = (50_000, 50, 1_000)
_LONGEST_INTERVAL_S: Final = 1.0


@attrs.frozen
class Applied:
    """What :func:`latency` set.

    Attributes:
        switch_interval_s: How long a thread may keep the interpreter while others wait, in seconds.
        gc_thresholds: Of :func:`gc.set_threshold`.
        frozen_objects: How many objects the garbage collector passes over from now on.
        cpus: To which processors the process keeps; None where that was left alone.
    """

    switch_interval_s: float
    gc_thresholds: tuple[int, int, int]
    frozen_objects: int
    cpus: frozenset[int] | None


@contextlib.contextmanager
def latency(
    *,
    switch_interval_s: float = _SWITCH_INTERVAL_S,
    gc_thresholds: tuple[int, int, int] = _THRESHOLDS,
    cpus: Collection[int] | None = None,
) -> Iterator[Applied]:
    """Set the process up for low latency, and put everything back at the end.

    Enter it when your program has built what it keeps (its imports and strategies): those objects are
    frozen, so that no collection looks at them again.

    Args:
        switch_interval_s: How long a busy thread may keep the interpreter while others wait, in seconds.
            Smaller is quicker for the reader and costs the busy thread some of its throughput.
        gc_thresholds: When to collect, as for :func:`gc.set_threshold`: rarely, because the engine's objects
            end by themselves and make no cycles.
        cpus: Keep the process to these processors, so that it does not travel. None leaves that to the
            system.

    Raises:
        InvalidInput: An argument makes no sense, or the system cannot pin processes.
    """
    _check(switch_interval_s, gc_thresholds, cpus)
    interval, thresholds = sys.getswitchinterval(), gc.get_threshold()
    frozen_before = gc.get_freeze_count()
    pinned = _pin(cpus)
    try:
        gc.collect()
        gc.freeze()
        gc.set_threshold(*gc_thresholds)
        sys.setswitchinterval(switch_interval_s)
        kept = None if cpus is None else frozenset(cpus)
        yield Applied(sys.getswitchinterval(), gc_thresholds, gc.get_freeze_count(), kept)
    finally:
        sys.setswitchinterval(interval)
        gc.set_threshold(*thresholds)
        if not frozen_before:  # else the host has frozen objects of its own, and they cannot be told apart
            gc.unfreeze()
        if pinned is not None:
            os.sched_setaffinity(0, pinned)


def _check(
    switch_interval_s: float, gc_thresholds: tuple[int, int, int], cpus: Collection[int] | None
) -> None:
    is_number = isinstance(switch_interval_s, int | float) and not isinstance(switch_interval_s, bool)
    if not is_number or not 0 < switch_interval_s <= _LONGEST_INTERVAL_S:
        raise InvalidInput(
            "switch_interval_s",
            f"must be seconds above 0 and up to {_LONGEST_INTERVAL_S:g}, not {switch_interval_s!r}",
        )
    are_counts = all(isinstance(one, int) and not isinstance(one, bool) and one >= 0 for one in gc_thresholds)
    if len(gc_thresholds) != len(_THRESHOLDS) or not are_counts:
        raise InvalidInput(
            "gc_thresholds", f"must be three whole numbers of at least 0, not {gc_thresholds!r}"
        )
    if cpus is None:
        return
    if not hasattr(os, "sched_setaffinity"):
        raise InvalidInput("cpus", "this system cannot keep a process to some processors; leave it None")
    allowed = os.sched_getaffinity(0)
    if not cpus or not set(cpus) <= allowed:
        raise InvalidInput("cpus", f"must be some of {sorted(allowed)}, not {sorted(cpus)!r}")


def _pin(cpus: Collection[int] | None) -> set[int] | None:
    """Keep to these processors; returns those of before."""
    if cpus is None:
        return None
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cpus)
    return before
