"""One simulated market per instrument: a best bid, a best ask, their sizes, and the last trade.

Prices walk by whole ticks, driven by a random generator that is seeded per instrument, so that the same seed
gives the same prices whatever else is traded. Only the best level is shown; an order that takes all of it
waits for the next step, and so is filled in parts. A price set by hand stays: setting one freezes the market.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from decimal import Decimal

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.instruments import Instrument

__all__ = ["Market", "MarketMemory", "MarketSettings", "Quote", "Trade"]

_HAND_SET_LOTS = 1000
_ZERO = Decimal(0)


@attrs.frozen(kw_only=True)
class MarketSettings:
    """How prices move.

    Attributes:
        moves: False keeps every market still, with its opening quote, until it is set by hand.
        interval_s: Seconds between two steps.
        max_step_ticks: A step moves the price by at most so many ticks either way.
        max_lots: A step shows between one and so many lots at each side.
        max_catch_up: After a long silence at most so many steps are made up for.
    """

    moves: bool = True
    interval_s: float = 0.25
    max_step_ticks: int = 2
    max_lots: int = 8
    max_catch_up: int = 64


@attrs.frozen(kw_only=True)
class Quote:
    """What the market shows. A size of zero means that the level was taken and not yet refilled."""

    bid: Decimal
    ask: Decimal
    last: Decimal
    bid_size: Decimal
    ask_size: Decimal


@attrs.frozen(kw_only=True)
class MarketMemory:
    """What a market must remember over a restart of the gateway, so that its price does not jump.

    Attributes:
        quote: What it shows.
        reference: The tick around which its price walks.
        frozen: It stands still until it is set by hand.
        prints: Trades that it has printed.
        volume: Units traded.
    """

    quote: Quote
    reference: int
    frozen: bool
    prints: int
    volume: Decimal


@attrs.frozen
class Trade:
    """What one grab at the best level got.

    Attributes:
        price: The level's price.
        quantity: Units taken, more than zero.
    """

    price: Decimal
    quantity: Decimal


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
        self._rng = random.Random(f"{seed}/{instrument.con_id}")  # noqa: S311 - a simulation, not a secret
        self._on_change = on_change
        self._stepped_at = now
        self._prints = 0
        self._volume = _ZERO
        self._frozen = not settings.moves
        self._reference = int(instrument.to_tick(instrument.reference_price) / instrument.min_tick)
        self._ticks = self._reference
        price = instrument.min_tick * self._ticks
        size = Decimal(instrument.lot * (_HAND_SET_LOTS if self._frozen else settings.max_lots))
        self._quote = Quote(
            bid=price, ask=price + instrument.min_tick, last=price, bid_size=size, ask_size=size
        )

    @property
    def quote(self) -> Quote:
        """What the market shows now."""
        return self._quote

    @property
    def prints(self) -> int:
        """How many trades of others the market has printed; a passive order trades with one of them."""
        return self._prints

    @property
    def volume(self) -> Decimal:
        """Units traded so far: a lot with each print of others, and what our orders took."""
        return self._volume

    @property
    def frozen(self) -> bool:
        """Whether the price stands still until it is set by hand."""
        return self._frozen

    @property
    def interval_s(self) -> float:
        """Seconds between two steps."""
        return self._settings.interval_s

    @property
    def middle(self) -> Decimal:
        """Half way between bid and ask."""
        return (self._quote.bid + self._quote.ask) / 2

    def set_quote(
        self,
        *,
        bid: Decimal,
        ask: Decimal,
        bid_size: Decimal | None = None,
        ask_size: Decimal | None = None,
        last: Decimal | None = None,
    ) -> None:
        """Put the quote where you want it, and freeze the market there.

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
        self._prints += last is not None
        dragged = min(max(self._quote.last, bid), ask)
        self._quote = Quote(
            bid=bid,
            ask=ask,
            last=dragged if last is None else last,
            bid_size=sizes[0],
            ask_size=sizes[1],
        )
        self._frozen = True
        self._on_change(self)

    def set_last(self, price: Decimal) -> None:
        """Print a trade at ``price``; the quote stays, the market freezes. Stops may elect."""
        self._quote = attrs.evolve(self._quote, last=price)
        self._prints += 1
        self._volume += self.instrument.lot
        self._frozen = True
        self._on_change(self)

    def freeze(self) -> None:
        """Stop the price walk. A level that is taken is not refilled until the next :meth:`set_quote`."""
        self._frozen = True

    def thaw(self, now: float) -> None:
        """Let the price walk again, from where it stands."""
        self._frozen = False
        self._stepped_at = now
        self._ticks = int(self.instrument.to_tick(self._quote.bid) / self.instrument.min_tick)
        self._reference = self._ticks
        self._on_change(self)

    def memory(self) -> MarketMemory:
        """What to keep over a restart."""
        return MarketMemory(
            quote=self._quote,
            reference=self._reference,
            frozen=self._frozen,
            prints=self._prints,
            volume=self._volume,
        )

    def recall(self, memory: MarketMemory, now: float, luck: str) -> None:
        """Go on from where a market stood before a restart; nobody is told of a change.

        Args:
            memory: From before.
            now: Seconds since the epoch; the price has not moved while the gateway was down.
            luck: Seeds the walk from here on.
        """
        self._quote = memory.quote
        self._ticks = int(self.instrument.to_tick(memory.quote.bid) / self.instrument.min_tick)
        self._reference = memory.reference
        self._frozen = memory.frozen
        self._prints, self._volume = memory.prints, memory.volume
        self._stepped_at = now
        self._rng.seed(luck)

    def catch_up(self, now: float) -> bool:
        """Make the steps that time calls for.

        Returns:
            Whether the quote changed. The caller then matches its resting orders.
        """
        if self._frozen:
            self._stepped_at = now
            return False
        due = int((now - self._stepped_at) / self._settings.interval_s)
        if due <= 0:
            return False
        for _ in range(min(due, self._settings.max_catch_up)):
            self._step()
        self._stepped_at += due * self._settings.interval_s
        return True

    def _step(self) -> None:
        rng, tick = self._rng, self.instrument.min_tick
        reach = self._settings.max_step_ticks
        move = rng.randint(-reach, reach)
        low, high = max(1, self._reference // 2), self._reference * 3 // 2
        self._prints += 1
        self._volume += self.instrument.lot
        self._ticks = min(max(self._ticks + move, low), max(high, low + 1))
        bid = tick * self._ticks
        ask = bid + tick * rng.choice((1, 1, 2))
        self._quote = Quote(
            bid=bid,
            ask=ask,
            last=rng.choice((bid, ask)),
            bid_size=Decimal(self.instrument.lot * rng.randint(1, self._settings.max_lots)),
            ask_size=Decimal(self.instrument.lot * rng.randint(1, self._settings.max_lots)),
        )

    def available(self, action: str, limit: Decimal | None) -> Decimal:
        """Units that an order could take at the best level right now.

        Args:
            action: ``BUY`` or ``SELL``.
            limit: Worst acceptable price; None takes any.
        """
        quote = self._quote
        if action == "BUY":
            return quote.ask_size if limit is None or quote.ask <= limit else _ZERO
        return quote.bid_size if limit is None or quote.bid >= limit else _ZERO

    def take(self, action: str, quantity: Decimal, limit: Decimal | None) -> Trade | None:
        """Trade against the best level, up to its size.

        Args:
            action: ``BUY`` takes the ask, ``SELL`` the bid.
            quantity: Units wanted, more than zero.
            limit: Worst acceptable price; None takes any.

        Returns:
            What was traded; None when the price is out of reach or the level is empty.
        """
        got = min(quantity, self.available(action, limit))
        if got <= 0:
            return None
        quote = self._quote
        self._volume += got
        if action == "BUY":
            self._quote = attrs.evolve(quote, ask_size=quote.ask_size - got, last=quote.ask)
            return Trade(quote.ask, got)
        self._quote = attrs.evolve(quote, bid_size=quote.bid_size - got, last=quote.bid)
        return Trade(quote.bid, got)
