"""What all faults work with: chance, time, the gateway, and the log of what was done."""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial
from typing import Protocol

from ibkr_core.gateway import answers
from ibkr_core.gateway.faults.actions import Span
from ibkr_core.gateway.faults.plan import Injected
from ibkr_core.gateway.protocol import Session
from ibkr_core.gateway.venue import Venue
from ibkr_core.wire.message import Message

__all__ = ["COMMANDS", "Ground", "Tools"]

COMMANDS = frozenset({"placeOrder", "cancelOrder", "reqGlobalCancel", "exerciseOptions"})
"""Requests that change something; what they cause is no answer to a query."""

_NOBODY = -1


class Ground(Protocol):
    """What faults need of the gateway."""

    def session(self, client_id: int) -> Session | None:
        """The session of a client that has started."""

    def sessions(self) -> tuple[Session, ...]:
        """Every started session."""

    def answer(self, session: Session, message: Message) -> None:
        """Act upon a request, past all faults."""

    def lose_data(self, session: Session) -> None:
        """End a client's market data subscriptions."""


class Tools:
    """One gateway, seen by its faults.

    Args:
        venue: Orders, markets and time.
        ground: The sessions.
        seed: Decides every random thing.
    """

    def __init__(self, venue: Venue, ground: Ground, seed: int) -> None:
        self.venue = venue
        self.ground = ground
        self.rng = random.Random(f"{seed}/faults")  # noqa: S311 - a simulation, not a secret
        self.log: list[Injected] = []
        self.refusal = ""
        self.asked = ""  # the query that is being answered
        self._refusing = 0
        self._unmet: list[Session] = []
        self._pending: dict[int, tuple[float, Callable[[], None]]] = {}
        self._ongoing: set[int] = set()
        self._tokens = 0

    # -- chance and time ---------------------------------------------------------------------------

    def draw(self, span: Span) -> float:
        """A duration in seconds."""
        shortest, longest = span
        return self.rng.uniform(shortest, longest) if shortest < longest else shortest

    def now(self) -> float:
        """The present, seconds since the epoch."""
        return self.venue.now()

    def later(self, delay_s: float, action: Callable[[], None]) -> int:
        """Do something after a delay.

        Returns:
            By what it is known while it waits.
        """
        self._tokens += 1
        token = self._tokens
        self._pending[token] = self.now() + delay_s, action
        self.venue.later(delay_s, lambda: self._do(token))
        return token

    def last(self, seconds: float, end: Callable[[], None]) -> None:
        """Let something that has begun end after a while, or when all faults are ended."""
        self._ongoing.add(self.later(seconds, end))

    def end_all(self) -> None:
        """End at once everything that goes on."""
        for token in sorted(self._ongoing):
            self._do(token)
        self.refusal = ""

    def move(self, venue: Venue) -> None:
        """Go on at another venue, after a restart; what waits keeps its moment."""
        self.venue = venue
        for token, (moment, _) in self._pending.items():
            venue.later(max(moment - venue.now(), 0.0), partial(self._do, token))

    def _do(self, token: int) -> None:
        self._ongoing.discard(token)
        waited = self._pending.pop(token, None)
        if waited is not None:
            waited[1]()

    # -- saying and doing --------------------------------------------------------------------------

    def say(self, session: Session, code: int, text: str) -> None:
        """Send an error that belongs to no order, past all faults."""
        session.write(answers.error(_NOBODY, code, text, self.now()))

    def answer(self, session: Session, request: Message) -> None:
        """Act upon a request; what is sent while a query is answered counts as its answer."""
        before, self.asked = self.asked, "" if request.kind in COMMANDS else request.kind
        try:
            self.ground.answer(session, request)
        finally:
            self.asked = before

    def refuse(self, span: Span, how: str = "refused") -> float:
        """Let new connections fail for a while; of two such spells the later one holds.

        Returns:
            For how many seconds.
        """
        seconds = self.draw(span)
        if seconds <= 0:
            return 0.0
        self._refusing += 1
        spell, self.refusal = self._refusing, how
        self.last(seconds, lambda: self._accept(spell))
        return seconds

    def meet_with_silence(self, session: Session) -> None:
        """Hear nothing of a new connection; it is reset when connections are accepted again."""
        session.deafen(keep=False)
        self._unmet.append(session)

    def _accept(self, spell: int) -> None:
        if spell != self._refusing:
            return
        self.refusal = ""
        unmet, self._unmet = self._unmet, []
        for session in unmet:
            session.reset()
