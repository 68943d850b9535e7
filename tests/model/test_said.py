"""Short lines for people: numbers, money, and a repr without what says nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from ibkr_core.model.said import lean_repr, money, plain, said, sums, with_reason
from ibkr_core.model.status import OrderStatus


@pytest.mark.parametrize(
    ("number", "text"),
    [
        ("1E+3", "1000"),
        ("190.00", "190.00"),
        ("0.5", "0.5"),
        ("1E-6", "0.000001"),
        ("33.33333333333333333333333333", "33.333333"),
        ("12.9999999", "13"),
        ("-2.50000000", "-2.5"),
        ("0E-20", "0"),
        ("0.000000012345", "1.23e-8"),
        ("NaN", "NaN"),
        ("sNaN", "sNaN"),
        ("-Infinity", "-Infinity"),
        ("1E+900", "1E+900"),
    ],
)
def test_numbers_are_plain_digits(number: str, text: str) -> None:
    """No powers of ten where digits will do, no twenty decimals, and never an error."""
    assert plain(Decimal(number)) == text


def test_money_has_two_places_and_a_currency() -> None:
    """Thousands are set off; several currencies stay apart; absurd amounts are still told."""
    assert money(Decimal("1234.5"), "USD") == "1,234.50 USD"
    assert money(Decimal(-1)) == "-1.00"
    assert money(Decimal("NaN"), "USD") == "NaN USD"
    assert money(Decimal("1E+900"), "USD") == "1E+900 USD"
    assert sums({"EUR": Decimal(10), "USD": Decimal("0.005")}) == "10.00 EUR, 0.00 USD"
    assert sums({}) == "0"


def test_any_value_has_words() -> None:
    """Numbers, names of an enum, moments, texts over several lines, and rows of them."""
    at = datetime(2026, 11, 20, 14, 31, 45, tzinfo=UTC)
    assert [said(one) for one in (Decimal("1E+2"), OrderStatus.FILLED, at, "a\n b", (7, 8), (), 1.50009)] == [
        "100",
        "FILLED",
        "2026-11-20 14:31:45 UTC",
        "a b",
        "7 8",
        "none",
        "1.5",
    ]
    assert with_reason("it", ["a", "", "b"]) == "it (a, b)"
    assert with_reason("it", [""]) == "it"


@attrs.frozen(kw_only=True)
class Thing:
    """Something with defaults."""

    name: str
    size: Decimal | None = None
    marks: tuple[int, ...] = ()
    more: dict[str, int] = attrs.field(factory=dict)
    unseen: str = attrs.field(default="", repr=False)

    __repr__ = lean_repr


def test_a_lean_repr_shows_what_differs_from_the_defaults() -> None:
    """What it shows can be typed in again."""
    assert repr(Thing(name="a")) == "Thing(name='a')"
    whole = Thing(name="a", size=Decimal(2), marks=(1,), more={"x": 1}, unseen="x")
    assert repr(whole) == "Thing(name='a', size=Decimal('2'), marks=(1,), more={'x': 1})"
    assert eval(repr(Thing(name="a", size=Decimal(2)))) == Thing(name="a", size=Decimal(2))  # noqa: S307 - ours
    assert repr(Thing(name="a", size=Decimal("sNaN"))) == "Thing(name='a', size=Decimal('sNaN'))"
