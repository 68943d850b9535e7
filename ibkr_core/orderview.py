"""What an engine shows of its orders, and how it tells of them: the side that only reads."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from concurrent.futures import Future
from datetime import datetime

from ibkr_core.errors import InvalidInput
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.journal import HistoryLine, Journal
from ibkr_core.listeners import Delivery, Dispatcher, Listener, Subscription
from ibkr_core.model import events
from ibkr_core.model.checks import check_flag, check_whole
from ibkr_core.model.fill import Fill
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["OrderView"]


class OrderView:
    """The orders of an engine, to look at and to listen to. The engine is made of it; nobody makes one.

    Attributes:
        journal: The durable record, None for none.
    """

    _book: GuardedBook
    _dispatcher: Dispatcher
    journal: Journal | None

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def order(self, order_id: int) -> OrderRecord:
        """Return a snapshot of an order.

        Raises:
            UnknownOrder: No such order.
            InvalidInput: The id is no whole number.
        """
        check_whole("order_id", order_id)
        return self._book.read(lambda book: book.order(order_id))

    def orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders, oldest first."""
        return tuple(self._book.read(lambda book: book.pages()).orders())

    def active_orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders that are not finished, those in doubt included."""
        return self._book.read(lambda book: book.active_orders())

    def fills(self) -> tuple[Fill, ...]:
        """Return all executions of all orders."""
        return tuple(self._book.read(lambda book: book.pages()).fills())

    def history(
        self,
        *,
        order_id: int | None = None,
        key: str | None = None,
        symbol: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1_000,
    ) -> tuple[HistoryLine, ...]:
        """Return events from the journal, of earlier runs too: the newest that fit, oldest first.

        Raises:
            InvalidInput: The engine has no journal, or an argument breaks a rule.
        """
        if self.journal is None:
            raise InvalidInput("journal", "the engine was made without one, so it keeps no history")
        return self.journal.history(
            order_id=order_id, key=key, symbol=symbol, since=since, until=until, limit=limit
        )

    # ── listening ───────────────────────────────────────────────────────────────────────────────

    def on(
        self,
        kind: type[events.Event] | tuple[type[events.Event], ...],
        listener: Listener,
        delivery: Delivery = Delivery.WORKER,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Subscription:
        """Listen for events of a kind (and its subclasses).

        Args:
            kind: An event class of :mod:`ibkr_core.model.events`, or several.
            listener: Is called with each event. What it raises is reported as
                :class:`~ibkr_core.model.events.ListenerFailed` and harms nobody.
            delivery: Where it runs; see :class:`Delivery`.
            loop: For ``Delivery.ASYNCIO``; the running loop where it is not given.

        Returns:
            A handle; its ``close()`` ends the listening.
        """
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return self._dispatcher.subscribe(kinds, listener, delivery, loop)

    def watch(
        self, order_id: int, wanted: frozenset[OrderStatus], *, settled: bool = False
    ) -> Future[OrderRecord]:
        """Return a future of an order's reaching one of the statuses, or finishing. See tickets.

        Raises:
            UnknownOrder: No such order.
            InvalidInput: Something that is no whole number, no OrderStatus, or no flag.
        """
        check_whole("order_id", order_id)
        if not isinstance(wanted, Collection) or not all(isinstance(one, OrderStatus) for one in wanted):
            raise InvalidInput("wanted", f"must be OrderStatus values, not {wanted!r}")
        check_flag("settled", settled)
        return self._book.watch(order_id, wanted, settled=settled)
