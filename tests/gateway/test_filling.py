"""Fills become executions that the books agree with."""

from __future__ import annotations

import random
from decimal import Decimal

from ibkr_core.gateway.account import Account
from ibkr_core.gateway.filling import Filler
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import Execution
from tests.gateway.test_orders import build

D = Decimal
QUOTE = Quote(bid=D(100), ask=D(101), last=D(100), bid_size=D(1), ask_size=D(1))


def test_a_fill_is_booked_and_kept() -> None:
    """Cumulative and average count what came before; the minimum commission falls on the first part."""
    account = Account("DU1", D(10_000))
    executions: dict[str, Execution] = {}
    filler = Filler(
        {"DU1": account},
        executions,
        numbers=Numbers(),
        rng=random.Random(0),  # noqa: S311 - a simulation, not a secret
        now=lambda: 7.0,
        quote_of=lambda _: QUOTE,
    )
    order = build()
    first = filler.execute(order, D(4), D(100))
    order.executions.append(first)
    second = filler.execute(order, D(6), D(101))
    assert list(executions.values()) == [first, second]
    assert (second.cumulative, second.average, second.time) == (10, D("100.6"), 7.0)
    assert first.root != second.root
    assert (first.commission, second.commission) == (D("1.000012"), D("0.000018"))
    assert account.position(order.instrument).quantity == 10
    assert account.cash["USD"] == 10_000 - 1006 - D("1.00003")
    assert filler.take_legs(first) == []
