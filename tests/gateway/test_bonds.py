"""What bonds yield."""

from __future__ import annotations

from datetime import datetime

import attrs
import pytest

from ibkr_core.gateway import default_catalogue
from ibkr_core.gateway.bonds import yield_of
from ibkr_core.gateway.hours import from_eastern

(BOND,) = default_catalogue().matches({"conId": 3_000_001})
TEN_YEARS_BEFORE = from_eastern(datetime.fromisoformat("2024-02-15"))


def test_at_par_a_bond_yields_its_coupon() -> None:
    """Ten years before its end, at a hundred: four per cent."""
    assert yield_of(BOND, 100, TEN_YEARS_BEFORE) == pytest.approx(4.0, abs=0.01)


@pytest.mark.parametrize(("price", "wanted"), [(92.2, 5.0), (108.6, 3.0), (85.1, 6.0)])
def test_known_yields(price: float, wanted: float) -> None:
    """Ten years at four per cent: the prices that annuity tables give for three, five and six."""
    assert yield_of(BOND, price, TEN_YEARS_BEFORE) == pytest.approx(wanted, abs=0.05)


def test_the_dearer_the_less() -> None:
    """Yields fall with the price, also of a bond that has almost ended."""
    for moment in (TEN_YEARS_BEFORE, from_eastern(datetime.fromisoformat("2034-02-14"))):
        yields = [yield_of(BOND, price, moment) for price in (98, 99, 100, 101)]
        assert yields == sorted(yields, reverse=True)


def test_a_bond_without_a_coupon_yields_by_its_discount() -> None:
    """Bought at half its face ten years before its end: a good seven per cent a year."""
    bare = attrs.evolve(BOND, details={})
    assert yield_of(bare, 50, TEN_YEARS_BEFORE) == pytest.approx(7.05, abs=0.05)
