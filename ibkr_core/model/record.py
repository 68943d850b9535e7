"""OrderRecord: everything known about one order at one moment."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import BrokerOrder, Order, price_words
from ibkr_core.model.said import lean_repr, plain, said, with_reason
from ibkr_core.model.status import OrderStatus

__all__ = ["HistoryEntry", "OrderMessage", "OrderRecord", "Request"]

_ZERO = Decimal(0)
_NOTHING: Mapping[str, Decimal] = MappingProxyType({})


class Request(enum.Enum):
    """A request of ours that the broker has not answered yet."""

    NEW = "new"
    MODIFY = "modify"
    CANCEL = "cancel"

    # Members are single objects; Enum's own hash is a slow Python method.
    __hash__ = object.__hash__


@attrs.frozen(kw_only=True)
class HistoryEntry:
    """One step in an order's life.

    Attributes:
        at: When we learned of it, in UTC.
        status: The status after the step.
        what: What happened, in words.
    """

    at: datetime
    status: OrderStatus
    what: str

    def __str__(self) -> str:
        """``14:31:45.123456 SUBMITTED  broker says Submitted``."""
        return f"{self.at:%Y-%m-%d %H:%M:%S.%f} {self.status.value:<16} {self.what}"


@attrs.frozen(kw_only=True)
class OrderMessage:
    """A broker message about an order: a warning, a refusal, or the reason of a rejection.

    Attributes:
        at: When it came, in UTC.
        code: The broker's code; 0 when the reason came inside an openOrder.
        message: The broker's text, possibly localised: judge by the code, never by the text.
        advanced_reject: Advanced rejection details as JSON text, often empty.
    """

    at: datetime
    code: int
    message: str
    advanced_reject: str = ""

    def __str__(self) -> str:
        """One line for people: ``Order held while ... (code 404)``."""
        return with_reason(said(self.message), (f"code {self.code}" if self.code else "",))


@attrs.frozen(kw_only=True)
class OrderRecord:
    """An immutable snapshot of one order.

    Attributes:
        order_id: The API order id. Unique per client and session only; ``perm_id`` is the identity.
        perm_id: The broker's permanent id, None until it is told.
        client_id: The API client that placed it, None when unknown.
        key: The client order key, which travels in ``orderRef``.
        contract: What is traded, as far as known.
        order: What we asked for and the broker did not refuse; None for orders of others.
        broker_order: The broker's last echo of the order.
        status: What is proved about the order.
        broker_status: The broker's last status word, empty before the first.
        total_quantity: The whole size, None while unknown.
        filled_quantity: Filled so far: the executions, or the broker's own count where that is ahead.
        remaining_quantity: Still open, None while the size is unknown.
        broker_remaining: What the broker last said is open; executions may have overtaken it.
        avg_fill_price: Exact average over the executions; the broker's figure where executions are missing.
        fills: Executions that count towards the quantity, in the order they became known.
        leg_fills: Executions of a combo's legs.
        allocation_fills: What the accounts of an advisor's group got of the fills.
        unexplained_quantity: What the broker counts as filled beyond the executions seen so far.
        commissions: Sum of the newest commission reports, by currency.
        pending: Our requests that the broker has not answered.
        reject: Why it was rejected or cancelled, when the broker said so.
        messages: Every broker message about this order, oldest first.
        why_held: The broker's reason for holding it: ``child``, ``trigger``, ``locate`` ….
        parent_id: Order id of the bracket parent, 0 for none.
        oca_group: Name of its one-cancels-all group, empty for none.
        oca_type: What a fill does to that group.
        is_ours: Whether this engine's client placed it.
        retry_count: How often it was sent again.
        submission_time: When it was handed to the engine, None for orders of others.
        sent_time: When its last byte was given to the kernel.
        acknowledged_time: When the broker first answered.
        heard_time: When the broker last showed it or an execution of it.
        last_update_time: When anything about it was last learned.
        finished_time: When it became terminal.
        history: Its life so far.
    """

    order_id: int
    perm_id: int | None = None
    client_id: int | None = None
    key: str = ""
    contract: Contract | None = None
    order: Order | None = None
    broker_order: BrokerOrder | None = None
    status: OrderStatus = OrderStatus.UNKNOWN
    broker_status: str = ""
    total_quantity: Decimal | None = None
    filled_quantity: Decimal = Decimal(0)
    remaining_quantity: Decimal | None = None
    broker_remaining: Decimal | None = None
    avg_fill_price: Decimal | None = None
    fills: tuple[Fill, ...] = ()
    leg_fills: tuple[Fill, ...] = ()
    allocation_fills: tuple[Fill, ...] = ()
    unexplained_quantity: Decimal = Decimal(0)
    commissions: Mapping[str, Decimal] = attrs.field(default=_NOTHING, hash=False)
    pending: tuple[Request, ...] = ()
    reject: OrderMessage | None = None
    messages: tuple[OrderMessage, ...] = ()
    why_held: str = ""
    parent_id: int = 0
    oca_group: str = ""
    oca_type: int = 0
    is_ours: bool = True
    retry_count: int = 0
    submission_time: datetime | None = None
    sent_time: datetime | None = None
    acknowledged_time: datetime | None = None
    heard_time: datetime | None = None
    last_update_time: datetime | None = None
    finished_time: datetime | None = None
    history: tuple[HistoryEntry, ...] = attrs.field(default=(), repr=False)

    def __str__(self) -> str:
        """One line for people: ``#7 BUY 50 AAPL MKT: FILLED 50 of 50 at 190.00``."""
        terms = self.order if self.order is not None else self.broker_order
        aux, percent = (terms.aux_price, terms.trailing_percent) if terms is not None else (None, None)
        price = price_words(self.order_type, self.limit_price, aux, percent)
        size = plain(self.total_quantity) if self.total_quantity is not None else "?"
        average = f" at {plain(self.avg_fill_price)}" if self.avg_fill_price is not None else ""
        what = " ".join(x for x in (self.action, size, said(self.symbol), f"{self.order_type}{price}") if x)
        stands = f"{self.status.value} {plain(self.filled_quantity)} of {size}{average}"
        return with_reason(f"#{self.order_id} {what}: {stands}", (said(self.error_message),))

    __repr__ = lean_repr

    @property
    def is_finished(self) -> bool:
        """Whether the order can neither fill nor come back to life."""
        return self.status.is_finished

    @property
    def is_settled(self) -> bool:
        """Whether the order is finished and the executions of all that it filled were seen.

        The word Filled can come before them (TWS facts 2.5), so FILLED alone does not say it.
        """
        if not self.status.is_finished or self.unexplained_quantity:
            return False
        if self.status is not OrderStatus.FILLED:
            return True
        return bool(self.fills) and (
            self.total_quantity is None or self.filled_quantity >= self.total_quantity
        )

    @property
    def is_told(self) -> bool:
        """Whether it is settled, and of a combo every leg's executions were seen too.

        They come after the combo's own (TWS facts 3), and they are what moves positions.
        """
        return self.is_settled and not self.leg_fills_missing

    @property
    def leg_fills_missing(self) -> tuple[int, ...]:
        """Contract ids of a combo's legs of which less was seen than its own executions say."""
        legs = self.contract.combo_legs if self.contract is not None and self.filled_quantity else ()
        seen: dict[int, Decimal] = {}
        for fill in self.leg_fills if legs else ():
            seen[fill.con_id] = EXACT.add(seen.get(fill.con_id, _ZERO), fill.quantity)
        return tuple(
            leg.con_id
            for leg in legs
            if seen.get(leg.con_id, _ZERO) < EXACT.multiply(self.filled_quantity, Decimal(leg.ratio))
        )

    @property
    def is_working(self) -> bool:
        """Whether the order is known to be alive."""
        return self.status.is_working

    @property
    def symbol(self) -> str:
        """Short name of the instrument, ``?`` when unknown."""
        return self.contract.name if self.contract is not None else "?"

    @property
    def action(self) -> str:
        """``BUY`` or ``SELL``, empty when unknown."""
        if self.order is not None:
            return self.order.action.value
        return self.broker_order.action if self.broker_order is not None else ""

    @property
    def order_type(self) -> str:
        """The official order type, empty when unknown."""
        if self.order is not None:
            return self.order.order_type
        return self.broker_order.order_type if self.broker_order is not None else ""

    @property
    def limit_price(self) -> Decimal | None:
        """The limit that is asked for now, None for none."""
        if self.order is not None:
            return self.order.limit_price
        if self.broker_order is None or "LMT" not in self.broker_order.order_type:
            return None  # echoes of other types hold 0 or a computed price (TWS facts 2.10)
        return self.broker_order.limit_price

    @property
    def error_message(self) -> str:
        """Why it was refused or cancelled, empty when there is no such reason."""
        return self.reject.message if self.reject is not None else ""

    @property
    def error_codes(self) -> tuple[int, ...]:
        """Codes of all messages about this order, oldest first."""
        return tuple(message.code for message in self.messages if message.code)
