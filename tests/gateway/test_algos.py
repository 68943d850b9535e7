"""Algorithms work an order in slices."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway.clock import eastern
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain
from tests.gateway.test_kinds import Desk


def filled(desk: Desk) -> Decimal:
    return desk.gateway.books().order(1).filled


def test_an_algorithm_spreads_an_order_over_a_minute() -> None:
    """Ten slices, the first at once; what was asked is echoed."""
    desk = Desk()
    desk.place("BUY", "LMT", 100, lmtPrice=100.01, algoStrategy="Twap", algoParams={"allowPastEndTime": "1"})
    assert filled(desk) == 10
    assert desk.shown("algoStrategy") == "Twap"
    desk.gateway.run(6)
    assert filled(desk) == 20
    desk.gateway.run(47.9)
    assert filled(desk) == 90
    desk.gateway.run(0.2)
    assert desk.status == "Filled"


def test_its_times_are_obeyed() -> None:
    """Nothing before the start, everything by the end."""
    desk = Desk()
    times = {"startTime": "20261124 10:01:00 US/Eastern", "endTime": "20261124-15:02:00"}
    desk.place("SELL", "MKT", 7, algoStrategy="Vwap", algoParams=times)
    desk.gateway.run(59.9)
    assert filled(desk) == 0
    desk.gateway.run(60)
    assert desk.status == "Filled"


def test_a_slice_that_finds_no_market_is_made_up_for() -> None:
    """What was released and not traded rests like any order."""
    desk = Desk()
    desk.place(
        "BUY", "LMT", 100, lmtPrice=99.0, algoStrategy="Adaptive", algoParams={"adaptivePriority": "Normal"}
    )
    desk.gateway.run(30)
    assert filled(desk) == 0
    desk.quote("98.99", "99.00")
    assert filled(desk) == 60


def test_a_cancelled_algorithm_stops() -> None:
    """Later slices change nothing."""
    desk = Desk()
    desk.place("BUY", "MKT", 100, algoStrategy="Twap")
    desk.client.cancel(1)
    desk.gateway.run(120)
    assert (filled(desk), desk.status) == (10, "Cancelled")


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"algoStrategy": "Guesswork"}, 439),
        ({"algoStrategy": "Twap", "kind": "STP", "auxPrice": 99.0}, 442),
        ({"algoStrategy": "Twap", "tif": "IOC"}, 442),
        ({"algoStrategy": "Twap", "algoParams": {"endTime": "late"}}, 441),
    ],
)
def test_algorithms_that_make_no_sense_are_refused(fields: dict[str, Any], code: int) -> None:
    """TWS facts 7."""
    fields = dict(fields)
    kind = fields.pop("kind", "MKT")
    venue = gateway()
    assert errors(Pocket(venue).place(1, "BUY", 10, kind, **fields)) == [(1, code)]
    assert venue.books().orders == ()


def test_an_algorithm_cannot_be_changed() -> None:
    """440, and the order works on."""
    client = Pocket(gateway())
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, algoStrategy="Twap")
    assert errors(client.place(1, "BUY", 10, "LMT", lmtPrice=98.0, algoStrategy="Vwap")) == [(1, 440)]
    assert errors(client.place(1, "BUY", 10, "LMT", lmtPrice=98.0, algoStrategy="Twap")) == []


def test_an_algorithm_that_gets_more_to_do_does_it() -> None:
    """A modification scales what was released already, during its time and after it."""
    desk = Desk()
    desk.place("BUY", "LMT", 100, lmtPrice=101.0, algoStrategy="Twap")
    assert filled(desk) == 10
    desk.client.place(1, "BUY", 200, "LMT", lmtPrice=101.0, algoStrategy="Twap")
    assert filled(desk) == 20
    desk.gateway.run(120)
    assert (filled(desk), desk.status) == (200, "Filled")


def test_the_last_slice_holds_parts_of_a_share() -> None:
    """Otherwise the order would never end."""
    venue = gateway(settings=plain(fractional=True))
    client = Pocket(venue)
    order = {"action": "BUY", "totalQuantity": Decimal("2.5"), "orderType": "MKT", "tif": "DAY"}
    client.ask(
        "placeOrder", orderId=1, contract=AAPL, order={**order, "transmit": True, "algoStrategy": "Twap"}
    )
    venue.run(120)
    assert venue.books().order(1).status == "Filled"


@pytest.mark.parametrize("between", [" ", "-"])
def test_times_of_the_day(between: str) -> None:
    """The official pages write them without a date, or with one that is joined by a dash."""
    desk = Desk()
    now = eastern(desk.gateway.clock())
    later = now + timedelta(seconds=100)
    times = [f"{one:%H:%M:%S} US/Eastern" for one in (now, later)]
    if between == "-":
        times = [f"{now:%Y%m%d}-{text}" for text in times]
    params = dict(zip(("startTime", "endTime"), times, strict=True))
    desk.place("BUY", "LMT", 100, lmtPrice=101.0, algoStrategy="Twap", algoParams=params)
    assert filled(desk) == 10
    desk.gateway.run(95)
    assert filled(desk) == 100
