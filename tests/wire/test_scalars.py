"""Single text fields: values, sentinels, escapes, and what is refused."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.wire.scalars import (
    BY_TYPE,
    CONNECTOR,
    DECIMAL_AS_GIVEN,
    ESCAPED,
    ROUNDED,
    SHORT_FLOAT,
    WHOLE,
    WORD,
    ZERO_FLOAT,
    parse_decimal,
)
from wire.values import DECIMALS, FLOATS, INTS, LONGS, TEXTS

JAVA_MAX = b"1.7976931348623157E308"


@pytest.mark.parametrize(
    ("name", "values"), [("int", INTS), ("long", LONGS), ("float", FLOATS), ("dec", DECIMALS)]
)
@given(st.data())
def test_numbers_go_there_and_back(name: str, values: st.SearchStrategy[Any], data: st.DataObject) -> None:
    """What is written is read equal, and floats keep every bit."""
    value = data.draw(values)
    scalar = BY_TYPE[name]
    assert scalar.read(scalar.write(value).encode()) == value


@given(TEXTS)
def test_texts_go_there_and_back(text: str) -> None:
    """Plain as UTF-8, escaped as ASCII."""
    plain = BY_TYPE["str"]
    assert plain.read(plain.write(text).encode()) == text
    assert ESCAPED.write(text).isascii()
    assert ESCAPED.read(ESCAPED.write(text).encode()) == text


@given(TEXTS)
def test_the_official_reading_of_escapes_agrees(text: str) -> None:
    """Python's own unicode-escape codec, which the client uses, reads the same."""
    assert ESCAPED.write(text).encode().decode("unicode-escape") == text


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        *[(name, b"") for name in ("int", "long", "bool", "float", "dec", "str")],
        ("int", b"2147483647"),
        ("bool", b"2147483647"),
        ("long", b"9223372036854775807"),
        ("float", JAVA_MAX),
        ("float", b"1.7976931348623157e+308"),
        ("dec", b"2147483647"),
        ("dec", b"9223372036854775807"),
        ("dec", b"-9223372036854775808"),
        ("dec", JAVA_MAX),
        ("dec", b"1.7976931348623157e308"),
        ("dec", b"170141183460469231731687303715884105727"),
    ],
)
def test_sentinels_are_nothing(name: str, raw: bytes) -> None:
    """Every way to say unset is read as None (wire facts 7)."""
    assert BY_TYPE[name].read(raw) is None


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"0", 0.0),
        (b"0.0", 0.0),
        (b"6.0E-5", 6e-05),
        (b"1.2E-4", 0.00012),
        (b"-1", -1.0),
        (b".5", 0.5),
        (b"5.", 5.0),
        (b"Infinity", math.inf),
        (b"Infinite", math.inf),
        (b"-Infinity", -math.inf),
    ],
)
def test_prices_as_gateways_and_clients_spell_them(raw: bytes, value: float) -> None:
    """Exponents, missing digits, and the two words for infinity (wire facts 7, TWS facts 8)."""
    assert BY_TYPE["float"].read(raw) == value


@pytest.mark.parametrize(
    ("name", "raw"),
    [
        ("int", b"1.0"),
        ("int", b" 1"),
        ("int", b"1_0"),
        ("int", b"\xd9\xa1"),
        ("int", b"9223372036854775808"),
        ("int", b"--1"),
        ("int", b"1\n"),
        ("bool", b"true"),
        ("float", b"nan"),
        ("float", b"NaN"),
        ("float", b"1e999"),
        ("float", b"0x10"),
        ("float", b"1,5"),
        ("float", b"."),
        ("dec", b"NaN"),
        ("dec", b"Infinity"),
        ("dec", b"1E+9999"),
        ("dec", b"abc"),
        ("dec", b"\xff"),
    ],
)
def test_the_unreadable_is_refused(name: str, raw: bytes) -> None:
    """No default stands in for what cannot be read."""
    with pytest.raises(ValueError, match=r"not a|too large|out of range|does not fit"):
        BY_TYPE[name].read(raw)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("int", 1.0),
        ("int", "1"),
        ("int", 2**63),
        ("bool", 2),
        ("bool", "1"),
        ("float", "1.0"),
        ("float", True),
        ("float", math.nan),
        ("float", 10**400),
        ("dec", 1.5),
        ("dec", True),
        ("dec", Decimal("NaN")),
        ("dec", Decimal("Infinity")),
        ("dec", Decimal("1E+99")),
        ("str", 5),
        ("str", "a\0b"),
        ("str", "\ud800"),
    ],
)
def test_the_unwritable_is_refused(name: str, value: object) -> None:
    """A value of the wrong type or range never reaches the wire; a float is no quantity."""
    with pytest.raises((ValueError, TypeError)):
        BY_TYPE[name].write(value)


def test_prices_may_be_given_as_exact_decimals() -> None:
    """A Decimal price is written as it stands, digits and all."""
    assert BY_TYPE["float"].write(Decimal("1.10")) == "1.10"
    assert BY_TYPE["float"].write(5) == "5.0"
    assert BY_TYPE["float"].write(math.inf) == "Infinity"
    assert BY_TYPE["float"].write(-math.inf) == "-Infinity"


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"caf\\u00e9", "café"),
        (b"\\ud83d\\ude00", "😀"),
        (b"\\U0001f600", "😀"),
        (b"a\\\\b", "a\\b"),
        (b"\\n\\t\\\"\\'\\x41\\101", "\n\t\"'AA"),
        (b"\\ud83d alone", "\\ud83d alone"),
        (b"\\q stays", "\\q stays"),
        (b"ends\\", "ends\\"),
        (b"\\u12", "\\u12"),
        (b"\\Uffffffff", "\\Uffffffff"),
        (b"caf\xc3\xa9", "café"),
        (b"caf\xe9", "café"),
        (b"caf\xe9 \\u20ac", "café €"),
    ],
)
def test_escapes_of_all_senders(raw: bytes, text: str) -> None:
    """Java's halves of a pair are joined, broken escapes stay visible, and the result can be encoded."""
    assert ESCAPED.read(raw) == text
    text.encode()


@given(st.binary(max_size=30))
def test_no_bytes_break_a_text(raw: bytes) -> None:
    """A text is always readable and always encodable, whatever code page the gateway has."""
    for scalar in (BY_TYPE["str"], ESCAPED):
        text = scalar.read(raw)
        assert text is None or text.encode() is not None


@pytest.mark.parametrize(
    ("scalar", "value", "text"),
    [
        (SHORT_FLOAT, 100.0, "100"),
        (SHORT_FLOAT, 0.5, "0.5"),
        (ZERO_FLOAT, 0.0, "0"),
        (ZERO_FLOAT, 1.0, "1.0"),
        (WHOLE, 5.0, "5"),
        (WORD, True, "true"),
        (WORD, False, "false"),
        (CONNECTOR, True, "a"),
        (CONNECTOR, False, "o"),
        (DECIMAL_AS_GIVEN, Decimal("1E+2"), "1E+2"),
        (BY_TYPE["dec"], Decimal("1E+2"), "100"),
        (BY_TYPE["dec"], Decimal("0.0000001"), "0.0000001"),
        (BY_TYPE["bool"], True, "1"),
    ],
)
def test_special_spellings(scalar: Any, value: object, text: str) -> None:
    """Each spelling is written as the peer expects it, and read back."""
    assert scalar.write(value) == text
    assert scalar.read(text.encode()) == value


def test_special_fields_refuse_too() -> None:
    """A whole-number field takes no half, a connector only two letters, a word only two words."""
    with pytest.raises(ValueError, match="whole number"):
        WHOLE.write(0.5)
    with pytest.raises(ValueError, match="neither"):
        CONNECTOR.read(b"x")
    with pytest.raises(ValueError, match="neither"):
        CONNECTOR.read(b"")
    with pytest.raises(ValueError, match="neither"):
        WORD.read(b"1")
    assert WORD.read(b"") is None
    assert WHOLE.read(b"") is None
    with pytest.raises(ValueError, match="surrogate"):
        ESCAPED.write("\ud83d")


def test_a_whole_number_may_be_spelled_as_a_double() -> None:
    """A margin of 30.0 percent is 30; half a percent the protocol does not know."""
    assert ROUNDED.read(b"30.0") == 30
    assert isinstance(ROUNDED.read(b"30.0"), int)
    assert ROUNDED.read(b"") is None
    assert ROUNDED.read(b"2147483647") is None
    assert ROUNDED.write(30) == "30"
    for bad in (b"30.5", b"Infinity", b"1e300"):
        with pytest.raises(ValueError, match=r"whole number|64 bits"):
            ROUNDED.read(bad)


def test_any_number_but_zero_is_true() -> None:
    """As the official client reads flags."""
    assert BY_TYPE["bool"].read(b"0") is False
    assert BY_TYPE["bool"].read(b"-1") is True


def test_a_quantity_keeps_its_digits() -> None:
    """Trailing zeros and exponents survive: quantities are exact."""
    assert str(parse_decimal("1.4000")) == "1.4000"
    assert str(parse_decimal("1E+2")) == "1E+2"
