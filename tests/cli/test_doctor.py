"""The doctor as a whole."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_core.cli import doctor as module
from ibkr_core.engine import Engine
from ibkr_core.errors import InquiryFailed
from ibkr_core.gateway import SimulatedGateway
from tests.cli.floor import run

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def port() -> Iterator[str]:
    with SimulatedGateway() as gateway:
        yield str(gateway.port)


def test_everything_is_looked_at(port: str, tmp_path: Path) -> None:
    """Each check is a line; all is well; nothing was placed, and the code says so."""
    journal = tmp_path / "orders.db"
    with Engine(1, journal=journal):
        pass
    result = run("doctor", "--port", port, "--journal", str(journal), "--log-dir", str(tmp_path))
    assert (result.exit_code, result.stderr) == (0, "")
    *lines, verdict = result.stdout.splitlines()
    names = "python ibapi protobuf time gateway accounts orders clock farms journal last disk logs"
    assert [line.split()[1] for line in lines if not line.startswith(" ")] == names.split()
    assert "DU1234567 (paper)" in result.stdout
    assert "allowed: a what-if order for 1 AAPL was answered" in result.stdout
    assert verdict.startswith("All well")


def test_as_json_it_is_one_object(port: str) -> None:
    """With accounts hidden where that is asked for."""
    result = run("doctor", "--port", port, "--json", "--mask-accounts")
    found = json.loads(result.stdout)
    assert found["ok"] is True
    assert {one["health"] for one in found["checks"]} <= {"ok", "warn", "skip"}
    assert "DU***567 (paper)" in {one["text"] for one in found["checks"]}


def test_no_gateway_is_a_failed_check_and_not_an_error() -> None:
    """The others are told all the same; the exit code is 1."""
    result = run("doctor", "--port", "1")
    assert (result.exit_code, result.stderr) == (1, "")
    assert "FAIL  gateway" in result.stdout
    assert "4002 Gateway paper" in result.stdout
    assert result.stdout.splitlines()[-1] == "1 of 5 checks failed: gateway"


def test_offline_looks_at_this_machine_alone() -> None:
    """It connects to nothing."""
    found = json.loads(run("doctor", "--offline", "--json", "--port", "1").stdout)
    assert [one["check"] for one in found["checks"]] == ["python", "ibapi", "protobuf", "time zones"]


@pytest.mark.parametrize(
    ("code", "text", "health", "words"),
    [
        (321, "The API interface is currently in Read-Only mode.", "FAIL", "the API is read-only"),
        (201, "Order rejected - reason:no permission", "warn", "was not answered"),
    ],
)
def test_what_forbids_orders_is_found_out(
    port: str, monkeypatch: pytest.MonkeyPatch, code: int, text: str, health: str, words: str
) -> None:
    """Read-only mode is a fault; another refusal may be the symbol's."""

    class Forbidden(Engine):
        def what_if(self, *_: object, **__: object) -> None:  # type: ignore[override]
            raise InquiryFailed("what-if", code, text)

    monkeypatch.setattr(module, "Engine", Forbidden)
    found = {
        one["check"]: one for one in json.loads(run("doctor", "--port", port, "--json").stdout)["checks"]
    }
    assert (found["orders"]["health"], words in found["orders"]["text"]) == (health, True)
