"""Values for messages, made from the schema: at random, or every field once with values all distinct."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import count
from typing import Any

from hypothesis import strategies as st

from ibkr_core.wire.scalars import UNSET_DOUBLE, UNSET_INT, UNSET_LONG
from ibkr_core.wire.schema import fields_of

TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\0"), min_size=1, max_size=12
)
ASCII_TEXTS = st.text(st.characters(min_codepoint=32, max_codepoint=126), min_size=1, max_size=12)
INTS = st.integers(-(2**31), 2**31 - 1).filter(lambda value: value != UNSET_INT)
LONGS = st.integers(-(2**63), 2**63 - 1).filter(lambda value: value not in {UNSET_LONG, UNSET_INT})
FLOATS = st.floats(allow_nan=False, allow_infinity=False).filter(lambda value: value != UNSET_DOUBLE)
# What text writes with eight places at most, and so survives the official client's formatting.
SHORT_FLOATS = st.integers(1, 10**9).map(lambda value: value / 128)
DECIMALS = st.decimals(
    allow_nan=False, allow_infinity=False, min_value=-(10**12), max_value=10**12, places=6
).filter(lambda value: value != UNSET_INT)
WHOLE_DECIMALS = st.integers(0, 10**6).map(Decimal)
DIGITS = st.integers(1, 99999999).map(str)

BY_TYPE: Mapping[str, st.SearchStrategy[Any]] = {
    "int": INTS,
    "long": LONGS,
    "float": FLOATS,
    "bool": st.booleans(),
    "str": TEXTS,
    "dec": DECIMALS,
    "map": st.dictionaries(TEXTS, TEXTS, min_size=1, max_size=3),
}
# Where pairs are packed into one field, these two characters separate them.
UNPACKABLE = "=;"
PACKABLE = TEXTS.filter(lambda text: not set(UNPACKABLE) & set(text))
PACKED = {**BY_TYPE, "map": st.dictionaries(PACKABLE, PACKABLE, min_size=1, max_size=3)}


def strategy(
    message: str,
    *,
    only: set[str] | None = None,
    drop: set[str] = frozenset(),
    overrides: Mapping[str, st.SearchStrategy[Any]] | None = None,
    required: set[str] = frozenset(),
    by_type: Mapping[str, st.SearchStrategy[Any]] = BY_TYPE,
) -> st.SearchStrategy[dict[str, Any]]:
    """Make messages with any selection of fields.

    Args:
        message: Name of the schema entry.
        only: If given, no other fields.
        drop: Fields never made.
        overrides: Strategies by field name, for fields with rules of their own.
        required: Fields always made.
        by_type: Strategies by field type.
    """
    overrides = overrides or {}
    table: dict[str, st.SearchStrategy[Any]] = {}
    for name, field in fields_of(message).items():
        if name in drop or (only is not None and name not in only):
            continue
        if name in overrides:
            table[name] = overrides[name]
            continue
        if field.is_message:
            inner = strategy(field.name, by_type=by_type)
            # An empty sub-message is the same as none.
            value = inner if field.repeated else inner.filter(bool)
        else:
            value = by_type[field.name]
        table[name] = st.lists(value, min_size=1, max_size=3) if field.repeated else value
    must = {name: table.pop(name) for name in required if name in table}
    return st.fixed_dictionaries(must, optional=table)


def filled(message: str, numbers: Iterator[int] | None = None) -> dict[str, Any]:
    """Make a message with every field set, all numbers and texts distinct."""
    numbers = numbers if numbers is not None else count(1000)
    return {name: _one(field.name, field.repeated, numbers) for name, field in fields_of(message).items()}


def _one(kind: str, repeated: bool, numbers: Iterator[int]) -> Any:
    if repeated:
        return [_one(kind, False, numbers), _one(kind, False, numbers)]
    number = next(numbers)
    match kind:
        case "int" | "long":
            return number
        case "float":
            return number + 0.25
        case "bool":
            return True
        case "str":
            return f"{number}"
        case "dec":
            return Decimal(number)
        case "map":
            return {f"tag{number}": f"value{number}"}
        case _:
            return filled(kind, numbers)
