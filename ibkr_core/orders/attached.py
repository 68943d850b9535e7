"""What any order can be given: conditions, and an algorithm that works it.

Source: the official pages on order conditioning and on IB algorithms; the broker's codes 148 and 442.
"""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.algos import Algo
from ibkr_core.model.checks import checked
from ibkr_core.model.conditions import Condition
from ibkr_core.model.order import Order

__all__ = ["conditional", "worked_by"]


@checked
def conditional(
    order: Order,
    conditions: Condition | Sequence[Condition],
    *,
    cancel: bool = False,
    outside_rth: bool = False,
) -> Order:
    """Return an order that starts, or is cancelled, when conditions hold.

    Args:
        order: Of type ``LMT``, ``MKT``, ``MIDPRICE``, ``REL`` or ``SNAP``; to be cancelled, ``LMT`` or
            ``MIDPRICE``.
        conditions: One, or several in a row; see :func:`~ibkr_core.model.conditions.all_of` and
            :func:`~ibkr_core.model.conditions.any_of` (official ``conditions``).
        cancel: Cancel the order instead of starting it (official ``conditionsCancelOrder``).
        outside_rth: Look at them outside regular hours, too (official ``conditionsIgnoreRth``).

    Raises:
        InvalidOrder: No condition, or something that is none.
    """
    if not isinstance(order, Order):
        raise InvalidOrder("order", f"must be an Order, not {order!r}")
    changed = order.replace(
        conditions=conditions, conditions_cancel=cancel, conditions_outside_rth=outside_rth
    )
    if not changed.conditions:
        raise InvalidOrder("conditions", "give at least one")
    return changed


@checked
def worked_by(order: Order, algo: Algo) -> Order:
    """Return an order that an algorithm of the broker works.

    Args:
        order: Of type ``MKT`` or ``LMT``.
        algo: A value of :mod:`ibkr_core.model.algos` (official ``algoStrategy`` and ``algoParams``).

    Raises:
        InvalidOrder: Something that is no order, or no algorithm.
    """
    if not isinstance(order, Order):
        raise InvalidOrder("order", f"must be an Order, not {order!r}")
    if not isinstance(algo, Algo):
        raise InvalidOrder("algo", f"must be an algorithm of ibkr_core.model.algos, not {algo!r}")
    return order.replace(algo=algo)
