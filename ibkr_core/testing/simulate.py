"""Plays many seeded lives of the engine against a nasty gateway, and audits each.

    python -m ibkr_core.testing.simulate --seeds 2000
    python -m ibkr_core.testing.simulate --seeds 1 --start 1234 --verbose

Each failing seed is printed with what was found; the last line is ``N passed, M failed``. It exits with 1
when a seed failed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Sequence

import attrs

from ibkr_core.testing.simulation import Finding, Outcome, Scenario, play

__all__ = ["main"]

_PROGRESS_S = 10.0


def _life(scenario: Scenario) -> Outcome:
    try:
        return play(scenario)
    except Exception:  # noqa: BLE001 - one life's crash is a finding, not the end of the others
        what = traceback.format_exc()
        return Outcome(scenario.seed, (Finding("-", f"it raised\n{what}"),), 0, 0, 0, 0, 0)


@attrs.define
class _Sums:
    passed: int = 0
    failed: int = 0
    orders: int = 0
    executions: int = 0
    faults: int = 0
    crashes: int = 0
    gaps: int = 0

    def add(self, outcome: Outcome) -> None:
        if outcome.findings:
            self.failed += 1
        else:
            self.passed += 1
        for name in ("orders", "executions", "faults", "crashes", "gaps"):
            setattr(self, name, getattr(self, name) + getattr(outcome, name))


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m ibkr_core.testing.simulate",
        description="Play seeded lives of the engine against a nasty gateway, and audit each.",
    )
    parser.add_argument("--seeds", type=int, default=200, help="how many lives (default 200)")
    parser.add_argument("--start", type=int, default=None, help="the first seed (default: by the clock)")
    parser.add_argument("--minutes", type=float, default=None, help="stop after so many minutes")
    parser.add_argument("--orders", type=int, default=50, help="orders in each life (default 50)")
    parser.add_argument("--intensity", type=float, default=0.5, help="how nasty, from 0 to 1 (default 0.5)")
    parser.add_argument("--jobs", type=int, default=1, help="processes (default 1)")
    parser.add_argument("--verbose", action="store_true", help="print a line for each life")
    return parser.parse_args(argv)


def _outcomes(scenarios: Iterable[Scenario], jobs: int) -> Iterable[Outcome]:
    if jobs <= 1:
        yield from map(_life, scenarios)
        return
    with multiprocessing.get_context("spawn").Pool(jobs) as pool:
        yield from pool.imap_unordered(_life, scenarios)


def main(argv: Sequence[str] | None = None, *, now: Callable[[], float] = time.monotonic) -> int:
    """Run the command; returns its exit code."""
    given = _arguments(argv)
    start = int(time.time()) % 1_000_000 * 10_000 if given.start is None else given.start
    began = told = now()
    sums = _Sums()
    scenarios = (
        Scenario(seed=seed, orders=given.orders, intensity=given.intensity)
        for seed in range(start, start + given.seeds)
    )
    sys.stdout.write(f"seeds {start} to {start + given.seeds - 1}, {given.orders} orders each\n")
    for outcome in _outcomes(scenarios, given.jobs):
        sums.add(outcome)
        if outcome.findings:
            lines = "".join(f"    {finding}\n" for finding in outcome.findings)
            sys.stdout.write(f"seed {outcome.seed} FAILED\n{lines}")
        elif given.verbose:
            sys.stdout.write(f"seed {outcome.seed} passed: {attrs.asdict(outcome)}\n")
        if now() - told > _PROGRESS_S:
            told = now()
            sys.stdout.write(f"... {sums.passed} passed, {sums.failed} failed so far\n")
        sys.stdout.flush()
        if given.minutes is not None and now() - began > given.minutes * 60:
            break
    sys.stdout.write(
        f"{sums.orders} orders and {sums.executions} executions at the gateway; {sums.faults} faults, "
        f"{sums.crashes} kills, {sums.gaps} lost connections\n"
        f"{sums.passed} passed, {sums.failed} failed\n"
    )
    return 1 if sums.failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
