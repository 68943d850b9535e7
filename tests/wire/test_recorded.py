"""Real traffic, recorded by others: the genuine samples are read, those made up broken are refused.

The samples stand outside the repository: set IBKR_CORE_SHARED, or keep them in ``../shared``.
"""

from __future__ import annotations

import os
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.errors import MalformedMessage, WireError
from ibkr_core.wire.codec import decode_answer, decode_request, encode_request
from ibkr_core.wire.message import Message

SHARED = Path(os.environ.get("IBKR_CORE_SHARED", Path(__file__).parents[2].parent / "shared"))
FILE = SHARED / "tws" / "recorded_wire.txt"
pytestmark = pytest.mark.skipif(not FILE.exists(), reason=f"no recorded traffic at {FILE.name}")

SAMPLE = re.compile(r'(\d+):"(.*)"$')


def samples(section: str) -> dict[int, str]:
    """The samples of one section by line number; none where the recording is absent."""
    if not FILE.exists():
        return {}
    found: dict[int, str] = {}
    current = ""
    for line in FILE.read_text().splitlines():
        if line.startswith("### "):
            current = line.removeprefix("### ")
        elif (match := SAMPLE.match(line)) and current == section:
            found[int(match[1])] = match[2]
    return found


def answer(text: str, version: int) -> Message:
    """Read an answer. The recorder ended some with one NUL too many; that one is taken off."""
    body = text.replace("|", "\0").encode()
    try:
        return decode_answer(body, version)
    except MalformedMessage:
        if not body.endswith(b"\0\0"):
            raise
        return decode_answer(body[:-1], version)


def request(text: str, version: int) -> Message:
    """Read a request, and check that writing it gives the same bytes, unset markers aside."""
    message = decode_request(text.replace("|", "\0").encode(), version)
    assert decode_request(encode_request(message, version), version) == message
    return message


ORDERS = "src/orders/tests.rs"


def test_the_fill_of_a_market_order() -> None:
    """The seven answers of a market order that fills, field by field where it matters (wire facts 9)."""
    texts = samples(ORDERS)
    kinds = [answer(texts[line], 165).kind for line in range(17, 24)]
    assert kinds == [
        "openOrder",
        "orderStatus",
        "execDetails",
        "openOrder",
        "orderStatus",
        "openOrder",
        "commissionReport",
    ]
    first = answer(texts[17], 165).fields
    assert first["orderId"] == 13
    assert first["contract"]["symbol"] == "TSLA"
    assert first["contract"]["right"] == "?"
    assert first["order"]["totalQuantity"] == Decimal(100)
    assert first["order"]["permId"] == 1376327563
    assert first["order"]["deltaNeutralOrderType"] == "None"
    assert first["order"]["deltaNeutralOpenClose"] == "?"
    assert first["order"]["sharesAllocation"] == "1376327563.0/DU1234567/100"
    assert first["order"]["clearingIntent"] == "IB"
    assert first["order"]["dontUseAutoPriceForHedge"] is True
    assert first["orderState"] == {"status": "PreSubmitted"}
    assert not {"minQty", "displaySize", "triggerPrice", "duration", "postToAts"} & set(first["order"])
    last = answer(texts[22], 165).fields
    assert last["orderState"] == {
        "status": "Filled",
        "commissionAndFees": 1.0,
        "commissionAndFeesCurrency": "USD",
    }
    execution = answer(texts[19], 165).fields
    assert execution["reqId"] == -1
    assert execution["execution"]["execId"] == "00025b46.63f8f39c.01.01"
    assert execution["execution"]["shares"] == Decimal(100)
    assert execution["execution"]["price"] == 196.52
    assert execution["execution"]["lastLiquidity"] == 2
    status = answer(texts[21], 165).fields
    assert (status["status"], status["filled"], status["remaining"]) == ("Filled", Decimal(100), Decimal(0))
    assert (status["avgFillPrice"], status["clientId"], status["mktCapPrice"]) == (196.52, 100, 0.0)
    assert answer(texts[23], 165).fields == {
        "execId": "00025b46.63f8f39c.01.01",
        "commissionAndFees": 1.0,
        "currency": "USD",
    }


def test_a_completed_order() -> None:
    """A filled order comes back with quantity 0 and what was filled (wire facts 8)."""
    fields = answer(samples(ORDERS)[384], 165).fields
    assert fields["order"]["totalQuantity"] == Decimal(0)
    assert fields["order"]["filledQuantity"] == Decimal(100)
    assert fields["orderState"] == {
        "status": "Filled",
        "completedTime": "20230306 12:28:30 America/Los_Angeles",
        "completedStatus": "Filled Size: 100",
    }
    assert "parentPermId" not in fields["order"]
    assert "refFuturesConId" not in fields["order"]


def test_a_cancellation() -> None:
    """The status and the error that belongs to it."""
    texts = samples(ORDERS)
    assert answer(texts[306], 165).fields["status"] == "Cancelled"
    assert answer(texts[307], 165).fields == {
        "id": 41,
        "errorCode": 202,
        "errorMsg": "Order Canceled - reason:",
    }


def test_order_requests() -> None:
    """A stock, a future named by its local symbol, and a combination with legs and routing."""
    texts = samples(ORDERS)
    stock = request(texts[46], 165).fields
    assert (stock["orderId"], stock["order"]["orderType"], stock["order"]["transmit"]) == (13, "MKT", True)
    future = request(texts[620], 165).fields
    assert (future["contract"]["localSymbol"], future["order"]["lmtPrice"]) == ("FGBL MAR 23", 500.0)
    combo = request(texts[645], 165).fields
    assert [leg["conId"] for leg in combo["contract"]["comboLegs"]] == [55928698, 55850663]
    assert combo["order"]["smartComboRoutingParams"] == {"NonGuaranteed": "1"}
    assert request(texts[318], 165) == Message("cancelOrder", {"orderId": 41, "orderCancel": {}})
    filters = request(texts[594], 165).fields["executionFilter"]
    assert filters == {
        "clientId": 100,
        "acctCode": "xyz",
        "time": "yyyymmdd hh:mm:ss EST",
        "symbol": "TSLA",
        "secType": "STK",
        "exchange": "ISLAND",
        "side": "BUY",
    }


def test_contract_details() -> None:
    """A stock's details with their lists, hours and size rules, and the request for them."""
    texts = samples("src/contracts/tests.rs")
    fields = answer(texts[12], 164).fields
    details = fields["contractDetails"]
    assert fields["contract"]["conId"] == 76792991
    assert details["minTick"] == Decimal("0.01")
    assert details["longName"] == "TESLA INC"
    assert details["secIdList"] == {"ISIN": "US88160R1014"}
    assert details["stockType"] == "COMMON"
    assert (details["minSize"], details["suggestedSizeIncrement"]) == (Decimal(1), Decimal(100))
    assert answer(texts[14], 164) == Message("contractDetailsEnd", {"reqId": 9001})
    assert request(texts[26], 164).fields["contract"]["symbol"] == "TSLA"


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        (24, "reqPnL"),
        (27, "reqPnL"),
        (49, "reqPnLSingle"),
        (52, "reqPnLSingle"),
        (90, "reqPositionsMulti"),
        (91, "cancelPositionsMulti"),
        (93, "reqPositionsMulti"),
        (94, "cancelPositionsMulti"),
        (113, "reqAccountSummary"),
        (169, "reqAccountUpdatesMulti"),
        (170, "cancelAccountUpdatesMulti"),
    ],
)
def test_account_requests(line: int, kind: str) -> None:
    """The account requests of a Rust client, written back byte by byte."""
    text = samples("src/accounts/tests.rs")[line]
    message = request(text, 165)
    assert message.kind == kind
    assert encode_request(message, 165) == text.replace("|", "\0").encode()


ANSWERS: list[tuple[str, int, str, dict[str, Any]]] = [
    ("src/testdata/responses.rs", 3, "managedAccounts", {"accountsList": "DU1234567,DU7654321"}),
    (
        "src/testdata/responses.rs",
        5,
        "accountUpdateMulti",
        {"reqId": 9000, "account": "DU1234567", "key": "CashBalance", "value": "94629.71", "currency": "USD"},
    ),
    ("src/testdata/responses.rs", 8, "accountUpdateMultiEnd", {"reqId": 9000}),
    (
        "src/testdata/responses.rs",
        12,
        "marketRule",
        {"marketRuleId": 26, "priceIncrements": [{"lowEdge": 0.0, "increment": 0.01}]},
    ),
    ("src/accounts/decoders/tests.rs", 63, "familyCodes", {"familyCodes": [{"accountId": "*"}]}),
    (
        "src/accounts/decoders/tests.rs",
        100,
        "pnlSingle",
        {
            "reqId": 9000,
            "position": Decimal("100.0"),
            "dailyPnL": 0.1,
            "unrealizedPnL": 0.2,
            "realizedPnL": 0.3,
            "value": 0.4,
        },
    ),
    (
        "src/market_data/realtime/tests/tick_data_tests.rs",
        41,
        "tickByTick",
        {"reqId": 9001, "tickType": 4, "historicalTickMidPoint": {"time": 1678746113, "price": 3896.875}},
    ),
    (
        "src/market_data/realtime/tests/market_data_tests.rs",
        10,
        "tickPrice",
        {"reqId": 9001, "tickType": 1, "price": 185.5, "size": Decimal(100), "attrMask": 7},
    ),
    (
        "src/market_data/realtime/tests/market_data_tests.rs",
        14,
        "tickString",
        {"reqId": 9001, "tickType": 45, "value": "2023-03-13 09:30:00"},
    ),
    (
        "src/market_data/historical/tests.rs",
        15,
        "headTimestamp",
        {"reqId": 9000, "headTimestamp": "1678323335"},
    ),
]


@pytest.mark.parametrize(("section", "line", "kind", "fields"), ANSWERS)
def test_answers(section: str, line: int, kind: str, fields: dict[str, Any]) -> None:
    """Answers of all themes, with every value in its place."""
    assert answer(samples(section)[line], 165) == Message(kind, fields)


def test_a_position() -> None:
    """Positions as a real gateway sends them."""
    fields = answer(samples("src/accounts/decoders/tests.rs")[5], 165).fields
    assert (fields["account"], fields["position"], fields["avgCost"]) == ("DU1234567", Decimal(500), 196.77)


def test_bars() -> None:
    """Historical bars with their volumes and averages."""
    fields = answer(samples("src/market_data/historical/tests.rs")[76], 165).fields
    assert len(fields["historicalDataBars"]) == 2
    assert fields["historicalDataBars"][0]["volume"] == Decimal("948837.22")
    assert fields["startDateStr"] == "20230413  16:31:22"


def test_made_up_messages_are_refused() -> None:
    """The samples that test error handling elsewhere are refused here too, with the field named."""
    broken = {
        ("src/accounts/decoders/tests.rs", 34),
        ("src/market_data/realtime/decoders/tests.rs", 27),
        ("src/market_data/realtime/decoders/tests.rs", 111),
        ("src/market_data/realtime/decoders/tests.rs", 161),
        ("src/market_data/realtime/decoders/tests.rs", 174),
        ("src/market_data/realtime/decoders/tests.rs", 335),
    }
    for section, line in broken:
        with pytest.raises(WireError, match="field"):
            answer(samples(section)[line], 165)
