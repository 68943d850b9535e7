"""The order types that the gateway simulates, as one table: what triggers them and what they pay.

The names are the broker's. ``MOO`` and ``LOO`` are no names of the API: a client asks for them with ``MKT``
or ``LMT`` and the time in force ``OPG``.
"""

from __future__ import annotations

import enum

import attrs

__all__ = ["KINDS", "KNOWN_TIFS", "KNOWN_TYPES", "SIMULATED_TIFS", "Kind", "Pricing", "Trigger"]


class Trigger(enum.Enum):
    """What must happen before an order may trade."""

    NONE = "nothing"
    STOP = "the price gets as bad as auxPrice"
    TOUCH = "the price gets as good as auxPrice"
    TRAIL = "the price gets as bad as a stop that follows it"


class Pricing(enum.Enum):
    """The worst price that an order takes once it may trade."""

    MARKET = "any"
    LIMIT = "lmtPrice"
    TO_LIMIT = "any for the first part, then the price of that part"
    RELATIVE = "its own side of the quote plus auxPrice or percentOffset, capped by lmtPrice"
    MIDDLE = "the middle of the quote less auxPrice, capped by lmtPrice"


@attrs.frozen(kw_only=True)
class Kind:
    """One order type.

    Attributes:
        trigger: What must happen first.
        pricing: The worst price that it takes.
        at_close: It trades in the closing auction only.
    """

    trigger: Trigger = Trigger.NONE
    pricing: Pricing = Pricing.MARKET
    at_close: bool = False

    @property
    def needs_limit(self) -> bool:
        """Whether ``lmtPrice`` must be given; the trailing limit may be given as an offset instead."""
        return self.pricing is Pricing.LIMIT and self.trigger is not Trigger.TRAIL

    @property
    def uses_limit(self) -> bool:
        """Whether ``lmtPrice`` means anything."""
        return self.pricing not in {Pricing.MARKET, Pricing.TO_LIMIT}

    @property
    def follows_quote(self) -> bool:
        """Whether its price moves with the quote, so that it waits for others to trade with it."""
        return self.pricing in {Pricing.RELATIVE, Pricing.MIDDLE}

    @property
    def aux_is_price(self) -> bool:
        """Whether ``auxPrice`` is a price on the tick grid, not a distance."""
        return self.trigger in {Trigger.STOP, Trigger.TOUCH}


KINDS = {
    "MKT": Kind(),
    "LMT": Kind(pricing=Pricing.LIMIT),
    "STP": Kind(trigger=Trigger.STOP),
    "STP LMT": Kind(trigger=Trigger.STOP, pricing=Pricing.LIMIT),
    "TRAIL": Kind(trigger=Trigger.TRAIL),
    "TRAIL LIMIT": Kind(trigger=Trigger.TRAIL, pricing=Pricing.LIMIT),
    "MIT": Kind(trigger=Trigger.TOUCH),
    "LIT": Kind(trigger=Trigger.TOUCH, pricing=Pricing.LIMIT),
    "MTL": Kind(pricing=Pricing.TO_LIMIT),
    "MOC": Kind(at_close=True),
    "LOC": Kind(at_close=True, pricing=Pricing.LIMIT),
    "REL": Kind(pricing=Pricing.RELATIVE),
    "PEG MID": Kind(pricing=Pricing.MIDDLE),
    "MIDPRICE": Kind(pricing=Pricing.MIDDLE),
}
"""Order types by the broker's name."""

# Types that the broker knows and this gateway does not simulate: refused with 387, not with 321.
KNOWN_TYPES = KINDS.keys() | {
    "BOX TOP", "LOO", "LWH", "MOO", "PASSV REL", "PEG BENCH", "PEG BEST", "PEG MKT", "PEG PRIM", "PEG STK",
    "REL + LMT", "REL + MKT", "SNAP MID", "SNAP MKT", "SNAP PRIM", "TRAIL LIT", "TRAIL MIT", "VOL",
}  # fmt: skip
SIMULATED_TIFS = frozenset({"DAY", "GTC", "IOC", "FOK", "OPG", "GTD"})
KNOWN_TIFS = SIMULATED_TIFS | {"DTC", "AUC", "GTX", "OND", "MINUTES"}
