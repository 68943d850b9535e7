"""Draws THE table: a state diagram and a table for people, made from the very data that the book uses.

    python -m ibkr_core.lifecycle.statechart > docs/states.md

Pure functions; a test holds the page in the documentation equal to what they make.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from ibkr_core.lifecycle.transitions import TABLE, Source, Step, Trigger
from ibkr_core.model.status import FINISHED, WORKING, OrderStatus

__all__ = ["main", "markdown_table", "mermaid", "page"]

Table = Mapping[tuple[OrderStatus, Trigger], Step]

_LIVE: Final = tuple(status for status in OrderStatus if status not in FINISHED)

_WHAT: Final[Mapping[Trigger, str]] = {
    Trigger.WORD_PENDING: "ApiPending or PendingSubmit",
    Trigger.WORD_PRE_SUBMITTED: "PreSubmitted, nothing filled",
    Trigger.WORD_SUBMITTED: "Submitted, nothing filled",
    Trigger.WORD_PARTIAL: "PreSubmitted or Submitted, partly filled",
    Trigger.WORD_PENDING_CANCEL: "PendingCancel or PreCancelled",
    Trigger.WORD_CANCELLED: "Cancelled or ApiCancelled",
    Trigger.WORD_FILLED: "Filled",
    Trigger.WORD_INACTIVE: "Inactive",
    Trigger.WORD_STRANGE: "a word that nobody knows",
    Trigger.WORD_ECHO: "a word that our knowledge has overtaken",
    Trigger.EXEC_PARTIAL: "an execution that leaves something open",
    Trigger.EXEC_FULL: "executions that cover the whole size",
    Trigger.VERDICT_REJECTED: "a code proves a refusal",
    Trigger.VERDICT_DEAD: "a code proves that the rest is dead",
    Trigger.VERDICT_DOUBT: "a code leaves the fate open",
    Trigger.VERDICT_REFUSED: "our cancel was refused",
    Trigger.VERDICT_LIVES: "an order that was taken for dead shows that it lives",
    Trigger.MODIFY: "we ask for new terms",
    Trigger.CANCEL: "we ask for a cancel",
    Trigger.SEND_FAILED: "the send failed halfway",
    Trigger.NOT_SENT: "certainly nothing was sent",
    Trigger.DISCONNECTED: "connection lost before any answer",
    Trigger.SILENCE: "no answer to a new order in time",
    Trigger.RESEND: "we send it again, nothing of it being alive",
    Trigger.LISTS_LACK_NEW: "complete lists lack it, and it was never answered for",
    Trigger.LISTS_LACK_KNOWN: "complete lists lack it, and it was known",
}
"""Each trigger for people."""

_MEANING: Final[Mapping[OrderStatus, tuple[str, str]]] = {
    OrderStatus.PENDING_SUBMIT: (
        "Sent, or about to be. The broker has not answered.",
        "It may become an order at any moment. Count it as exposure; do not send it again.",
    ),
    OrderStatus.PRE_SUBMITTED: (
        "Accepted by the broker, not yet elected or routed: an untriggered stop, a child before its parent.",
        "It is alive at the broker and survives your program. It can fill from here directly.",
    ),
    OrderStatus.SUBMITTED: ("Working at its destination.", "It can fill at any moment."),
    OrderStatus.PARTIALLY_FILLED: (
        "Alive, and some of it is filled.",
        "`filled_quantity` is yours for good (but for a correction); the rest can still fill.",
    ),
    OrderStatus.PENDING_CANCEL: (
        "A cancel was asked for, by you or by the broker, and is not confirmed.",
        "It can still fill, in part or whole, and the cancel can be refused. Do not act as if it were gone.",
    ),
    OrderStatus.FILLED: (
        "Completely filled: executions cover it, or the broker says so.",
        "Final. Executions, corrections and commissions can still arrive and are booked.",
    ),
    OrderStatus.CANCELLED: (
        "The rest is confirmed dead.",
        "What filled stays filled, and an execution that was on its way can still add to it, up to FILLED.",
    ),
    OrderStatus.INACTIVE: (
        "Held and not working: refused, an unfilled fill-or-kill, or about to come to life.",
        "Conclude nothing: the word alone does not tell which, and such orders have come back.",
    ),
    OrderStatus.REJECTED: (
        "Refused, and nothing of it ever filled: no such order lives at the broker. `reject` says why.",
        "A corrected order is safe to send. A later sign of life is told as an anomaly.",
    ),
    OrderStatus.UNKNOWN: (
        "In doubt: bytes may or may not have left, an answer was lost, or a code tells nothing.",
        "Do not send it again: it may be alive. The broker is being asked. A cancel is always safe.",
    ),
}
"""What each status means, and what a trader may conclude."""

_INTRODUCTION: Final = """\
# The life of an order

A status says what is **proved** about an order, and no more. The broker's own word is kept beside it in
`OrderRecord.broker_status`; one word can mean several things there, one status means one thing here.

An order ends (FILLED, CANCELLED, REJECTED) only by proof: a status word, executions that cover it, an error
code that says so, complete lists of the broker that lack it, or the certainty that nothing was sent. It never
ends by a warning, a lost connection, a timeout, or a command of ours. When nothing is proved, the status is
UNKNOWN, and the broker is asked.

This page is made by `python -m ibkr_core.lifecycle.statechart` from the table that the order book uses, and
a test holds it equal to that. Do not edit it by hand.
"""


def mermaid(table: Table = TABLE) -> str:
    """Draw the table as a mermaid ``stateDiagram-v2``.

    What leads from every live status to the same place is drawn once, from a box of its own.
    """
    lines = ["stateDiagram-v2", "    direction LR", "    LIVE : any order that is not finished"]
    lines += ["    [*] --> PENDING_SUBMIT : we submit", "    [*] --> UNKNOWN : first seen in a callback"]
    common = {trigger: target for trigger in Trigger if (target := _common_target(table, trigger))}
    edges: dict[tuple[str, str], list[str]] = {}
    for trigger, target in common.items():
        edges.setdefault(("LIVE", target.value), []).append(_WHAT[trigger])
    for status in OrderStatus:
        for trigger in Trigger:
            if trigger in common and status in _LIVE:
                continue
            if (end := _end(table[status, trigger])) is not None:
                edges.setdefault((status.value, end), []).append(_WHAT[trigger])
    for (start, goal), causes in edges.items():
        lines.append(f"    {start} --> {goal} : {' / '.join(causes)}")
    lines += [f"    {status.value} --> [*]" for status in OrderStatus if status in FINISHED]
    return "\n".join(lines) + "\n"


def _common_target(table: Table, trigger: Trigger) -> OrderStatus | None:
    """Return where a trigger leads from every live status, None where it depends."""
    ends = {table[status, trigger].next or status for status in _LIVE}
    plain = not any(table[status, trigger].resume or table[status, trigger].illegal for status in _LIVE)
    return ends.pop() if plain and len(ends) == 1 else None


def _end(cell: Step) -> str | None:
    if cell.next is not None:
        return cell.next.value
    return "LIVE" if cell.resume else None


def markdown_table(table: Table = TABLE) -> str:
    """Write the table with a row for each thing that can happen and a column for each status."""
    lines: list[str] = []
    for source in Source:
        lines += [f"### {source.value[0].upper()}{source.value[1:]}", ""]
        lines.append("| what happens | " + " | ".join(f"in {status.value}" for status in OrderStatus) + " |")
        lines.append("|---" * (1 + len(OrderStatus)) + "|")
        for trigger in (trigger for trigger in Trigger if trigger.source is source):
            cells = " | ".join(_cell(table[status, trigger]) for status in OrderStatus)
            lines.append(f"| {_WHAT[trigger]} | {cells} |")
        lines.append("")
    return "\n".join(lines)


def _cell(cell: Step) -> str:
    if cell.illegal:
        return "refused"
    move = cell.next.value if cell.next is not None else "as the broker last said" if cell.resume else ""
    return f"{move} (anomaly)".strip() if cell.anomaly else move or "·"


def _meanings() -> str:
    lines = ["| status | what it means | what you may conclude | |", "|---|---|---|---|"]
    for status in OrderStatus:
        kind = "finished" if status in FINISHED else "working" if status in WORKING else "open"
        meaning, conclusion = _MEANING[status]
        lines.append(f"| {status.value} | {meaning} | {conclusion} | {kind} |")
    return "\n".join(lines) + "\n"


def page() -> str:
    """Write the whole page of the documentation."""
    return f"""{_INTRODUCTION}
## What each status means

{_meanings()}
*working* orders may fill at any moment (`is_working`), *finished* ones are final (`is_finished`), and about
*open* ones nothing is proved: they are in neither set, and `active_orders()` lists them.

## The diagram

`LIVE` stands for every status that is not finished: what leads from all of them to the same place is drawn
once. An arrow into `LIVE` goes back to what the broker's last word says.

```mermaid
{mermaid()}```

## The whole table

A dot means that nothing changes. An *anomaly* is recorded and told (`AnomalyDetected`), and raises nothing:
the broker surprised us. *Refused* is a command of yours that raises: nothing is sent.

{markdown_table()}
Which codes prove what is data of its own: `ibkr_core.lifecycle.verdicts`. Which events come with these steps
is told in `ibkr_core.model.events`.
"""


def main() -> int:
    """Print the page."""
    sys.stdout.write(page())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
