"""From the official client's objects to our reference values: unset, missing and odd ones too."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from ibapi.contract import ContractDetails as IbDetails
from ibapi.order_state import OrderState

from ibkr_core.errors import InvalidInput
from ibkr_core.link import convert_reference
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.reference import PriceStep

UNSET = 1.7976931348623157e308


def details(**fields: Any) -> IbDetails:
    """Official details of AAPL, with some fields changed; those of the contract begin with ``contract_``."""
    made = IbDetails()
    made.contract.symbol, made.contract.secType, made.contract.conId = "AAPL", "STK", 265598
    for name, value in fields.items():
        where, _, field = name.partition("contract_")
        setattr(made.contract if not where and field else made, field or name, value)
    return made


def test_bare_details_are_empty() -> None:
    """What an old gateway leaves out is absent, not zero."""
    found = convert_reference.contract_details(details())
    assert found.contract.con_id == 265598
    assert found.min_tick is None
    assert found.min_size is None
    assert found.size_increment is None
    assert not any((found.exchanges, found.order_types, found.market_rule_ids))
    assert found.expires_on is None
    assert found.coupon is None
    assert found.price_magnifier == 1
    assert not found.trading_hours.is_known
    assert found.sec_ids == {}


def test_lists_are_split() -> None:
    """A market rule that is missing keeps its place, so that the others keep theirs."""
    found = convert_reference.contract_details(
        details(
            validExchanges="SMART,NYSE, ARCA", marketRuleIds="26,,32", orderTypes="LMT,MKT,", minTick=0.01
        )
    )
    assert found.exchanges == ("SMART", "NYSE", "ARCA")
    assert [found.market_rule_id(name) for name in found.exchanges] == [26, 0, 32]
    assert found.order_types == ("LMT", "MKT")
    assert found.min_tick == Decimal("0.01")


@pytest.mark.parametrize(
    ("fields", "day"),
    [
        ({"contract_lastTradeDateOrContractMonth": "20261218"}, date(2026, 12, 18)),
        ({"contract_lastTradeDateOrContractMonth": "202612"}, None),
        (
            {"contract_lastTradeDateOrContractMonth": "202612", "realExpirationDate": "20261219"},
            date(2026, 12, 19),
        ),
    ],
)
def test_the_last_day_is_the_real_one(fields: dict[str, str], day: date | None) -> None:
    """A contract month is no day."""
    assert convert_reference.contract_details(details(contract_secType="FUT", **fields)).expires_on == day


def test_a_bond_matures_and_does_not_expire() -> None:
    """So that nobody looks for its days to expiration."""
    found = convert_reference.contract_details(
        details(contract_secType="BOND", coupon=4.25, maturity="20340215", cusip="91282CJZ5")
    )
    assert found.coupon == Decimal("4.25")
    assert found.maturity == date(2034, 2, 15)
    assert found.official["cusip"] == "91282CJZ5"


def test_every_official_field_is_kept() -> None:
    """Under a name of ours, or under its own."""
    official = details()
    found = convert_reference.contract_details(official)
    named = set(vars(official)) - set(found.official)
    assert {"contract", "minTick", "tradingHours"} <= named
    assert named == convert_reference._NAMED & set(vars(official))


def test_a_chain_is_in_order() -> None:
    """The official sets are in none, and strikes are floats."""
    chain = convert_reference.option_chain(
        "SMART", 265598, "AAPL", "100", {"20270115", "20261218", "x"}, {300.0, 292.5, UNSET}
    )
    assert chain.expirations == (date(2026, 12, 18), date(2027, 1, 15))
    assert chain.strikes == (Decimal("292.5"), Decimal(300))


def test_price_steps_are_exact() -> None:
    """As decimal texts, not as the floats that brought them."""
    steps = [SimpleNamespace(lowEdge=0.0, increment=0.0001), SimpleNamespace(lowEdge=1.0, increment=0.01)]
    assert convert_reference.market_rule(26, steps).steps == (
        PriceStep(Decimal(0), Decimal("0.0001")),
        PriceStep(Decimal(1), Decimal("0.01")),
    )
    with pytest.raises(InvalidInput):
        convert_reference.market_rule(26, [])
    with pytest.raises(InvalidInput):
        convert_reference.market_rule(26, [SimpleNamespace(lowEdge=0.0, increment=UNSET)])


def test_a_what_if_without_numbers_is_unknown() -> None:
    """Texts that are empty or the sentinel, and fields that old clients lack."""
    state = OrderState()
    state.initMarginChange = state.maintMarginAfter = str(UNSET)
    found = convert_reference.what_if(7, Contract.stock("AAPL"), Order.market("BUY", 1), state)
    assert not found.margins.is_known
    assert not found.margins_outside_rth.is_known
    assert found.commission_range is None
    assert found.suggested_size is None


def test_greeks_that_are_unset_are_none() -> None:
    """Old clients pass the sentinel, new ones None; an underlying without a price is none."""
    found = convert_reference.greeks(UNSET, 0.5, None, None, None, None, None, -1.0)
    assert found.implied_volatility is None
    assert found.delta == Decimal("0.5")
    assert found.underlying_price is None
