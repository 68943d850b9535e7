"""Exit codes and hints."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ibkr_core import errors
from ibkr_core.cli.codes import ExitCode, advice, exit_code

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidOrder("quantity", "must be above zero"), 2),
        (errors.GatewayUnreachable("none"), 3),
        (errors.NotReady("not yet"), 3),
        (errors.EngineClosed("closed"), 3),
        (errors.OrderFinished(7, "it is filled"), 4),
        (errors.TradingHalted("enough"), 4),
        (errors.SendFailed("gone"), 5),
        (errors.WaitTimeout("late"), 5),
        (errors.JournalFailed("j", "full", "make room"), 6),
        (PermissionError(13, "Permission denied"), 6),
        (errors.MissingExtra("parquet", "writing"), 1),
        (ZeroDivisionError(), 1),
        (KeyboardInterrupt(), 130),
    ],
)
def test_an_error_has_the_code_of_its_kind(error: BaseException, code: int) -> None:
    """Scripts can tell what to do: correct the line, wait for the gateway, or look before trying again."""
    assert exit_code(error) == code


def test_every_error_has_a_code_that_is_no_success() -> None:
    """Also one that is added later: it is a failure, and never a 0."""
    for name in errors.__all__:
        kind = getattr(errors, name)
        assert exit_code(kind.__new__(kind)) is not ExitCode.OK


def test_the_codes_are_documented() -> None:
    """docs/cli.md lists each of them, and no other."""
    rows = re.findall(r"^\| (\d+) \| `?(\w+)`? \|", PAGE, re.MULTILINE)
    assert {(int(number), name) for number, name in rows} == {(code.value, code.name) for code in ExitCode}


def test_a_hint_says_what_to_do() -> None:
    """Only where the error's own text does not say it; in one line."""
    assert "--client-id" in advice(errors.ClientIdInUse(1))
    assert advice(errors.InvalidInput("x", "must be y")) == ""
    assert "\n" not in advice(errors.GatewayUnreachable("none"))
