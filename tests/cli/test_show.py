"""Rows for people and for programs."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.cli.show import Column, Shown, plain, table
from ibkr_core.model.status import OrderStatus

COLUMNS = (Column("name", "Name"), Column("price", "Price", is_number=True), Column("at", "At"))
AT = datetime(2026, 11, 21, 12, tzinfo=UTC)


def texts(rows: list[dict[str, object]], zone: str = "UTC") -> list[str]:
    return [line.plain for line in table(rows, COLUMNS, ZoneInfo(zone))]


def test_a_table_is_aligned_and_leaves_out_what_is_empty() -> None:
    """Text to the left, numbers to the right, no trailing blanks, no column without a cell."""
    assert texts([{"name": "A", "price": Decimal("1.50")}, {"name": "BBBBBB", "price": Decimal(100)}]) == [
        "Name    Price",
        "A         1.5",
        "BBBBBB    100",
    ]


def test_a_narrow_screen_leaves_out_whole_columns() -> None:
    """The least important ones first, and never one of those that must be seen; no number is cut."""
    columns = (Column("id", "#"), Column("account", "Account", rank=2), Column("tif", "TIF", rank=1))
    rows = [{"id": "1", "account": "DU1234567", "tif": "DAY"}]
    seen = {width: table(rows, columns, UTC, width)[1].plain for width in (None, 17, 16, 6, 5, 0)}
    assert seen == {
        None: "1  DU1234567  DAY",
        17: "1  DU1234567  DAY",
        16: "1  DAY",
        6: "1  DAY",
        5: "1",
        0: "1",
    }


def test_times_are_shown_in_the_zone_asked_for() -> None:
    """JSON has them in UTC, whatever is shown to people."""
    assert texts([{"at": AT}], "America/New_York") == ["At", "2026-11-21 07:00:00"]
    assert plain(AT) == "2026-11-21T12:00:00Z"


@given(st.text(max_size=20))
def test_no_text_breaks_a_line_or_steers_a_terminal(text: str) -> None:
    """Whatever a broker writes is one line of what can be seen."""
    lines = texts([{"name": text, "price": Decimal(1)}])
    assert len(lines) == 2
    assert all(line.isprintable() for line in lines)


def test_json_has_plain_values(capsys: pytest.CaptureFixture[str]) -> None:
    """Numbers are exact text, days and states are words; what says nothing is left out of rows."""
    row = {"n": Decimal("1.10"), "s": OrderStatus.FILLED, "d": date(2026, 11, 21), "m": {"USD": Decimal(2)}}
    Shown(as_json=True).rows([row | {"none": None, "empty": ""}], (), "nothing")
    wanted = {"n": "1.1", "s": "FILLED", "d": "2026-11-21", "m": {"USD": "2"}}
    assert json.loads(capsys.readouterr().out) == [wanted]
    Shown(as_json=True).rows([], (), "nothing")
    assert capsys.readouterr().out == "[]\n"


def test_accounts_are_hidden_in_every_text(capsys: pytest.CaptureFixture[str]) -> None:
    """In cells, in lines, in JSON."""
    shown = Shown.like(as_json=False, mask_accounts=True)
    shown.rows([{"name": "DU1234567"}], COLUMNS, "nothing")
    shown.lines(["order of DU1234567"])
    Shown.like(as_json=True, mask_accounts=True).one({"account": "DU1234567"})
    out = capsys.readouterr().out
    assert "DU1234567" not in out
    assert out.count("DU***567") == 3
