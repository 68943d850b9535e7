"""Which type of event a log line is: a handful of words to filter by, where events have many names."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ibkr_core.errors import InvalidInput

__all__ = ["TYPES", "EventType", "event_type", "names_of", "read_type"]


class EventType(enum.StrEnum):
    """What kind of thing an event is about."""

    SUBMISSION = "SUBMISSION"
    """The engine took an order and is about to send it."""
    FILL = "FILL"
    """An execution, its correction, its commission, or the end of an order by it."""
    STATUS_CHANGE = "STATUS_CHANGE"
    """What is proved about an order is something else now."""
    CANCELLATION = "CANCELLATION"
    """A cancel was asked for, refused, or confirmed."""
    ERROR = "ERROR"
    """Refused, in doubt, or broken; warnings of the broker too."""
    RETRY = "RETRY"
    """Something will be sent again."""
    MODIFY = "MODIFY"
    """New terms came into force, or were refused."""
    RISK = "RISK"
    """The brake, limits, positions that do not fit, messages that cost too much."""
    SESSION = "SESSION"
    """The connection, and what the broker says about no order."""


_BY_TYPE: Final[Mapping[EventType, str]] = {
    EventType.SUBMISSION: "OrderSubmitted",
    EventType.FILL: "ExecutionReceived OrderPartiallyFilled OrderFilled ExecutionCorrected "
    "CommissionReported UnattributedExecution",
    EventType.STATUS_CHANGE: "OrderAcknowledged OrderStatusChanged UnownedOrderFound WhatIfAnswered "
    "OrderEvent",
    EventType.CANCELLATION: "CancelRequested CancelRefused OrderCancelled",
    EventType.ERROR: "OrderRejected OrderUncertain OrderUnresolved OrderWarning AnomalyDetected "
    "JournalBroken ListenerFailed CallbackFailed",
    EventType.RETRY: "RetryScheduled",
    EventType.MODIFY: "OrderModified ModifyRefused",
    EventType.RISK: "TradingHalted HaltConfirmed TradingReleased EfficiencyWarning PositionDiffers "
    "RiskGateRefused RiskGateFailed RiskLimitsChanged StrategyUnfinished "
    "PositionUnprotected PositionProtected StopMoveFailed",
    EventType.SESSION: "Connected Synchronised SessionChanged Resumed ConnectionLost Disconnected "
    "JournalRestored BrokerMessage Event",
}

TYPES: Final[Mapping[str, EventType]] = MappingProxyType(
    {name: kind for kind, names in _BY_TYPE.items() for name in names.split()}
)
"""The type of each kind of event, by the name of its class."""


def event_type(name: str) -> EventType:
    """Return the type of an event, by the name of its class.

    One that this table does not know (a class of a user's own, or of a later version that wrote the line)
    counts as SESSION, which is what concerns everybody.
    """
    return TYPES.get(name, EventType.SESSION)


def names_of(kind: EventType) -> frozenset[str]:
    """Return the names of the events of a type."""
    return frozenset(name for name, one in TYPES.items() if one is kind)


def read_type(value: EventType | str) -> EventType:
    """Read a type as somebody wrote it; letter case does not matter.

    Raises:
        InvalidInput: There is no such type.
    """
    try:
        return EventType(str(value).upper())
    except ValueError:
        known = ", ".join(kind.value for kind in EventType)
        raise InvalidInput("type", f"must be one of {known}, not {value!r}") from None
