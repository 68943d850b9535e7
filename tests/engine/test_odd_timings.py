"""Moments at which an order could be sent twice, late or never: each was once wrong, or nearly was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import JournalError
from ibkr_core.gateway import ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.journal.store import Store
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation.world import World

STOCK = Contract.stock("AAPL")
S = OrderStatus


class Bench:
    """An engine and a gateway without threads: time passes when a test says so."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.clock = ManualClock()
        self.gateway = MemoryGateway(
            clock=self.clock, seed=1, settings=Settings(market=MarketSettings(moves=False))
        )
        self.world = World(
            self.gateway,
            self.clock,
            seed=1,
            journal_path=folder / "journal.db",
            settings=EngineSettings(seed=1, **settings),
        )
        self.heard: list[events.Event] = []
        self.start()

    def start(self) -> None:
        self.world.start_engine(lambda engine: engine.on(events.Event, self.heard.append, Delivery.INLINE))
        self.run(3)
        assert self.engine.is_ready

    @property
    def engine(self) -> Engine:
        assert self.world.engine is not None
        return self.world.engine

    def run(self, seconds: float) -> None:
        self.world.run(seconds)

    def rest(self, **fields: Any) -> int:
        """Submit an order that does not fill; returns its id."""
        return self.engine.submit(STOCK, Order.limit("BUY", 10, "90", **fields)).order_id

    def lose_connection(self) -> None:
        for line in tuple(self.world.lines):
            line._hang_up()
        self.engine.scheduler.run_due()

    def of(self, kind: type[events.Event]) -> list[Any]:
        return [event for event in self.heard if isinstance(event, kind)]

    def refs(self) -> list[str]:
        """The labels of all orders that the gateway ever got."""
        return [order.order_ref for order in self.gateway.books().orders]


MakeBench = Callable[..., Bench]


@pytest.fixture
def make_bench(tmp_path: Path) -> Iterator[MakeBench]:
    made: list[Bench] = []

    def make(**settings: Any) -> Bench:
        made.append(Bench(tmp_path, **settings))
        return made[-1]

    yield make
    for bench in made:
        bench.world.stop_engine()


def test_a_halt_while_disconnected_cancels_everything_after_the_reconnect(make_bench: MakeBench) -> None:
    """The first synchronisation sweeps, though the session is not ready at that very moment."""
    bench = make_bench()
    order_id = bench.rest()
    bench.run(2)
    bench.lose_connection()
    bench.engine.halt("enough")
    bench.run(20)
    assert bench.engine.order(order_id).status is S.CANCELLED
    assert bench.of(events.HaltConfirmed)


def test_a_halt_that_survives_a_kill_cancels_what_still_works(make_bench: MakeBench) -> None:
    """The program died before its cancels left."""
    bench = make_bench()
    order_id = bench.rest()
    bench.run(2)
    bench.lose_connection()
    bench.engine.halt("enough")
    bench.world.kill_engine()
    bench.start()
    assert bench.engine.is_halted
    bench.run(20)
    assert bench.engine.order(order_id).status is S.CANCELLED


def test_a_broken_journal_is_told_with_no_lock_held(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A listener that pulls the brake because of it needs the send lock."""
    bench = make_bench()
    was_locked: list[bool] = []

    def note(_: events.JournalBroken) -> None:
        was_locked.append(bench.engine._desk._send_lock.locked())

    bench.engine.on(events.JournalBroken, note, Delivery.INLINE)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "transact", fail)
        with pytest.raises(JournalError, match="disk is full"):
            bench.rest()
        bench.engine.scheduler.run_due()
    assert was_locked == [False]
    assert len(bench.of(events.JournalBroken)) == 1
