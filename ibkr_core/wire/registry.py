"""Every message kind: its id, its layout, and the version at which it becomes protobuf, in one look-up."""

from collections.abc import Mapping
from functools import cache

import attrs

from ibkr_core.wire.ids import (
    ANSWER_IDS,
    REQUEST_IDS,
    answer_protobuf_since,
    request_protobuf_since,
)
from ibkr_core.wire.layout import ANY_VERSION, Layout
from ibkr_core.wire.layouts import account, history, market, orders, reference, services, session
from ibkr_core.wire.plan import Plan, compile_layout

__all__ = ["Direction", "Kind", "answers", "plan_for", "requests"]


@attrs.frozen(eq=False)  # compared and cached by identity: there is one per kind
class Kind:
    """One message kind.

    Attributes:
        name: The official name.
        message_id: Its id on the wire, without the protobuf offset.
        message: Name of the schema entry, which is that of the protobuf message where there is one.
        layout: The text form, or None for a kind that exists in protobuf only.
        protobuf_since: First server version at which it is sent as protobuf.
    """

    name: str
    message_id: int
    message: str
    layout: Layout | None
    protobuf_since: int

    @property
    def has_protobuf(self) -> bool:
        """True when the kind has a protobuf form at some version."""
        return self.protobuf_since < ANY_VERSION

    @property
    def parts(self) -> tuple[str, ...]:
        """Sub-messages that the kind always has."""
        return self.layout.parts if self.layout is not None else ()


@attrs.frozen
class Direction:
    """All kinds that travel one way.

    Attributes:
        name: "request" or "answer", for messages about faults.
        by_name: Kinds by official name.
        by_id: Kinds by message id.
    """

    name: str
    by_name: Mapping[str, Kind]
    by_id: Mapping[int, Kind]


_THEMES = (session, orders, account, reference, market, history, services)

_PROTOBUF_ONLY_REQUESTS: Mapping[str, str] = {
    "cancelContractData": "CancelContractData",
    "cancelHistoricalTicks": "CancelHistoricalTicks",
    "reqConfig": "ConfigRequest",
    "updateConfig": "UpdateConfigRequest",
}

_PROTOBUF_ONLY_ANSWERS: Mapping[str, str] = {
    "configResponse": "ConfigResponse",
    "updateConfigResponse": "UpdateConfigResponse",
}


@cache
def requests() -> Direction:
    """Give the kinds that clients send."""
    layouts = {kind: layout for theme in _THEMES for kind, layout in theme.REQUESTS.items()}
    return _direction("request", REQUEST_IDS, layouts, _PROTOBUF_ONLY_REQUESTS, request_protobuf_since())


@cache
def answers() -> Direction:
    """Give the kinds that gateways send."""
    layouts = {kind: layout for theme in _THEMES for kind, layout in theme.ANSWERS.items()}
    return _direction("answer", ANSWER_IDS, layouts, _PROTOBUF_ONLY_ANSWERS, answer_protobuf_since())


def _direction(
    name: str,
    ids: Mapping[str, int],
    layouts: Mapping[str, Layout],
    protobuf_only: Mapping[str, str],
    since: Mapping[str, int],
) -> Direction:
    by_name = {}
    for kind, message_id in ids.items():
        layout = layouts.get(kind)
        message = layout.message if layout is not None else protobuf_only.get(kind)
        if message is not None:
            by_name[kind] = Kind(kind, message_id, message, layout, since.get(kind, ANY_VERSION))
    return Direction(name, by_name, {kind.message_id: kind for kind in by_name.values()})


@cache
def plan_for(kind: Kind, version: int) -> Plan:
    """Give the compiled text form of a kind at a server version."""
    if kind.layout is None:
        raise KeyError(kind.name)
    return compile_layout(kind.layout, version)
