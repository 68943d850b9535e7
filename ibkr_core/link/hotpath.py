"""Chooses which messages of a connection are decoded by our hot decoders, and which by the official one.

A kind whose official callback a subclass of the client overrides stays with the official decoder: that
callback has to be called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ibapi.wrapper import EWrapper

from ibkr_core.link import compat, convert
from ibkr_core.model.facts import HotValues
from ibkr_core.wire.hot import TextDecoder, text_decoders
from ibkr_core.wire.hotproto import ProtobufDecoder, protobuf_decoders
from ibkr_core.wire.protobuf import ProtobufUnavailable

__all__ = ["hot_path"]

_CALLBACKS: Final[Mapping[int, tuple[str, ...]]] = {
    3: ("orderStatus", "orderStatusProtoBuf"),
    11: ("execDetails", "executionDetailsProtoBuf"),
    59: ("commissionReport", "commissionAndFeesReport", "commissionAndFeesReportProtoBuf"),
}
"""The official callbacks of each hot kind, in every client that we support."""

_RAW_ID_BYTES: Final = 4


def hot_path(client_class: type, server_version: int) -> Callable[[bytes], HotValues | None]:
    """Return what decodes the frames of a connection; it gives None for what is left to the official decoder.

    Args:
        client_class: The class of the client, with its overrides.
        server_version: The protocol version of the connection.
    """
    free = {kind for kind, names in _CALLBACKS.items() if not _overrides(client_class, names)}
    texts = {str(kind): decoder for kind, decoder in text_decoders(server_version).items() if kind in free}
    if server_version < compat.RAW_IDS_SINCE:
        return _text_path(texts)
    raw: dict[bytes, TextDecoder] = {int(kind).to_bytes(_RAW_ID_BYTES, "big"): d for kind, d in texts.items()}
    return _raw_path(raw, _protobufs(free))


def _overrides(client_class: type, names: tuple[str, ...]) -> bool:
    return any(getattr(client_class, name, None) is not getattr(EWrapper, name, None) for name in names)


def _protobufs(free: set[int]) -> Mapping[bytes, ProtobufDecoder]:
    try:
        decoders = protobuf_decoders(convert.contract_from_protobuf)
    except ProtobufUnavailable:
        return {}
    return {
        (kind + compat.PROTOBUF_SINCE).to_bytes(_RAW_ID_BYTES, "big"): decoder
        for kind, decoder in decoders.items()
        if kind in free
    }


def _text_path(decoders: Mapping[str, TextDecoder]) -> Callable[[bytes], HotValues | None]:
    find = decoders.get

    def decode(body: bytes) -> HotValues | None:
        if not body.isascii():
            return None
        fields = body.decode("ascii").split("\0")
        decoder = find(fields[0])
        return decoder(fields) if decoder is not None else None

    return decode


def _raw_path(
    texts: Mapping[bytes, TextDecoder], protobufs: Mapping[bytes, ProtobufDecoder]
) -> Callable[[bytes], HotValues | None]:
    find, find_text = protobufs.get, texts.get

    def decode(body: bytes) -> HotValues | None:
        kind = body[:_RAW_ID_BYTES]
        decoder = find(kind)
        if decoder is not None:
            return decoder(body[_RAW_ID_BYTES:])
        text = find_text(kind)
        if text is None or not body.isascii():
            return None
        return text(["", *body[_RAW_ID_BYTES:].decode("ascii").split("\0")])

    return decode
