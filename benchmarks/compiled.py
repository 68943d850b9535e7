"""The engine compiled to C, in an environment of its own: the same sources, another contestant.

``IBKR_CORE_COMPILE=1 pip install`` of a copy of the tree's sources, with the same versions of everything that
the engine needs as the benchmarks run with themselves. It is made again when a source has changed.
"""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.machinery import EXTENSION_SUFFIXES
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from benchmarks.peers import CACHE, ROOT, PeerUnavailable, Place

__all__ = [
    "FOLDER",
    "HOT",
    "compiled_python",
    "compiler",
    "fingerprint",
    "lead_to_programs",
    "sources",
    "why_not",
]

FOLDER: Final = CACHE / "peers" / "compiled"
HOT: Final = "ibkr_core.lifecycle.express"
"""Where this is compiled, the rest of the hot path is."""

_SETUP: Final = "setup.py"
_ABOUT: Final = ("pyproject.toml", "setup.cfg", "README.md", "LICENSE", "_ibkr_core_command.py")
_ASK: Final = (
    f"import sysconfig; print(sysconfig.get_path('purelib')); import {HOT} as it; print(it.__file__)"
)


def sources(root: Path) -> list[Path]:
    """Return what is installed and what it is built by, relative to the root; nothing that was built."""
    found = [path for path in (root / "ibkr_core").rglob("*") if path.suffix in {".py", ".pyi", ".typed"}]
    found += [root / name for name in (_SETUP, *_ABOUT)]
    return sorted(path.relative_to(root) for path in found if path.is_file())


def fingerprint(root: Path) -> str:
    """Return what changes whenever a source does."""
    whole = hashlib.sha256()
    for path in sources(root):
        data = (root / path).read_bytes()
        whole.update(f"{path.as_posix()} {len(data)}\n".encode() + data)
    return whole.hexdigest()


def compiler() -> str | None:
    """Return the C compiler that Python would call, or None where there is none.

    On Windows the build itself finds its compiler: there this is just a name.
    """
    if sys.platform == "win32":
        return "cl"
    words = (os.environ.get("CC") or sysconfig.get_config_var("CC") or "cc").split()
    return shutil.which(words[0])


def why_not(root: Path) -> str:
    """Return why there can be no compiled engine, empty where there can be one."""
    if not (root / _SETUP).exists():
        return f"this version of the engine cannot be compiled: it has no {_SETUP}"
    if compiler() is None:
        return "there is no C compiler: install one (gcc or clang), or name it in CC"
    return ""


def compiled_python(root: Path = ROOT, folder: Path = FOLDER) -> Path:
    """Return the Python of an environment with the compiled engine, which is made if it must be.

    That Python finds :mod:`benchmarks` in the root, but the engine in its own environment.

    Raises:
        PeerUnavailable: It cannot be made; the message says why.
    """
    if reason := why_not(root):
        raise PeerUnavailable(reason)
    wanted = [sys.version, *_versions(), fingerprint(root)]
    place = Place(folder, "\n".join(wanted))
    if not place.is_ready and (reason := _make(place, root)):
        raise PeerUnavailable(reason)
    return place.python


@functools.cache  # who fails takes minutes to do so, and every measure asks
def _make(place: Place, root: Path) -> str:
    print("compiling the engine, which takes some minutes", file=sys.stderr, flush=True)
    try:
        place.make()
        with TemporaryDirectory(prefix="ibkr-core-bench-") as name:
            copy = Path(name) / "source"
            for path in sources(root):
                (copy / path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(root / path, copy / path)
            pins = Path(name) / "pins.txt"
            pins.write_text("\n".join(_versions()), encoding="utf-8")
            place.install("--constraint", str(pins), str(copy), IBKR_CORE_COMPILE="1")
        site, file = _ask(place.python)
        if not file.endswith(tuple(EXTENSION_SUFFIXES)):
            return f"it was built, but not compiled: {HOT} is {file}"
        lead_to_programs(Path(site), root)
        place.finish()
    except PeerUnavailable as error:
        return f"it could not be built: {error}"
    return ""


def lead_to_programs(site: Path, root: Path) -> None:
    """Let an environment find the root's :mod:`benchmarks`, but the engine of its own.

    Args:
        site: Where its packages lie.
        root: Of the tree; what a path file adds is searched after what is installed.
    """
    (site / "benchmarks.pth").write_text(f"{root}\n", encoding="utf-8")


def _ask(python: Path) -> tuple[str, str]:
    """Return where its packages lie, and from where it imports a hot module."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    outcome = subprocess.run(  # noqa: S603 - our own words
        [str(python), "-P", "-c", _ASK], capture_output=True, text=True, check=False, env=clean
    )
    if outcome.returncode:
        raise PeerUnavailable(outcome.stderr.strip()[-500:])
    site, file = outcome.stdout.splitlines()
    return site, file


def _versions() -> list[str]:
    """Return the versions of all that is installed here but ourselves."""
    installed = {its.name: its.version for its in importlib.metadata.distributions()}
    return sorted(f"{name}=={version}" for name, version in installed.items() if name != "ibkr-core")
