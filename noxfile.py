"""Sessions that need environments of their own: ``nox -l`` lists them, ``nox -R`` skips the installs."""

from __future__ import annotations

import configparser
import importlib.util
import json
import os
import re
import shutil
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4"
nox.options.reuse_venv = "yes"

IBAPIS = ("ibapi==9.81.1.post1", "nautilus-ibapi==10.46.1", "ibapi-stable==10.50.2", "ibapi-latest==10.51.1")
"""The supported official clients. All of them install the module ``ibapi``: one environment each."""

TEST_TOOLS = ("pytest", "hypothesis")
"""The part of the ``dev`` extra that tests import."""

COMPILERS = ("mypy", "setuptools", "types-protobuf")
"""The part of the ``dev`` extra that compiles."""

MATRIX_TESTS = ("-m", "matrix", "--hypothesis-profile=matrix")
"""What runs once per ibapi: tests marked ``matrix`` and the folders that ``tests/conftest.py`` names."""

PEERS_HOME = Path("tests/interop/requirements")
"""What each peer of the interop tests installs: requirements, or a folder for npm."""

PEERS = sorted(entry.name.removesuffix(".txt") for entry in PEERS_HOME.iterdir())
"""The clients of others that trade on our gateway, each with its version in its name."""

OWNERS = """
import importlib.metadata as metadata, json
owners = sorted(set(metadata.packages_distributions().get("ibapi", [])))
print(json.dumps([owner.lower().replace("_", "-") + "==" + metadata.version(owner) for owner in owners]))
"""
"""Prints, as JSON, the distributions that own the module ``ibapi`` in an environment."""


COMPILED_TESTS = ("engine", "journal", "lifecycle", "link", "model", "testing", "wire")
"""The folders of tests that run on the compiled modules too."""

IS_COMPILED = """
from ibkr_core import guardedbook, orderdesk
from ibkr_core.lifecycle import express
from ibkr_core.link import inbound
for module in (guardedbook, orderdesk, express, inbound):
    assert not module.__file__.endswith(".py"), module.__file__
"""


def requirements(section: str, option: str) -> dict[str, str]:
    """Return the requirements that setup.cfg lists there, by normalised name."""
    config = configparser.ConfigParser()
    config.read("setup.cfg", encoding="utf-8")
    lines = config[section][option].split("\n")
    return {name(line): line.strip() for line in lines if line.strip()}


def name(requirement: str) -> str:
    """Return the normalised distribution name of a requirement such as ``Some_Name>=1.2``."""
    found = re.match(r"[\w.-]+", requirement.strip())
    if found is None:
        raise ValueError(f"no requirement: {requirement!r}")
    return re.sub(r"[-_.]+", "-", found[0]).lower()


@nox.session
@nox.parametrize("ibapi", [nox.param(ibapi, id=ibapi.replace("==", "-")) for ibapi in IBAPIS])
def matrix(session: nox.Session, ibapi: str) -> None:
    """Run the tests that touch the official client, with one of its releases."""
    others = {name(other) for other in IBAPIS}
    runtime = [line for key, line in requirements("options", "install_requires").items() if key not in others]
    dev = requirements("options.extras_require", "dev")
    session.install("--quiet", *runtime, *(dev[tool] for tool in TEST_TOOLS))
    # pytest finds the project in its root. Installing it writes there, and sessions may run side by side.
    session.install("--quiet", "--no-deps", ibapi)
    answer = session.run("python", "-c", OWNERS, silent=True, log=False)
    if answer is not None:  # None: nox -R --install-only and the like run nothing
        owners = json.loads(answer)
        if owners != [ibapi]:
            session.error(
                f"the module ibapi must come from {ibapi} alone, not from {owners}; delete .nox and try again"
            )
    session.run("python", "-m", "pytest", *MATRIX_TESTS, *session.posargs)


@nox.session
@nox.parametrize("peer", [nox.param(peer, id=peer) for peer in PEERS])
def interop(session: nox.Session, peer: str) -> None:
    """Let an unchanged client of others trade on ``ibkr-core gateway``, in an environment of its own."""
    if not all(importlib.util.find_spec(needed) for needed in ("pytest", "typer", "ibapi")):
        session.error("the gateway and the tests run in the environment of nox: use make interop")
    wanted = PEERS_HOME / peer
    if wanted.is_dir():
        home = node_packages(session, wanted)
    else:
        session.install("--quiet", "--no-deps", "--requirement", f"{wanted}.txt")
        home = Path(session.virtualenv.location).resolve()
    where = {"IBKR_CORE_PEER": peer, "IBKR_CORE_PEER_HOME": str(home)}
    session.run(sys.executable, "-m", "pytest", "tests/interop", *session.posargs, env=where, external=True)


def node_packages(session: nox.Session, wanted: Path) -> Path:
    """Install what a lock file of npm lists, and return the folder that holds ``node_modules``."""
    if shutil.which("node") is None or shutil.which("npm") is None:
        if os.environ.get("CI") and not os.environ.get("IBKR_CORE_INTEROP_SKIP"):
            session.error(
                "Node 18 or newer and npm are needed; IBKR_CORE_INTEROP_SKIP=1 goes without this peer"
            )
        session.skip("Node 18 or newer and npm are not installed: nothing was tried with this peer")
    home = Path(session.virtualenv.location).resolve() / "node"
    lock, installed = wanted / "package-lock.json", home / "node_modules" / "installed-lock.json"
    if not (installed.exists() and installed.read_bytes() == lock.read_bytes()):
        home.mkdir(exist_ok=True)
        for name in ("package.json", lock.name):
            shutil.copy(wanted / name, home)
        quiet = ("--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error")
        session.run("npm", "ci", "--prefix", str(home), *quiet, external=True, silent=True)
        shutil.copy(lock, installed)
    return home


@nox.session
def compiled(session: nox.Session) -> None:
    """Compile the busiest modules in a copy of the sources, and run the engine's tests on them."""
    if not any(map(shutil.which, ("cc", "gcc", "clang"))):
        session.error("a C compiler is needed; on Debian and Ubuntu: apt install gcc python3-dev")
    runtime = requirements("options", "install_requires").values()
    dev = requirements("options.extras_require", "dev")
    session.install("--quiet", *runtime, *(dev[tool] for tool in (*TEST_TOOLS, *COMPILERS)))
    root, tree = Path.cwd(), Path(session.create_tmp()) / "tree"
    shutil.rmtree(tree, ignore_errors=True)
    listed = session.run("git", "ls-files", "-z", "-co", "--exclude-standard", external=True, silent=True)
    for file in filter(None, (listed or "").split("\0")):
        if Path(file).is_file():
            (tree / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(file, tree / file)
    shared = {"IBKR_CORE_SHARED": os.environ.get("IBKR_CORE_SHARED") or str(root.parent / "shared")}
    session.chdir(tree)
    session.run(
        "python", "setup.py", "--quiet", "build_ext", "--inplace", env={"IBKR_CORE_COMPILE": "1"}, silent=True
    )
    session.run("python", "-c", IS_COMPILED)
    folders = [f"tests/{folder}" for folder in COMPILED_TESTS]
    session.run("python", "-m", "pytest", *(session.posargs or folders), env=shared)


@nox.session
def lint(session: nox.Session) -> None:
    """Check style and formatting."""
    session.install("--quiet", requirements("options.extras_require", "dev")["ruff"])
    session.run("ruff", "check", *session.posargs, ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Check the types."""
    session.install("--quiet", "--editable", ".[dev]")
    session.run("mypy", *session.posargs)
