"""The drawn table: the page in the documentation is the table, and nothing of it is left out."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_core.lifecycle import statechart
from ibkr_core.lifecycle.statechart import markdown_table, mermaid, page
from ibkr_core.lifecycle.transitions import TABLE, Step, Trigger
from ibkr_core.model.status import FINISHED, OrderStatus

ROOT = Path(__file__).parents[2]
S, T = OrderStatus, Trigger
LIVE = [status for status in OrderStatus if status not in FINISHED]


def test_the_page_in_the_documentation_is_the_table() -> None:
    """Make it again with: python -m ibkr_core.lifecycle.statechart > docs/states.md."""
    assert (ROOT / "docs" / "states.md").read_text(encoding="utf-8") == page()


def test_the_module_prints_the_page() -> None:
    """Python -m ibkr_core.lifecycle.statechart."""
    command = [sys.executable, "-m", "ibkr_core.lifecycle.statechart"]
    done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", cwd=ROOT, check=True)  # noqa: S603 - fixed
    assert done.stdout == page()
    assert done.stderr == ""


def edges(diagram: str) -> set[tuple[str, str, str]]:
    """Read the arrows of a diagram: start, end, and each cause apart."""
    found = set()
    for start, end, label in re.findall(r"^ +(\S+) --> (\S+)(?: : (.*))?$", diagram, re.MULTILINE):
        found |= {(start, end, cause) for cause in label.split(" / ")}
    return found


def test_every_move_of_the_table_is_an_arrow_and_every_arrow_a_move() -> None:
    """Read back, the diagram gives exactly the moves of the table."""
    causes = statechart._WHAT
    drawn = edges(mermaid())
    wanted = set()
    for (status, trigger), cell in TABLE.items():
        if cell.next is not None:
            wanted.add((status.value, cell.next.value, causes[trigger]))
        elif cell.resume:
            wanted.add((status.value, "LIVE", causes[trigger]))
    for start, end, cause in drawn:
        if start == "LIVE":  # stands for each live status but the one that it leads to
            spread = {(status.value, end, cause) for status in LIVE if status.value != end}
            assert spread <= wanted
            wanted -= spread
        elif "[*]" not in (start, end):
            assert (start, end, cause) in wanted
            wanted.discard((start, end, cause))
    assert wanted == set()


def test_a_diagram_begins_and_ends() -> None:
    """New orders and those first heard of come in, finished ones go out."""
    drawn = edges(mermaid())
    assert {end for start, end, _ in drawn if start == "[*]"} == {"PENDING_SUBMIT", "UNKNOWN"}
    assert {start for start, end, _ in drawn if end == "[*]"} == {status.value for status in FINISHED}
    assert mermaid().startswith("stateDiagram-v2\n")


def test_no_label_breaks_the_diagram() -> None:
    """Mermaid takes a colon, a semicolon or a number sign in a label for syntax."""
    for text in statechart._WHAT.values():
        assert not set(text) & set(":;#/|<>\n")


def cells(table: str) -> dict[tuple[str, str], str]:
    """Read the markdown table back: (what happens, status) -> cell."""
    found: dict[tuple[str, str], str] = {}
    head: list[str] = []
    for line in table.splitlines():
        row = [part.strip() for part in line.strip("|").split("|")]
        if line.startswith("| what happens"):
            head = [name.removeprefix("in ") for name in row[1:]]
        elif line.startswith("| "):
            found |= {(row[0], status): cell for status, cell in zip(head, row[1:], strict=True)}
    return found


def test_the_markdown_table_has_every_cell() -> None:
    """Read back, each cell says what the table says."""
    written = cells(markdown_table())
    assert len(written) == len(TABLE)
    for (status, trigger), cell in TABLE.items():
        text = written[statechart._WHAT[trigger], status.value]
        assert ("anomaly" in text) == cell.anomaly
        assert (text == "refused") == cell.illegal
        assert (text == "·") == (cell == Step())
        assert ("broker last said" in text) == cell.resume
        if cell.next is not None:
            assert text.startswith(cell.next.value)


@pytest.mark.parametrize(
    "change", [Step(next=S.REJECTED), Step(anomaly=True), Step(illegal=True), Step(resume=True)]
)
def test_a_changed_table_draws_another_page(change: Step) -> None:
    """The drawings are made from the table that they are given, not from memory."""
    changed = dict(TABLE) | {(S.SUBMITTED, T.DISCONNECTED): change}
    assert markdown_table(changed) != markdown_table()
    if change.next or change.resume:
        assert mermaid(changed) != mermaid()


def test_every_status_and_every_trigger_is_explained() -> None:
    """What it means, and what a trader may conclude; each explanation differs from the others."""
    assert set(statechart._MEANING) == set(OrderStatus)
    assert set(statechart._WHAT) == set(Trigger)
    assert len(set(statechart._WHAT.values())) == len(Trigger)
    assert len(set(statechart._MEANING.values())) == len(OrderStatus)
    for meaning, conclusion in statechart._MEANING.values():
        assert meaning in page()
        assert conclusion in page()
