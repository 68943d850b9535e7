"""Orders that are sent twice by mistake, and too many messages for too few fills."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import DuplicateOrder
from ibkr_core.guards import DuplicateGuard, EfficiencyMeter
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order

AAPL, MSFT = Contract.stock("AAPL"), Contract.stock("MSFT")
LIMIT = Order.limit("BUY", 10, "90")


def guard(window_s: float = 5) -> DuplicateGuard:
    made = DuplicateGuard(window_s)
    made.check(AAPL, LIMIT, 0)
    made.note(AAPL, LIMIT, 7, 0)
    return made


def test_the_same_order_within_the_window_is_refused() -> None:
    """It names the order that was sent, and how long ago."""
    with pytest.raises(DuplicateOrder, match=r"sent 4\.9 s ago.*allow_duplicate") as caught:
        guard().check(AAPL, LIMIT, 4.9)
    assert caught.value.order_id == 7


def test_what_says_nothing_about_the_trade_makes_no_difference() -> None:
    """Key, time in force and the like may differ: it is the same trade."""
    with pytest.raises(DuplicateOrder):
        guard().check(AAPL, LIMIT.replace(tif="GTC", order_ref="another"), 1)


@pytest.mark.parametrize(
    ("contract", "order"),
    [
        (MSFT, LIMIT),
        (AAPL, Order.limit("SELL", 10, "90")),
        (AAPL, Order.limit("BUY", 11, "90")),
        (AAPL, Order.limit("BUY", 10, "90.01")),
        (AAPL, Order.market("BUY", 10)),
        (AAPL, Order.stop("BUY", 10, "90")),
    ],
)
def test_a_different_order_passes(contract: Contract, order: Order) -> None:
    """Another contract, side, quantity, price or type is another trade."""
    guard().check(contract, order, 1)


def test_the_window_ends() -> None:
    """And with it the memory."""
    made = guard()
    made.check(AAPL, LIMIT, 5)
    assert len(made) == 0


def test_an_order_that_was_allowed_twice_is_remembered_from_the_second_on() -> None:
    """The first one's end does not forget the second."""
    made = guard()
    made.note(AAPL, LIMIT, 8, 3)
    made.check(MSFT, LIMIT, 6)
    with pytest.raises(DuplicateOrder) as caught:
        made.check(AAPL, LIMIT, 6)
    assert caught.value.order_id == 8


def test_a_window_of_zero_is_no_guard() -> None:
    """Nothing is refused, and nothing is remembered."""
    made = guard(0)
    made.check(AAPL, LIMIT, 0)
    assert len(made) == 0


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 5)), max_size=60))
def test_memory_is_as_long_as_the_window(orders: list[tuple[int, int]]) -> None:
    """It holds what was sent within the window, whatever was sent before."""
    made, now = DuplicateGuard(5), 0
    sent: list[tuple[int, int]] = []
    for pause, quantity in orders:
        now += pause
        order = Order.market("BUY", quantity)
        recent = {q for at, q in sent if at > now - 5}
        if quantity in recent:
            with pytest.raises(DuplicateOrder):
                made.check(AAPL, order, now)
        else:
            made.check(AAPL, order, now)
        made.note(AAPL, order, 1, now)
        sent.append((now, quantity))
        assert len(made) == len(recent | {quantity})


def test_too_many_messages_for_a_fill_are_told_rarely() -> None:
    """From the hundredth message on, when the ratio is above the limit, at each doubling."""
    meter = EfficiencyMeter(20)
    told = [number for number in range(1, 1001) if meter.note_messages(1)]
    assert told == [100, 200, 400, 800]


def test_fills_pay_for_messages() -> None:
    """As many as the limit allows for each; one more is warned of."""
    meter = EfficiencyMeter(20)
    for _ in range(10):
        meter.note_filled()
    assert not any(meter.note_messages(1) for _ in range(220))
    assert meter.note_messages(1)
    assert (meter.messages, meter.filled_orders) == (221, 10)


def test_a_limit_of_zero_is_none() -> None:
    """Messages are counted all the same."""
    meter = EfficiencyMeter(0)
    assert not meter.note_messages(10_000)
    assert meter.messages == 10_000
