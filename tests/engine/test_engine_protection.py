"""Positions that their exits do not cover are told, and stops move to break-even: over gaps and restarts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.clock import SystemClock
from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidGroup, JournalError, WaitTimeout
from ibkr_core.gateway import Choreography, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.faults import Drop, When
from ibkr_core.journal import Journal
from ibkr_core.journal.intentlog import IntentLog
from ibkr_core.journal.store import Store
from ibkr_core.lifecycle.groups import ExitPair
from ibkr_core.lifecycle.protecting import BreakEven
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.testing.simulation import World
from ibkr_core.tickets import BracketTickets, OrderTicket
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway, settle
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
D = Decimal
AT_ONCE = EngineSettings(
    unprotected_after_s=0.0, confirm_s=0.05, reconnect=Backoff(first_s=0.02, longest_s=0.1)
)
PATIENT = attrs.evolve(AT_ONCE, unprotected_after_s=3600.0)
ENTRY = Order.limit("BUY", 10, "100.01")
PAIRS = (ExitPair(4, "110", "90"), ExitPair(6, "120", "90"))
EVEN = BreakEven(tick="0.01")


@pytest.fixture
def engine(gateway: WatchedGateway, connect: Connect) -> Engine:
    """An engine that alarms without waiting."""
    return connect(gateway, settings=AT_ONCE)


def enter(engine: Engine, **exits: Any) -> BracketTickets:
    """A filled entry with a target and a stop that work."""
    bracket = engine.submit_bracket(STOCK, ENTRY, **(exits or {"take_profit": "110", "stop_loss": "90"}))
    bracket.parent.wait(**WAIT)
    for ticket in bracket.all[1:]:
        ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    looked(engine)  # exits wake one after the other, which is an alarm to who has no patience at all
    return bracket


def passed(engine: Engine, seconds: float) -> None:
    """Come back when so much time has passed for the engine."""
    over = threading.Event()
    engine.scheduler.call_later(seconds, over.set)
    assert over.wait(PATIENCE_S)


def looked(engine: Engine) -> None:
    """Come back when the engine has looked at all that has arrived, however long it rests in between."""
    for _ in range(2):  # what it finds may make it send something, and look again
        settle(engine)
        while engine._protection._is_due:
            passed(engine, 0.01)
        passed(engine, 0.0)  # a look that had begun has ended


def alarms(log: Log) -> list[tuple[int, Decimal, Decimal]]:
    return [(a.order_id, a.open_quantity, a.missing) for a in log.of(events.PositionUnprotected)]


# ── alarms ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_that_is_cancelled_by_hand(version: int, serve: Serve, connect: Connect) -> None:
    """Told once, with what is wrong; closing by hand ends it."""
    gateway = serve(versions=[version])
    engine = connect(gateway, settings=AT_ONCE)
    bracket = enter(engine)
    log = Log(engine)
    bracket.stop_loss.cancel()
    alarm = log.wait(events.PositionUnprotected, lambda one: "CANCELLED" in one.reason)
    assert (alarm.order_id, alarm.open_quantity, alarm.covered, alarm.missing) == (
        bracket.parent.order_id,
        D(10),
        D(0),
        D(10),
    )
    assert f"#{bracket.stop_loss.order_id} STP is CANCELLED" in alarm.reason
    assert [cover.missing for cover in engine.unprotected()] == [D(10)]
    looked(engine)
    assert len(alarms(log)) == 1
    engine.submit(STOCK, Order.market("SELL", 10)).wait(**WAIT)
    over = log.wait(events.PositionProtected, lambda one: one.seq > alarm.seq)
    assert (over.order_id, over.open_quantity) == (bracket.parent.order_id, D(0))
    assert engine.unprotected() == ()
    assert gateway.books().position("AAPL") == 0


def test_nothing_is_told_while_all_is_well(gateway: WatchedGateway, connect: Connect) -> None:
    """From the entry to the end, one way and the other; with little patience, and time to lose it."""
    engine = connect(gateway, settings=attrs.evolve(AT_ONCE, unprotected_after_s=0.25))
    log = Log(engine)
    for price in ("110.00", "89.99"):
        gateway.market("AAPL").set_quote(bid="100.00", ask="100.01", last="100.00")
        bracket = enter(engine)
        passed(engine, 0.3)
        gateway.market("AAPL").set_quote(bid=price, ask=D(price) + D("0.01"), last=price)
        for ticket in bracket.all:
            ticket.wait(**WAIT)
        passed(engine, 0.3)
    assert alarms(log) == []
    assert engine.unprotected() == ()


def test_a_stop_that_the_broker_kills(gateway: WatchedGateway, engine: Engine) -> None:
    """With the broker's reason in the words."""
    bracket = enter(engine)
    log = Log(engine)
    gateway.kill(bracket.stop_loss.order_id, "margin")
    alarm = log.wait(events.PositionUnprotected)
    assert (alarm.missing, "margin" in alarm.reason) == (D(10), True)


def test_a_stop_that_is_rejected(gateway: WatchedGateway, engine: Engine) -> None:
    """At once, as brackets can be: the entry has filled, the stop never lived."""
    bracket = enter(engine)
    log = Log(engine)
    gateway.reject(bracket.stop_loss.order_id, "no stops today")
    assert log.wait(events.PositionUnprotected).missing == D(10)


def test_a_stop_that_is_reduced(gateway: WatchedGateway, engine: Engine) -> None:
    """Told with what is missing; told again when that grows; over when the size is right again."""
    bracket = enter(engine)
    log = Log(engine)
    bracket.stop_loss.modify(quantity=7)
    log.wait(events.PositionUnprotected, lambda one: one.missing == D(3))
    bracket.stop_loss.modify(quantity=4)
    log.wait(events.PositionUnprotected, lambda one: one.missing == D(6))
    bracket.stop_loss.modify(quantity=10)
    log.wait(events.PositionProtected)
    assert [missing for *_, missing in alarms(log)] == [D(3), D(6)]


def test_an_entry_that_is_filled_in_part(gateway: WatchedGateway, engine: Engine) -> None:
    """Its exits are held until all of it is: what is filled has none, and that is said; then it is over."""
    log = Log(engine)
    entry = Order.limit("BUY", 10, "95")
    bracket = engine.submit_bracket(STOCK, entry, take_profit="110", stop_loss="90")
    bracket.stop_loss.wait(S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    gateway.fill(bracket.parent.order_id, quantity=4)
    alarm = log.wait(events.PositionUnprotected)
    assert (alarm.open_quantity, alarm.missing, alarm.waiting) == (D(4), D(4), D(10))
    assert "held until the entry is completely filled" in alarm.reason
    gateway.fill(bracket.parent.order_id)
    assert log.wait(events.PositionProtected).open_quantity == D(10)


def test_an_entry_that_is_cancelled_in_part(gateway: WatchedGateway, engine: Engine) -> None:
    """Its exits die with it, and what it has filled stands alone."""
    log = Log(engine)
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, "95"), take_profit="110", stop_loss="90")
    bracket.stop_loss.wait(S.PRE_SUBMITTED, **WAIT)
    gateway.fill(bracket.parent.order_id, quantity=4)
    bracket.parent.wait(S.PARTIALLY_FILLED, **WAIT)
    bracket.parent.cancel()
    bracket.stop_loss.wait(**WAIT)
    looked(engine)
    assert [(cover.open_quantity, cover.missing) for cover in engine.unprotected()] == [(D(4), D(4))]
    assert alarms(log)[-1][1:] == (D(4), D(4))


def test_a_stop_may_be_replaced_in_time(gateway: WatchedGateway, connect: Connect) -> None:
    """Nothing is told before ``unprotected_after_s``; what is asked tells it at once."""
    engine = connect(gateway, settings=PATIENT)
    bracket = enter(engine)
    log = Log(engine)
    bracket.stop_loss.cancel()
    bracket.stop_loss.wait(**WAIT)
    looked(engine)
    assert [cover.missing for cover in engine.unprotected()] == [D(10)]
    engine.submit(STOCK, Order.stop("SELL", 10, "91")).wait(S.PRE_SUBMITTED, **WAIT)
    looked(engine)
    assert engine.unprotected() == ()
    assert alarms(log) == []
    assert log.of(events.PositionProtected) == []


def test_a_new_stop_ends_the_alarm(gateway: WatchedGateway, engine: Engine) -> None:
    """Though it is no child of the entry, which is done: the broker takes no more children for it."""
    bracket = enter(engine)
    log = Log(engine)
    bracket.stop_loss.cancel()
    log.wait(events.PositionUnprotected)
    new = engine.submit(STOCK, Order.stop("SELL", 10, "91"))
    assert log.wait(events.PositionProtected).open_quantity == D(10)
    bracket.take_profit.cancel()
    bracket.take_profit.wait(**WAIT)
    looked(engine)
    new.cancel()  # the last one that had to do with it
    assert log.wait(events.PositionUnprotected, count=2).missing == D(10)


def test_the_alarm_comes_when_the_time_is_up(gateway: WatchedGateway, connect: Connect) -> None:
    """Though nothing happens meanwhile that would make anybody look."""
    engine = connect(gateway, settings=attrs.evolve(AT_ONCE, unprotected_after_s=0.3))
    bracket = enter(engine)
    log = Log(engine)
    bracket.stop_loss.cancel()
    gone = log.wait(events.OrderCancelled)
    alarm = log.wait(events.PositionUnprotected)
    assert (alarm.at - gone.at).total_seconds() >= 0.29


def test_a_stop_that_goes_during_a_gap(gateway: WatchedGateway, engine: Engine) -> None:
    """Told when the session is there again: nothing is judged by what is old."""
    bracket = enter(engine)
    log = Log(engine)
    gateway.refuse_connections(0.2)
    gateway.drop_connections()
    log.wait(events.ConnectionLost)
    gateway.kill(bracket.stop_loss.order_id, "expired")
    alarm = log.wait(events.PositionUnprotected)
    assert alarm.missing == D(10)
    assert alarm.seq > log.of(events.Synchronised)[-1].seq


def test_a_restart_tells_it_again(gateway: WatchedGateway, connect: Connect, tmp_path: Path) -> None:
    """Whoever starts a program in the morning wants to know; the journal knows the bracket."""
    with Engine.connect("127.0.0.1", gateway.port, settings=AT_ONCE, journal=tmp_path / "j.db") as first:
        bracket = enter(first)
    gateway.kill(bracket.stop_loss.order_id, "expired")
    engine = Engine(1, settings=AT_ONCE, journal=tmp_path / "j.db")
    log = Log(engine)
    with engine:
        engine.open("127.0.0.1", gateway.port)
        alarm = log.wait(events.PositionUnprotected)
        assert (alarm.order_id, alarm.missing) == (bracket.parent.order_id, D(10))


# ── break-even ──────────────────────────────────────────────────────────────────────────────────────


def books_stop(gateway: WatchedGateway, ticket: OrderTicket) -> list[Any]:
    """The stop prices that the gateway was asked for, in order."""
    return [
        message.fields["order"]["auxPrice"]
        for message in gateway.arrived("placeOrder")
        if message.fields["orderId"] == ticket.order_id
    ]


def take_first(gateway: WatchedGateway) -> None:
    gateway.market("AAPL").set_quote(bid="110.00", ask="110.01", last="110.00")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_stop_moves_to_break_even(version: int, serve: Serve, connect: Connect) -> None:
    """When the first target is taken, what is left cannot lose any more; the gateway sells it there."""
    gateway = serve(versions=[version])
    engine = connect(gateway, settings=AT_ONCE)
    log = Log(engine)
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    take_first(gateway)
    log.wait(events.OrderModified, lambda one: one.order_id == out.stops[1].order_id)
    assert out.stops[1].record.order.aux_price == D("100.01")
    gateway.market("AAPL").set_quote(bid="100.00", ask="100.01", last="100.00")
    assert out.stops[1].wait(**WAIT).filled_quantity == 6
    looked(engine)
    assert books_stop(gateway, out.stops[1]) == [90.0, 100.01]
    assert gateway.books().position("AAPL") == 0
    assert log.of(events.StopMoveFailed) == []


def test_the_price_step_is_asked_for(gateway: WatchedGateway, engine: Engine) -> None:
    """Where it is not given: the new stop is a price that the instrument has."""
    log = Log(engine)
    even = BreakEven(offset="0.0001")
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=even)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    take_first(gateway)
    log.wait(events.OrderModified)
    assert books_stop(gateway, out.stops[1]) == [90.0, 100.02]
    assert log.of(events.StopMoveFailed) == []


def test_it_moves_once(gateway: WatchedGateway, engine: Engine) -> None:
    """Whoever moves it on by hand has the last word."""
    log = Log(engine)
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    take_first(gateway)
    log.wait(events.OrderModified)
    out.stops[1].modify(aux_price="95")
    log.wait(events.OrderModified, count=2)
    looked(engine)
    assert books_stop(gateway, out.stops[1]) == [90.0, 100.01, 95.0]


@pytest.mark.parametrize("place", ["target", "stop"])
def test_a_replaced_exit_is_in_the_wish(place: str, gateway: WatchedGateway, engine: Engine) -> None:
    """The fill of a replaced target moves the stops, and a replaced stop is moved like the old one."""
    log = Log(engine)
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    stop = out.stops[1]
    if place == "stop":
        stop = engine.replace(stop.order_id, tif="GTC", timeout_s=PATIENCE_S)
        stop.wait(S.PRE_SUBMITTED, **WAIT)
    else:
        engine.replace(out.targets[0].order_id, tif="GTC", timeout_s=PATIENCE_S).wait(S.SUBMITTED, **WAIT)
    take_first(gateway)
    log.wait(events.OrderModified, lambda one: one.order_id == stop.order_id)
    assert books_stop(gateway, stop) == [90.0, 100.01]
    again = engine.replace(stop.order_id, aux_price="95", timeout_s=PATIENCE_S)
    again.wait(S.PRE_SUBMITTED, **WAIT)
    looked(engine)
    assert books_stop(gateway, again) == [95.0]  # it was moved once: the last word is whose it is


def test_an_exit_that_was_not_replaced_leaves_the_wish_as_it_was(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """Nothing waits for an order that never came."""
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    wishes = engine._protection.plans
    gateway.inject(Drop(), When(on="cancelOrder", times=None))
    with pytest.raises(WaitTimeout):
        engine.replace(out.stops[1].order_id, tif="GTC", timeout_s=0.2)
    assert engine._protection.plans == wishes


def test_a_short_position_the_other_way_round(gateway: WatchedGateway, engine: Engine) -> None:
    """With an offset towards the profit."""
    log = Log(engine)
    pairs = (ExitPair(4, "90", "110"), ExitPair(6, "80", "110"))
    even = BreakEven(tick="0.05", offset="0.10")
    out = engine.submit_scale_out(STOCK, Order.limit("SELL", 10, "99.99"), pairs, break_even=even)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    gateway.market("AAPL").set_quote(bid="89.98", ask="89.99", last="89.99")
    log.wait(events.OrderModified)
    assert books_stop(gateway, out.stops[1]) == [110.0, 99.9]


def test_a_target_that_is_taken_while_nobody_looks(gateway: WatchedGateway, engine: Engine) -> None:
    """During a gap: the stop moves when the session is there again."""
    log = Log(engine)
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    gateway.refuse_connections(0.2)
    gateway.drop_connections()
    log.wait(events.ConnectionLost)
    take_first(gateway)
    log.wait(events.OrderModified)
    assert books_stop(gateway, out.stops[1]) == [90.0, 100.01]


def test_a_restart_keeps_the_wish(gateway: WatchedGateway, tmp_path: Path) -> None:
    """The program ends, a target is taken, the next program moves the stop; the one after that does not."""
    path = tmp_path / "j.db"
    with Engine.connect("127.0.0.1", gateway.port, settings=AT_ONCE, journal=path) as first:
        out = first.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
        out.targets[1].wait(S.SUBMITTED, **WAIT)
    take_first(gateway)
    for run in range(2):
        engine = Engine(1, settings=AT_ONCE, journal=path)
        log = Log(engine)
        with engine:
            engine.open("127.0.0.1", gateway.port)
            if not run:
                log.wait(events.OrderModified)
                engine.modify(out.stops[1].order_id, aux_price="95")
                log.wait(events.OrderModified, count=2)
            looked(engine)
        assert books_stop(gateway, out.stops[1]) == [90.0, 100.01, 95.0]


def test_a_wish_whose_orders_were_never_sent_is_dropped(gateway: WatchedGateway, tmp_path: Path) -> None:
    """The program was killed between the two: nothing is watched for that is not there."""
    path = tmp_path / "j.db"
    with Journal.open(path, client_id=1, clock=SystemClock()) as journal:
        journal.set_state(
            "break-even",
            '[{"parent":"a","targets":["b"],"stops":["c"],"moved":[],"tick":"0.01","offset":"0","after":1}]',
        )
    engine = Engine(1, settings=AT_ONCE, journal=path)
    with engine:
        assert engine.journal is not None
        engine.open("127.0.0.1", gateway.port)
        looked(engine)
        assert engine.journal.state("break-even") == "[]"


def test_a_wish_that_is_done_is_dropped(gateway: WatchedGateway, tmp_path: Path) -> None:
    """So that the journal's text does not grow for ever."""
    with Engine.connect("127.0.0.1", gateway.port, settings=AT_ONCE, journal=tmp_path / "j.db") as engine:
        out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
        out.targets[1].wait(S.SUBMITTED, **WAIT)
        assert engine.journal is not None
        assert out.parent.key in str(engine.journal.state("break-even"))
        gateway.market("AAPL").set_quote(bid="120.00", ask="120.01", last="120.00")
        for ticket in out.all:
            ticket.wait(**WAIT)
        looked(engine)
        assert engine.journal.state("break-even") == "[]"


def test_a_move_that_is_refused_is_an_alarm(gateway: WatchedGateway, engine: Engine) -> None:
    """Told once, with the broker's reason; the stop works where it was, and the position is covered."""
    log = Log(engine)
    wrong = BreakEven(tick="0.001", offset="0.001")  # no price of this instrument
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=wrong)
    out.targets[1].wait(S.SUBMITTED, **WAIT)
    take_first(gateway)
    failed = log.wait(events.StopMoveFailed)
    assert (failed.order_id, failed.wanted) == (out.stops[1].order_id, D("100.011"))
    assert "110" in failed.reason
    looked(engine)
    assert len(log.of(events.StopMoveFailed)) == 1
    assert books_stop(gateway, out.stops[1]) == [90.0, 100.011]
    assert (out.stops[1].status.is_working, out.stops[1].record.order.aux_price) == (True, D(90))
    assert engine.unprotected() == ()


def test_a_stop_moves_once_the_journal_works_again(
    gateway: WatchedGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A full disk keeps every modification back; when there is room again, the stop is not forgotten."""

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with Engine.connect("127.0.0.1", gateway.port, journal=tmp_path / "j.db") as engine:
        log = Log(engine)
        out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
        out.targets[1].wait(S.SUBMITTED, **WAIT)
        with monkeypatch.context() as patch:
            patch.setattr(IntentLog, "append", fail)
            patch.setattr(Store, "check_files", fail)
            take_first(gateway)
            log.wait(events.JournalBroken)
            out.targets[0].wait(S.FILLED, **WAIT)
            looked(engine)
            assert books_stop(gateway, out.stops[1]) == [90.0]
        log.wait(events.OrderModified, lambda one: one.order_id == out.stops[1].order_id)
        assert books_stop(gateway, out.stops[1]) == [90.0, 100.01]
        assert log.of(events.StopMoveFailed) == []


def test_a_wish_that_cannot_be_kept_sends_nothing(
    gateway: WatchedGateway, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal comes first: an entry whose wish would not survive is not sent."""
    with Engine.connect("127.0.0.1", gateway.port, journal=tmp_path / "j.db") as engine:
        assert engine.journal is not None

        def fail(name: str, text: str) -> None:
            raise JournalError("j.db", "disk full", "make room")

        monkeypatch.setattr(engine.journal, "set_state", fail)
        with pytest.raises(JournalError):
            engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
        settle(engine)
        assert gateway.orders_arrived() == []
        monkeypatch.undo()


@pytest.mark.parametrize("bad", ["yes", BreakEven(tick=1, after=3)], ids=["text", "more than there are"])
def test_a_wish_that_cannot_come_true_is_refused(bad: Any, gateway: WatchedGateway, engine: Engine) -> None:
    """Before anything is sent."""
    with pytest.raises(InvalidGroup, match="break_even"):
        engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=bad)
    settle(engine)
    assert gateway.orders_arrived() == []


# ── without threads ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """An engine and a gateway in memory, with one clock moved by hand."""
    clock = ManualClock()
    gateway = MemoryGateway(
        clock=clock, settings=Settings(market=MarketSettings(moves=False), choreography=Choreography.plain())
    )
    gateway.market("AAPL").set_quote(bid="100.00", ask="100.01")
    settings = EngineSettings(heartbeat_s=0.0, unprotected_after_s=5.0)
    made = World(gateway, clock, seed=1, journal_path=tmp_path / "j.db", settings=settings)
    yield made
    made.stop_engine()


def test_all_of_it_in_memory(world: World) -> None:
    """A manual clock, no thread: the alarm comes to the second, and the stop moves after a kill -9."""
    heard: list[events.Event] = []

    def prepare(engine: Engine) -> None:
        engine.on(events.OrderEvent, heard.append, delivery=Delivery.INLINE)

    engine = world.start_engine(prepare)
    world.run(5)
    out = engine.submit_scale_out(STOCK, ENTRY, PAIRS, break_even=EVEN)
    world.run(1)
    assert out.parent.status is S.FILLED
    out.stops[0].cancel()
    world.run(4.9)
    assert not [one for one in heard if isinstance(one, events.PositionUnprotected)]
    world.run(0.3)
    (alarm,) = [one for one in heard if isinstance(one, events.PositionUnprotected)]
    assert (alarm.open_quantity, alarm.missing) == (D(10), D(4))
    world.kill_engine()
    world.gateway.market("AAPL").set_quote(bid="110.00", ask="110.01", last="110.00")
    world.gateway.run(1)
    engine = world.start_engine(prepare)
    world.run(10)
    assert engine.order(out.targets[0].order_id).status is S.FILLED
    assert engine.order(out.stops[1].order_id).order.aux_price == D("100.01")  # type: ignore[union-attr]  # it has one
    assert engine.unprotected() == ()
