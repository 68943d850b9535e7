"""One simulated market per instrument: a limit order book, the quote at its top, and the last trade.

The book's crowd comes from one of three sources:

* the walk: prices go by whole ticks, driven by a random generator that is seeded per instrument, so that the
  same seed gives the same prices whatever else is traded. Behind the best prices stands a ladder of levels.
  What an order takes from it is missed: the best price moves away, and half of what is missing comes back
  with each step;
* a replayed file (:mod:`ibkr_core.gateway.replay`): the book is what the file says;
* a hand: the book is exactly what was set, and what is taken is not refilled. Setting freezes the market.

A resting order that the market moves through trades at its own price, as price-time priority has it. By hand
it trades at the price that was set: the market has jumped there, and a test gets just the prices it names.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.orderbook import CROWD, OrderBook
from ibkr_core.gateway.quotes import MarketMemory, MarketSettings, Quote, Trade

__all__ = ["Market", "MarketMemory", "MarketSettings", "Quote", "Trade"]

_HAND_SET_LOTS = 1000
_ZERO = Decimal(0)
_SIDES = ("BUY", "SELL")


class Market:
    """The market of one instrument.

    Args:
        instrument: What is traded.
        seed: Together with the symbol it decides every price.
        settings: How it moves.
        now: Seconds since the epoch.
        on_change: Called after each change of the quote that may let resting orders trade.
    """

    def __init__(
        self,
        instrument: Instrument,
        *,
        seed: int,
        settings: MarketSettings,
        now: float,
        on_change: Callable[[Market], None],
    ) -> None:
        self.instrument = instrument
        self._settings = settings
        self._seed = seed
        self._rng = random.Random(f"{seed}/{instrument.con_id}")  # noqa: S311 - a simulation, not a secret
        self._on_change = on_change
        self._stepped_at = now
        self._steps = 0
        self._prints = self._elsewhere = 0
        self._passers = self._passed = 0  # those who traded in a step, and those whom the book has met
        self._volume = _ZERO
        self._last_size = Decimal(instrument.lot)
        self._frozen = not settings.moves
        self._by_hand = False
        self._reference = int(instrument.to_tick(instrument.reference_price) / instrument.min_tick)
        self._ticks = self._reference
        price = instrument.min_tick * self._ticks
        size = Decimal(instrument.lot * (_HAND_SET_LOTS if self._frozen else settings.max_lots))
        self._quote = Quote(
            bid=price, ask=price + instrument.min_tick, last=price, bid_size=size, ask_size=size
        )
        self._wanted = self._quote
        self._missing: dict[str, dict[Decimal, Decimal]] = {side: {} for side in _SIDES}
        self._book = OrderBook()
        self._stale = True  # the book does not show the crowd of the quote yet

    # -- looking -----------------------------------------------------------------------------------

    @property
    def quote(self) -> Quote:
        """The best prices of the crowd now."""
        return self._quote

    @property
    def shown(self) -> Quote:
        """What market data shows: the best prices with our clients' displayed orders among them."""
        if not self._book.has_orders:
            return self.quote
        bid, ask = (self.book.levels(side, 1) for side in _SIDES)
        quote = self._quote
        return Quote(
            bid=bid[0][0] if bid else quote.bid,
            ask=ask[0][0] if ask else quote.ask,
            last=quote.last,
            bid_size=bid[0][1] if bid else _ZERO,
            ask_size=ask[0][1] if ask else _ZERO,
        )

    @property
    def book(self) -> OrderBook:
        """The book; its ladder is made when somebody looks."""
        if self._stale:
            self._refill()
        return self._book

    @property
    def has_orders(self) -> bool:
        """Whether orders of clients rest in the book."""
        return self._book.has_orders

    @property
    def prints(self) -> int:
        """How many trades the market has printed, those of our clients among them."""
        return self._prints

    @property
    def elsewhere(self) -> int:
        """How many of them took nothing from this book; an order that follows the quote trades with those."""
        return self._elsewhere

    @property
    def volume(self) -> Decimal:
        """Units traded so far: a lot with each print of others, and what our orders took."""
        return self._volume

    @property
    def last_size(self) -> Decimal:
        """Units of the last trade; a lot where nobody said how many."""
        return self._last_size

    @property
    def frozen(self) -> bool:
        """Whether the price stands still until it is set."""
        return self._frozen

    @property
    def by_hand(self) -> bool:
        """Whether a hand has set the price, so that everything trades at the price that was set."""
        return self._by_hand

    @property
    def interval_s(self) -> float:
        """Seconds between two steps."""
        return self._settings.interval_s / self._settings.speed

    @property
    def middle(self) -> Decimal:
        """Half way between bid and ask."""
        return (self._quote.bid + self._quote.ask) / 2

    # -- prices by hand ----------------------------------------------------------------------------

    def set_quote(
        self,
        *,
        bid: Decimal,
        ask: Decimal,
        bid_size: Decimal | None = None,
        ask_size: Decimal | None = None,
        last: Decimal | None = None,
    ) -> None:
        """Put the quote where you want it, and freeze the market there. Behind it the book is empty.

        Args:
            bid: Best bid.
            ask: Best ask, above the bid.
            bid_size: Units shown at the bid; by default a thousand lots.
            ask_size: Units shown at the ask; by default a thousand lots.
            last: Last trade. By default it is dragged along, into the new spread, so that stops elect.

        Raises:
            InvalidInput: The bid is not below the ask, or a size is negative. Nothing is changed.
        """
        deep = Decimal(self.instrument.lot * _HAND_SET_LOTS)
        sizes = [deep if size is None else size for size in (bid_size, ask_size)]
        if not bid < ask:
            raise InvalidInput("ask", f"must be above the bid; got bid {bid}, ask {ask}")
        if any(size < 0 for size in sizes):
            raise InvalidInput("bid_size/ask_size", f"must not be negative; got {sizes[0]} and {sizes[1]}")
        self._put([(bid, sizes[0])], [(ask, sizes[1])], last, by_hand=True)

    def set_book(
        self,
        *,
        bids: Iterable[tuple[Decimal, Decimal]],
        asks: Iterable[tuple[Decimal, Decimal]],
        last: Decimal | None = None,
    ) -> None:
        """Put the crowd's whole book where you want it, and freeze the market there.

        Args:
            bids: Price and size of each level, best first.
            asks: Price and size of each level, best first.
            last: Last trade. By default it is dragged along, into the new spread, so that stops elect.

        Raises:
            InvalidInput: A side is empty or out of order, the sides cross, or a size is not above zero.
                Nothing is changed.
        """
        bids, asks = list(bids), list(asks)
        for name, levels, direction in (("bids", bids, -1), ("asks", asks, 1)):
            prices = [price * direction for price, _ in levels]
            if not levels or any(low >= high for low, high in itertools.pairwise(prices)):
                raise InvalidInput(name, "must be one level or more, each worse than the one before")
            if any(size <= 0 for _, size in levels):
                raise InvalidInput(name, "must have sizes above zero")
        if not bids[0][0] < asks[0][0]:
            raise InvalidInput("asks", f"must be above the bids; got {bids[0][0]} and {asks[0][0]}")
        self._put(bids, asks, last, by_hand=True)

    def replay_quote(
        self, bid: tuple[Decimal, Decimal], ask: tuple[Decimal, Decimal], *, drags_last: bool
    ) -> None:
        """Show a quote of a file; a resting order that it goes through trades at its own price.

        Args:
            bid: Best bid and its size.
            ask: Best ask and its size, above the bid.
            drags_last: Whether the last trade is dragged into the spread: for a file without trades.
        """
        last = None if drags_last else self._quote.last
        self._put([bid], [ask], last, by_hand=False, prints=False)

    def _put(
        self,
        bids: list[tuple[Decimal, Decimal]],
        asks: list[tuple[Decimal, Decimal]],
        last: Decimal | None,
        *,
        by_hand: bool,
        prints: bool = True,
    ) -> None:
        if last is not None and prints:
            self._last_size = Decimal(self.instrument.lot)
            self._prints += 1
            self._elsewhere += 1
        (bid, bid_size), (ask, ask_size) = bids[0], asks[0]
        dragged = min(max(self._quote.last, bid), ask)
        self._quote = Quote(
            bid=bid,
            ask=ask,
            last=dragged if last is None else last,
            bid_size=bid_size,
            ask_size=ask_size,
        )
        self._frozen, self._by_hand, self._stale = True, by_hand, False
        self._forget_missing()
        for side, levels in zip(_SIDES, (bids, asks), strict=True):
            self._book.show(side, {price: size for price, size in levels if size})
        self._on_change(self)

    def set_last(self, price: Decimal) -> None:
        """Print a trade made elsewhere; the book stays, the market freezes. Stops may elect."""
        self._elsewhere += 1
        self.note_print(price, Decimal(self.instrument.lot))

    def note_print(self, price: Decimal, quantity: Decimal) -> None:
        """Print a trade of others, after it has taken from the book what it did; the market freezes."""
        self._quote = attrs.evolve(self._quote, last=price)
        self._prints += 1
        self._volume += quantity
        self._last_size = quantity
        self._frozen = True
        self._on_change(self)

    def aggressor(self, price: Decimal) -> str:
        """Who came to whom when others trade at a price: the usual quote rule, then the tick rule.

        Returns:
            ``BUY`` at or above the ask, ``SELL`` at or below the bid; between them ``BUY`` above the last
            price, ``SELL`` otherwise.
        """
        quote = self._quote
        if price >= quote.ask:
            return "BUY"
        if price <= quote.bid:
            return "SELL"
        return "BUY" if price > quote.last else "SELL"

    def freeze(self) -> None:
        """Stop the price walk. A level that is taken is not refilled until the price is set."""
        self._frozen = True

    def thaw(self, now: float) -> None:
        """Let the price walk again, from where it stands."""
        self._frozen = self._by_hand = False
        self._stepped_at = now
        self._ticks = int(self.instrument.to_tick(self._quote.bid) / self.instrument.min_tick)
        self._reference = self._ticks
        self._wanted, self._stale = self._quote, True
        self._forget_missing()
        self._on_change(self)

    # -- over a restart ----------------------------------------------------------------------------

    def memory(self) -> MarketMemory:
        """What to keep over a restart. The ladder of a walking market is made anew, and so is not kept."""
        kept = self._frozen and not self._stale
        return MarketMemory(
            quote=self._quote,
            reference=self._reference,
            frozen=self._frozen,
            prints=self._prints,
            volume=self._volume,
            by_hand=self._by_hand,
            has_book=kept,
            bids=self._book.crowd("BUY") if kept else {},
            asks=self._book.crowd("SELL") if kept else {},
        )

    def recall(self, memory: MarketMemory, now: float, luck: str) -> None:
        """Go on from where a market stood before a restart; nobody is told of a change.

        Args:
            memory: From before.
            now: Seconds since the epoch; the price has not moved while the gateway was down.
            luck: Seeds the walk from here on.
        """
        self._quote = self._wanted = memory.quote
        self._ticks = int(self.instrument.to_tick(memory.quote.bid) / self.instrument.min_tick)
        self._reference = memory.reference
        self._frozen, self._by_hand = memory.frozen, memory.by_hand
        self._prints, self._volume = memory.prints, memory.volume
        self._stepped_at = now
        self._rng.seed(luck)
        self._stale = not memory.has_book
        self._forget_missing()
        for side, sizes in zip(_SIDES, (memory.bids, memory.asks), strict=True):
            self._book.show(side, sizes)

    # -- the walk ----------------------------------------------------------------------------------

    def steps_due(self, now: float) -> int:
        """How many steps time calls for; whoever asks makes them with :meth:`walk`."""
        if self._frozen:
            self._stepped_at = now
            return 0
        due = int((now - self._stepped_at) / self.interval_s)
        if due <= 0:
            return 0
        self._stepped_at += due * self.interval_s
        return min(due, self._settings.max_catch_up)

    def steps(self, now: float) -> Iterator[None]:
        """Make the steps that time calls for; after each one the caller lets orders trade."""
        for _ in range(self.steps_due(now)):
            self.walk()
            yield

    def catch_up(self, now: float) -> bool:
        """Make the steps that time calls for, while nothing rests that could trade.

        Returns:
            Whether the quote changed.
        """
        return sum(1 for _ in self.steps(now)) > 0  # all of them, not just the first

    def walk(self) -> None:
        """Make one step: new prices and sizes, and a trade of others at the bid or the ask."""
        rng, tick = self._rng, self.instrument.min_tick
        reach = self._settings.max_step_ticks
        move = rng.randint(-reach, reach)
        low, high = max(1, self._reference // 2), self._reference * 3 // 2
        self._pass()
        self._ticks = min(max(self._ticks + move, low), max(high, low + 1))
        bid = tick * self._ticks
        ask = bid + tick * rng.choice((1, 1, 2))
        self._offer(
            Quote(
                bid=bid,
                ask=ask,
                last=rng.choice((bid, ask)),
                bid_size=Decimal(self.instrument.lot * rng.randint(1, self._settings.max_lots)),
                ask_size=Decimal(self.instrument.lot * rng.randint(1, self._settings.max_lots)),
            )
        )

    def _offer(self, wanted: Quote) -> None:
        """Let the crowd gather around a new quote; what was taken from it comes back in part."""
        self._steps += 1
        self._wanted = self._quote = wanted
        self._stale = True
        if any(self._missing.values()):
            self._recover()
            self._refill()
            if wanted.last in {wanted.bid, wanted.ask}:
                quote = self._quote
                self._quote = attrs.evolve(quote, last=quote.bid if wanted.last == wanted.bid else quote.ask)

    def _pass(self) -> None:
        """Somebody trades a lot in this step."""
        self._passers += 1
        self._prints += 1
        self._last_size = Decimal(self.instrument.lot)
        self._volume += self.instrument.lot

    def passer_by(self) -> tuple[str, Decimal, Decimal]:
        """Who made the trade of the last step, once: action, units (zero for nobody), and limit price."""
        fresh, self._passed = self._passers > self._passed, self._passers
        quote = self._quote
        sold = quote.last <= quote.bid or (quote.last < quote.ask and self._passers % 2 == 0)
        return ("SELL" if sold else "BUY"), Decimal(self.instrument.lot if fresh else 0), quote.last

    def settle(self) -> None:
        """Let the crowd of a walking market stand as its step wants it, after somebody traded with it."""
        if not self._frozen:
            self._refill()

    def _refill(self) -> None:
        """Show the ladder of the last step, less what is missing from it."""
        self._stale = False
        ladders = self._ladders()
        for side in _SIDES:
            missing = self._missing[side]
            sizes = {price: size - missing.get(price, _ZERO) for price, size in ladders[side].items()}
            self._book.show(side, {price: size for price, size in sizes.items() if size > 0})
        wanted = self._wanted
        self._quote = attrs.evolve(wanted, last=self._quote.last)
        if any(self._missing.values()):
            self._look_again(self._quote.last)

    def _ladders(self) -> Mapping[str, dict[Decimal, Decimal]]:
        """Sizes by price: the best of the quote, and behind it some lots at every tick.

        They depend on seed and step alone, so that looking at them changes nothing.
        """
        name = f"{self._seed}/{self.instrument.con_id}/depth/{self._steps}"
        rng = random.Random(name)  # noqa: S311 - a simulation, not a secret
        wanted, settings = self._wanted, self._settings
        tick, lot = self.instrument.min_tick, self.instrument.lot
        ladders: dict[str, dict[Decimal, Decimal]] = {
            "BUY": {wanted.bid: wanted.bid_size},
            "SELL": {wanted.ask: wanted.ask_size},
        }
        for place in range(1, settings.depth):
            bid_lots, ask_lots = rng.randint(1, settings.max_lots), rng.randint(1, settings.max_lots)
            if (price := wanted.bid - tick * place) > 0:
                ladders["BUY"][price] = Decimal(lot * bid_lots)
            ladders["SELL"][wanted.ask + tick * place] = Decimal(lot * ask_lots)
        return ladders

    def _recover(self) -> None:
        """Half of what was taken from each level comes back; less than a lot comes back whole."""
        lot = self.instrument.lot
        for side in _SIDES:
            left = {price: size // (2 * lot) * lot for price, size in self._missing[side].items()}
            self._missing[side] = {price: size for price, size in left.items() if size}

    def _forget_missing(self) -> None:
        for missing in self._missing.values():
            missing.clear()

    def _look_again(self, last: Decimal) -> None:
        """Read the quote off the book; a side that is empty keeps its price, with no size."""
        bid, ask = (self._book.best_of_crowd(side) for side in _SIDES)
        quote = self._quote
        self._quote = Quote(
            bid=quote.bid if bid is None else bid[0],
            ask=quote.ask if ask is None else ask[0],
            last=last,
            bid_size=_ZERO if bid is None else bid[1],
            ask_size=_ZERO if ask is None else ask[1],
        )

    # -- trading -----------------------------------------------------------------------------------

    def available(
        self, action: str, limit: Decimal | None, passes: Callable[[int], bool] | None = None
    ) -> Decimal:
        """Units that an order could have right now.

        Args:
            action: ``BUY`` or ``SELL``.
            limit: Worst acceptable price; None takes any.
            passes: Whether it may trade with the order of a key; by default with all.
        """
        return self.book.available(action, limit, passes)

    def facing(self, action: str, limit: Decimal | None) -> int | None:
        """Whom an order meets next: the key of an order, 0 for the crowd; None for nobody in reach."""
        one = self.book.first(action, limit)
        return None if one is None else one.key

    def take(
        self,
        action: str,
        quantity: Decimal,
        limit: Decimal | None,
        *,
        at: Decimal | None = None,
        by_crowd: bool = False,
    ) -> Trade | None:
        """Trade with whoever is first in the queue at the best price.

        Args:
            action: ``BUY`` takes the offers, ``SELL`` the bids.
            quantity: Units wanted, more than zero.
            limit: Worst acceptable price; None takes any.
            at: The price of the trade if it is with the crowd: that of an order which was there first and
                which the market has moved through; by default the crowd's.
            by_crowd: It is the crowd that takes, as part of a trade that is noted otherwise.

        Returns:
            What was traded; None when nobody is within the limit.
        """
        one = self.book.first(action, limit)
        if one is None:
            return None
        got = min(quantity, one.quantity)
        self._book.take(one, got)
        if not by_crowd:
            self._prints += 1
            self._volume += got
            self._last_size = got
        if one.key != CROWD:
            self._quote = attrs.evolve(self._quote, last=one.price)
            return Trade(one.price, got, one.key)
        if not (by_crowd or self._frozen):
            self._miss(one.action, one.price, got)
        trade = Trade(one.price if at is None else at, got)
        self._look_again(trade.price)
        return trade

    def take_from_crowd(self, action: str, quantity: Decimal) -> None:
        """Take from the crowd alone, for a trade that is priced elsewhere: a leg of a combination."""
        if not self._frozen:
            for price, size in self.book.crowd("SELL" if action == "BUY" else "BUY").items():
                self._miss("SELL" if action == "BUY" else "BUY", price, min(size, quantity))
                break
        price = self._quote.ask if action == "BUY" else self._quote.bid
        self._prints += 1
        self._volume += self.book.take_from_crowd(action, quantity)
        self._look_again(price)

    def _miss(self, side: str, price: Decimal, quantity: Decimal) -> None:
        missing = self._missing[side]
        missing[price] = missing.get(price, _ZERO) + quantity

    # -- resting -----------------------------------------------------------------------------------

    def rest(
        self, key: int, action: str, price: Decimal, quantity: Decimal, *, slice_size: Decimal, hidden: bool
    ) -> bool:
        """Put an order into the book, or bring the one that is there up to date.

        Returns:
            Whether it is new at its price, so that others may now want to trade with it.
        """
        book = self.book
        known = book.order(key)
        if known is not None and known.price == price:
            book.resize(key, quantity)
            return False
        book.remove(key)
        book.place(key, action, price, quantity, slice_size=slice_size, hidden=hidden)
        return True

    def withdraw(self, key: int) -> None:
        """Take an order out of the book; one that is not in it is no fault."""
        self._book.remove(key)

    def resize(self, key: int, quantity: Decimal) -> None:
        """Change what an order in the book wants; one that is not in it is no fault."""
        if key in self._book:
            self._book.resize(key, quantity)

    def place_of(self, key: int) -> tuple[bool, int] | None:
        """Whether an order in the book is hidden, and its place in time; None when it is not there."""
        one = self._book.order(key)
        return None if one is None else (one.hidden, one.ticket)

    def resting_price(self, key: int) -> Decimal | None:
        """Where an order rests; None when it does not."""
        one = self._book.order(key)
        return None if one is None else one.price
