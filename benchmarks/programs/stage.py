"""What every contestant's program shares: its task, its clock, and the way it speaks to its driver.

Standard library only: it runs in the environments of the peers too. The clock is the one that the sender
reads: ``perf_counter`` counts alike in all processes of a machine.
"""

from __future__ import annotations

import gc
import json
import sys
import threading
import time
from typing import Any

__all__ = ["FAR_S", "Stage"]

FAR_S = 600.0
"""No run takes so long, in seconds; a program that hangs ends after it."""


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

    def report(self, **more: Any) -> None:
        """Tell the driver how it went."""
        values: dict[str, Any] = {"at": self._at, "cpu_s": self._cpu, **more}
        if self.executions or self.commissions:
            values |= {"executions": self.executions, "commissions": self.commissions}
        self.say(values)

    def say(self, values: dict[str, Any]) -> None:
        """Print one line for the driver."""
        print(json.dumps(values), flush=True)


def _burn() -> None:
    """Be a strategy that computes without end."""
    number = 0
    while True:
        number = (number * 1_103_515_245 + 12_345) % 2_147_483_648
