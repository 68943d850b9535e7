"""What the settings of a gateway can refuse or warn of before it transmits."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.precautions import Precautions, warnings_of
from ibkr_core.gateway.refusals import RefusalError
from tests.gateway.test_orders import LIMIT, build

D = Decimal
QUOTE = Quote(bid=D("99.90"), ask=D(100), last=D(100), bid_size=D(1), ask_size=D(1))


def code_of(precautions: Precautions, spec: OrderSpec) -> int | None:
    try:
        precautions.check(build().instrument, spec, QUOTE)
    except RefusalError as refusal:
        return refusal.code
    return None


@pytest.mark.parametrize(
    ("limits", "limit", "quantity", "code"),
    [
        ({}, 1.0, 10**6, None),
        ({"percent": D(3)}, 97.0, 10, None),
        ({"percent": D(3)}, 96.99, 10, 163),
        ({"percent": D(3)}, 103.01, 10, 163),
        ({"ticks": 20}, 99.8, 10, None),
        ({"ticks": 20}, 99.79, 10, 382),
        ({"size": D(10)}, 99.0, 10, None),
        ({"size": D(10)}, 99.0, 11, 383),
    ],
)
def test_limits_have_edges(limits: dict[str, Any], limit: float, quantity: int, code: int | None) -> None:
    """On the edge an order passes, one step beyond it does not; without limits everything passes."""
    spec = OrderSpec.parse({**LIMIT, "lmtPrice": limit, "totalQuantity": D(quantity)})
    assert code_of(Precautions(**limits), spec) == code


@pytest.mark.parametrize(
    ("held", "action", "warned"),
    [(5, "SELL", True), (10, "SELL", False), (-5, "BUY", True), (0, "BUY", False)],
)
def test_turning_a_position_around_is_warned_of(held: int, action: str, warned: bool) -> None:
    """Ten against five; going flat or opening turns nothing around."""
    order = build(spec=OrderSpec.parse({**LIMIT, "action": action}))
    told = warnings_of(order, D(held), Precautions(cross_side=True))
    assert [code for code, _ in told] == ([2137] if warned else [])
    assert list(warnings_of(order, D(held), Precautions())) == []


def test_a_direct_route_is_warned_of() -> None:
    """It names the exchange; SMART is no direct route."""
    order = attrs.evolve(build(), exchange="ISLAND")
    ((code, text),) = warnings_of(order, D(0), Precautions(direct_route=True))
    assert (code, "routed to ISLAND." in text) == (10311, True)
    assert list(warnings_of(build(), D(0), Precautions(direct_route=True))) == []
