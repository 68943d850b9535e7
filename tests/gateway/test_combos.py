"""Combinations: one order, one status, an execution of the whole and of each leg."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway import MemoryGateway
from ibkr_core.gateway.combos import Combos, leg_prices
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.refusals import RefusalError
from tests.gateway.pocket import Pocket, errors, gateway, statuses

D = Decimal
AAPL_ID, MSFT_ID = 265598, 272093


def leg(con_id: int, ratio: int, action: str) -> dict[str, Any]:
    return {
        "conId": con_id, "ratio": ratio, "action": action, "exchange": "SMART", "openClose": 0,
        "shortSalesSlot": 0, "exemptCode": -1,
    }  # fmt: skip


PAIR = {
    "symbol": "AAPL,MSFT", "secType": "BAG", "exchange": "SMART", "currency": "USD",
    "comboLegs": [leg(AAPL_ID, 1, "BUY"), leg(MSFT_ID, 2, "SELL")],
}  # fmt: skip


def venue_with_pair() -> MemoryGateway:
    """AAPL 100.00 to 100.01 and MSFT 40.00 to 40.02: the pair is 19.96 to 20.01."""
    venue = gateway()
    venue.market("MSFT").set_quote(bid=40, ask="40.02", last=40)
    return venue


@pytest.mark.parametrize(
    ("action", "price", "sides"), [("BUY", 20.01, ("BOT", "SLD")), ("SELL", 19.96, ("SLD", "BOT"))]
)
def test_a_combination_is_told_whole_and_by_leg(action: str, price: float, sides: tuple[str, str]) -> None:
    """Status and average are of the whole; each leg has its execution and its commission (TWS facts 3)."""
    venue = venue_with_pair()
    client = Pocket(venue)
    told = client.place(1, action, 10, contract=PAIR)
    last = statuses(told, 1)[-1]
    assert (last["status"], last["filled"], last["avgFillPrice"]) == ("Filled", 10, price)
    fills = [one.fields for one in told if one.kind == "execDetails"]
    assert [one["contract"]["secType"] for one in fills] == ["BAG", "STK", "STK"]
    assert [one["execution"]["shares"] for one in fills] == [10, 10, 20]
    assert tuple(one["execution"]["side"] for one in fills[1:]) == sides
    ids = [one["execution"]["execId"].split(".") for one in fills]
    assert [one[2:] for one in ids] == [["01", "01"], ["02", "01"], ["03", "01"]]
    assert len({one[1] for one in ids}) == 1
    paid = [one.fields["commissionAndFees"] for one in told if one.kind == "commissionReport"]
    assert sorted(paid) == [0.0, 1.00003, 1.00006]
    sign = 1 if action == "BUY" else -1
    assert (venue.books().position("AAPL"), venue.books().position("MSFT")) == (10 * sign, -20 * sign)
    cash = venue.books().cash["DU1234567"]["USD"]
    assert cash == 1_000_000 - sign * 10 * D(str(price)) - D("2.00009")


def test_the_contract_is_echoed_with_its_legs() -> None:
    """With an id of the gateway's, its description and class COMB (TWS facts 2.10)."""
    client = Pocket(venue_with_pair())
    shown = client.place(1, "BUY", 10, "LMT", lmtPrice=19.0, contract=PAIR)[0].fields["contract"]
    assert (shown["secType"], shown["tradingClass"]) == ("BAG", "COMB")
    assert shown["comboLegsDescrip"] == f"{AAPL_ID}|1,{MSFT_ID}|-2"
    assert [(one["conId"], one["ratio"], one["action"]) for one in shown["comboLegs"]] == [
        (AAPL_ID, 1, "BUY"), (MSFT_ID, 2, "SELL"),
    ]  # fmt: skip


def test_a_resting_combination_trades_when_a_leg_moves() -> None:
    """In parts as the thinnest leg allows; never beyond its net limit."""
    venue = venue_with_pair()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=19.0, contract=PAIR)
    venue.market("MSFT").set_quote(bid="40.49", ask="40.50")
    assert venue.books().executions == ()
    venue.market("MSFT").set_quote(bid="40.51", ask="40.52", bid_size=9)
    assert [(one.quantity, one.price) for one in venue.books().executions] == [(4, D("18.99"))]
    venue.market("MSFT").set_quote(bid="40.51", ask="40.52")
    assert venue.books().order(1).status == "Filled"
    client.listen()
    found = [one for one in client.ask("reqExecutions", reqId=5) if one.kind == "execDetails"]
    assert [one.fields["execution"]["cumQty"] for one in found] == [4, 4, 8, 10, 10, 20]


def test_a_net_price_may_be_negative() -> None:
    """The mirror pair costs less than nothing."""
    venue = venue_with_pair()
    mirror = {**PAIR, "comboLegs": [leg(AAPL_ID, 1, "SELL"), leg(MSFT_ID, 2, "BUY")]}
    client = Pocket(venue)
    assert errors(client.place(1, "BUY", 1, "LMT", lmtPrice=-19.96, contract=mirror)) == []
    assert venue.books().order(1).average_price == D("-19.96")


def test_a_corrected_leg_leaves_the_books_exact() -> None:
    """The combination itself is not booked, before or after."""
    venue = venue_with_pair()
    client = Pocket(venue)
    client.place(1, "BUY", 10, contract=PAIR)
    leg_id = next(
        one.fields["execution"]["execId"] for one in client.heard
        if one.kind == "execDetails" and one.fields["contract"]["conId"] == AAPL_ID
    )  # fmt: skip
    client.ask("reqPositions")
    venue.correct_execution(leg_id, price="100.51")
    own_id = venue.books().order(1).executions[0].exec_id
    venue.correct_execution(own_id, price="20.51")
    told = [one.fields["contract"]["conId"] for one in client.listen() if one.kind == "position"]
    assert told == [AAPL_ID], "nobody holds a combination"
    cash = venue.books().cash["DU1234567"]["USD"]
    assert cash == 1_000_000 - 10 * D("20.51") - D("2.00009")
    assert venue.books().order(1).filled == 10


@pytest.mark.parametrize(
    ("legs", "code"),
    [
        ([], 314),
        ([leg(4242, 1, "BUY")], 313),
        ([leg(AAPL_ID, 0, "BUY")], 313),
        ([leg(AAPL_ID, 1, "HOLD")], 313),
        ([leg(AAPL_ID, 1, "BUY"), leg(AAPL_ID, 1, "SELL")], 312),
        ([leg(AAPL_ID, 1, "BUY"), leg(14204, 1, "SELL")], 312),
    ],
)
def test_legs_that_make_no_sense_are_refused(legs: list[dict[str, Any]], code: int) -> None:
    """TWS facts 3."""
    with pytest.raises(RefusalError) as refused:
        Combos(default_catalogue()).resolve({**PAIR, "comboLegs": legs})
    assert refused.value.code == code


def test_the_same_legs_are_the_same_combination() -> None:
    """So that a modification fits its order."""
    client = Pocket(venue_with_pair())
    client.place(1, "BUY", 10, "LMT", lmtPrice=19.0, contract=PAIR)
    assert errors(client.place(1, "BUY", 10, "LMT", lmtPrice=19.5, contract=PAIR)) == []


cents = st.integers(1, 50_000).map(lambda number: D(number) / 100)


@given(bids=st.tuples(cents, cents), price=cents, action=st.sampled_from(["BUY", "SELL"]))
def test_legs_add_up_to_the_whole(bids: tuple[Decimal, Decimal], price: Decimal, action: str) -> None:
    """Whatever the price at which the combination was filled."""
    combo = Combos(default_catalogue()).resolve(PAIR)
    quotes = {
        leg.instrument.con_id: Quote(bid=bid, ask=bid + 1, last=bid, bid_size=D(1), ask_size=D(1))
        for leg, bid in zip(combo.legs, bids, strict=True)
    }
    made = leg_prices(combo, action, price, lambda one: quotes[one.con_id])
    assert sum(leg.weight * one for leg, one in zip(combo.legs, made, strict=True)) == price


def priced(*prices: float | None) -> dict[str, Any]:
    """The pair with a price for each leg, as the wire carries them."""
    legs = [dict(one) for one in PAIR["comboLegs"]]
    for one, price in zip(legs, prices, strict=True):
        if price is not None:
            one["perLegPrice"] = price
    return {**PAIR, "comboLegs": legs}


@pytest.mark.parametrize(("prices", "status"), [((100.01, 40.0), "Filled"), ((100.0, 40.0), "Submitted")])
def test_a_price_for_each_leg(prices: tuple[float, float], status: str) -> None:
    """Such an order has no limit of its own (TWS facts 3): what its legs make together is one."""
    client = Pocket(venue_with_pair())
    told = client.place(1, "BUY", 10, "LMT", contract=priced(*prices))
    assert statuses(told, 1)[-1]["status"] == status


@pytest.mark.parametrize("prices", [(None, None), (100.0, None), (100.0, float("inf"))])
def test_prices_of_legs_that_make_no_limit(prices: tuple[float | None, float | None]) -> None:
    """None at all, or one that is missing or none."""
    client = Pocket(venue_with_pair())
    assert errors(client.place(1, "BUY", 10, "LMT", contract=priced(*prices)))[0] == (1, 321)
