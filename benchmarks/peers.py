"""The clients of others, each in an environment of its own under ``.bench/peers``.

An environment is made the first time that it is needed and kept; delete ``.bench`` to make them again.
"""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import venv
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import attrs

__all__ = ["CACHE", "PEERS", "ROOT", "Peer", "PeerUnavailable", "Place", "python_of", "ready_peers"]

ROOT: Final = Path(__file__).parent.parent
CACHE: Final = ROOT / ".bench"
"""What the benchmarks keep from run to run."""

_DONE: Final = "installed.txt"


class PeerUnavailable(Exception):
    """Its environment could not be made."""


@attrs.frozen
class Peer:
    """A client to compare with.

    Attributes:
        name: As tables show it.
        requirements: All that its environment gets; nothing is added.
        program: The module under ``benchmarks.programs`` that drives it.
        lowest: The lowest protocol version that it speaks here.
        newest: The newest.
    """

    name: str
    requirements: tuple[str, ...]
    program: str
    lowest: int
    newest: int

    def speaks(self, version: int) -> bool:
        """Whether it can take part at a protocol version."""
        return self.lowest <= version <= self.newest

    @property
    def folder(self) -> Path:
        """Where its environment lies."""
        return CACHE / "peers" / self.requirements[0].replace("==", "-")


def _protobuf() -> str:
    """The protobuf that we run with: the same for all, or the comparison would be one of protobufs."""
    return f"protobuf=={importlib.metadata.version('protobuf')}"


def _official(name: str, requirement: str, newest: int) -> Peer:
    return Peer(name, (requirement, _protobuf()), "official", 100, newest)


_IB_ASYNC: Final = (
    "ib_async==2.1.0",
    "aeventkit==2.1.0",
    "nest-asyncio==1.6.0",
    "numpy>=1.26",
    "tzdata>=2024.1",
)

PEERS: Final[Mapping[str, Peer]] = MappingProxyType(
    {
        peer.name: peer
        for peer in (
            _official("ibapi 10.51", "ibapi-latest==10.51.1", 226),
            _official("ibapi 10.50", "ibapi-stable==10.50.2", 226),
            _official("nautilus-ibapi", "nautilus-ibapi==10.46.1", 225),
            _official("ibapi 9.81", "ibapi==9.81.1.post1", 157),
            Peer("ib_async", _IB_ASYNC, "asynchronous", 157, 178),
        )
    }
)
"""By name."""


@attrs.frozen
class Place:
    """An environment that is made when it is first needed, and again when it shall hold something else.

    Attributes:
        folder: Where it lies.
        wanted: What it shall hold; written into it when it does.
    """

    folder: Path
    wanted: str

    @property
    def python(self) -> Path:
        """Its Python."""
        return self.folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")

    @property
    def is_ready(self) -> bool:
        """Whether it holds what it shall hold."""
        done = self.folder / _DONE
        return done.exists() and done.read_text(encoding="utf-8") == self.wanted

    def make(self) -> None:
        """Make it anew, empty."""
        (self.folder / _DONE).unlink(missing_ok=True)
        venv.create(self.folder, clear=True, with_pip=True)

    def install(self, *words: str, **variables: str) -> None:
        """Let its pip install something.

        Args:
            *words: What follows ``pip install``.
            **variables: Of the environment, beside those that are set.

        Raises:
            PeerUnavailable: It could not, for example without a network.
        """
        command = [str(self.python), "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        outcome = subprocess.run(  # noqa: S603 - our own words
            [*command, *words], capture_output=True, text=True, check=False, env={**os.environ, **variables}
        )
        if outcome.returncode:
            raise PeerUnavailable(outcome.stderr.strip()[-500:])

    def finish(self) -> None:
        """Note that it is ready."""
        (self.folder / _DONE).write_text(self.wanted, encoding="utf-8")


def python_of(peer: Peer) -> Path:
    """Return the Python of a peer's environment, which is made if it is not there.

    Raises:
        PeerUnavailable: It cannot be made, for example without a network.
    """
    place = Place(peer.folder, "\n".join((sys.version, *peer.requirements)))
    if not place.is_ready:
        place.make()
        # nautilus-ibapi asks for a newer Python than its code needs.
        more = ["--ignore-requires-python"] if peer.name == "nautilus-ibapi" else []
        place.install("--no-deps", *more, *peer.requirements)
        place.finish()
    return place.python


def ready_peers(names: Iterable[str]) -> tuple[dict[str, Path], dict[str, str]]:
    """Make the environments of some peers; returns their Pythons, and why others are missing."""
    pythons: dict[str, Path] = {}
    missing: dict[str, str] = {}
    for name in names:
        try:
            pythons[name] = python_of(PEERS[name])
        except PeerUnavailable as error:
            missing[name] = str(error)
    return pythons, missing
