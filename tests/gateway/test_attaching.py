"""Attached orders and hedges: made and sized by the gateway."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import MemoryGateway
from ibkr_core.wire.protobuf import is_available
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, statuses

MSFT = {**AAPL, "symbol": "MSFT"}


def attach(venue: MemoryGateway, attached: dict[str, Any], **fields: Any) -> None:
    order = {
        "action": "BUY",
        "totalQuantity": Decimal(10),
        "orderType": "LMT",
        "lmtPrice": 99.0,
        "tif": "DAY",
    }
    venue._access(lambda inner: inner.place(1, 1, AAPL, {**order, "transmit": True, **fields}, attached))


def test_an_order_brings_its_exits_along() -> None:
    """One percent away by preset; they wait, are a group, and one that fills ends the other."""
    venue = gateway()
    client = Pocket(venue)
    attach(venue, {"slOrderId": 2, "slOrderType": "PRESET", "ptOrderId": 3, "ptOrderType": "PRESET"})
    told = {one.fields["orderId"]: one.fields["order"] for one in client.listen() if one.kind == "openOrder"}
    assert (told[2]["orderType"], told[2]["auxPrice"], told[2]["action"]) == ("STP", 98.01, "SELL")
    assert (told[3]["orderType"], told[3]["lmtPrice"], told[3]["parentId"]) == ("LMT", 99.99, 1)
    assert told[2]["ocaGroup"] == told[3]["ocaGroup"] == str(told[1]["permId"])
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    venue.market("AAPL").set_quote(bid="100.00", ask="100.01")
    assert [order.status for order in venue.books().orders] == ["Filled", "Cancelled", "Filled"]


def test_a_stop_loss_alone_and_not_transmitted() -> None:
    """A held order holds what hangs on it."""
    venue = gateway()
    attach(venue, {"slOrderId": 2}, transmit=False)
    assert [order.status for order in venue.books().orders] == ["", ""]


@pytest.mark.parametrize(
    ("attached", "code"),
    [
        ({"slOrderId": 1}, 103),
        ({"slOrderId": 2, "ptOrderId": 2}, 103),
        ({"slOrderId": 2, "slOrderType": "X"}, 321),
    ],
)
def test_attached_orders_that_make_no_sense(attached: dict[str, Any], code: int) -> None:
    """All are refused, with one error."""
    venue = gateway()
    client = Pocket(venue)
    client.listen()
    attach(venue, attached)
    assert errors(client.listen()) == [(1, code)]
    assert venue.books().orders == ()


@pytest.mark.skipif(not is_available(), reason="attached orders exist in protobuf only")
def test_an_order_whose_exits_are_refused_is_not_kept() -> None:
    """All or none: the id stays free, and what comes under it is a new order."""
    venue = gateway()
    client = Pocket(venue)
    attach(venue, {"slOrderId": 2}, allOrNone=True)  # its child would have to be all-or-none, too
    assert errors(client.listen()) == [(1, 10236)]
    assert venue.books().orders == ()
    assert errors(client.place(1, "BUY", 1)) == []
    assert [order.total for order in venue.books().orders] == [1]


def test_they_travel_from_server_version_218_on() -> None:
    """Through the production codec."""
    venue = gateway()
    client = Pocket(venue, version=225)
    order = {
        "action": "BUY",
        "totalQuantity": Decimal(10),
        "orderType": "MKT",
        "tif": "DAY",
        "transmit": True,
    }
    attached = {"slOrderId": 5, "slOrderType": "PRESET", "ptOrderId": 6, "ptOrderType": "PRESET"}
    client.ask("placeOrder", orderId=4, contract=AAPL, order=order, attachedOrders=attached)
    assert [order.order_id for order in venue.books().orders] == [4, 5, 6]
    assert statuses(client.heard, 4)[-1]["status"] == "Filled"


@pytest.mark.parametrize(("kind", "param", "size"), [("P", "0.8", 80), ("P", "", 100), ("B", "1.5", 300)])
def test_a_hedge_is_sized_by_the_gateway(kind: str, param: str, size: int) -> None:
    """Sent with quantity 0, echoed with a size, and traded when the parent is filled (TWS facts 6)."""
    venue = gateway()
    venue.market("MSFT").set_quote(bid="50.00", ask="50.01")
    venue.market("AAPL").set_quote(bid="100.00", ask="100.02")
    client = Pocket(venue)
    client.place(1, "BUY", 100, "LMT", lmtPrice=99.0, transmit=False)
    client.place(2, "SELL", 0, contract=MSFT, parentId=1, hedgeType=kind, hedgeParam=param)
    echoed = next(
        one.fields["order"] for one in client.heard if one.kind == "openOrder" and one.fields["orderId"] == 2
    )
    assert abs(echoed["totalQuantity"] - size) <= 1
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    assert abs(venue.books().position("MSFT") + size) <= 1


def test_an_option_is_hedged_by_its_delta() -> None:
    """The stock under it: deep in the money, as many shares as the options are on."""
    venue = gateway()
    venue.market("AAPL").set_quote(bid="600.00", ask="600.02")
    client = Pocket(venue)
    call = {
        "symbol": "AAPL", "secType": "OPT", "exchange": "SMART", "currency": "USD", "strike": 290.0,
        "right": "C", "lastTradeDateOrContractMonth": "20270115",
    }  # fmt: skip
    client.place(1, "BUY", 3, "LMT", lmtPrice=1.0, transmit=False, contract=call)
    assert errors(client.place(2, "SELL", 0, contract=MSFT, parentId=1, hedgeType="D")) == [(2, 320)]
    told = client.place(3, "SELL", 0, parentId=1, hedgeType="D")
    echoed = next(
        one.fields["order"] for one in told if one.kind == "openOrder" and one.fields["orderId"] == 3
    )
    assert 290 <= echoed["totalQuantity"] <= 300


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"hedgeType": "F"}, 10063),
        ({"hedgeType": "D"}, 320),
        ({"hedgeType": "P", "hedgeParam": "much"}, 320),
        ({"hedgeType": "P", "hedgeParam": "-1"}, 320),
        ({"hedgeType": "P", "hedgeParam": "0.0001"}, 320),
        ({"hedgeType": "X"}, 321),
        ({"hedgeType": "P", "totalQuantity": Decimal(5)}, 321),
    ],
)
def test_hedges_that_make_no_sense_are_refused(fields: dict[str, Any], code: int) -> None:
    """TWS facts 6; the parent stays held."""
    client = Pocket(gateway())
    client.place(1, "BUY", 100, "LMT", lmtPrice=99.0, transmit=False)
    assert errors(client.place(2, "SELL", 0, contract=MSFT, parentId=1, **fields)) == [(2, code)]
