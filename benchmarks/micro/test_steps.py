"""The steps of a callback's way and of an order's: decode, apply, receive, encode, submit, journal.

Each runs over a fresh heap of orders in every round, so that nothing is told twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.byhand import HandEngine
from benchmarks.feed import burst, frames
from benchmarks.programs.engine import make_order
from benchmarks.terms import ACCOUNT, CLIENT_ID, FIRST_ID, QUANTITY, Terms, terms
from ibkr_core import Journal, TwsClient
from ibkr_core.clock import SystemClock
from ibkr_core.journal.entries import Frame
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.link.hotpath import hot_path
from ibkr_core.link.warmpath import warm_path
from ibkr_core.model.facts import BrokerFact, fact_of
from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.message import Message

_ORDERS = 250
_ROUNDS = 20
_WARNING = {
    "errorCode": 399,
    "errorMsg": "Order Message: held until the opening",
    "errorTime": 1_787_941_905_000,
}
_NOW = datetime(2026, 8, 28, 18, 31, 45, tzinfo=UTC)
VERSIONS = (178, 226)

Benchmark = Any
"""The fixture of pytest-benchmark, which ships no types."""


def heaps() -> Iterator[range]:
    """Yield ids for round after round."""
    first = FIRST_ID
    while True:
        yield range(first, first + _ORDERS)
        first += _ORDERS


def bodies(order_ids: range, version: int) -> list[bytes]:
    """Return the messages about orders, without their lengths."""
    return [data[4:] for data in frames(order_ids, version)]


def facts(order_ids: range, version: int) -> list[BrokerFact]:
    """Return what the messages about orders say."""
    decode = hot_path(TwsClient, version)
    found = [decode(body) for body in bodies(order_ids, version)]
    return [fact_of(values) for values in found if values is not None]


def echoes(order_ids: range, version: int) -> list[bytes]:
    """Return an openOrder and an error for each order, without their lengths."""
    return [
        encode_answer(message, version)
        for order_id in order_ids
        for message in (_echo(order_id, terms(order_id)), Message("error", _WARNING | {"id": order_id}))
    ]


def _echo(order_id: int, its: Terms) -> Message:
    contract = {
        "conId": its.con_id,
        "symbol": its.symbol,
        "secType": "STK",
        "exchange": "SMART",
        "currency": "USD",
        "localSymbol": its.symbol,
        "tradingClass": "NMS",
    }
    order = {
        "action": its.action,
        "totalQuantity": Decimal(QUANTITY),
        "orderType": "LMT",
        "lmtPrice": its.limit / 100,
        "auxPrice": 0.0,
        "tif": "DAY",
        "account": ACCOUNT,
        "orderRef": its.key,
        "clientId": CLIENT_ID,
        "permId": its.perm_id,
    }
    parts = {"contract": contract, "order": order, "orderState": {"status": "Submitted"}}
    return Message("openOrder", {"orderId": order_id, **parts})


@pytest.fixture(name="each")
def _each(benchmark: Benchmark) -> Benchmark:
    """Run an act with fresh material in every round."""

    def each(prepare: Any, act: Any) -> None:  # noqa: ANN401 - any material
        def setup() -> tuple[tuple[Any, ...], dict[str, Any]]:
            return prepare(), {}

        benchmark.extra_info["orders"] = _ORDERS
        benchmark.pedantic(act, setup=setup, rounds=_ROUNDS, warmup_rounds=2)

    return each


@pytest.mark.parametrize("version", VERSIONS)
def test_decode(each: Benchmark, version: int) -> None:
    """2,000 messages into facts."""
    decode, ids = hot_path(TwsClient, version), heaps()

    def act(messages: list[bytes]) -> None:
        for body in messages:
            decode(body)

    each(lambda: (bodies(next(ids), version),), act)


@pytest.mark.parametrize("version", VERSIONS)
def test_decode_echoes_and_errors(each: Benchmark, version: int) -> None:
    """250 openOrders and 250 errors into facts."""
    decode, ids = warm_path(TwsClient, version, lambda: ()), heaps()

    def act(messages: list[bytes]) -> None:
        for body in messages:
            if decode(body) is None:
                raise ValueError(f"left to the official decoder: {body!r}")

    each(lambda: (echoes(next(ids), version),), act)


def test_apply(each: Benchmark) -> None:
    """2,000 facts into the book, which knows their orders."""
    book, ids = Book(CLIENT_ID), heaps()

    def prepare() -> tuple[list[BrokerFact]]:
        heap = next(ids)
        new = [inputs.NewOrder(i, terms(i).key, *make_order(i)) for i in heap]
        for order in new:
            book.take(inputs.Submit((order,)), _NOW)
        book.take(inputs.Sent(tuple(heap)), _NOW)
        return (facts(heap, 178),)

    def act(told: list[BrokerFact]) -> None:
        now = _NOW + timedelta(seconds=1)
        for fact in told:
            book.take(fact, now)

    each(prepare, act)


@pytest.mark.parametrize("version", VERSIONS)
def test_receive(each: Benchmark, version: int) -> None:
    """2,000 messages from bytes to one inline listener, no journal."""
    hand, ids = HandEngine(version, _ORDERS * (_ROUNDS + 2)), heaps()
    each(lambda: (burst(next(ids), version),), hand.feed)
    hand.engine.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_receive_with_journal(each: Benchmark, version: int, tmp_path: Path) -> None:
    """The same with a journal, whose writer is not in the figure: only what the receiving thread does."""
    with_journal = Journal.open(
        tmp_path / "orders.db", client_id=CLIENT_ID, clock=SystemClock(), start_writer=False
    )
    hand, ids = HandEngine(version, _ORDERS * (_ROUNDS + 2), with_journal), heaps()

    def prepare() -> tuple[bytes]:
        with_journal.flush()
        return (burst(next(ids), version),)

    each(prepare, hand.feed)
    hand.engine.close()
    with_journal.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_encode(each: Benchmark, version: int) -> None:
    """250 orders into bytes."""
    hand, ids = HandEngine(version, 0), heaps()

    def act(heap: list[tuple[int, Any]]) -> None:
        for order_id, made in heap:
            hand.client.encode_order(order_id, *made)

    each(lambda: ([(i, make_order(i)) for i in next(ids)],), act)
    hand.engine.close()


@pytest.mark.parametrize("version", VERSIONS)
def test_submit(each: Benchmark, version: int) -> None:
    """250 orders from the call to their bytes, no journal."""
    hand, ids = HandEngine(version, 0), heaps()

    def act(made: list[Any]) -> None:
        for contract, order in made:
            hand.engine.submit(contract, order)

    each(lambda: ([make_order(i) for i in next(ids)],), act)
    hand.engine.close()


def test_journal(each: Benchmark, tmp_path: Path) -> None:
    """2,000 frames recorded and committed."""
    ids = heaps()
    journal = Journal.open(
        tmp_path / "orders.db", client_id=CLIENT_ID, clock=SystemClock(), start_writer=False
    )

    def prepare() -> tuple[list[tuple[Frame, BrokerFact]]]:
        heap = next(ids)
        told = zip(bodies(heap, 178), facts(heap, 178), strict=True)
        return ([(Frame(178, body), fact) for body, fact in told],)

    def act(entries: list[tuple[Frame, BrokerFact]]) -> None:
        for entry, fact in entries:
            journal.record(entry, _NOW, 0, fact)
        journal.flush()

    each(prepare, act)
    journal.close()
