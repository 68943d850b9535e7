"""The past as clients ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.official import OLD_CLIENT
from tests.gateway.pocket import AAPL, Pocket, errors, gateway

every_version = pytest.mark.parametrize("version", VERSIONS)
EURO = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}
SPX = {"symbol": "SPX", "secType": "IND", "exchange": "CBOE"}
MSFT = {"symbol": "MSFT", "secType": "STK", "exchange": "SMART", "currency": "USD"}


def wish(**wanted: Any) -> dict[str, Any]:
    """A request for two days of hourly bars of MSFT, unless said otherwise."""
    return {
        "reqId": 5,
        "contract": MSFT,
        "endDateTime": "",
        "barSizeSetting": "1 hour",
        "duration": "2 D",
        "useRTH": True,
        "whatToShow": "TRADES",
        "formatDate": 1,
        "keepUpToDate": False,
        **wanted,
    }


def bars(client: Pocket, **wanted: Any) -> list[dict[str, Any]]:
    """The bars that answer a request."""
    answer = client.ask("reqHistoricalData", **wish(**wanted))
    assert answer[0].kind == "historicalData", answer
    return list(answer[0].fields["historicalDataBars"])


@every_version
def test_bars_and_their_end_at_every_version(version: int) -> None:
    """The official client makes one callback a bar, and one end with both moments."""
    client = Checked(gateway(), version)
    client.ask("reqHistoricalData", **wish())
    told = [args[1] for args in client.of("historicalData")]
    assert [bar.date for bar in told][:3] == [
        "20261123 09:30:00 US/Eastern",
        "20261123 10:00:00 US/Eastern",
        "20261123 11:00:00 US/Eastern",
    ]
    assert told[-1].date == "20261124 09:30:00 US/Eastern"
    assert all(bar.low <= bar.open <= bar.high and float(bar.volume) > 0 for bar in told)
    assert client.of("historicalDataEnd") == [
        (5, "20261123 09:30:00 US/Eastern", "20261124 10:00:00 US/Eastern")
    ]


def test_the_same_request_has_the_same_answer() -> None:
    """Later, too, as long as its end is named; and at another gateway with the same seed."""
    venue = gateway(seed=3)
    client = Pocket(venue)
    named = wish(endDateTime="20261123 12:00:00 US/Eastern", barSizeSetting="5 mins")
    first = client.ask("reqHistoricalData", **named)
    client.ask("reqHistoricalData", **wish())
    venue.run(3600)
    assert client.ask("reqHistoricalData", **named) == first
    assert Pocket(gateway(seed=3)).ask("reqHistoricalData", **named) == first
    assert Pocket(gateway(seed=4)).ask("reqHistoricalData", **named) != first


def test_bars_of_each_size_agree() -> None:
    """A day's bar is what its minutes say; a week's what its days say."""
    client = Pocket(gateway())
    end = "20261120 16:00:00"
    (day,) = bars(client, endDateTime=end, duration="1 D", barSizeSetting="1 day")
    minutes = bars(client, endDateTime=end, duration="1 D", barSizeSetting="1 min")
    assert len(minutes) == 390
    assert (day["date"], day["open"], day["close"]) == ("20261120", minutes[0]["open"], minutes[-1]["close"])
    assert day["high"] == max(one["high"] for one in minutes)
    assert day["volume"] == sum(one["volume"] for one in minutes)
    days = bars(client, endDateTime=end, duration="1 W", barSizeSetting="1 day")
    (week,) = bars(client, endDateTime=end, duration="1 W", barSizeSetting="1W")
    assert len(days) == 5
    assert (week["open"], week["low"], week["close"]) == (
        days[0]["open"],
        min(one["low"] for one in days),
        days[-1]["close"],
    )


def test_the_last_bar_ends_at_the_market() -> None:
    """What a strategy reads last is what it may trade at."""
    venue = gateway()
    venue.market("MSFT").set_quote(bid=490, ask="490.01", last=490)
    venue.run(90)
    last = bars(Pocket(venue), barSizeSetting="1 min", duration="600 S")[-1]
    assert (last["date"], last["close"]) == ("20261124 10:01:00 US/Eastern", 490.0)


@pytest.mark.parametrize(
    ("duration", "size", "count"),
    [
        ("3600 S", "5 mins", 12),  # half an hour of today, half an hour of yesterday's end
        ("1800 S", "30 secs", 60),
        ("1 D", "30 mins", 1),
        ("3 D", "8 hours", 3),  # from eight to four in New York
        ("1 M", "1 day", 22),
        ("1 Y", "1 month", 13),
        ("1 Y", "1 week", 53),
    ],
)
def test_durations_and_sizes(duration: str, size: str, count: int) -> None:
    """Seconds reach back over trading time, days over trading days, the rest over the calendar."""
    assert len(bars(Pocket(gateway()), duration=duration, barSizeSetting=size)) == count


def test_days_have_dates_and_moments_may_be_numbers() -> None:
    """FormatDate 2 gives seconds, but days are dates in any case."""
    client = Pocket(gateway())
    (first, *_) = bars(client, formatDate=2)
    assert first["date"] == str(int(datetime.fromisoformat("2026-11-23T14:30:00+00:00").timestamp()))
    (day, *_) = bars(client, formatDate=2, barSizeSetting="1 day")
    assert day["date"] == "20261123"


def test_quotes_have_prices_only() -> None:
    """No volume, average or count; bid below ask (wire: -1)."""
    client = Pocket(gateway())
    (bid,), (ask,), (middle,), (both,) = (
        bars(client, contract=EURO, duration="1 D", barSizeSetting="1 day", whatToShow=what)
        for what in ("BID", "ASK", "MIDPOINT", "BID_ASK")
    )
    assert bid["close"] < middle["close"] < ask["close"]
    assert (both["open"], both["close"]) == (bid["open"], ask["close"])
    assert {bid["volume"], bid["WAP"], bid["barCount"]} == {-1}


@pytest.mark.parametrize(
    ("wanted", "code"),
    [
        ({"contract": {**MSFT, "symbol": "NOSUCH"}}, 200),
        ({"contract": {"symbol": "MSFT", "secType": "STK"}}, 321),
        ({"contract": {**MSFT, "secType": "BAG"}}, 321),
        ({"whatToShow": "NONSENSE"}, 321),
        ({"whatToShow": "HISTORICAL_VOLATILITY"}, 162),
        ({"contract": EURO}, 162),
        ({"contract": SPX, "whatToShow": "BID"}, 162),
        ({"barSizeSetting": "7 mins"}, 321),
        ({"duration": "2"}, 321),
        ({"duration": "0 D"}, 321),
        ({"duration": "x D"}, 321),
        ({"duration": "5 Y", "barSizeSetting": "1 min"}, 162),
        ({"endDateTime": "soon"}, 10314),
        ({"endDateTime": "19990101 00:00:00"}, 162),
        ({"keepUpToDate": True, "endDateTime": "20261123 12:00:00"}, 321),
        ({"keepUpToDate": True, "barSizeSetting": "1 secs"}, 321),
    ],
)
def test_what_cannot_be_had_is_refused(wanted: dict[str, Any], code: int) -> None:
    """Under the request's id, and the session goes on."""
    client = Pocket(gateway())
    assert errors(client.ask("reqHistoricalData", **wish(**wanted))) == [(5, code)]
    assert bars(client)


@every_version
def test_bars_are_kept_up_to_date(version: int) -> None:
    """The growing bar every five seconds; a bar that has ended is told once more, whole."""
    venue = gateway()
    client = Checked(venue, version)
    client.ask("reqHistoricalData", **wish(keepUpToDate=True, barSizeSetting="10 secs", duration="60 S"))
    venue.run(5)
    client.listen()
    venue.market("MSFT").set_quote(bid=490, ask="490.01", last=490)
    venue.run(20)
    client.listen()
    told = [(args[1].date[9:17], args[1].close) for args in client.of("historicalDataUpdate")]
    assert told[0][0] == "10:00:00"
    assert told[-1] == ("10:00:20", 490.0)
    assert [when for when, _ in told] == sorted(when for when, _ in told)
    assert errors(client.ask("cancelHistoricalData", reqId=5)) == [(5, 162)]
    venue.run(20)
    assert client.listen() == []
    assert errors(client.ask("cancelHistoricalData", reqId=5)) == [(5, 366)]


@every_version
@pytest.mark.parametrize(
    ("what", "callback"),
    [
        ("TRADES", "historicalTicksLast"),
        ("BID_ASK", "historicalTicksBidAsk"),
        ("MIDPOINT", "historicalTicks"),
    ],
)
def test_ticks_from_a_start_or_to_an_end(version: int, what: str, callback: str) -> None:
    """One a second, over the edges of sessions; the price is that of the bars."""
    client = Checked(gateway(), version)
    asked = {"reqId": 6, "contract": MSFT, "numberOfTicks": 100, "whatToShow": what, "useRTH": True}
    client.ask("reqHistoricalTicks", **asked, startDateTime="20261120 15:59:00", endDateTime="")
    client.ask("reqHistoricalTicks", **asked, startDateTime="", endDateTime="20261123 09:30:39")
    forward, back = client.of(callback)
    for number, ticks, done in (forward, back):
        assert (number, len(ticks), done) == (6, 100, True)
        assert [tick.time for tick in ticks] == sorted({tick.time for tick in ticks})
    assert forward[1][60].time - forward[1][59].time > 86_400


def test_ticks_that_make_no_sense_are_refused() -> None:
    """Both ends, none, too many, or not offered."""
    client = Pocket(gateway())
    asked = {"reqId": 6, "contract": MSFT, "numberOfTicks": 10, "whatToShow": "TRADES", "useRTH": True}
    start = "20261123 10:00:00"
    for wanted, code in (
        ({}, 10187),
        ({"startDateTime": start, "endDateTime": start}, 10187),
        ({"startDateTime": start, "numberOfTicks": 1001}, 10187),
        ({"startDateTime": start, "whatToShow": "X"}, 321),
        ({"startDateTime": "soon"}, 10314),
        ({"startDateTime": start, "contract": EURO}, 162),
    ):
        assert errors(client.ask("reqHistoricalTicks", **{**asked, **wanted})) == [(6, code)]


def test_ticks_of_a_time_before_all_history() -> None:
    """The first there are, going on; none, going back."""
    client = Pocket(gateway())
    asked = {"reqId": 6, "contract": MSFT, "numberOfTicks": 10, "whatToShow": "TRADES", "useRTH": True}
    (first,) = client.ask("reqHistoricalTicks", **asked, startDateTime="19990101 00:00:00")
    assert len(first.fields["historicalTicksLast"]) == 10
    (none,) = client.ask("reqHistoricalTicks", **asked, endDateTime="19990101 00:00:00")
    assert none.fields.get("historicalTicksLast", []) == []


@every_version
def test_the_head_of_history(version: int) -> None:
    """As text in UTC, or as seconds."""
    client = Checked(gateway(), version)
    asked = {"contract": AAPL, "whatToShow": "TRADES", "useRTH": True}
    client.ask("reqHeadTimeStamp", reqId=1, formatDate=1, **asked)
    client.ask("reqHeadTimeStamp", reqId=2, formatDate=2, **asked)
    assert client.of("headTimestamp") == [(1, "20211101-04:00:00"), (2, "1635739200")]
    assert errors(client.ask("reqHeadTimeStamp", reqId=3, formatDate=1, **{**asked, "whatToShow": ""})) == [
        (3, 321)
    ]


@every_version
def test_a_histogram_counts_what_was_traded(version: int) -> None:
    """At each price, lowest first; together it is the volume of the days."""
    client = Checked(gateway(), version)
    client.ask("reqHistogramData", reqId=1, contract=MSFT, useRTH=True, timePeriod="2 days")
    ((_, rows),) = client.of("histogramData")
    assert [row.price for row in rows] == sorted(row.price for row in rows)
    volume = sum(one["volume"] for one in bars(client, barSizeSetting="1 day"))
    sizes = [int(row.count if OLD_CLIENT else row.size) for row in rows]
    assert sum(sizes) == volume
    assert errors(client.ask("reqHistogramData", reqId=2, contract=MSFT, timePeriod="often")) == [(2, 321)]


@pytest.mark.skipif(OLD_CLIENT, reason="schedules came after this client")
@every_version
def test_the_schedule_lists_sessions(version: int) -> None:
    """Open and close of each day."""
    client = Checked(gateway(), version)
    client.ask("reqHistoricalData", **wish(whatToShow="SCHEDULE", barSizeSetting="1 day"))
    ((_, _, _, zone, sessions),) = client.of("historicalSchedule")
    assert zone == "US/Eastern"
    assert [(one.refDate, one.startDateTime) for one in sessions] == [
        ("20261123", "20261123-09:30:00"),
        ("20261124", "20261124-09:30:00"),
    ]


def test_cancels_of_what_is_over_are_silent() -> None:
    """The answer came at once, so there is nothing to cancel."""
    client = Pocket(gateway())
    for kind in ("cancelHistogramData", "cancelHeadTimeStamp"):
        assert client.ask(kind, reqId=1) == []


def test_continuous_futures_have_a_past_up_to_now() -> None:
    """Bars and a head like those of the next to expire; no end may be given (10339), and no ticks."""
    client = Pocket(gateway())
    future = {"symbol": "ES", "secType": "CONTFUT", "exchange": "CME", "currency": "USD"}
    asked = {"barSizeSetting": "1 day", "duration": "5 D", "whatToShow": "TRADES", "useRTH": True}
    answer = client.ask("reqHistoricalData", reqId=4, contract=future, **asked)
    front = {**future, "secType": "FUT", "lastTradeDateOrContractMonth": "202612"}
    same = client.ask("reqHistoricalData", reqId=4, contract=front, **asked)
    assert answer[0].fields["historicalDataBars"] == same[0].fields["historicalDataBars"]
    ended = client.ask(
        "reqHistoricalData", reqId=5, contract=future, endDateTime="20261120 16:00:00", **asked
    )
    assert errors(ended) == [(5, 10339)]
    assert errors(client.ask("reqMktData", reqId=6, contract=future)) == [(6, 200)]
