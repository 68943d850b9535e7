"""Single text fields: bytes to a value and back.

A reader gives ``None`` for a field that is unset, whatever sentinel the sender used: the sentinels end here
(wire facts 7). A writer refuses a value that the field cannot carry. They raise ``ValueError`` or
``TypeError`` with the reason; the layout adds which message and which field.
"""

import math
import re
import sys
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Any

import attrs

__all__ = [
    "BY_TYPE",
    "CONNECTOR",
    "DECIMAL_AS_GIVEN",
    "ESCAPED",
    "ROUNDED",
    "SHORT_FLOAT",
    "UNSET_DECIMAL",
    "UNSET_DOUBLE",
    "UNSET_INT",
    "UNSET_LONG",
    "WHOLE",
    "WORD",
    "ZERO_FLOAT",
    "Scalar",
    "decimal_text",
    "parse_decimal",
    "to_bool",
    "to_decimal",
    "to_float",
    "to_int",
    "to_text",
]

UNSET_INT = 2**31 - 1
UNSET_LONG = 2**63 - 1
UNSET_DOUBLE = sys.float_info.max
UNSET_DECIMAL = Decimal(2**127 - 1)

_JAVA_MAX = "1.7976931348623157E308"
_PYTHON_MAX = "1.7976931348623157e+308"
_UNSET_QUANTITIES = frozenset(
    {Decimal(UNSET_INT), Decimal(UNSET_LONG), Decimal(-(2**63)), Decimal(_JAVA_MAX), UNSET_DECIMAL}
)

# Python's own int() and float() take more than the wire has: blanks, underscores, other scripts' digits.
_INTEGER = re.compile(rb"[+-]?[0-9]{1,20}\Z")
_NUMBER = re.compile(rb"[+-]?(?:[0-9]{1,400}(?:\.[0-9]{0,400})?|\.[0-9]{1,400})(?:[eE][+-]?[0-9]{1,4})?\Z")
_INFINITE = {b"Infinity": math.inf, b"Infinite": math.inf, b"-Infinity": -math.inf, b"inf": math.inf}
_MAX_DIGITS = 60  # no quantity needs more on either side of the point; bounds what one field can expand to

# Short cuts for what most fields hold.
_SHORTER_THAN_SENTINELS = 10  # digits; the shortest sentinel, 2147483647, has ten
_FLAGS = {b"0": False, b"1": True, b"": None}
_WORDS = {b"true": True, b"false": False, b"": None}
_COMMON_FLOATS = {b"": None, b"0": 0.0, b"0.0": 0.0, _JAVA_MAX.encode(): None}

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[0-3]?[0-7]{1,2}|[\\'\"abfnrtv])")
_SHORT_ESCAPES = dict(zip("\\'\"abfnrtv", "\\'\"\a\b\f\n\r\t\v", strict=True))
_SURROGATES = re.compile("[\ud800-\udbff][\udc00-\udfff]|[\ud800-\udfff]")


@attrs.frozen
class Scalar:
    """How one kind of text field is read and written.

    Attributes:
        name: For messages about faults.
        read: Bytes without the NUL to a value, or None when unset.
        write: Value to text without the NUL.
        unset_java: What a gateway writes for an unset field of this type that has a sentinel.
        unset_python: The same, as the official Python client spells it.
        zero: How a zero is spelled.
    """

    name: str
    read: Callable[[bytes], Any]
    write: Callable[[Any], str]
    unset_java: str = ""
    unset_python: str = ""
    zero: str = "0"


def to_int(value: object) -> int:
    """Check a whole number that the caller wants to send.

    Raises:
        TypeError: Not a whole number.
        ValueError: It does not fit into 64 bits.
    """
    if isinstance(value, bool):
        return int(value)
    if not isinstance(value, int):
        raise TypeError(f"{value!r} is not a whole number")
    if not -(2**63) <= value < 2**63:
        raise ValueError("does not fit into 64 bits")
    return value


def to_bool(value: object) -> bool:
    """Check a flag; 0 and 1 count as flags.

    Raises:
        ValueError: Anything else.
    """
    if value is True or value is False:
        return value is True
    if isinstance(value, int) and value in {0, 1}:
        return bool(value)
    raise ValueError(f"{value!r} is not a flag")


def to_float(value: object) -> float:
    """Check a price; whole and decimal numbers are converted.

    Raises:
        TypeError: Not a number.
        ValueError: NaN, or too large.
    """
    if isinstance(value, bool) or not isinstance(value, (float, int, Decimal)):
        raise TypeError(f"{value!r} is not a number")
    try:
        number = float(value)
    except OverflowError as error:
        raise ValueError("too large for a double") from error
    if math.isnan(number):
        raise ValueError("NaN is not a price")
    return number


def to_decimal(value: object) -> Decimal:
    """Check a quantity. Floats are refused: they are not exact.

    Raises:
        TypeError: Not a Decimal or int.
        ValueError: Not finite, or beyond any reasonable size.
    """
    if isinstance(value, bool) or not isinstance(value, (Decimal, int)):
        raise TypeError(f"{value!r} is not a Decimal quantity")
    number = Decimal(value)
    if not number.is_finite():
        raise ValueError("not a finite quantity")
    digits = len(number.as_tuple().digits)
    exponent = number.as_tuple().exponent
    if not isinstance(exponent, int) or digits > _MAX_DIGITS or abs(exponent) > _MAX_DIGITS:
        raise ValueError("quantity out of range")
    return number


def to_text(value: object) -> str:
    """Check a text.

    Raises:
        TypeError: Not a ``str``.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not a text")
    return value


def _read_int(raw: bytes, unset: int) -> int | None:
    if raw.isdigit() and len(raw) < _SHORTER_THAN_SENTINELS:
        return int(raw)
    if not raw:
        return None
    if not _INTEGER.match(raw):
        raise ValueError(f"{raw[:40]!r} is not a whole number")
    value = int(raw)
    if not -(2**63) <= value < 2**63:
        raise ValueError("does not fit into 64 bits")
    return None if value == unset else value


def _read_short(raw: bytes) -> int | None:
    return _read_int(raw, UNSET_INT)


def _read_long(raw: bytes) -> int | None:
    return _read_int(raw, UNSET_LONG)


def _read_bool(raw: bytes) -> bool | None:
    # Any number but 0 is true, as in the official client.
    if raw in _FLAGS:
        return _FLAGS[raw]
    value = _read_int(raw, UNSET_INT)
    return None if value is None else value != 0


def _read_float(raw: bytes) -> float | None:
    if raw in _COMMON_FLOATS:
        return _COMMON_FLOATS[raw]
    if not _NUMBER.match(raw):
        if raw in _INFINITE:
            return _INFINITE[raw]
        raise ValueError(f"{raw[:40]!r} is not a number")
    value = float(raw)
    if abs(value) < UNSET_DOUBLE:
        return value
    if math.isinf(value):
        raise ValueError("too large for a double")
    return None if value == UNSET_DOUBLE else value


def _read_decimal(raw: bytes) -> Decimal | None:
    if not raw:
        return None
    return parse_decimal(raw.decode("ascii", "backslashreplace"))


def parse_decimal(text: str) -> Decimal | None:
    """Read a quantity as the wire spells it, in either protocol form.

    Returns:
        The quantity, or None for one of the sentinels.

    Raises:
        ValueError: Not a finite number of reasonable size.
    """
    if len(text) < _SHORTER_THAN_SENTINELS and text.isascii() and text.isdigit():
        return Decimal(text)
    if not _NUMBER.match(text.encode("utf-8", "backslashreplace")):
        raise ValueError(f"{text[:40]!r} is not a quantity")
    try:
        value = Decimal(text)
    except InvalidOperation as error:  # pragma: no cover - the pattern admits nothing that Decimal refuses
        raise ValueError(f"{text[:40]!r} is not a quantity") from error
    if value in _UNSET_QUANTITIES:
        return None
    return to_decimal(value)


def _read_text(raw: bytes) -> str | None:
    # A gateway with a national code page can send any byte; losing the message would be worse (TWS facts 7).
    return raw.decode("utf-8", "backslashreplace") if raw else None


def _read_escaped(raw: bytes) -> str | None:
    if not raw:
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    if "\\" not in text:
        return text
    text = _ESCAPE.sub(_unescape, text)
    return _SURROGATES.sub(_join_surrogates, text)


def _unescape(match: re.Match[str]) -> str:
    code = match[1]
    if code[0] in "xuU":
        number = int(code[1:], 16)
        return chr(number) if number <= sys.maxunicode else match[0]
    if code[0].isdigit():
        return chr(int(code, 8))
    return _SHORT_ESCAPES[code]


def _join_surrogates(match: re.Match[str]) -> str:
    # Java escapes a character beyond the basic plane as two halves. A lone half would blow up later, when
    # somebody encodes the text, so it stays an escape.
    text = match[0]
    if len(text) == 1:
        return f"\\u{ord(text):04x}"
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le")


def _read_whole(raw: bytes) -> float | None:
    value = _read_int(raw, UNSET_INT)
    return None if value is None else float(value)


def _read_rounded(raw: bytes) -> int | None:
    value = _read_float(raw)
    if value is None:
        return None
    if not value.is_integer():
        raise ValueError(f"{raw[:40]!r} is not a whole number")
    whole = to_int(int(value))
    return None if whole == UNSET_INT else whole


def _read_connector(raw: bytes) -> bool | None:
    if raw not in {b"a", b"o"}:
        raise ValueError(f"{raw[:40]!r} is neither 'a' (and) nor 'o' (or)")
    return raw == b"a"


def _read_word(raw: bytes) -> bool | None:
    if raw not in _WORDS:
        raise ValueError(f"{raw[:40]!r} is neither 'true' nor 'false'")
    return _WORDS[raw]


def _write_word(value: object) -> str:
    return "true" if to_bool(value) else "false"


def _write_int(value: object) -> str:
    if type(value) is int and -UNSET_LONG <= value <= UNSET_LONG:
        return str(value)
    return str(to_int(value))


def _write_bool(value: object) -> str:
    if value is True:
        return "1"
    return "1" if to_bool(value) else "0"


def _write_float(value: object) -> str:
    if type(value) is float:
        text = repr(value)
        if text[-1].isdigit():  # neither infinite nor NaN
            return text
    if isinstance(value, Decimal) and value.is_finite():
        return format(to_decimal(value), "f")
    number = to_float(value)
    if math.isinf(number):
        return "Infinity" if number > 0 else "-Infinity"
    return repr(number)


def _write_short_float(value: object) -> str:
    text = _write_float(value)
    return text.removesuffix(".0")


def _write_zero_float(value: object) -> str:
    text = _write_float(value)
    return "0" if text == "0.0" else text


def decimal_text(value: object) -> str:
    """Spell a quantity with all its digits and no exponent.

    Raises:
        TypeError: Not a Decimal or int.
        ValueError: Not finite, or beyond any reasonable size.
    """
    if type(value) is Decimal:
        text = str(value)
        if len(text) < _MAX_DIGITS and "E" not in text and value.is_finite():
            return text
    return format(to_decimal(value), "f")


def _write_text(value: object) -> str:
    if type(value) is str and value.isascii() and "\0" not in value:
        return value
    text = to_text(value)
    if "\0" in text:
        raise ValueError("a text field cannot hold a NUL")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError("not encodable as UTF-8") from error
    return text


def _write_escaped(value: object) -> str:
    text = to_text(value)
    if text.isascii() and text.isprintable() and "\\" not in text:
        return text
    if _SURROGATES.search(text):
        raise ValueError("half a surrogate pair is no text")
    return text.encode("unicode_escape").decode("ascii")


def _write_whole(value: object) -> str:
    number = to_float(value)
    if not number.is_integer():
        raise ValueError("only a whole number fits here")
    return str(int(number))


def _write_connector(value: object) -> str:
    return "a" if to_bool(value) else "o"


BY_TYPE: Mapping[str, Scalar] = {
    "int": Scalar("int", _read_short, _write_int, str(UNSET_INT), str(UNSET_INT)),
    "long": Scalar("long", _read_long, _write_int, str(UNSET_LONG), str(UNSET_LONG)),
    "bool": Scalar("bool", _read_bool, _write_bool, "0", "0"),
    "float": Scalar("float", _read_float, _write_float, _JAVA_MAX, _PYTHON_MAX, "0.0"),
    "dec": Scalar("dec", _read_decimal, decimal_text, "", str(UNSET_DECIMAL)),
    "str": Scalar("str", _read_text, _write_text),
}

ESCAPED = Scalar("escaped", _read_escaped, _write_escaped)
"""Text with Python/Java unicode escapes, used from version 153 on (wire facts 2)."""

WHOLE = Scalar("whole", _read_whole, _write_whole, str(UNSET_INT), str(UNSET_INT))
"""A whole number in text that is a double in protobuf."""

SHORT_FLOAT = Scalar("short float", _read_float, _write_short_float, _JAVA_MAX, _PYTHON_MAX)
"""A double that text writes without a needless ``.0``: multipliers ("100") and the like."""

ZERO_FLOAT = Scalar("float", _read_float, _write_zero_float, _JAVA_MAX, _PYTHON_MAX)
"""A double whose zero the official client spells ``0``, for its default there is the int."""

DECIMAL_AS_GIVEN = Scalar("dec", _read_decimal, lambda value: str(to_decimal(value)), "", str(UNSET_DECIMAL))
"""A quantity spelled as the official Python client does, exponents included."""

ROUNDED = Scalar("rounded", _read_rounded, _write_int, str(UNSET_INT), str(UNSET_INT))
"""A whole number that the official client lets its user spell ``30.0``."""

WORD = Scalar("word", _read_word, _write_word)
"""A flag spelled ``true`` or ``false``."""

CONNECTOR = Scalar("connector", _read_connector, _write_connector, "o", "o", "o")
"""How a condition joins the next: ``a`` and, ``o`` or. Unset is ``o``: protobuf leaves a false flag out."""
