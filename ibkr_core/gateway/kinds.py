"""The order types that the gateway simulates, as one table: what triggers them and what they pay.

The names are the broker's. ``MOO`` and ``LOO`` are taken as names, too, although the broker's own pages
ask for them with ``MKT`` or ``LMT`` and the time in force ``OPG``.
"""

from __future__ import annotations

import enum
from functools import cached_property

import attrs

__all__ = ["KINDS", "KNOWN_TIFS", "KNOWN_TYPES", "SIMULATED_TIFS", "Kind", "Pricing", "Trigger"]


class Trigger(enum.Enum):
    """What must happen before an order may trade."""

    NONE = "nothing"
    STOP = "the price gets as bad as auxPrice"
    TOUCH = "the price gets as good as auxPrice"
    TRAIL = "the price gets as bad as a stop that follows it"
    TRAIL_TOUCH = "the price gets as good as a trigger that follows it"


class Pricing(enum.Enum):
    """The worst price that an order takes once it may trade.

    The middle of the quote is meant without rounding, everything else on the tick grid, rounded so that the
    order is not more aggressive than it asked to be.
    """

    MARKET = "any"
    LIMIT = "lmtPrice"
    TO_LIMIT = "any for the first part, then the price of that part"
    RELATIVE = "its own side of the quote plus auxPrice or percentOffset, capped by lmtPrice"
    PASSIVE = "its own side of the quote less auxPrice, capped by lmtPrice"
    OPPOSITE = "the other side of the quote less auxPrice, capped by lmtPrice"
    MIDDLE = "the middle of the quote less auxPrice, capped by lmtPrice"
    BEST = "its own side of the quote plus competeAgainstBestOffset, never beyond the middle, capped"
    PROTECTED = "the other side of the quote and so many ticks, as it was when the order set off"
    STOCK = "startingPrice plus delta percent of what the underlying has moved"
    BENCHMARK = "startingPrice plus so much for so much that another contract has moved, capped by lmtPrice"
    VOLATILITY = "what the option is worth at the order's volatility"


_FOLLOWING = frozenset({
    Pricing.RELATIVE, Pricing.PASSIVE, Pricing.OPPOSITE, Pricing.MIDDLE, Pricing.BEST, Pricing.STOCK,
    Pricing.BENCHMARK, Pricing.VOLATILITY,
})  # fmt: skip
_WITHOUT_LIMIT = frozenset({
    Pricing.MARKET, Pricing.TO_LIMIT, Pricing.PROTECTED, Pricing.STOCK, Pricing.VOLATILITY,
})  # fmt: skip
_ON_ANOTHER = frozenset({Pricing.STOCK, Pricing.BENCHMARK, Pricing.VOLATILITY})


@attrs.frozen(kw_only=True)
class Kind:
    """One order type.

    Attributes:
        trigger: What must happen first.
        pricing: The worst price that it takes.
        at_close: It trades in the closing auction only.
        at_open: It trades in the opening auction only.
        snaps: Its price is worked out once, when it sets off, and follows nothing after that.
        products: Security types that have it; None for all.
        exchanges: Destinations that have it; None for all.
    """

    trigger: Trigger = Trigger.NONE
    pricing: Pricing = Pricing.MARKET
    at_close: bool = False
    at_open: bool = False
    snaps: bool = False
    products: frozenset[str] | None = None
    exchanges: frozenset[str] | None = None

    @cached_property
    def trails(self) -> bool:
        """Whether its trigger follows the price at a distance."""
        return self.trigger in {Trigger.TRAIL, Trigger.TRAIL_TOUCH}

    @cached_property
    def needs_limit(self) -> bool:
        """Whether ``lmtPrice`` must be given; the trailing limit may be given as an offset instead."""
        return self.pricing is Pricing.LIMIT and not self.trails

    @cached_property
    def uses_limit(self) -> bool:
        """Whether ``lmtPrice`` means anything."""
        return self.pricing not in _WITHOUT_LIMIT

    @cached_property
    def follows_quote(self) -> bool:
        """Whether its price comes from the market, so that ``lmtPrice`` is a cap if it is anything."""
        return self.pricing in _FOLLOWING

    @cached_property
    def shows_limit(self) -> bool:
        """Whether a client is told the limit that the gateway worked out, not only its own."""
        return self.trails or self.pricing in {Pricing.TO_LIMIT, Pricing.PROTECTED}

    @cached_property
    def follows_another(self) -> bool:
        """Whether its price comes from the market of another contract."""
        return self.pricing in _ON_ANOTHER

    @cached_property
    def aux_is_price(self) -> bool:
        """Whether ``auxPrice`` is a price on the tick grid, not a distance."""
        return self.trigger in {Trigger.STOP, Trigger.TOUCH}


_SHARES = frozenset({"STK"})
_OPTIONS = frozenset({"OPT"})
_FUTURES = frozenset({"FUT"})
_COMBOS = frozenset({"BAG"})
_LISTED = frozenset({"STK", "OPT", "FUT"})
_SINGLE = frozenset({"STK", "OPT", "FUT", "CASH", "BOND"})
_AUCTIONED = frozenset({"STK", "FUT"})

KINDS = {
    "MKT": Kind(),
    "LMT": Kind(pricing=Pricing.LIMIT),
    "STP": Kind(trigger=Trigger.STOP),
    "STP LMT": Kind(trigger=Trigger.STOP, pricing=Pricing.LIMIT),
    "STP PRT": Kind(trigger=Trigger.STOP, pricing=Pricing.PROTECTED, snaps=True, products=_FUTURES),
    "TRAIL": Kind(trigger=Trigger.TRAIL),
    "TRAIL LIMIT": Kind(trigger=Trigger.TRAIL, pricing=Pricing.LIMIT),
    "TRAIL MIT": Kind(trigger=Trigger.TRAIL_TOUCH, products=_SINGLE),
    "TRAIL LIT": Kind(trigger=Trigger.TRAIL_TOUCH, pricing=Pricing.LIMIT, products=_SINGLE),
    "MIT": Kind(trigger=Trigger.TOUCH, products=_SINGLE),
    "LIT": Kind(trigger=Trigger.TOUCH, pricing=Pricing.LIMIT, products=_SINGLE),
    "MTL": Kind(pricing=Pricing.TO_LIMIT, products=_LISTED),
    "BOX TOP": Kind(pricing=Pricing.TO_LIMIT, products=_OPTIONS, exchanges=frozenset({"BOX"})),
    "MKT PRT": Kind(pricing=Pricing.PROTECTED, snaps=True, products=_FUTURES),
    "MOC": Kind(at_close=True, products=_AUCTIONED),
    "LOC": Kind(at_close=True, pricing=Pricing.LIMIT, products=_AUCTIONED),
    "MOO": Kind(at_open=True, products=_LISTED),
    "LOO": Kind(at_open=True, pricing=Pricing.LIMIT, products=_LISTED),
    "REL": Kind(pricing=Pricing.RELATIVE, products=_LISTED),
    "PEG PRIM": Kind(pricing=Pricing.RELATIVE, products=_LISTED),
    "PASSV REL": Kind(pricing=Pricing.PASSIVE, products=_LISTED),
    "PEG MKT": Kind(pricing=Pricing.OPPOSITE, products=_SHARES),
    "PEG MID": Kind(pricing=Pricing.MIDDLE, products=frozenset({"STK", "OPT"})),
    "MIDPRICE": Kind(pricing=Pricing.MIDDLE, products=_SHARES),
    "PEG BEST": Kind(pricing=Pricing.BEST, products=_SHARES, exchanges=frozenset({"IBKRATS"})),
    "PEG STK": Kind(pricing=Pricing.STOCK, products=_OPTIONS),
    "PEG BENCH": Kind(pricing=Pricing.BENCHMARK, products=_SINGLE),
    "SNAP MKT": Kind(pricing=Pricing.OPPOSITE, snaps=True, products=_LISTED),
    "SNAP MID": Kind(pricing=Pricing.MIDDLE, snaps=True, products=_LISTED),
    "SNAP PRIM": Kind(pricing=Pricing.RELATIVE, snaps=True, products=_LISTED),
    "VOL": Kind(pricing=Pricing.VOLATILITY, products=_OPTIONS),
    "REL + LMT": Kind(pricing=Pricing.LIMIT, products=_COMBOS),
    "REL + MKT": Kind(products=_COMBOS),
    "LMT + MKT": Kind(pricing=Pricing.LIMIT, products=_COMBOS),
}
"""Order types by the broker's name, with the products of its public order type pages."""

# Types that the broker knows and this gateway does not simulate: refused with 387, not with 321.
KNOWN_TYPES = KINDS.keys() | {
    "FIX PEGGED", "LWH", "PDV", "PMV", "PPV", "PSV", "TRAIL LMT + MKT", "TRAIL REL + MKT",
}  # fmt: skip
SIMULATED_TIFS = frozenset({"DAY", "GTC", "IOC", "FOK", "OPG", "GTD", "AUC"})
KNOWN_TIFS = SIMULATED_TIFS | {"DTC", "GTX", "OND", "MINUTES"}
