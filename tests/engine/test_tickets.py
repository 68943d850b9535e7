"""Tickets: waiting in threads and in asyncio, and handing on commands."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from concurrent.futures import Future
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.brackets import ScaleOutTickets
from ibkr_core.errors import ConnectionFailed, InvalidInput, WaitTimeout, WouldDeadlock
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.tickets import BracketTickets, OrderTicket
from tests.link.peers import PATIENCE_S

S = OrderStatus


class Office:
    """What a ticket needs of the engine, by hand."""

    def __init__(self) -> None:
        self.record = OrderRecord(order_id=5, status=S.SUBMITTED)
        self.futures: list[Future[OrderRecord]] = []
        self.wanted: list[frozenset[OrderStatus]] = []
        self.settled: list[bool] = []
        self.commands: list[Any] = []
        self.watched = threading.Event()
        self.may_wait = True
        self.limits: list[float | None] = []

    def order(self, order_id: int) -> OrderRecord:
        assert order_id == 5
        return self.record

    def cancel(self, order_id: int) -> OrderRecord:
        self.commands.append(("cancel", order_id))
        return self.record

    def modify(self, order_id: int, order: Order | None = None, **changes: Any) -> OrderRecord:
        self.commands.append(("modify", order_id, order, changes))
        return self.record

    def watch(
        self, order_id: int, wanted: frozenset[OrderStatus], *, settled: bool = False
    ) -> Future[OrderRecord]:
        assert order_id == 5
        self.settled.append(settled)
        future: Future[OrderRecord] = Future()
        self.futures.append(future)
        self.wanted.append(wanted)
        self.watched.set()
        return future

    def check_may_wait(self) -> None:
        if not self.may_wait:
            raise WouldDeadlock("inline")

    def wait_for(self, future: Future[Any], timeout_s: float | None = None) -> Any:
        self.limits.append(timeout_s)
        concurrent.futures.wait((future,), timeout_s)
        if not future.done():
            raise WaitTimeout("not done")
        return future.result()


@pytest.fixture
def office() -> Office:
    return Office()


@pytest.fixture
def ticket(office: Office) -> OrderTicket:
    return OrderTicket(office, 5, "mine")


FILL = Fill(exec_id="0000e0d5.69dd7411.01.01", quantity=Decimal(10), price=Decimal(7))
FILLED = OrderRecord(
    order_id=5,
    status=S.FILLED,
    total_quantity=Decimal(10),
    filled_quantity=Decimal(10),
    fills=(FILL,),
)
FILLED_UNSEEN = OrderRecord(order_id=5, status=S.FILLED, total_quantity=Decimal(10))


def bring_filled_unseen(office: Office) -> threading.Thread:
    """End the first wait with an order that is filled and shows no execution."""

    def bring() -> None:
        assert office.watched.wait(PATIENCE_S)
        office.futures[0].set_result(FILLED_UNSEEN)

    thread = threading.Thread(target=bring)
    thread.start()
    return thread


def test_a_ticket_shows_its_order_as_it_is_now(office: Office, ticket: OrderTicket) -> None:
    """It holds no state of its own."""
    assert (ticket.order_id, ticket.key, ticket.status) == (5, "mine", S.SUBMITTED)
    office.record = FILLED
    assert (ticket.status, ticket.record) == (S.FILLED, FILLED)


def test_commands_are_handed_on(office: Office, ticket: OrderTicket) -> None:
    """With the order's id and the arguments as they are."""
    terms = Order.market("BUY", 1)
    ticket.cancel()
    ticket.modify(terms)
    ticket.modify(limit_price=3)
    assert office.commands == [
        ("cancel", 5),
        ("modify", 5, terms, {}),
        ("modify", 5, None, {"limit_price": 3}),
    ]


def test_a_wait_gives_the_record_of_its_moment(office: Office, ticket: OrderTicket) -> None:
    """Whatever thread brings it."""

    def bring() -> None:
        assert office.watched.wait(PATIENCE_S)
        office.futures[0].set_result(FILLED)

    thread = threading.Thread(target=bring)
    thread.start()
    assert ticket.wait(S.FILLED, S.CANCELLED, timeout_s=PATIENCE_S) is FILLED
    assert office.wanted == [frozenset({S.FILLED, S.CANCELLED})]
    thread.join(PATIENCE_S)


def test_waiting_for_the_end_waits_for_the_executions_too(office: Office, ticket: OrderTicket) -> None:
    """The word Filled can come first; the record that a wait returns has its fills and its average."""

    def bring() -> None:
        assert office.watched.wait(PATIENCE_S)
        office.watched.clear()
        office.futures[0].set_result(FILLED_UNSEEN)
        assert office.watched.wait(PATIENCE_S)
        office.futures[1].set_result(FILLED)

    thread = threading.Thread(target=bring)
    thread.start()
    assert ticket.wait(timeout_s=PATIENCE_S) is FILLED
    assert office.settled == [False, True]
    thread.join(PATIENCE_S)


def test_waiting_for_a_status_does_not_wait_for_executions(office: Office, ticket: OrderTicket) -> None:
    """Who asks for FILLED gets it at once."""
    thread = bring_filled_unseen(office)
    assert ticket.wait(S.FILLED, timeout_s=PATIENCE_S) is FILLED_UNSEEN
    assert office.settled == [False]
    thread.join(PATIENCE_S)


def test_executions_that_never_come_do_not_hold_a_wait_for_ever(
    office: Office, ticket: OrderTicket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a while the order is returned as it stands."""
    monkeypatch.setattr("ibkr_core.tickets._SETTLE_S", 0.01)
    office.record = FILLED_UNSEEN
    thread = bring_filled_unseen(office)
    assert ticket.wait(timeout_s=PATIENCE_S) is FILLED_UNSEEN
    thread.join(PATIENCE_S)


def test_the_wait_for_executions_keeps_to_the_callers_limit(office: Office, ticket: OrderTicket) -> None:
    """Who gives it no time at all gets the order as it stands, at once."""
    office.record = FILLED_UNSEEN

    def watch(*_: Any, settled: bool = False) -> Future[OrderRecord]:
        future: Future[OrderRecord] = Future()
        if not settled:
            future.set_result(FILLED_UNSEEN)
        return future

    office.watch = watch  # type: ignore[method-assign,assignment]
    assert ticket.wait(timeout_s=0) is FILLED_UNSEEN
    assert office.limits == [0, 0]
    assert asyncio.run(ticket.until(timeout_s=0.01)) is FILLED_UNSEEN


def test_a_wait_that_runs_out_says_how_the_order_stands(office: Office, ticket: OrderTicket) -> None:
    """The state, the time and what was waited for; the wait itself is given up."""
    with pytest.raises(
        WaitTimeout, match=r"order 5 is SUBMITTED after 0\.01 s; waited for CANCELLED or FILLED or"
    ):
        ticket.wait(timeout_s=0.01)
    with pytest.raises(TimeoutError, match=r"waited for FILLED$"):
        ticket.wait(S.FILLED, timeout_s=0)
    assert [future.cancelled() for future in office.futures] == [True, True]


def test_what_comes_at_the_last_moment_counts(office: Office, ticket: OrderTicket) -> None:
    """A result that arrives while the wait runs out is not thrown away."""

    class Late(Future[OrderRecord]):
        def cancel(self) -> bool:
            self.set_result(FILLED)
            return super().cancel()

    office.watch = lambda *_: Late()  # type: ignore[method-assign]
    assert ticket.wait(timeout_s=0) is FILLED


def test_what_ends_the_waiting_is_raised(office: Office, ticket: OrderTicket) -> None:
    """A lost connection reaches the one who waits."""
    future: Future[OrderRecord] = Future()
    future.set_exception(ConnectionFailed("gone"))
    office.watch = lambda *_: future  # type: ignore[method-assign]
    with pytest.raises(ConnectionFailed, match="gone"):
        ticket.wait()


def test_a_wait_that_would_never_end_is_refused(office: Office, ticket: OrderTicket) -> None:
    """Before anything is registered."""
    office.may_wait = False
    with pytest.raises(WouldDeadlock):
        ticket.wait(timeout_s=1)
    assert office.futures == []


@pytest.mark.parametrize("status", ["FILLED", None, 3])
def test_only_statuses_can_be_waited_for(office: Office, ticket: OrderTicket, status: Any) -> None:
    """A text would never be met: an error, not a wait for ever."""
    with pytest.raises(InvalidInput, match="statuses"):
        ticket.wait(status)
    with pytest.raises(InvalidInput, match="statuses"):
        asyncio.run(ticket.until(status))
    assert office.futures == []


def test_a_ticket_can_be_awaited(office: Office, ticket: OrderTicket) -> None:
    """``await ticket`` waits for the end, ``until`` for a status; the loop is free meanwhile."""

    async def main() -> None:
        loop = asyncio.get_running_loop()
        end = asyncio.ensure_future(_await(ticket))
        word = asyncio.ensure_future(ticket.until(S.SUBMITTED, timeout_s=PATIENCE_S))
        while len(office.futures) < 2:
            await asyncio.sleep(0)
        for future in office.futures:
            await loop.run_in_executor(None, future.set_result, FILLED)
        assert await end is FILLED
        assert await word is FILLED
        assert set(office.wanted) == {frozenset(), frozenset({S.SUBMITTED})}

    asyncio.run(main())


async def _await(ticket: OrderTicket) -> OrderRecord:
    return await ticket


def test_an_awaited_wait_runs_out_as_the_other_one(office: Office, ticket: OrderTicket) -> None:
    """The same error, and the wait is given up."""

    async def main() -> None:
        with pytest.raises(WaitTimeout, match="order 5 is SUBMITTED"):
            await ticket.until(timeout_s=0.01)
        await asyncio.sleep(0)

    asyncio.run(main())
    assert office.futures[0].cancelled()


def test_a_cancelled_task_gives_its_wait_up(office: Office, ticket: OrderTicket) -> None:
    """Nothing stays behind for a task that is gone."""

    async def main() -> None:
        task = asyncio.ensure_future(_await(ticket))
        while not office.futures:
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert office.futures[0].cancelled()


def test_a_bracket_lists_the_orders_that_there_are(ticket: OrderTicket) -> None:
    """Parent first; an exit that was not asked for is None and left out."""
    assert BracketTickets(ticket, None, ticket).all == (ticket, ticket)
    assert BracketTickets(ticket, ticket, None).all == (ticket, ticket)


def test_tickets_are_told_in_lines(office: Office, ticket: OrderTicket) -> None:
    """A line for each order as it is now; the repr names it without the whole engine."""
    assert str(ticket) == str(office.record)
    assert repr(ticket) == f"OrderTicket(order_id=5, key={ticket.key!r})"
    bracket = BracketTickets(parent=ticket, take_profit=None, stop_loss=ticket)
    assert str(bracket).splitlines() == [str(office.record)] * 2
    out = ScaleOutTickets(ticket, ((ticket, ticket),))
    assert str(out).splitlines() == [str(office.record)] * 3
