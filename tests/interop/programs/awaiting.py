"""ib_async or its ancestor ib_insync, as their users write: connect with everything, trade, read, leave.

Usage: awaiting.py HOST PORT CLIENT_ID [short]. Prints one JSON object.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import importlib.util
import logging
import math
import sys
from collections.abc import Callable
from typing import Any

from talk import PATIENCE_S, Log, report

NAME = "ib_async" if importlib.util.find_spec("ib_async") else "ib_insync"
lib = importlib.import_module(NAME)

FAR_BELOW, FAR_ABOVE = 0.5, 2.0


class Trader:
    """One connected client and what it has done."""

    def __init__(self, host: str, port: int, client_id: int) -> None:
        self.log = Log()
        self.errors: list[list[Any]] = []
        self.ib = lib.IB()
        self.ib.errorEvent += lambda req_id, code, text, _contract: self.errors.append([req_id, code, text])
        self.ib.RequestTimeout = PATIENCE_S
        # The defaults: four seconds for each part of the start, and a complaint when one does not come.
        self.address = {"host": host, "port": port, "clientId": client_id}
        self.ib.connect(**self.address)
        self.version = self.ib.client.serverVersion()
        self.orders: dict[str, Any] = {}
        self.seen: dict[str, Any] = {}
        self.aapl = lib.Stock("AAPL", "SMART", "USD")
        self.msft = lib.Stock("MSFT", "SMART", "USD")

    def until(self, what: str, condition: Callable[[], Any]) -> Any:
        """Let the loop run until something is so."""
        for _ in range(int(PATIENCE_S * 20)):
            if value := condition():
                return value
            self.ib.sleep(0.05)
        raise TimeoutError(f"{what} did not come; errors: {self.errors}; orders: {self.ib.trades()}")

    def status(self, name: str, *wanted: str) -> None:
        """Wait for an order's status."""
        trade = self.orders[name]
        self.until(f"{name} {wanted}", lambda: trade.orderStatus.status in wanted)

    def place(self, name: str, contract: Any, order: Any) -> Any:
        """Send an order under a name of ours."""
        order.tif = order.tif or "DAY"
        self.orders[name] = self.ib.placeOrder(contract, order)
        return self.orders[name]

    # -- what is done ------------------------------------------------------------------------------

    def look_up(self) -> None:
        """Contracts, one by name and one that does not exist."""
        self.ib.qualifyContracts(self.aapl, self.msft)
        self.seen["con_id"] = self.aapl.conId
        (details,) = self.ib.reqContractDetails(self.aapl)
        self.seen["long_name"], self.seen["min_tick"] = details.longName, details.minTick
        chains = self.ib.reqSecDefOptParams("AAPL", "", "STK", self.aapl.conId)
        self.seen["strikes"] = len(chains[0].strikes)
        future = self.ib.reqContractDetails(lib.Future("ES", exchange="CME"))
        self.seen["futures"] = len(future)
        self.seen["nothing"] = len(self.ib.reqContractDetails(lib.Stock("NOSUCH", "SMART", "USD")))
        self.seen["matches"] = [one.contract.symbol for one in self.ib.reqMatchingSymbols("AAPL")]
        self.seen["rule"] = len(self.ib.reqMarketRule(int(details.marketRuleIds.split(",")[0])))

    def quote(self) -> None:
        """A stream of one price and a snapshot of another."""
        ticker = self.ib.reqMktData(self.aapl, "", snapshot=False, regulatorySnapshot=False)
        self.until("a quote", lambda: ticker.bid > 0 and ticker.ask > 0)
        self.bid, self.ask = float(ticker.bid), float(ticker.ask)
        (snapshot,) = self.ib.reqTickers(self.msft)
        self.msft_bid = float(snapshot.bid)
        self.ib.cancelMktData(self.aapl)

    def watch(self) -> None:
        """Prices in every form."""
        depth = self.ib.reqMktDepth(self.aapl, 5, isSmartDepth=True)
        self.until("depth", lambda: depth.domBids and depth.domAsks)
        bars = self.ib.reqHistoricalData(self.aapl, "", "2 D", "1 hour", "TRADES", useRTH=True, formatDate=1)
        self.seen["bars"] = len(bars)
        live = self.ib.reqHistoricalData(
            self.aapl, "", "1800 S", "5 mins", "TRADES", useRTH=False, formatDate=1, keepUpToDate=True
        )
        updates: list[bool] = []
        live.updateEvent += lambda _bars, is_new: updates.append(is_new)
        self.until("a bar that grows", lambda: updates)
        self.ib.cancelHistoricalData(live)
        head = self.ib.reqHeadTimeStamp(self.aapl, "TRADES", useRTH=True, formatDate=1)
        self.seen["head"] = str(head)
        ticks = self.ib.reqHistoricalTicks(self.aapl, "", "20261118 15:00:00 US/Eastern", 50, "TRADES", True)
        self.seen["ticks"] = len(ticks)
        stream = self.ib.reqTickByTickData(self.aapl, "BidAsk")
        self.until("tick by tick", lambda: stream.tickByTicks)
        self.ib.cancelTickByTickData(self.aapl, "BidAsk")
        five = self.ib.reqRealTimeBars(self.aapl, 5, "TRADES", useRTH=False)
        self.until("a five-second bar", lambda: five)
        self.ib.cancelRealTimeBars(five)
        self.ib.cancelMktDepth(self.aapl, isSmartDepth=True)

    def trade(self) -> None:
        """Every kind of order that the proof names."""
        state = self.ib.whatIfOrder(self.aapl, lib.MarketOrder("BUY", 100, tif="DAY"))
        self.seen["what_if"] = float(state.initMarginChange)
        self.place("market", self.aapl, lib.MarketOrder("BUY", 1000))
        self.status("market", "Filled")
        limit = self.place("limit", self.msft, lib.LimitOrder("BUY", 10, round(self.msft_bid * FAR_BELOW, 2)))
        self.status("limit", "Submitted")
        limit.order.lmtPrice = round(self.msft_bid * FAR_BELOW, 2) + 1
        limit.order.totalQuantity = 20
        self.ib.placeOrder(self.msft, limit.order)
        self.ib.reqAllOpenOrders()
        self.until("the modification", lambda: float(limit.order.totalQuantity) == 20.0 and limit.isActive())
        self.seen["modified"] = [float(limit.order.totalQuantity), limit.order.lmtPrice]
        self.ib.cancelOrder(limit.order)
        self.status("limit", "Cancelled")
        self.bracket()
        rejected = self.place("off_tick", self.aapl, lib.LimitOrder("BUY", 1, round(self.bid, 2) - 0.0033))
        self.refused(rejected, 110)
        unknown = self.place("unknown", lib.Stock("NOSUCH", "SMART", "USD"), lib.MarketOrder("BUY", 1))
        self.refused(unknown, 200)
        self.until("commissions", lambda: all(one.commissionReport.execId for one in self.ib.fills()))

    def refused(self, trade: Any, code: int) -> None:
        """Wait for an error about an order; ib_insync leaves an order that got 110 as it was."""
        told = [trade.order.orderId, code]
        self.until(f"error {told}", lambda: any(error[:2] == told for error in self.errors))

    def bracket(self) -> None:
        """A bracket whose entry fills, and one that is cancelled at its entry."""
        legs = self.ib.bracketOrder(
            "BUY",
            50,
            round(self.ask * 1.02, 2),
            round(self.ask * FAR_ABOVE, 2),
            round(self.bid * FAR_BELOW, 2),
        )
        for name, order in zip(("entry", "target", "stop"), legs, strict=True):
            self.place(name, self.aapl, order)
        self.status("entry", "Filled")
        self.status("target", "Submitted")
        self.status("stop", "PreSubmitted")
        self.ib.cancelOrder(self.orders["target"].order)
        self.status("target", "Cancelled")
        self.ib.cancelOrder(self.orders["stop"].order)
        self.status("stop", "Cancelled")
        low = round(self.msft_bid * FAR_BELOW, 2)
        legs = self.ib.bracketOrder(
            "BUY", 5, low, round(self.msft_bid * FAR_ABOVE, 2), round(low * FAR_BELOW, 2)
        )
        for name, order in zip(("idle_entry", "idle_target", "idle_stop"), legs, strict=True):
            self.place(name, self.msft, order)
        self.status("idle_entry", "Submitted")
        self.ib.cancelOrder(self.orders["idle_entry"].order)
        for name in ("idle_entry", "idle_target", "idle_stop"):
            self.status(name, "Cancelled")

    def come_back(self) -> None:
        """Leave while an order rests, and find it and everything else on the way back in."""
        self.place("kept", self.msft, lib.LimitOrder("BUY", 7, round(self.msft_bid * FAR_BELOW, 2)))
        self.status("kept", "Submitted")
        perm_id, fills = self.orders["kept"].order.permId, len(self.ib.fills())
        self.ib.disconnect()
        self.ib.connect(**self.address)
        # ib_insync also still holds the order that got 110.
        (self.orders["kept"],) = [one for one in self.ib.openTrades() if one.order.permId == perm_id]
        self.seen["kept"] = len(self.ib.fills()) == fills
        self.ib.cancelOrder(self.orders["kept"].order)
        self.status("kept", "Cancelled")

    def read(self) -> dict[str, Any]:
        """Everything that the account has to say, asked for anew."""
        ib = self.ib
        ib.reqOpenOrders()
        ib.reqExecutions()
        fills = ib.fills()  # the answer's own objects never see their commissions
        completed = ib.reqCompletedOrders(apiOnly=False)
        positions = ib.reqPositions() or ib.positions()
        summary = {one.tag: one.value for one in ib.accountSummary()}
        values = {one.tag: one.value for one in ib.accountValues() if one.currency in {"", "USD"}}
        pnl = ib.reqPnL(ib.managedAccounts()[0])
        self.until("P&L", lambda: not math.isnan(pnl.dailyPnL))
        single = ib.reqPnLSingle(ib.managedAccounts()[0], "", self.aapl.conId)
        self.until("P&L of a position", lambda: single.position and single.value)
        self.seen["pnl_position"] = float(single.position)
        ib.cancelPnL(ib.managedAccounts()[0])
        ib.cancelPnLSingle(ib.managedAccounts()[0], "", self.aapl.conId)
        self.seen["time"] = str(ib.reqCurrentTime())
        return {
            "executions": [
                {
                    "exec_id": fill.execution.execId,
                    "perm_id": fill.execution.permId,
                    "side": fill.execution.side,
                    "shares": str(float(fill.execution.shares)),
                    "price": fill.execution.price,
                    "commission": fill.commissionReport.commission,
                }
                for fill in fills
            ],
            "completed": {str(one.order.permId): one.orderStatus.status for one in completed},
            "positions": {one.contract.symbol: str(float(one.position)) for one in positions},
            "portfolio": {one.contract.symbol: str(float(one.position)) for one in ib.portfolio()},
            "values": values,
            "summary": summary,
        }


def main(host: str, port: str, client_id: str, length: str = "full") -> None:
    """Run it all, or only the trading and reading."""
    trader = Trader(host, int(port), int(client_id))
    trader.look_up()
    trader.quote()
    if length == "full":
        trader.watch()
    trader.trade()
    if length == "full":
        trader.come_back()
    facts = trader.read()
    trader.ib.disconnect()
    report(
        {
            "peer": f"{NAME} {importlib.metadata.version(NAME)}",
            "server_version": trader.version,
            "orders": {
                name: {
                    "perm_id": trade.order.permId,
                    "status": trade.orderStatus.status,
                    "filled": str(float(trade.orderStatus.filled)),
                }
                for name, trade in trader.orders.items()
            },
            **facts,
            "seen": trader.seen,
            "errors": trader.errors,
            "log_lines": len(trader.log.lines()),
            "complaints": trader.log.lines(level=logging.WARNING, words=("timeout", "timed out", "unknown")),
        }
    )


if __name__ == "__main__":
    main(*sys.argv[1:5])
