"""The table of official order fields against the official client itself."""

from __future__ import annotations

import attrs
import pytest
from ibapi.order import Order as OfficialOrder

from ibkr_core.model.order import Order
from ibkr_core.model.orderfields import ENGINE_FIELDS, OFFICIAL_NAMES, OTHER_ORDER_FIELDS, VALUE_FIELDS

pytestmark = pytest.mark.matrix

TABLE = frozenset(OFFICIAL_NAMES.values()) | ENGINE_FIELDS | OTHER_ORDER_FIELDS

GONE = frozenset({"eTradeOnly", "faProfile", "firmQuoteOnly", "nbboPriceCap"})
"""Fields that clients of the 10.4x line dropped."""
SINCE_10_50 = frozenset({"conditionsIncludeOvernight"})


def installed() -> frozenset[str]:
    """Return the fields of the installed client's Order."""
    return frozenset(vars(OfficialOrder()))


def test_every_installed_field_is_reachable() -> None:
    """Each field of the installed Order has a plain name, an engine's owner, or a place in official."""
    assert installed() - TABLE == frozenset()


def test_the_table_holds_nothing_that_no_client_has() -> None:
    """With the newest clients the table is exact; older ones lack only what was not there yet."""
    if "conditionsIncludeOvernight" not in installed():
        pytest.skip("this ibapi is older than the table: its fields are a subset, which is tested above")
    engine_words = {"order_id", "client_id", "perm_id"}
    assert installed() == TABLE - GONE - engine_words
    assert installed() >= SINCE_10_50


def test_the_three_parts_of_the_table_are_disjoint() -> None:
    """A field has one way to be set, so no two can disagree."""
    plain = frozenset(OFFICIAL_NAMES.values())
    assert not plain & OTHER_ORDER_FIELDS
    assert not plain & ENGINE_FIELDS
    assert not ENGINE_FIELDS & OTHER_ORDER_FIELDS
    assert len(plain) == len(OFFICIAL_NAMES)


def test_each_plain_name_is_a_field_of_our_order() -> None:
    """The plain names are exactly the fields of our Order, but for those that stand for several others."""
    assert set(OFFICIAL_NAMES) == {field.name for field in attrs.fields(Order)} - VALUE_FIELDS
    assert {field.name for field in attrs.fields(Order)} >= VALUE_FIELDS
