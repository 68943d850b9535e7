"""What a line about an order needs, taken from it in passing and read at leisure.

A record of an order costs more than a callback may. A brief is one tuple of what the order refers to at the
moment; what has to be worked out (the filled quantity, the average) is worked out when somebody reads it.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import AbstractContextManager
from decimal import Context, Decimal
from typing import TYPE_CHECKING, Any, NamedTuple

from ibkr_core.model.contract import Contract
from ibkr_core.model.making import making
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import BrokerOrder, Order
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.model.status import OrderStatus

if TYPE_CHECKING:
    from ibkr_core.lifecycle.entry import OrderEntry

__all__ = ["BRIEF_ATOMS", "Brief", "brief_atoms", "brief_of", "read_brief", "take_brief"]

_AVERAGE = Context(prec=28, traps=[])
"""As the ledger divides."""


class Brief(NamedTuple):
    """An order in passing.

    Attributes:
        entry: The order itself, which goes on changing.
        guard: Held while that is looked at.
    """

    entry: OrderEntry
    guard: AbstractContextManager[Any]
    order_id: int
    perm_id: int | None
    key: str
    contract: Contract | None
    order: Order | None
    broker_order: BrokerOrder | None
    status: OrderStatus
    total: Decimal | None
    reject: OrderMessage | None
    told: Decimal
    told_average: Decimal | None
    quantity: Decimal
    value: Decimal
    corrected_away: Decimal


BRIEF_ATOMS = len(Brief._fields)


def brief_atoms(entry: OrderEntry, guard: AbstractContextManager[Any]) -> tuple[Any, ...]:
    """Take what an order refers to now, in the order of a brief. Requires holding the guard."""
    quantity, value, corrected_away = entry.ledger.totals
    return (
        entry,
        guard,
        entry.order_id,
        entry.perm_id,
        entry.key,
        entry.contract,
        entry.order,
        entry.broker_order,
        entry.status,
        entry.total,
        entry.reject,
        entry.broker_filled,
        entry.broker_avg_price,
        quantity,
        value,
        corrected_away,
    )


def brief_of(atoms: Iterable[Any]) -> Brief:
    """Make a brief of what it consists of, in order."""
    # Not through its own constructor, which is a Python function with sixteen arguments.
    return tuple.__new__(Brief, atoms)


def take_brief(entry: OrderEntry, guard: AbstractContextManager[Any]) -> Brief:
    """Take what an order refers to now. Requires holding the guard."""
    return brief_of(brief_atoms(entry, guard))


def read_brief(brief: Brief) -> OrderRecord:
    """Return a record with all that a line about the order says, and no more than that."""
    told, quantity = brief.told, brief.quantity
    if brief.corrected_away:
        told = EXACT.subtract(told, brief.corrected_away)
    if told > quantity:
        filled = told
        average = brief.told_average
    else:
        filled = quantity
        average = None
    if average is None and quantity:
        average = _AVERAGE.divide(brief.value, quantity)
    record = making(OrderRecord)(
        order_id=brief.order_id,
        perm_id=brief.perm_id,
        key=brief.key,
        contract=brief.contract,
        order=brief.order,
        broker_order=brief.broker_order,
        status=brief.status,
        total_quantity=brief.total,
        filled_quantity=filled,
        avg_fill_price=average,
        reject=brief.reject,
    )
    record.__class__ = OrderRecord
    return record
