"""The market of an option: it follows the price of what the option is on.

Its quote is what the model makes of the underlying's price, a tick or more to either side, so that a put, a
call and their stock always agree. A quote that is set by hand stays, as in every market.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ibkr_core.gateway.black_scholes import Greeks, implied_volatility, value
from ibkr_core.gateway.hours import from_eastern
from ibkr_core.gateway.instruments import Catalogue, Instrument
from ibkr_core.gateway.market import Market, MarketSettings, Quote

__all__ = [
    "OptionMarket",
    "implied",
    "open_market",
    "options_on",
    "underlying_of",
    "volatility_of",
    "worth",
    "years_left",
]

_YEAR_S = 365 * 86_400
_EXPIRY_HOUR = 16
_VOLATILITIES = {"SPY": 0.16, "AAPL": 0.26}
_VOLATILITY = 0.25
_HALF_SPREAD = Decimal("0.005")  # of the worth, on either side
_STILL_LOTS = 1000
_ZERO = Decimal(0)


def underlying_of(catalogue: Catalogue, option: Instrument) -> Instrument | None:
    """What an option is on; None for anything but an option, or when the catalogue does not have it."""
    if option.sec_type != "OPT" or option.strike is None:
        return None
    return catalogue.by_id(int(option.details.get("underConId", 0)))


def options_on(instruments: Iterable[Instrument], underlying: Instrument) -> list[Instrument]:
    """Those of some instruments that are options on one."""
    return [
        one
        for one in instruments
        if one.sec_type == "OPT" and one.details.get("underConId") == underlying.con_id
    ]


def volatility_of(option: Instrument) -> float:
    """The yearly volatility at which an option is priced; the same for all options on one thing."""
    return _VOLATILITIES.get(option.symbol, _VOLATILITY)


def years_left(option: Instrument, moment: float) -> float:
    """Time until an option expires, at four in the afternoon of its last day; never below zero."""
    day = datetime.strptime(option.expiry, "%Y%m%d")  # noqa: DTZ007 - New York wall time
    return max(from_eastern(day + timedelta(hours=_EXPIRY_HOUR)) - moment, 0.0) / _YEAR_S


def worth(option: Instrument, spot: float, moment: float, volatility: float | None = None) -> Greeks:
    """What the model says of an option.

    Args:
        option: It must have a strike.
        spot: Price of the underlying.
        moment: Seconds since the epoch.
        volatility: By default that of the simulation.
    """
    strike = float(option.strike or 0)
    assumed = volatility_of(option) if volatility is None else volatility
    return value(max(spot, 1e-6), strike, years_left(option, moment), assumed, option.right)


def implied(option: Instrument, price: float, spot: float, moment: float) -> float | None:
    """The volatility that the price of an option implies; None when there is none."""
    strike = float(option.strike or 0)
    return implied_volatility(price, max(spot, 1e-6), strike, years_left(option, moment), option.right)


class OptionMarket(Market):
    """A market whose prices are made of those of another one.

    Args:
        option: What is traded.
        underlying: The market of what it is on, up to date whenever it is asked for.
        seed: Decides the sizes shown.
        settings: How often it is quoted anew.
        now: Seconds since the epoch.
        on_change: Called after each change by hand.
    """

    def __init__(
        self,
        option: Instrument,
        *,
        underlying: Callable[[], Market],
        seed: int,
        settings: MarketSettings,
        now: float,
        on_change: Callable[[Market], None],
    ) -> None:
        super().__init__(option, seed=seed, settings=settings, now=now, on_change=on_change)
        self._underlying = underlying
        self._frozen = False  # only by hand: a market that does not move by itself still follows
        self._requote(*self._fair(now))

    @property
    def frozen(self) -> bool:
        """Whether it was set by hand, or what it is on stands still."""
        return self._frozen or self._underlying().frozen

    def thaw(self, now: float) -> None:
        """Follow again, after it was set by hand."""
        self._frozen = self._by_hand = False
        self._forget_missing()
        self._requote(*self._fair(now))
        self._on_change(self)

    def catch_up(self, now: float) -> bool:
        """Quote anew when the underlying has moved, or a step is due.

        Returns:
            Whether the quote changed.
        """
        if self._frozen:
            self._stepped_at = now
            return False
        bid, ask, last = self._fair(now)
        due = not self._underlying().frozen and now - self._stepped_at >= self.interval_s
        if not due and (bid, ask) == (self._wanted.bid, self._wanted.ask):
            return False
        self._stepped_at = now
        if last != self._quote.last:
            self._pass()
        self._requote(bid, ask, last)
        return True

    def steps(self, now: float) -> Iterator[None]:
        """Quote anew at most once, however much time has passed."""
        if self.catch_up(now):
            yield

    def _fair(self, now: float) -> tuple[Decimal, Decimal, Decimal]:
        """Bid, ask and last around what the model says; nobody bids for what is worth nothing."""
        tick = self.instrument.min_tick
        spot = self._underlying().middle
        fair = Decimal(str(round(worth(self.instrument, float(spot), now).price, 6)))
        half = max(tick, fair * _HALF_SPREAD)
        bid = max(((fair - half) / tick).quantize(Decimal(1), ROUND_FLOOR) * tick, _ZERO)
        ask = max(((fair + half) / tick).quantize(Decimal(1), ROUND_CEILING) * tick, bid + tick)
        return bid, ask, min(max(self.instrument.to_tick(fair), tick), ask)

    def _requote(self, bid: Decimal, ask: Decimal, last: Decimal) -> None:
        bid_size = self._size() if bid else _ZERO
        self._offer(Quote(bid=bid, ask=ask, last=last, bid_size=bid_size, ask_size=self._size()))

    def _size(self) -> Decimal:
        lot = self.instrument.lot
        if self._underlying().frozen:
            return Decimal(lot * _STILL_LOTS)
        return Decimal(lot * self._rng.randint(1, self._settings.max_lots))


def open_market(
    instrument: Instrument,
    *,
    catalogue: Catalogue,
    market_of: Callable[[Instrument], Market],
    seed: int,
    settings: MarketSettings,
    now: float,
    on_change: Callable[[Market], None],
) -> Market:
    """Open the market of anything but a combination: one that follows for an option, else one of its own.

    Args:
        instrument: What is traded.
        catalogue: Where the underlying of an option is found.
        market_of: The market of an underlying.
        seed: Decides every random thing.
        settings: How prices move.
        now: Seconds since the epoch.
        on_change: Called after each change of the quote that may let resting orders trade.
    """
    under = underlying_of(catalogue, instrument)
    if under is None:
        return Market(instrument, seed=seed, settings=settings, now=now, on_change=on_change)
    return OptionMarket(
        instrument,
        underlying=lambda: market_of(under),
        seed=seed,
        settings=settings,
        now=now,
        on_change=on_change,
    )
