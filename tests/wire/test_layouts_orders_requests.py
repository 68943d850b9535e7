"""The order requests of the official client: we read each field, and write the same bytes again."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi import order_condition
from ibapi.contract import ComboLeg, Contract, DeltaNeutralContract
from ibapi.order import Order, OrderComboLeg
from ibapi.server_versions import MAX_CLIENT_VER
from ibapi.softdollartier import SoftDollarTier
from ibapi.tag_value import TagValue

from ibkr_core.wire.codec import decode_request, encode_request
from ibkr_core.wire.scalars import UNSET_DECIMAL, UNSET_DOUBLE, UNSET_INT, UNSET_LONG
from ibkr_core.wire.schema import fields_of
from wire.official_compare import RENAMED
from wire.oracle import BOUNDARIES, OLD_CLIENT, OfficialClient, versions
from wire.orders import (
    BENCHMARK,
    CONDITION_FLAGS,
    CONDITIONS,
    DELTA_NEUTRAL,
    FLAGS_AS_NUMBERS,
    GROUPED,
    ORDER_TYPES,
    SCALE,
)
from wire.values import ASCII_TEXTS, BY_TYPE, SHORT_FLOATS, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))
PLAIN_TEXTS = ASCII_TEXTS.filter(lambda text: "=" not in text and ";" not in text)
ASCII = {
    **BY_TYPE,
    "str": ASCII_TEXTS,
    "map": st.dictionaries(PLAIN_TEXTS, PLAIN_TEXTS, min_size=1, max_size=3),
}

# The client's default is the int 0, which we write back as such: a float zero would look different.
OVERRIDES = {**FLAGS_AS_NUMBERS, "discretionaryAmt": BY_TYPE["float"].filter(bool)}

PROTOBUF_SINCE = 203
SINCE = {
    "isOmsContainer": 145,
    "discretionaryUpToLimitPrice": 148,
    "usePriceMgmtAlgo": 151,
    "duration": 158,
    "postToAts": 160,
    "autoCancelParent": 162,
    "advancedErrorOverride": 166,
    "manualOrderTime": 169,
    "minTradeQty": 170,
    "minCompeteSize": 170,
    "competeAgainstBestOffset": 170,
    "midOffsetAtWhole": 170,
    "midOffsetAtHalf": 170,
    "customerAccount": 183,
    "professionalCustomer": 184,
    "includeOvernight": 189,
    "manualOrderIndicator": 192,
    "imbalanceOnly": 199,
    "submitter": 203,
    "bondAccruedInterest": 203,
    "deactivate": 216,
    "postOnly": 216,
    "allowPreOpen": 216,
    "ignoreOpenAuction": 216,
    "routeMarketableToBbo": 217,
    "seekPriceImprovement": 217,
    "whatIfType": 217,
    "hedgeMaxSize": 223,
    "conditionsIncludeOvernight": 226,
}
"""The version from which the client sends an order's field; before, it refuses the order."""

NOT_SENT = {
    "orderId",
    "autoCancelDate",
    "filledQuantity",
    "refFuturesConId",
    "shareholder",
    "parentPermId",
    "sharesAllocation",
    "basisPoints",
    "basisPointsType",
}
"""What only answers carry, in either form."""

TEXT_NOT_SENT = {"clientId", "permId"}
PROTOBUF_NOT_SENT = {"eTradeOnly", "firmQuoteOnly", "nbboPriceCap", "faProfile", "auctionStrategy"}
CONDITION_CLASSES = {
    1: order_condition.PriceCondition,
    3: order_condition.TimeCondition,
    4: order_condition.MarginCondition,
    5: order_condition.ExecutionCondition,
    6: order_condition.VolumeCondition,
    7: order_condition.PercentChangeCondition,
}


def official(message: str, fields: Mapping[str, Any], target: Any) -> Any:
    """Set our fields on one of the client's objects; those that its version lacks are left out."""
    for name, value in fields.items():
        kind = fields_of(message)[name]
        attribute = RENAMED.get(message, {}).get(name, name)
        if kind.is_message or not hasattr(target, attribute):
            continue
        pairs = [TagValue(tag, text) for tag, text in value.items()] if kind.name == "map" else None
        setattr(target, attribute, value if pairs is None else pairs)
    return target


def official_condition(fields: Mapping[str, Any]) -> Any:
    """One of the client's conditions."""
    condition = CONDITION_CLASSES[fields["type"]]()
    for name, value in fields.items():
        if name != "type":
            setattr(condition, name, value)
    return condition


def official_contract(fields: Mapping[str, Any]) -> Contract:
    """The client's contract, whose multiplier is a text."""
    contract = official("Contract", fields, Contract())
    if "multiplier" in fields:
        contract.multiplier = repr(fields["multiplier"]).removesuffix(".0")
    if "comboLegs" in fields:
        contract.comboLegs = [official("ComboLeg", leg, ComboLeg()) for leg in fields["comboLegs"]]
    if "deltaNeutralContract" in fields:
        contract.deltaNeutralContract = official(
            "DeltaNeutralContract", fields["deltaNeutralContract"], DeltaNeutralContract()
        )
    return contract


def official_order(fields: Mapping[str, Any], legs: list[dict[str, Any]]) -> Order:
    """The client's order, which keeps the prices of the legs."""
    order = official("Order", fields, Order())
    order.conditions = [official_condition(item) for item in fields.get("conditions", [])]
    if "softDollarTier" in fields:
        tier = fields["softDollarTier"]
        order.softDollarTier = SoftDollarTier(
            tier.get("name", ""), tier.get("value", ""), tier.get("displayName", "")
        )
    if "usePriceMgmtAlgo" in fields and hasattr(order, "usePriceMgmtAlgo"):
        order.usePriceMgmtAlgo = bool(fields["usePriceMgmtAlgo"])
    if any("perLegPrice" in leg for leg in legs):
        order.orderComboLegs = []
        for leg in legs:
            price = OrderComboLeg()
            price.price = leg.get("perLegPrice", UNSET_DOUBLE)
            order.orderComboLegs.append(price)
        while order.orderComboLegs and order.orderComboLegs[-1].price == UNSET_DOUBLE:
            order.orderComboLegs.pop()
    return order


@st.composite
def contracts(draw: st.DrawFn) -> dict[str, Any]:
    """Contracts, with legs if and only if the type says BAG: text sends legs for that type only."""
    drop = {"comboLegs", "deltaNeutralContract", "comboLegsDescrip", "includeExpired", "lastTradeDate"}
    drop |= {"description", "issuerId"}
    fields = draw(
        strategy(
            "Contract", drop=drop, overrides={"multiplier": SHORT_FLOATS}, by_type=ASCII, required={"conId"}
        )
    )
    if draw(st.booleans()):
        fields["exchange"] = draw(st.sampled_from(["SMART", "IBKRATS"]))
    if draw(st.booleans()):
        fields["secType"] = "BAG"
        leg = strategy(
            "ComboLeg",
            by_type=ASCII,
            required=set(fields_of("ComboLeg")) - {"perLegPrice", "designatedLocation"},
        )
        fields["comboLegs"] = draw(st.lists(leg, min_size=1, max_size=3))
    if draw(st.booleans()):
        wanted = {"conId", "delta", "price"}
        fields["deltaNeutralContract"] = draw(strategy("DeltaNeutralContract", required=wanted))
    return fields


@st.composite
def orders(draw: st.DrawFn, version: int, combo: bool, exchange: str | None) -> dict[str, Any]:
    """Orders that the client sends at a version."""
    late = {name for name, since in SINCE.items() if version < since}
    text = version < PROTOBUF_SINCE
    drop = GROUPED | late | NOT_SENT | (TEXT_NOT_SENT if text else PROTOBUF_NOT_SENT)
    if text and not combo:
        drop |= {"smartComboRoutingParams"}
    offsets = {"minTradeQty", "minCompeteSize", "competeAgainstBestOffset"}
    offsets |= {"midOffsetAtWhole", "midOffsetAtHalf"}
    fields = draw(strategy("Order", drop=drop | offsets, overrides=OVERRIDES, by_type=ASCII))
    if text and "softDollarTier" in fields:
        fields["softDollarTier"].pop("displayName", None)
    fields["orderType"] = draw(st.sampled_from(ORDER_TYPES))
    for group in [*peg_groups(version, fields["orderType"], exchange), *draw(optional_groups(fields))]:
        fields |= draw(strategy("Order", only=group, by_type=ASCII))
    return fields


def peg_groups(version: int, order_type: str, exchange: str | None) -> list[set[str]]:
    """The fields that come with pegged orders."""
    groups: list[set[str]] = [BENCHMARK] if order_type == "PEG BENCH" else []
    if version >= 170:
        groups += [{"minTradeQty"}] if exchange == "IBKRATS" else []
        groups += [{"minCompeteSize", "competeAgainstBestOffset"}] if order_type == "PEG BEST" else []
        groups += [{"midOffsetAtWhole", "midOffsetAtHalf"}] if order_type == "PEG MID" else []
    return groups


@st.composite
def optional_groups(draw: st.DrawFn, fields: dict[str, Any]) -> list[set[str]]:
    """Set the fields that open a group, and give the groups that they open."""
    groups = []
    for name, values, group in (
        ("deltaNeutralOrderType", ASCII_TEXTS, DELTA_NEUTRAL),
        ("scalePriceIncrement", st.floats(0.01, 100), SCALE),
        ("hedgeType", st.sampled_from(["D", "B", "F", "P"]), {"hedgeParam"}),
        ("algoStrategy", ASCII_TEXTS, {"algoParams"}),
        ("conditions", st.lists(CONDITIONS.filter(is_ascii), min_size=1, max_size=2), CONDITION_FLAGS),
    ):
        if draw(st.booleans()):
            fields[name] = draw(values)
            groups.append(group)
    return groups


def is_ascii(condition: Mapping[str, Any]) -> bool:
    """True for a condition that the client agrees to send."""
    return all(text.isascii() and text.isprintable() for text in condition.values() if isinstance(text, str))


def expected(kind: str, value: Any, *, protobuf: bool) -> Any:
    """What we should read for an attribute of the client: None when the client says unset."""
    unset = {
        "int": UNSET_INT,
        "long": UNSET_LONG,
        "float": UNSET_DOUBLE,
        "dec": UNSET_DECIMAL,
        "str": "",
        "bool": False if protobuf else None,
    }
    if value is None or value == unset.get(kind):
        return None
    if kind == "map":
        return {pair.tag: pair.value for pair in value} or None
    if kind == "dec":
        return Decimal(str(value))
    if kind == "float":
        return float(value)
    return bool(value) if kind == "bool" else value


def unread(message: str, got: Mapping[str, Any], source: Any, skip: set[str], *, protobuf: bool) -> list[str]:
    """List the fields of a request that differ from the attributes of the client's object."""
    problems = []
    for name, field in fields_of(message).items():
        attribute = RENAMED.get(message, {}).get(name, name)
        if field.is_message or name in skip or not hasattr(source, attribute):
            continue
        want = expected(field.name, getattr(source, attribute), protobuf=protobuf)
        if got.get(name) != want:
            problems.append(f"{name}: the client sent {want!r}, we read {got.get(name)!r}")
    return problems


def skipped(version: int, order: Mapping[str, Any], combo: bool, exchange: str | None) -> set[str]:
    """The fields of an order that do not travel at this version with this order."""
    skip = set(NOT_SENT) | {name for name, since in SINCE.items() if version < since}
    if version >= PROTOBUF_SINCE:
        return skip | PROTOBUF_NOT_SENT
    skip |= TEXT_NOT_SENT
    if not combo:
        skip |= {"smartComboRoutingParams"}
    if "deltaNeutralOrderType" not in order:
        skip |= DELTA_NEUTRAL
    if "scalePriceIncrement" not in order:
        skip |= SCALE
    if order["orderType"] != "PEG BENCH":
        skip |= BENCHMARK
    if "conditions" not in order:
        skip |= CONDITION_FLAGS
    if exchange != "IBKRATS":
        skip |= {"minTradeQty"}
    if order["orderType"] != "PEG BEST":
        skip |= {"minCompeteSize", "competeAgainstBestOffset"}
    if order["orderType"] != "PEG MID":
        skip |= {"midOffsetAtWhole", "midOffsetAtHalf"}
    return skip


@given(EVERY_VERSION, st.data())
def test_we_read_every_order_that_the_client_can_place(version: int, data: st.DataObject) -> None:
    """Each attribute of contract and order arrives, and text is written again byte by byte."""
    contract = data.draw(contracts())
    combo, exchange = "comboLegs" in contract, contract.get("exchange")
    order = data.draw(orders(version, combo, exchange))
    source = official_contract(contract)
    theirs = official_order(order, contract.get("comboLegs", []))
    body = OfficialClient(version).body("placeOrder", 11, source, theirs)
    got = decode_request(body, version)
    protobuf = version >= PROTOBUF_SINCE
    assert got.kind == "placeOrder"
    assert got.fields["orderId"] == 11
    not_in_text = set() if protobuf else {"includeExpired", "comboLegsDescrip", "description", "issuerId"}
    not_in_text |= {"lastTradeDate", "multiplier"}
    problems = unread("Contract", got.fields["contract"], source, not_in_text, protobuf=protobuf)
    problems += unread(
        "Order", got.fields["order"], theirs, skipped(version, order, combo, exchange), protobuf=protobuf
    )
    assert not problems, "\n".join(problems)
    assert got.fields["contract"].get("multiplier") == contract.get("multiplier")
    assert got.fields["contract"].get("comboLegs") == contract.get("comboLegs")
    assert got.fields["contract"].get("deltaNeutralContract") == contract.get("deltaNeutralContract")
    assert got.fields["order"].get("conditions") == order.get("conditions")
    assert got.fields["order"].get("softDollarTier", {}) == order.get("softDollarTier", {})
    again = encode_request(got, version)
    if not protobuf:
        assert again == body
    assert decode_request(again, version) == got


@pytest.mark.parametrize("version", versions())
def test_a_plain_order_is_written_back_byte_by_byte(version: int) -> None:
    """The commonest order, at every single version, with all its unset markers (wire facts 7)."""
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = "AAPL", "STK", "SMART", "USD"
    order = Order()
    order.action, order.orderType, order.totalQuantity, order.lmtPrice = "BUY", "LMT", Decimal(100), 1.5
    body = OfficialClient(version).body("placeOrder", 5, contract, order)
    got = decode_request(body, version)
    assert got.fields["order"]["lmtPrice"] == 1.5
    assert "auxPrice" not in got.fields["order"]
    assert got.fields["order"]["transmit"] is True
    if version < PROTOBUF_SINCE:
        assert encode_request(got, version) == body


@pytest.mark.parametrize("version", versions(*range(218, 227)) or [0])
@pytest.mark.skipif(MAX_CLIENT_VER < 218, reason="the installed client has no attached orders")
def test_attached_orders_arrive(version: int) -> None:
    """The ids and types of attached stop-loss and profit-taker orders are read (version 218 and later)."""
    order = Order()
    order.action, order.orderType, order.totalQuantity = "BUY", "MKT", Decimal(1)
    order.slOrderId, order.slOrderType, order.ptOrderId, order.ptOrderType = 12, "STP", 13, "LMT"
    body = OfficialClient(version).body("placeOrder", 11, Contract(), order)
    assert decode_request(body, version).fields["attachedOrders"] == {
        "slOrderId": 12,
        "slOrderType": "STP",
        "ptOrderId": 13,
        "ptOrderType": "LMT",
    }


def cancel_details(version: int, when: str, operator: str, indicator: int) -> Any:
    """The client's OrderCancel, or None where it has none; late fields stay unset at early versions."""
    if OLD_CLIENT:
        return None
    from ibapi.order_cancel import OrderCancel

    details = OrderCancel()
    if version >= 169:
        details.manualOrderCancelTime = when
    if version >= 192:
        details.extOperator = operator
        details.manualOrderIndicator = indicator
    return details


@given(EVERY_VERSION, ASCII_TEXTS, ASCII_TEXTS, st.integers(0, 100))
def test_we_read_every_cancellation(version: int, when: str, operator: str, indicator: int) -> None:
    """One cancellation and the global one with all that they may carry, and back byte by byte."""
    details = cancel_details(version, when, operator, indicator)
    late = {} if version < 192 or OLD_CLIENT else {"extOperator": operator, "manualOrderIndicator": indicator}
    timed = {} if version < 169 or OLD_CLIENT else {"manualOrderCancelTime": when}
    arguments = () if OLD_CLIENT else (details,)
    body = OfficialClient(version).body("cancelOrder", 9, *arguments)
    got = decode_request(body, version)
    assert got.kind == "cancelOrder"
    assert got.fields == {"orderId": 9, "orderCancel": timed | late}
    everything = OfficialClient(version).body("reqGlobalCancel", *arguments)
    got_all = decode_request(everything, version)
    assert got_all.kind == "reqGlobalCancel"
    assert got_all.fields["orderCancel"] == (late if version < PROTOBUF_SINCE else timed | late)
    if version < PROTOBUF_SINCE:
        assert encode_request(got, version) == body
        assert encode_request(got_all, version) == everything


@pytest.mark.parametrize("version", versions())
def test_we_read_the_requests_for_order_lists(version: int) -> None:
    """Open, all open, auto open and completed orders, and back byte by byte."""
    calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
        ("reqOpenOrders", (), {}),
        ("reqAllOpenOrders", (), {}),
        ("reqAutoOpenOrders", (True,), {"autoBind": True}),
    ]
    if version >= 150:
        calls.append(("reqCompletedOrders", (True,), {"apiOnly": True}))
    for method, arguments, fields in calls:
        body = OfficialClient(version).body(method, *arguments)
        got = decode_request(body, version)
        assert (got.kind, got.fields) == (method, fields)
        assert encode_request(got, version) == body


def test_the_versions_above_are_those_of_the_installed_client() -> None:
    """The gates above would be worthless if no version reached them."""
    assert versions()[-1] == min(MAX_CLIENT_VER, 226)
