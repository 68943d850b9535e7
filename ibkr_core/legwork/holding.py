"""What is held, and what works against it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.errors import IbkrError, UnknownOrder
from ibkr_core.legwork.hands import Deadline, Hands, wait_settled
from ibkr_core.legwork.tally import Tally, signed, total
from ibkr_core.lifecycle.book import Book
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.model.record import OrderRecord

__all__ = [
    "Held",
    "Lot",
    "believe",
    "closable",
    "exits_of",
    "flow",
    "is_same",
    "left_bare",
    "open_quantity",
    "orders_in_the_way",
    "take_back",
]

_ZERO: Final = Decimal(0)
_ENDLESS: Final = Decimal("Infinity")


# ── lots: what is held of a leg ─────────────────────────────────────────────────────────────────


@attrs.frozen
class Lot:
    """A leg as the account holds it.

    Attributes:
        contract: What it is, with its ``con_id``.
        ratio: Units in one unit of the strategy.
        side: ``BUY`` for one that is held long, ``SELL`` for one that is owed.
    """

    contract: Contract
    ratio: int
    side: Action

    @property
    def con_id(self) -> int:
        """The broker's id of it."""
        return self.contract.con_id

    @property
    def closing(self) -> Action:
        """The side that closes it."""
        return self.side.opposite


@attrs.frozen
class Held:
    """What an account holds, and what its fills had come to when that was told.

    Attributes:
        account: The account.
        told: The broker's positions by contract id.
        made: The sum of the account's fills by contract id, at that moment.
        seen: Orders that were alive then: their later fills count.
        highest: The highest order id of ours then.
        is_certain: Whether the positions agreed with the fills, or were told twice.
    """

    account: str
    told: Mapping[int, Decimal]
    made: Mapping[int, Decimal]
    seen: tuple[int, ...] = ()
    highest: int = 0
    is_certain: bool = True


def believe(hands: Hands, account: str, lots: Sequence[Lot], deadline: Deadline) -> Held:
    """Ask for the positions until they can be believed.

    A position that is what the fills make of it is believed at once. One that is not (a trade by hand, or
    a list that lags behind the executions; no source says that it cannot) has to be told twice, with
    ``confirm_s`` between and no fill meanwhile. Where time is too short for that, the smallest figure counts:
    of what was told, and of what the fills make of it.

    Raises:
        IbkrError: The broker does not answer.
    """
    con_ids = [lot.con_id for lot in lots]
    before: Held | None = None
    while True:
        made = hands.book.read(lambda book: hands.tally.made(book, account, con_ids))
        now = _ask(hands, account, con_ids)
        agrees = all(_agrees(hands, account, one, now) for one in con_ids)
        is_repeated = before is not None and before.told == now.told and before.made == made
        if made == now.made and (agrees or is_repeated):
            return now
        if deadline.left_s < hands.engine.settings.confirm_s:  # asked again sooner, it may lag just as much
            return attrs.evolve(_smallest(hands, before, now, lots), is_certain=False)
        before = attrs.evolve(now, made=made)
        deadline.pause(hands.engine.settings.confirm_s)


def _agrees(hands: Hands, account: str, con_id: int, held: Held) -> bool:
    """Whether a told position is what our fills make of the last one that agreed."""
    return _by_fills(hands, account, con_id, held) == held.told[con_id]


def _by_fills(hands: Hands, account: str, con_id: int, held: Held) -> Decimal | None:
    """Return what our fills make of the last position that agreed; None before there was one."""
    base = hands.base_of(account, con_id)
    return None if base is None else EXACT.add(base, held.made[con_id])


def _told(positions: Iterable[Position], account: str, con_ids: Iterable[int]) -> dict[int, Decimal]:
    told = dict.fromkeys(con_ids, _ZERO)
    for one in positions:
        if one.account == account and one.contract.con_id in told:
            told[one.contract.con_id] = EXACT.add(told[one.contract.con_id], one.quantity)
    return told


def _ask(hands: Hands, account: str, con_ids: Sequence[int]) -> Held:
    told = _told(hands.library.positions(account), account, con_ids)

    def take(book: Book) -> Held:
        seen = tuple(record.order_id for record in book.active_orders() if record.is_ours)
        made = hands.tally.made(book, account, con_ids)
        return Held(account, told, made, seen, book.highest_order_id())

    return hands.book.read(take)


def _smallest(hands: Hands, before: Held | None, now: Held, lots: Sequence[Lot]) -> Held:
    """Take of two answers, and of what our fills come to, what lets least be closed, leg by leg."""
    told = dict(now.told)
    for lot in lots:
        figures = (
            now.told[lot.con_id],
            before.told[lot.con_id] if before is not None else None,
            _by_fills(hands, now.account, lot.con_id, now),
        )
        sign = lot.side.sign
        told[lot.con_id] = signed(sign, min(signed(sign, one) for one in figures if one is not None))
    return attrs.evolve(now, told=told)


# ── what works against the same position ────────────────────────────────────────────────────────


def is_same(mentioned: Contract, known: Contract) -> bool:
    """Whether a contract as somebody wrote it means an instrument that is known in full.

    Fields that are not given allow anything, so that an order is rather counted than overlooked.
    """
    if mentioned.con_id and known.con_id:
        return mentioned.con_id == known.con_id
    texts = ("symbol", "sec_type", "currency", "local_symbol", "trading_class")
    for name in texts:
        ours, theirs = getattr(mentioned, name), getattr(known, name)
        if ours and theirs and ours != theirs:
            return False
    if mentioned.strike and known.strike is not None and mentioned.strike != known.strike:
        return False
    if mentioned.right and known.right and mentioned.right[0].upper() != known.right[0].upper():
        return False
    expiry = mentioned.expiry.split(" ")[0]
    return not known.expiry or known.expiry.startswith(expiry)


def open_quantity(record: OrderRecord) -> Decimal:
    """Return what of an order the executions do not account for yet: it may still move the position."""
    if record.is_finished:
        return record.unexplained_quantity
    if record.remaining_quantity is None:
        return _ENDLESS
    return EXACT.add(record.remaining_quantity, record.unexplained_quantity)


def flow(record: OrderRecord, contract: Contract) -> Decimal:
    """Return what the rest of an order would trade of an instrument, sales below zero; 0 for another's."""
    if record.contract is None or record.action not in ("BUY", "SELL", "SSHORT"):
        return _ZERO
    sign = Action(record.action).sign
    if not record.contract.is_combo:
        return signed(sign, open_quantity(record)) if is_same(record.contract, contract) else _ZERO
    weight = sum(
        leg.ratio * Action(leg.action).sign
        for leg in record.contract.combo_legs
        if leg.con_id == contract.con_id
    )
    return signed(sign * weight, open_quantity(record)) if weight else _ZERO


def _account_of(record: OrderRecord) -> str:
    if record.order is not None and record.order.account:
        return record.order.account
    return record.broker_order.account if record.broker_order is not None else ""


def _sleeps(record: OrderRecord, order: Callable[[int], OrderRecord]) -> bool:
    """Whether it is the child of an entry that has not filled at all: it guards what is not held yet."""
    if not record.parent_id:
        return False
    try:
        parent = order(record.parent_id)
    except UnknownOrder:
        return False
    return not parent.is_finished and not parent.filled_quantity


def orders_in_the_way(
    records: Iterable[OrderRecord], order: Callable[[int], OrderRecord], lot: Lot, account: str
) -> tuple[OrderRecord, ...]:
    """Return the orders that may still close something of a lot.

    Args:
        records: Orders that are not settled.
        order: Finds a parent.
        lot: What is held.
        account: Where.
    """
    sign = lot.side.sign
    return tuple(
        record
        for record in records
        if signed(sign, flow(record, lot.contract)) < 0
        and _account_of(record) in (account, "")
        and not _sleeps(record, order)
    )


def closable(book: Book, tally: Tally, held: Held, lot: Lot) -> Decimal:
    """Return how much of a lot may be closed now; to be called where nobody can send anything meanwhile."""
    sign = lot.side.sign
    told = held.told[lot.con_id]
    since = EXACT.subtract(
        tally.made(book, held.account, (lot.con_id,))[lot.con_id], held.made.get(lot.con_id, _ZERO)
    )
    there = min(signed(sign, told), signed(sign, EXACT.add(told, since)))
    records = list(book.active_orders())
    alive = {record.order_id for record in records if record.is_ours}
    # What has ended since may have filled more than its executions tell so far.
    ended = {*held.seen, *range(held.highest + 1, book.highest_order_id() + 1)} - alive
    records += [record for record in map(_finder(book), sorted(ended)) if record is not None]
    rivals = orders_in_the_way(records, book.order, lot, held.account)
    reserved = total(signed(-sign, flow(one, lot.contract)) for one in rivals)
    return max(EXACT.subtract(there, reserved), _ZERO)


def _finder(book: Book) -> Callable[[int], OrderRecord | None]:
    def find(order_id: int) -> OrderRecord | None:
        try:
            return book.order(order_id)
        except UnknownOrder:  # an id that a request took
            return None

    return find


def exits_of(
    hands: Hands, lots: Sequence[Lot], spare: Mapping[int, Decimal], account: str, own: Iterable[int] = ()
) -> tuple[OrderRecord, ...]:
    """Return the orders that have to go before lots can be closed.

    An order stays, with all of its OCA group or bracket, where it fits into what will be left of the
    position anyway.

    Args:
        hands: The engine.
        lots: What will be closed.
        spare: For each contract id, how much of it is held beyond what will be closed.
        account: Where.
        own: Orders that are part of the same closing and stay.
    """
    mine = frozenset(own)
    active = [one for one in hands.engine.active_orders() if not (one.is_ours and one.order_id in mine)]
    going: dict[object, OrderRecord] = {}
    for lot in lots:
        room = spare.get(lot.con_id, _ZERO)
        groups: dict[object, list[OrderRecord]] = {}
        for one in orders_in_the_way(active, hands.engine.order, lot, account):
            group = one.oca_group or (one.parent_id and ("parent", one.parent_id)) or ("alone", one.order_id)
            groups.setdefault(group, []).append(one)
        for members in groups.values():
            need = total(flow(one, lot.contract).copy_abs() for one in members)
            if need <= room:
                room = EXACT.subtract(room, need)
            else:
                # Order ids alone are no identity: each client counts its own (TWS facts 4).
                going.update(((one.client_id, one.order_id, one.perm_id), one) for one in members)
    return tuple(sorted(going.values(), key=lambda one: one.order_id))


def left_bare(
    hands: Hands,
    lots: Iterable[Lot],
    spare: Mapping[int, Decimal],
    exits: Iterable[OrderRecord],
    account: str,
    own: Iterable[int],
) -> tuple[str, ...]:
    """Say what has lost its exits though it was not to be closed, in words.

    Args:
        hands: The engine.
        lots: What was to be closed.
        spare: For each contract id, how much of it is held beyond that.
        exits: The orders that were to go, as they were before.
        account: Where.
        own: Orders that are part of the closing.
    """
    gone = [one for one in exits if one.is_ours and hands.engine.order(one.order_id).is_finished]
    if not gone:
        return ()
    mine, told = frozenset(own), []
    active = [one for one in hands.engine.active_orders() if not (one.is_ours and one.order_id in mine)]
    for lot in lots:
        sign = lot.side.sign
        names = [f"#{one.order_id}" for one in gone if signed(sign, flow(one, lot.contract)) < 0]
        rivals = orders_in_the_way(active, hands.engine.order, lot, account)
        guarded = total(flow(one, lot.contract).copy_abs() for one in rivals)
        rest = EXACT.subtract(spare.get(lot.con_id, _ZERO), guarded)
        if names and rest > 0:
            told.append(f"{rest} of {lot.contract.name} stay held without the exit orders {', '.join(names)}")
    working = {one.order_id for one in active if one.is_ours}
    entries = sorted({one.parent_id for one in gone} & working)
    told += (f"the entry #{order_id} still works, and has lost its exits" for order_id in entries)
    return tuple(told)


def take_back(hands: Hands, exits: Iterable[OrderRecord], deadline: Deadline) -> dict[int, str]:
    """Cancel orders, and wait until it is proved how each has ended.

    Returns:
        What is not proved, by order id, in words. What filled meanwhile is in the book.
    """
    problems: dict[int, str] = {}
    asked: list[int] = []
    for record in exits:
        if not record.is_ours:
            problems[record.order_id] = (
                f"#{record.order_id} was placed by another client and cannot be cancelled"
            )
            continue
        try:
            hands.engine.cancel(record.order_id)
        except IbkrError as error:
            now = hands.engine.order(record.order_id)
            if not now.is_finished:  # else it has ended by itself just now
                problems[record.order_id] = f"#{record.order_id} could not be cancelled: {error}"
                continue
        asked.append(record.order_id)
    for order_id in asked:
        now = wait_settled(hands, order_id, deadline)
        if not now.is_settled:
            problems[order_id] = f"the cancel of #{order_id} is not confirmed ({now.status.value})"
    return problems
