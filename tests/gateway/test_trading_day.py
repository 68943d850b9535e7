"""The day's course under a calendar, and orders that wake up or end at a moment."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway import Calendar, ManualClock, MemoryGateway
from ibkr_core.gateway.hours import from_eastern
from tests.gateway.pocket import Pocket, errors, gateway, plain, statuses, story


def opened(wall: str) -> tuple[MemoryGateway, Pocket]:
    """A gateway with trading hours at a New York time, and a client."""
    clock = ManualClock(from_eastern(datetime.fromisoformat(wall)))
    venue = gateway(settings=plain(calendar=Calendar()), clock=clock)
    return venue, Pocket(venue)


def run_to(venue: MemoryGateway, wall: str) -> None:
    venue.run(from_eastern(datetime.fromisoformat(wall)) - venue.now())


def status(venue: MemoryGateway, order_id: int = 1) -> str:
    return venue.books().order(order_id).status


@pytest.mark.parametrize(
    ("wall", "opening"),
    [
        ("2026-11-24 08:00:00", "2026-11-24 09:30:00 US/Eastern"),
        ("2026-11-25 21:00:00", "2026-11-27 09:30:00 US/Eastern"),
        ("2026-11-25 17:00:00", "2026-11-27 09:30:00 US/Eastern"),
    ],
)
def test_an_order_outside_hours_is_held_until_the_opening(wall: str, opening: str) -> None:
    """399 names the next opening, past holidays; the order is PreSubmitted, then trades at the bell."""
    venue, client = opened(wall)
    told = client.place(1, "BUY", 10)
    (warning,) = [one for one in told if one.kind == "error"]
    assert warning.fields["errorCode"] == 399
    assert warning.fields["errorMsg"].endswith(f"at the exchange until {opening}.")
    assert story(told)[-1] == "status PreSubmitted 0/10"
    run_to(venue, opening[:11] + "09:29:59")
    assert status(venue) == "PreSubmitted"
    run_to(venue, opening[:19])
    assert status(venue) == "Filled"


def test_an_order_marked_outside_rth_trades_early() -> None:
    """At eight in the morning, with no warning; before four it waits, too."""
    venue, client = opened("2026-11-24 03:00:00")
    assert errors(client.place(1, "BUY", 10, "LMT", lmtPrice=100.01, outsideRth=True)) == [(1, 399)]
    assert "04:00:00" in client.heard[-3].fields["errorMsg"]
    run_to(venue, "2026-11-24 04:00:00")
    assert status(venue) == "Filled"
    assert errors(client.place(2, "BUY", 10, "LMT", lmtPrice=100.01, outsideRth=True)) == []
    assert status(venue, 2) == "Filled"


def test_a_market_order_cannot_be_marked_so() -> None:
    """2109 says that the mark is ignored; the order waits for regular hours (TWS facts 7)."""
    venue, client = opened("2026-11-24 08:00:00")
    assert errors(client.place(1, "BUY", 10, outsideRth=True)) == [(1, 399), (1, 2109)]
    assert status(venue) == "PreSubmitted"


def test_nothing_trades_and_no_stop_is_elected_overnight() -> None:
    """A GTC order and a stop rest through the night and react in the morning."""
    venue, client = opened("2026-11-24 15:00:00")
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC")
    client.place(2, "SELL", 10, "STP", auxPrice=99.0, tif="GTC")
    run_to(venue, "2026-11-24 16:30:00")
    venue.market("AAPL").set_quote(bid="98.90", ask="98.95")
    assert venue.books().executions == ()
    assert client.cancel(2)[-1].fields["errorCode"] == 202, "cancels work at night"
    run_to(venue, "2026-11-25 09:30:00")
    assert [one.price for one in venue.books().executions] == [Decimal("98.95")]


def test_orders_of_the_day_end_at_the_close() -> None:
    """DAY at four, DAY outside-RTH at eight, GTC never."""
    venue, client = opened("2026-11-24 15:00:00")
    for order_id, fields in enumerate(({}, {"outsideRth": True}, {"tif": "GTC"}), 1):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0, **fields)
    client.listen()
    run_to(venue, "2026-11-24 16:00:00")
    assert story(client.listen()) == ["status Cancelled 0/10", "error 202"]
    run_to(venue, "2026-11-24 20:00:00")
    assert [status(venue, one) for one in (1, 2, 3)] == ["Cancelled", "Cancelled", "Submitted"]
    run_to(venue, "2026-11-30 12:00:00")
    assert status(venue, 3) == "Submitted"


def test_auctions_open_and_close_the_day() -> None:
    """OPG trades at half past nine, MOC at four, both at the last price."""
    venue, client = opened("2026-11-24 08:00:00")
    venue.market("AAPL").set_quote(bid=100, ask="100.01", last="100.01")
    client.place(1, "BUY", 10, tif="OPG")
    client.place(2, "SELL", 10, "MOC")
    run_to(venue, "2026-11-24 09:30:00")
    assert (status(venue), status(venue, 2)) == ("Filled", "PreSubmitted")
    venue.market("AAPL").set_last("102.5")
    run_to(venue, "2026-11-24 15:59:59")
    assert status(venue, 2) == "PreSubmitted"
    run_to(venue, "2026-11-24 16:00:00")
    assert [one.price for one in venue.books().executions] == [Decimal("100.01"), Decimal("102.5")]


@pytest.mark.parametrize("calendar", [None, Calendar()])
def test_an_order_good_after_a_time_sleeps_until_then(calendar: Calendar | None) -> None:
    """PreSubmitted while it sleeps, whatever the market; a time that has passed holds nothing."""
    venue = gateway(settings=plain(calendar=calendar))
    client = Pocket(venue)
    told = client.place(1, "BUY", 10, goodAfterTime="20261124 10:00:05 US/Eastern")
    assert story(told) == ["open PreSubmitted", "status PreSubmitted 0/10"]
    client.place(2, "BUY", 10, goodAfterTime="20261124 09:59:00")
    assert status(venue, 2) == "Filled"
    venue.run(4.9)
    assert status(venue) == "PreSubmitted"
    venue.run(0.1)
    assert status(venue) == "Filled"


def test_an_order_ends_at_the_date_it_is_good_till() -> None:
    """Cancelled with 202 at the second, also when a modification has moved that second."""
    venue = gateway()
    client = Pocket(venue)
    wanted: dict[str, Any] = {"kind": "LMT", "lmtPrice": 99.0, "tif": "GTD"}
    client.place(1, "BUY", 10, goodTillDate="20261124 10:01:00", **wanted)
    client.place(2, "BUY", 10, goodTillDate="20261124 10:01:00", **wanted)
    client.place(2, "BUY", 10, goodTillDate="20261124 10:02:00", **wanted)
    venue.run(59.9)
    assert (status(venue), status(venue, 2)) == ("Submitted", "Submitted")
    venue.run(0.1)
    assert (status(venue), status(venue, 2)) == ("Cancelled", "Submitted")
    venue.run(60)
    assert (status(venue, 2), errors(client.listen())) == ("Cancelled", [(1, 202), (2, 202)])


def test_a_sleeper_may_be_woken_by_a_modification() -> None:
    """Without its time it starts at once."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=100.01, goodAfterTime="20261124 11:00:00")
    client.place(1, "BUY", 10, "LMT", lmtPrice=100.01)
    assert statuses(client.heard, 1)[-1]["status"] == "Filled"
