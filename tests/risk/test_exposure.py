"""How far a position can come: held against a simulation of fills that knows the rules of orders alone."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.order import Action, Order
from ibkr_core.risk.exposure import (
    Reach,
    UnknownExposureError,
    held,
    instruments,
    reach,
    same_account,
    same_instrument,
)
from ibkr_core.risk.values import LiveOrder

STOCK = Contract.stock("AAPL")
OTHER = Contract.stock("MSFT")
D = Decimal


def order(
    order_id: int,
    signed: int,
    *,
    parent_id: int = 0,
    oca_group: str = "",
    account: str = "",
    contract: Contract = STOCK,
    is_ours: bool = True,
) -> LiveOrder:
    """An order for so many units; negative sells."""
    return LiveOrder(
        order_id=order_id,
        contract=contract,
        action=Action.BUY if signed >= 0 else Action.SELL,
        remaining=D(abs(signed)),
        account=account,
        parent_id=parent_id,
        oca_group=oca_group,
        is_ours=is_ours,
    )


def reached(position: int, *orders: LiveOrder) -> tuple[int, int]:
    """The lowest and highest position."""
    span = reach(D(position), orders, STOCK, "")
    return int(span.lowest), int(span.highest)


# --- examples ---------------------------------------------------------------------------------------


def test_nothing_works() -> None:
    """Without orders the position stays."""
    assert reached(7) == (7, 7)


def test_orders_on_both_sides_are_not_set_off() -> None:
    """Any of them may fill, and the others not."""
    assert reached(10, order(1, 5), order(2, -20)) == (-10, 15)


def test_a_bracket_never_goes_beyond_its_entry() -> None:
    """Its exits trade only what the entry bought, and only one of them does."""
    bracket = order(1, 100), order(2, -100, parent_id=1), order(3, -100, parent_id=1)
    assert reached(0, *bracket) == (0, 100)


def test_the_exits_of_a_filled_entry_are_one_group() -> None:
    """They name no group, but the broker makes one of a parent's children (TWS facts 4)."""
    assert reached(100, order(2, -100, parent_id=1), order(3, -100, parent_id=1)) == (0, 100)


def test_exits_of_a_partly_filled_entry_close_what_it_bought() -> None:
    """Sixty are held, forty to come; the exits are for a hundred."""
    exits = order(2, -100, parent_id=1), order(3, -100, parent_id=1)
    assert reached(60, order(1, 40), *exits) == (0, 100)


def test_of_a_group_one_member_fills() -> None:
    """The largest counts, on either side."""
    assert reached(0, order(1, 10, oca_group="a"), order(2, 30, oca_group="a")) == (0, 30)
    assert reached(0, order(1, 10, oca_group="a"), order(2, -30, oca_group="a")) == (-30, 10)
    assert reached(0, order(1, 10, oca_group="a"), order(2, 30, oca_group="b")) == (0, 40)


def test_scale_out_pairs_are_groups_of_their_own() -> None:
    """Two targets, each with a stop of its own: both pairs can trade, one of each."""
    pairs = [order(2 + n, -50, parent_id=1, oca_group="ab"[n // 2]) for n in range(4)]
    assert reached(0, order(1, 100), *pairs) == (0, 100)
    assert reached(100, *pairs) == (0, 100)


def test_an_exit_beside_a_second_exit_can_turn_the_position() -> None:
    """A market order to close while a stop still works may sell twice."""
    assert reached(100, order(2, -100), order(3, -100)) == (-100, 100)


def test_ids_of_other_clients_are_of_another_row() -> None:
    """Two orders with the same id count both, and a parent is looked for among our own."""
    assert reached(0, order(5, 10), order(5, 20, is_ours=False)) == (0, 30)
    assert reached(0, order(1, 10), order(2, -10, parent_id=1, is_ours=False)) == (-10, 10)


def test_orders_of_other_contracts_and_accounts_do_not_count() -> None:
    """But an order that names no account may be for any."""
    assert reached(0, order(1, 10, contract=OTHER)) == (0, 0)
    mixed = [order(1, 10, account="A"), order(2, 20, account="B"), order(3, 40)]
    assert reach(D(0), mixed, STOCK, "A") == Reach(D(0), D(50))


def test_a_child_in_another_contract_waits_for_its_parent_too() -> None:
    """A hedge can trade only after its parent; a parent elsewhere adds nothing here."""
    hedge = order(2, -30, parent_id=1)
    assert reached(0, order(1, 10, contract=OTHER), hedge) == (-30, 0)


def test_a_combo_moves_its_legs() -> None:
    """By ratio and side, seen from the side of the combo's order."""
    combo = Contract.combo("SPY", [ComboLeg(11, 1, "BUY"), ComboLeg(12, 2, "SELL")])
    assert [(leg.con_id, units) for leg, units in instruments(combo)] == [(11, 1), (12, -2)]
    selling = order(1, -5, contract=combo)
    assert reach(D(0), [selling], Contract(con_id=11), "") == Reach(D(-5), D(0))
    assert reach(D(0), [selling], Contract(con_id=12), "") == Reach(D(0), D(10))


def test_an_order_of_unknown_size_is_told() -> None:
    """A hedge is sized by the broker: nobody knows how far it goes, but only where it counts."""
    unsized = LiveOrder.wanted(4, STOCK, Order.market("BUY", 0, hedgeType="B"))
    assert unsized.remaining is None
    with pytest.raises(UnknownExposureError, match="order 4"):
        reach(D(0), [unsized], STOCK, "")
    assert reach(D(0), [unsized], OTHER, "") == Reach(D(0), D(0))


# --- the same instrument ----------------------------------------------------------------------------

OPTION = Contract.option("SPY", "20261218", 600, "C")
FUTURE = Contract.future("ES", "202612", "CME")

PAIRS = (
    (STOCK, STOCK, True),
    (STOCK, STOCK.replace(con_id=5), True),
    (STOCK, STOCK.replace(exchange="ISLAND", primary_exchange="NASDAQ"), True),
    (STOCK.replace(con_id=5), STOCK.replace(con_id=6), False),
    (STOCK.replace(con_id=5), Contract(con_id=5), True),
    (STOCK, OTHER, False),
    (STOCK, Contract.stock("AAPL", currency="MXN"), False),
    (STOCK, Contract.cfd("AAPL"), False),
    (STOCK, Contract.by_con_id(5), None),
    (Contract(sec_type="STK", sec_id_type="ISIN", sec_id="US0378331005"), STOCK, None),
    (Contract(), STOCK, None),
    (OPTION, OPTION.replace(right="CALL", trading_class="SPY"), True),
    (OPTION, OPTION.replace(right="P"), False),
    (OPTION, OPTION.replace(strike=605), False),
    (OPTION, OPTION.replace(expiry="20261219"), False),
    (OPTION, OPTION.replace(expiry="202612"), True),
    (OPTION, OPTION.replace(strike=None), None),
    (OPTION, OPTION.replace(multiplier="10"), False),
    (FUTURE, FUTURE.replace(local_symbol="ESZ6", expiry="20261218", multiplier="50"), True),
    (FUTURE, Contract(sec_type="FUT", local_symbol="ESZ6", exchange="CME", currency="USD"), None),
    (Contract(sec_type="FUT", local_symbol="ESZ6"), FUTURE.replace(local_symbol="ESZ6"), True),
    (Contract(con_id=7, symbol="SPY 20261218 C 600"), OPTION, True),
    (Contract(con_id=7, symbol="SPY 20261218 C 605"), OPTION, False),
)


@pytest.mark.parametrize(("one", "other", "answer"), PAIRS)
def test_whether_two_contracts_are_the_same(one: Contract, other: Contract, answer: bool | None) -> None:
    """What both say must agree, and be enough; the order of asking makes no difference."""
    assert same_instrument(one, other) is answer
    assert same_instrument(other, one) is answer


def test_whether_two_accounts_are_the_same() -> None:
    """One that was not said may be any."""
    assert same_account("A", "A")
    assert same_account("", "A")
    assert same_account("A", "")
    assert not same_account("A", "B")


def test_what_is_held() -> None:
    """Positions of one account and instrument, flat ones aside."""
    positions = [
        Position(account="A", contract=STOCK.replace(con_id=5), quantity=D(10)),
        Position(account="B", contract=STOCK.replace(con_id=5), quantity=D(-3)),
        Position(account="A", contract=OTHER.replace(con_id=6), quantity=D(100)),
        Position(account="A", contract=Contract(con_id=9), quantity=D(0)),
    ]
    assert held(positions, STOCK, "A") == 10
    assert held(positions, STOCK, "B") == -3
    assert held(positions, OTHER, "B") == 0
    with pytest.raises(UnknownExposureError, match="con_id"):
        held(positions, Contract.by_con_id(5).replace(con_id=0, sec_id="US0378331005"), "A")


# --- against a simulation ---------------------------------------------------------------------------


@st.composite
def books(draw: st.DrawFn) -> list[LiveOrder]:
    """Some orders: singles, groups, and brackets with exits of at most their entry's size."""
    made: list[LiveOrder] = []
    ids = itertools.count(1)
    sizes = st.integers(1, 9)
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.sampled_from(["single", "group", "bracket"]))
        sign = draw(st.sampled_from([1, -1]))
        if kind == "single":
            made.append(order(next(ids), sign * draw(sizes)))
        elif kind == "group":
            name = f"g{next(ids)}"
            for _ in range(draw(st.integers(2, 3))):
                side = draw(st.sampled_from([1, -1]))
                made.append(order(next(ids), side * draw(sizes), oca_group=name))
        else:
            parent, size = next(ids), draw(sizes)
            made.append(order(parent, sign * size))
            for _ in range(draw(st.integers(1, 2))):
                exit_size = draw(st.integers(1, size))
                made.append(order(next(ids), -sign * exit_size, parent_id=parent))
    return made


def play(position: Decimal, orders: Sequence[LiveOrder], chances: Sequence[int]) -> list[Decimal]:
    """Let orders fill unit by unit as chance has it, by the rules, and return each position on the way.

    The rules, written down once more: a child waits for its parent's last unit; the first fill of a group's
    member ends the others; children of one parent are a group.
    """
    left = {one.order_id: int(one.remaining or 0) for one in orders}
    seen = [position]
    for chance in chances:
        able = [
            one
            for one in orders
            if left[one.order_id] and (not one.parent_id or left.get(one.parent_id, 0) == 0)
        ]
        if not able:
            break
        one = able[chance % len(able)]
        left[one.order_id] -= 1
        position += one.action.sign
        seen.append(position)
        for other in orders:
            is_rival = (one.oca_group and other.oca_group == one.oca_group) or (
                one.parent_id and other.parent_id == one.parent_id
            )
            if is_rival and other is not one:
                left[other.order_id] = 0
    return seen


@given(st.integers(-20, 20), books(), st.lists(st.integers(0, 60), max_size=60))
def test_no_order_of_fills_leads_beyond_the_reach(
    position: int, orders: list[LiveOrder], chances: list[int]
) -> None:
    """Whatever fills in whatever order, the position stays within."""
    span = reach(D(position), orders, STOCK, "")
    for seen in play(D(position), orders, chances):
        assert span.lowest <= seen <= span.highest


@given(st.integers(-20, 20), books())
def test_the_reach_is_not_wider_than_it_must_be(position: int, orders: list[LiveOrder]) -> None:
    """Both ends are really reached by some choice of orders that fill whole, parents before children."""
    best = [position]

    def walk(now: int, rest: tuple[LiveOrder, ...], done: frozenset[int]) -> None:
        best.append(now)
        for one in rest:
            if one.parent_id and one.parent_id not in done:
                continue
            rivals = {
                other.order_id
                for other in rest
                if (one.oca_group and other.oca_group == one.oca_group)
                or (one.parent_id and other.parent_id == one.parent_id)
            }
            others = tuple(other for other in rest if other is not one and other.order_id not in rivals)
            later = tuple(other for other in others if other.order_id > one.order_id or other.parent_id)
            walk(now + one.action.sign * int(one.remaining or 0), later, done | {one.order_id})

    walk(position, tuple(orders), frozenset())
    span = reach(D(position), orders, STOCK, "")
    assert (int(span.lowest), int(span.highest)) == (min(best), max(best))


@given(st.integers(-20, 20), books(), books())
def test_more_orders_never_make_the_reach_narrower(
    position: int, first: list[LiveOrder], more: list[LiveOrder]
) -> None:
    """An order can only add to what may happen."""
    shifted = [
        LiveOrder(
            order_id=one.order_id + 100,
            contract=one.contract,
            action=one.action,
            remaining=one.remaining,
            parent_id=one.parent_id + 100 if one.parent_id else 0,
            oca_group=one.oca_group and one.oca_group + "'",
        )
        for one in more
    ]
    small = reach(D(position), first, STOCK, "")
    large = reach(D(position), [*first, *shifted], STOCK, "")
    assert large.lowest <= small.lowest <= D(position) <= small.highest <= large.highest
