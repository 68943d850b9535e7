"""The opening of a session: against the bytes of the official client, and in pieces."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi import comm
from ibapi.server_versions import MAX_CLIENT_VER, MIN_CLIENT_VER

from ibkr_core.errors import HandshakeError, WireError
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import (
    ClientHello,
    client_hello,
    negotiate,
    parse_client_hello,
    parse_server_hello,
    server_hello,
)

OFFICIAL_HELLO = (
    b"API\0" + comm.make_msg(f"v{MIN_CLIENT_VER}..{MAX_CLIENT_VER} +PACEAPI")
    if not hasattr(comm, "make_initial_msg")
    else b"API\0" + comm.make_initial_msg(f"v{MIN_CLIENT_VER}..{MAX_CLIENT_VER} +PACEAPI")
)


@pytest.mark.parametrize(
    ("data", "low", "high", "options"),
    [
        (b"API\0\0\0\0\tv100..226", 100, 226, ""),
        (b"API\0\0\0\0\x12v100..226 +PACEAPI", 100, 226, "+PACEAPI"),
        (b"API\0\0\0\0\x04v193", 193, 193, ""),
        (b"API\0\0\0\0\x05v193\0", 193, 193, ""),
        (b"API\0\0\0\0\x0ev157..178 a b\0", 157, 178, "a b"),
    ],
)
def test_hellos_of_known_clients(data: bytes, low: int, high: int, options: str) -> None:
    """Version ranges, a single version, options, with and without a last NUL (wire facts 2)."""
    assert parse_client_hello(data) == ClientHello(low, high, options, len(data))


def test_the_hello_of_the_installed_client() -> None:
    """What the official client itself sends is understood."""
    hello = parse_client_hello(OFFICIAL_HELLO)
    assert hello is not None
    assert (hello.min_version, hello.max_version) == (MIN_CLIENT_VER, MAX_CLIENT_VER)


@given(
    st.integers(1, 999),
    st.integers(0, 200),
    st.sampled_from(["", "+PACEAPI", "a b c"]),
    st.binary(max_size=9),
)
def test_a_hello_may_come_in_pieces(low: int, more: int, options: str, trailing: bytes) -> None:
    """Every prefix asks for more, the whole is read, and what follows is left for the frames."""
    data = client_hello(low, low + more, options)
    for cut in range(len(data)):
        assert parse_client_hello(data[:cut]) is None
    hello = parse_client_hello(data + trailing)
    assert hello == ClientHello(low, low + more, options, len(data))


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n",
        b"AP\0",
        b"API\x01",
        b"API\0\xff\xff\xff\xff",
        b"API\0\0\0\0\x00",
        b"API\0\0\0\0\x04abcd",
        b"API\0\0\0\0\x09v226..100",
        b"API\0\0\0\0\x02v0",
        b"API\0\0\0\0\x0fv100..226+PACE!",
        b"API\0\0\0\0\x0ev100..99999999",
    ],
)
def test_other_openings_are_refused(data: bytes) -> None:
    """A peer that is no TWS client is refused at the first byte that shows it."""
    with pytest.raises(HandshakeError):
        parse_client_hello(data)


@given(st.binary(max_size=60))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    """Whatever comes, the answer is a hello, a wait, or a WireError."""
    for text in (data, b"API\0" + data, b"API\0" + frame(data)):
        with contextlib.suppress(WireError):
            parse_client_hello(text)
        with contextlib.suppress(WireError):
            parse_server_hello(text)


@pytest.mark.parametrize(
    ("low", "high", "supported", "chosen"),
    [
        (100, 226, range(157, 227), 226),
        (100, 157, (157, 176, 223), 157),
        (100, 225, (157, 176, 223, 226), 223),
        (213, 221, (157, 176), None),
        (227, 300, (226,), None),
        (100, 226, (), None),
    ],
)
def test_the_highest_common_version_is_chosen(
    low: int, high: int, supported: tuple[int, ...] | range, chosen: int | None
) -> None:
    """min(own, client's), or None when nothing is common (wire facts 1)."""
    assert negotiate(low, high, supported) == chosen


def test_the_answer_goes_there_and_back() -> None:
    """The server's hello is one frame with version and time, as the official client splits it."""
    data = server_hello(176, "20261121 09:30:00 EST")
    buffer = FrameBuffer()
    buffer.feed(data)
    (body,) = buffer.frames()
    hello = parse_server_hello(body)
    assert (hello.server_version, hello.time_text) == (176, "20261121 09:30:00 EST")
    _, text, rest = comm.read_msg(data)
    assert comm.read_fields(text) == (b"176", b"20261121 09:30:00 EST")
    assert rest == b""


@pytest.mark.parametrize(
    "body", [b"", b"176\0", b"176\0time", b"x\0time\0", b"\0time\0", b"1\0t\0u\0", b"1234567\0t\0"]
)
def test_bad_answers_are_refused(body: bytes) -> None:
    """Anything but a version and a time is no TWS."""
    with pytest.raises(HandshakeError):
        parse_server_hello(body)


def test_we_refuse_to_open_with_nonsense() -> None:
    """A range upside down, options or a time that the wire cannot carry."""
    for low, high, options in ((226, 100, ""), (0, 5, ""), (1, 2, "\0"), (1, 2, "é")):
        with pytest.raises(HandshakeError):
            client_hello(low, high, options)
    with pytest.raises(HandshakeError):
        server_hello(176, "noon\0")
