"""Order types, times and groups over TCP, asked for and understood by the official client."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from ibapi.contract import ComboLeg
from ibapi.order_condition import PriceCondition
from ibapi.tag_value import TagValue

from ibkr_core.gateway import Choreography, ClientRules, MarketSettings, Settings, SimulatedGateway
from tests.gateway.official import OfficialClient, order, stock

pytestmark = [pytest.mark.system, pytest.mark.matrix]


BENCHMARK = {
    "referenceContractId": 272093, "startingPrice": 99.5, "stockRefPrice": 478.2,
    "peggedChangeAmount": 0.1, "referenceChangeAmount": 1.0,
}  # fmt: skip


class Room:
    """One server with AAPL at 100.00 to 100.01, and as many official clients as a test wants."""

    def __init__(self) -> None:
        self.server: SimulatedGateway | None = None
        self.clients: list[OfficialClient] = []

    def open(self, **wanted: Any) -> SimulatedGateway:
        wanted.setdefault("market", MarketSettings(moves=False))
        wanted.setdefault("choreography", Choreography.plain())  # no delays: an order works once it is told
        self.server = SimulatedGateway(settings=Settings(**wanted))
        self.server.start()
        self.server.market("AAPL").set_quote(bid=100, ask="100.01")
        return self.server

    def join(self, client_id: int = 1) -> OfficialClient:
        assert self.server is not None
        client = OfficialClient()
        self.clients.append(client)
        client.begin(self.server.port, client_id)
        client.wait("nextValidId")
        return client

    def shut(self) -> None:
        for client in self.clients:
            client.end()
        if self.server is not None:
            self.server.stop()


@pytest.fixture
def room() -> Iterator[Room]:
    """A room that is emptied when the test ends."""
    made = Room()
    yield made
    made.shut()


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("MIT", {"auxPrice": 99.0}),
        ("LIT", {"auxPrice": 99.0, "lmtPrice": 99.5}),
        ("MTL", {}),
        ("REL", {"auxPrice": 0.02, "lmtPrice": 101.0}),
        ("PEG MID", {"lmtPrice": 101.0}),
        ("MIDPRICE", {"lmtPrice": 101.0}),
        ("TRAIL LIMIT", {"auxPrice": 1.0, "trailStopPrice": 101.0, "lmtPrice": 101.5}),
        ("MOC", {}),
        ("LOC", {"lmtPrice": 102.0}),
        ("TRAIL MIT", {"auxPrice": 1.0}),
        ("PEG MKT", {"auxPrice": 0.01}),
        ("SNAP MKT", {"auxPrice": 0.01}),
        ("SNAP MID", {"lmtPrice": 101.0}),
        ("PEG BENCH", BENCHMARK),
    ],
)
def test_every_type_is_echoed_and_filled(room: Room, kind: str, fields: dict[str, float]) -> None:
    """The official client reads its own fields back, and the order trades when its time comes."""
    server = room.open()
    client = room.join()
    client.placeOrder(1, stock(), order("BUY", 10, kind, **fields))
    echoed = client.wait("openOrder")[2]
    assert (echoed.orderType, Decimal(str(echoed.totalQuantity))) == (kind, 10)
    assert {name: getattr(echoed, name) for name in fields} == pytest.approx(fields)
    server.market("AAPL").set_quote(bid="98.98", ask="98.99", last="98.98")
    server.market("AAPL").set_quote(bid="101.18", ask="101.20", last="101.19")
    server.market("AAPL").set_quote(bid="100.00", ask="100.01", last="100.00")
    if kind in {"MOC", "LOC"}:
        server.end_day()
    client.wait_status(1, "Filled")
    client.wait("commissionReport")
    assert server.books().position("AAPL") == 10


def test_times_and_terms_are_echoed(room: Room) -> None:
    """What the official client asks for it reads back; the sleeper is PreSubmitted, the iceberg in slices."""
    server = room.open()
    client = room.join()
    wanted: dict[str, Any] = {"goodAfterTime": "20991231 10:00:00 US/Eastern", "outsideRth": True}
    wanted |= {"goodTillDate": "20991231 11:00:00 US/Eastern", "allOrNone": True, "minQty": 3}
    client.placeOrder(1, stock(), order("BUY", 10, "LMT", lmtPrice=100.01, tif="GTD", **wanted))
    echoed = client.wait("openOrder")[2]
    assert {name: getattr(echoed, name) for name in wanted} == wanted
    assert client.wait_status(1, "PreSubmitted")[2] == 0
    client.placeOrder(2, stock(), order("BUY", 10, "LMT", lmtPrice=100.01, displaySize=4, triggerMethod=4))
    client.wait_status(2, "Filled")
    shares = [int(args[2].shares) for args in client.of("execDetails")]
    assert shares == [4, 4, 2]
    assert server.books().order(1).filled == 0


def test_the_exchange_closes_for_the_day(room: Room) -> None:
    """A day order is cancelled at the bell, one that comes after it is held with 399."""
    server = room.open()
    client = room.join()
    client.placeOrder(1, stock(), order("BUY", 10, "LMT", lmtPrice=99.0))
    client.wait_status(1, "Submitted")
    server.end_day()
    client.wait_status(1, "Cancelled")
    client.wait_error(1, 202)
    client.placeOrder(2, stock(), order("BUY", 10))
    assert "will not be placed at the exchange until" in client.wait_error(2, 399)
    client.wait_status(2, "PreSubmitted")
    server.open_exchange()
    client.wait_status(2, "Filled")


def test_orders_made_by_hand_are_bound(room: Room) -> None:
    """Client 0 hears orderBound and cancels by the negative id; client 1 may not bind."""
    server = room.open()
    zero, one = room.join(0), room.join(1)
    perm_id = server.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    one.reqAutoOpenOrders(True)
    one.wait_error(-1, 327)
    zero.reqOpenOrders()
    zero.wait("openOrderEnd")
    assert zero.of("orderBound") == [(perm_id, 0, -1)]
    zero.withdraw(-1)
    zero.wait_status(-1, "Cancelled")


@pytest.mark.parametrize("allowed", [False, True])
def test_another_clients_order(room: Room, allowed: bool) -> None:
    """10147 where that is not allowed, or else Cancelled in the name of the canceller (TWS facts 4)."""
    room.open(clients=ClientRules(cross_cancel=allowed))
    owner, other = room.join(1), room.join(2)
    owner.placeOrder(5, stock(), order("BUY", 10, "LMT", lmtPrice=99.0))
    owner.wait_status(5, "Submitted")
    other.withdraw(5)
    if allowed:
        assert owner.wait_status(5, "Cancelled")[8] == 2
        other.wait_status(5, "Cancelled")
    else:
        other.wait_error(5, 10147)
        assert "Cancelled" not in [args[1] for args in owner.of("orderStatus")]


def test_conditions_are_echoed_and_obeyed(room: Room) -> None:
    """The official client reads its conditions back; the order waits for them."""
    server = room.open()
    server.market("MSFT").set_quote(bid=480, ask="480.01", last=480)
    client = room.join()
    price = PriceCondition(2, 272093, "SMART", True, 500.0)
    wanted = order("BUY", 10)
    wanted.conditions = [price]
    client.placeOrder(1, stock(), wanted)
    echoed = client.wait("openOrder")[2]
    assert [str(one) for one in echoed.conditions] == [str(price)]
    client.wait_status(1, "PreSubmitted")
    server.market("MSFT").set_last(501)
    client.wait_status(1, "Filled")


def test_an_algorithm_and_an_adjustable_stop_are_echoed(room: Room) -> None:
    """The official client reads them back; the algorithm trades a slice, the stop changes its type."""
    server = room.open()
    client = room.join()
    algo = order("BUY", 100, "LMT", lmtPrice=100.01, algoStrategy="Twap")
    algo.algoParams = [TagValue("allowPastEndTime", "1")]
    client.placeOrder(1, stock(), algo)
    echoed = client.wait("openOrder")[2]
    assert (echoed.algoStrategy, echoed.algoParams[0].tag) == ("Twap", "allowPastEndTime")
    assert int(client.wait("execDetails")[2].shares) == 10
    stop = order("SELL", 10, "STP", auxPrice=95.0, adjustedOrderType="TRAIL", triggerPrice=105.0)
    stop.adjustedTrailingAmount = 1.0
    client.placeOrder(2, stock(), stop)
    client.wait_status(2, "PreSubmitted")
    server.market("AAPL").set_last(106)
    changed = client.wait("openOrder", lambda number, _, told, __: number == 2 and told.orderType == "TRAIL")
    assert changed[2].trailStopPrice == 105.0


def test_a_combination_is_told_by_leg(room: Room) -> None:
    """The official client reads the legs of the contract back, and an execution and commission of each."""
    server = room.open()
    server.market("MSFT").set_quote(bid=40, ask="40.02", last=40)
    client = room.join()
    pair = stock("AAPL,MSFT")
    pair.secType, pair.comboLegs = "BAG", []
    for con_id, ratio, action in ((265598, 1, "BUY"), (272093, 2, "SELL")):
        leg = ComboLeg()
        leg.conId, leg.ratio, leg.action, leg.exchange = con_id, ratio, action, "SMART"
        pair.comboLegs.append(leg)
    client.placeOrder(1, pair, order("BUY", 10))
    echoed = client.wait("openOrder")[1]
    assert [(one.conId, one.ratio, one.action) for one in echoed.comboLegs] == [
        (265598, 1, "BUY"), (272093, 2, "SELL"),
    ]  # fmt: skip
    assert client.wait_status(1, "Filled")[4] == 20.01
    client.wait("commissionReport", lambda _id, paid, *_: paid == 1.00006)
    told = [(args[1].secType, int(args[2].shares)) for args in client.of("execDetails")]
    assert told == [("BAG", 10), ("STK", 10), ("STK", 20)]
