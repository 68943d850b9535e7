"""vnpy_ib's IbGateway without its screens: events in, orders out, as a VeighNa strategy engine drives it.

Usage: veighna.py HOST PORT CLIENT_ID [short], in a directory that may be filled. Prints one JSON object.
What its gateway has no word for (modify, bracket, completed orders) goes through the client that it owns.
"""

from __future__ import annotations

import importlib.metadata
import logging
import sys
import threading
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from talk import Callbacks, Log, report

Path(".vntrader").mkdir(exist_ok=True)  # vnpy keeps its files there, and elsewhere where this is missing

from ibapi.order import Order  # noqa: E402 - after the directory
from ibapi.order_cancel import OrderCancel  # noqa: E402
from vnpy.event import Event, EventEngine  # noqa: E402
from vnpy.trader.constant import Direction, Exchange, Interval, OrderType  # noqa: E402
from vnpy.trader.event import (  # noqa: E402
    EVENT_ACCOUNT,
    EVENT_CONTRACT,
    EVENT_LOG,
    EVENT_ORDER,
    EVENT_POSITION,
    EVENT_TICK,
    EVENT_TRADE,
)
from vnpy.trader.object import CancelRequest, HistoryRequest, OrderRequest, SubscribeRequest  # noqa: E402
from vnpy.trader.setting import SETTINGS  # noqa: E402
from vnpy_ib import IbGateway  # noqa: E402
from vnpy_ib.ib_gateway import IbApi, generate_ib_contract  # noqa: E402

SETTINGS["log.active"] = False
AAPL, MSFT = "AAPL-USD-STK", "MSFT-USD-STK"
EVENTS = {
    EVENT_TICK: "tick", EVENT_TRADE: "trade", EVENT_ORDER: "order", EVENT_POSITION: "position",
    EVENT_ACCOUNT: "account", EVENT_CONTRACT: "contract", EVENT_LOG: "log",
}  # fmt: skip


class Eavesdropper(IbApi):
    """The IbApi as it is; what its callbacks were given is noted on the way."""

    heard: Callbacks

    def orderStatus(self, *args: Any) -> None:  # noqa: N802 - official name
        """Order status."""
        super().orderStatus(*args)
        self.heard.note("orderStatus", *args)

    def openOrder(self, *args: Any) -> None:  # noqa: N802 - official name
        """An order as the broker sees it."""
        super().openOrder(*args)
        self.heard.note("openOrder", *args)

    def execDetails(self, *args: Any) -> None:  # noqa: N802 - official name
        """An execution."""
        super().execDetails(*args)
        self.heard.note("execDetails", *args)

    def commissionAndFeesReport(self, report: Any) -> None:  # noqa: N802 - official name
        """A commission."""
        super().commissionAndFeesReport(report)
        self.heard.note("commission", report.execId, report.commissionAndFees)

    def completedOrder(self, *args: Any) -> None:  # noqa: N802 - official name
        """A completed order."""
        super().completedOrder(*args)
        self.heard.note("completedOrder", *args)

    def completedOrdersEnd(self) -> None:  # noqa: N802 - official name
        """That was all."""
        super().completedOrdersEnd()
        self.heard.note("completedOrdersEnd")

    def position(self, *args: Any) -> None:
        """A position."""
        super().position(*args)
        self.heard.note("positions", *args)

    def positionEnd(self) -> None:  # noqa: N802 - official name
        """That was all."""
        super().positionEnd()
        self.heard.note("positionEnd")

    def updateAccountValue(self, *args: Any) -> None:  # noqa: N802 - official name
        """A value of the account."""
        super().updateAccountValue(*args)
        self.heard.note("value", *args)

    def accountDownloadEnd(self, account: str) -> None:  # noqa: N802 - official name
        """That was all."""
        super().accountDownloadEnd(account)
        self.heard.note("accountDownloadEnd", account)

    def error(self, *args: Any) -> None:
        """An error or a notice."""
        super().error(*args)
        self.heard.note("error", args[0], *args[2:4])


class Trader:
    """One IbGateway and what was done with it."""

    def __init__(self, host: str, port: int, client_id: int) -> None:
        self.log = Log()
        self.heard = Callbacks()
        self.crashes: list[str] = []
        threading.excepthook = lambda crash: self.crashes.append(f"thread died: {crash.exc_value!r}")
        self.engine = EventEngine()
        for kind, name in EVENTS.items():
            self.engine.register(kind, self._noting(name))
        self.engine.start()
        self.gateway = IbGateway(self.engine, "IB")
        self.gateway.api.__class__ = Eavesdropper
        self.gateway.api.heard = self.heard
        self.gateway.connect({"TWS地址": host, "TWS端口": port, "客户号": client_id, "交易账户": ""})
        self.orders: dict[str, int] = {}
        self.quotes: list[int] = []
        self.seen: dict[str, Any] = {}
        self.heard.wait("accountDownloadEnd")
        self.heard.wait("log", lambda entry: "服务器时间" in entry.msg)

    def _noting(self, name: str) -> Any:
        def note(event: Event) -> None:
            self.heard.note(name, event.data)

        return note

    def close(self) -> None:
        """Hang up and stop every thread."""
        self.gateway.close()
        self.gateway.api.thread.join()
        self.engine.stop()

    # -- looking -----------------------------------------------------------------------------------

    def watch(self) -> None:
        """Quotes, contracts and history."""
        for symbol in (AAPL, MSFT):
            # It notes what it asked for after it has asked: an answer that is faster would find no name.
            self.gateway.api.reqid_symbol_map[self.gateway.api.reqid + 1] = symbol
            self.gateway.subscribe(SubscribeRequest(symbol=symbol, exchange=Exchange.SMART))
            self.quotes.append(self.gateway.api.reqid)
        contract = self.heard.wait("contract", lambda one: one.symbol == AAPL)[0]
        self.seen["long_name"], self.seen["min_tick"] = contract.name, contract.pricetick
        self.gateway.api.client.reqContractDetails(
            9000, generate_ib_contract("NOSUCH-USD-STK", Exchange.SMART)
        )
        self.refused(9000, 200)
        self.bid, self.ask = self.quote(AAPL)
        self.msft_bid, _ = self.quote(MSFT)
        now = datetime.now()  # noqa: DTZ005 - vnpy takes it so
        request = HistoryRequest(
            symbol=AAPL,
            exchange=Exchange.SMART,
            start=now - timedelta(days=3),
            end=now,
            interval=Interval.HOUR,
        )
        self.seen["bars"] = len(self.gateway.query_history(request))
        self.gateway.api.query_tick(f"{MSFT}.SMART")
        self.heard.wait("log", lambda entry: "行情切片查询成功" in entry.msg)

    def quote(self, symbol: str) -> tuple[float, float]:
        """Bid and ask of a tick that has both."""
        (tick,) = self.heard.wait(
            "tick", lambda one: one.symbol == symbol and one.bid_price_1 > 0 and one.ask_price_1 > 0
        )
        return tick.bid_price_1, tick.ask_price_1

    # -- trading -----------------------------------------------------------------------------------

    def send(self, name: str, symbol: str, kind: OrderType, volume: int, price: float = 0.0) -> int:
        """Send an order the way of vnpy."""
        request = OrderRequest(
            symbol=symbol,
            exchange=Exchange.SMART,
            direction=Direction.LONG,
            type=kind,
            volume=volume,
            price=price,
        )
        self.orders[name] = int(self.gateway.send_order(request).rpartition(".")[2])
        return self.orders[name]

    def cancel(self, name: str, symbol: str) -> None:
        """Withdraw an order the way of vnpy."""
        request = CancelRequest(orderid=str(self.orders[name]), symbol=symbol, exchange=Exchange.SMART)
        self.gateway.cancel_order(request)

    def status(self, name: str, *wanted: str) -> None:
        """Wait for a status of the broker, and that vnpy's own event told of the order."""
        number = self.orders[name]
        self.heard.wait("orderStatus", lambda *got: got[0] == number and got[1] in wanted)
        self.heard.wait("order", lambda one: one.orderid == str(number))

    def trade(self) -> None:
        """Every kind of order that the proof names."""
        self.send("market", AAPL, OrderType.MARKET, 1000)
        self.status("market", "Filled")
        low = round(self.msft_bid / 2, 2)
        number = self.send("limit", MSFT, OrderType.LIMIT, 10, low)
        self.status("limit", "Submitted")
        client, contract = self.gateway.api.client, generate_ib_contract(MSFT, Exchange.SMART)
        client.placeOrder(number, contract, self.made("BUY", 20, "LMT", lmtPrice=low + 1))
        changed = self.heard.wait("openOrder", lambda *got: got[0] == number and got[2].totalQuantity == 20)
        self.seen["modified"] = [float(changed[2].totalQuantity), changed[2].lmtPrice]
        self.cancel("limit", MSFT)
        self.status("limit", "Cancelled")
        self.send("stop_order", AAPL, OrderType.STOP, 10, round(self.ask * 2, 2))
        self.status("stop_order", "PreSubmitted")
        self.cancel("stop_order", AAPL)
        self.status("stop_order", "Cancelled")
        aapl = generate_ib_contract(AAPL, Exchange.SMART)
        self.bracket("", aapl, round(self.ask * 1.02, 2), round(self.ask * 2, 2), round(self.bid / 2, 2))
        self.status("entry", "Filled")
        self.status("target", "Submitted")
        self.status("stop", "PreSubmitted")
        client.cancelOrder(self.orders["target"], OrderCancel())
        client.cancelOrder(self.orders["stop"], OrderCancel())
        self.bracket("idle_", contract, low, low * 4, round(low / 2, 2))
        self.status("idle_entry", "Submitted")
        self.cancel("idle_entry", MSFT)
        for name in ("target", "stop", "idle_entry", "idle_target", "idle_stop"):
            self.status(name, "Cancelled")
        self.refused(self.send("off_tick", AAPL, OrderType.LIMIT, 1, self.bid - 0.0033), 110)
        self.refused(self.send("unknown", "NOSUCH-USD-STK", OrderType.MARKET, 1), 200)

    def made(self, action: str, quantity: int, kind: str, **fields: Any) -> Order:
        """An order of the official client, as vnpy makes them."""
        order = Order()
        order.action, order.orderType, order.totalQuantity, order.tif = action, kind, Decimal(quantity), "DAY"
        order.account = self.gateway.api.account
        for name, value in fields.items():
            setattr(order, name, value)
        return order

    def bracket(self, name: str, contract: Any, entry: float, target: float, stop: float) -> None:
        """Three orders, of which the last sends all."""
        api = self.gateway.api
        parent = api.orderid + 1
        legs = {
            "entry": self.made("BUY", 50, "LMT", lmtPrice=entry, transmit=False),
            "target": self.made(
                "SELL", 50, "LMT", lmtPrice=round(target, 2), parentId=parent, transmit=False
            ),
            "stop": self.made("SELL", 50, "STP", auxPrice=stop, parentId=parent),
        }
        for leg, order in legs.items():
            api.orderid += 1
            self.orders[f"{name}{leg}"] = api.orderid
            api.client.placeOrder(api.orderid, contract, order)

    def refused(self, number: int, code: int) -> None:
        """Wait for the error that says why there is no such order."""
        self.heard.wait("error", lambda *got: got[:2] == (number, code))

    # -- reading -----------------------------------------------------------------------------------

    def read(self) -> dict[str, Any]:
        """Everything that the account has to say."""
        client = self.gateway.api.client
        # Its client forgets the server's version when it hangs up, and its thread dies of a quote that it
        # has to decode then. So the quotes end here; what is asked for next comes after the last of them.
        for number in self.quotes:
            client.cancelMktData(number)
        client.reqPositions()
        self.heard.wait("positionEnd")
        client.reqCompletedOrders(False)
        self.heard.wait("completedOrdersEnd")
        fills = {got[2].execId: got[2] for got in self.heard.of("execDetails")}
        for exec_id in fills:
            self.heard.wait("commission", lambda *got, exec_id=exec_id: got[0] == exec_id)
            self.heard.wait("trade", lambda one, exec_id=exec_id: one.tradeid == exec_id)
        commissions = dict(self.heard.of("commission"))
        self.heard.wait("position", lambda one: one.volume == 1050)
        (account,) = self.heard.wait("account", lambda one: one.accountid.endswith(".USD"))
        self.seen["balance"] = account.balance
        client.reqAccountUpdates(False, self.gateway.api.account)
        self.heard.wait("error", lambda *got: got[1] == 2100)
        since = len(self.heard.calls)
        client.reqAccountUpdates(True, self.gateway.api.account)
        self.heard.wait("accountDownloadEnd", since=since)
        portfolio = {one.symbol: str(one.volume) for (one,) in self.heard.of("position")}
        return {
            "executions": [
                {
                    "exec_id": exec_id,
                    "perm_id": fill.permId,
                    "side": fill.side,
                    "shares": str(float(fill.shares)),
                    "price": fill.price,
                    "commission": commissions[exec_id],
                }
                for exec_id, fill in fills.items()
            ],
            "completed": {str(got[1].permId): got[2].status for got in self.heard.of("completedOrder")},
            "positions": {got[1].symbol: str(float(got[2])) for got in self.heard.of("positions")},
            "portfolio": {symbol.partition("-")[0]: volume for symbol, volume in portfolio.items()},
            "values": {got[0]: got[1] for got in self.heard.of("value")},
        }

    def outcome(self) -> dict[str, Any]:
        """What became of each order, by its last status."""
        last = {}
        for name, number in self.orders.items():
            told = [got for got in self.heard.of("orderStatus") if got[0] == number]
            status, filled, perm_id = (told[-1][1], told[-1][2], told[-1][5]) if told else ("", 0, 0)
            last[name] = {"perm_id": perm_id, "status": status, "filled": str(float(filled))}
        return last


def main(host: str, port: str, client_id: str, length: str = "full") -> None:
    """Run it all; it takes no longer than the short of it."""
    del length
    trader = Trader(host, int(port), int(client_id))
    try:
        trader.watch()
        trader.trade()
        facts = trader.read()
        version = trader.gateway.api.client.serverVersion()
    finally:
        trader.close()
    words = ("unknown", "diff len", "badmessage", "too many", "too few")
    told = [f"vnpy: {entry.msg}" for (entry,) in trader.heard.of("log")]
    usual = ("IB TWS连接", "本地缓存", "服务器时间", "当前使用的交易账号", "行情切片查询成功", "信息通知")
    report(
        {
            "peer": f"vnpy_ib {importlib.metadata.version('vnpy_ib')}",
            "server_version": version,
            "orders": trader.outcome(),
            **facts,
            "seen": trader.seen,
            "errors": [list(got) for got in trader.heard.of("error")],
            "log_lines": len(trader.log.lines()) + len(told),
            "complaints": trader.log.lines(level=logging.WARNING, words=words)
            + trader.crashes
            + [line for line in told if not any(word in line for word in usual)],
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:5])
