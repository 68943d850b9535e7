"""The account tables against the official client, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.execution import ExecutionFilter

from ibkr_core.wire.codec import decode_answer, decode_request, encode_answer, encode_request
from ibkr_core.wire.message import Message
from ibkr_core.wire.registry import answers
from wire.arguments import assert_heard
from wire.official_compare import differences
from wire.oracle import BOUNDARIES, OLD_CLIENT, OfficialClient, carried, official_calls, versions
from wire.orders import BY_TYPE_HERE, CONTRACTS
from wire.values import ASCII_TEXTS, DIGITS, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))

SPECS = {
    "execDetailsEnd": "reqId:int",
    "position": "account:str contract=Contract position:dec avgCost:float",
    "positionEnd": "",
    "accountSummary": "reqId:int account:str tag:str value:str currency:str",
    "accountSummaryEnd": "reqId:int",
    "updateAccountValue": "key:str value:str currency:str accountName:str",
    "updatePortfolio": "contract=Contract position:dec marketPrice:float marketValue:float averageCost:float "
    "unrealizedPNL:float realizedPNL:float accountName:str",
    "updateAccountTime": "timeStamp:str",
    "accountDownloadEnd": "accountName:str",
    "positionMulti": "reqId:int account:str modelCode:str contract=Contract position:dec avgCost:float",
    "positionMultiEnd": "reqId:int",
    "accountUpdateMulti": "reqId:int account:str modelCode:str key:str value:str currency:str",
    "accountUpdateMultiEnd": "reqId:int",
    "pnl": "reqId:int dailyPnL:float unrealizedPnL:float realizedPnL:float",
    "pnlSingle": "reqId:int position:dec dailyPnL:float unrealizedPnL:float realizedPnL:float value:float",
}


@pytest.mark.parametrize("kind", SPECS)
@given(EVERY_VERSION, st.data())
def test_the_client_hears_us(kind: str, version: int, data: st.DataObject) -> None:
    """Each argument of each callback is what was given, contracts field by field."""
    fields = data.draw(
        strategy(answers().by_name[kind].message, overrides={"contract": CONTRACTS}, by_type=BY_TYPE_HERE)
    )
    assert_heard(kind, fields, version, SPECS[kind])


@given(EVERY_VERSION, st.data())
def test_the_client_hears_executions(version: int, data: st.DataObject) -> None:
    """Contract and execution field by field; the order id stands before the contract in text."""
    fields = data.draw(
        strategy(
            "ExecutionDetails",
            overrides={
                "contract": CONTRACTS,
                "execution": strategy(
                    "Execution",
                    by_type=BY_TYPE_HERE,
                    drop={"optExerciseOrLapseType"},
                ),
            },
            required={"contract", "execution"},
        )
    )
    body = encode_answer(Message("execDetails", fields), version)
    ((name, (req_id, contract, execution)),) = official_calls(body, version)
    assert name == "execDetails"
    assert req_id == fields.get("reqId", -1)
    names = carried("execDetails", version, "contract") - {"secIdType", "secId", "includeExpired"}
    names -= {"comboLegs", "deltaNeutralContract"}
    problems = differences("Contract", fields["contract"], contract, names)
    names = carried("execDetails", version, "execution") - {"optExerciseOrLapseType"}
    problems += differences("Execution", fields["execution"], execution, names)
    assert not problems, "\n".join(problems)


@given(EVERY_VERSION, strategy("CommissionAndFeesReport", overrides={"yieldRedemptionDate": DIGITS}))
def test_the_client_hears_commissions(version: int, fields: dict[str, Any]) -> None:
    """Whatever the client calls it, the report's fields are those that were given."""
    body = encode_answer(Message("commissionReport", fields), version)
    ((name, (report,)),) = official_calls(body, version)
    assert name == ("commissionReport" if OLD_CLIENT else "commissionAndFeesReport")
    names = carried("commissionReport", version)
    problems = differences("CommissionAndFeesReport", fields, report, names)
    assert not problems, "\n".join(problems)


def test_an_opening_trade_has_no_realised_profit() -> None:
    """The largest double in text and an absent field in protobuf both mean: not applicable (TWS facts 3)."""
    for version in versions(157, 176, 226):
        body = encode_answer(Message("commissionReport", {"execId": "a.b.c.01"}), version)
        fields = decode_answer(body, version).fields
        assert "realizedPNL" not in fields
        assert "bondYield" not in fields
    text = encode_answer(Message("commissionReport", {"execId": "a.b.c.01"}), 176)
    assert text.count(b"1.7976931348623157E308") == 2


def test_a_live_execution_has_no_request() -> None:
    """An execution that nobody asked for is sent with request id -1, as TWS does."""
    body = encode_answer(Message("execDetails", {"execution": {"execId": "x"}}), 176)
    assert body.startswith(b"11\0-1\0")


@given(EVERY_VERSION, st.data())
def test_we_read_execution_requests(version: int, data: st.DataObject) -> None:
    """Every field of the filter arrives, the dates of newer versions too."""
    late = {"lastNDays", "specificDates"} if version < 200 else set()
    fields = data.draw(strategy("ExecutionFilter", drop=late, by_type={**BY_TYPE_HERE, "str": ASCII_TEXTS}))
    fields["clientId"] = data.draw(st.integers(0, 999))
    source = ExecutionFilter()
    for name, value in fields.items():
        setattr(source, name, value)
    body = OfficialClient(version).body("reqExecutions", 3, source)
    got = decode_request(body, version)
    assert (got.kind, got.fields) == ("reqExecutions", {"reqId": 3, "executionFilter": fields})
    if version < 201:
        assert encode_request(got, version) == body


REQUESTS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("reqPositions", (), {}),
    ("cancelPositions", (), {}),
    ("reqAccountSummary", (3, "All", "$LEDGER:USD"), {"reqId": 3, "group": "All", "tags": "$LEDGER:USD"}),
    ("cancelAccountSummary", (3,), {"reqId": 3}),
    ("reqAccountUpdates", (True, "DU1"), {"subscribe": True, "acctCode": "DU1"}),
    ("reqPositionsMulti", (3, "DU1", "M"), {"reqId": 3, "account": "DU1", "modelCode": "M"}),
    ("cancelPositionsMulti", (3,), {"reqId": 3}),
    (
        "reqAccountUpdatesMulti",
        (3, "DU1", "", True),
        {"reqId": 3, "account": "DU1", "ledgerAndNLV": True},
    ),
    ("cancelAccountUpdatesMulti", (3,), {"reqId": 3}),
    ("reqPnL", (3, "DU1", "M"), {"reqId": 3, "account": "DU1", "modelCode": "M"}),
    ("cancelPnL", (3,), {"reqId": 3}),
    (
        "reqPnLSingle",
        (3, "DU1", "", 265598),
        {"reqId": 3, "account": "DU1", "conId": 265598},
    ),
    ("cancelPnLSingle", (3,), {"reqId": 3}),
]


@pytest.mark.parametrize(("method", "arguments", "fields"), REQUESTS, ids=[entry[0] for entry in REQUESTS])
def test_we_read_the_client(method: str, arguments: tuple[Any, ...], fields: dict[str, Any]) -> None:
    """Each request is read at every version, and written back byte by byte."""
    for version in versions():
        body = OfficialClient(version).body(method, *arguments)
        got = decode_request(body, version)
        assert (got.kind, got.fields) == (method, fields)
        assert encode_request(got, version) == body
