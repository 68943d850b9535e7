"""What exits cover of a position, and where its stops belong, decided from records alone."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidGroup
from ibkr_core.lifecycle.protecting import BreakEven, BreakEvenPlan, Cover, covers, families, stop_moves
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import OrderStatus

S = OrderStatus
D = Decimal
NOON = datetime(2026, 11, 20, 17, 0, tzinfo=UTC)
AAPL = Contract.stock("AAPL")
MSFT = Contract.stock("MSFT")


def record(
    order_id: int,
    order: Order | None,
    status: OrderStatus = S.SUBMITTED,
    filled: int = 0,
    *,
    at: int = 0,
    parent: int = 0,
    contract: Contract | None = AAPL,
    **fields: Any,
) -> OrderRecord:
    quantity = order.quantity if order is not None else D(10)
    fills = (
        Fill(
            exec_id=f"x{order_id}",
            quantity=D(filled),
            price=D(100),
            time=NOON + timedelta(seconds=at),
            account=fields.pop("account", ""),
        ),
    )
    return OrderRecord(
        **{
            "order_id": order_id,
            "key": f"k{order_id}",
            "order": order,
            "contract": contract,
            "status": status,
            "total_quantity": quantity,
            "filled_quantity": D(filled),
            "remaining_quantity": quantity - filled,
            "parent_id": parent,
            "fills": fills if filled else (),
            "avg_fill_price": D(100) if filled else None,
            **fields,
        }
    )


ENTRY = record(1, Order.limit("BUY", 10, 100), S.FILLED, 10)
TARGET = record(2, Order.limit("SELL", 10, 110), parent=1, oca_group="g")
STOP = record(3, Order.stop("SELL", 10, 90), S.PRE_SUBMITTED, parent=1, oca_group="g")


def only(*records: OrderRecord) -> Cover:
    (cover,) = covers(records)
    return cover


def test_a_whole_bracket_covers_its_entry() -> None:
    """The stop alone counts: the target in its group can only take its place."""
    cover = only(ENTRY, TARGET, STOP)
    assert (cover.open_quantity, cover.covered, cover.missing) == (10, 10, 0)
    assert cover.exits == (TARGET, STOP)


def change(**fields: Any) -> Callable[[OrderRecord], OrderRecord]:
    return lambda one: attrs.evolve(one, **fields)


NAKED: dict[str, tuple[Callable[[OrderRecord], OrderRecord], int]] = {
    "cancelled by hand": (change(status=S.CANCELLED), 10),
    "rejected": (change(status=S.REJECTED), 10),
    "inactive": (change(status=S.INACTIVE), 10),
    "in doubt": (change(status=S.UNKNOWN), 10),
    "held for the entry": (change(why_held="child,trigger"), 10),
    "reduced": (change(remaining_quantity=D(4), total_quantity=D(4)), 6),
    "of unknown size": (change(remaining_quantity=None, total_quantity=None), 10),
    "somebody else's": (change(is_ours=False), 0),
    "waiting for its trigger": (change(why_held="trigger"), 0),
    "about to be cancelled": (change(status=S.PENDING_CANCEL), 0),
    "not answered yet": (change(status=S.PENDING_SUBMIT), 0),
}


@pytest.mark.parametrize("case", NAKED)
def test_a_stop_that_does_not_cover(case: str) -> None:
    """A target beside it does not help: it waits for a profit. A stop of another client is none of ours."""
    change_, missing = NAKED[case]
    stop = change_(STOP)
    if stop.is_ours:
        assert only(ENTRY, TARGET, stop).missing == missing
    else:
        assert only(ENTRY, TARGET, stop).covered == 10, "then the target is the only exit there is"


def test_where_there_never_was_a_stop_the_target_counts() -> None:
    """Its owner wanted it so."""
    assert only(ENTRY, TARGET).missing == 0
    assert only(ENTRY, attrs.evolve(TARGET, status=S.CANCELLED)).missing == 10


def test_exits_that_wait_for_the_entry_are_told_apart() -> None:
    """While the entry is filled in part its exits are held by the broker, and do nothing."""
    entry = attrs.evolve(ENTRY, status=S.PARTIALLY_FILLED, filled_quantity=D(4))
    cover = only(entry, TARGET, attrs.evolve(STOP, why_held="child,trigger"))
    assert (cover.open_quantity, cover.covered, cover.waiting, cover.missing) == (4, 0, 10, 4)


def test_what_exits_filled_needs_no_cover() -> None:
    """A target that took half, a stop that was reduced by as much."""
    target = record(2, Order.limit("SELL", 10, 110), S.PARTIALLY_FILLED, 5, parent=1, oca_group="g")
    stop = attrs.evolve(STOP, remaining_quantity=D(5))
    cover = only(ENTRY, target, stop)
    assert (cover.open_quantity, cover.covered, cover.missing) == (5, 5, 0)
    done = record(2, Order.limit("SELL", 10, 110), S.FILLED, 10, parent=1)
    assert covers((ENTRY, done, attrs.evolve(STOP, status=S.CANCELLED))) == ()


def test_pairs_of_a_scale_out_add_up() -> None:
    """Each group counts once."""
    stops = [
        record(n, Order.stop("SELL", 5, 90), S.PRE_SUBMITTED, parent=1, oca_group=f"g{n}") for n in (3, 5)
    ]
    assert only(ENTRY, *stops).missing == 0
    assert only(ENTRY, stops[0], attrs.evolve(stops[1], status=S.CANCELLED)).missing == 5
    twins = [attrs.evolve(one, oca_group="same") for one in stops]
    assert only(ENTRY, *twins).missing == 5, "in one group the fill of one ends the other"


def test_orders_without_exits_are_no_matter() -> None:
    """And neither is an entry that has not filled, nor a hedge in another instrument."""
    assert covers((ENTRY,)) == ()
    assert covers((attrs.evolve(ENTRY, filled_quantity=D(0), fills=()), STOP)) == ()
    hedge = record(4, Order.market("SELL", 10), parent=1, contract=MSFT)
    assert covers((ENTRY, hedge)) == ()
    adding = record(4, Order.limit("BUY", 10, 95), parent=1)
    assert families((ENTRY, adding)) == {}


def test_exits_that_the_gateway_attaches() -> None:
    """Known by their ids before the broker shows them, and counted when it does."""
    entry = attrs.evolve(ENTRY, order=ENTRY.order.replace(slOrderId=3, ptOrderId=2))  # type: ignore[union-attr]  # it has one
    unseen = record(3, None, S.PENDING_SUBMIT, remaining_quantity=None)
    assert only(entry, unseen).missing == 10
    assert only(entry, STOP).missing == 0


def by_hand(order_id: int = 9, filled: int = 10, side: str = "SELL", **fields: Any) -> OrderRecord:
    return record(order_id, Order.market(side, filled), S.FILLED, filled, **{"at": 5, **fields})


DEAD = attrs.evolve(STOP, status=S.CANCELLED)


def test_a_position_that_was_closed_by_hand_needs_no_cover() -> None:
    """What other orders sold since the entry filled counts as closing it."""
    assert covers((ENTRY, DEAD, by_hand())) == ()
    assert only(ENTRY, DEAD, by_hand(filled=4)).missing == 6


@pytest.mark.parametrize(
    "other",
    [
        by_hand(side="BUY"),
        by_hand(contract=MSFT),
        by_hand(at=-5),
        by_hand(account="DU2"),
    ],
    ids=["same side", "other instrument", "before the entry", "other account"],
)
def test_what_is_no_closing(other: OrderRecord) -> None:
    """It leaves the position as it is."""
    entry = attrs.evolve(ENTRY, fills=tuple(attrs.evolve(fill, account="DU1") for fill in ENTRY.fills))
    assert only(entry, DEAD, other).missing == 10


def test_an_order_by_id_is_matched_by_what_its_executions_tell() -> None:
    """The entry was named by symbol, the closing by id: executions have both, and nothing else proves it."""
    entry = attrs.evolve(ENTRY, fills=tuple(attrs.evolve(fill, con_id=265598) for fill in ENTRY.fills))
    assert covers((entry, DEAD, by_hand(contract=Contract.by_con_id(265598)))) == ()
    assert only(entry, DEAD, by_hand(contract=Contract.by_con_id(272093))).missing == 10
    assert only(ENTRY, DEAD, by_hand(contract=Contract.by_con_id(272093))).missing == 10


def test_a_round_trip_beside_it_closes_nothing() -> None:
    """Bought and sold elsewhere meanwhile: the net is nothing."""
    assert only(ENTRY, DEAD, by_hand(8, side="BUY"), by_hand(9)).missing == 10


def test_one_closing_does_not_count_for_two_positions() -> None:
    """It goes first to the one that nothing else would close."""
    other = record(11, Order.limit("BUY", 10, 100), S.FILLED, 10, at=1)
    safe = record(13, Order.stop("SELL", 10, 90), S.PRE_SUBMITTED, parent=11)
    found = covers((other, safe, ENTRY, DEAD, by_hand()))
    assert [(cover.parent.order_id, cover.missing) for cover in found] == [(11, 0)]
    naked = attrs.evolve(safe, status=S.CANCELLED)
    assert sum(cover.missing for cover in covers((other, naked, ENTRY, DEAD, by_hand()))) == 10


def beside(order_id: int = 9, size: int = 10, **fields: Any) -> OrderRecord:
    order = fields.pop("order", Order.stop("SELL", size, 91))
    return record(order_id, order, fields.pop("status", S.PRE_SUBMITTED), **fields)


def test_a_new_stop_takes_the_place_of_a_lost_one() -> None:
    """It cannot be a child, for its parent is done; it covers all the same."""
    assert only(ENTRY, DEAD, beside()).missing == 0
    assert only(ENTRY, DEAD, beside(size=4)).missing == 6
    assert only(ENTRY, DEAD, beside(8, size=4), beside(9, size=6)).missing == 0
    pair = [beside(n, size=6, oca_group="one") for n in (8, 9)]
    assert only(ENTRY, DEAD, *pair).missing == 4


@pytest.mark.parametrize(
    "other",
    [
        beside(order=Order.stop("BUY", 10, 110)),
        beside(order=Order.limit("SELL", 10, 110)),
        beside(contract=MSFT),
        beside(status=S.CANCELLED),
        beside(status=S.UNKNOWN),
        beside(order=Order.stop("SELL", 10, 91, account="DU2")),
    ],
    ids=["same side", "a target", "other instrument", "dead", "in doubt", "other account"],
)
def test_what_is_no_new_stop(other: OrderRecord) -> None:
    """It leaves the position as it is."""
    entry = attrs.evolve(ENTRY, fills=tuple(attrs.evolve(fill, account="DU1") for fill in ENTRY.fills))
    assert only(entry, DEAD, other).missing == 10


def test_a_new_stop_covers_one_position_only() -> None:
    """Two entries have lost theirs: one of them is still naked."""
    second = record(11, Order.limit("BUY", 10, 100), S.FILLED, 10, at=1)
    dead = record(13, Order.stop("SELL", 10, 90), S.CANCELLED, parent=11)
    found = covers((ENTRY, DEAD, second, dead, beside(20)))
    assert [cover.missing for cover in found] == [0, 10]


def test_a_short_position() -> None:
    """The same with the sides turned round."""
    entry = record(1, Order.limit("SELL", 10, 100), S.FILLED, 10)
    stop = record(3, Order.stop("BUY", 10, 110), S.PRE_SUBMITTED, parent=1)
    assert only(entry, stop).missing == 0
    assert only(entry, attrs.evolve(stop, status=S.REJECTED)).missing == 10
    assert covers((entry, attrs.evolve(stop, status=S.REJECTED), by_hand(side="BUY"))) == ()


EXITS = st.lists(
    st.tuples(
        st.sampled_from(["LMT", "STP", "TRAIL"]),
        st.integers(1, 20),
        st.integers(0, 20),
        st.sampled_from(list(S)),
        st.sampled_from(["", "a", "b"]),
    ),
    max_size=6,
)


@given(st.integers(1, 20), EXITS)
def test_no_alarm_means_covered(filled: int, exits: list[tuple[str, int, int, OrderStatus, str]]) -> None:
    """Whatever the exits are: open is what the entry filled less what they filled, and cover is what works.

    Held against a plain count of our own.
    """
    entry = record(1, Order.limit("BUY", filled, 100), S.FILLED, filled)
    orders = []
    for number, (kind, size, done, status, group) in enumerate(exits, start=2):
        order = {
            "LMT": Order.limit("SELL", size, 110),
            "STP": Order.stop("SELL", size, 90),
            "TRAIL": Order.trailing_stop("SELL", size, trailing_amount=1),
        }[kind]
        orders.append(record(number, order, status, min(done, size), parent=1, oca_group=group))
    found = covers((entry, *orders))
    left = filled - sum(min(done, size) for _, size, done, _, _ in exits)
    if left <= 0 or not exits:
        assert found == ()
        return
    wanted = {"STP", "TRAIL"} if any(kind != "LMT" for kind, *_ in exits) else {"LMT"}
    groups: dict[Any, int] = {}
    for number, (kind, size, done, status, group) in enumerate(exits):
        if kind in wanted and status.is_working:
            key = group or number
            groups[key] = max(groups.get(key, 0), size - min(done, size))
    assert found[0].open_quantity == left
    assert found[0].missing == max(left - sum(groups.values()), 0)


# ── break-even ──────────────────────────────────────────────────────────────────────────────────────

PLAN = BreakEvenPlan(rule=BreakEven(tick=D("0.01")), parent="k1", targets=("k2", "k4"), stops=("k3", "k5"))


def book(*records: OrderRecord) -> Callable[[str], OrderRecord | None]:
    found = {one.key: one for one in records}
    return found.get


TAKEN = record(2, Order.limit("SELL", 5, 110), S.FILLED, 5, parent=1)
LEFT = record(5, Order.stop("SELL", 5, 90), S.PRE_SUBMITTED, parent=1)


def test_the_other_stop_moves_when_a_target_is_filled() -> None:
    """To the entry's average; the one that died with its target stays where it is."""
    gone = record(3, Order.stop("SELL", 5, 90), S.CANCELLED, parent=1)
    (move,) = stop_moves(PLAN, book(ENTRY, TAKEN, gone, LEFT))
    assert (move.order_id, dict(move.changes), move.price) == (5, {"aux_price": D(100)}, D(100))


NO_MOVE: dict[str, tuple[OrderRecord, ...]] = {
    "nothing known": (),
    "no entry price": (attrs.evolve(ENTRY, avg_fill_price=None), TAKEN, LEFT),
    "no target filled": (ENTRY, attrs.evolve(TAKEN, status=S.PARTIALLY_FILLED), LEFT),
    "a target cancelled": (ENTRY, attrs.evolve(TAKEN, status=S.CANCELLED), LEFT),
    "the stop is done": (ENTRY, TAKEN, attrs.evolve(LEFT, status=S.FILLED)),
    "the stop is in doubt": (ENTRY, TAKEN, attrs.evolve(LEFT, status=S.UNKNOWN)),
    "the stop is being cancelled": (ENTRY, TAKEN, attrs.evolve(LEFT, status=S.PENDING_CANCEL)),
    "a change is on its way": (ENTRY, TAKEN, attrs.evolve(LEFT, pending=(Request.MODIFY,))),
    "it is there already": (ENTRY, TAKEN, record(5, Order.stop("SELL", 5, 100), parent=1)),
    "it is beyond": (ENTRY, TAKEN, record(5, Order.stop("SELL", 5, 101), parent=1)),
    "it trails": (ENTRY, TAKEN, record(5, Order.trailing_stop("SELL", 5, trailing_amount=3), parent=1)),
    "its terms are unknown": (ENTRY, TAKEN, record(5, None, parent=1)),
}


@pytest.mark.parametrize("case", NO_MOVE)
def test_a_stop_that_stays(case: str) -> None:
    """Never away from the profit, never on a guess, never twice."""
    assert stop_moves(PLAN, book(*NO_MOVE[case])) == ()


def test_two_targets_may_be_wanted() -> None:
    """``after`` counts the filled ones."""
    plan = attrs.evolve(PLAN, rule=BreakEven(tick=D("0.01"), after=2))
    assert stop_moves(plan, book(ENTRY, TAKEN, LEFT)) == ()
    second = record(4, Order.limit("SELL", 5, 120), S.FILLED, 5, parent=1)
    assert len(stop_moves(plan, book(ENTRY, TAKEN, second, LEFT))) == 1


def test_a_stop_limit_keeps_its_distance() -> None:
    """Both prices move by as much."""
    stop = record(5, Order.stop_limit("SELL", 5, 90, "89.50"), S.PRE_SUBMITTED, parent=1)
    (move,) = stop_moves(PLAN, book(ENTRY, TAKEN, stop))
    assert dict(move.changes) == {"aux_price": D(100), "limit_price": D("99.50")}


@given(
    st.decimals(1, 1000, places=6),
    st.sampled_from(["0.01", "0.05", "0.25", "1", "0.0001"]),
    st.decimals(-5, 5, places=2),
    st.sampled_from(["BUY", "SELL"]),
)
def test_the_new_stop_is_on_a_tick_and_never_loses(
    price: Decimal, tick: str, offset: Decimal, side: str
) -> None:
    """On the price grid, at the entry's price and offset or on the profit's side, by less than one tick."""
    sign = 1 if side == "BUY" else -1
    other = "SELL" if side == "BUY" else "BUY"
    far = D(10**6) if sign < 0 else D("0.0001")
    entry = record(1, Order.market(side, 10), S.FILLED, 10, avg_fill_price=price)
    target = record(2, Order.limit(other, 5, 500), S.FILLED, 5, parent=1)
    stop = record(5, Order.stop(other, 5, far), S.PRE_SUBMITTED, parent=1)
    plan = attrs.evolve(PLAN, rule=BreakEven(tick=D(tick), offset=offset))
    for move in stop_moves(plan, book(entry, target, stop)):
        assert move.price % D(tick) == 0
        assert 0 <= (move.price - (price + sign * offset)) * sign < D(tick)
        moved = attrs.evolve(stop, order=stop.order.replace(**dict(move.changes)))  # type: ignore[union-attr]  # it has one
        assert stop_moves(plan, book(entry, target, moved)) == (), "asked again, it has nothing to do"


@pytest.mark.parametrize(
    "wanted",
    [{"tick": 0}, {"tick": "x"}, {"tick": -1}, {"tick": 1, "after": 0}, {"tick": 1, "offset": "NaN"}],
)
def test_a_rule_that_cannot_be_is_refused(wanted: dict[str, Any]) -> None:
    """Naming the argument."""
    with pytest.raises(InvalidGroup) as raised:
        BreakEven(**wanted)
    assert raised.value.argument in wanted


def test_a_cover_says_how_it_stands() -> None:
    """One line for people."""
    held = attrs.evolve(STOP, why_held="child", contract=ENTRY.contract)
    cover = only(ENTRY, held)
    name = ENTRY.symbol
    assert str(cover) == f"#1 {name}: 10 of 10 without an exit (10 wait for the whole fill)"
    assert str(only(ENTRY, TARGET, STOP)) == f"#1 {name}: 0 of 10 without an exit"
