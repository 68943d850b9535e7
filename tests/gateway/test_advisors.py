"""An advisor's login: who gets what of a group order, what is refused, and what the groups look like."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import ManualClock, MemoryGateway, Settings
from ibkr_core.gateway.account import Account, Balances
from ibkr_core.gateway.advisors import Advisor, AdvisorGroup, aliases_xml, divide, groups_xml, weights
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.model.account import AccountAlias, GroupMember, parse_aliases, parse_groups
from ibkr_core.wire.message import Message
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain

D = Decimal
SIX = tuple(f"DU{number}" for number in range(1, 7))
HALVES = AdvisorGroup("Halves & more", ("DU1", "DU2"), "Percent", (D(75), D(25)))
ALL = AdvisorGroup("All", SIX)
ADVISOR = Advisor("DF1", (ALL, HALVES), {"DU1": "Tom & Ann"})


def equal(*codes: str) -> dict[str, Fraction]:
    return dict.fromkeys(codes, Fraction(1))


def spec(**fields: Any) -> OrderSpec:
    return OrderSpec.parse(
        {"action": "BUY", "totalQuantity": D(10), "orderType": "MKT", "transmit": True, **fields}
    )


def balances_of(code: str) -> Balances:
    cash = D({"DU1": 25_000, "DU2": 50_000}.get(code, 100_000))
    return Account(code, cash).balances(lambda _: D(0), lambda _: D(1))


# ── dividing ────────────────────────────────────────────────────────────────────────────────────


def test_four_hundred_for_six_accounts() -> None:
    """The official example: each gets 66, and then one more each until all are given."""
    got = dict(divide(D(400), equal(*SIX), {}))
    assert got == {"DU1": 67, "DU2": 67, "DU3": 67, "DU4": 67, "DU5": 66, "DU6": 66}


def test_seven_hundred_by_net_liquidation() -> None:
    """The official example: 25, 50 and 100 thousand are 1 : 2 : 4."""
    group = AdvisorGroup("A", ("DU1", "DU2", "DU3"), "NetLiq")
    shares = weights(group, "NetLiq", balances_of)
    assert divide(D(700), shares, {}) == [("DU1", 100), ("DU2", 200), ("DU3", 400)]
    assert weights(group, "AvailableEquity", balances_of) == shares


def test_shares_that_were_given_decide() -> None:
    """In whatever unit."""
    assert divide(D(8), weights(HALVES, "Percent", balances_of), {}) == [("DU1", 6), ("DU2", 2)]


def test_partial_fills_add_up_to_the_shares() -> None:
    """One unit at a time, nobody is more than one unit away from what is due."""
    given: dict[str, Decimal] = {}
    for _ in range(9):
        for code, units in divide(D(1), equal("DU1", "DU2", "DU3"), given):
            given[code] = given.get(code, D(0)) + units
    assert given == {"DU1": 3, "DU2": 3, "DU3": 3}


def test_who_got_too_much_gets_nothing() -> None:
    """Shares by what accounts are worth change in between."""
    assert divide(D(10), equal("DU1", "DU2"), {"DU1": D(50)}) == [("DU2", 10)]


def test_nobody_has_anything() -> None:
    """Then all get the same."""
    group = AdvisorGroup("A", ("DU1", "DU2"), "NetLiq")
    broke = Account("DU1", D(0)).balances(lambda _: D(0), lambda _: D(1))
    assert weights(group, "NetLiq", lambda _: broke) == equal("DU1", "DU2")


@given(
    fills=st.lists(st.decimals("0.01", 5_000, places=2), min_size=1, max_size=6),
    shares=st.lists(st.integers(0, 50), min_size=1, max_size=6).filter(any),
)
def test_nothing_is_lost_and_nobody_gets_less_than_nothing(fills: list[Decimal], shares: list[int]) -> None:
    """Every fill is given away to the last unit."""
    wanted = {f"DU{number}": Fraction(one) for number, one in enumerate(shares)}
    given: dict[str, Decimal] = {}
    for quantity in fills:
        parts = divide(quantity, wanted, given)
        assert sum(units for _, units in parts) == quantity
        assert all(units > 0 for _, units in parts)
        for code, units in parts:
            given[code] = given.get(code, D(0)) + units
    total = sum(fills, D(0))
    for code, share in wanted.items():
        off = abs(Fraction(given.get(code, D(0))) - Fraction(total) * share / sum(wanted.values()))
        assert off <= len(fills)


# ── what is taken ───────────────────────────────────────────────────────────────────────────────


def test_an_order_names_an_account_or_a_group() -> None:
    """A group's order is the master's as a whole."""
    assert ADVISOR.account_of(spec(account="DU2")) == "DU2"
    assert ADVISOR.account_of(spec(faGroup="All")) == "DF1"
    assert ADVISOR.account_of(spec(faGroup="Halves & more", faMethod="NetLiq")) == "DF1"
    assert ADVISOR.shares(spec(account="DU2"), balances_of) == {}
    assert ADVISOR.shares(spec(faGroup="Halves & more", faMethod="Equal"), balances_of) == equal("DU1", "DU2")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({}, 436),
        ({"account": "DF1"}, 436),
        ({"account": "DU1", "faGroup": "All"}, 201),
        ({"faGroup": "None"}, 321),
        ({"faGroup": "All", "faMethod": "Fairly"}, 321),
        ({"faGroup": "All", "faMethod": "Percent"}, 321),
    ],
)
def test_other_orders_are_refused(fields: dict[str, str], code: int) -> None:
    """Neither account nor group, both, or one that there is not."""
    with pytest.raises(RefusalError) as refusal:
        ADVISOR.account_of(spec(**fields))
    assert refusal.value.code == code


@pytest.mark.parametrize(
    "wanted",
    [
        {"accounts": ()},
        {"accounts": ("DU1", "DU1")},
        {"name": ""},
        {"method": "PctChange"},
        {"method": "Ratio"},
        {"method": "Ratio", "amounts": (D(1),)},
        {"method": "Ratio", "amounts": (D(1), D(0))},
    ],
)
def test_groups_that_make_no_sense_are_refused(wanted: dict[str, Any]) -> None:
    """Where they are made."""
    with pytest.raises(InvalidInput):
        AdvisorGroup(**{"name": "A", "accounts": ("DU1", "DU2")} | wanted)


@pytest.mark.parametrize(
    ("accounts", "advisor"), [(("DU1",), ADVISOR), ((*SIX, "DF1"), ADVISOR), (SIX, Advisor("DU1"))]
)
def test_groups_name_accounts_that_there_are(accounts: tuple[str, ...], advisor: Advisor) -> None:
    """And the advisor's own account is none of its clients'."""
    with pytest.raises(InvalidInput, match="advisor"):
        Settings(accounts=accounts, advisor=advisor)


def test_the_advisors_account_is_the_first_of_the_login() -> None:
    """Without an advisor there are the accounts alone."""
    assert Settings(accounts=SIX, advisor=ADVISOR).codes == ("DF1", *SIX)
    assert Settings(accounts=SIX).codes == SIX


# ── what it looks like ──────────────────────────────────────────────────────────────────────────


def test_groups_and_aliases_can_be_read_back() -> None:
    """By the engine's own reader, which was written from the official samples; names may hold anything."""
    all_, halves = parse_groups(groups_xml(ADVISOR))
    assert (all_.name, all_.method, all_.accounts) == ("All", "Equal", SIX)
    assert (halves.name, halves.method) == ("Halves & more", "Percent")
    assert halves.members == (GroupMember("DU1", D(75)), GroupMember("DU2", D(25)))
    assert parse_aliases(aliases_xml(ADVISOR, ("DF1", "DU1"))) == (
        AccountAlias("DF1", "DF1"),
        AccountAlias("DU1", "Tom & Ann"),
    )


# ── on the wire ─────────────────────────────────────────────────────────────────────────────────

CLIENTS = ("DU1", "DU2", "DU3")
THIRDS = Advisor("DF1", (AdvisorGroup("Thirds", CLIENTS),))


def desk(**wanted: Any) -> MemoryGateway:
    return gateway(settings=plain(accounts=CLIENTS, advisor=THIRDS), **wanted)


def group_order(venue: MemoryGateway, quantity: int = 10, order_id: int = 1) -> tuple[Pocket, list[Message]]:
    client = Pocket(venue)
    order = {
        "action": "BUY",
        "totalQuantity": D(quantity),
        "orderType": "MKT",
        "tif": "DAY",
        "transmit": True,
        "faGroup": "Thirds",
    }
    return client, client.ask("placeOrder", orderId=order_id, contract=AAPL, order=order)


def fills(heard: list[Message]) -> list[tuple[str, Decimal]]:
    told = [one.fields["execution"] for one in heard if one.kind == "execDetails"]
    return [(one["acctNumber"], one["shares"]) for one in told]


def test_the_whole_is_told_first_and_then_the_parts() -> None:
    """All under one order, each with a commission; only the parts are held."""
    venue = desk()
    client, heard = group_order(venue)
    parts = [("DF1", 10), ("DU1", 4), ("DU2", 3), ("DU3", 3)]
    assert fills(heard) == parts
    assert [one.kind for one in heard].count("commissionReport") == 4
    assert {one.fields["execution"]["orderId"] for one in heard if one.kind == "execDetails"} == {1}
    books = venue.books()
    assert {code: books.position("AAPL", code) for code in ("DF1", *CLIENTS)} == {
        "DF1": 0,
        "DU1": 4,
        "DU2": 3,
        "DU3": 3,
    }
    assert books.order(1).filled == 10
    assert fills(client.ask("reqExecutions", reqId=5, executionFilter={})) == parts
    wanted = client.ask("reqExecutions", reqId=6, executionFilter={"acctCode": "DU2"})
    assert fills(wanted) == [("DU2", 3)]


def test_a_position_is_pushed_for_each_account() -> None:
    """To whoever asked for positions; nothing of the advisor's own."""
    venue = desk()
    watcher = Pocket(venue, client_id=2)
    watcher.ask("reqPositions")
    group_order(venue)
    told = [one.fields for one in watcher.listen() if one.kind == "position"]
    assert [(one["account"], one["position"]) for one in told] == [("DU1", 4), ("DU2", 3), ("DU3", 3)]


def test_a_part_can_be_corrected_and_the_whole_cannot() -> None:
    """The books are made anew without the whole."""
    venue = desk()
    group_order(venue)
    whole, part = list(venue._access(lambda one: one.fills.values()))[:2]
    with pytest.raises(InvalidInput, match="allocated"):
        venue.correct_execution(whole.exec_id, price=90)
    venue.correct_execution(part.exec_id, price=99)
    totals = venue._access(lambda one: [(each.account, each.cumulative) for each in one.fills.values()])
    assert totals == [("DF1", 10), ("DU1", 4), ("DU2", 3), ("DU3", 3)]
    venue.bust_execution(part.exec_id)
    books = venue.books()
    assert [books.position("AAPL", code) for code in ("DF1", *CLIENTS)] == [0, 0, 3, 3]


@pytest.mark.parametrize("days", [0, 2])
def test_a_restart_changes_nothing(days: int, tmp_path: Path) -> None:
    """Neither what is held nor, on the same day, what the order has filled; later it is booked for good."""
    clock = ManualClock()
    venue = desk(state=tmp_path / "state", clock=clock)
    group_order(venue)
    before = venue.books()
    venue.close()
    clock.advance(days * 86_400.0)
    venue = desk(state=tmp_path / "state", clock=clock)
    after = venue.books()
    assert after.positions == before.positions
    assert [order.filled for order in after.orders] == ([] if days else [10])
    group_order(venue, quantity=3, order_id=2)
    *_, last = venue._access(lambda one: list(one.fills.values()))
    venue.bust_execution(last.exec_id)  # so that all is booked anew
    books = venue.books()
    assert [books.position("AAPL", code) for code in ("DF1", *CLIENTS)] == [0, 5, 4, 3]
    venue.close()


def test_a_combination_for_a_group_is_refused() -> None:
    """It is not simulated, and says so."""
    venue = desk()
    con_ids = venue._access(lambda one: [each.con_id for each in one.catalogue if each.sec_type == "OPT"][:2])
    legs = [
        {"conId": con_id, "ratio": 1, "action": action, "exchange": "SMART"}
        for con_id, action in zip(con_ids, ("BUY", "SELL"), strict=True)
    ]
    combo = {"symbol": "AAPL", "secType": "BAG", "exchange": "SMART", "currency": "USD", "comboLegs": legs}
    order = {"action": "BUY", "totalQuantity": D(1), "orderType": "MKT", "tif": "DAY", "transmit": True}
    heard = Pocket(venue).ask("placeOrder", orderId=1, contract=combo, order=order | {"faGroup": "Thirds"})
    assert errors(heard) == [(1, 321)]


def test_the_login_lists_the_advisor_first() -> None:
    """As managedAccounts does."""
    (told,) = Pocket(desk()).ask("reqManagedAccts")
    assert told.fields["accountsList"] == "DF1,DU1,DU2,DU3"
