"""What a venue must remember: all that changes, even in silence, and nothing twice."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.gateway import Choreography, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.state_file import Sections, parse
from ibkr_core.gateway.state_record import Recorder
from tests.gateway.pocket import Pocket, gateway


class Watched:
    """A gateway whose changes are looked at by hand."""

    def __init__(self, venue: MemoryGateway) -> None:
        self.venue = venue
        self.recorder = Recorder(venue._venue)
        self.first = parse(self.recorder.snapshot())
        self.client = Pocket(venue)
        self.changes()

    def changes(self, *, markets: bool = False) -> Sections:
        """What has changed since the last look, but for when it was."""
        found = parse(self.recorder.changes(markets=markets))
        found.get("gateway", {}).pop("saved_at", None)
        return {name: values for name, values in found.items() if values}


@pytest.fixture
def watched() -> Iterator[Watched]:
    venue = gateway()
    yield Watched(venue)
    venue.close()


def test_nothing_changes_by_itself(watched: Watched) -> None:
    """Asking, connecting and waiting change nothing."""
    watched.client.ask("reqAllOpenOrders")
    watched.client.ask("reqAccountSummary", reqId=1, group="All", tags="NetLiquidation")
    watched.venue.run(60.0)
    assert watched.changes() == {}
    assert watched.changes(markets=True) == {}


def test_a_snapshot_begins_with_the_accounts(watched: Watched) -> None:
    """And with the markets that somebody has looked at."""
    assert watched.first["accounts"]["DU1234567"]["cash"] == {"USD": "1000000"}
    assert watched.first["markets"]["265598"]["quote"]["bid"] == "100"
    assert watched.first["instruments"]["265598"]["symbol"] == "AAPL"


def test_an_order_is_told_with_what_was_asked_for_only_once(watched: Watched) -> None:
    """Its further life is a short line."""
    watched.client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    first = watched.changes()
    assert set(first) == {"orders", "specs", "gateway"}
    assert set(first["gateway"]) == {"numbers"}
    watched.client.cancel(1)
    second = watched.changes()
    assert set(second) == {"orders"}
    [order] = second["orders"].values()
    assert (order["status"], order["phase"]) == ("Cancelled", "DONE")
    assert watched.changes() == {}


def test_a_modification_tells_anew_what_is_asked_for(watched: Watched) -> None:
    """The new terms are in the file before their echo leaves."""
    watched.client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    watched.changes()
    watched.client.place(1, "BUY", 12, "LMT", lmtPrice=98.0)
    [spec] = watched.changes()["specs"].values()
    assert (spec["quantity"], spec["limit"]) == ("12", "98.0")


def test_a_fill_tells_execution_position_and_cash(watched: Watched) -> None:
    """Only what it touched; a second fill does not repeat the first."""
    watched.client.place(1, "BUY", 10)
    first = watched.changes()
    assert set(first) == {"orders", "specs", "gateway", "executions", "accounts", "positions"}
    watched.client.place(2, "SELL", 4)
    second = watched.changes()
    assert len(second["executions"]) == 1
    assert not second["executions"].keys() & first["executions"].keys()
    assert second["positions"]["DU1234567/265598"]["quantity"] == "6"


def test_a_correction_tells_all_that_was_booked_anew(watched: Watched) -> None:
    """The profit of later executions depends on it."""
    watched.client.place(1, "BUY", 10)
    watched.client.place(2, "SELL", 10)
    first = watched.changes()["executions"]
    watched.venue.correct_execution(watched.venue.books().executions[0].exec_id, price=99)
    second = watched.changes()["executions"]
    assert second.keys() == first.keys()
    assert [one["revision"] for one in second.values()] == [2, 1]
    assert second != first


def test_a_trigger_that_follows_the_price_in_silence_is_told(watched: Watched) -> None:
    """No client hears of it, but it would be lost."""
    watched.client.place(1, "SELL", 10, "TRAIL", auxPrice=2.0)
    watched.changes()
    watched.venue.market("AAPL").set_quote(bid=110, ask=111, last=110)
    [order] = watched.changes()["orders"].values()
    assert order["stop"] == "108.00"


def test_an_order_not_transmitted_is_not_told(watched: Watched) -> None:
    """It vanishes at a restart; only its id is used."""
    watched.client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, transmit=False)
    changes = watched.changes()
    assert set(changes) == {"gateway"}
    assert changes["gateway"]["numbers"]["highest_ids"] == {"1": 1}


def test_prices_are_told_once_a_second_or_when_asked() -> None:
    """They move all the time."""
    settings = Settings(choreography=Choreography.plain(), market=MarketSettings())
    watched = Watched(MemoryGateway(settings=settings))
    watched.client.place(1, "BUY", 10, "LMT", lmtPrice=280.0)
    watched.changes()

    def told(seconds: float, **how: Any) -> bool:
        watched.venue.run(seconds)
        return "markets" in watched.changes(**how)

    assert [told(0.3), told(0.3), told(0.5)] == [False, False, True]
    assert told(0.3, markets=True)


def test_a_change_by_hand_is_told(watched: Watched) -> None:
    """Halts, bars, and whether the exchange is open."""
    watched.venue.halt("AAPL")
    watched.venue.bar("MSFT")
    watched.venue.close_exchange()
    told = watched.changes()["gateway"]
    assert told["closed"] is True
    assert (told["restrictions"]["halted"], told["restrictions"]["barred"]) == ([265598], [272093])


def test_a_gateway_saves_by_itself_what_nobody_asked_for(tmp_path: Path) -> None:
    """After a hand's every act, though no client is connected to be told."""
    path = tmp_path / "books.state"
    venue = gateway(state=path)
    size = path.stat().st_size
    venue.market("AAPL").set_quote(bid=50, ask=51)
    assert path.stat().st_size > size
    venue.close()
