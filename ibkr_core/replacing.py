"""Cancel-replace: where the broker takes no modification, the order is cancelled and its rest placed anew.

Never are both alive: the new order is sent only after the broker proved the end of the old one, and for what
that one left unfilled. A process that dies in between leaves nothing alive, which is the safe side.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, Protocol

import attrs

from ibkr_core.errors import (
    IbkrError,
    InvalidInput,
    InvalidOrder,
    OrderFinished,
    OrderStateError,
    ReplaceFailed,
    SendFailed,
    WaitTimeout,
)
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.link.pacing import Lane
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.orderengine import OrderEngine
from ibkr_core.sending import check_time, type_name
from ibkr_core.tickets import OrderTicket

__all__ = ["replace_order"]

_SETTLE_S: Final = 2.0
"""How long executions may take that the broker has counted but not shown; as long as tickets wait."""


class Heirs(Protocol):
    """Who keeps wishes about orders by their client order keys."""

    def appoint(self, old: str, new: str) -> None:
        """Let what was wished of one order be wished of the one that is to take its place."""

    def dismiss(self, key: str) -> None:
        """Forget an order that was not sent."""


def replace_order(
    engine: OrderEngine,
    desk: OrderDesk,
    book: GuardedBook,
    heirs: Heirs,
    order_id: int,
    order: Order | None,
    timeout_s: float,
    changes: dict[str, Any],
) -> OrderTicket:
    """Do what :meth:`ibkr_core.engine.Engine.replace` says."""
    engine.check_may_wait()
    check_time("timeout_s", timeout_s, least=0)
    if (order is None) == (not changes):
        raise InvalidInput("order", "give either the new order or the fields to change")
    if order is not None and not isinstance(order, Order):
        raise InvalidInput("order", f"must be an ibkr_core Order, not {type_name(order)}")
    if "parent_id" in changes:
        raise InvalidOrder("parent_id", "cannot be changed: the new order takes the old one's place")
    contract, last_sent, parent_is_done = book.read(lambda one: one.last_sent(order_id))
    wanted = order if order is not None else last_sent.replace(**changes)
    record = engine.order(order_id)
    _check_replaceable(engine, record, last_sent)
    if book.read(lambda one: one.is_released(order_id)):
        # A leg of a bracket was sent held, and let go by a later one (TWS facts 6): alone it would stay held.
        wanted = wanted.replace(transmit=True)
    if order is not None:
        wanted = _in_old_place(order, last_sent)
    new = _new_terms(wanted, last_sent, record, parent_is_done=parent_is_done)
    desk.check_new(contract, new)
    with desk.sending(Lane.ORDER):  # what cannot be sent now is no reason to cancel anything
        desk.check_in_place(record, contract, new)
    new = new if new.order_ref else new.replace(order_ref=desk.make_key())
    heirs.appoint(record.key, new.order_ref)
    try:
        return _swap(engine, contract, order_id, new, timeout_s)
    except SendFailed:
        raise  # of the cancel, or of the new order, which may live
    except BaseException:
        heirs.dismiss(new.order_ref)
        raise


def _swap(
    engine: OrderEngine, contract: Contract, order_id: int, new: Order, timeout_s: float
) -> OrderTicket:
    """Cancel the old order, and place what it leaves."""
    left = engine.scheduler.now() + timeout_s
    engine.cancel(order_id)
    ended = _wait_end(engine, order_id, lambda: max(0.0, left - engine.scheduler.now()))
    if ended.status is OrderStatus.FILLED:
        raise OrderFinished(order_id, "was filled before it could be cancelled; nothing new was sent")
    return _place(engine, contract, _rest(new, ended), ended)


def _check_replaceable(engine: OrderEngine, record: OrderRecord, last_sent: Order) -> None:
    order_id = record.order_id
    if last_sent.official.get("hedgeType"):
        raise OrderStateError(order_id, "is a hedge, which the broker sizes: its rest cannot be placed anew")
    children = [one.order_id for one in engine.active_orders() if one.parent_id == order_id]
    if children:
        names = ", ".join(map(str, children))
        raise OrderStateError(order_id, f"has orders attached that would die with it: {names}")


def _in_old_place(order: Order, last_sent: Order) -> Order:
    """Give an order that was made anew the group and the account of the old one, where it names none.

    Outside of its group the fill of a sibling would no longer cancel it: both would trade.
    """
    if last_sent.oca_group and not order.oca_group:
        order = order.replace(oca_group=last_sent.oca_group, oca_type=order.oca_type or last_sent.oca_type)
    return order if order.account else order.replace(account=last_sent.account)


def _new_terms(wanted: Order, last_sent: Order, record: OrderRecord, *, parent_is_done: bool) -> Order:
    """Return the terms of the new order, but for its size: its place in bracket and group stays."""
    same_key = wanted.order_ref in (last_sent.order_ref, record.key)
    new = wanted.replace(
        order_ref="" if same_key else wanted.order_ref,
        parent_id=0 if parent_is_done else last_sent.parent_id,
    )
    echo = record.broker_order
    if parent_is_done and not new.oca_group and echo is not None and echo.oca_group:
        # The gateway ties the exits of a bracket by a group of its own (TWS facts 4): without it the fill of
        # the other exit would no longer cancel this one.
        new = new.replace(oca_group=echo.oca_group, oca_type=echo.oca_type or 0)
    return new


def _wait_end(engine: OrderEngine, order_id: int, left_s: Callable[[], float]) -> OrderRecord:
    future = engine.watch(order_id, frozenset())
    try:
        engine.wait_for(future, left_s())
    except WaitTimeout:
        future.cancel()
        raise WaitTimeout(
            f"order {order_id} is {engine.order(order_id).status.value}: its cancel is not confirmed yet, so "
            "nothing new was sent, nor will be; the cancel stays asked for"
        ) from None
    settled = engine.watch(order_id, frozenset(), settled=True)
    try:
        engine.wait_for(settled, _SETTLE_S)
    except WaitTimeout:
        settled.cancel()  # what the broker counts as filled counts, seen or not
    return engine.order(order_id)


def _rest(new: Order, ended: OrderRecord) -> Order:
    """Return the new order for what the old one left.

    Raises:
        ReplaceFailed: It left nothing, or nobody can tell.
    """
    filled = ended.filled_quantity
    if new.cash_quantity is not None:
        if filled:
            raise ReplaceFailed(
                ended.order_id, filled, "it is sized by money, so what is left of it cannot be told"
            )
        return new
    left = new.quantity - filled
    if left <= 0:
        raise ReplaceFailed(ended.order_id, filled, f"of {new.quantity} nothing is left")
    shown, least = new.display_size, new.min_quantity
    return attrs.evolve(
        new,
        quantity=left,
        display_size=_at_most(shown, left),
        min_quantity=_at_most(least, left),
    )


def _at_most(size: int | None, left: Decimal) -> int | None:
    return size if size is None or size <= left else int(left)


def _place(engine: OrderEngine, contract: Contract, order: Order, ended: OrderRecord) -> OrderTicket:
    try:
        # The old one may look the same and be only seconds old.
        return engine.submit(contract, order, allow_duplicate=True)
    except SendFailed:
        raise  # it may live: its own error says how to find out
    except IbkrError as error:
        raise ReplaceFailed(
            ended.order_id, ended.filled_quantity, f"the new order was not sent: {error}"
        ) from error
