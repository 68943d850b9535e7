"""TwsClient: the official codecs over our transport, framing and reader loop."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any

import pytest
from ibapi import comm
from ibapi.client import EClient
from ibapi.decoder import Decoder
from ibapi.wrapper import EWrapper

from ibkr_core.errors import (
    HandshakeFailed,
    InvalidInput,
    MalformedMessage,
    NotReady,
    RequestRefused,
    ServerTooOld,
    UnknownField,
    UnknownMessage,
)
from ibkr_core.link import compat
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import HotTaker
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import ErrorFact, HotValues, StatusFact, fact_of
from ibkr_core.model.order import Order
from ibkr_core.wire.codec import decode_request
from ibkr_core.wire.framing import FrameBuffer, frame
from tests.link.peers import (
    PATIENCE_S,
    VERSIONS,
    Line,
    Peer,
    Recorder,
    Tape,
    answer,
    hello,
    recorded_session,
    welcome,
)

TEXT = [v for v in VERSIONS if v < 201]
PROTOBUF = [v for v in VERSIONS if v >= 201]
NEWEST = VERSIONS[-1]
STOCK = Contract.stock("AAPL")
GREETING = 2
"""Sends before any request: our hello, and START_API when the peer has answered it."""


def opened(
    data: bytes | Iterable[bytes] = b"", version: int = NEWEST, kind: type[TwsClient] = TwsClient
) -> tuple[TwsClient, Tape, Recorder]:
    """A client behind its handshake, with what the peer will say after it."""
    pieces = [data] if isinstance(data, bytes) else data
    tape, recorder = Tape(pieces), Recorder()
    client = kind(recorder)
    client.begin(tape, 1)
    assert client.feed(hello(version))
    return client, tape, recorder


def greeted(*pieces: bytes) -> tuple[TwsClient, Tape, Recorder]:
    """A client that has read all that a peer says from the first byte on, until it hangs up."""
    tape, recorder = Tape(pieces), Recorder()
    client = TwsClient(recorder)
    client.begin(tape, 1)
    client.run()
    return client, tape, recorder


def played(
    data: bytes | Iterable[bytes], version: int = NEWEST, kind: type[TwsClient] = TwsClient
) -> Recorder:
    """What a client makes of what a peer says until it hangs up."""
    client, _, recorder = opened(data, version, kind)
    client.run()
    return recorder


def requests(tape: Tape, version: int) -> list[Any]:
    """What the client sent after its hello and START_API, decoded."""
    frames = FrameBuffer()
    frames.feed(b"".join(tape.sent[GREETING:]))
    return [decode_request(bytes(body), version) for body in frames.frames()]


# ── the handshake ───────────────────────────────────────────────────────────────────────────────────


def test_the_client_opens_as_the_official_one() -> None:
    """The hello offers the versions of the installed client, and START_API follows the answer."""
    client, tape, _ = opened()
    lowest, highest = compat.client_versions()
    assert tape.sent[0] == b"API\0" + frame(f"v{lowest}..{highest}".encode())
    assert client.serverVersion() == NEWEST
    assert client.isConnected()
    assert client.twsConnectionTime() is not None
    assert len(tape.sent) == GREETING
    start = decode_request(tape.sent[1][4:], NEWEST)
    assert (start.kind, start.fields["clientId"]) == ("startApi", 1)


def test_connect_options_travel_in_the_hello() -> None:
    """``+PACEAPI`` and its like stand behind the versions (wire facts 2)."""
    tape = Tape([hello(NEWEST)])
    client = TwsClient(Recorder())
    client.connectOptions = "+PACEAPI"
    client.begin(tape, 1)
    assert tape.sent[0].endswith(b" +PACEAPI")


GARBAGE = {
    "http": b"HTTP/1.1 400 Bad Request\r\n\r\n",
    "ssh": b"SSH-2.0-OpenSSH_9.6\r\n",
    "zeros": bytes(64),
    "ones": b"\xff" * 64,
    "one field": frame(b"226\0"),
    "three fields": frame(b"226\0now\0more\0"),
    "no terminator": frame(b"226\0now"),
    "no number": frame(b"abc\0now\0"),
    "negative": frame(b"-1\0now\0"),
    "endless number": frame(b"9" * 5000 + b"\0now\0"),
    "empty frame": frame(b""),
    "beyond our offer": frame(b"999\0now\0"),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_for_a_handshake_is_a_typed_error(name: str) -> None:
    """Whatever answers there, if it is no TWS then the end says so by type; nothing escapes the reader."""
    client, tape, recorder = greeted(GARBAGE[name])
    (error,) = recorder.errors
    assert isinstance(error, HandshakeFailed)
    assert "closed the connection" not in str(error)
    assert recorder.failures == []
    assert tape.closed
    assert not client.isConnected()


@pytest.mark.parametrize("version", [1, 100, 141])
def test_a_server_that_is_too_old_is_named(version: int) -> None:
    """The error tells what the server offered and what is needed."""
    _, _, recorder = greeted(hello(version))
    (error,) = recorder.errors
    assert isinstance(error, ServerTooOld)
    assert str(version) in str(error)
    assert (error.server_version, error.required) == (version, 142)


def test_a_peer_that_hangs_up_in_the_handshake_is_a_typed_error() -> None:
    """At whichever byte of its answer the peer leaves."""
    whole = hello(NEWEST)
    for length in range(len(whole)):
        (error,) = greeted(whole[:length])[2].errors
        assert isinstance(error, HandshakeFailed)
        assert "closed the connection" in str(error)


def test_the_handshake_may_come_byte_by_byte() -> None:
    """The stock client wants it in one read; ours does not care."""
    client, tape, recorder = greeted(*(bytes([byte]) for byte in hello(NEWEST)))
    assert client.serverVersion_ == NEWEST
    assert len(tape.sent) == GREETING
    assert recorder.errors == [None], "an end behind the handshake is no failed handshake"


def test_bytes_behind_the_handshake_are_kept() -> None:
    """Messages that arrive in the handshake's own segment are handled, where the stock client drops them."""
    _, _, recorder = greeted(hello(NEWEST) + welcome(NEWEST, 7))
    assert recorder.told == [("accounts", ("DU1",)), ("next valid id", 7)]


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────


class Everything(TwsClient):
    """Overrides every official callback, and notes each call."""

    def __init__(self, receiver: Recorder) -> None:
        self.calls: list[str] = []
        super().__init__(receiver)


def _note(name: str) -> Callable[..., None]:
    def callback(self: Any, *arguments: Any) -> None:
        self.calls.append(f"{name} {[_plain(argument) for argument in arguments]}")

    return callback


def _plain(argument: Any) -> object:
    if hasattr(argument, "DESCRIPTOR"):
        return str(argument)
    if type(argument).__module__.startswith("ibapi") and hasattr(argument, "__dict__"):
        return {name: _plain(value) for name, value in vars(argument).items()}
    return repr(argument)


class Witness(EWrapper):  # type: ignore[misc]
    """An official wrapper that notes each call."""

    def __init__(self) -> None:
        self.calls: list[str] = []


CALLBACKS = [name for name in vars(EWrapper) if not name.startswith("_") and name != "logAnswer"]
for _name in CALLBACKS:
    setattr(Everything, _name, _note(_name))
    setattr(Witness, _name, _note(_name))


def official_calls(data: bytes, version: int) -> list[str]:
    """The callbacks that the official framing and decoder make of a stream."""
    witness = Witness()
    decoder = Decoder(witness, version)
    while data:
        _, text, data = comm.read_msg(data)
        if version < 201:
            fields = comm.read_fields(text)
            decoder.interpret(fields) if OLD else decoder.interpret(fields[1:], int(fields[0]))
            continue
        message_id = int.from_bytes(text[:4], "big")
        if message_id > 200:
            decoder.processProtoBuf(text[4:], message_id - 200)
        else:
            decoder.interpret(comm.read_fields(text[4:]), message_id)
    return witness.calls


OLD = not hasattr(Decoder, "processProtoBuf")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_makes_the_official_callbacks(version: int) -> None:
    """Our loop calls back exactly what the official framing and decoder would, with the same arguments."""
    data = recorded_session(version)
    client, _, recorder = opened(data, version, Everything)
    client.run()
    assert isinstance(client, Everything)
    expected = official_calls(data, version)
    assert client.calls == expected
    assert recorder.failures == []
    assert len(recorder.facts) > 20


def in_pieces(data: bytes) -> Iterable[list[bytes]]:
    """The stream in pieces of one size, from one byte to the reads of the stock client."""
    for size in (1, 2, 3, 5, 4095, 4096, 4097):
        for offset in sorted({0, 1, 2, size - 1}):
            starts = [0, *range(offset or size, len(data), size), len(data)]
            yield [data[a:b] for a, b in itertools.pairwise(starts) if a < b]


@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
def test_a_session_may_come_in_pieces_of_any_size(version: int) -> None:
    """Byte by byte or in large reads: every message is decoded once, in order."""
    data = recorded_session(version)
    whole = played(data, version)
    for pieces in in_pieces(data):
        recorder = played(pieces, version)
        assert recorder.facts == whole.facts, [len(piece) for piece in pieces[:5]]
        assert (recorder.told, recorder.failures) == (whole.told, [])


@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
def test_a_session_may_be_split_at_every_byte(version: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut in two at each byte of a whole session, its messages come out whole, once, and in order."""
    data = recorded_session(version)
    decoder = compat.make_decoder(None, version)

    def same_decoder(wrapper: object, _: int) -> Decoder:
        decoder.wrapper = wrapper  # making a new one takes longer than all the rest
        return decoder

    monkeypatch.setattr(compat, "make_decoder", same_decoder)
    bodies: list[bytes] = []

    def keep(body: bytes) -> HotValues | None:
        number = int.from_bytes(body[:4], "big") % 200 if version >= 201 else int(body.partition(b"\0")[0])
        if number not in (3, 4, 5, 11, 59):
            return None
        bodies.append(body)
        return StatusFact, len(bodies), ""

    monkeypatch.setattr("ibkr_core.link.client.hot_path", lambda *_: keep)

    def run(pieces: list[bytes]) -> Recorder:
        bodies.clear()
        recorder = Recorder()
        client = TwsClient(recorder)
        client.begin(Tape([hello(version), *(piece for piece in pieces if piece)]), 1)
        client.run()
        return recorder

    whole = run([data])
    expected = list(bodies)
    assert len(expected) > 20
    for cut in range(1, len(data)):
        recorder = run([data[:cut], data[cut:]])
        assert bodies == expected, cut
        assert recorder.told == whole.told
        assert not recorder.failures


@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
def test_a_stream_that_ends_in_a_frame_loses_only_that_one(version: int) -> None:
    """Cut off anywhere: what is whole is handled, what is not is not, and nothing is reported as broken."""
    data = recorded_session(version)
    whole = played(data, version).facts
    for end in range(0, len(data), 37):
        recorder = played(data[:end], version)
        assert recorder.facts == whole[: len(recorder.facts)]
        assert recorder.failures == []
        assert len(recorder.reasons) == 1


def burst(size: int, version: int) -> bytes:
    """One error message of so many bytes, frame and all."""
    bare = len(answer("error", version, id=-1, errorCode=2104, errorMsg="", errorTime=1))
    for text in range(size - bare - 8, size - bare + 1):
        data = answer("error", version, id=-1, errorCode=2104, errorMsg="x" * text, errorTime=1)
        if len(data) == size:
            return data
    raise AssertionError(size)


@pytest.mark.system
@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
@pytest.mark.parametrize("size", [4095, 4096, 4097, 8192])
def test_a_burst_of_any_size_is_heard_though_silence_follows(size: int, version: int) -> None:
    """The message is handled while the connection stands open and nothing more comes."""
    from ibkr_core.link.transport import SocketTransport

    heard, done = threading.Event(), threading.Event()

    class Listener(Recorder):
        def on_fact(self, fact: Any) -> None:
            super().on_fact(fact)
            heard.set()

    def script(line: Line) -> None:
        line.greet(version, burst(size, version))
        done.wait(PATIENCE_S)

    with Peer(script) as peer:
        client = TwsClient(Listener())
        client.begin(SocketTransport("127.0.0.1", peer.port), 1)
        reader = threading.Thread(target=client.run)
        reader.start()
        assert heard.wait(PATIENCE_S)
        client.disconnect()
        reader.join(PATIENCE_S)
        done.set()


class StockClient(EWrapper, EClient):  # type: ignore[misc]
    """The official client with its own transport and reader."""

    def __init__(self) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.texts: list[str] = []
        self.marked = threading.Event()

    def error(self, *arguments: Any) -> None:
        text = next(argument for argument in arguments if isinstance(argument, str))
        self.texts.append(text)
        if text == "marker":
            self.marked.set()


@pytest.mark.system
@pytest.mark.parametrize(("size", "is_lost"), [(4095, False), (4096, True)])
def test_the_stock_client_loses_a_read_of_exactly_4096_bytes(size: int, is_lost: bool) -> None:
    """Why the transport is replaced: the stock reader forgets a full read before a second of silence."""
    version = TEXT[0]
    quiet = threading.Event()

    def script(line: Line) -> None:
        line.greet(version, burst(size, version))
        quiet.wait(1.6 if is_lost else 0)  # never set: its receive has to run into its own second
        line.send(answer("error", version, id=-1, errorCode=1, errorMsg="marker", errorTime=1))
        line.read_to_end()

    with Peer(script) as peer:
        client = StockClient()
        client.connect("127.0.0.1", peer.port, 1)
        reader = client.reader
        loop = threading.Thread(target=client.run)
        loop.start()
        assert client.marked.wait(PATIENCE_S)
        client.done = True
        client.disconnect()
        loop.join(PATIENCE_S)
        reader.join(PATIENCE_S)
    assert ("x" * 100 in "".join(client.texts)) is not is_lost


# ── garbage in the stream ───────────────────────────────────────────────────────────────────────────


def status(version: int, order_id: int = 5) -> bytes:
    return answer(
        "orderStatus", version, orderId=order_id, status="Submitted", filled=Decimal(0), remaining=Decimal(1)
    )


def raw(message_id: int, body: bytes, version: int) -> bytes:
    """A frame with a message id of our choice."""
    head = message_id.to_bytes(4, "big") if version >= 201 else f"{message_id}\0".encode()
    return frame(head + body)


BAD_BODIES: dict[str, Callable[[int], bytes]] = {
    "empty": lambda _: frame(b""),
    "short": lambda _: frame(b"\1"),
    "noise": lambda _: frame(bytes(range(255, 0, -1))),
    "unknown id": lambda version: raw(199, b"1\0" + b"2\0", version),
    "id zero": lambda version: raw(0, b"1\0", version),
    "truncated status": lambda version: raw(3, b"5\0Submitted\0", version),
    "truncated error": lambda version: raw(4, b"2\0", version),
    "surplus accounts": lambda version: raw(15, b"1\0DU1\0DU2\0", version),
    "status that is no number": lambda version: raw(3, b"five\0" * 11, version),
    "truncated open order": lambda version: raw(5, b"5\0265598\0AAPL\0", version),
    "truncated execution": lambda version: raw(11, b"-1\0005\0", version),
    "truncated next id": lambda version: raw(9, b"", version),
}
BAD_PROTOBUF: dict[str, Callable[[int], bytes]] = {
    "unknown protobuf id": lambda version: raw(399, b"\x08\x01", version),
    "enormous id": lambda version: raw(0xFFFFFFFF, b"", version),
    "protobuf that does not parse": lambda version: raw(203, b"\xff\xff\xff\xff", version),
    "protobuf cut short": lambda version: status(version)[:-2].replace(
        status(version)[:4], (len(status(version)) - 6).to_bytes(4, "big"), 1
    ),
}


@pytest.mark.parametrize(
    ("version", "name"),
    [
        *itertools.product(sorted({TEXT[0], TEXT[-1], NEWEST}), BAD_BODIES),
        *itertools.product(PROTOBUF[-1:], BAD_PROTOBUF),
    ],
)
def test_one_message_that_cannot_be_read_is_reported_and_the_next_one_counts(version: int, name: str) -> None:
    """No damaged message passes in silence, becomes a fact, or costs the session."""
    bad = (BAD_BODIES | BAD_PROTOBUF)[name](version)
    recorder = played(status(version, 4) + bad + status(version, 5), version)
    assert [fact.order_id for fact in recorder.facts if isinstance(fact, StatusFact)] == [4, 5]
    assert len(recorder.facts) == 2, recorder.facts
    assert len(recorder.failures) == 1, recorder.failures
    assert recorder.reasons == ["the peer closed the connection"]


@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
def test_an_unknown_message_is_named(version: int) -> None:
    """The report tells the id, so that somebody can look it up."""
    (failure,) = played(raw(199, b"1\0", version), version).failures
    assert isinstance(failure, UnknownMessage)
    assert failure.message_id == 199


@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
def test_a_truncated_message_is_named(version: int) -> None:
    """The report tells which message it was and what is wrong with it, and no riddle."""
    (failure,) = played(raw(3, b"5\0Submitted\0", version), version).failures
    assert isinstance(failure, MalformedMessage)
    assert "3" in str(failure)
    assert "sequence item" not in str(failure)


@pytest.mark.parametrize("version", sorted({TEXT[0], NEWEST}))
def test_an_oversized_frame_ends_the_session_with_its_reason(version: int) -> None:
    """Behind a length that cannot be, nothing can be found again: the session ends and says why."""
    recorder = played(status(version) + b"\x7f\xff\xff\xff" + status(version), version)
    assert len(recorder.facts) == 1
    assert len(recorder.reasons) == 1
    assert str(0x7FFFFFFF) in recorder.reasons[0]


def test_a_broken_connection_is_told_apart_from_a_closed_one() -> None:
    """The reason for the end is what the system said, where it said something."""

    class Broken(Tape):
        def receive_into(self, room: memoryview) -> int:
            count = super().receive_into(room)
            if not count:
                raise ConnectionResetError(104, "Connection reset by peer")
            return count

    recorder = Recorder()
    client = TwsClient(recorder)
    client.begin(Broken([hello(NEWEST), status(NEWEST)]), 1)
    client.run()
    assert len(recorder.facts) == 1
    assert "reset by peer" in recorder.reasons[0]


# ── sending ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_encoding_sends_nothing(version: int) -> None:
    """An encoder gives bytes; only ``send`` lets them go, and a gateway reads in them what was asked."""
    client, tape, _ = opened(version=version)
    order = Order.limit("BUY", "10", "99.5", order_ref="mine")
    data = client.encode_order(7, STOCK, order)
    data += client.encode_cancel(7)
    data += client.encode_global_cancel()
    data += client.encode_executions_request(8)
    assert len(tape.sent) == GREETING
    client.send(data)
    place, cancel, everything, executions = requests(tape, version)
    assert (place.kind, place.fields["orderId"]) == ("placeOrder", 7)
    assert place.fields["contract"]["symbol"] == "AAPL"
    sent = place.fields["order"]
    assert (sent["action"], sent["totalQuantity"], sent["orderType"]) == ("BUY", Decimal(10), "LMT")
    assert (sent["lmtPrice"], sent["orderRef"], sent["transmit"]) == (99.5, "mine", True)
    assert (cancel.kind, cancel.fields["orderId"]) == ("cancelOrder", 7)
    assert everything.kind == "reqGlobalCancel"
    assert (executions.kind, executions.fields["reqId"]) == ("reqExecutions", 8)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("quantity", ["0.1", "1.1404", "0.00000001", "100", "1E+3", "12345678901.5"])
def test_a_quantity_travels_exactly_and_in_plain_digits(quantity: str, version: int) -> None:
    """No exponent and no rounding stands on the wire, at any version."""
    client, tape, _ = opened(version=version)
    data = client.encode_order(1, STOCK, Order.market("BUY", quantity))
    client.send(data)
    (place,) = requests(tape, version)
    assert place.fields["order"]["totalQuantity"] == Decimal(quantity)
    assert f"{Decimal(quantity):f}".encode() in data


@pytest.mark.parametrize("version", TEXT)
@pytest.mark.parametrize("symbol", ["CAF\u00c9", "AA\0PL", "AA\x1bPL"])
def test_a_symbol_that_text_cannot_carry_is_refused(symbol: str, version: int) -> None:
    """Not ASCII, or a NUL that would shift every field behind it: refused here, nothing is sent."""
    client, tape, recorder = opened(version=version)
    with pytest.raises((RequestRefused, InvalidInput)):
        client.encode_order(1, Contract.stock(symbol), Order.market("BUY", 1))
    assert len(tape.sent) == GREETING
    assert recorder.facts == []


@pytest.mark.parametrize("version", [v for v in (157, 176) if v in VERSIONS])
def test_a_field_that_the_gateway_is_too_old_for_is_refused(version: int) -> None:
    """The official client's own refusal becomes an exception that names the reason."""
    client, tape, recorder = opened(version=version)
    try:
        order = Order.market("BUY", 1, customerAccount="abc")
        with pytest.raises(RequestRefused, match="customer") as raised:
            client.encode_order(1, STOCK, order)
        assert raised.value.code == 503
    except UnknownField:
        pass  # an old client does not know the field at all: refused as well
    assert len(tape.sent) == GREETING
    assert recorder.facts == []


SILENT = ("postOnly", "allowPreOpen", "deactivate", "ignoreOpenAuction", "shareholder", "hedgeParam")
"""Fields that the official encoders leave out without a word, at text versions or without their partner."""


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", SILENT)
def test_no_field_is_left_out_in_silence(name: str, version: int) -> None:
    """An order either leaves with every field that was asked for, or not at all."""
    client, tape, _ = opened(version=version)
    plain = client.encode_order(1, STOCK, Order.limit("BUY", 1, 1))
    value: object = "x" if name in ("shareholder", "hedgeParam") else True
    try:
        data = client.encode_order(1, STOCK, Order.limit("BUY", 1, 1, **{name: value}))
    except (RequestRefused, UnknownField) as error:
        refusal = str(error)
        assert name in refusal or "not supported" in refusal
    else:
        assert data != plain
    assert len(tape.sent) == GREETING


def test_a_field_at_its_default_may_be_named() -> None:
    """Saying what holds anyway is no reason to refuse."""
    client, _, _ = opened()
    plain = client.encode_order(1, STOCK, Order.limit("BUY", 1, 1))
    named = Order.limit("BUY", 1, 1, sweepToFill=False, hedgeParam="", exemptCode=-1)
    assert client.encode_order(1, STOCK, named) == plain


@pytest.mark.parametrize("version", VERSIONS)
def test_a_value_that_cannot_be_encoded_is_a_typed_error(version: int) -> None:
    """What the official encoder chokes on comes back as RequestRefused, whichever version chokes."""
    client, tape, _ = opened(version=version)
    with pytest.raises(RequestRefused):
        client.encode_order(1, STOCK, Order.market("BUY", 1, algoStrategy="Twap", algoParams=[1, 2, 3]))
    assert len(tape.sent) == GREETING
    assert client.encode_order(1, STOCK, Order.market("BUY", 1))  # and the next one is none the worse


def test_requests_without_a_connection_are_refused() -> None:
    """The official ``Not connected`` is an exception here, and a send before the beginning is one too."""
    client = TwsClient(Recorder())
    with pytest.raises(NotReady, match="nothing was sent"):
        client.encode(client.reqOpenOrders)
    with pytest.raises(NotReady):
        client.send(b"x")


def test_encoding_on_several_threads_does_not_mix() -> None:
    """Each thread gets the bytes, or the refusal, of its own request."""
    client, _, _ = opened(version=TEXT[0])

    def encode(order_id: int) -> bytes | int:
        contract = Contract.stock("CAF\u00c9") if order_id % 3 == 0 else STOCK
        try:
            return client.encode_order(order_id, contract, Order.market("BUY", order_id))
        except RequestRefused as refused:
            return refused.code

    with ThreadPoolExecutor(8) as pool:
        encoded = list(pool.map(encode, range(1, 200)))
    for order_id, data in enumerate(encoded, 1):
        if order_id % 3 == 0:
            assert isinstance(data, int)
        else:
            assert isinstance(data, bytes)
            assert decode_request(data[4:], TEXT[0]).fields["orderId"] == order_id


def test_a_users_own_requests_leave_at_once() -> None:
    """Requests that are not about orders use the official methods as they are."""
    client, tape, recorder = opened()
    client.reqCurrentTime()
    assert [request.kind for request in requests(tape, NEWEST)] == ["reqCurrentTime"]
    assert recorder.facts == []


def test_a_users_own_refused_request_is_told_through_error() -> None:
    """Outside our encoders the official way stays: the error callback."""
    heard: list[Any] = []

    class Mine(TwsClient):
        def error(self, *arguments: Any) -> None:
            heard.append(arguments)

    client, _, recorder = opened(kind=Mine)
    client.disconnect()
    client.reqCurrentTime()
    assert len(heard) == 1
    (fact,) = recorder.facts
    assert isinstance(fact, ErrorFact)
    assert fact.code == 504


def test_closing_twice_is_harmless_and_ends_the_reader() -> None:
    """The reader thread comes back, tells the end once, and the client knows that it is not connected."""
    from ibkr_core.link.transport import SocketTransport

    def script(line: Line) -> None:
        line.greet(NEWEST, welcome(NEWEST))
        line.read_to_end()

    with Peer(script) as peer:
        recorder = Recorder()
        client = TwsClient(recorder)
        client.begin(SocketTransport("127.0.0.1", peer.port), 1)
        reader = threading.Thread(target=client.run)
        reader.start()
        client.disconnect()
        client.disconnect()
        reader.join(PATIENCE_S)
        assert not reader.is_alive()
    assert len(recorder.reasons) == 1
    assert not client.isConnected()


# ── bytes from elsewhere ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_feeding_is_as_good_as_reading(version: int) -> None:
    """A simulation hands the bytes over itself: the same facts, frame by frame or all at once."""
    data = recorded_session(version)
    expected = played(data, version)
    for size in (1, 7, len(data)):
        client, _, recorder = opened(version=version)
        assert all(client.feed(data[at : at + size]) for at in range(0, len(data), size))
        assert (recorder.facts, recorder.told) == (expected.facts, expected.told)
        assert recorder.reasons == []
        client.hang_up("the simulation ends here")
        assert recorder.reasons == ["the simulation ends here"]


class Interrupted(Recorder):
    """A receiver that is interrupted by its first message."""

    def on_fact(self, fact: Any) -> None:
        super().on_fact(fact)
        if len(self.facts) == 1:
            raise KeyboardInterrupt


def test_what_came_together_with_an_interrupted_message_is_handled_later() -> None:
    """Ctrl-C in a simulation: messages behind the one that was being handled come with the next bytes."""
    said = [
        answer("error", NEWEST, id=number, errorCode=2104, errorMsg="fine", errorTime=1)
        for number in range(3)
    ]
    recorder = Interrupted()
    client = TwsClient(recorder)
    client.begin(Tape([]), 1)
    assert client.feed(hello(NEWEST))
    with pytest.raises(KeyboardInterrupt):
        client.feed(said[0] + said[1])
    assert client.feed(said[2])
    assert [fact.request_id for fact in recorder.facts if isinstance(fact, ErrorFact)] == [0, 1, 2]


def test_feeding_tells_when_the_stream_cannot_go_on() -> None:
    """Behind a length that cannot be, the end is told once, with its reason."""
    client, _, recorder = opened()
    assert not client.feed(b"\x7f\xff\xff\xff")
    assert len(recorder.reasons) == 1
    assert str(0x7FFFFFFF) in recorder.reasons[0]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_frame_tells_its_facts_again(version: int) -> None:
    """The journal keeps frames: each gives the fact that it gave live, with no connection."""
    live: list[tuple[bytes, Any]] = []

    class Keeping(Recorder):
        client: TwsClient

        def on_fact(self, fact: Any) -> None:
            live.append((self.client.frame, fact))

        def hot_taker(self) -> HotTaker:
            return lambda values, frame: live.append((frame, fact_of(values)))

    recorder = Keeping()
    recorder.client = client = TwsClient(recorder)
    client.begin(Tape([hello(version), recorded_session(version)]), 1)
    client.run()
    assert len(live) > 20
    assert not client.frame, "between messages there is none"
    again = Recorder()
    replayer = TwsClient(again)
    for body, _ in live:
        replayer.replay(body, version)
    assert again.facts == [fact for _, fact in live]


def test_received_pieces_are_counted() -> None:
    """Whoever looks twice knows whether the peer said anything: the heartbeat lives on it."""
    client, _, _ = opened([status(NEWEST)[:5], status(NEWEST)[5:]])
    before = client.chunks
    client.run()
    assert client.chunks >= before + 2


# ── callbacks of the user's own ─────────────────────────────────────────────────────────────────────


def test_a_callback_that_raises_is_reported_and_costs_nothing() -> None:
    """The fact is taken, the failure is told, and the next message is handled."""

    class Mine(TwsClient):
        def orderStatus(self, *arguments: Any) -> None:  # noqa: N802 - official name
            raise ValueError(f"not today: {arguments[0]}")

    recorder = played(status(NEWEST, 4) + status(NEWEST, 5), kind=Mine)
    assert [fact.order_id for fact in recorder.facts if isinstance(fact, StatusFact)] == [4, 5]
    assert [str(failure) for failure in recorder.failures] == ["not today: 4", "not today: 5"]
    assert len(recorder.reasons) == 1


def test_a_callback_that_calls_sys_exit_does_not_end_the_reader() -> None:
    """SystemExit in a callback is reported like any other exception: orders go on living."""

    class Mine(TwsClient):
        def orderStatus(self, *_: Any) -> None:  # noqa: N802 - official name
            raise SystemExit(1)

    recorder = played(status(NEWEST, 4) + status(NEWEST, 5), kind=Mine)
    assert len(recorder.facts) == 2
    assert [type(failure) for failure in recorder.failures] == [SystemExit, SystemExit]


@pytest.mark.skipif(not PROTOBUF, reason="this ibapi has no protobuf")
def test_a_raising_protobuf_callback_does_not_lose_the_fact() -> None:
    """The decoder calls ``orderStatusProtoBuf`` before ``orderStatus``: a fault in it must cost nothing."""

    class Mine(TwsClient):
        def orderStatusProtoBuf(self, _: Any) -> None:  # noqa: N802 - official name
            raise ValueError("in protobuf")

        def commissionAndFeesReportProtoBuf(self, _: Any) -> None:  # noqa: N802 - official name
            raise ValueError("in protobuf")

    report = answer("commissionReport", NEWEST, execId="a.b.c.01", commissionAndFees=1.5, currency="USD")
    recorder = played(status(NEWEST, 4) + report + status(NEWEST, 5), kind=Mine)
    assert [type(fact).__name__ for fact in recorder.facts] == ["StatusFact", "CommissionFact", "StatusFact"]
    assert [str(failure) for failure in recorder.failures] == ["in protobuf"] * 3
