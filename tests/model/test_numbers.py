"""Callers' numbers become exact Decimals, or an error that names the argument."""

from __future__ import annotations

import decimal
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput, InvalidOrder
from ibkr_core.model.numbers import EXACT, optional_number, to_number


class NumpyLike(float):
    """Prints itself as numpy.float64 does."""

    def __repr__(self) -> str:
        return f"np.float64({float.__repr__(self)})"

    def __str__(self) -> str:
        return float.__repr__(self)


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        (0.1, "0.1"),
        (1, "1"),
        ("101.50", "101.50"),
        (" 7 ", "7"),
        (Decimal("0.00000001"), "1E-8"),
        (1e-7, "1E-7"),
        (-3, "-3"),
        (NumpyLike(0.1), "0.1"),
    ],
)
def test_a_number_means_what_the_caller_typed(value: object, exact: str) -> None:
    """A float is its shortest decimal text, so 0.1 is one tenth; a numpy float is one too."""
    number = to_number("price", value)
    assert type(number) is Decimal
    assert str(number) == exact


@given(st.decimals("-1E28", "1E28", allow_nan=False).filter(lambda x: not x or x.adjusted() >= -28))
def test_a_decimal_passes_unchanged(value: Decimal) -> None:
    """Nothing is rounded, whatever the digits."""
    assert str(to_number("price", value)) == str(value)
    assert str(to_number("price", str(value))) == str(value)


@pytest.mark.parametrize("value", ["1e400", "-1E+29", "1e-29", 10.0**300])
def test_absurd_magnitudes_are_refused(value: str | float) -> None:
    """No gateway can read them, and the order would be left hanging."""
    with pytest.raises(InvalidInput, match="beyond any price or quantity"):
        to_number("price", value)


@given(st.floats(1e-28, 1e28) | st.floats(-1e28, -1e-28))
def test_a_float_survives_the_round_trip(value: float) -> None:
    """Reading a float loses nothing of it."""
    assert float(to_number("price", value)) == value


@pytest.mark.parametrize("context", [decimal.Context(prec=2), decimal.ExtendedContext])
def test_the_hosts_decimal_context_does_not_matter(context: decimal.Context) -> None:
    """A host that computes with two digits, or traps nothing, gets the same numbers and the same errors."""
    with decimal.localcontext(context):
        assert to_number("price", "1234.5678") == Decimal("1234.5678")
        with pytest.raises(InvalidInput):
            to_number("price", "nonsense")


@pytest.mark.parametrize(
    "value",
    [
        float("nan"),
        float("inf"),
        float("-inf"),
        "nan",
        "Infinity",
        Decimal("sNaN"),
        "ten",
        "",
        "1,5",
        None,
        True,
        [],
        1j,
        b"1",
    ],
)
def test_what_is_no_finite_number_is_refused(value: object) -> None:
    """NaN, infinities, words, flags and containers raise, and the error names the argument."""
    with pytest.raises(InvalidOrder) as caught:
        to_number("limit_price", value, InvalidOrder)
    assert caught.value.argument == "limit_price"
    assert str(caught.value).startswith("limit_price: must be a") or "is not a number" in str(caught.value)
    assert isinstance(caught.value, ValueError)


def test_none_means_not_set() -> None:
    """An optional number lets None through and nothing else that is no number."""
    assert optional_number("price", None) is None
    assert optional_number("price", "2.5") == Decimal("2.5")
    with pytest.raises(InvalidInput):
        optional_number("price", "")


def test_the_exact_context_neither_rounds_money_nor_raises() -> None:
    """Sums and products of real sizes are exact, and absurd ones do not raise."""
    assert EXACT.multiply(Decimal("123456789.123456789"), Decimal("987654321.987654321")) == Decimal(
        "121932631356500531.347203169112635269"
    )
    assert EXACT.multiply(Decimal("9E+999999"), Decimal("9E+999999")) == Decimal("8.1E+1999999")
    assert not any(EXACT.traps.values())
