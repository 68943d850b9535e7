"""What an option's price has been: what the model makes of the past of its underlying."""

from __future__ import annotations

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.options import worth
from ibkr_core.gateway.past import Past

__all__ = ["OptionPast"]


class OptionPast(Past):
    """The past of one option. What was seen of it since the gateway began is remembered, as of everything.

    Args:
        option: Whose.
        underlying: The past of what it is on.
        seed: Decides how much was traded.
        origin: When the gateway began, seconds since the epoch.
    """

    def __init__(self, option: Instrument, *, underlying: Past, seed: int, origin: float) -> None:
        super().__init__(option, seed=seed, origin=origin)
        self._underlying = underlying

    def _price_at(self, moment: float) -> float:
        if moment >= self.origin:
            return super()._price_at(moment)
        return worth(self.instrument, self._underlying.price_at(moment), moment).price

    def _line(self, start: float, end: float) -> list[float]:
        """The model over the underlying's line; between its ends the option is as old as in the middle."""
        until = min(end, self.origin)
        if start >= until:
            return super()._line(start, end)
        middle = (start + until) / 2
        made_up = [worth(self.instrument, spot, middle).price for spot in self._underlying.line(start, until)]
        ends = [self._price_at(start), *made_up[1:-1], self._price_at(until - 1e-3)]
        return ends if end <= self.origin else [*ends, *super()._line(self.origin, end)]
