"""What every contestant's program shares: its task, its clock, and the way it speaks to its driver.

Standard library only: it runs in the environments of the peers too. The clock is the one that the sender
reads: ``perf_counter`` counts alike in all processes of a machine.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

__all__ = ["FAR_S", "Calls", "Stage", "resident"]

_T = TypeVar("_T")

FAR_S = 600.0
"""No run takes so long, in seconds; a program that hangs ends after it."""


class Calls:
    """Calls that place an order each.

    Attributes:
        took: How long each call took, in nanoseconds.
        left: How long it was until the kernel had all of its bytes, in nanoseconds.
    """

    def __init__(self) -> None:
        self.took: list[int] = []
        self.left: list[int] = []
        self._sends: list[int] = []

    def noting(self, send: Callable[..., _T]) -> Callable[..., _T]:
        """Return what sends as before, and notes when the kernel had what this thread sent."""
        sends, clock, thread = self._sends, time.perf_counter_ns, threading.get_ident()

        def noted(*given: Any, **named: Any) -> _T:
            done = send(*given, **named)
            if threading.get_ident() == thread:  # others may send something of their own
                sends.append(clock())
            return done

        return noted

    def time(self, place: Callable[..., _T], *given: Any) -> _T:
        """Make one call."""
        self._sends.clear()
        began = time.perf_counter_ns()
        done = place(*given)
        self.took.append(time.perf_counter_ns() - began)
        if self._sends:
            self.left.append(self._sends[-1] - began)
        return done

    def report(self, stage: Stage) -> None:
        """Tell the driver.

        Raises:
            SystemExit: A call returned before the kernel had its bytes.
        """
        if len(self.left) != len(self.took):
            raise SystemExit(f"of {len(self.took)} calls {len(self.left)} had sent their bytes at their end")
        stage.report(took=self.took, left=self.left)


class Stage:
    """One contestant's run: ``ready`` when the stream may come, ``done`` at its end mark.

    Attributes:
        task: What the driver asked for; see :mod:`benchmarks.arena`.
        executions: For latency: execution ids and the moments (ns) of their callbacks.
        commissions: The same for commission reports.
    """

    def __init__(self) -> None:
        self.task: dict[str, Any] = json.loads(sys.argv[1])
        self.executions: list[tuple[str, int]] = []
        self.commissions: list[tuple[str, int]] = []
        self._done = threading.Event()
        self._cpu = 0.0
        self._at = 0.0
        self._memory = (0, 0)
        self._failure = ""
        if self.task.get("trace"):
            tracemalloc.start()
        interval = self.task.get("switch_interval_s")
        if interval:
            sys.setswitchinterval(interval)

    def ready(self) -> None:
        """Say that the stream may begin. All that the run needs has been made before."""
        gc.collect()
        if self.task.get("burn"):
            threading.Thread(target=_burn, daemon=True).start()
        self._cpu = time.process_time()
        self.say({"ready": True})

    def end(self) -> None:
        """Take the moment: the end mark was handled."""
        self._at = time.perf_counter()
        self._cpu = time.process_time() - self._cpu
        self._done.set()

    def wait(self) -> None:
        """Wait for :meth:`end` on another thread."""
        if not self._done.wait(FAR_S):
            raise SystemExit("the end mark never came")
        if self._failure:
            raise SystemExit(self._failure)

    def fail(self, why: str) -> None:
        """Let :meth:`wait` end the run as failed."""
        self._failure = self._failure or why

    def weigh(self) -> None:
        """Take the memory in use before the first order is made."""
        self._memory = _memory()

    def weigh_again(self) -> dict[str, int]:
        """Return by how many bytes the memory in use has grown since :meth:`weigh`."""
        resident_now, traced_now = _memory()
        return {"resident": resident_now - self._memory[0], "traced": traced_now - self._memory[1]}

    def report(self, **more: Any) -> None:
        """Tell the driver how it went."""
        values: dict[str, Any] = {"at": self._at, "cpu_s": self._cpu, **more}
        if self.executions or self.commissions:
            values |= {"executions": self.executions, "commissions": self.commissions}
        self.say(values)

    def say(self, values: dict[str, Any]) -> None:
        """Print one line for the driver."""
        print(json.dumps(values), flush=True)


def resident() -> int:
    """Return the bytes of this process that lie in memory, 0 where the system does not tell."""
    told = Path("/proc/self/statm")
    return (
        int(told.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE") if told.exists() else 0
    )


def _memory() -> tuple[int, int]:
    gc.collect()
    return resident(), tracemalloc.get_traced_memory()[0]


def _burn() -> None:
    """Be a strategy that computes without end."""
    number = 0
    while True:
        number = (number * 1_103_515_245 + 12_345) % 2_147_483_648
