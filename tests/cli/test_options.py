"""Days and zones as people write them."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest

from ibkr_core.cli.options import Place, find_day, find_zone
from ibkr_core.errors import InvalidInput
from tests.cli.floor import run


def test_a_zone_is_found_by_its_name() -> None:
    """UTC needs no data of zones."""
    assert find_zone("utc") is UTC
    assert find_zone("America/New_York") == ZoneInfo("America/New_York")


@pytest.mark.parametrize("name", ["", "Mars", "../etc/passwd", "New York"])
def test_what_is_no_zone_is_refused(name: str) -> None:
    """With an example of one."""
    with pytest.raises(InvalidInput, match="--zone: is no time zone"):
        find_zone(name)


def test_a_day_is_read_in_its_zone() -> None:
    """Today is today there; none is none."""
    assert find_day("2026-11-21", UTC) == date(2026, 11, 21)
    assert find_day(None, UTC) is None
    zone = ZoneInfo("Pacific/Kiritimati")
    before = datetime.now(zone).date()
    assert find_day("Today", zone) in (before, datetime.now(zone).date())


@pytest.mark.parametrize("text", ["", "yesterday", "21.11.2026", "2026-13-01"])
def test_what_is_no_day_is_refused(text: str) -> None:
    """With the form that it should have."""
    with pytest.raises(InvalidInput, match="--day: must be a day such as 2026-11-21"):
        find_day(text, UTC)


def test_a_place_is_shown_as_people_write_it() -> None:
    """Host and port."""
    assert str(Place("localhost", 4002, 10.0)) == "localhost:4002"


@pytest.mark.parametrize("seconds", ["inf", "1e300", "nan", "-1"])
@pytest.mark.parametrize(
    "command",
    [
        "orders --timeout",
        "watch --once --every",
        "place BUY 1 AAPL --dry-run --yes --wait",
        "doctor --timeout",
    ],
)
def test_a_time_that_nobody_can_wait_for_is_refused_by_its_option(command: str, seconds: str) -> None:
    """At once, and not by a name that only programmers know."""
    result = run(*command.split(), seconds, env={"COLUMNS": "200", "NO_COLOR": "1"})
    assert result.exit_code == 2
    assert f"Invalid value for '{command.rsplit(maxsplit=1)[-1]}'" in result.stderr
