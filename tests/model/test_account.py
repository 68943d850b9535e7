"""Account values, profit and loss, advisors' lists."""

from __future__ import annotations

import contextlib
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.model.account import (
    AccountAlias,
    AccountValue,
    AccountValues,
    AdvisorGroup,
    GroupMember,
    ProfitAndLoss,
    parse_aliases,
    parse_groups,
    parse_profiles,
)

VALUES = AccountValues(
    (
        AccountValue("DU1", "CashBalance", "12.50", "BASE"),
        AccountValue("DU1", "CashBalance", "10.00", "USD"),
        AccountValue("DU1", "CashBalance", "2.10", "EUR"),
        AccountValue("DU2", "CashBalance", "7", "USD"),
        AccountValue("DU1", "AccountReady", "true"),
        AccountValue("DU1", "NetLiquidationByCurrency", "3", "BASE"),
    )
)


@pytest.mark.parametrize(
    ("tag", "where", "amount"),
    [
        ("CashBalance", {}, "10.00"),
        ("CashBalance", {"currency": "EUR"}, "2.10"),
        ("CashBalance", {"currency": "BASE"}, "12.50"),
        ("CashBalance", {"account": "DU2"}, "7"),
        ("CashBalance", {"account": "DU2", "currency": "EUR"}, None),
        ("NetLiquidationByCurrency", {}, "3"),
        ("AccountReady", {}, None),
        ("Nothing", {}, None),
    ],
)
def test_a_value_is_found_by_tag_account_and_currency(
    tag: str, where: dict[str, str], amount: str | None
) -> None:
    """A real currency goes before the sum of all; what is no number has no amount."""
    assert VALUES.amount(tag, **where) == (None if amount is None else Decimal(amount))


@pytest.mark.parametrize("text", ["", "true", "NaN", "Infinity", "1,5"])
def test_a_value_that_is_no_number_has_no_amount(text: str) -> None:
    """It stays there as text."""
    assert AccountValue("DU1", "x", text).amount is None


def test_profit_and_loss_knows_whether_anything_was_told() -> None:
    """A zero is something."""
    assert not ProfitAndLoss(account="DU1").is_known
    assert ProfitAndLoss(account="DU1", realized=Decimal(0)).is_known


GROUPS = """<?xml version="1.0" encoding="UTF-8"?>
<ListOfGroups>
  <Group>
    <name>Halves</name>
    <ListOfAccts varName="list">
      <Account><acct>DU1</acct><amount>50.0</amount></Account>
      <Account><acct>DU2</acct><amount>50.0</amount></Account>
    </ListOfAccts>
    <defaultMethod>Percent</defaultMethod>
  </Group>
  <Group>
    <name>Old</name>
    <ListOfAccts varName="list"><String>DU1</String><String>DU3</String></ListOfAccts>
    <defaultMethod>NetLiq</defaultMethod>
  </Group>
</ListOfGroups>"""


def test_groups_of_both_forms_are_read() -> None:
    """With shares, as they are now, and as plain lists, as they were."""
    half = Decimal("50.0")
    assert parse_groups(GROUPS) == (
        AdvisorGroup("Halves", "Percent", (GroupMember("DU1", half), GroupMember("DU2", half))),
        AdvisorGroup("Old", "NetLiq", (GroupMember("DU1"), GroupMember("DU3"))),
    )
    assert parse_groups(GROUPS)[1].accounts == ("DU1", "DU3")


def test_profiles_are_read() -> None:
    """As old gateways have them."""
    text = (
        "<ListOfAllocationProfiles><AllocationProfile><name>P</name><type>1</type>"
        '<ListOfAllocations varName="listOfAllocations"><Allocation><acct>DU1</acct><amount>2</amount>'
        "<posEff>O</posEff></Allocation></ListOfAllocations></AllocationProfile></ListOfAllocationProfiles>"
    )
    assert parse_profiles(text) == (AdvisorGroup("P", "1", (GroupMember("DU1", Decimal(2)),)),)


def test_aliases_are_read() -> None:
    """Account and name."""
    text = (
        "<ListOfAccountAliases><AccountAlias><account>DU1</account><alias>Ann &amp; Bo</alias></AccountAlias>"
        "</ListOfAccountAliases>"
    )
    assert parse_aliases(text) == (AccountAlias("DU1", "Ann & Bo"),)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "no xml",
        "<a>",
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><ListOfGroups>&b;</ListOfGroups>',
        "<!-- ok --><!ENTITY x 'y'><a/>",
    ],
)
def test_a_text_that_is_no_list_is_refused(text: str) -> None:
    """So is one that declares entities, which could grow without bound."""
    for parse in (parse_groups, parse_profiles, parse_aliases):
        with pytest.raises(InvalidInput, match="xml"):
            parse(text)


@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    """Whatever the broker sends, the error is typed."""
    with contextlib.suppress(InvalidInput):
        parse_groups(text)


def test_values_and_results_are_told_in_lines() -> None:
    """Money has two places, anything else is told as it came; amounts that nobody told are left out."""
    values = AccountValues(
        (
            AccountValue("DU1", "NetLiquidation", "1000000", "USD"),
            AccountValue("DU1", "Cushion", "0.995612"),
            AccountValue("DU1", "AccountCode", "DU1"),
        )
    )
    assert str(values).splitlines() == [
        "DU1 NetLiquidation 1,000,000.00 USD",
        "DU1 Cushion 0.995612",
        "DU1 AccountCode DU1",
    ]
    assert str(AccountValues(())) == "no values"
    assert str(ProfitAndLoss(account="DU1")) == "DU1: nothing told"
    whole = ProfitAndLoss(
        account="DU1", con_id=7, position=Decimal("1E+2"), daily=Decimal(-2), realized=Decimal(0)
    )
    assert str(whole) == "DU1 #7 100: daily -2.00, realized 0.00"
