"""The catalogue: what a client's contract finds."""

from __future__ import annotations

from collections import Counter
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.gateway.instruments import Catalogue, Instrument, default_catalogue
from ibkr_core.gateway.refusals import RefusalError
from tests.gateway.pocket import Pocket, gateway

CATALOGUE = default_catalogue()
STOCK = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
FUTURE = {"symbol": "ES", "secType": "FUT", "exchange": "CME", "currency": "USD"}


@pytest.mark.parametrize(
    ("contract", "local_symbol"),
    [
        (STOCK, "AAPL"),
        ({"conId": 265598, "exchange": "SMART"}, "AAPL"),
        ({"localSymbol": "AAPL", "secType": "STK", "primaryExch": "NASDAQ", "exchange": "SMART"}, "AAPL"),
        ({**FUTURE, "lastTradeDateOrContractMonth": "202612"}, "ESZ6"),
        ({**FUTURE, "lastTradeDateOrContractMonth": "20261218"}, "ESZ6"),
        ({"localSymbol": "NQH7", "secType": "FUT", "exchange": "CME"}, "NQH7"),
        ({"symbol": "EUR", "secType": "CASH", "currency": "USD", "exchange": "IDEALPRO"}, "EUR.USD"),
        (
            {
                "symbol": "AAPL", "secType": "OPT", "exchange": "SMART", "strike": 290.0, "right": "CALL",
                "lastTradeDateOrContractMonth": "20261218", "multiplier": 100.0, "currency": "USD",
            },
            "AAPL  261218C00290000",
        ),
    ],
)  # fmt: skip
def test_a_contract_finds_its_instrument(contract: dict[str, Any], local_symbol: str) -> None:
    """By symbol, by contract id, by local symbol, with as much as is needed to be the only one."""
    assert CATALOGUE.resolve(contract).local_symbol == local_symbol


@pytest.mark.parametrize(
    ("contract", "code", "words"),
    [
        ({**STOCK, "symbol": "NOSUCH"}, 200, "No security definition"),
        ({"conId": 1, "exchange": "SMART"}, 200, "No security definition"),
        ({**STOCK, "exchange": "MARS"}, 200, "No security definition"),
        ({**STOCK, "currency": "JPY"}, 200, "No security definition"),
        ({**FUTURE, "lastTradeDateOrContractMonth": "199912"}, 200, "No security definition"),
        ({**STOCK, "strike": 5.0}, 200, "No security definition"),
        ({**STOCK, "right": "C"}, 200, "No security definition"),
        (FUTURE, 200, "ambiguous"),
        ({"symbol": "SAP", "secType": "STK", "exchange": "SMART"}, 200, "SAP is ambiguous"),
        ({"symbol": "AAPL", "secType": "STK"}, 321, "Missing order exchange"),
        ({"symbol": "AAPL", "exchange": "SMART"}, 321, "valid security type"),
        ({}, 321, "valid security type"),
    ],
)
def test_a_contract_that_finds_nothing_or_too_much_is_refused(
    contract: dict[str, Any], code: int, words: str
) -> None:
    """With the broker's codes (TWS facts 7, wire facts 9)."""
    with pytest.raises(RefusalError, match=words) as refused:
        CATALOGUE.resolve(contract)
    assert refused.value.code == code


def test_every_instrument_is_whole_and_found_by_its_own_contract() -> None:
    """Contract ids are unique, prices lie on the grid, and each contract that we send resolves to itself."""
    assert max(Counter(one.con_id for one in CATALOGUE).values()) == 1
    for one in CATALOGUE:
        assert one.on_tick(one.reference_price), one.local_symbol
        assert one.exchange in one.exchanges
        assert CATALOGUE.resolve(one.contract()) is one
        assert CATALOGUE.resolve({**one.contract(), "conId": 0}) is one


def test_futures_expire_on_the_third_friday() -> None:
    """As at the exchange."""
    expiries = [one.expiry for one in CATALOGUE if one.symbol == "ES" and one.expiry.startswith("2026")]
    assert expiries == ["20260320", "20260619", "20260918", "20261218"]


def test_an_instrument_can_be_added_and_replaced() -> None:
    """The later one with a contract id wins, also by name."""
    catalogue = Catalogue()
    first = Instrument(con_id=1, symbol="X", sec_type="STK", local_symbol="X")
    catalogue.add(first)
    second = attrs.evolve(first, symbol="Y", local_symbol="Y")
    catalogue.add(second)
    assert catalogue.by_id(1) is second
    assert catalogue.matches({"symbol": "X"}) == []
    assert catalogue.matches({"symbol": "Y"}) == [second]


def test_prices_are_held_against_the_tick() -> None:
    """A quarter for the future, a cent for the stock; rounding lands on the grid."""
    future = CATALOGUE.resolve({**FUTURE, "lastTradeDateOrContractMonth": "202612"})
    assert future.on_tick(Decimal("6650.25"))
    assert not future.on_tick(Decimal("6650.30"))
    assert future.to_tick(Decimal("6650.30")) == Decimal("6650.25")


def test_security_numbers_are_whole() -> None:
    """Every ISIN ends in its check digit; a CUSIP lies within an American one, and finds its instrument."""
    numbered = [one for one in CATALOGUE if one.isin]
    assert len(numbered) > 20
    for one in numbered:
        digits = "".join(str(int(letter, 36)) for letter in one.isin)
        doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
        assert sum(sum(divmod(number, 10)) for number in doubled) % 10 == 0, one.symbol
        for kind, number in one.numbers.items():
            assert CATALOGUE.matches({"secIdType": kind, "secId": number}) == [one]


def test_a_pair_quoted_in_another_currency_is_valued_in_dollars() -> None:
    """Dollars bought for yen are worth what they were worth before, but for the commission."""
    client = Pocket(gateway())
    pair = {"symbol": "USD", "secType": "CASH", "exchange": "IDEALPRO", "currency": "JPY"}
    client.place(1, "BUY", 25_000, contract=pair)
    summary = client.ask("reqAccountSummary", reqId=9, group="All", tags="NetLiquidation")
    assert 999_900 < float(summary[0].fields["value"]) < 1_000_100
