"""The order tables against the official client: it reads what we write, and we read what it sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.wire.codec import decode_answer, encode_answer
from ibkr_core.wire.message import Message
from wire.official_compare import differences, same, strays
from wire.oracle import BOUNDARIES, HIGHEST, LOWEST, OLD_CLIENT, carried, official_calls, versions
from wire.orders import BY_TYPE_HERE, CONTRACTS, FLAGS_AS_NUMBERS, combo_parts, order_dicts
from wire.values import filled, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))

# Fields of the protobuf messages that the official decoder does not look at in answers.
NOT_READ = {
    "Contract": {"secIdType", "secId", "includeExpired"},
    "Order": {
        "transmit",
        "algoId",
        "scaleTable",
        "overridePercentageConstraints",
        "mifid2DecisionMaker",
        "mifid2DecisionAlgo",
        "mifid2ExecutionTrader",
        "mifid2ExecutionAlgo",
        "advancedErrorOverride",
        "manualOrderTime",
        "orderMiscOptions",
        "orderId",
        "sharesAllocation",
        # Only the old client still has these.
        *(() if OLD_CLIENT else ("eTradeOnly", "firmQuoteOnly", "nbboPriceCap", "faProfile")),
    },
    "OrderState": set(),
}
STATES = strategy("OrderState", by_type=BY_TYPE_HERE)
# What the client's own objects have beside what an order message carries.
NOT_CARRIED = {"orderId", "softDollarTier", "orderComboLegs", "conditions", "comboLegs"}


def names(kind: str, version: int, part: str, message: str) -> set[str]:
    """The fields of a part that travel at this version and that the client reads."""
    return carried(kind, version, part) - NOT_READ[message]


def leg_prices_differ(contract: dict[str, Any], order: Any) -> list[str]:
    """Compare the prices of the legs, which the client keeps in the order."""
    legs = contract.get("comboLegs", [])
    prices = [leg.price for leg in order.orderComboLegs or []]
    ours = [leg.get("perLegPrice") for leg in legs]
    padded = prices + [None] * (len(ours) - len(prices))
    return [
        f"leg {index}: sent {mine!r}, the client read {other!r}"
        for index, (mine, other) in enumerate(zip(ours, padded, strict=True))
        if not same("float", mine, other)
    ]


def assert_order_read(kind: str, version: int, fields: dict[str, Any], call: tuple[Any, ...]) -> None:
    """Check contract, order and order state of an openOrder or completedOrder callback."""
    contract, order, state = call[-3:]
    problems = []
    for part, message, theirs in (
        ("contract", "Contract", contract),
        ("order", "Order", order),
        ("orderState", "OrderState", state),
    ):
        wanted = names(kind, version, part, message)
        problems += differences(message, fields[part], theirs, wanted, f"{part}.")
        problems += strays(message, theirs, wanted, ignore=NOT_CARRIED)
    problems += leg_prices_differ(fields["contract"], order)
    assert not problems, "\n".join(problems)


@given(EVERY_VERSION, st.data())
def test_the_client_reads_our_open_orders(version: int, data: st.DataObject) -> None:
    """Whatever the order, at every version, the official EWrapper gets each field as it was given."""
    fields = {
        "orderId": data.draw(st.integers(1, 10**9)),
        "contract": data.draw(CONTRACTS) | data.draw(combo_parts()),
        "order": data.draw(order_dicts(drop={"orderId"})),
        "orderState": data.draw(STATES),
    }
    calls = official_calls(encode_answer(Message("openOrder", fields), version), version)
    assert [name for name, _ in calls] == ["openOrder"]
    assert calls[0][1][0] == fields["orderId"]
    assert_order_read("openOrder", version, fields, calls[0][1])


@given(EVERY_VERSION, st.data())
def test_the_client_reads_our_completed_orders(version: int, data: st.DataObject) -> None:
    """The same for finished orders, whose text form is another one."""
    fields = {
        "contract": data.draw(CONTRACTS) | data.draw(combo_parts()),
        "order": data.draw(
            order_dicts(
                drop={"orderId"}
                if version >= 204
                else {
                    "orderId",
                    "deltaNeutralSettlingFirm",
                    "deltaNeutralClearingAccount",
                    "deltaNeutralClearingIntent",
                    "deltaNeutralOpenClose",
                }
            )
        ),
        "orderState": data.draw(STATES),
    }
    calls = official_calls(encode_answer(Message("completedOrder", fields), version), version)
    assert [name for name, _ in calls] == ["completedOrder"]
    assert_order_read("completedOrder", version, fields, calls[0][1])


def full_order(*, order_type: str, condition: int) -> dict[str, Any]:
    """An order message with every field set and every group present."""
    fields = filled("OpenOrder")
    fields["order"].pop("orderId")
    fields["order"] |= {"orderType": order_type, **dict.fromkeys(FLAGS_AS_NUMBERS, 1)}
    values = {
        "type": condition,
        "isConjunctionConnection": False,
        "isMore": True,
        "conId": 77,
        "exchange": "EX",
        "symbol": "SY",
        "secType": "ST",
        "percent": 78,
        "changePercent": 79.5,
        "price": 80.5,
        "triggerMethod": 4,
        "time": "TI",
        "volume": 81,
    }
    wanted = {
        1: "isMore price conId exchange triggerMethod",
        3: "isMore time",
        4: "isMore percent",
        5: "secType exchange symbol",
        6: "isMore volume conId exchange",
        7: "isMore changePercent conId exchange",
    }[condition]
    chosen = {"type", "isConjunctionConnection", *wanted.split()}
    fields["order"]["conditions"] = [{name: values[name] for name in values if name in chosen}] * 2
    return fields


@pytest.mark.parametrize("version", versions(*range(LOWEST, HIGHEST + 1)))
def test_no_field_of_a_full_order_is_lost_or_shifted(version: int) -> None:
    """At each single version, every field of every group arrives, and none is left over."""
    for condition in (1, 3, 4, 5, 6, 7):
        for order_type in ("PEG BENCH", "LMT"):
            fields = full_order(order_type=order_type, condition=condition)
            if order_type == "LMT" and version < 203:
                for name in (
                    "referenceContractId",
                    "isPeggedChangeAmountDecrease",
                    "peggedChangeAmount",
                    "referenceChangeAmount",
                    "referenceExchangeId",
                ):
                    del fields["order"][name]
            body = encode_answer(Message("openOrder", fields), version)
            calls = official_calls(body, version)
            assert_order_read("openOrder", version, fields, calls[0][1])


STATUS = (
    "orderId status filled remaining avgFillPrice permId parentId lastFillPrice clientId whyHeld mktCapPrice"
)
STATUS_TYPES = "int str dec dec float long int float int str float"


@given(EVERY_VERSION, strategy("OrderStatus", by_type=BY_TYPE_HERE))
def test_the_client_reads_our_order_statuses(version: int, fields: dict[str, Any]) -> None:
    """Each argument of orderStatus is what was given, or the client's word for unset."""
    calls = official_calls(encode_answer(Message("orderStatus", fields), version), version)
    assert [name for name, _ in calls] == ["orderStatus"]
    for name, kind, got in zip(STATUS.split(), STATUS_TYPES.split(), calls[0][1], strict=True):
        assert same(kind, fields.get(name), got), (name, fields.get(name), got)


@given(EVERY_VERSION, strategy("ErrorMessage", required={"id"}))
def test_the_client_reads_our_errors(version: int, fields: dict[str, Any]) -> None:
    """Text with any character, escapes and backslashes included, arrives as it was given (wire facts 2)."""
    calls = official_calls(encode_answer(Message("error", fields), version), version)
    assert [name for name, _ in calls] == ["error"]
    arguments = list(calls[0][1])
    code, text = (arguments[1], arguments[2]) if OLD_CLIENT else (arguments[2], arguments[3])
    assert arguments[0] == fields["id"]
    assert same("int", fields.get("errorCode"), code)
    assert same("str", fields.get("errorMsg"), text)
    if not OLD_CLIENT and version >= 166:
        assert same("str", fields.get("advancedOrderRejectJson"), arguments[4])
    if not OLD_CLIENT and version >= 194:
        assert same("long", fields.get("errorTime"), arguments[1])


@given(EVERY_VERSION, strategy("OrderBound"))
def test_the_client_reads_our_order_bindings(version: int, fields: dict[str, Any]) -> None:
    """The three ids of orderBound keep their places."""
    calls = official_calls(encode_answer(Message("orderBound", fields), version), version)
    assert [name for name, _ in calls] == ["orderBound"]
    for name, got in zip(("permId", "clientId", "orderId"), calls[0][1], strict=True):
        assert same("long", fields.get(name), got)


@pytest.mark.parametrize("version", versions(*BOUNDARIES))
def test_the_client_hears_our_ends(version: int) -> None:
    """The two end markers of order lists reach their callbacks."""
    for kind in ("openOrderEnd", "completedOrdersEnd"):
        assert official_calls(encode_answer(Message(kind, {}), version), version) == [(kind, ())]


def test_an_infinite_offset_keeps_its_meaning() -> None:
    """An offset 'up to mid' is spelled Infinity in text, and is infinite in both forms."""
    fields = filled("OpenOrder")
    fields["order"]["competeAgainstBestOffset"] = float("inf")
    fields["order"]["conditions"] = []
    for version in versions(176, 200, 226):
        body = encode_answer(Message("openOrder", fields), version)
        assert decode_answer(body, version).fields["order"]["competeAgainstBestOffset"] == float("inf")
        order = official_calls(body, version)[0][1][2]
        assert order.competeAgainstBestOffset == float("inf")


def test_sentinels_become_absence() -> None:
    """What a real gateway writes for unset never appears in the fields (wire facts 7)."""
    body = encode_answer(Message("openOrder", {"orderState": {"status": "Submitted"}}), 176)
    fields = decode_answer(body, 176).fields
    assert "minQty" not in fields["order"]
    assert "displaySize" not in fields["order"]
    assert fields["orderState"] == {"status": "Submitted"}
    assert fields["order"]["totalQuantity"] == Decimal(0)
