"""Counting live orders by account, contract and side: what a walk over all of them would count."""

from __future__ import annotations

import contextlib
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import DuplicateOrder, IbkrError
from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.checkpoint import load_checkpoint, make_checkpoint
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Order
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, perform, several_lives
from tests.lifecycle.making import AAPL, NOW, echo, error, execution, status
from tests.lifecycle.test_packing import pack_all

MSFT = Contract.stock("MSFT", con_id=272093)
OPTION = Contract.option("SPY", "20261218", 600, "C")
CONTRACTS = (AAPL, attrs.evolve(AAPL, con_id=265598), MSFT, attrs.evolve(MSFT, symbol=""), OPTION)
ACCOUNTS = ("", "DU1", "DU2")
SIDES = ("BUY", "SELL")


def walked(book: Book, account: str, con_id: int, name: str, action: str) -> int:
    """Count by going through all live orders."""
    return sum(
        entry.order is not None
        and entry.contract is not None
        and entry.order.action.value == action
        and entry.order.account in (account, "")
        and (entry.contract.con_id == con_id if con_id else entry.contract.name == name)
        for entry in book.index.live()
    )


def check(book: Book, contracts: tuple[Contract, ...] = CONTRACTS) -> None:
    """Compare all counts with walks."""
    for one in contracts:
        for account in ACCOUNTS:
            for action in SIDES:
                side = (account, one.con_id, one.name, action)
                assert book.count_active(*side) == walked(book, *side), side


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=5), st.data())
def test_any_story_counts_like_a_walk(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[BrokerFact], data: st.DataObject
) -> None:
    """From whenever somebody first asks, whatever comes, and with finished orders packed in between."""
    steps: list[Step] = list(told[1])
    for one in odd:
        steps.insert(data.draw(st.integers(0, len(steps))), one)
    book, begin = Book(1, codec=CODEC), data.draw(st.integers(0, len(steps)))
    for number, step in enumerate(steps):
        perform(book, step, NOW + timedelta(milliseconds=number))
        if data.draw(st.booleans()):
            pack_all(book)
        if number >= begin:
            contracts = {entry.contract for entry in book.index.awake() if entry.contract is not None}
            check(book, (*CONTRACTS, *contracts))


ORDERS = st.builds(
    lambda side, quantity, account: Order.limit(side, quantity, 100, account=account),
    st.sampled_from(SIDES),
    st.integers(1, 9),
    st.sampled_from(ACCOUNTS),
)
ACTS = st.one_of(
    st.tuples(st.just("submit"), st.sampled_from((*CONTRACTS, None)), st.one_of(ORDERS, st.none())),
    st.tuples(
        st.sampled_from(
            ("show", "live", "fill", "execute", "cancel", "reject", "revive", "unsend", "resend", "pack")
        ),
        st.integers(1, 8),
        st.just(None),
    ),
    st.tuples(st.sampled_from(("adopt", "modify")), st.integers(1, 8), ORDERS),
)


@given(st.lists(ACTS, max_size=25), st.booleans())
def test_whatever_is_done_to_orders_the_count_is_that_of_a_walk(
    acts: list[tuple[str, Any, Order | None]], first: bool
) -> None:
    """Orders of others, orders taken over, changed, refused, sent again, and such as came back to life."""
    book = Book(1, codec=CODEC)
    if first:
        book.count_active("", 1, "", "BUY")  # from here on it keeps count
    placed = 0
    for number, (act, what, order) in enumerate(acts):
        now = NOW + timedelta(milliseconds=number)
        if act == "submit":
            placed += 1
            new = inputs.NewOrder(placed, f"k{placed}", what, order)
            with contextlib.suppress(DuplicateOrder):  # somebody else's has that id
                book.take(inputs.Submit((new,)), now)
        else:
            perform_on(book, act, what, order, now)
        check(book)


def perform_on(book: Book, act: str, number: int, order: Order | None, now: datetime) -> None:
    """Do something about an order, if there is such a one; what is refused changes nothing."""
    perm_id, contract = 900 + number, CONTRACTS[number % len(CONTRACTS)]
    given_: dict[str, Any] = {
        "show": echo("Submitted", order_id=number, perm_id=perm_id, contract=contract),
        "live": status("Submitted", 0, 5, order_id=number, perm_id=perm_id),
        "fill": status("Filled", 5, 0, order_id=number, perm_id=perm_id),
        "execute": execution(5, "100", f"e{number}.01", order_id=number, perm_id=perm_id),
        "cancel": status("Cancelled", 0, 5, order_id=number, perm_id=perm_id),
        "reject": error(201, order_id=number),
        "revive": status("Submitted", 1, 4, order_id=number, perm_id=perm_id),
        "unsend": inputs.NotSent(number, "it waited"),
        "resend": inputs.Resend(number, number, 1, "again"),
        "adopt": inputs.Adopt(perm_id, order),
        "modify": inputs.Modify(number, order or Order.market("BUY", 1)),
    }
    if act == "pack":
        pack_all(book)
        return
    with contextlib.suppress(IbkrError):  # what the book has against it changes nothing
        book.take(given_[act], now)
        if act == "modify" and order is not None:
            shown = echo(
                "Submitted",
                order_id=number,
                perm_id=perm_id,
                total_quantity=order.quantity,
                order_type="LMT",
                limit_price=order.limit_price,
                tif="DAY",
            )
            book.take(shown, now)


def test_a_book_that_was_loaded_counts_what_it_loaded() -> None:
    """Also one that was asked before."""
    told = Book(1, codec=CODEC)
    for number in (1, 2, 3):
        new = inputs.NewOrder(number, f"k{number}", MSFT, Order.limit("BUY", 1, 100))
        told.take(inputs.Submit((new,)), NOW)
    told.take(status("Filled", 1, 0, order_id=3, perm_id=903), NOW)
    book = Book(1, codec=CODEC)
    assert book.count_active("", MSFT.con_id, MSFT.name, "BUY") == 0
    made = make_checkpoint(told)
    load_checkpoint(book, made.orders, told.index.archive.shared.since(0), made.state)
    check(book)
    assert book.count_active("", MSFT.con_id, MSFT.name, "BUY") == 2


def test_a_strike_that_is_no_number_stops_nobody() -> None:
    """The broker can send one, and an order for it can be taken over."""
    book = Book(1, codec=CODEC)
    book.count_active("", 0, "AAPL", "BUY")
    odd = attrs.evolve(OPTION, con_id=7)
    object.__setattr__(odd, "strike", Decimal("sNaN"))
    book.take(echo("Submitted", order_id=1, perm_id=901, contract=odd), NOW)
    book.take(inputs.Adopt(901, Order.limit("BUY", 1, 100)), NOW)
    assert book.count_active("", 7, "whatever", "BUY") == 1


def test_orders_that_were_put_away_are_let_go() -> None:
    """What is packed to save memory is not kept here."""
    book = Book(1, codec=CODEC)
    book.count_active("", 1, "", "BUY")
    new = inputs.NewOrder(1, "k", MSFT, Order.limit("BUY", 1, 100))
    book.take(inputs.Submit((new,)), NOW)
    found = book.index.look_by_order_id(1, 1)
    book.take(status("Cancelled", 0, 1, perm_id=901), NOW)
    assert pack_all(book) == 1
    book.take(echo("Submitted", order_id=9, perm_id=909), NOW)  # no picture of it is left
    sides = book.index._sides
    assert sides is not None
    assert found is not None
    assert not sides._by_id
    assert not sides._by_name


@pytest.mark.parametrize("way", ["echo", "execution"])
def test_an_order_whose_contract_comes_later_counts_from_then_on(way: str) -> None:
    """The broker's echo names it, or an execution."""
    book = Book(1, codec=CODEC)
    book.count_active("", 1, "", "BUY")
    book.take(inputs.Submit((inputs.NewOrder(1, "k", None, Order.limit("BUY", 9, 100)),)), NOW)
    assert book.count_active("", MSFT.con_id, MSFT.name, "BUY") == 0
    if way == "echo":
        book.take(echo("Submitted", perm_id=901, contract=MSFT), NOW)
    else:
        book.take(execution(5, "100", perm_id=901, contract=MSFT), NOW)
    check(book)
    assert book.count_active("", MSFT.con_id, MSFT.name, "BUY") == 1
