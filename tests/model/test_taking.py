"""Taking many fields of an order at once."""

from __future__ import annotations

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.taking import taker

STOCK = Contract.stock("AAPL", con_id=265598)
LIMIT = Order.limit("BUY", 100, "150.25", order_ref="k")


def test_fields_come_in_the_order_in_which_they_were_named() -> None:
    """The contract's first; one alone, and none at all, make a tuple too."""
    assert taker(["symbol", "con_id"], ["order_ref", "quantity"])(STOCK, LIMIT) == ("AAPL", 265598, "k", 100)
    assert taker([], ["order_ref"])(STOCK, LIMIT) == ("k",)
    assert taker([], [])(STOCK, LIMIT) == ()
