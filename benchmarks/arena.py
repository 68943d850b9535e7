"""One run of one contestant: its own process, against a sender in a process of its own, over loopback TCP."""

from __future__ import annotations

import array
import contextlib
import json
import os
import selectors
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import attrs

from benchmarks.compiled import compiled_python
from benchmarks.peers import PEERS, ROOT, PeerUnavailable, ready_peers

__all__ = [
    "COMPILED",
    "OURS",
    "OURS_FOUR",
    "Contestant",
    "Duel",
    "Failed",
    "Field",
    "Run",
    "compiled",
    "contest",
    "duel",
]

_FAR_S: Final = 600.0
_PATIENCE_S: Final = 5.0


class Failed(Exception):
    """A contestant did not come to its end."""


@attrs.frozen
class Contestant:
    """Who runs.

    Attributes:
        name: As tables show it.
        python: The interpreter of its environment.
        program: A module under ``benchmarks.programs``.
        task: What its program is told beside the port and the protocol version.
        lowest: The lowest protocol version that it speaks.
        newest: The newest.
        is_installed: Whether the engine that it imports is the one of its environment, not that of this tree.
    """

    name: str
    python: Path
    program: str
    task: Mapping[str, Any] = attrs.Factory(dict)
    lowest: int = 100
    newest: int = 226
    is_installed: bool = False

    def given(self, **more: Any) -> Contestant:
        """Return the same one with more in its task."""
        return attrs.evolve(self, task={**self.task, **more})


OURS: Final[Mapping[str, Contestant]] = MappingProxyType(
    {
        one.name: one
        for one in (
            Contestant("ours", Path(sys.executable), "engine"),
            Contestant("ours + journal", Path(sys.executable), "engine", {"journal": True}),
            Contestant("ours, looking", Path(sys.executable), "engine", {"look": True}),
            Contestant("ours, growing", Path(sys.executable), "growing"),
            Contestant("ours, restarting", Path(sys.executable), "restarting"),
            Contestant("floor", Path(sys.executable), "floor"),
            Contestant("floor, cut only", Path(sys.executable), "floor", {"cut": True}),
        )
    }
)
"""What needs no environment of its own, by name."""

_ENGINES: Final = frozenset({"engine", "growing", "restarting"})


def compiled(name: str) -> str:
    """Return the name of a contestant of ours when it is compiled."""
    return name.replace("ours", "ours, compiled", 1)


COMPILED: Final[Mapping[str, str]] = MappingProxyType(
    {compiled(one.name): one.name for one in OURS.values() if one.program in _ENGINES}
)
"""Names of contestants whose engine is compiled, and of those that they are otherwise the same as."""

OURS_FOUR: Final = ("ours", "ours + journal", "ours, compiled", "ours, compiled + journal")
"""The engine as users have it."""


@attrs.frozen
class Field:
    """Who takes part.

    Attributes:
        contestants: By name.
        missing: Why others are not there.
    """

    contestants: Mapping[str, Contestant]
    missing: Mapping[str, str]

    @classmethod
    def gather(cls, names: tuple[str, ...]) -> Field:
        """Find these contestants, and make environments for those that need one."""
        pythons, missing = ready_peers(name for name in names if name in PEERS)
        found = {}
        for name in names:
            if name in OURS:
                found[name] = OURS[name]
            elif name in COMPILED:
                try:
                    found[name] = attrs.evolve(
                        OURS[COMPILED[name]], name=name, python=compiled_python(), is_installed=True
                    )
                except PeerUnavailable as error:
                    missing[name] = str(error)
            elif name in pythons:
                peer = PEERS[name]
                found[name] = Contestant(name, pythons[name], peer.program, {}, peer.lowest, peer.newest)
            elif name not in missing:
                raise SystemExit(f"nobody is called {name!r}: {'; '.join((*OURS, *COMPILED, *PEERS))}")
        return cls(found, missing)

    def at(self, version: int) -> dict[str, Contestant]:
        """Return those that speak a protocol version.

        The newest one stands for each peer's own newest from the first protobuf versions on: the bytes of
        the messages here do not differ between them.
        """
        return {
            name: one
            for name, one in self.contestants.items()
            if one.lowest <= version and (version <= one.newest or one.newest > 200 <= version)
        }


@attrs.frozen
class Run:
    """What came of a run.

    Attributes:
        seconds: From the moment before the stream's first byte to the handling of its end mark.
        cpu_s: CPU seconds of the contestant's process meanwhile, all threads together.
        answer: All that its program reported.
        stamps: For a paced stream the moment before each frame, in nanoseconds.
        orders: How many orders its sender received.
    """

    seconds: float
    cpu_s: float
    answer: Mapping[str, Any]
    stamps: array.array[int]
    orders: int


class _Process:
    """A program that speaks JSON lines."""

    def __init__(self, command: list[str], errors: Path, environment: Mapping[str, str]) -> None:
        self.name = command[2]
        self._errors = errors
        pipe = subprocess.PIPE
        with errors.open("wb") as sink:
            self._process = subprocess.Popen(  # noqa: S603 - our own modules
                command,
                stdin=pipe,
                stdout=pipe,
                stderr=sink,
                cwd=ROOT,
                env=environment,
            )
        self._rest = b""

    def tell(self, values: Mapping[str, Any]) -> None:
        """Write one line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(values).encode() + b"\n")
        self._process.stdin.flush()

    def hear(self) -> dict[str, Any]:
        """Read one line; raises when none comes."""
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            while b"\n" not in self._rest:
                if not selector.select(_FAR_S):
                    raise Failed(f"{self.name} says nothing any more")
                data = os.read(self._process.stdout.fileno(), 1 << 16)
                if not data:
                    raise Failed(f"{self.name} ended: {self._errors.read_text(errors='replace')[-2000:]}")
                self._rest += data
        line, _, self._rest = self._rest.partition(b"\n")
        values: dict[str, Any] = json.loads(line)
        return values

    def await_death(self) -> None:
        """Wait until it has died, of whatever."""
        self._process.wait(_FAR_S)

    def leave(self) -> None:
        """Let it come to its end by itself, however long that takes; raises when it does not."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        if code := self._process.wait(_FAR_S):
            raise Failed(f"{self.name} ended with {code}: {self._errors.read_text(errors='replace')[-2000:]}")

    def end(self) -> None:
        """See it out."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(10.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process.stdout.close()


def _environment(*, is_installed: bool) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    # A safe path is one without the working directory, where the tree's own engine would be found first.
    return {**kept, "PYTHONSAFEPATH": "1"} if is_installed else {**kept, "PYTHONPATH": str(ROOT)}


@contextlib.contextmanager
def _process(command: list[str], folder: Path, *, is_installed: bool = False) -> Iterator[_Process]:
    process = _Process(command, folder / f"{command[2]}.err", _environment(is_installed=is_installed))
    try:
        yield process
    finally:
        process.end()


class Duel:
    """A contestant and its sender, both running.

    Args:
        sender: The sender's process.
        contestant: The contestant's.
        folder: For files that pass between them.
    """

    def __init__(self, sender: _Process, contestant: _Process, folder: Path) -> None:
        self._sender = sender
        self._contestant = contestant
        self.folder = folder

    def hear(self) -> dict[str, Any]:
        """Wait for what the contestant says next."""
        return self._contestant.hear()

    def ask(self, **command: Any) -> dict[str, Any]:
        """Tell the contestant to do something and return its answer."""
        self._contestant.tell(command)
        return self._contestant.hear()

    def send(self, stream: Path, rate: float = 0.0) -> float:
        """Let the sender send a stream and its end mark; returns the moment before the first byte."""
        self._sender.tell({"send": str(stream), "rate": rate, "stamps": str(self.folder / "stamps")})
        began: float = self._sender.hear()["began"]
        return began

    def begin_send(self, stream: Path) -> None:
        """Let the sender send a stream, and do not wait: for who dies of it."""
        self._sender.tell({"send": str(stream), "rate": 0.0, "stamps": ""})

    def leave(self) -> None:
        """Tell the contestant that nothing more comes, and wait until it has ended in order.

        Raises:
            Failed: It did not.
        """
        self._contestant.leave()

    def await_death(self) -> None:
        """Wait until the contestant has died, of whatever."""
        self._contestant.await_death()

    def stamps(self) -> array.array[int]:
        """Return the moments before each frame of a paced stream, in nanoseconds."""
        stamps = array.array("Q")
        stamps.frombytes((self.folder / "stamps").read_bytes())
        return stamps

    def orders(self, wanted: int = 0) -> int:
        """Return how many orders the sender has, with patience for those that it has yet to read."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            self._sender.tell({"count": True})
            orders: int = self._sender.hear()["orders"]
            if orders >= wanted or time.monotonic() > deadline:
                return orders
            time.sleep(_PATIENCE_S / 100)


@contextlib.contextmanager
def duel(one: Contestant, version: int, **task: Any) -> Iterator[Duel]:
    """Start a contestant against a sender of its own.

    Args:
        one: Who.
        version: The protocol version of the session; a peer's own newest one where that is lower.
        **task: What its program is told beside its own task.
    """
    version = min(version, one.newest)
    with tempfile.TemporaryDirectory(prefix="ibkr-core-bench-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        sender = stack.enter_context(
            _process([sys.executable, "-m", "benchmarks.sender", str(version)], folder)
        )
        about = {"port": sender.hear()["port"], "version": version, "compiled": one.is_installed}
        words = json.dumps({**about, **one.task, **task})
        command = [str(one.python), "-m", f"benchmarks.programs.{one.program}", words]
        contestant = stack.enter_context(_process(command, folder, is_installed=one.is_installed))
        yield Duel(sender, contestant, folder)


def contest(one: Contestant, version: int, stream: Path | None, *, rate: float = 0.0, **task: Any) -> Run:
    """Run a contestant once.

    Args:
        one: Who.
        version: As for :func:`duel`.
        stream: What is sent once it is ready. None where it only places orders.
        rate: Messages a second, or 0 for as fast as TCP takes them.
        **task: As for :func:`duel`.

    Raises:
        Failed: It did not come to its end, or its end was wrong.
    """
    with duel(one, version, **task) as both:
        began = 0.0
        if stream is not None:
            both.hear()
            began = both.send(stream, rate)
        answer = both.hear()
        orders = both.orders(task.get("orders", 0) if stream is None else 0)
        stamps = both.stamps() if rate else array.array("Q")
    return Run(answer.get("at", 0.0) - began, answer.get("cpu_s", 0.0), answer, stamps, orders)
