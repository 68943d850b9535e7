"""Instructions to exercise options."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import MemoryGateway
from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import AAPL, errors, gateway, story

CALL = {"localSymbol": "AAPL  261218C00290000", "secType": "OPT", "exchange": "SMART"}
ASKED: dict[str, Any] = {"orderId": 41, "contract": CALL, "exerciseAction": 1, "exerciseQuantity": 1}


def holder(stock: int, version: int = VERSIONS[0]) -> tuple[MemoryGateway, Checked]:
    """A client that holds two calls at 290, when the stock is at some price."""
    venue = gateway()
    venue.market("AAPL").set_quote(bid=stock, ask=stock + 1)
    client = Checked(venue, version)
    client.place(1, "BUY", 2, contract=CALL)
    assert venue.books().position("AAPL") == 2
    return venue, client


@pytest.mark.parametrize("version", VERSIONS)
def test_an_instruction_is_an_order_that_waits(version: int) -> None:
    """Notice 10349, then an order under the request's id, which never trades and can be cancelled."""
    venue, client = holder(300, version)
    assert story(client.ask("exerciseOptions", **ASKED)) == [
        "error 10349",
        "open PreSubmitted",
        "status PreSubmitted 0/1",
    ]
    venue.market("AAPL").set_quote(bid=400, ask=401)
    venue.run(60)
    assert client.listen() == []
    assert story(client.ask("reqOpenOrders")) == [
        "open PreSubmitted",
        "status PreSubmitted 0/1",
        "openOrderEnd",
    ]
    assert errors(client.place(41, "BUY", 1, "LMT", lmtPrice=1.0)) != [], "the id is taken"
    assert story(client.cancel(41))[-2:] == ["status Cancelled 0/1", "error 202"]
    assert venue.books().position("AAPL") == Decimal(2)


def test_what_is_out_of_the_money_is_not_exercised() -> None:
    """322 in the words of a paper account, unless it is overridden; a lapse is taken either way."""
    _, client = holder(280)
    assert errors(client.ask("exerciseOptions", **ASKED)) == [(41, 322)]
    assert errors(client.ask("exerciseOptions", **ASKED, override=1)) == [(41, 10349)]
    assert errors(client.ask("exerciseOptions", **{**ASKED, "orderId": 42, "exerciseAction": 2})) == [
        (42, 10349)
    ]


def test_instructions_that_make_no_sense() -> None:
    """A stock, too many, an unknown action or account, an id in use, an unknown contract."""
    _, client = holder(300)
    for change, code in (
        ({"contract": AAPL}, 321),
        ({"exerciseQuantity": 3}, 322),
        ({"exerciseQuantity": 0}, 322),
        ({"exerciseAction": 3}, 321),
        ({"account": "DU9"}, 321),
        ({"contract": {**CALL, "localSymbol": "NONE"}}, 200),
    ):
        assert errors(client.ask("exerciseOptions", **{**ASKED, **change})) == [(41, code)]
    assert errors(client.ask("exerciseOptions", **{**ASKED, "orderId": 1})) == [(1, 322)]
    for number in (0, -1):  # an order made by hand may get such an id
        assert errors(client.ask("exerciseOptions", **{**ASKED, "orderId": number})) == [(number, 321)]


def test_an_instruction_ends_with_its_day() -> None:
    """It expires with 202 like every order of the day."""
    venue, client = holder(300)
    client.ask("exerciseOptions", **ASKED)
    venue.end_day()
    assert errors(client.listen()) == [(41, 202)]
