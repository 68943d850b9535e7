"""Recorded callbacks, as plain JSON, become facts."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.model import facts
from ibkr_core.testing.callbacks import fact_from_callback, read_contract, read_decimal

STATUS = {
    "cb": "orderStatus",
    "orderId": 7,
    "status": "Submitted",
    "filled": "4",
    "remaining": "6.5",
    "avgFillPrice": 101.1,
    "permId": 900,
    "parentId": 3,
    "lastFillPrice": 101.2,
    "clientId": 1,
    "whyHeld": "locate",
}


def test_an_order_status_is_read_whole() -> None:
    """Quantities are decimal strings, prices floats: both become exact Decimals."""
    assert fact_from_callback(STATUS) == facts.StatusFact(
        order_id=7,
        status="Submitted",
        filled=Decimal(4),
        remaining=Decimal("6.5"),
        avg_fill_price=Decimal("101.1"),
        perm_id=900,
        parent_id=3,
        last_fill_price=Decimal("101.2"),
        client_id=1,
        why_held="locate",
    )


def test_what_the_source_does_not_show_is_none() -> None:
    """Null is not zero; a permId of 0 is none."""
    event = dict.fromkeys(STATUS) | {"cb": "orderStatus", "permId": 0}
    assert fact_from_callback(event) == facts.StatusFact(order_id=None, status="")


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (None, None),
        ("", None),
        ("10", Decimal(10)),
        (0, Decimal(0)),
        (0.1, Decimal("0.1")),
        ("6.0E-5", Decimal("0.00006")),
        (-1.5, Decimal("-1.5")),
        (1.7976931348623157e308, None),
        ("1.7976931348623157E308", None),
        (str(2**127 - 1), None),
        ("NaN", None),
        (float("inf"), None),
        (float("-inf"), None),
    ],
)
def test_the_unset_sentinels_are_none(value: object, number: Decimal | None) -> None:
    """TWS facts 8: unset doubles and decimals, and what is not finite."""
    assert read_decimal(value) == number


@pytest.mark.parametrize("unset", [2**31 - 1, 2**63 - 1, None, ""])
def test_unset_whole_numbers_are_none(unset: object) -> None:
    """Executions of manual orders can have the sentinel as order id (TWS facts 3)."""
    fact = fact_from_callback(STATUS | {"orderId": unset, "permId": unset})
    assert isinstance(fact, facts.StatusFact)
    assert (fact.order_id, fact.perm_id) == (None, None)


OPEN = {
    "cb": "openOrder",
    "orderId": 7,
    "contract": {"symbol": "SPY", "secType": "OPT", "strike": 600.0, "right": "C", "conId": 5},
    "order": {
        "permId": 900,
        "clientId": 1,
        "action": "BUY",
        "totalQuantity": "10",
        "orderType": "LMT",
        "lmtPrice": 1.25,
        "auxPrice": 1.7976931348623157e308,
        "tif": "DAY",
        "orderRef": "mine",
        "ocaGroup": "g",
        "ocaType": 3,
        "parentId": 0,
        "outsideRth": True,
    },
    "orderState": {
        "status": "Submitted",
        "warningText": "careful",
        "rejectReason": "no",
        "commission": 1.0002999999999997,
        "commissionCurrency": "USD",
    },
}


@pytest.mark.parametrize("name", ["commission", "commissionAndFees"])
def test_an_open_order_is_read_whole(name: str) -> None:
    """The commission has an old and a new name (TWS facts 3)."""
    state = dict(OPEN["orderState"])  # type: ignore[call-overload]  # a table of JSON
    amount, currency = state.pop("commission"), state.pop("commissionCurrency")
    fact = fact_from_callback(OPEN | {"orderState": state | {name: amount, f"{name}Currency": currency}})
    assert isinstance(fact, facts.OpenOrderFact)
    assert fact.contract == read_contract(OPEN["contract"])  # type: ignore[arg-type]  # a table of JSON
    assert fact.contract is not None
    assert (fact.contract.strike, fact.contract.con_id) == (600, 5)
    order = fact.order
    assert (order.order_id, order.perm_id, order.client_id, order.total_quantity) == (7, 900, 1, 10)
    assert (order.limit_price, order.aux_price) == (Decimal("1.25"), None)
    assert (order.order_ref, order.oca_group, order.oca_type, order.outside_rth) == ("mine", "g", 3, True)
    assert (fact.status, fact.warning, fact.reject_reason) == ("Submitted", "careful", "no")
    assert (fact.commission, fact.commission_currency) == (Decimal("1.0002999999999997"), "USD")
    assert fact.margin is None


def test_a_what_if_answer_carries_the_whole_margin() -> None:
    """Margins come as text; a missing figure is None (TWS facts 4)."""
    words = ("initMargin", "maintMargin", "equityWithLoan")
    state: dict[str, Any] = {
        f"{word}{when}": str(n)
        for n, (word, when) in enumerate(
            (word, when) for word in words for when in ("Before", "Change", "After")
        )
    }
    state |= {"minCommission": 1.7976931348623157e308, "maxCommission": 2.5, "warningText": "w"}
    order = dict(OPEN["order"], whatIf=True)  # type: ignore[call-overload]  # a table of JSON
    fact = fact_from_callback(OPEN | {"order": order, "orderState": state})
    assert isinstance(fact, facts.OpenOrderFact)
    assert fact.margin == facts.WhatIfMargin(
        initial_before=Decimal(0),
        initial_change=Decimal(1),
        initial_after=Decimal(2),
        maintenance_before=Decimal(3),
        maintenance_change=Decimal(4),
        maintenance_after=Decimal(5),
        equity_before=Decimal(6),
        equity_change=Decimal(7),
        equity_after=Decimal(8),
        max_commission=Decimal("2.5"),
        warning="w",
    )


def test_a_completed_order_is_read() -> None:
    """It has no order id of its own in the text protocol (TWS facts 4)."""
    event = {
        "cb": "completedOrder",
        "contract": None,
        "order": {"permId": 900, "totalQuantity": "0", "filledQuantity": "1"},
        "orderState": {"status": "Filled", "completedStatus": "Filled Size: 1", "completedTime": "t"},
    }
    fact = fact_from_callback(event)
    assert isinstance(fact, facts.CompletedOrderFact)
    assert (fact.order.order_id, fact.order.perm_id, fact.order.filled_quantity) == (None, 900, 1)
    assert (fact.status, fact.completed_status, fact.completed_time) == ("Filled", "Filled Size: 1", "t")


def test_an_execution_and_its_commission_are_read() -> None:
    """The live one has request id -1."""
    execution = {
        "execId": "a.b.c.01",
        "orderId": 7,
        "clientId": 1,
        "permId": 900,
        "side": "SLD",
        "shares": "0.1404",
        "price": 12.5,
        "cumQty": "1.1404",
        "time": "20260611-13:31:00",
        "acctNumber": "DU1",
        "lastLiquidity": 2,
        "orderRef": "mine",
    }
    fact = fact_from_callback({"cb": "execDetails", "reqId": None, "contract": None, "execution": execution})
    assert isinstance(fact, facts.ExecutionFact)
    assert (fact.request_id, fact.shares, fact.price, fact.cum_quantity) == (
        -1,
        Decimal("0.1404"),
        Decimal("12.5"),
        Decimal("1.1404"),
    )
    assert (fact.account, fact.liquidity, fact.order_ref, fact.contract) == ("DU1", 2, "mine", None)
    report = {
        "execId": "a.b.c.01",
        "commission": 1.2e-4,
        "currency": "USD",
        "realizedPNL": 1.7976931348623157e308,
    }
    told = fact_from_callback({"cb": "commissionReport", "commissionReport": report})
    assert told == facts.CommissionFact(exec_id="a.b.c.01", commission=Decimal("0.00012"), currency="USD")


def test_errors_and_bindings_are_read() -> None:
    """An error without an id is about nothing in particular: -1."""
    assert fact_from_callback(
        {"cb": "error", "reqId": 7, "errorCode": 202, "errorString": "x", "advancedOrderRejectJson": None}
    ) == facts.ErrorFact(request_id=7, code=202, message="x")
    assert fact_from_callback({"cb": "error", "reqId": None, "errorCode": 2104}) == facts.ErrorFact(
        request_id=-1, code=2104
    )
    assert fact_from_callback(
        {"cb": "orderBound", "permId": 900, "clientId": 0, "orderId": -7}
    ) == facts.OrderBoundFact(perm_id=900, client_id=0, order_id=-7)


@pytest.mark.parametrize(
    "name", ["openOrderEnd", "execDetailsEnd", "nextValidId", "managedAccounts", "tickPrice"]
)
def test_callbacks_about_no_order_are_no_facts(name: str) -> None:
    """They are for others to handle."""
    assert fact_from_callback({"cb": name}) is None


def test_a_contract_of_which_nothing_is_shown_is_none() -> None:
    """Not an empty contract."""
    assert read_contract(None) is None
    assert read_contract({}) is None
    assert read_contract({"symbol": None, "secType": None}) is None
    assert read_contract({"symbol": "AAPL"}) is not None
