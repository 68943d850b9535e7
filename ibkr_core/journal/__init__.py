"""The journal: one SQLite file that holds everything the book was told, in the order in which it was told.

Replaying it rebuilds the book exactly. ``docs/journal.md`` tells the tables and the promises.
"""

from __future__ import annotations

from ibkr_core.journal.encoding import check_storable
from ibkr_core.journal.entries import Entry, Frame, Payload
from ibkr_core.journal.journal import Journal
from ibkr_core.journal.reading import FillLine, HistoryLine, IntegrityReport, JournalReader, OrderLine
from ibkr_core.journal.recovery import restore
from ibkr_core.journal.retention import Retention
from ibkr_core.journal.store import Durability

__all__ = [
    "Durability",
    "Entry",
    "FillLine",
    "Frame",
    "HistoryLine",
    "IntegrityReport",
    "Journal",
    "JournalReader",
    "OrderLine",
    "Payload",
    "Retention",
    "check_storable",
    "restore",
]
