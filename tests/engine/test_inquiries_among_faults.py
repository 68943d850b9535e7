"""Questions among faults, in seeded lives: each ends as it should, true or with a typed error."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import ConnectionFailed, InquiryFailed, SendFailed, UnknownContract, WaitTimeout
from ibkr_core.gateway import Choreography, FaultPlan, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.core import supported_versions
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.testing.simulation import World

STOCK = Contract.stock("AAPL")
EXPECTED = (WaitTimeout, ConnectionFailed, InquiryFailed)
VERSIONS = [v for v in (157, 176, 200, 203, 225) if v in supported_versions()]
Ask = tuple[Callable[[Engine], object], Callable[[object], bool]]


def same(*wanted: object) -> Callable[[object], bool]:
    return lambda found: found in wanted


def unknown(engine: Engine) -> bool:
    with pytest.raises((UnknownContract, *EXPECTED)):
        engine.reference.qualify(Contract.stock("NOPE"), timeout_s=3)
    return True


ASKS: list[Ask] = [
    (lambda e: e.reference.qualify(STOCK, timeout_s=3).con_id, same(265598)),
    (lambda e: e.reference.market_rule(26, timeout_s=3).increment_at(5), same(Decimal("0.01"))),
    (lambda e: len(e.reference.option_chain(STOCK.replace(con_id=265598), timeout_s=3)), same(5)),
    (lambda e: e.reference.quote(STOCK, timeout_s=3).contract, same(STOCK)),
    (
        lambda e: e.reference.account_values(timeout_s=3).amount("NetLiquidation"),
        lambda found: found is not None,
    ),
    (lambda e: {held.contract.symbol for held in e.reference.positions(timeout_s=3)}, same(set(), {"AAPL"})),
    (lambda e: e.reference.profit_and_loss(timeout_s=3).account, same("DU1234567")),
    (lambda e: len(e.reference.search("AAPL", timeout_s=3)), same(1)),
    (lambda e: e.what_if(STOCK, Order.market("BUY", 1), timeout_s=3).margins.is_known, same(True)),
    (unknown, same(True)),
]


def life(seed: int, folder: Path, faults: FaultPlan) -> World:
    """A world in which everything can go wrong but the death of the program."""
    chance = random.Random(f"questions {seed}")  # noqa: S311 - a simulation is no secret
    clock = ManualClock()
    gateway = MemoryGateway(
        clock=clock,
        seed=seed,
        versions=range(142, chance.choice(VERSIONS) + 1),
        settings=Settings(market=MarketSettings(interval_s=1.0, depth=3), choreography=Choreography()),
        faults=faults,
    )
    settings = EngineSettings(
        seed=seed, reconnect=Backoff(first_s=0.5, longest_s=5.0), max_active_orders=None
    )
    world = World(gateway, clock, seed=seed, journal_path=folder / "journal.db", settings=settings)
    world.send_breaks = 0.02
    return world


@pytest.mark.parametrize("answers", [False, True], ids=["true-answers", "struck-answers"])
@pytest.mark.parametrize("seed", range(4))
def test_every_question_ends(seed: int, answers: bool, tmp_path: Path) -> None:
    """In time, with the truth where answers come whole, and with nothing left behind at either side."""
    plan = attrs.evolve(FaultPlan.nasty(0.5), answers=answers)
    world = life(seed, tmp_path, plan)
    chance = random.Random(f"asks {seed}")  # noqa: S311 - a simulation is no secret
    engine = world.start_engine(lambda _: None)
    world.run(10.0)
    answered = 0
    for _ in range(40):
        ask, is_true = chance.choice(ASKS)
        if chance.random() < 0.3 and engine.is_ready:
            with contextlib.suppress(ConnectionFailed, SendFailed):
                engine.submit(STOCK, Order.market("BUY", 1), allow_duplicate=True)
        began = world.clock()
        try:
            found = ask(engine)
        except EXPECTED:
            pass
        else:
            answered += 1
            assert answers or is_true(found), f"seed {seed}: {found!r}"
        assert world.clock() - began < 7  # two questions of three seconds at most
        world.run(chance.uniform(0.0, 4.0))
    assert answered > 5
    world.run(10.0)
    inquiries = engine._works.inquiries
    assert inquiries.count == 0
    assert inquiries.awaited == set()
    world.stop_engine()
