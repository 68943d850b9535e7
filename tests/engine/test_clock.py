"""The machine's clock."""

from __future__ import annotations

from datetime import UTC, datetime

from ibkr_core.clock import SystemClock


def test_the_wall_clock_is_in_utc() -> None:
    """Never a naive time, never a local one."""
    before, now, after = datetime.now(UTC), SystemClock().now(), datetime.now(UTC)
    assert now.tzinfo is UTC
    assert before <= now <= after


def test_monotonic_time_does_not_go_back() -> None:
    """Spans are measured with it."""
    clock = SystemClock()
    moments = [clock.monotonic() for _ in range(1000)]
    assert moments == sorted(moments)
