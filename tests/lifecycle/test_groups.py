"""Bracket and OCA plans: complete before anything is sent, and impossible ones refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidGroup
from ibkr_core.lifecycle.groups import PlannedOrder, plan_bracket, plan_oca, stop_child, target_child
from ibkr_core.model.order import Action, Order

LONG = Order.limit("BUY", 10, 100, tif="GTC", outside_rth=True, account="DU1")
SHORT = Order.limit("SELL", 10, 100)
IDS = (7, 8, 9)


def test_a_bracket_is_parent_first_and_only_the_last_leg_transmits() -> None:
    """Nothing works at the broker before the whole bracket is there (TWS facts 6)."""
    parent, target, stop = plan_bracket(LONG, 110, 95, IDS)
    assert [leg.order_id for leg in (parent, target, stop)] == [7, 8, 9]
    assert [leg.order.transmit for leg in (parent, target, stop)] == [False, False, True]
    assert [leg.order.parent_id for leg in (parent, target, stop)] == [0, 7, 7]
    assert (target.order.order_type, target.order.limit_price) == ("LMT", 110)
    assert (stop.order.order_type, stop.order.aux_price) == ("STP", 95)
    for leg in (target, stop):
        assert leg.order.action is Action.SELL
        assert leg.order.quantity == 10
        assert (leg.order.tif, leg.order.outside_rth, leg.order.account) == ("GTC", True, "DU1")
    assert parent.order == LONG.replace(transmit=False)


@pytest.mark.parametrize(("take_profit", "stop_loss"), [(110, None), (None, 95)])
def test_one_exit_is_enough(take_profit: int | None, stop_loss: int | None) -> None:
    """Take-profit and stop are optional, one of them at least; then it transmits."""
    plan = plan_bracket(LONG, take_profit, stop_loss, IDS[:2])
    assert [leg.order.transmit for leg in plan] == [False, True]


def test_a_transmit_flag_of_the_caller_does_not_break_the_chain() -> None:
    """Whatever the legs said, only the last one transmits."""
    exits = (Order.limit("SELL", 10, 110, transmit=True), Order.stop("SELL", 10, 95, transmit=False))
    plan = plan_bracket(LONG.replace(account="", transmit=True), *exits, IDS)
    assert [leg.order.transmit for leg in plan] == [False, False, True]


STOP_ENTRY = Order.stop_limit("BUY", 10, 105, 106)
BAD_BRACKETS: dict[str, tuple[Callable[[], object], str]] = {
    "no child": (lambda: plan_bracket(LONG, None, None, IDS), "take_profit"),
    "long target below": (lambda: plan_bracket(LONG, 99, None, IDS[:2]), "take_profit"),
    "long target at entry": (lambda: plan_bracket(LONG, 100, None, IDS[:2]), "take_profit"),
    "long stop above": (lambda: plan_bracket(LONG, None, 101, IDS[:2]), "stop_loss"),
    "long stop at entry": (lambda: plan_bracket(LONG, None, 100, IDS[:2]), "stop_loss"),
    "short target above": (lambda: plan_bracket(SHORT, 101, None, IDS[:2]), "take_profit"),
    "short stop below": (lambda: plan_bracket(SHORT, None, 99, IDS[:2]), "stop_loss"),
    "crossed under a market parent": (
        lambda: plan_bracket(Order.market("BUY", 10), 95, 110, IDS),
        "stop_loss",
    ),
    "NaN target": (lambda: plan_bracket(LONG, float("nan"), None, IDS[:2]), "take_profit"),
    "target in words": (lambda: plan_bracket(LONG, "high", None, IDS[:2]), "take_profit"),
    "same side": (lambda: plan_bracket(SHORT, Order.limit("SELL", 10, 95), None, IDS[:2]), "take_profit"),
    "other size": (lambda: plan_bracket(SHORT, Order.limit("BUY", 5, 95), None, IDS[:2]), "take_profit"),
    "other account": (
        lambda: plan_bracket(SHORT, None, Order.stop("BUY", 10, 105, account="DU2"), IDS[:2]),
        "stop_loss",
    ),
    "exit in a group": (
        lambda: plan_bracket(SHORT, None, Order.stop("BUY", 10, 105, oca_group="g"), IDS[:2]),
        "stop_loss",
    ),
    "parent is a child": (lambda: plan_bracket(LONG.replace(parent_id=3), 110, None, IDS[:2]), "parent"),
    "trailing exit under a market parent": (
        lambda: plan_bracket(
            Order.market("BUY", 10), None, Order.trailing_stop("SELL", 10, trailing_amount=1), IDS[:2]
        ),
        "stop_loss",
    ),
    # A sell limit below the market fills at once; so does a sell stop above it.
    "limit as stop": (lambda: plan_bracket(SHORT, None, Order.limit("BUY", 10, 105), IDS[:2]), "stop_loss"),
    "stop as target": (lambda: plan_bracket(SHORT, Order.stop("BUY", 10, 95), None, IDS[:2]), "take_profit"),
    "stop between trigger and limit": (lambda: plan_bracket(STOP_ENTRY, None, "105.5", IDS[:2]), "stop_loss"),
    "target between trigger and limit": (
        lambda: plan_bracket(STOP_ENTRY, "105.5", None, IDS[:2]),
        "take_profit",
    ),
    "too few ids": (lambda: plan_bracket(LONG, 110, 95, IDS[:2]), "order_ids"),
    "too many ids": (lambda: plan_bracket(LONG, 110, None, IDS), "order_ids"),
    "falling ids": (lambda: plan_bracket(LONG, 110, 95, (7, 9, 8)), "order_ids"),
    "equal ids": (lambda: plan_bracket(LONG, 110, 95, (7, 7, 8)), "order_ids"),
    "parent id 0": (lambda: plan_bracket(LONG, 110, 95, (0, 1, 2)), "order_ids"),
    "ids no numbers": (lambda: plan_bracket(LONG, 110, None, ("7", "8")), "order_ids"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize(("make", "argument"), BAD_BRACKETS.values(), ids=BAD_BRACKETS)
def test_a_bracket_that_contradicts_itself_is_refused_by_name(
    make: Callable[[], object], argument: str
) -> None:
    """Prices on the wrong side, no exit, wrong sizes and wrong ids raise before anything is sent."""
    with pytest.raises(InvalidGroup) as caught:
        make()
    assert caught.value.argument == argument


def test_a_market_or_trailing_entry_has_no_price_to_compare_with() -> None:
    """Where the market makes the entry's price, only target and stop are compared."""
    plan_bracket(Order.market("BUY", 10), 110, 95, IDS)
    plan_bracket(Order.trailing_stop("BUY", 10, trailing_amount=1), 110, 95, IDS)


def test_negative_prices_of_a_credit_combo_are_ordered_like_any_others() -> None:
    """Bought for -2, sold for -1 is a profit."""
    entry = Order.limit("BUY", 1, "-2")
    plan_bracket(entry, "-1", "-3", IDS)
    with pytest.raises(InvalidGroup):
        plan_bracket(entry, "-3", "-1", IDS)


@given(
    st.sampled_from(("BUY", "SELL")),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.integers(1, 10_000),
    st.integers(1, 2**31),
)
def test_a_plan_is_refused_or_whole(side: str, entry: int, target: int, stop: int, first: int) -> None:
    """A plan stands exactly if the prices are in order, and then every leg is right."""
    parent = Order.limit(side, 10, entry)
    in_order = stop < entry < target if side == "BUY" else target < entry < stop
    try:
        plan = plan_bracket(parent, target, stop, range(first, first + 3))
    except InvalidGroup:
        assert not in_order
        return
    assert in_order
    assert [leg.order.transmit for leg in plan] == [False, False, True]
    assert {leg.order.action for leg in plan[1:]} == {parent.action.opposite}
    assert {leg.order.parent_id for leg in plan[1:]} == {first}


def test_the_exits_can_be_made_alone() -> None:
    """A price becomes an exit on the other side with the parent's size and time in force; an order stays."""
    parent = Order.limit("SELL", "1.5", 100, tif="GTD", good_till_date="20270101 00:00:00 UTC")
    target, stop = target_child(parent, "90.5"), stop_child(parent, 110)
    assert (target.action, target.quantity, target.limit_price) == (
        Action.BUY,
        Decimal("1.5"),
        Decimal("90.5"),
    )
    assert (stop.action, stop.aux_price, stop.good_till_date) == (Action.BUY, 110, "20270101 00:00:00 UTC")
    own = Order.stop_limit("BUY", "1.5", 110, 111)
    assert stop_child(parent, own) is own
    assert target_child(parent, own) is own


# ── one cancels all ─────────────────────────────────────────────────────────────────────────────

PAIR = (Order.limit("BUY", 10, 100), Order.limit("SELL", 10, 110))


@pytest.mark.parametrize("oca_type", [1, 2, 3])
def test_an_oca_group_marks_each_order_and_releases_it(oca_type: int) -> None:
    """Each order gets the group's name and type (TWS facts 6) and transmits by itself."""
    plan = plan_oca([PAIR[0].replace(transmit=False), PAIR[1]], "g1", oca_type, (3, 5))
    assert plan == tuple(
        PlannedOrder(order_id, order.replace(oca_group="g1", oca_type=oca_type, transmit=True))
        for order_id, order in zip((3, 5), PAIR, strict=True)
    )


BAD_GROUPS: dict[str, tuple[Callable[[], object], str]] = {
    "one order": (lambda: plan_oca(PAIR[:1], "g", 1, (1,)), "orders"),
    "no order": (lambda: plan_oca((), "g", 1, ()), "orders"),
    "no name": (lambda: plan_oca(PAIR, "", 1, (1, 2)), "group"),
    "type 0": (lambda: plan_oca(PAIR, "g", 0, (1, 2)), "oca_type"),
    "type 4": (lambda: plan_oca(PAIR, "g", 4, (1, 2)), "oca_type"),
    "two accounts": (
        lambda: plan_oca((PAIR[0].replace(account="A"), PAIR[1].replace(account="B")), "g", 1, (1, 2)),
        "orders",
    ),
    "another group": (lambda: plan_oca((PAIR[0].replace(oca_group="h"), PAIR[1]), "g", 1, (1, 2)), "orders"),
    "a child": (lambda: plan_oca((PAIR[0].replace(parent_id=9), PAIR[1]), "g", 1, (1, 2)), "orders"),
    "ids": (lambda: plan_oca(PAIR, "g", 1, (2, 1)), "order_ids"),
    "id 0": (lambda: plan_oca(PAIR, "g", 1, (0, 1)), "order_ids"),
}


@pytest.mark.parametrize(("make", "argument"), BAD_GROUPS.values(), ids=BAD_GROUPS)
def test_an_oca_group_that_cannot_work_is_refused_by_name(make: Callable[[], object], argument: str) -> None:
    """Too few orders, no name, unknown types, several accounts (10224) and double groups raise."""
    with pytest.raises(InvalidGroup) as caught:
        make()
    assert caught.value.argument == argument
