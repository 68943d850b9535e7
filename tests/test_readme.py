"""The README's promises that can be run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from ibkr_core.cli import main
from ibkr_core.cli.rows import FILL_COLUMNS, ORDER_COLUMNS
from ibkr_core.engine import Engine
from ibkr_core.gateway import SimulatedGateway

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


COMMANDS = re.findall(
    r"^\$ (?:\.venv/bin/)?ibkr-core (.+)$", README.read_text(encoding="utf-8"), re.MULTILINE
)


def test_the_readme_shows_commands() -> None:
    """Those that a newcomer needs are among them: an empty list would prove nothing below."""
    assert {line.split()[0] for line in COMMANDS} >= {"demo", "gateway", "doctor", "watch"}


@pytest.mark.parametrize("line", COMMANDS)
def test_a_command_that_is_shown_exists(line: str) -> None:
    """Its name and its options are those of the program."""
    group = get_command(main.app)
    name, *arguments = line.split()
    command = group.get_command(Context(group), name)
    assert command is not None
    known = {option for parameter in command.params for option in parameter.opts}
    assert {one for one in arguments if one.startswith("--")} <= known


@pytest.mark.system
def test_what_the_doctor_is_shown_to_look_at_is_what_it_looks_at(tmp_path: Path) -> None:
    """The README's picture has the lines of a real run, check by check; the watched table has its titles."""
    text = README.read_text(encoding="utf-8")
    [shown] = re.findall(r"\$ ibkr-core doctor.*?\n(.*?)```", text, re.DOTALL)
    with Engine(1, journal=tmp_path / "orders.db"):
        pass
    with SimulatedGateway() as gateway:
        place = ["--port", str(gateway.port), "--journal", str(tmp_path / "orders.db")]
        found = CliRunner().invoke(main.app, ["doctor", *place])
        looked = CliRunner().invoke(main.app, ["watch", "--once", "--port", str(gateway.port)])
    assert [line[5:18] for line in shown.splitlines()] == [line[5:18] for line in found.stdout.splitlines()]
    [table] = re.findall(r"\$ ibkr-core watch\n(.*?)```", text, re.DOTALL)
    assert table.splitlines()[0].split("  ")[1:3] == looked.stdout.splitlines()[0].split("  ")[1:3]
    titles = {column.title for column in (*ORDER_COLUMNS, *FILL_COLUMNS)} - {""}
    heads = [line for line in table.splitlines() if line.startswith(("#", "Time"))]
    assert {word for line in heads for word in re.split(r"\s{2,}", line)} <= titles
