"""Bracket and OCA plans: orders in, finished orders out. Pure; ids are arguments.

A plan is complete before anything is sent, so that a group is never half-sent for a reason that could
have been known.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.exits import check_exit_side, check_exits, check_price_order, is_protective
from ibkr_core.model.numbers import EXACT, Numeric, to_number
from ibkr_core.model.order import OcaType, Order

__all__ = [
    "Child",
    "ExitPair",
    "PlannedOrder",
    "plan_attached",
    "plan_bracket",
    "plan_oca",
    "plan_scale_out",
    "stop_child",
    "target_child",
]

_PAIRED: Final = int(OcaType.REDUCE_WITH_BLOCK)
_PRESET: Final = "PRESET"

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


def _child(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, Order):
        to_number(field.name, value, InvalidGroup)


def _slice(value: Numeric) -> Decimal:
    quantity = to_number("quantity", value, InvalidGroup)
    if quantity <= 0:
        raise InvalidGroup("quantity", f"must be above zero, not {quantity}")
    return quantity


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
    *,
    oca_group: str = "",
) -> tuple[PlannedOrder, ...]:
    """Plan a bracket: the parent first, and only the last order releases the group.

    Args:
        parent: The entry.
        take_profit: Exit at a profit: a price or an order. None for none.
        stop_loss: Exit at a loss: a price or an order. None for none.
        order_ids: As many rising ids as there are orders: parent, take-profit, stop-loss.
        oca_group: A name for the group of the exits, which must be new. Empty leaves it to the broker,
            which makes one of type 3 (TWS facts 4). One with a name is of type 2: a part of one exit's fill
            reduces the other by as much, and only one is routed at a time, so that they cannot both fill.

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
        if oca_group:
            child = child.replace(oca_group=oca_group, oca_type=_PAIRED)
        planned.append(PlannedOrder(order_ids[index + 1], child))
    return tuple(planned)


@attrs.frozen
class ExitPair:
    """One slice of a scale-out: part of the position, with a target and a stop of its own.

    Attributes:
        quantity: How much of the entry it closes.
        take_profit: A limit price, or a whole order of that quantity.
        stop_loss: A stop price, or a whole order of that quantity.

    Raises:
        InvalidGroup: The quantity is no number above zero.
    """

    quantity: Decimal = attrs.field(converter=_slice)
    take_profit: Child = attrs.field(validator=_child)
    stop_loss: Child = attrs.field(validator=_child)


def plan_scale_out(
    parent: Order, pairs: Sequence[ExitPair], group: str, order_ids: Sequence[int]
) -> tuple[PlannedOrder, ...]:
    """Plan an entry with several targets, each paired with a stop of the same size.

    All exits are children of the one entry: brackets of their own for each slice would be refused for
    options ("both sides of the contract"), and would fill at several prices. Each pair is an OCA group of
    type 2, which reduces: with type 1 a part of a target's fill would cancel the rest of its stop. That the
    broker keeps the groups that children bring along is not documented; it makes one where none was sent
    (TWS facts 4).

    Args:
        parent: The entry.
        pairs: The slices; their quantities add up to the entry's.
        group: The beginning of the groups' names, which must be new; each gets its number.
        order_ids: Rising ids: the parent's, then a target's and a stop's for each pair.

    Returns:
        The parent, then target and stop of each pair. Only the last order releases them.

    Raises:
        InvalidGroup: No pair, or no name; sizes that do not add up; an exit as for :func:`plan_bracket`; a
            stop beyond a target of whatever pair.
    """
    if not pairs:
        raise InvalidGroup("pairs", "a scale-out needs at least one target with its stop")
    if not isinstance(group, str) or not group:
        raise InvalidGroup("group", "must not be empty")
    if parent.parent_id:
        raise InvalidGroup("parent", "is itself the child of another order")
    total = functools.reduce(EXACT.add, (pair.quantity for pair in pairs))
    if total != parent.quantity:
        raise InvalidGroup("pairs", f"must add up to the parent's quantity of {parent.quantity}, not {total}")
    exits: dict[str, Order] = {}
    for number, pair in enumerate(pairs, start=1):
        part = parent.replace(quantity=pair.quantity)
        exits[f"take_profit {number}"] = target_child(part, pair.take_profit)
        exits[f"stop_loss {number}"] = stop_child(part, pair.stop_loss)
        for name, order in list(exits.items())[-2:]:
            check_exit_side(parent, name, order)
            _check_slice(name, order, pair.quantity)
    check_price_order(parent, exits)
    _check_ids(order_ids, 1 + len(exits))
    planned = [PlannedOrder(order_ids[0], parent.replace(transmit=False))]
    for index, order in enumerate(exits.values()):
        child = order.replace(
            parent_id=order_ids[0],
            oca_group=f"{group}-{index // 2 + 1}",
            oca_type=_PAIRED,
            transmit=index == len(exits) - 1,
        )
        planned.append(PlannedOrder(order_ids[index + 1], child))
    return tuple(planned)


def _check_slice(name: str, order: Order, quantity: Decimal) -> None:
    if order.quantity != quantity:
        raise InvalidGroup(name, f"must have its slice's quantity of {quantity}, not {order.quantity}")
    if is_protective(order.order_type) is name.startswith("take_profit"):
        wanted = "a stop" if name.startswith("stop_loss") else "no stop"
        raise InvalidGroup(name, f"must be {wanted}, not a {order.order_type} order")


def plan_attached(
    parent: Order, order_ids: Sequence[int], *, take_profit: bool, stop_loss: bool
) -> tuple[PlannedOrder, tuple[int, ...]]:
    """Plan an order to which the gateway attaches its exits by itself, as its presets say.

    Args:
        parent: The order.
        order_ids: Rising ids: its own, then one for each exit.
        take_profit: Whether a profit taker is wanted.
        stop_loss: Whether a stop loss is wanted.

    Returns:
        The order, and the ids of the exits: the take-profit's first.

    Raises:
        InvalidGroup: No exit is wanted; the order is a child itself, held, or names attached orders already.
    """
    if not (take_profit or stop_loss):
        raise InvalidGroup("take_profit", "attach a take-profit, a stop-loss, or both")
    if parent.parent_id:
        raise InvalidGroup("parent", "is itself the child of another order")
    if not parent.transmit:
        raise InvalidGroup("parent", "must be transmitted: nothing else would release its exits")
    for name in ("slOrderId", "slOrderType", "ptOrderId", "ptOrderType"):
        if name in parent.official:
            raise InvalidGroup("parent", f"{name} is set by the engine")
    _check_ids(order_ids, 1 + take_profit + stop_loss)
    ids = iter(order_ids[1:])
    fields: dict[str, object] = {}
    if take_profit:
        fields |= {"ptOrderId": next(ids), "ptOrderType": _PRESET}
    if stop_loss:
        fields |= {"slOrderId": next(ids), "slOrderType": _PRESET}
    return PlannedOrder(order_ids[0], parent.replace(**fields)), tuple(order_ids[1:])


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
