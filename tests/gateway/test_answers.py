"""Messages say what the books say, in the form that recorded ones have."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.gateway import ManualClock
from ibkr_core.gateway.core import supported_versions
from ibkr_core.wire.message import Message
from tests.gateway.pocket import Pocket, gateway

VERSIONS = [v for v in (142, 157, 176, 193, 200, 203, 213, 226) if v in supported_versions()]


@pytest.mark.parametrize("version", VERSIONS)
def test_a_recorded_market_order_is_told_alike(version: int) -> None:
    """The fields of the recorded TSLA order (TWS facts 2.4, wire facts 9) at every form of the protocol."""
    venue = gateway()
    venue.market("TSLA").set_quote(bid="196.51", ask="196.52")
    client = Pocket(venue, client_id=100, version=version)
    contract = {"symbol": "TSLA", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    client.place(1, "BUY", 100, contract=contract)
    heard = {one.kind: one.fields for one in client.heard}

    told = heard["openOrder"]
    expected = {
        "conId": 76792991,
        "symbol": "TSLA",
        "exchange": "SMART",
        "localSymbol": "TSLA",
        "tradingClass": "NMS",
    }
    assert expected.items() <= told["contract"].items()
    order = told["order"]
    assert (order["action"], order["totalQuantity"], order["orderType"]) == ("BUY", 100, "MKT")
    assert (order["lmtPrice"], order["auxPrice"], order["tif"], order["ocaType"]) == (0.0, 0.0, "DAY", 3)
    assert (order["clientId"], order["account"]) == (100, "DU1234567")
    assert told["orderState"]["commissionAndFees"] == pytest.approx(1.0003)
    assert not {"initMarginBefore", "minCommissionAndFees"} & set(told["orderState"])

    status = heard["orderStatus"]
    assert (status["status"], status["filled"], status["remaining"]) == ("Filled", 100, 0)
    assert (status["avgFillPrice"], status["lastFillPrice"], status["parentId"]) == (196.52, 196.52, 0)
    assert status["permId"] == order["permId"]

    fill = heard["execDetails"]
    assert fill.get("reqId", -1) == -1
    assert fill["contract"]["exchange"] == fill["execution"]["exchange"] != "SMART"
    assert (fill["execution"]["side"], fill["execution"]["time"]) == ("BOT", "20261124 10:00:00 US/Eastern")
    assert len(fill["execution"]["execId"].split(".")) == 4
    assert "realizedPNL" not in heard["commissionReport"]


def test_the_clock_of_the_messages_is_the_gateways() -> None:
    """Times come from the clock that the gateway was given."""
    clock = ManualClock(1_000_000_000.0)  # 2001-09-08 21:46:40 in New York
    client = Pocket(gateway(clock=clock))
    client.place(1, "BUY", 10)
    (fill,) = [one for one in client.heard if one.kind == "execDetails"]
    assert fill.fields["execution"]["time"] == "20010908 21:46:40 US/Eastern"
    assert client.ask("reqCurrentTime") == [Message("currentTime", {"currentTime": 1_000_000_000})]


def test_the_cumulative_commission_is_a_sum_of_floats() -> None:
    """With the noise that comes of it, as seen in captures (TWS facts 2.10)."""
    venue = gateway()
    client = Pocket(venue)
    for _ in range(3):
        venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=40)
        if not client.gateway.books().orders:
            client.place(1, "BUY", 100)
    client.listen()
    shown = [
        one.fields["orderState"].get("commissionAndFees") for one in client.heard if one.kind == "openOrder"
    ]
    assert shown[-1] == pytest.approx(1.0003)
    assert venue.books().order(1).commission == Decimal("1.0003")


def test_a_sale_that_closes_reports_its_profit() -> None:
    """After both commissions; an opening trade reports none (TWS facts 3)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    venue.market("AAPL").set_quote(bid=101, ask="101.01")
    client.place(2, "SELL", 10)
    reports = [one.fields for one in client.heard if one.kind == "commissionReport"]
    assert "realizedPNL" not in reports[0]
    assert reports[1]["realizedPNL"] == pytest.approx(9.9 - 2 * 1.00003)
