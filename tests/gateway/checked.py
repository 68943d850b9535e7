"""A client in memory whose every answer the official decoder reads, too, and finds neither short nor long."""

from __future__ import annotations

from typing import Any

from ibkr_core.gateway import MemoryGateway
from ibkr_core.wire.codec import decode_answer
from ibkr_core.wire.framing import FrameBuffer
from ibkr_core.wire.message import Message
from tests.gateway.pocket import Pocket
from tests.wire.oracle import official_calls, versions

VERSIONS = versions(157, 176, 178, 187, 193, 200, 203, 213, 223, 226)
"""Where the named clients stand (wire facts 1), as far as the installed client goes."""


class Checked(Pocket):
    """A pocket client that also keeps the official callbacks."""

    def __init__(self, gateway: MemoryGateway, version: int, client_id: int = 1) -> None:
        self.official: list[tuple[str, tuple[Any, ...]]] = []
        super().__init__(gateway, client_id, version)

    def listen(self) -> list[Message]:
        """What came since the last look; the official decoder must make a callback of each."""
        buffer = FrameBuffer()
        buffer.feed(self.session.outgoing())
        fresh = []
        for body in (bytes(one) for one in buffer.frames()):
            message = decode_answer(body, self.version)
            calls = official_calls(body, self.version)
            assert calls, f"the official client makes nothing of {message}"
            assert message.kind == "error" or not any(name == "error" for name, _ in calls), calls
            self.official += calls
            fresh.append(message)
        self.heard += fresh
        return fresh

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every official callback of one name so far."""
        return [args for called, args in self.official if called == name]
