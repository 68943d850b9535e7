"""Closing a strategy, against the gateway's own books."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core import listeners
from ibkr_core.engine import Engine
from ibkr_core.errors import (
    AmbiguousContract,
    DuplicateOrder,
    IbkrError,
    InvalidInput,
    InvalidOrder,
    InvalidStrategy,
    UnknownContract,
    WouldDeadlock,
)
from ibkr_core.gateway import Choreography, MarketSettings, Settings
from ibkr_core.gateway.core import Delivery
from ibkr_core.gateway.faults import Disconnect, Drop, When
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.results import ActionTaken
from ibkr_core.model.strategy import Strategy, StrategyLeg
from ibkr_core.risk import RiskLimits
from ibkr_core.wire.message import Message
from tests.engine.holdings import FAST, JOIN, THEN, beside, call, held, hold, stage, vertical
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
D = Decimal
LONG = Strategy.single(STOCK, "BUY", 10)
SHORT = Strategy.single(STOCK, "SELL", 10)


@pytest.fixture
def gateway(serve: Serve) -> WatchedGateway:
    """AAPL stands where its options are worth something."""
    return stage(serve)


@pytest.fixture
def engine(gateway: WatchedGateway, connect: Connect) -> Engine:
    """An engine that settles doubts soon."""
    return connect(gateway, **JOIN)


def slow_cancels(serve: Serve) -> WatchedGateway:
    """A gateway that takes its time with cancels: what is being cancelled may fill."""
    slow = Choreography.plain()
    settings = Settings(
        market=MarketSettings(moves=False),
        choreography=type(slow)(
            **{
                name: getattr(slow, name)
                for name in ("pre_submitted", "submitted_follows", "duplicates", "work_delay_s")
            },
            cancel_delay_s=(0.3, 0.3),
            pending_cancel=1.0,
        ),
    )
    return stage(serve, settings=settings)


def sent(gateway: WatchedGateway, since: int = 0) -> list[tuple[str, str, Any]]:
    """Side, type and size of the orders that arrived."""
    orders = [message.fields["order"] for message in gateway.arrived("placeOrder")[since:]]
    return [(one["action"], one["orderType"], one["totalQuantity"]) for one in orders]


# ── what it does ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("strategy", "side"), [(LONG, "SELL"), (SHORT, "BUY")])
def test_a_position_is_closed_at_the_market(
    strategy: Strategy, side: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """With the opposite side and the size that is held; nothing is left, and no alarm is raised."""
    hold(engine, strategy)
    log = Log(engine)
    result = engine.close_position(strategy)
    assert (result.success, result.action_taken, result.error_message) == (True, ActionTaken.CLOSED, None)
    assert sent(gateway, 1) == [(side, "MKT", 10)]
    assert held(gateway) == {}
    record = engine.order(result.order_ids[0])
    assert (record.status, record.filled_quantity) == (S.FILLED, 10)
    leg = result.legs[0]
    assert (leg.wanted, leg.done, leg.left, leg.action.value) == (10, 10, 0, side)
    assert log.of(events.StrategyUnfinished) == []


@pytest.mark.parametrize("version", VERSIONS)
def test_every_server_version(version: int, serve: Serve, connect: Connect) -> None:
    """Legs with an exit, then a combination: text and protobuf tell the same."""
    gateway = stage(serve, versions=[version])
    engine = connect(gateway, **JOIN)
    for as_combo in (False, True):
        hold(engine, vertical())
        exit_ = engine.submit(call(290), Order.limit("SELL", 3, "90"))
        exit_.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
        result = engine.close_position(vertical(), as_combo=as_combo)
        assert result.action_taken is ActionTaken.CLOSED, str(result)
        assert exit_.status is S.CANCELLED
        assert held(gateway) == {}


def test_every_leg_is_closed_and_what_is_owed_first(gateway: WatchedGateway, engine: Engine) -> None:
    """Buying back what is owed lowers the risk, so it leaves first; results come in the strategy's order."""
    hold(engine, vertical())
    result = engine.close_position(vertical())
    assert result.action_taken is ActionTaken.CLOSED
    assert [side for side, _, _ in sent(gateway, 2)] == ["BUY", "SELL"]
    assert [leg.action.value for leg in result.legs] == ["SELL", "BUY"]
    assert held(gateway) == {}


def test_shares_and_calls_together(gateway: WatchedGateway, engine: Engine) -> None:
    """A covered call: a hundred shares for each call."""
    strategy = Strategy.covered_call("AAPL", "20261218", 300, quantity=2)
    hold(engine, strategy)
    assert held(gateway) == {"AAPL": 200, "AAPL261218C00300000": -2}
    assert engine.close_position(strategy).success
    assert held(gateway) == {}


def test_exits_go_first_and_their_end_is_proved(gateway: WatchedGateway, engine: Engine) -> None:
    """The closing order leaves when both exits of the bracket are confirmed dead, not before."""
    bracket = engine.submit_bracket(
        STOCK, Order.limit("BUY", 10, "292.10"), take_profit="310", stop_loss="250"
    )
    assert bracket.parent.wait(**WAIT).status is S.FILLED
    log = Log(engine)
    result = engine.close_position(LONG)
    assert result.success
    assert held(gateway) == {}
    exits = {bracket.take_profit.order_id, bracket.stop_loss.order_id}
    ended = [e.seq for e in log.of(events.OrderCancelled) if e.order_id in exits]
    assert len(ended) == 2
    assert max(ended) < log.of(events.OrderSubmitted)[0].seq
    assert result.order_ids == (log.of(events.OrderSubmitted)[0].order_id,)
    assert all("exit order" in note for note in result.notes)


def test_exits_that_fit_into_what_stays_are_left_alone(gateway: WatchedGateway, engine: Engine) -> None:
    """Ten of fifteen are closed: a stop for five still guards the rest; one for eight would sell too much."""
    hold(engine, Strategy.single(STOCK, "BUY", 15))
    fits = engine.submit(STOCK, Order.stop("SELL", 5, "250"))
    fits.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    assert engine.close_position(LONG).success
    assert fits.status.is_working
    assert held(gateway) == {"AAPL": 5}
    hold(engine, LONG)
    too_big = engine.submit(STOCK, Order.stop("SELL", 8, "251"))
    too_big.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    assert engine.close_position(LONG).success
    assert (fits.status.is_working, too_big.status) == (True, S.CANCELLED)
    assert held(gateway) == {"AAPL": 5}


def test_what_stays_without_its_exits_raises_the_alarm(gateway: WatchedGateway, engine: Engine) -> None:
    """Four of ten are closed, and the stop for ten had to go: that the other six are bare is told."""
    hold(engine, LONG)
    stop = engine.submit(STOCK, Order.stop("SELL", 10, "250"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    log = Log(engine)
    result = engine.close_position(Strategy.single(STOCK, "BUY", 4))
    assert result.success
    why = f"6 of AAPL stay held without the exit orders #{stop.order_id}"
    assert result.notes[-1] == why
    assert log.wait(events.StrategyUnfinished).error_message == why
    assert held(gateway) == {"AAPL": 6}


def test_an_entry_that_still_works_and_lost_its_exits(gateway: WatchedGateway, engine: Engine) -> None:
    """What it has filled is closed; what it fills from now on has no exit, and that is told."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, "280"), take_profit="320", stop_loss="250")
    for ticket in bracket.all:
        ticket.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    gateway.fill(bracket.parent.order_id, quantity=4, price="280")
    bracket.parent.wait(S.PARTIALLY_FILLED, **WAIT)
    log = Log(engine)
    result = engine.close_position(LONG)
    assert result.success
    why = f"the entry #{bracket.parent.order_id} still works, and has lost its exits"
    assert result.notes[-1] == why
    assert log.wait(events.StrategyUnfinished).error_message == why


def test_parts_of_an_option_by_its_id_alone_are_refused(gateway: WatchedGateway, engine: Engine) -> None:
    """That it is one is known only after a question; its exit stays, and nothing is sent."""
    hold(engine, Strategy.single(call(300), "BUY", 2))
    exit_ = engine.submit(call(300), Order.limit("SELL", 2, "90"))
    exit_.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    con_id = engine.reference.qualify(call(300)).con_id
    half = Strategy.single(Contract.by_con_id(con_id), "BUY", "1.5")
    before = len(sent(gateway))
    for work in (engine.close_position, lambda one: engine.roll_position(one, 52)):
        with pytest.raises(InvalidStrategy, match=r"quantity: makes 1\.5 of AAPL"):
            work(half)
    assert exit_.status in (S.PRE_SUBMITTED, S.SUBMITTED)
    assert len(sent(gateway)) == before


def test_the_exits_of_an_entry_that_has_not_filled_are_left_alone(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """They guard what is not held yet: without them the entry would be naked."""
    hold(engine, LONG)
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 7, "280"), take_profit="310", stop_loss="250")
    bracket.parent.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    assert engine.close_position(LONG).success
    assert held(gateway) == {}
    assert not any(ticket.record.is_finished for ticket in bracket.all)


def test_no_more_than_is_held_is_closed(gateway: WatchedGateway, engine: Engine) -> None:
    """The strategy says ten, four are there: four are sold, and a note says so."""
    hold(engine, Strategy.single(STOCK, "BUY", 4))
    result = engine.close_position(LONG)
    assert result.success
    assert sent(gateway, 1) == [("SELL", "MKT", 4)]
    assert result.notes == ("AAPL: 4 of 10 were there to be closed",)
    assert held(gateway) == {}


@pytest.mark.parametrize("position", ["none", "the other way round"])
def test_what_is_not_held_is_not_closed(position: str, gateway: WatchedGateway, engine: Engine) -> None:
    """Nothing is sent, neither for what is not there nor for what is short instead of long."""
    if position != "none":
        hold(engine, SHORT)
    before = len(gateway.arrived("placeOrder"))
    result = engine.close_position(LONG)
    assert (result.success, result.action_taken) == (False, ActionTaken.FAILED)
    assert "nothing of single is held in account DU1234567" in str(result.error_message)
    assert len(gateway.arrived("placeOrder")) == before


def test_a_strategy_as_one_combination(gateway: WatchedGateway, engine: Engine) -> None:
    """One order, whose first leg is bought when it is bought; every leg is flat afterwards."""
    hold(engine, vertical())
    result = engine.close_position(vertical(), as_combo=True)
    assert result.action_taken is ActionTaken.CLOSED
    assert len(result.order_ids) == 1
    order = gateway.arrived("placeOrder")[-1].fields
    assert order["contract"]["secType"] == "BAG"
    assert [leg["action"] for leg in order["contract"]["comboLegs"]] == ["BUY", "SELL"]
    assert sent(gateway, 2) == [("SELL", "MKT", 3)]
    assert [(leg.done, leg.left) for leg in result.legs] == [(3, 0), (3, 0)]
    assert held(gateway) == {}


def test_a_combination_takes_no_more_than_its_thinnest_leg(gateway: WatchedGateway, engine: Engine) -> None:
    """Three of one leg and two of the other: two combinations go, and the odd one is named."""
    hold(engine, vertical(2))
    hold(engine, Strategy.single(call(290), "BUY", 1))
    log = Log(engine)
    result = engine.close_position(vertical(3), as_combo=True)
    assert result.action_taken is ActionTaken.PARTIAL
    assert sent(gateway, 3) == [("SELL", "MKT", 2)]
    assert held(gateway) == {"AAPL261218C00290000": 1}
    assert [(leg.contract.strike, leg.left) for leg in result.remaining] == [(D(290), 1)]
    assert "AAPL 20261218 C 290" in str(result.error_message)
    assert log.wait(events.StrategyUnfinished).error_message == result.error_message


@pytest.mark.parametrize(
    ("sides", "price", "limit"),
    [(("BUY", "SELL"), {"credit": "2.00"}, 2), (("SELL", "BUY"), {"debit": "9.00"}, -9)],
)
def test_the_price_of_a_combination_says_who_pays(
    sides: tuple[str, str], price: dict[str, str], limit: int, gateway: WatchedGateway, engine: Engine
) -> None:
    """A debit spread is sold at what is to be received; of its mirror, the first leg is bought back."""
    legs = [StrategyLeg(call(strike), 1, side) for strike, side in zip((290, 300), sides, strict=True)]
    strategy = Strategy(legs, 2)
    hold(engine, strategy)
    result = engine.close_position(strategy, as_combo=True, **price)
    assert result.success, str(result)
    order = gateway.arrived("placeOrder")[-1].fields["order"]
    bought = order["action"] == "BUY"
    assert bought is (sides[0] == "SELL")
    assert order["lmtPrice"] == (-limit if bought else limit)
    assert held(gateway) == {}


# ── what is left ────────────────────────────────────────────────────────────────────────────────────


def test_a_leg_that_is_refused_does_not_stop_the_others(gateway: WatchedGateway, engine: Engine) -> None:
    """The other one is closed; the result names what is left and why, and so does an alarm."""
    hold(engine, vertical())
    log = Log(engine)
    gateway.bar("AAPL  261218C00300000")
    result = engine.close_position(vertical())
    assert (result.success, result.action_taken) == (False, ActionTaken.PARTIAL)
    assert held(gateway) == {"AAPL261218C00300000": -3}
    assert [(leg.contract.strike, leg.left) for leg in result.remaining] == [(D(300), 3)]
    assert "BUY 0 of 3 AAPL 20261218 C 300" in str(result.error_message)
    assert "not available or allowed" in str(result.error_message)
    alarm = log.wait(events.StrategyUnfinished)
    assert (alarm.call, alarm.order_ids) == ("close_position", result.order_ids)
    assert alarm.error_message == result.error_message


def test_a_position_whose_exits_are_gone_and_that_stays_raises_the_alarm(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """The stop is cancelled, and then the closing is refused: nothing guards the shares any more."""
    hold(engine, LONG)
    stop = engine.submit(STOCK, Order.stop("SELL", 10, "250"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    log = Log(engine)
    gateway.bar("AAPL")
    result = engine.close_position(LONG)
    assert result.action_taken is ActionTaken.FAILED
    assert f"its exit orders #{stop.order_id} are gone, so it is unprotected" in str(result.error_message)
    assert log.wait(events.StrategyUnfinished).error_message == result.error_message
    assert held(gateway) == {"AAPL": 10}


def test_a_risk_gate_that_refuses_is_named(gateway: WatchedGateway, connect: Connect) -> None:
    """What stands before the broker refuses like the broker: the leg is left, and the result says why."""
    other = connect(gateway, 2, **JOIN)
    hold(other, LONG)
    engine = connect(gateway, **JOIN, risk=RiskLimits(max_order_size=8))
    result = engine.close_position(LONG)
    assert result.action_taken is ActionTaken.FAILED
    assert "SELL 0 of 10 AAPL" in str(result.error_message)
    assert str(result.error_message).count("10 is more than 8") == 1  # said once, not once more for all
    assert held(gateway) == {"AAPL": 10}


@pytest.mark.parametrize("as_combo", [False, True])
def test_what_a_gate_would_refuse_costs_no_exit(
    as_combo: bool, gateway: WatchedGateway, engine: Engine
) -> None:
    """Limits hold for closing too: then the stop stays where it is, and no leg is closed alone."""
    hold(engine, vertical())
    stop = engine.submit(call(290), Order.stop("SELL", 3, "1"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    log, before = Log(engine), held(gateway)
    engine.risk.limits = RiskLimits(max_order_size=2)
    result = engine.close_position(vertical(), as_combo=as_combo)
    assert result.action_taken is ActionTaken.FAILED
    assert "risk gate 'order size' refused quantity: 3 is more than 2" in str(result.error_message)
    assert "gone" not in str(result.error_message)
    assert stop.record.is_working
    assert gateway.arrived("cancelOrder") == []
    assert held(gateway) == before
    assert log.wait(events.RiskGateRefused).gate == "order size"
    assert log.of(events.StrategyUnfinished) == []
    engine.risk.limits = RiskLimits(max_order_size=3)
    assert engine.close_position(vertical(), as_combo=as_combo).action_taken is ActionTaken.CLOSED
    assert held(gateway) == {}


def test_a_leg_that_a_gate_would_refuse_keeps_the_others(gateway: WatchedGateway, engine: Engine) -> None:
    """Of shares with calls against them, the shares are not sold where the calls cannot be bought back."""
    covered = Strategy([StrategyLeg(STOCK, 100, "BUY"), StrategyLeg(call(300), 1, "SELL")], 2)
    hold(engine, covered)
    before = held(gateway)
    engine.risk.limits = RiskLimits(sec_types=["STK"])
    result = engine.close_position(covered)
    assert result.action_taken is ActionTaken.FAILED
    assert "sec type" in str(result.error_message)
    assert held(gateway) == before


def test_exits_that_go_do_not_count_against_the_closing(gateway: WatchedGateway, engine: Engine) -> None:
    """Beside them it could turn the position; they are gone when it is sent. A loss stops no closing."""
    hold(engine, LONG)
    log = Log(engine)
    engine.risk.set_sources(profit_and_loss=lambda _: D(-2_000))
    engine.risk.limits = RiskLimits(max_position=5, max_loss=1_000, loss_check_s=0)
    engine.risk.check_loss()
    log.wait(events.HaltConfirmed)
    engine.release()
    stop = engine.submit(STOCK, Order.stop("SELL", 10, "250"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    beside_it = engine.risk.check(STOCK, Order.market("SELL", 10))
    assert [refusal.gate for refusal in beside_it] == ["position", "max loss"]
    result = engine.close_position(LONG)
    assert result.action_taken is ActionTaken.CLOSED, str(result)
    assert stop.status is S.CANCELLED
    assert held(gateway) == {}
    assert not engine.is_halted


def test_what_does_not_fill_in_time_works_on_and_is_named(gateway: WatchedGateway, engine: Engine) -> None:
    """Four of ten fill at the limit; called again with its key nothing is sent twice."""
    hold(engine, LONG)
    gateway.market("AAPL").set_quote(bid="292.00", ask="292.10", bid_size=4)
    result = engine.close_position(LONG, limit_prices="292.00", key="evening", timeout_s=0.3)
    assert (result.success, result.action_taken) == (False, ActionTaken.PARTIAL)
    assert [(leg.done, leg.left) for leg in result.legs] == [(4, 6)]
    assert f"#{result.order_ids[0]} still works" in str(result.error_message)
    again = beside(lambda: engine.close_position(LONG, limit_prices="292.00", key="evening", **WAIT))
    gateway.fill(result.order_ids[0])
    assert again.result(PATIENCE_S).action_taken is ActionTaken.CLOSED
    assert again.result().order_ids == result.order_ids
    assert len(sent(gateway)) == 2
    assert held(gateway) == {}


def test_what_does_not_fill_in_time_is_cancelled_on_request(gateway: WatchedGateway, engine: Engine) -> None:
    """Then nothing works any more, and the same call goes on with the rest under another order."""
    hold(engine, LONG)
    wish: dict[str, Any] = {"key": "k", "cancel_unfilled": True, "timeout_s": 0.2}
    result = engine.close_position(LONG, limit_prices="300", **wish)
    assert result.action_taken is ActionTaken.FAILED
    assert engine.order(result.order_ids[0]).status is S.CANCELLED
    assert engine.active_orders() == ()
    again = engine.close_position(LONG, **wish)
    assert again.action_taken is ActionTaken.CLOSED
    assert again.order_ids == (*result.order_ids, again.order_ids[-1])
    assert held(gateway) == {}


def test_a_second_call_without_the_key_takes_the_first_ones_order_away(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """A closing that rests is an order that works against the position: it goes before another is sent."""
    hold(engine, LONG)
    first = engine.close_position(LONG, limit_prices="300", timeout_s=0.1)
    second = engine.close_position(LONG)
    assert second.success
    assert engine.order(first.order_ids[0]).status is S.CANCELLED
    assert held(gateway) == {}


# ── what happens meanwhile ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("filled", [4, 10])
def test_an_exit_that_fills_while_it_is_cancelled(filled: int, serve: Serve, connect: Connect) -> None:
    """Only what is still there is closed; where nothing is, nothing is sent, and that is a success."""
    gateway = slow_cancels(serve)
    engine = connect(gateway, **JOIN)
    hold(engine, LONG)
    stop = engine.submit(STOCK, Order.stop("SELL", 10, "250"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    before = len(gateway.arrived("placeOrder"))
    closing = beside(lambda: engine.close_position(LONG))
    gateway.wait_for(lambda _: gateway.arrived("cancelOrder"))
    gateway.fill(stop.order_id, quantity=filled, price="249")
    result = closing.result(PATIENCE_S)
    assert (result.success, result.action_taken) == (True, ActionTaken.CLOSED)
    assert held(gateway) == {}
    assert [size for _, _, size in sent(gateway, before)] == ([6] if filled == 4 else [])
    assert f"after it had filled {filled} more" in " ".join(result.notes)


def test_an_exit_whose_end_is_not_proved_is_counted_on(gateway: WatchedGateway, engine: Engine) -> None:
    """Its cancel is lost on the way: it may still sell six, so no more than four are sold."""
    hold(engine, LONG)
    stop = engine.submit(STOCK, Order.stop("SELL", 6, "250"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    gateway.inject(Drop(), When(on="cancelOrder", times=None))
    log = Log(engine)
    result = engine.close_position(LONG, exits_timeout_s=0.3)
    assert result.action_taken is ActionTaken.PARTIAL
    assert f"the cancel of #{stop.order_id} is not confirmed" in str(result.error_message)
    assert [(leg.done, leg.left) for leg in result.legs] == [(4, 6)]
    gateway.fill(stop.order_id)
    assert held(gateway) == {}
    assert log.wait(events.StrategyUnfinished)


def test_another_clients_order_is_counted_on(serve: Serve, connect: Connect, gateway: WatchedGateway) -> None:
    """It cannot be cancelled, so what it may sell is left to it, and it is named."""
    other = connect(gateway, 2, **JOIN)
    hold(other, LONG)
    other.submit(STOCK, Order.limit("SELL", 3, "300")).wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    engine = connect(gateway, **JOIN)
    result = engine.close_position(LONG)
    assert result.action_taken is ActionTaken.PARTIAL
    assert held(gateway) == {"AAPL": 3}
    assert "was placed by another client" in str(result.error_message)


def test_a_position_that_changes_meanwhile(serve: Serve, connect: Connect) -> None:
    """Somebody sells four by hand while the exit goes: six are closed, after a second look."""
    gateway = slow_cancels(serve)
    engine = connect(gateway, **JOIN)
    hold(engine, LONG)
    engine.submit(STOCK, Order.stop("SELL", 10, "250")).wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    closing = beside(lambda: engine.close_position(LONG))
    gateway.wait_for(lambda _: gateway.arrived("cancelOrder"))
    gateway.place_by_hand("AAPL", "SELL", 4, kind="MKT")
    gateway.wait_for(lambda books: books.position("AAPL") == 6)
    result = closing.result(PATIENCE_S)
    assert result.success, str(result)
    assert held(gateway) == {}
    assert sent(gateway, 2) == [("SELL", "MKT", 6)]


def lagging(stale: list[bool]) -> Callable[[int, Message], Iterable[Delivery]]:
    """Add to a list of positions the first row that was ever told; each time takes a mark away."""
    rows: list[Message] = []

    def outlet(_: int, message: Message) -> Iterable[Delivery]:
        if message.kind == "positionMulti":
            rows.append(message)
        if message.kind == "positionMultiEnd" and stale:
            stale.pop()
            late = {**rows[0].fields, "reqId": message.fields["reqId"]}
            return Delivery(Message("positionMulti", late)), Delivery(message)
        return (Delivery(message),)

    return outlet


def test_a_list_of_positions_that_lags_behind(serve: Serve, connect: Connect) -> None:
    """Flat a moment ago, and the next list still shows ten: it is asked for again, nothing is sold short."""
    stale: list[bool] = []
    gateway = stage(serve, outlet=lagging(stale))
    engine = connect(gateway, **JOIN)
    hold(engine, LONG)
    assert engine.close_position(LONG).success
    stale.append(True)
    result = engine.close_position(LONG)
    assert (stale, result.action_taken) == ([], ActionTaken.FAILED)
    assert held(gateway) == {}
    assert len(sent(gateway)) == 2


def test_a_list_that_lags_longer_than_there_is_time(serve: Serve, connect: Connect) -> None:
    """Asked twice in haste, it shows ten twice: what the fills come to counts, and nothing is sold short."""
    stale: list[bool] = []
    gateway = stage(serve, outlet=lagging(stale))
    engine = connect(gateway, settings=attrs.evolve(FAST, confirm_s=0.5), clock=THEN)
    hold(engine, LONG)
    assert engine.close_position(LONG).success
    stale += [True] * 100
    result = engine.close_position(LONG, exits_timeout_s=0.05)
    assert result.action_taken is ActionTaken.FAILED
    assert "did not settle; the smaller figures were used" in result.notes[0]
    assert held(gateway) == {}
    assert len(sent(gateway)) == 2


def test_positions_that_never_settle(serve: Serve, connect: Connect) -> None:
    """Each list says something else than the fills and the one before: the smaller figures are used."""
    figures = [9, 8, 7, 6, 9, 8, 7, 6]

    def outlet(_: int, message: Message) -> Iterable[Delivery]:
        if message.kind == "positionMulti" and figures:
            return (Delivery(Message("positionMulti", {**message.fields, "position": D(figures.pop())})),)
        return (Delivery(message),)

    gateway = stage(serve, outlet=outlet)
    engine = connect(gateway, **JOIN)
    hold(engine, LONG)
    result = engine.close_position(LONG, exits_timeout_s=0.12)
    assert "did not settle; the smaller figures were used" in result.notes[0]
    assert 0 <= held(gateway).get("AAPL", 0) <= 4
    assert len(sent(gateway)) == 2


def test_a_position_that_was_changed_by_hand_is_believed_when_it_is_told_twice(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """Our fills know nothing of it: the second list, a while later, settles it."""
    hold(engine, LONG)
    gateway.place_by_hand("AAPL", "BUY", 5, kind="MKT")
    gateway.wait_for(lambda books: books.position("AAPL") == 15)
    before = len(gateway.arrived("reqPositionsMulti"))
    assert engine.close_position(Strategy.single(STOCK, "BUY", 15)).success
    assert len(gateway.arrived("reqPositionsMulti")) == before + 2
    assert held(gateway) == {}


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_is_lost_in_the_middle(
    moment: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """The second leg's order arrives unanswered, or is lost: it is waited for, or goes again, once."""
    hold(engine, vertical())
    gateway.inject(Disconnect(moment=moment), When(on="placeOrder", nth=2))
    result = engine.close_position(vertical(), key="k", **WAIT)
    assert len(result.order_ids) == (3 if moment == "before" else 2)
    assert result.action_taken is ActionTaken.CLOSED
    assert held(gateway) == {}
    assert sum(order.filled for order in gateway.books().orders) == 12


@pytest.mark.parametrize("trouble", ["halted", "out of reach"])
def test_nothing_is_cancelled_where_nothing_could_be_sent(
    trouble: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """A position keeps its stop while the brake is on, or the gateway has lost the broker."""
    hold(engine, LONG)
    if trouble == "halted":
        engine.halt("enough")
        assert engine.wait_flat(PATIENCE_S)
        gateway.place_by_hand("AAPL", "SELL", 10, kind="STP", auxPrice=250.0)
    else:
        stop = engine.submit(STOCK, Order.stop("SELL", 10, "250"))
        stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
        log = Log(engine)
        gateway.say(1100, "Connectivity between IBKR and TWS has been lost.", client_id=1)
        log.wait(events.SessionChanged, lambda event: not event.can_trade)
    before = len(gateway.orders_arrived())
    result = engine.close_position(LONG, timeout_s=0.2)
    assert result.action_taken is ActionTaken.FAILED
    assert ("halted" if trouble == "halted" else "lost") in str(result.error_message)
    assert len(gateway.orders_arrived()) == before
    assert held(gateway) == {"AAPL": 10}


def test_two_callers_at_once(gateway: WatchedGateway, engine: Engine) -> None:
    """Whatever the order of things, together they close what is held and not one more."""
    hold(engine, LONG)
    calls = [beside(lambda: engine.close_position(LONG)) for _ in range(4)]
    results = [one.result(PATIENCE_S) for one in calls]
    assert any(result.success for result in results)
    assert held(gateway) == {}
    assert sum(order.filled for order in gateway.books().orders if order.action == "SELL") == 10


def test_a_call_goes_on_after_a_crash(tmp_path: Path, gateway: WatchedGateway, connect: Connect) -> None:
    """The journal knows the orders by the call's key: nothing is sent again, and the rest is waited for."""
    path = tmp_path / "orders.db"
    engine = connect(gateway, **JOIN, journal=path)
    hold(engine, LONG)
    first = engine.close_position(LONG, limit_prices="300", key="k", timeout_s=0.1)
    engine.close()
    engine = connect(gateway, **JOIN, journal=path)
    again = beside(lambda: engine.close_position(LONG, limit_prices="300", key="k", **WAIT))
    gateway.fill(first.order_ids[0])
    assert again.result(PATIENCE_S).action_taken is ActionTaken.CLOSED
    assert again.result().order_ids == first.order_ids
    assert held(gateway) == {}
    assert len(sent(gateway)) == 2
    assert [record.key for record in engine.orders()][-1] == "k:close1"


def test_a_finished_call_trades_nothing_when_it_is_made_again(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """Ten of twenty are closed under a key: the same call again is answered from what it did."""
    hold(engine, Strategy.single(STOCK, "BUY", 20))
    first = engine.close_position(LONG, key="k")
    again = engine.close_position(LONG, key="k")
    assert (again.action_taken, again.order_ids) == (first.action_taken, first.order_ids)
    assert held(gateway) == {"AAPL": 10}


def test_a_key_that_was_used_for_something_else(gateway: WatchedGateway, engine: Engine) -> None:
    """Another strategy, or the same in another manner, would be taken for the first: it is refused."""
    hold(engine, LONG)
    hold(engine, vertical())
    assert engine.close_position(LONG, key="k").success
    before = len(gateway.arrived("placeOrder"))
    with pytest.raises(DuplicateOrder, match="has the key 'k:close1' and is another order: SELL AAPL"):
        engine.close_position(Strategy.single(call(290), "BUY", 3), key="k")
    with pytest.raises(DuplicateOrder, match="the call was begun with as_combo=False"):
        engine.close_position(vertical(), key="k", as_combo=True)
    assert len(gateway.arrived("placeOrder")) == before
    assert engine.close_position(vertical(), key="other", as_combo=True).success
    with pytest.raises(DuplicateOrder, match="the call was begun with as_combo=True"):
        engine.close_position(vertical(), key="other")


def test_a_lost_gateway_is_told_in_the_result(gateway: WatchedGateway, engine: Engine) -> None:
    """Nothing can be asked: FAILED with the reason, and nothing was sent."""
    hold(engine, LONG)
    position = engine.reference.positions()[0]
    strategy = Strategy.single(position.contract.replace(exchange="SMART"), "BUY", 10)
    engine.close()
    result = engine.close_position(strategy)
    assert result.action_taken is ActionTaken.FAILED
    assert "closed" in str(result.error_message)


# ── accounts, terms, bad input ──────────────────────────────────────────────────────────────────────


def test_of_several_accounts_one_must_be_named(serve: Serve, connect: Connect) -> None:
    """Then its position is closed, and the other account's stays."""
    codes = ("DU1111111", "DU2222222")
    gateway = stage(
        serve,
        settings=Settings(
            accounts=codes, market=MarketSettings(moves=False), choreography=Choreography.plain()
        ),
    )
    engine = connect(gateway, **JOIN)
    for code in codes:
        engine.submit(STOCK, Order.market("BUY", 10, account=code)).wait(**WAIT)
    with pytest.raises(InvalidInput, match="account: must be named; this login has DU1111111, DU2222222"):
        engine.close_position(LONG)
    with pytest.raises(InvalidInput, match="none of this login"):
        engine.close_position(LONG, account="DU3333333")
    assert engine.close_position(LONG, account=codes[1]).success
    assert held(gateway, codes[0]) == {"AAPL": 10}
    assert held(gateway, codes[1]) == {}
    mine = Order.market("SELL", 1, account=codes[0])
    with pytest.raises(InvalidInput, match="is DU2222222, but the order names DU1111111"):
        engine.close_position(LONG, order=mine, account=codes[1])
    assert engine.close_position(LONG, order=mine).success
    assert held(gateway) == {}


def test_the_terms_of_the_template_are_kept(gateway: WatchedGateway, engine: Engine) -> None:
    """An algorithm and a time in force go with each leg; side and size are the leg's own."""
    hold(engine, vertical())
    algo = Order.limit("BUY", 1, "1", tif="GTC", official={"algoStrategy": "Adaptive"})
    with pytest.raises(InvalidInput, match="one limit price for several legs"):
        engine.close_position(vertical(), order=algo)
    gateway.market("AAPL  261218C00290000").set_quote(bid="9.60", ask="9.80")
    plain = Order.market("BUY", 1, tif="GTC", outside_rth=True)
    result = engine.close_position(vertical(), order=plain, limit_prices=("9.60", None))
    assert result.success, str(result)
    orders = [message.fields["order"] for message in gateway.arrived("placeOrder")[2:]]
    assert [(one["orderType"], one["tif"], one["totalQuantity"]) for one in orders] == [
        ("MKT", "GTC", 3),
        ("LMT", "GTC", 3),
    ]


SPREAD = {"strategy": vertical(), "as_combo": True}
NO_CURRENCY = Contract.stock("SAP").replace(currency="")
TWICE = Strategy([StrategyLeg(STOCK), StrategyLeg(STOCK.replace(primary_exchange="NASDAQ"))])
BAD = [
    ({"strategy": STOCK}, InvalidInput, "strategy: must be an ibkr_core Strategy"),
    ({"strategy": None}, InvalidInput, "strategy: must be"),
    ({"order": "MKT"}, InvalidInput, "order: must be an ibkr_core Order"),
    ({"order": Order.market("SELL", 1, what_if=True)}, InvalidOrder, "what_if: cannot be set"),
    ({"order": Order.market("SELL", 1, transmit=False)}, InvalidOrder, "transmit: an order that is held"),
    ({"order": Order.market("SELL", 1, order_ref="x")}, InvalidOrder, "order_ref: cannot be set"),
    ({"order": Order.limit("SELL", 1, 5), "limit_prices": 5}, InvalidInput, "limit price of its own"),
    ({"limit_prices": (1, 2)}, InvalidInput, "limit_prices: must be one for each of 1 legs"),
    ({"limit_prices": "nan"}, InvalidInput, "limit_prices: must be a finite number"),
    ({"limit_prices": -5}, InvalidOrder, "limit_price: must be above zero"),
    ({"as_combo": True}, InvalidInput, "as_combo: needs two legs"),
    ({"as_combo": 1}, InvalidInput, "as_combo: must be True or False"),
    ({"credit": 1}, InvalidInput, "credit: is for a combination"),
    ({**SPREAD, "credit": -1}, InvalidInput, "credit: must not be below zero"),
    ({**SPREAD, "credit": 1, "debit": 1}, InvalidInput, "either credit or"),
    ({**SPREAD, "limit_prices": (1, 2)}, InvalidInput, "credit or debit"),
    (
        {**SPREAD, "order": Order.limit("SELL", 1, 5)},
        InvalidInput,
        "credit or debit, which says who pays",
    ),
    ({"account": 7}, InvalidInput, "account: must be a text"),
    ({"account": "DU9999999"}, InvalidInput, "account: DU9999999 is none of this login's"),
    ({"key": 7}, InvalidInput, "key: must be a text"),
    ({"key": "x" * 41}, InvalidInput, "key: must be a text of at most 40"),
    ({"timeout_s": 0}, InvalidInput, "timeout_s: must be a number of seconds"),
    ({"timeout_s": "1"}, InvalidInput, "timeout_s: must be a number of seconds"),
    ({"exits_timeout_s": -1}, InvalidInput, "exits_timeout_s: must be a number of seconds"),
    ({"cancel_unfilled": None}, InvalidInput, "cancel_unfilled: must be True or False"),
    ({"strategy": Strategy.single(Contract.stock("ZZZZ"))}, UnknownContract, "contract"),
    ({"strategy": TWICE}, InvalidInput, "two of its legs turn out to be the same"),
    ({"strategy": Strategy.single(NO_CURRENCY)}, AmbiguousContract, "SAP"),
]


@pytest.mark.parametrize(("wish", "error", "text"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_refused_before_anything_is_sent(
    wish: dict[str, Any], error: type[IbkrError], text: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """A typed error that names the argument and the rule; exits stay, no order leaves."""
    hold(engine, LONG)
    stop = engine.submit(STOCK, Order.stop("SELL", 10, "250"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    before = len(gateway.orders_arrived())
    with pytest.raises(error, match=text):
        engine.close_position(**{"strategy": LONG, **wish})
    assert len(gateway.orders_arrived()) == before
    assert stop.status.is_working


def test_an_inline_listener_cannot_close(gateway: WatchedGateway, engine: Engine) -> None:
    """It runs on the thread that would bring the answers."""
    errors: list[BaseException] = []

    def listen(_: events.OrderFilled) -> None:
        try:
            engine.close_position(LONG)
        except IbkrError as error:
            errors.append(error)

    engine.on(events.OrderFilled, listen, listeners.Delivery.INLINE)
    hold(engine, LONG)
    assert [type(error) for error in errors] == [WouldDeadlock]
    assert held(gateway) == {"AAPL": 10}


def test_a_rehearsal_says_so(
    gateway: WatchedGateway, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of an engine that is a dry run the result is DRY_RUN, with the same care for what is left."""
    hold(engine, LONG)
    monkeypatch.setattr(type(engine), "is_dry_run", True, raising=False)
    result = engine.close_position(LONG)
    assert (result.success, result.action_taken) == (True, ActionTaken.DRY_RUN)
    result = engine.close_position(LONG)
    assert (result.success, result.action_taken) == (False, ActionTaken.DRY_RUN)
    assert result.error_message
