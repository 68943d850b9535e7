"""The page about brackets: what it shows runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.engine.rig import Serve

pytestmark = pytest.mark.system
PAGE = Path(__file__).parents[2] / "docs" / "brackets.md"
BLOCKS = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_there_is_something_to_run() -> None:
    """Else the next test would prove nothing."""
    assert len(BLOCKS) == 2


@pytest.mark.parametrize("block", BLOCKS, ids=["engine", "broker"])
def test_the_examples_run(block: str, serve: Serve, capsys: pytest.CaptureFixture[str]) -> None:
    """Each on a gateway of its own, and prints what the page says."""
    gateway = serve()
    exec(compile(block, str(PAGE), "exec"), {"port": gateway.port})  # noqa: S102 - our own page
    shown = capsys.readouterr().out
    if "place_bracket_order" in block:
        assert shown.startswith("BRACKET_PLACED, orders ")
    else:
        assert gateway.books().position("AAPL") == 10
