"""Requests that ask: open orders, executions, completed orders, positions, the account, the time."""

from __future__ import annotations

import attrs
import pytest

from ibkr_core.gateway import Choreography
from ibkr_core.wire.framing import frame
from ibkr_core.wire.ids import REQUEST_IDS
from ibkr_core.wire.message import Message
from ibkr_core.wire.registry import requests
from ibkr_core.wire.schema import fields_of
from tests.gateway.pocket import Pocket, errors, gateway, kinds, plain, story


def filled_and_resting() -> tuple[object, Pocket]:
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    client.place(2, "SELL", 4)
    client.place(3, "BUY", 10, "LMT", lmtPrice=99.0)
    return venue, client


def test_open_orders_are_pairs_and_an_end() -> None:
    """Only what lives; one's own, or everybody's (TWS facts 5)."""
    venue, client = filled_and_resting()
    other = Pocket(venue, 2)
    assert story(client.ask("reqOpenOrders")) == ["open Submitted", "status Submitted 0/10", "openOrderEnd"]
    assert story(other.ask("reqOpenOrders")) == ["openOrderEnd"]
    (shown, *_) = other.ask("reqAllOpenOrders")
    assert (shown.fields["orderId"], shown.fields["order"]["clientId"]) == (3, 1)


def test_only_client_zero_may_bind() -> None:
    """327 for the others, nothing for client 0 (TWS facts 4)."""
    venue = gateway()
    assert errors(Pocket(venue, 1).ask("reqAutoOpenOrders", autoBind=True)) == [(-1, 327)]
    assert Pocket(venue, 0).ask("reqAutoOpenOrders", autoBind=True) == []


def test_executions_come_before_all_commissions() -> None:
    """Then the end, all under the request's id (TWS facts 2.9)."""
    _, client = filled_and_resting()
    answer = client.ask("reqExecutions", reqId=7)
    assert kinds(answer) == [
        "execDetails",
        "execDetails",
        "commissionReport",
        "commissionReport",
        "execDetailsEnd",
    ]
    assert {one.fields.get("reqId") for one in answer if one.kind != "commissionReport"} == {7}


def test_a_commission_that_is_not_known_yet_is_not_reported() -> None:
    """The execution comes alone; the commission follows live, when it is known."""
    style = attrs.evolve(Choreography.plain(), commission_delay_s=(5.0, 5.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    assert kinds(client.ask("reqExecutions", reqId=7)) == ["execDetails", "execDetailsEnd"]
    venue.run(6)
    assert kinds(client.listen())[-1] == "commissionReport"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ({}, [1, 2]),
        ({"side": "BUY"}, [1]),
        ({"side": "SLD"}, [2]),
        ({"symbol": "MSFT"}, []),
        ({"symbol": "AAPL", "secType": "STK", "acctCode": "DU1234567"}, [1, 2]),
        ({"acctCode": "DU9"}, []),
        ({"clientId": 1}, [1, 2]),
        ({"clientId": 2}, []),
        ({"clientId": 0}, [1, 2]),
        ({"exchange": "NOWHERE"}, []),
        ({"time": "20261124 09:59:59"}, [1, 2]),
        ({"time": "20261124-15:00:01"}, []),
    ],
)
def test_executions_can_be_filtered(wanted: dict[str, object], found: list[int]) -> None:
    """By every field; client 0 and empty fields let everything pass (wire facts 6)."""
    _, client = filled_and_resting()
    answer = client.ask("reqExecutions", reqId=7, executionFilter=wanted)
    assert [one.fields["execution"]["orderId"] for one in answer if one.kind == "execDetails"] == found


def test_executions_are_of_today() -> None:
    """A gateway keeps the current day only (TWS facts 3)."""
    venue, client = filled_and_resting()
    venue.run(24 * 3600)
    assert kinds(client.ask("reqExecutions", reqId=7)) == ["execDetailsEnd"]


def test_a_gateway_may_be_silent_when_there_are_no_executions() -> None:
    """Not even the end is sent, when told so (TWS facts 2.9)."""
    client = Pocket(gateway(silent_empty_executions=True))
    assert client.ask("reqExecutions", reqId=7) == []
    client.place(1, "BUY", 10)
    assert kinds(client.ask("reqExecutions", reqId=8))[-1] == "execDetailsEnd"


def test_completed_orders_tell_how_they_ended() -> None:
    """A filled one has quantity 0, a cancelled and a rejected one are both Cancelled (TWS facts 4)."""
    _, client = filled_and_resting()
    client.cancel(3)
    client.place(4, "BUY", 100_000_000)
    answer = client.ask("reqCompletedOrders", apiOnly=False)
    assert answer[-1].kind == "completedOrdersEnd"
    told = [
        (
            one.fields["order"]["totalQuantity"],
            one.fields["order"]["filledQuantity"],
            one.fields["orderState"]["status"],
            one.fields["orderState"]["completedStatus"],
        )
        for one in answer[:-1]
    ]
    assert told == [
        (0, 10, "Filled", "Filled Size: 10"),
        (0, 4, "Filled", "Filled Size: 4"),
        (10, 0, "Cancelled", "Cancelled by Trader"),
        (100_000_000, 0, "Cancelled", "Cancelled by System:\n"),
    ]


def test_positions_are_pushed_until_cancelled() -> None:
    """First all that is held, then each change as it happens."""
    venue, client = filled_and_resting()
    answer = client.ask("reqPositions")
    assert kinds(answer) == ["position", "positionEnd"]
    assert (answer[0].fields["position"], answer[0].fields["contract"]["exchange"]) == (6, "NASDAQ")
    pushed = [one for one in client.place(4, "SELL", 6) if one.kind == "position"]
    assert [one.fields["position"] for one in pushed] == [0]
    assert kinds(Pocket(venue, 2).ask("reqPositions")) == ["positionEnd"]
    client.ask("cancelPositions")
    assert "position" not in kinds(client.place(5, "BUY", 1))


def test_the_account_summary_ends() -> None:
    """One line a tag, under the request's id."""
    client = Pocket(gateway())
    answer = client.ask(
        "reqAccountSummary", reqId=9, group="All", tags="NetLiquidation, AccountType,nonsense"
    )
    assert [(one.fields["tag"], one.fields["value"]) for one in answer[:-1]] == [
        ("NetLiquidation", "1000000.00"),
        ("AccountType", "INDIVIDUAL"),
    ]
    assert (answer[-1].kind, answer[-1].fields["reqId"]) == ("accountSummaryEnd", 9)
    assert client.ask("cancelAccountSummary", reqId=9) == []


def test_small_questions_have_answers() -> None:
    """Ids, accounts and the time, in seconds and in milliseconds."""
    client = Pocket(gateway())
    assert client.ask("reqIds", numIds=1) == [Message("nextValidId", {"orderId": 1})]
    assert client.ask("reqManagedAccts") == [Message("managedAccounts", {"accountsList": "DU1234567"})]
    (answer,) = client.ask("reqCurrentTimeInMillis")
    assert answer.fields["currentTimeInMillis"] == 1_795_532_400_000


TESTED_ELSEWHERE = {"startApi", "placeOrder", "cancelOrder"}
AS_AT_A_REAL_GATEWAY = {
    "reqMarketDataType",
    "reqGlobalCancel",
    "reqNewsBulletins",
    "reqAccountUpdates",  # without "subscribe" it ends what does not run
}
NOTHING_TO_CANCEL = {
    "cancelHistoricalData": 366,
    "cancelMktData": 300,
    "cancelMktDepth": 310,
    "cancelRealTimeBars": 300,
    "cancelTickByTickData": 300,
    "cancelScannerSubscription": 365,
}
IN_TEXT = sorted(
    name for name, kind in requests().by_name.items() if kind.layout and name not in TESTED_ELSEWHERE
)


@pytest.mark.parametrize("kind", IN_TEXT)
def test_every_request_is_answered_or_has_no_answer(kind: str) -> None:
    """Nothing crashes; what is not simulated is refused under its request's id; the session goes on."""
    client = Pocket(gateway())
    known = fields_of(requests().by_name[kind].message)
    answer = client.ask(kind, **{name: 41 for name in ("reqId", "orderId") if name in known})
    if kind in NOTHING_TO_CANCEL:
        assert errors(answer) == [(41, NOTHING_TO_CANCEL[kind])]
    elif kind.startswith(("cancel", "unsubscribe")) or kind in AS_AT_A_REAL_GATEWAY:
        assert answer == []
    else:
        assert answer
        assert {one.fields["id"] for one in answer if one.kind == "error"} <= {41, -1}
    assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]


@pytest.mark.parametrize(
    "name",
    ["reqMktData", "reqHistoricalData", "reqNewsArticle", "reqScannerSubscription", "reqFundamentalData"],
)
def test_what_is_not_simulated_gets_an_error(name: str) -> None:
    """Whether or not the codec can read the request, the client hears something."""
    client = Pocket(gateway())
    answer = client.send(frame(f"{REQUEST_IDS[name]}\0{41}\0".encode()))
    assert [one.kind for one in answer] == ["error"]
