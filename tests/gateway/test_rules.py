"""Refusals, each from its cause and with its code (TWS facts 6 and 7); what is refused changes nothing."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain, statuses, story

ES = {
    "symbol": "ES",
    "secType": "FUT",
    "exchange": "CME",
    "currency": "USD",
    "lastTradeDateOrContractMonth": "202612",
}


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"kind": "FEELINGS"}, 321),
        ({"kind": "PSV"}, 387),
        ({"kind": "LMT", "lmtPrice": 99.005}, 110),
        ({"kind": "STP", "auxPrice": 99.005}, 110),
        ({"kind": "LMT", "lmtPrice": 0.0}, 109),
        ({"kind": "STP", "auxPrice": -5.0}, 109),
        ({"quantity": 10**13}, 321),
        ({"kind": "LMT", "lmtPrice": 1e12}, 321),
        ({"quantity": 0}, 434),
        ({"totalQuantity": Decimal("0.5")}, 10243),
        ({"tif": "WHENEVER"}, 10052),
        ({"contract": {**AAPL, "symbol": "NOSUCH"}}, 200),
        ({"contract": {**AAPL, "exchange": ""}}, 321),
        ({"contract": {**ES, "lastTradeDateOrContractMonth": ""}}, 200),
        ({"contract": ES, "kind": "LMT", "lmtPrice": 6650.10}, 110),
        ({"account": "U999"}, 321),
        ({"parentId": 77}, 10006),
    ],
)
def test_a_new_order_is_refused(fields: dict[str, Any], code: int) -> None:
    """One error under its id, no order, and the id is still free."""
    venue = gateway()
    client = Pocket(venue)
    kind, quantity = fields.pop("kind", "MKT"), fields.pop("quantity", 10)
    assert errors(client.place(5, "BUY", quantity, kind, **fields)) == [(5, code)]
    assert venue.books().orders == ()
    assert errors(client.place(5, "BUY", 10)) == []


def test_order_ids_only_grow() -> None:
    """A lower or a spent id is a duplicate, and the order that has it is untouched (TWS facts 4)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(5, "BUY", 10, "LMT", lmtPrice=99.0)
    assert errors(client.place(4, "BUY", 10)) == [(4, 103)]
    assert errors(client.place(0, "BUY", 10)) == [(0, 103)]
    client.cancel(5)
    assert errors(client.place(5, "BUY", 10)) == [(5, 103)]
    (answer,) = client.ask("reqIds", numIds=1)
    assert answer.fields["orderId"] == 6
    assert len(venue.books().orders) == 1


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "SELL"}, 105),
        ({"contract": {**AAPL, "symbol": "MSFT"}}, 105),
        ({"contract": {**AAPL, "symbol": "NOSUCH"}}, 200),
        ({"kind": "STP", "auxPrice": 98.0}, 329),
        ({"lmtPrice": 99.005}, 110),
        ({"quantity": 0}, 434),
        ({"quantity": 4}, 134),
        ({"ocaGroup": "other"}, 10326),
        ({"parentId": 3}, 10341),
        ({"kind": "FEELINGS"}, 321),
        ({"account": "DU2"}, 105),
    ],
)
def test_a_modification_is_refused_and_the_order_works_on(fields: dict[str, Any], code: int) -> None:
    """The order keeps its price, its size and its four filled shares."""
    venue = gateway(settings=plain(accounts=("DU1", "DU2")))
    client = Pocket(venue)
    venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=4)
    client.place(1, "BUY", 10, "LMT", lmtPrice=100.01)
    before = venue.books().order(1)
    wanted = {"action": "BUY", "quantity": 10, "kind": "LMT", "lmtPrice": 99.0, **fields}
    action, quantity, kind = wanted.pop("action"), wanted.pop("quantity"), wanted.pop("kind")
    assert errors(client.place(1, action, quantity, kind, **wanted)) == [(1, code)]
    assert venue.books().order(1) == before
    (shown, *_) = client.ask("reqOpenOrders")
    assert shown.fields["order"]["lmtPrice"] == 100.01


def test_a_child_whose_parent_is_gone_must_not_name_it() -> None:
    """135 while the order is fine; with parent 0 the modification is taken (TWS facts 6)."""
    venue = gateway()
    client = Pocket(venue)
    client.bracket()
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    client.listen()
    assert errors(client.place(2, "SELL", 10, "LMT", lmtPrice=104.0, parentId=1)) == [(2, 135)]
    told = client.place(2, "SELL", 10, "LMT", lmtPrice=104.0)
    assert errors(told) == []
    assert told[0].fields["order"]["lmtPrice"] == 104.0


def test_a_child_that_comes_after_its_parent_ended_is_refused() -> None:
    """It would wait for ever (TWS facts 6)."""
    client = Pocket(gateway())
    client.place(1, "BUY", 10)
    assert errors(client.place(2, "SELL", 10, "LMT", lmtPrice=105.0, parentId=1)) == [(2, 10006)]


def test_a_trailing_child_needs_a_limit_parent() -> None:
    """328, and the rest of the bracket stays silent (TWS facts 6)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, transmit=False)
    assert errors(client.place(2, "SELL", 10, "TRAIL", auxPrice=2.0, parentId=1)) == [(2, 328)]
    assert story(client.ask("reqOpenOrders")) == ["openOrderEnd"]


def test_a_group_belongs_to_one_account() -> None:
    """10224 for a member of another account (TWS facts 6)."""
    client = Pocket(gateway(settings=plain(accounts=("DU1", "DU2"))))
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="pair", account="DU1")
    assert errors(client.place(2, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="pair", account="DU2")) == [
        (2, 10224)
    ]
    assert errors(client.place(2, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="other", account="DU2")) == []


def test_an_order_beyond_the_funds_is_rejected() -> None:
    """201, Inactive, nothing booked; what only reduces a position is never refused."""
    venue = gateway(settings=plain(cash=Decimal(10_000)))
    client = Pocket(venue)
    assert (1, 201) in errors(client.place(1, "BUY", 500))
    assert statuses(client.heard, 1)[-1]["status"] == "Inactive"
    assert (2, 201) not in errors(client.place(2, "BUY", 190))
    assert errors(client.place(3, "SELL", 190)) == []
    assert venue.books().position("AAPL") == 0


def test_an_account_under_water_may_still_close() -> None:
    """With no funds left at all a sale of what is held is accepted, and a purchase is not."""
    venue = gateway(settings=plain(cash=Decimal(10_000)))
    client = Pocket(venue)
    client.place(1, "BUY", 190)
    venue.market("AAPL").set_quote(bid=1, ask="1.01")
    assert (2, 201) in errors(client.place(2, "BUY", 1))
    assert errors(client.place(3, "SELL", 190)) == []
    assert venue.books().position("AAPL") == 0


def test_funds_are_not_looked_at_when_told_so() -> None:
    """With check_funds=False everything is accepted."""
    client = Pocket(gateway(settings=plain(cash=Decimal(1), check_funds=False)))
    assert errors(client.place(1, "BUY", 500)) == []


@pytest.mark.parametrize(
    ("action", "limit", "dies"),
    [("BUY", 103.01, False), ("BUY", 103.02, True), ("SELL", 97.01, False), ("SELL", 97.0, True)],
)
def test_the_price_cap_has_an_edge(action: str, limit: float, dies: bool) -> None:
    """Three percent beyond the market, on either side; without a cap every price passes."""
    client = Pocket(gateway())
    assert ((1, 202) in errors(client.place(1, action, 10, "LMT", lmtPrice=limit))) == dies
    free = Pocket(gateway(settings=plain(price_cap=None)))
    assert errors(free.place(1, action, 10, "LMT", lmtPrice=limit)) == []


def test_a_what_if_must_be_transmitted() -> None:
    """413, and nothing is alive (TWS facts 4)."""
    venue = gateway()
    client = Pocket(venue)
    assert errors(client.place(1, "BUY", 10, whatIf=True, transmit=False)) == [(1, 413)]
    (answer,) = client.place(1, "BUY", 10, whatIf=True)
    state = answer.fields["orderState"]
    assert state["initMarginAfter"] == state["initMarginBefore"] + state["initMarginChange"] == 500.05
    assert (state["equityWithLoanChange"], state["commissionAndFees"]) == (-1.0, 1.00003)
    assert venue.books().orders == ()
