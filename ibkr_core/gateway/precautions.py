"""Order precautions: what the settings window of a real gateway can refuse or warn of before it transmits.

They are off by default, as they are for a client of a real gateway that has "bypass order precautions for API
orders" set (TWS facts 6).
"""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

import attrs

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Precautions", "warnings_of"]

_SETTINGS = " specified in the default order settings."


@attrs.frozen(kw_only=True)
class Precautions:
    """What to look at.

    Attributes:
        percent: A price further than so many percent from the market is refused with 163; None for any.
        ticks: A price further than so many ticks from the market is refused with 382; None for any.
        size: An order of more units is refused with 383; None for any.
        cross_side: Whether an order that would turn a position around earns warning 2137.
        direct_route: Whether an order that names an exchange although SMART has it earns warning 10311.
    """

    percent: Decimal | None = None
    ticks: int | None = None
    size: Decimal | None = None
    cross_side: bool = False
    direct_route: bool = False

    def check(self, instrument: Instrument, spec: OrderSpec, quote: Quote) -> None:
        """Look at an order before it is transmitted, or modified.

        Raises:
            RefusalError: 163, 382 or 383.
        """
        if self.size is not None and spec.quantity > self.size:
            raise RefusalError(383, f"The size specified violates the size constraint{_SETTINGS}")
        market = quote.ask if spec.action == "BUY" else quote.bid
        away = max((abs(price - market) for price in spec.prices()), default=Decimal(0))
        if self.percent is not None and away * 100 > market * self.percent:
            text = f"The price specified would violate the percentage constraint{_SETTINGS}"
            raise RefusalError(163, text)
        if self.ticks is not None and away > self.ticks * instrument.min_tick:
            text = f"The price specified violates the number of ticks constraint{_SETTINGS}"
            raise RefusalError(382, text)


def warnings_of(order: GatewayOrder, held: Decimal, precautions: Precautions) -> Iterator[tuple[int, str]]:
    """Code and text of every warning that an order earns; it goes on all the same (TWS facts 7).

    Args:
        order: A new order.
        held: Signed units of its instrument in its account.
        precautions: What to look at.
    """
    instrument, spec = order.instrument, order.spec
    us_stock = instrument.sec_type == "STK" and instrument.currency == "USD" and order.exchange == "SMART"
    if not us_stock and spec.fields.get("sweepToFill"):
        text = (
            "The sweep-to-fill flag and display size are only valid for US stocks routed through SMART, "
            "and will be ignored."
        )
        yield 131, text
    after = held + spec.sign * order.total
    if precautions.cross_side and held * after < 0:
        yield 2137, "Cross Side Warning: this order will turn the position around."
    if precautions.direct_route and order.exchange != "SMART" and "SMART" in instrument.exchanges:
        text = (
            f"This order will be directly routed to {order.exchange}. "
            "Direct routed orders may result in higher trade fees."
        )
        yield 10311, text
