"""When an order would be held because its market is closed: every case, at moments of our choice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ibkr_core.errors import MarketClosed
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.reference import ContractDetails, TradingHours
from ibkr_core.preflight import check_hours

LIMIT = Order.limit("BUY", 1, 100)
OPENS = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)
NOON = OPENS + timedelta(hours=2)
EARLY = OPENS - timedelta(hours=2)
NIGHT = datetime(2026, 11, 24, 2, 0, tzinfo=UTC)
"""Nine in the evening of the 23rd in New York."""


def details(sec_type: str = "STK", zone: str = "US/Eastern") -> ContractDetails:
    return ContractDetails(
        contract=Contract(symbol="X", sec_type=sec_type, exchange="SMART"),
        trading_hours=TradingHours.parse("20261123:0400-20261123:2000;20261124:0400-20261124:2000", zone),
        liquid_hours=TradingHours.parse("20261123:0930-20261123:1600;20261124:0930-20261124:1600", zone),
    )


@pytest.mark.parametrize(
    ("order", "at"),
    [
        (LIMIT, NOON),
        (LIMIT.replace(outside_rth=True), EARLY),
        (LIMIT.replace(tif="GTC"), NIGHT),
        (LIMIT.replace(tif="GTD", good_till_date="20261230 23:59:59 US/Eastern"), NIGHT),
        (LIMIT.replace(tif="OPG"), NIGHT),
        (LIMIT.replace(good_after_time="20261124 10:00:00 US/Eastern"), NIGHT),
        (Order(action="BUY", quantity=1, order_type="MOC"), EARLY),
        (LIMIT, NOON + timedelta(days=5)),
    ],
    ids=["open", "before-hours", "GTC", "GTD", "OPG", "GAT", "MOC", "unknown-day"],
)
def test_what_trades_or_waits_of_its_own_will_passes(order: Order, at: datetime) -> None:
    """And whatever the broker told no hours of."""
    check_hours(details(), order, at)


@pytest.mark.parametrize(
    ("order", "at"),
    [
        (LIMIT, EARLY),
        (LIMIT, NIGHT),
        (LIMIT.replace(tif="IOC"), NIGHT),
        (LIMIT.replace(outside_rth=True), NIGHT),
        (Order.market("BUY", 1), EARLY),
    ],
)
def test_what_is_meant_for_now_is_refused(order: Order, at: datetime) -> None:
    """With the next opening, also as a value."""
    with pytest.raises(
        MarketClosed, match=r"contract: X is outside its (regular )?trading hours now"
    ) as caught:
        check_hours(details(), order, at)
    assert caught.value.argument == "contract"
    assert caught.value.opens_at is not None
    assert caught.value.opens_at > at
    assert f"{caught.value.opens_at:%Y-%m-%d %H:%M} UTC" in str(caught.value)


def test_futures_trade_whenever_their_exchange_is_open() -> None:
    """Without being marked for hours outside the regular ones."""
    check_hours(details("FUT"), LIMIT, EARLY)
    with pytest.raises(MarketClosed, match="outside its trading hours"):
        check_hours(details("FUT"), LIMIT, NIGHT)


def test_an_unknown_zone_forbids_nothing() -> None:
    """Nobody knows then."""
    check_hours(details(zone="Nowhere"), LIMIT, NIGHT)


def test_no_opening_may_be_known() -> None:
    """On the last day that the broker tells of."""
    with pytest.raises(MarketClosed, match="opens on no known day") as caught:
        check_hours(details(), LIMIT, NOON + timedelta(days=1, hours=6))
    assert caught.value.opens_at is None
