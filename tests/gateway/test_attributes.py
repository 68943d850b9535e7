"""The table of attributes that do not go with an order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway.attributes import OBJECTIONS, check_attributes
from ibkr_core.gateway.combos import Combos
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.orders import OrderSpec
from ibkr_core.gateway.refusals import RefusalError
from tests.gateway.test_combos import PAIR
from tests.gateway.test_orders import LIMIT
from tests.gateway.test_rejections import REFUSALS

AAPL = default_catalogue().matches({"conId": 265598})[0]


def test_every_objection_has_a_cause_somewhere() -> None:
    """No line of the table is never reached: each code is earned in the tests of refusals, or of codes."""
    proved = {code for code, _ in REFUSALS} | {315, 10289}  # here below, and in test_codes
    assert {one.code for one in OBJECTIONS} <= proved
    assert all(one.text.endswith((".", "scalePriceIncrement", "(OCA).")) for one in OBJECTIONS)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"shortSaleSlot": 0, "origin": 1},
        {"discretionaryAmt": 0.05},
        {"displaySize": 10},
        {"volatilityType": 0, "continuousUpdate": False},
        {"minTradeQty": 10, "minCompeteSize": 0},
    ],
)
def test_what_clients_send_by_default_is_no_attribute(fields: dict[str, Any]) -> None:
    """Zeros and unset values pass, and so does what goes with a limit order."""
    check_attributes(AAPL, OrderSpec.parse({**LIMIT, **fields}), "SMART")


def test_competing_up_to_the_middle_is_an_infinite_offset() -> None:
    """So the official client spells it; any other infinite number is none."""
    best = {**LIMIT, "orderType": "PEG BEST", "competeAgainstBestOffset": float("inf")}
    check_attributes(AAPL, OrderSpec.parse(best), "IBKRATS")
    peg = {**LIMIT, "orderType": "PEG BENCH", "referenceContractId": 1, "referenceChangeAmount": 1.0}
    with pytest.raises(RefusalError, match="321"):
        check_attributes(AAPL, OrderSpec.parse({**peg, "startingPrice": float("inf")}), "SMART")


@pytest.mark.parametrize("value", ["lots", float("nan"), -1.0])
def test_numbers_that_are_none_are_refused(value: Any) -> None:
    """With the code of the attribute, or 321 where it is no number at all."""
    with pytest.raises(RefusalError) as refused:
        check_attributes(AAPL, OrderSpec.parse({**LIMIT, "minCompeteSize": value}), "SMART")
    assert refused.value.code in {321, 10304}


def test_stock_legs_go_by_smart() -> None:
    """315 for a combination with stocks anywhere else."""
    combo = Combos(default_catalogue()).resolve(PAIR)
    with pytest.raises(RefusalError) as refused:
        check_attributes(combo, OrderSpec.parse({**LIMIT, "totalQuantity": Decimal(1)}), "NYSE")
    assert refused.value.code == 315
