"""What the engine costs, against its peers in the same run.

    python -m benchmarks throughput|latency|submit|scale|recovery|memory [--quick] [--json FILE]
    python -m benchmarks profile|gateway
    python -m benchmarks all FOLDER [--quick|--short] [--measures A,B] [--docs FILE]
    python -m benchmarks targets FOLDER [--docs FILE]
    python -m benchmarks micro

Each of them takes ``--help``. Plots and ``micro`` need the ``bench`` extra: ``make bench ARGS="latency
--quick"`` installs it. The first run makes the environments of the peers, and compiles the engine where there
is a C compiler; they stay in ``.bench``.
"""

from __future__ import annotations

import importlib
import subprocess
import sys

from benchmarks import targets
from benchmarks.peers import ROOT

MEASURES = ("throughput", "latency", "submit", "scale", "recovery", "memory", "profile", "gateway")


def main() -> None:
    """Run one measure."""
    name, rest = (sys.argv[1], sys.argv[2:]) if len(sys.argv) > 1 else ("", [])
    if name == "micro":
        command = [sys.executable, "-m", "pytest", str(ROOT / "benchmarks" / "micro"), *rest]
        raise SystemExit(subprocess.call(command, cwd=ROOT))  # noqa: S603 - our own words
    if name in ("all", "targets"):
        targets.main(rest, run_first=name == "all")
        return
    if name not in MEASURES:
        raise SystemExit(__doc__)
    importlib.import_module(f"benchmarks.{name}").main(rest)


if __name__ == "__main__":
    main()
