"""The gateway's money, held against books kept by hand from what a client is told."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import Any

import attrs
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.gateway import MemoryGateway
from ibkr_core.gateway.instruments import default_catalogue
from tests.gateway.ledger import Holding, check_books, exact
from tests.gateway.pocket import AAPL, Pocket, gateway, plain
from tests.gateway.test_combos import PAIR

D = Decimal
NEAR = Fraction(1, 10**6)
CENT = Fraction(2, 100)  # shown to the cent, and several of them are added


def by_name(local_symbol: str, exchange: str) -> dict[str, Any]:
    (found,) = default_catalogue().matches({"localSymbol": local_symbol})
    return {"conId": found.con_id, "exchange": exchange}


CONTRACTS: tuple[tuple[dict[str, Any], int], ...] = (
    (AAPL, 1),
    ({**AAPL, "symbol": "MSFT"}, 1),
    (by_name("ESZ6", "CME"), 1),
    (by_name("EUR.USD", "IDEALPRO"), 10_000),
    (by_name("AAPL  261218C00290000", "SMART"), 1),
    ({"conId": 3_000_001, "exchange": "SMART"}, 1),
    (PAIR, 1),
)
trades = st.lists(
    st.tuples(
        st.integers(0, len(CONTRACTS) - 1),
        st.sampled_from(["BUY", "SELL"]),
        st.integers(1, 30),
        st.integers(-300, 300),  # AAPL moves so many cents first
    ),
    min_size=1,
    max_size=14,
)


def traded(history: list[tuple[int, str, int, int]]) -> tuple[MemoryGateway, Pocket]:
    venue = gateway(settings=plain(check_funds=False))
    client = Pocket(venue)
    for number, (index, action, units, cents) in enumerate(history, 1):
        bid = D(292) + D(cents) / 100
        venue.market("AAPL").set_quote(bid=bid, ask=bid + D("0.01"))
        venue.market("ESZ6", "FUT").set_quote(bid=6650 + D(cents) / 4, ask=6651 + D(cents) / 4)
        contract, lot = CONTRACTS[index]
        client.place(number, action, units * lot, contract=contract)
        if units % 3 == 0:
            venue.run(0.5)
    return venue, client


@settings(max_examples=60)
@given(trades)
def test_the_books_are_those_that_a_client_would_keep(history: list[tuple[int, str, int, int]]) -> None:
    """Cash by currency, positions, average cost and realised profit, over all products and turns."""
    venue, client = traded(history)
    ledger = check_books(venue, client.heard)
    for one in client.heard:
        if one.kind == "commissionReport":
            wanted = ledger.realized.get(one.fields["execId"])
            told = one.fields.get("realizedPNL")
            assert (wanted is None) == (told is None)
            assert wanted is None or abs(exact(told) - wanted) < NEAR
    client.ask("reqPositions")
    shown = {one.fields["contract"]["conId"]: one.fields for one in client.heard if one.kind == "position"}
    for con_id, holding in ledger.held.items():
        assert exact(shown[con_id]["position"] if con_id in shown else 0) == holding.units
        if holding.units:
            average = (holding.cost + holding.fees) / holding.units
            assert abs(exact(shown[con_id]["avgCost"]) - average) < NEAR


@settings(max_examples=40)
@given(trades)
def test_net_worth_is_what_there_was_and_what_was_gained(history: list[tuple[int, str, int, int]]) -> None:
    """Opening balance, realised and open profit are the net liquidation, at every price."""
    venue, _ = traded(history)
    balances = venue._access(lambda inner: inner.balances("DU1234567"))
    gained = Fraction(balances.realized) + Fraction(balances.unrealized)
    assert abs(Fraction(balances.net_liquidation) - 1_000_000 - gained) < NEAR
    assert balances.available == balances.net_liquidation - balances.initial_margin
    assert balances.maintenance_margin <= balances.initial_margin


def test_the_ledger_tag_shows_cash_by_currency() -> None:
    """Dollars paid, euros received, and their rate; the total is in the base currency."""
    venue, client = traded([(3, "BUY", 10, 0)])
    told = client.ask("reqAccountSummary", reqId=9, group="All", tags="$LEDGER:ALL,TotalCashValue")
    shown = {
        (one.fields["tag"], one.fields.get("currency")): one.fields["value"]
        for one in told
        if one.kind == "accountSummary"
    }
    cash = venue.books().cash["DU1234567"]
    assert exact(shown["CashBalance", "EUR"]) == 100_000
    assert abs(exact(shown["CashBalance", "USD"]) - Fraction(cash["USD"])) < CENT
    total = exact(shown["CashBalance", "USD"]) + 100_000 * exact(shown["ExchangeRate", "EUR"])
    assert abs(exact(shown["TotalCashValue", "USD"]) - total) < CENT


def test_a_future_is_no_cash_before_it_is_closed_but_counts() -> None:
    """Open profit is in the total cash value and the net worth, not in the ledger's cash."""
    venue, client = traded([(2, "BUY", 2, 0)])
    venue.market("ESZ6", "FUT").set_quote(bid=6661, ask=6662)
    balances = venue._access(lambda inner: inner.balances("DU1234567"))
    assert (balances.futures, balances.cash) == (D("10.5") * 50 * 2, 1_000_000 - D("4.50"))
    told = client.ask("reqAccountSummary", reqId=9, group="All", tags="TotalCashValue,NetLiquidation")
    assert [one.fields["value"] for one in told if one.kind == "accountSummary"] == ["1001045.50"] * 2
    client.place(2, "SELL", 2, contract=CONTRACTS[2][0])
    assert venue.books().cash["DU1234567"]["USD"] == 1_000_000 + 10 * 50 * 2 - 9


def test_a_short_sale_brings_cash_and_binds_margin() -> None:
    """The proceeds are cash; half of the value is bound; bought back cheaper, the difference stays."""
    venue, client = traded([(0, "SELL", 10, 0)])
    balances = venue._access(lambda inner: inner.balances("DU1234567"))
    assert balances.cash == 1_000_000 + 2920 - D("1.00003")
    assert (balances.initial_margin, balances.maintenance_margin) == (D("1460.025"), D("876.015"))
    venue.market("AAPL").set_quote(bid=280, ask="280.01")
    client.place(2, "BUY", 10)
    assert venue.books().cash["DU1234567"]["USD"] == 1_000_000 + D("119.9") - D("2.00006")
    assert venue.books().positions["DU1234567"] == ()
    shown = [one.fields["position"] for one in client.ask("reqPositions") if one.kind == "position"]
    assert shown == []


def test_a_position_that_goes_flat_is_told_as_zero_once() -> None:
    """Those who watch positions see it leave; a later list does not have it (wire facts 8)."""
    _, client = traded([(0, "BUY", 10, 0)])
    client.ask("reqPositions")
    told = client.place(2, "SELL", 10)
    assert [one.fields["position"] for one in told if one.kind == "position"] == [0]
    assert [one.kind for one in client.ask("reqPositions")] == ["positionEnd"]


def test_a_holding_by_hand() -> None:
    """The second set of books is right by itself: bought ten, sold fifteen, with fees."""
    one = Holding()
    assert one.trade(Fraction(10), Fraction(1000), Fraction(1)) is None
    assert one.trade(Fraction(-15), Fraction(-1650), Fraction(3)) == 100 - 1 - 2
    assert attrs.astuple(one) == (-5, -550, 1, 97, 100)
