"""An engine without threads, on the in-memory gateway with a clock by hand: calls that wait do the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_core.collectors import DetailsCollector, FamilyCollector
from ibkr_core.engine import Engine
from ibkr_core.errors import ConnectionFailed, EngineClosed, UnknownContract, WaitTimeout, WouldDeadlock
from ibkr_core.gateway import Choreography, FaultPlan, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.link.convert import contract_to_official
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation import World

STOCK = Contract.stock("AAPL")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world in which prices stand still and nothing goes wrong."""
    clock = ManualClock()
    gateway = MemoryGateway(
        clock=clock,
        settings=Settings(market=MarketSettings(moves=False), choreography=Choreography.plain()),
        faults=FaultPlan.none(),
    )
    world = World(
        gateway, clock, seed=1, journal_path=tmp_path / "orders.db", settings=EngineSettings(reconnect=None)
    )
    yield world
    world.stop_engine()


@pytest.fixture
def engine(world: World) -> Engine:
    """Its engine, ready."""
    engine = world.start_engine(lambda _: None)
    world.run(5.0)
    assert engine.is_ready
    return engine


def test_everything_is_answered(engine: Engine, world: World) -> None:
    """Time passes only as far as the answers need it."""
    began = world.clock()
    world.gateway.market("AAPL").set_quote(bid="100.00", ask="100.01", last="100.01")
    reference = engine.reference
    qualified = reference.qualify(STOCK)
    assert qualified.con_id == 265598
    assert reference.quote(qualified).midpoint == Decimal("100.005")
    assert reference.option_chain(qualified)
    assert reference.price_rule(qualified).is_valid("100.01")
    assert reference.positions() == ()
    assert reference.account_values().amount("NetLiquidation") == 1_000_000
    assert reference.profit_and_loss().realized == 0
    assert reference.search("AAPL")
    assert reference.family_codes()
    assert abs(reference.server_time().timestamp() - world.clock()) < 1
    assert engine.what_if(STOCK, Order.limit("BUY", 10, "100")).margins.is_known
    assert engine.check_order(STOCK, Order.limit("BUY", 10, "100"), allow_closed=True).rule is not None
    assert world.clock() - began < 2
    world.run(1.0)  # what runs on at the broker is stopped
    assert engine._works.inquiries.count == 0


def test_a_ticket_can_be_waited_for(engine: Engine) -> None:
    """An order fills while its owner waits for it."""
    record = engine.submit(STOCK, Order.market("BUY", 10)).wait(timeout_s=10)
    assert record.status is OrderStatus.FILLED
    assert record.filled_quantity == 10
    assert [held.quantity for held in engine.reference.positions()] == [10]


def test_deadlines_are_those_of_the_clock(engine: Engine, world: World) -> None:
    """Nobody waits a minute of real time for them."""
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "1"))
    began = world.clock()
    with pytest.raises(WaitTimeout):
        ticket.wait(timeout_s=60)
    assert world.clock() - began == pytest.approx(60)
    world.gateway.outlet = lambda *_: ()
    with pytest.raises(WaitTimeout, match="no answer within 3 s"):
        engine.reference.contract_details(STOCK, timeout_s=3)
    assert world.clock() - began == pytest.approx(63)


def test_questions_wait_behind_orders_and_are_never_sent_late(tmp_path: Path) -> None:
    """Where the pace is short an order overtakes them; one whose time ran out before it left never leaves."""
    clock = ManualClock()
    arrived: list[str] = []
    gateway = MemoryGateway(clock=clock, settings=Settings(market=MarketSettings(moves=False)))
    gateway.watcher = lambda _, __, message: arrived.append(message.kind if message is not None else "")
    settings = EngineSettings(reconnect=None, messages_per_second=5)
    world = World(gateway, clock, seed=1, journal_path=tmp_path / "pace.db", settings=settings)
    engine = world.start_engine(lambda _: None)
    world.run(10.0)
    arrived.clear()
    official = contract_to_official(STOCK)
    asked = [
        engine._works.inquiries.ask(
            lambda client, number: client.reqContractDetails(number, official),
            DetailsCollector(),
            2.0,
            what="details",
        )
        for _ in range(20)
    ]
    engine.submit(STOCK, Order.limit("BUY", 10, "1"))
    world.run(20.0)
    outcomes = [future.exception(0) for future in asked]
    in_time = [error for error in outcomes if error is None]
    assert 5 < len(in_time) < 20
    assert all(isinstance(error, WaitTimeout) for error in outcomes if error is not None)
    sent = [kind for kind in arrived if kind in ("reqContractDetails", "placeOrder")]
    assert sent.index("placeOrder") == 5
    assert len(sent) - 1 <= len(in_time) + 1  # one may be on its way when its time runs out
    assert engine._works.inquiries.count == 0
    world.stop_engine()


def test_refusals_are_raised(engine: Engine) -> None:
    """As over TCP."""
    with pytest.raises(UnknownContract):
        engine.reference.qualify(Contract.stock("NOPE"))


def test_a_lost_connection_ends_the_wait(engine: Engine, world: World) -> None:
    """At its moment, not at the deadline."""
    world.gateway.outlet = lambda *_: ()
    [line] = world.lines
    world.later(1.0, line.close)
    began = world.clock()
    with pytest.raises(ConnectionFailed):
        engine.reference.quote(STOCK, timeout_s=60)
    assert world.clock() - began < 5


def test_a_close_ends_questions_at_once(engine: Engine) -> None:
    """Before anybody turns the clock."""
    future = engine._works.inquiries.ask(
        lambda client, _: client.reqFamilyCodes(), FamilyCollector(), 5.0, what="families"
    )
    engine.close()
    assert isinstance(future.exception(0), EngineClosed)


@pytest.mark.parametrize(
    "act",
    [
        lambda engine: engine.reference.quote(STOCK),
        lambda engine: engine.what_if(STOCK, Order.market("BUY", 1)),
        lambda engine: engine.ticket(engine.orders()[0].order_id).wait(),
    ],
)
def test_what_happens_on_the_way_must_not_wait(
    act: Callable[[Engine], object], engine: Engine, world: World
) -> None:
    """The work is being done already; waiting inside it would turn time twice."""
    raised: list[BaseException] = []

    def listen(_: events.Event) -> None:
        try:
            act(engine)
        except WouldDeadlock as error:
            raised.append(error)

    engine.on(events.OrderFilled, listen, Delivery.INLINE)
    engine.submit(STOCK, Order.market("BUY", 10)).wait(timeout_s=10)
    assert raised
    world.run(1.0)


def test_what_never_comes_does_not_hang(engine: Engine, world: World) -> None:
    """Where nothing is left to happen, a wait without a limit ends too."""
    from concurrent.futures import Future

    world.stop_engine()
    world.engine = None
    with pytest.raises(WaitTimeout):
        engine.wait_for(Future(), timeout_s=None)
