"""The steps that facts and commands are made of: each changes one order and tells what came of it."""

from __future__ import annotations

from ibkr_core.lifecycle.asks import Question
from ibkr_core.lifecycle.effects import Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.evidence import trigger_for_word
from ibkr_core.lifecycle.terms import accepted_proposal
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.model import events
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import BrokerOrder
from ibkr_core.model.record import OrderMessage, Request
from ibkr_core.model.status import BrokerWord, OrderStatus

__all__ = [
    "acknowledge",
    "ask_if_unexplained",
    "hear",
    "move",
    "report_anomaly",
    "settle_proposals",
    "warn",
    "warn_once",
]


_ASKED_ABOUT = frozenset({OrderStatus.UNKNOWN, OrderStatus.INACTIVE})


def move(
    turn: Turn,
    entry: OrderEntry,
    trigger: Trigger,
    why: str,
    word: str = "",
    *,
    fill: Fill | None = None,
) -> None:
    """Move the status through its one door, and tell what came of it.

    Args:
        turn: The fact or command that brings it.
        entry: The order.
        trigger: What happened, for THE table.
        why: In words; with a ``%s`` where a word of the broker's stands.
        word: That word.
        fill: The execution that brings it.
    """
    before = entry.status
    cell = entry.move(trigger, turn.now, why, word) if word else entry.move(trigger, turn.now, why)
    if cell.is_idle:
        return
    after = entry.status
    why = why % word if word and (cell.anomaly or after in _ASKED_ABOUT) else why
    if cell.anomaly:
        entry.touched(turn.now)
        report_anomaly(turn, entry, f"{why}, but the order is {before.value}")
        turn.ask(entry, why, Question.ORDERS)
    if after is before:
        return
    entry.touched(turn.now)
    if after.is_finished is not before.is_finished:
        turn.index.sort_in(entry)
    turn.tell(events.OrderStatusChanged, entry, previous=before, current=after)
    if after is OrderStatus.FILLED:
        turn.tell(events.OrderFilled, entry, fill=fill)
    elif after is OrderStatus.CANCELLED:
        turn.tell(events.OrderCancelled, entry)
    elif after is OrderStatus.REJECTED:
        turn.tell(events.OrderRejected, entry)
    elif after is OrderStatus.UNKNOWN:
        turn.tell(events.OrderUncertain, entry, reason=why)
    elif after is OrderStatus.INACTIVE:
        # An unfilled FOK ends so, with no other word; only the completed orders tell (TWS facts 1).
        turn.ask(entry, why, Question.ORDERS)


def hear(turn: Turn, entry: OrderEntry, text: str, word: BrokerWord | None) -> None:
    """Take in a status word.

    Args:
        turn: The fact that brings it.
        entry: The order.
        text: The word as it came; an empty one is a bare sign of life.
        word: What it means, None for an empty one.
    """
    if word is not None:
        trigger: Trigger | None = trigger_for_word(entry, word)
        entry.broker_word = text
        if word is not BrokerWord.UNRECOGNISED:
            entry.meaning = word
    else:
        trigger = Trigger.VERDICT_LIVES if entry.end_is_presumed else None
    acknowledge(turn, entry)
    if trigger is not None:
        move(turn, entry, trigger, "the broker says %s", text or "it lives")


def acknowledge(turn: Turn, entry: OrderEntry) -> None:
    """Note a sign of life from the broker, and the first one for good."""
    now = turn.now
    entry.heard_time = now
    entry.touched(now)
    if entry.acknowledged_time is not None:
        return
    entry.acknowledged_time = now
    entry.pending.pop(Request.NEW, None)
    if entry.submission_time is not None:
        turn.tell(events.OrderAcknowledged, entry)


def settle_proposals(turn: Turn, entry: OrderEntry, echo: BrokerOrder) -> None:
    """See whether an echo shows one of our modifications in force."""
    if not entry.proposals and not entry.put_aside:
        return
    previous = entry.order
    index = accepted_proposal(entry.order, entry.proposals, echo)
    if index is not None:
        entry.order = entry.proposals[index]
        del entry.proposals[: index + 1]
        entry.put_aside.clear()
        if not entry.proposals:
            entry.pending.pop(Request.MODIFY, None)
    else:
        index = accepted_proposal(entry.order, entry.put_aside, echo, must_show=True)
        if index is None:
            return
        entry.order = entry.put_aside[index]  # given up unanswered, and it came into force after all
        entry.put_aside.clear()
    if previous is None:
        turn.index.note_terms(entry)
    if echo.total_quantity:
        entry.total = echo.total_quantity
    entry.note(turn.now, "modification in force")
    entry.touched(turn.now)
    if previous is not None:
        turn.tell(events.OrderModified, entry, previous=previous)


def warn(turn: Turn, entry: OrderEntry, message: OrderMessage) -> None:
    """Tell of a broker message that changes nothing."""
    turn.tell(events.OrderWarning, entry, message=message)


def warn_once(turn: Turn, entry: OrderEntry, text: str) -> None:
    """Tell of a warning inside an echo, but not again with each repetition of the echo."""
    if any(known.message == text for known in entry.snapshot().messages):
        return
    message = OrderMessage(at=turn.now, code=0, message=text)
    entry.add_message(message)
    entry.touched(turn.now)
    warn(turn, entry, message)


def report_anomaly(turn: Turn, entry: OrderEntry, what: str) -> None:
    """Tell of something that cannot be."""
    turn.tell_all(events.AnomalyDetected, what=what, record=entry.snapshot())


def ask_if_unexplained(turn: Turn, entry: OrderEntry) -> None:
    """Ask for executions where the broker counts more as filled than they show."""
    ledger = entry.ledger
    if entry.broker_filled <= ledger.quantity:
        return  # the usual case, and the cheapest to see
    if entry.unexplained > 0:
        reason = f"the broker counts {entry.filled} filled, executions show {ledger.quantity}"
        turn.ask(entry, reason, Question.EXECUTIONS)
