"""Mappings to generated messages and back, and the client that has none."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given

from ibkr_core.errors import MalformedMessage, WireError
from ibkr_core.wire import protobuf
from ibkr_core.wire.protobuf import ProtobufUnavailable, decode_protobuf, encode_protobuf, is_available
from ibkr_core.wire.scalars import UNSET_DOUBLE, UNSET_INT, UNSET_LONG
from wire.oracle import HAS_PROTOBUF
from wire.values import filled, strategy

needs_protobuf = pytest.mark.skipif(not HAS_PROTOBUF, reason="the installed ibapi has no protobuf messages")


@pytest.mark.skipif(HAS_PROTOBUF, reason="the installed ibapi has protobuf messages")
def test_a_client_without_protobuf_says_so() -> None:
    """With an old ibapi the protobuf form is a typed error that names the way out."""
    assert not is_available()
    with pytest.raises(ProtobufUnavailable, match="has no protobuf message OrderStatus"):
        encode_protobuf("orderStatus", "OrderStatus", {}, ())
    with pytest.raises(WireError):
        decode_protobuf("orderStatus", "OrderStatus", b"", ())


def test_a_missing_message_is_a_typed_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same when only one message is missing, whatever is installed."""

    def not_there(name: str) -> Any:
        raise ImportError(name)

    monkeypatch.setattr(protobuf.importlib, "import_module", not_there)
    with pytest.raises(ProtobufUnavailable) as caught:
        encode_protobuf("x", "NoSuchMessageEver", {}, ())
    assert caught.value.message == "NoSuchMessageEver"


@needs_protobuf
@given(strategy("OpenOrder"))
def test_messages_go_there_and_back(fields: dict[str, Any]) -> None:
    """Every field of the deepest message survives, text-only ones aside; unset stays unset."""
    text_only = {"eTradeOnly", "firmQuoteOnly", "nbboPriceCap", "auctionStrategy", "basisPoints"}
    text_only |= {
        "basisPointsType",
        "sharesAllocation",
        "faProfile",
        "conditionsIncludeOvernight",
        "hedgeMaxSize",
    }
    if "order" in fields:
        fields["order"] = {name: value for name, value in fields["order"].items() if name not in text_only}
        if fields["order"].get("softDollarTier") == {}:
            del fields["order"]["softDollarTier"]
    if fields.get("contract", {}).get("deltaNeutralContract") == {}:
        del fields["contract"]["deltaNeutralContract"]
    wanted = {name: value for name, value in fields.items() if value != {}}
    payload = encode_protobuf("openOrder", "OpenOrder", fields, ())
    assert decode_protobuf("openOrder", "OpenOrder", payload, ()) == wanted


@needs_protobuf
def test_sentinels_become_absence() -> None:
    """Even if a peer sends them in protobuf, no sentinel reaches the fields."""
    from ibapi.protobuf.OrderStatus_pb2 import OrderStatus

    proto = OrderStatus(
        orderId=UNSET_INT,
        status="",
        filled="",
        remaining="170141183460469231731687303715884105727",
        avgFillPrice=UNSET_DOUBLE,
        permId=UNSET_LONG,
        clientId=0,
    )
    assert decode_protobuf("orderStatus", "OrderStatus", proto.SerializeToString(), ()) == {"clientId": 0}


@needs_protobuf
@pytest.mark.parametrize("values", [{"filled": "abc"}, {"filled": "NaN"}, {"avgFillPrice": float("nan")}])
def test_unreadable_values_are_malformed(values: dict[str, Any]) -> None:
    """A quantity that is no number, a price that is none: the field is named."""
    from ibapi.protobuf.OrderStatus_pb2 import OrderStatus

    with pytest.raises(MalformedMessage) as caught:
        decode_protobuf("orderStatus", "OrderStatus", OrderStatus(**values).SerializeToString(), ())
    assert caught.value.field == f"OrderStatus.{next(iter(values))}"


@needs_protobuf
@pytest.mark.parametrize(
    "fields",
    [
        {"orderId": 2**31},
        {"orderId": "7"},
        {"filled": 1.5},
        {"status": 5},
        {"status": "\ud800"},
        {"avgFillPrice": float("nan")},
        {"permId": 2**63},
    ],
)
def test_values_that_do_not_fit_are_refused(fields: dict[str, Any]) -> None:
    """Wrong types and ranges are typed errors, never a TypeError of the runtime."""
    with pytest.raises(MalformedMessage) as caught:
        encode_protobuf("orderStatus", "OrderStatus", fields, ())
    assert caught.value.field == f"OrderStatus.{next(iter(fields))}"


@needs_protobuf
def test_parts_are_sent_and_read_even_when_empty() -> None:
    """The client drops an openOrder that lacks one of its three parts (wire facts 8)."""
    from ibapi.protobuf.OpenOrder_pb2 import OpenOrder

    parts = ("contract", "order", "orderState")
    payload = encode_protobuf("openOrder", "OpenOrder", {"orderId": 5}, parts)
    proto = OpenOrder()
    proto.ParseFromString(payload)
    assert all(proto.HasField(part) for part in parts)
    assert decode_protobuf("openOrder", "OpenOrder", payload, parts) == {
        "orderId": 5,
        "contract": {},
        "order": {},
        "orderState": {},
    }
    assert decode_protobuf("openOrder", "OpenOrder", b"", parts)["order"] == {}


@needs_protobuf
def test_garbage_is_malformed() -> None:
    """Bytes that are no protobuf at all."""
    with pytest.raises(MalformedMessage, match="not a OrderStatus"):
        decode_protobuf("orderStatus", "OrderStatus", b"\xff\xff\xff", ())


@needs_protobuf
def test_unset_values_and_text_only_names_are_left_out() -> None:
    """None means absent, and what only text knows has no place here."""
    payload = encode_protobuf("x", "Order", {"action": None, "eTradeOnly": True, "tif": "DAY"}, ())
    assert decode_protobuf("x", "Order", payload, ()) == {"tif": "DAY"}


@needs_protobuf
def test_unknown_fields_of_newer_peers_are_ignored() -> None:
    """A field number that this client does not know yet does no harm."""
    payload = encode_protobuf("x", "OrderStatus", {"orderId": 5}, ()) + b"\xc2\x3e\x03new"
    assert decode_protobuf("x", "OrderStatus", payload, ()) == {"orderId": 5}


@needs_protobuf
def test_fields_beyond_our_schema_are_typed_by_their_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    """A newer ibapi's field arrives by its own type, be it missing in our schema."""
    monkeypatch.setattr(protobuf, "MESSAGES", {})
    protobuf._fields.cache_clear()
    protobuf._fields_by_name.cache_clear()
    try:
        payload = encode_protobuf("x", "OrderStatus", {"orderId": 5, "status": "S", "avgFillPrice": 1.5}, ())
        fields = decode_protobuf("x", "OrderStatus", payload, ())
        assert fields == {"orderId": 5, "status": "S", "avgFillPrice": 1.5}
        bound = encode_protobuf("x", "OrderBound", {"permId": 2**40}, ())
        assert decode_protobuf("x", "OrderBound", bound, ()) == {"permId": 2**40}
    finally:
        protobuf._fields.cache_clear()
        protobuf._fields_by_name.cache_clear()


@needs_protobuf
def test_a_full_order_keeps_every_field() -> None:
    """All fields of all messages in an order at once."""
    fields = filled("OpenOrder")
    payload = encode_protobuf("openOrder", "OpenOrder", fields, ())
    got = decode_protobuf("openOrder", "OpenOrder", payload, ())
    assert got["orderState"] == fields["orderState"]
    assert got["contract"] == fields["contract"]
    assert got["order"]["totalQuantity"] == fields["order"]["totalQuantity"]
    assert isinstance(got["order"]["totalQuantity"], Decimal)
