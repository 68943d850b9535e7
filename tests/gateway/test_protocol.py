"""The session: bytes in any pieces, garbage of any kind, and its stages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ibkr_core.errors import InvariantViolated, MalformedMessage
from ibkr_core.gateway.core import MemoryGateway, supported_versions
from ibkr_core.gateway.protocol import Session, Stage
from ibkr_core.wire.codec import decode_answer, encode_request
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message
from ibkr_core.wire.schema import fields_of
from tests.gateway.pocket import AAPL, TEXT, Pocket, errors, gateway, kinds

ORDER = {"action": "BUY", "totalQuantity": Decimal(10), "orderType": "MKT", "tif": "DAY", "transmit": True}
NEWEST = supported_versions()[-1]


def conversation(version: int) -> bytes:
    """Everything that a client of one version says to buy ten shares."""
    requests = (
        Message("startApi", {"clientId": 1}),
        Message("placeOrder", {"orderId": 1, "contract": AAPL, "order": ORDER}),
        Message("reqCurrentTime"),
    )
    frames = (frame(encode_request(request, version)) for request in requests)
    return client_hello(version, version) + b"".join(frames)


def answered(session: Session, version: int) -> list[Message]:
    """What a session says after its hello."""
    frames = FrameBuffer()
    frames.feed(session.outgoing())
    bodies = [bytes(body) for body in frames.frames()]
    return [decode_answer(body, version) for body in bodies[1:]]


@pytest.mark.parametrize("version", sorted({157, TEXT, 200, NEWEST}))
def test_pieces_do_not_matter(version: int) -> None:
    """Whole or byte by byte, the answers are the same."""
    whole, bytewise = gateway().connect(), gateway().connect()
    whole.receive(conversation(version))
    for one in conversation(version):
        bytewise.receive(bytes([one]))
    heard = answered(whole, version)
    assert heard == answered(bytewise, version)
    assert heard[-1].kind == "currentTime"
    assert [one for one in heard if one.kind == "execDetails"]


def test_nothing_follows_the_hello_until_the_client_starts() -> None:
    """Official clients drop whatever comes in the same read (wire facts 2)."""
    session = gateway().connect()
    session.receive(client_hello(100, TEXT))
    assert session.outgoing() == b"\0\0\0\x1a176\x0020261124 10:00:00 EST\0"
    assert session.stage is Stage.GREETED
    session.advance()
    assert session.outgoing() == b""


@pytest.mark.parametrize(
    ("offer", "version"),
    [((100, 157), 157), ((100, 176), 176), ((100, 187), 187), ((150, 150), 150), ((100, 999), NEWEST)],
)
def test_the_highest_common_version_is_taken(offer: tuple[int, int], version: int) -> None:
    """Never above what the client offers (wire facts 1)."""
    session = MemoryGateway().connect()
    session.receive(client_hello(*offer))
    assert session.server_version == version


def test_the_versions_on_offer_can_be_narrowed() -> None:
    """A gateway of one version speaks that one or none."""
    old = MemoryGateway(versions=[157])
    session = old.connect()
    session.receive(client_hello(100, 226))
    assert session.server_version == 157
    newer = old.connect()
    newer.receive(client_hello(158, 226))
    assert (newer.closed, newer.outgoing()) == (True, b"")
    assert newer.end_reason == "no version in common with 158..226"


@pytest.mark.parametrize("garbage", [b"hello", b"API\0\0\0\0\x03abc", b"API\0\xff\xff\xff\xff"])
def test_a_stranger_is_hung_up_on(garbage: bytes) -> None:
    """No version, no word."""
    session = gateway().connect()
    session.receive(garbage)
    assert (session.closed, session.pending) == (True, 0)
    assert session.end_reason
    session.receive(conversation(TEXT))
    assert session.outgoing() == b""


def test_a_length_beyond_all_measure_ends_the_session_with_a_reason() -> None:
    """Nobody knows where the next message begins, so there is none; the client hears 507 first."""
    client = Pocket(gateway())
    client.session.receive(b"\x7f\xff\xff\xff")
    assert errors(client.listen()) == [(-1, 507)]
    assert client.session.closed
    assert client.session.end_reason.startswith("507: Bad Message Length")


def test_a_request_before_the_start_is_refused() -> None:
    """504 before, answers after; starting twice is 501."""
    session = gateway().connect()
    session.receive(client_hello(TEXT, TEXT))
    session.outgoing()
    client = Pocket(gateway())
    session.receive(frame(encode_request(Message("reqCurrentTime"), TEXT)))
    client._frames.feed(session.outgoing())
    assert errors(client.listen()) == [(-1, 504)]
    assert errors(client.ask("startApi", clientId=1)) == [(-1, 501)]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", 320),
        (b"49\0", 320),
        (b"49\x001\0surplus\0", 320),
        (b"abc\0", 320),
        (b"9999\x001\0", 505),
        (b"49\x001", 320),
    ],
)
def test_a_message_that_cannot_be_read_is_told(body: bytes, code: int) -> None:
    """The client hears why, and the session goes on."""
    client = Pocket(gateway())
    assert errors(client.send(frame(body))) == [(-1, code)]
    assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]


def test_a_frame_that_is_too_long_ends_the_session() -> None:
    """The stream cannot be followed any more."""
    client = Pocket(gateway())
    client.send(b"\xff\xff\xff\xff")
    assert client.session.closed


@given(garbage=st.binary(max_size=200), version=st.sampled_from(sorted({142, 157, TEXT, 200, NEWEST})))
def test_garbage_in_frames_never_raises(garbage: bytes, version: int) -> None:
    """Whatever a started client sends, the gateway answers or hangs up, and its books stay whole."""
    venue = gateway()
    client = Pocket(venue, version=version)
    client.send(frame(garbage))
    client.send(garbage)
    assert venue.books().executions == ()


@given(data=st.data())
def test_damaged_orders_never_raise(data: st.DataObject) -> None:
    """One changed byte of a real order: it is placed, refused or not understood."""
    venue = gateway()
    client = Pocket(venue)
    body = bytearray(
        encode_request(Message("placeOrder", {"orderId": 1, "contract": AAPL, "order": ORDER}), TEXT)
    )
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    client.send(frame(bytes(body)))
    assert client.listen() == []
    assert kinds(client.ask("reqCurrentTime"))[-1] == "currentTime"


WILD: dict[str, st.SearchStrategy[Any]] = {
    "int": st.sampled_from([0, 1, -1, 2**31 - 2, -(2**31), 2**40, -(2**62)]),
    "long": st.sampled_from([0, 1, -1, 2**62]),
    "float": st.sampled_from([0.0, -1.0, 1e-300, 1e300, -1e300, 99.5, 0.1, 1e9]),
    "dec": st.sampled_from([Decimal(n) for n in ("0", "-1", "0.001", "1E+50", "-1E+50", "10", "1E-50")]),
    "bool": st.booleans(),
    "str": st.sampled_from(
        ["", "DAY", "IOC", "FOK", "GTC", "STP", "TRAIL", "STP LMT", "\u00e9\u20ac", "x" * 300]
    ),
}
CHOICES = {
    "orderType": ["MKT", "LMT", "STP", "STP LMT", "TRAIL"], "action": ["BUY", "SELL"],
    "exchange": ["SMART", "CME"], "symbol": ["AAPL", "ES", "SAP"], "secType": ["STK", "FUT", "OPT", "CASH"],
    "currency": ["USD", ""],
}  # fmt: skip
# Each of these brings fields of its own; the codec's own tests go through them.
STRUCTURE = {"deltaNeutralOrderType", "scalePriceIncrement", "hedgeType", "algoStrategy", "comboLegsDescrip"}


def wild(message: str) -> st.SearchStrategy[dict[str, Any]]:
    """Any values for the plain fields of a message, most of them left out."""
    plain_fields = {
        name: st.sampled_from(CHOICES[name]) if name in CHOICES else WILD[kind.name]
        for name, kind in fields_of(message).items()
        if kind.name in WILD and not kind.repeated and name not in STRUCTURE
    }
    return st.fixed_dictionaries({}, optional=plain_fields)


@given(
    contract=wild("Contract"),
    order=wild("Order"),
    sane=st.booleans(),
    version=st.sampled_from([157, TEXT, NEWEST]),
)
def test_wild_orders_never_raise(
    contract: dict[str, Any], order: dict[str, Any], sane: bool, version: int
) -> None:
    """Any value in any field: the order is taken or refused, the books stay exact, the session goes on."""
    venue = gateway()
    client = Pocket(venue, version=version)
    request = Message(
        "placeOrder",
        {
            "orderId": 1,
            "contract": {**contract, **AAPL, "conId": 0} if sane else contract,
            "order": {**ORDER, **order},
        },
    )
    try:
        body = encode_request(request, version)
    except MalformedMessage:
        assume(False)
    client.send(frame(body))
    client.cancel(1)
    client.ask("reqAllOpenOrders")
    client.ask("reqCompletedOrders")
    client.ask("reqExecutions", reqId=1)
    assert kinds(client.ask("reqCurrentTime"))[-1] == "currentTime"
    books = venue.books()
    assert books.position("AAPL") == sum((one.signed_quantity for one in books.executions), Decimal(0))


def test_a_number_beyond_32_bits_is_refused() -> None:
    """It could not be echoed in protobuf; text can carry it, so it must be looked for."""
    client = Pocket(gateway())
    (answer,) = client.place(1, "BUY", 10, displaySize=2**40)
    assert (answer.fields["errorCode"], "order.displaySize" in answer.fields["errorMsg"]) == (320, True)
    assert errors(client.cancel(2**40)) == [(-1, 320)]


def test_a_message_that_the_protocol_lacks_is_our_fault() -> None:
    """It raises, and nothing is sent."""
    client = Pocket(gateway())
    with pytest.raises(InvariantViolated, match="nonsense"):
        client.session.send(Message("nonsense"))
    assert client.listen() == []


def test_a_closed_session_says_no_more() -> None:
    """Its orders rest on; what is told to it goes nowhere; closing twice is harmless."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    client.session.close()
    client.session.close()
    venue.market("AAPL").set_quote(bid="98.90", ask="99.00")
    client.session.send(Message("openOrderEnd"))
    assert client.session.outgoing() == b""
    assert venue.books().order(1).status == "Filled"


def test_a_listener_is_told_when_there_is_something_to_send() -> None:
    """So that a transport need not ask."""
    client = Pocket(gateway())
    calls: list[int] = []
    client.session.on_outgoing = lambda: calls.append(client.session.pending)
    client.session.receive(frame(encode_request(Message("reqCurrentTime"), TEXT)))
    assert calls == [client.session.pending]
    assert len(client.session.outgoing(limit=5)) == 5
    assert repr(client.session) == "Session(memory, client 1, STARTED)"
