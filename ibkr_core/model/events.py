"""Events: what the engine tells its listeners, in the past tense.

Each has a sequence number that grows by one over the engine's life, and the moment (UTC) at which we
learned of it. Order events carry the order as the callback or call left it that brought them.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Protocol

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import WhatIfMargin
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.model.said import said
from ibkr_core.model.session import SessionState
from ibkr_core.model.status import OrderStatus

__all__ = [
    "AnomalyDetected",
    "BrokerMessage",
    "CallbackFailed",
    "CancelRefused",
    "CancelRequested",
    "CommissionReported",
    "Connected",
    "ConnectionLost",
    "Disconnected",
    "EfficiencyWarning",
    "Event",
    "ExecutionCorrected",
    "ExecutionReceived",
    "HaltConfirmed",
    "JournalBroken",
    "JournalRestored",
    "ListenerFailed",
    "ModifyRefused",
    "OrderAcknowledged",
    "OrderCancelled",
    "OrderEvent",
    "OrderFilled",
    "OrderModified",
    "OrderPartiallyFilled",
    "OrderRejected",
    "OrderStatusChanged",
    "OrderSubmitted",
    "OrderUncertain",
    "OrderUnresolved",
    "OrderWarning",
    "PositionDiffers",
    "PositionProtected",
    "PositionUnprotected",
    "Resumed",
    "RetryScheduled",
    "RiskGateFailed",
    "RiskGateRefused",
    "RiskLimitsChanged",
    "SessionChanged",
    "StopMoveFailed",
    "StrategyUnfinished",
    "Synchronised",
    "TradingHalted",
    "TradingReleased",
    "UnattributedExecution",
    "UnownedOrderFound",
    "WhatIfAnswered",
]


@attrs.frozen(kw_only=True)
class Event:
    """Base of all events.

    Attributes:
        at: When we learned of it, in UTC.
        seq: Grows by one with each event of an engine.
        is_dry_run: Whether it is of a dry run, where nothing is real (see ``Engine.dry_run``).
    """

    at: datetime
    seq: int = 0
    is_dry_run: bool = False

    def __str__(self) -> str:
        """One line for people: the moment, what happened, the order, and what else there is to say."""
        record = getattr(self, "record", None)
        told = [str(record)] if record is not None else []
        for field in attrs.fields(type(self)):
            value = getattr(self, field.name)
            if field.name not in _TOLD_FIRST and value is not None and value != "":
                told.append(f"{field.name} {said(value)}")
        dry = " DRY_RUN" if self.is_dry_run else ""
        return f"{self.at:%Y-%m-%d %H:%M:%S.%f}{dry} {type(self).__name__}: {'; '.join(told)}".removesuffix(
            ": "
        )


_TOLD_FIRST = frozenset({"at", "seq", "is_dry_run", "record", "shown"})


class Picture(Protocol):
    """An order's record that is made when somebody looks."""

    @property
    def order_id(self) -> int:
        """The order's id."""

    @property
    def parent_id(self) -> int:
        """Order id of the bracket parent, 0 for none."""

    @property
    def order(self) -> Order | None:
        """The order's terms."""

    def record(self) -> OrderRecord:
        """Return it."""

    def brief(self) -> object:
        """Return what a line about the order needs, which costs less. For whoever holds the state lock."""


def _looked_at(record: OrderRecord | Picture) -> OrderRecord:
    return record if isinstance(record, OrderRecord) else record.record()


@attrs.frozen(kw_only=True)
class OrderEvent(Event):
    """Base of all events about one order; ``record`` is the order right after what brought the event.

    One callback can bring several events: all of them show the order as the callback left it.
    """

    shown: OrderRecord | Picture = attrs.field(
        alias="record", eq=_looked_at, repr=lambda held: repr(_looked_at(held))
    )

    @property
    def record(self) -> OrderRecord:
        """The order right after the callback or the call that brought the event."""
        return _looked_at(self.shown)

    def brief(self) -> object:
        """Return the record, or where nobody has looked at it yet, less of it. For the journal."""
        held = self.shown
        return held if type(held) is OrderRecord else held.brief()  # type: ignore[union-attr]  # else a picture

    @property
    def order_id(self) -> int:
        """The order's id."""
        return self.shown.order_id

    @property
    def parent_id(self) -> int:
        """Order id of the bracket parent, 0 for none."""
        return self.shown.parent_id

    @property
    def terms(self) -> Order | None:
        """The order's terms, as ``record.order``; looking at them alone costs less than the whole record."""
        return self.shown.order


@attrs.frozen(kw_only=True)
class OrderSubmitted(OrderEvent):
    """The engine accepted the order and is about to send it."""


@attrs.frozen(kw_only=True)
class OrderAcknowledged(OrderEvent):
    """The broker answered for the first time: it knows the order."""


@attrs.frozen(kw_only=True)
class OrderStatusChanged(OrderEvent):
    """The proved status changed.

    Attributes:
        previous: The status before.
        current: The status now.
    """

    previous: OrderStatus
    current: OrderStatus


@attrs.frozen(kw_only=True)
class ExecutionReceived(OrderEvent):
    """A new execution was booked. Count money by this event: it comes exactly once per execution."""

    fill: Fill


@attrs.frozen(kw_only=True)
class OrderPartiallyFilled(OrderEvent):
    """An execution left the order partly filled."""

    fill: Fill


@attrs.frozen(kw_only=True)
class OrderFilled(OrderEvent):
    """The order became completely filled. ``fill`` is None when only the status told so."""

    fill: Fill | None = None


@attrs.frozen(kw_only=True)
class OrderCancelled(OrderEvent):
    """The rest of the order is confirmed dead."""


@attrs.frozen(kw_only=True)
class OrderRejected(OrderEvent):
    """The order was refused. ``record.reject`` says why."""


@attrs.frozen(kw_only=True)
class OrderModified(OrderEvent):
    """The broker works the order at new terms."""

    previous: Order


@attrs.frozen(kw_only=True)
class ModifyRefused(OrderEvent):
    """A modification was refused; the order is alive at the terms it had."""

    message: OrderMessage


@attrs.frozen(kw_only=True)
class CancelRequested(OrderEvent):
    """A cancel was asked for. The order may still fill."""


@attrs.frozen(kw_only=True)
class CancelRefused(OrderEvent):
    """A cancel was refused; the message names the state where the broker did."""

    message: OrderMessage


@attrs.frozen(kw_only=True)
class OrderUncertain(OrderEvent):
    """Alarm: nothing is proved about the order any more. The broker is asked; do not send it again.

    Attributes:
        reason: Why, in words: no answer in time, the connection, a code, a list that lacks it.
    """

    reason: str


@attrs.frozen(kw_only=True)
class OrderWarning(OrderEvent):
    """A broker message that does not change the order."""

    message: OrderMessage


@attrs.frozen(kw_only=True)
class ExecutionCorrected(OrderEvent):
    """The broker replaced an execution by a newer revision.

    Attributes:
        previous: The execution as it was booked.
        fill: The execution as it is now.
        quantity_delta: Change of the filled quantity.
        value_delta: Change of quantity times price.
    """

    previous: Fill
    fill: Fill
    quantity_delta: Decimal
    value_delta: Decimal


@attrs.frozen(kw_only=True)
class CommissionReported(OrderEvent):
    """The commission of a fill became known, or changed."""

    fill: Fill


@attrs.frozen(kw_only=True)
class WhatIfAnswered(Event):
    """The broker answered a what-if order. Nothing was placed; no record exists.

    Attributes:
        order_id: The id that the what-if went out with.
        margin: What it answered.
    """

    order_id: int | None
    margin: WhatIfMargin


@attrs.frozen(kw_only=True)
class AnomalyDetected(Event):
    """The broker said something that cannot be. It is recorded and changed nothing it should not.

    Attributes:
        what: In words.
        record: The order that it is about; None for none.
    """

    what: str
    record: OrderRecord | None = None


@attrs.frozen(kw_only=True)
class UnattributedExecution(Event):
    """An execution that belongs to no order (TWS facts 3: trades from outside IB)."""

    fill: Fill


@attrs.frozen(kw_only=True)
class BrokerMessage(Event):
    """A broker message that is about no order: connectivity, farms, other requests.

    Attributes:
        request_id: The request that it answers, -1 for none.
        code: The broker's code.
        message: Its text.
    """

    request_id: int
    code: int
    message: str


@attrs.frozen(kw_only=True)
class Connected(Event):
    """The socket is up and the session has begun; orders are not known yet.

    Attributes:
        server_version: The protocol version that was agreed on.
        client_id: Our API client id.
    """

    server_version: int
    client_id: int


@attrs.frozen(kw_only=True)
class Synchronised(Event):
    """The broker's open orders, executions, completed orders and positions were taken over.

    Orders may be sent from now on, unless the session is degraded by something that forbids it. Comes after
    each start, reconnect, 1101 and 1102.

    Attributes:
        accounts: The accounts of this login.
        open_orders: How many orders are known to work.
    """

    accounts: tuple[str, ...]
    open_orders: int


@attrs.frozen(kw_only=True)
class SessionChanged(Event):
    """The session with the broker is in another state now.

    Attributes:
        previous: The state before.
        current: The state now.
        reason: Why, in words.
        can_trade: Whether new orders are taken now.
        is_expected: Whether this falls into an announced restart of the gateway, so that nobody need be
            woken.
    """

    previous: SessionState
    current: SessionState
    reason: str
    can_trade: bool
    is_expected: bool = False


@attrs.frozen(kw_only=True)
class Resumed(Event):
    """After a gap, the broker's state was taken over again: nothing that happened meanwhile is missing.

    Attributes:
        gap_s: How long the gap was, in seconds.
    """

    gap_s: float


@attrs.frozen(kw_only=True)
class UnownedOrderFound(OrderEvent):
    """Alarm: a live order carries our client id, but this engine did not place it and nobody adopted it.

    It can be cancelled, or taken over with ``engine.adopt``. Told once for each order.
    """


@attrs.frozen(kw_only=True)
class OrderUnresolved(OrderEvent):
    """Alarm: the broker lists an order no more, and can no longer tell how it ended.

    It tells executions and completed orders of the day only. Look it up in your statement, then call
    ``engine.declare_ended``. Told once in each run.

    Attributes:
        why: In words.
    """

    why: str


@attrs.frozen(kw_only=True)
class PositionDiffers(Event):
    """Alarm: the broker's position is not what the fills make of it. Nothing was overwritten.

    Attributes:
        account: The account.
        contract: What is held.
        expected: By the last position that agreed, and the fills since.
        told: By the broker.
    """

    account: str
    contract: Contract
    expected: Decimal
    told: Decimal


@attrs.frozen(kw_only=True)
class StrategyUnfinished(Event):
    """Alarm: closing or rolling a strategy ended with something left that nobody may be watching over.

    Told when legs were traded but not all, and when exits were cancelled and the position, or what was held
    beyond it, stayed.

    Attributes:
        call: ``close_position`` or ``roll_position``.
        key: The key of the call: the same call with it goes on where this one ended.
        strategy: What was to be closed or rolled, in words.
        order_ids: The orders that were sent for it.
        error_message: What is left, in words.
    """

    call: str
    key: str
    strategy: str
    order_ids: tuple[int, ...]
    error_message: str


@attrs.frozen(kw_only=True)
class PositionUnprotected(OrderEvent):
    """Alarm: an entry has filled more than its exits would close: they are cancelled, rejected, reduced ….

    ``record`` is the entry. Told once; again when more is missing than was told, or after it was in order.

    Attributes:
        open_quantity: What the entry opened and nothing has closed.
        covered: How much of that its working exits would close.
        missing: The rest.
        waiting: How much more exits would close that the broker holds until the entry is completely filled.
        reason: What is wrong with which exit, in words.
    """

    open_quantity: Decimal
    covered: Decimal
    missing: Decimal
    waiting: Decimal
    reason: str


@attrs.frozen(kw_only=True)
class PositionProtected(OrderEvent):
    """What :class:`PositionUnprotected` told is over: exits cover the entry again, or it was closed.

    Attributes:
        open_quantity: What is still open.
    """

    open_quantity: Decimal


@attrs.frozen(kw_only=True)
class StopMoveFailed(OrderEvent):
    """Alarm: a stop that should move to break-even could not be moved; it works where it was.

    Attributes:
        wanted: Where it should be.
        reason: Why it is not there, in words.
    """

    wanted: Decimal
    reason: str


@attrs.frozen(kw_only=True)
class RetryScheduled(OrderEvent):
    """A request that the broker turned down for now will be sent again.

    Attributes:
        attempt: 1 for the first repetition.
        delay_s: When, in seconds from now.
        code: The broker's code.
    """

    attempt: int
    delay_s: float
    code: int


@attrs.frozen(kw_only=True)
class JournalBroken(Event):
    """Alarm: the journal cannot be written. New orders are refused; cancels and facts are still taken.

    What is recorded waits in memory, and writing is tried again by itself. Told once for a fault, however
    long it lasts, also where only a part cannot be written.

    Attributes:
        error: The error's text: the file, what is wrong, what to do.
    """

    error: str


@attrs.frozen(kw_only=True)
class JournalRestored(Event):
    """The journal can be written again; nothing that happened meanwhile is missing in it."""


@attrs.frozen(kw_only=True)
class TradingHalted(Event):
    """New orders are refused from now on, and all working orders are being cancelled.

    Attributes:
        reason: What the caller of ``engine.halt`` gave.
    """

    reason: str


@attrs.frozen(kw_only=True)
class HaltConfirmed(Event):
    """The broker's lists showed after a halt that no order works any more. Positions are untouched."""


@attrs.frozen(kw_only=True)
class TradingReleased(Event):
    """A halt was lifted: new orders are taken again."""


@attrs.frozen(kw_only=True)
class RiskGateRefused(Event):
    """A risk gate said no: the caller got :class:`~ibkr_core.errors.RiskRefused`, and nothing was sent.

    Attributes:
        contract: What was to be traded.
        account: Where, empty for the only account.
        order_id: The order whose modification was refused; None for a new order, which got no id.
        key: The client order key, where the caller had given one.
        action: ``BUY`` or ``SELL``.
        quantity: The quantity that was asked for.
        order_type: The official order type.
        limit_price: The limit that was asked for, None for none.
        gate: Which gate, such as ``order size``.
        argument: What of the order broke the limit.
        limit: The limit, as text; empty where the gate failed.
        value: What it was compared with, as text.
        reason: All of it, in words.
    """

    contract: Contract
    account: str
    order_id: int | None
    key: str
    action: str
    quantity: Decimal
    order_type: str
    limit_price: Decimal | None
    gate: str
    argument: str
    limit: str
    value: str
    reason: str


@attrs.frozen(kw_only=True)
class RiskGateFailed(Event):
    """Alarm: a risk gate, or a source that it asks, raised. An order that it was to judge is refused.

    Attributes:
        gate: Which gate or source.
        error: What it raised, in words.
    """

    gate: str
    error: str


@attrs.frozen(kw_only=True)
class RiskLimitsChanged(Event):
    """The risk limits were changed at run time.

    Attributes:
        previous: The limits before, in words.
        current: The limits now, in words.
    """

    previous: str
    current: str


@attrs.frozen(kw_only=True)
class EfficiencyWarning(Event):
    """Too many messages for too few fills: the broker may restrict the account (order efficiency ratio).

    Attributes:
        messages: New orders, modifications and cancels so far.
        filled_orders: Orders that had a fill.
    """

    messages: int
    filled_orders: int


@attrs.frozen(kw_only=True)
class ConnectionLost(Event):
    """The socket is gone. Orders keep working at the broker; nothing can be sent until it is made again.

    Attributes:
        reason: Why, in words.
    """

    reason: str


@attrs.frozen(kw_only=True)
class Disconnected(Event):
    """We closed the connection. Orders keep working at the broker."""


@attrs.frozen(kw_only=True)
class ListenerFailed(Event):
    """A listener raised. Others were not affected.

    Attributes:
        listener: Its name.
        error: What it raised, in words.
    """

    listener: str
    error: str


@attrs.frozen(kw_only=True)
class CallbackFailed(Event):
    """A callback raised, a message could not be decoded, or something due failed; the session goes on.

    Attributes:
        error: What was raised, in words.
    """

    error: str
