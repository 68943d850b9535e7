"""The broker's words and what they mean."""

from __future__ import annotations

import pytest

from ibkr_core.model.status import BROKER_WORDS, FINISHED, WORKING, BrokerWord, OrderStatus, broker_word

# From TWS facts 1, written down by hand.
MEANINGS = {
    "ApiPending": BrokerWord.PENDING,
    "PendingSubmit": BrokerWord.PENDING,
    "PreSubmitted": BrokerWord.PRE_SUBMITTED,
    "Submitted": BrokerWord.SUBMITTED,
    "PendingCancel": BrokerWord.PENDING_CANCEL,
    "PreCancelled": BrokerWord.PENDING_CANCEL,
    "ApiCancelled": BrokerWord.CANCELLED,
    "Cancelled": BrokerWord.CANCELLED,
    "Filled": BrokerWord.FILLED,
    "Inactive": BrokerWord.INACTIVE,
}


@pytest.mark.parametrize(("word", "meaning"), MEANINGS.items())
def test_each_word_of_the_facts_has_its_meaning_in_any_letter_case(word: str, meaning: BrokerWord) -> None:
    """The official OrderStatus compares without case, so we do."""
    for text in (word, word.upper(), word.lower()):
        assert broker_word(text) is meaning


def test_no_other_word_is_known() -> None:
    """Words that nobody explains, or that other libraries made up, are unrecognised and never a default."""
    assert dict(BROKER_WORDS) == MEANINGS
    for text in ("", "WarnState", "Unknown", "PendingReplace", "ValidationError", "ApiUpdate", "Submitted "):
        assert broker_word(text) is BrokerWord.UNRECOGNISED


def test_the_ten_statuses_are_those_that_were_asked_for() -> None:
    """The names are the public vocabulary: logs and journals hold them."""
    names = (
        "PENDING_SUBMIT PRE_SUBMITTED SUBMITTED PARTIALLY_FILLED PENDING_CANCEL "
        "FILLED CANCELLED INACTIVE REJECTED UNKNOWN"
    ).split()
    assert [status.name for status in OrderStatus] == names
    assert [status.value for status in OrderStatus] == names


def test_working_and_finished_are_apart_and_leave_two_open() -> None:
    """Nothing is claimed about INACTIVE and UNKNOWN: an inactive order can come back (TWS facts 1)."""
    assert not WORKING & FINISHED
    assert set(OrderStatus) - WORKING - FINISHED == {OrderStatus.INACTIVE, OrderStatus.UNKNOWN}
    for status in OrderStatus:
        assert status.is_working == (status in WORKING)
        assert status.is_finished == (status in FINISHED)


def test_a_pending_cancel_counts_as_working() -> None:
    """It may still fill (TWS facts 1), so a trader must count it as exposure."""
    assert OrderStatus.PENDING_CANCEL.is_working
    assert OrderStatus.PENDING_SUBMIT.is_working
