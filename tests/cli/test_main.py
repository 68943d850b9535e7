"""The command as its users meet it: in a process of its own, and through typer's runner."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer import Context
from typer.main import get_command
from typer.testing import CliRunner

from ibkr_core._version import __version__
from ibkr_core.cli import main, simulated
from ibkr_core.cli.codes import exit_code
from ibkr_core.cli.demo import DemoSetup, run_demo
from ibkr_core.engine import Engine
from ibkr_core.errors import ConnectionFailed
from ibkr_core.logs import read_events

PATIENCE_S = 120.0
"""How long a process may take before it counts as hung; no test depends on how fast it really is."""

PLAIN = {**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"}
PLAIN.pop("FORCE_COLOR", None)


def command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run ``python -m ibkr_core`` as a user does."""
    return subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-W", "error", "-m", "ibkr_core", *arguments],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env=PLAIN,
        **more,
    )


def failing_demo(error: BaseException) -> Any:
    """Make a ``run_demo`` that raises."""

    def run(setup: DemoSetup, screen: object) -> None:
        raise error

    return run


# ── help and version ────────────────────────────────────────────────────────────────────────────────


def test_the_help_names_every_command_and_option() -> None:
    """Each command's help has each of its options, and a text that says more than the name."""
    runner = CliRunner()
    group = get_command(main.app)
    shown = runner.invoke(main.app, ["--help"], terminal_width=80)
    assert shown.exit_code == 0
    context = Context(group)
    commands = {name: group.get_command(context, name) for name in group.list_commands(context)}
    trading = "orders fills positions history summary watch doctor place cancel halt release journal"
    assert set(commands) == {"demo", "gateway", *trading.split()}
    inner = commands["journal"].commands
    assert set(inner) == {"show", "check", "export"}
    singles = [(name, one) for name, one in commands.items() if name != "journal"]
    for name, one in [("", group), *singles, *((f"journal {name}", one) for name, one in inner.items())]:
        text = runner.invoke(main.app, [*name.split(), "--help"], terminal_width=80).output
        options = {option for parameter in one.params for option in parameter.opts}
        assert options >= {"--debug"}
        for option in options - {"context"}:
            is_argument = not option.startswith("-")
            assert is_argument or option in text, (name, option)
        assert len(one.help) > 60
    for name in commands:
        assert name in shown.output


def test_the_version_is_the_packages() -> None:
    """It is told without a command."""
    result = CliRunner().invoke(main.app, ["--version"])
    assert result.exit_code == 0
    assert re.fullmatch(rf"ibkr-core {re.escape(__version__)} \(Python 3\.\S+\)\n", result.output)


def test_without_a_command_the_help_is_shown() -> None:
    """A newcomer who types only the name learns what to type next."""
    result = CliRunner().invoke(main.app, [])
    assert "ibkr-core demo" in result.output


# ── the demo ────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.system
def test_the_demo_passes_in_a_process_of_its_own() -> None:
    """Exit code 0, nothing on standard error, no line longer than 80 columns, no colour in a pipe."""
    ran = command("demo", "--seed", "3")
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[-1].startswith("demo passed")
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in ran.stdout


@pytest.mark.system
def test_the_demo_as_json_is_one_object_and_nothing_else(tmp_path: Path) -> None:
    """A machine can read the whole output; the event log is written beside it."""
    ran = command("demo", "--json", "--server-version", "176", "--log-dir", str(tmp_path / "new" / "logs"))
    assert (ran.returncode, ran.stderr) == (0, "")
    said = json.loads(ran.stdout)
    assert said["ok"] is True
    assert said["books_agree"] is True
    assert said["problems"] == []
    assert said["server_version"] == 176
    assert [step["ok"] for step in said["steps"]] == [True] * 5
    assert len(said["orders"]) == 9
    assert said["log_lines"] == len(list(read_events(tmp_path / "new" / "logs")))


@pytest.mark.system
def test_the_demo_exits_with_1_when_something_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """With an engine that lies, the same command says what differs and fails, in words and as JSON."""

    class Lying(Engine):
        def fills(self) -> Any:
            return super().fills()[1:]

    def lie(setup: DemoSetup, screen: Any) -> Any:
        return run_demo(DemoSetup(seed=setup.seed, make_engine=Lying), screen)

    monkeypatch.setattr(simulated, "run_demo", lie)
    result = CliRunner().invoke(main.app, ["demo"])
    assert result.exit_code == 1
    assert "missing in the engine" in " ".join(result.output.split())
    assert "demo FAILED" in result.output
    result = CliRunner().invoke(main.app, ["demo", "--json"])
    assert result.exit_code == 1
    said = json.loads(result.output)
    assert said["ok"] is False
    assert any("missing in the engine" in problem for problem in said["problems"])


# ── errors ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (ConnectionFailed("no gateway\nat the port"), "error: no gateway at the port\n"),
        (PermissionError(13, "Permission denied"), "error: Permission denied\n"),
        (PermissionError(13, "Permission denied", "a.csv"), "error: a.csv: Permission denied\n"),
        (ZeroDivisionError(), "error: ZeroDivisionError\n"),
    ],
)
def test_an_error_is_one_line_and_its_exit_code(
    error: BaseException, line: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, and nothing on standard output."""
    monkeypatch.setattr(simulated, "run_demo", failing_demo(error))
    result = CliRunner().invoke(main.app, ["demo"])
    assert (result.exit_code, result.stderr, result.stdout) == (exit_code(error), line, "")


@pytest.mark.parametrize("arguments", [["--debug", "demo"], ["demo", "--debug"]])
def test_debug_shows_the_whole_error(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Its traceback comes first, wherever the option stands; the line and the exit code are the same."""
    error = ConnectionFailed("no gateway")
    monkeypatch.setattr(simulated, "run_demo", failing_demo(error))
    result = CliRunner().invoke(main.app, arguments)
    assert result.stderr.startswith("Traceback (most recent call last):")
    assert "ConnectionFailed: no gateway\n" in result.stderr
    assert result.stderr.endswith("error: no gateway\n")
    assert (result.exit_code, result.stdout) == (exit_code(error), "")


def test_ctrl_c_is_one_line_and_exit_code_130(monkeypatch: pytest.MonkeyPatch) -> None:
    """An interrupted command says so and nothing more."""
    monkeypatch.setattr(simulated, "run_demo", failing_demo(KeyboardInterrupt()))
    result = CliRunner().invoke(main.app, ["demo"])
    assert (result.exit_code, result.stderr) == (130, "error: interrupted\n")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["demos"], "No such command"),
        (["demo", "--sed", "1"], "No such option"),
        (["demo", "--seed", "x"], "--seed"),
        (["demo", "--server-version", "9"], "9 is not between 142 and "),
        (["gateway", "--server-version", "999"], "999 is not between 142 and "),
        (["gateway", "--port", "70000"], "--port"),
    ],
)
def test_wrong_usage_is_explained(arguments: list[str], words: str) -> None:
    """Exit code 2, and a text that names what is wrong."""
    result = CliRunner().invoke(main.app, arguments)
    assert result.exit_code == 2
    assert words in " ".join(result.output.replace("│", " ").split())
    assert "Traceback" not in result.output


@pytest.mark.system
def test_a_log_folder_that_is_a_file_is_refused(tmp_path: Path) -> None:
    """A wrong argument is said before anything is started."""
    path = tmp_path / "file"
    path.write_text("")
    result = CliRunner().invoke(main.app, ["demo", "--log-dir", str(path)])
    assert result.exit_code == 2
    assert "--log-dir" in result.output
