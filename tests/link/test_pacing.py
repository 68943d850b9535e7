"""Never more than so many messages in any second, and never slower than that."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.link.pacing import Lane, RateLimit

PARCELS = st.lists(st.tuples(st.integers(0, 1500), st.integers(1, 8)), min_size=1, max_size=60)
"""Pauses in milliseconds, and how many messages come together then."""


def send_all(limit: RateLimit, parcels: list[tuple[int, int]]) -> list[tuple[float, float, int]]:
    """Send parcels one after the other as early as possible: wish, moment, count of each."""
    now, sent = 0.0, []
    for pause_ms, count in parcels:
        now += pause_ms / 1024  # exact in binary, so that equal moments are equal
        wished = now
        now = limit.ready_at(count, now)
        limit.spend(count, now)
        sent.append((wished, now, count))
    return sent


@given(parcels=PARCELS, per_second=st.integers(8, 20))
def test_no_second_has_more_than_the_limit(parcels: list[tuple[int, int]], per_second: int) -> None:
    """Any second, also one that begins between two messages (TWS facts 6)."""
    sent = send_all(RateLimit(per_second), parcels)
    for _, begin, _ in sent:
        assert sum(count for _, moment, count in sent if begin <= moment < begin + 1) <= per_second


@given(parcels=PARCELS, per_second=st.integers(8, 20))
def test_nothing_waits_longer_than_the_limit_asks(parcels: list[tuple[int, int]], per_second: int) -> None:
    """A parcel that waited could not have left earlier: the second before its moment was full with it."""
    sent = send_all(RateLimit(per_second), parcels)
    for number, (wished, moment, count) in enumerate(sent):
        if moment > wished:
            before = [one for _, at, one in sent[:number] for _ in [at] if moment - 1 <= at]
            assert sum(before) + count > per_second


def test_a_parcel_beyond_the_limit_goes_alone() -> None:
    """More messages than a second takes go when nothing else was sent for a second."""
    limit = RateLimit(5)
    assert limit.ready_at(9, 0.0) == 0.0
    limit.spend(1, 0.0)
    assert limit.ready_at(9, 0.25) == 1.0


def test_tokens_come_back_one_by_one() -> None:
    """Each a second after it was spent, not all together."""
    limit = RateLimit(2)
    limit.spend(1, 0.0)
    limit.spend(1, 0.5)
    assert limit.ready_at(1, 0.6) == 1.0
    assert limit.ready_at(2, 0.6) == 1.5
    assert limit.ready_at(2, 2.0) == 2.0


@pytest.mark.parametrize("per_second", [0, -1, 1.5, True, None, "50"])
def test_a_limit_that_is_none(per_second: Any) -> None:
    """It must be a positive whole number."""
    with pytest.raises(InvalidInput, match="messages_per_second"):
        RateLimit(per_second)


def test_cancels_come_first() -> None:
    """They only take risk away."""
    assert sorted(Lane) == [Lane.CANCEL, Lane.ORDER, Lane.QUERY, Lane.DATA]
