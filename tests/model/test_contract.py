"""Contracts and their builders: nothing that the instrument needs can be forgotten."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.errors import InvalidContract, UnknownField
from ibkr_core.model.contract import CONTRACT_FIELDS, ComboLeg, Contract, DeltaNeutral

LEGS = (ComboLeg(1, action="BUY"), ComboLeg(2, ratio=2, action="SELL"))

BUILT: dict[str, tuple[Contract, dict[str, Any]]] = {
    "stock": (
        Contract.stock("AAPL", primary_exchange="NASDAQ"),
        {
            "symbol": "AAPL",
            "sec_type": "STK",
            "exchange": "SMART",
            "currency": "USD",
            "primary_exchange": "NASDAQ",
        },
    ),
    "option": (
        Contract.option("SPY", "20261218", 600, "C"),
        {
            "symbol": "SPY",
            "sec_type": "OPT",
            "expiry": "20261218",
            "strike": Decimal(600),
            "right": "C",
            "exchange": "SMART",
            "currency": "USD",
            "multiplier": "100",
        },
    ),
    "future": (
        Contract.future("ES", "202612", "CME"),
        {"symbol": "ES", "sec_type": "FUT", "expiry": "202612", "exchange": "CME", "currency": "USD"},
    ),
    "forex": (
        Contract.forex("EUR.USD"),
        {"symbol": "EUR", "sec_type": "CASH", "exchange": "IDEALPRO", "currency": "USD"},
    ),
    "index": (
        Contract.index("DAX", "EUREX", "EUR"),
        {"symbol": "DAX", "sec_type": "IND", "exchange": "EUREX", "currency": "EUR"},
    ),
    "cfd": (
        Contract.cfd("IBDE40", currency="EUR"),
        {"symbol": "IBDE40", "sec_type": "CFD", "exchange": "SMART", "currency": "EUR"},
    ),
    "crypto": (
        Contract.crypto("BTC"),
        {"symbol": "BTC", "sec_type": "CRYPTO", "exchange": "PAXOS", "currency": "USD"},
    ),
    "bond": (
        Contract.bond("912828C57"),
        {"symbol": "912828C57", "sec_type": "BOND", "exchange": "SMART", "currency": "USD"},
    ),
    "combo": (
        Contract.combo("SPY", list(LEGS)),
        {"symbol": "SPY", "sec_type": "BAG", "exchange": "SMART", "currency": "USD", "combo_legs": LEGS},
    ),
    "by_con_id": (Contract.by_con_id(265598), {"con_id": 265598, "exchange": "SMART"}),
}


@pytest.mark.parametrize(("contract", "fields"), BUILT.values(), ids=BUILT)
def test_a_builder_sets_what_its_instrument_needs_and_nothing_else(
    contract: Contract, fields: dict[str, Any]
) -> None:
    """Each builder gives a routable contract with exactly the fields of its kind."""
    contract.check()
    default = Contract()
    for name in CONTRACT_FIELDS:
        assert getattr(contract, name) == fields.get(name, getattr(default, name)), name


@pytest.mark.parametrize("pair", ["EURUSD", "EUR.USD", "EUR/USD", "eur usd"])
def test_a_currency_pair_is_read_in_each_usual_form(pair: str) -> None:
    """The first currency is the symbol, the second the currency (as the official samples have it)."""
    contract = Contract.forex(pair)
    assert (contract.symbol, contract.currency) == ("EUR", "USD")


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "empty symbol": (lambda: Contract.stock(""), "symbol"),
    "blank symbol": (lambda: Contract.stock("  "), "symbol"),
    "no text": (lambda: Contract.stock(5), "symbol"),  # type: ignore[arg-type]
    "no exchange": (lambda: Contract.stock("AAPL", exchange=""), "exchange"),
    "no currency": (lambda: Contract.stock("AAPL", currency=""), "currency"),
    "NaN strike": (lambda: Contract.option("SPY", "20261218", float("nan"), "C"), "strike"),
    "zero strike": (lambda: Contract.option("SPY", "20261218", 0, "C"), "strike"),
    "negative strike": (lambda: Contract.option("SPY", "20261218", -5, "C"), "strike"),
    "strike in words": (lambda: Contract.option("SPY", "20261218", "high", "C"), "strike"),
    "right": (lambda: Contract.option("SPY", "20261218", 600, "X"), "right"),
    "right no text": (lambda: Contract.option("SPY", "20261218", 600, 5), "right"),  # type: ignore[arg-type]
    "expiry form": (lambda: Contract.option("SPY", "18.12.2026", 600, "C"), "expiry"),
    "expiry month": (lambda: Contract.option("SPY", "20261318", 600, "C"), "expiry"),
    "expiry day": (lambda: Contract.option("SPY", "20261232", 600, "C"), "expiry"),
    "expiry digits": (lambda: Contract.future("ES", "2026121", "CME"), "expiry"),
    "no expiry": (lambda: Contract.future("ES", "", "CME"), "expiry"),
    "pair too short": (lambda: Contract.forex("EUR"), "pair"),
    "pair with digits": (lambda: Contract.forex("EUR1SD"), "pair"),
    "pair no text": (lambda: Contract.forex(None), "pair"),  # type: ignore[arg-type]
    "one leg": (lambda: Contract.combo("SPY", LEGS[:1]), "combo_legs"),
    "no legs": (lambda: Contract.combo("SPY", ()), "combo_legs"),
    "legs None": (lambda: Contract.combo("SPY", None), "legs"),  # type: ignore[arg-type]
    "legs no legs": (lambda: Contract.combo("SPY", (1, 2)), "legs"),  # type: ignore[arg-type]
    "leg without id": (lambda: Contract.combo("SPY", (ComboLeg(0), ComboLeg(2))), "con_id"),
    "leg ratio": (lambda: Contract.combo("SPY", (ComboLeg(1, ratio=0), ComboLeg(2))), "ratio"),
    "leg action": (lambda: Contract.combo("SPY", (ComboLeg(1, action="HOLD"), ComboLeg(2))), "action"),
    "con_id zero": (lambda: Contract.by_con_id(0), "con_id"),
    "con_id flag": (lambda: Contract.by_con_id(True), "con_id"),
    "con_id text": (lambda: Contract.by_con_id("265598"), "con_id"),  # type: ignore[arg-type]
    "set twice": (lambda: Contract.stock("AAPL", sec_type="OPT"), "sec_type"),
    "nothing named": (Contract(sec_type="STK", exchange="SMART").check, "symbol"),
    "no kind": (Contract(symbol="AAPL", exchange="SMART").check, "sec_type"),
    "negative con_id": (Contract(con_id=-1, exchange="SMART").check, "con_id"),
}


@pytest.mark.parametrize(("make", "argument"), BAD.values(), ids=BAD)
def test_an_impossible_contract_is_refused_by_name(make: Callable[[], object], argument: str) -> None:
    """What no broker could route raises InvalidContract, which names the offending field."""
    with pytest.raises(InvalidContract) as caught:
        make()
    assert caught.value.argument == argument
    assert caught.value.rule


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: Contract(secType="STK"), "sec_type"),
        (lambda: Contract.stock("AAPL", primaryExchange="NASDAQ"), "primary_exchange"),
        (lambda: Contract.by_con_id(1, exchnge="SMART"), "exchange"),
        (lambda: Contract.stock("AAPL").replace(curency="EUR"), "currency"),
        (lambda: ComboLeg(1, acton="BUY"), "action"),
    ],
)
def test_an_unknown_field_names_the_nearest_one(make: Callable[[], object], nearest: str) -> None:
    """A misspelt keyword is an error that says what was probably meant."""
    with pytest.raises(UnknownField) as caught:
        make()
    assert caught.value.nearest == nearest


@pytest.mark.parametrize(
    ("contract", "name"),
    [
        (Contract.stock("AAPL"), "AAPL"),
        (Contract.option("SPY", "20261218", "600.00", "C"), "SPY 20261218 C 600"),
        (Contract.option("SPY", "20261218", "1000", "P"), "SPY 20261218 P 1000"),
        (Contract.forex("EURUSD"), "EUR.USD"),
        (Contract.future("ES", "202612", "CME"), "ES 202612"),
        (Contract.future("ES", "202612", "CME", local_symbol="ESZ6"), "ESZ6"),
        (Contract.by_con_id(265598), "#265598"),
        (Contract(sec_type="OPT", symbol="SPY"), "SPY"),
        (Contract(con_id=7, sec_type="OPT"), "#7"),  # found by fuzzing: this was empty
        (Contract(sec_type="OPT"), "?"),
        (Contract(), "?"),
    ],
)
def test_the_short_name_is_for_people(contract: Contract, name: str) -> None:
    """Logs and tables show the instrument the way traders write it, without exponents."""
    assert contract.name == name


def test_a_contract_is_immutable_and_a_value() -> None:
    """It can be a dictionary key, and a change makes another contract."""
    contract = Contract.stock("AAPL")
    other = contract.replace(currency="EUR")
    assert (contract.currency, other.currency) == ("USD", "EUR")
    assert {contract: 1}[Contract.stock("AAPL")] == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        contract.symbol = "MSFT"  # type: ignore[misc]  # the very fault


def test_what_the_broker_reports_is_taken_as_it_is() -> None:
    """A broker's BAG without legs, or a strange right, can be shown although it could not be ordered."""
    assert Contract(symbol="SPY", sec_type="BAG").is_combo
    assert Contract(right="?", expiry="20261218 08:30:00 US/Central", strike=0).strike == 0
    with pytest.raises(InvalidContract):
        Contract(symbol="SPY", sec_type="BAG", exchange="SMART").check()


def test_a_reported_expiry_with_a_time_can_be_ordered_again() -> None:
    """The gateway reports dates with a time of day; such a contract is routable."""
    Contract.future("ES", "20261218 08:30:00 US/Central", "CME").check()


def test_prices_in_a_contract_are_exact() -> None:
    """A strike and a delta-neutral price become Decimals, so 0.1 is one tenth."""
    assert Contract.option("SPY", "20261218", 0.1, "C").strike == Decimal("0.1")
    assert DeltaNeutral(1, 0.5, 100.1).price == Decimal("100.1")  # type: ignore[arg-type]  # converted


def test_a_contract_says_what_it_is() -> None:
    """One line for people; its repr has only what was set, and can be typed in again."""
    spy = Contract.option("SPY", "20261218", 600, "C", con_id=7)
    assert str(spy) == "SPY 20261218 C 600 (OPT, SMART, USD, #7)"
    assert str(Contract.forex("EURUSD")) == "EUR.USD (CASH, IDEALPRO, USD)"
    assert str(Contract.by_con_id(265598)) == "#265598 (SMART)"
    assert str(Contract(symbol="A\x1b[2J", exchange="SMART")) == "A [2J (SMART)"
    legs = (ComboLeg(1), ComboLeg(2))
    assert str(Contract.combo("SPY", legs)) == "SPY (BAG, SMART, USD, 2 legs)"
    aapl = Contract.stock("AAPL")
    assert repr(aapl) == "Contract(symbol='AAPL', sec_type='STK', exchange='SMART', currency='USD')"
    assert eval(repr(aapl)) == aapl  # noqa: S307 - our own text
