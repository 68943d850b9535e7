"""The present as clients watch it: ticks, depth, tick by tick, bars of five seconds (wire facts 6 and 8).

A market is looked at once in each of its steps, as the broker samples its own, and what has changed is told.
Delayed data carries the tick types of delayed data, but the prices of now.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway import answers
from ibkr_core.gateway.clock import day_text
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.past import bar_prices
from ibkr_core.gateway.reference import BBO_EXCHANGE
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Feeds, Fresh, Handler, request_id_of
from ibkr_core.gateway.sessions import sessions_back
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["MarketData"]

_LIVE, _FROZEN, _DELAYED, _DELAYED_FROZEN = 1, 2, 3, 4
_MAX_LINES, _MAX_DEPTH, _MAX_TICK_BY_TICK = 100, 3, 5
_BAR_S = 5
_TYPES = {
    "bid": 1, "ask": 2, "last": 4, "high": 6, "low": 7, "close": 9, "open": 14,
    "bid_size": 0, "ask_size": 3, "last_size": 5, "volume": 8, "time": 45,
}  # fmt: skip
_DELAYED_TYPES = {
    "bid": 66, "ask": 67, "last": 68, "high": 72, "low": 73, "close": 75, "open": 76,
    "bid_size": 69, "ask_size": 70, "last_size": 71, "volume": 74, "time": 88,
}  # fmt: skip
_MARK_PRICE, _RT_VOLUME, _SHORTABLE, _SHORTABLE_SHARES, _HALTED = 37, 48, 46, 89, 49
_WANT_MARK, _WANT_RT_VOLUME, _WANT_SHORTABLE = "221", "233", "236"
_GENERIC = frozenset(
    "100 101 104 105 106 107 125 165 166 175 220 221 225 232 233 236 240 256 258 292 293 294 295 318 370 375 "
    "381 384 387 388 391 405 406 407 411 428 439 454 456 459 460 499 506 511 512 513 515 516 517 519 521 545 "
    "547 568 576 577 578 584 586 587 588 595 614 619 623 636 637 638 658 662 663 669 mdoff".split()
)
_TICK_TYPES = {"Last": 1, "AllLast": 2, "BidAsk": 3, "MidPoint": 4}
_AUTOMATIC = 1  # canAutoExecute, the first bit of the attributes
_PLENTY = Decimal(1_000_000)
_ASK, _BID = 0, 1
_INSERT, _UPDATE = 0, 1


class MarketData:
    """Answers requests about the present.

    Args:
        watch: Instruments, their prices and their past.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
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
        wanted = fields.get("marketDataType", _LIVE)
        if wanted not in {_LIVE, _FROZEN, _DELAYED, _DELAYED_FROZEN}:
            raise RefusalError.invalid(f"Invalid market data type {wanted}")
        self._types[client] = wanted

    def _market_data(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        instrument = self._watch.instrument(fields.get("contract") or {})
        generic = _generic_ticks(fields, instrument)
        once = bool(fields.get("snapshot") or fields.get("regulatorySnapshot"))
        if once and generic:
            raise RefusalError.invalid("Snapshot market data subscription is not applicable to generic ticks")
        self._lines.check(client, request_id)
        delayed = self._types.get(client, _LIVE) in {_DELAYED, _DELAYED_FROZEN}
        if delayed:
            text = "Requested market data is not subscribed. Displaying delayed market data."
            client.send(answers.error(request_id, 10167, text, self._watch.now()))
        kind = _DELAYED if delayed else _LIVE
        client.send(Message("marketDataType", {"reqId": request_id, "marketDataType": kind}))
        client.send(Message("tickReqParams", _parameters(request_id, instrument)))
        line = _Line(self._watch, instrument, client, request_id, delayed=delayed, generic=generic)
        line.tell()
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
        told: list[object] = [None]

        def push(*, first: bool = False) -> None:
            quote = self._watch.quote(instrument)
            seen = quote if quoted else (self._watch.prints(instrument), quote.last)
            if seen != told[0] and (quoted or not first):
                tick = _tick(instrument, kind, quote, int(self._watch.now()))
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
        """Both sides of the book: inserted once, then updated level by level."""
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
        told: dict[tuple[int, int], tuple[Decimal, Decimal]] = {}

        def push() -> None:
            quote = self._watch.quote(instrument)
            for side in (_BID, _ASK):
                for place, level in enumerate(_levels(instrument, quote, side, min(rows, 20))):
                    if told.get((side, place)) == level:
                        continue
                    data: dict[str, Any] = {
                        "position": place,
                        "operation": _UPDATE if (side, place) in told else _INSERT,
                        "side": side,
                        "price": float(level[0]),
                        "size": level[1],
                    }
                    told[side, place] = level
                    name = "updateMktDepth"
                    if smart or instrument.sec_type == "STK":
                        name = "updateMktDepthL2"
                        data.update(marketMaker=makers[place % len(makers)], isSmartDepth=smart)
                    client.send(Message(name, {"reqId": request_id, "marketDepthData": data}))

        push()
        self._depth.start(client, request_id, push, interval_s=self._watch.interval_s(instrument))


class _Line:
    """One subscription to ticks: what was told, and how to tell the rest."""

    def __init__(
        self,
        watch: Watch,
        instrument: Instrument,
        client: Client,
        request_id: int,
        *,
        delayed: bool,
        generic: frozenset[str],
    ) -> None:
        self._watch = watch
        self._instrument = instrument
        self._client = client
        self._request_id = request_id
        self._types = _DELAYED_TYPES if delayed else _TYPES
        self._generic = generic
        self._fresh = Fresh(client)
        self._sizes: dict[str, Decimal] = {}
        self._prices: dict[str, Decimal] = {}
        self._traded: object = None
        self._day = ""
        self._high = self._low = 0.0

    def tell(self) -> None:
        """Tell what has changed since the last time."""
        instrument, quote = self._instrument, self._watch.quote(self._instrument)
        if instrument.sec_type != "IND":
            self._level("bid", quote.bid, quote.bid_size, _AUTOMATIC)
            self._level("ask", quote.ask, quote.ask_size, _AUTOMATIC)
        traded = self._watch.prints(instrument), quote.last
        if traded != self._traded:
            self._traded = traded
            if instrument.sec_type != "CASH":
                self._trade(quote)
        self._day_so_far(float(quote.last))
        self._extras(quote)

    def _send(self, kind: str, tick_type: int, **fields: Any) -> None:
        told = Message(kind, {"reqId": self._request_id, "tickType": tick_type, **fields})
        self._fresh.send((kind, tick_type), told)

    def _level(self, name: str, price: Decimal, size: Decimal, mask: int) -> None:
        """A price carries its size; a size that changes under the same price comes alone."""
        if self._prices.get(name) != price:
            told = {"price": float(price), "size": size, "attrMask": mask}
            self._send("tickPrice", self._types[name], **told)
        elif self._sizes.get(name) != size:
            tick = {"reqId": self._request_id, "tickType": self._types[f"{name}_size"], "size": size}
            self._client.send(Message("tickSize", tick))
        self._prices[name], self._sizes[name] = price, size

    def _trade(self, quote: Quote) -> None:
        """The last price, its size and time, and the volume of the day."""
        now, lot = self._watch.now(), Decimal(self._instrument.lot)
        size = lot if self._instrument.sec_type != "IND" else Decimal(0)
        self._level("last", quote.last, size, 0)
        self._send("tickString", self._types["time"], value=str(int(now)))
        volume = Decimal(self._watch.past(self._instrument).volume_of_day(now))
        if volume:
            self._send("tickSize", self._types["volume"], size=volume)
        if _WANT_RT_VOLUME in self._generic:
            text = f"{quote.last};{size};{int(now * 1000)};{volume};{quote.last};true"
            self._send("tickString", _RT_VOLUME, value=text)

    def _day_so_far(self, last: float) -> None:
        """Open, high, low and the close of the day before; a new day begins anew."""
        now = self._watch.now()
        if self._day != day_text(now):
            self._day = day_text(now)
            past = self._watch.past(self._instrument)
            sessions = sessions_back(self._instrument, now, regular=True)
            today, before = next(sessions), next(sessions)
            bar = past.bar(today.opens, min(today.closes, now))
            self._high, self._low = bar.high, bar.low
            for name, price in (("open", bar.open), ("close", past.price_at(before.closes))):
                self._send("tickPrice", self._types[name], price=price, size=Decimal(0), attrMask=0)
        self._high, self._low = max(self._high, last), min(self._low, last)
        for name, price in (("high", self._high), ("low", self._low)):
            self._send("tickPrice", self._types[name], price=price, size=Decimal(0), attrMask=0)

    def _extras(self, quote: Quote) -> None:
        """What was asked for by number; a thing that has no value here is accepted in silence."""
        if self._instrument.sec_type == "STK":
            self._send("tickGeneric", _HALTED, value=0.0)
        if _WANT_MARK in self._generic:
            middle = float((quote.bid + quote.ask) / 2)
            self._send("tickPrice", _MARK_PRICE, price=middle, size=Decimal(0), attrMask=0)
        if _WANT_SHORTABLE in self._generic and self._instrument.sec_type == "STK":
            self._send("tickGeneric", _SHORTABLE, value=3.0)
            self._send("tickSize", _SHORTABLE_SHARES, size=_PLENTY)


def _feeds(watch: Watch, limit: int, code: int, text: str) -> Feeds:
    return Feeds(watch.later, limit=limit, full=RefusalError(code, text))


def _stopper(feeds: Feeds, missing: tuple[int, str]) -> Callable[[Client, Mapping[str, Any]], None]:
    def stop(client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        if not feeds.stop(client, request_id):
            raise RefusalError(missing[0], f"{missing[1]}{request_id}")

    return stop


def _parameters(request_id: int, instrument: Instrument) -> dict[str, Any]:
    told: dict[str, Any] = {"reqId": request_id, "minTick": instrument.min_tick, "snapshotPermissions": 3}
    if instrument.sec_type == "STK":
        told["bboExchange"] = BBO_EXCHANGE
    return told


def _generic_ticks(fields: Mapping[str, Any], instrument: Instrument) -> frozenset[str]:
    """The numbers of a generic tick list; news sources after a colon are passed over.

    Raises:
        RefusalError: 321 for one that there is not.
    """
    text = str(fields.get("genericTickList") or "")
    wanted = frozenset(word.strip().partition(":")[0] for word in text.split(",") if word.strip())
    if not wanted <= _GENERIC:
        legal = ",".join(sorted(_GENERIC - {"mdoff"}, key=int))
        raise RefusalError.invalid(
            f"Incorrect generic tick list of {text}.  Legal ones for ({instrument.sec_type}) are: {legal}"
        )
    return wanted


def _tick(instrument: Instrument, kind: int, quote: Quote, now: int) -> dict[str, Any]:
    """The part of a tick-by-tick message that its type demands."""
    if kind == _TICK_TYPES["BidAsk"]:
        prices = {"priceBid": float(quote.bid), "priceAsk": float(quote.ask)}
        sizes = {"sizeBid": quote.bid_size, "sizeAsk": quote.ask_size}
        return {"historicalTickBidAsk": {"time": now, **prices, **sizes}}
    if kind == _TICK_TYPES["MidPoint"]:
        return {"historicalTickMidPoint": {"time": now, "price": float((quote.bid + quote.ask) / 2)}}
    trade = {"time": now, "price": float(quote.last), "size": Decimal(instrument.lot)}
    exchange = instrument.primary_exchange or instrument.exchange
    return {"historicalTickLast": {**trade, "exchange": exchange}}


def _levels(instrument: Instrument, quote: Quote, side: int, rows: int) -> list[tuple[Decimal, Decimal]]:
    """Price and size of each level: the first is the market's, those behind it grow with their distance."""
    price, size = (quote.bid, quote.bid_size) if side == _BID else (quote.ask, quote.ask_size)
    step = -instrument.min_tick if side == _BID else instrument.min_tick
    behind = [(price + step * place, Decimal(instrument.lot * (place + 1))) for place in range(1, rows)]
    return [(price, size), *(level for level in behind if level[0] > 0)]
