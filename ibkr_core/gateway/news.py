"""News of a made-up press: providers, headlines, articles, ticks and bulletins (wire facts 6).

The forms are those of a real gateway, as public captures of it show them: ids such as ``BRFG$1f064106``,
headlines that begin with ``{A:800015:L:en}``, times such as ``2026-07-31 13:53:52.0`` in UTC, articles in
HTML. The stories are canned; which one a stock gets on which day is decided by the seed.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import attrs

from ibkr_core.gateway.holidays import is_holiday
from ibkr_core.gateway.hours import from_eastern
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Handler, request_id_of
from ibkr_core.gateway.venue import Venue
from ibkr_core.wire.message import Message

__all__ = ["PROVIDERS", "NewsDesk", "Newsroom", "Story", "tick_news"]

PROVIDERS: Mapping[str, str] = {
    "BRFG": "Briefing.com General Market Columns",
    "BRFUPDN": "Briefing.com Analyst Actions",
    "DJNL": "Dow Jones Newsletters",
}
_PLOTS = (
    "{name} trades {word} after results",
    "Analysts weigh the outlook of {name}",
    "{name} ({symbol}) opens {word} in busy trading",
    "What to expect of {name} this week",
    "Fund lifts its stake in {name}",
    "{symbol}: a look at the options market",
)
_WORDS = ("higher", "lower", "flat")
_DAYS_KEPT = 60
_MOST_RESULTS = 300
_SATURDAY = 5
_OPENS_HOUR, _HOURS = 8, 9
_TIME_FORMS = ("%Y-%m-%d %H:%M:%S.0", "%Y-%m-%d %H:%M:%S", "%Y%m%d %H:%M:%S", "%Y%m%d-%H:%M:%S")


@attrs.frozen(kw_only=True)
class Story:
    """One headline and what stands under it.

    Attributes:
        con_id: Whose news it is.
        moment: When it came, seconds since the epoch.
        provider: A code of :data:`PROVIDERS`.
        article_id: By which the article is asked for.
        headline: For people.
        text: The article, HTML.
    """

    con_id: int
    moment: float
    provider: str
    article_id: str
    headline: str
    text: str


class Newsroom:
    """Makes up what is told about each stock: one story on every trading day.

    Args:
        seed: Decides which.
    """

    def __init__(self, *, seed: int) -> None:
        self._seed = seed

    def stories(self, instrument: Instrument, moment: float) -> Iterator[Story]:
        """The stories about a stock up to a moment, the latest first; none about anything else."""
        if instrument.sec_type != "STK":
            return
        today = datetime.fromtimestamp(moment, UTC).date()
        for back in range(-1, _DAYS_KEPT):
            story = self.of_day(instrument, today - timedelta(days=back))
            if story is not None and story.moment <= moment:
                yield story

    def of_day(self, instrument: Instrument, day: date) -> Story | None:
        """The story of a day; None on a day without trading."""
        if day.weekday() >= _SATURDAY or is_holiday(day):
            return None
        rng = random.Random(f"{self._seed}/{instrument.con_id}/{day.toordinal()}/news")  # noqa: S311 - no secret
        provider = rng.choice(tuple(PROVIDERS))
        morning = datetime(day.year, day.month, day.day, _OPENS_HOUR)  # noqa: DTZ001 - New York wall time
        moment = from_eastern(morning) + rng.randrange(_HOURS * 3600)
        name, symbol = instrument.long_name.title(), instrument.symbol
        headline = rng.choice(_PLOTS).format(name=name, symbol=symbol, word=rng.choice(_WORDS))
        return Story(
            con_id=instrument.con_id,
            moment=moment,
            provider=provider,
            article_id=f"{provider}${instrument.con_id:x}-{day.toordinal():x}",
            headline=headline,
            text=f"<html><body><p>{headline}.</p><p>This article is part of a simulation.</p></body></html>",
        )


class NewsDesk:
    """Answers requests about news.

    Args:
        venue: Whose instruments the news are about, and its notice board.
        newsroom: Where the news come from.
    """

    def __init__(self, venue: Venue, newsroom: Newsroom) -> None:
        self._venue = venue
        self._newsroom = newsroom
        self._readers: list[Client] = []
        self._bulletins: list[Message] = []
        self._numbers = itertools.count(1)
        venue.on_bulletin.append(self._publish)

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "reqNewsProviders": self._providers,
            "reqHistoricalNews": self._historical,
            "reqNewsArticle": self._article,
            "reqNewsBulletins": self._subscribe,
            "cancelNewsBulletins": self._unsubscribe,
        }

    def forget(self, client: Client) -> None:
        """Send no more bulletins to a client."""
        self._readers = [one for one in self._readers if one is not client]

    def _providers(self, client: Client, _: Mapping[str, Any]) -> None:
        rows = [{"providerCode": code, "providerName": name} for code, name in PROVIDERS.items()]
        client.send(Message("newsProviders", {"newsProviders": rows}))

    def _historical(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Headlines from the latest to the earliest, then the end, which says whether there were more."""
        request_id = request_id_of(fields)
        codes = {code for code in str(fields.get("providerCodes") or "").split("+") if code}
        if not codes <= PROVIDERS.keys():
            raise RefusalError(10276, "News feed is not allowed.")
        instrument = self._venue.catalogue.by_id(int(fields.get("conId") or 0))
        if instrument is None:
            raise RefusalError(200, "No security definition has been found for the request")
        since = _moment(fields.get("startDateTime"), "startDateTime")
        until = _moment(fields.get("endDateTime"), "endDateTime")
        now = self._venue.now()
        wanted = min(int(fields.get("totalResults") or 0) or _MOST_RESULTS, _MOST_RESULTS)
        found = [
            one
            for one in self._newsroom.stories(instrument, now if until is None else min(until, now))
            if one.provider in codes and (since is None or one.moment >= since)
        ]
        for story in found[:wanted]:
            told = {
                "reqId": request_id,
                "time": f"{datetime.fromtimestamp(story.moment, UTC):%Y-%m-%d %H:%M:%S}.0",
                "providerCode": story.provider,
                "articleId": story.article_id,
                "headline": f"{{A:800015:L:en}}{story.headline}",
            }
            client.send(Message("historicalNews", told))
        client.send(Message("historicalNewsEnd", {"reqId": request_id, "hasMore": len(found) > wanted}))

    def _article(self, client: Client, fields: Mapping[str, Any]) -> None:
        story = self._find(str(fields.get("articleId") or ""))
        if story is None or story.provider != fields.get("providerCode"):
            raise RefusalError(10172, "Failed to request news article:No data available")
        told = {"reqId": request_id_of(fields), "articleType": 0, "articleText": story.text}
        client.send(Message("newsArticle", told))

    def _find(self, article_id: str) -> Story | None:
        con_id, _, day = article_id.partition("$")[2].partition("-")
        try:
            instrument = self._venue.catalogue.by_id(int(con_id, 16))
            story = self._newsroom.of_day(instrument, date.fromordinal(int(day, 16))) if instrument else None
        except (ValueError, OverflowError):
            return None
        known = story is not None and story.article_id == article_id and story.moment <= self._venue.now()
        return story if known else None

    # -- bulletins -----------------------------------------------------------------------------------

    def _subscribe(self, client: Client, fields: Mapping[str, Any]) -> None:
        """From now on; with ``allMessages`` those of today as well. No bulletin, no answer, as in reality."""
        if fields.get("allMessages"):
            for bulletin in self._bulletins:
                client.send(bulletin)
        if client not in self._readers:
            self._readers.append(client)

    def _unsubscribe(self, client: Client, _: Mapping[str, Any]) -> None:
        self.forget(client)

    def _publish(self, text: str, kind: int, exchange: str) -> None:
        told = {"newsMsgId": next(self._numbers), "newsMsgType": kind, "newsMessage": text}
        bulletin = Message("updateNewsBulletin", {**told, "originatingExch": exchange})
        self._bulletins.append(bulletin)
        for client in self._readers:
            client.send(bulletin)


def _moment(value: object, name: str) -> float | None:
    """Read a time of a news request, in UTC; None when it is not given.

    Raises:
        RefusalError: 321 when it is no time.
    """
    text = str(value or "").strip()
    if not text:
        return None
    for form in _TIME_FORMS:
        try:
            return datetime.strptime(text.removesuffix(" UTC"), form).replace(tzinfo=UTC).timestamp()
        except ValueError:
            continue
    raise RefusalError.invalid(f"Invalid {name} {text}")


def tick_news(request_id: int, story: Story) -> Message:
    """A story as a tick of a market data subscription (generic tick 292)."""
    told = {"reqId": request_id, "timestamp": int(story.moment * 1000), "providerCode": story.provider}
    extra = "A:800015:L:en:K:0.90:C:0.9"
    return Message(
        "tickNews", {**told, "articleId": story.article_id, "headline": story.headline, "extraData": extra}
    )
