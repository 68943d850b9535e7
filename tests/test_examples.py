"""Every example in docs/examples runs as it stands, and prints what it promises."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parent.parent / "docs" / "examples"
EXAMPLES = sorted(FOLDER.glob("*.py"))

PRINTED = {
    "01_hello_order": (r"BUY 100 AAPL MKT: FILLED 100 of 100", r"told: 100 of 100 filled"),
    "02_bracket": (
        r"entry .*FILLED 100 of 100",
        r"target .*FILLED 100 of 100 at 195",
        r"stop .*CANCELLED 0 of",
    ),
    "03_oca_breakout": (r"up .*FILLED 50 of 50 at 191", r"down .*CANCELLED 0 of 50"),
    "04_scale_out": (
        r"first .*FILLED 30 of 30 at 192",
        r"stop #\d+ from 185 to 190\nstop #\d+ from 185 to 190",
    ),
    "05_async_strategy": (r"SELL 30 AAPL MKT: FILLED 30 of 30", r"told of 30 bought and 30 sold"),
    "06_options_roll": (r"ROLLED, orders \d+", r"CLOSED, orders \d+ \d+", r"still held: \[\]"),
    "07_recovery": (
        r"ended with 1",
        r"it knows the order: .*SUBMITTED 0 of 10",
        r"orders at the broker: 1\n",
    ),
    "08_own_callbacks": (r"request \d+: ask 190.0", r"BUY 10 AAPL MKT: FILLED 10 of 10"),
}
"""What each has to print; callbacks on other threads may print at any moment."""


def test_every_example_is_known_and_listed() -> None:
    """A new one without expectations, or one that nobody finds, would be left alone."""
    assert {path.stem for path in EXAMPLES} == set(PRINTED)
    listed = (FOLDER / "README.md").read_text("utf-8")
    assert [path.name for path in EXAMPLES] == re.findall(r"\]\((\w+\.py)\)", listed)


@pytest.mark.system
@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_runs(path: Path, tmp_path: Path) -> None:
    """In a folder of its own, with warnings as errors: it ends well and leaves nothing behind."""
    done = subprocess.run(  # noqa: S603 - our own example
        [sys.executable, "-W", "error", str(path)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONDEVMODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    for wanted in PRINTED[path.stem]:
        assert re.search(wanted, done.stdout), done.stdout
    assert not any(tmp_path.iterdir())
