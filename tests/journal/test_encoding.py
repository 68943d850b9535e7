"""Commands and facts as JSON: exact both ways, nothing run, nothing lost in silence."""

from __future__ import annotations

import collections
import inspect
import json
import math
import typing
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi import order as ib_order
from ibapi import order_condition as conditions
from ibapi.softdollartier import SoftDollarTier
from ibapi.tag_value import TagValue

from ibkr_core.errors import InvalidInput, InvalidOrder
from ibkr_core.journal import encoding
from ibkr_core.journal.encoding import Opaque, Unreadable, check_storable, from_json, kind_of, to_json
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.inputs import Command, Modify, NewOrder, Submit
from ibkr_core.model.algos import OtherAlgo
from ibkr_core.model.contract import ComboLeg, Contract, DeltaNeutral
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Action, OcaType, Order
from ibkr_core.model.orderfields import OTHER_ORDER_FIELDS
from ibkr_core.model.record import Request
from ibkr_core.testing.arbitrary import arbitrary_facts
from tests.journal.making import submit
from tests.orders.samples import CONDITIONS, WORKED

TEXTS = st.text(max_size=12) | st.sampled_from(('"$":"opaque"', "\ud800", "a\x00b", "\u2028", "🐂"))
NUMBERS = st.decimals(allow_nan=False, allow_infinity=False, min_value=0, max_value=10**9, places=6).map(
    lambda number: number.normalize()
) | st.sampled_from((Decimal("1E+5"), Decimal("0.10"), Decimal("100.00")))
OFFICIAL = sorted(OTHER_ORDER_FIELDS - {"conditions", "algoStrategy", "algoParams"})
"""But those that an order has values for: it cannot have both."""
IDS = st.integers(-(2**70), 2**70)
PLAIN = st.none() | st.booleans() | IDS | st.floats() | TEXTS | NUMBERS
OFFICIAL_VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(TEXTS | st.just("$") | st.integers(0, 3), inner, max_size=3)
    ),
    max_leaves=6,
)


def legs() -> st.SearchStrategy[ComboLeg]:
    return st.builds(ComboLeg, con_id=st.integers(1, 2**31), ratio=st.integers(1, 9), exchange=TEXTS)


def contracts() -> st.SearchStrategy[Contract]:
    neutral = st.builds(DeltaNeutral, con_id=IDS, delta=st.floats(allow_nan=False), price=NUMBERS)
    return st.builds(
        Contract,
        con_id=IDS,
        symbol=TEXTS,
        sec_type=st.sampled_from(("STK", "BAG", "")),
        strike=st.none() | NUMBERS,
        multiplier=TEXTS,
        include_expired=st.booleans(),
        combo_legs=st.lists(legs(), max_size=3).map(tuple),
        delta_neutral=st.none() | neutral,
    )


def _may_be_sent(value: object) -> bool:
    """An order refuses a number that is none, but for those inside something else."""
    return not isinstance(value, float) or math.isfinite(value)


def orders() -> st.SearchStrategy[Order]:
    """Any order that can be made: a LMT with any other field beside."""
    positive = NUMBERS.filter(bool)
    optional = st.none() | positive
    return st.builds(
        Order,
        action=st.sampled_from(Action),
        quantity=positive,
        order_type=st.just("LMT"),
        limit_price=NUMBERS,
        tif=st.sampled_from(("DAY", "GTC", "IOC")),
        outside_rth=st.booleans(),
        good_after_time=TEXTS,
        oca_group=TEXTS,
        oca_type=st.sampled_from((0, *OcaType)),
        parent_id=IDS,
        transmit=st.booleans(),
        account=TEXTS,
        order_ref=TEXTS,
        hidden=st.booleans(),
        min_quantity=st.none() | IDS,
        display_size=st.none() | IDS,
        cash_quantity=optional,
        what_if=st.booleans(),
        conditions=st.lists(st.sampled_from([one for one, _ in CONDITIONS.values()]), max_size=3),
        conditions_cancel=st.booleans(),
        algo=st.none()
        | st.sampled_from([*(one for one, _, _ in WORKED.values()), OtherAlgo("X", {"a": "b"})]),
        official=st.dictionaries(st.sampled_from(OFFICIAL), OFFICIAL_VALUES.filter(_may_be_sent), max_size=4),
    )


def new_orders() -> st.SearchStrategy[NewOrder]:
    return st.builds(NewOrder, IDS, TEXTS, st.none() | contracts(), st.none() | orders())


def commands() -> st.SearchStrategy[Command]:
    """Any command there is, built from what its fields are said to hold."""
    fields: dict[Any, st.SearchStrategy[Any]] = {
        int: IDS,
        str: TEXTS,
        Request: st.sampled_from(Request),
        Order: orders(),
        Order | None: st.none() | orders(),
        tuple[int, ...]: st.lists(IDS, max_size=4).map(tuple),
        tuple[NewOrder, ...]: st.lists(new_orders(), max_size=3).map(tuple),
    }
    made = []
    for kind in typing.get_args(Command):
        hints = typing.get_type_hints(kind)
        made.append(st.builds(kind, *(fields[hints[one.name]] for one in attrs.fields(kind))))
    return st.one_of(made)


def same(one: object, other: object) -> bool:
    """Equal, and of equal kind all the way down; NaN is itself."""
    match one, other:
        case float(), float():
            return one == other or (math.isnan(one) and math.isnan(other))
        case Decimal(), Decimal():
            return one.as_tuple() == other.as_tuple()
        case (list(), list()) | (tuple(), tuple()):
            return len(one) == len(other) and all(map(same, one, other))  # type: ignore[arg-type]
        case collections.abc.Mapping(), collections.abc.Mapping():
            return len(one) == len(other) and all(k in other and same(v, other[k]) for k, v in one.items())
        case _ if attrs.has(type(one)):
            return type(one) is type(other) and all(
                same(getattr(one, a.name), getattr(other, a.name)) for a in attrs.fields(type(one))
            )
    return one == other and (isinstance(one, bool) is isinstance(other, bool))


@given(commands())
def test_every_command_comes_back_as_it_was(command: Command) -> None:
    """Every field, official ones of any plain kind included; decimals digit by digit."""
    text = to_json(command)
    assert text.isascii()
    assert same(from_json(kind_of(command), text), command)


@given(arbitrary_facts())
def test_every_fact_comes_back_as_it_was(fact: BrokerFact) -> None:
    """Also those that no broker would send."""
    assert same(from_json(kind_of(fact), to_json(fact)), fact)


@given(commands())
def test_it_is_strict_json(command: Command) -> None:
    """So that SQL's json functions and other languages can read it: no NaN, no Infinity."""
    json.loads(to_json(command), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))


def test_the_json_is_readable() -> None:
    """Plain names and values, the empty ones left out: people read it in SQL."""
    assert json.loads(to_json(submit(7))) == {
        "orders": [
            {
                "$": "NewOrder",
                "order_id": 7,
                "key": "key-7",
                "contract": {
                    "$": "Contract",
                    "symbol": "AAPL",
                    "sec_type": "STK",
                    "exchange": "SMART",
                    "currency": "USD",
                },
                "order": {
                    "$": "Order",
                    "action": "BUY",
                    "quantity": "100",
                    "order_type": "LMT",
                    "limit_price": "190.25",
                    "tif": "DAY",
                    "transmit": True,
                },
            }
        ]
    }


def _official_objects() -> list[Any]:
    leg = ib_order.OrderComboLeg()
    leg.price = 1.25
    price = conditions.PriceCondition(
        conditions.PriceCondition.TriggerMethodEnum.Last, 265598, "SMART", isMore=True, price=190.5
    )
    return [
        TagValue("adaptivePriority", "Urgent"),
        SoftDollarTier("name", "value", "shown"),
        leg,
        price,
        conditions.TimeCondition(True, "20261121 10:00:00 US/Eastern"),
        conditions.MarginCondition(True, 30),
        conditions.ExecutionCondition("STK", "SMART", "AAPL"),
        conditions.VolumeCondition(265598, "SMART", True, 100),
        conditions.PercentChangeCondition(265598, "SMART", True, 2.5),
    ]


@pytest.mark.matrix
@pytest.mark.parametrize("held", _official_objects(), ids=lambda held: type(held).__name__)
def test_the_official_clients_own_objects_come_back(held: Any) -> None:
    """As objects of the same class with the same attributes, so that the order can be sent again."""
    command = Modify(7, Order.market("BUY", 1, official={"conditions": [held]}))
    check_storable(command)
    back = from_json("Modify", to_json(command)).order.official["conditions"][0]
    assert type(back) is type(held)
    assert vars(back) == vars(held)


def test_the_list_of_official_objects_is_whole() -> None:
    """Every order condition of the installed client can be kept."""
    kinds = {
        name
        for name, kind in inspect.getmembers(conditions, inspect.isclass)
        if issubclass(kind, conditions.OrderCondition) and kind.__module__ == "ibapi.order_condition"
    }
    assert kinds - {"OrderCondition", "OperatorCondition", "ContractCondition"} <= set(encoding._OFFICIAL)


class Weird:
    """An object of somebody's own, whose repr fails as well."""

    def __repr__(self) -> str:
        raise RuntimeError("no repr")


@pytest.mark.parametrize("held", [Weird(), object(), {1}, collections.namedtuple("Tag", "t v")("a", "b")])  # noqa: PYI024
def test_what_cannot_be_kept_is_refused_beforehand(held: Any) -> None:
    """Before anything is sent, naming the field; and writing it all the same does not fail."""
    command = Modify(7, Order.market("BUY", 1, official={"algoParams": [held]}))
    with pytest.raises(InvalidOrder, match="algoParams") as caught:
        check_storable(command)
    assert isinstance(caught.value, InvalidInput)
    back = from_json("Modify", to_json(command)).order.official["algoParams"][0]
    assert isinstance(back, Opaque)


def test_a_list_that_holds_itself_is_refused() -> None:
    """There is an end to the depth."""
    held: list[Any] = []
    held.append(held)
    with pytest.raises(InvalidOrder, match="algoParams"):
        check_storable(submit(7, official={"algoParams": held}))


@pytest.mark.parametrize(
    "command",
    [
        submit(7),
        submit(7, official={"algoStrategy": '"$":"opaque"', "sweepToFill": True}),
        Submit((NewOrder(7, "k", None, None),)),
        inputs.Adopt(5, None),
        inputs.Cancel(7),
    ],
)
def test_what_can_be_kept_is_let_through(command: Command) -> None:
    """Also a text that looks like the mark of what cannot."""
    check_storable(command)


def test_an_order_comes_back_though_rules_became_stricter() -> None:
    """It lives at the broker: what is read is not judged again."""
    text = to_json(Modify(7, Order.market("BUY", 1))).replace('"1"', '"-1"')
    assert from_json("Modify", text).order.quantity == -1


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("Nothing", "{}"),
        ("Cancel", "{"),
        ("Cancel", "[]"),
        ("Cancel", "{}"),
        ("Cancel", '{"order_id":7,"more":1}'),
        ("Modify", '{"order_id":7,"order":{"$":"os.system","command":"true"}}'),
        ("Modify", '{"order_id":7,"order":{"$":"ibapi","class":"EClient","fields":{}}}'),
        ("Modify", '{"order_id":7,"order":{"$":"Order","action":"HOLD","quantity":"1"}}'),
        ("Modify", '{"order_id":7,"order":{"$":"Order","action":"BUY","quantity":"much"}}'),
        ("Silence", '{"order_id":7,"request":"sometime"}'),
        ("Sent", '{"order_ids":[{"$":"bytes","hex":"zz"}]}'),
    ],
)
def test_what_is_none_of_ours_is_told(kind: str, text: str) -> None:
    """Unknown kinds, fields of a newer version, classes that are not on the list: never a guess."""
    with pytest.raises(Unreadable):
        from_json(kind, text)


def test_every_class_that_an_input_can_hold_is_known() -> None:
    """A new field of a new class would otherwise be kept as its repr."""

    def held(hint: Any) -> set[type]:
        found = {hint} if isinstance(hint, type) and attrs.has(hint) else set()
        return found.union(*(held(part) for part in typing.get_args(hint)))

    known = set(encoding._VALUES.values())
    for kind in known:
        for hint in typing.get_type_hints(kind).values():
            assert held(hint) <= known, f"{kind.__name__} holds {hint}"


def every_field(value: Any, depth: int = 0) -> dict[str, Any]:
    """What is written of a value, found by looking at each of its fields."""
    packed = {}
    for field in encoding._layouts()[type(value)]:
        item = getattr(value, field.name)
        is_empty = item is field.default or (type(item) in encoding._DULL_TYPES and not item)
        if not (field.is_dull and is_empty):
            packed[field.name] = encoding._pack_typed(item, field.form, depth)
    return packed


@given(st.one_of(commands(), arbitrary_facts()))
def test_only_what_is_empty_is_left_out(value: Command | BrokerFact) -> None:
    """The quick look at the fields that hold something misses none of them."""
    assert json.loads(to_json(value)) == json.loads(encoding._ENCODER.encode(every_field(value)))
    assert list(encoding._pack_fields(value, 0)) == list(every_field(value))
