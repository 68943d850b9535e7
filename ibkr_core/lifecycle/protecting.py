"""Do the exits of an entry cover what it filled, and where do its stops belong? Pure: records in, facts out.

The exits of an order are the orders that name it as their parent and trade the same thing the other way; also
those that the gateway was asked to attach, and those that took the place of one (``Engine.replace``).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.contract import Contract
from ibkr_core.model.exits import is_protective, same_instrument
from ibkr_core.model.numbers import EXACT, Numeric, to_number
from ibkr_core.model.order import Action
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.said import plain, said, with_reason
from ibkr_core.model.status import OrderStatus

__all__ = ["BreakEven", "BreakEvenPlan", "Cover", "StopMove", "covers", "covers_of", "families", "stop_moves"]

_ZERO: Final = Decimal(0)
ATTACHED: Final = ("ptOrderId", "slOrderId")
_TWO: Final = 2
"""Two accounts are two positions."""
_MOVED: Final = frozenset({"STP", "STP LMT", "STP PRT"})


# ── cover ───────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen(kw_only=True)
class Cover:
    """How far the exits of one entry cover what it has filled.

    Attributes:
        parent: The entry.
        exits: Its exits, dead ones too, oldest first.
        open_quantity: What it filled, less what its exits filled and what was closed by other orders.
        covered: How much of that working exits would close.
        waiting: How much more exits would close that wait for the entry's complete fill (``why_held`` is
            ``child``): until then they do nothing.
    """

    parent: OrderRecord
    exits: tuple[OrderRecord, ...]
    open_quantity: Decimal
    covered: Decimal
    waiting: Decimal

    @property
    def missing(self) -> Decimal:
        """How much of the open quantity no working exit would close."""
        return max(EXACT.subtract(self.open_quantity, self.covered), _ZERO)

    def __str__(self) -> str:
        """One line for people: ``#7 AAPL: 4 of 10 without an exit``."""
        waiting = f"{plain(self.waiting)} wait for the whole fill" if self.waiting else ""
        naked = f"{plain(self.missing)} of {plain(self.open_quantity)} without an exit"
        return with_reason(f"#{self.parent.order_id} {said(self.parent.symbol)}: {naked}", (waiting,))


def families(orders: Iterable[OrderRecord]) -> Mapping[int, tuple[OrderRecord, tuple[OrderRecord, ...]]]:
    """Find the entries with exits among our own orders.

    Returns:
        The entry's order id -> the entry, and its exits.
    """
    ours = {record.order_id: record for record in orders if record.is_ours}
    attached = {child: record for record in ours.values() for child in _attached(record)}
    # What took an exit's place after the entry had filled names no parent, but stands in the group that the
    # gateway made of the entry's permId (TWS facts 4).
    grouped = {str(record.perm_id): record for record in ours.values() if record.perm_id}
    found: dict[int, list[OrderRecord]] = {}
    for record in ours.values():
        if record.parent_id:
            parent = ours.get(record.parent_id)
        else:
            parent = attached.get(record.order_id) or grouped.get(record.oca_group)
        if parent is not None and _closes(parent, record):
            found.setdefault(parent.order_id, []).append(record)
    return {order_id: (ours[order_id], tuple(exits)) for order_id, exits in found.items()}


def _attached(record: OrderRecord) -> tuple[int, ...]:
    """Return the ids of the exits that the gateway was asked to attach to an order."""
    if record.order is None:
        return ()
    return tuple(record.order.official[name] for name in ATTACHED if name in record.order.official)


def _closes(parent: OrderRecord, record: OrderRecord) -> bool:
    """Whether an order is an exit of its parent, and no hedge; one that is unknown yet is taken for one."""
    if not record.action or not parent.action:
        return True
    if Action(record.action).sign == Action(parent.action).sign:
        return False
    if parent.contract is None or record.contract is None:
        return True
    return _same(parent, record)


def covers(orders: Sequence[OrderRecord]) -> tuple[Cover, ...]:
    """Tell for each entry that has filled something how far its exits cover it.

    Where an entry has stops, only stops count: a limit that waits for a profit protects from nothing. Of
    exits in one OCA group only the largest counts, for the fill of one ends or reduces the others. An exit
    counts while it is known to work; one in doubt, inactive, dead, or held until the entry is completely
    filled does not. What *other* orders of ours sold of a long position (or bought of a short one) since the
    entry began to fill is taken for a closing by hand: first of what no exit covers, then of the rest. Other
    orders that work and would close count as exits in the same way, a new stop for one that was lost.

    Args:
        orders: All orders of the book.

    Returns:
        One for each such entry that is not closed, oldest first.
    """
    return covers_of(families(orders), orders)


def covers_of(
    found: Mapping[int, tuple[OrderRecord, tuple[OrderRecord, ...]]], orders: Sequence[OrderRecord]
) -> tuple[Cover, ...]:
    """Do as :func:`covers`, where the families are known."""
    members = {id_ for id_, (_, exits) in found.items() for id_ in (id_, *(one.order_id for one in exits))}
    free = [record for record in orders if record.order_id not in members and record.filled_quantity]
    result = [
        _cover(parent, exits, left)
        for parent, exits in found.values()
        if parent.action and (left := _left(parent, exits)) > 0
    ]
    spent: dict[int, Decimal] = {}
    for portion in ("missing", "open_quantity"):
        for place, one in enumerate(result):
            taken = _take(spent, free, one.parent, getattr(one, portion))
            if taken:
                left = EXACT.subtract(one.open_quantity, taken)
                result[place] = attrs.evolve(one, open_quantity=left)
    beside = [record for record in orders if record.order_id not in members and _works(record)]
    used: dict[object, Decimal] = {}
    for place, one in enumerate(result):
        found_beside = _use(used, beside, one)
        result[place] = attrs.evolve(one, covered=EXACT.add(one.covered, found_beside))
    return tuple(one for one in result if one.open_quantity > 0)


def _left(parent: OrderRecord, exits: tuple[OrderRecord, ...]) -> Decimal:
    """What an entry has filled and its exits have not."""
    left = parent.filled_quantity
    for one in exits:
        if one.filled_quantity:
            left = EXACT.subtract(left, one.filled_quantity)
    return left


def _cover(parent: OrderRecord, exits: tuple[OrderRecord, ...], left: Decimal) -> Cover:
    covered = _would_close(exits, _works)
    return Cover(
        parent=parent,
        exits=exits,
        open_quantity=left,
        covered=covered,
        waiting=max(EXACT.subtract(_would_close(exits, _will_work), covered), _ZERO),
    )


def _works(record: OrderRecord) -> bool:
    return record.is_working and "child" not in record.why_held.split(",")


def _will_work(record: OrderRecord) -> bool:
    return record.is_working


def _would_close(exits: Sequence[OrderRecord], counts: Callable[[OrderRecord], bool]) -> Decimal:
    groups: dict[object, Decimal] = {}
    for one in exits:
        if not counts(one) or not _protects(exits, one):
            continue
        group: object = one.oca_group or one.order_id
        groups[group] = max(groups.get(group, _ZERO), one.remaining_quantity or _ZERO)
    return functools.reduce(EXACT.add, groups.values(), _ZERO)


def _use(used: dict[object, Decimal], beside: Sequence[OrderRecord], cover: Cover) -> Decimal:
    """Take as much cover from orders that are no exits of anything as an entry lacks; none counts twice."""
    groups: dict[object, Decimal] = {}
    for record in beside:
        if _opposes(cover.parent, record) and _protects(cover.exits, record):
            group: object = record.oca_group or record.order_id
            groups[group] = max(groups.get(group, _ZERO), record.remaining_quantity or _ZERO)
    taken = _ZERO
    for group, size in groups.items():
        free = EXACT.subtract(size, used.get(group, _ZERO))
        part = max(min(free, EXACT.subtract(cover.missing, taken)), _ZERO)
        used[group] = EXACT.add(used.get(group, _ZERO), part)
        taken = EXACT.add(taken, part)
    return taken


def _protects(exits: Sequence[OrderRecord], record: OrderRecord) -> bool:
    """Whether an order is of the kind that counts for an entry: a stop, where that has or had one."""
    return is_protective(record.order_type) or not any(is_protective(one.order_type) for one in exits)


def _opposes(parent: OrderRecord, record: OrderRecord) -> bool:
    """Whether an order's fill would close what an entry has opened."""
    if not record.action or Action(record.action).sign == Action(parent.action).sign:
        return False
    accounts = {fill.account for fill in parent.fills if fill.account} | {_account(record)} - {""}
    return len(accounts) < _TWO and _same(parent, record)


def _account(record: OrderRecord) -> str:
    return record.order.account if record.order is not None else ""


def _take(
    spent: dict[int, Decimal], free: Sequence[OrderRecord], parent: OrderRecord, wanted: Decimal
) -> Decimal:
    """Take from what other orders closed as much as an entry has open; none of it counts twice."""
    if wanted <= 0:
        return _ZERO
    mine = [record for record in free if _may_close(parent, record)]
    side = -Action(parent.action).sign
    moved = (EXACT.multiply(one.filled_quantity, Decimal(Action(one.action).sign * side)) for one in mine)
    net = functools.reduce(EXACT.add, moved, _ZERO)
    already = functools.reduce(EXACT.add, (spent.get(one.order_id, _ZERO) for one in mine), _ZERO)
    taken = max(min(EXACT.subtract(net, already), wanted), _ZERO)
    if taken:
        last = mine[-1].order_id
        spent[last] = EXACT.add(spent.get(last, _ZERO), taken)
    return taken


def _same(one: OrderRecord, other: OrderRecord) -> bool:
    """Whether two orders trade the same thing, as far as that is proved."""
    mine, theirs = _contract(one), _contract(other)
    return mine is not None and theirs is not None and same_instrument(mine, theirs)


def _contract(record: OrderRecord) -> Contract | None:
    """What an order trades, with the broker's id for it where an execution has told that."""
    contract = record.contract
    if contract is None or contract.con_id or contract.is_combo:
        return contract
    con_id = next((fill.con_id for fill in record.fills if fill.con_id), 0)
    return contract.replace(con_id=con_id) if con_id else contract


def _may_close(parent: OrderRecord, record: OrderRecord) -> bool:
    """Whether what an order filled moves the position that an entry has opened."""
    if not record.action or not _same(parent, record):
        return False
    return _is_after(parent, record) and _same_account(parent, record)


def _same_account(one: OrderRecord, other: OrderRecord) -> bool:
    accounts = {fill.account for record in (one, other) for fill in record.fills if fill.account}
    return len(accounts) < _TWO


def _is_after(parent: OrderRecord, record: OrderRecord) -> bool:
    """Whether an order has fills since the entry began to fill; where no times are known, it is taken to."""
    begun = [fill.time for fill in parent.fills if fill.time is not None]
    times = [fill.time for fill in record.fills if fill.time is not None]
    return not begun or not times or max(times) >= min(begun)


# ── break-even ──────────────────────────────────────────────────────────────────────────────────


def _offset(value: Numeric) -> Decimal:
    return to_number("offset", value, InvalidGroup)


def _tick(value: Numeric | None) -> Decimal | None:
    if value is None:
        return None
    tick = to_number("tick", value, InvalidGroup)
    if tick <= 0:
        raise InvalidGroup("tick", f"must be above zero, not {tick}")
    return tick


def _after(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidGroup(field.name, f"must be a whole number of at least 1, not {value!r}")


@attrs.frozen(kw_only=True)
class BreakEven:
    """That the stops of a scale-out move to the entry's price once a target is filled.

    Attributes:
        tick: The instrument's price step; the new stop is rounded to it, towards the profit. None has the
            broker asked when the orders are sent: the largest step of its price rule, whose multiples are
            prices everywhere.
        offset: How far beyond the entry's average price, towards the profit; may be negative.
        after: How many targets have to be filled completely.

    Raises:
        InvalidGroup: A number that cannot be.
    """

    tick: Decimal | None = attrs.field(default=None, converter=_tick)
    offset: Decimal = attrs.field(default=_ZERO, converter=_offset)
    after: int = attrs.field(default=1, validator=_after)


@attrs.frozen(kw_only=True)
class BreakEvenPlan:
    """Which orders a :class:`BreakEven` is about, by client order key: an id can change, a key cannot.

    Attributes:
        rule: When, and where to; without a step, prices are not rounded.
        parent: The entry.
        targets: The take-profits.
        stops: The stops.
    """

    rule: BreakEven
    parent: str
    targets: tuple[str, ...]
    stops: tuple[str, ...]

    @property
    def keys(self) -> tuple[str, ...]:
        """All orders that it is about."""
        return (self.parent, *self.targets, *self.stops)


@attrs.frozen
class StopMove:
    """A stop that has to be moved.

    Attributes:
        order_id: The stop.
        key: Its client order key.
        changes: The new terms, as for ``engine.modify``.
    """

    order_id: int
    key: str
    changes: Mapping[str, Decimal] = attrs.field(hash=False)

    @property
    def price(self) -> Decimal:
        """Where to."""
        return self.changes["aux_price"]


def stop_moves(plan: BreakEvenPlan, find: Callable[[str], OrderRecord | None]) -> tuple[StopMove, ...]:
    """Tell which stops have to be moved now. Asking again after they were moved gives nothing.

    Only towards the profit, and never while a change of the stop is unanswered. A limit of a stop-limit order
    keeps its distance.

    Args:
        plan: What was wished.
        find: Finds an order by its key.
    """
    parent = find(plan.parent)
    if parent is None or parent.avg_fill_price is None or not parent.action:
        return ()
    targets = [find(key) for key in plan.targets]
    filled = sum(one is not None and one.status is OrderStatus.FILLED for one in targets)
    if filled < plan.rule.after:
        return ()
    sign = Action(parent.action).sign
    wanted = EXACT.add(parent.avg_fill_price, EXACT.multiply(plan.rule.offset, Decimal(sign)))
    price = _to_tick(wanted, plan.rule.tick, sign) if plan.rule.tick is not None else wanted
    found = (_move(find(key), price, sign) for key in plan.stops)
    return tuple(move for move in found if move is not None)


def _move(stop: OrderRecord | None, price: Decimal, sign: int) -> StopMove | None:
    if stop is None or not stop.is_working or stop.order is None or stop.order.aux_price is None:
        return None
    if stop.status is OrderStatus.PENDING_CANCEL or Request.MODIFY in stop.pending:
        return None
    if stop.order.order_type not in _MOVED:
        return None
    by = EXACT.subtract(price, stop.order.aux_price)
    if by * sign <= 0:
        return None
    changes = {"aux_price": price}
    if stop.order.limit_price is not None:
        changes["limit_price"] = EXACT.add(stop.order.limit_price, by)
    return StopMove(stop.order_id, stop.key, changes)


def _to_tick(price: Decimal, tick: Decimal, sign: int) -> Decimal:
    steps = EXACT.divide(price, tick).to_integral_value(ROUND_CEILING if sign > 0 else ROUND_FLOOR)
    return EXACT.multiply(steps, tick)
