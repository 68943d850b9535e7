"""The matching engine: holds orders, triggers stops, fills against the market, keeps groups honest.

It decides and records; it says nothing to anybody. Each thing that happens is handed at once to ``emit``,
while the order shows exactly the state that the happening describes, so that a message built there is true.

What it simulates (TWS facts 6, wire facts 9):

* the order types of :mod:`ibkr_core.gateway.kinds`; ``DAY``, ``GTC``, ``IOC``, ``FOK``, ``OPG``;
* orders that rest stand in the book of their market, in the order of price and time
  (:mod:`ibkr_core.gateway.crossing`);
* an order whose price follows the quote trades like any other at the price where it stands, and also with a
  trade at its price that somebody prints elsewhere; a midpoint order with any such trade;
* orders for an auction wait for it, trade whole at the last price, or are cancelled;
* children wait until their parent is completely filled, die with it, and form an OCA group of type 3 named
  by the parent's permId;
* OCA types: 1 cancels the others at the first fill; 2 and 3 reduce them in proportion and cancel them when
  one is complete. Type 3 has no block: its effect comes only when the caller calls
  :meth:`Exchange.settle_oca`, so that both may fill. A member that dies without a fill leaves the others.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_HALF_UP, Decimal

import attrs

from ibkr_core.gateway.adjusting import adjusted, wants_adjusting
from ibkr_core.gateway.crossing import Crossing
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Market, Quote
from ibkr_core.gateway.orders import Execution, GatewayOrder, Hold, OrderSpec, Phase
from ibkr_core.gateway.pricing import first_stop, hits_needed, moving_limit, next_stop, trigger_hit, within
from ibkr_core.gateway.scaling import is_scaled

__all__ = ["Exchange", "Happened", "Happening"]

_ZERO = Decimal(0)
_NO_BLOCK = 3
_CANCEL_ALL = 1
_AUCTIONS = (Hold.OPEN, Hold.CLOSE)


class Happened(enum.Enum):
    """What can happen to an order."""

    ACCEPTED = "the gateway took it and it got its first status"
    WORKING = "it reached its destination, or a stop was elected"
    REPLACED = "a modification was accepted"
    REDUCED = "its OCA group made it smaller"
    FREED = "its parent filled, so it no longer waits"
    EXECUTED = "it was filled, wholly or in part"
    CANCELLING = "a cancel is on its way"
    CANCELLED = "it is cancelled"
    KILLED = "it could not be filled at once, as its time in force demands"
    REJECTED = "it is rejected"


@attrs.frozen
class Happening:
    """One thing that happened.

    Attributes:
        what: The kind.
        order: The order, in the state that the happening left it.
        execution: The fill, for ``EXECUTED``.
        reason: Text for ``CANCELLED`` and ``REJECTED``.
        quiet: A cancellation that no error 202 follows (TWS facts 6: an unfilled IOC).
    """

    what: Happened
    order: GatewayOrder
    execution: Execution | None = None
    reason: str = ""
    quiet: bool = False


class Exchange:
    """Every order of the venue, and the rules that move them.

    While ``closed`` is true, or ``hours`` says no to an order, it is taken and cancelled, but does not trade,
    nor is its trigger elected. The same holds while ``down`` is true: the gateway is being restarted.

    Args:
        market_of: The market of an instrument.
        emit: Told of each happening, at once.
        execute: Makes the execution of a fill and books it: order, quantity, price.
        now: The present, seconds since the epoch.
    """

    def __init__(
        self,
        *,
        market_of: Callable[[Instrument], Market],
        emit: Callable[[Happening], None],
        execute: Callable[[GatewayOrder, Decimal, Decimal], Execution],
        now: Callable[[], float],
    ) -> None:
        self._market_of = market_of
        self._emit = emit
        self._make_execution = execute
        self._now = now
        self._orders: dict[int, GatewayOrder] = {}
        self._by_client: dict[tuple[int, int], GatewayOrder] = {}
        self._live: dict[int, list[GatewayOrder]] = {}
        self._groups: dict[tuple[str, str], list[GatewayOrder]] = {}
        self._spent_groups: set[tuple[str, str]] = set()
        self._crossing = Crossing(self)
        self._followers: dict[int, GatewayOrder] = {}
        self.closed = False
        self.down = False
        self.hours: Callable[[GatewayOrder], bool] = lambda _: True
        self.is_halted: Callable[[Instrument], bool] = lambda _: False
        self.price_elsewhere: Callable[[GatewayOrder], Decimal | None] = lambda _: None

    # -- looking ---------------------------------------------------------------------------------

    def find(self, client_id: int, order_id: int) -> GatewayOrder | None:
        """The order that a client knows by an id, whatever its state; None when there is none."""
        return self._by_client.get((client_id, order_id))

    def by_perm_id(self, perm_id: int) -> GatewayOrder:
        """The order with a permanent id; there is one for every execution."""
        return self._orders[perm_id]

    def orders(self) -> Iterable[GatewayOrder]:
        """Every order ever accepted, in order of arrival."""
        return self._orders.values()

    def live_orders(self) -> list[GatewayOrder]:
        """Every order that is neither held nor done, in order of arrival."""
        return sorted(
            (order for orders in self._live.values() for order in orders), key=lambda order: order.sequence
        )

    def live_in(self, instrument: Instrument) -> Sequence[GatewayOrder]:
        """Every order in one instrument that is neither held nor done, in order of becoming live."""
        return self._live.get(instrument.con_id, ())

    def group_is_spent(self, order: GatewayOrder) -> bool:
        """Whether the OCA group that an order names has done its work: its name cannot be used again."""
        return (order.account, order.oca_group) in self._spent_groups

    def group_accounts(self, group: str) -> set[str]:
        """The accounts of the live members of an OCA group."""
        return {account for (account, name), members in self._groups.items() if name == group and members}

    def is_open(self, order: GatewayOrder) -> bool:
        """Whether an order could trade now, for all that the hours say."""
        return not (self.closed or self.down) and self.hours(order)

    def may_trade(self, order: GatewayOrder) -> bool:
        """Whether hours and halts let an order trade now."""
        return self.is_open(order) and not self.is_halted(order.instrument)

    def busy(self) -> list[Instrument]:
        """Every instrument in which orders rest."""
        return [orders[0].instrument for orders in self._live.values() if orders]

    def is_busy(self, instrument: Instrument) -> bool:
        """Whether some order on an instrument may still trade."""
        return bool(self._live.get(instrument.con_id))

    @property
    def spent_groups(self) -> set[tuple[str, str]]:
        """Account and name of every OCA group that has done its work."""
        return self._spent_groups

    # -- after a restart ---------------------------------------------------------------------------

    def restore(self, order: GatewayOrder) -> None:
        """Take an order in as it was before a restart, in order of arrival. Nothing is told.

        Args:
            order: Complete; its parent knows it as a child already.
        """
        self._orders[order.perm_id] = order
        if order.order_id or not order.by_hand:
            self._by_client[order.client_id, order.order_id] = order
        if order.phase is not Phase.LIVE:
            return
        self._live.setdefault(order.instrument.con_id, []).append(order)
        if order.oca_group:
            self._groups.setdefault((order.account, order.oca_group), []).append(order)
        if order.spec.kind.follows_another:
            self._followers[order.perm_id] = order
        market = self._market_of(order.instrument)
        order.prints_seen = market.elsewhere
        if order.working and (order.elected or not order.is_stop):
            self._crossing.restore(order, market)

    # -- taking orders -----------------------------------------------------------------------------

    def admit(self, order: GatewayOrder) -> None:
        """Take a new order, held. Its parent, if any, is in ``order.parent``."""
        self._orders[order.perm_id] = order
        if not order.by_hand:
            self._by_client[order.client_id, order.order_id] = order
        if order.parent is not None:
            order.parent.children.append(order)
            # Children become an OCA group although the client named none (TWS facts 4).
            order.oca_group = order.oca_group or str(order.parent.perm_id)

    def forget(self, order: GatewayOrder) -> None:
        """Forget a held order and its children, as if they had never come."""
        for one in order.family():
            del self._orders[one.perm_id], self._by_client[one.client_id, one.order_id]

    def rename(self, order: GatewayOrder, order_id: int) -> None:
        """Give an order that had no id of its own one by which its client can find it."""
        order.order_id = order_id
        self._by_client[order.client_id, order_id] = order

    def accept(self, order: GatewayOrder, status: str) -> None:
        """Make a held order live, with its first status word."""
        order.phase = Phase.LIVE
        order.taken_at = self._now()
        order.holds |= _auction_of(order.spec)
        waits = order.is_stop or order.waits_for_parent or order.holds
        order.status = "PreSubmitted" if waits else status
        self._live.setdefault(order.instrument.con_id, []).append(order)
        if order.oca_group:
            self._groups.setdefault((order.account, order.oca_group), []).append(order)
        self._place(order)
        self._emit(Happening(Happened.ACCEPTED, order))

    def start(self, order: GatewayOrder, *, announce: bool) -> None:
        """Let an accepted order reach its destination and trade if it can.

        Args:
            order: A live order; one that died meanwhile is left alone.
            announce: Whether its status goes to ``Submitted`` before its first chance to trade. When not, an
                order that trades at once keeps its first status: TWS skips steps (TWS facts 2.2). One that
                rests is ``Submitted`` either way: it works at its destination (TWS facts 1).
        """
        if order.phase is not Phase.LIVE or order.waits_for_parent or order.working or order.holds:
            return
        if not self.is_open(order):
            return
        order.working = True
        order.prints_seen = self._market_of(order.instrument).elsewhere
        if announce:
            self._tell_working(order)
        self._try(order)
        if order.phase is Phase.LIVE and not order.filled:
            self._tell_working(order)

    def _tell_working(self, order: GatewayOrder) -> None:
        if not order.is_stop and order.status == "PreSubmitted" and not order.cancelling:
            order.status = "Submitted"
            self._emit(Happening(Happened.WORKING, order))

    def replace(self, order: GatewayOrder, spec: OrderSpec) -> None:
        """Apply a checked modification, and match again. On a held order it says nothing."""
        was_stop = order.is_stop
        order.spec = spec
        if order.allowance is not None:  # what an algorithm has released so far is a part of the whole
            order.allowance = (order.allowance * spec.quantity / order.total).to_integral_value()
        order.total = spec.quantity
        if order.phase is not Phase.LIVE:
            return
        order.holds = order.holds - set(_AUCTIONS) | (set() if order.working else _auction_of(spec))
        if order.is_stop:
            if not order.elected:
                self._place(order)
                order.trigger_hits = 0  # being looked at again is no second quote
        else:
            self._place(order)
            order.elected = False
            if was_stop and order.status == "PreSubmitted" and not order.waits_for_parent:
                order.status = "Submitted"
        self._emit(Happening(Happened.REPLACED, order))
        if order.working:
            self._try(order)
            self._crossing.amend(order)

    def begin_cancel(self, order: GatewayOrder, *, announce: bool) -> None:
        """Note that a cancel is on its way; executions may still come.

        Args:
            order: A live order.
            announce: Whether the client sees ``PendingCancel``.
        """
        order.cancelling = True
        if announce:
            order.status = "PendingCancel"
            self._emit(Happening(Happened.CANCELLING, order))

    def cancel(self, order: GatewayOrder, reason: str = "", *, status: str = "Cancelled") -> None:
        """Cancel an order that is not done, and everything that waits for it.

        Args:
            order: The order; one that is done already is left alone.
            reason: The broker's reason, empty when a trader asked for it.
            status: ``Cancelled``, or ``ApiCancelled`` for an order that was never transmitted.
        """
        if order.phase is Phase.DONE:
            return
        self._end(order, status, f"Cancelled by System:{reason}\n" if reason else "Cancelled by Trader")
        self._emit(Happening(Happened.CANCELLED, order, reason=reason))
        self._orphan(order)

    def reject(self, order: GatewayOrder, reason: str) -> None:
        """Kill an order for a reason of the broker's, and everything that waits for it."""
        if order.phase is Phase.DONE:
            return
        self._end(order, "Inactive", "Cancelled by System:\n")
        self._emit(Happening(Happened.REJECTED, order, reason=reason))
        self._orphan(order)

    def _orphan(self, parent: GatewayOrder) -> None:
        for child in parent.children:
            self.cancel(child)

    # -- matching ----------------------------------------------------------------------------------

    def match(self, instrument: Instrument) -> None:
        """Try every working order of an instrument against its market, by price and then by time."""
        working = (order for order in self._live.get(instrument.con_id, ()) if order.working)
        for order in self._crossing.in_turn(working):
            self._try(order)

    def strike(self, instrument: Instrument, action: str, quantity: Decimal, limit: Decimal) -> None:
        """Let somebody who is no client trade with the orders that rest, as they stand in the queue.

        Args:
            instrument: What is traded.
            action: ``BUY`` or ``SELL``.
            quantity: Units wanted; what nobody gives is forgotten.
            limit: Worst price.
        """
        if not (self.closed or self.down or self.is_halted(instrument)):
            self._crossing.strike(self._market_of(instrument), action, quantity, limit)

    def print_trade(
        self, instrument: Instrument, price: Decimal, quantity: Decimal, action: str | None = None
    ) -> None:
        """Let two who are no clients trade, and whoever in the book stands in front of them trade first.

        Args:
            instrument: What is traded.
            price: The price that is printed, and the worst that the one who came accepts.
            quantity: Units.
            action: What the one who came did; by default the price tells.
        """
        market = self._market_of(instrument)
        market.freeze()
        self.strike(instrument, action or market.aggressor(price), quantity, price)
        market.note_print(price, quantity)

    def match_followers(self, instrument: Instrument) -> None:
        """Try the orders whose price comes from another market than that of their own instrument."""
        for order in list(self._followers.values()):
            if order.phase is Phase.DONE:
                del self._followers[order.perm_id]
            elif order.working and order.instrument is not instrument:
                self._try(order)

    def retry(self, order: GatewayOrder) -> None:
        """Try one order again, for something about it has changed."""
        if order.working:
            self._try(order)

    def fill(self, order: GatewayOrder, quantity: Decimal, price: Decimal) -> Execution:
        """Fill an order at a price, market or not. The only door through which fills come.

        Args:
            order: A live order.
            quantity: Units, more than zero and at most what remains.
            price: Price per unit.
        """
        execution = self._make_execution(order, quantity, price)
        order.executions.append(execution)
        complete = self.recount(order)
        if not complete:
            order.elected = order.elected or order.is_stop
        self._emit(Happening(Happened.EXECUTED, order, execution=execution))
        if order.oca_group and order.oca_type != _NO_BLOCK:
            self.settle_oca(order, execution)
        if complete:
            self._free_children(order)
        return execution

    def recount(self, order: GatewayOrder) -> bool:
        """End a live order that wants nothing more; else let what it still wants stand in the book.

        Returns:
            Whether it is filled by that.
        """
        if order.phase is not Phase.LIVE:
            return False
        if order.remaining:
            before = order.pegged
            if is_scaled(order.spec.fields):
                self.peg(order, self._market_of(order.instrument).quote)
            if order.pegged == before:
                self._crossing.resize(order)
            else:  # its next component stands elsewhere
                self._crossing.amend(order)
            return False
        self._end(order, "Filled", f"Filled Size: {order.filled.normalize():f}")
        return True

    def correct(self, order: GatewayOrder, corrected: Execution) -> None:
        """Replace an execution of an order by its corrected form; they share their root."""
        order.executions = [corrected if one.root == corrected.root else one for one in order.executions]

    def follow_up(self, order: GatewayOrder, execution: Execution) -> None:
        """Let its group and its children feel an order that a correction has filled."""
        if order.oca_group:
            self.settle_oca(order, execution)
        self._free_children(order)

    def settle_oca(self, order: GatewayOrder, execution: Execution) -> None:
        """Make the other members of an OCA group feel a fill.

        Args:
            order: The member that was filled.
            execution: The fill.
        """
        complete = order.status == "Filled"
        if complete or order.oca_type == _CANCEL_ALL:
            self._spent_groups.add((order.account, order.oca_group))
        for other in list(self._groups.get((order.account, order.oca_group), ())):
            if other is order or other.phase is not Phase.LIVE:
                continue
            if complete or order.oca_type == _CANCEL_ALL:
                self.cancel(other)
                continue
            cut = min(_share(other, order, execution), other.remaining)
            if cut <= 0:
                continue
            if cut == other.remaining:
                self.cancel(other)
                continue
            other.total -= cut
            self._crossing.resize(other)
            self._emit(Happening(Happened.REDUCED, other))

    def _try(self, order: GatewayOrder) -> None:
        if order.phase is not Phase.LIVE or order.waits_for_parent or not self.may_trade(order):
            return
        market = self._market_of(order.instrument)
        if order.is_stop and not order.elected and not self._elect(order, market):
            self._crossing.leave(order)
            return
        self.peg(order, market.quote)
        self._crossing.trade(order, market)
        self._end_immediate(order)

    def _end_immediate(self, order: GatewayOrder) -> None:
        """An IOC or FOK order lives for one attempt (TWS facts 6)."""
        if order.phase is not Phase.LIVE:
            return
        if order.spec.tif == "IOC":
            order.status = "PendingCancel"
            self._emit(Happening(Happened.CANCELLING, order))
            self._end(order, "Cancelled", "Cancelled by System:\n")
            self._emit(Happening(Happened.CANCELLED, order, quiet=True))
            self._orphan(order)
        elif order.spec.tif == "FOK":
            self._end(order, "Inactive", "Cancelled by System:\n")
            self._emit(Happening(Happened.KILLED, order))
            self._orphan(order)

    # -- stops -------------------------------------------------------------------------------------

    def _place(self, order: GatewayOrder) -> None:
        """Work out an order's first trigger and the limit that moves with it or with the quote."""
        quote, spec = self._market_of(order.instrument).quote, order.spec
        order.stop = first_stop(spec, order.instrument, quote.last)
        order.limit_offset = spec.limit_offset
        if order.stop is not None and spec.limit is not None and spec.limit_offset is None:
            order.limit_offset = spec.sign * (spec.limit - order.stop)
        order.pegged = None
        self.peg(order, quote)
        if spec.kind.follows_another:
            self._followers[order.perm_id] = order

    def peg(self, order: GatewayOrder, quote: Quote) -> None:
        """Work out the limit that moves; one that snapped to the market when it set off stays."""
        order.pegged = moving_limit(order, quote, self.price_elsewhere)

    def _elect(self, order: GatewayOrder, market: Market) -> bool:
        """Move a trailing stop, then see whether the last price hits the trigger."""
        last = market.quote.last
        if wants_adjusting(order.spec, last):
            order.spec = adjusted(order.spec)
            self._place(order)
            self._emit(Happening(Happened.REPLACED, order))
        if order.stop is None:
            return False
        order.stop = next_stop(order.spec, order.instrument, order.stop, last)
        self.peg(order, market.quote)
        hit = trigger_hit(order.spec, order.instrument, order.stop, market.quote)
        order.trigger_hits = order.trigger_hits + 1 if hit else 0
        if order.trigger_hits < hits_needed(order.spec, order.instrument):
            return False
        order.elected = True
        if order.status == "PreSubmitted" and not order.cancelling:
            order.status = "Submitted"
        self._emit(Happening(Happened.WORKING, order))
        return True

    # -- auctions ----------------------------------------------------------------------------------

    def auction(self, instrument: Instrument, hold: Hold) -> None:
        """Trade the orders that wait for an auction, whole and at the last price.

        Args:
            instrument: What is auctioned.
            hold: ``OPEN`` or ``CLOSE``. An order that the price does not suit, or that waits for its parent,
                is cancelled: its auction does not come again.
        """
        price = self._market_of(instrument).quote.last
        for order in list(self._live.get(instrument.con_id, ())):
            if hold not in order.holds or order.phase is not Phase.LIVE:
                continue
            order.holds.discard(hold)
            suits = within(order.spec.action, price, order.limit)
            if suits and not (order.holds or order.waits_for_parent or order.cancelling):
                self.fill(order, order.remaining, price)
            else:
                self.cancel(order, "The auction did not take the order.")

    # -- endings -----------------------------------------------------------------------------------

    def _end(self, order: GatewayOrder, status: str, text: str) -> None:
        order.phase = Phase.DONE
        order.status = status
        order.ended_at = self._now()
        self._crossing.leave(order)
        order.end_text = text
        for members in (
            self._live.get(order.instrument.con_id, []),
            self._groups.get((order.account, order.oca_group), []),
        ):
            if order in members:
                members.remove(order)

    def _free_children(self, parent: GatewayOrder) -> None:
        for child in parent.children:
            if child.phase is not Phase.LIVE:
                continue
            if not child.is_stop and not child.holds:
                child.status = "Submitted"
            if child.spec.kind.snaps or (child.spec.kind.trails and child.spec.trail_stop is None):
                self._place(child)
            self._emit(Happening(Happened.FREED, child))


def _share(other: GatewayOrder, order: GatewayOrder, execution: Execution) -> Decimal:
    """Units that a fill of one member of a group takes from another, in proportion.

    It is the difference of two rounded totals: many small fills then take what one large one would.
    """
    after = execution.cumulative
    before = after - execution.quantity
    totals = (
        (other.spec.quantity * filled / order.spec.quantity).quantize(Decimal(1), ROUND_HALF_UP)
        for filled in (after, before)
    )
    return next(totals) - next(totals)


def _auction_of(spec: OrderSpec) -> set[Hold]:
    """The auction that an order waits for, if any."""
    if spec.kind.at_close:
        return {Hold.CLOSE}
    return {Hold.OPEN} if spec.kind.at_open or spec.tif in {"OPG", "AUC"} else set()
