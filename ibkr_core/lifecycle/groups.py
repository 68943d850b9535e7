"""Bracket and OCA plans: orders in, finished orders out. Pure; ids are arguments.

A plan is complete before anything is sent, so that a group is never half-sent for a reason that could
have been known.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from decimal import Decimal

import attrs

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.exits import check_exits
from ibkr_core.model.numbers import Numeric, to_number
from ibkr_core.model.order import OcaType, Order

__all__ = ["Child", "PlannedOrder", "plan_bracket", "plan_oca", "stop_child", "target_child"]

Child = Order | Numeric
"""An exit of a bracket: a finished order, or a price from which one is made."""


@attrs.frozen
class PlannedOrder:
    """One order of a group, ready to be sent.

    Attributes:
        order_id: The id that it gets.
        order: The order, with parent, group and transmit flag set.
    """

    order_id: int
    order: Order


def target_child(parent: Order, exit_: Child) -> Order:
    """Make the take-profit of a bracket: a limit order on the other side, from a price or as given."""
    if isinstance(exit_, Order):
        return exit_
    return _like(parent, order_type="LMT", limit_price=_price("take_profit", exit_))


def stop_child(parent: Order, exit_: Child) -> Order:
    """Make the stop-loss of a bracket: a stop order on the other side, from a price or as given."""
    if isinstance(exit_, Order):
        return exit_
    return _like(parent, order_type="STP", aux_price=_price("stop_loss", exit_))


def _price(argument: str, value: Numeric) -> Decimal:
    return to_number(argument, value, InvalidGroup)


def _like(
    parent: Order, *, order_type: str, limit_price: Decimal | None = None, aux_price: Decimal | None = None
) -> Order:
    # Exits usually have to outlive the day on which a GTC entry fills, and to work in the same hours.
    return Order(
        action=parent.action.opposite,
        quantity=parent.quantity,
        order_type=order_type,
        limit_price=limit_price,
        aux_price=aux_price,
        tif=parent.tif,
        good_till_date=parent.good_till_date,
        outside_rth=parent.outside_rth,
        account=parent.account,
    )


def plan_bracket(
    parent: Order,
    take_profit: Child | None,
    stop_loss: Child | None,
    order_ids: Sequence[int],
) -> tuple[PlannedOrder, ...]:
    """Plan a bracket: the parent first, and only the last order releases the group.

    Args:
        parent: The entry.
        take_profit: Exit at a profit: a price or an order. None for none.
        stop_loss: Exit at a loss: a price or an order. None for none.
        order_ids: As many rising ids as there are orders: parent, take-profit, stop-loss.

    Raises:
        InvalidGroup: No exit; an exit on the parent's side, of another size or account, or at a price
            on the wrong side of the entry; a trailing exit under a parent that is no LMT or STP LMT.
    """
    if take_profit is None and stop_loss is None:
        raise InvalidGroup("take_profit", "a bracket needs a take-profit, a stop-loss, or both")
    exits: list[tuple[str, Order]] = []
    if take_profit is not None:
        exits.append(("take_profit", target_child(parent, take_profit)))
    if stop_loss is not None:
        exits.append(("stop_loss", stop_child(parent, stop_loss)))
    check_exits(parent, dict(exits))
    _check_ids(order_ids, 1 + len(exits))
    parent_id = order_ids[0]
    planned = [PlannedOrder(parent_id, parent.replace(transmit=False))]
    for index, (_, order) in enumerate(exits):
        is_last = index == len(exits) - 1
        child = order.replace(parent_id=parent_id, transmit=is_last)
        planned.append(PlannedOrder(order_ids[index + 1], child))
    return tuple(planned)


def plan_oca(
    orders: Sequence[Order],
    group: str,
    oca_type: int,
    order_ids: Sequence[int],
) -> tuple[PlannedOrder, ...]:
    """Plan a one-cancels-all group: two orders or more, each released at once.

    Args:
        orders: The orders.
        group: The group's name; it must be new, because a group that has traded cancels newcomers.
        oca_type: See :class:`~ibkr_core.model.order.OcaType`.
        order_ids: One rising id for each order.

    Raises:
        InvalidGroup: Fewer than two orders, no name, an unknown type, an order that is in another group
            or a bracket, or orders of several accounts (broker code 10224).
    """
    if len(orders) < 2:  # noqa: PLR2004 - one order cannot cancel another
        raise InvalidGroup("orders", f"an OCA group needs at least two orders, got {len(orders)}")
    if not group:
        raise InvalidGroup("group", "must not be empty")
    if oca_type not in tuple(OcaType):
        raise InvalidGroup("oca_type", f"must be 1, 2 or 3, not {oca_type!r}")
    accounts = {order.account for order in orders}
    if len(accounts) > 1:
        raise InvalidGroup("orders", f"must be for one account, not {', '.join(sorted(accounts))}")
    for order in orders:
        if order.oca_group not in ("", group):
            raise InvalidGroup("orders", f"one is in the OCA group {order.oca_group!r} already")
        if order.parent_id:
            raise InvalidGroup("orders", "the exit of a bracket cannot be in another group")
    _check_ids(order_ids, len(orders))
    return tuple(
        PlannedOrder(order_id, order.replace(oca_group=group, oca_type=int(oca_type), transmit=True))
        for order_id, order in zip(order_ids, orders, strict=True)
    )


def _check_ids(order_ids: Sequence[int], wanted: int) -> None:
    if len(order_ids) != wanted:
        raise InvalidGroup("order_ids", f"{wanted} orders need {wanted} ids, got {len(order_ids)}")
    if any(isinstance(order_id, bool) or not isinstance(order_id, int) for order_id in order_ids):
        raise InvalidGroup("order_ids", f"must be whole numbers, not {list(order_ids)!r}")
    if order_ids[0] < 1:
        # A child of the parent 0 would be no child: it would work on its own at once.
        raise InvalidGroup("order_ids", f"must be above zero, not {order_ids[0]}")
    if any(later <= earlier for earlier, later in itertools.pairwise(order_ids)):
        # The broker refuses an id that is not above every earlier one (code 103).
        raise InvalidGroup("order_ids", "must be rising")
