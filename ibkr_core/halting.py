"""The brake: no new orders, everything cancelled, and the broker's word that nothing works any more."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any, Final, Protocol

from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    InvalidInput,
    JournalError,
    SendFailed,
)
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.link.pacing import Lane
from ibkr_core.model import events
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.survey import Findings

__all__ = ["HALT_STATE", "Brake", "DurableState"]

HALT_STATE: Final = "halted"
_AGAIN_S: Final = 2.0


class DurableState(Protocol):
    """What the brake needs of a journal."""

    def state(self, name: str) -> str | None:
        """Return a small durable fact."""

    def set_state(self, name: str, text: str) -> None:
        """Keep a small durable fact; raises JournalFailed."""


class Brake:
    """Halts trading, and keeps at it until the broker confirms that nothing works.

    Args:
        desk: Refuses orders and sends cancels.
        book: The order book.
        scheduler: Runs the repetitions.
        survey: Begins a survey of the broker's orders; False when that cannot be done now.
        publish: Publishes an event.
        is_unresolved: Whether an order is known to be listed no more, though its end is not.
        journal: Keeps the halt over a restart; None for none.
    """

    def __init__(
        self,
        desk: OrderDesk,
        book: GuardedBook,
        scheduler: Scheduler,
        survey: Callable[[Callable[[Findings], None]], bool],
        publish: Callable[..., None],
        is_unresolved: Callable[[OrderRecord], bool],
        journal: DurableState | None,
    ) -> None:
        self._desk = desk
        self._book = book
        self._scheduler = scheduler
        self._survey = survey
        self._publish: Callable[..., Any] = publish
        self._is_unresolved = is_unresolved
        self._journal = journal
        self._timer: Timer | None = None
        self._is_flat = threading.Event()
        if journal is not None:
            desk.halted = journal.state(HALT_STATE) or ""

    @property
    def is_on(self) -> bool:
        """Whether trading is halted."""
        return bool(self._desk.halted)

    def halt(self, reason: str) -> None:
        """Refuse new orders from now on, and cancel everything.

        Raises:
            InvalidInput: No reason was given.
        """
        if not isinstance(reason, str) or not reason.strip():
            raise InvalidInput("reason", "say why trading is halted: it is kept over a restart")
        self._desk.halted = reason
        self._is_flat.clear()
        self._keep(reason)
        self._publish(events.TradingHalted, reason=reason)
        self.sweep()

    def release(self) -> None:
        """Take new orders again."""
        if self.is_on:
            self._desk.halted = ""
            self._keep("")
            self._publish(events.TradingReleased)

    def wait_flat(self, timeout_s: float | None) -> bool:
        """Block until the broker confirmed that no order works. False when it took too long."""
        return self._is_flat.wait(timeout_s)

    def _keep(self, reason: str) -> None:
        if self._journal is None:
            return
        with contextlib.suppress(JournalError):  # told by itself; it is written as soon as that can be
            self._journal.set_state(HALT_STATE, reason)

    def _may_work(self, record: OrderRecord, findings: Findings) -> bool:
        """Whether an order that is not finished can still trade."""
        if findings.shows(record.perm_id, record.client_id, record.order_id):
            return True
        if not record.is_ours or self._is_unresolved(record):
            return False  # nobody tells how it ended, but it is not among the open orders
        # What was never released is shown to nobody, and does nothing (TWS facts 6).
        return self._book.read(lambda book: book.is_released(record.order_id))

    def sweep(self) -> None:
        """Cancel all that is alive, and look again a little later. Called after each synchronisation too."""
        if not self.is_on or self._is_flat.is_set():
            return
        try:
            with self._desk.sending(Lane.CANCEL):
                for record in self._book.read(lambda book: book.active_orders()):
                    if record.is_ours and record.status is not OrderStatus.PENDING_CANCEL:
                        self._desk.try_cancel(record.order_id)
                self._desk.cancel_everything()
        except (ConnectionFailed, SendFailed, EngineClosed):
            return  # the next synchronisation sweeps again
        except IbkrError as error:
            self._book.publish(events.CallbackFailed, error=f"{type(error).__name__}: {error}")
        self._look_later()

    def resume(self) -> None:
        """Sweep after a synchronisation, also where it was confirmed before that nothing works."""
        if self.is_on:
            if any(record.is_ours and record.is_working for record in self._active()):
                self._is_flat.clear()  # an order was taken for dead, and shows a sign of life
            self.sweep()

    def _active(self) -> tuple[OrderRecord, ...]:
        return self._book.read(lambda book: book.active_orders())

    def _look_later(self) -> None:
        """Have one look, however often it is asked for."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._scheduler.call_later(_AGAIN_S, self._look)

    def _look(self) -> None:
        if not self.is_on or self._is_flat.is_set():
            return
        if not self._survey(self._judge):
            self._look_later()

    def _judge(self, findings: Findings) -> None:
        if not self.is_on or self._is_flat.is_set():
            return
        if not findings.orders_are_complete or any(self._may_work(r, findings) for r in self._active()):
            self.sweep()
            return
        self._is_flat.set()
        self._publish(events.HaltConfirmed)
