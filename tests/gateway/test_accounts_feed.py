"""Accounts as clients watch them: once everything, then what changes."""

from __future__ import annotations

import pytest

from ibkr_core.gateway import MemoryGateway
from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import Pocket, errors, gateway, kinds, plain

ACCOUNT = "DU1234567"
every_version = pytest.mark.parametrize("version", VERSIONS)


def bought(version: int = VERSIONS[0], **wanted: object) -> tuple[MemoryGateway, Checked]:
    """A client that holds ten AAPL, bought at 100.01."""
    venue = gateway(**wanted)
    client = Checked(venue, version)
    client.place(1, "BUY", 10)
    return venue, client


@every_version
def test_account_updates_tell_everything_and_then_changes(version: int) -> None:
    """Values, holdings, the time, the end; after a fill only what it changed (wire facts 6)."""
    _, client = bought(version)
    first = kinds(client.ask("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT))
    assert first[-3:] == ["updatePortfolio", "updateAccountTime", "accountDownloadEnd"]
    values = {(args[0], args[2]): args[1] for args in client.of("updateAccountValue")}
    assert values["AccountReady", ""] == "true"
    assert values["NetLiquidation", "USD"] == "999998.95"  # 1,000,000 - 1.00 commission - 0.05 spread
    pushed = client.place(2, "SELL", 4)
    held = [one.fields for one in pushed if one.kind == "updatePortfolio"]
    assert [one["position"] for one in held] == [6]
    assert 0 < kinds(pushed).count("updateAccountValue") < first.count("updateAccountValue")
    assert "accountDownloadEnd" not in kinds(pushed)


def test_a_closed_holding_is_told_once_more() -> None:
    """With position 0, so that the client drops it; a flat one is not listed at first."""
    venue, client = bought()
    client.ask("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
    pushed = client.place(2, "SELL", 10)
    assert [one.fields["position"] for one in pushed if one.kind == "updatePortfolio"] == [0]
    later = Pocket(venue, 2).ask("reqAccountUpdates", subscribe=True)
    assert "updatePortfolio" not in kinds(later)


def test_account_updates_end() -> None:
    """2100 tells so; then nothing more comes, and ending it again says nothing."""
    _, client = bought()
    client.ask("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
    assert errors(client.ask("reqAccountUpdates", subscribe=False, acctCode=ACCOUNT)) == [(-1, 2100)]
    assert "updatePortfolio" not in kinds(client.place(2, "SELL", 4))
    assert client.ask("reqAccountUpdates", subscribe=False, acctCode=ACCOUNT) == []


def test_a_new_subscription_takes_the_place_of_the_old() -> None:
    """One account at a time."""
    venue = gateway(settings=plain(accounts=("DU1", "DU2")))
    client = Checked(venue, VERSIONS[0])
    client.ask("reqAccountUpdates", subscribe=True, acctCode="DU1")
    client.ask("reqAccountUpdates", subscribe=True, acctCode="DU2")
    assert "updatePortfolio" not in kinds(client.place(1, "BUY", 1, account="DU1"))
    assert "updatePortfolio" in kinds(client.place(2, "BUY", 1, account="DU2"))


def test_the_market_moves_an_account_every_three_minutes() -> None:
    """Without a fill, too."""
    venue, client = bought()
    client.ask("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
    venue.market("AAPL").set_quote(bid=110, ask="110.01")
    venue.run(179)
    assert client.listen() == []
    venue.run(1)
    (held,) = [one.fields for one in client.listen() if one.kind == "updatePortfolio"]
    assert (held["marketPrice"], held["unrealizedPNL"]) == (110.005, 98.95)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("reqAccountUpdates", "acctCode"),
        ("reqAccountUpdatesMulti", "account"),
        ("reqPositionsMulti", "account"),
        ("reqPnL", "account"),
        ("reqPnLSingle", "account"),
    ],
)
def test_an_unknown_account_is_refused(kind: str, name: str) -> None:
    """321 under the request's id, where it has one."""
    fields = {"subscribe": True} if kind == "reqAccountUpdates" else {"reqId": 5}
    subject = fields.get("reqId", -1)
    assert errors(Pocket(gateway()).ask(kind, **fields, **{name: "DU9"})) == [(subject, 321)]


@every_version
def test_updates_multi_carry_their_request(version: int) -> None:
    """Once everything and the end, then changes, until cancelled."""
    _, client = bought(version)
    first = client.ask("reqAccountUpdatesMulti", reqId=8, account=ACCOUNT, ledgerAndNLV=False)
    assert first[-1].kind == "accountUpdateMultiEnd"
    assert {one.fields["reqId"] for one in first} == {8}
    assert ("NetLiquidation", "999998.95") in {args[3:5] for args in client.of("accountUpdateMulti")}
    assert "accountUpdateMulti" in kinds(client.place(2, "SELL", 4))
    assert client.ask("cancelAccountUpdatesMulti", reqId=8) == []
    assert "accountUpdateMulti" not in kinds(client.place(3, "SELL", 4))


@every_version
def test_positions_multi_carry_their_request(version: int) -> None:
    """All accounts where none is named; then each change."""
    _, client = bought(version)
    first = client.ask("reqPositionsMulti", reqId=8, account="", modelCode="")
    assert kinds(first) == ["positionMulti", "positionMultiEnd"]
    assert (first[0].fields["position"], first[0].fields["reqId"]) == (10, 8)
    pushed = [one for one in client.place(2, "SELL", 10) if one.kind == "positionMulti"]
    assert [one.fields["position"] for one in pushed] == [0]
    client.ask("cancelPositionsMulti", reqId=8)
    assert "positionMulti" not in kinds(client.place(3, "BUY", 4))


@every_version
def test_a_summary_is_refreshed_until_cancelled(version: int) -> None:
    """Every three minutes, and only what changed."""
    venue, client = bought(version)
    first = client.ask(
        "reqAccountSummary", reqId=9, group="All", tags="AccountType,NetLiquidation,$LEDGER:ALL"
    )
    assert first[-1].kind == "accountSummaryEnd"
    assert ("CashBalance", "998998.90", "USD") in {args[2:5] for args in client.of("accountSummary")}
    venue.market("AAPL").set_quote(bid=110, ask="110.01")
    venue.run(181)
    changed = {one.fields["tag"] for one in client.listen()}
    assert "NetLiquidation" in changed
    assert "AccountType" not in changed
    client.ask("cancelAccountSummary", reqId=9)
    venue.market("AAPL").set_quote(bid=120, ask="120.01")
    venue.run(400)
    assert client.listen() == []


def test_at_most_two_summaries_at_a_time() -> None:
    """The third is refused with 322, as is an id in use; a cancelled one makes room."""
    client = Pocket(gateway())
    for number in (1, 2):
        client.ask("reqAccountSummary", reqId=number, group="All", tags="SMA")
    assert errors(client.ask("reqAccountSummary", reqId=3, group="All", tags="SMA")) == [(3, 322)]
    client.ask("cancelAccountSummary", reqId=1)
    assert errors(client.ask("reqAccountSummary", reqId=2, group="All", tags="SMA")) == [(2, 322)]
    assert kinds(client.ask("reqAccountSummary", reqId=3, group="All", tags="SMA"))[-1] == "accountSummaryEnd"


@every_version
def test_profit_and_loss_follow_the_market(version: int) -> None:
    """At once, and then whenever it changes, looked at every second."""
    venue, client = bought(version)
    client.ask("reqPnL", reqId=4, account=ACCOUNT)
    assert client.of("pnl") == [(4, -1.05, -1.05, 0.0)]
    venue.run(5)
    assert client.listen() == []
    venue.market("AAPL").set_quote(bid=110, ask="110.01")
    venue.run(1)
    client.listen()
    assert client.of("pnl")[1:] == [(4, 98.95, 98.95, 0.0)]
    client.ask("cancelPnL", reqId=4)
    venue.market("AAPL").set_quote(bid=120, ask="120.01")
    venue.run(5)
    assert client.listen() == []


@every_version
def test_profit_and_loss_of_one_holding(version: int) -> None:
    """Position, the three results and the value."""
    venue, client = bought(version)
    client.ask("reqPnLSingle", reqId=4, account=ACCOUNT, modelCode="", conId=265598)
    assert [tuple(map(float, args)) for args in client.of("pnlSingle")] == [(4, 10, -1.05, -1.05, 0, 1000.05)]
    client.place(2, "SELL", 10)
    venue.run(1)
    client.listen()
    told = client.of("pnlSingle")[-1]
    assert (float(told[1]), told[3], told[5]) == (0, 0.0, 0.0)
    assert told[2] == told[4] == -2.1  # both commissions and the spread
    client.ask("cancelPnLSingle", reqId=4)


def test_a_holding_that_never_was_has_no_numbers() -> None:
    """Position 0; an unknown contract is refused."""
    client = Pocket(gateway())
    (told,) = client.ask("reqPnLSingle", reqId=4, account=ACCOUNT, conId=272093)
    assert told.fields == {"reqId": 4, "position": 0}
    assert errors(client.ask("reqPnLSingle", reqId=5, account=ACCOUNT, conId=1)) == [(5, 321)]


def test_a_client_that_leaves_is_not_pushed_to() -> None:
    """Its subscriptions end, so time passes without a thing to do."""
    venue, client = bought()
    client.ask("reqAccountUpdates", subscribe=True, acctCode=ACCOUNT)
    client.ask("reqPnL", reqId=4, account=ACCOUNT)
    client.session.close()
    venue.run(1000)
    assert venue.next_deadline() is None
    assert client.session.outgoing() == b""
