"""Facts without any story."""

from __future__ import annotations

import typing

import attrs
import pytest
from hypothesis import HealthCheck, Phase, find, given, settings

from ibkr_core.model import facts
from ibkr_core.testing.arbitrary import arbitrary_facts

# One example is enough, however large.
ENOUGH = settings(
    max_examples=5_000,
    phases=(Phase.generate,),
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


@pytest.mark.parametrize("kind", typing.get_args(facts.BrokerFact), ids=lambda kind: kind.__name__)
def test_every_kind_of_fact_is_made(kind: type) -> None:
    """None is left out, so that code under test meets all of them."""
    assert isinstance(find(arbitrary_facts(), lambda fact: isinstance(fact, kind), settings=ENOUGH), kind)


@pytest.mark.parametrize("kind", [facts.StatusFact, facts.ExecutionFact, facts.CommissionFact])
def test_every_optional_field_is_none_at_times(kind: type) -> None:
    """None means that the broker did not say; all that may be unsaid together is unsaid together."""
    optional = [
        field.name
        for field in attrs.fields(typing.cast("type[attrs.AttrsInstance]", kind))
        if "None" in str(field.type)
    ]
    assert optional
    find(
        arbitrary_facts(),
        lambda fact: isinstance(fact, kind) and all(getattr(fact, name) is None for name in optional),
        settings=ENOUGH,
    )


@given(arbitrary_facts())
def test_numbers_are_finite_and_facts_are_values(fact: facts.BrokerFact) -> None:
    """The boundary that makes facts lets no NaN through, so none is made here."""
    assert hash(fact) == hash(attrs.evolve(fact))
    for value in attrs.asdict(fact, recurse=True).values():
        assert not hasattr(value, "is_finite") or value.is_finite()
