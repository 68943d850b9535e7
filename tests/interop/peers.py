"""Who trades on the gateway: each peer, its program, and the protocol versions that it is tried at."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import attrs

__all__ = ["PEERS", "Peer", "program"]

HERE = Path(__file__).parent
_OFFICIAL = "official.py"


@attrs.frozen
class Peer:
    """One client of others' making.

    Attributes:
        title: What its own report calls it.
        program: The file under ``programs`` that drives it.
        newest: The server version that it agrees on with a gateway of ours.
        caps: Older gateways that it is tried with.
        may_say: What its log may hold besides the errors that the scenario provokes, and why.
    """

    title: str
    program: str
    newest: int
    caps: tuple[int, ...] = ()
    may_say: Mapping[str, str] = attrs.field(factory=dict)


_GONE = MappingProxyType(
    {
        r"WARNING ib_\w+\.wrapper: Canceled order: Trade\(.*": "it says so of orders that were refused",
    }
)

PEERS: Mapping[str, Peer] = MappingProxyType(
    {
        "ibapi-9.81.1.post1": Peer("ibapi 9.81.1.post1", _OFFICIAL, 157, (142,)),
        "nautilus-ibapi-10.46.1": Peer("nautilus-ibapi 10.46.1", _OFFICIAL, 225, (157, 176, 200, 203, 213)),
        "ibapi-stable-10.50.2": Peer("ibapi-stable 10.50.2", _OFFICIAL, 226, (157, 176, 200, 203, 213)),
        "ibapi-latest-10.51.1": Peer("ibapi-latest 10.51.1", _OFFICIAL, 226, (157, 176, 200, 203, 213)),
        "ib_async-2.1.0": Peer("ib_async 2.1.0", "awaiting.py", 178, (157, 176), _GONE),
        "ib_insync-0.9.86": Peer("ib_insync 0.9.86", "awaiting.py", 176, (157,), _GONE),
        "vnpy_ib-10.45.1.0": Peer("vnpy_ib 10.45.1.0", "veighna.py", 223, (200, 213)),
        # Below 177 it cannot read completed orders: unlike the official client it expects no faProfile there.
        "stoqey-ib-1.6.10": Peer("@stoqey/ib 1.6.10", "stoqey.mjs", 193, (178,)),
    }
)
"""By the name of the environment that nox makes: a file under ``requirements``, or ``stoqey`` for Node."""


def program(peer: Peer) -> Path:
    """Where a peer's program is."""
    return HERE / "programs" / peer.program
