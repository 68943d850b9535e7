"""What gates judge by: live positions, counts of a day, last quotes."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Literal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput, RiskRefused
from ibkr_core.gatekeeper import Bases, Gatekeeper, LivePositions, policy_of
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES
from ibkr_core.listeners import Delivery, Dispatcher
from ibkr_core.model import events
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import ExecutionFact
from ibkr_core.model.order import Order
from ibkr_core.risk import RiskContext, RiskLimits, RiskPolicy
from ibkr_core.scheduler import Scheduler
from tests.engine.clocks import FakeClock

D = Decimal
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
STOCK = Contract.stock("AAPL")
OTHER = Contract.stock("MSFT")


class Bench:
    """A gatekeeper over a book that no connection feeds."""

    def __init__(self, risk: RiskLimits | RiskPolicy | None = None) -> None:
        self.clock = FakeClock()
        self.scheduler = Scheduler(self.clock, lambda error: pytest.fail(str(error)))
        self.dispatcher = dispatcher = Dispatcher(lambda name, error: pytest.fail(f"{name}: {error}"))
        self.book = GuardedBook(1, DEFAULT_RULES, self.clock, dispatcher, lambda _: None, lambda _: None)
        self.halts: list[str] = []
        self.bases: Bases | None = {}
        self.keeper = Gatekeeper(
            self.book,
            self.scheduler,
            policy_of(risk),
            lambda: ("DU1",),
            lambda: self.bases,
            self.halt,
            lambda listener: dispatcher.subscribe(
                (events.ExecutionReceived,), listener, Delivery.INLINE, None
            ),
        )
        self.next_id = 1

    def halt(self, reason: str) -> bool:
        """Take notice of a halt."""
        self.halts.append(reason)
        return True

    def send(self, *orders: Order, contract: Contract = STOCK) -> None:
        """Do what the desk does with new orders."""
        group = []
        for order in orders:
            group.append(inputs.NewOrder(self.next_id, f"key-{self.next_id}", contract, order))
            self.next_id += 1
        try:
            self.keeper.admit(group)
        except RiskRefused:
            self.next_id -= len(orders)
            raise
        self.book.command(inputs.Submit(tuple(group)))
        self.keeper.note(group)

    def look(self) -> RiskContext:
        """What a gate would see of one more order."""
        seen: list[RiskContext] = []
        policy = self.keeper.policy
        self.keeper.policy = attrs.evolve(policy, gates=(*policy.gates, seen.append))
        self.keeper.preview(STOCK, Order.market("BUY", 1))
        self.keeper.policy = policy
        return seen[0]


# --- positions --------------------------------------------------------------------------------------


def fill(exec_id: str, shares: int, *, side: str = "BOT", con_id: int = 5, contract: Contract = STOCK) -> Any:
    """An execution of order 1."""
    return ExecutionFact(
        exec_id=f"0001f4e8.{exec_id.replace('.', '.01.')}",
        side=side,
        shares=D(shares),
        price=D(100),
        order_id=1,
        client_id=1,
        contract=contract.replace(con_id=con_id),
        account="DU1",
    )


def positions(book: Book, live: LivePositions, bases: Bases) -> dict[int, Decimal]:
    """Quantities by contract id."""
    return {one.contract.con_id: one.quantity for one in live.look(book, bases)}


def test_positions_follow_fills_and_corrections() -> None:
    """On top of what was there before, and flat ones are left out."""
    book, live = Book(1), LivePositions()
    book.submit(1, "k", STOCK, Order.market("BUY", 100), NOW)
    bases: Bases = {
        ("DU1", 5): (STOCK.replace(con_id=5), D(10)),
        ("DU1", 6): (OTHER.replace(con_id=6), D(-3)),
    }
    assert positions(book, live, bases) == {5: 10, 6: -3}
    book.take(fill("a.01", 30), NOW)
    book.take(fill("b.01", 20), NOW)
    assert positions(book, live, bases) == {5: 60, 6: -3}
    book.take(fill("a.02", 25), NOW)
    book.take(fill("b.01", 20), NOW)
    assert positions(book, live, bases) == {5: 55, 6: -3}
    book.take(fill("b.02", 0), NOW)
    book.take(fill("a.03", 10), NOW)
    assert positions(book, live, {("DU1", 5): (STOCK.replace(con_id=5), D(-10))}) == {}


def test_of_a_combo_its_legs_are_held() -> None:
    """Not its own line."""
    book, live = Book(1), LivePositions()
    combo = Contract.combo("SPY", [ComboLeg(7), ComboLeg(8, action="SELL")])
    book.submit(1, "k", combo, Order.limit("BUY", 2, 1), NOW)
    book.take(fill("a.01", 2, contract=combo, con_id=99), NOW)
    book.take(fill("b.01", 2, contract=Contract(symbol="SPY", sec_type="OPT"), con_id=7), NOW)
    book.take(fill("c.01", 2, contract=Contract(symbol="SPY", sec_type="OPT"), con_id=8, side="SLD"), NOW)
    assert positions(book, live, {}) == {7: 2, 8: -2}


fills = st.lists(
    st.tuples(st.integers(0, 5), st.integers(1, 3), st.integers(0, 50), st.sampled_from([5, 6])), max_size=12
)


@given(fills, st.lists(st.booleans(), max_size=12), st.integers(-20, 20))
def test_positions_are_the_sum_of_all_fills(
    told: list[tuple[int, int, int, int]], looks: list[bool], base: int
) -> None:
    """Whatever is told, repeated and corrected, and whenever one looks in between."""
    book, live = Book(1), LivePositions()
    book.submit(1, "k", STOCK, Order.market("BUY", 1000), NOW)
    bases: Bases = {("DU1", 5): (STOCK.replace(con_id=5), D(base))}
    for place, (number, revision, shares, _) in enumerate(told):
        con_id = 5 + number % 2  # a correction never changes what was traded
        side = "BOT" if number < 3 else "SLD"
        book.take(fill(f"e{number}.0{revision}", shares, con_id=con_id, side=side), NOW)
        if place < len(looks) and looks[place]:
            live.look(book, bases)
    expected = {5: D(base), 6: D(0)}
    for one in book.position_fills():
        expected[one.con_id] += one.quantity if one.action == "BUY" else -one.quantity
    assert positions(book, live, bases) == {key: total for key, total in expected.items() if total}


def test_positions_that_nobody_told_are_unknown() -> None:
    """That is not the same as none."""
    bench = Bench()
    assert bench.look().positions == ()
    bench.bases = None
    assert bench.look().positions is None


# --- counting ---------------------------------------------------------------------------------------


def test_a_day_begins_at_midnight_of_its_zone() -> None:
    """And the count with it: the fake clock's day begins at nine in Tokyo."""
    bench = Bench(RiskLimits(max_orders_per_day=2, day_zone="Asia/Tokyo"))
    tokyo_midnight = 15 * 3600.0  # of the fake clock's day, in UTC
    bench.clock.seconds = tokyo_midnight - 2
    bench.send(Order.market("BUY", 1))
    bench.send(Order.market("BUY", 1))
    bench.clock.advance(1.5)
    with pytest.raises(RiskRefused, match="orders per day"):
        bench.send(Order.market("BUY", 1))
    bench.clock.advance(0.5)
    bench.send(Order.market("BUY", 1), Order.market("BUY", 2))
    with pytest.raises(RiskRefused, match="orders per day"):
        bench.send(Order.market("BUY", 1))
    bench.keeper.policy = RiskPolicy(limits=RiskLimits(max_orders_per_day=4, day_zone="UTC"))
    with pytest.raises(RiskRefused, match="5 is more than 4"):
        bench.send(Order.market("BUY", 1))


def test_what_was_sent_is_remembered_for_a_minute_or_the_window() -> None:
    """Oldest first, also orders from before the limits."""
    bench = Bench()
    for quantity in (1, 2):
        bench.send(Order.market("BUY", quantity))
        bench.clock.advance(40)
    assert [one.order.quantity for one in bench.look().recent] == [2]
    bench.keeper.policy = RiskPolicy(limits=RiskLimits(duplicate_window_s=100))
    assert [one.order.quantity for one in bench.look().recent] == [1, 2]
    bench.clock.advance(20)
    assert [one.order.quantity for one in bench.look().recent] == [2]


def test_an_order_of_a_group_counts_once() -> None:
    """The group is not among what was sent before it, and is afterwards."""
    bench = Bench(RiskLimits(max_orders_per_second=3))
    bench.send(Order.market("BUY", 1), Order.market("BUY", 2))
    assert len(bench.look().recent) == 2
    with pytest.raises(RiskRefused, match="4 is more than 3"):
        bench.send(Order.market("BUY", 1), Order.market("BUY", 2))
    bench.send(Order.market("BUY", 3))
    assert bench.look().submitted_today == 3


@given(st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 3)), max_size=25), st.integers(1, 4))
def test_no_second_ever_holds_more_orders_than_allowed(told: list[tuple[int, int]], most: int) -> None:
    """However they come, in groups or alone; and one is refused only where it would be too many."""
    bench = Bench(RiskLimits(max_orders_per_second=most))
    passed: list[float] = []
    for wait_ms, legs in told:
        bench.clock.advance(wait_ms / 1000)
        now = bench.clock.seconds
        near = sum(round(now - at, 6) < 1 for at in passed)
        try:
            bench.send(*(Order.market("BUY", 1) for _ in range(legs)))
        except RiskRefused:
            assert near + legs > most
        else:
            assert near + legs <= most
            passed += [now] * legs


# --- quotes -----------------------------------------------------------------------------------------


@attrs.frozen
class Told:
    """A quote that was told."""

    contract: Contract
    at: datetime
    last: Decimal
    bid: Decimal | None = None
    ask: Decimal | None = None
    close: Decimal | None = None


def test_the_last_quote_that_was_told() -> None:
    """Found by the contract's id, or by what it is called, and never taken for another contract's."""
    bench = Bench()
    now = bench.clock.now()
    bench.keeper.note_quote(Told(STOCK.replace(con_id=5), now, D(100)))
    bench.keeper.note_quote(Told(OTHER, now, D(7)))
    bench.keeper.note_quote(Told(STOCK.replace(con_id=5, exchange="ISLAND"), now, D(101)))
    seen: list[RiskContext] = []
    bench.keeper.policy = RiskPolicy(gates=(seen.append,))
    asked = (
        STOCK,
        Contract.by_con_id(5),
        OTHER.replace(con_id=9),
        STOCK.replace(con_id=6),
        Contract.cfd("AAPL"),
    )
    for contract in asked:
        bench.keeper.preview(contract, Order.market("BUY", 1))
    assert [getattr(one.quote, "last", None) for one in seen] == [101, 101, 7, None, None]


def test_a_quote_that_grew_old_is_none() -> None:
    """And one that does not say when it came is none either, where an age is asked for."""
    bench = Bench(RiskLimits(max_notional=1000, max_quote_age_s=5))
    bench.keeper.note_quote(Told(STOCK, bench.clock.now(), D(100)))
    bench.clock.advance(5)
    bench.send(Order.market("BUY", 1))
    bench.clock.advance(0.001)
    with pytest.raises(RiskRefused, match="a price of it is not known"):
        bench.send(Order.market("BUY", 1))
    undated = RiskPolicy(limits=bench.keeper.policy.limits, quotes=lambda _: Undated())
    bench.keeper.policy = undated
    with pytest.raises(RiskRefused, match="a price of it is not known"):
        bench.send(Order.market("BUY", 1))
    bench.keeper.policy = attrs.evolve(undated, limits=RiskLimits(max_notional=1000))
    bench.send(Order.market("BUY", 1))


class Undated:
    """A quote without a date."""

    bid = ask = close = None
    last = D(1)


# --- halting ----------------------------------------------------------------------------------------


def test_the_loss_is_looked_at_on_the_scheduler() -> None:
    """As often as it says; a new day is another day."""
    results = [D(-50)]
    limits = RiskLimits(max_loss=100, loss_check_s=10)
    bench = Bench(RiskPolicy(limits=limits, profit_and_loss=lambda _: results[-1]))

    def wait(seconds: float) -> int:
        bench.clock.advance(seconds)
        bench.scheduler.run_due()
        return len(bench.halts)

    assert wait(10) == 0
    results.append(D(-100))
    assert wait(9.9) == 0
    assert wait(0.1) == 1
    assert wait(10) == 1
    assert wait(86_400) == 2
    bench.keeper.policy = RiskPolicy(profit_and_loss=lambda _: results[-1])
    assert wait(86_400) == 2
    assert bench.scheduler.next_due() is None


def test_fills_are_listened_for_while_a_loss_is_watched() -> None:
    """Nobody else pays for it with every execution."""
    watched = RiskPolicy(limits=RiskLimits(max_loss=100, loss_check_s=0), profit_and_loss=lambda _: D(-200))
    bench = Bench()
    for policy, listeners in ((watched, 1), (watched, 1), (RiskPolicy(), 0), (watched, 1)):
        bench.keeper.policy = policy
        assert len(bench.dispatcher._subscriptions) == listeners
    execution = ExecutionFact(
        exec_id="a.b.1.01", side="BOT", shares=D(1), price=D(1), order_id=99, client_id=1
    )
    bench.book.apply(execution)
    bench.scheduler.run_due()
    assert len(bench.halts) == 1


@pytest.mark.parametrize(("unknown", "is_told"), [("pass", True), ("refuse", False)])
def test_a_loss_limit_that_can_never_hold_is_told(
    unknown: Literal["pass", "refuse"], is_told: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Without a source nobody knows the result, and no order would ever be refused for it."""
    with caplog.at_level(logging.WARNING, "ibkr_core.risk"):
        bench = Bench(RiskPolicy(limits=RiskLimits(max_loss=100, unknown=unknown)))
        assert ("max_loss holds nothing" in caplog.text) is is_told
        caplog.clear()
        bench.keeper.policy = attrs.evolve(bench.keeper.policy, profit_and_loss=lambda _: D(0))
        assert caplog.text == ""


def test_no_gates_cost_nothing() -> None:
    """Nothing is gathered, counted or looked up."""
    bench = Bench()
    assert bench.keeper.is_open
    bench.send(Order.market("BUY", 1))
    assert not bench.keeper._recent
    assert bench.scheduler.next_due() is None


def test_what_is_no_policy_is_refused() -> None:
    """Limits alone are one."""
    assert policy_of(None) == RiskPolicy()
    assert policy_of(RiskLimits(max_loss=1)).limits == RiskLimits(max_loss=1)
    with pytest.raises(InvalidInput):
        policy_of(5)  # type: ignore[arg-type]  # that is the point
