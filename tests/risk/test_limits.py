"""Limits as a value: what they take, what gates they make, and how they read."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.risk import RiskLimits, RiskPolicy, TradingHours
from ibkr_core.risk import gates as g
from ibkr_core.risk.values import name_of

HOURS = TradingHours("09:30", "16:00")
ALL = RiskLimits(
    max_order_size=100,
    max_notional={"USD": 50_000},
    max_position="500",
    max_orders_per_second=5,
    max_orders_per_day=200,
    collar_percent=3,
    collar_ticks=50,
    symbols=["aapl", "MSFT"],
    sec_types={"STK"},
    hours=HOURS,
    duplicate_window_s=2.5,
    max_loss=1_000,
)


def test_there_are_no_limits_by_default() -> None:
    """No gate at all, so that nothing is spent on them."""
    assert RiskLimits().gates() == ()
    assert str(RiskLimits()) == "none"


def test_each_limit_makes_its_gate() -> None:
    """With the numbers made exact, cheap ones first; the two collars are one gate."""
    assert ALL.gates() == (
        g.AllowedSymbols(frozenset({"AAPL", "MSFT"})),
        g.AllowedSecTypes(frozenset({"STK"})),
        g.AllowedHours((HOURS,)),
        g.MaxOrderSize(Decimal(100)),
        g.OrderRate(5),
        g.DailyOrders(200),
        g.Duplicates(2.5),
        g.PriceCollar(Decimal(3), Decimal(50)),
        g.MaxNotional({"USD": Decimal(50_000)}),
        g.MaxPosition(Decimal(500)),
        g.MaxLoss(Decimal(1_000)),
    )
    assert RiskLimits(collar_ticks=1).gates() == (g.PriceCollar(None, Decimal(1)),)


def test_unknowns_may_pass() -> None:
    """Every gate that can be at a loss is told so."""
    forgiving = attrs.evolve(ALL, unknown="pass").gates()
    assert {name_of(gate) for gate in forgiving if getattr(gate, "passes_unknown", False)} == {
        *("order size", "price collar", "notional", "position", "max loss")
    }
    assert not any(getattr(gate, "passes_unknown", False) for gate in ALL.gates())


def test_one_number_is_a_limit_in_every_currency() -> None:
    """Each in its own units."""
    assert RiskLimits(max_notional="1e4").max_notional == {"*": Decimal(10_000)}


def test_limits_can_be_changed_one_by_one() -> None:
    """The others stay as they were, and none of them can be written to."""
    assert attrs.evolve(ALL, max_loss=None).gates() == ALL.gates()[:-1]
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        ALL.max_loss = None  # type: ignore[misc]  # that is the point
    with pytest.raises(TypeError):
        ALL.max_notional["USD"] = Decimal(1)  # type: ignore[index]  # that is the point


def test_in_words() -> None:
    """Only what is set, for the log."""
    assert str(RiskLimits(max_order_size=100, symbols=["B", "A"])) == "max_order_size 100, symbols A, B"
    assert "max_notional 50000 USD" in str(ALL)
    assert "hours 09:30-16:00 America/New_York" in str(ALL)


BAD: tuple[tuple[str, Any], ...] = (
    *(
        (name, value)
        for name in ("max_order_size", "max_position", "max_loss")
        for value in (0, -1, "x", True)
    ),
    *(
        (name, Decimal(text))
        for name in ("max_notional", "collar_percent")
        for text in ("NaN", "Infinity", "-0")
    ),
    ("collar_ticks", object()),
    ("max_notional", {}),
    ("max_notional", {"usd": 1}),
    ("max_notional", {7: 1}),
    ("max_notional", {"USD": 0}),
    ("max_notional", {"USD": None}),
    *((f"max_orders_per_{span}", value) for span in ("second", "day") for value in (0, -1, 1.5, "3", True)),
    ("day_zone", "Mars"),
    ("day_zone", None),
    ("symbols", "AAPL"),
    ("symbols", []),
    ("symbols", [""]),
    ("symbols", [7]),
    ("sec_types", 7),
    ("hours", "09:30"),
    ("hours", [("09:30", "16:00")]),
    ("hours", 9),
    *(
        (name, value)
        for name in ("duplicate_window_s", "loss_check_s")
        for value in (-1, "1", None, 1e9, True)
    ),
    *(("max_quote_age_s", value) for value in (0, -1, float("nan"), float("inf"), "5", True)),
    ("duplicate_window_s", float("nan")),
    ("unknown", "ignore"),
)


@pytest.mark.parametrize(("name", "value"), BAD)
def test_a_limit_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """With its name, when it is made and not when an order comes."""
    with pytest.raises(InvalidInput) as refused:
        RiskLimits(**{name: value})  # type: ignore[arg-type]  # that is the point
    assert refused.value.argument == name


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("limits", None),
        ("limits", {"max_loss": 1}),
        ("gates", [7]),
        ("gates", 7),
        ("quotes", 1),
        ("ticks", "x"),
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(name: str, value: object) -> None:
    """With the name of what is wrong."""
    with pytest.raises(InvalidInput) as refused:
        RiskPolicy(**{name: value})  # type: ignore[arg-type]  # that is the point
    assert refused.value.argument == name


amounts = st.decimals(min_value="0.01", max_value=10**9, places=2)


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "max_order_size": amounts,
            "max_position": amounts,
            "max_loss": amounts,
            "collar_percent": amounts,
            "max_orders_per_second": st.integers(1, 100),
            "max_orders_per_day": st.integers(1, 10_000),
            "duplicate_window_s": st.floats(0.001, 100),
        },
    )
)
def test_as_many_gates_as_limits(limits: dict[str, Any]) -> None:
    """Whatever is set, and the copy of a value is the same value."""
    made = RiskLimits(**limits)
    assert len(made.gates()) == len(limits)
    assert attrs.evolve(made) == made
    assert all(f"{name} " in str(made) for name in limits)
