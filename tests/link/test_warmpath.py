"""openOrder and error without the official decoder: what is said is what the official one says."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ibapi.order import Order as IbOrder
from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.gateway.core import supported_versions
from ibkr_core.link import compat
from ibkr_core.link.client import TwsClient
from ibkr_core.link.warmpath import warm_path
from ibkr_core.model.facts import ErrorFact, OpenOrderFact
from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.framing import FrameBuffer
from ibkr_core.wire.message import Message
from ibkr_core.wire.protobuf import is_available, message_class
from tests.link.peers import VERSIONS, Recorder, heard, recorded_session

OLD = not is_available()
"""The oldest client reads sizes as floats, and has no protobuf."""

EVERY = [version for version in sorted(supported_versions()) if version <= MAX_CLIENT_VER]
TEXT = [version for version in EVERY if version < compat.RAW_IDS_SINCE]
RAW = [version for version in EVERY if version >= compat.RAW_IDS_SINCE]
QUANTITY = "1234567"
"""Tells the one field that the oldest client reads in its own way."""


class Officially(TwsClient):
    """A client that wants the official callbacks of both kinds: all goes through the official decoder."""

    def openOrder(self, *_: Any) -> None:  # noqa: N802 - official name
        pass

    def error(self, *_: Any) -> None:
        pass


def both(body: bytes, version: int) -> tuple[Any, Any]:
    """What our decoder and the official one make of a message: facts, or the name of what it raises."""
    return heard(TwsClient, body, version), heard(Officially, body, version)


def decoder(version: int, *awaited: str, kind: type[TwsClient] = TwsClient) -> Any:
    """The decoder of a connection of this version."""
    return warm_path(kind, version, lambda: awaited)


# ── text ────────────────────────────────────────────────────────────────────────────────────────

VALUES = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "7", "2147483647", "9223372036854775807", "1.7976931348623157E308",
                     "1.7976931348623157e+308", "170141183460469231731687303715884105727", "Infinity", "nan",
                     "Infinite", "-0.0", "0.5", "190.25", "1e400", "1_000", " 12 ", "abc", "x y", "PEG BENCH",
                     "PEGBENCH", "LMT", "34", "\\u0041", "Zürich", "\u0661"]),
    st.integers(-5, 10**7).map(str),
    st.floats(0, 1e6).map(repr),
)  # fmt: skip


@st.composite
def changed(draw: st.DrawFn, body: bytes) -> bytes:
    """Draw other values for some fields of a message; sometimes a field too many, or too few."""
    fields = body.decode("utf-8", "surrogateescape").split("\0")
    places = st.integers(1, len(fields) - 2).filter(lambda place: not (OLD and fields[place] == QUANTITY))
    for place in draw(st.lists(places, max_size=4)):
        fields[place] = draw(VALUES)
    cut = draw(st.sampled_from([0] * 12 + [1, -1, 3]))
    fields = [*fields[:-1], "more", ""] if cut < 0 else [*fields[: len(fields) - 1 - cut], fields[-1]]
    return "\0".join(fields).encode("utf-8", "surrogateescape")


STATE = {"status": "Submitted", "commissionAndFees": 1.05, "commissionAndFeesCurrency": "USD"}
PLAIN: dict[str, Any] = {
    "orderId": 7,
    "contract": {
        "conId": 265598,
        "symbol": "AAPL",
        "secType": "STK",
        "exchange": "SMART",
        "currency": "USD",
        "localSymbol": "AAPL",
        "tradingClass": "NMS",
    },
    "order": {
        "action": "BUY",
        "totalQuantity": int(QUANTITY),
        "orderType": "LMT",
        "lmtPrice": 190.25,
        "auxPrice": 0.0,
        "tif": "DAY",
        "account": "DU1234567",
        "orderRef": "mine/1",
        "clientId": 1,
        "permId": 1376327579,
        "ocaType": 3,
        "outsideRth": True,
        "parentId": 6,
        "trailStopPrice": 12.5,
    },
    "orderState": STATE,
}


def plain(**order: Any) -> Message:
    """A plain openOrder, with some fields of the order changed."""
    return Message("openOrder", PLAIN | {"order": PLAIN["order"] | order})


@st.composite
def plain_texts(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw a plain openOrder as text, mutilated here and there, and its version."""
    version = draw(st.sampled_from(TEXT))
    message = plain(**draw(st.sampled_from([{}, {"orderType": "PEG MID"}, {"scalePriceIncrement": -1.0}])))
    return draw(changed(encode_answer(message, version))), version


@given(plain_texts())
@settings(max_examples=600)
def test_a_plain_order_as_text_is_read_as_the_official_client_reads_it(case: tuple[bytes, int]) -> None:
    """Every field, sentinel and fault, at every version: the same fact, or the same refusal."""
    ours, official = both(*case)
    assert ours == official, case[0].replace(b"\0", b"|")


SPOILED = (
    *("", "0", "7", "-1", "1_0", " 1 ", "abc", "Infinite", "Infinity", "nan", "1e400", "0.5", "PEG BENCH"),
    *("PEGBENCH", "2147483647", "9223372036854775807", "1.7976931348623157E308"),
)
ERROR = Message("error", {"id": 7, "errorCode": 201, "errorMsg": "no", "advancedOrderRejectJson": "{}"})


@pytest.mark.parametrize(
    "version", [one for one in (142, 144, 145, 157, 176, 177, 194, 195, 200) if one in TEXT]
)
@pytest.mark.parametrize("message", [plain(), ERROR], ids=["openOrder", "error"])
def test_each_field_is_minded(message: Message, version: int) -> None:
    """Every single field, with every kind of value in it, means the same to both or is refused by both."""
    fields = encode_answer(message, version).decode().split("\0")
    clients = [kind(Recorder()) for kind in (TwsClient, Officially)]
    for place in range(1, len(fields) - 1):
        for value in SPOILED:
            if OLD and fields[place] == QUANTITY:
                continue
            body = "\0".join([*fields[:place], value, *fields[place + 1 :]]).encode()
            ours, official = (outcome(client, body, version) for client in clients)
            assert ours == official, body.replace(b"\0", b"|")


def outcome(client: TwsClient, body: bytes, version: int) -> Any:
    """The facts of one message, or the name of what handling it raises, on a client that is used again."""
    recorder = client.receiver
    assert isinstance(recorder, Recorder)
    recorder.facts.clear()
    try:
        client.replay(body, version)
    except Exception as error:  # noqa: BLE001 - any of them
        return type(error).__name__
    return list(recorder.facts)


@st.composite
def error_texts(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw an error as text, mutilated here and there, and its version."""
    version = draw(st.sampled_from(TEXT))
    texts = st.sampled_from(["", "Order rejected - reason:x", "Zürich", "a\\b", "Line\none", '{"a": 1}'])
    fields = {
        "id": draw(st.integers(-1, 9)),
        "errorCode": draw(st.sampled_from([201, 399, 2104])),
        "errorMsg": draw(texts),
        "advancedOrderRejectJson": draw(texts),
        "errorTime": draw(st.sampled_from([0, 1732190400123])),
    }
    return draw(changed(encode_answer(Message("error", fields), version))), version


@given(error_texts())
@settings(max_examples=300)
@example((b"4\x002\x007\x00201\x00rejected\0", TEXT[0]))
def test_an_error_as_text_is_read_as_the_official_client_reads_it(case: tuple[bytes, int]) -> None:
    """Codes, texts with and without escapes, times: the same fact, or the same refusal."""
    ours, official = both(*case)
    assert ours == official, case[0].replace(b"\0", b"|")


# ── protobuf ────────────────────────────────────────────────────────────────────────────────────

PARTS = ("contract", "order", "orderState")


def choices(one: Any) -> list[Any]:
    """Values for a field of a generated message."""
    numbers = [0.0, 190.25, 1.7976931348623157e308, float("inf"), float("nan"), 0.1, -1.5]
    texts = ["", "100", "0.5", "33.25", "x", "BUY", "170141183460469231731687303715884105727", "1e400", "NaN"]
    return {
        one.CPPTYPE_INT32: [0, 1, 7, 2**31 - 1, -1],
        one.CPPTYPE_INT64: [0, 1, 1376327579, 2**63 - 1],
        one.CPPTYPE_DOUBLE: numbers,
        one.CPPTYPE_BOOL: [True, False],
        one.CPPTYPE_STRING: texts,
    }.get(one.cpp_type, [])


def fill(message: Any, draw: st.DrawFn) -> None:
    """Set some fields of a generated message."""
    fields = list(message.DESCRIPTOR.fields)
    for one in draw(st.lists(st.sampled_from(fields), max_size=12, unique_by=lambda field: field.name)):
        values = choices(one)
        if values and one.message_type is None:
            try:
                setattr(message, one.name, draw(st.sampled_from(values)))
            except AttributeError:
                continue  # repeated


@st.composite
def protobuf_bodies(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw a protobuf frame of one of the kinds; sometimes without a part, or cut short."""
    number, name = draw(st.sampled_from([(4, "ErrorMessage"), (5, "OpenOrder"), (5, "OpenOrder")]))
    message = message_class(name)()
    fill(message, draw)
    for part in PARTS if name == "OpenOrder" else ():
        if draw(st.integers(0, 15)):
            getattr(message, part).SetInParent()
            fill(getattr(message, part), draw)
    if name == "OpenOrder" and draw(st.integers(0, 15)) == 0:
        message.order.conditions.add().type = draw(st.sampled_from([1, 3]))  # type: ignore[attr-defined]  # generated
    if name == "OpenOrder" and draw(st.integers(0, 15)) == 0:
        message.orderState.orderAllocations.add().position = draw(st.sampled_from(["1", "x"]))  # type: ignore[attr-defined]  # generated
    payload = message.SerializeToString()
    payload = payload[: len(payload) - draw(st.sampled_from([0] * 9 + [1]))]
    return (number + 200).to_bytes(4, "big") + payload, draw(st.sampled_from(RAW))


@pytest.mark.skipif(OLD, reason="this client has no protobuf")
@given(st.data())
@settings(max_examples=400)
def test_protobuf_is_read_as_the_official_client_reads_it(data: st.DataObject) -> None:
    """Absent fields and parts, unset numbers, no numbers: the same fact, or the same refusal."""
    body, version = data.draw(protobuf_bodies())
    ours, official = both(body, version)
    assert ours == official, body


# ── the choice ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", EVERY)
def test_the_usual_order_and_error_need_no_official_decoder(version: int) -> None:
    """A property that compares two paths proves nothing if both are one: each version takes the short one."""
    decode = decoder(version)
    order = decode(encode_answer(plain(), version))
    assert isinstance(order, OpenOrderFact)
    assert (order.order.order_id, order.order.parent_id, order.status) == (7, 6, "Submitted")
    error = decode(encode_answer(Message("error", {"id": 7, "errorCode": 201, "errorMsg": "no"}), version))
    assert isinstance(error, ErrorFact)
    assert (error.request_id, error.code, error.message) == (7, 201, "no")
    assert decode(encode_answer(Message("openOrderEnd", {}), version)) is None, "not of these kinds"


@pytest.mark.parametrize("version", VERSIONS)
def test_a_session_is_read_as_the_official_client_reads_it(version: int) -> None:
    """What a gateway says of its orders is plain, and comes to the same facts."""
    buffer, decode = FrameBuffer(), decoder(version)
    buffer.feed(recorded_session(version))
    facts = []
    for body in map(bytes, buffer.frames()):
        ours, official = both(body, version)
        assert ours == official
        facts += [fact for fact in ours if isinstance(fact, OpenOrderFact | ErrorFact)]
        assert (decode(body) is not None) is any(isinstance(f, OpenOrderFact | ErrorFact) for f in ours)
    assert {type(fact) for fact in facts} == {OpenOrderFact, ErrorFact}


ODD_ORDERS: dict[str, dict[str, Any]] = {
    "what-if": {"whatIf": True},
    "algorithm": {"algoStrategy": "Twap", "algoParams": {"strategyType": "Marketable"}},
    "condition": {"conditions": [{"type": 4, "isConjunctionConnection": True, "isMore": True, "percent": 9}]},
}


@pytest.mark.parametrize("version", [TEXT[0], TEXT[-1], *RAW[-1:]])
@pytest.mark.parametrize("name", ODD_ORDERS)
def test_an_order_that_is_not_plain_is_declined(name: str, version: int) -> None:
    """Its fields stand elsewhere, or say more: the official decoder reads it, and the fact shows it."""
    body = encode_answer(plain(**ODD_ORDERS[name]), version)
    assert decoder(version)(body) is None
    ours, official = both(body, version)
    assert ours == official
    (fact,) = ours
    assert fact.order.what_if or fact.order.algo_strategy or fact.order.conditions


@pytest.mark.parametrize("version", [TEXT[-1], *RAW[-1:]])
def test_an_answer_that_somebody_waits_for_goes_to_the_official_decoder(version: int) -> None:
    """Who asked a what-if gets the official objects; before and afterwards the short way is taken."""
    body = encode_answer(plain(), version)
    assert decoder(version, "openOrder")(body) is None
    assert decoder(version, "orderStatus")(body) is not None
    recorder, awaited, answers = Recorder(), {"openOrder"}, []
    client = TwsClient(recorder)
    client.listen(awaited, lambda name, arguments: answers.append((name, arguments[0])))
    client.replay(body, version)
    awaited.clear()
    client.replay(body, version)
    assert answers == [("openOrder", 7)]
    assert recorder.facts[0] == recorder.facts[1]


@pytest.mark.parametrize("version", [TEXT[-1], *RAW[-1:]])
def test_a_kind_whose_callback_is_overridden_is_left_to_the_official_decoder(version: int) -> None:
    """The user's own callback has to be called; the other kind stays quick."""

    class Mine(TwsClient):
        def error(self, *_: Any) -> None:
            pass

    error = encode_answer(Message("error", {"id": 7, "errorCode": 201, "errorMsg": "no"}), version)
    assert decoder(version, kind=Mine)(error) is None
    assert decoder(version, kind=Mine)(encode_answer(plain(), version)) is not None
    assert decoder(version, kind=Officially)(encode_answer(plain(), version)) is None


def test_a_client_that_begins_an_order_otherwise_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the installed client takes something else for what is not said, its word counts."""

    class Other(IbOrder):  # type: ignore[misc]  # ibapi is untyped
        def __init__(self) -> None:
            super().__init__()
            self.ocaType = 3

    body = encode_answer(plain(), TEXT[-1])
    assert decoder(TEXT[-1])(body) is not None
    monkeypatch.setattr("ibkr_core.link.warmpath.IbOrder", Other)
    assert decoder(TEXT[-1])(body) is None
