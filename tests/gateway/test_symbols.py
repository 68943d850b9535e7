"""What is on offer, as a trader says it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import MemoryGateway
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.symbols import choose, find, stock
from tests.gateway.pocket import AAPL, Pocket, errors, plain

D = Decimal


def test_names_limit_the_offer() -> None:
    """Only what goes by them: the stock and what is on it."""
    chosen = choose("aapl, MSFT,EUR.USD")
    assert {one.symbol for one in chosen} == {"AAPL", "MSFT", "EUR"}
    assert {one.sec_type for one in chosen if one.symbol == "AAPL"} == {"STK", "OPT"}
    venue = MemoryGateway(catalogue=chosen, settings=plain())
    client = Pocket(venue)
    assert errors(client.place(1, "BUY", 10)) == []
    assert errors(client.place(2, "BUY", 10, contract={**AAPL, "symbol": "TSLA"})) == [(2, 200)]


def test_a_price_makes_a_stock() -> None:
    """It trades from there; its contract id is the same in every run."""
    chosen = choose(["XYZ=12.50"])
    (one,) = chosen
    assert (one.symbol, one.reference_price, one.min_tick) == ("XYZ", D("12.50"), D("0.01"))
    assert (one.con_id, one) == (1_299_902_701, stock("XYZ", "12.50"))
    venue = MemoryGateway(catalogue=chosen, settings=plain())
    client = Pocket(venue)
    assert errors(client.place(1, "BUY", 10, contract={**AAPL, "symbol": "XYZ"})) == []
    (fill,) = venue.books().executions
    assert (fill.price, fill.instrument.con_id) == (D("12.51"), one.con_id)


def test_a_plus_adds_to_what_there_is() -> None:
    """Nothing is lost; a known thing with a price opens there."""
    chosen = choose("+XYZ=0.1234,AAPL=150,ESZ6=6700.25")
    assert len(list(chosen)) == len(list(default_catalogue())) + 1
    assert find(chosen, "XYZ").min_tick == D("0.0001")
    assert find(chosen, "AAPL").reference_price == 150
    assert find(chosen, "AAPL").con_id == 265598
    assert find(chosen, "ESZ6").reference_price == D("6700.25")
    assert find(default_catalogue(), "AAPL").reference_price != 150, "others are not touched"


def test_what_is_listed_twice_is_meant_in_dollars() -> None:
    """SAP is in New York and in Frankfurt."""
    assert find(default_catalogue(), "SAP").currency == "USD"
    with pytest.raises(InvalidInput, match="0 instruments are known as 'NOSUCH'"):
        find(default_catalogue(), "NOSUCH")
    with pytest.raises(InvalidInput, match="instruments are known as 'ES'"):
        find(choose("ES"), "ES")


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        ("", "must name something"),
        (" , ", "must name something"),
        ("+", "must name something"),
        ("NOSUCH", "'NOSUCH' is not known; give it a price to start from, such as NOSUCH=12.50"),
        ("XYZ=", "must have a price that is a number"),
        ("XYZ=dear", "must have a price that is a number; got 'dear'"),
        ("XYZ=0", "must have a price above zero"),
        ("XYZ=-1", "must have a price above zero"),
        ("XYZ=inf", "must have a price above zero"),
        ("XYZ=1.005", "must have a price in whole ticks"),
        ("X/Z=1", "must be letters, digits, dots and blanks"),
    ],
)
def test_nonsense_is_refused(wanted: str, rule: str) -> None:
    """In words that say what to write instead."""
    with pytest.raises(InvalidInput) as caught:
        choose(wanted)
    assert rule in str(caught.value)
