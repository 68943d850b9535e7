"""The gateway loses the broker: what is withheld, what is put off, and what comes when it is back.

The socket stays open, and orders at the broker go on (TWS facts 5). What a gateway does with requests
meanwhile is not documented; see :class:`~ibkr_core.gateway.faults.actions.Outage` for the choices.
"""

from __future__ import annotations

from ibkr_core.gateway.faults.actions import Outage
from ibkr_core.gateway.faults.tools import COMMANDS, Tools
from ibkr_core.gateway.protocol import Session
from ibkr_core.wire.message import Message

__all__ = ["BrokerLine"]

_BROKEN = {
    1100: "Connectivity between IB and Trader Workstation has been lost.",
    2110: "Connectivity between Trader Workstation and server is broken. It will be restored automatically.",
}
_RESTORED = {
    1101: "Connectivity between IB and Trader Workstation has been restored - data lost.",
    1102: "Connectivity between IB and Trader Workstation has been restored - data maintained.",
}
_DATA_LOST = 1101
_BROKEN_ALREADY = 2110
_LOCAL = frozenset({
    "reqIds", "reqCurrentTime", "reqCurrentTimeInMillis", "reqManagedAccts", "setServerLogLevel",
})  # fmt: skip
"""Requests that a gateway answers by itself."""

_PASSING = ("tick", "updateMktDepth", "realtimeBar", "historicalDataUpdate")
"""Beginnings of the kinds of market data: what was missed of it does not come later."""


class BrokerLine:
    """The line between the gateway and the broker.

    Args:
        tools: What faults work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self._outage: Outage | None = None
        self._withheld: list[tuple[Session, Message]] = []
        self._put_off: list[tuple[Session, Message]] = []

    @property
    def is_broken(self) -> bool:
        """Whether the broker is out of reach."""
        return self._outage is not None

    def cut(self, outage: Outage) -> str | None:
        """Lose the broker; None when it is lost already.

        Returns:
            In words, what was done.
        """
        if self._outage is not None:
            return None
        self._outage = outage
        for session in self._tools.ground.sessions():
            self._tools.say(session, outage.code, _BROKEN[outage.code])
        seconds = self._tools.draw(outage.for_s)
        self._tools.last(seconds, self._mend)
        return f"code {outage.code} for {seconds:.3f} s, then {outage.back or 'no word'}"

    def withholds(self, session: Session, message: Message) -> bool:
        """Whether a callback that nobody asked for does not come through now."""
        outage = self._outage
        if outage is None or (outage.leak and self._tools.rng.random() < outage.leak):
            return False
        if outage.callbacks == "later" and not message.kind.startswith(_PASSING):
            self._withheld.append((session, message))
        return True

    def puts_off(self, session: Session, request: Message) -> bool:
        """Whether a request is not acted upon now."""
        outage = self._outage
        if outage is None or outage.requests == "answered" or request.kind in _LOCAL:
            return False
        if outage.requests == "held":
            self._put_off.append((session, request))
        return True

    def welcome(self, session: Session) -> None:
        """Tell a client that comes while the broker is out of reach (2110; from memory)."""
        if self._outage is not None:
            self._tools.say(session, _BROKEN_ALREADY, _BROKEN[_BROKEN_ALREADY])

    def forget(self) -> None:
        """Forget what is withheld or put off."""
        self._withheld.clear()
        self._put_off.clear()

    def _mend(self) -> None:
        outage, self._outage = self._outage, None
        if outage is None:
            return
        withheld, self._withheld = self._withheld, []
        put_off, self._put_off = self._put_off, []
        for session in self._tools.ground.sessions():
            if outage.back == _DATA_LOST:
                self._tools.ground.lose_data(session)
            if outage.back:
                self._tools.say(session, outage.back, _RESTORED[outage.back])
        for session, message in withheld:
            session.write(message)
        for session, request in put_off:
            # Not documented: an order that the gateway had taken goes on even if its client has left.
            if not session.closed or request.kind in COMMANDS:
                self._tools.answer(session, request)
