"""One subscription to market data: which ticks it gets, live, frozen or delayed (wire facts 6 and 8).

What a client gets depends on what it asked for with ``reqMarketDataType``, on whether the account is
subscribed to live data, and on whether anybody quotes at the moment:

* subscribed: live data (type 1), also for those who asked for delayed data (broker's page on market data
  types: such a request is ignored where live data is available). While the market is closed bid and ask are
  -1, or for those who asked for frozen data the last ones (type 2).
* not subscribed: error 10089 (public captures; 354 and 10168 are other gateways' words for it) or, for those
  who asked for delayed data, notice 10167 and delayed ticks (type 3, type 4 when frozen).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway import answers
from ibkr_core.gateway.bonds import yield_of
from ibkr_core.gateway.clock import day_text
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.news import tick_news
from ibkr_core.gateway.options import implied, volatility_of, worth
from ibkr_core.gateway.reference import BBO_EXCHANGE, exchange_letters
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Fresh
from ibkr_core.gateway.sessions import sessions_back
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["DATA_TYPES", "FROZEN", "LIVE", "Line", "generic_ticks", "not_subscribed", "option_fields"]

LIVE, FROZEN, _DELAYED, _DELAYED_FROZEN = DATA_TYPES = 1, 2, 3, 4
"""Numbers of ``reqMarketDataType`` and ``marketDataType``."""

_TYPES = {
    "bid": 1, "ask": 2, "last": 4, "high": 6, "low": 7, "close": 9, "open": 14,
    "bid_size": 0, "ask_size": 3, "last_size": 5, "volume": 8, "time": 45, "halted": 49,
    "bid_option": 10, "ask_option": 11, "last_option": 12, "model_option": 13,
}  # fmt: skip
_DELAYED_TYPES = {
    "bid": 66, "ask": 67, "last": 68, "high": 72, "low": 73, "close": 75, "open": 76,
    "bid_size": 69, "ask_size": 70, "last_size": 71, "volume": 74, "time": 88, "halted": 90,
    "bid_option": 80, "ask_option": 81, "last_option": 82, "model_option": 83,
}  # fmt: skip
_BID_EXCHANGE, _ASK_EXCHANGE = 32, 33
_MARK_PRICE, _RT_VOLUME, _SHORTABLE, _SHORTABLE_SHARES = 37, 48, 46, 89
_HISTORICAL_VOLATILITY, _IMPLIED_VOLATILITY, _LAST_RTH_TRADE, _RT_TRADE_VOLUME = 23, 24, 57, 77
_YIELDS = {"bid": 50, "ask": 51, "last": 52}
_PLAIN_LAST = frozenset({"STK", "FUT", "OPT", "IND", "BOND", "CRYPTO", "BAG"})
_GENERIC = frozenset(
    "100 101 104 105 106 107 125 165 166 175 220 221 225 232 233 236 240 256 258 292 293 294 295 318 370 375 "
    "381 384 387 388 391 405 406 407 411 428 439 454 456 459 460 499 506 511 512 513 515 516 517 519 521 545 "
    "547 568 576 577 578 584 586 587 588 595 614 619 623 636 637 638 658 662 663 669 mdoff".split()
)
_NEWS_EVERY_S = 60.0
_AUTOMATIC = 1  # canAutoExecute, the first bit of the attributes
_PLENTY = Decimal(1_000_000)
_NOBODY_QUOTES = Decimal(-1)
_ZERO = Decimal(0)


class Line:
    """One subscription to ticks: what was told, and how to tell the rest.

    Args:
        watch: Instruments, their prices and their past.
        instrument: What is watched.
        client: Who watches.
        request_id: By which the subscription is known.
        wanted: What the client asked for with ``reqMarketDataType``.
        generic: Generic ticks by number, each with what stood after a colon.
    """

    def __init__(
        self,
        watch: Watch,
        instrument: Instrument,
        client: Client,
        request_id: int,
        *,
        wanted: int,
        generic: Mapping[str, str],
    ) -> None:
        self._watch = watch
        self._instrument = instrument
        self._client = client
        self._request_id = request_id
        self._wanted = wanted
        self._delayed = not watch.data.live
        self._types = _DELAYED_TYPES if self._delayed else _TYPES
        self._generic = generic
        self._fresh = Fresh(client)
        self._sizes: dict[str, Decimal] = {}
        self._prices: dict[str, Decimal] = {}
        self._traded: object = None
        self._mode = 0
        self._day = ""
        self._news_due = 0.0
        self._high = self._low = 0.0

    def begin(self) -> None:
        """Tell what kind of data it is, and then everything."""
        self._tell_mode()
        self._client.send(Message("tickReqParams", _parameters(self._request_id, self._instrument)))
        if self._delayed:
            text = "Requested market data is not subscribed. Displaying delayed market data."
            self._client.send(answers.error(self._request_id, 10167, text, self._watch.now()))
        self.tell()

    def tell(self) -> None:
        """Tell what has changed since the last time."""
        instrument = self._instrument
        self._tell_mode()
        self._news()
        if "mdoff" in self._generic:
            return
        quote, moment = self._look()
        if instrument.sec_type != "IND":
            closed = self._mode == LIVE and not self._watch.is_quoted(instrument)
            self._quotes(_closed(quote) if closed else quote)
        traded = self._watch.prints(instrument), quote.last
        if traded != self._traded:
            self._traded = traded
            if instrument.sec_type in _PLAIN_LAST:
                self._trade(quote, moment)
        if instrument.sec_type != "BAG":
            self._day_so_far(float(quote.last), moment)
            self._extras(quote)
        if instrument.strike is not None:
            self._greeks(quote, moment)

    def _tell_mode(self) -> None:
        """Say whether the data is live, frozen or delayed, when that is new."""
        frozen = self._wanted in {FROZEN, _DELAYED_FROZEN} and not self._watch.is_quoted(self._instrument)
        mode = (_DELAYED_FROZEN if frozen else _DELAYED) if self._delayed else FROZEN if frozen else LIVE
        if mode != self._mode:
            self._mode = mode
            told = {"reqId": self._request_id, "marketDataType": mode}
            self._client.send(Message("marketDataType", told))

    def _look(self) -> tuple[Quote, float]:
        """The quote that this subscription sees, and the moment that it is of."""
        now = self._watch.now()
        quote = self._watch.quote(self._instrument)
        if not self._delayed or self._instrument.sec_type == "BAG":
            return quote, now
        moment = now - self._watch.data.delay_s
        return self._watch.quote_at(self._instrument, moment), moment

    def _send(self, kind: str, tick_type: int, **fields: Any) -> None:
        told = Message(kind, {"reqId": self._request_id, "tickType": tick_type, **fields})
        self._fresh.send((kind, tick_type), told)

    def _price(self, tick_type: int, price: float) -> None:
        """A price without a size."""
        self._send("tickPrice", tick_type, price=price, size=_ZERO, attrMask=0)

    def _quotes(self, quote: Quote) -> None:
        self._level("bid", quote.bid, quote.bid_size, _AUTOMATIC)
        self._level("ask", quote.ask, quote.ask_size, _AUTOMATIC)
        if self._instrument.sec_type == "STK" and not self._delayed:
            letters = exchange_letters(self._instrument)
            if letters:
                self._send("tickString", _BID_EXCHANGE, value=letters)
                self._send("tickString", _ASK_EXCHANGE, value=letters)

    def _level(self, name: str, price: Decimal, size: Decimal, mask: int) -> None:
        """A price carries its size; a size that changes under the same price comes alone."""
        if self._prices.get(name) != price:
            told = {"price": float(price), "size": size, "attrMask": mask}
            self._send("tickPrice", self._types[name], **told)
        elif self._sizes.get(name) != size:
            tick = {"reqId": self._request_id, "tickType": self._types[f"{name}_size"], "size": size}
            self._client.send(Message("tickSize", tick))
        self._prices[name], self._sizes[name] = price, size

    def _trade(self, quote: Quote, moment: float) -> None:
        """The last price, its size and time, and the volume of the day."""
        size = self._watch.last_size(self._instrument)
        self._level("last", quote.last, size, 0)
        self._send("tickString", self._types["time"], value=str(int(moment)))
        if self._instrument.sec_type == "BAG":
            return
        volume = Decimal(self._watch.past(self._instrument).volume_of_day(moment))
        if volume:
            self._send("tickSize", self._types["volume"], size=volume)
        text = f"{quote.last};{size};{int(moment * 1000)};{volume};{quote.last};true"
        for wanted, tick_type in (("233", _RT_VOLUME), ("375", _RT_TRADE_VOLUME)):
            if wanted in self._generic:
                self._send("tickString", tick_type, value=text)
        if "318" in self._generic:
            self._price(_LAST_RTH_TRADE, float(quote.last))

    def _day_so_far(self, last: float, moment: float) -> None:
        """Open, high, low and the close of the day before; a new day begins anew."""
        if self._day != day_text(moment):
            self._day = day_text(moment)
            past = self._watch.past(self._instrument)
            sessions = sessions_back(self._instrument, moment, regular=True)
            today, before = next(sessions), next(sessions)
            bar = past.bar(today.opens, min(today.closes, moment))
            self._high, self._low = bar.high, bar.low
            for name, price in (("open", bar.open), ("close", past.price_at(before.closes))):
                self._price(self._types[name], price)
        self._high, self._low = max(self._high, last), min(self._low, last)
        for name, price in (("high", self._high), ("low", self._low)):
            self._price(self._types[name], price)

    def _extras(self, quote: Quote) -> None:
        """What was asked for by number; a thing that has no value here is accepted in silence."""
        sec_type = self._instrument.sec_type
        if sec_type == "STK":
            self._send(
                "tickGeneric", self._types["halted"], value=float(self._watch.is_halted(self._instrument))
            )
            if "104" in self._generic:
                self._send("tickGeneric", _HISTORICAL_VOLATILITY, value=volatility_of(self._instrument))
            if "106" in self._generic:
                self._send("tickGeneric", _IMPLIED_VOLATILITY, value=volatility_of(self._instrument))
        if sec_type == "BOND":
            for name, tick_type in _YIELDS.items():
                found = yield_of(self._instrument, float(getattr(quote, name)), self._watch.now())
                self._price(tick_type, round(found, 4))
        if "221" in self._generic or "232" in self._generic:
            self._price(_MARK_PRICE, float((quote.bid + quote.ask) / 2))
        if "236" in self._generic and sec_type == "STK":
            self._send("tickGeneric", _SHORTABLE, value=3.0)
            self._send("tickSize", _SHORTABLE_SHARES, size=_PLENTY)

    def _greeks(self, quote: Quote, moment: float) -> None:
        """What the model says of an option at its bid, its ask, its last price and its own worth."""
        spot = self._watch.underlying_price(self._instrument, moment if self._delayed else None)
        if spot is None:
            return
        for name, price in (("bid", quote.bid), ("ask", quote.ask), ("last", quote.last)):
            told = option_fields(self._instrument, float(price), spot, moment)
            self._send("tickOptionComputation", self._types[f"{name}_option"], **told)
        fair = worth(self._instrument, spot, moment).price
        told = option_fields(self._instrument, fair, spot, moment, volatility_of(self._instrument))
        self._send("tickOptionComputation", self._types["model_option"], **told)

    def _news(self) -> None:
        """The latest headline of each provider that was asked for."""
        now = self._watch.now()
        if "292" not in self._generic or now < self._news_due:
            return
        self._news_due = now + _NEWS_EVERY_S
        wanted = {code for code in self._generic["292"].replace("+", " ").split() if code}
        seen: set[str] = set()
        for story in self._watch.newsroom.stories(self._instrument, now):
            if story.provider not in seen and (not wanted or story.provider in wanted):
                seen.add(story.provider)
                self._fresh.send(("tickNews", story.provider), tick_news(self._request_id, story))


def _closed(quote: Quote) -> Quote:
    """What is seen of a market that is closed: no bid and no ask, but still the last trade."""
    return Quote(bid=_NOBODY_QUOTES, ask=_NOBODY_QUOTES, last=quote.last, bid_size=_ZERO, ask_size=_ZERO)


def option_fields(
    option: Instrument, price: float, spot: float, moment: float, volatility: float | None = None
) -> dict[str, Any]:
    """What a ``tickOptionComputation`` says about an option at a price.

    Args:
        option: It must have a strike.
        price: Of the option.
        spot: Of the underlying.
        moment: Seconds since the epoch.
        volatility: By default the one that the price implies. Where there is none, it and the greeks are
            left out, and the client sees them as not computed.
    """
    known = implied(option, price, spot, moment) if volatility is None else volatility
    told: dict[str, Any] = {"tickAttrib": 0, "optPrice": price, "pvDividend": 0.0, "undPrice": spot}
    if known is not None:
        greeks = worth(option, spot, moment, known)
        told.update(
            impliedVol=known, delta=greeks.delta, gamma=greeks.gamma, vega=greeks.vega, theta=greeks.theta
        )
    return told


def not_subscribed(instrument: Instrument) -> str:
    """Text of error 10089."""
    return (
        "Requested market data requires additional subscription for API. See link in 'Market Data "
        f"Connections' dialog for more details.Delayed market data is available.{instrument.symbol} "
        f"{instrument.primary_exchange}.{instrument.trading_class}/TOP/ALL"
    )


def _parameters(request_id: int, instrument: Instrument) -> dict[str, Any]:
    told: dict[str, Any] = {"reqId": request_id, "minTick": instrument.min_tick, "snapshotPermissions": 3}
    if instrument.sec_type == "STK":
        told["bboExchange"] = BBO_EXCHANGE
    return told


def generic_ticks(fields: Mapping[str, Any], instrument: Instrument) -> dict[str, str]:
    """The numbers of a generic tick list, each with what stands after its colon: news providers.

    Raises:
        RefusalError: 321 for one that there is not.
    """
    text = str(fields.get("genericTickList") or "")
    words = [word.strip().partition(":") for word in text.split(",") if word.strip()]
    wanted = {number: rest for number, _, rest in words}
    if not wanted.keys() <= _GENERIC:
        legal = ",".join(sorted(_GENERIC - {"mdoff"}, key=int))
        raise RefusalError.invalid(
            f"Incorrect generic tick list of {text}.  Legal ones for ({instrument.sec_type}) are: {legal}"
        )
    return wanted
