"""News of a made-up press."""

from __future__ import annotations

import pytest

from ibkr_core.gateway import MarketSettings
from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, kinds, plain
from tests.wire.oracle import versions

every_version = pytest.mark.parametrize("version", VERSIONS)
ALL = "BRFG+BRFUPDN+DJNL"


@every_version
def test_headlines_lead_to_their_articles(version: int) -> None:
    """Providers, the latest headlines first, the end, and the article under each of them (wire facts 6)."""
    client = Checked(gateway(), version)
    client.ask("reqNewsProviders")
    assert [one.code for one in client.of("newsProviders")[0][0]] == ALL.split("+")
    answer = client.ask("reqHistoricalNews", reqId=3, conId=265598, providerCodes=ALL, totalResults=5)
    assert kinds(answer) == ["historicalNews"] * 5 + ["historicalNewsEnd"]
    assert client.of("historicalNewsEnd") == [(3, True)]
    told = client.of("historicalNews")
    times = [args[1] for args in told]
    assert times == sorted(times, reverse=True)
    assert times[0] < "2026-11-24 15:00:00.0"
    for _, _, provider, article, headline in told:
        client.ask("reqNewsArticle", reqId=4, providerCode=provider, articleId=article)
        number, kind, text = client.of("newsArticle")[-1]
        assert (number, kind) == (4, 0)
        assert headline.removeprefix("{A:800015:L:en}") in text


def test_news_are_asked_for_by_time_and_provider() -> None:
    """Between two moments, from one provider, at most so many; the same seed tells the same."""
    client = Pocket(gateway())
    asked = {"reqId": 3, "conId": 265598, "providerCodes": ALL, "totalResults": 300}
    everything = client.ask("reqHistoricalNews", **asked)
    assert everything[-1].fields.get("hasMore", False) is False
    week = client.ask(
        "reqHistoricalNews",
        **asked,
        startDateTime="2026-11-09 00:00:00.0",
        endDateTime="2026-11-14 00:00:00.0",
    )
    assert [one.fields["time"][:10] for one in week[:-1]] == [
        f"2026-11-{day:02}" for day in (13, 12, 11, 10, 9)
    ]
    one_provider = client.ask("reqHistoricalNews", **{**asked, "providerCodes": "DJNL"})
    assert {one.fields["providerCode"] for one in one_provider[:-1]} == {"DJNL"}
    assert Pocket(gateway()).ask("reqHistoricalNews", **asked) == everything
    assert Pocket(gateway(seed=2)).ask("reqHistoricalNews", **asked) != everything


def test_what_there_is_no_news_of() -> None:
    """A feed without permission, an unknown contract, no time, no such article; only the end for an index."""
    client = Pocket(gateway())
    asked = {"reqId": 3, "conId": 265598, "providerCodes": "BRFG"}
    for change, code in (
        ({"providerCodes": "DJ-X"}, 10276),
        ({"conId": 1}, 200),
        ({"startDateTime": "yesterday"}, 321),
    ):
        assert errors(client.ask("reqHistoricalNews", **{**asked, **change})) == [(3, code)]
    assert kinds(client.ask("reqHistoricalNews", **{**asked, "conId": 416904})) == ["historicalNewsEnd"]
    for article in ("", "BRFG$", "BRFG$x-y", "BRFG$40d7e-1", "BRFG$40d7e-ffffffffffff"):
        answer = client.ask("reqNewsArticle", reqId=5, providerCode="BRFG", articleId=article)
        assert errors(answer) == [(5, 10172)]


def test_tomorrows_article_is_not_out() -> None:
    """An id that will be given tomorrow is not known today."""
    later, client = gateway(), Pocket(gateway())
    later.run(2 * 86_400)
    asked = {"reqId": 3, "conId": 265598, "providerCodes": ALL, "totalResults": 1}
    first = Pocket(later).ask("reqHistoricalNews", **asked)[0].fields
    wanted = {"providerCode": first["providerCode"], "articleId": first["articleId"]}
    assert errors(client.ask("reqNewsArticle", reqId=5, **wanted)) == [(5, 10172)]


@pytest.mark.parametrize("version", versions(157, 200, 226))
def test_headlines_come_with_market_data(version: int) -> None:
    """Generic tick 292 alone (``mdoff``): the latest of a provider, and each new one as it comes."""
    venue = gateway(settings=plain(market=MarketSettings(moves=False, interval_s=600.0)))
    client = Checked(venue, version)
    client.ask("reqMktData", reqId=4, contract=AAPL, genericTickList=f"mdoff,292:{ALL}")
    assert {args[0] for args in client.of("tickNews")} == {4}
    before = len(client.of("tickNews"))
    assert before >= 1
    assert client.of("tickPrice") == []
    venue.run(3 * 86_400)
    client.listen()
    assert len(client.of("tickNews")) > before
    assert client.of("tickPrice") == []


@every_version
def test_bulletins_reach_those_who_asked(version: int) -> None:
    """Only from now on, or those of before as well; nothing after the cancel (wire facts 6)."""
    venue = gateway()
    early, late = Checked(venue, version), Checked(venue, version, 2)
    assert early.ask("reqNewsBulletins", allMessages=False) == []
    venue.bulletin("NYSE opens late", kind=2, exchange="NYSE")
    early.listen()
    assert [(args[1], args[2], args[3]) for args in early.of("updateNewsBulletin")] == [
        (2, "NYSE opens late", "NYSE")
    ]
    assert kinds(late.ask("reqNewsBulletins", allMessages=True)) == ["updateNewsBulletin"]
    early.ask("cancelNewsBulletins")
    venue.bulletin("NYSE is open", kind=3)
    assert early.listen() == []
    assert kinds(late.listen()) == ["updateNewsBulletin"]
    late.session.close()
    venue.bulletin("nobody hears it")
