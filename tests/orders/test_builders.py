"""Builders: exact numbers, no field twice, and bad input as a typed error that names the argument."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core import orders
from ibkr_core.errors import InvalidOrder, UnknownField
from ibkr_core.model.order import Order
from tests.orders.samples import BUILT

NAN = float("nan")
WHEN = orders.ExecutionCondition(symbol="A")
LIMIT = orders.limit("BUY", 100, 9)
STOP = orders.stop("SELL", 100, 9)


@pytest.mark.parametrize("name", BUILT)
def test_numbers_are_exact(name: str) -> None:
    """No float gets into an order: what counts money or size is a Decimal until the wire."""
    order = BUILT[name].order
    for value in (*attrs.asdict(order, recurse=False).values(), *order.official.values()):
        assert not isinstance(value, float)


@pytest.mark.parametrize("name", BUILT)
def test_an_order_equals_itself_made_again(name: str) -> None:
    """Orders are values; a changed copy keeps the rest."""
    order = BUILT[name].order
    again = order.replace(account="DU1")
    assert again != order
    assert again.replace(account="") == order
    assert dict(again.official) == dict(order.official)


BAD: dict[str, tuple[str, Callable[[], Any]]] = {
    "side": ("action", lambda: orders.market_on_close("HOLD", 1)),
    "size": ("quantity", lambda: orders.market_on_close("BUY", 0)),
    "size NaN": ("quantity", lambda: orders.market_to_limit("BUY", NAN)),
    "price NaN": ("limit_price", lambda: orders.limit_on_close("BUY", 1, NAN)),
    "price None": ("limit_price", lambda: orders.limit_on_close("BUY", 1, None)),  # type: ignore[arg-type]
    "offset a text": ("offset", lambda: orders.relative("BUY", 1, "near")),
    "offset infinite": ("offset", lambda: orders.pegged_to_best("BUY", 1, "inf")),
    "amount": ("discretionary_amount", lambda: orders.discretionary("BUY", 1, 9, NAN)),
    "visible": ("display_size", lambda: orders.iceberg("BUY", 1, 9, 1.5)),  # type: ignore[arg-type]
    "delta": ("delta", lambda: orders.pegged_to_stock("BUY", 1, starting_price=1, delta=NAN)),
    "reference": (
        "reference_con_id",
        lambda: orders.pegged_to_benchmark(
            "BUY", 1, starting_price=1, change_amount=1, reference_con_id=0, reference_change_amount=1
        ),
    ),
    "least trade": (
        "min_trade_quantity",
        lambda: orders.pegged_to_best("BUY", 1, "0.01", min_trade_quantity=-1),
    ),
    "auction": ("strategy", lambda: orders.auction_limit("BUY", 1, 9, 4)),
    "volatility": ("percent", lambda: orders.volatility("BUY", 1, NAN)),
    "volatility over": ("over", lambda: orders.volatility("BUY", 1, 40, over=3)),
    "volatility reference": ("reference", lambda: orders.volatility("BUY", 1, 40, reference=0)),
    "hedge without type": ("hedge_type", lambda: orders.volatility("BUY", 1, 40, hedge_price=1)),
    "trigger": ("trigger_price", lambda: orders.adjusted_to_stop(STOP, NAN, 1)),
    "no stop order": ("order", lambda: orders.adjusted_to_stop("STP", 10, 9)),  # type: ignore[arg-type]
    "adjusted twice": (
        "order",
        lambda: orders.adjusted_to_stop(orders.adjusted_to_stop(STOP, 12, 11), 14, 13),
    ),
    "no distance": ("trailing_amount", lambda: orders.adjusted_to_trail(STOP, 12)),
    "two distances": (
        "trailing_amount",
        lambda: orders.adjusted_to_trail(STOP, 12, trailing_amount=1, trailing_percent=1),
    ),
    "distance 0": ("trailing_percent", lambda: orders.adjusted_to_trail(STOP, 12, trailing_percent=0)),
    "scale of nothing": ("order", lambda: orders.scaled(None, initial_size=1, price_increment=1)),  # type: ignore[arg-type]
    "scale size": ("initial_size", lambda: orders.scaled(LIMIT, initial_size=0, price_increment=1)),
    "scale step": ("price_increment", lambda: orders.scaled(LIMIT, initial_size=1, price_increment=0)),
    "beta": ("beta", lambda: orders.beta_hedge("SELL", 1, 0)),
    "ratio": ("ratio", lambda: orders.pair_hedge("SELL", 1, NAN)),
    "no parent": ("parent_id", lambda: orders.fx_hedge("SELL", 0)),
    "legs without price": ("leg_prices", lambda: orders.combo_limit_by_leg("BUY", 1, [None, None])),
    "leg NaN": ("leg_prices", lambda: orders.combo_limit_by_leg("BUY", 1, [NAN, 1])),
    "no condition": ("conditions", lambda: orders.conditional(LIMIT, [])),
    "condition a text": ("conditions", lambda: orders.conditional(LIMIT, "AAPL > 5")),  # type: ignore[arg-type]
    "condition of nothing": ("order", lambda: orders.conditional(None, WHEN)),  # type: ignore[arg-type]
    "no algorithm": ("algo", lambda: orders.worked_by(LIMIT, "Twap")),  # type: ignore[arg-type]
    "algorithm of nothing": ("order", lambda: orders.worked_by(None, orders.Twap())),  # type: ignore[arg-type]
    "conditions twice": (
        "conditions",
        lambda: Order.market("BUY", 1, conditions=WHEN, official={"conditions": [object()]}),
    ),
    "algorithm twice": ("algo", lambda: Order.market("BUY", 1, algo=orders.Twap(), algoStrategy="Vwap")),
    # a field that the builder sets itself
    "type": ("order_type", lambda: orders.market_on_close("BUY", 1, order_type="MKT")),
    "official type": ("order_type", lambda: orders.market_on_close("BUY", 1, orderType="MKT")),
    "time in force": ("tif", lambda: orders.market_on_open("BUY", 1, tif="DAY")),
    "cap twice": ("limit_price", lambda: orders.midprice("BUY", 1, lmtPrice=3)),
    "official field": ("sweepToFill", lambda: orders.sweep_to_fill("BUY", 1, 9, sweepToFill=False)),
    "in official": (
        "sweepToFill",
        lambda: orders.sweep_to_fill("BUY", 1, 9, official={"sweepToFill": False}),
    ),
}


@pytest.mark.parametrize(("argument", "attempt"), BAD.values(), ids=BAD)
def test_bad_input_names_the_argument(argument: str, attempt: Callable[[], Any]) -> None:
    """As its caller wrote it."""
    with pytest.raises(InvalidOrder) as raised:
        attempt()
    assert raised.value.argument == argument


def test_a_misspelt_field_names_the_nearest_one() -> None:
    """In every builder."""
    with pytest.raises(UnknownField) as raised:
        orders.market_on_close("BUY", 1, acount="DU1")
    assert raised.value.nearest == "account"


def test_further_fields_go_along() -> None:
    """By our names and by official ones, beside what the builder sets."""
    order = orders.sweep_to_fill("BUY", 1, 9, tif="IOC", notHeld=True, official={"solicited": True})
    assert (order.tif, dict(order.official)) == (
        "IOC",
        {"solicited": True, "notHeld": True, "sweepToFill": True},
    )


def test_a_hedge_may_be_of_another_type() -> None:
    """MKT is only what is taken where none is given."""
    hedge = orders.pair_hedge("SELL", 7, 2, order_type="REL", aux_price=0)
    assert (hedge.order_type, str(hedge.quantity), str(hedge.aux_price)) == ("REL", "0", "0")


def test_a_combination_may_be_guaranteed() -> None:
    """Then nothing is said of it."""
    assert dict(orders.combo_limit("BUY", 1, "-0.5").official) == {}
    assert orders.combo_limit("BUY", 1, "-0.5").limit_price == Decimal("-0.5")
