"""The order book: price-time priority against a naive model, and what may never happen in a book."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ibkr_core.errors import InvariantViolated
from ibkr_core.gateway.orderbook import CROWD, OrderBook, other_side

D = Decimal
sides = st.sampled_from(["BUY", "SELL"])
prices = st.integers(95, 105).map(D)
sizes = st.integers(1, 9).map(D)


def sweep(book: OrderBook, action: str, quantity: Decimal, limit: Decimal | None) -> list[tuple[int, D, D]]:
    """Trade as an incoming order does: key, price and quantity of each trade."""
    trades = []
    while quantity and (one := book.first(action, limit)) is not None:
        got = min(quantity, one.quantity)
        trades.append((one.key, one.price, got))
        book.take(one, got)
        quantity -= got
    return trades


@attrs.define
class Naive:
    """One line of the model's list: everything that rests, each with its arrival."""

    key: int
    action: str
    price: Decimal
    quantity: Decimal
    arrival: int
    hidden: bool = False
    reserve: Decimal = D(0)
    display: Decimal = D(0)


class Model:
    """A book as a list that is sorted anew for each trade: slow, and too plain to be wrong."""

    def __init__(self) -> None:
        self.lines: list[Naive] = []
        self.clock = 0

    def tick(self) -> int:
        self.clock += 1
        return self.clock

    def place(self, key: int, action: str, price: D, quantity: D, display: D, hidden: bool) -> None:
        shown = quantity if hidden or not display else min(display, quantity)
        line = Naive(key, action, price, shown, self.tick(), hidden, quantity - shown, display)
        self.lines.append(line)

    def queue(self, action: str) -> list[Naive]:
        """The lines that an incoming order meets, in the order in which it does."""
        direction = 1 if action == "BUY" else -1
        return sorted(
            (line for line in self.lines if line.action != action),
            key=lambda line: (direction * line.price, line.hidden, line.arrival),
        )

    def sweep(self, action: str, quantity: D, limit: D | None) -> list[tuple[int, D, D]]:
        trades = []
        while quantity:
            reached = [
                line
                for line in self.queue(action)
                if limit is None or (line.price <= limit if action == "BUY" else line.price >= limit)
            ]
            if not reached:
                break
            line = reached[0]
            got = min(quantity, line.quantity)
            trades.append((line.key, line.price, got))
            line.quantity -= got
            quantity -= got
            if not line.quantity and line.reserve:
                line.quantity = min(line.display, line.reserve)
                line.reserve -= line.quantity
                line.arrival = self.tick()
            self.lines = [one for one in self.lines if one.quantity]
        return trades

    def crowd(self, action: str, price: D, size: D) -> None:
        mine = [one for one in self.lines if (one.key, one.action, one.price) == (CROWD, action, price)]
        change = size - sum((one.quantity for one in mine), D(0))
        if change > 0:
            self.lines.append(Naive(CROWD, action, price, change, self.tick()))
        for one in reversed(mine):
            cut = min(one.quantity, max(-change, D(0)))
            one.quantity -= cut
            change += cut
        self.lines = [one for one in self.lines if one.quantity]


class Books(RuleBasedStateMachine):
    """The book and the model live through the same day."""

    @initialize()
    def open(self) -> None:
        self.book, self.model = OrderBook(), Model()
        self.next_key = 1
        self.placed = self.traded = self.withdrawn = D(0)

    @rule(
        action=sides, price=prices, quantity=sizes, display=st.integers(0, 4).map(D), hidden=st.booleans(),
        market=st.booleans(),
    )  # fmt: skip
    def order(self, action: str, price: D, quantity: D, display: D, hidden: bool, market: bool) -> None:
        """An order takes what it can, and rests with the remainder unless it has no limit."""
        limit = None if market else price
        available = self.book.available(action, limit)
        trades = sweep(self.book, action, quantity, limit)
        assert merged(trades) == merged(self.model.sweep(action, quantity, limit))
        got = sum((size for *_, size in trades), D(0))
        assert got == min(available, quantity)
        self.traded += got
        if limit is None or got == quantity:
            return
        key, self.next_key = self.next_key, self.next_key + 1
        rest = quantity - got
        self.placed += rest
        self.book.place(key, action, price, rest, slice_size=display, hidden=hidden)
        self.model.place(key, action, price, rest, display, hidden)

    @rule(action=sides, price=prices, size=st.integers(0, 9).map(D))
    def crowd(self, action: str, price: D, size: D) -> None:
        """The crowd shows another size at a price that does not cross."""
        facing = self.book.first(action, price)
        if size and facing is not None:
            return
        before = self.book.crowd(action).get(price, D(0))
        self.placed += max(size - before, D(0))
        self.withdrawn += max(before - size, D(0))
        self.book.set_crowd(action, price, size)
        self.model.crowd(action, price, size)

    @rule(data=st.data())
    def cancel(self, data: st.DataObject) -> None:
        orders = sorted({line.key for line in self.model.lines} - {CROWD})
        if not orders:
            return
        key = data.draw(st.sampled_from(orders))
        one = self.book.order(key)
        assert one is not None
        self.withdrawn += one.total
        self.book.remove(key)
        self.model.lines = [line for line in self.model.lines if line.key != key]

    @rule(data=st.data(), size=st.integers(1, 12).map(D))
    def shrink(self, data: st.DataObject, size: D) -> None:
        """A smaller order keeps its place; of an iceberg the reserve goes first."""
        lines = [line for line in self.model.lines if line.key != CROWD]
        if not lines:
            return
        line = data.draw(st.sampled_from(lines))
        total = line.quantity + line.reserve
        if size >= total:
            return
        self.withdrawn += total - size
        self.book.resize(line.key, size)
        line.reserve = max(size - line.quantity, D(0))
        line.quantity = min(line.quantity, size)

    @invariant()
    def it_is_never_crossed(self) -> None:
        bids, asks = (self.book.levels(side) for side in ("BUY", "SELL"))
        if bids and asks:
            assert bids[0][0] < asks[0][0]
        assert [price for price, _ in bids] == sorted((price for price, _ in bids), reverse=True)
        assert [price for price, _ in asks] == sorted(price for price, _ in asks)

    @invariant()
    def nothing_is_lost_or_made(self) -> None:
        standing = sum((self.book.available(side, None) for side in ("BUY", "SELL")), D(0))
        assert standing == self.placed - self.withdrawn - self.traded

    @invariant()
    def every_queue_is_the_models(self) -> None:
        for action in ("BUY", "SELL"):
            for price in {line.price for line in self.model.lines}:
                queue = [(one.key, one.quantity, one.reserve) for one in self.book.queue(action, price)]
                lines = [line for line in self.model.queue(other_side(action)) if line.price == price]
                assert joined(queue) == joined([(one.key, one.quantity, one.reserve) for one in lines])


def joined(queue: list[tuple[int, D, D]]) -> list[tuple[int, D, D]]:
    """A queue in which parts of the crowd that stand next to each other are one."""
    found: list[tuple[int, D, D]] = []
    for key, quantity, reserve in queue:
        if key == CROWD and found and found[-1][0] == CROWD:
            found[-1] = (CROWD, found[-1][1] + quantity, D(0))
        else:
            found.append((key, quantity, reserve))
    return found


def merged(trades: list[tuple[int, D, D]]) -> list[tuple[int, D, D]]:
    """Trades in which those with the crowd at one price that follow each other are one."""
    found: list[tuple[int, D, D]] = []
    for key, price, quantity in trades:
        if key == CROWD and found and found[-1][:2] == (CROWD, price):
            found[-1] = (key, price, found[-1][2] + quantity)
        else:
            found.append((key, price, quantity))
    return found


TestBooks = Books.TestCase
TestBooks.settings = settings(stateful_step_count=25, max_examples=60)


def test_the_queue_is_fair() -> None:
    """At one price the crowd that was there first, then ours, then the crowd that came later."""
    book = OrderBook()
    book.set_crowd("BUY", D(100), D(300))
    book.place(1, "BUY", D(100), D(10))
    book.set_crowd("BUY", D(100), D(500))
    assert sweep(book, "SELL", D(305), D(100)) == [(CROWD, 100, 300), (1, 100, 5)]
    assert sweep(book, "SELL", D(100), None) == [(1, 100, 5), (CROWD, 100, 95)]


def test_a_crowd_that_shrinks_leaves_from_the_end() -> None:
    """Who stands in front of us does not go away because others do."""
    book = OrderBook()
    book.set_crowd("SELL", D(101), D(300))
    book.place(1, "SELL", D(101), D(10))
    book.set_crowd("SELL", D(101), D(400))
    book.set_crowd("SELL", D(101), D(250))
    assert [(one.key, one.quantity) for one in book.queue("SELL", D(101))] == [(CROWD, 250), (1, 10)]


def test_an_iceberg_shows_a_slice_and_queues_up_again() -> None:
    """Each new slice stands behind whoever came meanwhile; the depth shows one slice alone."""
    book = OrderBook()
    book.place(1, "SELL", D(101), D(10), slice_size=D(4))
    book.place(2, "SELL", D(101), D(3))
    assert book.levels("SELL") == [(101, 7)]
    assert book.available("BUY", None) == 13
    assert sweep(book, "BUY", D(13), None) == [(1, 101, 4), (2, 101, 3), (1, 101, 4), (1, 101, 2)]
    assert not book.has_orders


def test_hidden_orders_come_last_at_their_price_and_are_not_shown() -> None:
    """A hidden order at a better price comes first all the same."""
    book = OrderBook()
    book.place(1, "SELL", D(101), D(5), hidden=True)
    book.place(2, "SELL", D(101), D(5))
    book.place(3, "SELL", D(100), D(5), hidden=True)
    assert book.levels("SELL") == [(101, 5)]
    assert [key for key, *_ in sweep(book, "BUY", D(15), None)] == [3, 2, 1]


def test_less_keeps_the_place_and_more_loses_it() -> None:
    """As at every exchange; nothing at all takes the order out."""
    book = OrderBook()
    for key in (1, 2):
        book.place(key, "BUY", D(100), D(10))
    book.resize(1, D(4))
    assert [one.key for one in book.queue("BUY", D(100))] == [1, 2]
    book.resize(1, D(12))
    assert [one.key for one in book.queue("BUY", D(100))] == [2, 1]
    book.resize(2, D(0))
    assert 2 not in book
    book.remove(2)


@given(shown=st.dictionaries(prices, sizes, max_size=4), wanted=st.dictionaries(prices, sizes, max_size=4))
def test_the_crowd_shows_exactly_what_it_is_told(shown: dict[D, D], wanted: dict[D, D]) -> None:
    """Whatever it showed before, and best first."""
    book = OrderBook()
    book.show("BUY", shown)
    book.show("BUY", wanted)
    assert list(book.crowd("BUY").items()) == sorted(wanted.items(), reverse=True)
    best = book.best_of_crowd("BUY")
    assert best == (max(wanted.items()) if wanted else None)


def test_one_may_trade_past_the_orders() -> None:
    """Taking from the crowd alone goes level by level, and leaves orders where they are."""
    book = OrderBook()
    book.show("SELL", {D(101): D(5), D(102): D(5)})
    book.place(1, "SELL", D(100), D(5))
    assert book.take_from_crowd("BUY", D(8)) == 8
    assert book.crowd("SELL") == {102: 2}
    assert book.take_from_crowd("BUY", D(8)) == 2
    assert 1 in book


def test_nonsense_is_refused() -> None:
    """An order without size, one that is there already, the crowd as an order, more than there is."""
    book = OrderBook()
    book.place(1, "BUY", D(100), D(5))
    for key, quantity in ((1, D(5)), (2, D(0)), (CROWD, D(5))):
        with pytest.raises(InvariantViolated):
            book.place(key, "BUY", D(100), quantity)
    one = book.first("SELL", None)
    assert one is not None
    with pytest.raises(InvariantViolated):
        book.take(one, D(6))
