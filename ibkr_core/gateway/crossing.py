"""Orders meet the market: they take what is there, rest in the book, and are met by others.

An order that may trade first takes whatever suits it, level by level, from the crowd and from other clients'
orders as they stand in the queue. What is left rests at its limit, as long as it can: an order without a
limit, one that is to be filled whole, and one whose first part must have a minimum size cannot stand in a
queue, and are tried again whenever something changes.

Who meets whom:

* the price is that of whoever was there first. An order that the market moves through trades at its own
  price; in a market that is set by hand at the price that was set;
* orders of one account do not trade with each other. The one that rests is cancelled with 202, and the
  newcomer goes on; exchanges that are told nothing do the same (CME's "cancel resting" by default). What the
  broker itself does is not documented: TWS facts 7 has no code for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Protocol

from ibkr_core.gateway.kinds import Pricing
from ibkr_core.gateway.market import Market, Quote, Trade
from ibkr_core.gateway.orders import GatewayOrder, Phase
from ibkr_core.gateway.pricing import within

__all__ = ["Crossing", "Floor"]

_ZERO = Decimal(0)
_AT_ONCE = frozenset({"IOC", "FOK"})
_SELF_MATCH = "Self-match prevention: an opposite order of the same account would have traded with it."


class Floor(Protocol):
    """What this module needs of the exchange."""

    def fill(self, order: GatewayOrder, quantity: Decimal, price: Decimal) -> object:
        """Fill an order."""

    def cancel(self, order: GatewayOrder, reason: str = "") -> None:
        """Cancel an order."""

    def retry(self, order: GatewayOrder) -> None:
        """Try one order again."""

    def peg(self, order: GatewayOrder, quote: Quote) -> None:
        """Work out the limit of an order whose limit moves."""

    def by_perm_id(self, perm_id: int) -> GatewayOrder:
        """The order with a permanent id."""

    def may_trade(self, order: GatewayOrder) -> bool:
        """Whether hours and halts let an order trade now."""


class Crossing:
    """Lets orders trade, and keeps those that rest in the books of their markets.

    Args:
        floor: The exchange.
    """

    def __init__(self, floor: Floor) -> None:
        self._floor = floor
        self._resting: dict[int, Market] = {}
        self._waiting: dict[int, dict[int, GatewayOrder]] = {}

    # -- an order comes ----------------------------------------------------------------------------

    def trade(self, order: GatewayOrder, market: Market) -> None:
        """Trade what an order and its terms allow, and let the rest of it stand in the book."""
        terms = order.spec.terms
        least = order.remaining if terms.all_or_none or order.spec.tif == "FOK" else _ZERO
        if not order.executions:
            least = max(least, min(terms.min_quantity, order.remaining))
        if not least or self._available(order, market) >= least:
            self._sweep(order, market)
        met = self._met(order, market) if order.phase is Phase.LIVE else None
        if met is not None and met.quantity >= least:
            order.adds = True
            self._fill_in_whole_units(order, met)
        if order.phase is Phase.LIVE:
            self._queue(order, market)

    def _available(self, order: GatewayOrder, market: Market) -> Decimal:
        """Units that it could have now: what its own account offers is none.

        Of an OCA group only the member that comes first counts: when that one fills, the others end.
        """
        groups: set[tuple[str, str]] = set()

        def passes(key: int) -> bool:
            other = self._floor.by_perm_id(key)
            if other.account == order.account or not self._floor.may_trade(other):
                return False
            group = other.account, other.oca_group
            if other.oca_group and group in groups:
                return False
            groups.add(group)
            return True

        return market.available(order.spec.action, order.limit, passes)

    def _sweep(self, order: GatewayOrder, market: Market) -> None:
        """Take level by level; an iceberg in as many parts as it has slices."""
        was_first = order.limit is not None and market.resting_price(order.perm_id) == order.limit
        at = order.limit if was_first and not market.by_hand else None
        order.adds = was_first
        action, display = order.spec.action, order.spec.terms.display
        while order.phase is Phase.LIVE:
            wanted = min(display or order.remaining, order.released)
            if wanted <= 0 or self._facing(market, action, order.limit, order) is None:
                return
            trade = market.take(action, wanted, order.limit, at=at)
            if trade is None:
                return
            self._fill_in_whole_units(order, trade)
            self._fill_maker(trade)
            self._floor.peg(order, market.quote)

    def _facing(
        self, market: Market, action: str, limit: Decimal | None, order: GatewayOrder | None = None
    ) -> int | None:
        """Whom an order meets next, after those are gone that it may not meet; None for nobody.

        Args:
            market: Where.
            action: What the newcomer does.
            limit: Its worst price.
            order: The newcomer; None for the crowd.
        """
        while key := market.facing(action, limit):
            other = self._floor.by_perm_id(key)
            if not self._floor.may_trade(other):
                self.leave(other)  # its hours are over; it comes back when they begin
            elif order is not None and other.account == order.account:
                self._floor.cancel(other, _SELF_MATCH)
            else:
                break
        return key

    def _fill_maker(self, trade: Trade) -> None:
        if trade.maker:
            self._fill_in_whole_units(self._floor.by_perm_id(trade.maker), trade)

    def _fill_in_whole_units(self, order: GatewayOrder, trade: Trade) -> None:
        """Fill; a part of a unit comes as a fill of its own, after the whole ones (TWS facts 6)."""
        part = trade.quantity % 1
        if part and trade.quantity > 1:
            self._floor.fill(order, trade.quantity - part, trade.price)
            if order.remaining < part or order.phase is not Phase.LIVE:
                return
            self._floor.fill(order, part, trade.price)
        else:
            self._floor.fill(order, trade.quantity, trade.price)

    def _met(self, order: GatewayOrder, market: Market) -> Trade | None:
        """What an order that follows the quote gets out of a trade made elsewhere since it looked last."""
        kind, quote, price = order.spec.kind, market.quote, order.limit
        fresh, order.prints_seen = market.elsewhere > order.prints_seen, market.elsewhere
        if not (fresh and kind.follows_quote) or price is None:
            return None
        if kind.pricing is not Pricing.MIDDLE and not within(order.spec.action, quote.last, price):
            return None
        size = min(order.released, quote.bid_size if order.spec.action == "BUY" else quote.ask_size)
        return Trade(price, size) if size > 0 else None

    # -- an order rests ----------------------------------------------------------------------------

    def restore(self, order: GatewayOrder, market: Market) -> None:
        """Let an order rest again that rested before a restart; it does not get a chance to trade by that."""
        self._queue(order, market, offered=False)

    def _queue(self, order: GatewayOrder, market: Market, *, offered: bool = True) -> None:
        """Let what is left of an order rest at its limit, and offer it to those who wait for such a thing."""
        spec, limit = order.spec, order.limit
        if spec.tif in _AT_ONCE:
            return
        unfit = limit is None or spec.terms.all_or_none or (spec.terms.min_quantity and not order.executions)
        if unfit or limit is None:
            self.leave(order)
            self._waiting.setdefault(order.instrument.con_id, {})[order.perm_id] = order
            return
        size = order.released
        if size <= 0:
            self.leave(order)
            return
        hidden = spec.terms.hidden or spec.kind.pricing is Pricing.MIDDLE
        fresh = market.rest(
            order.perm_id, spec.action, limit, size, slice_size=spec.terms.display, hidden=hidden
        )
        self._resting[order.perm_id] = market
        order.adds = True
        waiting = self._waiting.get(order.instrument.con_id)
        if fresh and waiting and offered:
            waiting.pop(order.perm_id, None)
            self._wake(order, list(waiting.values()))

    def _wake(self, order: GatewayOrder, waiting: Iterable[GatewayOrder]) -> None:
        for other in waiting:
            if order.phase is not Phase.LIVE:
                return
            if other.spec.action != order.spec.action and other.phase is Phase.LIVE:
                self._floor.retry(other)

    def leave(self, order: GatewayOrder) -> None:
        """Take an order out of the book, and off the list of those that wait."""
        market = self._resting.pop(order.perm_id, None)
        if market is not None:
            market.withdraw(order.perm_id)
        waiting = self._waiting.get(order.instrument.con_id)
        if waiting:
            waiting.pop(order.perm_id, None)

    def amend(self, order: GatewayOrder) -> None:
        """Bring an order that rests up to date with what is asked of it now, whether or not it may trade.

        A modification during a halt changes nothing else: without this the old price and size would still
        stand in the book when trading goes on, for whoever comes first.
        """
        market = self._resting.get(order.perm_id)
        if market is None or order.phase is not Phase.LIVE:
            return
        if order.spec.tif in _AT_ONCE:
            self.leave(order)
        else:
            self._queue(order, market, offered=False)

    def resize(self, order: GatewayOrder) -> None:
        """Bring the size of a resting order up to date: it was filled, or its group made it smaller."""
        market = self._resting.get(order.perm_id)
        if market is not None:
            market.resize(order.perm_id, max(order.released, _ZERO))

    def in_turn(self, orders: Iterable[GatewayOrder]) -> list[GatewayOrder]:
        """Orders of one instrument by priority: price, then displayed before hidden, then time."""
        found = list(orders)
        if len(found) > 1:
            found.sort(key=self._priority)
        return found

    def _priority(self, order: GatewayOrder) -> tuple[bool, Decimal, bool, float]:
        limit = order.limit
        market = self._resting.get(order.perm_id)
        place = None if market is None else market.place_of(order.perm_id)
        hidden, ticket = (False, float("inf")) if place is None else place
        return limit is not None, -order.spec.sign * (limit or _ZERO), hidden, ticket

    # -- others come -------------------------------------------------------------------------------

    def strike(self, market: Market, action: str, quantity: Decimal, limit: Decimal) -> None:
        """Let somebody who is no client trade with the book.

        Args:
            market: Whose book.
            action: ``BUY`` or ``SELL``.
            quantity: Units wanted; what nobody gives is forgotten.
            limit: Worst price.
        """
        if not quantity:
            return
        left = quantity
        while left > 0 and self._facing(market, action, limit) is not None:
            trade = market.take(action, left, limit, by_crowd=True)
            if trade is None:
                break
            left -= trade.quantity
            self._fill_maker(trade)
        market.settle()
