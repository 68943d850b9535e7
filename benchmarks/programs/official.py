"""The official client with its own run loop and empty callbacks."""

from __future__ import annotations

import threading
import time
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order
from ibapi.wrapper import EWrapper

from benchmarks.programs.stage import FAR_S, Calls, Stage
from benchmarks.terms import CLIENT_ID, END_MARK, FIRST_ID, QUANTITY, terms


class Client(EWrapper, EClient):  # type: ignore[misc]  # ibapi is untyped
    """Empty callbacks where nothing is measured in them.

    Args:
        stage: Of this run.
    """

    def __init__(self, stage: Stage) -> None:
        EClient.__init__(self, self)
        self.stage = stage
        self.begun = threading.Event()

    def nextValidId(self, orderId: int) -> None:  # noqa: ARG002, N802, N803 - official names
        """See the official client."""
        self.begun.set()

    def currentTime(self, time: int) -> None:  # noqa: N802 - official name
        """See the official client."""
        if time == END_MARK:
            self.stage.end()

    def orderStatus(self, *_: object) -> None:  # noqa: N802 - official name
        """See the official client."""

    def execDetails(self, *_: object) -> None:  # noqa: N802 - official name
        """See the official client."""

    def commissionAndFeesReport(self, *_: object) -> None:  # noqa: N802 - official name
        """See the official client."""

    commissionReport = commissionAndFeesReport  # noqa: N815 - its name in older versions


class TimedClient(Client):
    """Notes when executions and commissions reach their callbacks."""

    def execDetails(self, *told: Any) -> None:  # noqa: N802 - official name
        """See the official client: the execution is the last argument."""
        self.stage.executions.append((told[-1].execId, time.perf_counter_ns()))

    def commissionAndFeesReport(self, *told: Any) -> None:  # noqa: N802 - official name
        """See the official client."""
        self.stage.commissions.append((told[-1].execId, time.perf_counter_ns()))

    commissionReport = commissionAndFeesReport  # noqa: N815 - its name in older versions


def place(client: Client, count: int, pause_s: float) -> Calls:
    """Place orders."""
    calls = Calls()
    client.conn.sendMsg = calls.noting(client.conn.sendMsg)
    for order_id in range(FIRST_ID, FIRST_ID + count):
        its = terms(order_id)
        contract, order = Contract(), Order()
        contract.symbol, contract.secType, contract.exchange, contract.currency = (
            its.symbol,
            "STK",
            "SMART",
            "USD",
        )
        contract.conId = its.con_id
        order.action, order.orderType, order.totalQuantity, order.lmtPrice = (
            its.action,
            "LMT",
            QUANTITY,
            its.limit / 100,
        )
        order.tif, order.orderRef = "DAY", its.key
        # Names that 9.81 sets and that gateways of today refuse.
        order.eTradeOnly = order.firmQuoteOnly = False
        calls.time(client.placeOrder, order_id, contract, order)
        time.sleep(pause_s)
    return calls


def main() -> None:
    """Run once."""
    stage = Stage()
    client = (TimedClient if stage.task.get("timed") else Client)(stage)
    client.connect("127.0.0.1", stage.task["port"], CLIENT_ID)
    thread = threading.Thread(target=client.run)
    thread.start()
    if not client.begun.wait(FAR_S):
        raise SystemExit("the session never began")
    if stage.task.get("submit"):
        place(client, stage.task["orders"], stage.task["pause_s"]).report(stage)
    else:
        stage.ready()
        stage.wait()
        stage.report()
    client.disconnect()
    thread.join()


if __name__ == "__main__":
    main()
