"""The table language of the text protocol, and the plans that it compiles to.

A layout lists the fields of one message in wire order. The same table writes and reads. Each node has a
half-open range of server versions ``[since, until)``; `compile_layout` resolves versions, types and paths
once, and what remains is a plan: a tuple of steps that know nothing of versions.

Nodes
    `zero`, `blank`, `maxed`, `pymaxed`
        plain fields; the name tells what is written when a number is unset: ``0``, nothing, the sentinel
        as a gateway spells it, the sentinel as the official Python client spells it
    `fixed`
        plain fields for which the given text is written when unset
    `cast`
        plain fields with a text type of their own
    `escaped`
        text that is unicode-escaped from version 153 on
    `Const`
        a field that carries nothing (a version number, a field that died): written always, skipped on reading
    `When`
        nodes that are there only if an earlier field says so
    `Each`, `Values`, `Tags`
        a count, then groups of fields, single values, or tag/value pairs
    `Options`
        tag/value pairs packed into one field, ``tag=value;tag=value;``
    `Flag`
        1 and a sub-message, or 0
    `Mask`
        flags packed into one number
    `Switch`
        which nodes follow depends on a number read before
    `LegPrices`
        the prices of combo legs, a list of its own in text but a leg's field elsewhere
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from ibkr_core.wire.message import FieldValue
from ibkr_core.wire.scalars import BY_TYPE, ESCAPED, Scalar

__all__ = [
    "ANY_VERSION",
    "Const",
    "Each",
    "Flag",
    "Layout",
    "LegPrices",
    "Mask",
    "Node",
    "Options",
    "Slots",
    "Switch",
    "Tags",
    "Values",
    "When",
    "active",
    "blank",
    "cast",
    "escaped",
    "fixed",
    "look_up",
    "maxed",
    "present",
    "pymaxed",
    "zero",
]

ANY_VERSION = 1_000_000
"""An ``until`` that never comes."""

ENCODE_MSG_ASCII7 = 153
"""The version from which texts are unicode-escaped (wire facts 2)."""

Predicate = Callable[[Mapping[str, Any]], bool]


@attrs.frozen(kw_only=True)
class Node:
    """One entry of a layout.

    Attributes:
        since: First server version that has it.
        until: First server version that no longer has it.
    """

    since: int = 0
    until: int = ANY_VERSION


@attrs.frozen
class Slots(Node):
    """Plain fields in a row.

    Attributes:
        paths: Dotted names from the message (or list element) on.
        unset: What is written for an unset number: ``zero``, ``blank``, ``java``, ``python``, or the text
            itself after an ``=``.
        scalar: The text type, or None to take it from the schema.
    """

    paths: tuple[str, ...]
    unset: str
    scalar: Scalar | None = None


@attrs.frozen
class Const(Node):
    """A field that carries nothing; ``text`` is written, anything is skipped."""

    text: str


@attrs.frozen
class When(Node):
    """Nodes that exist only if ``condition`` holds for the fields before them.

    Attributes:
        condition: Looks at the whole message.
        nodes: The nodes.
        looks_at: Dotted names of all that ``condition`` looks at, separated by blanks, if that is known.
    """

    condition: Predicate
    nodes: tuple["Node", ...]
    looks_at: str = ""


@attrs.frozen
class Each(Node):
    """A count and that many groups of ``nodes``, whose paths are relative to the list's element."""

    path: str
    nodes: tuple["Node", ...]


@attrs.frozen
class Values(Node):
    """A count and that many single values."""

    path: str


@attrs.frozen
class Tags(Node):
    """A count and that many tag/value pairs."""

    path: str


@attrs.frozen
class Options(Node):
    """Tag/value pairs packed into one field.

    Attributes:
        path: The mapping.
        count: ``never``, or for options that end a message: ``may`` if some clients put a count in front,
            ``always`` if the official one does. Either way a count is skipped when it is there.
    """

    path: str
    count: str = "never"


@attrs.frozen
class Flag(Node):
    """1 and the sub-message at ``path``, or 0 if it is unset."""

    path: str
    nodes: tuple["Node", ...]


@attrs.frozen
class Mask(Node):
    """Flags packed into one number: ``bits`` maps each bit to a path."""

    bits: Mapping[int, str]


@attrs.frozen
class Switch(Node):
    """The nodes of the case that the number at ``path`` names; the number itself stands before them."""

    path: str
    cases: Mapping[int, tuple["Node", ...]]


@attrs.frozen
class LegPrices(Node):
    """A count and that many prices, which belong to the legs at ``path`` read before."""

    path: str
    field: str
    unset: str


@attrs.frozen
class Layout:
    """The text form of one message.

    Attributes:
        message: Name of the schema entry that gives names and types.
        nodes: The fields in wire order.
        parts: Sub-messages that a decoded message always has, be they empty: the protobuf form of the
            message is dropped by the official client without them (wire facts 8).
    """

    message: str
    nodes: tuple[Node, ...]
    parts: tuple[str, ...] = ()


def zero(names: str, *, since: int = 0, until: int = ANY_VERSION) -> Slots:
    """Fields whose unset numbers are written as 0."""
    return Slots(tuple(names.split()), "zero", since=since, until=until)


def blank(names: str, *, since: int = 0, until: int = ANY_VERSION) -> Slots:
    """Fields whose unset numbers are written as nothing."""
    return Slots(tuple(names.split()), "blank", since=since, until=until)


def maxed(names: str, *, since: int = 0, until: int = ANY_VERSION) -> Slots:
    """Fields whose unset numbers are written as the sentinel, spelled as a gateway does."""
    return Slots(tuple(names.split()), "java", since=since, until=until)


def pymaxed(names: str, *, since: int = 0, until: int = ANY_VERSION) -> Slots:
    """Fields whose unset numbers are written as the sentinel, spelled as the official Python client does."""
    return Slots(tuple(names.split()), "python", since=since, until=until)


def fixed(text: str, names: str, *, since: int = 0, until: int = ANY_VERSION) -> Slots:
    """Fields for which ``text`` is written when unset."""
    return Slots(tuple(names.split()), f"={text}", since=since, until=until)


def cast(
    scalar: Scalar, names: str, *, unset: str = "zero", since: int = 0, until: int = ANY_VERSION
) -> Slots:
    """Fields whose text type differs from the protobuf one."""
    return Slots(tuple(names.split()), unset, scalar, since=since, until=until)


def escaped(names: str, *, since: int = 0, until: int = ANY_VERSION) -> tuple[Slots, ...]:
    """Texts that are unicode-escaped from version 153 on and plain before."""
    paths = tuple(names.split())
    return (
        Slots(paths, "blank", BY_TYPE["str"], since=since, until=min(until, ENCODE_MSG_ASCII7)),
        Slots(paths, "blank", ESCAPED, since=max(since, ENCODE_MSG_ASCII7), until=until),
    )


def present(path: str) -> Predicate:
    """A condition: the text at ``path`` is set."""
    return lambda scope: bool(look_up(scope, path))


def look_up(scope: Mapping[str, Any], path: str) -> FieldValue:
    """Give the value at a dotted path, or None."""
    value: FieldValue = scope
    for name in path.split("."):
        if not isinstance(value, (dict, Mapping)):  # dict first: asking an abstract class is slow
            return None
        value = value.get(name)
    return value


def active(nodes: Sequence[Node], version: int) -> tuple[Node, ...]:
    """Give the nodes that a server version has."""
    return tuple(node for node in nodes if node.since <= version < node.until)
