"""Algorithms as values: official names and texts, and refusals that name the field."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.algos import (
    ALGOS,
    AccumulateDistribute,
    Adaptive,
    ArrivalPrice,
    JefferiesVwap,
    OtherAlgo,
    PctVol,
    PctVolPrice,
    Twap,
    Vwap,
)

NAN = float("nan")
BAD: dict[str, tuple[str, Callable[[], Any]]] = {
    "priority": ("priority", lambda: Adaptive(priority="fast")),
    "part in percent": ("max_pct_vol", lambda: Vwap(max_pct_vol=10)),
    "part 0": ("max_pct_vol", lambda: Vwap(max_pct_vol=0)),
    "part NaN": ("max_pct_vol", lambda: Vwap(max_pct_vol=NAN)),
    "part a word": ("pct_vol", lambda: PctVol(pct_vol="much")),
    "part None": ("pct_vol", lambda: PctVol(pct_vol=None)),  # type: ignore[arg-type]
    "aversion": ("risk_aversion", lambda: ArrivalPrice(max_pct_vol="0.1", risk_aversion="Bold")),
    "kind": ("strategy_type", lambda: Twap(strategy_type="Midpoint")),
    "flag": ("allow_past_end_time", lambda: Twap(allow_past_end_time=1)),  # type: ignore[arg-type]
    "time": ("start_time", lambda: Twap(start_time=930)),  # type: ignore[arg-type]
    "size": ("component_size", lambda: AccumulateDistribute(component_size=0, time_between_orders=1)),
    "crossed": (
        "min_pct_vol",
        lambda: PctVolPrice(pct_vol="0.1", delta_pct_vol="0.1", min_pct_vol="0.4", max_pct_vol="0.2"),
    ),
    "price": ("wow_price", lambda: JefferiesVwap(wow_price=NAN)),
    "no name": ("name", lambda: OtherAlgo(" ")),
    "no pairs": ("parameters", lambda: OtherAlgo("X", "a=b")),
    "odd pairs": ("parameters", lambda: OtherAlgo("X", [("a",)])),
    "unnamed": ("parameters", lambda: OtherAlgo("X", {"": 1})),
}


@pytest.mark.parametrize(("argument", "attempt"), BAD.values(), ids=BAD)
def test_bad_input_names_the_argument(argument: str, attempt: Callable[[], Any]) -> None:
    """Before it gets into an order."""
    with pytest.raises(InvalidOrder) as raised:
        attempt()
    assert raised.value.argument == argument


@given(st.decimals(min_value="0.01", max_value="0.5", places=6))
def test_a_part_is_written_plainly(part: Decimal) -> None:
    """Without an exponent, digit by digit."""
    [(name, text)] = [pair for pair in Vwap(max_pct_vol=part).params if pair[0] == "maxPctVol"]
    assert (name, Decimal(text)) == ("maxPctVol", part)
    assert "E" not in text.upper()


def test_what_is_not_set_is_not_sent() -> None:
    """Empty times and missing numbers are left to the broker; flags are always told."""
    assert dict(JefferiesVwap().params) == {"IsBuyBack": "0"}
    assert dict(Twap().params) == {"strategyType": "Marketable", "allowPastEndTime": "0"}


def test_any_other_strategy() -> None:
    """By its official name, with whatever it takes."""
    algo = OtherAlgo("Dark", {"A": True, "B": Decimal("1E+2"), "C": "x"})
    assert (algo.strategy, algo.params) == ("Dark", (("A", "1"), ("B", "100"), ("C", "x")))
    assert OtherAlgo("Dark", algo.params) == algo


@pytest.mark.parametrize("kind", ALGOS.values())
def test_every_field_has_an_official_name(kind: type) -> None:
    """And each name is used once."""
    names = [one.metadata["official"] for one in attrs.fields(kind)]
    assert names
    assert len(names) == len(set(names))
