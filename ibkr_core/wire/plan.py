"""Layouts resolved for one server version, ready to read and write text bodies.

`compile_layout` is a pure function of its arguments, so its callers cache it. The result holds steps only; a
step knows where its value lives and how to convert it.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import groupby
from typing import Any

import attrs

from ibkr_core.errors import MalformedMessage
from ibkr_core.wire.layout import (
    Const,
    Each,
    Flag,
    Layout,
    LegPrices,
    Mask,
    Node,
    Options,
    Predicate,
    Slots,
    Switch,
    Tags,
    Values,
    When,
    active,
)
from ibkr_core.wire.scalars import BY_TYPE, Scalar
from ibkr_core.wire.schema import FieldType, fields_of
from ibkr_core.wire.steps import (
    ConstStep,
    Place,
    Reader,
    Scope,
    SlotStep,
    Step,
    Stretch,
    Writer,
    fuse_slots,
    place,
)

__all__ = ["Plan", "compile_layout"]

_TEXT = BY_TYPE["str"]


@attrs.frozen
class Plan:
    """The text form of one message at one server version.

    Attributes:
        message: Name of the schema entry.
        parts: Sub-messages that are always there after reading.
        steps: The fields in wire order, one by one.
        sweeps: The same, with plain fields in a row fused into one step: what is used.
    """

    message: str
    parts: tuple[str, ...]
    steps: tuple[Step, ...]
    sweeps: tuple[Step, ...]

    def read(self, kind: str, values: Sequence[bytes]) -> Scope:
        """Read all fields of a message.

        Args:
            kind: For messages about faults.
            values: The fields after the message id, without their NULs.

        Raises:
            MalformedMessage: A field cannot be read, is missing, or is one too many.
        """
        reader = Reader(kind, values)
        scope: Scope = {part: {} for part in self.parts}
        for step in self.sweeps:
            step.read(reader, scope)
        if reader.position != len(values):
            surplus = len(values) - reader.position
            raise MalformedMessage(kind, f"{surplus} fields too many", index=reader.position)
        return scope

    def write(self, kind: str, fields: Mapping[str, Any]) -> list[str]:
        """Write all fields of a message, the id excepted.

        Raises:
            MalformedMessage: A value does not fit into its field.
        """
        writer = Writer(kind)
        for step in self.sweeps:
            step.write(writer, fields)
        return writer.values


def compile_layout(layout: Layout, version: int) -> Plan:
    """Resolve a layout for a server version."""
    steps = _steps(layout.nodes, version, layout.message)
    return Plan(layout.message, layout.parts, steps, _stretches(steps))


def _stretches(steps: Sequence[Step]) -> tuple[Step, ...]:
    sweeps: list[Step] = []
    for root, group in groupby(steps, _root_of):
        row = tuple(group)
        fused = _fuse(row)
        if root:
            reads = frozenset(path.split(".")[1] for step in row for path in _paths_of(step))
            sweeps.append(Stretch(root, reads, fused))
        else:
            sweeps += fused
    return tuple(sweeps)


def _root_of(step: Step) -> str:
    """The one sub-message that a step of a whole message looks at; empty when it is none, or several."""
    roots = {path.rpartition(".")[0].partition(".")[0] for path in _paths_of(step)}
    return roots.pop() if len(roots) == 1 else ""


def _paths_of(step: Step) -> frozenset[str]:
    """The dotted names of all that a step of a whole message looks at; an empty one for what is not known."""
    if isinstance(step, _WhenStep):
        inner = (path for child in step.steps for path in _paths_of(child))
        return frozenset(step.looks_at.split() or [""]).union(inner)
    where = getattr(step, "place", None)
    return frozenset([".".join([*where.parents, where.key]) if isinstance(where, Place) else ""])


def _fuse(steps: Sequence[Step]) -> tuple[Step, ...]:
    return fuse_slots(_fuse_inside(step) for step in steps)


def _fuse_inside(step: Step) -> Step:
    if isinstance(step, (_WhenStep, _EachStep, _FlagStep)):
        return attrs.evolve(step, steps=_fuse(step.steps))
    if isinstance(step, _SwitchStep):
        return attrs.evolve(step, cases={case: _fuse(steps) for case, steps in step.cases.items()})
    return step


def _steps(nodes: Sequence[Node], version: int, message: str) -> tuple[Step, ...]:
    steps: list[Step] = []
    for node in active(nodes, version):
        if isinstance(node, Slots):
            steps += [_slot(path, node, message) for path in node.paths]
        else:
            steps.append(_COMPILERS[type(node)](node, version, message))
    return tuple(steps)


def field_type(message: str, path: str) -> FieldType:
    """Look up the type at a dotted path.

    Raises:
        KeyError: The schema has no such field: the layout is wrong.
    """
    *parents, last = path.split(".")
    for parent in parents:
        message = fields_of(message)[parent].name
    return fields_of(message)[last]


def _slot(path: str, node: Slots, message: str) -> SlotStep:
    kind = field_type(message, path).name
    scalar = node.scalar or BY_TYPE[kind]
    return SlotStep(path, place(path), scalar, _unset_text(scalar, kind, node.unset))


def _unset_text(scalar: Scalar, kind: str, unset: str) -> str:
    if unset.startswith("="):
        return unset[1:]
    if kind == "str" or unset == "blank":
        return ""
    if unset == "zero" or kind == "bool":
        return scalar.zero
    return scalar.unset_python if unset == "python" else scalar.unset_java


@attrs.frozen
class _WhenStep:
    condition: Predicate
    looks_at: str
    steps: tuple[Step, ...]

    def read(self, reader: Reader, scope: Scope) -> None:
        if self.condition(scope):
            for step in self.steps:
                step.read(reader, scope)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        if self.condition(scope):
            for step in self.steps:
                step.write(writer, scope)


@attrs.frozen
class _EachStep:
    name: str
    place: Place
    steps: tuple[Step, ...]

    def read(self, reader: Reader, scope: Scope) -> None:
        items = []
        for _ in range(reader.count(self.name, 1)):
            item: Scope = {}
            for step in self.steps:
                step.read(reader, item)
            items.append(item)
        if items:
            self.place.set(scope, items)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        items = self.place.get(scope) or ()
        writer.values.append(str(len(items)))
        for item in items:
            for step in self.steps:
                step.write(writer, item)


@attrs.frozen
class _ValuesStep:
    name: str
    place: Place
    scalar: Scalar

    def read(self, reader: Reader, scope: Scope) -> None:
        items = []
        for _ in range(reader.count(self.name, 1)):
            raw = reader.take(self.name)
            try:
                items.append(self.scalar.read(raw))
            except ValueError as error:
                raise reader.bad(self.name, str(error)) from error
            if items[-1] is None and self.scalar is _TEXT:
                items[-1] = ""
            elif items[-1] is None:
                raise reader.bad(self.name, "a list has no unset numbers")
        if items:
            self.place.set(scope, items)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        items = self.place.get(scope) or ()
        writer.values.append(str(len(items)))
        for item in items:
            writer.put(self.name, self.scalar, item, "")


@attrs.frozen
class _TagsStep:
    name: str
    place: Place

    def read(self, reader: Reader, scope: Scope) -> None:
        tags: dict[str, str] = {}
        for _ in range(reader.count(self.name, 2)):
            tag = _TEXT.read(reader.take(self.name)) or ""
            if tag in tags:
                raise reader.bad(self.name, f"tag {tag!r} occurs twice")
            tags[tag] = _TEXT.read(reader.take(self.name)) or ""
        if tags:
            self.place.set(scope, tags)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        tags = self.place.get(scope) or {}
        writer.values.append(str(len(tags)))
        for tag, value in tags.items():
            writer.put(self.name, _TEXT, tag, "")
            writer.put(self.name, _TEXT, value, "")


@attrs.frozen
class _OptionsStep:
    name: str
    place: Place
    count: str

    def read(self, reader: Reader, scope: Scope) -> None:
        if self.count != "never" and reader.position + 2 == len(reader.values):
            reader.count(self.name, 0)
        text = _TEXT.read(reader.take(self.name))
        if text is None:
            return
        options: dict[str, str] = {}
        for part in text.removesuffix(";").split(";"):
            tag, equals, value = part.partition("=")
            if not equals or tag in options:
                raise reader.bad(self.name, f"{text[:80]!r} is not a list of tag=value; pairs")
            options[tag] = value
        self.place.set(scope, options)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        options = self.place.get(scope) or {}
        if self.count == "always":
            writer.values.append(str(len(options)))
        for tag, value in options.items():
            if ";" in tag or "=" in tag or ";" in value:
                raise writer.bad(self.name, f"{tag!r}={value!r} cannot be packed")
        writer.put(self.name, _TEXT, "".join(f"{tag}={value};" for tag, value in options.items()), "")


@attrs.frozen
class _FlagStep:
    name: str
    place: Place
    steps: tuple[Step, ...]

    def read(self, reader: Reader, scope: Scope) -> None:
        if reader.count(self.name, 1):
            inner: Scope = {}
            for step in self.steps:
                step.read(reader, inner)
            self.place.set(scope, inner)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        inner = self.place.get(scope)
        writer.values.append("0" if inner is None else "1")
        if inner is not None:
            for step in self.steps:
                step.write(writer, inner)


@attrs.frozen
class _MaskStep:
    name: str
    bits: tuple[tuple[int, Place], ...]

    def read(self, reader: Reader, scope: Scope) -> None:
        try:
            mask = BY_TYPE["int"].read(reader.take(self.name))
        except ValueError as error:
            raise reader.bad(self.name, str(error)) from error
        if mask is not None:
            for bit, place in self.bits:
                place.set(scope, bool(mask & bit))

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        writer.values.append(str(sum(bit for bit, place in self.bits if place.get(scope))))


@attrs.frozen
class _SwitchStep:
    name: str
    place: Place
    cases: Mapping[int, tuple[Step, ...]]

    def read(self, reader: Reader, scope: Scope) -> None:
        case = self.place.get(scope)
        if case not in self.cases:
            raise reader.bad(self.name, f"{case!r} is not known")
        for step in self.cases[case]:
            step.read(reader, scope)

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        case = self.place.get(scope)
        if case not in self.cases:
            raise writer.bad(self.name, f"{case!r} is not known")
        for step in self.cases[case]:
            step.write(writer, scope)


@attrs.frozen
class _LegPricesStep:
    name: str
    place: Place
    key: str
    unset: str

    def read(self, reader: Reader, scope: Scope) -> None:
        legs = self.place.get(scope) or []
        count = reader.count(self.name, 1)
        if count > len(legs):
            raise reader.bad(self.name, f"{count} leg prices for {len(legs)} legs")
        for leg in legs[:count]:
            raw = reader.take(self.name)
            try:
                price = BY_TYPE["float"].read(raw)
            except ValueError as error:
                raise reader.bad(self.name, str(error)) from error
            if price is not None:
                leg[self.key] = price

    def write(self, writer: Writer, scope: Mapping[str, Any]) -> None:
        legs = self.place.get(scope) or ()
        count = max((index for index, leg in enumerate(legs, 1) if leg.get(self.key) is not None), default=0)
        writer.values.append(str(count))
        for leg in legs[:count]:
            writer.put(self.name, BY_TYPE["float"], leg.get(self.key), self.unset)


def _compile_when(node: When, version: int, message: str) -> Step:
    return _WhenStep(node.condition, node.looks_at, _steps(node.nodes, version, message))


def _compile_each(node: Each, version: int, message: str) -> Step:
    inner = field_type(message, node.path).name
    return _EachStep(node.path, place(node.path), _steps(node.nodes, version, inner))


def _compile_flag(node: Flag, version: int, message: str) -> Step:
    inner = field_type(message, node.path).name
    return _FlagStep(node.path, place(node.path), _steps(node.nodes, version, inner))


def _compile_values(node: Values, version: int, message: str) -> Step:  # noqa: ARG001 - one signature for all
    return _ValuesStep(node.path, place(node.path), BY_TYPE[field_type(message, node.path).name])


def _compile_switch(node: Switch, version: int, message: str) -> Step:
    cases = {case: _steps(nodes, version, message) for case, nodes in node.cases.items()}
    return _SwitchStep(node.path, place(node.path), cases)


def _compile_mask(node: Mask, version: int, message: str) -> Step:  # noqa: ARG001 - one signature for all
    return _MaskStep("mask", tuple((bit, place(path)) for bit, path in node.bits.items()))


_COMPILERS: Mapping[type[Node], Callable[[Any, int, str], Step]] = {
    Const: lambda node, _version, _message: ConstStep(node.text),
    When: _compile_when,
    Each: _compile_each,
    Values: _compile_values,
    Tags: lambda node, _version, _message: _TagsStep(node.path, place(node.path)),
    Options: lambda node, _version, _message: _OptionsStep(node.path, place(node.path), node.count),
    Flag: _compile_flag,
    Mask: _compile_mask,
    Switch: _compile_switch,
    LegPrices: lambda node, _version, _message: _LegPricesStep(
        node.path, place(node.path), node.field, node.unset
    ),
}
