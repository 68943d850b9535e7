"""The README's promises that can be run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"


def program() -> str:
    """Return the README's first whole program."""
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return next(block for block in blocks if "SimulatedGateway" in block)


@pytest.mark.system
def test_the_program_runs_and_says_what_it_should() -> None:
    """The README's program trades against the embedded gateway and prints a filled and a cancelled order."""
    result = subprocess.run(  # noqa: S603 - our own README
        [sys.executable, "-c", program()], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    # Lines of the two threads may run into each other; the texts themselves are written in one piece.
    assert re.search(r"BUY 50 AAPL MKT: FILLED 50 of 50 at 190(?![\d.])", result.stdout), result.stdout
    assert "BUY 10 AAPL LMT 151.00: CANCELLED 0 of 10" in result.stdout
    assert "filled 50" in result.stdout


def test_the_program_is_short() -> None:
    """The README promises about twenty lines: blank lines apart, it stays near that."""
    assert len([line for line in program().splitlines() if line.strip()]) <= 20


@pytest.mark.parametrize("link", re.findall(r"\]\((?!http)([^)#]+)\)", README.read_text(encoding="utf-8")))
def test_links_lead_somewhere(link: str) -> None:
    """Every relative link of the README names a file that exists."""
    assert (README.parent / link).exists()
