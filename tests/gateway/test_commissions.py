"""Commissions: the published fixed schedule, per order, whatever the order is filled in."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.gateway.commissions import due
from ibkr_core.gateway.instruments import Instrument, default_catalogue
from tests.gateway.pocket import AAPL as AAPL_CONTRACT
from tests.gateway.pocket import Pocket, gateway
from tests.gateway.test_combos import PAIR

D = Decimal
CATALOGUE = default_catalogue()
AAPL = CATALOGUE.matches({"conId": 265598})[0]
SAP = CATALOGUE.matches({"conId": 14204})[0]
ES = CATALOGUE.matches({"localSymbol": "ESZ6"})[0]
MES = CATALOGUE.matches({"localSymbol": "MESZ6"})[0]
CL = CATALOGUE.matches({"localSymbol": "CLZ6"})[0]
EUR = CATALOGUE.matches({"localSymbol": "EUR.USD"})[0]
YEN = Instrument(con_id=4, symbol="USD", sec_type="CASH", currency="JPY")
OPTION = CATALOGUE.matches({"localSymbol": "AAPL  261218C00290000"})[0]
TREASURY = CATALOGUE.matches({"conId": 3_000_001})[0]
CORPORATE = attrs.evolve(TREASURY, con_id=1, trading_class="IBM")
COIN = Instrument(con_id=2, symbol="BTC", sec_type="CRYPTO")
BUND = Instrument(con_id=3, symbol="FGBL", sec_type="FUT", currency="EUR", multiplier=D(1000))


@pytest.mark.parametrize(
    ("instrument", "fills", "money"),
    [
        (AAPL, [], "0"),
        (OPTION, [(0, "5.00")], "0"),  # taken back: its minimum is still to come
        (AAPL, [(100, "292.50")], "1.0003"),  # as captured: the minimum, and the fee
        (AAPL, [(1000, "292.50")], "5.003"),  # 0.005 a share
        (AAPL, [(10, "5.00")], "0.50003"),  # no more than one percent of the value
        (AAPL, [(40, "292.50"), (60, "292.60")], "1.0003"),  # one minimum for both
        (SAP, [(10, "208")], "3.00"),
        (SAP, [(100, "208")], "10.40"),
        (OPTION, [(1, "2.00")], "1.00"),  # the examples of the price page
        (OPTION, [(2, "5.00")], "1.30"),
        (OPTION, [(3, "0.075")], "1.50"),
        (OPTION, [(5, "0.03")], "1.25"),
        (OPTION, [(2, "5.00"), (5, "0.03")], "2.55"),  # each fill by its own premium
        (ES, [(3, "6650")], "6.75"),
        (MES, [(3, "6650")], "1.86"),
        (CL, [(1, "-37.63")], "2.37"),  # prices below zero have happened
        (BUND, [(2, "130")], "1.30"),
        (EUR, [(20_000, "1.152")], "2.00"),
        (EUR, [(1_000_000, "1.152")], "23.04"),
        (YEN, [(1000, "155")], "310"),
        (YEN, [(1_000_000, "155")], "3100"),
        (TREASURY, [(5, "99")], "5.00"),
        (TREASURY, [(1000, "99")], "20.00"),  # the examples of the price page
        (TREASURY, [(2000, "99")], "21.00"),
        (CORPORATE, [(5, "99")], "5.00"),
        (CORPORATE, [(20, "99")], "12.50"),
        (CORPORATE, [(5000, "99")], "250"),
        (COIN, [(D("0.1"), "100000")], "18.00"),
        (COIN, [(D("0.001"), "100000")], "1.00"),
    ],
)
def test_the_schedule(instrument: Instrument, fills: list[tuple[Any, str]], money: str) -> None:
    """Rate, tiers, minimum, cap and fees of each kind of product."""
    assert due(instrument, [(D(units), D(price)) for units, price in fills]) == D(money)


parts = st.lists(
    st.tuples(st.integers(1, 500).map(D), st.integers(1, 50_000).map(lambda cents: D(cents) / 100)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=50)
@given(fills=parts, instrument=st.sampled_from([AAPL, SAP, OPTION, ES, EUR, TREASURY, CORPORATE, COIN]))
def test_parts_cost_no_more_than_the_whole(
    fills: list[tuple[Decimal, Decimal]], instrument: Instrument
) -> None:
    """No fill earns money back, and at one price the parts cost what one fill of all would."""
    steps = [due(instrument, fills[:count]) for count in range(len(fills) + 1)]
    assert steps == sorted(steps)
    price = fills[0][1]
    level = [(units, price) for units, _ in fills]
    assert due(instrument, level) == due(instrument, [(sum(units for units, _ in level), price)])


PRODUCTS: list[tuple[dict[str, Any], int]] = [
    (AAPL_CONTRACT, 10),
    (AAPL_CONTRACT, 1000),
    ({**AAPL_CONTRACT, "symbol": "F"}, 1),
    ({"conId": OPTION.con_id, "exchange": "SMART"}, 3),
    ({"conId": ES.con_id, "exchange": "CME"}, 2),
    ({"conId": EUR.con_id, "exchange": "IDEALPRO"}, 400_000),
    ({"conId": TREASURY.con_id, "exchange": "SMART"}, 20),
    (PAIR, 10),
]


@pytest.mark.parametrize(("contract", "quantity"), PRODUCTS)
@pytest.mark.parametrize("action", ["BUY", "SELL"])
def test_a_trial_says_what_the_trade_will_cost(contract: dict[str, Any], quantity: int, action: str) -> None:
    """The what-if answer is the later charge, to the last digit that a float carries, for every product."""
    venue = gateway()
    venue.market("AAPL").set_quote(bid=292, ask="292.01")  # so that its options are worth something
    client = Pocket(venue)
    (tried,) = client.place(1, action, quantity, contract=contract, whatIf=True)
    told = client.place(1, action, quantity, contract=contract)
    paid = [one.fields["commissionAndFees"] for one in told if one.kind == "commissionReport"]
    assert paid
    assert tried.fields["orderState"]["commissionAndFees"] == pytest.approx(sum(paid), abs=1e-9)


def test_the_minimum_of_an_order_is_charged_once() -> None:
    """Three parts of one order: the first carries the minimum, the others next to nothing (TWS facts 3)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 100, "LMT", lmtPrice=99.0)
    for part in (40, 30, 30):
        venue.fill(1, quantity=part)
    paid = [one.commission for one in venue.books().executions]
    assert paid == [D("1.00012"), D("0.00009"), D("0.00009")]
