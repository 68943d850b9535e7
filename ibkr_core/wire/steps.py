"""The steps of a compiled layout: positions in a message, plain fields, and runs of them.

A step reads its fields from a message into a mapping and writes them back. Most fields are plain, so a row of
them in one sub-message is fused into a `Run`, which handles them in one sweep.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Protocol

import attrs

from ibkr_core.errors import MalformedMessage
from ibkr_core.wire.message import FieldValue, Part
from ibkr_core.wire.scalars import CONNECTOR, Scalar

__all__ = [
    "ConstStep",
    "Place",
    "Reader",
    "Run",
    "Scope",
    "SlotStep",
    "Step",
    "Stretch",
    "Writer",
    "fuse_slots",
    "place",
]

Scope = dict[str, Any]


class Reader:
    """A position in the fields of one message."""

    __slots__ = ("kind", "position", "values")

    def __init__(self, kind: str, values: Sequence[bytes]) -> None:
        self.kind = kind
        self.values = values
        self.position = 0

    def take(self, name: str) -> bytes:
        """Give the next field.

        Raises:
            MalformedMessage: There is none.
        """
        position = self.position
        if position >= len(self.values):
            raise MalformedMessage(self.kind, "the message is too short", field=name, index=position)
        self.position = position + 1
        return self.values[position]

    def bad(self, name: str, reason: str) -> MalformedMessage:
        """Blame the field that was taken last."""
        return MalformedMessage(self.kind, reason, field=name, index=self.position - 1)

    def count(self, name: str, per_item: int) -> int:
        """Read a counter and check it against what is left.

        Raises:
            MalformedMessage: Not a count, or more than the message can hold.
        """
        raw = self.take(name)
        if not raw:
            return 0
        if not raw.isdigit() or len(raw) > 9:  # noqa: PLR2004 - nine digits are far beyond any frame
            raise self.bad(name, f"{raw[:40]!r} is not a count")
        number = int(raw)
        if number * per_item > len(self.values) - self.position:
            raise self.bad(name, f"counts {number} entries but the message ends before")
        return number


class Writer:
    """The fields of one message as they are put together."""

    __slots__ = ("kind", "values")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.values: list[str] = []

    def put(self, name: str, scalar: Scalar, value: object, unset: str) -> None:
        """Add one field.

        Raises:
            MalformedMessage: The value does not fit into the field.
        """
        if value is None:
            self.values.append(unset)
            return
        try:
            self.values.append(scalar.write(value))
        except (ValueError, TypeError) as error:
            raise self.bad(name, str(error)) from error

    def bad(self, name: str, reason: str) -> MalformedMessage:
        """Blame the field that is being written."""
        return MalformedMessage(self.kind, reason, field=name, index=len(self.values))


class Step(Protocol):
    """One resolved node."""

    def read(self, reader: Reader, scope: Scope) -> None:
        """Take fields from ``reader`` into ``scope``."""

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        """Put fields from ``scope`` to ``writer``."""


@attrs.frozen
class Place:
    """Where a value lives: the sub-messages on the way and its key."""

    parents: tuple[str, ...]
    key: str

    def set(self, scope: Scope, value: object) -> None:
        """Store a value, making the sub-messages on the way."""
        for parent in self.parents:
            scope = scope.setdefault(parent, {})
        scope[self.key] = value

    def get(self, scope: Mapping[str, Any]) -> FieldValue:
        """Give the value, or None."""
        for parent in self.parents:
            inner = scope.get(parent)
            if inner is None:
                return None
            scope = inner
        return scope.get(self.key)


def place(path: str) -> Place:
    """Give the place that a dotted path names."""
    *parents, key = path.split(".")
    return Place(tuple(parents), key)


@attrs.frozen
class SlotStep:
    """One plain field.

    Attributes:
        name: Its dotted path, for messages about faults.
        place: Where its value lives.
        scalar: How it is read and written.
        unset: What is written when it is unset.
    """

    name: str
    place: Place
    scalar: Scalar
    unset: str

    def read(self, reader: Reader, scope: Scope) -> None:
        """Take the field; an unset one leaves no trace."""
        raw = reader.take(self.name)
        try:
            value = self.scalar.read(raw)
        except ValueError as error:
            raise reader.bad(self.name, str(error)) from error
        if value is not None:
            self.place.set(scope, value)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        """Put the field."""
        writer.put(self.name, self.scalar, self.place.get(scope), self.unset)


@attrs.frozen
class ConstStep:
    """A field that carries nothing."""

    text: str

    def read(self, reader: Reader, scope: Scope) -> None:  # noqa: ARG002 - carries nothing
        """Skip the field."""
        reader.take("unused")

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:  # noqa: ARG002 - carries nothing
        """Put the text."""
        writer.values.append(self.text)


def _nothing(_: bytes) -> None:
    """Read a field that carries nothing."""


@attrs.frozen
class Run:
    """Plain fields of one sub-message in a row, handled in one sweep.

    When something is wrong, ``steps`` do the same field by field, and name the one at fault.

    Attributes:
        parents: The sub-messages on the way to the values.
        steps: The fields.
        readers: Key and reader of each field.
        writers: Key, writer and unset text of each field.
        unset: What is written when the sub-message is not there.
    """

    parents: tuple[str, ...]
    steps: tuple[SlotStep | ConstStep, ...]
    readers: tuple[tuple[str, Callable[[bytes], Any]], ...]
    writers: tuple[tuple[str, Callable[[Any], str], str], ...]
    unset: tuple[str, ...]

    def read(self, reader: Reader, scope: Scope) -> None:
        """Take the fields; unset ones leave no trace."""
        start = reader.position
        end = start + len(self.readers)
        if end <= len(reader.values):
            try:
                found = {
                    key: value
                    for raw, (key, read) in zip(reader.values[start:end], self.readers, strict=True)
                    if raw and (value := read(raw)) is not None
                }
            except ValueError:
                pass  # the steps below come to the same field, and say which it is
            else:
                reader.position = end
                if found:
                    for parent in self.parents:
                        scope = scope.setdefault(parent, {})
                    scope.update(found)
                return
        for step in self.steps:
            step.read(reader, scope)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        """Put the fields."""
        inner = scope
        for parent in self.parents:
            part = inner.get(parent)
            if part is None:
                writer.values += self.unset
                return
            inner = part
        get = inner.get
        try:
            writer.values += [
                unset if (value := get(key)) is None else write(value) for key, write, unset in self.writers
            ]
        except (ValueError, TypeError):
            for step in self.steps:
                step.write(writer, scope)


@attrs.frozen(eq=False)  # parts remember by identity what was made of them
class Stretch:
    """Steps in a row that look at one sub-message alone, so that the text of a `Part` is made once.

    Attributes:
        root: The sub-message.
        reads: The fields of it that they look at.
        steps: The steps.
    """

    root: str
    reads: frozenset[str]
    steps: tuple[Step, ...]

    def read(self, reader: Reader, scope: Scope) -> None:
        """Take the fields."""
        for step in self.steps:
            step.read(reader, scope)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        """Put the fields, as they were put before if the sub-message is a part that was."""
        part = scope.get(self.root)
        known: list[str] | None = part.made.get(self) if type(part) is Part else None
        if known is not None:
            writer.values += known
            return
        begin = len(writer.values)
        for step in self.steps:
            step.write(writer, scope)
        if type(part) is Part:
            part.made[self] = writer.values[begin:]


def fuse_slots(steps: Iterable[Step]) -> tuple[Step, ...]:
    """Put runs in the place of plain fields that follow each other in one sub-message."""
    fused: list[Step] = []
    for parents, group in groupby(steps, _parents_of):
        row = list(group)
        fused += row if parents is None else [_run(parents, row)]
    return tuple(fused)


def _parents_of(step: Step) -> tuple[str, ...] | None:
    """The sub-message of a step that can be part of a run; None for any other step."""
    if isinstance(step, ConstStep):
        return ()
    # A run takes an empty field for an unset one, which is true of every scalar but this one.
    if isinstance(step, SlotStep) and step.scalar is not CONNECTOR:
        return step.place.parents
    return None


def _run(parents: tuple[str, ...], row: Sequence[Step]) -> Run:
    steps = tuple(step for step in row if isinstance(step, (SlotStep, ConstStep)))
    readers: list[tuple[str, Callable[[bytes], Any]]] = []
    writers: list[tuple[str, Callable[[Any], str], str]] = []
    for step in steps:
        if isinstance(step, ConstStep):  # nothing has a field without a name, so the text is always written
            readers.append(("", _nothing))
            writers.append(("", str, step.text))
        else:
            readers.append((step.place.key, step.scalar.read))
            writers.append((step.place.key, step.scalar.write, step.unset))
    return Run(parents, steps, tuple(readers), tuple(writers), tuple(unset for _, _, unset in writers))
