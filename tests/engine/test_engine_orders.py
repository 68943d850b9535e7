"""Single orders from the engine to the gateway and back: fills, modifications, cancels, refusals."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import OrderFinished, OrderInDoubt, OrderStateError, UnknownOrder
from ibkr_core.gateway import Choreography, Settings
from ibkr_core.gateway.core import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import Request
from ibkr_core.wire.message import Message
from tests.engine.conftest import STILL
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, S, Serve, WatchedGateway, buy, rest, settle
from tests.link.peers import answer

pytestmark = pytest.mark.system
D = Decimal


# ── fills ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_a_market_order_filled_in_parts(version: int, serve: Serve, connect: Connect) -> None:
    """Each part is told once; quantity, average and commission are exact, and agree with the gateway."""
    gateway = serve(versions=[version])
    market = gateway.market("AAPL")
    market.set_quote(bid="99.99", ask="100.00", ask_size=40)
    engine = connect(gateway)
    log = Log(engine)
    ticket = buy(engine, 100, order_ref="mine")
    log.wait(events.OrderPartiallyFilled)
    assert ticket.record.remaining_quantity == D(60)
    market.set_quote(bid="99.99", ask="100.01", ask_size=60)
    record = ticket.wait(**WAIT)
    log.wait(events.CommissionReported, count=2)
    settle(engine)
    record = ticket.record
    booked = gateway.books().order(ticket.order_id)

    assert (record.status, record.filled_quantity, record.remaining_quantity) == (S.FILLED, D(100), D(0))
    assert record.avg_fill_price == D("100.006") == booked.average_price
    assert [(f.quantity, f.price) for f in record.fills] == [(D(40), D(100)), (D(60), D("100.01"))]
    assert [f.exec_id for f in record.fills] == [one.exec_id for one in booked.executions]
    assert record.commissions == {"USD": booked.commission}
    assert (record.perm_id, record.key) == (booked.perm_id, "mine")
    assert all(f.realized_pnl is None for f in record.fills)  # it only opens
    assert all(f.time is not None and f.action is not None for f in record.fills)

    assert len(log.of(events.ExecutionReceived)) == 2
    assert len(log.of(events.OrderPartiallyFilled)) == 1
    assert len(log.of(events.OrderFilled)) == 1
    assert len(log.of(events.CommissionReported)) == 2
    assert log.of(events.OrderSubmitted)[0].record.status is S.PENDING_SUBMIT
    assert log.of(events.AnomalyDetected) == []
    assert log.seqs() == sorted(set(log.seqs()))
    assert record.submission_time <= record.sent_time <= record.acknowledged_time <= record.finished_time


def test_a_closing_trade_has_its_profit(gateway: WatchedGateway, engine: Engine) -> None:
    """The second trade closes the first: its realised P&L is what the gateway booked."""
    log = Log(engine, events.CommissionReported)
    buy(engine, 10).wait(**WAIT)
    log.wait(events.CommissionReported)
    gateway.market("AAPL").set_quote(bid="101.00", ask="101.01")
    ticket = engine.submit(STOCK, Order.market("SELL", 10))
    ticket.wait(**WAIT)
    log.wait(events.CommissionReported, count=2)
    (fill,) = ticket.record.fills
    (booked,) = gateway.books().order(ticket.order_id).executions
    assert booked.realized is not None
    assert fill.realized_pnl == booked.realized.quantize(D("1.00000000"))


@pytest.mark.parametrize("version", VERSIONS)
def test_fractions_are_exact(version: int, serve: Serve, connect: Connect) -> None:
    """0.1 and 1.0404 make 1.1404, from the user's text to the wire and back (TWS facts 6)."""
    gateway = serve(versions=[version], outlet=without("error"))  # it would refuse a fraction with 10243
    engine = connect(gateway)
    ticket = buy(engine, "1.1404")
    gateway.wait_for(lambda _: gateway.arrived("placeOrder"))
    (placed,) = gateway.arrived("placeOrder")
    assert placed.fields["order"]["totalQuantity"] == D("1.1404")
    for number, shares in enumerate(("0.1", "1.0404")):
        execution = {
            "execId": f"0000e0d5.{number}.01.01",
            "orderId": ticket.order_id,
            "clientId": 1,
            "permId": 77,
            "shares": D(shares),
            "price": 0.1,
            "side": "BOT",
            "time": "20261121 10:00:00 US/Eastern",
        }
        contract = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
        fields = {"reqId": -1, "contract": contract, "execution": execution}
        gateway.session(1).inject(answer("execDetails", version, **fields))
    record = ticket.wait(**WAIT)
    assert (record.status, record.filled_quantity) == (S.FILLED, D("1.1404"))
    assert [fill.quantity for fill in record.fills] == [D("0.1"), D("1.0404")]
    assert record.avg_fill_price == D("0.1")


def without(*kinds: str) -> Any:
    """An outlet that loses some kinds of messages."""
    return lambda _, message: () if message.kind in kinds else (Delivery(message),)


def test_a_status_before_its_execution(serve: Serve, connect: Connect) -> None:
    """Filled comes first, the execution behind it (TWS facts 2.5): nothing is counted twice."""
    style = Choreography(
        statuses_first=1.0, duplicates=1.0, commission_delay_s=(0.0, 0.01), work_delay_s=(0.0, 0.0)
    )
    gateway = serve(settings=Settings(market=STILL, choreography=style))
    engine = connect(gateway)
    log = Log(engine)
    ticket = buy(engine, 10)
    ticket.wait(**WAIT)
    log.wait(events.CommissionReported)
    settle(engine)
    record = ticket.record
    assert (record.status, record.filled_quantity) == (S.FILLED, D(10))
    assert len(record.fills) == 1
    assert record.unexplained_quantity == 0
    assert len(log.of(events.OrderFilled)) == len(log.of(events.ExecutionReceived)) == 1


def test_a_commission_may_come_late(serve: Serve, connect: Connect) -> None:
    """The fill is told at once; the commission when it is known, also after the order has ended."""
    style = Choreography(commission_delay_s=(0.05, 0.05), work_delay_s=(0.0, 0.0))
    engine = connect(serve(settings=Settings(market=STILL, choreography=style)))
    log = Log(engine)
    record = buy(engine).wait(**WAIT)
    assert record.fills[0].commission is None
    assert record.commissions == {}
    told = log.wait(events.CommissionReported)
    assert told.fill.commission is not None
    assert told.record.commissions == {"USD": told.fill.commission}
    assert told.record.status is S.FILLED


def test_a_fill_without_a_status(serve: Serve, connect: Connect) -> None:
    """Market orders may never get an orderStatus (TWS facts 2.2): the execution alone completes them."""
    style = Choreography(status_skipped=1.0, commission_echo=0.0, duplicates=0.0)
    engine = connect(serve(settings=Settings(market=STILL, choreography=style)))
    record = buy(engine).wait(**WAIT)
    assert (record.status, record.filled_quantity) == (S.FILLED, D(10))


def test_a_corrected_execution(gateway: WatchedGateway, engine: Engine) -> None:
    """A new revision replaces the old one: price and average change, the quantity does not double."""
    log = Log(engine)
    ticket = buy(engine)
    record = ticket.wait(**WAIT)
    gateway.correct_execution(record.fills[0].exec_id, price="99.50")
    event = log.wait(events.ExecutionCorrected)
    assert (event.previous.price, event.fill.price, event.quantity_delta) == (D("100.01"), D("99.5"), D(0))
    assert ticket.record.avg_fill_price == D("99.5")
    assert ticket.record.filled_quantity == D(10)
    assert len(engine.fills()) == 1


def test_an_immediate_or_cancel_order_that_finds_nothing(gateway: WatchedGateway, engine: Engine) -> None:
    """It is cancelled by the broker, with no request of ours."""
    record = engine.submit(STOCK, Order.limit("BUY", 10, "99", tif="IOC")).wait(**WAIT)
    assert (record.status, record.filled_quantity, record.pending) == (S.CANCELLED, D(0), ())


def test_orders_that_do_not_exist_yet_in_the_market(gateway: WatchedGateway, engine: Engine) -> None:
    """A stop rests until its price trades, then fills."""
    ticket = engine.submit(STOCK, Order.stop("SELL", 10, "95"))
    record = ticket.wait(S.PRE_SUBMITTED, **WAIT)
    settle(engine)
    assert ticket.record.why_held == "trigger"
    gateway.market("AAPL").set_quote(bid="94.99", ask="95.00", last="94.99")
    record = ticket.wait(**WAIT)
    assert (record.status, record.avg_fill_price) == (S.FILLED, D("94.99"))


# ── modifications ───────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_a_limit_order_is_modified_and_cancelled(version: int, serve: Serve, connect: Connect) -> None:
    """New terms are pending until the broker shows them; the cancel is final when it is confirmed."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    log = Log(engine)
    ticket = rest(engine, "90")
    record = ticket.modify(limit_price="91.5", quantity=20)
    event = log.wait(events.OrderModified)
    assert (event.previous.limit_price, event.record.limit_price) == (D(90), D("91.5"))
    assert event.record.total_quantity == D(20)
    assert event.record.pending == ()
    booked = gateway.books().order(ticket.order_id)
    assert (booked.total, booked.perm_id) == (D(20), record.perm_id)

    ticket.cancel()
    record = ticket.wait(**WAIT)
    assert (record.status, record.remaining_quantity, record.pending) == (S.CANCELLED, D(20), ())
    assert len(log.of(events.OrderCancelled)) == len(log.of(events.CancelRequested)) == 1
    assert log.of(events.AnomalyDetected) == []


def test_a_modification_is_pending_until_the_broker_shows_it(serve: Serve, connect: Connect) -> None:
    """Until then the record shows the old terms and the open request; the next echo settles it."""
    deaf: list[bool] = []

    def outlet(_: int, message: Message) -> Any:
        is_echo = message.kind in ("openOrder", "orderStatus")
        return () if deaf and is_echo else (Delivery(message),)

    engine = connect(serve(outlet=outlet))
    log = Log(engine)
    ticket = rest(engine, "90")
    deaf.append(True)
    record = ticket.modify(limit_price="91.5")
    settle(engine)
    for seen in (record, ticket.record):
        assert (seen.order.limit_price, seen.pending) == (D(90), (Request.MODIFY,))
    deaf.clear()
    engine.client.reqOpenOrders()
    log.wait(events.OrderModified)
    assert (ticket.record.order.limit_price, ticket.record.pending) == (D("91.5"), ())


def test_a_modification_with_a_whole_order(gateway: WatchedGateway, engine: Engine) -> None:
    """LMT to MKT, as facts 6 says is accepted: the order fills under its own id and key."""
    ticket = rest(engine, "90")
    key = ticket.record.key
    ticket.modify(Order.market("BUY", 10))
    record = ticket.wait(**WAIT)
    assert (record.status, record.order.order_type, record.key) == (S.FILLED, "MKT", key)


def test_several_modifications_at_once(gateway: WatchedGateway, engine: Engine) -> None:
    """Sent one behind the other: the last one is in force, and nothing stays pending."""
    log = Log(engine)
    ticket = rest(engine, "90")
    for price in ("91", "92", "93"):
        ticket.modify(limit_price=price)
    log.wait(events.OrderModified, lambda event: event.record.limit_price == D(93))
    settle(engine)
    assert ticket.record.pending == ()
    assert ticket.record.order.limit_price == D(93)
    assert [m.fields["order"]["lmtPrice"] for m in gateway.arrived("placeOrder")] == [90, 91, 92, 93]


def test_a_refused_modification_keeps_the_old_terms(gateway: WatchedGateway, engine: Engine) -> None:
    """Code 110: the order is alive as it was, the refusal is told, and it can be modified again."""
    log = Log(engine)
    ticket = rest(engine, "90")
    ticket.modify(limit_price="90.001")
    refused = log.wait(events.ModifyRefused)
    assert refused.message.code == 110
    record = refused.record
    assert (record.order.limit_price, record.pending) == (D(90), ())
    assert record.status in (S.SUBMITTED, S.PRE_SUBMITTED)
    ticket.modify(limit_price="90.05")
    log.wait(events.OrderModified)
    assert ticket.record.order.limit_price == D("90.05")


def test_a_modification_that_crosses_the_fill(gateway: WatchedGateway, engine: Engine) -> None:
    """Refused with 104: the order is filled, and stays so."""
    ticket = rest(engine, "90")
    gateway.fill(ticket.order_id)
    with contextlib.suppress(OrderFinished):  # the fill may have arrived before
        ticket.modify(limit_price="91")
    record = ticket.wait(**WAIT)
    settle(engine)
    assert (record.status, ticket.record.status) == (S.FILLED, S.FILLED)
    assert ticket.record.order.limit_price == D(90)


def test_a_modified_child_does_not_name_a_parent_that_is_gone(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """Code 135 (TWS facts 6): once the entry is filled, the exit is modified without its parent."""
    bracket = engine.submit_bracket(STOCK, Order.limit("BUY", 10, "100.01"), take_profit=110, stop_loss=90)
    bracket.parent.wait(**WAIT)
    bracket.stop_loss.modify(aux_price=95)
    settle(engine)
    sent = gateway.arrived("placeOrder")[-1].fields["order"]
    assert (sent["auxPrice"], sent.get("parentId", 0)) == (95, 0)
    assert bracket.stop_loss.record.order.aux_price == D(95)


# ── cancels ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_cancel_of_a_partly_filled_order_keeps_what_was_filled(
    gateway: WatchedGateway, engine: Engine
) -> None:
    """Fills and their average stay; the rest is dead."""
    ticket = rest(engine, "90", 100)
    gateway.fill(ticket.order_id, quantity=30)
    ticket.wait(S.PARTIALLY_FILLED, **WAIT)
    ticket.cancel()
    record = ticket.wait(**WAIT)
    assert (record.status, record.filled_quantity, record.remaining_quantity) == (S.CANCELLED, D(30), D(70))
    assert record.avg_fill_price == D(90)


def test_a_cancel_that_crosses_the_fill(serve: Serve, connect: Connect) -> None:
    """The gateway fills the order while the cancel is on its way: filled is what counts."""
    style = Choreography(cancel_delay_s=(0.05, 0.05), pending_cancel=1.0, duplicates=0.0)
    gateway = serve(settings=Settings(market=STILL, choreography=style))
    engine = connect(gateway)
    ticket = rest(engine, "90")
    ticket.cancel()
    gateway.wait_for(lambda books: books.order(ticket.order_id).status == "PendingCancel")
    gateway.fill(ticket.order_id)
    record = ticket.wait(**WAIT)
    gateway.wait_for(lambda _: gateway.arrived("cancelOrder"))
    settle(engine)
    assert record.status is S.FILLED
    assert ticket.status is S.FILLED


def test_cancelling_twice_is_allowed_and_ends_once(gateway: WatchedGateway, engine: Engine) -> None:
    """The second request is sent again; its refusal does not disturb the first one's success."""
    log = Log(engine)
    ticket = rest(engine, "90")
    ticket.cancel()
    with contextlib.suppress(OrderFinished):  # the confirmation may have been faster
        ticket.cancel()
    assert ticket.wait(**WAIT).status is S.CANCELLED
    settle(engine)
    assert ticket.status is S.CANCELLED
    assert len(log.of(events.OrderCancelled)) == 1
    assert log.of(events.AnomalyDetected) == []


def test_cancel_all_cancels_what_is_ours_and_alive(gateway: WatchedGateway, connect: Connect) -> None:
    """Finished orders and orders of others are left alone; the asked ones are returned."""
    engine, other = connect(gateway, 1), connect(gateway, 2)
    filled = buy(engine)
    filled.wait(**WAIT)
    tickets = [rest(engine, price) for price in ("90", "91", "92")]
    theirs = rest(other, "90")
    asked = engine.cancel_all()
    assert [record.order_id for record in asked] == [ticket.order_id for ticket in tickets]
    assert [ticket.wait(**WAIT).status for ticket in tickets] == [S.CANCELLED] * 3
    assert theirs.status in (S.SUBMITTED, S.PRE_SUBMITTED)
    assert engine.cancel_all() == ()


def test_a_global_cancel_takes_everything(gateway: WatchedGateway, connect: Connect) -> None:
    """Also the orders of other clients."""
    engine, other = connect(gateway, 1), connect(gateway, 2)
    mine, theirs = rest(engine), rest(other)
    engine.cancel_all(everywhere=True)
    assert mine.wait(**WAIT).status is S.CANCELLED
    assert theirs.wait(**WAIT).status is S.CANCELLED
    assert len(gateway.arrived("reqGlobalCancel")) == 1


# ── refusals by the broker ──────────────────────────────────────────────────────────────────────────

NOWHERE = Contract.stock("ZZZZ")


@pytest.mark.parametrize("version", VERSIONS)
def test_a_contract_that_nobody_knows_is_rejected(version: int, serve: Serve, connect: Connect) -> None:
    """Code 200 with no status at all: the order is rejected, with the broker's reason."""
    engine = connect(serve(versions=[version]))
    log = Log(engine)
    record = engine.submit(NOWHERE, Order.market("BUY", 1)).wait(**WAIT)
    assert (record.status, record.filled_quantity, record.pending) == (S.REJECTED, D(0), ())
    assert record.reject.code == 200
    assert record.error_message
    assert len(log.of(events.OrderRejected)) == 1


@pytest.mark.parametrize("reason_first", [0.0, 1.0])
def test_a_rejected_order(reason_first: float, serve: Serve, connect: Connect) -> None:
    """Code 201 before or behind the Inactive status: rejected once, whatever the order of things."""
    style = Choreography(reason_first=reason_first, duplicates=0.0)
    engine = connect(serve(settings=Settings(market=STILL, choreography=style)))
    log = Log(engine)
    ticket = engine.submit(STOCK, Order.market("BUY", 10_000_000))  # nobody can pay for it
    record = ticket.wait(**WAIT)
    settle(engine)
    assert (record.status, ticket.status) == (S.REJECTED, S.REJECTED)
    assert ticket.record.reject.code == 201
    assert len(log.of(events.OrderRejected)) == 1


def test_a_price_off_the_tick_is_rejected(gateway: WatchedGateway, engine: Engine) -> None:
    """Code 110 for a new order: no such order exists."""
    record = engine.submit(STOCK, Order.limit("BUY", 1, "90.001")).wait(**WAIT)
    assert (record.status, record.reject.code) == (S.REJECTED, 110)


def test_the_broker_may_cancel_or_reject_a_working_order(gateway: WatchedGateway, engine: Engine) -> None:
    """With its reason in the record."""
    cancelled, rejected = rest(engine, "90"), rest(engine, "91")
    gateway.kill(cancelled.order_id, "the exchange closed")
    gateway.reject(rejected.order_id, "margin")
    assert cancelled.wait(**WAIT).status is S.CANCELLED
    assert rejected.wait(**WAIT).status is S.REJECTED
    settle(engine)
    assert "the exchange closed" in cancelled.record.error_message
    assert "margin" in rejected.record.error_message


@pytest.mark.parametrize("code", [399, 2109, 10349])
def test_a_warning_changes_nothing(code: int, gateway: WatchedGateway, engine: Engine) -> None:
    """It is told as a warning, kept with the order, and the order goes on."""
    log = Log(engine)
    ticket = rest(engine)
    status = ticket.status
    gateway.say(code, "by the way", client_id=1, subject=ticket.order_id)
    event = log.wait(events.OrderWarning)
    assert (event.message.code, event.record.status) == (code, status)
    assert ticket.record.error_codes == (code,)


# ── orders in doubt ─────────────────────────────────────────────────────────────────────────────────


def test_a_code_that_nobody_knows_leads_to_a_question(gateway: WatchedGateway, engine: Engine) -> None:
    """The order is in doubt, the broker is asked, and its answer settles it."""
    log = Log(engine)
    ticket = rest(engine)
    word = ticket.status
    gateway.say(461, "something odd", client_id=1, subject=ticket.order_id)
    log.wait(events.OrderUncertain)
    with pytest.raises(OrderInDoubt):
        ticket.modify(limit_price=91)
    assert ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT).status is word
    assert gateway.arrived("reqAllOpenOrders")


def test_a_status_that_is_ahead_of_the_executions_leads_to_a_question(serve: Serve, connect: Connect) -> None:
    """The execution was lost on the way: it is asked for, and booked once."""
    lost: list[Message] = []

    def outlet(_: int, message: Message) -> Any:
        if message.kind == "execDetails" and message.fields["reqId"] == -1 and not lost:
            lost.append(message)
            return ()
        return (Delivery(message),)

    engine = connect(serve(outlet=outlet))
    log = Log(engine)
    ticket = buy(engine)
    event = log.wait(events.ExecutionReceived)
    assert lost
    assert event.fill.exec_id == lost[0].fields["execution"]["execId"]
    record = ticket.wait(**WAIT)
    settle(engine)
    record = ticket.record
    assert (record.status, record.filled_quantity, record.unexplained_quantity) == (S.FILLED, D(10), D(0))
    assert len(log.of(events.OrderFilled)) == 1


def test_an_order_that_ended_in_silence_is_found_among_the_completed_ones(
    serve: Serve, connect: Connect
) -> None:
    """Everything about the end was lost; a doubtful code makes us ask, and the answer is the end."""

    def outlet(_: int, message: Message) -> Any:
        ended = message.kind in ("orderStatus", "openOrder") and "Cancelled" in str(message.fields)
        return (
            ()
            if ended or (message.kind == "error" and message.fields["errorCode"] == 202)
            else (Delivery(message),)
        )

    gateway = serve(outlet=outlet)
    engine = connect(gateway)
    ticket = rest(engine)
    gateway.kill(ticket.order_id, "in silence")
    gateway.say(461, "something odd", client_id=1, subject=ticket.order_id)
    record = ticket.wait(**WAIT)
    assert record.status is S.CANCELLED


# ── looking ─────────────────────────────────────────────────────────────────────────────────────────


def test_records_are_snapshots(gateway: WatchedGateway, engine: Engine) -> None:
    """What was read does not change behind one's back."""
    ticket = rest(engine)
    before = ticket.record
    ticket.cancel()
    ticket.wait(**WAIT)
    assert before.status in (S.SUBMITTED, S.PRE_SUBMITTED)
    assert ticket.record is not before


def test_orders_active_orders_and_fills(gateway: WatchedGateway, engine: Engine) -> None:
    """All of them, the living ones, and every execution."""
    filled, resting = buy(engine), rest(engine)
    filled.wait(**WAIT)
    assert [record.order_id for record in engine.orders()] == [filled.order_id, resting.order_id]
    assert [record.order_id for record in engine.active_orders()] == [resting.order_id]
    assert [fill.quantity for fill in engine.fills()] == [D(10)]
    assert engine.ticket(resting.order_id).record == engine.order(resting.order_id)


@pytest.mark.parametrize("order_id", [0, -1, 999])
def test_an_unknown_order_is_an_error_everywhere(engine: Engine, order_id: int) -> None:
    """To look at it, to hold it, to change it, to wait for it."""
    for command in (
        lambda: engine.order(order_id),
        lambda: engine.ticket(order_id),
        lambda: engine.cancel(order_id),
        lambda: engine.modify(order_id, limit_price=1),
        lambda: engine.watch(order_id, frozenset()),
    ):
        with pytest.raises(UnknownOrder):
            command()


def test_a_finished_order_takes_no_commands(gateway: WatchedGateway, engine: Engine) -> None:
    """Filled, cancelled, rejected: OrderFinished names the state, and nothing is sent."""
    filled, cancelled = buy(engine), rest(engine)
    rejected = engine.submit(NOWHERE, Order.market("BUY", 1))
    cancelled.cancel()
    for ticket in (filled, cancelled, rejected):
        ticket.wait(**WAIT)
    before = len(gateway.orders_arrived())
    for ticket in (filled, cancelled, rejected):
        with pytest.raises(OrderFinished, match=ticket.status.value):
            ticket.cancel()
        with pytest.raises(OrderFinished, match=ticket.status.value):
            ticket.modify(quantity=5)
    settle(engine)
    assert len(gateway.orders_arrived()) == before


def test_an_order_whose_cancel_is_pending_cannot_be_modified(serve: Serve, connect: Connect) -> None:
    """The refusal says why."""
    style = Choreography(cancel_delay_s=(0.1, 0.1))
    engine = connect(serve(settings=Settings(market=STILL, choreography=style)))
    ticket = rest(engine)
    ticket.cancel()
    with pytest.raises(OrderStateError, match="cancel is pending"):
        ticket.modify(limit_price=91)
    assert ticket.wait(**WAIT).status is S.CANCELLED
