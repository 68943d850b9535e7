"""Moments at which an order could be sent twice, late or never: each was once wrong, or nearly was."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import ConnectionFailed, JournalError, JournalFailed, NotReady, TradingHalted
from ibkr_core.gateway import ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.journal.intentlog import IntentLog
from ibkr_core.journal.packed import PackedOrders
from ibkr_core.journal.store import Store
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import ErrorFact, StatusFact
from ibkr_core.model.order import Order
from ibkr_core.model.session import SessionState
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


def test_a_submit_that_is_refused_at_the_door_delivers_nothing(make_bench: MakeBench) -> None:
    """Nothing of it happened; a Ctrl-C in a listener must not stand in for the refusal."""
    bench = make_bench()
    bench.engine.halt("enough")
    bench.run(20)
    bench.engine._works.book.post(events.EfficiencyWarning, messages=1, filled_orders=0)
    with pytest.raises(TradingHalted):
        bench.rest()
    assert not bench.of(events.EfficiencyWarning)


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
        patch.setattr(IntentLog, "append", fail)
        patch.setattr(Store, "check_files", fail)
        with pytest.raises(JournalError, match="disk is full"):
            bench.rest()
        bench.engine.scheduler.run_due()
    assert was_locked == [False]
    assert len(bench.of(events.JournalBroken)) == 1


def while_committing(bench: Bench, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]) -> None:
    """Have something happen while the next commit takes its time."""
    journal = bench.engine.journal
    assert journal is not None
    commit = journal.commit

    def slow_commit(through: int | None = None) -> None:
        monkeypatch.undo()
        commit(through)
        lock = bench.engine._desk._send_lock  # the scheduler is another thread in life; here it is this one
        lock.release()
        try:
            act()
        finally:
            lock.acquire()

    monkeypatch.setattr(journal, "commit", slow_commit)


def test_no_list_proves_the_absence_of_what_has_not_left_yet(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk is slow: two surveys end between the intent and its first byte."""
    bench = make_bench()
    doubted = bench.rest()
    bench.run(1)

    def survey() -> None:
        for _ in range(3):
            bench.engine._works.keeper.ask_in(0.0)
            bench.run(5)

    while_committing(bench, monkeypatch, survey)
    order_id = bench.rest()
    bench.run(5)
    assert bench.of(events.OrderRejected) == bench.of(events.OrderUncertain) == []
    assert bench.engine.order(order_id).status is bench.engine.order(doubted).status is S.SUBMITTED


def test_an_order_is_never_sent_on_another_connection_than_it_was_made_for(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its intent was made durable the connection was lost, and made again."""
    bench = make_bench()

    def reconnect() -> None:
        bench.lose_connection()
        bench.run(20)
        assert bench.engine.is_ready

    while_committing(bench, monkeypatch, reconnect)
    with pytest.raises(NotReady, match="is gone"):
        bench.rest(order_ref="mine")
    bench.run(10)
    assert bench.refs() == []
    (record,) = bench.engine.orders()
    assert record.status is S.REJECTED


def test_nothing_leaves_while_the_broker_is_away_though_it_was_asked_for_before(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """1100 comes while the intent is made durable."""
    bench = make_bench()

    def lose_broker() -> None:
        bench.engine._supervisor.take_fact(ErrorFact(request_id=-1, code=1100, message="lost"), session)
        bench.engine.scheduler.run_due()

    session = bench.engine._supervisor.session
    while_committing(bench, monkeypatch, lose_broker)
    with pytest.raises(NotReady, match="lost its connection"):
        bench.rest()
    assert bench.refs() == []


def test_what_waits_for_the_pace_stays_here_when_trading_is_halted(make_bench: MakeBench) -> None:
    """Also the legs of a group, which no single cancel can take back."""
    bench = make_bench(messages_per_second=4)
    for _ in range(4):
        bench.engine.client.reqCurrentTime()
    bracket = bench.engine.submit_bracket(
        STOCK, Order.limit("BUY", 10, "90"), take_profit="95", stop_loss="80"
    )
    bench.engine.halt("enough")
    bench.run(60)
    assert bench.refs() == []
    assert bracket.parent.record.status is S.REJECTED


def test_a_modification_that_waits_is_replaced_by_a_newer_one(make_bench: MakeBench) -> None:
    """Two of them could leave one without the other, and the book would not know which terms work."""
    bench = make_bench(messages_per_second=2)
    order_id = bench.rest()
    bench.run(5)
    for _ in range(2):
        bench.engine.client.reqCurrentTime()
    bench.engine.modify(order_id, limit_price="91")
    bench.engine.modify(order_id, quantity=20)
    bench.run(20)
    record = bench.engine.order(order_id)
    assert record.order is not None
    assert record.order.limit_price == Decimal(91)
    assert record.order.quantity == Decimal(20)
    assert not record.pending
    assert len(bench.of(events.OrderModified)) == 1


def test_a_cancel_takes_back_the_modification_that_waits(make_bench: MakeBench) -> None:
    """It would arrive after the cancel, at an order that is no more."""
    bench = make_bench(messages_per_second=2)
    order_id = bench.rest()
    bench.run(5)
    for _ in range(2):
        bench.engine.client.reqCurrentTime()
    bench.engine.modify(order_id, limit_price="91")
    bench.engine.cancel(order_id)
    bench.run(20)
    record = bench.engine.order(order_id)
    assert (record.status, record.pending, record.error_codes) == (S.CANCELLED, (), (202,))
    assert bench.of(events.OrderModified) == []


def test_the_cancel_of_a_leg_that_waits_never_grows_stale(make_bench: MakeBench) -> None:
    """It waits behind its group, and leaves however long that takes."""
    bench = make_bench(messages_per_second=4, order_queue_s=0.9)
    for _ in range(3):
        bench.engine.client.reqCurrentTime()
    bracket = bench.engine.submit_bracket(
        STOCK, Order.limit("BUY", 10, "90"), take_profit="95", stop_loss="80"
    )
    bench.run(0.5)
    bench.engine.cancel(bracket.parent.order_id)
    bench.run(30)
    assert bracket.parent.record.status in (S.CANCELLED, S.REJECTED)
    assert bench.of(events.CancelRefused) == []


def test_a_new_modification_has_attempts_of_its_own(make_bench: MakeBench) -> None:
    """An order that was hard to modify an hour ago is no reason to give up at once today."""
    bench = make_bench()
    order_id = bench.rest()
    bench.run(5)
    session = bench.engine._supervisor.session
    for price in ("91", "92"):
        bench.engine.modify(order_id, limit_price=price)
        fact = ErrorFact(request_id=order_id, code=2102, message="still being processed")
        bench.engine._supervisor.take_fact(fact, session)
        bench.run(3600)
    assert [event.attempt for event in bench.of(events.RetryScheduled)] == [1, 1]
    assert bench.of(events.ModifyRefused) == []


def hear(bench: Bench, code: int, message: str = "x") -> None:
    """Have the gateway say something about its connections."""
    supervisor = bench.engine._supervisor
    supervisor.take_fact(ErrorFact(request_id=-1, code=code, message=message), supervisor.session)
    bench.engine.scheduler.run_due()


@pytest.mark.parametrize("codes", [(1100, 2110), (2110, 1100)])
def test_a_lost_broker_does_not_come_back_by_waiting(make_bench: MakeBench, codes: tuple[int, ...]) -> None:
    """2110 heals without a word, 1100 does not: together they last until 1101 or 1102."""
    bench = make_bench()
    for code in codes:
        hear(bench, code)
    bench.run(600)
    assert not bench.engine.is_ready
    hear(bench, 1102)
    bench.run(5)
    assert bench.engine.is_ready


def test_nothing_is_concluded_while_the_broker_is_away(make_bench: MakeBench) -> None:
    """A cancel that shows no effect then is on its way all the same."""
    bench = make_bench()
    order_id = bench.rest()
    bench.run(2)
    hear(bench, 1100)
    bench.engine._works.keeper.ask_in(0.0)
    before = len(bench.gateway.books().orders)
    assert not bench.engine._supervisor.begin_survey(lambda _: None)
    bench.run(30)
    assert bench.engine.order(order_id).status is S.SUBMITTED
    assert len(bench.gateway.books().orders) == before


@pytest.mark.parametrize(
    ("down", "up"),
    [
        ((2105, "HMDS data farm connection is broken:ushmds"), (2106, "HMDS data farm is OK:ushmds")),
        (
            (2105, "HMDS data farm connection is broken:ushmds"),
            (2107, "HMDS data farm is inactive but should be available upon demand.ushmds"),
        ),
        (
            (2103, "Market data farm connection is broken:usfarm.nj"),
            (2108, "Market data farm is inactive but should be available upon demand.usfarm.nj"),
        ),
    ],
)
def test_a_farm_that_is_back_is_no_trouble_any_more(
    make_bench: MakeBench, down: tuple[int, str], up: tuple[int, str]
) -> None:
    """Its name stands behind a colon or behind a full stop. Orders were never refused for it."""
    bench = make_bench()
    hear(bench, *down)
    assert bench.engine.is_ready
    hear(bench, *up)
    changes = [event.current for event in bench.of(events.SessionChanged)]
    assert changes[-2:] == [SessionState.DEGRADED, SessionState.READY]


def test_a_takeover_that_fails_is_tried_again(make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise the session would be synchronising for ever."""
    bench = make_bench()

    def stumble(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise KeyError("what nobody foresaw")

    monkeypatch.setattr(bench.engine._works._judge, "settle", stumble)
    bench.lose_connection()
    bench.run(30)
    assert bench.engine.is_ready
    assert any("nobody foresaw" in event.error for event in bench.of(events.CallbackFailed))


def test_a_halt_does_not_wait_for_a_foreign_order_that_is_listed_no_more(make_bench: MakeBench) -> None:
    """Another client's order of yesterday: nobody ever tells how it ended."""
    bench = make_bench()
    fact = StatusFact(order_id=77, client_id=9, perm_id=4711, status="Submitted", filled=Decimal(0))
    bench.engine._book.apply(fact)
    bench.run(5)
    assert bench.engine.active_orders()
    bench.engine.halt("enough")
    bench.engine.halt("enough, I say")
    bench.run(20)
    assert len(bench.of(events.HaltConfirmed)) == 1


def test_a_dial_that_raises_anything_is_an_attempt_that_failed() -> None:
    """The user's own dial can be wrong in any way; the engine must not connect for ever."""
    engine = Engine(settings=EngineSettings(reconnect=None))

    def dial() -> Any:
        raise RuntimeError("no such proxy")

    with pytest.raises(ConnectionFailed, match="no such proxy"):
        engine._open(dial, keep_trying=False)


def test_what_the_journal_let_go_raises_no_alarm_about_positions(make_bench: MakeBench) -> None:
    """After the retention the fills are forgotten, and the position is still held."""
    bench = make_bench()
    bench.engine.submit(STOCK, Order.market("BUY", 10))
    bench.run(10)
    assert len(bench.engine.fills()) == 1
    bench.lose_connection()  # the next synchronisation looks at positions
    bench.run(20)
    bench.clock.advance(40 * 86_400)
    bench.run(20)
    bench.world.kill_engine()
    bench.start()
    bench.run(30)
    assert bench.engine.fills() == ()
    assert bench.of(events.PositionDiffers) == []


def test_what_could_not_be_let_go_at_once_counts_once(
    make_bench: MakeBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal fails when orders are to leave its checkpoint, and works again; then positions are told."""
    bench = make_bench(slim_after_s=0.0, checkpoint_inputs=1)
    bench.engine.submit(STOCK, Order.market("BUY", 10))
    bench.run(10)
    bench.lose_connection()  # the next synchronisation looks at positions
    bench.run(20)

    def fail(self: PackedOrders, *_: object) -> None:
        raise JournalFailed("j", "the disk is full", "free some")

    with monkeypatch.context() as context:
        context.setattr(PackedOrders, "forget", fail)
        bench.clock.advance(40 * 86_400)
        bench.run(20)
    bench.lose_connection()
    bench.run(200)
    bench.world.kill_engine()
    bench.start()
    bench.run(30)
    assert bench.engine.fills() == ()
    assert bench.of(events.PositionDiffers) == []


def test_orders_that_filled_count_for_the_efficiency(make_bench: MakeBench) -> None:
    """Each one once, with its first execution."""
    bench = make_bench()
    for _ in range(3):
        bench.engine.submit(STOCK, Order.market("BUY", 10))
    bench.rest()
    bench.run(10)
    meter = bench.engine._desk.meter
    assert (meter.messages, meter.filled_orders) == (4, 3)


def test_an_order_that_never_left_is_sent_by_the_same_key(make_bench: MakeBench) -> None:
    """A program that just asks again after a refusal gets its order, once; asking once more sends nothing."""
    bench = make_bench(messages_per_second=5, order_queue_s=0.5)
    order = Order.limit("BUY", 10, "90")
    for number in range(12):  # more than the pace lets out before they are too old
        bench.engine.submit(STOCK, order, key=f"key-{number}")
    bench.run(10)
    dead = next(record for record in bench.engine.orders() if record.status is S.REJECTED)
    assert dead.key not in bench.refs()
    again = bench.engine.submit(STOCK, order, key=dead.key)
    assert again.order_id > dead.order_id
    bench.run(10)
    assert again.record.status is S.SUBMITTED
    assert again.record.retry_count == 1
    assert bench.engine.submit(STOCK, order, key=dead.key) == again
    assert bench.refs().count(dead.key) == 1


def test_what_was_withheld_about_a_finished_order_comes_to_light(make_bench: MakeBench) -> None:
    """A correction that the broker never told live is found by looking now and then."""
    bench = make_bench(recheck_s=60.0)
    ticket = bench.engine.submit(STOCK, Order.market("BUY", 10))
    bench.run(5)
    [fill] = ticket.record.fills
    line = next(iter(bench.world.lines))
    line.far_end.hold(lose=True)
    bench.gateway.correct_execution(fill.exec_id, price=Decimal("1.23"))
    bench.run(1)
    line.far_end.release()
    assert ticket.record.avg_fill_price == fill.price
    bench.run(120)
    assert ticket.record.avg_fill_price == Decimal("1.23")


def test_orders_of_one_kind_leave_alike_while_they_wait_for_the_pace(make_bench: MakeBench) -> None:
    """At once or later, encoded or made of earlier bytes: each order arrives once, as asked."""
    bench = make_bench(messages_per_second=5)
    wanted = [(f"key-{number}", 10 + number, Decimal(80 + number)) for number in range(9)]
    for key, quantity, price in wanted:
        bench.engine.submit(STOCK, Order.limit("BUY", quantity, price), key=key)
    bench.run(10)
    echoes = [one.broker_order for one in bench.engine.orders() if one.broker_order is not None]
    assert [(one.order_ref, one.total_quantity, one.limit_price) for one in echoes] == wanted
    assert bench.refs() == [key for key, _, _ in wanted]
    assert all(record.status is S.SUBMITTED for record in bench.engine.orders())
    assert all(record.sent_time is not None for record in bench.engine.orders())
