"""Faults of the connections: stalled, cut, reset, dead, refused; and those that end with one.

In memory they act on the sessions; behind TCP the server does to its sockets what became of the sessions.
"""

from __future__ import annotations

from ibkr_core.gateway.faults import actions
from ibkr_core.gateway.faults.actions import Action
from ibkr_core.gateway.faults.tools import COMMANDS, Tools
from ibkr_core.gateway.protocol import Session
from ibkr_core.wire.message import Message

__all__ = ["Lines"]

_NO_ONE = "nobody was connected"


class Lines:
    """The connections of one gateway, at the hand of its faults.

    Args:
        tools: What faults work with.
    """

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    # -- where they strike -------------------------------------------------------------------------

    def at_answer(self, action: Action, session: Session, message: Message) -> str:
        """Strike with a message on its way to a client."""
        match action:
            case actions.Stall():
                done = self._stall(session, action)
                session.write(message)
                return done
            case actions.HalfOpen():
                done = self._kill(session, action)
                session.write(message)  # into the dead line
                return done
            case actions.Disconnect(moment="inside"):
                data = session.framed(message)
                session.inject(data[: self._tools.rng.randrange(1, len(data))])
            case actions.Disconnect(moment="after") | actions.PortChange() | actions.RateExceeded():
                session.write(message)
            case actions.Refuse():
                session.write(message)
        return self._end(action, session)

    def at_request(self, action: Action, session: Session, request: Message) -> str:
        """Strike with a request that has just come."""
        match action:
            case actions.Stall():
                done = self._stall(session, action)
                self._tools.answer(session, request)
                return done
            case actions.HalfOpen():
                return self._kill(session, action, request)
            case actions.Refuse():
                done = self._end(action, session)
                self._tools.answer(session, request)
                return done
        done = self._end(action, session)
        if getattr(action, "moment", "") == "after" and request.kind in COMMANDS:
            self._tools.answer(session, request)  # to a session that has ended: nobody hears of it
            done += ", the request acted upon"
        return done

    def at_moment(self, action: Action, client_id: int | None) -> str:
        """Strike one client, or all."""
        sessions = [one for one in self._tools.ground.sessions() if client_id in {None, one.client_id}]
        if isinstance(action, actions.Refuse | actions.PortChange):
            return self._end(action, None)
        told = [f"client {one.client_id}: {self._at_moment(action, one)}" for one in sessions]
        return "; ".join(told) or _NO_ONE

    def _at_moment(self, action: Action, session: Session) -> str:
        match action:
            case actions.Stall():
                return self._stall(session, action)
            case actions.HalfOpen():
                return self._kill(session, action)
            case _:
                return self._end(action, session)

    # -- what they do ------------------------------------------------------------------------------

    def _stall(self, session: Session, action: actions.Stall) -> str:
        seconds = self._tools.draw(action.for_s)
        session.hold()
        self._tools.last(seconds, session.release)
        return f"silent for {seconds:.3f} s"

    def _kill(self, session: Session, action: actions.HalfOpen, request: Message | None = None) -> str:
        """Let a line die; a request that has just left the client is lost with it, or comes at its end."""
        seconds = self._tools.draw(action.for_s)
        session.hold(lose=action.ends == "reset")
        session.deafen(keep=action.ends == "revives")

        def end() -> None:
            if action.ends == "reset":
                session.reset()
                return
            session.release()
            if request is not None:
                self._tools.answer(session, request)
            session.hear()

        self._tools.last(seconds, end)
        return f"dead for {seconds:.3f} s, then {action.ends}"

    def _end(self, action: Action, session: Session | None) -> str:
        """Do what ends connections, one or all, and what keeps new ones away."""
        done = ""
        match action:
            case actions.PortChange(port=port):
                text = (
                    "TWS socket port has been reset and this connection is being dropped. "
                    f"Please reconnect on the new port - {port}"
                )
                for one in self._tools.ground.sessions():
                    self._tools.say(one, 1300, text)
                    one.close()
                done = f"code 1300, port {port}, all closed"
            case actions.RateExceeded() if session is not None:
                self._tools.say(session, 100, too_fast(51, 50))
                session.close()
                done = "code 100, closed"
            case actions.Reset() if session is not None:
                session.reset()
                done = "reset"
            case actions.Disconnect() if session is not None:
                session.close()
                done = f"closed {action.moment} it"
            case actions.Refuse(for_s=span, how=how):
                return f"{how} for {self._tools.refuse(span, how):.3f} s"
        refuses = getattr(action, "refuse_s", (0.0, 0.0))
        seconds = self._tools.refuse(refuses)
        return f"{done}, refused for {seconds:.3f} s" if seconds else done


def too_fast(sent: int, allowed: int, violation: int = 1) -> str:
    """Text of error 100 (its form is from memory)."""
    return f"Max rate of messages per second has been exceeded:max={allowed} rec={sent} ({violation})"
