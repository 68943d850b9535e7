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

__all__ = ["RAW_ID_BYTES", "HotPath", "hot_path", "overrides"]

HotPath = Callable[[bytes], HotValues | None]
"""Reads a message of the hot kinds; gives None for what is left to the official decoder."""

_CALLBACKS: Final[Mapping[int, tuple[str, ...]]] = {
    3: ("orderStatus", "orderStatusProtoBuf"),
    11: ("execDetails", "executionDetailsProtoBuf"),
    59: ("commissionReport", "commissionAndFeesReport", "commissionAndFeesReportProtoBuf"),
}
"""The official callbacks of each hot kind, in every client that we support."""

RAW_ID_BYTES: Final = 4
"""How long a message id is from version 201 on."""


def hot_path(client_class: type, server_version: int) -> HotPath:
    """Return what decodes the frames of a connection; it gives None for what is left to the official decoder.

    Args:
        client_class: The class of the client, with its overrides.
        server_version: The protocol version of the connection.
    """
    free = {kind for kind, names in _CALLBACKS.items() if not overrides(client_class, names)}
    texts = {str(kind): decoder for kind, decoder in text_decoders(server_version).items() if kind in free}
    if server_version < compat.RAW_IDS_SINCE:
        return _text_path(texts)
    raw: dict[bytes, TextDecoder] = {int(kind).to_bytes(RAW_ID_BYTES, "big"): d for kind, d in texts.items()}
    return _raw_path(raw, _protobufs(free))


def overrides(client_class: type, names: tuple[str, ...]) -> bool:
    """Whether a client class overrides one of these official callbacks."""
    return any(getattr(client_class, name, None) is not getattr(EWrapper, name, None) for name in names)


def _protobufs(free: set[int]) -> Mapping[bytes, ProtobufDecoder]:
    try:
        decoders = protobuf_decoders(convert.contract_from_protobuf)
    except ProtobufUnavailable:
        return {}
    return {
        (kind + compat.PROTOBUF_SINCE).to_bytes(RAW_ID_BYTES, "big"): decoder
        for kind, decoder in decoders.items()
        if kind in free
    }


def _text_path(decoders: Mapping[str, TextDecoder]) -> HotPath:
    find = decoders.get
    begins = {f"{kind}\0".encode()[:2] for kind in decoders}

    def decode(body: bytes) -> HotValues | None:
        # What cannot be of a hot kind is not split: a tick of market data, an openOrder's 130 fields.
        if body[:2] not in begins or not body.isascii():
            return None
        kind, _, text = body.decode("ascii").partition("\0")
        decoder = find(kind)
        return decoder(text) if decoder is not None else None

    return decode


def _raw_path(texts: Mapping[bytes, TextDecoder], protobufs: Mapping[bytes, ProtobufDecoder]) -> HotPath:
    find, find_text = protobufs.get, texts.get

    def decode(body: bytes) -> HotValues | None:
        kind = body[:RAW_ID_BYTES]
        decoder = find(kind)
        if decoder is not None:
            return decoder(body[RAW_ID_BYTES:])
        text = find_text(kind)
        if text is None or not body.isascii():
            return None
        return text(body[RAW_ID_BYTES:].decode("ascii"))

    return decode
