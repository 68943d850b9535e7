"""Bodies to messages and back: every kind, every version, and whatever bytes."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.errors import MalformedMessage, UnknownMessage, WireError
from ibkr_core.wire.codec import decode_answer, decode_request, encode_answer, encode_request
from ibkr_core.wire.message import Message
from ibkr_core.wire.protobuf import ProtobufUnavailable
from ibkr_core.wire.registry import Kind, answers, requests
from wire.oracle import BOUNDARIES, HAS_PROTOBUF, HIGHEST, LOWEST
from wire.orders import CONTRACTS, combo_parts, order_dicts
from wire.values import PACKED, filled, strategy

Encode = Callable[[Message, int], bytes]
Decode = Callable[[bytes, int], Message]

DIRECTIONS: list[tuple[Kind, Encode, Decode]] = [
    *((kind, encode_request, decode_request) for kind in requests().by_name.values()),
    *((kind, encode_answer, decode_answer) for kind in answers().by_name.values()),
]
NAMES = [f"{kind.name}-{encode.__name__.removeprefix('encode_')}" for kind, encode, _ in DIRECTIONS]
TICKS = {1: "historicalTickLast", 3: "historicalTickBidAsk", 4: "historicalTickMidPoint"}


def spoken(kind: Kind) -> list[int]:
    """The versions at which a kind can be written here."""
    lowest = kind.protobuf_since if kind.layout is None else LOWEST
    highest = HIGHEST
    if kind.has_protobuf and not (HAS_PROTOBUF and has_class(kind)):
        highest = min(highest, kind.protobuf_since - 1)
    return [version for version in BOUNDARIES if lowest <= version <= highest]


def has_class(kind: Kind) -> bool:
    """True if the installed client has the kind's protobuf message."""
    try:
        encode = encode_request if requests().by_name.get(kind.name) is kind else encode_answer
        encode(Message(kind.name, {}), HIGHEST)
    except ProtobufUnavailable:
        return False
    return True


@st.composite
def messages(draw: st.DrawFn, kind: Kind) -> dict[str, Any]:
    """Fields of a kind, consistent in themselves."""
    overrides: dict[str, Any] = {"order": order_dicts(by_type=PACKED), "contract": CONTRACTS}
    if kind.name in {"openOrder", "completedOrder", "placeOrder"}:
        overrides["contract"] = st.tuples(CONTRACTS, combo_parts()).map(lambda pair: {**pair[0], **pair[1]})
    if kind.name == "tickByTick":
        tick_type = draw(st.sampled_from(sorted(TICKS)))
        fields = draw(strategy(kind.message, only={"reqId", TICKS[tick_type]}))
        return fields | {"tickType": tick_type}
    if kind.message == "ContractData":
        overrides["contractDetails"] = strategy(
            "ContractDetails", overrides={"evMultiplier": st.integers(0, 9).map(float)}
        )
    return draw(strategy(kind.message, overrides=overrides, by_type=PACKED))


@pytest.mark.parametrize(("kind", "encode", "decode"), DIRECTIONS, ids=NAMES)
@settings(max_examples=max(10, settings.default.max_examples // 5))
@given(st.data())
def test_what_was_read_is_written_alike(
    kind: Kind, encode: Encode, decode: Decode, data: st.DataObject
) -> None:
    """Reading what we wrote and writing it again changes neither the bytes nor the message."""
    possible = spoken(kind)
    if not possible:
        return
    version = data.draw(st.sampled_from(possible))
    body = encode(Message(kind.name, data.draw(messages(kind))), version)
    got = decode(body, version)
    assert got.kind == kind.name
    again = encode(got, version)
    assert decode(again, version) == got
    if version < kind.protobuf_since:
        assert again == body


@pytest.mark.parametrize(("kind", "encode", "decode"), DIRECTIONS, ids=NAMES)
def test_no_value_is_lost_on_the_way(kind: Kind, encode: Encode, decode: Decode) -> None:
    """With every field set to a value of its own, each that is read is the one that was written."""
    fields = filled(kind.message)
    if kind.name == "tickByTick":
        fields["tickType"] = 1
    if "order" in fields:
        fields["order"]["conditions"] = [
            {"type": 4, "isConjunctionConnection": True, "isMore": True, "percent": 5}
        ]
    if "contractDetails" in fields:
        fields["contractDetails"]["evMultiplier"] = 5.0
    for version in spoken(kind):
        got = decode(encode(Message(kind.name, fields), version), version).fields
        assert_part_of(got, fields, f"{kind.name} at {version}")


def assert_part_of(got: Any, fields: Any, path: str) -> None:
    """Check that each value that was read stands at the same place in what was written."""
    if isinstance(got, dict):
        for name, value in got.items():
            assert name in fields or value == {}, f"{path}.{name} came from nowhere"
            assert_part_of(value, fields.get(name, {}), f"{path}.{name}")
    elif isinstance(got, list):
        assert len(got) == len(fields), path
        for index, (one, other) in enumerate(zip(got, fields, strict=True)):
            assert_part_of(one, other, f"{path}[{index}]")
    else:
        assert got == fields, path


@pytest.mark.parametrize("version", [142, 157, 200, 201, 226])
def test_unknown_ids_are_named(version: int) -> None:
    """An id that no message has, and in 201 and later a protobuf id of a kind that is none."""
    body = b"250\0" if version < 201 else (60).to_bytes(4, "big")
    number = 250 if version < 201 else 60
    for decode in (decode_request, decode_answer):
        with pytest.raises(UnknownMessage) as caught:
            decode(body, version)
        assert caught.value.message_id == number
    if version >= 201:
        with pytest.raises(UnknownMessage):
            decode_answer((256).to_bytes(4, "big"), version)  # deltaNeutralValidation never became protobuf
        with pytest.raises(UnknownMessage):
            decode_answer((110).to_bytes(4, "big"), version)  # configResponse never was text
        with pytest.raises(UnknownMessage):
            decode_answer((2**32 - 1).to_bytes(4, "big"), version)


@pytest.mark.parametrize(
    ("body", "version"),
    [
        (b"", 176),
        (b"", 226),
        (b"\0\0\0", 226),
        (b"3", 176),
        (b"3\x001", 176),
        (b"x\0", 176),
        (b"-3\0", 176),
        (b"1234567890\0", 176),
        (b"\0\0\0\x03no nul", 226),
    ],
)
def test_broken_bodies_are_malformed(body: bytes, version: int) -> None:
    """No id, half an id, no last NUL: the body is refused as a whole."""
    for decode in (decode_request, decode_answer):
        with pytest.raises(MalformedMessage):
            decode(body, version)


def test_a_message_may_come_as_text_where_protobuf_is_usual() -> None:
    """From 201 on both forms are read, told apart by the id alone (wire facts 5)."""
    body = (3).to_bytes(4, "big") + b"5\0Filled\x00100\x000\x001.5\x009\x000\x001.5\x007\0\x000\0"
    got = decode_answer(body, 226)
    assert got.fields["status"] == "Filled"
    assert got.fields["filled"] == Decimal(100)


def test_a_memoryview_is_a_body() -> None:
    """What the frame buffer gives is what the codec takes."""
    body = encode_answer(Message("nextValidId", {"orderId": 5}), 176)
    assert decode_answer(memoryview(body), 176) == Message("nextValidId", {"orderId": 5})


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (Message("placeOrdre"), "no such"),
        (Message("openOrder", {"ordre": {}}), "no such field"),
        (Message("openOrder", {"order": {"lmtPrise": 1.5}}), "no such field"),
        (Message("openOrder", {"order": {"conditions": [{"typ": 1}]}}), "no such field"),
        (Message("openOrder", {"order": {"conditions": {}}}), "must be a list"),
        (Message("openOrder", {"order": {"conditions": [5]}}), "must be a mapping"),
        (Message("openOrder", {"order": {"algoParams": [("a", "b")]}}), "must be a mapping"),
        (Message("openOrder", {"order": 5}), "must be a mapping"),
    ],
)
def test_what_nobody_could_read_is_not_written(message: Message, reason: str) -> None:
    """A misspelt kind or field, or a wrong shape, is refused at every version."""
    for version in (157, 176, *((226,) if HAS_PROTOBUF else ())):
        for encode in (encode_answer, *((encode_request,) if message.kind == "placeOrdre" else ())):
            with pytest.raises(MalformedMessage, match=reason):
                encode(message, version)


def test_a_kind_that_came_later_is_not_written_before() -> None:
    """A kind born as protobuf has no text form."""
    with pytest.raises(MalformedMessage, match="exists from server version 219 on"):
        encode_answer(Message("configResponse"), 200)


def test_none_is_absence() -> None:
    """A value of None is as good as no key."""
    empty = encode_answer(Message("orderStatus", {}), 176)
    assert encode_answer(Message("orderStatus", {"status": None}), 176) == empty


def samples() -> list[tuple[bytes, int]]:
    """One body of every kind and form, to be damaged."""
    found = []
    for kind, encode, _ in DIRECTIONS:
        fields = filled(kind.message)
        if kind.name == "tickByTick":
            fields["tickType"] = 3
        if "order" in fields:
            fields["order"]["conditions"] = []
        if "contractDetails" in fields:
            fields["contractDetails"]["evMultiplier"] = 5.0
        wanted = set(spoken(kind)) & {157, 176, 200, 202, 226}
        found += [(encode(Message(kind.name, fields), version), version) for version in sorted(wanted)]
    return found


SAMPLES = samples()


def damage(body: bytes, seed: int) -> bytes:
    """Change a body in one to four places."""
    chance = random.Random(seed)  # noqa: S311 - not cryptography
    data = bytearray(body)
    for _ in range(chance.randint(1, 4)):
        place = chance.randrange(len(data) + 1)
        match chance.randrange(6):
            case 0:
                data[place:place] = bytes([chance.randrange(256)])
            case 1:
                del data[place : place + chance.randint(1, 8)]
            case 2:
                data = data[:place]
            case 3:
                data[place : place + 1] = chance.choice(
                    [b"\0", b"\0\0", b"-", b"9" * 30, b"nan", b"\xff\xfe"]
                )
            case 4:
                data[place:place] = data[place : place + chance.randint(1, 40)]
            case _:
                data += bytes(chance.randrange(256) for _ in range(chance.randint(1, 9)))
    return bytes(data)


@given(st.sampled_from(SAMPLES), st.integers(0, 2**32))
@settings(max_examples=settings.default.max_examples * 5)
def test_damaged_bodies_raise_wire_errors_only(sample: tuple[bytes, int], seed: int) -> None:
    """However a body is damaged, it is read or refused with a WireError."""
    body, version = sample
    for decode in (decode_request, decode_answer):
        with contextlib.suppress(WireError):
            decode(damage(body, seed), version)


@given(st.binary(max_size=200), st.sampled_from(BOUNDARIES), st.integers(0, 330))
def test_random_bodies_raise_wire_errors_only(tail: bytes, version: int, number: int) -> None:
    """Random bytes behind any message id."""
    head = b"%d\0" % number if version < 201 else number.to_bytes(4, "big")
    for body in (tail, head + tail, head + tail + b"\0"):
        for decode in (decode_request, decode_answer):
            with contextlib.suppress(WireError):
                decode(body, version)


@pytest.mark.skipif(not HAS_PROTOBUF, reason="the installed ibapi has no protobuf messages")
def test_what_only_newer_versions_have_is_unknown_before() -> None:
    """A request that came with protobuf alone cannot be made, and so not answered, at an older version."""
    body = encode_request(Message("updateConfig", {"reqId": 1}), 226)
    assert decode_request(body, 226).kind == "updateConfig"
    with pytest.raises(UnknownMessage):
        decode_request(body, 213)
