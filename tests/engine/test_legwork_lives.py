"""Seeded lives of closings and rolls, with faults, broken sends and kills: never too much, never uncovered.

No threads and no clock of the machine: the same seed is the same life. What is proved is read from the
gateway's own books, execution by execution.
"""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError, InvalidInput, OrderStateError
from ibkr_core.gateway import Choreography, FaultPlan, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.combos import Combo
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.results import ExecutionResult
from ibkr_core.model.status import OrderStatus
from ibkr_core.model.strategy import Strategy
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation.world import Killed, World

STOCK = Contract.stock("AAPL")
START = datetime(2026, 11, 24, 15, tzinfo=UTC).timestamp()
LIVES = range(25)
_MOST_CALLS = 12


class Life:
    """An engine and a gateway, and a caller who never gives up."""

    def __init__(self, seed: int, folder: Path, *, intensity: float) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a simulation is no secret
        clock = ManualClock(START)
        self.gateway = MemoryGateway(
            clock=clock,
            seed=seed,
            settings=Settings(market=MarketSettings(moves=False), choreography=Choreography()),
        )
        self.gateway.market("AAPL").set_quote(bid="292.00", ask="292.10")
        self.world = World(
            self.gateway,
            clock,
            seed=seed,
            journal_path=folder / "journal.db",
            settings=EngineSettings(seed=seed, confirm_s=0.5),
        )
        self.intensity = intensity
        self.start()

    @property
    def engine(self) -> Engine:
        assert self.world.engine is not None
        return self.world.engine

    def start(self) -> None:
        """Start the program, or start it again."""
        self.world.start_engine(lambda _: None)
        self.world.run(5)

    def open(self, strategy: Strategy) -> None:
        """Open a strategy, in peace."""
        for leg in strategy.legs:
            ticket = self.engine.submit(leg.contract, Order.market(leg.side.value, strategy.quantity_of(leg)))
            assert ticket.wait(timeout_s=30).status is OrderStatus.FILLED

    def trouble(self) -> None:
        """Let things go wrong from now on."""
        self.gateway.faults = without_revisions(FaultPlan.nasty(self.intensity))
        self.world.send_breaks, self.world.kills = 0.04 * self.intensity, 0.08 * self.intensity

    def peace(self) -> None:
        """Let nothing go wrong any more."""
        self.gateway.end_faults()
        self.world.send_breaks = self.world.kills = 0.0

    def fill(self, order_id: int, quantity: int) -> None:
        """Fill an order, unless it has ended."""
        with contextlib.suppress(OrderStateError, InvalidInput):
            self.gateway.fill(order_id, quantity=quantity, price=290)

    def call(self, work: Callable[[Engine], ExecutionResult]) -> ExecutionResult:
        """Call until it is a success, as a program would that is started again after each kill."""
        result: ExecutionResult | None = None
        for attempt in range(_MOST_CALLS):
            if attempt == _MOST_CALLS // 2:
                self.peace()
            try:
                result = work(self.engine)
                if result.success:
                    break
                self.world.run(10)
            except IbkrError:  # the gateway is out of reach, so a leg cannot be looked up
                self.rest()
            except Killed:
                self.restart()
        assert result is not None
        return result

    def rest(self) -> None:
        """Wait a while before the next call."""
        try:
            self.world.run(10)
        except Killed:
            self.restart()

    def restart(self) -> None:
        """The program was killed: start it again, however often it takes."""
        while True:
            self.world.kill_engine()
            try:
                self.start()
            except Killed:
                continue
            return

    def positions(self) -> list[dict[str, Decimal]]:
        """Return the positions after each execution, in order of time, from the gateway's own books."""
        done = [one for order in self.gateway.books().orders for one in order.executions]
        now: dict[str, Decimal] = {}
        story = []
        for one in sorted(done, key=lambda one: one.time):
            sign = 1 if one.action == "BUY" else -1
            if isinstance(one.instrument, Combo):
                parts = [(leg.instrument, leg.weight) for leg in one.instrument.legs]
            else:
                parts = [(one.instrument, 1)]
            for instrument, weight in parts:
                name = "".join(instrument.local_symbol.split())
                now[name] = now.get(name, Decimal(0)) + sign * weight * one.quantity
            story.append(dict(now))
        return story


def without_revisions(plan: FaultPlan) -> FaultPlan:
    """Leave out what rewrites the past: a bust gives back what was closed."""
    chances = [one for one in plan.chances if one.action.name not in ("bust", "correction")]
    return attrs.evolve(plan, chances=chances)


@pytest.mark.parametrize("seed", LIVES)
def test_lives_of_a_closing(seed: int, tmp_path: Path) -> None:
    """A position with an exit that may fill at any moment: never past flat, and flat in the end."""
    life = Life(seed, tmp_path, intensity=0.4)
    side = life.chance.choice(["BUY", "SELL"])
    exit_side = "SELL" if side == "BUY" else "BUY"
    strategy = Strategy.single(STOCK, side, 10)
    life.open(strategy)
    stop = life.engine.submit(
        STOCK, Order.stop(exit_side, life.chance.randint(1, 10), "250" if side == "BUY" else "330")
    )
    life.world.run(2)
    life.trouble()
    if life.chance.random() < 0.7:
        part = life.chance.randint(1, int(stop.record.total_quantity or 1))
        moment = life.world.clock() + life.chance.uniform(0, 2)
        life.world.at(moment, lambda: life.fill(stop.order_id, part))
    result = life.call(lambda engine: engine.close_position(strategy, key="k", timeout_s=20))
    assert result.success, f"seed {seed}: {result}"
    sign = 1 if side == "BUY" else -1
    story = [sign * now["AAPL"] for now in life.positions()]
    assert min(story) == 0, f"seed {seed}: {story}"
    assert story[-1] == 0, f"seed {seed}: {story}"


@pytest.mark.parametrize("as_combo", [None, False])
@pytest.mark.parametrize("seed", LIVES)
def test_lives_of_a_roll(seed: int, as_combo: bool | None, tmp_path: Path) -> None:
    """A spread: no call is owed uncovered at any moment, and in the end all of it has moved, once."""
    life = Life(seed, tmp_path, intensity=0.4)
    strategy = Strategy.vertical("AAPL", "20261218", "C", long_strike=290, short_strike=300, quantity=3)
    life.open(strategy)
    life.trouble()
    result = life.call(
        lambda engine: engine.roll_position(strategy, 52, key="k", as_combo=as_combo, timeout_s=20)
    )
    assert result.success, f"seed {seed}: {result}"
    story = life.positions()
    for now in story:
        assert sum(now.values()) >= 0, f"seed {seed}: uncovered, {story}"
        assert all(abs(size) <= 3 for size in now.values()), f"seed {seed}: too much, {story}"
    assert {name: size for name, size in story[-1].items() if size} == {
        "AAPL270115C00290000": 3,
        "AAPL270115C00300000": -3,
    }
