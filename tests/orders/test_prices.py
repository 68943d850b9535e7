"""Prices of an order against the grid and the market: pure checks."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core import orders
from ibkr_core.errors import InvalidOrder
from ibkr_core.model.order import Order
from ibkr_core.model.reference import MarketRule

D = Decimal
CENTS = MarketRule.of_step("0.01")
NICKELS = MarketRule.of_step("0.05")
PRICES = st.decimals(min_value="0.01", max_value="9999", places=4)


@pytest.mark.parametrize(
    ("order", "argument"),
    [
        (orders.limit("BUY", 1, "10.005"), "limit_price"),
        (orders.stop("BUY", 1, "10.005"), "aux_price"),
        (orders.limit_if_touched("BUY", 1, "10.001", 9), "aux_price"),
        (orders.trailing_stop("SELL", 1, trailing_amount=1, stop_price="9.999"), "trail_stop_price"),
        (orders.adjusted_to_stop(orders.stop("SELL", 1, 9), "11.001", 10), "triggerPrice"),
        (orders.adjusted_to_stop(orders.stop("SELL", 1, 9), 11, "10.001"), "adjustedStopPrice"),
    ],
)
def test_a_price_between_two_steps(order: Order, argument: str) -> None:
    """Adjusted ones too; the error has the field and the nearest price."""
    with pytest.raises(InvalidOrder, match="rule ticks") as raised:
        orders.check_ticks(order, CENTS)
    assert raised.value.argument == argument


def test_a_distance_need_not_be_on_the_grid() -> None:
    """Offsets, trailing amounts and percentages are no prices."""
    orders.check_ticks(orders.trailing_stop("SELL", 1, trailing_amount="0.123"), CENTS)
    orders.check_ticks(orders.relative("BUY", 1, "0.003", limit_price=10), CENTS)


@given(PRICES, PRICES, st.sampled_from(["BUY", "SELL"]), st.sampled_from([CENTS, NICKELS]))
def test_rounding_makes_every_price_right(limit: D, stop: D, side: str, grid: MarketRule) -> None:
    """What comes out is on the grid; a limit is never worse than it was; rounding again changes nothing."""
    order = orders.stop_limit(side, 1, stop, limit)
    done = orders.rounded(order, grid)
    if done.limit_price:  # a price below one step rounds to nothing
        orders.check_ticks(done, grid)
    assert done.limit_price is not None
    assert done.limit_price <= limit if side == "BUY" else done.limit_price >= limit
    assert orders.rounded(done, grid) == done


@pytest.mark.parametrize(
    ("order", "is_fine"),
    [
        (orders.stop("BUY", 1, "100.02"), True),
        (orders.stop("BUY", 1, "100.01"), False),
        (orders.stop("SELL", 1, "99.99"), True),
        (orders.stop("SELL", 1, "100.00"), False),
        (orders.stop_limit("SELL", 1, "101", "100"), False),
        (orders.market_if_touched("BUY", 1, "99.99"), True),
        (orders.market_if_touched("BUY", 1, "100.00"), False),
        (orders.limit_if_touched("SELL", 1, "100.02", 100), True),
        (orders.limit_if_touched("SELL", 1, "100.01", 100), False),
        (orders.trailing_stop("SELL", 1, trailing_amount=1, stop_price="100.50"), False),
        (orders.trailing_stop("SELL", 1, trailing_amount=1, stop_price="99.50"), True),
        (orders.trailing_stop("SELL", 1, trailing_amount=1), True),
        (orders.limit("BUY", 1, "200"), True),
        (orders.market("BUY", 1), True),
    ],
)
def test_the_side_of_the_market(order: Order, is_fine: bool) -> None:
    """A stop waits on the bad side, a touch on the good one; on the other they would trade at once."""
    if is_fine:
        orders.check_side(order, bid="100.00", ask="100.01")
        return
    with pytest.raises(InvalidOrder, match="rule side"):
        orders.check_side(order, bid="100.00", ask="100.01")
