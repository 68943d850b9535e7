"""The journal's master property: a replay of the journal makes the very book that the engine had."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import attrs

from ibkr_core.journal import JournalReader, restore
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule
from ibkr_core.model.record import OrderRecord
from ibkr_core.recovering import FrameReader
from ibkr_core.retrier import with_retries
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation.auditor import Finding

__all__ = ["compare_with_journal"]


def compare_with_journal(
    path: Path,
    live: Iterable[OrderRecord],
    *,
    client_id: int,
    settings: EngineSettings,
    rules: Mapping[int, CodeRule] = DEFAULT_RULES,
) -> tuple[Finding, ...]:
    """Rebuild the book from its journal and compare its orders with the live ones, field by field.

    Args:
        path: The journal; all that was recorded must be in the file.
        live: The engine's orders.
        client_id: The engine's.
        settings: The engine's: what is sent again by itself is part of the book's rules.
        rules: The engine's.
    """
    book = Book(client_id, with_retries(rules, settings.retry))
    with JournalReader(path) as reader:
        restore(reader.inputs(), book, FrameReader())
    rebuilt = book.orders()
    live = tuple(live)
    findings = [
        Finding(one.key or str(one.perm_id), what)
        for one, other in zip(live, rebuilt, strict=False)
        for what in _differences(one, other)
    ]
    if len(live) != len(rebuilt):
        findings.append(Finding("-", f"{len(live)} orders here, and the journal rebuilds {len(rebuilt)}"))
    return tuple(findings)


def _differences(live: OrderRecord, rebuilt: OrderRecord) -> Iterable[str]:
    for field in attrs.fields(OrderRecord):
        one, other = getattr(live, field.name), getattr(rebuilt, field.name)
        if one != other:
            yield f"{field.name} is {one} here, and the journal rebuilds {other}"
