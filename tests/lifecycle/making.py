"""What the tests of the order core share: a moment, facts in one line, and a book that checks itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

from ibkr_core.lifecycle.asks import Ask, Question
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.effects import Effects
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import (
    BrokerFact,
    CommissionFact,
    CompletedOrderFact,
    ErrorFact,
    ExecutionFact,
    OpenOrderFact,
    StatusFact,
)
from ibkr_core.model.order import BrokerOrder, Order
from ibkr_core.model.record import OrderRecord

NOW = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
AAPL = Contract.stock("AAPL")
_E = TypeVar("_E", bound=events.Event)

Number = int | str | None


def dec(number: Number) -> Decimal | None:
    """Make a Decimal, letting None through."""
    return None if number is None else Decimal(number)


def status(word: str, filled: Number = None, remaining: Number = None, **fields: Any) -> StatusFact:
    """One orderStatus for order 1 of client 1, unless told otherwise."""
    told = {"order_id": 1, "client_id": 1} | fields
    return StatusFact(status=word, filled=dec(filled), remaining=dec(remaining), **told)


def echo(word: str = "", **fields: Any) -> OpenOrderFact:
    """One openOrder for order 1; fields of the order are given by their names."""
    outer = {name: fields.pop(name) for name in list(fields) if name in _OUTER}
    told = {"order_id": 1, "client_id": 1} | fields
    return OpenOrderFact(order=BrokerOrder(**told), status=word, **outer)


def completed(word: str, **fields: Any) -> CompletedOrderFact:
    """One completedOrder, as the text protocol has it: without an order id."""
    outer = {name: fields.pop(name) for name in list(fields) if name in _OUTER}
    return CompletedOrderFact(order=BrokerOrder(**fields), status=word, **outer)


_OUTER = frozenset(
    "contract reject_reason warning commission commission_currency completed_status margin".split()
)


def execution(
    shares: Number = 10, price: Number = 100, exec_id: str = "0000a.b.01.01", **fields: Any
) -> ExecutionFact:
    """One execDetails for order 1."""
    told = {"order_id": 1, "client_id": 1, "side": "BOT"} | fields
    return ExecutionFact(exec_id=exec_id, shares=Decimal(shares or 0), price=Decimal(price or 0), **told)


def commission(
    amount: Number = "1.25", exec_id: str = "0000a.b.01.01", currency: str = "USD", pnl: Number = None
) -> CommissionFact:
    """One commission report."""
    return CommissionFact(exec_id=exec_id, commission=dec(amount), currency=currency, realized_pnl=dec(pnl))


def error(code: int, message: str = "", order_id: int = 1) -> ErrorFact:
    """One error callback."""
    return ErrorFact(request_id=order_id, code=code, message=message or f"message {code}")


class Desk:
    """A book of client 1 with a clock of its own, and everything that came out of it."""

    def __init__(self, client_id: int | None = 1) -> None:
        self.book = Book(client_id)
        self.now = NOW
        self.events: list[events.Event] = []
        self.asks: list[Ask] = []

    def _tick(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now

    def keep(self, effects: Effects) -> Effects:
        """Note what came of a command."""
        self.events += effects.events
        self.asks += effects.asks
        return effects

    def tell(self, *facts: BrokerFact) -> OrderRecord | None:
        """Apply facts, and return order 1 if it exists."""
        for fact in facts:
            self.keep(self.book.apply(fact, self._tick()))
        return self.find(1)

    def find(self, order_id: int) -> OrderRecord | None:
        """Return an order by its id, or None."""
        return next((record for record in self.book.orders() if record.order_id == order_id), None)

    def submit(self, order: Order | None = None, order_id: int = 1, **more: Any) -> OrderRecord:
        """Submit an order of 10 at 100, unless told otherwise."""
        terms = order if order is not None else Order.limit("BUY", 10, 100)
        key, contract = more.get("key", f"key-{order_id}"), more.get("contract", AAPL)
        self.keep(self.book.submit(order_id, key, contract, terms, self._tick()))
        return self.book.order(order_id)

    def working(self, word: str = "Submitted", **more: Any) -> OrderRecord:
        """Submit an order and have it acknowledged."""
        order = self.submit(**more)
        assert order.total_quantity is not None
        self.tell(status(word, 0, str(order.total_quantity), order_id=order.order_id, perm_id=900))
        return self.book.order(order.order_id)

    def modify(self, order: Order, order_id: int = 1) -> OrderRecord:
        """Ask for new terms."""
        self.keep(self.book.modify(order_id, order, self._tick()))
        return self.book.order(order_id)

    def cancel(self, order_id: int = 1) -> OrderRecord:
        """Ask for a cancellation."""
        self.keep(self.book.cancel(order_id, self._tick()))
        return self.book.order(order_id)

    def lose_connection(self) -> None:
        """The connection is gone."""
        self.keep(self.book.disconnected(self._tick()))

    @property
    def order(self) -> OrderRecord:
        """Order 1 as it is now."""
        return self.book.order(1)

    def of(self, kind: type[_E]) -> list[_E]:
        """Return the events of one kind so far."""
        return [event for event in self.events if isinstance(event, kind)]

    def kinds(self) -> list[str]:
        """Return the names of all events so far."""
        return [type(event).__name__ for event in self.events]

    def questions(self) -> set[Question]:
        """Return what the broker was to be asked so far."""
        return {ask.question for ask in self.asks}

    def forget(self) -> None:
        """Start counting events and questions anew."""
        self.events.clear()
        self.asks.clear()


def ids(fills: Iterable[Any]) -> list[str]:
    """Return the execution ids of fills."""
    return [fill.exec_id for fill in fills]
