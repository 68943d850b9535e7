"""The numbers that a gateway gives out and must never give out twice, not even after a restart."""

from __future__ import annotations

import attrs

__all__ = ["Numbers"]


@attrs.define
class Numbers:
    """How far each number has come.

    Attributes:
        orders: Orders made so far; it decides the next permId, and time priority.
        executions: Executions made so far, those of a combination's legs not counted.
        bound: The last id that an order made by hand was given: zero, then negative (TWS facts 4).
        highest_ids: The highest order id that each client has used.
        restarts: How often the gateway was started on the same books; it changes the luck of what comes.
    """

    orders: int = 0
    executions: int = 0
    bound: int = 0
    highest_ids: dict[int, int] = attrs.field(factory=dict)
    restarts: int = 0
