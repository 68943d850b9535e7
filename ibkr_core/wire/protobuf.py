"""Mappings to generated protobuf messages and back.

The generated classes come from the installed official client and are imported on first use: the oldest client
that we run with has none, and its versions need none. Works on descriptors, so it knows no message in
particular.
"""

import importlib
import math
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from ibkr_core.errors import MalformedMessage, WireError
from ibkr_core.wire.message import FieldValue, Part
from ibkr_core.wire.scalars import (
    UNSET_DOUBLE,
    UNSET_INT,
    UNSET_LONG,
    decimal_text,
    parse_decimal,
    to_bool,
    to_float,
    to_int,
    to_text,
)
from ibkr_core.wire.schema import MESSAGES, FieldType, fields_of

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = ["ProtobufUnavailable", "decode_protobuf", "encode_protobuf", "is_available", "message_class"]

_LABEL_REPEATED = 3  # as descriptor.proto numbers it


class _Proto(Protocol):
    """What we use of a generated message."""

    @property
    def DESCRIPTOR(self) -> "Descriptor": ...  # noqa: N802 - protobuf's name

    def ListFields(self) -> "list[tuple[FieldDescriptor, Any]]":  # noqa: N802 - protobuf's name
        """Give the fields that are set."""

    def ParseFromString(self, data: bytes) -> int:  # noqa: N802 - protobuf's name
        """Read serialized bytes."""

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Write serialized bytes."""


class ProtobufUnavailable(WireError):
    """The installed ibapi lacks the generated class of a message, so its protobuf form cannot be used.

    Attributes:
        message: Name of the protobuf message.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(
            f"the installed ibapi has no protobuf message {message}; use an ibapi of 10.46 or later, "
            "or a server version below the one where this message became protobuf"
        )


@attrs.frozen
class _Field:
    """One field of a generated message: how its value is converted, and what shape it has.

    ``native`` is the type whose values the generated class takes and checks as they are.
    """

    name: str
    load: Callable[[Any], Any]
    store: Callable[[Any], Any]
    native: type
    message: str
    repeated: bool
    is_map: bool
    is_plain: bool


def is_available() -> bool:
    """Tell whether the installed ibapi has generated protobuf messages."""
    try:
        message_class("OrderStatus")
    except ProtobufUnavailable:
        return False
    return True


def decode_protobuf(kind: str, message: str, payload: bytes, parts: tuple[str, ...]) -> dict[str, Any]:
    """Read a serialized message.

    Args:
        kind: For messages about faults.
        message: Name of the protobuf message.
        payload: The serialized bytes.
        parts: Sub-messages that the result always has, be they empty.

    Raises:
        MalformedMessage: Not that message, or a value that no field of it can have.
        ProtobufUnavailable: The installed ibapi does not have the message.
    """
    proto = message_class(message)()
    try:
        proto.ParseFromString(payload)
    except Exception as error:  # DecodeError of whichever protobuf runtime is installed
        raise MalformedMessage(kind, f"not a {message}: {error}") from error
    fields: dict[str, Any] = {part: {} for part in parts}
    fields.update(_load(kind, message, proto, keep=frozenset(parts)))
    return fields


def encode_protobuf(kind: str, message: str, fields: Mapping[str, Any], parts: tuple[str, ...]) -> bytes:
    """Serialize a mapping.

    Args:
        kind: For messages about faults.
        message: Name of the protobuf message.
        fields: The values. Names that the installed ibapi does not know, or that only text has, are left out.
        parts: Sub-messages that are sent even when empty.

    Raises:
        MalformedMessage: A value does not fit into its field.
        ProtobufUnavailable: The installed ibapi does not have the message.
    """
    proto = message_class(message)()
    for part in parts:
        getattr(proto, part).SetInParent()
    _store(kind, message, proto, fields)
    return proto.SerializeToString()


def _load(kind: str, message: str, proto: _Proto, keep: frozenset[str]) -> dict[str, Any]:
    table = _fields(message)
    result: dict[str, Any] = {}
    for descriptor, raw in proto.ListFields():
        field = table[descriptor.number]
        try:
            value = _load_value(kind, field, raw)
        except ValueError as error:
            raise MalformedMessage(kind, str(error), field=f"{message}.{field.name}") from error
        if value is None or (value == {} and field.name not in keep):
            continue
        result[field.name] = value
    return result


def _load_value(kind: str, field: _Field, raw: FieldValue) -> FieldValue:
    if field.is_plain:
        return field.load(raw)
    if field.is_map:
        return dict(raw)
    if field.message:
        if field.repeated:
            return [_load(kind, field.message, item, frozenset()) for item in raw]
        return _load(kind, field.message, raw, frozenset())
    return list(raw)


def _store(kind: str, message: str, proto: _Proto, fields: Mapping[str, Any]) -> None:
    table = _fields_by_name(message)
    for name, value in fields.items():
        field = table.get(name)
        if field is None:
            _refuse_unknown(kind, message, name)
            continue
        if value is None:
            continue
        try:
            if type(value) is field.native and value == value:  # noqa: PLR0124 - all but NaN
                setattr(proto, name, value)
            else:
                _store_value(kind, field, proto, value)
        except (ValueError, TypeError, OverflowError) as error:
            raise MalformedMessage(kind, str(error), field=f"{message}.{name}") from error


def _refuse_unknown(kind: str, message: str, name: str) -> None:
    """Raise for a field that the message does not have; one of text alone or a newer ibapi is left out."""
    if message not in MESSAGES or name not in fields_of(message):
        raise MalformedMessage(kind, f"{message} has no such field", field=name)


def _store_value(kind: str, field: _Field, proto: _Proto, value: FieldValue) -> None:
    if field.repeated and not field.is_map and not isinstance(value, (list, tuple)):
        raise TypeError("must be a list")
    if (field.is_map or (field.message and not field.repeated)) and not isinstance(value, (dict, Mapping)):
        raise TypeError("must be a mapping")
    if field.is_map:
        target = getattr(proto, field.name)
        for tag, text in value.items():
            target[to_text(tag)] = to_text(text)
    elif field.message and field.repeated:
        for item in value:
            if not isinstance(item, (dict, Mapping)):
                raise TypeError("must be a mapping")
            _store(kind, field.message, getattr(proto, field.name).add(), item)
    elif field.message:
        inner = getattr(proto, field.name)
        inner.SetInParent()
        if type(value) is Part:
            inner.MergeFromString(_serialized(kind, field.message, value))
        else:
            _store(kind, field.message, inner, value)
    elif field.repeated:
        getattr(proto, field.name).extend(field.store(item) for item in value)
    else:
        setattr(proto, field.name, field.store(value))


def _serialized(kind: str, message: str, part: Part) -> bytes:
    made: bytes | None = part.made.get(message)
    if made is None:
        proto = message_class(message)()
        _store(kind, message, proto, part)
        made = part.made[message] = proto.SerializeToString()
    return made


def _load_int(value: int) -> int | None:
    return None if value == UNSET_INT else value


def _load_long(value: int) -> int | None:
    return None if value == UNSET_LONG else value


def _load_float(value: float) -> float | None:
    if math.isnan(value):
        raise ValueError("NaN is not a price")
    return None if value == UNSET_DOUBLE else value


def _load_text(value: str) -> str | None:
    return value or None


def _load_decimal(value: str) -> Decimal | None:
    return parse_decimal(value) if value else None


class _Nothing:
    """No value has this type."""


_CONVERTERS: Mapping[str, tuple[Callable[[Any], Any], Callable[[Any], Any], type]] = {
    "int": (_load_int, to_int, int),
    "long": (_load_long, to_int, int),
    "float": (_load_float, to_float, float),
    "bool": (bool, to_bool, bool),
    "str": (_load_text, to_text, str),
    "dec": (_load_decimal, decimal_text, _Nothing),
}


@cache
def message_class(message: str) -> Callable[[], _Proto]:
    """Give the installed client's generated class of a message.

    Raises:
        ProtobufUnavailable: It has none.
    """
    try:
        module = importlib.import_module(f"ibapi.protobuf.{message}_pb2")
    except ImportError as error:
        raise ProtobufUnavailable(message) from error
    found: Callable[[], _Proto] = getattr(module, message)
    return found


@cache
def _fields_by_name(message: str) -> Mapping[str, _Field]:
    return {field.name: field for field in _fields(message).values()}


@cache
def _fields(message: str) -> Mapping[int, _Field]:
    known = fields_of(message) if message in MESSAGES else {}
    descriptor = message_class(message)().DESCRIPTOR
    return {field.number: _describe(field, known) for field in descriptor.fields}


def _describe(field: "FieldDescriptor", known: Mapping[str, FieldType]) -> _Field:
    inner = field.message_type
    if inner is not None and inner.GetOptions().map_entry:
        return _Field(field.name, dict, dict, _Nothing, "", repeated=True, is_map=True, is_plain=False)
    repeated = _is_repeated(field)
    if inner is not None:
        return _Field(
            field.name, dict, dict, _Nothing, inner.name, repeated=repeated, is_map=False, is_plain=False
        )
    entry = known.get(field.name)
    load, store, native = _CONVERTERS[entry.name if entry is not None else _generic_type(field)]
    if repeated:
        native = _Nothing
    return _Field(field.name, load, store, native, "", repeated=repeated, is_map=False, is_plain=not repeated)


def _is_repeated(field: "FieldDescriptor") -> bool:
    # `label` left the newest protobuf runtimes; `is_repeated` is missing in older ones.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(getattr(field, "label", 0) == _LABEL_REPEATED)


def _generic_type(field: "FieldDescriptor") -> str:
    """The type of a field that a newer ibapi has and our schema does not."""
    names = {
        field.CPPTYPE_INT32: "int",
        field.CPPTYPE_INT64: "long",
        field.CPPTYPE_UINT32: "int",
        field.CPPTYPE_UINT64: "long",
        field.CPPTYPE_DOUBLE: "float",
        field.CPPTYPE_FLOAT: "float",
        field.CPPTYPE_BOOL: "bool",
        field.CPPTYPE_ENUM: "int",
    }
    return names.get(field.cpp_type, "str")
