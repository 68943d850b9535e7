"""What a bond yields at a price."""

from __future__ import annotations

import math
from datetime import datetime

from ibkr_core.gateway.hours import from_eastern
from ibkr_core.gateway.instruments import Instrument

__all__ = ["yield_of"]

_YEAR_S = 365.25 * 86_400
_ROUNDS = 60


def yield_of(bond: Instrument, price: float, moment: float) -> float:
    """The yield to maturity, in per cent a year, compounded twice a year; simple arithmetic, no day counts.

    Args:
        bond: With coupon and maturity.
        price: Per cent of the face value, without accrued interest.
        moment: Seconds since the epoch.
    """
    maturity = from_eastern(datetime.strptime(bond.expiry, "%Y%m%d"))  # noqa: DTZ007 - New York wall time
    years = max((maturity - moment) / _YEAR_S, 1 / 365)
    coupon = float(bond.details.get("coupon", 0.0)) / 2
    periods = max(math.ceil(years * 2), 1)
    stub = years * 2 - (periods - 1)
    low, high = -0.5, 1.0
    for _ in range(_ROUNDS):
        middle = (low + high) / 2
        growth = 1 + middle / 2
        worth = sum(coupon / growth ** (place + stub) for place in range(periods))
        worth += 100 / growth ** (periods - 1 + stub) - coupon * (1 - stub)
        low, high = (middle, high) if worth > price else (low, middle)
    return (low + high) / 2 * 100
