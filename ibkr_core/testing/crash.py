"""Kills a trading program with ``kill -9`` at many random points, restarts it, and audits it each time.

    python -m ibkr_core.testing.crash --kills 200
    python -m ibkr_core.testing.crash --kills 25 --seed 1234 --verbose

The program is a process of its own that trades over TCP with a simulated gateway; its orders are compared
with the gateway's state file. What a seed decides it decides again, but the machine's own timing is chance,
so a failure's files are kept: journal, state file, diary. The last line is ``N passed, M failed``, counting
kills. It exits with 1 when there was a failure, and needs a system that knows SIGKILL.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ibkr_core.testing.crashing import Report, Trial, TrialSettings

__all__ = ["main"]

_A_TRIAL = 25
"""Kills for each gateway and journal: a new protocol version, and books that do not grow for ever."""


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ibkr_core.testing.crash",
        description="Kill a trading program at random points, restart it, and audit it.",
    )
    parser.add_argument("--kills", type=int, default=200, help="how often (default 200)")
    parser.add_argument("--seed", type=int, default=None, help="decides the plan (default: by the clock)")
    parser.add_argument("--intensity", type=float, default=0.05, help="how nasty the gateway is, from 0 to 1")
    parser.add_argument("--verbose", action="store_true", help="print a line for each kill")
    return parser.parse_args(argv)


def _try_once(settings: TrialSettings, say: Callable[[str], None], *, verbose: bool) -> Report:
    folder = Path(tempfile.mkdtemp(prefix="ibkr-crash-"))
    report = Trial(settings, folder, say if verbose else lambda _: None).run()
    if report.findings:
        say(f"seed {settings.seed} FAILED; its files are in {folder}")
        for finding in report.findings:
            say(f"    {finding}")
    else:
        shutil.rmtree(folder)
    return report


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code."""
    given = _arguments(argv)

    def say(line: str) -> None:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()

    first = int(time.time()) if given.seed is None else given.seed
    total = Report()
    for number in range(-(-given.kills // _A_TRIAL)):
        settings = TrialSettings(
            seed=first + number,
            kills=min(_A_TRIAL, given.kills - number * _A_TRIAL),
            intensity=given.intensity,
        )
        say(f"seed {settings.seed}: {settings.kills} kills ...")
        total += _try_once(settings, say, verbose=given.verbose)
    say(
        f"{total.by_own_hand} kills at a chosen point, {total.in_start} in a start; {total.audits} audits "
        f"of {total.orders} orders and {total.executions} executions at the gateways"
    )
    say(f"{total.passed} passed, {total.failed} failed")
    return 1 if total.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
