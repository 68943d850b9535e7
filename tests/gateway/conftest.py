"""What tests of the gateway over TCP share."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ibkr_core.gateway import SimulatedGateway
from tests.gateway.official import OfficialClient


@pytest.fixture
def join() -> Iterator[Callable[..., OfficialClient]]:
    """Connect official clients that hang up when the test ends."""
    joined: list[OfficialClient] = []

    def make(server: SimulatedGateway, client_id: int = 1) -> OfficialClient:
        client = OfficialClient()
        joined.append(client)
        client.begin(server.port, client_id)
        client.wait("nextValidId")
        return client

    yield make
    for client in joined:
        client.end()
