"""A connection to look at a gateway, in nobody's way."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from ibkr_core.cli.options import Place
from ibkr_core.cli.shell import busy
from ibkr_core.engine import Engine
from ibkr_core.errors import ClientIdInUse
from ibkr_core.settings import EngineSettings

__all__ = ["looking"]

_FIRST_ID: Final = 9_000
_IDS: Final = 900
_TRIES: Final = 5


@contextmanager
def looking(place: Place, client_id: int | None, *, recheck_s: float = 0.0) -> Iterator[Engine]:
    """Connect to look, for as long as the block lasts: with a client id of its own, placing nothing.

    The broker shows open orders and executions of all clients, and a client manages only its own: so this
    disturbs nobody's orders. Client id 0 would take orders over that were made by hand (TWS facts 4), so it
    is never chosen here.

    Args:
        place: Where.
        client_id: As which client; None for one that hardly anybody uses.
        recheck_s: How often to ask the broker for everything anew; 0 for never. It tells other clients'
            news to nobody of its own accord.

    Raises:
        ConnectionFailed: It cannot be had.
    """
    # Who looks once has an answer or an error; who keeps looking sees the connection come back.
    reconnect = EngineSettings().reconnect if recheck_s else None
    settings = EngineSettings(reconnect=reconnect, recheck_s=recheck_s)
    engine = _connect(place, client_id, settings)
    with engine:
        yield engine


def _connect(place: Place, client_id: int | None, settings: EngineSettings) -> Engine:
    first = _FIRST_ID + os.getpid() % _IDS if client_id is None else client_id
    tries = _TRIES if client_id is None else 1
    with busy(f"connecting to {place}"):
        for number in range(first, first + tries):
            try:
                return Engine.connect(
                    place.host, place.port, number, timeout_s=place.timeout_s, settings=settings
                )
            except ClientIdInUse:
                if number == first + tries - 1:
                    raise
    raise AssertionError("the last try returns or raises")  # pragma: no cover
