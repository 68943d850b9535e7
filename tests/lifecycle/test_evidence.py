"""What a word, an execution or a verdict amounts to for one order."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.evidence import trigger_for_execution, trigger_for_verdict, trigger_for_word
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.lifecycle.verdicts import Verdict
from ibkr_core.model.record import Request
from ibkr_core.model.status import BrokerWord, OrderStatus
from tests.lifecycle.making import NOW, execution

S, T, W = OrderStatus, Trigger, BrokerWord


def entry(status: OrderStatus = S.SUBMITTED, filled: int = 0, before: BrokerWord | None = None) -> OrderEntry:
    """Return an acknowledged order of 10."""
    made = OrderEntry(7, status=status, is_ours=True)
    made.total, made.acknowledged_time, made.meaning = Decimal(10), NOW, before
    if filled:
        made.ledger.book(execution(filled))
    return made


@pytest.mark.parametrize(
    ("word", "filled", "trigger"),
    [
        (W.PENDING, 0, T.WORD_PENDING),
        (W.PENDING, 4, T.WORD_PENDING),
        (W.PRE_SUBMITTED, 0, T.WORD_PRE_SUBMITTED),
        (W.PRE_SUBMITTED, 4, T.WORD_PARTIAL),
        (W.SUBMITTED, 0, T.WORD_SUBMITTED),
        (W.SUBMITTED, 4, T.WORD_PARTIAL),
        (W.PENDING_CANCEL, 4, T.WORD_PENDING_CANCEL),
        (W.CANCELLED, 4, T.WORD_CANCELLED),
        (W.FILLED, 4, T.WORD_FILLED),
        (W.INACTIVE, 4, T.WORD_INACTIVE),
        (W.UNRECOGNISED, 4, T.WORD_STRANGE),
    ],
)
def test_a_word_means_itself_and_partly_filled_where_something_is(
    word: BrokerWord, filled: int, trigger: Trigger
) -> None:
    """PreSubmitted can carry fills too (TWS facts 1)."""
    assert trigger_for_word(entry(filled=filled), word) is trigger


@pytest.mark.parametrize("word", [W.PENDING, W.PRE_SUBMITTED, W.SUBMITTED])
def test_a_working_word_that_crossed_our_cancel_is_an_echo(word: BrokerWord) -> None:
    """Until the broker has mentioned the cancel; after that it means that the cancel came to nothing."""
    order = entry(S.PENDING_CANCEL, before=W.SUBMITTED)
    order.pending[Request.CANCEL] = None
    assert trigger_for_word(order, word) is T.WORD_ECHO
    order.meaning = W.PENDING_CANCEL
    assert trigger_for_word(order, word) is not T.WORD_ECHO
    order.meaning = W.SUBMITTED
    order.pending.clear()
    assert trigger_for_word(order, word) is not T.WORD_ECHO


@pytest.mark.parametrize("word", [W.PENDING, W.PRE_SUBMITTED, W.SUBMITTED, W.PENDING_CANCEL])
def test_words_that_executions_have_overtaken_are_echoes(word: BrokerWord) -> None:
    """Executions can complete an order before its statuses come; after the word Filled it is no echo."""
    assert trigger_for_word(entry(S.FILLED, 10, W.SUBMITTED), word) is T.WORD_ECHO
    assert trigger_for_word(entry(S.FILLED, 10, W.FILLED), word) is not T.WORD_ECHO


def test_a_working_word_proves_a_refused_order_alive_only_if_it_was_never_seen() -> None:
    """A code alone can be wrong about a new order; a repeated old word proves nothing."""
    order = entry(S.REJECTED)
    for word in (W.PENDING, W.PRE_SUBMITTED, W.SUBMITTED, W.PENDING_CANCEL):
        order.acknowledged_time = NOW
        assert trigger_for_word(order, word) is not T.VERDICT_LIVES
        order.acknowledged_time = None
        assert trigger_for_word(order, word) is T.VERDICT_LIVES
    assert trigger_for_word(order, W.CANCELLED) is T.WORD_CANCELLED


@pytest.mark.parametrize(
    ("filled", "size", "trigger"),
    [(9, "10", T.EXEC_PARTIAL), (10, "10", T.EXEC_FULL), (11, "10", T.EXEC_FULL), (10, None, T.EXEC_PARTIAL)],
)
def test_executions_complete_an_order_whose_size_is_known(
    filled: int, size: str | None, trigger: Trigger
) -> None:
    """Where the size was never shown, nothing proves that it is complete."""
    order = entry(filled=filled)
    order.total = None if size is None else Decimal(size)
    assert trigger_for_execution(order) is trigger


def test_a_verdict_of_death_fits_what_has_filled() -> None:
    """What filled is real: then only the rest is dead, and the order was not refused."""
    assert trigger_for_verdict(entry(), Verdict.REJECTED) is T.VERDICT_REJECTED
    assert trigger_for_verdict(entry(filled=4), Verdict.REJECTED) is T.VERDICT_DEAD
    assert trigger_for_verdict(entry(), Verdict.DEAD) is T.VERDICT_DEAD
    assert trigger_for_verdict(entry(), Verdict.CHECK) is T.VERDICT_DOUBT


@pytest.mark.parametrize("attribute", ["modified", "cancel_requested"])
def test_a_201_for_our_request_to_a_dead_order_is_no_second_death(attribute: str) -> None:
    """On a modify of a dead order it only says "already cancelled" (TWS facts 7)."""
    order = entry(S.CANCELLED)
    assert trigger_for_verdict(order, Verdict.REJECTED) is T.VERDICT_REJECTED
    setattr(order, attribute, True)
    assert trigger_for_verdict(order, Verdict.REJECTED) is None


@pytest.mark.parametrize("verdict", [Verdict.UNTOUCHED, Verdict.ASK, Verdict.WARNING, Verdict.UNRELATED])
def test_other_verdicts_move_nothing(verdict: Verdict) -> None:
    """They are about requests and warnings, not about the order's life."""
    for status in OrderStatus:
        assert trigger_for_verdict(entry(status), verdict) is None


def test_only_a_pending_cancel_makes_an_echo_of_a_working_word() -> None:
    """An order in doubt whose cancel we asked for is alive when the broker says that it works."""
    order = entry(S.UNKNOWN)
    order.pending[Request.CANCEL] = None
    assert trigger_for_word(order, W.SUBMITTED) is T.WORD_SUBMITTED
