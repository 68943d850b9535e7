"""Real `ibkr-core` processes against a real `ibkr-core gateway`: the main paths, Ctrl-C, completion."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import queue
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.system

PATIENCE_S = 120.0
"""How long a process may take before it counts as hung; no test depends on how fast it really is."""


def environment() -> dict[str, str]:
    """The environment as the test has it now, plain and wide."""
    return {**os.environ, "NO_COLOR": "1", "COLUMNS": "200", "PYTHONIOENCODING": "utf-8"}


def program(*arguments: str) -> list[str]:
    """The console script, as a user types it."""
    return [sys.executable, "-W", "error", "-c", "from _ibkr_core_command import run; run()", *arguments]


def command(*arguments: str, **more: Any) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    return subprocess.run(  # noqa: S603 - our own program
        program(*arguments),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        stdin=subprocess.DEVNULL,
        env=environment(),
        **more,
    )


class Running:
    """A process, and the lines that it prints as they come."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(  # noqa: S603 - our own program
            program(*arguments),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        self._lines: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(line.rstrip("\n"))

    def line(self) -> str:
        """The next line, when it comes."""
        return self._lines.get(timeout=PATIENCE_S)

    def told(self) -> list[str]:
        """The events that it has told so far and that were not looked at yet."""
        kinds = []
        while not self._lines.empty():
            kinds.append(json.loads(self._lines.get())["event"])
        return kinds

    def interrupt(self) -> tuple[int, str]:
        """Press Ctrl-C; return the exit code and what it said on standard error."""
        self.process.send_signal(signal.SIGINT)
        code = self.process.wait(PATIENCE_S)
        assert self.process.stderr is not None
        return code, self.process.stderr.read()

    def close(self) -> None:
        """Make sure that nothing is left."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._reader.join()
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


@contextlib.contextmanager
def running(*arguments: str) -> Iterator[Running]:
    made = Running(*arguments)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def port() -> Iterator[str]:
    """A gateway in a process of its own."""
    with running("gateway", "--port", "0", "--still", "--seed", "3") as gateway:
        found = re.search(r"127\.0\.0\.1:(\d+)", gateway.line())
        assert found is not None
        yield found[1]


def test_an_order_from_its_placing_to_the_summary(port: str, tmp_path: Path) -> None:
    """Place, look at it in each way, cancel, halt: each process alone, with the code that it should have."""
    journal = str(tmp_path / "orders.db")
    there = ("--port", port)

    def done(*arguments: str) -> Any:
        result = command(*arguments, "--json")
        assert (result.returncode, result.stderr) == (0, ""), result
        return json.loads(result.stdout)

    filled = done("place", "BUY", "10", "AAPL", "--yes", "--wait", "60", "--journal", journal, *there)
    resting = done("place", "BUY", "5", "AAPL", "--limit", "100", "--yes", "--journal", journal, *there)
    assert (filled["status"], resting["filled_quantity"]) == ("FILLED", "0")
    assert {row["order_id"] for row in done("orders", *there)} == {filled["order_id"], resting["order_id"]}
    [fill] = done("fills", *there)
    assert fill["price"] == filled["average_price"]
    [position] = done("positions", *there)
    assert (position["symbol"], position["quantity"]) == ("AAPL", "10")
    events = done("history", str(filled["order_id"]), "--journal", journal)
    assert {"SUBMISSION", "FILL"} <= {line["type"] for line in events}
    summary = done("summary", "--journal", journal)
    assert (summary["orders"], summary["volume"]) == (2, "10")
    assert done("doctor", "--journal", journal, *there)["ok"] is True
    assert done("journal", "check", journal)["is_sound"] is True
    [cancelled] = done("cancel", str(resting["order_id"]), "--journal", journal, *there)
    assert cancelled["status"] == "CANCELLED"
    assert done("halt", "enough", "--timeout", "60", "--journal", journal, *there)["confirmed"] is True
    refused = command("place", "BUY", "1", "AAPL", "--yes", "--journal", journal, *there)
    assert (refused.returncode, "trading is halted (enough)" in refused.stderr) == (4, True)
    assert done("release", "--journal", journal) == {"was_halted": True}


def test_two_owners_of_ibapi_are_found_by_their_files(tmp_path: Path) -> None:
    """Another distribution that brings the same module is found wherever Python looks for modules."""
    other = tmp_path / "other_ibapi-9.9.dist-info"
    other.mkdir()
    (other / "METADATA").write_text("Metadata-Version: 2.1\nName: other-ibapi\nVersion: 9.9\n")
    (other / "top_level.txt").write_text("ibapi\n")
    path = os.pathsep.join([str(tmp_path), *sys.path])
    result = subprocess.run(  # noqa: S603 - our own program
        program("doctor", "--offline"),
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
        env={**environment(), "PYTHONPATH": path},
    )
    assert result.returncode == 1
    assert "other-ibapi 9.9" in result.stdout
    assert "both install the module ibapi" in result.stdout


@pytest.mark.parametrize("source", ["gateway", "journal"])
def test_news_of_other_clients_are_streamed_until_ctrl_c(source: str, port: str, tmp_path: Path) -> None:
    """What another process trades comes as lines of JSON, from the gateway as from the journal."""
    journal = str(tmp_path / "orders.db")
    trade = ("place", "BUY", "1", "AAPL", "--yes", "--wait", "60", "--port", port, "--journal", journal)
    assert command(*trade).returncode == 0  # makes the journal
    look = ("--journal", journal) if source == "journal" else ("--port", port)
    with running("watch", "--json", "--every", "0.2", *look) as watching:
        kinds: list[str] = []
        while "ExecutionReceived" not in kinds:
            # It may not watch yet when the first one trades: its beginning is no news.
            assert command(*trade).returncode == 0
            kinds += watching.told()
        assert watching.interrupt() == (130, "")


def test_ctrl_c_ends_a_command_that_waits(port: str) -> None:
    """One line that says what becomes of the order, and no traceback."""
    with running(
        "place", "BUY", "1", "AAPL", "--limit", "1", "--yes", "--wait", "600", "--port", port
    ) as waiting:
        while "SUBMITTED" not in command("orders", "--port", port).stdout:
            pass
        code, said = waiting.interrupt()
    assert code == 130
    assert re.search(r"error: order \d+ was sent and stays: (PRE_)?SUBMITTED\n", said)
    assert "Traceback" not in said
    assert "SUBMITTED" in command("orders", "--open", "--port", port).stdout


def test_who_looks_does_not_wait_for_the_gateway_to_be_imported() -> None:
    """The simulated gateway is half of all imports, and only two commands need it."""
    code = (
        "import sys; from ibkr_core.cli.main import app; "
        "app(['journal', 'show', '--help'], standalone_mode=False); "
        "assert not [name for name in sys.modules if name.startswith('ibkr_core.gateway')]"
    )
    ran = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=PATIENCE_S, check=False
    )
    assert (ran.returncode, ran.stderr) == (0, "")


SLOW = """
import sys

class Slow:
    def find_spec(self, name, path, target=None):
        if name == "ibkr_core":
            print("importing", flush=True)
            sys.stdin.readline()

sys.meta_path.insert(0, Slow())
from _ibkr_core_command import run
run()
"""


def test_ctrl_c_during_the_imports_is_clean() -> None:
    """Importing takes a moment; an interrupt then is one line and 130, as at any other time."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", SLOW, "--version"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "importing\n"
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=PATIENCE_S)
    assert (process.returncode, said) == (130, "error: interrupted\n")


def test_a_job_that_ignores_ctrl_c_goes_on_ignoring_it() -> None:
    """Background jobs and nohup have it ignored before they start us."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [
            sys.executable,
            "-c",
            "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)" + SLOW,
            "--version",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        out, said = process.communicate("\n", timeout=PATIENCE_S)
    assert (process.returncode, said) == (0, "")
    assert out.startswith("ibkr-core ")


def test_who_stops_reading_is_no_error(port: str, tmp_path: Path) -> None:
    """`ibkr-core ... | head -1` ends quietly, with nothing about a broken pipe."""
    journal = str(tmp_path / "orders.db")
    command("place", "BUY", "1", "AAPL", "--yes", "--port", port, "--journal", journal)
    line = [*program("journal", "export", journal, "events", "-")]
    script = f"{' '.join(map(repr, line))} | head -1"
    shell = subprocess.run(  # noqa: S602 - our own line
        script, shell=True, capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=environment()
    )
    assert shell.stdout.startswith("number,")
    assert shell.stderr == ""


def test_the_live_table_follows_what_happens(port: str) -> None:
    """On a terminal the table is drawn, drawn again with a new order, and Ctrl-C leaves the cursor shown."""
    child, terminal = pty.fork()
    if child == 0:
        os.environ.update(environment(), TERM="xterm")
        os.execv(sys.executable, program("watch", "--every", "0.2", "--port", port))  # noqa: S606 - our own program
    try:
        shown = _until(terminal, b"no orders", b"")
        command("place", "BUY", "7", "AAPL", "--yes", "--wait", "60", "--port", port)
        shown = _until(terminal, b"FILLED", shown)
        os.kill(child, signal.SIGINT)
        shown = _until(terminal, None, shown)
    finally:
        _, status = os.waitpid(child, 0)
        os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 130
    assert b"Traceback" not in shown
    assert shown.rindex(b"\x1b[?25h") > shown.rindex(b"\x1b[?25l"), "the cursor is shown again"


def _until(terminal: int, wanted: bytes | None, shown: bytes) -> bytes:
    """Read until something was shown, or to the end."""
    while wanted is None or wanted not in shown:
        ready, _, _ = select.select([terminal], [], [], PATIENCE_S)
        assert ready, shown
        try:
            data = os.read(terminal, 65536)
        except OSError:
            data = b""
        if not data:
            assert wanted is None, shown
            return shown
        shown += data
    return shown


@pytest.mark.parametrize(
    ("words", "wanted"),
    [("ibkr-core ord", "orders"), ("ibkr-core journal ex", "export"), ("ibkr-core orders --op", "--open")],
)
def test_the_shell_completes_commands_and_options(words: str, wanted: str) -> None:
    """As bash asks for it, once `ibkr-core --install-completion` has told it how."""
    asked = {
        **environment(),
        "_IBKR_CORE_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    result = subprocess.run(  # noqa: S603 - our own program
        program(), capture_output=True, text=True, timeout=PATIENCE_S, check=False, env=asked
    )
    assert result.stdout.split() == [wanted]
