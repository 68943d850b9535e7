"""``ibkr-core gateway --faults FILE``: the file reaches the gateway, and its mistakes reach the user."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from ibkr_core.cli import main, simulated
from ibkr_core.gateway import FaultPlan


def test_a_file_of_faults_reaches_the_gateway(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the plan that it describes; without the option there are none."""
    served: list[Any] = []
    monkeypatch.setattr(simulated, "serve", lambda server, *_, **__: served.append(server.faults))
    path = tmp_path / "faults.toml"
    path.write_text("nasty = 0.25", encoding="utf-8")
    assert CliRunner().invoke(main.app, ["gateway", "--faults", str(path)]).exit_code == 0
    assert CliRunner().invoke(main.app, ["gateway"]).exit_code == 0
    assert served == [FaultPlan.nasty(0.25), FaultPlan.none()]


@pytest.mark.parametrize("content", ["nasty = 2", "nastier = 0.5", "nasty ="])
def test_a_mistake_in_the_file_is_told(content: str, tmp_path: Path) -> None:
    """With the option's name and the key's, and nothing is started."""
    path = tmp_path / "faults.toml"
    path.write_text(content, encoding="utf-8")
    result = CliRunner().invoke(main.app, ["gateway", "--faults", str(path)], env={"COLUMNS": "200"})
    assert result.exit_code == 2
    assert "--faults" in result.output
