"""What an error callback does to the order that it is about."""

from __future__ import annotations

from ibkr_core.lifecycle.asks import Question, RetryWanted
from ibkr_core.lifecycle.effects import Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.evidence import trigger_for_verdict
from ibkr_core.lifecycle.steps import hear, move, warn
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.lifecycle.verdicts import Verdict, answered_request, stated_word
from ibkr_core.model import events
from ibkr_core.model.facts import ErrorFact
from ibkr_core.model.record import OrderMessage, Request
from ibkr_core.model.status import BrokerWord, OrderStatus, broker_word

__all__ = ["take_error"]


def take_error(turn: Turn, entry: OrderEntry, fact: ErrorFact, verdict: Verdict) -> None:
    """Apply a judged error code to its order."""
    message = OrderMessage(
        at=turn.now, code=fact.code, message=fact.message, advanced_reject=fact.advanced_reject
    )
    entry.add_message(message)
    entry.note(turn.now, f"broker message {fact.code}: {fact.message}")
    entry.touched(turn.now)
    if verdict is Verdict.STATED:
        verdict = _hear_stated(turn, entry, message)
    if verdict in (Verdict.REJECTED, Verdict.DEAD):
        _die(turn, entry, verdict, message)
    elif verdict is Verdict.RETRY:
        _put_off(turn, entry, message)
    elif verdict is Verdict.CHECK:
        _doubt(turn, entry, message)
    elif verdict in (Verdict.UNTOUCHED, Verdict.ASK):
        _refuse(turn, entry, verdict, message)
    else:
        warn(turn, entry, message)


def _hear_stated(turn: Turn, entry: OrderEntry, message: OrderMessage) -> Verdict:
    """Take the state that a 10148 names for the broker's word: it is the truth (TWS facts 7)."""
    text = stated_word(message.message)
    if text is None or broker_word(text) is BrokerWord.UNRECOGNISED:
        return Verdict.CHECK
    hear(turn, entry, text, broker_word(text))
    target = entry.target
    if entry.status is OrderStatus.FILLED and (target is None or entry.ledger.quantity < target):
        turn.ask(entry, "filled, but not all executions were seen", Question.EXECUTIONS)
    return Verdict.UNTOUCHED


def _die(turn: Turn, entry: OrderEntry, verdict: Verdict, message: OrderMessage) -> None:
    trigger = trigger_for_verdict(entry, verdict)
    if trigger is None:
        warn(turn, entry, message)
        return
    # What is filled stays filled, and has no reason for a refusal.
    if entry.status is not OrderStatus.FILLED and (entry.reject is None or verdict is Verdict.REJECTED):
        entry.reject = message
        entry.touched(turn.now)
    before = entry.status
    move(turn, entry, trigger, f"code {message.code}")
    if entry.status is before:
        # The word came first (TWS facts 2.7), so this is the first that listeners hear of the reason.
        warn(turn, entry, message)


def _put_off(turn: Turn, entry: OrderEntry, message: OrderMessage) -> None:
    """Leave the request open: whoever owns the retry policy sends it again, or gives it up."""
    warn(turn, entry, message)
    answered = answered_request(message.code, entry.pending)
    if answered is not None:
        turn.retry(RetryWanted(entry.order_id, answered, message.code))


def _doubt(turn: Turn, entry: OrderEntry, message: OrderMessage) -> None:
    answered = answered_request(message.code, entry.pending)
    if answered is Request.MODIFY:
        entry.proposals.clear()
    if answered in (Request.MODIFY, Request.CANCEL):
        entry.pending.pop(answered, None)
    move(turn, entry, Trigger.VERDICT_DOUBT, f"code {message.code}")
    warn(turn, entry, message)
    _ask_everything(turn, entry, message)


def _refuse(turn: Turn, entry: OrderEntry, verdict: Verdict, message: OrderMessage) -> None:
    """A request of ours was refused: put it aside, the order stands."""
    refused = answered_request(message.code, entry.pending)
    if refused is Request.MODIFY:
        if entry.proposals:
            entry.proposals.pop(0)  # answers come in the order of asking
        if not entry.proposals:
            entry.pending.pop(Request.MODIFY, None)
        entry.touched(turn.now)
        turn.tell(events.ModifyRefused, entry, message=message)
    elif refused is Request.CANCEL and verdict is Verdict.UNTOUCHED:
        entry.pending.pop(Request.CANCEL, None)
        move(turn, entry, Trigger.VERDICT_REFUSED, f"cancel refused, code {message.code}")
        entry.touched(turn.now)
        turn.tell(events.CancelRefused, entry, message=message)
    else:
        warn(turn, entry, message)
    if verdict is Verdict.ASK:
        _ask_everything(turn, entry, message)


def _ask_everything(turn: Turn, entry: OrderEntry, message: OrderMessage) -> None:
    if not entry.status.is_finished:
        turn.ask(entry, f"code {message.code}", Question.ORDERS, Question.EXECUTIONS)
