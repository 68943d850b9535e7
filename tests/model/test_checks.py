"""Looking at arguments: the type, by the caller's name, before anything is made of them."""

from __future__ import annotations

import inspect
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.errors import InvalidGroup, InvalidInput, InvalidOrder
from ibkr_core.model.checks import (
    check_flag,
    check_function,
    check_moment,
    check_seconds,
    check_text,
    check_whole,
    checked,
)
from ibkr_core.model.numbers import Numeric


@pytest.mark.parametrize(
    ("check", "good", "bad"),
    [
        (check_flag, (True, False), (0, 1, None, "no")),
        (check_whole, (0, -1, 2**70), (True, 1.0, Decimal(1), "1", None)),
        (check_text, ("", "a"), (None, b"a", 1)),
        (check_moment, (datetime.now(UTC),), (datetime(2026, 1, 1), "now", None)),  # noqa: DTZ001 - no zone
        (check_function, (print,), ("print", None)),
        (check_seconds, (1, 0.001, 9e8), (0, -1, True, "1", float("nan"), float("inf"), 1e9)),
    ],
)
def test_a_value_of_another_type_is_refused_by_name(check: Any, good: Any, bad: Any) -> None:
    """What looks alike is no exception: True is no number, 1 no flag, and NaN no time."""
    for value in good:
        check("it", value)
    for value in bad:
        with pytest.raises(InvalidInput, match=r"^it: must be ") as caught:
            check("it", value)
        assert caught.value.argument == "it"


def test_bounds_and_the_kind_of_error_are_the_callers() -> None:
    """A whole number may have a least value, and the error the class that is wanted."""
    check_whole("it", 3, least=3)
    check_seconds("it", 0, least_ms=0)
    with pytest.raises(InvalidGroup, match="it: must be a whole number of at least 3, not 2"):
        check_whole("it", 2, InvalidGroup, least=3)


@checked
def build(
    action: str, quantity: Numeric, size: int | None = None, *, hidden: bool = False, **fields: Any
) -> object:
    """Take what a builder takes."""
    return action, quantity, size, hidden, fields


@pytest.mark.parametrize(
    ("arguments", "named", "argument"),
    [
        ((None, 1), {}, "action"),
        (("BUY", "nan"), {}, "quantity"),
        (("BUY",), {"quantity": True}, "quantity"),
        (("BUY", 1, 1.5), {}, "size"),
        (("BUY", 1), {"size": "x"}, "size"),
        (("BUY", 1), {"hidden": "no"}, "hidden"),
    ],
)
def test_a_builder_looks_at_what_is_annotated(arguments: Any, named: Any, argument: str) -> None:
    """Given by place or by name; the error has the builder's own name for it."""
    with pytest.raises(InvalidOrder) as caught:
        build(*arguments, **named)
    assert caught.value.argument == argument


def test_what_fits_goes_through_unchanged() -> None:
    """None where it is allowed, further fields, and the signature that documentation shows."""
    assert build("BUY", "1.5", None, hidden=True, tif=7) == ("BUY", "1.5", None, True, {"tif": 7})
    assert list(inspect.signature(build).parameters) == ["action", "quantity", "size", "hidden", "fields"]
    with pytest.raises(TypeError, match="quantity"):
        build("BUY")  # type: ignore[call-arg]  # what is missing, Python says
