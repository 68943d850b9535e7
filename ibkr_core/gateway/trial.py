"""What an order would do to an account, for a client that only wants to know (TWS facts 4)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from ibkr_core.gateway.account import Balances, commission_due, margin_rate
from ibkr_core.gateway.orders import GatewayOrder

__all__ = ["margins_of"]

_CENT = Decimal("0.01")


def margins_of(
    order: GatewayOrder, before: Balances, *, price: Decimal, held: Decimal, rate: Decimal
) -> dict[str, Any]:
    """Margin and commission fields of ``orderState``.

    Args:
        order: The order that might be.
        before: The account as it is.
        price: At which it would fill.
        held: Signed units of its instrument in the account.
        rate: Units of the base currency for one unit of the instrument's.
    """
    instrument = order.instrument
    commission = commission_due(instrument, order.total, order.total * price * instrument.multiplier)
    growth = abs(held + order.spec.sign * order.total) - abs(held)
    exposure = growth * price * instrument.multiplier * rate
    first, keep = margin_rate(instrument)
    changes = {
        "initMargin": (before.initial_margin, exposure * first),
        "maintMargin": (before.maintenance_margin, exposure * keep),
        "equityWithLoan": (before.net_liquidation, -commission),
    }
    margins: dict[str, Any] = {}
    for name, (old, change) in changes.items():
        margins[f"{name}Before"] = float(old.quantize(_CENT))
        margins[f"{name}Change"] = float(change.quantize(_CENT))
        margins[f"{name}After"] = float((old + change).quantize(_CENT))
    margins["commissionAndFees"] = float(commission)
    margins["commissionAndFeesCurrency"] = instrument.currency
    margins["marginCurrency"] = "USD"
    return margins
