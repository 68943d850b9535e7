"""Two sets of books: after a random hour of trading the engine's agree with the gateway's own."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import OrderStateError
from ibkr_core.gateway import Books, Choreography, ManualClock, MarketSettings, OrderAccount, Settings
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from tests.engine.rig import UNLIMITED, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway, leave, settle

pytestmark = pytest.mark.system

SYMBOLS = ("AAPL", "MSFT", "AMZN", "TSLA")
WORDS = {
    "": {S.PENDING_SUBMIT},
    "PreSubmitted": {S.PRE_SUBMITTED, S.PARTIALLY_FILLED},
    "Submitted": {S.SUBMITTED, S.PARTIALLY_FILLED},
    "PendingCancel": {S.PENDING_CANCEL},
    "Cancelled": {S.CANCELLED},
    "ApiCancelled": {S.CANCELLED},
    "Filled": {S.FILLED},
    "Inactive": {S.REJECTED, S.INACTIVE, S.CANCELLED},
}
"""What the book may say where the gateway says this word."""

WILD = Choreography(
    duplicates=1.0,
    statuses_first=0.3,
    status_skipped=0.1,
    commission_echo=0.5,
    pending_cancel=0.5,
    work_delay_s=(0.0, 2.0),
    cancel_delay_s=(0.0, 3.0),
    commission_delay_s=(0.0, 20.0),
    duplicate_delay_s=(0.0, 5.0),
)


VENUE = Settings(choreography=WILD, cash=Decimal(10**9), market=MarketSettings(interval_s=2.0))


class Trader:
    """Does one random thing after the other, always the same for a seed."""

    def __init__(self, engine: Engine, gateway: WatchedGateway, seed: int) -> None:
        self.engine = engine
        self.gateway = gateway
        self.rng = random.Random(seed)  # noqa: S311 - a test, not a secret
        self.tickets: list[Any] = []

    def price(self, symbol: str, cents: int = 60) -> Decimal:
        """A price near the market."""
        quote = self.gateway.market(symbol).quote
        return max(quote.last + Decimal(self.rng.randint(-cents, cents)) / 100, Decimal("0.05"))

    def order(self, symbol: str) -> Order:
        side = self.rng.choice(["BUY", "SELL"])
        size = self.rng.randint(1, 900)
        kind = self.rng.choice(["MKT", "LMT", "LMT", "STP", "STP LMT", "TRAIL", "IOC", "FOK"])
        match kind:
            case "MKT":
                return Order.market(side, size)
            case "STP":
                return Order.stop(side, size, self.price(symbol))
            case "STP LMT":
                return Order.stop_limit(side, size, self.price(symbol), self.price(symbol))
            case "TRAIL":
                return Order.trailing_stop(side, size, trailing_amount=Decimal(self.rng.randint(5, 60)) / 100)
            case "LMT":
                return Order.limit(side, size, self.price(symbol))
            case _:
                return Order.limit(side, size, self.price(symbol), tif=kind)

    def act(self) -> None:
        """One thing: mostly a new order, else a change of an old one."""
        symbol = self.rng.choice(SYMBOLS)
        contract = Contract.stock(symbol)
        choice = self.rng.random()
        if choice < 0.55:
            self.tickets.append(self.engine.submit(contract, self.order(symbol)))
        elif choice < 0.62:
            last = self.gateway.market(symbol).quote.last
            bracket = self.engine.submit_bracket(
                contract,
                Order.limit("BUY", self.rng.randint(1, 300), last),
                take_profit=last + Decimal("0.30"),
                stop_loss=last - Decimal("0.30"),
            )
            self.tickets.extend(bracket.all)
        elif choice < 0.69:
            orders = [(contract, Order.limit("BUY", 200, self.price(symbol, 20))) for _ in range(3)]
            self.tickets.extend(self.engine.submit_oca(orders, oca_type=self.rng.randint(1, 3)))
        elif choice < 0.72:
            self.correct()
        elif self.tickets:
            self.change(self.rng.choice(self.tickets[-40:]))

    def correct(self) -> None:
        """The exchange corrects an execution, as it sometimes does."""
        executions = self.gateway.books().executions
        if executions:
            one = self.rng.choice(executions)
            self.gateway.correct_execution(one.exec_id, price=one.price + Decimal("0.01"))

    def change(self, ticket: Any) -> None:
        try:
            if self.rng.random() < 0.5:
                ticket.cancel()
            else:
                record = ticket.record
                size = max(int(record.filled_quantity), 1) + self.rng.randint(0, 400)
                ticket.modify(quantity=size)
        except OrderStateError:
            return  # it has finished, or a cancel is pending: refused here, nothing was sent


def compare(engine: Engine, books: Books) -> None:
    """Hold every order of one set of books against the other."""
    for booked in books.orders:
        record = engine.order(booked.order_id)
        told = f"order {booked.order_id}:\n{booked}\n" + "\n".join(map(str, record.history))
        compare_order(record, booked, told)
    assert {fill.exec_id for fill in engine.fills()} == {one.exec_id for one in books.executions}
    known = {booked.order_id for booked in books.orders}
    for record in engine.orders():  # what the gateway never admitted was refused
        assert record.order_id in known or record.status is S.REJECTED, record


def compare_order(record: OrderRecord, booked: OrderAccount, told: str) -> None:
    assert record.perm_id == booked.perm_id, told
    assert record.filled_quantity == booked.filled, told
    assert record.unexplained_quantity == 0, told
    assert [(f.exec_id, f.quantity, f.price) for f in record.fills] == [
        (one.exec_id, one.quantity, one.price) for one in booked.executions
    ], told
    if booked.filled:
        assert record.avg_fill_price is not None
        assert abs(record.avg_fill_price - booked.average_price) < Decimal("1e-20"), told
    commission = record.commissions.get("USD", Decimal(0))
    assert commission == booked.commission.quantize(Decimal("1.00000000")), told
    assert record.status in WORDS[booked.status], told
    if record.status.is_finished:
        assert record.pending == (), told
    if booked.status in ("Submitted", "PreSubmitted"):
        assert record.total_quantity == booked.total, told
        assert record.remaining_quantity == booked.remaining, told


def expected_commissions(record: OrderRecord) -> Decimal:
    return sum((fill.commission or Decimal(0) for fill in record.fills), Decimal(0))


def come_to_rest(engine: Engine, gateway: WatchedGateway) -> None:
    """Let everything arrive: what was sent, then late commissions and open cancels, with no new trades."""
    settle(engine)
    for symbol in SYMBOLS:
        gateway.market(symbol).freeze()
    gateway.run(60)
    settle(engine)


@pytest.mark.parametrize(
    ("version", "seed"), [*((VERSIONS[-1], seed) for seed in (1, 2, 3)), (VERSIONS[0], 4)]
)
def test_an_hour_of_random_trading(version: int, seed: int, serve: Serve, connect: Connect) -> None:
    """Three hundred orders of every kind while prices move and the gateway tells it in its worst manner.

    Every callback is repeated, statuses come before executions, commissions late, some statuses not at all.
    """
    gateway = serve(
        versions=[version],
        seed=seed,
        clock=ManualClock(),
        settings=VENUE,
    )
    for symbol in SYMBOLS:
        gateway.market(symbol).thaw()
    engine = connect(gateway, settings=UNLIMITED)
    log = Log(engine)
    trader = Trader(engine, gateway, seed)
    while len(trader.tickets) < 300:
        trader.act()
        if trader.rng.random() < 0.5:
            settle(engine)
            gateway.run(trader.rng.uniform(0, 20))
    come_to_rest(engine, gateway)
    compare(engine, gateway.books())
    engine.cancel_all()
    come_to_rest(engine, gateway)
    books = gateway.books()
    compare(engine, books)

    # An unfilled FOK is Inactive, and no more is said of it: that is found among the completed orders.
    for record in engine.active_orders():
        engine.ticket(record.order_id).wait(**WAIT)
    assert engine.active_orders() == ()
    statuses = {record.status for record in engine.orders()}
    assert {S.FILLED, S.CANCELLED} <= statuses
    assert sum(len(record.fills) > 1 for record in engine.orders()) > 10, (
        "too few partial fills to prove much"
    )
    received = log.of(events.ExecutionReceived)
    assert len(received) == len({event.fill.exec_id for event in received}) == len(books.executions)
    assert len(log.of(events.CommissionReported)) >= len(books.executions)
    corrected = log.of(events.ExecutionCorrected)
    assert len(corrected) == sum(one.revision - 1 for one in books.executions) > 0
    assert log.seqs() == sorted(set(log.seqs()))
    once = log.of(events.OrderFilled)
    assert len(once) == len({event.order_id for event in once})
    for record in engine.orders():
        assert record.commissions.get("USD", Decimal(0)) == expected_commissions(record)


def test_what_a_second_session_makes_of_it(serve: Serve, connect: Connect) -> None:
    """The same client connects again after a busy session: its book tells the same fills and commissions."""
    gateway = serve(seed=9, clock=ManualClock(), settings=VENUE)
    for symbol in SYMBOLS:
        gateway.market(symbol).thaw()
    first = connect(gateway, 5, settings=UNLIMITED)
    trader = Trader(first, gateway, 9)
    while len(trader.tickets) < 100:
        trader.act()
        settle(first)
        gateway.run(trader.rng.uniform(0, 10))
    leave(first, gateway)
    gateway.run(60)  # the rest of it happens while nobody listens
    for symbol in SYMBOLS:
        gateway.market(symbol).freeze()
    gateway.run(60)

    second = connect(gateway, 5)  # which asks for all that happened meanwhile, before it is ready
    books = gateway.books()
    # The text protocol lists completed orders without their order ids (TWS facts 4).
    by_perm_id = {record.perm_id: record for record in second.orders()}
    for booked in books.orders:
        record = by_perm_id[booked.perm_id]
        assert record.filled_quantity == booked.filled
        assert {f.exec_id for f in record.fills} == {one.exec_id for one in booked.executions}
        assert record.commissions.get("USD", Decimal(0)) == booked.commission.quantize(Decimal("1.00000000"))
        assert record.status in WORDS[booked.status]
    assert {fill.exec_id for fill in second.fills()} == {one.exec_id for one in books.executions}
