"""Decodes openOrder and error without the official decoder where nothing but a fact comes of them.

Their facts take the same way as those of the official decoder. As in :mod:`ibkr_core.link.hotpath`, a kind
whose official callback a subclass overrides stays with the official decoder; here one that somebody waits for
does too (the answer to a what-if is an openOrder), for as long as he waits.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Final

import attrs
from ibapi.contract import Contract as IbContract
from ibapi.order import Order as IbOrder
from ibapi.order_state import OrderState as IbOrderState

from ibkr_core.link import compat, convert
from ibkr_core.link.hotpath import RAW_ID_BYTES, overrides
from ibkr_core.model.facts import OpenOrderFact
from ibkr_core.wire.protobuf import ProtobufUnavailable
from ibkr_core.wire.warm import BLANK_ECHO, WarmFact, WarmTextDecoder, warm_text_decoders
from ibkr_core.wire.warmproto import warm_protobuf_decoders

__all__ = ["warm_path"]

_CALLBACKS: Final[Mapping[int, tuple[str, ...]]] = {
    4: ("error", "errorProtoBuf"),
    5: ("openOrder", "openOrderProtoBuf"),
}
"""The official callbacks of each kind, in every client that we support."""

_OPEN_ORDER: Final = 5
_TEXT_ID_BYTES: Final = 2
"""A digit and its NUL, up to version 200."""


def warm_path(
    client_class: type, server_version: int, awaited: Callable[[], Collection[str]]
) -> Callable[[bytes], WarmFact | None]:
    """Return what decodes frames of these two kinds; it gives None for what is left to the official decoder.

    Args:
        client_class: The class of the client, with its overrides.
        server_version: The protocol version of the connection.
        awaited: Tells the names of the callbacks that somebody waits for now.
    """
    free = {kind for kind, names in _CALLBACKS.items() if not overrides(client_class, names)}
    is_raw = server_version >= compat.RAW_IDS_SINCE
    if not _has_usual_defaults(has_protobuf=is_raw):
        free.discard(_OPEN_ORDER)
    decoders = {**_texts(free, server_version), **(_protobufs(free) if is_raw else {})}
    head = RAW_ID_BYTES if is_raw else _TEXT_ID_BYTES

    def decode(body: bytes) -> WarmFact | None:
        found = decoders.get(body[:head])
        if found is None:
            return None
        names, decoder = found
        waited_for = awaited()
        if waited_for and any(name in waited_for for name in names):
            return None
        return decoder(body[head:])

    return decode


_Decoders = dict[bytes, tuple[tuple[str, ...], Callable[[bytes], WarmFact | None]]]
"""By the bytes of the message id: the callbacks of the kind, and what decodes the rest."""


def _texts(free: set[int], server_version: int) -> _Decoders:
    is_raw = server_version >= compat.RAW_IDS_SINCE
    return {
        kind.to_bytes(RAW_ID_BYTES, "big") if is_raw else b"%d\0" % kind: (
            _CALLBACKS[kind],
            _of_ascii(decoder),
        )
        for kind, decoder in warm_text_decoders(server_version).items()
        if kind in free
    }


def _of_ascii(decoder: WarmTextDecoder) -> Callable[[bytes], WarmFact | None]:
    """Leave other texts to the official decoder: they are read differently from client to client."""

    def decode(fields: bytes) -> WarmFact | None:
        return decoder(fields.decode("ascii")) if fields.isascii() else None

    return decode


def _protobufs(free: set[int]) -> _Decoders:
    try:
        decoders = warm_protobuf_decoders(convert.contract_from_protobuf)
    except ProtobufUnavailable:
        return {}
    return {
        (kind + compat.PROTOBUF_SINCE).to_bytes(RAW_ID_BYTES, "big"): (_CALLBACKS[kind], decoder)
        for kind, decoder in decoders.items()
        if kind in free
    }


def _has_usual_defaults(*, has_protobuf: bool) -> bool:
    """Whether the installed client takes for what the broker does not say what our decoders take."""
    fact = convert.open_order_fact(0, IbContract(), IbOrder(), IbOrderState())
    if not has_protobuf:  # text always tells the quantity; the oldest client begins with 0
        fact = attrs.evolve(fact, order=attrs.evolve(fact.order, total_quantity=None))
    return fact == OpenOrderFact(order=BLANK_ECHO, contract=fact.contract)
