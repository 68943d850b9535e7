"""Where the session with the broker stands."""

from __future__ import annotations

import enum

__all__ = ["SessionState"]


class SessionState(enum.Enum):
    """Where the session with the broker stands.

    ::

        DISCONNECTED -> CONNECTING -> SYNCHRONISING -> READY <-> DEGRADED
                            ^                            |          |
                            +----------- GAP <-----------+----------+
    """

    DISCONNECTED = "disconnected"
    """Not connected, and not trying: before the first connection, or closed by us."""
    CONNECTING = "connecting"
    """The socket, the handshake, and the broker's beginning of the session."""
    SYNCHRONISING = "synchronising"
    """The broker's orders, executions and positions are being taken over. Nothing may be sent yet."""
    READY = "ready"
    """All is known; orders may be sent."""
    DEGRADED = "degraded"
    """Connected, but something is amiss: the broker lost its own connection (1100), a market data farm is
    down, or the peer is slow to answer. Whether orders may be sent depends on what."""
    GAP = "gap"
    """The connection was lost and will be made again. Orders keep working at the broker, unseen."""
