"""Risk gates through the whole engine: what they stop leaves no trace, on the wire or anywhere else."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.broker import Broker
from ibkr_core.clock import SystemClock
from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidInput, RiskRefused, TradingHalted, WouldDeadlock
from ibkr_core.gateway.faults import Drop, When
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.order import Order
from ibkr_core.risk import Refusal, RiskContext, RiskLimits, RiskPolicy, TradingHours
from ibkr_core.settings import EngineSettings
from ibkr_core.tickets import OrderTicket
from tests.engine.rig import STOCK, WAIT, Connect, Log, S, WatchedGateway, buy, rest, settle

D = Decimal
OTHER = Contract.stock("MSFT")


@attrs.frozen
class Quote:
    """A last quote."""

    bid: Decimal | None = D("100.00")
    ask: Decimal | None = D("100.01")
    last: Decimal | None = None
    close: Decimal | None = None


def refused(act: Callable[[], object], gate: str) -> RiskRefused:
    """What a gate says to an act."""
    with pytest.raises(RiskRefused) as found:
        act()
    assert found.value.gate == gate, found.value
    return found.value


class Traces:
    """Everything that an order would leave behind, to be the same before and after."""

    def __init__(self, engine: Engine, gateway: WatchedGateway) -> None:
        self._engine = engine
        self._gateway = gateway
        self._journal = engine.journal
        self.before = self.now()

    def now(self) -> dict[str, Any]:
        """The traces now; the next id is not taken by looking."""
        settle(self._engine)
        return {
            "orders": self._engine.orders(),
            "wire": [(message.kind, dict(message.fields)) for message in self._gateway.orders_arrived()],
            "journal": self._journal.recorded if self._journal is not None else 0,
            "high water": self._journal.high_water if self._journal is not None else 0,
            "next id": self._engine._desk.peek_ids(1)[0],
            "messages": self._engine._desk.meter.messages,
        }

    def check(self) -> None:
        """Nothing is there that was not there before."""
        assert self.now() == self.before


@pytest.fixture
def engine(gateway: WatchedGateway, connect: Connect, tmp_path: Path) -> Engine:
    """An engine with a journal, on the plain gateway."""
    return connect(gateway, journal=tmp_path / "orders.db")


# --- nothing is left behind -------------------------------------------------------------------------


def test_a_refused_order_leaves_no_trace(
    engine: Engine, gateway: WatchedGateway, caplog: pytest.LogCaptureFixture
) -> None:
    """Book, journal, ids and wire are as before; the error, the event and the log say why."""
    engine.risk.limits = RiskLimits(max_order_size=100)
    buy(engine, 100).wait(**WAIT)
    log, traces = Log(engine), Traces(engine, gateway)
    with caplog.at_level(logging.WARNING, "ibkr_core.risk"):
        error = refused(lambda: buy(engine, 101, key="mine", limit_price=None), "order size")
    assert (error.argument, error.limit, error.value) == ("quantity", "100", "101")
    assert str(error) == "risk gate 'order size' refused quantity: 101 is more than 100; nothing was sent"
    event = log.wait(events.RiskGateRefused)
    assert (event.gate, event.argument, event.limit, event.value) == ("order size", "quantity", "100", "101")
    assert (event.contract, event.action, event.quantity, event.order_type) == (STOCK, "BUY", D(101), "MKT")
    assert (event.key, event.order_id, event.account) == ("mine", None, engine.accounts[0])
    assert "order size refused BUY 101 AAPL MKT: 101 is more than 100" in caplog.text
    traces.check()
    again = buy(engine, 100, key="mine")
    assert again.order_id == traces.before["next id"]
    assert again.wait(**WAIT).status is S.FILLED


def test_a_group_passes_as_a_whole_or_not_at_all(engine: Engine, gateway: WatchedGateway) -> None:
    """One leg that is refused keeps the others from being sent, and no id of the group is used."""
    engine.risk.limits = RiskLimits(max_order_size=100, max_orders_per_day=4)
    traces = Traces(engine, gateway)
    legs = [(STOCK, Order.limit("BUY", 100, "90")), (OTHER, Order.limit("BUY", 101, "90"))]
    refused(lambda: engine.submit_oca(legs), "order size")
    traces.check()
    entry = Order.limit("BUY", 100, "90")
    engine.submit_bracket(STOCK, entry, take_profit="110", stop_loss="80")
    more = Traces(engine, gateway)
    error = refused(lambda: engine.submit_bracket(OTHER, entry, take_profit="110"), "orders per day")
    assert (error.limit, error.value) == ("4", "5")
    more.check()


def test_a_bracket_of_the_size_of_the_position_limit_passes(engine: Engine, gateway: WatchedGateway) -> None:
    """Its exits are counted with it, and reduce what it bought; afterwards it still is no more."""
    engine.risk.limits = RiskLimits(max_position=100)
    tickets = engine.submit_bracket(STOCK, Order.market("BUY", 100), take_profit="110", stop_loss="80")
    tickets.parent.wait(**WAIT)
    settle(engine)
    assert "101 long" in refused(lambda: buy(engine, 1), "position").reason
    assert gateway.books().position("AAPL") == 100


def test_a_position_counts_what_the_broker_told_and_what_was_filled_since(
    gateway: WatchedGateway, connect: Connect
) -> None:
    """Also what was bought before this engine came, and what is corrected afterwards."""
    first = connect(gateway, 7)
    buy(first, 60).wait(**WAIT)
    first.close()
    engine = connect(gateway, risk=RiskLimits(max_position=100))
    bought = buy(engine, 40).wait(**WAIT)
    assert refused(lambda: buy(engine, 1), "position").value == "101"
    log = Log(engine, events.ExecutionCorrected)
    gateway.correct_execution(bought.fills[0].exec_id, quantity=30)
    log.wait(events.ExecutionCorrected)
    assert refused(lambda: buy(engine, 11), "position").value == "101"
    assert buy(engine, 10).wait(**WAIT).status is S.FILLED
    engine.submit(STOCK, Order.market("SELL", 100)).wait(**WAIT)
    assert gateway.books().position("AAPL") == 0
    assert refused(lambda: engine.submit(STOCK, Order.market("SELL", 101)), "position").value == "101"


def test_working_orders_count_as_filled(engine: Engine) -> None:
    """One that is cancelled counts no more."""
    engine.risk.limits = RiskLimits(max_position=100)
    ticket = rest(engine, "90", 60)
    assert refused(lambda: buy(engine, 41), "position").value == "101"
    ticket.cancel()
    ticket.wait(**WAIT)
    assert buy(engine, 100).wait(**WAIT).status is S.FILLED


def test_a_position_beyond_the_limit_can_be_closed(engine: Engine, gateway: WatchedGateway) -> None:
    """The limit came later; what only reduces passes it."""
    buy(engine, 500).wait(**WAIT)
    engine.risk.change(max_position=100)
    refused(lambda: buy(engine, 1), "position")
    assert engine.submit(STOCK, Order.market("SELL", 500)).wait(**WAIT).status is S.FILLED
    assert gateway.books().position("AAPL") == 0


# --- modifications and cancels ----------------------------------------------------------------------


def test_a_modification_that_raises_the_risk_is_judged(engine: Engine, gateway: WatchedGateway) -> None:
    """The order lives on at its old terms, and what takes risk away is never judged."""
    ticket = rest(engine, "90", 100)
    engine.risk.limits = RiskLimits(max_order_size=50, max_notional={"USD": 9_000}, symbols=["MSFT"])
    log, traces = Log(engine), Traces(engine, gateway)
    refused(lambda: ticket.modify(quantity=101), "symbol")
    refused(lambda: ticket.modify(tif="GTC"), "symbol")
    engine.risk.change(symbols=None)
    refused(lambda: ticket.modify(quantity=101), "order size")
    refused(lambda: ticket.modify(limit_price="90.01"), "notional")
    traces.check()
    assert {event.order_id for event in log.of(events.RiskGateRefused)} == {ticket.order_id}
    engine.risk.change(symbols=["MSFT"])
    ticket.modify(quantity=80, limit_price="89")
    settle(engine)
    assert gateway.books().order(ticket.order_id).total == 80


def test_an_exit_is_judged_in_its_place(engine: Engine, gateway: WatchedGateway) -> None:
    """Beside its sibling, which its fill cancels: both together never turn the position."""
    engine.risk.limits = RiskLimits(max_position=100)
    bracket = engine.submit_bracket(STOCK, Order.market("BUY", 100), take_profit="110", stop_loss="80")
    target, stop = bracket.take_profit, bracket.stop_loss
    assert target is not None
    assert stop is not None
    bracket.parent.wait(**WAIT)
    for leg in (target, stop):
        leg.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    result = D(0)
    engine.risk.set_sources(profit_and_loss=lambda _: result)
    engine.risk.change(max_loss=1_000, max_position=50, loss_check_s=0)
    result = D(-2000)
    for price in ("109", "108"):  # the second time its terms name no parent any more
        target.modify(limit_price=price)
        settle(engine)
        assert gateway.arrived("placeOrder")[-1].fields["order"]["lmtPrice"] == float(price)
    stop.modify(aux_price="79")
    assert not engine.is_halted
    refused(lambda: target.modify(quantity=101), "max loss")


def test_a_cancel_is_never_judged(engine: Engine) -> None:
    """Not even by a gate that refuses everything."""
    ticket = rest(engine)
    engine.risk.add(lambda _: Refusal(argument="order", reason="no more today"))
    ticket.cancel()
    assert ticket.wait(**WAIT).status is S.CANCELLED


def test_a_modification_that_is_under_way_counts_with_its_larger_size(
    engine: Engine, gateway: WatchedGateway
) -> None:
    """Until the broker answers nobody knows which size holds, so the larger one does."""
    ticket = rest(engine, "90", 10)
    engine.risk.limits = RiskLimits(max_position=100)
    gateway.inject(Drop(), When(on="placeOrder"))
    ticket.modify(quantity=90)
    assert refused(lambda: buy(engine, 11), "position").value == "101"


def test_what_would_be_refused_replaces_nothing(engine: Engine, gateway: WatchedGateway) -> None:
    """A cancel-replace is judged before the cancel, with the new order in the old one's place."""
    ticket = rest(engine, "90", 60)
    engine.risk.limits = RiskLimits(max_position=100)
    traces = Traces(engine, gateway)
    refused(lambda: engine.replace(ticket.order_id, quantity=101), "position")
    traces.check()
    assert ticket.record.is_working
    new = engine.replace(ticket.order_id, quantity=100)
    new.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    assert gateway.books().order(new.order_id).total == 100


# --- the other limits -------------------------------------------------------------------------------


def test_what_and_when_is_allowed(engine: Engine, gateway: WatchedGateway) -> None:
    """Symbols, kinds of instruments, hours."""
    traces = Traces(engine, gateway)
    engine.risk.limits = RiskLimits(symbols=["MSFT"])
    refused(lambda: buy(engine), "symbol")
    engine.risk.limits = RiskLimits(sec_types=["OPT"])
    refused(lambda: buy(engine), "sec type")
    now = engine._clock.now()
    shut = TradingHours((now + timedelta(hours=2)).time(), (now + timedelta(hours=3)).time(), zone="UTC")
    engine.risk.limits = RiskLimits(hours=[shut])
    refused(lambda: buy(engine), "hours")
    traces.check()


def test_money_and_prices_are_judged_by_the_last_quote(engine: Engine) -> None:
    """Which comes from a source of the caller's; without one nothing can be judged."""
    engine.risk.limits = RiskLimits(max_notional=1_000, collar_percent=5)
    assert "a price of it is not known" in refused(lambda: buy(engine, 1), "notional").reason
    asked: list[Contract] = []

    def quotes(contract: Contract) -> Quote:
        asked.append(contract)
        return Quote()

    engine.risk.set_sources(quotes=quotes)
    assert refused(lambda: buy(engine, 10), "notional").value == "1000.1"
    refused(lambda: engine.submit(STOCK, Order.limit("BUY", 1, "105.02")), "price collar")
    assert set(asked) == {STOCK}
    assert buy(engine, 9).wait(**WAIT).status is S.FILLED
    engine.risk.change(collar_percent=None, collar_ticks=10)
    refused(lambda: engine.submit(STOCK, Order.limit("BUY", 1, "100.05")), "price collar")
    engine.risk.set_sources(ticks=lambda *_: D("0.01"))
    assert engine.submit(STOCK, Order.limit("BUY", 1, "100.11")).wait(**WAIT).status is S.FILLED
    refused(lambda: engine.submit(STOCK, Order.limit("BUY", 1, "100.12")), "price collar")


class StillClock(SystemClock):
    """Wall time stands still where it was; spans pass."""

    def __init__(self) -> None:
        self.at = super().now()

    def now(self) -> datetime:
        return self.at


def test_the_rate_of_orders(gateway: WatchedGateway, connect: Connect) -> None:
    """Also counted over orders from before the limit was set; after a second there is room again."""
    clock = StillClock()
    engine = connect(gateway, clock=clock)
    for _ in range(3):
        rest(engine)
    engine.risk.limits = RiskLimits(max_orders_per_second=5)
    bracket = Order.limit("BUY", 10, "90")
    error = refused(
        lambda: engine.submit_bracket(STOCK, bracket, take_profit=99, stop_loss=80), "orders per second"
    )
    assert (error.limit, error.value) == ("5", "6")
    rest(engine)
    rest(engine)
    refused(lambda: rest(engine), "orders per second")
    clock.at += timedelta(seconds=1)
    rest(engine)


def test_the_orders_of_a_day_are_counted_over_a_restart(
    gateway: WatchedGateway, connect: Connect, tmp_path: Path
) -> None:
    """From the journal; a refused order is none, a modification neither."""
    path, risk = tmp_path / "orders.db", RiskLimits(max_orders_per_day=2, day_zone="UTC")
    engine = connect(gateway, journal=path, risk=risk)
    ticket = rest(engine)
    for price in ("91", "92"):
        ticket.modify(limit_price=price)
    settle(engine)
    engine.close()
    engine = connect(gateway, journal=path, risk=risk)
    rest(engine)
    error = refused(lambda: rest(engine), "orders per day")
    assert (error.limit, error.value) == ("2", "3")


def test_duplicates_are_refused_unless_they_are_meant(engine: Engine) -> None:
    """Alike within the window, whatever their keys."""
    engine.risk.limits = RiskLimits(duplicate_window_s=60)
    buy(engine, 5, key="a").wait(**WAIT)
    assert "order" in refused(lambda: buy(engine, 5, key="b"), "duplicate").reason
    assert buy(engine, 6).wait(**WAIT).status is S.FILLED
    second = engine.submit(STOCK, Order.market("BUY", 5), key="b", allow_duplicate=True)
    assert second.wait(**WAIT).status is S.FILLED


def test_an_order_that_never_left_is_judged_again_when_it_is_sent(
    gateway: WatchedGateway, connect: Connect
) -> None:
    """Much may have changed since; one that works is found by its key, and no gate is asked."""
    engine = connect(gateway, settings=EngineSettings(messages_per_second=2, order_queue_s=0.1))
    terms = Order.limit("BUY", 10, "90")
    dead: list[OrderTicket] = []
    alive: list[OrderTicket] = []
    while not (dead and alive):  # the pace lets one out now and then, and the next ones are too old
        tickets = [engine.submit(STOCK, terms, key=f"{len(dead + alive)}-{number}") for number in range(3)]
        for ticket in tickets:
            is_dead = ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT).status is S.REJECTED
            (dead if is_dead else alive).append(ticket)
    engine.risk.limits = RiskLimits(symbols=["MSFT"])
    refused(lambda: engine.submit(STOCK, terms, key=dead[0].key), "symbol")
    assert dead[0].status is S.REJECTED
    assert engine.submit(STOCK, terms, key=alive[0].key) == alive[0]
    engine.risk.limits = RiskLimits(duplicate_window_s=60, symbols=["AAPL"])
    again = engine.submit(STOCK, terms, key=dead[0].key)
    assert again.order_id > alive[-1].order_id
    assert again.record.retry_count == 1


# --- gates of one's own -----------------------------------------------------------------------------


def test_a_gate_of_ones_own(engine: Engine, gateway: WatchedGateway) -> None:
    """It sees all that there is to see, and its word counts like any other's."""
    seen: list[RiskContext] = []

    def only_round_lots(context: RiskContext) -> Refusal | None:
        seen.append(context)
        lot = 100
        if context.order.quantity % lot:
            return Refusal(argument="quantity", reason="no round lot", limit=str(lot), value="7")
        return None

    buy(engine, 50).wait(**WAIT)
    rest(engine, "90", 10)
    engine.risk.set_sources(quotes=lambda _: Quote(), profit_and_loss=lambda _: D(-5))
    engine.risk.add(only_round_lots)
    traces = Traces(engine, gateway)
    error = refused(lambda: buy(engine, 7), "only_round_lots")
    assert (error.argument, error.limit, error.value) == ("quantity", "100", "7")
    traces.check()
    context = seen[0]
    assert (context.contract, context.order.quantity, context.account) == (STOCK, D(7), engine.accounts[0])
    assert context.positions is not None
    assert [(one.contract.symbol, one.quantity) for one in context.positions] == [("AAPL", D(50))]
    assert [(one.order_id, one.remaining) for one in context.working] == [
        (engine.orders()[1].order_id, D(10))
    ]
    assert [one.order.quantity for one in context.recent] == [50, 10]
    assert context.quote == Quote()
    assert (context.submitted_today, context.profit_and_loss) == (2, D(-5))
    engine.risk.remove(only_round_lots)
    assert buy(engine, 7).wait(**WAIT).status is S.FILLED


def _raises(context: RiskContext) -> Refusal | None:
    raise ValueError("out of order")


def _says_true(context: RiskContext) -> Any:
    del context
    return True


@pytest.mark.parametrize(
    ("gate", "word"), [(_raises, "ValueError: out of order"), (_says_true, "it answered a bool")]
)
def test_a_gate_that_fails_refuses(engine: Engine, gateway: WatchedGateway, gate: Any, word: str) -> None:
    """Whatever it raises or answers; an alarm tells, and nothing is left behind."""
    engine.risk.add(gate)
    log, traces = Log(engine), Traces(engine, gateway)
    assert word in refused(lambda: buy(engine), gate.__name__).reason
    assert word in log.wait(events.RiskGateFailed).error
    traces.check()


@pytest.mark.parametrize("source", ["quotes", "ticks", "profit_and_loss", "positions"])
def test_a_source_that_fails_refuses(engine: Engine, source: str) -> None:
    """What cannot be known is no reason to let an order pass."""

    def broken(*_: object) -> Any:
        raise OSError("feed is down")

    engine.risk.limits = RiskLimits(max_loss=100, max_notional=10**6, collar_ticks=5, loss_check_s=0)
    engine.risk.set_sources(
        quotes=lambda _: Quote(), profit_and_loss=lambda _: D(0), ticks=lambda *_: D("0.01")
    )
    engine.risk.set_sources(**{source: broken})
    error = refused(lambda: engine.submit(STOCK, Order.limit("BUY", 1, "100")), f"{source} source")
    assert "OSError: feed is down" in error.reason


def test_nonsense_from_a_source_refuses(engine: Engine) -> None:
    """A price that is no number compares with nothing."""
    engine.risk.limits = RiskLimits(max_notional=10**6)
    engine.risk.set_sources(quotes=lambda _: Quote(ask=D("NaN"), last=D("NaN")))
    refused(lambda: buy(engine), "notional")
    engine.risk.set_sources(quotes=lambda _: "100")  # type: ignore[arg-type, return-value]  # that is the point
    refused(lambda: buy(engine), "notional")


def test_a_gate_cannot_send(engine: Engine) -> None:
    """It would wait for itself; it is told so, and looking is free."""
    caught: list[BaseException] = []

    def greedy(context: RiskContext) -> None:
        assert engine.orders() is not None
        for act in (
            lambda: buy(engine),
            engine.next_request_id,
            lambda: engine.risk.check(STOCK, context.order),
        ):
            try:
                act()
            except WouldDeadlock as error:
                caught.append(error)

    engine.risk.add(greedy)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    assert len(caught) == 3


def test_positions_of_ones_own(engine: Engine) -> None:
    """A source of positions takes the place of what the engine knows."""
    held = Position(account=engine.accounts[0], contract=STOCK, quantity=D(95))
    engine.risk.policy = RiskPolicy(limits=RiskLimits(max_position=100), positions=lambda: [held])
    assert refused(lambda: buy(engine, 6), "position").value == "101"
    engine.risk.set_sources(positions=lambda: None)
    assert "not told the positions" in refused(lambda: buy(engine, 1), "position").reason


# --- at run time ------------------------------------------------------------------------------------


def test_limits_change_while_the_engine_runs(engine: Engine) -> None:
    """From the next order on, and it is told; a change that makes no sense changes nothing."""
    log = Log(engine)
    assert engine.risk.limits == RiskLimits()
    assert engine.risk.change(max_order_size=5) == RiskLimits(max_order_size=5) == engine.risk.limits
    refused(lambda: buy(engine, 6), "order size")
    changed = log.wait(events.RiskLimitsChanged)
    assert (changed.previous, changed.current) == ("none", "max_order_size 5")
    for act in (
        lambda: engine.risk.change(max_order=5),
        lambda: engine.risk.change(max_order_size=-5),
        lambda: engine.risk.add("gate"),  # type: ignore[arg-type]  # that is the point
        lambda: engine.risk.remove(_raises),
        lambda: engine.risk.set_sources(quotes=5),  # type: ignore[arg-type]  # that is the point
        lambda: setattr(engine.risk, "limits", {"max_order_size": 1}),
        lambda: setattr(engine.risk, "policy", RiskLimits()),
    ):
        with pytest.raises(InvalidInput):
            act()
    assert engine.risk.limits == RiskLimits(max_order_size=5)
    engine.risk.change(max_order_size=None)
    assert buy(engine, 6).wait(**WAIT).status is S.FILLED


def test_what_is_no_limit_is_refused_at_once() -> None:
    """Before anything is opened."""
    with pytest.raises(InvalidInput, match="RiskLimits or a RiskPolicy"):
        Engine(1, risk={"max_order_size": 1})  # type: ignore[arg-type]  # that is the point


def test_a_look_ahead_counts_nothing(engine: Engine, gateway: WatchedGateway) -> None:
    """Every gate's answer, with nothing sent, told or counted; it works on an engine that is not open too."""
    engine.risk.limits = RiskLimits(max_order_size=5, symbols=["MSFT"], max_orders_per_day=1)
    log, traces = Log(engine), Traces(engine, gateway)
    for _ in range(3):
        found = engine.risk.check(STOCK, Order.market("BUY", 6))
        assert [refusal.gate for refusal in found] == ["symbol", "order size"]
    assert engine.risk.check(OTHER, Order.market("BUY", 5)) == ()
    traces.check()
    assert log.of(events.RiskGateRefused) == []
    with pytest.raises(InvalidInput):
        engine.risk.check(STOCK, "BUY 5")  # type: ignore[arg-type]  # that is the point
    unopened = Engine(1, risk=RiskLimits(max_order_size=5))
    assert [refusal.gate for refusal in unopened.risk.check(STOCK, Order.market("BUY", 6))] == ["order size"]
    unopened.close()


def test_many_threads_never_pass_a_limit_together(engine: Engine, gateway: WatchedGateway) -> None:
    """Judged one after the other, each with those before it counted."""
    engine.risk.limits = RiskLimits(max_position=50, max_orders_per_day=10**6)
    start = threading.Barrier(4)
    passed: list[int] = []
    gates: set[str] = set()

    def work() -> None:
        start.wait()
        for _ in range(10):
            try:
                passed.append(engine.submit(STOCK, Order.market("BUY", 3)).order_id)
            except RiskRefused as error:
                gates.add(error.gate)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for order_id in passed:
        engine.ticket(order_id).wait(**WAIT)
    assert gates == {"position"}
    assert len(passed) == 16
    assert gateway.books().position("AAPL") == 48


# --- the loss ---------------------------------------------------------------------------------------


class Results:
    """The day's result, as a test sets it."""

    def __init__(self) -> None:
        self.result: Decimal | None = D(0)
        self.asked: set[str] = set()

    def __call__(self, account: str) -> Decimal | None:
        self.asked.add(account)
        return self.result


@pytest.fixture
def results() -> Results:
    return Results()


@pytest.fixture
def losing(gateway: WatchedGateway, connect: Connect, results: Results, tmp_path: Path) -> Engine:
    """An engine that may lose a thousand, and looks at it with orders and fills only."""
    policy = RiskPolicy(limits=RiskLimits(max_loss=1_000, loss_check_s=0), profit_and_loss=results)
    return connect(gateway, risk=policy, journal=tmp_path / "loss.db")


def test_the_loss_limit_halts_at_the_next_order(
    losing: Engine, gateway: WatchedGateway, results: Results
) -> None:
    """It is refused, everything is cancelled, and no further order leaves."""
    resting, log = rest(losing), Log(losing)
    results.result = D("-1000")
    error = refused(lambda: buy(losing), "max loss")
    assert "is -1000, and the loss may be 1000" in error.reason
    with pytest.raises(TradingHalted, match="max loss"):
        buy(losing)
    assert log.wait(events.TradingHalted).reason.startswith("risk gate 'max loss': the day's result of DU")
    assert resting.wait(**WAIT).status is S.CANCELLED
    log.wait(events.HaltConfirmed)
    assert losing.is_halted
    assert gateway.books().position("AAPL") == 0
    assert results.asked == set(losing.accounts)


def test_after_a_release_positions_can_be_closed_and_nothing_opened(
    losing: Engine, gateway: WatchedGateway, results: Results
) -> None:
    """A halt that was lifted on purpose stays lifted: it would cancel what closes the position."""
    buy(losing, 10).wait(**WAIT)
    log = Log(losing)
    results.result = D("-1000")
    losing.risk.check_loss()
    log.wait(events.HaltConfirmed)
    losing.release()
    losing.risk.check_loss()
    assert not losing.is_halted
    refused(lambda: buy(losing, 1), "max loss")
    assert not losing.is_halted
    refused(lambda: losing.submit(STOCK, Order.market("SELL", 11)), "max loss")
    assert losing.submit(STOCK, Order.market("SELL", 10)).wait(**WAIT).status is S.FILLED
    assert gateway.books().position("AAPL") == 0
    losing.risk.change(max_loss=900)  # another limit is another matter
    losing.risk.check_loss()
    assert losing.is_halted


def test_a_fill_has_the_loss_looked_at(losing: Engine, results: Results) -> None:
    """The order that makes the loss is the last one."""
    log = Log(losing)
    losing.on(events.OrderSubmitted, lambda _: setattr(results, "result", D(-2000)), Delivery.INLINE)
    buy(losing)
    log.wait(events.TradingHalted)


def test_the_loss_is_looked_at_now_and_then(
    gateway: WatchedGateway, connect: Connect, results: Results
) -> None:
    """Prices move without any order; a source that fails is told once, and looked at again."""
    fails = threading.Event()

    def source(account: str) -> Decimal | None:
        if fails.is_set():
            raise OSError("feed is down")
        return results(account)

    policy = RiskPolicy(limits=RiskLimits(max_loss=1_000, loss_check_s=0.02), profit_and_loss=source)
    engine = connect(gateway, risk=policy)
    log = Log(engine)
    fails.set()
    assert log.wait(events.RiskGateFailed).gate == "profit_and_loss source"
    fails.clear()
    results.result = D("-1000.01")
    log.wait(events.TradingHalted)
    assert len(log.of(events.RiskGateFailed)) == 1


def test_a_halt_by_hand_does_not_hide_the_loss(losing: Engine, results: Results) -> None:
    """Lifted, the loss halts again: nobody has lifted that one."""
    losing.halt("lunch")
    results.result = D(-2000)
    losing.risk.check_loss()
    losing.release()
    losing.risk.check_loss()
    assert losing.is_halted


def test_a_gate_of_ones_own_can_halt(engine: Engine) -> None:
    """With a refusal that says so."""
    log = Log(engine)
    engine.risk.add(lambda _: Refusal(argument="order", reason="enough", gate="mine", halts=True))
    refused(lambda: buy(engine), "mine")
    assert log.wait(events.TradingHalted).reason == "risk gate 'mine': enough"


def test_a_pace_and_gates_together(gateway: WatchedGateway, connect: Connect) -> None:
    """An order that waits for the pace counts as working already."""
    engine = connect(
        gateway, settings=EngineSettings(messages_per_second=5), risk=RiskLimits(max_position=30)
    )
    tickets = [buy(engine, 3) for _ in range(10)]
    refused(lambda: buy(engine, 1), "position")
    assert all(ticket.wait(**WAIT).status is S.FILLED for ticket in tickets)


def test_the_broker_facade_takes_limits_too() -> None:
    """They hold again after each connecting."""
    with Broker(simulated=True, risk=RiskLimits(max_order_size=5)) as broker:
        for _ in range(2):
            refused(lambda: broker.execute_market_order("AAPL", 6, "BUY"), "order size")
            broker.disconnect()
            broker.connect()
    with pytest.raises(InvalidInput, match="RiskLimits"):
        Broker(simulated=True, risk=5)  # type: ignore[arg-type]  # that is the point
