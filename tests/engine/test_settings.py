"""Settings are checked where they are made; waits and windows."""

from __future__ import annotations

import random
from datetime import UTC, datetime, time, timedelta
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.settings import Backoff, EngineSettings, RestartWindow, RetryPolicy

SECONDS = [
    name for name in attrs.fields_dict(EngineSettings) if name.endswith("_s") and name != "slim_after_s"
]
COUNTS = [
    *("messages_per_second", "max_active_orders", "cancel_attempts", "efficiency_limit"),
    "checkpoint_inputs",
]


@pytest.mark.parametrize("name", SECONDS)
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "5", None, True, 1e9])
def test_what_is_no_number_of_seconds_is_refused(name: str, value: Any) -> None:
    """The message names the setting."""
    with pytest.raises(InvalidInput, match=name):
        EngineSettings(**{name: value})


@pytest.mark.parametrize("name", COUNTS)
@pytest.mark.parametrize("value", [-1, 1.5, "5", True])
def test_what_is_no_count_is_refused(name: str, value: Any) -> None:
    """The message names the setting."""
    with pytest.raises(InvalidInput, match=name):
        EngineSettings(**{name: value})


@pytest.mark.parametrize("name", ["connect_timeout_s", "send_timeout_s", "ack_timeout_s", "pong_timeout_s"])
def test_some_times_cannot_be_zero(name: str) -> None:
    """A deadline that is over before it begins."""
    with pytest.raises(InvalidInput, match=name):
        EngineSettings(**{name: 0})  # type: ignore[arg-type]


def test_some_limits_can_be_switched_off() -> None:
    """None or zero, as each says."""
    off = EngineSettings(
        messages_per_second=None, max_active_orders=None, heartbeat_s=0, efficiency_limit=0, reconnect=None
    )
    assert (off.messages_per_second, off.heartbeat_s, off.reconnect) == (None, 0, None)


def test_settings_cannot_be_changed() -> None:
    """They belong to a running engine."""
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        EngineSettings().ack_timeout_s = 1  # type: ignore[misc]


@pytest.mark.parametrize("fields", [{"attempts": -1}, {"attempts": 1.5}, {"deadline_s": -1}])
def test_a_retry_policy_that_makes_no_sense(fields: dict[str, Any]) -> None:
    """The message names the field."""
    with pytest.raises(InvalidInput, match=next(iter(fields))):
        RetryPolicy(**fields)


# ── waits ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "fields",
    [
        {"first_s": 0},
        {"longest_s": 0},
        {"factor": 0.5},
        {"factor": float("nan")},
        {"jitter": -0.1},
        {"jitter": 1.1},
    ],
)
def test_a_back_off_that_makes_no_sense(fields: dict[str, Any]) -> None:
    """The message names the field."""
    with pytest.raises(InvalidInput, match=next(iter(fields))):
        Backoff(**fields)


def test_waits_grow_up_to_the_longest() -> None:
    """Without jitter: half a second, doubled each time, thirty at most, for ever."""
    chance = random.Random(1)  # noqa: S311 - a test is no secret
    waits = [Backoff(jitter=0).wait_s(attempt, chance) for attempt in range(1, 10)]
    assert waits == [0.5, 1, 2, 4, 8, 16, 30, 30, 30]
    assert Backoff(jitter=0).wait_s(10**9, chance) == 30


@given(attempt=st.integers(1, 200), jitter=st.floats(0, 1), seed=st.integers())
def test_jitter_only_shortens(attempt: int, jitter: float, seed: int) -> None:
    """By the part that is left to chance, at most; the same seed waits the same."""
    backoff = Backoff(jitter=jitter)
    full = Backoff(jitter=0).wait_s(attempt, random.Random(seed))  # noqa: S311 - a test is no secret
    wait = backoff.wait_s(attempt, random.Random(seed))  # noqa: S311 - a test is no secret
    assert full * (1 - jitter) <= wait <= full
    assert wait == backoff.wait_s(attempt, random.Random(seed))  # noqa: S311 - a test is no secret


# ── windows ─────────────────────────────────────────────────────────────────────────────────────────


def new_york(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    """A moment of 2026 in New York's winter, in UTC."""
    return datetime(2026, month, day, hour, minute, tzinfo=UTC) + timedelta(hours=5)


@pytest.mark.parametrize(("minute", "inside"), [(44, False), (45, True), (59, True), (60, False)])
def test_a_window_has_a_beginning_and_an_end(minute: int, inside: bool) -> None:
    """A quarter to midnight, for a quarter of an hour."""
    moment = new_york(20, 23) + timedelta(minutes=minute)
    assert RestartWindow(time(23, 45)).contains(moment) is inside


@pytest.mark.parametrize(
    ("moment", "inside"),
    [(new_york(20, 23, 49), False), (new_york(20, 23, 50), True), (new_york(21, 0, 19), True),
     (new_york(21, 0, 20), False)],
)  # fmt: skip
def test_a_window_may_reach_over_midnight(moment: datetime, inside: bool) -> None:
    """Half an hour from ten to midnight."""
    assert RestartWindow(time(23, 50), lasts_min=30).contains(moment) is inside


@pytest.mark.parametrize(("day", "inside"), [(20, False), (21, True), (22, True), (23, False)])
def test_a_weekly_window_belongs_to_the_day_that_it_begins_on(day: int, inside: bool) -> None:
    """Saturday evening's window still holds early on Sunday, and Friday's does not exist."""
    window = RestartWindow(time(23, 50), lasts_min=30, weekday="saturday")  # 21 November 2026
    moment = new_york(day, 0, 10) if day in (22, 23) else new_york(day, 23, 55)
    assert window.contains(moment) is inside


def test_a_window_keeps_the_wall_time_over_the_year() -> None:
    """The clocks change, the restart does not: it is at the same wall time in summer."""
    window = RestartWindow(time(23, 45))
    assert window.contains(datetime(2026, 7, 2, 3, 50, tzinfo=UTC))  # UTC-4
    assert window.contains(datetime(2026, 12, 2, 4, 50, tzinfo=UTC))  # UTC-5
    assert not window.contains(datetime(2026, 12, 2, 3, 50, tzinfo=UTC))


@pytest.mark.parametrize(("minutes", "inside"), [(-1, False), (0, True), (89, True), (90, False)])
@pytest.mark.parametrize(
    ("zone", "begins"),
    [
        ("America/New_York", datetime(2026, 11, 1, 4, 45, tzinfo=UTC)),  # 0:45 EDT; at 2:00 it is 1:00 again
        ("America/New_York", datetime(2026, 3, 8, 5, 45, tzinfo=UTC)),  # 0:45 EST; at 2:00 it is 3:00
        ("Europe/Berlin", datetime(2026, 6, 1, 22, 45, tzinfo=UTC)),  # 0:45
    ],
)
def test_a_window_lasts_as_long_as_it_says_when_clocks_change(
    zone: str, begins: datetime, minutes: int, inside: bool
) -> None:
    """Ninety minutes are ninety minutes, also in the night of the change."""
    window = RestartWindow(time(0, 45), lasts_min=90, zone=zone)
    assert window.contains(begins + timedelta(minutes=minutes)) is inside


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)))  # noqa: DTZ001 - the zone is added below
def test_a_window_of_a_day_contains_everything(moment: datetime) -> None:
    """Every moment lies in the window that begins each day and lasts a day."""
    assert RestartWindow(time(0, 0), lasts_min=25 * 60).contains(moment.replace(tzinfo=UTC))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("weekday", "Saturday"),
        ("weekday", "sat"),
        ("zone", "New York"),
        ("zone", "../etc"),
        ("zone", ""),
        ("lasts_min", 0),
    ],
)
def test_a_window_that_makes_no_sense(field: str, value: Any) -> None:
    """The message names the field."""
    with pytest.raises(InvalidInput, match=field):
        RestartWindow(time(0, 0), **{field: value})


@pytest.mark.parametrize("value", [-1, float("nan"), float("inf"), "5", True, 1e9])
def test_orders_are_packed_after_seconds_or_never(value: Any) -> None:
    """None is a word here; what is no number is refused as ever."""
    assert EngineSettings(slim_after_s=None).slim_after_s is None
    assert EngineSettings(slim_after_s=0).slim_after_s == 0
    with pytest.raises(InvalidInput, match="slim_after_s"):
        EngineSettings(slim_after_s=value)
