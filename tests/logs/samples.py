"""Events to log: one of each kind, about one order, and a source that tells them as an engine does."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from ibkr_core.listeners import Delivery, Dispatcher, Listener, Subscription
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import WhatIfMargin
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.model.session import SessionState
from ibkr_core.model.status import OrderStatus

NOON = datetime(2026, 11, 21, 12, 0, 0, 123456, tzinfo=UTC)
ACCOUNT = "DU1234567"

FILL = Fill(
    exec_id="0000e0d5.69000001.01.01",
    quantity=Decimal(40),
    price=Decimal("190.10"),
    action=Action.BUY,
    time=datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC),
    exchange="ARCA",
    account=ACCOUNT,
    liquidity=2,
    symbol="AAPL",
)
COMMISSIONED = Fill(
    exec_id="0000e0d5.69000001.01.02",
    revision=2,
    quantity=Decimal(40),
    price=Decimal("190.05"),
    action=Action.BUY,
    account=ACCOUNT,
    commission=Decimal("1.0003"),
    commission_currency="USD",
    realized_pnl=Decimal("-12.5"),
    symbol="AAPL",
)
MESSAGE = OrderMessage(at=NOON, code=399, message="Order Message:\nwaits for the opening")
REFUSAL = OrderMessage(at=NOON, code=201, message="Order rejected - reason:no money", advanced_reject="{}")

RECORD = OrderRecord(
    order_id=7,
    perm_id=1376327001,
    client_id=3,
    key="mine-1",
    contract=Contract.stock("AAPL"),
    order=Order.limit("BUY", 100, "190.50", order_ref="mine-1"),
    status=OrderStatus.PARTIALLY_FILLED,
    broker_status="Submitted",
    total_quantity=Decimal(100),
    filled_quantity=Decimal(40),
    remaining_quantity=Decimal(60),
    avg_fill_price=Decimal("190.10"),
    fills=(FILL,),
    commissions={"USD": Decimal("1.0003")},
    parent_id=6,
    oca_group="oca-1",
    submission_time=NOON - timedelta(microseconds=2500),
    sent_time=NOON - timedelta(microseconds=2400),
    acknowledged_time=NOON - timedelta(microseconds=1000),
)
OF_THE_RECORD = {
    "order_id": 7,
    "perm_id": 1376327001,
    "client_id": 3,
    "key": "mine-1",
    "account": ACCOUNT,
    "symbol": "AAPL",
    "currency": "USD",
    "action": "BUY",
    "order_type": "LMT",
    "quantity": "100",
    "limit_price": "190.5",
    "status": "PARTIALLY_FILLED",
    "broker_status": "Submitted",
    "filled_quantity": "40",
    "remaining_quantity": "60",
    "average_price": "190.1",
    "commissions": {"USD": "1.0003"},
    "parent_id": 6,
    "oca_group": "oca-1",
    "submission_time": "2026-11-21T12:00:00.120956Z",
    "send_latency_us": 100,
    "ack_latency_us": 1500,
}
"""What a line says of RECORD, whatever the event."""

_OF_FILL = {
    "exec_id": "0000e0d5.69000001.01.01",
    "fill_quantity": "40",
    "fill_price": "190.1",
    "fill_time": "2026-11-21T12:00:00.000000Z",
    "exchange": "ARCA",
    "liquidity": 2,
}
_OF_COMMISSIONED = {
    "exec_id": "0000e0d5.69000001.01.02",
    "fill_quantity": "40",
    "fill_price": "190.05",
    "commission": "1.0003",
    "commission_currency": "USD",
    "realized_pnl": "-12.5",
}
_OF_MESSAGE = {"code": 399, "message": "Order Message:\nwaits for the opening"}
_FIRST = {"first_fill_latency_us": 2500}


def _rejected() -> OrderRecord:
    return OrderRecord(order_id=9, status=OrderStatus.REJECTED, reject=REFUSAL)


ORDER_EVENTS: tuple[tuple[type[events.OrderEvent], dict[str, Any], dict[str, Any]], ...] = (
    (events.OrderEvent, {}, {}),
    (events.OrderSubmitted, {}, {}),
    (events.OrderAcknowledged, {}, {}),
    (
        events.OrderStatusChanged,
        {"previous": OrderStatus.SUBMITTED, "current": OrderStatus.PARTIALLY_FILLED},
        {"previous_status": "SUBMITTED"},
    ),
    (events.ExecutionReceived, {"fill": FILL}, _OF_FILL | _FIRST),
    (events.OrderPartiallyFilled, {"fill": FILL}, _OF_FILL | _FIRST),
    (events.OrderFilled, {"fill": FILL}, _OF_FILL | _FIRST),
    (events.OrderCancelled, {}, {}),
    (events.OrderRejected, {}, {}),
    (
        events.OrderModified,
        {"previous": Order.limit("BUY", 80, "190.25")},
        {"previous_quantity": "80", "previous_limit_price": "190.25"},
    ),
    (events.ModifyRefused, {"message": MESSAGE}, _OF_MESSAGE),
    (events.CancelRequested, {}, {}),
    (events.CancelRefused, {"message": MESSAGE}, _OF_MESSAGE),
    (events.UnownedOrderFound, {}, {}),
    (
        events.PositionUnprotected,
        {
            "open_quantity": Decimal(10),
            "covered": Decimal(4),
            "missing": Decimal("6.0"),
            "waiting": Decimal(0),
            "reason": "#9 is CANCELLED",
        },
        {"open_quantity": "10", "covered": "4", "missing": "6", "waiting": "0", "reason": "#9 is CANCELLED"},
    ),
    (events.PositionProtected, {"open_quantity": Decimal(10)}, {"open_quantity": "10"}),
    (
        events.StopMoveFailed,
        {"wanted": Decimal("100.50"), "reason": "refused with 110"},
        {"wanted": "100.5", "reason": "refused with 110"},
    ),
    (events.OrderUnresolved, {"why": "listed no more"}, {"reason": "listed no more"}),
    (
        events.RetryScheduled,
        {"attempt": 2, "delay_s": 0.25, "code": 10006},
        {"attempt": 2, "delay_s": 0.25, "code": 10006},
    ),
    (events.OrderUncertain, {"reason": "sent into the dark"}, {"reason": "sent into the dark"}),
    (events.OrderWarning, {"message": MESSAGE}, _OF_MESSAGE),
    (
        events.ExecutionCorrected,
        {
            "previous": FILL,
            "fill": COMMISSIONED,
            "quantity_delta": Decimal(0),
            "value_delta": Decimal("-2.00"),
        },
        {
            **_OF_COMMISSIONED,
            "previous_exec_id": "0000e0d5.69000001.01.01",
            "previous_fill_quantity": "40",
            "previous_fill_price": "190.1",
            "quantity_delta": "0",
            "value_delta": "-2",
        },
    ),
    (events.CommissionReported, {"fill": COMMISSIONED}, _OF_COMMISSIONED),
)
"""Kind, what it tells beside the record, and what the line says beside the record."""

OTHER_EVENTS: tuple[tuple[type[events.Event], dict[str, Any], dict[str, Any]], ...] = (
    (events.Event, {}, {}),
    (
        events.WhatIfAnswered,
        {"order_id": 8, "margin": WhatIfMargin(initial_change=Decimal("100.50"), commission=Decimal(1))},
        {"order_id": 8, "margin_initial_change": "100.5", "margin_commission": "1"},
    ),
    (events.AnomalyDetected, {"what": "odd"}, {"reason": "odd"}),
    (
        events.UnattributedExecution,
        {"fill": FILL},
        {**_OF_FILL, "account": ACCOUNT, "symbol": "AAPL", "action": "BUY"},
    ),
    (
        events.BrokerMessage,
        {"request_id": -1, "code": 2104, "message": "farm"},
        {"code": 2104, "message": "farm"},
    ),
    (
        events.Connected,
        {"server_version": 226, "client_id": 3},
        {"server_version": 226, "client_id": 3},
    ),
    (
        events.Synchronised,
        {"accounts": (ACCOUNT, "U7654321"), "open_orders": 0},
        {"accounts": [ACCOUNT, "U7654321"], "open_orders": 0},
    ),
    (
        events.SessionChanged,
        {
            "previous": SessionState.READY,
            "current": SessionState.GAP,
            "reason": "reset",
            "can_trade": False,
            "is_expected": True,
        },
        {
            "previous_state": "ready",
            "state": "gap",
            "reason": "reset",
            "can_trade": False,
            "is_expected": True,
        },
    ),
    (events.Resumed, {"gap_s": 1.5}, {"gap_s": 1.5}),
    (
        events.PositionDiffers,
        {
            "account": ACCOUNT,
            "contract": Contract.stock("AAPL", con_id=265598),
            "expected": Decimal("-7.50"),
            "told": Decimal(0),
        },
        {"account": ACCOUNT, "symbol": "AAPL", "con_id": 265598, "expected": "-7.5", "told": "0"},
    ),
    (
        events.StrategyUnfinished,
        {
            "call": "close_position",
            "key": "k1",
            "strategy": "1 x single: BUY 1 AAPL",
            "order_ids": (7,),
            "error_message": "SELL 0 of 1 AAPL",
        },
        {
            "call": "close_position",
            "key": "k1",
            "strategy": "1 x single: BUY 1 AAPL",
            "order_ids": [7],
            "error_message": "SELL 0 of 1 AAPL",
        },
    ),
    (events.JournalBroken, {"error": "disk full"}, {"error": "disk full"}),
    (events.JournalRestored, {}, {}),
    (events.TradingHalted, {"reason": "enough"}, {"reason": "enough"}),
    (events.HaltConfirmed, {}, {}),
    (events.TradingReleased, {}, {}),
    (
        events.RiskGateRefused,
        {
            "contract": Contract.stock("AAPL", con_id=265598),
            "account": ACCOUNT,
            "order_id": None,
            "key": "k1",
            "action": "BUY",
            "quantity": Decimal("1000.0"),
            "order_type": "LMT",
            "limit_price": Decimal("190.50"),
            "gate": "order size",
            "argument": "quantity",
            "limit": "500",
            "value": "1000",
            "reason": "1000 is more than 500",
        },
        {
            "symbol": "AAPL",
            "con_id": 265598,
            "account": ACCOUNT,
            "key": "k1",
            "action": "BUY",
            "quantity": "1000",
            "order_type": "LMT",
            "limit_price": "190.5",
            "gate": "order size",
            "argument": "quantity",
            "limit": "500",
            "value": "1000",
            "reason": "1000 is more than 500",
        },
    ),
    (
        events.RiskGateFailed,
        {"gate": "mine", "error": "ValueError: x"},
        {"gate": "mine", "error": "ValueError: x"},
    ),
    (events.RiskLimitsChanged, {"previous": "none", "current": "a"}, {"previous": "none", "current": "a"}),
    (
        events.EfficiencyWarning,
        {"messages": 400, "filled_orders": 3},
        {"messages": 400, "filled_orders": 3},
    ),
    (events.ConnectionLost, {"reason": "reset"}, {"reason": "reset"}),
    (events.Disconnected, {}, {}),
    (events.ListenerFailed, {"listener": "f", "error": "boom"}, {"listener": "f", "error": "boom"}),
    (events.CallbackFailed, {"error": "boom"}, {"error": "boom"}),
)
"""Kind, what it tells, and what the line says."""


def rejected() -> events.OrderRejected:
    """A rejection of an order of which next to nothing is known."""
    return events.OrderRejected(at=NOON, seq=1, record=_rejected())


def warning(seq: int, at: datetime = NOON, text: str = "hm") -> events.CallbackFailed:
    """A small event that is about no order."""
    return events.CallbackFailed(at=at, seq=seq, error=text)


class Source:
    """Tells events as an engine does: through the engine's own dispatcher."""

    def __init__(self) -> None:
        self._dispatcher = Dispatcher(lambda name, error: warning(0, text=f"{name}: {error}"))  # type: ignore[arg-type, return-value]

    def on(self, kind: type[events.Event], listener: Listener, delivery: Delivery, /) -> Subscription:
        """Listen."""
        return self._dispatcher.subscribe((kind,), listener, delivery, None)

    def tell(self, *told: events.Event) -> None:
        """Deliver events on this thread."""
        self._dispatcher.post(told)
        self._dispatcher.drain()
