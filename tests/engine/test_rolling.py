"""Rolling a strategy, against the gateway's own books."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import DuplicateOrder, IbkrError, InvalidInput, InvalidStrategy, UnknownContract
from ibkr_core.gateway.faults import Disconnect, Drop, When
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.results import ActionTaken
from ibkr_core.model.strategy import Strategy, StrategyLeg
from ibkr_core.risk import RiskLimits
from ibkr_core.wire.message import Message
from tests.engine.holdings import FAST, JOIN, THEN, Then, beside, call, held, hold, stage, vertical
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
D = Decimal
LONG_CALL = Strategy.single(call(300), "BUY", 2)
SHORT_CALL = Strategy.single(call(300), "SELL", 2)
DEC, JAN, JUNE = "AAPL261218C00", "AAPL270115C00", "AAPL270618C00"


def days_to(day: date) -> int:
    """Days from the day of these tests to another, in New York."""
    return (day - THEN.now().astimezone(ZoneInfo("America/New_York")).date()).days


TO_JANUARY, TO_JUNE = days_to(date(2027, 1, 15)), days_to(date(2027, 6, 18))


@pytest.fixture
def gateway(serve: Serve) -> WatchedGateway:
    """AAPL stands where its options are worth something."""
    return stage(serve)


@pytest.fixture
def engine(gateway: WatchedGateway, connect: Connect) -> Engine:
    """An engine that settles doubts soon."""
    return connect(gateway, **JOIN)


def sent(gateway: WatchedGateway, since: int = 0) -> list[tuple[str, str, Any]]:
    """Kind, side and size of the orders that arrived."""
    return [
        (
            one.fields["contract"]["secType"],
            one.fields["order"]["action"],
            one.fields["order"]["totalQuantity"],
        )
        for one in gateway.arrived("placeOrder")[since:]
    ]


# ── what it does ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("strategy", [LONG_CALL, SHORT_CALL, vertical()])
def test_a_roll_is_one_combination(strategy: Strategy, gateway: WatchedGateway, engine: Engine) -> None:
    """One order closes the old legs and opens the new ones: same strikes, same sides, the later expiry."""
    hold(engine, strategy)
    before = held(gateway)
    log = Log(engine)
    result = engine.roll_position(strategy, TO_JANUARY)
    assert (result.success, result.action_taken, result.error_message) == (True, ActionTaken.ROLLED, None)
    assert len(result.order_ids) == 1
    assert [kind for kind, _, _ in sent(gateway, len(strategy.legs))] == ["BAG"]
    assert held(gateway) == {name.replace("261218", "270115"): size for name, size in before.items()}
    # The legs' executions come after the combination's own, and the portfolio has them when the call returns.
    ours = {one.contract.local_symbol.replace(" ", ""): one.quantity for one in engine.portfolio.positions()}
    assert ours == held(gateway)
    assert [leg.left for leg in result.legs] == [0] * 2 * len(strategy.legs)
    assert log.of(events.StrategyUnfinished) == []


@pytest.mark.parametrize(("strategy", "order"), [
    (vertical(), ["BUY 300", "SELL 290", "BUY 290", "SELL 300"]),
    (LONG_CALL, ["SELL 300", "BUY 300"]),
    (SHORT_CALL, ["BUY 300", "SELL 300"]),
])  # fmt: skip
def test_leg_by_leg_nothing_is_ever_owed_uncovered(
    strategy: Strategy, order: list[str], gateway: WatchedGateway, engine: Engine
) -> None:
    """Bought back, sold, bought, sold short: each step is filled before the next one leaves."""
    hold(engine, strategy)
    log = Log(engine)
    result = engine.roll_position(strategy, TO_JANUARY, as_combo=False)
    assert result.action_taken is ActionTaken.ROLLED
    arrived = gateway.arrived("placeOrder")[len(strategy.legs) :]
    strikes = [f"{one.fields['order']['action']} {one.fields['contract']['strike']:g}" for one in arrived]
    assert strikes == order
    story = [
        (type(e).__name__, e.order_id)
        for e in log.heard
        if isinstance(e, events.OrderSubmitted | events.OrderFilled)
    ]
    assert story == [(name, one) for one in result.order_ids for name in ("OrderSubmitted", "OrderFilled")]
    assert all(name.startswith(JAN) for name in held(gateway))


def test_a_strategy_of_four_legs_is_rolled_leg_by_leg(gateway: WatchedGateway, engine: Engine) -> None:
    """Eight legs are more than a combination takes by itself; shorts are covered at every moment."""
    condor = Strategy.iron_condor(
        "AAPL", "20261218", long_put=270, short_put=280, short_call=300, long_call=310, quantity=2
    )
    hold(engine, condor)
    result = engine.roll_position(condor, TO_JANUARY)
    assert result.action_taken is ActionTaken.ROLLED, str(result)
    assert [(kind, side) for kind, side, _ in sent(gateway, 4)] == [
        ("OPT", side) for side in ("BUY", "BUY", "SELL", "SELL", "BUY", "BUY", "SELL", "SELL")
    ]
    assert sorted(held(gateway).values()) == [-2, -2, 2, 2]
    assert all("270115" in name for name in held(gateway))


def test_the_shares_of_a_covered_call_stay(gateway: WatchedGateway, engine: Engine) -> None:
    """Only the call moves."""
    strategy = Strategy.covered_call("AAPL", "20261218", 300, quantity=2)
    hold(engine, strategy)
    assert engine.roll_position(strategy, TO_JANUARY).action_taken is ActionTaken.ROLLED
    assert held(gateway) == {"AAPL": 200, f"{JAN}300000": -2}


def test_chosen_legs_alone_are_rolled(gateway: WatchedGateway, engine: Engine) -> None:
    """The near leg of a calendar; rolling both keeps their distance."""
    calendar = Strategy.calendar("AAPL", "20261218", "20270618", 300, "C")
    hold(engine, calendar)
    assert engine.roll_position(calendar, TO_JANUARY, legs=[0]).action_taken is ActionTaken.ROLLED
    assert held(gateway) == {f"{JAN}300000": -1, f"{JUNE}300000": 1}
    moved = Strategy.calendar("AAPL", "20270115", "20270618", 300, "C")
    with pytest.raises(InvalidInput, match="they would cancel out"):
        engine.roll_position(moved, TO_JUNE, legs=[0])
    assert engine.roll_position(moved, TO_JUNE).action_taken is ActionTaken.ROLLED
    distance = date(2027, 6, 18) - date(2027, 1, 15)
    far = min(
        (date(2027, 12, 17), date(2028, 1, 21)), key=lambda day: abs(day - date(2027, 6, 18) - distance)
    )
    assert held(gateway) == {f"{JUNE}300000": -1, f"AAPL{far:%y%m%d}C00300000": 1}


def test_futures_are_rolled_leg_by_leg(gateway: WatchedGateway, engine: Engine) -> None:
    """Their expiries come from the contract details, for there is no chain of them."""
    future = Contract.future("ES", "20261218", "CME")
    strategy = Strategy.single(future, "BUY", 2)
    hold(engine, strategy)
    result = engine.roll_position(strategy, days_to(date(2027, 3, 19)))
    assert result.action_taken is ActionTaken.ROLLED, str(result)
    assert held(gateway) == {"ESH7": 2}


@pytest.mark.parametrize(("price", "limit"), [({"debit": "12.00"}, -12), ({"credit": "0.00"}, 0)])
def test_the_price_of_a_roll_says_who_pays(
    price: dict[str, str], limit: int, gateway: WatchedGateway, engine: Engine
) -> None:
    """The roll of a long call is a combination that is sold: what is paid for it is a price below zero."""
    hold(engine, LONG_CALL)
    result = engine.roll_position(LONG_CALL, TO_JANUARY, **price, timeout_s=0.5)
    order = gateway.arrived("placeOrder")[-1].fields["order"]
    assert (order["action"], order["orderType"], order.get("lmtPrice", 0)) == ("SELL", "LMT", limit)
    if "debit" in price:
        assert result.action_taken is ActionTaken.ROLLED, str(result)
    else:  # later months cost more, so nobody gives anything for it
        assert result.action_taken is ActionTaken.FAILED
        assert engine.active_orders() == ()
        assert held(gateway) == {f"{DEC}300000": 2}


def test_exits_of_the_old_legs_go_first(gateway: WatchedGateway, engine: Engine) -> None:
    """A stop on the old call would sell short what is rolled away."""
    hold(engine, LONG_CALL)
    stop = engine.submit(call(300), Order.limit("SELL", 2, "90"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    assert engine.roll_position(LONG_CALL, TO_JANUARY).action_taken is ActionTaken.ROLLED
    assert stop.status is S.CANCELLED
    assert held(gateway) == {f"{JAN}300000": 2}


@pytest.mark.parametrize("as_combo", [True, False])
def test_what_a_gate_would_refuse_costs_no_exit(
    as_combo: bool, gateway: WatchedGateway, engine: Engine
) -> None:
    """Nothing is closed that could not be opened again: the loss limit lets positions shrink only."""
    hold(engine, LONG_CALL)
    stop = engine.submit(call(300), Order.limit("SELL", 2, "90"))
    stop.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    log, before = Log(engine), len(gateway.arrived("placeOrder"))
    engine.risk.set_sources(profit_and_loss=lambda _: D(-2_000))
    engine.risk.limits = RiskLimits(max_loss=1_000, loss_check_s=0)
    result = engine.roll_position(LONG_CALL, TO_JANUARY, as_combo=as_combo)
    assert result.action_taken is ActionTaken.FAILED
    assert "max loss" in str(result.error_message)
    assert "gone" not in str(result.error_message)
    assert len(gateway.arrived("placeOrder")) == before
    assert log.wait(events.RiskGateRefused).gate == "max loss"
    assert held(gateway) == {f"{DEC}300000": 2}


def test_a_roll_within_the_limits_passes_leg_by_leg(gateway: WatchedGateway, engine: Engine) -> None:
    """Its steps follow each other: they are not held against each other before."""
    hold(engine, LONG_CALL)
    engine.risk.limits = RiskLimits(max_position=2, max_order_size=2, max_orders_per_second=100)
    result = engine.roll_position(LONG_CALL, TO_JANUARY, as_combo=False)
    assert result.action_taken is ActionTaken.ROLLED, str(result)
    assert held(gateway) == {f"{JAN}300000": 2}


def test_what_is_not_rolled_and_lost_its_exit_raises_the_alarm(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """One of two calls is rolled, and the exit of both had to go: that the other one is bare is told."""
    hold(engine, LONG_CALL)
    exit_ = engine.submit(call(300), Order.limit("SELL", 2, "90"))
    exit_.wait(S.PRE_SUBMITTED, S.SUBMITTED, **WAIT)
    log = Log(engine)
    result = engine.roll_position(Strategy.single(call(300), "BUY", 1), TO_JANUARY)
    assert result.success, str(result)
    why = f"1 of AAPL 20261218 C 300 stay held without the exit orders #{exit_.order_id}"
    assert result.notes[-1] == why
    assert log.wait(events.StrategyUnfinished).error_message == why


def test_only_whole_units_that_are_held_are_rolled(gateway: WatchedGateway, engine: Engine) -> None:
    """Three of one leg and one of the other: one spread is rolled, the odd calls stay."""
    hold(engine, vertical(1))
    hold(engine, Strategy.single(call(290), "BUY", 2))
    result = engine.roll_position(vertical(3), TO_JANUARY)
    assert result.action_taken is ActionTaken.ROLLED
    assert held(gateway) == {f"{DEC}290000": 2, f"{JAN}290000": 1, f"{JAN}300000": -1}
    assert result.notes == ("1 of 3 units were there to be rolled",)


def test_what_is_not_held_is_not_rolled(gateway: WatchedGateway, engine: Engine) -> None:
    """Nothing is sent."""
    result = engine.roll_position(vertical(), TO_JANUARY)
    assert result.action_taken is ActionTaken.FAILED
    assert "not one whole unit of vertical is held" in str(result.error_message)
    assert gateway.orders_arrived() == []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("as_combo", [True, False])
def test_every_server_version(version: int, as_combo: bool, serve: Serve, connect: Connect) -> None:
    """Chain, details, greeks and orders: text and protobuf tell the same."""
    gateway = stage(serve, versions=[version])
    engine = connect(gateway, **JOIN)
    hold(engine, vertical())
    result = engine.roll_position(vertical(), TO_JANUARY, as_combo=as_combo, strike="delta")
    assert result.action_taken is ActionTaken.ROLLED, str(result)
    assert sorted(held(gateway).values()) == [-3, 3]
    assert all(name.startswith(JAN) for name in held(gateway))


# ── strikes and expiries ────────────────────────────────────────────────────────────────────────────


def test_the_same_delta(gateway: WatchedGateway, engine: Engine) -> None:
    """A later call of the same strike has another delta: the strike moves until it fits best."""
    old = engine.reference.quote(call(310)).greeks
    assert old is not None
    strategy = Strategy.single(call(310), "BUY", 1)
    hold(engine, strategy)
    assert engine.roll_position(strategy, TO_JUNE, strike="delta").action_taken is ActionTaken.ROLLED
    (name,) = held(gateway)
    deltas = {}
    for strike in range(250, 340, 10):
        greeks = engine.reference.quote(call(strike, "20270618")).greeks
        assert greeks is not None
        deltas[strike] = greeks.delta
    best = min(deltas, key=lambda strike: abs(deltas[strike] - old.delta))
    assert name == f"{JUNE}{best:03}000"
    assert best != 310


def test_the_same_moneyness(gateway: WatchedGateway, engine: Engine) -> None:
    """A strike of 290 when the share stood at 270 is 7 percent above it: that is 310 at 292 and some."""
    strategy = Strategy.single(call(290), "BUY", 1)
    hold(engine, strategy)
    wish = {"strike": "moneyness", "underlying_price": 270}
    assert engine.roll_position(strategy, TO_JANUARY, **wish).action_taken is ActionTaken.ROLLED
    assert held(gateway) == {f"{JAN}310000": 1}


def test_moneyness_at_todays_price_keeps_the_strike(gateway: WatchedGateway, engine: Engine) -> None:
    """Nothing has to be asked for it."""
    hold(engine, vertical())
    assert engine.roll_position(vertical(), TO_JANUARY, strike="moneyness").action_taken is ActionTaken.ROLLED
    assert held(gateway) == {f"{JAN}290000": 3, f"{JAN}300000": -3}
    assert gateway.arrived("reqMktData") == []


def test_a_strike_that_the_later_expiry_does_not_have(gateway: WatchedGateway, engine: Engine) -> None:
    """The same strike is the same strike: none near it is taken in silence; ``moneyness`` would do that."""
    near = next(one for one in default_catalogue() if one.con_id == 2_000_009)
    odd = attrs.evolve(near, con_id=9_000_001, strike=D(297), local_symbol="AAPL  261218C00297000")
    gateway.add_instrument(odd)
    strategy = Strategy.single(call(297), "BUY", 1)
    hold(engine, strategy)
    with pytest.raises(InvalidInput, match="297 is not listed for that expiry; near it are 290, 300, 310"):
        engine.roll_position(strategy, TO_JANUARY)
    assert engine.roll_position(strategy, TO_JANUARY, strike="moneyness").action_taken is ActionTaken.ROLLED
    assert held(gateway) == {f"{JAN}300000": 1}


def test_a_rule_that_would_make_another_strategy_of_it(gateway: WatchedGateway, engine: Engine) -> None:
    """Both strikes at the edge of the chain: they fall together, and nothing is sent."""
    hold(engine, vertical())
    with pytest.raises(InvalidInput, match="would make another strategy of it"):
        engine.roll_position(vertical(), TO_JANUARY, strike="moneyness", underlying_price=150)
    assert len(gateway.arrived("placeOrder")) == 2


@pytest.mark.parametrize(("hour", "expiry"), [(3, "270115"), (6, "270115")])
def test_today_is_the_day_at_the_exchange(hour: int, expiry: str, serve: Serve, connect: Connect) -> None:
    """At three in the morning of Greenwich it is still yesterday in New York, a day longer to the expiry."""
    clock = Then(datetime(2026, 11, 24, hour, tzinfo=UTC))
    gateway = stage(serve, clock=clock)
    engine = connect(gateway, settings=FAST, clock=clock)
    hold(engine, LONG_CALL)
    today = date(2026, 11, 23) if hour < 5 else date(2026, 11, 24)
    middle = (date(2026, 12, 18) - today).days + 14  # as far from December 18 as from January 15
    assert engine.roll_position(LONG_CALL, middle).action_taken is ActionTaken.ROLLED
    assert all(expiry in name for name in held(gateway))
    engine.close_position(Strategy.single(call(300, "20270115"), "BUY", 2))
    hold(engine, LONG_CALL)
    with pytest.raises(InvalidInput, match=r"the nearest expiry to \d+ days is the one that is held"):
        engine.roll_position(LONG_CALL, middle - 1)


def test_a_contract_by_its_id_goes_to_its_like(gateway: WatchedGateway, engine: Engine) -> None:
    """A leg that says neither right nor strike is a call all the same, and does not become a put."""
    known = engine.reference.qualify(call(300))
    bare = Contract(con_id=known.con_id, symbol="AAPL", sec_type="OPT", exchange="SMART", currency="USD")
    strategy = Strategy.single(bare, "BUY", 2)
    hold(engine, strategy)
    assert engine.roll_position(strategy, TO_JANUARY).action_taken is ActionTaken.ROLLED
    assert held(gateway) == {f"{JAN}300000": 2}


# ── what goes wrong ─────────────────────────────────────────────────────────────────────────────────


def test_a_combination_that_is_refused_as_such(gateway: WatchedGateway, engine: Engine) -> None:
    """Code 387: nothing lives, nothing was traded, so the legs go one by one; who insists gets a failure."""
    _refuse_combos(gateway, 387)
    hold(engine, LONG_CALL)
    result = engine.roll_position(LONG_CALL, TO_JANUARY, as_combo=True)
    assert result.action_taken is ActionTaken.FAILED
    assert "was refused" in str(result.error_message)
    assert held(gateway) == {f"{DEC}300000": 2}
    result = engine.roll_position(LONG_CALL, TO_JANUARY)
    assert result.action_taken is ActionTaken.ROLLED
    assert any("single legs, because" in note for note in result.notes)
    assert held(gateway) == {f"{JAN}300000": 2}


def test_a_combination_that_is_refused_for_another_reason(gateway: WatchedGateway, engine: Engine) -> None:
    """For lack of margin, say: trading the legs singly would be against the broker's word."""
    _refuse_combos(gateway, 201)
    hold(engine, LONG_CALL)
    result = engine.roll_position(LONG_CALL, TO_JANUARY)
    assert result.action_taken is ActionTaken.FAILED
    assert held(gateway) == {f"{DEC}300000": 2}


def _refuse_combos(gateway: WatchedGateway, code: int) -> None:
    inner = gateway._gateway
    answer = inner.request

    def refuse(session: Any, message: Message) -> None:
        if message.kind == "placeOrder" and message.fields["contract"].get("secType") == "BAG":
            gateway.say(code, "no combination", client_id=1, subject=message.fields["orderId"])
        else:
            answer(session, message)

    inner.request = refuse  # type: ignore[method-assign]


@pytest.mark.parametrize("barred", ["old short", "new short", "new long"])
def test_a_leg_that_is_refused(barred: str, gateway: WatchedGateway, engine: Engine) -> None:
    """The roll stops where it stands; never is a call owed that nothing covers, and the alarm names it."""
    hold(engine, vertical())
    log = Log(engine)
    name = {"old short": "AAPL  261218C00300000", "new short": "AAPL  270115C00300000"}
    gateway.bar(name.get(barred, "AAPL  270115C00290000"))
    result = engine.roll_position(vertical(), TO_JANUARY, as_combo=False)
    books = held(gateway)
    if barred == "old short":
        assert result.action_taken is ActionTaken.FAILED
        assert books == {f"{DEC}290000": 3, f"{DEC}300000": -3}
        assert log.of(events.StrategyUnfinished) == []
        return
    assert result.action_taken is ActionTaken.PARTIAL
    assert books == ({} if barred == "new long" else {f"{JAN}290000": 3})
    assert "rolled 0 of 3" in str(result.error_message)
    assert "SELL 0 of 3 AAPL 20270115 C 300" in str(result.error_message)
    alarm = log.wait(events.StrategyUnfinished)
    assert (alarm.call, alarm.error_message) == ("roll_position", result.error_message)


def test_a_step_that_fills_in_part(gateway: WatchedGateway, engine: Engine) -> None:
    """One of three short calls can be bought back: one spread is rolled, two stay whole and covered."""
    hold(engine, vertical())
    market = gateway.market("AAPL  261218C00300000")
    market.set_quote(bid=5, ask=6, bid_size=50, ask_size=1)
    log = Log(engine)
    result = engine.roll_position(
        vertical(), TO_JANUARY, as_combo=False, timeout_s=0.4, order=Order.market("BUY", 1, tif="IOC")
    )
    assert result.action_taken is ActionTaken.PARTIAL
    assert held(gateway) == {
        f"{DEC}290000": 2,
        f"{DEC}300000": -2,
        f"{JAN}290000": 1,
        f"{JAN}300000": -1,
    }
    assert "rolled 1 of 3" in str(result.error_message)
    assert engine.active_orders() == ()
    assert log.wait(events.StrategyUnfinished)


def test_the_same_call_goes_on_where_it_ended(gateway: WatchedGateway, engine: Engine) -> None:
    """Closed and not opened: the next call with the key closes nothing more, and opens what is missing."""
    hold(engine, vertical())
    gateway.halt("AAPL  270115C00290000")
    first = engine.roll_position(vertical(), TO_JANUARY, as_combo=False, key="k")
    assert first.action_taken is ActionTaken.PARTIAL
    assert held(gateway) == {}
    gateway.halt("AAPL  270115C00290000", halted=False)
    again = engine.roll_position(vertical(), TO_JANUARY, as_combo=False, key="k")
    assert again.action_taken is ActionTaken.ROLLED, str(again)
    assert held(gateway) == {f"{JAN}290000": 3, f"{JAN}300000": -3}
    done = engine.roll_position(vertical(), TO_JANUARY, key="k")
    assert (done.action_taken, done.order_ids) == (ActionTaken.ROLLED, again.order_ids)
    assert held(gateway) == {f"{JAN}290000": 3, f"{JAN}300000": -3}


def test_a_key_that_was_used_for_something_else(gateway: WatchedGateway, engine: Engine) -> None:
    """Another strategy under the same key would be taken for what the first one did: it is refused."""
    hold(engine, LONG_CALL)
    other = Strategy.single(call(290), "BUY", 2)
    hold(engine, other)
    assert engine.roll_position(LONG_CALL, TO_JANUARY, as_combo=False, key="k").success
    before = len(gateway.arrived("placeOrder"))
    with pytest.raises(DuplicateOrder, match="has the key 'k:roll-close1' and is another order"):
        engine.roll_position(other, TO_JANUARY, as_combo=False, key="k")
    assert len(gateway.arrived("placeOrder")) == before


def test_a_call_that_goes_on_keeps_what_it_has_chosen(gateway: WatchedGateway, engine: Engine) -> None:
    """The long call is open when the short one is refused; the market moves, and the long one stays."""
    hold(engine, vertical())
    shorts = ("AAPL  270618C00310000", "AAPL  270618C00320000")
    for name in shorts:
        gateway.halt(name)
    wish: dict[str, Any] = {"strike": "delta", "as_combo": False, "key": "k"}
    first = engine.roll_position(vertical(), TO_JUNE, **wish)
    assert first.action_taken is ActionTaken.PARTIAL
    (opened,) = held(gateway)
    gateway.market("AAPL").set_quote(bid="302.00", ask="302.10")
    for name in shorts:
        gateway.halt(name, halted=False)
    again = engine.roll_position(vertical(), TO_JUNE, **wish)
    assert again.action_taken is ActionTaken.ROLLED, str(again)
    assert held(gateway)[opened] == 3
    assert sorted(held(gateway).values()) == [-3, 3]


def test_a_call_goes_on_beside_a_leg_that_stays(gateway: WatchedGateway, engine: Engine) -> None:
    """The far leg has nowhere to go, so only the near one is rolled: its orders are known by its place."""
    legs = StrategyLeg(call(300, "20270618"), 1, "BUY"), StrategyLeg(call(300), 1, "SELL")
    strategy = Strategy(legs, 1, "calendar")
    hold(engine, strategy)
    gateway.halt("AAPL  270115C00300000")
    first = engine.roll_position(strategy, TO_JANUARY, as_combo=False, key="k")
    assert first.action_taken is ActionTaken.PARTIAL
    assert [engine.order(one).key for one in first.order_ids] == ["k:roll-close2", "k:roll-open2"]
    gateway.halt("AAPL  270115C00300000", halted=False)
    again = engine.roll_position(strategy, TO_JANUARY, as_combo=False, key="k")
    assert again.action_taken is ActionTaken.ROLLED, str(again)
    assert held(gateway) == {f"{JUNE}300000": 1, f"{JAN}300000": -1}


def test_what_was_sold_by_hand_between_two_steps(gateway: WatchedGateway, engine: Engine) -> None:
    """While the short call is bought back the long one goes: nothing is sold that is not there."""
    hold(engine, vertical())
    long = "AAPL  261218C00290000"

    def sell_by_hand(event: events.OrderSubmitted) -> None:
        if event.record.action == "BUY":
            gateway.place_by_hand(long, "SELL", 3, kind="MKT")
            gateway.wait_for(lambda books: not books.position(long))

    engine.on(events.OrderSubmitted, sell_by_hand, Delivery.INLINE)
    result = engine.roll_position(vertical(), TO_JANUARY, as_combo=False)
    assert result.action_taken is ActionTaken.PARTIAL
    assert held(gateway) == {}
    assert sent(gateway, 2) == [("OPT", "BUY", 3)]


def test_a_crash_between_close_and_open(tmp_path: Path, gateway: WatchedGateway, connect: Connect) -> None:
    """The journal names what was done by the call's key; a second run opens, and closes nothing twice."""
    path = tmp_path / "orders.db"
    engine = connect(gateway, **JOIN, journal=path)
    hold(engine, SHORT_CALL)
    gateway.inject(Disconnect(moment="before"), When(on="placeOrder", nth=2))
    log = Log(engine)
    rolling = beside(lambda: engine.roll_position(SHORT_CALL, TO_JANUARY, as_combo=False, key="k"))
    log.wait(events.OrderSubmitted, count=2)  # the buy-back, and the new call that is lost on the way
    engine.close()
    assert rolling.result(PATIENCE_S).action_taken is ActionTaken.PARTIAL
    assert held(gateway) == {}
    gateway.end_faults()
    engine = connect(gateway, **JOIN, journal=path)
    keys = [record.key for record in engine.orders()]
    assert keys[-2:] == ["k:roll-close1", "k:roll-open1"]
    result = engine.roll_position(SHORT_CALL, TO_JANUARY, as_combo=False, key="k", **WAIT)
    assert result.action_taken is ActionTaken.ROLLED, str(result)
    assert held(gateway) == {f"{JAN}300000": -2}
    assert sum(order.filled for order in gateway.books().orders) == 6


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_that_is_lost_with_the_combination(
    moment: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """It trades as a whole or not at all: what arrived is waited for, what was lost goes again, once."""
    hold(engine, vertical())
    gateway.inject(Disconnect(moment=moment), When(on="placeOrder"))
    result = engine.roll_position(vertical(), TO_JANUARY, key="k", **WAIT)
    assert len(result.order_ids) == (2 if moment == "before" else 1)
    assert result.action_taken is ActionTaken.ROLLED, str(result)
    assert held(gateway) == {f"{JAN}290000": 3, f"{JAN}300000": -3}


def test_a_cancel_that_is_not_confirmed_stops_the_roll(gateway: WatchedGateway, engine: Engine) -> None:
    """The buy-back rests and its cancel is lost: nothing new is opened, and the message says why."""
    hold(engine, SHORT_CALL)
    gateway.inject(Drop(), When(on="cancelOrder", times=None))
    log = Log(engine)
    later = Order.market("BUY", 1, good_after_time="20991231 10:00:00 US/Eastern")
    result = engine.roll_position(
        SHORT_CALL, TO_JANUARY, as_combo=False, order=later, timeout_s=0.3, exits_timeout_s=0.3
    )
    assert result.action_taken is ActionTaken.PARTIAL
    assert "is not confirmed" in str(result.error_message)
    assert held(gateway) == {f"{DEC}300000": -2}
    assert log.wait(events.StrategyUnfinished)


MARCH = days_to(date(2027, 3, 19))
FUTURE = {"strategy": Strategy.single(Contract.future("ES", "20261218", "CME")), "new_dte": MARCH}
COVERED = Strategy.covered_call("AAPL", "20261218", 300)
APART = Strategy([StrategyLeg(call(290)), StrategyLeg(call(300).replace(exchange="CBOE"), 1, "SELL")])
CALENDAR = Strategy.calendar("AAPL", "20261218", "20270618", 300, "C")
BAD = [
    ({"strategy": STOCK}, InvalidInput, "strategy: must be an ibkr_core Strategy"),
    ({"strategy": Strategy.single(STOCK)}, InvalidStrategy, "has no leg that expires"),
    ({"new_dte": -1}, InvalidInput, "new_dte: must be a whole number of days"),
    ({"new_dte": 30.0}, InvalidInput, "new_dte: must be a whole number of days"),
    ({"new_dte": True}, InvalidInput, "new_dte: must be a whole number of days"),
    ({"new_dte": 4000}, InvalidInput, "new_dte: must be a whole number of days"),
    ({"new_dte": days_to(date(2026, 12, 18))}, InvalidInput, "is the one that is held"),
    ({"strike": "gamma"}, InvalidInput, "strike: must be one of same, delta, moneyness"),
    ({"strike": None}, InvalidInput, "strike: must be one of"),
    ({"underlying_price": 100}, InvalidInput, 'underlying_price: is for strike="moneyness"'),
    ({"underlying_price": 0, "strike": "moneyness"}, InvalidInput, "must be above zero"),
    ({"underlying_price": "x", "strike": "moneyness"}, InvalidInput, "underlying_price: 'x' is not a number"),
    ({"as_combo": "yes"}, InvalidInput, "as_combo: must be True, False or None"),
    ({"as_combo": False, "debit": 1}, InvalidInput, "single legs have no net price"),
    ({"credit": 1, "debit": 1}, InvalidInput, "debit: give either credit or debit"),
    ({"credit": -1}, InvalidInput, "credit: must not be below zero"),
    ({"order": Order.limit("BUY", 1, 5)}, InvalidInput, "order: several legs have no limit in common"),
    ({"legs": [2]}, InvalidInput, "legs: must be places of legs, from 0 to 1"),
    ({"legs": [0, 0]}, InvalidInput, "legs: must name each leg once"),
    ({"legs": "0"}, InvalidInput, "legs: must be places"),
    ({"strategy": COVERED, "legs": [0]}, InvalidStrategy, "AAPL does not expire, so it cannot be rolled"),
    ({**FUTURE, "as_combo": True}, InvalidInput, "as_combo: a roll is one combination for options"),
    ({"strategy": APART, "as_combo": True}, InvalidInput, "as_combo: the legs are not on one underlying"),
    (
        {"strategy": CALENDAR, "new_dte": TO_JUNE, "debit": 9},
        InvalidInput,
        "one leg moves to where another one is",
    ),
    ({"legs": []}, InvalidStrategy, "has no leg that expires"),
    ({"account": "DU9999999"}, InvalidInput, "none of this login's"),
    ({"key": None}, InvalidInput, "key: must be a text"),
    ({"timeout_s": float("nan")}, InvalidInput, "timeout_s: must be a number of seconds"),
    ({"exits_timeout_s": 0}, InvalidInput, "exits_timeout_s: must be a number of seconds"),
    ({"strategy": Strategy.single(call(295))}, UnknownContract, "contract"),
]


@pytest.mark.parametrize(("wish", "error", "text"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_bad_input_is_refused_before_anything_is_sent(
    wish: dict[str, Any], error: type[IbkrError], text: str, gateway: WatchedGateway, engine: Engine
) -> None:
    """A typed error that names the argument and the rule; no order leaves."""
    with pytest.raises(error, match=text):
        engine.roll_position(**{"strategy": vertical(), "new_dte": TO_JANUARY, **wish})
    assert gateway.orders_arrived() == []
