"""``engine.portfolio`` against the gateway's own books: they never share a line of code."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidContract, InvalidInput, UnknownOrder
from ibkr_core.gateway import (
    Advisor,
    AdvisorGroup,
    Choreography,
    FaultPlan,
    ManualClock,
    MarketSettings,
    MemoryGateway,
    Settings,
)
from ibkr_core.gateway.account import Account
from ibkr_core.gateway.account import Position as Held
from ibkr_core.model import events
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.holding import Holding
from ibkr_core.model.order import Order
from ibkr_core.testing.simulation import World
from tests.engine.rig import STOCK, UNLIMITED, WAIT, Connect, Log, Serve, WatchedGateway, settle

D = Decimal
NEAR = D("0.0000001")
"""Both sides round an average to ten decimals, each at its own place."""
TWO = Settings(
    accounts=("DU1", "DU2"),
    market=MarketSettings(moves=False),
    choreography=Choreography.plain(),
    cash=D(10**9),
)


def filled(engine: Engine, contract: Contract, side: str, quantity: object, **fields: Any) -> Any:
    """Trade at the market, and wait for the executions and their commissions."""
    ticket = engine.submit(contract, Order.market(side, quantity, **fields))  # type: ignore[arg-type]
    ticket.wait(**WAIT)
    settle(engine)
    return ticket


def trade_at(gateway: WatchedGateway, engine: Engine, side: str, quantity: object, price: str) -> Any:
    """Trade the stock at a price."""
    bid = D(price) - D("0.01") if side == "BUY" else D(price)
    gateway.market("AAPL").set_quote(bid=bid, ask=bid + D("0.01"))
    return filled(engine, STOCK, side, quantity)


def accounts_of(gateway: WatchedGateway) -> dict[str, Account]:
    """The gateway's books with what is flat, which its snapshot leaves out."""
    return gateway._access(lambda venue: venue.accounts)


def agree(ours: Holding, theirs: Held) -> None:
    """Hold one holding, by average cost, against the gateway's own."""
    assert ours.quantity == theirs.quantity
    assert abs(ours.cost - theirs.cost) < NEAR
    assert abs(ours.realised[ours.currency] - theirs.realized) < NEAR
    assert ours.awaited_fees == ours.unknown_quantity == ours.unpriced_quantity == 0
    if theirs.quantity:
        assert ours.average_cost is not None
        assert abs(ours.average_cost - theirs.average_cost) < NEAR


# ── against the gateway's books ─────────────────────────────────────────────────────────────────


@pytest.mark.matrix
def test_buying_selling_and_flipping(engine: Engine, gateway: WatchedGateway) -> None:
    """Through zero and back: position, average cost and profit are the gateway's after every fill."""
    by_average = engine.portfolio.using("average")
    for side, quantity, price in [
        ("BUY", 100, "100"),
        ("BUY", 50, "103"),
        ("SELL", 60, "104"),
        ("SELL", 150, "101"),
        ("BUY", 30, "99"),
        ("BUY", 30, "98"),
    ]:
        trade_at(gateway, engine, side, quantity, price)
        agree(by_average.position(STOCK), accounts_of(gateway)["DU1234567"].positions[0])
    assert engine.portfolio.position(STOCK).is_flat
    assert engine.portfolio.positions() == ()
    (flat,) = engine.portfolio.positions(flat=True)
    assert flat.contract.con_id == 265598
    assert engine.portfolio.check(**WAIT) == ()


def test_first_in_first_out_tells_another_profit(engine: Engine, gateway: WatchedGateway) -> None:
    """The first hundred were bought at 100, the second at 110; half is sold at 120."""
    for side, quantity, price in [("BUY", 100, "100"), ("BUY", 100, "110"), ("SELL", 100, "120")]:
        trade_at(gateway, engine, side, quantity, price)
    first_in, average = engine.portfolio, engine.portfolio.using("average")
    assert first_in.position(STOCK).gross == 2000
    assert average.position(STOCK).gross == 1500
    assert [(lot.quantity, lot.price) for lot in first_in.lots(STOCK)] == [(100, 110)]
    assert first_in.method == "fifo"
    # What one counts as earned the other counts as still to be earned.
    for price in ("90", "130"):
        totals = {
            one.realised()["USD"] + one.unrealised({265598: price})["USD"] for one in (first_in, average)
        }
        assert max(totals) - min(totals) < NEAR


def test_commissions_are_those_of_the_gateway(engine: Engine, gateway: WatchedGateway) -> None:
    """Each report counts once, however often it comes."""
    for side in ("BUY", "SELL", "BUY"):
        trade_at(gateway, engine, side, 500, "100")
    engine.client.reqExecutions(engine.next_request_id(), _everything())
    settle(engine)
    paid = sum((order.commission for order in gateway.books().orders), D(0))
    assert engine.portfolio.commissions()["USD"] == paid > 0
    assert engine.portfolio.commissions().is_complete


def _everything() -> Any:
    from ibapi.execution import ExecutionFilter

    return ExecutionFilter()


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_an_hour_of_trading_several_things(seed: int, serve: Serve, connect: Connect) -> None:
    """Stocks, options and futures in two accounts, partial fills, corrections and busts, all told wildly."""
    wild = Choreography(
        duplicates=0.5, commission_delay_s=(0.0, 20.0), statuses_first=0.3, work_delay_s=(0.0, 2.0)
    )
    settings = Settings(accounts=("DU1", "DU2"), cash=D(10**9), choreography=wild)
    gateway = serve(seed=seed, clock=ManualClock(), settings=settings)
    engine = connect(gateway, settings=UNLIMITED)
    chance = random.Random(seed)  # noqa: S311 - a test, not a secret
    traded = [STOCK, Contract.stock("MSFT"), Contract.stock("SPY"), option(gateway), future(gateway)]
    for _ in range(80):
        order = Order.market(
            chance.choice(["BUY", "SELL"]), chance.randint(1, 40), account=chance.choice(["DU1", "DU2"])
        )
        engine.submit(chance.choice(traded), order, allow_duplicate=True)
        settle(engine)
        gateway.run(chance.uniform(0, 5))
        executions = gateway.books().executions
        if executions and chance.random() < 0.2:
            one = chance.choice(executions)
            gateway.correct_execution(one.exec_id, price=one.price + D("0.25"))
        elif executions and chance.random() < 0.05:
            gateway.bust_execution(chance.choice(executions).exec_id)
        if chance.random() < 0.3:
            engine.portfolio.positions()
            engine.portfolio.using("average").realised()
    gateway.run(60)
    settle(engine)
    compared = 0
    for code, account in accounts_of(gateway).items():
        for theirs in account.positions:
            by_id = Contract(con_id=theirs.instrument.con_id)
            agree(engine.portfolio.using("average").position(by_id, code), theirs)
            assert engine.portfolio.position(by_id, code).quantity == theirs.quantity
            compared += 1
    assert compared >= 6
    assert engine.portfolio.check(**WAIT) == ()


def option(gateway: WatchedGateway) -> Contract:
    """A call on AAPL that the gateway knows."""
    (found,) = gateway._access(
        lambda venue: [one for one in venue.catalogue if one.sec_type == "OPT" and one.symbol == "AAPL"][:1]
    )
    return Contract.by_con_id(found.con_id)


def future(gateway: WatchedGateway) -> Contract:
    """A future that the gateway knows."""
    (found,) = gateway._access(lambda venue: [one for one in venue.catalogue if one.sec_type == "FUT"][:1])
    return Contract.by_con_id(found.con_id, found.exchanges[0])


def test_a_combo_is_held_by_its_legs(engine: Engine, gateway: WatchedGateway) -> None:
    """The combo's own line moves nothing; each leg is a holding, and the gateway's books agree."""
    legs = gateway._access(lambda venue: [one for one in venue.catalogue if one.sec_type == "OPT"][:2])
    combo = Contract.combo(
        legs[0].symbol, [ComboLeg(legs[0].con_id, ratio=1), ComboLeg(legs[1].con_id, ratio=2, action="SELL")]
    )
    filled(engine, combo, "BUY", 3)
    by_average = engine.portfolio.using("average")
    held = {one.contract.con_id: one for one in by_average.positions()}
    assert {con_id: one.quantity for con_id, one in held.items()} == {legs[0].con_id: 3, legs[1].con_id: -6}
    for theirs in accounts_of(gateway)["DU1234567"].positions:
        agree(held[theirs.instrument.con_id], theirs)
    with pytest.raises(InvalidContract, match="legs"):
        engine.portfolio.position(combo)
    assert engine.portfolio.check(**WAIT) == ()


# ── what our fills do not explain ───────────────────────────────────────────────────────────────


def held_before(gateway: WatchedGateway, symbol: str, quantity: int, *, cost: int, fees: int) -> None:
    """Let the account have a position of yesterday."""

    def give(venue: Any) -> None:
        (instrument,) = [one for one in venue.catalogue if one.symbol == symbol and one.sec_type == "STK"]
        account = venue.accounts["DU1234567"]
        held = Held(instrument=instrument, quantity=D(quantity), cost=D(cost), fees=D(fees))
        account.rebase(account.cash, [held])

    gateway._access(give)


def test_what_was_held_before_us_costs_what_the_broker_says(serve: Serve, connect: Connect) -> None:
    """Yesterday's position: sold by us today, the profit counts from the broker's average cost."""
    gateway = serve()
    held_before(gateway, "AAPL", 100, cost=9000, fees=1)
    engine = connect(gateway, 2)
    held = engine.portfolio.position(STOCK)
    theirs = accounts_of(gateway)["DU1234567"].positions[0]
    assert (held.quantity, held.unknown_quantity) == (100, 0)
    assert held.average_cost is not None
    assert abs(held.average_cost - theirs.average_cost) < NEAR
    trade_at(gateway, engine, "SELL", 40, "95")
    theirs = accounts_of(gateway)["DU1234567"].positions[0]
    held = engine.portfolio.position(STOCK)
    assert held.quantity == 60
    # The broker's average cost has its commission in it, ours has it in the cost then: the profit is one.
    assert abs(held.realised["USD"] - theirs.realized) < D("0.0001")
    assert engine.portfolio.check(**WAIT) == ()


def test_fills_of_today_are_taken_back_out_of_the_brokers_average(serve: Serve, connect: Connect) -> None:
    """Another client's position of yesterday and its fills of today: the base is what it was without them."""
    gateway = serve()
    held_before(gateway, "AAPL", 100, cost=9000, fees=1)
    other = connect(gateway, 1)
    trade_at(gateway, other, "BUY", 50, "99")
    trade_at(gateway, other, "SELL", 30, "100")
    engine = connect(gateway, 2)
    held = engine.portfolio.using("average").position(STOCK)
    theirs = accounts_of(gateway)["DU1234567"].positions[0]
    assert held.quantity == 120
    assert held.average_cost is not None
    assert abs(held.average_cost - theirs.average_cost) < D("0.000001")
    first, second = engine.portfolio.lots(STOCK)
    assert (first.quantity, first.opened, first.exec_id) == (70, None, "")
    assert first.price is not None
    assert abs(first.price - D("90.01")) < D("0.001")  # with its commission of a cent a share
    assert (second.quantity, second.price) == (50, 99)


def test_a_trade_by_hand_is_told_and_counts(engine: Engine, gateway: WatchedGateway) -> None:
    """Somebody trades in the gateway's own window: the difference is told once, nothing is overwritten."""
    log = Log(engine, events.PositionDiffers)
    trade_at(gateway, engine, "BUY", 100, "100")
    gateway.place_by_hand("AAPL", "BUY", 5)
    (difference,) = engine.portfolio.check(**WAIT)
    assert (difference.expected, difference.told) == (100, 105)
    told = log.wait(events.PositionDiffers)
    assert (told.contract.symbol, told.expected, told.told) == ("AAPL", 100, 105)
    assert engine.portfolio.check(**WAIT) == (difference,)
    assert len(log.of(events.PositionDiffers)) == 1
    assert engine.portfolio.position(STOCK).quantity == 100


def test_an_expired_option_is_gone_and_no_profit_is_made_up(serve: Serve, connect: Connect) -> None:
    """It left by no fill, and nobody tells a price: what was paid for it is told to be missing."""
    gateway = serve()
    engine = connect(gateway)
    contract = option(gateway)
    filled(engine, contract, "BUY", 2)
    log = Log(engine, events.PositionDiffers)
    gateway._access(lambda venue: take_away(venue.accounts["DU1234567"], contract.con_id))
    reconnect(gateway, engine)
    log.wait(events.PositionDiffers)
    held = engine.portfolio.position(contract)
    assert (held.quantity, held.unpriced_quantity, held.gross) == (0, 2, 0)
    assert engine.portfolio.realised().missing == (held.contract,)
    assert engine.portfolio.check(**WAIT) == ()


def test_an_assigned_option_brings_what_it_is_on(serve: Serve, connect: Connect) -> None:
    """The option leaves without a price; the shares come at the cost that the broker tells, and stay."""
    gateway = serve()
    engine = connect(gateway)
    contract = option(gateway)
    filled(engine, contract, "BUY", 1)
    filled(engine, STOCK, "BUY", 50)
    held = engine.portfolio.using("average").position(STOCK)
    log = Log(engine, events.PositionDiffers)

    def exercise(venue: Any) -> None:
        account = venue.accounts["DU1234567"]
        take_away(account, contract.con_id)
        shares = next(one for one in account.positions if one.instrument.symbol == "AAPL")
        grown = attrs.evolve(shares, quantity=D(150), cost=shares.cost + D(9000))
        account.restore(account.cash, [grown])

    gateway._access(exercise)
    reconnect(gateway, engine)
    log.wait(events.PositionDiffers, count=2)
    now = engine.portfolio.using("average").position(STOCK)
    assert now.quantity == 150
    assert now.average_cost is not None
    assert abs(now.average_cost * 150 - (held.cost + held.fees["USD"] + 9000)) < D("0.0001")
    bought, assigned = engine.portfolio.lots(STOCK)
    assert (bought.quantity, assigned.quantity, assigned.exec_id) == (50, 100, "")
    assert assigned.opened is not None
    assert assigned.price is not None
    assert abs(assigned.price - 90) < D("0.000001")
    assert engine.portfolio.position(contract).is_flat
    assert engine.portfolio.check(**WAIT) == ()


def take_away(account: Account, con_id: int) -> None:
    """Let a position leave an account without an execution."""
    account.restore(account.cash, [one for one in account.positions if one.instrument.con_id != con_id])


def reconnect(gateway: WatchedGateway, engine: Engine) -> None:
    """Lose the connection, and wait until the new one knows everything."""
    log = Log(engine, events.Synchronised)
    engine.client.disconnect()
    log.wait(events.Synchronised)
    settle(engine)


# ── over time ───────────────────────────────────────────────────────────────────────────────────


def test_everything_is_there_after_a_restart(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """Rebuilt from the journal: the same holdings, also before the broker tells anything, and its bases."""
    gateway = serve()
    held_before(gateway, "MSFT", 7, cost=2800, fees=1)
    engine = connect(gateway, journal=tmp_path / "orders.db")
    trade_at(gateway, engine, "BUY", 100, "100")
    trade_at(gateway, engine, "SELL", 30, "101")
    filled(engine, Contract.stock("MSFT"), "SELL", 3)
    before = engine.portfolio.positions(flat=True)
    assert sorted(one.quantity for one in before) == [4, 70]
    engine.close()
    offline = Engine(1, journal=tmp_path / "orders.db")
    assert offline.portfolio.positions(flat=True) == before
    assert offline.portfolio.realised() == engine.portfolio.realised()
    offline.close()
    again = connect(gateway, journal=tmp_path / "orders.db")
    assert again.portfolio.positions(flat=True) == before
    assert again.portfolio.check(**WAIT) == ()


def test_a_fill_is_in_the_position_as_soon_as_the_order_knows_it(
    engine: Engine, gateway: WatchedGateway
) -> None:
    """Whoever waits for an order and then looks at the position sees its fills."""
    portfolio = engine.portfolio
    for count in range(1, 21):
        ticket = engine.submit(STOCK, Order.market("BUY", 1), allow_duplicate=True)
        record = ticket.wait(**WAIT)
        assert portfolio.position(STOCK).quantity >= count - 1 + sum(fill.quantity for fill in record.fills)


def test_a_correction_and_a_bust_are_followed(engine: Engine, gateway: WatchedGateway) -> None:
    """The exchange changes its mind, twice."""
    trade_at(gateway, engine, "BUY", 10, "100")
    (execution,) = gateway.books().executions
    gateway.correct_execution(execution.exec_id, price="99")
    settle(engine)
    assert engine.portfolio.position(STOCK).average_price == 99
    gateway.bust_execution(execution.exec_id)
    settle(engine)
    assert engine.portfolio.position(STOCK).is_flat


def test_many_threads_may_look_while_fills_come(engine: Engine, gateway: WatchedGateway) -> None:
    """Nothing is lost, nothing counts twice, and nobody waits for ever."""
    stop = threading.Event()
    seen: list[list[Decimal]] = [[], [], []]

    def look(quantities: list[Decimal]) -> None:
        while not stop.is_set():
            quantities.append(engine.portfolio.position(STOCK).quantity)

    threads = [threading.Thread(target=look, args=(one,)) for one in seen]
    for thread in threads:
        thread.start()
    for _ in range(15):
        engine.submit(STOCK, Order.market("BUY", 2), allow_duplicate=True).wait(**WAIT)
    stop.set()
    for thread in threads:
        thread.join()
    settle(engine)
    assert engine.portfolio.position(STOCK).quantity == 30
    assert all(one == sorted(one) for one in seen)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A gateway in memory with a clock by hand, and engines that have no thread."""
    clock = ManualClock()
    settings = Settings(market=MarketSettings(moves=False), choreography=Choreography.plain())
    gateway = MemoryGateway(clock=clock, settings=settings, faults=FaultPlan.none())
    made = World(gateway, clock, seed=1, journal_path=tmp_path / "orders.db", settings=UNLIMITED)
    yield made
    made.stop_engine()


def test_everything_works_without_threads(world: World) -> None:
    """In memory, with time that passes by hand: also what asks the broker, and what waits in between."""
    engine = world.start_engine(lambda _: None)
    world.run(5.0)
    world.gateway.market("AAPL").set_quote(bid="100.00", ask="100.01")
    for side in ("BUY", "BUY", "SELL"):
        engine.submit(STOCK, Order.market(side, 10), allow_duplicate=True).wait(**WAIT)
    world.run(1.0)
    portfolio = engine.portfolio
    assert (portfolio.position(STOCK).quantity, portfolio.position(STOCK).gross) == (10, D("-0.10"))
    assert portfolio.check() == ()
    (compared,) = portfolio.using("average").compare_profit()
    assert compared.difference is not None
    assert abs(compared.difference) <= D("0.01")
    world.gateway.place_by_hand("AAPL", "SELL", 3)
    (difference,) = portfolio.check()
    assert (difference.expected, difference.told) == (10, 7)
    before = portfolio.positions()
    world.stop_engine()
    engine = world.start_engine(lambda _: None)
    assert engine.portfolio.positions() == before


# ── money and accounts ──────────────────────────────────────────────────────────────────────────


def test_the_brokers_profit_is_ours(engine: Engine, gateway: WatchedGateway) -> None:
    """At the broker's own price, to the cent in which it tells it."""
    trade_at(gateway, engine, "BUY", 100, "100")
    filled(engine, option(gateway), "BUY", 2)
    gateway.market("AAPL").set_quote(bid="104.99", ask="105.01", last="105")
    compared = engine.portfolio.using("average").compare_profit(**WAIT)
    assert {one.holding.contract.sec_type for one in compared} == {"STK", "OPT"}
    for one in compared:
        assert one.price is not None
        assert one.difference is not None
        assert abs(one.difference) <= D("0.01")


def test_accounts_are_kept_apart_and_added_up(serve: Serve, connect: Connect) -> None:
    """By account, or all together; one that nobody knows is refused."""
    gateway = serve(settings=TWO)
    engine = connect(gateway)
    filled(engine, STOCK, "BUY", 10, account="DU1")
    filled(engine, STOCK, "SELL", 4, account="DU2")
    portfolio = engine.portfolio
    assert portfolio.accounts == ("DU1", "DU2")
    assert [(one.account, one.quantity) for one in portfolio.positions()] == [("DU1", 10), ("DU2", -4)]
    assert [one.quantity for one in portfolio.positions("DU2")] == [-4]
    assert portfolio.position(STOCK, "DU2").quantity == -4
    with pytest.raises(InvalidInput, match="DU1, DU2"):
        portfolio.position(STOCK)
    filled(engine, STOCK, "BUY", 4, account="DU2")
    assert portfolio.position(STOCK).account == "DU1"
    paid = [portfolio.commissions(code)["USD"] for code in ("DU1", "DU2")]
    assert portfolio.commissions()["USD"] == sum(paid)
    whole = portfolio.unrealised({265598: 100})
    assert whole == portfolio.unrealised({265598: 100}, "DU1") + portfolio.unrealised({265598: 100}, "DU2")
    for ask in (portfolio.positions, portfolio.realised, portfolio.commissions):
        with pytest.raises(InvalidInput, match="DU9"):
            ask("DU9")


def test_prices_that_are_not_given_are_missing(engine: Engine, gateway: WatchedGateway) -> None:
    """By contract or by its id; what has no price is named, and never taken for nothing."""
    trade_at(gateway, engine, "BUY", 10, "100")
    (held,) = engine.portfolio.positions()
    by_id, by_contract = (engine.portfolio.unrealised({key: "101"}) for key in (265598, held.contract))
    assert by_id == by_contract
    assert by_id["USD"] == 10 - held.fees["USD"]
    nothing = engine.portfolio.unrealised({})
    assert (nothing.missing, nothing["USD"]) == ((held.contract,), 0)


def test_nothing_was_traded_yet(engine: Engine) -> None:
    """Flat holdings, empty sums."""
    held = engine.portfolio.position(STOCK)
    assert (held.account, held.quantity, held.contract) == ("DU1234567", 0, STOCK)
    assert engine.portfolio.positions("DU1234567") == ()
    assert engine.portfolio.lots(STOCK) == ()
    assert engine.portfolio.realised().by_currency == {}
    assert engine.portfolio.compare_profit(**WAIT) == ()


def test_bad_input_is_named(engine: Engine, gateway: WatchedGateway) -> None:
    """The argument and the rule; nothing is asked of the broker."""
    portfolio = engine.portfolio
    trade_at(gateway, engine, "BUY", 10, "100")
    with pytest.raises(InvalidInput, match="method"):
        portfolio.using("lifo")  # type: ignore[arg-type]
    with pytest.raises(InvalidContract, match="contract"):
        portfolio.position("AAPL")  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="price"):
        portfolio.unrealised({265598: "NaN"})
    with pytest.raises(InvalidInput, match="prices"):
        portfolio.unrealised([100])  # type: ignore[arg-type]
    with pytest.raises(InvalidInput, match="account"):
        portfolio.position(STOCK, "DU9")
    with pytest.raises(UnknownOrder):
        portfolio.allocations(99)
    filled(engine, option(gateway), "BUY", 1)
    with pytest.raises(InvalidContract, match="con_id"):
        portfolio.position(Contract(symbol="AAPL"))


# ── advisors ────────────────────────────────────────────────────────────────────────────────────

THIRDS = Settings(
    accounts=("DU1", "DU2", "DU3"),
    advisor=Advisor("DF1", (AdvisorGroup("Thirds", ("DU1", "DU2", "DU3")),)),
    market=MarketSettings(moves=False),
    choreography=Choreography.plain(),
)
GROUP = {"faGroup": "Thirds", "faMethod": "Equal"}


@pytest.mark.matrix
def test_a_group_order_fills_once_and_is_held_by_the_accounts(serve: Serve, connect: Connect) -> None:
    """Ten are bought, four and twice three are held; nothing is an anomaly, nothing differs."""
    gateway = serve(settings=THIRDS)
    engine = connect(gateway)
    log = Log(engine)
    record = filled(engine, STOCK, "BUY", 10, official=GROUP).record
    assert (record.filled_quantity, record.is_settled) == (10, True)
    portfolio = engine.portfolio
    assert [(one.account, one.quantity) for one in portfolio.positions()] == [
        ("DU1", 4),
        ("DU2", 3),
        ("DU3", 3),
    ]
    found = portfolio.allocations(record.order_id)
    assert [(one.account, one.quantity, one.average_price) for one in found] == [
        ("DU1", 4, D("100.01")),
        ("DU2", 3, D("100.01")),
        ("DU3", 3, D("100.01")),
    ]
    for one in found:
        theirs = accounts_of(gateway)[one.account].positions[0]
        assert one.commissions == {"USD": theirs.fees}
        agree(portfolio.using("average").position(STOCK, one.account), theirs)
    assert portfolio.check(**WAIT) == ()
    reconnect(gateway, engine)
    assert portfolio.check(**WAIT) == ()
    assert log.of(events.AnomalyDetected) == log.of(events.PositionDiffers) == []
    assert portfolio.accounts == ("DF1", "DU1", "DU2", "DU3")


def test_group_orders_survive_a_restart(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """The journal holds the parts, too."""
    gateway = serve(settings=THIRDS)
    engine = connect(gateway, journal=tmp_path / "orders.db")
    order_id = filled(engine, STOCK, "BUY", 10, official=GROUP).order_id
    before = engine.portfolio.positions()
    engine.close()
    offline = Engine(1, journal=tmp_path / "orders.db")
    assert offline.portfolio.positions() == before
    assert len(offline.portfolio.allocations(order_id)) == 3
    assert offline.order(order_id).filled_quantity == 10
    offline.close()


def test_an_order_for_one_client_is_like_any_other(serve: Serve, connect: Connect) -> None:
    """Nothing of it is allocated."""
    gateway = serve(settings=THIRDS)
    engine = connect(gateway)
    record = filled(engine, STOCK, "BUY", 5, account="DU2").record
    assert engine.portfolio.allocations(record.order_id) == ()
    assert engine.portfolio.position(STOCK).account == "DU2"


def test_an_advisors_order_without_an_account_is_refused(serve: Serve, connect: Connect) -> None:
    """By the broker: it wants an account or a group (436)."""
    engine = connect(serve(settings=THIRDS))
    record = engine.submit(STOCK, Order.market("BUY", 5)).wait(**WAIT)
    assert record.error_codes == (436,)


def test_a_portfolio_is_told_in_lines(engine: Engine, gateway: WatchedGateway) -> None:
    """A line for each position, for people."""
    assert str(engine.portfolio) == "no positions"
    trade_at(gateway, engine, "BUY", 10, "100")
    assert str(engine.portfolio) == "DU1234567 AAPL 10 at 100"
