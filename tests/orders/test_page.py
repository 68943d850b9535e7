"""The page of order types says what the code does."""

from __future__ import annotations

import ast
import inspect
import re

import pytest

from ibkr_core import orders
from ibkr_core.model.algos import ALGOS
from ibkr_core.model.conditions import CONDITIONS
from ibkr_core.model.order import Order
from ibkr_core.model.orderrules import CHANGE_RULES, RULES
from tests.orders.page import GROUPS, HEAD, PAGE, builders, page, parts
from tests.orders.samples import BUILT

MADE = {function.__name__: function for _, made in builders() for function in made}
CHANGERS = {"conditional", "worked_by", "check_side", "check_ticks", "rounded"}
"""What takes an order and makes no type of its own."""


def test_the_page_is_the_codes_own() -> None:
    """``python -m tests.orders.page`` writes it."""
    assert PAGE.read_text(encoding="utf-8") == page()


def test_every_builder_is_offered_and_has_a_sample() -> None:
    """What a group makes can be had from the top of the package, and is tried on the wire."""
    assert set(MADE) <= set(orders.__all__)
    assert set(MADE) - CHANGERS == set(BUILT)
    kinds = {name for name in orders.__all__ if inspect.isclass(getattr(orders, name))}
    values = {kind.__name__ for kind in (*CONDITIONS, *ALGOS.values())}
    rest = {"Algo", "OtherAlgo", "AuctionStrategy", "VolatilityType", "ReferencePrice", "PriceGrid"}
    assert kinds == values | rest
    joiners = {"all_of", "any_of", "Condition"}
    assert set(orders.__all__) == set(MADE) | kinds | joiners
    assert len(GROUPS) == 10


@pytest.mark.parametrize("name", MADE)
def test_a_docstring_tells_of_every_argument(name: str) -> None:
    """Its own arguments all have a meaning there, but for side and size where there is nothing else."""
    own = [one for one in inspect.signature(MADE[name]).parameters if one != "fields"]
    _, meant = parts(inspect.getdoc(MADE[name]) or "")
    assert list(meant)[: len(own)] == own or (own == ["action", "quantity"] and not meant)
    assert all(meant.values())


@pytest.mark.parametrize("name", BUILT)
def test_a_docstring_names_the_official_fields(name: str) -> None:
    """Each field of the sample stands in the docstring of its builder, or in that of its module."""
    module = inspect.getmodule(MADE[name])
    text = (inspect.getdoc(MADE[name]) or "") + (inspect.getdoc(module) or "")
    plain = {"action", "totalQuantity", "orderType", "tif", "auxPrice", "lmtPrice", "trailStopPrice"}
    for field in sorted(set(BUILT[name].official) - plain - {"parentId"}):
        assert field in text, field


@pytest.mark.parametrize("kind", [*CONDITIONS, *ALGOS.values()])
def test_a_value_tells_of_every_field(kind: type) -> None:
    """Nothing of a condition or an algorithm is left to guessing."""
    _, meant = parts(inspect.getdoc(kind) or "")
    assert set(meant) == set(inspect.signature(kind).parameters)
    for official in re.findall(r"\(official ``(\w+)``", inspect.getdoc(kind) or ""):
        assert official


def test_every_rule_is_on_the_page() -> None:
    """By its name, with its source."""
    text = PAGE.read_text(encoding="utf-8")
    for rule in (*RULES, *CHANGE_RULES):
        assert f"| {rule.name} |" in text  # type: ignore[attr-defined]  # both kinds have a name


def test_the_example_runs() -> None:
    """What the page shows first makes orders."""
    [source] = re.findall(r"```python\n(.*?)```", HEAD, re.DOTALL)
    names: dict[str, object] = {}
    exec(compile(ast.parse(source), str(PAGE), "exec"), names)  # noqa: S102 - our own page
    assert all(isinstance(names[one], Order) for one in ("entry", "late", "stop", "close"))
