"""How long the journal keeps what is finished, and which inputs may go without changing a replay.

The book finds the order that an input means by permId, by a key of ours, by order id or by execution id.
So two inputs that share none of these, directly or over a chain of others, are about orders that know
nothing of each other; and the inputs of such a *family* can be dropped together, and only together. To
the family belong also the parent, the children and the other orders of a one-cancels-all group.

What is about no order (a lost connection) stays while an older input stays. Where it is not known what
a frame is about, nothing is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Iterable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final, TypeVar

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.journal.rows import Row, clean, clean_text, number_from
from ibkr_core.journal.times import to_text
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model.checks import check_moment, check_whole
from ibkr_core.model.record import OrderRecord

__all__ = [
    "InputIdentity",
    "Prunable",
    "Pruned",
    "Retention",
    "drained",
    "find_prunable",
    "in_batches",
    "prunable",
]


def _days(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise InvalidInput(field.name, f"must be a whole number of days, at least 1, or None, not {value!r}")


@attrs.frozen
class Retention:
    """How long to keep what, counted from the last moment that anything was told about it.

    Attributes:
        days: The inputs of orders that are finished and settled, with their whole families. None: for ever.
        events_days: The rows of ``events``. None: for ever.
        rows_days: The rows of ``orders`` and ``fills``. None, the default: for ever, they are the books.

    Raises:
        InvalidInput: A number of days that makes no sense, or rows that would go before their inputs.
    """

    days: int | None = attrs.field(default=30, validator=_days)
    events_days: int | None = attrs.field(default=365, validator=_days)
    rows_days: int | None = attrs.field(default=None, validator=_days)

    def __attrs_post_init__(self) -> None:
        """Check that rows stay at least as long as the inputs that would make them again."""
        if self.rows_days is not None and (self.days is None or self.rows_days < self.days):
            raise InvalidInput("rows_days", f"must be at least as long as days ({self.days})")

    def before(self, days: int | None, now: datetime) -> str | None:
        """Return the moment, as text, before which what is kept for ``days`` may go; None for never.

        Raises:
            InvalidInput: That is no number of days, or no moment with a zone.
        """
        if days is not None:
            check_whole("days", days, least=1)
        check_moment("now", now)
        return None if days is None else to_text(now - timedelta(days=days))


@attrs.frozen
class InputIdentity:
    """What one stored input says of the order that it is about; the columns of its row."""

    number: int
    at: str
    kind: str
    order_id: int | str | None
    perm_id: int | str | None
    key: str | None
    exec_id: str | None
    body: str | None

    @classmethod
    def of(cls, row: Row) -> InputIdentity:
        """Make it of a whole row of ``inputs``."""
        number, _, at, _, kind, _, body, _, order_id, perm_id, key, exec_id = clean(row)
        return cls(number, at, kind, order_id, perm_id, key, exec_id, body if kind in _WITH_SEVERAL else None)


_WITH_SEVERAL: Final = ("Submit", "Sent", "Resend")
"""Commands whose body tells of which orders they are."""

_T = TypeVar("_T")
_STEP: Final = 50
"""Inputs or orders that are looked at in one step."""
_FRAME_WITHOUT_FACT: Final = "FRAME"
_Node = tuple[str, int | str]
"""One identity: its kind, and the id."""


class _Families:
    """Identities that are tied together (a union-find), and which families must stay."""

    def __init__(self) -> None:
        self._parents: dict[_Node, _Node] = {}
        self._pinned: set[_Node] = set()

    def tie(self, nodes: Iterable[_Node]) -> None:
        """Make one family of all that these identities belong to."""
        roots = {self.root(node) for node in nodes}
        if len(roots) > 1:
            first, *others = roots
            for other in others:
                self._parents[other] = first
                if other in self._pinned:
                    self._pinned.add(first)

    def pin(self, node: _Node) -> None:
        """Have a family stay."""
        self._pinned.add(self.root(node))

    def may_go(self, node: _Node) -> bool:
        """Whether nothing holds a family. Asked when all ties and pins are known."""
        return self.root(node) not in self._pinned

    def root(self, node: _Node) -> _Node:
        """Return what stands for a family."""
        parents = self._parents
        parent = parents.setdefault(node, node)
        while parent != node:
            grandparent = parents[parent]
            parents[node] = grandparent
            node, parent = parent, grandparent
        return node


@attrs.frozen
class Prunable:
    """What may go.

    Attributes:
        inputs: The numbers of inputs, family by family: each is to be dropped wholly or not at all.
        rows: The rows of the orders that they are about, in the numbering of whoever gave the orders.
    """

    inputs: list[list[int]]
    rows: list[int]


@attrs.frozen
class Pruned:
    """What has gone.

    Attributes:
        inputs: How many inputs.
        rows: The rows of the orders that they made.
    """

    inputs: int
    rows: tuple[int, ...]


def prunable(
    inputs: Iterable[InputIdentity], orders: Iterable[OrderRecord], before: str
) -> list[list[int]] | None:
    """Find the inputs that may go, in one go; see :func:`find_prunable`.

    Returns:
        The numbers of the inputs, family by family. None where some frame does not tell what it is about, so
        that nothing may go.
    """
    found = drained(find_prunable(inputs, enumerate(orders), before))
    return None if found is None else found.inputs


def drained(steps: Generator[object, None, _T]) -> _T:
    """Take all steps of something at once, and return what came of it."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            result: _T = end.value
            return result


def find_prunable(
    inputs: Iterable[InputIdentity], orders: Iterable[tuple[int, OrderRecord]], before: str
) -> Generator[None, None, Prunable | None]:
    """Find the inputs that may go, in small steps: others want to do something in between.

    Args:
        inputs: All stored inputs, oldest first.
        orders: All orders of the book that they make, with their rows.
        before: The moment, as text: younger families stay.

    Returns:
        What may go; None where some frame does not tell what it is about, so that nothing may go.
    """
    families = _Families()
    keys, old_orders = yield from _tie_orders(families, orders, before)
    zeros: set[_Node] = set()
    has_error_about_zero = False
    old: list[tuple[int, _Node | None]] = []
    first_to_stay = 2**63
    for count, one in enumerate(inputs, 1):
        if not count % _STEP:
            yield
        if one.kind == _FRAME_WITHOUT_FACT:
            return None
        nodes = list(_nodes_of(one, keys))
        if one.order_id == 0:
            has_error_about_zero |= one.kind == "ErrorFact"
            zeros.update(nodes[:1])
        families.tie(nodes)
        if one.at < before:
            old.append((one.number, nodes[0] if nodes else None))
        elif nodes:
            families.pin(nodes[0])
        else:
            first_to_stay = min(first_to_stay, one.number)
    if has_error_about_zero:  # it may have been told of any order without an id of its own
        families.tie(zeros)
    going = _by_family(families, old, first_to_stay)
    return Prunable(going, [row for row, node in old_orders if families.may_go(node)])


def _tie_orders(
    families: _Families, orders: Iterable[tuple[int, OrderRecord]], before: str
) -> Generator[None, None, tuple[frozenset[str], list[tuple[int, _Node]]]]:
    """Tie each order to its relatives, pin those that must stay; the keys that are ours, and the others."""
    keys: set[str] = set()
    old: list[tuple[int, _Node]] = []
    for count, (row, record) in enumerate(orders, 1):
        if not count % _STEP:
            yield
        nodes = list(_nodes_of_order(record))
        families.tie(nodes)
        last = record.last_update_time
        if nodes and (not record.is_settled or last is None or to_text(last) >= before):
            families.pin(nodes[0])
        elif nodes:
            old.append((row, nodes[0]))
        if record.is_ours and record.key:
            keys.add(clean_text(record.key))
    return frozenset(keys), old


def _nodes_of_order(record: OrderRecord) -> Iterator[_Node]:
    if record.order_id:
        yield "order", record.order_id
    if record.perm_id:
        yield "perm", record.perm_id
    if record.key and record.is_ours:
        yield "key", clean_text(record.key)
    if record.parent_id:
        yield "order", record.parent_id
    if record.oca_group:
        yield "oca", record.oca_group
    for fill in (*record.fills, *record.leg_fills, *record.allocation_fills):
        yield "exec", clean_text(ExecutionId.parse(fill.exec_id).base)


def _nodes_of(one: InputIdentity, keys: frozenset[str]) -> Iterator[_Node]:
    if one.order_id and not (one.kind == "ErrorFact" and one.order_id == -1):  # -1: about no request
        yield "order", number_from(one.order_id)
    if one.perm_id:
        yield "perm", number_from(one.perm_id)
    if one.key and one.key in keys:  # another client's label identifies nothing
        yield "key", one.key
    if one.exec_id:
        yield "exec", ExecutionId.parse(one.exec_id).base
    if one.body is not None:
        for order_id in _ids_in(json.loads(one.body)):
            yield "order", order_id


def _ids_in(body: dict[str, Any]) -> Iterator[int]:
    """Yield the ids in a command that can be about several."""
    yield from body.get("order_ids", ())
    yield from (new["order_id"] for new in body.get("orders", ()))
    if "new_order_id" in body:
        yield body["new_order_id"]


def _by_family(
    families: _Families, old: list[tuple[int, _Node | None]], first_to_stay: int
) -> list[list[int]]:
    going: dict[_Node, list[int]] = {}
    about_none: list[int] = []
    for number, node in old:
        if node is None:
            about_none.append(number)
        elif families.may_go(node):
            going.setdefault(families.root(node), []).append(number)
        else:
            first_to_stay = min(first_to_stay, number)
    # A lost connection puts in doubt what was open then: it goes when nothing older than it is left.
    return [*going.values(), *([number] for number in about_none if number < first_to_stay)]


def in_batches(families: Iterable[list[int]], size: int) -> Iterator[list[int]]:
    """Put whole families together until there are enough."""
    batch: list[int] = []
    for family in families:
        batch += family
        if len(batch) >= size:
            yield batch
            batch = []
    if batch:
        yield batch
