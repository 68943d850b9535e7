"""A day's trading in figures: counts, fill ratios, volume, money, latencies and slippage.

The same answers come from the live book (:func:`summarise`), from the event log's files
(:func:`summarise_log`) and from the journal (:func:`summarise_journal`)::

    today = datetime.now(zone).date()
    print(summarise(engine.orders(), today, zone))

A day is a date in a time zone that you name: a session in New York ends after midnight UTC in winter.
"""

from __future__ import annotations

from ibkr_core.summary.figures import DaySummary, Latency, OrderFigures
from ibkr_core.summary.sources import summarise, summarise_journal, summarise_log

__all__ = [
    "DaySummary",
    "Latency",
    "OrderFigures",
    "summarise",
    "summarise_journal",
    "summarise_log",
]
