"""The gateway under fire over its real socket; and that the fuzz sees what is wrong."""

from __future__ import annotations

import mmap
from typing import Any

import pytest

from ibkr_core.gateway import protocol
from ibkr_core.gateway.desk import Desk
from ibkr_core.testing import fuzz as fuzzing
from ibkr_core.testing.fuzz import fuzz, main

pytestmark = pytest.mark.system


def test_the_gateway_survives() -> None:
    """Hostile clients are answered or hung up on, and nothing is left behind. The million runs by hand."""
    told: list[int] = []
    outcome = fuzz(8_000, 11, told.append)
    assert outcome.failures == []
    assert outcome.frames >= 8_000
    assert outcome.connections > 50
    assert outcome.complaints > 1_000
    assert outcome.probes == len(told) + 1
    assert outcome.orders > 0


def test_the_command_says_how_it_went(capsys: pytest.CaptureFixture[str]) -> None:
    """Progress, a last line with totals, and a status for scripts."""
    assert main(["--frames", "2500", "--seed", "5"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" of 2,500 frames")
    assert lines[-1].endswith("0 failures")


def test_a_fault_inside_the_gateway_is_found(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One handler that raises is enough; the status says so, and so does a line."""

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(Desk, "_open_orders", broken)
    assert main(["--frames", "20000", "--seed", "5"]) == 1
    out = capsys.readouterr().out
    assert "FAIL" in out
    assert "broken on purpose" in out or "closed without a reason" in out


def test_silence_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gateway that does not complain about what it cannot read is one that leaves its users guessing."""
    monkeypatch.setattr(fuzzing, "_PATIENCE_S", 0.3)
    monkeypatch.setattr(protocol.Session, "_complain", lambda *_: None)
    outcome = fuzz(2_000, 5)
    assert any("complained of" in failure or "not answered" in failure for failure in outcome.failures)


def test_growth_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory that no order explains is a leak."""
    monkeypatch.setattr(fuzzing, "_NOISE_BYTES", 2**20)
    monkeypatch.setattr(fuzzing, "_KEPT_BYTES", 0)
    kept: list[mmap.mmap] = []
    original = protocol.Session.receive

    def leaky(self: protocol.Session, data: bytes) -> None:
        pages = mmap.mmap(-1, 65_536)  # fresh ones: what is allocated may fit into room left by others
        pages.write(b"x" * 65_536)
        kept.append(pages)
        original(self, data)

    monkeypatch.setattr(protocol.Session, "receive", leaky)
    outcome = fuzz(2_000, 5)
    for pages in kept:
        pages.close()
    if outcome.grown_bytes:  # where the system tells
        assert any("memory grew" in failure for failure in outcome.failures)
