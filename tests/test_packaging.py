"""What a user gets who installs the project: metadata, the command, and the contents of the archives."""

from __future__ import annotations

import ast
import configparser
import email
import importlib.metadata
import os
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path

import pytest

from ibkr_core._version import __version__

ROOT = Path(__file__).parent.parent
DISTRIBUTION = "ibkr-core"
COMMAND = "_ibkr_core_command.py"
"""What the console script imports before the package."""

BUILD = """
import sys, setuptools.build_meta as backend
folder = sys.argv[1]  # a build overwrites sys.argv
backend.build_wheel(folder)
backend.build_sdist(folder)
"""
"""Builds the current folder into the folder given, with the backend that pyproject.toml names."""


COMPILE = """
import sys, setuptools.build_meta as backend
sys.modules["mypyc"] = None
print(*(line.partition(">=")[0] for line in backend.get_requires_for_build_wheel()))
backend.build_wheel(sys.argv[1])
"""
"""Asks what a build needs, as pip does, and builds, where there is no mypyc."""


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build both archives from a copy of what they need, and return the folder that holds them."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend is in the dev extra")
    source = tmp_path_factory.mktemp("source")
    shutil.copytree(ROOT / "ibkr_core", source / "ibkr_core", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE", COMMAND):
        shutil.copy(ROOT / name, source / name)
    built = tmp_path_factory.mktemp("built")
    command = [sys.executable, "-c", BUILD, str(built)]
    ran = subprocess.run(command, cwd=source, capture_output=True, text=True, check=False)  # noqa: S603 - ours
    assert ran.returncode == 0, ran.stderr
    assert "deprecat" not in (ran.stdout + ran.stderr).lower(), ran.stderr
    return built


def package_files() -> set[str]:
    """List the files of the package as they stand in the source."""
    files = (path for path in (ROOT / "ibkr_core").rglob("*") if path.is_file())
    return {path.relative_to(ROOT).as_posix() for path in files if "__pycache__" not in path.parts}


def only(folder: Path, pattern: str) -> Path:
    """Return the one file in a folder that fits the pattern."""
    (found,) = folder.glob(pattern)
    return found


def wheel_metadata(wheel: Path) -> Message:
    """Read the METADATA file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(archive.read(name))


def test_the_installed_version_is_the_version_of_the_code() -> None:
    """The version stands in one place: metadata and package agree."""
    assert importlib.metadata.version(DISTRIBUTION) == __version__
    assert re.fullmatch(r"\d+\.\d+\.\d+", __version__)


def test_the_changelog_knows_the_version() -> None:
    """The changelog has a section for the version of the code."""
    assert f"## [{__version__}]" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_the_command_can_be_loaded() -> None:
    """The console script ``ibkr-core`` names something that exists and can be called."""
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="ibkr-core")
    assert callable(script.load())


@pytest.mark.matrix
def test_one_distribution_alone_owns_ibapi() -> None:
    """The module ``ibapi`` comes from one distribution: two would have overwritten each other's files."""
    owners = set(importlib.metadata.packages_distributions()["ibapi"])
    assert len(owners) == 1, owners


def test_the_wheel_holds_the_package_and_nothing_else(archives: Path) -> None:
    """Each file of the package is in the wheel, data and ``py.typed`` too; tests and tools are not."""
    with zipfile.ZipFile(only(archives, "*.whl")) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        licences = [name for name in archive.namelist() if name.endswith(".dist-info/licenses/LICENSE")]
    assert names == package_files() | {COMMAND}
    assert "ibkr_core/py.typed" in names
    assert len(licences) == 1


def test_what_was_to_be_compiled_is_never_plain_python_unnoticed(tmp_path: Path) -> None:
    """Without mypyc the build says what it needs, and fails; it does not leave the compiling out."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend is in the dev extra")
    for name in ("setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE", COMMAND):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "ibkr_core").mkdir()
    for name in ("__init__.py", "_version.py"):
        shutil.copy(ROOT / "ibkr_core" / name, tmp_path / "ibkr_core" / name)
    ran = subprocess.run(  # noqa: S603 - ours
        [sys.executable, "-c", COMPILE, str(tmp_path)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "IBKR_CORE_COMPILE": "1"},
    )
    assert ran.returncode == 1
    assert "mypy" in ran.stdout.split()
    assert "No module named 'mypyc" in ran.stderr
    assert not [*tmp_path.glob("*.whl")]


def test_the_sdist_holds_what_a_build_needs(archives: Path) -> None:
    """An sdist can be built from: it has the package, the metadata, the readme and the licence."""
    with tarfile.open(only(archives, "*.tar.gz")) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"setup.cfg", "setup.py", "pyproject.toml", "README.md", "LICENSE", "PKG-INFO", COMMAND}
    assert names >= package_files() | needed


def test_the_wheel_tells_what_it_needs(archives: Path) -> None:
    """The metadata is that of setup.cfg: version, licence, Python, and each dependency."""
    metadata = wheel_metadata(only(archives, "*.whl"))
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg", encoding="utf-8")
    wanted = set(config["options"]["install_requires"].split())
    assert metadata["Name"] == DISTRIBUTION
    assert metadata["Version"] == __version__
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert {line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line} == wanted


def test_compiled_modules_hold_no_class_that_attrs_makes() -> None:
    """Of a class of slots attrs makes a second one, and compiled code checks for the first."""
    (modules,) = (
        ast.literal_eval(node.value)
        for node in ast.parse((ROOT / "setup.py").read_text(encoding="utf-8")).body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "COMPILED"
    )
    assert len(set(modules)) == len(modules) > 1
    for module in modules:
        tree = ast.parse((ROOT / module).read_text(encoding="utf-8"))
        classes = [node for node in ast.walk(tree) if isinstance(node, ast.ClassDef)]
        decorators = {one.name: " ".join(map(ast.unparse, one.decorator_list)) for one in classes}
        assert not [name for name, words in decorators.items() if "attrs" in words], module
