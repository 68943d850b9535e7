"""What the journal's tests share: a clock that stands still, journals, and books that are recorded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from ibkr_core.errors import OrderStateError
from ibkr_core.journal import Durability, Journal, Retention
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.inputs import Input, NewOrder, Submit
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact, CommissionFact, ExecutionFact, StatusFact
from ibkr_core.model.order import Order
from ibkr_core.testing.lives import CancelAsked, ModifyAsked, Placed, Step

CLIENT_ID = 1
START = datetime(2026, 11, 21, 14, 30, 0, 1, tzinfo=UTC)


class ManualClock:
    """Moves when it is told to."""

    def __init__(self, at: datetime = START) -> None:
        self.at = at
        self.seconds = 0.0

    def now(self) -> datetime:
        """Return the moment."""
        return self.at

    def monotonic(self) -> float:
        """Return seconds."""
        return self.seconds

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds
        self.at += timedelta(seconds=seconds)


def open_journal(path: Path, clock: ManualClock | None = None, **options: Any) -> Journal:
    """Open a journal without a writer thread."""
    options = {"client_id": CLIENT_ID, "start_writer": False} | options
    return Journal.open(path, clock=clock or ManualClock(), **options)


def memory_folder() -> tempfile.TemporaryDirectory[str]:
    """Make a folder that needs no disk where the system has one: properties open hundreds of journals."""
    memory = Path("/dev/shm")  # noqa: S108 - the system's own name of it
    return tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None)


class Keeping:
    """A book whose inputs are recorded, as the engine does it: recorded first, under one lock with taking."""

    def __init__(self, journal: Journal, clock: ManualClock, book: Book | None = None) -> None:
        self.journal = journal
        self.clock = clock
        self.book = book if book is not None else Book(CLIENT_ID)
        self.seq = journal.events_through

    def take(self, given: Input) -> bool:
        """Have the book take an input and the journal record it; False where the book refuses it."""
        try:
            effects = self.book.take(given, self.clock.now())
        except OrderStateError:
            return False
        before = effects.events[0].seq - 1 if effects.events else self.seq
        fact = given if isinstance(given, BrokerFact) else None
        self.journal.record(given, self.clock.now(), before, fact)
        for event in effects.events:
            self.seq = event.seq
            self.journal.note_event(event)
        return True

    def take_all(self, given: Iterable[Input], *, step_s: float = 0.001) -> None:
        """Have it take several, time passing in between."""
        for one in given:
            self.take(one)
            self.clock.advance(step_s)


def input_of(step: Step) -> Input:
    """Return the input of the book that a step of a life is."""
    if isinstance(step, Placed):
        return Submit((NewOrder(step.order_id, step.key, step.contract, step.order),))
    if isinstance(step, ModifyAsked):
        return inputs.Modify(step.order_id, step.order)
    if isinstance(step, CancelAsked):
        return inputs.Cancel(step.order_id)
    return step


def submit(order_id: int = 7, *, key: str | None = None, symbol: str = "AAPL", **fields: Any) -> Submit:
    """Make a new limit order."""
    order = Order.limit("BUY", 100, "190.25", **fields)
    return Submit(
        (NewOrder(order_id, f"key-{order_id}" if key is None else key, Contract.stock(symbol), order),)
    )


def status(word: str = "Submitted", order_id: int = 7, filled: int = 0, remaining: int = 100) -> StatusFact:
    """Make an orderStatus."""
    return StatusFact(
        order_id=order_id,
        status=word,
        filled=Decimal(filled),
        remaining=Decimal(remaining),
        perm_id=900_000 + order_id,
        client_id=CLIENT_ID,
    )


def execution(order_id: int = 7, shares: int = 100, number: int = 1, revision: int = 1) -> ExecutionFact:
    """Make an execDetails."""
    return ExecutionFact(
        exec_id=f"0000{order_id:04x}.{number:08x}.01.{revision:02}",
        side="BOT",
        shares=Decimal(shares),
        price=Decimal("190.20"),
        order_id=order_id,
        client_id=CLIENT_ID,
        perm_id=900_000 + order_id,
        contract=Contract.stock("AAPL", con_id=265598),
        time="20261121 09:30:00 US/Eastern",
        account="DU1234567",
        exchange="ISLAND",
    )


def commission(order_id: int = 7, number: int = 1, revision: int = 1, amount: str = "1.05") -> CommissionFact:
    """Make a commissionReport."""
    return CommissionFact(
        exec_id=f"0000{order_id:04x}.{number:08x}.01.{revision:02}",
        commission=Decimal(amount),
        currency="USD",
    )


def filled_order(order_id: int = 7) -> tuple[Input, ...]:
    """Make all inputs of an order that fills at once."""
    return (
        submit(order_id),
        status(order_id=order_id),
        execution(order_id),
        commission(order_id),
        status("Filled", order_id, 100, 0),
    )


__all__ = [
    "CLIENT_ID",
    "START",
    "Durability",
    "Keeping",
    "ManualClock",
    "Retention",
    "commission",
    "execution",
    "filled_order",
    "input_of",
    "memory_folder",
    "open_journal",
    "status",
    "submit",
]
