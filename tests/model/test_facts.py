"""Facts: frozen values that say None for what the broker did not say."""

from __future__ import annotations

import typing
from decimal import Decimal

import attrs
import pytest

from ibkr_core.model import facts
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position

KINDS = typing.get_args(facts.BrokerFact)


def test_every_kind_of_fact_is_in_the_union_and_in_all() -> None:
    """The book takes what BrokerFact lists; a kind that is left out would be lost."""
    names = {kind.__name__ for kind in KINDS}
    assert names == {name for name in facts.__all__ if name.endswith("Fact") and name != "BrokerFact"}
    assert len(KINDS) == 7


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_a_fact_is_frozen(kind: type) -> None:
    """A value that changes would be no fact, also where it was made the quick way."""
    fields = attrs.fields(typing.cast("type[attrs.AttrsInstance]", kind))
    required = {field.name: "x" for field in fields if field.default is attrs.NOTHING}
    fact = kind(**required)
    assert hash(fact) == hash(kind(**required))
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        setattr(fact, fields[0].name, "y")


def test_what_was_not_said_is_none() -> None:
    """No number defaults to zero: zero filled and "did not say" are different things."""
    status = facts.StatusFact(order_id=1, status="Submitted")
    assert status.filled is None
    assert status.remaining is None
    report = facts.CommissionFact(exec_id="a.b.c.01", commission=None)
    assert report.realized_pnl is None
    live = facts.ExecutionFact(exec_id="a.b.c.01", side="BOT", shares=Decimal(1), price=Decimal(1))
    assert live.request_id == -1
    assert live.cum_quantity is None


def test_a_position_says_what_it_is() -> None:
    """One line for people, with the average cost where it was told."""
    held = Position(account="DU1", contract=Contract.stock("AAPL"), quantity=Decimal("1E+2"))
    assert str(held) == "DU1 AAPL 100"
    assert str(attrs.evolve(held, average_cost=Decimal("190.26"))) == "DU1 AAPL 100, average cost 190.26"
