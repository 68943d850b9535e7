"""The comparison of the engine's book with the gateway's own."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.cli.audit import audit
from ibkr_core.gateway import Books, OrderAccount, default_catalogue
from ibkr_core.gateway.account import Position
from ibkr_core.gateway.orders import Execution
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

ACCOUNT = "DU1234567"
APPLE = next(one for one in default_catalogue() if one.symbol == "AAPL" and one.sec_type == "STK")
EXECUTION = Execution(
    root="0000e0d5.69000000.01",
    revision=1,
    perm_id=1,
    order_id=2,
    client_id=1,
    account=ACCOUNT,
    instrument=APPLE,
    action="BUY",
    quantity=Decimal(30),
    price=Decimal("190.10"),
    time=0.0,
    exchange="ARCA",
    cumulative=Decimal(30),
    average=Decimal("190.10"),
    commission=Decimal("1.00009"),
    currency="USD",
    realized=None,
    liquidity=2,
    order_ref="",
)
FILL = Fill(
    exec_id="0000e0d5.69000000.01.01",
    action=Action.BUY,
    quantity=Decimal(30),
    price=Decimal("190.10"),
    account=ACCOUNT,
    symbol="AAPL",
    commission=Decimal("1.00009"),
    commission_currency="USD",
)
FILLED = OrderRecord(
    order_id=2,
    perm_id=1,
    contract=Contract.stock("AAPL"),
    order=Order.market("BUY", 30),
    status=OrderStatus.FILLED,
    total_quantity=Decimal(30),
    filled_quantity=Decimal(30),
    remaining_quantity=Decimal(0),
    avg_fill_price=Decimal("190.10"),
    fills=(FILL,),
    commissions={"USD": Decimal("1.00009")},
)
REFUSED = OrderRecord(order_id=3, status=OrderStatus.REJECTED)
BEFORE = Books(orders=(), positions={ACCOUNT: ()}, cash={ACCOUNT: {"USD": Decimal(10_000)}})
AFTER = Books(
    orders=(
        OrderAccount(
            order_id=2,
            client_id=1,
            perm_id=1,
            order_ref="mine",
            symbol="AAPL",
            action="BUY",
            status="Filled",
            total=Decimal(30),
            filled=Decimal(30),
            remaining=Decimal(0),
            average_price=Decimal("190.10"),
            commission=Decimal("1.00009"),
            executions=(EXECUTION,),
        ),
    ),
    positions={ACCOUNT: (Position(instrument=APPLE, quantity=Decimal(30)),)},
    cash={ACCOUNT: {"USD": Decimal(10_000) - 30 * Decimal("190.10") - Decimal("1.00009")}},
)


def differences(record: OrderRecord = FILLED, fills: tuple[Fill, ...] = (FILL,), **after: Any) -> list[str]:
    books = attrs.evolve(AFTER, **after)
    return list(audit((record, REFUSED), fills, BEFORE, books).differences)


def with_order(**changes: Any) -> dict[str, Any]:
    return {"orders": (attrs.evolve(AFTER.orders[0], **changes),)}


def with_execution(**changes: Any) -> dict[str, Any]:
    return with_order(executions=(attrs.evolve(EXECUTION, **changes),))


def test_books_that_agree_have_no_difference() -> None:
    """The same orders, executions, positions and cash on both sides; a refused order is in neither."""
    result = audit((FILLED, REFUSED), (FILL,), BEFORE, AFTER)
    assert result.differences == ()
    assert result.compared == "1 orders, 1 executions, commissions, positions, cash"


@pytest.mark.parametrize(
    ("changes", "difference"),
    [
        (
            with_order(status="Cancelled"),
            "order 2: status is FILLED in the engine and Cancelled at the gateway",
        ),
        (with_order(status=""), "order 2: status is FILLED in the engine and not transmitted at the gateway"),
        (with_order(perm_id=9), "order 2: permId is 1 in the engine and 9 at the gateway"),
        (with_order(symbol="MSFT"), "order 2: symbol is AAPL in the engine and MSFT at the gateway"),
        (with_order(action="SELL"), "order 2: action is BUY in the engine and SELL at the gateway"),
        (with_order(total=Decimal(31)), "order 2: size is 30 in the engine and 31 at the gateway"),
        (with_order(filled=Decimal(29)), "order 2: filled is 30 in the engine and 29 at the gateway"),
        (with_order(remaining=Decimal(1)), "order 2: remaining is 0 in the engine and 1 at the gateway"),
        (
            with_order(average_price=Decimal("190.11")),
            "order 2: average price is 190.1 in the engine and 190.11 at the gateway",
        ),
        (
            with_order(commission=Decimal(1)),
            "order 2: commission is 1.00009 in the engine and 1 at the gateway",
        ),
        (
            with_execution(price=Decimal("190.11")),
            f"execution {FILL.exec_id}: BUY 30 at 190.1 in the engine and BUY 30 at 190.11 at the gateway",
        ),
        (
            with_execution(commission=Decimal(1)),
            "commission of 0000e0d5.69000000.01.01: 1.00009 in the engine and 1 at the gateway",
        ),
        (
            {"positions": {ACCOUNT: ()}},
            "position in AAPL: 30 in the engine and 0 at the gateway",
        ),
        (
            {"cash": {ACCOUNT: {"USD": Decimal(4300)}}},
            "cash of DU1234567 in USD: 4295.99991 by the engine's executions and 4300 at the gateway",
        ),
        ({"orders": ()}, "order 2: the engine has it as FILLED, the gateway has none"),
    ],
    ids=lambda value: value.partition(":")[2][:30] if isinstance(value, str) else "",
)
def test_each_number_is_compared(changes: dict[str, Any], difference: str) -> None:
    """One number changed at the gateway is one difference, which names it with both values."""
    found = differences(**changes)
    assert difference in found
    if "orders" not in changes or changes["orders"]:
        assert found == [difference]


def test_an_order_that_only_the_gateway_has_is_a_difference() -> None:
    """The engine must not have missed an order."""
    stranger = attrs.evolve(AFTER.orders[0], order_id=8, executions=())
    found = differences(orders=(*AFTER.orders, stranger))
    assert found == ["order 8: the gateway has it, the engine does not"]


@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (
            lambda fill: attrs.evolve(fill, commission=None),
            "commission of 0000e0d5.69000000.01.01: unknown in the engine and 1.00009 at the gateway",
        ),
        (
            lambda fill: attrs.evolve(fill, exec_id="x.1"),
            "execution x.1: BUY 30 at 190.1 in the engine and missing at the gateway",
        ),
        (
            lambda fill: attrs.evolve(fill, action=Action.SELL),
            "position in AAPL: -30 in the engine and 30 at the gateway",
        ),
    ],
)
def test_each_execution_is_compared(change: Callable[[Fill], Fill], difference: str) -> None:
    """An execution that the engine misread, missed or made up shows."""
    assert difference in differences(fills=(change(FILL),))


def test_a_missed_execution_is_a_difference() -> None:
    """The gateway's executions must all be in the engine."""
    found = differences(fills=())
    assert (
        "execution 0000e0d5.69000000.01.01: missing in the engine and BUY 30 at 190.1 at the gateway" in found
    )
    assert "position in AAPL: 0 in the engine and 30 at the gateway" in found


@pytest.mark.parametrize(
    ("word", "status", "agree"),
    [
        ("Submitted", OrderStatus.SUBMITTED, True),
        ("Submitted", OrderStatus.PARTIALLY_FILLED, True),
        ("Submitted", OrderStatus.PRE_SUBMITTED, False),
        ("PreSubmitted", OrderStatus.PRE_SUBMITTED, True),
        ("PendingCancel", OrderStatus.PENDING_CANCEL, True),
        ("Cancelled", OrderStatus.CANCELLED, True),
        ("ApiCancelled", OrderStatus.CANCELLED, True),
        ("Cancelled", OrderStatus.FILLED, False),
        ("Inactive", OrderStatus.REJECTED, True),
        ("Inactive", OrderStatus.SUBMITTED, False),
        ("Novel", OrderStatus.SUBMITTED, False),
    ],
)
def test_the_gateways_word_and_our_status(word: str, status: OrderStatus, agree: bool) -> None:
    """Each word of the gateway's lets only certain statuses be right; an unknown word lets none."""
    found = differences(attrs.evolve(FILLED, status=status), **with_order(status=word))
    assert (found == []) is agree
