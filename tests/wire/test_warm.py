"""openOrder straight from its bytes: the layout says which orders are plain, and only those are decoded."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.link.client import TwsClient
from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.layout import When, active
from ibkr_core.wire.layouts.orders import ANSWERS
from ibkr_core.wire.message import Message
from ibkr_core.wire.warm import warm_text_decoders
from tests.link.peers import heard
from wire.oracle import BOUNDARIES, versions
from wire.orders import BY_TYPE_HERE, CONTRACTS, combo_parts, order_dicts
from wire.values import strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))
LAYOUT = ANSWERS["openOrder"]
DECISIVE = {
    "order.deltaNeutralOrderType": {"deltaNeutralOrderType": "MKT"},
    "order.scalePriceIncrement": {"scalePriceIncrement": 0.05},
    "order.hedgeType": {"hedgeType": "B"},
    "order.algoStrategy": {"algoStrategy": "Twap"},
    "order.orderType": {"orderType": "PEG BENCH"},
    "order.conditions": {"conditions": [{"type": 3, "isMore": True, "isConjunctionConnection": True}]},
}
"""What makes fields follow, and a value that does."""


class Officially(TwsClient):
    """A client that wants the official callback: openOrder goes through the official decoder."""

    def openOrder(self, *_: Any) -> None:  # noqa: N802 - official name
        pass


@st.composite
def orders(draw: st.DrawFn) -> dict[str, Any]:
    """Draw any order: with legs, conditions, an algorithm or whatever else."""
    return {
        "orderId": draw(st.integers(1, 10**9)),
        "contract": draw(CONTRACTS) | draw(combo_parts()),
        "order": draw(order_dicts(drop={"orderId"})),
        "orderState": draw(strategy("OrderState", by_type=BY_TYPE_HERE)),
    }


@given(EVERY_VERSION, orders())
def test_any_order_is_read_as_the_official_client_reads_it(version: int, fields: dict[str, Any]) -> None:
    """Orders of every shape, text and protobuf: what is not plain is left to the official decoder."""
    body = encode_answer(Message("openOrder", fields), version)
    assert heard(TwsClient, body, version) == heard(Officially, body, version)


@pytest.mark.parametrize("version", [one for one in range(142, 201) if one <= MAX_CLIENT_VER])
def test_all_that_makes_fields_follow_is_looked_at(version: int) -> None:
    """A new decision in the layout must be one that the decoder sees in the text, or places are wrong."""
    found = {node.looks_at for node in active(LAYOUT.nodes, version) if isinstance(node, When)}
    assert found == set(DECISIVE)
    decode = warm_text_decoders(version)[5]

    def text(**order: Any) -> str:
        fields = {"orderId": 7, "order": {"orderType": "LMT", "totalQuantity": 1} | order}
        return encode_answer(Message("openOrder", fields), version).decode().removeprefix("5\0")

    assert decode(text()) is not None
    for name, order in DECISIVE.items():
        assert decode(text(**order)) is None, name
