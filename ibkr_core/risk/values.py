"""What a risk gate sees, and what it answers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Final, Protocol

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.order import Action, Order

__all__ = [
    "DatedQuote",
    "Gate",
    "LastQuote",
    "LiveOrder",
    "Need",
    "Refusal",
    "RiskContext",
    "Submission",
    "plain_text",
]

_ZERO = Decimal(0)
PRICED: Final = frozenset(
    {"LMT", "LOC", "LOO", "STP LMT", "LIT", "TRAIL LIMIT", "REL + LMT", "LMT + MKT", "TRAIL LMT + MKT"}
)
"""Types whose limit is a price, whatever it is; of all others it is a cap."""
_TRIGGERED: Final = frozenset({"STP", "STP LMT", "STP PRT", "MIT", "LIT"})
"""Types whose ``aux_price`` is a trigger."""


class LastQuote(Protocol):
    """The last prices that are known of a contract; None for one that is not."""

    @property
    def bid(self) -> Decimal | None:
        """What buyers offer."""

    @property
    def ask(self) -> Decimal | None:
        """What sellers want."""

    @property
    def last(self) -> Decimal | None:
        """The last trade."""

    @property
    def close(self) -> Decimal | None:
        """The last day's close."""


class DatedQuote(LastQuote, Protocol):
    """A quote that says what it is of, and when the last of it came."""

    @property
    def contract(self) -> Contract:
        """What it is of."""

    @property
    def at(self) -> datetime:
        """When, in UTC."""


@attrs.frozen(kw_only=True)
class LiveOrder:
    """An order that may still trade, or that is about to be sent.

    Attributes:
        order_id: Its id.
        contract: What it trades.
        action: Its side.
        remaining: How much it may still trade; None when that is not known (the broker sizes it).
        account: Its account, empty when not said.
        parent_id: The order that has to fill before it; 0 for none.
        oca_group: Its one-cancels-all group; empty for none.
        is_ours: Whether our client placed it: ids and parents of others are of rows of their own.
    """

    order_id: int
    contract: Contract
    action: Action
    remaining: Decimal | None
    account: str = ""
    parent_id: int = 0
    oca_group: str = ""
    is_ours: bool = True

    @classmethod
    def wanted(cls, order_id: int, contract: Contract, order: Order, filled: Decimal = _ZERO) -> LiveOrder:
        """Make one of terms that are not sent yet. An amount of money buys what the market makes of it."""
        is_sized = bool(order.quantity) and order.cash_quantity is None
        return cls(
            order_id=order_id,
            contract=contract,
            action=order.action,
            remaining=max(order.quantity - filled, _ZERO) if is_sized else None,
            account=order.account,
            parent_id=order.parent_id,
            oca_group=order.oca_group,
        )


@attrs.frozen(kw_only=True)
class Submission:
    """A new order that was let through.

    Attributes:
        at: When, in UTC.
        contract: What it trades.
        order: Its terms.
        order_id: Its id.
    """

    at: datetime
    contract: Contract
    order: Order
    order_id: int


@attrs.frozen(kw_only=True)
class RiskContext:
    """Everything that a gate may judge by. A value: looking at it asks nobody anything.

    Attributes:
        contract: What is to be traded.
        order: The terms that are asked for.
        order_id: The id that the order has, or would get.
        account: Where it would be booked; empty when the order does not say and there are several.
        now: The moment, in UTC.
        before: For a modification the terms as last sent; None for a new order.
        filled: How much of it is filled, for a modification.
        group: All orders that are sent together, this one among them.
        recent: New orders of the last minute that were let through, oldest first; not this group.
        submitted_today: How many new orders there were today, in the zone of the limits; not this group.
        positions: Live positions; None when the broker has not told them.
        working: Every order that may still trade, also of other clients as far as known.
        quote: The last quote of the contract, None when unknown.
        tick: The price increment at the order's price, None when unknown.
        profit_and_loss: The account's profit (above zero) or loss (below) of the day; None when unknown.
        allow_duplicate: Whether the caller said that a second order like an earlier one is meant.
    """

    contract: Contract
    order: Order
    now: datetime
    order_id: int = 0
    account: str = ""
    before: Order | None = None
    filled: Decimal = _ZERO
    group: tuple[LiveOrder, ...] = ()
    recent: tuple[Submission, ...] = ()
    submitted_today: int = 0
    positions: tuple[Position, ...] | None = None
    working: tuple[LiveOrder, ...] = ()
    quote: LastQuote | None = None
    tick: Decimal | None = None
    profit_and_loss: Decimal | None = None
    allow_duplicate: bool = False

    @property
    def is_modification(self) -> bool:
        """Whether an order that lives already is to get new terms."""
        return self.before is not None


class Need:
    """Names of what a gate needs of a context that costs something to find out; see :attr:`Gate`."""

    POSITIONS = "positions"
    WORKING = "working"
    QUOTE = "quote"
    TICK = "tick"
    PROFIT_AND_LOSS = "profit_and_loss"
    RECENT = "recent"
    TODAY = "submitted_today"
    ALL = frozenset({POSITIONS, WORKING, QUOTE, TICK, PROFIT_AND_LOSS, RECENT, TODAY})


def plain_text(value: object) -> str:
    """Write a limit or a value for people: numbers as plain digits."""
    if not isinstance(value, Decimal):
        return str(value)
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@attrs.frozen(kw_only=True)
class Refusal:
    """A gate's no.

    Attributes:
        argument: What of the order breaks the limit: ``quantity``, ``limit_price``, ``contract`` …
        reason: Why, in words, as a clause: ``"1000 is more than 500"``.
        limit: The limit.
        value: What it was compared with.
        gate: The gate's name; filled in where it is empty.
        halts: Whether trading is to be halted altogether (see ``Engine.halt``).
    """

    argument: str
    reason: str
    limit: str = attrs.field(default="", converter=plain_text)
    value: str = attrs.field(default="", converter=plain_text)
    gate: str = ""
    halts: bool = False

    def __str__(self) -> str:
        """One line for people: ``order size: quantity: 1000 is more than 500``."""
        gate = f"{self.gate}: " if self.gate else ""
        return f"{gate}{self.argument}: {self.reason}"


Gate = Callable[[RiskContext], Refusal | None]
"""A rule: None lets the order pass. One that raises, or answers anything else, refuses.

It may have the attributes ``name`` (its name in errors and events; else its ``__name__``) and ``needs`` (a
set of :class:`Need` names; else it gets all). It runs with the engine's send lock held: it must not block, do
I/O, or send.
"""


def name_of(gate: Gate) -> str:
    """Return what a gate is called."""
    return str(getattr(gate, "name", "") or getattr(gate, "__name__", "") or type(gate).__name__)


def needs_of(gate: Gate) -> frozenset[str]:
    """Return what a gate needs of a context."""
    return frozenset(getattr(gate, "needs", Need.ALL))


def raises_risk(before: Order, after: Order) -> bool:
    """Whether new terms of an order can do more harm than those that it has.

    They cannot where nothing changes but a smaller quantity, a limit that is further from trading, a stop
    that is nearer to the market (a sale's moves up, a purchase's down), or a shorter trailing distance. Of
    pegged and relative orders the offset says nothing of that kind, and a cap of zero is none at all.
    """
    if after.action is not before.action or after.order_type != before.order_type:
        return True
    sign, kind = after.action.sign, after.order_type
    # field -> whether the change from old to new takes risk away
    harmless: dict[str, Callable[[Decimal, Decimal], bool]] = {
        "quantity": lambda old, new: new < old,
        "cash_quantity": lambda old, new: new < old,
        "limit_price": lambda old, new: (new - old) * sign < 0 and (bool(new) or kind in PRICED),
        "trail_stop_price": lambda old, new: (new - old) * sign < 0,
        "trailing_percent": lambda old, new: new < old,
        "aux_price": (
            (lambda old, new: new < old)  # a trailing amount
            if "TRAIL" in kind
            else (lambda old, new: kind in _TRIGGERED and (new - old) * sign < 0)
        ),
    }
    for field in attrs.fields(Order):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if old == new:
            continue
        judge = harmless.get(field.name)
        if judge is None or old is None or new is None or not judge(old, new):
            return True
    return False
