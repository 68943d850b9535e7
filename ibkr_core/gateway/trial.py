"""What an order would do to an account: for a client that only wants to know, and before one is accepted."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway import commissions
from ibkr_core.gateway.account import Balances
from ibkr_core.gateway.combos import Combo, leg_prices
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.margins import Requirement, requirement
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import GatewayOrder

__all__ = ["Trial", "expected_price"]

_CENT = Decimal("0.01")
_ZERO = Decimal(0)


def expected_price(order: GatewayOrder, quote: Quote) -> Decimal:
    """At what an order would trade: the market that it can take now, or else its own limit or trigger."""
    buying = order.spec.action == "BUY"
    market = quote.ask if buying else quote.bid
    own = order.spec.limit if order.spec.limit is not None else order.spec.aux
    if order.spec.kind.aux_is_price and own is not None:
        return own
    limit = order.spec.limit
    if limit is None or (market <= limit if buying else market >= limit):
        return market
    return limit


@attrs.frozen
class _Part:
    instrument: Instrument
    units: Decimal  # signed
    price: Decimal

    @property
    def commission(self) -> Decimal:
        return commissions.due(self.instrument, [(abs(self.units), self.price)])


class Trial:
    """Tries orders out.

    Args:
        quote_of: The market of an instrument.
        held_of: Signed units that an account holds of an instrument.
        underlying_of: Price of what an option is on; None for all else.
        rate_of: Units of the base currency for one unit of a currency.
    """

    def __init__(
        self,
        *,
        quote_of: Callable[[Instrument], Quote],
        held_of: Callable[[str, Instrument], Decimal],
        underlying_of: Callable[[Instrument], Decimal | None],
        rate_of: Callable[[str], Decimal],
    ) -> None:
        self._quote_of = quote_of
        self._held_of = held_of
        self._underlying_of = underlying_of
        self._rate_of = rate_of

    def _parts(self, order: GatewayOrder) -> list[_Part]:
        instrument, units = order.instrument, order.spec.sign * order.remaining
        price = expected_price(order, self._quote_of(instrument))
        if not isinstance(instrument, Combo):
            return [_Part(instrument, units, price)]
        prices = leg_prices(instrument, order.spec.action, price, self._quote_of)
        return [
            _Part(leg.instrument, units * leg.weight, at)
            for leg, at in zip(instrument.legs, prices, strict=True)
        ]

    def _change(self, order: GatewayOrder) -> Requirement:
        """What it would bind besides what is bound, in the base currency; below zero when it frees."""
        initial = maintenance = _ZERO
        for part in self._parts(order):
            underlying = self._underlying_of(part.instrument)
            held = self._held_of(order.account, part.instrument)
            rate = self._rate_of(part.instrument.currency)
            before = requirement(part.instrument, held, part.price, underlying)
            after = requirement(part.instrument, held + part.units, part.price, underlying)
            initial += (after.initial - before.initial) * rate
            maintenance += (after.maintenance - before.maintenance) * rate
        return Requirement(initial, maintenance)

    def lacks_funds(self, order: GatewayOrder, available: Decimal) -> str:
        """Why an account cannot carry an order; empty when it can, and for one that binds nothing more.

        Args:
            order: The order, with what remains of it.
            available: Funds not yet bound, in the base currency.
        """
        needed = self._change(order).initial
        if needed <= 0 or needed <= available:
            return ""
        return (
            "We are unable to accept your order. Your Available Funds are insufficient: "
            f"available {available.quantize(_CENT)}, needed {needed.quantize(_CENT)} USD."
        )

    def margins_of(self, order: GatewayOrder, before: Balances) -> dict[str, Any]:
        """Margin and commission fields of ``orderState`` (TWS facts 4).

        Args:
            order: The order that might be.
            before: The account as it is.
        """
        commission = sum((part.commission for part in self._parts(order)), _ZERO)
        change = self._change(order)
        currency = order.instrument.currency
        changes = {
            "initMargin": (before.initial_margin, change.initial),
            "maintMargin": (before.maintenance_margin, change.maintenance),
            "equityWithLoan": (before.net_liquidation, -commission * self._rate_of(currency)),
        }
        margins: dict[str, Any] = {}
        for name, (old, difference) in changes.items():
            margins[f"{name}Before"] = float(old.quantize(_CENT))
            margins[f"{name}Change"] = float(difference.quantize(_CENT))
            margins[f"{name}After"] = float((old + difference).quantize(_CENT))
        margins["commissionAndFees"] = float(commission)
        margins["commissionAndFeesCurrency"] = currency
        margins["marginCurrency"] = "USD"
        return margins
