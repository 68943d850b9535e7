"""The account summary's tags."""

from __future__ import annotations

from decimal import Decimal

from ibkr_core.gateway.account import Account, Balances
from ibkr_core.gateway.summary import Line, summary_lines

D = Decimal
BALANCES = Balances(
    cash=D("1000.005"), futures=D(0), gross_positions=D(500), net_liquidation=D(2000), initial_margin=D(250),
    maintenance_margin=D(125), unrealized=D(5), realized=D(-3),
)  # fmt: skip


def lines(*tags: str) -> list[Line]:
    account = Account("DU1", D(1000))
    account._cash["EUR"] = D(7)
    return list(
        summary_lines(tags, account, BALANCES, lambda currency: D("1.2") if currency == "EUR" else D(1))
    )


def test_money_has_two_decimals_and_a_currency() -> None:
    """Available funds are what is not bound; buying power is four times that."""
    assert lines("NetLiquidation", "AvailableFunds", "BuyingPower") == [
        Line("NetLiquidation", "2000.00", "USD"),
        Line("AvailableFunds", "1750.00", "USD"),
        Line("BuyingPower", "7000.00", "USD"),
    ]


def test_what_is_no_money_has_no_currency() -> None:
    """Type, cushion, leverage and day trades."""
    assert lines("AccountType", "Cushion", "Leverage", "DayTradesRemaining") == [
        Line("AccountType", "INDIVIDUAL", ""),
        Line("Cushion", "0.937500", ""),
        Line("Leverage", "0.25", ""),
        Line("DayTradesRemaining", "-1", ""),
    ]


def test_the_ledger_tells_cash_by_currency() -> None:
    """The base alone, one currency, or all of them."""
    assert [line.currency for line in lines("$LEDGER")] == ["BASE"] * 6
    assert Line("CashBalance", "7.00", "EUR") in lines("$LEDGER:EUR")
    assert {line.currency for line in lines("$LEDGER:ALL")} == {"BASE", "USD", "EUR"}


def test_an_unknown_tag_is_passed_over() -> None:
    """As the broker does."""
    assert lines("NoSuchTag", "") == []
