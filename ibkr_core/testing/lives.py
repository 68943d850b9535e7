"""The lives of orders, for tests: what we did and what the broker told, in the order in which it was.

:mod:`ibkr_core.testing.strategies` makes them; they are plain values and need no hypothesis.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.errors import OrderStateError
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.effects import Effects
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact, CommissionFact, ExecutionFact
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Order

__all__ = [
    "CancelAsked",
    "Command",
    "Ending",
    "Life",
    "ModifyAsked",
    "Placed",
    "Step",
    "exact_sum",
    "perform",
]

_ZERO: Final = Decimal(0)


@attrs.frozen(kw_only=True)
class Placed:
    """We placed a new order."""

    order_id: int
    contract: Contract
    order: Order
    key: str = ""


@attrs.frozen(kw_only=True)
class ModifyAsked:
    """We asked for new terms."""

    order_id: int
    order: Order


@attrs.frozen(kw_only=True)
class CancelAsked:
    """We asked for a cancellation."""

    order_id: int


Command = Placed | ModifyAsked | CancelAsked
"""What we do."""
Step = Command | BrokerFact
"""What we do, or what the broker tells."""


class Ending(enum.Enum):
    """How a life stands when its story ends."""

    FILLED = "filled"
    CANCELLED = "cancelled"
    """Perhaps after a partial fill."""
    REJECTED = "rejected"
    WORKING = "working"
    """Perhaps partly filled."""
    UNANSWERED = "unanswered"
    """The broker never said a word (TWS facts 2.3)."""


@attrs.frozen(kw_only=True)
class Life:
    """One order's story, and what it comes to in whatever disorder it is told.

    Attributes:
        order_id: The API order id.
        perm_id: The broker's permanent id.
        client_id: The client that placed it.
        contract: What is traded.
        order: The terms at first.
        ending: How it stands at the end.
        steps: The story; a :class:`Placed` is first.
        size: The order's whole quantity at the end.
        executions: The newest revision of each execution that counts, by execution id without revision.
        leg_executions: The same for the legs of a combo.
        commissions: The commission report that holds for each execution, by id without revision.
        terms_changed: Whether a modification was asked for.
        quantities_corrected: Whether a correction changed a quantity.
    """

    order_id: int
    perm_id: int
    client_id: int
    contract: Contract
    order: Order
    ending: Ending
    steps: tuple[Step, ...]
    size: Decimal
    executions: dict[str, ExecutionFact]
    leg_executions: dict[str, ExecutionFact]
    commissions: dict[str, CommissionFact]
    terms_changed: bool
    quantities_corrected: bool

    @property
    def filled(self) -> Decimal:
        """Sum of the executions that count."""
        return exact_sum(fact.shares for fact in self.executions.values())

    @property
    def value(self) -> Decimal:
        """Sum of quantity times price over the executions that count."""
        return exact_sum(EXACT.multiply(fact.shares, fact.price) for fact in self.executions.values())

    @property
    def commission_by_currency(self) -> dict[str, Decimal]:
        """Sum of the commissions by currency."""
        totals: dict[str, Decimal] = {}
        for report in self.commissions.values():
            if report.commission is not None:
                totals[report.currency] = EXACT.add(totals.get(report.currency, _ZERO), report.commission)
        return totals


def exact_sum(numbers: Iterable[Decimal]) -> Decimal:
    """Add up, whatever the host's decimal context."""
    total = _ZERO
    for number in numbers:
        total = EXACT.add(total, number)
    return total


def perform(book: Book, step: Step, now: datetime) -> Effects:
    """Do one step on a book: give the command, or apply the fact.

    A command that the order's state forbids by then does nothing, as the engine would have refused it.
    """
    try:
        if isinstance(step, Placed):
            return book.submit(step.order_id, step.key, step.contract, step.order, now)
        if isinstance(step, ModifyAsked):
            return book.modify(step.order_id, step.order, now)
        if isinstance(step, CancelAsked):
            return book.cancel(step.order_id, now)
    except OrderStateError:
        return Effects()
    return book.apply(step, now)
