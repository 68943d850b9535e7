"""What a modification can do, how refusals are told, and what gates are called."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core import orders
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.risk import LiveOrder, Refusal, RiskContext
from ibkr_core.risk.gates import MaxOrderSize
from ibkr_core.risk.values import Need, name_of, needs_of, plain_text, raises_risk

BUY = Order.limit("BUY", 100, "50.00")
SELL = Order.limit("SELL", 100, "50.00")
BUY_STOP = Order.stop("BUY", 100, "60")
SELL_STOP = Order.stop("SELL", 100, "40")
TRAIL = Order.trailing_stop("SELL", 100, trailing_amount="2")
BUY_RELATIVE = orders.relative("BUY", 100, "0.10", limit_price="50")
SELL_RELATIVE = orders.relative("SELL", 100, "0.10", limit_price="50")
TRAIL_PERCENT = Order.trailing_stop("SELL", 100, trailing_percent="2", stop_price="40")


@pytest.mark.parametrize(
    ("before", "changes", "raises"),
    [
        (BUY, {}, False),
        (BUY, {"quantity": 99}, False),
        (BUY, {"quantity": 101}, True),
        (BUY, {"limit_price": "49.99"}, False),
        (BUY, {"limit_price": "50.01"}, True),
        (SELL, {"limit_price": "50.01"}, False),
        (SELL, {"limit_price": "49.99"}, True),
        (BUY, {"quantity": 99, "limit_price": "49.99"}, False),
        (BUY, {"quantity": 99, "limit_price": "50.01"}, True),
        (BUY, {"order_type": "MKT"}, True),
        (BUY, {"tif": "GTC"}, True),
        (BUY, {"outside_rth": True}, True),
        (BUY, {"account": "U2"}, True),
        (BUY, {"oca_group": "x"}, True),
        (BUY, {"sweepToFill": True}, True),
        (SELL_STOP, {"aux_price": "41"}, False),
        (SELL_STOP, {"aux_price": "39"}, True),
        (BUY_STOP, {"aux_price": "59"}, False),
        (BUY_STOP, {"aux_price": "61"}, True),
        (TRAIL, {"aux_price": "1.5"}, False),
        (TRAIL, {"aux_price": "2.5"}, True),
        (TRAIL_PERCENT, {"trailing_percent": "1"}, False),
        (TRAIL_PERCENT, {"trailing_percent": "3"}, True),
        (TRAIL_PERCENT, {"trail_stop_price": "41"}, False),
        (TRAIL_PERCENT, {"trail_stop_price": "39"}, True),
        (TRAIL_PERCENT, {"trailing_percent": None, "aux_price": "1"}, True),
        (BUY_RELATIVE, {"limit_price": "49"}, False),
        (BUY_RELATIVE, {"limit_price": "0"}, True),  # no cap any more
        (SELL_RELATIVE, {"limit_price": "0"}, True),
        (BUY_RELATIVE, {"aux_price": "0.20"}, True),
        (SELL_RELATIVE, {"aux_price": "0.20"}, True),  # an offset, that makes it sell cheaper
    ],
)
def test_whether_a_modification_raises_the_risk(before: Order, changes: dict[str, Any], raises: bool) -> None:
    """Less, further away, or an exit nearer to the market does not; all else may."""
    assert raises_risk(before, before.replace(**changes)) is raises


def test_another_side_raises_the_risk() -> None:
    """No modification changes the side; were one to try, it would be judged."""
    assert raises_risk(BUY, SELL)


prices = st.integers(1, 1000).map(Decimal)


@given(st.sampled_from(["BUY", "SELL"]), prices, prices, prices, prices)
def test_what_does_not_raise_the_risk_is_no_more_and_no_dearer(
    side: str, size: Decimal, new_size: Decimal, price: Decimal, new_price: Decimal
) -> None:
    """Judged by what the order could do before and after."""
    before = Order.limit(side, size, price)
    after = before.replace(quantity=new_size, limit_price=new_price)
    sign = before.action.sign
    assert raises_risk(before, after) is (new_size > size or new_price * sign > price * sign)


def test_a_refusal_tells_numbers_as_people_write_them() -> None:
    """No exponents, no needless zeros."""
    refusal = Refusal(argument="quantity", reason="too much", limit=Decimal("1E+3"), value=Decimal("1.500"))
    assert (refusal.limit, refusal.value) == ("1000", "1.5")
    assert plain_text(7) == "7"
    assert not refusal.halts


def test_gates_have_names_and_needs() -> None:
    """Those of the package say so; a plain function has its own name and gets everything."""

    def my_gate(context: RiskContext) -> Refusal | None:
        del context
        return None

    class Callable:
        def __call__(self, context: RiskContext) -> Refusal | None:
            del context
            return None

    assert name_of(MaxOrderSize(Decimal(1))) == "order size"
    assert needs_of(MaxOrderSize(Decimal(1))) == frozenset()
    assert name_of(my_gate) == "my_gate"
    assert name_of(Callable()) == "Callable"
    assert needs_of(my_gate) == Need.ALL


def test_a_live_order_of_terms() -> None:
    """What remains of it, and where it belongs; an order that the broker sizes has no size."""
    terms = BUY.replace(parent_id=3, oca_group="g", account="A")
    live = LiveOrder.wanted(7, Contract.stock("AAPL"), terms, Decimal(30))
    assert live.remaining == 70
    assert (live.parent_id, live.oca_group, live.account) == (3, "g", "A")
    assert LiveOrder.wanted(7, Contract.stock("AAPL"), BUY, Decimal(130)).remaining == 0
    unsized = Order.market("BUY", 0, cash_quantity=500)
    assert LiveOrder.wanted(7, Contract.stock("AAPL"), unsized).remaining is None


def test_a_context_knows_a_modification() -> None:
    """By the terms before."""
    new = {"contract": Contract.stock("AAPL"), "order": BUY, "now": None}
    assert not RiskContext(**new).is_modification  # type: ignore[arg-type]  # no moment is needed here
    assert RiskContext(**new, before=BUY).is_modification  # type: ignore[arg-type]


def test_a_refusal_says_which_gate_and_why() -> None:
    """One line for people; a gate without a name is left out."""
    refusal = Refusal(argument="quantity", reason="7 is more than 5", gate="order size")
    assert str(refusal) == "order size: quantity: 7 is more than 5"
    assert str(Refusal(argument="quantity", reason="too many")) == "quantity: too many"
