"""Events, noted in passing: what their rows need is taken at once, and the rows are made at leisure."""

from __future__ import annotations

import functools
import json.encoder
import math
import operator
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from enum import Enum
from itertools import repeat, starmap
from typing import Any, Final, cast

import attrs

from ibkr_core.journal.rows import JSON, Row
from ibkr_core.journal.times import to_text
from ibkr_core.lifecycle.brief import BRIEF_ATOMS, Brief, brief_of, read_brief
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


_json_text: Final = json.encoder.encode_basestring_ascii
"""Writes a text as JSON, as the encoder that all of the journal's JSON comes from does it."""


class _Kind:
    """What is taken of the events of one class.

    Attributes:
        name: The class's.
        is_of_order: Whether they show an order by a picture.
        names: What they have beside the order.
        take: Returns ``at``, ``seq`` and those, as one tuple.
        fill: Where in that tuple the execution is; 0 for none.
    """

    __slots__ = ("fill", "is_of_order", "name", "names", "take")

    def __init__(self, kind: type[Event]) -> None:
        names = tuple([one.name for one in attrs.fields(kind) if one.name not in _COMMON])
        self.name = kind.__name__
        self.is_of_order = issubclass(kind, OrderEvent)
        self.names = names
        self.take: Callable[[Event], tuple[Any, ...]] = operator.attrgetter("at", "seq", *names)
        self.fill = 2 + names.index("fill") if "fill" in names else 0


@functools.cache
def _kind(kind: type[Event]) -> _Kind:
    return _Kind(kind)


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
        return self._added - self._taken + len(self._together)

    def append(self, noted: Note) -> None:
        """Put a note behind the others."""
        kind, told, shown, order_id = noted
        self._flat.extend((kind, shown, order_id, *told))
        self._added += 1

    def append_hot(self, told: list[Event]) -> None:
        """Note the events of one plain callback: at least one, all by one picture of an order as it still is.

        They share their moment, and are numbered one after the other. Requires holding what guards the order.

        Raises:
            KeyError: One is of a kind that plain callbacks do not bring; nothing is noted then.
        """
        first: Any = told[0]
        shown: Picture = first.shown
        count = len(told)
        flat: list[Any] = [None, count, first.at, first.seq, *shown.entry.atoms(shown.guard)]
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
        return self._together.popleft()

    def _take(self) -> None:
        """Take what was noted together: wholly or not at all, should an interrupt come."""
        flat = self._flat
        made: deque[Note] = deque()
        kind = flat[0]
        if kind is not None:
            size = _BESIDE + 2 + len(kind.names)
            part = _first(flat, size)
            made.append((kind, part[_BESIDE:], part[1], part[2]))
        else:
            part = _first(flat, _HOT_HEAD + flat[1] * _MOST_DETAILS)
            size = _read_hot(part, made)
        rest = starmap(flat.popleft, repeat((), size))
        self._together, self._taken = made, self._taken + len(made)
        deque(rest, 0)  # the first call after those two were set, and of C: nothing comes in between


def _first(flat: deque[Any], most: int) -> tuple[Any, ...]:
    """Return what stands first, place by place: a deque to which others append cannot be walked through."""
    return tuple(map(flat.__getitem__, range(min(most, len(flat)))))


def _read_hot(part: tuple[Any, ...], made: deque[Note]) -> int:
    """Read what :meth:`Notes.append_hot` wrote; returns how much of it that was."""
    _, count, at, seq = part[:4]
    brief, size = brief_of(part[4:_HOT_HEAD]), _HOT_HEAD
    for place in range(count):
        event_class = part[size]
        end = size + 1 + _HOT_DETAILS[event_class]
        made.append((_kind(event_class), (at, seq + place, *part[size + 1 : end]), brief, None))
        size = end
    return size


_BESIDE: Final = 3
"""What stands before an event's own values: its kind, what it shows, and an order id."""
_HOT_HEAD: Final = 4 + BRIEF_ATOMS
"""What stands before the events of a plain callback."""
_MOST_DETAILS: Final = 3
"""The most that one of them has: its class, and two statuses."""
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
        self._words: str | None = None
        self._about: Row = _ABOUT_NOBODY
        self._at: datetime | None = None
        self._at_text = ""
        self._names: tuple[str, ...] | None = None
        self._told: tuple[Any, ...] = ()
        self._details: tuple[list[str], str] = ([], "{}")
        self._fill: object = None
        self._fill_json = ""
        self._contracts: dict[int, tuple[Contract, str]] = {}

    def row(self, noted: Note) -> Row:
        """Make the row of one event."""
        kind, told, shown, order_id = noted
        if not _is_same(shown, self._shown):  # events of one callback show the order alike
            self._look_at(shown)
        at = told[0]
        if at is not self._at:
            self._at_text, self._at = to_text(at), at
        key = (self._words is None, *told[2:])
        if kind.names != self._names or not _is_each(key, self._told):  # and most tell of the same execution
            self._details = self._read(kind.names, told[2:])
            self._names, self._told = kind.names, key
        words, details = self._details
        text = "; ".join(words if self._words is None else [self._words, *words])
        about = self._about if self._words is not None else (order_id, *_ABOUT_NOBODY[1:])
        return (self._epoch, told[1], self._at_text, kind.name, *about, " ".join(text.split()), details)

    def _look_at(self, shown: OrderRecord | Brief | None) -> None:
        """Work out what an event's row says of its order."""
        self._shown = None  # should it fail, nothing is taken for what it is not
        record = read_brief(shown) if type(shown) is Brief else cast("OrderRecord | None", shown)
        self._words, self._about = None, _ABOUT_NOBODY
        if record is not None:
            symbol = record.symbol if record.contract is not None else None
            status = record.status.value
            self._about = (record.order_id, record.perm_id, record.key or None, symbol, status)
            self._words = str(record)
        self._shown = shown

    def _read(self, names: tuple[str, ...], values: tuple[Any, ...]) -> tuple[list[str], str]:
        """Return what an event says beside its order: in words, and as an object of JSON."""
        told = dict(zip(names, values, strict=True))
        return _words_of(told, is_of_order=self._words is not None), self._object(told.items())

    # ── JSON, written in one go: most of it is fills and contracts ──────────────────────────────

    def _object(self, told: Iterable[tuple[str, object]]) -> str:
        """Write an object, without what is empty."""
        found = [f"{_json_text(name)}:{text}" for name, one in told if (text := self._json(one)) is not None]
        return "{" + ",".join(found) + "}"

    def _json(self, value: object) -> str | None:
        """Write a detail of an event as JSON; None for what is empty."""
        kind = value.__class__
        way = _WAYS.get(kind)
        if way is not None:
            return way(value)
        if kind is Fill:
            if value is not self._fill:  # it comes with two or three events
                self._fill_json = self._json_of_fields(value, _OF_A_FILL)
                self._fill = value
            return self._fill_json
        if kind is Contract:
            return self._json_of_contract(cast("Contract", value))
        fields = _fields(value.__class__)  # type: ignore[arg-type]  # a class can be hashed
        return self._json_of_other(value) if fields is None else self._json_of_fields(value, fields)

    def _json_of_fields(self, value: object, fields: _Fields) -> str:
        found = []
        for name, one in zip(fields[0], fields[1](value), strict=True):
            way = _WAYS.get(one.__class__)
            text = way(one) if way is not None else self._json(one)
            if text is not None:
                found.append(name + text)
        return "{" + ",".join(found) + "}"

    def _json_of_contract(self, contract: Contract) -> str:
        known = self._contracts.get(id(contract))
        if known is None:
            if len(self._contracts) >= _CONTRACTS:
                self._contracts.clear()
            # By its id, for an equal one may read otherwise (1.0 and 1.00); it is its own while we hold it.
            known = self._contracts[id(contract)] = (contract, self._json_of_fields(contract, _OF_A_CONTRACT))
        return known[1]

    def _json_of_other(self, value: object) -> str | None:
        match value:
            case Enum():
                return _json_text(value.value) if type(value.value) is str else JSON.encode(value.value)
            case int() | str():
                return JSON.encode(value)
            case float():
                return JSON.encode(value if math.isfinite(value) else str(value))
            case Decimal():
                return _json_text(str(value))
            case datetime():
                return _json_text(to_text(value))
            case Mapping():
                shown = {str(key): self._json(one) for key, one in value.items()}
                return "{" + ",".join(f"{_json_text(k)}:{one or 'null'}" for k, one in shown.items()) + "}"
            case Iterable():
                return (
                    None if value == () else "[" + ",".join(self._json(one) or "null" for one in value) + "]"
                )
        return _json_text(str(value))


_ABOUT_NOBODY: Final[Row] = (None, None, None, None, None)
_CONTRACTS: Final = 256
"""Contracts whose JSON is kept in mind: most events of a while are about a few."""
_COMMON: Final = frozenset({"at", "seq", "is_dry_run", "record", "shown", "order_id"})


def _is_same(one: object, other: object) -> bool:
    """Whether two events show the very same of an order."""
    if one is other:
        return True
    return type(one) is Brief and type(other) is Brief and all(map(operator.is_, one, other))


def _is_each(some: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    """Whether two tuples hold the very same."""
    return len(some) == len(others) and all(map(operator.is_, some, others))


def _words_of(details: Mapping[str, Any], *, is_of_order: bool) -> list[str]:
    """Say what an event adds to its order."""
    words = []
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
            case str() | int() | float() | Decimal() if value or not is_of_order:
                words.append(f"{name} {value}")
    return words


_Fields = tuple[tuple[str, ...], Callable[[object], Iterable[object]]]
_SIMPLE: Final = (Enum, int, str, float, Decimal, datetime, Mapping, Iterable)


@functools.cache
def _fields(kind: type) -> _Fields | None:
    """Return how a class's fields begin in JSON, and what takes their values; None for another way."""
    if not attrs.has(kind) or issubclass(kind, _SIMPLE):
        return None
    names = tuple(attrs.fields_dict(kind))
    begin = tuple(f'"{name}":' for name in names)
    if len(names) > 1:
        return begin, operator.attrgetter(*names)
    return begin, lambda value: [getattr(value, name) for name in names]


_OF_A_CONTRACT: Final = cast("_Fields", _fields(Contract))
_OF_A_FILL: Final = cast("_Fields", _fields(Fill))


def _nothing(_: object) -> None:
    """Leave it out."""


_WAYS: Final[Mapping[type, Callable[[Any], str | None]]] = {
    type(None): _nothing,
    str: lambda text: _json_text(text) if text else None,
    bool: lambda truth: "true" if truth else "false",
    int: str,
    Decimal: lambda number: f'"{number!s}"',
    datetime: lambda at: f'"{to_text(at)}"',
}
"""How the values that come by the thousand are written."""
