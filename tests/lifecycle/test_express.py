"""The express lane makes no difference: a book with it tells and holds what one without it does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from ibkr_core.errors import DuplicateOrder, OrderStateError
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.effects import Effects
from ibkr_core.lifecycle.express import QuickTaker
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.facts import BrokerFact, CommissionFact, ExecutionFact, StatusFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import OrderStatus
from ibkr_core.testing.arbitrary import arbitrary_facts
from ibkr_core.testing.strategies import Life, Step, noisy_steps_of, perform, several_lives
from tests.lifecycle.making import AAPL, NOW

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


class Pair:
    """Two books that take the same, one with the lane and one without it, and are compared after each."""

    def __init__(self) -> None:
        self.quick, self.plain = Book(1), Book(1, is_express=False)
        self.taken = 0
        self.quick.quick = {kind: self._counting(take) for kind, take in self.quick.quick.items()}
        self._feeds = [book.follow_fills() for book in (self.quick, self.plain)]
        self._kept: tuple[list[Event], list[Event]] = ([], [])
        self._step = 0

    def _counting(self, take: QuickTaker) -> QuickTaker:
        def count(values: Any, now: Any) -> list[Event] | None:
            told = take(values, now)
            self.taken += told is not None
            return told

        return count

    def do(self, act: Callable[[Book, Any], Effects], *, looks: bool = True) -> None:
        """Do the same to both and compare what they tell; the events' records now, or at the end."""
        self._step += 1
        now = NOW + timedelta(milliseconds=self._step)
        told = [act(book, now) for book in (self.quick, self.plain)]
        for kept, effects in zip(self._kept, told, strict=True):
            kept.extend(effects.events)
        assert [type(e) for e in told[0].events] == [type(e) for e in told[1].events]
        if looks:
            assert told[0] == told[1]
            assert self.quick.orders() == self.plain.orders()
        assert [*told[0].asks] == [*told[1].asks]
        assert self.quick.seq == self.plain.seq

    def compare(self) -> None:
        """Compare all that the books hold, and all that they told."""
        assert self.quick.orders() == self.plain.orders()
        assert [o.history for o in self.quick.orders()] == [o.history for o in self.plain.orders()]
        assert self._kept[0] == self._kept[1]
        assert self.quick.fills() == self.plain.fills()
        assert self._feeds[0].take() == self._feeds[1].take()
        assert self.quick.active_orders() == self.plain.active_orders()


def give(book: Book, given: inputs.Input, now: Any) -> Effects:
    """Give a book an input as the engine does: by the lane, where it has one that takes it."""
    quick = book.quick.get(type(given))
    told = quick((type(given), *attrs.astuple(given, recurse=False)), now) if quick is not None else None
    return book.take(given, now) if told is None else Effects(told)


def taking(fact: BrokerFact) -> Callable[[Book, Any], Effects]:
    """Return what gives a fact to a book."""
    return lambda book, now: give(book, fact, now)


def act(book: Book, step: Step, now: Any) -> Effects:
    """Do what a step of a life is, by the lane where there is one."""
    kinds = (StatusFact, ExecutionFact, CommissionFact)
    return give(book, step, now) if isinstance(step, kinds) else perform(book, step, now)


@given(noisy_steps_of(several_lives()), st.booleans())
@settings(deadline=None)
def test_lives_in_any_disorder(told: tuple[tuple[Life, ...], tuple[Step, ...]], looks: bool) -> None:
    """Whole lives with modifications, cancels, corrections and combos, as a gateway spoils them."""
    pair = Pair()
    for step in told[1]:
        pair.do(lambda book, now, step=step: act(book, step, now), looks=looks)  # type: ignore[misc]
    event(f"express: {pair.taken * 10 // len(told[1])} of 10")
    pair.compare()


@given(st.lists(arbitrary_facts(), max_size=30))
@settings(deadline=None)
def test_facts_without_any_story(facts: Sequence[BrokerFact]) -> None:
    """Whatever comes, in whatever order."""
    pair = Pair()
    for fact in facts:
        pair.do(taking(fact))
    pair.compare()


ORDERS = (1, 2)
TRADED = attrs.evolve(AAPL, con_id=265598)
COMBO = Contract(symbol="AAPL,MSFT", sec_type="BAG")
ODD_EXECUTIONS = (
    *(
        "0000e0d5.1.01.02",
        "0000e0d5.1.01.2",
        "0000e0d5.1.01.01.01",
        "0000e0d5..01.01",
        ".1.01.01",
        "0000e0d5.1..01",
    ),
    *("a.b.01", "01", ".01", "...01", "", "0000e0d5.1.01.0\u0661", "0000e0d5.1.02.01", "0000e0d5.2.01.01"),
)
ODD: dict[str, tuple[Any, ...]] = {
    "status": (
        "PendingSubmit",
        "PendingCancel",
        "Cancelled",
        "Inactive",
        "filled",
        "",
        "Odd",
        "Submitted",
        "Filled",
    ),
    "filled": (None, Decimal(0), Decimal(20), Decimal(40), Decimal(60), Decimal(-20)),
    "remaining": (None, Decimal(0), Decimal(20), Decimal(40), Decimal(-40)),
    "avg_fill_price": (None, Decimal(191)),
    "perm_id": (None, 0, 71, 72, 99),
    "parent_id": (None, 2, 9),
    "client_id": (None, 0, 1, 5),
    "order_id": (None, 0, 1, 2, 9),
    "why_held": ("locate",),
    "exec_id": ODD_EXECUTIONS,
    "side": ("", "bot", "BUY", "SLD", "?"),
    "shares": (Decimal(0), Decimal(-20), Decimal(10), Decimal(30), Decimal(1000)),
    "price": (Decimal("190.55"), Decimal(0)),
    "contract": (None, COMBO, Contract(symbol="MSFT", con_id=272093)),
    "time": ("20260828-14:31:45", "20230224  12:04:56", "", "x"),
    "account": ("", "F1", "DF12", "I3", "X", "U9"),
    "cum_quantity": (None, Decimal(0), Decimal(20), Decimal(40), Decimal(99)),
    "order_ref": ("", "other", "key-2"),
    "pending_price_revision": (True,),
    "commission": (None, Decimal("0.35")),
    "currency": ("EUR", ""),
    "realized_pnl": (Decimal(5),),
}
"""By field, what is not plain."""
ORDER = Order.limit("BUY", 40, "190.25", order_ref="key-1")


def story(number: int = 1) -> list[BrokerFact]:
    """Return the whole plain life of an order of 40."""
    terms: dict[str, Any] = {"order_id": number, "client_id": 1, "perm_id": 70 + number}

    def status(word: str, filled: int) -> StatusFact:
        return StatusFact(status=word, filled=Decimal(filled), remaining=Decimal(40 - filled), **terms)

    def execution(part: int) -> ExecutionFact:
        return ExecutionFact(
            exec_id=f"0000e0d5.{number}.0{part}.01",
            side="BOT",
            shares=Decimal(20),
            price=Decimal("190.25"),
            contract=TRADED,
            time="20260828 14:31:45 US/Eastern",
            account="DU1",
            cum_quantity=Decimal(20 * part),
            order_ref=f"key-{number}",
            **terms,
        )

    def commission(part: int) -> CommissionFact:
        return CommissionFact(f"0000e0d5.{number}.0{part}.01", Decimal(1), "USD")

    return [
        status("PreSubmitted", 0),
        status("Submitted", 0),
        execution(1),
        status("Submitted", 20),
        commission(1),
        execution(2),
        status("Filled", 40),
        status("Filled", 40),
        commission(2),
    ]


def submit(number: int, order: Order | None, contract: Contract | None) -> inputs.Submit:
    """Return the command that takes in an order."""
    return inputs.Submit((inputs.NewOrder(number, f"key-{number}", contract, order),))


@st.composite
def spoiled(draw: st.DrawFn, fact: BrokerFact) -> BrokerFact:
    """Draw a fact with one field that is not plain."""
    name = draw(st.sampled_from([field.name for field in attrs.fields(type(fact)) if field.name in ODD]))
    changed: BrokerFact = attrs.evolve(fact, **{name: draw(st.sampled_from(ODD[name]))})
    return changed


def _commands(number: int) -> list[inputs.Command]:
    return [
        inputs.Cancel(number),
        inputs.Modify(number, ORDER.replace(quantity=60)),
        inputs.Modify(number, ORDER.replace(quantity=20)),
        inputs.Silence(number, Request.NEW),
        inputs.Doubt(number, "missing"),
        inputs.Disconnect(),
        inputs.ProveAbsent(number, "lists"),
        inputs.Sent((number,)),
    ]


@st.composite
def nearly_plain(draw: st.DrawFn) -> list[inputs.Input]:
    """Draw two plain lives, told into each other, with a few things that are not plain."""
    stories = {number: story(number) for number in ORDERS}
    told: list[inputs.Input] = []
    while any(stories.values()):
        number = draw(st.sampled_from([number for number, rest in stories.items() if rest]))
        told.append(stories[number].pop(0))
    for _ in range(draw(st.integers(0, 5))):
        place = draw(st.integers(0, len(told) - 1))
        kind = draw(
            st.sampled_from(["spoil", "spoil", "spoil", "add", "repeat", "move", "drop", "command", "any"])
        )
        one = told[place]
        if kind in ("spoil", "add") and isinstance(one, StatusFact | ExecutionFact | CommissionFact):
            told.insert(place, draw(spoiled(one)))
            if kind == "spoil":
                del told[place + 1]
        elif kind == "repeat":
            told.insert(draw(st.integers(0, len(told))), one)
        elif kind == "move":
            told.insert(draw(st.integers(0, len(told) - 1)), told.pop(place))
        elif kind == "drop" and len(told) > 1:
            del told[place]
        elif kind == "command":
            told.insert(place, draw(st.sampled_from(_commands(draw(st.sampled_from(ORDERS))))))
        elif kind == "any":
            told.insert(place, draw(arbitrary_facts()))
    return told


def take(book: Book, now: Any, one: inputs.Input) -> Effects:
    """Have a book take an input; what it refuses changes nothing."""
    try:
        return give(book, one, now)
    except (OrderStateError, DuplicateOrder):
        return Effects()


@given(
    st.sampled_from([*[ORDER] * 6, ORDER.replace(quantity=30), ORDER.replace(quantity=50), None]),
    st.sampled_from([*[AAPL] * 6, None, COMBO]),
    nearly_plain(),
    st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_nearly_plain_stories(
    order: Order | None, contract: Contract | None, told: Sequence[inputs.Input], looks: bool
) -> None:
    """Two orders whose facts are plain, but for a field, a repetition, a gap or a command here and there."""
    pair = Pair()
    for number in ORDERS:
        pair.do(lambda book, now, number=number: book.take(submit(number, order, contract), now))  # type: ignore[misc]
    for one in told:
        pair.do(lambda book, now, one=one: take(book, now, one), looks=looks)  # type: ignore[misc]
    event(f"express: {pair.taken * 10 // len(told)} of 10")
    pair.compare()


def test_a_picture_is_shown_anew_after_the_order_was_sent() -> None:
    """That it was sent is kept beside the picture of its taking in; the next one knows nothing of that."""
    pair = Pair()
    pair.do(lambda book, now: book.take(submit(1, ORDER, AAPL), now), looks=False)
    pair.do(lambda book, now: book.take(inputs.Sent((1,)), now))
    pair._kept[0].clear(), pair._kept[1].clear()
    for fact in story():
        pair.do(taking(fact))
    pair.compare()


def test_a_plain_life_takes_the_lane() -> None:
    """All of it, from the first word on, by which the order's permId is learned."""
    pair = Pair()
    pair.do(lambda book, now: book.take(submit(1, ORDER, AAPL), now))
    facts = story()
    for fact in facts:
        pair.do(taking(fact))
    assert pair.taken == len(facts)
    record = pair.quick.order(1)
    assert record.status is OrderStatus.FILLED
    assert record.commissions == {"USD": Decimal(2)}
    assert record.avg_fill_price == Decimal("190.25")
    pair.compare()


BETWEEN: dict[str, Callable[[ExecutionFact], BrokerFact]] = {
    "the same again": lambda first: first,
    "more of it": lambda first: attrs.evolve(first, shares=Decimal(30)),
    "a correction": lambda first: attrs.evolve(first, exec_id="0000e0d5.1.01.02", shares=Decimal(10)),
    "an older one": lambda first: attrs.evolve(first, exec_id="0000e0d5.1.01.00"),
    "a leg": lambda first: attrs.evolve(first, exec_id="0000e0d5.1.01.01.01"),
    "an advisor's": lambda first: attrs.evolve(first, exec_id="0000e0d5.1.07.01", account="F1"),
    "a report that says nothing": lambda first: CommissionFact(first.exec_id, None),
    "its commission": lambda first: CommissionFact(first.exec_id, Decimal(3), "EUR"),
    "the correction's commission": lambda _: CommissionFact("0000e0d5.1.01.02", Decimal(3), "EUR"),
}
"""By name, what may come between an execution and its commission."""


@pytest.mark.parametrize("between", BETWEEN)
@pytest.mark.parametrize("looks", [True, False])
def test_what_comes_between_an_execution_and_its_commission(between: str, *, looks: bool) -> None:
    """Whatever else was said of an execution, its commission is joined to what it is by then."""
    pair = Pair()
    pair.do(lambda book, now: book.take(submit(1, ORDER, AAPL), now), looks=looks)
    for fact in story():
        pair.do(taking(fact), looks=looks)
        if isinstance(fact, ExecutionFact) and fact.exec_id == "0000e0d5.1.01.01":
            pair.do(taking(BETWEEN[between](fact)), looks=looks)
    pair.compare()


def test_what_the_lane_makes_is_frozen_and_whole() -> None:
    """Every field of its fills and events is set, and none can be set again."""
    book = Book(1)
    book.take(submit(1, ORDER, AAPL), NOW)
    told = [event for fact in story() for event in give(book, fact, NOW).events]
    values: list[Event | Fill | OrderRecord] = [*told, *book.order(1).fills]
    assert any(isinstance(value, Fill) for value in values)
    for value in values:
        for field in attrs.fields(type(value)):
            getattr(value, field.name)
            with pytest.raises(attrs.exceptions.FrozenInstanceError):
                setattr(value, field.name, None)
        assert hash(value) or True
        assert repr(value)
    assert all(isinstance(event, OrderEvent) for event in told)
