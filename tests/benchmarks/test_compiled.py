"""The compiled engine as a contestant: made when sources change, never mistaken for the other one."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import attrs
import pytest

from benchmarks import compiled
from benchmarks.arena import COMPILED, OURS, OURS_FOUR, Failed, Field, contest
from benchmarks.compiled import compiled_python, compiler, fingerprint, lead_to_programs, sources, why_not
from benchmarks.peers import ROOT, PeerUnavailable


@pytest.fixture(name="tree")
def _tree(tmp_path: Path) -> Path:
    """A tree as ours is, and what a build in it leaves."""
    for name in (
        "ibkr_core/wire/hot.py",
        "ibkr_core/py.typed",
        "setup.py",
        "setup.cfg",
        "benchmarks/arena.py",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    for name in ("ibkr_core/wire/hot.cpython-311-x86_64-linux-gnu.so", "build/temp/hot.c"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("made")
    return tmp_path


def test_what_was_built_in_the_tree_is_no_source(tree: Path) -> None:
    """An old extension that lay there would be installed instead of a new one."""
    assert [path.as_posix() for path in sources(tree)] == [
        "ibkr_core/py.typed",
        "ibkr_core/wire/hot.py",
        "setup.cfg",
        "setup.py",
    ]


def test_every_source_of_the_package_is_copied() -> None:
    """What setup.cfg packs is there; the fingerprint is of the same files."""
    found = {path.as_posix() for path in sources(ROOT)}
    assert {
        "ibkr_core/__init__.py",
        "ibkr_core/py.typed",
        "setup.cfg",
        "pyproject.toml",
        "README.md",
    } <= found
    assert "_ibkr_core_command.py" in found


def test_a_fingerprint_changes_with_any_source_and_with_nothing_else(tree: Path) -> None:
    """Text, name, and build; not what a build left, not the benchmarks."""
    before = fingerprint(tree)
    (tree / "benchmarks/arena.py").write_text("other")
    (tree / "ibkr_core/wire/hot.cpython-311-x86_64-linux-gnu.so").write_text("other")
    assert fingerprint(tree) == before
    seen = {before}
    (tree / "ibkr_core/wire/hot.py").write_text("other")
    seen.add(fingerprint(tree))
    (tree / "setup.py").write_text("other")
    seen.add(fingerprint(tree))
    (tree / "ibkr_core/wire/hot.py").rename(tree / "ibkr_core/wire/warm.py")
    seen.add(fingerprint(tree))
    assert len(seen) == 4


@pytest.mark.skipif(sys.platform == "win32", reason="there the build itself finds its compiler")
def test_without_a_compiler_one_is_told_so(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is made, or tried for minutes."""
    monkeypatch.setenv("CC", "no-such-compiler -O3")
    assert compiler() is None
    assert "no C compiler" in why_not(tree)
    with pytest.raises(PeerUnavailable, match="no C compiler"):
        compiled_python(tree, tree / "environment")
    assert not (tree / "environment").exists()


def test_a_version_that_cannot_be_compiled_is_told_so(tree: Path) -> None:
    """There is nothing to build where there is no setup.py."""
    (tree / "setup.py").unlink()
    assert "has no setup.py" in why_not(tree)


def test_who_cannot_be_compiled_does_not_take_part_and_the_report_says_why(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The others do."""

    def fail() -> Path:
        raise PeerUnavailable("there is no C compiler")

    monkeypatch.setattr("benchmarks.arena.compiled_python", fail)
    field = Field.gather(OURS_FOUR)
    assert set(field.contestants) == {"ours", "ours + journal"}
    assert field.missing == {name: "there is no C compiler" for name in OURS_FOUR if "compiled" in name}


def test_a_compiled_contestant_is_the_other_one_in_another_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Same program, same task: what differs is the build."""
    monkeypatch.setattr("benchmarks.arena.compiled_python", lambda: Path("elsewhere"))
    for name, original in COMPILED.items():
        one, other = Field.gather((name,)).contestants[name], OURS[original]
        assert (one.program, dict(one.task)) == (other.program, dict(other.task))
        assert (one.python, one.is_installed, other.is_installed) == (Path("elsewhere"), True, False)


def test_a_name_that_nobody_has_ends_the_run() -> None:
    """It would otherwise be missing without a word."""
    with pytest.raises(SystemExit, match="nobody is called 'our'"):
        Field.gather(("our",))


@pytest.mark.system
def test_an_engine_that_is_not_the_one_asked_for_does_not_run() -> None:
    """Plain Python under the name of the compiled one would make every figure a lie."""
    with pytest.raises(Failed, match="not the one compiled that was asked for"):
        contest(OURS["ours"].given(compiled=True), 178, None, orders=1)


@pytest.mark.system
def test_what_is_installed_is_found_before_the_tree(tmp_path: Path) -> None:
    """The programs are the tree's, the engine is the environment's: its own working directory is the tree."""
    place = compiled.Place(tmp_path, "")
    venv.create(tmp_path)
    ask = [str(place.python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"]
    site = Path(subprocess.check_output(ask, text=True).strip())  # noqa: S603 - the environment just made
    (site / "attrs.py").touch()  # the program imports it first
    (site / "ibkr_core").mkdir()
    (site / "ibkr_core" / "__init__.py").write_text("raise SystemExit('the installed one')")
    lead_to_programs(site, ROOT)
    one = attrs.evolve(OURS["ours"], python=place.python, is_installed=True)
    with pytest.raises(Failed, match="the installed one"):
        contest(one, 178, None, orders=1)


def test_a_build_that_failed_is_not_tried_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes minutes, and every measure asks."""
    tried = []

    def make(self: compiled.Place) -> None:
        tried.append(self.folder)
        raise PeerUnavailable("no network")

    monkeypatch.setattr(compiled.Place, "make", make)
    monkeypatch.setattr(compiled, "why_not", lambda _: "")
    for _ in range(2):
        with pytest.raises(PeerUnavailable, match="no network"):
            compiled_python(tree, tree / "environment")
    assert tried == [tree / "environment"]
