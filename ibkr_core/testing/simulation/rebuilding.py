"""The journal's master property: a replay of the journal makes the very book that the engine had."""

from __future__ import annotations

import functools
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import attrs

from ibkr_core.journal import JournalReader, restore
from ibkr_core.journal.packed import PackedOrders
from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import load_checkpoint
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

    Once from the first input, with no express lane, and once more from the checkpoint, where there is one, as
    a start does it.

    Args:
        path: The journal; all that was recorded must be in the file.
        live: The engine's orders.
        client_id: The engine's.
        settings: The engine's: what is sent again by itself is part of the book's rules.
        rules: The engine's.
    """
    live = tuple(live)
    empty = functools.partial(Book, client_id, with_retries(rules, settings.retry), codec=CODEC)
    with JournalReader(path) as reader:
        rebuilt = restore(reader.inputs(), empty(is_express=False), FrameReader()).orders()
        findings = _compared(live, rebuilt)
        begun = PackedOrders(_Looking(reader)).read()
        if begun is not None:
            book = empty()
            load_checkpoint(book, begun.orders, begun.things, begun.state)
            restore(reader.inputs(after=begun.number), book, FrameReader())
            findings += _compared(live, book.orders())
    return tuple(dict.fromkeys(findings))


def _compared(live: Sequence[OrderRecord], rebuilt: Sequence[OrderRecord]) -> list[Finding]:
    findings = [
        Finding(one.key or str(one.perm_id), what)
        for one, other in zip(live, rebuilt, strict=False)
        for what in _differences(one, other)
    ]
    if len(live) != len(rebuilt):
        findings.append(Finding("-", f"{len(live)} orders here, and the journal rebuilds {len(rebuilt)}"))
    return findings


class _Looking:
    """A journal that is only looked at: what a checkpoint left behind stays."""

    def __init__(self, reader: JournalReader) -> None:
        self.query = reader.query

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Do nothing; see :class:`ibkr_core.journal.packed.File`."""

    def set_state(self, name: str, text: str) -> None:
        """Likewise."""


def _differences(live: OrderRecord, rebuilt: OrderRecord) -> Iterable[str]:
    for field in attrs.fields(OrderRecord):
        one, other = getattr(live, field.name), getattr(rebuilt, field.name)
        if one != other:
            yield f"{field.name} is {one} here, and the journal rebuilds {other}"
