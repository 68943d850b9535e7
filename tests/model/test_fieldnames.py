"""A misspelt field is an error that names the nearest one."""

from __future__ import annotations

import attrs
import pytest

from ibkr_core.errors import UnknownField
from ibkr_core.model.fieldnames import check_names, names_unknown_fields, nearest

KNOWN = ("limit_price", "outside_rth", "sweepToFill", "tif")


@pytest.mark.parametrize(
    ("misspelt", "meant"),
    [
        ("limt_price", "limit_price"),
        ("limitPrice", "limit_price"),
        ("outsideRTH", "outside_rth"),
        ("sweep_to_fill", "sweepToFill"),
        ("SWEEPTOFILL", "sweepToFill"),
        ("tiff", "tif"),
    ],
)
def test_the_nearest_name_is_found_whatever_its_spelling_style(misspelt: str, meant: str) -> None:
    """Letter case and underscores do not count when names are compared."""
    assert nearest(misspelt, KNOWN) == meant


def test_nothing_alike_means_no_guess() -> None:
    """No name is suggested where none is alike: a wrong guess is worse than none."""
    assert nearest("zzz", KNOWN) is None
    assert nearest("x", ()) is None


def test_the_first_unknown_name_is_reported_with_its_owner() -> None:
    """The error carries the name as written, whose field it was to be, and the nearest name."""
    check_names(("tif", "limit_price"), KNOWN, "Order")
    with pytest.raises(UnknownField) as caught:
        check_names(("tif", "limt_price", "zzz"), iter(KNOWN), "Order")
    assert caught.value.argument == "limt_price"
    assert caught.value.nearest == "limit_price"
    assert str(caught.value) == "limt_price: Order has no such field; did you mean 'limit_price'?"
    with pytest.raises(UnknownField) as caught:
        check_names(("zzz",), KNOWN, "Order")
    assert caught.value.nearest is None
    assert str(caught.value) == "zzz: Order has no such field"


@names_unknown_fields
@attrs.frozen
class Sample:
    """A class under the decorator."""

    quantity: int
    price: int = 0
    made: int = attrs.field(default=7, init=False)


def test_a_decorated_class_names_the_nearest_field() -> None:
    """Keywords are checked before attrs sees them; positions, defaults and evolve still work."""
    assert Sample(3) == Sample(quantity=3, price=0)
    assert attrs.evolve(Sample(3), price=4) == Sample(3, 4)
    with pytest.raises(UnknownField, match="did you mean 'quantity'"):
        Sample(quantty=3)  # type: ignore[call-arg]  # the very fault
    with pytest.raises(UnknownField):
        Sample(3, made=8)  # type: ignore[call-arg]  # not for callers
    with pytest.raises(TypeError):
        Sample()  # type: ignore[call-arg]  # a missing field stays Python's own error
