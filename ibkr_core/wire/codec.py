"""Bodies of frames to messages and back, for every server version from 142 to 226.

All four functions are pure. A body is what stands in a frame after its length. Whatever the bytes, they raise
nothing but `WireError` and its children; an unknown or damaged message is never read as something else.
"""

from collections.abc import Mapping
from functools import cache
from typing import Any

import attrs

from ibkr_core.errors import MalformedMessage, UnknownMessage
from ibkr_core.wire.ids import PROTOBUF_OFFSET, RAW_ID_SINCE
from ibkr_core.wire.message import Message, Part
from ibkr_core.wire.protobuf import decode_protobuf, encode_protobuf
from ibkr_core.wire.registry import Direction, Kind, answers, plan_for, requests
from ibkr_core.wire.schema import FieldType, fields_of

__all__ = ["decode_answer", "decode_request", "encode_answer", "encode_request"]

_RAW_ID = 4  # bytes
_MAX_ID_DIGITS = 9

Body = bytes | bytearray | memoryview


def decode_request(body: Body, server_version: int) -> Message:
    """Read what a client sent.

    Args:
        body: A frame's body.
        server_version: The version negotiated for the session.

    Raises:
        UnknownMessage: No request has this id.
        MalformedMessage: A field is missing, surplus or unreadable.
        ProtobufUnavailable: A protobuf message, and the installed ibapi has no class for it.
    """
    return _decode(requests(), bytes(body), server_version)


def encode_request(message: Message, server_version: int) -> bytes:
    """Write what a client sends.

    Args:
        message: The request. Fields that this version's form of the message does not have are left out.
        server_version: The version negotiated for the session; it decides between text and protobuf.

    Raises:
        MalformedMessage: No such kind or field, or a value that does not fit.
        ProtobufUnavailable: The version asks for protobuf, and the installed ibapi has no class for it.
    """
    return _encode(requests(), message, server_version)


def decode_answer(body: Body, server_version: int) -> Message:
    """Read what a gateway sent.

    Args:
        body: A frame's body.
        server_version: The version negotiated for the session.

    Raises:
        UnknownMessage: No answer has this id.
        MalformedMessage: A field is missing, surplus or unreadable.
        ProtobufUnavailable: A protobuf message, and the installed ibapi has no class for it.
    """
    return _decode(answers(), bytes(body), server_version)


def encode_answer(message: Message, server_version: int) -> bytes:
    """Write what a gateway sends.

    Args:
        message: The answer. Fields that this version's form of the message does not have are left out.
        server_version: The version negotiated for the session; it decides between text and protobuf.

    Raises:
        MalformedMessage: No such kind or field, or a value that does not fit.
        ProtobufUnavailable: The version asks for protobuf, and the installed ibapi has no class for it.
    """
    return _encode(answers(), message, server_version)


def _decode(direction: Direction, body: bytes, version: int) -> Message:
    if version < RAW_ID_SINCE:
        values = _split(body)
        if not values:
            raise MalformedMessage("message", "an empty body")
        return _decode_text(direction, _text_id(values[0]), values[1:], version)
    if len(body) < _RAW_ID:
        raise MalformedMessage("message", f"a body of {len(body)} bytes has no message id")
    message_id = int.from_bytes(body[:_RAW_ID], "big")
    payload = body[_RAW_ID:]
    if message_id <= PROTOBUF_OFFSET:
        return _decode_text(direction, message_id, _split(payload), version)
    kind = direction.by_id.get(message_id - PROTOBUF_OFFSET)
    if kind is None or not kind.has_protobuf or (kind.layout is None and version < kind.protobuf_since):
        raise UnknownMessage(message_id)
    return Message(kind.name, decode_protobuf(kind.name, kind.message, payload, kind.parts))


def _decode_text(direction: Direction, message_id: int, values: list[bytes], version: int) -> Message:
    kind = direction.by_id.get(message_id)
    if kind is None or kind.layout is None:
        raise UnknownMessage(message_id)
    return Message(kind.name, plan_for(kind, version).read(kind.name, values))


def _split(payload: bytes) -> list[bytes]:
    if not payload:
        return []
    if payload[-1] != 0:
        raise MalformedMessage("message", "the text does not end in a NUL")
    values = payload.split(b"\0")
    values.pop()
    return values


def _text_id(raw: bytes) -> int:
    if not raw.isdigit() or len(raw) > _MAX_ID_DIGITS:
        raise MalformedMessage("message", f"{raw[:40]!r} is no message id", index=0)
    return int(raw)


def _encode(direction: Direction, message: Message, version: int) -> bytes:
    kind = direction.by_name.get(message.kind)
    if kind is None:
        raise MalformedMessage(message.kind, f"there is no such {direction.name}")
    if version >= kind.protobuf_since:
        payload = encode_protobuf(kind.name, kind.message, message.fields, kind.parts)
        return (kind.message_id + PROTOBUF_OFFSET).to_bytes(_RAW_ID, "big") + payload
    if kind.layout is None:
        raise MalformedMessage(kind.name, f"exists from server version {kind.protobuf_since} on")
    _check(kind, kind.message, message.fields)
    values = plan_for(kind, version).write(kind.name, message.fields)
    if version >= RAW_ID_SINCE:
        return kind.message_id.to_bytes(_RAW_ID, "big") + _join(values)
    return _join([str(kind.message_id), *values])


def _join(values: list[str]) -> bytes:
    return ("\0".join(values) + "\0").encode() if values else b""


@attrs.frozen
class _Shape:
    """What `_check` wants to know about a message.

    Attributes:
        names: All its fields.
        structured: Those that are more than a plain value, with their types.
    """

    names: frozenset[str]
    structured: tuple[tuple[str, FieldType], ...]


@cache
def _shape(message: str) -> _Shape:
    fields = fields_of(message)
    structured = (
        (name, field)
        for name, field in fields.items()
        if field.repeated or field.is_message or field.name == "map"
    )
    return _Shape(frozenset(fields), tuple(structured))


def _check(kind: Kind, message: str, fields: Mapping[str, Any]) -> None:
    """Refuse names that the message does not have, and shapes that cannot be written."""
    if type(fields) is Part and fields.made.get(_check) == message:
        return
    shape = _shape(message)
    if not shape.names.issuperset(fields):
        name = next(name for name in fields if name not in shape.names)
        raise MalformedMessage(kind.name, f"{message} has no such field", field=name)
    for name, field in shape.structured:
        value = fields.get(name)
        if value is None:
            continue
        if field.repeated and not isinstance(value, (list, tuple)):
            raise MalformedMessage(kind.name, "must be a list", field=name)
        if not field.repeated:
            _check_mapping(kind, name, value)
        if field.is_message:
            for item in value if field.repeated else (value,):
                _check_mapping(kind, name, item)
                _check(kind, field.name, item)
    if type(fields) is Part:
        fields.made[_check] = message


def _check_mapping(kind: Kind, name: str, value: object) -> None:
    if not isinstance(value, (dict, Mapping)):  # dict first: asking an abstract class is slow
        raise MalformedMessage(kind.name, "must be a mapping", field=name)
