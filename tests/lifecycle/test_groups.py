"""Bracket and OCA plans: complete before anything is sent, and impossible ones refused."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidGroup
from ibkr_core.lifecycle.groups import (
    ExitPair,
    PlannedOrder,
    plan_attached,
    plan_bracket,
    plan_oca,
    plan_scale_out,
    stop_child,
    target_child,
)
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


# ── variants of brackets ────────────────────────────────────────────────────────────────────────────


def test_a_bracket_with_a_group_of_its_own() -> None:
    """The exits get the name, and reduce each other; the entry does not belong to it."""
    plan = plan_bracket(LONG, 110, 95, IDS, oca_group="mine")
    assert [(leg.order.oca_group, leg.order.oca_type) for leg in plan] == [("", 0), ("mine", 2), ("mine", 2)]


TRAIL = Order.trailing_stop("SELL", 10, trailing_amount=2, account="DU1")


@pytest.mark.parametrize(
    ("parent", "is_taken"),
    [
        (LONG, True),
        (Order.stop_limit("BUY", 10, 105, 106, account="DU1"), True),
        (Order.market("BUY", 10, account="DU1"), False),
        (Order.stop("BUY", 10, 105, account="DU1"), False),
        (Order.market("BUY", 10, account="DU1", tif="GTC").replace(order_type="MTL"), False),
    ],
    ids=lambda value: getattr(value, "order_type", value),
)
def test_a_trailing_exit_hangs_on_a_limit_only(parent: Order, is_taken: bool) -> None:
    """The broker takes it under LMT and STP LMT (code 328); elsewhere the bracket would stay silent."""
    if is_taken:
        assert plan_bracket(parent, None, TRAIL, IDS[:2])[1].order.order_type == "TRAIL"
    else:
        with pytest.raises(InvalidGroup, match="328"):
            plan_bracket(parent, None, TRAIL, IDS[:2])


PAIRS = (ExitPair(4, 110, 95), ExitPair(6, 120, 95))


def test_a_scale_out() -> None:
    """Each target has its stop, of its size and in its group; all hang on one entry; the last releases."""
    plan = plan_scale_out(LONG, PAIRS, "s", range(7, 12))
    assert [leg.order_id for leg in plan] == [7, 8, 9, 10, 11]
    assert [leg.order.transmit for leg in plan] == [False] * 4 + [True]
    assert [leg.order.parent_id for leg in plan] == [0, 7, 7, 7, 7]
    assert [leg.order.quantity for leg in plan] == [10, 4, 4, 6, 6]
    assert [leg.order.oca_group for leg in plan] == ["", "s-1", "s-1", "s-2", "s-2"]
    assert {leg.order.oca_type for leg in plan[1:]} == {2}
    assert [leg.order.limit_price for leg in plan] == [100, 110, None, 120, None]
    assert [leg.order.aux_price for leg in plan] == [None, None, 95, None, 95]


BAD_SCALE_OUTS: dict[str, Callable[[], object]] = {
    "no pair": lambda: plan_scale_out(LONG, (), "s", IDS),
    "no name": lambda: plan_scale_out(LONG, PAIRS, "", range(7, 12)),
    "too few ids": lambda: plan_scale_out(LONG, PAIRS, "s", IDS),
    "sizes that do not add up": lambda: plan_scale_out(LONG, PAIRS[:1], "s", IDS),
    "more than the entry": lambda: plan_scale_out(LONG, (*PAIRS, PAIRS[0]), "s", range(7, 14)),
    "a quantity of zero": lambda: ExitPair(0, 110, 95),
    "a quantity of NaN": lambda: ExitPair(float("nan"), 110, 95),
    "a child as parent": lambda: plan_scale_out(LONG.replace(parent_id=3), PAIRS, "s", range(7, 12)),
    "a stop beyond another's target": lambda: plan_scale_out(
        Order.market("BUY", 10, account="DU1"), (PAIRS[0], ExitPair(6, 120, 115)), "s", range(7, 12)
    ),
    "a target below the entry": lambda: plan_scale_out(
        LONG, (PAIRS[0], ExitPair(6, 99, 95)), "s", range(7, 12)
    ),
    "an exit of another size": lambda: plan_scale_out(
        LONG, (ExitPair(10, 110, TRAIL.replace(quantity=9)),), "s", IDS
    ),
    "a target that is a stop": lambda: plan_scale_out(
        LONG, (ExitPair(10, Order.stop("SELL", 10, 95, account="DU1"), 94),), "s", IDS
    ),
    "a stop that is a target": lambda: plan_scale_out(
        LONG, (ExitPair(10, 110, Order.limit("SELL", 10, 120, account="DU1")),), "s", IDS
    ),
    "an exit in another group": lambda: plan_scale_out(
        LONG, (ExitPair(10, 110, TRAIL.replace(oca_group="x")),), "s", IDS
    ),
}


@pytest.mark.parametrize("case", BAD_SCALE_OUTS)
def test_a_scale_out_that_cannot_work_is_refused(case: str) -> None:
    """Before anything is sent, naming what is wrong."""
    with pytest.raises(InvalidGroup):
        BAD_SCALE_OUTS[case]()


@given(
    st.lists(st.integers(1, 10**6), min_size=1, max_size=6),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 10**6),
)
def test_the_exits_of_a_scale_out_close_exactly_what_the_entry_opens(
    sizes: list[int], side: str, first: int
) -> None:
    """Targets add up to the entry, so do stops; whichever exit of each pair fills, the end is flat."""
    sign = 1 if side == "BUY" else -1
    parent = Order.market(side, sum(sizes))
    pairs = [ExitPair(size, 1000 + sign * (1 + n), 1000 - sign) for n, size in enumerate(sizes)]
    plan = plan_scale_out(parent, pairs, "s", range(first, first + 1 + 2 * len(sizes)))
    entry, exits = plan[0], plan[1:]
    groups: dict[str, list[Order]] = {}
    for leg in exits:
        assert leg.order.action is entry.order.action.opposite
        assert leg.order.parent_id == entry.order_id
        groups.setdefault(leg.order.oca_group, []).append(leg.order)
    assert all(len({order.quantity for order in group}) == 1 and len(group) == 2 for group in groups.values())
    assert sum(group[0].quantity for group in groups.values()) == entry.order.quantity
    assert [leg.order.transmit for leg in plan].index(True) == len(plan) - 1


def test_attached_exits() -> None:
    """The gateway makes them, under ids of ours; the order goes out by itself."""
    planned, exits = plan_attached(LONG, IDS, take_profit=True, stop_loss=True)
    assert (planned.order_id, exits) == (7, (8, 9))
    assert dict(planned.order.official) == {
        "ptOrderId": 8,
        "ptOrderType": "PRESET",
        "slOrderId": 9,
        "slOrderType": "PRESET",
    }
    planned, exits = plan_attached(LONG, IDS[:2], take_profit=False, stop_loss=True)
    assert (dict(planned.order.official), exits) == ({"slOrderId": 8, "slOrderType": "PRESET"}, (8,))


@pytest.mark.parametrize(
    ("parent", "wanted"),
    [
        (LONG, {"take_profit": False, "stop_loss": False}),
        (LONG.replace(parent_id=3), {"take_profit": True, "stop_loss": False}),
        (LONG.replace(transmit=False), {"take_profit": True, "stop_loss": False}),
        (LONG.replace(slOrderId=3), {"take_profit": True, "stop_loss": False}),
    ],
    ids=["none", "child", "held", "named"],
)
def test_attached_exits_that_cannot_be_are_refused(parent: Order, wanted: dict[str, bool]) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidGroup):
        plan_attached(parent, IDS[: 1 + sum(wanted.values())], **wanted)
