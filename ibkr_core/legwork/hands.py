"""What this work needs of an engine, and how it waits."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from decimal import Decimal
from typing import Final, Protocol

import attrs

from ibkr_core.errors import IbkrError, WaitTimeout
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.legwork.tally import Tally
from ibkr_core.link.pacing import Lane
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.reference import ContractDetails, OptionChain, Quote
from ibkr_core.model.session import SessionState
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.orderengine import OrderEngine

__all__ = ["Deadline", "Hands", "Library", "wait_ready", "wait_settled"]

_SETTLE_S: Final = 2.0
"""How long to wait for the executions of an order that has ended; as long as tickets do."""


class Library(Protocol):
    """What is asked of the broker that is no order; see :class:`ibkr_core.reference.Reference`."""

    def positions(self, account: str = "") -> tuple[Position, ...]:
        """Return the positions of an account, as the broker tells them now."""

    def details(self, contract: Contract) -> ContractDetails:
        """Return what the broker knows of the one instrument that a contract means."""

    def qualify(self, contract: Contract) -> Contract:
        """Return the contract with all that the broker knows of it; the exchange stays."""

    def contract_details(self, contract: Contract) -> tuple[ContractDetails, ...]:
        """Return all that fits."""

    def option_chain(self, contract: Contract, exchange: str = "") -> tuple[OptionChain, ...]:
        """Return the expirations and strikes on an underlying."""

    def quote(self, contract: Contract) -> Quote:
        """Return what it costs now."""


@attrs.frozen
class Hands:
    """What this work needs of an engine.

    Attributes:
        engine: Sends, cancels, waits.
        desk: Its sending side: sizes are decided under the send lock.
        book: Its orders.
        library: Answers what is no order.
        base_of: What of a position came from elsewhere, by account and contract id, as of the last agreement
            of positions and fills; None where there was none.
        tally: The sum of the fills.
        publish: Publishes an event that is about no order.
        is_dry_run: Whether all this is a rehearsal.
    """

    engine: OrderEngine
    desk: OrderDesk
    book: GuardedBook
    library: Library
    base_of: Callable[[str, int], Decimal | None]
    tally: Tally
    publish: Callable[..., None]
    is_dry_run: bool = False

    def check_may_send(self) -> None:
        """Raise where no order could be sent now: nothing that protects a position is cancelled for nothing.

        Raises:
            NotReady: There is no session, or the broker is out of reach.
            TradingHalted: The brake is on.
            JournalError: The journal cannot be written.
            EngineClosed: The engine was closed.
        """
        with self.desk.sending(Lane.ORDER):
            pass


class Deadline:
    """A moment by which several waits together have to be over.

    Args:
        hands: Has the clock.
        timeout_s: From now, in seconds.
    """

    def __init__(self, hands: Hands, timeout_s: float) -> None:
        self._engine = hands.engine
        self._scheduler = hands.engine.scheduler
        self._end = self._scheduler.now() + timeout_s

    @property
    def left_s(self) -> float:
        """Seconds that are left, never below zero."""
        return max(0.0, self._end - self._scheduler.now())

    def pause(self, seconds: float) -> None:
        """Let so many seconds pass by the engine's clock, or what is left."""
        over: Future[None] = Future()
        delay_s = min(seconds, self.left_s)
        timer = self._scheduler.call_later(delay_s, lambda: over.set_result(None))
        try:
            # An engine that is being closed runs no timer any more, so this has an end of its own.
            self._engine.wait_for(over, delay_s + _SETTLE_S)
        except WaitTimeout:
            timer.cancel()


def wait_settled(hands: Hands, order_id: int, deadline: Deadline) -> OrderRecord:
    """Wait until an order has ended and all of its executions were seen; return it as it is then."""
    engine = hands.engine
    if _came(hands, order_id, deadline.left_s, settled=False):
        _came(hands, order_id, _SETTLE_S, settled=True)
    return engine.order(order_id)


def _came(hands: Hands, order_id: int, timeout_s: float, *, settled: bool) -> bool:
    """Whether an order came to its end in time."""
    future = hands.engine.watch(order_id, frozenset(), settled=settled)
    try:
        hands.engine.wait_for(future, timeout_s)
    except IbkrError:  # what is known is in the record
        future.cancel()
        return False
    return True


def wait_ready(hands: Hands, deadline: Deadline) -> bool:
    """Wait until orders may be sent again. False when that did not come in time, or never will."""
    engine = hands.engine
    told: Future[None] = Future()

    def listen(event: events.SessionChanged) -> None:
        if event.can_trade or event.current is SessionState.DISCONNECTED:
            with contextlib.suppress(InvalidStateError):  # told before
                told.set_result(None)

    subscription = engine.on(events.SessionChanged, listen, Delivery.INLINE)
    try:
        if not engine.is_ready and engine.state is not SessionState.DISCONNECTED:
            engine.wait_for(told, deadline.left_s)
    except WaitTimeout:
        pass  # the answer below says it
    finally:
        subscription.close()
    return engine.is_ready
