"""A book that loads a checkpoint stands where the one stood that made it, and goes on like it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import (
    Checkpoint,
    PackedOrder,
    keep_fresh,
    load_checkpoint,
    make_checkpoint,
    put_back,
    take_fresh,
)
from ibkr_core.lifecycle.inputs import Disconnect
from ibkr_core.lifecycle.packing import Unpackable
from ibkr_core.model.facts import BrokerFact
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, perform, several_lives
from tests.lifecycle.making import NOW, Desk, commission, execution, status
from tests.lifecycle.test_express import act
from tests.lifecycle.test_packing import pack_all

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

Told = tuple[tuple[Life, ...], tuple[Step, ...]]


class Shelf:
    """What a journal would keep: the newest text of each order."""

    def __init__(self) -> None:
        self.orders: dict[int, PackedOrder] = {}

    def keep(self, book: Book) -> Checkpoint:
        """Take a checkpoint."""
        made = make_checkpoint(book)
        self.orders.update((order.row, order) for order in made.orders)
        return made

    def load(self, made: Checkpoint, book: Book) -> Book:
        """Make a book of it."""
        loaded = Book(1, codec=CODEC)
        keep_fresh(loaded, is_wanted=True)
        load_checkpoint(loaded, self.orders.values(), book.index.archive.shared.since(0), made.state)
        return loaded


def all_of(book: Book) -> tuple[Any, ...]:
    """Return all that a book shows."""
    return (
        book.orders(),
        book.active_orders(),
        book.fills(),
        book.moved(),
        book.seq,
        book.highest_order_id(),
        book.open_requests(),
        book.asked_quantities(),
    )


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=5), st.data())
def test_from_any_checkpoint_all_goes_on_as_if_nothing_had_been(
    told: Told, odd: list[BrokerFact], data: st.DataObject
) -> None:
    """Over several starts, packed before or not: records, fills, events, numbers and ids are the same."""
    steps: list[Step] = list(told[1])
    for one in odd:
        steps.insert(data.draw(st.integers(0, len(steps))), one)
    lost = data.draw(st.integers(0, len(steps)))
    plain, other, shelf = Book(1), Book(1, codec=CODEC), Shelf()
    keep_fresh(other, is_wanted=True)
    for number, step in enumerate(steps):
        now = NOW + timedelta(milliseconds=number)
        if number == lost:
            assert other.take(Disconnect(), now).events == plain.take(Disconnect(), now).events
        one, two = perform(plain, step, now), act(other, step, now)
        assert two.events == one.events
        assert (*two.asks, *two.retries) == (*one.asks, *one.retries)
        turn = data.draw(st.sampled_from(("nothing", "nothing", "pack", "stage", "start")))
        if turn == "pack":
            pack_all(other)
        elif turn == "stage":
            shelf.orders.update((order.row, order) for order in take_fresh(other, 1))
        elif turn == "start":
            other = shelf.load(shelf.keep(other), other)
            assert all_of(other) == all_of(plain)
    assert all_of(other) == all_of(plain)
    assert [repr(record) for record in other.orders()] == [repr(record) for record in plain.orders()]


def filled_book() -> Book:
    """Return a book of one order that is filled and packed, and one that works."""
    desk = Desk()
    desk.book = Book(1, codec=CODEC)
    keep_fresh(desk.book, is_wanted=True)
    desk.working()
    desk.tell(execution(10, perm_id=900), commission(), status("Filled", 10, 0, perm_id=900))
    desk.submit(order_id=2)
    pack_all(desk.book)
    return desk.book


def test_what_is_packed_stays_packed() -> None:
    """A start unpacks what is awake, and nothing else."""
    book, shelf = filled_book(), Shelf()
    loaded = shelf.load(shelf.keep(book), book)
    assert loaded.index.awake_count == 1
    assert len(loaded.index.archive) == 1
    assert take_fresh(loaded, 10) == []


def test_only_what_is_new_is_written_again() -> None:
    """Beside the orders that are awake, those that were packed since."""
    book, shelf = filled_book(), Shelf()
    assert len(shelf.keep(book).orders) == 2
    assert [order.row for order in shelf.keep(book).orders] == [2]


def test_what_could_not_be_written_is_written_the_next_time() -> None:
    """Unless it has changed meanwhile: then it is another order."""
    book = filled_book()
    taken = take_fresh(book, 10)
    put_back(book, taken)
    assert take_fresh(book, 10) == taken
    put_back(book, [attrs.evolve(taken[0], packed=b"older")])
    assert take_fresh(book, 10) == []


@pytest.mark.parametrize(
    "spoil", [lambda o: o[:1], lambda o: o[1:], lambda o: [attrs.evolve(o[0], packed=b"?"), *o[1:]]]
)
def test_orders_that_are_not_all_there_are_refused(spoil: Any) -> None:
    """Whoever loads them replays all instead."""
    book = filled_book()
    book.submit(3, "", None, None, NOW)
    made = make_checkpoint(book)
    orders: Sequence[PackedOrder] = sorted(made.orders, key=lambda order: -order.row)
    with pytest.raises(Unpackable):
        load_checkpoint(Book(1, codec=CODEC), spoil(orders), book.index.archive.shared.since(0), made.state)
