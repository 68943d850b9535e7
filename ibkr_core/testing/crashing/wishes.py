"""What the victim trades, and how its engine behaves: the parent must know it too."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Final

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.settings import Backoff, EngineSettings

__all__ = ["CLIENT_ID", "SETTINGS", "SYMBOLS", "order_for"]

CLIENT_ID: Final = 7
SYMBOLS: Final = ("AAPL", "MSFT")
"""What is traded; the parent puts their prices to about 100."""

SETTINGS: Final = EngineSettings(
    ack_timeout_s=1.0,
    heartbeat_s=1.0,
    pong_timeout_s=1.0,
    confirm_s=0.2,
    executions_timeout_s=1.0,
    max_active_orders=None,
    reconnect=Backoff(first_s=0.05, longest_s=0.5),
    slim_after_s=0.2,
    checkpoint_inputs=100,
)
"""How the engines of a trial behave: as always, but in a hurry."""


def order_for(key: str) -> tuple[Contract, Order]:
    """Return what a key stands for: so a later run can ask for the same order again."""
    chance = random.Random(key)  # noqa: S311 - a test is no secret
    contract = Contract.stock(chance.choice(SYMBOLS))
    side = chance.choice(("BUY", "SELL"))
    quantity = chance.choice((1, 10, 100, 300))
    price = Decimal(100) + Decimal(chance.randrange(-100, 101)) / 100
    kind = chance.randrange(4)
    if kind == 0:
        return contract, Order.market(side, quantity, order_ref=key)
    if kind == 1:
        stop = price + 1 if side == "BUY" else price - 1
        return contract, Order.stop(side, quantity, str(stop), order_ref=key)
    tif = chance.choice(("DAY", "GTC", "IOC"))
    return contract, Order.limit(side, quantity, str(price), tif=tif, order_ref=key)
