"""The facade: ports, one call for each order, looking, being told; all of it against the gateway."""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

import attrs
import pytest
from ibapi.contract import Contract as IbContract
from ibapi.order import Order as IbOrder

from ibkr_core import broker as broker_module
from ibkr_core.brackets import new_bracket
from ibkr_core.broker import PORTS, Broker
from ibkr_core.errors import (
    AccountMismatch,
    GatewayUnreachable,
    IbkrError,
    InvalidInput,
    NotReady,
    TradingHalted,
    UnknownOrder,
    WaitTimeout,
)
from ibkr_core.gateway import Choreography, Settings
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import ActionTaken
from ibkr_core.settings import Backoff, EngineSettings
from tests.engine.conftest import STILL
from tests.engine.rig import STOCK, VERSIONS, S, Serve, WatchedGateway, settle
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
D = Decimal
WAIT = {"wait_s": PATIENCE_S}


@pytest.fixture
def broker(gateway: WatchedGateway) -> Iterator[Broker]:
    """A broker on the plain gateway."""
    with Broker(port=gateway.port) as made:
        yield made


class Calls:
    """A callback that keeps what it was told, and can be waited on."""

    def __init__(self) -> None:
        self._more = threading.Condition()
        self.heard: list[tuple[Any, ...]] = []

    def __call__(self, *arguments: Any) -> None:
        with self._more:
            self.heard.append(arguments)
            self._more.notify_all()

    def wait(self, fits: Callable[..., bool] = lambda *_: True) -> tuple[Any, ...]:
        with self._more:
            assert self._more.wait_for(lambda: any(fits(*one) for one in self.heard), PATIENCE_S)
            return next(one for one in self.heard if fits(*one))


# ── connecting ──────────────────────────────────────────────────────────────────────────────────────


def test_the_usual_ports() -> None:
    """As TWS and IB Gateway have them from the start."""
    assert dict(PORTS) == {
        ("tws", True): 7497,
        ("gateway", True): 4002,
        ("tws", False): 7496,
        ("gateway", False): 4001,
    }


@pytest.mark.parametrize(
    ("wanted", "tried"),
    [
        ({}, ["TWS", "IB Gateway"]),
        ({"application": "tws"}, ["TWS"]),
        ({"application": "gateway"}, ["IB Gateway"]),
        ({"paper_trading": False}, ["TWS", "IB Gateway"]),
    ],
)
def test_nobody_there(wanted: dict[str, Any], tried: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names each place that was tried, paper or live as was wanted."""
    ports = {key: port for port, key in enumerate(PORTS, start=1)}  # nobody listens on those
    monkeypatch.setattr(broker_module, "PORTS", MappingProxyType(ports))
    broker = Broker(**wanted, timeout_s=1)
    with pytest.raises(GatewayUnreachable) as raised:
        broker.connect()
    paper = wanted.get("paper_trading", True)
    names = {"TWS": ports["tws", paper], "IB Gateway": ports["gateway", paper]}
    for name, port in names.items():
        assert (f":{port} ({name})" in str(raised.value)) is (name in tried)
    assert not broker.is_connected
    with pytest.raises(NotReady, match="connect"):
        _ = broker.engine


def test_the_second_place_is_tried(gateway: WatchedGateway, monkeypatch: pytest.MonkeyPatch) -> None:
    """No TWS, but an IB Gateway: that is the one."""
    ports = MappingProxyType({("tws", True): 1, ("gateway", True): gateway.port})
    monkeypatch.setattr(broker_module, "PORTS", ports)
    with Broker() as broker:
        assert broker.is_connected
        assert broker.execute_market_order("AAPL", 1, "BUY", **WAIT).status is S.FILLED


def test_paper_never_turns_into_money(serve: Serve) -> None:
    """A port can be set to anything: what decides are the accounts of the login."""
    live = serve(settings=Settings(accounts=("U7654321",), market=STILL, choreography=Choreography.plain()))
    broker = Broker(port=live.port)
    with pytest.raises(AccountMismatch, match=r"paper trading was wanted.*U7654321"):
        broker.connect()
    assert not broker.is_connected
    live.wait_for(lambda _: not live.client_ids)
    with pytest.raises(IbkrError):
        broker.execute_market_order("AAPL", 1, "BUY")
    assert live.orders_arrived() == []
    with Broker(paper_trading=False, port=live.port, account="U7654321") as real:
        assert real.execute_market_order("AAPL", 1, "BUY", **WAIT).status is S.FILLED


def test_live_is_not_paper_either(gateway: WatchedGateway) -> None:
    """Whoever thinks that he trades should not find out in the evening that he did not."""
    with pytest.raises(AccountMismatch, match="live trading was wanted"):
        Broker(paper_trading=False, port=gateway.port).connect()


def test_an_account_that_the_login_has_not(gateway: WatchedGateway) -> None:
    """Named with those that it has."""
    broker = Broker(port=gateway.port, account="DU1")
    with pytest.raises(InvalidInput, match="DU1234567"):
        broker.connect()
    assert not broker.is_connected


def test_everything_in_one_process() -> None:
    """``simulated=True`` brings its own gateway, with its books; it ends with the broker."""
    with Broker(simulated=True) as broker:
        record = broker.execute_market_order("AAPL", 10, "BUY", **WAIT)
        assert record.status is S.FILLED
        gateway = broker.gateway
        assert gateway is not None
        assert gateway.books().order(record.order_id).filled == 10
    assert broker.gateway is None
    assert not broker.is_connected
    assert broker.get_all_orders()[0].status is S.FILLED, "what was learned can still be read"


def test_connecting_while_the_connection_is_made_again(gateway: WatchedGateway) -> None:
    """It waits for the connection that is coming: a new engine would know nothing of a halt, say."""
    quick = EngineSettings(reconnect=Backoff(first_s=0.01, longest_s=0.05))
    with Broker(port=gateway.port, settings=quick, timeout_s=0.5) as broker:
        engine = broker.engine
        engine.halt("enough")
        lost = Calls()
        engine.on(events.SessionChanged, lost)
        gateway.refuse_connections(60)
        gateway.drop_connections()
        lost.wait(lambda event: not event.can_trade)
        with pytest.raises(WaitTimeout):
            broker.connect()
        gateway.end_faults()
        while not broker.is_connected:
            with contextlib.suppress(WaitTimeout):
                broker.connect()
        assert broker.engine is engine
        with pytest.raises(TradingHalted):
            broker.execute_market_order("AAPL", 1, "BUY")


def test_connecting_twice_and_again(gateway: WatchedGateway) -> None:
    """Harmless; after a disconnect it begins anew, and callbacks stay."""
    broker = Broker(port=gateway.port)
    calls = Calls()
    broker.register_order_fill_callback(calls)
    assert broker.connect() is broker
    engine = broker.engine
    assert broker.connect().engine is engine
    broker.disconnect()
    broker.disconnect()
    with broker:
        assert broker.engine is not engine
        broker.execute_market_order("AAPL", 1, "BUY")
        calls.wait()
    assert len(calls.heard) == 1


NO_BROKER: dict[str, dict[str, Any]] = {
    "application": {"application": "ibkr"},
    "port": {"port": 0},
    "a port of True": {"port": True},
    "a port in words": {"port": "7497"},
    "host": {"host": ""},
    "client_id": {"client_id": -1},
    "timeout_s": {"timeout_s": 0},
    "zone": {"zone": "Mars/Olympus"},
    "account": {"account": 7},
    "paper_trading": {"paper_trading": "yes"},
    "simulated": {"simulated": 1},
}


@pytest.mark.parametrize("case", NO_BROKER)
def test_a_broker_that_cannot_be_is_refused(case: str) -> None:
    """Naming the argument; at the latest when it connects."""
    with pytest.raises(InvalidInput) as raised:
        Broker(**NO_BROKER[case]).connect()
    assert raised.value.argument in NO_BROKER[case]


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────

ATTRIBUTES = """
    order_id symbol action total_quantity order_type limit_price status filled_quantity remaining_quantity
    avg_fill_price fills error_message submission_time last_update_time retry_count
""".split()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_market_order(version: int, serve: Serve) -> None:
    """One call; the record has everything, and the gateway's books agree."""
    gateway = serve(versions=[version])
    with Broker(port=gateway.port) as broker:
        record = broker.execute_market_order("aapl", 10, "buy", **WAIT)
        seen = {name: getattr(record, name) for name in ATTRIBUTES}
        assert (seen["symbol"], seen["action"], seen["order_type"]) == ("AAPL", "BUY", "MKT")
        assert (seen["status"], seen["total_quantity"], seen["filled_quantity"]) == (S.FILLED, D(10), D(10))
        assert (seen["remaining_quantity"], seen["avg_fill_price"]) == (D(0), D("100.01"))
        assert (seen["limit_price"], seen["error_message"], seen["retry_count"]) == (None, "", 0)
        assert [fill.quantity for fill in seen["fills"]] == [D(10)]
        assert seen["submission_time"] <= seen["last_update_time"]
        books = gateway.books().order(record.order_id)
        assert (books.filled, books.average_price, books.order_ref) == (D(10), D("100.01"), record.key)


def test_every_kind_of_order(broker: Broker, gateway: WatchedGateway) -> None:
    """Prices in the order in which people say them; further fields by name."""
    limit = broker.execute_limit_order("AAPL", 10, "90", "BUY", tif="GTC")
    stop = broker.execute_stop_order(STOCK, 10, 110, "BUY")
    stop_limit = broker.execute_stop_limit_order("AAPL", 10, 110, "110.50", "BUY")
    trailing = broker.execute_trailing_stop_order("AAPL", 10, "SELL", trailing_percent="1.5")
    amount = broker.execute_trailing_stop_order("AAPL", 10, "SELL", trailing_amount=2, stop_price=95)
    settle(broker.engine)
    sent = {message.fields["orderId"]: message.fields["order"] for message in gateway.arrived("placeOrder")}
    assert (sent[limit.order_id]["lmtPrice"], sent[limit.order_id]["tif"]) == (90.0, "GTC")
    assert sent[stop.order_id]["auxPrice"] == 110.0
    assert (sent[stop_limit.order_id]["auxPrice"], sent[stop_limit.order_id]["lmtPrice"]) == (110.0, 110.5)
    assert sent[trailing.order_id]["trailingPercent"] == 1.5
    assert (sent[amount.order_id]["auxPrice"], sent[amount.order_id]["trailStopPrice"]) == (2.0, 95.0)
    assert [broker.get_order(one).order_type for one in sent] == ["LMT", "STP", "STP LMT", "TRAIL", "TRAIL"]
    assert all(broker.get_order_status(one).is_working for one in sent)


BRACKETS: dict[str, tuple[dict[str, Any], str]] = {
    "market": ({}, "MKT"),
    "limit": ({"limit_price": "100.05"}, "LMT"),
    "stop": ({"entry_stop_price": "100.01"}, "STP"),
    "stop-limit": ({"entry_stop_price": "100.01", "limit_price": 101}, "STP LMT"),
}


@pytest.mark.parametrize("kind", BRACKETS)
def test_a_bracket(kind: str, broker: Broker, gateway: WatchedGateway) -> None:
    """The entry comes back; its exits are its children."""
    prices, order_type = BRACKETS[kind]
    entry = broker.execute_bracket_order("AAPL", 10, "BUY", take_profit="110", stop_loss=90, **prices)
    assert entry.order_type == order_type
    target, stop = broker.get_child_orders(entry.order_id)
    assert (target.limit_price, stop.order_type) == (D(110), "STP")
    gateway.market("AAPL").set_quote(bid="100.01", ask="100.02", last="100.02")
    assert broker.engine.ticket(entry.order_id).wait(timeout_s=PATIENCE_S).status is S.FILLED


def test_official_objects(broker: Broker) -> None:
    """As the symbol, and as the order."""
    contract, order = IbContract(), IbOrder()
    contract.symbol, contract.secType, contract.exchange, contract.currency = "AAPL", "STK", "SMART", "USD"
    order.action, order.totalQuantity, order.orderType = "BUY", D(10), "MKT"
    assert broker.execute_market_order(contract, 1, "BUY", **WAIT).status is S.FILLED
    for one in (order, Order.market("BUY", 10)):
        record = broker.place_order(contract, one)
        assert broker.engine.ticket(record.order_id).wait(timeout_s=PATIENCE_S).status is S.FILLED


def test_the_rest_is_the_engine(broker: Broker, gateway: WatchedGateway) -> None:
    """Modify, cancel, brackets as values: the same answers as there."""
    record = broker.execute_limit_order("AAPL", 10, "90", "BUY")
    broker.engine.ticket(record.order_id).wait(S.SUBMITTED, S.PRE_SUBMITTED, timeout_s=PATIENCE_S)
    broker.modify_order(record.order_id, limit_price="91")
    assert broker.cancel_order(record.order_id) is True
    broker.engine.ticket(record.order_id).wait(timeout_s=PATIENCE_S)
    assert broker.cancel_order(record.order_id) is False
    bracket = new_bracket(Order.limit("BUY", 1, 95), take_profit=110, stop_loss=90)
    result = broker.place_bracket_order(bracket, "AAPL")
    assert result.action_taken is ActionTaken.BRACKET_PLACED
    assert result.order_ids[0] in {one.order_id for one in broker.cancel_all_orders()}
    for order_id in result.order_ids:  # the exits die with the entry, perhaps before they are asked to
        assert broker.engine.ticket(order_id).wait(timeout_s=PATIENCE_S).status is S.CANCELLED


def test_an_account_goes_into_every_order(gateway: WatchedGateway) -> None:
    """Unless the order names another one."""
    with Broker(port=gateway.port, account="DU1234567") as broker:
        broker.execute_market_order("AAPL", 1, "BUY")
        entry = broker.execute_bracket_order("AAPL", 1, "BUY", take_profit=110)
        assert {one.order.account for one in broker.get_all_orders() if one.order} == {"DU1234567"}
        assert broker.get_child_orders(entry.order_id)
        stop = Order.stop("SELL", 1, 90)
        entry = broker.execute_bracket_order("AAPL", 1, "BUY", stop_loss=stop)
        broker.place_order("AAPL", Order.limit("BUY", 1, 80))
        assert {one.order.account for one in broker.get_all_orders() if one.order} == {"DU1234567"}


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────


class Frozen:
    """A clock that stands still, except for waits."""

    def now(self) -> datetime:
        return datetime(2026, 11, 20, 14, 31, 45, 123456, tzinfo=UTC)

    def monotonic(self) -> float:
        return time.monotonic()


def test_keys_tell_what_the_order_is(gateway: WatchedGateway) -> None:
    """Symbol, side, quantity, time in UTC; of two in one microsecond the second gets the next."""
    with Broker(port=gateway.port, clock=Frozen()) as broker:
        keys = [broker.execute_limit_order("AAPL", "1.5", 90 + n, "BUY").key for n in range(3)]
        assert keys == [f"AAPL_BUY_1.5_20261120T14314512345{n}" for n in (6, 7, 8)]
        option = Contract.option("SPY", "20261218", 600, "C")
        assert broker.execute_limit_order(option, 1, 1, "SELL").key.startswith("SPY-20261218-C-600_SELL_1_")
        entry = broker.execute_bracket_order("AAPL", 1, "BUY", limit_price=90, take_profit=110)
        assert entry.key.startswith("AAPL_BUY_1_")
        assert broker.get_child_orders(entry.order_id)[0].key.startswith("AAPL_SELL_1_")
        official = IbOrder()
        official.action, official.totalQuantity, official.orderType = "SELL", D(3), "MKT"
        assert broker.place_order("AAPL", official).key.startswith("AAPL_SELL_3_")
        assert len({record.key for record in broker.get_all_orders()}) == 7


def test_a_key_of_ones_own(broker: Broker, gateway: WatchedGateway) -> None:
    """Sending the same again with it sends nothing."""
    first = broker.execute_limit_order("AAPL", 10, 90, "BUY", key="mine")
    assert broker.execute_limit_order("AAPL", 10, 90, "BUY", key="mine").order_id == first.order_id
    assert broker.execute_limit_order("AAPL", 10, 91, "BUY", order_ref="other").key == "other"
    settle(broker.engine)
    assert len(gateway.arrived("placeOrder")) == 2


def test_keys_of_many_threads(broker: Broker) -> None:
    """No two are alike, and no order is taken for another one."""
    start = threading.Barrier(4)

    def trade() -> None:
        start.wait(PATIENCE_S)
        for _ in range(5):
            broker.execute_market_order("AAPL", 1, "BUY")

    threads = [threading.Thread(target=trade) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len({record.key for record in broker.get_all_orders()}) == 20


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────


def test_orders_are_listed(broker: Broker) -> None:
    """All of them, and those that are alive."""
    done = broker.execute_market_order("AAPL", 1, "BUY", **WAIT)
    alive = broker.execute_limit_order("AAPL", 1, 90, "BUY")
    assert [one.order_id for one in broker.get_all_orders()] == [done.order_id, alive.order_id]
    assert [one.order_id for one in broker.get_active_orders()] == [alive.order_id]
    assert broker.get_child_orders(done.order_id) == ()


def test_a_history_reads_well(gateway: WatchedGateway) -> None:
    """Each line has its time with the zone's name, the status then, and what happened."""
    with Broker(port=gateway.port, zone="Asia/Tokyo") as broker:
        record = broker.execute_market_order("AAPL", 10, "BUY", **WAIT)
        lines = broker.get_order_history(record.order_id)
    form = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} JST [A-Z_]+ +\S.*")
    assert all(form.fullmatch(line) for line in lines)
    assert "submitted" in lines[0]
    assert any("executed 10 at 100.01" in line for line in lines)


def test_the_days_figures(broker: Broker, gateway: WatchedGateway) -> None:
    """Of the orders in the book, as the gateway has them booked."""
    broker.execute_market_order("AAPL", 10, "BUY", **WAIT)
    broker.execute_limit_order("AAPL", 5, 90, "BUY")
    settle(broker.engine)
    summary = broker.get_todays_order_summary()
    assert summary.orders == len(gateway.books().orders) == 2
    assert summary.volume == sum(order.filled for order in gateway.books().orders)
    assert set(summary.by_symbol) == {"AAPL"}


@pytest.mark.parametrize("look", ["get_order", "get_order_status", "get_order_history", "get_child_orders"])
def test_an_unknown_order(look: str, broker: Broker) -> None:
    """Is an error that names the id, never an empty answer."""
    with pytest.raises(UnknownOrder, match="987654"):
        getattr(broker, look)(987654)


# ── being told ──────────────────────────────────────────────────────────────────────────────────────


def test_fills_are_told(broker: Broker, gateway: WatchedGateway) -> None:
    """Once for each execution, with the order right after it."""
    fills = Calls()
    handle = broker.register_order_fill_callback(fills)
    record = broker.execute_limit_order("AAPL", 10, 90, "BUY")
    broker.engine.ticket(record.order_id).wait(S.SUBMITTED, S.PRE_SUBMITTED, timeout_s=PATIENCE_S)
    gateway.fill(record.order_id, quantity=4)
    gateway.fill(record.order_id)
    fills.wait(lambda one: one.status is S.FILLED)
    assert [one.filled_quantity for (one,) in fills.heard] == [D(4), D(10)]
    handle.unregister()
    handle.unregister()
    broker.execute_market_order("AAPL", 1, "BUY", **WAIT)
    settle(broker.engine)
    assert len(fills.heard) == 2
    assert not handle.is_registered


def test_statuses_are_told(broker: Broker) -> None:
    """Each change, in order, on whatever thread was wished for."""
    heard: list[OrderRecord] = []
    broker.register_order_status_callback(heard.append, Delivery.INLINE)
    statuses = Calls()
    broker.register_order_status_callback(statuses)
    broker.execute_market_order("AAPL", 1, "BUY", **WAIT)
    statuses.wait(lambda one: one.status is S.FILLED)
    assert [one.status for one in heard] == [one.status for (one,) in statuses.heard]
    assert heard[-1].status is S.FILLED


def test_what_goes_wrong_is_told(broker: Broker, gateway: WatchedGateway) -> None:
    """A rejection, a refused modification: the order, and the broker's reason."""
    errors = Calls()
    broker.register_order_error_callback(errors)
    broker.execute_market_order("ZZZZ", 1, "BUY")
    record, message = errors.wait()
    assert (record.status, record.error_message) == (S.REJECTED, message)
    assert "security definition" in message
    alive = broker.execute_limit_order("AAPL", 1, 90, "BUY")
    broker.engine.ticket(alive.order_id).wait(S.SUBMITTED, S.PRE_SUBMITTED, timeout_s=PATIENCE_S)
    broker.modify_order(alive.order_id, limit_price="90.005")
    record, message = errors.wait(lambda one, _: one.order_id == alive.order_id)
    assert record.status.is_working
    assert "110" in message


def test_a_position_without_a_stop_is_told(gateway: WatchedGateway) -> None:
    """Through the same callback."""
    settings = EngineSettings(unprotected_after_s=0)
    with Broker(port=gateway.port, settings=settings) as broker:
        errors = Calls()
        broker.register_order_error_callback(errors)
        entry = broker.execute_bracket_order("AAPL", 10, "BUY", take_profit=110, stop_loss=90, **WAIT)
        stop = broker.get_child_orders(entry.order_id)[1]
        broker.cancel_order(stop.order_id)
        record, message = errors.wait(lambda _, text: "CANCELLED" in text)
        assert record.order_id == entry.order_id
        assert f"#{stop.order_id} STP is CANCELLED" in message


def test_a_callback_that_fails_harms_nobody(broker: Broker) -> None:
    """It is reported, and the next one is called."""

    def fail(_: OrderRecord) -> None:
        raise RuntimeError("mine")

    broker.register_order_fill_callback(fail)
    fills = Calls()
    broker.register_order_fill_callback(fills)
    broker.execute_market_order("AAPL", 1, "BUY")
    fills.wait()


def test_orders_may_be_placed_in_a_callback(broker: Broker) -> None:
    """That is what callbacks are for."""
    fills = Calls()

    def react(record: OrderRecord) -> None:
        if record.action == "BUY":
            broker.execute_market_order("AAPL", 1, "SELL", **WAIT)
        fills(record)

    broker.register_order_fill_callback(react)
    broker.execute_market_order("AAPL", 1, "BUY")
    fills.wait(lambda record: record.action == "SELL")


# ── bad input ───────────────────────────────────────────────────────────────────────────────────────

NAN = float("nan")
BAD: dict[str, tuple[str, tuple[Any, ...], dict[str, Any]]] = {
    "no symbol": ("execute_market_order", ("", 1, "BUY"), {}),
    "blank symbol": ("execute_market_order", ("  ", 1, "BUY"), {}),
    "symbol of None": ("execute_market_order", (None, 1, "BUY"), {}),
    "symbol of a number": ("execute_market_order", (7, 1, "BUY"), {}),
    "index": ("execute_market_order", (Contract.index("SPX", "CBOE"), 1, "BUY"), {}),
    "quantity of zero": ("execute_market_order", ("AAPL", 0, "BUY"), {}),
    "negative quantity": ("execute_market_order", ("AAPL", -1, "BUY"), {}),
    "quantity of NaN": ("execute_market_order", ("AAPL", NAN, "BUY"), {}),
    "infinite quantity": ("execute_market_order", ("AAPL", float("inf"), "BUY"), {}),
    "quantity of True": ("execute_market_order", ("AAPL", True, "BUY"), {}),
    "quantity in words": ("execute_market_order", ("AAPL", "ten", "BUY"), {}),
    "no side": ("execute_market_order", ("AAPL", 1, ""), {}),
    "another side": ("execute_market_order", ("AAPL", 1, "LONG"), {}),
    "limit of zero": ("execute_limit_order", ("AAPL", 1, 0, "BUY"), {}),
    "limit of NaN": ("execute_limit_order", ("AAPL", 1, NAN, "BUY"), {}),
    "limit of None": ("execute_limit_order", ("AAPL", 1, None, "BUY"), {}),
    "side and price exchanged": ("execute_limit_order", ("AAPL", 1, "BUY", 90), {}),
    "stop of None": ("execute_stop_order", ("AAPL", 1, None, "SELL"), {}),
    "negative stop": ("execute_stop_order", ("AAPL", 1, -5, "SELL"), {}),
    "stop-limit without limit": ("execute_stop_limit_order", ("AAPL", 1, 90, None, "SELL"), {}),
    "no trailing distance": ("execute_trailing_stop_order", ("AAPL", 1, "SELL"), {}),
    "two trailing distances": (
        "execute_trailing_stop_order",
        ("AAPL", 1, "SELL"),
        {"trailing_amount": 1, "trailing_percent": 1},
    ),
    "bracket without exits": ("execute_bracket_order", ("AAPL", 1, "BUY"), {}),
    "bracket with exits exchanged": (
        "execute_bracket_order",
        ("AAPL", 1, "BUY"),
        {"take_profit": 90, "stop_loss": 110},
    ),
    "misspelt field": ("execute_market_order", ("AAPL", 1, "BUY"), {"outsideRTH": True}),
    "negative wait": ("execute_market_order", ("AAPL", 1, "BUY"), {"wait_s": -1}),
    "wait in words": ("execute_market_order", ("AAPL", 1, "BUY"), {"wait_s": "long"}),
    "key of a number": ("execute_market_order", ("AAPL", 1, "BUY"), {"key": 7}),
    "no order": ("place_order", ("AAPL", None), {}),
    "cancel of a text": ("cancel_order", ("7",), {}),
    "callback that is none": ("register_order_fill_callback", ("f",), {}),
    "delivery that is none": ("register_order_fill_callback", (print, "inline"), {}),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case: str, broker: Broker, gateway: WatchedGateway) -> None:
    """By a typed error that names the argument and the rule; nothing is sent."""
    method, arguments, options = BAD[case]
    with pytest.raises(InvalidInput) as raised:
        getattr(broker, method)(*arguments, **options)
    assert raised.value.argument
    assert raised.value.rule
    settle(broker.engine)
    assert gateway.orders_arrived() == []


def test_a_journal_keeps_orders_over_a_restart(gateway: WatchedGateway, tmp_path: Path) -> None:
    """The same key sends nothing, a new broker knows the order."""
    path = tmp_path / "orders.db"
    with Broker(port=gateway.port, journal=path) as broker:
        first = broker.execute_limit_order("AAPL", 10, 90, "BUY", key="mine")
    with Broker(port=gateway.port, journal=path) as broker:
        again = broker.execute_limit_order("AAPL", 10, 90, "BUY", key="mine")
        assert again.order_id == first.order_id
        assert broker.get_order_history(first.order_id)
    assert len(gateway.arrived("placeOrder")) == 1
    assert attrs.asdict(broker.settings)["connect_timeout_s"] == 10.0
