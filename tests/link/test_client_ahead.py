"""The client in a burst: it decodes a few messages ahead, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import HotTaker
from ibkr_core.model.facts import ErrorFact, HotValues, StatusFact, fact_of
from tests.link.peers import VERSIONS, Recorder, Tape, answer, hello

MANY = 140
"""Messages of a burst: more than are ever decoded in a row, a few times over."""
NEWEST = VERSIONS[-1]


def said(number: int, version: int) -> bytes:
    """A message with a number of its own: every third one is not of the hot kinds."""
    if number % 3 == 2:
        return answer("error", version, id=number, errorCode=2104, errorMsg="fine", errorTime=1)
    return answer(
        "orderStatus",
        version,
        orderId=number,
        status="Submitted",
        filled=Decimal(0),
        remaining=Decimal(1),
        avgFillPrice=0.0,
        permId=1000 + number,
        parentId=0,
        lastFillPrice=0.0,
        clientId=1,
        whyHeld="",
        mktCapPrice=0.0,
    )


def burst(version: int, begin: int = 0, end: int = MANY) -> bytes:
    """Messages in a row."""
    return b"".join(said(number, version) for number in range(begin, end))


class Listening(Recorder):
    """Keeps the numbers of messages as they are taken, hot and cold ones, and does something at each."""

    def __init__(self, then: Callable[[int], None] = lambda _: None) -> None:
        super().__init__()
        self.numbers: list[int] = []
        self.then = then

    def _hear(self, fact: Any) -> None:
        assert isinstance(fact, StatusFact | ErrorFact)
        number = fact.order_id if isinstance(fact, StatusFact) else fact.request_id
        assert number is not None
        if number >= 0:
            self.numbers.append(number)
            self.then(number)

    def on_fact(self, fact: Any) -> None:
        self._hear(fact)

    def hot_taker(self) -> HotTaker:
        return lambda values, _: self._hear(fact_of(values))


def listened(version: int, then: Callable[[int], None] = lambda _: None) -> tuple[TwsClient, Listening]:
    """A client behind its handshake, and who listens."""
    listening = Listening(then)
    client = TwsClient(listening)
    client.begin(Tape([]), 1)
    assert client.feed(hello(version))
    return client, listening


@pytest.mark.parametrize("version", VERSIONS)
def test_a_burst_is_handled_in_its_order(version: int) -> None:
    """Hot messages and others, each in its turn, whatever was decoded when."""
    client, listening = listened(version)
    assert client.feed(burst(version))
    assert listening.numbers == [*range(MANY)]
    assert not client.frame


def test_the_first_of_a_burst_does_not_wait_for_others() -> None:
    """It is taken before a second one is decoded; later more and more are decoded in a row, up to a bound."""
    client, listening = listened(NEWEST)
    decode, decoded = client._inbound.decode, 0

    def counted(body: bytes) -> HotValues | None:
        nonlocal decoded
        decoded += 1
        return decode(body)

    client._inbound.decode = counted
    ahead: list[int] = []
    listening.then = lambda _: ahead.append(decoded - len(listening.numbers))
    assert client.feed(burst(NEWEST))
    assert ahead[0] == 0
    assert 1 <= max(ahead) < 32
    assert decoded == MANY, "each is decoded once"


@pytest.mark.parametrize("place", range(0, MANY, 3))
def test_an_interrupt_loses_no_message_behind_it(place: int) -> None:
    """Ctrl-C while a message is taken: those behind it come with the next bytes, in order, and once."""

    def interrupt(number: int) -> None:
        if number == place:
            raise KeyboardInterrupt

    client, listening = listened(NEWEST, interrupt)
    with pytest.raises(KeyboardInterrupt):
        client.feed(burst(NEWEST))
    assert listening.numbers == [*range(place + 1)]
    assert client.feed(said(MANY, NEWEST))
    assert listening.numbers == [*range(MANY + 1)]


@pytest.mark.parametrize("place", range(MANY))
def test_an_interrupt_while_decoding_loses_nothing(place: int) -> None:
    """Nothing has come of a message that is only decoded: it is decoded again."""
    client, listening = listened(NEWEST)
    decode, is_over, count = client._inbound.decode, False, 0

    def interrupted(body: bytes) -> HotValues | None:
        nonlocal is_over, count
        count += 1
        if count == place + 1 and not is_over:
            is_over = True
            raise KeyboardInterrupt
        return decode(body)

    client._inbound.decode = interrupted
    with pytest.raises(KeyboardInterrupt):
        client.feed(burst(NEWEST))
    assert len(listening.numbers) <= place
    assert client.feed(said(MANY, NEWEST))
    assert listening.numbers == [*range(MANY + 1)]


@pytest.mark.parametrize("place", range(0, MANY, 7))
def test_a_message_that_cannot_be_decoded_fails_in_its_turn(place: int) -> None:
    """Behind what came before it, and in front of what comes after it; it is told once."""
    client, listening = listened(NEWEST)
    decode, bad = client._inbound.decode, said(place, NEWEST)[4:]

    def failing(body: bytes) -> HotValues | None:
        if body == bad:
            raise RuntimeError("odd")
        return decode(body)

    client._inbound.decode = failing
    before: list[list[int]] = []
    fail = listening.on_callback_failed

    def failed(error: BaseException) -> None:
        before.append([*listening.numbers])
        fail(error)

    listening.on_callback_failed = failed  # type: ignore[method-assign]
    assert client.feed(burst(NEWEST))
    assert before == [[*range(place)]]
    assert listening.numbers == [number for number in range(MANY) if number != place]
    assert [str(failure) for failure in listening.failures] == ["odd"]


@pytest.mark.parametrize("place", range(0, MANY, 5))
def test_bytes_that_a_listener_feeds_come_last(place: int) -> None:
    """A simulation's listener may have more said: what was said before it is handled first, and all once."""

    def feed_more(number: int) -> None:
        if number == place:
            assert client.feed(burst(NEWEST, MANY, MANY + 20))

    client, listening = listened(NEWEST, feed_more)
    assert client.feed(burst(NEWEST))
    assert listening.numbers == [*range(MANY + 20)]


def test_a_burst_goes_on_when_a_listener_disconnects() -> None:
    """What the broker had said by then is true all the same."""

    def leave(number: int) -> None:
        if number == 9:
            client.disconnect()

    client, listening = listened(NEWEST, leave)
    client.feed(burst(NEWEST))
    assert listening.numbers == [*range(MANY)]


def test_a_long_burst_leaves_nothing_behind() -> None:
    """Once all is handled the client keeps none of it but the last few."""
    client, _ = listened(NEWEST)
    client.feed(burst(NEWEST))
    assert client._inbound.bodies == []
    assert [*client._inbound.ahead] == []
