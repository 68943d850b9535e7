"""One seed, one life: a trader with random wishes, a gateway with random faults, a program that is killed."""

from __future__ import annotations

import random
import tempfile
from decimal import Decimal
from pathlib import Path

import attrs

from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.gateway import Choreography, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.core import supported_versions
from ibkr_core.gateway.faults import FaultPlan
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.testing.simulation.auditor import Finding, audit, audit_holdings
from ibkr_core.testing.simulation.rebuilding import compare_with_journal
from ibkr_core.testing.simulation.world import Killed, World

__all__ = ["Outcome", "Scenario", "play"]

_SYMBOLS = ("AAPL", "MSFT", "SPY")
_VERSIONS = (157, 176, 200, 201, 203, 213, 223, 225)
_REST_ROUNDS = 40
_REST_S = 15.0
_LEAST_ROUNDS = 600
_ROUNDS_PER_ORDER = 20
"""An engine that never gets ready again must be found out, not waited for."""


@attrs.frozen(kw_only=True)
class Scenario:
    """What a life is like.

    Attributes:
        seed: Decides everything.
        orders: How many orders are wished for.
        intensity: How nasty the gateway is, from 0 to 1.
        kills: Probability that a send kills the program, just before or just after it.
        breaks: Probability that a send breaks the connection halfway.
        restarts: Probability, at each wish, that the gateway restarts.
    """

    seed: int
    orders: int = 50
    intensity: float = 0.5
    kills: float = 0.01
    breaks: float = 0.005
    restarts: float = 0.005


@attrs.frozen
class Outcome:
    """How a life ended.

    Attributes:
        seed: Its seed.
        findings: What must not be; empty for a life without fault.
        orders: Orders that the gateway got.
        executions: Fills that it booked.
        faults: Faults that struck.
        crashes: How often the program was killed.
        gaps: How often the connection was lost.
    """

    seed: int
    findings: tuple[Finding, ...]
    orders: int
    executions: int
    faults: int
    crashes: int
    gaps: int


@attrs.define
class _Diary:
    """What the trader did, kept outside of everything that can be killed."""

    wanted: dict[str, bool] = attrs.Factory(dict)
    gaps: int = 0
    failures: list[str] = attrs.Factory(list)

    def note(self, event: events.Event) -> None:
        """Take an event of an engine."""
        if isinstance(event, events.ConnectionLost):
            self.gaps += 1
        elif isinstance(event, events.CallbackFailed):
            self.failures.append(event.error)


def play(scenario: Scenario, folder: Path | None = None) -> Outcome:
    """Play one life to its end, and audit it.

    Args:
        scenario: What it is like.
        folder: Where its journal lies; a temporary one where it is not given.
    """
    if folder is not None:
        return _play(scenario, folder)
    with tempfile.TemporaryDirectory(prefix="ibkr-simulation-") as made:
        return _play(scenario, Path(made))


def _play(scenario: Scenario, folder: Path) -> Outcome:
    chance = random.Random(f"trader {scenario.seed}")  # noqa: S311 - a simulation is no secret
    clock = ManualClock()
    newest = chance.choice([v for v in _VERSIONS if v in supported_versions()])
    gateway = MemoryGateway(
        clock=clock,
        seed=scenario.seed,
        versions=range(142, newest + 1),
        settings=Settings(
            market=MarketSettings(interval_s=1.0, depth=3),
            choreography=Choreography(work_delay_s=(0.001, 2.0)),
        ),
        faults=FaultPlan.nasty(scenario.intensity),
    )
    world = World(
        gateway,
        clock,
        seed=scenario.seed,
        journal_path=folder / "journal.db",
        settings=EngineSettings(
            seed=scenario.seed,
            reconnect=Backoff(first_s=0.5, longest_s=5.0),
            max_active_orders=None,
            recheck_s=120.0,
            # Some lives pack orders at once, some later, some never; some make checkpoints all the time.
            slim_after_s=chance.choice((0.0, 5.0, 300.0, None)),
            checkpoint_inputs=chance.choice((0, 3, 40)),
        ),
    )
    diary = _Diary()
    trader = _Trader(world, chance, scenario, diary)
    trader.live()
    engine = trader.come_to_rest()
    findings = list(
        audit(engine.orders(), gateway.books(), client_id=1, wanted=diary.wanted) if engine else ()
    )
    if engine is not None and engine.is_ready:
        held = engine.portfolio.using("average").positions(flat=True)
        findings += audit_holdings(held, gateway.books())
    findings += [Finding("-", f"something failed inside the engine: {what}") for what in diary.failures]
    if engine is not None and not engine.is_ready:
        findings.append(Finding("-", f"not ready at the end: {engine.state.value}, {engine.state_reason}"))
    books = gateway.books()
    world.stop_engine()
    if engine is not None:
        findings += compare_with_journal(
            world.journal_path, engine.orders(), client_id=1, settings=world.settings
        )
    return Outcome(
        scenario.seed,
        tuple(findings),
        len(books.orders),
        len(books.executions),
        len(gateway.injected()),
        world.crashes,
        diary.gaps,
    )


class _Trader:
    def __init__(self, world: World, chance: random.Random, scenario: Scenario, diary: _Diary) -> None:
        self._world = world
        self._chance = chance
        self._scenario = scenario
        self._diary = diary
        self._number = 0
        self._given: dict[str, tuple[Contract, Order]] = {}

    # ── life ────────────────────────────────────────────────────────────────────────────────────

    def live(self) -> None:
        """Wish for this and that, until all wishes are spent, or for long enough."""
        world, scenario = self._world, self._scenario
        self._start()
        world.kills, world.send_breaks = scenario.kills, scenario.breaks
        for _ in range(_LEAST_ROUNDS + _ROUNDS_PER_ORDER * scenario.orders):
            if self._number >= scenario.orders:
                break
            try:
                world.run(self._chance.expovariate(1.0))
                if self._chance.random() < scenario.restarts:
                    world.gateway.restart(self._chance.uniform(1.0, 20.0))
                self._wish()
            except Killed:
                self._restart()
        world.kills = world.send_breaks = 0.0

    def _start(self) -> Engine:
        return self._world.start_engine(
            lambda engine: engine.on(events.Event, self._diary.note, Delivery.INLINE)
        )

    def _prepare(self, engine: Engine) -> None:
        engine.on(events.Event, self._diary.note, Delivery.INLINE)

    def _restart(self) -> None:
        self._world.kill_engine()
        kills, self._world.kills = self._world.kills, 0.0
        self._world.run(self._chance.uniform(0.0, 3.0))
        self._world.kills = kills
        self._start()

    def come_to_rest(self) -> Engine | None:
        """Let everything settle with no new fault, and return the engine as it stands then."""
        world = self._world
        world.gateway.end_faults()
        if world.engine is None:
            self._start()
        if world.engine is not None:
            # What was withheld about an order that has ended comes to light with the next look at everything.
            world.run(world.engine.settings.recheck_s + _REST_S)
        for _ in range(_REST_ROUNDS):
            world.run(_REST_S)
            engine = world.engine
            if engine is not None and engine.is_ready and self._is_at_rest(engine):
                return engine
        return world.engine

    def _is_at_rest(self, engine: Engine) -> bool:
        return not any(
            record.pending or record.status is OrderStatus.UNKNOWN for record in engine.active_orders()
        ) and all(not record.unexplained_quantity for record in engine.orders())

    # ── wishes ──────────────────────────────────────────────────────────────────────────────────

    def _wish(self) -> None:
        engine = self._world.engine
        if engine is None or not engine.is_ready:
            return
        wish = self._chance.choices(
            (self._new, self._bracket, self._oca, self._modify, self._cancel, self._again), (8, 1, 1, 3, 3, 1)
        )[0]
        try:
            wish(engine)
        except IbkrError:
            return  # refused, or in doubt: the audit tells whether the engine knows which

    def _key(self) -> str:
        self._number += 1
        return f"wish-{self._number}"

    def _order(self, contract: Contract, key: str) -> Order:
        chance = self._chance
        quote = self._world.gateway.market(contract.symbol).quote
        bid, ask = Decimal(quote.bid or 100), Decimal(quote.ask or 101)
        side = chance.choice(("BUY", "SELL"))
        quantity = chance.choice((1, 10, 100, 300))
        offset = Decimal(chance.randrange(-50, 51)) / 100
        tif = chance.choice(("DAY", "DAY", "GTC", "IOC"))
        kind = chance.randrange(3)
        if kind == 0:
            return Order.market(side, quantity, order_ref=key)
        if kind == 1:
            price = (bid if side == "BUY" else ask) + offset
            return Order.limit(side, quantity, str(price), tif=tif, order_ref=key)
        stop = ask + abs(offset) if side == "BUY" else bid - abs(offset)
        return Order.stop(side, quantity, str(stop), order_ref=key)

    def _new(self, engine: Engine) -> None:
        contract = Contract.stock(self._chance.choice(_SYMBOLS))
        key = self._key()
        order = self._order(contract, key)
        self._given[key] = (contract, order)
        self._diary.wanted[key] = False
        engine.submit(contract, order, key=key)
        self._diary.wanted[key] = True

    def _bracket(self, engine: Engine) -> None:
        contract = Contract.stock(self._chance.choice(_SYMBOLS))
        quote = self._world.gateway.market(contract.symbol).quote
        bid = Decimal(quote.bid or 100)
        keys = [self._key() for _ in range(3)]
        self._diary.wanted.update(dict.fromkeys(keys, False))
        engine.submit_bracket(
            contract,
            Order.limit("BUY", 10, str(bid), order_ref=keys[0]),
            take_profit=Order.limit("SELL", 10, str(bid + 1), order_ref=keys[1]),
            stop_loss=Order.stop("SELL", 10, str(bid - 1), order_ref=keys[2]),
        )
        self._diary.wanted.update(dict.fromkeys(keys, True))

    def _oca(self, engine: Engine) -> None:
        contract = Contract.stock(self._chance.choice(_SYMBOLS))
        keys = [self._key() for _ in range(2)]
        orders = [(contract, self._order(contract, key)) for key in keys]
        self._diary.wanted.update(dict.fromkeys(keys, False))
        engine.submit_oca(orders, group=f"group-{keys[0]}", oca_type=self._chance.choice((1, 2)))
        self._diary.wanted.update(dict.fromkeys(keys, True))

    def _modify(self, engine: Engine) -> None:
        working = [r for r in engine.active_orders() if r.order is not None and r.limit_price is not None]
        if working:
            record = self._chance.choice(working)
            step = Decimal(self._chance.randrange(-20, 21)) / 100
            engine.modify(record.order_id, limit_price=str((record.limit_price or Decimal(1)) + step))

    def _cancel(self, engine: Engine) -> None:
        working = engine.active_orders()
        if working:
            engine.cancel(self._chance.choice(working).order_id)

    def _again(self, engine: Engine) -> None:
        """Submit an order with a key that was used before, as a program does that lost track."""
        if self._given:
            key = self._chance.choice(sorted(self._given))
            contract, order = self._given[key]
            engine.submit(contract, order, key=key)
            self._diary.wanted[key] = True
