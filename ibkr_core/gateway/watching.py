"""What market data and history share: which instrument a request means, its price now, and its past."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway.clock import day_text
from ibkr_core.gateway.data_settings import DataSettings
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.news import Newsroom
from ibkr_core.gateway.option_past import OptionPast
from ibkr_core.gateway.options import underlying_of
from ibkr_core.gateway.past import Past
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.venue import Venue

__all__ = ["Watch"]


class Watch:
    """A venue's prices, looked at and remembered.

    Args:
        venue: Whose prices.
        seed: Decides the past.
    """

    def __init__(self, venue: Venue, *, seed: int) -> None:
        self._venue = venue
        self._seed = seed
        self._origin = venue.origin
        self._pasts: dict[int, Past] = {}
        self.newsroom = Newsroom(seed=seed)

    def now(self) -> float:
        """The present, seconds since the epoch."""
        return self._venue.now()

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after a delay in seconds."""
        self._venue.later(delay_s, action)

    @property
    def data(self) -> DataSettings:
        """What the account may see."""
        return self._venue.settings.data

    def instruments(self) -> Iterator[Instrument]:
        """Everything there is."""
        return iter(self._venue.catalogue)

    def instrument(
        self, contract: Mapping[str, Any], *, combos: bool = False, continuous: bool = False
    ) -> Instrument:
        """The one instrument that a request for data means.

        Args:
            contract: Official field names.
            combos: Whether it may be a combination.
            continuous: Whether it may be a continuous future, for which the next to expire stands.

        Raises:
            RefusalError: As for an order's contract; 321 for a combination that may not be one.
        """
        if continuous and contract.get("secType") == "CONTFUT":
            front = self._venue.catalogue.front(contract, day_text(self.now()))
            if front is None:
                raise RefusalError(200, "No security definition has been found for the request")
            return front
        if contract.get("secType") == "BAG" and not combos:
            raise RefusalError.invalid("This data is not offered for combinations")
        return self._venue.resolve(contract)

    def is_quoted(self, instrument: Instrument) -> bool:
        """Whether anybody quotes an instrument now."""
        return self._venue.day.is_quoted(instrument)

    def is_halted(self, instrument: Instrument) -> bool:
        """Whether trading in an instrument was halted."""
        return instrument.con_id in self._venue.restrictions.halted

    def quote(self, instrument: Instrument) -> Quote:
        """What its market shows now; the price is remembered."""
        quote = self._venue.market(instrument).shown
        if instrument.sec_type != "BAG":
            self._past(instrument).note(self.now(), float(quote.last))
        return quote

    def quote_at(self, instrument: Instrument, moment: float) -> Quote:
        """What its market showed at a moment of the past: the last price, and a tick to either side."""
        last, tick = Decimal(str(self.past(instrument).price_at(moment))), instrument.min_tick
        lot = Decimal(instrument.lot)
        return Quote(bid=max(last - tick, tick), ask=last + tick, last=last, bid_size=lot, ask_size=lot)

    def underlying_price(self, option: Instrument, moment: float | None = None) -> float | None:
        """The price of what an option is on, now or at a moment of the past; None when there is none."""
        under = underlying_of(self._venue.catalogue, option)
        if under is None:
            return None
        return float(self._venue.price_of(under)) if moment is None else self.past(under).price_at(moment)

    def depth(
        self, instrument: Instrument, rows: int
    ) -> tuple[list[tuple[Decimal, Decimal]], list[tuple[Decimal, Decimal]]]:
        """Price and size of the best levels of its book, bids and offers; hidden orders are not in it."""
        book = self._venue.market(instrument).book
        return book.levels("BUY", rows), book.levels("SELL", rows)

    def interval_s(self, instrument: Instrument) -> float:
        """Seconds between two steps of its market."""
        return self._venue.market(instrument).interval_s

    def last_size(self, instrument: Instrument) -> Decimal:
        """Units of its last trade; nothing of an index, which nobody trades."""
        return Decimal(0) if instrument.sec_type == "IND" else self._venue.market(instrument).last_size

    def prints(self, instrument: Instrument) -> int:
        """How many trades its market has printed."""
        return self._venue.market(instrument).prints

    def past(self, instrument: Instrument) -> Past:
        """Its past, up to now."""
        self.quote(instrument)
        return self._past(instrument)

    def _past(self, instrument: Instrument) -> Past:
        found = self._pasts.get(instrument.con_id)
        if found is None or found.instrument is not instrument:
            under = underlying_of(self._venue.catalogue, instrument)
            if under is None:
                found = Past(instrument, seed=self._seed, origin=self._origin)
            else:
                past = self._past(under)
                found = OptionPast(instrument, underlying=past, seed=self._seed, origin=self._origin)
            self._pasts[instrument.con_id] = found
        return found
