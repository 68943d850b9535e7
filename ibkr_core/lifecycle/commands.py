"""Which commands an order's state allows."""

from __future__ import annotations

from ibkr_core.errors import OrderFinished, OrderInDoubt, OrderNotOurs, OrderStateError
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.transitions import Trigger, step
from ibkr_core.model.status import OrderStatus

__all__ = ["check_cancel", "check_modify"]


def check_modify(entry: OrderEntry) -> None:
    """Raise unless the order may be modified now.

    Raises:
        OrderNotOurs: Another client placed it.
        OrderFinished: It is filled, cancelled or rejected.
        OrderInDoubt: Its fate is unknown; new terms could make a second order.
        OrderStateError: A cancel is on its way.
    """
    _check_ours(entry, "modified")
    if not step(entry.status, Trigger.MODIFY).illegal:
        return
    if entry.status.is_finished:
        raise OrderFinished(entry.order_id, f"cannot be modified: it is {entry.status.value}")
    if entry.status is OrderStatus.UNKNOWN:
        raise OrderInDoubt(entry.order_id, "cannot be modified until the broker has told its state")
    raise OrderStateError(entry.order_id, "cannot be modified: a cancel is pending")


def check_cancel(entry: OrderEntry) -> None:
    """Raise unless the order may be cancelled now. Asking again for a pending cancel is allowed.

    Raises:
        OrderNotOurs: Another client placed it.
        OrderFinished: It is filled, cancelled or rejected.
    """
    _check_ours(entry, "cancelled")
    if step(entry.status, Trigger.CANCEL).illegal:
        raise OrderFinished(entry.order_id, f"cannot be cancelled: it is {entry.status.value}")


def _check_ours(entry: OrderEntry, verb: str) -> None:
    if not entry.is_ours:
        owner = f"client {entry.client_id}" if entry.client_id is not None else "someone else"
        raise OrderNotOurs(entry.order_id, f"was placed by {owner} and cannot be {verb} from here")
