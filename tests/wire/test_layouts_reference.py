"""The tables of reference data against the official client, both ways."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.wire.codec import decode_request, encode_answer, encode_request
from ibkr_core.wire.message import Message
from ibkr_core.wire.protobuf import ProtobufUnavailable
from wire.arguments import assert_heard, heard
from wire.official_compare import differences, same
from wire.oracle import BOUNDARIES, OLD_CLIENT, OfficialClient, carried, official_calls, versions
from wire.orders import BY_TYPE_HERE, CONTRACTS
from wire.sent import CONTRACT_FIELDS, check_request, sample_contract
from wire.values import TEXTS, strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))
WORDS = st.text("ABCabc0123456789", min_size=1, max_size=8)
INCREMENTS = st.integers(1, 10**6).map(lambda number: Decimal(number) / 1000)
# Enumerations for the client, which falls back to the first value on anything else.
ENUMERATED = {"fundDistributionPolicyIndicator", "fundAssetType"}
FUND_FIELDS = {
    *("fundName", "fundFamily", "fundType", "fundFrontLoad", "fundBackLoad", "fundBackLoadTimeInterval"),
    *("fundManagementFee", "fundClosed", "fundClosedForNewInvestors", "fundClosedForNewMoney"),
    *("fundNotifyAmount", "fundMinimumInitialPurchase", "fundMinimumSubsequentPurchase"),
    *("fundBlueSkyStates", "fundBlueSkyTerritories"),
}
DETAILS = strategy(
    "ContractDetails",
    drop=ENUMERATED,
    overrides={
        "minTick": INCREMENTS,
        "evMultiplier": st.integers(0, 1000).map(float),
        "timeZoneId": WORDS,
        **({"coupon": st.integers(0, 20).map(float)} if OLD_CLIENT else {}),  # it reads an int there
    },
    by_type=BY_TYPE_HERE,
)
NOT_READ = {"secIdType", "secId", "includeExpired", "comboLegs", "deltaNeutralContract", "comboLegsDescrip"}


def assert_details(kind: str, version: int, fields: dict[str, Any], skip: set[str]) -> None:
    """Check contract and details of a callback, field by field."""
    body = encode_answer(Message(kind, fields), version)
    ((name, (req_id, got)),) = official_calls(body, version)
    assert (name, req_id) == (kind, fields["reqId"])
    names = carried(kind, version, "contract") - NOT_READ - skip
    problems = differences("Contract", fields["contract"], got.contract, names, "contract.")
    names = carried(kind, version, "contractDetails") - ENUMERATED - skip
    problems += differences("ContractDetails", fields["contractDetails"], got, names, "details.")
    assert not problems, "\n".join(problems)


@given(EVERY_VERSION, st.data())
def test_the_client_hears_contract_details(version: int, data: st.DataObject) -> None:
    """Every field of every version, escapes in the long name, size rules, and reasons of ineligibility."""
    contract = data.draw(CONTRACTS) | {"lastTradeDateOrContractMonth": "20261218"}
    details = data.draw(DETAILS)
    if data.draw(st.booleans()):
        contract["secType"] = "FUND"
    fund = contract.get("secType") == "FUND"
    for name in FUND_FIELDS:
        if not fund and version < 205:
            details.pop(name, None)
    fields = {"reqId": 3, "contract": contract, "contractDetails": details}
    assert_details("contractDetails", version, fields, set() if fund else FUND_FIELDS)


@given(EVERY_VERSION, st.data())
def test_the_client_hears_bond_details(version: int, data: st.DataObject) -> None:
    """Bonds have a layout of their own; the client keeps their date as the maturity."""
    contract = data.draw(CONTRACTS) | {"lastTradeDateOrContractMonth": "20361218"}
    fields = {"reqId": 3, "contract": contract, "contractDetails": data.draw(DETAILS)}
    skip = {"lastTradeDateOrContractMonth"}
    assert_details("bondContractDetails", version, fields, skip)
    ((_, (_, got)),) = heard("bondContractDetails", fields, version)
    assert got.maturity == "20361218"


@pytest.mark.parametrize("version", versions(*BOUNDARIES))
def test_every_fund_field_has_its_place(version: int) -> None:
    """From 179 on a fund brings seventeen more fields, enumerations among them."""
    if OLD_CLIENT:
        pytest.skip("the installed client has no funds")
    details = {name: name for name in FUND_FIELDS if not name.startswith("fundClosed")}
    details |= {"fundClosed": True, "fundClosedForNewInvestors": False, "fundClosedForNewMoney": True}
    details |= {"fundDistributionPolicyIndicator": "Y", "fundAssetType": "003"}
    fields = {"reqId": 3, "contract": {"secType": "FUND", "conId": 4}, "contractDetails": details}
    ((_, (_, got)),) = heard("contractDetails", fields, version)
    if version >= 179:
        assert got.fundFamily == "fundFamily"
        assert got.fundSubsequentMinimumPurchase == "fundMinimumSubsequentPurchase"
        assert (got.fundClosed, got.fundClosedForNewInvestors, got.fundClosedForNewMoney) == (
            True,
            False,
            True,
        )
        assert got.fundDistributionPolicyIndicator.value[0] == "Y"
        assert got.fundAssetType.value[0] == "003"


@given(EVERY_VERSION, strategy("ContractDataEnd"))
def test_the_client_hears_the_end(version: int, fields: dict[str, Any]) -> None:
    """The end of a contract search."""
    assert_heard("contractDetailsEnd", fields, version, "reqId:int")


@given(EVERY_VERSION, strategy("SecDefOptParameter"))
def test_the_client_hears_option_chains(version: int, fields: dict[str, Any]) -> None:
    """Expirations and strikes arrive as sets."""
    spec = "reqId:int exchange:str underlyingConId:int tradingClass:str multiplier:str - -"
    arguments = assert_heard("securityDefinitionOptionParameter", fields, version, spec)
    assert arguments[5] == set(fields.get("expirations", []))
    assert arguments[6] == set(fields.get("strikes", []))
    assert_heard("securityDefinitionOptionParameterEnd", {"reqId": 4}, version, "reqId:int")


@given(EVERY_VERSION, st.data())
def test_the_client_hears_lists(version: int, data: st.DataObject) -> None:
    """Soft dollar tiers, family codes, depth exchanges and price increments."""
    tiers = data.draw(strategy("SoftDollarTiers"))
    assert_heard("softDollarTiers", tiers, version, "reqId:int softDollarTiers=[SoftDollarTier]")
    codes = data.draw(strategy("FamilyCodes"))
    assert_heard("familyCodes", codes, version, "familyCodes=[FamilyCode]")
    exchanges = data.draw(strategy("MarketDepthExchanges"))
    spec = "depthMarketDataDescriptions=[DepthMarketDataDescription]"
    assert_heard("mktDepthExchanges", exchanges, version, spec)
    rule = data.draw(strategy("MarketRule"))
    assert_heard("marketRule", rule, version, "marketRuleId:int priceIncrements=[PriceIncrement]")


@given(
    EVERY_VERSION,
    st.lists(
        strategy("SmartComponent", required={"bitNumber"}),
        max_size=3,
        unique_by=lambda item: item["bitNumber"],
    ),
)
def test_the_client_hears_smart_components(version: int, components: list[dict[str, Any]]) -> None:
    """Bits and exchanges: a list in text, a mapping in protobuf, to the client."""
    arguments = assert_heard(
        "smartComponents", {"reqId": 3, "smartComponents": components}, version, "reqId:int -"
    )
    if isinstance(arguments[1], dict):
        for component in components:
            exchange, letter = arguments[1][component["bitNumber"]]
            assert same("str", component.get("exchange"), exchange)
            assert letter.strip() == component.get("exchangeLetter", "").strip()
    else:
        for mine, other in zip(components, arguments[1], strict=True):
            assert not differences("SmartComponent", mine, other, set(mine))


@given(EVERY_VERSION, st.lists(st.tuples(CONTRACTS, st.lists(TEXTS, max_size=2)), max_size=3))
def test_the_client_hears_matching_symbols(
    version: int, found: list[tuple[dict[str, Any], list[str]]]
) -> None:
    """Contracts with the kinds of derivatives that they have."""
    descriptions = [{"contract": contract, "derivativeSecTypes": kinds} for contract, kinds in found]
    arguments = assert_heard(
        "symbolSamples", {"reqId": 3, "contractDescriptions": descriptions}, version, "reqId:int -"
    )
    names = {"conId", "symbol", "secType", "primaryExch", "currency"}
    names |= {"description", "issuerId"} if version >= 176 else set()
    assert len(arguments[1]) == len(found)
    for (contract, kinds), got in zip(found, arguments[1], strict=True):
        assert not differences("Contract", contract, got.contract, names)
        assert got.derivativeSecTypes == kinds


def test_we_read_the_client() -> None:
    """Each request for reference data, at every version, and back byte by byte."""
    contract = sample_contract()
    contract.issuerId = ""
    named = set(CONTRACT_FIELDS) - {"issuerId"}
    check_request("reqContractDetails", (1, contract), {"reqId": 1}, contract=named)
    if not OLD_CLIENT:
        contract.issuerId = CONTRACT_FIELDS["issuerId"]
        check_request(
            "reqContractDetails", (1, contract), {"reqId": 1}, since=176, contract=named | {"issuerId"}
        )
    check_request(
        "reqSecDefOptParams",
        (1, "AAPL", "CME", "STK", 265598),
        {
            "reqId": 1,
            "underlyingSymbol": "AAPL",
            "futFopExchange": "CME",
            "underlyingSecType": "STK",
            "underlyingConId": 265598,
        },
    )
    check_request("reqSoftDollarTiers", (1,), {"reqId": 1})
    check_request("reqFamilyCodes", (), {})
    check_request("reqMatchingSymbols", (1, "AA"), {"reqId": 1, "pattern": "AA"})
    check_request("reqMktDepthExchanges", (), {})
    check_request("reqSmartComponents", (1, "a6"), {"reqId": 1, "bboExchange": "a6"})
    check_request("reqMarketRule", (26,), {"marketRuleId": 26})


def fundamental_data_versions() -> list[int]:
    """Versions at which the installed client still asks for fundamental data."""
    return versions() if hasattr(OfficialClient, "reqFundamentalData") else []


@pytest.mark.skipif(not fundamental_data_versions(), reason="the installed client has no fundamental data")
def test_fundamental_data_of_older_clients() -> None:
    """A service that ended after 10.46: text and protobuf, there and back."""
    for version in fundamental_data_versions():
        client = OfficialClient(version)
        body = client.body("reqFundamentalData", 3, sample_contract(), "ReportSnapshot", [])
        got = decode_request(body, version)
        assert got.fields["reportType"] == "ReportSnapshot"
        assert got.fields["contract"]["localSymbol"] == "LOC"
        assert encode_request(got, version) == body
        got = decode_request(OfficialClient(version).body("cancelFundamentalData", 3), version)
        assert (got.kind, got.fields) == ("cancelFundamentalData", {"reqId": 3})
        assert_heard("fundamentalData", {"reqId": 3, "data": "<x/>"}, version, "reqId:int data:str")


@pytest.mark.skipif(
    OLD_CLIENT or bool(fundamental_data_versions()), reason="the installed client has the message"
)
def test_a_protobuf_message_that_the_client_lacks_says_so() -> None:
    """At a version where the form is protobuf, a missing generated class is a typed error."""
    with pytest.raises(ProtobufUnavailable, match="FundamentalsData"):
        encode_answer(Message("fundamentalData", {"reqId": 3}), 226)
    assert encode_answer(Message("fundamentalData", {"reqId": 3}), 176) == b"51\x001\x003\x00\x00"
