"""What the docs name must exist, and what they show must run."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from ibkr_core import Journal, JournalReader, errors, events
from ibkr_core.clock import SystemClock

ROOT = Path(__file__).parents[1]
DOCS = sorted((ROOT / "docs").glob("*.md"))


def named_tests() -> list[tuple[str, str]]:
    """Return (file, test) of every test that docs/guarantees.md names."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    return re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)


def defined_in(path: Path) -> set[str]:
    """Return the names of the functions and classes that a test file defines."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


@pytest.mark.parametrize(("file", "test"), named_tests())
def test_a_test_that_a_guarantee_names_exists(file: str, test: str) -> None:
    """Each promise of docs/guarantees.md is held by a test that is there."""
    assert test in defined_in(ROOT / file)


def test_every_guarantee_names_a_test() -> None:
    """No row of docs/guarantees.md promises something without a test beside it."""
    text = (ROOT / "docs" / "guarantees.md").read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| ") and not line.startswith("| promise")]
    assert len(rows) > 20
    assert [row for row in rows if "::test_" not in row] == []


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    """Every relative link of a page names a file that exists."""
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.system
def test_the_example_of_the_testing_page_passes() -> None:
    """The test that docs/testing.md shows for users is a test that passes."""
    text = (ROOT / "docs" / "testing.md").read_text(encoding="utf-8")
    [source] = [
        block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def test_" in block
    ]
    names: dict[str, object] = {}
    exec(compile(source, "docs/testing.md", "exec"), names)  # noqa: S102 - our own page
    example = names["test_my_strategy"]
    assert callable(example)
    example()


# ── docs/recovery.md ────────────────────────────────────────────────────────────────────────────────

RECOVERY = (ROOT / "docs" / "recovery.md").read_text(encoding="utf-8")
QUERIES = [" ".join(found.split()) for found in re.findall(r"`(SELECT [^`]*)`", RECOVERY)]


@pytest.mark.parametrize("query", QUERIES, ids=lambda query: query[:60])
def test_what_one_asks_a_journal_at_night_is_answered(query: str, tmp_path: Path) -> None:
    """Each statement of the page runs on a journal."""
    with Journal.open(tmp_path / "orders.db", client_id=1, clock=SystemClock()) as journal:
        journal.flush()
        with JournalReader(tmp_path / "orders.db") as reader:
            reader.query(query)


def test_alarms_have_the_names_that_they_are_looked_up_by() -> None:
    """The first column of each table names events, errors, and states that are there."""
    cells = re.findall(r"^\| (`[^|]+) \|", RECOVERY, re.MULTILINE)
    names = {name for cell in cells for name in re.findall(r"`([A-Z]\w+)`", cell)}
    states = {"GAP", "DEGRADED", "DISCONNECTED"}
    assert names - states <= {*events.__all__, *errors.__all__}
    assert states <= names


@pytest.mark.parametrize(
    "alarm",
    [
        *(name for name in events.__all__ if (getattr(events, name).__doc__ or "").startswith("Alarm")),
        *(
            name
            for name in errors.__all__
            if name.startswith("Journal") and name not in {"JournalError", "JournalFailed"}
        ),
        *("ConnectionLost", "OrderUncertain", "TradingHalted", "HaltConfirmed", "Resumed"),
    ],
)
def test_every_alarm_is_explained(alarm: str) -> None:
    """It has a row of its own."""
    assert re.search(rf"^\| [^|]*`{alarm}`", RECOVERY, re.MULTILINE)


def test_reasons_are_quoted_as_they_are_told() -> None:
    """Who searches the page for what the log says must find it."""
    source = (ROOT / "ibkr_core" / "supervisor.py").read_text(encoding="utf-8")
    quoted = re.findall(r"`DEGRADED`,? \*([^*]+)\*", RECOVERY)
    assert len(quoted) == 3
    assert [text for text in quoted if f'"{text.split(" ... ")[0]}' not in source] == []
