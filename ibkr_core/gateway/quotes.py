"""The values a market is described with: how it moves, what it shows, remembers, and what was traded."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.orderbook import CROWD

__all__ = ["MarketMemory", "MarketSettings", "Quote", "Trade"]

_FASTEST = 1_000_000
"""Beyond it time between two steps is too short for a clock to tell, and steps would be all that is done."""


@attrs.frozen(kw_only=True)
class MarketSettings:
    """How prices move.

    Attributes:
        moves: False keeps every market still, with its opening quote, until it is set by hand.
        interval_s: Seconds between two steps, at speed 1.
        speed: How many times faster than that prices move, and files are replayed.
        max_step_ticks: A step moves the price by at most so many ticks either way.
        max_lots: A step shows between one and so many lots at each level.
        depth: Levels of each side.
        max_catch_up: After a long silence at most so many steps are made up for.
    """

    moves: bool = True
    interval_s: float = 0.25
    speed: float = attrs.field(default=1.0)
    max_step_ticks: int = 2
    max_lots: int = 8
    depth: int = 20
    max_catch_up: int = 64

    @speed.validator
    def _check_speed(self, _: object, value: float) -> None:
        if not 0 < value <= _FASTEST:
            raise InvalidInput("speed", f"must be above zero and at most a million; got {value}")


@attrs.frozen(kw_only=True)
class Quote:
    """The best prices of everybody who is not a client of ours, and the last trade.

    Prices that follow the quote follow this one, so that an order never chases itself. A size of zero means
    that the side was taken and not yet refilled.
    """

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
        frozen: It stands still until it is set.
        prints: Trades that it has printed.
        volume: Units traded.
        by_hand: A hand has set it.
        has_book: Bids and asks are kept, be they empty; without, there is a ladder to be made anew.
        bids: Size by price of the crowd's bids, where a hand or a file has set them.
        asks: The same for its offers.
    """

    quote: Quote
    reference: int
    frozen: bool
    prints: int
    volume: Decimal
    by_hand: bool = False
    has_book: bool = False
    bids: Mapping[Decimal, Decimal] = attrs.field(factory=dict)
    asks: Mapping[Decimal, Decimal] = attrs.field(factory=dict)


@attrs.frozen
class Trade:
    """What one grab at the front of the queue got.

    Attributes:
        price: The level's price.
        quantity: Units taken, more than zero.
        maker: The order that was met, by its key; 0 for the crowd.
    """

    price: Decimal
    quantity: Decimal
    maker: int = CROWD
