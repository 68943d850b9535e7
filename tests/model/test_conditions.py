"""Conditions: frozen values that refuse what no condition can be."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.conditions import (
    ExecutionCondition,
    MarginCondition,
    PercentChangeCondition,
    PriceCondition,
    TimeCondition,
    VolumeCondition,
    all_of,
    any_of,
    as_conditions,
)

NAN = float("nan")
FIRST = ExecutionCondition(symbol="A")
SECOND = MarginCondition(percent=30, is_more=False)

BAD: dict[str, tuple[str, Callable[[], Any]]] = {
    "no contract": ("con_id", lambda: PriceCondition(con_id=0, price=1, is_more=True)),
    "contract a text": ("con_id", lambda: VolumeCondition(con_id="AAPL", volume=1)),  # type: ignore[arg-type]
    "contract True": ("con_id", lambda: VolumeCondition(con_id=True, volume=1)),
    "price NaN": ("price", lambda: PriceCondition(con_id=1, price=NAN, is_more=True)),
    "method": ("trigger_method", lambda: PriceCondition(con_id=1, price=1, is_more=True, trigger_method=5)),
    "direction": ("is_more", lambda: PriceCondition(con_id=1, price=1, is_more=1)),  # type: ignore[arg-type]
    "exchange": ("exchange", lambda: PriceCondition(con_id=1, price=1, is_more=True, exchange="")),
    "time": ("time", lambda: TimeCondition(time="10:00")),
    "time with a NUL before": ("time", lambda: TimeCondition(time="\x0020261121-10:00:00")),
    "no zone": ("moment", lambda: TimeCondition.after(datetime(2026, 1, 1))),  # noqa: DTZ001 - that is the point
    "percent": ("percent", lambda: MarginCondition(percent=1.5, is_more=True)),  # type: ignore[arg-type]
    "symbol": ("symbol", lambda: ExecutionCondition(symbol=" ")),
    "volume": ("volume", lambda: VolumeCondition(con_id=1, volume=-1)),
    "change": ("change_percent", lambda: PercentChangeCondition(con_id=1, change_percent="x", is_more=True)),
    "join": ("or_next", lambda: ExecutionCondition(symbol="A", or_next="or")),  # type: ignore[arg-type]
    "row of a text": ("conditions", lambda: as_conditions("price")),
    "row of others": ("conditions", lambda: as_conditions([FIRST, object()])),
    "no row": ("conditions", lambda: as_conditions(5)),
}


@pytest.mark.parametrize(("argument", "attempt"), BAD.values(), ids=BAD)
def test_bad_input_names_the_argument(argument: str, attempt: Callable[[], Any]) -> None:
    """Before it gets into an order."""
    with pytest.raises(InvalidOrder) as raised:
        attempt()
    assert raised.value.argument == argument


def test_rows_are_joined() -> None:
    """By and, or by or; the values that were given stay as they are."""
    assert [one.or_next for one in any_of(FIRST, SECOND)] == [True, True]
    assert [one.or_next for one in all_of(*any_of(FIRST, SECOND))] == [False, False]
    assert not FIRST.or_next
    assert as_conditions(FIRST) == (FIRST,)
    assert as_conditions(iter([FIRST, SECOND])) == (FIRST, SECOND)


def test_a_moment_is_written_in_utc() -> None:
    """Whatever its zone."""
    moment = datetime(2026, 11, 21, 5, 0, tzinfo=timezone(timedelta(hours=-5)))
    assert TimeCondition.after(moment).time == "20261121-10:00:00"
    assert TimeCondition.after(moment.astimezone(UTC)) == TimeCondition.after(moment)


@pytest.mark.parametrize("time", ["20261121 10:00:00 US/Eastern", "20261121 10:00:00", "20261121-10:00:00"])
def test_times_as_the_broker_takes_them(time: str) -> None:
    """With a zone, with the gateway's own, or in UTC."""
    assert TimeCondition(time=time).time == time
