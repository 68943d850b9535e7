"""What a survey proves about our orders, and what has to be done about it. Pure: findings in, a verdict out.

An order that is missing once is in doubt; one that complete lists lack twice, a moment apart, has ended. The
broker tells executions and completed orders of the day only, so an order that was last known alive on an
earlier day proves nothing by its absence: it may have filled then.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core.lifecycle.asks import OpenRequests
from ibkr_core.lifecycle.inputs import Abandon, Command, Doubt, ProveAbsent
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import BrokerWord, OrderStatus, broker_word
from ibkr_core.survey import Findings

__all__ = ["Judge", "Settlement"]

_DUPLICATE_ID: Final = 103
_CANCELLING: Final = (BrokerWord.PENDING_CANCEL, BrokerWord.CANCELLED)


@attrs.frozen
class Settlement:
    """What follows from a survey.

    Attributes:
        commands: For the book.
        cancel_again: Orders whose cancel came to nothing, to be cancelled once more.
        send_again: Orders whose id was taken (103) and that live nowhere: to be sent under a new id.
        unresolved: Orders that are listed no more, and whose end the broker can no longer tell.
        is_settled: Whether nothing is left to ask.
    """

    commands: tuple[Command, ...]
    cancel_again: tuple[int, ...]
    send_again: tuple[int, ...]
    unresolved: tuple[OrderRecord, ...]
    is_settled: bool


class Judge:
    """Judges surveys, and remembers from one to the next what was missing.

    Args:
        zone: The time zone of the broker's day.
        cancel_attempts: How often a cancel is sent before it counts as refused.
        resends_duplicates: Whether an order whose id was taken may be sent again.
    """

    def __init__(self, zone: str, cancel_attempts: int, *, resends_duplicates: bool) -> None:
        self._zone = ZoneInfo(zone)
        self._cancel_attempts = cancel_attempts
        self._resends_duplicates = resends_duplicates
        self._missed: dict[str, int] = {}
        self._cancels: dict[str, int] = {}
        self._stale: dict[str, datetime] = {}
        self._told_unresolved: set[str] = set()

    def settle(
        self, findings: Findings, orders: Iterable[OpenRequests], unsent: frozenset[int]
    ) -> Settlement:
        """Say what a survey proves.

        Args:
            findings: What the survey brought.
            orders: Our live orders, as they are after it.
            unsent: Ids of orders of which something has not left yet, looked up before ``orders``.
        """
        commands: list[Command] = []
        cancel_again: list[int] = []
        send_again: list[int] = []
        unresolved: list[OrderRecord] = []
        is_settled = findings.lists_are_complete
        live: set[str] = set()
        for order in orders:
            record = order.record
            name = _name(record)
            live.add(name)
            if not self._is_judged(order, findings, unsent):
                continue
            if findings.shows(record.perm_id, record.client_id, record.order_id):
                self._missed.pop(name, None)
                is_settled &= self._settle_requests(order, findings, commands, cancel_again)
                continue
            is_settled = False
            self._missed[name] = self._missed.get(name, 0) + 1
            if self._missed[name] == 1 or not findings.lists_are_complete:
                if record.status is not OrderStatus.UNKNOWN:
                    commands.append(
                        Doubt(record.order_id, "the broker does not list it among the open orders")
                    )
            elif not self._is_of_today(record, findings.began):
                if name not in self._told_unresolved:
                    self._told_unresolved.add(name)
                    unresolved.append(record)
            elif self._may_send_again(record):
                send_again.append(record.order_id)
            else:
                why = "not among the broker's open orders, executions and completed orders"
                commands.append(ProveAbsent(record.order_id, why))
        self._forget(live)
        return Settlement(
            tuple(commands), tuple(cancel_again), tuple(send_again), tuple(unresolved), is_settled
        )

    def is_unresolved(self, record: OrderRecord) -> bool:
        """Whether an order was told to be unresolved: listed no more, and its end cannot be told."""
        return _name(record) in self._told_unresolved

    def _forget(self, live: set[str]) -> None:
        for memory in (self._missed, self._cancels, self._stale):
            for name in memory.keys() - live:
                del memory[name]
        self._told_unresolved &= live

    @staticmethod
    def _is_judged(order: OpenRequests, findings: Findings, unsent: frozenset[int]) -> bool:
        """Whether the lists must have shown the order: it was sent before they were asked for."""
        record = order.record
        if not order.is_released or record.order_id in unsent or not findings.orders_are_complete:
            return False  # what is not transmitted is shown to nobody (TWS facts 6)
        asked = order.asked.get(Request.NEW)
        # Not the moment of asking alone: the journal may have taken its time before any byte left.
        return asked is None or max(asked, record.sent_time or asked) < findings.began

    def _settle_requests(
        self,
        order: OpenRequests,
        findings: Findings,
        commands: list[Command],
        cancel_again: list[int],
    ) -> bool:
        """Settle changes that an open order shows no sign of. Returns whether nothing is left open."""
        record = order.record
        modified = order.asked.get(Request.MODIFY)
        is_settled = True
        if modified is not None and modified < findings.began and self._stale.get(_name(record)) != modified:
            self._stale[_name(record)] = modified  # it may be in the making: the next look decides
            is_settled = False
        elif modified is not None and modified < findings.began:
            why = "unanswered, and the broker shows the order at other terms"
            commands.append(Abandon(record.order_id, Request.MODIFY, why))
        cancelled = order.asked.get(Request.CANCEL)
        if cancelled is None:
            self._cancels.pop(_name(record), None)  # a later one is counted anew
            return is_settled
        if cancelled >= findings.began:
            return is_settled
        if record.broker_status and broker_word(record.broker_status) in _CANCELLING:
            return True  # it is on its way; out of hours that takes until the open (TWS facts 5)
        name = _name(record)
        self._cancels[name] = self._cancels.get(name, 1) + 1
        if self._cancels[name] > self._cancel_attempts:
            why = f"sent {self._cancel_attempts} times, and the broker shows the order working"
            commands.append(Abandon(record.order_id, Request.CANCEL, why))
            return is_settled
        cancel_again.append(record.order_id)
        return False

    def _is_of_today(self, record: OrderRecord, now: datetime) -> bool:
        seen = max(
            (at for at in (record.submission_time, record.heard_time) if at),
            default=None,
        )
        return seen is not None and seen.astimezone(self._zone).date() == now.astimezone(self._zone).date()

    def _may_send_again(self, record: OrderRecord) -> bool:
        return (
            self._resends_duplicates
            and _DUPLICATE_ID in record.error_codes[-1:]
            and record.acknowledged_time is None
            and record.order is not None
            and record.order.transmit  # what is held is shown in no list, so no list can lack it
            and not record.parent_id
            and not record.oca_group
            and not any("modification" in line.what for line in record.history)
        )


def _name(record: OrderRecord) -> str:
    """Name an order over a change of its id."""
    return record.key or f"{record.client_id}/{record.order_id}/{record.perm_id}"
