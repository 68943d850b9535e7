"""The connection to look: as whom, and what when that id is taken."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from ibkr_core.cli import source
from ibkr_core.cli.options import Place
from ibkr_core.engine import Engine
from ibkr_core.errors import ClientIdInUse
from ibkr_core.gateway import SimulatedGateway
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system


@pytest.fixture
def place() -> Iterator[Place]:
    with SimulatedGateway() as gateway:
        yield Place(gateway.host, gateway.port, PATIENCE_S)


def test_two_who_look_at_once_are_not_in_each_others_way(place: Place) -> None:
    """The second finds the id taken and takes the next; both see the gateway."""
    with source.looking(place, None) as one, source.looking(place, None) as other:
        assert other.client_id == one.client_id + 1
        assert one.client_id >= 9000
        assert one.is_ready
        assert other.is_ready


def test_an_id_of_ones_own_is_taken_as_it_is(place: Place) -> None:
    """Or refused: nobody wants to look as somebody else than asked."""
    with (
        Engine.connect(place.host, place.port, client_id=7),
        pytest.raises(ClientIdInUse),
        source.looking(place, 7),
    ):
        pytest.fail("client 7 is connected already")
    with source.looking(place, 8) as engine:
        assert engine.client_id == 8


def test_it_gives_up_when_all_are_taken(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few: then something else is wrong."""
    tried: list[int] = []

    class Busy(Engine):
        @classmethod
        def connect(cls, host: str, port: int, client_id: int, **more: object) -> None:  # type: ignore[override]
            del host, port, more
            tried.append(client_id)
            raise ClientIdInUse(client_id)

    monkeypatch.setattr(source, "Engine", Busy)
    with pytest.raises(ClientIdInUse), source.looking(place, None):
        pytest.fail("every id is in use")
    assert len(set(tried)) == len(tried) == 5


def test_who_keeps_looking_comes_back_after_a_gap(place: Place) -> None:
    """Watching goes on through a lost connection; a single look does not wait for one."""
    with source.looking(place, None, recheck_s=1.0) as engine:
        assert engine.settings.reconnect is not None
        assert engine.settings.recheck_s == 1.0
    with source.looking(place, None) as engine:
        assert engine.settings.reconnect is None
