"""What every order has to pass before anything is made of it: rules, limits, and a key of its own."""

from __future__ import annotations

import contextlib
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Final, Protocol

from ibkr_core.errors import DuplicateOrder, InvalidInput, InvalidOrder, JournalError, TooManyOrders
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.guards import DuplicateGuard
from ibkr_core.lifecycle import inputs
from ibkr_core.model import orderrules
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.shapes import Shape, Shapes
from ibkr_core.model.taking import taker
from ibkr_core.sending import type_name
from ibkr_core.settings import EngineSettings

__all__ = ["Admission", "DurableIntents"]

_MOST_KEYS: Final = 500_000
"""So many are held in eight bytes each; a journal with more is asked every time."""
_MOST_SHAPES: Final = 512
_ZERO: Final = Decimal(0)
_beside: Final = taker(("description", "combo_legs_description"), ())
_NOTHING: Final = ("", "")
"""What a contract has beside its shape, nearly always."""
_SAME: Final = ("action", "order_type", "quantity", "limit_price", "aux_price", "tif", "conditions", "algo")


class DurableIntents(Protocol):
    """What the desk needs of a journal."""

    @property
    def high_water(self) -> int:
        """The highest order id that was ever used."""

    @property
    def failure(self) -> JournalError | None:
        """Why it cannot be written; None when it can."""

    def commit(self, through: int | None = None) -> None:
        """Make everything durable that was recorded; raises JournalFailed."""

    def knows_key(self, key: str) -> int | None:
        """Return the order id that a client order key was used with."""

    def stored_keys(self, most: int) -> list[str] | None:
        """Return every key that was used so far; None where there are more than that."""


class _OldKeys:
    """Tells quickly of most keys that no earlier order had them: by numbers made of all that were used.

    Args:
        keys: All that were used before this run. Those of this run are in the book.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._numbers = array("q", sorted(map(hash, keys)))

    def may_have(self, key: str) -> bool:
        """Whether a key may have been used; False is certain."""
        if not key.isascii():
            return True  # the file may hold it in another spelling
        place = bisect_left(self._numbers, hash(key))
        return place < len(self._numbers) and self._numbers[place] == hash(key)


class Admission:
    """Checks orders by themselves, and against those that there are.

    Args:
        book: The order book.
        settings: Which limits there are.
        journal: Knows the keys of orders that have left the book; None for none.
        shapes: The shapes of orders.
        most_shapes: Of how many it is remembered that an order of them was found sound.
        most_keys: Of the journal that are remembered; where it has more, it is asked.
    """

    def __init__(
        self,
        book: GuardedBook,
        settings: EngineSettings,
        journal: DurableIntents | None,
        shapes: Shapes,
        most_shapes: int = _MOST_SHAPES,
        most_keys: int = _MOST_KEYS,
    ) -> None:
        self._book = book
        self._most = settings.max_active_orders
        self._has_rules = settings.order_rules
        self._journal = journal
        self._shapes = shapes
        self._rules = orderrules.RuleBook()
        self._sound: dict[Shape | None, None] = {}
        self._most_shapes = most_shapes
        self._most_keys = most_keys
        self._duplicates = DuplicateGuard(settings.duplicate_window_s)
        self._old_keys: _OldKeys | None = None

    def remember_keys(self) -> None:
        """Learn which keys the journal has, so that it need not be asked about each new one.

        Called once the book was restored: the journal can know a key that the book does not only if the order
        was pruned, and then the key stood in the file before.
        """
        if self._journal is not None:
            with contextlib.suppress(JournalError):  # then it is asked every time
                keys = self._journal.stored_keys(self._most_keys)
                self._old_keys = _OldKeys(keys) if keys is not None else None

    def check_new(self, contract: Contract, order: Order, *, is_new: bool = True) -> None:
        """Raise unless the order is one that the broker could take.

        Args:
            contract: What to trade.
            order: At what terms.
            is_new: False for new terms of an order that works already.

        Raises:
            InvalidInput: The subclass and the message tell what is wrong.
        """
        if not isinstance(contract, Contract):
            raise InvalidInput("contract", f"must be an ibkr_core Contract, not {type_name(contract)}")
        if not isinstance(order, Order):
            raise InvalidInput("order", f"must be an ibkr_core Order, not {type_name(order)}")
        if order.what_if:
            raise InvalidOrder("what_if", "a what-if places nothing and cannot be submitted")
        shape = self._shapes.of(contract, order)
        if shape not in self._sound or not _is_usual(contract, order):
            order.check(contract)
            self._remember_sound(shape)
        if not self._has_rules:
            return
        if is_new:
            self._rules.check(order, contract, shape)
        else:
            orderrules.check(order, contract, is_new=False)

    def _remember_sound(self, shape: Shape | None) -> None:
        """Remember a shape of which an order was found sound."""
        if shape is not None:
            if len(self._sound) >= self._most_shapes:
                self._sound.clear()
            self._sound[shape] = None

    def known(
        self, key: str, contract: Contract, order: Order, *, is_new_at_last_look: bool = False
    ) -> OrderRecord | None:
        """Return the order that has this key already; None when there is none.

        Args:
            key: The key.
            contract: What the order that is asked for is to trade.
            order: Its terms.
            is_new_at_last_look: Whether the key was new a moment ago: then only the book can know it by now.

        Raises:
            DuplicateOrder: There is one, and it is a different order.
        """
        if not key:
            return None
        found = self._book.by_key(key)
        if found is None:
            if self._journal is None or is_new_at_last_look:
                return None
            if self._old_keys is not None and not self._old_keys.may_have(key):
                return None
            pruned = self._journal.knows_key(key)
            if pruned is None:
                return None
            raise _duplicate(pruned, key, "it has left the book; see engine.history")
        # What was modified since is still the order that was asked for then.
        terms = found.order if not _was_modified(found) else None
        is_same = terms is None or all(getattr(terms, name) == getattr(order, name) for name in _SAME)
        is_same &= not found.action or found.action == order.action.value  # no modification changes the side
        if not is_same or (found.contract is not None and found.contract.symbol != contract.symbol):
            raise _duplicate(found.order_id, key, "it is a different order")
        return found

    def check_group(self, keyed: Sequence[inputs.NewOrder], *, allow_duplicate: bool) -> None:
        """Raise where new orders have no room, or look like ones that were sent.

        Requires holding the send lock.

        Args:
            keyed: New orders that are to be sent together.
            allow_duplicate: Whether they may look like orders that were sent just now.

        Raises:
            DuplicateOrder: One looks so, or the key of one belongs to an order that has left the book.
            TooManyOrders: As many are active as the broker takes.
        """
        if self._most is not None or (self._duplicates.is_on and not allow_duplicate):
            self._check_limits(keyed, allow_duplicate=allow_duplicate)
        if len(keyed) > 1:
            self._check_keys(keyed)

    def note(self, keyed: Sequence[inputs.NewOrder]) -> None:
        """Remember orders that were written down. Requires holding the send lock."""
        if not self._duplicates.is_on:
            return
        now = self._book.monotonic()
        for new in keyed:
            if new.contract is not None and new.order is not None:
                self._duplicates.note(new.contract, new.order, new.order_id, now)

    def _check_limits(self, keyed: Sequence[inputs.NewOrder], *, allow_duplicate: bool) -> None:
        most = self._most
        now = self._book.monotonic()
        added: dict[tuple[str, int, str, str], int] = {}
        for new in keyed:
            if new.contract is None or new.order is None:
                continue
            if not allow_duplicate:
                self._duplicates.check(new.contract, new.order, now)
            if most is None:
                continue
            side = (new.order.account, new.contract.con_id, new.contract.name, new.order.action.value)
            if side not in added:
                added[side] = self._count_active(side)
            added[side] += 1
            if added[side] > most:
                raise TooManyOrders(
                    new.order_id,
                    f"{added[side] - 1} {side[3]} orders for {side[2]} are active already, and the broker "
                    f"takes {most} for each account, contract and side; nothing was sent",
                )

    def _count_active(self, side: tuple[str, int, str, str]) -> int:
        account, con_id, symbol, action = side
        return self._book.read(lambda book: book.count_active(account, con_id, symbol, action))

    def _check_keys(self, legs: Sequence[inputs.NewOrder]) -> None:
        """Raise where the key of a group's leg belongs to an order that has left the book."""
        if self._journal is None or len(legs) == 1:
            return  # who sends a single order has looked for its key already
        known = self._book.read(lambda book: {new.key for new in legs if book.by_key(new.key) is not None})
        for new in legs:
            used = self._journal.knows_key(new.key) if new.key not in known else None
            if used is not None:
                raise _duplicate(used, new.key, "it has left the book; see engine.history")


def _is_usual(contract: Contract, order: Order) -> bool:
    """Whether an order is sound if any other one of its shape is.

    What is alike in both was found sound then, the types of all values too. What differs is looked at here:
    this says no to all that :meth:`Order.check` could object to, and to more.
    """
    limit, aux, stop = order.limit_price, order.aux_price, order.trail_stop_price
    return (
        type(contract) is Contract
        and type(order) is Order
        and _beside(contract, order) == _NOTHING
        and contract.con_id >= 0
        and not contract.expiry
        and (limit is None or limit > _ZERO)
        and (aux is None or aux > _ZERO)
        and (stop is None or stop > _ZERO)
    )


def _was_modified(record: OrderRecord) -> bool:
    return any("modification" in line.what for line in record.history)


def _duplicate(order_id: int, key: str, why: str) -> DuplicateOrder:
    return DuplicateOrder(order_id, f"has the client order key {key!r} already, and {why}")
