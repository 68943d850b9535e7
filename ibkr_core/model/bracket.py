"""A bracket as a value: an entry and its exits, each with an identity before and after it was sent."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.checks import check_moment
from ibkr_core.model.exits import check_exits
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.said import lean_repr
from ibkr_core.model.status import OrderStatus

__all__ = ["BracketLeg", "BracketOrder"]

_UUID: Final = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_FILLED: Final = OrderStatus.FILLED


def _uuid(name: str, value: object) -> str:
    text = str(value).lower()
    if not _UUID.fullmatch(text):
        raise InvalidGroup(name, f"must be a UUID, not {value!r}")
    return text


def _own_uid(value: object) -> str:
    return _uuid("uid", value)


def _parent_uid(value: object) -> str:
    return "" if value in (None, "") else _uuid("parent_uid", value)


def _number(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise InvalidGroup(field.name, f"must be a whole number of at least 0, not {value!r}")


def _text(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str):
        raise InvalidGroup(field.name, f"must be a text, not {value!r}")


def _check_record(name: str, value: object) -> None:
    if not isinstance(value, OrderRecord):
        raise InvalidGroup(name, f"must be an OrderRecord, not {value!r}")


def _moment(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is None and field.name != "created_at":
        return
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise InvalidGroup(field.name, f"must be a moment with a time zone, not {value!r}")


@attrs.frozen(kw_only=True)
class BracketLeg:
    """One order of a bracket: its terms, who it is, and what has become of it.

    Attributes:
        order: At what terms. Ids, parent and transmit flag are set when the bracket is sent.
        uid: A UUID of its own, which it has from the beginning; it becomes the client order key, where the
            order has no ``order_ref``.
        created_at: When it was made.
        con_id: The broker's id of what it trades; 0 while unknown.
        order_id: The API order id; 0 before it was sent.
        parent_uid: The ``uid`` of the entry; empty for the entry itself.
        parent_id: The API order id of the entry; 0 for the entry, and before it was sent.
        oca_group: Name of the exits' one-cancels-all group; empty while the broker has not made one.
        status: What is proved about it; None before it was sent.
        filled_at: When it was completely filled.

    Raises:
        InvalidGroup: It cannot be: no UUID, a time without a zone, filled before it was made or without a
            time, a parent of its own, a status without an order id ….
    """

    order: Order
    uid: str = attrs.field(converter=_own_uid)
    created_at: datetime = attrs.field(validator=_moment)
    con_id: int = attrs.field(default=0, validator=_number)
    order_id: int = attrs.field(default=0, validator=_number)
    parent_uid: str = attrs.field(default="", converter=_parent_uid)
    parent_id: int = attrs.field(default=0, validator=_number)
    oca_group: str = attrs.field(default="", validator=_text)
    status: OrderStatus | None = None
    filled_at: datetime | None = attrs.field(default=None, validator=_moment)

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``BUY 10 LMT 150 DAY: not sent``, or with its id and status."""
        stands = f"#{self.order_id} " if self.order_id else ""
        return f"{stands}{self.order}: {self.status.value if self.status is not None else 'not sent'}"

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be."""
        if not isinstance(self.order, Order):
            raise InvalidGroup("order", f"must be an ibkr_core Order, not {self.order!r}")
        if self.order.what_if:
            raise InvalidGroup("order", "a what-if places nothing and cannot be part of a bracket")
        if self.status is not None and not isinstance(self.status, OrderStatus):
            raise InvalidGroup("status", f"must be an OrderStatus or None, not {self.status!r}")
        if self.parent_uid == self.uid:
            raise InvalidGroup("parent_uid", "must be another order's")
        if self.parent_id and self.parent_id == self.order_id:
            raise InvalidGroup("parent_id", "must be another order's")
        if self.parent_id and not self.parent_uid:
            raise InvalidGroup("parent_id", "an order without a parent_uid has no parent")
        if self.status is not None and not self.order_id:
            raise InvalidGroup("status", f"{self.status.value} needs an order_id: it was not sent yet")
        self._check_times()

    def _check_times(self) -> None:
        if (self.status is _FILLED) != (self.filled_at is not None):
            raise InvalidGroup("filled_at", "must be given for a FILLED order, and for no other")
        if self.filled_at is not None and self.filled_at < self.created_at:
            raise InvalidGroup("filled_at", f"lies before created_at: {self.filled_at} < {self.created_at}")

    @property
    def is_child(self) -> bool:
        """Whether it is an exit."""
        return bool(self.parent_uid)

    @property
    def key(self) -> str:
        """The client order key that it is sent with."""
        return self.order.order_ref or self.uid

    def seen(self, record: OrderRecord) -> BracketLeg:
        """Return the leg as the order's record shows it.

        Raises:
            InvalidGroup: The record is another order's.
        """
        _check_record("record", record)
        if record.key and record.key != self.key:
            raise InvalidGroup("record", f"has the key {record.key!r}, not {self.key!r}")
        if self.order_id and record.order_id != self.order_id:
            raise InvalidGroup("record", f"is that of order {record.order_id}, not {self.order_id}")
        filled_at = None
        if record.status is _FILLED:
            filled_at = max(
                record.finished_time or record.last_update_time or self.created_at, self.created_at
            )
        return attrs.evolve(
            self,
            order=record.order.replace(order_ref=self.order.order_ref) if record.order else self.order,
            con_id=record.contract.con_id if record.contract and record.contract.con_id else self.con_id,
            order_id=record.order_id,
            parent_id=(record.parent_id or self.parent_id) if self.is_child else 0,
            oca_group=record.oca_group or self.oca_group,
            status=record.status,
            filled_at=filled_at,
        )


@attrs.frozen(kw_only=True)
class BracketOrder:
    """An entry with one exit or two; see ``Engine.place_bracket_order``.

    Attributes:
        parent: The entry.
        take_profit: The exit at a profit; None for none.
        stop_loss: The exit at a loss; None for none.
        oca_group: Name of the exits' one-cancels-all group. Leave it empty and the broker makes one of its
            own (TWS facts 4); a name must never have been used.

    Raises:
        InvalidGroup: No exit; exits that cannot close what the entry opens; legs that do not belong together.
    """

    parent: BracketLeg
    take_profit: BracketLeg | None = None
    stop_loss: BracketLeg | None = None
    oca_group: str = attrs.field(default="", validator=_text)

    def __attrs_post_init__(self) -> None:
        """Refuse what cannot be."""
        named = {"parent": self.parent, "take_profit": self.take_profit, "stop_loss": self.stop_loss}
        for name, leg in named.items():
            if not isinstance(leg, BracketLeg) and not (leg is None and name != "parent"):
                raise InvalidGroup(name, f"must be a BracketLeg, not {leg!r}")
        exits = {name: leg for name, leg in named.items() if leg is not None and name != "parent"}
        if not exits:
            raise InvalidGroup("take_profit", "a bracket needs a take-profit, a stop-loss, or both")
        if self.parent.is_child:
            raise InvalidGroup("parent", "is itself the child of another order")
        for name, leg in exits.items():
            self._check_child(name, leg)
        self._check_distinct()
        if all(leg.status is None for leg in self.legs):  # later on stops are moved and sizes are reduced
            bare = {name: leg.order.replace(oca_group="", parent_id=0) for name, leg in exits.items()}
            check_exits(self.parent.order, bare)

    def _check_child(self, name: str, leg: BracketLeg) -> None:
        if leg.parent_uid != self.parent.uid:
            raise InvalidGroup(name, f"names the parent {leg.parent_uid or 'none'}, not {self.parent.uid}")
        if leg.parent_id not in (0, self.parent.order_id):
            raise InvalidGroup(name, f"is a child of order {leg.parent_id}, not of {self.parent.order_id}")
        if self.oca_group and leg.oca_group not in ("", self.oca_group):
            raise InvalidGroup(name, f"is in the OCA group {leg.oca_group!r}, not in {self.oca_group!r}")
        if leg.order.oca_group not in ("", self.oca_group, leg.oca_group):
            raise InvalidGroup(name, f"its terms name the OCA group {leg.order.oca_group!r}")
        if 0 < leg.order_id <= self.parent.order_id or (leg.order_id and not self.parent.order_id):
            raise InvalidGroup(name, "must have a higher order id than its parent")
        if leg.con_id and self.parent.con_id and leg.con_id != self.parent.con_id:
            raise InvalidGroup(name, f"trades contract {leg.con_id}, not the parent's {self.parent.con_id}")

    def _check_distinct(self) -> None:
        keys = [leg.key for leg in self.legs]
        uids = [leg.uid for leg in self.legs]
        ids = [leg.order_id for leg in self.legs if leg.order_id]
        if len(set(uids)) < len(uids) or len(set(keys)) < len(keys) or len(set(ids)) < len(ids):
            raise InvalidGroup("uid", "two orders of the bracket have the same uid, key or order id")

    @classmethod
    def plan(
        cls,
        parent: Order,
        take_profit: Order | None = None,
        stop_loss: Order | None = None,
        *,
        uids: Sequence[object],
        at: datetime,
        oca_group: str = "",
    ) -> BracketOrder:
        """Make a bracket of three orders; see :func:`ibkr_core.brackets.new_bracket` for the easy way.

        Args:
            parent: The entry.
            take_profit: The exit at a profit.
            stop_loss: The exit at a loss.
            uids: A UUID for each of the three, whether or not it is there.
            at: The moment.
            oca_group: As for the class.

        Raises:
            InvalidGroup: As for the class.
        """
        if not isinstance(uids, Sequence) or isinstance(uids, str) or len(uids) != 3:  # noqa: PLR2004 - entry and two exits
            raise InvalidGroup("uids", f"must be three UUIDs, not {uids!r}")
        named = {"parent": parent, "take_profit": take_profit, "stop_loss": stop_loss}
        for name, order in named.items():
            if not isinstance(order, Order) and not (order is None and name != "parent"):
                raise InvalidGroup(name, f"must be an ibkr_core Order, not {order!r}")
        check_moment("at", at, InvalidGroup)

        def exit_(order: Order | None, uid: object) -> BracketLeg | None:
            if order is None:
                return None
            return BracketLeg(
                order=order, uid=str(uid), created_at=at, parent_uid=str(uids[0]), oca_group=oca_group
            )

        return cls(
            parent=BracketLeg(order=parent, uid=str(uids[0]), created_at=at),
            take_profit=exit_(take_profit, uids[1]),
            stop_loss=exit_(stop_loss, uids[2]),
            oca_group=oca_group,
        )

    def __str__(self) -> str:
        """A line for each order, for people."""
        named = (("entry", self.parent), ("take-profit", self.take_profit), ("stop-loss", self.stop_loss))
        return "\n".join(f"{name:<11} {leg}" for name, leg in named if leg is not None)

    @property
    def legs(self) -> tuple[BracketLeg, ...]:
        """The orders that there are, parent first."""
        return tuple(leg for leg in (self.parent, self.take_profit, self.stop_loss) if leg is not None)

    @property
    def children(self) -> tuple[BracketLeg, ...]:
        """The exits that there are, the take-profit first."""
        return self.legs[1:]

    def seen(self, records: Iterable[OrderRecord]) -> BracketOrder:
        """Return the bracket as the records of its orders show it; other orders' records are passed over.

        Raises:
            InvalidGroup: A record contradicts what is known.
        """
        if not isinstance(records, Iterable):
            raise InvalidGroup("records", f"must be OrderRecord values, not {records!r}")
        records = tuple(records)
        for record in records:
            _check_record("records", record)
        by_key = {record.key: record for record in records if record.key}

        def look(leg: BracketLeg | None) -> Any:  # noqa: ANN401 - a leg for a leg, None for None
            return leg.seen(by_key[leg.key]) if leg is not None and leg.key in by_key else leg

        return attrs.evolve(
            self,
            parent=look(self.parent),
            take_profit=look(self.take_profit),
            stop_loss=look(self.stop_loss),
        )
