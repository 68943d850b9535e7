"""A ticket: your hold on one order, to look at it, wait for it, change it, cancel it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from concurrent.futures import Future
from typing import Any, Final, Protocol, TypeVar

import attrs

from ibkr_core.errors import IbkrError, InvalidInput, WaitTimeout
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import FINISHED, OrderStatus
from ibkr_core.sending import check_time

__all__ = ["BracketTickets", "OrderTicket"]

_SETTLE_S: Final = 2.0
_T = TypeVar("_T")


class TicketOffice(Protocol):
    """What a ticket needs of the engine."""

    def order(self, order_id: int) -> OrderRecord:
        """Return a snapshot."""

    def cancel(self, order_id: int) -> OrderRecord:
        """Ask for a cancel."""

    def modify(self, order_id: int, order: Order | None = None, **changes: Any) -> OrderRecord:
        """Ask for new terms."""

    def watch(
        self, order_id: int, wanted: frozenset[OrderStatus], *, settled: bool = False
    ) -> Future[OrderRecord]:
        """Return a future of the order's reaching one of the statuses, or finishing."""

    def check_may_wait(self) -> None:
        """Raise where a wait would stop the thread that has to end it."""

    def wait_for(self, future: Future[_T], timeout_s: float | None = None) -> _T:
        """Block until a future is done; raises WaitTimeout when it takes too long."""


@attrs.frozen
class OrderTicket:
    """One order of yours.

    Attributes:
        order_id: The API order id.
        key: The client order key, which travels in ``orderRef``.
    """

    _office: TicketOffice = attrs.field(repr=False)
    order_id: int
    key: str

    def __str__(self) -> str:
        """The order as it is now, in one line for people."""
        return str(self.record)

    @property
    def record(self) -> OrderRecord:
        """The order as it is now."""
        return self._office.order(self.order_id)

    @property
    def status(self) -> OrderStatus:
        """What is proved about the order now."""
        return self.record.status

    def cancel(self) -> OrderRecord:
        """Ask for its cancellation; see :meth:`ibkr_core.engine.Engine.cancel`."""
        return self._office.cancel(self.order_id)

    def modify(self, order: Order | None = None, **changes: Any) -> OrderRecord:
        """Ask for new terms; see :meth:`ibkr_core.engine.Engine.modify`."""
        return self._office.modify(self.order_id, order, **changes)

    def wait(self, *statuses: OrderStatus, timeout_s: float | None = None) -> OrderRecord:
        """Block until the order has one of the statuses, or has finished in whatever way.

        Args:
            statuses: What to wait for; none means any end. The broker can say Filled before it shows
                the executions (TWS facts 2.5); waiting for the end waits for them too, for two seconds
                at most and within the limit, so that the record has its average and its fills.
            timeout_s: How long, None for as long as it takes.

        Returns:
            The order at that moment. Look at its status: an order that you expected to be filled can
            end cancelled.

        Raises:
            WaitTimeout: It did not happen in time. The order itself is untouched.
            ConnectionFailed: The connection was lost meanwhile. The order itself is untouched.
            EngineClosed: The engine was closed meanwhile.
            WouldDeadlock: Called from an inline listener.
            InvalidInput: Something that is no OrderStatus, or no number of seconds.
        """
        _check_limit(timeout_s)
        self._office.check_may_wait()
        started = time.monotonic()
        future = self._office.watch(self.order_id, _wanted(statuses))
        try:
            record = self._office.wait_for(future, timeout_s)
        except WaitTimeout:
            if not future.cancel():  # it came at the last moment
                return future.result()
            raise self._timeout(statuses, timeout_s) from None
        if statuses or record.is_told:
            return record
        settled = self._office.watch(self.order_id, frozenset(), settled=True)
        try:
            return self._office.wait_for(settled, _settle_s(timeout_s, started))
        except IbkrError:
            settled.cancel()
            return self.record

    async def until(self, *statuses: OrderStatus, timeout_s: float | None = None) -> OrderRecord:
        """Do as :meth:`wait`, for asyncio."""
        _check_limit(timeout_s)
        started = time.monotonic()
        future = self._office.watch(self.order_id, _wanted(statuses))
        try:
            record = await asyncio.wait_for(asyncio.wrap_future(future), timeout_s)
        except TimeoutError:
            raise self._timeout(statuses, timeout_s) from None
        if statuses or record.is_told:
            return record
        settled = self._office.watch(self.order_id, frozenset(), settled=True)
        try:
            return await asyncio.wait_for(asyncio.wrap_future(settled), _settle_s(timeout_s, started))
        except (TimeoutError, IbkrError):
            return self.record

    def __await__(self) -> Generator[Any, None, OrderRecord]:
        """Wait for the end of the order: ``record = await ticket``."""
        return self.until().__await__()

    def _timeout(self, statuses: tuple[OrderStatus, ...], timeout_s: float | None) -> WaitTimeout:
        wanted = " or ".join(s.value for s in statuses) or " or ".join(sorted(s.value for s in FINISHED))
        return WaitTimeout(
            f"order {self.order_id} is {self.status.value} after {timeout_s} s; waited for {wanted}"
        )


def _settle_s(timeout_s: float | None, started: float) -> float:
    """Return how long a wait may still last for executions: never beyond the caller's own limit."""
    if timeout_s is None:
        return _SETTLE_S
    return max(0.0, min(_SETTLE_S, started + timeout_s - time.monotonic()))


def _check_limit(timeout_s: float | None) -> None:
    if timeout_s is not None:
        check_time("timeout_s", timeout_s, least=0)


def _wanted(statuses: tuple[OrderStatus, ...]) -> frozenset[OrderStatus]:
    for status in statuses:
        if not isinstance(status, OrderStatus):
            raise InvalidInput("statuses", f"must be OrderStatus values, not {status!r}")
    return frozenset(statuses)


@attrs.frozen
class BracketTickets:
    """The orders of a bracket; an exit that was not asked for is None."""

    parent: OrderTicket
    take_profit: OrderTicket | None
    stop_loss: OrderTicket | None

    def __str__(self) -> str:
        """The orders as they are now, a line for each, parent first."""
        return "\n".join(str(ticket) for ticket in self.all)

    @property
    def all(self) -> tuple[OrderTicket, ...]:
        """The orders that there are, parent first."""
        return tuple(t for t in (self.parent, self.take_profit, self.stop_loss) if t is not None)
