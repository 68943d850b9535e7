"""Compiled layouts: each node there and back, and each way to be malformed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.errors import MalformedMessage
from ibkr_core.wire.layout import (
    Const,
    Each,
    Flag,
    Layout,
    LegPrices,
    Mask,
    Node,
    Options,
    Switch,
    Tags,
    Values,
    When,
    blank,
    fixed,
    maxed,
    present,
    pymaxed,
    zero,
)
from ibkr_core.wire.plan import compile_layout

LEGS = Each("contract.comboLegs", (zero("conId action"),))


def there_and_back(nodes: tuple[Node, ...], message: str, fields: dict[str, Any], values: list[str]) -> None:
    """Write fields, compare with the values, read them again."""
    plan = compile_layout(Layout(message, nodes), 176)
    assert plan.write("kind", fields) == values
    assert plan.read("kind", [value.encode() for value in values]) == fields


@pytest.mark.parametrize(
    ("nodes", "message", "fields", "values"),
    [
        ((Const("45"), zero("orderId")), "PlaceOrderRequest", {"orderId": 7}, ["45", "7"]),
        ((zero("contract.symbol"),), "Position", {"contract": {"symbol": "A"}}, ["A"]),
        ((Values("specificDates"),), "ExecutionFilter", {"specificDates": [1, 2]}, ["2", "1", "2"]),
        ((Values("specificDates"),), "ExecutionFilter", {}, ["0"]),
        (
            (Values("derivativeSecTypes"),),
            "ContractDescription",
            {"derivativeSecTypes": ["", "OPT"]},
            ["2", "", "OPT"],
        ),
        ((Tags("algoParams"),), "Order", {"algoParams": {"a": "b", "c": ""}}, ["2", "a", "b", "c", ""]),
        ((Tags("algoParams"),), "Order", {}, ["0"]),
        (
            (Options("orderMiscOptions"),),
            "Order",
            {"orderMiscOptions": {"a": "b", "c": "d=e"}},
            ["a=b;c=d=e;"],
        ),
        ((Options("orderMiscOptions"),), "Order", {}, [""]),
        (
            (Options("orderMiscOptions", count="always"),),
            "Order",
            {"orderMiscOptions": {"a": "b"}},
            ["1", "a=b;"],
        ),
        (
            (LEGS,),
            "PlaceOrderRequest",
            {"contract": {"comboLegs": [{"conId": 1, "action": "BUY"}]}},
            ["1", "1", "BUY"],
        ),
        (
            (LEGS, LegPrices("contract.comboLegs", "perLegPrice", "")),
            "PlaceOrderRequest",
            {"contract": {"comboLegs": [{"conId": 1}, {"conId": 2, "perLegPrice": 1.5}, {"conId": 3}]}},
            ["3", "1", "", "2", "", "3", "", "2", "", "1.5"],
        ),
        (
            (Flag("contract.deltaNeutralContract", (zero("conId delta"),)),),
            "Position",
            {"contract": {"deltaNeutralContract": {"conId": 1, "delta": 0.5}}},
            ["1", "1", "0.5"],
        ),
        ((Flag("contract.deltaNeutralContract", (zero("conId"),)),), "Position", {}, ["0"]),
        (
            (Mask({1: "tickAttribLast.pastLimit", 2: "tickAttribLast.unreported"}),),
            "HistoricalTickLast",
            {"tickAttribLast": {"pastLimit": False, "unreported": True}},
            ["2"],
        ),
        (
            (zero("hedgeType"), When(present("hedgeType"), (zero("hedgeParam"),))),
            "Order",
            {"hedgeType": "D", "hedgeParam": "x"},
            ["D", "x"],
        ),
        ((zero("hedgeType"), When(present("hedgeType"), (zero("hedgeParam"),))), "Order", {}, [""]),
        (
            (zero("tickType"), Switch("tickType", {4: (zero("reqId"),), 5: ()})),
            "TickByTickData",
            {"tickType": 4, "reqId": 6},
            ["4", "6"],
        ),
    ],
)
def test_each_node_goes_there_and_back(
    nodes: tuple[Node, ...], message: str, fields: dict[str, Any], values: list[str]
) -> None:
    """The same table writes and reads."""
    there_and_back(nodes, message, fields, values)


def test_what_is_written_for_unset() -> None:
    """Each word of the table language for unset, by type."""
    names = "orderId permId totalQuantity lmtPrice action hidden"
    plans = {
        name: compile_layout(Layout("Order", (node,)), 176).write("kind", {})
        for name, node in {
            "zero": zero(names),
            "blank": blank(names),
            "maxed": maxed(names),
            "pymaxed": pymaxed(names),
            "fixed": fixed("-1", "exemptCode"),
        }.items()
    }
    assert plans == {
        "zero": ["0", "0", "0", "0.0", "", "0"],
        "blank": [""] * 6,
        "maxed": ["2147483647", "9223372036854775807", "", "1.7976931348623157E308", "", "0"],
        "pymaxed": [
            "2147483647",
            "9223372036854775807",
            "170141183460469231731687303715884105727",
            "1.7976931348623157e+308",
            "",
            "0",
        ],
        "fixed": ["-1"],
    }


@pytest.mark.parametrize(
    ("nodes", "values", "field", "index"),
    [
        ((zero("orderId"),), [], "orderId", 0),
        ((zero("orderId permId"),), [b"1"], "permId", 1),
        ((zero("orderId"),), [b"1", b"2"], "", 1),
        ((zero("orderId"),), [b"x"], "orderId", 0),
        ((Const("1"), zero("lmtPrice")), [b"1", b"nan"], "lmtPrice", 1),
        ((Values("conditions"),), [b"-1"], "conditions", 0),
        ((Tags("algoParams"),), [b"2", b"a", b"b"], "algoParams", 0),
        ((Tags("algoParams"),), [b"2", b"a", b"b", b"a", b"c"], "algoParams", 3),
        ((Tags("algoParams"),), [b"x"], "algoParams", 0),
        ((Tags("algoParams"),), [b"9999999999"], "algoParams", 0),
        ((Options("orderMiscOptions"),), [b"nonsense"], "orderMiscOptions", 0),
        ((Options("orderMiscOptions"),), [b"a=1;a=2;"], "orderMiscOptions", 0),
        ((Each("conditions", (zero("type"),)),), [b"3", b"1", b"2"], "conditions", 0),
        ((Each("conditions", (zero("type price"),)),), [b"2", b"1", b"2"], "type", 3),
    ],
)
def test_malformed_fields_are_named(
    nodes: tuple[Node, ...], values: list[bytes], field: str, index: int
) -> None:
    """Short, surplus and unreadable messages say which field, and where."""
    message = "Order"
    if isinstance(nodes[0], Values):
        nodes, message = (Values("specificDates"),), "ExecutionFilter"
        field = "specificDates"
    plan = compile_layout(Layout(message, nodes), 176)
    with pytest.raises(MalformedMessage) as caught:
        plan.read("placeOrder", values)
    assert caught.value.kind == "placeOrder"
    assert (caught.value.field, caught.value.index) == (field, index)


def test_more_leg_prices_than_legs_are_malformed() -> None:
    """A price without a leg belongs nowhere."""
    plan = compile_layout(
        Layout("PlaceOrderRequest", (LEGS, LegPrices("contract.comboLegs", "perLegPrice", ""))), 176
    )
    with pytest.raises(MalformedMessage, match="2 leg prices for 1 legs"):
        plan.read("placeOrder", [b"1", b"5", b"BUY", b"2", b"1", b"2"])
    with pytest.raises(MalformedMessage, match="not a number"):
        plan.read("placeOrder", [b"1", b"5", b"BUY", b"1", b"x"])


def test_an_unknown_case_is_malformed_both_ways() -> None:
    """A condition type that nobody knows is neither read nor written."""
    plan = compile_layout(
        Layout("OrderCondition", (zero("type"), Switch("type", {1: (zero("price"),)}))), 176
    )
    with pytest.raises(MalformedMessage, match="2 is not known"):
        plan.read("openOrder", [b"2", b"1"])
    with pytest.raises(MalformedMessage, match="None is not known"):
        plan.write("openOrder", {})


@pytest.mark.parametrize(
    ("node", "fields"),
    [
        (zero("totalQuantity"), {"totalQuantity": 1.5}),
        (zero("orderId"), {"orderId": "7"}),
        (zero("action"), {"action": "a\0b"}),
        (Tags("algoParams"), {"algoParams": {"a": 5}}),
        (Options("orderMiscOptions"), {"orderMiscOptions": {"a;b": "c"}}),
    ],
)
def test_values_that_do_not_fit_are_refused(node: Node, fields: dict[str, Any]) -> None:
    """Writing raises the same typed error, with the field's name."""
    plan = compile_layout(Layout("Order", (node,)), 176)
    with pytest.raises(MalformedMessage) as caught:
        plan.write("placeOrder", fields)
    assert caught.value.field == next(iter(fields))


def test_bad_masks_and_values_are_malformed() -> None:
    """A mask is a number, and so is each entry of a list of numbers."""
    plan = compile_layout(Layout("HistoricalTickLast", (Mask({1: "tickAttribLast.pastLimit"}),)), 176)
    with pytest.raises(MalformedMessage, match="not a whole number"):
        plan.read("tick", [b"x"])
    assert plan.read("tick", [b""]) == {}
    plan = compile_layout(Layout("ExecutionFilter", (Values("specificDates"),)), 176)
    for bad in (b"x", b""):
        with pytest.raises(MalformedMessage):
            plan.read("reqExecutions", [b"1", bad])


def test_required_parts_are_always_there() -> None:
    """The client drops an order message without its sub-messages, so reading gives them even when empty."""
    plan = compile_layout(Layout("OpenOrder", (zero("orderId"),), parts=("contract", "order")), 176)
    assert plan.read("openOrder", [b"5"]) == {"orderId": 5, "contract": {}, "order": {}}


def test_a_table_with_a_wrong_name_does_not_compile() -> None:
    """A misspelt field in a table is our fault, and loud."""
    with pytest.raises(KeyError):
        compile_layout(Layout("Order", (zero("lmtPrise"),)), 176)


def test_exact_quantities_pass_through() -> None:
    """Digits are kept on both ways."""
    there_and_back((zero("totalQuantity"),), "Order", {"totalQuantity": Decimal("1.140")}, ["1.140"])
