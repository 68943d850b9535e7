"""How long the journal keeps what is finished."""

from __future__ import annotations

import attrs

__all__ = ["Retention"]


@attrs.frozen
class Retention:
    """How long to keep what, counted from the last moment that anything was told about it.

    Attributes:
        days: The inputs of orders that are finished and settled, with their whole families. None: for ever.
        events_days: The rows of ``events``. None: for ever.
        rows_days: The rows of ``orders`` and ``fills``. None, the default: for ever, they are the books.
    """

    days: int | None = 30
    events_days: int | None = 365
    rows_days: int | None = None
