"""Holidays and short days, against those that the New York exchange has published."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from ibkr_core.gateway.holidays import is_holiday, is_short


@pytest.mark.parametrize(
    "day",
    [
        "2026-01-01", "2026-01-19", "2026-02-16", "2026-04-03", "2026-05-25", "2026-06-19", "2026-07-03",
        "2026-09-07", "2026-11-26", "2026-12-25", "2027-03-26", "2027-06-18", "2027-07-05", "2027-12-24",
        "2025-04-18", "2023-01-02", "2025-01-09",
    ],
)  # fmt: skip
def test_published_holidays_are_known(day: str) -> None:
    """Days that the New York exchange has published as holidays."""
    assert is_holiday(date.fromisoformat(day))


@pytest.mark.parametrize(
    "day", ["2021-12-31", "2021-06-18", "2026-11-24", "2026-05-18", "2027-07-04", "2026-10-12"]
)
def test_other_days_are_none(day: str) -> None:
    """A New Year on a Saturday is not kept before; Columbus day is traded; Juneteenth began in 2022."""
    assert not is_holiday(date.fromisoformat(day))


@pytest.mark.parametrize(
    ("year", "published"),
    [
        (2023, ["07-03", "11-24"]),
        (2024, ["07-03", "11-29", "12-24"]),
        (2025, ["07-03", "11-28", "12-24"]),
        (2026, ["11-27", "12-24"]),
        (2027, ["11-26"]),
        (2028, ["07-03", "11-24"]),
    ],
)
def test_published_short_days_are_known(year: int, published: list[str]) -> None:
    """Exactly the days on which the New York exchange closes at one."""
    days = (date(year, 1, 1) + timedelta(days=place) for place in range(365))
    assert [f"{day:%m-%d}" for day in days if is_short(day)] == published
