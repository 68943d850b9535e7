"""The official client, as IBKR's own samples use it: everything that a program may ask, and every order.

Usage: official.py HOST PORT CLIENT_ID [short]. Works with each ibapi from 9.81; prints one JSON object.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import logging
import math
import sys
import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.execution import ExecutionFilter
from ibapi.order import Order
from ibapi.wrapper import EWrapper
from talk import PATIENCE_S, Callbacks, Log, report

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # 9.81 has none
    OrderCancel = None

OLD = "orderCancel" not in inspect.signature(EClient.cancelOrder).parameters
FAR_BELOW, FAR_ABOVE = 0.5, 2.0
TAGS = "NetLiquidation,TotalCashValue,BuyingPower,$LEDGER"


class Client(EWrapper, EClient):
    """EWrapper and EClient in one, with a note of each callback."""

    def __init__(self) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.heard = Callbacks()

    def error(self, *args: Any) -> None:
        """Newer clients give the time of the error in the middle."""
        self.heard.note("error", *(args[:3] if OLD else (args[0], *args[2:4])))

    def commissionAndFeesReport(self, report: Any) -> None:  # noqa: N802 - official name
        """As it is called since 10.33."""
        self.heard.note("commission", report.execId, report.commissionAndFees)

    def commissionReport(self, report: Any) -> None:  # noqa: N802 - official name
        """As it was called."""
        self.heard.note("commission", report.execId, report.commission)


def _recorder(name: str) -> Callable[..., None]:
    def record(self: Client, *args: Any, **named: Any) -> None:
        self.heard.note(name, *args, *named.values())

    return record


for _name, _ in inspect.getmembers(EWrapper, inspect.isfunction):
    if _name not in Client.__dict__ and not _name.startswith(("_", "log")) and "roto" not in _name:
        setattr(Client, _name, _recorder(_name))


def stock(symbol: str) -> Contract:
    """A stock, named as most programs do."""
    made = Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, "STK", "SMART", "USD"
    return made


def future(symbol: str) -> Contract:
    """A future of any month."""
    made = Contract()
    made.symbol, made.secType, made.exchange, made.currency = symbol, "FUT", "CME", "USD"
    return made


def order(action: str, quantity: int, kind: str = "MKT", **fields: Any) -> Order:
    """An order of the day; two flags that old clients set are off, for the broker refuses them."""
    made = Order()
    made.action, made.orderType, made.tif = action, kind, "DAY"
    made.totalQuantity = quantity if OLD else Decimal(quantity)
    made.eTradeOnly = made.firmQuoteOnly = False
    for name, value in fields.items():
        setattr(made, name, value)
    return made


class Trader:
    """One connected client and what it has done."""

    def __init__(self, host: str, port: int, client_id: int) -> None:
        self.log = Log()
        self.client = Client()
        self.heard = self.client.heard
        self.crashes: list[str] = []
        self.leaving = False
        self.requests = 1000
        self.orders: dict[str, int] = {}
        self.seen: dict[str, Any] = {}
        self.client.connect(host, port, client_id)
        self.runner = threading.Thread(target=self._run)
        self.runner.start()
        self.order_id = self.heard.wait("nextValidId")[0]
        (self.accounts,) = self.heard.wait("managedAccounts")
        self.account = self.accounts.split(",")[0]
        self.version = self.client.serverVersion()
        self.aapl, self.msft = stock("AAPL"), stock("MSFT")

    def _run(self) -> None:
        try:
            self.client.run()
        except Exception as crash:  # noqa: BLE001 - whatever it is, it is told
            # disconnect() takes the decoder away under the feet of run(): a race inside the official client.
            if not self.leaving:
                self.crashes.append(f"run() died: {crash!r}")

    def close(self) -> None:
        """Hang up and wait for the client's own thread."""
        self.leaving = True
        self.client.disconnect()
        self.runner.join(PATIENCE_S)

    # -- asking ------------------------------------------------------------------------------------

    def ask(self, request: str, *args: Any) -> int:
        """Send a request that has a number."""
        self.requests += 1
        getattr(self.client, request)(self.requests, *args)
        return self.requests

    def get(self, answer: str, request: str, *args: Any, end: str = "") -> list[tuple[Any, ...]]:
        """Send a numbered request and give its answers, when they are complete.

        Args:
            answer: The callback that answers.
            request: The method to call.
            args: Its arguments after the number.
            end: The callback that closes the answer; without it the first answer will do.
        """
        number = self.ask(request, *args)
        self.heard.wait(end or answer, lambda *got: got[0] == number)
        return [got for got in self.heard.of(answer) if got[0] == number]

    def plainly(self, answer: str, request: str, *args: Any, end: str = "") -> list[tuple[Any, ...]]:
        """The same for a request without a number."""
        since = len(self.heard.calls)
        getattr(self.client, request)(*args)
        self.heard.wait(end or answer, since=since)
        return [got for called, got in self.heard.calls[since:] if called == answer]

    # -- looking -----------------------------------------------------------------------------------

    def look_up(self) -> None:
        """What can be traded."""
        ((_, details),) = self.get(
            "contractDetails", "reqContractDetails", self.aapl, end="contractDetailsEnd"
        )
        self.aapl.conId = self.seen["con_id"] = details.contract.conId
        self.seen["long_name"], self.seen["min_tick"] = details.longName, details.minTick
        futures = self.get("contractDetails", "reqContractDetails", future("ES"), end="contractDetailsEnd")
        self.seen["futures"] = len(futures)
        number = self.ask("reqContractDetails", stock("NOSUCH"))
        self.heard.wait("error", lambda *got: got[:2] == (number, 200))
        chain = self.get(
            "securityDefinitionOptionParameter", "reqSecDefOptParams", "AAPL", "", "STK", self.aapl.conId,
            end="securityDefinitionOptionParameterEnd",
        )  # fmt: skip
        self.seen["strikes"] = len(chain[0][-1])
        ((_, found),) = self.get("symbolSamples", "reqMatchingSymbols", "AAPL")
        self.seen["matches"] = [one.contract.symbol for one in found]
        rule = self.plainly("marketRule", "reqMarketRule", int(details.marketRuleIds.split(",")[0]))
        self.seen["rule"] = len(rule[0][1])
        self.plainly("mktDepthExchanges", "reqMktDepthExchanges")
        self.plainly("currentTime", "reqCurrentTime")
        self.plainly("familyCodes", "reqFamilyCodes")
        if hasattr(self.client, "reqCurrentTimeInMillis") and self.version >= 197:
            self.plainly("currentTimeInMillis", "reqCurrentTimeInMillis")
        if hasattr(self.client, "reqUserInfo") and self.version >= 165:
            self.get("userInfo", "reqUserInfo")

    def quote(self, contract: Contract) -> tuple[float, float]:
        """Bid and ask, from a stream that ends with it."""
        number = self.ask("reqMktData", contract, "", False, False, [])
        prices = {}
        for side, tick in (("bid", 1), ("ask", 2)):
            got = self.heard.wait(
                "tickPrice", lambda *got, tick=tick: got[:2] == (number, tick) and got[2] > 0
            )
            prices[side] = float(got[2])
        self.client.cancelMktData(number)
        return prices["bid"], prices["ask"]

    def watch(self) -> None:
        """Prices in every form."""
        self.get("tickPrice", "reqMktData", self.msft, "", True, False, [], end="tickSnapshotEnd")
        bars = self.get(
            "historicalData", "reqHistoricalData", self.aapl, "", "2 D", "1 hour", "TRADES", 1, 1, False, [],
            end="historicalDataEnd",
        )  # fmt: skip
        self.seen["bars"] = len(bars)
        growing = self.ask("reqHistoricalData", self.aapl, "", "1800 S", "5 mins", "TRADES", 0, 1, True, [])
        self.heard.wait("historicalDataUpdate", lambda *got: got[0] == growing)
        self.client.cancelHistoricalData(growing)
        self.heard.wait("error", lambda *got: got[:2] == (growing, 162))
        self.get("headTimestamp", "reqHeadTimeStamp", self.aapl, "TRADES", 1, 1)
        ticks = self.get(
            "historicalTicksLast", "reqHistoricalTicks", self.aapl, "", "20261118 15:00:00 US/Eastern", 50,
            "TRADES", 1, True, [],
        )  # fmt: skip
        self.seen["ticks"] = len(ticks[0][1])
        self.get("histogramData", "reqHistogramData", self.aapl, True, "3 days")
        for kind, answer in (("BidAsk", "tickByTickBidAsk"), ("MidPoint", "tickByTickMidPoint")):
            self.get(answer, "reqTickByTickData", self.aapl, kind, 0, False)
            self.client.cancelTickByTickData(self.requests)
        five = self.ask("reqRealTimeBars", self.aapl, 5, "TRADES", False, [])
        depth = self.ask("reqMktDepth", self.aapl, 5, True, [])
        self.heard.wait("updateMktDepthL2", lambda *got: got[0] == depth)
        self.client.cancelMktDepth(depth, True)
        self.heard.wait("realtimeBar", lambda *got: got[0] == five)
        self.client.cancelRealTimeBars(five)

    # -- trading -----------------------------------------------------------------------------------

    def place(self, name: str, contract: Contract, made: Order) -> int:
        """Send an order under a name of ours."""
        self.orders[name] = self.order_id
        made.orderId = self.order_id
        self.order_id += 1
        self.client.placeOrder(made.orderId, contract, made)
        return made.orderId

    def status(self, name: str, *wanted: str) -> tuple[Any, ...]:
        """Wait for an order's status."""
        number = self.orders[name]
        return self.heard.wait("orderStatus", lambda *got: got[0] == number and got[1] in wanted)

    def cancel(self, name: str) -> None:
        """Withdraw an order."""
        number = self.orders[name]
        self.client.cancelOrder(number, "") if _wants_time() else (
            self.client.cancelOrder(number) if OLD else self.client.cancelOrder(number, OrderCancel())
        )

    def refused(self, name: str, code: int) -> None:
        """Wait for the error that says why there is no such order."""
        self.heard.wait("error", lambda *got: got[:2] == (self.orders[name], code))

    def trade(self) -> None:
        """Every kind of order that the proof names."""
        bid, ask = self.quote(self.aapl)
        self.low = round(self.quote(self.msft)[0] * FAR_BELOW, 2)
        what_if = self.place("what_if", self.aapl, order("BUY", 100, whatIf=True))
        state = self.heard.wait("openOrder", lambda *got: got[0] == what_if)[3]
        self.seen["what_if"] = float(state.initMarginChange)
        del self.orders["what_if"]
        self.place("market", self.aapl, order("BUY", 1000, account=self.account))
        self.status("market", "Filled")
        number = self.place("limit", self.msft, order("BUY", 10, "LMT", lmtPrice=self.low))
        self.status("limit", "Submitted")
        self.client.placeOrder(number, self.msft, order("BUY", 20, "LMT", lmtPrice=self.low + 1))
        changed = self.heard.wait("openOrder", lambda *got: got[0] == number and got[2].totalQuantity == 20)
        self.seen["modified"] = [float(changed[2].totalQuantity), changed[2].lmtPrice]
        self.cancel("limit")
        self.status("limit", "Cancelled")
        self.bracket("", self.aapl, 50, round(ask * 1.02, 2), round(ask * FAR_ABOVE, 2), round(bid / 2, 2))
        self.status("entry", "Filled")
        self.status("target", "Submitted")
        self.status("stop", "PreSubmitted")
        self.cancel("target")
        self.cancel("stop")
        self.bracket("idle_", self.msft, 5, self.low, self.low * 4, round(self.low / 2, 2))
        self.status("idle_entry", "Submitted")
        self.cancel("idle_entry")
        for name in ("target", "stop", "idle_entry", "idle_target", "idle_stop"):
            self.status(name, "Cancelled", "ApiCancelled")
        self.place("off_tick", self.aapl, order("BUY", 1, "LMT", lmtPrice=round(bid, 2) - 0.0033))
        self.refused("off_tick", 110)
        self.place("unknown", stock("NOSUCH"), order("BUY", 1))
        self.refused("unknown", 200)
        told = {got[2].execId for got in self.heard.of("execDetails")}
        for exec_id in told:
            self.heard.wait("commission", lambda *got, exec_id=exec_id: got[0] == exec_id)

    def bracket(
        self, name: str, contract: Contract, quantity: int, entry: float, target: float, stop: float
    ) -> None:
        """Three orders, of which the last sends all."""
        parent = self.place(
            f"{name}entry", contract, order("BUY", quantity, "LMT", lmtPrice=entry, transmit=False)
        )
        legs = {"parentId": parent}
        leg = order("SELL", quantity, "LMT", lmtPrice=round(target, 2), transmit=False, **legs)
        self.place(f"{name}target", contract, leg)
        self.place(f"{name}stop", contract, order("SELL", quantity, "STP", auxPrice=stop, **legs))

    # -- reading -----------------------------------------------------------------------------------

    def read(self) -> dict[str, Any]:
        """Everything that the account has to say."""
        self.plainly("openOrder", "reqOpenOrders", end="openOrderEnd")
        self.plainly("openOrder", "reqAllOpenOrders", end="openOrderEnd")
        fills = self.get("execDetails", "reqExecutions", ExecutionFilter(), end="execDetailsEnd")
        other = ExecutionFilter()
        other.side = "SELL"
        number = self.ask("reqExecutions", other)
        self.heard.wait("execDetailsEnd", lambda *got: got[0] == number)
        self.seen["sold"] = len([got for got in self.heard.of("execDetails") if got[0] == number])
        for fill in fills:
            self.heard.wait("commission", lambda *got, fill=fill: got[0] == fill[2].execId)
        commissions = dict(self.heard.of("commission"))
        completed = self.plainly("completedOrder", "reqCompletedOrders", False, end="completedOrdersEnd")
        positions = self.plainly("position", "reqPositions", end="positionEnd")
        self.client.cancelPositions()
        many = self.get("positionMulti", "reqPositionsMulti", self.account, "", end="positionMultiEnd")
        self.client.cancelPositionsMulti(many[0][0])
        summary = self.get("accountSummary", "reqAccountSummary", "All", TAGS, end="accountSummaryEnd")
        self.client.cancelAccountSummary(summary[0][0])
        values = self.plainly(
            "updateAccountValue", "reqAccountUpdates", True, self.account, end="accountDownloadEnd"
        )
        portfolio = self.heard.of("updatePortfolio")
        self.client.reqAccountUpdates(False, self.account)
        multi = self.get(
            "accountUpdateMulti",
            "reqAccountUpdatesMulti",
            self.account,
            "",
            True,
            end="accountUpdateMultiEnd",
        )
        self.client.cancelAccountUpdatesMulti(multi[0][0])
        ((_, daily, *_),) = self.get("pnl", "reqPnL", self.account, "")[:1]
        self.client.cancelPnL(self.requests)
        ((_, held, *_),) = self.get("pnlSingle", "reqPnLSingle", self.account, "", self.seen["con_id"])[:1]
        self.client.cancelPnLSingle(self.requests)
        self.seen["pnl_position"], self.seen["multi"] = float(held), len(multi)
        self.seen["daily"] = math.isfinite(daily)
        return {
            "executions": [
                {
                    "exec_id": fill.execId,
                    "perm_id": fill.permId,
                    "side": fill.side,
                    "shares": str(float(fill.shares)),
                    "price": fill.price,
                    "commission": commissions[fill.execId],
                }
                for _, _, fill in fills
            ],
            "completed": {str(done[1].permId): done[2].status for done in completed},
            "positions": {got[1].symbol: str(float(got[2])) for got in positions},
            "positions_multi": {got[3].symbol: str(float(got[4])) for got in many},
            "portfolio": {got[0].symbol: str(float(got[1])) for got in portfolio},
            "values": {got[0]: got[1] for got in values},
            "summary": {got[2]: got[3] for got in summary},
        }

    def outcome(self) -> dict[str, Any]:
        """What became of each order, by its last status."""
        last = {}
        for name, number in self.orders.items():
            told = [got for got in self.heard.of("orderStatus") if got[0] == number]
            status, filled, perm_id = (told[-1][1], told[-1][2], told[-1][5]) if told else ("", 0, 0)
            last[name] = {"perm_id": perm_id, "status": status, "filled": str(float(filled))}
        return last


def _wants_time() -> bool:
    """Whether cancelOrder takes a time as text, as it did from 10.10 to 10.30."""
    return "manualCancelOrderTime" in inspect.signature(EClient.cancelOrder).parameters


def main(host: str, port: str, client_id: str, length: str = "full") -> None:
    """Run it all, or only the trading and reading."""
    trader = Trader(host, int(port), int(client_id))
    try:
        trader.look_up()
        if length == "full":
            trader.watch()
        trader.trade()
        facts = trader.read()
    finally:
        trader.close()
    (name,) = importlib.metadata.packages_distributions()["ibapi"]
    words = ("unknown", "diff len", "badmessage", "too many", "too few")
    report(
        {
            "peer": f"{name.lower().replace('_', '-')} {importlib.metadata.version(name)}",
            "server_version": trader.version,
            "orders": trader.outcome(),
            **facts,
            "seen": trader.seen,
            "errors": [list(got) for got in trader.heard.of("error")],
            "log_lines": len(trader.log.lines()),
            "complaints": trader.log.lines(level=logging.WARNING, words=words) + trader.crashes,
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:5])
