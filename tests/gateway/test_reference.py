"""Reference data: what there is to trade, and by which rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import Instrument
from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import Pocket, errors, gateway, kinds

USER_INFO_SINCE = 161
every_version = pytest.mark.parametrize("version", VERSIONS)


def details(client: Checked, **contract: Any) -> list[Any]:
    """The official ContractDetails that answer a contract."""
    before = len(client.of("contractDetails"))
    client.ask("reqContractDetails", reqId=5, contract=contract)
    return [args[1] for args in client.of("contractDetails")[before:]]


@every_version
def test_a_stock_is_described_as_clients_need_it(version: int) -> None:
    """By local symbol and listing alone, with its ISIN, rules and hours (wire facts 4)."""
    client = Checked(gateway(), version)
    (told,) = details(client, localSymbol="AAPL", primaryExch="NASDAQ", exchange="SMART", secType="STK")
    assert (told.contract.conId, told.contract.symbol, told.contract.exchange) == (265598, "AAPL", "SMART")
    assert (told.contract.primaryExchange, told.contract.localSymbol) == ("NASDAQ", "AAPL")
    assert (float(told.minTick), told.priceMagnifier, told.marketRuleIds) == (0.01, 1, ",".join(["26"] * 10))
    assert ("ISIN", "US0378331005") in {(pair.tag, pair.value) for pair in told.secIdList}
    assert told.tradingHours.startswith("20261124:0400-20261124:2000;")
    assert told.liquidHours.startswith("20261124:0930-20261124:1600;")
    assert told.stockType == "COMMON"
    assert kinds(client.heard)[-1] == "contractDetailsEnd"


@every_version
@pytest.mark.parametrize(
    ("contract", "found"),
    [
        ({"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}, "EUR.USD"),
        ({"symbol": "SPX", "secType": "IND", "exchange": "CBOE"}, "SPX"),
        ({"localSymbol": "ESZ6", "secType": "FUT", "exchange": "CME"}, "ESZ6"),
        ({"conId": 756733}, "SPY"),
        ({"conId": 265598, "exchange": "ISLAND"}, "AAPL"),
        ({"symbol": "MSFT", "secType": "STK", "primaryExch": "ISLAND", "currency": "USD"}, "MSFT"),
        ({"localSymbol": "USD.JPY", "secType": "CASH"}, "USD.JPY"),
        ({"symbol": "ES", "secType": "FUT", "lastTradeDateOrContractMonth": "202703"}, "ESH7"),
        ({"symbol": "ES", "secType": "CONTFUT", "exchange": "CME"}, "ESZ6"),
        ({"secIdType": "ISIN", "secId": "US5949181045", "secType": "STK"}, "MSFT"),
    ],
)
def test_every_kind_is_found(version: int, contract: dict[str, Any], found: str) -> None:
    """Currencies, indices, futures, by contract id and by security number."""
    (told,) = details(Checked(gateway(), version), **contract)
    assert told.contract.localSymbol == found


@every_version
def test_a_future_says_when_it_ends(version: int) -> None:
    """Its last trade date, its month and its multiplier; expired ones are left out unless wanted."""
    client = Checked(gateway(), version)
    contract = {"symbol": "ES", "secType": "FUT", "exchange": "CME"}
    told = details(client, **contract)
    assert told[0].contract.lastTradeDateOrContractMonth == "20261218"
    assert (told[0].contractMonth, told[0].realExpirationDate) == ("202612", "20261218")
    assert float(told[0].contract.multiplier) == 50
    assert len(details(client, **contract, includeExpired=True)) > len(told)


@every_version
def test_a_continuous_future_is_the_next_to_expire(version: int) -> None:
    """Alone, or beside all the others when both are asked for; it keeps its own type."""
    client = Checked(gateway(), version)
    (front,) = details(client, symbol="ES", secType="CONTFUT", exchange="CME")
    assert (front.contract.secType, front.contract.localSymbol) == ("CONTFUT", "ESZ6")
    both = details(client, symbol="ES", secType="FUT+CONTFUT", exchange="CME")
    kinds_told = [told.contract.secType for told in both]
    assert (kinds_told.count("CONTFUT"), kinds_told[-1], len(both) > 8) == (1, "CONTFUT", True)
    nothing = client.ask("reqContractDetails", reqId=6, contract={"symbol": "KO", "secType": "CONTFUT"})
    assert errors(nothing) == [(6, 200)]


@every_version
def test_an_incomplete_contract_has_several_answers(version: int) -> None:
    """A stock in two currencies, an option without strike or right, a symbol of several kinds."""
    client = Checked(gateway(), version)
    assert {told.contract.currency for told in details(client, symbol="SAP", secType="STK")} == {"USD", "EUR"}
    calls = details(client, symbol="SPY", secType="OPT", right="C", lastTradeDateOrContractMonth="202612")
    assert len({told.contract.strike for told in calls}) == len(calls) > 5
    spy = details(client, symbol="SPY", exchange="SMART")
    assert {told.contract.secType for told in spy} == {"STK", "OPT"}


@every_version
def test_an_option_family_and_its_chain_agree(version: int) -> None:
    """Every expiry and strike of the chain is a contract, a call and a put (wire facts 6)."""
    client = Checked(gateway(), version)
    client.ask(
        "reqSecDefOptParams",
        reqId=6,
        underlyingSymbol="AAPL",
        underlyingSecType="STK",
        underlyingConId=265598,
    )
    chains = client.of("securityDefinitionOptionParameter")
    assert [args[1] for args in chains] == ["SMART", "CBOE", "ISE", "PHLX", "BOX"]
    expirations, strikes = chains[0][5], chains[0][6]
    assert (chains[0][3], chains[0][4]) == ("AAPL", "100")
    assert client.of("securityDefinitionOptionParameterEnd") == [(6,)]
    expiry = min(expirations)
    family = details(
        client, symbol="AAPL", secType="OPT", exchange="SMART", lastTradeDateOrContractMonth=expiry
    )
    pairs = {(told.contract.strike, told.contract.right) for told in family}
    assert pairs == {(strike, right) for strike in strikes for right in "CP"}
    assert {told.underConId for told in family} == {265598}


def test_a_chain_of_nothing() -> None:
    """Only its end for a stock without options; an underlying that is none is refused."""
    client = Pocket(gateway())
    asked = {"reqId": 6, "underlyingSymbol": "KO", "underlyingSecType": "STK", "underlyingConId": 8894}
    assert kinds(client.ask("reqSecDefOptParams", **asked)) == ["securityDefinitionOptionParameterEnd"]
    assert errors(client.ask("reqSecDefOptParams", **{**asked, "underlyingConId": 1})) == [(6, 200)]
    spy = {"reqId": 7, "underlyingSymbol": "SPY", "underlyingSecType": "STK", "underlyingConId": 756733}
    answer = client.ask("reqSecDefOptParams", **spy, futFopExchange="CBOE")
    assert [one.fields.get("exchange") for one in answer] == ["CBOE", None]


@every_version
def test_a_bond_has_its_own_answer(version: int) -> None:
    """With coupon, CUSIP and maturity; found by its CUSIP too."""
    client = Checked(gateway(), version)
    answer = client.ask("reqContractDetails", reqId=5, contract={"symbol": "912810TL2", "secType": "BOND"})
    assert kinds(answer) == ["bondContractDetails", "contractDetailsEnd"]
    ((_, told),) = client.of("bondContractDetails")
    assert (told.cusip, float(told.coupon), told.contract.symbol) == ("912810TL2", 4.0, "US-T")
    assert len(client.ask("reqContractDetails", reqId=6, contract={"symbol": "US-T", "secType": "BOND"})) == 3


def test_combinations_and_the_unknown_are_refused() -> None:
    """321 for a combination, 200 for what does not exist (TWS facts 3 and 7)."""
    client = Pocket(gateway())
    assert errors(
        client.ask("reqContractDetails", reqId=5, contract={"symbol": "SPY", "secType": "BAG"})
    ) == [(5, 321)]
    assert errors(client.ask("reqContractDetails", reqId=6, contract={"symbol": "NOSUCH"})) == [(6, 200)]
    wrong = {"secIdType": "ISIN", "secId": "US0000000000", "secType": "STK"}
    assert errors(client.ask("reqContractDetails", reqId=7, contract=wrong)) == [(7, 200)]


@every_version
def test_symbols_are_found_by_what_people_type(version: int) -> None:
    """Symbols that begin so come first; names count, too."""
    client = Checked(gateway(), version)
    client.ask("reqMatchingSymbols", reqId=3, pattern="aapl")
    ((_, found),) = client.of("symbolSamples")
    assert [(one.contract.symbol, one.derivativeSecTypes) for one in found] == [("AAPL", ["OPT"])]
    client.ask("reqMatchingSymbols", reqId=4, pattern="coca")
    assert [one.contract.symbol for one in client.of("symbolSamples")[1][1]] == ["KO"]
    assert errors(client.ask("reqMatchingSymbols", reqId=5, pattern=" ")) == [(5, 321)]


@every_version
def test_market_rules_tell_the_price_steps(version: int) -> None:
    """Of every instrument, also of one that was added with a step of its own; others are refused."""
    venue = gateway()
    odd = Instrument(con_id=1, symbol="ODD", sec_type="STK", local_symbol="ODD", min_tick=Decimal("0.5"))
    venue.add_instrument(odd)
    client = Checked(venue, version)
    (told,) = details(client, symbol="ODD")
    client.ask("reqMarketRule", marketRuleId=int(told.marketRuleIds))
    client.ask("reqMarketRule", marketRuleId=26)
    rules = {
        rule: [(step.lowEdge, step.increment) for step in steps] for rule, steps in client.of("marketRule")
    }
    assert rules == {int(told.marketRuleIds): [(0, 0.5)], 26: [(0, 0.01)]}
    assert errors(client.ask("reqMarketRule", marketRuleId=1)) == [(-1, 322)]


@every_version
def test_small_lists_are_answered(version: int) -> None:
    """Depth exchanges, smart components, family codes, tiers, the user."""
    client = Checked(gateway(), version)
    for kind in ("reqMktDepthExchanges", "reqFamilyCodes"):
        client.ask(kind)
    client.ask("reqSoftDollarTiers", reqId=3)
    client.ask("reqSmartComponents", reqId=3, bboExchange="9c0001")
    assert {"ISLAND", "CME"} <= {one.exchange for one in client.of("mktDepthExchanges")[0][0]}
    assert [(one.accountID, one.familyCodeStr) for one in client.of("familyCodes")[0][0]] == [("*", "")]
    if version >= USER_INFO_SINCE:
        client.ask("reqUserInfo", reqId=3)
        assert client.of("userInfo") == [(3, "")]
    (answer,) = [one for one in client.heard if one.kind == "smartComponents"]
    letters = {row["exchange"]: row["exchangeLetter"] for row in answer.fields["smartComponents"]}
    assert (letters["NASDAQ"], letters["ARCA"], letters["NYSE"], letters["BATS"]) == ("Q", "P", "N", "Z")
    assert len(client.of("smartComponents")[0][1]) == len(letters) == len(set(letters.values()))
    assert client.of("softDollarTiers") == [(3, [])]
    assert errors(client.ask("reqSmartComponents", reqId=3, bboExchange="x")) == [(3, 321)]
