"""What the journal keeps: every input of the book, in the order in which it was applied."""

from __future__ import annotations

from datetime import datetime

import attrs

from ibkr_core.lifecycle.inputs import Command
from ibkr_core.model.facts import BrokerFact

__all__ = ["Entry", "Frame", "Payload"]


@attrs.frozen
class Frame:
    """One message of the broker as it came over the wire, without its length.

    Attributes:
        server_version: The protocol version of the session, without which it cannot be read.
        body: The bytes.
    """

    server_version: int
    body: bytes


Payload = Frame | Command | BrokerFact
"""A frame, a command of ours, or a fact that came in no frame (the official client makes some itself)."""


@attrs.frozen
class Entry:
    """One input of the book, as the journal holds it.

    Attributes:
        index: Its place in the order of application; grows, and is never used again.
        at: The moment (UTC) that the book was told.
        payload: The input.
        seq: The book's last event number before it took the input.
        epoch: The run of the engine that recorded it.
    """

    index: int
    at: datetime
    payload: Payload
    seq: int = 0
    epoch: int = 0
