"""Turns what happened into a trigger of THE table: pure functions over one order's state."""

from __future__ import annotations

from typing import Final

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.lifecycle.verdicts import Verdict
from ibkr_core.model.record import Request
from ibkr_core.model.status import BrokerWord, OrderStatus

__all__ = ["trigger_for_execution", "trigger_for_verdict", "trigger_for_word"]

_LIVING_WORDS: Final = frozenset(
    {BrokerWord.PENDING, BrokerWord.PRE_SUBMITTED, BrokerWord.SUBMITTED, BrokerWord.PENDING_CANCEL}
)

_PLAIN: Final = {
    BrokerWord.PENDING: Trigger.WORD_PENDING,
    BrokerWord.PRE_SUBMITTED: Trigger.WORD_PRE_SUBMITTED,
    BrokerWord.SUBMITTED: Trigger.WORD_SUBMITTED,
    BrokerWord.PENDING_CANCEL: Trigger.WORD_PENDING_CANCEL,
    BrokerWord.CANCELLED: Trigger.WORD_CANCELLED,
    BrokerWord.FILLED: Trigger.WORD_FILLED,
    BrokerWord.INACTIVE: Trigger.WORD_INACTIVE,
    BrokerWord.UNRECOGNISED: Trigger.WORD_STRANGE,
}


def trigger_for_word(entry: OrderEntry, word: BrokerWord) -> Trigger:
    """Classify a status word. ``entry`` still holds the meaning of the word before it."""
    if word not in _LIVING_WORDS:
        return _PLAIN[word]
    before, status = entry.meaning, entry.status
    if status.is_finished:
        if entry.end_is_presumed:
            return Trigger.VERDICT_LIVES
        if status is OrderStatus.FILLED and before is not BrokerWord.FILLED:
            # Executions complete an order before its statuses come (TWS facts 1: PendingCancel -> Filled).
            return Trigger.WORD_ECHO
    if word is BrokerWord.PENDING_CANCEL:
        return Trigger.WORD_PENDING_CANCEL
    # Our cancel is on its way and the broker has not mentioned it: this word crossed it. Once the
    # broker itself has said PendingCancel, a working word means that the cancel came to nothing.
    is_cancelling = status is OrderStatus.PENDING_CANCEL and Request.CANCEL in entry.pending
    if is_cancelling and before is not BrokerWord.PENDING_CANCEL:
        return Trigger.WORD_ECHO
    if word is not BrokerWord.PENDING and entry.filled > 0:
        return Trigger.WORD_PARTIAL
    return _PLAIN[word]


def trigger_for_execution(entry: OrderEntry) -> Trigger:
    """Classify the order's fills after a new or corrected execution was booked."""
    target = entry.target
    if target is not None and entry.filled >= target:
        return Trigger.EXEC_FULL
    return Trigger.EXEC_PARTIAL


def trigger_for_verdict(entry: OrderEntry, verdict: Verdict) -> Trigger | None:
    """Classify a judged error code; None when it cannot move the status."""
    if verdict is Verdict.REJECTED:
        if entry.status.is_finished and (entry.modified or entry.cancel_requested):
            # A refusal of our modify or cancel: the order was dead already (TWS facts 7, code 201).
            return None
        return Trigger.VERDICT_DEAD if entry.filled > 0 else Trigger.VERDICT_REJECTED
    if verdict is Verdict.DEAD:
        return Trigger.VERDICT_DEAD
    if verdict is Verdict.CHECK:
        return Trigger.VERDICT_DOUBT
    return None
