"""ib_async, with the trades that it placed itself, and an empty listener on each of its order events."""

from __future__ import annotations

import asyncio
import time
from decimal import Decimal

from ib_async import IB, LimitOrder, Stock, Trade
from ib_async.wrapper import Wrapper

from benchmarks.programs.stage import Calls, Stage
from benchmarks.terms import CLIENT_ID, END_MARK, FIRST_ID, QUANTITY, terms


async def place(ib: IB, count: int, pause_s: float) -> Calls:
    """Place orders."""
    calls = Calls()
    # What it calls with a message; asyncio's transport gives it to the kernel there and then.
    ib.client.conn.sendMsg = calls.noting(ib.client.conn.sendMsg)
    for order_id in range(FIRST_ID, FIRST_ID + count):
        its = terms(order_id)
        contract = Stock(its.symbol, "SMART", "USD", conId=its.con_id)
        order = LimitOrder(
            its.action, QUANTITY, its.limit / 100, orderId=order_id, tif="DAY", orderRef=its.key
        )
        trade = calls.time(ib.placeOrder, contract, order)
        # An openOrder would tell it; without, it keeps commissions but tells nobody of them.
        ib.wrapper.permId2Trade[its.perm_id] = trade
        await asyncio.sleep(pause_s)
    return calls


def listen(ib: IB, stage: Stage) -> None:
    """Put a listener on every order event."""
    clock = time.perf_counter_ns
    if stage.task.get("timed"):
        ib.execDetailsEvent += lambda _, fill: stage.executions.append((fill.execution.execId, clock()))
        ib.commissionReportEvent += lambda _, __, report: stage.commissions.append((report.execId, clock()))
        return
    for event in (ib.orderStatusEvent, ib.execDetailsEvent, ib.commissionReportEvent):
        event.connect(lambda *_: None)


def check(trades: list[Trade], count: int) -> None:
    """Raise unless it knows the end of every order."""
    if len(trades) != count:
        raise SystemExit(f"{len(trades)} trades, not {count}")
    for trade in trades:
        paid = sum(Decimal(str(fill.commissionReport.commission)) for fill in trade.fills)
        if not (trade.orderStatus.status == "Filled" and trade.filled() == QUANTITY):
            raise SystemExit(f"not filled: {trade}")
        if paid != terms(trade.order.orderId).commission:
            raise SystemExit(f"paid {paid}: {trade}")


async def run(stage: Stage) -> None:
    """Run once."""
    ended = asyncio.Event()

    def see_time(self: Wrapper, moment: int) -> None:  # noqa: ARG001 - stands for a method
        if moment == END_MARK:
            stage.end()
            ended.set()

    Wrapper.currentTime = see_time
    ib = IB()
    ib.client.MaxRequests = 0  # no throttle: it is not the gateway's patience that is measured
    await ib.connectAsync("127.0.0.1", stage.task["port"], clientId=CLIENT_ID)
    stage.weigh()
    calls = await place(ib, stage.task["orders"], stage.task.get("pause_s", 0.0))
    if stage.task.get("submit"):
        calls.report(stage)
    else:
        del calls  # its times are not what an order weighs
        listen(ib, stage)
        stage.ready()
        await ended.wait()
        check(ib.trades(), stage.task["orders"])
        stage.report(**stage.weigh_again())
    ib.disconnect()


if __name__ == "__main__":
    asyncio.run(run(Stage()))
