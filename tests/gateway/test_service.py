"""Subscriptions: repeated at their own interval, ended by hand or by leaving."""

from __future__ import annotations

import pytest

from ibkr_core.gateway.clock import ManualClock, Scheduler
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Feeds, Fresh, request_id_of
from ibkr_core.wire.message import Message


class Ear:
    """A client that keeps what it hears."""

    server_version = 176
    client_id = 1

    def __init__(self) -> None:
        self.heard: list[Message] = []

    def send(self, message: Message) -> None:
        self.heard.append(message)


class Time:
    """A clock and what is due."""

    def __init__(self) -> None:
        self.clock = ManualClock(0.0)
        self.schedule = Scheduler()

    def later(self, delay_s: float, action: object) -> None:
        self.schedule.at(self.clock() + delay_s, action)  # type: ignore[arg-type]

    def run(self, until: float) -> None:
        while (due := self.schedule.pop_due(until)) is not None:
            self.clock.advance_to(due[0])
            due[1]()


def test_a_push_is_repeated_until_it_is_stopped() -> None:
    """At each interval, and not once more after the end."""
    time, ear, at = Time(), Ear(), []
    feeds = Feeds(time.later)
    feeds.start(ear, 7, lambda: at.append(time.clock()), interval_s=2.0, first_s=0.5)
    time.run(5.0)
    assert at == [0.5, 2.5, 4.5]
    assert feeds.stop(ear, 7)
    time.run(20.0)
    assert len(at) == 3
    assert not feeds.stop(ear, 7)


def test_an_id_in_use_is_refused_and_the_old_one_goes_on() -> None:
    """322, as a real gateway says; another client may use the same id."""
    time, ear = Time(), Ear()
    feeds = Feeds(time.later)
    feeds.start(ear, 7, lambda: None, interval_s=1.0)
    with pytest.raises(RefusalError, match="322"):
        feeds.start(ear, 7, lambda: None, interval_s=1.0)
    feeds.start(Ear(), 7, lambda: None, interval_s=1.0)
    assert feeds.stop(ear, 7)


def test_there_is_a_limit_for_each_client() -> None:
    """The next one is refused as told; ending one makes room."""
    time, ear = Time(), Ear()
    feeds = Feeds(time.later, limit=1, full=RefusalError(309, "enough"))
    feeds.start(ear, 1, lambda: None, interval_s=1.0)
    with pytest.raises(RefusalError, match="309: enough"):
        feeds.check(ear, 2)
    feeds.check(Ear(), 2)
    feeds.stop(ear, 1)
    feeds.check(ear, 2)


def test_leaving_ends_everything_of_that_client_alone() -> None:
    """Nobody pushes into a closed session."""
    time, ear, other, pushed = Time(), Ear(), Ear(), []
    feeds = Feeds(time.later)
    for owner in (ear, other):
        feeds.start(owner, 1, lambda owner=owner: pushed.append(owner), interval_s=1.0)  # type: ignore[misc]
    feeds.forget(ear)
    time.run(1.0)
    assert pushed == [other]


def test_a_fill_reaches_those_who_care() -> None:
    """The account and the instrument are passed on."""
    time, told = Time(), []
    feeds = Feeds(time.later)
    feeds.start(Ear(), 1, lambda: None, interval_s=1.0)
    feeds.start(Ear(), 1, lambda: None, interval_s=1.0, traded=lambda *what: told.append(what))
    (apple,) = default_catalogue().matches({"conId": 265598})
    feeds.traded("DU1", apple)
    assert told == [("DU1", apple)]


def test_only_what_changed_is_sent() -> None:
    """By key, and a value that comes back is a change."""
    ear = Ear()
    fresh = Fresh(ear)
    for value in (1, 1, 2, 1):
        fresh.send("x", Message("tickSize", {"size": value}))
    assert [one.fields["size"] for one in ear.heard] == [1, 2, 1]
    assert fresh.knows("x")
    assert not fresh.knows("y")


def test_a_request_without_an_id_belongs_to_nobody() -> None:
    """Its error carries -1."""
    assert (request_id_of({"reqId": 4}), request_id_of({})) == (4, -1)
