"""Dry runs: the whole engine, nothing real, and everything says so."""

from __future__ import annotations

import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.dryrun import DryRunGateway, make_gateway
from ibkr_core.engine import Engine
from ibkr_core.errors import (
    EngineClosed,
    InvalidInput,
    JournalForeign,
    NotReady,
    RiskRefused,
    SendFailed,
    WaitTimeout,
)
from ibkr_core.gateway import Settings, stock
from ibkr_core.gateway.faults import Disconnect, When
from ibkr_core.journal import JournalReader
from ibkr_core.link.client import TwsClient
from ibkr_core.link.transport import Transport
from ibkr_core.logs import EventLog
from ibkr_core.model import events
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from ibkr_core.model.results import ActionTaken
from ibkr_core.model.strategy import Strategy, StrategyLeg
from ibkr_core.risk import RiskLimits, gates
from tests.engine.rig import STOCK, WAIT, Connect, Log, S, WatchedGateway, buy

D = Decimal
DryRun = Callable[..., Engine]


@pytest.fixture
def dry_run() -> Iterator[DryRun]:
    """Start dry runs that end with the test, and leave no thread."""
    before = set(threading.enumerate())
    started: list[Engine] = []

    def make(*arguments: Any, **options: Any) -> Engine:
        engine = Engine.dry_run(*arguments, **options)
        started.append(engine)
        return engine

    yield make
    for engine in started:
        engine.close()
    assert set(threading.enumerate()) <= before


def gateway_of(engine: Engine) -> DryRunGateway:
    """The gateway of a dry run."""
    assert engine.dry_run_gateway is not None
    return engine.dry_run_gateway


# --- immediate --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "price"),
    [
        (Order.market("BUY", 100), "190.25"),
        (Order.market("SELL", 100), "190.25"),
        (Order.limit("BUY", 100, "150"), "150"),
        (Order.limit("BUY", 100, "250"), "250"),
        (Order.limit("SELL", 100, "500"), "500"),
        (Order.stop("SELL", 100, "50"), "190.25"),
        (Order.stop_limit("BUY", 100, "220", "221"), "221"),
        (Order.trailing_stop("SELL", 100, trailing_percent=5), "190.25"),
        (Order(action="BUY", quantity=100, order_type="MOC"), "190.25"),
        (Order.limit("BUY", 100, "10", tif="GTC", outside_rth=True), "10"),
        (Order.limit("BUY", 100, "10", all_or_none=True), "10"),
    ],
    ids=lambda value: str(getattr(value, "order_type", value)),
)
def test_each_order_is_filled_at_once(dry_run: DryRun, order: Order, price: str) -> None:
    """At its limit, or else at the last price, whatever the market, the hour or its trigger say."""
    engine = dry_run("immediate", prices={"AAPL": "190.25"})
    record = engine.submit(STOCK, order).wait(**WAIT)
    assert record.status is S.FILLED
    assert record.filled_quantity == 100
    assert record.avg_fill_price == D(price)
    booked = gateway_of(engine).books().order(record.order_id)
    assert (booked.filled, booked.average_price) == (D(100), D(price))
    assert gateway_of(engine).books().position("AAPL") == 100 * order.action.sign


def test_it_is_the_default(dry_run: DryRun) -> None:
    """Also with an order far beyond the money of the account, and beyond a real gateway's price cap."""
    engine = dry_run()
    record = engine.submit(STOCK, Order.limit("BUY", 10**6, "900")).wait(**WAIT)
    assert (record.status, record.avg_fill_price) == (S.FILLED, D(900))


def test_a_bracket_goes_its_whole_way(dry_run: DryRun) -> None:
    """The entry, then its first exit, and the other one is cancelled: one position less than two fills."""
    engine = dry_run()
    log = Log(engine)
    tickets = engine.submit_bracket(STOCK, Order.limit("BUY", 10, "200"), take_profit=210, stop_loss=190)
    assert tickets.take_profit is not None
    assert tickets.stop_loss is not None
    assert tickets.parent.wait(**WAIT).avg_fill_price == 200
    assert tickets.take_profit.wait(**WAIT).avg_fill_price == 210
    assert tickets.stop_loss.wait(**WAIT).status is S.CANCELLED
    assert gateway_of(engine).books().position("AAPL") == 0
    fills = log.of(events.ExecutionReceived)
    assert [event.order_id for event in fills] == [tickets.parent.order_id, tickets.take_profit.order_id]


def test_of_a_group_one_member_fills(dry_run: DryRun) -> None:
    """As at a broker."""
    engine = dry_run()
    tickets = engine.submit_oca([(STOCK, Order.limit("BUY", 10, price)) for price in ("100", "101", "102")])
    assert [ticket.wait(**WAIT).status for ticket in tickets] == [S.FILLED, S.CANCELLED, S.CANCELLED]


def test_an_order_that_is_held_waits_for_its_release(dry_run: DryRun) -> None:
    """Nothing of it is filled before."""
    engine = dry_run()
    held = engine.submit(STOCK, Order.limit("BUY", 10, "100", transmit=False))
    with pytest.raises(WaitTimeout):
        held.wait(timeout_s=0.05)
    engine.modify(held.order_id, transmit=True)
    assert held.wait(**WAIT).status is S.FILLED


def test_a_combo_moves_its_legs(dry_run: DryRun) -> None:
    """As one order, with executions of its legs."""
    engine = dry_run()
    listed = [one for one in gateway_of(engine)._venue.catalogue if one.sec_type == "OPT"][:2]
    legs = [ComboLeg(listed[0].con_id, 1, "BUY"), ComboLeg(listed[1].con_id, 1, "SELL")]
    record = engine.submit(Contract.combo(listed[0].symbol, legs), Order.limit("BUY", 3, "1.50")).wait(**WAIT)
    assert (record.status, record.avg_fill_price) == (S.FILLED, D("1.50"))
    held = {one.instrument.con_id: one.quantity for one in gateway_of(engine).books().positions["DU1234567"]}
    assert held == {listed[0].con_id: 3, listed[1].con_id: -3}


# --- market -----------------------------------------------------------------------------------------


def test_the_market_decides(dry_run: DryRun) -> None:
    """Far from it an order rests, can be changed and cancelled, and fills when the market comes."""
    engine = dry_run("market", prices={"XYZ": "12.50"})
    contract = Contract.stock("XYZ")
    ticket = engine.submit(contract, Order.limit("BUY", 100, "10"))
    ticket.wait(S.SUBMITTED, **WAIT)
    with pytest.raises(WaitTimeout):
        ticket.wait(timeout_s=0.05)
    ticket.modify(limit_price="9")
    gateway_of(engine).market("XYZ").set_quote(bid="8.00", ask="8.50")
    record = ticket.wait(**WAIT)
    assert (record.status, record.avg_fill_price) == (S.FILLED, D("8.50"))
    other = engine.submit(contract, Order.limit("BUY", 100, "1"))
    other.wait(S.SUBMITTED, **WAIT)
    other.cancel()
    assert other.wait(**WAIT).status is S.CANCELLED
    assert gateway_of(engine).books().position("XYZ") == 100


def test_the_kind_of_venue_is_the_callers(dry_run: DryRun) -> None:
    """Settings of the gateway hold; there the broker refuses what it would."""
    engine = dry_run("market", gateway_settings=Settings(check_funds=True, cash=D(1_000)))
    assert buy(engine, 1_000).wait(**WAIT).status is S.REJECTED


# --- nothing is real --------------------------------------------------------------------------------


def test_nothing_leaves_the_process(dry_run: DryRun, monkeypatch: pytest.MonkeyPatch) -> None:
    """No socket is made at all."""

    def no_socket(*arguments: object, **options: object) -> None:
        raise AssertionError(f"a socket was wanted: {arguments} {options}")

    monkeypatch.setattr(socket, "socket", no_socket)
    monkeypatch.setattr(socket, "create_connection", no_socket)
    engine = dry_run()
    assert buy(engine).wait(**WAIT).status is S.FILLED
    for act in (engine.open, engine.start):
        with pytest.raises(InvalidInput, match="no network"):
            act()


def test_what_calls_itself_a_dry_run_reaches_no_gateway() -> None:
    """Not by hand either: its orders would be marked as unreal, and be real."""
    reached: list[object] = []

    def dial() -> Transport:
        reached.append("a gateway")
        raise ConnectionError

    gateway = make_gateway("immediate")
    transport = gateway.dial()
    engine = Engine(1, is_dry_run=True)
    for act in (lambda: engine.attach(transport), lambda: engine.start_on(dial), engine.start):
        with pytest.raises(InvalidInput, match="no network"):
            act()
    engine.close()
    transport.close()
    assert reached == []


def test_everything_says_so(dry_run: DryRun, tmp_path: Path) -> None:
    """Each event from the first one on, each line of the log; of a real session none does."""
    with EventLog(folder=tmp_path) as log:
        engine = dry_run(journal=tmp_path / "dry.db")
        assert engine.is_dry_run
        heard = Log(engine)
        log.attach(engine)
        buy(engine).wait(**WAIT)
        engine.halt("enough")
        heard.wait(events.HaltConfirmed)
        engine.close()
    assert {event.is_dry_run for event in heard.heard} == {True}
    assert len(heard.heard) > 5
    [file] = tmp_path.glob("*.log")
    assert {json.loads(line)["mode"] for line in file.read_text().splitlines()} == {"DRY_RUN"}


def test_a_real_session_says_nothing_of_it(gateway: WatchedGateway, connect: Connect, tmp_path: Path) -> None:
    """Its events and lines are as they were."""
    engine = connect(gateway)
    assert not engine.is_dry_run
    assert engine.dry_run_gateway is None
    heard = Log(engine)
    with EventLog(folder=tmp_path) as log:
        log.attach(engine)
        buy(engine).wait(**WAIT)
    assert {event.is_dry_run for event in heard.heard} == {False}
    [file] = tmp_path.glob("*.log")
    assert "mode" not in file.read_text()


def test_a_result_of_several_orders_says_so(dry_run: DryRun) -> None:
    """What closes a position reports a dry run, and not that anything was closed."""
    engine = dry_run(prices={"AAPL": 100})
    buy(engine, 10).wait(**WAIT)
    strategy = Strategy(legs=(StrategyLeg(engine.reference.qualify(STOCK)),), quantity=D(10))
    result = engine.close_position(strategy)
    assert result.success, result.error_message
    assert result.action_taken is ActionTaken.DRY_RUN
    assert gateway_of(engine).books().position("AAPL") == 0


# --- journals ---------------------------------------------------------------------------------------


def test_its_journal_is_its_own(
    dry_run: DryRun, gateway: WatchedGateway, connect: Connect, tmp_path: Path
) -> None:
    """A dry run takes up where one left off; no real session takes its journal."""
    path = tmp_path / "dry.db"
    engine = dry_run(journal=path)
    first = buy(engine, key="mine").wait(**WAIT)
    engine.close()
    again = dry_run(journal=path)
    assert again.order(first.order_id).status is S.FILLED
    second = buy(again)
    assert second.order_id > first.order_id
    second.wait(**WAIT)
    again.close()
    with pytest.raises(JournalForeign, match="dry run"):
        connect(gateway, journal=path)
    assert {line.order_id for line in JournalReader(path).orders()} == {first.order_id, second.order_id}


def test_it_takes_no_journal_of_a_real_session(
    dry_run: DryRun, gateway: WatchedGateway, connect: Connect, tmp_path: Path
) -> None:
    """Nothing in it is touched, and it serves the real session as before."""
    path = tmp_path / "orders.db"
    engine = connect(gateway, journal=path)
    ticket = buy(engine, key="mine")
    ticket.wait(**WAIT)
    engine.close()
    with pytest.raises(JournalForeign, match="real session"):
        dry_run(journal=path)
    again = connect(gateway, journal=path)
    assert again.order(ticket.order_id).key == "mine"


def test_a_journal_with_nothing_but_a_halt_is_a_real_one(
    dry_run: DryRun, gateway: WatchedGateway, connect: Connect, tmp_path: Path
) -> None:
    """It must not be lost to a rehearsal."""
    engine = Engine(1, journal=tmp_path / "orders.db")
    engine.halt("stop")
    engine.close()
    with pytest.raises(JournalForeign, match="real session"):
        dry_run(journal=tmp_path / "orders.db")


# --- like a real one --------------------------------------------------------------------------------


def test_it_reconnects(dry_run: DryRun) -> None:
    """A gateway that hangs up is found again, with the same books."""
    engine = dry_run("market")
    log = Log(engine)
    buy(engine).wait(**WAIT)
    gateway_of(engine).inject(Disconnect(), When(on="placeOrder"))
    engine.submit(STOCK, Order.limit("BUY", 10, "1"))
    log.wait(events.Resumed)
    assert buy(engine).wait(**WAIT).status is S.FILLED
    assert gateway_of(engine).books().position("AAPL") == 20


def test_a_gateway_that_fails_is_told_as_a_send_that_failed(
    dry_run: DryRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order is in doubt, as with a real connection, until the next session shows what became of it."""
    engine = dry_run()
    log = Log(engine)

    def broken() -> None:
        monkeypatch.undo()
        raise ZeroDivisionError

    monkeypatch.setattr(gateway_of(engine), "fill_all", broken)
    with pytest.raises(SendFailed, match="gateway of the dry run failed: ZeroDivisionError"):
        buy(engine, 10)
    log.wait(events.Resumed)
    assert buy(engine, 1).wait(**WAIT).status is S.FILLED
    assert engine.orders()[0].status is S.FILLED
    assert gateway_of(engine).books().position("AAPL") == 11


def test_the_day_of_the_brokers_own_subscription(dry_run: DryRun) -> None:
    """As the page shows it: nothing is opened before the first number, and the loss limit sees each one."""
    results: list[Decimal] = []

    class Client(TwsClient):
        def pnl(self, reqId: int, dailyPnL: float, *_: float) -> None:  # noqa: N803, ARG002 - official names
            results.append(Decimal(str(dailyPnL)))
            told.set()

    told = threading.Event()
    engine = dry_run(client_class=Client, risk=RiskLimits(max_loss=10**6, loss_check_s=0))
    engine.risk.set_sources(profit_and_loss=lambda _: results[-1] if results else None)
    with pytest.raises(RiskRefused, match="not known"):
        buy(engine)
    engine.client.reqPnL(engine.next_request_id(), engine.accounts[0], "")
    assert told.wait(WAIT["timeout_s"])
    assert buy(engine).wait(**WAIT).status is S.FILLED


def test_risk_gates_hold(dry_run: DryRun) -> None:
    """They are part of the whole path."""
    engine = dry_run(risk=RiskLimits(max_position=50))
    with pytest.raises(RiskRefused):
        buy(engine, 51)
    assert buy(engine, 50).wait(**WAIT).status is S.FILLED


def test_many_threads_use_it(dry_run: DryRun) -> None:
    """Submitting, waiting and looking at the books, all at once."""
    engine = dry_run(settings=None)
    errors: list[BaseException] = []

    def work() -> None:
        try:
            for _ in range(5):
                assert buy(engine, 1).wait(**WAIT).status is S.FILLED
                assert gateway_of(engine).books().position("AAPL") >= 1
        except BaseException as error:  # noqa: BLE001 - told below
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert gateway_of(engine).books().position("AAPL") == 20


def test_several_accounts(dry_run: DryRun) -> None:
    """Orders that name one find it."""
    engine = dry_run(accounts=["U111", "U222"], instruments=[stock("XYZ", 5)])
    assert engine.accounts == ("U111", "U222")
    order = Order.market("BUY", 7, account="U222")
    assert engine.submit(Contract.stock("XYZ"), order).wait(**WAIT).avg_fill_price == 5
    assert gateway_of(engine).books().position("XYZ", "U222") == 7


def test_after_the_end_nothing_is_sent(dry_run: DryRun) -> None:
    """As with any engine; closing twice is harmless."""
    engine = dry_run()
    engine.close()
    engine.close()
    with pytest.raises(EngineClosed):
        buy(engine)


def test_a_line_that_was_closed_takes_nothing(dry_run: DryRun) -> None:
    """It says so before a byte is taken, and its reader comes back."""
    line = gateway_of(dry_run()).dial()
    line.close()
    line.close()
    with pytest.raises(NotReady):
        line.send(b"API\0")
    assert line.receive_into(memoryview(bytearray(10))) == 0


@pytest.mark.parametrize(
    ("arguments", "argument"),
    [
        ({"fill": "sometimes"}, "fill"),
        ({"fill": None}, "fill"),
        ({"prices": {"AAPL": 0}}, "prices"),
        ({"prices": {"AAPL": "x"}}, "prices"),
        ({"prices": {"AAPL": "1.001"}}, "prices"),
        ({"prices": {"XYZ": -1}}, "prices"),
        ({"prices": {"not a symbol": 1}}, "symbol"),
        ({"accounts": ["a b"]}, "accounts"),
        ({"client_id": -1}, "client_id"),
        ({"risk": 7}, "risk"),
    ],
)
def test_bad_input(arguments: dict[str, Any], argument: str) -> None:
    """Is told by its name, and nothing is left running."""
    before = threading.active_count()
    with pytest.raises(InvalidInput) as refused:
        Engine.dry_run(**arguments)
    assert refused.value.argument == argument
    assert threading.active_count() == before


def test_prices_stand_where_they_were_put() -> None:
    """In both modes the last price is the given one at the beginning."""
    for fill in ("immediate", "market"):
        gateway = make_gateway(fill, prices={"AAPL": "190.25", "XYZ": "12.50"})
        for symbol, price in (("AAPL", "190.25"), ("XYZ", "12.50")):
            assert abs(gateway.market(symbol).quote.last - D(price)) < D("0.5")


PAGE = (Path(__file__).parents[2] / "docs" / "risk.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.mark.parametrize("place", range(len(EXAMPLES)))
def test_the_examples_of_the_page_run(place: int) -> None:
    """Each by itself, as a reader would try it."""
    before = threading.active_count()
    exec(compile(EXAMPLES[place], "docs/risk.md", "exec"), {"__name__": "example"})  # noqa: S102 - our own page
    assert threading.active_count() == before


def test_the_page_names_every_limit() -> None:
    """And every gate by the name that it has in errors and events."""
    for field in attrs.fields(RiskLimits):
        assert f"`{field.name}`" in PAGE or f"`{field.name}=" in PAGE, field.name
    for gate in gates.__all__:
        name = getattr(getattr(gates, gate), "name", None)
        assert not isinstance(name, str) or f"`{name}`" in PAGE, name
