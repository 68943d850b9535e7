"""An order as the gateway sees it: what the client asked for, and what became of it.

These values are the gateway's own. They share nothing with the engine's order records, so that the two can be
compared as independent witnesses.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from functools import cached_property
from typing import Any

import attrs

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.kinds import KINDS, KNOWN_TIFS, KNOWN_TYPES, SIMULATED_TIFS, Kind, Trigger
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.scaling import component, is_scaled
from ibkr_core.gateway.terms import Terms

__all__ = ["Execution", "GatewayOrder", "Hold", "OrderSpec", "Phase"]

# Of the types that wait for the market these may also be tried once.
_IMMEDIATE = frozenset({"STP", "STP LMT", "MIT", "LIT", "PEG MKT", "PEG BEST", "PEG MID", "MIDPRICE"})
_OCA_TYPES = frozenset({0, 1, 2, 3})
_HUNDRED = Decimal(100)
_MAX_QUANTITY = Decimal(10) ** 12  # beyond these, sums would no longer be exact
_MAX_PRICE = Decimal(10) ** 9
_ZERO = Decimal(0)


def _price(fields: Mapping[str, Any], name: str) -> Decimal | None:
    value = fields.get(name)
    return None if value is None else Decimal(str(value))


@attrs.frozen(kw_only=True)
class OrderSpec:
    """What a client asked for, checked for sense but not yet against an instrument.

    Attributes:
        action: ``BUY`` or ``SELL``.
        quantity: Units, more than zero.
        order_type: A name in :data:`ibkr_core.gateway.kinds.KINDS`.
        limit: Limit price, or the cap of a price that follows the quote.
        limit_offset: Distance from the stop to the limit of a ``TRAIL LIMIT``.
        aux: Trigger price, trailing amount, or offset from the quote.
        percent_offset: Offset of a ``REL``, as a part of the price.
        trailing_percent: Trailing distance in percent, if the order trails so.
        trail_stop: First stop price of a trailing order; by default it is derived from the market.
        tif: ``DAY``, ``GTC``, ``IOC``, ``FOK``, ``OPG`` or ``GTD``.
        tif_was_empty: The client sent none, so the preset made it ``DAY`` (TWS facts 6).
        oca_group: Group name, or empty.
        oca_type: 1, 2 or 3; 0 when not given.
        parent_id: Order id of the parent, or 0.
        account: Account code, or empty.
        order_ref: The client's own key, echoed back.
        terms: When it is good, and how it may be filled.
        transmit: False holds the order in the gateway.
        what_if: Only margin and commission are wanted.
        fields: All fields as the client sent them, for the echo.
    """

    action: str
    quantity: Decimal
    order_type: str
    limit: Decimal | None
    limit_offset: Decimal | None
    aux: Decimal | None
    percent_offset: Decimal | None
    trailing_percent: Decimal | None
    trail_stop: Decimal | None
    tif: str
    tif_was_empty: bool
    oca_group: str
    oca_type: int
    parent_id: int
    account: str
    order_ref: str
    terms: Terms
    transmit: bool
    what_if: bool
    fields: Mapping[str, Any]

    @classmethod
    def parse(cls, fields: Mapping[str, Any]) -> OrderSpec:
        """Read an order's fields as they came off the wire.

        Args:
            fields: Official names; absent means unset, and an absent flag is false (wire facts 6).

        Raises:
            RefusalError: With the code of TWS facts 7: 111 and 113 (the type does not go with the time in
                force), 158 and 159 (a trailing distance or offset is missing or out of range), 321 (no such
                side or type, or a price is missing), 387 (a type that is not simulated), 434 (size zero),
                10052 (no such time in force), 10268, 10269 and 10270 (attributes no longer taken).
        """
        tif = str(fields.get("tif", "")).upper() or "DAY"
        order_type = str(fields.get("orderType", "")).upper()
        if tif == "DAY" and order_type in KINDS and KINDS[order_type].at_open:
            tif = "OPG"  # that is what the name means
        spec = cls(
            action=str(fields.get("action", "")).upper(),
            quantity=Decimal(fields.get("totalQuantity", _ZERO)),
            order_type=order_type,
            limit=_price(fields, "lmtPrice"),
            limit_offset=_price(fields, "lmtPriceOffset"),
            aux=_price(fields, "auxPrice"),
            percent_offset=_price(fields, "percentOffset"),
            trailing_percent=_price(fields, "trailingPercent"),
            trail_stop=_price(fields, "trailStopPrice"),
            tif=tif,
            tif_was_empty=not fields.get("tif"),
            oca_group=str(fields.get("ocaGroup", "")),
            oca_type=int(fields.get("ocaType", 0)),
            parent_id=int(fields.get("parentId", 0)),
            account=str(fields.get("account", "")),
            order_ref=str(fields.get("orderRef", "")),
            terms=Terms.parse(fields, tif),
            transmit=bool(fields.get("transmit", False)),
            what_if=bool(fields.get("whatIf", False)),
            fields=fields,
        )
        _refuse_attributes(fields)
        spec._refuse_nonsense()
        return spec._without_idle_prices()

    def _refuse_nonsense(self) -> None:
        if self.action not in {"BUY", "SELL"}:
            raise RefusalError.invalid("Invalid side was entered")
        if self.order_type not in KNOWN_TYPES:
            raise RefusalError.invalid("Invalid order type was entered")
        if self.order_type not in KINDS:
            raise RefusalError(387, "Unsupported order type for this exchange and security type.")
        if self.tif not in KNOWN_TIFS:
            raise RefusalError(10052, f"Invalid time in force:{self.tif}")
        if self.tif not in SIMULATED_TIFS:
            raise RefusalError.invalid(f"Time in force {self.tif} is not simulated")
        by_cash = self.quantity == 0 and (self.terms.cash is not None or self.hedge_type)
        if not self.quantity.is_finite() or (self.quantity <= 0 and not by_cash):
            raise RefusalError(434, "The order size cannot be zero.")
        if self.quantity > _MAX_QUANTITY:
            raise RefusalError.invalid("Invalid order size was entered")
        if self.oca_type not in _OCA_TYPES:
            raise RefusalError.invalid("Invalid OCA type was entered")
        if self.kind.at_close and self.tif != "DAY":
            raise RefusalError(113, "The Tif option should be set to DAY for MOC and LOC orders.")
        if self._tif_is_wrong():
            raise RefusalError(111, "The TIF (Tif type) and the order type are incompatible.")
        self._refuse_missing_prices()

    def _tif_is_wrong(self) -> bool:
        """Whether the type cannot have its time in force, auctions and immediate ones above all."""
        if self.tif == "OPG":
            return self.order_type not in {"MKT", "LMT", "MOO", "LOO"}
        if self.kind.at_open:
            return True
        if self.tif == "AUC":
            return self.order_type not in {"MTL", "LMT"}
        waits = self.kind.trigger is not Trigger.NONE or self.kind.follows_quote
        return waits and self.tif in {"IOC", "FOK"} and self.order_type not in _IMMEDIATE

    def _refuse_missing_prices(self) -> None:
        given = (
            self.limit, self.limit_offset, self.aux, self.percent_offset, self.trailing_percent,
            self.trail_stop,
        )  # fmt: skip
        for price in given:
            if price is not None and not (price.is_finite() and abs(price) <= _MAX_PRICE):
                raise RefusalError.invalid("Invalid price was entered")
        if self.kind.needs_limit and self.limit is None:
            raise RefusalError.invalid("Please enter a limit price")
        if self.kind.aux_is_price and not self.aux:
            raise RefusalError.invalid("Please enter a stop price")
        if self.kind.trails:
            self._refuse_missing_trail()
        if not _ZERO <= (self.percent_offset or _ZERO) <= 1:
            raise RefusalError(159, "The percent offset value must be between 0% and 100%.")

    def _refuse_missing_trail(self) -> None:
        percent = self.trailing_percent or _ZERO
        if not (self.aux or percent):
            raise RefusalError(158, "You must specify an offset amount or a percent offset value.")
        if not _ZERO <= percent < _HUNDRED:
            raise RefusalError(159, "The percent offset value must be between 0% and 100%.")
        if (self.aux or _ZERO) < 0:
            raise RefusalError.invalid("Invalid trailing amount or percentage")
        if self.kind.uses_limit and not self.limit and self.limit_offset is None:
            raise RefusalError.invalid("Please enter a limit price or a limit price offset")

    def _without_idle_prices(self) -> OrderSpec:
        """Drop prices that the type does not use: clients send 0 or leftovers there."""
        kind = self.kind
        trails = kind.trails
        limit = self.limit if kind.uses_limit else None
        if not kind.needs_limit:
            limit = limit or None  # a cap of 0 is no cap
        return attrs.evolve(
            self,
            limit=limit,
            limit_offset=self.limit_offset if trails and kind.uses_limit else None,
            aux=(self.aux or None) if kind.trigger is not Trigger.NONE or kind.follows_quote else None,
            percent_offset=(self.percent_offset or None) if kind.follows_quote else None,
            trailing_percent=(self.trailing_percent or None) if trails else None,
            trail_stop=(self.trail_stop or None) if trails else None,
        )

    @cached_property
    def kind(self) -> Kind:
        """What its type means."""
        return KINDS[self.order_type]

    @property
    def hedge_type(self) -> str:
        """``P`` pair, ``B`` beta, ``F`` currency, ``D`` delta; empty for an order that hedges nothing."""
        return str(self.fields.get("hedgeType", "")).upper()

    @property
    def sign(self) -> int:
        """1 for a purchase, -1 for a sale."""
        return 1 if self.action == "BUY" else -1

    def price(self, name: str) -> Decimal:
        """A price that few orders have, by its official name; zero when it is not given."""
        return _price(self.fields, name) or _ZERO

    def prices(self) -> tuple[Decimal, ...]:
        """Every price that must lie on the tick grid; distances and offsets need not."""
        on_grid = [self.limit, self.trail_stop]
        if self.kind.aux_is_price:
            on_grid.append(self.aux)
        return tuple(price for price in on_grid if price is not None)


def _refuse_attributes(fields: Mapping[str, Any]) -> None:
    for code, name, label in (
        (10268, "eTradeOnly", "EtradeOnly"),
        (10269, "firmQuoteOnly", "FirmQuoteOnly"),
        (10270, "nbboPriceCap", "NbboPriceCap"),
    ):
        if fields.get(name):
            raise RefusalError(code, f"The '{label}' order attribute is not supported.")


class Phase(enum.Enum):
    """Where an order stands inside the gateway; its status word is another matter."""

    HELD = "not transmitted: nobody outside knows of it"
    LIVE = "accepted and not finished"
    DONE = "filled, cancelled or rejected"


class Hold(enum.Enum):
    """Why a live order may not start yet."""

    CONDITIONS = "its conditions do not hold yet"
    TIME = "its goodAfterTime has not come"
    OPEN = "it trades in the opening auction only"
    CLOSE = "it trades in the closing auction only"
    LOCATE = "the shares for its short sale are being located"
    CLEARING = "it is an instruction for the clearing house, and never trades"


@attrs.frozen(kw_only=True)
class Execution:
    """One fill.

    Attributes:
        root: The execution id without its last segment; it never changes.
        revision: 1, and one more for each correction (TWS facts 3).
        perm_id: The order that it belongs to.
        order_id: That order's id at its client.
        client_id: The client that placed the order.
        account: Account code.
        instrument: What was traded.
        action: ``BUY`` or ``SELL``.
        quantity: Units, more than zero.
        price: Price per unit.
        time: Seconds since the epoch.
        exchange: Where it traded.
        cumulative: Filled quantity of the order including this fill.
        average: Average price of the order including this fill.
        commission: What the broker takes for it.
        currency: Currency of the commission.
        realized: Profit or loss of what it closed, after commissions; None when it only opens.
        liquidity: 1 added, 2 removed.
        order_ref: The order's reference.
    """

    root: str
    revision: int
    perm_id: int
    order_id: int
    client_id: int
    account: str
    instrument: Instrument
    action: str
    quantity: Decimal
    price: Decimal
    time: float
    exchange: str
    cumulative: Decimal
    average: Decimal
    commission: Decimal
    currency: str
    realized: Decimal | None
    liquidity: int
    order_ref: str

    @property
    def exec_id(self) -> str:
        """The four-segment id, such as ``0000e0d5.69000001.01.01``."""
        return f"{self.root}.{self.revision:02}"

    @property
    def signed_quantity(self) -> Decimal:
        """Positive when bought, negative when sold."""
        return self.quantity if self.action == "BUY" else -self.quantity


@attrs.define(eq=False, kw_only=True)
class GatewayOrder:
    """The gateway's record of one order. Only :mod:`ibkr_core.gateway.exchange` changes it.

    Attributes:
        perm_id: Unique, never changes.
        client_id: The client that placed it.
        order_id: Its id at that client.
        account: Account code.
        instrument: What it trades.
        exchange: Destination that the client named.
        spec: What the client asked for last.
        total: Units wanted now; an OCA group may reduce it.
        sequence: Arrival, for time priority.
        phase: Held, live or done.
        status: The status word last decided; empty while held.
        working: The destination has it: it may trade.
        elected: Its trigger was hit.
        stop: Present trigger price.
        limit_offset: Distance from the stop to the limit of a ``TRAIL LIMIT``.
        pegged: A limit that moves; None where the client's own limit holds.
        allowance: Units that its algorithm has released so far; None when nothing holds it back.
        executions_before: How many executions there were when it came.
        alarms: Moments at which it will be looked at again.
        trigger_hits: How often in a row its trigger was hit; the double methods want two.
        prints_seen: Trades that the market had printed when this order last looked.
        adds: It stands in the book, so that its next fill adds liquidity.
        holds: Why it may not start yet, besides its parent.
        by_hand: Made in the gateway's own window, by no client.
        canceller: The client that asked to cancel it, if any.
        cancelling: A cancel is on its way.
        parent: The order that must fill first, or None.
        children: Orders that wait for this one.
        oca_group: Group name, or empty. Children get their parent's permId (TWS facts 4).
        oca_type: 1, 2 or 3.
        executions: Latest revision of each fill, in order.
        reported: Roots of the executions whose commission the client was told.
        taken_at: When it was accepted, seconds since the epoch; None while held.
        ended_at: When it was done, seconds since the epoch.
        end_text: ``completedStatus`` of a completed order.
    """

    perm_id: int
    client_id: int
    order_id: int
    account: str
    instrument: Instrument
    exchange: str
    spec: OrderSpec
    total: Decimal
    sequence: int
    phase: Phase = Phase.HELD
    status: str = ""
    working: bool = False
    elected: bool = False
    stop: Decimal | None = None
    limit_offset: Decimal | None = None
    pegged: Decimal | None = None
    holds: set[Hold] = attrs.field(factory=set)
    allowance: Decimal | None = None
    executions_before: int = 0
    alarms: set[float] = attrs.field(factory=set)
    trigger_hits: int = 0
    prints_seen: int = 0
    adds: bool = False
    by_hand: bool = False
    canceller: int | None = None
    cancelling: bool = False
    parent: GatewayOrder | None = None
    children: list[GatewayOrder] = attrs.field(factory=list)
    oca_group: str = ""
    oca_type: int = 3
    executions: list[Execution] = attrs.field(factory=list)
    reported: set[str] = attrs.field(factory=set)
    taken_at: float | None = None
    ended_at: float | None = None
    end_text: str = ""

    @property
    def filled(self) -> Decimal:
        """Units filled."""
        if not self.executions:
            return _ZERO
        return sum((one.quantity for one in self.executions), _ZERO)

    @property
    def remaining(self) -> Decimal:
        """Units still wanted; stays above zero when an order is cancelled. Never negative."""
        return max(self.total - self.filled, _ZERO)

    @property
    def released(self) -> Decimal:
        """Units that it may trade now: what remains, as far as its algorithm or its scale lets it."""
        free = self.remaining
        if self.allowance is not None:
            free = min(free, self.allowance - self.filled)
        if is_scaled(self.spec.fields):
            free = min(free, component(self.spec.fields, self.filled)[0] - self.filled)
        return free

    @property
    def turnover(self) -> Decimal:
        """Quantity times price of its fills, summed; exact, without multiplier."""
        return sum((one.quantity * one.price for one in self.executions), _ZERO)

    @property
    def average(self) -> Decimal:
        """Average fill price; zero before the first fill."""
        filled = self.filled
        return self.turnover / filled if filled else _ZERO

    @property
    def commission(self) -> Decimal:
        """All commissions so far, whether the client was told or not."""
        return sum((one.commission for one in self.executions), _ZERO)

    @property
    def is_stop(self) -> bool:
        """Whether it needs a trigger before it can trade."""
        return self.spec.kind.trigger is not Trigger.NONE

    @property
    def waits_for_parent(self) -> bool:
        """Whether its parent has not filled completely yet."""
        return self.parent is not None and self.parent.status != "Filled"

    @property
    def why_held(self) -> str:
        """The reasons beside the status: ``child``, ``locate``, ``trigger``; mostly none (TWS facts 1)."""
        if self.phase is not Phase.LIVE:
            return ""
        reasons = []
        if self.waits_for_parent:
            reasons.append("child")
        if Hold.LOCATE in self.holds:
            reasons.append("locate")
        if self.is_stop and not self.elected:
            reasons.append("trigger")
        return ",".join(reasons)

    @property
    def limit(self) -> Decimal | None:
        """Worst price at which it may trade; None for any."""
        return self.spec.limit if self.pegged is None else self.pegged

    def family(self) -> list[GatewayOrder]:
        """The root of its bracket and everything attached to it, parents before children."""
        root = self
        while root.parent is not None:
            root = root.parent
        found, queue = [], [root]
        while queue:
            one = queue.pop(0)
            found.append(one)
            queue.extend(one.children)
        return found
