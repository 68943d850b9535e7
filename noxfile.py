"""Sessions that need environments of their own: ``nox -l`` lists them, ``nox -R`` skips the installs."""

from __future__ import annotations

import configparser
import json
import re

import nox

nox.needs_version = ">=2024.4"
nox.options.reuse_venv = "yes"

IBAPIS = ("ibapi==9.81.1.post1", "nautilus-ibapi==10.46.1", "ibapi-stable==10.50.2", "ibapi-latest==10.51.1")
"""The supported official clients. All of them install the module ``ibapi``: one environment each."""

TEST_TOOLS = ("pytest", "hypothesis")
"""The part of the ``dev`` extra that tests import."""

MATRIX_TESTS = ("-m", "matrix", "--hypothesis-profile=matrix")
"""What runs once per ibapi: tests marked ``matrix`` and the folders that ``tests/conftest.py`` names."""

OWNERS = """
import importlib.metadata as metadata, json
owners = sorted(set(metadata.packages_distributions().get("ibapi", [])))
print(json.dumps([owner.lower().replace("_", "-") + "==" + metadata.version(owner) for owner in owners]))
"""
"""Prints, as JSON, the distributions that own the module ``ibapi`` in an environment."""


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
    session.install("--quiet", "--no-deps", "--editable", ".", ibapi)
    answer = session.run("python", "-c", OWNERS, silent=True, log=False)
    if answer is not None:  # None: nox -R --install-only and the like run nothing
        owners = json.loads(answer)
        if owners != [ibapi]:
            session.error(
                f"the module ibapi must come from {ibapi} alone, not from {owners}; delete .nox and try again"
            )
    session.run("python", "-m", "pytest", *MATRIX_TESTS, *session.posargs)


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
