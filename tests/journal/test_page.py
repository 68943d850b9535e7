"""docs/journal.md tells the truth: its SQL runs, and its tables are those of the file."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_core import errors
from ibkr_core.journal import JournalReader
from tests.journal.making import Keeping, ManualClock, filled_order, open_journal, status, submit

PAGE = (Path(__file__).parents[2] / "docs" / "journal.md").read_text(encoding="utf-8")
STATEMENTS = [
    statement.strip()
    for block in re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)
    for statement in block.split(";")
    if statement.strip()
]
SECTIONS = (
    *("orders", "fills", "events", "inputs", "tail"),
    *("packed_orders", "packed_terms", "packed_state"),
)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[JournalReader]:
    clock = ManualClock()
    with open_journal(tmp_path / "j", clock) as journal:
        Keeping(journal, clock).take_all([*filled_order(7), submit(8), status(order_id=8)])
        journal.flush()
        with JournalReader(journal.path) as made:
            yield made


@pytest.mark.parametrize("statement", STATEMENTS, ids=lambda statement: statement.split()[1])
def test_every_example_runs(reader: JournalReader, statement: str) -> None:
    """On a journal with some orders in it."""
    reader.query(statement)


def test_the_examples_find_something(reader: JournalReader) -> None:
    """Those that the sample can answer; an example that never finds a row would be a poor one."""
    empty = [statement for statement in STATEMENTS if not reader.query(statement)]
    needs_more = ("reject_message IS NOT NULL", "commission IS NULL", "ExecutionCorrected", "today")
    assert [statement for statement in empty if not any(words in statement for words in needs_more)] == []


def documented(section: str) -> list[str]:
    [text] = re.findall(rf"### {section}\n(.*?)\n##", PAGE, re.DOTALL)
    cells = re.findall(r"^\| (`[^|]+) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`(\w+)`", cell)]


def columns(reader: JournalReader, table: str) -> list[str]:
    return [str(row[0]) for row in reader.query("SELECT name FROM pragma_table_info(?)", table)]


@pytest.mark.parametrize("table", SECTIONS)
def test_every_column_is_documented(reader: JournalReader, table: str) -> None:
    """All of them, in their order, and none that is not there."""
    assert documented(table) == columns(reader, table)


def test_the_small_tables_are_documented(reader: JournalReader) -> None:
    """With their columns."""
    for table in ("keys", "state", "runs", "meta"):
        names = ", ".join(f"`{name}`" for name in columns(reader, table))
        assert f"| `{table}` | {names} |" in PAGE


def test_every_table_and_view_is_documented(reader: JournalReader) -> None:
    """And no other is."""
    found = reader.query("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')")
    tables = {name for kind, name in found if kind == "table"}
    assert tables == {*SECTIONS, "keys", "state", "runs", "meta"}
    [views] = re.findall(r"### Views\n(.*?)\n##", PAGE, re.DOTALL)
    cells = re.findall(r"^\| (`[^|]+) \|", views, re.MULTILINE)
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == {
        name for kind, name in found if kind == "view"
    }


def test_every_error_is_documented() -> None:
    """All kinds of JournalError."""
    [text] = re.findall(r"## Errors\n(.*?)\n##", PAGE, re.DOTALL)
    kinds = {name for name in errors.__all__ if name.startswith("Journal")} - {"JournalError"}
    assert set(re.findall(r"^\| `(\w+)`", text, re.MULTILINE)) == kinds


def test_the_page_needs_no_more_than_sqlite() -> None:
    """The examples use nothing that an older SQLite lacks, and none changes anything."""
    assert sqlite3.sqlite_version_info >= (3, 24)
    assert all(statement.upper().startswith("SELECT") for statement in STATEMENTS)
