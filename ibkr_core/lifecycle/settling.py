"""Steps of our own side that settle what the broker left open: silence, absence, retries, adoption."""

from __future__ import annotations

from ibkr_core.errors import OrderNotOurs, OrderStateError
from ibkr_core.lifecycle.asks import Question
from ibkr_core.lifecycle.effects import Turn
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.inputs import Abandon, Adopt, Doubt, ProveAbsent, Resend, Silence, Unsend
from ibkr_core.lifecycle.steps import move
from ibkr_core.lifecycle.transitions import Trigger, step
from ibkr_core.model import events
from ibkr_core.model.record import OrderMessage, Request

__all__ = ["abandon", "adopt", "doubt", "fall_silent", "prove_absent", "resend", "unsend"]


def fall_silent(turn: Turn, entry: OrderEntry, silence: Silence) -> None:
    """Note that a request was not answered in time, and have the broker asked."""
    if silence.request not in entry.pending:
        return  # the answer came at the last moment
    why = f"no answer to the {_name(silence.request)} in time"
    if silence.request is Request.NEW:
        move(turn, entry, Trigger.SILENCE, why)
    else:
        entry.note(turn.now, why)
    entry.touched(turn.now)
    turn.ask(entry, why, Question.ORDERS, Question.EXECUTIONS)


def doubt(turn: Turn, entry: OrderEntry, missing: Doubt) -> None:
    """Note that nothing is known about an order for certain any more."""
    if not entry.status.is_finished:
        move(turn, entry, Trigger.VERDICT_DOUBT, missing.why)


def prove_absent(turn: Turn, entry: OrderEntry, proof: ProveAbsent) -> None:
    """Take an order for ended that the broker's complete lists lack."""
    if entry.status.is_finished:
        return
    if entry.reject is None:
        entry.reject = OrderMessage(at=turn.now, code=0, message=proof.why)
    was_known = entry.acknowledged_time is not None or entry.perm_id is not None or entry.filled > 0
    move(turn, entry, Trigger.LISTS_LACK_KNOWN if was_known else Trigger.LISTS_LACK_NEW, proof.why)
    entry.is_listed_no_more = True
    entry.touched(turn.now)


def abandon(turn: Turn, entry: OrderEntry, given_up: Abandon) -> None:
    """Give a request up that is still open."""
    if given_up.request not in entry.pending:
        return
    message = OrderMessage(at=turn.now, code=0, message=given_up.why)
    if given_up.request is Request.NEW:
        entry.reject = entry.reject or (entry.snapshot().messages or (message,))[-1]
        move(turn, entry, Trigger.VERDICT_REJECTED, given_up.why)
        return
    _put_aside(turn, entry, given_up.request, message)


def unsend(turn: Turn, entry: OrderEntry, unsent: Unsend) -> None:
    """Take a modification or cancel back of which certainly no byte left."""
    message = OrderMessage(at=turn.now, code=0, message=unsent.why)
    if unsent.request is Request.MODIFY and entry.proposals:
        entry.proposals.pop()  # earlier ones did leave; this one cannot come into force, so it is forgotten
        if not entry.proposals:
            entry.pending.pop(Request.MODIFY, None)
        entry.note(turn.now, unsent.why)
        turn.tell(events.ModifyRefused, entry, message=message)
    elif unsent.request in entry.pending:
        _put_aside(turn, entry, unsent.request, message)
    entry.touched(turn.now)


def _put_aside(turn: Turn, entry: OrderEntry, request: Request, message: OrderMessage) -> None:
    entry.pending.pop(request, None)
    entry.touched(turn.now)
    if request is Request.MODIFY:
        entry.put_aside += entry.proposals
        entry.proposals.clear()
        entry.note(turn.now, message.message)
        turn.tell(events.ModifyRefused, entry, message=message)
        return
    entry.cancel_requested = False
    move(turn, entry, Trigger.VERDICT_REFUSED, message.message)
    turn.tell(events.CancelRefused, entry, message=message)


def resend(turn: Turn, entry: OrderEntry, again: Resend) -> None:
    """Take an order in once more, before any byte of the repetition leaves.

    Raises:
        OrderStateError: It is alive, or has filled: sending it again could trade twice. Or its cancel was
            asked for meanwhile: whoever cancelled it wants it no more.
    """
    if step(entry.status, Trigger.RESEND).illegal or entry.filled > 0:
        raise OrderStateError(entry.order_id, f"cannot be sent again: it is {entry.status.value}")
    if entry.cancel_requested:
        raise OrderStateError(entry.order_id, "cannot be sent again: its cancel was asked for")
    if again.new_order_id != entry.order_id:
        turn.index.rebind(entry, again.new_order_id)
        if entry.perm_id:
            entry.former_perm_ids = (*entry.former_perm_ids, entry.perm_id)
        entry.perm_id = None
    entry.retry_count = again.attempt
    entry.acknowledged_time = None
    entry.reject = None
    entry.pending[Request.NEW] = turn.now
    entry.touched(turn.now)
    why, before = f"sent again, attempt {again.attempt}: {again.why}", entry.status
    move(turn, entry, Trigger.RESEND, why)
    if entry.status is before:
        entry.note(turn.now, why)


def adopt(turn: Turn, entry: OrderEntry, wish: Adopt, client_id: int | None) -> None:
    """Make an order ours to manage.

    Raises:
        OrderNotOurs: Another client placed it: the broker lets only that one manage it (TWS facts 4).
    """
    if not entry.is_ours and entry.client_id != client_id:
        owner = f"client {entry.client_id}" if entry.client_id is not None else "someone else"
        raise OrderNotOurs(entry.order_id, f"was placed by {owner}; the broker lets only that one manage it")
    entry.is_ours = True
    if wish.order is not None and entry.order is None:
        entry.order = wish.order
    entry.note(turn.now, "adopted")
    entry.touched(turn.now)


def _name(request: Request) -> str:
    return {Request.NEW: "new order", Request.MODIFY: "modification", Request.CANCEL: "cancel"}[request]
