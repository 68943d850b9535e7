"""Hostile frames: the same for the same seed, of every kind, and honest about what they are."""

from __future__ import annotations

import contextlib

import pytest

from ibkr_core.errors import FrameTooLong, WireError
from ibkr_core.gateway.core import supported_versions
from ibkr_core.testing.wild import Wild, WildFrame
from ibkr_core.wire.codec import decode_request, encode_request
from ibkr_core.wire.framing import FrameBuffer
from ibkr_core.wire.handshake import HandshakeError, negotiate, parse_client_hello
from ibkr_core.wire.message import Message
from ibkr_core.wire.registry import requests

VERSIONS = [version for version in (142, 176, 200, 213, 226) if version in supported_versions()]


def body_of(wild: WildFrame) -> bytes:
    """The body of a frame that is in step."""
    buffer = FrameBuffer()
    buffer.feed(wild.data)
    (body,) = [bytes(one) for one in buffer.frames()]
    assert len(buffer) == 0
    return body


def test_the_same_seed_makes_the_same_frames() -> None:
    """A finding can be had again."""
    one, two, other = Wild(5, VERSIONS, 100), Wild(5, VERSIONS, 100), Wild(6, VERSIONS, 100)
    first = [one.request(176) for _ in range(200)]
    assert first == [two.request(176) for _ in range(200)]
    assert first != [other.request(176) for _ in range(200)]


@pytest.mark.parametrize("version", VERSIONS)
def test_frames_are_what_they_say(version: int) -> None:
    """In step means one whole frame; readable is what the codec makes of it; and all kinds of each occur."""
    wild = Wild(1, [version])
    seen = set()
    kinds = set()
    for _ in range(3000):
        made = wild.request(version)
        seen.add((made.in_step, made.readable))
        if not made.in_step:
            continue
        body = body_of(made)
        if made.readable:
            kinds.add(decode_request(body, version).kind)
        else:
            with pytest.raises(WireError):
                decode_request(body, version)
    assert seen == {(True, True), (True, False), (False, True)}
    assert len(kinds) > 60
    assert "placeOrder" in kinds


def test_every_kind_of_request_is_sent_at_the_newest_version() -> None:
    """Nothing that a client can ask for is left out."""
    newest = VERSIONS[-1]
    wild = Wild(2, [newest], 2000)
    sent = {decode_request(body_of(WildFrame(wild.start(newest))), newest).kind}
    for _ in range(12_000):
        made = wild.request(newest)
        if made.in_step and made.readable:
            sent.add(decode_request(body_of(made), newest).kind)
    able = set()
    for name in requests().by_name:
        with contextlib.suppress(WireError):  # gone from the newest client, or not yet in an old one
            encode_request(Message(name), newest)
            able.add(name)
    assert len(able) > 70
    assert able - sent == set()


def test_openings_are_right_and_wrong() -> None:
    """Most lead to a session at the version that they say; the others lead nowhere."""
    wild = Wild(3, VERSIONS)
    wrong = 0
    for _ in range(300):
        data, version = wild.hello()
        found = 0
        with contextlib.suppress(HandshakeError):
            hello = parse_client_hello(data)
            if hello is not None:
                found = negotiate(hello.min_version, hello.max_version, VERSIONS) or 0
        if version:
            assert found == version
        wrong += not version
    assert 20 < wrong < 100


def test_pieces_make_the_whole() -> None:
    """However bytes are cut, none is lost or moved."""
    wild = Wild(4, VERSIONS, 10)
    data = bytes(range(256))
    counts = set()
    for _ in range(50):
        pieces = wild.pieces(data)
        assert b"".join(pieces) == data
        counts.add(len(pieces))
    assert counts == {1, 2, 4}


def test_some_frames_lie_about_their_length() -> None:
    """Great lies too, which a reader must not believe."""
    wild = Wild(8, [176], 50)
    too_long = 0
    for _ in range(8000):
        made = wild.request(176)
        if not made.in_step:
            buffer = FrameBuffer()
            buffer.feed(made.data)
            try:
                list(buffer.frames())
            except FrameTooLong:
                too_long += 1
    assert too_long > 3
