"""How far a position can come, whatever of the working orders fills. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.numbers import EXACT
from ibkr_core.risk.values import LiveOrder

__all__ = ["Reach", "UnknownExposureError", "held", "instruments", "reach", "same_account", "same_instrument"]

_ZERO: Final = Decimal(0)
_RIGHTS: Final = {"C": "C", "CALL": "C", "P": "P", "PUT": "P"}
_DATED: Final = frozenset({"OPT", "FOP", "FUT", "WAR"})
_STRUCK: Final = frozenset({"OPT", "FOP", "WAR"})


class UnknownExposureError(Exception):
    """What can be traded, or what is held, is not known; the text says what to do."""


_Span = tuple[Decimal, Decimal]
_Spanned = tuple[LiveOrder, _Span]
_NOWHERE: Final[_Span] = (_ZERO, _ZERO)


@attrs.frozen
class Reach:
    """The lowest and the highest position that can come about."""

    lowest: Decimal
    highest: Decimal


def same_account(one: str, other: str) -> bool:
    """Whether two accounts may be the same; an empty one was not said, and may be any."""
    return not one or not other or one == other


def same_instrument(one: Contract, other: Contract) -> bool | None:
    """Whether two contracts name the same instrument; None when they do not say enough to tell.

    Two contract ids decide. Without them what both say must agree, and both must say enough: a symbol and a
    kind, for options and futures also what tells them apart.
    """
    if one.con_id and other.con_id:
        return one.con_id == other.con_id
    if not (one.sec_type and other.sec_type):
        # All that a leg of a combo tells of itself may be its id, or its name.
        is_sure = one.name == other.name or not {"#", "?"} & {one.name[:1], other.name[:1]}
        return one.name == other.name if is_sure and one.name != "?" else None
    pairs = (
        (one.symbol, other.symbol),
        (one.sec_type, other.sec_type),
        (one.currency, other.currency),
        (one.strike, other.strike),
        (_right(one), _right(other)),
        (_multiplier(one), _multiplier(other)),
        (one.trading_class, other.trading_class),
        (one.local_symbol, other.local_symbol),
    )
    if any(a and b and a != b for a, b in pairs) or not _same_expiry(one.expiry, other.expiry):
        return False
    if one.local_symbol and one.local_symbol == other.local_symbol:
        return True
    return True if _says_enough(one) and _says_enough(other) else None


def _says_enough(contract: Contract) -> bool:
    """Whether a contract without an id tells its instrument from every other of its currency."""
    kind = contract.sec_type
    has_date = bool(contract.expiry) or kind not in _DATED
    has_strike = bool(contract.strike and contract.right) or kind not in _STRUCK
    return bool(contract.symbol) and has_date and has_strike


def _right(contract: Contract) -> str:
    return _RIGHTS.get(contract.right.upper(), "")


def _multiplier(contract: Contract) -> str:
    text = contract.multiplier
    return text.rstrip("0").rstrip(".") if "." in text else text


def _same_expiry(one: str, other: str) -> bool:
    a, b = one[:8], other[:8]
    return a.startswith(b) or b.startswith(a)


def instruments(contract: Contract) -> tuple[tuple[Contract, int], ...]:
    """Return what an order for a contract moves, with the units for one unit bought: a combo its legs."""
    if not contract.is_combo:
        return ((contract, 1),)
    return tuple(
        (Contract(con_id=leg.con_id), leg.ratio * (1 if leg.action == "BUY" else -1))
        for leg in contract.combo_legs
    )


def held(positions: Sequence[Position], contract: Contract, account: str) -> Decimal:
    """Return the position in an instrument.

    Raises:
        UnknownExposureError: A position may or may not be in this instrument.
    """
    total = _ZERO
    for one in positions:
        if one.quantity and same_account(one.account, account) and _is_sure(one.contract, contract):
            total = EXACT.add(total, one.quantity)
    return total


def _is_sure(one: Contract, other: Contract) -> bool:
    answer = same_instrument(one, other)
    if answer is None:
        raise UnknownExposureError(
            f"whether {other.name} is the same as {one.name} is not known; give its con_id (qualify it first)"
        )
    return answer


def _per_unit(one: Contract, contract: Contract) -> int:
    """Return how many units of an instrument one unit of a contract is."""
    return sum(units for each, units in instruments(one) if _is_sure(each, contract))


def _units(order: LiveOrder, per_unit: int) -> Decimal:
    """Return what an order's fill does to an instrument's position; signed."""
    if not per_unit:
        return _ZERO
    if order.remaining is None:
        raise UnknownExposureError(f"the size of order {order.order_id} is not known: the broker sets it")
    return EXACT.multiply(order.remaining, Decimal(per_unit * order.action.sign))


def reach(position: Decimal, orders: Iterable[LiveOrder], contract: Contract, account: str) -> Reach:
    """Return how low and how high a position can come by any mixture of fills.

    A child trades only once its parent has, and of a one-cancels-all group only one member fills: children
    of one parent are such a group where they name none (TWS facts 4). That a group of type 3 can overfill is
    left out: otherwise no bracket would ever fit a limit of its own size.

    Raises:
        UnknownExposureError: An order of unknown size, or one that may be for this instrument or not.
    """
    mine = [order for order in orders if same_account(order.account, account)]
    ids = {order.order_id for order in mine if order.is_ours and order.order_id}  # 0: it has none yet
    parents = {order.parent_id for order in mine if order.is_ours and order.parent_id in ids}
    # By identity: programs submit the same contract again and again, and comparing takes its time.
    known: dict[int, int] = {}
    children: dict[int, list[_Spanned]] = {}
    roots: list[_Spanned] = []
    lowest = highest = position
    for order in sorted(mine, key=_by_id, reverse=True):  # children first
        name = id(order.contract)
        if name not in known:
            known[name] = _per_unit(order.contract, contract)
        own = _units(order, known[name])
        is_parent = order.is_ours and order.order_id in parents
        if not (is_parent or order.oca_group or order.parent_id):  # alone, as most are
            if own > 0:
                highest = EXACT.add(highest, own)
            elif own < 0:
                lowest = EXACT.add(lowest, own)
            continue
        below = _together(children.get(order.order_id, ())) if is_parent else _NOWHERE
        span = min(_ZERO, EXACT.add(own, below[0])), max(_ZERO, EXACT.add(own, below[1]))
        # An id is always above its parent's; anything else would be a circle.
        is_child = order.is_ours and order.parent_id in ids and order.parent_id < order.order_id
        (children.setdefault(order.parent_id, []) if is_child else roots).append((order, span))
    down, up = _together(roots)
    return Reach(EXACT.add(lowest, down), EXACT.add(highest, up))


def _by_id(order: LiveOrder) -> int:
    return order.order_id


def _together(orders: Iterable[_Spanned]) -> _Span:
    """Return what orders side by side can do: of each group the member that does most, either way."""
    groups: dict[object, list[_Span]] = {}
    for place, (order, span) in enumerate(orders):
        groups.setdefault(_group_of(order, place), []).append(span)
    lowest = highest = _ZERO
    for members in groups.values():
        lowest = EXACT.add(lowest, min(member[0] for member in members))
        highest = EXACT.add(highest, max(member[1] for member in members))
    return lowest, highest


def _group_of(order: LiveOrder, place: int) -> object:
    if order.oca_group:
        return order.oca_group
    return ("parent", order.parent_id) if order.parent_id and order.is_ours else place
