"""What market data and history share: which instrument a request means, its price now, and its past."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
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

    def now(self) -> float:
        """The present, seconds since the epoch."""
        return self._venue.now()

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after a delay in seconds."""
        self._venue.later(delay_s, action)

    def instrument(self, contract: Mapping[str, Any]) -> Instrument:
        """The one instrument that a request for data means.

        Raises:
            RefusalError: As for an order's contract; 321 for a combination.
        """
        if contract.get("secType") == "BAG":
            raise RefusalError.invalid("Market data of combinations is not simulated")
        return self._venue.catalogue.resolve(contract)

    def quote(self, instrument: Instrument) -> Quote:
        """What its market shows now; the price is remembered."""
        quote = self._venue.market(instrument).quote
        self._past(instrument).note(self.now(), float(quote.last))
        return quote

    def interval_s(self, instrument: Instrument) -> float:
        """Seconds between two steps of its market."""
        return self._venue.market(instrument).interval_s

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
            found = Past(instrument, seed=self._seed, origin=self._origin)
            self._pasts[instrument.con_id] = found
        return found
