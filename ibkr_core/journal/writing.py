"""The first stage: what was recorded becomes segments, made once and kept until the file has them."""

from __future__ import annotations

import sqlite3
from collections import deque
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from itertools import repeat, starmap
from typing import Any, Final, cast

from ibkr_core.journal import rows
from ibkr_core.journal.entries import Frame
from ibkr_core.journal.intentlog import record_of
from ibkr_core.journal.intents import Intents
from ibkr_core.journal.tail import (
    FLAT,
    HOT,
    INSERT_SEGMENT,
    SEGMENT_INPUTS,
    Recorded,
    Segment,
    flattened,
    pack,
)
from ibkr_core.lifecycle import inputs
from ibkr_core.model import facts
from ibkr_core.model.facts import CommissionFact, ExecutionFact, HotValues, StatusFact
from ibkr_core.model.shapes import Shapes

__all__ = ["Forget", "FreshKeys", "Intake"]

Forget = Callable[[], None]
"""Drops what was written; called when the transaction is durable."""
_STATUS: Final = StatusFact
_EXECUTION: Final = ExecutionFact
_SET_STATE: Final = "INSERT OR REPLACE INTO state VALUES (?, ?, ?)"


class FreshKeys:
    """Client order keys that are committed, and have no row of their own yet."""

    def __init__(self) -> None:
        self._ids: dict[str, int] = {}
        self._moved: dict[int, int] = {}
        self._by_number: deque[tuple[int, str | None, int]] = deque()

    def learn(self, number: int, payload: object) -> None:
        """Note what a committed input says of keys."""
        match payload:
            case inputs.Submit(orders=orders):
                for new in orders:
                    if new.key:
                        key = rows.clean_text(new.key)
                        self._ids.setdefault(key, new.order_id)
                        self._by_number.append((number, key, new.order_id))
            case inputs.Resend(order_id=old, new_order_id=new_id):
                self._moved[old] = new_id
                self._by_number.append((number, None, old))

    def settled(self, through: int) -> None:
        """Drop what has a row now: that of all inputs up to a number."""
        waiting = self._by_number
        while waiting and waiting[0][0] <= through:
            _, key, order_id = waiting.popleft()
            if key is None:
                self._moved.pop(order_id, None)
            else:
                self._ids.pop(key, None)

    def find(self, key: str) -> int | None:
        """Return the order id of a key that has no row yet."""
        return self._ids.get(key)

    def newest(self, order_id: int) -> int:
        """Return the id that an order was sent again under since its key's row was written."""
        moved = self._moved
        for _ in range(len(moved)):
            if order_id not in moved:
                break
            order_id = moved[order_id]
        return order_id


class Intake:
    """Inputs and states on their way into the file. Its owner holds the write lock, but for the queue.

    Args:
        client_id: Our API client id.
        epoch: The run.
        high_water: The highest order id so far.
        shapes: The shapes of orders.
    """

    def __init__(self, client_id: int, epoch: int, high_water: int, shapes: Shapes | None = None) -> None:
        self.queue: deque[Recorded] = deque()
        """What was recorded. One thread appends, at any time."""
        self.high_water = high_water
        self.keys = FreshKeys()
        self._intents = Intents(shapes if shapes is not None else Shapes())
        self._client_id = client_id
        self._epoch = epoch
        self._taken: list[Recorded] = []
        self._segments: list[Segment] = []
        self._commands: list[tuple[int, object]] = []
        self._states: dict[str, rows.Row] = {}

    @property
    def waits(self) -> bool:
        """Whether anything that was packed, or a state, waits."""
        return bool(self._segments or self._states)

    @property
    def is_empty(self) -> bool:
        """Whether nothing at all waits."""
        return not (self.queue or self._taken or self._segments or self._states)

    @property
    def has_keys(self) -> bool:
        """Whether any input that waits tells of keys."""
        return bool(self._commands)

    @property
    def through(self) -> int | None:
        """Number of the newest packed input."""
        return self._segments[-1].last if self._segments else None

    @property
    def count(self) -> int:
        """How many packed inputs wait."""
        return sum(segment.count for segment in self._segments)

    @property
    def size(self) -> int:
        """How many bytes they have, roughly."""
        return sum(segment.size for segment in self._segments)

    @property
    def single(self) -> Segment | None:
        """The segment, where one is all that waits: one statement writes it."""
        return self._segments[0] if len(self._segments) == 1 and not self._states else None

    def add_state(self, name: str, text: str, at: str) -> None:
        """Take in a small durable fact."""
        self._states[name] = (name, text, at)

    def records(self, after: int) -> tuple[bytes, int] | None:
        """Return what the log of intents lacks of all that is in the queue, and the newest input's number.

        It stays here until it was packed and written. None where something was packed, or a state waits: that
        can only be written into the file itself.

        Args:
            after: The newest input that the log has.

        Raises:
            Exception: A fault of ours. Nothing was changed then; :meth:`pack` tells it.
        """
        if self._segments or self._states:
            return None
        taken, queue = self._taken, self.queue
        taken.extend(starmap(queue.popleft, repeat((), len(queue))))  # at once: an interrupt loses none
        if not taken:
            return b"", after
        start = max(after + 1 - taken[0][0], 0)
        flat, commands, mark = self._flat(taken[start:], is_whole=True)
        data = b"".join([record_of(one, mark) for one in flat])
        self.high_water = mark
        self._commands += commands
        taken[start:] = flat  # last: what an interrupt leaves undone is done again
        return data, taken[-1][0]

    def pack(self) -> None:
        """Make segments of all that is in the queue.

        Raises:
            Exception: A fault of ours. What came before the input at fault is packed; it and what is
                behind it stay where they are.
        """
        taken, queue, through = self._taken, self.queue, self.through
        while through is not None and taken and taken[0][0] <= through:
            del taken[0]  # an interrupt came before it was dropped
        while taken or queue:
            room = min(SEGMENT_INPUTS - len(taken), len(queue))
            if room > 0:
                taken.extend(starmap(queue.popleft, repeat((), room)))  # at once: an interrupt loses none
            some = taken[:SEGMENT_INPUTS]
            try:
                self._add(some)
            except Exception:
                while taken:
                    self._add(taken[:1])  # raises at the one that is at fault
                    del taken[0]
                raise  # together they fail, and each alone does not
            del taken[: len(some)]

    def _add(self, some: list[Recorded]) -> None:
        flat, commands, highest = self._flat(some)
        segment = pack(self._epoch, flat, highest)
        self.high_water = highest
        self._commands += commands
        self._segments.append(segment)  # last: what an interrupt leaves undone is done again

    def _flat(
        self, some: list[Recorded], *, is_whole: bool = False
    ) -> tuple[list[Recorded], list[tuple[int, object]], int]:
        """Make inputs flat, where that is not left to their segment.

        Args:
            some: The inputs.
            is_whole: Whether all of them are to be flat.

        Returns:
            The inputs; those that tell of keys, with their numbers; the highest order id as of the last one.
        """
        commands: list[tuple[int, object]] = []
        flat = some.copy()
        highest = self.high_water
        for place, recorded in enumerate(some):
            one = recorded
            if len(one) == HOT:
                one = flat[place] = self._flat_hot(*one)
            if len(one) == FLAT:
                highest = max(highest, one[-1])
                continue
            number, payload, _, _, fact = one
            made = self._intents.flattened(one)
            if len(made) == FLAT:
                flat[place] = made
                highest = max(highest, made[-1])
                if type(payload) is inputs.Submit:
                    commands.append((number, payload))
                continue
            if is_whole:
                flat[place] = flattened(*one)
            told = fact if type(payload) is Frame else payload
            if type(told) is tuple:  # of the hot ones, executions tell of ids
                if told[0] is not facts.ExecutionFact:
                    continue
                told = facts.fact_of(told)
            kind = type(told)
            if kind in _OF_KEYS:
                commands.append((number, told))
            if kind in _IDS_OF_OURS:
                order_id = _IDS_OF_OURS[kind](told, self._client_id)
                if order_id is not None and order_id > highest:
                    highest = order_id
        return flat, commands, highest

    def _flat_hot(
        self, number: int, frame: bytes, at: datetime, seq: int, values: HotValues, version: int
    ) -> Recorded:
        """Make a frame of the express lane flat, where its values say what a segment needs of its order."""
        kind = values[0]
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        if len(values) < _WIDTHS[kind]:
            return (number, Frame(version, frame), at, seq, values)
        if kind is _STATUS:
            return (number, frame, at, seq, "StatusFact", version, values[1], values[6], None, None, 0)
        if kind is not _EXECUTION:
            return (number, frame, at, seq, "CommissionFact", version, None, None, None, values[1], 0)
        order_id = values[6]
        used = order_id if order_id is not None and values[7] == self._client_id else 0
        perm_id, key, exec_id = values[8], values[15] or None, values[1]
        return (number, frame, at, seq, "ExecutionFact", version, order_id, perm_id, key, exec_id, used)

    def write(self, connection: sqlite3.Connection) -> Forget:
        """Write all that waits, in the caller's transaction."""
        rows.insert_all(connection, INSERT_SEGMENT, [segment.row for segment in self._segments])
        rows.insert_all(connection, _SET_STATE, [*self._states.values()])
        return self.written

    def written(self) -> None:
        """Forget what waited: the file has it."""
        if self._segments:
            self.learn_keys(self._segments[-1].last)
        self._segments.clear()
        self._states.clear()

    def learn_keys(self, through: int) -> None:
        """Know the keys that inputs up to a number tell of: they are durable."""
        for number, told in self._commands:
            if number <= through:
                self.keys.learn(number, told)
        self._commands = [one for one in self._commands if one[0] > through]

    def found_written(self, through: int) -> None:
        """Forget inputs up to a number: the file has them, and an interrupt kept that from being told."""
        self.learn_keys(through)
        self._segments = [one for one in self._segments if one.last > through]


def _id_by_client(fact: Any, client_id: int) -> int | None:  # noqa: ANN401 - any of three facts
    """Return the id of an order of ours that the broker shows: it counts those too (TWS facts 4)."""
    return cast("int | None", fact.order_id) if fact.client_id == client_id else None


_WIDTHS: Final[Mapping[type, int]] = {StatusFact: 7, ExecutionFact: 16, CommissionFact: 2}
"""Values that it takes to find there what a frame says of its order; fields left out are as by default."""
_OF_KEYS: Final = frozenset({inputs.Submit, inputs.Resend})
_IDS_OF_OURS: Final[Mapping[type, Callable[[Any, int], int | None]]] = {
    inputs.Submit: lambda command, _: max((new.order_id for new in command.orders), default=None),
    inputs.Resend: lambda command, _: cast("int", command.new_order_id),
    inputs.Track: lambda command, _: cast("int", command.order_id),
    facts.ExecutionFact: _id_by_client,
    facts.OrderBoundFact: _id_by_client,
    facts.OpenOrderFact: lambda fact, client_id: _id_by_client(fact.order, client_id),
}
"""Every input that says that an order id was used by this client, and the highest that it tells of."""
