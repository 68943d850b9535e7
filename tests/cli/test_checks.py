"""What the doctor finds."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.cli import checks
from ibkr_core.cli.checks import Health
from ibkr_core.clock import SystemClock
from ibkr_core.engine import Engine
from ibkr_core.journal import Journal
from ibkr_core.model.events import BrokerMessage

AT = datetime(2026, 11, 21, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)


def test_the_installed_client_is_told() -> None:
    """Which distribution, which version, and what it speaks."""
    found = checks.check_ibapi()
    assert found.health is Health.OK
    assert "speaks server versions 142 to " in found.text
    assert checks.check_python().health is Health.OK
    assert checks.check_zones().health is Health.OK
    assert checks.check_protobuf().health in (Health.OK, Health.SKIPPED)


def test_two_owners_of_ibapi_are_found_out() -> None:
    """Both install the same module, so nobody knows which of them runs."""
    found = checks.check_ibapi({"ibapi": ["ibapi-latest", "ibapi", "ibapi"]})
    assert found.health is Health.BAD
    assert "ibapi ? and ibapi-latest ? both install the module ibapi" in found.text
    assert found.hint.startswith("pip uninstall ibapi ibapi-latest")


def test_a_client_without_metadata_is_told_by_its_place() -> None:
    """One that was copied by hand, as IB's own installer does."""
    assert "ibapi" in checks.check_ibapi({}).text


def test_generated_messages_that_do_not_fit_are_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the wrong protobuf raises, the text says so, with what to do."""

    def refuse(name: str) -> Any:
        raise TypeError("Descriptors cannot be\ncreated directly")

    monkeypatch.setattr(checks, "client_versions", lambda: (100, 222))
    monkeypatch.setattr(checks.importlib, "import_module", refuse)
    found = checks.check_protobuf()
    assert (found.health, "Descriptors cannot be created directly" in found.text) == (Health.BAD, True)
    monkeypatch.setattr(checks, "client_versions", lambda: (100, 176))
    assert checks.check_protobuf().health is Health.SKIPPED


@pytest.mark.parametrize(
    ("told_s", "took_s", "step_s", "health", "words"),
    [
        (0.0, 0.1, 1.0, Health.OK, "agrees"),
        (-0.9, 0.1, 1.0, Health.OK, "agrees"),
        (0.05, 0.1, 0.001, Health.OK, "agrees"),
        (1.5, 0.5, 0.001, Health.OK, "1.0 s behind"),
        (-3.0, 0.0, 1.0, Health.NOTE, "2.0 s ahead of"),
        (5.0, 0.0, 1.0, Health.NOTE, "5.0 s behind"),
        (-3600.0, 0.0, 0.001, Health.BAD, "3600.0 s ahead of"),
    ],
)
def test_the_clocks_are_compared_as_finely_as_they_are_told(
    told_s: float, took_s: float, step_s: float, health: Health, words: str
) -> None:
    """Neither the time of the answer's way nor whole seconds count as a fault."""
    told, after = AT + timedelta(seconds=told_s), AT + timedelta(seconds=took_s)
    found = checks.check_clock(told, AT, after, step=timedelta(seconds=step_s))
    assert (found.health, words in found.text) == (health, True), found


def message(code: int, text: str) -> BrokerMessage:
    return BrokerMessage(at=AT, request_id=-1, code=code, message=text)


def test_the_newest_word_of_each_farm_counts() -> None:
    """One that was broken and is well again is well."""
    broken = message(2103, "Market data farm connection is broken:usfarm")
    mended = message(2104, "Market data farm connection is OK:usfarm")
    other = message(2105, "HMDS data farm connection is broken:ushmds")
    assert checks.check_farms([broken, mended]).health is Health.OK
    found = checks.check_farms([mended, broken, other])
    assert found.health is Health.NOTE
    assert "2103" in found.text
    assert "2105" in found.text


@pytest.mark.parametrize(
    ("code", "text", "is_so"),
    [
        (
            321,
            "Error validating request.-'bO' : cause - The API interface is currently in Read-Only mode.",
            True,
        ),
        (321, "Error validating request.-'bN' : cause - Invalid size", False),
        (201, "Read-Only", False),
    ],
)
def test_read_only_is_known_by_code_and_text(code: int, text: str, is_so: bool) -> None:
    """The code alone has many reasons."""
    assert checks.is_read_only(code, text) is is_so


def test_paper_accounts_begin_with_d() -> None:
    """So do those of advisors' paper logins."""
    assert [checks.is_paper(code) for code in ("DU1234567", "DF123", "U1234567", "F1")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_folder_that_cannot_take_what_comes_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, or on a disk that is nearly full."""
    assert checks.check_folder("logs", tmp_path / "none").health is Health.BAD
    usage = shutil.disk_usage(tmp_path)
    for free, health in ((10 << 20, Health.BAD), (100 << 20, Health.NOTE), (9 << 30, Health.OK)):
        monkeypatch.setattr(checks.shutil, "disk_usage", lambda _, free=free: usage._replace(free=free))
        assert checks.check_folder("logs", tmp_path).health is health


def test_a_journal_in_use_and_one_left_behind_are_told_apart(tmp_path: Path) -> None:
    """While it is written, after a clean end, after a kill, and halted."""
    path = tmp_path / "orders.db"

    def found() -> dict[str, tuple[Health, str]]:
        return {one.name: (one.health, one.text) for one in checks.check_journal(path)}

    with Engine(1, journal=path) as engine:
        assert "writes it now" in found()["last run"][1]
        engine.halt("enough")
    states = found()
    assert states["journal"][0] is Health.OK
    assert states["halt"] == (Health.NOTE, "trading is halted: enough")
    assert "ended cleanly" in states["last run"][1]
    Journal.open(path, client_id=1, clock=SystemClock()).abandon()
    assert "writes it now" in found()["last run"][1]  # our own process is what wrote it
    assert "not read through" in next(iter(checks.check_journal(path, thorough=False))).text


def test_a_process_that_is_gone_was_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its run has no end, and its process is no more."""
    path = tmp_path / "orders.db"
    Journal.open(path, client_id=1, clock=SystemClock()).abandon()

    def gone(pid: int, number: int) -> None:
        raise ProcessLookupError

    monkeypatch.setattr(checks.os, "kill", gone)
    last = {one.name: one for one in checks.check_journal(path)}["last run"]
    assert (last.health, "was killed" in last.text) == (Health.NOTE, True)


def test_a_journal_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    """Its own error, and its advice."""
    [found] = checks.check_journal(tmp_path / "none.db")
    assert (found.health, found.text) == (Health.BAD, "there is no such file")
    assert found.hint


def test_a_damaged_journal_is_found_out(tmp_path: Path) -> None:
    """An input whose checksum does not fit."""
    import sqlite3

    path = tmp_path / "orders.db"
    with Engine(1, journal=path):
        pass
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE inputs SET checksum = checksum + 1")
    raw.close()
    first = next(iter(checks.check_journal(path)))
    assert (first.health, "is damaged" in first.text) == (Health.BAD, True)
