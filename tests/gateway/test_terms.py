"""The terms of an order: read, refused, and kept when it fills."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.terms import Terms
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain
from tests.gateway.test_kinds import Desk

D = Decimal
EUR = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}


@pytest.mark.parametrize(
    ("fields", "tif", "code"),
    [
        ({"triggerMethod": 5}, "DAY", 146),
        ({"displaySize": 10, "discretionaryAmt": 0.1}, "DAY", 157),
        ({"displaySize": -1}, "DAY", 321),
        ({"minQty": -1}, "DAY", 321),
        ({"cashQty": -5.0}, "DAY", 321),
        ({"cashQty": float("inf")}, "DAY", 321),
        ({"cashQty": 1e300}, "DAY", 321),
        ({"goodAfterTime": "soon"}, "DAY", 391),
        ({}, "GTD", 391),
        ({"goodTillDate": "20261399"}, "GTD", 391),
    ],
)
def test_terms_that_make_no_sense_are_refused(fields: dict[str, Any], tif: str, code: int) -> None:
    """TWS facts 7."""
    with pytest.raises(RefusalError) as refused:
        Terms.parse(fields, tif)
    assert refused.value.code == code


def test_an_end_counts_for_gtd_only() -> None:
    """Clients leave dates in orders that have another time in force."""
    assert Terms.parse({"goodTillDate": "nonsense"}, "DAY").good_till is None


def test_all_or_none_waits_for_enough() -> None:
    """Unlike FOK it rests; it never fills in part."""
    desk = Desk()
    desk.quote("100", "100.01", ask_size=9)
    desk.place("BUY", "LMT", lmtPrice=100.01, allOrNone=True)
    assert (desk.fills, desk.status) == ([], "Submitted")
    desk.quote("100", "100.01", ask_size=10)
    assert desk.fills == [(10, D("100.01"))]


def test_a_minimum_quantity_holds_for_the_first_fill() -> None:
    """Six at least; after that anything goes."""
    desk = Desk()
    desk.quote("100", "100.01", ask_size=5)
    desk.place("BUY", "LMT", lmtPrice=100.01, minQty=6)
    assert desk.fills == []
    desk.quote("100", "100.01", ask_size=7)
    desk.quote("100", "100.01", ask_size=1)
    assert desk.fills == [(7, D("100.01")), (1, D("100.01"))]


def test_an_iceberg_fills_slice_by_slice() -> None:
    """No fill is larger than what it shows."""
    desk = Desk()
    desk.place("BUY", "LMT", lmtPrice=100.01, displaySize=4)
    assert desk.fills == [(4, D("100.01")), (4, D("100.01")), (2, D("100.01"))]


def test_a_double_trigger_wants_two_in_a_row() -> None:
    """A single odd print does not elect it."""
    desk = Desk()
    desk.place("SELL", "STP", auxPrice=99.0, triggerMethod=3)
    for last in ("98.99", "99.50", "98.99"):
        desk.market.set_last(last)
    assert desk.fills == []
    desk.market.set_last("98.98")
    assert desk.status == "Filled"


def test_parts_of_a_share_come_as_a_fill_of_their_own() -> None:
    """1.1404 fills as 1 and 0.1404, as was seen (TWS facts 6); the books stay exact."""
    venue = gateway(settings=plain(fractional=True))
    client = Pocket(venue)
    client.place(1, "BUY", 1, totalQuantity=D("1.1404"))
    assert [one.quantity for one in venue.books().executions] == [1, D("0.1404")]
    assert venue.books().position("AAPL") == D("1.1404")


@pytest.mark.parametrize(
    ("fractional", "fields", "code"),
    [
        (False, {"totalQuantity": D("1.5")}, 10243),
        (True, {"totalQuantity": D("1.5"), "contract": EUR}, 10245),
        (True, {"totalQuantity": D("1.5"), "kind": "MIT", "auxPrice": 99.0}, 10246),
        (True, {"totalQuantity": D("1.00001")}, 10246),
        (False, {"totalQuantity": D(0), "cashQty": 150.0}, 10243),
        (True, {"totalQuantity": D(0), "cashQty": 150.0, "kind": "MTL"}, 10244),
        (True, {"totalQuantity": D(0), "cashQty": 0.001}, 10244),
        (False, {"hidden": True, "contract": EUR, "totalQuantity": D(20000)}, 152),
        (False, {"tif": "GTD", "goodTillDate": "20261124 09:59:59"}, 391),
    ],
)
def test_terms_are_held_against_the_instrument(fractional: bool, fields: dict[str, Any], code: int) -> None:
    """TWS facts 7; nothing is booked."""
    venue = gateway(settings=plain(fractional=fractional))
    fields = dict(fields)
    kind = fields.pop("kind", "MKT")
    assert errors(Pocket(venue).place(1, "BUY", 1, kind, **fields)) == [(1, code)]
    assert venue.books().orders == ()


def test_an_amount_of_money_buys_what_it_can() -> None:
    """Currencies in whole units at the ask; shares in parts where these are traded."""
    venue = gateway(settings=plain(fractional=True))
    venue.market("EUR", "CASH").set_quote(bid="1.15", ask="1.16")
    client = Pocket(venue)
    client.place(1, "BUY", 0, contract=EUR, cashQty=100_000.0)
    client.place(2, "BUY", 0, cashQty=250.0)
    assert [one.total for one in venue.books().orders] == [86206, D("2.4997")]


def test_sizes_in_money_or_parts_cannot_be_modified() -> None:
    """10241 and 10242 (TWS facts 6); the orders rest as they are."""
    client = Pocket(gateway(settings=plain(fractional=True)))
    client.place(1, "BUY", 0, "LMT", lmtPrice=99.0, cashQty=990.0)
    client.place(2, "BUY", 1, "LMT", lmtPrice=99.0, totalQuantity=D("1.5"))
    assert errors(client.place(1, "BUY", 5, "LMT", lmtPrice=98.0, contract=AAPL)) == [(1, 10241)]
    assert errors(client.place(2, "BUY", 2, "LMT", lmtPrice=98.0)) == [(2, 10242)]


def test_a_hidden_order_trades_like_any_other() -> None:
    """It is only not seen in the book; the flag is echoed."""
    desk = Desk()
    desk.place("BUY", "LMT", lmtPrice=100.0, hidden=True)
    assert desk.market.depth()[0] == [(100, 100_000)]
    assert desk.shown("hidden") is True
