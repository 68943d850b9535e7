"""The hot path: what our own decoders say is what the official one says, for every client and version."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ibkr_core.link import compat
from ibkr_core.link.client import TwsClient
from ibkr_core.link.hotpath import hot_path
from ibkr_core.model.facts import BrokerFact, StatusFact, fact_of
from ibkr_core.wire.protobuf import is_available, message_class
from tests.link.peers import VERSIONS, Recorder

TEXT = [version for version in VERSIONS if version < compat.RAW_IDS_SINCE]
RAW = [version for version in VERSIONS if version >= compat.RAW_IDS_SINCE]
NEWEST = VERSIONS[-1]
OLD = not is_available()
"""The oldest client reads sizes as floats, and has no protobuf."""


class Officially(TwsClient):
    """A client that wants the official callbacks of the hot kinds: all goes through the official decoder."""

    def orderStatus(self, *_: Any) -> None:  # noqa: N802 - official name
        pass

    def execDetails(self, *_: Any) -> None:  # noqa: N802 - official name
        pass

    def commissionReport(self, *_: Any) -> None:  # noqa: N802 - official name
        pass

    def commissionAndFeesReport(self, *_: Any) -> None:  # noqa: N802 - official name
        pass


def heard(kind: type[TwsClient], body: bytes, version: int) -> list[BrokerFact] | str:
    """Give the facts of one message, or the name of what handling it raises."""
    recorder = Recorder()
    try:
        kind(recorder).replay(body, version)
    except Exception as error:  # noqa: BLE001 - any of them
        return type(error).__name__
    return recorder.facts


def fields_of(body: bytes) -> bytes:
    """Give a frame's text with its NULs visible, for a failing example."""
    return body.replace(b"\0", b"|")


# ── text ────────────────────────────────────────────────────────────────────────────────────────

INTEGERS = st.one_of(st.integers(-5, 10**7), st.sampled_from([0, 2**31 - 1, 2**31, 2**63 - 1, -(2**31)])).map(
    str
)
SIZES = st.sampled_from(["0", "100", "100.0", "0.5", "33", "1234567", "0.0001", "250.25"])
EXACT_SIZES = st.one_of(
    SIZES,
    st.decimals(0, 10**9, places=8).map(str),
    st.sampled_from(["", "2147483647", "9223372036854775807", "1.7976931348623157E308",
                     "-9223372036854775808",
                     "170141183460469231731687303715884105727", "1e400", "NaN", "Infinity"]),
)  # fmt: skip
PRICES = st.one_of(
    st.floats(0, 1e6).map(repr),
    st.sampled_from(
        ["", "0", "190.0", "190.25", "0.0001", "-37.63", "1.7976931348623157E308", "1e400", "nan"]
    ),
)
WORDS = st.sampled_from(
    ["", "Submitted", "Filled", "PreSubmitted", "AAPL", "SMART", "USD", "BOT", "x y", "Zürich"]
)
ODD = st.one_of(st.text("0123456789.eE-+_ ", max_size=6), st.sampled_from(["abc", "1_000", " 12 ", "\u0661"]))


def field(usual: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Make a field: mostly what belongs there, now and then what does not."""
    return st.one_of(usual, usual, usual, usual, usual, usual, usual, ODD)


@st.composite
def status_fields(draw: st.DrawFn) -> list[str]:
    """Draw the fields of an orderStatus."""
    size = SIZES if OLD else EXACT_SIZES
    kinds = (INTEGERS, WORDS, size, size, PRICES, INTEGERS, INTEGERS, PRICES, INTEGERS, WORDS, PRICES)
    return [draw(field(kind)) for kind in kinds]


@st.composite
def execution_fields(draw: st.DrawFn) -> list[str]:
    """Draw the fields of an execDetails, with all that the newest text version has."""
    size = SIZES if OLD else EXACT_SIZES
    contract = (INTEGERS, WORDS, WORDS, WORDS, PRICES, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS)
    execution = (WORDS, WORDS, WORDS, WORDS, WORDS, size, PRICES, INTEGERS, INTEGERS, INTEGERS, size, PRICES)
    rest = (WORDS, WORDS, PRICES, WORDS, INTEGERS, st.sampled_from(["0", "1", ""]), WORDS)
    return [draw(field(kind)) for kind in (INTEGERS, INTEGERS, *contract, *execution, *rest)]


@st.composite
def commission_fields(draw: st.DrawFn) -> list[str]:
    """Draw the fields of a commission report."""
    kinds = (st.just("1"), WORDS, PRICES, WORDS, PRICES, PRICES, INTEGERS)
    return [draw(field(kind)) for kind in kinds]


@st.composite
def text_bodies(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw a frame of a hot kind and the version that it is of; sometimes a field too many or too few."""
    version = draw(st.sampled_from(TEXT))
    kind = draw(st.sampled_from(["3", "11", "59"]))
    fields = draw({"3": status_fields(), "11": execution_fields(), "59": commission_fields()}[kind])
    if kind == "11":
        fields = fields[: 30 + (version >= 178) + (version >= 198)]
    cut = draw(st.sampled_from([0] * 12 + [1, -1, 3]))
    fields = [*fields, "more"] if cut < 0 else fields[: len(fields) - cut]
    return "\0".join([kind, *fields, ""]).encode(), version


@given(text_bodies())
@example((b"3\0" + b"7\0Submitted\x0050\x0050\x00190.0\x001\x000\x00190.0\x001\0\0" + b"0\0", TEXT[-1]))
@settings(max_examples=400, deadline=None)
def test_text_is_read_as_the_official_client_reads_it(case: tuple[bytes, int]) -> None:
    """Every field, sentinel and fault: the same fact, or the same refusal."""
    body, version = case
    ours, official = heard(TwsClient, body, version), heard(Officially, body, version)
    assert ours == official, fields_of(body)


# ── protobuf ────────────────────────────────────────────────────────────────────────────────────


def filled_in(message: Any, draw: st.DrawFn) -> Any:
    """Set some fields of a generated message."""
    for one in message.DESCRIPTOR.fields:
        if draw(st.integers(0, 9)) == 0:
            continue
        if one.message_type is not None:
            if one.name in ("contract", "execution"):
                filled_in(getattr(message, one.name), draw)
                getattr(message, one.name).SetInParent()
            continue
        texts = ["", "100", "0.5", "33.25", "x", "BOT", "20260828 14:31:45 US/Eastern", "0000e0d5.1.01.01"]
        choices: dict[int, list[Any]] = {
            one.CPPTYPE_INT32: [0, 1, 7, 2**31 - 1, -1],
            one.CPPTYPE_INT64: [0, 1, 1376327579, 2**63 - 1],
            one.CPPTYPE_DOUBLE: [0.0, 190.25, 1.7976931348623157e308, float("inf"), float("nan"), 0.1],
            one.CPPTYPE_BOOL: [True, False],
            one.CPPTYPE_STRING: texts,
        }
        try:
            setattr(message, one.name, draw(st.sampled_from(choices[one.cpp_type])))
        except (KeyError, AttributeError, TypeError):
            continue  # repeated, or of a type that no hot message has
    return message


@st.composite
def protobuf_bodies(draw: st.DrawFn) -> tuple[bytes, int]:
    """Draw a protobuf frame of a hot kind; sometimes cut short."""
    number, name = draw(
        st.sampled_from([(3, "OrderStatus"), (11, "ExecutionDetails"), (59, "CommissionAndFeesReport")])
    )
    payload = filled_in(message_class(name)(), draw).SerializeToString()
    payload = payload[: len(payload) - draw(st.sampled_from([0] * 9 + [1]))]
    return (number + 200).to_bytes(4, "big") + payload, draw(st.sampled_from(RAW))


@pytest.mark.skipif(OLD, reason="this client has no protobuf")
@given(st.data())
@settings(max_examples=300, deadline=None)
def test_protobuf_is_read_as_the_official_client_reads_it(data: st.DataObject) -> None:
    """Absent fields, unset numbers and texts that are no numbers: the same fact, or the same refusal."""
    body, version = data.draw(protobuf_bodies())
    ours, official = heard(TwsClient, body, version), heard(Officially, body, version)
    assert ours == official, body


# ── the choice ──────────────────────────────────────────────────────────────────────────────────

STATUS = b"3\x007\0Submitted\x0050\x0050\x00190.0\x001\x000\x00190.0\x001\0\x000\0"


def test_the_usual_message_takes_the_hot_path() -> None:
    """A property that compares two paths proves nothing if both are one."""
    decode = hot_path(TwsClient, TEXT[-1])
    values = decode(STATUS)
    assert values is not None
    fact = fact_of(values)
    assert isinstance(fact, StatusFact)
    assert fact.order_id == 7
    assert decode(b"9\x001\x0012\0") is None, "not a hot kind"
    assert decode(STATUS.replace(b"7", "é".encode())) is None, "not ASCII"


def test_a_kind_whose_callback_is_overridden_is_left_to_the_official_decoder() -> None:
    """The user's own callback has to be called; the other kinds stay quick."""

    class Mine(TwsClient):
        def orderStatus(self, *_: Any) -> None:  # noqa: N802 - official name
            pass

    assert hot_path(Mine, TEXT[-1])(STATUS) is None
    report = b"59\x001\0a.b.c.01\x001.0\0USD\x000\x000\x000\0"
    assert hot_path(Mine, TEXT[-1])(report) is not None
    assert hot_path(Officially, TEXT[-1])(report) is None
