"""What holding something binds: initial and maintenance margin by simple fixed rules.

Sources: stocks by Regulation T and the broker's published minimums (half of the value to open, a quarter to
keep a long and 30 percent to keep a short position). Short options by the exchanges' rule for margin
accounts: 20 percent of the underlying less what the option is out of the money, at least ten percent (of the
strike, for puts). Futures as a part of their value by product, from memory; the real ones change daily.
Currency pairs and bonds by a flat rate, from memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import attrs

from ibkr_core.gateway.instruments import Instrument

__all__ = ["Requirement", "requirement"]

_ZERO = Decimal(0)


@attrs.frozen
class Requirement:
    """Money that a holding binds, in the currency of the instrument.

    Attributes:
        initial: To open it.
        maintenance: To keep it.
    """

    initial: Decimal
    maintenance: Decimal


_STOCK_INITIAL, _LONG_STOCK_KEEP, _SHORT_STOCK_KEEP = Decimal("0.50"), Decimal("0.25"), Decimal("0.30")
_CURRENCY = Decimal("0.03")
_BOND_INITIAL, _BOND_KEEP = Decimal("0.05"), Decimal("0.04")
_OPTION_PART, _OPTION_LEAST = Decimal("0.20"), Decimal("0.10")
_FUTURE_KEEP: Mapping[str, Decimal] = {
    "ES": Decimal("0.07"),
    "MES": Decimal("0.07"),
    "NQ": Decimal("0.08"),
    "MNQ": Decimal("0.08"),
    "CL": Decimal("0.10"),
}
_ANY_FUTURE_KEEP = Decimal("0.08")
_FUTURE_INITIAL = Decimal("1.10")  # times what it takes to keep it, as the exchanges set it


def requirement(
    instrument: Instrument, quantity: Decimal, price: Decimal, underlying: Decimal | None = None
) -> Requirement:
    """What a holding binds.

    Args:
        instrument: What is held.
        quantity: Signed units.
        price: Price of one.
        underlying: Price of what an option is on; by default its strike.
    """
    value = abs(quantity * price) * instrument.multiplier
    match instrument.sec_type:
        case "FUT":
            keep = value * _FUTURE_KEEP.get(instrument.symbol, _ANY_FUTURE_KEEP)
            return Requirement(keep * _FUTURE_INITIAL, keep)
        case "CASH":
            return Requirement(value * _CURRENCY, value * _CURRENCY)
        case "BOND":
            return Requirement(value * _BOND_INITIAL, value * _BOND_KEEP)
        case "OPT" if quantity < 0:
            bound = -quantity * instrument.multiplier * _naked(instrument, underlying)
            return Requirement(bound, bound)
        case "OPT":  # what it is worth lends nothing
            return Requirement(value, value)
        case _:
            keep = _LONG_STOCK_KEEP if quantity >= 0 else _SHORT_STOCK_KEEP
            return Requirement(value * _STOCK_INITIAL, value * keep)


def _naked(option: Instrument, underlying: Decimal | None) -> Decimal:
    """Per unit of the underlying. The premium is bound already: a short option lowers the net worth."""
    strike = option.strike or _ZERO
    spot = strike if underlying is None else underlying
    call = option.right == "C"
    out_of_the_money = max(strike - spot if call else spot - strike, _ZERO)
    least = _OPTION_LEAST * (spot if call else strike)
    return max(_OPTION_PART * spot - out_of_the_money, least)
