"""Shapes: equal in all that is steady, filled in the same places, and only for what is plain."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.model.contract import ComboLeg, Contract, DeltaNeutral
from ibkr_core.model.order import OcaType, Order
from ibkr_core.model.orderfields import OFFICIAL_NAMES
from ibkr_core.model.shapes import PLAIN, STEADY, VARYING, Shapes
from tests.orders.samples import CONDITIONS, WORKED

STOCK = Contract.stock("AAPL", con_id=265598)
LIMIT = Order.limit("BUY", 100, "150.25")
NEVER_SENT = {"description", "combo_legs_description"}
"""Fields of a contract that only the broker fills."""


def test_every_field_has_its_place() -> None:
    """A new field of an order or a contract must be steady, varying or missing: the shape would be wrong."""
    for kind in (Contract, Order):
        places = [*STEADY[kind], *VARYING[kind], *PLAIN[kind]]
        assert len(set(places)) == len(places)
        assert set(places) == {one.name for one in attrs.fields(kind)} - NEVER_SENT
    assert set(OFFICIAL_NAMES) <= {*STEADY[Order], *VARYING[Order], *PLAIN[Order]}


OTHERS: dict[str, Any] = {
    "con_id": 7, "symbol": "B", "expiry": "20991231", "strike": Decimal(5), "local_symbol": "L",
    "trading_class": "T", "sec_id": "I", "quantity": Decimal(7), "limit_price": Decimal(8),
    "aux_price": Decimal(9), "trail_stop_price": Decimal(10), "trailing_percent": Decimal(11),
    "limit_offset": Decimal(12), "order_ref": "r", "oca_group": "g", "parent_id": 3,
}  # fmt: skip
"""Another value of each field that varies."""

STEADILY_OTHER: dict[str, Any] = {
    "sec_type": "FUT", "right": "C", "multiplier": "5", "exchange": "NYSE", "primary_exchange": "NYSE",
    "currency": "EUR", "include_expired": True, "sec_id_type": "ISIN", "issuer_id": "i",
    "order_type": "LOC", "tif": "GTC", "outside_rth": True, "good_after_time": "20991231",
    "good_till_date": "20991231", "oca_type": 1, "transmit": False, "account": "DU1", "hidden": True,
    "all_or_none": True, "min_quantity": 1, "display_size": 1, "trigger_method": 2, "action": "SELL",
}  # fmt: skip
"""Another value of each field that is steady."""


def changed(name: str, value: object) -> tuple[Contract, Order]:
    """The usual order with one field changed."""
    if name in {one.name for one in attrs.fields(Contract)}:
        return attrs.evolve(STOCK, **{name: value}), LIMIT
    kind = {"trailing_percent": "VOL", "limit_offset": "VOL", "aux_price": "VOL", "trail_stop_price": "VOL"}
    return STOCK, attrs.evolve(LIMIT, **{"order_type": kind.get(name, "LMT"), name: value})


@pytest.mark.parametrize("name", ["con_id", "symbol", "quantity", "limit_price", "order_ref"])
def test_what_varies_leaves_the_shape_as_it_is(name: str) -> None:
    """Another value where there was one; and whatever the reference is."""
    shapes = Shapes()
    assert shapes.of(*changed(name, OTHERS[name])) is shapes.of(STOCK, LIMIT) is not None


@pytest.mark.parametrize(
    "name", sorted(set(OTHERS) - {"con_id", "symbol", "quantity", "limit_price", "order_ref"})
)
def test_a_field_that_is_filled_makes_another_shape(name: str) -> None:
    """What was empty in one order and is not in the next may stand elsewhere in the message."""
    shapes = Shapes()
    contract, order = changed(name, OTHERS[name])
    found = shapes.of(contract, order)
    assert found is not None
    assert name in found.filled
    assert found is not shapes.of(STOCK, attrs.evolve(LIMIT, order_type=order.order_type))


@pytest.mark.parametrize("name", sorted(STEADILY_OTHER))
def test_what_is_steady_makes_another_shape(name: str) -> None:
    """A message of another account, time in force or exchange is made for itself."""
    shapes = Shapes()
    found = shapes.of(*changed(name, STEADILY_OTHER[name]))
    assert found is not None
    assert found is not shapes.of(STOCK, LIMIT)
    assert found is shapes.of(*changed(name, STEADILY_OTHER[name]))


def test_all_fields_are_tried_above() -> None:
    """The tables of this test forget none."""
    assert set(OTHERS) == {name for names in VARYING.values() for name in names}
    assert set(STEADILY_OTHER) == {name for names in STEADY.values() for name in names}


NOT_PLAIN = {
    "legs": (Contract.combo("SPY", [ComboLeg(1), ComboLeg(2)]), LIMIT),
    "delta neutral": (STOCK.replace(delta_neutral=DeltaNeutral(1, 0.5, Decimal(1))), LIMIT),
    "official": (STOCK, LIMIT.replace(sweepToFill=True)),
    "conditions": (STOCK, LIMIT.replace(conditions=CONDITIONS["price"][0])),
    "conditions cancel": (STOCK, LIMIT.replace(conditions_cancel=True)),
    "conditions outside": (STOCK, LIMIT.replace(conditions_outside_rth=True)),
    "algo": (STOCK, LIMIT.replace(algo=WORKED["Adaptive"][0])),
    "cash": (STOCK, LIMIT.replace(cash_quantity=5)),
    "what if": (STOCK, LIMIT.replace(what_if=True)),
    "a price of nothing": (STOCK, LIMIT.replace(limit_price=0)),
    "another nothing": (STOCK, LIMIT.replace(limit_price="-0.0")),
    "a strike of nothing": (STOCK.replace(strike=0), LIMIT),
    "a number with a name": (STOCK, LIMIT.replace(oca_type=OcaType.REDUCE_NO_BLOCK)),
    "no hash": (attrs.evolve(STOCK, currency=["USD"]), LIMIT),
}


@pytest.mark.parametrize("name", NOT_PLAIN)
def test_what_is_not_plain_has_no_shape(name: str) -> None:
    """It is looked at anew each time."""
    shapes = Shapes()
    shapes.of(STOCK, LIMIT)
    assert shapes.of(*NOT_PLAIN[name]) is None
    assert shapes.of(*NOT_PLAIN[name]) is None
    assert shapes.of(STOCK, LIMIT) is not None


def test_equal_is_not_enough() -> None:
    """1 and True are equal and may be written otherwise: the other has no part in it."""
    for first, second in ((2, OcaType.REDUCE_WITH_BLOCK), (OcaType.REDUCE_WITH_BLOCK, 2)):
        shapes = Shapes()
        found = [shapes.of(STOCK, LIMIT.replace(oca_type=kind)) for kind in (first, second)]
        assert None in found


def test_what_was_asked_last_is_remembered_by_itself() -> None:
    """The very same objects, asked again; other ones are looked at."""
    shapes = Shapes()
    shape = shapes.of(STOCK, LIMIT)
    assert shapes.of(STOCK, LIMIT) is shape
    assert shapes.of(STOCK, LIMIT.replace(hidden=True)) is not shape
    assert shapes.of(Contract.stock("AAPL"), LIMIT) is not shape
