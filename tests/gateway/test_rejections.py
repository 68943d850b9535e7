"""Refusals of new orders with the codes of TWS facts 7, each from the cause that the broker gives for it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import MemoryGateway
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain, story
from tests.gateway.test_combos import PAIR

D = Decimal
ES = {"symbol": "ES", "secType": "FUT", "exchange": "CME", "currency": "USD"}
EUR = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}
ATS = {**AAPL, "exchange": "IBKRATS"}
CALL = {
    "symbol": "AAPL", "secType": "OPT", "exchange": "SMART", "currency": "USD", "strike": 290.0, "right": "C",
    "lastTradeDateOrContractMonth": "20301220",
}  # fmt: skip
ON_PRICE = {"type": 1, "conId": 272093, "exchange": "SMART", "isMore": True, "price": 1.0}
ON_PRICE |= {"isConjunctionConnection": True, "triggerMethod": 0}


REFUSALS: list[tuple[int, dict[str, Any]]] = [
    (109, {"kind": "LMT", "lmtPrice": -1.0}),
    (110, {"kind": "LMT", "lmtPrice": 99.001}),
    (110, {"kind": "LIT", "auxPrice": 99.001, "lmtPrice": 99.0}),
    (111, {"kind": "STP", "auxPrice": 99.0, "tif": "OPG"}),
    (113, {"kind": "MOC", "tif": "GTC"}),
    (117, {"blockOrder": True}),
    (146, {"kind": "STP", "auxPrice": 99.0, "triggerMethod": 6}),
    (147, {"conditions": [{**ON_PRICE, "conId": 1}]}),
    (148, {"kind": "STP", "auxPrice": 99.0, "conditions": [ON_PRICE]}),
    (152, {"hidden": True, "contract": EUR}),
    (157, {"kind": "LMT", "lmtPrice": 99.0, "displaySize": 2, "discretionaryAmt": 0.05}),
    (158, {"kind": "TRAIL"}),
    (159, {"kind": "TRAIL", "trailingPercent": 120.0}),
    (168, {"kind": "LMT", "lmtPrice": 99.0, "discretionaryAmt": 0.005}),
    (200, {"contract": {**AAPL, "symbol": "NOSUCH"}}),
    (200, {"contract": ES}),
    (320, {"hedgeType": "P", "hedgeParam": "none", "totalQuantity": D(0), "parentId": 1}),
    (321, {"action": "HOLD"}),
    (321, {"kind": "NOSUCH"}),
    (321, {"kind": "LMT"}),
    (321, {"account": "U1"}),
    (328, {"kind": "TRAIL", "auxPrice": 1.0, "parentId": 2}),
    (387, {"kind": "PSV"}),
    (391, {"tif": "GTD", "goodTillDate": "20200101 10:00:00"}),
    (391, {"goodAfterTime": "teatime"}),
    (434, {"totalQuantity": D(0)}),
    (439, {"algoStrategy": "Hope"}),
    (441, {"algoStrategy": "Twap", "algoParams": {"startTime": "x"}}),
    (442, {"algoStrategy": "Twap", "tif": "FOK"}),
    (10006, {"parentId": 99}),
    (10052, {"tif": "NEVER"}),
    (10063, {"hedgeType": "F", "totalQuantity": D(0), "parentId": 1}),
    (10224, {"ocaGroup": "pair", "account": "DU2"}),
    (10243, {"totalQuantity": D("1.5")}),
    (10244, {"totalQuantity": D(0), "cashQty": 500.0, "kind": "MTL"}),
    (10268, {"eTradeOnly": True}),
    (10269, {"firmQuoteOnly": True}),
    (10270, {"nbboPriceCap": 1.0}),
    (311, {"origin": 5}),
    (325, {"kind": "STP", "auxPrice": 101.0, "discretionaryAmt": 0.05}),
    (341, {"kind": "PEG STK", "contract": CALL, "startingPrice": 5.0}),
    (342, {"kind": "PEG BENCH", "referenceContractId": 1, "referenceChangeAmount": 1.0}),
    (347, {"shortSaleSlot": 3}),
    (348, {"shortSaleSlot": 1}),
    (359, {"contract": PAIR, "ocaGroup": "other", "ocaType": 1}),
    (361, {"kind": "STP", "auxPrice": 101.0, "adjustedOrderType": "STP", "adjustedStopPrice": 99.0}),
    (367, {"kind": "VOL", "contract": CALL, "volatility": 0.2, "volatilityType": 3}),
    (371, {"kind": "VOL", "contract": CALL}),
    (372, {"continuousUpdate": True}),
    (387, {"kind": "VOL", "volatility": 0.2}),
    (387, {"kind": "MOC", "contract": CALL}),
    (387, {"kind": "BOX TOP", "contract": CALL}),
    (407, {"contract": {**AAPL, "symbol": "\u00c4PFEL"}}),
    (408, {"scalePriceIncrement": -0.1, "scaleInitLevelSize": 5}),
    (410, {"scalePriceIncrement": 0.1, "scaleInitLevelSize": 5, "scaleSubsLevelSize": 0}),
    (417, {"scalePriceIncrement": 0.1, "scaleInitLevelSize": 50}),
    (418, {"scalePriceIncrement": 0.1, "scaleInitLevelSize": 5, "scaleProfitOffset": -0.5}),
    (419, {"scalePriceIncrement": 0.1}),
    (429, {"contract": {**AAPL, "deltaNeutralContract": {"conId": 1, "delta": 0.5, "price": 1.0}}}),
    (446, {"scalePriceIncrement": 0.1, "scaleInitLevelSize": 5, "scaleAutoReset": True}),
    (10020, {"kind": "LMT", "lmtPrice": 99.0, "displaySize": 20}),
    (10303, {"kind": "PEG BEST", "contract": ATS, "minTradeQty": 20}),
    (10304, {"kind": "PEG BEST", "contract": ATS, "minCompeteSize": -1}),
    (10305, {"kind": "PEG BEST", "contract": ATS, "competeAgainstBestOffset": 0.005}),
    (10340, {"scalePriceIncrement": 0.1, "scaleInitLevelSize": 5}),
    (
        10340,
        {
            "kind": "LMT",
            "lmtPrice": 99.0,
            "scalePriceIncrement": 0.1,
            "scaleInitLevelSize": 5,
            "scaleProfitOffset": 0.2,
        },
    ),
]
"""Codes of TWS facts 7 and of the broker's public table, each with an order that earns it."""


@pytest.mark.parametrize(("code", "fields"), REFUSALS)
def test_a_new_order_is_refused_and_leaves_no_trace(code: int, fields: dict[str, Any]) -> None:
    """One error under its id and nothing else; the id is free again and the books are as before."""
    venue = gateway(settings=plain(accounts=("DU1", "DU2")))
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="pair", account="DU1")
    client.place(2, "BUY", 10, "LOC", lmtPrice=99.0)
    before = venue.books()
    wanted = dict(fields)
    told = client.place(9, wanted.pop("action", "BUY"), 10, wanted.pop("kind", "MKT"), **wanted)
    assert [(one.kind, one.fields["id"], one.fields["errorCode"]) for one in told] == [("error", 9, code)]
    assert venue.books() == before
    assert errors(client.place(9, "BUY", 1)) == []


@pytest.mark.parametrize(
    ("code", "exchange", "quantity"), [(10247, "ARCA", "1.5"), (10246, "SMART", "0.00001")]
)
def test_parts_of_shares_have_limits_of_their_own(code: int, exchange: str, quantity: str) -> None:
    """Where they are traded at all."""
    client = Pocket(gateway(settings=plain(fractional=True)))
    told = client.place(1, "BUY", 1, contract={**AAPL, "exchange": exchange}, totalQuantity=D(quantity))
    assert errors(told) == [(1, code)]


def one_order(venue: MemoryGateway) -> Pocket:
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    return client


def test_a_halted_security_takes_no_orders_and_does_not_trade() -> None:
    """154 for a new one; a resting one waits until trading goes on, and may be cancelled."""
    venue = gateway()
    client = one_order(venue)
    venue.halt("AAPL")
    venue.market("AAPL").set_quote(bid="98.98", ask="98.99")
    assert errors(client.place(2, "BUY", 10)) == [(2, 154)]
    assert venue.books().executions == ()
    venue.halt("AAPL", halted=False)
    assert [one.quantity for one in venue.books().executions] == [10]


def test_a_barred_security_is_not_for_this_account() -> None:
    """203."""
    venue = gateway()
    venue.bar("AAPL")
    assert errors(Pocket(venue).place(1, "BUY", 10)) == [(1, 203)]


def test_no_more_than_so_many_active_orders_on_a_side() -> None:
    """The next one is rejected with 201 and Inactive; the other side has its own count (TWS facts 6)."""
    client = Pocket(gateway(settings=plain(most_active=3)))
    for order_id in (1, 2, 3):
        client.place(order_id, "BUY", 1, "LMT", lmtPrice=99.0)
    assert story(client.place(4, "BUY", 1, "LMT", lmtPrice=99.0)) == [
        "error 201", "open Inactive", "status Inactive 0/1",
    ]  # fmt: skip
    assert errors(client.place(5, "SELL", 1, "LMT", lmtPrice=101.0)) == []
    client.cancel(1)
    assert errors(client.place(6, "BUY", 1, "LMT", lmtPrice=99.0)) == []
