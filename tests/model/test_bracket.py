"""Brackets as values: what each order of one carries, and every state that is refused on construction."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.bracket import BracketLeg, BracketOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

S = OrderStatus
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
UIDS = tuple(str(uuid.UUID(int=number)) for number in (1, 2, 3))
ENTRY = Order.limit("BUY", 10, 100)
TARGET = Order.limit("SELL", 10, 110)
STOP = Order.stop("SELL", 10, 90)


def plan(**changes: Any) -> BracketOrder:
    wanted: dict[str, Any] = {"parent": ENTRY, "take_profit": TARGET, "stop_loss": STOP, **changes}
    return BracketOrder.plan(**wanted, uids=UIDS, at=NOW)


def leg(**fields: Any) -> BracketLeg:
    return BracketLeg(**{"order": ENTRY, "uid": UIDS[0], "created_at": NOW, **fields})


def test_a_planned_bracket() -> None:
    """Each order has its UUID, its parent and its moment; nothing was sent, so nothing else is known."""
    bracket = plan()
    assert [one.uid for one in bracket.legs] == list(UIDS)
    assert [one.parent_uid for one in bracket.legs] == ["", UIDS[0], UIDS[0]]
    assert [one.is_child for one in bracket.legs] == [False, True, True]
    assert {(one.created_at, one.filled_at, one.status, one.order_id) for one in bracket.legs} == {
        (NOW, None, None, 0)
    }
    assert [one.key for one in bracket.legs] == list(UIDS)
    assert bracket.children == (bracket.take_profit, bracket.stop_loss)


def test_one_exit_is_enough() -> None:
    """Either will do."""
    assert plan(stop_loss=None).legs == (plan().parent, plan().take_profit)
    assert plan(take_profit=None).children == (plan().stop_loss,)


def test_a_uuid_is_read_in_any_spelling() -> None:
    """An object of the standard library's class too."""
    one = uuid.UUID(int=77)
    assert leg(uid=one).uid == leg(uid=str(one).upper()).uid == str(one)


def test_an_order_of_ones_own_label_keeps_it() -> None:
    """``order_ref`` is the key then; the UUID stays beside it."""
    one = leg(order=ENTRY.replace(order_ref="mine"))
    assert (one.key, one.uid) == ("mine", UIDS[0])


NO_LEG: dict[str, dict[str, Any]] = {
    "no UUID": {"uid": "7"},
    "an empty UUID": {"uid": ""},
    "a parent that is no UUID": {"parent_uid": "7"},
    "its own parent": {"parent_uid": UIDS[0]},
    "no order": {"order": "BUY"},
    "a what-if": {"order": ENTRY.replace(what_if=True)},
    "a moment without a zone": {"created_at": datetime(2026, 11, 20)},  # noqa: DTZ001 - that is the case
    "no moment": {"created_at": None},
    "a negative contract id": {"con_id": -1},
    "a contract id that is no number": {"con_id": "265598"},
    "an order id of True": {"order_id": True},
    "a status before it was sent": {"status": S.SUBMITTED},
    "a status in words": {"order_id": 7, "status": "SUBMITTED"},
    "filled without a time": {"order_id": 7, "status": S.FILLED},
    "a fill time without a fill": {"order_id": 7, "status": S.SUBMITTED, "filled_at": NOW},
    "a fill time before it was sent": {"filled_at": NOW},
    "filled before it was made": {
        "order_id": 7,
        "status": S.FILLED,
        "filled_at": NOW - timedelta(seconds=1),
    },
    "a parent id without a parent": {"parent_id": 6, "order_id": 7},
    "the id of its parent": {"parent_id": 7, "order_id": 7, "parent_uid": UIDS[1]},
    "a group that is no text": {"oca_group": 7},
}


@pytest.mark.parametrize("case", NO_LEG)
def test_an_order_that_cannot_be_is_refused(case: str) -> None:
    """On construction, naming the argument; also when a good one is changed into it."""
    fields = NO_LEG[case]
    with pytest.raises(InvalidGroup) as raised:
        leg(**fields)
    assert raised.value.argument in {*fields, "order", "filled_at", "status"}
    with pytest.raises(InvalidGroup):
        attrs.evolve(leg(), **fields)


NO_BRACKET: dict[str, dict[str, Any]] = {
    "no exit": {"take_profit": None, "stop_loss": None},
    "an exit on the same side": {"take_profit": Order.limit("BUY", 10, 110)},
    "an exit of another size": {"stop_loss": Order.stop("SELL", 9, 90)},
    "an exit of another account": {"stop_loss": STOP.replace(account="DU2")},
    "a target below the entry": {"take_profit": Order.limit("SELL", 10, 99)},
    "a stop above the entry": {"stop_loss": Order.stop("SELL", 10, 101)},
    "a stop above the target": {
        "parent": Order.market("BUY", 10),
        "stop_loss": Order.stop("SELL", 10, 120),
    },
    "a trailing stop under a market order": {
        "parent": Order.market("BUY", 10),
        "stop_loss": Order.trailing_stop("SELL", 10, trailing_amount=1),
    },
    "a trailing stop under a stop order": {
        "parent": Order.stop("BUY", 10, 105),
        "stop_loss": Order.trailing_stop("SELL", 10, trailing_amount=1),
    },
    "a child as parent": {"parent": ENTRY.replace(parent_id=3)},
    "an exit in a group of its own": {"stop_loss": STOP.replace(oca_group="x")},
    "the same key twice": {
        "take_profit": TARGET.replace(order_ref="a"),
        "stop_loss": STOP.replace(order_ref="a"),
    },
}


@pytest.mark.parametrize("case", NO_BRACKET)
def test_a_bracket_that_cannot_work_is_refused(case: str) -> None:
    """On construction, naming the leg."""
    with pytest.raises(InvalidGroup) as raised:
        plan(**NO_BRACKET[case])
    assert raised.value.argument
    assert raised.value.rule


def test_legs_that_do_not_belong_together_are_refused() -> None:
    """A child of another parent, ids out of order, another contract, another group, twice the same order."""
    good = plan()
    stop = good.stop_loss
    assert stop is not None
    strange = [
        attrs.evolve(stop, parent_uid=str(uuid.UUID(int=9))),
        attrs.evolve(stop, parent_uid=""),
        attrs.evolve(stop, order_id=7),
        attrs.evolve(stop, oca_group="other"),
        attrs.evolve(stop, uid=UIDS[1]),
    ]
    for one in strange:
        with pytest.raises(InvalidGroup):
            attrs.evolve(good, stop_loss=one, oca_group="mine")
    with pytest.raises(InvalidGroup, match="contract"):
        attrs.evolve(good, parent=attrs.evolve(good.parent, con_id=1), stop_loss=attrs.evolve(stop, con_id=2))
    with pytest.raises(InvalidGroup, match="take_profit"):
        BracketOrder(parent=good.parent, take_profit="110")  # type: ignore[arg-type]  # that is the case
    with pytest.raises(InvalidGroup, match="parent"):
        BracketOrder(parent=stop, stop_loss=stop)


def test_three_uuids_are_needed() -> None:
    """One for each order that there may be."""
    with pytest.raises(InvalidGroup, match="uids"):
        BracketOrder.plan(ENTRY, TARGET, uids=UIDS[:2], at=NOW)


def record(order_id: int, key: str, status: OrderStatus = S.SUBMITTED, **fields: Any) -> OrderRecord:
    return OrderRecord(order_id=order_id, key=key, status=status, **fields)


def test_what_becomes_of_a_bracket_is_seen() -> None:
    """From the records: ids, parent, the broker's group, the contract's id, and when it was filled."""
    later = NOW + timedelta(seconds=3)
    aapl = Contract.by_con_id(265598)
    bracket = plan().seen(
        [
            record(7, UIDS[0], S.FILLED, finished_time=later, contract=aapl),
            record(8, UIDS[1], parent_id=7, oca_group="991", contract=aapl),
            record(9, UIDS[2], S.PRE_SUBMITTED, parent_id=7, oca_group="991", contract=aapl),
            record(10, "somebody else's"),
        ]
    )
    assert [one.order_id for one in bracket.legs] == [7, 8, 9]
    assert [one.parent_id for one in bracket.legs] == [0, 7, 7]
    assert [one.oca_group for one in bracket.legs] == ["", "991", "991"]
    assert {one.con_id for one in bracket.legs} == {265598}
    assert (bracket.parent.status, bracket.parent.filled_at) == (S.FILLED, later)


def test_a_stop_that_was_moved_is_no_bad_bracket() -> None:
    """Prices are held against the entry before it is sent; later the stop may stand at the entry."""
    moved = STOP.replace(aux_price=Decimal(100))
    bracket = plan().seen([record(7, UIDS[0]), record(9, UIDS[2], parent_id=7, order=moved)])
    assert bracket.stop_loss is not None
    assert bracket.stop_loss.order.aux_price == 100


def test_a_record_of_another_order_is_refused() -> None:
    """By its key, and by its id."""
    with pytest.raises(InvalidGroup, match="key"):
        leg().seen(record(7, "other"))
    with pytest.raises(InvalidGroup, match="order 8"):
        attrs.evolve(leg(), order_id=7).seen(record(8, UIDS[0]))


PRICES = st.decimals(min_value=1, max_value=1000, places=2)


@given(PRICES, PRICES, PRICES, st.sampled_from(["BUY", "SELL"]))
def test_only_brackets_in_order_can_be_made(
    entry: Decimal, target: Decimal, stop: Decimal, side: str
) -> None:
    """Target beyond entry beyond stop: exactly then a bracket comes to be."""
    sign = 1 if side == "BUY" else -1
    other = "SELL" if side == "BUY" else "BUY"
    parts = {
        "parent": Order.limit(side, 10, entry),
        "take_profit": Order.limit(other, 10, target),
        "stop_loss": Order.stop(other, 10, stop),
    }
    if (target - entry) * sign > 0 and (entry - stop) * sign > 0:
        assert len(plan(**parts).legs) == 3
    else:
        with pytest.raises(InvalidGroup):
            plan(**parts)


def test_a_bracket_is_told_in_lines() -> None:
    """A line for each order that there is, with id and status once it was sent."""
    at = datetime(2026, 11, 20, 14, 31, 45, tzinfo=UTC)
    uids = [f"00000000-0000-0000-0000-00000000000{n}" for n in range(3)]
    bracket = BracketOrder.plan(
        Order.limit("BUY", 10, 150), None, Order.stop("SELL", 10, 140), uids=uids, at=at
    )
    assert str(bracket).splitlines() == [
        "entry       BUY 10 LMT 150 DAY: not sent",
        "stop-loss   SELL 10 STP 140 DAY: not sent",
    ]
    leg = BracketLeg(
        order=Order.market("BUY", 1), uid=uids[0], created_at=at, order_id=7, status=OrderStatus.SUBMITTED
    )
    assert str(leg) == "#7 BUY 1 MKT DAY: SUBMITTED"
    assert "parent_uid" not in repr(leg)
