"""Bars, ticks, histograms, schedules and head timestamps of the past (wire facts 6 and 8).

The same request gets the same answer, as long as it is about what is over.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway import answers
from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.hours import from_eastern, moment_of
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.past import QUOTED, Bar, bar_prices
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Feeds, Handler, request_id_of
from ibkr_core.gateway.sessions import ZONE, Session, moment_text, sessions_back
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["History"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_BAR_SIZES = {
    **{f"{count} secs": count for count in (1, 5, 10, 15, 30)},
    "1 min": _MINUTE,
    **{f"{count} mins": count * _MINUTE for count in (1, 2, 3, 5, 10, 15, 20, 30)},
    "1 hour": _HOUR,
    **{f"{count} hours": count * _HOUR for count in (1, 2, 3, 4, 8)},
    "1 day": _DAY,
    "1 week": 7 * _DAY,
    "1W": 7 * _DAY,
    "1 month": 30 * _DAY,
    "1M": 30 * _DAY,
}
_WEEK = 7 * _DAY
_UNIT_DAYS = {"W": 7, "M": 30.4375, "Y": 365.25}
_TRADES = frozenset({"TRADES", "ADJUSTED_LAST", "AGGTRADES"})
_KNOWN = _TRADES | QUOTED.keys() | {
    *("HISTORICAL_VOLATILITY", "OPTION_IMPLIED_VOLATILITY", "FEE_RATE", "SCHEDULE", "YIELD_BID"),
    *("YIELD_ASK", "YIELD_BID_ASK", "YIELD_LAST"),
}  # fmt: skip
_SERVICE = "Historical Market Data Service error message:"
_MAX_BARS = 30_000
_MAX_TICKS = 1_000
_UPDATE_S = 5.0
_EPOCH_TIMES = 2
_END_APART_SINCE = 196


@attrs.frozen(kw_only=True)
class _Wish:
    """A checked request for bars."""

    instrument: Instrument
    size_s: int
    what: str
    regular: bool
    epoch: bool
    window: tuple[Session, ...]
    start: float
    end: float


class History:
    """Answers requests about the past.

    Args:
        watch: Instruments, their prices and their past.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._updates = Feeds(watch.later)

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "reqHistoricalData": self._bars,
            "cancelHistoricalData": self._cancel_bars,
            "reqHistoricalTicks": self._ticks,
            "cancelHistoricalTicks": self._nothing,
            "reqHeadTimeStamp": self._head,
            "cancelHeadTimeStamp": self._nothing,
            "reqHistogramData": self._histogram,
            "cancelHistogramData": self._nothing,
        }

    def forget(self, client: Client) -> None:
        """End everything that a client has subscribed to."""
        self._updates.forget(client)

    def _nothing(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Answered whole at once: there is nothing to cancel, and nothing comes back."""

    # -- bars --------------------------------------------------------------------------------------

    def _bars(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        keep = bool(fields.get("keepUpToDate"))
        wish = self._wish(fields, keep=keep)
        if wish.what == "SCHEDULE":
            self._schedule(client, request_id, wish)
            return
        self._updates.check(client, request_id)
        bars = [_bar_fields(bar, wish) for bar in self._cut(wish)]
        if not bars:
            raise RefusalError(162, f"{_SERVICE}HMDS query returned no data: {wish.instrument.local_symbol}")
        span = {"startDateStr": moment_text(wish.start), "endDateStr": moment_text(wish.end)}
        answer: dict[str, Any] = {"reqId": request_id, "historicalDataBars": bars}
        if client.server_version < _END_APART_SINCE:
            answer.update(span)
        client.send(Message("historicalData", answer))
        if client.server_version >= _END_APART_SINCE:
            client.send(Message("historicalDataEnd", {"reqId": request_id, **span}))
        if keep:
            push = self._updater(client, request_id, wish)
            self._updates.start(client, request_id, push, interval_s=_UPDATE_S)

    def _updater(self, client: Client, request_id: int, wish: _Wish) -> Callable[[], None]:
        """Tells the bar that grows, and first the end of one that has just ended."""
        last_start = [self._running_start(wish)]

        def push() -> None:
            start = self._running_start(wish)
            begun = [last_start[0], start] if start != last_start[0] else [start]
            last_start[0] = start
            past, now = self._watch.past(wish.instrument), self._watch.now()
            for one in begun:
                end = min(one + wish.size_s, now)
                if end > one:
                    told = _bar_fields(past.bar(one, end), wish)
                    answer = {"reqId": request_id, "historicalDataBar": told}
                    client.send(Message("historicalDataUpdate", answer))

        return push

    def _running_start(self, wish: _Wish) -> float:
        now = self._watch.now()
        return now - (now - _midnight(eastern(now).date())) % wish.size_s

    def _cancel_bars(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        if not self._updates.stop(client, request_id):
            raise RefusalError(366, f"No historical data query found for ticker id:{request_id}")
        text = f"{_SERVICE}API historical data query cancelled: {request_id}"
        client.send(answers.error(request_id, 162, text, self._watch.now()))

    def _wish(self, fields: Mapping[str, Any], *, keep: bool) -> _Wish:
        contract = fields.get("contract") or {}
        if contract.get("secType") == "CONTFUT" and fields.get("endDateTime"):
            text = "Setting end date/time for continuous future security type is not allowed."
            raise RefusalError(10339, text)
        instrument = self._watch.instrument(contract, continuous=True)
        what = str(fields.get("whatToShow") or "")
        if what not in _KNOWN:
            raise RefusalError.invalid(f"Invalid what to show: '{what}'")
        _check_offered(instrument, what)
        size = _BAR_SIZES.get(str(fields.get("barSizeSetting") or "").strip())
        if size is None:
            raise RefusalError.invalid(
                "Historical data bar size setting is invalid. Legal ones are: " + ", ".join(_BAR_SIZES)
            )
        end = self._end(fields, keep=keep, what=what)
        if keep and size < _UPDATE_S:
            raise RefusalError.invalid("Bar size is too small to be kept up to date")
        regular = bool(fields.get("useRTH"))
        window = tuple(
            reversed(list(self._window(instrument, end, str(fields.get("duration") or ""), regular)))
        )
        if sum(one.closes - one.opens for one in window) / size > _MAX_BARS:
            raise RefusalError(162, f"{_SERVICE}Time length exceed max.")
        return _Wish(
            instrument=instrument,
            size_s=size,
            what=what,
            regular=regular,
            epoch=fields.get("formatDate") == _EPOCH_TIMES and size < _DAY,
            window=window,
            start=window[0].opens if window else end,
            end=end,
        )

    def _end(self, fields: Mapping[str, Any], *, keep: bool, what: str) -> float:
        text = str(fields.get("endDateTime") or "")
        now = self._watch.now()
        if not text:
            return now
        if keep or what == "ADJUSTED_LAST":
            raise RefusalError.invalid("End date is not supported with this request")
        end = moment_of(text)
        if end is None:
            raise RefusalError(10314, "End Date/Time: The date, time, or time-zone entered is invalid.")
        return min(end, now)

    def _window(
        self,
        instrument: Instrument,
        end: float,
        duration: str,
        regular: bool,
    ) -> Iterator[Session]:
        """The sessions, or parts of them, that a duration reaches back over, the latest first."""
        count, unit = _duration(duration)
        head = self._watch.past(instrument).head
        seconds = float(count)
        sessions = sessions_back(instrument, end, regular=regular)
        until = end - count * _UNIT_DAYS.get(unit, 0) * _DAY
        for place, session in enumerate(sessions):
            closes = min(session.closes, end)
            done = {"D": place >= count, "S": seconds <= 0}.get(unit, closes <= until)
            if done or session.day < head:
                return
            opens = max(session.opens, closes - seconds) if unit == "S" else session.opens
            seconds -= closes - opens
            yield attrs.evolve(session, opens=opens, closes=closes)

    def _cut(self, wish: _Wish) -> Iterator[Bar]:
        past = self._watch.past(wish.instrument)
        if wish.size_s >= _DAY:
            days = [past.bar(one.opens, one.closes) for one in wish.window]
            yield from days if wish.size_s == _DAY else _together(days, monthly=wish.size_s > _WEEK)
            return
        for session in wish.window:
            base = _midnight(session.day)
            place = int((session.opens - base) // wish.size_s)
            while (start := base + place * wish.size_s) < session.closes:
                place += 1
                first, last = max(start, session.opens), min(start + wish.size_s, session.closes)
                yield past.bar(first, last)

    def _schedule(self, client: Client, request_id: int, wish: _Wish) -> None:
        rows = [
            {
                "startDateTime": f"{eastern(one.opens):%Y%m%d-%H:%M:%S}",
                "endDateTime": f"{eastern(one.closes):%Y%m%d-%H:%M:%S}",
                "refDate": f"{one.day:%Y%m%d}",
            }
            for one in wish.window
        ]
        answer = {
            "reqId": request_id,
            "startDateTime": f"{eastern(wish.start):%Y%m%d-%H:%M:%S}",
            "endDateTime": f"{eastern(wish.end):%Y%m%d-%H:%M:%S}",
            "timeZone": ZONE,
            "historicalSessions": rows,
        }
        client.send(Message("historicalSchedule", answer))

    # -- ticks -------------------------------------------------------------------------------------

    def _ticks(self, client: Client, fields: Mapping[str, Any]) -> None:
        """One tick a second, forward from a start or back from an end; at most a thousand."""
        request_id = request_id_of(fields)
        instrument = self._watch.instrument(fields.get("contract") or {})
        what = str(fields.get("whatToShow") or "")
        if what not in {"TRADES", "BID_ASK", "MIDPOINT"}:
            raise RefusalError.invalid(f"Invalid what to show: '{what}'")
        _check_offered(instrument, what)
        count = fields.get("numberOfTicks") or 0
        if not 0 < count <= _MAX_TICKS:
            raise RefusalError(10187, f"Failed to request historical ticks:Invalid number of ticks {count}")
        texts = [str(fields.get(name) or "") for name in ("startDateTime", "endDateTime")]
        if all(texts) or not any(texts):
            text = "Failed to request historical ticks:Exactly one of start and end must be given"
            raise RefusalError(10187, text)
        start, end = map(moment_of, texts)
        if start is None and end is None:
            raise RefusalError(10314, "The date, time, or time-zone entered is invalid.")
        regular = bool(fields.get("useRTH"))
        now = self._watch.now()
        if start is not None:
            moments = self._seconds_on(instrument, min(start, now), count, regular=regular)
        else:
            back = min(end if end is not None else now, now)
            moments = self._seconds_back(instrument, back, count, regular=regular)
        client.send(self._tick_answer(request_id, instrument, what, moments))

    def ticks_back(self, request_id: int, instrument: Instrument, what: str, count: int) -> Message:
        """The latest ticks up to now, one a second.

        Args:
            request_id: Who asked.
            instrument: What is watched.
            what: ``TRADES``, ``BID_ASK`` or ``MIDPOINT``.
            count: At most so many, and never more than a thousand.
        """
        moments = self._seconds_back(instrument, self._watch.now(), min(count, _MAX_TICKS), regular=False)
        return self._tick_answer(request_id, instrument, what, moments)

    def _seconds_back(self, instrument: Instrument, end: float, count: int, *, regular: bool) -> list[int]:
        found: list[int] = []
        head = self._watch.past(instrument).head
        for session in sessions_back(instrument, end, regular=regular):
            if len(found) >= count or session.day < head:
                break
            last = int(min(session.closes, end))
            found += list(range(last, max(int(session.opens), last - (count - len(found))), -1))
        return found[::-1]

    def _seconds_on(self, instrument: Instrument, start: float, count: int, *, regular: bool) -> list[int]:
        now = self._watch.now()
        head = _midnight(self._watch.past(instrument).head)
        sessions: list[Session] = []
        for session in sessions_back(instrument, now, regular=regular):
            if session.closes <= max(start, head):
                break
            sessions.append(session)
        found: list[int] = []
        for session in reversed(sessions):
            first = int(max(session.opens, start))
            last = int(min(session.closes, now, first + count - len(found)))
            found += range(first, max(last, first))
            if len(found) >= count:
                break
        return found

    def _tick_answer(self, request_id: int, instrument: Instrument, what: str, moments: list[int]) -> Message:
        past, tick = self._watch.past(instrument), float(instrument.min_tick)
        lot = Decimal(instrument.lot)
        rows: list[dict[str, Any]] = []
        for moment in moments:
            price = past.price_at(moment)
            if what == "BID_ASK":
                row = {"priceBid": round(price - tick, 8), "priceAsk": round(price + tick, 8)}
                rows.append({"time": moment, **row, "sizeBid": lot, "sizeAsk": lot})
            elif what == "TRADES":
                rows.append({"time": moment, "price": price, "size": lot, "exchange": instrument.exchange})
            else:
                rows.append({"time": moment, "price": price, "size": Decimal(0)})
        kind = {"BID_ASK": "historicalTicksBidAsk", "TRADES": "historicalTicksLast"}.get(
            what, "historicalTicks"
        )
        return Message(kind, {"reqId": request_id, kind: rows, "isDone": True})

    # -- small things ------------------------------------------------------------------------------

    def _head(self, client: Client, fields: Mapping[str, Any]) -> None:
        instrument = self._watch.instrument(fields.get("contract") or {}, continuous=True)
        what = str(fields.get("whatToShow") or "")
        if what not in _KNOWN:
            raise RefusalError.invalid(f"Invalid what to show: '{what}'")
        _check_offered(instrument, what)
        moment = _midnight(self._watch.past(instrument).head)
        text = f"{datetime.fromtimestamp(moment, UTC):%Y%m%d-%H:%M:%S}"
        if fields.get("formatDate") == _EPOCH_TIMES:
            text = str(int(moment))
        client.send(Message("headTimestamp", {"reqId": request_id_of(fields), "headTimestamp": text}))

    def _histogram(self, client: Client, fields: Mapping[str, Any]) -> None:
        """How much was traded at each price, minute by minute."""
        instrument = self._watch.instrument(fields.get("contract") or {})
        words = str(fields.get("timePeriod") or "").split()
        period = f"{words[0]} {words[1][:1].upper()}" if len(words) == 2 else ""  # noqa: PLR2004 - "3 days"
        request = {**fields, "duration": period, "barSizeSetting": "1 min", "whatToShow": "TRADES"}
        wish = self._wish(request, keep=False)
        traded: Counter[float] = Counter()
        for bar in self._cut(wish):
            traded[bar.close] += bar.volume
        rows = [{"price": price, "size": Decimal(size)} for price, size in sorted(traded.items())]
        if not rows:
            raise RefusalError(162, f"{_SERVICE}HMDS query returned no data: {instrument.local_symbol}")
        answer = {"reqId": request_id_of(fields), "histogramDataEntries": rows}
        client.send(Message("histogramData", answer))


def _check_offered(instrument: Instrument, what: str) -> None:
    name = f"{instrument.local_symbol}@{instrument.exchange}"
    no_trades = instrument.sec_type == "CASH" and what in _TRADES
    no_quotes = instrument.sec_type == "IND" and what in QUOTED
    if no_trades or no_quotes or (what not in _TRADES and what not in QUOTED and what != "SCHEDULE"):
        raise RefusalError(162, f"{_SERVICE}No historical market data for {name} {what.title()} 1d")


def _duration(text: str) -> tuple[int, str]:
    """``10 D`` as a number and a unit.

    Raises:
        RefusalError: 321 when it is no duration.
    """
    words = text.split()
    unit = words[1].upper() if len(words) == 2 else ""  # noqa: PLR2004 - number and unit
    if unit not in {"S", "D", "W", "M", "Y"} or not words[0].isdecimal() or not 0 < int(words[0]) <= _DAY:
        raise RefusalError.invalid(f"Historical data query duration '{text}' is invalid: use S, D, W, M or Y")
    return int(words[0]), unit


def _midnight(day: date) -> float:
    return from_eastern(datetime(day.year, day.month, day.day))  # noqa: DTZ001 - New York wall time


def _together(days: list[Bar], *, monthly: bool) -> Iterator[Bar]:
    """Daily bars joined to weeks or months."""
    groups: dict[tuple[int, ...], list[Bar]] = {}
    for bar in days:
        day = eastern(bar.start + _HOUR * 7).date()  # a future's day begins on the evening before
        key = (day.year, day.month) if monthly else tuple(day.isocalendar()[:2])
        groups.setdefault(key, []).append(bar)
    for group in groups.values():
        yield Bar(
            group[0].start,
            group[-1].end,
            group[0].open,
            max(bar.high for bar in group),
            min(bar.low for bar in group),
            group[-1].close,
            sum(bar.volume for bar in group),
        )


def _bar_fields(bar: Bar, wish: _Wish) -> dict[str, Any]:
    """A bar as the wire has it; what is no trade has no volume, average or count."""
    if wish.size_s >= _DAY:
        stamp = f"{eastern(bar.end - 1):%Y%m%d}"
    else:
        stamp = str(int(bar.start)) if wish.epoch else moment_text(bar.start)
    prices = bar_prices(bar, wish.what, float(wish.instrument.min_tick))
    fields: dict[str, Any] = {"date": stamp, **prices}
    if wish.what in _TRADES:
        average = round((bar.open + bar.high + bar.low + bar.close) / 4, 6)
        count = max(bar.volume // wish.instrument.lot, 1)
        return {**fields, "volume": Decimal(bar.volume), "WAP": Decimal(str(average)), "barCount": count}
    return {**fields, "volume": Decimal(-1), "WAP": Decimal(-1), "barCount": -1}
