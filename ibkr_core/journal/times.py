"""Moments as the journal writes them: ISO-8601 text in UTC with microseconds, which sorts as text."""

from __future__ import annotations

from datetime import UTC, datetime

__all__ = ["from_text", "to_text"]


def to_text(at: datetime) -> str:
    """Write a moment: ``2026-11-21T14:31:45.123456Z``.

    Args:
        at: The moment. One without a zone is taken to be UTC.
    """
    zone = at.tzinfo
    if zone is not UTC and zone is not None:
        at = at.astimezone(UTC)
    return at.isoformat(timespec="microseconds")[:26] + "Z"


def from_text(text: str) -> datetime:
    """Read what :func:`to_text` wrote.

    Raises:
        ValueError: It is no such text.
    """
    return datetime.fromisoformat(text)
