"""The client as others ask with it: what-ifs that cannot trade, answers for who waits, the type of data."""

from __future__ import annotations

from typing import Any

import pytest

from ibkr_core.errors import RequestRefused
from ibkr_core.link.client import TwsClient
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from tests.link.peers import VERSIONS, answer
from tests.link.test_client import GREETING, opened, requests

STOCK = Contract.stock("AAPL")
WHAT_IF = Order.limit("BUY", 10, "99.5", what_if=True)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_what_if_says_that_it_is_one(version: int) -> None:
    """The gateway reads it in the message; with every protocol version."""
    client, tape, _ = opened(version=version)
    client.send(client.encode_what_if(7, STOCK, WHAT_IF))
    (place,) = requests(tape, version)
    assert place.fields["order"]["whatIf"] is True
    assert place.fields["orderId"] == 7


@pytest.mark.parametrize("version", VERSIONS)
def test_what_is_no_what_if_is_not_encoded_as_one(version: int) -> None:
    """It would trade: so would one whose mark the installed client loses."""

    class Forgetful(TwsClient):
        def placeOrder(self, orderId: int, contract: Any, order: Any) -> None:  # noqa: N802, N803 - official names
            order.whatIf = False
            super().placeOrder(orderId, contract, order)

    client, _, _ = opened(version=version)
    with pytest.raises(RequestRefused, match="would trade"):
        client.encode_what_if(7, STOCK, WHAT_IF.replace(what_if=False))
    forgetful, tape, _ = opened(version=version, kind=Forgetful)
    with pytest.raises(RequestRefused, match="would trade"):
        forgetful.encode_what_if(7, STOCK, WHAT_IF)
    assert len(tape.sent) == GREETING


def test_the_type_of_data_is_remembered() -> None:
    """So that who needs another one for a moment can put it back."""
    client, tape, _ = opened()
    assert client.market_data_type == 1
    client.reqMarketDataType(3)
    assert client.market_data_type == 3
    (asked,) = requests(tape, VERSIONS[-1])
    assert asked.fields["marketDataType"] == 3


@pytest.mark.parametrize(("usual", "sent"), [(1, [3, 1]), (3, [])])
def test_another_type_of_data_is_asked_for_in_between(usual: int, sent: list[int]) -> None:
    """Inside one piece of bytes, and the usual type is what it was, also while it is being made."""
    client, tape, _ = opened()
    client.market_data_type = usual
    seen = []

    def ask() -> None:
        with client.with_data_type(3):
            seen.append(client.market_data_type)
            client.reqCurrentTime()

    client.send(client.encode(ask))
    asked = requests(tape, VERSIONS[-1])
    assert [m.fields["marketDataType"] for m in asked if m.kind == "reqMarketDataType"] == sent
    assert asked[len(sent) // 2].kind == "reqCurrentTime"
    assert seen == [usual]


@pytest.mark.parametrize("version", VERSIONS)
def test_answers_are_handed_to_who_listens(version: int) -> None:
    """With the name of the callback and its official arguments."""
    client, _, _ = opened(version=version)
    told: list[tuple[str, tuple[Any, ...]]] = []
    client.listen({"currentTime"}, lambda name, arguments: told.append((name, arguments)))
    client.feed(answer("currentTime", version, currentTime=1_795_532_400))
    client.feed(answer("managedAccounts", version, accountsList="DU1"))
    assert told == [("currentTime", (1_795_532_400,))]
