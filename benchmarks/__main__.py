"""What the engine costs, against its peers in the same run.

    python -m benchmarks throughput|latency|submit|scale|recovery|memory [--quick] [--json FILE]
    python -m benchmarks gateway

Each of them takes ``--help``.
"""

from __future__ import annotations

import importlib
import sys

MEASURES = ("throughput", "latency", "submit", "scale", "recovery", "memory", "gateway")


def main() -> None:
    """Run one measure."""
    name = sys.argv[1] if len(sys.argv) > 1 else ""
    if name not in MEASURES:
        raise SystemExit(__doc__)
    importlib.import_module(f"benchmarks.{name}").main(sys.argv[2:])


if __name__ == "__main__":
    main()
