"""What a real gateway refuses, and with which code: pure checks over an order and what surrounds it.

A check either raises the refusal, or returns the broker's reason as text, empty when there is none to object.
Codes are those of TWS facts 6 and 7.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import ROUND_DOWN, Decimal

import attrs

from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec, Phase
from ibkr_core.gateway.refusals import RefusalError

__all__ = [
    "Restrictions",
    "beyond_price_cap",
    "check_against",
    "check_attachable",
    "check_expiry",
    "check_group",
    "check_modifiable",
    "check_resizable",
    "check_same_order",
    "check_size",
    "check_terms",
    "not_cancellable",
    "not_in_cancellable_state",
    "sized",
]

_SHARE_STEP = Decimal("0.0001")
_FRACTIONAL_TYPES = frozenset({"MKT", "LMT", "STP", "STP LMT"})
_STARTS_ON_CONDITION = frozenset({"LMT", "MKT", "MIDPRICE", "REL", "SNAP MKT", "SNAP MID", "SNAP PRIM"})
_ENDS_ON_CONDITION = frozenset({"LMT", "MIDPRICE"})
_BLOCK = 50
_MAX_DISCRETION = Decimal(10) ** 9
_HIDES = frozenset({"SMART", "ISLAND", "NASDAQ", "ARCA", "BATS", "EDGX"})


def sized(instrument: Instrument, spec: OrderSpec, quote: Quote) -> OrderSpec:
    """Turn an amount of money into units, at the order's limit or else at the quote.

    Raises:
        RefusalError: 10244 for anything but currencies and stocks, and for more than money alone.
    """
    cash = spec.terms.cash
    if cash is None or spec.quantity:
        return spec
    if instrument.sec_type not in {"CASH", "STK"} or spec.order_type not in {"MKT", "LMT"}:
        raise RefusalError(10244, "Cash Quantity cannot be used for this order")
    price = spec.limit or (quote.ask if spec.action == "BUY" else quote.bid)
    step = Decimal(1) if instrument.sec_type == "CASH" else _SHARE_STEP
    quantity = (cash / price).quantize(step, ROUND_DOWN) if price > 0 else Decimal(0)
    if quantity <= 0:
        raise RefusalError(10244, "Cash Quantity cannot be used for this order")
    return attrs.evolve(spec, quantity=quantity)


def check_terms(instrument: Instrument, spec: OrderSpec, exchange: str, now: float) -> None:
    """Hold the terms of an order against its instrument and the present.

    Args:
        instrument: What it trades.
        spec: What is asked for.
        exchange: Its destination.
        now: Seconds since the epoch.

    Raises:
        RefusalError: 117 for a block too small, 148 for a type that cannot have conditions, 152 for a hidden
            order where there is no such thing, 168 for a discretionary amount between two ticks, 391 for an
            end that has passed, 10247 for parts of a share anywhere but at SMART.
    """
    if spec.terms.hidden and (instrument.sec_type != "STK" or exchange not in _HIDES):
        raise RefusalError(152, 'The "hidden" order attribute may not be specified for this order.')
    if spec.quantity % 1 and exchange != "SMART":
        raise RefusalError(10247, "Only IB SmartRouting supports fractional shares")
    if spec.fields.get("blockOrder") and spec.quantity < _BLOCK:
        raise RefusalError(117, "The block order size must be at least 50.")
    discretionary = Decimal(str(spec.fields.get("discretionaryAmt", 0)))
    if not discretionary.is_finite() or abs(discretionary) > _MAX_DISCRETION:
        raise RefusalError.invalid("Invalid discretionary amount")
    if not instrument.on_tick(discretionary):
        text = "Discretionary amount does not conform to the minimum price variation for this contract."
        raise RefusalError(168, text)
    starts = spec.terms.conditions and not spec.terms.conditions_cancel
    if (starts and spec.order_type not in _STARTS_ON_CONDITION) or (
        spec.terms.conditions and not starts and spec.order_type not in _ENDS_ON_CONDITION
    ):
        text = (
            "Conditional submission of orders is supported for Limit, Market, MidPrice, Relative and Snap "
            "order types only. Conditional cancelation of orders is supported for Limit and MidPrice order "
            "types only."
        )
        raise RefusalError(148, text)
    if spec.terms.good_till is not None and spec.terms.good_till <= now:
        raise RefusalError(391, "The time-in-force date or time has passed.")


@attrs.define
class Restrictions:
    """What may not be traded now, whatever an order says.

    Attributes:
        halted: Contract ids in which trading is halted.
        barred: Contract ids that accounts may not trade.
        hard_to_borrow: Contract ids of which no shares can be borrowed for short sales.
        most_active: Active orders of one side in one contract and account; more are rejected with 201, as
            by a real gateway (TWS facts 6). None for any number.
    """

    halted: set[int] = attrs.field(factory=set)
    barred: set[int] = attrs.field(factory=set)
    hard_to_borrow: set[int] = attrs.field(factory=set)
    most_active: int | None = None

    def check(self, instrument: Instrument) -> None:
        """See whether an instrument may be traded.

        Raises:
            RefusalError: 154 when it is halted, 203 when it is barred.
        """
        if instrument.con_id in self.halted:
            raise RefusalError(154, "Orders cannot be transmitted for a halted security.")
        if instrument.con_id in self.barred:
            raise RefusalError(203, "The security is not available or allowed for this account.")

    def must_locate(self, order: GatewayOrder, held: Decimal) -> bool:
        """Whether shares have to be found before an order may sell them; it is held until then (code 404).

        Args:
            order: A new order.
            held: Signed units in its account.
        """
        short = order.spec.action == "SELL" and order.total > held
        return short and order.instrument.con_id in self.hard_to_borrow

    def too_many(self, order: GatewayOrder, live: Iterable[GatewayOrder]) -> str:
        """Why an order is one too many; empty when it is not."""
        if self.most_active is None:
            return ""
        active = sum(
            one.instrument is order.instrument
            and one.account == order.account
            and one.spec.action == order.spec.action
            for one in live
        )
        if active < self.most_active:
            return ""
        return f"You already have {active} active orders on this side of the contract in this account."


def check_size(instrument: Instrument, spec: OrderSpec) -> None:
    """Hold a size against the least and the step that the contract details of an instrument name.

    Raises:
        RefusalError: 388 for a size that is too small, 355 for one between two steps.
    """
    least = Decimal(instrument.details.get("minSize", 0))
    if 0 < spec.quantity < least:
        raise RefusalError(
            388,
            f"Order size is smaller than the minimum requirement of {least:f}.",
        )
    step = Decimal(instrument.details.get("sizeIncrement", 0))
    if step and spec.quantity % step:
        raise RefusalError(355, "Order size does not conform to market rule.")


def check_expiry(instrument: Instrument, now: float) -> None:
    """See whether a contract still exists.

    Raises:
        RefusalError: 392 when it has expired, 10254 for a bond.
    """
    today = f"{eastern(now):%Y%m%d}"
    if instrument.expiry and instrument.expiry < today:
        if instrument.sec_type == "BOND":
            raise RefusalError(10254, "Invalid Order: bond expired")
        raise RefusalError(392, "Invalid order: contract expired.")


def check_resizable(order: GatewayOrder, spec: OrderSpec) -> None:
    """See whether an order's size is one that a modification may touch.

    Raises:
        RefusalError: 10241 for a size in money, 10242 for one with parts of a unit.
    """
    tail = "via API. Please use desktop version to revise this order."
    if order.spec.terms.cash is not None or (spec.terms.cash is not None and not spec.quantity):
        text = f"Order Quantity is expressed in monetary terms. Modification is not supported {tail}"
        raise RefusalError(10241, text)
    if order.total % 1:
        raise RefusalError(10242, f"Fractional-sized order cannot be modified {tail}")


def check_against(instrument: Instrument, spec: OrderSpec, *, fractional: bool = False) -> None:
    """Hold an order against its instrument.

    Args:
        instrument: What it trades.
        spec: What is asked for.
        fractional: Whether parts of a share are traded at all.

    Raises:
        RefusalError: 387 for an index, which nobody can trade; 109 for a price that is not above zero where
            it must be; 110 for a price between two ticks; for a part of a unit 10243 where there is none,
            10245 for anything but stocks, 10246 for an order type that cannot have it.
    """
    if instrument.sec_type == "IND":
        raise RefusalError(387, "Unsupported order type for this exchange and security type.")
    if instrument.sec_type not in {"FUT", "BAG"} and any(price <= 0 for price in spec.prices()):
        raise RefusalError(109, "Price is out of the range defined by the Percentage setting.")
    if not all(instrument.on_tick(price) for price in spec.prices()):
        text = "The price does not conform to the minimum price variation for this contract."
        raise RefusalError(110, text)
    step = Decimal(instrument.details.get("sizeIncrement", 1))
    if not spec.quantity % 1 or step < 1:  # what has parts by nature has its own rule
        return
    if not fractional:
        tail = "Please use desktop version to place this order."
        raise RefusalError(10243, f"Fractional-sized order cannot be placed via API. {tail}")
    if instrument.sec_type != "STK":
        raise RefusalError(10245, "This financial instrument does not support fractional shares trading")
    if spec.order_type not in _FRACTIONAL_TYPES or spec.quantity % _SHARE_STEP:
        raise RefusalError(10246, "This order doesn't support fractional shares trading")


def check_attachable(parent: GatewayOrder | None, spec: OrderSpec) -> None:
    """See whether an order may be the child of another.

    Args:
        parent: What the client's ``parentId`` names; None when there is no such order.
        spec: The child.

    Raises:
        RefusalError: 10006 when the parent is unknown or done, 10236 for a child of an all-or-none order that
            is not all-or-none itself, 328 for a trailing stop on anything but a
            limit or stop-limit order.
    """
    if parent is None or parent.phase is Phase.DONE:
        raise RefusalError(10006, "Missing parent order")
    if parent.spec.terms.all_or_none and not spec.terms.all_or_none:
        raise RefusalError(10236, "Child has to be AON if parent order is AON")
    if spec.kind.trails and parent.spec.order_type not in {"LMT", "STP LMT"}:
        text = "Trailing stop orders can be attached to limit or stop-limit orders only."
        raise RefusalError(328, text)


def check_group(account: str, accounts: set[str]) -> None:
    """See whether an order may join an OCA group whose live members belong to ``accounts``.

    Raises:
        RefusalError: 10224 when its own account is another.
    """
    if accounts - {account}:
        text = "One-cancels-all group of orders should contain orders with exactly the same account."
        raise RefusalError(10224, text)


def check_modifiable(order: GatewayOrder) -> None:
    """See whether an order may be modified at all.

    Raises:
        RefusalError: 104 when it is filled, 103 when it ended otherwise (its id is spent), 2102 while a
            cancel is on its way.
    """
    if order.phase is Phase.DONE:
        if order.status == "Filled":
            raise RefusalError(104, "Cannot modify a filled order.")
        raise RefusalError(103, "Duplicate order id")
    if order.cancelling:
        raise RefusalError(2102, "Unable to modify this order as it is still being processed.")


def check_same_order(order: GatewayOrder, instrument: Instrument, spec: OrderSpec) -> None:
    """See whether a modification changes only what may change: price, size, type to market or limit, TIF.

    Args:
        order: The order as it is.
        instrument: What the modification names.
        spec: What it asks for.

    Raises:
        RefusalError: 105 for another instrument, side or account; 329 for another type; 440 for another
            algorithm; 10326 for another OCA group, 10327 for another type of it; 422 for another clearing
            account; 135 when it still names a parent that is gone; 10341 for another parent; 134 when
            no more than the filled quantity is wanted.
    """
    old = order.spec
    same_account = (spec.account or order.account) == order.account
    if instrument is not order.instrument or spec.action != old.action or not same_account:
        raise RefusalError(105, "Order being modified does not match original order.")
    if spec.order_type not in {old.order_type, "MKT", "LMT"}:
        raise RefusalError(329, "Order modify failed. Cannot change to the new order type.")
    if spec.fields.get("algoStrategy", "") != old.fields.get("algoStrategy", ""):
        raise RefusalError(440, "Order modify failed. Algorithm cannot be modified.")
    if spec.oca_group not in {old.oca_group, order.oca_group}:
        raise RefusalError(10326, "OCA group revision is not allowed.")
    if spec.oca_group and spec.oca_type not in {0, old.oca_type, order.oca_type}:
        raise RefusalError(10327, "OCA group type revision is not allowed.")
    if spec.fields.get("clearingAccount", "") != old.fields.get("clearingAccount", ""):
        raise RefusalError(422, "The account and clearing attributes on this order may not be changed.")
    if spec.parent_id and order.parent is not None and order.parent.phase is Phase.DONE:
        raise RefusalError(135, f"Can't find order with id = {spec.parent_id}")
    if spec.parent_id not in {0, old.parent_id}:
        raise RefusalError(10341, "Parent order id cannot be modified.")
    if spec.quantity <= order.filled:
        raise RefusalError(134, "Modify order failed.")


def beyond_price_cap(order: GatewayOrder, quote: Quote, cap: Decimal | None) -> str:
    """Why a limit price is too aggressive; empty when it is not (TWS facts 6).

    Args:
        order: Only limit orders without a parent are looked at.
        quote: The market now.
        cap: The part of the price by which a limit may be better than the market; None for no cap.
    """
    limit = order.spec.limit
    caps = order.spec.kind.follows_quote  # there a limit is a cap, not a wish
    caps = caps or order.instrument.sec_type == "BAG"  # a net price may be zero or below
    if cap is None or limit is None or caps or order.is_stop or order.parent is not None:
        return ""
    buying = order.spec.action == "BUY"
    market = quote.ask if buying else quote.bid
    edge = market * (1 + cap if buying else 1 - cap)
    if (limit < edge) if buying else (limit > edge):
        return ""
    return (
        f"We cannot accept an order at a limit price at or more aggressive than {edge.normalize():f}. "
        "Please submit your order using a limit price that is closer to the current market price of "
        f"{market.normalize():f}."
    )


def not_cancellable(order: GatewayOrder) -> RefusalError:
    """The answer to a cancel of an order that is done; the text names its state."""
    text = f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
    return RefusalError(10148, text)


def not_in_cancellable_state(order: GatewayOrder) -> RefusalError:
    """The answer to a second cancel, and to a global cancel for an order that is done."""
    text = f"Cancel attempted when order is not in a cancellable state.  Order permId ={order.perm_id}"
    return RefusalError(161, text)
