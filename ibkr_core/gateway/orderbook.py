"""A limit order book: levels of price, and at each level a queue in order of arrival.

Two kinds of interest stand in it. The *crowd* is everybody who is not a client of the gateway: at each price
one amount that is set from outside, by the seeded process, a replayed file or a hand. *Orders* are those of
clients. Both share the queues, so an order that comes to a price waits behind what is shown there.

How interest is ranked:

* first by price, then by time;
* at one price everything displayed comes before everything hidden (Nasdaq Equity 4, Rule 4757(a)(1)); each of
  the two classes by time;
* an iceberg shows one slice; when that is used up the next one joins the end of the displayed queue, as on
  CME Globex and Xetra (from memory). Nasdaq ranks a reserve among the hidden orders instead;
* an order that gets smaller keeps its place; one that gets larger or changes its price loses it;
* a crowd that grows joins the end of the queue, and one that shrinks leaves from the end, the newest first:
  the order in front of it is never helped by somebody's change of mind.

The book never matches by itself: whoever brings an order looks with :meth:`OrderBook.first` whom it meets,
takes from that one with :meth:`OrderBook.take`, and puts what is left into the queue with
:meth:`OrderBook.place`.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal

import attrs

from ibkr_core.errors import InvariantViolated

__all__ = ["CROWD", "OrderBook", "Resting", "other_side"]

CROWD = 0
"""The key of interest that belongs to no client."""

_ZERO = Decimal(0)


def other_side(action: str) -> str:
    """``SELL`` for ``BUY`` and the other way round."""
    return "SELL" if action == "BUY" else "BUY"


@attrs.define(eq=False)
class Resting:
    """Interest in a queue.

    Attributes:
        key: Whose it is: the order's number, or :data:`CROWD`.
        action: ``BUY`` or ``SELL``.
        price: Where it rests.
        quantity: Units that trade in its turn: of an iceberg the slice that shows.
        reserve: Units behind the slice.
        slice_size: Units of a full slice; zero for an order that is no iceberg.
        hidden: Nobody sees it.
        ticket: Its place in time; a lower one came earlier.
    """

    key: int
    action: str
    price: Decimal
    quantity: Decimal
    reserve: Decimal = _ZERO
    slice_size: Decimal = _ZERO
    hidden: bool = False
    ticket: int = 0

    @property
    def total(self) -> Decimal:
        """Units that it still wants, seen and unseen."""
        return self.quantity + self.reserve


class _Level:
    """Everything at one price."""

    __slots__ = ("crowd", "hidden", "shown")

    def __init__(self) -> None:
        self.shown: OrderedDict[int, Resting] = OrderedDict()
        self.hidden: OrderedDict[int, Resting] = OrderedDict()
        self.crowd = _ZERO

    def queue(self, *, hidden: bool) -> OrderedDict[int, Resting]:
        return self.hidden if hidden else self.shown

    def in_turn(self) -> Iterator[Resting]:
        yield from self.shown.values()
        yield from self.hidden.values()

    def __bool__(self) -> bool:
        return bool(self.shown or self.hidden)


class _Side:
    """The levels of one side, and their prices in order."""

    __slots__ = ("buying", "levels", "prices")

    def __init__(self, *, buying: bool) -> None:
        self.buying = buying
        self.levels: dict[Decimal, _Level] = {}
        self.prices: list[Decimal] = []

    def level(self, price: Decimal) -> _Level:
        """The level at a price, made when there is none."""
        found = self.levels.get(price)
        if found is None:
            found = self.levels[price] = _Level()
            insort(self.prices, price)
        return found

    def tidy(self, price: Decimal) -> None:
        """Forget a level at which nothing is left."""
        if price in self.levels and not self.levels[price]:
            del self.levels[price]
            del self.prices[bisect_left(self.prices, price)]

    def best_first(self) -> Iterator[Decimal]:
        return reversed(self.prices) if self.buying else iter(self.prices)

    def reached(self, limit: Decimal | None) -> Iterator[_Level]:
        """Levels that an incoming order meets within its limit, best first."""
        for price in self.best_first():
            if limit is not None and (price < limit if self.buying else price > limit):
                return
            yield self.levels[price]


class OrderBook:
    """The book of one instrument. Prices need not lie on a grid; quantities are never negative."""

    def __init__(self) -> None:
        self._sides = {"BUY": _Side(buying=True), "SELL": _Side(buying=False)}
        self._orders: dict[int, Resting] = {}
        self._tickets = 0

    # -- looking -----------------------------------------------------------------------------------

    def __contains__(self, key: int) -> bool:
        return key in self._orders

    @property
    def has_orders(self) -> bool:
        """Whether an order of a client rests here."""
        return bool(self._orders)

    def order(self, key: int) -> Resting | None:
        """The order with this key; None when it does not rest here."""
        return self._orders.get(key)

    def queue(self, action: str, price: Decimal) -> list[Resting]:
        """Everything at one price of a side, in the order in which it trades."""
        level = self._sides[action].levels.get(price)
        return [] if level is None else list(level.in_turn())

    def levels(self, action: str, rows: int | None = None) -> list[tuple[Decimal, Decimal]]:
        """Price and displayed size of a side's levels, best first; a level that is all hidden is left out.

        Args:
            action: ``BUY`` for the bids, ``SELL`` for the offers.
            rows: At most so many; None for all.
        """
        side = self._sides[action]
        found = []
        for price in side.best_first():
            size = sum((one.quantity for one in side.levels[price].shown.values()), _ZERO)
            if size:
                found.append((price, size))
                if len(found) == rows:
                    break
        return found

    def crowd(self, action: str) -> dict[Decimal, Decimal]:
        """What the crowd shows on a side: size by price, best first."""
        side = self._sides[action]
        return {price: side.levels[price].crowd for price in side.best_first() if side.levels[price].crowd}

    def best_of_crowd(self, action: str) -> tuple[Decimal, Decimal] | None:
        """Price and size of the crowd's best level of a side; None when it shows nothing."""
        side = self._sides[action]
        for price in side.best_first():
            if size := side.levels[price].crowd:
                return price, size
        return None

    def first(self, action: str, limit: Decimal | None) -> Resting | None:
        """Whom an incoming order meets first; None when nobody is within its limit.

        Args:
            action: The action of the incoming order.
            limit: Its worst acceptable price; None takes any.
        """
        for level in self._sides[other_side(action)].reached(limit):
            return next(level.in_turn())
        return None

    def available(
        self, action: str, limit: Decimal | None, passes: Callable[[int], bool] | None = None
    ) -> Decimal:
        """Units that an incoming order could have right now, seen and unseen.

        Args:
            action: The action of the incoming order.
            limit: Its worst acceptable price; None takes any.
            passes: Whether it may trade with the order of a key; by default with all.
        """
        return sum(
            (
                one.total
                for level in self._sides[other_side(action)].reached(limit)
                for one in level.in_turn()
                if one.key == CROWD or passes is None or passes(one.key)
            ),
            _ZERO,
        )

    # -- orders ------------------------------------------------------------------------------------

    def place(
        self,
        key: int,
        action: str,
        price: Decimal,
        quantity: Decimal,
        *,
        slice_size: Decimal = _ZERO,
        hidden: bool = False,
    ) -> None:
        """Put an order at the end of the queue at its price.

        Args:
            key: Its number; not :data:`CROWD`, and not in the book yet.
            action: ``BUY`` or ``SELL``.
            price: Its limit.
            quantity: Units, more than zero.
            slice_size: Units that an iceberg shows; zero for all.
            hidden: Nobody sees it.

        Raises:
            InvariantViolated: The key is in use, or the quantity is not above zero.
        """
        if key == CROWD or key in self._orders or quantity <= 0:
            raise InvariantViolated(f"order {key} of {quantity} cannot be put into the book")
        peak = slice_size if not hidden else _ZERO
        seen = min(peak or quantity, quantity)
        one = Resting(key, action, price, seen, quantity - seen, peak, hidden)
        self._orders[key] = one
        self._queue_up(one)

    def resize(self, key: int, quantity: Decimal) -> None:
        """Change what an order wants: less keeps its place, more goes to the end of the queue.

        Args:
            key: An order in the book.
            quantity: Units that it wants now; zero takes it out.
        """
        one = self._orders[key]
        if quantity == one.total:
            return
        if quantity <= 0:
            self.remove(key)
        elif quantity < one.total:
            one.reserve = max(quantity - one.quantity, _ZERO)
            one.quantity = min(one.quantity, quantity)
        else:
            self.remove(key)
            self.place(key, one.action, one.price, quantity, slice_size=one.slice_size, hidden=one.hidden)

    def remove(self, key: int) -> None:
        """Take an order out; one that is not here is no fault."""
        one = self._orders.pop(key, None)
        if one is not None:
            side = self._sides[one.action]
            del side.levels[one.price].queue(hidden=one.hidden)[one.ticket]
            side.tidy(one.price)

    def take(self, one: Resting, quantity: Decimal) -> None:
        """Trade with interest in the book.

        Args:
            one: What :meth:`first` gave.
            quantity: Units, more than zero and at most its quantity.

        Raises:
            InvariantViolated: It has not so much.
        """
        if not 0 < quantity <= one.quantity:
            raise InvariantViolated(f"cannot take {quantity} of {one.quantity}")
        one.quantity -= quantity
        side = self._sides[one.action]
        level = side.levels[one.price]
        if one.key == CROWD:
            level.crowd -= quantity
        if one.quantity:
            return
        del level.queue(hidden=one.hidden)[one.ticket]
        if one.reserve:
            one.quantity = min(one.slice_size, one.reserve)
            one.reserve -= one.quantity
            self._queue_up(one)
            return
        self._orders.pop(one.key, None)
        side.tidy(one.price)

    def _queue_up(self, one: Resting) -> None:
        self._tickets += 1
        one.ticket = self._tickets
        self._sides[one.action].level(one.price).queue(hidden=one.hidden)[one.ticket] = one

    # -- the crowd ---------------------------------------------------------------------------------

    def show(self, action: str, sizes: Mapping[Decimal, Decimal]) -> None:
        """Let the crowd show exactly these sizes by price on a side, and nothing else."""
        side = self._sides[action]
        gone = [price for price in side.prices if side.levels[price].crowd and price not in sizes]
        for price in gone:
            self.set_crowd(action, price, _ZERO)
        for price, size in sizes.items():
            self.set_crowd(action, price, size)

    def set_crowd(self, action: str, price: Decimal, size: Decimal) -> None:
        """Let the crowd show a size at a price; growth and shrinkage both happen at the end of the queue."""
        side = self._sides[action]
        level = side.levels.get(price)
        change = size - (level.crowd if level is not None else _ZERO)
        if not change:
            return
        level = side.level(price)
        level.crowd = size
        last = next(reversed(level.shown.values()), None)
        if change > 0:
            if last is not None and last.key == CROWD:
                last.quantity += change
            else:
                self._queue_up(Resting(CROWD, action, price, change))
            return
        for one in [one for one in reversed(level.shown.values()) if one.key == CROWD]:
            cut = min(one.quantity, -change)
            one.quantity -= cut
            change += cut
            if not one.quantity:
                del level.shown[one.ticket]
            if not change:
                break
        side.tidy(price)

    def take_from_crowd(self, action: str, quantity: Decimal) -> Decimal:
        """Take from the crowd alone, past every order, as one who trades elsewhere does.

        Args:
            action: The action of the one who takes.
            quantity: Units wanted.

        Returns:
            Units taken.
        """
        left = quantity
        side = other_side(action)
        for price, size in self.crowd(side).items():
            got = min(size, left)
            self.set_crowd(side, price, size - got)
            left -= got
            if not left:
                break
        return quantity - left
