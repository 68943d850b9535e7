"""The engine does not grow slower unnoticed: its work against the floor's, on the same bytes.

No test here reads a clock. A limit stands somewhat above what was measured when it was written; a change that
makes the engine cheaper should lower it, and one that cannot do without more must say why it raises it.
"""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from benchmarks.byhand import HandEngine
from benchmarks.counting import floor_of, instructions
from benchmarks.feed import CALLBACKS_PER_ORDER, Crowd, burst
from benchmarks.programs.engine import check, make_order
from benchmarks.terms import FIRST_ID
from ibkr_core import Journal
from ibkr_core.clock import SystemClock
from tests.benchmarks.limits import (
    CALLBACK_AGAINST_FLOOR,
    CALLBACK_WITH_JOURNAL_AGAINST_FLOOR,
    FINISHED_ORDER_BYTES,
    LARGE_BOOK_AGAINST_SMALL,
    SUBMIT_AGAINST_ENCODING,
)

_WARM, _COUNTED = 40, 40
_FIRST_COUNTED = FIRST_ID + _WARM

Make = Callable[..., HandEngine]


@pytest.fixture(name="make")
def _make(tmp_path: Path) -> Iterator[Make]:
    made: list[HandEngine] = []
    journals: list[Journal] = []

    def make(version: int, orders: int, *, journal: bool = False) -> HandEngine:
        if journal:
            path = tmp_path / f"{version}.db"
            journals.append(Journal.open(path, client_id=1, clock=SystemClock(), start_writer=False))
        made.append(HandEngine(version, orders, journals[-1] if journal else None))
        return made[-1]

    yield make
    for hand in made:
        hand.engine.close()
    for opened in journals:
        opened.close()


def ids(first: int, count: int) -> range:
    return range(first, first + count)


def cost_of_callbacks(hand: HandEngine, version: int) -> float:
    """Instructions of the engine for one of the floor's; the first orders make all that is made once."""
    hand.feed(burst(ids(FIRST_ID, _WARM), version))
    data = burst(ids(_FIRST_COUNTED, _COUNTED), version)
    mine = instructions(lambda: hand.feed(data))
    check(hand.engine, _WARM + _COUNTED)
    return mine / instructions(floor_of(data, version))


@pytest.mark.parametrize("version", sorted(CALLBACK_AGAINST_FLOOR))
def test_a_callback_costs_no_more_of_the_floors_work_than_it_did(make: Make, version: int) -> None:
    """Receiving, decoding, the book and one inline listener, against framing and parsing."""
    cost = cost_of_callbacks(make(version, _WARM + _COUNTED), version)
    assert cost <= CALLBACK_AGAINST_FLOOR[version], f"{cost:.2f} times the floor"


@pytest.mark.parametrize("version", sorted(CALLBACK_WITH_JOURNAL_AGAINST_FLOOR))
def test_the_journal_adds_no_more_to_a_callback_than_it_did(make: Make, version: int) -> None:
    """On the thread that receives; what the journal's writer does later is not counted."""
    cost = cost_of_callbacks(make(version, _WARM + _COUNTED, journal=True), version)
    assert cost <= CALLBACK_WITH_JOURNAL_AGAINST_FLOOR[version], f"{cost:.2f} times the floor"


def test_a_callback_costs_the_same_in_a_large_book(make: Make) -> None:
    """Nothing in the way of a callback goes through the orders one by one."""
    version, first = 178, 10_000_000
    crowd = Crowd(first, version)
    costs = []
    for size in (50, 2_000):
        hand = make(version, _WARM + _COUNTED)
        hand.feed(crowd.tell(ids(first, size)))
        hand.feed(burst(ids(FIRST_ID, _WARM), version))
        data = burst(ids(_FIRST_COUNTED, _COUNTED), version)
        costs.append(instructions(lambda hand=hand, data=data: hand.feed(data)))
        assert len(hand.engine.orders()) == size + _WARM + _COUNTED
    assert costs[1] <= costs[0] * LARGE_BOOK_AGAINST_SMALL, costs


def test_submit_costs_no_more_of_the_official_encoding_than_it_did(make: Make) -> None:
    """A whole submit against the official ``placeOrder`` with a connection that only takes the bytes."""
    version = 226
    hand = make(version, _WARM)
    orders = [make_order(order_id) for order_id in ids(_FIRST_COUNTED, _COUNTED)]

    def submit() -> None:
        for contract, order in orders:
            hand.engine.submit(contract, order)

    def encode() -> None:
        for number, (contract, order) in enumerate(orders):
            hand.client.encode_order(_FIRST_COUNTED + number, contract, order)

    encode()
    cost = instructions(submit) / instructions(encode)
    assert len(b"".join(hand.sent)) > 0
    assert cost <= SUBMIT_AGAINST_ENCODING, f"{cost:.2f} times the encoding"


def test_a_finished_order_takes_no_more_memory_than_it_did(make: Make) -> None:
    """Two fills, two commissions, and a history; what Python's objects take, without a journal."""
    version, count = 178, 300
    hand = make(version, count + _WARM)
    hand.feed(burst(ids(FIRST_ID, _WARM), version))
    data = burst(ids(_FIRST_COUNTED, count), version)
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        hand.feed(data)
        grown = (tracemalloc.get_traced_memory()[0] - before) / count
    finally:
        tracemalloc.stop()
    check(hand.engine, count + _WARM)
    assert grown <= FINISHED_ORDER_BYTES, f"{grown:.0f} bytes"


def test_every_callback_of_the_burst_is_counted() -> None:
    """The guard would guard nothing if the stream were shorter than it says."""
    seen = []
    parse = floor_of(burst(ids(FIRST_ID, 3), 178), 178)
    assert instructions(parse) > 3 * CALLBACKS_PER_ORDER * 20
    assert instructions(lambda: seen.append(1)) < 10 * len(seen) + 10
