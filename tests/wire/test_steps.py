"""Sweeps over many fields: they come to what the fields come to one by one, faults included."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.errors import MalformedMessage
from ibkr_core.wire.codec import decode_answer, encode_answer
from ibkr_core.wire.layout import Const, Each, Layout, When, cast, present, zero
from ibkr_core.wire.message import Message, Part
from ibkr_core.wire.plan import Plan, compile_layout
from ibkr_core.wire.registry import answers, plan_for, requests
from ibkr_core.wire.scalars import CONNECTOR
from ibkr_core.wire.steps import Run, Stretch
from wire.test_codec import DIRECTIONS, NAMES, messages, spoken

TEXT_KINDS = [
    pytest.param(kind, encode, id=name)
    for (kind, encode, _), name in zip(DIRECTIONS, NAMES, strict=True)
    if kind.layout is not None
]


def one_by_one(plan: Plan) -> Plan:
    """The same plan, walked field by field as the table says."""
    return attrs.evolve(plan, sweeps=plan.steps)


def outcome(action: Any, *args: Any) -> Any:
    """What an action gives, or everything about its refusal."""
    try:
        return action(*args)
    except MalformedMessage as fault:
        return fault.kind, fault.field, fault.index, str(fault)


def as_parts(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A message whose sub-messages are parts."""
    return {name: Part(value) if isinstance(value, dict) else value for name, value in fields.items()}


@pytest.mark.parametrize(("kind", "encode"), TEXT_KINDS)
@settings(max_examples=max(8, settings.default.max_examples // 8))
@given(st.data())
def test_sweeps_say_what_the_table_says(kind: Any, encode: Any, data: st.DataObject) -> None:
    """Every kind at any version: the same texts, and out of any texts the same values or the same refusal."""
    possible = [version for version in spoken(kind) if version < kind.protobuf_since]
    if not possible:
        return
    plan = plan_for(kind, data.draw(st.sampled_from(possible)))
    fields = data.draw(messages(kind))
    values = outcome(one_by_one(plan).write, kind.name, fields)
    assert outcome(plan.write, kind.name, fields) == values
    if not isinstance(values, list):
        return
    raw = [value.encode() for value in values]
    assert outcome(plan.read, kind.name, raw) == outcome(one_by_one(plan).read, kind.name, raw)
    if raw:
        position = data.draw(st.integers(0, len(raw) - 1))
        raw[position : position + data.draw(st.integers(0, 2))] = data.draw(
            st.lists(st.sampled_from([b"", b"x", b"7", b"1e400", b"2147483647", b"\xff", b"-1"]), max_size=2)
        )
        assert outcome(plan.read, kind.name, raw) == outcome(one_by_one(plan).read, kind.name, raw)


@pytest.mark.parametrize(("kind", "encode", "decode"), DIRECTIONS, ids=NAMES)
@settings(max_examples=max(4, settings.default.max_examples // 20))
@given(st.data())
def test_parts_are_said_as_what_they_hold(kind: Any, encode: Any, decode: Any, data: st.DataObject) -> None:
    """A sub-message as a part says the same, the first time, again, and at another version."""
    possible = spoken(kind)
    if not possible:
        return
    fields = data.draw(messages(kind))
    parts = Message(kind.name, as_parts(fields))
    for version in (*data.draw(st.lists(st.sampled_from(possible), min_size=2, max_size=2)), possible[-1]):
        expected = encode(Message(kind.name, fields), version)
        for _ in range(2):
            got = encode(parts, version)
            # Protobuf writes the entries of a map in any order.
            assert got == expected or (
                version >= kind.protobuf_since and decode(got, version) == decode(expected, version)
            )


def test_the_order_messages_are_mostly_stretches() -> None:
    """What is known of an order is not written again: few steps of openOrder are left to do each time."""
    kinds = {kind.name: kind for kind, encode, _ in DIRECTIONS if encode is encode_answer}
    sweeps = plan_for(kinds["openOrder"], 176).sweeps
    assert len(sweeps) <= 12
    assert {step.root for step in sweeps if isinstance(step, Stretch)} == {"contract", "order", "orderState"}


def test_a_part_remembers_per_message() -> None:
    """What one message made of a part is not given to another message, or version, that says it otherwise."""
    contract = Part({"conId": 5, "symbol": "A", "secType": "STK", "exchange": "X", "currency": "USD"})
    fields = {"orderId": 1, "contract": contract, "order": Part({"action": "BUY"}), "orderState": {}}
    first = encode_answer(Message("openOrder", fields), 176)
    other = encode_answer(Message("position", {"account": "a", "contract": contract}), 176)
    assert b"\0A\0STK" in first
    assert other.startswith(b"61\x003\0a\x005\0A\0STK\0")
    assert encode_answer(Message("openOrder", fields), 176) == first


def test_a_part_with_a_wrong_field_is_refused_every_time() -> None:
    """Being asked twice does not make it right."""
    message = Message("openOrder", {"orderId": 1, "order": Part({"nonsense": 1})})
    for _ in range(2):
        with pytest.raises(MalformedMessage, match="nonsense"):
            encode_answer(message, 176)
    message = Message("openOrder", {"orderId": 1, "order": Part({"lmtPrice": "x"})})
    for _ in range(2):
        with pytest.raises(MalformedMessage, match="lmtPrice"):
            encode_answer(message, 176)


@pytest.mark.parametrize(
    "change",
    [
        lambda part: part.__setitem__("a", 1),
        lambda part: part.__delitem__("a"),
        lambda part: part.update(b=1),
        lambda part: part.setdefault("b", 1),
        lambda part: part.pop("a"),
        lambda part: part.popitem(),
        lambda part: part.clear(),
    ],
)
def test_a_part_does_not_change(change: Any) -> None:
    """Or what was made of it would be a lie."""
    part = Part({"a": 1})
    with pytest.raises(TypeError, match="does not change"):
        change(part)
    assert part == {"a": 1}


def test_runs_end_where_another_sub_message_begins() -> None:
    """Plain fields in a row are one step; a count, a condition, or another sub-message ends it."""
    nodes = (
        zero("orderId order.action order.lmtPrice"),
        zero("contract.symbol order.tif"),
        When(present("order.tif"), (zero("order.hidden"),), looks_at="order.tif"),
    )
    sweeps = compile_layout(Layout("PlaceOrderRequest", nodes), 176).sweeps
    assert [type(step).__name__ for step in sweeps] == ["Run", "Stretch", "Stretch", "Stretch"]
    inner = [len(step.steps) for step in sweeps if isinstance(step, (Stretch, Run))]
    assert inner == [1, 1, 1, 2]


def test_a_condition_that_looks_elsewhere_is_no_part_of_a_stretch() -> None:
    """It is asked for each message, for what it looks at may differ while the part does not."""
    nodes = (zero("order.action"), When(present("contract.symbol"), (zero("order.tif"),)))
    plan = compile_layout(Layout("PlaceOrderRequest", nodes), 176)
    order = Part({"action": "BUY", "tif": "DAY"})
    assert plan.write("kind", {"order": order, "contract": {"symbol": "A"}}) == ["BUY", "DAY"]
    assert plan.write("kind", {"order": order}) == ["BUY"]


def test_a_field_that_may_not_be_empty_stays_out_of_runs() -> None:
    """The connector of conditions is the one field for which nothing is not unset."""
    nodes = (Each("order.conditions", (zero("type"), cast(CONNECTOR, "isConjunctionConnection"))),)
    plan = compile_layout(Layout("PlaceOrderRequest", nodes), 176)
    with pytest.raises(MalformedMessage) as caught:
        plan.read("placeOrder", [b"1", b"4", b""])
    assert caught.value.field == "isConjunctionConnection"


def test_fields_that_carry_nothing_are_part_of_a_run() -> None:
    """They are written whatever the message holds, and leave no trace when read."""
    plan = compile_layout(Layout("PlaceOrderRequest", (Const("45"), zero("orderId"), Const(""))), 176)
    assert len(plan.sweeps) == 1
    assert plan.write("kind", {"orderId": 7}) == ["45", "7", ""]
    assert plan.read("kind", [b"anything", b"7", b"else"]) == {"orderId": 7}


def test_quantities_of_every_spelling_are_written_out() -> None:
    """The short cut for plain quantities leaves the others alone."""
    plan = compile_layout(Layout("Order", (zero("totalQuantity"),)), 176)
    for given_, text in (("1.50", "1.50"), ("1E+3", "1000"), ("1E-9", "0.000000001"), ("-0", "-0")):
        assert plan.write("kind", {"totalQuantity": Decimal(given_)}) == [text]
    for bad in ("NaN", "NaN123", "Infinity", "1E+70"):
        with pytest.raises(MalformedMessage):
            plan.write("kind", {"totalQuantity": Decimal(bad)})


def test_a_connector_that_protobuf_left_out_is_an_or_in_text() -> None:
    """Protobuf does not send a false flag; the same order told as text must be one that can be read."""
    fields = {"order": {"conditions": [{"type": 5, "symbol": "A"}]}, "contract": {}, "orderState": {}}
    body = encode_answer(Message("openOrder", fields), 176)
    (condition,) = decode_answer(body, 176).fields["order"]["conditions"]
    assert condition["isConjunctionConnection"] is False


@pytest.mark.parametrize("name", ["openOrder", "completedOrder"])
@settings(max_examples=40)
@given(st.data())
def test_a_changed_part_is_said_as_what_it_holds(name: str, data: st.DataObject) -> None:
    """Whatever differs between two orders, the second is told with its own fields, not with the first's."""
    kind = answers().by_name[name]
    first, second = data.draw(messages(kind)), data.draw(messages(kind))
    version = data.draw(
        st.sampled_from([version for version in spoken(kind) if version < kind.protobuf_since])
    )
    parts = as_parts(first)
    encode_answer(Message(name, parts), version)
    for part in ("contract", "order", "orderState"):
        if part in parts and part in second:
            parts[part] = parts[part].changed(
                {**first[part], **data.draw(st.sampled_from([{}, second[part]]))}
            )
    expected = {key: dict(value) if isinstance(value, dict) else value for key, value in parts.items()}
    assert encode_answer(Message(name, parts), version) == encode_answer(Message(name, expected), version)


def test_conditions_look_at_what_they_say_alone() -> None:
    """A condition that looked at more would tell an order with what another one held."""
    looked: set[str] = set()

    class Watched(dict[str, Any]):
        def __init__(self, path: str, fields: Mapping[str, Any]) -> None:
            super().__init__(fields)
            self.path = path

        def get(self, name: str, default: Any = None) -> Any:
            looked.add(f"{self.path}{name}")
            value = super().get(name, default)
            return Watched(f"{self.path}{name}.", value) if isinstance(value, dict) else value

    found = 0
    for kind in (*requests().by_name.values(), *answers().by_name.values()):
        for node in kind.layout.nodes if kind.layout else ():
            if isinstance(node, When) and node.looks_at:
                found += 1
                looked.clear()
                order = {
                    "orderType": "PEG BENCH",
                    "scalePriceIncrement": 1.0,
                    "competeAgainstBestOffset": 1.0,
                }
                node.condition(Watched("", {"order": order, "contract": {"secType": "BAG"}}))
                assert looked <= {"order", "contract", *node.looks_at.split()}, kind.name
    assert found > 5
