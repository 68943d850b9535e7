"""What tests of the engine share: gateways that note what arrives, and engines that get closed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.gateway import Choreography, MarketSettings, Settings
from tests.engine.rig import Connect, Serve, WatchedGateway

STILL = MarketSettings(moves=False)


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Start gateways on TCP, by default with AAPL standing at 100.00 to 100.01 and nothing random."""
    started: list[WatchedGateway] = []

    def make(*, plain: bool = True, **wanted: Any) -> WatchedGateway:
        style = Choreography.plain() if plain else Choreography()
        wanted.setdefault("settings", Settings(market=STILL, choreography=style))
        gateway = WatchedGateway(**wanted)
        gateway.start()
        started.append(gateway)
        gateway.market("AAPL").set_quote(bid="100.00", ask="100.01")
        return gateway

    yield make
    for gateway in started:
        gateway.stop()


@pytest.fixture
def gateway(serve: Serve) -> WatchedGateway:
    """A plain gateway."""
    return serve()


@pytest.fixture
def connect(serve: Serve) -> Iterator[Connect]:
    """Connect engines that are closed, before their gateways, when the test ends."""
    opened: list[Engine] = []

    def make(gateway: WatchedGateway, client_id: int = 1, **options: Any) -> Engine:
        engine = Engine.connect("127.0.0.1", gateway.port, client_id, **options)
        opened.append(engine)
        return engine

    yield make
    for engine in opened:
        engine.close()


@pytest.fixture
def engine(gateway: WatchedGateway, connect: Connect) -> Engine:
    """An engine on the plain gateway."""
    return connect(gateway)
