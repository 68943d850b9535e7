"""Facts: what the broker told us, one small value per callback.

A fact is made at the boundary (``link``) and applied to the book (``lifecycle``). Sentinels are gone:
**None means that the broker did not say**. Texts are as they came. Numbers that count money or
quantity are Decimal.

The three kinds that come by the thousand also travel as :data:`HotValues`, of which a fact is made when
somebody needs one. Their fields stand in order; everyone but the hot decoders names them.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import BrokerOrder
from ibkr_core.model.said import plain, said

__all__ = [
    "BrokerFact",
    "CommissionFact",
    "CompletedOrderFact",
    "ErrorFact",
    "ExecutionFact",
    "HotValues",
    "OpenOrderFact",
    "OrderBoundFact",
    "Position",
    "StatusFact",
    "WhatIfMargin",
    "fact_of",
]


@attrs.frozen
class StatusFact:
    """One orderStatus callback.

    ``client_id`` is not proof of who placed the order: after a cancel by another client it is the
    canceller's (TWS facts 4).
    """

    order_id: int | None
    status: str
    filled: Decimal | None = None
    remaining: Decimal | None = None
    avg_fill_price: Decimal | None = None
    perm_id: int | None = None
    parent_id: int | None = None
    last_fill_price: Decimal | None = None
    client_id: int | None = None
    why_held: str = ""
    price_cap: Decimal | None = None


@attrs.frozen(kw_only=True)
class WhatIfMargin:
    """Margin and commission figures of a what-if answer, in the account's base currency."""

    initial_before: Decimal | None = None
    initial_change: Decimal | None = None
    initial_after: Decimal | None = None
    maintenance_before: Decimal | None = None
    maintenance_change: Decimal | None = None
    maintenance_after: Decimal | None = None
    equity_before: Decimal | None = None
    equity_change: Decimal | None = None
    equity_after: Decimal | None = None
    commission: Decimal | None = None
    min_commission: Decimal | None = None
    max_commission: Decimal | None = None
    commission_currency: str = ""
    warning: str = ""


@attrs.frozen(kw_only=True)
class OpenOrderFact:
    """One openOrder callback: the broker's echo of an order and its state."""

    order: BrokerOrder
    contract: Contract | None = None
    status: str = ""
    reject_reason: str = ""
    warning: str = ""
    commission: Decimal | None = None
    commission_currency: str = ""
    completed_status: str = ""
    margin: WhatIfMargin | None = None


@attrs.frozen(kw_only=True)
class CompletedOrderFact:
    """One completedOrder callback. The text protocol gives no order id there (TWS facts 4)."""

    order: BrokerOrder
    contract: Contract | None = None
    status: str = ""
    completed_time: str = ""
    completed_status: str = ""
    reject_reason: str = ""
    commission: Decimal | None = None
    commission_currency: str = ""


@attrs.frozen
class ExecutionFact:
    """One execDetails callback.

    ``request_id`` is -1 for a live execution, else the reqExecutions that asked for it.
    """

    exec_id: str
    side: str
    shares: Decimal
    price: Decimal
    request_id: int = -1
    order_id: int | None = None
    client_id: int | None = None
    perm_id: int | None = None
    contract: Contract | None = None
    time: str = ""
    account: str = ""
    exchange: str = ""
    cum_quantity: Decimal | None = None
    avg_price: Decimal | None = None
    order_ref: str = ""
    liquidity: int | None = None
    pending_price_revision: bool = False


@attrs.frozen
class CommissionFact:
    """One commissionReport (commissionAndFeesReport) callback; it names only the execution."""

    exec_id: str
    commission: Decimal | None
    currency: str = ""
    realized_pnl: Decimal | None = None


@attrs.frozen(kw_only=True)
class ErrorFact:
    """One error callback. ``request_id`` is an order id, a request id, or -1."""

    request_id: int
    code: int
    message: str = ""
    advanced_reject: str = ""
    time_ms: int | None = None


@attrs.frozen(kw_only=True)
class OrderBoundFact:
    """One orderBound callback: a manual order got an API order id (TWS facts 4)."""

    perm_id: int
    client_id: int
    order_id: int


@attrs.frozen(kw_only=True)
class Position:
    """One position of an account, as the broker counts it. It changes no order, so it is no fact of the book.

    Attributes:
        account: The account's code.
        contract: What is held.
        quantity: How much; negative when short.
        average_cost: Cost of one unit in the contract's currency, with the multiplier for derivatives (wire
            facts 8); None when the broker did not say.
    """

    account: str
    contract: Contract
    quantity: Decimal
    average_cost: Decimal | None = None

    def __str__(self) -> str:
        """One line for people: ``DU1234567 AAPL 100, average cost 190.26``."""
        cost = f", average cost {plain(self.average_cost)}" if self.average_cost is not None else ""
        return f"{self.account} {said(self.contract.name)} {plain(self.quantity)}{cost}"


BrokerFact = (
    StatusFact
    | OpenOrderFact
    | CompletedOrderFact
    | ExecutionFact
    | CommissionFact
    | ErrorFact
    | OrderBoundFact
)
"""Everything that the book takes."""

HotValues = tuple[Any, ...]
"""A StatusFact, an ExecutionFact or a CommissionFact taken apart: the class, then its fields in order."""


def fact_of(values: HotValues) -> BrokerFact:
    """Make the fact of hot values."""
    fact: BrokerFact = values[0](*values[1:])
    return fact
