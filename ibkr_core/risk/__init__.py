"""Risk: what an order must keep to before it is written down, let alone sent. Pure.

A gate is a callable that takes a :class:`RiskContext` and returns a :class:`Refusal` or None.
``docs/risk.md`` tells the limits, their rules, and how to write a gate of your own.
"""

from __future__ import annotations

from ibkr_core.risk.hours import TradingHours
from ibkr_core.risk.limits import RiskLimits, RiskPolicy
from ibkr_core.risk.values import (
    DatedQuote,
    Gate,
    LastQuote,
    LiveOrder,
    Need,
    Refusal,
    RiskContext,
    Submission,
)

__all__ = [
    "DatedQuote",
    "Gate",
    "LastQuote",
    "LiveOrder",
    "Need",
    "Refusal",
    "RiskContext",
    "RiskLimits",
    "RiskPolicy",
    "Submission",
    "TradingHours",
]
