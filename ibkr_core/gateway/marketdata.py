"""The present as clients watch it: ticks, depth, tick by tick, bars of five seconds (wire facts 6 and 8).

A market is looked at once in each of its steps, as the broker samples its own, and what has changed is told.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway.history import History
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.past import bar_prices
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Feeds, Handler, request_id_of
from ibkr_core.gateway.ticks import DATA_TYPES, FROZEN, LIVE, Line, generic_ticks, not_subscribed
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["MarketData"]

_MAX_LINES, _MAX_DEPTH, _MAX_TICK_BY_TICK = 100, 3, 5
_BAR_S = 5
_TICK_TYPES = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}
_BEGIN_WITH = {"BidAsk": "BID_ASK", "MidPoint": "MIDPOINT"}
_ASK, _BID = 0, 1
_INSERT, _UPDATE, _DELETE = 0, 1, 2
_MAX_ROWS = 20
Level = tuple[Decimal, Decimal]
"""Price and size."""


class MarketData:
    """Answers requests about the present.

    Args:
        watch: Instruments, their prices and their past.
        history: Where the ticks come from that some want to begin with.
    """

    def __init__(self, watch: Watch, history: History) -> None:
        self._watch = watch
        self._history = history
        self._types: dict[Client, int] = {}
        self._lines = _feeds(watch, _MAX_LINES, 101, "Max number of tickers has been reached")
        self._depth = _feeds(
            watch, _MAX_DEPTH, 309, f"Max number ({_MAX_DEPTH}) of market depth requests has been reached"
        )
        self._ticks = _feeds(
            watch, _MAX_TICK_BY_TICK, 10190, "Max number of tick-by-tick requests has been reached"
        )
        self._bars = Feeds(watch.later)

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        no_ticker = 300, "Can't find EId with tickerId:"
        no_depth = 310, "Can't find the subscribed market depth with tickerId:"
        return {
            "reqMarketDataType": self._data_type,
            "reqMktData": self._market_data,
            "cancelMktData": _stopper(self._lines, no_ticker),
            "reqMktDepth": self._market_depth,
            "cancelMktDepth": _stopper(self._depth, no_depth),
            "reqTickByTickData": self._tick_by_tick,
            "cancelTickByTickData": _stopper(self._ticks, no_ticker),
            "reqRealTimeBars": self._real_time_bars,
            "cancelRealTimeBars": _stopper(self._bars, no_ticker),
        }

    def forget(self, client: Client) -> None:
        """End everything that a client has subscribed to."""
        self._types.pop(client, None)
        for feeds in (self._lines, self._depth, self._ticks, self._bars):
            feeds.forget(client)

    # -- ticks -------------------------------------------------------------------------------------

    def _data_type(self, client: Client, fields: Mapping[str, Any]) -> None:
        """For the requests that follow; nothing comes back (wire facts 6)."""
        wanted = fields.get("marketDataType", LIVE)
        if wanted not in DATA_TYPES:
            raise RefusalError.invalid(f"Invalid market data type {wanted}")
        self._types[client] = wanted

    def _market_data(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        contract = fields.get("contract") or {}
        instrument = self._watch.instrument(contract, combos=True)
        if instrument.sec_type == "CFD":  # its prices are those of what it is on
            told = {"reqId": request_id, "conId": instrument.details["underConId"], "exchange": "SMART"}
            client.send(Message("rerouteMktDataReq", told))
            return
        generic = generic_ticks(fields, instrument)
        once = bool(fields.get("snapshot") or fields.get("regulatorySnapshot"))
        if once and generic:
            raise RefusalError.invalid("Snapshot market data subscription is not applicable to generic ticks")
        self._lines.check(client, request_id)
        wanted = self._types.get(client, LIVE)
        if not self._watch.data.live and wanted in {LIVE, FROZEN}:
            raise RefusalError(10089, not_subscribed(instrument))
        line = Line(self._watch, instrument, client, request_id, wanted=wanted, generic=generic)
        line.begin()
        if once:
            client.send(Message("tickSnapshotEnd", {"reqId": request_id}))
        else:
            self._lines.start(client, request_id, line.tell, interval_s=self._watch.interval_s(instrument))

    # -- tick by tick ------------------------------------------------------------------------------

    def _tick_by_tick(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        instrument = self._watch.instrument(fields.get("contract") or {})
        name = str(fields.get("tickType") or "")
        kind = _TICK_TYPES.get(name)
        quoted = kind is not None and kind > _TICK_TYPES["AllLast"]
        if (
            kind is None
            or (instrument.sec_type == "CASH") > quoted
            or (instrument.sec_type == "IND" and quoted)
        ):
            text = f"Failed to request tick-by-tick data:{name} is not offered for {instrument.local_symbol}"
            raise RefusalError(10189, text)
        self._ticks.check(client, request_id)
        before = int(fields.get("numberOfTicks") or 0)
        if before > 0:
            what = _BEGIN_WITH.get(name, "TRADES")
            client.send(self._history.ticks_back(request_id, instrument, what, before))
        told: list[object] = [None]

        def push(*, first: bool = False) -> None:
            quote = self._watch.quote(instrument)
            seen = quote if quoted else (self._watch.prints(instrument), quote.last)
            if seen != told[0] and (quoted or not first):
                tick = _tick(
                    instrument, kind, quote, self._watch.last_size(instrument), int(self._watch.now())
                )
                client.send(Message("tickByTick", {"reqId": request_id, "tickType": kind, **tick}))
            told[0] = seen

        push(first=True)
        self._ticks.start(client, request_id, push, interval_s=self._watch.interval_s(instrument))

    # -- bars --------------------------------------------------------------------------------------

    def _real_time_bars(self, client: Client, fields: Mapping[str, Any]) -> None:
        """One bar every five seconds, when it has ended, aligned to the clock."""
        request_id = request_id_of(fields)
        instrument = self._watch.instrument(fields.get("contract") or {})
        what = str(fields.get("whatToShow") or "")
        if what not in {"TRADES", "BID", "ASK", "MIDPOINT"}:
            raise RefusalError.invalid(f"Invalid what to show: '{what}'")
        if (instrument.sec_type == "CASH" and what == "TRADES") or (
            instrument.sec_type == "IND" and what != "TRADES"
        ):
            raise RefusalError(
                420, f"Invalid Real-time Query:No market data for {instrument.local_symbol} {what}"
            )

        def push() -> None:
            end = int(self._watch.now()) // _BAR_S * _BAR_S
            bar = self._watch.past(instrument).bar(end - _BAR_S, end)
            prices = bar_prices(bar, what, float(instrument.min_tick))
            volume, count = Decimal(-1), -1
            if what == "TRADES":
                volume, count = Decimal(bar.volume), max(bar.volume // instrument.lot, 1)
            average = Decimal(str(prices["close"]))
            told = {"reqId": request_id, "time": end - _BAR_S, **prices, "volume": volume}
            client.send(Message("realtimeBar", {**told, "WAP": average, "count": count}))

        self._watch.quote(instrument)
        wait = _BAR_S - self._watch.now() % _BAR_S
        self._bars.start(client, request_id, push, interval_s=_BAR_S, first_s=wait)

    # -- depth -------------------------------------------------------------------------------------

    def _market_depth(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Both sides of the book: inserted once, then updated level by level, and deleted from the end."""
        request_id = request_id_of(fields)
        contract = fields.get("contract") or {}
        instrument = self._watch.instrument(contract)
        smart = bool(fields.get("isSmartDepth"))
        exchange = str(contract.get("exchange") or "")
        if instrument.sec_type == "IND" or (exchange == "SMART") != smart:
            text = "Deep market data is not supported for this combination of security type/exchange"
            raise RefusalError(10092, text)
        rows = fields.get("numRows") or 0
        if rows <= 0:
            raise RefusalError.invalid("Invalid number of rows")
        self._depth.check(client, request_id)
        makers = [name for name in instrument.exchanges if name != "SMART"] if smart else [exchange]
        told: tuple[list[Level], list[Level]] = ([], [])

        def say(side: int, place: int, operation: int, level: Level) -> None:
            data: dict[str, Any] = {
                "position": place,
                "operation": operation,
                "side": side,
                "price": float(level[0]),
                "size": level[1],
            }
            name = "updateMktDepth"
            if smart or instrument.sec_type == "STK":
                name = "updateMktDepthL2"
                data.update(marketMaker=makers[place % len(makers)], isSmartDepth=smart)
            client.send(Message(name, {"reqId": request_id, "marketDepthData": data}))

        def push() -> None:
            bids, asks = self._watch.depth(instrument, min(rows, _MAX_ROWS))
            for side, levels in ((_BID, bids), (_ASK, asks)):
                known = told[side]
                for place, level in enumerate(levels):
                    if place >= len(known):
                        say(side, place, _INSERT, level)
                    elif known[place] != level:
                        say(side, place, _UPDATE, level)
                for place in range(len(known) - 1, len(levels) - 1, -1):
                    say(side, place, _DELETE, known[place])
                known[:] = levels

        push()
        self._depth.start(client, request_id, push, interval_s=self._watch.interval_s(instrument))


def _feeds(watch: Watch, limit: int, code: int, text: str) -> Feeds:
    return Feeds(watch.later, limit=limit, full=RefusalError(code, text))


def _stopper(feeds: Feeds, missing: tuple[int, str]) -> Callable[[Client, Mapping[str, Any]], None]:
    def stop(client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        if not feeds.stop(client, request_id):
            raise RefusalError(missing[0], f"{missing[1]}{request_id}")

    return stop


def _tick(instrument: Instrument, kind: int, quote: Quote, size: Decimal, now: int) -> dict[str, Any]:
    """The part of a tick-by-tick message that its type demands."""
    if kind == _TICK_TYPES["BidAsk"]:
        prices = {"priceBid": float(quote.bid), "priceAsk": float(quote.ask)}
        sizes = {"sizeBid": quote.bid_size, "sizeAsk": quote.ask_size}
        return {"historicalTickBidAsk": {"time": now, **prices, **sizes}}
    if kind == _TICK_TYPES["MidPoint"]:
        return {"historicalTickMidPoint": {"time": now, "price": float((quote.bid + quote.ask) / 2)}}
    trade = {"time": now, "price": float(quote.last), "size": size}
    exchange = instrument.primary_exchange or instrument.exchange
    return {"historicalTickLast": {**trade, "exchange": exchange}}
