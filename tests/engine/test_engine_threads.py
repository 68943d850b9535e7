"""Many threads at once: ids rise on the wire, and every order is accounted for."""

from __future__ import annotations

import itertools
import random
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import OrderStateError
from ibkr_core.gateway import Choreography, Settings
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from tests.engine.conftest import STILL
from tests.engine.rig import STOCK, UNLIMITED, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway, settle
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
THREADS, EACH = 8, 50


def new_orders(gateway: WatchedGateway) -> list[int]:
    """Ids of placed orders in order of arrival, each at its first appearance."""
    return list(dict.fromkeys(message.fields["orderId"] for message in gateway.arrived("placeOrder")))


def busy(gateway: WatchedGateway, engine: Engine, work: Any) -> list[Any]:
    """Run the work on all threads, started together."""
    start = threading.Barrier(THREADS)

    def run(number: int) -> Any:
        start.wait(PATIENCE_S)
        return work(number)

    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, range(THREADS)))


@pytest.mark.parametrize("version", sorted({VERSIONS[0], VERSIONS[-1]}))
def test_orders_of_eight_threads(version: int, serve: Serve, connect: Connect) -> None:
    """Four hundred orders submitted, modified and cancelled at once, to a gateway that repeats itself.

    Ids are unique and rise on the wire, no order is refused with 103, each ticket is its thread's own,
    and the book ends as the gateway's.
    """
    style = Choreography(duplicates=0.3, cancel_delay_s=(0.0, 0.002), commission_delay_s=(0.0, 0.01))
    gateway = serve(versions=[version], settings=Settings(market=STILL, choreography=style))
    engine = connect(gateway, settings=UNLIMITED)
    log = Log(engine)

    def work(number: int) -> list[tuple[str, Any]]:
        rng = random.Random(number)  # noqa: S311 - a test, not a secret
        tickets = []
        for count in range(EACH):
            key = f"{number}-{count}"
            price = rng.choice(["90", "91", "100.01"])
            ticket = engine.submit(STOCK, Order.limit("BUY", 1 + count, price), key=key)
            tickets.append((key, ticket))
            try:
                if rng.random() < 0.5:
                    ticket.modify(limit_price="92", quantity=2 + count)
                if rng.random() < 0.7:
                    ticket.cancel()
            except OrderStateError:
                continue  # it was filled, or cancelled, just now
        for _, ticket in tickets:
            if ticket.status is not S.FILLED:
                ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, S.PENDING_CANCEL, **WAIT)
        return tickets

    made = list(itertools.chain.from_iterable(busy(gateway, engine, work)))
    engine.cancel_all()
    records = {key: ticket.wait(**WAIT) for key, ticket in made}
    settle(engine)

    ids = [ticket.order_id for _, ticket in made]
    assert len(set(ids)) == THREADS * EACH
    arrived = new_orders(gateway)
    assert arrived == sorted(ids), "ids did not rise on the wire"
    codes = {code for record in engine.orders() for code in record.error_codes}
    assert 103 not in codes
    books = gateway.books()
    for key, ticket in made:
        record = ticket.record
        assert record.key == key == ticket.key
        booked = books.order(ticket.order_id)
        assert (record.filled_quantity, record.perm_id) == (booked.filled, booked.perm_id)
        assert record.status is {"Filled": S.FILLED, "Cancelled": S.CANCELLED}[booked.status]
        assert records[key].status is record.status
    assert engine.active_orders() == ()
    assert log.of(events.AnomalyDetected) == []
    assert log.seqs() == sorted(set(log.seqs()))


def test_groups_of_eight_threads_stay_together(gateway: WatchedGateway, connect: Connect) -> None:
    """The legs of a bracket stand side by side on the wire, with no other order between them."""
    engine = connect(gateway, settings=UNLIMITED)

    def work(number: int) -> list[Any]:
        made = []
        for count in range(10):
            entry = Order.limit("BUY", 1 + number, "95", order_ref=f"{number}-{count}")
            made.append(engine.submit_bracket(STOCK, entry, take_profit="110", stop_loss="90"))
            engine.submit(STOCK, Order.limit("BUY", 1, "90"))
        return made

    brackets = list(itertools.chain.from_iterable(busy(gateway, engine, work)))
    settle(engine)
    arrived = [message.fields["orderId"] for message in gateway.arrived("placeOrder")]
    assert arrived == sorted(arrived)
    for bracket in brackets:
        first = arrived.index(bracket.parent.order_id)
        assert arrived[first : first + 3] == [ticket.order_id for ticket in bracket.all]
    engine.cancel_all()
    assert {ticket.wait(**WAIT).status for bracket in brackets for ticket in bracket.all} == {S.CANCELLED}


def test_one_order_at_the_hands_of_eight_threads(gateway: WatchedGateway, connect: Connect) -> None:
    """All modify the same order and all wait for it: one of them cancels, all see the same end."""
    engine = connect(gateway, settings=UNLIMITED)
    ticket = engine.submit(STOCK, Order.limit("BUY", 10, "90"))

    def work(number: int) -> OrderRecord:
        for count in range(10):
            try:
                ticket.modify(limit_price=f"9{number}.{count:02}")
            except OrderStateError:
                break
        if number == 0:
            ticket.cancel()
        return ticket.wait(**WAIT)

    ends = busy(gateway, engine, work)
    assert {(record.order_id, record.status) for record in ends} == {(ticket.order_id, S.CANCELLED)}
    settle(engine)
    assert ticket.record.pending == ()
    assert engine._book._waiters == {}


def test_reading_while_much_changes(gateway: WatchedGateway, connect: Connect) -> None:
    """Snapshots taken at any moment are whole: what is filled is what the fills say."""
    engine = connect(gateway, settings=UNLIMITED)
    done = threading.Event()
    faults: list[str] = []

    def read() -> None:
        while not done.is_set():
            for record in engine.orders():
                total = sum(fill.quantity for fill in record.fills)
                if total + record.unexplained_quantity != record.filled_quantity:
                    faults.append(f"{record.order_id}: {total} of {record.filled_quantity}")

    readers = [threading.Thread(target=read) for _ in range(2)]
    for reader in readers:
        reader.start()
    for _ in range(50):
        engine.submit(STOCK, Order.market("BUY", 3)).wait(**WAIT)
    done.set()
    for reader in readers:
        reader.join(PATIENCE_S)
    assert faults == []
