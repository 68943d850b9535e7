"""New orders written by what an earlier one of their shape looked like: the plain encoder's own JSON."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.journal import encoding
from ibkr_core.journal.intents import Intents
from ibkr_core.journal.tail import pack
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.inputs import Command, NewOrder, Sent, Submit
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.shapes import VARYING, Shapes
from tests.journal.making import START
from tests.link.test_templates import BASES, TEXTS, all_orders, varied

STOCK = Contract.stock("AAPL", con_id=265598)
LIMIT = Order.limit("BUY", 100, "150.25", order_ref="k")


@pytest.fixture(name="plain")
def _plain(monkeypatch: pytest.MonkeyPatch) -> list[Command]:
    """All commands that went through the plain encoder."""
    seen: list[Command] = []
    proper: Callable[[Any], str] = encoding.to_json

    def noted(value: Command) -> str:
        seen.append(value)
        return proper(value)

    monkeypatch.setattr(encoding, "to_json", noted)
    return seen


def submit(order_id: int, key: str, contract: Contract, order: Order) -> Submit:
    return Submit((NewOrder(order_id, key, contract, order),))


@given(data=st.data(), name=st.sampled_from(sorted(BASES)))
@settings(max_examples=300, deadline=None)
def test_the_json_is_that_of_the_plain_encoder(data: st.DataObject, name: str) -> None:
    """For plain orders and others, whatever the values, with one journal's memory of the shapes before."""
    contract, order = BASES[name]
    intents = Intents(Shapes())
    for turn in range(4):
        made: tuple[int, Contract, Order] = (100 + turn, contract, order.labelled(f"key{turn}"))
        if turn:
            made = varied(data.draw, contract, order)
        key = data.draw(TEXTS)
        command = submit(made[0], key, *made[1:])
        assert intents.to_json(command) == encoding.to_json(command)


def test_every_order_type_is_written_alike_the_third_time() -> None:
    """All that the builders make, conditions and algorithms too, whether it has a shape or not."""
    intents = Intents(Shapes())
    for turn in range(3):
        for _, contract, order in all_orders():
            command = submit(7 + turn, f"key{turn}", contract, order.labelled(f"ref{turn}"))
            assert intents.to_json(command) == encoding.to_json(command)


def test_other_commands_are_written_alike() -> None:
    """Groups, orders of which nothing is known, and what is no new order at all."""
    intents = Intents(Shapes())
    one, other = NewOrder(1, "a", STOCK, LIMIT), NewOrder(2, "b", None, None)
    commands: list[Command] = [
        Submit((one, other)),
        Submit((other,)),
        Submit(()),
        Sent((7,)),
        Sent((7, 8)),
        Sent(()),
        inputs.Cancel(7),
        inputs.Modify(7, LIMIT),
        inputs.NotSent(7, "why"),
    ]
    for command in commands:
        assert intents.to_json(command) == encoding.to_json(command)


def test_the_second_order_of_a_shape_is_not_encoded_anew(plain: list[Command]) -> None:
    """Another stock, quantity, price, key and id make no difference; another time in force does."""
    intents = Intents(Shapes())
    intents.to_json(submit(1, "k", STOCK, LIMIT))
    plain.clear()
    msft = Contract.stock("MSFT", con_id=272093)
    text = intents.to_json(submit(2, "x", msft, Order.limit("BUY", Decimal("7.50"), 9, order_ref="x%s")))
    assert plain == []
    assert '"quantity":"7.50"' in text
    intents.to_json(submit(3, "y", msft, LIMIT.replace(tif="GTC")))
    assert len(plain) == 1
    intents.to_json(Sent((3,)))
    assert len(plain) == 1


class Loud(str):
    """A text that is none."""

    __slots__ = ()


@pytest.mark.parametrize(
    "command",
    [
        submit(4, Loud("k"), STOCK, LIMIT),
        submit(True, "k", STOCK, LIMIT),
        submit(4, "k", STOCK, attrs.evolve(LIMIT, order_ref=Loud("k"))),
        submit(4, "k", STOCK, attrs.evolve(LIMIT, order_ref="")),
        submit(4, "k", attrs.evolve(STOCK, description="shares"), LIMIT),
        submit(4, "k", attrs.evolve(STOCK, symbol=Loud("AAPL")), LIMIT),
        Sent((True,)),
    ],
)
def test_what_the_shape_does_not_know_goes_the_plain_way(command: Command, plain: list[Command]) -> None:
    """A value of another type may be written otherwise, and a contract may have more than is ever sent."""
    intents = Intents(Shapes())
    intents.to_json(submit(1, "k", STOCK, LIMIT))
    plain.clear()
    text = intents.to_json(command)
    assert plain == [command]
    assert text == encoding.to_json(command)


def test_values_that_look_like_marks_are_written_alike() -> None:
    """What a template is made with may stand in an order too."""
    intents = Intents(Shapes())
    for account in ("<0>", "<3>", "%s", "%(x)s"):
        order = attrs.evolve(LIMIT, account=account)
        for number in range(3):
            command = submit(number, "<1>", attrs.evolve(STOCK, symbol="<2>"), order)
            assert intents.to_json(command) == encoding.to_json(command)


@pytest.mark.parametrize("name", sorted({*BASES} - {"cash", "combo"}))
def test_values_that_are_alike_in_the_first_order_keep_their_places(name: str) -> None:
    """Which value stands where is not guessed: a group called like the reference, all prices the same."""
    contract, order = BASES[name]
    shape = Shapes().of(contract, order)
    assert shape is not None
    alike: dict[type, Any] = {str: "same", int: 7, Decimal: Decimal(7)}
    alike_contract, alike_order = (
        {one: alike[type(getattr(part, one))] for one in VARYING[type(part)] if one in shape.filled}
        for part in (contract, order)
    )
    terms = attrs.evolve(order, **alike_order)
    first = submit(7, "same", attrs.evolve(contract, **alike_contract), terms)
    intents = Intents(Shapes())
    for command in (first, submit(9, "key", contract, order.labelled("reference"))):
        assert intents.to_json(command) == encoding.to_json(command)


def test_an_order_of_a_group_is_written_by_its_shape_too(plain: list[Command]) -> None:
    """Its group stands before its reference in the text, and behind it among what differs."""
    intents = Intents(Shapes())
    order = attrs.evolve(LIMIT, oca_group="pair", parent_id=5)
    for number in range(3):
        command = submit(number, "k", STOCK, order.replace(oca_group=f"pair{number}"))
        assert f'"oca_group":"pair{number}"' in intents.to_json(command)
    assert len(plain) == 1


def test_a_memory_that_is_full_begins_anew() -> None:
    """However many shapes come, only so many are kept."""
    intents = Intents(Shapes(), most=3)
    for number in range(10):
        command = submit(number, "k", STOCK, attrs.evolve(LIMIT, account=f"DU{number}"))
        assert intents.to_json(command) == encoding.to_json(command)
        assert len(intents._known) <= 3


def test_a_shape_that_cannot_be_learnt_is_written_plainly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever goes wrong over it: the intent is written all the same."""

    def fail(*_: object) -> None:
        raise RuntimeError("not foreseen")

    monkeypatch.setattr("ibkr_core.journal.intents._learnt", fail)
    intents = Intents(Shapes())
    for number in range(2):
        command = submit(number, "k", STOCK, LIMIT)
        assert intents.to_json(command) == encoding.to_json(command)


@given(data=st.data(), name=st.sampled_from(sorted(BASES)))
@settings(max_examples=100, deadline=None)
def test_what_is_flat_says_what_it_would_say_otherwise(data: st.DataObject, name: str) -> None:
    """The segments of orders and of their sending are the same, wherever they were made flat."""
    contract, order = BASES[name]
    intents = Intents(Shapes())
    for number in range(3):
        order_id, of, terms = varied(data.draw, contract, order)
        at = START.replace(tzinfo=data.draw(st.sampled_from((UTC, None))))
        for command in (submit(order_id, data.draw(TEXTS), of, terms), Sent((order_id,)), Sent((1, 2))):
            recorded = (number, command, at, 7, None)
            assert pack(1, [intents.flattened(recorded)], 9) == pack(1, [recorded], 9)
