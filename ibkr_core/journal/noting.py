"""Events, noted in passing: what their rows need is taken at once, and the rows are made at leisure."""

from __future__ import annotations

import functools
import math
import operator
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Final, cast

import attrs

from ibkr_core.journal.rows import JSON, Row
from ibkr_core.journal.times import to_text
from ibkr_core.lifecycle.brief import BRIEF_ATOMS, Brief, brief_atoms, brief_of, read_brief
from ibkr_core.lifecycle.entry import Picture
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderMessage, OrderRecord

__all__ = ["INSERT_EVENT", "EventRows", "Note", "Notes", "fill_in", "note"]

INSERT_EVENT: Final = (
    "INSERT INTO events (epoch, seq, at, kind, order_id, perm_id, key, symbol, status, text, details) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)


@attrs.frozen
class _Kind:
    """What is taken of the events of one class.

    Attributes:
        name: The class's.
        is_of_order: Whether they show an order by a picture.
        names: What they have beside the order.
        take: Returns ``at``, ``seq`` and those, as one tuple.
        fill: Where in that tuple the execution is; 0 for none.
    """

    name: str
    is_of_order: bool
    names: tuple[str, ...]
    take: Callable[[Event], tuple[Any, ...]]
    fill: int


@functools.cache
def _kind(kind: type[Event]) -> _Kind:
    names = tuple(one.name for one in attrs.fields(kind) if one.name not in _COMMON)
    fill = 2 + names.index("fill") if "fill" in names else 0
    return _Kind(
        kind.__name__, issubclass(kind, OrderEvent), names, operator.attrgetter("at", "seq", *names), fill
    )


Note = tuple[_Kind, tuple[Any, ...], "OrderRecord | Brief | None", int | None]
"""One event, as far as its row needs it: its kind, its moment, number and what it has beside the order, the
order, and the order's id where no order is shown. It holds no picture of an order, and is a plain tuple,
because events come by the thousand."""


def note(event: Event) -> Note:
    """Note an event. Requires holding what guards its order; costs a microsecond."""
    kind = _kind(event.__class__)  # type: ignore[arg-type]  # a class can be hashed, whatever its instances are
    if kind.is_of_order:
        return kind, kind.take(event), event.brief(), None  # type: ignore[attr-defined]  # it is an OrderEvent
    record = getattr(event, "record", None)
    shown = record if isinstance(record, OrderRecord) else None
    return kind, kind.take(event), shown, getattr(event, "order_id", None)


def fill_in(noted: Note) -> Fill | None:
    """Return the execution that an event tells of."""
    kind, told, _, _ = noted
    found = told[kind.fill] if kind.fill else None
    return found if isinstance(found, Fill) else None


class Notes:
    """Notes that wait, laid out flat.

    The garbage collector walks over every tuple that stays, again and again while they gather; it does not
    walk over what is no container of its own. One thread appends, one takes.
    """

    __slots__ = ("_added", "_flat", "_taken", "_together")

    def __init__(self) -> None:
        self._flat: deque[Any] = deque()
        self._added = self._taken = 0
        self._together: deque[Note] = deque()  # of the callback that is being taken

    def __len__(self) -> int:
        return self._added - self._taken

    def append(self, noted: Note) -> None:
        """Put a note behind the others."""
        kind, told, shown, order_id = noted
        self._flat.extend((kind, shown, order_id, *told))
        self._added += 1

    def append_hot(self, told: list[Event]) -> None:
        """Note the events of one plain callback: at least one, all by one picture that nobody has looked at.

        They share their moment, and are numbered one after the other. Requires holding what guards the order.

        Raises:
            KeyError: One is of a kind that plain callbacks do not bring; nothing is noted then.
        """
        first: Any = told[0]
        shown: Picture = first.shown
        count = len(told)
        flat: list[Any] = [None, count, first.at, first.seq, *brief_atoms(shown.entry, shown.guard)]
        for event in told:
            kind: Any = event.__class__
            details = _HOT_DETAILS[kind]
            if details == 1:
                flat += (kind, event.fill)  # type: ignore[attr-defined]  # it is of a kind that has one
            elif details:
                flat += (kind, event.previous, event.current)  # type: ignore[attr-defined]  # likewise
            else:
                flat.append(kind)
        self._flat.extend(flat)  # all at once: whoever takes sees whole notes
        self._added += count

    def popleft(self) -> Note:
        """Take the oldest note.

        Raises:
            IndexError: There is none.
        """
        if not self._together:
            self._take()
        noted = self._together.popleft()
        self._taken += 1
        return noted

    def _take(self) -> None:
        """Take what was noted together."""
        take = self._flat.popleft
        kind = take()
        if kind is not None:
            shown, order_id = take(), take()
            told = tuple([take() for _ in range(len(kind.names) + 2)])
            self._together.append((kind, told, shown, order_id))
            return
        count, at, seq = take(), take(), take()
        brief = brief_of([take() for _ in range(BRIEF_ATOMS)])
        for place in range(count):
            event_class = take()
            details = [take() for _ in range(_HOT_DETAILS[event_class])]
            self._together.append((_kind(event_class), (at, seq + place, *details), brief, None))


_HOT_DETAILS: Final[Mapping[type[Event], int]] = {
    events.OrderAcknowledged: 0,
    events.OrderStatusChanged: 2,
    events.ExecutionReceived: 1,
    events.OrderPartiallyFilled: 1,
    events.OrderFilled: 1,
    events.CommissionReported: 1,
}
"""What plain callbacks lead to, and how much it has beside the order: a fill, or two statuses."""


class EventRows:
    """Makes the rows of events. What came with the one before is not worked out again.

    Args:
        epoch: The run.
    """

    def __init__(self, epoch: int) -> None:
        self._epoch = epoch
        self._shown: object = None
        self._record: OrderRecord | None = None
        self._words = ""
        self._contracts: dict[int, tuple[Contract, Any]] = {}

    def row(self, noted: Note) -> Row:
        """Make the row of one event."""
        kind, (at, seq, *values), shown, order_id = noted
        if not _is_same(shown, self._shown):  # events of one callback show the order alike
            self._record = record = (
                read_brief(shown) if type(shown) is Brief else cast("OrderRecord | None", shown)
            )
            self._words = str(record) if record is not None else ""
            self._shown = shown
        record = self._record
        about: Row = (order_id, None, None, None, None)
        if record is not None:
            symbol = record.symbol if record.contract is not None else None
            about = (record.order_id, record.perm_id, record.key or None, symbol, record.status.value)
        details = dict(zip(kind.names, values, strict=True))
        text = _text_of(details, self._words if record is not None else None)
        plain = {name: plain for name, value in details.items() if (plain := self._plain(value)) is not None}
        return (self._epoch, seq, to_text(at), kind.name, *about, text, JSON.encode(plain))

    def _plain(self, value: object) -> Any:  # noqa: ANN401 - whatever JSON has
        """Turn a detail of an event into what JSON has; None for what is empty."""
        way = _WAYS.get(value.__class__)
        if way is not None:
            return way(value)
        if type(value) is Contract:
            return self._plain_contract(value)
        fields = _fields(value.__class__)  # type: ignore[arg-type]  # a class can be hashed
        return self._plain_of_other(value) if fields is None else self._plain_fields(value, fields)

    def _plain_fields(self, value: object, fields: _Fields) -> dict[str, Any]:
        found = zip(fields[0], fields[1](value), strict=True)
        return {name: plain for name, one in found if (plain := self._plain(one)) is not None}

    def _plain_contract(self, contract: Contract) -> Any:  # noqa: ANN401 - an object of JSON
        known = self._contracts.get(id(contract))
        if known is None:
            if len(self._contracts) >= _CONTRACTS:
                self._contracts.clear()
            # By its id, for an equal one may read otherwise (1.0 and 1.00); it is its own while we hold it.
            known = self._contracts[id(contract)] = (contract, self._plain_fields(contract, _OF_A_CONTRACT))
        return known[1]

    def _plain_of_other(self, value: object) -> Any:  # noqa: ANN401 - whatever JSON has
        match value:
            case Enum():
                return value.value
            case int() | str():
                return value
            case float():
                return value if math.isfinite(value) else str(value)
            case Decimal():
                return str(value)
            case datetime():
                return to_text(value)
            case Mapping():
                return {str(key): self._plain(one) for key, one in value.items()}
            case Iterable():
                return [self._plain(one) for one in value] or (None if value == () else [])
        return str(value)


_CONTRACTS: Final = 256
"""Contracts whose JSON is kept in mind: most events of a while are about a few."""
_COMMON: Final = frozenset({"at", "seq", "is_dry_run", "record", "shown", "order_id"})


def _is_same(one: object, other: object) -> bool:
    """Whether two events show the very same of an order."""
    if type(one) is Brief and type(other) is Brief:
        return all(map(operator.is_, one, other))
    return one is other


def _text_of(details: Mapping[str, Any], order: str | None) -> str:
    """Say in one line what happened: the order, None for none, and what the event adds."""
    words = [order] if order is not None else []
    for name, value in details.items():
        match value:
            case Fill():
                words.append(f"{name} {value.quantity} at {value.price}")
            case OrderMessage():
                words.append(f"{value.code} {value.message}" if value.code else value.message)
            case Enum():
                words.append(f"{name} {value.value}")
            case Contract():
                words.append(value.name)
            case str() | int() | float() | Decimal() if value or order is None:
                words.append(f"{name} {value}")
    return " ".join("; ".join(words).split())


_Fields = tuple[tuple[str, ...], Callable[[object], Iterable[object]]]
_SIMPLE: Final = (Enum, int, str, float, Decimal, datetime, Mapping, Iterable)


@functools.cache
def _fields(kind: type) -> _Fields | None:
    """Return the names of a class's fields, and what takes their values; None where it is read otherwise."""
    if not attrs.has(kind) or issubclass(kind, _SIMPLE):
        return None
    names = tuple(attrs.fields_dict(kind))
    if len(names) > 1:
        return names, operator.attrgetter(*names)
    return names, lambda value: [getattr(value, name) for name in names]


_OF_A_CONTRACT: Final = cast("_Fields", _fields(Contract))


def _same(value: object) -> object:
    return value


_WAYS: Final[Mapping[type, Callable[[Any], Any]]] = {
    type(None): _same,
    str: lambda text: text or None,
    bool: _same,
    int: _same,
    Decimal: str,
    datetime: to_text,
}
"""How the values that come by the thousand become what JSON has."""
