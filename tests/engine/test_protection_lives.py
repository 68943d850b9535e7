"""Random lives of brackets: what the engine calls unprotected is what the gateway's own books say."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.gateway import Choreography, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.lifecycle.groups import ExitPair
from ibkr_core.lifecycle.protecting import BreakEven
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.testing.simulation import World
from tests.engine.rig import STOCK, S

D = Decimal
EVEN = BreakEven(tick="0.01")
SEEDS = range(1, 6)


@attrs.frozen
class Family:
    """An entry, and its exits as they were planned: target and stop of each group."""

    parent: int
    groups: tuple[tuple[int, int], ...]
    moves: bool


class Life:
    """A trader who enters with exits and then lets all kinds of things happen to them."""

    def __init__(self, seed: int, path: Path) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a test
        clock = ManualClock()
        style = Choreography.plain()
        self.gateway = MemoryGateway(
            clock=clock, settings=Settings(market=MarketSettings(moves=False), choreography=style), seed=seed
        )
        self.price = D(100)
        self.quote(D(0))
        settings = EngineSettings(
            heartbeat_s=0.0,
            unprotected_after_s=1.0,
            max_active_orders=None,
            reconnect=Backoff(first_s=0.1, longest_s=1.0),
        )
        self.world = World(self.gateway, clock, seed=seed, journal_path=path, settings=settings)
        self.families: list[Family] = []
        self.heard: list[events.Event] = []
        self.start()

    @property
    def engine(self) -> Engine:
        assert self.world.engine is not None
        return self.world.engine

    def start(self) -> None:
        self.world.start_engine(lambda e: e.on(events.OrderEvent, self.heard.append, Delivery.INLINE))
        self.world.run(20)

    def quote(self, move: Decimal) -> None:
        self.price = max(D(60), min(D(140), self.price + move))
        bid = self.price
        self.gateway.market("AAPL").set_quote(bid=bid, ask=bid + D("0.01"), last=bid)

    # ── what happens ────────────────────────────────────────────────────────────────────────────

    def enter(self) -> None:
        entry = Order.limit("BUY", 10, self.price + self.chance.choice([D(1), D(-2)]))
        above, below = self.price + 5, self.price - 5
        if self.chance.random() < 0.5:
            made = self.engine.submit_bracket(STOCK, entry, take_profit=above, stop_loss=below).all
            self.families.append(
                Family(made[0].order_id, ((made[1].order_id, made[2].order_id),), moves=False)
            )
            return
        pairs = [ExitPair(4, above, below), ExitPair(6, above + 5, below)]
        out = self.engine.submit_scale_out(STOCK, entry, pairs, break_even=EVEN)
        groups = tuple((target.order_id, stop.order_id) for target, stop in out.pairs)
        self.families.append(Family(out.parent.order_id, groups, moves=True))

    def some_order(self) -> int | None:
        known = [id_ for family in self.families for pair in family.groups for id_ in (*pair, family.parent)]
        return self.chance.choice(known) if known else None

    def cancel(self) -> None:
        if (order_id := self.some_order()) is not None:
            self.engine.cancel_order(order_id)

    def kill(self) -> None:
        """The broker ends an order; now and then while nobody listens."""
        order_id = self.some_order()
        if order_id is None:
            return
        if self.chance.random() < 0.5:
            for line in tuple(self.world.lines):
                line.close()
        try:
            self.gateway.kill(order_id, "the broker's whim")
        except IbkrError:
            return  # it has ended already

    def fill_part(self) -> None:
        order_id = self.some_order()
        if order_id is None:
            return
        try:
            self.gateway.fill(order_id, quantity=self.chance.randint(1, 3), price=self.price)
        except IbkrError:
            return  # it has ended, or is held

    def move(self) -> None:
        self.quote(D(self.chance.randint(-4, 4)))

    def crash(self) -> None:
        self.world.kill_engine()
        self.move()
        self.gateway.run(1)
        self.start()

    def live(self, steps: int) -> None:
        acts: list[tuple[Callable[[], None], int]] = [
            (self.enter, 3),
            (self.move, 4),
            (self.cancel, 2),
            (self.kill, 1),
            (self.fill_part, 2),
            (self.crash, 1),
        ]
        for _ in range(steps):
            (act,) = self.chance.choices([one for one, _ in acts], [weight for _, weight in acts])
            with contextlib.suppress(IbkrError):  # not connected just now, or the order has ended
                act()
            self.world.run(self.chance.choice([0.01, 0.5, 3]))
        self.world.run(60)

    # ── what is true ────────────────────────────────────────────────────────────────────────────

    def books(self, order_id: int) -> tuple[Decimal, Decimal]:
        """Filled, and what would still fill, by the gateway."""
        try:
            one = self.gateway.books().order(order_id)
        except IbkrError:
            return D(0), D(0)
        is_live = one.status in {"PreSubmitted", "Submitted"}
        return one.filled, one.remaining if is_live else D(0)

    def open(self, family: Family) -> Decimal:
        """What an entry has open, by the gateway's books."""
        return self.books(family.parent)[0] - sum(
            self.books(id_)[0] for pair in family.groups for id_ in pair
        )

    def missing(self) -> dict[int, Decimal]:
        """What each entry has open that no working stop would close, by the gateway's books alone."""
        found: dict[int, Decimal] = {}
        for family in self.families:
            _, still = self.books(family.parent)
            # Exits wait until the entry is completely filled (the gateway's rule, TWS facts 9.)
            covered = D(0) if still else sum(self.books(stop)[1] for _, stop in family.groups)
            lack = self.open(family) - covered
            if self.open(family) > 0 and lack > 0:
                found[family.parent] = lack
        return found


@pytest.mark.parametrize("seed", SEEDS)
def test_the_alarm_and_the_gateways_books_agree(seed: int, tmp_path: Path) -> None:
    """Cancels, whims of the broker, parts, gaps, kill -9: in the end both say the same is without a stop.

    And that it was told, and no stop of a scale-out stands where it could still lose after its target.
    """
    life = Life(seed, tmp_path / "j.db")
    life.live(60)
    wanted = life.missing()
    engine = life.engine
    assert {cover.parent.order_id: cover.missing for cover in engine.unprotected()} == wanted
    told = {one.order_id for one in life.heard if isinstance(one, events.PositionUnprotected)}
    assert wanted.keys() <= told
    for family in life.families:
        entry = engine.order(family.parent)
        taken = [engine.order(target).status is S.FILLED for target, _ in family.groups]
        for _, stop_id in family.groups:
            stop = engine.order(stop_id)
            if family.moves and any(taken) and stop.is_working:
                assert stop.order is not None
                assert stop.order.aux_price is not None
                assert entry.avg_fill_price is not None
                assert stop.order.aux_price >= entry.avg_fill_price
    life.world.stop_engine()


def test_lives_are_as_eventful_as_they_say(tmp_path: Path) -> None:
    """Alarms, ends of alarms, moved stops, crashes: all of them happen, else a pass would prove nothing."""
    lives = []
    for seed in (1, 2, 3):
        life = Life(seed, tmp_path / f"{seed}.db")
        life.live(60)
        lives.append(life)
        life.world.stop_engine()
    heard = [event for life in lives for event in life.heard]
    for kind in (events.PositionUnprotected, events.PositionProtected, events.OrderModified):
        assert any(isinstance(event, kind) for event in heard), kind
    assert sum(life.world.crashes for life in lives) > 0
    assert any(life.missing() for life in lives)
    assert any(
        life.open(family) and family.parent not in life.missing()
        for life in lives
        for family in life.families
    )
