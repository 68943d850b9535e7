"""What the services behind the desk share: who asks, what was subscribed to, and what was told already.

A subscription is a push that is repeated at its own interval until the client cancels it or goes. Time comes
from the venue's queue, so under a manual clock every push happens at its own moment.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol

import attrs

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.wire.message import Message

__all__ = ["NOBODY", "Client", "Feeds", "Fresh", "Handler", "Service", "request_id_of"]

NOBODY = -1
"""``reqId`` of what belongs to no request."""


class Client(Protocol):
    """What the desk needs of a session."""

    server_version: int

    @property
    def client_id(self) -> int:
        """The id with which the client started."""

    def send(self, message: Message) -> None:
        """Send one answer."""


Handler = Callable[[Client, Mapping[str, Any]], None]
"""Answers one request, or raises :class:`RefusalError` to refuse it under its request id."""


class Service(Protocol):
    """A group of requests that belong together."""

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""

    def forget(self, client: Client) -> None:
        """End everything that a client has subscribed to."""


def request_id_of(fields: Mapping[str, Any]) -> int:
    """The id under which a request wants its answer; -1 when it has none."""
    found: int = fields.get("reqId", NOBODY)
    return found


class Fresh:
    """Sends a client only what differs from what it was told last.

    Args:
        client: To whom.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._told: dict[Hashable, Message] = {}

    def knows(self, key: Hashable) -> bool:
        """Whether something was told under this key."""
        return key in self._told

    def send(self, key: Hashable, message: Message) -> None:
        """Send a message, unless the last one under this key was the same."""
        if self._told.get(key) != message:
            self._told[key] = message
            self._client.send(message)


@attrs.define(eq=False)
class _Feed:
    """One subscription."""

    push: Callable[[], None]
    interval_s: float
    traded: Callable[[str, Instrument], None] | None


class Feeds:
    """The subscriptions of every client to one family of data.

    Args:
        later: Does something after a delay in seconds.
        limit: At most so many at a time for one client; None for any number.
        full: What a client hears that wants more.
    """

    def __init__(
        self,
        later: Callable[[float, Callable[[], None]], None],
        *,
        limit: int | None = None,
        full: RefusalError | None = None,
    ) -> None:
        self._later = later
        self._limit = limit
        self._full = full
        self._running: dict[tuple[Client, int], _Feed] = {}

    def check(self, client: Client, request_id: int) -> None:
        """See whether a client may have one more.

        Raises:
            RefusalError: 322 when the id is in use, or what ``full`` says when there are too many.
        """
        if (client, request_id) in self._running:
            raise RefusalError(322, "Error processing request.-'bN' : cause - Duplicate ticker id")
        mine = sum(1 for owner, _ in self._running if owner is client)
        if self._full is not None and self._limit is not None and mine >= self._limit:
            raise RefusalError(self._full.code, self._full.text)

    def start(
        self,
        client: Client,
        request_id: int,
        push: Callable[[], None],
        *,
        interval_s: float,
        first_s: float | None = None,
        traded: Callable[[str, Instrument], None] | None = None,
    ) -> None:
        """Repeat ``push`` until :meth:`stop`.

        Args:
            client: Whose subscription it is.
            request_id: By which it is known.
            push: Tells what there is to tell.
            interval_s: Seconds between two pushes.
            first_s: Seconds before the first one; by default the interval.
            traded: Called with account code and instrument after each fill.

        Raises:
            RefusalError: As for :meth:`check`.
        """
        self.check(client, request_id)
        feed = _Feed(push, interval_s, traded)
        self._running[client, request_id] = feed
        self._arm(client, request_id, feed, interval_s if first_s is None else first_s)

    def stop(self, client: Client, request_id: int) -> bool:
        """End a subscription; False when there was none."""
        return self._running.pop((client, request_id), None) is not None

    def forget(self, client: Client) -> None:
        """End everything that a client has subscribed to."""
        for key in [key for key in self._running if key[0] is client]:
            del self._running[key]

    def traded(self, account: str, instrument: Instrument) -> None:
        """Let every subscription that cares know of a fill."""
        for feed in list(self._running.values()):
            if feed.traded is not None:
                feed.traded(account, instrument)

    def _arm(self, client: Client, request_id: int, feed: _Feed, delay_s: float) -> None:
        self._later(delay_s, lambda: self._tick(client, request_id, feed))

    def _tick(self, client: Client, request_id: int, feed: _Feed) -> None:
        if self._running.get((client, request_id)) is feed:
            self._arm(client, request_id, feed, feed.interval_s)
            feed.push()
